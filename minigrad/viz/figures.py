"""What all pictures share: colours, making a figure without a window, and writing it to a file."""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array
from ..files import whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Path = str | os.PathLike[str]

# Okabe and Ito's colours (2008), which people with any kind of colour vision tell apart.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
RED, SKY, YELLOW, GREY = "#D55E00", "#56B4E9", "#F0E442", "#999999"


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of a size in inches. It belongs to no window and to no pyplot state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def from_black_to_white(image: Array) -> Array:
    """Any numbers as greys or colours, the lowest black, the highest white: (H, W, C) -> (H, W, 3).

    All black where they are all the same.
    """
    low, high = float(image.min()), float(image.max())
    return np.broadcast_to((image - low) / ((high - low) or 1.0), (*image.shape[:2], 3))


def finish(figure: Figure, path: Path | None, **options: Any) -> Figure:
    """Write the figure to a file if there is a path (the ending chooses the format); return it.

    Without an ending the format is PNG. The same figure makes the same PNG.
    """
    if path is not None:
        # Said here, because matplotlib would add an ending to a name that has none.
        ending = pathlib.PurePath(path).suffix[1:] or "png"
        if ending == "png":
            options["metadata"] = {"Software": None}  # no version of matplotlib in the file
        with whole_file(path) as temporary:
            figure.savefig(temporary, dpi=options.pop("dpi", 150), format=ending, **options)
    return figure
