"""`mpiexec -n 2 python -m examples.train_mnist`: what a user sees, and what is left on the disk."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from tests.distributed.launch import TIMEOUT, finish, mpiexec, needs_mpi, start, stop

from . import test_train_mnist as alone

pytestmark = needs_mpi

# What every rank runs: the program with a few hundred patterns, and what a test puts in between.
PROGRAM = """
import os, signal, sys, time
from examples import train_mnist
from minigrad import distributed, optim
from tests.examples.test_train_mnist import small_data

def before_step(act):
    original, steps = optim.Adam.step, iter(range(1, 10**9))
    def step(self):
        act(next(steps), self)
        original(self)
    optim.Adam.step = step

train_mnist.load = small_data
"""


def command(out: Path, *options: str, between: str = "") -> list[str]:
    """Two epochs of tiny_cnn unless the options say otherwise, of 7 steps each."""
    program = f"{PROGRAM}{between}\nsys.exit(train_mnist.main())\n"
    if "--resume" not in options:
        options = ("--model=tiny_cnn", "--epochs=2", "--batch-size=32", *options)
    return [sys.executable, "-c", program, *options, f"--out={out}"]


def run(size: int, out: Path, *options: str, between: str = "") -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    return mpiexec(size, *command(out, *options, between=between))


def running(out: Path) -> list[str]:
    """Processes that write there."""
    commands = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(file.read_text())
        except OSError:  # it has just ended
            continue
    return [text for text in commands if f"--out={out}" in text]


def check_nothing_runs(out: Path) -> None:
    """mpiexec may be gone a moment before the ranks that it has ended."""
    deadline = time.monotonic() + TIMEOUT
    while processes := running(out):
        assert time.monotonic() < deadline, processes
        time.sleep(0.01)


def check_as_alone(folder: Path, out: Path, *options: str) -> None:
    """What is in the folder is what one process writes, apart from rounding."""
    assert alone.run(out, "--model", "tiny_cnn", *options) == 0
    assert sorted(file.name for file in folder.iterdir()) == alone.FILES
    for found, expected in zip(alone.records(folder), alone.records(out), strict=True):
        assert found == pytest.approx(expected, rel=1e-3)
    weights = mg.load(folder / "weights.safetensors")
    for name, array in mg.load(out / "weights.safetensors").items():
        np.testing.assert_allclose(weights[name], array, rtol=0, atol=1e-4)


@pytest.fixture(autouse=True)
def instead_of_the_real_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alone.train_mnist, "load", alone.small_data)


@pytest.mark.parametrize("size", [2, 3])
def test_one_set_of_lines_and_files(tmp_path: Path, size: int) -> None:
    code, out, err = run(size, tmp_path / "run")
    assert (code, err) == (0, "")
    check_as_alone(tmp_path / "run", tmp_path / "alone")
    lines = out.splitlines()
    assert lines[:2] == [
        "tiny_cnn, 9,098 parameters; digits, 200 images to learn from, 70 to test on",
        f"{size} processes share every batch; if one dies, all end, and --resume goes on after the "
        "last epoch shown",
    ]
    assert [line[:11] for line in lines[2:4]] == ["epoch 1/2: ", "epoch 2/2: "]
    accuracy = alone.records(tmp_path / "run")[-1]["test_accuracy"]
    assert lines[4:] == [
        f"weights, history and pictures are in {tmp_path / 'run'}/",
        f"test accuracy {accuracy:.4f}",
    ]


def test_data_are_drawn_by_one_for_all(tmp_path: Path) -> None:
    """The second finds what the first has drawn."""
    code, out, err = run(
        2,
        tmp_path / "run",
        between=f"""
from pathlib import Path
drawn = Path({str(tmp_path / "drawn")!r})
def load(settings):
    print(distributed.rank(), "finds" if drawn.exists() else "draws", flush=True)
    time.sleep(0.2)
    drawn.touch()
    return small_data(settings)
train_mnist.load = load
""",
    )
    assert code == 0, err
    assert sorted(line for line in out.splitlines() if line[0] in "01") == ["0 draws", "1 finds"]


# --- a rank dies ----------------------------------------------------------------------------------


def test_the_death_of_a_rank_ends_all_and_any_number_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code, out, err = run(
        2,
        folder,
        "--epochs=3",
        between="""
def act(step, optimizer):
    if step == 10 and distributed.rank() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
