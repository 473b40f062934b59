"""Optimisers: how gradients move parameters.

- `Optimizer`: what they share: `step`, `zero_grad`, `state_dict`, `load_state_dict`, `params`.
- `SGD`: steepest descent, with momentum (plain or Nesterov's) and weight decay.
- `Adam`: steps scaled by running averages of the gradient and of its square.
- `AdamW`: Adam with the weight decay kept out of the averages.
- `RMSprop`: steps scaled by a running average of the squared gradient.

Formulas and argument names are PyTorch's (https://docs.pytorch.org/docs/stable/optim.html). In the
formulas p is a parameter, g its gradient and t the number of steps it has made, this one included;
averages start at 0. A parameter without a gradient is left alone, and so are its averages and t.

Hyper-parameters are attributes and may be changed between steps: `optimizer.lr = 0.01`.

Example:
    >>> from minigrad import Tensor
    >>> from minigrad.optim import SGD
    >>> x = Tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SGD([x], lr=0.25)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     (x * x).sum().backward()        # gradient 2x: every step halves x
    ...     optimizer.step()
    >>> x.data.tolist()
    [0.125, -0.25]
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from ..engine import Array
from ..tensor import Tensor
from .arguments import Number, Switch, check_state, checked_attributes, parameter_list
from .flat import FlatGroup, Run, by_dtype


class Optimizer:
    """What optimisers share. `params` are leaf Tensors that require grad, none of them twice.

    A subclass names its arrays per parameter in `averages`, declares its hyper-parameters as
    checked attributes, and works out its step in `_update`.
    """

    averages: ClassVar[tuple[str, ...]] = ()

    lr = Number()
    weight_decay = Number()

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        name = type(self).__name__
        self.params = parameter_list(params, name)
        for position, tensor in enumerate(self.params):
            _check_trainable(tensor, f"{name}: params[{position}], shape {tensor.shape},")
        self.lr = lr
        self.weight_decay = weight_decay
        # In `params`, of every group's members.
        self._positions = by_dtype({i: tensor.dtype for i, tensor in enumerate(self.params)})
        self._groups = [
            FlatGroup(
                [self.params[position] for position in positions],
                [f"params[{position}]" for position in positions],
                self.averages,
            )
            for positions in self._positions
        ]

    def step(self) -> None:
        """Move every parameter that has a gradient, in place.

        Raises ValueError or TypeError, and moves nothing, where a gradient has not its parameter's
        shape and dtype, or a parameter has changed its own.
        """
        caller = f"{type(self).__name__}.step"
        with_values = self.weight_decay != 0.0
        gathered = [(group, group.gather(caller, with_values)) for group in self._groups]
        for group, runs in gathered:
            for run in runs:
                self._update(run)
                group.apply(run)

    def _update(self, run: Run) -> None:
        """Change `run.averages` in place, and leave in `run.update` what p loses."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget the gradients: set every parameter's `grad` to None."""
        for parameter in self.params:
            parameter.grad = None

    def state_dict(self) -> dict[str, Array]:
        """Everything `step` depends on besides the parameters, as copies: name -> NumPy array.

        Under "Adam.lr" and so on the hyper-parameters (zero-dimensional float64 or bool), under
        "Adam.step" how many steps each parameter has made (int64, one per parameter), and under
        "Adam.exp_avg.0" and so on the averages, in the shape and dtype of their parameters, which
        are numbered in the order in which they were given.
        """
        kind = type(self).__name__
        state = {
            f"{kind}.{name}": np.array(getattr(self, name))
            for name in checked_attributes(type(self))
        }
        steps = np.zeros(len(self.params), np.int64)
        for group, positions in zip(self._groups, self._positions, strict=True):
            steps[positions] = group.steps
            for name, arrays in group.averages_of.items():
                for position, array in zip(positions, arrays, strict=True):
                    state[f"{kind}.{name}.{position}"] = array.copy()
        state[f"{kind}.step"] = steps
        return state

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Go on where `state_dict` was called, on an optimiser of as many parameters like those.

        Hyper-parameters, `lr` among them, become the saved ones. Raises TypeError or ValueError,
        and changes nothing, where a name, a shape, a dtype or a hyper-parameter does not fit.
        """
        kind = type(self).__name__
        caller = f"{kind}.load_state_dict"
        check_state(state, caller)
        loaded = {name: np.asarray(value) for name, value in state.items()}
        _check_same_layout(loaded, self.state_dict(), caller)
        numbers = {
            name: attribute.checked(loaded[f"{kind}.{name}"].item(), caller)
            for name, attribute in checked_attributes(type(self)).items()
        }
        steps = loaded[f"{kind}.step"]
        if (steps < 0).any():
            raise ValueError(f"{caller}: {kind}.step must not be negative, got {steps.tolist()}")

        for name, number in numbers.items():
            setattr(self, name, number)
        for group, positions in zip(self._groups, self._positions, strict=True):
            group.steps = steps[positions].tolist()
            for name, arrays in group.averages_of.items():
                for position, array in zip(positions, arrays, strict=True):
                    np.copyto(array, loaded[f"{kind}.{name}.{position}"])


class SGD(Optimizer):
    """Stochastic gradient descent, as `torch.optim.SGD` with dampening 0::

        g = g + weight_decay * p
        buffer = momentum * buffer + g
        p = p - lr * buffer                     (with nesterov: lr * (g + momentum * buffer))

    Raises ValueError for a negative or non-finite number, `momentum` of 1 or more, or `nesterov`
    without momentum.
    """

    averages = ("momentum_buffer",)

    momentum = Number(below=1.0)
    nesterov = Switch()

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.momentum = momentum
        self.nesterov = nesterov
        if self.nesterov and self.momentum == 0.0:
            raise ValueError("SGD: nesterov=True needs a momentum above 0, such as 0.9; got 0")

    def _update(self, run: Run) -> None:
        gradient, update, buffer = run.gradient, run.update, run.averages["momentum_buffer"]
        _add_decay_to_gradient(run, self.weight_decay)
        if self.momentum == 0.0:
            np.multiply(gradient, self.lr, out=update)
            return
        buffer *= self.momentum
        buffer += gradient
        if self.nesterov:
            np.multiply(buffer, self.momentum, out=update)
            update += gradient
            update *= self.lr
        else:
            np.multiply(buffer, self.lr, out=update)


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015, https://arxiv.org/abs/1412.6980), as `torch.optim.Adam`::

        g = g + weight_decay * p
        exp_avg = beta1 * exp_avg + (1 - beta1) * g
        exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g**2
        p = p - lr * (exp_avg / (1 - beta1**t)) / (sqrt(exp_avg_sq / (1 - beta2**t)) + eps)

    The two `betas` are attributes `beta1` and `beta2`. Raises ValueError for a negative or
    non-finite number, or a beta of 1 or more.
    """

    averages = ("exp_avg", "exp_avg_sq")

    beta1 = Number(below=1.0)
    beta2 = Number(below=1.0)
    eps = Number()

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        if not isinstance(betas, tuple | list) or len(betas) != 2:
            raise TypeError(
                f"{type(self).__name__}: betas must be two numbers (beta1, beta2), got {betas!r}"
            )
        self.beta1, self.beta2 = betas
        self.eps = eps

    def _update(self, run: Run) -> None:
        _add_decay_to_gradient(run, self.weight_decay)
        self._update_from_averages(run)

    def _update_from_averages(self, run: Run) -> None:
        gradient, update = run.gradient, run.update
        average, square_average = run.averages["exp_avg"], run.averages["exp_avg_sq"]
        steps = run.steps + 1
        correction1 = 1.0 - self.beta1**steps
        root_correction2 = math.sqrt(1.0 - self.beta2**steps)

        np.multiply(gradient, 1.0 - self.beta1, out=update)
        average *= self.beta1
        average += update

        gradient *= gradient
        gradient *= 1.0 - self.beta2
        square_average *= self.beta2
        square_average += gradient

        # Multiplying numerator and denominator by root_correction2 saves a pass over the array.
        np.sqrt(square_average, out=update)
        update += self.eps * root_correction2
        np.divide(average, update, out=update)
        update *= self.lr * root_correction2 / correction1


