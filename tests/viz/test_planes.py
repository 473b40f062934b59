"""A convolution in space: which cells the planes show, read back from the picture's corners."""

import re

import numpy as np
import pytest
from PIL import Image

from minigrad import nn, viz
from tests.viz.test_convolution import CASES, case, output_size, padded, pads_of, said

INPUT, PADDING, WINDOW, WINDOW_ON_PADDING = range(4)


class Plane:
    """A plane read back from a figure: where its cells are, and what colours they have."""

    def __init__(self, figure, name, size):
        cells = collection(figure, name)
        self.corners = np.array([path.vertices[:4] for path in cells.get_paths()])
        self.colours = cells.get_facecolor()[:, :3].reshape(*size, 3)
        rows, columns = size
        assert len(self.corners) == rows * columns
        self.origin, self.to_column, _, self.to_row = self.corners[0]
        self.to_column, self.to_row = self.to_column - self.origin, self.to_row - self.origin
        # The last cell is where these steps lead: rows and columns are not mixed up.
        last = self.origin + (rows - 1) * self.to_row + (columns - 1) * self.to_column
        np.testing.assert_allclose(self.corners[-1, 0], last)

    def places(self, points):
        """Points of the board as (row, column) of the plane, (points, 2)."""
        steps = np.linalg.solve(
            np.stack([self.to_row, self.to_column], 1), (points - self.origin).T
        )
        return steps.T


def collection(figure, name, number=0):
    return [item for item in figure.axes[0].collections if item.get_gid() == name][number]


def outline(figure, name):
    (path,) = collection(figure, name).get_paths()
    return path.vertices[:4]


def spans(conv):
    return [(k - 1) * d + 1 for k, d in zip(conv.kernel_size, conv.dilation)]


def block(row, column, rows, columns):
    """Corners clockwise from the first, as (row, column)."""
    return [
        (row, column),
        (row, column + columns),
        (row + rows, column + columns),
        (row + rows, column),
    ]


def check(figure, conv, shape, cell):
    """Window, output cell and lines are the pair that the arithmetic says."""
    (top, _), (left, _) = pads_of(conv)
    size = padded(conv, np.zeros(shape)).shape[:2]
    ground = Plane(figure, "input", size)
    above = Plane(figure, "output", output_size(conv, shape)[:2])

    begin = [index * stride for index, stride in zip(cell, conv.stride)]
    window, linked = outline(figure, "window"), outline(figure, "output cell")
    np.testing.assert_allclose(ground.places(window), block(*begin, *spans(conv)), atol=1e-9)
    np.testing.assert_allclose(above.places(linked), block(*cell, 1, 1), atol=1e-9)
    lines = np.array([path.vertices for path in collection(figure, "links").get_paths()])
    np.testing.assert_allclose(lines, np.stack([window, linked], axis=1))

    kinds = np.full(size, PADDING)
    kinds[top : top + shape[0], left : left + shape[1]] = INPUT
    for a in range(conv.kernel_size[0]):
        for b in range(conv.kernel_size[1]):
            place = begin[0] + a * conv.dilation[0], begin[1] + b * conv.dilation[1]
            kinds[place] = WINDOW if kinds[place] == INPUT else WINDOW_ON_PADDING
    # One colour to every kind of cell, and another to every other kind.
    found = {kind: {tuple(colour) for colour in ground.colours[kinds == kind]} for kind in range(4)}
    colours = [colour for of_kind in found.values() for colour in of_kind]
    assert all(len(of_kind) <= 1 for of_kind in found.values())
    assert len(set(colours)) == len(colours)

    output = {place: tuple(above.colours[place]) for place in np.ndindex(above.colours.shape[:2])}
    linked_colour = output.pop(cell)
    assert len(set(output.values())) == 1 and linked_colour not in output.values()


