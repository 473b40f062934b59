"""second_derivative: a rule that can itself be differentiated.

Working out the gradient of every gradient by hand (the exercise before this one) has no end. The
library's way out: a rule is written with operators on Tensors. Then running the rule is recorded,
as everything on Tensors is, and the engine can differentiate it: twice, three times, as often as
you like.

Write the rule of logsumexp along the last axis,

    out = log(sum over k of exp(x[..., k]))

whose derivative with respect to x is softmax(x). Beside `g`, the rule is given `out` and `x`, and
softmax(x) is exp(x - out). Everything is a Tensor: use what tensors can do (`-`, `*`, `.exp()`,
`.expand_dims(axis)`, `.sum(axis)`, ...), and keep away from NumPy and from `.data`, which break the
record: the first derivative would be right, and the second one wrong.

With these two functions the checker makes an operator, as you could:

    operator = mg.primitive(logsumexp)
    operator.defvjps(logsumexp_rule)

To read:  `primitive` in minigrad/engine.py, and "Adding an operator" in CONTRIBUTING.md
Check:    python -m examples.exercises check second_derivative
"""

import numpy as np

import minigrad as mg


def logsumexp(x: np.ndarray) -> np.ndarray:
    """(..., K) -> (...), on arrays, as the forward of every operator is. (Given.)"""
    largest = x.max(axis=-1, keepdims=True)
    return np.log(np.exp(x - largest).sum(axis=-1)) + largest[..., 0]


def logsumexp_rule(g: mg.Tensor, out: mg.Tensor, x: mg.Tensor) -> mg.Tensor:
    """The gradient with respect to x.

    g, out: (...)
    x: (..., K)
    returns: a Tensor of shape (..., K)
    """
    raise NotImplementedError
