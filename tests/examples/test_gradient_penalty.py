"""`python -m examples.gradient_penalty`: the penalty holds the slope; the distance comes out."""

import re

import numpy as np
import pytest

from examples import gradient_penalty
from minigrad.checks import gradcheck


def printed_numbers(text):
    """Per line of the output: slope and distance."""
    return {
        line.split("  ")[0].strip(): tuple(
            float(number) for number in re.findall(r"(?:slope|distance) +(-?[\d.]+)", line)
        )
        for line in text.splitlines()
    }


def test_the_critic_finds_the_distance(capsys):
    assert gradient_penalty.main([]) == 0
    numbers = printed_numbers(capsys.readouterr().out)
    (slope_before, distance_before), (slope, distance) = (
        numbers["before"],
        numbers["after 400 steps"],
    )
    assert numbers["in truth"] == (1.0, 5.0)
    assert abs(distance_before - 5) > 1 and abs(slope_before - 1) > 0.2
    # Where the penalty gives way: a slope of 1 + 5 / 200.
    assert slope == pytest.approx(1.025, abs=0.02)
    assert distance == pytest.approx(1.025 * 5, abs=0.15)


def test_without_the_penalty_the_slope_runs_away(capsys):
    assert gradient_penalty.main(["--penalty", "0", "--steps", "150"]) == 0
    assert printed_numbers(capsys.readouterr().out)["after 150 steps"][0] > 3


def test_the_slope_is_the_length_of_the_gradient():
    rng = np.random.default_rng(1)
    critic = gradient_penalty.make_critic(rng).astype(np.float64)
    points = rng.normal(size=(4, 2))
    slopes = gradient_penalty.steepness(critic, points).numpy()
    step = 1e-6

    def height(x, y):
        return critic(points + step * np.array([x, y])).detach().numpy()[:, 0]

    by_x, by_y = height(1, 0) - height(-1, 0), height(0, 1) - height(0, -1)
    np.testing.assert_allclose(slopes, np.hypot(by_x, by_y) / (2 * step), rtol=1e-6)


def test_the_penalty_can_be_differentiated():
    rng = np.random.default_rng(2)
    critic = gradient_penalty.make_critic(rng).astype(np.float64)
    points = rng.normal(size=(3, 2))

    def penalty(weight):
        critic[2].weight = weight
        return (gradient_penalty.steepness(critic, points, create_graph=True) - 1.0).square().mean()

    assert gradcheck(penalty, critic[2].weight.data)


@pytest.mark.parametrize("arguments", [["--steps", "0"], ["--penalty", "-1"]])
def test_arguments_are_checked(arguments, capsys):
    with pytest.raises(SystemExit):
        gradient_penalty.main(arguments)
    assert "must be at least" in capsys.readouterr().err
