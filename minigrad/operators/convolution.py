"""Operators that make convolution and pooling linear algebra.

- `im2col` copies the window under every output cell into a row; `col2im`, its adjoint, adds rows
  back to where they came from. A convolution is im2col and then Dense's matrix product.
- `window_max` takes the maximum of windows along one axis and remembers the winners;
  `scatter_to_winners` sends values back to them, `gather_winners` is its adjoint.

All geometry is checked and resolved before it gets here (`conv_arithmetic`): `kernel_size`,
`stride`, `dilation` are (height, width) and `pads` is ((top, bottom), (left, right)).

Images have the logical shape (N, H, W, C). In memory these operators lay them out with the batch
innermost, as (C, H, W, N): rows of a window are then long runs of memory, which NumPy copies and
adds several times faster. `batch_innermost` and its inverse `as_images` are the only two places
that know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..conv_arithmetic import Pads, Pair, output_shape, output_size
from ..engine import Array, primitive


def batch_innermost(images: Array) -> Array:
    """(N, H, W, C) -> (C, H, W, N), a view."""
    return images.transpose(3, 1, 2, 0)


def as_images(memory: Array) -> Array:
    """(C, H, W, N) -> (N, H, W, C), a view."""
    return memory.transpose(3, 1, 2, 0)


# --- windows as rows ------------------------------------------------------------------------------


@primitive(saves=["input_shape"])
def im2col(
    x: Array, *, kernel_size: Pair, stride: Pair, pads: Pads, dilation: Pair
) -> tuple[Array, tuple[int, ...]]:
    """The window under every output cell as a row: (N, H, W, C) -> (N, OH, OW, KH*KW*C)."""
    batch, height, width, channels = x.shape
    kh, kw = kernel_size
    oh, ow = output_shape((height, width), kernel_size, stride, pads, dilation, where="im2col")
    padded = _padded(batch_innermost(x), pads)  # (C, H + pads, W + pads, N)
    by_channel, by_row, by_column, by_image = padded.strides
    windows = as_strided(
        padded,
        shape=(kh, kw, channels, oh, ow, batch),
        strides=(
            by_row * dilation[0],
            by_column * dilation[1],
            by_channel,
            by_row * stride[0],
            by_column * stride[1],
            by_image,
        ),
        writeable=False,
    )
    columns = np.empty(windows.shape, x.dtype)
    columns[...] = windows
    # (KH, KW, C, OH, OW, N) -> (KH*KW*C, OH, OW, N), seen as (N, OH, OW, KH*KW*C)
    return as_images(columns.reshape(kh * kw * channels, oh, ow, batch)), x.shape


@primitive
def col2im(
    columns: Array,
    *,
    input_shape: tuple[int, ...],
    kernel_size: Pair,
    stride: Pair,
    pads: Pads,
    dilation: Pair,
) -> Array:
    """Add every row back to the window it came from: (N, OH, OW, KH*KW*C) -> (N, H, W, C).

    The adjoint of im2col: cells in several windows collect from all of them, cells in none stay 0.
    """
    batch, height, width, channels = input_shape
    (top, bottom), (left, right) = pads
    kh, kw = kernel_size
    oh, ow = columns.shape[1:3]
    # (N, OH, OW, KH*KW*C) -> (KH, KW, C, OH, OW, N); copied only if it lies otherwise in memory
    by_weight = np.ascontiguousarray(batch_innermost(columns)).reshape(
        kh, kw, channels, oh, ow, batch
    )
    padded = np.zeros((channels, top + height + bottom, left + width + right, batch), columns.dtype)
    for i in range(kh):
        rows = _every(i * dilation[0], oh, stride[0])
        for j in range(kw):
            padded[:, rows, _every(j * dilation[1], ow, stride[1])] += by_weight[i, j]
    return as_images(padded[:, top : top + height, left : left + width])


im2col.defvjps(
    lambda g, input_shape, kernel_size, stride, pads, dilation: col2im(
        g,
        input_shape=input_shape,
        kernel_size=kernel_size,
        stride=stride,
        pads=pads,
        dilation=dilation,
    )
)
col2im.defvjps(
    lambda g, kernel_size, stride, pads, dilation: im2col(
        g, kernel_size=kernel_size, stride=stride, pads=pads, dilation=dilation
    )
)


def _padded(x: Array, pads: Pads) -> Array:
    """(C, H, W, N) with zeros around: (C, top + H + bottom, left + W + right, N)."""
    (top, bottom), (left, right) = pads
    if not (top or bottom or left or right):
        return x
    channels, height, width, batch = x.shape
    padded = np.zeros((channels, top + height + bottom, left + width + right, batch), x.dtype)
    padded[:, top : top + height, left : left + width] = x
    return padded


def _every(start: int, count: int, step: int) -> slice:
    """The slice that takes `count` cells from `start`, `step` apart."""
    return slice(start, start + step * (count - 1) + 1, step)


# --- the maximum of windows, along one axis -------------------------------------------------------
#
# The maximum over a rectangle is a maximum along the width followed by one along the height. The
# winner in a window is remembered as its offset from the window's start.


@primitive(saves=["winners", "size"])
def window_max(
    x: Array, *, axis: int, window: int, stride: int, before: int, after: int
) -> tuple[Array, Array, int]:
    """The maximum of every window along an axis; padding never wins, ties go to the first cell."""
    size = x.shape[axis]
    count = output_size(size, window, stride, 1, before, after, where="max_pool2d", axis="axis")
    shape = tuple(count if a == axis else length for a, length in enumerate(x.shape))
    out = _full_like(x, shape, _lowest(x.dtype), x.dtype)
    winners = _full_like(x, shape, 0, np.min_scalar_type(window - 1))
    # The first cell of a window that is not padding, for windows that hold nothing above -inf.
    first = np.maximum(0, before - stride * np.arange(count))
    winners[...] = first.reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    for offset, cells, windows in _offsets(x.ndim, axis, window, stride, before, size, count):
        wins = x[cells] > out[windows]
        np.maximum(out[windows], x[cells], out=out[windows])
        # Offsets only grow, so a later win overwrites an earlier one by being larger.
        np.maximum(winners[windows], wins * winners.dtype.type(offset), out=winners[windows])
    return out, winners, size


@primitive
def scatter_to_winners(
    values: Array, *, winners: Array, axis: int, window: int, stride: int, before: int, size: int
) -> Array:
    """Add every value to the cell that won its window: the axis has `size` cells again."""
    values = _in_order_of(winners, values)
    shape = tuple(size if a == axis else length for a, length in enumerate(values.shape))
    result = _full_like(values, shape, 0, values.dtype)
    count = values.shape[axis]
    for offset, cells, windows in _offsets(values.ndim, axis, window, stride, before, size, count):
        if stride >= window:  # no cell is in two windows
            np.multiply(values[windows], winners[windows] == offset, out=result[cells])
        else:
            result[cells] += values[windows] * (winners[windows] == offset)
    return result


@primitive(saves=["size"])
def gather_winners(
    x: Array, *, winners: Array, axis: int, window: int, stride: int, before: int
) -> tuple[Array, int]:
    """The cell of x that won each window. The adjoint of scatter_to_winners."""
    x = _in_order_of(winners, x)
    result = _full_like(x, winners.shape, 0, x.dtype)
    size, count = x.shape[axis], winners.shape[axis]
    for offset, cells, windows in _offsets(x.ndim, axis, window, stride, before, size, count):
        result[windows] += x[cells] * (winners[windows] == offset)
    return result, size


window_max.defvjps(
    lambda g, winners, axis, window, stride, before, size: scatter_to_winners(
        g, winners=winners, axis=axis, window=window, stride=stride, before=before, size=size
    )
)
scatter_to_winners.defvjps(
    lambda g, winners, axis, window, stride, before: gather_winners(
        g, winners=winners, axis=axis, window=window, stride=stride, before=before
    )
)
gather_winners.defvjps(
    lambda g, winners, axis, window, stride, before, size: scatter_to_winners(
        g, winners=winners, axis=axis, window=window, stride=stride, before=before, size=size
    )
)


def _offsets(
    ndim: int, axis: int, window: int, stride: int, before: int, size: int, count: int
) -> Iterator[tuple[int, tuple[slice, ...], tuple[slice, ...]]]:
    """For each offset into a window: the cells of x there, and the windows that have such a cell.

    Windows whose cell at this offset is padding are left out.
    """
    everything = (slice(None),)
    for offset in range(window):
        # Window w has its cell at this offset at w * stride + offset - before, in [0, size).
        first = max(0, -((offset - before) // stride))
        last = min(count - 1, (size - 1 - offset + before) // stride)
        if first > last:
            continue
        cells = _every(first * stride + offset - before, last - first + 1, stride)
        lead, trail = everything * axis, everything * (ndim - axis - 1)
        yield offset, (*lead, cells, *trail), (*lead, slice(first, last + 1), *trail)


def _lowest(dtype: np.dtype[Any]) -> float:
    """What no number of this dtype lies below."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _full_like(x: Array, shape: tuple[int, ...], value: float, dtype: Any) -> Array:
    """An array of another shape and dtype, in the memory order of x."""
    return np.full_like(x, value, dtype=dtype, shape=shape)


def _in_order_of(reference: Array, x: Array) -> Array:
    """x in the memory order of the reference, copied if need be: mixing orders costs far more."""
    if _order(x) == _order(reference):
        return x
    copy = np.empty_like(reference, dtype=x.dtype, shape=x.shape)
    copy[...] = x
    return copy


def _order(x: Array) -> list[int]:
    """The axes longer than 1, outermost in memory first."""
    return sorted(
        (axis for axis in range(x.ndim) if x.shape[axis] > 1), key=lambda axis: -x.strides[axis]
    )
