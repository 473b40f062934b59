"""relu: the rectifier, and its gradient.

relu(x) is x where x is positive, and 0 elsewhere.

For its gradient, imagine that a loss is computed from relu(x), in whatever way. `g` is the gradient
of that loss with respect to relu(x): for every cell of relu(x), how fast the loss grows with it.
You are looking for the gradient with respect to x. By the chain rule, every cell of x gets what
comes in at the cells of the output that depend on it, times the slope with which they do.

This is how all exercises go: value first, then from the gradient of the result to those of the
arguments. A gradient always has the shape of what it is the gradient of.

Convention: the slope at 0 is 0.

To read:  `relu` in minigrad/operators/elementwise.py: a function on arrays, and its rule below it
Check:    python -m examples.exercises check relu
"""

import numpy as np


def relu(x: np.ndarray) -> np.ndarray:
    """x where it is positive, 0 elsewhere.

    x: any shape
    returns: the shape of x; leave x itself as it is
    """
    raise NotImplementedError


def relu_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient with respect to x.

    g: the gradient with respect to relu(x), of the shape of x
    returns: the shape of x
    """
    raise NotImplementedError
