"""Derivatives by finite differences, to hold the library's own against. For tests.

- `check_derivatives(function, arrays, order)`: gradients of a function of tensors, up to an order.
- `numerical_slope(along)`: the derivative at 0 of a function of one number.
- `adjoint_gap(forward, adjoint, x, y)`: how far two linear maps are from being adjoint.

A gradient is judged by a random cotangent (how much each cell of the output counts) and a random
direction per argument: the derivative along the direction is one number, and a gradient that is
wrong anywhere gives another one. Ones would be blind to every mistake that adds up to a constant.

A derivative of order n is the gradient of a gradient: `check_derivatives` turns the function into
`x, w -> <gradient of <function(x), w>, v>` with random v and starts again, one order lower. The
cotangent w is an argument from then on, because rules are functions of it too.
"""

from collections.abc import Callable, Sequence

import numpy as np

import minigrad as mg

STEP = 4e-3
TOLERANCE = 1e-8


def numerical_slope(along: Callable[[float], float], step: float = STEP) -> float:
    """The derivative of `along` at 0, for a function that is smooth within `step` of it.

    Central differences at three steps, each half of the one before, extrapolated twice to step 0
    (Richardson): the error falls with the sixth power of the step.
    """
    coarse, middle, fine = ((along(h) - along(-h)) / (2 * h) for h in (step, step / 2, step / 4))
    return (16 * (4 * fine - middle) / 3 - (4 * middle - coarse) / 3) / 15


def check_derivatives(
    function: Callable[..., mg.Tensor],
    arrays: Sequence[np.ndarray],
    order: int = 1,
    *,
    seed: int = 0,
    step: float = STEP,
    tolerance: float = TOLERANCE,
) -> None:
    """Assert that the gradients of `function(*tensors)`, and theirs up to `order`, are right.

    In float64. No cell of an argument is moved by more than `step`, so arguments further than that
    from every kink are safe. `tolerance` is a fraction of the sizes of the numbers that were added
    up on the way.
    """
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(array, np.float64) for array in arrays]
    out, leaves = _apply(function, arrays)
    cotangent = np.asarray(rng.standard_normal(out.shape))
    if out.requires_grad:
        gradients = mg.grad(out, leaves, cotangent)
    else:  # constant, as far as the library knows
        gradients = [mg.Tensor(np.zeros_like(array)) for array in arrays]

    for position, gradient in enumerate(gradients):
        direction = rng.uniform(-1, 1, arrays[position].shape)

        def along(distance: float, position: int = position, direction=direction) -> float:
            moved = list(arrays)
            moved[position] = arrays[position] + distance * direction
            return float((_apply(function, moved)[0].data * cotangent).sum())

        numerical = numerical_slope(along, step)
        terms = gradient.data * direction
        scale = max(np.abs(terms).sum(), np.abs(out.data * cotangent).sum())
        error = abs(float(terms.sum()) - numerical)
        assert error <= tolerance * scale, (
            f"argument {position}, shape {arrays[position].shape}, {order - 1} orders to go: the "
            f"gradient gives the slope {terms.sum():.12g}, differences give {numerical:.12g} "
            f"(numbers of size {scale:.3g})"
        )

    if order > 1:
        weights = [rng.standard_normal(array.shape) for array in arrays]

        def weighted_gradient(*tensors: mg.Tensor) -> mg.Tensor:
            *inputs, output_weights = tensors
            total, out = mg.Tensor(np.zeros(())), function(*inputs)
            if out.requires_grad:
                gradients = mg.grad(out, inputs, output_weights, create_graph=True)
                for gradient, weight in zip(gradients, weights, strict=True):
                    total = total + (gradient * weight).sum()
            return total

        check_derivatives(
            weighted_gradient,
            [*arrays, cotangent],
            order - 1,
            seed=seed + 1,
            step=step,
            tolerance=tolerance,
        )


def _apply(
    function: Callable[..., mg.Tensor], arrays: Sequence[np.ndarray]
) -> tuple[mg.Tensor, list[mg.Tensor]]:
    """The function of leaves that require grad (a gradient may be taken inside), and the leaves."""
    leaves = [mg.Tensor(array, requires_grad=True) for array in arrays]
    return function(*leaves), leaves


def adjoint_gap(
    forward: Callable[[np.ndarray], np.ndarray],
    adjoint: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
) -> float:
    """|<A x, y> - <x, A' y>| for `forward` A and `adjoint` A'.

    The gap of an exact pair is 0, not just small, where x and y hold small whole numbers and the
    maps only move and add (or multiply by whole numbers): then no sum is rounded.
    """
    there, back = forward(x), adjoint(y)
    assert there.shape == y.shape, f"A maps {x.shape} to {there.shape}, and y is {y.shape}"
    assert back.shape == x.shape, f"A' maps {y.shape} to {back.shape}, and x is {x.shape}"
    return abs(float((there * y).sum()) - float((x * back).sum()))
