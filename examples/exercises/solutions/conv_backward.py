"""The two gradients of a convolution."""

import numpy as np


def conv(x, kernel, *, stride, pads):
    """(N, H, W, C), (KH, KW, C, F) -> (N, OH, OW, F)"""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    kh, kw, _, filters = kernel.shape
    oh = (padded.shape[1] - kh) // stride[0] + 1
    ow = (padded.shape[2] - kw) // stride[1] + 1
    out = np.zeros((len(x), oh, ow, filters))
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride[0], j * stride[1]
            window = padded[:, top : top + kh, left : left + kw]  # (N, KH, KW, C)
            out[:, i, j] = np.tensordot(window, kernel, axes=3)
    return out


def conv_backward(g, x, kernel, *, stride, pads):
    """(N, OH, OW, F), and x and kernel -> (N, H, W, C) and (KH, KW, C, F)"""
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    to_padded, to_kernel = np.zeros_like(padded), np.zeros_like(kernel)
    kh, kw, _, _ = kernel.shape
    _, oh, ow, _ = g.shape
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride[0], j * stride[1]
            position = (slice(None), slice(top, top + kh), slice(left, left + kw))
            # As in a dense layer, g @ w.T and x.T @ g.
            # (N, F) and (KH, KW, C, F), summed over F -> (N, KH, KW, C); += because windows overlap
            to_padded[position] += np.tensordot(g[:, i, j], kernel, axes=(1, 3))
            # (N, KH, KW, C) and (N, F), summed over N -> (KH, KW, C, F)
            to_kernel += np.tensordot(padded[position], g[:, i, j], axes=(0, 0))
    # The padding comes off again.
    (top, _), (left, _) = pads
    _, height, width, _ = x.shape
    return to_padded[:, top : top + height, left : left + width], to_kernel
