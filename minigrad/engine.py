"""The engine: recording what was computed, and walking it backwards.

What it offers, bottom up:

- `Differentiable` -- what the engine needs of a tensor; `minigrad.Tensor` is this plus operators.
- `no_grad`, `is_recording` -- whether operators leave a trace.
- `Node` -- one recorded operation: the operator, where its arguments came from, what rules need.
- `Primitive`, `primitive` -- an operator: a forward on arrays and one vjp per tensor argument.
- `Elementwise` -- an operator that brings its arguments to one shape and dtype first.
- `Observer`, `observe` -- somebody who is told of every operator and rule that ran.
- `Hook`, `register_hook` -- a function that sees a tensor's gradient as soon as it is known.
- `backward`, `grad` -- reverse-mode differentiation of recorded graphs, of any order.

A vjp ("vector-Jacobian product") turns the gradient of an operator's output into the gradient of
one of its arguments. Rules are written with Tensor operators, so that running a rule can itself be
recorded: that is all there is to second and higher derivatives.

Memory is managed by reference counting alone. A tensor points to the node that made it, a node to
the nodes of its arguments, and nothing points forwards; so a graph is gone as soon as its last
tensor is. A node does not hold its argument tensors, only what the rules ask for by name.

Operators on small arrays should cost little more than NumPy's own call. Where `Primitive.__call__`
and `Elementwise.__call__` spell out what elsewhere would be a call of its own, it is for that;
`python -m tests.benchmarks.op_overhead` measures it.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import operator
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, overload

import numpy as np

from .hooks import HookHandle, Hooks

if TYPE_CHECKING:
    from .tensor import Tensor

Array = np.ndarray[Any, Any]


class Differentiable:
    """What the engine knows of a tensor: its array and how it was made.

    `node` is the operation that made the tensor, or None for a leaf. Only leaves with
    `requires_grad` collect a gradient in `grad`. `hooks` are a leaf's; others are on the node.
    """

    __slots__ = ("__weakref__", "_requires_grad", "data", "grad", "hooks", "node")

    data: Array
    grad: Tensor | None
    hooks: Hooks | None
    node: Node | None
    _requires_grad: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """The size of every axis."""
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the cells."""
        return self.data.dtype


# The class of the tensors that operators return. `minigrad.tensor` puts its Tensor here: the engine
# lies below it and cannot import it.
_tensor_class: type[Differentiable] = Differentiable


def use_tensor_class(tensor_class: type[Differentiable]) -> None:
    """Make operators return instances of this class. Called once, by `minigrad.tensor`."""
    global _tensor_class
    _tensor_class = tensor_class


def make_tensor(data: Array, node: Node | None = None) -> Tensor:
    """Wrap an array as it is: no copy, no conversion. With a node, the tensor requires grad."""
    tensor = _tensor_class.__new__(_tensor_class)
    tensor.data = data
    tensor.grad = None
    tensor.hooks = None
    tensor.node = node
    tensor._requires_grad = node is not None
    return tensor  # type: ignore[return-value]


# --- whether operators are recorded ---------------------------------------------------------------


class _Mode(threading.local):
    recording = True

    def __init__(self) -> None:
        self.outside: list[bool] = []  # what `recording` was outside the no_grad blocks entered


_mode = _Mode()


def is_recording() -> bool:
    """Whether operators on tensors that require grad are being recorded, in this thread."""
    return _mode.recording


class _recording:
    """Record inside a `with` block, or do not."""

    def __init__(self, flag: bool) -> None:
        self.flag = flag

    def __enter__(self) -> None:
        self.outside = _mode.recording
        _mode.recording = self.flag

    def __exit__(self, *exception: object) -> None:
        _mode.recording = self.outside


