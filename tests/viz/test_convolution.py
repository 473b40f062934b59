"""The pictures of convolutions, read back cell by cell and compared with plain loops."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

import minigrad as mg
from minigrad import nn, viz
from minigrad.viz.cells import SMALLEST_FONT, ZERO, font_size, number_texts, parameter_colours

ARTICLE_IMAGE = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]]).reshape(3, 3, 1)
ARTICLE_MATRIX = [
    [4, 6, 0, 7, 9, 0, 0, 0, 0],
    [0, 4, 6, 0, 7, 9, 0, 0, 0],
    [0, 0, 0, 4, 6, 0, 7, 9, 0],
    [0, 0, 0, 0, 4, 6, 0, 7, 9],
]

# (layer, image). Kernels are non-square, the four pads differ, strides do not tile.
CASES = {
    "stride": (
        {"in_channels": 1, "out_channels": 1, "kernel_size": (3, 2), "stride": (2, 1)},
        (5, 4),
    ),
    "pads": (
        {
            "in_channels": 2,
            "out_channels": 3,
            "kernel_size": (2, 3),
            "stride": (1, 2),
            "padding": ((1, 0), (2, 3)),
        },
        (4, 5),
    ),
    "groups": (
        {
            "in_channels": 4,
            "out_channels": 6,
            "kernel_size": (2, 1),
            "groups": 2,
            "padding": "VALID",
            "bias": False,
        },
        (3, 2),
    ),
    "dilation": (
        {
            "in_channels": 1,
            "out_channels": 2,
            "kernel_size": (2, 3),
            "dilation": (3, 2),
            "padding": "FULL",
        },
        (2, 3),
    ),
}


def article_layer():
    conv = nn.Conv2D(1, 1, 2, padding="VALID", bias=False)
    conv.kernel.data[...] = np.array([[4, 6], [7, 9]]).reshape(2, 2, 1, 1)
    return conv


def case(name):
    """A layer and an image of small whole numbers: (layer, image size, image)."""
    options, (height, width) = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    conv = nn.Conv2D(**options, rng=rng)
    conv.kernel.data[...] = rng.integers(1, 9, conv.kernel.shape) * rng.choice(
        [-1, 1], conv.kernel.shape
    )
    if conv.bias is not None:
        conv.bias.data[...] = rng.integers(1, 9, conv.bias.shape)
    shape = (height, width, conv.in_channels)
    return conv, shape, rng.integers(1, 9, shape).astype(float)


def pads_of(conv):
    """((top, bottom), (left, right)), for the paddings in CASES."""
    kh, kw = conv.kernel_size
    reach = [(kh - 1) * conv.dilation[0], (kw - 1) * conv.dilation[1]]
    if conv.padding == "SAME":
        return [(r // 2, r - r // 2) for r in reach]
    if conv.padding == "FULL":
        return [(r, r) for r in reach]
    return [(0, 0), (0, 0)] if conv.padding == "VALID" else list(conv.padding)


def output_size(conv, shape):
    sizes = []
    for axis in (0, 1):
        span = (conv.kernel_size[axis] - 1) * conv.dilation[axis] + 1
        room = shape[axis] + sum(pads_of(conv)[axis]) - span
        sizes.append(room // conv.stride[axis] + 1)
    return (*sizes, conv.out_channels)


def products(conv, shape):
    """Every product of the convolution, by plain loops.

    Yields (kernel index, image row, image column, channel, output index, inside the image).
    """
    (top, _), (left, _) = pads_of(conv)
    kh, kw, group_channels, filters = conv.kernel.shape
    height, width, _ = output_size(conv, shape)
    for i in range(height):
        for j in range(width):
            for f in range(filters):
                group = f // (filters // conv.groups)
                for a in range(kh):
                    for b in range(kw):
                        for c in range(group_channels):
                            row = i * conv.stride[0] + a * conv.dilation[0] - top
                            column = j * conv.stride[1] + b * conv.dilation[1] - left
                            inside = 0 <= row < shape[0] and 0 <= column < shape[1]
                            channel = group * group_channels + c
                            yield (a, b, c, f), row, column, channel, (i, j, f), inside


def flat(index, shape):
    place = 0
    for part, size in zip(index, shape):
        place = place * size + part
    return place


def tied_cells(conv, shape):
    """{(input cell, output cell): kernel index}, both counted in row-major order."""
    out = output_size(conv, shape)
    return {
        (flat((row, column, channel), shape), flat(output, out)): kernel
        for kernel, row, column, channel, output, inside in products(conv, shape)
        if inside
    }


def output_by_loops(conv, shape, image):
    out = np.zeros(output_size(conv, shape))
    for kernel, row, column, channel, output, inside in products(conv, shape):
        if inside:
            out[output] += image[row, column, channel] * conv.kernel.data[kernel]
    return out if conv.bias is None else out + conv.bias.data


class Read:
    """A grid read back from a figure: colours and texts by cell, and which cells are framed."""

    def __init__(self, figure, name):
        (axes,) = figure.axes
        (picture,) = [image for image in axes.images if image.get_gid() == name]
        self.colours = np.asarray(picture.get_array())
        self.rows, self.columns = self.colours.shape[:2]
        self.left, right, _, self.top = picture.get_extent()
        self.cell = (right - self.left) / self.columns
        self.texts = np.full((self.rows, self.columns), "", dtype=object)
        for text in axes.texts:
            if text.get_gid() == name:
                x, y = text.get_position()
                self.texts[int((y - self.top) / self.cell), int((x - self.left) / self.cell)] = (
                    text.get_text()
                )
        self.frames = sorted(
            self._block(patch) for patch in axes.patches if patch.get_gid() == f"{name} frame"
        )

    def _block(self, patch):
        """(row, column, rows, columns)"""
        x, y = patch.get_xy()
        lengths = (y - self.top, x - self.left, patch.get_height(), patch.get_width())
        return tuple(round(length / self.cell) for length in lengths)

    @property
    def numbers(self):
        return np.vectorize(float, otypes=[float])(self.texts)


def said(figure):
    """Everything that is written in a figure, outside of the cells."""
    return "\n".join(
        text.get_text() for text in figure.axes[0].texts if text.get_gid() is None
    ).translate({10: " ", 0xA0: " "})


def kernel_colours(figure, conv):
    """The colour of each kernel parameter, (kh, kw, C, F, 3), from the grids of the kernel."""
    kh, kw, channels, filters = conv.kernel.shape
    colours = np.empty((kh, kw, channels, filters, 3))
    for c, f in itertools.product(range(channels), range(filters)):
        colours[:, :, c, f] = Read(figure, f"kernel[{c},{f}]").colours
    return colours


# --- the matrix -----------------------------------------------------------------------------------


def test_the_articles_matrix_number_for_number():
    """E7: 36 cells, 16 of them with one of 4 parameters."""
    figure = viz.matrix_figure(article_layer(), (3, 3, 1), orientation="article")
    matrix = Read(figure, "matrix")
    np.testing.assert_array_equal(matrix.numbers, ARTICLE_MATRIX)
    grey = (matrix.colours == ZERO).all(axis=2)
    assert grey.sum() == 20
    np.testing.assert_array_equal(grey, np.equal(ARTICLE_MATRIX, 0))
    assert len({tuple(colour) for colour in matrix.colours[~grey]}) == 4
    text = said(figure)
    assert "36 cells: 16 hold one of the kernel's 4 parameters, 20 are zero" in text
    assert "as the article draws it" in text


def test_the_dense_orientation_is_the_transpose_and_says_so():
    figure = viz.matrix_figure(article_layer(), (3, 3, 1))
    np.testing.assert_array_equal(Read(figure, "matrix").numbers, np.transpose(ARTICLE_MATRIX))
    assert "The article draws its transpose" in said(figure)
    assert "9 inputs × 4 outputs" in said(figure)


@pytest.mark.parametrize("name", CASES)
def test_every_cell_of_the_matrix_has_the_colour_and_number_of_its_parameter(name):
    conv, shape, _ = case(name)
    figure = viz.matrix_figure(conv, shape)
    matrix, colours = Read(figure, "matrix"), kernel_colours(figure, conv)
    cells = tied_cells(conv, shape)
    assert (matrix.rows, matrix.columns) == (np.prod(shape), np.prod(output_size(conv, shape)))
    for row, column in itertools.product(range(matrix.rows), range(matrix.columns)):
        kernel = cells.get((row, column))
        expected = ZERO if kernel is None else colours[kernel]
        np.testing.assert_array_equal(matrix.colours[row, column], expected)
        if matrix.texts[row, column]:
            weight = 0 if kernel is None else conv.kernel.data[kernel]
            assert float(matrix.texts[row, column]) == weight
    # Parameters differ in colour, from each other and from the zeros.
    assert (
        len({tuple(colour) for colour in [*colours.reshape(-1, 3), ZERO]}) == conv.kernel.size + 1
    )


def test_small_matrices_have_numbers_and_large_ones_have_not():
    conv = nn.Conv2D(1, 1, (2, 3), padding="VALID")
    small = Read(viz.matrix_figure(conv, (4, 5, 1)), "matrix")
    large = Read(viz.matrix_figure(conv, (9, 13, 1)), "matrix")
    assert (small.texts != "").all()
    assert (large.texts == "").all()


def test_a_parameter_that_meets_padding_only_is_counted_as_such():
    conv = nn.Conv2D(1, 1, (3, 1), padding=((2, 0), (0, 0)))
    assert "2 parameters never meet the image" in said(viz.matrix_figure(conv, (1, 2, 1)))


def label_places(figure, name):
    """{text: x and y, in cells of a grid} of everything written that is no cell."""
    grid = Read(figure, name)
    return {
        text.get_text(): (
            (text.get_position()[0] - grid.left) / grid.cell,
            (text.get_position()[1] - grid.top) / grid.cell,
        )
        for text in figure.axes[0].texts
        if text.get_gid() is None
    }


def test_rows_and_columns_are_named_after_their_cells():
    """2x3 on 4x5 images with two channels: names of three numbers at rows and columns."""
    conv = nn.Conv2D(2, 1, (2, 3), stride=(1, 2), padding="VALID")  # 4x5x2 -> 3x2x1
    places = label_places(viz.matrix_figure(conv, (4, 5, 2)), "matrix")
    for place, (i, j, c) in enumerate(itertools.product(range(4), range(5), range(2))):
        x, y = places[f"{i},{j},{c}"]
        assert x < 0 and y == pytest.approx(place + 0.5)
    for place, (i, j) in enumerate(itertools.product(range(3), range(2))):
        x, y = places[f"{i},{j}"]
        assert y < 0 and x == pytest.approx(place + 0.5)
    assert "input cells: row,column,channel" in places
    assert "output cells: row,column" in places


def test_of_a_large_matrix_the_image_rows_are_named():
    conv = nn.Conv2D(1, 2, 3)
    figure = viz.matrix_figure(conv, (9, 13, 1), orientation="article")
    places = label_places(figure, "matrix")
    # The same names at both sides; those of the columns are written last.
    for row in range(9):
        x, y = places[f"row {row}"]
        assert y < 0 and x == pytest.approx(row * 13 + 6.5)
    assert "input cells: 9 rows of 13 columns" in places
    assert "output cells: 9 rows of 13 columns of 2 filters" in places


# --- im2col ---------------------------------------------------------------------------------------


def padded(conv, image):
    (top, bottom), (left, right) = pads_of(conv)
    height, width, channels = image.shape
    out = np.zeros((top + height + bottom, left + width + right, channels))
    out[top : top + height, left : left + width] = image
    return out


def window_cells(conv, i, j):
    """Where the window of an output position lies in the padded image, in the kernel's order."""
    return [
        (i * conv.stride[0] + a * conv.dilation[0], j * conv.stride[1] + b * conv.dilation[1])
        for a in range(conv.kernel_size[0])
        for b in range(conv.kernel_size[1])
    ]


