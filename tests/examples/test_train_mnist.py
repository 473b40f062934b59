"""`python -m examples.train_mnist` as a user runs it, on a few hundred small patterns."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from examples import train_mnist
from minigrad import optim, train

Array = np.ndarray[Any, Any]

FILES = [
    "checkpoint.safetensors",
    "curves.png",
    "filters.png",
    "history.json",
    "mistakes.png",
    "weights.safetensors",
]


def patterns(count: int, seed: int) -> tuple[Array, Array]:
    """A light square in one of ten places, the label's, in noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, count)
    images = rng.random((count, 28, 28, 1), dtype=np.float32) * 0.3
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 5)
        image[4 + 12 * row : 10 + 12 * row, 5 * column : 5 + 5 * column] += 0.7
    return images, labels


def small_data(settings: dict[str, Any]) -> tuple[Array, Array, Array, Array]:
    return (*patterns(200, 0), *patterns(70, 1))


@pytest.fixture(autouse=True)
def instead_of_the_real_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_mnist, "load", small_data)


def run(out: Path, *options: str) -> int:
    """The exit code. Two epochs of tiny_cnn unless the options say otherwise, of 7 steps each."""
    defaults = {"--model": "tiny_cnn", "--epochs": "2", "--batch-size": "32"}
    if "--resume" in options:
        defaults = {}
    command = [part for pair in defaults.items() if pair[0] not in options for part in pair]
    try:
        return train_mnist.main([*command, *options, "--out", str(out)])
    except SystemExit as exit:
        assert isinstance(exit.code, int)
        return exit.code


def interrupt_in_step(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """As Ctrl-C does, in the middle of a step."""
    original, calls = optim.Adam.step, iter(range(1, 10**6))

    def interrupted(self: optim.Adam) -> None:
        if next(calls) == step:
            monkeypatch.setattr(optim.Adam, "step", original)
            raise KeyboardInterrupt
        original(self)

    monkeypatch.setattr(optim.Adam, "step", interrupted)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def records(folder: Path) -> list[dict[str, Any]]:
    """The history, without how long it took."""
    epochs: list[dict[str, Any]] = json.loads((folder / "history.json").read_text())["epochs"]
    return [{name: value for name, value in r.items() if name != "seconds"} for r in epochs]


# --- a whole run ----------------------------------------------------------------------------------


def test_a_run_writes_everything_and_says_what_it_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "new" / "folder", "--epochs", "3") == 0
    shown, folder = capsys.readouterr(), tmp_path / "new" / "folder"
    assert sorted(file.name for file in folder.iterdir()) == FILES
    lines = shown.out.splitlines()
    assert lines[0] == (
        "tiny_cnn, 9,098 parameters; digits, 200 images to learn from, 70 to test on"
    )
    assert [line[:11] for line in lines[1:4]] == ["epoch 1/3: ", "epoch 2/3: ", "epoch 3/3: "]
    reached = records(folder)[-1]["test_accuracy"]
    assert lines[-1] == f"test accuracy {reached:.4f}"
    assert reached > 0.5  # it learns: guessing would be 0.1
    assert shown.err == ""
    for name in ("curves.png", "filters.png", "mistakes.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG")

    # The weights in the file are those that reached it.
    arrays, metadata = mg.serialization.load_with_metadata(folder / "weights.safetensors")
    assert metadata == {"model": "tiny_cnn", "dataset": "digits"}
    model = train_mnist.MODELS["tiny_cnn"]()
    model.load_state_dict(arrays)
    images, labels = patterns(70, 1)
    assert (model(images).data.argmax(axis=1) == labels).mean() == pytest.approx(reached)


@pytest.mark.parametrize("model", ["lenet5", "mlp"])
def test_other_networks(tmp_path: Path, model: str) -> None:
    assert run(tmp_path, "--model", model, "--epochs", "1") == 0
    written = sorted(file.name for file in tmp_path.iterdir())
    assert written == [name for name in FILES if model == "lenet5" or name != "filters.png"]


