"""minigrad against its peers, net by net and batch by batch: `compare`, a whole program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .nets import BATCHES, NETS
from .report import Table, installed, milliseconds, parser, print_machine, write_json
from .turns import Job, Result, compete, paired_ratio


def compare(
    program: str, doc: str | None, jobs: dict[str, Job], arguments: Sequence[str] | None
) -> None:
    """Measure and print.

    Args:
        program: its name.
        doc: what it says of itself.
        jobs: name -> (prepare, *more), to be called as `prepare(net, batch, *more)`.
        arguments: of the command line.
    """
    options = parser(program, doc, rounds=7)
    options.add_argument("--nets", nargs="+", choices=tuple(NETS), default=list(NETS))
    options.add_argument("--batches", nargs="+", type=int, default=list(BATCHES), metavar="N")
    given = options.parse_args(arguments)

    jobs = installed(jobs)
    rivals = list(dict.fromkeys(_family(name) for name in jobs if name != "minigrad"))
    print_machine()
    print("Ratios are the peer's time / minigrad's, round by round: above 1 minigrad is faster.")
    if "PyTorch" in rivals:
        print("PyTorch is the better of its two memory formats; * marks channels last.")
    members = " / ".join(["minigrad", *rivals])
    print(f"Memory in MiB, beyond what is resident before the first call: {members}.")
    if "JAX" in rivals:
        print("JAX compiles in the first call; its memory is the compiler's too.")
    print()
    table = Table(
        *("net        ", "batch", "minigrad ms", "images/s"),
        *(title for rival in rivals for title in (f"{rival} ms  ", "ratio [quartiles]")),
        *("           peak", "         growth"),
    )
    rows = []
    for net in given.nets:
        for batch in given.batches:
            contest = {
                name: (prepare, net, batch, *more) for name, (prepare, *more) in jobs.items()
            }
            results = compete(contest, given.rounds)
            best = {rival: better(results, rival) for rival in rivals}
            rows.append(_numbers(net, batch, results, best))
            table.row(*_cells(net, batch, results, best))
    write_json(given.json, rows)


def _family(name: str) -> str:
    """The peer of which there may be several formats: what stands before the comma."""
    return name.partition(",")[0]


def better(results: dict[str, Result], rival: str) -> str:
    """Which of the rival's formats takes less time, by name."""
    return min(
        (name for name in results if _family(name) == rival), key=lambda name: results[name].median
    )


def _numbers(
    net: str, batch: int, results: dict[str, Result], best: dict[str, str]
) -> dict[str, Any]:
    """A row for the file."""
    ours = results["minigrad"].seconds
    ratios = {
        rival: {"format": name, **paired_ratio(results[name].seconds, ours)._asdict()}
        for rival, name in best.items()
    }
    measured = {name: result._asdict() for name, result in results.items()}
    return {"net": net, "batch": batch, "ratios": ratios, "competitors": measured}


def _cells(net: str, batch: int, results: dict[str, Result], best: dict[str, str]) -> list[str]:
    """A row for the table."""
    ours = results["minigrad"]
    cells = [net, str(batch), milliseconds(ours.median), f"{batch / ours.median:,.0f}"]
    for rival, name in best.items():
        time = milliseconds(results[name].median)
        cells += [
            time + " *"[name != rival],
            str(paired_ratio(results[name].seconds, ours.seconds)),
        ]
    compared = [ours, *(results[name] for name in best.values())]
    cells.append(" / ".join(f"{result.peak:.0f}" for result in compared))
    cells.append(" / ".join(f"{result.growth:.0f}" for result in compared))
    return cells
