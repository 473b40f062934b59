"""Training loops: `fit`, `evaluate`, and the `History` they leave.

- `fit` runs epochs of forward, loss, backward and optimiser step, shows how it goes, evaluates on
  held-out data after every epoch, and can keep a checkpoint from which it goes on bit for bit.
- `evaluate` is one pass over a loader without training.
- `History` is what happened, a record per epoch, in a form that goes into JSON.
- `accuracy` is the share of rows whose largest score is at the label.
- `Diverged` is raised when the loss or the weights are no longer finite numbers.
- `read_settings` reads what the caller of `fit` had kept in a checkpoint.
"""

from __future__ import annotations

import contextlib
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
from .conv_arithmetic import integer
from .data import DataLoader
from .engine import Array, no_grad
from .files import whole_file
from .nn import Module
from .optim import OneCycleLR, Optimizer, ReduceLROnPlateau
from .optim.schedulers import Scheduler
from .progress import Progress
from .serialization import load_with_metadata, save
from .tensor import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], float]


class Diverged(ValueError):
    """The loss or the weights are nan or infinite. The model holds its last good weights again."""


def accuracy(scores: Tensor, labels: Tensor) -> float:
    """The share of rows whose largest score is at the label: (..., classes), (...) -> a float.

    Raises:
        ValueError: shapes that do not fit, or no scores at all.

    >>> accuracy(Tensor([[0.1, 0.9], [0.8, 0.2]]), Tensor([1, 1]))
    0.5
    """
    if labels.shape != scores.shape[:-1]:
        raise ValueError(
            f"accuracy: labels of shape {labels.shape} do not fit scores of shape {scores.shape}: "
            f"one label per row, shape {scores.shape[:-1]}; where targets are no labels, give "
            "metric=None"
        )
    if scores.size == 0:
        raise ValueError(
            f"accuracy: there is nothing to average in scores of shape {scores.shape}; give at "
            "least one row, and one class"
        )
    return float(np.mean(scores.data.argmax(axis=-1) == labels.data))


