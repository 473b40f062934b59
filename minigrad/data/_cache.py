r"""Where downloaded and drawn data are kept between runs: `cache_dir`."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    r"""The folder that the environment variable MINIGRAD_CACHE names, or the system's usual place.

    The usual place is `~/.cache/minigrad` on Linux, `~/Library/Caches/minigrad` on macOS and
    `AppData\Local\minigrad\minigrad\Cache` on Windows. The folder need not exist yet. Everything in
    it may be deleted at any time: it is made or downloaded again when it is needed.
    """
    named = os.environ.get("MINIGRAD_CACHE")
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("minigrad"))
