"""Filters at work on a picture: `filter_figure`, and `filter_film` for a kernel that changes.

A filtered picture holds numbers below 0 and above 1, which no screen shows. There are two honest
ways out, and under each result stands which was taken:

- signed, for kernels that sum to 0: grey is 0, darker is negative and brighter positive, on a scale
  that reaches as far down as up;
- clipped, for the others: what is below 0 is black, what is above 1 is white, and how much that is.

`draw_filtered` puts a result on a board, whichever way it was computed, and `draw_kernel_cells` the
numbers of a kernel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from ..engine import Array
from ..text import by
from .arguments import numbers_of, refuse_above
from .cells import Board, Grid, exact_texts, number_text
from .figures import BLUE, RED, Path
from .film import Film, check_gif, finish_film

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the files that are written; a pixel of a picture is whole pixels there.
FIGURE_DPI, FILM_DPI = 150, 80
PICTURE_SIZE = 1.9  # inches, about
PICTURE_LIMIT = 600  # rows or columns of a picture; of more, some would be left out
KERNEL_SIZE = 1.2  # inches
KERNEL_LIMIT = 9  # rows or columns of a kernel; the numbers of more would be too small
COLUMNS = 4  # of results side by side
GAP = 0.35  # inches between them
NOTES = 0.95  # inches for what stands under a result, and over the next kernel

# How the eye weighs red, green and blue (ITU-R BT.601).
EYE = np.array([0.299, 0.587, 0.114])

# A kernel sums to 0 if its sum is at most this share of the sum of its sizes.
NOTHING = 1e-3


def filter_figure(
    image: Any, kernels: Mapping[str, Any], path: Path | None = None, signed: bool | None = None
) -> Figure:
    """A picture, and for each of some kernels its numbers and what it makes of the picture.

    Results are cross-correlations, VALID, so that no made-up border takes part.

    Args:
        image: (H, W), (H, W, 1) or (H, W, 3), from 0 (black) to 1; colours are turned to grey.
        kernels: name -> (kh, kw), such as `article.FILTERS`.
        path: of a picture file to write.
        signed: True to draw 0 as grey in all results, False as black, so that they can be compared;
            by default as each kernel's sum calls for.

    Raises:
        ValueError: arrays of other shapes or ranges, no kernels, one that is larger than the
            picture or than 9 x 9, or a picture of more than 600 rows or columns.
        TypeError: kernels without names, or an array of no real numbers.
    """
    where = "filter_figure"
    picture = grey_picture(where, image)
    if not isinstance(kernels, Mapping):
        raise TypeError(
            f"{where}: kernels must be a dict from names to kernels, not {type(kernels).__name__}"
        )
    if not kernels:
        raise ValueError(f"{where}: kernels={kernels!r} holds none; give at least one, by name")
    checked = {name: _kernel(where, name, kernels[name], picture) for name in kernels}
    side = _side(picture, FIGURE_DPI)
    height, width = (size * side for size in picture.shape)
    step_down, step_right = KERNEL_SIZE + height + NOTES, max(KERNEL_SIZE, width) + GAP

    board = Board()
    board.heading(0, KERNEL_SIZE + 0.1, "the picture")
    draw_filtered(board, "picture", 0, KERNEL_SIZE + 0.1, side, picture, signed=False)
    for place, (name, kernel) in enumerate(checked.items(), start=1):
        row, column = divmod(place, COLUMNS)
        left, top = column * step_right, row * step_down
        board.heading(left, top, name)
        draw_kernel_cells(board, f"kernel {name}", left, top, kernel)
        draw_filtered(
            board,
            f"result {name}",
            left,
            top + KERNEL_SIZE + 0.1,
            side,
            correlated(picture, kernel),
            sums_to_zero(kernel) if signed is None else signed,
        )
    board.headline(
        "Filters at work on a picture",
        "A cell of a result is a window of the picture times the numbers of the kernel, added up",
    )
    return board.finish(path)


def filter_film(
    image: Any,
    kernels: Sequence[Any],
    target: Any,
    path: Path | None = None,
    titles: Sequence[str] | None = None,
    seconds: float = 0.4,
) -> Film:
    """A kernel on its way to another one, as it is learned, and what both make of a picture.

    A number has the same colour in all frames; beyond the target's range results are black or
    white.

    Args:
        image: as for `filter_figure`.
        kernels: one for each frame, (kh, kw) each.
        target: (kh, kw), where they should arrive.
        path: of a GIF to write.
        titles: one for each frame; by default their numbers.
        seconds: that a frame is shown.

    Raises:
        ValueError: as for `filter_figure`; kernels of another shape than the target; another number
            of titles; no frames or more than 400; or a path that does not end in .gif.
    """
    where = "filter_film"
    picture = grey_picture(where, image)
    wanted = _kernel(where, "target", target, picture)
    steps = [_kernel(where, f"kernels[{i}]", kernel, picture) for i, kernel in enumerate(kernels)]
    for i, kernel in enumerate(steps):
        if kernel.shape != wanted.shape:
            raise ValueError(
                f"{where}: kernels[{i}] of shape {kernel.shape} must have the target's shape, "
                f"{wanted.shape}"
            )
    texts = [f"kernel {i}" for i in range(len(steps))] if titles is None else list(titles)
    if len(texts) != len(steps):
        raise ValueError(f"{where}: {len(texts)} titles for {len(steps)} kernels")
    if path is not None:
        check_gif(path, where)

    side = _side(picture, FILM_DPI)
    step_right = max(KERNEL_SIZE, picture.shape[1] * side) + GAP
    goal = correlated(picture, wanted)
    signed = sums_to_zero(wanted)
    largest_weight = max(float(np.abs(kernel).max()) for kernel in [wanted, *steps])
    largest_result = float(np.abs(goal).max())

    def draw(number: int) -> Figure:
        board = Board()
        board.heading(0, KERNEL_SIZE + 0.1, "the picture")
        draw_filtered(board, "picture", 0, KERNEL_SIZE + 0.1, side, picture, signed=False)
        kernel = steps[number]
        shown = {
            "learned": ("the kernel now", kernel, correlated(picture, kernel)),
            "target": ("the kernel to be found", wanted, goal),
        }
        for place, (name, (heading, weights, result)) in enumerate(shown.items(), start=1):
            left = place * step_right
            board.heading(left, 0, heading)
            draw_kernel_cells(board, f"kernel {name}", left, 0, weights, largest_weight)
            draw_filtered(
                board,
                f"result {name}",
                left,
                KERNEL_SIZE + 0.1,
                side,
                result,
                signed,
                largest_result,
            )
        error = float(np.abs(kernel - wanted).max())
        board.headline(texts[number], f"largest error of a weight: {error:.4f}")
        return board.finish(None)

    return finish_film(Film(draw, len(steps), seconds), path, FILM_DPI)


# --- parts, for other pictures too ----------------------------------------------------------------


def draw_filtered(
    board: Board,
    name: str,
    left: float,
    top: float,
    side: float,
    values: Array,
    signed: bool,
    largest: float | None = None,
) -> Grid:
    """A filtered picture (H, W), and under it the range of its numbers and how they are shown.

    Args:
        board: to draw on.
        name: of the grid.
        left, top, side: inches; `side` is that of a pixel.
        values: any numbers.
        signed, largest: as for `as_greys`.
    """
    greys = as_greys(values, signed, largest)
    grid = board.grid(name, left, top, side, np.repeat(greys[..., None], 3, axis=-1))
    note = f"{number_text(values.min().round(2))} to {number_text(values.max().round(2))}; "
    if signed:
        note += f"grey is 0,\n{negative_share(values)} negative"
    else:
        note += "0 is black,\n1 is white"
        clipped = np.mean((values.round(2) < 0) | (values.round(2) > 1))
        if clipped:
            note += f", {100 * clipped:.1f} % clipped"
    board.text(left, grid.bottom + 0.05, note, 8)
    return grid


def as_greys(values: Array, signed: bool, largest: float | None = None) -> Array:
    """Any numbers as greys from 0 (black) to 1.

    Args:
        values: any shape.
        signed: 0 becomes 0.5, and `largest` 1; else numbers stay, and what is beyond 0 and 1 is
            clipped.
        largest: by default the largest size among the values.
    """
    if signed:
        largest = largest or float(np.abs(values).max()) or 1.0
        values = 0.5 + 0.5 * values / largest
    return values.clip(0, 1)


def negative_share(values: Array) -> str:
    """How much is negative, in percent; what rounds to 0.00 is not, as ranges are written so."""
    return f"{100 * np.mean(values.round(2) < 0):.1f} %"


def draw_kernel_cells(
    board: Board, name: str, left: float, top: float, kernel: Array, largest: float | None = None
) -> Grid:
    """The numbers of a kernel (kh, kw) in cells: orange adds, blue takes away, white is 0.

    The colours are full at the size `largest`, by default that of the kernel's largest weight.
    """
    from matplotlib.colors import to_rgb

    largest = largest or float(np.abs(kernel).max()) or 1.0
    share = 0.7 * np.abs(kernel)[..., None] / largest
    full = np.where(kernel[..., None] > 0, to_rgb(RED), to_rgb(BLUE))
    cell = KERNEL_SIZE / max(3, *kernel.shape)
    texts = exact_texts(kernel)
    return board.grid(name, left, top, cell, 1 - share * (1 - full), texts)


def correlated(picture: Array, kernel: Array) -> Array:
    """The cross-correlation, VALID: (H, W) with (kh, kw) -> (H - kh + 1, W - kw + 1)."""
    return F.conv2d(picture[None, :, :, None], kernel[:, :, None, None], padding="VALID").data[
        0, :, :, 0
    ]


def sums_to_zero(kernel: Array) -> bool:
    """Whether even areas become 0, so that a result is as often negative as positive."""
    return bool(abs(kernel.sum()) <= NOTHING * np.abs(kernel).sum())


def grey_picture(where: str, image: Any) -> Array:
    """(H, W), (H, W, 1) or (H, W, 3) from 0 to 1 -> (H, W) greys, float64.

    Raises:
        ValueError: another shape or range, or more than 600 rows or columns; says where it was met.
    """
    array = numbers_of(f"{where}: image", image)
    if array.ndim == 3 and array.shape[2] in (1, 3):
        weights = EYE if array.shape[2] == 3 else np.ones(1)
        greys = array @ weights
    elif array.ndim == 2:
        greys = array
    else:
        raise ValueError(
            f"{where}: image of shape {array.shape} must be (H, W), (H, W, 1) or (H, W, 3)"
        )
    if greys.size == 0 or not (array.min() >= 0 and array.max() <= 1):
        raise ValueError(
            f"{where}: image of shape {array.shape} must not be empty, and hold numbers from 0 to "
            "1 (divide bytes by 255)"
        )
    refuse_above(
        where,
        f"image of shape {array.shape} is too large to draw legibly",
        max(greys.shape),
        PICTURE_LIMIT,
        "rows or columns can be drawn one by one",
        "cut a part out, or scale it down: load_image(path, size=...)",
    )
    return greys


def _kernel(where: str, name: str, value: Any, picture: Array) -> Array:
    """One of the kernels, checked, float64."""
    kernel = numbers_of(f"{where}: kernel {name!r}", value)
    if kernel.ndim != 2 or kernel.size == 0:
        raise ValueError(
            f"{where}: kernel {name!r} of shape {kernel.shape} must be (kh, kw), and not empty"
        )
    refuse_above(
        where,
        f"kernel {name!r} of shape {kernel.shape} is too large to draw legibly",
        max(kernel.shape),
        KERNEL_LIMIT,
        "rows or columns of numbers can be read",
        "give a smaller one",
    )
    if kernel.shape[0] > picture.shape[0] or kernel.shape[1] > picture.shape[1]:
        raise ValueError(
            f"{where}: kernel {name!r} is {by(kernel.shape)}, larger than the picture, "
            f"{by(picture.shape)}; give a larger picture or a smaller kernel"
        )
    return kernel


def _side(picture: Array, dpi: int) -> float:
    """Of a pixel of the picture, in inches: whole pixels of the file."""
    return max(1, round(PICTURE_SIZE * dpi / max(picture.shape))) / dpi
