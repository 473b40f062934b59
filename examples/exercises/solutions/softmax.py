"""Softmax: every output depends on every input."""

import numpy as np


def softmax(x):
    """(..., K) -> (..., K)"""
    # Nothing changes if a number is subtracted from a row, and no exponential is above 1 like this.
    powers = np.exp(x - x.max(axis=-1, keepdims=True))  # (..., K)
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax_backward(g, x):
    """(..., K), (..., K) -> (..., K)"""
    p = softmax(x)
    # sum over j of g[j] p[j] ((i == j) - p[i])  =  p[i] (g[i] - sum over j of g[j] p[j])
    average = (g * p).sum(axis=-1, keepdims=True)  # (..., 1)
    return p * (g - average)
