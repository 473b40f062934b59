"""`python -m examples.learn_a_filter`: the kernel is found where it can be found."""

import numpy as np
import pytest
from PIL import Image

from examples import learn_a_filter
from minigrad import nn
from minigrad.article import FILTERS
from tests import oracles


@pytest.fixture
def small(monkeypatch):
    """Pictures that are learned from in a moment."""
    monkeypatch.setattr(learn_a_filter, "HEIGHT", 26)
    monkeypatch.setattr(learn_a_filter, "WIDTH", 37)
    monkeypatch.setattr(learn_a_filter, "FRAMES", 6)


def learned(true, picture, steps, seed=0):
    """(kernels, losses) of learning from a picture (H, W)."""
    x = picture[None, :, :, None]
    target = oracles.conv2d(x, true[:, :, None, None])
    rng = np.random.default_rng(seed)
    conv = nn.Conv2D(1, 1, 3, padding="VALID", bias=False, rng=rng).astype(np.float64)
    return learn_a_filter.learn(conv, x, target, steps)


@pytest.mark.parametrize("name", ["sobel_x", "outline", "emboss"])
def test_the_kernel_is_found_from_the_scene(name, small):
    picture = learn_a_filter.draw("scene", np.random.default_rng(0))
    kernels, losses = learned(FILTERS[name], picture, 1200)
    assert len(kernels) == len(losses) == 1201
    assert np.abs(kernels[0] - FILTERS[name]).max() > 0.5
    assert np.abs(kernels[-1] - FILTERS[name]).max() < 1e-3
    assert losses[-1] < 1e-8 * losses[0]


def test_kernels_and_losses_belong_together(small):
    picture = learn_a_filter.draw("noise", np.random.default_rng(0))
    kernels, losses = learned(FILTERS["sobel_y"], picture, 5)
    x = picture[None, :, :, None]
    for kernel, loss in zip(kernels, losses, strict=True):
        difference = oracles.conv2d(x, (kernel - FILTERS["sobel_y"])[:, :, None, None])
        assert loss == pytest.approx(np.mean(difference**2))


@pytest.mark.parametrize(("name", "expected"), [("constant", 1), ("ramp", 2)])
def test_a_picture_that_shows_too_little_leaves_most_of_the_kernel_as_it_began(
    name, expected, small
):
    """The result comes out right, the kernel does not."""
    picture = learn_a_filter.draw(name, np.random.default_rng(0))
    assert learn_a_filter.rank(picture[None, :, :, None]) == expected
    true = FILTERS["sobel_x"]
    for seed in (0, 1):
        kernels, losses = learned(true, picture, 1500, seed)
        assert losses[-1] < 1e-8
        assert np.abs(kernels[-1] - true).max() > 0.2
        # What such a picture shows: the sum, and along a ramp the sum of each column, in part.
        assert kernels[-1].sum() == pytest.approx(true.sum(), abs=1e-3)
        # Gradients cannot change what the picture does not show.
        moved = kernels[-1] - kernels[0]
        assert np.ptp(moved, axis=0).max() < 1e-9
        if name == "constant":
            assert np.ptp(moved) < 1e-9


def test_scene_and_noise_show_all_of_it(small):
    for name in ("scene", "noise"):
        picture = learn_a_filter.draw(name, np.random.default_rng(0))
        assert picture.shape == (26, 37)
        assert learn_a_filter.rank(picture[None, :, :, None]) == 9


def test_what_it_prints_and_writes(tmp_path, capsys, small):
    arguments = ["--filter", "sobel_y", "--out", str(tmp_path)]
    assert learn_a_filter.main(arguments) == 0
    text = capsys.readouterr().out
    assert "sobel_y, learned from 26x37 pixels that show: scene" in text
    assert "  -1.0000  -2.0000  -1.0000     -1.0000  -2.0000  -1.0000" in text
    error = float(text.split("largest error of a weight: ")[1].split()[0])
    assert error < 1e-3
    steps = learn_a_filter.early_steps(1200, learn_a_filter.FRAMES)
    assert len(steps) == 7 and steps[:2] == [0, 1] and steps[-1] == 1200
    with Image.open(tmp_path / "learning.gif") as film:
        assert film.n_frames == len(steps)
    with Image.open(tmp_path / "kernels.png") as figure:
        assert figure.width > 800


def test_it_says_when_the_kernel_cannot_be_found(tmp_path, capsys, small):
    assert learn_a_filter.main(["--input", "ramp", "--steps", "40", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "im2col of the picture has rank 2, and there are 9 weights" in text


def test_too_few_steps_are_a_failure(tmp_path, capsys, small):
    assert learn_a_filter.main(["--steps", "3", "--out", str(tmp_path)]) == 1
    assert "it needs more than --steps 3" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--filter", "none"], ["--steps", "0"], ["--input", "sky"]])
def test_bad_options(arguments, capsys):
    with pytest.raises(SystemExit):
        learn_a_filter.main(arguments)
    assert arguments[0] in capsys.readouterr().err
