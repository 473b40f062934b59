"""`python -m examples.watch_training`: what it prints and writes, and which moments it shows."""

import re

import numpy as np
import pytest
from PIL import Image

from examples import watch_training
from minigrad import nn

SMALL = ["--steps", "6", "--frames", "4"]


@pytest.fixture(autouse=True)
def _few_digits(monkeypatch, tmp_path):
    """So few that the test is quick; kept in a folder of the test, not in the user's."""
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(watch_training, "DIGITS_FOR_TRAINING", 80)
    monkeypatch.setattr(watch_training, "DIGITS_FOR_TESTING", 50)


@pytest.mark.parametrize("model", ["tiny_cnn", "lenet5"])
def test_a_film_and_a_picture_of_the_trained_network(model, tmp_path, capsys):
    outputs = []
    for folder in ("first", "second"):
        out = tmp_path / folder
        assert watch_training.main([*SMALL, "--model", model, "--out", str(out)]) == 0
        assert {path.name for path in out.iterdir()} == {"training.gif", "feature_maps.png"}
        outputs.append(capsys.readouterr().out.replace(str(out), ""))
    assert outputs[0] == outputs[1]
    for name in ("training.gif", "feature_maps.png"):  # the same bytes in every run
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
        assert first == second
    with Image.open(tmp_path / "first" / "training.gif") as film:
        assert film.n_frames == 4
    accuracy = re.match(
        rf"{model}, 6 steps on digits: (\d+\.\d)% of 50 held-out digits read right", outputs[0]
    )
    assert 0 <= float(accuracy[1]) <= 100
    assert "4 moments of training: " in outputs[0]


def test_it_learns():
    """Two clouds of points far apart."""
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=40)
    points = rng.normal(size=(40, 2)) + 6 * labels[:, None]
    model = nn.Dense(2, 2, rng=rng)
    record = watch_training.watched(model, (points.astype(np.float32), labels), 60, 5, lr=0.1)
    assert record.steps == [0, 4, 15, 34, 60]
    assert record.losses[-1] < 0.3 * record.losses[0]
    # The last moment is the finished network.
    np.testing.assert_array_equal(record.model_at(-1).weight.data, model.weight.data)


def test_moments_begin_at_0_and_end_at_the_last_step():
    assert watch_training.moments(300, 4) == [0, 33, 133, 300]
    assert watch_training.moments(2, 40) == [0, 1, 2]


def test_digits_that_differ():
    labels = np.array([3, 3, 0, 3, 5, 0, 9])
    images = np.arange(7.0)
    shown, their_labels = watch_training.different((images, labels), 3)
    assert (shown.tolist(), their_labels.tolist()) == ([0.0, 2.0, 4.0], [3, 0, 5])


def test_mnist_is_read_from_a_folder(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    asked = []

    def mnist(split, data_dir):
        asked.append((split, data_dir))
        return rng.random((30, 28, 28, 1), dtype=np.float32), rng.integers(10, size=30)

    monkeypatch.setattr(watch_training.data, "mnist", mnist)
    arguments = ["--dataset", "mnist", "--data-dir", "here", "--out", str(tmp_path), *SMALL]
    assert watch_training.main(arguments) == 0
    assert asked == [("train", "here"), ("test", "here")]
    assert "on mnist: " in capsys.readouterr().out


def test_a_folder_for_drawn_digits_is_refused(tmp_path, capsys):
    assert watch_training.main(["--data-dir", "here", "--out", str(tmp_path)]) == 1
    assert "watch_training: --data-dir is for --dataset mnist" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--frames", "1"], ["--seed", "-1"]])
def test_numbers_out_of_range_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        watch_training.parse(arguments)
    assert "must be at least" in capsys.readouterr().err
