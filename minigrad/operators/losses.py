"""Operators that fuse an exponential with its logarithm: neither alone would stay finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine import Array, primitive
from .elementwise import sigmoid
from .linear import getitem, reshape, sum_to
from .reductions import softmax_over, sum_over

if TYPE_CHECKING:
    from ..tensor import Tensor


@primitive
def softplus(x: Array) -> Array:
    """log(1 + exp(x))"""
    return np.logaddexp(x, x.dtype.type(0))


softplus.defvjps(lambda g, x: g * sigmoid(x))


@primitive(saves=["probabilities", "at_label", "count"])
def cross_entropy(
    logits: Array, *, labels: Array, reduction: str = "none"
) -> tuple[Array, Array, tuple[Array, ...], int]:
    """logsumexp(logits) - logits[label] for every row: (..., classes) -> (...).

    With the reduction "mean" or "sum" a single number.
    """
    at_label = (*np.indices(labels.shape, sparse=True), labels)
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the difference is the same, and finite
    probabilities = np.exp(shifted)
    sums = probabilities.sum(axis=-1, keepdims=True)
    probabilities /= sums
    items = np.log(sums[..., 0]) - shifted[at_label]
    count = labels.size if reduction == "mean" else 1
    out = items if reduction == "none" else items.sum() / count
    return out, probabilities, at_label, count


@primitive
def cross_entropy_slope(
    g: Array, logits: Array, *, probabilities: Array, at_label: tuple[Array, ...], count: int = 1
) -> Array:
    """g / count * (softmax(logits) - one_hot(labels)): (...), (..., classes) -> (..., classes).

    What the gradient g of the cross entropy, one per row or a single number, becomes on its way to
    the logits; `probabilities` is their softmax.
    """
    slope = probabilities.copy()
    slope[at_label] -= 1
    slope *= g[..., np.newaxis] / count
    return slope


def _slope_rule_for_g(
    upstream: Tensor, g: Tensor, logits: Tensor, at_label: tuple[Array, ...], count: int
) -> Tensor:
    classes = logits.ndim - 1
    average = sum_over(upstream * softmax_over(logits, (classes,)), classes)
    return sum_to((average - getitem(upstream, index=at_label)) / count, shape=g.shape)


def _slope_rule_for_logits(upstream: Tensor, g: Tensor, logits: Tensor, count: int) -> Tensor:
    classes = logits.ndim - 1
    probabilities = softmax_over(logits, (classes,))
    weighted = probabilities * (upstream * reshape(g / count, shape=(*g.shape, 1)))
    return weighted - probabilities * sum_over(weighted, classes, keepdims=True)


cross_entropy.defvjps(
    lambda g, logits, probabilities, at_label, count: cross_entropy_slope(
        g, logits, probabilities=probabilities, at_label=at_label, count=count
    )
)
cross_entropy_slope.defvjps(_slope_rule_for_g, _slope_rule_for_logits)
