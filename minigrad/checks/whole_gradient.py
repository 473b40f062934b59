"""Hypotheses about a gradient as a whole: what would make all of it right.

Each takes the evidence and returns a sentence, or None where it does not fit. Most try to undo a
mistake: if minus the gradient is what differences give, the sign is wrong.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ..engine import Array
from .evidence import Evidence, alike
from .patterns import (
    by_factor,
    constant_ratio,
    counted_cells,
    listed,
    long_axes,
    reorderings,
    subsets,
)


def not_finite(evidence: Evidence) -> str | None:
    """The gradient holds nan or infinity, and differences do not."""
    broken = evidence.trusted & ~np.isfinite(evidence.analytic)
    if not broken.any():
        return None
    return (
        f"the gradient is nan or infinite in {broken.sum()} of {broken.size} cells, where the "
        "function is smooth: 0 / 0, log(0), or 0 times infinity inside a rule"
    )


def incoming_gradient(evidence: Evidence) -> str | None:
    """Multiplying the incoming gradient by a number does not multiply the outgoing one by it."""
    once, other = evidence.analytic, evidence.for_minus_two
    if alike(other, -2 * once):
        return None
    if alike(other, once):
        return (
            "the gradient stays the same whatever comes in from above: the rule does not multiply "
            "by it"
        )
    return (
        "the gradient is not proportional to the one that comes in from above: it must be "
        "multiplied in once, as it is (not twice, not its magnitude, not clipped)"
    )


def sign(evidence: Evidence) -> str | None:
    """Minus the gradient is right."""
    return "the sign is flipped everywhere" if evidence.explains(-evidence.analytic) else None


def factor(evidence: Evidence) -> str | None:
    """A constant multiple of the gradient is right."""
    ratio = constant_ratio(evidence, np.ones_like(evidence.wrong))
    if ratio is None or not evidence.explains(evidence.analytic / ratio):
        return None
    name = _name_of_factor(ratio, evidence)
    informative = (~evidence.is_zero(evidence.numeric) & evidence.trusted).sum()
    if informative < 2 and not name:
        return None
    return f"{by_factor(ratio)} everywhere (analytic / numeric = {ratio:.6g}){name}"


def _name_of_factor(ratio: float, evidence: Evidence) -> str:
    size = max(abs(ratio), 1 / abs(ratio))
    names = []
    if math.isclose(size, 2, rel_tol=1e-4):
        names.append(
            "1/2: a 2 that should have come from a square or from two uses of the input is missing"
            if abs(ratio) < 1
            else "2: a 1/2 is missing, or something is counted twice"
        )
    for number, name in evidence.sizes:
        if number > 1 and math.isclose(size, number, rel_tol=1e-4):
            names.append(f"{number} is {name}: a mean in place of a sum, or the other way round")
            break
    return "".join("; " + name for name in names)


def mask(evidence: Evidence) -> str | None:
    """The gradient passes where the function is flat, and only there it is wrong."""
    analytic_zero = evidence.is_zero(evidence.analytic)
    numeric_zero = evidence.is_zero(evidence.numeric)
    leaks = evidence.trusted & numeric_zero & ~analytic_zero
    passes = evidence.trusted & ~numeric_zero
    if not leaks.any() or not passes.any():
        return None
    if (analytic_zero == ~numeric_zero)[evidence.trusted].all():
        return (
            "the gradient passes exactly where it should be blocked, and the other way round: the "
            "mask is inverted, or the branches are exchanged"
        )
    ratio = constant_ratio(evidence, passes)
    if ratio is None or (analytic_zero & passes).any():
        return None
    also = "" if math.isclose(ratio, 1, rel_tol=1e-4) else f" Elsewhere it is {by_factor(ratio)}."
    return (
        f"the gradient passes in {counted_cells(leaks.sum())} in which the function is flat: a "
        f"mask is ignored (relu, dropout, clip, max: only what passed forward passes back).{also}"
    )


def other_mask(evidence: Evidence) -> str | None:
    """Each cell has all or nothing of something, but not the same cells as in the function."""
    analytic_zero = evidence.is_zero(evidence.analytic)
    numeric_zero = evidence.is_zero(evidence.numeric)
    both = evidence.trusted & ~analytic_zero & ~numeric_zero
    leaks = evidence.trusted & ~analytic_zero & numeric_zero
    blocked = evidence.trusted & analytic_zero & ~numeric_zero
    if not (both.any() and leaks.any() and blocked.any()):
        return None
    if not alike(evidence.analytic[both], evidence.numeric[both]):
        return None
    return (
        f"the gradient passes in {counted_cells(leaks.sum())} in which the function is flat and is "
        f"blocked in {blocked.sum()} in which it is not: the mask is another one (a comparison or "
        "a winner along the wrong axis)"
    )


def zero(evidence: Evidence) -> str | None:
    """The gradient is zero, and should not be."""
    if not evidence.is_zero(evidence.analytic[evidence.trusted]).all():
        return None
    return "the gradient is zero everywhere, and the function changes with this input"


def flipped(evidence: Evidence) -> str | None:
    """The gradient read backwards along some axes is right."""
    for axes in subsets(long_axes(evidence.x)):
        if evidence.explains(np.flip(evidence.analytic, axes)):
            return f"the gradient is flipped along axis {listed(axes)}"
    return None


def transposed(evidence: Evidence) -> str | None:
    """The gradient's cells are right, read in another order of the axes."""
    shape = evidence.x.shape
    for order, undo in reorderings(shape):
        if evidence.explains(undo(evidence.analytic)):
            if shape == tuple(shape[axis] for axis in order):
                return f"the gradient is transposed: its axes stand in the order {order}"
            return (
                "the gradient's cells are right but in the wrong order, as if the axes had been "
                f"taken in the order {order} and then reshaped to {shape}: transpose, do not "
                "reshape"
            )
    return None