@pytest.mark.parametrize("name", CASES)
def test_im2col_times_the_flat_kernel_is_the_output(name):
    conv, shape, image = case(name)
    height, width, filters = output_size(conv, shape)
    traced = (height - 1, width // 2, filters - 1)
    figure = viz.im2col_figure(conv, shape, image=image, output_cell=traced)
    full = padded(conv, image)
    rows = [
        [full[row, column, c] for row, column in window_cells(conv, i, j) for c in range(shape[2])]
        for i in range(height)
        for j in range(width)
    ]
    windows = Read(figure, "im2col")
    np.testing.assert_array_equal(windows.numbers, rows)
    # Images hold no zeros, so a zero is padding: grey.
    np.testing.assert_array_equal((windows.colours == ZERO).all(axis=2), np.equal(rows, 0))

    kernel = Read(figure, "flat kernel")
    product = Read(figure, "product")
    output = output_by_loops(conv, shape, image)
    bias = 0 if conv.bias is None else conv.bias.data
    np.testing.assert_array_equal(np.array(rows) @ kernel.numbers, product.numbers)
    np.testing.assert_array_equal(product.numbers, (output - bias).reshape(-1, filters))
    for f in range(filters):
        grid = Read(figure, f"output[{f}]")
        np.testing.assert_array_equal(grid.numbers, output[:, :, f])
        assert grid.frames == ([(*traced[:2], 1, 1)] if f == traced[2] else [])

    position = traced[0] * width + traced[1]
    assert windows.frames == [(position, 0, 1, windows.columns)]
    assert kernel.frames == [(0, traced[2], kernel.rows, 1)]
    assert product.frames == [(position, traced[2], 1, 1)]


def test_the_flat_kernel_is_grey_where_a_filter_does_not_see_a_channel():
    conv, shape, image = case("groups")
    figure = viz.im2col_figure(conv, shape, image=image)
    kernel, colours = Read(figure, "flat kernel"), parameter_colours(4, 6)
    for a, c, f in itertools.product(range(2), range(4), range(6)):
        seen = c // 2 == f // 3
        expected = colours[a * 2 + c % 2, f] if seen else ZERO
        np.testing.assert_array_equal(kernel.colours[a * 4 + c, f], expected)
        assert float(kernel.texts[a * 4 + c, f]) == (
            conv.kernel.data[a, 0, c % 2, f] if seen else 0
        )


# --- one output cell ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_a_traced_cell_is_lit_in_image_row_and_matrix(name):
    conv, shape, image = case(name)
    out = output_size(conv, shape)
    i, j, f = traced = (out[0] - 1, out[1] // 2, out[2] - 1)
    figure = viz.trace_figure(conv, shape, image=image, output_cell=traced)
    colours = parameter_colours(int(np.prod(conv.kernel.shape[:3])), conv.out_channels).reshape(
        *conv.kernel.shape, 3
    )
    output = output_by_loops(conv, shape, image)
    assert f"= {output[traced]:.0f}, three ways" in said(figure)

    # 1. The window in the image, in the colours of the weights.
    window, full = window_cells(conv, i, j), padded(conv, image)
    group_channels = conv.kernel.shape[2]
    first = f // (conv.out_channels // conv.groups) * group_channels
    for channel in range(shape[2]):
        grid = Read(figure, f"image[{channel}]")
        np.testing.assert_array_equal(grid.numbers, full[:, :, channel])
        seen = first <= channel < first + group_channels
        assert grid.frames == (sorted((*cell, 1, 1) for cell in window) if seen else [])
        if seen:
            weights = colours[:, :, channel - first, f].reshape(-1, 3)
            np.testing.assert_array_equal([grid.colours[cell] for cell in window], weights)

    # The kernel of this filter beside it, with its numbers.
    for c in range(group_channels):
        kernel = Read(figure, f"kernel[{c},{f}]")
        np.testing.assert_array_equal(kernel.numbers, conv.kernel.data[:, :, c, f])

    # 2. The row of im2col, the column of the flat kernel, and their products.
    numbers = {
        name: Read(figure, name).numbers[0] for name in ("im2col row", "weights", "products")
    }
    row = [full[cell][c] for cell in window for c in range(shape[2])]
    np.testing.assert_array_equal(numbers["im2col row"], row)
    np.testing.assert_array_equal(numbers["products"], numbers["im2col row"] * numbers["weights"])
    bias = 0 if conv.bias is None else conv.bias.data[f]
    assert numbers["products"].sum() + bias == output[traced]

    # 3. The column of the matrix, bright; all others pale.
    matrix, column = Read(figure, "matrix"), flat(traced, out)
    assert matrix.frames == [(0, column, matrix.rows, 1)]
    cells = tied_cells(conv, shape)
    for place in itertools.product(range(matrix.rows), range(matrix.columns)):
        if place not in cells:
            np.testing.assert_array_equal(matrix.colours[place], ZERO)
        else:
            bright = (matrix.colours[place] == colours[cells[place]]).all()
            assert bright == (place[1] == column)
    assert Read(figure, "flat output").frames == [(0, column, 1, 1)]


def test_the_articles_output_cell_is_written_out_as_a_sum():
    """E6: the window [[34, 76], [35, 8]] gives 909."""
    figure = viz.trace_figure(
        article_layer(), (3, 3, 1), image=ARTICLE_IMAGE, output_cell=(1, 0, 0)
    )
    assert "34·4 + 76·6 + 35·7 + 8·9 = 909" in said(figure)


def test_large_whole_numbers_are_written_out():
    figure = viz.trace_figure(
        article_layer(), (3, 3, 1), image=100 * ARTICLE_IMAGE, output_cell=(1, 1, 0)
    )
    assert "output cell 1,1 = 134400, three ways" in said(figure)
    gradient = np.full((2, 2, 1), 70)
    figure = viz.tied_gradient_figure(
        article_layer(), (3, 3, 1), image=ARTICLE_IMAGE, gradient=gradient
    )
    assert "sum = 11830" in said(figure)  # 70 * (43 + 16 + 34 + 76)


def test_a_weight_that_meets_padding_only_has_no_addends():
    conv = nn.Conv2D(1, 1, (3, 1), padding=((2, 0), (0, 0)))
    figure = viz.tied_gradient_figure(conv, (1, 2, 1), parameter=(1, 0, 0, 0))
    assert Read(figure, "dense gradient").frames == []
    assert "this weight never meets the image" in said(figure)
    assert "sum = 0" in said(figure)


def test_a_negative_factor_is_written_in_brackets():
    conv = article_layer()
    conv.kernel.data[0, 1] = -6
    figure = viz.trace_figure(conv, (3, 3, 1), image=ARTICLE_IMAGE, output_cell=(1, 0, 0))
    assert "34·4 + 76·(-6) + 35·7 + 8·9 = -3" in said(figure)


# --- the gradient ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        ("stride", (2, 1, 0, 0)),
        ("pads", (1, 2, 0, 1)),
        ("groups", (1, 0, 1, 4)),
        ("dilation", (0, 2, 0, 1)),
    ],
)
def test_the_tied_cells_are_framed_and_add_up_to_the_gradient(name, parameter):
    conv, shape, image = case(name)
    out = output_size(conv, shape)
    gradient = np.random.default_rng(7).integers(-5, 6, out)
    figure = viz.tied_gradient_figure(
        conv, shape, image=image, gradient=gradient, parameter=parameter
    )
    cells = tied_cells(conv, shape)
    tied = sorted(place for place, kernel in cells.items() if kernel == parameter)
    x, g = image.reshape(-1), gradient.reshape(-1)

    dense = Read(figure, "dense gradient")
    assert dense.frames == [(*place, 1, 1) for place in tied]
    large_enough = name in ("stride", "groups")
    assert bool(dense.texts.all()) == large_enough
    if large_enough:
        np.testing.assert_array_equal(dense.numbers, np.outer(x, g))
    total = sum(x[row] * g[column] for row, column in tied)
    assert f"sum = {total:.0f}" in said(figure)

    # The kernel's gradient, all of it, is what automatic differentiation says.
    wide = conv.astype(np.float64)
    wide(mg.Tensor(image[None])).backward(mg.Tensor(gradient[None].astype(float)))
    kernel = wide.kernel.grad.data
    assert kernel[parameter] == total
    for c, f in itertools.product(range(kernel.shape[2]), range(kernel.shape[3])):
        grid = Read(figure, f"kernel[{c},{f}]")
        np.testing.assert_array_equal(grid.numbers, kernel[:, :, c, f])
        assert grid.frames == ([(*parameter[:2], 1, 1)] if (c, f) == parameter[2:] else [])

    # Lit cells have the parameter's colour; what is tied to others is paler than its parameter.
    colours = kernel_colours(figure, conv)
    for place, index in cells.items():
        colour = dense.colours[place]
        if index == parameter:
            np.testing.assert_array_equal(colour, colours[parameter])
        else:
            assert colour.sum() > colours[index].sum()


