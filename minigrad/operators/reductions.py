"""Operators that make one number of many.

`sum_over mean var max_over min_over prod argmax logsumexp`

`axis` is None (all axes), an int, or a tuple of ints, negative ones counted from the end; with
`keepdims` the reduced axes stay, with size 1. The public functions check the axes and pass them on
as a sorted tuple; what is said once about axes is said in `normalise_axes` and `normalise_axis`.

Ties in max_over and min_over share the gradient evenly.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import as_float
from ..engine import Array, make_tensor, primitive
from .elementwise import equal, exp, multiply, square
from .linear import astype, broadcast_to, concatenate, getitem, pad, reshape, transpose

if TYPE_CHECKING:
    from ..tensor import Tensor

Axis = int | tuple[int, ...] | None


def normalise_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """The axes as a sorted tuple of non-negative ints; None means all.

    Raises ValueError for an axis that does not exist or is named twice, TypeError for no integer.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = []
    for entry in axis if isinstance(axis, (tuple, list)) else (axis,):
        try:
            number = operator.index(entry)
        except TypeError:
            raise TypeError(
                f"{name}: axis={axis!r}: expected None, an int or a tuple of ints"
            ) from None
        if not -ndim <= number < ndim:
            raise ValueError(f"{name}: axis={axis!r} does not exist in a tensor of {ndim} axes")
        axes.append(number % ndim)
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis={axis!r} names an axis twice")
    return tuple(sorted(axes))


def normalise_axis(name: str, axis: Any, ndim: int) -> int:
    """One axis as a non-negative int.

    Raises ValueError for an axis that does not exist, TypeError for anything but one integer.
    """
    if axis is None or isinstance(axis, (tuple, list)):
        raise TypeError(f"{name}: axis={axis!r}: expected one int")
    return normalise_axes(name, axis, ndim)[0]


