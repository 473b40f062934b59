"""Watch a small network learn to read digits: a film of its training, and what it sees at the end.

    python -m examples.watch_training
    python -m examples.watch_training --model lenet5 --steps 600
    python -m examples.watch_training --dataset mnist --data-dir DIR

Writes into --out: training.gif (the filters of the first layer, the loss, and what the network
takes five held-out digits for, over the steps of training) and feature_maps.png (the first of these
digits on its way through the trained network). Takes about twenty seconds.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

# Before NumPy loads: these matrices are so small that several threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from minigrad import data, nn, optim, train, viz
from minigrad import functional as F
from models import lenet5, tiny_cnn

from .options import at_least

Array = np.ndarray
Images = tuple[Array, Array]  # (N, 28, 28, 1) float32, (N,) labels

MODELS = {"lenet5": lenet5, "tiny_cnn": tiny_cnn}

DIGITS_FOR_TRAINING = 4_000
DIGITS_FOR_TESTING = 1_000
DIGITS_SHOWN = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    try:
        run(options)
    except (ValueError, OSError) as error:
        print(f"watch_training: {error}", file=sys.stderr)
        return 1
    return 0


def run(options: argparse.Namespace) -> None:
    """Train, and write the film and the picture."""
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    images, held_out = load(options)
    model = MODELS[options.model](np.random.default_rng(options.seed))
    record = watched(model, images, options.steps, options.frames, options.lr, seed=options.seed)
    scores = train.evaluate(model, data.DataLoader(held_out, batch_size=500))
    print(
        f"{options.model}, {options.steps} steps on {options.dataset}: "
        f"{scores['accuracy']:.1%} of {len(held_out[0]):,} held-out digits read right"
    )
    digits, labels = different(held_out, DIGITS_SHOWN)
    viz.training_film(record, digits, labels, out / "training.gif")
    viz.feature_maps_figure(model, digits[0], out / "feature_maps.png", label=int(labels[0]))
    print(f"{len(record)} moments of training: {out / 'training.gif'}")
    print(f"a {labels[0]} on its way through the network: {out / 'feature_maps.png'}")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.watch_training",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--model", choices=tuple(MODELS), default="tiny_cnn", help="the network")
    add("--dataset", choices=("digits", "mnist"), default="digits", help="drawn digits, or real")
    add("--data-dir", help="folder with the files of mnist; without it, downloaded once")
    add("--steps", type=at_least(1), default=300, metavar="N", help="of training, 64 digits each")
    add("--frames", type=at_least(2), default=30, metavar="N", help="of the film, at most")
    add("--lr", type=float, default=3e-3, metavar="RATE", help="learning rate of Adam")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of weights and batches")
    add("--out", default="runs/watch_training", help="folder for what is written")
    return parser.parse_args(arguments)


# --- training -------------------------------------------------------------------------------------


def watched(
    model: nn.Module,
    examples: Images,
    steps: int,
    frames: int,
    lr: float,
    batch_size: int = 64,
    seed: int = 0,
) -> viz.TrainingRecord:
    """Train a network; returns what it was like before, at some moments between, and after."""
    record = viz.TrainingRecord(model)
    optimizer = optim.Adam(model.parameters(), lr=lr)
    rng = np.random.default_rng(seed)
    when = moments(steps, frames)
    inputs, labels = examples
    for step in range(steps + 1):
        batch = rng.integers(len(inputs), size=batch_size)
        loss = F.cross_entropy(model(inputs[batch]), labels[batch])
        if step in when:
            record.snapshot(step, loss)
        if step < steps:  # the last loss is that of the finished network
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return record


def moments(steps: int, frames: int) -> list[int]:
    """Which steps to show, from 0 to the last: most of them early on, where most is learned.

    >>> moments(100, 6)
    [0, 4, 16, 36, 64, 100]
    """
    return sorted({round(steps * (frame / (frames - 1)) ** 2) for frame in range(frames)})


# --- digits ---------------------------------------------------------------------------------------


def load(options: argparse.Namespace) -> tuple[Images, Images]:
    """Digits to train on, and held-out ones."""
    if options.dataset == "digits":
        if options.data_dir is not None:
            raise ValueError("--data-dir is for --dataset mnist; digits are drawn")
        return (
            data.digits(DIGITS_FOR_TRAINING, seed=options.seed, split="train"),
            data.digits(DIGITS_FOR_TESTING, seed=options.seed, split="test"),
        )
    return (
        data.mnist("train", data_dir=options.data_dir),
        data.mnist("test", data_dir=options.data_dir),
    )


def different(examples: Images, count: int) -> Images:
    """The first so many examples that differ in their labels."""
    images, labels = examples
    first = sorted(np.unique(labels, return_index=True)[1])[:count]
    return images[first], labels[first]


if __name__ == "__main__":
    sys.exit(main())
