"""Dropout: the same mask in both directions."""


def dropout(x, *, p, uniform):
    """any shape -> the same"""
    return x * mask(p, uniform)


def dropout_backward(g, x, *, p, uniform):
    """any shape -> the same"""
    # Linear in x: the mask is the slope.
    return g * mask(p, uniform)


def mask(p, uniform):
    """0 where a cell is dropped, 1 / (1 - p) elsewhere."""
    return (uniform >= p) / (1 - p)
