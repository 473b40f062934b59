"""Pictures of a training run: `training_curves`, `filter_grid`, `image_grid`.

The two grids are single images, put together cell by cell: a network has thousands of filters, and
a plot for each of them would take minutes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conv_arithmetic import integer
from ..engine import Array
from ..tensor import as_tensor
from ..train import History
from .figures import BLUE, ORANGE, Path, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS_AT_MOST = 32  # along a side of a grid
WIDEST = 16.0  # inches


def training_curves(history: History, path: Path | None = None) -> Figure:
    """Loss and metric over the epochs, in training and on held-out data: a plot for each of them.

    Args:
        history: with at least one epoch.
        path: of a picture file to write.

    Raises:
        ValueError: the history is empty.
    """
    if not history.epochs:
        raise ValueError("training_curves: the history has no finished epoch")
    measures = [
        name
        for name in history.epochs[0]
        if name not in ("epoch", "lr", "seconds") and not name.startswith("test_")
    ]
    epochs = history.column("epoch")
    figure = new_figure(4.5 * len(measures), 3.4)
    for axes, name in zip(
        figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True
    ):
        axes.plot(epochs, history.column(name), "o-", color=BLUE, label="training")
        if f"test_{name}" in history.epochs[0]:
            axes.plot(epochs, history.column(f"test_{name}"), "s--", color=ORANGE, label="held out")
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.3)
        axes.legend()
    return finish(figure, path)


def filter_grid(kernel: Any, path: Path | None = None, title: str | None = None) -> Figure:
    """Every filter of a convolution as a small picture: red adds, blue takes away, white is 0.

    Args:
        kernel: (kh, kw, in_channels, out_channels), as `Conv2D.kernel`. With several input channels
            there is a row of pictures per channel, with a single one there are rows of eight.
        path: of a picture file to write.
        title: above the picture.

    Raises:
        ValueError: not four axes, or one of size 0.
    """
    weights = as_tensor(kernel).data
    if weights.ndim != 4 or 0 in weights.shape:
        raise ValueError(
            f"filter_grid: kernel of shape {weights.shape} must have four axes, HWIO, none of them "
            "of size 0"
        )
    mosaic, _, columns = _filter_mosaic(weights, in_a_row=8)
    figure = new_figure(*_fitting(mosaic.shape, inches=min(0.6 * columns, WIDEST)))
    axes = figure.subplots()
    picture = draw_filters(axes, weights, float(np.abs(weights).max()) or 1.0)
    figure.colorbar(picture, ax=axes, shrink=0.8, label="weight")
    if title:
        figure.suptitle(title)
    return finish(figure, path)


def image_grid(
    images: Any,
    captions: Sequence[str] | None = None,
    path: Path | None = None,
    title: str | None = None,
    columns: int = 10,
) -> Figure:
    """Images in rows, each with a caption above it.

    Args:
        images: (N, H, W, 1) or (N, H, W, 3), from 0 to 1; N may be 0.
        captions: one per image.
        path: of a picture file to write.
        title: above all of them.
        columns: how many in a row.

    Raises:
        ValueError: images of another shape or range, or captions of another number.
    """
    pictures = as_tensor(images).data
    columns = integer(columns, "columns", where="image_grid")
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3) or 0 in pictures.shape[1:]:
        raise ValueError(f"image_grid: images of shape {pictures.shape} must be (N, H, W, 1 or 3)")
    if pictures.size and not 0 <= pictures.min() <= pictures.max() <= 1:
        raise ValueError(
            f"image_grid: images hold numbers from {pictures.min():g} to {pictures.max():g}; they "
            "must be from 0 to 1 (divide bytes by 255)"
        )
    if captions is not None and len(captions) != len(pictures):
        raise ValueError(f"image_grid: {len(captions)} captions for {len(pictures)} images")
    count, height, width, channels = pictures.shape
    rows = max(1, math.ceil(count / columns))
    left = max(1, width // 8)  # cells between neighbours
    above = left if captions is None else max(1, width // 3)  # room for a line of text
    tiles = np.ones((rows * columns, above + height, left + width, channels))
    tiles[:count, above:, left:] = pictures
    mosaic = _joined(tiles, rows, columns)

    figure = new_figure(*_fitting(mosaic.shape, inches=0.9 * columns))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.imshow(mosaic if channels == 3 else mosaic[:, :, 0], cmap="gray", vmin=0, vmax=1)
    for index, caption in enumerate(captions or ()):
        row, column = divmod(index, columns)
        centre = column * (left + width) + left + (width - 1) / 2
        top = row * (above + height) + above - 0.5
        axes.text(centre, top, caption, ha="center", va="bottom", fontsize=7)
    if title:
        figure.suptitle(title)
    return finish(figure, path)


def draw_filters(axes: Any, weights: Array, limit: float, in_a_row: int = 8) -> Any:
    """Put every filter of a kernel, (kh, kw, C, F), on axes, coloured from -limit to limit.

    Of a single channel there are rows of so many. Returns matplotlib's image, for a colour bar.
    """
    height, width, channels, filters = weights.shape
    mosaic, rows, columns = _filter_mosaic(weights, in_a_row)
    axes.set_facecolor("0.75")  # what shows where there is nothing
    picture = axes.imshow(mosaic, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes.tick_params(length=0, labelsize=7)
    if channels == 1 and rows > 1:
        starts = range(0, filters, in_a_row)
        texts = [f"{start} to {min(start + in_a_row, filters) - 1}" for start in starts]
        axes.set_xticks([])
        axes.set_yticks(*_labels(rows, height, texts))
        axes.set_xlabel("filters")
    else:
        axes.set_xticks(*_labels(columns, width, range(columns)))
        axes.set_xlabel("filter")
        axes.set_yticks(*_labels(rows, height, range(rows) if channels > 1 else [""]))
        axes.set_ylabel("input channel" if channels > 1 else "")
    return picture


def _filter_mosaic(weights: Array, in_a_row: int) -> tuple[Array, int, int]:
    """The filters as one image, with the rows and columns they lie in; nan is between them."""
    height, width, channels, filters = weights.shape
    rows, columns = (
        (channels, filters)
        if channels > 1
        else (math.ceil(filters / in_a_row), min(filters, in_a_row))
    )
    # A line of nothing above and on the left of every picture keeps them apart.
    tiles = np.full((rows * columns, height + 1, width + 1), np.nan)
    # (KH, KW, C, F) -> (C * F, KH, KW), pictures in the order of reading
    tiles[: channels * filters, 1:, 1:] = weights.transpose(2, 3, 0, 1).reshape(-1, height, width)
    return _joined(tiles, rows, columns)[1:, 1:], rows, columns


def _joined(tiles: Array, rows: int, columns: int) -> Array:
    """Tiles side by side: (rows * columns, h, w, ...) -> (rows * h, columns * w, ...)"""
    _, height, width, *rest = tiles.shape
    grid = tiles.reshape(rows, columns, height, width, *rest)
    return grid.swapaxes(1, 2).reshape(rows * height, columns * width, *rest)


def _fitting(shape: tuple[int, ...], inches: float) -> tuple[float, float]:
    """The size of a figure for an image of a shape and a width, with room for what is around it."""
    return inches + 1.2, inches * shape[0] / shape[1] + 0.9


def _labels(count: int, size: int, texts: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Ticks in the middle of `count` pictures of a size, one cell apart, and their texts."""
    step = math.ceil(count / LABELS_AT_MOST)
    shown = range(0, count, step)
    return [i * (size + 1) + (size - 1) / 2 for i in shown], [str(texts[i]) for i in shown]