def shifted(evidence: Evidence) -> str | None:
    """The gradient is right some cells further along one axis or two."""
    for axes in subsets(long_axes(evidence.x)[-3:]):
        if len(axes) > 2:
            break
        reaches = [
            range(-min(size - 1, 4), min(size - 1, 4) + 1)
            for size in (evidence.x.shape[a] for a in axes)
        ]
        for offsets in itertools.product(*reaches):
            if 0 in offsets:
                continue
            if _is_shifted(evidence, dict(zip(axes, offsets, strict=True))):
                words = listed(
                    [f"{abs(o)} along axis {a}" for a, o in zip(axes, offsets, strict=True)]
                )
                return (
                    f"the gradient lies beside its place, shifted by {words}: padding is cropped "
                    "at the wrong end or by another width than was put on, or a roll goes the "
                    "wrong way"
                )
    return None


def _is_shifted(evidence: Evidence, offsets: dict[int, int]) -> bool:
    """Whether analytic[i + offset] is numeric[i], where both exist, and that is most of it."""
    here, there = [], []
    for axis, size in enumerate(evidence.x.shape):
        offset = offsets.get(axis, 0)
        here.append(slice(max(0, -offset), min(size, size - offset)))
        there.append(slice(max(0, offset), min(size, size + offset)))
    numeric, analytic = evidence.numeric[tuple(here)], evidence.analytic[tuple(there)]
    informative = ~evidence.is_zero(numeric)
    return bool(
        2 * numeric.size >= evidence.numeric.size
        and informative.sum() >= 3
        and alike(analytic, numeric)
    )


