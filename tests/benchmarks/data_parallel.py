"""Training steps shared by the processes of an MPI job, against one process and PyTorch.

    python -m tests.benchmarks.data_parallel
    python -m tests.benchmarks.data_parallel --parts steps --nets lenet5 --batches 64 --ranks 2
    python -m tests.benchmarks.data_parallel --plot FILE --json FILE

Three parts:

- steps: a whole training step (forward, loss, backward, exchange of gradients, Adam) at a fixed
  batch, by one process and by several, each of one thread. PyTorch uses all cores in one process,
  in the better of its two memory formats. And what of the step the exchange takes.
- sums: how long ranks take to add up arrays, over their size.
- prediction: how efficient up to 1,024 ranks would be. It is computed, not measured: from the
  steps of one process over batch sizes and the sums of two, which are, and a model of a network.

It needs the extra `mpi`, and PyTorch (extra `bench`) for the comparison.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minigrad.distributed.sums import SMALL

from .nets import NETS, minigrad_net
from .ranks import SUMS, Job
from .report import Table, digits, installed, milliseconds, parser, print_machine, write_json
from .train_step import torch_step
from .turns import Competitor, TakesTurns, paired_ratio, spread, take_turns

PARTS = ("steps", "sums", "prediction")
PEERS = {"PyTorch": (torch_step, False), "PyTorch, channels last": (torch_step, True)}


# --- steps ----------------------------------------------------------------------------------------


def steps(
    nets: Sequence[str], batches: Sequence[int], size: int, rounds: int
) -> list[dict[str, Any]]:
    """Measure and print: a row for each network and batch."""
    table = Table(
        *("net        ", "batch", "1 rank ms", f"{size} ranks ms", "1 rank / ranks [quartiles]"),
        *("exchange us", "share", "PyTorch ms  ", "PyTorch / ranks [quartiles]"),
    )
    rows = []
    for net in nets:
        for batch in batches:
            times, exchange = _compete(net, batch, size, rounds)
            one, ours = times["1 rank"], times[f"{size} ranks"]
            peers = {name: spread(times[name]).median for name in PEERS if name in times}
            cells = ["", ""]
            if peers:
                best = min(peers, key=peers.__getitem__)
                cells = [
                    milliseconds(peers[best]) + " *"[best != "PyTorch"],
                    str(paired_ratio(times[best], ours)),
                ]
            median = spread(ours).median
            table.row(
                *(net, str(batch), milliseconds(spread(one).median), milliseconds(median)),
                *(str(paired_ratio(one, ours)), digits(1e6 * exchange)),
                *(f"{exchange / median:.0%}", *cells),
            )
            rows.append({"net": net, "batch": batch, "seconds": times, "exchange": exchange})
    print()
    return rows


def _compete(net: str, batch: int, size: int, rounds: int) -> tuple[dict[str, list[float]], float]:
    """Seconds per step of all competitors, round by round, and of the exchange within a step."""
    with contextlib.ExitStack() as stack:
        jobs = [Job(1, net, batch), Job(size, net, batch)]
        peers = [
            Competitor(name, prepare, net, batch, *more)
            for name, (prepare, *more) in installed(PEERS).items()
        ]
        for each in (*jobs, *peers):
            stack.callback(each.close)
        competitors: list[TakesTurns] = [*jobs, *peers]
        times = take_turns(competitors, rounds)
        exchange = spread([jobs[1].measure("exchange") for _ in range(rounds)]).median
    return times, exchange


# --- sums -----------------------------------------------------------------------------------------


def sums(size: int, rounds: int) -> dict[int, list[float]]:
    """Seconds of a sum over ranks: number of ranks -> of each number of bytes in `SUMS`."""
    table = Table("ranks", *(f"{_bytes(count):>8}" for count in SUMS))
    found = {}
    for ranks in sorted({2, size}):
        job = Job(ranks, "tiny8-16", ranks)
        with contextlib.closing(job):
            found[ranks] = [
                spread([job.measure(f"sum {count}") for _ in range(rounds)]).median
                for count in SUMS
            ]
        table.row(str(ranks), *(f"{digits(1e6 * seconds)} us" for seconds in found[ranks]))
    print()
    return found


def _bytes(count: int) -> str:
    """16384 -> 16 KiB."""
    for unit in ("B", "KiB"):
        if count < 1024:
            return f"{count} {unit}"
        count //= 1024
    return f"{count} MiB"


# --- prediction -----------------------------------------------------------------------------------
#
# In an exchange between n ranks each sends a message to every other one. By the LogGP model
# (Alexandrov et al., 1995) it takes
#     latency + (n - 1) * overhead + (n - 1) * bytes of a message / bandwidth.
# A sum is two exchanges of messages that are an n-th of the array, or of a small array one of all
# of it. A step makes two sums: of the sizes of the parts, and of the gradients.


class Link(NamedTuple):
    """What connects ranks, in seconds and bytes per second."""

    latency: float  # of a message of no size, from rank to rank
    overhead: float  # of the processor, for each message
    bandwidth: float  # of one rank, when all of them send

    def seconds(self, ranks: int, count: int) -> float:
        """Of a sum of so many bytes."""
        others = ranks - 1
        start = self.latency + others * self.overhead
        if count * ranks <= SMALL:
            return start + others * count / self.bandwidth
        return 2 * (start + others * count / ranks / self.bandwidth)


PART_SIZE = 8  # bytes, of the number that says how large a part is
RANKS_PER_MACHINE = 16  # they share its network
OVERHEAD = 0.5e-6  # of one message; a common value, not measured
# Typical of what clusters have: 10 Gbit/s Ethernet, and 100 Gbit/s InfiniBand.
NETWORKS = {
    "Ethernet, 10 Gbit/s": Link(20e-6, OVERHEAD, 1.2e9 / RANKS_PER_MACHINE),
    "InfiniBand, 100 Gbit/s": Link(1.5e-6, OVERHEAD, 12e9 / RANKS_PER_MACHINE),
}
RANKS = [2**power for power in range(1, 11)]
SHARE = 64  # images per rank and step, where the batch grows with the ranks
FIXED = 4096  # images in a batch that all ranks share


def link_in_memory(measured: Sequence[float]) -> Link:
    """The link between two ranks of one machine that fits the sums measured, best as a ratio."""
    sizes, seconds = np.array(SUMS, float), np.array(measured)
    # seconds = exchanges * start + bytes / bandwidth; every row divided by its seconds
    exchanges = np.where(2 * sizes <= SMALL, 1, 2)
    columns = np.stack([exchanges, sizes], axis=1) / seconds[:, None]
    start, per_byte = np.linalg.lstsq(columns, np.ones(len(sizes)), rcond=None)[0]
    return Link(max(start, OVERHEAD) - OVERHEAD, OVERHEAD, 1 / per_byte)


class Work(NamedTuple):
    """What a step takes one process, in seconds; and what ranks have to tell each other."""

    per_step: float
    per_image: float
    gradients: int  # bytes
    handling: float  # of the gradients before and after their sum: laying them end to end and back

    def alone(self, images: float) -> float:
        """Of a step without an exchange."""
        return self.per_step + images * self.per_image

    def shared(self, images: float, ranks: int, link: Link) -> float:
        """Of a step with so many images on each rank."""
        sums = link.seconds(ranks, PART_SIZE) + link.seconds(ranks, self.gradients)
        return self.alone(images) + self.handling + sums


def measure_work(net: str, memory: Link, rounds: int) -> Work:
    """From the steps of one process at two batch sizes, and the exchange between two ranks."""
    few, many = 1, SHARE
    jobs = [Job(1, net, few), Job(1, net, many), Job(2, net, many)]
    with contextlib.ExitStack() as stack:
        for job in jobs:
            stack.callback(job.close)
        least, most = (spread([job.turn() for _ in range(rounds)]).median for job in jobs[:2])
        exchange = spread([jobs[2].measure("exchange") for _ in range(rounds)]).median
    per_image = (most - least) / (many - few)
    gradients = sum(4 * parameter.size for parameter in minigrad_net(net).parameters())
    handling = max(0.0, exchange - memory.seconds(2, PART_SIZE) - memory.seconds(2, gradients))
    return Work(least - few * per_image, per_image, gradients, handling)


def efficiencies(work: Work, memory: Link, network: Link) -> dict[str, list[float]]:
    """The time of one process over the time that all ranks together spend, for all of `RANKS`."""

    def shared(ranks: int, images: float) -> float:
        return work.shared(images, ranks, memory if ranks <= RANKS_PER_MACHINE else network)

    return {
        f"{SHARE} images per rank": [work.alone(SHARE) / shared(n, SHARE) for n in RANKS],
        f"{FIXED:,} images in all": [work.alone(FIXED) / n / shared(n, FIXED / n) for n in RANKS],
    }


def prediction(
    nets: Sequence[str], sums_of_two: Sequence[float], rounds: int
) -> list[dict[str, Any]]:
    """Measure one process, compute the rest, print it: a row for each batch, net and network."""
    memory = link_in_memory(sums_of_two)
    print(
        "Predicted, not measured: the efficiency of so many ranks. Within a machine, of up to "
        f"{RANKS_PER_MACHINE}, {1e6 * (memory.latency + memory.overhead):.1f} us for a message and "
        f"{memory.bandwidth / 1e9:.1f} GB/s, which fits the sums best; beyond, a network:"
    )
    for name, link in NETWORKS.items():
        print(
            f"  {name}: {1e6 * link.latency:g} us, {RANKS_PER_MACHINE * link.bandwidth / 1e9:g} "
            f"GB/s for the {RANKS_PER_MACHINE} ranks of a machine, {1e6 * OVERHEAD:g} us a message"
        )
    rows = []
    for net in nets:
        work = measure_work(net, memory, rounds)
        for name, network in NETWORKS.items():
            for batch, values in efficiencies(work, memory, network).items():
                rows.append({"net": net, "network": name, "batch": batch, "efficiency": values})
    for batch in dict.fromkeys(row["batch"] for row in rows):
        print(f"\n{batch}")
        table = Table("net        ", f"{'network':22}", *(f"{ranks:>5,}" for ranks in RANKS))
        for row in rows:
            if row["batch"] == batch:
                table.row(row["net"], row["network"], *(f"{e:.0%}" for e in row["efficiency"]))
    print()
    return rows


# --- the picture ----------------------------------------------------------------------------------


def plot(path: Path, found: dict[str, Any]) -> None:
    """The speed measured beside PyTorch's, and the efficiency predicted."""
    from minigrad.viz.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, finish, new_figure

    figure = new_figure(11, 4.2)
    left, right = figure.subplots(1, 2)
    rows = found["steps"]
    several = next(name for name in rows[0]["seconds"] if name.endswith("ranks"))
    for offset, name, color in ((-0.2, "1 rank", GREY), (0.2, several, BLUE)):
        speeds = [
            min(spread(row["seconds"][peer]).median for peer in PEERS)
            / spread(row["seconds"][name]).median
            for row in rows
        ]
        places = [place + offset for place in range(len(rows))]
        left.bar(places, speeds, 0.4, color=color, label=name)
    left.axhline(1, color=ORANGE, label="PyTorch on all cores")
    left.set_xticks(range(len(rows)), _labels(rows), fontsize=8)
    left.set(title="Measured: speed of a training step", ylabel="PyTorch's time / minigrad's")
    left.set_xlabel("images in a batch")
    left.set_ylim(0, 1.4 * left.get_ylim()[1])  # room for the legend
    left.legend(frameon=False)

    nets = dict.fromkeys(row["net"] for row in found["prediction"])
    colors = dict(zip(nets, (BLUE, GREEN, PURPLE, RED, ORANGE), strict=False))
    for row in found["prediction"]:
        if row["batch"] == found["prediction"][0]["batch"]:
            dashed = row["network"] == next(iter(NETWORKS))
            right.plot(
                RANKS,
                [100 * value for value in row["efficiency"]],
                "--" if dashed else "-",
                color=colors[row["net"]],
                label=f"{row['net']}, {row['network'].partition(',')[0]}",
            )
    right.set_xscale("log", base=2)
    right.set_xticks(RANKS[::3], [f"{ranks:,}" for ranks in RANKS[::3]])
    right.set_ylim(0, 105)
    right.axvline(RANKS_PER_MACHINE, color=GREY, linewidth=0.8, linestyle=":")
    right.set(
        title=f"Predicted: efficiency at {SHARE} images per rank",
        xlabel=f"ranks ({RANKS_PER_MACHINE} per machine)",
        ylabel="% of as many single processes",
    )
    right.legend(frameon=False, fontsize=7)
    finish(figure, path)


