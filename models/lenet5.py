"""LeNet-5 (LeCun et al., 1998) with today's parts: relu, max-pooling, a softmax loss."""

import numpy as np

from minigrad import nn


def lenet5(rng: np.random.Generator | None = None) -> nn.Sequential:
    """61,706 parameters. (N, 28, 28, 1) -> (N, 10) logits.

    >>> sum(parameter.size for parameter in lenet5().parameters())
    61706
    """
    return nn.Sequential(
        nn.Conv2D(1, 6, 5, rng=rng),  # (N, 28, 28, 1) -> (N, 28, 28, 6)
        nn.ReLU(),
        nn.MaxPool2D(2),  # -> (N, 14, 14, 6)
        nn.Conv2D(6, 16, 5, padding="VALID", rng=rng),  # -> (N, 10, 10, 16)
        nn.ReLU(),
        nn.MaxPool2D(2),  # -> (N, 5, 5, 16)
        nn.Flatten(),  # -> (N, 400)
        nn.Dense(400, 120, rng=rng),
        nn.ReLU(),
        nn.Dense(120, 84, rng=rng),
        nn.ReLU(),
        nn.Dense(84, 10, rng=rng),
    )
