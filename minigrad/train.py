"""Training loops: `fit`, `evaluate`, and the `History` they leave.

- `fit` runs epochs of forward, loss, backward and optimiser step, shows how it goes, evaluates on
  held-out data after every epoch, and can keep a checkpoint from which it goes on bit for bit.
- `evaluate` is one pass over a loader without training.
- `History` is what happened, a record per epoch, in a form that goes into JSON.
- `accuracy` is the share of rows whose largest score is at the label.
- `Diverged` is raised when the loss is no longer a finite number.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from . import functional as F
from . import random
from .data import DataLoader
from .engine import no_grad
from .nn import Module
from .optim import OneCycleLR, Optimizer, ReduceLROnPlateau
from .optim.schedulers import Scheduler
from .progress import Progress
from .serialization import load_with_metadata, save, whole_file
from .tensor import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], float]


class Diverged(ValueError):
    """The loss is nan or infinite. The model holds its last good weights again."""


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """The share of rows whose largest score is at the label: (N, classes), (N,) -> a float.

    >>> accuracy(Tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor([1, 1]))
    0.5
    """
    return float(np.mean(scores.data.argmax(axis=-1) == labels.data))


@dataclass
class History:
    """What happened in training.

    Attributes:
        epochs: one record per finished epoch: "epoch" (from 1), "loss", "lr" (at its end),
            "seconds", and where they were asked for "accuracy", "test_loss", "test_accuracy".
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """One value per epoch; None where an epoch has no such value."""
        return [record.get(name) for record in self.epochs]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the records as JSON; an existing file is replaced once the new one is complete."""
        with whole_file(path) as temporary:
            Path(temporary).write_text(json.dumps({"epochs": self.epochs}, indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote."""
        return cls(json.loads(Path(path).read_text())["epochs"])


def evaluate(
    model: Module,
    loader: Iterable[tuple[Tensor, ...]],
    loss_fn: LossFunction = F.cross_entropy,
    metric: Metric | None = accuracy,
) -> dict[str, float]:
    """Loss and metric over a loader, in evaluation mode, averaged over all items.

    The model's mode is as before when it is done.

    Args:
        model: called on the first array of each batch.
        loader: batches of (inputs, targets).
        loss_fn: (outputs, targets) -> a single number, the mean over the batch.
        metric: likewise, or None.

    Returns:
        {"loss": ..., "accuracy": ...}, the second by the metric's name.

    Raises:
        ValueError: the loader gives no batches.
    """
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    totals = _RunningMeans()
    try:
        with no_grad():
            for inputs, targets in loader:
                outputs = model(inputs)
                totals.add(len(targets), **_measures(outputs, targets, loss_fn, metric))
    finally:
        for module, training in modes:
            module.training = training
    if totals.count == 0:
        raise ValueError("evaluate: the loader gives no batches")
    return totals.means()


def fit(
    model: Module,
    loader: DataLoader,
    optimizer: Optimizer,
    *,
    epochs: int,
    validation: Iterable[tuple[Tensor, ...]] | None = None,
    loss_fn: LossFunction = F.cross_entropy,
    metric: Metric | None = accuracy,
    scheduler: Scheduler | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    resume: bool = False,
    settings: dict[str, Any] | None = None,
    progress: bool = True,
) -> History:
    """Train a model.

    Args:
        model: called on the first array of each batch, in training mode.
        loader: batches of (inputs, targets).
        optimizer: of the model's parameters.
        epochs: passes over the loader, in all (those of an earlier run that is resumed included).
        validation: held-out batches to evaluate on after every epoch.
        loss_fn: (outputs, targets) -> a single number.
        metric: (outputs, targets) -> a float to report, or None.
        scheduler: of the learning rate; stepped after every batch if it is a OneCycleLR, else after
            every epoch (a ReduceLROnPlateau with the validation loss, or else the training loss).
        checkpoint: a file in which the state after every epoch is kept: weights, optimiser, schedule,
            random state, loader epoch and history. Written whole or not at all.
        resume: go on from the checkpoint, if there is one, bit for bit as if never interrupted.
        settings: kept in the checkpoint, for the caller (`read_settings`).
        progress: show a bar on terminals, or else a line per epoch.

    Returns:
        The history, including that of the run that was resumed.

    Raises:
        Diverged: the loss is nan or infinite; says in which step. The model has the weights of the
            end of the last good epoch again, and checkpoint files are left as they were.
        ValueError: a checkpoint that does not fit the model or the optimiser, or resume without one.
        KeyboardInterrupt: passed on; the model keeps the steps made so far.
    """
    if resume and checkpoint is None:
        raise ValueError("fit: resume=True needs the checkpoint to resume from")
    history = History()
    if resume and checkpoint is not None and Path(checkpoint).exists():
        history = _restore(checkpoint, model, optimizer, scheduler, loader)
    display = Progress(enabled=progress)
    for epoch in range(len(history.epochs) + 1, epochs + 1):
        good_weights = model.state_dict()
        started = time.perf_counter()
        model.train()
        totals = _RunningMeans()
        batches = display.bar(loader, f"epoch {epoch}/{epochs}")
        for step, (inputs, targets) in enumerate(batches, start=1):
            outputs = model(inputs)
            loss = loss_fn(outputs, targets)
            measures = {"loss": float(loss.item())}
            if not math.isfinite(measures["loss"]):
                model.load_state_dict(good_weights)
                raise Diverged(
                    f"fit: the loss is {measures['loss']} in step {step} of epoch {epoch} (learning "
                    f"rate {optimizer.lr:g}); the weights from before the epoch are back in the model; "
                    "try a smaller learning rate or clip_grad_norm"
                )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if isinstance(scheduler, OneCycleLR):
                scheduler.step()
            if metric is not None:
                measures[metric.__name__] = metric(outputs, targets)
            totals.add(len(targets), **measures)
            display.show(totals.means())
        record = {"epoch": epoch, **totals.means()}
        if validation is not None:
            results = evaluate(model, validation, loss_fn, metric)
            record.update({f"test_{name}": value for name, value in results.items()})
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(record.get("test_loss", record["loss"]))
        elif scheduler is not None and not isinstance(scheduler, OneCycleLR):
            scheduler.step()  # type: ignore[attr-defined]
        record["lr"] = optimizer.lr
        record["seconds"] = round(time.perf_counter() - started, 3)
        history.epochs.append(record)
        display.line(_describe(record, epochs))
        if checkpoint is not None:
            _keep(checkpoint, model, optimizer, scheduler, loader, history, settings)
    return history


