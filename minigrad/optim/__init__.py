"""Optimisers and learning-rate schedules, with PyTorch's formulas and argument names.

- `Optimizer`, `SGD`, `Adam`, `AdamW`, `RMSprop`: see `optimizers`.
- `clip_grad_norm`: see `clipping`.
- `StepLR`, `CosineAnnealingLR`, `OneCycleLR`, `ReduceLROnPlateau`: see `schedulers`.
"""

from .clipping import clip_grad_norm
from .optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .schedulers import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau, StepLR

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "StepLR",
    "clip_grad_norm",
]
