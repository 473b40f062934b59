"""Schedulers: how the learning rate changes while training goes on.

- `StepLR`: times `gamma` after every `step_size` steps.
- `CosineAnnealingLR`: down half a cosine, from the optimiser's rate to `eta_min`.
- `OneCycleLR`: up to `max_lr`, then down to almost nothing; the momentum the other way round.
- `ReduceLROnPlateau`: times `factor` when a metric has stopped improving.
- `Scheduler`, `ScheduleByStep`: what all of them, and what the first three, have in common.

Formulas and argument names are PyTorch's (https://docs.pytorch.org/docs/stable/optim.html). Call
`step` once per epoch, or for `OneCycleLR` once per batch, after `optimizer.step()`; it sets
`optimizer.lr`. The first three make the rate depend on the number of steps alone: they also set it
when they are made, a rate set by hand lasts until the next step, and of two on one optimiser the
later one wins.

Example:
    >>> from minigrad import Tensor
    >>> from minigrad.optim import SGD, StepLR
    >>> optimizer = SGD([Tensor([1.0], requires_grad=True)], lr=1.0)
    >>> scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
    >>> rates = []
    >>> for epoch in range(5):
    ...     rates.append(optimizer.lr)
    ...     scheduler.step()
    >>> rates
    [1.0, 1.0, 0.5, 0.5, 0.25]
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ..arguments import as_float
from .arguments import (
    Checked,
    Choice,
    Count,
    Number,
    Switch,
    check_state,
    checked_attributes,
)
from .optimizers import Optimizer


class Scheduler:
    """What schedulers share: the `optimizer` whose learning rate they set, and a state to save."""

    def __init__(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: optimizer must be a minigrad.optim.Optimizer, got a "
                f"{type(optimizer).__name__}"
            )
        self.optimizer = optimizer

    def state_dict(self) -> dict[str, Any]:
        """Settings and progress: numbers, strings and None by name, which JSON keeps exactly."""
        return {name: getattr(self, name) for name in checked_attributes(type(self))}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state_dict` was called; the settings become the saved ones.

        Raises TypeError or ValueError, and changes nothing, where a name or a value does not fit.
        """
        caller = f"{type(self).__name__}.load_state_dict"
        check_state(state, caller)
        attributes = checked_attributes(type(self))
        missing, unexpected = sorted(attributes.keys() - state), sorted(state.keys() - attributes)
        if missing or unexpected:
            raise ValueError(
                f"{caller}: the state is of another kind of scheduler: missing {missing}, "
                f"unexpected {unexpected}"
            )
        values = {
            name: attribute.checked(state[name], caller) for name, attribute in attributes.items()
        }
        for name, value in values.items():
            setattr(self, name, value)


class ScheduleByStep(Scheduler):
    """A learning rate that follows from the number of steps.

    A subclass sets its settings, declared as checked attributes, before it calls this `__init__`,
    and writes the formula in `lr_at`. `base_lr` is the rate that the optimiser came with.
    """

    base_lr = Number()
    steps = Count(minimum=0)  # how often `step` was called

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer)
        self.base_lr = optimizer.lr
        self.steps = 0
        self._set_optimizer(0)

    def lr_at(self, step: int) -> float:
        """The learning rate after `step` steps; 0 is what training starts with."""
        raise NotImplementedError

    def step(self) -> None:
        """Go one step on."""
        self._set_optimizer(self.steps + 1)
        self.steps += 1

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As above; also sets the optimiser's learning rate to where the schedule was."""
        super().load_state_dict(state)
        self._set_optimizer(self.steps)

    def _set_optimizer(self, step: int) -> None:
        self.optimizer.lr = self.lr_at(step)


class StepLR(ScheduleByStep):
    """base_lr * gamma ** (steps // step_size).

    `base_lr` is the rate the optimiser came with.
    """

    step_size = Count(minimum=1)
    gamma = Number()

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer)

    def lr_at(self, step: int) -> float:
        """The learning rate after `step` steps."""
        return self.base_lr * self.gamma ** (step // self.step_size)


class CosineAnnealingLR(ScheduleByStep):
    """eta_min + (base_lr - eta_min) * (1 + cos(pi * steps / T_max)) / 2.

    `base_lr` is the rate the optimiser came with. After `T_max` steps the rate rises again, as the
    cosine does. (Loshchilov & Hutter 2017, "SGDR", https://arxiv.org/abs/1608.03983, without the
    restarts.)
    """

    T_max = Count(minimum=1)
    eta_min = Number()

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer)

    def lr_at(self, step: int) -> float:
        """The learning rate after `step` steps."""
        return _half_cosine(self.base_lr, self.eta_min, step / self.T_max)


