"""What all benchmarks share beside the measuring: options, tables, and the file of results."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

# Who takes part, and the module that must be there for it.
PEERS = {
    "minigrad": "minigrad",
    "PyTorch": "torch",
    "PyTorch, channels last": "torch",
    "JAX": "jax",
    "scipy.signal": "scipy",
}
# What changes minigrad's speed from outside.
SWITCHES = ("MINIGRAD_FAST_PATHS", "MINIGRAD_KEEP_MEMORY")
_T = TypeVar("_T")


def installed(jobs: Mapping[str, _T]) -> dict[str, _T]:
    """The jobs, by name, of those who are installed; of a name unknown here it is assumed."""
    return {
        name: job
        for name, job in jobs.items()
        if name not in PEERS or importlib.util.find_spec(PEERS[name])
    }


def parser(name: str, doc: str | None, rounds: int) -> argparse.ArgumentParser:
    """The options that every program has: --rounds and --json."""
    options = argparse.ArgumentParser(
        prog=f"python -m tests.benchmarks.{name}", description=(doc or "").partition("\n")[0]
    )
    options.add_argument(
        "--rounds", type=int, default=rounds, metavar="N", help=f"turns of everybody; {rounds}"
    )
    options.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    return options


def machine() -> dict[str, Any]:
    """What numbers depend on beside the code: processor, environment, versions."""
    blas: dict[str, Any] = np.show_config(mode="dicts")["Build Dependencies"]["blas"]  # type: ignore
    modules = [name for name in ("torch", "jax", "scipy") if importlib.util.find_spec(name)]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "environment": " ".join(
            f"{name}={value}"
            for name, value in sorted(os.environ.items())
            if name.endswith("_NUM_THREADS") or name in SWITCHES
        ),
        "python": platform.python_version(),
        "numpy": f"{np.__version__} with {blas.get('name')} {blas.get('version')}",
        **{name: importlib.metadata.version(name) for name in modules},
    }


def _processor() -> str:
    """The processor's name; where the system does not say it, its kind."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def print_machine() -> None:
    """One line of it."""
    print("; ".join(f"{key} {value}" for key, value in machine().items() if value), end="\n\n")


def write_json(path: Path | None, results: Any) -> None:
    """The results, and the machine they were measured on, if there is a path."""
    if path is not None:
        text = json.dumps({"machine": machine(), "results": results}, indent=1)
        path.write_text(text + "\n")


class Table:
    """Text in columns, a row printed as soon as it is there, for measuring takes its time.

    The first column is left-aligned, the others right-aligned. A column is as wide as its title;
    titles are padded with spaces where cells need more.
    """

    def __init__(self, *titles: str) -> None:
        self._widths = [len(title) for title in titles]
        self.row(*titles)
        print("-" * (sum(self._widths) + 2 * (len(titles) - 1)))

    def row(self, *cells: str) -> None:
        """Print a row."""
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, self._widths, strict=True))
        )
        print("  ".join([first, *others]).rstrip(), flush=True)


def digits(value: float) -> str:
    """A number with three significant digits, and all of those before the point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def milliseconds(seconds: float) -> str:
    """With three significant digits."""
    return digits(1e3 * seconds)
