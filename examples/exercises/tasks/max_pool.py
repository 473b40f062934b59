"""max_pool: the largest cell of every window, and the way back to it.

The window of height KH and width KW moves over the image in steps of `stride`, without padding, and
the largest cell of each window makes a cell of the output, every channel by itself:

    OH = (H - KH) // stride[0] + 1,  and OW likewise

Going back, the gradient of an output cell belongs to the cell that won its window. Windows may
overlap, and a cell can win several of them.

Convention for ties: the first of the largest cells wins, from top to bottom, and within a row from
left to right. (`max_over_axis` shares. Here, one winner can be remembered as one number.)

To read:  `window_max` and `scatter_to_winners` in minigrad/operators/convolution.py
Check:    python -m examples.exercises check max_pool
"""

import numpy as np


def max_pool(x: np.ndarray, *, kernel_size: tuple[int, int], stride: tuple[int, int]) -> np.ndarray:
    """The maximum of every window.

    x: (N, H, W, C)
    kernel_size: (KH, KW)
    returns: (N, OH, OW, C)
    """
    raise NotImplementedError


def max_pool_backward(
    g: np.ndarray, x: np.ndarray, *, kernel_size: tuple[int, int], stride: tuple[int, int]
) -> np.ndarray:
    """The gradient with respect to x.

    g: (N, OH, OW, C), the gradient with respect to max_pool(x, ...)
    returns: (N, H, W, C)
    """
    raise NotImplementedError
