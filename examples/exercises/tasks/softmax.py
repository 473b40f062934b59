"""softmax: every output depends on every input.

Along the last axis, softmax makes positive numbers that add up to 1:

    p[i] = exp(x[i]) / (sum over j of exp(x[j]))

Two things to think about. First, exp(1000) is infinite, and softmax of [1000, 1000] is [0.5, 0.5]
all the same: p does not change when a number is subtracted from all of x. Second, x[i] occurs in
every p[j] of its row, through the sum. So its gradient is a sum over the row:

    d p[j] / d x[i]  =  p[j] * ((1 if i == j else 0) - p[i])

Multiply by g[j], sum over j, and simplify: no matrix is needed in the end.

To read:  `softmax_over` in minigrad/operators/reductions.py (which leaves the rest to the engine)
Check:    python -m examples.exercises check softmax
"""

import numpy as np


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) / sum(exp(x)) along the last axis, whatever the size of x.

    x: (..., K)
    returns: (..., K)
    """
    raise NotImplementedError


def softmax_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient with respect to x.

    g: (..., K), the gradient with respect to softmax(x)
    returns: (..., K)
    """
    raise NotImplementedError
