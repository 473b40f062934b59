"""`F.conv_transpose2d` and `nn.ConvTranspose2D`: the adjoint of `conv2d`, to the last bit."""

import contextlib

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import nn
from minigrad.conv_arithmetic import output_size, transposed_size
from tests import oracles
from tests.derivatives import adjoint_gap, check_derivatives


def random(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def whole(*shapes, seed=0):
    """Small whole numbers, with which no sum is rounded."""
    rng = np.random.default_rng(seed)
    return [rng.integers(-4, 5, shape).astype(np.float64) for shape in shapes]


def by_loops(x, kernel, size, stride, pads, dilation, groups):
    """Every cell of x stamps the kernel, times itself, onto the output; the padding is cut off."""
    batch, height, width, filters = x.shape
    kh, kw, group_channels, _ = kernel.shape
    (top, _), (left, _) = pads
    out = np.zeros((batch, *size, group_channels * groups))
    for i, j, f in np.ndindex(height, width, filters):
        first = f // (filters // groups) * group_channels
        for a, b, c in np.ndindex(kh, kw, group_channels):
            row = i * stride[0] + a * dilation[0] - top
            column = j * stride[1] + b * dilation[1] - left
            if 0 <= row < size[0] and 0 <= column < size[1]:
                out[:, row, column, first + c] += x[:, i, j, f] * kernel[a, b, c, f]
    return out


# Per line stride, padding, its cells for a kernel of (3, 2), dilation, groups, and the sizes of the
# smallest output for an input of (5, 4), worked out by hand.
CONFIGURATIONS = [
    ((1, 1), "SAME", ((1, 1), (0, 1)), (1, 1), 1, (5, 4)),
    ((1, 1), "VALID", ((0, 0), (0, 0)), (1, 1), 2, (7, 5)),
    ((1, 1), "FULL", ((2, 2), (1, 1)), (1, 1), 1, (3, 3)),
    ((2, 3), "VALID", ((0, 0), (0, 0)), (1, 1), 1, (11, 11)),
    ((2, 3), "SAME", ((1, 1), (0, 1)), (1, 1), 2, (9, 10)),
    ((3, 2), "SAME", ((2, 2), (1, 2)), (2, 3), 1, (13, 7)),
    ((4, 5), "VALID", ((0, 0), (0, 0)), (1, 2), 2, (19, 18)),
    ((1, 2), ((0, 2), (3, 1)), ((0, 2), (3, 1)), (1, 1), 1, (5, 4)),
    ((3, 1), 1, ((1, 1), (1, 1)), (1, 2), 2, (13, 4)),
]
NAMES = ("stride", "padding", "cells", "dilation", "groups", "smallest")


def test_the_article_example_backwards():
    """One cell of 2 and one of 10, next to each other, with the kernel of row E6."""
    kernel = np.array([[4, 6], [7, 9]]).reshape(2, 2, 1, 1)
    out = F.conv_transpose2d(np.array([2, 10]).reshape(1, 1, 2, 1), kernel, padding="VALID")
    assert out.data.reshape(2, 3).tolist() == [[8, 12 + 40, 60], [14, 18 + 70, 90]]


@pytest.mark.parametrize(NAMES, CONFIGURATIONS)
def test_values_are_those_of_the_loops(stride, padding, cells, dilation, groups, smallest):
    x, kernel, bias = random((7, 5, 4, 6), (3, 2, 9, 6), (9 * groups,))
    out = F.conv_transpose2d(x, kernel, bias, stride, padding, dilation, groups)
    assert out.shape == (7, *smallest, 9 * groups)
    expected = by_loops(x, kernel, smallest, stride, cells, dilation, groups) + bias
    np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(NAMES, CONFIGURATIONS)
def test_every_possible_output_shape(stride, padding, cells, dilation, groups, smallest):
    """At stride s there are s heights (widths), and the ones beside them are refused."""
    x, kernel = random((7, 5, 4, 6), (3, 2, 9, 6))
    for more in np.ndindex(stride):
        size = tuple(np.add(smallest, more).tolist())
        out = F.conv_transpose2d(x, kernel, None, stride, padding, dilation, groups, size)
        expected = by_loops(x, kernel, size, stride, cells, dilation, groups)
        np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)
    for axis, name in enumerate(("height", "width")):
        for off in (-1, stride[axis]):
            wrong = list(smallest)
            wrong[axis] += off
            with pytest.raises(ValueError, match=f"output_shape asks for {name} {wrong[axis]},"):
                F.conv_transpose2d(x, kernel, None, stride, padding, dilation, groups, wrong)