# article: B15, F8
@pytest.mark.parametrize("name", CASES)
def test_window_and_output_cell_are_the_pair_of_the_arithmetic(name):
    conv, shape, _ = case(name)
    rows, columns, _ = output_size(conv, shape)
    for cell in {(0, 0), (rows - 1, 0), (rows // 2, columns - 1)}:
        check(viz.planes_figure(conv, shape, output_cell=cell), conv, shape, cell)


# article: G6, G7, G8, G9, M1, M2, M3, M4
@pytest.mark.parametrize(
    ("mode", "kernel", "output", "whole"),
    [("FULL", 3, 7, 9), ("VALID", 3, 3, 5), ("SAME", 3, 5, 7), ("SAME", 2, 5, 6)],
)
def test_the_articles_modes(mode, kernel, output, whole):
    conv = nn.Conv2D(1, 1, kernel, padding=mode, bias=False)
    figure = viz.planes_figure(conv, (5, 5, 1))
    check(figure, conv, (5, 5, 1), (0, 0))
    # At stride 1 the output cell is right above the middle of its window.
    window, linked = outline(figure, "window"), outline(figure, "output cell")
    assert window.mean(axis=0)[0] == pytest.approx(linked.mean(axis=0)[0])
    text = said(figure)
    assert f"output: {output} rows × {output} columns" in text
    assert "input: 5 rows × 5 columns" in text
    assert ("padding, zeros" in text) == (mode != "VALID")
    if mode != "VALID":
        assert f"with it {whole} rows × {whole} columns" in text
    if kernel == 2:
        assert "0 rows above and 1 below, 0 columns left and 1 right" in text


def test_what_is_written_of_uneven_sizes():
    conv = nn.Conv2D(2, 3, (3, 2), stride=(2, 1), padding=((2, 0), (1, 3)), dilation=(2, 3))
    text = said(viz.planes_figure(conv, (6, 9, 2), output_cell=(1, 4)))
    assert "output: 2 rows × 10 columns, for each of 3 filters" in text
    assert "output cell 1,4" in text
    assert "kernel 3×2 with dilation 2×3; begins at row 1 × stride 2 = 2" in text
    assert "column 4 × stride 1 = 4, counted with the padding" in text
    assert "input: 6 rows × 9 columns, in each of 2 channels" in text
    assert "2 rows above and 0 below, 1 column left and 3 right" in text
    assert "with it 8 rows × 13 columns" in text
    assert "No window reaches the last row of the padded input" in text


@pytest.mark.parametrize(
    ("shape", "stride", "unreached"),
    [
        ((7, 9), (1, 2), None),
        ((7, 10), (2, 2), "the last row and the last column"),
        ((7, 13), (5, 4), "the last 2 columns"),
        ((10, 9), (5, 1), "the last 3 rows"),
    ],
)
def test_rows_and_columns_no_window_reaches_are_counted(shape, stride, unreached):
    conv = nn.Conv2D(1, 1, (2, 3), stride=stride, padding="VALID")
    found = re.search("No window reaches (.*?) of the", said(viz.planes_figure(conv, (*shape, 1))))
    assert (found and found.group(1)) == unreached


def test_the_planes_do_not_overlap():
    """On the board the whole output is above the line on which the input begins."""
    for name in CASES:
        conv, shape, _ = case(name)
        size = padded(conv, np.zeros(shape)).shape[:2]
        figure = viz.planes_figure(conv, shape)
        ground = Plane(figure, "input", size)
        output = np.concatenate(
            [path.vertices for path in collection(figure, "output").get_paths()]
        )
        assert (ground.places(output)[:, 0] < -0.5).all()


def test_rows_and_columns_are_numbered_where_there_is_room():
    def numbers(shape):
        figure = viz.planes_figure(nn.Conv2D(1, 1, 1), shape)
        return [text.get_text() for text in figure.axes[0].texts if text.get_text().isdecimal()]

    once = [*map(str, range(4)), *map(str, range(7))]
    assert sorted(numbers((4, 7, 1))) == sorted(once * 2)
    assert numbers((40, 50, 1)) == []


# article: M1, M2, M3
def test_modes_side_by_side():
    """4x7 image, 2x3 kernel, stride (1, 2), dilation (2, 1), which spans 3x3."""
    figure = viz.modes_figure((4, 7), (2, 3), stride=(1, 2), dilation=(2, 1))
    texts = said(figure)
    assert re.search("FULL: output 6×5 .* SAME: output 4×4 .* VALID: output 2×3", texts)
    assert "2 rows above and 2 below" in texts and "1 column left and 1 right" in texts
    assert "Three modes: 4×7 image, kernel 2×3 with dilation 2×1, stride 1×2" in texts
    for number, (grounds, outputs) in enumerate([(8 * 11, 6 * 5), (6 * 9, 4 * 4), (4 * 7, 2 * 3)]):
        assert len(collection(figure, "input", number).get_paths()) == grounds
        assert len(collection(figure, "output", number).get_paths()) == outputs


def test_the_film_visits_every_output_cell(tmp_path):
    conv, shape, _ = case("stride")
    path = tmp_path / "planes.gif"
    film = viz.planes_film(conv, shape, path)
    rows, columns, _ = output_size(conv, shape)
    assert len(film) == rows * columns
    for number, figure in enumerate(film):
        check(figure, conv, shape, (number // columns, number % columns))
    with Image.open(path) as file:
        assert file.n_frames == rows * columns


def test_the_picture_is_written_and_is_the_same_again(tmp_path):
    conv, shape, _ = case("pads")
    for name in ("a.png", "b.png"):
        viz.planes_figure(conv, shape, tmp_path / name)
    viz.modes_figure(4, 3, tmp_path / "c.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "c.png") as picture:
        assert picture.width > picture.height


def test_what_is_refused(tmp_path):
    conv = nn.Conv2D(1, 1, (3, 2), padding="VALID")
    with pytest.raises(TypeError, match=r"planes_figure: expected a Conv2D, got Dense"):
        viz.planes_figure(nn.Dense(3, 4), (3, 4, 1))
    with pytest.raises(ValueError, match=r"planes_figure: .*height 2 .*kernel 3"):
        viz.planes_figure(conv, (2, 4, 1))
    with pytest.raises(ValueError, match=r"planes_figure: output_cell=\(1, 5\) must be .*\(2, 4\)"):
        viz.planes_figure(conv, (4, 5, 1), output_cell=(1, 5))
    with pytest.raises(
        ValueError,
        match=r"planes_film: input_shape=\(5, 58, 1\) with its padding has 5 rows and 61 columns; "
        "at most 60 .* smaller input_shape",
    ):
        viz.planes_film(nn.Conv2D(1, 1, (1, 4)), (5, 58, 1))
    with pytest.raises(ValueError, match=r"Film: length=3135 frames"):
        viz.planes_film(nn.Conv2D(1, 1, 1), (57, 55, 1))
    path = tmp_path / "film.png"
    with pytest.raises(ValueError, match=r"planes_film: .*\.gif"):
        viz.planes_film(conv, (4, 5, 1), path)
    assert not path.exists()
    with pytest.raises(ValueError, match=r"modes_figure: input_hw=\(0, 3\)"):
        viz.modes_figure((0, 3), 2)
    with pytest.raises(ValueError, match=r"modes_figure: .*height 4 .*kernel 5"):
        viz.modes_figure((4, 9), (5, 3))
    with pytest.raises(ValueError, match=r"modes_figure: .*399,998 columns; at most 60"):
        viz.modes_figure(200_000, (3, 100_000))  # whose weights alone would not fit in memory
    with pytest.raises(TypeError, match=r"planes_figure: output_cell=5 must be a tuple, \(row"):
        viz.planes_figure(conv, (4, 5, 1), output_cell=5)
