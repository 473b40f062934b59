"""The films of convolutions, read back frame by frame and compared with plain loops."""

import itertools
import re

import numpy as np
import pytest
from PIL import Image

import minigrad as mg
from minigrad import nn, viz
from minigrad.viz.cells import BLANK, ZERO, parameter_colours

from .. import oracles
from .test_convolution import Read, said

# Kernels and images are not square, the four pads differ, and no two sizes are equal.
CASES = {
    "valid": ({"kernel_size": (3, 2), "padding": "VALID"}, (5, 4)),
    "uneven stride": (
        {"kernel_size": (2, 3), "stride": (2, 1), "padding": ((1, 0), (2, 1))},
        (6, 4),
    ),
    "dilation": ({"kernel_size": (3, 2), "dilation": (2, 3), "padding": "SAME"}, (4, 5)),
    "full": ({"kernel_size": (2, 3), "padding": "FULL", "bias": False}, (2, 4)),
    "wide padding": (
        {"kernel_size": (1, 2), "stride": (1, 2), "padding": ((2, 1), (0, 3))},
        (2, 3),
    ),
    "gaps": ({"kernel_size": (1, 2), "stride": (2, 3), "padding": "VALID"}, (4, 5)),
    "channels": (
        {"in_channels": 2, "out_channels": 3, "kernel_size": (2, 1), "stride": (1, 2)},
        (2, 3),
    ),
    "groups": (
        {
            "in_channels": 4,
            "out_channels": 6,
            "kernel_size": (1, 2),
            "groups": 2,
            "padding": ((0, 0), (1, 0)),
        },
        (1, 3),
    ),
}


