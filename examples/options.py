"""What programs understand on the command line, for argparse.

- `at_least`, `sizes`, `padding`: kinds of options.
- `Parser`: for programs that may run in several processes at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from minigrad import distributed

LARGEST = 4096  # along a side: weights or images of more would fill the memory


class Parser(argparse.ArgumentParser):
    """Says everything once, however many processes read the same command line."""

    def error(self, message: str) -> NoReturn:
        """As argparse says it."""
        distributed.abort(f"{self.format_usage()}{self.prog}: error: {message}", code=2)

    def print_help(self, file: Any = None) -> None:
        """The text of --help."""
        if distributed.rank() == 0:
            super().print_help(file)


def at_least(minimum: int) -> Callable[[str], int]:
    """A whole number of this size or more."""

    def number(text: str) -> int:
        value = int(text)
        if value < minimum:
            raise argparse.ArgumentTypeError(f"{text} must be at least {minimum}")
        return value

    number.__name__ = "whole number"  # invalid whole number value: 'x'
    return number


def sizes(*counts: int) -> Callable[[str], tuple[int, ...]]:
    """Whole numbers with x between them, so many of them; one stands for two."""

    def read(text: str) -> tuple[int, ...]:
        parts = text.lower().split("x")
        whole = all(part.isdecimal() for part in parts)
        if len(parts) not in counts or not whole or max(map(int, parts)) > LARGEST:
            form = "x".join("HWC"[: max(counts)])
            raise argparse.ArgumentTypeError(
                f"{text!r} must be whole numbers up to {LARGEST} in the form {form}"
            )
        numbers = tuple(int(part) for part in parts)
        return numbers * 2 if len(numbers) == 1 else numbers

    return read


def padding(text: str) -> str | tuple[int, ...] | tuple[tuple[int, int], tuple[int, int]]:
    """A padding word, or numbers of cells."""
    if "," in text:
        sides = text.split(",")
        if len(sides) != 4 or not all(side.isdecimal() for side in sides):
            raise argparse.ArgumentTypeError(
                f"{text!r} must be four whole numbers in the form top,bottom,left,right"
            )
        top, bottom, left, right = (int(side) for side in sides)
        return (top, bottom), (left, right)
    return sizes(1, 2)(text) if text[:1].isdecimal() else text
