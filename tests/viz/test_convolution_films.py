"""The films of convolutions, read back frame by frame and compared with plain loops."""

import itertools

import numpy as np
import pytest
from PIL import Image

from minigrad import nn, viz
from minigrad.viz.cells import BLANK, ZERO

from .. import oracles
from .test_convolution import Read, said

# Kernels and images are not square, the four pads differ, and no two sizes are equal.
CASES = {
    "valid": ({"kernel_size": (3, 2), "padding": "VALID"}, (5, 4)),
    "uneven stride": (
        {"kernel_size": (2, 3), "stride": (2, 1), "padding": ((1, 0), (2, 1))},
        (6, 4),
    ),
    "dilation": ({"kernel_size": (3, 2), "dilation": (1, 2), "padding": "SAME"}, (4, 5)),
    "full": ({"kernel_size": (2, 3), "padding": "FULL", "bias": False}, (2, 4)),
    "gaps": ({"kernel_size": (1, 2), "stride": (2, 3), "padding": "VALID"}, (4, 5)),
    "channels": (
        {"in_channels": 2, "out_channels": 3, "kernel_size": (2, 1), "stride": (1, 2)},
        (2, 3),
    ),
    "groups": (
        {
            "in_channels": 4,
            "out_channels": 2,
            "kernel_size": (1, 2),
            "groups": 2,
            "padding": (0, 1),
        },
        (2, 3),
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


def channels_of(conv, f):
    group_channels = conv.in_channels // conv.groups
    first = f // (conv.out_channels // conv.groups) * group_channels
    return range(first, first + group_channels)


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
    kh, kw = conv.kernel_size
    taps = [
        (a * conv.dilation[0], b * conv.dilation[1], a, b)
        for a, b in itertools.product(range(kh), range(kw))
    ]
    reached = {(i + a, j + b) for i in rows for j in columns for a, b, _, _ in taps}
    all_cells = set(itertools.product(*map(range, padded.shape[:2])))
    cells = list(itertools.product(range(conv.out_channels), range(len(rows)), range(len(columns))))
    assert len(film) == len(cells)
    for frame_number, (figure, (f, i, j)) in enumerate(zip(film, cells, strict=True)):
        inputs = planes(figure, "input", shape[2])
        window = {(rows[i] + a, columns[j] + b): (ka, kb) for a, b, ka, kb in taps}
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
            formula(figure), picked, conv.kernel.data[..., f].reshape(kh * kw, len(seen)), bias
        )
        assert formula(figure).startswith(f"output[{i},{j}]")
        assert ("crossed out" in said(figure)) == (reached != all_cells)
        assert ("Grey cells of the input are padding" in said(figure)) == (not inside.all())
    np.testing.assert_allclose(conv(image[None].astype(float)).data[0], output)


def test_nothing_moves(tmp_path):
    """Frames have one size, and every grid stays where it is, however long the formulas are."""
    conv, shape, image = case("channels")
    image = image * 10 ** np.arange(image.size).reshape(shape)[::-1]  # short and long numbers
    places = set()
    for figure in viz.sliding_window_film(conv, shape, image=image):
        grids = [
            (image_.get_gid(), *np.round(image_.get_extent(), 6))
            for image_ in figure.axes[0].images
        ]
        limits = np.round([*figure.axes[0].get_xlim(), *figure.axes[0].get_ylim()], 6)
        places.add((*figure.get_size_inches(), *limits, *grids))
    assert len(places) == 1


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
        ({"kernel_size": 3}, (5, 17, 1), r"has 42 columns side by side; at most 40 can be drawn"),
        ({"kernel_size": (6, 5), "padding": "VALID"}, (5, 7, 1), r"does not fit"),
        (
            {"kernel_size": 1, "out_channels": 2, "stride": (1, 1)},
            (12, 18, 1),
            r"takes 432 frames; at most 400 are watched to the end; give a smaller input_shape",
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