class AdamW(Adam):
    """Adam with decoupled weight decay, as `torch.optim.AdamW`.

    Adam's formulas with weight decay 0, after p = p - lr * weight_decay * p. (Loshchilov & Hutter
    2019, "Decoupled weight decay regularization", https://arxiv.org/abs/1711.05101)
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)

    def _update(self, run: Run) -> None:
        self._update_from_averages(run)
        if self.weight_decay != 0.0:
            run.values *= self.lr * self.weight_decay
            run.update += run.values


class RMSprop(Optimizer):
    """RMSprop (Hinton's lecture 6 of "Neural Networks for Machine Learning", 2012).

    As `torch.optim.RMSprop` with centered=False::

        g = g + weight_decay * p
        square_avg = alpha * square_avg + (1 - alpha) * g**2
        buffer = momentum * buffer + g / (sqrt(square_avg) + eps)
        p = p - lr * buffer

    Raises ValueError for a negative or non-finite number, or an `alpha` or `momentum` of 1 or more.
    """

    averages = ("square_avg", "momentum_buffer")

    alpha = Number(below=1.0)
    eps = Number()
    momentum = Number(below=1.0)

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
    ) -> None:
        super().__init__(params, lr, weight_decay)
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum

    def _update(self, run: Run) -> None:
        gradient, update = run.gradient, run.update
        square_average, buffer = run.averages["square_avg"], run.averages["momentum_buffer"]
        _add_decay_to_gradient(run, self.weight_decay)

        np.multiply(gradient, gradient, out=update)
        update *= 1.0 - self.alpha
        square_average *= self.alpha
        square_average += update

        np.sqrt(square_average, out=update)
        update += self.eps
        np.divide(gradient, update, out=update)
        if self.momentum != 0.0:
            buffer *= self.momentum
            buffer += update
            np.copyto(update, buffer)
        update *= self.lr


def _add_decay_to_gradient(run: Run, weight_decay: float) -> None:
    """Weight decay as the gradient of weight_decay / 2 * p**2."""
    if weight_decay != 0.0:
        run.values *= weight_decay
        run.gradient += run.values


def _check_trainable(tensor: Tensor, label: str) -> None:
    if not tensor.requires_grad:
        raise ValueError(
            f"{label} does not require grad, so it would never move; make it with "
            "requires_grad=True, or leave it out"
        )
    if not tensor.is_leaf:
        raise ValueError(
            f"{label} was computed from other tensors, so it collects no gradient; give the "
            "tensors it was made from, or its detach() with requires_grad=True"
        )


def _check_same_layout(loaded: dict[str, Array], own: dict[str, Array], caller: str) -> None:
    missing, unexpected = sorted(own.keys() - loaded), sorted(loaded.keys() - own)
    if missing or unexpected:
        raise ValueError(
            f"{caller}: the state is of another kind of optimiser or has another number of "
            f"parameters: missing {missing}, unexpected {unexpected}"
        )
    for name, array in own.items():
        if loaded[name].shape != array.shape or loaded[name].dtype != array.dtype:
            raise ValueError(
                f"{caller}: {name} must be {array.shape} {array.dtype}, got {loaded[name].shape} "
                f"{loaded[name].dtype}"
            )
