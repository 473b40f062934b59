"""The gradient of a gradient, by hand."""

import numpy as np


def tanh_backward(g, x):
    """any shape, twice -> the same"""
    return g * (1 - np.tanh(x) ** 2)


def tanh_double_backward(h, g, x):
    """any shape, three times -> the same, twice"""
    t = np.tanh(x)
    slope = 1 - t**2  # of tanh
    to_g = h * slope
    # d(1 - t ** 2) / dx = -2 t dt/dx
    to_x = h * g * (-2 * t * slope)
    return to_g, to_x
