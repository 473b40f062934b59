"""Planted mistakes in matrix products and dense layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator

GROUP = Group("matrix products")
mistake = GROUP.mistake
Rng = np.random.Generator


def _matmul(rule_a: Any, rule_b: Any, sizes: Sizes, rng: Rng) -> Planted:
    a = rng.normal(size=(sizes.rows, sizes.inner))
    b = rng.normal(size=(sizes.inner, sizes.columns))
    return operator(lambda a, b: a @ b, rule_a, rule_b), (a, b)


def _right_a(g: Any, b: Any) -> Any:
    return g @ b.T


def _right_b(g: Any, a: Any) -> Any:
    return a.T @ g


@mistake("matmul: b not transposed", "backward fails", "transposed")
def _matmul_without_transpose(sizes: Sizes, rng: Rng) -> Planted:
    return _matmul(lambda g, b: g @ b, _right_b, sizes, rng)


@mistake("matmul: the gradient of b comes out transposed", "wrong shape", "transposed")
def _matmul_transposed(sizes: Sizes, rng: Rng) -> Planted:
    return _matmul(_right_a, lambda g, a: g.T @ a, sizes, rng)


@mistake("matmul: the gradient of b reshaped where it should be transposed", "transposed")
def _matmul_reshaped(sizes: Sizes, rng: Rng) -> Planted:
    return _matmul(_right_a, lambda g, a, b: (g.T @ a).reshape(b.shape), sizes, rng)


@mistake("matmul: the gradient of b divided by the number of rows", "factor")
def _matmul_averaged(sizes: Sizes, rng: Rng) -> Planted:
    return _matmul(_right_a, lambda g, a: a.T @ g / len(a), sizes, rng)


def _batched(rule_b: Any, sizes: Sizes, rng: Rng) -> Planted:
    """(batch, rows, inner) @ (inner, columns)"""
    a = rng.normal(size=(sizes.batch, sizes.rows, sizes.inner))
    b = rng.normal(size=(sizes.inner, sizes.columns))
    return operator(lambda a, b: a @ b, _right_a, by_hand(rule_b)), (a, b)


@mistake("batched matmul: the shared matrix's gradient not summed over the batch", "wrong shape")
def _batched_matmul_not_summed(sizes: Sizes, rng: Rng) -> Planted:
    return _batched(lambda g, a: a.swapaxes(1, 2) @ g, sizes, rng)


@mistake("batched matmul: only the last item of the batch counted", "wrong axis")
def _batched_matmul_of_the_last_item(sizes: Sizes, rng: Rng) -> Planted:
    return _batched(lambda g, a: a[-1].T @ g[-1], sizes, rng)


@mistake("batched matmul: .T turns the batch axis too", "backward fails", "wrong shape")
def _batched_matmul_with_all_axes_turned(sizes: Sizes, rng: Rng) -> Planted:
    return _batched(lambda g, a: a.T @ g, sizes, rng)


@mistake("bilinear form: only one of x's two places counted", "slope", "missing term")
def _quadratic_form_of_one_side(sizes: Sizes, rng: Rng) -> Planted:
    matrix = rng.normal(size=(sizes.inner, sizes.inner))
    x = rng.normal(size=(sizes.rows, sizes.inner))
    return operator(
        lambda x: ((x @ matrix) * x).sum(1), by_hand(lambda g, x: g[:, None] * (x @ matrix))
    ), (x,)


@mistake("attention scores: 1 / sqrt(d) forgotten for the queries", "factor")
def _attention_without_scale(sizes: Sizes, rng: Rng) -> Planted:
    queries = rng.normal(size=(sizes.rows, sizes.inner))
    keys = rng.normal(size=(sizes.columns, sizes.inner))
    scale = 1 / np.sqrt(sizes.inner)
    return operator(
        lambda q, k: q @ k.T * scale, lambda g, k: g @ k, lambda g, q: g.T @ q * scale
    ), (queries, keys)


@mistake("batched matmul: the first item's matrix for all", "slope", "factor along an axis")
def _batched_matmul_with_one_matrix(sizes: Sizes, rng: Rng) -> Planted:
    matrices = rng.normal(size=(sizes.rows, sizes.inner, sizes.columns))
    return operator(lambda a: a @ matrices, by_hand(lambda g: g @ matrices[0].T)), (
        rng.normal(size=(sizes.rows, sizes.batch, sizes.inner)),
    )


@mistake("recurrence: only the last step counted", "missing term", "slope")
def _recurrence_of_the_last_step(sizes: Sizes, rng: Rng) -> Planted:
    inputs = rng.normal(size=(sizes.rows, sizes.inner))

    def run(weight: Any, steps: int) -> Any:
        state = np.zeros_like(weight)
        for step in inputs[:steps]:
            state = np.tanh(step + weight * state)
        return state

    def rule(g: Any, weight: Any, out: Any) -> Any:
        return g * (1 - out * out) * run(weight, len(inputs) - 1)

    return operator(lambda weight: run(weight, len(inputs)), by_hand(rule)), (
        rng.normal(size=sizes.inner),
    )
