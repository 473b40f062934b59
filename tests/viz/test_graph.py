"""`mg.viz.draw_graph`: what is in the picture, and that nothing in it lies upon anything else."""

import itertools

import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch
from PIL import Image

import minigrad as mg
import minigrad.functional as F
from minigrad import nn
from minigrad.viz import draw_graph, graph
from models.lenet5 import lenet5


def leaf(*shape, dtype=np.float32):
    return mg.Tensor(np.ones(shape, dtype), requires_grad=True)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def titles(figure):
    """The texts but for shapes, and but for the legend."""
    kinds = legend(figure)
    return [text for text in texts(figure) if not text.startswith("(")][: -len(kinds)]


def legend(figure):
    found = [text for text in texts(figure) if text in graph.STYLES]
    return [kind for kind in graph.STYLES if kind in found]


def laid_out(tensor, names=None):
    boxes = graph._boxes(tensor, names)
    layers = graph._layers(boxes)
    graph._reduce_crossings(layers)
    graph._place(layers)
    return boxes, layers


def edges(boxes):
    """(parent, child) for each argument, by title; bends are followed up to where they begin."""
    found = []
    for box in boxes:
        for parent in box.parents:
            while parent.kind == "bend":
                (parent,) = parent.parents
            found.append((parent.title, box.title))
    return found


# --- what is in it --------------------------------------------------------------------------------


def test_operators_leaves_shapes_and_edges():
    x, y = leaf(2, 3), leaf(3)
    figure = draw_graph((x * x + y.exp()).sum(axis=1), names={"x": x, "y": y})
    assert texts(figure)[:-2] == [
        *("x", "(2, 3)", "multiply", "(2, 3)", "y", "(3,)", "exp", "(3,)"),
        *("broadcast_to", "(2, 3)", "add", "(2, 3)", "sum", "(2,)"),
    ]
    assert legend(figure) == ["operator", "leaf"]
    boxes, _ = laid_out((x * x + y.exp()).sum(axis=1), {"x": x, "y": y})
    assert edges(boxes) == [
        *(("x", "multiply"), ("x", "multiply"), ("y", "exp"), ("exp", "broadcast_to")),
        *(("multiply", "add"), ("broadcast_to", "add"), ("add", "sum")),
    ]


def test_numbers_among_the_arguments_are_shown():
    x = leaf(3)
    assert titles(draw_graph(x * 2 + x**-1.5)) == [
        *("leaf", "multiply  y = 2", "power_scalar  exponent = -1.5", "add")
    ]


def test_parameters_have_their_names_and_a_look_of_their_own():
    net = nn.Sequential(nn.Dense(3, 5), nn.Tanh())
    x = leaf(2, 3)
    with mg.fast_paths(False):
        figure = draw_graph(net(x), names=net)
    assert titles(figure) == [
        *("leaf", "layers.0.weight", "rows_matmul", "layers.0.bias", "broadcast_to", "add", "tanh")
    ]
    assert legend(figure) == ["operator", "parameter", "leaf"]
    with mg.fast_paths(True):
        assert titles(draw_graph(net(x), names=net)) == [
            *("leaf", "layers.0.weight", "layers.0.bias", "affine", "tanh")
        ]
    looks = {style: (style.fill, style.border, style.line) for style in graph.STYLES.values()}
    assert len(set(looks.values())) == len(graph.STYLES)


def test_constants_are_shown_where_a_rule_has_saved_them():
    x = leaf(3, 5)
    figure = draw_graph(np.ones((2, 3), np.float32) @ x + np.ones(5, np.float32), names={"w": x})
    assert texts(figure)[:8] == [
        *("constant", "(2, 3)", "w", "(3, 5)", "rows_matmul", "(2, 5)", "add", "(2, 5)")
    ]
    assert legend(figure) == ["operator", "leaf", "constant"]


def test_computed_tensors_can_be_named_too():
    x = leaf(3)
    hidden = x.tanh()
    assert titles(draw_graph(hidden * hidden, names={"hidden": hidden, "x": x})) == [
        *("x", "hidden = tanh", "multiply")
    ]