@dataclass
class History:
    """What happened in training.

    Attributes:
        epochs: one record per finished epoch: "epoch" (from 1), "loss", "lr" (at the end of it),
            "seconds", and where they were asked for "accuracy" (by the metric's name), "test_loss",
            "test_accuracy".
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
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file holds something else.
        """
        try:
            return cls(json.loads(Path(path).read_text())["epochs"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"History.load: {os.fspath(path)} is no history ({error!r})") from None


def evaluate(
    model: Module,
    loader: Iterable[tuple[Tensor, ...]],
    loss_fn: LossFunction = F.cross_entropy,
    metric: Metric | None = accuracy,
) -> dict[str, float]:
    """Loss and metric over a loader, in evaluation mode, averaged over all items.

    Nothing in the model is changed, and its modes are as before when it is done.

    Args:
        model: called on the first array of each batch.
        loader: batches of (inputs, targets).
        loss_fn: (outputs, targets) -> a single number, the mean over the batch.
        metric: (outputs, targets) -> a float, likewise; or None.

    Returns:
        {"loss": ..., "accuracy": ...}, the second by the metric's name.

    Raises:
        TypeError: the model is no Module, or loss_fn does not return a Tensor.
        ValueError: loss_fn does not return a single number, or the loader gives no batches, or
            batches other than (inputs, targets).
    """
    _check_kind("evaluate", "model", model, "a", Module)
    name = _name_of(metric)
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    totals = _RunningMeans()
    try:
        with no_grad():
            for batch in loader:
                inputs, targets = _inputs_and_targets("evaluate", batch)
                outputs = model(inputs)
                values = {"loss": _loss("evaluate", loss_fn, outputs, targets).item()}
                if metric is not None:
                    values[name] = metric(outputs, targets)
                totals.add(len(targets), values)
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
    history: History | None = None,
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
        checkpoint: a file in which the state after every epoch is kept: weights, optimiser,
            schedule, random states (the library's, and those of generators that modules hold),
            loader epoch and history. Written whole or not at all.
        resume: go on from the checkpoint, if there is one, bit for bit as if never interrupted. The
            loader must have as many items, and the same batch_size, shuffle and drop_last.
        settings: kept in the checkpoint as JSON, for the caller (`read_settings`).
        history: an empty one to fill, for a caller who wants it after an interruption, too.
        progress: show a bar on terminals, and a line per epoch.

    Returns:
        The history, including that of the run that was resumed.

    Raises:
        Diverged: the loss or the weights are nan or infinite; says in which step. The model has the
            weights of the end of the last good epoch again, and checkpoint files are as they were.
        TypeError, ValueError: arguments that do not belong together, a checkpoint that does not fit
            them or cannot be written, or resume without one. Nothing has been changed.
        ValueError: batches other than (inputs, targets), or what a loss or metric refuses.
        KeyboardInterrupt: passed on; the model keeps the steps made so far.
    """
    integer(epochs, "epochs", where="fit")
    _name_of(metric)  # or raise
    run = _Run(model, loader, optimizer, scheduler)
    run.check_parts_belong_together()
    if checkpoint is None and resume:
        raise ValueError("fit: resume=True needs the checkpoint to resume from")
    if checkpoint is not None:
        _check_can_be_kept(checkpoint, settings)
    if history is None:
        history = History()
    elif history.epochs:
        raise ValueError(
            f"fit: history has {len(history.epochs)} epochs; give an empty one to fill (resume "
            "goes on from a checkpoint)"
        )
    if resume and checkpoint is not None and Path(checkpoint).exists():
        history.epochs = run.restore(checkpoint, epochs)
    else:
        run.check_schedule(epochs)
    display = Progress(enabled=progress)
    for epoch in range(len(history.epochs) + 1, epochs + 1):
        started = time.perf_counter()
        good_weights = model.state_dict()
        try:
            with contextlib.closing(display.bar(loader, f"epoch {epoch}/{epochs}")) as batches:
                means = run.train_one_epoch(epoch, batches, loss_fn, metric, display)
            record = {"epoch": epoch, **means}
            if validation is not None:
                results = evaluate(model, validation, loss_fn, metric)
                if not math.isfinite(results["loss"]):
                    raise run.divergence(
                        f"the held-out loss is {results['loss']} at the end", epoch
                    )
                record.update({f"test_{name}": value for name, value in results.items()})
        except Diverged:
            model.load_state_dict(good_weights)
            raise
        record["lr"] = optimizer.lr
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(record.get("test_loss", record["loss"]))
        elif scheduler is not None and not isinstance(scheduler, OneCycleLR):
            scheduler.step()  # type: ignore[attr-defined]
        record["seconds"] = round(time.perf_counter() - started, 3)
        if checkpoint is not None:
            run.keep(checkpoint, [*history.epochs, record], settings)
        # Only now: a caller who is interrupted takes epochs in the history for epochs kept.
        history.epochs.append(record)
        display.line(_describe(record, epochs))
    return history


@dataclass
class _Run:
    """What takes part in training, and with that all state that it depends on."""

    model: Module
    loader: DataLoader
    optimizer: Optimizer
    scheduler: Scheduler | None

    def check_parts_belong_together(self) -> None:
        """Refuse what would train nothing, or something else."""
        _check_kind("fit", "model", self.model, "a", Module)
        if not isinstance(self.loader, DataLoader):
            raise TypeError(f"fit: loader must be a DataLoader, got a {type(self.loader).__name__}")
        _check_kind("fit", "optimizer", self.optimizer, "an", Optimizer)
        if self.scheduler is not None:
            _check_kind("fit", "scheduler", self.scheduler, "a", Scheduler)
        own = {id(parameter) for parameter in self.model.parameters()}
        if not any(id(parameter) in own for parameter in self.optimizer.params):
            raise ValueError(
                f"fit: the {type(self.optimizer).__name__} has no parameter of this model; make it "
                "from the parameters() of this very one (astype() gives another)"
            )
        if self.scheduler is not None and self.scheduler.optimizer is not self.optimizer:
            raise ValueError(
                f"fit: the {type(self.scheduler).__name__} was made for another optimizer than the "
                f"{type(self.optimizer).__name__} given"
            )

    def check_schedule(self, epochs: int) -> None:
        """Refuse a schedule that would end before these epochs do."""
        scheduler, steps = self.scheduler, epochs * len(self.loader)
        if isinstance(scheduler, OneCycleLR) and scheduler.steps + steps > scheduler.total_steps:
            raise ValueError(
                f"OneCycleLR: {epochs} epochs of {len(self.loader)} batches are {steps} steps, but "
                f"{scheduler.steps} of total_steps={scheduler.total_steps} have been made already; "
                "make it with total_steps = epochs * len(loader)"
            )

    def train_one_epoch(
        self,
        epoch: int,
        batches: Iterable[tuple[Tensor, ...]],
        loss_fn: LossFunction,
        metric: Metric | None,
        display: Progress,
    ) -> dict[str, float]:
        """Forward, loss, backward and step for every batch. Returns the average loss and metric."""
        self.model.train()
        totals = _RunningMeans()
        for step, batch in enumerate(batches, start=1):
            inputs, targets = _inputs_and_targets("fit", batch)
            outputs = self.model(inputs)
            loss = _loss("fit", loss_fn, outputs, targets)
            values = {"loss": loss.item()}
            if not math.isfinite(values["loss"]):
                raise self.divergence(f"the loss is {values['loss']} in step {step}", epoch)
            if metric is not None:
                values[_name_of(metric)] = metric(outputs, targets)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            if isinstance(self.scheduler, OneCycleLR):
                self.scheduler.step()
            totals.add(len(targets), values)
            display.show(totals.means())
        # What a step has spoilt shows in the next loss, but after the last step there is none.
        for name, parameter in self.model.named_parameters():
            if not np.isfinite(parameter.data).all():
                raise self.divergence(f"{name} is not finite after step {len(self.loader)}", epoch)
        return totals.means()

    def divergence(self, what: str, epoch: int) -> Diverged:
        """The error to raise."""
        return Diverged(
            f"fit: {what} of epoch {epoch} (learning rate {self.optimizer.lr:g}); the weights from "
            "before the epoch are back in the model; try a smaller learning rate or clip_grad_norm"
        )

    # --- checkpoints ------------------------------------------------------------------------------
    #
    # One safetensors file, so that it is replaced as a whole: arrays under "model." and
    # "optimizer.", everything else as JSON in the file's metadata.

    def keep(
        self,
        path: str | os.PathLike[str],
        records: list[dict[str, Any]],
        settings: dict[str, Any] | None,
    ) -> None:
        """Write a checkpoint."""
        arrays, rest = self._state()
        rest |= {"epochs": records, "settings": settings}
        # Some bit generators have arrays in their state; they take them back as lists.
        save(arrays, path, metadata={"minigrad": json.dumps(rest, default=np.ndarray.tolist)})

    def restore(self, path: str | os.PathLike[str], epochs: int) -> list[dict[str, Any]]:
        """Bring all to the state in a checkpoint, or nothing. Returns the epochs' records."""
        arrays, rest = _read_checkpoint(path)
        records: list[dict[str, Any]] = rest["epochs"]
        before = self._state()
        try:
            if len(records) > epochs:
                raise ValueError(f"it holds {len(records)} epochs, more than {epochs=}")
            self._set_state(arrays, rest)
            self.check_schedule(epochs - len(records))
        except (TypeError, ValueError) as error:
            self._set_state(*before)
            raise ValueError(
                f"fit: the checkpoint {os.fspath(path)} does not fit: {error}"
            ) from None
        return records

    def _state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        arrays = {f"model.{name}": array for name, array in self.model.state_dict().items()}
        arrays |= {f"optimizer.{name}": a for name, a in self.optimizer.state_dict().items()}
        return arrays, {
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "loader": {
                "epoch": self.loader.epoch,
                "seed": self.loader.seed,
                **self._what_decides_the_batches(),
            },
            "generators": {name: g.bit_generator.state for name, g in self._generators().items()},
            "random": random.get_state(),
        }

    def _set_state(self, arrays: dict[str, Array], rest: dict[str, Any]) -> None:
        weights, averages = (
            {
                name.removeprefix(part): array
                for name, array in arrays.items()
                if name.startswith(part)
            }
            for part in ("model.", "optimizer.")
        )
        self.model.load_state_dict(weights)
        for name, value in self._what_decides_the_batches().items():
            if rest["loader"][name] != value:
                raise ValueError(f"its loader had {name}={rest['loader'][name]}, not {value}")
        if (rest["scheduler"] is None) != (self.scheduler is None):
            raise ValueError(
                f"it was made {'without' if rest['scheduler'] is None else 'with'} a scheduler"
            )
        if self.scheduler is not None:
            self.scheduler.load_state_dict(rest["scheduler"])
        self.optimizer.load_state_dict(averages)
        generators = self._generators()
        kinds = {name: g.bit_generator.state["bit_generator"] for name, g in generators.items()}
        kept = {name: state["bit_generator"] for name, state in rest["generators"].items()}
        if kept != kinds:
            raise ValueError(f"its modules hold the random generators {kept}, and these {kinds}")
        for name, generator in generators.items():
            generator.bit_generator.state = rest["generators"][name]
        random.set_state(rest["random"])
        self.loader.epoch, self.loader.seed = rest["loader"]["epoch"], rest["loader"]["seed"]

    def _what_decides_the_batches(self) -> dict[str, int | bool]:
        """All but the epoch and the seed, which are taken over from a checkpoint."""
        return {
            "items": len(self.loader.dataset),
            "batch_size": self.loader.batch_size,
            "shuffle": bool(self.loader.shuffle),
            "drop_last": bool(self.loader.drop_last),
        }

    def _generators(self) -> dict[str, np.random.Generator]:
        """The generators that modules hold as attributes (a Dropout's rng), by dotted name."""
        return {
            f"{name}.{attribute}": value
            for name, module in self.model.named_modules()
            for attribute, value in vars(module).items()
            if isinstance(value, np.random.Generator)
        }


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that `fit` kept in a checkpoint; empty if there were none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or is no checkpoint.
    """
    return _read_checkpoint(path)[1]["settings"] or {}


def _read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    arrays, metadata = load_with_metadata(path)
    with contextlib.suppress(ValueError):  # no JSON
        rest = json.loads(metadata.get("minigrad", ""))
        parts = {"epochs", "settings", "scheduler", "loader", "generators", "random"}
        if isinstance(rest, dict) and rest.keys() == parts:
            return arrays, rest
    raise ValueError(f"{os.fspath(path)} holds arrays but is no checkpoint of fit")


def _check_can_be_kept(checkpoint: str | os.PathLike[str], settings: dict[str, Any] | None) -> None:
    """Now, and not when the first epoch is over."""
    try:
        json.dumps(settings)
    except (TypeError, ValueError) as error:
        raise TypeError(f"fit: settings={settings!r} cannot be kept as JSON ({error})") from None
    path = Path(checkpoint)
    if path.is_dir():
        raise ValueError(f"fit: checkpoint={path} is a folder; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"fit: checkpoint={path} cannot be written ({error})") from None
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"fit: checkpoint={path} cannot be written: its folder is read-only")


def _check_kind(where: str, name: str, value: object, article: str, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(
            f"{where}: {name} must be {article} {kind.__name__}, not {type(value).__name__}"
        )


def _inputs_and_targets(where: str, batch: Any) -> tuple[Tensor, Tensor]:
    """The two of a batch. A bare Tensor is one array, even if its first axis has two cells."""
    arrays = batch if isinstance(batch, (tuple, list)) else (batch,)
    if len(arrays) != 2:
        raise ValueError(
            f"{where}: batches must be (inputs, targets), got {len(arrays)} "
            f"array{'' if len(arrays) == 1 else 's'}"
        )
    inputs, targets = arrays
    return inputs, targets


# --- measuring ------------------------------------------------------------------------------------


class _RunningMeans:
    """Averages over items, of values given per batch."""

    def __init__(self) -> None:
        self.count = 0
        self._sums: dict[str, float] = {}

    def add(self, count: int, values: dict[str, float]) -> None:
        self.count += count
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value * count

    def means(self) -> dict[str, float]:
        return {name: total / self.count for name, total in self._sums.items()}


def _loss(where: str, loss_fn: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    loss = loss_fn(outputs, targets)
    if not isinstance(loss, Tensor):
        raise TypeError(f"{where}: loss_fn must return a Tensor, got a {type(loss).__name__}")
    if loss.size != 1:
        raise ValueError(
            f"{where}: loss_fn returned a Tensor of shape {loss.shape}; it must be a single "
            "number, such as the mean over the batch"
        )
    return loss


def _name_of(metric: Metric | None) -> str:
    """What a metric is called in records; a functools.partial or an object goes by its class."""
    name = getattr(metric, "__name__", type(metric).__name__)
    if name in ("epoch", "loss", "lr", "seconds"):
        raise ValueError(f"metric: the name {name!r} is taken in records; rename the function")
    return str(name)


def _describe(record: dict[str, Any], epochs: int) -> str:
    """One line: epoch 2/3: loss 0.0712, accuracy 0.9781, test loss 0.0601, ... (4.2 s)"""
    values = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}"
        for name, value in record.items()
        if name not in ("epoch", "lr", "seconds")
    )
    return f"epoch {record['epoch']}/{epochs}: {values} ({record['seconds']:.1f} s)"
