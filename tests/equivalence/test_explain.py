"""SAME here, in TensorFlow and in PyTorch: rows M4, B4 and B5."""

import numpy as np
import pytest

from minigrad import functional as F
from minigrad.equivalence import explain_padding
from tests import oracles


# article: M4, B5
def test_rows_m4_and_b5():
    """n=28, k=3, s=2: TensorFlow pads (0, 1), the article (1, 1); an even kernel pads (0, 1)."""
    strided = explain_padding(28, 3, stride=2, show=False)
    assert strided.minigrad == ((1, 1), (1, 1))
    assert strided.tensorflow == ((0, 1), (0, 1))
    # The example that TensorFlow's users know: 13 wide, 6 wide, stride 5, one before and two after.
    assert explain_padding(13, 6, stride=5, show=False).tensorflow == ((1, 2), (1, 2))
    even = explain_padding(5, 2, show=False)
    assert even.minigrad == even.tensorflow == even.pytorch == ((0, 1), (0, 1))


def test_tensorflow_covers_the_input_with_as_few_cells_as_can_be():
    """The fewest cells with which ceil(n / s) windows fit, found by search; the odd one after.

    This is TensorFlow's documented rule, and why its SAME depends on the input's size (row B4).
    """
    for size in range(1, 14):
        for kernel in range(1, 6):
            for stride in range(1, 5):
                for dilation in (1, 2):
                    pads = explain_padding(size, kernel, stride, dilation, show=False).tensorflow
                    windows = -(-size // stride)
                    total = next(
                        total
                        for total in range(20)
                        if len(oracles.window_starts(size, kernel, stride, 0, total, dilation))
                        >= windows
                    )
                    assert pads == ((total // 2, total - total // 2),) * 2


def test_all_three_agree_at_stride_1():
    for size in range(1, 14):
        for kernel in range(1, 6):
            for dilation in (1, 2, 3):
                same = explain_padding(size, kernel, 1, dilation, show=False)
                assert same.minigrad == same.tensorflow == same.pytorch


def test_pytorch_at_other_strides():
    """One number for both sides: what its Conv2d takes where it refuses "same"."""
    assert explain_padding((9, 8), (5, 4), (1, 2), show=False).pytorch == ((2, 2), (1, 1))
    assert explain_padding(9, 3, 2, dilation=2, show=False).pytorch == ((2, 2), (2, 2))


def test_the_pads_are_what_conv2d_means():
    """`minigrad` is SAME; all three are given to a layer as they are."""
    rng = np.random.default_rng(0)
    x, kernel = rng.standard_normal((2, 9, 8, 1)), rng.standard_normal((4, 3, 1, 5))
    pads = explain_padding((9, 8), (4, 3), (3, 2), show=False)
    same = F.conv2d(x, kernel, stride=(3, 2), padding="SAME").data
    assert (F.conv2d(x, kernel, stride=(3, 2), padding=pads.minigrad).data == same).all()
    assert F.conv2d(x, kernel, stride=(3, 2), padding=pads.tensorflow).shape == same.shape
    assert pads.tensorflow[1] != pads.minigrad[1]


def windows_drawn(drawing):
    """The lines of marks in a drawing, from the column where the cells begin."""
    return [
        line[12:]
        for line in drawing.splitlines()
        if line[12:] and set(line[12:]) <= set(" xo.") and not line.startswith("x a cell")
    ]


def test_the_picture(capsys):
    explanation = explain_padding((7, 5), (3, 2), (2, 1), dilation=(2, 1))
    text = str(explanation)
    assert capsys.readouterr().out == f"{text}\n"
    assert text.splitlines() == [
        "height: input 7, kernel 3, stride 2, dilation 2",
        '  minigrad and the article "SAME", TensorFlow "same", PyTorch 2: pads (2, 2), output 4',
        "    cell        0 1 2 3 4 5 6",
        "    window  o . x . x",
        "                x . x . x",
        "                    x . x . x",
        "                        x . x . o",
        "",
        "width: input 5, kernel 2, stride 1, dilation 1",
        '  minigrad and the article "SAME", TensorFlow "same": pads (0, 1), output 5',
        "    cell    0 1 2 3 4",
        "    window  x x",
        "              x x",
        "                x x",
        "                  x x",
        "                    x o",
        "  PyTorch 0: pads (0, 0), output 4",
        "    cell    0 1 2 3 4",
        "    window  x x",
        "              x x",
        "                x x",
        "                  x x",
        "",
        "x a cell that a window sees, o padding that it sees, . a cell it passes over",
    ]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"),
    [(7, 3, 2, 1), (6, 4, 3, 1), (11, 3, 4, 2), (13, 2, 3, 1)],
)
def test_every_mark_of_the_picture(size, kernel, stride, dilation):
    """Against windows walked one by one, for the library's own SAME (the first picture)."""
    explanation = explain_padding(size, kernel, stride, dilation, show=False)
    before, after = explanation.minigrad[0]
    width = len(str(size - 1)) + 1
    starts = oracles.window_starts(size, kernel, stride, before, after, dilation)
    expected = []
    for start in starts:
        cells = dict.fromkeys(range(start, start + (kernel - 1) * dilation + 1), ".")
        for tap in range(start, start + (kernel - 1) * dilation + 1, dilation):
            cells[tap] = "x" if 0 <= tap < size else "o"
        marks = [cells.get(cell, " ").rjust(width) for cell in range(-before, size + after)]
        expected.append("".join(marks)[1:].rstrip())
    assert windows_drawn(str(explanation))[: len(starts)] == expected


def test_a_long_axis_is_cut_in_the_middle():
    text = str(explain_padding(224, 5, stride=2, show=False))
    lines = text.splitlines()
    assert "output 112" in lines[1]
    assert "..." in lines[2]
    assert max(map(len, lines)) <= 100
    assert lines[2].split()[1:7] == ["0", "1", "2", "3", "4", "5"]
    assert lines[2].split()[-1] == "223"


def test_where_no_window_fits():
    """One cell, an even kernel, stride 2: PyTorch's number leaves room for no window."""
    explanation = explain_padding(1, 4, 2, show=False)
    assert explanation.pytorch == ((1, 1), (1, 1))
    assert "PyTorch 1: pads (1, 1), output 0" in str(explanation)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        ((0, 3), "input_size=0"),
        ((5, (3, 0)), "kernel_size=(3, 0)"),
        ((5, 3, -1), "stride=-1"),
        ((5, 3, 1, 0), "dilation=0"),
        (((5, 6, 7), 3), "input_size=(5, 6, 7) has length 3"),
    ],
)
def test_bad_sizes(arguments, part):
    with pytest.raises(ValueError) as error:
        explain_padding(*arguments)
    assert "explain_padding" in str(error.value)
    assert part in str(error.value)


def test_sizes_that_are_no_integers():
    with pytest.raises(TypeError, match=r"explain_padding: stride=1\.5 must be an int"):
        explain_padding(5, 3, 1.5)
