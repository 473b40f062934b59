"""`python -m examples.digits_to_mnist` as a user runs it, on patterns in place of digits."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from examples import digits_to_mnist
from minigrad import data, train
from tests.examples.test_train_mnist import patterns


@pytest.fixture(autouse=True)
def instead_of_the_real_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "mnist", lambda split, data_dir: patterns(70, 1))
    monkeypatch.setattr(data, "digits", lambda n, seed: patterns(n, seed + 2))


def test_it_says_how_many_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    assert digits_to_mnist.main(["--images", "300", "--epochs", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines[:-1]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert lines[-1].startswith("MNIST test accuracy ")
    assert float(lines[-1].split()[-1]) > 0.3  # it learns: guessing would be 0.1


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        (["--epochs", "0"], "argument --epochs: 0 must be above 0"),
        (["--epochs", "-1"], "argument --epochs: -1 must be above 0"),
        (["--images", "0"], "argument --images: 0 must be above 0"),
        (["--seed", "-1"], "argument --seed: -1 must be at least 0"),
    ],
)
def test_bad_options_are_explained(
    capsys: pytest.CaptureFixture[str], options: list[str], quoted: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        digits_to_mnist.main(options)
    assert caught.value.code == 2
    assert quoted in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "\ninterrupted\n"),
        (train.Diverged("fit: the loss is nan"), 1, "digits_to_mnist: fit: the loss is nan\n"),
        (OSError("no disk"), 1, "digits_to_mnist: no disk\n"),
    ],
)
def test_it_stops_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    def stopped(*arguments: Any, **options: Any) -> None:
        raise error

    monkeypatch.setattr(train, "fit", stopped)
    assert digits_to_mnist.main(["--images", "64"]) == code
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("program", ["train_mnist", "digits_to_mnist"])
def test_blas_is_told_to_use_one_thread_before_numpy_loads(program: str) -> None:
    watch = (
        "import os, sys\n"
        "os.environ.pop('OPENBLAS_NUM_THREADS', None)\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy':\n"
        "            print(os.environ.get('OPENBLAS_NUM_THREADS'))\n"
        "sys.meta_path.insert(0, Watch())\n"
        f"import examples.{program}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", watch],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["1"]
