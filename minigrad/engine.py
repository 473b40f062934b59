"""The engine: recording what was computed, and walking it backwards.

What it offers, bottom up:

- `Differentiable` -- what the engine needs of a tensor; `minigrad.Tensor` is this plus operators.
- `no_grad`, `is_recording` -- whether operators leave a trace.
- `Node` -- one recorded operation: the operator, where its arguments came from, what its rules need.
- `Primitive`, `primitive` -- an operator: a forward on arrays and one vjp per tensor argument.
- `backward`, `grad` -- reverse-mode differentiation of recorded graphs, of any order.

A vjp ("vector-Jacobian product") turns the gradient of an operator's output into the gradient of one
of its arguments. Rules are written with Tensor operators, so that running a rule can itself be
recorded: that is all there is to second and higher derivatives.

Memory is managed by reference counting alone. A tensor points to the node that made it, a node to the
nodes of its arguments, and nothing points forwards; so a graph is gone as soon as its last tensor is.
A node does not hold its argument tensors, only what the rules ask for by name.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    from .tensor import Tensor

Array = np.ndarray[Any, Any]


class Differentiable:
    """What the engine knows of a tensor: its array and how it was made.

    `node` is the operation that made the tensor, or None for a leaf. Only leaves with
    `requires_grad` collect a gradient in `grad`.
    """

    __slots__ = ("__weakref__", "_requires_grad", "data", "grad", "node")

    data: Array
    grad: Tensor | None
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
    tensor.node = node
    tensor._requires_grad = node is not None
    return tensor  # type: ignore[return-value]


# --- whether operators are recorded ---------------------------------------------------------------


class _Mode(threading.local):
    recording = True


_mode = _Mode()


def is_recording() -> bool:
    """Whether operators on tensors that require grad are being recorded, in this thread."""
    return _mode.recording


@contextlib.contextmanager
def _recording(flag: bool) -> Iterator[None]:
    previous = _mode.recording
    _mode.recording = flag
    try:
        yield
    finally:
        _mode.recording = previous


class no_grad(contextlib.ContextDecorator):
    """Record nothing inside: a `with` block, or a decorator.

    >>> import minigrad as mg
    >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
    >>> with mg.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __init__(self) -> None:
        self._outer: list[bool] = []

    def __enter__(self) -> no_grad:
        self._outer.append(_mode.recording)
        _mode.recording = False
        return self

    def __exit__(self, *exception: object) -> None:
        _mode.recording = self._outer.pop()


# --- nodes and operators --------------------------------------------------------------------------

_next_position = itertools.count().__next__


class Node:
    """One recorded operation.

    Attributes:
        primitive: the operator.
        parents: per tensor argument, the node that made it, the leaf tensor itself, or None where no
            gradient is wanted. None as a whole once the graph has been freed.
        saved: what the rules asked for, by name.
        position: counts up with every operation, so that parents come before their children.
        shape, dtype: those of the output, which its gradient must have too.
    """

    __slots__ = ("__weakref__", "dtype", "parents", "position", "primitive", "saved", "shape")

    def __init__(
        self,
        primitive: Primitive,
        parents: list[Node | Differentiable | None],
        saved: dict[str, Any] | None,
        output: Array,
    ) -> None:
        self.primitive = primitive
        self.parents: list[Node | Differentiable | None] | None = parents
        self.saved = saved
        self.position = _next_position()
        self.shape = output.shape
        self.dtype = output.dtype

    def free(self) -> None:
        """Let go of everything but the name, so that the memory of the graph can be reused."""
        self.parents = None
        self.saved = None

    def __repr__(self) -> str:
        return f"Node({self.primitive.name}, shape={self.shape}, dtype={self.dtype})"


