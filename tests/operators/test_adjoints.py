"""Linear operators come in adjoint pairs: <A x, y> = <x, A' y>, exactly.

All numbers here are small and whole, so no sum is rounded and every gap must be 0. That the
derivative of A is A', and that of A' is A again, is what makes derivatives of every order come out
of the rules for free.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.conv_arithmetic import Window
from minigrad.equivalence.matrix import lay_out, tied_sum
from minigrad.operators import convolution, linear
from tests.derivatives import adjoint_gap
from tests.operator_cases import entries, scattered


def whole(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).integers(-9, 10, shape).astype(np.float64)


def on_arrays(operator, **parameters):
    """An operator as a function of an array."""
    return lambda x: operator(mg.Tensor(x), **parameters).data


# --- the rule of every linear operator is its adjoint ---------------------------------------------


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.linear))
def test_the_gradient_is_the_adjoint(function, case):
    inputs = [whole(*array.shape, seed=n) for n, array in enumerate(case.inputs)]
    leaves = [mg.Tensor(array, requires_grad=True) for array in inputs]
    out = function(*leaves)
    y = whole(*out.shape, seed=7)

    gradients = mg.grad(out, leaves, y)

    there = (out.data * y).sum()
    back = sum((x * gradient.data).sum() for x, gradient in zip(inputs, gradients, strict=True))
    assert there == back
    # Linear, not just affine: nothing goes in, nothing comes out.
    assert not function(*(mg.Tensor(np.zeros_like(x)) for x in inputs)).data.any()


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.linear))
def test_the_gradient_of_the_adjoint_is_the_operator(function, case):
    inputs = [whole(*array.shape, seed=n) for n, array in enumerate(case.inputs)]
    leaves = [mg.Tensor(array, requires_grad=True) for array in inputs]
    out = function(*leaves)
    y = mg.Tensor(whole(*out.shape, seed=7).astype(out.dtype), requires_grad=True)

    adjoint = mg.grad(out, leaves, y, create_graph=True)

    again = mg.grad(adjoint, y, inputs)
    np.testing.assert_array_equal(again.data, out.data)


# --- the pairs, as the operators' modules list them -----------------------------------------------

CROP = (slice(1, 3), slice(0, 3), slice(2, 7))
PICK = (np.array([2, 0, 2]), slice(1, None))
WINDOW = Window((2, 3), (3, 2), ((1, 0), (2, 3)), (2, 1))
WINNERS = np.random.default_rng(1).integers(0, 3, (2, 4, 7, 3)).astype(np.uint8)
ALONG_ROWS = {"winners": WINNERS, "axis": 1, "window": 3, "stride": 2, "before": 0}
MATCHES = convolution.tile_max.forward(
    np.random.default_rng(2).standard_normal((2, 9, 7, 5)), tile=(4, 3)
)[1]
TIES = np.array([[0, 1, -1, 3], [-1, 0, 1, 5], [2, -1, 0, 1]])

PAIRS = {
    "broadcast_to, sum_to": (
        on_arrays(linear.broadcast_to, shape=(4, 2, 3, 5)),
        on_arrays(linear.sum_to, shape=(2, 1, 5)),
        (2, 1, 5),
        (4, 2, 3, 5),
    ),
    "reshape, reshape back": (
        on_arrays(linear.reshape, shape=(5, 6)),
        on_arrays(linear.reshape, shape=(2, 3, 5)),
        (2, 3, 5),
        (5, 6),
    ),
    "transpose, transpose back": (
        on_arrays(linear.transpose, axes=(2, 0, 1)),
        on_arrays(linear.transpose, axes=(1, 2, 0)),
        (2, 3, 5),
        (5, 2, 3),
    ),
    "pad, crop": (
        on_arrays(linear.pad, pad_width=((1, 0), (0, 4), (2, 3))),
        on_arrays(linear.getitem, index=CROP),
        (2, 3, 5),
        (3, 7, 10),
    ),
    "getitem, scatter_add": (
        on_arrays(linear.getitem, index=PICK),
        on_arrays(linear.scatter_add, index=PICK, shape=(4, 3, 5)),
        (4, 3, 5),
        (3, 2, 5),
    ),
    "flip, flip": (
        on_arrays(linear.flip, axis=(0, 2)),
        on_arrays(linear.flip, axis=(0, 2)),
        (2, 3, 5),
        (2, 3, 5),
    ),
    "cumsum, cumsum from the other end": (
        on_arrays(linear.cumsum, axis=1),
        lambda y: np.flip(linear.cumsum(np.flip(y, 1), axis=1).data, 1),
        (2, 3, 5),
        (2, 3, 5),
    ),
    "concatenate with zeros, slice": (
        lambda x: linear.concatenate(np.zeros((2, 4)), x, axis=1).data,
        on_arrays(linear.getitem, index=(slice(None), slice(4, None))),
        (2, 3),
        (2, 7),
    ),
    "im2col, col2im": (
        on_arrays(convolution.im2col, window=WINDOW),
        on_arrays(convolution.col2im, input_shape=(4, 5, 7, 6), window=WINDOW),
        (4, 5, 7, 6),
        (4, 2, 5, 36),
    ),
    "windows_matmul, matmul_to_windows": (
        lambda x: convolution.windows_matmul(x, whole(2, 3, 6, 8), window=WINDOW).data,
        lambda g: (
            convolution.matmul_to_windows(
                g, whole(2, 3, 6, 8), input_shape=(4, 5, 7, 6), window=WINDOW
            ).data
        ),
        (4, 5, 7, 6),
        (4, 2, 5, 8),
    ),
    "windows_matmul, windows_outer_sum": (
        lambda kernel: convolution.windows_matmul(whole(4, 5, 7, 6), kernel, window=WINDOW).data,
        lambda g: convolution.windows_outer_sum(whole(4, 5, 7, 6), g, window=WINDOW).data,
        (2, 3, 6, 8),
        (4, 2, 5, 8),
    ),
    "gather_winners, scatter_to_winners": (
        on_arrays(convolution.gather_winners, **ALONG_ROWS),
        on_arrays(convolution.scatter_to_winners, size=9, **ALONG_ROWS),
        (2, 9, 7, 3),
        (2, 4, 7, 3),
    ),
    "gather_from_tiles, scatter_to_tiles": (
        on_arrays(convolution.gather_from_tiles, matches=MATCHES),
        on_arrays(convolution.scatter_to_tiles, matches=MATCHES, input_shape=(2, 9, 7, 5)),
        (2, 9, 7, 5),
        (2, 2, 2, 5),
    ),
    "rows_matmul, outer_sum": (
        lambda b: linear.rows_matmul(whole(2, 3, 5), b).data,
        lambda y: linear.outer_sum(whole(2, 3, 5), y).data,
        (5, 4),
        (2, 3, 4),
    ),
    "rows_matmul, with the transpose": (
        lambda a: linear.rows_matmul(a, whole(5, 4)).data,
        lambda y: linear.rows_matmul(y, whole(5, 4), transposed=True).data,
        (2, 3, 5),
        (2, 3, 4),
    ),
    "batched_matmul, with the transpose": (
        lambda b: linear.batched_matmul(whole(2, 3, 5), b).data,
        lambda y: linear.batched_matmul(whole(2, 3, 5).transpose(0, 2, 1), y).data,
        (2, 5, 4),
        (2, 3, 4),
    ),
    "lay_out, tied_sum": (
        on_arrays(lay_out, index_map=TIES),
        on_arrays(tied_sum, index_map=TIES, kernel_shape=(2, 3)),
        (2, 3),
        (3, 4),
    ),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_pair(pair):
    forward, adjoint, x_shape, y_shape = PAIRS[pair]
    assert adjoint_gap(forward, adjoint, whole(*x_shape, seed=1), whole(*y_shape, seed=2)) == 0


def test_astype_and_back():
    x = whole(3, 5).astype(np.float32)
    leaf = mg.Tensor(x, requires_grad=True)
    out = leaf.astype(np.float64)
    y = whole(3, 5, seed=3)
    gradient = mg.grad(out, leaf, y)
    assert gradient.dtype == np.float32
    assert (out.data * y).sum() == (x * gradient.data).sum()


# --- the measure can fail -------------------------------------------------------------------------


def test_a_gap_is_found():
    """An adjoint that loses repeated indices, and one that is right."""
    index = np.array([0, 0, 1])

    def losing(y):
        out = np.zeros((4, 3, 5))
        out[index] = y
        return out

    x, y = whole(4, 3, 5, seed=1), whole(3, 3, 5, seed=2)
    assert adjoint_gap(lambda x: x[index], lambda y: scattered(y, index), x, y) == 0
    assert adjoint_gap(lambda x: x[index], losing, x, y) > 1


def test_maps_between_other_shapes_are_refused():
    with pytest.raises(AssertionError, match=r"A maps \(2, 3\) to \(3, 2\), and y is \(2, 3\)"):
        adjoint_gap(np.transpose, np.transpose, whole(2, 3), whole(2, 3))
    with pytest.raises(AssertionError, match=r"A' maps \(3, 2\) to \(3, 2\), and x is \(2, 3\)"):
        adjoint_gap(np.transpose, lambda y: y, whole(2, 3), whole(3, 2))