def case(name):
    """A layer of whole numbers in float64, and the shape of an image."""
    options, size = CASES[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    conv = nn.Conv2D(**{"in_channels": 1, "out_channels": 1, **options}, rng=rng).astype(np.float64)
    conv.kernel.data[...] = rng.integers(1, 9, conv.kernel.shape)
    conv.kernel.data[...] *= rng.choice([-1, 1], conv.kernel.shape)
    if conv.bias is not None:
        conv.bias.data[...] = rng.integers(1, 9, conv.bias.shape)
    return conv, (*size, conv.in_channels), rng.integers(1, 9, (*size, conv.in_channels))


def pads_of(conv):
    """((top, bottom), (left, right)), for the paddings in CASES."""
    if isinstance(conv.padding, str):
        reach = [(k - 1) * d for k, d in zip(conv.kernel_size, conv.dilation)]
        words = {
            "VALID": [(0, 0), (0, 0)],
            "SAME": [(r // 2, r - r // 2) for r in reach],
            "FULL": [(r, r) for r in reach],
        }
        return words[conv.padding]
    return [part if isinstance(part, tuple) else (part, part) for part in conv.padding]


def window_arguments(conv):
    return conv.stride, pads_of(conv), conv.dilation


def positions(conv, shape):
    """Where windows begin in the padded image: rows, columns."""
    return [
        [
            start + pads_of(conv)[axis][0]
            for start in oracles.window_starts(
                shape[axis],
                conv.kernel_size[axis],
                conv.stride[axis],
                *pads_of(conv)[axis],
                conv.dilation[axis],
            )
        ]
        for axis in (0, 1)
    ]


def taps_of(conv):
    """Row and column of every weight in the window, and in the kernel."""
    return {
        (a * conv.dilation[0], b * conv.dilation[1]): (a, b)
        for a, b in itertools.product(*map(range, conv.kernel_size))
    }


def channels_of(conv, f):
    group_channels = conv.in_channels // conv.groups
    first = f // (conv.out_channels // conv.groups) * group_channels
    return range(first, first + group_channels)


def weight_colours(conv):
    """Of every weight, (kh, kw, C / groups, F, 3)."""
    kh, kw, channels, filters = conv.kernel.shape
    return parameter_colours(kh * kw * channels, filters).reshape(*conv.kernel.shape, 3)


def planes(figure, name, count):
    return [Read(figure, f"{name}[{plane}]") for plane in range(count)]


def colourful(read):
    """The cells that are neither white nor grey nor the yellow of a single marked cell."""
    spread = read.colours.max(axis=-1) - read.colours.min(axis=-1)
    lit = np.isclose(read.colours, (1.0, 0.91, 0.56)).all(axis=-1)
    return {tuple(cell) for cell in np.argwhere((spread > 0.01) & ~lit).tolist()}


def crossed_out(figure, read, name):
    """The cells with a line through them."""
    cells = set()
    for line in figure.axes[0].lines:
        if line.get_gid() == f"{name} crossed out":
            x, y = np.mean(line.get_xdata()), np.mean(line.get_ydata())
            cells.add((int((y - read.top) / read.cell), int((x - read.left) / read.cell)))
    return cells


def formula(figure):
    (text,) = [text for text in figure.axes[0].texts if text.get_gid() == "formula"]
    return text.get_text().replace("\n", " ")


def number(text):
    return float(text.strip("()"))


def check_sum(text, inputs, weights, bias=None):
    """Of "name = a·b + c·d + bias e = total": the same products in some order, and the total."""
    _, middle, total = text.split(" = ")
    terms = middle.split(" + ")
    if bias is not None:
        assert terms.pop() == f"bias {bias:.0f}"
    products = [tuple(number(part) for part in term.split("·")) for term in terms]
    assert sorted(products) == sorted(zip(np.ravel(inputs), np.ravel(weights)))
    assert float(total) == np.sum(inputs * weights) + (bias or 0)


# --- forward --------------------------------------------------------------------------------------


# article: G2
@pytest.mark.parametrize("name", CASES)
def test_every_frame_of_a_sliding_window(name):
    conv, shape, image = case(name)
    film = viz.sliding_window_film(conv, shape, image=image)
    pads = pads_of(conv)
    padded = np.pad(image, (*pads, (0, 0)))
    inside = np.pad(np.ones(shape, bool), (*pads, (0, 0)))
    output = oracles.conv2d(image[None], conv.kernel.data, *window_arguments(conv), conv.groups)[0]
    if conv.bias is not None:
        output = output + conv.bias.data
    rows, columns = positions(conv, shape)
    taps = taps_of(conv)
    reached = {(i + a, j + b) for i in rows for j in columns for a, b in taps}
    all_cells = set(itertools.product(*map(range, padded.shape[:2])))
    cells = list(itertools.product(range(conv.out_channels), range(len(rows)), range(len(columns))))
    assert len(film) == len(cells)
    for frame_number, (figure, (f, i, j)) in enumerate(zip(film, cells, strict=True)):
        inputs = planes(figure, "input", shape[2])
        window = {(rows[i] + a, columns[j] + b): tap for (a, b), tap in taps.items()}
        seen = channels_of(conv, f)
        weights = planes(figure, "weights", len(seen))
        products = planes(figure, "products", len(seen))
        for channel, read in enumerate(inputs):
            np.testing.assert_array_equal(read.numbers, padded[..., channel])
            lit = window if channel in seen else {}
            for cell in all_cells - set(lit):
                expected = BLANK if inside[(*cell, channel)] else ZERO
                np.testing.assert_allclose(read.colours[cell], expected)
            for cell, tap in lit.items():
                slice_ = channel - seen[0]
                np.testing.assert_array_equal(
                    read.colours[cell], weights[slice_].colours[tap], strict=True
                )
                np.testing.assert_array_equal(
                    read.colours[cell], products[slice_].colours[tap], strict=True
                )
                weight = conv.kernel.data[(*tap, slice_, f)]
                assert weights[slice_].numbers[tap] == weight
                assert products[slice_].numbers[tap] == weight * padded[(*cell, channel)]
            span = [(k - 1) * d + 1 for k, d in zip(conv.kernel_size, conv.dilation)]
            assert read.frames == ([(rows[i], columns[j], *span)] if lit else [])
            assert crossed_out(figure, read, f"input[{channel}]") == all_cells - reached
        for slice_, read in enumerate(weights):
            np.testing.assert_array_equal(read.colours, weight_colours(conv)[:, :, slice_, f])
        outputs = planes(figure, "output", conv.out_channels)
        for place, (plane, row, column) in enumerate(cells):
            expected = f"{output[row, column, plane]:.0f}" if place <= frame_number else ""
            assert outputs[plane].texts[row, column] == expected
        assert [read.frames for read in outputs] == [
            [(i, j, 1, 1)] if plane == f else [] for plane in range(conv.out_channels)
        ]
        picked = np.stack([padded[cell] for cell in window])[:, seen.start : seen.stop]
        bias = None if conv.bias is None else conv.bias.data[f]
        check_sum(
            formula(figure), picked, conv.kernel.data[..., f].reshape(len(taps), len(seen)), bias
        )
        assert formula(figure).startswith(f"output[{i},{j}]")
        assert ("crossed out" in said(figure)) == (reached != all_cells)
        assert ("Grey cells are padding" in said(figure)) == (not inside.all())
    np.testing.assert_allclose(conv(image[None].astype(float)).data[0], output)


def assert_still(film):
    """Frames have one size, and every grid stays where it is, however long the formulas are."""
    places = set()
    for figure in film:
        grids = [
            (picture.get_gid(), *np.round(picture.get_extent(), 6))
            for picture in figure.axes[0].images
        ]
        limits = np.round([*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim()], 6)
        places.add((*figure.get_size_inches(), *limits, *grids))
    assert len(places) == 1


def test_nothing_moves():
    conv, shape, image = case("channels")
    assert_still(
        viz.sliding_window_film(conv, shape, image=image * 10 ** np.arange(12).reshape(shape)[::-1])
    )


def test_formulas_stay_inside_the_picture():
    conv, shape, image = case("channels")
    for figure in viz.sliding_window_film(conv, shape, image=image * 1234):
        figure.canvas.draw()
        (text,) = [text for text in figure.axes[0].texts if text.get_gid() == "formula"]
        box = text.get_window_extent()
        width, height = figure.get_size_inches() * figure.dpi
        assert box.x0 > 0
        assert box.x1 < width
        assert box.y0 > 0
        assert box.y1 < height


def test_film_is_written(tmp_path):
    conv, shape, image = case("valid")
    film = viz.sliding_window_film(conv, shape, tmp_path / "film.gif", image=image)
    with Image.open(tmp_path / "film.gif") as file:
        assert file.n_frames == len(film) == 9


def test_sum_of_many_products_is_counted():
    conv = nn.Conv2D(1, 1, (2, 13), padding="VALID", bias=False)
    conv.kernel.data[...] = 1
    film = viz.sliding_window_film(conv, (2, 13, 1), image=np.ones((2, 13, 1)))
    assert formula(film.frame(0)) == "output[0,0] = 26 products = 26"


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({"kernel_size": 3}, (25, 5, 1), r"a frame has 27 rows; at most 24 can be drawn .*smaller"),
        ({"kernel_size": 3}, (10**6, 10**7, 1), r"a frame has 1,000,002 rows; at most 24"),
        ({"kernel_size": 3}, (5, 17, 1), r"has 42 columns side by side; at most 40 can be drawn"),
        ({"kernel_size": (6, 5), "padding": "VALID"}, (5, 7, 1), r"does not fit"),
        (
            {"kernel_size": 1, "out_channels": 2, "stride": (1, 1)},
            (7, 15, 1),
            r"it takes 210 frames; at most 200 make a film; give a smaller input_shape",
        ),
    ],
)
def test_what_cannot_be_filmed(options, shape, message):
    conv = nn.Conv2D(**{"in_channels": 1, "out_channels": 1, **options})
    with pytest.raises(ValueError, match="^sliding_window_film: .*" + message):
        viz.sliding_window_film(conv, shape)


def test_other_arguments(tmp_path):
    conv, shape, _ = case("valid")
    with pytest.raises(ValueError, match=r"image of shape \(4, 5, 1\) must have shape \(5, 4, 1\)"):
        viz.sliding_window_film(conv, shape, image=np.ones((4, 5, 1)))
    with pytest.raises(ValueError, match=r"sliding_window_film: a film is written as .gif, not"):
        viz.sliding_window_film(conv, shape, tmp_path / "film.png")
    with pytest.raises(TypeError, match="sliding_window_film: expected a Conv2D, got Dense"):
        viz.sliding_window_film(nn.Dense(2, 3), shape)


# article: M1, M2, M3, G2
@pytest.mark.parametrize(
    ("mode", "side", "overlap", "on_first_input"),
    [("FULL", 7, 1, (2, 2)), ("SAME", 5, 4, (1, 1)), ("VALID", 3, 9, (0, 0))],
)
def test_modes_of_a_3x3_kernel_on_a_5x5_image(mode, side, overlap, on_first_input):
    """Frames, how much of the image the first window sees, and the weight on the first input."""
    conv = nn.Conv2D(1, 1, 3, padding=mode)
    film = viz.sliding_window_film(conv, (5, 5, 1))
    assert len(film) == side**2
    figure = film.frame(0)
    (image,), (weights,) = planes(figure, "input", 1), planes(figure, "weights", 1)
    pad = (image.rows - 5) // 2
    window = {(row, column) for row in range(3) for column in range(3)}
    assert colourful(image) == window
    assert len([cell for cell in window if min(cell) >= pad]) == overlap
    np.testing.assert_array_equal(
        image.colours[pad, pad], weights.colours[on_first_input], strict=True
    )


# --- backward -------------------------------------------------------------------------------------


def gradients(conv, image, gradient):
    """What the library derives: of the input and of the kernel."""
    x = mg.Tensor(image.astype(np.float64)[None], requires_grad=True)
    to_input, to_kernel = mg.grad(conv(x), [x, conv.kernel], gradient[None])
    return to_input.data[0], to_kernel.data


def backward_case(name):
    """A layer, the shape of an image, an image, and a gradient of the output without zeros."""
    conv, shape, image = case(name)
    size = [len(starts) for starts in positions(conv, shape)]
    rng = np.random.default_rng(len(name))
    gradient = rng.integers(1, 5, (*size, conv.out_channels)) * rng.choice(
        [-1.0, 1.0], (*size, conv.out_channels)
    )
    return conv, shape, image, gradient


# article: I2, I7
@pytest.mark.parametrize("name", CASES)
def test_every_frame_of_the_input_gradient(name):
    """The running sums are those of the matrix of the padded image, column after column."""
    conv, shape, image, g = backward_case(name)
    film = viz.input_gradient_film(conv, shape, gradient=g)
    pads = pads_of(conv)
    inside = np.pad(np.ones(shape, bool), (*pads, (0, 0)))
    matrix = oracles.conv_matrix(
        conv.kernel.data, inside.shape, conv.stride, oracles.NO_PADS, conv.dilation, conv.groups
    ).reshape(-1, *g.shape)
    rows, columns = positions(conv, shape)
    cells = list(itertools.product(range(g.shape[2]), range(g.shape[0]), range(g.shape[1])))
    assert len(film) == len(cells)
    reached = np.zeros(inside.shape[:2], bool)
    for i, j, (a, b) in itertools.product(rows, columns, taps_of(conv)):
        reached[i + a, j + b] = True
    sums = np.zeros(inside.shape)
    touched = np.zeros(inside.shape, bool)
    for figure, (f, i, j) in zip(film, cells, strict=True):
        before = sums.copy()
        sums += (matrix[:, i, j, f] * g[i, j, f]).reshape(sums.shape)
        window = {(rows[i] + a, columns[j] + b): tap for (a, b), tap in taps_of(conv).items()}
        seen = channels_of(conv, f)
        weights, products = (planes(figure, part, len(seen)) for part in ("weights", "products"))
        additions = []
        for channel, read in enumerate(planes(figure, "dX", shape[2])):
            np.testing.assert_array_equal(read.numbers, sums[..., channel])
            lit = window if channel in seen else {}
            for cell, tap in lit.items():
                touched[(*cell, channel)] = True
                slice_ = channel - seen[0]
                weight = conv.kernel.data[(*tap, slice_, f)]
                assert weights[slice_].numbers[tap] == weight
                assert products[slice_].numbers[tap] == weight * g[i, j, f]
                for part in (weights, products):
                    np.testing.assert_array_equal(read.colours[cell], part[slice_].colours[tap])
                old, new = before[(*cell, channel)], sums[(*cell, channel)]
                additions.append((old, g[i, j, f], weight, new))
            for cell in set(np.ndindex(*read.colours.shape[:2])) - set(lit):
                colour = BLANK if inside[(*cell, channel)] else ZERO
                np.testing.assert_allclose(read.colours[cell], colour)
            assert len(read.frames) == (channel in seen)
            assert crossed_out(figure, read, f"dX[{channel}]") == {
                tuple(cell) for cell in np.argwhere(~reached).tolist()
            }
        for plane, read in enumerate(planes(figure, "g", g.shape[2])):
            np.testing.assert_array_equal(read.numbers, g[..., plane])
            assert read.frames == ([(i, j, 1, 1)] if plane == f else [])
        start, sums_written = formula(figure).split(" into dX: ")
        assert start.startswith(f"g[{i},{j}]")
        assert float(start.split(" = ")[1]) == g[i, j, f]
        assert sorted(additions) == sorted(
            tuple(number(part) for part in re.fullmatch(r"(.+) \+ (.+)·(.+) = (.+)", text).groups())
            for text in sums_written.split(", ")
        )
    expected, _ = gradients(conv, image, g)
    (top, _), (left, _) = pads
    final = sums[top : top + shape[0], left : left + shape[1]]
    np.testing.assert_allclose(expected, final, atol=1e-12)
    np.testing.assert_array_equal(
        expected[~reached[top : top + shape[0], left : left + shape[1]]], 0
    )
    assert ("their gradient stays 0" in said(figure)) == (not reached.all())


# article: I4
@pytest.mark.parametrize("name", CASES)
def test_every_frame_of_the_turned_kernel(name):
    """Every cell of dX sums the gradients of where it went, times the weights that it met."""
    conv, shape, image, g = backward_case(name)
    film = viz.full_flip_film(conv, shape, gradient=g)
    (top, _), (left, _) = pads_of(conv)
    expected, _ = gradients(conv, image, g)
    group_filters = conv.out_channels // conv.groups
    group_channels = conv.in_channels // conv.groups
    cells = list(itertools.product(range(shape[2]), range(shape[0]), range(shape[1])))
    assert len(film) == len(cells)
    for place, (figure, (c, row, column)) in enumerate(zip(film, cells, strict=True)):
        filters = range(
            c // group_channels * group_filters, (c // group_channels + 1) * group_filters
        )
        met = [
            (g[i, j, f], conv.kernel.data[*tap, c % group_channels, f])
            for (a, b), tap in taps_of(conv).items()
            for i, j, f in itertools.product(range(g.shape[0]), range(g.shape[1]), filters)
            if i * conv.stride[0] + a - top == row and j * conv.stride[1] + b - left == column
        ]
        label, terms, total = formula(figure).split(" = ")
        assert label.startswith(f"dX[{row},{column}]")
        factors = [tuple(map(number, term.split("·"))) for term in terms.split(" + ")]
        assert len(factors) == np.prod(conv.kernel_size) * len(filters)
        assert sorted(pair for pair in factors if pair[0] != 0) == sorted(met)
        assert float(total) == expected[row, column, c]
        kernel = planes(figure, "weights", len(filters))
        products = planes(figure, "products", len(filters))
        spread = planes(figure, "g", g.shape[2])
        for plane, f in enumerate(filters):
            turned = np.rot90(conv.kernel.data[:, :, c % group_channels, f], 2)
            np.testing.assert_array_equal(kernel[plane].numbers, turned)
            np.testing.assert_array_equal(
                kernel[plane].colours,
                np.rot90(weight_colours(conv)[:, :, c % group_channels, f], 2),
            )
            for (a, b), tap in taps_of(conv).items():
                cell = (row + a, column + b)
                np.testing.assert_array_equal(
                    spread[f].colours[cell], kernel[plane].colours[tap], strict=True
                )
                assert products[plane].numbers[tap] == spread[f].numbers[cell] * turned[tap]
        assert [len(read.frames) for read in spread] == [
            int(f in filters) for f in range(conv.out_channels)
        ]
        for channel, read in enumerate(planes(figure, "dX", shape[2])):
            assert read.frames == ([(row, column, 1, 1)] if channel == c else [])
            for other in np.ndindex(*shape[:2]):
                filled = cells.index((channel, *other)) <= place
                assert read.texts[other] == (f"{expected[*other, channel]:.0f}" if filled else "")


# article: I4
def test_the_turned_kernel_of_a_valid_layer_is_a_full_convolution():
    conv, shape, _, g = backward_case("valid")
    film = viz.full_flip_film(conv, shape, gradient=g)
    figure = film.frame(-1)
    kh, kw = conv.kernel_size
    (spread,) = planes(figure, "g", 1)
    full = np.pad(g[..., 0], ((kh - 1, kh - 1), (kw - 1, kw - 1)))
    np.testing.assert_array_equal(spread.numbers, full)
    assert "those of FULL padding. A weight" in said(figure)
    (last,) = planes(viz.input_gradient_film(conv, shape, gradient=g).frame(-1), "dX", 1)
    np.testing.assert_array_equal(planes(figure, "dX", 1)[0].numbers, last.numbers)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("uneven stride", "less the layer's own padding; between its cells are as many as"),
        ("wide padding", "Cells of g whose window saw nothing but padding are left out"),
    ],
)
def test_where_the_zeros_come_from(name, sentence):
    conv, shape, _, g = backward_case(name)
    assert sentence in said(viz.full_flip_film(conv, shape, gradient=g).frame(0))


