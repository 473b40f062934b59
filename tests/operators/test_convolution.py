"""Convolution and pooling against loops, in every geometry; and what the article says of them.

Test names and docstrings give the rows of the article that are covered: F3, F4, M1-M4, E6, B1, B2,
B3, B6-B8 and the identities 4 to 7. In drawn geometries no two sizes are equal: not N, H, W, C and
the filters, not the two sides of the kernel, the stride, the dilation, nor the four pads.
"""

import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import minigrad as mg
import minigrad.functional as F
from minigrad import nn
from minigrad.engine import Node
from minigrad.equivalence import conv_matrix
from minigrad.operators import convolution
from minigrad.operators.linear import batched_matmul, outer_sum, rows_matmul
from tests import oracles

MODES = ("SAME", "VALID", "FULL")


def numbers(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def whole(*shape, seed=0):
    """Small whole numbers: no sum is rounded, and many cells are equal."""
    return np.random.default_rng([seed, *shape]).integers(-3, 4, shape).astype(np.float64)


def pads_of(mode, kernel_size, dilation=(1, 1)):
    """What the article's modes mean, written out once more: ((top, bottom), (left, right))."""
    pads = []
    for k, d in zip(kernel_size, dilation, strict=True):
        reach = (k - 1) * d
        pads.append(
            {"FULL": (reach, reach), "VALID": (0, 0), "SAME": (reach // 2, (reach + 1) // 2)}[mode]
        )
    return tuple(pads)


def assert_close(result, expected):
    np.testing.assert_allclose(result, expected, rtol=1e-12, atol=1e-12)


# --- drawn geometries -----------------------------------------------------------------------------


def different(low, high, count):
    """That many different whole numbers."""
    return st.lists(st.integers(low, high), min_size=count, max_size=count, unique=True)


@st.composite
def convolutions(draw):
    """(x shape, kernel shape, keywords of the oracles), windows fitting at least once."""
    groups = draw(st.integers(1, 3))
    batch, channels, filters = draw(different(1, 4, 3))
    height, width = draw(different(3, 12, 2))
    kernel_size, stride, dilation = (tuple(draw(different(1, 3, 2))) for _ in range(3))
    top, bottom, left, right = draw(different(0, 4, 4))
    assume(len({batch, height, width, channels * groups, filters * groups}) == 5)
    assume((kernel_size[0] - 1) * dilation[0] < top + height + bottom)
    assume((kernel_size[1] - 1) * dilation[1] < left + width + right)
    keywords = {
        "stride": stride,
        "pads": ((top, bottom), (left, right)),
        "dilation": dilation,
        "groups": groups,
    }
    x_shape = (batch, height, width, channels * groups)
    return x_shape, (*kernel_size, channels, filters * groups), keywords


def of_library(keywords):
    """The same keywords as the functions of the library call them."""
    return {("padding" if name == "pads" else name): value for name, value in keywords.items()}


# article: F12
@given(convolutions())
@settings(max_examples=150)
def test_conv2d_and_its_gradients(drawn):
    """Values against loops. A gradient is right if <conv(v), g> = <v, gradient> for random v."""
    x_shape, kernel_shape, keywords = drawn
    x, kernel = numbers(*x_shape), numbers(*kernel_shape, seed=1)
    leaves = [mg.Tensor(x, requires_grad=True), mg.Tensor(kernel, requires_grad=True)]

    out = F.conv2d(*leaves, **of_library(keywords))

    assert_close(out.data, oracles.conv2d(x, kernel, **keywords))
    g = numbers(*out.shape, seed=2)
    x_gradient, kernel_gradient = mg.grad(out, leaves, g)
    other_x, other_kernel = numbers(*x_shape, seed=3), numbers(*kernel_shape, seed=4)
    assert_close(
        (x_gradient.data * other_x).sum(), (oracles.conv2d(other_x, kernel, **keywords) * g).sum()
    )
    assert_close(
        (kernel_gradient.data * other_kernel).sum(),
        (oracles.conv2d(x, other_kernel, **keywords) * g).sum(),
    )


@given(convolutions())
@settings(max_examples=150)
def test_im2col_and_col2im(drawn):
    """Both against loops; whole numbers, so that both are exact, and so is the adjoint identity."""
    x_shape, (*kernel_size, _, _), keywords = drawn
    del keywords["groups"]
    x = whole(*x_shape)

    columns = F.im2col(x, tuple(kernel_size), **of_library(keywords)).data

    np.testing.assert_array_equal(columns, oracles.im2col(x, tuple(kernel_size), **keywords))
    y = whole(*columns.shape, seed=1)
    images = F.col2im(y, x_shape, tuple(kernel_size), **of_library(keywords)).data
    np.testing.assert_array_equal(
        images, oracles.col2im(y, x_shape, tuple(kernel_size), **keywords)
    )
    assert (columns * y).sum() == (x * images).sum()


@st.composite
def poolings(draw):
    """(x shape, kernel size, stride, pads); every window sees a cell of the image."""
    batch, channels = draw(different(1, 3, 2))
    kernel_size = tuple(draw(different(1, 5, 2)))
    stride = tuple(draw(different(1, 6, 2)))
    pads = tuple(
        (draw(st.integers(0, kernel - 1)), draw(st.integers(0, kernel - 1)))
        for kernel in kernel_size
    )
    height, width = (
        max(draw(st.integers(4, 8)), kernel - before - after)
        for kernel, (before, after) in zip(kernel_size, pads, strict=True)
    )
    return (batch, height, width + (height == width), channels), kernel_size, stride, pads


def cells_of_windows(x_shape, kernel_size, stride, pads):
    """For each (output row, output column) the cells of the image in its window, row by row."""
    rows, columns = (
        oracles.window_starts(x_shape[1 + axis], kernel_size[axis], stride[axis], *pads[axis])
        for axis in (0, 1)
    )
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            yield (
                (i, j),
                [
                    (row, column)
                    for row in range(top, top + kernel_size[0])
                    for column in range(left, left + kernel_size[1])
                    if 0 <= row < x_shape[1] and 0 <= column < x_shape[2]
                ],
            )


def max_pool_gradient(x, g, kernel_size, stride, pads):
    """By loops: each window's gradient goes to the first of its largest cells, row by row."""
    gradient = np.zeros_like(x)
    for (i, j), cells in cells_of_windows(x.shape, kernel_size, stride, pads):
        for n in range(x.shape[0]):
            for c in range(x.shape[3]):
                values = [x[n, row, column, c] for row, column in cells]
                row, column = cells[values.index(max(values))]
                gradient[n, row, column, c] += g[n, i, j, c]
    return gradient


def avg_pool_gradient(x, g, kernel_size, stride, pads):
    """By loops: each window's gradient in equal parts to its cells."""
    gradient = np.zeros_like(x)
    for (i, j), cells in cells_of_windows(x.shape, kernel_size, stride, pads):
        for row, column in cells:
            gradient[:, row, column] += g[:, i, j] / len(cells)
    return gradient


@given(poolings())
@settings(max_examples=200)
def test_pooling_and_its_gradients(drawn):
    """Against loops, with many ties in the maxima."""
    x_shape, kernel_size, stride, pads = drawn
    x = whole(*x_shape)
    for pool, oracle, gradient_oracle in (
        (F.max_pool2d, oracles.max_pool2d, max_pool_gradient),
        (F.avg_pool2d, oracles.avg_pool2d, avg_pool_gradient),
    ):
        leaf = mg.Tensor(x, requires_grad=True)
        out = pool(leaf, kernel_size, stride, pads)
        assert_close(out.data, oracle(x, kernel_size, stride, pads))
        g = numbers(*out.shape, seed=1)
        assert_close(mg.grad(out, leaf, g).data, gradient_oracle(x, g, kernel_size, stride, pads))


# --- the article's functions and modes ------------------------------------------------------------

SHAPES = [  # image, kernel, stride: nothing square
    ((6, 8), (2, 3), (1, 1)),
    ((8, 6), (3, 2), (1, 2)),
    ((7, 5), (3, 5), (2, 1)),
    ((5, 7), (4, 1), (3, 2)),
]


# article: F3
@pytest.mark.parametrize(("image", "kernel_size", "stride"), SHAPES)
@pytest.mark.parametrize("mode", MODES)
def test_F3_convolution_equals_loops_in_every_mode(mode, image, kernel_size, stride):
    x, kernel = numbers(1, *image, 3), numbers(*kernel_size, 3, 1, seed=1)
    expected = oracles.conv2d(x, kernel, stride, pads_of(mode, kernel_size))
    for spelling in (mode, mode.lower(), mode.title()):
        assert_close(F.conv2d(x, kernel, stride=stride, padding=spelling).data, expected)


# article: F4
@pytest.mark.parametrize(("image", "kernel_size", "stride"), SHAPES)
@pytest.mark.parametrize("mode", MODES)
def test_F4_convolution_is_im2col_and_one_matmul(mode, image, kernel_size, stride):
    x, kernel = numbers(2, *image, 3), numbers(*kernel_size, 3, 4, seed=1)
    columns = F.im2col(x, kernel_size, stride, mode)
    by_matmul = columns.data @ kernel.reshape(-1, 4)
    assert_close(by_matmul, oracles.conv2d(x, kernel, stride, pads_of(mode, kernel_size)))
    assert_close(F.conv2d(x, kernel, stride=stride, padding=mode).data, by_matmul)


def in_one_row(line, weights, mode):
    """A 1-D convolution, on an image of one row."""
    x = np.asarray(line, float).reshape(1, 1, -1, 1)
    return F.conv2d(x, np.asarray(weights, float).reshape(1, -1, 1, 1), padding=mode).data.ravel()


# article: M1
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7])
def test_M1_FULL_starts_where_one_cell_overlaps(k):
    line, weights = numbers(11), numbers(k, seed=1)
    full = in_one_row(line, weights, "FULL")
    assert full.size == 11 + k - 1
    assert_close(full, np.convolve(line, weights[::-1], "full"))
    assert F.conv2d(numbers(1, 5, 5, 1), numbers(3, 3, 1, 1), padding="FULL").shape == (1, 7, 7, 1)


# article: M2
@pytest.mark.parametrize("k", [1, 2, 3, 4, 7])
def test_M2_VALID_is_where_the_whole_kernel_overlaps(k):
    line, weights = numbers(11), numbers(k, seed=1)
    valid = in_one_row(line, weights, "VALID")
    assert valid.size == 11 - k + 1
    assert_close(valid, np.convolve(line, weights[::-1], "valid"))
    same, full = in_one_row(line, weights, "SAME"), in_one_row(line, weights, "FULL")
    assert valid.size <= same.size <= full.size
    # All three are cuttings of FULL.
    assert_close(full[k - 1 : k - 1 + valid.size], valid)
    first = (k - 1) - (k - 1) // 2
    assert_close(full[first : first + 11], same)


# article: M3
@pytest.mark.parametrize("kernel_size", [(3, 5), (5, 3), (1, 3), (2, 4), (7, 1)])
def test_M3_SAME_keeps_the_size_and_begins_at_the_kernels_centre(kernel_size):
    x = mg.Tensor(numbers(1, 8, 9, 1), requires_grad=True)
    kernel = numbers(*kernel_size, 1, 1, seed=1)
    out = F.conv2d(x, kernel, padding="SAME")
    assert out.shape == x.shape
    first_cell = mg.grad(out[0, 0, 0, 0], x).data[0, 0, 0, 0]
    assert first_cell == kernel[(kernel_size[0] - 1) // 2, (kernel_size[1] - 1) // 2, 0, 0]


# article: M4
def test_M4_SAME_of_an_even_kernel_pads_at_the_end():
    assert in_one_row([0, 1, 2, 3, 4], [1, 10], "SAME").tolist() == [10, 21, 32, 43, 4]
    x, kernel = numbers(1, 5, 5, 1), numbers(2, 2, 1, 1)
    same = F.conv2d(x, kernel, padding="SAME").data
    assert same.shape == (1, 5, 5, 1)
    np.testing.assert_array_equal(same, F.conv2d(x, kernel, padding=((0, 1), (0, 1))).data)


# article: E6
def test_E6_the_worked_example_in_every_way():
    x = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46.0]]).reshape(1, 3, 3, 1)
    kernel = np.array([[4, 6], [7, 9.0]]).reshape(2, 2, 1, 1)
    results = {
        "operator": F.conv2d(x, kernel, padding="VALID").data,
        "layer": layer_with(kernel, padding="VALID")(x).detach().data,
        "im2col": F.im2col(x, (2, 2)).data @ kernel.reshape(-1, 1),
        "matrix": x.reshape(1, -1) @ conv_matrix(kernel, (3, 3, 1), padding="VALID").data,
        "loops": oracles.conv2d(x, kernel),
        "matrix of loops": x.reshape(1, -1) @ oracles.conv_matrix(kernel, (3, 3, 1)),
    }
    for name, result in results.items():
        assert result.ravel().tolist() == [1190, 1919, 909, 1344], name