class Primitive:
    """An operator: a forward on arrays, and under it one vjp per tensor argument.

    Made by `primitive`. The forward's positional parameters without a default are its tensor
    arguments, all others are parameters of the operation (an axis, a stride). A forward with
    `*arrays` takes any number of tensors.

    A rule takes the gradient of the output first, and then, *by name*, whatever it needs: any of the
    forward's arguments and parameters, `out` (the output), and the values the forward `saves`. Only
    what a rule names is kept for the backward pass.
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
            elif parameter.kind is parameter.KEYWORD_ONLY or parameter.default is not parameter.empty:
                self.parameters[parameter.name] = parameter.default
            else:
                self.arguments += (parameter.name,)
        self.rules: tuple[tuple[Callable[..., Any], tuple[str, ...]] | None, ...] | None = None
        self._differentiable = True
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
                    f"{self.name}.defvjps: a rule asks for {unknown[0]!r}; after the gradient, rules "
                    f"can ask by name for {sorted(known)}"
                )
            compiled.append((rule, names))
        self.rules = tuple(compiled)
        self._differentiable = any(rule is not None for rule in compiled)
        self._names_to_save.clear()

    def rule_for(self, position: int) -> tuple[Callable[..., Any], tuple[str, ...]] | None:
        """The rule of one argument and the names it asks for; None where there is no derivative."""
        if self.rules is None:
            raise NotImplementedError(
                f"{self.name} has no derivative: state one rule per tensor argument "
                f"with {self.name}.defvjps(...)"
            )
        return self.rules[0 if self.variadic else position]

    def __call__(self, *args: Any, **parameters: Any) -> Tensor:
        if len(args) > len(self.arguments) and not self.variadic:
            args, parameters = self._name_extra_arguments(args, parameters)
        arrays = []
        wanted = 0  # bit i is set where argument i wants a gradient
        bit = 1
        for argument in args:
            if isinstance(argument, Differentiable):
                arrays.append(argument.data)
                if argument._requires_grad:
                    wanted |= bit
            else:
                arrays.append(as_operand(argument))
            bit <<= 1
        result = self.forward(*arrays, **parameters)
        output = result[0] if self.saves else result
        if type(output) is not np.ndarray:
            output = np.asarray(output)  # NumPy's reductions return scalars
        if not (wanted and _mode.recording and self._differentiable and output.dtype.kind == "f"):
            return make_tensor(output)
        return make_tensor(output, self._record(args, wanted, parameters, result, output))

    def _record(
        self,
        args: tuple[Any, ...],
        wanted: int,
        parameters: dict[str, Any],
        result: Any,
        output: Array,
    ) -> Node:
        names = self._names_to_save.get(wanted)
        if names is None:
            names = self._names_to_save[wanted] = self._names_needed(wanted, len(args))
        saved = None
        if names:
            available = {**self.parameters, **parameters}
            available.update(zip(self.arguments, args, strict=False))
            if self.saves:
                available.update(zip(self.saves, result[1:], strict=True))
            if self.variadic:
                available[self.variadic] = args
            # Of the output only the array: the tensor would hold this node and the node the tensor.
            available["out"] = output
            saved = {name: available[name] for name in names}
        parents: list[Node | Differentiable | None] = []
        for argument in args:
            if isinstance(argument, Differentiable) and argument._requires_grad:
                parents.append(argument.node or argument)
            else:
                parents.append(None)
        return Node(self, parents, saved, output)

    def _names_needed(self, wanted: int, count: int) -> tuple[str, ...]:
        if self.rules is None:
            return ()
        needed: dict[str, None] = {}
        for position in range(count):
            rule = self.rule_for(position)
            if wanted >> position & 1 and rule is not None:
                needed.update(dict.fromkeys(name for name in rule[1] if name != "position"))
        return tuple(needed)

    def _name_extra_arguments(
        self, args: tuple[Any, ...], parameters: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional arguments behind the tensors are the parameters, in order."""
        tensors, extra = args[: len(self.arguments)], args[len(self.arguments) :]
        if len(extra) > len(self.parameters):
            raise TypeError(f"{self.name}: takes {self.arguments} and {tuple(self.parameters)}")
        return tensors, {**dict(zip(self.parameters, extra, strict=False)), **parameters}

    def __repr__(self) -> str:
        return f"<operator {self.name}({', '.join(self.arguments or ('*' + str(self.variadic),))})>"


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


