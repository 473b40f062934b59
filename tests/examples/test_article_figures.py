"""`python -m examples.article_figures`: which figures it draws, of what, and what it refuses."""

import numpy as np
import pytest
from PIL import Image

from examples import article_figures
from minigrad import article

FILES = [
    "01_flip_and_slide.gif",
    "02_sliding_window.gif",
    "03_image_and_kernel.png",
    "04_kernel_matrix.png",
    "05_fully_connected.png",
    "06_full.png",
    "07_valid.png",
    "08_same.png",
    "09_same_even.png",
    "10_picture.png",
    "11_filtered_by_loops.png",
    "12_filtered_by_matmul.png",
    "13_unfolded_image.png",
]


def run(arguments, out):
    return article_figures.main([*arguments.split(), "--out", str(out)])


def test_all_thirteen_of_uneven_sizes(tmp_path, capsys):
    assert run("--size 4x7 --kernel 3x2 --stride 2x1 --dilation 1x2", tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == FILES
    lines = dict(line.strip().split(": ", 1) for line in capsys.readouterr().out.splitlines()[1:])
    assert list(lines) == FILES
    # 7 values and 2 weights: the weights as they are, and 8 sums.
    assert lines["01_flip_and_slide.gif"].endswith(
        "2 weights, turned around, slide over 7 values: 9 frames"
    )
    # Spans 3x3 of 4x7: 1 row of 5 windows.
    assert lines["02_sliding_window.gif"].endswith("over an image of 4x7: 5 frames")
    assert lines["03_image_and_kernel.png"] == "image 4x7, kernel 3x2, output 1x5"
    assert lines["06_full.png"] == "FULL: image 4x7, kernel 3x2, output 3x9"
    assert lines["07_valid.png"] == "VALID: image 4x7, kernel 3x2, output 1x5"
    assert lines["08_same.png"] == "SAME: image 4x7, kernel 3x2, output 2x7"
    assert lines["09_same_even.png"] == "SAME: image 4x7, kernel 2x2, output 2x7"
    assert "110x220" in lines["12_filtered_by_matmul.png"]
    for name, frames in (("01_flip_and_slide.gif", 9), ("02_sliding_window.gif", 5)):
        with Image.open(tmp_path / name) as film:
            assert film.n_frames == frames


def test_the_articles_own_sizes_and_numbers_by_default():
    settings = article_figures.Settings(None, None, (1, 1), (1, 1), "VALID")
    conv, image = settings.example
    output = conv(image[None].astype(np.float32)).data
    assert output.ravel().tolist() == [1190, 1919, 909, 1344]
    assert settings.shape == (5, 5, 1)
    assert settings.layer("FULL").kernel_size == (3, 3)


def test_some_by_number_and_the_sizes_of_the_modes(tmp_path, capsys):
    assert run("9 6", tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["06_full.png", "09_same_even.png"]
    printed = capsys.readouterr().out
    assert "FULL: image 5x5, kernel 3x3, output 7x7" in printed
    assert "SAME: image 5x5, kernel 2x2, output 5x5" in printed


# article: G10, G11, G12, B9, B18
def test_the_filtered_picture_is_that_of_the_filter(tmp_path):
    """Against a sum of shifted pictures; grey is 0, and nothing wraps around."""
    assert run("10 11 12", tmp_path) == 0
    with Image.open(tmp_path / "10_picture.png") as file:
        picture = np.asarray(file).astype(float)
    assert picture.shape == (220, 220, 3)
    padded = np.pad(picture.sum(axis=2), 1)
    neighbours = sum(
        padded[i : i + 220, j : j + 220] for i in range(3) for j in range(3) if (i, j) != (1, 1)
    )
    expected = 0.1 * neighbours - 0.8 * padded[1:-1, 1:-1]
    settings = article_figures.Settings(None, None, (1, 1), (1, 1), "VALID")
    for values in settings.filtered.values():
        np.testing.assert_allclose(values, expected, atol=1e-6)


# article: B11
def test_two_ways_that_differ_are_not_drawn(tmp_path, monkeypatch):
    right = article.conv_matmul
    monkeypatch.setattr(article, "conv_matmul", lambda *given: right(*given) + 1e-6)
    with pytest.raises(AssertionError, match=r"loops and matmul differ by 1\.0e-06"):
        run("11", tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_too_large_says_so_and_the_rest_is_drawn(tmp_path, capsys):
    assert run("--size 11x13 --kernel 3x2 4 6 13", tmp_path) == 1
    drawn = sorted(path.name for path in tmp_path.iterdir())
    assert drawn == ["06_full.png", "13_unfolded_image.png"]
    # 143 cells against 108 windows: the matrix has too many columns, the unfolded image has not.
    errors = capsys.readouterr().err
    assert "no 04_kernel_matrix.png: matrix_product_figure: " in errors
    assert "143 x 108; at most 120 rows or columns" in errors


def test_bad_input(tmp_path, capsys):
    assert run("--size 4x7 --kernel 5x2", tmp_path) == 1
    assert "kernel 5 with dilation 1 spans 5" in capsys.readouterr().err
    assert run("--padding WIDE", tmp_path) == 1
    assert "padding='WIDE' is unknown" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run("14", tmp_path)
    assert "'14' must be the number of a figure" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
