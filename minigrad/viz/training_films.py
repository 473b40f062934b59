"""Training as a film.

- `TrainingRecord` keeps the weights of a network at chosen steps of its training.
- `training_film` shows its first filters, its loss, and what it takes a few images for.
- `decision_film` shows which class it gives to every point of a plane.

What is kept are weights and not pictures, so images and points can be chosen when all is over.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conv_arithmetic import integer
from ..engine import Array
from ..nn import Conv2D, Dense, Module
from ..nn.calls import record_outputs
from ..tensor import as_tensor
from .arguments import numbers_of
from .figures import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    YELLOW,
    Path,
    from_black_to_white,
    new_figure,
)
from .film import FRAMES_AT_MOST, Film, check_gif, finish_film
from .networks import bar_colours, class_probabilities
from .training import draw_filters

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IMAGES_LIMIT = 6
FILTERS_SHOWN = 16
CLASSES_LIMIT = 20  # bars under an image
PLANE_CELLS = 120  # along a side of the plane

# A look for every class of points, told apart by colour and by form.
LOOKS = (
    (BLUE, "o"),
    (ORANGE, "s"),
    (GREEN, "^"),
    (PURPLE, "D"),
    (SKY, "v"),
    (RED, "P"),
    (YELLOW, "X"),
)


class TrainingRecord:
    """The weights of a network at chosen steps of its training, for a film.

    Attributes:
        steps: of the snapshots, from low to high.
        losses: at these steps.

    Args:
        model: the network that is going to be trained. Nothing in it is changed.

    Raises:
        TypeError: `model` is no Module.

    >>> from minigrad import functional as F, nn, optim
    >>> model = nn.Sequential(nn.Flatten(), nn.Dense(20, 3))
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> images, labels = np.ones((2, 4, 5, 1), np.float32), np.array([0, 2])
    >>> record = TrainingRecord(model)
    >>> for step in range(3):
    ...     loss = F.cross_entropy(model(images), labels)
    ...     record.snapshot(step, loss)
    ...     optimizer.zero_grad()
    ...     loss.backward()
    ...     optimizer.step()
    >>> film = training_film(record, images, labels)
    >>> len(film)
    3
    """

    def __init__(self, model: Module) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"TrainingRecord: model must be a Module, not {type(model).__name__}")
        self._model = model
        self._states: list[dict[str, Array]] = []
        self.steps: list[int] = []
        self.losses: list[float] = []

    def snapshot(self, step: int, loss: Any) -> None:
        """Keep a copy of the weights as they are now.

        Args:
            step: how many steps of training have been made.
            loss: a number, or a Tensor that holds one.

        Raises:
            TypeError: the step is no integer.
            ValueError: a step that is not above the last one, a loss that is not a single finite
                number, or more snapshots than a film has frames, 400.
        """
        where = "TrainingRecord.snapshot"
        step = integer(step, "step", minimum=0, where=where)
        if self.steps and step <= self.steps[-1]:
            raise ValueError(f"{where}: step={step} must be above the last one, {self.steps[-1]}")
        value = as_tensor(loss).data
        if value.size != 1 or not np.isfinite(value).all():
            raise ValueError(
                f"{where}: loss must be one finite number, got {value.tolist()!r:.60} of shape "
                f"{value.shape}"
            )
        if len(self.steps) == FRAMES_AT_MOST:
            raise ValueError(
                f"{where}: there are {FRAMES_AT_MOST} snapshots already, as many as a film has "
                "frames; take one every few steps"
            )
        self.steps.append(step)
        self.losses.append(float(value.reshape(())))
        self._states.append(self._model.state_dict())

    def model_at(self, number: int) -> Module:
        """A copy of the network with the weights of a snapshot, by its number; -1 is the last.

        Raises:
            IndexError: there is no such snapshot.
        """
        if not -len(self) <= number < len(self):
            raise IndexError(
                f"TrainingRecord.model_at: number={number} of a record of {len(self)} snapshots"
            )
        model = copy.deepcopy(self._model)
        model.zero_grad()
        model.load_state_dict(self._states[number])
        return model

    def __len__(self) -> int:
        return len(self.steps)


def training_film(
    record: TrainingRecord,
    images: Any,
    labels: Any,
    path: Path | None = None,
    seconds: float = 0.15,
) -> Film:
    """How filters and decisions change in training, a frame per snapshot.

    Each frame has the filters of the first layer, the loss so far, and under each image the
    probabilities of the classes. The first layer is the first convolution, or a Dense that sees all
    of the image: its weights are filters as large as the image. Of more than 16 filters the first
    16 are shown; where there is no such layer, none are. The colours of the filters mean the same
    in all frames.

    Args:
        record: with at least one snapshot.
        images: (N, H, W, 1) or (N, H, W, 3), up to six, best such as were held out from training.
        labels: (N,), their classes.
        path: of a GIF to write.
        seconds: that a frame is shown.

    Raises:
        TypeError: `record` is no TrainingRecord.
        ValueError: no snapshot; images or labels of another shape, or that the network refuses; a
            network that does not return a finite score for each class, 2 to 20; another ending than
            .gif.
    """
    where = "training_film"
    _check_record(where, record, path)
    pictures, classes = numbers_of(f"{where}: images", images), as_tensor(labels).data
    if (
        pictures.ndim != 4
        or pictures.shape[3] not in (1, 3)
        or 0 in pictures.shape
        or len(pictures) > IMAGES_LIMIT
    ):
        raise ValueError(
            f"{where}: images of shape {pictures.shape} must be (N, H, W, 1 or 3), with N from 1 "
            f"to {IMAGES_LIMIT}; show fewer of them"
        )
    models = [record.model_at(number) for number in range(len(record))]
    # (snapshots, images, classes)
    probabilities = np.stack([_probabilities(where, model, pictures) for model in models])
    _check_labels(where, classes, len(pictures), probabilities.shape[2], CLASSES_LIMIT)
    kernels, filters = _first_filters(where, models, pictures)
    limit = max((float(np.abs(kernel).max()) for kernel in kernels), default=0.0) or 1.0

    def draw(number: int) -> Figure:
        figure = _frame(9.0, 5.4, record, number)
        above = figure.add_gridspec(
            1, 2 if kernels else 1, left=0.05, right=0.97, top=0.85, bottom=0.54, wspace=0.15
        )
        _draw_loss(figure.add_subplot(above[-1]), record, number)
        if kernels:
            _draw_kernel(figure, figure.add_subplot(above[0]), kernels[number], limit, filters)
        columns = max(len(pictures), 4)
        below = figure.add_gridspec(
            2, columns, left=0.03, right=0.985, top=0.43, bottom=0.18, hspace=0.06
        )
        for index, (image, label) in enumerate(zip(pictures, classes, strict=True)):
            _draw_image(figure.add_subplot(below[0, index]), image)
            _draw_bars(
                figure.add_subplot(below[1, index]), probabilities[number, index], int(label)
            )
        _explain(
            figure,
            "Bars: the probabilities of the classes, from 0 to 1; green is the right class, orange "
            "a wrong decision."
            + (
                "\nFilters: red is positive, blue negative, on one scale for the whole film."
                if kernels
                else ""
            ),
        )
        return figure

    return finish_film(Film(draw, len(record), seconds), path)


def decision_film(
    record: TrainingRecord,
    points: Any,
    labels: Any,
    path: Path | None = None,
    seconds: float = 0.15,
) -> Film:
    """Which class a network gives to every point of a plane, a frame per snapshot.

    The plane has the colours of the classes, the paler the less sure the network is; lines are
    where its decision changes.

    Args:
        record: of a network that takes (N, 2) and returns (N, classes); with a snapshot.
        points: (N, 2), x to the right and y up.
        labels: (N,), their classes, two to seven of them.
        path: of a GIF to write.
        seconds: that a frame is shown.

    Raises:
        TypeError: `record` is no TrainingRecord.
        ValueError: no snapshot; points or labels of another shape, or points that the network
            refuses; a network that does not return a finite score for each class, 2 to 7; another
            ending than .gif.
    """
    where = "decision_film"
    _check_record(where, record, path)
    places, classes = numbers_of(f"{where}: points", points), as_tensor(labels).data
    if places.ndim != 2 or places.shape[1] != 2 or len(places) == 0:
        raise ValueError(f"{where}: points of shape {places.shape} must be (N, 2), x and y of each")
    first = _probabilities(where, record.model_at(0), places)
    _check_labels(where, classes, len(places), first.shape[1], len(LOOKS))
    xs, ys = (_axis(places[:, axis]) for axis in (0, 1))
    plane = np.stack(np.meshgrid(xs, ys), axis=-1)  # (rows, columns, 2), from below

    def draw(number: int) -> Figure:
        model = record.model_at(number)
        shares = _probabilities(where, model, plane.reshape(-1, 2)).reshape(*plane.shape[:2], -1)
        read = _probabilities(where, model, places).argmax(axis=1)
        figure = _frame(9.0, 4.6, record, number)
        grid = figure.add_gridspec(
            1, 2, left=0.06, right=0.97, top=0.85, bottom=0.2, wspace=0.2, width_ratios=(1.2, 1.0)
        )
        _draw_plane(figure.add_subplot(grid[0]), xs, ys, shares, places, classes)
        _draw_loss(figure.add_subplot(grid[1]), record, number)
        right = int((read == classes).sum())
        _explain(
            figure,
            f"{right} of {len(places)} points are on the right side. The plane has the colour of "
            "the class that the network would\ngive to a point there; the paler, the less sure it "
            "is.",
        )
        return figure

    return finish_film(Film(draw, len(record), seconds), path)


# --- what is shown --------------------------------------------------------------------------------


def _probabilities(where: str, model: Module, x: Array) -> Array:
    """(N, ...) -> (N, classes)"""
    layers, outputs = record_outputs(where, model, x)
    shapes = [output.shape for output in outputs]
    if len(shapes) != 1 or len(shapes[0]) != 2 or shapes[0][0] != len(x) or shapes[0][1] < 2:
        raise ValueError(
            f"{where}: {type(model).__name__} returns {', '.join(map(str, shapes)) or 'nothing'} "
            f"for an input of shape {x.shape}; it must return a score for each of at least two "
            f"classes, ({len(x)}, classes)"
        )
    if not np.isfinite(outputs[0]).all():
        raise ValueError(
            f"{where}: {type(model).__name__} makes numbers that are nan or infinite of an input "
            f"of shape {x.shape}; mg.detect_anomaly finds where they come from"
        )
    return class_probabilities(layers, outputs[0])


def _first_filters(where: str, models: Sequence[Module], images: Array) -> tuple[list[Array], str]:
    """The kernel (kh, kw, C, F) of the first layer in each of the models, and what it is."""
    layers, _ = record_outputs(where, models[0], images[:1])
    shape = images.shape[1:]
    for made in layers:
        layer = made.layer
        if isinstance(layer, Conv2D):
            name, count = "kernel", layer.out_channels
        elif isinstance(layer, Dense) and layer.in_features == math.prod(shape):
            name, count = "weight", layer.out_features
        else:
            continue
        kernels = []
        for model in models:
            weights = dict(model.named_tensors())[f"{made.name}.{name}".lstrip(".")].data
            # A dense layer: (H * W * C, F) -> (H, W, C, F)
            kernel = weights if weights.ndim == 4 else weights.reshape(*shape, count)
            kernels.append(kernel[..., :FILTERS_SHOWN])
        part = f", the first {FILTERS_SHOWN} of {count}" if count > FILTERS_SHOWN else ""
        return kernels, f"filters of {made.name} {type(layer).__name__}{part}"
    return [], ""


def _axis(values: Array) -> Array:
    """Places along a side of the plane, a little beyond the points."""
    low, high = float(values.min()), float(values.max())
    margin = 0.1 * (high - low) or 1.0
    return np.linspace(low - margin, high + margin, PLANE_CELLS)


# --- drawing --------------------------------------------------------------------------------------


def _frame(width: float, height: float, record: TrainingRecord, number: int) -> Figure:
    """An empty frame in which everything stays in its place, with its title."""
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    figure.text(
        0.03,
        1 - 0.3 / height,
        f"step {record.steps[number]:,}: loss {record.losses[number]:.3f}",
        fontsize=12,
        weight="bold",
        va="center",
    )
    return figure


def _explain(figure: Figure, text: str) -> None:
    """The words under a frame."""
    figure.text(0.03, 0.02, text, fontsize=8, linespacing=1.3)


def _draw_kernel(figure: Figure, axes: Any, kernel: Array, limit: float, title: str) -> None:
    """Filters, four in a row, with the scale of their colours."""
    picture = draw_filters(axes, kernel, limit, in_a_row=4 if kernel.shape[3] <= 8 else 8)
    picture.set_gid("filters")
    axes.set_title(title, fontsize=9)
    axes.xaxis.label.set_size(8)
    figure.colorbar(picture, ax=axes, shrink=0.9).ax.tick_params(labelsize=7)


def _draw_loss(axes: Any, record: TrainingRecord, number: int) -> None:
    """The curve up to a snapshot, on axes that have room for all of it."""
    steps, losses = record.steps[: number + 1], record.losses[: number + 1]
    axes.plot(steps, losses, color=BLUE, gid="loss")
    axes.plot(steps[-1:], losses[-1:], "o", color=BLUE, markersize=5)
    first, last = record.steps[0], record.steps[-1]
    room = 0.03 * (last - first) or 1.0
    low, high = min(0.0, *record.losses), max(record.losses)
    margin = 0.04 * (high - low) or 1.0
    axes.set_xlim(first - room, last + room)
    axes.set_ylim(low - margin, high + margin)
    axes.set_title("loss so far", fontsize=9)
    axes.set_xlabel("step", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)


def _draw_image(axes: Any, image: Array) -> None:
    """One image, (H, W, C), from its lowest number as black to its highest as white."""
    axes.set_axis_off()
    axes.imshow(from_black_to_white(image))


def _draw_bars(axes: Any, probabilities: Array, label: int) -> None:
    """A bar for each class, and in words what is decided."""
    classes = range(len(probabilities))
    bars = axes.bar(classes, probabilities, color=bar_colours(probabilities, label))
    for index, bar in enumerate(bars):
        bar.set_gid(f"probability[{index}]")
    decision = int(probabilities.argmax())
    axes.set_ylim(0, 1)
    axes.set_yticks([])
    axes.set_xticks(classes)
    axes.tick_params(labelsize=7, length=0)
    axes.spines[["top", "left", "right"]].set_visible(False)
    verdict = "right" if decision == label else f"it is {label}"
    axes.set_xlabel(f"says {decision} ({probabilities[decision]:.0%}): {verdict}", fontsize=8)


def _draw_plane(
    axes: Any, xs: Array, ys: Array, shares: Array, points: Array, labels: Array
) -> None:
    """The plane in the colours of the classes, (rows, columns, classes), and the points on it."""
    from matplotlib.colors import to_rgb

    count = shares.shape[2]
    colours = np.array([to_rgb(colour) for colour, _ in LOOKS[:count]])
    # 0 where all classes are equally likely, 1 where there is no doubt: (rows, columns, 1)
    certainty = (shares.max(axis=2, keepdims=True) * count - 1) / (count - 1)
    axes.imshow(
        # At most half-way from white to the colour, so that points stand out.
        1 - 0.5 * certainty * (1 - colours[shares.argmax(axis=2)]),
        extent=(xs[0], xs[-1], ys[0], ys[-1]),
        origin="lower",
        gid="plane",
    )
    for index, (colour, marker) in enumerate(LOOKS[:count]):
        if index > 0:  # the border of class 0 belongs to others as well
            lead = shares[:, :, index] - np.delete(shares, index, axis=2).max(axis=2)
            axes.contour(xs, ys, lead, levels=[0.0], colors="#222222", linewidths=0.8)
        axes.plot(
            *points[labels == index].T,
            marker,
            color=colour,
            markeredgecolor="white",
            markeredgewidth=0.6,
            markersize=5,
            label=f"class {index}",
            gid=f"class {index}",
        )
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, loc="upper right")


# --- checks ---------------------------------------------------------------------------------------


def _check_record(where: str, record: TrainingRecord, path: Path | None) -> None:
    if not isinstance(record, TrainingRecord):
        raise TypeError(f"{where}: record must be a TrainingRecord, not {type(record).__name__}")
    if len(record) == 0:
        raise ValueError(
            f"{where}: the record has no snapshot; call record.snapshot(step, loss) in training"
        )
    if path is not None:
        check_gif(path, where)


def _check_labels(where: str, labels: Array, count: int, classes: int, most: int) -> None:
    if classes > most:
        raise ValueError(
            f"{where}: the network knows {classes} classes; at most {most} can be told apart"
        )
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: labels of shape {labels.shape} and dtype {labels.dtype} must be {count} "
            "integers, a class for each"
        )
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(
            f"{where}: labels from {labels.min()} to {labels.max()} must be classes from 0 to "
            f"{classes - 1}"
        )
