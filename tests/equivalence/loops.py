"""What these tests compare with: convolution and its derivatives in loops, and random layers.

Nothing here is shared with the library. `convolve` says what is meant window by window, tap by tap;
its two adjoints walk the same taps the other way.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Layer:
    """One random convolution: sizes, options as a user writes them, and the pads they stand for."""

    batch: int
    input_shape: tuple[int, int, int]  # H, W, C
    kernel_shape: tuple[int, int, int, int]  # kh, kw, C / groups, F
    stride: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    padding: Any
    pads: tuple[tuple[int, int], tuple[int, int]]

    @property
    def options(self) -> dict[str, Any]:
        """As the library's functions take them."""
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """OH, OW, F: how many window starts there are, counted one by one."""
        counts = []
        for axis in (0, 1):
            (before, after), size = self.pads[axis], self.input_shape[axis]
            last = (self.kernel_shape[axis] - 1) * self.dilation[axis]
            counts.append(len(range(-before, size + after - last, self.stride[axis])))
        return counts[0], counts[1], self.kernel_shape[3]

    @property
    def matrix_shape(self) -> tuple[int, int]:
        return int(np.prod(self.input_shape)), int(np.prod(self.output_shape))


PADDINGS = ("SAME", "VALID", "FULL", "number", "pair", "pads")


def random_layer(kind: str, rng: np.random.Generator) -> Layer:
    """A convolution with this kind of padding, in which no two sizes are equal.

    N, H, W, C, F, kh and kw are pairwise different, so are the two strides, the two dilations, and
    the four pads where they are given one by one.
    """
    while True:
        groups = int(rng.choice([1, 1, 2, 3]))
        channels, filters = groups * rng.integers(1, 4, 2)
        height, width = rng.integers(4, 10, 2)
        batch = rng.integers(1, 6)
        kernel = rng.integers(1, 6, 2)
        sizes = [int(size) for size in (batch, height, width, channels, filters, *kernel)]
        stride = rng.permutation([1, 2, 3])[:2].tolist()
        dilation = rng.permutation([1, 2, 3])[:2].tolist() if rng.random() < 0.4 else [1, 1]
        reach = [(kernel[axis] - 1) * dilation[axis] for axis in (0, 1)]
        four = rng.permutation(6)[:4].tolist()
        two = rng.permutation(4)[:2].tolist()
        one = int(rng.integers(1, 4))
        padding, pads = {
            "SAME": ("SAME", [(total // 2, total - total // 2) for total in reach]),
            "VALID": ("valid", [(0, 0), (0, 0)]),
            "FULL": ("Full", [(total, total) for total in reach]),
            "number": (one, [(one, one), (one, one)]),
            "pair": (tuple(two), [(two[0], two[0]), (two[1], two[1])]),
            "pads": (((four[0], four[1]), (four[2], four[3])), [four[:2], four[2:]]),
        }[kind]
        fits = all(sum(pads[a]) + (height, width)[a] > reach[a] for a in (0, 1))
        if len(set(sizes)) < len(sizes) or not fits:
            continue
        return Layer(
            batch=sizes[0],
            input_shape=(sizes[1], sizes[2], sizes[3]),
            kernel_shape=(sizes[5], sizes[6], sizes[3] // groups, sizes[4]),
            stride=(stride[0], stride[1]),
            dilation=(dilation[0], dilation[1]),
            groups=groups,
            padding=padding,
            pads=tuple((int(before), int(after)) for before, after in pads),
        )


def _taps(layer: Layer):
    """Every tap of every window that lies on the image, group by group.

    Yields output row and column, image row and column, kernel row and column, and two slices: the
    group's channels, and its filters.
    """
    height, width, _ = layer.input_shape
    kh, kw, group_channels, filters = layer.kernel_shape
    out_height, out_width, _ = layer.output_shape
    group_filters = filters // layer.groups
    for i in range(out_height):
        for j in range(out_width):
            for a in range(kh):
                row = i * layer.stride[0] + a * layer.dilation[0] - layer.pads[0][0]
                if not 0 <= row < height:
                    continue
                for b in range(kw):
                    column = j * layer.stride[1] + b * layer.dilation[1] - layer.pads[1][0]
                    if not 0 <= column < width:
                        continue
                    for group in range(layer.groups):
                        yield (
                            (i, j),
                            (row, column),
                            (a, b),
                            slice(group * group_channels, (group + 1) * group_channels),
                            slice(group * group_filters, (group + 1) * group_filters),
                        )


def convolve(layer: Layer, x: Array, kernel: Array) -> Array:
    """(N, H, W, C) with (kh, kw, C / groups, F) -> (N, OH, OW, F)."""
    out = np.zeros((x.shape[0], *layer.output_shape))
    for (i, j), (row, column), (a, b), channels, filters in _taps(layer):
        out[:, i, j, filters] += x[:, row, column, channels] @ kernel[a, b, :, filters]
    return out


def to_input(layer: Layer, kernel: Array, g: Array) -> Array:
    """The gradient of x, from that of the output: the adjoint of `convolve` in x."""
    x = np.zeros((g.shape[0], *layer.input_shape))
    for (i, j), (row, column), (a, b), channels, filters in _taps(layer):
        x[:, row, column, channels] += g[:, i, j, filters] @ kernel[a, b, :, filters].T
    return x


def to_kernel(layer: Layer, x: Array, g: Array) -> Array:
    """The gradient of the kernel, from that of the output: the adjoint of `convolve` in it."""
    kernel = np.zeros(layer.kernel_shape)
    for (i, j), (row, column), (a, b), channels, filters in _taps(layer):
        kernel[a, b, :, filters] += x[:, row, column, channels].T @ g[:, i, j, filters]
    return kernel


def unit_kernels(layer: Layer):
    """The kernels with a single 1, in the order of `kernel.flatten()`."""
    for position in np.ndindex(layer.kernel_shape):
        kernel = np.zeros(layer.kernel_shape)
        kernel[position] = 1.0
        yield kernel


def unit_images(layer: Layer) -> Array:
    """The images with a single 1, (H*W*C, H, W, C)."""
    cells = layer.matrix_shape[0]
    return np.eye(cells).reshape(cells, *layer.input_shape)


def relative_error(result: Array, expected: Array) -> float:
    """The largest difference over the largest expected number; both shapes must be equal."""
    assert result.shape == expected.shape, (result.shape, expected.shape)
    scale = np.abs(expected).max()
    return float(np.abs(result - expected).max() / (scale if scale else 1.0))
