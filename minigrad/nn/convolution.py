"""Convolution layers: `Conv2D`, `Conv1D` and `ConvTranspose2D`.

They own a kernel and a bias and check the input's channels; what they compute is in `functional`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import functional as F
from .. import init, random
from ..conv_arithmetic import (
    AxisPadding,
    IntOrPair,
    Padding,
    integer,
    pair,
    resolve_axis_padding,
    resolve_padding,
)
from ..tensor import Tensor, as_tensor
from .layers import SlidingWindow, bias_parameter


class _Convolution(SlidingWindow):
    """What the convolution layers share. Each sets its own window (`kernel_size` and the rest)."""

    layout: str  # of the input, one letter per axis
    kernel_size: Any
    stride: Any
    padding: Any
    dilation: Any
    kernel: Tensor
    bias: Tensor | None

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        where = type(self).__name__
        self.in_channels = integer(in_channels, "in_channels", where=where)
        self.out_channels = integer(out_channels, "out_channels", where=where)
        self.groups = integer(groups, "groups", where=where)
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{where}: groups={groups} must divide in_channels={in_channels} and "
                f"out_channels={out_channels}"
            )

    def set_window(
        self, kernel_size: IntOrPair, stride: IntOrPair, padding: Padding, dilation: IntOrPair
    ) -> None:
        """The window of a layer on images, checked."""
        where = type(self).__name__
        self.kernel_size = pair(kernel_size, "kernel_size", where=where)
        self.stride = pair(stride, "stride", where=where)
        self.dilation = pair(dilation, "dilation", where=where)
        resolve_padding(padding, self.kernel_size, self.dilation, where=where)  # or raise
        self.padding = padding

    def checked(self, x: Any) -> Tensor:
        """The input as a tensor, whose channels are those of the layer if it has all the axes."""
        x = as_tensor(x)
        if x.ndim == len(self.layout) and x.shape[-1] != self.in_channels:
            channels_first = x.shape[1] == self.in_channels
            order = (0, *range(2, x.ndim), 1)
            raise ValueError(
                f"{type(self).__name__}(in_channels={self.in_channels}): got an input with "
                f"{x.shape[-1]} channel{'' if x.shape[-1] == 1 else 's'}, shape {x.shape} "
                f"{self.layout}"
                + (
                    f"; it looks like NC{self.layout[1:-1]}: transpose{order} brings the channels "
                    "last"
                    if channels_first
                    else f"; make the layer with in_channels={x.shape[-1]}, or give it another "
                    "input"
                )
            )
        return x

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        text = f"{self.in_channels}, {self.out_channels}, {self.kernel_size}"
        if self.stride not in (1, (1, 1)):
            text += f", stride={self.stride}"
        if self.padding != "SAME":
            text += f", padding={self.padding!r}"
        if self.dilation not in (1, (1, 1)):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv2D(_Convolution):
    """A convolution of images: the window under every output cell, times one shared weight matrix.

    Args:
        in_channels: of the input.
        out_channels: filters, the channels of the output.
        kernel_size, stride, dilation: an int, or (height, width).
        padding: "SAME", "VALID", "FULL", an int, (ph, pw) or ((top, bottom), (left, right)).
        groups: into how many parts channels and filters are cut.
        bias: add one learned number per filter.
        rng: where the weights come from.

    Attributes:
        kernel: (kh, kw, in_channels / groups, out_channels).
        bias: (out_channels,) or None.

    Raises:
        ValueError: an argument out of range, channels that groups do not divide, or an input that
            does not fit.

    >>> Conv2D(1, 8, (3, 5), stride=2)(Tensor(np.ones((2, 11, 13, 1), np.float32))).shape
    (2, 6, 7, 8)
    """

    layout = "NHWC"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: Padding = "SAME",
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, groups)
        self.set_window(kernel_size, stride, padding, dilation)
        shape = (*self.kernel_size, self.in_channels // self.groups, self.out_channels)
        rng = random.resolve(rng, "Conv2D")
        self.kernel = Tensor(init.glorot_uniform(shape, rng=rng), requires_grad=True)
        self.bias = bias_parameter(self.out_channels) if bias else None

    def forward(self, x: Any) -> Tensor:
        """(N, H, W, in_channels) -> (N, OH, OW, out_channels)"""
        x, kernel_size = self.checked(x), self.kernel.shape[:2]
        windows = self.windows("conv2d", kernel_size, self.stride, self.padding, self.dilation)
        return F.conv2d(x, self.kernel, self.bias, groups=self.groups, windows=windows)


class Conv1D(_Convolution):
    """A convolution of sequences: `Conv2D` along a single axis.

    Args:
        in_channels: of the input.
        out_channels: filters, the channels of the output.
        kernel_size, stride, dilation: an int.
        padding: "SAME", "VALID", "FULL", "CAUSAL", an int or (before, after).
        groups: into how many parts channels and filters are cut.
        bias: add one learned number per filter.
        rng: where the weights come from.

    Attributes:
        kernel: (kernel_size, in_channels / groups, out_channels).
        bias: (out_channels,) or None.

    Raises:
        ValueError: an argument out of range, channels that groups do not divide, or an input that
            does not fit.

    >>> Conv1D(3, 8, 5, padding="CAUSAL")(Tensor(np.ones((2, 11, 3), np.float32))).shape
    (2, 11, 8)
    """

    layout = "NLC"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: AxisPadding = "SAME",
        dilation: int = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        super().__init__(in_channels, out_channels, groups)
        self.kernel_size = integer(kernel_size, "kernel_size", where="Conv1D")
        self.stride = integer(stride, "stride", where="Conv1D")
        self.dilation = integer(dilation, "dilation", where="Conv1D")
        resolve_axis_padding(padding, self.kernel_size, self.dilation, where="Conv1D")  # or raise
        self.padding = padding
        shape = (self.kernel_size, self.in_channels // self.groups, self.out_channels)
        rng = random.resolve(rng, "Conv1D")
        self.kernel = Tensor(init.glorot_uniform(shape, rng=rng), requires_grad=True)
        self.bias = bias_parameter(self.out_channels) if bias else None

    def forward(self, x: Any) -> Tensor:
        """(N, L, in_channels) -> (N, OL, out_channels)"""
        return F.conv1d(
            self.checked(x),
            self.kernel,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )


class ConvTranspose2D(_Convolution):
    """The adjoint of a `Conv2D`: with a stride it makes images larger, as decoders need it.

    Args:
        in_channels: of the input, which is where that convolution has its filters.
        out_channels: of the output.
        kernel_size, stride, padding, dilation, groups: of that convolution, as for `Conv2D`.
        output_shape: (OH, OW) of the output. By default the smallest possible; at stride s up to
            s-1 cells more per axis (see `functional.conv_transpose2d`).
        bias: add one learned number per channel of the output.
        rng: where the weights come from.

    Attributes:
        kernel: (kh, kw, out_channels / groups, in_channels).
        bias: (out_channels,) or None.

    Raises:
        ValueError: an argument out of range, channels that groups do not divide, or an input that
            does not fit.

    >>> x = Tensor(np.ones((2, 7, 5, 8), np.float32))
    >>> ConvTranspose2D(8, 3, kernel_size=3, stride=2)(x).shape
    (2, 13, 9, 3)
    >>> ConvTranspose2D(8, 3, kernel_size=3, stride=2, output_shape=(14, 10))(x).shape
    (2, 14, 10, 3)
    """

    layout = "NHWC"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: Padding = "SAME",
        dilation: IntOrPair = 1,
        groups: int = 1,
        output_shape: IntOrPair | None = None,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        where = "ConvTranspose2D"
        super().__init__(in_channels, out_channels, groups)
        self.set_window(kernel_size, stride, padding, dilation)
        self.output_shape = (
            None if output_shape is None else pair(output_shape, "output_shape", where=where)
        )
        shape = (*self.kernel_size, self.out_channels // self.groups, self.in_channels)
        rng = random.resolve(rng, where)
        self.kernel = Tensor(init.glorot_uniform(shape, rng=rng), requires_grad=True)
        self.bias = bias_parameter(self.out_channels) if bias else None

    def forward(self, x: Any) -> Tensor:
        """(N, H, W, in_channels) -> (N, OH, OW, out_channels)"""
        return F.conv_transpose2d(
            self.checked(x),
            self.kernel,
            self.bias,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
            self.output_shape,
        )

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        text = super().extra_repr()
        return text if self.output_shape is None else f"{text}, output_shape={self.output_shape}"
