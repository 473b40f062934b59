"""batch_norm: an input that reaches the output along three paths.

In training, batch norm brings every channel to mean 0 and variance 1 over the batch and the image,
and then scales and shifts it:

    mean[c]  =  mean of x[..., c] over n, h, w
    var[c]   =  mean of (x[..., c] - mean[c]) ** 2 over n, h, w
    normal   =  (x - mean) / sqrt(var + eps)
    out      =  normal * weight + bias

A cell of x changes the output along three paths: directly, through the mean, and through the
variance. So it has a part in all cells of its channel, and its gradient has three terms. Work them
out one by one, then collect: what is left fits in a line. It is what comes in at `normal`, minus
its average, minus `normal` times the average of something else, over the standard deviation.

To read:  `batch_norm` in minigrad/functional.py, which leaves the gradient to the engine
Check:    python -m examples.exercises check batch_norm
"""

import numpy as np


def batch_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float) -> np.ndarray:
    """x, normalised per channel, times weight, plus bias.

    x: (N, H, W, C)
    weight, bias: (C,)
    returns: (N, H, W, C)
    """
    raise NotImplementedError


def batch_norm_backward(
    g: np.ndarray, x: np.ndarray, weight: np.ndarray, bias: np.ndarray, *, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients with respect to x, weight and bias.

    g: (N, H, W, C)
    returns: (N, H, W, C), (C,) and (C,)
    """
    raise NotImplementedError