def _kept_shape(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after reducing, the reduced axes kept with size 1."""
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def _spread(reduced: Tensor, shape: tuple[int, ...], axes: tuple[int, ...]) -> Tensor:
    """Repeat a reduced tensor, its axes kept or not, over the shape it was reduced from."""
    kept = _kept_shape(shape, axes)
    if reduced.shape not in (kept, ()):  # a single number needs no axes to be repeated
        reduced = reshape(reduced, shape=kept)
    return broadcast_to(reduced, shape=shape)


def _require_cells(name: str, x: Tensor, axes: tuple[int, ...]) -> None:
    if any(x.shape[axis] == 0 for axis in axes):
        raise ValueError(f"{name}: there is nothing to reduce in axes {axes} of shape {x.shape}")


# --- sums -----------------------------------------------------------------------------------------


@primitive(saves=["input_shape"])
def _sum(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.sum(axis=axes, keepdims=keepdims), x.shape


_sum.defvjps(lambda g, input_shape, axes: _spread(g, input_shape, axes))


def sum_over(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum over some axes; floats in their own dtype, integers and booleans in 64 bits."""
    return _sum(x, axes=normalise_axes("sum", axis, x.ndim), keepdims=keepdims)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The average over some axes."""
    axes = normalise_axes("mean", axis, x.ndim)
    _require_cells("mean", x, axes)
    count = math.prod(x.shape[axis] for axis in axes)
    return _sum(x, axes=axes, keepdims=keepdims) / count


def var(x: Tensor, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
    """The variance over some axes: the squared distances from the mean, over count - ddof."""
    axes = normalise_axes("var", axis, x.ndim)
    _require_cells("var", x, axes)
    count = math.prod(x.shape[axis] for axis in axes)
    if not as_float(ddof, "ddof", "var") < count:
        raise ValueError(f"var: ddof={ddof} must be below the number of values, {count}")
    distances = x - mean(x, axes, keepdims=True)
    return _sum(square(distances), axes=axes, keepdims=keepdims) / (count - ddof)


# --- products -------------------------------------------------------------------------------------


def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product over some axes; 1 where there is nothing to multiply.

    Computed by multiplying one half of the factors with the other until one is left, so that zeros
    among them need no special rule.
    """
    axes = normalise_axes("prod", axis, x.ndim)
    if x.dtype.kind != "f":  # no derivative, and NumPy knows how wide integers must become
        return make_tensor(np.asarray(x.data.prod(axis=axes, keepdims=keepdims)))
    others = tuple(axis for axis in range(x.ndim) if axis not in axes)
    result_shape = tuple(x.shape[axis] for axis in others)
    factors = reshape(
        transpose(x, axes=(*others, *axes)),
        shape=(*result_shape, math.prod(x.shape[axis] for axis in axes)),
    )
    if factors.shape[-1] == 0:
        factors = pad(factors, pad_width=((0, 0),) * len(others) + ((0, 1),), value=1.0)
    while (count := factors.shape[-1]) > 1:
        half = count // 2
        product = multiply(
            getitem(factors, index=(..., slice(0, half))),
            getitem(factors, index=(..., slice(half, 2 * half))),
        )
        odd_one = getitem(factors, index=(..., slice(2 * half, count)))
        factors = concatenate(product, odd_one, axis=-1) if count % 2 else product
    return reshape(factors, shape=_kept_shape(x.shape, axes) if keepdims else result_shape)


# --- extremes -------------------------------------------------------------------------------------


@primitive
def _max(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.max(axis=axes, keepdims=keepdims)


@primitive
def _min(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    return x.min(axis=axes, keepdims=keepdims)


def _extreme_rule(g: Tensor, out: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    # Piecewise constant: which cells hold the extreme, and how many share it.
    holds = equal(x, _spread(out, x.shape, axes))
    share = _sum(holds, axes=axes, keepdims=True).astype(x.dtype)
    return _spread(g, x.shape, axes) * holds / _spread(share, x.shape, axes)


_max.defvjps(_extreme_rule)
_min.defvjps(_extreme_rule)


def max_over(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest value over some axes; ties share the gradient evenly."""
    axes = normalise_axes("max", axis, x.ndim)
    _require_cells("max", x, axes)
    return _max(x, axes=axes, keepdims=keepdims)


def min_over(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest value over some axes; ties share the gradient evenly."""
    axes = normalise_axes("min", axis, x.ndim)
    _require_cells("min", x, axes)
    return _min(x, axes=axes, keepdims=keepdims)


@primitive
def _argmax(x: Array, *, axis: int | None, keepdims: bool) -> Any:
    return np.argmax(x, axis, keepdims=keepdims)


_argmax.defvjps(None)


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """Where the first largest value is, along one axis or, without one, in the flattened tensor."""
    if axis is not None:
        axis = normalise_axis("argmax", axis, x.ndim)
    _require_cells("argmax", x, normalise_axes("argmax", axis, x.ndim))
    return _argmax(x, axis=axis, keepdims=keepdims)


@primitive
def _logsumexp(x: Array, *, axes: tuple[int, ...], keepdims: bool) -> Any:
    largest = x.max(axis=axes, keepdims=True, initial=-np.inf)
    # An infinite largest value is left out of the difference: inf - inf would be nan.
    shift = np.where(np.isfinite(largest), largest, 0).astype(x.dtype)
    with np.errstate(divide="ignore"):  # the log of an empty sum is -inf
        out = np.log(np.exp(x - shift).sum(axis=axes, keepdims=True)) + shift
    return out if keepdims else out.squeeze(axes)


_logsumexp.defvjps(
    lambda g, x, axes: _spread(g, x.shape, axes) * softmax_over(x, axes),
)


def softmax_over(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """exp(x) / sum(exp(x)), the derivative of logsumexp, exact for large x and without overflow."""
    exponentials = exp(shifted_to_zero(x, axes))
    return exponentials / _sum(exponentials, axes=axes, keepdims=True)


def shifted_to_zero(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """x minus its largest value over the axes, taken as a constant: softmax does not notice.

    Near 0 floating point is fine enough for what follows: at 1000 the steps of float32 are 6e-5.
    """
    x = _floating(x)
    largest = x.data.max(axis=axes, keepdims=True, initial=-np.inf)
    return x - np.where(np.isfinite(largest), largest, 0).astype(x.dtype)


def _floating(x: Tensor) -> Tensor:
    """Integers as float64, which is what NumPy's exp and log make of them."""
    return x if x.dtype.kind == "f" else astype(x, dtype=np.dtype(np.float64))


def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))) over some axes, without overflow; -inf for no cells."""
    x = _floating(x)
    return _logsumexp(x, axes=normalise_axes("logsumexp", axis, x.ndim), keepdims=keepdims)