def layer_with(kernel, **arguments):
    """A Conv2D without bias and with this kernel."""
    kh, kw, channels, filters = kernel.shape
    layer = nn.Conv2D(channels, filters, (kh, kw), bias=False, **arguments).astype(np.float64)
    layer.kernel.data[...] = kernel
    return layer


# --- the article's bugs ---------------------------------------------------------------------------


# article: B1
def test_B1_every_mode_does_what_it_says():
    """The article's conv computed SAME whatever it was asked for."""
    x, kernel = numbers(1, 5, 5, 1), numbers(3, 3, 1, 1)
    shapes = [F.conv2d(x, kernel, padding=mode).shape[1:3] for mode in MODES]
    assert shapes == [(5, 5), (3, 3), (7, 7)]
    # Here the shape was right and the values were not.
    kernel = numbers(2, 2, 1, 1)
    out = F.conv2d(x, kernel, stride=2, padding="FULL").data
    assert out.shape == (1, 3, 3, 1)
    assert_close(out, oracles.conv2d(x, kernel, (2, 2), ((1, 1), (1, 1))))


# article: B2, B2a, B2b, B2c
@pytest.mark.parametrize(
    ("row", "image", "kernel_size", "mode", "expected"),
    [
        ("B2a", (5, 5), (1, 3), "SAME", (5, 5)),
        ("B2a", (5, 5), (3, 1), "SAME", (5, 5)),
        ("B2a", (7, 5), (2, 3), "VALID", (6, 3)),
        ("B2b", (5, 5), (3, 5), "VALID", (3, 1)),
        ("B2b", (6, 9), (2, 4), "VALID", (5, 6)),
        ("B2c", (6, 8), (5, 3), "SAME", (6, 8)),
        ("B2c", (8, 6), (3, 5), "SAME", (8, 6)),
        ("B2c", (5, 3), (1, 3), "SAME", (5, 3)),
        ("B2c", (3, 5), (3, 1), "SAME", (3, 5)),
    ],
)
def test_B2_kernels_that_are_not_square(row, image, kernel_size, mode, expected):
    """Axes exchanged: errors for conv (B2a), wrong numbers for conv_matmul (B2b, B2c)."""
    x, kernel = numbers(1, *image, 2), numbers(*kernel_size, 2, 3, seed=1)
    out = F.conv2d(x, kernel, padding=mode).data
    assert out.shape[1:3] == expected
    assert_close(out, oracles.conv2d(x, kernel, (1, 1), pads_of(mode, kernel_size)))


