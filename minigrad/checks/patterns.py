"""What several hypotheses look for: subsets and orders of axes, constant factors, borders."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..engine import Array
from .evidence import Evidence, alike


def listed(items: Sequence[object]) -> str:
    """The items in words: "0 and 2"."""
    return " and ".join(map(str, items))


def counted_cells(count: int) -> str:
    """A number of cells in words: "1 cell"."""
    return f"{count} cell" if count == 1 else f"{count} cells"


def long_axes(array: Array) -> list[int]:
    """The axes with more than one cell."""
    return [axis for axis, size in enumerate(array.shape) if size > 1]


def subsets(axes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All non-empty subsets, small ones first."""
    for count in range(1, len(axes) + 1):
        yield from itertools.combinations(axes, count)


def spatial_axes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Axes that may have borders: those between batch and channels, or of a matrix both."""
    ndim = len(shape)
    yield from subsets(
        [axis for axis, size in enumerate(shape) if size > 1 and (ndim < 3 or 0 < axis < ndim - 1)]
    )


def reorderings(
    shape: tuple[int, ...],
) -> Iterator[tuple[tuple[int, ...], Callable[[Array], Array]]]:
    """Other orders of axes, with functions that bring an array's cells into such an order.

    The array keeps its shape: it is transposed and read out in row-major order, or the other way
    round.
    """
    long = [axis for axis, size in enumerate(shape) if size > 1]
    for permuted in itertools.permutations(long):
        if list(permuted) == long:
            continue
        order = list(range(len(shape)))
        for axis, source in zip(long, permuted, strict=True):
            order[axis] = source
        yield tuple(order), functools.partial(_transpose_then_reshape, order)
        yield tuple(order), functools.partial(_reshape_then_transpose, order)


def _transpose_then_reshape(order: Sequence[int], array: Array) -> Array:
    return array.transpose(order).reshape(array.shape)


def _reshape_then_transpose(order: Sequence[int], array: Array) -> Array:
    turned = [array.shape[axis] for axis in order]
    return array.reshape(turned).transpose(np.argsort(order))


def constant_ratio(evidence: Evidence, cells: Array) -> float | None:
    """analytic / numeric where it is the same in all of the cells in which neither is 0."""
    cells = cells & evidence.trusted
    both = cells & ~evidence.is_zero(evidence.numeric) & ~evidence.is_zero(evidence.analytic)
    if not both.any():
        return None
    # Weighted by size: small numbers have the larger relative errors.
    numeric, analytic = evidence.numeric[both], evidence.analytic[both]
    ratio = float((analytic * numeric).sum() / (numeric * numeric).sum())
    if ratio == 0 or not alike(analytic / ratio, numeric):
        return None
    return ratio


def by_factor(ratio: float) -> str:
    """analytic / numeric in words."""
    sign = " and of the wrong sign" if ratio < 0 else ""
    size = abs(ratio)
    if size > 1:
        return f"too large by a factor of {size:.6g}{sign}"
    return f"too small by a factor of {1 / size:.6g}{sign}"


def depth_of_border(
    wrong: Array, right: Array, places: Array, shape: tuple[int, ...], axes: tuple[int, ...]
) -> int | None:
    """How deep the border is that holds all wrong cells, where there is an interior without."""
    from_start = places[..., list(axes)]
    from_end = np.array(shape)[list(axes)] - 1 - from_start
    distance = np.minimum(from_start, from_end).min(-1)  # of every cell, to the nearest end
    if not wrong.any():
        return None
    depth = int(distance[wrong].max()) + 1
    has_interior = (right & (distance >= depth)).any()
    mostly_wrong = wrong.sum() >= 2 and wrong[distance < depth].mean() > 0.2
    return depth if has_interior and mostly_wrong else None
