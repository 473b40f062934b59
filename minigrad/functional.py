"""The functions of deep learning, composed of tensor operators (`import minigrad.functional as F`).

- dense and convolution: `linear im2col col2im conv2d conv1d conv_transpose2d`
- pooling: `max_pool2d avg_pool2d`
- activations: `relu leaky_relu elu gelu silu softplus sigmoid tanh softmax log_softmax`
- normalisation and noise: `batch_norm layer_norm dropout`
- labels and losses: `one_hot cross_entropy nll_loss mse_loss l1_loss huber_loss
  binary_cross_entropy_with_logits`

Images are (N, H, W, C), kernels (kh, kw, in_channels, out_channels). Since all of it is composed of
differentiable operators, nothing here has a derivative rule of its own (but for the two operators
of `operators.losses`), and all of it can be differentiated as often as one likes.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np

from . import random
from .arguments import as_float
from .conv_arithmetic import (
    AxisPadding,
    IntOrPair,
    Padding,
    Pads,
    Pair,
    Window,
    integer,
    output_shape,
    output_size,
    pair,
    resolve_axis_padding,
    resolve_padding,
    transposed_size,
)
from .engine import Array, Differentiable, as_array, is_recording
from .operators import convolution, losses
from .operators.linear import affine, common_dtype, to_dtype
from .operators.reductions import normalise_axes, shifted_to_zero, softmax_over
from .switches import fast_paths_enabled
from .tensor import Tensor, as_tensor, where

Reduction = Literal["mean", "sum", "none"]

# --- dense and convolution ------------------------------------------------------------------------


def linear(x: Any, weight: Any, bias: Any = None) -> Tensor:
    """x @ weight + bias: what a Dense layer computes, and what a convolution ends in.

    Args:
        x: (..., in_features).
        weight: (in_features, out_features).
        bias: (out_features,) or None.

    Returns:
        (..., out_features).

    Raises:
        ValueError: the sizes do not fit.

    >>> linear(Tensor([[1.0, 2.0]]), Tensor([[3.0], [4.0]]), Tensor([0.5]))
    tensor([[11.5]], dtype=float32)
    """
    x, weight = as_tensor(x), as_tensor(weight)
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[0]:
        raise ValueError(
            f"linear: x of shape {x.shape} does not fit weight of shape {weight.shape}: weight "
            "must be (in_features, out_features), and the last axis of x have in_features cells"
        )
    if bias is None:
        return x @ weight
    bias = _bias("linear", bias, weight.shape[1])
    if fast_paths_enabled() and x.dtype == weight.dtype == bias.dtype:
        return affine(x, weight, bias)
    return x @ weight + bias


def _bias(where: str, bias: Any, size: int) -> Tensor:
    bias = as_tensor(bias)
    if bias.shape != (size,):
        raise ValueError(f"{where}: bias of shape {bias.shape} must have shape {(size,)}")
    return bias


def im2col(
    x: Any,
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = "VALID",
    dilation: IntOrPair = 1,
) -> Tensor:
    """The window under every output cell, as a row.

    Args:
        x: images, (N, H, W, C).
        kernel_size, stride, dilation: an int, or (height, width).
        padding: "SAME", "VALID", "FULL", an int, (ph, pw) or ((top, bottom), (left, right)).

    Returns:
        (N, OH, OW, KH*KW*C), the last axis ordered by kernel row, kernel column, channel.

    Raises:
        ValueError: not four axes, no window fits, or an argument out of range.

    >>> im2col(Tensor([[[[1.0], [2.0], [3.0]]]]), (1, 2))  # one row of three cells, two windows
    tensor([[[[1., 2.],
              [2., 3.]]]], dtype=float32)
    """
    x = _images("im2col", x)
    windows = Windows("im2col", kernel_size, stride, padding, dilation)
    windows.output_shape(x)
    return convolution.im2col(x, window=windows.window)


def col2im(
    cols: Any,
    input_shape: tuple[int, int, int, int],
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = "VALID",
    dilation: IntOrPair = 1,
) -> Tensor:
    """Add every row of `cols` back to its window: the adjoint of `im2col`.

    Args:
        cols: (N, OH, OW, KH*KW*C), as `im2col` makes it of images of `input_shape`.
        input_shape: (N, H, W, C).
        kernel_size, stride, padding, dilation: as for `im2col`.

    Returns:
        (N, H, W, C). Cells in several windows collect from all of them.

    Raises:
        ValueError: `cols` does not have the shape that `im2col` gives for these arguments.

    >>> col2im(Tensor([[[[1.0, 2.0], [2.0, 3.0]]]]), (1, 1, 3, 1), (1, 2)).flatten()
    tensor([1., 4., 3.], dtype=float32)
    """
    cols = as_tensor(cols)
    windows = Windows("col2im", kernel_size, stride, padding, dilation)
    if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 4:
        raise ValueError(f"col2im: input_shape={input_shape!r} must be (N, H, W, C)")
    batch, height, width, channels = (
        integer(size, "input_shape", minimum=0, where="col2im") for size in input_shape
    )
    oh, ow = windows.output_shape_for(height, width)
    kh, kw = windows.kernel_size
    if cols.shape != (batch, oh, ow, kh * kw * channels):
        raise ValueError(
            f"col2im: cols of shape {cols.shape} must have shape "
            f"{(batch, oh, ow, kh * kw * channels)}, which is (N, OH, OW, KH*KW*C) for "
            f"input_shape={tuple(input_shape)} and kernel_size={(kh, kw)}"
        )
    image_shape = (batch, height, width, channels)
    return convolution.col2im(cols, input_shape=image_shape, window=windows.window)


def conv2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    windows: Windows | None = None,
) -> Tensor:
    """Convolution of images: `im2col`, then the matrix product of a dense layer.

    As everywhere in deep learning the kernel is not flipped (it is a cross-correlation):
    out[n, i, j, f] = sum over a, b, c of x[n, i*stride + a - top, j*stride + b - left, c]
    * kernel[a, b, c, f], at stride and dilation 1 per axis as given.

    Args:
        x: (N, H, W, C).
        kernel: (kh, kw, C / groups, F).
        bias: (F,) or None.
        stride, dilation: an int, or (height, width).
        padding: "SAME", "VALID", "FULL", an int, (ph, pw) or ((top, bottom), (left, right)).
        groups: the channels and the filters are cut into this many parts; each part of the filters
            sees its part of the channels. C groups make a depthwise convolution.
        windows: in place of stride, padding and dilation; layers have it from an earlier call.

    Returns:
        (N, OH, OW, F), with OH = floor((H + top + bottom - ((kh-1)*dilation + 1)) / stride) + 1
        and OW likewise.

    Raises:
        ValueError: shapes that do not fit, a kernel larger than the padded input, or an argument
            out of range.

    >>> x = Tensor(np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46.0]]).reshape(1, 3, 3, 1))
    >>> kernel = Tensor(np.array([[4, 6], [7, 9.0]]).reshape(2, 2, 1, 1))
    >>> conv2d(x, kernel, padding="VALID").flatten()
    tensor([1190., 1919.,  909., 1344.], dtype=float64)
    """
    x = _images("conv2d", x)
    groups = integer(groups, "groups", where="conv2d")
    kernel = _kernel("conv2d", x, kernel, groups)
    kh, kw, _, filters = kernel.shape
    if bias is not None:
        bias = _bias("conv2d", bias, filters)
    if windows is None:
        windows = Windows("conv2d", (kh, kw), stride, padding, dilation)
    elif windows.kernel_size != (kh, kw):
        raise ValueError(
            f"conv2d: windows are of kernel_size={windows.kernel_size}, and the kernel of shape "
            f"{kernel.shape} needs ({kh}, {kw})"
        )
    windows.output_shape(x)
    if groups == 1 and fast_paths_enabled():
        return _windows_affine(x, kernel, bias, windows.window)
    cols = convolution.im2col(x, window=windows.window)
    if groups == 1:
        return linear(cols, kernel.reshape(-1, filters), bias)  # (KH*KW*C, F)
    out = _grouped_product(cols, kernel, groups)
    return out if bias is None else out + bias


def _windows_affine(x: Tensor, kernel: Tensor, bias: Tensor | None, window: Window) -> Tensor:
    """`linear(im2col(x), kernel, bias)`, block by block; see `operators.convolution`."""
    if x.dtype != kernel.dtype:
        dtype = common_dtype(x, kernel)
        x, kernel = to_dtype(x, dtype), to_dtype(kernel, dtype)
    if bias is not None and bias.dtype == x.dtype:
        return convolution.windows_affine(x, kernel, bias, window=window)
    out = convolution.windows_matmul(x, kernel, window=window)
    return out if bias is None else out + bias


def _kernel(where: str, x: Tensor, kernel: Any, groups: int) -> Tensor:
    """The kernel of a convolution, once it is known to fit the channels of x."""
    kernel = as_tensor(kernel)
    layout, window = ("NHWC", "kh, kw") if x.ndim == 4 else ("NLC", "k")
    if kernel.ndim != x.ndim or 0 in kernel.shape:
        raise ValueError(
            f"{where}: kernel of shape {kernel.shape} must be ({window}, in_channels, "
            "out_channels), all at least 1"
        )
    channels, filters = kernel.shape[-2] * groups, kernel.shape[-1]
    if x.shape[-1] != channels or filters % groups:
        raise ValueError(
            f"{where}: x of shape {x.shape} {layout} has {x.shape[-1]} channels; kernel of shape "
            f"{kernel.shape} with groups={groups} takes {channels} and makes {filters} filters, "
            "which must be a multiple of groups"
        )
    return kernel


def _grouped_product(cols: Tensor, kernel: Tensor, groups: int) -> Tensor:
    """One matrix product per group of channels, batched."""
    kh, kw, channels, filters = kernel.shape
    batch, oh, ow, _ = cols.shape
    # (N, OH, OW, KH*KW*G*C) -> (G, N*OH*OW, KH*KW*C)
    cols = cols.reshape(batch * oh * ow, kh * kw, groups, channels).transpose(2, 0, 1, 3)
    cols = cols.reshape(groups, batch * oh * ow, kh * kw * channels)
    # (KH, KW, C, G*F) -> (G, KH*KW*C, F)
    weight = kernel.reshape(kh * kw * channels, groups, filters // groups).transpose(1, 0, 2)
    out = cols @ weight  # (G, N*OH*OW, F)
    return out.transpose(1, 0, 2).reshape(batch, oh, ow, filters)


def conv1d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    stride: int = 1,
    padding: AxisPadding = "SAME",
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of sequences: `conv2d` of images that are one row high.

    out[n, i, f] = sum over a, c of x[n, i*stride + a*dilation - before, c] * kernel[a, c, f]

    Args:
        x: (N, L, C).
        kernel: (k, C / groups, F).
        bias: (F,) or None.
        stride, dilation: an int.
        padding: "SAME", "VALID", "FULL", an int or (before, after); or "CAUSAL", all of it before,
            so that no cell of the output depends on later cells of the input.
        groups: as for `conv2d`.

    Returns:
        (N, OL, F), with OL = floor((L + before + after - ((k-1)*dilation + 1)) / stride) + 1.

    Raises:
        ValueError: shapes that do not fit, a kernel larger than the padded input, or an argument
            out of range.

    >>> x = Tensor([[[1.0], [2.0], [4.0]]])
    >>> conv1d(x, Tensor([[[-1.0]], [[1.0]]]), padding="CAUSAL").flatten()  # what came before it
    tensor([1., 1., 2.], dtype=float32)
    """
    x = as_tensor(x)
    if x.ndim != 3:
        raise ValueError(
            f"conv1d: x of shape {x.shape} has {x.ndim} axes; sequences are (N, L, C)"
            + ("; a single one needs a batch axis: x.expand_dims(0)" if x.ndim == 2 else "")
        )
    groups = integer(groups, "groups", where="conv1d")
    kernel = _kernel("conv1d", x, kernel, groups)
    size = kernel.shape[0]
    stride = integer(stride, "stride", where="conv1d")
    dilation = integer(dilation, "dilation", where="conv1d")
    before, after = resolve_axis_padding(padding, size, dilation, where="conv1d")
    output_size(  # or raise
        x.shape[1], size, stride, dilation, before, after, where="conv1d", axis="length"
    )
    out = conv2d(
        x.expand_dims(1),  # (N, L, C) -> (N, 1, L, C)
        kernel.expand_dims(0),  # (k, C, F) -> (1, k, C, F)
        None if bias is None else _bias("conv1d", bias, kernel.shape[2]),
        (1, stride),
        ((0, 0), (before, after)),
        (1, dilation),
        groups,
    )
    return out.squeeze(1)