def summed_too_far(evidence: Evidence) -> str | None:
    """The gradient is a sum or a mean of the right one."""
    for axes in subsets(long_axes(evidence.x)):
        for what, reduced in (
            ("sum", evidence.numeric.sum(axes, keepdims=True)),
            ("mean", evidence.numeric.mean(axes, keepdims=True)),
        ):
            if alike(evidence.analytic, np.broadcast_to(reduced, evidence.x.shape)):
                return (
                    f"every cell has the {what} over axis {listed(axes)} of what it should have: a "
                    f"{what} over an axis too many"
                )
    return None


def factor_along_an_axis(evidence: Evidence) -> str | None:
    """The gradient is off by a factor that depends on the place along an axis only."""
    informative = evidence.trusted & ~evidence.is_zero(evidence.numeric)
    if not informative.all() or evidence.x.ndim < 2:
        return None
    ratio = evidence.analytic / evidence.numeric
    for axes in subsets(long_axes(evidence.x)):
        others = tuple(axis for axis in range(ratio.ndim) if axis not in axes)
        if math.prod(ratio.shape[axis] for axis in others) < 2:
            continue
        along = np.median(ratio, axis=others, keepdims=True)
        if alike(evidence.numeric * along, evidence.analytic):
            return (
                f"off by a factor that depends on the place along axis {listed(axes)} only: a "
                "scale or weight along that axis is forgotten, superfluous, or another one"
            )
    if ratio.ndim == 2 and min(ratio.shape) > 2:
        product = ratio[:, :1] * ratio[:1] / ratio[0, 0]
        if alike(evidence.numeric * product, evidence.analytic):
            return (
                "off by the product of a factor per row and one per column: a weight is taken "
                "along the wrong axis"
            )
    return None


def missing_sum(evidence: Evidence) -> str | None:
    """What is missing is a sum over some axes, spread over them again."""
    if not evidence.trusted.all():
        return None
    missing = evidence.numeric - evidence.analytic
    ones = np.ones_like(evidence.x)
    candidates = [("is constant along axis {}: a mean or sum over that axis is forgotten", [ones])]
    if evidence.value is not None:
        candidates.append(
            (
                "is, along axis {}, a multiple of the output: a sum over that axis is forgotten "
                "(softmax: g - sum(g * out))",
                [evidence.value],
            )
        )
    candidates.append(
        (
            "is, along axis {}, a constant and a multiple of the input: the paths through the mean "
            "and the variance are forgotten or wrongly weighted",
            [ones, evidence.x],
        )
    )
    for text, terms in candidates:
        for axes in subsets(long_axes(evidence.x)):
            cells = math.prod(evidence.x.shape[axis] for axis in axes)
            if cells > len(terms) + 1 and _is_made_of(missing, terms, axes):
                return f"what is missing {text.format(listed(axes))}"
    return None


def _is_made_of(array: Array, terms: Sequence[Array], axes: tuple[int, ...]) -> bool:
    """Whether, along some axes, an array is a combination of others, weighted anew per line."""
    lines = _lines(array, axes)  # (lines, cells)
    bases = np.stack([_lines(term, axes) for term in terms], axis=-1)  # (lines, cells, terms)
    fitted = np.empty_like(lines)
    for line, (target, basis) in enumerate(zip(lines, bases, strict=True)):
        weights = np.linalg.lstsq(basis, target, rcond=None)[0]
        fitted[line] = basis @ weights
    return alike(fitted, lines)


def _lines(array: Array, axes: tuple[int, ...]) -> Array:
    """(..., axes, ...) -> (other axes, axes)"""
    last = np.moveaxis(array, axes, range(array.ndim - len(axes), array.ndim))
    return last.reshape(-1, math.prod(array.shape[axis] for axis in axes))


def misplaced(evidence: Evidence) -> str | None:
    """The right numbers in the wrong cells."""
    numeric, analytic = evidence.numeric[evidence.trusted], evidence.analytic[evidence.trusted]
    if alike(np.sort(analytic), np.sort(numeric)):
        return (
            "the gradient holds the right numbers in the wrong cells: an index is decoded or "
            "applied wrongly"
        )
    return None
