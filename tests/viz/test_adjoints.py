"""The picture of adjoint pairs, read back: which cells arrows join, and what is written."""

import numpy as np
import pytest

from minigrad import viz
from minigrad.viz.cells import ZERO

# Input cells, and for every output cell the input cells it adds up, by hand.
ADD_NEIGHBOURS = ("neighbours", "spread", lambda x: x[:-1] + x[1:], [5, 2, 7])
PICK = ("pick", "scatter", lambda x: x[np.array([3, 0, 3])].reshape(3, 1), [5, 2, 7, 4])
PAD = ("pad", "crop", lambda x: x.pad(((1, 2), (0, 0))), [[5], [2]])
SOURCES = {
    "neighbours": [[0, 1], [1, 2]],
    "pick": [[3], [0], [3]],
    "pad": [[], [0], [1], [], []],
}


def numbers(figure, gid):
    """What is written into a column of cells, from the top."""
    texts = [text for text in figure.axes[0].texts if text.get_gid() == gid]
    return [
        float(text.get_text()) for text in sorted(texts, key=lambda text: text.get_position()[1])
    ]


def grey(figure, gid):
    """Which cells of a column are grey."""
    (image,) = [image for image in figure.axes[0].images if image.get_gid() == gid]
    return [index for index, (colour,) in enumerate(image.get_array()) if tuple(colour) == ZERO]


def arrows(figure, name):
    """(from cell, to cell) of every arrow, and whether they all point to the right."""
    ends = {}
    for side in ("from", "to"):
        (image,) = [i for i in figure.axes[0].images if i.get_gid() == f"{name} {side}"]
        _, _, bottom, top = image.get_extent()
        ends[side] = (top, (bottom - top) / len(image.get_array()))
    found, to_the_right = [], set()
    for arrow in figure.axes[0].texts:
        if arrow.get_gid() == f"{name} arrow":
            (x, y), (to_x, to_y) = arrow.xyann, arrow.xy
            cells = [
                (height - ends[side][0]) / ends[side][1] - 0.5
                for side, height in (("from", y), ("to", to_y))
            ]
            assert np.allclose(cells, np.round(cells))
            found.append(tuple(round(cell) for cell in cells))
            to_the_right.add(to_x > x)
    return sorted(found), to_the_right


@pytest.mark.parametrize("pair", [ADD_NEIGHBOURS, PICK, PAD], ids=lambda pair: pair[0])
def test_cells_and_arrows(pair):
    name, adjoint, _, x = pair
    sources = SOURCES[name]
    x = np.ravel(x)
    figure = viz.adjoint_figure([pair])

    assert numbers(figure, f"{name} from") == x.tolist()
    assert numbers(figure, f"{name} to") == [sum(x[i] for i in cells) for cells in sources]
    joined = [(i, output) for output, cells in enumerate(sources) for i in cells]
    assert arrows(figure, name) == (sorted(joined), {True})
    assert grey(figure, f"{name} from") == []
    assert grey(figure, f"{name} to") == [i for i, cells in enumerate(sources) if not cells]

    assert numbers(figure, f"{adjoint} from") == [i + 1 for i in range(len(sources))]
    gradient = [sum(output + 1 for i, output in joined if i == cell) for cell in range(len(x))]
    assert numbers(figure, f"{adjoint} to") == gradient
    assert arrows(figure, adjoint) == (sorted((output, i) for i, output in joined), {False})
    assert grey(figure, f"{adjoint} to") == [i for i, total in enumerate(gradient) if not total]


def test_several_pairs_stand_side_by_side():
    figure = viz.adjoint_figure([ADD_NEIGHBOURS, PAD])
    extents = {image.get_gid(): image.get_extent() for image in figure.axes[0].images}
    assert extents["neighbours to"][1] < extents["pad from"][0]
    assert extents["pad to"][2] < extents["crop from"][3]  # y points down
    titles = [text.get_text() for text in figure.axes[0].texts]
    assert all(title in titles for title in ("neighbours", "spread", "pad", "crop"))


@pytest.mark.parametrize(
    "function, x, message",
    [
        (lambda x: x * 2, [5, 2], "double does more than move, repeat, leave out and add up"),
        (lambda x: x + 1, [5, 2], "double does more than"),
        (lambda x: x.reshape(1, 13), np.arange(13), "double takes 13 cells to 13; more than 12"),
        (lambda x: x[:0], [5, 2], r"double takes shape \(2,\) to \(0,\); there must be cells"),
    ],
)
def test_what_arrows_cannot_show(function, x, message):
    with pytest.raises(ValueError, match=message):
        viz.adjoint_figure([("double", "half", function, x)])


def test_a_function_that_returns_no_tensor():
    with pytest.raises(TypeError, match="double returns ndarray; it must return a Tensor"):
        viz.adjoint_figure([("double", "half", lambda x: x.data, [5, 2])])


def test_sums_that_are_rounded_are_still_sums():
    """Added up in another order, 0.1 + 0.2 + ... differs in the last digit."""
    viz.adjoint_figure([("sum", "spread", lambda x: x[::-1].sum(), 0.1 * np.arange(1, 12))])


def test_no_pairs():
    with pytest.raises(ValueError, match="pairs is empty"):
        viz.adjoint_figure([])


def test_the_file_is_written(tmp_path):
    path = tmp_path / "pairs.png"
    viz.adjoint_figure([PAD], path)
    first = path.read_bytes()
    viz.adjoint_figure([PAD], path)
    assert path.read_bytes() == first
