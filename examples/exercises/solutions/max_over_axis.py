"""The gradient of a maximum, shared where there are ties."""

import numpy as np


def max_over_axis(x, *, axis):
    """(A, K, B) -> (A, B), for an axis in the middle."""
    return x.max(axis=axis)


def max_over_axis_backward(g, x, *, axis):
    """(A, B), (A, K, B) -> (A, K, B), for an axis in the middle."""
    # For an axis of size K in the middle: (A, K, B) == (A, 1, B) -> (A, K, B)
    is_largest = x == x.max(axis=axis, keepdims=True)
    winners = is_largest.sum(axis=axis, keepdims=True)  # (A, 1, B)
    return np.expand_dims(g, axis) * is_largest / winners
