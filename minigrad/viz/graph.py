"""`draw_graph`: the recorded graph behind a tensor, as a picture.

The layout is layered, after Sugiyama, Tagawa and Toda (1981): every box lies above all that was
computed from it, edges that pass a layer get a place of their own in it, the boxes of a layer are
ordered so that edges cross little, and then moved so that edges run straight where they can.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Differentiable, Node, Source
from ..nn import Module
from ..tensor import Tensor
from .figures import BLUE, GREY, ORANGE, Path, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BOXES_AT_MOST = 500  # more of them are no readable picture

# In inches.
BOX_HEIGHT = 0.27
LAYER_HEIGHT = 0.66
PADDING = 0.1  # between a box's border and its text
GAP = 0.2  # between the boxes of a layer
MARGIN = 0.15
# In points.
TITLE_SIZE = 9.0
SHAPE_SIZE = 7.5


@dataclass(frozen=True)
class _Style:
    """How a kind of box looks. Kinds differ in more than colour: corners, border, lightness."""

    fill: str
    border: str
    line: str = "-"
    rounding: float = 0.0


STYLES = {
    "operator": _Style("white", "black"),
    "parameter": _Style("#C3DEEF", BLUE, rounding=BOX_HEIGHT / 2),
    "leaf": _Style("#FCEBCC", ORANGE, rounding=BOX_HEIGHT / 2),
    "constant": _Style("#F4F4F4", GREY, "--", rounding=BOX_HEIGHT / 2),
}


def draw_graph(
    tensor: Tensor,
    path: Path | None = None,
    names: Module | Mapping[str, Tensor] | None = None,
) -> Figure:
    """The operators that made a tensor, the tensors they started from, and the shapes in between.

    Data flow downwards. Only what was recorded is there: operators on tensors that require no
    gradient leave no trace, and what they made is a constant, shown where a rule has saved it.

    Args:
        tensor: computed from tensors that require grad, its graph not yet freed by backward.
        path: of a picture file to write, PNG or SVG by its ending.
        names: a Module, whose parameters are shown by name; or tensors by name, leaves and others.

    Raises:
        TypeError: `tensor` is no Tensor, or `names` is neither a Module nor a dict of Tensors.
        ValueError: nothing was recorded, the graph has been freed, or it has over 500 boxes.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> figure = draw_graph((x * x + x.exp()).sum(), names={"x": x})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['x', '(2,)', 'multiply', '(2,)', 'exp', '(2,)', 'add', '(2,)', 'sum', '()', 'operator', 'leaf']
    """
    boxes = _boxes(tensor, names)
    layers = _layers(boxes)
    _reduce_crossings(layers)
    _place(layers)
    return finish(_figure(boxes, layers), path)


# --- what there is to draw ------------------------------------------------------------------------


@dataclass(eq=False)
class _Box:
    """A box; or without a title a bend, where an edge passes a layer on its way further down."""

    kind: str
    title: str
    shape: tuple[int, ...] | None = None  # of the tensor that comes out
    parents: list[_Box] = field(default_factory=list)  # in the order of the arguments
    children: list[_Box] = field(default_factory=list)
    layer: int = 0  # counted from the bottom
    depth: int = 1  # how many boxes the longest way from here up to a start has
    width: float = 0.0
    x: float = 0.0

    def connect(self, child: _Box) -> None:
        self.children.append(child)
        child.parents.append(self)
        child.depth = max(child.depth, self.depth + 1)


def _boxes(tensor: Tensor, names: Module | Mapping[str, Tensor] | None) -> list[_Box]:
    """A box for every operator and every start, each after its parents. The last is the output."""
    if not isinstance(tensor, Differentiable):
        raise TypeError(
            f"draw_graph: tensor is {type(tensor).__name__}, not a Tensor: {tensor!r:.80}"
        )
    if tensor.node is None:
        raise ValueError(
            f"draw_graph: the tensor of shape {tensor.shape} was not computed from tensors that "
            "require grad, or inside no_grad: there is nothing recorded to draw"
        )
    known = _names(names)
    kind_of_named = "parameter" if isinstance(names, Module) else "leaf"
    boxes: dict[Source, _Box] = {}
    all_boxes: list[_Box] = []

    def add(kind: str, title: str, shape: tuple[int, ...]) -> _Box:
        all_boxes.append(_Box(kind, title, shape))
        return all_boxes[-1]

    for node in _nodes(tensor.node):
        assert node.parents is not None
        saved = node.saved or {}
        inputs = []
        for position, parent in enumerate(node.parents):
            if isinstance(parent, Node):
                inputs.append(boxes[parent])
            elif parent is not None:
                if parent not in boxes:
                    kind = kind_of_named if parent in known else "leaf"
                    boxes[parent] = add(kind, known.get(parent, "leaf"), parent.shape)
                inputs.append(boxes[parent])
            else:
                value = saved.get(node.primitive.argument_name(position))
                if isinstance(value, (Differentiable, np.ndarray)):
                    inputs.append(add("constant", "constant", value.shape))
        title = _title(node)
        boxes[node] = add(
            "operator", f"{known[node]} = {title}" if node in known else title, node.shape
        )
        for box in inputs:
            box.connect(boxes[node])
    return all_boxes


def _nodes(output: Node) -> list[Node]:
    """All nodes behind one, each after its parents."""
    found: set[Node] = set()
    stack = [output]
    while stack:
        node = stack.pop()
        if node in found:
            continue
        if node.parents is None:
            raise ValueError(
                "draw_graph: the graph has been freed by backward; draw it before that, or give "
                "backward retain_graph=True"
            )
        found.add(node)
        if len(found) > BOXES_AT_MOST:
            raise ValueError(
                f"draw_graph: the graph has more than {BOXES_AT_MOST} operators, too many to read; "
                "draw a tensor from further up, or a smaller network"
            )
        stack.extend(parent for parent in node.parents if isinstance(parent, Node))
    return sorted(found, key=lambda node: node.position)


def _title(node: Node) -> str:
    """The operator's name, with the numbers it was given where there are at most two."""
    numbers = [
        f"{name} = {value:.6g}"
        for name, value in (node.saved or {}).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    ]
    return node.primitive.name + (f"  {', '.join(numbers)}" if 0 < len(numbers) <= 2 else "")


