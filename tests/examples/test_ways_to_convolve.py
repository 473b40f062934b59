"""`python -m examples.ways_to_convolve`: equal before timed, and what it counts and prints."""

import numpy as np
import pytest
from PIL import Image

from examples import ways_to_convolve
from minigrad.article import WAYS, conv
from minigrad.article.preparation import prepare
from tests import oracles

SMALL = ["--size", "24x26", "--rounds", "1"]
NAMES = ["loops", "im2col", "strided", "matrix", "fft", "shifts", "minigrad"]


@pytest.fixture
def clock(monkeypatch):
    """A clock that notes when it was asked; the n-th second is n times as long as the first."""
    asked = []

    def perf_counter():
        asked.append(len(asked))
        return float(sum(asked))

    monkeypatch.setattr(ways_to_convolve, "perf_counter", perf_counter)
    return asked


def rows_of(text):
    """The table: name -> its cells."""
    lines = [line.split("  ") for line in text.splitlines()]
    cells = [[cell.strip() for cell in line if cell] for line in lines]
    return {row[0]: row[1:] for row in cells if row and row[0] in NAMES}


# article: F9
def test_everybody_is_found_equal_and_then_timed_in_turns(capsys, clock):
    assert ways_to_convolve.main(["--size", "24x26", "--rounds", "3", "--stride", "2x1"]) == 0
    text = capsys.readouterr().out
    assert "24x26x3 image, 3x3 kernel, SAME" in text
    assert "give the same map of (12, 26)" in text
    rows = rows_of(text)
    assert list(rows) == NAMES
    assert len(clock) == 2 * 3 * (len(rows) + ("scipy.signal" in text) + ("PyTorch" in text))
    assert text.index("give the same map") < text.index("times as fast")


def test_turns_begin_with_another_one_each_time_and_medians_count(clock):
    """Turn n, from 0, lasts 2n + 1 seconds."""
    ran = []
    competitors = {name: lambda name=name: ran.append(name) for name in "abc"}
    medians = ways_to_convolve.take_turns(competitors, 3)
    assert "".join(ran) == "abcbcacab"
    assert medians == {"a": 2 * 5 + 1, "b": 2 * 3 + 1, "c": 2 * 4 + 1}


# article: B11, F9
@pytest.mark.parametrize("way", ["im2col", "fft"])
def test_a_wrong_way_is_named_and_nothing_is_timed(capsys, clock, monkeypatch, way):
    """One weight in the last row of the map is off by a billionth."""
    right = WAYS[way]

    def wrong(inputs, kernel, stride, mode):
        result = right(inputs, kernel, stride, mode).copy()
        result[-1] += 1e-9 * inputs.max() * np.abs(kernel).sum()
        return result

    monkeypatch.setitem(WAYS, way, wrong)
    assert ways_to_convolve.main(SMALL) == 1
    shown = capsys.readouterr()
    assert f"{way} differs from loops by 1.0e-09" in shown.err
    assert shown.err.count("nothing is timed") == 1
    assert "times as fast" not in shown.out
    assert not clock


def test_a_map_of_another_size_is_wrong(capsys, clock, monkeypatch):
    """As of a way that ignores the mode."""
    monkeypatch.setitem(WAYS, "shifts", lambda *arguments: conv(*arguments[:3], "SAME"))
    assert ways_to_convolve.main([*SMALL, "--mode", "valid"]) == 1
    assert "shifts gives a map of (24, 26), loops one of (22, 24)" in capsys.readouterr().err
    assert not clock


def test_nan_is_not_equal(capsys, monkeypatch):
    monkeypatch.setitem(WAYS, "strided", lambda *arguments: conv(*arguments) * np.nan)
    assert ways_to_convolve.main(SMALL) == 1
    assert "strided differs from loops by nan" in capsys.readouterr().err


# article: C7
def test_percentages_and_ratios(capsys):
    ways_to_convolve.beside_the_article({"loops": 0.4, "im2col": 0.1, "minigrad": 0.02})
    text = capsys.readouterr().out
    assert "article: 0.7281 s in loops, then 0.1511 s, 79 % less time, 4.8 times as fast" in text
    assert "im2col here: 0.4000 s in loops, then 0.1000 s, 75 % less time, 4.0 times" in text
    assert "layer here: 0.4000 s in loops, then 0.0200 s, 95 % less time, 20.0 times" in text
    # the arithmetic of the last line: 1 / (1 - 0.8), and 1 + 0.8
    assert '80 % less time is 5 times as fast; "80 % faster" would be 1.8 times' in text