def _labels(rows: list[dict[str, Any]]) -> list[str]:
    """The batch of every row, and under the middle one of a network its name."""
    nets = [row["net"] for row in rows]
    labels = [str(row["batch"]) for row in rows]
    for net in dict.fromkeys(nets):
        middle = nets.index(net) + (nets.count(net) - 1) // 2
        labels[middle] += f"\n{net}"
    return labels


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the parts asked for."""
    options = parser("data_parallel", __doc__, rounds=5)
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options.add_argument("--nets", nargs="+", choices=tuple(NETS), default=list(NETS))
    options.add_argument("--batches", nargs="+", type=int, default=[32, 64, 128], metavar="N")
    options.add_argument(
        "--ranks", type=int, default=os.cpu_count() or 1, metavar="N", help="one per core"
    )
    options.add_argument("--plot", type=Path, metavar="FILE", help="draw what all parts found")
    given = options.parse_args(arguments)
    if given.plot and set(given.parts) != set(PARTS):
        options.error("argument --plot: the picture needs all parts")
    if given.plot and not installed(PEERS):
        options.error("argument --plot: the picture shows PyTorch, which is not installed")
    if given.ranks < 2:
        options.error("argument --ranks: at least 2")

    print_machine()
    found: dict[str, Any] = {}
    if "steps" in given.parts:
        found["steps"] = steps(given.nets, given.batches, given.ranks, given.rounds)
    if "sums" in given.parts or "prediction" in given.parts:
        found["sums"] = sums(given.ranks, given.rounds)
    if "prediction" in given.parts:
        found["prediction"] = prediction(given.nets, found["sums"][2], given.rounds)
    if given.plot:
        plot(given.plot, found)
    write_json(given.json, found)


if __name__ == "__main__":
    main()