def test_the_same_seed_gives_the_same_weights_bit_for_bit(tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        mg.manual_seed(len(os.listdir(tmp_path)))  # what was before does not matter
        assert run(tmp_path / name, "--seed", seed) == 0
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a["weights.safetensors"] == b["weights.safetensors"] != c["weights.safetensors"]
    assert records(tmp_path / "a") == records(tmp_path / "b")


def test_the_pictures_show_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, Any] = {}
    for name in ("training_curves", "filter_grid", "image_grid"):
        monkeypatch.setattr(
            train_mnist.viz, name, lambda *a, name=name, **k: drawn.update({name: (a, k)})
        )
    assert run(tmp_path, "--epochs", "1") == 0
    arrays = mg.load(tmp_path / "weights.safetensors")
    (kernel, path), _ = drawn["filter_grid"]
    np.testing.assert_array_equal(kernel.data, arrays["layers.0.kernel"])
    assert path == tmp_path / "filters.png"

    (images, captions, path), keywords = drawn["image_grid"]
    test_images, labels = patterns(70, 1)
    model = train_mnist.MODELS["tiny_cnn"]()
    model.load_state_dict(arrays)
    read = model(test_images).data.argmax(axis=1)
    wrong = np.flatnonzero(read != labels)
    assert len(images) == min(50, len(wrong)) > 0
    for image, caption, i in zip(images, captions, wrong, strict=False):
        np.testing.assert_array_equal(image, test_images[i])
        assert caption == f"{labels[i]} read as {read[i]}"
    assert keywords["title"].startswith(f"{len(wrong)} of 70 test images misread")


# --- interruptions --------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [8, 11, 14], ids=["at a start", "in the middle", "at an end"])
def test_resuming_ends_with_the_weights_of_an_uninterrupted_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    step: int,
) -> None:
    assert run(tmp_path / "whole", "--epochs", "3", "--seed", "5") == 0
    interrupt_in_step(monkeypatch, step)
    assert run(tmp_path / "parts", "--epochs", "3", "--seed", "5") == 130
    mg.manual_seed(99)
    capsys.readouterr()
    assert run(tmp_path / "parts", "--resume") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in lines[1:3]] == ["epoch 2/3", "epoch 3/3"]
    whole, parts = contents(tmp_path / "whole"), contents(tmp_path / "parts")
    assert parts.keys() == whole.keys()
    assert parts["weights.safetensors"] == whole["weights.safetensors"]
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    assert lines[-1] == f"test accuracy {records(tmp_path / 'whole')[-1]['test_accuracy']:.4f}"


def test_ctrl_c_keeps_what_was_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_in_step(monkeypatch, 11)
    assert run(tmp_path) == 130
    shown = capsys.readouterr()
    assert f"interrupted; what was learned so far is in {tmp_path}/" in shown.err
    assert "--resume goes on after epoch 1" in shown.err
    assert sorted(contents(tmp_path)) == [
        "checkpoint.safetensors",
        "history.json",
        "weights.safetensors",
    ]
    weights, checkpoint = (
        mg.load(tmp_path / f"{name}.safetensors") for name in ("weights", "checkpoint")
    )
    # Three steps further than the last checkpoint.
    assert (weights["layers.0.kernel"] != checkpoint["model.layers.0.kernel"]).any()
    assert [record["epoch"] for record in records(tmp_path)] == [1]


def test_ctrl_c_in_the_first_epoch_promises_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_in_step(monkeypatch, 3)
    assert run(tmp_path) == 130
    shown = capsys.readouterr()
    assert f"what was learned so far is in {tmp_path}/" in shown.err
    assert "--resume" not in shown.err
    assert sorted(contents(tmp_path)) == ["history.json", "weights.safetensors"]
    assert records(tmp_path) == []


@pytest.mark.parametrize("missing", ["nothing", "checkpoint.safetensors", "weights.safetensors"])
def test_ctrl_c_in_the_first_epoch_leaves_an_earlier_run_whole(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
) -> None:
    """Two steps of learning are no match for a finished run, and --resume goes on with that."""
    assert run(tmp_path) == 0
    (tmp_path / missing).unlink(missing_ok=True)
    old = contents(tmp_path)
    capsys.readouterr()
    interrupt_in_step(monkeypatch, 3)
    assert run(tmp_path, "--lr", "0.001") == 130
    errors = capsys.readouterr().err
    assert f"no epoch was finished, so the earlier run is still in {tmp_path}/" in errors
    assert "learned so far" not in errors
    assert contents(tmp_path) == old


def test_ctrl_c_while_the_first_checkpoint_is_written_leaves_an_earlier_run_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path) == 0
    old, write = contents(tmp_path), Path.write_bytes

    def interrupted(self: Path, content: bytes) -> int:
        monkeypatch.setattr(Path, "write_bytes", write)
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", interrupted)
    assert run(tmp_path, "--seed", "8") == 130
    assert contents(tmp_path) == old


def test_ctrl_c_after_the_first_epoch_leaves_nothing_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(tmp_path) == 0
    old = contents(tmp_path)
    interrupt_in_step(monkeypatch, 9)
    assert run(tmp_path, "--seed", "8") == 130
    new = contents(tmp_path)
    assert sorted(new) == ["checkpoint.safetensors", "history.json", "weights.safetensors"]
    assert all(new[name] != old[name] for name in new)
    assert train.read_settings(tmp_path / "checkpoint.safetensors")["seed"] == 8
    assert [record["epoch"] for record in records(tmp_path)] == [1]


