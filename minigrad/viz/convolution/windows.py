"""A convolution by its windows, as pictures.

`im2col_figure`, `trace_figure`, `convolution_figure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import Array
from ...nn import Conv2D
from ...text import counted
from ..arguments import index_within, refuse_above
from ..cells import (
    BLANK,
    ZERO,
    Board,
    Grid,
    factor,
    font_size,
    number_text,
    number_texts,
    products_of,
)
from ..figures import Path
from .parts import draw_image, draw_kernel, kernel_cell, label_matrix, names, shades
from .subject import ONE_BY_ONE_LIMIT, Subject, image_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Up to so many addends are written out as a formula.
FORMULA_LENGTH = 9


def im2col_figure(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    image: Any = None,
    output_cell: Sequence[int] | None = None,
) -> Figure:
    """A convolution as im2col and one matrix product: windows as rows, times the flattened kernel.

    One output cell is framed, with its window in the image, its row of im2col and its column of the
    kernel.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.
        output_cell: (row, column, filter) of the cell whose window is framed; by default one in the
            middle, of the first filter.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, no such output cell, or sizes too large to draw legibly.
    """
    where = "im2col_figure"
    subject = Subject.of(where, conv, input_shape)
    geometry = subject.geometry
    weights = len(subject.flat_index)
    refuse_above(
        where,
        f"im2col for input_shape={geometry.input_shape} has {geometry.positions:,} rows of "
        f"{counted(weights, 'cell')}",
        max(geometry.positions, weights),
        ONE_BY_ONE_LIMIT,
        "rows or columns can be seen one by one",
        "give a smaller input_shape, a larger stride or fewer channels: the pattern repeats",
    )
    subject.refuse_large_image()
    x = image_of(where, image, geometry.input_shape)
    row, column, f = cell = _output_cell(subject, output_cell)
    columns = subject.unfolded(x)
    output = subject.output_of(x)

    board = Board()
    board.heading(0, 0, "image")
    _draw_image_with_window(board, 0, 0, subject, x, cell)
    windows, kernel, product = _draw_product(board, board.right + 1.0, subject, columns, output)
    position = row * geometry.output_shape[1] + column
    windows.frame(position, 0, columns=weights)
    kernel.frame(0, f, rows=weights)
    product.frame(position, f)
    filters = range(output.shape[2])
    _draw_output(
        board, board.right + 0.7, 0, subject, output, cell, filters, "output = product + bias"
    )
    board.headline(
        f"{subject.title}, as im2col and one matrix product",
        f"im2col copies {counted(geometry.positions, 'window')} of {counted(weights, 'cell')}: "
        f"{columns.size:,} numbers, {columns.size / x.size:.1f} times the image's {x.size:,}. "
        f"The kernel has {counted(geometry.kernel_cells, 'parameter')}",
    )
    board.caption(
        "A row of im2col is the window under one output cell; times the flattened kernel, a column "
        "per filter, it is that cell of the output. Framed: the parts of one output cell. Names of "
        "rows of im2col: output row,column; of its columns: kernel row,column"
        f"{',channel' if geometry.input_shape[2] > 1 else ''}."
        + (" Grey cells of the image and of im2col are padding." if np.any(geometry.pads) else "")
        + (
            " Grey cells of the kernel are zero: each group of filters sees its own channels."
            if geometry.groups > 1
            else ""
        )
    )
    return board.finish(path)


def trace_figure(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    image: Any = None,
    output_cell: Sequence[int] | None = None,
) -> Figure:
    """One output cell three times: as a window, as a row of im2col, and as a column of the matrix.

    A colour is a weight of the kernel in all three, so that the same products can be found in each.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.
        output_cell: (row, column, filter); by default one in the middle, of the first filter.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, no such output cell, or sizes too large to draw legibly.
    """
    where = "trace_figure"
    subject = Subject.of(where, conv, input_shape)
    subject.refuse_large_matrix(ONE_BY_ONE_LIMIT)
    subject.refuse_large_image()
    x = image_of(where, image, subject.geometry.input_shape)
    row, column, f = cell = _output_cell(subject, output_cell)
    output = subject.output_of(x)

    board = Board()
    _draw_window_product(board, subject, x, output, cell, ("1. window of the image × kernel", ""))
    _draw_row_product(board, board.bottom + 0.75, subject, x, output, cell)
    _draw_matrix_product(board, board.right + 0.9, subject, x, output, cell)
    board.headline(
        f"{subject.title}: output cell {row},{column}"
        + (f" of filter {f}" if output.shape[2] > 1 else "")
        + f"\u00a0=\u00a0{number_text(output[cell])}, three ways",
        _formula(subject, x, output, cell),
    )
    board.caption(
        "A colour is one weight of the kernel in all three. Every way adds the same products: "
        "cells of the image times the weights of the same colour."
        + (
            " Grey cells of the image are padding: zeros, which have no row in the matrix."
            if np.any(subject.geometry.pads)
            else ""
        )
    )
    return board.finish(path)


def convolution_figure(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    image: Any = None,
    output_cell: Sequence[int] | None = None,
) -> Figure:
    """Image, kernel and output, and one window of the image in the colours of the kernel.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.
        output_cell: (row, column, filter) of the cell whose window is shown; by default one in the
            middle, of the first filter.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, no such output cell, or sizes too large to draw legibly.
    """
    where = "convolution_figure"
    subject = Subject.of(where, conv, input_shape)
    subject.refuse_large_image()
    x = image_of(where, image, subject.geometry.input_shape)
    cell = _output_cell(subject, output_cell)
    output = subject.output_of(x)
    board = Board()
    _draw_window_product(board, subject, x, output, cell, ("image", "kernel"))
    board.headline(subject.title, _formula(subject, x, output, cell))
    board.caption(
        "Framed: one output cell and its window in the image, each cell in the colour of the "
        "weight it is multiplied with."
        + (" Grey cells are padding." if np.any(subject.geometry.pads) else "")
    )
    return board.finish(path)


# --- numbers --------------------------------------------------------------------------------------


def _output_cell(subject: Subject, output_cell: Sequence[int] | None) -> tuple[int, int, int]:
    """The index of an output cell, checked; by default one in the middle, of the first filter."""
    shape = subject.geometry.output_shape
    if output_cell is None:
        return shape[0] // 2, shape[1] // 2, 0
    row, column, f = index_within(
        subject.where, "output_cell", output_cell, shape, "(row, column, filter)"
    )
    return row, column, f


def _formula(subject: Subject, x: Array, output: Array, cell: tuple[int, int, int]) -> str:
    """The products written out, or how many there are."""
    row, column, f = cell
    rows, columns = subject.geometry.window(row, column)
    seen = subject.channels_of(f)
    inputs = subject.padded(x)[rows, columns, seen.start : seen.stop].reshape(-1)
    weights = subject.kernel[:, :, :, f].reshape(-1)
    if len(weights) > FORMULA_LENGTH:
        return f"{counted(len(weights), 'product')} added up"
    text = " + ".join(products_of(inputs, weights))
    if subject.conv.bias is not None:
        text += f" + bias {factor(subject.bias[f])}"
    return f"{text} = {number_text(output[cell])}"


# --- parts of the pictures ------------------------------------------------------------------------


def _draw_image_with_window(
    board: Board,
    left: float,
    top: float,
    subject: Subject,
    x: Array,
    cell: tuple[int, int, int],
    coloured: bool = False,
) -> list[Grid]:
    """The padded image, the window of an output cell framed and perhaps in the weights' colours."""
    geometry = subject.geometry
    padded = subject.padded(x)
    height, width, channels = padded.shape
    faint = subject.padding_cells
    colours = np.where(faint[..., None], ZERO, np.nan)
    *position, f = cell
    rows, columns = subject.geometry.window(*position)
    seen = subject.channels_of(f)
    if coloured:
        weights = subject.colours.reshape(*geometry.kernel_shape, 3)[:, :, :, f]
        colours[rows, columns, seen.start : seen.stop] = weights
        faint[rows, columns, seen.start : seen.stop] = False
    side = min(0.36, 6.0 / (height * channels), 3.4 / width)
    grids = draw_image(
        board, "image", left, top, side, padded, colours, faint, names("channel", channels)
    )
    for channel in seen:
        for row in rows[:, 0]:
            for column in columns:
                grids[channel].frame(int(row), int(column), width=1.6)
    return grids


