"""A convolution in space: `planes_figure`, `planes_film`, `modes_figure`.

The input lies on the ground with its padding around it, the output floats above it. A window of the
input and the output cell that it becomes are tied to each other by dashed lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ...conv_arithmetic import IntOrPair, Pair, dilated_size, pair
from ...engine import Array
from ...equivalence.geometry import ConvGeometry, conv_layer
from ...nn import Conv2D
from ...text import by, counted
from ..arguments import index_within, refuse_above
from ..cells import FAINT_INK, Board
from ..figures import Path
from ..film import Film, check_gif, finish_film
from .subject import title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# The most rows or columns of the padded input: a cell is then ten pixels wide.
PLANE_LIMIT = 60
GAP = 0.8  # between the planes on the board, in cells
# From this size on, in inches, rows and columns have numbers.
NUMBERED_SIDE = 0.2

INPUT, PADDING, OUTPUT = "#fbe6b0", "#d4d4d4", "#c9e8dc"
# Of the window, where it lies on the input and on padding; of the output cell; and their frames.
WINDOW, WINDOW_ON_PADDING, LINKED = "#7fb8dd", "#9fb3c1", "#2fa37f"
WINDOW_FRAME, LINKED_FRAME = "#00507d", "#00533c"

# Seen from above at an angle of 38 degrees and turned by 18: where a step of one cell leads on the
# board, x to the right and y down.
TURN, HEIGHT = np.radians(18), np.radians(38)
TO_NEXT_ROW = np.array([-np.sin(TURN), np.cos(TURN) * np.sin(HEIGHT)])
TO_NEXT_COLUMN = np.array([np.cos(TURN), np.sin(TURN) * np.sin(HEIGHT)])


# article: F8
def planes_figure(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    output_cell: Sequence[int] | None = None,
) -> Figure:
    """A convolution in space: input and padding below, the output above, a window and its cell.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C). A plane stands for all channels, or all filters.
        path: of a picture file to write.
        output_cell: (row, column) of the cell whose window is shown; by default the first.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: an image that the layer does not take, no such output cell, or sizes too large
            to draw legibly.
    """
    where = "planes_figure"
    geometry = _geometry(where, conv, input_shape)
    shape = geometry.output_shape[:2]
    cell = (0, 0) if output_cell is None else output_cell
    row, column = index_within(where, "output_cell", cell, shape, "(row, column)")
    return _draw_figure(title_of(conv, geometry), geometry, (row, column), path)


def planes_film(conv: Conv2D, input_shape: Sequence[int], path: Path | None = None) -> Film:
    """`planes_figure` in motion: the window visits every output cell, row by row.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a GIF to write.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: an image that the layer does not take, sizes too large to draw legibly, more
            output cells than a film has frames, or a path that does not end in .gif.
    """
    where = "planes_film"
    if path is not None:
        check_gif(path, where)
    geometry = _geometry(where, conv, input_shape)
    title, columns = title_of(conv, geometry), geometry.output_shape[1]
    film = Film(
        lambda number: _draw_figure(title, geometry, divmod(number, columns)), geometry.positions
    )
    return finish_film(film, path)


# article: M1, M2, M3, M4
def modes_figure(
    input_hw: IntOrPair,
    kernel_size: IntOrPair,
    path: Path | None = None,
    stride: IntOrPair = 1,
    dilation: IntOrPair = 1,
) -> Figure:
    """The three modes side by side, each with its first window: FULL, SAME and VALID.

    Args:
        input_hw: of the image, an int or (height, width).
        kernel_size, stride, dilation: an int, or (height, width).
        path: of a picture file to write.

    Raises:
        ValueError: a size below 1, a window that does not fit the image, or sizes too large to draw
            legibly.
    """
    where = "modes_figure"
    size = pair(input_hw, "input_hw", where=where)
    kernel_shape = (*pair(kernel_size, "kernel_size", where=where), 1, 1)
    geometries = {
        mode: ConvGeometry.resolve(where, (*size, 1), kernel_shape, stride, mode, dilation)
        for mode in ("FULL", "SAME", "VALID")
    }
    _refuse_large(where, geometries["FULL"])
    side = _cell_side(_padded_size(geometries["FULL"]), 3.2)
    board = Board()
    left = 0.0
    for mode, geometry in geometries.items():
        _draw_planes(board, left, side, geometry, (0, 0))
        board.text(left, 0.3, f"{mode}: output {by(geometry.output_shape[:2])}", 10, weight="bold")
        board.text(left, 0.53, _padding_text(geometry).replace("; ", "\n"), 8.5, linespacing=1.35)
        left = board.right + 0.5
    _draw_legend(
        board,
        left,
        {
            OUTPUT: "output",
            LINKED: "its first cell",
            WINDOW: "the first window",
            INPUT: "input",
            PADDING: "padding: zeros",
        },
    )
    geometry = geometries["VALID"]
    board.headline(
        f"Three modes: {by(size)} image, {_kernel_text(geometry)}, stride {by(geometry.stride)}",
        "They differ in where the window begins and ends, and so in the size of the output",
    )
    return board.finish(path)


def _geometry(where: str, conv: Conv2D, input_shape: Sequence[int]) -> ConvGeometry:
    """The sizes of the layer on such an image, checked. There may be any number of weights."""
    conv_layer(where, conv)
    geometry = ConvGeometry.of_layer(where, conv, input_shape)
    _refuse_large(where, geometry)
    return geometry


def _refuse_large(where: str, geometry: ConvGeometry) -> None:
    """The error for an input whose cells would be too small to see."""
    rows, columns = _padded_size(geometry)
    refuse_above(
        where,
        f"input_shape={geometry.input_shape} with its padding has {counted(rows, 'row')} and "
        f"{counted(columns, 'column')}",
        max(rows, columns),
        PLANE_LIMIT,
        "rows or columns can be told apart",
        "give a smaller input_shape: the pattern repeats",
    )


def _padded_size(geometry: ConvGeometry) -> Pair:
    """Rows and columns of the input with its padding."""
    rows, columns = (size + sum(pads) for size, pads in zip(geometry.input_shape, geometry.pads))
    return rows, columns


def _draw_figure(
    title: str, geometry: ConvGeometry, cell: Pair, path: Path | None = None
) -> Figure:
    """Both planes, and beside them what they are."""
    board = Board()
    _draw_planes(board, 0, _cell_side(_padded_size(geometry), 4.5), geometry, cell)
    _draw_legend(board, board.right + 0.4, _explanations(geometry, cell))
    board.headline(
        title,
        "The kernel lies on a window of the input. Their products, added up, are one cell of the "
        "output",
    )
    unreached = [
        name if count == 1 else f"{count} {name}s"
        for name, count in zip(("row", "column"), _unreached(geometry))
        if count
    ]
    if unreached:
        board.caption(
            f"No window reaches the last {' and the last '.join(unreached)} of the padded input: "
            "another step of the stride would lead over the edge."
        )
    return board.finish(path)


# --- the planes -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Plane:
    """Cells in rows and columns that lie flat in space.

    Attributes:
        origin: where on the board its first row and column begin, (x, y) in inches.
        side: of a cell, in inches, before it is seen at an angle.
    """

    origin: Array
    side: float

    def blocks(self, rows: Array, columns: Array, size: Pair = (1, 1)) -> Array:
        """Where the corners of blocks of cells are on the board, clockwise: (blocks, 4, 2).

        Args:
            rows, columns: at which the blocks begin, (blocks,) each.
            size: of a block, its rows and columns.
        """
        rows = rows[:, None, None] + np.reshape([0, 0, size[0], size[0]], (4, 1))
        columns = columns[:, None, None] + np.reshape([0, size[1], size[1], 0], (4, 1))
        # (blocks, 4, 1) each -> (blocks, 4, 2)
        return self.origin + self.side * (rows * TO_NEXT_ROW + columns * TO_NEXT_COLUMN)

    def block(self, row: float, column: float, size: Pair = (1, 1)) -> Array:
        """The corners of one block, (1, 4, 2)."""
        return self.blocks(np.array([row]), np.array([column]), size)

    def draw(self, board: Board, name: str, colours: Array, columns_at: str) -> None:
        """All cells, in the colours of (rows, columns); columns are numbered at "front" or "back".

        Rows are numbered at the right.
        """
        rows, columns = np.indices(colours.shape).reshape(2, -1)
        board.polygons(
            name,
            self.blocks(rows, columns),
            facecolors=list(colours.flat),
            edgecolors="#777777" if self.side > 0.12 else "white",
            linewidths=0.5,
        )
        if self.side < NUMBERED_SIDE:
            return
        last_row, last_column = colours.shape
        for row in range(last_row):
            x, y = self._point(row + 0.5, last_column)
            board.text(x + 0.06, y, str(row), 6.5, "left", "center", color=FAINT_INK)
        for column in range(last_column):
            if columns_at == "front":
                x, y = self._point(last_row, column + 0.5)
                board.text(x, y + 0.04, str(column), 6.5, "center", "top", color=FAINT_INK)
            else:
                x, y = self._point(0, column + 0.5)
                board.text(x, y - 0.04, str(column), 6.5, "center", "bottom", color=FAINT_INK)

    def _point(self, row: float, column: float) -> Array:
        """Where on the board, (x, y)."""
        return self.origin + self.side * (row * TO_NEXT_ROW + column * TO_NEXT_COLUMN)


def _cell_side(size: Pair, width: float) -> float:
    """So many inches wide, and not too high, shall a plane of this size become."""
    rows, columns = size
    across = columns * TO_NEXT_COLUMN[0] - rows * TO_NEXT_ROW[0]
    down = columns * TO_NEXT_COLUMN[1] + rows * TO_NEXT_ROW[1]
    return float(min(0.4, width / across, 3.5 / down))


def _draw_planes(
    board: Board, left: float, side: float, geometry: ConvGeometry, cell: Pair
) -> None:
    """Both planes from `left` on, the lower one down to a height of 0, and what ties them."""
    rows, columns = _padded_size(geometry)
    out_rows, out_columns = out = geometry.output_shape[:2]
    lowest = rows * TO_NEXT_ROW[1] + columns * TO_NEXT_COLUMN[1]
    ground = Plane(np.array([left, 0]) - side * np.array([rows * TO_NEXT_ROW[0], lowest]), side)
    # The output is over the middle of the padded input; at stride 1 every output cell is then over
    # the middle of its window. It is so high that it hides nothing of the input: on the board,
    # rising by sin(HEIGHT) / cos(TURN) looks like moving a row back.
    middle = (rows - out_rows) / 2 * TO_NEXT_ROW + (columns - out_columns) / 2 * TO_NEXT_COLUMN
    rise = ((rows + out_rows) / 2 + GAP) * np.sin(HEIGHT) / np.cos(TURN)
    above = Plane(ground.origin + side * (middle - [0, rise]), side)

    ground.draw(board, "input", _input_colours(geometry, cell), columns_at="front")
    colours = np.full(out, OUTPUT)
    colours[cell] = LINKED
    above.draw(board, "output", colours, columns_at="back")

    window_rows, window_columns = geometry.window(*cell)
    window = ground.block(window_rows[0, 0], window_columns[0], _span(geometry))
    linked = above.block(*cell)
    frame = {"facecolors": "none", "linewidths": 1.8, "zorder": 3, "joinstyle": "round"}
    board.polygons("window", window, edgecolors=WINDOW_FRAME, **frame)
    board.polygons("output cell", linked, edgecolors=LINKED_FRAME, **frame)
    board.polygons(
        "links",
        np.concatenate([window, linked]).transpose(1, 0, 2),  # -> (4 corners, 2 ends, 2)
        closed=False,
        edgecolors=WINDOW_FRAME,
        linewidths=1.0,
        linestyles="dashed",
        zorder=4,
    )


def _input_colours(geometry: ConvGeometry, cell: Pair) -> Array:
    """Of the padded input, (rows, columns): input, padding, and the cells under the kernel."""
    colours = np.pad(
        np.full(geometry.input_shape[:2], INPUT), geometry.pads, constant_values=PADDING
    )
    window = geometry.window(*cell)
    colours[window] = np.where(colours[window] == INPUT, WINDOW, WINDOW_ON_PADDING)
    return colours


def _span(geometry: ConvGeometry) -> Pair:
    """Rows and columns from the first weight of the kernel to its last."""
    rows, columns = map(dilated_size, geometry.kernel_shape, geometry.dilation)
    return rows, columns


def _unreached(geometry: ConvGeometry) -> Pair:
    """Rows and columns at the end of the padded input in which no window lies."""
    rows, columns = (
        size - ((positions - 1) * stride + span)
        for size, positions, stride, span in zip(
            _padded_size(geometry), geometry.output_shape, geometry.stride, _span(geometry)
        )
    )
    return rows, columns


# --- what is written ------------------------------------------------------------------------------


def _explanations(geometry: ConvGeometry, cell: Pair) -> dict[str, str]:
    """What each colour is, from top to bottom."""
    begins = [
        f"{name} {index} × stride {stride} = {index * stride}"
        for name, index, stride in zip(("row", "column"), cell, geometry.stride)
    ]
    (height, width, channels), (out_height, out_width, filters) = (
        geometry.input_shape,
        geometry.output_shape,
    )
    texts = {
        OUTPUT: f"output: {_size_text((out_height, out_width))}"
        + (f",\nfor each of {filters} filters" if filters > 1 else ""),
        LINKED: f"output cell {cell[0]},{cell[1]} (row,column)",
        WINDOW: f"its window: {_kernel_text(geometry)}; begins at\n{begins[0]},\n{begins[1]}"
        + (",\ncounted with the padding" if np.any(geometry.pads) else ""),
        INPUT: f"input: {_size_text((height, width))}"
        + (f",\nin each of {channels} channels" if channels > 1 else ""),
    }
    if np.any(geometry.pads):
        texts[PADDING] = (
            f"padding, zeros:\n{_padding_text(geometry)}".replace("; ", ",\n")
            + f",\nwith it {_size_text(_padded_size(geometry))}"
        )
    return texts


def _size_text(size: Pair) -> str:
    return f"{counted(size[0], 'row')} × {counted(size[1], 'column')}"


def _kernel_text(geometry: ConvGeometry) -> str:
    dilation = f" with dilation {by(geometry.dilation)}" if geometry.dilation != (1, 1) else ""
    return f"kernel {by(geometry.kernel_shape[:2])}{dilation}"


def _padding_text(geometry: ConvGeometry) -> str:
    """How many cells on each side."""
    (top, bottom), (left, right) = geometry.pads
    if not np.any(geometry.pads):
        return "no padding"
    return (
        f"{counted(top, 'row')} above and {bottom} below; "
        f"{counted(left, 'column')} left and {right} right"
    )


def _draw_legend(board: Board, left: float, explanations: dict[str, str]) -> None:
    """A square of each colour with what it is, from the top of the board down."""
    square = np.array([[[0, 0], [1, 0], [1, 1], [0, 1]]])
    y = board.top
    for colour, text in explanations.items():
        board.polygons("legend", [left, y] + 0.17 * square, facecolors=colour, edgecolors="#777777")
        _, height = board.text(left + 0.27, y - 0.01, text, 9, linespacing=1.35)
        y += max(height, 0.17) + 0.16