@pytest.mark.parametrize(NAMES, CONFIGURATIONS)
def test_derivatives(stride, padding, cells, dilation, groups, smallest):
    size = tuple(np.add(smallest, np.subtract(stride, 1)).tolist())
    check_derivatives(
        lambda x, kernel, bias: F.conv_transpose2d(
            x, kernel, bias, stride, padding, dilation, groups, size
        ),
        random((7, 5, 4, 6), (3, 2, 9, 6), (9 * groups,)),
        order=2,
    )


def test_third_derivative():
    check_derivatives(
        lambda x, kernel: F.conv_transpose2d(x, kernel, stride=(2, 3)).square().sum(3),
        random((5, 3, 4, 7), (2, 1, 6, 7)),
        order=3,
    )


# --- the adjoint ----------------------------------------------------------------------------------

small = st.integers(1, 3)
pairs = st.tuples(small, small)


@st.composite
def convolutions(draw):
    """A convolution of any geometry whose window fits, and its groups."""
    kernel_size, stride, dilation = draw(pairs), draw(pairs), draw(pairs)
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 2))
    size = tuple(
        draw(st.integers(max(1, (k - 1) * d + 1 - sum(cells)), 9))
        for k, d, cells in zip(kernel_size, dilation, pads, strict=True)
    )
    return size, kernel_size, stride, dilation, pads, draw(st.integers(1, 3))


@hypothesis.settings(max_examples=300)
@hypothesis.given(convolutions(), small, small, st.integers(1, 2), st.integers(0, 1000))
def test_adjoint_identity_is_exact(convolution, group_channels, group_filters, batch, seed):
    size, kernel_size, stride, dilation, pads, groups = convolution
    channels, filters = group_channels * groups, group_filters * groups
    a, kernel = whole((batch, *size, channels), (*kernel_size, group_channels, filters), seed=seed)
    positions = oracles.conv2d(a, kernel, stride, pads, dilation, groups).shape
    (x,) = whole(positions, seed=seed + 1)

    def forward(a):
        return F.conv2d(a, kernel, None, stride, pads, dilation, groups).data

    def adjoint(x):
        return F.conv_transpose2d(x, kernel, None, stride, pads, dilation, groups, size).data

    assert adjoint_gap(forward, adjoint, a, x) == 0


@hypothesis.given(convolutions())
def test_it_is_the_gradient_of_conv2d(convolution):
    size, kernel_size, stride, dilation, pads, groups = convolution
    a, kernel = random((2, *size, 2 * groups), (*kernel_size, 2, 3 * groups))
    image = mg.Tensor(a, requires_grad=True)
    out = F.conv2d(image, kernel, None, stride, pads, dilation, groups)
    (x,) = random(out.shape, seed=1)
    gradient = mg.grad(out, image, x)
    transposed = F.conv_transpose2d(x, kernel, None, stride, pads, dilation, groups, size)
    np.testing.assert_allclose(transposed.data, gradient.data, rtol=1e-12, atol=1e-12)


def test_its_matrix_is_the_transpose_of_the_convolutions():
    (kernel,) = whole((3, 2, 2, 4))
    matrix = oracles.conv_matrix(kernel, (6, 5, 2), (2, 1), ((1, 0), (0, 1)))
    units = np.eye(matrix.shape[1]).reshape(-1, 3, 5, 4)
    out = F.conv_transpose2d(
        units, kernel, stride=(2, 1), padding=((1, 0), (0, 1)), output_shape=(6, 5)
    )
    np.testing.assert_array_equal(out.data.reshape(len(units), -1), matrix.T)


# --- the sizes ------------------------------------------------------------------------------------


