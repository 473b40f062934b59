"""double_backward: the gradient of a gradient, by hand.

A backward rule is a function like any other. Here is the one of tanh:

    tanh_backward(g, x) = g * (1 - tanh(x) ** 2)

It takes two arguments, and its result depends on both. If something is computed from this result,
say the size of a gradient that is to be kept small (a gradient penalty), then training needs the
gradient of *that*. `h` is the gradient with respect to the result of tanh_backward; what are the
gradients with respect to g and x?

In g the function is linear. In x it is not, and the derivative of tanh is 1 - tanh(x) ** 2.

To read:  `tanh` in minigrad/operators/elementwise.py, and in docs/design.md, "The engine"
Check:    python -m examples.exercises check double_backward
"""

import numpy as np


def tanh_backward(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient of tanh, of the shape of x. (Given.)"""
    return g * (1 - np.tanh(x) ** 2)


def tanh_double_backward(
    h: np.ndarray, g: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients of tanh_backward with respect to g and x.

    h: the gradient with respect to tanh_backward(g, x), of the shape of x
    returns: the shape of x, twice
    """
    raise NotImplementedError
