"""`ConvGeometry`: the sizes of one convolution, checked once, and what can be counted from them.

Everything else in this package starts from it. `check_memory` refuses what would not fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..conv_arithmetic import (
    IntOrPair,
    Padding,
    Pads,
    Pair,
    integer,
    output_shape,
    pair,
    resolve_padding,
)
from ..engine import Array
from ..nn import Conv2D, LocallyConnected2D
from ..text import readable_bytes

ImageShape = tuple[int, int, int]

# What one call may allocate unless it is told otherwise, in bytes: one GiB.
MEMORY_LIMIT = 2**30


@dataclass(frozen=True)
class ConvGeometry:
    """The sizes of one convolution of one image, all checked and resolved. Made by `resolve`.

    Attributes:
        input_shape: `(H, W, C)`.
        kernel_shape: `(kh, kw, C / groups, F)`.
        stride, dilation: `(height, width)`.
        pads: `((top, bottom), (left, right))`.
        groups: into how many parts channels and filters are cut.
        output_shape: `(OH, OW, F)`.
    """

    input_shape: ImageShape
    kernel_shape: tuple[int, int, int, int]
    stride: Pair
    pads: Pads
    dilation: Pair
    groups: int
    output_shape: ImageShape

    @classmethod
    def resolve(
        cls,
        where: str,
        input_shape: Sequence[int],
        kernel_shape: Sequence[int],
        stride: IntOrPair = 1,
        padding: Padding = "SAME",
        dilation: IntOrPair = 1,
        groups: int = 1,
    ) -> ConvGeometry:
        """Check what a user wrote; `where` is the function that errors speak of.

        Raises:
            ValueError: shapes that do not fit each other, or a window that does not fit the image.
            TypeError: something that is no integer where one is needed.
        """
        height, width, channels = image_shape(input_shape, "input_shape", where)
        if len(kernel_shape) != 4 or min(kernel_shape) < 1:
            raise ValueError(
                f"{where}: kernel of shape {tuple(kernel_shape)} must be (kh, kw, in_channels / "
                "groups, out_channels), all at least 1"
            )
        kh, kw, group_channels, filters = (
            integer(size, "kernel_shape", where=where) for size in kernel_shape
        )
        groups = integer(groups, "groups", where=where)
        if channels != group_channels * groups or filters % groups:
            raise ValueError(
                f"{where}: input_shape={(height, width, channels)} (H, W, C) has {channels} "
                f"channels; a kernel of shape {(kh, kw, group_channels, filters)} with groups="
                f"{groups} takes {group_channels * groups} and makes {filters} filters, which must "
                "be a multiple of groups"
            )
        strides = pair(stride, "stride", where=where)
        dilations = pair(dilation, "dilation", where=where)
        pads = resolve_padding(padding, (kh, kw), dilations, where=where)
        out = output_shape((height, width), (kh, kw), strides, pads, dilations, where=where)
        return cls(
            (height, width, channels),
            (kh, kw, group_channels, filters),
            strides,
            pads,
            dilations,
            groups,
            (*out, filters),
        )

    @classmethod
    def of_layer(
        cls, where: str, layer: Conv2D | LocallyConnected2D, input_shape: Sequence[int]
    ) -> ConvGeometry:
        """The geometry of a layer on images of `(H, W, C)`.

        Raises:
            ValueError: the layer does not take such images.
        """
        height, width, channels = image_shape(input_shape, "input_shape", where)
        expected = (
            layer.input_shape
            if isinstance(layer, LocallyConnected2D)
            else (height, width, layer.in_channels)
        )
        if (height, width, channels) != expected:
            raise ValueError(
                f"{where}: input_shape={(height, width, channels)} (H, W, C) does not fit {layer}, "
                f"which takes {expected}"
            )
        return cls.resolve(
            where,
            input_shape,
            layer.kernel.shape[
                -4:
            ],  # the last four axes of a locally connected kernel are one kernel
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        )

    @property
    def matrix_shape(self) -> Pair:
        """Rows and columns of the matrix: the cells of an image, the cells of its output."""
        return math.prod(self.input_shape), math.prod(self.output_shape)

    @property
    def matrix_cells(self) -> int:
        """Rows times columns."""
        return math.prod(self.matrix_shape)

    @property
    def positions(self) -> int:
        """How many windows there are, OH * OW."""
        return math.prod(self.output_shape[:2])

    @property
    def kernel_cells(self) -> int:
        """Parameters of the kernel."""
        return math.prod(self.kernel_shape)

    @cached_property
    def taps(self) -> tuple[Array, Array]:
        """The image rows, and columns, that windows see: (OH, kh) and (OW, kw); -1 is padding."""
        rows, columns = (
            _taps(
                self.input_shape[axis],
                self.output_shape[axis],
                self.kernel_shape[axis],
                self.stride[axis],
                self.dilation[axis],
                self.pads[axis][0],
            )
            for axis in (0, 1)
        )
        return rows, columns

    def window(self, row: int, column: int) -> tuple[Array, Array]:
        """The rows (kh, 1) and columns (kw,) of the padded image under an output cell."""
        kh, kw = self.kernel_shape[:2]
        rows = row * self.stride[0] + np.arange(kh) * self.dilation[0]
        columns = column * self.stride[1] + np.arange(kw) * self.dilation[1]
        return rows[:, None], columns

    @property
    def nonzeros(self) -> int:
        """Cells of the matrix that hold a kernel parameter; counted, not laid out."""
        rows, columns = (int((taps >= 0).sum()) for taps in self.taps)
        return rows * columns * math.prod(self.kernel_shape[2:])

    @property
    def distinct(self) -> int:
        """Kernel parameters that some window uses on a cell of the image."""
        rows, columns = (int((taps >= 0).any(axis=0).sum()) for taps in self.taps)
        return rows * columns * math.prod(self.kernel_shape[2:])

    @property
    def multiply_adds(self) -> int:
        """What im2col and the matrix product do for one image; padding is multiplied as well."""
        return self.positions * self.kernel_cells


def _taps(size: int, positions: int, kernel: int, stride: int, dilation: int, before: int) -> Array:
    """The cell under every weight of every window along one axis, (positions, kernel)."""
    starts = np.arange(positions)[:, None] * stride - before
    cells = starts + np.arange(kernel) * dilation
    return np.where((cells >= 0) & (cells < size), cells, -1)


def image_shape(shape: Sequence[int], name: str, where: str) -> ImageShape:
    """`(H, W, C)` as Python ints.

    Raises:
        ValueError: not three sizes, or one below 1.
        TypeError: a size that is no integer, or no sequence.
    """
    if not isinstance(shape, (tuple, list)):
        raise TypeError(f"{where}: {name}={shape!r} must be a tuple (H, W, C)")
    if len(shape) != 3:
        raise ValueError(
            f"{where}: {name}={tuple(shape)} must be (H, W, C), one image"
            + (" without the batch axis" if len(shape) == 4 else "")
        )
    height, width, channels = (
        integer(size, f"{name}={tuple(shape)}: {axis}", where=where)
        for axis, size in zip(("height", "width", "channels"), shape, strict=True)
    )
    return height, width, channels


def check_memory(where: str, what: str, size: int, limit: int, way_out: str) -> None:
    """Refuse to allocate `size` bytes where that is above the limit.

    Raises:
        ValueError: naming both sizes and the way out.
    """
    if size > limit:
        raise ValueError(
            f"{where}: {what} takes {readable_bytes(size)} ({size:,} bytes), more than "
            f"memory_limit={readable_bytes(limit)}; {way_out}"
        )


def conv_layer(where: str, layer: Any, *, local: bool = False) -> None:
    """Check that the argument is a convolution, or where `local` a locally connected layer.

    Raises:
        TypeError: it is neither.
    """
    allowed = (Conv2D, LocallyConnected2D) if local else (Conv2D,)
    if not isinstance(layer, allowed):
        names = " or a ".join(kind.__name__ for kind in allowed)
        raise TypeError(f"{where}: expected a {names}, got {type(layer).__name__}: {layer!r:.80}")
