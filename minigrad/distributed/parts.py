"""Which part of a batch is a rank's: `DistributedSampler`, `batch_share`."""

from __future__ import annotations

import numpy as np

from ..conv_arithmetic import integer
from . import ranks
from .sums import sum_over_ranks


class DistributedSampler:
    """For `DataLoader(..., sampler=...)`: every rank takes its part of every batch.

    The parts are neighbours in the batch, in the order of the ranks, and the first are larger by
    one item where they do not come out even. `batch_size` remains the size of the whole batch, so
    the order, the number of steps and the learning rate's schedule are the same for any number of
    ranks. A last batch of fewer items than ranks leaves some ranks an empty part; they take part
    all the same. The loader's seed must be the same on all ranks.

    Args:
        rank: whose parts; by default this process's.
        size: the number of ranks; by default as many as there are. Give both or neither.

    Raises:
        TypeError, ValueError: a rank or size that is none, or one without the other.

    >>> [DistributedSampler(rank, 3).part(8) for rank in range(3)]
    [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
    """

    def __init__(self, rank: int | None = None, size: int | None = None) -> None:
        if (rank is None) != (size is None):
            raise ValueError(
                f"DistributedSampler: got rank={rank} and size={size}; give both or neither"
            )
        where = "DistributedSampler"
        self.size = ranks.size() if size is None else integer(size, "size", where=where)
        self.rank = ranks.rank() if rank is None else integer(rank, "rank", minimum=0, where=where)
        if self.rank >= self.size:
            raise ValueError(f"{where}: rank={rank} must be below size={size}; ranks count from 0")

    def check(self, batch_size: int, items: int) -> None:
        """Refuse batches in which some rank would have nothing to do; the loader asks."""
        for name, count, way_out in (
            ("a batch", batch_size, "use a larger batch_size"),
            ("the dataset", items, "bring more data"),
        ):
            if count < self.size:
                raise ValueError(
                    f"DistributedSampler: {name} has {count} item{'s' if count != 1 else ''}, "
                    f"which cannot be shared by {self.size} ranks; {way_out}, or start fewer ranks"
                )

    def part(self, items: int) -> slice:
        """Where this rank's part lies in a batch of so many items."""
        least, larger = divmod(items, self.size)
        start = self.rank * least + min(self.rank, larger)
        return slice(start, start + least + (self.rank < larger))


def batch_share(items: int) -> float:
    """What a loss's gradient begins with: the size of this rank's part beside the average part's.

    A loss is the mean over a rank's part, and gradients are averaged over ranks. Where parts differ
    in size, that is the mean over the whole batch only if each loss counts as much as its items:
    `loss.backward(gradient=batch_share(len(targets)))`. It is 1.0 where parts are even. Of an empty
    part most losses cannot be taken; `outputs.sum()` in its place takes part and counts nothing.

    Args:
        items: in this rank's part; may be 0, but not on all ranks.

    Raises:
        ValueError: no items on any rank.

    >>> batch_share(5)
    1.0
    """
    total = int(sum_over_ranks(np.array([items]))[0])
    if total == 0:
        raise ValueError("batch_share: the batch has no items on any rank")
    return items * ranks.size() / total
