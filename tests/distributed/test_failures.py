"""However one rank ends, the job ends: with one message, a fitting exit code, and no hang."""

import signal
import subprocess
import sys
import textwrap

import pytest

from minigrad import distributed
from minigrad.distributed.launcher import processes_launched

from .launch import ROOT, finish, mpiexec, needs_mpi, start, stop

# What every program begins with; `train` is a step that all ranks must take part in.
BEGINNING = """
import os, signal, sys, time
import numpy as np
from minigrad import distributed

rank, size = distributed.rank(), distributed.size()

def train():
    while True:
        distributed.sum_over_ranks(np.ones(50_000, np.float32))
        time.sleep(0.01)
"""


def python(program, beginning=BEGINNING):
    """The command that runs a program."""
    return [sys.executable, "-c", beginning + textwrap.dedent(program)]


# --- exceptions -----------------------------------------------------------------------------------


@needs_mpi
@pytest.mark.parametrize("failing", [0, 1])
def test_an_exception_in_one_rank_ends_the_job(failing):
    code, out, err = mpiexec(
        3,
        *python(f"""
        print("hello from", rank)
        if rank == {failing}:
            raise ValueError("a bad batch")
        train()
        """),
    )
    assert code == 1
    assert f"hello from {failing}\n" in out
    assert err.count("ValueError: a bad batch\nThis ends the job.\n") == 1
    assert err.count("Traceback") == 1
    assert ("rank 1 of 3: Traceback" in err) == (failing == 1)
    assert "MPI_Abort" not in err


@needs_mpi
def test_an_exception_in_all_ranks_is_printed_once():
    code, _, err = mpiexec(
        3, *python("distributed.check_agreement('fit', {'the seed': rank % 2 * 7})")
    )
    assert code == 1
    message = "ValueError: fit: ranks disagree on the seed: 0 on ranks 0 and 2, 7 on rank 1\n"
    assert err.count(message) == err.count("Traceback") == 1


@needs_mpi
def test_the_death_of_a_rank_ends_the_job():
    code, out, err = mpiexec(
        3, *python("os.kill(os.getpid(), signal.SIGKILL) if rank == 1 else train()")
    )
    assert code not in (0, None)
    assert "(signal 9)" in out + err


@needs_mpi
@pytest.mark.parametrize("ending", [0, 1])
def test_a_rank_that_ends_alone_says_so(ending):
    """The others may be busy, or wait for it for ever, which it cannot know."""
    code, out, err = mpiexec(
        3,
        *python(f"""
        from minigrad.distributed import failures
        failures.LONG = 0.125
        if rank != {ending}:
            time.sleep(1)
            print("later", flush=True)
        else:
            print("first")
        """),
    )
    assert (code, out) == (0, "first\nlater\nlater\n")
    said = f"rank {ending} of 3 ended 0.125 s ago, and others have not; if they wait for it"
    assert err.count(said) == 1 and err.endswith("Ctrl-C, twice, ends the job\n")


@needs_mpi
def test_ctrl_c_ends_a_job_that_waits_for_a_rank_for_ever():
    code, out, err = interrupt("""
        if rank == 0:
            print("ready", flush=True)
        else:
            train()
    """)
    assert (code, out, err) == (130, [], ["interrupted"])


@needs_mpi
@pytest.mark.parametrize("who", ["size > 0", "rank == 1"])
def test_abort_ends_the_job_with_its_code(who):
    code, out, err = mpiexec(
        2,
        *python(f"""
        print("so far", rank)
        if {who}:
            distributed.abort("the disk is full", code=7)
        train()
        """),
    )
    assert code == 7
    rank = int(who == "rank == 1")
    assert f"so far {rank}\n" in out
    assert err.splitlines() == ["rank 1 of 2: " * rank + "the disk is full"]


def test_alone_abort_is_an_exit(capsys):
    with pytest.raises(SystemExit) as exit:
        distributed.abort("the disk is full", code=7)
    assert exit.value.code == 7
    assert capsys.readouterr().err == "the disk is full\n"


# --- Ctrl-C ---------------------------------------------------------------------------------------


def interrupt(program, size=2):
    """Exit code, stdout and stderr of a program that is interrupted once it has said "ready"."""
    process = start(size, *python(program))
    try:
        line = process.stdout.readline()
        assert line == "ready\n"
        process.send_signal(signal.SIGINT)
        code, out, err = finish(process)
    finally:
        stop(process)
    # mpiexec says what the key does, and that a second one ends all by force.
    said = [[line for line in text.splitlines() if "mpiexec@" not in line] for text in (out, err)]
    return code, *said


@needs_mpi
def test_ctrl_c_is_one_message():
    code, out, err = interrupt("""
        if rank == 0: print("ready", flush=True)
        train()
    """)
    assert code == 130
    assert (out, err) == ([], ["interrupted"])


