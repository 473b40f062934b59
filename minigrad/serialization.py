"""Weight files: `save` and `load`, in the safetensors format.

safetensors (https://github.com/huggingface/safetensors) holds named arrays and nothing that could be
executed. A file is written beside its place and moved there when it is complete, so that an
interruption leaves either the old file or the new one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .engine import Array
from .nn import Module
from .tensor import Tensor


def save(
    state: Module | Mapping[str, Any],
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write a module's tensors, or arrays by name, to a safetensors file.

    Args:
        state: a Module (its `state_dict()` is taken), or names with arrays or Tensors.
        path: of the file; an existing one is replaced once the new one is complete.
        metadata: strings to keep with them.

    Raises:
        TypeError: something that is neither.
        OSError: the file cannot be written.
    """
    from safetensors.numpy import save as to_bytes

    if isinstance(state, Module):
        state = state.state_dict()
    if not isinstance(state, Mapping):
        raise TypeError(f"save: expected a Module or a dict of arrays, got {type(state).__name__}")
    # In row-major order, because safetensors writes memory as it lies.
    arrays = {
        name: np.array(value.data if isinstance(value, Tensor) else value, order="C")
        for name, value in state.items()
    }
    with whole_file(path) as temporary:
        Path(temporary).write_bytes(to_bytes(arrays, dict(metadata) if metadata else None))


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of a safetensors file, by name; give them to `Module.load_state_dict`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or is no safetensors file.
    """
    return load_with_metadata(path)[0]


def load_with_metadata(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """As `load`, with the strings that `save` kept."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"load: no file {os.fspath(path)}")
    try:
        with safe_open(os.fspath(path), framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(
            f"load: {os.fspath(path)} is damaged or no safetensors file ({error})"
        ) from None


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[str]:
    """A temporary name beside `path`; what is written there replaces `path` when the block ends.

    If the block raises, `path` is as it was and nothing is left behind.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The ending stays, because some writers choose the format by it.
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
