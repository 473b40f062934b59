"""The largest cell of every window, and the way back to it."""

import numpy as np


def max_pool(x, *, kernel_size, stride):
    """(N, H, W, C) -> (N, OH, OW, C)"""
    (kh, kw), (oh, ow) = kernel_size, output_size(x, kernel_size, stride)
    out = np.zeros((len(x), oh, ow, x.shape[3]))
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride[0], j * stride[1]
            # (N, KH, KW, C) -> (N, C)
            out[:, i, j] = x[:, top : top + kh, left : left + kw].max(axis=(1, 2))
    return out


def max_pool_backward(g, x, *, kernel_size, stride):
    """(N, OH, OW, C), (N, H, W, C) -> (N, H, W, C)"""
    kh, kw = kernel_size
    batch, oh, ow, channels = g.shape
    to_x = np.zeros_like(x)
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride[0], j * stride[1]
            window = x[:, top : top + kh, left : left + kw]
            # The first of the largest cells in row-major order: (N, KH * KW, C) -> (N, C)
            winner = window.reshape(batch, kh * kw, channels).argmax(axis=1)
            rows, columns = winner // kw, winner % kw
            items, filters = np.indices(winner.shape)
            # No place is named twice within a window; windows overlap, so +=.
            to_x[items, top + rows, left + columns, filters] += g[:, i, j]
    return to_x


def output_size(x, kernel_size, stride):
    """(OH, OW)"""
    return (
        (x.shape[1] - kernel_size[0]) // stride[0] + 1,
        (x.shape[2] - kernel_size[1]) // stride[1] + 1,
    )
