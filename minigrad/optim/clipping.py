"""Clipping: keeping one large gradient from throwing the parameters far off.

- `clip_grad_norm`: scale gradients down until their common norm is at most a given one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ..arguments import as_float
from ..tensor import Tensor
from .arguments import parameter_list


def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> float:
    """Scale the gradients of `params` so that their common norm is at most `max_norm`.

    The norm is that of all gradients laid end to end, sqrt(sum of squares), as it was before; it is
    returned. Where it exceeds `max_norm`, every `grad` is replaced by a new Tensor, the gradient
    times max_norm / (norm + 1e-6) (PyTorch's `clip_grad_norm_`, which scales in place: a gradient
    that two parameters share would be scaled twice). Parameters without a gradient are skipped. A
    norm that is not finite cannot be put right by scaling: it is returned, and the gradients stay.

    Raises TypeError or ValueError where `params` are not Tensors, each given once, or `max_norm` is
    not above 0.

    Example:
        >>> from minigrad import Tensor
        >>> x = Tensor([3.0, 4.0], requires_grad=True)
        >>> (x * x / 2).sum().backward()                # the gradient is x itself, of norm 5
        >>> clip_grad_norm([x], max_norm=1.0)
        5.0
        >>> x.grad.data.round(3)
        array([0.6, 0.8], dtype=float32)
    """
    tensors = parameter_list(params, "clip_grad_norm")
    limit = as_float(max_norm, "max_norm", "clip_grad_norm")
    if not limit > 0.0:
        raise ValueError(f"clip_grad_norm: max_norm must be above 0, got {limit:g}")
    gradients = [(tensor, tensor.grad) for tensor in tensors if tensor.grad is not None]
    # Squares in float64: those of float32 numbers above 2e19 would not fit float32.
    norm = math.sqrt(
        sum(float(np.square(gradient.data, dtype=np.float64).sum()) for _, gradient in gradients)
    )
    scale = limit / (norm + 1e-6)
    if math.isfinite(norm) and scale < 1.0:
        for tensor, gradient in gradients:
            tensor.grad = Tensor(gradient.data * scale)
    return norm
