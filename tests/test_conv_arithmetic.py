"""Window arithmetic against windows that are walked and counted one by one.

Names and docstrings give the rows of the article that are covered: F1, F2, M1, M2, M4, B3, B5, B8.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.conv_arithmetic import (
    dilated_size,
    integer,
    mode_padding,
    output_shape,
    output_size,
    pair,
    resolve_axis_padding,
    resolve_padding,
)
from tests.oracles import window_starts

MODES = ("SAME", "VALID", "FULL")

sizes = st.integers(1, 24)
kernels = st.integers(1, 7)
strides = st.integers(1, 5)
dilations = st.integers(1, 4)
pads = st.integers(0, 6)


def cells_spanned(kernel, dilation):
    """The dilated size, by laying the weights out."""
    cells = [weight * dilation for weight in range(kernel)]
    return cells[-1] - cells[0] + 1


# --- checked integers -----------------------------------------------------------------------------


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3)])
def test_integer_makes_a_python_int(value):
    result = integer(value, "stride", where="conv1d")
    assert result == 3
    assert type(result) is int


@pytest.mark.parametrize("value", [True, np.True_, 2.0, np.float32(2), "2", None, (2,)])
def test_integer_refuses_what_is_none(value):
    with pytest.raises(TypeError) as error:
        integer(value, "stride", where="conv1d")
    assert str(error.value) == (
        f"conv1d: stride={value!r} must be an int, not {type(value).__name__}"
    )


def test_integer_minimum():
    assert integer(0, "padding", minimum=0, where="conv1d") == 0
    with pytest.raises(ValueError, match=r"^conv1d: stride=0 must be at least 1$"):
        integer(0, "stride", where="conv1d")
    with pytest.raises(ValueError, match=r"^Dense: out_features=-2 must be at least 0$"):
        integer(-2, "out_features", minimum=0, where="Dense")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, (3, 3)),
        ((2, 5), (2, 5)),
        ([2, 5], (2, 5)),
        (np.int32(4), (4, 4)),
        ((np.int64(2), np.uint8(5)), (2, 5)),
    ],
)
def test_pair_makes_two_python_ints(value, expected):
    result = pair(value, "kernel_size", where="Conv2D")
    assert result == expected
    assert [type(number) for number in result] == [int, int]


@pytest.mark.parametrize(
    "value",
    [True, np.True_, 2.0, np.float64(2), None, "23", (2, 3.0), (True, 2), ("2", 3), {2, 3},
     np.array([2, 3]), (2, (3, 4))],
)  # fmt: skip
def test_pair_refuses_what_are_no_integers(value):
    with pytest.raises(TypeError) as error:
        pair(value, "stride", where="max_pool2d")
    assert str(error.value) == (
        f"max_pool2d: stride={value!r} must be an int, or two: (height, width)"
    )


@pytest.mark.parametrize("value", [(), (2,), [2, 3, 4]])
def test_pair_refuses_other_lengths(value):
    with pytest.raises(ValueError) as error:
        pair(value, "dilation", where="im2col")
    assert str(error.value) == (
        f"im2col: dilation={value!r} has length {len(value)}; give one int, or two: (height, width)"
    )


@pytest.mark.parametrize("value", [0, -1, (0, 2), (2, 0), (-3, 2)])
def test_pair_refuses_numbers_below_the_minimum(value):
    with pytest.raises(ValueError) as error:
        pair(value, "stride", where="conv2d")
    assert str(error.value) == (
        f"conv2d: stride={value!r} must be at least 1 in height and in width"
    )


def test_pair_with_another_minimum():
    assert pair((0, 2), "output_padding", minimum=0, where="conv_transpose2d") == (0, 2)
    with pytest.raises(ValueError, match="output_padding=-1 must be at least 0"):
        pair(-1, "output_padding", minimum=0, where="conv_transpose2d")


# --- padding along one axis -----------------------------------------------------------------------


@given(kernels, dilations)
def test_dilated_size_counts_from_first_to_last_weight(kernel, dilation):
    assert dilated_size(kernel, dilation) == cells_spanned(kernel, dilation)


# article: F1
@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("FULL", [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)]),
        ("VALID", [(0, 0)] * 7),
        ("SAME", [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3)]),
    ],
)
def test_f1_padding_of_each_mode_for_kernels_1_to_7(mode, expected):
    """F1: FULL k-1 on each side, VALID none, SAME k-1 in all with the odd one after."""
    assert [mode_padding(mode, kernel) for kernel in range(1, 8)] == expected


# article: F1
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kernel", range(1, 8))
def test_f1_sums_and_differences_on_each_axis(kernel, axis):
    """F1: sums 2(k-1), 0, k-1; after - before is 1 exactly for SAME and even k; axes not mixed."""
    other = 9
    kernel_size = (kernel, other) if axis == 0 else (other, kernel)
    total = {"FULL": 2 * (kernel - 1), "VALID": 0, "SAME": kernel - 1}
    for mode in MODES:
        before, after = resolve_padding(mode, kernel_size)[axis]
        assert before + after == total[mode]
        assert after - before == (1 if mode == "SAME" and kernel % 2 == 0 else 0)


# article: M1
@given(sizes, kernels, dilations)
def test_m1_first_full_window_overlaps_the_input_by_one_cell(size, kernel, dilation):
    """M1: FULL starts where one input cell meets the kernel, ends likewise, and misses none."""
    before, after = mode_padding("FULL", kernel, dilation)
    starts = window_starts(size, kernel, 1, before, after, dilation)
    span = cells_spanned(kernel, dilation)
    assert starts[0] + span - 1 == 0  # the first window's last cell is the input's first
    assert starts[-1] == size - 1  # the last window's first cell is the input's last
    assert len(starts) == size + span - 1


# article: M1, M2
@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("FULL", "full"), ("VALID", "valid"), ("SAME", "same")]
)
def test_m1_m2_sizes_are_those_of_numpy_convolve(mode, numpy_mode):
    """M1, M2: n+k-1, n-k+1 and n, as numpy.convolve counts them for n >= k."""
    for kernel, size in itertools.product(range(1, 8), range(7, 12)):
        expected = np.convolve(np.ones(size), np.ones(kernel), numpy_mode).size
        assert output_size(size, kernel, 1, 1, *mode_padding(mode, kernel)) == expected


# article: M1, M2, M3
def test_m1_m2_m3_sizes_of_the_article_pictures():
    """M1, M2: a 5x5 input and a 3x3 kernel give 7x7, 3x3 and, with SAME, 5x5."""
    shapes = {
        mode: output_shape((5, 5), (3, 3), (1, 1), resolve_padding(mode, (3, 3))) for mode in MODES
    }
    assert shapes == {"FULL": (7, 7), "VALID": (3, 3), "SAME": (5, 5)}


# article: M2
@given(sizes, kernels, strides, dilations)
def test_m2_valid_is_never_larger_than_same_nor_same_than_full(size, kernel, stride, dilation):
    """M2: for every fixed n, k: VALID <= SAME <= FULL; VALID may not exist at all (B8)."""
    same, full = (
        output_size(size, kernel, stride, dilation, *mode_padding(mode, kernel, dilation))
        for mode in ("SAME", "FULL")
    )
    assert same <= full
    if cells_spanned(kernel, dilation) <= size:
        assert output_size(size, kernel, stride, dilation, 0, 0) <= same


# article: M4
def test_m4_even_kernel_pads_bottom_and_right():
    """M4: 2x2 on 5x5 keeps 5x5, with pads (0, 1) on both axes; SciPy pads the other side."""
    padding = resolve_padding("SAME", (2, 2))
    assert padding == ((0, 1), (0, 1))
    assert output_shape((5, 5), (2, 2), (1, 1), padding) == (5, 5)


def test_m4_numbers_of_the_article():
    """M4: x = 0..4 under the weights 1, 10 gives 10, 21, 32, 43, 4."""
    before, after = mode_padding("SAME", 2)
    padded = [0] * before + [0, 1, 2, 3, 4] + [0] * after
    answers = [1 * padded[i] + 10 * padded[i + 1] for i in range(len(padded) - 1)]
    assert answers == [10, 21, 32, 43, 4]


@given(sizes, kernels, dilations)
def test_same_keeps_the_size_at_stride_one(size, kernel, dilation):
    padding = mode_padding("SAME", kernel, dilation)
    assert output_size(size, kernel, 1, dilation, *padding) == size


def tensorflow_same(size, kernel, stride):
    """TensorFlow's rule, from its documentation: what ceil(size / stride) windows need."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


