"""Is being a convolution of any use? One function as three networks that learn apart.

    python -m examples.cut_the_ties
    python -m examples.cut_the_ties --dataset mnist --data-dir DIR

A network with two convolutions is copied twice: once with the sharing of weights cut (every window
has a kernel of its own), once with the locality cut too (dense layers). All three compute the same
to begin with, and are trained alike, on the same images in the same order. Prints how well they
read the images they are trained on, the usual test images, and these moved by a few pixels, for
several numbers of training images, as mean and spread over several seeds. Writes cut_the_ties.png
into --out: accuracy, number of parameters, and how far the layers move away from a convolution.
"""

from __future__ import annotations

import argparse
import copy
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before NumPy loads: these matrices are so small that several threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import minigrad as mg
from minigrad import data, nn, optim
from minigrad import functional as F
from minigrad.equivalence import nearest_conv, untie
from minigrad.text import table
from minigrad.viz.figures import BLUE, GREEN, ORANGE, finish, new_figure

from .options import at_least

Array = np.ndarray
Images = tuple[Array, Array]  # (N, H, W, 1) float32, (N,) labels
WindowLayer = nn.Conv2D | nn.LocallyConnected2D | nn.Dense  # tied, local or dense

# How each of the three networks is drawn.
LOOKS = {"tied": (BLUE, "o"), "local": (GREEN, "^"), "dense": (ORANGE, "s")}
LEVELS = tuple(LOOKS)

# The two convolutions: what they see, (H, W, C), their filters, and the size of their windows.
FIRST_INPUT, SECOND_INPUT = (14, 14, 1), (7, 7, 8)
FIRST_FILTERS, SECOND_FILTERS = 8, 16
WINDOW = 5


class Reader(nn.Module):
    """Two layers with windows, or their untied copies, and a dense layer that names the digit.

    Attributes:
        first, second: of images of FIRST_INPUT and SECOND_INPUT.
        last: Dense, from what is left of the image to ten scores.
    """

    def __init__(self, first: WindowLayer, second: WindowLayer, last: nn.Dense) -> None:
        self.first = first
        self.second = second
        self.last = last

    def forward(self, x: Any) -> mg.Tensor:
        """(N, 14, 14, 1) -> (N, 10)"""
        x = on_images(self.first, x, (14, 14, FIRST_FILTERS)).relu()
        x = F.max_pool2d(x, 2)  # -> (N, 7, 7, 8)
        x = on_images(self.second, x, (7, 7, SECOND_FILTERS)).relu()
        x = F.max_pool2d(x, 2)  # -> (N, 3, 3, 16)
        return self.last(x.reshape(x.shape[0], -1))


def on_images(layer: WindowLayer, x: mg.Tensor, output_shape: tuple[int, int, int]) -> mg.Tensor:
    """Apply a layer to images; a dense one sees them flattened: (N, H, W, C) -> (N, OH, OW, F)."""
    if isinstance(layer, nn.Dense):
        return layer(x.reshape(x.shape[0], -1)).reshape(x.shape[0], *output_shape)
    return layer(x)


def three_readers(rng: np.random.Generator) -> dict[str, Reader]:
    """The same function three times: tied, with the sharing cut, and with the locality cut too."""
    first = nn.Conv2D(1, FIRST_FILTERS, WINDOW, rng=rng)
    second = nn.Conv2D(FIRST_FILTERS, SECOND_FILTERS, WINDOW, rng=rng)
    last = nn.Dense(3 * 3 * SECOND_FILTERS, 10, rng=rng)
    readers = {"tied": Reader(first, second, last)}
    for level in ("local", "dense"):
        readers[level] = Reader(
            untie(first, FIRST_INPUT, level),
            untie(second, SECOND_INPUT, level),
            copy.deepcopy(last),
        )
    return readers


def residuals(reader: Reader) -> tuple[float, float]:
    """How much of its two layers is no convolution: 0 is none of it, 1 is all of it."""
    first, second = reader.first, reader.second
    if isinstance(first, nn.Conv2D) or isinstance(second, nn.Conv2D):
        return 0.0, 0.0
    return (
        nearest_conv(first, FIRST_INPUT, FIRST_FILTERS, WINDOW)[1],
        nearest_conv(second, SECOND_INPUT, SECOND_FILTERS, WINDOW)[1],
    )


# --- images ---------------------------------------------------------------------------------------


def read_images(options: argparse.Namespace, seed: int, count: int, split: str) -> Images:
    """So many images of 28x28 with their labels, drawn with a seed."""
    if options.dataset == "digits":
        return data.digits(count, seed=seed, split=split)
    images, labels = data.mnist(split, data_dir=options.data_dir)
    if count > len(images):
        raise ValueError(
            f"--sizes, --test-images: {count} is more than the {len(images)} {split} images"
        )
    chosen = np.random.default_rng(seed).permutation(len(images))[:count]
    return images[chosen], labels[chosen]


