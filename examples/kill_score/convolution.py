"""Planted mistakes in the backward pass of a convolution, written by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .catalogue import Group, Planted, Sizes, by_hand, operator
from .windows import Windows, column_gradient, convolve, kernel_gradient

GROUP = Group("convolution")
mistake = GROUP.mistake
Rng = np.random.Generator


def _convolution(
    sizes: Sizes,
    rng: Rng,
    windows: Windows,
    *,
    for_x: Any = None,
    for_kernel: Any = None,
) -> Planted:
    """A convolution with one of its rules replaced; rules get (g, x, kernel)."""
    x = rng.normal(size=sizes.images)
    kernel = rng.normal(size=(*windows.kernel, sizes.channels, sizes.filters))
    right_for_x = by_hand(lambda g, x, kernel: windows.put(column_gradient(g, kernel), x.shape))
    right_for_kernel = by_hand(lambda g, x: kernel_gradient(g, windows.take(x)))
    return operator(
        convolve(windows),
        by_hand(for_x) if for_x else right_for_x,
        by_hand(for_kernel) if for_kernel else right_for_kernel,
    ), (x, kernel)


@mistake("input: the kernel flipped", "flipped")
def _flipped_for_the_input(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        return windows.put(column_gradient(g, kernel[::-1, ::-1]), x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("kernel: the gradient flipped", "flipped")
def _flipped_for_the_kernel(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    return _convolution(
        sizes,
        rng,
        windows,
        for_kernel=lambda g, x: kernel_gradient(g, windows.take(x))[::-1, ::-1],
    )


@mistake("kernel: rows and columns exchanged (the article's conv_matmul)", "transposed")
def _exchanged_for_the_kernel(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_kernel(g: Any, x: Any, kernel: Any) -> Any:
        return kernel_gradient(g, windows.take(x)).swapaxes(0, 1).reshape(kernel.shape)

    return _convolution(sizes, rng, windows, for_kernel=for_kernel)


@mistake("input: kernel rows and columns exchanged (the article's conv_matmul)", "transposed")
def _exchanged_for_the_input(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        exchanged = kernel.swapaxes(0, 1).reshape(kernel.shape)
        return windows.put(column_gradient(g, exchanged), x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("input: = where += is needed", "overlap")
def _overwriting_windows(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        columns = column_gradient(g, kernel)
        padded = windows.pad(np.zeros(x.shape))
        for i, j, rows, cols in windows.taps(*columns.shape[1:3]):
            padded[:, rows, cols] = columns[:, :, :, i, j]
        return windows.crop(padded, x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("input: cropped by the padding after, not before", "shifted")
def _cropped_at_the_wrong_end(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    (top, bottom), (left, right) = windows.pads
    turned = replace(windows, pads=((bottom, top), (right, left)))

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        return turned.put(column_gradient(g, kernel), x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("input: cropped by the other axis' padding", "wrong shape", "backward fails", "shifted")
def _cropped_by_the_other_axis(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    turned = replace(windows, pads=windows.pads[::-1])

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        return turned.put(column_gradient(g, kernel), x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("input: backward pads for SAME, forward for VALID (the article's conv)", "shifted")
def _padded_for_another_mode(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), pads=((0, 0), (0, 0)), stride=(1, 1))
    kh, kw = windows.kernel
    same = replace(windows, pads=(((kh - 1) // 2, kh // 2), ((kw - 1) // 2, kw // 2)))

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        return same.put(column_gradient(g, kernel), x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("input: windows that reach into the padding left out", "borders")
def _borders_left_out(sizes: Sizes, rng: Rng) -> Planted:
    windows = replace(Windows.of(sizes), stride=(1, 1))

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        on_padding = windows.take(np.ones_like(x)).min(axis=(3, 4, 5)) == 0  # (N, OH, OW)
        return windows.put(column_gradient(g * ~on_padding[..., None], kernel), x.shape)

    large = replace(sizes, height=2 * sizes.height, width=2 * sizes.width, batch=1, channels=1)
    return _convolution(large, rng, windows, for_x=for_x)


@mistake("kernel: padding filled with the nearest cells in backward", "slope", "borders")
def _another_padding_for_the_kernel(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    bare = replace(windows, pads=((0, 0), (0, 0)))

    def for_kernel(g: Any, x: Any) -> Any:
        return kernel_gradient(
            g, bare.take(np.pad(x, ((0, 0), *windows.pads, (0, 0)), mode="edge"))
        )

    return _convolution(sizes, rng, windows, for_kernel=for_kernel)


@mistake("input: stride ignored", "misplaced", "shifted")
def _stride_ignored_for_the_input(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        return replace(windows, stride=(1, 1)).put(column_gradient(g, kernel), x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("input: strides of the axes exchanged", "backward fails", "misplaced")
def _strides_exchanged(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        return replace(windows, stride=windows.stride[::-1]).put(
            column_gradient(g, kernel), x.shape
        )

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("kernel: stride ignored", "slope", "misplaced")
def _stride_ignored_for_the_kernel(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_kernel(g: Any, x: Any) -> Any:
        columns = replace(windows, stride=(1, 1)).take(x)
        return kernel_gradient(g, columns[:, : g.shape[1], : g.shape[2]])

    return _convolution(sizes, rng, windows, for_kernel=for_kernel)


@mistake("input: channels and filters of the kernel mixed up by a reshape", "transposed")
def _channels_and_filters_mixed(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def for_x(g: Any, x: Any, kernel: Any) -> Any:
        rows = kernel.reshape(kernel.shape[3], -1)  # in place of reshape(-1, F).T
        columns = (g @ rows).reshape(*g.shape[:3], *kernel.shape[:3])
        return windows.put(columns, x.shape)

    return _convolution(sizes, rng, windows, for_x=for_x)


@mistake("kernel: divided by the batch size", "factor")
def _kernel_divided_by_the_batch(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    return _convolution(
        sizes, rng, windows, for_kernel=lambda g, x: kernel_gradient(g, windows.take(x)) / len(x)
    )


@mistake("kernel: only the first image counted", "wrong axis")
def _kernel_of_the_first_image(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    return _convolution(
        sizes, rng, windows, for_kernel=lambda g, x: kernel_gradient(g[:1], windows.take(x[:1]))
    )


@mistake("kernel: only the first channel counted (the article's conv broadcasts it)", "wrong axis")
def _kernel_of_one_channel(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    x = rng.normal(size=sizes.images)
    kernel = rng.normal(size=(*sizes.kernel, 1, sizes.filters))

    def forward(x: Any, kernel: Any) -> Any:
        return np.tensordot(windows.take(x).sum(5, keepdims=True), kernel, 3)

    return operator(
        forward,
        by_hand(
            lambda g, x, kernel: windows.put(
                np.repeat(column_gradient(g, kernel), x.shape[3], axis=5), x.shape
            )
        ),
        by_hand(lambda g, x: kernel_gradient(g, windows.take(x[..., :1]))),
    ), (x, kernel)


@mistake("bias: summed over the batch at the first pixel only", "wrong axis")
def _bias_of_the_first_pixel(sizes: Sizes, rng: Rng) -> Planted:
    maps = rng.normal(size=(sizes.batch, sizes.height, sizes.width, sizes.filters))
    return operator(
        lambda maps, bias: maps + bias, lambda g: g, by_hand(lambda g: g.sum(0)[0, 0])
    ), (maps, rng.normal(size=sizes.filters))


@mistake("groups: the gradient sent to the other group", "misplaced", "transposed", "flipped")
def _groups_exchanged(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)
    x = rng.normal(size=(*sizes.images[:3], 2))
    kernel = rng.normal(size=(*sizes.kernel, 2))  # depthwise: one filter per channel
    return operator(
        lambda x, kernel: (windows.take(x) * kernel).sum((3, 4)),
        by_hand(lambda g, x, kernel: windows.put(g[:, :, :, None, None, ::-1] * kernel, x.shape)),
        by_hand(lambda g, x: (g[:, :, :, None, None] * windows.take(x)).sum((0, 1, 2))),
    ), (x, kernel)


@mistake("im2col: = where += is needed in col2im", "overlap")
def _columns_overwriting(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows.of(sizes)

    def rule(g: Any, x: Any) -> Any:
        padded = windows.pad(np.zeros(x.shape))
        for i, j, rows, cols in windows.taps(*g.shape[1:3]):
            padded[:, rows, cols] = g[:, :, :, i, j]
        return windows.crop(padded, x.shape)

    return operator(lambda x: windows.take(x), by_hand(rule)), (rng.normal(size=sizes.images),)


@mistake("1-D, input: the kernel not flipped", "flipped")
def _one_dimensional_not_flipped(sizes: Sizes, rng: Rng) -> Planted:
    kernel = rng.normal(size=sizes.kernel[0])
    reach = len(kernel) - 1

    def correlate(rows: Any) -> Any:
        return np.stack([np.correlate(row, kernel, "valid") for row in rows])

    return operator(correlate, by_hand(lambda g: correlate(np.pad(g, ((0, 0), (reach, reach)))))), (
        rng.normal(size=(sizes.batch, 9)),
    )


@mistake("1-D, input: dilation ignored", "misplaced")
def _dilation_ignored(sizes: Sizes, rng: Rng) -> Planted:
    kernel, count = rng.normal(size=3), 8

    def forward(x: Any) -> Any:
        return sum(weight * x[:, 2 * i : 2 * i + count] for i, weight in enumerate(kernel))

    def rule(g: Any, x: Any) -> Any:
        gradient = np.zeros_like(x)
        for i, weight in enumerate(kernel):
            gradient[:, i : i + count] += weight * g
        return gradient

    return operator(forward, by_hand(rule)), (rng.normal(size=(sizes.batch, count + 4)),)


@mistake("kernel: from images padded at the other end", "borders", "slope", "misplaced")
def _kernel_of_images_padded_elsewhere(sizes: Sizes, rng: Rng) -> Planted:
    windows = Windows((3, 3), (1, 1), ((1, 1), (1, 1)))
    elsewhere = replace(windows, pads=((0, 2), (0, 2)))
    return _convolution(
        sizes, rng, windows, for_kernel=lambda g, x: kernel_gradient(g, elsewhere.take(x))
    )
