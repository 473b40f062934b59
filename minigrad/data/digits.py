"""Handwritten-looking digits, drawn by the library itself: `digits`.

They need no network and no files, look like MNIST's, and are varied enough to learn from. A digit
is drawn in five steps, each on a whole block of images at once:

1. `_write`    strokes: skeletons of `_skeletons.STYLES` are mixed, their control points jittered
2. `_print`    or, for a few, a digit of a font, so that printed ones are known too
3. `_distort`  the plane is stretched, slanted, turned and bent
4. `_frame`    the digit is fitted into a box of 20 by 20 pixels
5. `_ink`      a pen follows it, and `_centre` moves the centre of mass to the middle of 28 by 28

Up to the fourth step a digit is not yet an image but a path: the (x, y) of `POINTS` points close
together. So nothing is ever resampled, and distorting costs next to nothing.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..conv_arithmetic import integer
from ..files import whole_file
from ._cache import cache_dir
from ._skeletons import STYLES

Floats = NDArray[np.floating]

VERSION = 2  # of the drawing: a new number makes cached images be drawn again
SPLITS = ("train", "test")
LARGEST = 1_000_000  # images in one call: 3 GB

SIZE = 28  # pixels, height and width of an image
BOX = 20  # pixels, height and width of the box a digit fits into
BLOCK = 250  # images drawn together
POINTS = 144  # points of a path, less than half a pixel apart on all but the longest

# Fonts whose strokes are even and about as thick as a pen's. They come with matplotlib.
FONTS = ("DejaVuSans", "DejaVuSans-Oblique", "STIXGeneral", "cmss10", "cmtt10")
PRINTED = 0.05  # share of digits drawn with a font


def digits(
    n: int = 10_000, seed: int = 0, split: str = "train"
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Drawn digits, white on black, framed as MNIST frames its own.

    All ten are equally common. The same arguments give the same images, and the first k of n are
    those that `digits(k)` gives. The splits are drawn from random streams of their own. What was
    drawn is kept in the user's cache (MINIGRAD_CACHE in the environment names another folder).

    Args:
        n: number of images, up to 1,000,000.
        seed: of the drawing, a number from 0.
        split: "train" or "test".

    Returns:
        images: (n, 28, 28, 1), float32 from 0.0 (black) to 1.0 (white).
        labels: (n,), int64 from 0 to 9.

    Raises:
        TypeError: `n` or `seed` is no integer.
        ValueError: `n`, `seed` or `split` is none of the above.

    >>> images, labels = digits(100, seed=1, split="test")
    >>> images.shape, images.dtype, labels.shape, labels.dtype
    ((100, 28, 28, 1), dtype('float32'), (100,), dtype('int64'))
    >>> np.array_equal(images[:7], digits(7, seed=1, split="test")[0])
    True
    """
    n = integer(n, "n", where="digits")
    seed = integer(seed, "seed", minimum=0, where="digits")
    if n > LARGEST:
        raise ValueError(f"digits: n={n} is more than {LARGEST}; draw them with several seeds")
    if split not in SPLITS:
        raise ValueError(f"digits: split={split!r} must be 'train' or 'test'")
    cached = cache_dir() / f"digits-v{VERSION}-{split}-seed{seed}-n{n}.npz"
    drawn = _load(cached, n)
    if drawn is None:
        drawn = _draw(n, seed, split)
        _save(cached, *drawn)
    images, labels = drawn
    return images[..., None].astype(np.float32) / np.float32(255), labels.astype(np.int64)


# --- the cache --------------------------------------------------------------------------------


