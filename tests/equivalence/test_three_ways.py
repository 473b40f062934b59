"""Loops, im2col and the matrix (whole and sparse) compute one thing, derivatives included.

Rows C1 and C6, identities 1 to 3, on a few hundred random layers.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad.equivalence import conv_index_map, conv_matrix, sparse_conv_matrix, tie_gradient
from tests.equivalence.loops import (
    PADDINGS,
    convolve,
    random_layer,
    relative_error,
    to_input,
    to_kernel,
)

LAYERS_PER_PADDING = 50
FIRST_ORDER, SECOND_ORDER = 1e-12, 1e-8


def with_im2col(layer, x, kernel):
    return F.conv2d(x, kernel, **layer.options)


def with_matrix(layer, x, kernel):
    matrix = conv_matrix(kernel, layer.input_shape, **layer.options)
    return (x.reshape(layer.batch, -1) @ matrix).reshape(layer.batch, *layer.output_shape)


def with_sparse_matrix(layer, x, kernel):
    matrix = sparse_conv_matrix(kernel, layer.input_shape, **layer.options)
    out = x.reshape(layer.batch, -1) @ matrix
    return out.reshape(layer.batch, *layer.output_shape)


WAYS = (with_im2col, with_matrix, with_sparse_matrix)


# article: C6, F12
@pytest.mark.parametrize("kind", PADDINGS)
def test_random_layers(kind):
    rng = np.random.default_rng(PADDINGS.index(kind))
    for _ in range(LAYERS_PER_PADDING):
        layer = random_layer(kind, rng)
        shapes = ((layer.batch, *layer.input_shape), layer.kernel_shape)
        x, kernel = (rng.standard_normal(shape) for shape in shapes)
        x_direction, kernel_direction = (rng.standard_normal(shape) for shape in shapes)
        g = rng.standard_normal((layer.batch, *layer.output_shape))

        out = convolve(layer, x, kernel)
        expected = {
            "output": out,
            "input gradient": to_input(layer, kernel, g),
            "kernel gradient": to_kernel(layer, x, g),
        }
        # How the gradient of sum(g * out**3) changes along the directions, by the product rule:
        # `convolve` and its adjoints are linear in each argument.
        out_change = convolve(layer, x_direction, kernel) + convolve(layer, x, kernel_direction)
        slope, slope_change = 3 * g * out**2, 6 * g * out * out_change
        expected_second = {
            "input gradient's change": to_input(layer, kernel_direction, slope)
            + to_input(layer, kernel, slope_change),
            "kernel gradient's change": to_kernel(layer, x_direction, slope)
            + to_kernel(layer, x, slope_change),
        }
        for way in WAYS:
            inputs = [mg.Tensor(x, requires_grad=True), mg.Tensor(kernel, requires_grad=True)]
            result = way(layer, *inputs)
            gradients = mg.grad(result, inputs, g)
            for (what, value), tensor in zip(expected.items(), (result, *gradients), strict=True):
                error = relative_error(tensor.data, value)
                assert error < FIRST_ORDER, f"{way.__name__}, {what}: {error:.1e} for {layer}"

            cubed = (way(layer, *inputs) ** 3 * g).sum()
            slopes = mg.grad(cubed, inputs, create_graph=True)
            along = (slopes[0] * x_direction).sum() + (slopes[1] * kernel_direction).sum()
            changes = mg.grad(along, inputs)
            for (what, value), tensor in zip(expected_second.items(), changes, strict=True):
                error = relative_error(tensor.data, value)
                assert error < SECOND_ORDER, f"{way.__name__}, {what}: {error:.1e} for {layer}"


def test_the_random_layers_are_what_they_claim_to_be():
    """Among those above: strides that do not tile, dilation, groups, pads all different."""
    layers = [
        random_layer(kind, rng)
        for index, kind in enumerate(PADDINGS)
        for rng in [np.random.default_rng(index)]
        for _ in range(LAYERS_PER_PADDING)
    ]
    assert len(layers) == 300
    for layer in layers:
        sizes = (layer.batch, *layer.input_shape, layer.kernel_shape[3], *layer.kernel_shape[:2])
        assert len(set(sizes)) == 7
        assert layer.stride[0] != layer.stride[1]

    def cells_left_over(layer, axis):
        padded = layer.input_shape[axis] + sum(layer.pads[axis])
        span = (layer.kernel_shape[axis] - 1) * layer.dilation[axis] + 1
        return (padded - span) % layer.stride[axis]

    assert sum(any(cells_left_over(layer, axis) for axis in (0, 1)) for layer in layers) > 100
    assert sum(layer.dilation != (1, 1) for layer in layers) > 50
    assert sum(layer.groups > 1 for layer in layers) > 50
    assert sum(len({*layer.pads[0], *layer.pads[1]}) == 4 for layer in layers) > 40


# article: I1, I2, I3
@pytest.mark.parametrize("kind", PADDINGS)
def test_identities_1_to_3(kind):
    """Output M x, input gradient M^T g, kernel gradient the dense gradient g x^T over tied cells.

    M is the article's, outputs times inputs: the transpose of the library's.
    """
    rng = np.random.default_rng(7)
    layer = random_layer(kind, rng)
    x = rng.standard_normal(layer.input_shape)
    kernel = rng.standard_normal(layer.kernel_shape)
    g = rng.standard_normal(layer.output_shape)
    m = conv_matrix(mg.Tensor(kernel), layer.input_shape, **layer.options).numpy().T
    index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)

    out = convolve(layer, x[None], kernel)[0]
    assert relative_error(m @ x.ravel(), out.ravel()) < FIRST_ORDER
    input_gradient = to_input(layer, kernel, g[None])[0]
    assert relative_error(m.T @ g.ravel(), input_gradient.ravel()) < FIRST_ORDER
    dense_gradient = np.outer(g.ravel(), x.ravel())
    tied = tie_gradient(dense_gradient, index_map.T, layer.kernel_shape)
    assert relative_error(tied.data, to_kernel(layer, x[None], g[None])) < FIRST_ORDER


# article: I3
def test_the_engine_ties_the_gradient_of_a_dense_layer():
    """Identity 3 on the graph: the matrix's gradient is Dense's, the kernel's its tied sum."""
    rng = np.random.default_rng(8)
    layer = random_layer("SAME", rng)
    kernel = mg.Tensor(rng.standard_normal(layer.kernel_shape), requires_grad=True)
    x = mg.Tensor(rng.standard_normal((layer.batch, layer.matrix_shape[0])))
    g = rng.standard_normal((layer.batch, layer.matrix_shape[1]))
    matrix = conv_matrix(kernel, layer.input_shape, **layer.options)
    of_matrix, of_kernel = mg.grad(x @ matrix, [matrix, kernel], g)
    assert relative_error(of_matrix.data, x.data.T @ g) < FIRST_ORDER
    index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)
    tied = tie_gradient(of_matrix, index_map, layer.kernel_shape)
    assert relative_error(of_kernel.data, tied.data) == 0


