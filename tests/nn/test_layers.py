"""Layers with weights, pooling, dropout and the ones that move cells: values, gradients, refusals.

Values are held against loops over cells (`tests.oracles`) and closed forms, gradients of the input
and of every parameter against central differences in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn
from tests import oracles
from tests.derivatives import numerical_slope

Array = np.ndarray[Any, Any]


def random_array(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def spread_array(*shape: int, seed: int = 0) -> Array:
    """No two cells closer than 0.1, so that a small step changes no maximum, and none near 0."""
    order = np.random.default_rng(seed).permutation(math.prod(shape))
    return 0.1 * (order - len(order) // 2).reshape(shape) + 0.05


def check_gradients(layer: nn.Module, x: Array, seed: int = 1) -> None:
    """Hold `backward` through a float64 copy of the layer against central differences."""
    layer = layer.astype(np.float64)
    rng = np.random.default_rng(seed)
    x_tensor = Tensor(x.astype(np.float64), requires_grad=True)
    out = layer(x_tensor)
    cotangent = rng.standard_normal(out.shape)
    out.backward(cotangent)
    for name, tensor in [("x", x_tensor), *layer.named_parameters()]:
        assert tensor.grad is not None, name
        original, direction = tensor.data, rng.standard_normal(tensor.shape)

        def along(
            distance: float, tensor: Tensor = tensor, start: Array = original, d: Array = direction
        ) -> float:
            tensor.data = start + distance * d
            return float((layer(x_tensor).data * cotangent).sum())

        numerical = numerical_slope(along)
        tensor.data = original
        terms = tensor.grad.data * direction
        scale = np.abs(terms).sum() + np.abs(out.data * cotangent).sum()
        assert abs(terms.sum() - numerical) <= 1e-9 * scale, name


# --- Dense ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("leading", [(), (2,), (2, 4, 6)])
def test_dense_is_a_sum_of_products(leading: tuple[int, ...], bias: bool) -> None:
    layer = nn.Dense(3, 5, bias=bias).astype(np.float64)
    if bias:
        layer.bias.data[...] = random_array(5, seed=2)
    x = random_array(*leading, 3)
    out = layer(x).data
    assert out.shape == (*leading, 5)
    for position in np.ndindex(*leading):
        for j in range(5):
            expected = math.fsum(x[(*position, i)] * layer.weight.data[i, j] for i in range(3))
            expected += layer.bias.data[j] if bias else 0.0
            assert out[(*position, j)] == pytest.approx(expected, rel=1e-14, abs=1e-14)
    check_gradients(layer, x)


def test_dense_attributes() -> None:
    layer = nn.Dense(3, 5, rng=np.random.default_rng(0))
    assert (layer.in_features, layer.out_features) == (3, 5)
    assert layer.weight.shape == (3, 5) and layer.bias is not None and layer.bias.shape == (5,)
    assert not layer.bias.data.any()
    bound = math.sqrt(6 / (3 + 5))  # Glorot and Bengio, equation 16
    assert 0 < np.abs(layer.weight.data).max() <= bound
    assert nn.Dense(3, 5, bias=False).bias is None


# --- Conv2D ---------------------------------------------------------------------------------------


# article: L7
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 3)])
def test_conv2d_against_loops(groups: int, dilation: tuple[int, int]) -> None:
    """N 2, H 13, W 17, C 6, filters 10, kernel 3 x 5, strides 4 and 1, pads 0 7 8 9."""
    pads = ((0, 7), (8, 9))
    layer = nn.Conv2D(6, 10, (3, 5), (4, 1), pads, dilation, groups).astype(np.float64)
    layer.bias.data[...] = random_array(10, seed=2)
    x = random_array(2, 13, 17, 6)
    expected = (
        oracles.conv2d(x, layer.kernel.data, (4, 1), pads, dilation, groups) + layer.bias.data
    )
    out = layer(x)
    assert layer.kernel.shape == (3, 5, 6 // groups, 10)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=0, atol=1e-13)
    check_gradients(layer, x)


@pytest.mark.parametrize(
    ("padding", "pads"),
    [
        ("SAME", ((1, 1), (1, 2))),
        ("same", ((1, 1), (1, 2))),
        ("VALID", ((0, 0), (0, 0))),
        ("FULL", ((2, 2), (3, 3))),
        (6, ((6, 6), (6, 6))),
        ((5, 0), ((5, 5), (0, 0))),
    ],
)
def test_conv2d_paddings_without_bias(padding: Any, pads: Any) -> None:
    layer = nn.Conv2D(5, 6, (3, 4), (2, 1), padding, bias=False).astype(np.float64)
    x = random_array(2, 8, 7, 5)
    expected = oracles.conv2d(x, layer.kernel.data, (2, 1), pads)
    np.testing.assert_allclose(layer(x).data, expected, rtol=0, atol=1e-13)
    assert len(list(layer.parameters())) == 1
    check_gradients(layer, x)


def test_conv2d_takes_images_of_any_size() -> None:
    layer = nn.Conv2D(2, 5, (3, 4), padding="VALID")
    for height, width in [(9, 11), (7, 8), (3, 4)]:
        out = layer(np.zeros((6, height, width, 2), np.float32))
        assert out.shape == (6, height - 2, width - 3, 5)


# --- pooling --------------------------------------------------------------------------------------

POOLINGS = [
    # kernel, stride, padding, pads; images are (2, 11, 13, 5)
    ((3, 4), None, "VALID", ((0, 0), (0, 0))),
    ((4, 3), (1, 2), ((3, 0), (1, 2)), ((3, 0), (1, 2))),
    (4, (3, 1), "SAME", ((1, 2), (1, 2))),
    ((2, 6), (7, 4), (1, 3), ((1, 1), (3, 3))),
]


@pytest.mark.parametrize(("kernel", "stride", "padding", "pads"), POOLINGS)
@pytest.mark.parametrize(
    ("make", "oracle"),
    [(nn.MaxPool2D, oracles.max_pool2d), (nn.AvgPool2D, oracles.avg_pool2d)],
)
def test_pooling_against_loops(
    make: Any, oracle: Callable[..., Array], kernel: Any, stride: Any, padding: Any, pads: Any
) -> None:
    layer = make(kernel, stride, padding)
    kernel_size = (kernel, kernel) if isinstance(kernel, int) else kernel
    x = spread_array(2, 11, 13, 5)
    expected = oracle(x, kernel_size, kernel_size if stride is None else stride, pads)
    out = layer(x)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=0)
    assert list(layer.parameters()) == []
    check_gradients(layer, x)


def test_windows_that_are_changed_between_calls() -> None:
    """A layer remembers what its windows are, but not longer than they are so."""
    x = random_array(2, 9, 7, 3).astype(np.float32)
    conv, pool = nn.Conv2D(3, 4, (2, 3)), nn.MaxPool2D((2, 3))
    shapes = [(conv(x).shape, pool(x).shape)]
    conv.stride = pool.stride = (2, 1)
    shapes.append((conv(x).shape, pool(x).shape))
    conv.padding = pool.padding = ((1, 0), (0, 2))
    shapes.append((conv(x).shape, pool(x).shape))
    conv.dilation, pool.kernel_size = (1, 2), (4, 3)
    shapes.append((conv(x).shape, pool(x).shape))
    conv.kernel = Tensor(random_array(4, 1, 3, 4).astype(np.float32))
    shapes.append((conv(x).shape, pool(x).shape))
    assert shapes == [
        ((2, 9, 7, 4), (2, 4, 2, 3)),
        ((2, 5, 7, 4), (2, 4, 5, 3)),
        ((2, 5, 7, 4), (2, 5, 7, 3)),
        ((2, 5, 5, 4), (2, 4, 7, 3)),
        ((2, 4, 9, 4), (2, 4, 7, 3)),
    ]


def test_global_average() -> None:
    x = random_array(2, 5, 7, 3)
    expected = [[math.fsum(x[n, :, :, c].flat) / 35 for c in range(3)] for n in range(2)]
    np.testing.assert_allclose(nn.GlobalAvgPool2D()(x).data, expected, rtol=0, atol=1e-15)
    check_gradients(nn.GlobalAvgPool2D(), x)


# --- moving cells ---------------------------------------------------------------------------------


def test_flatten_and_reshape_keep_row_major_order() -> None:
    x = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    flat = nn.Flatten()(x)
    assert flat.shape == (2, 60)
    assert flat.data[1, 3 * 5 + 2] == x[1, 0, 3, 2]
    back = nn.Reshape(3, -1, 5)(flat)
    np.testing.assert_array_equal(back.data, x)
    np.testing.assert_array_equal(nn.Reshape()(np.arange(7)).data, np.arange(7))
    check_gradients(nn.Flatten(), random_array(2, 3, 4))
    check_gradients(nn.Reshape(6, 2), random_array(5, 3, 4))


def test_flatten_of_transposed_memory() -> None:
    x = random_array(2, 3, 4, 5).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(nn.Flatten()(x).data, x.reshape(2, 60))


@pytest.mark.parametrize(
    ("layer", "shape", "out_shape"),
    [
        (nn.Dense(3, 5), (0, 3), (0, 5)),
        (nn.Conv2D(3, 5, (2, 4)), (0, 7, 8, 3), (0, 7, 8, 5)),
        (nn.MaxPool2D((2, 3)), (0, 7, 8, 5), (0, 3, 2, 5)),
        (nn.AvgPool2D((2, 3)), (0, 7, 8, 5), (0, 3, 2, 5)),
        (nn.GlobalAvgPool2D(), (0, 7, 8, 5), (0, 5)),
        (nn.Flatten(), (0, 3, 4), (0, 12)),
        (nn.Reshape(2, -1), (0, 12), (0, 2, 6)),
        (nn.Dropout(0.5), (0, 3), (0, 3)),
        (nn.LayerNorm(3), (0, 3), (0, 3)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_a_batch_of_none_passes_through(
    layer: nn.Module, shape: tuple[int, ...], out_shape: tuple[int, ...]
) -> None:
    assert layer(np.zeros(shape, np.float32)).shape == out_shape


# --- Dropout --------------------------------------------------------------------------------------


def test_dropout_zeroes_a_share_of_p_and_scales_the_rest() -> None:
    """Of 250,000 cells 0.2 are dropped, give or take; six standard deviations are 1,200 cells."""
    layer = nn.Dropout(0.2, np.random.default_rng(0))
    x = random_array(500, 500).astype(np.float32)
    out = layer(x).data
    dropped = out == 0
    assert abs(dropped.sum() - 50_000) < 6 * math.sqrt(250_000 * 0.2 * 0.8)
    np.testing.assert_allclose(out[~dropped], x[~dropped] / 0.8, rtol=2e-7)
    # Rows and columns are dropped alike: no axis shares a mask.
    assert abs(dropped.sum(axis=0) - 100).max() < 6 * math.sqrt(500 * 0.16)
    assert abs(dropped.sum(axis=1) - 100).max() < 6 * math.sqrt(500 * 0.16)
    assert abs(out.mean(dtype=np.float64) - x.mean(dtype=np.float64)) < 6 * 0.5 / 500


def test_dropout_draws_a_new_mask_every_time_and_the_same_for_the_same_seed() -> None:
    x = np.ones((30, 40), np.float32)
    layer = nn.Dropout(0.5, np.random.default_rng(5))
    first, second = layer(x).data, layer(x).data
    assert (first != second).any()
    again = nn.Dropout(0.5, np.random.default_rng(5))
    np.testing.assert_array_equal(again(x).data, first)
    np.testing.assert_array_equal(again(x).data, second)


def test_dropout_without_a_generator_follows_the_manual_seed() -> None:
    x = np.ones((30, 40), np.float32)
    layer = nn.Dropout(0.5)
    outs = []
    for seed in (3, 3, 4):
        mg.manual_seed(seed)
        outs.append(layer(x).data)
    np.testing.assert_array_equal(outs[0], outs[1])
    assert (outs[0] != outs[2]).any()


def test_dropout_gradient_is_the_mask() -> None:
    layer = nn.Dropout(0.5, np.random.default_rng(0))
    x = Tensor(random_array(7, 5), requires_grad=True)
    out = layer(x)
    cotangent = random_array(7, 5, seed=1)
    out.backward(cotangent)
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.data, np.where(out.data == 0, 0, 2.0) * cotangent, rtol=1e-15)


def test_dropout_in_evaluation_and_at_0_does_nothing_and_draws_nothing() -> None:
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    x = Tensor(random_array(3, 4))
    assert nn.Dropout(0.9, rng).eval()(x) is x
    assert nn.Dropout(0.0, rng)(x) is x
    assert rng.bit_generator.state == state


# --- what all layers have in common ---------------------------------------------------------------

IMAGES, ROWS = (2, 7, 9, 4), (3, 4)
LAYERS: list[tuple[Callable[[np.random.Generator], nn.Module], tuple[int, ...]]] = [
    (lambda rng: nn.Dense(4, 5, rng=rng), ROWS),
    (lambda rng: nn.Conv2D(4, 6, (3, 5), rng=rng), IMAGES),
    (lambda rng: nn.Conv2D(4, 6, (3, 5), (1, 2), "FULL", groups=2, rng=rng), IMAGES),
    (lambda rng: nn.MaxPool2D((2, 3)), IMAGES),
    (lambda rng: nn.AvgPool2D((2, 3), padding=1), IMAGES),
    (lambda rng: nn.GlobalAvgPool2D(), IMAGES),
    (lambda rng: nn.Flatten(), IMAGES),
    (lambda rng: nn.Reshape(2, -1), ROWS),
    (lambda rng: nn.Dropout(0.3, rng), ROWS),
    (lambda rng: nn.BatchNorm(4), IMAGES),
    (lambda rng: nn.LayerNorm((9, 4)), IMAGES),
    (lambda rng: nn.ReLU(), ROWS),
    (lambda rng: nn.LeakyReLU(), ROWS),
    (lambda rng: nn.ELU(), ROWS),
    (lambda rng: nn.GELU(), ROWS),
    (lambda rng: nn.SiLU(), ROWS),
    (lambda rng: nn.Sigmoid(), ROWS),
    (lambda rng: nn.Tanh(), ROWS),
    (lambda rng: nn.Softmax(), ROWS),
]
each_layer = pytest.mark.parametrize(
    ("make", "shape"), LAYERS, ids=[repr(make(np.random.default_rng(0))) for make, _ in LAYERS]
)


@each_layer
@pytest.mark.parametrize("training", [True, False])
def test_float32_stays_float32_in_values_and_gradients(
    make: Callable[..., nn.Module], shape: tuple[int, ...], training: bool
) -> None:
    layer = make(np.random.default_rng(0)).train(training)
    x = Tensor(random_array(*shape).astype(np.float32), requires_grad=True)
    out = layer(x)
    assert out.dtype == np.float32
    out.backward(random_array(*out.shape, seed=1).astype(np.float32))
    for tensor in (x, *layer.parameters()):
        assert tensor.dtype == np.float32
        assert tensor.grad is not None and tensor.grad.dtype == np.float32
    assert {tensor.dtype for _, tensor in layer.named_tensors()} <= {np.dtype(np.float32)}


@each_layer
def test_layers_leave_the_input_and_all_global_randomness_alone(
    make: Callable[..., nn.Module], shape: tuple[int, ...]
) -> None:
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    library_state = mg.random.get_state()
    x = random_array(*shape).astype(np.float32)
    before = x.copy()
    outs = []
    for _ in range(2):
        layer = make(np.random.default_rng(7))
        outs.append(layer(x).data)
        layer.eval()(x)
    np.testing.assert_array_equal(outs[0], outs[1])
    np.testing.assert_array_equal(x, before)
    assert mg.random.get_state() == library_state
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002


def test_layers_without_a_generator_follow_the_manual_seed() -> None:
    def weights(seed: int) -> list[Array]:
        mg.manual_seed(seed)
        net = nn.Sequential(nn.Conv2D(2, 3, 5), nn.Dense(3, 7), nn.Dense(3, 7))
        return [net[0].kernel.data, net[1].weight.data, net[2].weight.data]

    first, second, other = weights(1), weights(1), weights(2)
    for a, b, c in zip(first, second, other, strict=True):
        np.testing.assert_array_equal(a, b)
        assert (a != c).any()
    assert (first[1] != first[2]).any()


def test_layers_take_arrays_and_tensors_alike() -> None:
    x = random_array(2, 7, 9, 4).astype(np.float32)
    layer = nn.Conv2D(4, 5, 3)
    np.testing.assert_array_equal(layer(x).data, layer(Tensor(x)).data)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "quoted"),
    [
        (lambda: nn.Dense(0, 5), ValueError, "Dense: in_features=0 must be at least 1"),
        (lambda: nn.Dense(3, -5), ValueError, "Dense: out_features=-5"),
        (lambda: nn.Dense(3.0, 5), TypeError, "Dense: in_features=3.0 must be an int"),
        (lambda: nn.Dense(3, 5, rng=7), TypeError, "Dense: rng must be a numpy.random.Generator"),
        (lambda: nn.Conv2D(1, 2, 3, rng=7), TypeError, "Conv2D: rng must be a numpy.random.Gen"),
        (lambda: nn.Conv1D(1, 2, 3, rng=7), TypeError, "Conv1D: rng must be a numpy.random.Gen"),
        (
            lambda: nn.ConvTranspose2D(1, 2, 3, rng=7),
            TypeError,
            "ConvTranspose2D: rng must be a numpy.random.Generator",
        ),
        (lambda: nn.Conv2D(0, 5, 3), ValueError, "Conv2D: in_channels=0"),
        (lambda: nn.Conv2D(3, 0, 3), ValueError, "Conv2D: out_channels=0"),
        (lambda: nn.Conv2D(3, 5, (3, 0)), ValueError, r"Conv2D: kernel_size=\(3, 0\)"),
        (lambda: nn.Conv2D(3, 5, (3, 4, 5)), ValueError, r"Conv2D: kernel_size=\(3, 4, 5\)"),
        (lambda: nn.Conv2D(3, 5, 3, stride=0), ValueError, "Conv2D: stride=0"),
        (lambda: nn.Conv2D(3, 5, 3, dilation=(1, 0)), ValueError, r"Conv2D: dilation=\(1, 0\)"),
        (lambda: nn.Conv2D(3, 5, 3, padding="SMAE"), ValueError, "Conv2D: padding='SMAE'.*SAME"),
        (lambda: nn.Conv2D(3, 5, 3, padding=-1), ValueError, "Conv2D: padding=-1"),
        (lambda: nn.Conv2D(3, 5, 3, groups=0), ValueError, "Conv2D: groups=0"),
        (
            lambda: nn.Conv2D(6, 4, 3, groups=3),
            ValueError,
            "Conv2D: groups=3 must divide in_channels=6 and out_channels=4",
        ),
        (lambda: nn.MaxPool2D(0), ValueError, "MaxPool2D: kernel_size=0"),
        (lambda: nn.MaxPool2D(2, 0), ValueError, "MaxPool2D: stride=0"),
        (lambda: nn.AvgPool2D(2, (1, -1)), ValueError, r"AvgPool2D: stride=\(1, -1\)"),
        (lambda: nn.AvgPool2D(2, padding="x"), ValueError, "AvgPool2D: padding='x'"),
        (lambda: nn.Dropout(1.0), ValueError, r"Dropout: p=1.0 must be at least 0 and below 1"),
        (lambda: nn.Dropout(-0.1), ValueError, "Dropout: p=-0.1"),
        (lambda: nn.Dropout(math.nan), ValueError, "Dropout: p=nan"),
        (lambda: nn.Dropout("a"), TypeError, r"Dropout: p must be a number, got 'a' \(str\)"),
        (lambda: nn.Dropout(0.5, rng=7), TypeError, "Dropout: rng must be a numpy.random.Gen"),
        (
            lambda: nn.Reshape((3, 4)),
            TypeError,
            r"Reshape: shape=\(3, 4\) must be an int, not tuple",
        ),
        (lambda: nn.Reshape(3, 0.5), TypeError, "Reshape: shape=0.5 must be an int"),
        (
            lambda: nn.Reshape(-1, 2, -1),
            ValueError,
            r"Reshape: shape=\(-1, 2, -1\) may hold one -1",
        ),
        (lambda: nn.Reshape(3, 0), ValueError, r"Reshape: shape=\(3, 0\)"),
        (lambda: nn.Reshape(3, -2), ValueError, "Reshape: shape=-2 must be at least -1"),
    ],
)
def test_bad_arguments(make: Callable[[], Any], error: type[Exception], quoted: str) -> None:
    with pytest.raises(error, match=quoted):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "quoted"),
    [
        (nn.Dense(3, 5), (2, 4), r"Dense\(in_features=3\).*\(2, 4\).*size 3"),
        (nn.Dense(3, 5), (), r"Dense\(in_features=3\).*\(\)"),
        (nn.Dense(3, 5), (2, 7, 9, 4), "put a Flatten before"),
        (
            nn.Conv2D(3, 5, 2),
            (64, 28, 28, 1),
            r"Conv2D\(in_channels=3\): got an input with 1 channel, shape \(64, 28, 28, 1\) NHWC; "
            "make the layer with in_channels=1",
        ),
        (
            nn.Conv2D(3, 5, 2),
            (2, 3, 7, 9),
            r"9 channels, shape \(2, 3, 7, 9\) NHWC; it looks like NCHW: transpose\(0, 2, 3, 1\)",
        ),
        (nn.Conv2D(3, 5, 2), (7, 9, 3), r"\(7, 9, 3\) has 3 axes.*expand_dims\(0\)"),
        (nn.Conv2D(3, 5, (4, 2), padding="VALID"), (2, 3, 9, 3), "height.*4"),
        (nn.MaxPool2D(4), (2, 3, 9, 5), "max_pool2d.*height.*4"),
        (nn.AvgPool2D(2), (2, 9), r"avg_pool2d: x of shape \(2, 9\)"),
        (nn.MaxPool2D(2, padding=2), (2, 7, 9, 5), r"padding \(2, 2\).*padding only"),
        (nn.GlobalAvgPool2D(), (2, 9), r"GlobalAvgPool2D: x of shape \(2, 9\) must be \(N, H, W"),
        (nn.GlobalAvgPool2D(), (2, 0, 9, 3), r"mean: .*axes \(1, 2\).*\(2, 0, 9, 3\)"),
        (nn.Flatten(), (), "Flatten: a 0-d tensor has no batch axis"),
        (nn.Reshape(3, 4), (2, 13), r"Reshape\(3, 4\): .*\(2, 13\)"),
        (nn.Reshape(5, -1), (2, 13), r"Reshape\(5, -1\): .*\(2, 13\)"),
        (nn.Reshape(3), (), r"Reshape\(3\): .*no batch axis"),
    ],
)
def test_bad_inputs(layer: nn.Module, shape: tuple[int, ...], quoted: str) -> None:
    with pytest.raises(ValueError, match=quoted):
        layer(np.zeros(shape, np.float32))


def test_a_list_changed_in_place_is_noticed() -> None:
    layer = nn.Conv2D(1, 2, 3, padding=[1, 1])  # type: ignore[arg-type]
    images = np.ones((1, 6, 5, 1), np.float32)
    assert layer(images).shape == (1, 6, 5, 2)
    layer.padding[0] = 2  # type: ignore[index]
    assert layer(images).shape == (1, 8, 5, 2)
