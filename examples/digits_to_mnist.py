"""Learn from drawn digits only, then read real ones.

    python -m examples.digits_to_mnist --data-dir DIR       # DIR holds MNIST's test files

A LeNet-5 is trained on the digits that minigrad draws and never sees a picture of MNIST. How many
of the 10,000 test images it then reads says how much the drawn ones are like handwriting.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

# Before NumPy loads: these matrices are so small that several threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import minigrad as mg
from examples.options import at_least
from examples.train_mnist import positive
from minigrad import data, optim, train
from models import lenet5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    try:
        return run(options)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"digits_to_mnist: {error}", file=sys.stderr)
        return 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m examples.digits_to_mnist")
    parser.add_argument("--data-dir", help="folder with MNIST's IDX files, else downloaded once")
    parser.add_argument(
        "--images", type=positive(int), default=20_000, help="how many to draw; %(default)s"
    )
    parser.add_argument("--epochs", type=positive(int), default=5, help="default %(default)s")
    parser.add_argument("--seed", type=at_least(0), default=0, help="from 0; default %(default)s")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Train and read; returns the exit code."""
    real = data.DataLoader(data.mnist("test", data_dir=options.data_dir), batch_size=500)
    drawn = data.DataLoader(
        data.digits(options.images, seed=options.seed),
        batch_size=64,
        shuffle=True,
        seed=options.seed,
    )

    mg.manual_seed(options.seed)
    model = lenet5()
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.OneCycleLR(optimizer, max_lr=4e-3, total_steps=options.epochs * len(drawn))
    train.fit(model, drawn, optimizer, epochs=options.epochs, scheduler=schedule)
    results = train.evaluate(model, real)
    print(f"MNIST test accuracy {results['accuracy']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