def test_few_tied_cells_are_listed_and_many_are_counted():
    conv = nn.Conv2D(1, 1, (2, 3), padding="VALID")
    few = said(viz.tied_gradient_figure(conv, (3, 4, 1), image=np.arange(12.0).reshape(3, 4, 1)))
    assert few.count("→") == 4
    assert "0,0 → 0,0:" in few and "1,1 → 1,1:" in few and "more" not in few
    many = said(viz.tied_gradient_figure(conv, (6, 7, 1)))
    assert many.count("→") == 14
    assert "… and 11 more" in many  # of 5 x 5


# --- growth ---------------------------------------------------------------------------------------


def test_growth_of_the_golden_layer():
    """C4: 80 parameters, the dense twin has 4,923,520."""
    figure = viz.parameter_growth_figure(nn.Conv2D(1, 8, 3), (28, 28, 1))
    parameters, work = figure.axes
    written = [text.get_text() for text in parameters.texts]
    assert written == ["4,923,520", "62,720", "80"]
    assert [text.get_text() for text in work.texts] == ["4,917,248", "56,448"]
    assert "61,544 times as many at 28×28×1" in parameters.get_title()


def test_growth_of_a_layer_by_formulas():
    conv = nn.Conv2D(3, 5, (3, 4), stride=(2, 1), padding="VALID", bias=False)
    parameters, work = viz.parameter_growth_figure(conv, (8, 12, 3)).axes
    sizes = [(4, 6), (8, 12), (16, 24), (32, 48), (64, 96)]  # on 2x3 no window fits
    positions = np.array([((h - 3) // 2 + 1) * (w - 4 + 1) for h, w in sizes])
    pixels = np.array([h * w for h, w in sizes])
    expected = {
        "dense": pixels * 3 * positions * 5,
        "locally connected": positions * 180,
        "convolution": np.full(5, 180),
    }
    for line in parameters.get_lines()[:3]:
        np.testing.assert_array_equal(line.get_xdata(), pixels)
        np.testing.assert_array_equal(line.get_ydata(), expected.pop(line.get_label()))
    assert not expected
    dense, conv_work = work.get_lines()[:2]
    np.testing.assert_array_equal(dense.get_ydata(), pixels * 3 * positions * 5)
    np.testing.assert_array_equal(conv_work.get_ydata(), positions * 180)
    assert [tick.get_text() for tick in work.get_xticklabels()] == [f"{h}×{w}" for h, w in sizes]


# --- colours, numbers, files ----------------------------------------------------------------------

# What deuteranopes see of linear RGB (Machado, Oliveira and Fernandes, 2009, severity 1).
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
)


@pytest.mark.parametrize("count", range(2, 8))
def test_few_colours_are_far_apart_without_green_cones(count):
    colours = np.vstack([parameter_colours(count)[:, 0], ZERO])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ DEUTERANOPIA.T, 0, 1) ** (1 / 2.2)
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) > 0.12


