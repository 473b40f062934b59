"""Learn from drawn digits only, then read real ones.

    python -m examples.digits_to_mnist --data-dir DIR       # DIR holds MNIST's test files

A LeNet-5 is trained on the digits that minigrad draws and never sees a picture of MNIST. How many
of the 10,000 test images it then reads says how much the drawn ones are like handwriting.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import minigrad as mg
from minigrad import data, optim, train
from models import lenet5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m examples.digits_to_mnist")
    parser.add_argument("--data-dir", help="folder with MNIST's IDX files, else downloaded once")
    parser.add_argument("--images", type=int, default=20_000, help="how many to draw; %(default)s")
    parser.add_argument("--epochs", type=int, default=5, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    options = parser.parse_args(arguments)
    try:
        real = data.DataLoader(data.mnist("test", data_dir=options.data_dir), batch_size=500)
        drawn = data.DataLoader(
            data.digits(options.images, seed=options.seed),
            batch_size=64,
            shuffle=True,
            seed=options.seed,
        )
    except (ValueError, OSError) as error:
        print(f"digits_to_mnist: {error}", file=sys.stderr)
        return 1

    mg.manual_seed(options.seed)
    model = lenet5()
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.OneCycleLR(
        optimizer, max_lr=4e-3, total_steps=max(1, options.epochs * len(drawn))
    )
    train.fit(model, drawn, optimizer, epochs=options.epochs, scheduler=schedule)
    results = train.evaluate(model, real)
    print(f"MNIST test accuracy {results['accuracy']:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
