"""Operators that make convolution and pooling linear algebra.

- `im2col` copies the window under every output cell into a row; `col2im`, its adjoint, adds rows
  back to where they came from. A convolution is im2col and then Dense's matrix product.
- `windows_affine` is the two in one, and a bias, a block of rows at a time: large ones are never
  all in memory. `windows_matmul`, `matmul_to_windows` and `windows_outer_sum` are its derivatives.
- `window_max` takes the maximum of windows along one axis and remembers the winners;
  `scatter_to_winners` sends values back to them, `gather_winners` is its adjoint.
- `tile_max` is quicker where windows lie side by side; with `scatter_to_tiles` and
  `gather_from_tiles`.

All geometry is checked and resolved before it gets here (`conv_arithmetic.Window`).

Images have the logical shape (N, H, W, C). In memory these operators lay them out with the batch
innermost, as (C, H, W, N): rows of a window are then long runs of memory, which NumPy copies and
adds several times faster. `batch_innermost` and its inverse `as_images` are the only two places
that know.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conv_arithmetic import Pads, Pair, Window, output_shape, output_size
from ..engine import Array, primitive
from .linear import axes_in_memory, in_order_of, sum_to
from .slices import outer_sum_of_columns, times_columns

if TYPE_CHECKING:
    from ..tensor import Tensor


def batch_innermost(images: Array) -> Array:
    """(N, H, W, C) -> (C, H, W, N), a view."""
    return images.transpose(3, 1, 2, 0)


def as_images(memory: Array) -> Array:
    """(C, H, W, N) -> (N, H, W, C), a view."""
    return memory.transpose(3, 1, 2, 0)


# --- windows as rows ------------------------------------------------------------------------------


@primitive(saves=["input_shape"])
def im2col(x: Array, *, window: Window) -> tuple[Array, tuple[int, ...]]:
    """The window under every output cell as a row: (N, H, W, C) -> (N, OH, OW, KH*KW*C)."""
    windows = _windows(_padded(batch_innermost(x), window.pads), window)
    columns = np.empty(windows.shape, x.dtype)
    columns[...] = windows
    # (KH, KW, C, OH, OW, N) -> (KH*KW*C, OH, OW, N), seen as (N, OH, OW, KH*KW*C)
    rows = math.prod(windows.shape[:3])
    return as_images(columns.reshape(rows, *windows.shape[3:])), x.shape


@primitive
def col2im(columns: Array, *, input_shape: tuple[int, ...], window: Window) -> Array:
    """Add every row back to the window it came from: (N, OH, OW, KH*KW*C) -> (N, H, W, C).

    The adjoint of im2col: cells in several windows collect from all of them, cells in none stay 0.
    """
    padded = _zeros_with_padding(input_shape, window.pads, columns.dtype)
    windows = _windows(padded, window)
    # (N, OH, OW, KH*KW*C) -> (KH, KW, C, OH, OW, N); copied only if it lies otherwise in memory
    rows = np.ascontiguousarray(batch_innermost(columns)).reshape(windows.shape)
    for weight in np.ndindex(window.kernel_size):
        windows[weight] += rows[weight]
    return as_images(_without_padding(padded, input_shape, window.pads))


im2col.defvjps(
    lambda g, input_shape, window: col2im(g, input_shape=input_shape, window=window),
)
col2im.defvjps(
    lambda g, window: im2col(g, window=window),
)


def _windows(padded: Array, window: Window) -> Array:
    """What each weight meets in each window: (C, H, W, N) -> (KH, KW, C, OH, OW, N), a view.

    The cells that one weight meets are apart from each other; those of two weights may be the same.
    """
    channels, height, width, batch = padded.shape
    by_channel, by_row, by_column, by_image = padded.strides
    _, stride, _, dilation = window
    no_pads = ((0, 0), (0, 0))  # they are there already
    oh, ow = output_shape(
        (height, width), window.kernel_size, stride, no_pads, dilation, where="im2col"
    )
    return np.ndarray(
        (*window.kernel_size, channels, oh, ow, batch),
        padded.dtype,
        buffer=padded,  # which is contiguous; NumPy checks that the view stays within it
        strides=(
            by_row * dilation[0],
            by_column * dilation[1],
            by_channel,
            by_row * stride[0],
            by_column * stride[1],
            by_image,
        ),
    )


def _padded(x: Array, pads: Pads) -> Array:
    """(C, H, W, N) with zeros around: (C, top + H + bottom, left + W + right, N)."""
    if not any(map(any, pads)):
        return np.ascontiguousarray(x)  # images that come from outside lie in another order
    channels, height, width, batch = x.shape
    shape = (batch, height, width, channels)
    padded = _zeros_with_padding(shape, pads, x.dtype)
    _without_padding(padded, shape, pads)[...] = x
    return padded


def _zeros_with_padding(images: tuple[int, ...], pads: Pads, dtype: np.dtype[Any]) -> Array:
    """Zeros for images of a shape (N, H, W, C) and their padding, as (C, H', W', N)."""
    batch, height, width, channels = images
    return np.zeros((channels, height + sum(pads[0]), width + sum(pads[1]), batch), dtype)


def _without_padding(padded: Array, images: tuple[int, ...], pads: Pads) -> Array:
    """The part of (C, H', W', N) that is the images, of shape (N, H, W, C)."""
    (top, _), (left, _) = pads
    return padded[:, top : top + images[1], left : left + images[2]]


# --- windows as rows, times a matrix, block by block ----------------------------------------------
#
# A convolution x, kernel -> im2col(x) @ kernel is linear in both, and so is its gradient in each:
# <im2col(x) @ kernel, g> is linear in three things. With respect to g, x and kernel its derivatives
# are the three operators below, and the derivatives of each are made of the other two. The kernel,
# (KH, KW, C, F), is meant as the matrix (KH*KW*C, F) here.
#
# Together they are the fast path of `im2col` and `rows_matmul`. There are KH*KW times as many
# numbers in the rows as in the images; here they are made, used and forgotten block by block, in
# the processor's cache. Only where one block is all of them are they kept for the gradient to the
# kernel.

BLOCK_CELLS = 2**19  # of rows that are in memory at a time: two megabytes of float32
TOO_EVEN, GAP = 512, 16  # cells: rows of a multiple of the first get the second as a gap


@primitive(saves=["input_shape", "rows"])
def windows_affine(
    x: Array, kernel: Array, bias: Array, *, window: Window
) -> tuple[Array, tuple[int, ...], Array | None]:
    """`im2col(x) @ kernel + bias`: (N, H, W, C), (KH, KW, C, F), (F,) -> (N, OH, OW, F)."""
    out, rows = _times_matrix(x, _as_matrix(kernel), window, bias)
    return out, x.shape, rows


@primitive(saves=["input_shape", "rows"])
def windows_matmul(
    x: Array, kernel: Array, *, window: Window
) -> tuple[Array, tuple[int, ...], Array | None]:
    """`im2col(x) @ kernel`: (N, H, W, C), (KH, KW, C, F) -> (N, OH, OW, F)."""
    out, rows = _times_matrix(x, _as_matrix(kernel), window)
    return out, x.shape, rows


def _as_matrix(kernel: Array) -> Array:
    """(KH, KW, C, F) -> (KH*KW*C, F)"""
    return kernel.reshape(-1, kernel.shape[-1])


def _times_matrix(
    x: Array, weight: Array, window: Window, bias: Array | None = None
) -> tuple[Array, Array | None]:
    """The product, and im2col(x) as (KH*KW*C, OH*OW*N) where it is a single block."""
    windows = _windows(_padded(batch_innermost(x), window.pads), window)
    filters = weight.shape[1]
    out = np.empty((filters, *windows.shape[3:]), x.dtype)  # (F, OH, OW, N)
    for block in _blocks(windows):
        rows = _rows(windows[block])
        product = out[block].reshape(filters, -1)  # a view, because of how blocks are cut
        times_columns(weight.T, rows, product)
        if bias is not None:
            product += bias[:, None]
    return as_images(out), rows if windows.size <= BLOCK_CELLS else None


@primitive
def matmul_to_windows(
    g: Array, kernel: Array, *, input_shape: tuple[int, ...], window: Window
) -> Array:
    """`col2im(g @ kernel.T)`: (N, OH, OW, F), (KH, KW, C, F) -> (N, H, W, C)."""
    if _is_quicker_turned(g, kernel, input_shape, window):
        # A cell of the input collects from the windows that it is in: they are a window of g, met
        # by the kernel turned by 180 degrees. What was padding before is padding after.
        (top, bottom), (left, right) = window.pads
        window = window._replace(pads=((bottom, top), (right, left)))
        turned = kernel[::-1, ::-1].transpose(0, 1, 3, 2)  # (KH, KW, F, C)
        images, _ = _times_matrix(g, _as_matrix(turned), window)
        return images
    weight = _as_matrix(kernel)
    padded = _zeros_with_padding(input_shape, window.pads, g.dtype)
    windows = _windows(padded, window)
    gradient = batch_innermost(g)  # (F, OH, OW, N)
    for block in _blocks(windows):
        part = windows[block]
        rows = _room_for_rows(part.shape, g.dtype)
        columns = gradient[block].reshape(len(gradient), -1)
        times_columns(weight, columns, rows.reshape(len(weight), -1))
        for to_row, from_row in zip(part, rows, strict=True):
            for cells, gradients in zip(to_row, from_row, strict=True):
                cells += gradients
    return as_images(_without_padding(padded, input_shape, window.pads))


def _is_quicker_turned(
    g: Array, kernel: Array, input_shape: tuple[int, ...], window: Window
) -> bool:
    """Whether to make rows of g's windows, instead of adding rows to the images.

    A row that is made moves fewer bytes than one that is added. It must not be of more sums, as it
    would be where images shrink, nor be much longer; and a single block has been found to gain
    nothing.
    """
    *_, channels, filters = kernel.shape
    return (
        window.stride == (1, 1)
        and g.shape[:3] == input_shape[:3]
        and filters <= 2 * channels
        and g.size * math.prod(window.kernel_size) > BLOCK_CELLS
    )


@primitive(saves=["input_shape"])
def windows_outer_sum(
    x: Array, g: Array, *, window: Window, rows: Array | None = None
) -> tuple[Array, tuple[int, ...]]:
    """`outer_sum(im2col(x), g)`: (N, H, W, C), (N, OH, OW, F) -> (KH, KW, C, F).

    `rows` is im2col(x) as (KH*KW*C, OH*OW*N), if it is still there.
    """
    gradient = batch_innermost(g)  # (F, OH, OW, N)
    filters = len(gradient)
    if rows is not None:
        total = outer_sum_of_columns(rows, gradient.reshape(filters, -1))
    else:
        windows = _windows(_padded(batch_innermost(x), window.pads), window)
        weights = math.prod(windows.shape[:3])
        total = np.zeros((weights, filters), x.dtype)
        for block in _blocks(windows):
            part = _rows(windows[block])
            total += outer_sum_of_columns(part, gradient[block].reshape(filters, -1))
    return total.reshape(*window.kernel_size, x.shape[-1], filters), x.shape


def _to_images(g: Tensor, kernel: Tensor, input_shape: tuple[int, ...], window: Window) -> Tensor:
    return matmul_to_windows(g, kernel, input_shape=input_shape, window=window)


def _to_kernel(g: Tensor, x: Tensor, window: Window, rows: Array | None) -> Tensor:
    return windows_outer_sum(x, g, window=window, rows=rows)


windows_affine.defvjps(_to_images, _to_kernel, lambda g: sum_to(g, shape=g.shape[-1:]))
windows_matmul.defvjps(_to_images, _to_kernel)
matmul_to_windows.defvjps(
    lambda g_x, kernel, window: windows_matmul(g_x, kernel, window=window),
    lambda g_x, g, window: windows_outer_sum(g_x, g, window=window),
)
windows_outer_sum.defvjps(
    lambda g_kernel, g, input_shape, window: matmul_to_windows(
        g, g_kernel, input_shape=input_shape, window=window
    ),
    lambda g_kernel, x, window: windows_matmul(x, g_kernel, window=window),
)


def _rows(windows: Array) -> Array:
    """A copy of a block of windows as a matrix: (KH, KW, C, ...) -> (KH*KW*C, ...)."""
    rows = _room_for_rows(windows.shape, windows.dtype)
    rows[...] = windows
    return rows.reshape(math.prod(windows.shape[:3]), -1)  # a view


def _room_for_rows(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Memory for (KH, KW, C, ...), with a gap between rows of (KH*KW*C, ...) where it is needed.

    Rows that begin at multiples of a large power of two, as those of 32 images of 32 x 32 do, fall
    into the same few lines of the cache and push each other out: some products take 1.4 times as
    long.
    """
    columns = math.prod(shape[3:])
    if columns % TOO_EVEN:
        return np.empty(shape, dtype)
    return np.empty((*shape[:3], columns + GAP), dtype)[..., :columns].reshape(shape)


