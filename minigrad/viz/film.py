"""`Film`: pictures that follow each other, drawn one at a time and written as a GIF."""

from __future__ import annotations

import operator
import pathlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import as_float
from ..conv_arithmetic import integer
from ..engine import Array
from ..files import whole_file
from .figures import Path

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

FRAMES_AT_MOST = 400
SHORTEST, LONGEST = 0.01, 60.0  # seconds that a frame is shown; a GIF counts hundredths
LAST_FRAME_STAYS = 3  # times as long as the others, so that the end is seen before it starts again
PALETTE_SAMPLE = 2_000_000  # pixels of all frames together that decide the colours of the film
EXACT_COLOURS = 128  # of the 256 in a palette


@dataclass(frozen=True)
class Film:
    """Frames that are drawn when they are asked for, so that a long film needs little memory.

    Attributes:
        draw: the picture of a frame, by its number from 0.
        length: how many frames.
        seconds: that each is shown; the last one three times as long.

    Raises:
        ValueError: no frames, more than 400 of them, or seconds that are not from 0.01 to 60.
        TypeError: a length that is no integer, or seconds that are no number.

    >>> from matplotlib.figure import Figure
    >>> film = Film(lambda number: Figure(figsize=(1 + number, 1)), length=3)
    >>> len(film), film.frame(2).get_size_inches().tolist()
    (3, [3.0, 1.0])
    """

    draw: Callable[[int], Figure]
    length: int
    seconds: float = 0.8

    def __post_init__(self) -> None:
        if not 1 <= integer(self.length, "length", minimum=0, where="Film") <= FRAMES_AT_MOST:
            raise ValueError(
                f"Film: length={self.length} frames; there must be 1 to {FRAMES_AT_MOST}: give a "
                "smaller input or a larger stride"
            )
        if not SHORTEST <= as_float(self.seconds, "seconds", "Film") <= LONGEST:
            raise ValueError(
                f"Film: seconds={self.seconds} must be from {SHORTEST} to {LONGEST:.0f}, the time "
                "that a frame is shown"
            )

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Figure]:
        return (self.frame(number) for number in range(self.length))

    def frame(self, number: int) -> Figure:
        """One picture; -1 is the last.

        Raises:
            IndexError: there is no such frame.
            TypeError: a number that is no integer.
        """
        number = operator.index(number)
        if not -self.length <= number < self.length:
            raise IndexError(f"Film: frame {number} of a film of {self.length} frames")
        return self.draw(number % self.length)

    def save(self, path: Path, dpi: int = 80) -> None:
        """Write the film as a GIF that repeats itself. The same film makes the same bytes.

        Smaller frames are filled up with white at the right and at the bottom.

        Args:
            path: ends in .gif; an existing file is replaced once the new one is complete.
            dpi: pixels per inch, a whole number.

        Raises:
            ValueError: another ending, or a dpi below 1.
            TypeError: a dpi that is no integer.
        """
        check_gif(path, "Film.save")
        dpi = integer(dpi, "dpi", where="Film.save")
        pictures = _of_one_size([_pixels(figure, dpi) for figure in self])
        palette = _common_palette(pictures)
        first, *others = (_in_colours(palette, picture) for picture in pictures)
        shown = [round(1000 * self.seconds)] * self.length
        shown[-1] *= LAST_FRAME_STAYS
        with whole_file(path) as temporary:
            first.save(
                temporary,
                save_all=True,
                append_images=others,
                duration=shown,
                loop=0,
                optimize=True,
            )


def check_gif(path: Path, where: str) -> None:
    """Refuse a path that does not end in .gif, before anything is drawn for it.

    Raises:
        ValueError: another ending; says where it was met.
    """
    if pathlib.PurePath(path).suffix.lower() != ".gif":
        raise ValueError(f"{where}: a film is written as .gif, not as {str(path)!r}")


def finish_film(film: Film, path: Path | None, dpi: int = 80) -> Film:
    """Write the film if there is a path; return it."""
    if path is not None:
        film.save(path, dpi)
    return film


def _pixels(figure: Figure, dpi: int) -> Array:
    """A figure as (H, W, 3) bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _of_one_size(pictures: list[Array]) -> list[Array]:
    """(H, W, 3) each -> all as high and as wide as the largest, filled up with white."""
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))

    def filled_up(picture: Array) -> Array:
        missing = (height - picture.shape[0], width - picture.shape[1], 0)
        if not any(missing):
            return picture  # not a copy: a long film is large enough once
        return np.pad(picture, [(0, count) for count in missing], constant_values=255)

    return [filled_up(picture) for picture in pictures]


def _common_palette(pictures: list[Array]) -> Array:
    """At most 256 colours for all frames, (colours, 3): with some for each, areas would flicker.

    The commonest colours are kept as they are, so that white stays white; the others share the rest
    of the palette.
    """
    from PIL import Image

    size = pictures[0].shape[0] * pictures[0].shape[1]
    step = max(1, size * len(pictures) // PALETTE_SAMPLE)
    # Every so-manieth pixel of all of them in a row, without putting them into a row.
    sample = np.concatenate(
        [
            picture.reshape(-1, 3)[-number * size % step :: step]
            for number, picture in enumerate(pictures)
        ]
    )
    codes = _codes(sample)
    colours, first, counts = np.unique(codes, return_index=True, return_counts=True)
    commonest = np.argsort(-counts, kind="stable")[:EXACT_COLOURS]
    palette = sample[first[commonest]]
    others = sample[~np.isin(codes, colours[commonest])]
    if len(others):
        shared = Image.fromarray(others[None]).quantize(256 - EXACT_COLOURS)
        averages = np.asarray(shared.convert("RGB")).reshape(-1, 3)
        palette = np.concatenate([palette, np.unique(averages, axis=0)])
    return palette


def _in_colours(palette: Array, picture: Array) -> Image:
    """A picture in which every pixel has the nearest colour of the palette.

    Pillow's own way looks colours up by their upper six bits, and confuses near ones. No dither:
    dots in even areas would be noise, and would not compress.
    """
    from PIL import Image

    _, first, place = np.unique(_codes(picture).ravel(), return_index=True, return_inverse=True)
    colours = picture.reshape(-1, 3)[first].astype(np.int32)  # each colour of the picture once
    nearest = np.empty(len(colours), np.uint8)
    for begin in range(0, len(colours), 4096):  # so many at a time, for the sake of memory
        part = slice(begin, begin + 4096)
        distances = ((colours[part, None] - palette.astype(np.int32)) ** 2).sum(axis=2)
        nearest[part] = distances.argmin(axis=1)
    image = Image.fromarray(nearest[place].reshape(picture.shape[:2]))
    image.putpalette(palette.tobytes())
    return image


def _codes(colours: Array) -> Array:
    """One number for each colour, (..., 3) bytes -> (...)."""
    return colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
