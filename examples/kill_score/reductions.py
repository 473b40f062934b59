"""Planted mistakes in broadcasting and in operators that make one number of many."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator

GROUP = Group("broadcasting and reductions")
mistake = GROUP.mistake
Rng = np.random.Generator


def _matrix(sizes: Sizes, rng: Rng) -> Any:
    return rng.normal(size=(sizes.rows, sizes.columns))


def _add_bias(rule: Any, sizes: Sizes, rng: Rng) -> Planted:
    """(rows, columns) + (columns,), with a rule for the bias."""
    bias = rng.normal(size=sizes.columns)
    return operator(lambda x, bias: x + bias, lambda g: g, by_hand(rule)), (
        _matrix(sizes, rng),
        bias,
    )


@mistake("bias: not summed over the batch", "wrong shape")
def _bias_not_summed(sizes: Sizes, rng: Rng) -> Planted:
    return _add_bias(lambda g: g, sizes, rng)


@mistake("bias: only the first item of the batch counted", "wrong axis")
def _bias_of_the_first_row(sizes: Sizes, rng: Rng) -> Planted:
    return _add_bias(lambda g: g[0], sizes, rng)


@mistake("bias: summed over the wrong axis", "wrong shape", "wrong axis")
def _bias_summed_over_the_wrong_axis(sizes: Sizes, rng: Rng) -> Planted:
    return _add_bias(lambda g: g.sum(1), sizes, rng)


@mistake("bias: averaged over the batch", "factor")
def _bias_averaged(sizes: Sizes, rng: Rng) -> Planted:
    return _add_bias(lambda g: g.mean(0), sizes, rng)


@mistake("bias: summed over everything", "wrong axis")
def _bias_summed_over_everything(sizes: Sizes, rng: Rng) -> Planted:
    return _add_bias(lambda g: np.full(sizes.columns, g.sum()), sizes, rng)


@mistake("scale per channel: not summed over height and width", "wrong axis")
def _scale_of_one_pixel(sizes: Sizes, rng: Rng) -> Planted:
    x, scale = rng.normal(size=sizes.images), rng.normal(size=sizes.channels)
    return operator(
        lambda x, scale: x * scale,
        lambda g, scale: g * scale,
        by_hand(lambda g, x: (g * x)[:, 0, 0].sum(0)),
    ), (x, scale)


@mistake("grey image times RGB weights: only the first channel counted", "wrong axis")
def _grey_image_of_one_channel(sizes: Sizes, rng: Rng) -> Planted:
    grey = rng.normal(size=(sizes.height, sizes.width, 1))
    weights = rng.normal(size=(sizes.height, sizes.width, sizes.channels))
    return operator(lambda x: x * weights, by_hand(lambda g: (g * weights)[..., :1])), (grey,)


@mistake("mean: not divided", "factor")
def _mean_not_divided(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(lambda x: x.mean(1), by_hand(lambda g: np.broadcast_to(g[:, None], shape))), (
        _matrix(sizes, rng),
    )


@mistake("mean: divided by the size of another axis", "factor")
def _mean_divided_by_another_axis(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(
        lambda x: x.mean(1), by_hand(lambda g: np.broadcast_to(g[:, None], shape) / shape[0])
    ), (_matrix(sizes, rng),)


@mistake("sum over an axis: spread by repeat in place of tile", "wrong axis", "misplaced")
def _sum_spread_in_the_wrong_order(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(lambda x: x.sum(0), by_hand(lambda g: np.repeat(g, shape[0]).reshape(shape))), (
        _matrix(sizes, rng),
    )


@mistake("max over an axis: every cell gets the gradient (tinynn-autograd)", "mask")
def _max_without_mask(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(lambda x: x.max(1), by_hand(lambda g: np.broadcast_to(g[:, None], shape))), (
        _matrix(sizes, rng),
    )


@mistake("max over an axis: the winner of the wrong axis", "mask", "misplaced")
def _max_of_the_wrong_axis(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: x.max(1),
        by_hand(lambda g, x: g[:, None] * (x == x.max(0, keepdims=True))),
    ), (_matrix(sizes, rng),)


@mistake("max: ties each get the whole gradient (tinynn-autograd)", "ties")
def _max_with_ties(sizes: Sizes, rng: Rng) -> Planted:
    x = _matrix(sizes, rng)
    x[:, 1] = x[:, 3] = np.abs(x).max() + 1
    return operator(
        lambda x: x.max(1), by_hand(lambda g, x: g[:, None] * (x == x.max(1, keepdims=True)))
    ), (x,)


@mistake("variance: 2 forgotten", "factor")
def _variance_without_two(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: x.var(0),
        by_hand(lambda g, x: g * (x - x.mean(0)) / len(x)),
    ), (_matrix(sizes, rng),)


@mistake("variance: divided by n where the forward divides by n - 1", "factor")
def _variance_with_another_count(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: x.var(0, ddof=1),
        by_hand(lambda g, x: g * 2 * (x - x.mean(0)) / len(x)),
    ), (_matrix(sizes, rng),)


@mistake("variance: the mean not subtracted", "missing term", "slope")
def _variance_without_mean(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x.var(0), by_hand(lambda g, x: g * 2 * x / len(x))), (
        1 + _matrix(sizes, rng),
    )


@mistake("logsumexp: the softmax forgotten", "slope")
def _logsumexp_without_softmax(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(
        lambda x: np.log(np.exp(x).sum(1)), by_hand(lambda g: np.broadcast_to(g[:, None], shape))
    ), (_matrix(sizes, rng),)


@mistake("cumsum: not run from the other end", "transposed", "flipped")
def _cumsum_forwards(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.cumsum(x, 1), lambda g: g.cumsum(1)), (_matrix(sizes, rng),)


@mistake("product: not divided by the cell itself", "slope")
def _product_of_all(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(
        lambda x: x.prod(1), by_hand(lambda g, out: np.broadcast_to((g * out)[:, None], shape))
    ), (_matrix(sizes, rng),)


@mistake("mean loss: gradients summed, so off by the batch size (the article's notebook)", "factor")
def _summed_gradient_of_a_mean_loss(sizes: Sizes, rng: Rng) -> Planted:
    x, weight = _matrix(sizes, rng), rng.normal(size=(sizes.columns, sizes.inner))
    target = rng.normal(size=(sizes.rows, sizes.inner))

    def loss(x: Any, weight: Any) -> Any:
        return ((x @ weight - target) ** 2).sum() / len(x)

    return operator(
        loss,
        lambda g, x, weight: g * 2 * (x @ weight - target) @ weight.T / len(x),
        lambda g, x, weight: x.T @ (g * 2 * (x @ weight - target)),
    ), (x, weight)


@mistake("max over an axis: one-hot along the other axis", "mask", "misplaced")
def _max_with_one_hot_along_the_other_axis(sizes: Sizes, rng: Rng) -> Planted:
    def rule(g: Any, x: Any) -> Any:
        one_hot = np.zeros_like(x)
        one_hot[x.argmax(0), np.arange(x.shape[1])] = 1
        return one_hot * g[:, None]

    return operator(lambda x: x.max(1), by_hand(rule)), (_matrix(sizes, rng),)


@mistake("cumsum: the cell itself left out", "missing term")
def _cumsum_without_the_cell(sizes: Sizes, rng: Rng) -> Planted:
    def rule(g: Any) -> Any:
        return np.flip(np.cumsum(np.flip(g, 1), 1), 1) - g

    return operator(lambda x: np.cumsum(x, 1), by_hand(rule)), (_matrix(sizes, rng),)


@mistake("l2 norm: divided by its square", "factor along an axis")
def _norm_divided_twice(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: np.sqrt((x * x).sum(1)),
        by_hand(lambda g, x, out: g[:, None] * x / (out * out)[:, None]),
    ), (_matrix(sizes, rng),)
