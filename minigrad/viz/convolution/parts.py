"""What the pictures of convolutions share.

- `Subject`: the layer that a picture is of, on images of one size.
- `draw_kernel`, `draw_image`: both as grids of cells on a `Board`; `draw_planes`: any planes.
- `products_of`, `factor`: products written out.
- `label_matrix`: which cell of image and output a row and a column of the matrix belong to.
- `kernel_cell`: how large a kernel's cells can be.
- `image_of`, `gradient_of`: what a user gave, checked, or small whole numbers.
- `index_within`: an index into a kernel or an output, checked.
- `refuse_above`: the error for what is too large to draw legibly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ... import functional as F
from ...conv_arithmetic import integer
from ...engine import Array, no_grad
from ...equivalence import conv_index_map
from ...equivalence.geometry import ConvGeometry, conv_layer
from ...nn import Conv2D
from ...text import counted
from ..cells import (
    BLANK,
    SMALLEST_FONT,
    ZERO,
    Board,
    Grid,
    font_size,
    number_text,
    number_texts,
    parameter_colours,
)
from ..figures import numbers_of

# The most rows or columns of a matrix: a cell of it is then three pixels wide.
CELL_LIMIT = 400
# The most kernel parameters: so many colours still run visibly from dark to light.
PARAMETER_LIMIT = 200
PART_SIZE = 8.0  # of the name over a plane, in points


@dataclass(frozen=True)
class Subject:
    """The convolution that a picture is of. Made by `of`.

    Attributes:
        where: the function that errors speak of.
        conv: the layer.
        geometry: its sizes.
    """

    where: str
    conv: Conv2D
    geometry: ConvGeometry

    @classmethod
    def of(cls, where: str, conv: Conv2D, input_shape: Sequence[int]) -> Subject:
        """Check the layer and the image size.

        Raises:
            TypeError: `conv` is no Conv2D.
            ValueError: the layer does not take such images, or has too many parameters to draw.
        """
        conv_layer(where, conv)
        subject = cls(where, conv, ConvGeometry.of_layer(where, conv, input_shape))
        refuse_above(
            where,
            f"{conv} has {subject.geometry.kernel_cells:,} kernel parameters",
            subject.geometry.kernel_cells,
            PARAMETER_LIMIT,
            "colours can be told apart",
            "draw a layer of fewer channels or filters: the pattern is the same",
        )
        return subject

    def refuse_large_image(self) -> None:
        """The error for an image whose cells would be too small to see.

        Raises:
            ValueError: more than CELL_LIMIT rows, all channels below each other, or columns.
        """
        height, width, channels = self.padded_shape
        refuse_above(
            self.where,
            f"input_shape={self.geometry.input_shape} with its padding has "
            f"{height * channels:,} rows in all channels and {width:,} columns",
            max(height * channels, width),
            CELL_LIMIT,
            "rows or columns can be seen",
            "give a smaller input_shape: the pattern repeats",
        )

    def refuse_large_matrix(self, limit: int = CELL_LIMIT) -> None:
        """The error for a matrix whose cells would be too small to see.

        Raises:
            ValueError: more rows or columns than the limit.
        """
        rows, columns = self.geometry.matrix_shape
        refuse_above(
            self.where,
            f"the matrix for input_shape={self.geometry.input_shape} is {rows:,} x {columns:,}",
            max(rows, columns),
            limit,
            "rows or columns can be seen",
            "give a smaller input_shape, a larger stride or fewer filters: the pattern repeats",
        )

    @property
    def kernel(self) -> Array:
        """The weights, (kh, kw, C / groups, F)."""
        return self.conv.kernel.data

    @property
    def bias(self) -> Array:
        """(F,); zeros where the layer has none."""
        return np.zeros(self.conv.out_channels) if self.conv.bias is None else self.conv.bias.data

    def output_of(self, image: Array) -> Array:
        """What the layer makes of an image, (H, W, C) -> (OH, OW, F)."""
        with no_grad():
            return self.conv(image[None]).data[0]

    def unfolded(self, image: Array) -> Array:
        """The windows of an image as rows, (H, W, C) -> (OH*OW, kh*kw*C)."""
        geometry = self.geometry
        columns = F.im2col(
            image[None],
            geometry.kernel_shape[:2],
            geometry.stride,
            geometry.pads,
            geometry.dilation,
        )
        return columns.data.reshape(geometry.positions, -1)

    @cached_property
    def colours(self) -> Array:
        """Of the kernel's parameters, in the order of `kernel.flatten()`: (parameters, 3)."""
        kh, kw, channels, filters = self.geometry.kernel_shape
        return parameter_colours(kh * kw * channels, filters).reshape(-1, 3)

    @property
    def kernel_colours(self) -> Array:
        """The same in the shape of the kernel, (kh, kw, C / groups, F, 3)."""
        return self.colours.reshape(*self.geometry.kernel_shape, 3)

    @cached_property
    def index_map(self) -> Array:
        """Which parameter is in which cell of the matrix, (H*W*C, OH*OW*F); -1 is none."""
        geometry = self.geometry
        return conv_index_map(
            geometry.input_shape,
            geometry.kernel_shape,
            geometry.stride,
            geometry.pads,
            geometry.dilation,
            geometry.groups,
        )

    @property
    def matrix_colours(self) -> Array:
        """Of the cells of the matrix, (H*W*C, OH*OW*F, 3)."""
        return self.colours_at(self.index_map)

    @property
    def pale_matrix_colours(self) -> Array:
        """The same, washed out, as a background for what is meant."""
        return np.where(self.index_map[..., None] < 0, ZERO, 1 - 0.25 * (1 - self.matrix_colours))

    @property
    def matrix_values(self) -> Array:
        """The matrix, (H*W*C, OH*OW*F)."""
        return self.weights_at(self.index_map)

    def colours_at(self, index: Array) -> Array:
        """The colours of kernel parameters by their place in `kernel.flatten()`; of -1, grey."""
        return np.vstack([self.colours, ZERO])[index]

    def weights_at(self, index: Array) -> Array:
        """The kernel parameters at these places; at -1, zero."""
        return np.append(self.kernel.reshape(-1), 0)[index]

    @property
    def input_labels(self) -> list[str]:
        """A name for every cell of the image: row, column, and channel where there are several."""
        return cell_labels(self.geometry.input_shape)

    @property
    def output_labels(self) -> list[str]:
        """A name for every cell of the output: row, column, and filter where there are several."""
        return cell_labels(self.geometry.output_shape)

    @property
    def title(self) -> str:
        """The layer and the size of the image."""
        return f"{self.conv} on {by(self.geometry.input_shape)} images"

    @cached_property
    def flat_index(self) -> Array:
        """Which parameter is in which cell of the flattened kernel, (kh*kw*C, F).

        With groups a filter sees only some of the channels; -1 is where it does not.
        """
        kh, kw, channels, filters = self.geometry.kernel_shape
        parameters = np.arange(self.geometry.kernel_cells).reshape(kh, kw, channels, filters)
        index = np.full((kh, kw, channels * self.geometry.groups, filters), -1)
        for f in range(filters):
            seen = self.channels_of(f)
            index[:, :, seen.start : seen.stop, f] = parameters[:, :, :, f]
        return index.reshape(-1, filters)

    @property
    def weight_labels(self) -> list[str]:
        """A name for every row of the flattened kernel: its row, column, and channel."""
        kh, kw, _, _ = self.geometry.kernel_shape
        return cell_labels((kh, kw, self.geometry.input_shape[2]))

    @property
    def padded_shape(self) -> tuple[int, int, int]:
        """Of an image with its padding, (top + H + bottom, left + W + right, C)."""
        (top, bottom), (left, right) = self.geometry.pads
        height, width, channels = self.geometry.input_shape
        return top + height + bottom, left + width + right, channels

    def padded(self, image: Array) -> Array:
        """The image with its padding, (H, W, C) -> (top + H + bottom, left + W + right, C)."""
        return np.pad(image, (*self.geometry.pads, (0, 0)))

    @property
    def padding_cells(self) -> Array:
        """Which cells of the padded image are padding, (top + H + bottom, left + W + right, C)."""
        inside = np.ones(self.geometry.input_shape, bool)
        return ~np.pad(inside, (*self.geometry.pads, (0, 0)))

    def window(self, row: int, column: int) -> tuple[Array, Array]:
        """The rows (kh, 1) and columns (kw,) of the padded image under an output cell."""
        geometry = self.geometry
        kh, kw = geometry.kernel_shape[:2]
        rows = row * geometry.stride[0] + np.arange(kh) * geometry.dilation[0]
        columns = column * geometry.stride[1] + np.arange(kw) * geometry.dilation[1]
        return rows[:, None], columns

    def window_cells(self, row: int, column: int, filter_index: int) -> tuple[Array, ...]:
        """An index of the padded image: the cells under an output cell, (kh, kw, C / groups)."""
        rows, columns = self.window(row, column)
        return np.ix_(rows[:, 0], columns, np.array(self.channels_of(filter_index)))

    def part_names(self, channels: Sequence[int], filters: Sequence[int]) -> list[str]:
        """A name for each of some slices of the kernel, in which is only what there are several of.

        The slices of all these channels with all these filters, filter by filter.
        """
        channel = "channel {c}" if self.conv.in_channels > 1 else ""
        filter_ = "filter {f}" if self.conv.out_channels > 1 else ""
        name = ", ".join(filter(None, [channel, filter_]))
        return [name.format(c=c, f=f) for f in filters for c in channels] if name else []

    def channels_of(self, filter_index: int) -> range:
        """The channels that a filter sees: those of its group."""
        _, _, channels, filters = self.geometry.kernel_shape
        first = filter_index // (filters // self.geometry.groups) * channels
        return range(first, first + channels)


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


