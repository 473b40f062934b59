"""Checking an exercise: `check(exercise, folder)` says how far a student's file has come.

- `Exercise`: its name, what is to be written, and the steps of its check
- `Values`, `Gradients`, `Rules`: the kinds of steps; `Case`, what a step tries
- `Outcome`: the state, what is right, and what is wrong

Steps run in order and the first that fails ends the check: a gradient means nothing as long as the
value is wrong. Cases run from the plain to the special, so that what fails says what is not
understood yet.
"""

from __future__ import annotations

import contextlib
import inspect
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

import minigrad as mg
from minigrad.checks import Diagnosis, GradcheckReport, InputReport, gradcheck, gradgradcheck

from .student import Array, NotWritten, Part, Student, Trouble, described
from .values import compare, wrong_form

State = Literal["solved", "wrong", "begun", "not started", "no file"]

# What to add to a diagnosis of second derivatives.
_CONSTANT = (
    "The first derivative is right, so something in the rule is a constant to the engine and is no "
    "constant: what NumPy computes, .data, .detach()"
)


@dataclass(frozen=True)
class Case:
    """Arguments to try.

    Attributes:
        title: what is special about them.
        arrays: the arguments that have gradients, by name, in the order of the call.
        parameters: the others, given by keyword.
        trouble: what it means that values are wrong here and right in the cases before.
    """

    title: str
    arrays: dict[str, Array]
    parameters: dict[str, Any] = field(default_factory=dict)
    trouble: Diagnosis | None = None


@dataclass(frozen=True)
class Values:
    """A step: a function's values are those of `expected`, which is called alike."""

    function: str
    expected: Callable[..., Array]
    cases: Sequence[Case]

    def run(self, student: Student, case: Case) -> None:
        """Raise Trouble if a case is wrong."""
        result = student.call(self.function, case.arrays, case.parameters)
        what = described(self.function, case.arrays, case.parameters)
        expected = self.expected(*case.arrays.values(), **case.parameters)
        found = compare(_as_array(result, what), np.asarray(expected))
        if found is None:
            return
        diagnosis = found.diagnosis
        if case.trouble is not None and diagnosis.name not in ("wrong shape", "wrong dtype"):
            diagnosis = case.trouble
        raise Trouble(Part(f"{case.title}: {what}", found.facts, diagnosis))

    def __str__(self) -> str:
        return f"{self.function}: values"


@dataclass(frozen=True)
class Gradients:
    """A step: `backward(g, *arrays, **parameters)` returns the gradients of `forward`.

    One gradient per array of the case: an array, or a tuple of them. `forward` is a function of the
    student's file, by its name, or one of ours. `incoming` is what the statement calls g.
    """

    forward: str | Callable[..., Array]
    backward: str
    cases: Sequence[Case]
    incoming: str = "g"

    def run(self, student: Student, case: Case) -> None:
        """Raise Trouble if a case is wrong."""
        arguments = {self.incoming: _random_like(self._value(student, case)), **case.arrays}
        result = student.call(self.backward, arguments, case.parameters)
        what = described(self.backward, arguments, case.parameters)
        _require_form(_as_gradients(result, list(case.arrays), what), case, what)
        what = f"{self.backward}, {case.title}: the gradient of"
        with student.explaining(what):
            _differentiate(gradcheck, self._operator(student, case), case, what)

    def _value(self, student: Student, case: Case) -> Any:
        if isinstance(self.forward, str):
            return student.call(self.forward, case.arrays, case.parameters)
        return self.forward(*case.arrays.values(), **case.parameters)

    def _forward(self, student: Student) -> Callable[..., Array]:
        return student.function(self.forward) if isinstance(self.forward, str) else self.forward

    def _operator(self, student: Student, case: Case) -> Any:
        """Forward and backward as an operator of the library, which gradcheck can check."""
        forward, backward = self._forward(student), student.function(self.backward)
        names = list(case.arrays)

        def value(*arrays: Array) -> Array:
            return forward(*arrays, **case.parameters)

        def rule_for(position: int) -> Callable[..., mg.Tensor]:
            def rule(g: mg.Tensor, *tensors: mg.Tensor) -> mg.Tensor:
                arrays = [tensor.data for tensor in tensors]
                gradients = backward(g.data, *arrays, **case.parameters)
                return mg.Tensor(_as_gradients(gradients, names, self.backward)[position])

            return _with_parameters(rule, [self.incoming, *names])

        operator = mg.primitive(_with_parameters(value, names))
        operator.name = forward.__name__
        operator.defvjps(*(rule_for(position) for position in range(len(names))))
        return operator

    def __str__(self) -> str:
        return f"{self.backward}: gradients"


