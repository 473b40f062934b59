"""Finite differences: what happens to the outputs of a subject when its inputs are moved.

- `Differences`: moves all cells of an input along a direction, or one cell after the other
- `Slopes`: the derivatives that come out, from either side
- `Dependencies`: how every output cell depends on the cells that were moved
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..engine import Array
from .subject import GradientOf, Subject

LARGEST_JACOBIAN = 1_000_000  # derivatives of single output cells that are kept


@dataclass(frozen=True)
class Slopes:
    """Derivatives of <cotangent, output>, one per move.

    Attributes:
        left, right: from the step down and the step up. They differ at a kink.
    """

    left: Array
    right: Array

    @property
    def central(self) -> Array:
        """The average of the two sides: exact to second order in the step."""
        return (self.left + self.right) / 2

    @property
    def spread(self) -> Array:
        """How far the two sides are apart."""
        return np.abs(self.right - self.left)


@dataclass(frozen=True)
class Dependencies:
    """The columns of the Jacobian that belong to the cells that were moved.

    Attributes:
        outputs: row-major indices of output cells, counted through all outputs if there are
            several: all of them, or where they are many those that depend on any of the cells.
        jacobian: (outputs, cells), their derivatives.
    """

    outputs: Array
    jacobian: Array


class Differences:
    """Moves the inputs of a subject and differences its outputs.

    Args:
        subject: what is evaluated.
        values: its outputs where nothing is moved.
        cotangents: the weight of every output cell.
    """

    def __init__(
        self,
        subject: Subject | GradientOf,
        values: Sequence[Array],
        cotangents: Sequence[Array],
    ) -> None:
        self.subject = subject
        self.values = values
        self.cotangents = cotangents

    def along(self, position: int, direction: Array, step: float) -> Slopes:
        """The derivative as all cells of one input move along a direction at once."""
        point = self.subject.arrays[position]
        right = self._weighted(self._changes(position, point + step * direction)) / step
        left = -self._weighted(self._changes(position, point - step * direction)) / step
        return Slopes(np.asarray(left), np.asarray(right))

    def cell(self, position: int, cell: int, step: float) -> Slopes:
        """The derivative as one cell (a row-major index) moves."""
        return self.cells(position, [cell], step)[0]

    def cells(
        self, position: int, cells: Sequence[int], step: float
    ) -> tuple[Slopes, Dependencies | None]:
        """The derivatives as one cell after the other moves.

        The dependencies are None where they would be too many to keep.
        """
        left, right = np.empty(len(cells)), np.empty(len(cells))
        columns: list[tuple[Array, Array]] | None = []  # per cell: which outputs, how much
        kept = 0
        for index, cell in enumerate(cells):
            ahead, change_ahead = self._step(position, cell, step)
            behind, change_behind = self._step(position, cell, -step)
            right[index] = self._weighted(change_ahead) / ahead
            left[index] = self._weighted(change_behind) / behind
            if columns is not None:
                difference = _joined(change_ahead) - _joined(change_behind)
                changed = np.flatnonzero(difference)
                columns.append((changed, difference[changed] / (ahead - behind)))
                kept += len(changed)
                if kept > LARGEST_JACOBIAN:
                    columns = None
        outputs = sum(value.size for value in self.values)
        return Slopes(left, right), None if columns is None else _assembled(columns, outputs)

    def _step(self, position: int, cell: int, step: float) -> tuple[float, list[Array]]:
        """Move one cell: how far it came, after rounding, and how far the outputs did."""
        point = self.subject.arrays[position]
        moved = point.copy(order="K")
        moved.flat[cell] += step
        distance = float(moved.flat[cell] - point.flat[cell])
        return distance or math.nan, self._changes(position, moved)

    def _changes(self, position: int, moved: Array) -> list[Array]:
        arrays = list(self.subject.arrays)
        arrays[position] = moved
        outputs = self.subject.evaluate(arrays)[1]
        return [
            output.data - value
            if output.shape == value.shape
            else np.full_like(value, math.nan)  # a shape that depends on values: no derivative
            for output, value in zip(outputs, self.values, strict=True)
        ]

    def _weighted(self, changes: Sequence[Array]) -> float:
        return sum(
            float((cotangent * change).sum())
            for cotangent, change in zip(self.cotangents, changes, strict=True)
        )


def _joined(arrays: Sequence[Array]) -> Array:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _assembled(columns: Sequence[tuple[Array, Array]], outputs: int) -> Dependencies | None:
    """Columns of different outputs as one matrix: over all outputs, or those that occur in any."""
    rows = np.arange(outputs)
    if outputs * len(columns) > LARGEST_JACOBIAN:
        rows = np.unique(np.concatenate([changed for changed, _ in columns]))
    if len(rows) * len(columns) > LARGEST_JACOBIAN:
        return None
    jacobian = np.zeros((len(rows), len(columns)))
    for column, (changed, slopes) in enumerate(columns):
        jacobian[np.searchsorted(rows, changed), column] = slopes
    return Dependencies(rows, jacobian)
