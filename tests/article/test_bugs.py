"""Exhibits: what the article's code got wrong, and these functions get right.

A test per mistake, on the very sizes where it shows. What is right is worked out by hand or cell by
cell; the mistakes of which the library has its own tests are tagged there.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.article import (
    conv,
    conv1,
    conv2,
    conv_matmul,
    get_padding,
    to_image,
)
from minigrad.article.preparation import prepare
from tests import oracles

BOTH = pytest.mark.parametrize("function", [conv, conv_matmul])


def ramp(height, width):
    """1, 2, 3, ... row by row: no two cells alike."""
    return np.arange(1.0, height * width + 1).reshape(height, width)


def by_hand(image, kernel, row, column, top=0, left=0):
    """One cell of the map: the window at (row, column) of the padded image, at stride 1."""
    total = 0.0
    for (a, b), weight in np.ndenumerate(kernel):
        y, x = row + a - top, column + b - left
        if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
            total += weight * image[y, x]
    return total


# article: B1
@BOTH
def test_b1_the_mode_asked_for_is_the_mode_used(function):
    """`conv` computed SAME whatever it was told."""
    image, kernel = ramp(5, 5), ramp(3, 3)
    assert function(image, kernel, 1, "VALID").shape == (3, 3)
    assert function(image, kernel, 1, "FULL").shape == (7, 7)
    assert function(image, kernel, 1, "VALID")[0, 0] == by_hand(image, kernel, 0, 0)
    assert function(image, kernel, 1, "FULL")[0, 0] == image[0, 0] * kernel[2, 2]
    # At these sizes the shape was right, and only the numbers wrong.
    out = function(image, ramp(2, 2), 2, "FULL")
    assert out.shape == (3, 3)
    assert out[0, 0] == image[0, 0] * 4
    assert out[2, 2] == 1 * 19 + 2 * 20 + 3 * 24 + 4 * 25


# article: B2, B2a
@pytest.mark.parametrize("kernel_size", [(1, 3), (3, 1), (2, 4)])
def test_b2a_kernels_that_are_not_square(kernel_size):
    """`conv` exchanged the axes, and raised."""
    image, kernel = ramp(5, 5), ramp(*kernel_size)
    out = conv(image, kernel, 1)
    top, left = (kernel_size[0] - 1) // 2, (kernel_size[1] - 1) // 2
    assert out.shape == (5, 5)
    for row, column in np.ndindex(5, 5):
        assert out[row, column] == by_hand(image, kernel, row, column, top, left)


# article: B2, B2b
@BOTH
def test_b2b_valid_with_a_kernel_that_is_not_square(function):
    """`conv_matmul` paired the weights with the cells of a turned window, without an error."""
    image, kernel = ramp(5, 5), ramp(3, 5)
    out = function(image, kernel, 1, "VALID")
    assert out.shape == (3, 1)
    assert out[:, 0].tolist() == [by_hand(image, kernel, row, 0) for row in range(3)]


# article: B2, B2c
@BOTH
@pytest.mark.parametrize(
    ("image_size", "kernel_size"), [((6, 8), (5, 3)), ((8, 6), (3, 5)), ((5, 7), (3, 1))]
)
def test_b2c_same_where_the_shape_came_out_right_by_accident(function, image_size, kernel_size):
    """Where W - H = kh - kw, `conv_matmul` gave wrong numbers in the right shape."""
    image, kernel = ramp(*image_size), ramp(*kernel_size)
    assert image_size[1] - image_size[0] == kernel_size[0] - kernel_size[1]
    out = function(image, kernel, 1, "SAME")
    top, left = (kernel_size[0] - 1) // 2, (kernel_size[1] - 1) // 2
    assert out.shape == image_size
    for row, column in np.ndindex(image_size):
        assert out[row, column] == by_hand(image, kernel, row, column, top, left)


# article: B3
def test_b3_an_unknown_mode_is_an_error_and_lower_case_none():
    """`get_padding` printed "Invalid mode" and returned None; "same" was one of those."""
    image, kernel = ramp(4, 5), ramp(3, 2)
    for call in (
        lambda mode: get_padding(image, (3, 2), mode),
        lambda mode: conv(image, kernel, 1, mode),
        lambda mode: conv_matmul(image, kernel, 1, mode),
    ):
        with pytest.raises(ValueError, match='mode=\'SAEM\' is unknown; use "FULL", "VALID" or'):
            call("SAEM")
        assert np.array_equal(call("same"), call("SAME"))


# article: B5
def test_b5_same_at_stride_2_begins_with_padding_where_tensorflow_does_not():
    """28 cells, 3 weights, stride 2: (1, 1) here, (0, 1) there; the other windows, the same size.

    TensorFlow's first window begins on the first cell: VALID, on an image with a cell after it.
    """
    line = np.arange(1.0, 29)[None]
    pick = np.array([[1.0, 0, 0]])  # the first cell of every window
    assert get_padding(line, (1, 3), "SAME") == [0, 1, 0, 1]
    ours = conv(line, pick, 2)
    theirs = conv(np.pad(line, ((0, 0), (0, 1))), pick, 2, "VALID")
    assert ours.ravel().tolist() == [0, *range(2, 28, 2)]
    assert theirs.ravel().tolist() == list(range(1, 28, 2))


# article: B6
def test_b6_functions_that_mean_the_same_refuse_the_same():
    """One channel of weights on a picture of three: `conv` broadcast, `conv_matmul` raised."""
    image, kernel = np.ones((5, 6, 3)), np.ones((3, 3, 1))
    for call in (
        lambda: conv(image, kernel, 1),
        lambda: conv_matmul(image, kernel, 1),
        lambda: conv1(kernel, image, 1),
        lambda: conv2(kernel, image, 1),
    ):
        with pytest.raises(ValueError, match="differ in channels, 1 and 3"):
            call()


# article: B7
@BOTH
def test_b7_grey_and_rgba_pictures(function):
    """A grey picture made `np.pad` raise; four channels met three weights."""
    grey = ramp(4, 5)
    assert function(grey, ramp(3, 2), 1, "VALID")[1, 3] == by_hand(grey, ramp(3, 2), 1, 3)
    rgba = np.stack([grey, 10 * grey, 100 * grey, 0 * grey], axis=2)
    weights = np.stack([ramp(3, 2)] * 4, axis=2)
    expected = 111 * by_hand(grey, ramp(3, 2), 1, 3)
    assert function(rgba, weights, 1, "VALID")[1, 3] == pytest.approx(expected)


# article: B8
@BOTH
@pytest.mark.parametrize("stride", [1, 3])
def test_b8_a_kernel_larger_than_the_image(function, stride):
    """`conv` gave numbers; at a larger stride the size was cut towards 0, and not below it."""
    with pytest.raises(ValueError, match=r"does not fit: height 3 .* kernel 4 .*give a larger"):
        function(ramp(3, 5), ramp(4, 4), stride, "VALID")
    assert function(ramp(3, 5), ramp(4, 4), stride, "FULL").size > 0


# article: B9
def test_b9_a_map_with_negative_numbers_keeps_its_order_as_a_picture():
    """Cast to bytes, -1 would be brighter than 254, and 300 darker than 45."""
    numbers = np.array([[-244.8, -1.0, 0.0, 45.0, 171.4, 300.0]])
    for picture in (to_image(numbers), to_image(numbers, grey=True)):
        assert (np.diff(picture.astype(int)) >= 0).all()
    # What the article's kernel makes of a picture is negative in many cells.
    image = np.round(mg.data.scene(40, 44) * 255)
    kernel = np.stack([np.array([[0.1, 0.1, 0.1], [0.1, -0.8, 0.1], [0.1, 0.1, 0.1]])] * 3, axis=2)
    edges = conv(image, kernel, 1)
    assert (edges < 0).mean() > 0.2
    order = np.argsort(edges, axis=None)
    assert (np.diff(to_image(edges, grey=True).ravel()[order].astype(int)) >= 0).all()


# article: B16
def test_b16_the_matrix_is_that_of_the_layer_and_small():
    """`conv1` multiplied the padded image, by a matrix with columns for padding, none left out."""
    image, kernel = ramp(6, 7), ramp(3, 2)
    given = prepare("test", image, kernel, 1, "SAME")
    matrix = mg.equivalence.sparse_conv_matrix(
        given.kernel[..., None], given.inputs.shape, given.stride, given.pads
    )
    assert matrix.shape == (6 * 7, 6 * 7)
    expected = oracles.conv_matrix(kernel[..., None, None], (6, 7, 1), (1, 1), ((1, 1), (0, 1)))
    np.testing.assert_allclose(
        conv1(kernel, image, 1).ravel(), image.ravel() @ expected, rtol=1e-13
    )
    # The whole matrix would take 18 GB in float64, 48,400 x 48,400.
    large = np.ones((220, 220))
    assert conv1(np.ones((3, 3)), large, 1)[1, 1] == 9


# --- in the author's later code -------------------------------------------------------------------


# article: L5
def test_l5_weights_of_classes_reach_loss_and_gradient_alike():
    """There the loss was weighted by the item's class, the gradient by the column."""
    rng = np.random.default_rng(0)
    logits, labels, weights = rng.standard_normal((5, 3)), np.array([2, 0, 1, 1, 2]), [0.5, 2, 7]

    def loss(x):
        return (mg.functional.cross_entropy(x, labels, "none") * np.take(weights, labels)).mean()

    items = [weights[k] * oracles.cross_entropy(logits[[i]], [k]) for i, k in enumerate(labels)]
    assert loss(mg.Tensor(logits)).item() == pytest.approx(np.mean(items), rel=1e-13)
    x = mg.Tensor(logits, requires_grad=True)
    softmax = oracles.softmax(logits) - np.eye(3)[labels]
    expected = softmax * np.take(weights, labels)[:, None] / 5
    np.testing.assert_allclose(mg.grad(loss(x), x).data, expected, atol=1e-14)


