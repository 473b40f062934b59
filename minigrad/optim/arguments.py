"""What users give optimisers and schedulers, checked.

- `parameter_list`: the parameters, as a list of Tensors.
- `Number`, `Count`, `Switch`, `Choice`: attributes that check what they are set to, and what they
  have in common: `Checked`.
- `checked_attributes`: the ones a class declares, by name.
- `check_state`: a state to load.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeVar, overload

import numpy as np

from ..arguments import as_float
from ..tensor import Tensor

Value = TypeVar("Value")


def parameter_list(params: Iterable[Tensor], caller: str) -> list[Tensor]:
    """`params` as a list, once it is known to hold Tensors, at least one, and none twice."""
    if isinstance(params, Tensor | Mapping) or not isinstance(params, Iterable):
        raise TypeError(
            f"{caller}: params must be a sequence of Tensors, got a {type(params).__name__}; "
            "give model.parameters(), [tensor] or named_tensors.values()"
        )
    tensors = list(params)
    if not tensors:
        raise ValueError(
            f"{caller}: params is empty; if it was a generator, it was used up by an earlier pass: "
            "call model.parameters() again"
        )
    first_position: dict[int, int] = {}
    for position, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise TypeError(
                f"{caller}: params[{position}] must be a Tensor, got a {type(tensor).__name__}; "
                "of a model, give model.parameters()"
            )
        first = first_position.setdefault(id(tensor), position)
        if first != position:
            raise ValueError(
                f"{caller}: params[{position}] and params[{first}] are the same Tensor, of shape "
                f"{tensor.shape}; give it once"
            )
    return tensors


class Checked(Generic[Value]):
    """An attribute that checks what it is set to, in `checked`, and keeps what that returns."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Checked[Value]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...
    def __get__(self, instance: object | None, owner: type) -> Checked[Value] | Value:
        if instance is None:
            return self
        value: Value = vars(instance)[self.name]
        return value

    def __set__(self, instance: object, value: Value) -> None:
        vars(instance)[self.name] = self.checked(value, type(instance).__name__)

    def checked(self, value: Any, caller: str) -> Value:
        """`value` as it is kept; TypeError or ValueError, naming `caller`, if it is not allowed."""
        raise NotImplementedError


class Number(Checked[float]):
    """A finite number, at least 0 (above 0 if `positive`) and less than `below`.

    It is kept as a plain Python float, because a NumPy float64 would pull float32 arithmetic up.
    """

    def __init__(self, below: float = math.inf, positive: bool = False) -> None:
        self.below = below
        self.positive = positive

    def checked(self, value: Any, caller: str) -> float:
        """`value` as a Python float."""
        number = as_float(value, self.name, caller)
        large_enough = number > 0.0 if self.positive else number >= 0.0
        if not (large_enough and number < self.below):
            least = "above 0" if self.positive else "at least 0"
            most = "finite" if math.isinf(self.below) else f"less than {self.below:g}"
            raise ValueError(f"{caller}: {self.name} must be {least} and {most}, got {number:g}")
        return number


class Count(Checked[int]):
    """An integer of at least `minimum`."""

    def __init__(self, minimum: int) -> None:
        self.minimum = minimum

    def checked(self, value: Any, caller: str) -> int:
        """`value` as a Python int."""
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(
                f"{caller}: {self.name} must be an integer, got {value!r} ({type(value).__name__})"
            )
        if value < self.minimum:
            raise ValueError(f"{caller}: {self.name} must be at least {self.minimum}, got {value}")
        return int(value)


class Switch(Checked[bool]):
    """True or False."""

    def checked(self, value: Any, caller: str) -> bool:
        """`value` as a Python bool."""
        if not isinstance(value, bool | np.bool_):
            raise TypeError(
                f"{caller}: {self.name} must be True or False, got {value!r} "
                f"({type(value).__name__})"
            )
        return bool(value)


class Choice(Checked[str]):
    """One of a few words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def checked(self, value: Any, caller: str) -> str:
        """`value`, if it is one of the words."""
        if value not in self.words:
            allowed = " or ".join(repr(word) for word in self.words)
            raise ValueError(f"{caller}: {self.name} must be {allowed}, got {value!r}")
        return str(value)


def check_state(state: Any, caller: str) -> None:
    """TypeError unless `state` is a mapping, as what `state_dict` returns."""
    if not isinstance(state, Mapping):
        raise TypeError(
            f"{caller}: state must be a dict that state_dict returned, got a {type(state).__name__}"
        )


def checked_attributes(owner: type) -> dict[str, Checked[Any]]:
    """The checked attributes that a class and its bases declare."""
    return {
        name: value
        for base in reversed(owner.__mro__)
        for name, value in vars(base).items()
        if isinstance(value, Checked)
    }
