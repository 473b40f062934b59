"""One pass over a loader without training: `evaluate`."""

from __future__ import annotations

from collections.abc import Iterable

from .. import functional as F
from ..engine import no_grad
from ..nn import Module
from ..tensor import Tensor
from . import together
from .measuring import (
    LossFunction,
    Metric,
    RunningMeans,
    accuracy,
    inputs_and_targets,
    loss_of,
    name_of,
)
from .parts import check_kind


def evaluate(
    model: Module,
    loader: Iterable[tuple[Tensor, ...]],
    loss_fn: LossFunction = F.cross_entropy,
    metric: Metric | None = accuracy,
) -> dict[str, float]:
    """Loss and metric over a loader, in evaluation mode, averaged over all items.

    Nothing in the model is changed, and its modes are as before when it is done. Where several
    ranks share the loader (`distributed.DistributedSampler`), every rank must call it, and gets the
    average over all items; otherwise it is a matter of the rank that calls it.

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
    check_kind("evaluate", "model", model, "a", Module)
    name = name_of(metric)
    modes = [(module, module.training) for _, module in model.named_modules()]
    model.eval()
    totals, shared = RunningMeans(), together.is_shared(loader)
    try:
        with no_grad():
            for batch in loader:
                inputs, targets = inputs_and_targets("evaluate", batch)
                if shared and len(targets) == 0:
                    continue
                outputs = model(inputs)
                values = {"loss": loss_of("evaluate", loss_fn, outputs, targets).item()}
                if metric is not None:
                    values[name] = metric(outputs, targets)
                totals.add(len(targets), values)
    finally:
        for module, training in modes:
            module.training = training
    if shared:
        totals = together.totals_of_ranks(totals)
    if totals.count == 0:
        raise ValueError("evaluate: the loader gives no batches")
    return totals.means()
