"""Comparing the speed of competitors on a noisy machine: they take turns, and ratios are paired.

- `compete`: jobs by name, each in a process of its own; what each of them took and needed.
- `Competitor`: a process of its own that has one job prepared and runs it when its turn comes.
- `take_turns`: several competitors, several turns each; the times, turn by turn.
- `paired_ratio`: the median of the ratios turn by turn, with its quartiles.

Whatever slows the machine down for a while slows down all who run in that while; a ratio taken
within one round is therefore steadier than a ratio of two averages. Between turns there is a pause,
because the threads of an idle BLAS keep a core busy for about a tenth of a second after their last
call.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from unittest import mock

PAUSE = 0.15  # seconds between turns
TURN = 0.25  # seconds that a turn lasts at least
WARM_UP = 5  # calls before anything is timed

# What tells the libraries of linear algebra, and PyTorch, how many threads to use.
THREADS = (
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

# A function that prepares a job and returns the call to be timed, and its arguments.
Job = tuple[Any, ...]


class Result(NamedTuple):
    """What a competitor took: seconds per call, round by round, and memory in MiB.

    Both are counted from what was resident before the first call: `peak` is the most that ever was,
    `growth` what still is after the last call. They are nan where there is no /proc.
    """

    seconds: list[float]
    peak: float
    growth: float

    @property
    def median(self) -> float:
        """Seconds per call, the median of the rounds."""
        return statistics.median(self.seconds)


def compete(jobs: Mapping[str, Job], rounds: int, threads: int | None = None) -> dict[str, Result]:
    """Have all jobs take turns, each in a process of its own, with so many threads if given."""
    with contextlib.ExitStack() as stack:
        competitors = []
        for name, (prepare, *arguments) in jobs.items():
            competitors.append(Competitor(name, prepare, *arguments, threads=threads))
            stack.callback(competitors[-1].close)
        times = take_turns(competitors, rounds)
    return {each.name: Result(times[each.name], each.peak, each.growth) for each in competitors}


class Competitor:
    """A process that calls `prepare(*arguments)` once, and in its turns what that returned."""

    def __init__(
        self,
        name: str,
        prepare: Callable[..., Callable[[], Any]],
        *arguments: Any,
        threads: int | None = None,
    ) -> None:
        self.name = name
        self.peak = self.growth = math.nan  # MiB; known after each turn
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, prepare, arguments), daemon=True
        )
        with _environment(threads):
            self._process.start()
        theirs.close()  # it is the process's alone, so that its end is noticed here
        self._receive()

    def turn(self) -> float:
        """Seconds per call, the median over one turn."""
        self._connection.send(TURN)
        seconds, self.peak, self.growth = self._receive()
        return float(seconds)

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # it died before
            self._connection.send(None)
        self._process.join()
        self._connection.close()

    def _receive(self) -> Any:
        try:
            return self._connection.recv()
        except EOFError:
            raise RuntimeError(f"{self.name}: its process died; the reason is above") from None


@contextlib.contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """What a process started in the meantime inherits."""
    with mock.patch.dict(os.environ, with_threads(threads)):
        yield


def with_threads(threads: int | None) -> dict[str, str]:
    """The environment variables that give a process so many threads; none to let it choose."""
    return dict.fromkeys(THREADS, str(threads)) if threads else {}


def _serve(connection: Connection, prepare: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    call = prepare(*arguments)
    _forget_peak()
    before = _memory("VmRSS")
    for _ in range(WARM_UP):
        call()
    connection.send("ready")
    while (lasting := connection.recv()) is not None:
        seconds = []
        end = time.perf_counter() + lasting
        while not seconds or time.perf_counter() < end:
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        memory = _memory("VmHWM") - before, _memory("VmRSS") - before
        connection.send((statistics.median(seconds), *memory))


def _forget_peak() -> None:
    """Let the peak of resident memory start anew: importing a library may have needed more."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _memory(name: str) -> float:
    """Resident memory of this process in MiB: VmRSS now, VmHWM at its peak."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) / 1024
    return math.nan


class TakesTurns(Protocol):
    """What competes: a name, and seconds per call when its turn comes."""

    name: str

    def turn(self) -> float:
        """Seconds per call, the median over one turn."""


def take_turns(competitors: Sequence[TakesTurns], rounds: int) -> dict[str, list[float]]:
    """Seconds per call of every competitor, one entry per round."""
    times: dict[str, list[float]] = {competitor.name: [] for competitor in competitors}
    for round_number in range(rounds):
        # Another one begins each time, so that no one always follows the same other.
        first = round_number % len(competitors)
        for competitor in [*competitors[first:], *competitors[:first]]:
            time.sleep(PAUSE)
            times[competitor.name].append(competitor.turn())
    return times


class Spread(NamedTuple):
    """A median and the quartiles on both sides of it."""

    median: float
    lower: float
    upper: float

    def __str__(self) -> str:
        return f"{self.median:.2f} [{self.lower:.2f}, {self.upper:.2f}]"


def spread(values: Sequence[float]) -> Spread:
    """Median, lower and upper quartile."""
    if len(values) < 2:
        return Spread(values[0], values[0], values[0])
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, lower, upper)


def paired_ratio(theirs: Sequence[float], ours: Sequence[float]) -> Spread:
    """Of theirs / ours, round by round. Above 1: we are faster."""
    return spread([their / our for their, our in zip(theirs, ours, strict=True)])
