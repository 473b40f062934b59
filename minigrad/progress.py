"""Showing how a long run goes: a bar on a terminal (tqdm), plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable
from typing import Any, TextIO, TypeVar

Item = TypeVar("Item")


class Progress:
    """One display for a run: `bar` around a loop, `show` in it, `line` between loops.

    The bar is on standard error and only if that is a terminal; lines are on standard output.

    Args:
        enabled: show anything at all.
        terminal: for the bar instead of standard error, where another process stands between.
    """

    def __init__(self, enabled: bool = True, terminal: TextIO | None = None) -> None:
        self.enabled = enabled
        self._terminal = terminal
        # A line that goes through that other process should be there before the next bar is.
        self._delay = 0.0 if terminal is None else 0.5
        self._bar: Any = None

    def bar(self, items: Iterable[Item], label: str) -> Generator[Item, None, None]:
        """The items, with a bar that follows where there is a terminal; `close()` takes it away."""
        terminal = self._terminal or sys.stderr
        if not (self.enabled and terminal.isatty()):
            yield from items
            return
        from tqdm import tqdm

        with tqdm(
            items,
            desc=label,
            file=terminal,
            delay=self._delay,
            leave=False,
            dynamic_ncols=True,
            unit="batch",
        ) as self._bar:
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
