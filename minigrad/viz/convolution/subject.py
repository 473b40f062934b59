"""What a picture of a convolution is of: the layer, the image, the gradient.

- `Subject`: the layer, on images of one size.
- `image_of`, `gradient_of`: what a user gave, checked, or small whole numbers.
- `cell_labels`: names for the cells of an image or an output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ... import functional as F
from ...engine import Array, no_grad
from ...equivalence import conv_index_map
from ...equivalence.geometry import ConvGeometry, conv_layer
from ...nn import Conv2D
from ...text import by
from ..arguments import numbers_of, refuse_above
from ..cells import ZERO, parameter_colours

# The most rows or columns of a matrix: a cell of it is then three pixels wide.
CELL_LIMIT = 400
# The most in which single ones are to be seen.
ONE_BY_ONE_LIMIT = 120
# The most kernel parameters: so many colours still run visibly from dark to light.
PARAMETER_LIMIT = 200


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
            "draw a layer of fewer channels or filters, or with a smaller kernel",
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
        return title_of(self.conv, self.geometry)

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

    def window_cells(self, row: int, column: int, filter_index: int) -> tuple[Array, ...]:
        """An index of the padded image: the cells under an output cell, (kh, kw, C / groups)."""
        rows, columns = self.geometry.window(row, column)
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


def title_of(conv: Conv2D, geometry: ConvGeometry) -> str:
    """The layer and the size of the image."""
    return f"{conv} on {by(geometry.input_shape)} images"


def cell_labels(shape: tuple[int, int, int]) -> list[str]:
    """A name like 2,3 for every cell in row-major order, like 2,3,0 where there are channels."""
    height, width, channels = shape
    return [
        f"{i},{j}" + (f",{c}" if channels > 1 else "")
        for i in range(height)
        for j in range(width)
        for c in range(channels)
    ]


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


def _array_of(
    where: str, name: str, value: Any, shape: tuple[int, int, int], meaning: str
) -> Array:
    array = numbers_of(f"{where}: {name}", value)
    if array.shape != shape:
        raise ValueError(
            f"{where}: {name} of shape {array.shape} must have shape {shape}, which is {meaning}"
        )
    return array