# article: C1
def test_superposition():
    """Row C1: convolution is a linear map."""
    rng = np.random.default_rng(9)
    layer = random_layer("FULL", rng)
    kernel = rng.standard_normal(layer.kernel_shape)
    x, y = rng.standard_normal((2, layer.batch, *layer.input_shape))
    both = F.conv2d(2.5 * x - 0.75 * y, kernel, **layer.options).data
    apart = [F.conv2d(each, kernel, **layer.options).data for each in (x, y)]
    assert relative_error(both, 2.5 * apart[0] - 0.75 * apart[1]) < FIRST_ORDER


def test_float32_stays_float32():
    rng = np.random.default_rng(10)
    layer = random_layer("pads", rng)
    x = mg.Tensor(rng.standard_normal((layer.batch, *layer.input_shape)).astype(np.float32))
    kernel = mg.Tensor(rng.standard_normal(layer.kernel_shape).astype(np.float32), True)
    g = rng.standard_normal((layer.batch, *layer.output_shape)).astype(np.float32)
    for way in WAYS:
        out = way(layer, x, kernel)
        gradient = mg.grad(out, kernel, g)
        assert out.dtype == gradient.dtype == np.float32
        assert relative_error(gradient.data, to_kernel(layer, x.data, g)) < 1e-5
