"""What a diagnosis is made from: `Evidence`, and the `Tolerance` it is judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..engine import Array

# Numbers below this fraction of the largest one are nothing. Differences are good to ten digits or
# so.
NEGLIGIBLE = 1e-7
LARGEST_ROWS = 600  # rows of a Jacobian that are computed, by a backward pass each


@dataclass(frozen=True)
class Tolerance:
    """When an analytic number agrees with a numeric one.

    `atol` is meant for gradients of about 1 or more. For smaller ones it shrinks along with the
    largest of their numbers: a gradient of tiny numbers is not right for being tiny. It does not
    shrink below `resolution`, the smallest number that differences can tell from 0.
    """

    atol: float
    rtol: float
    resolution: float = 0.0

    def around(self, numeric: Array, largest: float = 1.0) -> Array:
        """How far from each number another may be, in a gradient with this largest number."""
        least = max(self.atol * largest, self.resolution)
        return min(self.atol, least) + self.rtol * np.abs(numeric)


def alike(first: Array, second: Array) -> bool:
    """Whether two arrays of one shape hold the same numbers, as far as differences can tell."""
    size = np.abs(second).max(initial=0.0)
    return bool((np.abs(first - second) <= 1e-4 * np.abs(second) + 1e-6 * size).all())


@dataclass(frozen=True)
class Outputs:
    """Some cells of the output, and how they depend on the input.

    Attributes:
        shape: of the whole output. Several outputs count as one, flattened and joined.
        cells: their row-major indices in it.
        cotangents: (cells,), the gradient that comes in.
        numeric: (cells, cells of the input), their derivatives by differences.
    """

    shape: tuple[int, ...]
    cells: Array
    cotangents: Array
    numeric: Array

    @cached_property
    def places(self) -> Array:
        """(cells, axes), where the cells are along every axis."""
        return np.stack(np.unravel_index(self.cells, self.shape or (1,)), axis=-1)

    @cached_property
    def positions(self) -> Array:
        """(cells,), one number for all cells that differ in the last axis, the channels, only."""
        return self.cells // (self.shape[-1] if self.shape else 1)

    def some(self, chosen: Array) -> Outputs:
        """A part of the cells."""
        return Outputs(
            self.shape, self.cells[chosen], self.cotangents[chosen], self.numeric[chosen]
        )


@dataclass
class Evidence:
    """Everything known about one input whose gradient is wrong.

    Arrays of the input's form are over a block of its cells: all of them, or a part of a large one.

    Attributes:
        places: per axis of the input, which indices belong to the block.
        full_shape: of the whole input.
        x: the input.
        analytic, numeric: its gradient from the backward pass, and from differences.
        trusted: where the numeric gradient means something (no kink, nothing infinite).
        wrong: which cells are wrong.
        for_minus_two: the analytic gradient when the incoming gradient is multiplied by -2.
        value: the function's value, where it has one output and that has the input's shape.
        outputs: the output cells that matter to the block; None where they are too many.
        backward_from: the gradient of the block, for an incoming gradient of 1 at one cell of the
            output and 0 elsewhere.
        sizes: numbers that may turn up as a factor, with what they are the size of.
    """

    places: list[Array]
    full_shape: tuple[int, ...]
    x: Array
    analytic: Array
    numeric: Array
    trusted: Array
    wrong: Array
    for_minus_two: Array
    value: Array | None
    outputs: Outputs | None
    backward_from: Callable[[int], Array]
    sizes: list[tuple[int, str]]

    @cached_property
    def right(self) -> Array:
        """Which cells are right."""
        return self.trusted & ~self.wrong

    @cached_property
    def is_partial(self) -> bool:
        """Whether some cells are wrong, and the others right to the last digit, not just nearly.

        Some of those must be right by merit, not just 0 like so many.
        """
        return bool(
            alike(self.analytic[self.right], self.numeric[self.right])
            and (self.right & ~self.is_zero(self.numeric)).any()
        )

    @cached_property
    def scale(self) -> float:
        """The size of the numbers in the gradient."""
        return float(np.abs(self.numeric[self.trusted]).max(initial=0.0))

    def is_zero(self, numbers: Array) -> Array:
        """Which numbers are nothing beside the gradient's size."""
        return np.abs(numbers) <= NEGLIGIBLE * self.scale

    def explains(self, candidate: Array) -> bool:
        """Whether this is the gradient: what the analytic one would be without the mistake."""
        return alike(candidate[self.trusted], self.numeric[self.trusted])

    @cached_property
    def jacobian(self) -> Jacobian | None:
        """The Jacobian of some output cells, both ways; None where the outputs are too many."""
        if self.outputs is None:
            return None
        outputs = self.outputs.some(_evenly(self.outputs.positions, LARGEST_ROWS))
        rows = [self.backward_from(cell).reshape(-1) for cell in outputs.cells.tolist()]
        return Jacobian(outputs, outputs.numeric, np.array(rows).reshape(outputs.numeric.shape))


@dataclass
class Jacobian:
    """How output cells depend on input cells.

    Attributes:
        outputs: which output cells.
        numeric, analytic: (output cells, input cells), by differences and by backward passes.
    """

    outputs: Outputs
    numeric: Array
    analytic: Array

    @cached_property
    def matters(self) -> Array:
        """Where the numeric one is not 0."""
        return np.abs(self.numeric) > self.negligible

    @cached_property
    def seems_to_matter(self) -> Array:
        """Where the analytic one is not 0."""
        return np.abs(self.analytic) > self.negligible

    @cached_property
    def negligible(self) -> float:
        """Numbers up to this one are 0."""
        return NEGLIGIBLE * float(np.abs(self.numeric).max(initial=0.0))

    @cached_property
    def wrong_rows(self) -> Array:
        """(output cells,), which of them send something wrong back."""
        pairs = zip(self.analytic, self.numeric, strict=True)
        return np.array([not alike(analytic, numeric) for analytic, numeric in pairs], bool)


def _evenly(positions: Array, limit: int) -> Array:
    """Indices of cells at evenly chosen positions, not more cells than the limit."""
    distinct, counts = np.unique(positions, return_counts=True)
    if counts.max(initial=0) > limit:
        return np.linspace(0, len(positions) - 1, limit).round().astype(int)
    room = max(1, limit // int(counts.max(initial=1)))
    if len(distinct) > room:
        distinct = distinct[np.linspace(0, len(distinct) - 1, room).round().astype(int)]
    return np.flatnonzero(np.isin(positions, distinct))
