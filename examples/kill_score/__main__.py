"""How much does the gradient check see? Planted mistakes against `mg.gradcheck`.

    python -m examples.kill_score                # the table, and the library's own operators
    python -m examples.kill_score --only conv    # mistakes whose kind or title holds a word, with
                                                 # what the checker says of each

Every mistake is tried three times: at the defaults (random cotangents, unequal sizes), with an
incoming gradient of ones, and on square shapes. The last two are how gradients are often tested;
what they miss is why the defaults are what they are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minigrad.checks import GradcheckReport, gradcheck, gradgradcheck

from . import MISTAKES
from .catalogue import SQUARE, UNEQUAL, Mistake, Sizes
from .correct import cases


@dataclass(frozen=True)
class Result:
    """How one planted mistake fared.

    Attributes:
        report: at the defaults.
        caught, caught_by_ones, caught_on_squares: at the defaults and in the two weak settings.
        named: whether the diagnosis at the defaults is one of those expected.
    """

    mistake: Mistake
    report: GradcheckReport
    caught_by_ones: bool
    caught_on_squares: bool

    @property
    def caught(self) -> bool:
        """Whether the gradient is called wrong."""
        return self.report.verdict == "wrong"

    @property
    def diagnosis(self) -> str:
        """The name of the diagnosis, "" without one."""
        return self.report.diagnosis.name if self.report.diagnosis else ""

    @property
    def named(self) -> bool:
        """Whether it is called wrong for the right reason."""
        return self.caught and self.diagnosis in self.mistake.expected


def check(mistake: Mistake, sizes: Sizes, cotangent: str = "random") -> GradcheckReport:
    """What the checker says of a planted mistake."""
    function, inputs = mistake.build(sizes, np.random.default_rng(0))
    checker = gradcheck if mistake.order == 1 else gradgradcheck
    return checker(function, inputs, cotangent=cotangent, raise_exception=False)


def score(mistakes: Iterable[Mistake]) -> list[Result]:
    """Try every mistake in the three settings."""
    return [
        Result(
            mistake,
            check(mistake, UNEQUAL),
            check(mistake, UNEQUAL, "ones").verdict == "wrong",
            check(mistake, SQUARE).verdict == "wrong",
        )
        for mistake in mistakes
    ]


def false_alarms() -> tuple[int, list[tuple[str, GradcheckReport]]]:
    """How many checks of the library were made, and those that found something wrong."""
    made, alarms = 0, []
    for name, function, inputs, order in cases():
        for checker in (gradcheck, gradgradcheck)[:order]:
            made += 1
            report: Any = checker(function, inputs, raise_exception=False)
            if not report:
                alarms.append((name, report))
    return made, alarms


def print_table(results: Sequence[Result]) -> None:
    """One line per mistake, grouped by kind, and the sums."""
    width = max(len(result.mistake.title) for result in results)
    print(f"{'':{width}}  caught  diagnosis             named  by ones  on squares")
    group = ""
    for result in results:
        if result.mistake.group != group:
            group = result.mistake.group
            print(f"\n{group}")
        print(
            f"{result.mistake.title:{width}}  {_yes(result.caught):6}  {result.diagnosis:20}  "
            f"{_yes(result.named):5}  {_yes(result.caught_by_ones):7}  "
            f"{_yes(result.caught_on_squares)}"
        )
    print(f"\n{len(results)} planted mistakes")
    for words, count in (
        ("caught at the defaults", sum(result.caught for result in results)),
        ("named rightly", sum(result.named for result in results)),
        ("caught by an incoming gradient of ones", sum(r.caught_by_ones for r in results)),
        ("caught on square shapes", sum(r.caught_on_squares for r in results)),
    ):
        print(f"{count:4} = {count / len(results):4.0%}  {words}")


def _yes(value: bool) -> str:
    return "yes" if value else "NO"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; 1 where a mistake is missed or something right is called wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.kill_score", description="Planted mistakes against mg.gradcheck."
    )
    parser.add_argument("--only", metavar="WORD", help="mistakes whose kind or title holds it")
    options = parser.parse_args(arguments)
    if options.only:
        word = options.only.lower()
        chosen = [m for m in MISTAKES if word in m.group.lower() or word in m.title.lower()]
        if not chosen:
            print(f"no planted mistake has {options.only!r} in its kind or title", file=sys.stderr)
            return 2
        for mistake in chosen:
            print(f"{mistake.title}\n  {check(mistake, UNEQUAL)}\n".replace("\n ", "\n    "))
        return 0
    results = score(MISTAKES)
    print_table(results)
    try:
        made, alarms = false_alarms()
    except ImportError:
        print("false alarms: not counted, install the tests' extra: pip install '.[test]'")
        return 0
    alarms_found = "false alarm" if len(alarms) == 1 else "false alarms"
    checks_made = "check" if made == 1 else "checks"
    print(
        f"{len(alarms):4} {alarms_found} in {made} {checks_made} of the library's operators and "
        "layers"
    )
    for name, report in alarms:
        print(f"{name}: {report}")
    return int(bool(alarms) or not all(result.caught for result in results))


if __name__ == "__main__":
    sys.exit(main())
