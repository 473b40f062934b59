"""What `fit` and `evaluate` do besides where several ranks train together (`distributed`).

In a plain process each of these functions does nothing.

- `check_parts_are_shared`, `check_inputs_agree`, `check_states_agree`: refused before the first
  step.
- `means_of_batch`, `totals_of_ranks`: numbers of the parts -> numbers of the whole.
- `results_for_all`: numbers of held-out data that are not shared -> the same on every rank.
- `part_random_streams`, `join_random_streams`: other masks on every rank, the same on every run.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import random
from ..data import DataLoader
from ..distributed import (
    DistributedOptimizer,
    DistributedSampler,
    SyncBatchNorm,
    check_agreement,
    rank,
    size,
    sum_over_ranks,
)
from ..distributed.ranks import communicator
from ..nn import BatchNorm
from .checkpoints import Checkpoint
from .measuring import Metric, RunningMeans, name_of
from .parts import Parts


def is_shared(loader: object) -> bool:
    """Whether there are several ranks, and the loader serves this one's part of every batch."""
    sampler = loader.sampler if isinstance(loader, DataLoader) else None
    return (
        size() > 1
        and isinstance(sampler, DistributedSampler)
        and (sampler.rank, sampler.size) == (rank(), size())
    )


# --- before the first step ------------------------------------------------------------------------


def check_parts_are_shared(parts: Parts) -> None:
    """Refuse parts of which each rank would make something of its own."""
    if size() == 1:
        return
    several = f"fit: {size()} ranks train together, but"
    if not is_shared(parts.loader):
        raise ValueError(
            f"{several} the loader does not serve this rank's part of every batch; make it with "
            "DataLoader(..., sampler=distributed.DistributedSampler())"
        )
    if not isinstance(parts.optimizer, DistributedOptimizer):
        raise ValueError(
            f"{several} {type(parts.optimizer).__name__} does not average their gradients; give "
            "distributed.DistributedOptimizer(optimizer), also to the scheduler"
        )
    for name, module in parts.model.named_modules():
        if isinstance(module, BatchNorm) and not isinstance(module, SyncBatchNorm):
            kind = type(module)
            raise ValueError(
                f"{several} {name or 'the model'} is a {kind.__name__}, which would normalise each "
                "rank's part by itself; "
                + (
                    "distributed.convert_sync_batchnorm(model) makes it normalise the whole batch"
                    if kind is BatchNorm
                    else "derive its class from distributed.SyncBatchNorm"
                )
            )
    for name, generator in parts.generators().items():
        if not hasattr(generator.bit_generator, "jumped"):
            raise ValueError(
                f"{several} {name} draws from {type(generator.bit_generator).__name__}, which "
                "cannot give each of them a stream of its own; use numpy.random.default_rng(seed)"
            )


def check_inputs_agree(
    parts: Parts,
    validation: Iterable[Any] | None,
    metric: Metric | None,
    epochs: int,
    checkpoint: str | os.PathLike[str] | None,
    kept: Checkpoint | None,
) -> None:
    """Refuse ranks that were given different things.

    `kept` is what was read from the checkpoint, if the run is resumed.
    """
    if size() == 1:
        return
    tensors = {
        name: f"{tensor.dtype} {tensor.shape}" for name, tensor in parts.model.named_tensors()
    }
    _check(
        {
            "the model's parameters": sum(p.size for p in parts.model.parameters()),
            "the names of the model's tensors": list(tensors),
            **{f"the model's {name}": layout for name, layout in tensors.items()},
        },
        "every rank must make the same model",
    )
    _check(
        {**_data_of(parts.loader, "data"), **_data_of(validation, "held-out data")},
        "load the same data on every rank; the sampler takes each one's part",
    )
    _check(
        {
            "epochs": epochs,
            "the metric": None if metric is None else name_of(metric),
            "the optimizer": type(_within(parts)).__name__,
            "the scheduler": type(parts.scheduler).__name__,
        },
        "every rank must train in the same way",
    )
    _check(
        {
            "keeping a checkpoint": checkpoint is not None,
            "the epochs in the checkpoint": 0 if kept is None else len(kept[1]["epochs"]),
        },
        "it must be in a folder that all ranks see",
    )


