"""A multi-layer perceptron: images, to a network that does not know they are images."""

import numpy as np

from minigrad import nn


def mlp(rng: np.random.Generator | None = None) -> nn.Sequential:
    """101,770 parameters. (N, 28, 28, 1) -> (N, 10) logits.

    >>> sum(parameter.size for parameter in mlp().parameters())
    101770
    """
    return nn.Sequential(
        nn.Flatten(),  # (N, 28, 28, 1) -> (N, 784)
        nn.Dense(784, 128, rng=rng),
        nn.ReLU(),
        nn.Dense(128, 10, rng=rng),
    )
