"""Averages over windows, in which the padding does not count."""

import numpy as np


def avg_pool(x, *, kernel_size, stride, pads):
    """(N, H, W, C) -> (N, OH, OW, C)"""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    windows, counts = positions(x, kernel_size, stride, pads)
    oh, ow = counts.shape
    out = np.zeros((len(x), oh, ow, x.shape[3]))
    for i, j, window in windows:
        out[:, i, j] = padded[window].sum(axis=(1, 2)) / counts[i, j]  # (N, KH, KW, C) -> (N, C)
    return out


def avg_pool_backward(g, x, *, kernel_size, stride, pads):
    """(N, OH, OW, C), (N, H, W, C) -> (N, H, W, C)"""
    to_padded = np.pad(np.zeros_like(x), ((0, 0), *pads, (0, 0)))
    windows, counts = positions(x, kernel_size, stride, pads)
    for i, j, window in windows:
        # (N, 1, 1, C) to every cell of the window; += because windows overlap
        to_padded[window] += g[:, i : i + 1, j : j + 1] / counts[i, j]
    (top, _), (left, _) = pads
    _, height, width, _ = x.shape
    return to_padded[:, top : top + height, left : left + width]


def positions(x, kernel_size, stride, pads):
    """All windows as (i, j, index into the padded x); how many cells of x each holds, (OH, OW)."""
    inside = np.pad(np.ones(x.shape[1:3]), pads)  # 1 in the image, 0 in the padding
    oh = (inside.shape[0] - kernel_size[0]) // stride[0] + 1
    ow = (inside.shape[1] - kernel_size[1]) // stride[1] + 1
    windows, counts = [], np.zeros((oh, ow))
    for i in range(oh):
        for j in range(ow):
            rows = slice(i * stride[0], i * stride[0] + kernel_size[0])
            columns = slice(j * stride[1], j * stride[1] + kernel_size[1])
            windows.append((i, j, (slice(None), rows, columns)))
            counts[i, j] = inside[rows, columns].sum()
    return windows, counts
