"""Exercises: write an operator and its gradient, and have both checked.

    python -m examples.exercises
    python -m examples.exercises check conv_backward
    python -m examples.exercises check

Without arguments, lists the exercises and how far you are. `check NAME` checks one and says what is
wrong with it; the exit code is 0 only if it is solved. `check` alone checks all that were begun.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from .catalogue import EXERCISES
from .checker import Exercise, Outcome, State, check

COMMAND = "python -m examples.exercises"
TASKS = Path(__file__).parent / "tasks"
SOLUTIONS = Path(__file__).parent / "solutions"

# In this order, what is to be done next is looked for.
STATES: list[State] = ["wrong", "begun", "not started", "no file"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    names = [exercise.name for exercise in EXERCISES]
    for name in options.names:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            return refuse(
                f"there is no exercise {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else f"; {COMMAND} lists them")
            )
    folder = Path(options.folder)
    if not folder.is_dir():
        return refuse(f"there is no folder {folder}; make it, and copy {shown(TASKS)}/*.py there")
    try:
        if options.command == "list":
            return list_all(folder)
        chosen = [entry for entry in EXERCISES if entry.name in options.names]
        return check_some(chosen, folder) if chosen else check_begun(folder)
    except KeyboardInterrupt:
        return refuse("stopped")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Without arguments, lists the exercises and how far you are.",
    )
    parser.add_argument("command", nargs="?", choices=["list", "check"], default="list")
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all that were begun")
    parser.add_argument(
        "--folder", default=TASKS, metavar="DIR", help=f"of your files; default {shown(TASKS)}"
    )
    options = parser.parse_intermixed_args(arguments)
    if options.command == "list" and options.names:
        parser.error("list takes no names")
    return options


def refuse(reason: str) -> int:
    """Say why nothing is done; returns the exit code."""
    print(f"exercises: {reason}", file=sys.stderr)
    return 2


# --- commands -------------------------------------------------------------------------------------


def list_all(folder: Path) -> int:
    """Print all exercises with their states, and what to do next."""
    outcomes = check_quietly(EXERCISES, folder)
    print("Exercises: write an operator and its gradient, and have both checked.\n")
    name_width = max(len(exercise.name) for exercise in EXERCISES)
    title_width = max(len(exercise.title) for exercise in EXERCISES)
    for outcome in outcomes:
        exercise = outcome.exercise
        print(f"  {exercise.name:{name_width}}  {exercise.title:{title_width}}  {outcome.state}")
    unsolved = [outcome for outcome in outcomes if outcome.state != "solved"]
    print(f"\n{len(outcomes) - len(unsolved)} of {len(outcomes)} are solved.", end=" ")
    if not unsolved:
        print(f"Compare with {shown(SOLUTIONS)}.")
        return 0
    # Where you are at work, else the first.
    following = min(unsolved, key=lambda outcome: STATES.index(outcome.state))
    name, where = following.exercise.name, f" --folder {shown(folder)}" if folder != TASKS else ""
    print(f"Next is {name}: open\n\n    {shown(following.path)}\n")
    if following.state == "no file":
        print(f"(copied from {shown(TASKS)})", end=" ")
    print("read what it says, write the code that is missing, and have it checked:\n")
    print(f"    {COMMAND} check {name}{where}")
    if not where:
        print("\nTo keep the files as they are, edit copies in another folder; add --folder DIR.")
    return 0


def check_some(exercises: Sequence[Exercise], folder: Path) -> int:
    """Check some exercises; the exit code is 0 if all are solved."""
    outcomes = [check(exercise, folder) for exercise in exercises]
    for outcome in outcomes:
        report(outcome)
    if any(outcome.state != "solved" for outcome in outcomes):
        return 1
    suggest_next(exercises[-1], folder)
    return 0


def check_begun(folder: Path) -> int:
    """Check all, and report what was begun and is not solved."""
    outcomes = check_quietly(EXERCISES, folder)
    unsolved = [outcome for outcome in outcomes if outcome.state in ("wrong", "begun")]
    for outcome in unsolved:
        report(outcome)
    solved = [outcome.exercise.name for outcome in outcomes if outcome.state == "solved"]
    print_wrapped(
        f"{len(solved)} of {len(EXERCISES)} are solved: ", ", ".join(solved) or "none yet"
    )
    return 0 if solved and not unsolved else 1


def check_quietly(exercises: Sequence[Exercise], folder: Path) -> list[Outcome]:
    """Check several exercises, without what they print."""
    with contextlib.redirect_stdout(io.StringIO()):
        return [check(exercise, folder) for exercise in exercises]


def suggest_next(exercise: Exercise, folder: Path) -> None:
    """Print the next exercise that is not solved, if there is one."""
    position = EXERCISES.index(exercise) + 1
    for other in EXERCISES[position:] + EXERCISES[:position]:
        if check_quietly([other], folder)[0].state != "solved":
            print(f"Next is {other.name}: {shown(folder / other.name)}.py")
            return
    print("All are solved.")


# --- printing -------------------------------------------------------------------------------------


def report(outcome: Outcome) -> None:
    """Print how an exercise was checked, and what is wrong with it."""
    print(f"{outcome.exercise.name}: {outcome.exercise.title}")
    print(f"{shown(outcome.path)}\n")
    for step in outcome.right:
        print_wrapped("  right  ", step)
    for part in outcome.wrong:
        print_wrapped("  wrong  ", part.what)
        for fact in part.facts:
            print_wrapped("         ", fact)
        print_wrapped(
            "         " if part.diagnosis.name == "error" else "  hint   ", part.diagnosis.text
        )
        more = outcome.exercise.hints.get(part.diagnosis.name)
        if more:
            print_wrapped("         ", more)
    if outcome.to_write:
        print_wrapped("  next   ", f"{outcome.to_write} is still to be written")
    if outcome.state == "no file":
        print_wrapped("  next   ", f"there is no such file: copy it from {shown(TASKS)}")
    if outcome.state == "solved":
        solution = SOLUTIONS / outcome.path.name
        print_wrapped("  solved ", f"compare with {shown(solution)}")
    print()


def print_wrapped(label: str, text: str) -> None:
    """Print text in the width of the terminal, the label in front of the first line."""
    width = min(shutil.get_terminal_size().columns, 100)
    print(textwrap.fill(text, width, initial_indent=label, subsequent_indent=" " * len(label)))


def shown(path: Path) -> str:
    """A path as seen from where the user is."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


if __name__ == "__main__":
    sys.exit(main())
