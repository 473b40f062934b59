"""Products of a small matrix and one with many columns, in slices of the columns.

A convolution of few channels multiplies a matrix of a few hundred weights by one of thousands of
columns, a column for each position in the images. Before it multiplies, BLAS copies both into an
order that suits it, which here takes as long as the arithmetic. OpenBLAS leaves that out where a
product is small (on processors with AVX-512), and of a stack of matrices NumPy multiplies one pair
after the other; so the wide matrix is taken as a stack of narrow ones. Measured on one core, that
is 1.2 to 3.9 times as fast. Without AVX-512 it makes no difference.

- `times_columns`: (m, k) @ (k, columns).
- `outer_sum_of_columns`: (m, columns) @ (columns, k).
"""

from __future__ import annotations

import functools

import numpy as np

from ..engine import Array

SMALL = 1_000_000  # m * k * n of a product that OpenBLAS makes without copying

# The narrowest slices that pay, found by trying: in the first product every slice writes cells of
# its own, in the second all slices add to the same few.
NARROWEST = 128
NARROWEST_OF_SUMS = 640


def times_columns(matrix: Array, columns: Array, out: Array) -> None:
    """`matrix @ columns` into `out`: (m, k), (k, columns) -> (m, columns)."""
    slices = _slices(columns.shape[1], matrix.size, NARROWEST)
    if slices > 1:
        columns, out = _cut(columns, slices), _cut(out, slices)
    np.matmul(matrix, columns, out=out)


def outer_sum_of_columns(a: Array, b: Array) -> Array:
    """`a @ b.T`, the sum of the columns' outer products: (m, columns), (k, columns) -> (m, k)."""
    slices = _slices(a.shape[1], len(a) * len(b), NARROWEST_OF_SUMS)
    if slices == 1:
        return a @ b.T
    products: Array = _cut(a, slices) @ _cut(b, slices).transpose(0, 2, 1)
    total: Array = products.sum(axis=0)
    return total


@functools.lru_cache(maxsize=1024)
def _slices(columns: int, weights: int, narrowest: int) -> int:
    """In how many equal slices to cut: as few as make every product small, or else 1."""
    fewest = max(1, -(-columns * weights // SMALL))
    for slices in range(fewest, columns // narrowest + 1):
        if columns % slices == 0:
            return slices
    return 1


def _cut(matrix: Array, slices: int) -> Array:
    """(rows, columns) -> (slices, rows, columns / slices), a view."""
    return matrix.reshape(len(matrix), slices, -1).transpose(1, 0, 2)
