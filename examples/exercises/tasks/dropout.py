"""dropout: the same mask in both directions.

In training, dropout sets every cell to 0 with probability p, and multiplies the others by
1 / (1 - p), so that the expected value stays what it was.

The random numbers are drawn by the caller and handed to both functions: `uniform` has the shape of
x and numbers in [0, 1). Where a number is below p, the cell is dropped. (A backward pass that drew
numbers of its own would be the gradient of another function.)

To read:  `dropout` in minigrad/functional.py
Check:    python -m examples.exercises check dropout
"""

import numpy as np


def dropout(x: np.ndarray, *, p: float, uniform: np.ndarray) -> np.ndarray:
    """x with some cells dropped and the others scaled.

    x, uniform: any shape, the same
    returns: the shape of x
    """
    raise NotImplementedError


def dropout_backward(g: np.ndarray, x: np.ndarray, *, p: float, uniform: np.ndarray) -> np.ndarray:
    """The gradient with respect to x.

    g: the gradient with respect to the result, of the shape of x
    returns: the shape of x
    """
    raise NotImplementedError
