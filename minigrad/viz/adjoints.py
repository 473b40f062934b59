"""`adjoint_figure`: linear operators as arrows between cells, and their adjoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..derivatives import jacobian
from ..engine import Array, grad
from ..tensor import Tensor
from .arguments import numbers_of
from .cells import BLANK, ZERO, Board, number_texts
from .figures import BLUE, RED, Path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LARGEST = 12  # cells in a column
CELL = 0.34  # all lengths in inches
GAP = 0.8  # that the arrows cross
BETWEEN = 0.55  # one operator and the next

Pair = tuple[str, str, Callable[[Tensor], Tensor], Any]


def adjoint_figure(pairs: Sequence[Pair], path: Path | None = None) -> Figure:
    """Draw what linear operators do with cells, and under each what its gradient does.

    Above, the cells of an input, an arrow to every output cell that receives it, and the results.
    Below, gradients 1, 2, 3, ... at the outputs and what arrives at the inputs: along the same
    arrows, in the other direction. Where several arrows meet, numbers are added.

    Args:
        pairs: for each operator its name, the name of its adjoint, the operator as a function from
            one Tensor to another, and the array to apply it to. Arrays of several axes are drawn
            as one column of cells, in row-major order.
        path: where to write the picture; the ending chooses the format.

    Raises:
        ValueError: no pairs; a function that does more than move, repeat, leave out and add up
            cells; no cells or more than 12 in a column; or nan or infinity in an array.
        TypeError: a function that does not return a Tensor, or an array of no real numbers.

    >>> figure = adjoint_figure([("reshape", "reshape", lambda x: x.reshape(3, 1), [5, 2, 7])])
    """
    if not pairs:
        raise ValueError("adjoint_figure: pairs is empty; give at least one operator")
    tables = [_table_of(name, function, x) for name, _, function, x in pairs]
    tallest = max(max(table.shape) for table, *_ in tables)
    backward_top = tallest * CELL + 0.8
    board = Board()
    left = 0.0
    for (name, adjoint, *_), (table, x, y, g, into_x) in zip(pairs, tables, strict=True):
        for title, top, values, received, colour in (
            (name, 0.0, (x, y), (False, True), BLUE),
            (adjoint, backward_top, (into_x, g), (True, False), RED),
        ):
            _half(board, title, left, top, tallest, table, values, received, colour)
        left += 2 * CELL + GAP + BETWEEN
    for label, top, colour in (("forward", 0.0, BLUE), ("backward", backward_top, RED)):
        style: dict[str, Any] = {"vertical": "center", "rotation": 90, "color": colour}
        board.text(-0.35, top + tallest * CELL / 2, label, 10, align="center", **style)
    board.caption(
        "Forward, numbers follow the arrows to the right. Backward, gradients follow the same "
        "arrows to the left: the transposed matrix. Where several arrows meet, numbers are added; "
        "where none arrives, there is zero (grey)."
    )
    return board.finish(path)


def _table_of(
    name: str, function: Callable[[Tensor], Tensor], x: Any
) -> tuple[Array, Array, Array, Array, Array]:
    """The Jacobian, (outputs, inputs), and flat: input, output, gradient of each."""
    tensor = Tensor(numbers_of(f"adjoint_figure: x of {name}", x), requires_grad=True)
    outputs: Any = function(tensor)
    if not isinstance(outputs, Tensor):
        raise TypeError(
            f"adjoint_figure: {name} returns {type(outputs).__name__}; it must return a Tensor"
        )
    if 0 in (tensor.size, outputs.size):
        raise ValueError(
            f"adjoint_figure: {name} takes shape {tensor.shape} to {outputs.shape}; there must be "
            "cells on both sides"
        )
    if max(tensor.size, outputs.size) > LARGEST:
        raise ValueError(
            f"adjoint_figure: {name} takes {tensor.size} cells to {outputs.size}; more than "
            f"{LARGEST} in a column cannot be told apart, give a smaller array"
        )
    derivatives: Any = jacobian(function, tensor)
    table = derivatives.data.reshape(outputs.size, tensor.size)
    flat_x, flat_y = tensor.data.ravel(), outputs.data.ravel()
    if not (np.isin(table, (0, 1)).all() and np.allclose(table @ flat_x, flat_y)):
        raise ValueError(
            f"adjoint_figure: {name} does more than move, repeat, leave out and add up cells, and "
            "arrows cannot show it"
        )
    cotangent = np.arange(1.0, outputs.size + 1).reshape(outputs.shape)
    gradient = grad(outputs, tensor, grad_outputs=cotangent)
    return table, flat_x, flat_y, cotangent.ravel(), gradient.data.ravel()


def _half(
    board: Board,
    name: str,
    left: float,
    top: float,
    tallest: int,
    table: Array,
    values: tuple[Array, Array],
    received: tuple[bool, bool],
    colour: str,
) -> None:
    """One operator in one direction: two columns of cells, centred, and the arrows between them.

    `values` are those of the left and the right column; `received` says which is the result.
    """
    title: dict[str, Any] = {"vertical": "bottom", "weight": "bold", "color": colour}
    board.text(left + CELL + GAP / 2, top - 0.12, name, 10, align="center", **title)
    grids = []
    for side, (numbers, is_result) in enumerate(zip(values, received, strict=True)):
        reached: Any = table.any(axis=side) if is_result else np.ones(len(numbers), bool)
        grids.append(
            board.grid(
                f"{name} {'to' if is_result else 'from'}",
                left + side * (CELL + GAP),
                top + (tallest - len(numbers)) * CELL / 2,
                CELL,
                np.where(reached[:, None, None], BLANK, ZERO),
                number_texts(numbers)[:, None],
                size=9,
            )
        )
    for output, input in np.argwhere(table):
        ends = [
            (grids[0].right + 0.03, grids[0].top + (input + 0.5) * CELL),
            (grids[1].left - 0.03, grids[1].top + (output + 0.5) * CELL),
        ]
        start, end = ends if received[1] else ends[::-1]
        board.axes.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>",
                "color": colour,
                "linewidth": 1.1,
                "mutation_scale": 9,
                "shrinkA": 0,
                "shrinkB": 0,
            },
            gid=f"{name} arrow",
        )
