"""The matrix of a convolution, as something that can be differentiated.

- `conv_matrix`: the full matrix, so that `x.reshape(N, -1) @ conv_matrix(kernel, ...)` is `conv2d`.
- `sparse_conv_matrix`, `SparseConvMatrix`: its non-zeros only, with the product that goes with it.
- `tie_gradient`: the gradient of a kernel from that of its matrix, the sum over tied cells.

Two pairs of adjoint operators are behind it. Laying a kernel out as a matrix copies every parameter
into all cells that are tied to it (`lay_out`); its adjoint adds up, per parameter, what is in these
cells (`tied_sum`). The product with a sparse matrix (`sparse_product`) is linear in both arguments:
towards x it is the product with the transpose, towards the values it is the outer product of x and
the gradient, taken at the entries only (`outer_at`), whose own derivatives are products again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..conv_arithmetic import IntOrPair, Padding
from ..engine import Array, primitive
from ..operators.linear import common_dtype, to_dtype
from ..tensor import Tensor, as_tensor
from .geometry import MEMORY_LIMIT, ConvGeometry, check_memory
from .index_map import (
    IndexTriplets,
    check_triplet_memory,
    describe_matrix,
    index_map_of,
    triplets_of,
)

# --- laying a kernel out, and adding its copies up ------------------------------------------------


@primitive(saves=["kernel_shape"])
def lay_out(kernel: Array, *, index_map: Array) -> Any:
    """Every cell gets the kernel parameter that the map names; 0 where it names none (-1)."""
    with_zero = np.append(kernel.reshape(-1), kernel.dtype.type(0))  # index -1 is this zero
    return with_zero[index_map], kernel.shape


@primitive
def tied_sum(matrix: Array, *, index_map: Array, kernel_shape: tuple[int, ...]) -> Array:
    """Per kernel parameter the sum of all cells tied to it. Added up in float64."""
    used = index_map >= 0
    sums = np.bincount(index_map[used], matrix[used], minlength=math.prod(kernel_shape))
    return sums.reshape(kernel_shape).astype(matrix.dtype)


lay_out.defvjps(
    lambda g, index_map, kernel_shape: tied_sum(g, index_map=index_map, kernel_shape=kernel_shape)
)
tied_sum.defvjps(lambda g, index_map: lay_out(g, index_map=index_map))


def conv_matrix(
    kernel: Any,
    input_shape: Sequence[int],
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> Tensor:
    """The matrix of a convolution, so that x.reshape(N, -1) @ matrix is `conv2d`, flattened.

    It is what a Dense layer that computes the same would have as its weight. Differentiable: the
    gradient of the kernel is the sum over tied cells of the gradient of the matrix.

    Args:
        kernel: (kh, kw, C / groups, F).
        input_shape: of one image, (H, W, C).
        stride, padding, dilation, groups: as for `F.conv2d`.
        memory_limit: in bytes; a matrix that takes more, with its index map, is refused.

    Returns:
        (H*W*C, OH*OW*F), in the kernel's dtype. The article draws its transpose.

    Raises:
        ValueError: shapes that do not fit, or a matrix above the memory limit.
        TypeError: something that is no integer where one is needed.

    The article's example:

    >>> image = Tensor(np.array([[43, 16, 78, 34, 76, 95, 35, 8, 46.0]]))
    >>> matrix = conv_matrix(
    ...     np.array([4, 6, 7, 9.0]).reshape(2, 2, 1, 1), input_shape=(3, 3, 1), padding="VALID"
    ... )
    >>> matrix.shape, image @ matrix
    ((9, 4), tensor([[1190., 1919.,  909., 1344.]], dtype=float64))
    """
    kernel = as_tensor(kernel)
    geometry = ConvGeometry.resolve(
        "conv_matrix", input_shape, kernel.shape, stride, padding, dilation, groups
    )
    index_bytes = np.dtype(np.int64).itemsize
    check_memory(
        "conv_matrix",
        f"{describe_matrix(geometry)}, with its index map,",
        geometry.matrix_cells * (kernel.dtype.itemsize + index_bytes),
        memory_limit,
        f"sparse_conv_matrix holds its {geometry.nonzeros:,} non-zeros only",
    )
    return lay_out(kernel, index_map=index_map_of(geometry))


def tie_gradient(dense_gradient: Any, index_map: Any, kernel_shape: Sequence[int]) -> Tensor:
    """The gradient of a kernel, from that of the dense layer that it stands for.

    Per kernel parameter the sum over all cells tied to it: dK[p] = sum of dW over I = p.

    Args:
        dense_gradient: the gradient of the matrix, (H*W*C, OH*OW*F), or of anything else that the
            kernel is laid out in.
        index_map: of the same shape; which parameter each cell is tied to, or -1. From
            `conv_index_map`; for the values of a sparse matrix it is `triplets.parameters`.
        kernel_shape: (kh, kw, C / groups, F).

    Returns:
        (kh, kw, C / groups, F), in the gradient's dtype; differentiable.

    Raises:
        ValueError: the shapes differ, or the map names a parameter that the kernel does not have.
        TypeError: the map does not hold integers.

    Two weights and three windows:

    >>> from minigrad.equivalence import conv_index_map
    >>> index_map = conv_index_map((1, 4, 1), (1, 2, 1, 1), padding="VALID")
    >>> tie_gradient(np.ones((4, 3)), index_map, (1, 2, 1, 1)).flatten()
    tensor([3., 3.], dtype=float64)
    """
    dense_gradient = as_tensor(dense_gradient)
    index_map = np.asarray(index_map)
    sizes = tuple(int(size) for size in kernel_shape)
    if index_map.dtype.kind not in "iu":
        raise TypeError(f"tie_gradient: index_map of dtype {index_map.dtype} must hold integers")
    if dense_gradient.shape != index_map.shape:
        raise ValueError(
            f"tie_gradient: dense_gradient of shape {dense_gradient.shape} and index_map of shape "
            f"{index_map.shape} must be equal in shape"
        )
    if index_map.size and index_map.max() >= math.prod(sizes):
        raise ValueError(
            f"tie_gradient: index_map names parameter {index_map.max()}; a kernel of shape {sizes} "
            f"has {math.prod(sizes)}, counted from 0"
        )
    return tied_sum(dense_gradient, index_map=index_map, kernel_shape=sizes)


# --- the non-zeros only ---------------------------------------------------------------------------


@primitive(saves=["row_count"])
def sparse_product(
    x: Array, values: Array, *, rows: Array, columns: Array, column_count: int
) -> Any:
    """x @ matrix, the matrix given by its entries: (N, R) with (entries,) -> (N, column_count).

    out[n, c] is the sum of x[n, rows[e]] * values[e] over the entries e with columns[e] = c.
    """
    order = np.argsort(columns, kind="stable")
    products = x.T[rows[order]] * values[order, None]  # (entries, N), those of a column together
    columns = columns[order]
    starts = np.flatnonzero(np.diff(columns, prepend=-1))  # the first entry of every column
    out = np.zeros((column_count, x.shape[0]), products.dtype)
    out[columns[starts]] = np.add.reduceat(products, starts, axis=0)
    return out.T, x.shape[1]


@primitive(saves=["row_count", "column_count"])
def outer_at(x: Array, y: Array, *, rows: Array, columns: Array) -> Any:
    """The matrix x.T @ y at the given cells only: (N, R), (N, C) -> (entries,).

    out[e] is the sum over n of x[n, rows[e]] * y[n, columns[e]].
    """
    return np.einsum("en,en->e", x.T[rows], y.T[columns]), x.shape[1], y.shape[1]


sparse_product.defvjps(
    lambda g, values, rows, columns, row_count: sparse_product(
        g, values, rows=columns, columns=rows, column_count=row_count
    ),
    lambda g, x, rows, columns: outer_at(x, g, rows=rows, columns=columns),
)
outer_at.defvjps(
    lambda g, y, rows, columns, row_count: sparse_product(
        y, g, rows=columns, columns=rows, column_count=row_count
    ),
    lambda g, x, rows, columns, column_count: sparse_product(
        x, g, rows=rows, columns=columns, column_count=column_count
    ),
)


class SparseConvMatrix:
    """The matrix of a convolution by its non-zeros. Made by `sparse_conv_matrix`.

    Attributes:
        values: Tensor of shape (entries,), the kernel parameter in each entry; differentiable.
        triplets: where the entries are, and which parameter is in each.
        shape: (H*W*C, OH*OW*F).
    """

    __array_ufunc__ = None  # so that array @ matrix, and tensor @ matrix, ask the matrix

    def __init__(self, values: Tensor, triplets: IndexTriplets) -> None:
        self.values = values
        self.triplets = triplets
        self.shape = triplets.shape

    def __rmatmul__(self, x: Any) -> Tensor:
        """x @ matrix, differentiable in x and in the kernel.

        Args:
            x: (N, H*W*C).

        Returns:
            (N, OH*OW*F).

        Raises:
            ValueError: x has another shape.
        """
        x = as_tensor(x)
        if x.ndim != 2 or x.shape[1] != self.shape[0]:
            raise ValueError(
                f"SparseConvMatrix of shape {self.shape}: got x of shape {x.shape}, which must be "
                f"(N, {self.shape[0]}); flatten images with x.reshape(N, -1)"
            )
        dtype = common_dtype(x, self.values)
        return sparse_product(
            to_dtype(x, dtype),
            to_dtype(self.values, dtype),
            rows=self.triplets.rows,
            columns=self.triplets.columns,
            column_count=self.shape[1],
        )

    def __repr__(self) -> str:
        return f"SparseConvMatrix(shape={self.shape}, entries={len(self.triplets)})"


def sparse_conv_matrix(
    kernel: Any,
    input_shape: Sequence[int],
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> SparseConvMatrix:
    """`conv_matrix` by its non-zeros, for sizes where the whole would not fit.

    Arguments and errors as there.

    Returns:
        A matrix of shape (H*W*C, OH*OW*F) for products from the left, `x @ matrix`.

    >>> kernel = Tensor(np.ones((3, 3, 1, 1)))
    >>> matrix = sparse_conv_matrix(kernel, (220, 220, 1))
    >>> matrix
    SparseConvMatrix(shape=(48400, 48400), entries=432964)
    >>> (np.ones((1, 220 * 220)) @ matrix).max().item()
    9.0
    """
    kernel = as_tensor(kernel)
    geometry = ConvGeometry.resolve(
        "sparse_conv_matrix", input_shape, kernel.shape, stride, padding, dilation, groups
    )
    check_triplet_memory("sparse_conv_matrix", geometry, memory_limit)
    triplets = triplets_of(geometry)
    return SparseConvMatrix(lay_out(kernel, index_map=triplets.parameters), triplets)
