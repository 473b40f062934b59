"""The networks that are measured: those people learn with, as data, and built in every framework.

relu comes before the pool in all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

# Net -> (height, width, channels) of its images and its layers, each of which is one of
# ("conv", in, out, kernel size, padding), ("dense", in, out), "relu", "pool", "flatten".
NETS: dict[str, tuple[tuple[int, int, int], list[Any]]] = {
    "tiny8-16": (
        (28, 28, 1),
        [
            *(("conv", 1, 8, 3, "SAME"), "relu", "pool"),
            *(("conv", 8, 16, 3, "SAME"), "relu", "pool"),
            *("flatten", ("dense", 784, 10)),
        ],
    ),
    "lenet5": (
        (28, 28, 1),
        [
            *(("conv", 1, 6, 5, "SAME"), "relu", "pool"),
            *(("conv", 6, 16, 5, "VALID"), "relu", "pool"),
            *("flatten", ("dense", 400, 120), "relu"),
            *(("dense", 120, 84), "relu", ("dense", 84, 10)),
        ],
    ),
    "keras32-64": (
        (28, 28, 1),
        [
            *(("conv", 1, 32, 3, "VALID"), "relu", "pool"),
            *(("conv", 32, 64, 3, "VALID"), "relu", "pool"),
            *("flatten", ("dense", 1600, 10)),
        ],
    ),
    "mlp128": ((28, 28, 1), ["flatten", ("dense", 784, 128), "relu", ("dense", 128, 10)]),
    "vgg32": (
        (32, 32, 3),
        [
            *(("conv", 3, 32, 3, "SAME"), "relu", ("conv", 32, 32, 3, "SAME"), "relu", "pool"),
            *(("conv", 32, 64, 3, "SAME"), "relu", ("conv", 64, 64, 3, "SAME"), "relu", "pool"),
            *("flatten", ("dense", 4096, 10)),
        ],
    ),
}
BATCHES = (1, 32, 64, 128)


def examples(net: str, batch: int) -> tuple[Any, Any]:
    """Random images (N, H, W, C), float32 in [0, 1), and labels (N,), int64 from 0 to 9."""
    rng = np.random.default_rng(0)
    images = rng.random((batch, *NETS[net][0]), dtype=np.float32)
    return images, rng.integers(0, 10, batch)


def minigrad_net(net: str) -> Any:
    """A `Sequential`."""
    from minigrad import nn

    def layer(spec: Any) -> nn.Module:
        match spec:
            case "conv", inputs, outputs, kernel, padding:
                return nn.Conv2D(inputs, outputs, kernel, padding=padding)
            case "dense", inputs, outputs:
                return nn.Dense(inputs, outputs)
            case "relu":
                return nn.ReLU()
            case "pool":
                return nn.MaxPool2D(2)
            case "flatten":
                return nn.Flatten()
        raise ValueError(f"unknown layer {spec}")

    return nn.Sequential(*map(layer, NETS[net][1]))


def torch_net(net: str) -> Any:
    """An `nn.Sequential`. It takes images as (N, C, H, W)."""
    from torch import nn

    def layer(spec: Any) -> nn.Module:
        match spec:
            case "conv", inputs, outputs, kernel, padding:
                # A number, which takes PyTorch less time than the word "same".
                around = kernel // 2 if padding == "SAME" else 0
                return nn.Conv2d(inputs, outputs, kernel, padding=around)
            case "dense", inputs, outputs:
                return nn.Linear(inputs, outputs)
            case "relu":
                return nn.ReLU()
            case "pool":
                return nn.MaxPool2d(2)
            case "flatten":
                return nn.Flatten()
        raise ValueError(f"unknown layer {spec}")

    return nn.Sequential(*map(layer, NETS[net][1]))


def torch_images(images: Any, channels_last: bool) -> Any:
    """(N, H, W, C) -> a tensor (N, C, H, W), in one of PyTorch's two orders in memory."""
    import torch

    order = torch.channels_last if channels_last else torch.contiguous_format
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(memory_format=order)


def jax_net(net: str) -> tuple[list[Any], Callable[[list[Any], Any], Any]]:
    """Parameters, a list with (weights, bias) or () per layer, and `apply(parameters, images)`."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    layers = NETS[net][1]
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> tuple[Any, Any]:
        scale = np.prod(shape[:-1]) ** -0.5
        drawn = rng.uniform(-scale, scale, shape).astype(np.float32)
        return jnp.asarray(drawn), jnp.zeros(shape[-1])

    def initial(spec: Any) -> tuple[Any, ...]:
        match spec:
            case "conv", inputs, outputs, kernel, _:
                return weights(kernel, kernel, inputs, outputs)
            case "dense", inputs, outputs:
                return weights(inputs, outputs)
        return ()

    def apply(parameters: list[Any], x: Any) -> Any:
        for spec, of_layer in zip(layers, parameters, strict=True):
            match spec:
                case "conv", *_, padding:
                    kernel, bias = of_layer
                    order = ("NHWC", "HWIO", "NHWC")
                    x = lax.conv_general_dilated(
                        x, kernel, (1, 1), padding, dimension_numbers=order
                    )
                    x = x + bias
                case "dense", *_:
                    matrix, bias = of_layer
                    x = x @ matrix + bias
                case "relu":
                    x = jax.nn.relu(x)
                case "pool":
                    window = (1, 2, 2, 1)
                    x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
                case "flatten":
                    x = x.reshape(len(x), -1)
        return x

    return [initial(spec) for spec in layers], apply