class no_grad(contextlib.ContextDecorator):
    """Record nothing inside: a `with` block, or a decorator.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    # The state is the thread's, not this object's: a decorated function has one such object, and
    # several threads may be inside the function.

    def __enter__(self) -> no_grad:
        _mode.outside.append(_mode.recording)
        _mode.recording = False
        return self

    def __exit__(self, *exception: object) -> None:
        _mode.recording = _mode.outside.pop()


# --- nodes and operators --------------------------------------------------------------------------

# Where a gradient belongs: the node of a computed tensor, or the leaf itself. Hashed by identity.
Source: TypeAlias = "Node | Differentiable"

_next_position = itertools.count().__next__
_new_object = object.__new__


class Node:
    """One recorded operation.

    Attributes:
        primitive: the operator.
        parents: per tensor argument, the node that made it, the leaf tensor itself, or None where
            no gradient is wanted. None as a whole once the graph has been freed.
        saved: what the rules asked for, by name.
        position: counts up with every operation, so that parents come before their children.
        shape, dtype: those of the output, which its gradient must have too.
        hooks: functions that see the gradient of the output.
        call_site: where the operator was called; set by an observer only.
    """

    # Operators fill the slots themselves: an __init__ would be one more call for each of them.
    __slots__ = (
        "__weakref__",
        "call_site",
        "dtype",
        "hooks",
        "parents",
        "position",
        "primitive",
        "saved",
        "shape",
    )

    primitive: Primitive
    parents: Sequence[Source | None] | None
    saved: dict[str, Any] | None
    position: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    hooks: Hooks | None
    call_site: Any

    def free(self) -> None:
        """Let go of everything but the name, so that the memory of the graph can be reused."""
        self.parents = self.saved = self.hooks = None

    def __repr__(self) -> str:
        return f"Node({self.primitive.name}, shape={self.shape}, dtype={self.dtype})"


class Primitive:
    """An operator: a forward on arrays, and under it one vjp per tensor argument.

    Made by `primitive`. The forward's positional parameters without a default are its tensor
    arguments, all others are parameters of the operation (an axis, a stride). A forward with
    `*arrays` takes any number of tensors.

    A rule takes the gradient of the output first, and then, *by name*, whatever it needs: any of
    the forward's arguments and parameters, `out` (the output), and the values the forward `saves`.
    Only what a rule names is kept for the backward pass.

    Raises TypeError for a forward without tensor arguments, or with `**`.
    """

    def __init__(self, forward: Callable[..., Any], saves: Sequence[str] = ()) -> None:
        self.forward = forward
        self.name = forward.__name__.strip("_")
        self.saves = tuple(saves)
        self.__doc__ = forward.__doc__
        self.__name__ = forward.__name__
        self.__module__ = forward.__module__
        self.arguments: tuple[str, ...] = ()  # the names of the tensor arguments
        self.variadic: str | None = None  # the name behind `*`, where there is one
        self.parameters: dict[str, Any] = {}  # the other parameters with their defaults
        for parameter in inspect.signature(forward).parameters.values():
            if parameter.kind is parameter.VAR_POSITIONAL:
                self.variadic = parameter.name
            elif parameter.kind is parameter.VAR_KEYWORD:
                raise TypeError(
                    f"{self.name}: a forward cannot take **{parameter.name}; give every parameter "
                    "a name, by which its rules can ask for it"
                )
            elif parameter.kind is parameter.KEYWORD_ONLY or (
                parameter.default is not parameter.empty
            ):
                self.parameters[parameter.name] = parameter.default
            else:
                self.arguments += (parameter.name,)
        if not self.arguments and not self.variadic:
            raise TypeError(f"{self.name}: a forward needs a tensor argument, without a default")
        self.rules: tuple[tuple[Callable[..., Any], tuple[str, ...]] | None, ...] | None = None
        self._differentiable = True
        self._rules_ask = False  # for anything but the gradient
        self._argument_positions = {name: index for index, name in enumerate(self.arguments)}
        # Per combination of arguments that want a gradient: the names their rules ask for.
        self._names_to_save: dict[int, tuple[str, ...]] = {}

    def defvjps(self, *rules: Callable[..., Any] | None) -> None:
        """State the rules, one per tensor argument, in order.

        None stands for an argument without derivative (a condition, labels); where every rule is
        None the operator is a constant to the engine. An operator of any number of tensors has a
        single rule, which learns by the name `position` which of them it is asked for.

        Raises ValueError where the number of rules is not the number of tensor arguments, or a rule
        asks for a name that does not exist.
        """
        expected = 1 if self.variadic else len(self.arguments)
        if len(rules) != expected:
            raise ValueError(
                f"{self.name}.defvjps: got {len(rules)} rules for the {expected} tensor arguments "
                f"{self.arguments}; state one rule per argument, None where there is no derivative"
            )
        known = {"out", *self.arguments, *self.parameters, *self.saves}
        if self.variadic:
            known |= {self.variadic, "position"}
        compiled: list[tuple[Callable[..., Any], tuple[str, ...]] | None] = []
        for rule in rules:
            if rule is None:
                compiled.append(None)
                continue
            names = tuple(inspect.signature(rule).parameters)[1:]
            unknown = [name for name in names if name not in known]
            if unknown:
                raise ValueError(
                    f"{self.name}.defvjps: a rule asks for {unknown[0]!r}; after the gradient, "
                    f"rules can ask by name for {sorted(known)}"
                )
            compiled.append((rule, names))
        self.rules = tuple(compiled)
        self._differentiable = any(rule is not None for rule in compiled)
        self._rules_ask = any(rule is not None and rule[1] for rule in compiled)
        self._names_to_save.clear()

    def argument_name(self, position: int) -> str:
        """What an error calls the tensor argument at this position."""
        return f"{self.variadic}[{position}]" if self.variadic else self.arguments[position]

    def rule_for(self, position: int) -> tuple[Callable[..., Any], tuple[str, ...]] | None:
        """The rule of one argument and the names it asks for; None where there is no derivative."""
        if self.rules is None:
            raise NotImplementedError(
                f"{self.name} has no derivative: state one rule per tensor argument "
                f"with {self.name}.defvjps(...)"
            )
        return self.rules[0 if self.variadic else position]

    def __call__(self, *args: Any, **parameters: Any) -> Tensor:
        """The forward on the arrays of the tensors, recorded if any of them wants a gradient."""
        if len(args) != len(self.arguments) and not self.variadic:
            args, parameters = self._sort_arguments(args, parameters)
        arrays = []
        for argument in args:
            if isinstance(argument, Differentiable):
                arrays.append(argument.data)
            else:
                arrays.append(as_operand(self.name, argument))
        result = self.forward(*arrays, **parameters)
        output = result
        if self.saves:
            if type(result) is not tuple or len(result) != 1 + len(self.saves):
                raise self._bad_result(result)
            output = result[0]
        if type(output) is not np.ndarray:
            output = self._as_array(output)
        tensor: Any = _new_object(_tensor_class)
        tensor.data = output
        tensor.grad = tensor.hooks = tensor.node = None
        tensor._requires_grad = False
        if _mode.recording and self._differentiable and output.dtype.kind == "f":
            self._record(tensor, args, parameters, result)
        if _observer is not None:
            _observer.operator_ran(self, args, parameters, tensor)
        return tensor

    def _record(
        self, tensor: Any, args: tuple[Any, ...], parameters: dict[str, Any], result: Any
    ) -> None:
        """Give the output its node, if any of the arguments wants a gradient."""
        parents: list[Source | None] = []
        wanted = 0  # bit i is set where argument i wants a gradient
        bit = 1
        for argument in args:
            if isinstance(argument, Differentiable) and argument._requires_grad:
                parents.append(argument.node or argument)
                wanted |= bit
            else:
                parents.append(None)
            bit <<= 1
        if not wanted:
            return
        output = tensor.data
        node = _new_object(Node)
        node.primitive = self
        node.parents = parents
        node.saved = (
            self._saved(wanted, args, parameters, result, output) if self._rules_ask else None
        )
        node.position = _next_position()
        node.shape = output.shape
        node.dtype = output.dtype
        node.hooks = None
        tensor.node = node
        tensor._requires_grad = True

    def _saved(
        self,
        wanted: int,
        args: tuple[Any, ...],
        parameters: dict[str, Any],
        result: Any,
        output: Array,
    ) -> dict[str, Any]:
        """What the rules ask for, by name."""
        names = self._names_to_save.get(wanted)
        if names is None:
            names = self._names_to_save[wanted] = self._names_needed(wanted, len(args))
        saved: dict[str, Any] = {}
        for name in names:
            if name in self._argument_positions:
                saved[name] = args[self._argument_positions[name]]
            elif name == "out":
                # Only the array: the tensor would hold its node and the node the tensor.
                saved[name] = output
            elif name in self.saves:
                saved[name] = result[1 + self.saves.index(name)]
            elif name == self.variadic:
                saved[name] = args
            else:
                saved[name] = parameters[name] if name in parameters else self.parameters[name]
        return saved

    def _names_needed(self, wanted: int, count: int) -> tuple[str, ...]:
        if self.rules is None:
            return ()
        needed: dict[str, None] = {}
        for position in range(count):
            rule = self.rule_for(position)
            if wanted >> position & 1 and rule is not None:
                needed.update(dict.fromkeys(name for name in rule[1] if name != "position"))
        return tuple(needed)

    def _sort_arguments(
        self, args: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Tensor arguments first, parameters by name, however the caller wrote them."""
        names = (*self.arguments, *self.parameters)
        given = {**dict(zip(names, args, strict=False)), **parameters}
        if len(args) + len(parameters) != len(given) or not set(self.arguments) <= set(given):
            raise TypeError(
                f"{self.name}: takes the tensors {self.arguments} and the parameters "
                f"{tuple(self.parameters)}; got {len(args)} values by position, and by name "
                f"{tuple(parameters)}"
            )
        tensors = tuple(given.pop(name) for name in self.arguments)
        return tensors, given

    def _as_array(self, output: Any) -> Array:
        """NumPy's reductions return scalars, which become arrays."""
        if type(output) is tuple:
            raise TypeError(
                f"{self.name}: the forward returned a tuple; what it saves for its rules must have "
                "names, @primitive(saves=[...])"
            )
        return np.asarray(output)

    def _bad_result(self, result: Any) -> TypeError:
        """The error for a forward that saves values and does not return them.

        It might return an array that happens to unpack.
        """
        got = f"{len(result)} values" if type(result) is tuple else type(result).__name__
        return TypeError(
            f"{self.name}: the forward must return a tuple (output, {', '.join(self.saves)}), "
            f"as it saves {self.saves}; it returned {got}"
        )

    def __repr__(self) -> str:
        return f"<operator {self.name}({', '.join(self.arguments or ('*' + str(self.variadic),))})>"