@hypothesis.given(
    st.integers(1, 20),
    small,
    small,
    small,
    st.integers(0, 4),
    st.integers(0, 4),
    st.integers(0, 60),
)
def test_sizes_are_all_those_with_as_many_positions(
    positions, kernel, stride, dilation, before, after, wanted
):
    """`transposed_size` allows a size if, and only if, `output_size` leads from it to here."""
    geometry = (kernel, stride, dilation, before, after)
    try:
        leads_here = output_size(wanted, *geometry) == positions
    except ValueError:  # the window does not fit
        leads_here = False
    if leads_here:
        assert transposed_size(positions, *geometry, wanted) == wanted
    else:
        with pytest.raises(ValueError, match="conv_transpose2d: "):
            transposed_size(positions, *geometry, wanted)


@hypothesis.given(st.integers(1, 20), small, small, small, st.integers(0, 4), st.integers(0, 4))
def test_the_default_is_the_smallest(positions, kernel, stride, dilation, before, after):
    geometry = (kernel, stride, dilation, before, after)
    try:
        size = transposed_size(positions, *geometry)
    except ValueError:
        assert (positions - 1) * stride + (kernel - 1) * dilation + 1 - before - after < 1
        return
    assert output_size(size, *geometry) == positions
    with contextlib.suppress(ValueError):  # one less is smaller than the window, or no cell
        assert output_size(size - 1, *geometry) < positions


# --- dtypes and empty batches ---------------------------------------------------------------------


def test_float32_stays_float32():
    layer = nn.ConvTranspose2D(4, 3, (3, 2), stride=2)
    x = mg.Tensor(np.ones((2, 5, 6, 4), np.float32), requires_grad=True)
    out = layer(x)
    out.backward(random(out.shape)[0].astype(np.float32))
    assert {t.dtype for t in (out, x.grad, layer.kernel.grad, layer.bias.grad)} == {
        np.dtype(np.float32)
    }


@pytest.mark.parametrize("groups", [1, 2])
def test_no_items_pass_through(groups):
    out = F.conv_transpose2d(np.ones((0, 5, 6, 4)), np.ones((3, 2, 3, 4)), groups=groups)
    assert out.shape == (0, 5, 6, 3 * groups)


# --- the layer ------------------------------------------------------------------------------------


def test_layer_is_the_function_with_its_parameters():
    layer = nn.ConvTranspose2D(6, 4, (3, 2), (2, 3), "VALID", (1, 2), 2, (12, 13))
    assert [(n, p.shape) for n, p in layer.named_parameters()] == [
        ("kernel", (3, 2, 2, 6)),
        ("bias", (4,)),
    ]
    layer.bias.data[...] = random((4,))[0]
    x = random((2, 5, 4, 6))[0].astype(np.float32)
    expected = by_loops(x, layer.kernel.data, (12, 13), (2, 3), ((0, 0), (0, 0)), (1, 2), 2)
    np.testing.assert_allclose(layer(x).data, expected + layer.bias.data, rtol=1e-4, atol=1e-4)


def test_layer_undoes_the_sizes_of_its_convolution():
    shrink = nn.Conv2D(3, 8, 5, stride=2)
    grow = nn.ConvTranspose2D(8, 3, 5, stride=2, output_shape=(28, 30))
    images = np.ones((2, 28, 30, 3), np.float32)
    assert grow(shrink(images)).shape == images.shape


def test_layer_says_what_is_not_the_default():
    assert repr(nn.ConvTranspose2D(4, 6, 3)) == "ConvTranspose2D(4, 6, (3, 3))"
    layer = nn.ConvTranspose2D(4, 6, (3, 2), 2, 1, (1, 2), 2, 28, bias=False)
    assert repr(layer) == (
        "ConvTranspose2D(4, 6, (3, 2), stride=(2, 2), padding=1, dilation=(1, 2), groups=2, "
        "bias=False, output_shape=(28, 28))"
    )
    assert [name for name, _ in layer.named_parameters()] == ["kernel"]


