"""The matrix of a convolution: its pattern, the article's example, its limits and its errors.

Rows C2, C3, C8, E6, E7, F5 and B16.
"""

import math

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad.equivalence import (
    conv_index_map,
    conv_index_triplets,
    conv_matrix,
    sparse_conv_matrix,
    tie_gradient,
)
from tests import oracles
from tests.equivalence.loops import (
    PADDINGS,
    convolve,
    random_layer,
    relative_error,
    unit_images,
    unit_kernels,
)

ARTICLE_IMAGE = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46.0]])
ARTICLE_KERNEL = np.array([[4, 6], [7, 9.0]])


def some_layers(seed=0):
    return [
        random_layer(kind, np.random.default_rng(10 * index + seed))
        for index, kind in enumerate(PADDINGS)
    ]


# --- the article's example ------------------------------------------------------------------------


# article: E6, E7
def test_article_example():
    """Rows E6 and E7: the kernel matrix as printed, and its answer."""
    kernel = mg.Tensor(ARTICLE_KERNEL.reshape(2, 2, 1, 1))
    matrix = conv_matrix(kernel, (3, 3, 1), padding="VALID").numpy().T
    assert matrix.tolist() == [
        [4, 6, 0, 7, 9, 0, 0, 0, 0],
        [0, 4, 6, 0, 7, 9, 0, 0, 0],
        [0, 0, 0, 4, 6, 0, 7, 9, 0],
        [0, 0, 0, 0, 4, 6, 0, 7, 9],
    ]
    assert matrix.size == 36
    assert np.count_nonzero(matrix) == 16
    assert len(set(matrix[matrix != 0].tolist())) == 4
    answer = [1190, 1919, 909, 1344]
    assert (matrix @ ARTICLE_IMAGE.ravel()).tolist() == answer
    image = mg.Tensor(ARTICLE_IMAGE.reshape(1, 9))
    assert (image @ mg.Tensor(matrix.T)).numpy().tolist() == [answer]
    sparse = sparse_conv_matrix(kernel, (3, 3, 1), padding="VALID")
    assert (image @ sparse).numpy().tolist() == [answer]
    assert (
        F.conv2d(image.reshape(1, 3, 3, 1), kernel, padding="VALID").data.ravel().tolist() == answer
    )


# article: F5, C8, B16
@pytest.mark.parametrize(
    ("height_width", "columns", "zeros"), [(55, 9_747, "99.72"), (220, 147_852, "99.98")]
)
def test_share_of_zeros_in_the_article(height_width, columns, zeros):
    """Rows F5 and C8: 3x3x3 kernel, SAME, on a quarter and on all of the article's image.

    Row B16: the article pads first, so its matrix has columns for padding; the layer's has none.
    """
    padded = (height_width + 2, height_width + 2, 3)
    triplets = conv_index_triplets(padded, (3, 3, 3, 1), padding="VALID")
    assert triplets.shape == (columns, height_width**2)  # the article's is the transpose
    share = 100 * (1 - len(triplets) / math.prod(triplets.shape))
    assert f"{share:.2f}" == zeros

    own = conv_index_triplets((height_width, height_width, 3), (3, 3, 3, 1))
    assert own.shape == (height_width**2 * 3, height_width**2)
    assert len(own) < len(triplets)


# --- the pattern ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_index_map_lays_a_kernel_out(seed):
    """The matrix of a kernel of the numbers 1, 2, ... names the parameter in each cell."""
    for layer in some_layers(seed):
        index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)
        numbered = 1.0 + np.arange(math.prod(layer.kernel_shape)).reshape(layer.kernel_shape)
        expected = convolve(layer, unit_images(layer), numbered).reshape(layer.matrix_shape) - 1
        assert index_map.dtype == np.int64
        assert (index_map == expected).all()


def test_conv_matrix_against_the_answers_to_unit_images():
    """The columns of the article's matrix are what convolution makes of single cells."""
    for layer in some_layers():
        kernel = np.random.default_rng(5).standard_normal(layer.kernel_shape)
        expected = oracles.conv_matrix(
            kernel, layer.input_shape, layer.stride, layer.pads, layer.dilation, layer.groups
        )
        matrix = conv_matrix(kernel, layer.input_shape, **layer.options)
        assert relative_error(matrix.data, expected) < 1e-15


