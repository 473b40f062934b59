"""Products in slices are the products, however the columns can be cut."""

import numpy as np
import pytest

from minigrad.operators import slices
from minigrad.operators.slices import outer_sum_of_columns, times_columns

# (m, k, columns): one slice; several; columns that no number divides; too many weights for slices.
SIZES = [(3, 5, 7), (8, 9, 40_000), (16, 72, 6_272), (8, 9, 30_011), (64, 288, 1_500), (2, 3, 0)]


@pytest.mark.parametrize(("m", "k", "columns"), SIZES)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_matrix_times_many_columns(m, k, columns, transposed):
    rng = np.random.default_rng(0)
    matrix = rng.random((k, m)).T if transposed else rng.random((m, k))
    wide = rng.random((k, columns))
    out = np.full((m, columns), np.nan)
    times_columns(matrix, wide, out)
    np.testing.assert_allclose(out, np.einsum("mk,kc->mc", matrix, wide), rtol=1e-12)


@pytest.mark.parametrize(("m", "k", "columns"), SIZES)
def test_the_sum_of_outer_products(m, k, columns):
    a, b = (np.random.default_rng(seed).random((size, columns)) for seed, size in ((0, m), (1, k)))
    total = outer_sum_of_columns(a, b)
    np.testing.assert_allclose(total, np.einsum("mc,kc->mk", a, b), rtol=1e-12)
    assert total.flags.c_contiguous


def test_the_dtype_stays():
    a, b = np.ones((8, 40_000), np.float32), np.ones((9, 40_000), np.float32)
    assert outer_sum_of_columns(a, b).dtype == np.float32


@pytest.mark.parametrize(
    ("columns", "weights", "cut"),
    [
        (40_000, 72, 4),  # of at most 1,000,000 / 72 = 13,888 columns: 3 do not divide
        (6_272, 1_152, 8),  # of at most 868
        (30_011, 72, 1),  # a prime number
        (1_000, 900, 1),  # small as it is
        (1_500, 18_432, 1),  # slices would be narrower than 128
        (1_280, 7_812, 10),  # slices of just 128
        (1_280, 7_813, 1),
        (0, 5, 1),
        (5, 0, 1),
    ],
)
def test_as_few_slices_as_make_products_small(columns, weights, cut):
    assert slices._slices(columns, weights, 128) == cut
