"""What an operator costs beside its arithmetic: microseconds per operator, on small tensors.

    python -m tests.benchmarks.op_overhead
    python -m tests.benchmarks.op_overhead --rounds 301 --json FILE

A chain of 1,000 operators is built forward, recorded, and then run backward; the time is divided
by 1,000. Tensors hold 10 numbers, those of the convolution 27. NumPy's column is the bare array
operation, where there is one. Where PyTorch is installed it does the same in the same process, the
two taking turns; the ratios are its time / ours, turn by turn: above 1 we are faster. All run on
one thread. "add" is the number to watch, as there is least arithmetic in it to hide behind.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads

import numpy as np

import minigrad as mg
from minigrad import functional as F

from .report import Table, parser, print_machine, write_json
from .turns import paired_ratio

LENGTH = 1000  # operators in a chain
SIZE = 10  # numbers in a tensor


class Chain(NamedTuple):
    """What is done 1,000 times: `step(library, x, y, w)` is the next x, shaped like x.

    `library` has what is not written alike everywhere. x requires grad, y where `both` says so, w
    does not.
    """

    step: Callable[[Any, Any, Any, Any], Any]
    x: tuple[int, ...] = (SIZE,)
    y: tuple[int, ...] = (SIZE,)
    w: tuple[int, ...] = (SIZE, SIZE)
    both: bool = False
    in_numpy: bool = True


CHAINS = {
    "add": Chain(lambda library, x, y, w: x + y),
    "add, both recorded": Chain(lambda library, x, y, w: x + y, both=True),
    "multiply": Chain(lambda library, x, y, w: x * y),
    "multiply by a number": Chain(lambda library, x, y, w: x * 1.0),
    "negate": Chain(lambda library, x, y, w: -x),
    "relu": Chain(lambda library, x, y, w: library.relu(x)),
    "tanh": Chain(lambda library, x, y, w: library.tanh(x)),
    "softmax": Chain(lambda library, x, y, w: library.softmax(x), in_numpy=False),
    "reshape": Chain(lambda library, x, y, w: x.reshape(SIZE)),
    "matrix product": Chain(lambda library, x, y, w: x @ w, x=(1, SIZE)),
    "dense layer": Chain(
        lambda library, x, y, w: library.linear(x, w, y), x=(1, SIZE), in_numpy=False
    ),
    # As many channels as rows and columns, in the image as in the kernel: so the same shapes are
    # right whether channels come last, as here, or first, as in PyTorch.
    "convolution": Chain(
        lambda library, x, y, w: library.conv2d(x, w, padding=1),
        x=(1, 3, 3, 3),
        w=(3, 3, 3, 3),
        in_numpy=False,
    ),
}

NUMPY = SimpleNamespace(relu=lambda x: np.maximum(x, 0), tanh=np.tanh)


def libraries() -> dict[str, SimpleNamespace]:
    """minigrad, and PyTorch if it is installed. `leaf` makes tensors of (array, requires_grad)."""
    minigrad = SimpleNamespace(
        leaf=mg.Tensor,
        relu=mg.Tensor.relu,
        tanh=mg.Tensor.tanh,
        softmax=F.softmax,
        linear=F.linear,
        conv2d=F.conv2d,
    )
    if not importlib.util.find_spec("torch"):
        return {"minigrad": minigrad}
    import torch

    torch.set_num_threads(1)
    peer = SimpleNamespace(
        leaf=lambda array, flag: torch.tensor(array, requires_grad=flag),
        relu=torch.relu,
        tanh=torch.tanh,
        softmax=lambda x: torch.softmax(x, -1),
        linear=torch.nn.functional.linear,
        conv2d=torch.nn.functional.conv2d,
    )
    return {"minigrad": minigrad, "PyTorch": peer}


def arrays(chain: Chain) -> tuple[Any, Any, Any]:
    """x and y of ones; w with ones on the diagonal, all zeros in the convolution."""
    w = np.eye(SIZE) if len(chain.w) == 2 else np.zeros(chain.w)
    return np.ones(chain.x, np.float32), np.ones(chain.y, np.float32), w.astype(np.float32)


def built(chain: Chain, library: Any, x: Any, y: Any, w: Any) -> tuple[float, Any]:
    """Microseconds per operator, and the end of the chain."""
    step = chain.step
    start = time.perf_counter()
    for _ in range(LENGTH):
        x = step(library, x, y, w)
    return (time.perf_counter() - start) * 1e6 / LENGTH, x


def forward_and_backward(chain: Chain, library: Any) -> tuple[float, float]:
    """Microseconds per operator, both ways."""
    x, y, w = arrays(chain)
    leaves = (library.leaf(x, True), library.leaf(y, chain.both), library.leaf(w, False))
    gradient = library.leaf(x, False)
    forward, end = built(chain, library, *leaves)
    start = time.perf_counter()
    end.backward(gradient)
    return forward, (time.perf_counter() - start) * 1e6 / LENGTH


def measure(chain: Chain, rounds: int, competing: dict[str, Any]) -> dict[str, list[float]]:
    """Microseconds per operator, round by round: NumPy's, and each library's both ways."""
    times: dict[str, list[float]] = {}
    for round_number in range(rounds + 1):
        turn = {"NumPy": built(chain, NUMPY, *arrays(chain))[0]} if chain.in_numpy else {}
        # Another one begins each time, so that no one always follows the same other.
        for name in sorted(competing, reverse=bool(round_number % 2)):
            forward, backward = forward_and_backward(chain, competing[name])
            turn |= {f"{name} forward": forward, f"{name} backward": backward}
        if round_number:  # the first one is to warm up
            for key, microseconds in turn.items():
                times.setdefault(key, []).append(microseconds)
    return times


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    given = parser("op_overhead", __doc__, rounds=101).parse_args(arguments)
    competing = libraries()

    print_machine()
    print(f"Microseconds per operator, {LENGTH} in a chain, medians of {given.rounds} rounds.")
    if "PyTorch" not in competing:
        print("PyTorch is not installed: no ratios.")
    ways = ("forward", "backward")
    measured = [f"{name} {way}" for name in competing for way in ways]
    ratios = ["forward ratio    ", "backward ratio   "] if "PyTorch" in competing else []
    table = Table("operator            ", "NumPy", *measured, *ratios)
    results: dict[str, dict[str, Any]] = {}
    for name, chain in CHAINS.items():
        times = measure(chain, given.rounds, competing)
        row: dict[str, Any] = {key: statistics.median(values) for key, values in times.items()}
        cells = [f"{row[key]:.2f}" if key in row else "" for key in ("NumPy", *measured)]
        if "PyTorch" in competing:
            for way in ways:
                ratio = paired_ratio(times[f"PyTorch {way}"], times[f"minigrad {way}"])
                row[f"{way} ratio"] = ratio._asdict()
                cells.append(str(ratio))
        table.row(name, *cells)
        results[name] = row
    write_json(given.json, results)


if __name__ == "__main__":
    main()