# article: B3
@pytest.mark.parametrize(
    "call",
    [
        lambda: F.conv2d(np.ones((1, 5, 6, 1)), np.ones((3, 2, 1, 1)), padding="SMAE"),
        lambda: F.im2col(np.ones((1, 5, 6, 1)), (3, 2), padding="SMAE"),
        lambda: F.max_pool2d(np.ones((1, 5, 6, 1)), (3, 2), padding="SMAE"),
        lambda: nn.Conv2D(1, 2, 3, padding="SMAE"),
    ],
)
def test_B3_an_unknown_mode_is_refused(call):
    with pytest.raises(ValueError, match=r"padding='SMAE' is unknown; use \"SAME\", \"VALID\" or"):
        call()


# article: B6
def test_B6_channels_that_do_not_match_are_refused():
    """One kernel channel on three image channels: conv broadcast, conv_matmul raised."""
    with pytest.raises(ValueError) as error:
        F.conv2d(np.ones((1, 5, 6, 3)), np.ones((3, 2, 1, 4)))
    assert str(error.value) == (
        "conv2d: x of shape (1, 5, 6, 3) NHWC has 3 channels; kernel of shape (3, 2, 1, 4) with "
        "groups=1 takes 1 and makes 4 filters, which must be a multiple of groups"
    )


# article: B7
def test_B7_grey_and_RGBA_images():
    with pytest.raises(ValueError, match=r"conv2d: x of shape \(5, 6\) has 2 axes; images are \(N"):
        F.conv2d(np.ones((5, 6)), np.ones((3, 2, 1, 1)))
    with pytest.raises(ValueError, match=r"a single image needs a batch axis: x.expand_dims\(0\)"):
        F.conv2d(np.ones((5, 6, 1)), np.ones((3, 2, 1, 1)))
    with pytest.raises(ValueError, match=r"\(1, 5, 6, 4\) NHWC has 4 channels; .* takes 3 and"):
        F.conv2d(np.ones((1, 5, 6, 4)), np.ones((3, 2, 3, 1)))


