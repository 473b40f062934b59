"""Planted mistakes in operators that act on every cell by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .catalogue import Group, Planted, Sizes, by_hand, operator

GROUP = Group("cell by cell")
mistake = GROUP.mistake
Rng = np.random.Generator


def _matrix(sizes: Sizes, rng: Rng) -> Any:
    return rng.normal(size=(sizes.rows, sizes.columns))


@mistake("relu: the gradient passes everywhere", "mask")
def _relu_without_mask(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.maximum(x, 0), lambda g: g), (_matrix(sizes, rng),)


@mistake("relu: the gradient passes where x is negative", "mask")
def _relu_with_inverted_mask(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.maximum(x, 0), lambda g, x: g * (x < 0)), (_matrix(sizes, rng),)


@mistake("clip: the gradient passes beyond the bounds", "mask")
def _clip_without_mask(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.clip(x, -0.5, 0.7), lambda g: g), (_matrix(sizes, rng),)


@mistake("dropout: dropped cells get a gradient", "mask")
def _dropout_without_mask(sizes: Sizes, rng: Rng) -> Planted:
    keep = rng.random((sizes.rows, sizes.columns)) > 0.4
    return operator(lambda x: x * keep / 0.6, lambda g: g / 0.6), (_matrix(sizes, rng),)


@mistake("dropout: 1 / (1 - p) forgotten", "factor")
def _dropout_without_scale(sizes: Sizes, rng: Rng) -> Planted:
    keep = rng.random((sizes.rows, sizes.columns)) > 0.4
    return operator(lambda x: x * keep / 0.6, lambda g: g * keep), (_matrix(sizes, rng),)


@mistake("dropout: another mask is drawn in backward", "not repeatable")
def _dropout_with_a_new_mask(sizes: Sizes, rng: Rng) -> Planted:
    keep = rng.random((sizes.rows, sizes.columns)) > 0.4
    return operator(lambda x: x * keep, by_hand(lambda g: g * (rng.random(g.shape) > 0.4))), (
        _matrix(sizes, rng),
    )


@mistake("abs: the sign of x forgotten", "branch", "sign")
def _absolute_without_sign(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.abs(x), lambda g: g), (_matrix(sizes, rng),)


@mistake("elu: 0 on the negative side (tinynn)", "branch", "zero")
def _elu_zero_below(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1), lambda g, x: g * (x > 0)
    ), (_matrix(sizes, rng),)


@mistake("leaky relu: slope 1 on the negative side", "branch")
def _leaky_relu_without_slope(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.where(x > 0, x, 0.1 * x), lambda g: g), (_matrix(sizes, rng),)


@mistake("maximum: both arguments get the whole gradient", "mask")
def _maximum_without_mask(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x, y: np.maximum(x, y), lambda g: g, lambda g: g), (
        _matrix(sizes, rng),
        _matrix(sizes, rng),
    )


@mistake("where: the branches exchanged", "mask")
def _where_exchanged(sizes: Sizes, rng: Rng) -> Planted:
    condition = rng.random((sizes.rows, sizes.columns)) > 0.5
    return operator(
        lambda x, y: np.where(condition, x, y), lambda g: g * ~condition, lambda g: g * condition
    ), (_matrix(sizes, rng), _matrix(sizes, rng))


@mistake("subtract: minus forgotten for the second argument", "sign")
def _subtract_without_minus(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x, y: x - y, lambda g: g, lambda g: g), (
        _matrix(sizes, rng),
        _matrix(sizes, rng),
    )


@mistake("divide: minus forgotten for the divisor", "sign")
def _divide_without_minus(sizes: Sizes, rng: Rng) -> Planted:
    x, y = _matrix(sizes, rng), 1.5 + rng.random((sizes.rows, sizes.columns))
    return operator(lambda x, y: x / y, lambda g, y: g / y, lambda g, x, y: g * x / (y * y)), (x, y)


@mistake("multiply: each argument multiplied with itself", "slope")
def _multiply_with_itself(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x, y: x * y, lambda g, x: g * x, lambda g, y: g * y), (
        _matrix(sizes, rng),
        _matrix(sizes, rng),
    )


@mistake("square: 2 forgotten", "factor")
def _square_without_two(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x * x, lambda g, x: g * x), (_matrix(sizes, rng),)


@mistake("x * x: only one of the two uses counted", "factor")
def _product_with_detached_self(sizes: Sizes, rng: Rng) -> Planted:
    return lambda x: x * x.detach(), (_matrix(sizes, rng),)


@mistake("cube: exponent not lowered", "slope")
def _cube_with_same_exponent(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x**3, lambda g, x: g * (3 * x**3)), (_matrix(sizes, rng),)


@mistake("tanh: 1 - x^2 in place of 1 - out^2", "slope")
def _tanh_of_the_input(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.tanh(x), lambda g, x: g * (1 - x * x)), (_matrix(sizes, rng),)


@mistake("sigmoid: factor 1 - out forgotten", "slope")
def _sigmoid_half(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: 1 / (1 + np.exp(-x)), lambda g, out: g * out), (_matrix(sizes, rng),)


@mistake("silu: second term of the product rule forgotten", "slope")
def _silu_without_second_term(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x / (1 + np.exp(-x)), lambda g, x: g * x.sigmoid()), (
        _matrix(sizes, rng),
    )


@mistake("tanh: the incoming gradient forgotten", "incoming gradient")
def _tanh_without_incoming_gradient(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.tanh(x), lambda g, out: 1 - out * out), (_matrix(sizes, rng),)


@mistake("sin: the incoming gradient multiplied in twice", "incoming gradient")
def _sine_with_incoming_gradient_twice(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.sin(x), lambda g, x: g * g * x.cos()), (_matrix(sizes, rng),)


@mistake("exp: a gradient in float32", "wrong dtype")
def _exponential_in_float32(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.exp(x), lambda g, out: (g * out).astype(np.float32)), (
        _matrix(sizes, rng),
    )


@mistake("exp: nothing returned", "missing")
def _exponential_without_return(sizes: Sizes, rng: Rng) -> Planted:
    def rule(g: mg.Tensor, out: mg.Tensor) -> Any:
        g * out

    return operator(lambda x: np.exp(x), rule), (_matrix(sizes, rng),)


@mistake("softplus: computed with NumPy, outside the graph", "missing")
def _softplus_outside_the_graph(sizes: Sizes, rng: Rng) -> Planted:
    return lambda x: mg.Tensor(np.logaddexp(x.data, 0)), (_matrix(sizes, rng),)


@mistake("relu: backward writes into the gradient it was given", "written in place")
def _relu_writing_in_place(sizes: Sizes, rng: Rng) -> Planted:
    def rule(g: Any, x: Any) -> Any:
        g[x < 0] = 0
        return g

    return operator(lambda x: np.maximum(x, 0), by_hand(rule)), (_matrix(sizes, rng),)


@mistake("sqrt: 0 / 0 at 0 where the gradient is defined", "not finite")
def _safe_root_not_finite(sizes: Sizes, rng: Rng) -> Planted:
    x = _matrix(sizes, rng)
    x[1, 2] = 0.0

    def rule(g: Any, x: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return g * 2 * x * np.sqrt(x * x) / np.abs(x)

    return operator(lambda x: x * x, by_hand(rule)), (x,)


@mistake("square: the gradient clipped inside the rule", "incoming gradient")
def _square_with_clipped_gradient(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x * x, by_hand(lambda g, x: np.clip(g * 2 * x, -1, 1))), (
        _matrix(sizes, rng),
    )


@mistake("exp: the magnitude of the incoming gradient", "slope", "sign", "incoming gradient")
def _exponential_of_the_magnitude(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.exp(x), by_hand(lambda g, out: np.abs(g) * out)), (
        _matrix(sizes, rng),
    )