def test_the_graph_of_a_gradient():
    x = leaf()
    (slope,) = mg.grad(x.exp(), [x], create_graph=True)
    assert titles(draw_graph(slope, names={"x": x})) == ["x", "exp", "constant", "multiply"]


def test_a_tensor_that_is_used_often_is_one_box():
    x = leaf(2)
    y = x
    for _ in range(5):
        y = y * x
    boxes, layers = laid_out(y, {"x": x})
    assert [box.title for box in boxes] == ["x"] + ["multiply"] * 5
    assert edges(boxes).count(("x", "multiply")) == 6
    bends = [box for layer in layers for box in layer if box.kind == "bend"]
    assert len(bends) == 4  # one per layer that an edge passes, shared


# --- where it is ----------------------------------------------------------------------------------


class Residual(nn.Module):
    """Branches that meet again: normalisation in training, and a connection past it all."""

    def __init__(self):
        self.first, self.norm, self.second = nn.Conv2D(3, 3, 3), nn.BatchNorm(3), nn.Conv2D(3, 3, 2)

    def forward(self, x):
        return x + self.second(self.norm(self.first(x)).relu())


def residual_network():
    net = nn.Sequential(Residual(), Residual())
    return F.softmax(net(leaf(2, 5, 4, 3)).sum((1, 2))).max(), net


def lenet_loss():
    net = lenet5()
    return F.cross_entropy(net(np.ones((2, 28, 28, 1), np.float32)), [3, 1]), net


GRAPHS = {
    "residual": residual_network,
    "lenet": lenet_loss,
    "branches": lambda: ((lambda x: (x.exp() + x.sin() + x * x + x.tanh()).sum())(leaf(3)), None),
}


@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS.keys())
def test_everything_lies_below_what_it_was_computed_from(build):
    boxes, layers = laid_out(*build())
    for height, layer in enumerate(layers):
        for box in layer:
            assert box.layer == height
            assert {parent.layer for parent in box.parents} <= {height + 1}
    assert layers[0] == [boxes[-1]]
    assert {box for layer in layers for box in layer} >= set(boxes)


@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS.keys())
def test_nothing_lies_upon_anything_else(build):
    _, layers = laid_out(*build())
    for layer in layers:
        for left, right in itertools.pairwise(layer):
            space = right.x - right.width / 2 - (left.x + left.width / 2)
            assert space >= graph.GAP - 1e-9


