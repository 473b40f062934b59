"""Linear operators: moving cells, adding cells up, and the matrix product.

The derivative of a linear operator is its adjoint, another linear operator, so they come in pairs:

    astype        <-> astype back
    broadcast_to  <-> sum_to
    reshape       <-> reshape back
    transpose     <-> transpose back
    pad           <-> crop (a slice)
    getitem       <-> scatter_add
    concatenate   <-> slices
    cumsum        <-> cumsum from the other end

The matrix product is linear in each of its arguments: `rows_matmul` takes every row of its first
argument times one matrix, `outer_sum`, which its derivative needs, adds products up over all rows,
and the derivative of each is made of the two. `Dense` and `Conv2D` both end in `rows_matmul`; their
fast paths, which add the bias as well, are `affine` and `operators.convolution.windows_affine`.
`matmul` is the public function, by NumPy's rules.

Memory order. An image of shape (N, H, W, C) usually lies in memory with the batch innermost, as
(C, H, W, N): convolution leaves it so, because every loop NumPy runs is then long. The operators
here never care which order they get and keep the order they were given.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array, Differentiable, as_operand, primitive

if TYPE_CHECKING:
    from ..tensor import Tensor

# --- dtype and shape of operands ------------------------------------------------------------------


@primitive(saves=["input_dtype"])
def astype(x: Array, *, dtype: Any) -> Any:
    """The same numbers in another dtype."""
    return x.astype(dtype, copy=False), x.dtype


astype.defvjps(lambda g, input_dtype: astype(g, dtype=input_dtype))


@primitive(saves=["input_shape"])
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Any:
    """Repeat x along new axes and axes of size 1, by NumPy's rule. A view: nothing is copied."""
    return np.broadcast_to(x, shape), x.shape


broadcast_to.defvjps(lambda g, input_shape: sum_to(g, shape=input_shape))


@primitive(saves=["input_shape"])
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Any:
    """Add up what `broadcast_to` would repeat: x becomes an array of this smaller shape."""
    new_axes = x.ndim - len(shape)
    repeated = tuple(range(new_axes))
    if x.shape[new_axes:] != shape:
        repeated += tuple(
            new_axes + axis
            for axis, size in enumerate(shape)
            if size == 1 and x.shape[new_axes + axis] != 1
        )
    return np.add.reduce(x, axis=repeated, keepdims=True).reshape(shape), x.shape


sum_to.defvjps(lambda g, input_shape: broadcast_to(g, shape=input_shape))


def common_dtype(*operands: Any) -> np.dtype[Any]:
    """NumPy's promotion of the operands' dtypes; Python scalars do not promote floats."""
    return np.result_type(
        *(
            operand.dtype if isinstance(operand, (Differentiable, np.ndarray)) else operand
            for operand in operands
        )
    )


def to_dtype(operand: Any, dtype: np.dtype[Any]) -> Any:
    """The operand in a dtype, as a recorded operation where it is a tensor of another one."""
    if isinstance(operand, Differentiable):
        return operand if operand.dtype == dtype else astype(operand, dtype=dtype)
    return np.asarray(operand, dtype=dtype)


def unify(name: str, operands: Sequence[Any]) -> Sequence[Any]:
    """Bring the operands of a cell-by-cell operator to one dtype and one shape.

    Conversion and broadcasting are operators of their own, recorded where the operand wants a
    gradient, so that no rule ever has to undo them. Constants are left to NumPy.

    Raises ValueError where the shapes do not broadcast.
    """
    if len(operands) == 2:
        first, second = operands
        if _are_tensor_and_number(first, second) or _are_tensor_and_number(second, first):
            return operands
    operands = [
        operand if isinstance(operand, Differentiable) else as_operand(name, operand)
        for operand in operands
    ]
    arrays = [operand for operand in operands if isinstance(operand, (Differentiable, np.ndarray))]
    shapes = [array.shape for array in arrays]
    try:
        shape = shapes[0] if len(set(shapes)) == 1 else np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(
            f"{name}: shapes {' and '.join(map(str, shapes))} do not broadcast together; aligned "
            "at the last axis, sizes must be equal or 1"
        ) from None
    if not any(isinstance(array, Differentiable) and array._requires_grad for array in arrays):
        return operands
    dtype = common_dtype(*operands)
    unified = []
    for operand in operands:
        if isinstance(operand, Differentiable) and operand._requires_grad:
            operand = to_dtype(operand, dtype)
            if operand.shape != shape:
                operand = broadcast_to(operand, shape=shape)
        unified.append(operand)
    return unified


def _are_tensor_and_number(x: Any, number: Any) -> bool:
    """Whether these are a float tensor and a Python number, which NumPy takes in its dtype."""
    return isinstance(x, Differentiable) and type(number) in (float, int) and x.dtype.kind == "f"


# --- moving cells ---------------------------------------------------------------------------------


@primitive(saves=["input_shape"])
def reshape(x: Array, *, shape: tuple[int, ...]) -> Any:
    """The same cells, in row-major order, in another shape."""
    return x.reshape(shape), x.shape