# article: F5, C8
def test_the_matrix_is_counted(capsys):
    """On the article's image, and on a small one against a matrix that is laid out."""
    image = ways_to_convolve.picture(None, None)
    kernel = ways_to_convolve.like_the_articles(3, 3, 3)
    given = prepare("test", image, kernel, 1, "SAME")
    numbers = ways_to_convolve.numbers_held(given)
    assert given.inputs.size == 145_200
    assert numbers["im2col"] == 1_306_800
    ways_to_convolve.describe_matrix(given)
    text = capsys.readouterr().out
    assert "48,400 x 145,200 cells, 1,298,892 of them not zero: 99.98 % zeros, and 27 diff" in text

    rng = np.random.default_rng(0)
    image, kernel = rng.random((7, 5, 2)) + 1, rng.random((2, 3, 2)) + 1
    given = prepare("test", image, kernel, (2, 1), "SAME")
    matrix = oracles.conv_matrix(kernel[..., None], image.shape, (2, 1), ((0, 1), (1, 1)))
    ways_to_convolve.describe_matrix(given)
    zeros = 100 * (matrix == 0).mean()
    assert (
        f"{matrix.shape[1]} x {matrix.shape[0]} cells, {np.count_nonzero(matrix)} of them not "
        f"zero: {zeros:.4g} % zeros, and 12 different weights"
    ) in capsys.readouterr().out


def test_numbers_held_are_the_sizes_of_arrays(monkeypatch):
    given = prepare("test", np.ones((7, 6, 2)), np.ones((2, 3, 2)), (2, 1), "SAME")
    padded = np.pad(given.inputs, ((0, 1), (1, 1), (0, 0)))
    unfolded = oracles.im2col(given.inputs[None], (2, 3), (2, 1), ((0, 1), (1, 1)))
    spectrum = np.fft.rfft2(padded, axes=(0, 1))
    matrix = oracles.conv_matrix(np.ones((2, 3, 2, 1)), (7, 6, 2), (2, 1), ((0, 1), (1, 1)))
    assert ways_to_convolve.numbers_held(given) == {
        "loops": padded.size,
        "im2col": unfolded.size,
        "strided": unfolded.size,
        "matrix": np.count_nonzero(matrix),
        "fft": spectrum.view(np.float64).size,
        "shifts": padded.size,
        "minigrad": unfolded.size,
    }
    monkeypatch.setattr(ways_to_convolve, "BLOCK_CELLS", 100)
    assert unfolded.size > 100
    assert ways_to_convolve.numbers_held(given)["minigrad"] == 100


def test_the_kernel_is_the_articles_or_the_like_of_it():
    row = [0.1, 0.1, 0.1]
    kernel = ways_to_convolve.like_the_articles(3, 3, 3)
    for channel in np.moveaxis(kernel, 2, 0):
        np.testing.assert_allclose(channel, [row, [0.1, -0.8, 0.1], row], atol=1e-15)
    wide = ways_to_convolve.like_the_articles(2, 5, 1)
    np.testing.assert_allclose(wide[..., 0], [[0.1, 0.1, -0.9, 0.1, 0.1], [0.1] * 5], atol=1e-15)


def test_your_own_picture(tmp_path, capsys):
    Image.new("RGBA", (31, 27), "red").save(tmp_path / "red.png")
    assert ways_to_convolve.main(["--image", str(tmp_path / "red.png"), "--rounds", "1"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("27x31x3 image")
    assert "red.png was converted: what is transparent was laid over white" in shown.err
    Image.new("L", (31, 27)).save(tmp_path / "grey.png")
    arguments = ["--image", str(tmp_path / "grey.png"), "--size", "20x30", "--rounds", "1"]
    assert ways_to_convolve.main(arguments) == 0
    assert capsys.readouterr().out.startswith("20x30x1 image")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--image", "nothing.png"], "load_image: no file nothing.png"),
        (["--size", "20x30"], "scene: height=20 must be from 24"),
        (["--kernel", "30x3", "--size", "24x40", "--mode", "valid"], "kernel 30"),
        (["--mode", "equal"], "ways_to_convolve: convolve: mode='equal' is unknown"),
        (["--stride", "0x1"], "stride=(0, 1) must be at least 1"),
        (["--kernel", "9x9"], "make 11,761,200 products, more than 10,000,000; give a smaller"),
    ],
)
def test_bad_input(capsys, clock, arguments, said):
    assert ways_to_convolve.main(arguments) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("ways_to_convolve: ")
    assert said in shown.err
    assert shown.out == ""
    assert not clock


def test_no_rounds_at_all(capsys):
    with pytest.raises(SystemExit):
        ways_to_convolve.main(["--rounds", "0"])
    assert "--rounds: 0 must be at least 1" in capsys.readouterr().err