def test_triplets_are_the_cells_of_the_map():
    for layer in some_layers():
        index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)
        triplets = conv_index_triplets(layer.input_shape, layer.kernel_shape, **layer.options)
        assert triplets.shape == index_map.shape == layer.matrix_shape
        columns, rows = np.nonzero(index_map.T >= 0)  # by column, then by row
        assert triplets.rows.tolist() == rows.tolist()
        assert triplets.columns.tolist() == columns.tolist()
        assert triplets.parameters.tolist() == index_map[rows, columns].tolist()
        assert len(triplets) == len(rows)


# article: C2
def test_sparse_connectivity():
    """Row C2: an output cell sees kh*kw*C/groups cells, fewer where its window meets padding.

    A 5x2 kernel, SAME, on 9x7 at stride 2x1: windows start at rows -2, 0, 2, 4, 6 and columns 0 to
    6, and lie on the image where they start at rows 0 to 4 and columns 0 to 5.
    """
    index_map = conv_index_map((9, 7, 6), (5, 2, 3, 4), stride=(2, 1), groups=2)
    seen = (index_map >= 0).sum(axis=0).reshape(5, 7, 4)
    assert (seen[1:4, :6] == 5 * 2 * 3).all()
    assert (seen[[0, 4]] < 5 * 2 * 3).all()
    assert (seen[:, 6] < 5 * 2 * 3).all()


# article: C3
@pytest.mark.parametrize("groups", [1, 2])
def test_parameter_sharing(groups):
    """Row C3: kh*kw*C/groups*F distinct parameters, and cells of one index hold one number."""
    kernel_shape = (3, 2, 6 // groups, 4)
    kernel = np.random.default_rng(2).standard_normal(kernel_shape)
    options = {"stride": (2, 1), "padding": "SAME", "groups": groups}
    index_map = conv_index_map((7, 5, 6), kernel_shape, **options)
    matrix = conv_matrix(kernel, (7, 5, 6), **options).data
    used = np.unique(index_map[index_map >= 0])
    assert used.tolist() == list(range(math.prod(kernel_shape)))
    for parameter in used:
        assert set(matrix[index_map == parameter]) == {kernel.ravel()[parameter]}
    assert (matrix[index_map == -1] == 0).all()


# article: I6
def test_full_uses_every_input_cell_equally():
    """Identity 6 in the matrix: kh*kw uses per cell and filter under FULL, one at VALID corners."""
    full = conv_index_map((5, 7, 2), (3, 4, 2, 6), padding="FULL")
    assert ((full >= 0).sum(axis=1) == 3 * 4 * 6).all()
    valid = (conv_index_map((5, 7, 2), (3, 4, 2, 6), padding="VALID") >= 0).sum(axis=1)
    assert (valid.reshape(5, 7, 2)[[0, 0, -1, -1], [0, -1, 0, -1]] == 6).all()


# article: I7
def test_cells_that_no_window_reaches_are_empty_rows():
    """Identity 7 in the matrix: rows 2 and 5 of 6 lie between windows or behind the last one."""
    index_map = conv_index_map((6, 7, 1), (2, 1, 1, 4), stride=(3, 4), padding="VALID")
    used = (index_map >= 0).any(axis=1).reshape(6, 7)
    assert used.any(axis=1).tolist() == [True, True, False, True, True, False]
    assert used.any(axis=0).tolist() == [True, False, False, False, True, False, False]


# --- the pieces by themselves ---------------------------------------------------------------------


def test_tie_gradient_adds_up_the_cells_of_each_parameter():
    rng = np.random.default_rng(3)
    for layer in some_layers():
        index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)
        dense_gradient = rng.standard_normal(layer.matrix_shape)
        tied = tie_gradient(dense_gradient, index_map, layer.kernel_shape)
        expected = [
            (convolve(layer, unit_images(layer), unit).reshape(layer.matrix_shape)
             * dense_gradient).sum()
            for unit in unit_kernels(layer)
        ]  # fmt: skip
        assert relative_error(tied.data, np.reshape(expected, layer.kernel_shape)) < 1e-12
        triplets = conv_index_triplets(layer.input_shape, layer.kernel_shape, **layer.options)
        of_entries = dense_gradient[triplets.rows, triplets.columns]
        again = tie_gradient(of_entries, triplets.parameters, layer.kernel_shape)
        assert relative_error(again.data, tied.data) < 1e-12