def test_seeded_layers_are_equal():
    first, second = (nn.ConvTranspose2D(4, 6, 3, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.kernel.data, second.kernel.data)
    assert not first.bias.data.any()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "kernel", "arguments", "message"),
    [
        ((5, 4, 6), (3, 2, 3, 6), {}, r"x of shape \(5, 4, 6\) has 3 axes; .* x.expand_dims\(0\)"),
        (
            (2, 5, 4, 6),
            (3, 2, 6),
            {},
            r"kernel of shape \(3, 2, 6\) must be \(kh, kw, out_channels, in_channels\), all at",
        ),
        (
            (2, 5, 4, 6),
            (3, 2, 0, 6),
            {},
            r"kernel of shape \(3, 2, 0, 6\) must be .* all at least 1",
        ),
        (
            (2, 5, 4, 6),
            (3, 2, 6, 3),
            {},
            r"x of shape \(2, 5, 4, 6\) NHWC has 6 channels; kernel of shape \(3, 2, 6, 3\) "
            r"\(kh, kw, out_channels, in_channels\) takes 3, which must be a multiple of groups=1",
        ),
        ((2, 5, 4, 6), (3, 2, 3, 6), {"groups": 4}, r".* takes 6, .* a multiple of groups=4"),
        ((2, 5, 4, 6), (3, 2, 3, 6), {"groups": 0}, r"groups=0 must be at least 1"),
        ((2, 5, 4, 6), (3, 2, 3, 6), {"stride": (2, 0)}, r"stride=\(2, 0\) must be at least 1"),
        ((2, 5, 4, 6), (3, 2, 3, 6), {"padding": "CAUSAL"}, r"padding='CAUSAL' is unknown"),
        (
            (2, 5, 4, 6),
            (3, 2, 3, 6),
            {"bias": np.ones(6)},
            r"bias of shape \(6,\) must have shape \(3,\)",
        ),
        ((2, 0, 4, 6), (3, 2, 3, 6), {}, r"the input has height 0; it must be at least 1"),
        (
            (2, 1, 4, 6),
            (3, 2, 3, 6),
            {"padding": "FULL"},
            r"height 1 with stride 1, kernel 3, dilation 1 and padding \(2, 2\) makes height -1, "
            r"and an image has at least 1$",
        ),
        (
            (2, 5, 1, 6),
            (3, 2, 3, 6),
            {"padding": "FULL", "stride": 3},
            r"width 1 with stride 3, kernel 2, dilation 1 and padding \(1, 1\) makes width 0, "
            r"and an image has at least 1; output_shape can ask for width 1 to 2",
        ),
        (
            (2, 5, 4, 6),
            (3, 2, 3, 6),
            {"stride": 2, "output_shape": (9, 10)},
            r"output_shape asks for width 10, and width 4 with stride 2, kernel 2, dilation 1 and "
            r"padding \(0, 1\) can make width 7 to 8$",
        ),
        (
            (2, 5, 4, 6),
            (3, 2, 3, 6),
            {"output_shape": 4},
            r"output_shape asks for height 4, .* can make height 5$",
        ),
        (
            (2, 5, 4, 6),
            (3, 2, 3, 6),
            {"output_shape": (5, 4, 3)},
            r"output_shape=\(5, 4, 3\) has length 3",
        ),
    ],
)
def test_function_refuses(x, kernel, arguments, message):
    with pytest.raises(ValueError, match=f"^conv_transpose2d: {message}"):
        F.conv_transpose2d(np.ones(x), np.ones(kernel), **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels=0 must be at least 1"),
        ({"groups": 4}, "groups=4 must divide in_channels=6 and out_channels=8"),
        ({"padding": "CAUSAL"}, "padding='CAUSAL' is unknown"),
        ({"output_shape": (5, 0)}, r"output_shape=\(5, 0\) must be at least 1"),
    ],
)
def test_layer_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"ConvTranspose2D: {message}"):
        nn.ConvTranspose2D(**{"in_channels": 6, "out_channels": 8, "kernel_size": 3, **arguments})


def test_layer_names_the_channels_and_the_way_out():
    layer = nn.ConvTranspose2D(3, 5, 2)
    with pytest.raises(
        ValueError, match=r"ConvTranspose2D\(in_channels=3\): got .* 6 channels, .* "
    ):
        layer(np.ones((2, 4, 7, 6), np.float32))
    with pytest.raises(ValueError, match=r"looks like NCHW: transpose\(0, 2, 3, 1\)"):
        layer(np.ones((2, 3, 7, 6), np.float32))