@dataclass(frozen=True)
class Rules:
    """A step: `rule(g, out, x)`, written with tensors, differentiates `forward` twice over."""

    forward: str
    rule: str
    cases: Sequence[Case]

    def run(self, student: Student, case: Case) -> None:
        """Raise Trouble if a case is wrong."""
        out = np.asarray(student.call(self.forward, case.arrays, {}))
        values = {"g": _random_like(out), "out": out, **case.arrays}
        tensors = {name: mg.Tensor(value) for name, value in values.items()}
        result = student.call(self.rule, tensors, {})
        if not isinstance(result, mg.Tensor):
            raise Trouble(Part(described(self.rule, tensors, {}), (), _no_tensor(result)))
        with student.explaining(self.rule):
            operator = mg.primitive(student.function(self.forward))
            operator.defvjps(student.function(self.rule))
            for check, what, hint in (
                (gradcheck, "derivative", ""),
                (gradgradcheck, "second derivative", _CONSTANT),
            ):
                what = f"{self.rule}, {case.title}: the {what} with respect to"
                _differentiate(check, operator, case, what, hint)

    def __str__(self) -> str:
        return f"{self.rule}: first and second derivatives"


@dataclass(frozen=True)
class Exercise:
    """An exercise.

    Attributes:
        name: of the file, without `.py`.
        title: what it is about, in a line.
        first: the function that is to be written first.
        steps: of the check, in order.
        out_of_reach: what of the library must not be called, as reached from `minigrad`.
        hints: more to say for a diagnosis, by its name.
    """

    name: str
    title: str
    first: str
    steps: Sequence[Values | Gradients | Rules]
    out_of_reach: Sequence[str]
    hints: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How far a student's file has come.

    Attributes:
        exercise: which one.
        path: the file.
        state: "solved", "wrong", "begun" (some of it is still to be written), "not started", or "no
            file".
        right: the cases that are right, as far as they were tried.
        wrong: what is wrong with the next one.
        to_write: the function that is still to be written.
    """

    exercise: Exercise
    path: Path
    state: State
    right: tuple[str, ...] = ()
    wrong: tuple[Part, ...] = ()
    to_write: str = ""


def check(exercise: Exercise, folder: Path) -> Outcome:
    """Run the steps of an exercise on the file of that name in a folder."""
    path = folder / f"{exercise.name}.py"
    if not path.is_file():
        return Outcome(exercise, path, "no file")
    right: list[str] = []
    try:
        student = Student(path, exercise.out_of_reach)
        for step in exercise.steps:
            for case in step.cases:
                step.run(student, case)
                right.append(f"{step}, {case.title}")
    except NotWritten as stub:
        state: State = "not started" if stub.function == exercise.first else "begun"
        return Outcome(exercise, path, state, tuple(right), to_write=stub.function)
    except Trouble as trouble:
        return Outcome(exercise, path, "wrong", tuple(right), trouble.parts)
    return Outcome(exercise, path, "solved", tuple(right))


# --- what functions return ------------------------------------------------------------------------


def _as_array(result: Any, what: str) -> Array:
    """What a function returned, as an array; numbers are arrays without axes."""
    if isinstance(result, (np.ndarray, np.generic, float, int)):
        return np.asarray(result)
    raise Trouble(Part(what, (), _no_array(result)))


def _as_gradients(result: Any, names: Sequence[str], what: str) -> list[Array]:
    """What a backward function returned, as one array per argument."""
    several = isinstance(result, (tuple, list))
    if several and len(result) == len(names):
        return [_as_array(gradient, what) for gradient in result]
    if result is None or (len(names) == 1 and not isinstance(result, tuple)):
        return [_as_array(result, what)]
    got = len(result) if several else f"one {_kind(result)}"
    text = f"this returned {got}, and should return {len(names)}: " + (
        f"the gradients of {' and '.join(names)}, in this order"
        if len(names) > 1
        else f"the gradient of {names[0]}"
    )
    raise Trouble(Part(what, (), Diagnosis("wrong number of results", text)))


def _require_form(gradients: Sequence[Array], case: Case, what: str) -> None:
    """Every gradient must have the shape and dtype of its argument."""
    shapes = [array.shape for array in case.arrays.values()]
    returned = [gradient.shape for gradient in gradients]
    if returned != shapes and sorted(returned) == sorted(shapes):
        text = (
            f"these should be the gradients of {' and '.join(case.arrays)}, in this order; their "
            f"shapes are {' and '.join(map(str, returned))}"
        )
        raise Trouble(Part(what, (), Diagnosis("wrong order of results", text)))
    forms = [
        wrong_form(gradient, array, f"the gradient of {name}")
        for gradient, (name, array) in zip(gradients, case.arrays.items(), strict=True)
    ]
    parts = [Part(what, (), form) for form in forms if form is not None]
    if parts:
        raise Trouble(*parts)


def _no_array(result: Any) -> Diagnosis:
    if result is None:
        return Diagnosis("no result", "this returned None: is `return` missing?")
    way_out = "; its array is .data" if isinstance(result, mg.Tensor) else ""
    text = f"this returned a {_kind(result)}, and should return a NumPy array{way_out}"
    return Diagnosis("not an array", text)


def _no_tensor(result: Any) -> Diagnosis:
    if result is None:
        return Diagnosis("no result", "this returned None: is `return` missing?")
    return Diagnosis(
        "not a tensor",
        f"this returned a {_kind(result)}, and should return a Tensor: only what tensors do is "
        "recorded, and can be differentiated again",
    )


def _kind(value: Any) -> str:
    return type(value).__name__


# --- gradients ------------------------------------------------------------------------------------


def _random_like(value: Any) -> Array:
    """A gradient to come in from above: other numbers in every cell, always the same ones."""
    return np.asarray(np.random.default_rng(0).standard_normal(np.shape(value)))


def _with_parameters(function: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """The function with these names for its parameters, by which the engine hands out values."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def _differentiate(
    check: Callable[..., GradcheckReport], operator: Any, case: Case, what: str, hint: str = ""
) -> None:
    """Raise Trouble unless the derivatives are right.

    `what` is a sentence that the name of an argument ends; `hint` is added to what the check says.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # hundreds of calls, and each may print
        report = check(operator, list(case.arrays.values()), raise_exception=False)
    if report.reason is not None:
        raise Trouble(Part(f"{what} its arguments", (), report.reason))
    # An input without a verdict matters only where no other is wrong.
    parts = [_part(what, entry, hint) for entry in report.inputs if entry.verdict == report.verdict]
    if not report:
        raise Trouble(*parts)


def _part(what: str, entry: InputReport, hint: str) -> Part:
    """What gradcheck says about one argument."""
    facts = []
    if entry.index is not None:
        facts.append(
            f"{entry.wrong_cells} of {entry.checked_cells} cells are off, the most at "
            f"{entry.index}: yours {entry.analytic:.6g}, by differences {entry.numeric:.6g}"
        )
    found = entry.diagnosis or Diagnosis("unknown", "these are other numbers, in no known pattern")
    diagnosis = Diagnosis(found.name, f"{found.text}. {hint}" if hint else found.text)
    return Part(f"{what} {entry.name}, shape {entry.shape}", tuple(facts), diagnosis)