def cell_labels(shape: tuple[int, int, int]) -> list[str]:
    """A name like 2,3 for every cell in row-major order, like 2,3,0 where there are channels."""
    height, width, channels = shape
    return [
        f"{i},{j}" + (f",{c}" if channels > 1 else "")
        for i in range(height)
        for j in range(width)
        for c in range(channels)
    ]


def by(shape: Sequence[int]) -> str:
    """The sizes of a shape with crosses between them."""
    return "×".join(map(str, shape))


def products_of(inputs: Array, weights: Array) -> list[str]:
    """Products as they are written in a sum, such as 3·(-4)."""
    return [f"{factor(a)}·{factor(b)}" for a, b in zip(inputs.flat, weights.flat, strict=True)]


def factor(number: float) -> str:
    """A number, in brackets where it is negative."""
    return f"({number_text(number)})" if number < 0 else number_text(number)


def image_of(where: str, image: Any, shape: tuple[int, int, int]) -> Array:
    """The image given, or whole numbers from 1 to 9: (H, W, C).

    Raises:
        TypeError: no real numbers.
        ValueError: another shape, nan or infinity.
    """
    if image is None:
        return np.random.default_rng(0).integers(1, 10, shape).astype(np.float64)
    return _array_of(where, "image", image, shape, "(H, W, C), one image")


