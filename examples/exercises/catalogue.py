"""The exercises, from the first to the last, and what each is checked with.

- `EXERCISES`: all of them

No two sizes of an array are equal, or an exchange of two axes would go unnoticed.
The library's own operators say what the values should be.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
import minigrad.functional as F
from minigrad.checks import Diagnosis

from .checker import Case, Exercise, Gradients, Rules, Values
from .student import Array

_generator = np.random.default_rng(3)


def _random(*shape: int) -> Array:
    return _generator.standard_normal(shape)


def _on_tensors(function: Any) -> Any:
    """A function of the library as one on arrays."""

    def on_arrays(*arrays: Array, **parameters: Any) -> Array:
        return function(*map(mg.Tensor, arrays), **parameters).data

    return on_arrays


# --- cell by cell, and moving cells ---------------------------------------------------------------

_SMALL = Case("three cells", {"x": np.array([-1.5, 0.0, 2.0])})
_MATRIX = Case("a matrix", {"x": _random(3, 5)})

RELU = Exercise(
    "relu",
    "the rectifier, and how exercises go",
    "relu",
    [
        Values("relu", _on_tensors(F.relu), [_SMALL, _MATRIX]),
        Gradients("relu", "relu_backward", [_MATRIX]),
        Values(
            "relu_backward",
            lambda g, x: np.array([0.0, 0.0, 4.0]),
            [
                Case(
                    "at 0",
                    {"g": np.array([2.0, 3.0, 4.0]), "x": np.array([-1.0, 0.0, 1.0])},
                    trouble=Diagnosis("convention", "by convention the slope at 0 is 0"),
                )
            ],
        ),
    ],
    ["operators.elementwise.relu"],
)

BROADCAST_ADD = Exercise(
    "broadcast_add",
    "gradients of what was repeated: sum_to",
    "sum_to",
    [
        Values(
            "broadcast_add",
            lambda x, y: x + y,
            [Case("a bias", {"x": _random(4, 3), "y": _random(3)})],
        ),
        Gradients(
            "broadcast_add",
            "broadcast_add_backward",
            [
                Case("equal shapes", {"x": _random(4, 3), "y": _random(4, 3)}),
                Case("a bias: axes put in front", {"x": _random(2, 4, 3), "y": _random(3)}),
                Case("axes stretched", {"x": _random(4, 1), "y": _random(1, 3)}),
                Case("both", {"x": _random(2, 1, 3), "y": _random(4, 1)}),
                Case("a single number", {"x": _random(), "y": _random(4, 3)}),
            ],
        ),
    ],
    ["operators.linear.sum_to", "operators.linear.broadcast_to", "operators.elementwise.add"],
)

_PRODUCT = Case("(3, 5) @ (5, 4)", {"x": _random(3, 5), "w": _random(5, 4)})

MATMUL = Exercise(
    "matmul",
    "the gradients of a matrix product",
    "matmul_backward",
    [
        Values("matmul", lambda x, w: x @ w, [_PRODUCT]),
        Gradients("matmul", "matmul_backward", [_PRODUCT]),
    ],
    [
        "operators.linear.rows_matmul",
        "operators.linear.batched_matmul",
        "operators.linear.outer_sum",
        "operators.einsum._contract",
    ],
    {
        "error": "Write the shapes down: the factors fit in one order only, one transposed.",
    },
)

_BLOCK = Case("the middle axis", {"x": _random(3, 5, 4)}, {"axis": 1})

MAX_OVER_AXIS = Exercise(
    "max_over_axis",
    "a maximum, and what to do about ties",
    "max_over_axis_backward",
    [
        Values("max_over_axis", lambda x, axis: x.max(axis), [_BLOCK]),
        Gradients("max_over_axis", "max_over_axis_backward", [_BLOCK]),
        Values(
            "max_over_axis_backward",
            lambda g, x, axis: np.array([[3.0, 3.0, 0.0, 0.0], [4.0, 4.0, 4.0, 0.0]]),
            [
                Case(
                    "ties",
                    {
                        "g": np.array([6.0, 12.0]),
                        "x": np.array([[7.0, 7.0, 1.0, 2.0], [5.0, 5.0, 5.0, 2.0]]),
                    },
                    {"axis": 1},
                    Diagnosis(
                        "ties", "where several cells are the largest, they share what comes in"
                    ),
                )
            ],
        ),
    ],
    ["operators.reductions._max"],
)

_TABLE = _random(6, 4)

EMBEDDING = Exercise(
    "embedding",
    "rows of a table, some of them several times",
    "embedding_backward",
    [
        Values(
            "embedding",
            lambda table, indices: table[indices],
            [Case("all different", {"table": _TABLE}, {"indices": np.array([5, 0, 3])})],
        ),
        Gradients(
            "embedding",
            "embedding_backward",
            [
                Case("all different", {"table": _TABLE}, {"indices": np.array([5, 0, 3])}),
                Case("repeated", {"table": _TABLE}, {"indices": np.array([5, 2, 0, 2, 2])}),
                Case(
                    "indices in two axes",
                    {"table": _TABLE},
                    {"indices": np.array([[2, 0, 2, 2, 1], [4, 1, 0, 2, 3]])},
                ),
            ],
        ),
    ],
    ["operators.linear.getitem", "operators.linear.scatter_add"],
)


def _dropout(x: Array, *, p: float, uniform: Array) -> Array:
    return np.where(uniform < p, 0.0, x / (1 - p))


_DROPPED = Case(
    "p = 0.3", {"x": _random(5, 7)}, {"p": 0.3, "uniform": _generator.uniform(size=(5, 7))}
)

DROPOUT = Exercise(
    "dropout",
    "the same mask in both directions",
    "dropout",
    [
        Values(
            "dropout",
            _dropout,
            [
                Case(
                    "six cells",
                    {"x": np.arange(1.0, 7.0)},
                    {"p": 0.25, "uniform": np.array([0.1, 0.6, 0.9, 0.2, 0.4, 0.7])},
                ),
                _DROPPED,
            ],
        ),
        Gradients("dropout", "dropout_backward", [_DROPPED]),
    ],
    ["functional.dropout"],
    {
        "values": "A cell is dropped where its number is below p.",
        "factor": "What is not dropped is multiplied by 1 / (1 - p), in both directions.",
    },
)

# --- probabilities --------------------------------------------------------------------------------

_LARGE = Diagnosis(
    "overflow",
    "right for small numbers, wrong for large ones: exp(1000) is infinite. Subtract the largest "
    "number of each row first; the result stays the same",
)

SOFTMAX = Exercise(
    "softmax",
    "every output depends on every input",
    "softmax",
    [
        Values(
            "softmax",
            _on_tensors(F.softmax),
            [
                Case("one row", {"x": np.array([0.0, 1.0, 2.0])}),
                Case("three axes", {"x": _random(2, 3, 4)}),
                Case(
                    "numbers of 1000", {"x": np.array([[1000.0, 1001.0], [0.0, 1.0]])}, {}, _LARGE
                ),
            ],
        ),
        Gradients("softmax", "softmax_backward", [Case("three axes", {"x": _random(2, 3, 4)})]),
        Values(
            "softmax_backward",
            lambda g, x: np.array([[0.25, -0.25]]),
            [
                Case(
                    "numbers of 1000",
                    {"g": np.array([[1.0, 0.0]]), "x": np.array([[1000.0, 1000.0]])},
                    {},
                    _LARGE,
                )
            ],
        ),
    ],
    [
        "functional.softmax",
        "functional.log_softmax",
        "functional.softmax_over",
        "operators.reductions.softmax_over",
        "operators.reductions._logsumexp",
        "operators.losses.cross_entropy",
    ],
    {
        "missing term": "Every input of a row occurs in the sum that all outputs of that row are "
        "divided by.",
    },
)

_BATCH = Case(
    "5 items, 7 classes", {"logits": _random(5, 7)}, {"labels": np.array([3, 1, 4, 3, 2])}
)

CROSS_ENTROPY = Exercise(
    "cross_entropy",
    "the loss of a classifier, from its logits",
    "cross_entropy",
    [
        Values(
            "cross_entropy",
            _on_tensors(F.cross_entropy),
            [
                Case("1 item", {"logits": np.array([[0.0, 1.0]])}, {"labels": np.array([0])}),
                _BATCH,
                Case(
                    "logits of 1000",
                    {"logits": np.array([[1000.0, 0.0, 3.0], [0.0, -1000.0, 1.0]])},
                    {"labels": np.array([1, 1])},
                    _LARGE,
                ),
            ],
        ),
        Gradients("cross_entropy", "cross_entropy_backward", [_BATCH]),
        Values(
            "cross_entropy_backward",
            lambda g, logits, labels: np.array([[0.5, -0.5]]),
            [
                Case(
                    "logits of 1000",
                    {"g": np.asarray(1.0), "logits": np.array([[1000.0, 1000.0]])},
                    {"labels": np.array([1])},
                    _LARGE,
                )
            ],
        ),
    ],
    [
        "operators.losses.cross_entropy",
        "functional.nll_loss",
        "functional.softmax",
        "functional.log_softmax",
        "functional.softmax_over",
        "operators.reductions.softmax_over",
        "operators.reductions._logsumexp",
    ],
    {
        "factor": "The loss is an average over the batch.",
        "slope": "Over what does softmax run? And one cell per row belongs to the label: "
        "[rows, labels], which is not [:, labels].",
    },
)

# --- normalisation --------------------------------------------------------------------------------


def _batch_norm(x: Array, weight: Array, bias: Array, *, eps: float) -> Array:
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return F.batch_norm(mg.Tensor(x), mean, var, weight, bias, eps).data


_CHANNELS = {"x": 2 * _random(2, 4, 5, 3) + 1, "weight": _random(3), "bias": _random(3)}

BATCH_NORM = Exercise(
    "batch_norm",
    "an input with three paths to the output",
    "batch_norm",
    [
        Values(
            "batch_norm",
            _batch_norm,
            [
                Case("eps = 0", _CHANNELS, {"eps": 0.0}),
                Case(
                    "eps = 2",
                    _CHANNELS,
                    {"eps": 2.0},
                    Diagnosis("eps", "eps is added to the variance, before the square root"),
                ),
            ],
        ),
        Gradients(
            "batch_norm",
            "batch_norm_backward",
            [Case(f"eps = {eps:g}", _CHANNELS, {"eps": eps}) for eps in (0.0, 2.0)],
        ),
    ],
    ["functional.batch_norm", "functional.layer_norm"],
    {
        "missing term": "x reaches the output directly, through the mean, and through the "
        "variance. The averages are over n, h and w.",
        "factor along an axis": "weight and the standard deviation are numbers per channel.",
        "slope": "weight is multiplied by the normalised x, and bias by 1.",
    },
)

# --- windows --------------------------------------------------------------------------------------

_KERNEL_SIZE = (2, 4)
_NO_PADS = ((0, 0), (0, 0))
_SIDE_BY_SIDE = {"stride": _KERNEL_SIZE, "pads": _NO_PADS}
_OVERLAPPING = {"stride": (1, 2), "pads": _NO_PADS}
_PADDED = {"stride": (2, 3), "pads": ((1, 0), (3, 2))}
_IMAGES = {"x": _random(2, 5, 8, 3)}
_TWO_ROWS = {"x": np.arange(1.0, 7.0).reshape(1, 2, 3, 1)}


def _positions(arrays: dict[str, Array], **parameters: Any) -> list[Case]:
    """Windows side by side, windows that overlap, and a padded image."""
    return [
        Case("windows side by side", arrays, {**parameters, **_SIDE_BY_SIDE}),
        Case("windows that overlap", arrays, {**parameters, **_OVERLAPPING}),
        Case("padding", arrays, {**parameters, **_PADDED}),
    ]


def _im2col(x: Array, *, kernel_size: Any, stride: Any, pads: Any) -> Array:
    return F.im2col(mg.Tensor(x), kernel_size, stride, pads).data


_PAIRS = {"kernel_size": (1, 2), "stride": (1, 1)}
_WINDOWS = _positions(_IMAGES, kernel_size=_KERNEL_SIZE)

IM2COL = Exercise(
    "im2col",
    "the window under every output cell, as a row",
    "im2col",
    [
        Values(
            "im2col",
            _im2col,
            [
                Case("pairs of cells", _TWO_ROWS, {**_PAIRS, "pads": _NO_PADS}),
                *_WINDOWS[:2],
                Case(
                    "padding",
                    _IMAGES,
                    _WINDOWS[2].parameters,
                    Diagnosis(
                        "padding",
                        "right without padding: there are `top` rows above the image, `bottom` "
                        "below, `left` columns on the left, `right` on the right",
                    ),
                ),
            ],
        )
    ],
    ["operators.convolution.im2col"],
    {
        "misplaced": "A row holds its window from top to bottom, within that from left to "
        "right, and within that by channel.",
    },
)

COL2IM = Exercise(
    "col2im",
    "the gradient of im2col",
    "col2im",
    [Gradients(_im2col, "col2im", _WINDOWS)],
    ["operators.convolution.im2col", "operators.convolution.col2im"],
    {
        "transposed": "A row holds its window from top to bottom, within that from left to "
        "right, and within that by channel.",
        "wrong shape": "The padding has to come off again.",
    },
)


def _conv(x: Array, kernel: Array, *, stride: Any, pads: Any) -> Array:
    return F.conv2d(mg.Tensor(x), kernel, None, stride, pads).data


_CONVOLUTIONS = _positions({**_IMAGES, "kernel": _random(*_KERNEL_SIZE, 3, 6)})

CONV_BACKWARD = Exercise(
    "conv_backward",
    "both gradients of a convolution",
    "conv_backward",
    [
        Values("conv", _conv, _CONVOLUTIONS),
        Gradients("conv", "conv_backward", _CONVOLUTIONS),
    ],
    [
        "operators.convolution.im2col",
        "operators.convolution.col2im",
        "functional.conv2d",
        "functional.conv_transpose2d",
    ],
    {
        "wrong shape": "The padding has to come off again.",
        "wrong axis": "The kernel is used at every position, with every image.",
    },
)


def _max_pool(x: Array, *, kernel_size: Any, stride: Any) -> Array:
    return F.max_pool2d(mg.Tensor(x), kernel_size, stride).data


_POOLED = [
    Case("windows side by side", _IMAGES, {"kernel_size": _KERNEL_SIZE, "stride": _KERNEL_SIZE}),
    Case("windows that overlap", _IMAGES, {"kernel_size": _KERNEL_SIZE, "stride": (1, 2)}),
]

MAX_POOL = Exercise(
    "max_pool",
    "the largest cell of every window",
    "max_pool",
    [
        Values(
            "max_pool",
            _max_pool,
            [
                Case("pairs of cells", _TWO_ROWS, _PAIRS),
                *_POOLED,
                Case(
                    "only negative numbers",
                    {"x": -1 - _random(2, 5, 8, 3) ** 2},
                    _POOLED[1].parameters,
                    Diagnosis("negative", "the largest of several negative numbers is negative"),
                ),
            ],
        ),
        Gradients("max_pool", "max_pool_backward", _POOLED),
        Values(
            "max_pool_backward",
            # One window per row: the second of three cells is the first of the largest.
            lambda g, x, kernel_size, stride: np.array([0.0, 2, 0, 0, 0, 3]).reshape(x.shape),
            [
                Case(
                    "ties",
                    {
                        "g": np.array([2.0, 3.0]).reshape(1, 2, 1, 1),
                        "x": np.array([0.0, 5, 5, 1, 1, 4]).reshape(1, 2, 3, 1),
                    },
                    {"kernel_size": (1, 3), "stride": (1, 3)},
                    Diagnosis(
                        "ties",
                        "where several cells of a window are the largest, the first gets it all",
                    ),
                )
            ],
        ),
    ],
    ["operators.convolution.window_max", "operators.convolution.scatter_to_winners"],
    {
        "misplaced": "Counted through a window row by row, the cell in row a and column b has the "
        "number a * KW + b; and the window starts at (i * stride[0], j * stride[1]).",
    },
)


def _avg_pool(x: Array, *, kernel_size: Any, stride: Any, pads: Any) -> Array:
    return F.avg_pool2d(mg.Tensor(x), kernel_size, stride, pads).data


AVG_POOL = Exercise(
    "avg_pool",
    "averages in which the padding does not count",
    "avg_pool",
    [
        Values(
            "avg_pool",
            _avg_pool,
            [
                Case("pairs of cells", _TWO_ROWS, {**_PAIRS, "pads": _NO_PADS}),
                *_WINDOWS[:2],
                Case(
                    "padding",
                    _IMAGES,
                    _WINDOWS[2].parameters,
                    Diagnosis(
                        "padding",
                        "right without padding: a window divides by the number of its cells that "
                        "belong to the image",
                    ),
                ),
            ],
        ),
        Gradients("avg_pool", "avg_pool_backward", _WINDOWS),
    ],
    ["functional.avg_pool2d"],
    {
        "borders": "Divide by what the way forward divides by.",
    },
)

# --- gradients of gradients -----------------------------------------------------------------------

_TANH = Case("a matrix", {"g": _random(3, 5), "x": _random(3, 5)})

DOUBLE_BACKWARD = Exercise(
    "double_backward",
    "the gradient of a gradient, by hand",
    "tanh_double_backward",
    [
        Values("tanh_backward", lambda g, x: g * (1 - np.tanh(x) ** 2), [_TANH]),
        Gradients("tanh_backward", "tanh_double_backward", [_TANH], incoming="h"),
    ],
    ["operators.elementwise.tanh"],
    {
        "slope": "The result is a product of g and a function of x, and h comes on top.",
    },
)

_LOGITS = Case("three axes", {"x": _random(2, 3, 4)})

SECOND_DERIVATIVE = Exercise(
    "second_derivative",
    "a rule that can itself be differentiated",
    "logsumexp_rule",
    [
        Values("logsumexp", lambda x: mg.Tensor(x).logsumexp(-1).data, [_LOGITS]),
        Rules("logsumexp", "logsumexp_rule", [_LOGITS]),
    ],
    [
        "operators.reductions._logsumexp",
        "operators.reductions.softmax_over",
        "functional.softmax_over",
        "functional.softmax",
        "functional.log_softmax",
    ],
)

EXERCISES: list[Exercise] = [
    RELU,
    BROADCAST_ADD,
    MATMUL,
    MAX_OVER_AXIS,
    EMBEDDING,
    DROPOUT,
    SOFTMAX,
    CROSS_ENTROPY,
    BATCH_NORM,
    IM2COL,
    COL2IM,
    CONV_BACKWARD,
    MAX_POOL,
    AVG_POOL,
    DOUBLE_BACKWARD,
    SECOND_DERIVATIVE,
]
