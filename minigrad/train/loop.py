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
from ..distributed import main_first, rank, size
from ..distributed.terminal import launchers_terminal
from ..nn import Module
from ..optim import OneCycleLR, Optimizer, ReduceLROnPlateau
from ..optim.schedulers import Scheduler
from ..progress import Progress
from ..tensor import Tensor
from . import together
from .checkpoints import check_can_be_kept, keep, read_checkpoint, restore
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

    Several ranks (see `distributed`) train it together, and take the steps that one process would:
    every rank calls fit with the same arguments, a loader with a `DistributedSampler`, a
    `DistributedOptimizer`, and `SyncBatchNorm` in the place of BatchNorm. Rank 0 shows how it goes
    and writes the checkpoint, from which any number of ranks can go on. Random numbers differ from
    rank to rank, and are the same in every run with as many ranks.

    Args:
        model: called on the first array of each batch, in training mode.
        loader: batches of (inputs, targets).
        optimizer: of the model's parameters.
        epochs: passes over the loader, in all (those of an earlier run that is resumed included).
        validation: held-out batches to evaluate on after every epoch. Several ranks share the work
            if this loader has a `DistributedSampler`, too; otherwise each does all of it, and what
            rank 0 finds counts.
        loss_fn: (outputs, targets) -> a single number; with several ranks the mean over a batch.
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
            them or cannot be written, resume without one, or ranks that do not share batches and
            gradients, or disagree on something. Nothing has been changed.
        ValueError: batches other than (inputs, targets), or what a loss or metric refuses.
        KeyboardInterrupt: passed on; the model keeps the steps made so far. Of several ranks, it is
            raised in rank 0 alone.
    """
    integer(epochs, "epochs", where="fit")
    name_of(metric)  # or raise
    parts = Parts(model, loader, optimizer, scheduler)
    parts.check_they_belong_together()
    together.check_parts_are_shared(parts)
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
    kept = None
    if resume and checkpoint is not None and Path(checkpoint).exists():
        kept = read_checkpoint(checkpoint)
    together.check_inputs_agree(parts, validation, metric, epochs, checkpoint, kept)
    if checkpoint is not None and kept is not None:
        history.epochs = restore(parts, checkpoint, kept, epochs)
    else:
        parts.check_schedule(epochs)
    together.check_states_agree(parts)
    display = Progress(progress and rank() == 0, launchers_terminal())
    for epoch in range(len(history.epochs) + 1, epochs + 1):
        started = time.perf_counter()
        good_weights = model.state_dict()
        try:
            with contextlib.closing(display.bar(loader, f"epoch {epoch}/{epochs}")) as batches:
                means = _train_one_epoch(parts, epoch, batches, loss_fn, metric, display)
            record = {"epoch": epoch, **means}
            if validation is not None:
                results = together.results_for_all(
                    validation, evaluate(model, validation, loss_fn, metric)
                )
                if not math.isfinite(results["loss"]):
                    raise _divergence(
                        parts, f"the held-out loss is {results['loss']} at the end", epoch
                    )
                record.update({f"test_{name}": value for name, value in results.items()})
        except Diverged:
            model.load_state_dict(good_weights)
            together.join_random_streams(parts)  # all ranks are here
            raise
        record["lr"] = optimizer.lr
        if isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step(record.get("test_loss", record["loss"]))
        elif scheduler is not None and not isinstance(scheduler, OneCycleLR):
            scheduler.step()  # type: ignore[attr-defined]
        record["seconds"] = round(time.perf_counter() - started, 3)
        if checkpoint is not None:
            with main_first():
                if rank() == 0:
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
    together.part_random_streams(parts)
    totals = RunningMeans()
    for step, batch in enumerate(batches, start=1):
        inputs, targets = inputs_and_targets("fit", batch)
        outputs = parts.model(inputs)
        loss, values = _loss_and_values(outputs, targets, loss_fn, metric)
        items, values, share = together.means_of_batch(len(targets), values)
        if not math.isfinite(values["loss"]):
            raise _divergence(parts, f"the loss is {values['loss']} in step {step}", epoch)
        parts.optimizer.zero_grad()
        loss.backward(None if share is None else np.full(loss.shape, share))
        parts.optimizer.step()
        if isinstance(parts.scheduler, OneCycleLR):
            parts.scheduler.step()
        totals.add(items, values)
        display.show(totals.means())
    together.join_random_streams(parts)
    # What a step has spoilt shows in the next loss, but after the last step there is none.
    for name, parameter in parts.model.named_parameters():
        if not np.isfinite(parameter.data).all():
            raise _divergence(parts, f"{name} is not finite after step {len(parts.loader)}", epoch)
    return totals.means()


def _loss_and_values(
    outputs: Tensor, targets: Tensor, loss_fn: LossFunction, metric: Metric | None
) -> tuple[Tensor, dict[str, float]]:
    """The loss, and by name the numbers to report."""
    names = ["loss"] if metric is None else ["loss", name_of(metric)]
    if len(targets) == 0 and size() > 1:
        # Of a small batch this rank has no part. It goes both ways through the model all the same,
        # for layers that have to do with all ranks; nothing comes of it.
        return outputs.sum(), dict.fromkeys(names, 0.0)
    loss = loss_of("fit", loss_fn, outputs, targets)
    values = {"loss": loss.item()}
    if metric is not None:
        # A metric may not like scores that are nan; nobody asks for it then.
        good = math.isfinite(values["loss"])
        values[name_of(metric)] = metric(outputs, targets) if good else math.nan
    return loss, values


def _divergence(parts: Parts, what: str, epoch: int) -> Diverged:
    """The error to raise."""
    return Diverged(
        f"fit: {what} of epoch {epoch} (learning rate {parts.optimizer.lr:g}); the weights from "
        "before the epoch are back in the model; try a smaller learning rate or clip_grad_norm"
    )