class Elementwise(Primitive):
    """An operator that acts cell by cell: its arguments are brought to one shape and dtype first.

    `unify` does that, given the operator's name and the arguments, where they are not alike
    already. It is made of operators, which lie above the engine. Results have the dtype of the
    arguments, unless the operator is a constant to the engine (a comparison).
    """

    def __init__(
        self, forward: Callable[..., Any], unify: Callable[[str, Sequence[Any]], Sequence[Any]]
    ) -> None:
        super().__init__(forward)
        self.unify = unify

    def __call__(self, first: Any, second: Any, *more: Any) -> Tensor:
        """As for every operator, after the arguments have been brought to one shape and dtype."""
        if type(first) is _tensor_class and not more and _observer is None:
            # Two tensors alike, or a float tensor and a number: nearly all calls there are. This
            # does what `Primitive.__call__` would do, in two thirds of the time.
            x = first.data
            shape, dtype = x.shape, x.dtype
            x_wanted, y_wanted = first._requires_grad, False
            if type(second) is _tensor_class:
                y = second.data
                y_wanted = second._requires_grad
                alike = dtype is y.dtype and shape == y.shape
            else:
                y = second
                alike = type(y) in (float, int) and dtype.kind == "f"
            if alike:
                output = self.forward(x, y)
                if type(output) is not np.ndarray:
                    output = self._as_array(output)
                tensor: Any = _new_object(_tensor_class)
                tensor.data = output
                tensor.grad = tensor.hooks = None
                if (x_wanted or y_wanted) and _mode.recording and self._differentiable:
                    node = _new_object(Node)
                    node.primitive = self
                    node.parents = (
                        (first.node or first) if x_wanted else None,
                        (second.node or second) if y_wanted else None,
                    )
                    node.saved = (
                        self._saved(x_wanted + 2 * y_wanted, (first, second), {}, output, output)
                        if self._rules_ask
                        else None
                    )
                    node.position = _next_position()
                    node.shape = shape
                    node.dtype = dtype
                    node.hooks = None
                    tensor.node = node
                    tensor._requires_grad = True
                else:
                    tensor.node = None
                    tensor._requires_grad = False
                return tensor
        return super().__call__(*self.unify(self.name, (first, second, *more)))