def test_tie_gradient_is_differentiable():
    """It is the adjoint of laying out: <tie(d), k> = <d, matrix(k)>, and its derivative is that."""
    rng = np.random.default_rng(4)
    layer = random_layer("pads", rng)
    index_map = conv_index_map(layer.input_shape, layer.kernel_shape, **layer.options)
    dense_gradient = mg.Tensor(rng.standard_normal(layer.matrix_shape), requires_grad=True)
    weights = mg.Tensor(rng.standard_normal(layer.kernel_shape), requires_grad=True)
    tied = tie_gradient(dense_gradient, index_map, layer.kernel_shape)
    (back,) = mg.grad(tied, [dense_gradient], weights, create_graph=True)
    expected = oracles.conv_matrix(
        weights.data, layer.input_shape, layer.stride, layer.pads, layer.dilation, layer.groups
    )
    assert relative_error(back.data, expected) < 1e-15
    g = rng.standard_normal(layer.matrix_shape)
    (of_weights,) = mg.grad(back, [weights], g)
    again = tie_gradient(g, index_map, layer.kernel_shape)
    assert relative_error(of_weights.data, again.data) < 1e-15


def test_sparse_product_with_columns_that_are_empty():
    """Explicit padding can make windows that see padding only: their outputs are 0."""
    kernel = np.random.default_rng(6).standard_normal((2, 1, 3, 4))
    x = np.random.default_rng(7).standard_normal((5, 2 * 3 * 3))
    padding = ((4, 3), (2, 1))
    matrix = sparse_conv_matrix(kernel, (2, 3, 3), padding=padding)
    out = x @ matrix
    expected = F.conv2d(x.reshape(5, 2, 3, 3), kernel, padding=padding).data.reshape(5, -1)
    assert (expected == 0).all(axis=0).any()
    assert relative_error(out.data, expected) < 1e-12
    # Two windows of one cell, at rows -3 and 1 of a single row: nothing is left.
    nothing = sparse_conv_matrix(kernel[:1], (1, 2, 3), stride=(4, 1), padding=((3, 1), (0, 0)))
    assert len(nothing.triplets) == 0
    assert ((x[:, :6] @ nothing).data == np.zeros((5, 2 * 2 * 4))).all()


def test_sparse_matrix_by_operator_and_of_an_empty_batch():
    matrix = sparse_conv_matrix(np.ones((2, 3, 1, 4)), (4, 5, 1), padding="VALID")
    assert repr(matrix) == "SparseConvMatrix(shape=(20, 36), entries=216)"
    x = np.random.default_rng(8).standard_normal((3, 20))
    assert ((x @ matrix).data == (mg.Tensor(x) @ matrix).data).all()
    assert (np.ones((0, 20)) @ matrix).shape == (0, 36)


# --- what does not fit ----------------------------------------------------------------------------


def test_the_memory_limit_quotes_the_size():
    """Row C8's image: the whole matrix, 145,200 x 48,400, is refused, the sparse one made."""
    kernel = np.ones((3, 3, 3, 1), np.float32)
    with pytest.raises(ValueError) as error:
        conv_matrix(kernel, (220, 220, 3))
    message = str(error.value)
    # 145,200 * 48,400 cells of 4 bytes and an index of 8
    for part in (
        "conv_matrix",
        "145,200 x 48,400 = 7,027,680,000 cells",
        "78.5 GiB",
        "84,332,160,000 bytes",
        "memory_limit=1.0 GiB",
        "sparse_conv_matrix",
        "1,298,892 non-zeros",
    ):
        assert part in message
    assert len(sparse_conv_matrix(kernel, (220, 220, 3)).triplets) == 1_298_892

    with pytest.raises(
        ValueError, match=r"conv_index_map: .* takes 52\.4 GiB .*conv_index_triplets"
    ):
        conv_index_map((220, 220, 3), (3, 3, 3, 1))


def test_the_memory_limit_is_exact():
    """A 4x5x1 image, 36 outputs: 720 cells of 8 bytes in the map, 216 entries of 24 bytes."""
    arguments = ((4, 5, 1), (2, 3, 1, 4))
    options = {"padding": "VALID"}
    assert conv_index_map(*arguments, **options, memory_limit=5760).size == 720
    with pytest.raises(ValueError, match=r"5\.6 KiB \(5,760 bytes\)"):
        conv_index_map(*arguments, **options, memory_limit=5759)
    assert len(conv_index_triplets(*arguments, **options, memory_limit=5184)) == 216
    with pytest.raises(ValueError, match=r"5,184 bytes.*memory_limit"):
        conv_index_triplets(*arguments, **options, memory_limit=5183)
    with pytest.raises(ValueError, match=r"sparse_conv_matrix: .*5,184 bytes"):
        sparse_conv_matrix(np.ones((2, 3, 1, 4)), (4, 5, 1), **options, memory_limit=5183)


