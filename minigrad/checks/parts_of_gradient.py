"""Hypotheses about some cells: where a gradient is wrong, and which contributions it lacks.

Each takes the evidence and returns a sentence, or None where it does not fit. A contribution is
what one cell of the output adds to the gradient of an input cell: its own gradient times how much
it depends on that cell.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from .evidence import NEGLIGIBLE, Evidence, alike
from .patterns import (
    by_factor,
    constant_ratio,
    depth_of_border,
    listed,
    long_axes,
    spatial_axes,
    subsets,
)


def part_of_the_sum(evidence: Evidence) -> str | None:
    """The gradient is right for an incoming gradient of which the first or last part is left."""
    outputs = evidence.outputs
    if outputs is None or evidence.is_partial:
        return None
    for axes in subsets([axis for axis, size in enumerate(outputs.shape) if size > 1]):
        for name in ("first", "last"):
            kept = np.ones(len(outputs.cells), bool)
            for axis in axes:
                kept &= outputs.places[:, axis] == (
                    0 if name == "first" else outputs.shape[axis] - 1
                )
            if alike(evidence.analytic.reshape(-1), (outputs.cotangents * kept) @ outputs.numeric):
                return (
                    f"only the {name} item along axis {listed(axes)} of the output counts: the "
                    "gradient is not summed over that axis"
                )
    return None


def exchanged_axes_of_the_output(evidence: Evidence) -> str | None:
    """The gradient is right for an incoming gradient with two axes exchanged."""
    outputs = evidence.outputs
    if outputs is None or len(outputs.cells) != math.prod(outputs.shape):
        return None
    cotangents = outputs.cotangents.reshape(outputs.shape)
    for first, second in itertools.combinations(range(len(outputs.shape)), 2):
        if outputs.shape[first] == outputs.shape[second] > 1:
            exchanged = cotangents.swapaxes(first, second).reshape(-1)
            if alike(evidence.analytic.reshape(-1), exchanged @ outputs.numeric):
                return (
                    f"the gradient is right but for axes {first} and {second} of the incoming "
                    "gradient, which are taken for each other: a sum over the wrong axis"
                )
    return None


def _one_contribution_each(evidence: Evidence, *, of_positions: bool) -> bool:
    """Whether each wrong cell has just one of the contributions that should have been added up.

    A contribution comes from a cell of the output, or from all its channels at one position.
    """
    if evidence.outputs is None:
        return False
    wrong = evidence.wrong.reshape(-1)
    analytic = evidence.analytic.reshape(-1)[wrong]
    parts = evidence.outputs.numeric[:, wrong] * evidence.outputs.cotangents[:, np.newaxis]
    if of_positions:
        # Cells are in row-major order, so those of a position stand together.
        starts = np.unique(evidence.outputs.positions, return_index=True)[1]
        parts = np.add.reduceat(parts, starts)
    several = (~evidence.is_zero(parts)).sum(0) > 1
    close = np.abs(parts - analytic) <= 1e-6 * np.abs(analytic) + NEGLIGIBLE * evidence.scale
    return bool((several & close.any(0)).all())


def repeats(evidence: Evidence) -> str | None:
    """Wrong where an index names a cell twice: only one of the contributions arrives."""
    if not evidence.is_partial or not _has_equal_slices(evidence):
        return None
    if not any(_one_contribution_each(evidence, of_positions=either) for either in (False, True)):
        return None
    return (
        f"wrong only in the {evidence.wrong.sum()} cells that are used repeatedly, which get one "
        "of their contributions and not the sum: `=` where `+=` is needed (np.add.at for repeated "
        "indices)"
    )


def _has_equal_slices(evidence: Evidence) -> bool:
    """Whether two slices of the output are copies of each other, as repeated indices make them."""
    outputs = evidence.outputs
    if outputs is None:
        return False
    for axis in range(len(outputs.shape)):
        places = outputs.places[:, axis]
        slices = [outputs.numeric[places == index] for index in np.unique(places)[:40]]
        for first, second in itertools.combinations(slices, 2):
            if first.shape == second.shape and first.any() and alike(first, second):
                return True
    return False


def one_copy(evidence: Evidence) -> str | None:
    """Every cell has one of the contributions of its copies, which should have been added up."""
    if evidence.outputs is None or not _one_contribution_each(evidence, of_positions=False):
        return None
    numeric = np.abs(evidence.outputs.numeric)
    largest = numeric.max(0)
    copied = np.isclose(numeric, largest, rtol=1e-6) | (numeric <= NEGLIGIBLE * largest)
    if evidence.is_partial or not copied.all():
        return None
    return (
        "every cell feeds several cells of the output and gets the gradient of one of them: it is "
        "not summed over the copies"
    )


def overlap(evidence: Evidence) -> str | None:
    """Wrong where windows overlap: only one of the contributions arrives."""
    if not _one_contribution_each(evidence, of_positions=True):
        return None
    where = f"only in the {evidence.wrong.sum()}" if evidence.is_partial else "in all"
    return (
        f"wrong {where} cells that lie in several windows: they get the contribution of one window "
        "and not the sum: `=` where `+=` is needed"
    )


def branch(evidence: Evidence) -> str | None:
    """Wrong where the input is below or above some value."""
    if not evidence.is_partial or min(evidence.wrong.sum(), evidence.right.sum()) < 2:
        return None
    for what, values in (("the input", evidence.x), ("the input's magnitude", np.abs(evidence.x))):
        wrong, right = values[evidence.wrong], values[evidence.right]
        for where, separated, bound in (
            ("below", wrong.max() < right.min(), (wrong.max() + right.min()) / 2),
            ("above", wrong.min() > right.max(), (wrong.min() + right.max()) / 2),
        ):
            if separated:
                return (
                    f"wrong only where {what} is {where} a bound near {bound:.2g}, "
                    f"{_what_is_there(evidence)}: one branch of the function has another derivative"
                )
    return None


def borders(evidence: Evidence) -> str | None:
    """Wrong near the ends of some axes only."""
    if not evidence.is_partial:
        return None
    right = evidence.right & ~evidence.is_zero(evidence.numeric)
    places = np.stack(np.meshgrid(*evidence.places, indexing="ij"), axis=-1)  # (*block, axes)
    for axes in spatial_axes(evidence.full_shape):
        depth = depth_of_border(evidence.wrong, right, places, evidence.full_shape, axes)
        if depth is not None:
            return (
                f"wrong only at the border, within {depth} of the ends of axis {listed(axes)}, "
                f"{_what_is_there(evidence)}: padding is treated differently in the two directions"
            )
    return None


def _what_is_there(evidence: Evidence) -> str:
    """In a few words, what the wrong cells hold."""
    analytic, numeric = evidence.analytic[evidence.wrong], evidence.numeric[evidence.wrong]
    if evidence.is_zero(analytic).all():
        return "where it is zero"
    if evidence.is_zero(numeric).all():
        return "where it should be zero"
    if alike(-analytic, numeric):
        return "where the sign is flipped"
    ratio = constant_ratio(evidence, evidence.wrong)
    if ratio is not None:
        return f"where it is {by_factor(ratio)}"
    if (np.abs(analytic) < np.abs(numeric)).mean() > 0.8:
        return "where something is missing"
    return "where other numbers stand"


def one_cell_per_line(evidence: Evidence) -> str | None:
    """Wrong in exactly one cell of every line along an axis, not always in the same place."""
    nothing = evidence.is_zero(evidence.analytic) | evidence.is_zero(evidence.numeric)
    if (evidence.wrong & nothing).any():  # a mask rather than a term
        return None
    for axis in long_axes(evidence.x):
        place = evidence.wrong.argmax(axis)
        if (
            evidence.x.shape[axis] > 2
            and (evidence.wrong.sum(axis) == 1).all()
            and (place != place.flat[0]).any()
        ):
            return (
                f"wrong in exactly one cell along axis {axis} each time, right in all others: a "
                "term that an index selects is forgotten (the label in cross-entropy)"
            )
    return None