# article: B8
def test_B8_a_kernel_larger_than_the_input():
    """The article's conv returned numbers. The error quotes all that is in the formula."""
    for call in (
        lambda: F.conv2d(np.ones((1, 5, 3, 1)), np.ones((2, 7, 1, 1)), padding="VALID"),
        lambda: F.conv2d(np.ones((1, 5, 3, 1)), np.ones((2, 4, 1, 1)), padding=0, dilation=(1, 2)),
    ):
        with pytest.raises(ValueError, match=r"conv2d: .*width 3 .*makes 3 cells.* spans 7"):
            call()


# --- identities of the article --------------------------------------------------------------------


# article: I4
def test_identity_4_the_adjoint_of_VALID_is_a_FULL_true_convolution():
    x = mg.Tensor(numbers(2, 6, 9, 3), requires_grad=True)
    kernel = numbers(2, 4, 3, 5, seed=1)
    out = F.conv2d(x, kernel, padding="VALID")
    g = numbers(*out.shape, seed=2)
    flipped = kernel[::-1, ::-1].transpose(0, 1, 3, 2)  # with in- and outputs exchanged
    assert_close(mg.grad(out, x, g).data, F.conv2d(g, flipped, padding="FULL").data)


# article: I5
def test_identity_5_the_kernel_gradient_is_a_VALID_correlation():
    x, kernel = numbers(2, 6, 9, 3), mg.Tensor(numbers(2, 4, 3, 5), requires_grad=True)
    out = F.conv2d(x, kernel, padding="VALID")
    g = numbers(*out.shape, seed=2)
    # Channels become images, the batch becomes channels, g a kernel: (C, kh, kw, F).
    correlation = F.conv2d(x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3), padding="VALID")
    assert_close(mg.grad(out, kernel, g).data, correlation.data.transpose(1, 2, 0, 3))


def uses(mode, height, width, kernel_size, stride=(1, 1)):
    """In how many windows each cell of an image is: the gradient of the sum, weights all 1."""
    x = mg.Tensor(np.zeros((1, height, width, 1)), requires_grad=True)
    out = F.conv2d(x, np.ones((*kernel_size, 1, 1)), stride=stride, padding=mode)
    return mg.grad(out.sum(), x).data[0, :, :, 0]


# article: I6
def test_identity_6_FULL_uses_every_cell_alike():
    np.testing.assert_array_equal(uses("FULL", 5, 8, (2, 3)), np.full((5, 8), 6))
    valid = uses("VALID", 5, 8, (2, 3))
    assert [valid[0, 0], valid[0, -1], valid[-1, 0], valid[-1, -1]] == [1, 1, 1, 1]
    assert valid.max() == 6


# article: I7
def test_identity_7_cells_behind_the_last_window_have_no_gradient():
    reached = uses("VALID", 8, 9, (2, 3), stride=(4, 5))
    assert not reached[6:].any()
    assert not reached[:, 8:].any()
    x = mg.Tensor(numbers(2, 8, 9, 3), requires_grad=True)
    for out in (F.max_pool2d(x, (2, 3), (4, 5)), F.avg_pool2d(x, (2, 3), (4, 5))):
        gradient = mg.grad(out, x, numbers(*out.shape, seed=1)).data
        assert not gradient[:, 6:].any()
        assert not gradient[:, :, 8:].any()


# --- convolution is a dense layer -----------------------------------------------------------------


def test_dense_is_a_convolution_of_1x1():
    x = numbers(2, 5, 7, 3)
    dense = nn.Dense(3, 4).astype(np.float64)
    conv = nn.Conv2D(3, 4, 1).astype(np.float64)
    conv.kernel.data[...] = dense.weight.data
    conv.bias.data[...] = dense.bias.data = numbers(4, seed=1)
    g = numbers(2, 5, 7, 4, seed=2)

    results = []
    for layer, weight in ((dense, dense.weight), (conv, conv.kernel)):
        image = mg.Tensor(x, requires_grad=True)
        out = layer(image)
        gradients = mg.grad(out, [image, weight, layer.bias], g)
        results.append([out.data, *(gradient.data for gradient in gradients)])

    for of_dense, of_conv in zip(*results, strict=True):
        np.testing.assert_allclose(of_conv.reshape(of_dense.shape), of_dense, rtol=1e-12)


def recorded_operators(tensor):
    """The operators of all nodes in the graph of a tensor."""
    pending, found = [tensor.node], []
    while pending:
        node = pending.pop()
        found.append(node.primitive)
        pending.extend(parent for parent in node.parents if isinstance(parent, Node))
    return found


def operators_from_the_product(tensor):
    """The operators on the way from the output back to `rows_matmul`, along first arguments."""
    node, operators = tensor.node, []
    while rows_matmul not in operators:
        operators.append(node.primitive)
        node = node.parents[0]
    return operators


@pytest.mark.parametrize("bias", [False, True])
def test_dense_and_convolution_end_in_the_same_product(bias):
    """In both graphs the one product is rows_matmul, and the same operators follow it."""
    x = mg.Tensor(numbers(2, 5, 7, 3).astype(np.float32), requires_grad=True)
    endings = []
    for layer in (nn.Dense(3, 4, bias=bias), nn.Conv2D(3, 4, (3, 2), bias=bias)):
        with mg.fast_paths(False):
            out = layer(x)
        products = {batched_matmul, outer_sum, rows_matmul}
        assert [op for op in recorded_operators(out) if op in products] == [rows_matmul]
        endings.append(operators_from_the_product(out))
    assert endings[0] == endings[1]


