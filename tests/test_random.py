"""The library's randomness: repeatable when asked to be, and saved and restored exactly."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import random

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def leave_the_stream_as_it_was() -> Iterator[None]:
    state = random.get_state()
    yield
    random.set_state(state)


@pytest.mark.parametrize("seed", [0, 5, 2**100])
def test_a_seed_gives_the_stream_of_numpys_generator(seed: int) -> None:
    random.manual_seed(seed)
    expected = np.random.Generator(np.random.PCG64(seed)).standard_normal(7)
    np.testing.assert_array_equal(random.generator().standard_normal(7), expected)


def test_another_seed_gives_another_stream() -> None:
    random.manual_seed(5)
    first = random.generator().random(7)
    random.manual_seed(np.int64(6))
    assert (random.generator().random(7) != first).all()


def test_who_holds_the_generator_follows_a_new_seed() -> None:
    held = random.generator()
    random.manual_seed(8)
    first = held.random()
    random.manual_seed(8)
    assert random.generator() is held
    assert random.generator().random() == first


def test_threads_that_are_first_at_the_same_time_get_one_generator() -> None:
    program = """
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from minigrad import random

def ask(_):
    together.wait()
    return random.generator()

together = Barrier(8)
with ThreadPoolExecutor(8) as threads:
    print(len(set(threads.map(ask, range(8)))))
"""
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "1"


def test_seeding_also_forgets_half_used_draws() -> None:
    """32-bit draws come in pairs out of one 64-bit number; no second half may be left over."""
    draws = []
    for warm_up in (0, 1):
        random.generator().integers(0, 2**32, warm_up, dtype=np.uint32)
        random.manual_seed(9)
        draws.append(random.generator().integers(0, 2**32, 3, dtype=np.uint32).tolist())
    assert draws[0] == draws[1]


def test_unseeded_programs_differ() -> None:
    """Two processes, neither of them seeded, draw different numbers."""
    program = "from minigrad.random import generator; print(generator().integers(2**63))"
    first, second = (
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    )
    assert first.stdout != second.stdout


@pytest.mark.parametrize("drawn", [0, 1, 2])
def test_state_goes_through_json(drawn: int) -> None:
    random.manual_seed(11)
    random.generator().integers(0, 2**32, drawn, dtype=np.uint32)
    saved = json.dumps(random.get_state())
    expected = random.generator().integers(0, 2**32, 5, dtype=np.uint32)
    random.generator().random(4)
    random.set_state(json.loads(saved))
    np.testing.assert_array_equal(
        random.generator().integers(0, 2**32, 5, dtype=np.uint32), expected
    )


def test_a_saved_state_does_not_move_on() -> None:
    state = random.get_state()
    before = json.dumps(state)
    random.generator().random(3)
    assert json.dumps(state) == before


def test_resolve() -> None:
    mine = np.random.default_rng(0)
    assert random.resolve(mine) is mine
    assert random.resolve(None) is random.generator()


@pytest.mark.parametrize("bad", [3, "seed", np.random.RandomState(0), np.random.PCG64(0)])
def test_resolve_refuses_what_is_no_generator(bad: Any) -> None:
    message = (
        rf"Dropout: rng must be a numpy\.random\.Generator or None, got .*{type(bad).__name__}"
    )
    with pytest.raises(TypeError, match=message):
        random.resolve(bad, "Dropout")


@pytest.mark.parametrize(
    ("seed", "error", "message"),
    [
        (-1, ValueError, "manual_seed: seed must be 0 or more, got -1"),
        (1.0, TypeError, r"manual_seed: seed must be an integer, got 1\.0 \(float\)"),
        (True, TypeError, r"manual_seed: seed must be an integer, got True \(bool\)"),
        (None, TypeError, r"manual_seed: seed must be an integer, got None \(NoneType\)"),
    ],
)
def test_bad_seeds_are_refused(seed: Any, error: type[Exception], message: str) -> None:
    before = random.get_state()
    with pytest.raises(error, match=message):
        random.manual_seed(seed)
    assert random.get_state() == before


GOOD_STATE = dict(np.random.PCG64(12).state)
BAD_STATES: dict[str, Any] = {
    "empty": {},
    "None": None,
    "list": [1, 2],
    "another generator": GOOD_STATE | {"bit_generator": "MT19937"},
    "incomplete": {name: value for name, value in GOOD_STATE.items() if name != "has_uint32"},
    "no increment": GOOD_STATE | {"state": {"state": 1}},
    "negative": GOOD_STATE | {"state": {"state": -1, "inc": 3}},
    "string": GOOD_STATE | {"state": {"state": "1", "inc": 3}},
    "float": GOOD_STATE | {"state": {"state": 3.5e37, "inc": 3}},
    "too large": GOOD_STATE | {"uinteger": 2**40},
}


@pytest.mark.parametrize("name", BAD_STATES)
def test_bad_states_are_refused(name: str) -> None:
    before = random.get_state()
    with pytest.raises(ValueError, match="set_state: state must be a dict that get_state returned"):
        random.set_state(BAD_STATES[name])
    assert random.get_state() == before