# article: B5
@given(sizes, kernels, strides)
def test_b5_same_has_the_size_of_tensorflow_at_every_stride(size, kernel, stride):
    """B5: the size is ceil(n / stride), both ways of padding."""
    ours = output_size(size, kernel, stride, 1, *mode_padding("SAME", kernel))
    theirs = output_size(size, kernel, stride, 1, *tensorflow_same(size, kernel, stride))
    assert ours == theirs == math.ceil(size / stride)


# article: B5
def test_b5_same_aligns_differently_from_tensorflow_at_stride_two():
    """B5: n=28, k=3, stride 2: (1, 1) here, (0, 1) there, reachable with explicit pads."""
    assert mode_padding("SAME", 3) == (1, 1)
    assert tensorflow_same(28, 3, 2) == (0, 1)
    explicit = resolve_padding(((0, 1), (0, 1)), (3, 3))
    assert explicit == ((0, 1), (0, 1))
    assert output_shape((28, 28), (3, 3), (2, 2), explicit) == (14, 14)


# article: B3
@pytest.mark.parametrize("mode", ["same", "Same", "valid", "vAlId", "full", "FULL"])
def test_b3_modes_in_any_case(mode):
    """B3: lower case was "invalid" in one of the article's functions and accepted in the other."""
    assert mode_padding(mode, 4, 3) == mode_padding(mode.upper(), 4, 3)
    assert resolve_axis_padding(mode, 4, 3) == mode_padding(mode.upper(), 4, 3)
    assert resolve_padding(mode, (4, 3), (1, 2)) == resolve_padding(mode.upper(), (4, 3), (1, 2))