reshape.defvjps(lambda g, input_shape: reshape(g, shape=input_shape))


@primitive
def transpose(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Axis i of the result is axis axes[i] of x. A view."""
    return x.transpose(axes)


def _transpose_rule(g: Tensor, axes: tuple[int, ...]) -> Tensor:
    inverse = [0] * len(axes)
    for axis, origin in enumerate(axes):  # the origin may be counted from the end
        inverse[origin] = axis
    return transpose(g, axes=tuple(inverse))


transpose.defvjps(_transpose_rule)


@primitive(saves=["interior"])
def pad(x: Array, *, pad_width: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    """Surround x with cells of one value; pad_width holds (before, after) for every axis."""
    shape = tuple(
        before + size + after for size, (before, after) in zip(x.shape, pad_width, strict=True)
    )
    interior = tuple(
        slice(before, before + size) for size, (before, _) in zip(x.shape, pad_width, strict=True)
    )
    # Not np.pad: it would write the array in row-major order, whatever the order of x.
    padded = np.full_like(x, value, shape=shape)
    padded[interior] = x
    return padded, interior


pad.defvjps(lambda g, interior: getitem(g, index=interior))


@primitive(saves=["input_shape"])
def getitem(x: Array, *, index: Any) -> Any:
    """x[index], for every kind of index NumPy knows."""
    return x[index], x.shape


getitem.defvjps(lambda g, index, input_shape: scatter_add(g, index=index, shape=input_shape))


@primitive
def scatter_add(x: Array, *, index: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of a shape with x added at [index]; cells that are named repeatedly add up."""
    result = np.zeros(shape, x.dtype)
    if _names_cells_once(index):
        result[index] = x
    else:
        np.add.at(result, index, x)
    return result


scatter_add.defvjps(lambda g, index: getitem(g, index=index))


def _names_cells_once(index: Any) -> bool:
    """Whether an index cannot name a cell twice: arrays and sequences of integers can."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None
        or part is Ellipsis
        or isinstance(part, (slice, int, np.integer))
        or (isinstance(part, np.ndarray) and part.dtype == bool)
        for part in parts
    )


@primitive(saves=["starts"])
def concatenate(*arrays: Array, axis: int = 0) -> Any:
    """Join arrays along an axis that exists."""
    sizes = [array.shape[axis] for array in arrays]
    return np.concatenate(arrays, axis), [0, *np.cumsum(sizes).tolist()]


def _concatenate_rule(g: Tensor, position: int, starts: list[int], axis: int) -> Tensor:
    index: list[slice] = [slice(None)] * g.ndim
    index[axis] = slice(starts[position], starts[position + 1])
    return getitem(g, index=tuple(index))


concatenate.defvjps(_concatenate_rule)


@primitive
def flip(x: Array, *, axis: int | tuple[int, ...]) -> Array:
    """Reverse the order of the cells along an axis, or several. A view."""
    return np.flip(x, axis)


flip.defvjps(lambda g, axis: flip(g, axis=axis))


@primitive
def cumsum(x: Array, *, axis: int) -> Array:
    """Running sums along an axis."""
    return np.cumsum(x, axis)


cumsum.defvjps(lambda g, axis: flip(cumsum(flip(g, axis=axis), axis=axis), axis=axis))


# --- the matrix product ---------------------------------------------------------------------------


def matmul(a: Any, b: Any) -> Tensor:
    """The matrix product, by NumPy's rules.

    (..., k) @ (k, m) -> (..., m); (..., n, k) @ (..., k, m) -> (..., n, m) with broadcasting over
    the leading axes; a vector on the left is a row, on the right a column, and its axis is dropped.

    Raises ValueError where the inner sizes differ, an operand has no axis, or the leading axes do
    not broadcast.
    """
    a, b = (
        operand
        if isinstance(operand, Differentiable)
        else np.asarray(as_operand("matmul", operand))
        for operand in (a, b)
    )
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: shapes {a.shape} @ {b.shape}: use * to multiply by a number")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(
            f"matmul: shapes {a.shape} @ {b.shape}: the inner sizes {a.shape[-1]} and "
            f"{b.shape[-2 if b.ndim > 1 else 0]} differ"
        )
    if a.dtype != b.dtype:
        dtype = common_dtype(a, b)
        a, b = to_dtype(a, dtype), to_dtype(b, dtype)
    if b.ndim == 1:
        column = matmul(a, _reshape_any(b, (*b.shape, 1)))  # (..., k) @ (k, 1) -> (..., 1)
        return reshape(column, shape=column.shape[:-1])
    if a.ndim == 1:
        row = matmul(_reshape_any(a, (1, *a.shape)), b)  # (1, k) @ (..., k, m) -> (..., 1, m)
        return reshape(row, shape=(*row.shape[:-2], row.shape[-1]))
    if b.ndim == 2:
        return rows_matmul(a, b)
    try:
        leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    except ValueError:
        raise ValueError(
            f"matmul: shapes {a.shape} @ {b.shape}: the leading axes {a.shape[:-2]} and "
            f"{b.shape[:-2]} do not broadcast together"
        ) from None
    return batched_matmul(
        _broadcast_any(a, (*leading, *a.shape[-2:])), _broadcast_any(b, (*leading, *b.shape[-2:]))
    )


def _reshape_any(x: Any, shape: tuple[int, ...]) -> Any:
    return reshape(x, shape=shape) if isinstance(x, Differentiable) else x.reshape(shape)


def _broadcast_any(x: Any, shape: tuple[int, ...]) -> Any:
    return x if x.shape == shape else broadcast_to(x, shape=shape)


@primitive
def rows_matmul(a: Array, b: Array, *, transposed: bool = False) -> Array:
    """Every row of a times one matrix, (..., k) @ (k, m) -> (..., m): what Dense and Conv2D end in.

    One product over all rows, wherever they lie in memory. With `transposed` b is (m, k).
    """
    return _product_of_rows(a, b.T if transposed else b)


def _product_of_rows(a: Array, b: Array) -> Array:
    """What `rows_matmul` computes, in an array of its own."""
    if a.ndim == 2 and a.flags.c_contiguous:
        return a @ b
    order = _memory_order(a)
    rows = _rows(a, order)  # (..., k) -> (rows, k)
    if _is_column_major(rows, a):
        # The transposed product, because NumPy writes results row by row: (m, rows), as the input.
        product = (b.T @ rows.T).T
    else:
        product = rows @ b
    # (rows, m) -> leading axes in memory order, then m -> (..., m)
    leading = [a.shape[axis] for axis in order]
    back = [*np.argsort(order).tolist(), a.ndim - 1]
    return product.reshape(*leading, b.shape[1]).transpose(back)


rows_matmul.defvjps(
    lambda g, b, transposed: rows_matmul(g, b, transposed=not transposed),
    lambda g, a, transposed: outer_sum(g, a) if transposed else outer_sum(a, g),
)


@primitive
def outer_sum(a: Array, b: Array) -> Array:
    """Sum over all rows of the outer product of a's row and b's: (..., k), (..., m) -> (k, m).

    It is `a.reshape(-1, k).T @ b.reshape(-1, m)`, without copying where memory order allows.
    """
    if a.ndim == 2 and len(a) == 1:
        return np.multiply.outer(a[0], b[0])  # no sum: NumPy is faster than BLAS
    if a.ndim == 2:
        return a.T @ b
    order = _memory_order(a)
    rows_a, rows_b = _rows(a, order), _rows(b, order)
    # For tall arrays BLAS is faster on this side: (m, rows) @ (rows, k) -> (m, k).
    return (rows_b.T @ rows_a).T


outer_sum.defvjps(
    lambda g, b: rows_matmul(b, g, transposed=True),
    lambda g, a: rows_matmul(a, g),
)


@primitive
def affine(a: Array, b: Array, bias: Array) -> Array:
    """`rows_matmul(a, b) + bias` in one: (..., k), (k, m), (m,) -> (..., m), all of one dtype."""
    out = _product_of_rows(a, b)
    out += bias
    return out


affine.defvjps(
    lambda g, b: rows_matmul(g, b, transposed=True),
    lambda g, a: outer_sum(a, g),
    lambda g: sum_to(g, shape=g.shape[-1:]),
)


@primitive
def batched_matmul(a: Array, b: Array) -> Array:
    """One matrix product per item of the leading axes: (..., n, k) @ (..., k, m) -> (..., n, m)."""
    return np.matmul(a, b)


batched_matmul.defvjps(
    lambda g, b: batched_matmul(g, _swap_last(b)),
    lambda g, a: batched_matmul(_swap_last(a), g),
)


def _swap_last(x: Any) -> Any:
    """Exchange the last two axes of a tensor or an array."""
    axes = (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)
    return transpose(x, axes=axes) if isinstance(x, Differentiable) else x.transpose(axes)


def in_order_of(reference: Array, x: Array) -> Array:
    """x in the memory order of the reference, copied if need be: mixing orders costs far more."""
    if axes_in_memory(x) == axes_in_memory(reference):
        return x
    copy = np.empty_like(reference, dtype=x.dtype, shape=x.shape)
    copy[...] = x
    return copy


def axes_in_memory(x: Array) -> list[int]:
    """The axes longer than 1, outermost in memory first."""
    return sorted(
        (axis for axis in range(x.ndim) if x.shape[axis] > 1), key=lambda axis: -x.strides[axis]
    )


def _memory_order(a: Array) -> list[int]:
    """The leading axes, outermost in memory first."""
    return sorted(range(a.ndim - 1), key=lambda axis: -a.strides[axis])


def _rows(a: Array, order: list[int]) -> Array:
    """(..., k) -> (rows, k), the leading axes taken in this order."""
    rows = math.prod(a.shape[:-1])
    return a.transpose([*order, a.ndim - 1]).reshape(rows, a.shape[-1])


def _is_column_major(rows: Array, a: Array) -> bool:
    """Whether the rows are what lies next to each other in memory, as in images (C, H, W, N)."""
    if not rows.flags.f_contiguous:
        return False
    return not rows.flags.c_contiguous or a.ndim > 2
