"""`summary`: the layers of a network, what they make, and what they cost, as a table.

`Summary` is what it returns, with `Row` per line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from .equivalence.counting import LayerCounts, layer_counts, readable_ratio
from .nn import Module
from .nn.calls import Call, Shape, record_calls
from .tensor import Tensor
from .text import counted, readable_bytes, table


@dataclass(frozen=True)
class Row:
    """One line: a call of a layer, or what a module holds or multiplies itself.

    Attributes:
        label: where the module is in the network, such as `layers.0`, and its class.
        output_shapes: of every array it returned, with a batch of 1; None where it was not called.
        parameters: numbers in its tensors, those left out that an earlier row counted.
        shared: whether some were left out.
        multiply_adds: in its matrix products, for one item.
        weight_bytes: of what `parameters` counts.
        output_bytes: of what it returned, for one item.
        dense_parameters: what the dense twin has in its place. For a layer that is no convolution
            these are its own parameters.
    """

    label: str
    output_shapes: tuple[Shape, ...] | None
    parameters: int
    shared: bool
    multiply_adds: int
    weight_bytes: int
    output_bytes: int
    dense_parameters: int

    @property
    def output(self) -> str:
        """The shapes as text, N for the batch."""
        if self.output_shapes is None:
            return "not called"
        return ", ".join(map(_shape_text, self.output_shapes)) or "no array"


class Summary:
    """The rows of a network and their sums; `str()` gives the table.

    Attributes:
        rows: Row per layer call, in the order in which the calls ended.
        parameters, trainable, non_trainable: numbers in all tensors of the network, shared ones
            once; trainable are those that require grad, the others are frozen or running
            statistics.
        multiply_adds: in all matrix products, for one item.
        weight_bytes: of all tensors of the network.
        output_bytes: of what all rows returned, for one item: what training keeps at least.
        dense_parameters: with every convolution replaced by its dense twin.
    """

    def __init__(self, rows: list[Row], tensors: list[Tensor], compare: str | None) -> None:
        self.rows = rows
        self.parameters = sum(tensor.size for tensor in tensors)
        self.trainable = sum(tensor.size for tensor in tensors if tensor.requires_grad)
        self.non_trainable = self.parameters - self.trainable
        self.weight_bytes = sum(tensor.data.nbytes for tensor in tensors)
        self.multiply_adds = sum(row.multiply_adds for row in rows)
        self.output_bytes = sum(row.output_bytes for row in rows)
        self.dense_parameters = sum(row.dense_parameters for row in rows)
        self._compare = compare

    def __repr__(self) -> str:
        return f"<Summary of {counted(len(self.rows), 'row')}: {self.parameters:,} parameters>"

    def __str__(self) -> str:
        header = [
            "layer",
            "output shape",
            "parameters",
            "multiply-adds",
            "weight memory",
            "output memory",
        ]
        rows = [
            [
                row.label,
                row.output,
                f"{row.parameters:,}" + (" shared" if row.shared else ""),
                f"{row.multiply_adds:,}",
                readable_bytes(row.weight_bytes),
                readable_bytes(row.output_bytes),
            ]
            for row in self.rows
        ]
        total = [
            "total",
            "",
            f"{self.parameters:,}",
            f"{self.multiply_adds:,}",
            readable_bytes(self.weight_bytes),
            readable_bytes(self.output_bytes),
        ]
        if self._compare == "dense":
            header += ["dense twin", "ratio"]
            for line, row in zip(rows, self.rows, strict=True):
                line += [f"{row.dense_parameters:,}", _ratio(row.dense_parameters, row.parameters)]
            total += [
                f"{self.dense_parameters:,}",
                _ratio(self.dense_parameters, self.parameters),
            ]
        return "\n".join(
            [
                table(header, rows, [total]),
                f"trainable {self.trainable:,}, not trainable {self.non_trainable:,}; "
                "multiply-adds and output are those of one item",
            ]
        )


def summary(
    model: Module,
    input_shape: Sequence[Any],
    *,
    compare: Literal["dense"] | None = None,
    show: bool = True,
) -> Summary:
    """Print the layers of a network with shapes, parameters, multiply-adds and memory.

    The network runs once, on zeros, in evaluation mode; nothing in it changes. A module that holds
    others has a row only if it owns tensors or multiplies matrices itself, and then behind theirs.

    Args:
        model: any Module.
        input_shape: of one item, without the batch axis, such as (28, 28, 1); a sequence of shapes
            where `forward` takes several inputs.
        compare: "dense" puts beside each row the parameters of its dense twin, the Dense layer that
            computes the same on flattened images, and how many times as many they are.
        show: print the table.

    Returns:
        A Summary.

    Raises:
        TypeError: `model` is no Module.
        ValueError: an input that the network refuses, or another value of `compare`.

    >>> from minigrad import nn
    >>> model = nn.Sequential(nn.Conv2D(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Dense(6272, 10))
    >>> counted = summary(model, (28, 28, 1))
    layer                 output shape  parameters  multiply-adds  weight memory  output memory
    -------------------------------------------------------------------------------------------
    layers.0 (Conv2D)   (N, 28, 28, 8)          80         56,448          320 B       24.5 KiB
    layers.1 (ReLU)     (N, 28, 28, 8)           0              0            0 B       24.5 KiB
    layers.2 (Flatten)       (N, 6272)           0              0            0 B       24.5 KiB
    layers.3 (Dense)           (N, 10)      62,730         62,720      245.0 KiB           40 B
    -------------------------------------------------------------------------------------------
    total                                   62,810        119,168      245.4 KiB       73.5 KiB
    trainable 62,810, not trainable 0; multiply-adds and output are those of one item
    """
    if compare not in (None, "dense"):
        raise ValueError(f'summary: compare={compare!r} must be "dense" or None')
    calls = record_calls("summary", model, input_shape)
    make = _RowMaker()
    rows = [row for row in map(make.row, calls) if row is not None]
    called = {id(call.module) for call in calls}
    for name, module in model.named_modules():
        if id(module) not in called and _own_tensors(module):
            # Its tensors count all the same.
            silent = make.row(Call(name, module, (), (), 0, 0))
            assert silent is not None
            rows.append(replace(silent, output_shapes=None))
    result = Summary(rows, [tensor for _, tensor in model.named_tensors()], compare)
    if show:
        print(result)
    return result


class _RowMaker:
    """Makes rows of calls, and remembers what earlier rows have counted."""

    def __init__(self) -> None:
        self._tensors: set[int] = set()
        self._twins: set[tuple[int, LayerCounts]] = set()

    def row(self, call: Call) -> Row | None:
        """The row of a call; None for a container that has nothing of its own."""
        module = call.module
        tensors = _own_tensors(module)
        contains_others = any(other is not module for _, other in module.named_modules())
        if contains_others and not tensors and not call.multiply_adds:
            return None
        new = self._new(tensors)
        parameters = sum(tensor.size for tensor in new)
        return Row(
            label=call.label,
            output_shapes=call.output_shapes,
            parameters=parameters,
            shared=len(new) < len(tensors),
            multiply_adds=call.multiply_adds,
            weight_bytes=sum(tensor.data.nbytes for tensor in new),
            output_bytes=call.output_bytes,
            dense_parameters=self._dense_parameters(call, parameters),
        )

    def _dense_parameters(self, call: Call, parameters: int) -> int:
        """What the dense twin has in the place of these parameters."""
        counts = layer_counts(call) if call.input_shapes else None
        if counts is None or counts.ratio == 1:  # no convolution: it stays as it is
            return parameters
        twin = (id(call.module), counts)
        if twin in self._twins:
            return 0
        self._twins.add(twin)
        return counts.dense_parameters

    def _new(self, tensors: list[Tensor]) -> list[Tensor]:
        new = [tensor for tensor in tensors if id(tensor) not in self._tensors]
        self._tensors.update(map(id, new))
        return new


def _own_tensors(module: Module) -> list[Tensor]:
    """The tensors of a module that belong to none of the modules within it."""
    within = {
        id(tensor)
        for _, other in module.named_modules()
        if other is not module
        for _, tensor in other.named_tensors()
    }
    return [tensor for _, tensor in module.named_tensors() if id(tensor) not in within]


def _shape_text(shape: Shape) -> str:
    """(1, 28, 28, 8) as (N, 28, 28, 8)."""
    sizes = ["N" if axis == 0 and size == 1 else str(size) for axis, size in enumerate(shape)]
    return f"({', '.join(sizes)}{',' if len(sizes) == 1 else ''})"


def _ratio(dense_parameters: int, parameters: int) -> str:
    return readable_ratio(dense_parameters / parameters) if parameters else "-"
