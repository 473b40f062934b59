"""How the gradient of one input is judged: `InputJudge`, which answers with a `Judgement`.

A large input is moved as a whole first, along random directions: two evaluations judge all of its
cells at once. Only where a direction disagrees, cells are looked at one by one.

The gradient is called wrong only where differences over several steps agree with each other and not
with it. Else the reason why nothing can be said is a kink, too few digits, or a value that is not
finite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engine import Array
from .differences import Dependencies, Differences, Slopes
from .evidence import Tolerance
from .report import Diagnosis, Verdict

SMALL = 200  # inputs of up to this many cells are checked cell by cell straight away
MEDIUM = 1000  # inputs of up to this many cells are if a direction disagrees
LARGEST_BLOCK = 300  # of still larger ones no more cells than this
DIRECTIONS = 3  # along which a large input is moved
SAMPLED_CELLS = 8  # of a large input that are compared one by one even though directions agree
DIRECTION_RTOL = 1e-6  # a direction adds up many cells, so it must agree better than one of them
ROUNDING = 1e-14  # of the value is what rounding may make of it, or some dozen last digits
EXAMINED_CELLS = 5  # of those that disagree, how many are differentiated again over other steps


@dataclass(frozen=True)
class Settings:
    """The arguments of `gradcheck`, checked; `caller` is the function that errors speak of."""

    caller: str
    eps: float
    atol: float
    rtol: float
    cotangent: Any
    seed: int

    def __post_init__(self) -> None:
        for name, allowed in (("eps", "above 0"), ("atol", "0 or more"), ("rtol", "0 or more")):
            value = getattr(self, name)
            if not isinstance(value, (int, float)):
                raise TypeError(f"{self.caller}: {name}={value!r} must be a number")
            if not (math.isfinite(value) and (value > 0 or (value == 0 and name != "eps"))):
                raise ValueError(f"{self.caller}: {name}={value!r} must be {allowed}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, (int, np.integer)):
            raise TypeError(f"{self.caller}: seed={self.seed!r} must be an int")
        if self.seed < 0:
            raise ValueError(f"{self.caller}: seed={self.seed} must be 0 or more")
        if isinstance(self.cotangent, str) and self.cotangent not in ("random", "ones"):
            raise ValueError(
                f'{self.caller}: cotangent={self.cotangent!r} must be "random", "ones" or an array'
            )

    @property
    def wants_ones(self) -> bool:
        """Whether the cotangent is "ones"."""
        return isinstance(self.cotangent, str) and self.cotangent == "ones"


@dataclass(frozen=True)
class Judgement:
    """How the cells of an input that were looked at compare.

    Attributes:
        verdict: over all of them.
        reason: why the verdict is inconclusive; or the diagnosis of a wrong one, if that was needed
            to reach it.
        checked: in words, what was compared.
        cells: row-major indices of the cells.
        places: per axis, which indices the cells have, where they make a block; else None.
        slopes: their derivatives by differences.
        dependencies: how the outputs depend on them, if that is known.
        allowed: how far each slope may be from the gradient.
        trusted: where the slopes mean something.
    """

    verdict: Verdict
    reason: Diagnosis | None
    checked: str
    cells: list[int]
    places: list[Array] | None
    slopes: Slopes
    dependencies: Dependencies | None
    allowed: Array
    trusted: Array


def random_weights(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Numbers of either sign between 1/2 and 3/2: none is close to 0, which would hide a cell."""
    signs = rng.choice([-1.0, 1.0], size=shape)
    return np.asarray(signs * rng.uniform(0.5, 1.5, size=shape))


