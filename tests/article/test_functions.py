"""The article's functions and all ways to convolve, against loops that share nothing with them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import minigrad as mg
from minigrad.article import (
    WAYS,
    conv,
    conv1,
    conv2,
    conv_matmul,
    convolve,
    from_image,
    get_padding,
    to_image,
)
from tests import oracles

MODES = ("FULL", "VALID", "SAME")


def pads_of(mode, kernel_size):
    """The padding of a mode, spelt out: ((top, bottom), (left, right))."""
    return tuple(
        {"FULL": (k - 1, k - 1), "VALID": (0, 0), "SAME": ((k - 1) // 2, k // 2)}[mode]
        for k in kernel_size
    )


def expected(inputs, kernel, stride, mode):
    """(H, W, C) with (kh, kw, C), by the loops of tests/oracles.py: (H', W')."""
    pads = pads_of(mode, kernel.shape[:2])
    return oracles.conv2d(inputs[None], kernel[..., None], stride, pads)[0, ..., 0]


def close(actual, wanted):
    """Equal up to rounding, relative to the largest number."""
    assert actual.shape == wanted.shape
    assert actual.dtype == np.float64
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=1e-12 * max(1, np.abs(wanted).max()))


# --- padding --------------------------------------------------------------------------------------


# article: F1
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("k", range(1, 8))
def test_padding_of_every_mode_and_kernel_on_each_axis(k, axis):
    """[before axis 0, before axis 1, after axis 0, after axis 1]; the other axis has 9."""
    ks = (k, 9) if axis == 0 else (9, k)
    totals = {"FULL": 2 * (k - 1), "VALID": 0, "SAME": k - 1}
    for mode in MODES:
        padding = get_padding(np.zeros((11, 12, 3)), ks, mode)
        before, after = padding[axis], padding[axis + 2]
        assert before + after == totals[mode]
        assert after - before == (1 if mode == "SAME" and k % 2 == 0 else 0)
        others = {"FULL": [8, 8], "VALID": [0, 0], "SAME": [4, 4]}[mode]
        assert padding[1 - axis :: 2] == others


# article: B4
def test_padding_looks_at_the_image_only_to_see_whether_the_kernel_fits():
    for shape in [(5, 6), (28, 30, 3)]:
        assert get_padding(np.zeros(shape), (4, 3)) == [1, 1, 2, 1]
    with pytest.raises(ValueError, match=r"get_padding: the window does not fit: height 3 .*ker"):
        get_padding(np.zeros((3, 6)), (4, 3), "VALID")
    assert get_padding(np.zeros((3, 6)), (4, 3), "FULL") == [3, 2, 3, 2]
    with pytest.raises(ValueError, match=r"get_padding: inputs of shape \(6,\) must be one image"):
        get_padding(np.zeros(6), (4, 3))


# --- every way, every mode, every shape -----------------------------------------------------------

sizes = st.integers(1, 9)
kernels = st.integers(1, 5)
strides = st.integers(1, 4)


# article: F3, F4, F5, F6, C6
@given(
    st.tuples(sizes, sizes, st.integers(1, 4)),
    st.tuples(kernels, kernels),
    st.tuples(strides, strides),
    st.sampled_from(MODES),
    st.integers(0, 2**32),
)
def test_all_functions_and_ways_give_what_the_loops_give(shape, kernel_size, stride, mode, seed):
    height, width, channels = shape
    if mode == "VALID":
        height, width = height + kernel_size[0] - 1, width + kernel_size[1] - 1
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((height, width, channels))
    kernel = rng.standard_normal((*kernel_size, channels))
    wanted = expected(inputs, kernel, stride, mode)
    for function in (conv, conv_matmul):
        close(function(inputs, kernel, stride, mode), wanted)
    for function in (conv1, conv2):
        close(function(kernel, inputs, stride, mode), wanted)
    for way in WAYS:
        close(convolve(inputs, kernel, stride, mode, way), wanted)
        flipped = expected(inputs, kernel[::-1, ::-1], stride, mode)
        close(convolve(inputs, kernel, stride, mode, way, flip=True), flipped)


# article: F2
def test_sizes_are_the_numbers_of_windows():
    for n, k, stride, mode in itertools.product((3, 5, 8), (1, 2, 3), (1, 2, 3), MODES):
        (before, after), _ = pads_of(mode, (k, 1))
        windows = [y for y in range(-before, n + after, stride) if y + k <= n + after]
        for way in WAYS:
            shape = convolve(np.ones((n, 4)), np.ones((k, 1)), (stride, 1), mode, way).shape
            assert shape == (len(windows), 4)


def test_ways_in_the_order_in_which_they_are_told():
    assert list(WAYS) == ["loops", "im2col", "strided", "matrix", "fft", "shifts"]
    with pytest.raises(ValueError, match="convolve: way='fast' is unknown; use one of loops, im2c"):
        convolve(np.ones((3, 4)), np.ones((2, 2)), way="fast")
    with pytest.raises(ValueError, match=r"convolve: way=\['fft'\] is unknown"):
        convolve(np.ones((3, 4)), np.ones((2, 2)), way=["fft"])


@pytest.mark.parametrize("way", WAYS)
def test_an_int_stride_is_for_both_axes_and_modes_are_in_any_case(way):
    rng = np.random.default_rng(0)
    inputs, kernel = rng.standard_normal((7, 9, 2)), rng.standard_normal((3, 2, 2))
    for mode in MODES:
        wanted = expected(inputs, kernel, (2, 2), mode)
        close(convolve(inputs, kernel, 2, mode.lower(), way), wanted)
    close(convolve(inputs, kernel, way=way), expected(inputs, kernel, (1, 1), "SAME"))


# article: B7
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_grey_rgb_and_rgba(channels):
    """Whole numbers, as `from_image` gives them; a grey image may have no channel axis."""
    rng = np.random.default_rng(1)
    shape = () if channels is None else (channels,)
    inputs = rng.integers(0, 256, (6, 8, *shape), dtype=np.uint8)
    kernel = rng.integers(-300, 300, (3, 2, *shape))
    wanted = expected(inputs.reshape(6, 8, -1), kernel.reshape(3, 2, -1), (1, 2), "SAME")
    assert np.abs(wanted).max() > 2**15
    close(conv(inputs, kernel, (1, 2)), wanted)
    close(conv_matmul(inputs, kernel, (1, 2)), wanted)
    close(conv1(kernel, inputs, (1, 2)), wanted)
    close(conv2(kernel, inputs, (1, 2)), wanted)
    for way in WAYS:
        assert np.array_equal(np.round(convolve(inputs, kernel, (1, 2), way=way)), wanted)


def test_what_comes_in_is_left_alone():
    inputs, kernel = np.ones((4, 5, 2)), np.ones((2, 3, 2))
    for way in WAYS:
        convolve(inputs, kernel, way=way, flip=True)[...] = 7
    assert (inputs == 1).all()
    assert (kernel == 1).all()


def test_tensors_and_lists_come_out_as_arrays():
    for way in WAYS:
        out = convolve(mg.Tensor([[1.0, 2.0, 3.0]]), [[1, 10]], mode="VALID", way=way)
        assert type(out) is np.ndarray
        close(out, np.array([[21.0, 32.0]]))


def test_nan_is_refused_where_it_would_be_everywhere():
    inputs, kernel = np.ones((4, 5)), np.ones((1, 2))
    inputs[3, 4] = np.nan
    for way in WAYS:
        if way == "fft":
            with pytest.raises(ValueError, match="fft: inputs and kernel must be finite; use way="):
                convolve(inputs, kernel, way=way, mode="VALID")
        else:
            out = convolve(inputs, kernel, way=way, mode="VALID")
            assert np.argwhere(np.isnan(out)).tolist() == [[3, 3]]


# --- what does not fit ----------------------------------------------------------------------------

CALLS = {
    "conv": conv,
    "conv_matmul": conv_matmul,
    "conv1": lambda inputs, kernel, stride, mode: conv1(kernel, inputs, stride, mode),
    "conv_matmul ": lambda inputs, kernel, stride, mode: conv2(kernel, inputs, stride, mode),
    "convolve": convolve,
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("shape", "kernel_shape", "stride", "mode", "parts"),
    [
        ((6, 8, 3), (3, 2, 1), 1, "SAME", ["(3, 2, 1)", "(6, 8, 3)", "1 and 3", "np.stack"]),
        ((6, 8, 3), (3, 2), 1, "SAME", ["(3, 2)", "(6, 8, 3)", "1 and 3", "inputs.mean(axis=2)"]),
        ((6, 8), (3, 2, 3), 1, "SAME", ["(3, 2, 3)", "(6, 8)", "3 and 1"]),
        ((6, 8, 4), (3, 2, 3), 1, "FULL", ["(6, 8, 4)", "3 and 4"]),
        ((2, 8), (3, 2), 1, "VALID", ["does not fit", "height 2", "kernel 3", "smaller kernel"]),
        ((6, 8), (3, 9), 2, "VALID", ["does not fit", "width 8", "kernel 9"]),
        ((6, 8), (3, 2), 1, "EQUAL", ["mode='EQUAL'", '"FULL", "VALID" or "SAME"']),
        ((6, 8), (3, 2), 1, None, ["mode=None", '"FULL", "VALID" or "SAME"']),
        ((6, 8), (3, 2), 1, 2, ["mode=2"]),
        ((6, 8), (3, 2), (0, 1), "SAME", ["stride=(0, 1)", "at least 1"]),
        ((6, 0), (3, 2), 1, "FULL", ["inputs of shape (6, 0)", "not empty"]),
        ((6,), (3, 2), 1, "FULL", ["inputs of shape (6,)", "(H, W) or (H, W, C)"]),
        ((6, 8), (3,), 1, "FULL", ["kernel of shape (3,)", "(kh, kw) or (kh, kw, C)"]),
        ((1, 6, 8, 3), (3, 2, 3), 1, "FULL", ["inputs of shape (1, 6, 8, 3)", "F.conv2d"]),
        ((6, 8, 3), (3, 2, 3, 4), 1, "FULL", ["kernel of shape (3, 2, 3, 4)", "several kernels"]),
    ],
)
def test_refused_by_every_function(name, shape, kernel_shape, stride, mode, parts):
    with pytest.raises(ValueError) as error:
        CALLS[name](np.ones(shape), np.ones(kernel_shape), stride, mode)
    assert str(error.value).startswith(f"{name.strip()}: ")
    for part in parts:
        assert part in str(error.value)


@pytest.mark.parametrize("name", CALLS)
def test_types_refused_by_every_function(name):
    for inputs, kernel, stride, part in [
        (np.ones((6, 8), complex), np.ones((3, 2)), 1, "inputs: expected real numbers"),
        (np.ones((6, 8)), np.array([["a"]]), 1, "kernel: expected real numbers"),
        (np.ones((6, 8)), np.ones((3, 2)), 1.0, r"stride=1\.0 must be an int"),
    ]:
        with pytest.raises(TypeError, match=f"{name.strip()}: {part}"):
            CALLS[name](inputs, kernel, stride, "SAME")


def test_a_matrix_too_large_to_be_made_is_refused_and_not_attempted():
    with pytest.raises(ValueError, match=r"sparse_conv_matrix: .* more than memory_limit=1\.0 GiB"):
        conv1(np.ones((99, 99)), np.ones((100, 100)), 1)


# --- picture files --------------------------------------------------------------------------------


# article: F7
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_pictures_come_back_as_they_were(tmp_path, shape):
    picture = np.arange(256, dtype=np.uint8)[: 5 * 7 * 3 if shape[2:] == (3,) else 35] * 7
    picture = picture.reshape(shape)
    to_image(picture, save_path=tmp_path / "picture.png")
    again = from_image(tmp_path / "picture.png")
    assert again.dtype == np.int32
    assert np.array_equal(again, picture.reshape(5, 7, -1))
    assert np.array_equal(to_image(again), again)


# article: F7, B9
def test_numbers_out_of_range_are_clipped_or_rescaled_and_never_wrap(tmp_path):
    values = np.array([[-1.0, 0.4, 254.6, 300.0]])
    assert to_image(values).tolist() == [[0, 0, 255, 255]]
    colours = np.stack([values] * 3, axis=2)
    assert to_image(colours)[..., 2].tolist() == [[0, 0, 255, 255]]
    # from -45 to 255 in steps of 300 / 255
    assert to_image([[-45.0, 0.0, 255.0]], grey=True).tolist() == [[0, 38, 255]]
    assert to_image([[0.0, 102.0, 510.0]], grey=True).tolist() == [[0, 51, 255]]
    assert to_image([[300.0, 300.0]], grey=True).tolist() == [[255, 255]]
    assert to_image([[3.0, 200.0]], grey=True).tolist() == [[3, 200]]
    # The range itself is more than the largest float64.
    assert to_image([[-1e308, 0.0, 1e308]], grey=True).tolist() == [[0, 128, 255]]
    to_image(values, grey=True, save_path=tmp_path / "map.png")
    written = np.asarray(Image.open(tmp_path / "map.png"))
    assert written.tolist() == to_image(values, grey=True).tolist()
    assert (np.diff(written.astype(int)) > 0).all()


def test_pictures_that_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file .*nothing\.png"):
        from_image(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"text\.png is no picture that Pillow can read"):
        from_image(tmp_path / "text.png")
    before = sorted(tmp_path.iterdir())
    for array, options, error, said in [
        (np.zeros((2, 3, 3)), {"grey": True}, ValueError, r"\(2, 3, 3\) must be .* with grey=True"),
        (np.zeros((2, 3, 2)), {}, ValueError, r"shape \(2, 3, 2\) must be .* 1, 3 or 4\)"),
        (np.zeros((0, 3)), {}, ValueError, "not empty"),
        ([[np.nan, 1]], {}, ValueError, "nan or infinity"),
        ([[np.inf, 1]], {"grey": True}, ValueError, "nan or infinity"),
        ([["black"]], {}, TypeError, "to_image: array: expected real numbers"),
    ]:
        with pytest.raises(error, match=said):
            to_image(array, save_path=tmp_path / "bad.png", **options)
    with pytest.raises(ValueError, match=r"picture\.xyz names no format"):
        to_image(np.zeros((2, 3)), save_path=tmp_path / "picture.xyz")
    assert sorted(tmp_path.iterdir()) == before


# article: B7
def test_a_picture_with_transparency_is_converted_and_said_so(tmp_path):
    rgba = np.zeros((2, 3, 4), np.uint8)
    rgba[0, :, 3] = 255  # black above, and nothing below
    to_image(rgba, save_path=tmp_path / "ink.png")
    with pytest.warns(UserWarning, match=r"ink\.png was converted: what is transparent was laid"):
        picture = from_image(tmp_path / "ink.png")
    assert picture.shape == (2, 3, 3)
    assert (picture[0] == 0).all()
    assert (picture[1] == 255).all()
