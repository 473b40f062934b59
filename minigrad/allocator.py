"""Keeping freed memory instead of handing it back to the operating system.

A training step frees and asks for the same large arrays over and over. glibc returns each of them
to the system and gets it back as fresh pages that must be cleared at first touch, which can take as
long as the arithmetic. `keep_freed_memory` tells it to hold on to them; it is called when minigrad
is imported.

The setting is for the whole process, and its memory stays at its peak. Set the environment variable
MINIGRAD_KEEP_MEMORY=0 to leave the allocator alone. Where there is no glibc (macOS, Windows, musl)
nothing happens.
"""

from __future__ import annotations

import ctypes
import os
import sys

# From malloc.h: which parameter, and the values to try, the first that is taken counts.
_SETTINGS = (
    # M_MMAP_THRESHOLD: blocks up to 1 GiB come from the heap, not from mmap (32 MiB is the most
    # that glibc takes before version 2.35)
    (-3, (1 << 30, 32 << 20)),
    (-1, ((1 << 31) - 1,)),  # M_TRIM_THRESHOLD: give the end of the heap back only beyond 2 GiB
    (-2, (64 << 20,)),  # M_TOP_PAD: grow the heap by 64 MiB at a time
)


def keep_freed_memory() -> bool:
    """Make glibc's malloc keep what is freed. Returns whether it was done."""
    if os.environ.get("MINIGRAD_KEEP_MEMORY", "1") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  absent from other C libraries
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    return all(
        any(mallopt(parameter, value) == 1 for value in values) for parameter, values in _SETTINGS
    )
