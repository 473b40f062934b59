"""Losses and metrics: what they are asked for, and their averages over batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..tensor import Tensor

LossFunction = Callable[[Tensor, Tensor], Tensor]
Metric = Callable[[Tensor, Tensor], float]


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
class RunningMeans:
    """Averages over items, of values given per batch."""

    count: int = 0
    sums: dict[str, float] = field(default_factory=dict)

    def add(self, count: int, values: dict[str, float]) -> None:
        """The means over one more batch, of so many items."""
        self.count += count
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value * count

    def means(self) -> dict[str, float]:
        """By name."""
        return {name: total / self.count for name, total in self.sums.items()}


def inputs_and_targets(where: str, batch: Any) -> tuple[Tensor, Tensor]:
    """The two of a batch. A bare Tensor is one array, even if its first axis has two cells."""
    arrays = batch if isinstance(batch, (tuple, list)) else (batch,)
    if len(arrays) != 2:
        raise ValueError(
            f"{where}: batches must be (inputs, targets), got {len(arrays)} "
            f"array{'' if len(arrays) == 1 else 's'}"
        )
    inputs, targets = arrays
    return inputs, targets


def loss_of(where: str, loss_fn: LossFunction, outputs: Tensor, targets: Tensor) -> Tensor:
    """What the loss function returns, if that is one number in a Tensor."""
    loss = loss_fn(outputs, targets)
    if not isinstance(loss, Tensor):
        raise TypeError(f"{where}: loss_fn must return a Tensor, got a {type(loss).__name__}")
    if loss.size != 1:
        raise ValueError(
            f"{where}: loss_fn returned a Tensor of shape {loss.shape}; it must be a single "
            "number, such as the mean over the batch"
        )
    return loss


def name_of(metric: Metric | None) -> str:
    """What a metric is called in records; a functools.partial or an object goes by its class."""
    name = getattr(metric, "__name__", type(metric).__name__)
    if name in ("epoch", "loss", "lr", "seconds"):
        raise ValueError(f"metric: the name {name!r} is taken in records; rename the function")
    return str(name)
