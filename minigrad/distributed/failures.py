"""How a job ends when something goes wrong in one rank: all of it, at once, with one message.

A rank that raises would leave the others waiting in a sum for a part that never comes.

- `watch`: from now on, an exception that nobody catches ends the job, and Ctrl-C reaches rank 0.
- `end_the_job`: say why, and end all ranks.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from mpi4py import MPI

PATIENCE = 1.0  # seconds that rank 0 is given to speak first

INTERRUPTED = 130  # what shells return after Ctrl-C


def watch(comm: MPI.Intracomm) -> None:
    """End the job when an exception leaves this process, and have Ctrl-C interrupt rank 0 only.

    Launchers pass Ctrl-C on to every rank. Ranks other than 0 ignore it and go on, so that rank 0
    comes out of the sum that it may be in; it then has one KeyboardInterrupt, and decides.
    """

    def uncaught(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            end_the_job(comm, "interrupted", INTERRUPTED)
        text = "".join(traceback.format_exception(kind, error, trace)).rstrip()
        end_the_job(comm, f"{text}\nThis ends the job.", 1)

    sys.excepthook = uncaught
    if comm.rank > 0 and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_the_job(comm: MPI.Intracomm, message: str, code: int) -> NoReturn:
    """Print the message and end all ranks; the launcher returns the code.

    Mostly all ranks fail alike, and the user should read it once. So the others give rank 0 a
    moment to end the job, and speak only if it does not.
    """
    if comm.rank > 0:
        time.sleep(PATIENCE)
        message = f"rank {comm.rank} of {comm.size}: {message}"
    sys.stdout.flush()
    print(message, file=sys.stderr, flush=True)
    comm.Abort(code)
    raise AssertionError("MPI_Abort returned")