# article: L8
def test_l8_the_loss_of_a_row_does_not_depend_on_the_other_rows():
    """There softmax was over the whole batch, and its gradient right for that wrong function."""
    logits, labels = np.array([[1.0, 2, 3], [3.0, 1, 2], [0.5, 0.5, 0]]), np.array([0, 1, 2])
    expected = np.mean([np.log(np.exp(row - row[k]).sum()) for row, k in zip(logits, labels)])
    whole_batch = np.mean([np.log(np.exp(logits - row[k]).sum()) for row, k in zip(logits, labels)])
    assert mg.functional.cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-14)
    assert whole_batch > expected + 0.5


# article: L13
@pytest.mark.parametrize(("a", "b"), [((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((4,), (4, 5))])
def test_l13_products_of_stacks_of_matrices_and_of_vectors(a, b):
    rng = np.random.default_rng(0)
    x, y = (mg.Tensor(rng.standard_normal(shape), requires_grad=True) for shape in (a, b))
    out = x @ y
    letters = {(3, 2): "nij,jk->nik", (3, 3): "nij,njk->nik", (1, 2): "j,jk->k"}[len(a), len(b)]
    np.testing.assert_allclose(out.data, np.einsum(letters, x.data, y.data), atol=1e-13)
    g = rng.standard_normal(out.shape)
    directions = [rng.standard_normal(shape) for shape in (a, b)]
    slope = oracles.directional_derivative(
        lambda u, v: (g * np.einsum(letters, u, v)).sum(), [x.data, y.data], directions
    )
    gradients = mg.grad(out, [x, y], g)
    along = sum((d * dx.data).sum() for d, dx in zip(directions, gradients))
    assert along == pytest.approx(float(slope), rel=1e-7)
