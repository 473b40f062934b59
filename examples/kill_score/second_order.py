"""Planted mistakes that first derivatives do not show: `mg.gradgradcheck` has to find them."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from .catalogue import Group, Planted, Sizes, by_hand, operator
from .windows import Windows, column_gradient, convolve, kernel_gradient

GROUP = Group("second derivatives")
Rng = np.random.Generator


def mistake(title: str, *expected: str) -> Any:
    """Decorator: put a function that builds a mistake into the group."""
    return GROUP.mistake(title, *expected, order=2)


def _matrix(sizes: Sizes, rng: Rng) -> Any:
    return rng.normal(size=(sizes.rows, sizes.columns))


@mistake("tanh: the rule is written with NumPy", "missing")
def _tanh_by_hand(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.tanh(x), by_hand(lambda g, out: g * (1 - out * out))), (
        _matrix(sizes, rng),
    )


@mistake("sigmoid: the rule uses the raw output", "missing")
def _sigmoid_of_raw_output(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: 1 / (1 + np.exp(-x)), lambda g, out: g * (out * (1 - out)).data), (
        _matrix(sizes, rng),
    )


@mistake("cube: half of the rule detached", "factor")
def _cube_half_detached(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x**3, lambda g, x: g * (3 * x * x.detach())), (_matrix(sizes, rng),)


@mistake("sin: minus forgotten in the derivative of the cosine", "sign")
def _sine_with_a_wrong_cosine(sizes: Sizes, rng: Rng) -> Planted:
    cosine = operator(lambda x: np.cos(x), lambda g, x: g * x.sin())
    return operator(lambda x: np.sin(x), lambda g, x: g * cosine(x)), (_matrix(sizes, rng),)


@mistake("convolution: the kernel gradient's own rule ignores what it is given (DeZero)", "zero")
def _convolution_with_a_dead_end(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    gradient_for_kernel = operator(
        lambda g, x: kernel_gradient(g, windows.take(x)),
        lambda gg, g: mg.Tensor(np.zeros(g.shape)),
        lambda gg, x: mg.Tensor(np.zeros(x.shape)),
    )
    convolution = operator(
        convolve(windows),
        by_hand(lambda g, x, kernel: windows.put(column_gradient(g, kernel), x.shape)),
        lambda g, x: gradient_for_kernel(g, x),
    )
    x = mg.Tensor(rng.normal(size=sizes.images))
    kernel = mg.Tensor(
        rng.normal(size=(*sizes.kernel, sizes.channels, sizes.filters)), requires_grad=True
    )
    return convolution, (x, kernel)
