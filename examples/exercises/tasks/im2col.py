"""im2col: the window under every output cell, as a row.

A convolution looks at an image through a window that moves over it. im2col copies every window
into a row of its own. After that, the convolution is a matrix product: the rows times the kernel,
read as a matrix. So a convolution is a dense layer that sees windows.

The image is first surrounded by zeros: `pads` is ((top, bottom), (left, right)). Then the window of
height KH and width KW starts in the upper left corner and moves on by stride[0] cells downwards and
stride[1] to the right, as long as it fits. So there are

    OH = (H + top + bottom - KH) // stride[0] + 1

positions from top to bottom, and OW, likewise, from left to right. The row of a window holds its
cells from top to bottom, within that from left to right, and within that by channel:

    columns[n, i, j, (a * KW + b) * C + c] = padded[n, i * stride[0] + a, j * stride[1] + b, c]

Plain loops will do.

To read:  `im2col` in minigrad/operators/convolution.py, which does without loops
Check:    python -m examples.exercises check im2col
"""

import numpy as np


def im2col(
    x: np.ndarray,
    *,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> np.ndarray:
    """Every window as a row.

    x: (N, H, W, C)
    kernel_size: (KH, KW)
    returns: (N, OH, OW, KH * KW * C)
    """
    raise NotImplementedError
