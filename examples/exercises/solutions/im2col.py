"""The window under every output cell, as a row."""

import numpy as np


def im2col(x, *, kernel_size, stride, pads):
    """(N, H, W, C) -> (N, OH, OW, KH * KW * C)"""
    kh, kw = kernel_size
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))  # (N, top + H + bottom, left + W + right, C)
    batch, height, width, channels = padded.shape
    oh = (height - kh) // stride[0] + 1
    ow = (width - kw) // stride[1] + 1
    columns = np.zeros((batch, oh, ow, kh * kw * channels))
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride[0], j * stride[1]
            window = padded[:, top : top + kh, left : left + kw]  # (N, KH, KW, C)
            columns[:, i, j] = window.reshape(batch, -1)  # (N, KH * KW * C)
    return columns
