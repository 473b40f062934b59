"""Layers that bring activations to mean 0 and variance 1: `BatchNorm`, `LayerNorm`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import functional as F
from ..arguments import as_float
from ..conv_arithmetic import integer
from ..tensor import Tensor, as_tensor
from .module import Module


class BatchNorm(Module):
    """Normalises every channel over the batch. (Ioffe and Szegedy, 2015)

    In training with the mean and variance of the batch; in evaluation with running averages of
    them, which training updates: running = (1 - momentum) * running + momentum * batch, the
    variance unbiased. Works on (N, C) and (N, H, W, C) alike: the last axis holds the channels.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: how fast the running averages follow.

    Attributes:
        weight, bias: (C,), learned.
        running_mean, running_var: (C,), part of the state but not learned.

    Raises:
        ValueError: a negative eps, a momentum out of [0, 1], an input with another number of
            channels, or in training with a single value per channel.

    >>> norm = BatchNorm(1)
    >>> norm(Tensor([[1.0], [3.0]])).shape, norm.running_mean, norm.running_var
    ((2, 1), tensor([0.2], dtype=float32), tensor([1.1], dtype=float32))
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.num_features = integer(num_features, "num_features", where="BatchNorm")
        self.eps = _eps(eps, "BatchNorm")
        if not 0 <= as_float(momentum, "momentum", "BatchNorm") <= 1:
            raise ValueError(f"BatchNorm: momentum={momentum!r} must be from 0 to 1")
        self.momentum = momentum
        self.weight = Tensor(np.ones(num_features, np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(num_features, np.float32), requires_grad=True)
        self.running_mean = Tensor(np.zeros(num_features, np.float32))
        self.running_var = Tensor(np.ones(num_features, np.float32))

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        x = as_tensor(x)
        if x.ndim < 2 or x.shape[-1] != self.num_features:
            raise ValueError(
                f"BatchNorm(num_features={self.num_features}): got an input of shape {x.shape}, "
                f"which must be (N, ..., {self.num_features}): the last axis holds the channels"
            )
        if not self.training:
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, self.eps
            )
        count, mean, var = self._moments(x)
        self._follow(self.running_mean, mean.data)
        self._follow(self.running_var, var.data * (count / (count - 1)))
        return F.batch_norm(x, mean, var, self.weight, self.bias, self.eps)

    def _moments(self, x: Tensor) -> tuple[int, Tensor, Tensor]:
        """Of the batch: the values per channel, their mean and their variance."""
        axes = tuple(range(x.ndim - 1))
        count = math.prod(x.shape[:-1])
        self._refuse_without_variance(count, x.shape)
        return count, x.mean(axes), x.var(axes)

    def _refuse_without_variance(self, count: int, shape: tuple[int, ...]) -> None:
        if count < 2:
            raise ValueError(
                f"{type(self).__name__}: in training an input of shape {shape} has {count} value "
                "per channel, which has no variance; use a larger batch, or eval()"
            )

    def _follow(self, running: Tensor, batch: np.ndarray[Any, Any]) -> None:
        running.data[...] = (1 - self.momentum) * running.data + self.momentum * batch

    def extra_repr(self) -> str:
        """The number of channels."""
        return f"{self.num_features}"


class LayerNorm(Module):
    """Normalises every item over its last axes. (Ba et al., 2016)

    Args:
        normalized_shape: the sizes of the axes to normalise over, an int or several.
        eps: added to the variance.

    Attributes:
        weight, bias: of the normalized shape, learned.

    Raises:
        ValueError: a negative eps, or an input whose last axes have other sizes.

    >>> LayerNorm(2)(Tensor([[1.0, 3.0], [-20.0, 20.0]])).data.round(3).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]
    """

    def __init__(self, normalized_shape: int | tuple[int, ...], eps: float = 1e-5) -> None:
        sizes = (
            normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        )
        self.normalized_shape = tuple(
            integer(size, "normalized_shape", where="LayerNorm") for size in sizes
        )
        if not self.normalized_shape:
            raise ValueError("LayerNorm: normalized_shape=() must name at least one axis's size")
        self.eps = _eps(eps, "LayerNorm")
        self.weight = Tensor(np.ones(self.normalized_shape, np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(self.normalized_shape, np.float32), requires_grad=True)

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        x = as_tensor(x)
        axes = len(self.normalized_shape)
        if x.shape[-axes:] != self.normalized_shape:
            raise ValueError(
                f"LayerNorm({self.normalized_shape}): got an input of shape {x.shape}, whose last "
                f"axes must be {self.normalized_shape}"
            )
        return F.layer_norm(x, self.weight, self.bias, self.eps, axes)

    def extra_repr(self) -> str:
        """The sizes normalised over."""
        return f"{self.normalized_shape}"


def _eps(eps: float, where: str) -> float:
    if not as_float(eps, "eps", where) >= 0:
        raise ValueError(f"{where}: eps={eps!r} must not be negative")
    return eps
