"""Functions called along the way: `Hooks` holds them, a `HookHandle` takes one off again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

_next_key = itertools.count().__next__


class Hooks:
    """Functions to call, in the order in which they were added. Neither copied nor pickled."""

    def __init__(self) -> None:
        # By key and not by handle, which points here: that would be a reference cycle.
        self._functions: dict[int, Callable[..., Any]] = {}

    def add(self, where: str, function: Callable[..., Any]) -> HookHandle:
        """Add a function; `where` is the method that a TypeError speaks of, if it is none."""
        if not callable(function):
            raise TypeError(
                f"{where}: hook={function!r} of type {type(function).__name__} is not callable"
            )
        key = _next_key()
        self._functions[key] = function
        return HookHandle(self, key)

    def discard(self, key: int) -> None:
        """Remove the function with this key, if it is still there."""
        self._functions.pop(key, None)

    def __bool__(self) -> bool:
        return bool(self._functions)

    def __iter__(self) -> Iterator[Callable[..., Any]]:
        return iter(list(self._functions.values()))  # a hook may remove itself

    def __reduce__(self) -> Any:
        return Hooks, ()


class HookHandle:
    """Stands for one registered hook."""

    def __init__(self, hooks: Hooks, key: int) -> None:
        self._hooks = hooks
        self._key = key

    def remove(self) -> None:
        """Take the hook off; doing it twice does nothing."""
        self._hooks.discard(self._key)
