"""Operators that act on every cell by itself.

One number in, one out: `negative absolute exp expm1 log log1p sqrt square reciprocal sin cos tanh
sigmoid relu sign floor clip`, and `power_scalar` (a constant exponent).
Two in, one out: `add subtract multiply divide power maximum minimum`, the comparisons `equal
not_equal less less_equal greater greater_equal`, `where` with its condition, and `where_positive`.

Operands of different shape or dtype are first brought to a common one (`linear.unify`), so the
rules below are those of school calculus.

Conventions at points without a derivative: relu and absolute have gradient 0 at 0, a tie in maximum
or minimum shares the gradient evenly, clip passes it at its bounds, sign and floor have gradient 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array, Elementwise, make_tensor, primitive
from .linear import in_order_of, to_dtype, unify

if TYPE_CHECKING:
    from ..tensor import Tensor


def elementwise(forward: Callable[..., Any]) -> Elementwise:
    """Make an operator of a function on several arrays that acts cell by cell."""
    return Elementwise(forward, unify)


# --- arithmetic -----------------------------------------------------------------------------------


@elementwise
def add(x: Array, y: Array) -> Array:
    """x + y"""
    return x + y


add.defvjps(lambda g: g, lambda g: g)


@elementwise
def subtract(x: Array, y: Array) -> Array:
    """x - y"""
    return x - y


subtract.defvjps(lambda g: g, lambda g: -g)


@elementwise
def multiply(x: Array, y: Array) -> Array:
    """x * y"""
    return x * y


multiply.defvjps(lambda g, y: g * y, lambda g, x: g * x)


@elementwise
def divide(x: Array, y: Array) -> Array:
    """x / y"""
    return x / y


divide.defvjps(lambda g, y: g / y, lambda g, out, y: -(g * out) / y)


@primitive
def negative(x: Array) -> Array:
    """-x"""
    return np.negative(x)


negative.defvjps(lambda g: -g)


@elementwise
def power(x: Array, y: Array) -> Array:
    """x ** y, both arrays. The gradient for y is taken as 0 where x is 0."""
    try:
        return np.power(x, y)
    except ValueError:
        raise _no_such_power(x) from None


def _no_such_power(x: Array) -> ValueError:
    """The error for the one thing that NumPy's power refuses of real arrays."""
    return ValueError(
        f"power: integers have no negative integer powers; the base has dtype {x.dtype}: make it "
        "floating point"
    )


def _power_rule_for_base(g: Tensor, x: Any, y: Any) -> Tensor:
    # y x^(y-1), where 0^0 has slope 0 (x^0 is 1 for all x) instead of 0 * 0^-1.
    y = to_dtype(y, g.dtype)  # a constant of a coarser dtype would round y-1, or the logarithm
    exponent = where(equal(x, 0) * equal(y, 0), 1.0, y - 1)
    return g * (y * power(x, exponent))


def _power_rule_for_exponent(g: Tensor, out: Tensor, x: Any) -> Tensor:
    return g * (out * log(where(equal(x, 0), 1.0, to_dtype(x, g.dtype))))


power.defvjps(_power_rule_for_base, _power_rule_for_exponent)


@primitive
def power_scalar(x: Array, *, exponent: float) -> Array:
    """x ** exponent, for one constant exponent."""
    try:
        return np.power(x, exponent)
    except ValueError:
        raise _no_such_power(x) from None


def _power_scalar_rule(g: Tensor, x: Tensor, exponent: float) -> Tensor:
    if exponent == 0:
        return _zeros_like(g)
    return g * (power_scalar(x, exponent=exponent - 1) * float(exponent))


power_scalar.defvjps(_power_scalar_rule)


@primitive
def square(x: Array) -> Array:
    """x * x"""
    return np.square(x)


square.defvjps(lambda g, x: g * (x * 2.0))


@primitive
def sqrt(x: Array) -> Array:
    """The square root; its gradient is infinite at 0."""
    return np.sqrt(x)


sqrt.defvjps(lambda g, out: g * 0.5 / out)


@primitive
def reciprocal(x: Array) -> Array:
    """1 / x"""
    return np.divide(1.0, x)  # np.reciprocal of an integer is 0


reciprocal.defvjps(lambda g, out: -g * square(out))


# --- exponentials and waves -----------------------------------------------------------------------


@primitive
def exp(x: Array) -> Array:
    """e to the power of x"""
    return np.exp(x)


exp.defvjps(lambda g, out: g * out)


@primitive
def expm1(x: Array) -> Array:
    """exp(x) - 1, exact for small x"""
    return np.expm1(x)


expm1.defvjps(lambda g, out: g * (out + 1.0))


@primitive
def log(x: Array) -> Array:
    """The natural logarithm"""
    return np.log(x)


log.defvjps(lambda g, x: g / x)


@primitive
def log1p(x: Array) -> Array:
    """log(1 + x), exact for small x"""
    return np.log1p(x)


log1p.defvjps(lambda g, x: g / (x + 1.0))


@primitive
def sin(x: Array) -> Array:
    """The sine of x radians"""
    return np.sin(x)


sin.defvjps(lambda g, x: g * cos(x))


@primitive
def cos(x: Array) -> Array:
    """The cosine of x radians"""
    return np.cos(x)


