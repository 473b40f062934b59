"""The matrix of a convolution as pictures: `matrix_figure`, `tied_gradient_figure`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...engine import Array
from ...equivalence import tie_gradient
from ...nn import Conv2D
from ...text import counted
from ..arguments import index_within
from ..cells import BLANK, INK, SMALLEST_FONT, Board, font_size, number_text, number_texts
from ..figures import Path
from .parts import draw_kernel, kernel_cell, label_matrix
from .subject import Subject, gradient_of, image_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# How many of the tied cells are listed one by one.
LISTED = 14


def matrix_figure(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    orientation: Literal["dense", "article"] = "dense",
) -> Figure:
    """The matrix of a convolution: a colour per kernel parameter, structural zeros grey.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        orientation: "dense" is as `equivalence.conv_matrix` has it, a row per input cell: the
            weight of the Dense layer that computes the same. "article" is its transpose, a row per
            output cell.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: another orientation, an image that the layer does not take, or a matrix or a
            kernel too large to draw legibly.
    """
    where = "matrix_figure"
    if orientation not in ("dense", "article"):
        raise ValueError(f'{where}: orientation={orientation!r} must be "dense" or "article"')
    subject = Subject.of(where, conv, input_shape)
    subject.refuse_large_matrix()
    transposed = orientation == "article"
    colours, values, zeros = subject.matrix_colours, subject.matrix_values, subject.index_map < 0
    if transposed:
        colours, values, zeros = colours.transpose(1, 0, 2), values.T, zeros.T

    board = Board()
    board.heading(0, 0, "kernel")
    draw_kernel(board, 0, 0, kernel_cell(subject, conv.out_channels), subject)
    cell = min(0.36, 7.0 / len(values), 8.0 / values.shape[1])
    matrix = board.grid(
        "matrix", board.right + 1.1, 0, cell, colours, number_texts(values), faint=zeros
    )
    label_matrix(matrix, subject, transposed)
    board.headline(f"{subject.title}, as a dense layer", counts(subject))
    board.caption(
        "A colour is a parameter of the kernel; cells of one colour are tied, they hold the same "
        "number. Grey cells are zero because no window brings the two cells together.\n"
        + (
            "Output = this matrix @ flattened image, as the article draws it: one row per output "
            "cell. The weight of the equal Dense layer, conv_matrix(...), is its transpose."
            if transposed
            else "Output = flattened image @ this matrix, the weight of the equal Dense layer: one "
            "column per output cell. The article draws its transpose."
        )
    )
    return board.finish(path)


def tied_gradient_figure(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    image: Any = None,
    gradient: Any = None,
    parameter: Sequence[int] = (0, 0, 0, 0),
) -> Figure:
    """The gradient of a kernel parameter: the dense layer's gradient, added up over tied cells.

    The dense layer's gradient is the outer product of image and output gradient. The cells tied to
    one parameter are lit up, listed, and added up into the cell of the kernel's gradient.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a picture file to write.
        image: (H, W, C); by default whole numbers.
        gradient: of the loss with respect to the output, (OH, OW, F); by default whole numbers.
        parameter: which one, (kernel row, kernel column, channel within its group, filter).

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, no such parameter, or sizes too large to draw legibly.
    """
    where = "tied_gradient_figure"
    subject = Subject.of(where, conv, input_shape)
    subject.refuse_large_matrix()
    geometry = subject.geometry
    chosen = index_within(
        where,
        "parameter",
        parameter,
        geometry.kernel_shape,
        "(kernel row, kernel column, channel, filter)",
    )
    x = image_of(where, image, geometry.input_shape).reshape(-1)  # (H*W*C,)
    g = gradient_of(where, gradient, geometry.output_shape).reshape(-1)  # (OH*OW*F,)
    dense_gradient = np.outer(x, g)
    kernel_gradient = tie_gradient(dense_gradient, subject.index_map, geometry.kernel_shape).data
    lit = subject.index_map == np.ravel_multi_index(chosen, geometry.kernel_shape)

    board = Board()
    _draw_dense_gradient(board, subject, x, g, lit)
    _list_addends(board, board.right + 0.6, subject, x, g, lit)
    left = board.right + 0.8
    board.heading(left, 0, "gradient of the kernel")
    side = kernel_cell(subject, conv.out_channels)
    slices = draw_kernel(board, left, 0, side, subject, kernel_gradient)
    slices[chosen[2], chosen[3]].frame(chosen[0], chosen[1], width=2.5)
    board.arrow(left - 0.6, slices[0, 0].middle[1], left - 0.1, slices[0, 0].middle[1])
    place = ",".join(map(str, chosen))
    board.headline(
        f"{subject.title}: where the gradient of kernel[{place}] comes from",
        f"Tied to this parameter: {counted(int(lit.sum()), 'cell')} of the dense layer's gradient. "
        "Added up they are the parameter's gradient",
    )
    board.caption(
        "The gradient of a dense weight is input cell × gradient of the output cell. As a dense "
        "layer all weights would learn, each for itself. As a convolution the framed ones are one "
        "parameter, so what they are told is added up. Pale cells are tied to other parameters; "
        "grey cells stay zero."
    )
    return board.finish(path)


def counts(subject: Subject) -> str:
    """How many cells matrix and kernel have, in words."""
    geometry = subject.geometry
    rows, columns = geometry.matrix_shape
    unused = geometry.kernel_cells - geometry.distinct
    return (
        f"{rows:,} inputs × {columns:,} outputs = {counted(geometry.matrix_cells, 'cell')}: "
        f"{geometry.nonzeros:,} hold one of the kernel's "
        f"{counted(geometry.kernel_cells, 'parameter')}, "
        f"{geometry.matrix_cells - geometry.nonzeros:,} are zero by structure"
        + (f"; {counted(unused, 'parameter')} never meet the image" if unused else "")
    )


def _draw_dense_gradient(board: Board, subject: Subject, x: Array, g: Array, lit: Array) -> None:
    """The outer product, between the image at its left and the output gradient above it."""
    rows, columns = lit.shape
    cell = min(0.36, 6.5 / rows, 7.0 / columns)
    colours = np.where(lit[..., None], subject.matrix_colours, subject.pale_matrix_colours)
    products = number_texts(np.outer(x, g))
    matrix = board.grid("dense gradient", 0, 0, cell, colours, products, faint=~lit)
    for row, column in np.argwhere(lit):
        matrix.frame(row, column, width=1.5)
    inputs, outputs = number_texts(x[:, None]), number_texts(g[None])
    if min(font_size(cell, inputs), font_size(cell, outputs)) < SMALLEST_FONT:
        label_matrix(matrix, subject)
        return
    gap = 0.08
    image = board.grid(
        "image",
        -cell - gap,
        0,
        cell,
        np.full((rows, 1, 3), BLANK),
        inputs,
        faint=~np.any(lit, axis=1, keepdims=True),
    )
    gradient = board.grid(
        "output gradient",
        0,
        -cell - gap,
        cell,
        np.full((1, columns, 3), BLANK),
        outputs,
        faint=~np.any(lit, axis=0, keepdims=True),
    )
    label_matrix(matrix, subject, rows_at=image, columns_at=gradient)
    board.text(image.right, image.bottom + 0.05, "image", 8.5, align="right")
    board.text(
        gradient.right + 0.06, gradient.middle[1], "gradient of\nthe output", 8.5, vertical="center"
    )


def _list_addends(
    board: Board, left: float, subject: Subject, x: Array, g: Array, lit: Array
) -> None:
    """The tied cells one below the other, and their sum."""
    cells = np.argwhere(lit)
    inputs, outputs = subject.input_labels, subject.output_labels
    lines = [
        f"{inputs[row]} → {outputs[column]}:  {number_text(x[row])} × {number_text(g[column])} = "
        f"{number_text(x[row] * g[column])}"
        for row, column in cells[:LISTED]
    ] or ["none: this weight never meets the image"]
    if len(cells) > LISTED:
        lines.append(f"… and {len(cells) - LISTED:,} more")
    board.heading(left, 0, "tied cells")
    width, height = board.text(left, 0, "\n".join(lines), 9, linespacing=1.5)
    y = height + 0.08
    board.axes.hlines(y, left, left + max(width, 1.0), color=INK, linewidth=0.8)
    total = np.outer(x, g)[lit].sum()
    board.text(left, y + 0.05, f"sum = {number_text(total)}", 10, weight="bold")