# article: B3
@pytest.mark.parametrize("word", ["REFLECT", "", "SAME ", "CAUSAL "])
def test_b3_unknown_word_is_an_error_that_lists_the_words(word):
    """B3: the article prints "Invalid mode" and goes on with None."""
    words, axis_words = '"SAME", "VALID" or "FULL"', '"SAME", "VALID", "FULL" or "CAUSAL"'
    for resolve, where, kernel, listed in [
        (mode_padding, "conv2d", 3, words),
        (resolve_axis_padding, "conv1d", 3, axis_words),
        (resolve_padding, "Conv2D", (3, 2), words),
    ]:
        with pytest.raises(ValueError) as error:
            resolve(word, kernel, where=where)
        assert str(error.value) == (
            f"{where}: padding={word!r} is unknown; use {listed} (upper or lower case), or give "
            "numbers of cells"
        )


@given(kernels, dilations, st.sampled_from(["CAUSAL", "causal"]))
def test_causal_is_all_before_and_for_one_axis_only(kernel, dilation, word):
    reach = (kernel - 1) * dilation
    assert resolve_axis_padding(word, kernel, dilation) == (reach, 0)
    assert output_size(11, kernel, 1, dilation, reach, 0) == 11
    for resolve, size in [(mode_padding, kernel), (resolve_padding, (kernel, 2))]:
        with pytest.raises(ValueError, match=f"padding='{word}' is unknown; use"):
            resolve(word, size)


