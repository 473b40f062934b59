"""minigrad: a small deep-learning framework on NumPy, in which a convolution is a dense layer."""

from . import functional, init, nn, optim, random
from .engine import grad, is_recording, no_grad, primitive
from .operators.linear import matmul
from .random import manual_seed
from .tensor import Tensor, concatenate, maximum, minimum, stack, tensor, where

__all__ = [
    "Tensor",
    "concatenate",
    "functional",
    "grad",
    "init",
    "is_recording",
    "manual_seed",
    "matmul",
    "maximum",
    "minimum",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "random",
    "stack",
    "tensor",
    "where",
]
