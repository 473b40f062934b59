"""Operators that fuse an exponential with its logarithm: neither alone would stay finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine import Array, primitive
from .elementwise import sigmoid
from .linear import reshape
from .reductions import softmax_over

if TYPE_CHECKING:
    from ..tensor import Tensor


@primitive
def softplus(x: Array) -> Array:
    """log(1 + exp(x))"""
    return np.logaddexp(x, x.dtype.type(0))


softplus.defvjps(lambda g, x: g * sigmoid(x))


@primitive
def cross_entropy(logits: Array, *, labels: Array) -> Array:
    """logsumexp(logits) - logits[label] for every row: (..., classes) -> (...)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the difference is the same, and finite
    at_label = np.take_along_axis(shifted, labels[..., None], axis=-1)[..., 0]
    return np.log(np.exp(shifted).sum(axis=-1)) - at_label


def _cross_entropy_rule(g: Tensor, logits: Tensor, labels: Array) -> Tensor:
    probabilities = softmax_over(logits, (logits.ndim - 1,))
    target = np.zeros(logits.shape, logits.dtype)
    np.put_along_axis(target, labels[..., None], 1, axis=-1)
    return reshape(g, shape=(*g.shape, 1)) * (probabilities - target)


cross_entropy.defvjps(_cross_entropy_rule)
