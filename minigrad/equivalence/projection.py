"""From a convolution to dense layers and back.

- `conv_to_dense`: the Dense layer that computes the same.
- `untie`: the same function with its ties cut, every copy of a weight free to go its own way.
- `nearest_conv`: the convolution closest to a dense layer, and how far from it the layer is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ..conv_arithmetic import IntOrPair, Padding, integer, pair
from ..engine import Array
from ..nn import Conv2D, Dense, LocallyConnected2D
from ..tensor import Tensor
from .geometry import MEMORY_LIMIT, ConvGeometry, check_memory, conv_layer, image_shape
from .index_map import describe_matrix, triplets_of


def conv_to_dense(
    layer: Conv2D | LocallyConnected2D,
    input_shape: Sequence[int],
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> Dense:
    """The Dense layer that computes what a convolution computes, on flattened images.

    Args:
        layer: a Conv2D, or a LocallyConnected2D.
        input_shape: of one image, (H, W, C).
        memory_limit: in bytes; a weight matrix that takes more is refused.

    Returns:
        A new Dense(H*W*C, OH*OW*F) in the layer's dtype; put Flatten() before it and Reshape(OH,
        OW, F) behind it to have the layer's shapes. Its bias repeats the convolution's everywhere.

    Raises:
        TypeError: another kind of layer.
        ValueError: an image that the layer does not take, or a matrix above the memory limit.

    >>> conv = Conv2D(1, 8, 3)
    >>> conv_to_dense(conv, (28, 28, 1))
    Dense(784, 6272)
    """
    return _dense_of("conv_to_dense", layer, input_shape, memory_limit)


def untie(
    conv: Conv2D,
    input_shape: Sequence[int],
    level: Literal["local", "dense"],
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> LocallyConnected2D | Dense:
    """The same function with its ties cut: another layer, equal now, free to learn otherwise.

    Args:
        conv: the convolution; it is not changed, and shares nothing with the result.
        input_shape: of one image, (H, W, C).
        level: "local" cuts the sharing: a LocallyConnected2D, which still sees windows only.
            "dense" cuts the locality too: the Dense layer of `conv_to_dense`.
        memory_limit: in bytes; weights that take more are refused.

    Returns:
        A layer in the dtype of `conv`, frozen where it is frozen.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: another level, an image that the layer does not take, or weights above the
            limit.

    >>> untie(Conv2D(1, 8, (3, 5), stride=2), (11, 13, 1), level="local")
    LocallyConnected2D((11, 13, 1), 8, (3, 5), stride=(2, 2))
    """
    conv_layer("untie", conv)
    if level not in ("local", "dense"):
        raise ValueError(f'untie: level={level!r} must be "local" or "dense"')
    if level == "dense":
        return _dense_of("untie", conv, input_shape, memory_limit)
    geometry = ConvGeometry.of_layer("untie", conv, input_shape)
    check_memory(
        "untie",
        f"a kernel for each of {geometry.positions:,} positions",
        geometry.positions * geometry.kernel_cells * conv.kernel.dtype.itemsize,
        memory_limit,
        "give a smaller input_shape or raise memory_limit",
    )
    local = LocallyConnected2D(
        geometry.input_shape,
        conv.out_channels,
        conv.kernel_size,
        conv.stride,
        conv.padding,
        conv.dilation,
        conv.groups,
        bias=conv.bias is not None,
        rng=_any_generator(),
    )
    # (kh, kw, C, F) -> (OH, OW, kh, kw, C, F)
    local.kernel = _repeated(conv.kernel, local.kernel.shape)
    if conv.bias is not None:
        local.bias = _repeated(conv.bias, geometry.output_shape)  # (F,) -> (OH, OW, F)
    return local


def nearest_conv(
    dense: Dense | LocallyConnected2D,
    input_shape: Sequence[int],
    out_channels: int,
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    memory_limit: int = MEMORY_LIMIT,
) -> tuple[Conv2D, float]:
    """The convolution closest to a dense layer in least squares, and the distance.

    The matrices of convolutions with given sizes are a linear space: cells with equal index hold
    equal numbers, all others zero. The projection on it takes, per kernel parameter, the mean over
    the cells tied to it; a parameter that no cell is tied to is set to 0. The bias of a filter is
    the mean over positions.

    Args:
        dense: a layer from H*W*C to OH*OW*F features, or a LocallyConnected2D, which is taken as
            the dense layer that it is.
        input_shape: of one image, (H, W, C).
        out_channels: filters F of the convolution.
        kernel_size, stride, padding, dilation, groups: of the convolution, as for `Conv2D`.
        memory_limit: in bytes; a comparison that takes more is refused.

    Returns:
        The convolution, in the layer's dtype, and the residual ||W - M|| / ||W||, where W is the
        layer's weight and M the convolution's matrix: 0 where the layer is a convolution, 1 where
        nothing of it is. The biases have no part in it.

    Raises:
        TypeError: `dense` is another kind of layer.
        ValueError: sizes that do not fit the layer, or a comparison above the memory limit.

    >>> conv = Conv2D(2, 3, (3, 5))
    >>> again, residual = nearest_conv(conv_to_dense(conv, (7, 9, 2)), (7, 9, 2), 3, (3, 5))
    >>> bool(np.allclose(again.kernel.data, conv.kernel.data)), residual < 1e-6
    (True, True)
    """
    where = "nearest_conv"
    if isinstance(dense, LocallyConnected2D):
        dense = _dense_of(where, dense, input_shape, memory_limit)
    if not isinstance(dense, Dense):
        raise TypeError(
            f"{where}: expected a Dense or a LocallyConnected2D, got {type(dense).__name__}: "
            f"{dense!r:.80}"
        )
    window = pair(kernel_size, "kernel_size", where=where)
    filters = integer(out_channels, "out_channels", where=where)
    groups = integer(groups, "groups", where=where)
    sizes = image_shape(input_shape, "input_shape", where)
    kernel_shape = (*window, max(1, sizes[2] // groups), filters)
    geometry = ConvGeometry.resolve(where, sizes, kernel_shape, stride, padding, dilation, groups)
    if (dense.in_features, dense.out_features) != geometry.matrix_shape:
        raise ValueError(
            f"{where}: {dense} does not fit: a convolution of images {geometry.input_shape} "
            f"(H, W, C) to {geometry.output_shape} (OH, OW, F) is a Dense{geometry.matrix_shape}"
        )
    check_memory(
        where,
        f"comparing {describe_matrix(geometry)}, in float64,",
        geometry.matrix_cells * 8 + geometry.nonzeros * 3 * 8,
        memory_limit,
        "give smaller sizes or raise memory_limit",
    )
    conv = Conv2D(
        geometry.input_shape[2],
        filters,
        window,
        stride,
        padding,
        dilation,
        groups,
        bias=dense.bias is not None,
        rng=_any_generator(),
    )
    kernel, residual = _tied_means(dense.weight.data, geometry)
    dtype = dense.weight.dtype
    conv.kernel = Tensor(kernel.astype(dtype), dense.weight.requires_grad)
    if dense.bias is not None:
        by_filter = dense.bias.data.reshape(geometry.positions, filters)
        bias = by_filter.mean(axis=0, dtype=np.float64).astype(dtype)
        conv.bias = Tensor(bias, dense.bias.requires_grad)
    return conv, residual


def _tied_means(weight: Array, geometry: ConvGeometry) -> tuple[Array, float]:
    """The kernel of the nearest convolution in float64, and the relative distance to it."""
    triplets = triplets_of(geometry)
    tied = weight[triplets.rows, triplets.columns]
    counts = np.bincount(triplets.parameters, minlength=geometry.kernel_cells)
    sums = np.bincount(triplets.parameters, tied, minlength=geometry.kernel_cells)
    means = sums / np.maximum(counts, 1)
    difference = weight.astype(np.float64)
    difference[triplets.rows, triplets.columns] -= means[triplets.parameters]
    size = np.linalg.norm(weight.astype(np.float64))
    residual = float(np.linalg.norm(difference) / size) if size else 0.0
    return means.reshape(geometry.kernel_shape), residual


def _dense_of(
    where: str, layer: Conv2D | LocallyConnected2D, input_shape: Sequence[int], memory_limit: int
) -> Dense:
    conv_layer(where, layer, local=True)
    geometry = ConvGeometry.of_layer(where, layer, input_shape)
    check_memory(
        where,
        describe_matrix(geometry),
        geometry.matrix_cells * layer.kernel.dtype.itemsize,
        memory_limit,
        "give a smaller input_shape or raise memory_limit; sparse_conv_matrix holds non-zeros only",
    )
    triplets = triplets_of(geometry)
    parameters = triplets.parameters
    if isinstance(layer, LocallyConnected2D):
        # The kernels of all positions lie one behind the other.
        position = triplets.columns // geometry.output_shape[2]
        parameters = position * geometry.kernel_cells + parameters
    weight = np.zeros(triplets.shape, layer.kernel.dtype)
    weight[triplets.rows, triplets.columns] = layer.kernel.data.reshape(-1)[parameters]
    # Made small and then given its weights, so that no large ones are drawn and thrown away.
    dense = Dense(1, 1, bias=layer.bias is not None, rng=_any_generator())
    dense.in_features, dense.out_features = triplets.shape
    dense.weight = Tensor(weight, layer.kernel.requires_grad)
    if layer.bias is not None:
        # (F,) or (OH, OW, F) -> (OH*OW*F,)
        bias = _repeated(layer.bias, geometry.output_shape)
        dense.bias = Tensor(bias.data.reshape(-1), layer.bias.requires_grad)
    return dense


def _repeated(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A leaf of its own with the tensor's numbers broadcast to a shape."""
    return Tensor(np.broadcast_to(tensor.data, shape).copy(), tensor.requires_grad)


def _any_generator() -> Any:
    """Randomness for weights that are replaced at once; the library's own is left untouched."""
    return np.random.default_rng(0)