# --- memory order ---------------------------------------------------------------------------------


def lying_as(order, images):
    """The same images, with their axes in memory from the outermost to the innermost as named."""
    axes = ["NHWC".index(axis) for axis in order]
    return images.transpose(axes).copy().transpose(np.argsort(axes))


LAYOUTS = {
    **{
        order: lambda x, order=order: lying_as(order, x)
        for order in ("NHWC", "CHWN", "NCHW", "HWNC")
    },
    "F": np.asfortranarray,
    "rows backwards": lambda x: x[:, ::-1].copy()[:, ::-1],
    "all backwards": lambda x: np.flip(np.flip(x).copy()),
    "CHWN backwards": lambda x: np.flip(lying_as("CHWN", np.flip(x))),
    "cut out": lambda x: np.pad(x, ((1, 2), (3, 0), (2, 1), (0, 2)))[1:-2, 3:, 2:-1, :-2],
    "every other": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 2)[::2, :, ::3],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_may_lie_in_memory_in_any_order(layout):
    """Convolution, pooling, convolution in groups: the same numbers and the same gradients."""
    kernel, grouped = numbers(3, 2, 3, 4, seed=1), numbers(2, 3, 2, 6, seed=2)

    def run(arrange):
        leaves = [
            mg.Tensor(arrange(numbers(2, 7, 9, 3)), requires_grad=True),
            mg.Tensor(arrange(kernel), requires_grad=True),
            mg.Tensor(arrange(grouped), requires_grad=True),
        ]
        hidden = F.conv2d(leaves[0], leaves[1], stride=(1, 2), padding=((1, 0), (2, 1)))
        hidden = F.max_pool2d(hidden.relu(), (3, 2), (2, 1), "SAME") + F.avg_pool2d(
            hidden, (3, 2), (2, 1), "SAME"
        )
        out = F.conv2d(hidden, leaves[2], groups=2, dilation=(1, 2))
        g = mg.Tensor(arrange(numbers(*out.shape, seed=3)))
        return [out, *mg.grad(out, leaves, g)]

    assert not LAYOUTS[layout](numbers(2, 7, 9, 3)).flags.c_contiguous or layout == "NHWC"
    for result, expected in zip(run(LAYOUTS[layout]), run(np.array), strict=True):
        assert result.shape == expected.shape
        assert_close(result.data, expected.data)


def test_broadcast_views_are_images_too():
    """One image shown five times, and a gradient that is one number everywhere."""
    one = numbers(1, 6, 7, 3)
    kernel = mg.Tensor(numbers(2, 3, 3, 4, seed=1), requires_grad=True)
    shown, copied = np.broadcast_to(one, (5, 6, 7, 3)), np.repeat(one, 5, 0)
    results = []
    for images in (shown, copied):
        leaf = mg.Tensor(images, requires_grad=True)
        out = F.max_pool2d(F.conv2d(leaf, kernel), (2, 3))
        g = np.broadcast_to(1.5, out.shape) if images is shown else np.full(out.shape, 1.5)
        results.append([out, *mg.grad(out, [leaf, kernel], g)])
    for of_view, of_copy in zip(*results, strict=True):
        assert_close(of_view.data, of_copy.data)


# --- pooling: ties, padding, and what went wrong elsewhere ----------------------------------------


def test_ties_go_to_the_first_cell_in_row_major_order():
    x = mg.Tensor(np.zeros((1, 4, 6, 1)), requires_grad=True)
    gradient = mg.grad(F.max_pool2d(x, (2, 3)).sum(), x).data[0, :, :, 0]
    first_cells = np.zeros((4, 6))
    first_cells[::2, ::3] = 1
    np.testing.assert_array_equal(gradient, first_cells)
    # Equal cells at (0, 2) and (1, 0): the upper one, though the other is further left.
    x = mg.Tensor(np.array([[0, 0, 5], [5, 0, 0.0]]).reshape(1, 2, 3, 1), requires_grad=True)
    gradient = mg.grad(F.max_pool2d(x, (2, 3)).sum(), x).data[0, :, :, 0]
    assert gradient.tolist() == [[0, 0, 1], [0, 0, 0]]


# article: L4
def test_padding_never_wins():
    """tinynn padded with zeros: a frame of 0 around images of -1."""
    x = mg.Tensor(np.full((1, 3, 4, 1), -1.0), requires_grad=True)
    for pool in (F.max_pool2d, F.avg_pool2d):
        out = pool(x, (2, 3), (1, 2), "FULL")
        assert (out.data == -1).all()
        # Every window's gradient arrives at cells of the image.
        assert mg.grad(out.sum(), x).data.sum() == pytest.approx(out.size)


def test_windows_of_minus_infinity_have_their_first_cell_as_winner():
    x = mg.Tensor(np.full((1, 3, 4, 1), -np.inf), requires_grad=True)
    out = F.max_pool2d(x, (2, 3), (2, 3), ((1, 0), (2, 0)))
    assert (out.data == -np.inf).all()
    gradient = mg.grad(out, x, np.array([[1, 2], [3, 4.0]]).reshape(1, 2, 2, 1)).data[0, :, :, 0]
    assert gradient.tolist() == [[1, 2, 0, 0], [3, 4, 0, 0], [0, 0, 0, 0]]


def test_windows_of_more_than_256_cells():
    """Where the winner lies in its window no longer fits into a byte."""
    line = np.zeros((1, 1, 257, 1))
    line[..., 256, :] = 1
    x = mg.Tensor(line, requires_grad=True)
    np.testing.assert_array_equal(mg.grad(F.max_pool2d(x, (1, 257)).sum(), x).data, line)


