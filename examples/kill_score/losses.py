"""Planted mistakes in softmax and losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator

GROUP = Group("softmax and losses")
mistake = GROUP.mistake
Rng = np.random.Generator


def _softmax(x: Any) -> Any:
    exponentials = np.exp(x - x.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def _softmax_with(rule: Any, sizes: Sizes, rng: Rng) -> Planted:
    return operator(_softmax, by_hand(rule)), (rng.normal(size=(sizes.rows, sizes.inner)),)


@mistake("softmax: 0 (ones cannot see it)", "zero")
def _softmax_zero(sizes: Sizes, rng: Rng) -> Planted:
    return _softmax_with(lambda g: np.zeros_like(g), sizes, rng)


@mistake("softmax: the sum over classes forgotten", "missing term")
def _softmax_without_sum(sizes: Sizes, rng: Rng) -> Planted:
    return _softmax_with(lambda g, out: g * out, sizes, rng)


@mistake("softmax: only the diagonal of the Jacobian", "missing term")
def _softmax_of_the_diagonal(sizes: Sizes, rng: Rng) -> Planted:
    return _softmax_with(lambda g, out: g * out * (1 - out), sizes, rng)


@mistake("softmax: summed over the batch in place of the classes", "wrong axis", "missing term")
def _softmax_over_the_batch(sizes: Sizes, rng: Rng) -> Planted:
    return _softmax_with(lambda g, out: out * (g - (g * out).sum(0)), sizes, rng)


@mistake("log_softmax: the softmax forgotten", "missing term", "slope")
def _log_softmax_without_softmax(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: np.log(_softmax(x)), by_hand(lambda g: g - g.sum(1, keepdims=True))
    ), (rng.normal(size=(sizes.rows, sizes.inner)),)


def _cross_entropy(rule: Any, sizes: Sizes, rng: Rng) -> Planted:
    """The mean over rows of -log softmax at the label; the rule gets (softmax, one-hot labels)."""
    labels = rng.integers(sizes.inner, size=sizes.rows)
    target = np.eye(sizes.inner)[labels]

    def forward(logits: Any) -> Any:
        return -np.log(_softmax(logits)[np.arange(len(labels)), labels]).mean()

    def on_logits(g: Any, logits: Any) -> Any:
        return g * rule(_softmax(logits), target)

    return operator(forward, by_hand(on_logits)), (rng.normal(size=(sizes.rows, sizes.inner)),)


@mistake("cross-entropy: not divided by the batch size", "factor")
def _cross_entropy_not_averaged(sizes: Sizes, rng: Rng) -> Planted:
    return _cross_entropy(lambda p, target: p - target, sizes, rng)


@mistake("cross-entropy: divided by the number of classes", "factor")
def _cross_entropy_divided_by_classes(sizes: Sizes, rng: Rng) -> Planted:
    return _cross_entropy(lambda p, target: (p - target) / p.shape[1], sizes, rng)


@mistake("cross-entropy: labels minus softmax", "sign")
def _cross_entropy_with_wrong_sign(sizes: Sizes, rng: Rng) -> Planted:
    return _cross_entropy(lambda p, target: (target - p) / len(p), sizes, rng)


@mistake("cross-entropy: the labels not subtracted", "missing term")
def _cross_entropy_without_labels(sizes: Sizes, rng: Rng) -> Planted:
    return _cross_entropy(lambda p, target: p / len(p), sizes, rng)


@mistake("cross-entropy: softmax over the whole batch in backward", "slope", "wrong axis")
def _cross_entropy_with_one_softmax(sizes: Sizes, rng: Rng) -> Planted:
    return _cross_entropy(lambda p, target: (p / len(p) - target) / len(p), sizes, rng)


@mistake("weighted cross-entropy: weights by column, not by label (tinynn)", "factor along an axis")
def _cross_entropy_weighted_by_column(sizes: Sizes, rng: Rng) -> Planted:
    labels = rng.integers(sizes.inner, size=sizes.rows)
    target = np.eye(sizes.inner)[labels]
    weights = 0.5 + rng.random(sizes.inner)

    def forward(logits: Any) -> Any:
        return -(weights * target * np.log(_softmax(logits))).sum()

    return operator(
        forward, by_hand(lambda g, logits: g * weights * (_softmax(logits) - target))
    ), (rng.normal(size=(sizes.rows, sizes.inner)),)


@mistake("cross-entropy: the incoming gradient forgotten", "incoming gradient")
def _cross_entropy_without_incoming_gradient(sizes: Sizes, rng: Rng) -> Planted:
    labels = rng.integers(sizes.inner, size=sizes.rows)
    target = np.eye(sizes.inner)[labels]

    def forward(logits: Any) -> Any:
        return -(target * np.log(_softmax(logits))).sum()

    return operator(forward, by_hand(lambda g, logits: _softmax(logits) - target)), (
        rng.normal(size=(sizes.rows, sizes.inner)),
    )


def _squared_error(rule: Any, sizes: Sizes, rng: Rng) -> Planted:
    """The mean of (prediction - target)^2; the rule is the prediction's."""
    shape = (sizes.rows, sizes.inner)
    return operator(
        lambda p, t: ((p - t) ** 2).mean(), rule, lambda g, p, t: g * (t - p) * (2 / p.size)
    ), (rng.normal(size=shape), rng.normal(size=shape))


