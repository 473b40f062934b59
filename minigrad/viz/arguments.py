"""What users give to pictures, checked.

- `numbers_of`: an array or a Tensor, as float64.
- `index_within`: an index into an array that is drawn.
- `refuse_above`: the error for what is too large to draw legibly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..conv_arithmetic import integer
from ..engine import Array, as_array
from ..tensor import Tensor


def numbers_of(where: str, value: Any) -> Array:
    """An array or a Tensor as a float64 array; `where` is the function and the argument.

    Raises:
        TypeError: no real numbers.
        ValueError: sequences of uneven length, nan or infinity.
    """
    given = as_array(where, value.data if isinstance(value, Tensor) else value)
    numbers: Array = given.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(
            f"{where} of shape {numbers.shape} holds nan or infinity; give finite numbers"
        )
    return numbers


def index_within(
    where: str, name: str, index: Sequence[int], shape: tuple[int, ...], meaning: str
) -> tuple[int, ...]:
    """An index that lies within a shape, as Python ints.

    Raises:
        ValueError: another length, or a part out of range.
        TypeError: no tuple or list, or a part that is no integer.
    """
    if not isinstance(index, (tuple, list)):
        raise TypeError(f"{where}: {name}={index!r} must be a tuple, {meaning}")
    parts = tuple(integer(part, name, minimum=0, where=where) for part in index)
    if len(parts) != len(shape) or any(part >= size for part, size in zip(parts, shape)):
        raise ValueError(
            f"{where}: {name}={tuple(index)} must be {meaning}, counted from 0 within {shape}"
        )
    return parts


def refuse_above(where: str, what: str, count: int, limit: int, purpose: str, way_out: str) -> None:
    """Refuse what could not be read.

    Raises:
        ValueError: the count is above the limit.
    """
    if count > limit:
        raise ValueError(f"{where}: {what}; at most {limit} {purpose}; {way_out}")
