"""Optimisers and learning-rate schedules, with PyTorch's formulas and argument names.

- `Optimizer`, `SGD`, `Adam`, `AdamW`, `RMSprop`: see `optimizers`.
- `clip_grad_norm`: see `clipping`.
- `StepLR`, `CosineAnnealingLR`, `OneCycleLR`, `ReduceLROnPlateau`, and their bases `Scheduler`
  and `ScheduleByStep`: see `schedulers`.
"""

from .clipping import clip_grad_norm
from .optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from .schedulers import (
    CosineAnnealingLR,
    OneCycleLR,
    ReduceLROnPlateau,
    ScheduleByStep,
    Scheduler,
    StepLR,
)

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineAnnealingLR",
    "OneCycleLR",
    "Optimizer",
    "RMSprop",
    "ReduceLROnPlateau",
    "ScheduleByStep",
    "Scheduler",
    "StepLR",
    "clip_grad_norm",
]