@overload
def primitive(forward: Callable[..., Any]) -> Primitive: ...
@overload
def primitive(*, saves: Sequence[str]) -> Callable[[Callable[..., Any]], Primitive]: ...
def primitive(
    forward: Callable[..., Any] | None = None, *, saves: Sequence[str] = ()
) -> Primitive | Callable[[Callable[..., Any]], Primitive]:
    """Make an operator of a function on arrays. State its derivative with `defvjps`.

    With `saves`, the forward returns its output followed by one value per name (a mask, a shape),
    which rules can ask for.

    >>> import minigrad as mg
    >>> @mg.primitive
    ... def cube(x):
    ...     return x**3
    >>> cube.defvjps(lambda g, out, x: g * (3 * x * x))
    >>> x = mg.tensor(2.0, requires_grad=True)
    >>> cube(x).backward()
    >>> x.grad.item()
    12.0
    """
    if forward is None:
        return lambda function: Primitive(function, saves)
    return Primitive(forward, saves)


_PYTHON_NUMBERS = frozenset((bool, int, float))


def as_operand(where: str, value: Any) -> Any:
    """What a forward gets for an argument that is no tensor; `where` is the function it is for.

    Scalars stay Python scalars, which take the dtype of the arrays they meet (a NumPy scalar would
    promote float32 to float64). Sequences become arrays, of float32 where they hold Python floats.

    Raises TypeError for anything but real numbers, ValueError for sequences of uneven length.
    """
    if type(value) in _PYTHON_NUMBERS:
        return value
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, (bool, int, float)):
        return value
    array = _real_numbers(where, value)
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, np.generic):
        return value.item()
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _real_numbers(where: str, value: Any) -> Array:
    """`value` as an array, or the errors of `as_operand`."""
    try:
        array = np.asarray(value)
    except ValueError as problem:
        raise ValueError(f"{where}: cannot make an array of {value!r:.80}: {problem}") from None
    if array.dtype.kind not in "biuf":
        kind = f"{type(value).__name__} of dtype {array.dtype}"
        raise TypeError(f"{where}: expected real numbers, got {kind}: {value!r:.80}")
    return array


