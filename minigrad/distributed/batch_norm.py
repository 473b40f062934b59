"""Batch normalisation over the whole batch, wherever its parts are: `SyncBatchNorm`."""

from __future__ import annotations

import math

import numpy as np

from ..nn import BatchNorm, Module
from ..tensor import Tensor
from .sums import all_reduce, sum_over_ranks


class SyncBatchNorm(BatchNorm):
    """A `BatchNorm` whose mean and variance are those of the batch over all ranks.

    Gradients flow through them to every rank's part, and the running averages are the same on all
    ranks. In a plain process it is a BatchNorm; the state of either can be loaded into the other. A
    rank whose part is empty takes part, with an input of no items.

    >>> norm = SyncBatchNorm(1)
    >>> norm(Tensor([[1.0], [3.0]])).shape, norm.running_mean, norm.running_var
    ((2, 1), tensor([0.2], dtype=float32), tensor([1.1], dtype=float32))
    """

    def _moments(self, x: Tensor) -> tuple[int, Tensor, Tensor]:
        axes = tuple(range(x.ndim - 1))
        here = math.prod(x.shape[:-1])
        count = int(sum_over_ranks(np.array([here]))[0])
        self._refuse_without_variance(count, x.shape)
        mean = all_reduce(x.sum(axes)) / count
        var = all_reduce((x - mean).square().sum(axes)) / count
        return count, mean, var


def convert_sync_batchnorm(module: Module) -> Module:
    """Make every `BatchNorm` in a module a `SyncBatchNorm`, in place.

    Tensors, hooks and names stay; subclasses of BatchNorm of one's own are left as they are.

    Args:
        module: a BatchNorm, or what holds some.

    Returns:
        The module.

    >>> from minigrad import nn
    >>> convert_sync_batchnorm(nn.Sequential(nn.Dense(3, 5), nn.BatchNorm(5)))
    Sequential(
      (layers.0): Dense(3, 5)
      (layers.1): SyncBatchNorm(5)
    )
    """
    if not isinstance(module, Module):
        raise TypeError(
            f"convert_sync_batchnorm: module must be a Module, got a {type(module).__name__}"
        )
    for _, within in module.named_modules():
        if type(within) is BatchNorm:
            # The two have the same attributes. The object stays, so whoever holds it follows.
            within.__class__ = SyncBatchNorm
    return module
