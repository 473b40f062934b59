"""Checking gradients: `gradcheck`, `gradgradcheck`, and what they answer.

- `report`: `GradcheckReport`, one `InputReport` per input, `Diagnosis`, and `GradcheckError`
- `checker`: the two functions; runs and differentiates what is checked
- `subject`: functions, modules and gradients, all seen as functions of arrays
- `differences`: finite differences
- `judging`: right, wrong, or why nothing can be said
- `evidence`, `diagnosis`: from a wrong gradient to the mistake behind it; the hypotheses are in
  `whole_gradient`, `parts_of_gradient` and `dependencies`, what they share in `patterns`
- `NAMES`: every name that a diagnosis can have, with what it means
"""

from .checker import gradcheck, gradgradcheck
from .diagnosis import NAMES
from .report import Diagnosis, GradcheckError, GradcheckReport, InputReport

__all__ = [
    "NAMES",
    "Diagnosis",
    "GradcheckError",
    "GradcheckReport",
    "InputReport",
    "gradcheck",
    "gradgradcheck",
]