def check_states_agree(parts: Parts) -> None:
    """Refuse ranks that would begin in different states."""
    if size() == 1:
        return
    arrays, rest = parts.state()
    _check(
        {"the loader's seed": rest["loader"].pop("seed")},
        "give the DataLoader of every rank the same seed, or call manual_seed(seed) with the same "
        "seed before it draws one",
    )
    _check(
        {f"the loader's {name}": value for name, value in rest["loader"].items()},
        "give the same to the DataLoader of every rank",
    )
    _check(
        {
            name.removeprefix("model."): array
            for name, array in arrays.items()
            if name.startswith("model.")
        },
        "models made with different seeds do; call manual_seed(seed) with the same seed on every "
        "rank, or distributed.broadcast_parameters(model)",
    )
    state = {
        name.removeprefix("optimizer."): array if array.ndim else array.item()
        for name, array in arrays.items()
        if name.startswith("optimizer.")
    }
    schedule = rest["scheduler"] or {}
    _check(
        {**state, **{f"the scheduler's {name}": value for name, value in schedule.items()}},
        "every rank must train in the same way",
    )
    streams = {"the library's random state": rest["random"]}
    streams |= {f"the random state of {name}": g for name, g in rest["generators"].items()}
    _check(
        {name: _checksum(state) for name, state in streams.items()},
        "call manual_seed(seed), or make the generator, with the same seed on every rank",
    )


def _check(facts: dict[str, Any], way_out: str) -> None:
    try:
        check_agreement("fit", facts)
    except ValueError as error:
        raise ValueError(f"{error}; {way_out}") from None


def _data_of(loader: Iterable[Any] | None, name: str) -> dict[str, Any]:
    if not isinstance(loader, DataLoader):
        return {f"the {name}": type(loader).__name__}
    facts: dict[str, Any] = {
        f"array {i} of the {name}": array for i, array in enumerate(loader.dataset.arrays)
    }
    return {f"the sampler of the {name}": is_shared(loader), **facts}


def _within(parts: Parts) -> object:
    assert isinstance(parts.optimizer, DistributedOptimizer)
    return parts.optimizer.optimizer


def _checksum(state: dict[str, Any]) -> str:
    text = json.dumps(state, default=np.ndarray.tolist)
    return f"checksum {zlib.crc32(text.encode()):08x}"


# --- numbers of the whole batch -------------------------------------------------------------------


def means_of_batch(
    count: int, values: dict[str, float]
) -> tuple[int, dict[str, float], float | None]:
    """What a rank found on its part of a batch -> what all of them found on the batch.

    Returns:
        The number of items, the means over them, and what the gradient of this rank's loss begins
        with (`distributed.batch_share`; all of it with one sum); None for the usual 1.
    """
    if size() == 1:
        return count, values, None
    items, totals = _sums(count, {name: value * count for name, value in values.items()})
    means = {name: total / items for name, total in totals.items()}
    return items, means, count * size() / items


def totals_of_ranks(totals: RunningMeans) -> RunningMeans:
    """Of a pass over a loader of which every rank had its parts."""
    return RunningMeans(*_sums(totals.count, totals.sums))


def results_for_all(loader: object, results: dict[str, float]) -> dict[str, float]:
    """What rank 0 found on a loader, unless the ranks have shared the work.

    Others may have been given other batches, or round differently on another kind of machine. What
    follows from the results, such as the learning rate, must not differ.
    """
    comm = communicator()
    if comm is None or is_shared(loader):
        return results
    of_rank_0: dict[str, float] = comm.bcast(results, root=0)
    return of_rank_0


def _sums(count: int, sums: dict[str, float]) -> tuple[int, dict[str, float]]:
    total = sum_over_ranks(np.array([count, *sums.values()], np.float64)).tolist()
    return int(total[0]), dict(zip(sums, total[1:], strict=True))


# --- random streams -------------------------------------------------------------------------------


def part_random_streams(parts: Parts) -> None:
    """Have every rank draw other numbers: rank r goes r jumps ahead, which no epoch can draw."""
    if rank() == 0:
        return
    for generator in _streams(parts):
        bits: Any = generator.bit_generator  # of a kind that can jump, as was checked
        bits.state = bits.jumped(rank()).state


def join_random_streams(parts: Parts) -> None:
    """Have every rank go on where rank 0 is: what a checkpoint keeps is that of all."""
    comm = communicator()
    if comm is None:
        return
    generators = _streams(parts)
    states = comm.bcast([generator.bit_generator.state for generator in generators], root=0)
    for generator, state in zip(generators, states, strict=True):
        generator.bit_generator.state = state


def _streams(parts: Parts) -> list[np.random.Generator]:
    """The library's generator and those of modules, each once."""
    generators = [random.generator(), *parts.generators().values()]
    return list({id(generator): generator for generator in generators}.values())
