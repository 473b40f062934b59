"""minigrad: a small deep-learning framework on NumPy, in which a convolution is a dense layer."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import allocator, functional, init, nn, optim, random
from .engine import grad, is_recording, no_grad, primitive
from .operators.einsum import einsum
from .operators.linear import matmul
from .random import manual_seed
from .switches import fast_paths
from .tensor import Tensor, concatenate, maximum, minimum, stack, tensor, where

if TYPE_CHECKING:
    from . import article, data, distributed, equivalence, train, viz
    from .anomaly import detect_anomaly
    from .checks import gradcheck, gradgradcheck
    from .derivatives import hvp, jacobian
    from .serialization import load, save
    from .summaries import summary

allocator.keep_freed_memory()

# What a training step does without is imported when it is first asked for, which keeps
# `import minigrad` short: name -> the module that has it, or that it is.
_ON_DEMAND = {
    "article": "article",
    "checks": "checks",
    "data": "data",
    "detect_anomaly": "anomaly",
    "distributed": "distributed",
    "equivalence": "equivalence",
    "gradcheck": "checks",
    "gradgradcheck": "checks",
    "hvp": "derivatives",
    "jacobian": "derivatives",
    "load": "serialization",
    "save": "serialization",
    "serialization": "serialization",
    "summary": "summaries",
    "train": "train",
    "viz": "viz",
}

if not TYPE_CHECKING:  # a type checker would take it to mean that every name exists

    def __getattr__(name: str) -> Any:
        if name not in _ON_DEMAND:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = _ON_DEMAND[name]
        module = import_module(f"{__name__}.{home}")
        globals()[name] = value = module if name == home else getattr(module, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_ON_DEMAND})


__all__ = [
    "Tensor",
    "article",
    "concatenate",
    "data",
    "detect_anomaly",
    "distributed",
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
