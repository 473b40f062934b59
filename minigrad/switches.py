"""`fast_paths`: whether operators take shortcuts, or the plain compositions that prove them right.

A fast path computes what a composition of simpler operators computes, up to rounding, in less time
or memory. The composition stays in the code, beside it, as its explanation and its oracle, and it
is what runs with the fast paths off. `MINIGRAD_FAST_PATHS=0` in the environment starts so.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_enabled = os.environ.get("MINIGRAD_FAST_PATHS", "1") != "0"


def fast_paths_enabled() -> bool:
    """Whether fast paths are taken."""
    return _enabled


@contextlib.contextmanager
def fast_paths(enabled: bool) -> Iterator[None]:
    """Take the fast paths inside a `with` block, or do not; in all threads.

    >>> import numpy as np
    >>> import minigrad as mg
    >>> x, kernel = mg.Tensor(np.ones((1, 4, 5, 2))), mg.Tensor(np.ones((3, 3, 2, 1)))
    >>> with mg.fast_paths(False):
    ...     plain = mg.functional.conv2d(x, kernel)
    >>> bool(np.allclose(plain.data, mg.functional.conv2d(x, kernel).data))
    True
    """
    global _enabled
    before, _enabled = _enabled, enabled
    try:
        yield
    finally:
        _enabled = before
