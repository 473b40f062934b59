"""What an operator costs beside its arithmetic: microseconds per operator in chains on 10 numbers.

    python -m tests.benchmarks.op_overhead
    python -m tests.benchmarks.op_overhead --rounds 301 --json FILE

A chain of 1,000 operators is built forward, recorded, and then run backward; the time is divided
by 1,000. NumPy's column is the bare array operation. Where PyTorch is installed it does the same in
the same process, the two taking turns; the ratios are its time / ours, turn by turn: above 1 we are
faster. "add" is the number to watch, as there is least arithmetic in it to hide behind.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads

import numpy as np

import minigrad as mg

from .turns import paired_ratio

LENGTH = 1000  # operators in a chain
SIZE = 10  # numbers in a tensor

# What is done 1,000 times: x is the chain so far, y another tensor, w a matrix. All of it is
# written alike in NumPy, minigrad and PyTorch, but for relu.
CHAINS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "add": lambda x, y, w: x + y,
    "add, both recorded": lambda x, y, w: x + y,
    "multiply": lambda x, y, w: x * y,
    "multiply by a number": lambda x, y, w: x * 1.0,
    "negate": lambda x, y, w: -x,
    "relu": lambda x, y, w: x.relu() if hasattr(x, "relu") else np.maximum(x, 0),
    "reshape": lambda x, y, w: x.reshape(SIZE),
    "matrix product": lambda x, y, w: x @ w,
}


def chain(step: Callable[[Any, Any, Any], Any], x: Any, y: Any, w: Any) -> tuple[float, Any]:
    """Microseconds per operator, and the end of the chain."""
    start = time.perf_counter()
    for _ in range(LENGTH):
        x = step(x, y, w)
    return (time.perf_counter() - start) * 1e6 / LENGTH, x


def forward_and_backward(name: str, leaf: Callable[[np.ndarray, bool], Any]) -> tuple[float, float]:
    """Microseconds per operator of a library, whose leaves are made of (array, requires_grad)."""
    numbers = np.ones((1, SIZE) if name == "matrix product" else SIZE, np.float32)
    x, gradient = leaf(numbers, True), leaf(numbers, False)
    y = leaf(numbers, name == "add, both recorded")
    forward, end = chain(CHAINS[name], x, y, leaf(np.eye(SIZE, dtype=np.float32), False))
    if end.shape != gradient.shape:
        gradient = gradient.reshape(end.shape)
    start = time.perf_counter()
    end.backward(gradient)
    return forward, (time.perf_counter() - start) * 1e6 / LENGTH


def measure(name: str, rounds: int, libraries: dict[str, Any]) -> dict[str, list[float]]:
    """Microseconds per operator, round by round: NumPy's, and each library's both ways."""
    numbers = np.ones((1, SIZE) if name == "matrix product" else SIZE, np.float32)
    times: dict[str, list[float]] = {}
    for round_number in range(rounds + 1):
        turn = {"NumPy": chain(CHAINS[name], numbers, numbers, np.eye(SIZE, dtype=np.float32))[0]}
        # Another one begins each time, so that no one always follows the same other.
        for library in sorted(libraries, reverse=bool(round_number % 2)):
            forward, backward = forward_and_backward(name, libraries[library])
            turn |= {f"{library} forward": forward, f"{library} backward": backward}
        if round_number:  # the first one is to warm up
            for key, microseconds in turn.items():
                times.setdefault(key, []).append(microseconds)
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--json", type=Path, help="a file for the medians and ratios")
    options = parser.parse_args()

    libraries: dict[str, Any] = {"minigrad": mg.Tensor}
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        libraries["PyTorch"] = lambda array, flag: torch.tensor(array, requires_grad=flag)
    else:
        print("PyTorch is not installed: no ratios.")

    print(f"Microseconds per operator, {LENGTH} in a chain, medians of {options.rounds} rounds.")
    print(f"{'':<22} NumPy   ---- minigrad ----   ---- PyTorch -----   -- PyTorch / minigrad --")
    print(f"{'':<22}          forward  backward    forward  backward    forward     backward")
    results = {}
    for name in CHAINS:
        times = measure(name, options.rounds, libraries)
        row = {key: statistics.median(values) for key, values in times.items()}
        text = f"{name:<22} {row['NumPy']:5.2f}"
        for library in libraries:
            text += f"    {row[f'{library} forward']:7.2f}   {row[f'{library} backward']:7.2f}"
        if "PyTorch" in libraries:
            for way in ("forward", "backward"):
                ratio, lower, upper = paired_ratio(
                    times[f"PyTorch {way}"], times[f"minigrad {way}"]
                )
                row[f"{way} ratio"] = ratio
                text += f"   {ratio:.2f} [{lower:.2f}, {upper:.2f}]"
        print(text, flush=True)
        results[name] = row
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
