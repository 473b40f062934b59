"""A chain of layers; and that it may pool before relu, where nobody can see it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn
from minigrad.nn.calls import record_calls, record_outputs


def test_sequential_indexes_slices_and_iterates() -> None:
    layers = [nn.Dense(3, 5), nn.ReLU(), nn.Dense(5, 2)]
    net = nn.Sequential(*layers)
    assert len(net) == 3
    assert list(net) == layers
    assert net[-1] is layers[2]
    head = net[:2]
    assert isinstance(head, nn.Sequential)
    assert list(head) == layers[:2]  # the same layers: parameters are shared
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(net(x).data, layers[2](head(x)).data)


def test_an_empty_sequential_is_the_identity() -> None:
    x = Tensor([1.0, 2.0])
    assert nn.Sequential()(x) is x


@pytest.mark.parametrize(
    ("layers", "quoted"),
    [
        (([nn.ReLU(), nn.ReLU()],), "layer 0 is a list"),
        ((nn.ReLU(), None), "layer 1 is a NoneType"),
        ((nn.Dense(2, 3), nn.ReLU), "layer 1 is the class ReLU, .*: ReLU\\("),
        ((mg.functional.relu,), "layer 0 is a function"),
    ],
)
def test_sequential_of_something_else(layers: Any, quoted: str) -> None:
    with pytest.raises(TypeError, match=f"Sequential: {quoted}"):
        nn.Sequential(*layers)


# --- relu behind the pool -------------------------------------------------------------------------


class MyReLU(nn.ReLU):
    """A subclass may compute anything."""


class MyPool(nn.MaxPool2D):
    """Likewise."""


def order_of(*layers: nn.Module) -> list[str]:
    """The operators of the chain as they ran, with fast paths on."""
    x = Tensor(np.ones((2, 7, 9, 3), np.float32), requires_grad=True)
    with mg.fast_paths(True):
        out = nn.Sequential(*layers)(x)
    operators, node = [], out.node
    while isinstance(node, mg.engine.Node):
        operators.append(node.primitive.name)
        assert node.parents is not None
        node = node.parents[0]
    return operators[::-1]


@pytest.fixture
def images() -> Tensor:
    """Many cells are equal, and many windows without a positive one."""
    values = np.random.default_rng(0).integers(-3, 4, (2, 8, 9, 3))
    return Tensor(values.astype(np.float64) / 4, requires_grad=True)


@pytest.mark.parametrize("kernel_size", [2, (2, 3), 1])
@pytest.mark.parametrize("stride", [None, (1, 2)])
@pytest.mark.parametrize("padding", ["VALID", "SAME"])
def test_the_numbers_stay(images: Tensor, kernel_size: Any, stride: Any, padding: str) -> None:
    """Outputs and gradients to the bit; second derivatives, which are sums, but for rounding."""
    weight = Tensor(np.random.default_rng(1).standard_normal(3), requires_grad=True)
    net = nn.Sequential(nn.ReLU(), nn.MaxPool2D(kernel_size, stride, padding))
    results = []
    for fast in (True, False):
        with mg.fast_paths(fast):
            out = net(images * weight)
            g = np.random.default_rng(2).standard_normal(out.shape)
            (slope,) = mg.grad(out, [images], g, create_graph=True)
            results.append([out, slope, *mg.grad((slope**3).sum(), [images, weight])])
    assert (results[0][0].data == 0).any()
    for of_fast, of_plain in zip(*(result[:2] for result in results), strict=True):
        np.testing.assert_array_equal(of_fast.data, of_plain.data)
    for of_fast, of_plain in zip(*(result[2:] for result in results), strict=True):
        np.testing.assert_allclose(of_fast.data, of_plain.data, rtol=1e-12, atol=1e-12)


def test_pooling_comes_first() -> None:
    relu, pool = nn.ReLU(), nn.MaxPool2D(2)
    assert order_of(relu, pool) == ["tile_max", "relu"]
    assert order_of(pool, relu) == ["tile_max", "relu"]
    assert order_of(relu, pool, pool, nn.Tanh()) == ["tile_max", "tile_max", "relu", "tanh"]
    assert order_of(relu, relu, pool, relu) == ["relu", "tile_max", "relu", "relu"]
    assert order_of(relu, nn.MaxPool2D(2, 1)) == ["window_max", "window_max", "relu"]


@pytest.mark.parametrize("training", [True, False])
def test_in_training_and_in_evaluation(training: bool) -> None:
    layers = [nn.ReLU().train(training), nn.MaxPool2D(2).train(training)]
    assert order_of(*layers) == ["tile_max", "relu"]


def test_not_for_subclasses_and_other_layers() -> None:
    assert order_of(MyReLU(), nn.MaxPool2D(2)) == ["relu", "tile_max"]
    assert order_of(nn.ReLU(), MyPool(2)) == ["relu", "tile_max"]
    assert order_of(nn.Tanh(), nn.MaxPool2D(2)) == ["tanh", "tile_max"]
    assert order_of(nn.ReLU(), nn.AvgPool2D(2))[0] == "relu"
    assert order_of(nn.Sequential(nn.ReLU()), nn.MaxPool2D(2)) == ["relu", "tile_max"]


def test_not_for_a_layer_whose_forward_was_replaced() -> None:
    relu, pool = nn.ReLU(), nn.MaxPool2D(2)
    relu.forward = lambda x: x.tanh()  # type: ignore[method-assign]
    assert order_of(relu, pool) == ["tanh", "tile_max"]


def test_not_with_fast_paths_off(images: Tensor) -> None:
    with mg.fast_paths(False):
        out = nn.Sequential(nn.ReLU(), nn.MaxPool2D((2, 1)))(images)
    assert out.node is not None
    assert out.node.primitive.name == "window_max"


@pytest.mark.parametrize("watched", [0, 1])
@pytest.mark.parametrize("register", ["register_forward_hook", "register_forward_pre_hook"])
def test_not_while_somebody_watches(watched: int, register: str) -> None:
    """A hook sees what the layer makes in its place; with the hook gone the order is free again."""
    layers = [nn.ReLU(), nn.MaxPool2D(2)]
    seen: list[Any] = []
    handle = getattr(layers[watched], register)(lambda *call: seen.extend(call[-1:]))
    assert order_of(*layers) == ["relu", "tile_max"]
    assert len(seen) == 1
    handle.remove()
    assert order_of(*layers) == ["tile_max", "relu"]
    assert len(seen) == 1


def test_what_is_recorded_are_the_layers_in_their_order(images: Tensor) -> None:
    net = nn.Sequential(nn.Conv2D(3, 4, 3), nn.ReLU(), nn.MaxPool2D(2))
    with mg.fast_paths(True):
        names = [call.name for call in record_calls("test", net, (8, 9, 3))]
        made, _ = record_outputs("test", net, images.data)
    assert names == ["layers.0", "layers.1", "layers.2", ""]
    assert [output.array.shape for output in made] == [(2, 8, 9, 4)] * 2 + [(2, 4, 4, 4)]
    np.testing.assert_array_equal(made[1].array, np.maximum(made[0].array, 0))


def test_hooks_around_the_two_see_the_same(images: Tensor) -> None:
    first, last = nn.BatchNorm(3).astype(np.float64), nn.Flatten()
    net = nn.Sequential(first, nn.ReLU(), nn.MaxPool2D(2), last)
    seen: dict[bool, list[Any]] = {True: [], False: []}
    for fast, arrays in seen.items():
        handles = [
            layer.register_forward_hook(
                lambda module, inputs, output, arrays=arrays: arrays.extend(
                    [inputs[0].data, output.data]
                )
            )
            for layer in (net, first, last)
        ]
        with mg.fast_paths(fast):
            net(images)
        for handle in handles:
            handle.remove()
    assert len(seen[True]) == 6
    for of_fast, of_plain in zip(*seen.values(), strict=True):
        np.testing.assert_array_equal(of_fast, of_plain)
