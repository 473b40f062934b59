"""A training step (forward, loss, backward, Adam) of small networks, against the peers installed.

    python -m tests.benchmarks.train_step
    python -m tests.benchmarks.train_step --nets lenet5 mlp128 --batches 64 --rounds 9 --json FILE

Peers are PyTorch in eager mode, in both of its memory formats; the ratio is to the better of the
two, their time / ours, taken round by round. Networks are those people learn with; relu comes
before the pool in all of them.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .turns import Competitor, paired_ratio, take_turns

# Layers as tuples, which every competitor builds in its own way:
# ("conv", in, out, kernel size, padding), ("dense", in, out), "relu", "pool", "flatten".
NETS: dict[str, tuple[tuple[int, int, int], list[Any]]] = {
    "tiny8-16": (
        (28, 28, 1),
        [
            *(("conv", 1, 8, 3, "SAME"), "relu", "pool"),
            *(("conv", 8, 16, 3, "SAME"), "relu", "pool"),
            *("flatten", ("dense", 784, 10)),
        ],
    ),
    "lenet5": (
        (28, 28, 1),
        [
            *(("conv", 1, 6, 5, "SAME"), "relu", "pool"),
            *(("conv", 6, 16, 5, "VALID"), "relu", "pool"),
            *(
                "flatten",
                ("dense", 400, 120),
                "relu",
                ("dense", 120, 84),
                "relu",
                ("dense", 84, 10),
            ),
        ],
    ),
    "keras32-64": (
        (28, 28, 1),
        [
            *(("conv", 1, 32, 3, "VALID"), "relu", "pool"),
            *(("conv", 32, 64, 3, "VALID"), "relu", "pool"),
            *("flatten", ("dense", 1600, 10)),
        ],
    ),
    "mlp128": ((28, 28, 1), ["flatten", ("dense", 784, 128), "relu", ("dense", 128, 10)]),
    "vgg32": (
        (32, 32, 3),
        [
            *(("conv", 3, 32, 3, "SAME"), "relu", ("conv", 32, 32, 3, "SAME"), "relu", "pool"),
            *(("conv", 32, 64, 3, "SAME"), "relu", ("conv", 64, 64, 3, "SAME"), "relu", "pool"),
            *("flatten", ("dense", 4096, 10)),
        ],
    ),
}
BATCHES = (1, 32, 64, 128)


def minigrad_step(net: str, batch: int) -> Callable[[], Any]:
    """A training step in minigrad."""
    import minigrad as mg
    from minigrad import functional as F
    from minigrad import nn, optim

    shape, layers = NETS[net]
    makers: dict[str, Any] = {
        "relu": nn.ReLU,
        "pool": lambda: nn.MaxPool2D(2),
        "flatten": nn.Flatten,
    }

    def layer(spec: Any) -> nn.Module:
        if isinstance(spec, str):
            return makers[spec]()
        if spec[0] == "dense":
            return nn.Dense(*spec[1:])
        return nn.Conv2D(*spec[1:4], padding=spec[4])

    model = nn.Sequential(*(layer(spec) for spec in layers))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    rng = np.random.default_rng(0)
    x = mg.Tensor(rng.random((batch, *shape), dtype=np.float32))
    y = mg.Tensor(rng.integers(0, 10, batch))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def torch_step(net: str, batch: int, channels_last: bool) -> Callable[[], Any]:
    """The same in PyTorch."""
    import torch
    from torch import nn

    shape, layers = NETS[net]
    makers: dict[str, Any] = {
        "relu": nn.ReLU,
        "pool": lambda: nn.MaxPool2d(2),
        "flatten": nn.Flatten,
    }

    def layer(spec: Any) -> nn.Module:
        if isinstance(spec, str):
            return makers[spec]()
        if spec[0] == "dense":
            return nn.Linear(*spec[1:])
        return nn.Conv2d(*spec[1:4], padding=spec[4].lower())

    model = nn.Sequential(*(layer(spec) for spec in layers))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    x = torch.rand(batch, shape[2], shape[0], shape[1])
    y = torch.randint(0, 10, (batch,))
    if channels_last:
        model, x = (
            model.to(memory_format=torch.channels_last),
            x.contiguous(memory_format=torch.channels_last),
        )

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def main() -> None:
    """Run the comparison and print its table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.train_step")
    parser.add_argument("--nets", nargs="+", choices=tuple(NETS), default=list(NETS))
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    peers = {"torch": False, "torch channels last": True} if _installed("torch") else {}
    print("net         batch  minigrad ms  peak MB   torch ms  peak MB  ratio [quartiles]")
    results = []
    for net in options.nets:
        for batch in options.batches:
            competitors = [Competitor("minigrad", minigrad_step, net, batch)]
            competitors += [
                Competitor(name, torch_step, net, batch, layout) for name, layout in peers.items()
            ]
            times = take_turns(competitors, options.rounds)
            memory = {competitor.name: competitor.megabytes for competitor in competitors}
            for competitor in competitors:
                competitor.close()
            results.append({"net": net, "batch": batch, "seconds": times, "megabytes": memory})
            print(_row(net, batch, times, memory), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


def _row(net: str, batch: int, times: dict[str, list[float]], memory: dict[str, float]) -> str:
    ours = times["minigrad"]
    row = f"{net:<11} {batch:>5}  {1e3 * float(np.median(ours)):>11.2f}  {memory['minigrad']:>7.0f}"
    rivals = {name: seconds for name, seconds in times.items() if name != "minigrad"}
    if not rivals:
        return row
    better = min(rivals, key=lambda name: float(np.median(rivals[name])))
    ratio, lower, upper = paired_ratio(rivals[better], ours)
    return (
        f"{row}   {1e3 * float(np.median(rivals[better])):>8.2f}  {memory[better]:>7.0f}  "
        f"{ratio:.2f} [{lower:.2f}, {upper:.2f}]"
    )


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


if __name__ == "__main__":
    main()
