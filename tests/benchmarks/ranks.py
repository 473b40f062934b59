"""A job of several processes that share a training step, to be measured: `Job`.

    mpiexec -n 2 python -m tests.benchmarks.ranks lenet5 64

is the program that its ranks run. Rank 0 is told over standard input what to do and how often, and
answers over standard output with the seconds it took. In between all ranks sleep, for a rank that
waits in MPI keeps its core busy.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from . import turns
from .nets import examples, minigrad_net
from .train_step import LEARNING_RATE

SUMS = [4**power for power in range(2, 13)]  # bytes, from 16 to 16 MiB
ASLEEP = 0.001  # seconds between two looks of a rank that waits for an order


class Job:
    """So many processes of one thread each, which take a training step of a network together."""

    def __init__(self, size: int, net: str, batch: int) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.ranks", net, str(batch)]
        if size > 1:
            command = [mpiexec(), "-n", str(size), *command]
        self.name = f"{size} rank{'s' if size > 1 else ''}"
        self._process = subprocess.Popen(
            command,
            env={**os.environ, **turns.with_threads(1)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._seconds: dict[str, float] = {}  # per call, of what was measured before

    def turn(self) -> float:
        """Seconds per training step, the median over one turn."""
        return self.measure("step")

    def measure(self, what: str) -> float:
        """Seconds per call on rank 0, the median over one turn: see `calls_by_name`."""
        if what not in self._seconds:
            self._seconds[what] = self._order(what, turns.WARM_UP)
        self._seconds[what] = self._order(what, max(1, math.ceil(turns.TURN / self._seconds[what])))
        return self._seconds[what]

    def _order(self, what: str, count: int) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it died, and has no answer either
            print(json.dumps([what, count]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name}: the job died; the reason is above")
        return float(answer)

    def close(self) -> None:
        """End it."""
        self._process.communicate()  # closes its standard input, which is the last order


def mpiexec() -> str:
    """The launcher: the one beside this Python, where the extra `mpi` puts it, or on the path.

    Raises FileNotFoundError where there is none.
    """
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if launcher := shutil.which("mpiexec", path=places):
        return launcher
    raise FileNotFoundError('there is no mpiexec; pip install ".[mpi]" brings one')


# --- in the job -----------------------------------------------------------------------------------


def calls_by_name(net: str, batch: int) -> dict[str, Callable[[], Any]]:
    """What can be measured.

    Returns:
        "step": a training step of which this rank has its part, the batch being shared by all.
        "exchange": of that step, what ranks tell each other: the size of their parts, gradients.
        "sum N": a sum of N bytes over ranks, for the numbers in `SUMS`.
    """
    import minigrad as mg
    from minigrad import distributed, optim
    from minigrad import functional as F

    mg.manual_seed(0)
    model = minigrad_net(net)
    optimizer = distributed.DistributedOptimizer(optim.Adam(model.parameters(), lr=LEARNING_RATE))
    part = distributed.DistributedSampler().part(batch)
    x, y = (mg.Tensor(array[part]) for array in examples(net, batch))

    def step() -> None:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward(gradient=distributed.batch_share(len(y)))
        optimizer.step()

    def exchange() -> None:
        distributed.batch_share(len(y))
        distributed.all_reduce_gradients(optimizer.params)

    def sum_of(count: int) -> Callable[[], Any]:
        array = np.ones(count // 4, np.float32)
        return lambda: distributed.sum_over_ranks(array)

    step()  # so that there are gradients to exchange
    return {"step": step, "exchange": exchange, **{f"sum {n}": sum_of(n) for n in SUMS}}


def serve(net: str, batch: int) -> None:
    """Follow orders until there are none."""
    calls = calls_by_name(net, batch)
    while (order := next_order()) is not None:
        what, count = order
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            calls[what]()
            seconds.append(time.perf_counter() - start)
        answer(statistics.median(seconds))


def next_order() -> tuple[str, int] | None:
    """What to call and how often, the same on every rank; None at the end."""
    from minigrad.distributed.ranks import communicator

    comm = communicator()
    if comm is not None and comm.rank > 0:
        while not comm.Iprobe(source=0):
            time.sleep(ASLEEP)
        return comm.recv(source=0)
    line = sys.stdin.readline()
    order = tuple(json.loads(line)) if line else None
    for rank in range(1, comm.size if comm is not None else 1):
        comm.send(order, dest=rank)
    return order


def answer(seconds: float) -> None:
    """Rank 0 speaks for all: a step ends on all ranks at about the same time."""
    from minigrad import distributed

    if distributed.rank() == 0:
        print(seconds, flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
