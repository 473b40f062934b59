"""avg_pool: averages over windows, in which the padding does not count.

Windows move over the padded image as in `im2col`; `pads` is ((top, bottom), (left, right)). Every
output cell is the average of those cells of its window that belong to the image. A window that lies
half in the padding divides by half as much. (If padding counted as zeros, the border of every image
would come out darker.)

    OH = (H + top + bottom - KH) // stride[0] + 1,  and OW likewise

Going back, every cell of a window gets the same share of what comes in.

To read:  `avg_pool2d` in minigrad/functional.py
Check:    python -m examples.exercises check avg_pool
"""

import numpy as np


def avg_pool(
    x: np.ndarray,
    *,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> np.ndarray:
    """The average of every window, over cells that are not padding.

    x: (N, H, W, C)
    kernel_size: (KH, KW)
    returns: (N, OH, OW, C)
    """
    raise NotImplementedError


def avg_pool_backward(
    g: np.ndarray,
    x: np.ndarray,
    *,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> np.ndarray:
    """The gradient with respect to x.

    g: (N, OH, OW, C), the gradient with respect to avg_pool(x, ...)
    returns: (N, H, W, C)
    """
    raise NotImplementedError
