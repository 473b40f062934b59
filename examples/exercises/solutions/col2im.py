"""The gradient of im2col: every row added back to its window."""

import numpy as np


def col2im(g, x, *, kernel_size, stride, pads):
    """(N, OH, OW, KH * KW * C), (N, H, W, C) -> (N, H, W, C)"""
    kh, kw = kernel_size
    batch, height, width, channels = x.shape
    (top, bottom), (left, right) = pads
    _, oh, ow, _ = g.shape
    windows = g.reshape(batch, oh, ow, kh, kw, channels)
    to_padded = np.zeros((batch, top + height + bottom, left + width + right, channels))
    for i in range(oh):
        for j in range(ow):
            row, column = i * stride[0], j * stride[1]
            # += because windows overlap
            to_padded[:, row : row + kh, column : column + kw] += windows[:, i, j]
    return to_padded[:, top : top + height, left : left + width]