@needs_mpi
def test_ctrl_c_can_be_handled_by_rank_0():
    """The others go on meanwhile, and end with it, whatever it returns."""
    code, out, err = interrupt("""
        try:
            if rank == 0: print("ready", flush=True)
            train()
        except KeyboardInterrupt:
            print(rank, "was interrupted")
            time.sleep(0.5)
            print(rank, "has written what it had")
            sys.exit(3)
    """)
    assert code == 130
    assert (out, err) == (["0 was interrupted", "0 has written what it had"], [])


@needs_mpi
def test_after_ctrl_c_nothing_can_be_shared():
    """The others wait in another sum, and would take this part for one of it."""
    code, _, err = interrupt("""
        try:
            if rank == 0: print("ready", flush=True)
            train()
        except KeyboardInterrupt:
            assert (distributed.rank(), distributed.size()) == (0, 2)
            distributed.sum_over_ranks(np.ones(50_000, np.float32))
    """)
    assert code == 1
    assert err[-2].startswith("RuntimeError: minigrad.distributed: Ctrl-C has interrupted rank 0")
    assert err[-1] == "This ends the job."


# --- launchers ------------------------------------------------------------------------------------

PLAIN = "from minigrad import distributed; "


@needs_mpi
def test_without_mpi4py_several_processes_are_an_error():
    code, out, err = mpiexec(
        2,
        *python(
            "sys.modules['mpi4py'] = None; print(distributed.size())",
            beginning="import sys; " + PLAIN,
        ),
    )
    assert code == 1 and out == ""
    assert "ImportError: minigrad.distributed: a launcher started 2 processes, but mpi4py" in err
    assert "pip install mpi4py mpich" in err and "MINIGRAD_DISTRIBUTED=0" in err


@needs_mpi
def test_processes_that_mpi_does_not_connect_are_an_error():
    """What happens under the mpiexec of another MPI than mpi4py's."""
    run = subprocess.run(
        python("distributed.rank()", beginning=PLAIN),
        env={"PATH": "", "OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "RuntimeError: minigrad.distributed: the launcher started 2 processes, but" in run.stderr
    assert "MPI sees 1: mpi4py uses MPICH Version: " in run.stderr


@needs_mpi
@pytest.mark.parametrize(
    ("size", "environment"), [(1, {}), (2, {"MINIGRAD_DISTRIBUTED": "0"})], ids=["one", "apart"]
)
def test_processes_with_nothing_in_common_are_plain(size, environment):
    program = "print(distributed.rank(), distributed.size(), 'mpi4py' in sys.modules)"
    code, out, err = mpiexec(
        size, *python(program, beginning="import sys; " + PLAIN), **environment
    )
    assert code == 0, err
    assert out.splitlines() == ["0 1 False"] * size


@pytest.mark.parametrize(
    ("environment", "size"),
    [
        ({}, 1),
        ({"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALNRANKS": "2"}, 2),
        ({"OMPI_COMM_WORLD_SIZE": "3", "PMIX_RANK": "0"}, 3),
        ({"MV2_COMM_WORLD_SIZE": "5"}, 5),
        # srun; a batch script, which is no step; mpiexec in one, whose helpers srun has started.
        ({"SLURM_STEP_NUM_TASKS": "4", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 4),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_JOB_ID": "77"}, 1),
        ({"PMI_SIZE": "8", "SLURM_STEP_NUM_TASKS": "2"}, 8),
        ({"PMIX_RANK": "0"}, None),
        ({"PMI_SIZE": "2", "MINIGRAD_DISTRIBUTED": "0"}, 1),
        ({"PMI_SIZE": "2", "MINIGRAD_DISTRIBUTED": "1"}, 2),
    ],
)
def test_what_launchers_say(environment, size):
    assert processes_launched(environment) == size


# --- main_first -----------------------------------------------------------------------------------


@needs_mpi
def test_rank_0_goes_first(tmp_path):
    """Also where the block fails there, and the others would wait for ever."""
    file = tmp_path / "shared"
    code, out, err = mpiexec(
        3,
        *python(f"""
        from pathlib import Path
        file = Path({str(file)!r})
        with distributed.main_first():
            if rank == 0:
                time.sleep(0.3)
                file.write_text("loaded")
            print(file.read_text(), rank, flush=True)  # or the order is that of the ends
        try:
            with distributed.main_first():
                raise OSError(f"no network on {{rank}}")
        except OSError as error:
            print(error)
        """),
    )
    assert code == 0, err
    lines = out.splitlines()
    assert lines[0] == "loaded 0"
    assert sorted(lines) == sorted(
        [f"loaded {rank}" for rank in range(3)] + [f"no network on {rank}" for rank in range(3)]
    )
