"""minigrad: a small deep-learning framework on NumPy, in which a convolution is a dense layer."""

from . import allocator, article, data, equivalence, functional, init, nn, optim, random, train, viz
from .anomaly import detect_anomaly
from .checks import gradcheck, gradgradcheck
from .derivatives import hvp, jacobian
from .engine import grad, is_recording, no_grad, primitive
from .operators.einsum import einsum
from .operators.linear import matmul
from .random import manual_seed
from .serialization import load, save
from .summary import summary
from .switches import fast_paths
from .tensor import Tensor, concatenate, maximum, minimum, stack, tensor, where

allocator.keep_freed_memory()

__all__ = [
    "Tensor",
    "article",
    "concatenate",
    "data",
    "detect_anomaly",
    "einsum",
    "equivalence",
    "fast_paths",
    "functional",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hvp",
    "init",
    "is_recording",
    "jacobian",
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
    "summary",
    "tensor",
    "train",
    "viz",
    "where",
]
