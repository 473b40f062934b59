"""What a network makes of one image, layer by layer: `feature_maps_figure`.

`class_probabilities` and `bar_colours` are shared with the films of training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from ..conv_arithmetic import integer
from ..engine import Array, no_grad
from ..nn import Conv2D, Dropout, Flatten, Module, Reshape, Sequential, Softmax
from ..nn.calls import LayerOutput, record_outputs
from ..text import by
from .arguments import numbers_of, refuse_above
from .cells import Board, number_text
from .figures import BLUE, GREEN, GREY, ORANGE, Path, from_black_to_white

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABELS = 1.75  # inches at the left, for what a row is; more where names are long
ROW = 7.2  # inches for the maps of a row
MAP_AT_MOST = 0.85  # inches
MAPS_LIMIT = 32
PIXELS_LIMIT = 128  # along a side: a map is about so many pixels wide in the file
SLICES_LIMIT = 8  # of a filter, one per channel, below each other
STRIP_CELL = 0.12  # inches, of a vector
STRIP_LIMIT = 600  # cells: ten rows
CLASSES_LIMIT = 20

# In evaluation mode these hand on the numbers they get. A Sequential is a layer only if empty.
HAND_ON = (Flatten, Reshape, Dropout, Sequential)


def feature_maps_figure(
    model: Module,
    image: Any,
    path: Path | None = None,
    label: int | None = None,
    maps: int = 16,
) -> Figure:
    """What a network makes of one image: filters, feature maps, dense layers, and the decision.

    From the top: the image; for every layer in the order in which it is called its feature maps,
    under the filters of a convolution; the numbers of dense layers as coloured cells; and scores
    and probabilities of the classes, if the network ends in one number for each. Layers are the
    modules that hold no others; functions called between them have no row of their own. The network
    runs in evaluation mode and is afterwards as it was.

    In every row white is 0, red is positive and blue negative, up to the largest number of the
    row. The filters of a convolution are drawn if they have up to 8 channels each.

    Args:
        model: any Module that takes a batch of images; its parameters are what is shown as learned.
        image: (H, W, 1) or (H, W, 3).
        path: of a picture file to write.
        label: the right class, if it is known.
        maps: how many feature maps of a layer are drawn at most, up to 32; where there are more,
            the first ones are, and the row says so.

    Raises:
        TypeError: `model` is no Module.
        ValueError: an image of another shape, or one that the network refuses; nan or infinity in
            it or in what a layer makes of it; more than 128 pixels along a side; no such class; a
            network without any layer.

    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Conv2D(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Dense(120, 3))
    >>> figure = feature_maps_figure(model, np.ones((4, 5, 1)))
    """
    where = "feature_maps_figure"
    maps = integer(maps, "maps", where=where)
    refuse_above(
        where, f"maps={maps}", maps, MAPS_LIMIT, "can be seen beside each other", "draw fewer"
    )
    x = _image_of(where, image)
    layers, outputs = record_outputs(where, model, x[None])
    if all(isinstance(layer.layer, HAND_ON) for layer in layers):
        raise ValueError(f"{where}: there is nothing to show: {model!r:.80} calls no layer")
    for layer in layers:
        if not np.isfinite(layer.array).all():
            raise ValueError(
                f"{where}: {_name(layer)} makes numbers that are nan or infinite, so there are no "
                "colours for them; mg.detect_anomaly finds where they come from"
            )
    scores = outputs[0] if len(outputs) == 1 and outputs[0].ndim == 2 else None
    if label is not None:
        label = integer(label, "label", minimum=0, where=where)
        if scores is None or label >= scores.shape[1]:
            raise ValueError(
                f"{where}: label={label} is none of the classes: the network returns "
                f"{', '.join(str(output.shape) for output in outputs)}"
            )

    board = Board()
    rows = _Rows(board, _label_width(layers), maps)
    rows.add_image(x)
    for layer in layers:
        if layer.array is not scores:  # those are drawn as bars
            rows.add_layer(layer)
    if scores is not None:
        rows.add_decision(layers, scores, label)
    board.headline(
        f"{type(model).__name__} looks at an image of {by(x.shape)}",
        f"{sum(parameter.size for parameter in model.parameters()):,} parameters; "
        "its layers in the order in which they are called",
    )
    board.caption(
        "White is 0, red is positive, blue is negative. Each row has a scale of its own, up to its "
        "largest number, on both sides of 0 if any is negative. Maps of a row stand in the order "
        "of the channels; a filter stands over the map that it makes"
        + (", its slices for the channels below each other." if rows.sliced else ".")
        + ("" if label is None else " Green bars: the right class; orange: a wrong decision.")
    )
    return board.finish(path)


def class_probabilities(layers: list[LayerOutput], scores: Array) -> Array:
    """softmax of scores, (..., classes), unless the last layer was one already."""
    if layers and isinstance(layers[-1].layer, Softmax):
        return scores
    with no_grad():
        return F.softmax(scores).data


def bar_colours(probabilities: Array, label: int | None) -> list[str]:
    """A colour per class: green the right one, orange a wrong decision, grey the others.

    Without a label the decision is blue.
    """
    colours = [GREY] * len(probabilities)
    colours[int(probabilities.argmax())] = BLUE if label is None else ORANGE
    if label is not None:
        colours[label] = GREEN
    return colours


def signed_colours(values: Array, limit: float) -> Array:
    """Blue from -limit over white at 0 to red at limit: any shape -> the same with 3 behind it."""
    import matplotlib

    return np.asarray(matplotlib.colormaps["RdBu_r"](0.5 + 0.5 * values / limit)[..., :3])


@dataclass
class _Rows:
    """Adds rows to a board, each under the last one.

    Attributes:
        board: to draw on.
        left: where pictures begin, in inches; labels begin at 0.
        maps: how many in a row at most.
        sliced: whether a filter was drawn in several slices.
        top: where the next row begins, in inches.
        label_bottom: where the label of the last row ends.
    """

    board: Board
    left: float
    maps: int
    sliced: bool = False
    top: float = 0.0
    label_bottom: float = 0.0

    def add_image(self, x: Array) -> None:
        """The input, (H, W, C), from its lowest number as black to its highest as white."""
        low, high = float(x.min()), float(x.max())
        self._label(
            "input", by(x.shape), f"{_two_digits(low)} is black, {_two_digits(high)} is white"
        )
        side = 1.1 / max(x.shape[:2])
        grid = self.board.grid("input", self.left, self.top, side, from_black_to_white(x))
        self._end(grid.bottom)

    def add_layer(self, layer: LayerOutput) -> None:
        """What a layer made, as maps or as cells in reading order."""
        array = layer.array[0]
        if isinstance(layer.layer, HAND_ON):
            self._label(_name(layer), by(array.shape), "the same numbers, handed on")
            self._end(self.top)
        elif array.ndim == 3:
            self._add_maps(layer, array)
        elif array.ndim == 1:
            self._add_strip(layer, array)
        else:
            self._label(_name(layer), by(array.shape), "is not drawn")
            self._end(self.top)

    def add_decision(self, layers: list[LayerOutput], scores: Array, label: int | None) -> None:
        """Scores, (1, classes), and probabilities as bars, and what is decided."""
        probabilities = class_probabilities(layers, scores)[0]
        decision = int(probabilities.argmax())
        order = np.sort(np.argsort(-probabilities, kind="stable")[:CLASSES_LIMIT])
        colours = bar_colours(probabilities, label)
        if not isinstance(layers[-1].layer, Softmax):
            name = _name(layers[-1]) if layers[-1].array is scores else "output"
            self._label(name, f"{scores.shape[1]} scores, one for each class")
            self._bars("score", scores[0], order, colours, 0.6)
        count = (
            f"the {len(order)} largest of {scores.shape[1]}" if len(order) < scores.shape[1] else ""
        )
        self._label("probabilities", "softmax of the scores", count)
        self._bars("probability", probabilities, order, colours, 0.8)
        verdict = f"decision: class {decision}, probability {probabilities[decision]:.2f}"
        if label is not None:
            verdict += ", which is right" if decision == label else f"; right is class {label}"
        self.board.text(self.left, self.top, verdict, 10, weight="bold")
        self.top = self.board.bottom

    def _add_maps(self, layer: LayerOutput, array: Array) -> None:
        height, width, count = array.shape
        shown = min(count, self.maps)
        pitch = min(MAP_AT_MOST, ROW / shown)
        if isinstance(layer.layer, Conv2D):
            self._add_filters(layer.layer, _name(layer), shown, pitch)
        limit = self._scale(_name(layer), _part(by(array.shape), shown, count, "map"), array)
        colours = signed_colours(array, limit)
        side = 0.88 * pitch / max(height, width)
        for index in range(shown):
            left = self.left + index * pitch
            grid = self.board.grid(
                f"{layer.name}[{index}]", left, self.top, side, colours[:, :, index]
            )
        self._end(grid.bottom)

    def _add_filters(self, conv: Conv2D, name: str, shown: int, pitch: float) -> None:
        kernel = conv.kernel.data
        kh, kw, channels, count = kernel.shape
        shape = by(kernel.shape[:3])
        if channels > SLICES_LIMIT:
            self._label(f"filters of {name}", shape, "too many channels to draw")
            self._end(self.top)
            return
        self.sliced |= channels > 1
        limit = self._scale(f"filters of {name}", _part(shape, shown, count, "filter"), kernel)
        colours = signed_colours(kernel, limit)
        slot = min(0.55 * pitch, 1.8 / channels)  # inches for a slice
        side = 0.9 * slot / max(kh, kw)
        for index in range(shown):
            left = self.left + index * pitch + (0.88 * pitch - kw * side) / 2
            for channel in range(channels):
                grid = self.board.grid(
                    f"{name} filter[{channel},{index}]",
                    left,
                    self.top + channel * slot,
                    side,
                    colours[:, :, channel, index],
                )
        self._end(grid.bottom, gap=0.12)

    def _add_strip(self, layer: LayerOutput, array: Array) -> None:
        shown = min(len(array), STRIP_LIMIT)
        limit = self._scale(
            _name(layer), _part(str(len(array)), shown, len(array), "number"), array
        )
        colours = signed_colours(array[:shown], limit)
        columns = int(ROW / STRIP_CELL)
        top = self.top
        for row, start in enumerate(range(0, shown, columns)):
            grid = self.board.grid(
                f"{layer.name}[{row}]",
                self.left,
                top,
                STRIP_CELL,
                colours[None, start : start + columns],
            )
            top = grid.bottom
        self._end(top)

    def _bars(
        self, name: str, values: Array, order: Array, colours: list[str], room: float
    ) -> None:
        """Bars on a common line of zero, each with its number, and its class below all of them."""
        from matplotlib.patches import Rectangle

        pitch = min(0.7, ROW / len(order))
        largest, smallest = max(float(values.max()), 0.0), min(float(values.min()), 0.0)
        inches = room / ((largest - smallest) or 1.0)
        zero = self.top + 0.14 + largest * inches
        bottom = zero - smallest * inches + (0.16 if smallest < 0 else 0.0)
        for place, index in enumerate(order):
            left = self.left + (place + 0.1) * pitch
            value = float(values[index])
            self.board.axes.add_patch(
                Rectangle(
                    (left, zero),
                    0.8 * pitch,
                    -value * inches,  # y points down
                    color=colours[index],
                    linewidth=0,
                    gid=f"{name}[{index}]",
                )
            )
            self.board.text(
                left + 0.4 * pitch,
                zero - value * inches + (0.02 if value < 0 else -0.02),
                f"{round(value, 2) + 0.0:.2f}",  # + 0.0: no -0.00
                6.5,
                "center",
                "top" if value < 0 else "bottom",
                gid=f"{name}[{index}]",
            )
            self.board.text(left + 0.4 * pitch, bottom + 0.05, str(index), 8, "center")
        self.board.axes.hlines(
            zero, self.left, self.left + len(order) * pitch, color="#666666", lw=0.8
        )
        self._end(bottom + 0.2)

    # --- what stands at the left ------------------------------------------------------------------

    def _label(self, name: str, *lines: str) -> None:
        """The name of a row and what there is to say of it."""
        y = self.top + self.board.text(0.0, self.top, name, 8, weight="bold")[1] + 0.03
        for line in filter(None, lines):
            y += self.board.text(0.0, y, line, 7)[1] + 0.03
        self.label_bottom = y

    def _scale(self, name: str, line: str, values: Array) -> float:
        """Label a row, with its colours as a bar from end to end; returns the largest number."""
        limit = float(np.abs(values).max()) or 1.0
        lowest = -limit if values.min() < 0 else 0.0
        self._label(name, line)
        cell, cells = 0.04, 25
        ramp = signed_colours(np.linspace(lowest, limit, cells), limit)
        bar = self.board.grid(
            f"{name} scale", 0.0, self.label_bottom + 0.02, cell, np.stack([ramp, ramp])
        )
        ends = f"{_two_digits(lowest)} … {_two_digits(limit)}"
        self.board.text(bar.right + 0.06, (bar.top + bar.bottom) / 2, ends, 6.5, vertical="center")
        self.label_bottom = bar.bottom
        return limit

    def _end(self, bottom: float, gap: float = 0.22) -> None:
        """Begin the next row under the pictures of this one and its label."""
        self.top = max(bottom, self.label_bottom) + gap


def _label_width(layers: list[LayerOutput]) -> float:
    """How much room the longest name takes."""
    scratch = Board()
    names = [f"filters of {_name(layer)}" for layer in layers]
    return max([LABELS, *(scratch.text(0, 0, name, 8, weight="bold")[0] + 0.1 for name in names)])


def _part(shape: str, shown: int, count: int, what: str) -> str:
    """The shape, and how much of it is drawn if that is not all."""
    return shape if shown == count else f"{shape}, the first {shown} {what}s"


def _two_digits(value: float) -> str:
    return number_text(float(f"{value:.2g}"))


def _name(layer: LayerOutput) -> str:
    kind = type(layer.layer).__name__
    return f"{layer.name} {kind}" if layer.name else kind


def _image_of(where: str, image: Any) -> Array:
    x = numbers_of(f"{where}: image", image)
    if x.ndim != 3 or x.shape[2] not in (1, 3) or 0 in x.shape:
        raise ValueError(
            f"{where}: image of shape {x.shape} must be one image, (H, W, 1) or (H, W, 3)"
        )
    refuse_above(
        where,
        f"image of shape {x.shape}",
        max(x.shape[:2]),
        PIXELS_LIMIT,
        "pixels along a side can be seen",
        "give a part of it or a smaller one, if the network takes any size",
    )
    return x
