"""Comparing the speed of competitors on a noisy machine: they take turns, and ratios are paired.

- `Competitor`: a process of its own that has one job prepared and runs it when its turn comes.
- `take_turns`: several competitors, several turns each; the times, turn by turn.
- `paired_ratio`: the median of the ratios turn by turn, with its quartiles.

Whatever slows the machine down for a while slows down all who run in that while; a ratio taken
within one round is therefore steadier than a ratio of two averages. Between turns there is a pause,
because the threads of an idle BLAS keep a core busy for about a tenth of a second after their last
call.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

PAUSE = 0.15  # seconds between turns
TURN = 0.25  # seconds that a turn lasts at least
WARM_UP = 5  # calls before anything is timed


class Competitor:
    """A process that calls `prepare(*arguments)` once, and in its turns what that returned."""

    def __init__(
        self, name: str, prepare: Callable[..., Callable[[], Any]], *arguments: Any
    ) -> None:
        self.name = name
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, prepare, arguments), daemon=True
        )
        self._process.start()
        self.megabytes = 0.0
        self._receive()

    def turn(self) -> float:
        """Seconds per call, the median over one turn."""
        self._connection.send("turn")
        seconds, self.megabytes = self._receive()
        return float(seconds)

    def close(self) -> None:
        """End the process."""
        self._connection.send("end")
        self._process.join()

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError:
            raise RuntimeError(f"{self.name}: its process died; the reason is above") from None


def _serve(connection: Connection, prepare: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    call = prepare(*arguments)
    before = _peak_megabytes()
    for _ in range(WARM_UP):
        call()
    connection.send("ready")
    while connection.recv() == "turn":
        seconds = []
        end = time.perf_counter() + TURN
        while not seconds or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        connection.send((statistics.median(seconds), _peak_megabytes() - before))


def _peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def take_turns(competitors: list[Competitor], rounds: int) -> dict[str, list[float]]:
    """Seconds per call of every competitor, one entry per round."""
    times: dict[str, list[float]] = {competitor.name: [] for competitor in competitors}
    for round_number in range(rounds):
        # Another one begins each time, so that no one always follows the same other.
        first = round_number % len(competitors)
        for competitor in competitors[first:] + competitors[:first]:
            time.sleep(PAUSE)
            times[competitor.name].append(competitor.turn())
    return times


def paired_ratio(theirs: list[float], ours: list[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile of theirs / ours, round by round. Above 1: we are faster."""
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    if len(ratios) < 2:
        return ratios[0], ratios[0], ratios[0]
    lower, median, upper = statistics.quantiles(ratios, n=4, method="inclusive")
    return median, lower, upper