@pytest.mark.parametrize("function", [conv_matrix, sparse_conv_matrix])
@pytest.mark.parametrize(
    ("kernel_shape", "input_shape", "options", "parts"),
    [
        ((3, 2, 1, 4), (7, 5, 3), {}, ["(7, 5, 3)", "3 channels", "(3, 2, 1, 4)", "takes 1"]),
        ((3, 2, 3, 4), (7, 5, 6), {"groups": 3}, ["6 channels", "groups=3", "takes 9"]),
        ((3, 2, 2, 4), (7, 5, 6), {"groups": 3}, ["4 filters", "multiple of groups"]),
        ((3, 2, 4), (7, 5, 2), {}, ["(3, 2, 4)", "(kh, kw, in_channels / groups, out_channels)"]),
        ((3, 2, 2, 4), (1, 7, 5, 2), {}, ["(1, 7, 5, 2)", "(H, W, C)", "without the batch axis"]),
        ((3, 2, 2, 4), (7, 0, 2), {}, ["input_shape=(7, 0, 2)", "width=0 must be at least 1"]),
        ((3, 2, 2, 4), (2, 5, 2), {"padding": "VALID"}, ["does not fit", "height 2", "kernel 3"]),
        ((3, 2, 2, 4), (7, 5, 2), {"padding": "EQUAL"}, ["'EQUAL'", "SAME", "VALID", "FULL"]),
        ((3, 2, 2, 4), (7, 5, 2), {"stride": 0}, ["stride=0", "at least 1"]),
        ((3, 2, 2, 4), (7, 5, 2), {"groups": 0}, ["groups=0", "at least 1"]),
    ],
)
def test_bad_sizes(function, kernel_shape, input_shape, options, parts):
    with pytest.raises(ValueError) as error:
        function(np.ones(kernel_shape), input_shape, **options)
    for part in (function.__name__, *parts):
        assert part in str(error.value)
    with pytest.raises(ValueError) as error:
        conv_index_map(input_shape, kernel_shape, **options)
    for part in ("conv_index_map", *parts):
        assert part in str(error.value)


def test_sizes_that_are_no_integers():
    with pytest.raises(TypeError, match=r"conv_index_map: input_shape=28 must be a tuple"):
        conv_index_map(28, (3, 2, 1, 4))
    with pytest.raises(TypeError, match=r"input_shape=\(7, 2\.5, 1\): width=2\.5 must be an int"):
        conv_index_map((7, 2.5, 1), (3, 2, 1, 4))
    with pytest.raises(TypeError, match=r"conv_index_map: groups=1\.0 must be an int"):
        conv_index_map((7, 5, 1), (3, 2, 1, 4), groups=1.0)


def test_tie_gradient_refuses_what_does_not_fit():
    index_map = conv_index_map((4, 5, 1), (2, 3, 1, 4), padding="VALID")
    with pytest.raises(ValueError, match=r"\(36, 20\).*\(20, 36\).*equal in shape"):
        tie_gradient(np.ones((36, 20)), index_map, (2, 3, 1, 4))
    with pytest.raises(ValueError, match=r"parameter 23; a kernel of shape \(2, 3, 1, 3\) has 18"):
        tie_gradient(np.ones((20, 36)), index_map, (2, 3, 1, 3))
    with pytest.raises(TypeError, match=r"index_map of dtype float64 must hold integers"):
        tie_gradient(np.ones((20, 36)), index_map.astype(float), (2, 3, 1, 4))


def test_sparse_product_refuses_what_does_not_fit():
    matrix = sparse_conv_matrix(np.ones((2, 3, 1, 4)), (4, 5, 1), padding="VALID")
    for x in (np.ones((3, 4, 5, 1)), np.ones((3, 36)), np.ones(20)):
        with pytest.raises(ValueError) as error:
            x @ matrix
        assert str(x.shape) in str(error.value)
        assert "(N, 20)" in str(error.value)
