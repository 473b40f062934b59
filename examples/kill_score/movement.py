"""Planted mistakes in operators that only move cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator

GROUP = Group("moving cells")
mistake = GROUP.mistake
Rng = np.random.Generator


def _block(sizes: Sizes, rng: Rng) -> Any:
    return rng.normal(size=(sizes.rows, sizes.inner, sizes.columns))


def _matrix(sizes: Sizes, rng: Rng) -> Any:
    return rng.normal(size=(sizes.rows, sizes.columns))


@mistake("transpose: the same permutation again, not its inverse", "wrong shape", "transposed")
def _transpose_not_inverted(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: x.transpose(1, 2, 0), lambda g: g.transpose(1, 2, 0)), (
        _block(sizes, rng),
    )


@mistake("transpose: reshaped back", "transposed")
def _transpose_reshaped_back(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.columns)
    return operator(lambda x: x.T, lambda g: g.reshape(shape)), (_matrix(sizes, rng),)


@mistake("flatten: read back in column-major order", "transposed")
def _flatten_in_another_order(sizes: Sizes, rng: Rng) -> Planted:
    shape = (sizes.rows, sizes.inner, sizes.columns)
    return operator(
        lambda x: x.reshape(len(x), -1),
        by_hand(lambda g: np.stack([row.reshape(shape[1:], order="F") for row in g])),
    ), (_block(sizes, rng),)


@mistake("concatenate: the second part read from the start", "misplaced", "shifted")
def _concatenate_from_the_start(sizes: Sizes, rng: Rng) -> Planted:
    first = rng.normal(size=(sizes.inner, sizes.rows))
    second = rng.normal(size=(sizes.columns, sizes.rows))
    return operator(
        lambda x, y: np.concatenate([x, y]),
        lambda g: g[: sizes.inner],
        lambda g: g[: sizes.columns],
    ), (first, second)


@mistake("concatenate: split in the middle whatever the sizes", "wrong shape")
def _concatenate_split_in_half(sizes: Sizes, rng: Rng) -> Planted:
    first, second = rng.normal(size=sizes.inner), rng.normal(size=sizes.rows)
    half = (sizes.inner + sizes.rows) // 2
    return operator(lambda x, y: np.concatenate([x, y]), lambda g: g[:half], lambda g: g[half:]), (
        first,
        second,
    )


@mistake("pad: cropped by the width after, not before", "shifted")
def _pad_cropped_at_the_wrong_end(sizes: Sizes, rng: Rng) -> Planted:
    before, after = sizes.pads[1]
    return operator(
        lambda x: np.pad(x, ((0, 0), (before, after))),
        lambda g: g[:, after : g.shape[1] - before],
    ), (_matrix(sizes, rng),)


@mistake("pad: cropped by the widths of the other axis", "wrong shape", "shifted")
def _pad_cropped_by_the_other_axis(sizes: Sizes, rng: Rng) -> Planted:
    (top, bottom), (left, right) = sizes.pads
    return operator(
        lambda x: np.pad(x, sizes.pads),
        lambda g: g[left : g.shape[0] - right, top : g.shape[1] - bottom],
    ), (_matrix(sizes, rng),)


@mistake("indexing: = where += is needed for repeated indices (tinynn-autograd)", "repeats")
def _indexing_without_adding(sizes: Sizes, rng: Rng) -> Planted:
    index = np.array([0, 2, 2, 1, 2])

    def rule(g: Any, x: Any) -> Any:
        gradient = np.zeros_like(x)
        gradient[index] = g
        return gradient

    return operator(lambda x: x[index], by_hand(rule)), (rng.normal(size=(4, sizes.columns)),)


@mistake("flip: not flipped back", "flipped")
def _flip_not_flipped_back(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.flip(x, 1), lambda g: g), (_matrix(sizes, rng),)


@mistake("flip: flipped back along the wrong axis", "flipped")
def _flip_of_the_wrong_axis(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.flip(x, 1), lambda g: g.flip(0)), (_matrix(sizes, rng),)


@mistake("roll: rolled on, not back", "shifted")
def _roll_in_the_same_direction(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.roll(x, 1, axis=1), by_hand(lambda g: np.roll(g, 1, axis=1))), (
        _block(sizes, rng)[0],
    )


@mistake("repeat: the copies not added up", "wrong shape")
def _repeat_not_added(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.repeat(x, 2, axis=1), lambda g: g), (_matrix(sizes, rng),)


@mistake("repeat: only the last copy counted", "wrong axis", "overlap", "repeats")
def _repeat_of_the_last_copy(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.repeat(x, 2, axis=1), lambda g: g[:, 1::2]), (_matrix(sizes, rng),)


@mistake("every second cell: the skipped cells get a gradient too", "mask")
def _stride_without_gaps(sizes: Sizes, rng: Rng) -> Planted:
    def rule(g: Any, x: Any) -> Any:
        return np.repeat(g, 2, axis=1)[:, : x.shape[1]]

    return operator(lambda x: x[:, ::2], by_hand(rule)), (_matrix(sizes, rng),)


@mistake("channels first to last: height and width exchanged", "wrong shape", "transposed")
def _channels_moved_with_axes_exchanged(sizes: Sizes, rng: Rng) -> Planted:
    x = rng.normal(size=(sizes.batch, sizes.channels, sizes.height, sizes.width))
    return operator(lambda x: x.transpose(0, 2, 3, 1), lambda g: g.transpose(0, 3, 2, 1)), (x,)


@mistake("detached on the way", "missing")
def _detached(sizes: Sizes, rng: Rng) -> Planted:
    return lambda x, y: x.detach() * y, (_matrix(sizes, rng), _matrix(sizes, rng))


@mistake("embedding: indices off by one", "misplaced", "shifted")
def _embedding_off_by_one(sizes: Sizes, rng: Rng) -> Planted:
    index = np.array([0, 2, 3, 1])

    def rule(g: Any, x: Any) -> Any:
        gradient = np.zeros_like(x)
        np.add.at(gradient, index + 1, g)
        return gradient

    return operator(lambda x: x[index], by_hand(rule)), (rng.normal(size=(5, sizes.rows)),)


@mistake("reflecting pad: only the inside counted", "borders", "repeats", "overlap", "missing term")
def _reflecting_pad_cropped(sizes: Sizes, rng: Rng) -> Planted:
    return operator(lambda x: np.pad(x, ((0, 0), (2, 2)), mode="reflect"), lambda g: g[:, 2:-2]), (
        rng.normal(size=(sizes.rows, 9)),
    )