# article: I3, I5
@pytest.mark.parametrize("name", CASES)
def test_every_frame_of_the_kernel_gradient(name):
    """The window are the cells that met the weight; each times the gradient of where it went."""
    conv, shape, image, g = backward_case(name)
    film = viz.kernel_gradient_film(conv, shape, image=image, gradient=g)
    padded = np.pad(image, (*pads_of(conv), (0, 0)))
    _, expected = gradients(conv, image, g)
    rows, columns = positions(conv, shape)
    kh, kw, channels, filters = conv.kernel.shape
    weights = list(itertools.product(range(filters), range(channels), range(kh), range(kw)))
    assert len(film) == len(weights)
    for place, (figure, (f, c, a, b)) in enumerate(zip(film, weights, strict=True)):
        channel = channels_of(conv, f)[c]
        tied = {
            (i + a * conv.dilation[0], j + b * conv.dilation[1]): (m, n)
            for (m, i), (n, j) in itertools.product(enumerate(rows), enumerate(columns))
        }
        targets = planes(figure, "dK", channels * filters)
        target = targets[f * channels + c]
        assert target.frames == [(a, b, 1, 1)]
        np.testing.assert_array_equal(
            np.isclose(target.colours, weight_colours(conv)[:, :, c, f]).all(axis=-1).reshape(-1),
            np.arange(kh * kw) <= a * kw + b,
        )
        (gradient,), (products,) = planes(figure, "weights", 1), planes(figure, "products", 1)
        np.testing.assert_array_equal(gradient.numbers, g[..., f])
        inputs = planes(figure, "input", shape[2])
        assert [len(read.frames) for read in inputs] == [
            int(plane == channel) for plane in range(shape[2])
        ]
        for plane, read in enumerate(inputs):
            np.testing.assert_array_equal(read.numbers, padded[..., plane])
            assert colourful(read) == (set(tied) if plane == channel else set())
        for cell, output in tied.items():
            np.testing.assert_array_equal(
                inputs[channel].colours[cell], target.colours[a, b], strict=True
            )
            assert products.numbers[output] == padded[(*cell, channel)] * g[(*output, f)]
        assert formula(figure).startswith(f"dK[{a},{b}]")
        check_sum(
            formula(figure),
            np.array([padded[(*cell, channel)] for cell in tied]),
            np.array([g[(*output, f)] for output in tied.values()]),
        )
        for earlier, (filter_, slice_, m, n) in enumerate(weights):
            text = f"{expected[m, n, slice_, filter_]:.0f}" if earlier <= place else ""
            assert targets[filter_ * channels + slice_].texts[m, n] == text


