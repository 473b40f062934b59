"""minigrad: a small deep-learning framework on NumPy, in which a convolution is a dense layer."""

from . import allocator, data, functional, init, nn, optim, random, train, viz
from .engine import grad, is_recording, no_grad, primitive
from .operators.linear import matmul
from .random import manual_seed
from .serialization import load, save
from .tensor import Tensor, concatenate, maximum, minimum, stack, tensor, where

allocator.keep_freed_memory()

__all__ = [
    "Tensor",
    "concatenate",
    "data",
    "functional",
    "grad",
    "init",
    "is_recording",
    "load",
    "manual_seed",
    "matmul",
    "maximum",
    "minimum",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "random",
    "save",
    "stack",
    "tensor",
    "train",
    "viz",
    "where",
]