def test_a_run_without_a_convolution_leaves_no_filters_of_an_earlier_one(tmp_path: Path) -> None:
    assert run(tmp_path, "--epochs", "1") == 0
    assert (tmp_path / "filters.png").exists()
    assert run(tmp_path, "--epochs", "1", "--model", "mlp") == 0
    assert sorted(contents(tmp_path)) == [name for name in FILES if name != "filters.png"]


def test_ctrl_c_before_the_first_step_leaves_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "--epochs", "1") == 0
    old = contents(tmp_path)
    interrupt_in_step(monkeypatch, 1)
    assert run(tmp_path, "--seed", "8") == 130

    def interrupted(settings: dict[str, Any]) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_mnist, "load", interrupted)
    capsys.readouterr()
    assert run(tmp_path, "--seed", "8") == 130
    assert capsys.readouterr().err.strip() == "interrupted"
    assert contents(tmp_path) == old


def test_ctrl_c_while_drawing_keeps_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_mnist, "draw", interrupted)
    assert run(tmp_path) == 130
    assert len(records(tmp_path)) == 2
    mg.load(tmp_path / "weights.safetensors")


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_real_interrupt_signal(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from examples import train_mnist\n"
        "from tests.examples.test_train_mnist import small_data\n"
        "train_mnist.load = small_data\n"
        "sys.exit(train_mnist.main())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--model=mlp", "--epochs=100000", f"--out={tmp_path}"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch 2/"):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "what was learned so far is in" in errors
    assert "Traceback" not in errors
    assert len(records(tmp_path)) >= 2
    arrays = mg.load(tmp_path / "weights.safetensors")
    assert all(np.isfinite(array).all() for array in arrays.values())


# --- resuming what cannot be resumed --------------------------------------------------------------


def test_resuming_a_finished_run_says_again_what_it_reached(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == 0
    first, before = capsys.readouterr().out.splitlines(), contents(tmp_path)
    assert run(tmp_path, "--resume", "--epochs", "2", "--model", "tiny_cnn") == 0
    again = capsys.readouterr().out.splitlines()
    assert again[-1] == first[-1]
    assert not any(line.startswith("epoch") for line in again)
    assert contents(tmp_path)["weights.safetensors"] == before["weights.safetensors"]


@pytest.mark.parametrize(
    ("option", "value", "kept"),
    [
        ("--epochs", "5", "2"),
        ("--batch-size", "64", "32"),
        ("--lr", "0.5", "0.004"),
        ("--seed", "1", "0"),
        ("--model", "mlp", "tiny_cnn"),
        ("--dataset", "mnist", "digits"),
    ],
)
def test_an_option_that_contradicts_the_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, kept: str
) -> None:
    assert run(tmp_path) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(tmp_path, "--resume", option, value) == 1
    message = capsys.readouterr().err
    assert f"was made with {option} {kept}, not {value}" in message
    assert "start without --resume" in message
    assert contents(tmp_path) == before


def test_the_data_folder_is_remembered_and_may_have_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def load(settings: dict[str, Any]) -> Any:
        seen.append((settings["dataset"], settings["data_dir"]))
        return small_data(settings)

    monkeypatch.setattr(train_mnist, "load", load)
    assert run(tmp_path, "--dataset", "mnist", "--data-dir", "here") == 0
    assert run(tmp_path, "--resume") == 0
    assert run(tmp_path, "--resume", "--data-dir", "there") == 0
    assert seen == [("mnist", "here"), ("mnist", "here"), ("mnist", "there")]


@pytest.mark.parametrize("start", [["--dataset", "digits"], [], ["--resume"]])
def test_a_data_folder_for_drawn_digits_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: list[str]
) -> None:
    if "--resume" in start:
        assert run(tmp_path, "--epochs", "1") == 0
    before = contents(tmp_path)
    assert run(tmp_path, *start, "--data-dir", "here") == 1
    errors = capsys.readouterr().err
    assert "--data-dir is for --dataset mnist or fashion-mnist; digits are drawn" in errors
    assert contents(tmp_path) == before


def test_resuming_without_a_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none", "--resume") == 1
    assert "there is no" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["cut off", "weights", "another program's"])