def _names(names: Any) -> dict[Source, str]:
    """The names by what they are the names of: nodes, and leaves."""
    if names is None:
        return {}
    if isinstance(names, Module):
        pairs = list(names.named_parameters())
    elif isinstance(names, Mapping) and all(isinstance(t, Tensor) for t in names.values()):
        pairs = list(names.items())
    else:
        raise TypeError(
            "draw_graph: names must be a Module, or a dict from names to Tensors; got "
            f"{type(names).__name__}: {names!r:.80}"
        )
    return {tensor.node or tensor: str(name) for name, tensor in pairs}


# --- where it goes --------------------------------------------------------------------------------


def _layers(boxes: Sequence[_Box]) -> list[list[_Box]]:
    """The boxes layer by layer, the output's first, and bends wherever an edge passes a layer."""
    for box in reversed(boxes):
        box.layer = 1 + max((child.layer for child in box.children), default=-1)
        box.width = 2 * PADDING + max(
            _text_width(box.title, TITLE_SIZE), _text_width(str(box.shape), SHAPE_SIZE)
        )
    for box in boxes:
        _bend(box)
    # Depth first from the output, so that the boxes are ordered as the arguments are.
    layers: list[list[_Box]] = [[] for _ in range(1 + max(box.layer for box in boxes))]
    met: set[_Box] = set()
    stack = [boxes[-1]]
    while stack:
        box = stack.pop()
        if box not in met:
            met.add(box)
            layers[box.layer].append(box)
            stack.extend(reversed(box.parents))
    return layers


def _bend(box: _Box) -> None:
    """Lead the edges to children in deeper layers through one bend per layer in between."""
    far = [child for child in box.children if child.layer < box.layer - 1]
    if not far:
        return
    box.children = [child for child in box.children if child.layer == box.layer - 1]
    last = box
    for layer in range(box.layer - 1, min(child.layer for child in far), -1):
        bend = _Box("bend", "", parents=[last], layer=layer, depth=box.depth)
        last.children.append(bend)
        for child in far:
            if child.layer == layer - 1:
                bend.children.append(child)
                child.parents = [bend if parent is box else parent for parent in child.parents]
        last = bend


def _text_width(text: str, size: float) -> float:
    """How wide a text is, in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    points, _, _ = text_to_path.get_text_width_height_descent(
        text, FontProperties(size=size), ismath=False
    )
    return float(points) / 72


def _reduce_crossings(layers: list[list[_Box]]) -> None:
    """Sort each layer by where its boxes' neighbours are on average, sweeping up and down."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(8):
        upwards = sweep % 2 == 0
        heights = range(1, len(layers)) if upwards else range(len(layers) - 2, -1, -1)
        for height in heights:
            places = _places(layers[height - 1 if upwards else height + 1])
            own = _places(layers[height])
            averages = {}
            for box in layers[height]:
                neighbours = box.children if upwards else box.parents
                averages[box] = (
                    float(np.mean([places[neighbour] for neighbour in neighbours]))
                    if neighbours
                    else own[box]
                )
            layers[height].sort(key=averages.__getitem__)
        crossings = _crossings(layers)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    layers[:] = best


def _places(layer: list[_Box]) -> dict[_Box, int]:
    return {box: place for place, box in enumerate(layer)}


def _crossings(layers: list[list[_Box]]) -> int:
    """How often two edges cross."""
    count = 0
    for below, above in itertools.pairwise(layers):
        places = _places(above)
        ends = [
            (place, places[parent])
            for place, box in enumerate(below)
            for parent in set(box.parents)
        ]
        count += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(ends) for c, d in ends[:i])
    return count


