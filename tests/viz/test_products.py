"""Convolution and dense layer as one matrix product, read back and compared with plain loops."""

import re

import numpy as np
import pytest
from PIL import Image

from minigrad import nn, viz
from minigrad.viz.cells import BLANK, FAINT_INK, ZERO
from tests.viz.test_convolution import (
    ARTICLE_IMAGE,
    ARTICLE_MATRIX,
    CASES,
    Read,
    article_layer,
    case,
    flat,
    output_by_loops,
    output_size,
    padded,
    products,
    said,
    window_cells,
)

ARTICLE_OUTPUT = [1190, 1919, 909, 1344]
SMALL = ["stride", "dilation", "groups"]  # where every number can be written


def order_of(figure):
    """Names of the grids from left to right, and the signs between them."""
    (axes,) = figure.axes
    places = [(image.get_extent()[0], image.get_gid()) for image in axes.images]
    places += [
        (text.get_position()[0], text.get_text()) for text in axes.texts if text.get_text() in "×+="
    ]
    return [name for _, name in sorted(places)]


def matrix_by_loops(conv, shape):
    """(outputs, inputs), zeros where no weight is."""
    out = output_size(conv, shape)
    matrix = np.zeros((np.prod(out), np.prod(shape)))
    for kernel, row, column, channel, output, inside in products(conv, shape):
        if inside:
            matrix[flat(output, out), flat((row, column, channel), shape)] = conv.kernel.data[
                kernel
            ]
    return matrix


# --- the kernel matrix ----------------------------------------------------------------------------


# article: G4, E6, E7, B16
def test_the_articles_product():
    figure = viz.matrix_product_figure(article_layer(), (3, 3, 1), image=ARTICLE_IMAGE)
    assert order_of(figure) == ["matrix", "×", "image", "=", "output"]
    matrix = Read(figure, "matrix")
    np.testing.assert_array_equal(matrix.numbers, ARTICLE_MATRIX)
    np.testing.assert_array_equal(Read(figure, "image").numbers[:, 0], ARTICLE_IMAGE.ravel())
    np.testing.assert_array_equal(Read(figure, "output").numbers[:, 0], ARTICLE_OUTPUT)
    grey = (matrix.colours == ZERO).all(axis=2)
    np.testing.assert_array_equal(grey, np.equal(ARTICLE_MATRIX, 0))
    assert len({tuple(colour) for colour in matrix.colours[~grey]}) == 4
    written = [text for text in figure.axes[0].texts if text.get_gid() == "matrix"]
    assert all((text.get_color() == FAINT_INK) == (text.get_text() == "0") for text in written)
    assert matrix.frames == [(0, 0, 1, 9)]
    assert Read(figure, "image").frames == [(0, 0, 9, 1)]
    assert Read(figure, "output").frames == [(0, 0, 1, 1)]
    assert "36 cells: 16 hold one of the kernel's 4 parameters, 20 are zero" in said(figure)


@pytest.mark.parametrize("name", SMALL)
def test_matrix_times_image_plus_bias_is_the_output(name):
    conv, shape, image = case(name)
    figure = viz.matrix_product_figure(conv, shape, image=image)
    matrix = Read(figure, "matrix")
    expected = matrix_by_loops(conv, shape)
    assert (matrix.rows, matrix.columns) == expected.shape
    np.testing.assert_array_equal((matrix.colours == ZERO).all(axis=2), expected == 0)
    weights = {  # equal numbers may be different parameters, but one parameter is one number
        tuple(colour): set(expected[(matrix.colours == colour).all(axis=2)])
        for colour in np.unique(matrix.colours.reshape(-1, 3), axis=0)
    }
    assert all(len(numbers) == 1 for numbers in weights.values())
    if (matrix.texts != "").all():
        np.testing.assert_array_equal(matrix.numbers, expected)
    output = Read(figure, "output")
    if (output.texts != "").all():
        loops = output_by_loops(conv, shape, image).reshape(-1)
        np.testing.assert_array_equal(output.numbers[:, 0], loops)
    with_bias = ["+", "bias"] if conv.bias is not None else []
    assert order_of(figure) == ["matrix", "×", "image", *with_bias, "=", "output"]


def test_the_bias_of_a_filter_stands_at_all_its_positions():
    conv = nn.Conv2D(1, 2, (2, 1), padding="VALID")
    conv.bias.data[...] = [5, 7]
    figure = viz.matrix_product_figure(conv, (3, 2, 1))  # -> 2x2x2
    np.testing.assert_array_equal(Read(figure, "bias").numbers[:, 0], [5, 7] * 4)


