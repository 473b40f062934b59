"""`F.conv1d` and `nn.Conv1D`: against loops and `np.convolve`, derivatives, causality, errors."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import nn
from tests.derivatives import check_derivatives


def random(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


def by_loops(x, kernel, stride, before, after, dilation, groups):
    """Window after window, as long as all of it lies in the padded sequence."""
    batch, length, channels = x.shape
    size, group_channels, filters = kernel.shape
    padded = np.zeros((batch, before + length + after, channels))
    padded[:, before : before + length] = x
    out = []
    start = 0
    while start + (size - 1) * dilation < padded.shape[1]:
        cell = np.zeros((batch, filters))
        for f in range(filters):
            first = f // (filters // groups) * group_channels
            for tap in range(size):
                for c in range(group_channels):
                    cell[:, f] += padded[:, start + tap * dilation, first + c] * kernel[tap, c, f]
        out.append(cell)
        start += stride
    return np.stack(out, axis=1)


# Per line stride, padding, the padding in cells for a kernel of 4, dilation and groups.
CONFIGURATIONS = [
    (1, "SAME", (1, 2), 1, 1),
    (1, "VALID", (0, 0), 1, 2),
    (1, "FULL", (3, 3), 1, 1),
    (1, "CAUSAL", (3, 0), 1, 2),
    (1, "causal", (6, 0), 2, 1),
    (2, "SAME", (3, 3), 2, 2),
    (3, "CAUSAL", (9, 0), 3, 1),
    (3, "VALID", (0, 0), 2, 1),
    (2, 5, (5, 5), 1, 2),
    (1, (0, 7), (0, 7), 2, 1),
    (5, [2, 1], (2, 1), 3, 2),
]


@pytest.mark.parametrize(("stride", "padding", "cells", "dilation", "groups"), CONFIGURATIONS)
def test_values_are_those_of_the_loops(stride, padding, cells, dilation, groups):
    x, kernel, bias = random((3, 11, 2), (4, 2 // groups, 6), (6,))
    out = F.conv1d(x, kernel, bias, stride, padding, dilation, groups)
    expected = by_loops(x, kernel, stride, *cells, dilation, groups) + bias
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("stride", "padding", "cells", "dilation", "groups"), CONFIGURATIONS)
def test_derivatives(stride, padding, cells, dilation, groups):
    check_derivatives(
        lambda x, kernel, bias: F.conv1d(x, kernel, bias, stride, padding, dilation, groups),
        random((3, 11, 2), (4, 2 // groups, 6), (6,)),
        order=2,
    )


# article: E3, M1, M2
@pytest.mark.parametrize("length", [5, 6, 11])
@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_modes_are_parts_of_numpys_full_convolution_with_the_kernel_flipped(size, length):
    signal, weights = random((length,), (size,))
    full = np.convolve(signal, weights[::-1])
    parts = {
        "FULL": full,
        "VALID": full[size - 1 : length],
        "SAME": full[size // 2 : size // 2 + length],  # of the k-1 cells, the odd one after
        "CAUSAL": full[:length],
    }
    for mode, expected in parts.items():
        out = F.conv1d(signal.reshape(1, length, 1), weights.reshape(size, 1, 1), padding=mode)
        np.testing.assert_allclose(out.data.ravel(), expected, rtol=1e-12, atol=1e-12)


# article: E3, M4
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
def test_numpys_same_is_ours_for_odd_kernels_and_lies_a_cell_earlier_for_even_ones(size):
    signal, weights = random((9,), (size,))
    full = F.conv1d(signal.reshape(1, 9, 1), weights[::-1].reshape(size, 1, 1), padding="FULL")
    same = F.conv1d(signal.reshape(1, 9, 1), weights[::-1].reshape(size, 1, 1), padding="SAME")
    np.testing.assert_allclose(full.data.ravel(), np.convolve(signal, weights), atol=1e-12)
    numpys = np.convolve(signal, weights, "same")
    if size % 2:
        np.testing.assert_allclose(same.data.ravel(), numpys, atol=1e-12)
    else:
        np.testing.assert_allclose(same.data.ravel()[:-1], numpys[1:], atol=1e-12)


# article: M4
def test_same_with_an_even_kernel_as_in_the_article():
    signal, kernel = np.arange(5.0), np.array([1.0, 10.0])
    out = F.conv1d(signal.reshape(1, 5, 1), kernel.reshape(2, 1, 1)).data.ravel()
    assert out.tolist() == [10, 21, 32, 43, 4]
    assert np.convolve(signal, kernel[::-1], "same").tolist() == [0, 10, 21, 32, 43]


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_causal_sees_the_past_and_the_present_only(size, dilation):
    x, kernel = random((2, 9, 3), (size, 3, 5))
    before = F.conv1d(x, kernel, padding="CAUSAL", dilation=dilation).data
    assert before.shape == (2, 9, 5)
    for moment in range(9):
        changed = x.copy()
        changed[:, moment] += 1.0
        after = F.conv1d(changed, kernel, padding="CAUSAL", dilation=dilation).data
        touched = np.flatnonzero(np.abs(after - before).max(axis=(0, 2)))
        reached = [moment + tap * dilation for tap in range(size) if moment + tap * dilation < 9]
        assert touched.tolist() == reached


def test_third_derivative():
    arrays = random((2, 7, 3), (5, 3, 4))
    check_derivatives(lambda x, k: F.conv1d(x, k, stride=2).square().sum(1), arrays, order=3)


def test_float32_stays_float32():
    x = mg.Tensor(np.ones((2, 7, 3), np.float32), requires_grad=True)
    layer = nn.Conv1D(3, 5, 4, stride=2)
    out = layer(x)
    out.backward(random(out.shape)[0].astype(np.float32))
    assert {t.dtype for t in (out, x.grad, layer.kernel.grad, layer.bias.grad)} == {
        np.dtype(np.float32)
    }


def test_no_items_pass_through():
    assert F.conv1d(np.ones((0, 7, 3)), np.ones((2, 3, 5))).shape == (0, 7, 5)


# --- the layer ------------------------------------------------------------------------------------


def test_layer_is_the_function_with_its_parameters():
    layer = nn.Conv1D(
        4, 6, 3, stride=2, padding="CAUSAL", dilation=5, groups=2, rng=np.random.default_rng(1)
    )
    assert [(n, p.shape) for n, p in layer.named_parameters()] == [
        ("kernel", (3, 2, 6)),
        ("bias", (6,)),
    ]
    layer.bias.data[...] = random((6,))[0]
    x = random((2, 13, 4))[0].astype(np.float32)
    expected = by_loops(x, layer.kernel.data, 2, 10, 0, 5, 2) + layer.bias.data
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-5, atol=1e-5)


def test_layer_says_what_is_not_the_default():
    assert repr(nn.Conv1D(4, 6, 3)) == "Conv1D(4, 6, 3)"
    layer = nn.Conv1D(4, 6, 3, 2, (1, 0), 5, 2, bias=False)
    assert repr(layer) == (
        "Conv1D(4, 6, 3, stride=2, padding=(1, 0), dilation=5, groups=2, bias=False)"
    )
    assert [name for name, _ in layer.named_parameters()] == ["kernel"]


def test_seeded_layers_are_equal_and_start_within_glorots_bound():
    first, second = (nn.Conv1D(4, 6, 3, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.kernel.data, second.kernel.data)
    bound = np.sqrt(6 / (3 * 4 + 3 * 6))
    assert 0.8 * bound < np.abs(first.kernel.data).max() <= bound
    assert not first.bias.data.any()


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "kernel", "arguments", "message"),
    [
        ((7, 3), (2, 3, 5), {}, r"x of shape \(7, 3\) has 2 axes; .* x.expand_dims\(0\)"),
        ((2, 1, 7, 3), (2, 3, 5), {}, r"x of shape \(2, 1, 7, 3\) has 4 axes; .* \(N, L, C\)$"),
        ((2, 7, 3), (3, 5), {}, r"kernel of shape \(3, 5\) must be \(k, in_channels, out_channel"),
        ((2, 7, 3), (0, 3, 5), {}, r"kernel of shape \(0, 3, 5\) must be .* all at least 1"),
        (
            (2, 7, 3),
            (2, 4, 5),
            {},
            r"x of shape \(2, 7, 3\) NLC has 3 channels; kernel of shape \(2, 4, 5\) with groups=1 "
            "takes 4",
        ),
        ((2, 7, 4), (2, 2, 5), {"groups": 2}, r".* makes 5 filters, which must be a multiple"),
        ((2, 7, 3), (2, 3, 5), {"groups": 0}, r"groups=0 must be at least 1"),
        ((2, 7, 3), (2, 3, 5), {"stride": 0}, r"stride=0 must be at least 1"),
        ((2, 7, 3), (2, 3, 5), {"dilation": -1}, r"dilation=-1 must be at least 1"),
        ((2, 7, 3), (2, 3, 5), {"padding": "CAUSUL"}, r"padding='CAUSUL' is unknown; .*\"CAUSAL\""),
        ((2, 7, 3), (2, 3, 5), {"padding": (1, -1)}, r"padding=\(1, -1\) is not allowed"),
        (
            (2, 7, 3),
            (2, 3, 5),
            {"bias": np.ones(4)},
            r"bias of shape \(4,\) must have shape \(5,\)",
        ),
        (
            (2, 3, 4),
            (5, 4, 6),
            {"padding": "VALID"},
            r"the window does not fit: length 3 padded by 0 before and 0 after makes 3 cells",
        ),
        ((2, 0, 4), (5, 4, 6), {}, r"the input has length 0; it must be at least 1"),
    ],
)
def test_function_refuses(x, kernel, arguments, message):
    with pytest.raises(ValueError, match=f"^conv1d: {message}"):
        F.conv1d(np.ones(x), np.ones(kernel), **arguments)


def test_function_refuses_pairs():
    with pytest.raises(TypeError, match=r"conv1d: stride=\(1, 2\) must be an int, not tuple"):
        F.conv1d(np.ones((2, 7, 3)), np.ones((2, 3, 5)), stride=(1, 2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels=0 must be at least 1"),
        ({"out_channels": 0}, "out_channels=0 must be at least 1"),
        ({"kernel_size": 0}, "kernel_size=0 must be at least 1"),
        ({"groups": 4}, "groups=4 must divide in_channels=6 and out_channels=8"),
        ({"padding": "LATER"}, "padding='LATER' is unknown"),
    ],
)
def test_layer_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"Conv1D: {message}"):
        nn.Conv1D(**{"in_channels": 6, "out_channels": 8, "kernel_size": 3, **arguments})


def test_layer_names_the_channels_and_the_way_out():
    layer = nn.Conv1D(3, 5, 2)
    with pytest.raises(ValueError) as error:
        layer(np.ones((2, 3, 7), np.float32))
    assert str(error.value) == (
        "Conv1D(in_channels=3): got an input with 7 channels, shape (2, 3, 7) NLC; it looks like "
        "NCL: transpose(0, 2, 1) brings the channels last"
    )
    with pytest.raises(ValueError, match=r"with 1 channel, shape .* make the layer with in_chann"):
        layer(np.ones((2, 7, 1), np.float32))
