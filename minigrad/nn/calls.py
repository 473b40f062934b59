"""What a network calls when it runs, found by running it once; so it holds for any `forward`.

- `record_calls`: which modules, with which shapes, and how much each multiplies. What
  `minigrad.summary` and `minigrad.equivalence.compare_conv_dense` print.
- `record_outputs`: what each layer makes of an input. What `minigrad.viz` draws.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import random
from ..conv_arithmetic import integer
from ..engine import Array, Primitive, no_grad
from ..operators import einsum
from ..operators.linear import batched_matmul, outer_sum, rows_matmul
from ..switches import fast_paths
from ..tensor import Tensor
from .module import Module

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """One call of one module.

    Attributes:
        name: where the module is in the network, such as `layers.0`; "" for the network itself.
        module: the module.
        input_shapes, output_shapes: of every array that went in and came out, batch of 1 included.
        output_bytes: of the arrays that came out.
        multiply_adds: in the matrix products (and einsum) that the module ran itself, not through
            other modules.
    """

    name: str
    module: Module
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    output_bytes: int
    multiply_adds: int

    @property
    def label(self) -> str:
        """The name and the class, for tables."""
        kind = type(self.module).__name__
        return f"{self.name} ({kind})" if self.name else kind


@dataclass(frozen=True)
class LayerOutput:
    """An array that a layer made.

    Attributes:
        name: where the layer is in the network, such as `layers.0`; "" for the network itself.
        layer: the module, which holds no others.
        array: what it made, batch axis included.
    """

    name: str
    layer: Module
    array: Array


def record_calls(where: str, model: Module, input_shape: Sequence[Any]) -> list[Call]:
    """Run a network once on zeros and say what it called, in the order in which the calls ended.

    The network runs with a batch of 1, in evaluation mode and unrecorded; modes, running statistics
    and the library's random numbers are afterwards as they were.

    Args:
        where: the function that errors speak of.
        model: any Module.
        input_shape: of one item, without the batch axis; a sequence of shapes where `forward` takes
            several inputs. The zeros have the dtype of the network's parameters.

    Raises:
        TypeError: `model` is no Module, or a size is no integer.
        ValueError: a size below 1, or an input that the network refuses; with what it said.
    """
    _check_is_module(where, model)
    dtype = _dtype_of(model)
    inputs = [Tensor(np.zeros((1, *shape), dtype)) for shape in _item_shapes(where, input_shape)]
    calls: list[Call] = []
    with _counted_products() as products:
        recorder = _Recorder(calls, products)
        _run(
            where,
            model,
            inputs,
            f", which is input_shape={input_shape!r} with a batch axis of 1 in front",
            recorder.leave_as,
            recorder.enter,
        )
    return calls


def record_outputs(where: str, model: Module, x: Array) -> tuple[list[LayerOutput], list[Array]]:
    """Run a network on a batch and keep what each layer made, in the order of the calls.

    Layers are the modules that hold no others. As with `record_calls`, the network runs in
    evaluation mode and unrecorded, and is afterwards as it was.

    Args:
        where: the function that errors speak of.
        model: any Module that takes one array.
        x: the batch; it is given to the network in the dtype of its parameters.

    Returns:
        The arrays that the layers made, and those that the network returned.

    Raises:
        TypeError: `model` is no Module.
        ValueError: an input that the network refuses, with what it said.
    """
    _check_is_module(where, model)
    made: list[LayerOutput] = []

    def leave_as(name: str) -> Any:
        def leave(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            if all(other is module for _, other in module.named_modules()):
                made.extend(LayerOutput(name, module, array) for array in _arrays_in(output))

        return leave

    output = _run(where, model, [Tensor(x.astype(_dtype_of(model)))], "", leave_as)
    return made, list(_arrays_in(output))


def _check_is_module(where: str, model: Any) -> None:
    if not isinstance(model, Module):
        raise TypeError(f"{where}: expected a Module, got {type(model).__name__}: {model!r:.80}")


def _dtype_of(model: Module) -> np.dtype[Any]:
    """That of its parameters."""
    return next((parameter.dtype for parameter in model.parameters()), np.dtype(np.float32))


def _run(
    where: str,
    model: Module,
    inputs: list[Tensor],
    meaning: str,
    leave_as: Callable[[str], Any],
    enter: Any = None,
) -> Any:
    """Run a network with hooks on all its modules; it is afterwards as it was.

    Args:
        where: the function that errors speak of.
        model, inputs: what to run.
        meaning: of the inputs' shapes, for the error of a network that refuses them.
        leave_as: makes the forward hook of a module, given its name.
        enter: the pre-hook of every module.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_as_it_was(model))
        stack.enter_context(no_grad())
        for name, module in model.named_modules():
            if enter is not None:
                stack.callback(module.register_forward_pre_hook(enter).remove)
            stack.callback(module.register_forward_hook(leave_as(name)).remove)
        model.eval()
        try:
            return model(*inputs)
        except (ValueError, TypeError) as error:
            shapes = " and ".join(str(tensor.shape) for tensor in inputs)
            raise ValueError(
                f"{where}: {type(model).__name__} fails on an input of shape {shapes}{meaning}: "
                f"{error}"
            ) from error


