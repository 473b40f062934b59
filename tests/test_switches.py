"""The switch between fast paths and plain compositions."""

import subprocess
import sys
from pathlib import Path

import pytest

import minigrad as mg
from minigrad.switches import fast_paths_enabled


@pytest.mark.parametrize("flag", [True, False])
def test_inside_and_after(flag):
    before = fast_paths_enabled()
    with mg.fast_paths(flag):
        assert fast_paths_enabled() is flag
        with mg.fast_paths(not flag):
            assert fast_paths_enabled() is not flag
        assert fast_paths_enabled() is flag
    assert fast_paths_enabled() is before


def test_after_an_error():
    before = fast_paths_enabled()
    with pytest.raises(RuntimeError), mg.fast_paths(not before):
        raise RuntimeError
    assert fast_paths_enabled() is before


@pytest.mark.parametrize(("value", "expected"), [("0", "False"), ("1", "True"), (None, "True")])
def test_environment(value, expected, monkeypatch):
    if value is None:
        monkeypatch.delenv("MINIGRAD_FAST_PATHS", raising=False)
    else:
        monkeypatch.setenv("MINIGRAD_FAST_PATHS", value)
    program = "from minigrad.switches import fast_paths_enabled; print(fast_paths_enabled())"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == expected
