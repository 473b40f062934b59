"""Layers: objects that own parameters and turn tensors into tensors.

- `module`: `Module`, the base of everything.
- `layers`: `Dense`, pooling, `Flatten`, `Reshape`, `Dropout`.
- `convolution`: `Conv2D`, `Conv1D`, `ConvTranspose2D`.
- `locally_connected`: `LocallyConnected2D`, a convolution with another kernel at every position.
- `normalisation`: `BatchNorm`, `LayerNorm`.
- `activations`: `ReLU` and the others, for use in a `Sequential`.
- `sequential`: `Sequential`, a chain of layers.

What a layer computes is in `minigrad.functional`; a layer adds the parameters and checks the input.
"""

from .activations import ELU, GELU, LeakyReLU, ReLU, Sigmoid, SiLU, Softmax, Tanh
from .convolution import Conv1D, Conv2D, ConvTranspose2D
from .layers import (
    AvgPool2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    MaxPool2D,
    Reshape,
)
from .locally_connected import LocallyConnected2D
from .module import Module
from .normalisation import BatchNorm, LayerNorm
from .sequential import Sequential

__all__ = [
    "ELU",
    "GELU",
    "AvgPool2D",
    "BatchNorm",
    "Conv1D",
    "Conv2D",
    "ConvTranspose2D",
    "Dense",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "LayerNorm",
    "LeakyReLU",
    "LocallyConnected2D",
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
