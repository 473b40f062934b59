"""Weight files: `save` and `load`, in the safetensors format.

safetensors (https://github.com/huggingface/safetensors) holds named arrays and nothing that could
be executed. A file is written beside its place and moved there when it is complete, so that an
interruption leaves either the old file or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .engine import Array
from .files import whole_file
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
        TypeError: something that is neither, an array that does not hold real numbers, or metadata
            that are not strings.
        OSError: the file cannot be written.

    >>> import tempfile
    >>> import minigrad as mg
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     mg.save({"weight": np.eye(2)}, f"{folder}/w.safetensors")
    ...     mg.load(f"{folder}/w.safetensors")
    {'weight': array([[1., 0.],
           [0., 1.]])}
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
    for name, array in arrays.items():
        if not isinstance(name, str) or name == "__metadata__":  # the format's own name
            raise TypeError(
                f"save: names must be strings, and other ones than '__metadata__', got {name!r}"
            )
        if array.dtype.kind not in "biuf" or array.itemsize > 8:
            raise TypeError(
                f"save: {name} has dtype {array.dtype}; the format takes real numbers of at most "
                "64 bits"
            )
    if not all(isinstance(text, str) for item in (metadata or {}).items() for text in item):
        raise TypeError(f"save: metadata must be strings by name, got {metadata!r}")
    content = _sorted_metadata(to_bytes(arrays, dict(metadata) if metadata else None))
    with whole_file(path) as temporary:
        Path(temporary).write_bytes(content)


def load(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of a safetensors file, by name; give them to `Module.load_state_dict`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, is no safetensors file, or holds a dtype not in NumPy.
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
    except (AttributeError, TypeError) as error:  # bfloat16 and the like
        raise ValueError(
            f"load: {os.fspath(path)} holds a dtype that NumPy does not have ({error})"
        ) from None


def _sorted_metadata(content: bytes) -> bytes:
    """A safetensors file with its metadata in the order of their names.

    The package writes them in an order that changes from call to call; with this, equal weights
    make equal files. The format is 8 bytes of length, a JSON header of that length, and the arrays.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the arrays start at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[start:]
