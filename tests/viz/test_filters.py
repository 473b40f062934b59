"""Filters at work on a picture: the numbers in the cells, the greys of the results, the notes."""

import numpy as np
import pytest
from PIL import Image

from minigrad import Tensor, viz
from minigrad.article import FILTERS
from minigrad.viz.cells import Board
from minigrad.viz.filters import draw_filtered
from tests import oracles
from tests.viz.test_convolution import Read

PICTURE = np.random.default_rng(0).random((9, 11))
# Neither square nor of one sign, one that sums to 0 and one that does not.
SLOPE = np.array([[1.0, -3.0, 2.0], [-0.5, 0.0, 0.5]])
MEAN = np.array([[0.25], [0.75], [-0.5]])


def correlated(picture, kernel):
    return oracles.conv2d(picture[None, :, :, None], kernel[:, :, None, None])[0, :, :, 0]


def greys(figure, name):
    """The brightness of each cell, which has no colour."""
    colours = Read(figure, name).colours
    np.testing.assert_array_equal(colours, np.repeat(colours[..., :1], 3, axis=-1))
    return colours[..., 0]


def notes(figure):
    """What is written in a figure, outside of the cells."""
    return [text.get_text() for text in figure.axes[0].texts if text.get_gid() is None]


def test_kernels_and_results_are_those_of_the_arithmetic(tmp_path):
    kernels = {"slope": SLOPE, "mean": MEAN}
    figure = viz.filter_figure(PICTURE, kernels, tmp_path / "filters.png")
    np.testing.assert_array_equal(greys(figure, "picture"), PICTURE)
    np.testing.assert_array_equal(Read(figure, "kernel slope").numbers, SLOPE)
    np.testing.assert_array_equal(Read(figure, "kernel mean").numbers, MEAN)
    with Image.open(tmp_path / "filters.png") as file:
        assert file.height > 300


# article: B9
def test_signed_results_are_grey_where_they_are_zero_and_say_how_much_is_negative():
    figure = viz.filter_figure(PICTURE, {"slope": SLOPE})
    expected = correlated(PICTURE, SLOPE)
    assert (expected < 0).any()
    largest = np.abs(expected).max()
    np.testing.assert_allclose(greys(figure, "result slope"), 0.5 + expected / largest / 2)
    negative = 100 * (expected < -0.005).mean()
    assert any(
        f"{expected.min():.2f} to {expected.max():.2f}; grey is 0,\n{negative:.1f} % negative"
        in note
        for note in notes(figure)
    )


# article: B9
def test_other_results_are_clipped_and_say_how_much_that_is():
    expected = correlated(PICTURE, 3 * MEAN)
    clipped = 100 * ((expected < -0.005) | (expected > 1.005)).mean()
    assert clipped > 10
    figure = viz.filter_figure(PICTURE, {"mean": 3 * MEAN})
    np.testing.assert_allclose(greys(figure, "result mean"), expected.clip(0, 1), atol=1e-12)
    assert any(f"1 is white, {clipped:.1f} % clipped" in note for note in notes(figure))


@pytest.mark.parametrize("signed", [True, False])
def test_all_results_on_one_scale(signed):
    """MEAN sums to 1 and SLOPE to 0; a learned kernel's sum is anything on its way to 0."""
    figure = viz.filter_figure(PICTURE, {"mean": MEAN, "slope": SLOPE}, signed=signed)
    for name, kernel in (("mean", MEAN), ("slope", SLOPE)):
        expected = correlated(PICTURE, kernel)
        if signed:
            expected = 0.5 + expected / np.abs(expected).max() / 2
        shown = greys(figure, f"result {name}")
        np.testing.assert_allclose(shown, expected.clip(0, 1), atol=1e-12)


def test_weights_are_written_in_full_where_there_is_room():
    kernel = np.array([[1, 2, 1]]) / 16
    numbers = Read(viz.filter_figure(PICTURE, {"blur": kernel}), "kernel blur").numbers
    np.testing.assert_array_equal(numbers, kernel)


def test_weights_above_zero_are_orange_and_below_blue():
    colours = Read(viz.filter_figure(PICTURE, {"slope": SLOPE}), "kernel slope").colours
    red, blue = colours[..., 0], colours[..., 2]
    np.testing.assert_array_equal(np.sign(np.round(red - blue, 6)), np.sign(SLOPE))
    # The larger, the further from white.
    np.testing.assert_allclose(1 - colours[0, 0], (1 - colours[0, 2]) / 2)


def test_colours_become_grey_as_the_eye_weighs_them():
    colours = np.random.default_rng(1).random((5, 7, 3))
    figure = viz.filter_figure(Tensor(colours), {"identity": FILTERS["identity"]})
    expected = 0.299 * colours[..., 0] + 0.587 * colours[..., 1] + 0.114 * colours[..., 2]
    np.testing.assert_allclose(greys(figure, "picture"), expected, atol=1e-12)
    np.testing.assert_allclose(greys(figure, "result identity"), expected[1:-1, 1:-1], atol=1e-12)