def test_padding_has_no_column_and_the_picture_says_so():
    conv = nn.Conv2D(1, 1, (2, 3), padding=((1, 0), (0, 2)))
    figure = viz.matrix_product_figure(conv, (2, 3, 1))
    assert Read(figure, "matrix").columns == 6
    assert "Padding has no column" in said(figure)
    plain = viz.matrix_product_figure(nn.Conv2D(1, 1, 1), (2, 3, 1))
    assert "Padding" not in said(plain)


def test_numbers_that_find_no_room_are_greys_and_the_caption_says_which():
    conv = nn.Conv2D(1, 1, 3, padding="VALID", bias=False)
    conv.kernel.data[:] = 111
    image = np.arange(42.0).reshape(6, 7, 1) % 10
    figure = viz.matrix_product_figure(conv, (6, 7, 1), image=image)
    assert Read(figure, "image").numbers.size == 42
    greys = Read(figure, "output").colours[:, 0, 0]
    sums = output_by_loops(conv, (6, 7, 1), image).reshape(-1)
    np.testing.assert_allclose(greys, 1 - 0.7 * (sums - sums.min()) / np.ptp(sums))
    assert said(figure).endswith("are greys, the darker the larger: output.")
    assert "greys" not in said(viz.matrix_product_figure(article_layer(), (3, 3, 1)))


# --- dense ----------------------------------------------------------------------------------------


# article: G5
def test_a_dense_layer_has_a_colour_for_every_cell():
    dense = nn.Dense(5, 3)
    dense.weight.data[...] = np.arange(15).reshape(5, 3)
    dense.bias.data[...] = [100, 200, 300]
    inputs = np.array([2.0, 1, 0, 3, 4])
    figure = viz.dense_product_figure(dense, inputs=inputs)
    assert order_of(figure) == ["weights", "×", "input", "+", "dense bias", "=", "dense output"]
    weights = Read(figure, "weights")
    np.testing.assert_array_equal(weights.numbers, np.arange(15).reshape(5, 3).T)
    assert len({tuple(colour) for colour in weights.colours.reshape(-1, 3)}) == 15
    expected = [sum(inputs[i] * (3 * i + o) for i in range(5)) + 100 * (o + 1) for o in range(3)]
    np.testing.assert_array_equal(Read(figure, "dense output").numbers[:, 0], expected)
    assert "3 outputs × 5 inputs = 15 cells, 15 parameters" in said(figure)


# article: C1, C2, C3, C4
def test_convolution_above_a_dense_layer_of_its_size():
    figure = viz.conv_and_dense_figure(article_layer(), (3, 3, 1), image=ARTICLE_IMAGE)
    matrix, weights = Read(figure, "matrix"), Read(figure, "weights")
    np.testing.assert_array_equal(matrix.numbers, ARTICLE_MATRIX)
    assert weights.colours.shape == matrix.colours.shape == (4, 9, 3)
    assert (weights.left, weights.cell) == (matrix.left, matrix.cell)
    assert weights.top > matrix.top + 9 * matrix.cell
    assert len({tuple(colour) for colour in weights.colours.reshape(-1, 3)}) == 36
    np.testing.assert_array_equal(
        Read(figure, "dense output").numbers[:, 0],
        [sum(row * ARTICLE_IMAGE.ravel()) for row in weights.numbers],
    )
    text = said(figure)
    assert "Convolution: 36 cells, 16 not zero, 4 parameters shared among them" in text
    assert "Fully connected: 36 cells, 36 parameters" in text


# --- unfolded -------------------------------------------------------------------------------------


# article: G13, F4
def test_the_articles_flattened_kernel_times_unfolded_image():
    figure = viz.unfolded_product_figure(article_layer(), (3, 3, 1), image=ARTICLE_IMAGE)
    assert order_of(figure) == ["kernel", "×", "unfolded", "=", "output"]
    np.testing.assert_array_equal(Read(figure, "kernel").numbers, [[4, 6, 7, 9]])
    np.testing.assert_array_equal(
        Read(figure, "unfolded").numbers,
        [[43, 16, 34, 76], [16, 78, 76, 95], [34, 76, 35, 8], [76, 95, 8, 46]],
    )
    np.testing.assert_array_equal(Read(figure, "output").numbers, [ARTICLE_OUTPUT])
    assert "4 windows of 4 cells: 16 numbers, 1.8 times the image's 9" in said(figure)


