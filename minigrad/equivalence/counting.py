"""What a convolution saves: its numbers beside those of the dense layer that computes the same.

- `compare_conv_dense`: the table, for a layer or a whole network.
- `ConvDenseComparison`, `LayerCounts`: what it returns; `layer_counts` makes one row.

No matrix is laid out: every number follows from the sizes alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..conv_arithmetic import resolve_axis_padding
from ..nn import Conv1D, Conv2D, ConvTranspose2D, Dense, LocallyConnected2D, Module
from ..nn.calls import Call, record_calls
from ..text import counted, readable_bytes, table
from .geometry import ConvGeometry


@dataclass(frozen=True)
class LayerCounts:
    """One layer counted, and beside it its dense twin: the Dense layer on the flattened image.

    Attributes:
        label: the layer's name in the network and its class, or "total".
        parameters, dense_parameters: of the two, biases included.
        matrix_cells: of the matrix (inputs x outputs), which is the dense twin's weight.
        nonzeros: cells of it that hold a parameter; all others are zero whatever the layer learns.
        distinct: parameters that occur in it. The biases are not in the matrix.
        multiply_adds, dense_multiply_adds: for one image, without the bias.
        weight_bytes, dense_bytes: of the layer's parameters; of the dense matrix.
        column_bytes: of the im2col columns of one image; 0 where there are none.
    """

    label: str
    parameters: int
    dense_parameters: int
    matrix_cells: int
    nonzeros: int
    distinct: int
    multiply_adds: int
    dense_multiply_adds: int
    weight_bytes: int
    dense_bytes: int
    column_bytes: int

    @property
    def ratio(self) -> float:
        """How many times the layer's parameters the dense twin has."""
        return self.dense_parameters / self.parameters


class ConvDenseComparison:
    """The counts of every convolution and dense layer of a network, and their sum.

    Attributes:
        layers: LayerCounts per call of a layer, in the order of the calls.
        total: the sum. What a layer has once is counted once, however often it is called, and its
            matrix once per size of the image.

    `str()` gives the table.
    """

    def __init__(self, layers: list[LayerCounts], total: LayerCounts) -> None:
        self.layers = layers
        self.total = total

    def __repr__(self) -> str:
        return (
            f"<ConvDenseComparison of {counted(len(self.layers), 'layer')}: "
            f"{self.total.parameters:,} parameters, dense {self.total.dense_parameters:,}>"
        )

    def __str__(self) -> str:
        counts = [*self.layers, self.total]
        structure = [
            [
                row.label,
                f"{row.parameters:,}",
                f"{row.dense_parameters:,}",
                readable_ratio(row.ratio),
                f"{row.matrix_cells:,}",
                f"{row.nonzeros:,}",
                f"{row.distinct:,}",
            ]
            for row in counts
        ]
        cost = [
            [
                row.label,
                f"{row.multiply_adds:,}",
                f"{row.dense_multiply_adds:,}",
                readable_bytes(row.weight_bytes),
                readable_bytes(row.column_bytes),
                readable_bytes(row.dense_bytes),
            ]
            for row in counts
        ]
        return "\n\n".join(
            [
                table(
                    [
                        "",
                        "parameters",
                        "dense twin",
                        "ratio",
                        "matrix cells",
                        "non-zero",
                        "distinct",
                    ],
                    structure[:-1],
                    structure[-1:],
                ),
                table(
                    ["one image", "multiply-adds", "dense", "weights", "im2col", "dense matrix"],
                    cost[:-1],
                    cost[-1:],
                ),
            ]
        )


