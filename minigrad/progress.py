"""Showing how a long run goes: a bar on a terminal (tqdm), plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")


class Progress:
    """One display for a run: `bar` around a loop, `show` in it, `line` between loops.

    The bar is on standard error and only if that is a terminal; lines are on standard output.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.enabled = enabled
        self._bar: Any = None

    def bar(self, items: Iterable[Item], label: str) -> Generator[Item, None, None]:
        """The items, with a bar that follows where there is a terminal; `close()` takes it away."""
        if not (self.enabled and sys.stderr.isatty()):
            yield from items
            return
        from tqdm import tqdm

        with tqdm(items, desc=label, leave=False, dynamic_ncols=True, unit="batch") as self._bar:
            try:
                yield from self._bar
            finally:
                self._bar = None

    def show(self, values: dict[str, float]) -> None:
        """Put numbers beside the bar."""
        if self._bar is not None:
            # Without refresh the bar redraws at its own pace, which is not once per batch.
            self._bar.set_postfix(
                {name: f"{value:.4f}" for name, value in values.items()}, refresh=False
            )

    def line(self, text: str) -> None:
        """A line of its own."""
        if self.enabled:
            print(text, flush=True)