def halved(images: Array) -> Array:
    """The average of every 2x2 pixels: (N, 28, 28, 1) -> (N, 14, 14, 1)."""
    return images.reshape(len(images), 14, 2, 14, 2, 1).mean(axis=(2, 4))


def moved(images: Array, pixels: int, rng: np.random.Generator) -> Array:
    """Every image moved so far in one of eight directions; what comes in is black."""
    steps = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
    around = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    out = np.empty_like(images)
    height, width = images.shape[1:3]
    for index, choice in enumerate(rng.integers(len(steps), size=len(images))):
        top, left = (pixels * (1 - step) for step in steps[choice])
        out[index] = around[index, top : top + height, left : left + width]
    return out


# --- training -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measurement:
    """How one network does at one moment.

    Attributes:
        level: "tied", "local" or "dense".
        images: how many it is trained on.
        seed: of its weights and of these images.
        step: how many steps of training it has had.
        fitted: its accuracy on these images.
        usual, shifted: its accuracy on the two sets of test images.
        first_residual, second_residual: how much of its two layers is no convolution.
    """

    level: str
    images: int
    seed: int
    step: int
    fitted: float
    usual: float
    shifted: float
    first_residual: float
    second_residual: float


def run(options: argparse.Namespace) -> list[Measurement]:
    """Train all networks; returns what was measured, and prints it as it goes."""
    test_images, labels = read_images(options, 0, options.test_images, "test")
    moved_images = moved(test_images, options.shift, np.random.default_rng(0))
    tests = (halved(test_images), labels), (halved(moved_images), labels)
    measurements = []
    for seed in range(options.seeds):
        images, labels = read_images(options, seed, max(options.sizes), "train")
        for count in options.sizes:
            training = halved(images[:count]), labels[:count]
            # Curves are drawn of the runs with the most images only.
            when = moments(options.steps) if count == max(options.sizes) else [0, options.steps]
            for level, reader in three_readers(np.random.default_rng(seed)).items():
                for step in trained(reader, training, seed, when, options):
                    fitted, usual, shifted = (
                        accuracy(reader, pictures) for pictures in (training, *tests)
                    )
                    measurements.append(
                        Measurement(
                            level, count, seed, step, fitted, usual, shifted, *residuals(reader)
                        )
                    )
                print(
                    f"seed {seed}, {count:,} images, {level}: "
                    f"{usual:.1%} of the usual and {shifted:.1%} of the shifted test images",
                    flush=True,
                )
    return measurements


def moments(steps: int) -> list[int]:
    """After which steps to measure: 0, 1, 2, 5, 10, 20, 50, ... and the last."""
    marks = [digit * 10**power for power in range(6) for digit in (1, 2, 5)]
    return [0, *(mark for mark in marks if mark < steps), steps]


