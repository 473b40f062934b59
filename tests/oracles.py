"""Slow, obvious references that the library is compared with. Plain NumPy, one loop per axis.

Nothing here is shared with the library, and nothing is clever: each function says what is meant,
cell by cell. Results are float64 whatever comes in.

- windows:      `window_starts`, `conv2d`, `im2col`, `col2im`, `max_pool2d`, `avg_pool2d`,
                `conv_matrix`
- losses:       `logsumexp`, `softmax`, `cross_entropy`, `mse`
- norms:        `batch_norm`, `layer_norm`
- derivatives:  `directional_derivative`

Images are NHWC, kernels HWIO, strides and dilations `(height, width)`, pads
`((top, bottom), (left, right))`.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

Pair = tuple[int, int]
Pads = tuple[Pair, Pair]
NO_PADS: Pads = ((0, 0), (0, 0))


def window_starts(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1
) -> list[int]:
    """The first cell of every window along one axis; cell 0 is the input's first, padding < 0.

    Found by walking: step by step, for as long as all cells of the window exist.
    """
    existing_cells = range(-before, size + after)
    starts = []
    start = -before
    while all(start + tap * dilation in existing_cells for tap in range(kernel)):
        starts.append(start)
        start += stride
    return starts


def _windows(
    height_width: Pair, kernel_size: Pair, stride: Pair, pads: Pads, dilation: Pair
) -> tuple[Pair, Iterator[tuple[int, int, int, int, int, int]]]:
    """The output's `(height, width)`, and every tap of every window that lies inside the image.

    A tap is `(output row, output column, kernel row, kernel column, image row, image column)`.
    """
    height, width = height_width
    rows, columns = (
        window_starts(height_width[a], kernel_size[a], stride[a], *pads[a], dilation[a])
        for a in (0, 1)
    )

    def taps() -> Iterator[tuple[int, int, int, int, int, int]]:
        for output_row, first_row in enumerate(rows):
            for output_column, first_column in enumerate(columns):
                for kernel_row in range(kernel_size[0]):
                    for kernel_column in range(kernel_size[1]):
                        row = first_row + kernel_row * dilation[0]
                        column = first_column + kernel_column * dilation[1]
                        if 0 <= row < height and 0 <= column < width:
                            yield output_row, output_column, kernel_row, kernel_column, row, column

    return (len(rows), len(columns)), taps()


def conv2d(
    x: np.ndarray,
    kernel: np.ndarray,
    stride: Pair = (1, 1),
    pads: Pads = NO_PADS,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation, (N, H, W, C) with (KH, KW, C/groups, F) -> (N, OH, OW, F).

    Group g connects the g-th block of C/groups channels with the g-th block of F/groups filters.
    """
    x, kernel = np.asarray(x, np.float64), np.asarray(kernel, np.float64)
    batch, height, width, channels = x.shape
    kernel_height, kernel_width, group_channels, filters = kernel.shape
    assert channels == group_channels * groups
    group_filters = filters // groups
    size, taps = _windows((height, width), (kernel_height, kernel_width), stride, pads, dilation)
    out = np.zeros((batch, *size, filters))
    for output_row, output_column, kernel_row, kernel_column, row, column in taps:
        for f in range(filters):
            first_channel = (f // group_filters) * group_channels
            for c in range(group_channels):
                weight = kernel[kernel_row, kernel_column, c, f]
                out[:, output_row, output_column, f] += (
                    weight * x[:, row, column, first_channel + c]
                )
    return out


def im2col(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair = (1, 1),
    pads: Pads = NO_PADS,
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """(N, H, W, C) -> (N, OH, OW, KH*KW*C): what each window sees, in the order kh, kw, c."""
    batch, height, width, channels = x.shape
    size, taps = _windows((height, width), kernel_size, stride, pads, dilation)
    cols = np.zeros((batch, *size, kernel_size[0] * kernel_size[1] * channels))
    for output_row, output_column, kernel_row, kernel_column, row, column in taps:
        for c in range(channels):
            position = (kernel_row * kernel_size[1] + kernel_column) * channels + c
            cols[:, output_row, output_column, position] = x[:, row, column, c]
    return cols


def col2im(
    cols: np.ndarray,
    input_shape: tuple[int, int, int, int],
    kernel_size: Pair,
    stride: Pair = (1, 1),
    pads: Pads = NO_PADS,
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """(N, OH, OW, KH*KW*C) -> (N, H, W, C): each number added to the cell that im2col read."""
    _, height, width, channels = input_shape
    _, taps = _windows((height, width), kernel_size, stride, pads, dilation)
    x = np.zeros(input_shape)
    for output_row, output_column, kernel_row, kernel_column, row, column in taps:
        for c in range(channels):
            position = (kernel_row * kernel_size[1] + kernel_column) * channels + c
            x[:, row, column, c] += cols[:, output_row, output_column, position]
    return x


def _pool2d(
    x: np.ndarray,
    kernel_size: Pair,
    stride: Pair,
    pads: Pads,
    reduce: Callable[[list[float]], float],
) -> np.ndarray:
    """`reduce` of the image cells in each window, channel by channel; padding is no cell."""
    batch, height, width, channels = x.shape
    size, taps = _windows((height, width), kernel_size, stride, pads, dilation=(1, 1))
    cells_of_window: dict[Pair, list[Pair]] = {window: [] for window in np.ndindex(size)}
    for output_row, output_column, _, _, row, column in taps:
        cells_of_window[output_row, output_column].append((row, column))
    out = np.zeros((batch, *size, channels))
    for (output_row, output_column), cells in cells_of_window.items():
        for n in range(batch):
            for c in range(channels):
                seen = [float(x[n, row, column, c]) for row, column in cells]
                out[n, output_row, output_column, c] = reduce(seen)
    return out


def max_pool2d(x: np.ndarray, kernel_size: Pair, stride: Pair, pads: Pads = NO_PADS) -> np.ndarray:
    """(N, H, W, C) -> (N, OH, OW, C): the largest cell of each window."""
    return _pool2d(x, kernel_size, stride, pads, max)


def avg_pool2d(x: np.ndarray, kernel_size: Pair, stride: Pair, pads: Pads = NO_PADS) -> np.ndarray:
    """(N, H, W, C) -> (N, OH, OW, C): the mean of each window, over the image's own cells."""
    return _pool2d(x, kernel_size, stride, pads, lambda seen: math.fsum(seen) / len(seen))


def conv_matrix(
    kernel: np.ndarray,
    input_shape: tuple[int, int, int],
    stride: Pair = (1, 1),
    pads: Pads = NO_PADS,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """The matrix (H*W*C, OH*OW*F) of `conv2d` on (H, W, C): row i is its answer to unit image i."""
    cells = math.prod(input_shape)
    unit_images = np.eye(cells).reshape(cells, *input_shape)
    return conv2d(unit_images, kernel, stride, pads, dilation, groups).reshape(cells, -1)


def logsumexp(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """log(sum(exp(x))) along `axis`, which is dropped; the largest is taken out before exp."""

    def of_one_row(row: np.ndarray) -> float:
        largest = max(row)
        return float(largest + math.log(math.fsum(math.exp(value - largest) for value in row)))

    return np.apply_along_axis(of_one_row, axis, np.asarray(x, np.float64))


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    """exp(x) / sum(exp(x)) along `axis`."""

    def of_one_row(row: np.ndarray) -> np.ndarray:
        exponentials = [math.exp(value - max(row)) for value in row]
        return np.array([value / math.fsum(exponentials) for value in exponentials])

    return np.apply_along_axis(of_one_row, axis, np.asarray(x, np.float64))


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """-log(softmax(logits)[label]), the mean over the N rows of (N, classes)."""
    losses = [
        float(logsumexp(row)) - float(row[label]) for row, label in zip(logits, labels, strict=True)
    ]
    return math.fsum(losses) / len(losses)


def mse(prediction: np.ndarray, target: np.ndarray) -> float:
    """The mean of (prediction - target)^2 over all elements of two arrays of one shape."""
    assert prediction.shape == target.shape
    squares = [
        (float(p) - float(t)) ** 2 for p, t in zip(prediction.flat, target.flat, strict=True)
    ]
    return math.fsum(squares) / len(squares)


def _standardised(values: np.ndarray, eps: float) -> np.ndarray:
    """(values - mean) / sqrt(variance + eps) over all of them; variance divides by their number."""
    count = values.size
    mean = math.fsum(values.flat) / count
    variance = math.fsum((value - mean) ** 2 for value in values.flat) / count
    return (values - mean) / math.sqrt(variance + eps)


def batch_norm(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray, eps: float = 1e-5
) -> np.ndarray:
    """Each channel (last axis) of the batch standardised by its own statistics, then scaled."""
    x = np.asarray(x, np.float64)
    out = np.zeros(x.shape)
    for c in range(x.shape[-1]):
        out[..., c] = scale[c] * _standardised(x[..., c], eps) + shift[c]
    return out


def layer_norm(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray, eps: float = 1e-5
) -> np.ndarray:
    """Each position standardised over the last axis, then scaled element by element."""
    x = np.asarray(x, np.float64)
    out = np.zeros(x.shape)
    for position in np.ndindex(x.shape[:-1]):
        out[position] = scale * _standardised(x[position], eps) + shift
    return out


def directional_derivative(
    fn: Callable[..., np.ndarray | float],
    arrays: Sequence[np.ndarray],
    directions: Sequence[np.ndarray],
    eps: float = 1e-6,
) -> np.ndarray:
    """The derivative of `fn(*arrays)` as all arrays move along `directions` at once.

    Central differences in float64: (f(x + eps d) - f(x - eps d)) / (2 eps), error O(eps^2).
    """
    x = [np.asarray(array, np.float64) for array in arrays]
    d = [np.asarray(direction, np.float64) for direction in directions]
    ahead = fn(*(array + eps * direction for array, direction in zip(x, d, strict=True)))
    behind = fn(*(array - eps * direction for array, direction in zip(x, d, strict=True)))
    return (np.asarray(ahead) - np.asarray(behind)) / (2 * eps)
