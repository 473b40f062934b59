"""Convolution and dense layer as one matrix product, the way the article writes it.

- `matrix_product_figure`: the kernel's matrix times the flattened image.
- `dense_product_figure`: the same form with a weight for every pair of input and output.
- `conv_and_dense_figure`: both below each other, for the number of parameters.
- `unfolded_product_figure`: the flattened kernel times the unfolded image.

Here matrices stand at the left and images are columns. The library computes with the transposes:
rows of a batch at the left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine import Array
from ...nn import Conv2D, Dense
from ...text import by, counted
from ..arguments import numbers_of, refuse_above
from ..cells import (
    BLANK,
    SMALLEST_FONT,
    ZERO,
    Board,
    Grid,
    font_size,
    number_texts,
    parameter_colours,
)
from ..figures import Path
from .matrix import counts
from .parts import shades
from .subject import ONE_BY_ONE_LIMIT, Subject, image_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# article: E7, C1, C2, C3
def matrix_product_figure(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None, image: Any = None
) -> Figure:
    """Kernel matrix times flattened image is the flattened output. The first output is framed.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, or sizes too large to draw legibly.
    """
    subject = _subject("matrix_product_figure", conv, input_shape)
    x = image_of(subject.where, image, subject.geometry.input_shape)
    board = Board()
    shaded = _draw_equation(board, _conv_terms(subject, x))
    board.headline(f"{subject.title}, as a matrix times the flattened image", counts(subject))
    board.caption(
        f"{_CONV_EXPLAINED} Framed: what makes the first cell of the output."
        + (
            " Padding has no column: it is zero whatever the image."
            if np.any(subject.geometry.pads)
            else ""
        )
        + shaded
    )
    return board.finish(path)


def dense_product_figure(dense: Dense, path: Path | None = None, inputs: Any = None) -> Figure:
    """A dense layer as weights times input, a colour for every weight: none is used twice.

    Args:
        dense: the layer.
        path: of a picture file to write.
        inputs: one input, (in_features,); by default whole numbers.

    Raises:
        TypeError: `dense` is no Dense.
        ValueError: an input of another shape, or sizes too large to draw legibly.
    """
    where = "dense_product_figure"
    if not isinstance(dense, Dense):
        raise TypeError(f"{where}: expected a Dense, got {type(dense).__name__}: {dense!r:.80}")
    size, outputs = dense.weight.shape
    _refuse_large(where, f"{dense} has {size:,} inputs and {outputs:,} outputs", size, outputs)
    if inputs is None:
        x = image_of(where, None, (size, 1, 1)).reshape(-1)
    else:
        x = numbers_of(f"{where}: inputs", inputs)
    if x.shape != (size,):
        raise ValueError(
            f"{where}: inputs of shape {x.shape} must have shape {(size,)}, one input of {dense}"
        )
    weight = dense.weight.data
    bias = None if dense.bias is None else dense.bias.data
    board = Board()
    names = [[str(index) for index in range(count)] for count in (size, outputs)]
    shaded = _draw_equation(board, _dense_terms(weight, bias, x, *names))
    board.headline(
        f"{dense}, as weights times input",
        f"{outputs:,} outputs × {size:,} inputs = {counted(weight.size, 'cell')}, "
        f"{counted(weight.size, 'parameter')}",
    )
    board.caption(f"{_DENSE_EXPLAINED} Framed: what makes the first output.{shaded}")
    return board.finish(path)


# article: C1, C2, C3, C4
def conv_and_dense_figure(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None, image: Any = None
) -> Figure:
    """A convolution above a dense layer of its size: one form, few parameters and many.

    Args:
        conv: the layer. The dense layer's weights are whole numbers.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, or sizes too large to draw legibly.
    """
    subject = _subject("conv_and_dense_figure", conv, input_shape)
    geometry = subject.geometry
    x = image_of(subject.where, image, geometry.input_shape)
    rng = np.random.default_rng(2)
    weight = rng.integers(1, 10, geometry.matrix_shape).astype(np.float64)
    bias = None
    if conv.bias is not None:
        bias = rng.integers(1, 10, geometry.matrix_shape[1]).astype(np.float64)

    board = Board()
    conv_shaded = _draw_equation(board, _conv_terms(subject, x))
    board.heading(
        0,
        board.top - 0.05,
        f"Convolution: {counted(geometry.matrix_cells, 'cell')}, {geometry.nonzeros:,} not zero, "
        f"{counted(geometry.kernel_cells, 'parameter')} shared among them",
    )
    y = board.bottom + 0.6
    board.heading(
        0,
        y,
        f"Fully connected: {counted(weight.size, 'cell')}, {counted(weight.size, 'parameter')}",
    )
    names = subject.input_labels, subject.output_labels
    dense_shaded = _draw_equation(board, _dense_terms(weight, bias, x.reshape(-1), *names), y + 0.6)
    board.headline(
        f"{subject.title}, and a fully connected layer of the same size",
        "Both multiply a matrix with the flattened image"
        + ("" if conv.bias is None else " and add a bias"),
    )
    board.caption(f"Above: {_CONV_EXPLAINED}{conv_shaded}\nBelow: {_DENSE_EXPLAINED}{dense_shaded}")
    return board.finish(path)


# article: F4, C6
def unfolded_product_figure(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None, image: Any = None
) -> Figure:
    """Flattened kernel times unfolded image, a column per window. The first output is framed.

    `im2col_figure` is its transpose, with windows as rows, the way the library computes.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, or sizes too large to draw legibly.
    """
    where = "unfolded_product_figure"
    subject = Subject.of(where, conv, input_shape)
    geometry = subject.geometry
    weights, filters = subject.flat_index.shape
    _refuse_large(
        where,
        f"the unfolded image for input_shape={geometry.input_shape} has {weights:,} rows and "
        f"{geometry.positions:,} columns",
        weights,
        geometry.positions,
        filters,
    )
    x = image_of(where, image, geometry.input_shape)
    columns = subject.unfolded(x).T  # (kh*kw*C, OH*OW)
    padding = subject.unfolded(np.ones(geometry.input_shape)).T == 0
    filter_labels = [f"filter {f}" for f in range(filters)] if filters > 1 else []
    positions = [f"{i},{j}" for i, j in np.ndindex(geometry.output_shape[:2])]
    terms = [
        Term(
            "",
            "kernel",
            f"flattened kernel, {by((filters, weights))}",
            subject.weights_at(subject.flat_index.T),
            subject.colours_at(subject.flat_index.T),
            subject.flat_index.T < 0,
            filter_labels,
            subject.weight_labels,
        ),
        Term(
            "×",
            "unfolded",
            f"unfolded image, {by(columns.shape)}",
            columns,
            np.where(padding[..., None], ZERO, BLANK),
            padding,
            subject.weight_labels,
            positions,
        ),
        Term(
            "=",
            "output",
            "output",
            subject.output_of(x).reshape(-1, filters).T,
            columns=positions,
        ),
    ]
    if conv.bias is not None:
        terms.insert(2, Term("+", "bias", "bias", subject.bias[:, None]))
    board = Board()
    shaded = _draw_equation(board, terms)
    board.headline(
        f"{subject.title}, as the flattened kernel times the unfolded image",
        f"{counted(geometry.positions, 'window')} of {counted(weights, 'cell')}: {columns.size:,} "
        f"numbers, {columns.size / x.size:.1f} times the image's {x.size:,}",
    )
    board.caption(
        "A column of the unfolded image is the window under one output cell, written one below the "
        "other; the kernel is written in the same order. Framed: what makes the first cell of the "
        "output. Names: kernel row,column"
        + (",channel" if geometry.input_shape[2] > 1 else "")
        + " at the rows, output row,column at the columns."
        + (" Grey cells of the unfolded image are padding." if padding.any() else "")
        + (" Grey weights are zero: a group has its own channels." if geometry.groups > 1 else "")
        + shaded
    )
    return board.finish(path)


_CONV_EXPLAINED = (
    "A row of the matrix is the kernel, put where it lies on the image for one output cell. A "
    "colour is a parameter of the kernel, the same in every row; grey cells are zero."
)
_DENSE_EXPLAINED = "Every cell has a colour of its own, because it is a parameter of its own."


def _subject(where: str, conv: Conv2D, input_shape: Sequence[int]) -> Subject:
    """The layer and the image size, checked, also that single cells of the matrix can be seen."""
    subject = Subject.of(where, conv, input_shape)
    subject.refuse_large_matrix(ONE_BY_ONE_LIMIT)
    return subject


def _refuse_large(where: str, what: str, *sizes: int) -> None:
    refuse_above(
        where,
        what,
        max(sizes),
        ONE_BY_ONE_LIMIT,
        "rows or columns can be seen one by one",
        "give a smaller one: the pattern repeats",
    )


# --- equations ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Term:
    """A matrix in an equation.

    Attributes:
        sign: what stands before it.
        name: of its grid.
        heading: what stands over it.
        values: (rows, columns).
        colours: (rows, columns, 3); by default white, or shades where numbers would be too small.
        faint: (rows, columns) booleans, cells whose numbers are grey.
        rows, columns: names of them, if they have any.
    """

    sign: str
    name: str
    heading: str
    values: Array
    colours: Array | None = None
    faint: Array | None = None
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()


def _conv_terms(subject: Subject, x: Array) -> list[Term]:
    """matrix (outputs, inputs) × image (inputs, 1) + bias = output (outputs, 1)"""
    inputs, outputs = subject.index_map.shape
    terms = [
        Term(
            "",
            "matrix",
            f"kernel matrix, {by((outputs, inputs))}",
            subject.matrix_values.T,
            subject.matrix_colours.transpose(1, 0, 2),
            subject.index_map.T < 0,
            subject.output_labels,
            subject.input_labels,
        ),
        Term("×", "image", "image", x.reshape(-1, 1), rows=subject.input_labels),
        Term("=", "output", "output", subject.output_of(x).reshape(-1, 1)),
    ]
    if subject.conv.bias is not None:
        # Of every filter the same number at all positions.
        bias = np.broadcast_to(subject.bias, subject.geometry.output_shape).reshape(-1, 1)
        terms.insert(2, Term("+", "bias", "bias", bias))
    return terms


def _dense_terms(
    weight: Array, bias: Array | None, x: Array, inputs: Sequence[str], outputs: Sequence[str]
) -> list[Term]:
    """weight.T (outputs, inputs) × input (inputs, 1) + bias = output (outputs, 1)

    `inputs` and `outputs` are their names.
    """
    size = weight.T.shape
    product = x @ weight
    terms = [
        Term(
            "",
            "weights",
            f"weights, {by(size)}",
            weight.T,
            parameter_colours(weight.size).reshape(*size, 3),
            rows=outputs,
            columns=inputs,
        ),
        Term("×", "input", "input", x[:, None], rows=inputs),
        Term("=", "dense output", "output", (product + (0 if bias is None else bias))[:, None]),
    ]
    if bias is not None:
        terms.insert(2, Term("+", "dense bias", "bias", bias[:, None]))
    return terms


def _draw_equation(board: Board, terms: Sequence[Term], top: float = 0.0) -> str:
    """Terms side by side, beginning at one height, and framed what makes the first output.

    Returns what the caption must add: which numbers found no room, and what stands for them.
    """
    rows, columns = zip(*(term.values.shape for term in terms))
    side = min(0.36, 9.0 / sum(columns), 6.0 / max(rows))
    middle = top + rows[0] * side / 2
    grids: list[Grid] = []
    shaded = []
    right = 0.0
    for term in terms:
        if term.sign:
            board.text(right + 0.25, middle, term.sign, 14, "center", "center")
            right += 0.5
        # Room for the names of rows, at 8 points.
        left = right + max((0.075 * len(name) + 0.06 for name in term.rows), default=0.0)
        texts = number_texts(term.values)
        colours = shades(term.values, side, texts) if term.colours is None else term.colours
        if font_size(side, texts) < SMALLEST_FONT and term.colours is None:
            shaded.append(term.heading)
        grid = board.grid(term.name, left, top, side, colours, texts, term.faint)
        if term.rows:
            grid.label_rows(term.rows)
        y = grid.label_columns(term.columns) if term.columns else top
        width, _ = board.text(left, y - 0.08, term.heading, 9, vertical="bottom", weight="bold")
        right = max(grid.right, left + width)
        grids.append(grid)
    matrix, vector, *others = grids
    matrix.frame(0, 0, columns=matrix.columns)
    vector.frame(0, 0, rows=vector.rows)
    for grid in others:
        grid.frame(0, 0)
    if not shaded:
        return ""
    return f" Numbers too small to read are greys, the darker the larger: {' and '.join(shaded)}."
