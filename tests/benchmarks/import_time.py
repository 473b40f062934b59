"""What `import minigrad` takes beyond `import numpy`, and where it goes.

    python -m tests.benchmarks.import_time
    python -m tests.benchmarks.import_time --rounds 41 --top 30 --json FILE

Times are of whole processes that import and end. They take turns, and the difference is taken
round by round. All modules are compiled before, into a directory of the program's own, as they are
where a package is installed. The list below is Python's own, `-X importtime`, of what is imported
after NumPy; it makes every import a little slower.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .report import Table, digits, milliseconds, parser, print_machine, write_json
from .turns import compete, spread

ROOT = Path(__file__).parents[2]
STATEMENTS = {"nothing": "pass", "numpy": "import numpy", "minigrad": "import minigrad"}
MARK = "NumPy is there"


class Import(NamedTuple):
    """Microseconds that a module took, alone and with what it imported."""

    module: str
    alone: int
    cumulative: int


def python(*arguments: str, compiled: str) -> str:
    """Run Python in the clone; `compiled` is where compiled modules are. Returns what it says."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, check=True, cwd=ROOT, env=environment, text=True, stderr=subprocess.PIPE
    )
    return done.stderr


def running(statement: str, compiled: str) -> Callable[[], Any]:
    """A process that executes the statement, from its start to its end."""
    return lambda: python("-c", statement, compiled=compiled)


def imports(compiled: str) -> list[Import]:
    """What `import minigrad` imports after NumPy, the slowest first."""
    program = f"import sys, numpy; print({MARK!r}, file=sys.stderr, flush=True); import minigrad"
    listed = python("-X", "importtime", "-c", program, compiled=compiled)
    found = []
    for line in listed.partition(MARK)[2].strip().splitlines():
        alone, cumulative, module = line.removeprefix("import time:").split("|")
        found.append(Import(module.strip(), int(alone), int(cumulative)))
    return sorted(found, key=lambda each: each.alone, reverse=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the times, the difference and the list."""
    options = parser("import_time", __doc__, rounds=21)
    options.add_argument("--top", type=int, default=15, metavar="N", help="lines of the list; 15")
    given = options.parse_args(arguments)

    print_machine()
    with tempfile.TemporaryDirectory() as compiled:
        jobs = {name: (running, statement, compiled) for name, statement in STATEMENTS.items()}
        results = compete(jobs, given.rounds)
        found = imports(compiled)
    table = Table("process that imports", "    ms")
    for name, result in results.items():
        table.row(name, milliseconds(result.median))
    pairs = zip(results["minigrad"].seconds, results["numpy"].seconds, strict=True)
    difference = spread([1e3 * (ours - numpys) for ours, numpys in pairs])
    print(f"\nminigrad beyond numpy: {difference} ms, median and quartiles\n")

    table = Table(f"{'after numpy':<36}", "ms alone", "cumulative")
    for each in found[: given.top]:
        table.row(each.module, digits(each.alone / 1e3), digits(each.cumulative / 1e3))
    print(f"\n{len(found)} modules, {sum(each.alone for each in found) / 1e3:.1f} ms in all")
    numbers = {
        "seconds": {name: result.seconds for name, result in results.items()},
        "difference_ms": difference._asdict(),
        "imports": [each._asdict() for each in found],
    }
    write_json(given.json, numbers)


if __name__ == "__main__":
    main()