class InputJudge:
    """Judges the gradient of one input.

    Args:
        differences: of the function.
        position: of the input among those of the function.
        gradient: the analytic one.
        settings: steps and tolerances.
        rng: for directions and samples.
    """

    def __init__(
        self,
        differences: Differences,
        position: int,
        gradient: Array,
        settings: Settings,
        rng: np.random.Generator,
    ) -> None:
        self.differences = differences
        self.position = position
        self.x = differences.subject.arrays[position]
        self.gradient = gradient
        self.eps = settings.eps
        weighted = [c * v for c, v in zip(differences.cotangents, differences.values, strict=True)]
        size = math.hypot(*(float(np.linalg.norm(part)) for part in weighted))
        resolution = ROUNDING * size / settings.eps
        self.tolerance = Tolerance(settings.atol, settings.rtol, resolution)
        self.rng = rng

    def judge(self) -> Judgement:
        """Compare all cells of a small input; of a large one, only those that need a look."""
        size = self.gradient.size
        if size <= SMALL:
            checked = "its only cell" if size == 1 else f"all {size} cells"
            return self._judge_block(size, None, checked)
        if self._directions_agree():
            others = self.rng.choice(size, SAMPLED_CELLS - 1, replace=False)
            cells = sorted({int(np.abs(self.gradient).argmax()), *others.tolist()})
            checked = f"{DIRECTIONS} random directions and {len(cells)} of {size:,} cells"
            judgement = self._judge_cells(cells, None, checked)
            if judgement.verdict != "wrong":
                return judgement
            errors = np.abs(self.gradient.reshape(-1)[cells] - judgement.slopes.central)
            worst = cells[int(np.nan_to_num(errors, nan=np.inf).argmax())]
        else:
            limit = size if size <= MEDIUM else LARGEST_BLOCK
            judgement = self._judge_block(limit, 0, "random directions, and {} cells")
            if judgement.verdict != "right":
                return judgement
            worst = self._find_cell()
        return self._judge_block(LARGEST_BLOCK, worst, "random directions, and {} cells around one")

    # --- all cells at once ------------------------------------------------------------------------

    def _directions_agree(self) -> bool:
        """Whether the gradient predicts what happens as all cells move at once."""
        for _ in range(DIRECTIONS):
            direction = random_weights(self.rng, self.gradient.shape)
            # Among many cells some are near a kink, which shows less the shorter the step; rounding
            # shows less the longer it is. A wrong gradient stays wrong.
            if not any(
                self._disagreement(direction, self.eps * scale) <= 1
                for scale in (1, 0.1, 0.01, 10, 100)
            ):
                return False
        return True

    def _disagreement(self, direction: Array, step: float) -> float:
        """How far the derivative along a direction is off, in units of what is allowed."""
        terms = self.gradient * direction
        numeric = float(self.differences.along(self.position, direction, step).central)
        size = max(float(np.linalg.norm(terms)), abs(numeric))
        tolerance = replace(self.tolerance, rtol=min(self.tolerance.rtol, DIRECTION_RTOL))
        allowed = float(tolerance.around(np.asarray(size), float(np.abs(self.gradient).max())))
        error = abs(float(terms.sum()) - numeric)
        if error == 0:
            return 0.0
        return error / allowed if math.isfinite(error) and allowed > 0 else math.inf

    def _find_cell(self) -> int:
        """One cell that is wrong, by halving the set of those that move along."""
        direction = random_weights(self.rng, self.gradient.shape).reshape(-1)
        suspects = self.rng.permutation(self.gradient.size)
        while len(suspects) > 1:
            halves = np.array_split(suspects, 2)
            errors = []
            for half in halves:
                of_half = np.zeros(self.gradient.size)
                of_half[half] = direction[half]
                errors.append(self._disagreement(of_half.reshape(self.gradient.shape), self.eps))
            suspects = halves[int(errors[1] > errors[0])]
        return int(suspects[0])

    # --- cell by cell -----------------------------------------------------------------------------

    def _judge_block(self, limit: int, around: int | None, checked: str) -> Judgement:
        """Compare the cells of a block around a cell, or around none if all of them fit in."""
        shape = self.gradient.shape
        places = block(shape, limit, np.unravel_index(around or 0, shape))
        cells = np.ravel_multi_index(np.ix_(*places), shape).reshape(-1).tolist() if shape else [0]
        return self._judge_cells(cells, places, checked.format(f"{len(cells)} of {self.x.size:,}"))

    def _judge_cells(self, cells: list[int], places: list[Array] | None, checked: str) -> Judgement:
        slopes, dependencies = self.differences.cells(self.position, cells, self.eps)
        analytic, numeric = self.gradient.reshape(-1)[cells], slopes.central
        finite = np.isfinite(numeric)
        with np.errstate(invalid="ignore"):  # where something is not finite
            error = np.abs(analytic - numeric)
            largest = np.abs([analytic, numeric])[:, finite].max(initial=0.0)
            allowed = self.tolerance.around(numeric, largest)
        off = ~(error <= allowed)
        # At a kink any slope between those of the two sides may be called the derivative.
        low, high = np.minimum(slopes.left, slopes.right), np.maximum(slopes.left, slopes.right)
        at_kink = off & finite & (low - allowed <= analytic) & (analytic <= high + allowed)
        judgement = Judgement(
            "right", None, checked, cells, places, slopes, dependencies, allowed, finite & ~at_kink
        )
        reasons = []
        for index in _worst(error - allowed, off & finite & ~at_kink):
            reason = self._doubt(cells[index])
            if reason is None:
                return replace(judgement, verdict="wrong")
            # In a tiny gradient rounding may be all there is.
            if not error[index] <= self.tolerance.around(numeric[index]):
                reasons.append(reason)
        for index in _worst(slopes.spread, at_kink):
            reason = self._rounding(cells[index]) or self._kink(cells[index])
            if reason.name == "kink" or error[index] > self.tolerance.around(numeric[index]):
                reasons.append(reason)
        if any(reason.name == "kink" for reason in reasons):
            ties = self._ties(cells, slopes)
            if ties is not None:
                return replace(judgement, verdict="wrong", reason=ties)
        if (off & ~finite).any():
            reasons.append(self._not_finite())
        if reasons:
            return replace(judgement, verdict="inconclusive", reason=reasons[0])
        return judgement

    def _slopes(self, cell: int, step: float) -> tuple[float, float]:
        """The slopes to the left and to the right of a cell."""
        slopes, _ = self.differences.cells(self.position, [cell], step)
        return float(slopes.left[0]), float(slopes.right[0])

    def _doubt(self, cell: int) -> Diagnosis | None:
        """Why the differences at a cell mean nothing; None where they do: the gradient is wrong.

        They do where another step gives the same number, at least compared to the distance from
        the analytic one.
        """
        analytic = float(self.gradient.reshape(-1)[cell])
        numeric = sum(self._slopes(cell, self.eps)) / 2
        for factor in (100, 10, 3):
            other = sum(self._slopes(cell, factor * self.eps)) / 2
            if math.isfinite(other):
                break
        else:
            return self._not_finite()
        if not math.isfinite(analytic) or abs(other - numeric) <= abs(analytic - numeric) / 4:
            return None
        return self._rounding(cell) or self._kink(cell)

    def _rounding(self, cell: int) -> Diagnosis | None:
        """The diagnosis, where slopes differ because of rounding.

        For smooth functions and at kinks slopes differ the more the longer the step; rounding
        errors, divided by the step, do the opposite. So does a jump, but at a jump the change is
        the same however long the step, and the two sides never come together.
        """
        nearly = np.array([0.9, 1.0, 1.1]) * self.eps
        short, long = (
            np.array([self._slopes(cell, step) for step in scale * nearly]) for scale in (1, 1000)
        )  # (steps, sides)
        changes = short * nearly[:, np.newaxis]
        jumps = np.ptp(changes, axis=0).max() <= 0.01 * np.abs(changes).max()
        settles = np.ptp(long) < np.ptp(short) / 5
        agrees = np.ptp(long) < np.abs(long).max() / 4
        swallowed = not short.any()
        if not (agrees and (settles or swallowed)) and not (settles and not jumps):
            return None
        return Diagnosis(
            "rounding",
            f"the function's values have too few digits for differences over eps={self.eps:g}: "
            f"over nearly equal steps the slopes differ by {np.ptp(short):.1e}, and over longer "
            "ones by less. Something inside works in float32, or large numbers cancel; a larger "
            "eps may help",
        )

    def _kink(self, cell: int) -> Diagnosis:
        left, right = self._slopes(cell, self.eps)
        index = tuple(int(i) for i in np.unravel_index(cell, self.x.shape))
        return Diagnosis(
            "kink",
            f"at {index} the slope is {left:.6g} to the left and {right:.6g} to the right: the "
            f"function has a kink or a jump within eps={self.eps:g} (relu at 0, a tie in max), "
            "where any slope between the two would do, or it curves very strongly there. Use a "
            "smaller eps, or move the input away",
        )

    def _not_finite(self) -> Diagnosis:
        return Diagnosis(
            "not finite",
            f"the function is nan or infinite within eps={self.eps:g} of the input (or that is "
            "nothing beside the input itself), so there is nothing to compare with",
        )

    def _ties(self, cells: Sequence[int], slopes: Slopes) -> Diagnosis | None:
        """The diagnosis, where cells of equal value at a kink get too much together.

        Moved together, cells that tie for a maximum stay tied, and the kink is gone.
        """
        values, gradient = self.x.reshape(-1), self.gradient.reshape(-1)
        with np.errstate(invalid="ignore"):
            kinked = np.array(cells)[slopes.spread > 2 * self.tolerance.around(slopes.central)]
        for value in np.unique(values[kinked]):
            tied = kinked[values[kinked] == value]
            direction = np.zeros(self.x.size)
            direction[tied] = 1.0
            together = self.differences.along(
                self.position, direction.reshape(self.x.shape), self.eps
            )
            analytic, numeric = gradient[tied].sum(), together.central
            allowed = 2 * self.tolerance.around(numeric)
            if together.spread <= allowed < abs(analytic - numeric):
                return Diagnosis(
                    "ties",
                    f"{len(tied)} cells are equal ({value:g}), and together they get "
                    f"{analytic:.6g} where {numeric:.6g} is there to share: where several tie for "
                    "a maximum, each gets the whole gradient. Share it, or give it to one of them",
                )
        return None


def _worst(severity: Array, among: Array) -> list[int]:
    """The indices of the largest entries, not more than are to be examined."""
    indices = np.flatnonzero(among)
    order = np.argsort(-np.nan_to_num(severity[indices], nan=np.inf), kind="stable")
    return [int(index) for index in indices[order][:EXAMINED_CELLS]]


def block(shape: tuple[int, ...], limit: int, around: Sequence[Any]) -> list[Array]:
    """Per axis, neighbouring indices: a block around a cell, of not more cells than the limit.

    The first axis, usually the batch, is cut first; its items are alike.

    >>> [axis.tolist() for axis in block((64, 9, 7), 60, (3, 8, 6))]
    [[2, 3], [4, 5, 6, 7, 8], [3, 4, 5, 6]]
    """
    counts = list(shape)
    while math.prod(counts) > limit:
        axis = 0 if counts[0] > 2 else int(np.argmax(counts))
        counts[axis] = math.ceil(counts[axis] / 2)
    places = []
    for size, count, center in zip(shape, counts, around, strict=True):
        start = min(max(0, int(center) - count // 2), size - count)
        places.append(np.arange(start, start + count))
    return places