def as_array(where: str, value: Any) -> Array:
    """`value` as an array of the dtype NumPy gives it, refused as by `as_operand`."""
    return _real_numbers(where, value)


# --- observers ------------------------------------------------------------------------------------


class Observer(Protocol):
    """Somebody who is told of every operator and rule, such as `minigrad.detect_anomaly`."""

    def operator_ran(
        self,
        primitive: Primitive,
        args: tuple[Any, ...],
        parameters: dict[str, Any],
        output: Tensor,
    ) -> None:
        """An operator has made its output; if it was recorded, `output.node` is its node."""

    def run_rule(
        self, node: Node, position: int, rule: Callable[..., Any], inputs: Sequence[Any]
    ) -> Any:
        """Run the rule of a node for one argument, and return what it returns."""


_observer: Observer | None = None


def observe(observer: Observer | None) -> Observer | None:
    """Tell this observer, in all threads, and nobody else (None). Returns the one before it."""
    global _observer
    previous, _observer = _observer, observer
    return previous


# --- hooks on tensors -----------------------------------------------------------------------------

# Gets the gradient of a tensor; what it returns, unless None, takes its place.
Hook: TypeAlias = "Callable[[Tensor], Tensor | None]"


def register_hook(tensor: Differentiable, hook: Hook) -> HookHandle:
    """Have a function called with the gradient of a tensor; see `Tensor.register_hook`."""
    if not tensor._requires_grad:
        raise ValueError(
            f"Tensor.register_hook: the tensor of shape {tensor.shape} does not require grad and "
            "will never have a gradient; make it with requires_grad=True"
        )
    # The graph holds the node of a computed tensor, but not the tensor.
    source = tensor.node or tensor
    if source.hooks is None:
        source.hooks = Hooks()
    return source.hooks.add("Tensor.register_hook", hook)


