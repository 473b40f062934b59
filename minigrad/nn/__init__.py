"""Layers: objects that own parameters and turn tensors into tensors.

- `module`: `Module`, the base of everything, and `Sequential`, a chain of layers.
- `layers`: `Dense`, `Conv2D`, pooling, `Flatten`, `Reshape`, `Dropout`.
- `normalisation`: `BatchNorm`, `LayerNorm`.
- `activations`: `ReLU` and the others, for use in a `Sequential`.

What a layer computes is in `minigrad.functional`; a layer adds the parameters and checks the input.
"""

from .activations import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .layers import (
    AvgPool2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    Reshape,
)
from .module import Module, Sequential
from .normalisation import BatchNorm, LayerNorm

__all__ = [
    "ELU",
    "GELU",
    "AvgPool2D",
    "BatchNorm",
    "Conv2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "LayerNorm",
    "LeakyReLU",
    "MaxPool2D",
    "Module",
    "ReLU",
    "Reshape",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]
