"""What small networks take to answer: the latency of one image, the throughput of batches.

    python -m tests.benchmarks.inference
    python -m tests.benchmarks.inference --nets lenet5 --batches 1 256 --rounds 9 --json FILE

At batch 1 the milliseconds are the latency. Nothing is recorded. Peers are PyTorch in eager mode
and inference mode, in both of its memory formats, and JAX, compiled by `jit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .nets import examples, jax_net, minigrad_net, torch_images, torch_net
from .peers import compare


def minigrad_answer(net: str, batch: int) -> Callable[[], Any]:
    """The logits of a batch in minigrad."""
    import minigrad as mg

    model = minigrad_net(net).eval()
    x = mg.Tensor(examples(net, batch)[0])

    def answer() -> Any:
        with mg.no_grad():
            return model(x)

    return answer


def torch_answer(net: str, batch: int, channels_last: bool) -> Callable[[], Any]:
    """The same in PyTorch."""
    import torch

    model = torch_net(net).eval()
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    x = torch_images(examples(net, batch)[0], channels_last)

    def answer() -> Any:
        with torch.inference_mode():
            return model(x)

    return answer


def jax_answer(net: str, batch: int) -> Callable[[], Any]:
    """The same in JAX."""
    import jax

    parameters, apply = jax_net(net)
    compiled = jax.jit(apply)
    x = jax.numpy.asarray(examples(net, batch)[0])
    return lambda: compiled(parameters, x).block_until_ready()


JOBS = {
    "minigrad": (minigrad_answer,),
    "PyTorch": (torch_answer, False),
    "PyTorch, channels last": (torch_answer, True),
    "JAX": (jax_answer,),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the comparison and print its table."""
    compare("inference", __doc__, JOBS, arguments)


if __name__ == "__main__":
    main()