class OneCycleLR(ScheduleByStep):
    """One rise to `max_lr` and a longer fall (Smith & Topin 2018, https://arxiv.org/abs/1708.07120).

    From max_lr / div_factor up to max_lr over the first `pct_start` of `total_steps`, then down to
    max_lr / div_factor / final_div_factor: along half a cosine each ("cos"), or straight
    ("linear"). With `cycle_momentum` the momentum, Adam's beta1, goes from `max_momentum` down to
    `base_momentum` and back; an SGD or RMSprop made without momentum is given it, too. Call `step`
    after every batch, `total_steps` times at most: once more is a ValueError. (After the last call
    there is nothing to train; it leaves the rate at the end, where PyTorch's goes beyond.)
    """

    max_lr = Number()
    total_steps = Count(minimum=1)
    pct_start = Number(below=1.0)
    anneal_strategy = Choice("cos", "linear")
    cycle_momentum = Switch()
    base_momentum = Number(below=1.0)
    max_momentum = Number(below=1.0)
    div_factor = Number(positive=True)
    final_div_factor = Number(positive=True)

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        self.max_lr = max_lr
        self.total_steps = total_steps
        self.pct_start = pct_start
        self.anneal_strategy = anneal_strategy
        self.cycle_momentum = cycle_momentum
        self.base_momentum = base_momentum
        self.max_momentum = max_momentum
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        super().__init__(optimizer)

    def lr_at(self, step: int) -> float:
        """The learning rate after `step` steps."""
        first_lr = self.max_lr / self.div_factor
        return self._between(first_lr, self.max_lr, first_lr / self.final_div_factor, step)

    def _momentum_at(self, step: int) -> float:
        return self._between(self.max_momentum, self.base_momentum, self.max_momentum, step)

    def _between(self, first: float, peak: float, last: float, step: int) -> float:
        """From `first` at step 0 over `peak` to `last` at step total_steps - 1, and no further."""
        anneal = _half_cosine if self.anneal_strategy == "cos" else _straight
        last_step = self.total_steps - 1
        peak_step = self.pct_start * self.total_steps - 1  # not whole, and below 0 without a rise
        if step < peak_step:
            return anneal(first, peak, step / peak_step)
        return anneal(peak, last, (min(step, last_step) - peak_step) / (last_step - peak_step))

    def _momentum_name(self) -> str:
        for name in ("momentum", "beta1"):
            if hasattr(self.optimizer, name):
                return name
        raise ValueError(
            f"OneCycleLR: {type(self.optimizer).__name__} has neither momentum nor beta1 to cycle; "
            "give cycle_momentum=False"
        )

    def _set_optimizer(self, step: int) -> None:
        # Steps 0 to total_steps - 1 are trained with. A loop that calls `step` after every batch
        # reaches total_steps after the last one.
        if step > self.total_steps:
            raise ValueError(
                f"OneCycleLR: step was called {step} times, but total_steps={self.total_steps}; "
                "call it once per batch, with total_steps = epochs * batches per epoch"
            )
        if self.cycle_momentum:
            setattr(self.optimizer, self._momentum_name(), self._momentum_at(step))
        super()._set_optimizer(step)


class _Metric(Checked[float | None]):
    """A number of either sign, or None while there is none yet."""

    def checked(self, value: Any, caller: str) -> float | None:
        return None if value is None else as_float(value, self.name, caller)


class ReduceLROnPlateau(Scheduler):
    """Times `factor` when a metric has been no better than its best for more than `patience` steps.

    Better means, for mode "min", below best * (1 - threshold), or best - threshold with
    threshold_mode "abs"; for "max", above best * (1 + threshold) or best + threshold. A metric that
    is not finite is never better. After a reduction, `cooldown` steps are not counted as bad. The
    rate stays at `min_lr` or more, and a change of `eps` or less is not made.
    """

    mode = Choice("min", "max")
    factor = Number(below=1.0)
    patience = Count(minimum=0)
    threshold = Number()
    threshold_mode = Choice("rel", "abs")
    cooldown = Count(minimum=0)
    min_lr = Number()
    eps = Number()

    best = _Metric()
    bad_steps = Count(minimum=0)
    cooldown_left = Count(minimum=0)

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(optimizer)
        self.mode = mode
        self.factor = factor
        self.patience = patience
        self.threshold = threshold
        self.threshold_mode = threshold_mode
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.eps = eps
        self.best = None
        self.bad_steps = 0
        self.cooldown_left = 0

    def step(self, metric: float) -> None:
        """Take the metric of one more epoch into account. TypeError unless it is a number."""
        metric = as_float(metric, "metric", "ReduceLROnPlateau.step")
        if self._is_better(metric):
            self.best = metric
            self.bad_steps = 0
        else:
            self.bad_steps += 1
        if self.cooldown_left > 0:
            self.cooldown_left -= 1
            self.bad_steps = 0
        if self.bad_steps > self.patience:
            reduced = max(self.optimizer.lr * self.factor, self.min_lr)
            if self.optimizer.lr - reduced > self.eps:
                self.optimizer.lr = reduced
            self.cooldown_left = self.cooldown
            self.bad_steps = 0

    def _is_better(self, metric: float) -> bool:
        if not math.isfinite(metric):
            return False
        if self.best is None:
            return True
        direction = -1.0 if self.mode == "min" else 1.0
        if self.threshold_mode == "rel":
            margin = self.best * (1.0 + direction * self.threshold)
        else:
            margin = self.best + direction * self.threshold
        return metric < margin if self.mode == "min" else metric > margin


def _half_cosine(start: float, end: float, fraction: float) -> float:
    """From `start` (fraction 0) to `end` (fraction 1) along half a cosine."""
    return end + (start - end) * (1.0 + math.cos(math.pi * fraction)) / 2.0


def _straight(start: float, end: float, fraction: float) -> float:
    """From `start` (fraction 0) to `end` (fraction 1) along a straight line."""
    return start + (end - start) * fraction
