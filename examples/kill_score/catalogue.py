"""What a planted mistake is: `Mistake`, the decorators `mistake` and `by_hand`, and `Sizes`.

A planted mistake is a function whose value is right and whose gradient is wrong, in one way that
people have got wrong before. Each is built on demand, on unequal sizes (`UNEQUAL`) or on the square
ones that quick tests use (`SQUARE`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import minigrad as mg

Array = np.ndarray[Any, Any]
Planted = tuple[Callable[..., Any], tuple[Any, ...]]  # a function and the inputs to check it with


@dataclass(frozen=True)
class Sizes:
    """How large the arrays are on which a mistake is tried."""

    rows: int
    inner: int
    columns: int
    batch: int
    height: int
    width: int
    channels: int
    filters: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]  # ((top, bottom), (left, right))

    @property
    def images(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)"""
        return self.batch, self.height, self.width, self.channels


UNEQUAL = Sizes(
    rows=3,
    inner=5,
    columns=4,
    batch=2,
    height=7,
    width=8,
    channels=3,
    filters=6,
    kernel=(4, 5),
    stride=(1, 3),
    pads=((1, 0), (3, 2)),
)
SQUARE = Sizes(
    rows=4,
    inner=4,
    columns=4,
    batch=3,
    height=6,
    width=6,
    channels=3,
    filters=3,
    kernel=(3, 3),
    stride=(2, 2),
    pads=((1, 1), (1, 1)),
)


@dataclass(frozen=True)
class Mistake:
    """A planted mistake.

    Attributes:
        group: what kind of operator it is in.
        title: the mistake in words.
        expected: names of diagnoses (`minigrad.checks.diagnosis.NAMES`), any of which says what is
            wrong. Written down with the mistake, before the checker was tried on it.
        build: sizes and a source of random numbers -> the function with the mistake, its inputs.
        order: 2 for a mistake that shows in second derivatives only (`mg.gradgradcheck`).
    """

    group: str
    title: str
    expected: tuple[str, ...]
    build: Callable[[Sizes, np.random.Generator], Planted]
    order: int = 1


@dataclass
class Group:
    """The mistakes of one module, in the order in which they are written down."""

    name: str
    mistakes: list[Mistake] = field(default_factory=list)

    def mistake(self, title: str, *expected: str, order: int = 1) -> Callable[..., Any]:
        """Decorator: put a function that builds a mistake into the group."""

        def add(build: Callable[[Sizes, np.random.Generator], Planted]) -> Callable[..., Planted]:
            self.mistakes.append(Mistake(self.name, title, expected, build, order))
            return build

        return add


def operator(forward: Callable[..., Array], *rules: Callable[..., Any] | None) -> Any:
    """An operator of a forward on arrays and one rule per argument, written with tensors."""
    primitive = mg.primitive(forward)
    primitive.defvjps(*rules)
    return primitive


def by_hand(rule: Callable[..., Any]) -> Callable[..., mg.Tensor]:
    """A rule written with NumPy, as backward functions by hand are, made one on tensors."""

    @functools.wraps(rule)  # keeps the parameter names, by which the engine hands out values
    def on_tensors(gradient: mg.Tensor, *values: Any) -> mg.Tensor:
        arrays = [value.data if isinstance(value, mg.Tensor) else value for value in values]
        return mg.Tensor(rule(gradient.data, *arrays))

    return on_tensors
