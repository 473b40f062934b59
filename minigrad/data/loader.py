"""Datasets in memory, and batches of them.

- `TensorDataset`: several arrays whose first axes belong together (images and labels).
- `DataLoader`: batches of a dataset, in order or shuffled anew in every epoch.
- `train_test_split`: two parts of a set of arrays, drawn at random.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from .. import random
from ..conv_arithmetic import integer
from ..engine import Array
from ..tensor import Tensor, as_tensor


class TensorDataset:
    """Arrays or Tensors whose first axes belong together: item i is the i-th cell of each.

    Raises:
        TypeError: something that does not hold numbers.
        ValueError: nothing given, or first axes of different size.

    >>> dataset = TensorDataset(np.zeros((5, 28, 28, 1)), np.arange(5))
    >>> len(dataset), dataset[3][1]
    (5, tensor(3))
    """

    def __init__(self, *arrays: Any) -> None:
        self.arrays: tuple[Array, ...] = tuple(as_tensor(array).data for array in arrays)
        _common_length("TensorDataset", self.arrays)

    def __len__(self) -> int:
        return self.arrays[0].shape[0]

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        """The cells at an index, a slice or an array of indices, a Tensor per array."""
        return tuple(Tensor(array[index]) for array in self.arrays)


class Sampler(Protocol):
    """Which part of every batch a `DataLoader` serves: `minigrad.distributed` has one."""

    def check(self, batch_size: int, items: int) -> None:
        """Raise ValueError for batches, or a dataset, of which no parts can be made."""

    def part(self, items: int) -> slice:
        """Of a batch of so many items: from where to where."""


class DataLoader:
    """Batches of a dataset: iterate over it once per epoch.

    The order of a shuffled epoch depends on `seed` and `epoch` alone, so a run can be resumed at
    any epoch by setting `loader.epoch`.

    Args:
        dataset: a TensorDataset, or a tuple of arrays to make one of.
        batch_size: items in a batch; the last one of an epoch may be smaller.
        shuffle: a new order in every epoch.
        seed: of the shuffling; by default drawn from the library's generator (`mg.manual_seed`).
        drop_last: leave out a last batch that is not full.
        sampler: serve only the part of every batch that it says; `batch_size` and the number of
            batches are those of whole batches. Training on several processes gives each a
            `distributed.DistributedSampler`.

    Attributes:
        epoch: how many epochs have been started.

    Raises:
        TypeError: a dataset of another kind.
        ValueError: an empty dataset, a batch size below 1, drop_last with fewer items than one
            batch, or what the sampler refuses.

    >>> loader = DataLoader(TensorDataset(np.arange(5)), batch_size=2)
    >>> [batch.data.tolist() for (batch,) in loader]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        dataset: TensorDataset | tuple[Any, ...],
        batch_size: int = 32,
        shuffle: bool = False,
        seed: int | None = None,
        drop_last: bool = False,
        sampler: Sampler | None = None,
    ) -> None:
        if isinstance(dataset, (tuple, list)):
            dataset = TensorDataset(*dataset)
        elif not isinstance(dataset, TensorDataset):
            raise TypeError(
                "DataLoader: dataset must be a TensorDataset or a tuple of arrays, got a "
                f"{type(dataset).__name__}; of a single array, make a TensorDataset(array)"
            )
        self.dataset = dataset
        self.batch_size = integer(batch_size, "batch_size", where="DataLoader")
        if len(self.dataset) == 0:
            raise ValueError("DataLoader: the dataset is empty")
        if drop_last and len(self.dataset) < self.batch_size:
            raise ValueError(
                f"DataLoader: drop_last leaves nothing of {len(self.dataset)} items in batches of "
                f"{self.batch_size}; use a smaller batch_size"
            )
        if sampler is not None:
            sampler.check(self.batch_size, len(self.dataset))
        self.sampler = sampler
        self.shuffle = shuffle
        self.drop_last = drop_last
        if seed is None and shuffle:
            seed = int(random.generator().integers(2**63))
        self.seed = None if seed is None else integer(seed, "seed", minimum=0, where="DataLoader")
        self.epoch = 0

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        full, rest = divmod(len(self.dataset), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        count = len(self.dataset)
        order = None
        if self.shuffle:
            order = np.random.default_rng([self.seed or 0, self.epoch]).permutation(count)
        self.epoch += 1
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            batch = slice(start, min(start + self.batch_size, count))
            if self.sampler is not None:
                part = self.sampler.part(batch.stop - start)
                batch = slice(start + part.start, start + part.stop)
            yield self.dataset[batch if order is None else order[batch]]


def train_test_split(
    *arrays: Any, test_size: float | int = 0.25, shuffle: bool = True, seed: int | None = None
) -> tuple[Array, ...]:
    """Cut arrays in two along their first axis, in the same places.

    No item is in both parts: drawing is without replacement.

    Args:
        arrays: with first axes of one size.
        test_size: the share of the test part (a float between 0 and 1) or its number of items.
        shuffle: draw the test part at random; otherwise it is the end.
        seed: of the drawing; by default the library's generator (`mg.manual_seed`) is used.

    Returns:
        (first_train, first_test, second_train, second_test, ...), as scikit-learn's function of
        this name.

    Raises:
        TypeError: a test_size or seed of another kind.
        ValueError: different sizes, or a part that would be empty.

    >>> train, test = train_test_split(np.arange(8), test_size=2, shuffle=False)
    >>> test.tolist()
    [6, 7]
    """
    where = "train_test_split"
    parts = tuple(a.data if isinstance(a, Tensor) else np.asarray(a) for a in arrays)
    count = _common_length(where, parts)
    if isinstance(test_size, (float, np.floating)):
        held_out = round(count * test_size) if 0 < test_size < 1 else 0
    else:
        held_out = integer(test_size, "test_size", where=where)
    if not 0 < held_out < count:
        raise ValueError(
            f"{where}: test_size={test_size} of {count} items leaves a part empty; it must be "
            f"between 0.0 and 1.0, or a number of items from 1 to {count - 1}"
        )
    rng = random.generator()
    if seed is not None:
        rng = np.random.default_rng(integer(seed, "seed", minimum=0, where=where))
    order = rng.permutation(count) if shuffle else np.arange(count)
    train, test = order[: count - held_out], order[count - held_out :]
    return tuple(half for part in parts for half in (part[train], part[test]))


def _common_length(where: str, arrays: tuple[Array, ...]) -> int:
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise ValueError(f"{where}: needs arrays with at least one axis")
    lengths = [array.shape[0] for array in arrays]
    if len(set(lengths)) != 1:
        raise ValueError(
            f"{where}: the first axes have sizes {lengths}; they belong together and must be equal"
        )
    return lengths[0]