def test_nothing_lies_upon_anything_else():
    """All of FILTERS, in two rows, and a picture wider than high."""
    figure = viz.filter_figure(np.random.default_rng(2).random((50, 80)), FILTERS)
    grids = [Read(figure, image.get_gid()) for image in figure.axes[0].images if image.get_gid()]
    assert len(grids) == 1 + 2 * len(FILTERS)
    boxes = [
        (
            grid.left,
            grid.top,
            grid.left + grid.columns * grid.cell,
            grid.top + grid.rows * grid.cell,
        )
        for grid in grids
    ]
    renderer = figure.canvas.get_renderer()
    to_board = figure.axes[0].transData.inverted()
    for text in figure.axes[0].texts:
        if text.get_gid() is None:
            (left, low), (right, high) = to_board.transform(text.get_window_extent(renderer))
            boxes.append((left, min(low, high), right, max(low, high)))
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:i]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_rounding_errors_around_zero_are_not_negative():
    """A learned kernel is off by a millionth, and even areas make up most of a picture."""
    kernel = np.array([[-1.0, 1.0 - 1e-6]])
    figure = viz.filter_figure(np.full((4, 5), 0.5), {"almost": kernel})
    assert any("0 to 0; grey is 0,\n0.0 % negative" in note for note in notes(figure))


def test_a_result_that_was_computed_elsewhere_can_be_drawn():
    board = Board()
    values = np.array([[-4.0, 0.0, 1.0], [2.0, -1.0, 0.0]])
    grid = draw_filtered(board, "after", 1.0, 2.0, 0.1, values, signed=True, largest=2.0)
    assert (grid.rows, grid.columns, grid.left, grid.top) == (2, 3, 1.0, 2.0)
    figure = board.finish(None)
    np.testing.assert_allclose(greys(figure, "after"), [[0, 0.5, 0.75], [1, 0.25, 0.5]])
    assert notes(figure) == ["-4 to 2; grey is 0,\n33.3 % negative"]


# --- the film -------------------------------------------------------------------------------------


def test_film_shows_each_kernel_beside_the_one_to_be_found(tmp_path):
    kernels = [SLOPE + 0.5, SLOPE + 0.25, SLOPE]
    path = tmp_path / "film.gif"
    film = viz.filter_film(PICTURE, kernels, SLOPE, path, titles=["one", "two", "three"])
    goal = correlated(PICTURE, SLOPE)
    largest = np.abs(goal).max()
    for kernel, title, error, figure in zip(
        kernels, ["one", "two", "three"], ["0.5000", "0.2500", "0.0000"], film, strict=True
    ):
        np.testing.assert_allclose(Read(figure, "kernel learned").numbers, kernel, atol=0.051)
        np.testing.assert_array_equal(Read(figure, "kernel target").numbers, SLOPE)
        # One scale for all: that of the target's result, which is grey where it is 0.
        for name, weights in (("learned", kernel), ("target", SLOPE)):
            expected = (0.5 + correlated(PICTURE, weights) / largest / 2).clip(0, 1)
            np.testing.assert_allclose(greys(figure, f"result {name}"), expected, atol=1e-12)
        assert title in notes(figure)
        assert f"largest error of a weight: {error}" in notes(figure)
    # The same colour for a weight of the same size in all frames.
    first, last = film.frame(0), film.frame(2)
    np.testing.assert_array_equal(
        Read(first, "kernel target").colours, Read(last, "kernel learned").colours
    )
    with Image.open(path) as file:
        assert file.n_frames == 3


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "kernels", "message"),
    [
        (np.ones((4, 5, 4)), {"a": SLOPE}, r"image of shape \(4, 5, 4\) must be \(H, W\)"),
        (255 * np.ones((4, 5)), {"a": SLOPE}, "numbers from 0 to 1 .divide bytes by 255"),
        (np.full((4, 5), np.nan), {"a": SLOPE}, "nan or infinity"),
        (np.ones((0, 5)), {"a": SLOPE}, r"image of shape \(0, 5\) must not be empty"),
        (np.ones((5, 601)), {"a": SLOPE}, r"image of shape \(5, 601\) .* at most 600 .*size="),
        (PICTURE, {}, "at least one, by name"),
        (PICTURE, {"flat": [1.0, 2.0]}, r"kernel 'flat' of shape \(2,\) must be \(kh, kw\)"),
        (PICTURE, {"wide": np.ones((2, 10))}, r"kernel 'wide' of shape \(2, 10\) .* at most 9 "),
        (np.ones((4, 5)), {"high": np.ones((5, 2))}, "'high' is 5×2, larger than the picture, 4×5"),
        (PICTURE, {"bad": [[np.inf]]}, r"kernel 'bad' of shape \(1, 1\) .* finite numbers"),
    ],
)
def test_figure_refuses(image, kernels, message):
    with pytest.raises(ValueError, match=f"filter_figure: .*{message}"):
        viz.filter_figure(image, kernels)


@pytest.mark.parametrize(
    ("kernels", "options", "message"),
    [
        ([SLOPE, MEAN], {}, r"kernels\[1\] of shape \(3, 1\) must have the target's shape, \(2, 3"),
        ([SLOPE], {"titles": ["a", "b"]}, "2 titles for 1 kernels"),
        ([SLOPE], {"path": "film.png"}, "written as .gif"),
    ],
)
def test_film_refuses(kernels, options, message):
    with pytest.raises(ValueError, match=f"filter_film: .*{message}"):
        viz.filter_film(PICTURE, kernels, SLOPE, **options)


def test_film_refuses_no_kernels():
    with pytest.raises(ValueError, match="length=0 frames"):
        viz.filter_film(PICTURE, [], SLOPE)


def test_no_numbers():
    with pytest.raises(TypeError, match="filter_figure: image: expected real numbers"):
        viz.filter_figure("scene.png", {"slope": SLOPE})


def test_kernels_without_names():
    with pytest.raises(TypeError, match="kernels must be a dict from names to kernels, not list"):
        viz.filter_figure(PICTURE, [SLOPE])
