"""A convolution run backwards: what each cell of the image and each weight is told to change.

- `input_gradient_film`: the gradient of every output cell goes back through its window (col2im).
- `full_flip_film`: the same numbers, gathered: a convolution with the kernel turned by 180 degrees.
- `kernel_gradient_film`: every weight collects what its tied cells are told.

In the pictures g is the gradient of the loss with respect to the output, dX and dK those with
respect to input and kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ...conv_arithmetic import dilated_size
from ...engine import Array
from ...nn import Conv2D
from ..figures import Path
from ..film import Film
from .parts import names
from .subject import Subject, gradient_of, image_of
from .sweep import Planes, Step, Sweep, refuse_large_film

G_HEADING = "g: gradient of the output"
DX_HEADING = "dX: gradient of the input"


def input_gradient_film(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None, gradient: Any = None
) -> Film:
    """The sliding window run backwards: what came from a window goes back to it (col2im).

    A frame for every output cell, filter by filter. Its gradient times each weight is added to the
    cell of the input gradient that the weight was multiplied with; where windows overlap, it adds
    up. The last frame is the gradient.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a GIF to write.
        gradient: of the loss with respect to the output, (OH, OW, F); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, sizes too large to draw legibly, too many frames, or a
            path that does not end in .gif.
    """
    where = "input_gradient_film"
    subject = Subject.of(where, conv, input_shape)
    shape = subject.geometry.output_shape
    refuse_large_film(
        where, shape, subject.geometry.kernel_shape[:3], subject.padded_shape, math.prod(shape)
    )
    g = gradient_of(where, gradient, shape)
    sweep = Sweep(
        where=where,
        title="Gradient of the input: each output's gradient × kernel, added to its window",
        subtitle=subject.title,
        caption="A weight carries the gradient back to the cell that it was multiplied with, which "
        "has its colour. Overlaps add up.",
        about_grey="Grey cells are padding: what is added there is dropped.",
        source=Planes.plain("g", G_HEADING, np.zeros(shape, bool), names("filter", shape[2])),
        values=g,
        weights_heading="kernel",
        target=Planes.plain(
            "dX", DX_HEADING, subject.padding_cells, names("channel", conv.in_channels)
        ),
        gathers=False,
        steps=[
            Step(
                read=np.ix_([i], [j], [f]),
                weights=subject.kernel[..., f],
                colours=subject.kernel_colours[..., f, :],
                write=subject.window_cells(i, j, f),
                parts=subject.part_names(subject.channels_of(f), [f]),
            )
            for f, i, j in _filter_by_filter(shape)
        ],
    )
    return sweep.film(path)


def full_flip_film(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None, gradient: Any = None
) -> Film:
    """The gradient of the input as a convolution of its own, with the kernel turned by 180 degrees.

    A frame for every cell of the image, channel by channel. Of a VALID layer with stride 1 the
    convolution is FULL, which is why there is such a mode. Padding of the layer is taken off the
    zeros around the gradient, and a stride puts zeros between its cells. The last frame is that of
    `input_gradient_film`.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a GIF to write.
        gradient: of the loss with respect to the output, (OH, OW, F); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, sizes too large to draw legibly, too many frames, or a
            path that does not end in .gif.
    """
    where = "full_flip_film"
    subject = Subject.of(where, conv, input_shape)
    geometry = subject.geometry
    kh, kw, _, filters = geometry.kernel_shape
    height, width = (
        size + _reach(subject, axis) for axis, size in enumerate(geometry.input_shape[:2])
    )
    refuse_large_film(
        where,
        (height, width, filters),
        (kh, kw, filters // geometry.groups),
        geometry.input_shape,
        math.prod(geometry.input_shape),
    )
    g = gradient_of(where, gradient, geometry.output_shape)
    rows, columns = (_spread(subject, axis) for axis in (0, 1))
    zeros = np.broadcast_to(
        ((rows[:, None] < 0) | (columns < 0))[..., None], (height, width, filters)
    )
    # (OH, OW, F) -> (OH + 1, OW + 1, F), whose last row and column, at index -1, are zeros.
    spread = np.pad(g, ((0, 1), (0, 1), (0, 0)))[np.ix_(rows, columns)]
    sweep = Sweep(
        where=where,
        title="Gradient of the input: the kernel, turned by 180°, slides over g",
        subtitle=subject.title,
        caption=_about_zeros(subject, rows, columns),
        about_grey="",
        source=Planes.plain("g", G_HEADING, zeros, names("filter", filters)),
        values=spread,
        weights_heading="kernel, turned",
        target=Planes.plain(
            "dX",
            DX_HEADING,
            np.zeros(geometry.input_shape, bool),
            names("channel", conv.in_channels),
        ),
        gathers=True,
        steps=[
            _turned_step(subject, i, j, c) for c, i, j in _filter_by_filter(geometry.input_shape)
        ],
    )
    return sweep.film(path)


def kernel_gradient_film(
    conv: Conv2D,
    input_shape: Sequence[int],
    path: Path | None = None,
    image: Any = None,
    gradient: Any = None,
) -> Film:
    """The gradient of the kernel, weight by weight: g slides over the input like a kernel.

    A frame for every weight. Its window are the cells that the weight was multiplied with, its tied
    cells; each times the gradient of the output cell that it went to. Of a layer with stride 1 and
    dilation 1 it is the VALID correlation of the padded input with g; the window is spread by the
    stride and moves by the dilation.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a GIF to write.
        image: (H, W, C); by default whole numbers.
        gradient: of the loss with respect to the output, (OH, OW, F); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, sizes too large to draw legibly, too many frames, or a
            path that does not end in .gif.
    """
    where = "kernel_gradient_film"
    subject = Subject.of(where, conv, input_shape)
    geometry = subject.geometry
    kh, kw, channels, filters = geometry.kernel_shape
    refuse_large_film(
        where,
        subject.padded_shape,
        (*geometry.output_shape[:2], 1),
        (kh, kw, channels * filters),
        geometry.kernel_cells,
    )
    x = image_of(where, image, geometry.input_shape)
    g = gradient_of(where, gradient, geometry.output_shape)
    # (kh, kw, C / groups, F) -> a plane for every filter and channel, filter by filter
    colours = np.moveaxis(subject.kernel_colours, 3, 2).reshape(kh, kw, filters * channels, 3)
    sweep = Sweep(
        where=where,
        title="Gradient of the kernel: g slides over the input",
        subtitle=subject.title,
        caption="All cells in the window met one weight, whose colour they have: they are tied. "
        "Each meets the gradient of the output cell that it went to.",
        about_grey="Grey cells are padding.",
        source=Planes.plain("input", "input", subject.padding_cells, names("channel", x.shape[2])),
        values=subject.padded(x),
        weights_heading=G_HEADING,
        target=Planes(
            "dK",
            "dK: gradient of the kernel",
            colours,
            np.zeros(colours.shape[:-1], bool),
            [
                name
                for f in range(filters)
                for name in subject.part_names(subject.channels_of(f), [f])
            ],
        ),
        gathers=True,
        steps=[
            _tied_step(subject, g, (a, b, c, f))
            for f, c, a, b in product(range(filters), range(channels), range(kh), range(kw))
        ],
    )
    return sweep.film(path)


def _filter_by_filter(shape: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """(filter, row, column) of all cells of (H, W, filters), or the same of channels."""
    height, width, filters = shape
    return list(product(range(filters), range(height), range(width)))


def _reach(subject: Subject, axis: int) -> int:
    """From the first cell of a window to its last."""
    return dilated_size(subject.conv.kernel_size[axis], subject.conv.dilation[axis]) - 1


def _spread(subject: Subject, axis: int) -> Array:
    """Which row of g is in every row of what the turned kernel slides over; -1 is zeros.

    Row r of the input, with `before` rows of padding above it, met weight a in output row i if
    r + before = i * stride + a * dilation. So the turned window that begins at row r holds g's row
    i at weight a, if that lies at row i * stride + reach - before.
    """
    geometry = subject.geometry
    stride, positions = geometry.stride[axis], geometry.output_shape[axis]
    reach = _reach(subject, axis)
    before = geometry.pads[axis][0]
    steps = np.arange(geometry.input_shape[axis] + reach) - (reach - before)
    is_row = (steps % stride == 0) & (steps >= 0) & (steps < positions * stride)
    return np.where(is_row, steps // stride, -1)


def _about_zeros(subject: Subject, rows: Array, columns: Array) -> str:
    """The caption: where the zeros come from that g stands among."""
    geometry = subject.geometry
    sentence = "The zeros around g are those of FULL padding"
    if np.any(geometry.pads):
        sentence += ", less the layer's own padding"
    if max(geometry.stride) > 1:
        sentence += "; between its cells are as many as the stride leaves out"
    sentence += "."
    height, width, _ = geometry.output_shape
    if len(set(rows[rows >= 0])) < height or len(set(columns[columns >= 0])) < width:
        sentence += " Cells of g whose window saw nothing but padding are left out."
    return sentence + " A weight has the colour that it has before the kernel is turned."


def _turned_step(subject: Subject, row: int, column: int, channel: int) -> Step:
    """One cell of dX: what came of it in the output, times the weights that it went through."""
    geometry = subject.geometry
    kh, kw, channels, filters = geometry.kernel_shape
    per_group = filters // geometry.groups
    group, within = divmod(channel, channels)
    sees = slice(group * per_group, (group + 1) * per_group)
    return Step(
        read=np.ix_(
            row + np.arange(kh) * geometry.dilation[0],
            column + np.arange(kw) * geometry.dilation[1],
            np.arange(filters)[sees],
        ),
        weights=subject.kernel[::-1, ::-1, within, sees],
        colours=subject.kernel_colours[::-1, ::-1, within, sees],
        write=np.ix_([row], [column], [channel]),
        parts=subject.part_names([channel], range(filters)[sees]),
    )


def _tied_step(subject: Subject, g: Array, weight: tuple[int, int, int, int]) -> Step:
    """One cell of dK: all cells that met the weight, times the gradients of where they went."""
    geometry = subject.geometry
    a, b, c, f = weight
    height, width, filters = g.shape
    colour = subject.kernel_colours[weight]
    channels = geometry.kernel_shape[2]
    return Step(
        read=np.ix_(
            a * geometry.dilation[0] + np.arange(height) * geometry.stride[0],
            b * geometry.dilation[1] + np.arange(width) * geometry.stride[1],
            np.array(subject.channels_of(f)[c : c + 1]),
        ),
        weights=g[:, :, f : f + 1],
        colours=np.broadcast_to(colour, (height, width, 1, 3)),
        write=np.ix_([a], [b], [f * channels + c]),
        parts=[f"filter {f}"] if filters > 1 else [],
        lit=colour,
    )