def conv_transpose2d(
    x: Any,
    kernel: Any,
    bias: Any = None,
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    groups: int = 1,
    output_shape: IntOrPair | None = None,
) -> Tensor:
    """The adjoint of `conv2d` with that kernel: what carries its gradient back to its input.

    <conv2d(a, kernel), x> = <a, conv_transpose2d(x, kernel)> for all a and x. So it takes what that
    convolution makes and makes what it takes, and the kernel has its out_channels third: a dense
    layer with the transposed matrix, then `col2im`. With a stride it makes images larger.

    Args:
        x: (N, H, W, in_channels), as that convolution's output.
        kernel: (kh, kw, out_channels / groups, in_channels).
        bias: (out_channels,) or None.
        stride, padding, dilation, groups: of that convolution.
        output_shape: (OH, OW), where the default is not what is wanted.

    Returns:
        (N, OH, OW, out_channels), as that convolution's input. At stride s it makes H of s
        different heights. By default OH is the smallest of them, (H-1)*s + (kh-1)*dilation + 1 -
        top - bottom, and `output_shape` can ask for up to s-1 more; OW likewise.

    Raises:
        ValueError: shapes that do not fit, an `output_shape` from which that convolution would not
            make H and W, an output of no cells, or an argument out of range.

    >>> x = Tensor(np.ones((2, 14, 13, 8), np.float32))
    >>> kernel = Tensor(np.ones((3, 3, 5, 8), np.float32))
    >>> conv_transpose2d(x, kernel, stride=2).shape
    (2, 27, 25, 5)
    >>> conv_transpose2d(x, kernel, stride=2, output_shape=(28, 26)).shape
    (2, 28, 26, 5)
    """
    where = "conv_transpose2d"
    x, kernel = _images(where, x), as_tensor(kernel)
    groups = integer(groups, "groups", where=where)
    if kernel.ndim != 4 or 0 in kernel.shape:
        raise ValueError(
            f"{where}: kernel of shape {kernel.shape} must be (kh, kw, out_channels, in_channels), "
            "all at least 1"
        )
    if x.shape[3] != kernel.shape[3] or kernel.shape[3] % groups:
        raise ValueError(
            f"{where}: x of shape {x.shape} NHWC has {x.shape[3]} channels; kernel of shape "
            f"{kernel.shape} (kh, kw, out_channels, in_channels) takes {kernel.shape[3]}, which "
            f"must be a multiple of groups={groups}"
        )
    kh, kw, channels_per_group, filters = kernel.shape
    channels = channels_per_group * groups
    if bias is not None:
        bias = _bias(where, bias, channels)
    windows = Windows(where, (kh, kw), stride, padding, dilation)
    batch, height, width, _ = x.shape
    input_shape = (batch, *windows.transposed_shape((height, width), output_shape), channels)
    if groups == 1:
        # (N, H, W, F) @ (F, KH*KW*C) -> (N, H, W, KH*KW*C)
        cols = x @ kernel.reshape(-1, filters).T
    else:
        # (N, H, W, G*F) -> (G, N*H*W, F)
        rows = x.reshape(batch * height * width, groups, filters // groups).transpose(1, 0, 2)
        # (KH, KW, C, G*F) -> (G, F, KH*KW*C)
        weight = kernel.reshape(kh * kw * channels_per_group, groups, filters // groups)
        products = rows @ weight.transpose(1, 2, 0)  # (G, N*H*W, KH*KW*C)
        # -> (N*H*W, KH*KW, G, C) -> (N, H, W, KH*KW*G*C)
        products = products.reshape(groups, rows.shape[1], kh * kw, channels_per_group)
        cols = products.transpose(1, 2, 0, 3).reshape(batch, height, width, kh * kw * channels)
    out = convolution.col2im(cols, input_shape=input_shape, window=windows.window)
    return out if bias is None else out + bias


# --- pooling --------------------------------------------------------------------------------------


def max_pool2d(
    x: Any,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: Padding = "VALID",
    *,
    windows: Windows | None = None,
) -> Tensor:
    """The maximum of every window. Padded cells never win; ties go to the first in row-major order.

    Args:
        x: (N, H, W, C).
        kernel_size: an int, or (height, width).
        stride: likewise; by default the kernel size.
        padding: as for `conv2d`.
        windows: in place of all these; layers have it from an earlier call.

    Returns:
        (N, OH, OW, C).

    Raises:
        ValueError: not four axes, no window fits, or a window would see padding only.

    >>> max_pool2d(Tensor(np.arange(12.0).reshape(1, 3, 4, 1)), (1, 2)).flatten()
    tensor([ 1.,  3.,  5.,  7.,  9., 11.], dtype=float64)
    """
    x = _images("max_pool2d", x)
    if windows is None:
        stride = kernel_size if stride is None else stride
        windows = Windows("max_pool2d", kernel_size, stride, padding)
    windows.refuse_windows_of_padding(x)
    if windows.are_tiles() and fast_paths_enabled():
        remember = x.requires_grad and is_recording()
        return convolution.tile_max(x, tile=windows.kernel_size, remember=remember)
    out = x
    # Along the width first, so that a tie goes to the upper row, and within it to the left.
    for axis in (2, 1):
        size, step = windows.kernel_size[axis - 1], windows.stride[axis - 1]
        before, after = windows.pads[axis - 1]
        out = convolution.window_max(
            out, axis=axis, window=size, stride=step, before=before, after=after
        )
    return out


def avg_pool2d(
    x: Any, kernel_size: IntOrPair, stride: IntOrPair | None = None, padding: Padding = "VALID"
) -> Tensor:
    """The average of every window, over the cells that are not padding.

    Args:
        x: (N, H, W, C).
        kernel_size: an int, or (height, width).
        stride: likewise; by default the kernel size.
        padding: as for `conv2d`.

    Returns:
        (N, OH, OW, C).

    Raises:
        ValueError: not four axes, no window fits, or a window would see padding only.

    >>> avg_pool2d(Tensor(np.arange(12.0).reshape(1, 3, 4, 1)), (3, 2)).flatten()
    tensor([4.5, 6.5], dtype=float64)
    """
    x = _images("avg_pool2d", x)
    stride = kernel_size if stride is None else stride
    windows = Windows("avg_pool2d", kernel_size, stride, padding)
    oh, ow = windows.refuse_windows_of_padding(x)
    kh, kw = windows.kernel_size
    batch, height, width, channels = x.shape
    cols = convolution.im2col(x, window=windows.window)
    sums = cols.reshape(batch, oh, ow, kh * kw, channels).sum(axis=3)
    # How many cells of each window lie in the image: im2col of an image of ones, (1, OH, OW, 1).
    ones = Tensor(np.ones((1, height, width, 1), x.dtype))
    counts = convolution.im2col(ones, window=windows.window).sum(axis=3, keepdims=True)
    return sums / counts


_NO_PADS: Pads = ((0, 0), (0, 0))


class Windows:
    """The geometry of sliding windows, checked once; errors speak of the function `where`.

    Args as for `conv2d` and `max_pool2d`, with the same errors.
    """

    def __init__(
        self,
        where: str,
        kernel_size: IntOrPair,
        stride: IntOrPair,
        padding: Padding,
        dilation: IntOrPair = 1,
    ) -> None:
        self.where = where
        self.kernel_size: Pair = pair(kernel_size, "kernel_size", where=where)
        self.stride: Pair = pair(stride, "stride", where=where)
        self.dilation: Pair = pair(dilation, "dilation", where=where)
        self.pads: Pads = resolve_padding(padding, self.kernel_size, self.dilation, where=where)
        self.window = Window(self.kernel_size, self.stride, self.pads, self.dilation)

    def are_tiles(self) -> bool:
        """Whether the windows lie side by side, from the corner of the image."""
        return self.stride == self.kernel_size and self.pads == _NO_PADS

    def output_shape_for(self, height: int, width: int) -> Pair:
        """How many windows there are on an image; ValueError where none fits."""
        return output_shape(
            (height, width),
            self.kernel_size,
            self.stride,
            self.pads,
            self.dilation,
            where=self.where,
        )

    def transposed_shape(self, positions: Pair, wanted: IntOrPair | None) -> Pair:
        """The (height, width) of an image on which the windows have so many positions."""
        asked = (None, None) if wanted is None else pair(wanted, "output_shape", where=self.where)
        height, width = (
            transposed_size(
                positions[axis],
                self.kernel_size[axis],
                self.stride[axis],
                self.dilation[axis],
                *self.pads[axis],
                asked[axis],
                where=self.where,
                axis=name,
            )
            for axis, name in enumerate(("height", "width"))
        )
        return height, width

    def output_shape(self, x: Tensor) -> Pair:
        """How many windows there are on each of the images (N, H, W, C)."""
        return self.output_shape_for(x.shape[1], x.shape[2])

    def refuse_windows_of_padding(self, x: Tensor) -> Pair:
        """For pooling: every window must see the image. Returns the output shape."""
        counts = self.output_shape(x)
        if self.pads == _NO_PADS:
            return counts  # all they see is the image
        for axis, name in enumerate(("height", "width")):
            before, after = self.pads[axis]
            size, window, stride = x.shape[axis + 1], self.kernel_size[axis], self.stride[axis]
            last_start = (counts[axis] - 1) * stride - before
            if before >= window or last_start >= size:
                raise ValueError(
                    f"{self.where}: padding {before, after} lets a window see padding only: along "
                    f"the {name}, {size} cells, kernel_size {window}, stride {stride}; pad by less "
                    "than the window"
                )
        return counts


def _images(where: str, x: Any) -> Tensor:
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(
            f"{where}: x of shape {x.shape} has {x.ndim} axes; images are (N, H, W, C)"
            + ("; a single image needs a batch axis: x.expand_dims(0)" if x.ndim == 3 else "")
        )
    return x


# --- activations ----------------------------------------------------------------------------------


def relu(x: Any) -> Tensor:
    """max(x, 0); the gradient at 0 is 0."""
    return as_tensor(x).relu()


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Tensor:
    """x where it is positive, negative_slope * x elsewhere (also its gradient at 0)."""
    x = as_tensor(x)
    return where(x > 0, x, x * negative_slope)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """x where it is positive, alpha * (exp(x) - 1) elsewhere. (Clevert et al., 2015)"""
    x = as_tensor(x)
    # The exponential sees no positive number: its overflow would reach the gradient as 0 * inf.
    return where(x > 0, x, x.clip(max=0.0).expm1() * alpha)


def gelu(x: Any) -> Tensor:
    """x times the normal distribution function at x, in its tanh form. (Hendrycks and Gimpel, 2016)

    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
    """
    x = as_tensor(x)
    inner = (x + x**3 * 0.044715) * math.sqrt(2.0 / math.pi)
    return x * 0.5 * (inner.tanh() + 1.0)


def silu(x: Any) -> Tensor:
    """x * sigmoid(x)"""
    x = as_tensor(x)
    return x * x.sigmoid()


def softplus(x: Any) -> Tensor:
    """log(1 + exp(x)), without overflow; its derivative is the sigmoid."""
    return losses.softplus(as_tensor(x))


def sigmoid(x: Any) -> Tensor:
    """1 / (1 + exp(-x)), without overflow."""
    return as_tensor(x).sigmoid()


def tanh(x: Any) -> Tensor:
    """The hyperbolic tangent."""
    return as_tensor(x).tanh()


def softmax(x: Any, axis: int = -1) -> Tensor:
    """exp(x) / sum(exp(x)) along an axis: positive numbers that add up to 1.

    >>> softmax(Tensor([1000.0, 1000.0]))
    tensor([0.5, 0.5], dtype=float32)
    """
    x = as_tensor(x)
    return softmax_over(x, normalise_axes("softmax", axis, x.ndim))


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """The logarithm of softmax: x - logsumexp(x)."""
    x = as_tensor(x)
    axes = normalise_axes("log_softmax", axis, x.ndim)
    shifted = shifted_to_zero(x, axes)
    return shifted - shifted.logsumexp(axes, keepdims=True)


# --- normalisation and noise ----------------------------------------------------------------------


def batch_norm(
    x: Any, mean: Any, var: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias, per channel.

    Which mean and variance, the batch's or running ones, is the caller's choice (`nn.BatchNorm`).

    Args:
        x: (..., C).
        mean, var: (C,).
        weight, bias: (C,) or None.
        eps: keeps the division finite.

    Raises:
        ValueError: an argument that is not of shape (C,).
    """
    x = as_tensor(x)
    for name, value in (("mean", mean), ("var", var), ("weight", weight), ("bias", bias)):
        if value is not None and np.shape(_data(value)) != x.shape[-1:]:
            raise ValueError(
                f"batch_norm: {name} of shape {np.shape(_data(value))} must have shape "
                f"{x.shape[-1:]}, the channels of x of shape {x.shape}"
            )
    scale = (as_tensor(var) + eps) ** -0.5
    if weight is not None:
        scale = scale * weight
    out = (x - mean) * scale
    return out if bias is None else out + bias


def layer_norm(
    x: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5, axes: int = 1
) -> Tensor:
    """Each item brought to mean 0 and variance 1 over its last axes. (Ba et al., 2016)

    Args:
        x: any shape.
        weight, bias: of the shape of the last `axes` axes, or None.
        eps: added to the variance.
        axes: how many axes, from the last, to normalise over.

    Raises:
        ValueError: a weight or bias of another shape, or axes that x does not have.
    """
    x = as_tensor(x)
    if integer(axes, "axes", where="layer_norm") > x.ndim:
        raise ValueError(f"layer_norm: axes={axes}, and x of shape {x.shape} has {x.ndim}")
    normalised = x.shape[x.ndim - axes :]
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and np.shape(_data(value)) != normalised:
            raise ValueError(
                f"layer_norm: {name} of shape {np.shape(_data(value))} must have shape "
                f"{normalised}, the last axes of x of shape {x.shape}"
            )
    over = tuple(range(x.ndim - axes, x.ndim))
    centred = x - x.mean(over, keepdims=True)
    out = centred * (centred.square().mean(over, keepdims=True) + eps) ** -0.5
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


def dropout(
    x: Any, p: float = 0.5, training: bool = True, rng: np.random.Generator | None = None
) -> Tensor:
    """Set each cell to 0 with probability p, and scale the others by 1 / (1 - p).

    Args:
        x: any shape.
        p: in [0, 1).
        training: without it, x is returned as it is.
        rng: the source of randomness; by default the library's own (`manual_seed`).

    Raises:
        TypeError: p is no number.
        ValueError: p out of range.
    """
    if not 0 <= as_float(p, "p", "dropout") < 1:
        raise ValueError(f"dropout: p={p!r} must be at least 0 and below 1")
    x = as_tensor(x)
    if not training or p == 0:
        return x
    keep = np.empty_like(x.data)  # in the memory order of x
    keep[...] = random.resolve(rng, "dropout").random(x.shape, dtype=np.float32) >= p
    return x * (keep * x.dtype.type(1 / (1 - p)))


# --- labels and losses ----------------------------------------------------------------------------


def one_hot(labels: Any, classes: int) -> Tensor:
    """Integer labels as rows with a single 1: (...) -> (..., classes), float32.

    Raises:
        TypeError: labels or `classes` that are not integers.
        ValueError: `classes` below 1, or a label below 0 or not below `classes`.

    >>> one_hot([2, 0], 3)
    tensor([[0., 0., 1.],
            [1., 0., 0.]], dtype=float32)
    """
    classes = integer(classes, "classes", where="one_hot")
    indices = _label_array("one_hot", labels)
    _check_labels("one_hot", indices, classes)
    rows = np.zeros((*indices.shape, classes), np.float32)
    np.put_along_axis(rows, indices[..., np.newaxis], 1, axis=-1)
    return Tensor(rows)


def cross_entropy(logits: Any, labels: Any, reduction: Reduction = "mean") -> Tensor:
    """How unlikely the labels are under softmax(logits): logsumexp(logits) - logits[label].

    Softmax and logarithm are one operator, which is finite for logits of any size.

    Args:
        logits: (..., classes), floating point.
        labels: (...), integers in [0, classes).
        reduction: "mean" or "sum" over all items, or "none".

    Returns:
        A single number, or for "none" one per item.

    Raises:
        TypeError: labels that are not integers.
        ValueError: shapes that do not fit, no classes, a label out of range, or an empty batch.

    >>> cross_entropy(Tensor([[0.0, 0.0], [10000.0, 0.0]]), [1, 1])
    tensor(5000.3467, dtype=float32)
    """
    logits = as_tensor(logits)
    indices = _labels_for("cross_entropy", logits, labels, reduction)
    return losses.cross_entropy(logits, labels=indices, reduction=reduction)


def nll_loss(log_probabilities: Any, labels: Any, reduction: Reduction = "mean") -> Tensor:
    """Minus the log-probability of the labels: what `cross_entropy` is after `log_softmax`.

    Args and errors as for `cross_entropy`.
    """
    log_probabilities = as_tensor(log_probabilities)
    indices = _labels_for("nll_loss", log_probabilities, labels, reduction)
    items: tuple[Array, ...] = tuple(np.indices(indices.shape, sparse=True))
    return _reduce(-log_probabilities[(*items, indices)], reduction)


def mse_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Tensor:
    """(prediction - target)^2, for two tensors of one shape."""
    return _reduce(_difference("mse_loss", prediction, target, reduction).square(), reduction)


def l1_loss(prediction: Any, target: Any, reduction: Reduction = "mean") -> Tensor:
    """|prediction - target|, for two tensors of one shape."""
    return _reduce(_difference("l1_loss", prediction, target, reduction).abs(), reduction)


def huber_loss(
    prediction: Any, target: Any, delta: float = 1.0, reduction: Reduction = "mean"
) -> Tensor:
    """Half the square of small differences, and beyond delta a straight line. (Huber, 1964)

    d^2 / 2 where |d| < delta, and delta * (|d| - delta / 2) elsewhere.

    Raises:
        TypeError: delta is no number.
        ValueError: different shapes, an empty batch, or delta not above 0.
    """
    if not as_float(delta, "delta", "huber_loss") > 0:
        raise ValueError(f"huber_loss: delta={delta!r} must be above 0")
    difference = _difference("huber_loss", prediction, target, reduction)
    # c (d - c/2) with c = d held between -delta and delta: no square of a large d, which overflows.
    near = difference.clip(-delta, delta)
    return _reduce(near * (difference - near * 0.5), reduction)


def binary_cross_entropy_with_logits(
    logits: Any, target: Any, reduction: Reduction = "mean"
) -> Tensor:
    """-(t log p + (1 - t) log(1 - p)) with p = sigmoid(logits), finite for logits of any size.

    Args:
        logits: any shape.
        target: of that shape, between 0 and 1.
        reduction: "mean", "sum" or "none".

    Raises:
        ValueError: different shapes, a target out of range, or an empty batch.
    """
    where, logits, target = "binary_cross_entropy_with_logits", as_tensor(logits), as_tensor(target)
    if logits.shape != target.shape:
        raise ValueError(
            f"{where}: logits of shape {logits.shape} and target of shape {target.shape} must be "
            "equal in shape"
        )
    _check_loss(where, logits.shape, reduction)
    if not 0 <= target.data.min() <= target.data.max() <= 1:
        raise ValueError(
            f"{where}: target has values from {target.data.min()} to {target.data.max()}; they are "
            "probabilities, between 0 and 1"
        )
    # -log p = softplus(-z) and -log(1-p) = softplus(z): two sums of what is positive, so that small
    # losses keep their digits.
    target = target.astype(logits.dtype)
    items = target * softplus(-logits) + (1.0 - target) * softplus(logits)
    return _reduce(items, reduction)


def _check_loss(where: str, shape: tuple[int, ...], reduction: Reduction) -> None:
    """Refuse what no loss can be made of; `shape` is that of what it is given."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'{where}: reduction={reduction!r} must be "mean", "sum" or "none"')
    if 0 in shape:
        raise ValueError(f"{where}: the batch is empty, shape {shape}: it has no loss")


def _reduce(items: Tensor, reduction: Reduction) -> Tensor:
    if reduction == "none":
        return items
    return items.mean() if reduction == "mean" else items.sum()


def _difference(where: str, prediction: Any, target: Any, reduction: Reduction) -> Tensor:
    prediction, target = as_tensor(prediction), as_tensor(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"{where}: prediction of shape {prediction.shape} and target of shape {target.shape} "
            "must be equal in shape; they are not broadcast"
        )
    _check_loss(where, prediction.shape, reduction)
    return prediction - target


def _label_array(where: str, labels: Any) -> Array:
    return as_array(where, _data(labels))


def _check_labels(where: str, indices: Array, classes: int) -> None:
    if indices.dtype.kind not in "iu":
        raise TypeError(f"{where}: labels of dtype {indices.dtype} must be integers")
    if indices.size and not 0 <= indices.min() <= indices.max() < classes:
        bad = indices.min() if indices.min() < 0 else indices.max()
        raise ValueError(
            f"{where}: label {bad} is not in [0, {classes}): there are {classes} classes"
        )


def _labels_for(where: str, scores: Tensor, labels: Any, reduction: Reduction) -> Array:
    indices = _label_array(where, labels)
    if scores.ndim < 1 or indices.shape != scores.shape[:-1]:
        raise ValueError(
            f"{where}: labels of shape {indices.shape} do not fit scores of shape "
            f"{scores.shape}: one label per row of the last axis, shape {scores.shape[:-1]}"
        )
    if scores.shape[-1] == 0:
        raise ValueError(
            f"{where}: scores of shape {scores.shape} have no classes: the last axis must hold at "
            "least one"
        )
    _check_loss(where, scores.shape, reduction)
    _check_labels(where, indices, scores.shape[-1])
    return indices


def _data(value: Any) -> Any:
    return value.data if isinstance(value, Differentiable) else value
