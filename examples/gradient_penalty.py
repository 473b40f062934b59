"""A network that is trained through its own gradient: the critic of a Wasserstein GAN.

    python -m examples.gradient_penalty
    python -m examples.gradient_penalty --penalty 0      # what happens without

How far is it from one cloud of points to another? By Kantorovich and Rubinstein the answer, the
Wasserstein distance, is the largest difference in mean height, one cloud against the other, of any
landscape that is nowhere steeper than 1. Here a network is the landscape. Its slope is held at 1 by
a penalty on its gradient, as Gulrajani et al. do (2017, https://arxiv.org/abs/1704.00028), and the
penalty's own gradient is a second derivative of the network:

    slope = mg.grad(critic(points).sum(), points, create_graph=True)

One cloud is the other one moved by (3, 4), so the distance is known to be 5. A penalty of weight w
gives way a little: 5 s - w (s - 1)^2 is largest at the slope s = 1 + 5 / (2 w), 1.025 for w = 100.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import nn, optim

SHIFT = np.array([3.0, 4.0], np.float32)
DISTANCE = float(np.linalg.norm(SHIFT))

Array = np.ndarray[Any, Any]


def cloud(rng: np.random.Generator, count: int) -> Array:
    """Points on a noisy ring, (count, 2)."""
    angle = rng.uniform(0, 2 * np.pi, count)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (ring + 0.1 * rng.standard_normal((count, 2))).astype(np.float32)


def make_critic(rng: np.random.Generator) -> nn.Sequential:
    """The landscape: points (N, 2) -> heights (N, 1). Smooth, for its slope is differentiated."""
    return nn.Sequential(
        nn.Dense(2, 32, rng=rng),
        nn.Tanh(),
        nn.Dense(32, 32, rng=rng),
        nn.Tanh(),
        nn.Dense(32, 1, rng=rng),
    )


def steepness(critic: nn.Module, points: Array, create_graph: bool = False) -> mg.Tensor:
    """The length of the critic's gradient at every point: (N, 2) -> (N,)."""
    leaf = mg.Tensor(points, requires_grad=True)
    # The sum's gradient with respect to a point is that of the point's own height.
    slope = mg.grad(critic(leaf).sum(), leaf, create_graph=create_graph)
    return (slope.square().sum(axis=1) + 1e-12).sqrt()


def rise(critic: nn.Module, there: Array, here: Array) -> mg.Tensor:
    """By how much the landscape is higher at one cloud than at the other, on average."""
    return critic(mg.Tensor(there)).mean() - critic(mg.Tensor(here)).mean()


def train(critic: nn.Module, rng: np.random.Generator, steps: int, penalty: float) -> None:
    """Raise the landscape's difference, and keep its slope at 1 between the clouds."""
    optimizer = optim.Adam(critic.parameters(), lr=3e-3)
    for _ in range(steps):
        here, there = cloud(rng, 64), cloud(rng, 64) + SHIFT
        # Where the slope is held: at random places on the way from here to there.
        way = rng.uniform(size=(64, 1)).astype(np.float32)
        excess = steepness(critic, way * here + (1 - way) * there, create_graph=True) - 1.0
        loss = penalty * excess.square().mean() - rise(critic, there, here)
        critic.zero_grad()
        loss.backward()
        optimizer.step()


def report(name: str, critic: nn.Module, rng: np.random.Generator) -> None:
    """One line: the slope between the clouds, and the distance it makes of them."""
    here, there = cloud(rng, 1000), cloud(rng, 1000) + SHIFT
    way = rng.uniform(size=(1000, 1)).astype(np.float32)
    slopes = steepness(critic, way * here + (1 - way) * there).numpy()
    distance = rise(critic, there, here).item()
    print(f"{name:16}  slope {slopes.mean():6.2f} +- {slopes.std():5.2f}  distance {distance:7.2f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.gradient_penalty",
        description="Train a Wasserstein critic with a gradient penalty.",
    )
    parser.add_argument("--steps", type=int, default=400, help="of training (400)")
    parser.add_argument("--penalty", type=float, default=100.0, help="its weight (100)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.steps < 1 or options.penalty < 0:
        parser.error("--steps must be at least 1, and --penalty at least 0")
    rng = np.random.default_rng(options.seed)
    critic = make_critic(rng)
    report("before", critic, rng)
    train(critic, rng, options.steps, options.penalty)
    report(f"after {options.steps} steps", critic, rng)
    print(f"{'in truth':16}  slope   1.00            distance {DISTANCE:7.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
