"""What takes part in training: `Parts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import random
from ..data import DataLoader
from ..engine import Array
from ..nn import Module
from ..optim import OneCycleLR, Optimizer
from ..optim.schedulers import Scheduler


@dataclass
class Parts:
    """What takes part in training, and with that all state that it depends on."""

    model: Module
    loader: DataLoader
    optimizer: Optimizer
    scheduler: Scheduler | None

    def check_they_belong_together(self) -> None:
        """Refuse what would train nothing, or something else."""
        check_kind("fit", "model", self.model, "a", Module)
        if not isinstance(self.loader, DataLoader):
            raise TypeError(f"fit: loader must be a DataLoader, got a {type(self.loader).__name__}")
        check_kind("fit", "optimizer", self.optimizer, "an", Optimizer)
        if self.scheduler is not None:
            check_kind("fit", "scheduler", self.scheduler, "a", Scheduler)
        own = {id(parameter) for parameter in self.model.parameters()}
        if not any(id(parameter) in own for parameter in self.optimizer.params):
            raise ValueError(
                f"fit: the {type(self.optimizer).__name__} has no parameter of this model; make it "
                "from the parameters() of this very one (astype() gives another)"
            )
        if self.scheduler is not None and self.scheduler.optimizer is not self.optimizer:
            raise ValueError(
                f"fit: the {type(self.scheduler).__name__} was made for another optimizer than the "
                f"{type(self.optimizer).__name__} given"
            )

    def check_schedule(self, epochs: int) -> None:
        """Refuse a schedule that would end before these epochs do."""
        scheduler, steps = self.scheduler, epochs * len(self.loader)
        if isinstance(scheduler, OneCycleLR) and scheduler.steps + steps > scheduler.total_steps:
            raise ValueError(
                f"OneCycleLR: {epochs} epochs of {len(self.loader)} batches are {steps} steps, but "
                f"{scheduler.steps} of total_steps={scheduler.total_steps} have been made already; "
                "make it with total_steps = epochs * len(loader)"
            )

    def state(self) -> tuple[dict[str, Array], dict[str, Any]]:
        """All of it: arrays under "model." and "optimizer.", and what JSON can keep."""
        arrays = {f"model.{name}": array for name, array in self.model.state_dict().items()}
        arrays |= {f"optimizer.{name}": a for name, a in self.optimizer.state_dict().items()}
        return arrays, {
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "loader": {
                "epoch": self.loader.epoch,
                "seed": self.loader.seed,
                **self.what_decides_the_batches(),
            },
            "generators": {name: g.bit_generator.state for name, g in self.generators().items()},
            "random": random.get_state(),
        }

    def set_state(self, arrays: dict[str, Array], rest: dict[str, Any]) -> None:
        """Go on from there. Raises TypeError or ValueError for what does not fit."""
        weights, averages = (
            {
                name.removeprefix(part): array
                for name, array in arrays.items()
                if name.startswith(part)
            }
            for part in ("model.", "optimizer.")
        )
        self.model.load_state_dict(weights)
        for name, value in self.what_decides_the_batches().items():
            if rest["loader"][name] != value:
                raise ValueError(f"its loader had {name}={rest['loader'][name]}, not {value}")
        if (rest["scheduler"] is None) != (self.scheduler is None):
            raise ValueError(
                f"it was made {'without' if rest['scheduler'] is None else 'with'} a scheduler"
            )
        if self.scheduler is not None:
            self.scheduler.load_state_dict(rest["scheduler"])
        self.optimizer.load_state_dict(averages)
        generators = self.generators()
        kinds = {name: g.bit_generator.state["bit_generator"] for name, g in generators.items()}
        kept = {name: state["bit_generator"] for name, state in rest["generators"].items()}
        if kept != kinds:
            raise ValueError(f"its modules hold the random generators {kept}, and these {kinds}")
        for name, generator in generators.items():
            generator.bit_generator.state = rest["generators"][name]
        random.set_state(rest["random"])
        self.loader.epoch, self.loader.seed = rest["loader"]["epoch"], rest["loader"]["seed"]

    def what_decides_the_batches(self) -> dict[str, int | bool]:
        """All but the epoch and the seed, which are taken over from a checkpoint."""
        return {
            "items": len(self.loader.dataset),
            "batch_size": self.loader.batch_size,
            "shuffle": bool(self.loader.shuffle),
            "drop_last": bool(self.loader.drop_last),
        }

    def generators(self) -> dict[str, np.random.Generator]:
        """The generators that modules hold as attributes (a Dropout's rng), by dotted name."""
        return {
            f"{name}.{attribute}": value
            for name, module in self.model.named_modules()
            for attribute, value in vars(module).items()
            if isinstance(value, np.random.Generator)
        }


def check_kind(where: str, name: str, value: object, article: str, kind: type) -> None:
    """Refuse a value of another kind."""
    if not isinstance(value, kind):
        raise TypeError(
            f"{where}: {name} must be {article} {kind.__name__}, not {type(value).__name__}"
        )
