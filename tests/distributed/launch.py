"""Running functions and programs on several ranks, by the real mpiexec, and what they leave.

- `needs_mpi`: skips tests where mpiexec or mpi4py is not installed.
- `mpiexec`: one command, which is stopped, with all it started, if it takes too long.
- `on_ranks`: a function of a test module on n ranks, and what it returns on each.

Run as a program, it is what every rank of `on_ranks` runs.
"""

import importlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
BESIDE_PYTHON = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
MPIEXEC = shutil.which("mpiexec", path=BESIDE_PYTHON)

needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason='several ranks need mpiexec and mpi4py: pip install ".[mpi]"',
)

TIMEOUT = 120  # seconds; a hang is a failure, and a slow machine is none


def start(size, *command, stderr=subprocess.PIPE, **environment):
    """mpiexec with a command on so many ranks, in a process group of its own."""
    # Lines are written as a whole, and if they come out, somebody has seen to it.
    usual = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "", "MINIGRAD_DISTRIBUTED": "1"}
    return subprocess.Popen(
        [MPIEXEC, "-n", str(size), *command],
        cwd=ROOT,
        env={**os.environ, **usual, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def finish(process):
    """Wait for what `start` started. Returns its exit code, stdout and stderr."""
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        stop(process)
        out, err = process.communicate()
        pytest.fail(f"still running after {TIMEOUT} s: {process.args}\n{out}\n{err}")
    return process.returncode, out, err


def stop(process):
    """Kill mpiexec and all ranks."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def mpiexec(size, *command, **environment):
    """Exit code, stdout and stderr of a command on so many ranks."""
    process = start(size, *command, **environment)
    try:
        return finish(process)
    finally:
        stop(process)


def on_ranks(size, function, *arguments):
    """What a function of a test module returns on each of so many ranks, in their order.

    It returns named arrays (or what NumPy makes an array of); its arguments must fit into JSON.
    """
    with tempfile.TemporaryDirectory(prefix="minigrad-ranks-") as folder:
        code, out, err = mpiexec(
            size,
            *(sys.executable, "-m", "tests.distributed.launch", folder),
            *(function.__module__, function.__name__, json.dumps(arguments)),
        )
        assert code == 0, f"exit code {code}\n{out}\n{err}"
        results = []
        for rank in range(size):
            with np.load(Path(folder, f"{rank}.npz")) as arrays:
                results.append({name: arrays[name] for name in arrays})
    return results


if __name__ == "__main__":
    from minigrad import distributed

    folder, module, name, arguments = sys.argv[1:]
    returned = getattr(importlib.import_module(module), name)(*json.loads(arguments))
    np.savez(Path(folder, f"{distributed.rank()}.npz"), **returned)
