"""Planted mistakes in batch norm and layer norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator

GROUP = Group("normalisation")
mistake = GROUP.mistake
Rng = np.random.Generator
EPS = 1e-5


def _standardised(x: Any, axes: Any) -> tuple[Any, Any]:
    """x with mean 0 and variance 1 over some axes, and 1 / the standard deviation."""
    inverse = 1 / np.sqrt(x.var(axes, keepdims=True) + EPS)
    return (x - x.mean(axes, keepdims=True)) * inverse, inverse


def _batch_norm(
    sizes: Sizes, rng: Rng, *, for_x: Any = None, for_weight: Any = None, for_bias: Any = None
) -> Planted:
    """Batch norm of images with rules replaced; rules get what they name of (g, x, weight)."""
    axes = (0, 1, 2)

    def forward(x: Any, weight: Any, bias: Any) -> Any:
        return _standardised(x, axes)[0] * weight + bias

    def right_for_x(g: Any, x: Any, weight: Any) -> Any:
        normal, inverse = _standardised(x, axes)
        g = g * weight
        return inverse * (g - g.mean(axes) - normal * (g * normal).mean(axes))

    return operator(
        forward,
        by_hand(for_x or right_for_x),
        by_hand(for_weight or (lambda g, x: (g * _standardised(x, axes)[0]).sum(axes))),
        by_hand(for_bias or (lambda g: g.sum(axes))),
    ), (
        rng.normal(size=sizes.images),
        1 + rng.random(sizes.channels),
        rng.normal(size=sizes.channels),
    )


@mistake("batch norm: mean and variance taken for constants", "missing term")
def _batch_norm_with_constant_statistics(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any, weight: Any) -> Any:
        return g * weight * _standardised(x, (0, 1, 2))[1]

    return _batch_norm(sizes, rng, for_x=for_x)


@mistake("batch norm: the path through the variance forgotten", "missing term")
def _batch_norm_without_variance(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any, weight: Any) -> Any:
        g = g * weight
        return _standardised(x, (0, 1, 2))[1] * (g - g.mean((0, 1, 2)))

    return _batch_norm(sizes, rng, for_x=for_x)


@mistake("batch norm: the path through the mean forgotten", "missing term")
def _batch_norm_without_mean(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any, weight: Any) -> Any:
        normal, inverse = _standardised(x, (0, 1, 2))
        g = g * weight
        return inverse * (g - normal * (g * normal).mean((0, 1, 2)))

    return _batch_norm(sizes, rng, for_x=for_x)


@mistake("batch norm: divided by N in place of N * H * W", "missing term")
def _batch_norm_with_another_count(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any, weight: Any) -> Any:
        normal, inverse = _standardised(x, (0, 1, 2))
        g, count = g * weight, len(x)
        sums = g.sum((0, 1, 2)), (g * normal).sum((0, 1, 2))
        return inverse * (g - sums[0] / count - normal * sums[1] / count)

    return _batch_norm(sizes, rng, for_x=for_x)


@mistake("batch norm: the weight forgotten in the input's gradient", "factor along an axis")
def _batch_norm_without_weight(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any) -> Any:
        normal, inverse = _standardised(x, (0, 1, 2))
        return inverse * (g - g.mean((0, 1, 2)) - normal * (g * normal).mean((0, 1, 2)))

    return _batch_norm(sizes, rng, for_x=for_x)


@mistake("batch norm: not divided by the standard deviation", "factor along an axis")
def _batch_norm_without_deviation(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any, weight: Any) -> Any:
        normal, _ = _standardised(x, (0, 1, 2))
        g = g * weight
        return g - g.mean((0, 1, 2)) - normal * (g * normal).mean((0, 1, 2))

    return _batch_norm(sizes, rng, for_x=for_x)


@mistake("batch norm: the weight's gradient from x, not from the normalised x", "slope")
def _batch_norm_weight_of_the_input(sizes: Sizes, rng: Rng) -> Planted:
    return _batch_norm(sizes, rng, for_weight=lambda g, x: (g * x).sum((0, 1, 2)))


@mistake("batch norm: the weight's gradient averaged", "factor")
def _batch_norm_weight_averaged(sizes: Sizes, rng: Rng) -> Planted:
    return _batch_norm(
        sizes, rng, for_weight=lambda g, x: (g * _standardised(x, (0, 1, 2))[0]).mean((0, 1, 2))
    )


@mistake("batch norm: the input's gradient is 0", "zero")
def _batch_norm_zero(sizes: Sizes, rng: Rng) -> Planted:
    return _batch_norm(sizes, rng, for_x=lambda g: np.zeros_like(g))


@mistake("batch norm in evaluation: what only training saves is used (DeZero)", "backward fails")
def _batch_norm_in_evaluation(sizes: Sizes, rng: Rng) -> Planted:
    saved = None  # set in training only

    def rule(g: Any) -> Any:
        return g * saved

    mean, deviation = rng.normal(size=sizes.channels), 1 + rng.random(sizes.channels)
    return operator(lambda x: (x - mean) / deviation, by_hand(rule)), (
        rng.normal(size=sizes.images),
    )


def _layer_norm(for_x: Any, sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: _standardised(x, 1)[0], by_hand(for_x)), (
        rng.normal(size=(sizes.rows, sizes.inner)),
    )


@mistake("layer norm: statistics of the gradient over the batch", "wrong axis", "missing term")
def _layer_norm_over_the_batch(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any) -> Any:
        normal, inverse = _standardised(x, 1)
        return inverse * (
            g - g.mean(0, keepdims=True) - normal * (g * normal).mean(0, keepdims=True)
        )

    return _layer_norm(for_x, sizes, rng)


@mistake("layer norm: the path through the variance with the wrong sign", "missing term")
def _layer_norm_with_variance_added(sizes: Sizes, rng: Rng) -> Planted:
    def for_x(g: Any, x: Any) -> Any:
        normal, inverse = _standardised(x, 1)
        return inverse * (
            g - g.mean(1, keepdims=True) + normal * (g * normal).mean(1, keepdims=True)
        )

    return _layer_norm(for_x, sizes, rng)


@mistake("l2 normalisation: the norm taken for a constant", "missing term")
def _unit_rows_with_constant_norm(sizes: Sizes, rng: Rng) -> Planted:
    def norm(x: Any) -> Any:
        return np.sqrt((x * x).sum(1, keepdims=True))

    return operator(lambda x: x / norm(x), by_hand(lambda g, x: g / norm(x))), (
        rng.normal(size=(sizes.rows, sizes.inner)),
    )
