"""A training step (forward, loss, backward, Adam) of small networks, against the peers installed.

    python -m tests.benchmarks.train_step
    python -m tests.benchmarks.train_step --nets lenet5 mlp128 --batches 64 --rounds 9 --json FILE

Peers are PyTorch in eager mode, in both of its memory formats and with its Adam as it is by
default, and JAX, the whole step compiled by `jit`. Each is written as its users write it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .nets import examples, jax_net, minigrad_net, torch_images, torch_net
from .peers import compare

LEARNING_RATE = 1e-3


def minigrad_step(net: str, batch: int) -> Callable[[], Any]:
    """A training step in minigrad."""
    import minigrad as mg
    from minigrad import functional as F
    from minigrad import optim

    model = minigrad_net(net)
    optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)
    x, y = map(mg.Tensor, examples(net, batch))

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def torch_step(net: str, batch: int, channels_last: bool) -> Callable[[], Any]:
    """The same in PyTorch."""
    import torch
    from torch.nn.functional import cross_entropy

    model = torch_net(net)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    images, labels = examples(net, batch)
    x, y = torch_images(images, channels_last), torch.from_numpy(labels)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


def jax_step(net: str, batch: int) -> Callable[[], Any]:
    """The same in JAX: a function from one state to the next, whose memory it may reuse."""
    import jax
    from jax import numpy as jnp

    parameters, apply = jax_net(net)
    images, labels = examples(net, batch)
    x, y = jnp.asarray(images), jnp.asarray(labels)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        log_probabilities = jax.nn.log_softmax(apply(parameters, x))
        return -jnp.take_along_axis(log_probabilities, y[:, None], axis=1).mean()

    def adam(state: Any, gradients: Any) -> Any:
        parameters, means, squares, count = state
        count = count + 1
        tree_map = jax.tree_util.tree_map
        means = tree_map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
        squares = tree_map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)

        def moved(p: Any, m: Any, v: Any) -> Any:
            mean, square = m / (1 - 0.9**count), v / (1 - 0.999**count)
            return p - LEARNING_RATE * mean / (jnp.sqrt(square) + 1e-8)

        parameters = tree_map(moved, parameters, means, squares)
        return parameters, means, squares, count

    def update(state: Any, x: Any, y: Any) -> Any:
        value, gradients = jax.value_and_grad(loss)(state[0], x, y)
        return adam(state, gradients), value

    compiled = jax.jit(update, donate_argnums=0)

    def zeros() -> Any:
        return jax.tree_util.tree_map(jnp.zeros_like, parameters)

    state = (parameters, zeros(), zeros(), jnp.zeros(()))

    def step() -> None:
        nonlocal state
        state, value = compiled(state, x, y)
        jax.block_until_ready((state, value))

    return step


JOBS = {
    "minigrad": (minigrad_step,),
    "PyTorch": (torch_step, False),
    "PyTorch, channels last": (torch_step, True),
    "JAX": (jax_step,),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison and print its table."""
    compare("train_step", __doc__, JOBS, arguments)


if __name__ == "__main__":
    main()
