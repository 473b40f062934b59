"""Keeping freed memory: what is asked of the C library, and when nothing is."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from minigrad import allocator

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3


class Library:
    """A C library as ctypes shows it; `largest` is the highest mmap threshold it takes."""

    def __init__(self, largest: int = 1 << 40) -> None:
        self.calls: list[tuple[int, int]] = []
        self.largest = largest
        self.gnu_get_libc_version = lambda: b"2.36"

    def mallopt(self, parameter: int, value: int) -> int:
        if parameter == M_MMAP_THRESHOLD and value > self.largest:
            return 0
        self.calls.append((parameter, value))
        return 1


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    """Linux with a C library that only takes notes."""
    library = Library()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.delenv("MINIGRAD_KEEP_MEMORY", raising=False)
    return library


def test_glibc_is_told_to_keep_memory(library: Library) -> None:
    assert allocator.keep_freed_memory()
    settings = dict(library.calls)
    assert settings.keys() == {M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD}
    # mallopt takes C ints.
    assert all(0 < value < 2**31 for value in settings.values())
    assert settings[M_MMAP_THRESHOLD] >= 256 << 20


def test_older_glibc_takes_thresholds_up_to_32_mib(library: Library) -> None:
    """Before version 2.35 a larger one is refused; the other settings must be made all the same."""
    library.largest = 32 << 20
    assert allocator.keep_freed_memory()
    settings = dict(library.calls)
    assert settings.keys() == {M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD}
    assert settings[M_MMAP_THRESHOLD] == 32 << 20


def test_the_variable_switches_it_off(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_KEEP_MEMORY", "0")
    assert not allocator.keep_freed_memory()
    assert library.calls == []
    monkeypatch.setenv("MINIGRAD_KEEP_MEMORY", "1")
    assert allocator.keep_freed_memory()


@pytest.mark.parametrize("system", ["darwin", "win32", "freebsd14", "emscripten"])
def test_nothing_is_set_on_other_systems(
    library: Library, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(allocator.sys, "platform", system)
    assert not allocator.keep_freed_memory()
    assert library.calls == []


@pytest.mark.parametrize("missing", ["gnu_get_libc_version", "mallopt"])
def test_nothing_is_set_in_other_c_libraries(
    library: Library, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """musl has neither: its mallopt would mean something else if it had one."""
    other = type("Other", (), {"mallopt": library.mallopt, "gnu_get_libc_version": None})()
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: other)
    delattr(type(other), missing)
    assert not allocator.keep_freed_memory()
    assert library.calls == []


def test_nothing_happens_where_the_library_cannot_be_opened(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(name: Any) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(allocator.ctypes, "CDLL", refuse)
    assert not allocator.keep_freed_memory()


@pytest.mark.parametrize(("value", "called"), [("0", False), ("1", True), (None, True)])
def test_importing_minigrad_asks_for_it_unless_switched_off(
    value: str | None, called: bool
) -> None:
    program = (
        "import ctypes, sys\n"
        "calls = []\n"
        "class Library:\n"
        "    gnu_get_libc_version = None\n"
        "    mallopt = staticmethod(lambda *setting: calls.append(setting) or 1)\n"
        "sys.platform, ctypes.CDLL, original = 'linux', lambda *a, **k: Library, ctypes.CDLL\n"
        "import numpy, minigrad\n"
        "print(len(calls) > 0)\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "MINIGRAD_KEEP_MEMORY"}
    if value is not None:
        environment["MINIGRAD_KEEP_MEMORY"] = value
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [str(called)]


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not sys.platform.startswith("linux"),
    reason="the setting is glibc's",
)
def test_freed_memory_comes_back_without_page_faults() -> None:
    """What it is for: the same arrays again and again cost fresh pages only the first time."""
    program = (
        "import resource, numpy, minigrad\n"
        "def step():\n"
        "    return len([numpy.ones(375_000) for _ in range(20)])  # 3 MB each\n"
        "def faults():\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "step()\n"
        "before = faults()\n"
        "for _ in range(5): step()\n"
        "print(faults() - before)\n"
    )
    counts = [
        int(
            subprocess.run(
                [sys.executable, "-c", program],
                cwd=Path(__file__).parents[1],
                env={**os.environ, "MINIGRAD_KEEP_MEMORY": value},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for value in ("0", "1")
    ]
    assert counts[1] < counts[0] / 10
