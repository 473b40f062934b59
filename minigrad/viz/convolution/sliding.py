"""A convolution at work: `sliding_window_film`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from ...nn import Conv2D
from ..figures import Path
from ..film import Film
from .parts import names
from .subject import Subject, image_of
from .sweep import Planes, Step, Sweep, refuse_large_film


def sliding_window_film(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None, image: Any = None
) -> Film:
    """A window slides over the padded image; its products, summed, fill the output cell by cell.

    A frame for every output cell, filter by filter. Each shows the window in the colours of the
    kernel, the kernel with its weights, their products, and the output as far as it is computed.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C).
        path: of a GIF to write.
        image: (H, W, C); by default whole numbers.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: shapes that do not fit, sizes too large to draw legibly, too many frames, or a
            path that does not end in .gif.
    """
    where = "sliding_window_film"
    subject = Subject.of(where, conv, input_shape)
    geometry = subject.geometry
    refuse_large_film(
        where,
        subject.padded_shape,
        geometry.kernel_shape[:3],
        geometry.output_shape,
        math.prod(geometry.output_shape),
    )
    x = image_of(where, image, geometry.input_shape)
    height, width, filters = geometry.output_shape
    steps = [
        Step(
            read=subject.window_cells(i, j, f),
            weights=subject.kernel[..., f],
            colours=subject.kernel_colours[..., f, :],
            write=np.ix_([i], [j], [f]),
            parts=subject.part_names(subject.channels_of(f), [f]),
            bias=None if conv.bias is None else float(conv.bias.data[f]),
        )
        for f, i, j in product(range(filters), range(height), range(width))
    ]
    sweep = Sweep(
        where=where,
        title="Convolution: window × kernel, summed, is one cell of the output",
        subtitle=subject.title,
        caption="A weight has the colour of the cell of the input that it is multiplied with.",
        about_grey="Grey cells are padding.",
        source=Planes.plain("input", "input", subject.padding_cells, names("channel", x.shape[2])),
        values=subject.padded(x),
        weights_heading="kernel",
        target=Planes.plain(
            "output", "output", np.zeros(geometry.output_shape, bool), names("filter", filters)
        ),
        gathers=True,
        steps=steps,
    )
    return sweep.film(path)
