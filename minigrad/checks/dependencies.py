"""Hypotheses about the Jacobian: how every output cell depends on every input cell.

It is known, both ways, for small inputs and for blocks of large ones. Each hypothesis takes the
evidence and returns a sentence, or None where it does not fit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np

from ..engine import Array
from .evidence import Evidence, Jacobian, alike
from .patterns import depth_of_border, listed, reorderings, spatial_axes, subsets


def borders_of_the_output(evidence: Evidence) -> str | None:
    """Only output cells near the ends of some axes send back something wrong."""
    jacobian = evidence.jacobian
    if jacobian is None:
        return None
    wrong = jacobian.wrong_rows
    right = ~wrong & jacobian.matters.any(1)
    outputs = jacobian.outputs
    for axes in spatial_axes(outputs.shape):
        depth = depth_of_border(wrong, right, outputs.places, outputs.shape, axes)
        if depth is not None:
            return (
                f"only what comes from output cells within {depth} of the ends of axis "
                f"{listed(axes)} is wrong: windows that reach into the padding are treated "
                "differently in the two directions"
            )
    return None


Windows = list[tuple[Array, Array]]


def _windows(evidence: Evidence) -> list[Windows]:
    """How output cells depend on the windows they look at, by differences and by backward passes.

    The window of an output cell is the smallest box of input cells that matter to it; of all, those
    with the largest windows are taken. Each pair holds two arrays (channels, *box): once all
    channels at a position taken together, once (a list of its own) every cell by itself.
    """
    jacobian = evidence.jacobian
    if jacobian is None:
        return []
    together = _largest_windows(evidence, jacobian, jacobian.outputs.positions)
    single = _largest_windows(evidence, jacobian, jacobian.outputs.cells)
    return [windows for windows in (together, single) if windows]


def _largest_windows(evidence: Evidence, jacobian: Jacobian, groups: Array) -> Windows:
    shape = (-1, *evidence.x.shape)
    windows: Windows = []
    for group in np.unique(groups):
        rows = groups == group
        matters = jacobian.matters[rows].any(0).reshape(evidence.x.shape)
        if not matters.any():
            continue
        box = (slice(None), *(slice(i.min(), i.max() + 1) for i in np.nonzero(matters)))
        outside = jacobian.analytic[rows].reshape(shape).copy()
        outside[box] = 0
        if (np.abs(outside) <= jacobian.negligible).all():
            numeric, analytic = jacobian.numeric[rows], jacobian.analytic[rows]
            windows.append((numeric.reshape(shape)[box], analytic.reshape(shape)[box]))
    largest = max((numeric.size for numeric, _ in windows), default=0)
    return [(numeric, analytic) for numeric, analytic in windows if numeric.size == largest]


def _are_undone(windows: Windows, undo: Callable[[Array], Array]) -> bool:
    """Whether a change of order turns what is analytic into what is numeric, in every window."""
    return all(alike(undo(analytic), numeric) for numeric, analytic in windows) and not all(
        alike(analytic, numeric) for numeric, analytic in windows
    )


def flipped_windows(evidence: Evidence) -> str | None:
    """Windows on the input are read backwards: the kernel is flipped in one direction only."""
    for windows in _windows(evidence):
        shape = windows[0][0].shape
        for axes in subsets([axis for axis in range(1, len(shape)) if shape[axis] > 1]):
            if _are_undone(windows, functools.partial(np.flip, axis=axes)):
                return (
                    f"within the window of every output cell, the gradient is flipped along axis "
                    f"{listed([axis - 1 for axis in axes])} of the input: the kernel is flipped in "
                    "one direction and not in the other"
                )
    return None


def transposed_windows(evidence: Evidence) -> str | None:
    """The weights of windows stand in another order."""
    for windows in _windows(evidence):
        for order, undo in reorderings(windows[0][0].shape):
            if _are_undone(windows, undo):
                return (
                    "within the window of every output cell, the weights are right but in the "
                    f"wrong order, their axes (output channel, then the input's) taken as {order}: "
                    "transposed, or reshaped where it should be transposed (height and width "
                    "exchanged, channels mixed)"
                )
    return None


def missing_dependencies(evidence: Evidence) -> str | None:
    """Some entries of the Jacobian are right, and the others zero."""
    jacobian = evidence.jacobian
    if jacobian is None:
        return None
    absent = jacobian.matters & ~jacobian.seems_to_matter
    if not absent.any() or not (jacobian.matters & ~absent).any():
        return None
    if not alike(jacobian.analytic[~absent], jacobian.numeric[~absent]):
        return None
    return (
        f"{absent.sum()} of {jacobian.matters.sum()} dependencies of the output on the input are "
        "missing, and the others are right: a path through the function is forgotten (what is off "
        "the diagonal of softmax's Jacobian, one of several uses of the input)"
    )


def moved_along(evidence: Evidence) -> str | None:
    """Right only where the output's index is 0: windows are moved by another step."""
    jacobian = evidence.jacobian
    if jacobian is None or len(jacobian.outputs.shape) < 2:
        return None
    outputs = jacobian.outputs
    for axes in spatial_axes(outputs.shape):
        first = (outputs.places[:, list(axes)] == 0).all(1)
        if np.array_equal(jacobian.wrong_rows, ~first):
            return (
                f"only what comes from the first output cell along axis {listed(axes)} is right: "
                "the windows are moved on by another stride than in the function"
            )
    return None