@pytest.mark.parametrize("filters", [1, 2, 4, 5])
def test_many_colours_are_distinct_and_grow_lighter(filters):
    colours = parameter_colours(11, filters)
    assert colours.shape == (11, filters, 3)
    assert len(np.unique(colours.reshape(-1, 3).round(3), axis=0)) == 11 * filters
    lightness = colours @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness, axis=0) > 0).all()


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([4, -12, 0], ["4", "-12", "0"]),
        ([0.126, -0.4, 0.0], ["0.13", "-0.40", "0"]),
        ([3.14159, -0.001], ["3.1", "0.0"]),
        ([123.4, 0.6], ["123", "1"]),
        ([2e-5, -1e-6], ["2e-05", "-1e-06"]),
        ([200_000, 1], ["2e+05", "1e+00"]),
    ],
)
def test_number_texts(values, texts):
    assert number_texts(np.array(values, float)).tolist() == texts


def test_numbers_fit_into_their_cells():
    """By the width of a digit, with the font that is drawn: none is wider than its cell."""
    figure = viz.matrix_figure(*case("stride")[:2])
    grid = Read(figure, "matrix")
    cell = grid.cell * figure.dpi
    texts = [text for text in figure.axes[0].texts if text.get_gid() == "matrix"]
    assert len(texts) == 240
    renderer = FigureCanvasAgg(figure).get_renderer()
    assert max(text.get_window_extent(renderer).width for text in texts) < cell
    assert min(text.get_fontsize() for text in texts) >= SMALLEST_FONT
    assert font_size(0.05, number_texts(np.array([0.5]))) < SMALLEST_FONT