cos.defvjps(lambda g, x: -(g * sin(x)))


@primitive
def tanh(x: Array) -> Array:
    """The hyperbolic tangent"""
    return np.tanh(x)


tanh.defvjps(lambda g, out: g * (1.0 - square(out)))


@primitive
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), without overflow at either end"""
    # exp of the negative magnitude never overflows: e/(1+e) for x < 0, 1/(1+e) for x >= 0.
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1.0 + e)


sigmoid.defvjps(lambda g, out: g * (out * (1.0 - out)))


# --- with corners and steps -----------------------------------------------------------------------


@primitive
def relu(x: Array) -> Array:
    """max(x, 0); the gradient at 0 is 0"""
    large = x.size > 10_000 and x.dtype.kind == "f"
    return np.maximum(x, _zeros_beside(x) if large else 0)


relu.defvjps(lambda g, out: where_positive(g, out))


@primitive
def where_positive(x: Array, reference: Array) -> Array:
    """x where the reference, of the same shape, is positive; 0 elsewhere"""
    flags = np.greater(reference, 0).astype(x.dtype)  # 0 and 1, which take the products
    # A gradient that comes from a dense layer lies in another order than images do. Of few cells
    # it takes longer to find out than to multiply.
    flags *= in_order_of(reference, x) if x.size > 4096 else x
    return flags


where_positive.defvjps(lambda g, reference: where_positive(g, reference), None)


def _zeros_beside(x: Array) -> Array:
    """Zeros that broadcast to x along its outermost axis in memory.

    For the maximum of two large arrays NumPy needs half the time that it does for an array and a
    number.
    """
    outermost = max(range(x.ndim), key=lambda axis: (x.shape[axis] > 1) * abs(x.strides[axis]))
    return np.zeros_like(x[(slice(None),) * outermost + (slice(1),)])


@primitive
def absolute(x: Array) -> Array:
    """|x|; the gradient at 0 is 0"""
    return np.abs(x)


absolute.defvjps(lambda g, x: g * sign(x))


@primitive
def sign(x: Array) -> Array:
    """-1, 0 or 1; the gradient is 0 everywhere"""
    return np.sign(x)


sign.defvjps(lambda g: _zeros_like(g))


@primitive
def floor(x: Array) -> Array:
    """The largest whole number not above x; the gradient is 0 everywhere"""
    return np.floor(x)


floor.defvjps(lambda g: _zeros_like(g))


def _zeros_like(g: Tensor) -> Tensor:
    """The gradient of what is constant piece by piece: a constant, of g's shape."""
    return make_tensor(np.zeros_like(g.data))


@elementwise
def maximum(x: Array, y: Array) -> Array:
    """The larger of x and y; a tie shares the gradient evenly"""
    return np.maximum(x, y)


maximum.defvjps(
    lambda g, x, y: _share(g, greater(x, y), equal(x, y)),
    lambda g, x, y: _share(g, greater(y, x), equal(x, y)),
)


@elementwise
def minimum(x: Array, y: Array) -> Array:
    """The smaller of x and y; a tie shares the gradient evenly"""
    return np.minimum(x, y)


minimum.defvjps(
    lambda g, x, y: _share(g, less(x, y), equal(x, y)),
    lambda g, x, y: _share(g, less(y, x), equal(x, y)),
)


def _share(g: Tensor, wins: Tensor, ties: Tensor) -> Tensor:
    return g * wins + g * 0.5 * ties


@primitive
def clip(x: Array, *, min: Any = None, max: Any = None) -> Array:
    """x held between two bounds, either of which may be None; the gradient passes at the bounds"""
    return np.clip(x, min, max)


def _clip_rule(g: Tensor, x: Tensor, min: Any, max: Any) -> Tensor:
    # Piecewise constant: 1 between the bounds, 0 beyond them.
    inside = np.ones(x.shape, dtype=bool)
    if min is not None:
        inside &= x.data >= min
    if max is not None:
        inside &= x.data <= max
    return g * inside


clip.defvjps(_clip_rule)


@elementwise
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where the condition (of dtype bool) holds, y elsewhere"""
    return np.where(condition, x, y)


where.defvjps(
    None,
    lambda g, condition: where(condition, g, 0.0),
    lambda g, condition: where(condition, 0.0, g),
)

# --- comparisons: constants to the engine ---------------------------------------------------------


@elementwise
def equal(x: Array, y: Array) -> Array:
    """x == y, cell by cell"""
    return np.equal(x, y)


@elementwise
def not_equal(x: Array, y: Array) -> Array:
    """x != y, cell by cell"""
    return np.not_equal(x, y)


@elementwise
def less(x: Array, y: Array) -> Array:
    """x < y, cell by cell"""
    return np.less(x, y)


@elementwise
def less_equal(x: Array, y: Array) -> Array:
    """x <= y, cell by cell"""
    return np.less_equal(x, y)


@elementwise
def greater(x: Array, y: Array) -> Array:
    """x > y, cell by cell"""
    return np.greater(x, y)


@elementwise
def greater_equal(x: Array, y: Array) -> Array:
    """x >= y, cell by cell"""
    return np.greater_equal(x, y)


for _comparison in (equal, not_equal, less, less_equal, greater, greater_equal):
    _comparison.defvjps(None, None)