def _draw_product(
    board: Board, left: float, subject: Subject, columns: Array, output: Array
) -> tuple[Grid, Grid, Grid]:
    """im2col @ flattened kernel = product, (P, K) @ (K, F) = (P, F)."""
    geometry = subject.geometry
    positions, weights = columns.shape
    filters = geometry.kernel_shape[3]
    side = min(0.36, 6.5 / positions, 5.5 / weights)
    padding = subject.unfolded(np.ones(geometry.input_shape)) == 0
    texts = number_texts(columns)
    colours = np.where(padding[..., None], ZERO, shades(columns, side, texts))
    windows = board.grid("im2col", left, 0, side, colours, texts, faint=padding)
    y = windows.label_columns(subject.weight_labels)
    windows.label_rows([f"{i},{j}" for i in range(output.shape[0]) for j in range(output.shape[1])])
    board.heading(left, y, "im2col: a row per window")
    middle = min(windows.bottom, 5.0) / 2
    board.arrow(left - 0.85, middle, left - 0.5, middle)

    left = windows.right + 1.2
    board.text(windows.right + 0.3, middle, "@", 14, "center", "center")
    kernel_side = min(0.36, 6.5 / weights, 3.0 / filters)
    kernel = board.grid(
        "flat kernel",
        left,
        0,
        kernel_side,
        subject.colours_at(subject.flat_index),
        number_texts(subject.weights_at(subject.flat_index)),
        faint=subject.flat_index < 0,
    )
    kernel.label_rows(subject.weight_labels)
    filter_labels = [f"filter {f}" for f in range(filters)]
    y = kernel.label_columns(filter_labels) if filters > 1 else 0
    board.heading(left, y, "kernel")
    right = max(board.right, kernel.right)
    if subject.conv.bias is not None:
        bias = number_texts(subject.bias[None])
        grid = board.grid(
            "bias", left, kernel.bottom + 0.3, kernel_side, np.full((1, filters, 3), BLANK), bias
        )
        board.text(left - 0.06, grid.middle[1], "bias", 8.5, "right", "center")

    board.text(right + 0.3, middle, "=", 14, "center", "center")
    product = (output - subject.bias).reshape(positions, filters)
    left = right + 0.7
    texts = number_texts(product)
    result = board.grid("product", left, 0, side, shades(product, side, texts), texts)
    y = result.label_columns(filter_labels) if filters > 1 else 0
    board.heading(left, y, "product")
    return windows, kernel, result