def test_pooling_of_integers_and_booleans():
    x = np.arange(-12, 12).reshape(1, 4, 6, 1)
    for dtype in (np.int64, np.int8):
        out = F.max_pool2d(x.astype(dtype), (2, 3))
        assert out.dtype == dtype
        assert out.data.ravel().tolist() == [-4, -1, 8, 11]
    assert F.max_pool2d(x > 9, (2, 3)).data.ravel().tolist() == [False, False, False, True]
    average = F.avg_pool2d(np.full((1, 4, 6, 1), 250, np.uint8), (2, 3))
    assert average.data.ravel().tolist() == [250.0] * 4


# --- the maximum of tiles -------------------------------------------------------------------------


def pooled_both_ways(x, tile, g=None):
    """Output, and gradient where there is one, with the fast paths on and off."""
    results = []
    for fast in (True, False):
        leaf = mg.Tensor(x, requires_grad=x.dtype.kind == "f")
        with mg.fast_paths(fast):
            out = F.max_pool2d(leaf, tile)
        if leaf.requires_grad:
            assert out.node.primitive.name == ("tile_max" if fast else "window_max")
        results.append([out.data, mg.grad(out, leaf, g).data] if g is not None else [out.data])
    return results


@given(
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(4, 9), st.integers(4, 9)),
    st.integers(1, 3),
    st.sampled_from(["<f4", "<f8"]),
    st.booleans(),
)
@settings(max_examples=150)
def test_tiles_are_windows_side_by_side(tile, size, batch, dtype, batch_innermost):
    """Both ways to the bit; with many ties, and nan and infinities among the cells."""
    values = np.array([-np.inf, -1, -0.0, 0, 0, 1, 2, 2, np.inf, np.nan])
    rng = np.random.default_rng([*tile, *size, batch])
    x = rng.choice(values, (batch, *size, 5)).astype(dtype)
    if batch_innermost:
        x = lying_as("CHWN", x)
    g = rng.standard_normal((batch, size[0] // tile[0], size[1] // tile[1], 5)).astype(dtype)
    fast, plain = pooled_both_ways(x, tile, g)
    for of_fast, of_plain in zip(fast, plain, strict=True):
        assert of_fast.dtype == of_plain.dtype == x.dtype
        np.testing.assert_array_equal(of_fast, of_plain)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16])
def test_tiles_of_every_dtype(dtype):
    x = whole(2, 5, 7, 3).astype(dtype)
    (fast,), (plain,) = pooled_both_ways(x, (2, 3))
    assert fast.dtype == plain.dtype == dtype
    np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize(
    ("stride", "padding"), [((1, 3), "VALID"), ((2, 4), 0), (None, "SAME"), ((2, 3), (0, 1))]
)
def test_other_windows_take_the_plain_path(stride, padding):
    x = mg.Tensor(numbers(2, 5, 7, 3), requires_grad=True)
    with mg.fast_paths(True):
        out = F.max_pool2d(x, (2, 3), stride, padding)
    assert out.node.primitive.name == "window_max"


def test_pooling_does_not_keep_its_input():
    """What is remembered are bools: the output of a convolution before it can be freed."""
    x = mg.Tensor(numbers(2, 4, 6, 3), requires_grad=True)
    with mg.fast_paths(True):
        saved = F.max_pool2d(x, (2, 3)).node.saved
    arrays = [array for players in saved["matches"] for array in players]
    # Two matches in each of two rows, and one between the rows.
    assert [array.dtype for array in arrays] == [np.bool_] * 3
    assert sum(array.nbytes for array in arrays) == (2 * 2 + 1) * 2 * 2 * 2 * 3


def test_pooling_remembers_nothing_where_no_gradient_is_wanted(monkeypatch):
    """The same numbers, without the comparisons."""
    x = numbers(2, 5, 7, 3)
    forward, remembered = convolution.tile_max.forward, []

    def watched(*arrays, **parameters):
        result = forward(*arrays, **parameters)
        remembered.append(result[1])
        return result

    monkeypatch.setattr(convolution.tile_max, "forward", watched)
    with mg.fast_paths(True):
        expected = F.max_pool2d(mg.Tensor(x, requires_grad=True), (2, 3)).data
        constant = F.max_pool2d(x, (2, 3)).data
        with mg.no_grad():
            unrecorded = F.max_pool2d(mg.Tensor(x, requires_grad=True), (2, 3)).data
    np.testing.assert_array_equal(constant, expected)
    np.testing.assert_array_equal(unrecorded, expected)
    assert [matches is None for matches in remembered] == [False, True, True]


def test_avg_pool_backward_with_a_kernel_of_2x3():
    """DeZero: IndexError, from kernel height and width exchanged."""
    x = mg.Tensor(numbers(2, 4, 9, 3), requires_grad=True)
    out = F.avg_pool2d(x, (2, 3))
    g = numbers(*out.shape, seed=1)
    expected = np.repeat(np.repeat(g, 2, axis=1), 3, axis=2) / 6
    assert_close(mg.grad(out, x, g).data, expected)


@pytest.mark.parametrize("pool", [F.max_pool2d, F.avg_pool2d])
def test_pool_backward_with_padding(pool):
    """numpy-ml: an error. With one window that holds the whole image, all can be said."""
    x = mg.Tensor(numbers(2, 3, 4, 1), requires_grad=True)
    out = pool(x, (5, 7), padding=((2, 0), (1, 2)))
    assert out.shape == (2, 1, 1, 1)
    g = numbers(2, 1, 1, 1, seed=1)
    largest = x.data == x.data.max((1, 2, 3), keepdims=True)
    expected = g * largest if pool is F.max_pool2d else g * np.full((2, 3, 4, 1), 1 / 12)
    assert_close(mg.grad(out, x, g).data, expected)