# --- what users write for padding -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (3, (3, 3)),
        (0, (0, 0)),
        (np.int64(3), (3, 3)),
        ((4, 1), (4, 1)),
        ([4, np.int32(0)], (4, 0)),
        ("SAME", (2, 3)),
        ("FULL", (5, 5)),
    ],
)
def test_axis_padding_forms(padding, expected):
    # The kernel spans 6 cells: weights 0 and 5.
    result = resolve_axis_padding(padding, kernel=2, dilation=5)
    assert result == expected
    assert [type(number) for number in result] == [int, int]


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        (3, ((3, 3), (3, 3))),
        (0, ((0, 0), (0, 0))),
        (np.int64(3), ((3, 3), (3, 3))),
        ((4, 1), ((4, 4), (1, 1))),
        ([4, 1], ((4, 4), (1, 1))),
        ((np.int32(4), 0), ((4, 4), (0, 0))),
        (((4, 1), (2, 3)), ((4, 1), (2, 3))),
        ([[4, 1], [2, 3]], ((4, 1), (2, 3))),
        (((np.int8(4), 1), [2, 3]), ((4, 1), (2, 3))),
        # The kernel spans 2 + 1 = 3 rows and 3 * 2 + 1 = 7 columns.
        ("SAME", ((1, 1), (3, 3))),
        ("VALID", ((0, 0), (0, 0))),
        ("FULL", ((2, 2), (6, 6))),
    ],
)
def test_padding_forms(padding, expected):
    result = resolve_padding(padding, kernel_size=(3, 4), dilation=(1, 2))
    assert result == expected
    assert all(type(number) is int for side in result for number in side)


@given(st.sampled_from(MODES), kernels, kernels, dilations, dilations)
def test_modes_treat_the_axes_one_by_one(mode, kernel_h, kernel_w, dilation_h, dilation_w):
    assert resolve_padding(mode, (kernel_h, kernel_w), (dilation_h, dilation_w)) == (
        mode_padding(mode, kernel_h, dilation_h),
        mode_padding(mode, kernel_w, dilation_w),
    )


@given(st.tuples(st.tuples(pads, pads), st.tuples(pads, pads)), st.tuples(kernels, kernels))
def test_resolved_padding_passes_unchanged(padding, kernel_size):
    assert resolve_padding(padding, kernel_size) == padding


MALFORMED = [(), (1, 2, 3), (1,), ((1, 2),), (1, 2.0), (1, True), (1, None), (1, -2), -1, [-1, 1]]


@pytest.mark.parametrize(
    "padding",
    [*MALFORMED, ("SAME", "VALID"), (1, (2, 3)), ((1, 2), (3, 4), (5, 6)), ((1, 2), (3, 4, 5)),
     ((1, 2), (3, -4)), ((1, 2), (3, 4.0)), np.int64(-1)],
)  # fmt: skip
def test_padding_of_another_form_is_an_error_that_lists_the_forms(padding):
    with pytest.raises(ValueError) as error:
        resolve_padding(padding, (3, 2), where="max_pool2d")
    assert str(error.value) == (
        f'max_pool2d: padding={padding!r} is not allowed; give "SAME", "VALID" or "FULL", or '
        "numbers of cells, at least 0: an int, (height, width), or ((top, bottom), (left, right)). "
        "To crop instead, slice the input"
    )


@pytest.mark.parametrize("padding", [*MALFORMED, ((1, 2), (3, 4)), ("SAME", 1)])
def test_axis_padding_of_another_form_is_an_error_that_lists_the_forms(padding):
    with pytest.raises(ValueError) as error:
        resolve_axis_padding(padding, 3)
    assert str(error.value) == (
        f'conv1d: padding={padding!r} is not allowed; give "SAME", "VALID", "FULL" or "CAUSAL", or '
        "numbers of cells, at least 0: an int, or (before, after). To crop instead, slice the input"
    )


