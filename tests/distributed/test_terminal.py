"""Looking for the launcher's terminal: whatever its standard error is, nobody waits for it."""

import os
import sys

import pytest

from .launch import finish, needs_mpi, start, stop

PROGRAM = "from minigrad.distributed.terminal import launchers_terminal as l; print(l())"


@needs_mpi
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no rank can find the terminal")
def test_a_pipe_that_nobody_reads_is_no_terminal(tmp_path):
    """To open it for writing would wait for somebody who does."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "pipe", os.O_WRONLY)
    process = start(2, sys.executable, "-c", PROGRAM, stderr=writer)
    os.close(reader)
    os.close(writer)
    try:
        code, out, _ = finish(process)
    finally:
        stop(process)
    assert (code, out.split()) == (0, ["None", "None"])
