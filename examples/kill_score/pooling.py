"""Planted mistakes in pooling."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator
from .windows import Windows

GROUP = Group("pooling")
mistake = GROUP.mistake
Rng = np.random.Generator


def _spread(windows: Windows, g: Any) -> Any:
    """The gradient of a window for each of its cells: (N, OH, OW, C) -> (N, OH, OW, KH, KW, C)."""
    shape = (*g.shape[:3], *windows.kernel, g.shape[3])
    return np.broadcast_to(g[:, :, :, None, None], shape)


def _max_pool(windows: Windows, rule: Any, sizes: Sizes, rng: Rng) -> Planted:
    def forward(x: Any) -> Any:
        return windows.take(x, -np.inf).max((3, 4))

    return operator(forward, by_hand(rule)), (rng.normal(size=sizes.images),)


def _winners(columns: Any) -> Any:
    """True at the largest cell of every window."""
    return columns == columns.max((3, 4), keepdims=True)


@mistake("max: every cell of the window gets the gradient", "mask")
def _max_pool_without_mask(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), stride=sizes.kernel)
    return _max_pool(windows, lambda g, x: windows.put(_spread(windows, g), x.shape), sizes, rng)


@mistake("max: = where += is needed", "overlap")
def _max_pool_overwriting(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def rule(g: Any, x: Any) -> Any:
        winners = _winners(windows.take(x, -np.inf))
        padded = windows.pad(np.zeros(x.shape))
        for i, j, rows, cols in windows.taps(*g.shape[1:3]):
            place = padded[:, rows, cols]
            place[winners[:, :, :, i, j]] = g[winners[:, :, :, i, j]]
        return windows.crop(padded, x.shape)

    return _max_pool(windows, rule, sizes, rng)


@mistake("max: the winner's place decoded with kh in place of kw", "misplaced", "mask")
def _max_pool_decoded_wrongly(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), pads=((0, 0), (0, 0)))
    kh, kw = windows.kernel

    def rule(g: Any, x: Any) -> Any:
        columns = windows.take(x)
        places = columns.reshape(*columns.shape[:3], kh * kw, -1).argmax(3)  # (N, OH, OW, C)
        gradient = np.zeros_like(x)
        for n, row, column, c in np.ndindex(places.shape):
            i, j = divmod(places[n, row, column, c], kh)
            i, j = min(i, kh - 1), min(j, kw - 1)
            y, x_ = row * windows.stride[0] + i, column * windows.stride[1] + j
            gradient[n, y, x_, c] += g[n, row, column, c]
        return gradient

    return _max_pool(windows, rule, sizes, rng)


@mistake("max, padded: zeros of the padding win (tinynn)", "borders")
def _max_pool_lost_to_the_padding(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), kernel=(3, 2), stride=(3, 2), pads=((1, 1), (1, 1)))
    large = replace(sizes, height=13, width=14, batch=1, channels=2)

    def rule(g: Any, x: Any) -> Any:
        return windows.put(_winners(windows.take(x, 0.0)) * _spread(windows, g), x.shape)

    function, (x,) = _max_pool(windows, rule, large, rng)
    return function, (x - 5,)  # all negative: at the border, 0 is larger


@mistake("average: not divided", "factor")
def _average_not_divided(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), pads=((0, 0), (0, 0)))
    return operator(
        lambda x: windows.take(x).mean((3, 4)),
        by_hand(lambda g, x: windows.put(_spread(windows, g), x.shape)),
    ), (rng.normal(size=sizes.images),)


@mistake("average: divided by kh * kh", "factor")
def _average_divided_by_the_wrong_area(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), pads=((0, 0), (0, 0)))
    area = windows.kernel[0] ** 2
    return operator(
        lambda x: windows.take(x).mean((3, 4)),
        by_hand(lambda g, x: windows.put(_spread(windows, g), x.shape) / area),
    ), (rng.normal(size=sizes.images),)


@mistake("average, padded: padding counted in backward only", "borders")
def _average_counting_padding(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), kernel=(3, 2), stride=(3, 2), pads=((1, 1), (1, 1)))
    x = rng.normal(size=(1, 13, 14, 2))
    inside = windows.take(np.ones_like(x)).sum((3, 4))  # cells of each window in the image
    return operator(
        lambda x: windows.take(x).sum((3, 4)) / inside,
        by_hand(lambda g, x: windows.put(_spread(windows, g), x.shape) / 6),
    ), (x,)


@mistake("average: kernel sides exchanged (DeZero)", "backward fails", "misplaced", "shifted")
def _average_with_exchanged_sides(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), pads=((0, 0), (0, 0)), stride=(1, 1))
    turned = replace(windows, kernel=windows.kernel[::-1])
    area = windows.kernel[0] * windows.kernel[1]
    return operator(
        lambda x: windows.take(x).mean((3, 4)),
        by_hand(lambda g, x: turned.put(_spread(turned, g), x.shape) / area),
    ), (rng.normal(size=sizes.images),)


@mistake("global average: divided by the height only", "factor")
def _global_average_divided_by_height(sizes: Sizes, rng: Rng) -> Planted:
    shape = sizes.images
    return operator(
        lambda x: x.mean((1, 2)),
        by_hand(lambda g: np.broadcast_to(g[:, None, None] / shape[1], shape)),
    ), (rng.normal(size=shape),)


@mistake("upsampling: the gradient sampled where it should be summed", "wrong axis", "overlap")
def _upsampling_sampled(sizes: Sizes, rng: Rng) -> Planted:
    return operator(
        lambda x: x.repeat(2, axis=1).repeat(3, axis=2),
        by_hand(lambda g: g[:, ::2, ::3]),
    ), (rng.normal(size=sizes.images),)