@pytest.mark.parametrize("function", ["conv2d", "max_pool2d", "avg_pool2d"])
def test_strides_that_do_not_tile(function):
    """MyGrad: refused."""
    x = numbers(2, 8, 11, 3)
    if function == "conv2d":
        kernel = numbers(3, 2, 3, 4, seed=1)
        out = F.conv2d(x, kernel, stride=(2, 4), padding="VALID").data
        expected = oracles.conv2d(x, kernel, (2, 4))
    else:
        out = getattr(F, function)(x, (3, 2), (2, 4)).data
        expected = getattr(oracles, function)(x, (3, 2), (2, 4))
    assert out.shape[1:3] == (3, 3)
    assert_close(out, expected)


def test_SAME_with_a_dilation_per_axis():
    """tinygrad: wrong shapes."""
    x, kernel = numbers(2, 9, 11, 3), numbers(3, 2, 3, 4, seed=1)
    out = F.conv2d(x, kernel, dilation=(2, 5), padding="SAME").data
    assert out.shape == (2, 9, 11, 4)
    assert_close(out, oracles.conv2d(x, kernel, (1, 1), ((2, 2), (2, 3)), (2, 5)))


# article: L6
def test_a_layer_serves_inputs_of_any_size():
    """tinynn: the padding of the first input was kept for all others."""
    layer = nn.Conv2D(2, 3, (3, 2), stride=(2, 3)).astype(np.float64)
    for height, width in ((7, 9), (4, 6), (11, 5), (7, 9)):
        x = numbers(1, height, width, 2)
        expected = oracles.conv2d(x, layer.kernel.data, (2, 3), ((1, 1), (0, 1)))
        assert_close(layer(x).detach().data, expected)


# --- empty batches --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x, kernel: F.conv2d(x, kernel, np.ones(6), stride=(2, 1)),
        lambda x, kernel: F.conv2d(x, kernel[:, :, :2], groups=2, padding="FULL"),
        lambda x, kernel: F.max_pool2d(x, (2, 3), (1, 2), "SAME") * kernel.sum(),
        lambda x, kernel: F.avg_pool2d(x, (2, 3), (1, 2), "SAME") * kernel.sum(),
    ],
)
def test_batches_of_no_images_pass_through(function):
    """Their gradients are empty, and those of the weights 0."""
    x = mg.Tensor(np.zeros((0, 5, 7, 4)), requires_grad=True)
    kernel = mg.Tensor(numbers(3, 2, 4, 6), requires_grad=True)
    out = function(x, kernel)
    assert out.shape[0] == 0
    x_gradient, kernel_gradient = mg.grad(out, [x, kernel], np.zeros(out.shape))
    assert x_gradient.shape == x.shape
    assert not kernel_gradient.data.any()


# --- what is refused ------------------------------------------------------------------------------

IMAGES, KERNEL = np.ones((2, 5, 7, 4)), np.ones((3, 2, 4, 6))


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ValueError,
            "conv2d: kernel of shape (3, 2, 4) must be (kh, kw, in_channels, out_channels), all at "
            "least 1",
            lambda: F.conv2d(IMAGES, KERNEL[..., 0]),
        ),
        (
            ValueError,
            "conv2d: kernel of shape (3, 0, 4, 6) must be (kh, kw, in_channels, out_channels), all "
            "at least 1",
            lambda: F.conv2d(IMAGES, KERNEL[:, :0]),
        ),
        (
            ValueError,
            "conv2d: x of shape (2, 5, 7, 4) NHWC has 4 channels; kernel of shape (3, 2, 1, 6) "
            "with groups=4 takes 4 and makes 6 filters, which must be a multiple of groups",
            lambda: F.conv2d(IMAGES, KERNEL[:, :, :1], groups=4),
        ),
        (
            ValueError,
            "conv2d: groups=0 must be at least 1",
            lambda: F.conv2d(IMAGES, KERNEL, groups=0),
        ),
        (
            TypeError,
            "conv2d: groups=2.0 must be an int, not float",
            lambda: F.conv2d(IMAGES, KERNEL, groups=2.0),
        ),
        (
            ValueError,
            "conv2d: bias of shape (1,) must have shape (6,)",
            lambda: F.conv2d(IMAGES, KERNEL, np.ones(1)),
        ),
        (
            ValueError,
            "conv2d: bias of shape (3,) must have shape (6,)",
            lambda: F.conv2d(IMAGES, KERNEL[:, :, :2], np.ones(3), groups=2),
        ),
        (
            ValueError,
            "conv2d: stride=(2, 0) must be at least 1 in height and in width",
            lambda: F.conv2d(IMAGES, KERNEL, stride=(2, 0)),
        ),
        (
            ValueError,
            "conv2d: dilation=-1 must be at least 1 in height and in width",
            lambda: F.conv2d(IMAGES, KERNEL, dilation=-1),
        ),
        (
            ValueError,
            "conv2d: the input has height 0; it must be at least 1",
            lambda: F.conv2d(IMAGES[:, :0], KERNEL),
        ),
        (
            ValueError,
            "max_pool2d: stride=0 must be at least 1 in height and in width",
            lambda: F.max_pool2d(IMAGES, 2, 0),
        ),
        (
            ValueError,
            "avg_pool2d: stride=0 must be at least 1 in height and in width",
            lambda: F.avg_pool2d(IMAGES, 2, 0),
        ),
        (
            ValueError,
            "avg_pool2d: x of shape (5, 7) has 2 axes; images are (N, H, W, C)",
            lambda: F.avg_pool2d(IMAGES[0, ..., 0], 2),
        ),
        (
            ValueError,
            "max_pool2d: padding (2, 1) lets a window see padding only: along the height, 5 cells, "
            "kernel_size 2, stride 3; pad by less than the window",
            lambda: F.max_pool2d(IMAGES, (2, 3), 3, ((2, 1), (0, 0))),
        ),
        (
            ValueError,
            "avg_pool2d: padding (0, 3) lets a window see padding only: along the width, 7 cells, "
            "kernel_size 3, stride 1; pad by less than the window",
            lambda: F.avg_pool2d(IMAGES, (2, 3), 1, ((0, 0), (0, 3))),
        ),
        (
            ValueError,
            "im2col: x of shape (5, 7, 4) has 3 axes; images are (N, H, W, C); a single image "
            "needs a batch axis: x.expand_dims(0)",
            lambda: F.im2col(IMAGES[0], 2),
        ),
        (
            ValueError,
            "col2im: input_shape=(5, 7, 4) must be (N, H, W, C)",
            lambda: F.col2im(np.ones((2, 4, 5, 24)), (5, 7, 4), (2, 3)),
        ),
        (
            ValueError,
            "col2im: cols of shape (2, 5, 4, 24) must have shape (2, 4, 5, 24), which is (N, OH, "
            "OW, KH*KW*C) for input_shape=(2, 5, 7, 4) and kernel_size=(2, 3)",
            lambda: F.col2im(np.ones((2, 5, 4, 24)), (2, 5, 7, 4), (2, 3)),
        ),
    ],
)
def test_refused(error, message, call):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


