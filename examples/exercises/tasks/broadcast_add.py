"""broadcast_add: what broadcasting does to gradients.

NumPy adds arrays of different shapes by repeating the smaller one: axes that it does not have are
put in front, and axes of size 1 are stretched. A bias of shape (C,) is added to images of shape
(N, H, W, C) in this way, and so arrives in N * H * W places.

Every one of these places sends a gradient back to the same number, so they add up. This is the job
of `sum_to`, without which nobody could write a backward rule for anything that broadcasts.

Example: x has shape (4, 1), y has shape (3,), and x + y has (4, 3). A cell of x was used in each of
the 3 columns, a cell of y in each of the 4 rows.

To read:  `broadcast_to` and `sum_to` in minigrad/operators/linear.py
Check:    python -m examples.exercises check broadcast_add
"""

import numpy as np


def broadcast_add(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x + y, with broadcasting. (Given.)"""
    return x + y


def broadcast_add_backward(
    g: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients with respect to x and y: the slope is 1. (Given.)"""
    return sum_to(g, x.shape), sum_to(g, y.shape)


def sum_to(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Add up the cells of g that an array of this shape was repeated to.

    g: a shape to which `shape` can be broadcast
    returns: an array of shape `shape`, which may be g's own, or () for a single number
    """
    raise NotImplementedError
