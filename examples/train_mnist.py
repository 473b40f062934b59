"""The main job: train a small network to read digits.

    python -m examples.train_mnist                                    # drawn digits, no download
    python -m examples.train_mnist --dataset mnist --data-dir DIR     # the real ones
    python -m examples.train_mnist --resume                           # go on after an interruption
    mpiexec -n 2 python -m examples.train_mnist                       # the same, on two cores

Writes into --out: weights.safetensors, checkpoint.safetensors, history.json, curves.png,
filters.png (of the first layer, where it is a convolution) and mistakes.png. An earlier run that
lies there is replaced, but only once the first epoch of the new one is finished.

Under mpiexec all processes share every batch. What they have in common, the first of them says and
writes; a run of any number can be resumed by any other.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

# Before NumPy loads: these matrices are so small that several threads only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

import minigrad as mg
from minigrad import data, distributed, nn, optim, train, viz
from models import lenet5, mlp, tiny_cnn

from .options import Parser, at_least

MODELS = {"lenet5": lenet5, "mlp": mlp, "tiny_cnn": tiny_cnn}

# What is used where neither the command line nor a checkpoint says otherwise.
DEFAULTS: dict[str, Any] = {
    "dataset": "digits",
    "data_dir": None,
    "model": "lenet5",
    "epochs": 4,
    "batch_size": 64,
    "lr": 4e-3,
    "seed": 0,
}

PICTURES = ("curves.png", "filters.png", "mistakes.png")

DIGITS_FOR_TRAINING = 20_000
DIGITS_FOR_TESTING = 2_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    try:
        distributed.size()
    except (ImportError, RuntimeError) as error:  # several processes, and nothing connects them
        print(f"train_mnist: {error}", file=sys.stderr)
        return 1
    if distributed.rank() > 0:
        warnings.simplefilter("ignore")  # NumPy has the same to say on all of them
    try:
        return run(parse(arguments))
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        fail(str(error))


def run(options: argparse.Namespace) -> int:
    """Train, and write what came of it; returns the exit code."""
    out = Path(options.out)
    checkpoint = out / "checkpoint.safetensors"
    settings = choose_settings(options, checkpoint)
    if settings["dataset"] == "digits" and options.data_dir is not None:
        raise ValueError("--data-dir is for --dataset mnist or fashion-mnist; digits are drawn")
    out.mkdir(parents=True, exist_ok=True)
    if not os.access(out, os.W_OK):
        raise PermissionError(f"--out: the folder {out} cannot be written to")
    with distributed.main_first():  # the others find what it has drawn or downloaded
        train_images, train_labels, test_images, test_labels = load(settings)

    mg.manual_seed(settings["seed"])
    model = MODELS[settings["model"]]()
    loader = data.DataLoader(
        (train_images, train_labels),
        batch_size=settings["batch_size"],
        shuffle=True,
        seed=settings["seed"],
        sampler=distributed.DistributedSampler(),
    )
    test_loader = data.DataLoader(
        (test_images, test_labels), batch_size=500, sampler=distributed.DistributedSampler()
    )
    adam = optim.Adam(model.parameters(), lr=settings["lr"])
    optimizer = distributed.DistributedOptimizer(adam)
    scheduler = optim.OneCycleLR(
        optimizer, max_lr=settings["lr"], total_steps=settings["epochs"] * len(loader)
    )
    say(
        f"{settings['model']}, {sum(p.size for p in model.parameters()):,} parameters; "
        f"{settings['dataset']}, {len(train_images):,} images to learn from, {len(test_images):,} "
        "to test on"
    )
    if distributed.size() > 1:
        say(
            f"{distributed.size()} processes share every batch; if one dies, all end, and --resume "
            "goes on after the last epoch shown"
        )

    history = train.History()
    weights = out / "weights.safetensors"
    over_earlier_run = not options.resume and (checkpoint.exists() or weights.exists())
    earlier_run_stays = f"no epoch was finished, so the earlier run is still in {out}/"

    def save() -> None:
        for name in PICTURES:  # those of an earlier run; not every run draws all of them again
            (out / name).unlink(missing_ok=True)
        description = {"model": settings["model"], "dataset": settings["dataset"]}
        mg.save(model, weights, metadata=description)
        history.save(out / "history.json")

    try:
        train.fit(
            model,
            loader,
            optimizer,
            epochs=settings["epochs"],
            validation=test_loader,
            scheduler=scheduler,
            checkpoint=checkpoint,
            resume=options.resume,
            settings=settings,
            history=history,
        )
    except KeyboardInterrupt:  # the first process alone has it, and all end when it does
        if scheduler.steps == 0:  # nothing was learned that could replace what is there
            raise
        if over_earlier_run and not history.epochs:
            print(f"\ninterrupted; {earlier_run_stays}", file=sys.stderr)
            return 130
        save()
        print(f"\ninterrupted; what was learned so far is in {out}/", file=sys.stderr)
        if history.epochs:
            print(
                f"the same command with --resume goes on after epoch {len(history.epochs)}",
                file=sys.stderr,
            )
        return 130
    except train.Diverged as error:
        if not history.epochs:
            nothing_written = "no epoch was finished, so nothing was written"
            fail(f"{error}\n{earlier_run_stays if over_earlier_run else nothing_written}")
        with distributed.main_first():  # no process ends before all is written
            if distributed.rank() == 0:
                save()
        fail(f"{error}\nthe last good weights are in {out}/")

    if distributed.rank() == 0:
        save()
        draw(model, history, test_images, test_labels, out)
    say(f"weights, history and pictures are in {out}/")
    say(f"test accuracy {history.epochs[-1]['test_accuracy']:.4f}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line. Options left out are None, so that a checkpoint can fill them."""
    parser = Parser(
        prog="python -m examples.train_mnist", description=(__doc__ or "").split("\n")[0]
    )

    def option(name: str, text: str, **keywords: Any) -> None:
        default = DEFAULTS[name.replace("-", "_")]
        note = "" if default is None else f"; default {default}"
        parser.add_argument(f"--{name}", help=text + note, **keywords)

    option("dataset", "what to learn from", choices=("digits", "mnist", "fashion-mnist"))
    option("data-dir", "folder with the IDX files of mnist or fashion-mnist, else downloaded once")
    option("model", "the network", choices=tuple(MODELS))
    option("epochs", "passes over the data", type=positive(int), metavar="N")
    option("batch-size", "images per step", type=positive(int), metavar="N")
    option("lr", "highest learning rate of the cycle", type=positive(float), metavar="RATE")
    option("seed", "of weights and shuffling, from 0", type=at_least(0), metavar="N")
    parser.add_argument(
        "--out", default="runs/train_mnist", help="folder for what is written; default %(default)s"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    return parser.parse_args(arguments)


def positive(kind: type) -> Any:
    """For argparse: a finite number of this kind above 0."""

    def number(text: str) -> Any:
        value = kind(text)
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text} must be above 0 and finite")
        return value

    number.__name__ = f"positive {kind.__name__}"
    return number