before_step(act)
""",
    )
    assert code != 0
    assert "(signal 9)" in out + err and "Traceback" not in err
    check_nothing_runs(folder)
    assert [file.name for file in folder.iterdir()] == ["checkpoint.safetensors"]
    assert "epoch 1/3: " in out and "epoch 2/3: " not in out

    code, out, err = run(3, folder, "--resume")
    assert (code, err) == (0, "")
    assert [line[:11] for line in out.splitlines()[2:4]] == ["epoch 2/3: ", "epoch 3/3: "]
    check_as_alone(folder, tmp_path / "alone", "--epochs", "3")


# --- Ctrl-C ---------------------------------------------------------------------------------------


def without_the_launcher(text: str) -> list[str]:
    """The lines, but for what mpiexec says of the key: that a second one ends all by force."""
    return [line for line in text.splitlines() if line and "mpiexec@" not in line]


def interrupt(folder: Path, line: str, between: str = "") -> tuple[int | None, str, list[str]]:
    """The exit code, stdout and lines of stderr, of a run interrupted once it has said a line."""
    process = start(2, *command(folder, "--epochs=100000", between=between))
    try:
        for shown in process.stdout:
            if shown.startswith(line):
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        code, out, err = finish(process)
    finally:
        stop(process)
    check_nothing_runs(folder)
    return code, out, without_the_launcher(err)


def test_ctrl_c_keeps_what_was_learned(tmp_path: Path) -> None:
    code, _, errors = interrupt(tmp_path, "epoch 2/")
    epochs = alone.records(tmp_path)
    assert len(epochs) >= 2
    assert (code, errors) == (
        130,
        [
            f"interrupted; what was learned so far is in {tmp_path}/",
            f"the same command with --resume goes on after epoch {len(epochs)}",
        ],
    )
    arrays = mg.load(tmp_path / "weights.safetensors")
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "checkpoint.safetensors",
        "history.json",
        "weights.safetensors",
    ]


def test_ctrl_c_before_the_first_step_is_one_word(tmp_path: Path) -> None:
    code, _, errors = interrupt(
        tmp_path,
        "loading",
        between="""
def load(settings):
    print("loading", flush=True)
    time.sleep(1)
    return small_data(settings)
train_mnist.load = load
""",
    )
    assert (code, errors) == (130, ["interrupted"])
    assert not any(tmp_path.iterdir())


# --- a terminal -----------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no rank can find the terminal")
def test_one_bar_on_the_terminal_of_mpiexec(tmp_path: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    slowly = "before_step(lambda step, optimizer: time.sleep(0.2))"
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 90, 0, 0))
    process = start(2, *command(tmp_path, between=slowly), stderr=terminal)
    os.close(terminal)
    try:
        code, out, _ = finish(process)
    finally:
        stop(process)
    assert code == 0
    shown = os.read(screen, 1 << 20).decode()
    os.close(screen)
    rows = [row for row in shown.split("\r") if row.strip()]
    for epoch in ("epoch 1/2: ", "epoch 2/2: "):
        of_epoch = [row for row in rows if row.startswith(epoch)]
        assert "7/7" in of_epoch[-1] and "loss=" in of_epoch[-1]
        # Two bars would write most of their numbers twice.
        counts = [row.partition("/7 ")[0].rpartition(" ")[2] for row in of_epoch]
        assert len(counts) == len(set(counts))
        assert all(len(row) <= 90 for row in of_epoch)
    assert len([line for line in out.splitlines() if line.startswith("epoch")]) == 2


# --- errors ---------------------------------------------------------------------------------------


def test_a_batch_that_cannot_be_shared_is_refused_once(tmp_path: Path) -> None:
    code, out, err = run(3, tmp_path / "run", "--batch-size=2")
    assert (code, out) == (1, "")
    assert err == (
        "train_mnist: DistributedSampler: a batch has 2 items, which cannot be shared by 3 ranks; "
        "use a larger batch_size, or start fewer ranks\n"
    )


def test_a_bad_option_is_explained_once(tmp_path: Path) -> None:
    code, out, err = run(2, tmp_path / "run", "--epochs=0")
    assert (code, out) == (2, "")
    assert err.count("usage: ") == err.count("argument --epochs: 0 must be above 0") == 1
    assert not (tmp_path / "run").exists()


def test_help_is_shown_once(tmp_path: Path) -> None:
    code, out, err = run(2, tmp_path / "run", "--help")
    assert (code, err) == (0, "")
    assert out.count("usage: ") == 1


def test_a_missing_checkpoint_is_said_once(tmp_path: Path) -> None:
    code, out, err = run(2, tmp_path / "none", "--resume")
    path = tmp_path / "none" / "checkpoint.safetensors"
    assert (code, out) == (1, "")
    assert err == f"train_mnist: --resume: there is no {path}; start without --resume\n"


def test_divergence_is_said_once_and_leaves_the_last_good_weights(tmp_path: Path) -> None:
    """Only on rank 1 something goes wrong, and rank 0 takes its time to write."""
    code, _, err = run(
        2,
        tmp_path,
        between="""
import numpy as np
import minigrad as mg
def act(step, optimizer):
    if step == 10 and distributed.rank() == 1:
        optimizer.params[0].data[...] = np.nan
before_step(act)
save = mg.save
def save_slowly(*arguments, **options):
    time.sleep(2)
    save(*arguments, **options)
mg.save = save_slowly
""",
    )
    assert code == 1
    assert err.splitlines() == [
        "train_mnist: fit: the loss is nan in step 4 of epoch 2 (learning rate "
        f"{err.partition('(learning rate ')[2].partition(')')[0]}); the weights from before the "
        "epoch are back in the model; try a smaller learning rate or clip_grad_norm",
        f"the last good weights are in {tmp_path}/",
    ]
    weights: dict[str, Any] = mg.load(tmp_path / "weights.safetensors")
    kept = mg.load(tmp_path / "checkpoint.safetensors")
    for name, array in weights.items():
        np.testing.assert_array_equal(array, kept[f"model.{name}"])


def test_without_mpi4py_it_is_a_clear_error(tmp_path: Path) -> None:
    code, out, err = run(2, tmp_path / "run", between="sys.modules['mpi4py'] = None")
    assert (code, out) == (1, "")
    assert "train_mnist: minigrad.distributed: a launcher started 2 processes, but mpi4py" in err
    assert "Traceback" not in err
