"""`detect_anomaly`: which operator, called on which line, made the first nan or inf."""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import numpy as np

from . import engine
from .engine import Array, Differentiable, Node, Primitive

if TYPE_CHECKING:
    from .tensor import Tensor


@contextlib.contextmanager
def detect_anomaly() -> Iterator[None]:
    """Stop at the first nan or inf, and say which operator made it and where that was called.

    A `with` block, or a decorator. Every operator that runs inside is watched, in the forward pass
    and in `backward` and `grad`, in all threads; NumPy's own warnings are silent meanwhile. For a
    gradient, the error names the operator whose rule made it, and the line on which that operator
    was called, provided the forward pass ran inside as well. An inf that was put in on purpose (a
    mask of -inf) passes: only what arises from finite numbers counts. A nan always does; where it
    was in an argument already, the error says so.

    Operators run many times slower inside, and as fast as ever outside.

    Raises:
        FloatingPointError: inside, where the first nan or inf arises.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 0.0, 4.0], requires_grad=True)
    >>> with detect_anomaly():  # doctest: +ELLIPSIS
    ...     y = x.sqrt().sum()
    ...     y.backward()
    Traceback (most recent call last):
    ...
    FloatingPointError: detect_anomaly: the rule of sqrt for x made the first inf, in divide:
      output of shape (3,): inf in 1 of 3 cells, first at [1]
      divide's x of shape (3,): all 0.5
      divide's y of shape (3,): from 0 to 2
      sqrt was called at ...: y = x.sqrt().sum()
    """
    outside = engine.observe(_Watch())
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        engine.observe(outside)


@dataclass(frozen=True)
class _Rule:
    """A rule that is running: the node whose it is, and the argument it is for."""

    node: Node
    argument: str

    def __str__(self) -> str:
        return f"the rule of {self.node.primitive.name} for {self.argument}"

    def where_recorded(self) -> str:
        """The line on which the operator was called whose rule this is."""
        site = getattr(self.node, "call_site", None)
        place = site or "a line that is not known: it ran outside detect_anomaly"
        return f"{self.node.primitive.name} was called at {place}"


@dataclass(frozen=True)
class _CallSite:
    """The user's line on which an operator was called, and the rule it was called by, if any."""

    filename: str
    line: int
    rule: _Rule | None

    def __str__(self) -> str:
        source = linecache.getline(self.filename, self.line).strip()
        text = f"{self.filename}:{self.line}" + (f": {source}" if source else "")
        return f"{text}\n  by {self.rule}; {self.rule.where_recorded()}" if self.rule else text


class _Rules(threading.local):
    """The rules that are running in this thread, the innermost last."""

    def __init__(self) -> None:
        self.running: list[_Rule] = []


class _Watch:
    """The observer that looks at every output. See `engine.Observer`."""

    def __init__(self) -> None:
        self._rules = _Rules()

    def operator_ran(
        self,
        primitive: Primitive,
        args: tuple[Any, ...],
        parameters: dict[str, Any],
        output: Tensor,
    ) -> None:
        rule = self._rules.running[-1] if self._rules.running else None
        frame, adding_up = _user_frame()
        site = _CallSite(frame.f_code.co_filename, frame.f_lineno, rule)
        if output.node is not None:
            output.node.call_site = site
        operands = {
            **{primitive.argument_name(position): value for position, value in enumerate(args)},
            **{name: value for name, value in parameters.items() if _is_numeric(value)},
        }
        kind = _new_trouble(output.data, operands)
        if kind is None:
            return
        already = any(np.isnan(_array(value)).any() for value in operands.values())
        verb = "met" if already else "made"
        if rule is not None:
            title = f"{rule} {verb} the first {kind}, in {primitive.name}"
            place = rule.where_recorded()
        elif adding_up:
            title = f"adding up gradients of a tensor used several times {verb} the first {kind}"
            place = f"the backward pass was started at {site}"
        else:
            title = f"{primitive.name} {verb} the first {kind}"
            place = f"{primitive.name} was called at {site}"
        # A rule has arguments of its own, which the title speaks of: say whose these are.
        whose = f"{primitive.name}'s " if rule is not None else ""
        inputs = [whose + _described(name, value) for name, value in operands.items()]
        raise _error(title, _described_trouble(kind, output.data), *inputs, place)

    def run_rule(
        self, node: Node, position: int, rule: Callable[..., Any], inputs: Sequence[Any]
    ) -> Any:
        running = _Rule(node, node.primitive.argument_name(position))
        self._rules.running.append(running)
        try:
            contribution = rule(*inputs)
        finally:
            self._rules.running.pop()
        # What operators made has been looked at; a rule may also make a tensor of an array.
        if isinstance(contribution, Differentiable):
            operands = {f"input {i}": value for i, value in enumerate(inputs) if _is_numeric(value)}
            kind = _new_trouble(contribution.data, operands)
            if kind is not None:
                raise _error(
                    f"{running} returned the first {kind}",
                    _described_trouble(kind, contribution.data),
                    running.where_recorded(),
                )
        return contribution