def test_resuming_a_checkpoint_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert run(tmp_path) == 0
    path = tmp_path / "checkpoint.safetensors"
    if kind == "cut off":
        path.write_bytes(path.read_bytes()[:-100])
    elif kind == "weights":
        path.write_bytes((tmp_path / "weights.safetensors").read_bytes())
    else:
        model = mg.nn.Dense(2, 3)
        loader = mg.data.DataLoader((np.zeros((4, 2), np.float32), np.zeros(4, int)))
        train.fit(
            model,
            loader,
            optim.Adam(model.parameters()),
            epochs=1,
            checkpoint=path,
            settings={"lr": 1},
            progress=False,
        )
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(tmp_path, "--resume") == 1
    errors = capsys.readouterr().err
    assert errors.startswith("train_mnist: ")
    quoted = {"cut off": "is damaged", "weights": "is no checkpoint of fit"}
    assert quoted.get(kind, "was not made by this program") in errors
    assert contents(tmp_path) == before


# --- a run that diverges --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # overflow is the point
def test_a_rate_far_too_high_stops_with_the_step_and_leaves_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == 0
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(tmp_path, "--lr", "1e20") == 1
    errors = capsys.readouterr().err
    assert "the loss is" in errors and "of epoch 1" in errors and "smaller learning rate" in errors
    assert f"no epoch was finished, so the earlier run is still in {tmp_path}/" in errors
    assert contents(tmp_path) == before
    assert run(tmp_path / "new", "--lr", "1e20") == 1
    assert "no epoch was finished, so nothing was written" in capsys.readouterr().err
    assert contents(tmp_path / "new") == {}


def test_divergence_in_a_later_epoch_keeps_the_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    original, calls = optim.Adam.step, iter(range(1, 10**6))

    def spoil(self: optim.Adam) -> None:
        original(self)
        if next(calls) == 10:
            self.params[0].data[...] = np.nan

    monkeypatch.setattr(optim.Adam, "step", spoil)
    assert run(tmp_path) == 1
    errors = capsys.readouterr().err
    assert "the loss is nan in step 4 of epoch 2" in errors
    assert f"the last good weights are in {tmp_path}/" in errors
    arrays = mg.load(tmp_path / "weights.safetensors")
    kept = mg.load(tmp_path / "checkpoint.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, kept[f"model.{name}"])
    assert [record["epoch"] for record in records(tmp_path)] == [1]


# --- bad options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "quoted"),
    [
        (["--epochs", "0"], "argument --epochs: 0 must be above 0"),
        (["--epochs", "2.5"], "argument --epochs: invalid positive int value: '2.5'"),
        (["--batch-size", "-1"], "argument --batch-size"),
        (["--lr", "0"], "argument --lr: 0 must be above 0"),
        (["--lr", "nan"], "argument --lr: nan must be above 0"),
        (["--lr", "inf"], "argument --lr: inf must be above 0 and finite"),
        (["--seed", "-1"], "argument --seed: -1 must be at least 0"),
        (["--seed", "x"], "argument --seed: invalid whole number value: 'x'"),
        (["--model", "resnet"], "argument --model: invalid choice: 'resnet'"),
        (["--dataset", "cifar"], "argument --dataset: invalid choice: 'cifar'"),
        (["--unknown"], "unrecognized arguments: --unknown"),
    ],
)
def test_bad_options_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], quoted: str
) -> None:
    assert run(tmp_path / "out", *options) == 2
    assert quoted in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(settings: dict[str, Any]) -> Any:
        raise AssertionError("data were loaded")

    monkeypatch.setattr(train_mnist, "load", never)
    (tmp_path / "file").write_text("mine")
    assert run(tmp_path / "file") == 1
    assert run(tmp_path / "file" / "below") == 1
    assert capsys.readouterr().err.count("train_mnist: ") == 2
    assert (tmp_path / "file").read_text() == "mine"
    monkeypatch.setattr(train_mnist.os, "access", lambda path, mode: False)
    assert run(tmp_path / "read-only") == 1
    assert "read-only cannot be written to" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ValueError("train-images: not an IDX file"), OSError("no disk")])
def test_data_that_cannot_be_loaded(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def broken(settings: dict[str, Any]) -> Any:
        raise error

    monkeypatch.setattr(train_mnist, "load", broken)
    assert run(tmp_path) == 1
    assert capsys.readouterr().err == f"train_mnist: {error}\n"
    assert contents(tmp_path) == {}


def test_the_schedule_covers_the_run_exactly(tmp_path: Path) -> None:
    assert run(tmp_path) == 0
    _, metadata = mg.serialization.load_with_metadata(tmp_path / "checkpoint.safetensors")
    scheduler = json.loads(metadata["minigrad"])["scheduler"]
    assert scheduler["steps"] == scheduler["total_steps"] == 2 * math.ceil(200 / 32)
