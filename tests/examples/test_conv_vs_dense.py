"""`python -m examples.conv_vs_dense`: what it prints, what it writes, what it refuses."""

from functools import partial

import numpy as np
import pytest

from examples import conv_vs_dense
from minigrad import nn

PICTURES = ["growth.png", "im2col.png", "matrix.png", "one_output_cell.png", "tied_gradient.png"]


def test_a_layer_with_everything_different(tmp_path, capsys):
    arguments = "--input 12x10x3 --filters 4 --kernel 3x5 --stride 2x1 --padding FULL"
    assert conv_vs_dense.main([*arguments.split(), "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "Conv2D(3, 4, (3, 5), stride=(2, 1), padding='FULL') on 12x10x3 images" in text
    # 3*5*3*4 + 4 against 360 x (7*14*4) + 392
    assert next(line.split()[:4] for line in text.splitlines() if line.startswith("Conv2D ")) == [
        "Conv2D",
        "184",
        "141,512",
        "769",
    ]
    assert "the three ways agree" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == PICTURES


def test_disagreement_is_noticed(capsys, monkeypatch):
    """One weight's gradient off by a millionth: the exit code and the last line say so."""
    right = conv_vs_dense.with_matrix

    def wrong(conv, images, gradient):
        results = right(conv, images, gradient)
        results["kernel gradient"][1, 0, 0, 2] *= 1 + 1e-6
        return results

    monkeypatch.setattr(conv_vs_dense, "with_matrix", wrong)
    monkeypatch.setattr(conv_vs_dense, "write_pictures", lambda *arguments: None)
    assert conv_vs_dense.main(["--input", "7x5x2", "--kernel", "2x3"]) == 1
    assert "they differ by more than 1e-12" in capsys.readouterr().out


def test_a_matrix_that_would_not_fit(capsys, monkeypatch):
    """Row C8's image: the non-zeros do instead."""
    monkeypatch.setattr(conv_vs_dense, "write_pictures", lambda *arguments: None)
    assert conv_vs_dense.main(["--input", "130x150x3", "--kernel", "1x2", "--filters", "2"]) == 0
    text = capsys.readouterr().out
    assert "the whole matrix would be too large; its non-zeros are used" in text
    assert "the three ways agree" in text


def test_a_matrix_whose_non_zeros_would_not_fit_either(tmp_path, capsys, monkeypatch):
    """The other two ways are compared, and the pictures drawn."""
    for name in ("conv_matrix", "sparse_conv_matrix"):
        limited = partial(getattr(conv_vs_dense, name), memory_limit=1000)
        monkeypatch.setattr(conv_vs_dense, name, limited)
    assert conv_vs_dense.main(["--input", "9x7x2", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "the matrix way is left out: sparse_conv_matrix: " in text
    assert "1000 B" in text
    assert "non-zeros are used" not in text
    assert "the two ways agree" in text
    assert not any(line.startswith("matrix ") for line in text.splitlines())
    assert sorted(path.name for path in tmp_path.iterdir()) == PICTURES


def test_pictures_are_of_the_layer_or_of_a_part_of_it():
    rng = np.random.default_rng(0)
    small = nn.Conv2D(2, 3, (2, 3), stride=(2, 1), rng=rng)
    assert conv_vs_dense.legible(small, (4, 5, 2)) == (small, (4, 5, 2))
    large = nn.Conv2D(8, 16, (2, 3), stride=(2, 1), padding=((1, 0), (3, 2)), rng=rng)
    part, shape = conv_vs_dense.legible(large, (32, 28, 8))
    assert (part.kernel_size, part.stride, part.padding) == ((2, 3), (2, 1), ((1, 0), (3, 2)))
    assert shape[0] >= 4
    assert shape[1] >= 4
    output = part(np.zeros((1, *shape), np.float32))
    assert max(np.prod(shape), output.size) <= 100
    filters, channels = part.out_channels, part.in_channels
    assert (part.kernel.data == large.kernel.data[:, :, :channels, :filters]).all()


def test_a_picture_that_cannot_be_drawn_says_why(tmp_path, capsys):
    """A kernel of 17x19 = 323 weights has more colours than eyes can tell apart."""
    conv = nn.Conv2D(1, 1, (17, 19))
    conv_vs_dense.write_pictures(conv, (20, 23, 1), tmp_path)
    text = capsys.readouterr().out
    assert "no matrix.png: matrix_figure" in text
    assert "323" in text
    assert [path.name for path in tmp_path.iterdir()] == ["growth.png"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--padding", "EQUAL"], "'EQUAL'"),
        (["--filters", "0"], "out_channels=0"),
        (["--input", "7x5x2", "--kernel", "8x3", "--padding", "valid"], "does not fit"),
    ],
)
def test_bad_layers(arguments, part, capsys):
    assert conv_vs_dense.main(arguments) == 1
    assert part in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--input", "28x28"],
        ["--kernel", "3x"],
        ["--stride", "1x2x3"],
        ["--padding", "1,2"],
        ["--kernel", "3x100000"],
    ],
)
def test_bad_options(arguments, capsys):
    with pytest.raises(SystemExit):
        conv_vs_dense.main(arguments)
    assert f"argument {arguments[0]}: {arguments[1]!r} must be" in capsys.readouterr().err


def test_sizes_on_the_command_line():
    options = conv_vs_dense.parse(["--kernel", "5", "--stride", "2X1", "--padding", "1x2"])
    assert (options.input, options.kernel, options.stride) == ((28, 28, 1), (5, 5), (2, 1))
    assert options.padding == (1, 2)
    assert conv_vs_dense.parse(["--padding", "full"]).padding == "full"
    assert conv_vs_dense.parse(["--padding", "3"]).padding == (3, 3)
    assert conv_vs_dense.parse(["--padding", "1,0,2,3"]).padding == ((1, 0), (2, 3))
