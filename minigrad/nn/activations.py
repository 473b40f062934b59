"""Activation functions as layers, for use in a `Sequential`; the formulas are in `functional`."""

from __future__ import annotations

from typing import Any

from .. import functional as F
from ..tensor import Tensor
from .module import Module


class ReLU(Module):
    """max(x, 0)"""

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.relu(x)


class LeakyReLU(Module):
    """x where it is positive, negative_slope * x elsewhere"""

    def __init__(self, negative_slope: float = 0.01) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        """The slope."""
        return f"{self.negative_slope}"


class ELU(Module):
    """x where it is positive, alpha * (exp(x) - 1) elsewhere"""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.elu(x, self.alpha)

    def extra_repr(self) -> str:
        """Alpha."""
        return f"{self.alpha}"


class GELU(Module):
    """x times the normal distribution function at x, in its tanh form"""

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.gelu(x)


class SiLU(Module):
    """x * sigmoid(x)"""

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.silu(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))"""

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent"""

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.tanh(x)


class Softmax(Module):
    """exp(x) / sum(exp(x)) along an axis"""

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, x: Any) -> Tensor:
        """The shape stays."""
        return F.softmax(x, self.axis)

    def extra_repr(self) -> str:
        """The axis."""
        return f"axis={self.axis}"
