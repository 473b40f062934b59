"""Do all ranks have the same? `check_agreement` says what differs, before anything goes wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..engine import Array
from .ranks import communicator

# Of an array with more bytes, items at even distances are compared: reading all of a large dataset
# would take longer than a mistake in it is likely.
ALL_OF_IT = 1 << 28


def check_agreement(where: str, facts: Mapping[str, Any]) -> None:
    """Refuse to go on where ranks differ in something. In a plain process nothing happens.

    Every rank must call it. The error is raised on every rank alike.

    Args:
        where: the function that the error speaks of.
        facts: name -> an array, compared by shape, dtype and checksum, or anything else, compared
            by its repr. The name is put after "disagree on".

    Raises:
        ValueError: ranks have different names or values; it quotes the first such value of every
            rank.

    >>> check_agreement("fit", {"the seed": 7})
    """
    comm = communicator()
    if comm is None:
        return
    mine = {
        name: _describe_array(value) if isinstance(value, np.ndarray) else repr(value)
        for name, value in facts.items()
    }
    everyones = comm.allgather(mine)
    for name in dict.fromkeys(name for facts_of_rank in everyones for name in facts_of_rank):
        values = [facts_of_rank.get(name, "nothing") for facts_of_rank in everyones]
        if len(set(values)) > 1:
            raise ValueError(f"{where}: ranks disagree on {name}: {_by_rank(values)}")


def _describe_array(array: Array) -> str:
    every = max(1, array.nbytes // ALL_OF_IT)
    items = array[::every] if array.ndim else array
    checksum = hashlib.blake2b(np.ascontiguousarray(items).data, digest_size=6)
    return f"{array.dtype} of shape {array.shape} with checksum {checksum.hexdigest()}"


def _by_rank(values: list[str]) -> str:
    """[0, 7, 0] -> "0 on ranks 0 and 2, 7 on rank 1"."""
    ranks_of: dict[str, list[str]] = {}
    for rank, value in enumerate(values):
        ranks_of.setdefault(value, []).append(str(rank))
    return ", ".join(
        f"{value} on rank{'s' if len(ranks) > 1 else ''} {_listed(ranks)}"
        for value, ranks in ranks_of.items()
    )


def _listed(ranks: list[str]) -> str:
    return f"{', '.join(ranks[:-1])} and {ranks[-1]}" if len(ranks) > 1 else ranks[0]