def compare_conv_dense(
    layer_or_model: Module, input_shape: Sequence[int], *, show: bool = True
) -> ConvDenseComparison:
    """Count a layer or a network beside its dense twin, and print the table.

    Args:
        layer_or_model: a convolution of any kind, a LocallyConnected2D, a Dense, or any Module
            that calls some of them.
        input_shape: of one item without the batch axis, such as (H, W, C).
        show: print the table.

    Returns:
        A ConvDenseComparison. The matrices are counted from sizes, not laid out.

    Raises:
        TypeError: not a Module.
        ValueError: an input that the network refuses, or no layer to compare in it.

    >>> from minigrad import nn
    >>> comparison = compare_conv_dense(nn.Conv2D(1, 8, 3), (28, 28, 1))
            parameters  dense twin   ratio  matrix cells  non-zero  distinct
    ------------------------------------------------------------------------
    Conv2D          80   4,923,520  61,544     4,917,248    53,792        72
    ------------------------------------------------------------------------
    total           80   4,923,520  61,544     4,917,248    53,792        72
    <BLANKLINE>
    one image  multiply-adds      dense  weights    im2col  dense matrix
    --------------------------------------------------------------------
    Conv2D            56,448  4,917,248    320 B  27.6 KiB      18.8 MiB
    --------------------------------------------------------------------
    total             56,448  4,917,248    320 B  27.6 KiB      18.8 MiB
    >>> comparison.total.ratio
    61544.0
    """
    layers: list[LayerCounts] = []
    total = {field.name: 0 for field in fields(LayerCounts) if field.name != "label"}
    calls_of: dict[int, list[LayerCounts]] = {}  # by module
    for call in record_calls("compare_conv_dense", layer_or_model, input_shape):
        counts = layer_counts(call)
        if counts is None:
            continue
        earlier = calls_of.setdefault(id(call.module), [])
        for field in total:
            is_new = not earlier or (field not in _OF_THE_LAYER and counts not in earlier)
            if is_new or field in _OF_EVERY_CALL:
                total[field] += getattr(counts, field)
        earlier.append(counts)
        layers.append(counts)
    if not layers:
        raise ValueError(
            f"compare_conv_dense: {type(layer_or_model).__name__} calls no convolution and no "
            "Dense layer, so there is nothing to compare"
        )
    comparison = ConvDenseComparison(layers, LayerCounts("total", **total))
    if show:
        print(comparison)
    return comparison


# What a layer has once, however often it is called, and what every call costs. All other counts are
# of the matrix: once per size of the image.
_OF_THE_LAYER = ("parameters", "distinct", "weight_bytes")
_OF_EVERY_CALL = ("multiply_adds", "dense_multiply_adds", "column_bytes")


def layer_counts(call: Call) -> LayerCounts | None:
    """The counts of the layer in a call; None for layers without a matrix of weights."""
    layer = call.module
    if isinstance(layer, (Conv1D, Conv2D, ConvTranspose2D, LocallyConnected2D)):
        geometry = _geometry(layer, call)
        weight, bias = layer.kernel, layer.bias
        cells, nonzeros, distinct = geometry.matrix_cells, geometry.nonzeros, geometry.distinct
        if isinstance(layer, LocallyConnected2D):
            distinct = nonzeros
        multiply_adds = geometry.multiply_adds
        kh, kw, group_channels, _ = geometry.kernel_shape
        columns = geometry.positions * kh * kw * group_channels * geometry.groups
    elif isinstance(layer, Dense):
        # On anything but flat items it is applied at every position: a 1x1 convolution.
        positions = math.prod(call.input_shapes[0][:-1])  # the batch is 1
        weight, bias = layer.weight, layer.bias
        cells, nonzeros, distinct = positions**2 * weight.size, positions * weight.size, weight.size
        multiply_adds = nonzeros
        columns = 0
    else:
        return None
    parameters = weight.size + (0 if bias is None else bias.size)
    item_bytes = weight.dtype.itemsize
    return LayerCounts(
        label=call.label,
        parameters=parameters,
        dense_parameters=cells + (0 if bias is None else math.prod(call.output_shapes[0])),
        matrix_cells=cells,
        nonzeros=nonzeros,
        distinct=distinct,
        multiply_adds=multiply_adds,
        dense_multiply_adds=cells,
        weight_bytes=parameters * item_bytes,
        dense_bytes=cells * item_bytes,
        column_bytes=columns * item_bytes,
    )


def _geometry(
    layer: Conv1D | Conv2D | ConvTranspose2D | LocallyConnected2D, call: Call
) -> ConvGeometry:
    """The convolution of images that a layer is, or is the adjoint of."""
    where, item_shape = "compare_conv_dense", call.input_shapes[0][1:]
    if isinstance(layer, Conv1D):
        # A sequence is an image of one row.
        pads = resolve_axis_padding(layer.padding, layer.kernel_size, layer.dilation, where=where)
        return ConvGeometry.resolve(
            where,
            (1, *item_shape),
            (1, *layer.kernel.shape),
            (1, layer.stride),
            ((0, 0), pads),
            (1, layer.dilation),
            layer.groups,
        )
    if isinstance(layer, ConvTranspose2D):
        # Its matrix is the transpose of that of the convolution the other way.
        return ConvGeometry.resolve(
            where,
            call.output_shapes[0][1:],
            layer.kernel.shape,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
        )
    return ConvGeometry.of_layer(where, layer, item_shape)


def readable_ratio(ratio: float) -> str:
    """Three digits at least where they say something: 1, 2.25, 13.4, 61,544."""
    return f"{ratio:,.0f}" if ratio >= 100 or ratio == round(ratio) else f"{ratio:.3g}"