def as_operand(value: Any) -> Any:
    """What a forward gets for an argument that is no tensor.

    Scalars stay Python scalars, which take the dtype of the arrays they meet (a NumPy scalar would
    promote float32 to float64). Sequences become arrays, of float32 where they hold Python floats.
    """
    if isinstance(value, (np.ndarray, bool, int, float)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, np.generic):
        return value.item()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"expected numbers, got {type(value).__name__}: {value!r:.80}")
    return array.astype(np.float32) if array.dtype == np.float64 else array


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
        for leaf, contribution in gradients.values():
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
        outputs: a Tensor or a sequence of them; several are added up, each weighted by its cotangent.
        inputs: a Tensor or a sequence of them, leaves or not.
        grad_outputs: the gradient flowing into each output, of its shape. May be left out (or be
            None) for an output with a single cell, where it is 1.
        retain_graph: keep the graph for another pass; the default is `create_graph`.
        create_graph: record the computation of the gradients, so that they can be differentiated.

    Returns:
        A Tensor of the input's shape and dtype, or a tuple of them where `inputs` is a sequence. An
        input on which no output depends has gradient zero.

    Raises:
        ValueError: an input does not require grad, no output was recorded, a cotangent has the wrong
            shape, or the graph has been freed.

    >>> import minigrad as mg
    >>> x = mg.tensor(3.0, requires_grad=True)
    >>> (slope,) = mg.grad(x**3, [x], create_graph=True)
    >>> slope.item(), mg.grad(slope, x).item()
    (27.0, 18.0)
    """
    output_list = [outputs] if isinstance(outputs, Differentiable) else list(outputs)
    input_list = [inputs] if isinstance(inputs, Differentiable) else list(inputs)
    for index, tensor in enumerate(input_list):
        if not isinstance(tensor, Differentiable) or not tensor._requires_grad:
            raise ValueError(
                f"grad: inputs[{index}] does not require grad; make it with requires_grad=True "
                "before computing the outputs"
            )
    if grad_outputs is None or isinstance(grad_outputs, (Differentiable, np.ndarray, float, int)):
        cotangent_list = [grad_outputs] * len(output_list) if grad_outputs is None else [grad_outputs]
    else:
        cotangent_list = list(grad_outputs)
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
            "(a no_grad block, a detach, or a graph that does not start at tensors with requires_grad)"
        )
    targets = {id(tensor.node or tensor): tensor for tensor in input_list}
    gradients = _propagate(
        [output for output, _ in recorded],
        [cotangent for _, cotangent in recorded],
        set(targets),
        retain_graph,
        create_graph,
    )
    results = tuple(
        gradients[id(tensor.node or tensor)][1]
        if id(tensor.node or tensor) in gradients
        else make_tensor(np.zeros_like(tensor.data))
        for tensor in input_list
    )
    return results[0] if isinstance(inputs, Differentiable) else results


def _cotangent_for(caller: str, output: Differentiable, gradient: Any) -> Tensor:
    """The gradient that flows into an output, checked; 1 where it may be left out."""
    if not output._requires_grad:
        raise ValueError(
            f"{caller}: the tensor of shape {output.shape} does not require grad and was not computed "
            "from a tensor that does; make the inputs with requires_grad=True"
        )
    if gradient is None:
        if output.data.size != 1:
            raise ValueError(
                f"{caller}: the gradient can be left out for a single number only, and the tensor has "
                f"shape {output.shape}; reduce it (.sum(), .mean()) or give a gradient of that shape"
            )
        return make_tensor(np.ones_like(output.data))
    if isinstance(gradient, Differentiable):
        cotangent: Differentiable = gradient
        if cotangent.dtype != output.dtype:
            raise ValueError(
                f"{caller}: the gradient has dtype {cotangent.dtype} and the tensor {output.dtype}; "
                f"convert it with .astype({output.dtype})"
            )
    else:
        cotangent = make_tensor(np.asarray(gradient, dtype=output.dtype))
    if cotangent.shape != output.shape:
        raise ValueError(
            f"{caller}: the gradient has shape {cotangent.shape} and the tensor {output.shape}; "
            "they must be equal"
        )
    return cotangent  # type: ignore[return-value]


def _propagate(
    outputs: Sequence[Differentiable],
    cotangents: Sequence[Tensor],
    targets: set[int] | None,
    retain_graph: bool | None,
    create_graph: bool,
) -> dict[int, tuple[Node | Differentiable, Tensor]]:
    """Carry cotangents back through the graph.

    `targets` are ids of the nodes and leaves whose gradients are wanted; None means every leaf.
    Returns the gradient of each target that was reached, by id.
    """
    retain = create_graph if retain_graph is None else retain_graph
    order = _nodes_in_order(outputs)
    wanted = None
    if targets is not None:
        leading = _nodes_leading_to(targets, order)
        wanted = targets | leading
        order = [node for node in order if id(node) in wanted]
    pending: dict[int, tuple[Node | Differentiable, Tensor]] = {}
    results: dict[int, tuple[Node | Differentiable, Tensor]] = {}

    def add(source: Node | Differentiable, contribution: Tensor) -> None:
        collected = pending if isinstance(source, Node) else results
        earlier = collected.get(id(source))
        total = contribution if earlier is None else earlier[1] + contribution
        collected[id(source)] = (source, total)

    with _recording(create_graph):
        for output, cotangent in zip(outputs, cotangents, strict=True):
            source = output.node or output
            if wanted is None or id(source) in wanted:
                add(source, cotangent)
        # Every node comes after its parents in `order`, so when a node is taken off the end, all
        # that can contribute to its gradient has done so.
        while order:
            node = order.pop()
            arrived = pending.pop(id(node), None)
            if arrived is None:
                continue
            if targets is not None and id(node) in targets:
                results[id(node)] = arrived
                if id(node) not in leading:
                    continue
            _apply_rules(node, arrived[1], wanted, add)
            del arrived
            if not retain:
                node.free()
    return results


def _apply_rules(
    node: Node,
    gradient: Tensor,
    wanted: set[int] | None,
    add: Callable[[Node | Differentiable, Tensor], None],
) -> None:
    assert node.parents is not None
    saved = node.saved
    if saved is not None and "out" in saved:
        # The output as a tensor again, so that rules which use it can be differentiated.
        saved = {**saved, "out": make_tensor(saved["out"], node if _mode.recording else None)}
    for position, parent in enumerate(node.parents):
        if parent is None or (wanted is not None and id(parent) not in wanted):
            continue
        rule = node.primitive.rule_for(position)
        if rule is None:
            continue
        function, names = rule
        if names:
            assert saved is not None or names == ("position",)
            values = [position if name == "position" else saved[name] for name in names]  # type: ignore[index]
            contribution = function(gradient, *values)
        else:
            contribution = function(gradient)
        if (
            not isinstance(contribution, Differentiable)
            or contribution.shape != parent.shape
            or contribution.dtype != parent.dtype
        ):
            raise _bad_contribution(node, position, contribution, parent)
        add(parent, contribution)  # type: ignore[arg-type]


def _bad_contribution(
    node: Node, position: int, contribution: Any, parent: Node | Differentiable
) -> Exception:
    """The error for a rule that returned something that cannot be its argument's gradient."""
    name = node.primitive.name
    argument = (
        f"{node.primitive.variadic}[{position}]"
        if node.primitive.variadic
        else node.primitive.arguments[position]
    )
    if not isinstance(contribution, Differentiable):
        return TypeError(
            f"the rule of {name} for {argument} returned {type(contribution).__name__}; rules are "
            "written with Tensor operators and return a Tensor"
        )
    return ValueError(
        f"the rule of {name} for {argument} returned a gradient of shape {contribution.shape} and "
        f"dtype {contribution.dtype}; the argument has shape {parent.shape} and dtype {parent.dtype}"
    )


def _nodes_in_order(outputs: Sequence[Differentiable]) -> list[Node]:
    """All nodes behind the outputs, every node after its parents."""
    found: dict[int, Node] = {}
    stack = [output.node for output in outputs if output.node is not None]
    while stack:
        node = stack.pop()
        if id(node) in found:
            continue
        if node.parents is None:
            raise ValueError(
                f"the graph behind this tensor has been freed (at {node.primitive.name}): an earlier "
                "backward or grad ran through it; give that one retain_graph=True"
            )
        found[id(node)] = node
        stack.extend(parent for parent in node.parents if isinstance(parent, Node))
    return sorted(found.values(), key=lambda node: node.position)


def _nodes_leading_to(targets: set[int], order: Sequence[Node]) -> set[int]:
    """The ids of all nodes with a target among their ancestors."""
    leading: set[int] = set()
    for node in order:
        assert node.parents is not None
        for parent in node.parents:
            if id(parent) in targets or id(parent) in leading:
                leading.add(id(node))
                break
    return leading
