"""A convolutional network of under 10,000 parameters, most of them in its last layer."""

import numpy as np

from minigrad import nn


def tiny_cnn(rng: np.random.Generator | None = None) -> nn.Sequential:
    """9,098 parameters. (N, 28, 28, 1) -> (N, 10) logits.

    >>> sum(parameter.size for parameter in tiny_cnn().parameters())
    9098
    """
    return nn.Sequential(
        nn.Conv2D(1, 8, 3, rng=rng),  # (N, 28, 28, 1) -> (N, 28, 28, 8)
        nn.ReLU(),
        nn.MaxPool2D(2),  # -> (N, 14, 14, 8)
        nn.Conv2D(8, 16, 3, rng=rng),  # -> (N, 14, 14, 16)
        nn.ReLU(),
        nn.MaxPool2D(2),  # -> (N, 7, 7, 16)
        nn.Flatten(),  # -> (N, 784)
        nn.Dense(784, 10, rng=rng),
    )
