"""What broadcasting does to gradients."""


def broadcast_add(x, y):
    """x + y, with broadcasting."""
    return x + y


def broadcast_add_backward(g, x, y):
    """The gradients of x and y."""
    return sum_to(g, x.shape), sum_to(g, y.shape)


def sum_to(g, shape):
    """g, added up to an array of this shape."""
    # Axes that were put in front: (4, 2, 3, 5) -> (2, 3, 5)
    in_front = g.ndim - len(shape)
    g = g.sum(axis=tuple(range(in_front)))
    # Axes that were stretched, which stay: (2, 3, 5) -> (2, 1, 5)
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)
