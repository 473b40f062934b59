"""Parameters and gradients that are the same on all ranks.

- `broadcast_parameters`: rank 0's parameters to all.
- `all_reduce_gradients`: the average of all ranks' gradients to all.
- `DistributedOptimizer`: an optimiser that averages before it steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import Array
from ..nn import Module
from ..optim import Optimizer
from ..optim.arguments import parameter_list
from ..optim.flat import by_dtype, parts_of
from ..tensor import Tensor
from .agreement import check_agreement
from .ranks import communicator
from .sums import sum_over_ranks


def broadcast_parameters(module: Module) -> None:
    """Give every rank the parameters and running statistics of rank 0. Written in place.

    Raises:
        TypeError: something other than a Module.
        ValueError: ranks whose modules have other names, shapes or dtypes.
    """
    where = "broadcast_parameters"
    if not isinstance(module, Module):
        raise TypeError(f"{where}: module must be a Module, got a {type(module).__name__}")
    state = module.state_dict()
    layout = {name: f"{array.dtype} {array.shape}" for name, array in state.items()}
    check_agreement(where, {"the names of the module's tensors": list(layout), **layout})
    comm = communicator()
    if comm is None:
        return
    for names in by_dtype({name: array.dtype for name, array in state.items()}):
        flat = np.concatenate([state[name].reshape(-1) for name in names])
        comm.Bcast(flat.view(np.uint8), root=0)
        shapes = [state[name].shape for name in names]
        state.update(zip(names, parts_of(flat, shapes), strict=True))
    module.load_state_dict(state)


def all_reduce_gradients(target: Module | Iterable[Tensor] | Array) -> None:
    """Replace gradients by their average over all ranks. In a plain process nothing changes.

    Every rank must call it. A parameter without gradient on every rank keeps None; where only some
    ranks have none, it counts as zeros there.

    Args:
        target: a Module, a sequence of parameters (their `grad` becomes a new Tensor), or an array
            of floats, such as flat gradients, which is overwritten.

    Raises:
        TypeError: a target of another kind, or an array of integers.
        ValueError: a gradient that has not its parameter's shape and dtype.
    """
    where = "all_reduce_gradients"
    if isinstance(target, np.ndarray):
        if target.dtype.kind != "f":
            raise TypeError(
                f"{where}: an average needs floats, got an array of {target.dtype}, shape "
                f"{target.shape}"
            )
        if communicator() is not None:
            target[...] = _average(target)
        return
    parameters = parameter_list(
        target.parameters() if isinstance(target, Module) else target, where
    )
    for position, parameter in enumerate(parameters):
        _check_gradient(parameter, f"{where}: params[{position}]")
    if communicator() is None:
        return
    for positions in by_dtype({i: tensor.dtype for i, tensor in enumerate(parameters)}):
        _average_gradients([parameters[position] for position in positions])


def _average_gradients(parameters: Sequence[Tensor]) -> None:
    """Of parameters of one dtype: one buffer, one sum."""
    dtype = parameters[0].dtype
    # At the end of the buffer, how many ranks have a gradient: one number per parameter.
    counts = np.array([parameter.grad is not None for parameter in parameters], dtype)
    gradients = [
        np.zeros(p.size, dtype) if p.grad is None else p.grad.data.reshape(-1) for p in parameters
    ]
    average = _average(np.concatenate([*gradients, counts]))
    shapes = [parameter.shape for parameter in parameters]
    *averages, counts = parts_of(average, [*shapes, counts.shape])
    for parameter, gradient, count in zip(parameters, averages, counts, strict=True):
        parameter.grad = Tensor(gradient) if count else None


def _average(array: Array) -> Array:
    comm = communicator()
    assert comm is not None
    total = sum_over_ranks(array)
    total /= comm.size
    return total


def _check_gradient(parameter: Tensor, label: str) -> None:
    gradient = parameter.grad
    if gradient is None:
        return
    if gradient.shape != parameter.shape or gradient.dtype != parameter.dtype:
        raise ValueError(
            f"{label} is {parameter.shape} {parameter.dtype}, but its grad is {gradient.shape} "
            f"{gradient.dtype}; they must be equal"
        )


class DistributedOptimizer(Optimizer):
    """An optimiser whose steps are those of all ranks: gradients are averaged first.

    Everything else is the optimiser's own: its parameters, its hyper-parameters, to read and to
    set, and its state, which one that is not distributed can load. Gradients that are to be
    changed after averaging (`clip_grad_norm`) take two steps: `all_reduce_gradients(params)` and
    then, behind the change, the step of the optimiser within.

    Args:
        optimizer: what makes the steps.

    Raises:
        TypeError: something other than an Optimizer.

    >>> from minigrad.optim import SGD
    >>> x = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = DistributedOptimizer(SGD([x], lr=0.25))
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.data.tolist(), optimizer.lr
    ([0.5, -1.0], 0.25)
    """

    optimizer: Optimizer

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                "DistributedOptimizer: optimizer must be a minigrad.optim.Optimizer, got a "
                f"{type(optimizer).__name__}"
            )
        vars(self)["optimizer"] = optimizer

    def step(self) -> None:
        """Average the gradients over all ranks, then move the parameters."""
        all_reduce_gradients(self.optimizer.params)
        self.optimizer.step()

    def zero_grad(self) -> None:
        """Forget the gradients: set every parameter's `grad` to None."""
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Array]:
        """The state of the optimiser within."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Give the optimiser within a state, of one that was distributed or was not."""
        self.optimizer.load_state_dict(state)

    # Declared by the base class, so `__getattr__` is not asked for them.
    lr = property(lambda self: self.optimizer.lr)
    weight_decay = property(lambda self: self.optimizer.weight_decay)

    def __getattr__(self, name: str) -> Any:
        if name == "optimizer":  # a copy that is being made has none yet
            raise AttributeError(name)
        return getattr(self.optimizer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.optimizer, name, value)
