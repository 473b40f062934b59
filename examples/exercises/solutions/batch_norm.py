"""Batch norm: three paths from the input to the output."""

import numpy as np

AXES = (0, 1, 2)  # what a channel is averaged over: n, h, w


def normalise(x, eps):
    """x with mean 0 and variance 1 in every channel, and the standard deviation, (C,)."""
    deviation = np.sqrt(x.var(axis=AXES) + eps)
    return (x - x.mean(axis=AXES)) / deviation, deviation


def batch_norm(x, weight, bias, *, eps):
    """(N, H, W, C), (C,), (C,) -> (N, H, W, C)"""
    normal, _ = normalise(x, eps)
    return normal * weight + bias


def batch_norm_backward(g, x, weight, bias, *, eps):
    """(N, H, W, C), (N, H, W, C), (C,), (C,) -> (N, H, W, C), (C,) and (C,)"""
    normal, deviation = normalise(x, eps)
    to_normal = g * weight  # (N, H, W, C)
    # The three paths: directly; through the mean, of which every cell is 1 / (N H W); and through
    # the variance, whose derivative is proportional to x - mean. The mean's effect on the variance
    # is 0: the distances from a mean add up to 0.
    through_mean = to_normal.mean(axis=AXES)  # (C,)
    through_variance = normal * (to_normal * normal).mean(axis=AXES)  # (N, H, W, C)
    to_x = (to_normal - through_mean - through_variance) / deviation
    # weight and bias are broadcast over n, h, w.
    to_weight = (g * normal).sum(axis=AXES)
    to_bias = g.sum(axis=AXES)
    return to_x, to_weight, to_bias
