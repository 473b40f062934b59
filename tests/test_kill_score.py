"""The planted mistakes: all are caught, nearly all named, and nothing right is called wrong."""

import numpy as np
import pytest

import minigrad as mg
from examples import kill_score
from examples.kill_score import MISTAKES
from examples.kill_score import __main__ as program
from examples.kill_score.catalogue import SQUARE, UNEQUAL
from examples.kill_score.correct import LAYERS, cases
from minigrad import nn
from minigrad.checks import NAMES, gradcheck, gradgradcheck

INCONCLUSIVE = {"float32", "kink", "rounding", "independent"}


@pytest.fixture(scope="module")
def results():
    return {result.mistake.title: result for result in program.score(MISTAKES)}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.title.replace(" ", "_"))
def test_every_mistake_is_caught(mistake, results):
    assert results[mistake.title].caught, results[mistake.title].report


def test_nearly_all_are_named_rightly(results):
    named = [result.named for result in results.values()]
    assert sum(named) >= 0.95 * len(named)


def test_the_catalogue():
    titles = [mistake.title for mistake in MISTAKES]
    assert len(titles) == len(set(titles)) >= 40
    expected = {name for mistake in MISTAKES for name in mistake.expected}
    assert expected == set(NAMES) - INCONCLUSIVE - {"unknown"}


def test_weak_settings_miss_what_they_are_blind_to(results):
    by_ones = {title for title, result in results.items() if not result.caught_by_ones}
    on_squares = {title for title, result in results.items() if not result.caught_on_squares}
    # A sum that is constant; cells that only moved; the gradient that comes in.
    assert by_ones >= {
        "softmax: 0 (ones cannot see it)",
        "batch norm: the input's gradient is 0",
        "transpose: reshaped back",
        "tanh: the incoming gradient forgotten",
    }
    # Two axes taken for each other.
    assert on_squares >= {
        "average: divided by kh * kh",
        "cross-entropy: divided by the number of classes",
        "input: strides of the axes exchanged",
        "concatenate: split in the middle whatever the sizes",
    }
    assert len(by_ones) >= 15 and len(on_squares) >= 10


@pytest.mark.parametrize("sizes", [UNEQUAL, SQUARE], ids=["unequal", "square"])
def test_mistakes_are_built_alike_from_equal_seeds(sizes):
    for mistake in MISTAKES:
        (first, inputs), (second, _) = (
            mistake.build(sizes, np.random.default_rng(4)) for _ in range(2)
        )
        tensors = [mg.tensor(value) for value in inputs]
        values = [fn(*tensors).data for fn in (first, second)]
        np.testing.assert_array_equal(*values)
        assert np.isfinite(values[0]).all()


def test_sizes_are_unequal():
    groups = (
        (UNEQUAL.rows, UNEQUAL.inner, UNEQUAL.columns),
        (*UNEQUAL.images, UNEQUAL.filters, *UNEQUAL.kernel),
        UNEQUAL.stride,
        sum(UNEQUAL.pads, ()),
    )
    for group in groups:
        assert len(set(group)) == len(group)


def test_every_layer_is_among_the_correct_cases():
    kinds = {type(make()).__name__ for make, _ in LAYERS}
    layers = {name for name in nn.__all__ if issubclass(getattr(nn, name), nn.Module)} - {"Module"}
    assert kinds == layers


@pytest.mark.slow
def test_nothing_in_the_library_is_called_wrong():
    """Not even inconclusive."""
    made, alarms = program.false_alarms()
    assert made > 1000
    assert not alarms, "\n".join(f"{name}: {report}" for name, report in alarms)


def test_no_layer_is_called_wrong():
    for name, function, inputs, _ in list(cases())[: len(LAYERS)]:
        assert name.startswith("nn.")
        assert gradcheck(function, inputs) and gradgradcheck(function, inputs), name


# --- the command ----------------------------------------------------------------------------------


def test_the_table(capsys, monkeypatch):
    few = [mistake for mistake in MISTAKES if mistake.title.startswith("softmax: ")]
    monkeypatch.setattr(program, "MISTAKES", few)
    monkeypatch.setattr(program, "cases", lambda: iter([("relu", abs, (np.ones(3),), 1)]))
    assert program.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("softmax: 0")).split("  ")
    assert [cell.strip() for cell in row if cell.strip()][1:] == ["yes", "zero", "yes", "NO", "yes"]
    assert f"{len(few):4} = 100%  caught at the defaults" in lines
    assert "   0 false alarms in 1 check of the library's operators and layers" in lines


def test_a_missed_mistake_and_a_false_alarm_end_in_an_error(capsys, monkeypatch):
    right = kill_score.Mistake("none", "none", ("sign",), lambda s, r: (abs, (np.ones(3),)))
    monkeypatch.setattr(program, "MISTAKES", [right])
    monkeypatch.setattr(program, "cases", lambda: iter([]))
    assert program.main([]) == 1
    assert "   0 =   0%  caught at the defaults" in capsys.readouterr().out

    sign = next(mistake for mistake in MISTAKES if mistake.expected == ("sign",))
    function, inputs = sign.build(UNEQUAL, np.random.default_rng(0))
    monkeypatch.setattr(program, "MISTAKES", [sign])
    monkeypatch.setattr(program, "cases", lambda: iter([("subtract", function, inputs, 1)]))
    assert program.main([]) == 1
    text = capsys.readouterr().out
    assert "   1 false alarm in 1 check of" in text and "subtract: gradcheck of" in text


def test_single_mistakes_with_what_the_checker_says(capsys):
    assert program.main(["--only", "kh * kh"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("average: divided by kh * kh\n") and "factor: too large" in text
    assert program.main(["--only", "nothing has this"]) == 2
    assert "'nothing has this'" in capsys.readouterr().err
