"""LocallyConnected2D against a loop over its positions, and its gradients against differences."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from tests import oracles

# N=3, H=9, W=7, C=6, F=4, a 2x5 kernel, stride 2x1, and pads that are all different.
PADS = ((1, 2), (3, 0))
OPTIONS = {"stride": (2, 1), "padding": PADS}


def layer_and_input(groups=1, dilation=(1, 1), seed=0):
    rng = np.random.default_rng(seed)
    layer = nn.LocallyConnected2D(
        (9, 7, 6), 4, (2, 5), **OPTIONS, groups=groups, dilation=dilation, rng=rng
    ).astype(np.float64)
    layer.bias.data[...] = rng.standard_normal(layer.bias.shape)
    return layer, rng.standard_normal((3, 9, 7, 6))


def position_by_position(x, kernel, bias, groups, dilation):
    """A convolution per position with the kernel there, of which one cell is kept."""
    out = np.zeros((x.shape[0], *bias.shape))
    for i, j in np.ndindex(bias.shape[:2]):
        whole = oracles.conv2d(x, kernel[i, j], OPTIONS["stride"], PADS, dilation, groups)
        out[:, i, j] = whole[:, i, j] + bias[i, j]
    return out


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("dilation", [(1, 1), (3, 1)])
def test_values(groups, dilation):
    layer, x = layer_and_input(groups, dilation)
    expected = position_by_position(x, layer.kernel.data, layer.bias.data, groups, dilation)
    out = layer(x)
    assert out.shape == (3, *layer.output_shape)
    np.testing.assert_allclose(out.data, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_first_and_second_order(groups):
    layer, x = layer_and_input(groups)
    rng = np.random.default_rng(1)
    g = rng.standard_normal((3, *layer.output_shape))
    arrays = [x, layer.kernel.data, layer.bias.data]
    directions = [rng.standard_normal(array.shape) for array in arrays]
    weights = [rng.standard_normal(array.shape) for array in arrays]

    def slopes(*values):
        """The gradient of sum(g * out**3), as recorded tensors, for these arrays."""
        image, layer.kernel, layer.bias = (mg.Tensor(value, requires_grad=True) for value in values)
        loss = (layer(image) ** 3 * g).sum()
        inputs = [image, layer.kernel, layer.bias]
        return loss, inputs, mg.grad(loss, inputs, create_graph=True)

    def loss_of(*values):
        out = position_by_position(values[0], values[1], values[2], groups, (1, 1))
        return (out**3 * g).sum()

    def weighted_slope(*values):
        return sum((w * s.data).sum() for w, s in zip(weights, slopes(*values)[2], strict=True))

    _, inputs, first = slopes(*arrays)
    along = sum((d * s.data).sum() for d, s in zip(directions, first, strict=True))
    numeric = oracles.directional_derivative(loss_of, arrays, directions)
    np.testing.assert_allclose(along, numeric, rtol=1e-6)

    total = sum(((s * w).sum() for w, s in zip(weights, first, strict=True)), start=mg.Tensor(0.0))
    second = mg.grad(total, inputs)
    along = sum((d * s.data).sum() for d, s in zip(directions, second, strict=True))
    numeric = oracles.directional_derivative(weighted_slope, arrays, directions)
    np.testing.assert_allclose(along, numeric, rtol=1e-6)


def test_parameters_and_their_start():
    """Each kernel starts as a convolution's would: within Glorot's bound for one kernel."""
    layer = nn.LocallyConnected2D((9, 7, 6), 4, (2, 5), **OPTIONS, rng=np.random.default_rng(2))
    # floor((9 + 3 - 2) / 2) + 1 = 6 rows, 7 + 3 - 5 + 1 = 6 columns
    assert layer.output_shape == (6, 6, 4)
    assert {name: tensor.shape for name, tensor in layer.named_parameters()} == {
        "kernel": (6, 6, 2, 5, 6, 4),
        "bias": (6, 6, 4),
    }
    bound = np.sqrt(6 / (2 * 5 * (6 + 4)))
    assert 0.98 * bound < np.abs(layer.kernel.data).max() <= bound
    assert (layer.bias.data == 0).all()
    assert layer.kernel.dtype == layer.bias.dtype == np.float32
    again = nn.LocallyConnected2D((9, 7, 6), 4, (2, 5), **OPTIONS, rng=np.random.default_rng(2))
    assert (again.kernel.data == layer.kernel.data).all()


def test_without_bias_and_of_an_empty_batch():
    layer = nn.LocallyConnected2D((9, 7, 6), 4, (2, 5), bias=False)
    assert layer.bias is None
    assert layer(np.zeros((0, 9, 7, 6), np.float32)).shape == (0, 9, 7, 4)


def test_repr_shows_what_is_not_the_default():
    assert repr(nn.LocallyConnected2D((9, 7, 6), 4, (2, 5))) == (
        "LocallyConnected2D((9, 7, 6), 4, (2, 5))"
    )
    layer = nn.LocallyConnected2D(
        (9, 7, 6), 4, (2, 5), stride=3, padding="VALID", dilation=(2, 1), groups=2, bias=False
    )
    assert repr(layer) == (
        "LocallyConnected2D((9, 7, 6), 4, (2, 5), stride=(3, 3), padding='VALID', "
        "dilation=(2, 1), groups=2, bias=False)"
    )


@pytest.mark.parametrize(
    ("arguments", "options", "parts"),
    [
        (((9, 7), 4, 2), {}, ["input_shape=(9, 7)", "(H, W, C)"]),
        ((63, 4, 2), {}, ["input_shape=63", "(H, W, C)"]),
        (((9, 0, 6), 4, 2), {}, ["input_shape=0", "at least 1"]),
        (((9, 7, 6), 0, 2), {}, ["out_channels=0", "at least 1"]),
        (((9, 7, 6), 4, 2), {"groups": 4}, ["groups=4", "6 channels", "out_channels=4"]),
        (((9, 7, 6), 4, (2, 8)), {"padding": "VALID"}, ["does not fit", "width 7", "kernel 8"]),
        (((9, 7, 6), 4, 2), {"padding": "EVEN"}, ["'EVEN'", "SAME"]),
    ],
)
def test_bad_sizes(arguments, options, parts):
    with pytest.raises(ValueError) as error:
        nn.LocallyConnected2D(*arguments, **options)
    for part in ("LocallyConnected2D", *parts):
        assert part in str(error.value)


def test_a_generator_that_is_none():
    with pytest.raises(TypeError, match=r"^LocallyConnected2D: rng must be a numpy\.random\.Gen"):
        nn.LocallyConnected2D((5, 7, 1), 2, 3, rng=11)


def test_an_input_of_another_size():
    layer = nn.LocallyConnected2D((9, 7, 6), 4, (2, 5))
    for shape in [(3, 9, 8, 6), (3, 7, 9, 6), (9, 7, 6), (3, 9, 7, 1)]:
        with pytest.raises(ValueError) as error:
            layer(np.zeros(shape, np.float32))
        assert "LocallyConnected2D(input_shape=(9, 7, 6))" in str(error.value)
        assert str(shape) in str(error.value)