@pytest.mark.parametrize("name", CASES)
def test_columns_are_windows_and_rows_are_filters(name):
    conv, shape, image = case(name)
    figure = viz.unfolded_product_figure(conv, shape, image=image)
    height, width, filters = output_size(conv, shape)
    full = padded(conv, image)
    columns = np.transpose(
        [
            [
                full[row, column, c]
                for row, column in window_cells(conv, i, j)
                for c in range(shape[2])
            ]
            for i in range(height)
            for j in range(width)
        ]
    )
    unfolded, kernel = Read(figure, "unfolded"), Read(figure, "kernel")
    assert (unfolded.rows, unfolded.columns) == columns.shape
    # Images hold no zeros, so a zero is padding: grey.
    np.testing.assert_array_equal((unfolded.colours == ZERO).all(axis=2), columns == 0)
    np.testing.assert_array_equal((unfolded.colours == BLANK).all(axis=2), columns != 0)
    if (unfolded.texts != "").all():
        np.testing.assert_array_equal(unfolded.numbers, columns)
    assert (kernel.rows, kernel.columns) == (filters, len(columns))
    used = np.zeros((filters, len(columns)), bool)
    for (a, b, _, f), _, _, channel, _, _ in products(conv, shape):
        used[f, (a * conv.kernel_size[1] + b) * shape[2] + channel] = True
    np.testing.assert_array_equal((kernel.colours == ZERO).all(axis=2), ~used)
    output = Read(figure, "output")
    if (output.texts != "").all():
        loops = output_by_loops(conv, shape, image).reshape(-1, filters)
        np.testing.assert_array_equal(output.numbers, loops.T)
    assert unfolded.frames == [(0, 0, len(columns), 1)]
    assert kernel.frames == [(0, 0, 1, len(columns))]


# --- image and kernel -----------------------------------------------------------------------------


# article: G3, E6
def test_the_articles_image_kernel_and_output():
    figure = viz.convolution_figure(
        article_layer(), (3, 3, 1), image=ARTICLE_IMAGE, output_cell=(0, 1, 0)
    )
    assert order_of(figure) == ["image[0]", "×", "kernel[0,0]", "=", "output[0]"]
    image, kernel = Read(figure, "image[0]"), Read(figure, "kernel[0,0]")
    np.testing.assert_array_equal(image.numbers, ARTICLE_IMAGE[..., 0])
    np.testing.assert_array_equal(kernel.numbers, [[4, 6], [7, 9]])
    np.testing.assert_array_equal(Read(figure, "output[0]").numbers.ravel(), ARTICLE_OUTPUT)
    np.testing.assert_array_equal(image.colours[0:2, 1:3], kernel.colours)
    assert Read(figure, "output[0]").frames == [(0, 1, 1, 1)]
    assert "16·4 + 78·6 + 76·7 + 95·9 = 1919" in said(figure)


# --- all ------------------------------------------------------------------------------------------


def test_they_are_written_and_the_same_again(tmp_path):
    conv, shape, image = case("pads")
    for folder in ("a", "b"):
        for draw in (
            viz.matrix_product_figure,
            viz.conv_and_dense_figure,
            viz.unfolded_product_figure,
            viz.convolution_figure,
        ):
            draw(conv, shape, tmp_path / folder / f"{draw.__name__}.png", image=image)
        viz.dense_product_figure(
            nn.Dense(4, 3, rng=np.random.default_rng(0)), tmp_path / folder / "d.png"
        )
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        with Image.open(path) as picture:
            assert min(picture.size) > 200


def test_what_is_refused():
    conv = nn.Conv2D(1, 1, (2, 3))
    for draw in (
        viz.matrix_product_figure,
        viz.conv_and_dense_figure,
        viz.unfolded_product_figure,
        viz.convolution_figure,
    ):
        name = draw.__name__
        with pytest.raises(TypeError, match=rf"{name}: expected a Conv2D, got Dense"):
            draw(nn.Dense(3, 4), (3, 4, 1))
        with pytest.raises(ValueError, match=rf"{name}: image of shape \(3, 4\) .*\(3, 4, 1\)"):
            draw(conv, (3, 4, 1), image=np.ones((3, 4)))
        if draw is not viz.convolution_figure:
            with pytest.raises(ValueError, match=rf"{name}: .*at most 120 .*the pattern repeats"):
                draw(conv, (11, 12, 1))
    with pytest.raises(ValueError, match=r"convolution_figure: .*at most 400"):
        viz.convolution_figure(conv, (11, 412, 1))
    with pytest.raises(TypeError, match=r"dense_product_figure: expected a Dense, got Conv2D"):
        viz.dense_product_figure(conv)
    with pytest.raises(ValueError, match=r"dense_product_figure: Dense.* 121 inputs.* at most 120"):
        viz.dense_product_figure(nn.Dense(121, 2))
    with pytest.raises(ValueError, match=re.escape("dense_product_figure: inputs of shape (3,)")):
        viz.dense_product_figure(nn.Dense(4, 2), inputs=np.ones(3))
