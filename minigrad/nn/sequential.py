"""`Sequential`, a chain of layers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..switches import fast_paths_enabled
from .activations import ReLU
from .layers import MaxPool2D
from .module import Module


class Sequential(Module):
    """Layers applied one after the other.

    With fast paths on, a `ReLU` and the `MaxPool2D` behind it change places where nobody can see
    it: the numbers and their gradients stay the same.

    >>> from minigrad import nn
    >>> nn.Sequential(nn.Dense(3, 5), nn.ReLU(), nn.Dense(5, 2))
    Sequential(
      (layers.0): Dense(3, 5)
      (layers.1): ReLU()
      (layers.2): Dense(5, 2)
    )
    """

    def __init__(self, *layers: Module) -> None:
        for index, layer in enumerate(layers):
            if isinstance(layer, type):
                raise TypeError(
                    f"Sequential: layer {index} is the class {layer.__name__}, not a layer made of "
                    f"it: {layer.__name__}(...)"
                )
            if not isinstance(layer, Module):
                raise TypeError(
                    f"Sequential: layer {index} is a {type(layer).__name__}, not a Module; give "
                    "the layers as separate arguments, and functions as layers: nn.ReLU()"
                )
        self.layers = list(layers)

    def forward(self, x: Any) -> Any:
        """x through every layer in turn."""
        for layer in _pool_before_relu(self.layers) if fast_paths_enabled() else self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.layers)

    def __getitem__(self, index: Any) -> Any:
        """One layer, or for a slice a Sequential of those (sharing the parameters)."""
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]


def _pool_before_relu(layers: Sequence[Module]) -> list[Module]:
    """The layers, with every ReLU behind the max-pooling that follows it: relu then has less to do.

    The largest of several numbers is the same cell before relu and after, unless all become 0, and
    then none of them has a gradient. So nothing changes, but for the gradients of windows with nan.
    """
    order = list(layers)
    for i in range(len(order) - 1):
        relu, pool = order[i], order[i + 1]
        # Of these classes and no others, which may compute anything.
        if type(relu) is ReLU and type(pool) is MaxPool2D and _is_plain(relu) and _is_plain(pool):
            order[i], order[i + 1] = pool, relu
    return order


def _is_plain(layer: Module) -> bool:
    """Whether nobody watches a layer or has changed it."""
    return not (layer._hooks or layer._pre_hooks or "forward" in vars(layer))
