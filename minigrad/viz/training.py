"""Pictures of a training run: `training_curves`, `filter_grid`, `image_grid`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..tensor import Tensor
from ..train import History
from .figures import BLUE, ORANGE, Path, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_curves(history: History, path: Path | None = None) -> Figure:
    """Loss and accuracy over the epochs, in training and on held-out data.

    Args:
        history: with at least one epoch.
        path: of a picture file to write.

    Raises:
        ValueError: the history is empty.
    """
    if not history.epochs:
        raise ValueError("training_curves: the history has no finished epoch")
    measures = [name for name in ("loss", "accuracy") if name in history.epochs[0]]
    epochs = history.column("epoch")
    figure = new_figure(4.5 * len(measures), 3.4)
    for axes, name in zip(figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True):
        axes.plot(epochs, history.column(name), "o-", color=BLUE, label="training")
        if f"test_{name}" in history.epochs[0]:
            axes.plot(
                epochs, history.column(f"test_{name}"), "s--", color=ORANGE, label="held out"
            )
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    return finish(figure, path)


def filter_grid(kernel: Any, path: Path | None = None, title: str | None = None) -> Figure:
    """Every filter of a convolution as a small picture: red adds, blue takes away, white is 0.

    Args:
        kernel: (kh, kw, in_channels, out_channels), as `Conv2D.kernel`. With several input channels
            there is a row of pictures per channel.
        path: of a picture file to write.
        title: above the picture.

    Raises:
        ValueError: not four axes.
    """
    weights = kernel.data if isinstance(kernel, Tensor) else np.asarray(kernel)
    if weights.ndim != 4:
        raise ValueError(f"filter_grid: kernel of shape {weights.shape} must have four axes, HWIO")
    _, _, channels, filters = weights.shape
    if channels == 1:  # one row would be long: wrap it
        columns = min(filters, 8)
        rows = math.ceil(filters / columns)
        places = [(index // columns, index % columns, 0, index) for index in range(filters)]
    else:
        rows, columns = channels, filters
        places = [(row, column, row, column) for row in range(rows) for column in range(columns)]
    figure = new_figure(1.1 * columns + 1.2, 1.1 * rows + 0.7)
    grid = figure.subplots(rows, columns, squeeze=False)
    limit = float(np.abs(weights).max()) or 1.0
    picture = None
    for axes in grid.flat:
        axes.set_axis_off()
    for row, column, channel, index in places:
        picture = grid[row, column].imshow(
            weights[:, :, channel, index], cmap="RdBu_r", vmin=-limit, vmax=limit
        )
        if row == 0 or channels == 1:
            grid[row, column].set_title(str(index), fontsize=8)
    figure.colorbar(picture, ax=grid, shrink=0.8, label="weight")
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
        ValueError: images of another shape, or captions of another number.
    """
    pictures = images.data if isinstance(images, Tensor) else np.asarray(images)
    if pictures.ndim != 4 or pictures.shape[3] not in (1, 3):
        raise ValueError(f"image_grid: images of shape {pictures.shape} must be (N, H, W, 1 or 3)")
    if captions is not None and len(captions) != len(pictures):
        raise ValueError(f"image_grid: {len(captions)} captions for {len(pictures)} images")
    rows = max(1, math.ceil(len(pictures) / columns))
    figure = new_figure(0.9 * columns, 1.1 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for index, picture in enumerate(pictures):
        axes = grid[divmod(index, columns)]
        axes.imshow(picture.squeeze(), cmap="gray", vmin=0, vmax=1)
        if captions is not None:
            axes.set_title(captions[index], fontsize=8)
    if title:
        figure.suptitle(title)
    return finish(figure, path)
