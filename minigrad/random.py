"""Where the library's randomness comes from.

- `manual_seed(seed)`: make everything random that follows repeatable.
- `generator()`: the library's own `numpy.random.Generator`.
- `resolve(rng)`: the generator to draw from, given an optional one; layers and initialisers ask it.
- `get_state()`, `set_state(state)`: save and restore the stream, as a dict that fits into JSON.

Until `manual_seed` is called the generator is seeded by the operating system, as NumPy's own is:
two runs differ, and a program that wants the same numbers twice says so.

There is one generator, and it is reseeded in place: whoever holds it follows. Derive others by
drawing a seed from it (`numpy.random.default_rng(generator().integers(2**63))`), not with its
`spawn`, which starts from the first seed and not from the present state.

Example:
    >>> from minigrad.random import generator, manual_seed
    >>> manual_seed(7)
    >>> first = generator().random(3)
    >>> manual_seed(7)
    >>> bool((generator().random(3) == first).all())
    True
"""

from __future__ import annotations

import functools
import threading
from typing import Any, cast

import numpy as np

_NOT_A_STATE = "set_state: state must be a dict that get_state returned"


def manual_seed(seed: int | np.integer[Any]) -> None:
    """Restart the library's generator at `seed`, an integer of 0 or more.

    Raises TypeError for anything but an integer, ValueError for a negative one.
    """
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise TypeError(
            f"manual_seed: seed must be an integer, got {seed!r} ({type(seed).__name__})"
        )
    if seed < 0:
        raise ValueError(f"manual_seed: seed must be 0 or more, got {seed}")
    generator().bit_generator.state = np.random.PCG64(int(seed)).state


def generator() -> np.random.Generator:
    """The library's generator: the same object always, so drawing from it moves everybody on."""
    with _lock:
        return _the_generator()


_lock = threading.Lock()  # threads that are first at the same time must get the same one


@functools.cache  # made when first needed: NumPy's random part takes a while to import
def _the_generator() -> np.random.Generator:
    return np.random.Generator(np.random.PCG64())


def resolve(rng: np.random.Generator | None, caller: str = "minigrad") -> np.random.Generator:
    """`rng` itself, or the library's generator where it is None.

    `caller` names the layer or function in the TypeError that anything else raises.
    """
    if rng is None:
        return generator()
    if not isinstance(rng, np.random.Generator):
        raise TypeError(
            f"{caller}: rng must be a numpy.random.Generator or None, got {rng!r} "
            f"({type(rng).__name__}); numpy.random.default_rng(seed) makes one"
        )
    return rng


def get_state() -> dict[str, Any]:
    """The generator's state: a dict of strings and integers, which `json` keeps exactly."""
    return dict(generator().bit_generator.state)


def set_state(state: dict[str, Any]) -> None:
    """Go on exactly where `get_state` was called.

    Raises ValueError, and changes nothing, where `state` is not such a state.
    """
    trial = np.random.PCG64(0)
    try:
        trial.state = cast(Any, state)
        # NumPy takes floats too and cuts them, but a float cannot hold these 128-bit integers.
        kept = all(type(value) is int for value in state["state"].values())
    except (TypeError, ValueError, KeyError, OverflowError) as problem:
        raise ValueError(f"{_NOT_A_STATE} ({problem!r}); got {state!r}") from problem
    if not kept:
        raise ValueError(f"{_NOT_A_STATE} (its numbers must be integers); got {state!r}")
    generator().bit_generator.state = trial.state
