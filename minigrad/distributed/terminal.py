"""The terminal that a job was started from: `launchers_terminal`.

A launcher reads what ranks print and prints it itself, so no rank sees a terminal of its own.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TextIO

from .ranks import size

LAUNCHERS = ("mpiexec", "mpirun", "orterun", "prterun", "srun")


@functools.cache  # one to write to, for as long as the process lives
def launchers_terminal() -> TextIO | None:
    """The terminal on which the launcher's standard error is seen, to write to.

    None in a plain process, where the launcher's standard error goes elsewhere, on another machine
    than the launcher, and on systems that do not tell (it takes Linux's /proc).
    """
    if size() == 1:
        return None
    try:
        errors = Path(f"/proc/{_launcher()}/fd/2")
        if not errors.is_char_device():  # to open a pipe could wait for a reader
            return None
        descriptor = os.open(errors, os.O_WRONLY | os.O_NOCTTY)
    except OSError:
        return None
    if os.isatty(descriptor):
        return os.fdopen(descriptor, "w")
    os.close(descriptor)
    return None


def _launcher() -> int:
    """The process above this one that is a launcher, or OSError."""
    process = os.getppid()
    while process > 1:
        # "number (name) state parent ..."; the name may have spaces and parentheses.
        before, _, after = Path(f"/proc/{process}/stat").read_text().rpartition(")")
        if before.partition("(")[2].startswith(LAUNCHERS):
            return process
        process = int(after.split()[1])
    raise ProcessLookupError("no launcher above this process")
