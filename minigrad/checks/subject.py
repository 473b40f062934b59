"""What is checked: functions and modules, seen as functions of a list of arrays.

- `Subject`: a function or a Module; its inputs and the module's parameters, by name
- `GradientOf`: the gradient of a subject, which is what a check of second derivatives looks at
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..engine import Array, Primitive, grad
from ..nn import Module
from ..tensor import Tensor


class FirstGradientFailed(Exception):
    """The gradient whose derivative is wanted could not be computed itself."""


class Subject:
    """A function, with a list of arrays in and a list of tensors out.

    Args:
        caller: the function that errors speak of.
        fn: a function of tensors, or a Module, whose parameters become inputs.
        inputs: see `gradcheck`.

    Attributes:
        title: caller and function.
        names: of the inputs that are checked.
        arrays: their values, copies.
        ignored_outputs: how many outputs cannot have a derivative, as of the last evaluation.
    """

    def __init__(self, caller: str, fn: Callable[..., Any], inputs: Any) -> None:
        if not callable(fn):
            raise TypeError(
                f"{caller}: fn must be a function or a Module, got {type(fn).__name__}: {fn!r:.80}"
            )
        self.caller = caller
        self.fn = fn
        self.title = f"{caller} of {_name_of(fn)}"
        arguments = list(inputs) if isinstance(inputs, (tuple, list)) else [inputs]
        self._arguments = [_as_argument(argument) for argument in arguments]
        self._positions = _checked_positions(self._arguments)
        self._parameters = list(fn.named_parameters()) if isinstance(fn, Module) else []
        if not self._positions and not self._parameters:
            given = ", ".join(
                f"inputs[{position}] is {_kind_of(argument)}"
                for position, argument in enumerate(arguments)
            )
            raise ValueError(
                f"{caller}: there is nothing to check: {given or 'there are no inputs'}; give an "
                "array or a Tensor of float64"
            )
        argument_names = _argument_names(fn, len(arguments))
        self.names = [argument_names[position] for position in self._positions]
        self.names += [name for name, _ in self._parameters]
        values = [self._arguments[position] for position in self._positions]
        values += [parameter for _, parameter in self._parameters]
        self.arrays: list[Array] = [
            np.array(value.data if isinstance(value, Tensor) else value, copy=True, order="K")
            for value in values
        ]
        self.ignored_outputs = 0

    def evaluate(self, arrays: Sequence[Array]) -> tuple[list[Tensor], list[Tensor]]:
        """The inputs as leaves that require grad, and the floating-point outputs.

        Recorded, always: a function may take a gradient inside.
        """
        count = len(self._positions)
        leaves = [Tensor(array, requires_grad=True) for array in arrays[:count]]
        arguments = list(self._arguments)
        for position, leaf in zip(self._positions, leaves, strict=True):
            arguments[position] = leaf
        for (_, parameter), array in zip(self._parameters, arrays[count:], strict=True):
            parameter.data = array
            leaves.append(parameter)
        outputs = self._as_tensors(self.fn(*arguments))
        kept = [output for output in outputs if output.dtype.kind == "f"]
        self.ignored_outputs = len(outputs) - len(kept)
        if not kept:
            raise TypeError(
                f"{self.caller}: {_name_of(self.fn)} returned a Tensor of {outputs[0].dtype}; only "
                "floating-point outputs have derivatives"
            )
        return leaves, kept

    def _as_tensors(self, result: Any) -> list[Tensor]:
        outputs = list(result) if isinstance(result, (tuple, list)) else [result]
        for output in outputs:
            if not isinstance(output, Tensor):
                raise TypeError(
                    f"{self.caller}: {_name_of(self.fn)} returned {type(output).__name__}, not a "
                    "Tensor; it must return a Tensor, or a tuple of Tensors (mg.primitive makes an "
                    "operator of a function on arrays)"
                )
        if not outputs:
            raise TypeError(f"{self.caller}: {_name_of(self.fn)} returned an empty tuple")
        return outputs

    def put_back(self) -> None:
        """Give the parameters of a module the values they had before they were moved.

        A rule reads the parameter when it runs, not when the function did.
        """
        arrays = self.arrays[len(self._positions) :]
        for (_, parameter), array in zip(self._parameters, arrays, strict=True):
            parameter.data = array

    @contextlib.contextmanager
    def left_as_found(self) -> Iterator[None]:
        """Restore what evaluating a module changes: parameters, running statistics."""
        tensors = [t for _, t in self.fn.named_tensors()] if isinstance(self.fn, Module) else []
        found = [(tensor, tensor.data, tensor.data.copy()) for tensor in tensors]
        try:
            yield
        finally:
            for tensor, array, values in found:
                tensor.data = array
                if not np.array_equal(array, values, equal_nan=True):
                    array[...] = values


class GradientOf:
    """The gradient of a subject, as a subject: of its inputs and of the gradient that comes in."""

    def __init__(self, subject: Subject, cotangents: Sequence[Array]) -> None:
        self.subject = subject
        self.caller = subject.caller
        self.title = subject.title
        several = len(cotangents) > 1
        self.names = subject.names + [
            f"gradient of output[{position}]" if several else "gradient of the output"
            for position in range(len(cotangents))
        ]
        self.arrays = [*subject.arrays, *cotangents]
        self.ignored_outputs = 0

    def evaluate(self, arrays: Sequence[Array]) -> tuple[list[Tensor], list[Tensor]]:
        """The inputs as leaves that require grad, and the gradients as outputs."""
        count = len(self.subject.arrays)
        leaves, outputs = self.subject.evaluate(arrays[:count])
        cotangents = [Tensor(array, requires_grad=True) for array in arrays[count:]]
        recorded = [position for position, output in enumerate(outputs) if output.requires_grad]
        gradients = [Tensor(np.zeros_like(leaf.data)) for leaf in leaves]
        if recorded:
            try:
                gradients = grad(
                    [outputs[position] for position in recorded],
                    leaves,
                    [cotangents[position] for position in recorded],
                    create_graph=True,
                )
            except Exception as error:
                raise FirstGradientFailed from error
        return leaves + cotangents, list(gradients)

    def put_back(self) -> None:
        """Give the parameters of a module the values they had before they were moved."""
        self.subject.put_back()

    def left_as_found(self) -> contextlib.AbstractContextManager[None]:
        """Restore what evaluating a module changes."""
        return self.subject.left_as_found()


def _name_of(fn: Any) -> str:
    if isinstance(fn, Primitive):
        return fn.name
    return getattr(fn, "__name__", type(fn).__name__)


def _as_argument(value: Any) -> Any:
    """Python floats as float64 arrays; everything else as it is."""
    return np.asarray(value) if isinstance(value, float) else value


def _kind_of(value: Any) -> str:
    """What an input is, in words: "a Tensor of int64", "a list"."""
    if isinstance(value, (Tensor, np.ndarray)):
        return f"{'a Tensor' if isinstance(value, Tensor) else 'an array'} of {value.dtype}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _checked_positions(arguments: Sequence[Any]) -> list[int]:
    """Which arguments are checked: those that require grad; if none does, all of floating point."""
    requiring = [
        position
        for position, value in enumerate(arguments)
        if isinstance(value, Tensor) and value.requires_grad
    ]
    floating = [
        position
        for position, value in enumerate(arguments)
        if isinstance(value, (Tensor, np.ndarray, np.generic)) and value.dtype.kind == "f"
    ]
    return requiring or floating


def _argument_names(fn: Callable[..., Any], count: int) -> list[str]:
    """The names of the first positional parameters, or "inputs[i]" where they cannot be told."""
    numbered = [f"inputs[{position}]" for position in range(count)]
    if isinstance(fn, Primitive):
        return [*fn.arguments, *numbered[len(fn.arguments) :]][:count]
    try:
        parameters = inspect.signature(fn.forward if isinstance(fn, Module) else fn).parameters
    except (TypeError, ValueError):  # some callables written in C have none
        return numbered
    named = [
        parameter.name
        for parameter in parameters.values()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    return [*named, *numbered[len(named) :]][:count]
