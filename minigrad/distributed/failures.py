"""How a job ends when something goes wrong in one rank: all of it, at once, with one message.

A rank that raises would leave the others waiting in a sum for a part that never comes.

- `watch`: from now on, an exception that nobody catches ends the job, and so does Ctrl-C; a rank
  that has ended and waits long for the others says so.
- `end_the_job`: say why, and end all ranks.
- `refuse_when_interrupted`: for what needs the other ranks.
"""

from __future__ import annotations

import atexit
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from mpi4py import MPI

PATIENCE = 1.0  # seconds that rank 0 is given to speak first

READING = 0.25  # seconds; what the launcher has not read when the job ends may be lost

LONG = 30.0  # seconds that a rank waits for others to end before it says so

INTERRUPTED = 130  # what shells return after Ctrl-C

_interrupted = False  # this process, by Ctrl-C


def watch(comm: MPI.Intracomm) -> None:
    """End the job when an exception leaves this process, and have Ctrl-C interrupt rank 0 only.

    Launchers pass Ctrl-C on to every rank. Ranks other than 0 ignore it and go on, so that rank 0
    comes out of the sum that it may be in; there it is a KeyboardInterrupt as usual, once. However
    rank 0 ends after that, the job ends with it.
    """

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            end_the_job(comm, "interrupted", INTERRUPTED)
        text = "".join(traceback.format_exception(kind, error, trace)).rstrip()
        end_the_job(comm, f"{text}\nThis ends the job.", 1)

    def interrupted(number: int, frame: FrameType | None) -> NoReturn:
        global _interrupted
        _interrupted = True
        atexit.register(_end, INTERRUPTED)
        raise KeyboardInterrupt

    sys.excepthook = uncaught
    atexit.register(_wait_for_the_others, comm)
    if threading.current_thread() is threading.main_thread():  # others may not change it
        signal.signal(signal.SIGINT, interrupted if comm.rank == 0 else signal.SIG_IGN)


def refuse_when_interrupted() -> None:
    """A program may go on after a KeyboardInterrupt, but the other ranks are somewhere else.

    They wait in a sum for the next part of something, and would take for it whatever comes.
    """
    if _interrupted:
        raise RuntimeError(
            "minigrad.distributed: Ctrl-C has interrupted rank 0 alone, which is out of step with "
            "the other ranks since then; do what needs none of them, such as saving, and end: that "
            "ends the job"
        )


def end_the_job(comm: MPI.Intracomm, message: str, code: int) -> NoReturn:
    """Print the message and end all ranks; the launcher returns the code.

    Mostly all ranks fail alike, and the user should read it once. So the others give rank 0 a
    moment to end the job, and speak only if it does not.
    """
    if comm.rank > 0:
        time.sleep(PATIENCE)
        message = f"rank {comm.rank} of {comm.size}: {message}"
    print(message, file=sys.stderr)
    _end(code)


def _wait_for_the_others(comm: MPI.Intracomm) -> None:
    """At the end of this rank. MPI ends in all at once, and would wait without a word."""
    from mpi4py import MPI

    if MPI.Is_finalized():  # the program has seen to it
        return
    try:
        sys.stdout.flush()  # Python would do it afterwards, if that comes
        all_have_ended = comm.Ibarrier()
        deadline = time.monotonic() + LONG
        while not all_have_ended.Test():
            if time.monotonic() > deadline:
                print(
                    f"rank {comm.rank} of {comm.size} ended {LONG:g} s ago, and others have not; "
                    "if they wait for it to take part in something, they wait for ever: Ctrl-C, "
                    "twice, ends the job",
                    file=sys.stderr,
                    flush=True,
                )
                deadline = math.inf
            time.sleep(0.01)
    except KeyboardInterrupt:
        end_the_job(comm, "interrupted", INTERRUPTED)


def _end(code: int) -> NoReturn:
    from mpi4py import MPI

    sys.stdout.flush()
    sys.stderr.flush()
    time.sleep(READING)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # all is said; MPI would speak of MPI_Abort
    # Not the library's own communicator: MPICH's mpiexec would now and then return another code.
    end: Callable[[int], object] = MPI.COMM_WORLD.Abort
    end(code)
    time.sleep(PATIENCE)  # it may return, and leave the end of this process to the launcher
    os._exit(code)
