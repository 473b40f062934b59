"""The training loop: `fit`."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .. import functional as F
from ..conv_arithmetic import integer
from ..data import DataLoader
from ..nn import Module
from ..optim import OneCycleLR, Optimizer, ReduceLROnPlateau
from ..optim.schedulers import Scheduler
from ..progress import Progress
from ..tensor import Tensor
from .checkpoints import check_can_be_kept, keep, restore
from .evaluation import evaluate
from .history import History, describe
from .measuring import (
    LossFunction,
    Metric,
    RunningMeans,
    accuracy,
    inputs_and_targets,
    loss_of,
    name_of,
)
from .parts import Parts


class Diverged(ValueError):
    """The loss or the weights are nan or infinite. The model holds its last good weights again."""


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
    name_of(metric)  # or raise
    parts = Parts(model, loader, optimizer, scheduler)
    parts.check_they_belong_together()
    if checkpoint is None and resume:
        raise ValueError("fit: resume=True needs the checkpoint to resume from")
    if checkpoint is not None:
        check_can_be_kept(checkpoint, settings)
    if history is None:
        history = History()
    elif history.epochs:
        raise ValueError(
            f"fit: history has {len(history.epochs)} epochs; give an empty one to fill (resume "
            "goes on from a checkpoint)"
        )
    if resume and checkpoint is not None and Path(checkpoint).exists():
        history.epochs = restore(parts, checkpoint, epochs)
    else:
        parts.check_schedule(epochs)
    display = Progress(enabled=progress)
    for epoch in range(len(history.epochs) + 1, epochs + 1):
        started = time.perf_counter()
        good_weights = model.state_dict()
        try:
            with contextlib.closing(display.bar(loader, f"epoch {epoch}/{epochs}")) as batches:
                means = _train_one_epoch(parts, epoch, batches, loss_fn, metric, display)
            record = {"epoch": epoch, **means}
            if validation is not None:
                results = evaluate(model, validation, loss_fn, metric)
                if not math.isfinite(results["loss"]):
                    raise _divergence(
                        parts, f"the held-out loss is {results['loss']} at the end", epoch
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
            keep(parts, checkpoint, [*history.epochs, record], settings)
        # Only now: a caller who is interrupted takes epochs in the history for epochs kept.
        history.epochs.append(record)
        display.line(describe(record, epochs))
    return history


def _train_one_epoch(
    parts: Parts,
    epoch: int,
    batches: Iterable[tuple[Tensor, ...]],
    loss_fn: LossFunction,
    metric: Metric | None,
    display: Progress,
) -> dict[str, float]:
    """Forward, loss, backward and step for every batch. Returns the average loss and metric."""
    parts.model.train()
    totals = RunningMeans()
    for step, batch in enumerate(batches, start=1):
        inputs, targets = inputs_and_targets("fit", batch)
        outputs = parts.model(inputs)
        loss = loss_of("fit", loss_fn, outputs, targets)
        values = {"loss": loss.item()}
        if not math.isfinite(values["loss"]):
            raise _divergence(parts, f"the loss is {values['loss']} in step {step}", epoch)
        if metric is not None:
            values[name_of(metric)] = metric(outputs, targets)
        parts.optimizer.zero_grad()
        loss.backward()
        parts.optimizer.step()
        if isinstance(parts.scheduler, OneCycleLR):
            parts.scheduler.step()
        totals.add(len(targets), values)
        display.show(totals.means())
    # What a step has spoilt shows in the next loss, but after the last step there is none.
    for name, parameter in parts.model.named_parameters():
        if not np.isfinite(parameter.data).all():
            raise _divergence(parts, f"{name} is not finite after step {len(parts.loader)}", epoch)
    return totals.means()


def _divergence(parts: Parts, what: str, epoch: int) -> Diverged:
    """The error to raise."""
    return Diverged(
        f"fit: {what} of epoch {epoch} (learning rate {parts.optimizer.lr:g}); the weights from "
        "before the epoch are back in the model; try a smaller learning rate or clip_grad_norm"
    )