def _run_hooks(hooks: Hooks, gradient: Tensor) -> Tensor:
    """The gradient after every hook, in the order in which they were registered."""
    for hook in hooks:
        replacement: Any = hook(gradient)
        if replacement is None:
            continue
        if not isinstance(replacement, Differentiable):
            raise TypeError(
                f"Tensor.register_hook: the hook {hook!r} returned {type(replacement).__name__}; "
                "it must return a Tensor to put in place of the gradient, or None to leave it"
            )
        if replacement.shape != gradient.shape or replacement.dtype != gradient.dtype:
            raise ValueError(
                f"Tensor.register_hook: the hook {hook!r} returned a gradient of shape "
                f"{replacement.shape} and dtype {replacement.dtype}; the tensor has shape "
                f"{gradient.shape} and dtype {gradient.dtype}"
            )
        gradient = replacement  # type: ignore[assignment]
    return gradient


# --- reverse mode ---------------------------------------------------------------------------------


def backward(
    output: Differentiable,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> None:
    """Add to `.grad` of every leaf the gradient of `output`; see `Tensor.backward`."""
    cotangent = _cotangent_for("backward", output, gradient)
    gradients = _propagate([output], [cotangent], None, retain_graph, create_graph)
    with _recording(create_graph):
        for leaf, contribution in gradients.items():
            assert isinstance(leaf, Differentiable)
            if leaf.grad is not None:
                leaf.grad = leaf.grad + contribution
            elif create_graph:
                leaf.grad = contribution
            else:
                # A copy in the leaf's own order: the contribution may be a view, or shared by
                # several leaves (x + y hands the same gradient to both).
                leaf.grad = make_tensor(np.array(contribution.data, order="C"))


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> Any:
    """The gradients of `outputs` with respect to `inputs`; no `.grad` is touched.

    Args:
        outputs: a Tensor or a sequence of them; several are added up, each weighted by its
            cotangent.
        inputs: a Tensor or a sequence of them, leaves or not.
        grad_outputs: the gradient flowing into each output, of its shape; a list or tuple holds one
            per output. May be left out (or be None) where an output has a single cell: it is 1.
        retain_graph: keep the graph for another pass; the default is `create_graph`.
        create_graph: record the computation of the gradients, so that they can be differentiated.

    Returns:
        A Tensor of the input's shape and dtype, or a tuple of them where `inputs` is a sequence. An
        input on which no output depends has gradient zero.

    Raises:
        TypeError: an output is not a Tensor, or a cotangent does not hold numbers.
        ValueError: an input does not require grad, no output was recorded, a cotangent has the
            wrong shape, or the graph has been freed.

    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> (slope,) = mg.grad(x**3, [x], create_graph=True)
    >>> slope.item(), mg.grad(slope, x).item()
    (27.0, 18.0)
    """
    output_list = _one_or_several("outputs", outputs)
    input_list = _one_or_several("inputs", inputs)
    for index, tensor in enumerate(input_list):
        if not isinstance(tensor, Differentiable) or not tensor._requires_grad:
            raise ValueError(
                f"grad: inputs[{index}] does not require grad; make it with requires_grad=True "
                "before computing the outputs"
            )
    for index, tensor in enumerate(output_list):
        if not isinstance(tensor, Differentiable):
            raise TypeError(f"grad: outputs[{index}] is {type(tensor).__name__}, not a Tensor")
    if grad_outputs is None:
        cotangent_list = [None] * len(output_list)
    elif isinstance(grad_outputs, (list, tuple)):
        cotangent_list = list(grad_outputs)
    else:
        cotangent_list = [grad_outputs]
    if len(cotangent_list) != len(output_list):
        raise ValueError(
            f"grad: got {len(cotangent_list)} grad_outputs for {len(output_list)} outputs; "
            "give one per output"
        )
    recorded = [
        (output, _cotangent_for("grad", output, cotangent))
        for output, cotangent in zip(output_list, cotangent_list, strict=True)
        if output._requires_grad
    ]
    if not recorded:
        raise ValueError(
            "grad: no output requires grad: nothing was recorded on the way from the inputs "
            "(a no_grad block, a detach, or no tensor with requires_grad at the start)"
        )
    sources = [tensor.node or tensor for tensor in input_list]
    gradients = _propagate(
        [output for output, _ in recorded],
        [cotangent for _, cotangent in recorded],
        set(sources),
        retain_graph,
        create_graph,
    )
    results = tuple(
        gradients[source] if source in gradients else make_tensor(np.zeros_like(tensor.data))
        for source, tensor in zip(sources, input_list, strict=True)
    )
    return results[0] if isinstance(inputs, Differentiable) else results


def _one_or_several(name: str, tensors: Any) -> list[Any]:
    """What `grad` is given, as a list."""
    if isinstance(tensors, Differentiable):
        return [tensors]
    try:
        return list(iter(tensors))
    except TypeError:
        raise TypeError(
            f"grad: {name} must be a Tensor or a sequence of Tensors, got {tensors!r:.80} "
            f"({type(tensors).__name__})"
        ) from None


def _cotangent_for(caller: str, output: Differentiable, gradient: Any) -> Tensor:
    """The gradient that flows into an output, checked; 1 where it may be left out."""
    if not output._requires_grad:
        raise ValueError(
            f"{caller}: the tensor of shape {output.shape} does not require grad and was not "
            "computed from a tensor that does; make the inputs with requires_grad=True"
        )
    if gradient is None:
        if output.data.size != 1:
            raise ValueError(
                f"{caller}: the gradient can be left out for a single number only, and the tensor "
                f"has shape {output.shape}; reduce it (.sum(), .mean()) or give a gradient of that "
                "shape"
            )
        return make_tensor(np.ones_like(output.data))
    if isinstance(gradient, Differentiable):
        cotangent: Differentiable = gradient
        if cotangent.dtype != output.dtype:
            raise ValueError(
                f"{caller}: the gradient has dtype {cotangent.dtype} and the tensor "
                f"{output.dtype}; convert it with .astype({str(output.dtype)!r})"
            )
    else:
        cotangent = make_tensor(np.asarray(as_array(caller, gradient), dtype=output.dtype))
    if cotangent.shape != output.shape:
        raise ValueError(
            f"{caller}: the gradient has shape {cotangent.shape} and the tensor {output.shape}; "
            "they must be equal"
        )
    return cotangent  # type: ignore[return-value]


def _propagate(
    outputs: Sequence[Differentiable],
    cotangents: Sequence[Tensor],
    targets: set[Source] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[Source, Tensor]:
    """Carry cotangents back through the graph.

    `targets` are the nodes and leaves whose gradients are wanted; None means every leaf. Returns
    the gradient of each target that was reached.
    """
    retain = create_graph if retain_graph is None else retain_graph
    order = _nodes_in_order(outputs)
    wanted = None
    if targets is not None:
        leading = _nodes_leading_to(targets, order)
        wanted = targets | leading
        order = [node for node in order if node in wanted]
    # The gradients that have not been passed on yet. The leaves' stay until the end.
    pending: dict[Source, Tensor] = {}
    results: dict[Source, Tensor] = {}
    with _recording(create_graph):
        for output, cotangent in zip(outputs, cotangents, strict=True):
            source = output.node or output
            if wanted is None or source in wanted:
                _add(pending, source, cotangent)
        # Every node comes after its parents in `order`, so when a node is taken off the end, all
        # that can contribute to its gradient has done so.
        while order:
            node = order.pop()
            gradient = pending.pop(node, None)
            if gradient is None:
                continue
            if node.hooks is not None:
                gradient = _run_hooks(node.hooks, gradient)
            if targets is not None and node in targets:
                results[node] = gradient
                if node not in leading:
                    continue
            _apply_rules(node, gradient, wanted, pending)
            if not retain:
                node.free()
        for leaf, gradient in pending.items():
            if leaf.hooks is not None:
                gradient = _run_hooks(leaf.hooks, gradient)
            results[leaf] = gradient
    return results


def _apply_rules(
    node: Node, gradient: Tensor, wanted: set[Source] | None, pending: dict[Source, Tensor]
) -> None:
    """Add to the pending gradients what one node passes on to its parents."""
    saved = node.saved or {}
    if "out" in saved:
        # The output as a tensor again, so that rules which use it can be differentiated.
        saved = {**saved, "out": make_tensor(saved["out"], node if _mode.recording else None)}
    assert node.parents is not None
    for position, parent in enumerate(node.parents):
        if parent is None or (wanted is not None and parent not in wanted):
            continue
        rule = node.primitive.rule_for(position)
        if rule is None:
            continue
        function, names = rule
        inputs: list[Any] = [gradient]
        for name in names:
            inputs.append(position if name == "position" else saved[name])
        if _observer is None:
            contribution = function(*inputs)
        else:
            contribution = _observer.run_rule(node, position, function, inputs)
        if (
            not isinstance(contribution, Differentiable)
            or contribution.data.shape != parent.shape
            or contribution.data.dtype != parent.dtype
        ):
            raise _bad_contribution(node, position, contribution, parent)
        _add(pending, parent, contribution)  # type: ignore[arg-type]


def _add(pending: dict[Source, Tensor], source: Source, contribution: Tensor) -> None:
    """Add to what has arrived at a node or leaf so far."""
    if source not in pending:
        pending[source] = contribution
    elif _mode.recording or _observer is not None:
        pending[source] = pending[source] + contribution
    else:
        pending[source] = make_tensor(np.asarray(pending[source].data + contribution.data))


def _bad_contribution(
    node: Node, position: int, contribution: Any, parent: Node | Differentiable
) -> Exception:
    """The error for a rule that returned something that cannot be its argument's gradient."""
    name = node.primitive.name
    argument = node.primitive.argument_name(position)
    if not isinstance(contribution, Differentiable):
        return TypeError(
            f"the rule of {name} for {argument} returned {type(contribution).__name__}; rules are "
            "written with Tensor operators and return a Tensor"
        )
    return ValueError(
        f"the rule of {name} for {argument} returned a gradient of shape {contribution.shape} and "
        f"dtype {contribution.dtype}; the argument has shape {parent.shape} and dtype "
        f"{parent.dtype}"
    )


def _nodes_in_order(outputs: Sequence[Differentiable]) -> list[Node]:
    """All nodes behind the outputs, every node after its parents."""
    found: set[Node] = set()
    stack = [output.node for output in outputs if output.node is not None]
    while stack:
        node = stack.pop()
        if node in found:
            continue
        if node.parents is None:
            raise ValueError(
                f"the graph behind this tensor has been freed (at {node.primitive.name}): an "
                "earlier backward or grad ran through it; give that one retain_graph=True"
            )
        found.add(node)
        for parent in node.parents:
            if type(parent) is Node:
                stack.append(parent)
    return sorted(found, key=operator.attrgetter("position"))


def _nodes_leading_to(targets: set[Source], order: Sequence[Node]) -> set[Source]:
    """All nodes with a target among their ancestors."""
    leading: set[Source] = set()
    for node in order:
        assert node.parents is not None
        for parent in node.parents:
            if parent in targets or parent in leading:
                leading.add(node)
                break
    return leading
