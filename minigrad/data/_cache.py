"""Where downloaded and drawn data are kept between runs: `cache_dir`."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """The folder of the user's cache: the environment variable MINIGRAD_CACHE, or the system's usual place.

    The usual place is `~/.cache/minigrad` on Linux, `~/Library/Caches/minigrad` on macOS and
    `AppData\\Local\\minigrad\\Cache` on Windows. The folder need not exist yet. Everything in it can be
    deleted at any time and is made or downloaded again when it is needed.
    """
    named = os.environ.get("MINIGRAD_CACHE")
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("minigrad"))