def _draw_output(
    board: Board,
    left: float,
    top: float,
    subject: Subject,
    output: Array,
    cell: tuple[int, int, int],
    filters: Sequence[int],
    heading: str,
) -> None:
    """Some filters' output as images, one cell framed; `heading` is for layers with a bias."""
    height, width, all_filters = output.shape
    side = min(0.42, 6.0 / (height * len(filters)), 3.0 / width)
    board.heading(left, top, "output" if subject.conv.bias is None else heading)
    grids = draw_image(
        board,
        "output",
        left,
        top,
        side,
        output[:, :, list(filters)],
        parts=[f"filter {f}" for f in filters] if all_filters > 1 else [],
    )
    row, column, f = cell
    grids[filters.index(f)].frame(row, column)


def _draw_window_product(
    board: Board,
    subject: Subject,
    x: Array,
    output: Array,
    cell: tuple[int, int, int],
    headings: tuple[str, str],
) -> None:
    """The window in the image, times the kernel, is the output cell. Headings of both."""
    f = cell[2]
    board.heading(0, 0.05, headings[0])
    grids = _draw_image_with_window(board, 0, 0.05, subject, x, cell, coloured=True)
    first = grids[subject.channels_of(f)[0]]
    middle = first.middle[1]
    left = first.right + 0.35
    board.text(left, middle, "×", 14, "center", "center")
    board.heading(left + 0.3, 0.05, headings[1])
    slices = draw_kernel(board, left + 0.3, 0.05, kernel_cell(subject, 1), subject, filters=[f])
    left = max(grid.right for grid in slices.values()) + 0.35
    board.text(left, middle, "=", 14, "center", "center")
    _draw_output(board, left + 0.35, 0.05, subject, output, cell, [f], "output, with the bias")


