"""Convolutions as dense layers, cut loose, and found back: rows C1 and C5a."""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.equivalence import conv_to_dense, nearest_conv, untie
from models import lenet5
from tests import oracles
from tests.equivalence.loops import (
    PADDINGS,
    convolve,
    random_layer,
    relative_error,
    unit_images,
    unit_kernels,
)


def conv_of(layer, rng, dtype=np.float64):
    """A Conv2D with these sizes, its bias random too."""
    conv = nn.Conv2D(
        layer.input_shape[2],
        layer.kernel_shape[3],
        layer.kernel_shape[:2],
        **layer.options,
        rng=rng,
    )
    conv.bias.data[...] = rng.standard_normal(conv.bias.shape)
    return conv.astype(dtype)


def projection_arguments(layer):
    return (layer.input_shape, layer.kernel_shape[3], layer.kernel_shape[:2])


def dense_with(weight, bias=None):
    dense = nn.Dense(*weight.shape, bias=bias is not None).astype(weight.dtype)
    dense.weight.data[...] = weight
    if bias is not None:
        dense.bias.data[...] = bias
    return dense


# --- the same function ----------------------------------------------------------------------------


# article: C1, C5
@pytest.mark.parametrize("kind", PADDINGS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_all_levels_compute_the_same(kind, dtype, tolerance):
    rng = np.random.default_rng(PADDINGS.index(kind))
    for _ in range(10):
        layer = random_layer(kind, rng)
        conv = conv_of(layer, rng, dtype)
        x = rng.standard_normal((layer.batch, *layer.input_shape)).astype(dtype)
        expected = convolve(layer, x, conv.kernel.data) + conv.bias.data
        local = untie(conv, layer.input_shape, level="local")
        assert relative_error(local(x).data, expected) < tolerance
        flat = x.reshape(layer.batch, -1)
        for dense in (
            conv_to_dense(conv, layer.input_shape),
            untie(conv, layer.input_shape, level="dense"),
            conv_to_dense(local, layer.input_shape),
        ):
            out = dense(flat).data.reshape(expected.shape)
            assert out.dtype == dtype
            assert relative_error(out, expected) < tolerance
            assert (dense.in_features, dense.out_features) == layer.matrix_shape


def test_locally_connected_as_dense():
    """With a kernel of its own everywhere the dense layer still computes the same."""
    rng = np.random.default_rng(3)
    local = nn.LocallyConnected2D(
        (5, 7, 4), 6, (2, 3), stride=(1, 2), padding=((0, 1), (3, 2)), groups=2, rng=rng
    ).astype(np.float64)
    local.bias.data[...] = rng.standard_normal(local.bias.shape)
    x = rng.standard_normal((3, 5, 7, 4))
    dense = conv_to_dense(local, (5, 7, 4))
    assert relative_error(dense(x.reshape(3, -1)).data, local(x).data.reshape(3, -1)) < 1e-12


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_untied_lenet5_and_back(dtype, tolerance):
    """A trained network's first layer, untied, changes nothing; the projection finds it back."""
    network = a_trained_lenet5().astype(dtype)
    conv = network[0]
    images = np.random.default_rng(1).standard_normal((7, 28, 28, 1)).astype(dtype)
    expected = network(images).data
    rest = network[1:]

    dense = untie(conv, (28, 28, 1), level="dense")
    untied = nn.Sequential(nn.Flatten(), dense, nn.Reshape(28, 28, 6), rest)
    assert relative_error(untied(images).data, expected) < tolerance
    local = untie(conv, (28, 28, 1), level="local")
    assert relative_error(nn.Sequential(local, rest)(images).data, expected) < tolerance

    for layer in (dense, local):
        again, residual = nearest_conv(layer, (28, 28, 1), 6, 5)
        assert residual < 8 * np.finfo(dtype).eps
        assert relative_error(again.kernel.data, conv.kernel.data) < 8 * np.finfo(dtype).eps
        assert relative_error(again.bias.data, conv.bias.data) < 8 * np.finfo(dtype).eps
        assert again.kernel.dtype == again.bias.dtype == dtype
        assert relative_error(again(images).data, conv(images).data) < tolerance


def a_trained_lenet5():
    """A few steps on noise: what matters is that no weight is where initialisation put it."""
    rng = np.random.default_rng(0)
    network = lenet5(rng=rng)
    before = network[0].kernel.data.copy()
    optimizer = mg.optim.Adam(network.parameters(), 3e-3)
    for _ in range(4):
        images = rng.standard_normal((5, 28, 28, 1)).astype(np.float32)
        loss = mg.functional.cross_entropy(network(images), rng.integers(0, 10, 5))
        network.zero_grad()
        loss.backward()
        optimizer.step()
    assert (network[0].kernel.data != before).all()
    assert (network[0].bias.data != 0).all()
    return network


# --- and then free --------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["local", "dense"])
def test_untied_weights_are_leaves_of_their_own(level):
    conv = nn.Conv2D(2, 3, (3, 5), rng=np.random.default_rng(0))
    kernel = conv.kernel.data.copy()
    layer = untie(conv, (4, 6, 2), level=level)
    assert all(tensor.is_leaf and tensor.requires_grad for tensor in layer.parameters())
    for tensor in layer.parameters():
        tensor.data += 1.0
    assert (conv.kernel.data == kernel).all()
    assert (conv.bias.data == 0).all()


@pytest.mark.parametrize("level", ["local", "dense"])
def test_untie_keeps_what_is_missing_or_frozen(level):
    conv = nn.Conv2D(2, 3, (3, 5), bias=False, rng=np.random.default_rng(0))
    conv.kernel.requires_grad = False
    layer = untie(conv, (4, 6, 2), level=level)
    assert layer.bias is None
    assert list(layer.parameters()) == []
    again, _ = nearest_conv(layer, (4, 6, 2), 3, (3, 5))
    assert again.bias is None
    assert not again.kernel.requires_grad


def test_the_library_random_numbers_are_left_alone():
    conv = nn.Conv2D(2, 3, (3, 5), rng=np.random.default_rng(0))
    state = mg.random.get_state()
    for level in ("local", "dense"):
        nearest_conv(untie(conv, (4, 6, 2), level=level), (4, 6, 2), 3, (3, 5))
    assert mg.random.get_state() == state


def test_gradients_of_the_untied_add_up_to_the_tied():
    """Identity 3 across layers: each copy of a weight gets its share of the kernel's gradient."""
    rng = np.random.default_rng(5)
    layer = random_layer("SAME", rng)
    conv = conv_of(layer, rng)
    local = untie(conv, layer.input_shape, level="local")
    x = rng.standard_normal((layer.batch, *layer.input_shape))
    g = rng.standard_normal((layer.batch, *layer.output_shape))
    tied = mg.grad(conv(x), [conv.kernel, conv.bias], g)
    shares = mg.grad(local(x), [local.kernel, local.bias], g)
    for whole, parts in zip(tied, shares, strict=True):
        assert relative_error(parts.data.sum(axis=(0, 1)), whole.data) < 1e-12


# --- the nearest convolution ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", PADDINGS)
def test_nearest_conv_against_least_squares(kind):
    """The matrices of unit kernels span the convolutions: NumPy finds the nearest combination."""
    rng = np.random.default_rng(20 + PADDINGS.index(kind))
    layer = random_layer(kind, rng)
    weight = rng.standard_normal(layer.matrix_shape)
    bias = rng.standard_normal(layer.matrix_shape[1])
    conv, residual = nearest_conv(
        dense_with(weight, bias), *projection_arguments(layer), **layer.options
    )
    images = unit_images(layer)
    basis = np.stack([convolve(layer, images, unit).ravel() for unit in unit_kernels(layer)], 1)
    kernel, *_ = np.linalg.lstsq(basis, weight.ravel())
    assert relative_error(conv.kernel.data.ravel(), kernel) < 1e-10
    distance = np.linalg.norm(weight.ravel() - basis @ kernel) / np.linalg.norm(weight)
    assert math.isclose(residual, distance, rel_tol=1e-12)
    by_filter = bias.reshape(layer.output_shape)
    assert relative_error(conv.bias.data, by_filter.mean(axis=(0, 1))) < 1e-12


# article: C5
def test_a_random_dense_layer_is_no_convolution():
    """Row C5a: hardly any of it is. In expectation the share is sqrt(parameters / cells)."""
    rng = np.random.default_rng(6)
    dense = dense_with(rng.standard_normal((5 * 7 * 2, 5 * 7 * 3)))
    _, residual = nearest_conv(dense, (5, 7, 2), 3, (3, 5))
    share = 1 - residual**2
    assert 0 < share < 5 * (3 * 5 * 2 * 3) / dense.weight.size


def test_residual_of_a_convolution_and_something_else():
    """A matrix plus a number where the zeros are structural: the residual is that number's part."""
    conv = nn.Conv2D(1, 2, (1, 2), padding="VALID", bias=False, rng=np.random.default_rng(1))
    dense = conv_to_dense(conv.astype(np.float64), (1, 4, 1))  # (4, 6), row 3 column 0 unused
    alone = np.linalg.norm(dense.weight.data)
    dense.weight.data[3, 0] = 2.5
    again, residual = nearest_conv(dense, (1, 4, 1), 2, (1, 2), padding="VALID")
    assert math.isclose(residual, 2.5 / math.hypot(alone, 2.5), rel_tol=1e-12)
    assert relative_error(again.kernel.data, conv.kernel.data.astype(np.float64)) < 1e-12


def test_residual_of_a_layer_of_zeros():
    conv, residual = nearest_conv(dense_with(np.zeros((12, 36))), (3, 4, 1), 3, (2, 3))
    assert residual == 0.0
    assert (conv.kernel.data == 0).all()


def test_a_weight_that_no_cell_is_tied_to_is_zero():
    """A 3-wide kernel on a 1-wide image: only its middle column ever meets the image."""
    dense = dense_with(np.random.default_rng(2).standard_normal((4, 8)))
    conv, _ = nearest_conv(dense, (4, 1, 1), 2, (2, 3))
    assert (conv.kernel.data[:, [0, 2]] == 0).all()
    assert (conv.kernel.data[:, 1] != 0).all()


def test_nearest_conv_of_a_locally_connected_layer():
    """The means are over the positions whose tap lies on the image; other weights do not count."""
    rng = np.random.default_rng(7)
    local = nn.LocallyConnected2D((4, 5, 2), 3, (3, 2), rng=rng).astype(np.float64)
    conv, residual = nearest_conv(local, (4, 5, 2), 3, (3, 2))
    of_dense, same = nearest_conv(conv_to_dense(local, (4, 5, 2)), (4, 5, 2), 3, (3, 2))
    assert (conv.kernel.data == of_dense.kernel.data).all()
    assert 0.5 < residual == same < 1
    # The top row of the kernel meets padding in the first row of positions.
    top_row = local.kernel.data[1:, :, 0, 0].mean(axis=(0, 1))
    assert relative_error(conv.kernel.data[0, 0], top_row) < 1e-12


# --- what does not fit ----------------------------------------------------------------------------


def test_untie_refuses():
    conv = nn.Conv2D(3, 4, (3, 5))
    with pytest.raises(ValueError, match=r"untie: level='half' must be \"local\" or \"dense\""):
        untie(conv, (7, 9, 3), level="half")
    for function in (conv_to_dense, lambda *args: untie(*args, level="local")):
        with pytest.raises(ValueError, match=r"input_shape=\(7, 9, 1\).*takes \(7, 9, 3\)"):
            function(conv, (7, 9, 1))
        with pytest.raises(ValueError, match=r"\(2, 7, 9, 3\) must be \(H, W, C\)"):
            function(conv, (2, 7, 9, 3))
        with pytest.raises(TypeError, match=r"expected a Conv2D.*got Dense"):
            function(nn.Dense(3, 4), (7, 9, 3))
    local = nn.LocallyConnected2D((7, 9, 3), 4, (3, 5))
    with pytest.raises(TypeError, match=r"untie: expected a Conv2D, got LocallyConnected2D"):
        untie(local, (7, 9, 3), level="dense")
    with pytest.raises(ValueError, match=r"conv_to_dense: .*\(8, 9, 3\).*takes \(7, 9, 3\)"):
        conv_to_dense(local, (8, 9, 3))


def test_memory_limits():
    """Float32 weights of 3*7 x 3*7*4 cells; kernels of 1*2*1*4 numbers at 21 positions."""
    conv = nn.Conv2D(1, 4, (1, 2))
    dense_bytes, local_bytes = 21 * 84 * 4, 672
    assert (
        conv_to_dense(conv, (3, 7, 1), memory_limit=dense_bytes).weight.data.nbytes == dense_bytes
    )
    for function in (conv_to_dense, lambda *args, **kw: untie(*args, level="dense", **kw)):
        with pytest.raises(ValueError, match=rf"{dense_bytes:,} bytes.*memory_limit"):
            function(conv, (3, 7, 1), memory_limit=dense_bytes - 1)
    local = untie(conv, (3, 7, 1), level="local", memory_limit=local_bytes)
    assert local.kernel.data.nbytes == local_bytes
    with pytest.raises(ValueError, match=r"untie: .*21 positions takes 672 B \(672 bytes\)"):
        untie(conv, (3, 7, 1), level="local", memory_limit=local_bytes - 1)
    with pytest.raises(ValueError, match=r"nearest_conv: .*21 x 84.*memory_limit=1\.0 KiB"):
        nearest_conv(nn.Dense(21, 84), (3, 7, 1), 4, (1, 2), memory_limit=1024)


def test_nearest_conv_refuses():
    with pytest.raises(ValueError) as error:
        nearest_conv(nn.Dense(21, 80), (3, 7, 1), 4, (1, 2))
    for part in ("nearest_conv", "Dense(21, 80)", "(3, 7, 1)", "(3, 7, 4)", "Dense(21, 84)"):
        assert part in str(error.value)
    with pytest.raises(ValueError, match=r"nearest_conv: .*groups=2"):
        nearest_conv(nn.Dense(21, 84), (3, 7, 1), 4, (1, 2), groups=2)
    with pytest.raises(TypeError, match=r"expected a Dense or a LocallyConnected2D, got Conv2D"):
        nearest_conv(nn.Conv2D(1, 4, (1, 2)), (3, 7, 1), 4, (1, 2))
    with pytest.raises(TypeError, match=r"nearest_conv: input_shape=21 must be a tuple"):
        nearest_conv(nn.Dense(21, 84), 21, 4, (1, 2))


def test_oracle_matrix_is_the_dense_weight():
    """The weight itself, against the matrix of unit images."""
    rng = np.random.default_rng(8)
    layer = random_layer("FULL", rng)
    conv = conv_of(layer, rng)
    expected = oracles.conv_matrix(
        conv.kernel.data, layer.input_shape, layer.stride, layer.pads, layer.dilation, layer.groups
    )
    assert relative_error(conv_to_dense(conv, layer.input_shape).weight.data, expected) < 1e-15
