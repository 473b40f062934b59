"""Activation layers: values by `math`, derivatives to second order, and the ends of the range."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import Tensor, nn
from tests import oracles
from tests.derivatives import check_derivatives


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def gelu(z: float) -> float:
    return 0.5 * z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))


CELL_BY_CELL: list[tuple[nn.Module, Callable[[float], float]]] = [
    (nn.ReLU(), lambda z: max(z, 0.0)),
    (nn.LeakyReLU(), lambda z: z if z > 0 else 0.01 * z),
    (nn.LeakyReLU(0.3), lambda z: z if z > 0 else 0.3 * z),
    (nn.ELU(), lambda z: z if z > 0 else math.exp(z) - 1),
    (nn.ELU(0.7), lambda z: z if z > 0 else 0.7 * (math.exp(z) - 1)),
    (nn.GELU(), gelu),
    (nn.SiLU(), lambda z: z * sigmoid(z)),
    (nn.Sigmoid(), sigmoid),
    (nn.Tanh(), math.tanh),
]
each_function = pytest.mark.parametrize(
    ("layer", "function"), CELL_BY_CELL, ids=[repr(layer) for layer, _ in CELL_BY_CELL]
)


def away_from_zero(*shape: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 3.0, shape) * rng.choice([-1, 1], shape)


# article: L12
@each_function
def test_values(layer: nn.Module, function: Callable[[float], float]) -> None:
    x = away_from_zero(3, 5, 2)
    out = layer(x).data
    assert out.shape == x.shape
    for position in np.ndindex(*x.shape):
        expected = function(float(x[position]))
        assert out[position] == pytest.approx(expected, rel=1e-14, abs=1e-15)


# article: L2
@each_function
def test_derivatives_to_second_order(layer: nn.Module, function: Any) -> None:
    check_derivatives(layer, [away_from_zero(3, 5)], order=2)


@each_function
def test_the_ends_of_the_range_are_finite(layer: nn.Module, function: Any) -> None:
    """Without a warning, too: pytest turns those into errors."""
    x = Tensor([-1e4, -100.0, 0.0, 100.0, 1e4], requires_grad=True)
    layer(x).sum().backward()
    assert np.isfinite(layer(x).data).all()
    assert x.grad is not None and np.isfinite(x.grad.data).all()


@pytest.mark.parametrize("axis", [-1, 0, 1])
def test_softmax(axis: int) -> None:
    x = away_from_zero(3, 5, 2)
    layer = nn.Softmax(axis)
    np.testing.assert_allclose(layer(x).data, oracles.softmax(x, axis), rtol=1e-14, atol=0)
    check_derivatives(layer, [x], order=2)


def test_softmax_of_large_numbers() -> None:
    out = nn.Softmax()(Tensor([[1e4, 1e4, -1e4]])).data
    np.testing.assert_array_equal(out, np.array([[0.5, 0.5, 0.0]], np.float32))


def test_softmax_along_an_axis_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"softmax.*2"):
        nn.Softmax(2)(Tensor([[1.0, 2.0]]))


# article: L3
def test_activations_hold_no_tensors() -> None:
    for layer, _ in [*CELL_BY_CELL, (nn.Softmax(), None)]:
        assert layer.state_dict() == {}