def _draw_row_product(
    board: Board, top: float, subject: Subject, x: Array, output: Array, cell: tuple[int, int, int]
) -> None:
    """Second way: the window as a row of im2col, times the kernel flattened."""
    row, column, f = cell
    width = subject.geometry.output_shape[1]
    window = subject.unfolded(x)[row * width + column]
    index = subject.flat_index[:, f]
    weights, colours = subject.weights_at(index), subject.colours_at(index)[None]
    board.heading(0, top, "2. row of im2col · column of the flattened kernel")
    lines = {"im2col row": window, "weights": weights, "products": window * weights}
    left, side = 0.85, min(0.36, 6.0 / len(window))
    texts = {name: number_texts(numbers[None]) for name, numbers in lines.items()}
    size = min(font_size(side, text) for text in texts.values())
    y = top + 0.45
    for name, text in texts.items():
        grid = board.grid(name, left, y, side, colours, text, index[None] < 0, size)
        if name == "im2col row":
            grid.label_columns(subject.weight_labels)
        board.text(left - 0.08, grid.middle[1], name, 8.5, "right", "center")
        y = grid.bottom + 0.06
    total = f"sum = {number_text((window * weights).sum())}"
    if subject.conv.bias is not None:
        total += f", + bias {number_text(subject.bias[f])} = {number_text(output[cell])}"
    board.text(left, y + 0.04, total, 10, weight="bold")


def _draw_matrix_product(
    board: Board,
    left: float,
    subject: Subject,
    x: Array,
    output: Array,
    cell: tuple[int, int, int],
) -> None:
    """Third way: the flattened image, times a column of the matrix."""
    index_map = subject.index_map
    rows, columns = index_map.shape
    side = min(0.36, 6.0 / rows, 6.0 / columns)
    traced = int(np.ravel_multi_index(cell, output.shape))
    used = index_map[:, traced] >= 0
    colours = subject.pale_matrix_colours
    colours[:, traced] = subject.matrix_colours[:, traced]
    faint = np.ones((rows, columns), bool)
    faint[used, traced] = False
    left += 1.0
    image = board.grid(
        "flat image",
        left,
        0,
        side,
        np.where(used[:, None, None], colours[:, traced, None], BLANK),
        number_texts(x.reshape(-1, 1)),
        faint=~used[:, None],
    )
    matrix = board.grid(
        "matrix",
        image.right + 0.08,
        0,
        side,
        colours,
        number_texts(subject.matrix_values),
        faint,
    )
    matrix.frame(0, traced, rows=rows)
    top = label_matrix(matrix, subject, rows_at=image)
    texts = number_texts(output.reshape(1, -1))
    result = board.grid(
        "flat output",
        matrix.left,
        matrix.bottom + 0.08,
        side,
        np.full((1, columns, 3), BLANK),
        texts,
    )
    result.frame(0, traced)
    board.text(matrix.right + 0.06, result.middle[1], "output", 8.5, vertical="center")
    board.text(image.right, image.bottom + 0.05, "image", 8.5, "right")
    board.heading(left - 0.7, top, "3. flattened image · column of the matrix")