def _blocks(windows: Array) -> Iterator[tuple[Any, ...]]:
    """Indices that cut (..., OH, OW, N) into blocks: of whole rows, or of parts of a single row.

    So a block of a contiguous array is a run of memory for every index in front.
    """
    if windows.size <= BLOCK_CELLS:
        yield (...,)  # all in one
        return
    *_, oh, ow, _ = windows.shape
    room = max(1, BLOCK_CELLS * oh * ow // windows.size)  # for so many positions
    for rows in _parts(oh, max(1, room // ow)):
        for columns in _parts(ow, room):
            yield (..., rows, columns, slice(None))


def _parts(size: int, most: int) -> Iterator[slice]:
    """Cut an axis into parts of nearly one size, at most `most`: a small rest would cost a call."""
    count = -(-size // most)
    for part in range(count):
        yield slice(part * size // count, (part + 1) * size // count)


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
    values = in_order_of(winners, values)
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
    x = in_order_of(winners, x)
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


def _every(start: int, count: int, step: int) -> slice:
    """The slice that takes `count` cells from `start`, `step` apart."""
    return slice(start, start + step * (count - 1) + 1, step)


def _lowest(dtype: np.dtype[Any]) -> float:
    """What no number of this dtype lies below."""
    if dtype.kind == "f":
        return -np.inf
    return False if dtype.kind == "b" else np.iinfo(dtype).min


def _full_like(x: Array, shape: tuple[int, ...], value: float, dtype: Any) -> Array:
    """An array of another shape and dtype, in the memory order of x."""
    return np.full_like(x, value, dtype=dtype, shape=shape)


# --- the maximum of tiles -------------------------------------------------------------------------
#
# Tiles are windows that lie side by side. This does what two calls of window_max do, in fewer
# passes over memory. The cells of a tile's row are players in a tournament: each in turn meets the
# best so far and wins if it is larger, so of equal cells the first stays. Then the best of the rows
# meet. All that is remembered is whether a match was won, one bool each; the input is not kept.

# The matches within rows, then those between rows; of each one array per player but the first.
Matches = tuple[list[Array], list[Array]]


@primitive(saves=["matches", "input_shape"])
def tile_max(
    x: Array, *, tile: Pair, remember: bool = True
) -> tuple[Array, Matches | None, tuple[int, ...]]:
    """The maximum of every tile: (N, H, W, C) -> (N, H // TH, W // TW, C).

    Ties go to the first cell in row-major order. Cells beyond the last whole tile are left out.
    Where no gradient is wanted, the matches need not be remembered.
    """
    tiles = _in_tiles(_laid_batch_innermost(x), tile)
    row_maxima, in_rows = _tournament(_columns_of(tiles), remember)  # (C, OH, TH, OW, N)
    maxima, between_rows = _tournament(_rows_of(row_maxima), remember)  # (C, OH, OW, N)
    return as_images(maxima), (in_rows, between_rows) if remember else None, x.shape


@primitive
def scatter_to_tiles(values: Array, *, matches: Matches, input_shape: tuple[int, ...]) -> Array:
    """Every value to the cell that won its tile, 0 elsewhere: (N, OH, OW, C) -> (N, H, W, C)."""
    batch, height, width, channels = input_shape
    in_rows, between_rows = matches
    images = np.empty((channels, height, width, batch), values.dtype)
    tiles = _in_tiles(images, _tile_of(matches))
    row_prizes = np.empty((*tiles.shape[:4], batch), values.dtype)  # (C, OH, TH, OW, N)
    _award(_laid_batch_innermost(values), between_rows, _rows_of(row_prizes))
    _award(row_prizes, in_rows, _columns_of(tiles))
    _, oh, th, ow, tw, _ = tiles.shape
    if (oh * th, ow * tw) != (height, width):  # some cells are in no tile
        images[:, oh * th :] = 0
        images[:, :, ow * tw :] = 0
    return as_images(images)


@primitive(saves=["input_shape"])
def gather_from_tiles(x: Array, *, matches: Matches) -> tuple[Array, tuple[int, ...]]:
    """The cell of x that won each tile. The adjoint of scatter_to_tiles."""
    in_rows, between_rows = matches
    tiles = _in_tiles(_laid_batch_innermost(x), _tile_of(matches))
    row_winners = _winners(_columns_of(tiles), in_rows)  # (C, OH, TH, OW, N)
    return as_images(_winners(_rows_of(row_winners), between_rows)), x.shape


tile_max.defvjps(
    lambda g, matches, input_shape: scatter_to_tiles(g, matches=matches, input_shape=input_shape)
)
scatter_to_tiles.defvjps(lambda g, matches: gather_from_tiles(g, matches=matches))
gather_from_tiles.defvjps(
    lambda g, matches, input_shape: scatter_to_tiles(g, matches=matches, input_shape=input_shape)
)


def _laid_batch_innermost(images: Array) -> Array:
    """(N, H, W, C) -> (C, H, W, N), copied if the axes do not lie in this order in memory."""
    memory = batch_innermost(images)
    if memory.flags.c_contiguous:
        return memory
    order = axes_in_memory(memory)
    return memory if order == sorted(order) else memory.copy()


def _in_tiles(images: Array, tile: Pair) -> Array:
    """(C, H, W, N) -> (C, OH, TH, OW, TW, N), a view of the cells in whole tiles."""
    channels, height, width, batch = images.shape
    th, tw = tile
    oh, ow = height // th, width // tw
    return images[:, : oh * th, : ow * tw].reshape(channels, oh, th, ow, tw, batch)


def _columns_of(tiles: Array) -> list[Array]:
    """(C, OH, TH, OW, TW, N) -> TW views (C, OH, TH, OW, N)."""
    return [tiles[:, :, :, :, column] for column in range(tiles.shape[4])]


def _rows_of(row_maxima: Array) -> list[Array]:
    """(C, OH, TH, OW, N) -> TH views (C, OH, OW, N)."""
    return [row_maxima[:, :, row] for row in range(row_maxima.shape[2])]


def _tile_of(matches: Matches) -> Pair:
    """The (height, width) of the tiles."""
    in_rows, between_rows = matches
    return len(between_rows) + 1, len(in_rows) + 1


def _tournament(players: list[Array], remember: bool) -> tuple[Array, list[Array]]:
    """The largest of some arrays, cell by cell, and where each but the first beat all before it."""
    best, matches = players[0], []
    for player in players[1:]:
        better = np.maximum(best, player)
        if remember:
            matches.append(better > best)  # nothing beats nan, and nan beats nothing
        best = better
    return best, matches


def _award(prizes: Array, matches: list[Array], players: list[Array]) -> None:
    """Write every prize to the player that won it, who is the last that won a match; 0 to others.

    What the last player does not get is left for those before it.
    """
    first = players[0]
    if not matches:
        first[...] = prizes
    for won, player in zip(reversed(matches), reversed(players), strict=False):
        np.multiply(prizes, won, out=player)
        prizes = np.subtract(prizes, player, out=first)


def _winners(players: list[Array], matches: list[Array]) -> Array:
    """The cells of the players that won."""
    best = players[0]
    for won, player in zip(matches, players[1:], strict=True):
        best = np.where(won, player, best)
    return best
