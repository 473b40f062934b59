"""How much the gradient check sees: planted mistakes against `mg.gradcheck`.

    python -m examples.kill_score

- `catalogue`: what a planted mistake is
- `elementwise reductions movement products convolution pooling normalisation losses second_order`:
  the mistakes, each a few lines to read
- `correct`: cases of everything in the library, which must not be called wrong
- `MISTAKES`: all mistakes, in that order
"""

from . import (
    convolution,
    elementwise,
    losses,
    movement,
    normalisation,
    pooling,
    products,
    reductions,
    second_order,
)
from .catalogue import Mistake

MISTAKES: list[Mistake] = [
    mistake
    for module in (
        elementwise,
        reductions,
        movement,
        products,
        convolution,
        pooling,
        normalisation,
        losses,
        second_order,
    )
    for mistake in module.GROUP.mistakes
]
