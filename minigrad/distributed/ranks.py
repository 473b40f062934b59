"""Which process this is, and of how many: `rank`, `size`, `main_first`, `abort`."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from . import failures
from .launcher import connect, processes_launched

if TYPE_CHECKING:
    from mpi4py import MPI


def communicator() -> MPI.Intracomm | None:
    """What connects the ranks, for one that will talk to the others; None in a plain process."""
    failures.refuse_when_interrupted()
    return _connection()


@functools.cache
def _connection() -> MPI.Intracomm | None:
    """Found out once. In a job that is when MPI starts and `failures.watch` begins."""
    launched = processes_launched(os.environ)
    world = None if launched == 1 else connect(launched)
    if world is None:
        return None
    failures.watch(world)
    return world.Dup()  # messages of others cannot be taken for ours; and by now all ranks watch


def rank() -> int:
    """The number of this process, from 0; 0 in a plain process.

    >>> rank()
    0
    """
    comm = _connection()
    return 0 if comm is None else comm.rank


def size() -> int:
    """How many processes train together; 1 in a plain process.

    Raises:
        ImportError: a launcher started several processes, and mpi4py cannot be imported.
        RuntimeError: mpi4py was made for another MPI than the launcher's.

    >>> size()
    1
    """
    comm = _connection()
    return 1 if comm is None else comm.size


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Run a `with` block on rank 0, and on the others once it is done there.

    For what fills a shared cache, such as a download. All ranks must enter it.

    >>> with main_first():
    ...     print("loading")
    loading
    """
    comm = communicator()
    if comm is not None and comm.rank > 0:
        comm.Barrier()
    try:
        yield
    finally:  # after an exception too: it will be met by the others, who would wait for ever
        if comm is not None and comm.rank == 0:
            comm.Barrier()


def abort(message: str, code: int = 1) -> NoReturn:
    """Print a message to stderr and end the program, in a job all ranks of it.

    For programs that handle errors themselves: one rank that returned would leave the others
    waiting. Where all ranks abort, the message is printed once, by rank 0; the others print
    theirs, with their rank, if rank 0 has not ended the job within a second.

    Args:
        message: what the user reads.
        code: the exit code, in a job that of the launcher.

    Raises:
        SystemExit: in a plain process.
    """
    comm = _connection()
    if comm is None:
        print(message, file=sys.stderr)
        raise SystemExit(code)
    failures.end_the_job(comm, message, code)
