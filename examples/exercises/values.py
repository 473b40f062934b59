"""Comparing arrays with what they should be.

- `wrong_form(value, expected, what)`: what is wrong with the shape or the dtype, if anything
- `compare(value, expected)`: what is wrong with the numbers too
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from minigrad.checks import Diagnosis

Array = np.ndarray[Any, Any]

# Arrays of up to so many cells are shown as a whole; of larger ones, the first cell that is wrong.
SHOWN_CELLS = 12


class Difference(NamedTuple):
    """How an array is wrong: lines of numbers, and what is the matter."""

    facts: tuple[str, ...]
    diagnosis: Diagnosis


def wrong_form(value: Array, expected: Array, what: str) -> Diagnosis | None:
    """What is wrong with the shape or the dtype of a value; None where they are right.

    >>> print(wrong_form(np.ones((2, 3)), np.ones(3), "the result").text)
    the result has shape (2, 3), and should have (3,): nothing was summed over axis 0
    """
    if value.shape != expected.shape:
        text = f"{what} has shape {value.shape}, and should have {expected.shape}"
        return Diagnosis("wrong shape", text + _what_is_missing(value.shape, expected.shape))
    if value.dtype != expected.dtype:
        text = (
            f"{what} is of {value.dtype}, and should be of {expected.dtype}: does an array that is "
            "made on the way have another dtype?"
        )
        return Diagnosis("wrong dtype", text)
    return None


def _what_is_missing(shape: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What makes one shape of the other, as the end of a sentence."""
    if sorted(shape) == sorted(expected):
        return ": the same sizes in another order"
    if math.prod(shape) == math.prod(expected):
        return ": as many cells, so an axis of size 1 is lost (keepdims), or a reshape is missing"
    in_front = len(shape) - len(expected)
    if in_front >= 0 and all(
        size in (1, other) for size, other in zip(expected, shape[in_front:], strict=True)
    ):
        repeated = [*range(in_front)]
        repeated += [in_front + axis for axis, size in enumerate(expected) if size == 1]
        axes = " and ".join(str(axis) for axis in repeated if shape[axis] > 1)
        return f": nothing was summed over axis {axes}"
    return ""


def compare(value: Array, expected: Array) -> Difference | None:
    """What is wrong with a value; None where it is right.

    >>> compare(np.array([3.0, -1.0]), np.array([-3.0, 1.0])).diagnosis.name
    'sign'
    """
    form = wrong_form(value, expected, "the result")
    if form is not None:
        return Difference((), form)
    right = np.isclose(value, expected, rtol=1e-9, atol=1e-12)
    if right.all():
        return None
    return Difference(_facts(value, expected, right), _diagnose(value, expected, right))


def _facts(value: Array, expected: Array, right: Array) -> tuple[str, ...]:
    if value.size <= SHOWN_CELLS:
        return (f"yours:     {_in_a_line(value)}", f"should be: {_in_a_line(expected)}")
    first = tuple(np.argwhere(~right)[0].tolist())
    numbers = value[first], expected[first]
    digits = 6 if f"{numbers[0]:.6g}" != f"{numbers[1]:.6g}" else 12
    return (
        f"{(~right).sum()} of {right.size} cells are wrong, the first at {first}: yours "
        f"{numbers[0]:.{digits}g}, should be {numbers[1]:.{digits}g}",
    )


def _in_a_line(array: Array) -> str:
    text = np.array2string(array, precision=4, separator=", ", max_line_width=10_000)
    return " ".join(text.split())


def _diagnose(value: Array, expected: Array, right: Array) -> Diagnosis:
    """What the mistake most likely is."""
    broken = int((~np.isfinite(value)).sum())
    if broken:
        text = f"{broken} of {value.size} cells are nan or infinite: 0 / 0, log(0), or an overflow"
        return Diagnosis("not finite", text)
    if not value.any():
        return Diagnosis("zero", "the result is zero everywhere")
    if np.allclose(-value, expected):
        return Diagnosis("sign", "the sign is flipped everywhere")
    factor = _factor(value, expected)
    if factor is not None:
        return Diagnosis(
            "factor", f"the result is {factor:.6g} times what it should be, everywhere"
        )
    if np.allclose(np.sort(value, axis=None), np.sort(expected, axis=None)):
        first = tuple(np.argwhere(~right)[0].tolist())
        place = np.unravel_index(np.abs(value - expected[first]).argmin(), value.shape)
        return Diagnosis(
            "misplaced",
            f"these are the right numbers in the wrong cells: what belongs to {first} is at "
            f"{tuple(int(index) for index in place)}",
        )
    return Diagnosis("values", "these are other numbers: work one of the wrong cells out by hand")


def _factor(value: Array, expected: Array) -> float | None:
    """By what the expected array was multiplied, if by one number."""
    if not expected.any():
        return None
    factor = float((value * expected).sum() / (expected * expected).sum())
    if factor == 0 or not np.allclose(value / factor, expected):
        return None
    # Two single numbers always have a ratio; it tells something if it is a whole number.
    is_whole = math.isclose(max(factor, 1 / factor) % 1, 0, abs_tol=1e-9)
    return factor if value.size > 1 or is_whole else None