def other_items(evidence: Evidence) -> str | None:
    """What belongs to one item along an axis goes to another."""
    for axis, within, between in _items(evidence):
        if between and not within:
            return (
                f"what belongs to one item along axis {axis} goes to another one: the items are "
                "exchanged"
            )
    return None


def mixed_items(evidence: Evidence) -> str | None:
    """Items along an axis influence each other in the gradient, and not in the function."""
    for axis, within, between in _items(evidence):
        if within and between:
            return (
                f"items along axis {axis} do not influence each other in the function, and do in "
                "the gradient: a sum or mean over the wrong axis"
            )
    return None


def _items(evidence: Evidence) -> Iterator[tuple[int, bool, bool]]:
    """Per axis along which the function treats items apart: how the gradient treats them.

    Whether the output depends on the input within an item, and between different ones.
    """
    jacobian = evidence.jacobian
    if jacobian is None:
        return
    for axis, size in enumerate(evidence.full_shape):
        if jacobian.outputs.shape[axis : axis + 1] != (size,) or len(evidence.places[axis]) < 2:
            continue
        place = np.meshgrid(*evidence.places, indexing="ij")[axis].reshape(1, -1)
        same_item = jacobian.outputs.places[:, axis][:, np.newaxis] == place
        if not (jacobian.matters & ~same_item).any():
            yield (
                axis,
                bool((jacobian.seems_to_matter & same_item).any()),
                bool((jacobian.seems_to_matter & ~same_item).any()),
            )


def misplaced_dependencies(evidence: Evidence) -> str | None:
    """The right derivatives between the wrong cells."""
    jacobian = evidence.jacobian
    if jacobian is None:
        return None
    for axis, words in (
        (0, "every output cell sends the right amounts to the wrong input cells"),
        (1, "every input cell gets the right amounts from the wrong output cells"),
    ):
        analytic_rows, numeric_rows = (
            np.moveaxis(array, axis, 0) for array in (jacobian.analytic, jacobian.numeric)
        )
        pairs = zip(analytic_rows, numeric_rows, strict=True)
        wrong = [(a, n) for a, n in pairs if not alike(a, n)]
        if all(_holds_same_numbers(jacobian, a, n) for a, n in wrong):
            return (
                f"{words}: an offset, a stride, a dilation or an index differs between the two "
                "directions"
            )
    return None


def _holds_same_numbers(jacobian: Jacobian, first: Array, second: Array) -> bool:
    """Whether the numbers of one array, zeros aside, are found in the other, wherever they stand.

    One may hold fewer: some may have been moved over the edge.
    """
    fewer, more = (np.sort(a[np.abs(a) > jacobian.negligible]) for a in (first, second))
    if len(fewer) > len(more):
        fewer, more = more, fewer
    candidates = iter(more)  # each can be found once
    return len(fewer) > 0 and all(
        any(abs(candidate - number) <= 1e-4 * abs(number) for candidate in candidates)
        for number in fewer
    )


def slope(evidence: Evidence) -> str | None:
    """The right cells depend on each other, by wrong amounts."""
    jacobian = evidence.jacobian
    if jacobian is None or (jacobian.seems_to_matter & ~jacobian.matters).any():
        return None
    if (jacobian.matters.sum(0) <= 1).all() and (jacobian.matters.sum(1) <= 1).all():
        return (
            "every cell gets its gradient from the right cell of the output, multiplied by the "
            "wrong number: the derivative of this cell-by-cell function is another one"
        )
    return (
        "the gradient comes from the right cells of the output, multiplied by the wrong numbers: "
        "the partial derivatives themselves are other ones"
    )
