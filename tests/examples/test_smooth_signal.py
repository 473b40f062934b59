"""`python -m examples.smooth_signal`: what smoothing keeps, what it takes away, what is printed."""

import re

import numpy as np
import pytest
from PIL import Image

from examples import smooth_signal
from examples.smooth_signal import smooth, triangle


# article: E3
@pytest.mark.parametrize("padding", ["FULL", "VALID"])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_smoothing_is_true_convolution(size, padding):
    rng = np.random.default_rng(0)
    signal, weights = rng.standard_normal(11), rng.standard_normal(size)
    expected = np.convolve(signal, weights, padding.lower())
    np.testing.assert_allclose(smooth(signal, weights, padding), expected, rtol=1e-12, atol=1e-12)


# article: E1
@pytest.mark.parametrize("weights", [[0.1, 0.3, 0.6], [0.5, 0.25, -0.25, 0.75], [2.0], [0.2, 0.2]])
def test_a_constant_stays_away_from_the_ends_if_and_only_if_the_weights_sum_to_1(weights):
    weights, constant = np.array(weights), np.full(9, 3.0)
    result = smooth(constant, weights, "SAME")
    before = (len(weights) - 1) // 2
    inner = result[before : 9 - (len(weights) - 1 - before)]
    np.testing.assert_allclose(inner, 3.0 * weights.sum())
    assert np.allclose(inner, 3.0) == (abs(weights.sum() - 1) < 1e-12)
    if len(weights) > 1:  # at the ends the zeros beyond them take part
        assert abs(result[-1] - 3.0 * weights.sum()) > 0.1


# article: E1
@pytest.mark.parametrize("weights", [triangle(3), np.full(8, 0.125), np.array([0.9, -0.4, 0.5])])
def test_the_variance_of_white_noise_is_multiplied_by_the_sum_of_squares(weights):
    """100,000 samples; the deviation of the measured ratio is about a percent of it or less."""
    noise = 0.7 * np.random.default_rng(3).standard_normal(100_000)
    ratio = smooth(noise, weights).var() / noise.var()
    assert ratio == pytest.approx(np.sum(weights**2), rel=0.04)


# article: E1
def test_weights_are_heavier_near_t_and_sum_to_1():
    weights = triangle(4)
    assert len(weights) == 9
    assert weights.sum() == pytest.approx(1)
    assert (np.diff(weights)[:4] > 0).all() and (np.diff(weights)[4:] < 0).all()
    np.testing.assert_array_equal(weights, weights[::-1])
    assert triangle(0).tolist() == [1]


def test_what_it_prints_and_writes(tmp_path, capsys):
    arguments = ["--reach", "2", "--length", "50", "--noise", "0.5", "--out", str(tmp_path)]
    assert smooth_signal.main(arguments) == 0
    text = capsys.readouterr().out
    assert "weights: 0.111 0.222 0.333 0.222 0.111" in text
    assert "weights that sum to 1.0 turn a constant 3 into 3.0000" in text
    assert "weights that sum to 1.1 turn a constant 3 into 3.3000" in text
    assert "into 2.0000)" in text  # two thirds of the weights see the signal at its ends
    measured = float(re.search(r": ([\d.]+) of it", text)[1])
    assert "sum of the squares of the weights: 0.2346" in text  # 19 / 81
    assert measured == pytest.approx(19 / 81, rel=0.02)
    with (
        Image.open(tmp_path / "signal.png") as figure,
        Image.open(tmp_path / "flip_and_slide.gif") as film,
    ):
        assert figure.width > 1000
        assert film.n_frames == 1 + 12 + 3 - 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--length", "0"], "argument --length: 0 must be at least 1"),
        (["--reach", "-1"], "argument --reach: -1 must be at least 0"),
        (["--noise", "nan"], "argument --noise: nan must be at least 0, and finite"),
        (["--noise", "inf"], "argument --noise: inf must be at least 0, and finite"),
        (["--length", "2001"], "argument --length: 2001 must be at most 2000"),
        (["--reach", "30"], "argument --reach: 30 must be at most 29"),
    ],
)
def test_bad_options(arguments, message, capsys):
    with pytest.raises(SystemExit):
        smooth_signal.main(arguments)
    assert message in capsys.readouterr().err


def test_more_weights_than_values(tmp_path, capsys):
    arguments = ["--length", "4", "--reach", "2", "--out", str(tmp_path)]
    assert smooth_signal.main(arguments) == 1
    assert "weights of shape (5,) are longer than signal" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