def test_everything_drawn_lies_within_the_figure():
    for figure in (
        viz.matrix_figure(*case("pads")[:2]),
        viz.im2col_figure(*case("groups")[:2]),
        viz.trace_figure(*case("dilation")[:2]),
        viz.tied_gradient_figure(*case("pads")[:2]),
    ):
        width, height = figure.get_size_inches() * figure.dpi
        renderer = FigureCanvasAgg(figure).get_renderer()
        for text in figure.axes[0].texts:
            box = text.get_window_extent(renderer)
            assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height


@pytest.mark.parametrize(
    "draw",
    [
        viz.matrix_figure,
        viz.im2col_figure,
        viz.trace_figure,
        viz.tied_gradient_figure,
        viz.parameter_growth_figure,
    ],
)
def test_a_path_is_written(draw, tmp_path):
    conv, shape, _ = case("stride")
    figure = draw(conv, shape, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as picture:
        expected = figure.get_size_inches() * 150
        assert np.abs(np.array(picture.size) - expected).max() <= 1
        assert len(picture.convert("RGB").getcolors(2**20)) > 6


def test_importing_loads_no_matplotlib():
    program = "import minigrad.viz, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("draw", "conv", "shape", "options", "words"),
    [
        (
            viz.matrix_figure,
            nn.Conv2D(1, 1, 3),
            (20, 21, 1),
            {},
            ["matrix_figure", "420 x 420", "(20, 21, 1)", "at most 400", "smaller input_shape"],
        ),
        (
            viz.tied_gradient_figure,
            nn.Conv2D(1, 1, 3),
            (20, 21, 1),
            {},
            ["tied_gradient_figure", "420 x 420", "at most 400"],
        ),
        (
            viz.matrix_figure,
            nn.Conv2D(3, 8, 3),
            (4, 4, 3),
            {},
            ["216 kernel parameters", "at most 200 colours", "fewer channels or filters"],
        ),
        (
            viz.im2col_figure,
            nn.Conv2D(1, 1, 3),
            (11, 12, 1),
            {},
            ["im2col_figure", "132 rows of 9 cells", "at most 120", "larger stride"],
        ),
        (
            viz.im2col_figure,
            nn.Conv2D(1, 1, 3, stride=60),
            (401, 5, 1),
            {},
            ["im2col_figure", "403 rows", "at most 400", "smaller input_shape"],
        ),
        (
            viz.trace_figure,
            nn.Conv2D(1, 2, 3),
            (8, 9, 1),
            {},
            ["trace_figure", "72 x 144", "at most 120"],
        ),
        (
            viz.matrix_figure,
            nn.Conv2D(1, 1, 3),
            (4, 5, 1),
            {"orientation": "sideways"},
            ["orientation='sideways'", '"dense" or "article"'],
        ),
        (
            viz.trace_figure,
            nn.Conv2D(1, 2, 3),
            (4, 5, 1),
            {"output_cell": (4, 0, 0)},
            ["output_cell=(4, 0, 0)", "(row, column, filter)", "(4, 5, 2)"],
        ),
        (
            viz.im2col_figure,
            nn.Conv2D(1, 2, 3),
            (4, 5, 1),
            {"output_cell": (1, 2)},
            ["output_cell=(1, 2)", "(row, column, filter)"],
        ),
        (
            viz.tied_gradient_figure,
            nn.Conv2D(1, 2, (3, 2)),
            (4, 5, 1),
            {"parameter": (0, 2, 0, 1)},
            ["parameter=(0, 2, 0, 1)", "(3, 2, 1, 2)"],
        ),
        (
            viz.tied_gradient_figure,
            nn.Conv2D(1, 2, 3),
            (4, 5, 1),
            {"gradient": np.zeros((4, 5))},
            ["gradient of shape (4, 5)", "(4, 5, 2)", "(OH, OW, F)"],
        ),
        (
            viz.im2col_figure,
            nn.Conv2D(1, 2, 3),
            (4, 5, 1),
            {"image": np.zeros((5, 4, 1))},
            ["image of shape (5, 4, 1)", "(4, 5, 1)", "(H, W, C)"],
        ),
        (
            viz.parameter_growth_figure,
            nn.Conv2D(3, 2, 3),
            (4, 5, 1),
            {},
            ["parameter_growth_figure", "(4, 5, 1)", "(4, 5, 3)"],
        ),
    ],
)
def test_refusals_name_the_argument_and_the_way_out(draw, conv, shape, options, words):
    with pytest.raises(ValueError) as caught:
        draw(conv, shape, **options)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "draw",
    [
        viz.matrix_figure,
        viz.im2col_figure,
        viz.trace_figure,
        viz.tied_gradient_figure,
        viz.parameter_growth_figure,
    ],
)
def test_only_convolutions_are_drawn(draw):
    with pytest.raises(TypeError, match=rf"{draw.__name__}.*Conv2D.*Dense"):
        draw(nn.Dense(3, 2), (3, 1, 1))