@pytest.mark.parametrize(
    "draw", [viz.input_gradient_film, viz.full_flip_film, viz.kernel_gradient_film]
)
def test_nothing_moves_on_the_way_back(draw):
    conv, shape, _, g = backward_case("channels")
    scale = 10.0 ** np.arange(g.size).reshape(g.shape)
    assert_still(draw(conv, shape, gradient=g * scale))


@pytest.mark.parametrize("name", ["input_gradient_film", "full_flip_film", "kernel_gradient_film"])
def test_arguments_on_the_way_back(name, tmp_path):
    draw = getattr(viz, name)
    conv, shape, _, g = backward_case("valid")
    with pytest.raises(ValueError, match=rf"{name}: gradient of shape \(2, 3, 1\) must have shape"):
        draw(conv, shape, gradient=np.ones((2, 3, 1)))
    with pytest.raises(ValueError, match=rf"{name}: a film is written as .gif, not as"):
        draw(conv, shape, tmp_path / "film.png")
    with pytest.raises(ValueError, match=rf"{name}: a frame has \d+ rows; at most 24"):
        draw(conv, (27, 3, 1))
    with pytest.raises(ValueError, match=rf"{name}: a frame has [\d,]+ rows; at most 24"):
        draw(conv, (10**6, 10**7, 1))
    draw(conv, shape, tmp_path / "film.gif", gradient=g)
    with Image.open(tmp_path / "film.gif") as file:
        assert file.n_frames == len(draw(conv, shape))
