"""`LocallyConnected2D`: a convolution whose kernel is another one at every position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import functional as F
from .. import init, random
from ..conv_arithmetic import IntOrPair, Padding, integer, output_shape, pair, resolve_padding
from ..tensor import Tensor, as_tensor
from .module import Module


class LocallyConnected2D(Module):
    """Windows as in `Conv2D`, but every window has a kernel of its own: sparse, and not shared.

    It stands between `Conv2D` and `Dense`: as local as the one, as free to differ from place to
    place as the other. `minigrad.equivalence.untie` makes one of a convolution.

    Args:
        input_shape: of one image, (H, W, C); the number of kernels depends on it.
        out_channels: filters, the channels of the output.
        kernel_size, stride, dilation: an int, or (height, width).
        padding: "SAME", "VALID", "FULL", an int, (ph, pw) or ((top, bottom), (left, right)).
        groups: into how many parts channels and filters are cut.
        bias: add one learned number per cell of the output.
        rng: where the weights come from.

    Attributes:
        kernel: (OH, OW, kh, kw, C / groups, out_channels); `kernel[i, j]` is the kernel of the
            window under output cell (i, j). Weights that only meet padding are there, and not used.
        bias: (OH, OW, out_channels) or None.
        output_shape: of one image, (OH, OW, out_channels).

    Raises:
        ValueError: an argument out of range, a window that does not fit, channels that groups do
            not divide, or an input of another shape.

    >>> layer = LocallyConnected2D((11, 13, 1), 8, (3, 5), stride=2)
    >>> layer(Tensor(np.ones((2, 11, 13, 1), np.float32))).shape, layer.kernel.shape
    ((2, 6, 7, 8), (6, 7, 3, 5, 1, 8))
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        out_channels: int,
        kernel_size: IntOrPair,
        stride: IntOrPair = 1,
        padding: Padding = "SAME",
        dilation: IntOrPair = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        where = "LocallyConnected2D"
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) != 3:
            raise ValueError(f"{where}: input_shape={input_shape!r} must be (H, W, C), one image")
        height, width, channels = (
            integer(size, "input_shape", where=where) for size in input_shape
        )
        self.input_shape = (height, width, channels)
        self.out_channels = integer(out_channels, "out_channels", where=where)
        self.kernel_size = pair(kernel_size, "kernel_size", where=where)
        self.stride = pair(stride, "stride", where=where)
        self.dilation = pair(dilation, "dilation", where=where)
        self.groups = integer(groups, "groups", where=where)
        self.padding = padding
        pads = resolve_padding(padding, self.kernel_size, self.dilation, where=where)
        if channels % self.groups or self.out_channels % self.groups:
            raise ValueError(
                f"{where}: groups={groups} must divide the {channels} channels of input_shape="
                f"{self.input_shape} and out_channels={out_channels}"
            )
        positions = output_shape(
            (height, width), self.kernel_size, self.stride, pads, self.dilation, where=where
        )
        self.output_shape = (*positions, self.out_channels)
        one_kernel = (*self.kernel_size, channels // self.groups, self.out_channels)
        # Every position starts as a convolution would; its fans are those of one kernel.
        bound = np.sqrt(6.0 / sum(init.fans(one_kernel)))
        rng = random.resolve(rng, where)
        kernels = init.uniform((*positions, *one_kernel), -bound, bound, rng=rng)
        self.kernel = Tensor(kernels, requires_grad=True)
        self.bias = Tensor(init.zeros(self.output_shape), requires_grad=True) if bias else None

    def forward(self, x: Any) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, out_channels)"""
        x = as_tensor(x)
        if x.ndim != 4 or x.shape[1:] != self.input_shape:
            raise ValueError(
                f"LocallyConnected2D(input_shape={self.input_shape}): got an input of shape "
                f"{x.shape}, which must be (N, H, W, C) with just these H, W and C: every position "
                "has its own kernel"
            )
        cols = F.im2col(x, self.kernel_size, self.stride, self.padding, self.dilation)
        batch = x.shape[0]
        height, width, filters = self.output_shape
        taps = self.kernel_size[0] * self.kernel_size[1]
        groups, group_channels = self.groups, self.input_shape[2] // self.groups
        # One product of matrices per position and group.
        # (N, OH, OW, KH*KW*G*C) -> (OH, OW, G, N, KH*KW*C)
        cols = cols.reshape(batch, height, width, taps, groups, group_channels)
        cols = cols.transpose(1, 2, 4, 0, 3, 5)
        cols = cols.reshape(height, width, groups, batch, taps * group_channels)
        # (OH, OW, KH, KW, C, G*F) -> (OH, OW, G, KH*KW*C, F)
        weight = self.kernel.reshape(
            height, width, taps * group_channels, groups, filters // groups
        ).transpose(0, 1, 3, 2, 4)
        out = cols @ weight  # (OH, OW, G, N, F)
        out = out.transpose(3, 0, 1, 2, 4).reshape(batch, height, width, filters)
        return out if self.bias is None else out + self.bias

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        text = f"{self.input_shape}, {self.out_channels}, {self.kernel_size}"
        if self.stride != (1, 1):
            text += f", stride={self.stride}"
        if self.padding != "SAME":
            text += f", padding={self.padding!r}"
        if self.dilation != (1, 1):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")
