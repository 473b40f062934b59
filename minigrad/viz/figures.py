"""What all pictures share: making a figure without a window, and writing it to a file.

Also `numbers_of`: what a user gives to be drawn, as float64.
"""

from __future__ import annotations

import os
import pathlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array, as_array
from ..files import whole_file
from ..tensor import Tensor

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


def numbers_of(where: str, value: Any) -> Array:
    """An array or a Tensor as a float64 array; `where` is the function and the argument.

    Raises:
        TypeError: no real numbers.
        ValueError: sequences of uneven length, nan or infinity.
    """
    given = as_array(where, value.data if isinstance(value, Tensor) else value)
    numbers: Array = given.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"{where} of shape {numbers.shape} holds nan or infinity; give finite numbers"
        )
    return numbers