def _load(path: Path, n: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Images and labels from the cache, or None where they are missing or damaged."""
    try:
        with open(path, "rb") as stream, np.load(stream) as file:
            images, labels = file["images"], file["labels"]
    except Exception:  # a damaged archive makes NumPy and zipfile raise a dozen different ones
        return None
    whole = (images.shape, labels.shape) == ((n, SIZE, SIZE), (n,))
    return (images, labels) if whole and images.dtype == labels.dtype == np.uint8 else None


def _save(path: Path, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> None:
    """Keep images and labels; where that is not allowed, they are drawn again next time."""
    try:
        with whole_file(path) as temporary:
            np.savez_compressed(temporary, images=images, labels=labels)
    except OSError:
        pass


# --- drawing ----------------------------------------------------------------------------------


def _draw(n: int, seed: int, split: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """n images (n, 28, 28) and their labels (n,)."""
    # A block has a random stream of its own, so that it does not depend on how many are drawn.
    streams = (
        np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), block))
        for block in range(-(-n // BLOCK))
    )
    blocks = [_draw_block(np.random.default_rng(stream)) for stream in streams]
    images, labels = (np.concatenate(parts)[:n] for parts in zip(*blocks, strict=True))
    return images, labels


def _draw_block(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    labels = rng.permutation(np.arange(BLOCK, dtype=np.uint8) % 10)
    paths = _write(rng, labels)
    # Radii of the pen in pixels. Many are about 1.25, few below 0.7 or above 2, as in MNIST.
    radii = np.clip(1.25 * np.exp(0.27 * rng.normal(size=BLOCK)), 0.55, 2.3)

    printed = rng.random(BLOCK) < PRINTED
    paths[printed] = _print(rng, labels[printed])
    # The points of a printed digit lie further apart: a finer pen would leave gaps.
    radii[printed] = np.maximum(radii[printed], 0.85)

    reach = radii[:, None] * _pressure(rng)
    images = _ink(_frame(_distort(rng, paths), reach), reach)
    images = _centre(rng, images)
    return np.rint(255 * images).astype(np.uint8), labels


class _Style(NamedTuple):
    """A way to write a digit: `basis @ skeleton` is the path of one of its skeletons."""

    share: float
    skeletons: Floats  # (skeletons, control points, 2)
    strokes: NDArray[np.int64]  # (control points,): which stroke a point belongs to
    basis: Floats  # (POINTS, control points)


def _write(rng: np.random.Generator, labels: NDArray[np.uint8]) -> Floats:
    """The path of a written digit for every label: (n,) -> (n, POINTS, 2)."""
    paths = np.empty((len(labels), POINTS, 2))
    taste = rng.random(len(labels))
    sloppiness = rng.uniform(0.5, 2.8, len(labels))
    for digit in range(10):
        styles = _styles(digit)
        bounds = np.cumsum([style.share for style in styles])
        chosen = np.searchsorted(bounds, taste * bounds[-1])
        for number, style in enumerate(styles):
            rows = np.flatnonzero((labels == digit) & (chosen == number))
            # Small concentrations: mostly one skeleton with a little of the others.
            mixture = rng.dirichlet([0.1] * len(style.skeletons), len(rows))
            points = np.einsum("ns,spc->npc", mixture, style.skeletons)
            points += sloppiness[rows, None, None] * rng.uniform(-1, 1, points.shape)
            # Strokes do not meet exactly.
            lifts = rng.normal(0, 0.5, (len(rows), style.strokes[-1] + 1, 2))
            paths[rows] = style.basis @ (points + lifts[:, style.strokes])
    return paths


def _print(rng: np.random.Generator, labels: NDArray[np.uint8]) -> Floats:
    """The path of a printed digit for every label: (n,) -> (n, POINTS, 2)."""
    return _glyphs()[rng.integers(len(FONTS), size=len(labels)), labels]


def _distort(rng: np.random.Generator, paths: Floats) -> Floats:
    """Paths with other proportions, slanted, turned and bent: (n, POINTS, 2), the same."""

    def normal(mean: float, deviation: float) -> Floats:
        """A number for every path, (n, 1); never further than twice the deviation from the mean."""
        return mean + deviation * np.clip(rng.normal(size=(len(paths), 1)), -2, 2)

    x, y = np.moveaxis(paths - paths.mean(axis=1, keepdims=True), -1, 0)  # (n, POINTS) each
    x = x * np.exp(normal(0, 0.2))  # wide or narrow
    y = y + normal(0, 1) * np.cos(np.pi * y / 20)  # one half higher than the other
    x = x - normal(0.1, 0.25) * y  # slanted
    too_wide = np.ptp(x, axis=1) / (1.5 * np.ptp(y, axis=1))
    x = x / np.maximum(too_wide, 1)[:, None]
    angle = normal(0, 0.12)
    x, y = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    for _ in range(3):  # waves across the plane, in any direction, move points in any direction
        direction = rng.uniform(0, 2 * np.pi, (len(paths), 1))
        length = rng.uniform(20, 60, (len(paths), 1))
        across = np.cos(direction) * x + np.sin(direction) * y
        wave = np.sin(2 * np.pi * (across / length + rng.random((len(paths), 1))))
        x, y = x + normal(0, 0.7) * wave, y + normal(0, 0.7) * wave
    return np.stack([x, y], axis=-1)


def _frame(paths: Floats, reach: Floats) -> Floats:
    """Paths in pixels: with a pen that reaches so far, their longer sides are BOX pixels long."""
    low, high = paths.min(axis=1, keepdims=True), paths.max(axis=1, keepdims=True)
    longer_side = (high - low).max(axis=-1, keepdims=True)
    scale = (BOX - 2 * reach.max(axis=1)[:, None, None]) / longer_side
    return (paths - (low + high) / 2) * scale + SIZE / 2


def _pressure(rng: np.random.Generator) -> Floats:
    """How hard the pen is pressed along every path: (BLOCK, POINTS), factors near 1."""
    knots = 1 + 0.1 * rng.normal(size=(BLOCK, 12))
    return knots @ _spline(12, POINTS).T


def _ink(paths: Floats, reach: Floats) -> NDArray[np.float32]:
    """What a pen leaves: paths (n, POINTS, 2) and its reach (n, POINTS) -> images (n, SIZE, SIZE).

    Every point of a path covers a disc. A pixel inside one is white (1), and across its edge the
    brightness falls to 0 within one pixel.
    """
    # Images come last, so that NumPy's innermost loop runs over all of them: three times as fast.
    x, y = np.moveaxis(paths, 0, -1).swapaxes(0, 1).astype(np.float32)  # (POINTS, n) each
    radius = reach.T.astype(np.float32)
    pixels = np.arange(SIZE, dtype=np.float32)[:, None] + np.float32(0.5)  # their middles
    across = (pixels - x[:, None]) ** 2  # (POINTS, SIZE, n)
    down = (pixels - y[:, None]) ** 2 - radius[:, None] ** 2
    # The smallest (squared distance to the point - squared radius) is 0 on the edge of the ink.
    nearest = np.full((SIZE, SIZE, len(paths)), np.inf, np.float32)
    for point in range(POINTS):
        np.minimum(nearest, down[point][:, None] + across[point], out=nearest)
    usual = radius.mean(axis=0)  # (n,)
    distance = np.sqrt(np.maximum(nearest + usual**2, 0))  # `usual` on the edge
    return np.clip(usual + np.float32(0.5) - distance, 0, 1).transpose(2, 0, 1)


def _centre(rng: np.random.Generator, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Images (n, SIZE, SIZE) moved by whole pixels: their centre of mass to the middle, roughly.

    MNIST does it exactly. To be off by a pixel now and then makes a few images teach more.
    """
    place = np.arange(SIZE)
    margin = (SIZE - BOX) // 2  # what moves out on one side comes back on the other: blank pixels
    for axis in (1, 2):
        mass = images.sum(axis=3 - axis)  # (n, SIZE), along this axis
        centre = (mass @ place) / mass.sum(axis=1)
        move = np.rint(SIZE / 2 - centre).astype(int) + rng.integers(-1, 2, len(images))
        move = np.clip(move, -margin, margin)[:, None]
        source = np.expand_dims((place - move) % SIZE, 3 - axis)
        images = np.take_along_axis(images, source, axis)
    return images


# --- the tables, made ready -------------------------------------------------------------------


@functools.cache
def _styles(digit: int) -> list[_Style]:
    """The ways to write a digit, from `STYLES`."""
    styles = []
    for share, *lines in STYLES[digit]:
        # skeletons[s][k]: (control points, 2), stroke k of skeleton s
        skeletons = [
            [np.array([point.split(",") for point in stroke.split()], float) for stroke in strokes]
            for strokes in (line.split("|") for line in lines)
        ]
        average = [np.mean(versions, axis=0) for versions in zip(*skeletons, strict=True)]
        styles.append(
            _Style(
                share,
                np.array([np.concatenate(strokes) for strokes in skeletons]),
                np.repeat(np.arange(len(average)), [len(stroke) for stroke in average]),
                _basis(average),
            )
        )
    return styles


def _basis(strokes: list[Floats]) -> Floats:
    """The matrix (POINTS, control points) from all strokes' control points to their path.

    The points of the path are equally far apart on these strokes, and nearly so on similar ones.
    """
    fine = [_spline(len(stroke), 1000) for stroke in strokes]
    paths = [spline @ stroke for spline, stroke in zip(fine, strokes, strict=True)]
    travelled = [_travelled(path) for path in paths]
    lengths = np.array([distances[-1] for distances in travelled])
    ends = np.rint(POINTS * np.cumsum(lengths) / lengths.sum()).astype(int)
    basis = np.zeros((POINTS, sum(map(len, strokes))))
    row = column = 0
    for spline, distances, end in zip(fine, travelled, ends, strict=True):
        even = np.linspace(0, distances[-1], end - row)
        width = spline.shape[1]
        basis[row:end, column : column + width] = spline[np.searchsorted(distances, even)]
        row, column = end, column + width
    return basis


def _spline(controls: int, count: int) -> Floats:
    """The matrix (count, controls) from control points to points on their quadratic B-spline.

    The first and the last control point count twice, so that the curve begins and ends there.
    """
    position = np.linspace(0, controls, count)  # one piece of curve for every control point
    piece = np.minimum(position.astype(int), controls - 1)
    t = position - piece  # from 0 to 1 within the piece, which three control points draw
    matrix = np.zeros((count, controls))
    weights = (0.5 * (1 - t) ** 2, 0.5 + t - t**2, 0.5 * t**2)
    for offset, weight in zip((-1, 0, 1), weights, strict=True):
        column = np.clip(piece + offset, 0, controls - 1)
        np.add.at(matrix, (np.arange(count), column), weight)
    return matrix


def _travelled(path: Floats) -> Floats:
    """How far along the path each of its points lies: (count, 2) -> (count,), from 0."""
    steps = np.hypot(*np.diff(path, axis=0).T)
    return np.concatenate([[0.0], np.cumsum(steps)])


@functools.cache
def _glyphs() -> Floats:
    """The printed digits as paths: (fonts, 10, POINTS, 2), the middles of their inked pixels."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    glyphs = np.empty((len(FONTS), 10, POINTS, 2))
    for number, name in enumerate(FONTS):
        # At this size digits are about 20 pixels high, as skeletons are.
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), size=28)
        for digit in range(10):
            canvas = Image.new("L", (40, 40))
            ImageDraw.Draw(canvas).text((8, 4), str(digit), fill=255, font=font)
            inked = np.argwhere(np.asarray(canvas) > 127)[:, ::-1]  # (pixels, 2): x, y
            glyphs[number, digit] = np.resize(inked, (POINTS, 2))  # some of them twice
    return glyphs
