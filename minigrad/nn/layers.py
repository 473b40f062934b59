"""Layers with weights, pooling, and layers that only move cells.

`Dense MaxPool2D AvgPool2D GlobalAvgPool2D Flatten Reshape Dropout`

Sizes are explicit, so that parameters exist as soon as a layer is made. Weights start as Glorot and
Bengio (2010) have it, biases at zero; `rng` is the source of randomness, by default the library's
own (`mg.manual_seed`).
"""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import numpy as np

from .. import functional as F
from .. import init, random
from ..arguments import as_float
from ..conv_arithmetic import IntOrPair, Padding, integer, pair, resolve_padding
from ..tensor import Tensor, as_tensor
from .module import Module


def bias_parameter(size: int) -> Tensor:
    """A bias as layers start with it: zeros, (size,)."""
    return Tensor(init.zeros((size,)), requires_grad=True)


class SlidingWindow(Module):
    """What layers share whose window slides over images: `windows`, its geometry resolved once."""

    _resolved: tuple[Any, F.Windows] | None = None

    def windows(self, where: str, *geometry: Any) -> F.Windows:
        """The windows of this geometry, as `F.Windows` takes it; anew only if it has changed."""
        resolved = self._resolved  # looked at once, since another thread may set it
        if resolved is None or resolved[0] != geometry:
            # A copy, for lists in it may be changed in place.
            resolved = self._resolved = deepcopy(geometry), F.Windows(where, *geometry)
        return resolved[1]


class Dense(Module):
    """A fully connected layer: x @ weight + bias, every output seeing every input.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        bias: add a learned bias.
        rng: where the weights come from.

    Attributes:
        weight: (in_features, out_features).
        bias: (out_features,) or None.

    Raises:
        ValueError: a size below 1, or an input whose last axis is not in_features.

    >>> Dense(3, 5)(Tensor(np.ones((2, 3), np.float32))).shape
    (2, 5)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.in_features = integer(in_features, "in_features", where="Dense")
        self.out_features = integer(out_features, "out_features", where="Dense")
        rng = random.resolve(rng, "Dense")
        weight = init.glorot_uniform((self.in_features, self.out_features), rng=rng)
        self.weight = Tensor(weight, requires_grad=True)
        self.bias = bias_parameter(self.out_features) if bias else None

    def forward(self, x: Any) -> Tensor:
        """(..., in_features) -> (..., out_features)"""
        x = as_tensor(x)
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            raise ValueError(
                f"Dense(in_features={self.in_features}): got an input of shape {x.shape}, whose "
                f"last axis must have size {self.in_features}"
                + ("; put a Flatten before the layer" if x.ndim == 4 else "")
            )
        return F.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        bias = "" if self.bias is not None else ", bias=False"
        return f"{self.in_features}, {self.out_features}{bias}"


class _Pool2D(SlidingWindow):
    def __init__(
        self,
        kernel_size: IntOrPair,
        stride: IntOrPair | None = None,
        padding: Padding = "VALID",
    ) -> None:
        where = type(self).__name__
        self.kernel_size = pair(kernel_size, "kernel_size", where=where)
        self.stride = self.kernel_size if stride is None else pair(stride, "stride", where=where)
        resolve_padding(padding, self.kernel_size, where=where)  # or raise
        self.padding = padding

    def extra_repr(self) -> str:
        """The sizes, and what is not the default."""
        text = f"{self.kernel_size}"
        if self.stride != self.kernel_size:
            text += f", stride={self.stride}"
        return text + (f", padding={self.padding!r}" if self.padding != "VALID" else "")


class MaxPool2D(_Pool2D):
    """The maximum of every window: (N, H, W, C) -> (N, OH, OW, C).

    Args:
        kernel_size: an int, or (height, width).
        stride: likewise; by default the kernel size.
        padding: as for `Conv2D`; padded cells never win.
    """

    def forward(self, x: Any) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, C)"""
        windows = self.windows("max_pool2d", self.kernel_size, self.stride, self.padding)
        return F.max_pool2d(x, self.kernel_size, windows=windows)


class AvgPool2D(_Pool2D):
    """The average of every window, over the cells that are not padding.

    Args as for `MaxPool2D`.
    """

    def forward(self, x: Any) -> Tensor:
        """(N, H, W, C) -> (N, OH, OW, C)"""
        return F.avg_pool2d(x, self.kernel_size, self.stride, self.padding)


class GlobalAvgPool2D(Module):
    """The average of every channel over the whole image: (N, H, W, C) -> (N, C)."""

    def forward(self, x: Any) -> Tensor:
        """(N, H, W, C) -> (N, C)"""
        x = as_tensor(x)
        if x.ndim != 4:
            raise ValueError(f"GlobalAvgPool2D: x of shape {x.shape} must be (N, H, W, C)")
        return x.mean((1, 2))


class Flatten(Module):
    """All axes but the first on one: (N, ...) -> (N, features), in row-major order."""

    def forward(self, x: Any) -> Tensor:
        """(N, ...) -> (N, features)"""
        x = as_tensor(x)
        if x.ndim < 1:
            raise ValueError("Flatten: a 0-d tensor has no batch axis")
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))


class Reshape(Module):
    """All axes but the first in another shape: (N, ...) -> (N, *shape); one size may be -1.

    Raises:
        ValueError: a size below 1 that is not the only -1, or items that do not have as many cells.

    >>> Reshape(2, -1)(Tensor(np.ones((3, 10), np.float32))).shape
    (3, 2, 5)
    """

    def __init__(self, *shape: int) -> None:
        sizes = tuple(integer(size, "shape", minimum=-1, where="Reshape") for size in shape)
        if 0 in sizes or sizes.count(-1) > 1:
            raise ValueError(
                f"Reshape: shape={sizes} may hold one -1, and else sizes of at least 1"
            )
        self.shape = sizes

    def forward(self, x: Any) -> Tensor:
        """(N, ...) -> (N, *shape)"""
        x = as_tensor(x)
        if x.ndim < 1:
            raise ValueError(f"{self!r}: a 0-d tensor has no batch axis")
        # -1 is worked out from one item, so that it is defined for a batch of none, too.
        cells = math.prod(x.shape[1:])
        known = math.prod(size for size in self.shape if size != -1)
        if cells % known or (-1 not in self.shape and cells != known):
            raise ValueError(
                f"{self!r}: got an input of shape {x.shape}, whose items have {cells} cells, which "
                f"do not fit into {self.shape}"
            )
        return x.reshape(
            x.shape[0], *(cells // known if size == -1 else size for size in self.shape)
        )

    def extra_repr(self) -> str:
        """The shape."""
        return ", ".join(map(str, self.shape))


class Dropout(Module):
    """In training, zeros with probability p, and the rest scaled by 1 / (1 - p); else nothing.

    Args:
        p: in [0, 1).
        rng: the source of randomness.
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | None = None) -> None:
        if not 0 <= as_float(p, "p", "Dropout") < 1:
            raise ValueError(f"Dropout: p={p!r} must be at least 0 and below 1")
        random.resolve(rng, "Dropout")  # or raise
        self.p = p
        self.rng = rng

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.dropout(x, self.p, self.training, self.rng)

    def extra_repr(self) -> str:
        """The probability."""
        return f"{self.p}"
