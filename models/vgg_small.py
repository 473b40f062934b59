"""A small network in the manner of VGG (Simonyan and Zisserman, 2014) for 32x32 colour images."""

import numpy as np

from minigrad import nn


def vgg_small(rng: np.random.Generator | None = None) -> nn.Sequential:
    """106,538 parameters. (N, 32, 32, 3) -> (N, 10) logits.

    >>> sum(parameter.size for parameter in vgg_small().parameters())
    106538
    """
    return nn.Sequential(
        nn.Conv2D(3, 32, 3, rng=rng),  # (N, 32, 32, 3) -> (N, 32, 32, 32)
        nn.ReLU(),
        nn.Conv2D(32, 32, 3, rng=rng),
        nn.ReLU(),
        nn.MaxPool2D(2),  # -> (N, 16, 16, 32)
        nn.Conv2D(32, 64, 3, rng=rng),  # -> (N, 16, 16, 64)
        nn.ReLU(),
        nn.Conv2D(64, 64, 3, rng=rng),
        nn.ReLU(),
        nn.MaxPool2D(2),  # -> (N, 8, 8, 64)
        nn.Flatten(),  # -> (N, 4096)
        nn.Dense(4096, 10, rng=rng),
    )