@pytest.mark.parametrize("padding", [None, 1.0, True, np.True_, np.array([1, 2]), {1, 2}])
def test_padding_of_another_type_is_a_type_error(padding):
    with pytest.raises(TypeError) as error:
        resolve_padding(padding, (3, 2))
    assert f"conv2d: padding={padding!r} is not allowed" in str(error.value)
    with pytest.raises(TypeError) as error:
        resolve_axis_padding(padding, 3)
    assert f"conv1d: padding={padding!r} is not allowed" in str(error.value)


# --- output sizes ---------------------------------------------------------------------------------


# article: F2
def test_f2_output_size_counts_windows_over_a_whole_grid():
    """F2: the floor formula is the number of window positions, and an error where there is none."""
    grid = itertools.product(range(1, 8), range(1, 5), range(1, 4), range(1, 4), (0, 1, 3), (0, 2))
    for size, kernel, stride, dilation, before, after in grid:
        positions = len(window_starts(size, kernel, stride, before, after, dilation))
        if positions:
            assert output_size(size, kernel, stride, dilation, before, after) == positions
        else:
            with pytest.raises(ValueError, match="does not fit"):
                output_size(size, kernel, stride, dilation, before, after)


@given(sizes, kernels, strides, dilations, pads, pads)
def test_f2_output_size_counts_windows(size, kernel, stride, dilation, before, after):
    """F2 again, on sizes beyond the grid."""
    positions = len(window_starts(size, kernel, stride, before, after, dilation))
    if positions:
        assert output_size(size, kernel, stride, dilation, before, after) == positions
    else:
        with pytest.raises(ValueError, match="does not fit"):
            output_size(size, kernel, stride, dilation, before, after)


def test_output_shape_keeps_the_axes_apart():
    """Nothing square, every setting different: rows 9 -> 6, columns 14 -> 3."""
    shape = output_shape(
        (9, 14), kernel_size=(3, 4), stride=(2, 5), padding=((5, 1), (0, 3)), dilation=(2, 1)
    )
    assert shape == (
        len(window_starts(9, 3, 2, 5, 1, 2)),
        len(window_starts(14, 4, 5, 0, 3, 1)),
    )
    assert shape == (6, 3)


def test_what_is_remembered_of_numpy_integers_does_not_answer_for_pythons():
    """They are equal, so that a cache takes one for the other."""
    for kind in (np.int64, int):
        shape = output_shape((kind(31), kind(47)), (3, 4), (2, 5), ((5, 1), (0, 3)))
        pads = mode_padding("SAME", kind(38))
    assert [type(number) for number in (*shape, *pads)] == [int] * 4


def test_b8_kernel_larger_than_the_input_is_an_error_that_quotes_all_numbers():
    """B8: truncating (6 - 7) / 2 toward zero, as the article does, would promise one window."""
    with pytest.raises(ValueError) as error:
        output_size(3, kernel=4, stride=2, dilation=2, before=1, after=2)
    assert str(error.value) == (
        "conv2d: the window does not fit: height 3 padded by 1 before and 2 after makes 6 cells, "
        "and kernel 4 with dilation 2 spans 7 (stride 2, output height 0); give a larger input, "
        "more padding, or a smaller kernel or dilation"
    )


def test_b8_error_names_the_layer_and_the_axis():
    """B8: only the width does not fit, and the error says so."""
    with pytest.raises(ValueError, match=r"^MaxPool2D: the window does not fit: width 2 padded"):
        output_shape((8, 2), (4, 3), (1, 1), ((0, 0), (0, 0)), where="MaxPool2D")
    with pytest.raises(ValueError, match=r"^avg_pool2d: the window does not fit: height 2 padded"):
        output_shape((2, 8), (3, 4), (1, 1), ((0, 0), (0, 0)), where="avg_pool2d")


def test_empty_image_is_an_error_even_if_its_padding_would_hold_a_window():
    with pytest.raises(ValueError, match=r"^conv2d: the input has width 0; it must be at least 1$"):
        output_shape((5, 0), (3, 2), (1, 1), resolve_padding("FULL", (3, 2)))