# --- what is wrong --------------------------------------------------------------------------------


def _array(value: Any) -> Array:
    return value.data if isinstance(value, Differentiable) else np.asarray(value)


def _is_numeric(value: Any) -> bool:
    """Whether this is a number, or an array of floats: what an operator computes with."""
    if isinstance(value, (Differentiable, np.ndarray)):
        return value.dtype.kind == "f"
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _new_trouble(output: Array, operands: dict[str, Any]) -> str | None:
    """What to report: a "nan" in the output, an "inf" if none went in, or nothing."""
    if output.dtype.kind != "f" or np.isfinite(output).all():
        return None
    if np.isnan(output).any():
        return "nan"
    if any(np.isinf(_array(value)).any() for value in operands.values()):
        return None
    return "inf"


def _described_trouble(kind: str, output: Array) -> str:
    """How many cells of an output are nan (or inf), and the first of them."""
    cells = np.isnan(output) if kind == "nan" else np.isinf(output)
    text = f"output of shape {output.shape}: {kind}"
    if output.ndim == 0:
        return text
    first = np.argwhere(cells)[0].tolist()
    return f"{text} in {np.count_nonzero(cells)} of {output.size} cells, first at {first}"


def _described(name: str, value: Any) -> str:
    """An operand's shape, what its cells lie between, and how many nans it has."""
    array = _array(value)
    if array.ndim == 0:
        return f"{name} = {array.item():.6g}"
    nans = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    numbers = array[~nans]
    facts = []
    if numbers.size:
        low, high = numbers.min(), numbers.max()
        facts.append(f"all {low:.6g}" if low == high else f"from {low:.6g} to {high:.6g}")
    if nans.any():
        facts.append(f"nan in {np.count_nonzero(nans)} of {array.size} cells already")
    return f"{name} of shape {array.shape}: {', '.join(facts) or 'empty'}"


def _error(title: str, *details: str) -> FloatingPointError:
    return FloatingPointError(f"detect_anomaly: {title}:" + "".join(f"\n  {d}" for d in details))


# --- where ----------------------------------------------------------------------------------------

# What is not the user's: the library, and the decorators it uses.
_LIBRARY = str(Path(__file__).parent) + os.sep


def _user_frame() -> tuple[FrameType, bool]:
    """The innermost frame outside the library, and whether the engine's backward pass is inside."""
    frame: FrameType | None = sys._getframe(1)
    adding_up = False
    while frame is not None and frame.f_back is not None:
        filename = frame.f_code.co_filename
        if not filename.startswith(_LIBRARY) and filename != contextlib.__file__:
            break
        adding_up = adding_up or frame.f_code is engine._propagate.__code__
        frame = frame.f_back
    assert frame is not None
    return frame, adding_up