def gradient_of(where: str, gradient: Any, shape: tuple[int, int, int]) -> Array:
    """The gradient of the output given, or whole numbers from -3 to 3 but 0: (OH, OW, F).

    Raises:
        TypeError: no real numbers.
        ValueError: another shape, nan or infinity.
    """
    if gradient is None:
        return np.random.default_rng(1).choice([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0], shape)
    return _array_of(where, "gradient", gradient, shape, "(OH, OW, F), as the layer's output")


def index_within(
    where: str, name: str, index: Sequence[int], shape: tuple[int, ...], meaning: str
) -> tuple[int, ...]:
    """An index that lies within a shape, as Python ints.

    Raises:
        ValueError: another length, or a part out of range.
        TypeError: a part that is no integer.
    """
    parts = tuple(integer(part, name, minimum=0, where=where) for part in index)
    if len(parts) != len(shape) or any(part >= size for part, size in zip(parts, shape)):
        raise ValueError(
            f"{where}: {name}={tuple(index)} must be {meaning}, counted from 0 within {shape}"
        )
    return parts


def refuse_above(where: str, what: str, count: int, limit: int, purpose: str, way_out: str) -> None:
    """Refuse what could not be read.

    Raises:
        ValueError: the count is above the limit.
    """
    if count > limit:
        raise ValueError(f"{where}: {what}; at most {limit} {purpose}; {way_out}")


def _array_of(
    where: str, name: str, value: Any, shape: tuple[int, int, int], meaning: str
) -> Array:
    array = numbers_of(f"{where}: {name}", value)
    if array.shape != shape:
        raise ValueError(
            f"{where}: {name} of shape {array.shape} must have shape {shape}, which is {meaning}"
        )
    return array
