"""What must not be called wrong: everything in the library.

`cases()` yields (name, function or layer, inputs, order of derivative): the layers, which are
listed here, and the operators, methods and functions from the catalogue of the tests, which holds
them all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minigrad import nn

Case = tuple[str, Callable[..., Any], tuple[Any, ...], int]

_rng = np.random.default_rng(7)

# Per layer: how it is made, and the shape of its input. No two sizes are equal.
LAYERS: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.Dense(5, 4, rng=_rng), (3, 5)),
    (lambda: nn.Conv1D(3, 4, 2, stride=3, rng=_rng), (2, 7, 3)),
    (lambda: nn.Conv2D(3, 4, (2, 5), stride=(1, 3), rng=_rng), (2, 6, 7, 3)),
    (lambda: nn.Conv2D(3, 4, (2, 3), padding="FULL", dilation=(3, 2), rng=_rng), (2, 8, 7, 3)),
    (lambda: nn.Conv2D(4, 6, (3, 2), padding="VALID", groups=2, rng=_rng), (1, 7, 5, 4)),
    (lambda: nn.ConvTranspose2D(3, 4, (2, 5), stride=(3, 2), rng=_rng), (2, 6, 7, 3)),
    (lambda: nn.LocallyConnected2D((5, 6, 3), 2, (2, 4), rng=_rng), (2, 5, 6, 3)),
    (lambda: nn.MaxPool2D((2, 3), stride=(1, 2)), (2, 6, 7, 3)),
    (lambda: nn.MaxPool2D(3, padding="SAME"), (2, 5, 7, 3)),
    (lambda: nn.AvgPool2D((2, 3), padding=1), (2, 6, 7, 3)),
    (nn.GlobalAvgPool2D, (2, 6, 7, 3)),
    (nn.Flatten, (2, 3, 4)),
    (lambda: nn.Reshape(6, 2), (3, 4, 3)),
    (lambda: nn.BatchNorm(3), (5, 4, 2, 3)),
    (lambda: nn.BatchNorm(3).eval(), (5, 3)),
    (lambda: nn.LayerNorm((4, 3)), (2, 4, 3)),
    (lambda: nn.Dropout(0.4).eval(), (3, 5)),
    (nn.ReLU, (3, 5)),
    (nn.LeakyReLU, (3, 5)),
    (nn.ELU, (3, 5)),
    (nn.GELU, (3, 5)),
    (nn.SiLU, (3, 5)),
    (nn.Sigmoid, (3, 5)),
    (nn.Tanh, (3, 5)),
    (nn.Softmax, (3, 5)),
    (lambda: nn.Sequential(nn.Dense(5, 4, rng=_rng), nn.Tanh(), nn.Dense(4, 2, rng=_rng)), (3, 5)),
]


def cases() -> Iterator[Case]:
    """Everything in the library that has a derivative, with float64 inputs.

    Raises ImportError where pytest is not installed: the tests' catalogue needs it.
    """
    for make, shape in LAYERS:
        layer = make().astype(np.float64)
        inputs = (np.random.default_rng(3).standard_normal(shape),)
        yield f"nn.{type(layer).__name__}", layer, inputs, 2

    from tests.operator_cases import CASES

    for case in CASES:
        for name, function in case.functions.items():
            if case.order:
                yield f"{name} {case.label}".strip(), function, case.inputs, min(case.order, 2)
