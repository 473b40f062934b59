"""Running a student's file, so that every error is shown as theirs.

- `Student`: the file, loaded; while its functions run, part of the library is switched off
- `Trouble`: what ends a check; `Part`, one thing that is wrong
- `NotWritten`: a stub was reached
- `described`: a call in words
"""

from __future__ import annotations

import contextlib
import importlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from minigrad import fast_paths
from minigrad.checks import Diagnosis

Array = np.ndarray[Any, Any]

# No exercise lets the library do the differentiating.
AUTOMATIC_DIFFERENTIATION = ("grad", "engine.grad", "engine.backward", "derivatives.grad")


@dataclass(frozen=True)
class Part:
    """One thing that is wrong.

    Attributes:
        what: what was looked at: a call, a value, the gradient of one argument.
        facts: lines of numbers or source.
        diagnosis: what is the matter, with a name that tests rely on.
    """

    what: str
    facts: tuple[str, ...]
    diagnosis: Diagnosis


class Trouble(Exception):
    """The exercise is not solved, for these reasons."""

    def __init__(self, *parts: Part) -> None:
        super().__init__("; ".join(part.diagnosis.text for part in parts))
        self.parts = parts


class NotWritten(Exception):
    """A function that was needed still raises NotImplementedError."""

    def __init__(self, function: str) -> None:
        super().__init__(function)
        self.function = function


class Student:
    """A student's file.

    Args:
        path: the file.
        out_of_reach: what of the library is switched off while the student's code runs: names of
            operators and functions, written as they are reached from `minigrad`.

    Raises NotWritten or Trouble, as every method does, where the file cannot be loaded.
    """

    def __init__(self, path: Path, out_of_reach: Sequence[str]) -> None:
        self.path = path
        self._library = _SwitchedOff((*out_of_reach, *AUTOMATIC_DIFFERENTIATION))
        # A name of its own, so that what stands under `if __name__ == "__main__":` is not run.
        self._functions: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        with self.explaining(f"{path.name}, when it is loaded"), self._library:
            source = path.read_bytes()
            exec(compile(source, str(path), "exec", dont_inherit=True), self._functions)

    def function(self, name: str) -> Callable[..., Any]:
        """A function of the file, as it is."""
        function = self._functions.get(name)
        if not callable(function):
            text = f"{self.path.name} has no function {name}: it may have been renamed or deleted"
            raise Trouble(Part(name, (), Diagnosis("missing function", text)))
        return function

    def call(self, name: str, arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> Any:
        """What a function returns for copies of these values; it must leave them as they are."""
        what = described(name, arguments, parameters)
        function = self.function(name)
        positional, keywords = _copies(arguments), _copies(parameters)
        with self.explaining(what), self._library:
            result = function(*positional.values(), **keywords)
        for key, value in {**arguments, **parameters}.items():
            used = {**positional, **keywords}[key]
            if isinstance(value, np.ndarray) and not np.array_equal(value, used):
                text = (
                    f"{name} writes into its argument {key}, which others still need: work on a "
                    f"copy, {key}.copy()"
                )
                raise Trouble(Part(what, (), Diagnosis("written in place", text)))
        return result

    @contextlib.contextmanager
    def explaining(self, what: str) -> Iterator[None]:
        """Turn an error inside into Trouble that shows the student's line; `what` is done there."""
        try:
            with np.errstate(all="ignore"):  # what overflows shows in the result
                yield
        except (NotWritten, Trouble):
            raise
        except (Exception, SystemExit) as error:
            raise self._explained(error, what) from None
        if self._library.called:  # and the error was caught on the way
            raise Trouble(Part(what, (), _library_called(self._library.called[0])))

    def _explained(self, error: BaseException, what: str) -> Exception:
        """The Trouble that an error of the student's code is."""
        line, function, is_innermost = self._place(error)
        if isinstance(error, NotImplementedError) and is_innermost:
            return NotWritten(function)
        facts = (f"line {line}: {self._source(line)}",) if line else ()
        if self._library.called:
            return Trouble(Part(what, facts, _library_called(self._library.called[0])))
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        text = type(error).__name__ + (f": {message}" if message else "")
        if "'Tensor' does not support ufuncs" in text:
            text += ": a function of NumPy was given a Tensor; use the tensor's method, x.exp()"
        return Trouble(Part(what, facts, Diagnosis("error", text)))

    def _place(self, error: BaseException) -> tuple[int, str, bool]:
        """The line and function of the file in which an error arose; whether it did not go deeper.

        Line 0 stands for none: a call with the wrong number of arguments.
        """
        if isinstance(error, SyntaxError) and error.filename == str(self.path):
            return error.lineno or 0, "", True
        frames = traceback.extract_tb(error.__traceback__)
        for frame in reversed(frames):
            if frame.filename == str(self.path):
                return frame.lineno or 0, frame.name, frame is frames[-1]
        return 0, "", False

    def _source(self, line: int) -> str:
        lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        return lines[line - 1].strip() if line <= len(lines) else ""


def described(function: str, arguments: Mapping[str, Any], parameters: Mapping[str, Any]) -> str:
    """A call in words: arrays by their shapes, labels and settings as they are.

    >>> described("pick", {"x": np.zeros((2, 3))}, {"axis": 1})
    'pick(x (2, 3), axis=1)'
    """
    words = [f"{name} {value.shape}" for name, value in arguments.items()]
    for name, value in parameters.items():
        if isinstance(value, np.ndarray):
            value = value.tolist() if value.dtype.kind in "iu" else f"array {value.shape}"
        words.append(f"{name}={value}")
    return f"{function}({', '.join(words)})"


def _copies(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in values.items()
    }


# --- the library, in part out of reach ------------------------------------------------------------


class _LibraryCalled(Exception):
    """What was switched off was called."""


class _SwitchedOff:
    """A context in which some operators and functions of the library raise an error.

    An operator is one object, wherever it has been imported to: its forward is replaced. Of a
    function, the module's attribute is. Fast paths are off, as they lead around the operators.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.called: list[str] = []
        self._replacements: list[tuple[Any, str, Any, Any]] = []
        for name in names:
            path, _, attribute = name.rpartition(".")
            owner: Any = importlib.import_module(f"minigrad.{path}" if path else "minigrad")
            target = getattr(owner, attribute)
            if hasattr(target, "forward"):
                owner, attribute = target, "forward"
            public_name = getattr(target, "name", target.__name__)
            original = getattr(owner, attribute)
            self._replacements.append((owner, attribute, original, self._refusal(public_name)))

    def _refusal(self, name: str) -> Callable[..., Any]:
        def refuse(*arguments: Any, **parameters: Any) -> Any:
            self.called.append(name)
            raise _LibraryCalled(name)

        return refuse

    def __enter__(self) -> None:
        self._plain_paths = fast_paths(False)
        self._plain_paths.__enter__()
        for owner, attribute, _, refusal in self._replacements:
            setattr(owner, attribute, refusal)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for owner, attribute, original, _ in self._replacements:
            setattr(owner, attribute, original)
        self._plain_paths.__exit__(kind, error, trace)


def _library_called(name: str) -> Diagnosis:
    return Diagnosis(
        "library",
        f"here minigrad's own {name} does what the exercise is about; it is switched off while "
        "your code is checked. NumPy may be used as you like. To compare your results with the "
        'library\'s, do so under `if __name__ == "__main__":`',
    )