@mistake("mean squared error: 2 forgotten", "factor")
def _squared_error_without_two(sizes: Sizes, rng: Rng) -> Planted:
    return _squared_error(lambda g, p, t: g * (p - t) / p.size, sizes, rng)


@mistake("mean squared error: divided by the rows, not by all cells", "factor")
def _squared_error_per_row(sizes: Sizes, rng: Rng) -> Planted:
    return _squared_error(lambda g, p, t: g * (p - t) * (2 / len(p)), sizes, rng)


@mistake("binary cross-entropy with logits: sigmoid's derivative multiplied in", "slope")
def _binary_cross_entropy_with_sigmoid_twice(sizes: Sizes, rng: Rng) -> Planted:
    target = (rng.random((sizes.rows, sizes.inner)) > 0.5) * 1.0

    def rule(g: Any, z: Any) -> Any:
        p = 1 / (1 + np.exp(-z))
        return g * (p - target) * p * (1 - p)

    return operator(lambda z: (np.logaddexp(0, z) - target * z).sum(), by_hand(rule)), (
        rng.normal(size=(sizes.rows, sizes.inner)),
    )


@mistake("huber: large differences not bounded", "branch")
def _huber_without_bound(sizes: Sizes, rng: Rng) -> Planted:
    def forward(d: Any) -> Any:
        size = np.abs(d)
        return np.where(size < 1, d * d / 2, size - 0.5)

    return operator(forward, lambda g, d: g * d), (
        1.5 * rng.normal(size=(sizes.rows, sizes.inner)),
    )


@mistake("cross-entropy with smoothed labels: the smoothing forgotten", "missing term", "slope")
def _cross_entropy_without_smoothing(sizes: Sizes, rng: Rng) -> Planted:
    labels = rng.integers(sizes.inner, size=sizes.rows)
    target = np.eye(sizes.inner)[labels]
    smoothed = 0.9 * target + 0.1 / sizes.inner

    def forward(logits: Any) -> Any:
        return -(smoothed * np.log(_softmax(logits))).sum()

    return operator(forward, by_hand(lambda g, logits: g * (_softmax(logits) - target))), (
        rng.normal(size=(sizes.rows, sizes.inner)),
    )


@mistake("absolute error: the sign of the difference forgotten", "slope", "sign")
def _absolute_error_without_sign(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.inner)
    target = rng.normal(size=shape)
    return operator(lambda p: np.abs(p - target).sum(), by_hand(lambda g: np.full(shape, g))), (
        rng.normal(size=shape),
    )