def choose_settings(options: argparse.Namespace, checkpoint: Path) -> dict[str, Any]:
    """The command line's settings over the defaults; when resuming, over those of the checkpoint.

    Raises:
        ValueError: the checkpoint is of another program, or an option contradicts it.
        FileNotFoundError: there is no checkpoint to resume.
    """
    given = {name: value for name in DEFAULTS if (value := getattr(options, name)) is not None}
    if not options.resume:
        return {**DEFAULTS, **given}
    if not checkpoint.exists():
        raise FileNotFoundError(f"--resume: there is no {checkpoint}; start without --resume")
    settings = train.read_settings(checkpoint)
    if settings.keys() != DEFAULTS.keys():
        raise ValueError(f"--resume: {checkpoint} was not made by this program")
    for name, value in given.items():
        if settings[name] != value and name != "data_dir":  # the same data may lie elsewhere now
            raise ValueError(
                f"--resume: the run in {checkpoint.parent} was made with "
                f"--{name.replace('_', '-')} {settings[name]}, not {value}; leave the option out, "
                "or start without --resume"
            )
    return {**settings, **given}


def load(settings: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images and labels to train on, and to test on."""
    if settings["dataset"] == "digits":
        return (
            *data.digits(DIGITS_FOR_TRAINING, seed=settings["seed"], split="train"),
            *data.digits(DIGITS_FOR_TESTING, seed=settings["seed"], split="test"),
        )
    read = data.mnist if settings["dataset"] == "mnist" else data.fashion_mnist
    folder = settings["data_dir"]
    return (*read("train", data_dir=folder), *read("test", data_dir=folder))


def draw(
    model: nn.Sequential,
    history: train.History,
    images: np.ndarray,
    labels: np.ndarray,
    out: Path,
) -> None:
    """The curves, the first layer's filters, and the images the model got wrong."""
    viz.training_curves(history, out / "curves.png")
    if isinstance(model[0], nn.Conv2D):
        viz.filter_grid(model[0].kernel, out / "filters.png", title="filters of the first layer")
    model.eval()
    with mg.no_grad():
        read = np.concatenate(
            [model(images[i : i + 500]).data.argmax(axis=1) for i in range(0, len(images), 500)]
        )
    wrong = np.flatnonzero(read != labels)
    shown = wrong[:50]
    viz.image_grid(
        images[shown],
        [f"{labels[i]} read as {read[i]}" for i in shown],
        out / "mistakes.png",
        title=f"{len(wrong)} of {len(labels)} test images misread"
        + (f", the first {len(shown)}" if len(wrong) > len(shown) else ""),
    )


def say(message: str) -> None:
    """Print a line, once."""
    if distributed.rank() == 0:
        print(message, flush=True)


def fail(message: str) -> NoReturn:
    """Say what went wrong, once, and end all processes with exit code 1."""
    distributed.abort(f"train_mnist: {message}")


if __name__ == "__main__":
    sys.exit(main())