def trained(
    reader: Reader, images: Images, seed: int, when: list[int], options: argparse.Namespace
) -> Iterator[int]:
    """Train until the last of the moments; yields the steps done at each of them."""
    optimizer = optim.Adam(reader.parameters(), lr=options.lr)
    rng = np.random.default_rng(seed)  # the same for all three: the same batches
    yield 0
    for step in range(1, max(when) + 1):
        batch = rng.integers(len(images[0]), size=options.batch_size)
        loss = F.cross_entropy(reader(images[0][batch]), images[1][batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in when:
            yield step


def accuracy(reader: Reader, images: Images) -> float:
    """The share of images that are read right."""
    with mg.no_grad():
        scores = [reader(images[0][i : i + 250]).data for i in range(0, len(images[0]), 250)]
    return float((np.concatenate(scores).argmax(axis=1) == images[1]).mean())


# --- what came out --------------------------------------------------------------------------------


def over_seeds(measurements: list[Measurement], name: str, **which: Any) -> tuple[float, float]:
    """Mean and spread of an attribute over the measurements that are `which`.

    The spread is the standard deviation of a sample; of a single measurement, 0.
    """
    values = [
        getattr(measurement, name)
        for measurement in measurements
        if all(getattr(measurement, key) == value for key, value in which.items())
    ]
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def parameter_counts() -> dict[str, int]:
    """How many numbers each of the three networks can change."""
    return {
        level: sum(parameter.size for parameter in reader.parameters())
        for level, reader in three_readers(np.random.default_rng(0)).items()
    }


def results_table(measurements: list[Measurement], options: argparse.Namespace) -> str:
    """Mean and spread (of several seeds) after the last step, a row per network and images."""
    parameters = parameter_counts()
    rows = []
    for count in options.sizes:
        for level in LEVELS:
            row = [f"{count:,} images, {level}", f"{parameters[level]:,}"]
            for name in ("fitted", "usual", "shifted", "first_residual", "second_residual"):
                mean, spread = over_seeds(
                    measurements, name, level=level, images=count, step=options.steps
                )
                row.append(
                    f"{100 * mean:.1f}" + (f" ± {100 * spread:.1f}" if options.seeds > 1 else "")
                )
            rows.append(row)
    header = ["in %", "parameters", "training", "usual", "shifted", "residual 1", "residual 2"]
    return table(header, rows)


def draw(measurements: list[Measurement], options: argparse.Namespace, path: Path) -> None:
    """Above: accuracy by number of images, and parameters. Below: step by step, with the most."""
    figure = new_figure(11, 6.6)
    top, bottom = figure.subplots(2, 3)
    most, steps = max(options.sizes), moments(options.steps)
    for column, (name, title) in enumerate(
        (("usual", "usual test images"), ("shifted", f"shifted by {options.shift} pixels"))
    ):
        for level in LEVELS:
            draw_curve(
                top[column], measurements, name, level, "images", options.sizes, step=options.steps
            )
            draw_curve(bottom[column], measurements, name, level, "step", steps, images=most)
        top[column].set(title=title, xlabel="training images", ylabel="accuracy", xscale="log")
        top[column].set_xticks(options.sizes, [f"{count:,}" for count in options.sizes])
        bottom[column].set(title=f"{title}, {most:,} to train on", ylabel="accuracy")
    draw_parameters(top[2])
    for level in LEVELS:
        for name, line in (("first_residual", "-"), ("second_residual", "--")):
            draw_curve(bottom[2], measurements, name, level, "step", steps, line, images=most)
    bottom[2].set(
        title="distance from being a convolution\n(first layer solid, second dashed)",
        ylabel="residual of nearest_conv",
    )
    for axes in bottom:
        axes.set(xlabel="steps of training", xscale="symlog")
        axes.set_xticks(steps[::2], [f"{step:,}" for step in steps[::2]])
    for axes in (*top, *bottom):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
        axes.minorticks_off()
        axes.title.set_size(10)
    top[0].legend()
    figure.suptitle(
        f"One function, three networks: {options.dataset}, mean and spread of {options.seeds} seeds"
    )
    finish(figure, path, dpi=100)


def draw_curve(
    axes: Any,
    measurements: list[Measurement],
    name: str,
    level: str,
    along: str,
    places: Sequence[int],
    line: str = "-",
    **which: Any,
) -> None:
    """The mean of an attribute along another one, in a band of one standard deviation."""
    points = [
        over_seeds(measurements, name, level=level, **{along: place}, **which) for place in places
    ]
    mean, spread = np.array(points).T
    colour, marker = LOOKS[level]
    axes.plot(places, mean, line, marker=marker, markersize=4, color=colour, label=level)
    axes.fill_between(places, mean - spread, mean + spread, color=colour, alpha=0.2, linewidth=0)


def draw_parameters(axes: Any) -> None:
    """A bar per network."""
    counts = parameter_counts()
    bars = axes.bar(counts.keys(), counts.values(), color=[LOOKS[level][0] for level in counts])
    axes.bar_label(bars, [f"{count:,}" for count in counts.values()], fontsize=9)
    axes.set(title="parameters", yscale="log")
    axes.margins(y=0.1)


# --- the command line -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    path = Path(options.out) / "cut_the_ties.png"
    try:
        measurements = run(options)
    except (ValueError, OSError) as error:
        print(f"cut_the_ties: {error}", file=sys.stderr)
        return 1
    print()
    print(results_table(measurements, options))
    draw(measurements, options, path)
    print(f"\nthe curves are in {path}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.cut_the_ties",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--dataset", choices=("digits", "mnist"), default="digits", help="drawn digits, or real")
    add("--data-dir", help="folder with the files of mnist; without it, downloaded once")
    add("--sizes", type=at_least(1), nargs="+", default=[100, 300, 1000], help="training images")
    add("--seeds", type=at_least(1), default=3, help="how many runs of each")
    add("--steps", type=at_least(1), default=500, help="of training, in every run")
    add("--batch-size", type=at_least(1), default=32, help="images per step")
    add("--lr", type=float, default=3e-3, help="learning rate of Adam")
    add("--shift", type=at_least(0), default=2, help="pixels of 28 by which test images are moved")
    add("--test-images", type=at_least(1), default=1000, help="how many")
    add("--out", default="runs/cut_the_ties", help="folder for the picture")
    options = parser.parse_args(arguments)
    options.sizes = sorted(set(options.sizes))
    return options


if __name__ == "__main__":
    sys.exit(main())
