"""Operators that fuse an exponential with its logarithm: neither alone would stay finite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..engine import Array, primitive
from .elementwise import sigmoid
from .linear import getitem, reshape
from .reductions import softmax_over, sum_over

if TYPE_CHECKING:
    from ..tensor import Tensor


@primitive
def softplus(x: Array) -> Array:
    """log(1 + exp(x))"""
    return np.logaddexp(x, x.dtype.type(0))


softplus.defvjps(lambda g, x: g * sigmoid(x))


@primitive(saves=["probabilities", "at_label"])
def cross_entropy(logits: Array, *, labels: Array) -> tuple[Array, Array, tuple[Array, ...]]:
    """logsumexp(logits) - logits[label] for every row: (..., classes) -> (...)."""
    at_label = (*np.indices(labels.shape, sparse=True), labels)
    shifted = logits - logits.max(axis=-1, keepdims=True)  # the difference is the same, and finite
    probabilities = np.exp(shifted)
    sums = probabilities.sum(axis=-1, keepdims=True)
    probabilities /= sums
    return np.log(sums[..., 0]) - shifted[at_label], probabilities, at_label


@primitive
def cross_entropy_slope(
    g: Array, logits: Array, *, probabilities: Array, at_label: tuple[Array, ...]
) -> Array:
    """g * (softmax(logits) - one_hot(labels)): (...), (..., classes) -> (..., classes).

    What the gradient g of the cross entropy becomes on its way to the logits; `probabilities` is
    their softmax.
    """
    slope = probabilities.copy()
    slope[at_label] -= 1
    slope *= g[..., np.newaxis]
    return slope


def _slope_rule_for_g(upstream: Tensor, logits: Tensor, at_label: tuple[Array, ...]) -> Tensor:
    classes = logits.ndim - 1
    average = sum_over(upstream * softmax_over(logits, (classes,)), classes)
    return average - getitem(upstream, index=at_label)


def _slope_rule_for_logits(upstream: Tensor, g: Tensor, logits: Tensor) -> Tensor:
    classes = logits.ndim - 1
    probabilities = softmax_over(logits, (classes,))
    weighted = probabilities * (upstream * reshape(g, shape=(*g.shape, 1)))
    return weighted - probabilities * sum_over(weighted, classes, keepdims=True)


cross_entropy.defvjps(
    lambda g, logits, probabilities, at_label: cross_entropy_slope(
        g, logits, probabilities=probabilities, at_label=at_label
    )
)
cross_entropy_slope.defvjps(_slope_rule_for_g, _slope_rule_for_logits)
