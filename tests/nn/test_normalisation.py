"""BatchNorm and LayerNorm: values, running statistics, derivatives to second order, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import Tensor, nn
from tests import oracles
from tests.derivatives import check_derivatives

Array = np.ndarray[Any, Any]

SHAPES = [(7, 3), (2, 5, 4, 3)]  # rows, and images: the channels are last


def random_array(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape) * 1.7 + 0.4


def trained(layer: Any, seed: int = 5) -> Any:
    """A float64 copy with weights and statistics that are not where they start."""
    layer = layer.astype(np.float64)
    for position, (name, tensor) in enumerate(layer.named_tensors()):
        numbers = np.random.default_rng([seed, position])
        positive = name in ("weight", "running_var")
        tensor.data[...] = (
            numbers.uniform(0.5, 2.0, tensor.shape)
            if positive
            else numbers.standard_normal(tensor.shape)
        )
    return layer


def with_parameters(layer: Any) -> Callable[..., Tensor]:
    """The layer as a function of its input and its parameters."""

    def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        layer.weight, layer.bias = weight, bias
        return layer(x)

    return function


# --- BatchNorm ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_batch_norm_in_training(shape: tuple[int, ...], eps: float) -> None:
    layer = trained(nn.BatchNorm(3, eps))
    x = random_array(*shape)
    expected = oracles.batch_norm(x, layer.weight.data, layer.bias.data, eps)
    np.testing.assert_allclose(layer(x).data, expected, rtol=0, atol=1e-13)


def test_batch_norm_starts_as_plain_standardisation() -> None:
    out = nn.BatchNorm(3)(random_array(70, 3).astype(np.float32)).data
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(out.var(axis=0), 1, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_batch_norm_in_evaluation_uses_the_running_statistics(shape: tuple[int, ...]) -> None:
    layer = trained(nn.BatchNorm(3, eps=0.2)).eval()
    before = layer.state_dict()
    x = random_array(*shape)
    out = layer(x).data
    mean, var = layer.running_mean.data, layer.running_var.data
    for position in np.ndindex(*shape):
        c = position[-1]
        z = (x[position] - mean[c]) / math.sqrt(var[c] + 0.2)
        expected = z * layer.weight.data[c] + layer.bias.data[c]
        assert out[position] == pytest.approx(expected, rel=1e-13, abs=1e-13)
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("momentum", [0.1, 0.35, 1.0, 0.0])
def test_running_statistics_follow_the_batches(shape: tuple[int, ...], momentum: float) -> None:
    layer = nn.BatchNorm(3, momentum=momentum).astype(np.float64)
    mean, var = [0.0] * 3, [1.0] * 3
    for step in range(4):
        x = random_array(*shape, seed=step)
        layer(x)
        for c in range(3):
            cells = [float(cell) for cell in x[..., c].flat]
            average = math.fsum(cells) / len(cells)
            unbiased = math.fsum((cell - average) ** 2 for cell in cells) / (len(cells) - 1)
            mean[c] = (1 - momentum) * mean[c] + momentum * average
            var[c] = (1 - momentum) * var[c] + momentum * unbiased
        np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-13, atol=1e-14)


def test_running_statistics_of_a_steady_input_are_reached() -> None:
    layer = nn.BatchNorm(3).astype(np.float64)
    x = random_array(50, 3)
    for _ in range(300):
        layer(x)
    np.testing.assert_allclose(layer.running_mean.data, x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(layer.running_var.data, x.var(axis=0, ddof=1), rtol=1e-12)


def test_running_statistics_are_state_without_gradient_and_stay_the_same_arrays() -> None:
    layer = nn.BatchNorm(3)
    mean, var = layer.running_mean.data, layer.running_var.data
    layer(random_array(7, 3).astype(np.float32)).sum().backward()
    assert layer.running_mean.data is mean and layer.running_var.data is var
    assert layer.running_mean.grad is None and layer.running_var.grad is None
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    assert mean.dtype == var.dtype == np.float32


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_derivatives_to_second_order(shape: tuple[int, ...], training: bool) -> None:
    layer = trained(nn.BatchNorm(3)).train(training)
    arrays = [random_array(*shape), random_array(3, seed=1), random_array(3, seed=2)]
    check_derivatives(with_parameters(layer), arrays, order=2, tolerance=1e-7)


def test_a_training_batch_of_norm_ignores_shift_and_scale_of_its_input() -> None:
    """So the gradient along both directions is zero: the oldest mistake in this backward pass."""
    layer = trained(nn.BatchNorm(3, eps=0.0))
    x = Tensor(random_array(7, 3), requires_grad=True)
    out = layer(x)
    out.backward(random_array(7, 3, seed=1))
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data.sum(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose((x.grad.data * x.data).sum(axis=0), 0, atol=1e-13)


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 1, 3), (0, 3)])
def test_a_single_value_per_channel_has_no_variance(shape: tuple[int, ...]) -> None:
    layer = nn.BatchNorm(3)
    with pytest.raises(ValueError, match=r"BatchNorm: in training .*shape .* has [01] value.*eval"):
        layer(np.zeros(shape, np.float32))
    assert layer.running_var.data.tolist() == [1.0, 1.0, 1.0]
    assert layer.eval()(np.zeros(shape, np.float32)).shape == shape


def test_one_image_is_enough_where_it_has_several_cells() -> None:
    x = random_array(1, 4, 5, 3)
    expected = oracles.batch_norm(x, np.ones(3), np.zeros(3))
    np.testing.assert_allclose(
        nn.BatchNorm(3).astype(np.float64)(x).data, expected, rtol=0, atol=1e-13
    )


# --- LayerNorm ------------------------------------------------------------------------------------


@pytest.mark.parametrize("eps", [1e-5, 0.3])
def test_layer_norm_over_the_last_axis(eps: float) -> None:
    layer = trained(nn.LayerNorm(5, eps))
    x = random_array(2, 3, 4, 5)
    expected = oracles.layer_norm(x, layer.weight.data, layer.bias.data, eps)
    np.testing.assert_allclose(layer(x).data, expected, rtol=0, atol=1e-13)


def test_layer_norm_over_several_axes_is_that_over_one_of_all_their_cells() -> None:
    layer = trained(nn.LayerNorm([4, 5]))
    x = random_array(2, 3, 4, 5)
    expected = oracles.layer_norm(
        x.reshape(2, 3, 20), layer.weight.data.reshape(20), layer.bias.data.reshape(20)
    )
    np.testing.assert_allclose(layer(x).data, expected.reshape(x.shape), rtol=0, atol=1e-13)


def test_layer_norm_is_the_same_in_training_and_evaluation() -> None:
    layer, x = trained(nn.LayerNorm(5)), random_array(1, 5)
    np.testing.assert_array_equal(layer(x).data, layer.eval()(x).data)


@pytest.mark.parametrize("sizes", [(5,), (4, 5)])
def test_layer_norm_derivatives_to_second_order(sizes: tuple[int, ...]) -> None:
    layer = trained(nn.LayerNorm(sizes))
    arrays = [random_array(2, 4, 5), random_array(*sizes, seed=1), random_array(*sizes, seed=2)]
    check_derivatives(with_parameters(layer), arrays, order=2, tolerance=1e-7)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "quoted"),
    [
        (lambda: nn.BatchNorm(0), ValueError, "BatchNorm: num_features=0"),
        (lambda: nn.BatchNorm(3.0), TypeError, "BatchNorm: num_features=3.0"),
        (lambda: nn.BatchNorm(3, eps=-1e-5), ValueError, "BatchNorm: eps=-1e-05 must not be neg"),
        (lambda: nn.BatchNorm(3, momentum=1.5), ValueError, "BatchNorm: momentum=1.5.*0.*1"),
        (lambda: nn.BatchNorm(3, momentum=math.nan), ValueError, "BatchNorm: momentum=nan"),
        (
            lambda: nn.BatchNorm(3, eps="a"),
            TypeError,
            r"BatchNorm: eps must be a number, got 'a' \(str\)",
        ),
        (
            lambda: nn.BatchNorm(3, momentum="a"),
            TypeError,
            r"BatchNorm: momentum must be a number, got 'a' \(str\)",
        ),
        (
            lambda: nn.LayerNorm(3, eps="a"),
            TypeError,
            r"LayerNorm: eps must be a number, got 'a' \(str\)",
        ),
        (lambda: nn.LayerNorm(0), ValueError, "LayerNorm: normalized_shape=0"),
        (lambda: nn.LayerNorm((3, 0.5)), TypeError, "LayerNorm: normalized_shape=0.5"),
        (lambda: nn.LayerNorm(()), ValueError, r"LayerNorm: normalized_shape=\(\)"),
        (lambda: nn.LayerNorm(3, eps=math.nan), ValueError, "LayerNorm: eps=nan must not be neg"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], quoted: str) -> None:
    with pytest.raises(error, match=quoted):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "quoted"),
    [
        (
            nn.BatchNorm(3),
            (2, 3, 7, 9),
            r"BatchNorm\(num_features=3\): .*\(2, 3, 7, 9\).*\(N, \.\.\., 3\)",
        ),
        (nn.BatchNorm(3), (3,), r"BatchNorm\(num_features=3\): .*\(3,\).*\(N, \.\.\., 3\)"),
        (nn.LayerNorm((4, 5)), (2, 5, 4), r"LayerNorm\(\(4, 5\)\): .*\(2, 5, 4\)"),
        (nn.LayerNorm((4, 5)), (5,), r"LayerNorm\(\(4, 5\)\): .*\(5,\)"),
    ],
)
def test_bad_inputs(layer: nn.Module, shape: tuple[int, ...], quoted: str) -> None:
    with pytest.raises(ValueError, match=quoted):
        layer(np.zeros(shape, np.float32))
