"""What the pictures of convolutions share.

- `draw_kernel`, `draw_image`: both as grids of cells on a `Board`; `draw_planes`: any planes.
- `names`: what stands over planes.
- `label_matrix`: which cell of image and output a row and a column of the matrix belong to.
- `kernel_cell`: how large a kernel's cells can be.
- `shades`: greys for cells whose numbers would be too small.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...engine import Array
from ...text import counted
from ..cells import BLANK, SMALLEST_FONT, Board, Grid, font_size, number_texts
from .subject import Subject, cell_labels

PART_SIZE = 8.0  # of the name over a plane, in points


def draw_kernel(
    board: Board,
    left: float,
    top: float,
    cell: float,
    subject: Subject,
    values: Array | None = None,
    filters: Sequence[int] | None = None,
) -> dict[tuple[int, int], Grid]:
    """The kernel, a grid per channel and filter: channels below each other, filters side by side.

    Args:
        board: to draw on.
        left, top, cell: inches.
        subject: the layer.
        values: to write into the cells, of the kernel's shape; by default its weights.
        filters: which of them; by default all.

    Returns:
        The grid of each (channel within its group, filter).
    """
    kh, kw, channels, all_filters = subject.geometry.kernel_shape
    filters = range(all_filters) if filters is None else filters
    colours = subject.colours.reshape(kh, kw, channels, all_filters, 3)
    texts = number_texts(subject.kernel if values is None else values)
    grids = {}
    x = left + (0.7 if channels > 1 else 0.0)
    for f in filters:
        y = top + (0.2 if all_filters > 1 else 0.0)
        if all_filters > 1:
            board.text(x + kw * cell / 2, y - 0.04, f"filter {f}", 8, "center", "bottom")
        for c in range(channels):
            grids[c, f] = board.grid(
                f"kernel[{c},{f}]",
                x,
                y,
                cell,
                colours[:, :, c, f],
                texts[:, :, c, f],
                size=font_size(cell, texts),
            )
            if f == filters[0] and channels > 1:
                name = f"channel {c}" + ("\nof its group" if subject.geometry.groups > 1 else "")
                board.text(x - 0.06, y + kh * cell / 2, name, 8, "right", "center")
            y += kh * cell + 0.14
        x += max(kw * cell, 0.5 if all_filters > 1 else 0.0) + 0.14
    return grids


def draw_image(
    board: Board,
    name: str,
    left: float,
    top: float,
    cell: float,
    values: Array,
    colours: Array | None = None,
    faint: Array | None = None,
    parts: Sequence[str] = (),
) -> list[Grid]:
    """An image, its channels below each other. Shaded where its numbers would be too small.

    Args:
        board: to draw on.
        name: of the grids; the channel is added in brackets.
        left, top, cell: inches.
        values: (H, W, C).
        colours: (H, W, C, 3), nan where a cell has no colour of its own.
        faint: (H, W, C) booleans, cells whose number is written in grey.
        parts: what stands over each channel, where anything does.
    """
    texts = number_texts(values)
    shown = shades(values, cell, texts)
    if colours is not None:
        shown = np.where(np.isnan(colours), shown, colours)
    size = font_size(cell, texts)
    return draw_planes(board, name, left, top, cell, texts, shown, faint, parts, size)


def draw_planes(
    board: Board,
    name: str,
    left: float,
    top: float,
    cell: float,
    texts: Array,
    colours: Array,
    faint: Array | None,
    parts: Sequence[str],
    size: float,
) -> list[Grid]:
    """Planes of cells below each other, whatever is written in them.

    Args:
        board: to draw on.
        name: of the grids; the plane is added in brackets.
        left, top, cell: inches.
        texts: (H, W, planes) strings.
        colours: (H, W, planes, 3).
        faint: (H, W, planes) booleans, cells whose text is written in grey.
        parts: what stands over each plane, where anything does.
        size: of the texts in points.
    """
    height, _, planes = texts.shape
    grids = []
    y = top
    for plane in range(planes):
        if parts:
            y += 0.2
            board.text(left, y - 0.04, parts[plane], PART_SIZE, vertical="bottom")
        grids.append(
            board.grid(
                f"{name}[{plane}]",
                left,
                y,
                cell,
                colours[:, :, plane],
                texts[:, :, plane],
                None if faint is None else faint[:, :, plane],
                size,
            )
        )
        y += height * cell + 0.14
    return grids


def names(part: str, count: int) -> list[str]:
    """channel 0, channel 1, ...; nothing where there is only one."""
    return [f"{part} {index}" for index in range(count)] if count > 1 else []


def kernel_cell(subject: Subject, filters: int) -> float:
    """The side of a kernel's cells, in inches, so that the slices of so many filters find room."""
    kh, kw, channels, _ = subject.geometry.kernel_shape
    return min(0.36, 5.0 / (kh * channels), 3.6 / (kw * filters))


def label_matrix(
    matrix: Grid,
    subject: Subject,
    transposed: bool = False,
    rows_at: Grid | None = None,
    columns_at: Grid | None = None,
) -> float:
    """Say which cell every row and column belongs to, or where there are many, which image row.

    Returns where the labels begin from above.

    Args:
        matrix: a row per input cell and a column per output cell.
        subject: the layer.
        transposed: the matrix is drawn the other way round.
        rows_at, columns_at: grids at the left of the matrix and above it, where there are any; the
            labels are put there.
    """
    ends = [
        ("input", "channel", subject.geometry.input_shape),
        ("output", "filter", subject.geometry.output_shape),
    ]
    if transposed:
        ends.reverse()
    (row_end, row_part, row_shape), (column_end, column_part, column_shape) = ends
    row_block, column_block = row_shape[1] * row_shape[2], column_shape[1] * column_shape[2]
    matrix.lines(row_block, column_block)
    one_by_one = matrix.cell >= 0.13
    row_labels, row_meaning = _end_labels(row_shape, row_part, one_by_one)
    column_labels, column_meaning = _end_labels(column_shape, column_part, one_by_one)
    x = (rows_at or matrix).label_rows(row_labels, 1 if one_by_one else row_block)
    y = (columns_at or matrix).label_columns(column_labels, 1 if one_by_one else column_block)
    text = matrix.board.text
    middle_x, middle_y = matrix.middle
    text(
        x - 0.06,
        middle_y,
        f"{row_end} cells: {row_meaning}",
        8.5,
        align="right",
        vertical="center",
        rotation=90,
    )
    _, height = text(
        middle_x,
        y - 0.06,
        f"{column_end} cells: {column_meaning}",
        8.5,
        align="center",
        vertical="bottom",
    )
    return y - 0.06 - height


def _end_labels(shape: tuple[int, int, int], part: str, one_by_one: bool) -> tuple[list[str], str]:
    """Labels for one side of a matrix, and what they mean."""
    if one_by_one:
        return cell_labels(shape), "row,column" + (f",{part}" if shape[2] > 1 else "")
    height, width, channels = shape
    meaning = f"{height} rows of {counted(width, 'column')}"
    if channels > 1:
        meaning += f" of {channels} {part}s"
    return [f"row {i}" for i in range(height)], meaning


def shades(values: Array, cell: float, texts: Array) -> Array:
    """White for cells whose numbers are written; otherwise grey, the darker the larger."""
    if font_size(cell, texts) >= SMALLEST_FONT:
        return np.broadcast_to(BLANK, (*values.shape, 3))
    low, high = float(values.min()), float(values.max())
    share = (values - low) / ((high - low) or 1.0)
    return np.repeat((1.0 - 0.7 * share)[..., None], 3, axis=-1)
