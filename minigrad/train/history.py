"""What happened in training: `History`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..files import whole_file


@dataclass
class History:
    """What happened in training.

    Attributes:
        epochs: one record per finished epoch: "epoch" (from 1), "loss", "lr" (at the end of it),
            "seconds", and where they were asked for "accuracy" (by the metric's name), "test_loss",
            "test_accuracy".
    """

    epochs: list[dict[str, Any]] = field(default_factory=list)

    def column(self, name: str) -> list[Any]:
        """One value per epoch; None where an epoch has no such value."""
        return [record.get(name) for record in self.epochs]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the records as JSON; an existing file is replaced once the new one is complete."""
        with whole_file(path) as temporary:
            Path(temporary).write_text(json.dumps({"epochs": self.epochs}, indent=2) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> History:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file holds something else.
        """
        try:
            return cls(json.loads(Path(path).read_text())["epochs"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"History.load: {os.fspath(path)} is no history ({error!r})") from None


def describe(record: dict[str, Any], epochs: int) -> str:
    """One line: epoch 2/3: loss 0.0712, accuracy 0.9781, test loss 0.0601, ... (4.2 s)"""
    values = ", ".join(
        f"{name.replace('_', ' ')} {value:.4f}"
        for name, value in record.items()
        if name not in ("epoch", "lr", "seconds")
    )
    return f"epoch {record['epoch']}/{epochs}: {values} ({record['seconds']:.1f} s)"