def _place(layers: list[list[_Box]]) -> None:
    """Give every box its x, so that edges run straight, above all those of the longest chains."""
    for layer in layers:
        for box, x in zip(layer, _apart(layer, [0.0] * len(layer)), strict=True):
            box.x = x
    for sweep in range(12):
        downwards = sweep % 2 == 1
        for layer in reversed(layers) if downwards else layers:
            wanted = [_wanted_place(box, downwards) for box in layer]
            for box, x in zip(layer, _apart(layer, wanted), strict=True):
                box.x = x
    left = min(box.x - box.width / 2 for layer in layers for box in layer)
    for layer in layers:
        for box in layer:
            box.x += MARGIN - left


def _wanted_place(box: _Box, downwards: bool) -> float:
    """Under the longest chain that leads to a box, or else above what its edges lead to."""
    if downwards and box.parents:
        deepest = max(parent.depth for parent in box.parents)
        neighbours = [parent for parent in box.parents if parent.depth == deepest]
    else:
        bends = [child for child in box.children if child.kind == box.kind == "bend"]
        neighbours = bends or box.children  # a long edge should not zigzag
    return float(np.mean([neighbour.x for neighbour in neighbours])) if neighbours else box.x


def _apart(layer: list[_Box], wanted: list[float]) -> list[float]:
    """The places nearest to the wanted ones (weighted squares) where no two boxes touch.

    Less the room that the boxes before it need, each place must be at least the one before it.
    Wherever it is not, the two are pooled at their weighted mean.
    """
    starts = [0.0]
    for left, right in itertools.pairwise(layer):
        starts.append(starts[-1] + (left.width + right.width) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many boxes
    for box, place, start in zip(layer, wanted, starts, strict=True):
        mean, weight, count = place - start, float(box.depth**3), 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, count = weight + other_weight, count + other_count
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + start for mean, start in zip(means, starts, strict=True)]


# --- drawing --------------------------------------------------------------------------------------


def _figure(boxes: Sequence[_Box], layers: list[list[_Box]]) -> Figure:
    """The picture. One unit of the axes is an inch."""
    legend = _legend([kind for kind in STYLES if any(box.kind == kind for box in boxes)])
    bottom = MARGIN + LAYER_HEIGHT
    width = max(box.x + box.width / 2 for layer in (*layers, legend) for box in layer) + MARGIN
    height = bottom + LAYER_HEIGHT * len(layers)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # the axes are the whole figure
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(0, height))
    axes.set_axis_off()

    def y_of(box: _Box) -> float:
        return bottom + LAYER_HEIGHT * box.layer + (LAYER_HEIGHT - BOX_HEIGHT / 2 - MARGIN)

    for layer in layers:
        for box in layer:
            for position, parent in enumerate(box.parents):
                # Arguments arrive side by side, from left to right.
                share = (position + 1) / (len(box.parents) + 1) - 0.5
                end = (box.x + share * 0.8 * box.width, y_of(box) + BOX_HEIGHT / 2)
                start = (parent.x, y_of(parent) - BOX_HEIGHT / 2)
                if parent.kind == "bend":
                    start = (parent.x, y_of(parent))
                if box.kind == "bend":
                    end = (box.x, y_of(box))
                _draw_edge(axes, start, end, arrow=box.kind != "bend")
    for box in boxes:
        _draw_box(axes, box, y_of(box))
    axes.plot([MARGIN, width - MARGIN], [bottom - 0.12] * 2, color=GREY, linewidth=0.6)
    for box in legend:
        _draw_box(axes, box, MARGIN + BOX_HEIGHT / 2)
    return figure


def _legend(kinds: list[str]) -> list[_Box]:
    """A box of every kind, side by side."""
    x, legend = MARGIN, []
    for kind in kinds:
        width = _text_width(kind, TITLE_SIZE) + 2 * PADDING
        legend.append(_Box(kind, kind, width=width, x=x + width / 2))
        x += width + GAP
    return legend


def _draw_edge(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], arrow: bool
) -> None:
    """A line that leaves and arrives vertically."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve

    middle = (start[1] + end[1]) / 2
    curve = Curve(
        [start, (start[0], middle), (end[0], middle), end],
        [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4],
    )
    axes.add_patch(
        FancyArrowPatch(
            path=curve,
            arrowstyle="-|>" if arrow else "-",
            mutation_scale=8,
            linewidth=0.9,
            color="#555555",
        )
    )


def _draw_box(axes: Axes, box: _Box, y: float) -> None:
    """The box with its title, and under it the shape of what comes out, upon the edges."""
    from matplotlib.patches import FancyBboxPatch

    style = STYLES[box.kind]
    axes.add_patch(
        FancyBboxPatch(
            (box.x - box.width / 2, y - BOX_HEIGHT / 2),
            box.width,
            BOX_HEIGHT,
            boxstyle=f"round,pad=0,rounding_size={style.rounding}"
            if style.rounding
            else "square,pad=0",
            facecolor=style.fill,
            edgecolor=style.border,
            linestyle=style.line,
            linewidth=1.0,
            zorder=3,
        )
    )
    axes.text(box.x, y, box.title, size=TITLE_SIZE, ha="center", va="center", zorder=4)
    if box.shape is not None:
        axes.text(
            box.x,
            y - BOX_HEIGHT / 2 - 0.09,
            str(box.shape),
            size=SHAPE_SIZE,
            ha="center",
            va="center",
            color="#333333",
            zorder=4,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )
