"""Checkpoint files: kept after every epoch, and gone on from.

One safetensors file, so that it is replaced as a whole: arrays under "model." and "optimizer.",
everything else as JSON in the file's metadata.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from ..engine import Array
from ..serialization import load_with_metadata, save
from .parts import Parts

Checkpoint = tuple[dict[str, Array], dict[str, Any]]  # arrays, and what JSON keeps


def keep(
    parts: Parts,
    path: str | os.PathLike[str],
    records: list[dict[str, Any]],
    settings: dict[str, Any] | None,
) -> None:
    """Write a checkpoint."""
    arrays, rest = parts.state()
    rest |= {"epochs": records, "settings": settings}
    # Some bit generators have arrays in their state; they take them back as lists.
    save(arrays, path, metadata={"minigrad": json.dumps(rest, default=np.ndarray.tolist)})


def restore(
    parts: Parts, path: str | os.PathLike[str], read: Checkpoint, epochs: int
) -> list[dict[str, Any]]:
    """Bring all to the state read from a checkpoint, or nothing. Returns the epochs' records."""
    arrays, rest = read
    records: list[dict[str, Any]] = rest["epochs"]
    before = parts.state()
    try:
        if len(records) > epochs:
            raise ValueError(f"it holds {len(records)} epochs, more than {epochs=}")
        parts.set_state(arrays, rest)
        parts.check_schedule(epochs - len(records))
    except (TypeError, ValueError) as error:
        parts.set_state(*before)
        raise ValueError(f"fit: the checkpoint {os.fspath(path)} does not fit: {error}") from None
    return records


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The settings that `fit` kept in a checkpoint; empty if there were none.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or is no checkpoint.
    """
    return read_checkpoint(path)[1]["settings"] or {}


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """The arrays, and the rest."""
    arrays, metadata = load_with_metadata(path)
    with contextlib.suppress(ValueError):  # no JSON
        rest = json.loads(metadata.get("minigrad", ""))
        names = {"epochs", "settings", "scheduler", "loader", "generators", "random"}
        if isinstance(rest, dict) and rest.keys() == names:
            return arrays, rest
    raise ValueError(f"{os.fspath(path)} holds arrays but is no checkpoint of fit")


def check_can_be_kept(checkpoint: str | os.PathLike[str], settings: dict[str, Any] | None) -> None:
    """Now, and not when the first epoch is over."""
    try:
        json.dumps(settings)
    except (TypeError, ValueError) as error:
        raise TypeError(f"fit: settings={settings!r} cannot be kept as JSON ({error})") from None
    path = Path(checkpoint)
    if path.is_dir():
        raise ValueError(f"fit: checkpoint={path} is a folder; name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"fit: checkpoint={path} cannot be written ({error})") from None
    if not os.access(path.parent, os.W_OK):
        raise ValueError(f"fit: checkpoint={path} cannot be written: its folder is read-only")