class _RunningMeans:
    """Averages over items, of values given per batch."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}

    def add(self, count: int, **values: float) -> None:
        self.count += count
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * count

    def means(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self._sums.items()}


def _measures(
    outputs: Tensor, targets: Tensor, loss_fn: LossFunction, metric: Metric | None
) -> dict[str, float]:
    measures = {"loss": float(loss_fn(outputs, targets).item())}
    if metric is not None:
        measures[metric.__name__] = metric(outputs, targets)
    return measures


def _describe(record: dict[str, Any], epochs: int) -> str:
    """One line: epoch 2/3: loss 0.0712, accuracy 0.9781, test_loss 0.0601, ... (4.2 s)"""
    values = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}"
        for name, value in record.items()
        if name not in ("epoch", "lr", "seconds")
    )
    return f"epoch {record['epoch']}/{epochs}: {values} ({record['seconds']:.1f} s)"


# --- checkpoints ----------------------------------------------------------------------------------
#
# One safetensors file, so that it is replaced as a whole: arrays under "model." and "optimizer.",
# everything else as JSON in the file's metadata.


def _keep(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer,
    scheduler: Scheduler | None,
    loader: DataLoader,
    history: History,
    settings: dict[str, Any] | None,
) -> None:
    arrays = {f"model.{name}": array for name, array in model.state_dict().items()}
    arrays |= {f"optimizer.{name}": array for name, array in optimizer.state_dict().items()}
    rest = {
        "epochs": history.epochs,
        "loader_epoch": loader.epoch,
        "loader_seed": loader.seed,
        "random": random.get_state(),
        "scheduler": scheduler.state_dict() if scheduler else None,
        "settings": settings,
    }
    save(arrays, path, metadata={"minigrad": json.dumps(rest)})


def _restore(
    path: str | os.PathLike[str],
    model: Module,
    optimizer: Optimizer,
    scheduler: Scheduler | None,
    loader: DataLoader,
) -> History:
    arrays, rest = _read_checkpoint(path)
    if (rest["scheduler"] is None) != (scheduler is None):
        raise ValueError(
            f"fit: the checkpoint {os.fspath(path)} was made {'with' if rest['scheduler'] else 'without'}"
            " a scheduler; resume it in the same way"
        )
    weights, state = (
        {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
        for prefix in ("model.", "optimizer.")
    )
    optimizer.load_state_dict(state)
    model.load_state_dict(weights)
    if scheduler is not None:
        scheduler.load_state_dict(rest["scheduler"])
    random.set_state(rest["random"])
    loader.seed, loader.epoch = rest["loader_seed"], rest["loader_epoch"]
    return History(rest["epochs"])


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that `fit` kept in a checkpoint; empty if there were none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or is no checkpoint.
    """
    return _read_checkpoint(path)[1]["settings"] or {}


def _read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays, metadata = load_with_metadata(path)
    if "minigrad" not in metadata:
        raise ValueError(f"{os.fspath(path)} holds weights but is no checkpoint of fit")
    return arrays, json.loads(metadata["minigrad"])
