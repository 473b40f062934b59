"""max_over_axis: the gradient of a maximum, and what to do about ties.

The largest of several numbers changes with one of them only: that one gets the whole gradient, the
others none.

Where several are the largest, the maximum has a kink and no derivative. Convention: they share the
gradient evenly. It is not a rare case: after a relu, zeros tie all the time. What must not happen
is that each gets all of it: then more comes out than went in.

To read:  `_extreme_rule` in minigrad/operators/reductions.py
Check:    python -m examples.exercises check max_over_axis
"""

import numpy as np


def max_over_axis(x: np.ndarray, *, axis: int) -> np.ndarray:
    """The largest cell along an axis, which is dropped. (Given.)"""
    return x.max(axis=axis)


def max_over_axis_backward(g: np.ndarray, x: np.ndarray, *, axis: int) -> np.ndarray:
    """The gradient with respect to x.

    g: the shape of x without the axis
    returns: the shape of x
    """
    raise NotImplementedError