@pytest.mark.parametrize("build", GRAPHS.values(), ids=GRAPHS.keys())
def test_everything_is_inside_the_picture_and_texts_inside_their_boxes(build):
    tensor, names = build()
    figure = draw_graph(tensor, names=names)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (width, height) = figure.get_size_inches()
    assert axes.get_xlim() == (0, width)
    assert axes.get_ylim() == (0, height)
    to_inches = axes.transData.inverted()
    outlines = [patch.get_bbox() for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    for text in axes.texts:
        extent = text.get_window_extent().transformed(to_inches)
        assert extent.x0 > 0 and extent.x1 < width and extent.y0 > 0 and extent.y1 < height
        if not text.get_text().startswith("("):
            assert any(
                box.x0 < extent.x0 and extent.x1 < box.x1 and box.y0 < extent.y0 < box.y1
                for box in outlines
            )


def test_a_chain_is_a_straight_line():
    tensor, net = lenet_loss()
    boxes, _ = laid_out(tensor, net)
    spine = [box for box in boxes if box.depth > 4]
    assert len(spine) > 8
    assert np.ptp([box.x for box in spine]) < 0.02  # inches


def test_edges_meet_the_boxes_and_arguments_arrive_from_left_to_right(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        graph, "_draw_edge", lambda axes, *edge, arrow: drawn.append((*edge, arrow))
    )
    x, y = leaf(3), leaf(3)
    figure = draw_graph(x - y.exp(), names={"x": x, "y": y})
    boxes, _ = laid_out(x - y.exp(), {"x": x, "y": y})
    x_of = {box.title: box.x for box in boxes}
    y_of = {text.get_text(): text.get_position()[1] for text in figure.axes[0].texts}
    half = graph.BOX_HEIGHT / 2
    (from_x, from_exp, into_exp) = sorted(drawn, key=lambda edge: (edge[1][1], edge[1][0]))
    assert from_x[0] == pytest.approx((x_of["x"], y_of["x"] - half))
    assert from_exp[0] == pytest.approx((x_of["exp"], y_of["exp"] - half))
    assert into_exp[1] == pytest.approx((x_of["exp"], y_of["exp"] + half))
    assert from_x[1][1] == from_exp[1][1] == pytest.approx(y_of["subtract"] + half)
    assert from_x[1][0] < x_of["subtract"] < from_exp[1][0]
    assert all(arrow for *_, arrow in drawn)


def test_an_edge_past_a_layer_has_one_arrowhead(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        graph, "_draw_edge", lambda axes, *edge, arrow: drawn.append((*edge, arrow))
    )
    x = leaf(3)
    draw_graph(x.exp().sin() * x)
    assert sum(arrow for *_, arrow in drawn) == 4
    pieces = [edge for edge in drawn if not edge[2]]
    ends = {edge[1] for edge in pieces}
    assert len(pieces) == 2
    assert sum(edge[0] in ends for edge in drawn) == 2  # each piece goes on where one ended


def test_order_of_a_layer_avoids_crossings():
    """Two chains whose ends are swapped: in the order of the arguments, their edges would cross."""
    x, y = leaf(3), leaf(3)
    crossed = [x.exp(), y.exp()]
    boxes = graph._boxes(crossed[1] * crossed[0] + x.sin() * y.sin(), {"x": x, "y": y})
    layers = graph._layers(boxes)
    before = graph._crossings(layers)
    graph._reduce_crossings(layers)
    assert graph._crossings(layers) < before


# --- files ----------------------------------------------------------------------------------------


def test_writes_png_and_svg(tmp_path):
    x = leaf(3)
    figure = draw_graph((x * x).sum(), tmp_path / "graph.png")
    with Image.open(tmp_path / "graph.png") as picture:
        assert picture.size == tuple(int(inches * 150) for inches in figure.get_size_inches())
        assert len(picture.convert("L").getcolors()) > 10
    draw_graph((x * x).sum(), tmp_path / "graph.svg")
    assert "<svg" in (tmp_path / "graph.svg").read_text("utf-8")


def test_drawing_leaves_the_graph_as_it_was():
    x = leaf(3)
    total = (x * x).sum()
    draw_graph(total)
    total.backward()
    assert x.grad.data.tolist() == [2, 2, 2]


# --- bad input ------------------------------------------------------------------------------------


def test_what_is_no_tensor():
    with pytest.raises(TypeError, match="draw_graph: tensor is ndarray, not a Tensor"):
        draw_graph(np.ones(3))


def test_nothing_recorded():
    with pytest.raises(
        ValueError, match=r"draw_graph: the tensor of shape \(3,\) was not computed"
    ):
        draw_graph(leaf(3))
    with mg.no_grad(), pytest.raises(ValueError, match="nothing recorded to draw"):
        draw_graph(leaf(3) * 2)


def test_a_freed_graph():
    total = (leaf(3) * 2).sum()
    total.backward()
    with pytest.raises(ValueError, match="draw_graph: the graph has been freed by backward"):
        draw_graph(total)


def test_a_graph_too_large_to_read():
    y = leaf(1)
    for _ in range(graph.BOXES_AT_MOST + 1):
        y = y + 1
    with pytest.raises(ValueError, match="draw_graph: the graph has more than 500 operators"):
        draw_graph(y)


@pytest.mark.parametrize("names", [["x"], {"x": np.ones(3)}, "x"])
def test_names_of_another_kind(names):
    with pytest.raises(TypeError, match="draw_graph: names must be a Module, or a dict from names"):
        draw_graph(leaf(3) * 2, names=names)
