"""Which kernel parameter sits in which cell of a convolution's matrix.

- `conv_index_map`: the answer for every cell, as an integer array of the matrix's shape.
- `conv_index_triplets`, `IndexTriplets`: the same without the zeros, for larger matrices.

The matrix has a row per cell of the image and a column per cell of the output, `(H*W*C, OH*OW*F)`,
both counted in row-major order; a kernel parameter is named by its place in `kernel.flatten()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..conv_arithmetic import IntOrPair, Padding, Pair
from ..engine import Array
from .geometry import MEMORY_LIMIT, ConvGeometry, check_memory

_INDEX_BYTES = np.dtype(np.int64).itemsize


@dataclass(frozen=True)
class IndexTriplets:
    """The cells of a matrix that hold a kernel parameter, one entry each: by column, then by row.

    Attributes:
        rows, columns: where, int64 of shape (entries,).
        parameters: which parameter, its place in `kernel.flatten()`; likewise.
        shape: of the matrix, (H*W*C, OH*OW*F).
    """

    rows: Array
    columns: Array
    parameters: Array
    shape: Pair

    def __len__(self) -> int:
        return len(self.parameters)


def conv_index_map(
    input_shape: Sequence[int],
    kernel_shape: Sequence[int],
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> Array:
    """Which kernel parameter sits in which cell of the matrix of a convolution; -1 where a zero is.

    Args:
        input_shape: of one image, (H, W, C).
        kernel_shape: (kh, kw, C / groups, F).
        stride, padding, dilation, groups: as for `F.conv2d`.
        memory_limit: in bytes; a map that takes more is refused.

    Returns:
        int64, (H*W*C, OH*OW*F).

    Raises:
        ValueError: shapes that do not fit, or a map above the memory limit.
        TypeError: something that is no integer where one is needed.

    The article's example, a 2x2 kernel on a 3x3 image (its picture is the transpose):

    >>> conv_index_map((3, 3, 1), (2, 2, 1, 1), padding="VALID").T
    array([[ 0,  1, -1,  2,  3, -1, -1, -1, -1],
           [-1,  0,  1, -1,  2,  3, -1, -1, -1],
           [-1, -1, -1,  0,  1, -1,  2,  3, -1],
           [-1, -1, -1, -1,  0,  1, -1,  2,  3]])
    """
    geometry = ConvGeometry.resolve(
        "conv_index_map", input_shape, kernel_shape, stride, padding, dilation, groups
    )
    check_memory(
        "conv_index_map",
        describe_matrix(geometry),
        geometry.matrix_cells * _INDEX_BYTES,
        memory_limit,
        f"conv_index_triplets holds its {geometry.nonzeros:,} non-zeros only",
    )
    return index_map_of(geometry)


def conv_index_triplets(
    input_shape: Sequence[int],
    kernel_shape: Sequence[int],
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> IndexTriplets:
    """`conv_index_map` without its -1: (row, column, kernel parameter) of every other cell.

    Arguments and errors as there.

    >>> triplets = conv_index_triplets((3, 3, 1), (2, 2, 1, 1), padding="VALID")
    >>> list(zip(triplets.rows, triplets.columns, triplets.parameters))[4:6]
    [(np.int64(1), np.int64(1), np.int64(0)), (np.int64(2), np.int64(1), np.int64(1))]
    """
    geometry = ConvGeometry.resolve(
        "conv_index_triplets", input_shape, kernel_shape, stride, padding, dilation, groups
    )
    check_triplet_memory("conv_index_triplets", geometry, memory_limit)
    return triplets_of(geometry)


def describe_matrix(geometry: ConvGeometry) -> str:
    """The sizes of a matrix, for errors."""
    rows, columns = geometry.matrix_shape
    return (
        f"the matrix of {rows:,} x {columns:,} = {geometry.matrix_cells:,} cells for input_shape="
        f"{geometry.input_shape} and a kernel of shape {geometry.kernel_shape}"
    )


def check_triplet_memory(where: str, geometry: ConvGeometry, memory_limit: int) -> None:
    """Refuse index triplets above the limit."""
    check_memory(
        where,
        f"an entry of three indices for each of the {geometry.nonzeros:,} non-zeros of "
        f"{describe_matrix(geometry)}",
        geometry.nonzeros * 3 * _INDEX_BYTES,
        memory_limit,
        "give a smaller input_shape or raise memory_limit; F.conv2d needs no matrix at all",
    )


def index_map_of(geometry: ConvGeometry) -> Array:
    """The index map, without asking how large it is."""
    triplets = triplets_of(geometry)
    index_map = np.full(triplets.shape, -1, np.int64)
    index_map[triplets.rows, triplets.columns] = triplets.parameters
    return index_map


def triplets_of(geometry: ConvGeometry) -> IndexTriplets:
    """The index triplets, without asking how large they are."""
    _, width, channels = geometry.input_shape
    kh, kw, group_channels, filters = geometry.kernel_shape
    out_height, out_width, _ = geometry.output_shape
    # Six axes, in the order of the entries: output row, output column, filter, kernel row, kernel
    # column, channel within the group. Each index below has size 1 along the axes it ignores.
    i, j, f, a, b, c = np.ogrid[:out_height, :out_width, :filters, :kh, :kw, :group_channels]
    row_taps, column_taps = geometry.taps
    image_row = row_taps.reshape(out_height, 1, 1, kh, 1, 1)
    image_column = column_taps.reshape(1, out_width, 1, 1, kw, 1)
    first_channel = f // (filters // geometry.groups) * group_channels  # of the filter's group
    inside, row, column, parameter = np.broadcast_arrays(
        (image_row >= 0) & (image_column >= 0),
        (image_row * width + image_column) * channels + first_channel + c,
        (i * out_width + j) * filters + f,
        ((a * kw + b) * group_channels + c) * filters + f,
    )
    return IndexTriplets(row[inside], column[inside], parameter[inside], geometry.matrix_shape)