# --- block by block -------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", [1, 40, 500, 10**6], ids=lambda cells: f"{cells} cells")
@pytest.mark.parametrize("too_even", [1, 512], ids=["gaps", "no gaps"])
@pytest.mark.parametrize(
    "options",
    [
        {"stride": (1, 2), "padding": ((2, 0), (1, 3))},
        {"dilation": (1, 2)},  # SAME, so the gradient is a convolution with the turned kernel
        {"padding": ((0, 2), (1, 0))},  # likewise, in other places
    ],
    ids=["any", "same", "moved"],
)
def test_every_cut_into_blocks_computes_the_same(cells, too_even, options, monkeypatch):
    """Single positions, parts of rows, some rows, everything at once."""
    monkeypatch.setattr(convolution, "BLOCK_CELLS", cells)
    monkeypatch.setattr(convolution, "TOO_EVEN", too_even)
    x = mg.Tensor(numbers(2, 7, 8, 3), requires_grad=True)
    layer = nn.Conv2D(3, 4, (3, 2), **options).astype(np.float64)
    layer.bias.data[:] = numbers(4)
    results = []
    for fast in (True, False):
        with mg.fast_paths(fast):
            out = layer(x)
            g = np.cos(np.arange(out.data.size)).reshape(out.shape)
            results.append([out, *mg.grad(out, [x, layer.kernel, layer.bias], g)])
    for fast, plain in zip(*results, strict=True):
        np.testing.assert_allclose(fast.data, plain.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("cells", "kept"), [(2 * 4 * 5 * 18 - 1, None), (2 * 4 * 5 * 18, (18, 40))]
)
def test_rows_are_kept_for_the_gradient_where_they_are_one_block(cells, kept, monkeypatch):
    monkeypatch.setattr(convolution, "BLOCK_CELLS", cells)
    x = mg.Tensor(numbers(2, 5, 6, 3), requires_grad=True)
    kernel = mg.Tensor(numbers(2, 3, 3, 4), requires_grad=True)
    with mg.fast_paths(True):
        rows = F.conv2d(x, kernel, padding=((0, 0), (0, 1))).node.saved["rows"]
    assert (None if rows is None else rows.shape) == kept


def test_rows_of_a_single_position_are_kept_only_if_they_are_few(monkeypatch):
    """They are one block, for that cannot be cut."""
    monkeypatch.setattr(convolution, "BLOCK_CELLS", 2 * 30 * 3 - 1)
    x = mg.Tensor(numbers(2, 5, 6, 3), requires_grad=True)
    kernel = mg.Tensor(numbers(5, 6, 3, 4), requires_grad=True)
    with mg.fast_paths(True):
        assert F.conv2d(x, kernel, padding="VALID").node.saved["rows"] is None


@pytest.mark.parametrize(
    "dtypes", [("u1", "u1", "f8"), ("?", "?", "f4"), ("f4", "f4", "f8"), ("u1", "f4", "f4")]
)
def test_the_bias_is_added_to_the_product_in_its_own_dtype(dtypes):
    """As a dense layer does; a product of bytes, say, has been cut off before the bias comes."""
    rng = np.random.default_rng(3)
    x, kernel, bias = (
        rng.integers(1, 90, shape).astype(dtype)
        for shape, dtype in zip([(2, 5, 7, 3), (3, 2, 3, 4), (4,)], dtypes, strict=True)
    )
    results = []
    for fast in (True, False):
        with mg.fast_paths(fast):
            results.append(F.conv2d(x, kernel, bias, stride=(2, 1)))
    fast, plain = results
    assert fast.dtype == plain.dtype == dtypes[2]
    np.testing.assert_array_equal(fast.data, plain.data)


def peak_memory(function):
    """MiB that are allocated at most while a function runs, what it returns included."""
    tracemalloc.start()
    try:
        result = function()
        return tracemalloc.get_traced_memory()[1] / 2**20, result
    finally:
        tracemalloc.stop()


def test_a_large_image_needs_little_memory():
    """The rows of im2col would be 300 MiB; the image is 12 and the output 128."""
    images = np.ones((1, 1024, 1024, 3), np.float32)
    layer = nn.Conv2D(3, 32, 5)

    def inference():
        with mg.no_grad():
            return layer(images)

    def training():
        x = mg.Tensor(images, requires_grad=True)
        out = layer(x)
        out.backward(out.detach() * 2.0)
        return x.grad

    with mg.fast_paths(True):
        assert peak_memory(inference)[0] < 128 + 64
        assert peak_memory(training)[0] < 12 + 128 + 192
