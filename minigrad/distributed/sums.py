"""Sums over ranks in a fixed order: `sum_over_ranks` of arrays, `all_reduce` of tensors.

MPI's own reduction may add in another order from call to call or from rank to rank, and floats then
round differently. Here every cell is added up in one place, in the order of the ranks, and then
handed to all: the same bits on every rank, in every run, with any MPI.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import Array, primitive
from ..tensor import Tensor
from .ranks import communicator

# Bytes that a rank receives. Below it, everybody gets everything and adds it up: one exchange
# instead of two, and at this size it is the number of exchanges that takes the time.
SMALL = 1 << 16

# MPI counts bytes in 32 bits in many places. A multiple of every dtype's size.
LARGEST_MESSAGE = 1 << 30


def sum_over_ranks(array: Array) -> Array:
    """The sum over all ranks of an array of one shape and dtype, the same bits on every rank.

    Every rank must call it, in the same order. In a plain process it is a copy. Where the array is
    not contiguous in memory, it is copied first.

    >>> sum_over_ranks(np.array([1.5, 2.0]))
    array([1.5, 2. ])
    """
    if communicator() is None:
        return np.array(array)
    flat = np.ascontiguousarray(array).reshape(-1)
    step = LARGEST_MESSAGE // flat.itemsize
    if flat.size <= step:
        total = _sum(flat)
    else:
        total = np.concatenate([_sum(flat[i : i + step]) for i in range(0, flat.size, step)])
    return total.reshape(np.shape(array))


def _sum(flat: Array) -> Array:
    """Of one message."""
    comm = communicator()
    assert comm is not None
    if flat.nbytes * comm.size <= SMALL:
        everything = np.empty((comm.size, flat.size), flat.dtype)
        comm.Allgather(_raw(flat), _raw(everything))
        return _add_up(everything)
    share = -(-flat.size // comm.size)  # the cells that each rank adds up; the last gets zeros, too
    padded = flat
    if share * comm.size > flat.size:
        padded = np.zeros(share * comm.size, flat.dtype)
        padded[: flat.size] = flat
    parts = np.empty((comm.size, share), flat.dtype)  # this rank's share of what each rank has
    comm.Alltoall(_raw(padded), _raw(parts))
    total = np.empty_like(padded)
    comm.Allgather(_raw(_add_up(parts)), _raw(total))
    return total[: flat.size]


def _add_up(rows: Array) -> Array:
    """The sum of the rows, from the first to the last; in the place of the first."""
    total: Array = rows[0]
    for row in rows[1:]:
        total += row
    return total


def _raw(array: Array) -> Array:
    """As bytes: MPI only moves them, so it need not know the dtype."""
    return array.reshape(-1).view(np.uint8)


@primitive
def rank_sum(x: Array) -> Array:
    """x of rank 0 + x of rank 1 + ..."""
    return sum_over_ranks(x)


# Every rank's x is in every rank's sum, so its gradient is the sum of theirs.
rank_sum.defvjps(lambda g: rank_sum(g))


def all_reduce(x: Any) -> Tensor:
    """The sum over all ranks of a tensor of one shape and dtype, differentiable to any order.

    Every rank must call it, and go backwards through it, in the same order. Gradients are those of
    the sum of all ranks' losses. In a plain process the values stay as they are.

    >>> all_reduce(Tensor([1.5, 2.0]))
    tensor([1.5, 2. ], dtype=float32)
    """
    return rank_sum(x)
