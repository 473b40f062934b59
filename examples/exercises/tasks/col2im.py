"""col2im: the gradient of im2col, which is half of every convolution's.

im2col (the exercise before this one) copies cells of an image into rows. A cell that lies in
several windows is copied several times, and its gradient is the sum of what comes back from all
copies. A cell that lies in no window, because the next window did not fit, has gradient 0. Cells of
the padding are not cells of x; what comes back to them is dropped.

The library's im2col does the way forward in this exercise; you write the way back. The geometry, as
in im2col:

    columns[n, i, j, (a * KW + b) * C + c] = padded[n, i * stride[0] + a, j * stride[1] + b, c]

To read:  `col2im` in minigrad/operators/convolution.py
Check:    python -m examples.exercises check col2im
"""

import numpy as np


def col2im(
    g: np.ndarray,
    x: np.ndarray,
    *,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> np.ndarray:
    """The gradient of im2col(x, ...) with respect to x.

    g: (N, OH, OW, KH * KW * C), the gradient with respect to the rows
    x: (N, H, W, C), of which only the shape matters
    kernel_size: (KH, KW)
    pads: ((top, bottom), (left, right))
    returns: (N, H, W, C)
    """
    raise NotImplementedError
