"""Sliding windows in plain NumPy, for convolution and pooling with hand-written backward rules.

`Windows.take` copies the window under every output cell, `Windows.put` adds windows back. The
mistakes are planted around them and in variants of them; these two are right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .catalogue import Array, Sizes


@dataclass(frozen=True)
class Windows:
    """Geometry of windows over images (N, H, W, C); pads are ((top, bottom), (left, right))."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]

    @staticmethod
    def of(sizes: Sizes) -> Windows:
        """The geometry that the sizes name."""
        return Windows(sizes.kernel, sizes.stride, sizes.pads)

    def count(self, height: int, width: int) -> tuple[int, int]:
        """(OH, OW)"""
        (top, bottom), (left, right) = self.pads
        return (
            (height + top + bottom - self.kernel[0]) // self.stride[0] + 1,
            (width + left + right - self.kernel[1]) // self.stride[1] + 1,
        )

    def pad(self, x: Array, value: float = 0.0) -> Array:
        """(N, H, W, C) -> (N, top + H + bottom, left + W + right, C)"""
        return np.pad(x, ((0, 0), *self.pads, (0, 0)), constant_values=value)

    def crop(self, padded: Array, shape: tuple[int, ...]) -> Array:
        """The inverse of `pad`."""
        (top, _), (left, _) = self.pads
        return padded[:, top : top + shape[1], left : left + shape[2]]

    def taps(self, oh: int, ow: int) -> Iterator[tuple[int, int, slice, slice]]:
        """Per cell (i, j) of the window: the rows and columns of the padded image it lies on."""
        for i in range(self.kernel[0]):
            rows = slice(i, i + self.stride[0] * (oh - 1) + 1, self.stride[0])
            for j in range(self.kernel[1]):
                yield i, j, rows, slice(j, j + self.stride[1] * (ow - 1) + 1, self.stride[1])

    def take(self, x: Array, value: float = 0.0) -> Array:
        """(N, H, W, C) -> (N, OH, OW, KH, KW, C)"""
        padded = self.pad(x, value)
        oh, ow = self.count(*x.shape[1:3])
        columns = np.empty((len(x), oh, ow, *self.kernel, x.shape[3]))
        for i, j, rows, cols in self.taps(oh, ow):
            columns[:, :, :, i, j] = padded[:, rows, cols]
        return columns

    def put(self, columns: Array, shape: tuple[int, ...]) -> Array:
        """(N, OH, OW, KH, KW, C) -> (N, H, W, C): every window added to where it came from."""
        padded = self.pad(np.zeros(shape))
        for i, j, rows, cols in self.taps(*columns.shape[1:3]):
            padded[:, rows, cols] += columns[:, :, :, i, j]
        return self.crop(padded, shape)


def convolve(windows: Windows) -> Any:
    """The forward of a convolution: (N, H, W, C), (KH, KW, C, F) -> (N, OH, OW, F)."""

    def forward(x: Any, kernel: Any) -> Any:
        return np.tensordot(windows.take(x), kernel, 3)

    return forward


def column_gradient(g: Array, kernel: Array) -> Array:
    """What a convolution's windows get: (N, OH, OW, F) -> (N, OH, OW, KH, KW, C)."""
    return np.tensordot(g, kernel, ([3], [3]))


def kernel_gradient(g: Array, columns: Array) -> Array:
    """(N, OH, OW, F) and (N, OH, OW, KH, KW, C) -> (KH, KW, C, F)"""
    return np.tensordot(columns, g, ([0, 1, 2], [0, 1, 2]))
