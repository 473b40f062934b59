"""Data-parallel training: the same program in several processes, each with a part of every batch.

`mpiexec -n 2 python program.py` starts two; every function here also works, and changes nothing,
in a plain process, so one program serves both. MPI moves the numbers, through mpi4py, which is
imported only where a launcher started more than one process (the extra `mpi` installs it).

- `rank`, `size`: which process this is, of how many; `main_first`, `abort`: see `ranks`.
- `DistributedSampler`, `batch_share`: which part of a batch is a rank's.
- `DistributedOptimizer`, `all_reduce_gradients`, `broadcast_parameters`: equal parameters.
- `SyncBatchNorm`, `convert_sync_batchnorm`: the statistics of the whole batch.
- `sum_over_ranks`, `all_reduce`: sums of arrays and of tensors, in a fixed order.
- `check_agreement`: an error where ranks differ in what must be the same.

What happens to the process, once `size() > 1` has been asked for: an exception that nobody catches
ends the job instead of leaving the other ranks waiting (`sys.excepthook`), and Ctrl-C is a
KeyboardInterrupt in rank 0 only, which may save what it has, but can share nothing any more. What
ends a single rank (`sys.exit` in one of them) leaves the others waiting: use `abort`. A rank that
has ended says so if the others do not within half a minute.
`MINIGRAD_DISTRIBUTED=0` in the environment makes every process a plain one, for programs under a
launcher that have nothing to do with each other.
"""

from .agreement import check_agreement
from .batch_norm import SyncBatchNorm, convert_sync_batchnorm
from .parameters import DistributedOptimizer, all_reduce_gradients, broadcast_parameters
from .parts import DistributedSampler, batch_share
from .ranks import abort, main_first, rank, size
from .sums import all_reduce, sum_over_ranks

__all__ = [
    "DistributedOptimizer",
    "DistributedSampler",
    "SyncBatchNorm",
    "abort",
    "all_reduce",
    "all_reduce_gradients",
    "batch_share",
    "broadcast_parameters",
    "check_agreement",
    "convert_sync_batchnorm",
    "main_first",
    "rank",
    "size",
    "sum_over_ranks",
]
