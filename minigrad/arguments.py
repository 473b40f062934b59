"""Numbers and dtypes that users give, checked; `caller` is the function that an error speaks of.

- `as_float`: a real number, as a Python float.
- `as_dtype`: whatever NumPy takes for a dtype, as one.

Integers are checked by `conv_arithmetic.integer`, what operators compute with by
`engine.as_operand`.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def as_float(value: Any, name: str, caller: str) -> float:
    """`value` as a Python float; TypeError unless it is one of Python's or NumPy's real numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise TypeError(
            f"{caller}: {name} must be a number, got {value!r} ({type(value).__name__})"
        )
    return float(value)


def as_dtype(dtype: Any, caller: str) -> np.dtype[Any]:
    """The dtype in the byte order of this machine; TypeError if NumPy knows none of that name."""
    try:
        wanted: np.dtype[Any] = np.dtype(dtype)
    except (TypeError, ValueError):
        raise TypeError(f"{caller}: dtype={dtype!r} is none that NumPy knows") from None
    # Not `newbyteorder`, which makes an equal dtype, where operators look for the very same one.
    return wanted if wanted.isnative else np.dtype(wanted.type)