class _Recorder:
    """Turns the beginnings and ends of calls into a list of them."""

    def __init__(self, calls: list[Call], products: _Counter) -> None:
        self.calls = calls
        self.products = products
        # Per call under way: the count when it began, and how much of it belongs to calls within.
        self.under_way: list[list[int]] = []

    def enter(self, module: Module, inputs: tuple[Any, ...]) -> None:
        self.under_way.append([self.products.multiply_adds, 0])

    def leave_as(self, name: str) -> Any:
        def leave(module: Module, inputs: tuple[Any, ...], output: Any) -> None:
            start, within = self.under_way.pop()
            spent = self.products.multiply_adds - start
            if self.under_way:
                self.under_way[-1][1] += spent
            outputs = list(_arrays_in(output))
            self.calls.append(
                Call(
                    name,
                    module,
                    tuple(array.shape for array in _arrays_in(inputs)),
                    tuple(array.shape for array in outputs),
                    sum(array.nbytes for array in outputs),
                    spent - within,
                )
            )

        return leave


@dataclass
class _Counter:
    multiply_adds: int = 0


def _matrix_product(a: Array, b: Array, transposed: bool = False) -> int:
    """One multiply-add per number of a, for each column of b or, transposed, each row."""
    return a.size * b.shape[-2 if transposed else -1]


def _contraction(*arrays: Array, terms: Sequence[str], output: str) -> int:
    """einsum, as one loop per letter: for two operands what a matrix product takes."""
    sizes = {
        letter: size
        for term, array in zip(terms, arrays, strict=True)
        for letter, size in zip(term, array.shape, strict=True)
    }
    return math.prod(sizes.values()) * (len(arrays) - 1)


_MULTIPLY_ADDS: dict[Primitive, Callable[..., int]] = {
    rows_matmul: _matrix_product,
    batched_matmul: _matrix_product,
    outer_sum: _matrix_product,
    einsum._contract: _contraction,
}


@contextlib.contextmanager
def _counted_products() -> Iterator[_Counter]:
    """Count the multiply-adds of the products that run inside, and have all of them run as such."""
    counter = _Counter()

    def counting(forward: Callable[..., Any], cost: Callable[..., int]) -> Callable[..., Any]:
        def product(*arrays: Array, **parameters: Any) -> Any:
            counter.multiply_adds += cost(*arrays, **parameters)
            return forward(*arrays, **parameters)

        return product

    forwards = {operator: operator.forward for operator in _MULTIPLY_ADDS}
    try:
        for operator, forward in forwards.items():
            operator.forward = counting(forward, _MULTIPLY_ADDS[operator])
        with fast_paths(False):
            yield counter
    finally:
        for operator, forward in forwards.items():
            operator.forward = forward


@contextlib.contextmanager
def _as_it_was(model: Module) -> Iterator[None]:
    """Put the mode of every module, and the library's random numbers, back afterwards."""
    modes = [(module, module.training) for _, module in model.named_modules()]
    state = random.get_state()
    try:
        yield
    finally:
        random.set_state(state)
        for module, training in modes:
            module.training = training


def _item_shapes(where: str, input_shape: Sequence[Any]) -> list[Shape]:
    """The shapes of one item of every input, checked."""
    if not isinstance(input_shape, (tuple, list)):
        raise TypeError(
            f"{where}: input_shape={input_shape!r} must be a tuple such as (28, 28, 1), without "
            "the batch axis"
        )
    several = bool(input_shape) and isinstance(input_shape[0], (tuple, list))
    return [
        tuple(integer(size, "input_shape", where=where) for size in shape)
        for shape in (input_shape if several else [input_shape])
    ]


def _arrays_in(value: Any) -> Iterator[Array]:
    """The arrays in what a module takes or returns: a tensor, or a structure of them."""
    if isinstance(value, Tensor):
        yield value.data
    elif isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _arrays_in(part)
    elif isinstance(value, dict):
        yield from _arrays_in(list(value.values()))
