"""The catalogue: every operator, method and function of the library, with inputs and an oracle.

- `Case`: sample inputs, what must come out, and how often it can be differentiated.
- `CASES`: all of them; `entries(...)` picks and names them for `pytest.mark.parametrize`.
- `covered_names()`: what the catalogue covers, such as "elementwise.exp", "Tensor.exp", "F.relu".

A case names the functions that must give its result: `elementwise.exp` and `Tensor.exp` share one.
Oracles are plain NumPy, loops and closed forms (`tests.oracles`), never the library. No two sizes
of a shape are equal, and samples keep away from kinks by more than finite differences move them.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad.conv_arithmetic import Window
from minigrad.distributed import sums
from minigrad.equivalence import matrix
from minigrad.operators import convolution, einsum, elementwise, linear, losses, reductions
from tests import oracles

Array = np.ndarray
Oracle = Callable[..., Any]
Functions = Mapping[str, Callable[..., mg.Tensor]]


@dataclass(frozen=True, eq=False)
class Case:
    """One sample of what some functions, named as in `covered_names`, must do alike.

    Attributes:
        label: what is special about it.
        functions: by name; each takes one tensor per input.
        expected: the result, from plain arrays.
        inputs: float64 arrays.
        order: to which derivatives are checked; 0 where finite differences cannot follow.
        linear: in all inputs together, so that the adjoint identity must hold exactly.
        dtype: of the result, where it is not that of the inputs.
    """

    label: str
    functions: Functions
    expected: Oracle
    inputs: tuple[Array, ...]
    order: int
    linear: bool
    dtype: Any


CASES: list[Case] = []


def case(
    label: str,
    functions: Functions,
    expected: Oracle,
    *inputs: Array,
    order: int = 3,
    linear: bool = False,
    dtype: Any = None,
) -> None:
    """Add a case to the catalogue."""
    CASES.append(Case(label, functions, expected, inputs, order, linear, dtype))


def entries(wanted: Callable[[Case], bool] = lambda case: True) -> list[Any]:
    """(function, case) for every function of every wanted case, as named pytest parameters."""
    return [
        pytest.param(function, entry, id=f"{name}-{entry.label}".replace(" ", "_"))
        for entry in CASES
        if wanted(entry)
        for name, function in entry.functions.items()
    ]


def covered_names() -> set[str]:
    """The names of all functions that have a case."""
    return {name for entry in CASES for name in entry.functions}


# --- samples and oracles --------------------------------------------------------------------------

_rng = np.random.default_rng(20240229)


def numbers(*shape: int) -> Array:
    """Numbers of either sign."""
    return np.asarray(_rng.standard_normal(shape))


def positive(*shape: int) -> Array:
    """Numbers between 0.5 and 2."""
    return np.asarray(_rng.uniform(0.5, 2.0, shape))


def off_zero(*shape: int) -> Array:
    """Numbers of either sign, 0.3 to 2 from zero."""
    return np.asarray(_rng.uniform(0.3, 2.0, shape) * _rng.choice([-1.0, 1.0], shape))


def spread(*shape: int) -> Array:
    """Shuffled numbers around 0, any two of them at least 0.05 apart, and 0.02 from zero."""
    count = math.prod(shape)
    steps = _rng.permutation(count) - count // 2
    return np.asarray((steps * 0.05 + 0.025).reshape(shape))


def whole(*shape: int) -> Array:
    """Small whole numbers, many of them equal."""
    return np.asarray(_rng.integers(-2, 3, shape), np.float64)


def constant(sample: Callable[..., Array], *shape: int) -> Array:
    """An operand that is no input: float32, which takes the dtype of the float64 it meets."""
    return sample(*shape).astype(np.float32)


def each(function: Callable[..., float]) -> Oracle:
    """A function of numbers, applied to arrays cell by cell."""
    return np.vectorize(function, otypes=[np.float64])


def same(x: Array) -> Array:
    """What an operator that changes nothing returns."""
    return x


# --- arithmetic -----------------------------------------------------------------------------------

CONSTANTS = {
    "array": constant(positive, 3, 5),
    "wider array": constant(positive, 2, 1, 5),
    "list": [1.5, 0.5, 2.5, 3.5, 0.75],
    "float": 2.5,
    "int": 3,
    "NumPy float": np.float64(0.5),
}


def with_constant_right(operation: Oracle, value: Any) -> Oracle:
    """x -> operation(x, value)"""
    return lambda x: operation(x, value)


for name, method, operation in (
    ("add", "add", operator.add),
    ("subtract", "sub", operator.sub),
    ("multiply", "mul", operator.mul),
    ("divide", "truediv", operator.truediv),
    ("power", "pow", operator.pow),
):
    functions: Functions = {
        f"elementwise.{name}": getattr(elementwise, name),
        f"Tensor.__{method}__": operation,
    }
    base = positive if name == "power" else off_zero
    for label, left_shape, right_shape in (
        ("alike", (3, 5), (3, 5)),
        ("broadcast", (2, 1, 5), (3, 1)),
        ("broadcast left", (5,), (2, 3, 5)),
        ("0-d right", (3, 5), ()),
        ("0-d both", (), ()),
    ):
        case(
            label,
            functions,
            operation,
            base(*left_shape),
            off_zero(*right_shape),
            order=3,
            linear=name in ("add", "subtract"),
        )
    for label, value in CONSTANTS.items():
        plain = np.asarray(value)
        case(
            f"{label} right",
            {f"Tensor.__{method}__": with_constant_right(operation, value)},
            with_constant_right(operation, plain),
            base(3, 5),
        )
        case(
            f"{label} left",
            {f"Tensor.__r{method}__": partial(operation, value)},
            partial(operation, plain),
            off_zero(3, 5),
        )

case(
    "exponent 0",  # its gradient for x is 0, and the gradient of that for y is not
    {"elementwise.power": elementwise.power},
    operator.pow,
    positive(5),
    np.array([0.0, 1.0, 2.0, 0.0, -1.0]),
    order=3,
)
for sample, exponents in ((off_zero, (0, 1, 2, 3, -2)), (positive, (0.5, -1.5, 2.0))):
    for exponent in exponents:
        case(
            f"to the {exponent}",
            {
                "elementwise.power_scalar": partial(elementwise.power_scalar, exponent=exponent),
                "Tensor.__pow__": with_constant_right(operator.pow, exponent),
            },
            with_constant_right(each(math.pow), exponent),
            sample(3, 5),
            order=3,
        )
case(
    "through zero",
    {"Tensor.__pow__": lambda x: x**2, "Tensor.square": methodcaller("square")},
    lambda x: x * x,
    np.array([0.0, -1.5, 0.5]),
    order=3,
)

# --- cell by cell ---------------------------------------------------------------------------------


def sigmoid(v: float) -> float:
    """Of one number, without overflow."""
    return 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v))


for name, methods, formula, sample, order in (
    ("negative", ("neg", "__neg__"), operator.neg, numbers, 3),
    ("absolute", ("abs", "__abs__"), math.fabs, off_zero, 3),
    ("exp", ("exp",), math.exp, numbers, 3),
    ("expm1", ("expm1",), math.expm1, numbers, 3),
    ("log", ("log",), math.log, positive, 3),
    ("log1p", ("log1p",), math.log1p, positive, 3),
    ("sqrt", ("sqrt",), math.sqrt, positive, 3),
    ("square", ("square",), lambda v: v * v, numbers, 3),
    ("reciprocal", ("reciprocal",), lambda v: 1 / v, off_zero, 3),
    ("sin", ("sin",), math.sin, numbers, 3),
    ("cos", ("cos",), math.cos, numbers, 3),
    ("tanh", ("tanh",), math.tanh, numbers, 3),
    ("sigmoid", ("sigmoid",), sigmoid, numbers, 3),
    ("relu", ("relu",), lambda v: max(v, 0.0), off_zero, 3),
    ("sign", ("sign",), lambda v: math.copysign(1.0, v), off_zero, 3),
    ("floor", ("floor",), math.floor, lambda *shape: whole(*shape) + 0.3, 3),
):
    functions = {
        f"elementwise.{name}": getattr(elementwise, name),
        **{f"Tensor.{method}": methodcaller(method) for method in methods},
        **({f"F.{name}": getattr(F, name)} if hasattr(F, name) else {}),
    }
    for label, shape in (("", (2, 3, 5)), ("0-d", ())):
        case(
            label, functions, each(formula), sample(*shape), order=order, linear=name == "negative"
        )

# Large enough for the zeros that broadcast along the outermost axis in memory, and so along others.
for label, x in (
    ("large", off_zero(11, 31, 37)),
    ("large, last axis outermost", off_zero(11, 31, 37).transpose(1, 2, 0)),
    ("large, backwards", off_zero(31, 373)[::-1, ::-1]),
):
    case(label, {"elementwise.relu": elementwise.relu}, each(lambda v: max(v, 0.0)), x, order=0)

for label, reference in (
    ("", off_zero(2, 3, 5)),
    ("0-d", np.array(0.5)),
    ("zeros and nan", np.array([0.0, -0.0, np.nan, 1.0, -np.inf, np.inf])),
):
    case(
        label,
        {"elementwise.where_positive": partial(elementwise.where_positive, reference=reference)},
        partial(lambda x, reference: np.where(reference > 0, x, 0.0), reference=reference),
        numbers(*reference.shape),
        linear=True,
    )

case("", {"Tensor.__pos__": operator.pos}, same, numbers(3, 5), linear=True)

for name, pick in (("maximum", max), ("minimum", min)):
    functions = {
        f"elementwise.{name}": getattr(elementwise, name),
        f"Tensor.{name}": getattr(mg.Tensor, name),
        f"mg.{name}": getattr(mg, name),
    }
    x = numbers(3, 5)
    case("alike", functions, each(pick), x, x + off_zero(3, 5))
    case("broadcast", functions, each(pick), spread(2, 1, 5), spread(3, 1) - 0.013)
    case("0-d", functions, each(pick), np.array(0.7), np.array(-0.2))
    for label, value in (("number", 0.5), ("array", constant(numbers, 3, 5))):
        case(
            f"{label} right",
            {key: with_constant_right(function, value) for key, function in functions.items()},
            with_constant_right(each(pick), value),
            value + off_zero(3, 5),
        )
        case(
            f"{label} left",
            {f"mg.{name}": partial(getattr(mg, name), value)},
            partial(each(pick), value),
            value + off_zero(3, 5),
        )

bounds = np.array([-0.5, -1.0, 0.0, -0.25, 0.5], np.float32)
for label, low, high in (
    ("both", -0.5, 0.75),
    ("low", -0.5, None),
    ("high", None, 0.75),
    ("arrays", bounds, bounds + 1),
):
    below_within_above = np.array([-2.0, 0.3, 1.7])[:, np.newaxis]
    case(
        label,
        {
            "elementwise.clip": partial(elementwise.clip, min=low, max=high),
            "Tensor.clip": methodcaller("clip", low, high),
        },
        partial(np.clip, a_min=low, a_max=high),
        (bounds if label == "arrays" else 0.0) + below_within_above + 0.02 * numbers(3, 5),
    )

FLAGS = np.array([[True, False, True, True, False]] * 2 + [[False] * 4 + [True]])
for label, left_shape, right_shape in (
    ("alike", (3, 5), (3, 5)),
    ("broadcast", (2, 1, 5), (3, 1)),
    ("wider condition", (5,), (1,)),
    ("0-d", (), ()),
):
    case(
        label,
        {
            "elementwise.where": partial(elementwise.where, FLAGS),
            "mg.where": partial(mg.where, mg.Tensor(FLAGS)),
            "Tensor.where": lambda x, y: x.where(FLAGS, y),
        },
        partial(np.where, FLAGS),
        numbers(*left_shape),
        numbers(*right_shape),
        linear=True,
    )
for label, value in (("number", 1.5), ("array", constant(numbers, 3, 5))):
    case(
        f"{label} left",
        {"mg.where": partial(mg.where, FLAGS, value)},
        partial(np.where, FLAGS, value),
        numbers(2, 3, 5),
    )
    case(
        f"{label} right",
        {"mg.where": lambda x, value=value: mg.where(FLAGS, x, value)},
        lambda x, value=value: np.where(FLAGS, x, value),
        numbers(5),
    )

for name, method, mirrored in (
    ("equal", "eq", "eq"),
    ("not_equal", "ne", "ne"),
    ("less", "lt", "gt"),
    ("less_equal", "le", "ge"),
    ("greater", "gt", "lt"),
    ("greater_equal", "ge", "le"),
):
    comparison = partial(case, order=0, dtype=bool)
    operation = getattr(operator, method)
    functions = {
        f"elementwise.{name}": getattr(elementwise, name),
        f"Tensor.__{method}__": operation,
    }
    comparison("ties", functions, operation, whole(3, 5), whole(3, 5))
    comparison("broadcast", functions, operation, whole(2, 1, 5), whole(3, 1))
    comparison("0-d", functions, operation, whole(), whole())
    comparison(
        "number right",
        {f"Tensor.__{method}__": with_constant_right(operation, 1)},
        with_constant_right(operation, 1),
        whole(3, 5),
    )
    left = constant(whole, 2, 1, 5)  # Python asks the tensor, with the operation turned around
    comparison(
        "array left",
        {f"Tensor.__{mirrored}__": partial(operation, left)},
        partial(operation, left),
        whole(3, 1),
    )

# --- reductions -----------------------------------------------------------------------------------


def std(x: Array, axis: Any, keepdims: bool) -> Array:
    """The root of the mean squared distance from the mean."""
    return np.sqrt(np.mean((x - np.mean(x, axis, keepdims=True)) ** 2, axis, keepdims=keepdims))


def logsumexp(x: Array, axis: Any, keepdims: bool) -> Array:
    """By the formula, for numbers that are not large."""
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def all_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """An axis argument in the form that the operators take."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(sorted(a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))))


for name, oracle, sample, order in (
    ("sum", np.sum, numbers, 3),
    ("mean", np.mean, numbers, 3),
    ("var", np.var, numbers, 3),
    ("std", std, numbers, 3),
    ("max", np.max, spread, 3),
    ("min", np.min, spread, 3),
    ("prod", np.prod, off_zero, 3),
    ("logsumexp", logsumexp, numbers, 3),
):
    for shape, axis, keepdims in (
        ((2, 3, 5), None, False),
        ((2, 3, 5), None, True),
        ((2, 3, 5), 0, False),
        ((2, 3, 5), 1, True),
        ((2, 3, 5), -1, False),
        ((2, 3, 5), (0, 2), False),
        ((2, 3, 5), (-1, 0), True),
        ((2, 3, 5), (), False),
        ((), None, False),
    ):
        if name == "std" and axis in ((), None) and not (axis is None and shape):
            continue  # the root of 0 has no derivative
        functions = {f"Tensor.{name}": methodcaller(name, axis=axis, keepdims=keepdims)}
        primitive = getattr(reductions, f"_{name}", None)  # mean, var and others are composed
        if primitive is not None:
            axes = all_axes(axis, len(shape))
            functions[f"reductions.{name}"] = partial(primitive, axes=axes, keepdims=keepdims)
        case(
            f"{shape} axis={axis}{' keepdims' if keepdims else ''}",
            functions,
            partial(oracle, axis=axis, keepdims=keepdims),
            sample(*shape),
            order=order,
            linear=name == "sum",
        )

for name, oracle in (("var", np.var), ("std", np.std)):
    for axis, ddof in (((0, 2), 1), (1, 2)):
        case(
            f"ddof={ddof}",
            {f"Tensor.{name}": methodcaller(name, axis, ddof=ddof, keepdims=True)},
            partial(oracle, axis=axis, ddof=ddof, keepdims=True),
            numbers(2, 3, 5),
        )
case(
    "zeros among the factors",
    {"Tensor.prod": methodcaller("prod", 1)},
    partial(np.prod, axis=1),
    np.array([[0.0, 2.0, 3.0, -1.0, 0.5], [0.0, 2.0, 0.0, 1.5, 0.5], [1.0, 2.0, 3.0, 4.0, 5.0]]),
    order=3,
)
for axis, keepdims in ((None, False), (None, True), (0, False), (1, True), (-1, False)):
    case(
        f"axis={axis}{' keepdims' if keepdims else ''}",
        {
            "reductions.argmax": partial(reductions._argmax, axis=axis, keepdims=keepdims),
            "Tensor.argmax": methodcaller("argmax", axis, keepdims=keepdims),
        },
        partial(np.argmax, axis=axis, keepdims=keepdims),
        whole(2, 3, 5),  # with ties
        order=0,
        dtype=np.int64,
    )

# --- shape ----------------------------------------------------------------------------------------

moves_cells = partial(case, linear=True)

for shape in ((6, 5), (5, -1), (30,), (1, 3, 2, 5)):
    moves_cells(
        f"to {shape}",
        {
            "linear.reshape": partial(linear.reshape, shape=shape),
            "Tensor.reshape": methodcaller("reshape", *shape),
        },
        methodcaller("reshape", shape),
        numbers(2, 3, 5),
    )
for label, shape in (("a tuple", (6, 5)), ("a list", [6, -1])):
    moves_cells(
        label,
        {"Tensor.reshape": methodcaller("reshape", shape)},
        methodcaller("reshape", tuple(shape)),
        numbers(2, 3, 5),
    )
moves_cells("to 0-d", {"Tensor.reshape": methodcaller("reshape", ())}, np.squeeze, numbers(1, 1))
moves_cells(
    "",
    {"Tensor.flatten": methodcaller("flatten")},
    lambda x: np.array([x[index] for index in np.ndindex(x.shape)]),
    numbers(2, 3, 5),
)
for axes in ((1, 2, 0), (2, 0, 1), (-1, 0, -2), (0, 1, 2)):
    moves_cells(
        f"axes={axes}",
        {
            "linear.transpose": partial(linear.transpose, axes=axes),
            "Tensor.transpose": methodcaller("transpose", axes),
            "Tensor.permute": methodcaller("permute", *axes),
        },
        partial(np.transpose, axes=axes),
        numbers(2, 3, 5),
    )
for shape in ((2, 3, 5), ()):
    moves_cells(
        f"reversed {shape}",
        {"Tensor.T": operator.attrgetter("T"), "Tensor.transpose": methodcaller("transpose")},
        lambda x: np.transpose(x, range(x.ndim)[::-1]),
        numbers(*shape),
    )
for axis, shape in (
    (None, (3, 1, 5, 1)),
    (1, (3, 1, 5, 1)),
    (-2, (3, 5, 1, 2)),
    ((1, 3), (3, 1, 5, 1)),
):
    moves_cells(
        f"axis={axis}",
        {"Tensor.squeeze": methodcaller("squeeze", axis)},
        partial(np.squeeze, axis=axis),
        numbers(*shape),
    )
for axis in (0, 1, -1, (0, 2), (-1, 1), [0, 3]):
    moves_cells(
        f"axis={axis}",
        {"Tensor.expand_dims": methodcaller("expand_dims", axis)},
        partial(np.expand_dims, axis=tuple(axis) if isinstance(axis, list) else axis),
        numbers(3, 5),
    )
for shape, wide in (((3, 1), (2, 3, 5)), ((5,), (3, 5)), ((), (2, 3)), ((2, 3), (2, 3))):
    moves_cells(
        f"{shape} to {wide}",
        {
            "linear.broadcast_to": partial(linear.broadcast_to, shape=wide),
            "Tensor.broadcast_to": methodcaller("broadcast_to", wide),
        },
        partial(np.broadcast_to, shape=wide),
        numbers(*shape),
    )


def sum_to(x: Array, shape: tuple[int, ...]) -> Array:
    """Cell by cell: each is added to the cell that a broadcast would have taken it from."""
    out = np.zeros(shape)
    for index in np.ndindex(x.shape):
        kept = index[x.ndim - len(shape) :]
        out[tuple(i if size > 1 else 0 for i, size in zip(kept, shape, strict=True))] += x[index]
    return out


for wide, shape in (
    ((2, 3, 5), (3, 1)),
    ((3, 5), (5,)),
    ((2, 3), ()),
    ((3, 5), (3, 5)),
    ((2, 3, 1), (1, 3, 1)),
):
    moves_cells(
        f"{wide} to {shape}",
        {"linear.sum_to": partial(linear.sum_to, shape=shape)},
        partial(sum_to, shape=shape),
        numbers(*wide),
    )
for label, width, value in (
    ("each side", ((0, 2), (3, 1), (4, 5)), 0.0),
    ("value", ((1, 2), (0, 0), (3, 0)), -1.5),
    ("pair", (1, 2), 0.0),
    ("int", 2, 0.25),
):
    pairs = tuple(tuple(pair) for pair in np.broadcast_to(width, (3, 2)).tolist())
    case(
        label,
        {
            "linear.pad": partial(linear.pad, pad_width=pairs, value=value),
            "Tensor.pad": methodcaller("pad", width, value),
        },
        partial(np.pad, pad_width=width, constant_values=value),
        numbers(2, 3, 5),
        linear=value == 0,
    )
for axis in (None, 0, -1, (0, 2)):
    moves_cells(
        f"axis={axis}",
        {
            "linear.flip": partial(linear.flip, axis=all_axes(axis, 3)),
            "Tensor.flip": methodcaller("flip", axis),
        },
        partial(np.flip, axis=axis),
        numbers(2, 3, 5),
    )
for axis in (0, 1, -1):
    moves_cells(
        f"axis={axis}",
        {
            "linear.cumsum": partial(linear.cumsum, axis=axis),
            "Tensor.cumsum": methodcaller("cumsum", axis),
        },
        partial(np.cumsum, axis=axis),
        numbers(2, 3, 5),
    )
moves_cells("all", {"Tensor.cumsum": methodcaller("cumsum")}, np.cumsum, numbers(2, 3, 5))

for dtype, order in ((np.float64, 3), (np.float32, 0)):  # differences in float32 are too coarse
    moves_cells(
        f"to {dtype.__name__}",
        {
            "linear.astype": partial(linear.astype, dtype=np.dtype(dtype)),
            "Tensor.astype": methodcaller("astype", dtype.__name__),
        },
        methodcaller("astype", dtype),
        numbers(3, 5),
        order=order,
        dtype=dtype,
    )
case(
    "to int",
    {"Tensor.astype": methodcaller("astype", int)},
    methodcaller("astype", int),
    off_zero(3, 5),
    order=0,
    dtype=np.int64,
)

# --- indexing -------------------------------------------------------------------------------------

GRID = (4, 3, 5)


def scattered(x: Array, index: Any) -> Array:
    """Cell by cell: the numbers of the cells of a grid tell where each was taken from."""
    out = np.zeros(math.prod(GRID))
    source = np.arange(out.size).reshape(GRID)[index]
    for place in np.ndindex(x.shape):
        out[source[place]] += x[place]
    return out.reshape(GRID)


mask = np.array([True, False, True, True])
for label, index in {
    "int": 1,
    "negative int": (-1, slice(None), 2),
    "every axis": (3, 0, 2),
    "slices": (slice(1, None), slice(None, None, 2)),
    "backwards": (slice(None), slice(None, None, -1), slice(4, 0, -2)),
    "ellipsis": (..., 3),
    "new axes": (None, 1, ..., None),
    "bool": True,
    "mask": mask,
    "mask of all axes": numbers(*GRID) > 0,
    "list": [2, 0],
    "list of bools": [True, True, False, True],
    "empty list": [],
    "range": (slice(None), range(-2, 2)),
    "repeated": np.array([3, 1, 1, 3, 1]),
    "repeated list": [0, 0, 1],
    "repeated tuple": ((0, 0, 1),),
    "repeated tuples": ((0, 0, 3), (2, 2, 1)),
    "repeated pairs": (np.array([0, 3, 0]), np.array([2, 1, 2])),
    "broadcast pairs": (np.array([[0], [3]]), slice(None), np.array([1, 1, 4])),
    "array and slice": (slice(None), np.array([[2, 2], [0, 1]])),
    "mask and array": (mask, np.array([0, 1, 1])),
    "0-d array": np.array(2),
    "two axes apart": (np.array([1, 1]), None, slice(1, 3), [4, 4]),
}.items():
    moves_cells(
        label,
        {
            "linear.getitem": partial(linear.getitem, index=index),
            "Tensor.__getitem__": operator.itemgetter(index),
        },
        operator.itemgetter(index),
        numbers(*GRID),
    )
    moves_cells(
        label,
        {"linear.scatter_add": partial(linear.scatter_add, index=index, shape=GRID)},
        partial(scattered, index=index),
        numbers(*np.zeros(GRID)[index].shape),
    )
moves_cells(
    "tensor",
    {"Tensor.__getitem__": lambda x: x[mg.Tensor(np.array([2, 2, 0])), 1:]},
    lambda x: x[[2, 2, 0], 1:],
    numbers(*GRID),
)
moves_cells(
    "",
    {"Tensor.__iter__": lambda x: mg.concatenate(list(x))},
    methodcaller("reshape", 12, 5),
    numbers(*GRID),
)

# --- joining --------------------------------------------------------------------------------------


def of_list(function: Callable[..., Any], axis: int) -> Callable[..., Any]:
    """A function of a list of arrays, as one of several arrays."""
    return lambda *parts: function(parts, axis)


for axis, shapes in (
    (0, ((2, 5), (3, 5), (1, 5))),
    (1, ((2, 4), (2, 1), (2, 3))),
    (-2, ((2, 4, 3), (2, 1, 3), (2, 5, 3))),
    (0, ((7,),)),
):
    moves_cells(
        f"axis={axis} of {len(shapes)}",
        {
            "linear.concatenate": partial(linear.concatenate, axis=axis),
            "mg.concatenate": of_list(mg.concatenate, axis),
        },
        of_list(np.concatenate, axis),
        *(numbers(*shape) for shape in shapes),
    )
middle = constant(numbers, 3, 5)
case(
    "with an array",
    {"mg.concatenate": lambda x, y: mg.concatenate([x, middle, y])},
    lambda x, y: np.concatenate([x, middle, y]),
    numbers(2, 5),
    numbers(4, 5),
)
for axis in (0, 1, 2, -1):
    moves_cells(
        f"axis={axis}",
        {"mg.stack": of_list(mg.stack, axis)},
        of_list(np.stack, axis),
        numbers(3, 5),
        numbers(3, 5),
    )

# --- the matrix product ---------------------------------------------------------------------------

for a, b in (
    ((3, 5), (5, 4)),
    ((2, 3, 5), (5, 4)),
    ((6, 2, 3, 5), (5, 4)),
    ((2, 3, 5), (2, 5, 4)),
    ((2, 1, 3, 5), (6, 5, 4)),
    ((3, 5), (2, 5, 4)),
    ((5,), (5, 4)),
    ((5,), (2, 5, 4)),
    ((3, 5), (5,)),
    ((2, 3, 5), (5,)),
    ((5,), (5,)),
    ((3, 1), (1, 4)),
):
    functions = {"mg.matmul": mg.matmul, "Tensor.__matmul__": operator.matmul}
    if len(b) == 2 and len(a) > 1:
        functions["linear.rows_matmul"] = linear.rows_matmul
    if len(a) == len(b) == 3:
        functions["linear.batched_matmul"] = linear.batched_matmul
    case(f"{a} @ {b}", functions, np.matmul, numbers(*a), numbers(*b), order=3)
    fixed = constant(numbers, *a)
    case(
        f"array {a} @ {b}",
        {"Tensor.__rmatmul__": partial(operator.matmul, fixed)},
        partial(np.matmul, fixed),
        numbers(*b),
    )
    fixed = constant(numbers, *b)
    case(
        f"{a} @ array {b}",
        {"Tensor.__matmul__": with_constant_right(operator.matmul, fixed)},
        with_constant_right(np.matmul, fixed),
        numbers(*a),
    )
for a in ((3, 5), (6, 2, 3, 5)):
    case(
        f"{a} @ (4, 5) transposed",
        {"linear.rows_matmul": partial(linear.rows_matmul, transposed=True)},
        lambda a, b: a @ b.T,
        numbers(*a),
        numbers(4, 5),
        order=3,
    )
for a, b in (((3, 5), (3, 4)), ((1, 5), (1, 4)), ((2, 3, 5), (2, 3, 4))):
    case(
        f"{a} and {b}",
        {"linear.outer_sum": linear.outer_sum},
        lambda a, b: sum(np.outer(a[row], b[row]) for row in np.ndindex(a.shape[:-1])),
        numbers(*a),
        numbers(*b),
        order=3,
    )
for x_shape in ((3, 5), (6, 2, 3, 5)):
    for bias in ((), (numbers(4),)):
        case(
            f"{x_shape}{' bias' if bias else ''}",
            {"F.linear": F.linear, **({"linear.affine": linear.affine} if bias else {})},
            lambda x, weight, bias=0.0: np.matmul(x, weight) + bias,
            numbers(*x_shape),
            numbers(5, 4),
            *bias,
        )

# --- einsum: many more subscripts in tests/operators/test_einsum.py -------------------------------

for subscripts, *shapes in (
    ("ij,jk->ki", (2, 3), (3, 5)),
    ("bi,bij,k->bj", (2, 3), (2, 3, 4), (5,)),
    ("iij,...j->...i", (3, 3, 4), (2, 1, 4)),
):
    functions = {"mg.einsum": partial(mg.einsum, subscripts)}
    if subscripts == "ij,jk->ki":  # nothing to be done beforehand
        functions["einsum.contract"] = partial(einsum._contract, terms=["ij", "jk"], output="ki")
    case(subscripts, functions, partial(np.einsum, subscripts), *(numbers(*s) for s in shapes))


# --- convolution ----------------------------------------------------------------------------------

IMAGES = (2, 5, 7, 6)

for label, kernel_size, stride, pads, dilation in (
    ("plain", (2, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    ("all different", (2, 3), (3, 2), ((1, 0), (2, 3)), (2, 1)),
    ("overlapping", (3, 2), (2, 1), ((0, 2), (1, 0)), (1, 3)),
    ("untouched cells", (1, 2), (3, 4), ((0, 0), (0, 0)), (1, 1)),
):
    window = Window(kernel_size, stride, pads, dilation)
    geometry = {"kernel_size": kernel_size, "stride": stride, "dilation": dilation}
    in_loops = partial(oracles.im2col, **geometry, pads=pads)
    rows_shape = in_loops(np.zeros(IMAGES)).shape
    moves_cells(
        label,
        {
            "convolution.im2col": partial(convolution.im2col, window=window),
            "F.im2col": partial(F.im2col, **geometry, padding=pads),
        },
        in_loops,
        numbers(*IMAGES),
    )
    geometry["input_shape"] = IMAGES
    back_in_loops = partial(oracles.col2im, **geometry, pads=pads)
    moves_cells(
        label,
        {
            "convolution.col2im": partial(convolution.col2im, input_shape=IMAGES, window=window),
            "F.col2im": partial(F.col2im, **geometry, padding=pads),
        },
        back_in_loops,
        numbers(*rows_shape),
    )
    kernel, output_shape = numbers(*kernel_size, IMAGES[-1], 4), (*rows_shape[:-1], 4)
    case(
        label,
        {"convolution.windows_affine": partial(convolution.windows_affine, window=window)},
        lambda x, kernel, bias, in_loops=in_loops: in_loops(x) @ kernel.reshape(-1, 4) + bias,
        numbers(*IMAGES),
        kernel,
        numbers(4),
    )
    case(
        label,
        {"convolution.windows_matmul": partial(convolution.windows_matmul, window=window)},
        lambda x, kernel, in_loops=in_loops: in_loops(x) @ kernel.reshape(-1, 4),
        numbers(*IMAGES),
        kernel,
    )
    case(
        label,
        {
            "convolution.matmul_to_windows": partial(
                convolution.matmul_to_windows, input_shape=IMAGES, window=window
            )
        },
        lambda g, kernel, back_in_loops=back_in_loops: back_in_loops(g @ kernel.reshape(-1, 4).T),
        numbers(*output_shape),
        kernel,
    )
    case(
        label,
        {"convolution.windows_outer_sum": partial(convolution.windows_outer_sum, window=window)},
        lambda x, g, in_loops=in_loops, shape=kernel.shape: np.einsum(
            "nijk,nijf->kf", in_loops(x), g
        ).reshape(shape),
        numbers(*IMAGES),
        numbers(*output_shape),
    )

for label, padding, pads, kernel_shape, stride, dilation, groups in (
    ("SAME", "same", ((0, 1), (1, 1)), (2, 3, 6, 4), (1, 1), (1, 1), 1),
    ("VALID", "VALID", ((0, 0), (0, 0)), (2, 3, 6, 4), (1, 2), (1, 1), 1),
    ("FULL", "Full", ((1, 1), (4, 4)), (2, 3, 6, 4), (2, 3), (1, 2), 1),
    ("int", 1, ((1, 1), (1, 1)), (2, 3, 6, 4), (2, 1), (1, 1), 1),
    ("groups", ((1, 0), (2, 3)), ((1, 0), (2, 3)), (2, 3, 3, 4), (3, 2), (2, 1), 2),
    ("depthwise", (1, 0), ((1, 1), (0, 0)), (3, 2, 1, 12), (2, 1), (1, 1), 6),
):
    geometry = {"stride": stride, "dilation": dilation, "groups": groups}
    in_loops = partial(oracles.conv2d, pads=pads, **geometry)
    for bias in ((), (numbers(kernel_shape[-1]),)):
        case(
            f"{label}{' bias' if bias else ''}",
            {"F.conv2d": partial(F.conv2d, padding=padding, **geometry)},
            lambda x, kernel, bias=0.0, in_loops=in_loops: in_loops(x, kernel) + bias,
            numbers(*IMAGES),
            numbers(*kernel_shape),
            *bias,
            order=3,
        )

for label, padding, pads, kernel_shape, stride, dilation, groups in (
    ("SAME", "same", (1, 2), (4, 6, 3), 1, 1, 1),
    ("CAUSAL", "CAUSAL", (6, 0), (4, 3, 8), 3, 2, 2),
    ("pair", (0, 4), (0, 4), (2, 6, 3), 2, 5, 1),
):

    def sequences_in_loops(
        x: Array, kernel: Array, pads=pads, stride=stride, dilation=dilation, groups=groups
    ) -> Array:
        """As images of one row."""
        steps = {"stride": (1, stride), "dilation": (1, dilation), "groups": groups}
        return oracles.conv2d(x[:, None], kernel[None], pads=((0, 0), pads), **steps)[:, 0]

    steps = {"stride": stride, "dilation": dilation, "groups": groups}
    case(
        label,
        {"F.conv1d": partial(F.conv1d, padding=padding, **steps)},
        sequences_in_loops,
        numbers(2, 11, 6),
        numbers(*kernel_shape),
    )

for label, padding, pads, stride, dilation, groups, input_shape, output_shape in (
    ("SAME", "same", ((0, 1), (1, 1)), (1, 1), (1, 1), 1, (5, 7), None),
    ("stride", "VALID", ((0, 0), (0, 0)), (3, 2), (2, 1), 1, (6, 9), None),
    ("output shape", ((1, 0), (2, 3)), ((1, 0), (2, 3)), (3, 2), (1, 2), 2, (9, 5), (9, 5)),
):

    def by_the_matrix(
        x: Array,
        kernel: Array,
        input_shape=input_shape,
        stride=stride,
        pads=pads,
        dilation=dilation,
        groups=groups,
    ) -> Array:
        """Rows times the transposed matrix of the convolution from `input_shape`."""
        shape = (*input_shape, kernel.shape[2] * groups)
        matrix_of = oracles.conv_matrix(kernel, shape, stride, pads, dilation, groups)
        return (x.reshape(len(x), -1) @ matrix_of.T).reshape(len(x), *shape)

    steps = {"stride": stride, "dilation": dilation, "groups": groups}
    geometry = {"stride": stride, "pads": pads, "dilation": dilation, "groups": groups}
    kernel = numbers(2, 3, 4, 8)
    positions = oracles.conv2d(np.zeros((1, *input_shape, 4 * groups)), kernel, **geometry).shape
    case(
        label,
        {
            "F.conv_transpose2d": partial(
                F.conv_transpose2d, padding=padding, output_shape=output_shape, **steps
            )
        },
        by_the_matrix,
        numbers(10, *positions[1:]),
        kernel,
    )

# --- pooling --------------------------------------------------------------------------------------


def winner_of(line: Array, start: int, window: int) -> int:
    """How far behind the start of a window on a line its first largest cell lies."""
    inside = [offset for offset in range(window) if 0 <= start + offset < len(line)]
    return max(inside, key=lambda offset: (line[start + offset], -offset))


def put_along_axis(values: Array, places: Array, axis: int) -> Array:
    """Cell by cell: each value added to images, at its place on an axis."""
    out = np.zeros(IMAGES)
    for index in np.ndindex(values.shape):
        target = list(index)
        target[axis] = places[index]
        out[tuple(target)] += values[index]
    return out


for axis, window, stride, before, after in ((1, 3, 2, 1, 0), (2, 2, 3, 0, 1), (2, 3, 1, 2, 2)):
    images = spread(*IMAGES)
    starts = oracles.window_starts(IMAGES[axis], window, stride, before, after)
    winners = np.apply_along_axis(
        lambda line, starts=starts, window=window: np.array(
            [winner_of(line, start, window) for start in starts]
        ),
        axis,
        images,
    )
    # Which cell along the axis won each window.
    places = winners + np.reshape(starts, [-1 if a == axis else 1 for a in range(4)])
    label = f"axis={axis} window={window} stride={stride}"
    geometry = {"axis": axis, "window": window, "stride": stride, "before": before}
    case(
        label,
        {"convolution.window_max": partial(convolution.window_max, **geometry, after=after)},
        partial(np.take_along_axis, indices=places, axis=axis),
        images,
    )
    geometry["winners"] = winners.astype(np.uint8)
    moves_cells(
        label,
        {
            "convolution.scatter_to_winners": partial(
                convolution.scatter_to_winners, **geometry, size=IMAGES[axis]
            )
        },
        partial(put_along_axis, places=places, axis=axis),
        numbers(*winners.shape),
    )
    moves_cells(
        label,
        {"convolution.gather_winners": partial(convolution.gather_winners, **geometry)},
        partial(np.take_along_axis, indices=places, axis=axis),
        numbers(*IMAGES),
    )

for label, tile, (height, width) in (
    ("2x2", (2, 2), (4, 6)),
    ("2x3, uneven", (2, 3), (5, 7)),
    ("3x1", (3, 1), (7, 4)),
    ("1x4", (1, 4), (3, 8)),
):
    images = spread(2, height, width, 5)
    out_shape = (2, height // tile[0], width // tile[1], 5)
    places = np.zeros((4, *out_shape), np.int64)  # the cell that won: where along each axis
    for n, i, j, c in np.ndindex(out_shape):
        top, left = i * tile[0], j * tile[1]
        window = images[n, top : top + tile[0], left : left + tile[1], c]
        row, column = np.unravel_index(window.argmax(), tile)
        places[:, n, i, j, c] = n, top + row, left + column, c
    matches = convolution.tile_max.forward(images, tile=tile)[1]

    def won_by(x: Array, places=places) -> Array:
        """The winners' cells."""
        return np.asarray(x[tuple(places)])

    def sent_to_winners(values: Array, shape=images.shape, places=places) -> Array:
        """Cell by cell; no two winners share a cell."""
        out = np.zeros(shape)
        out[tuple(places)] = values
        return out

    case(
        label,
        {"convolution.tile_max": partial(convolution.tile_max, tile=tile)},
        won_by,
        images,
    )
    moves_cells(
        label,
        {
            "convolution.scatter_to_tiles": partial(
                convolution.scatter_to_tiles, matches=matches, input_shape=images.shape
            )
        },
        sent_to_winners,
        numbers(*out_shape),
    )
    moves_cells(
        label,
        {"convolution.gather_from_tiles": partial(convolution.gather_from_tiles, matches=matches)},
        won_by,
        numbers(*images.shape),
    )

for label, kernel_size, stride, padding, pads in (
    ("2x3", (2, 3), None, "VALID", ((0, 0), (0, 0))),
    ("overlapping", (3, 2), (1, 1), "VALID", ((0, 0), (0, 0))),
    ("gaps", (1, 2), (2, 3), "VALID", ((0, 0), (0, 0))),
    ("padded", (2, 3), (2, 1), ((1, 0), (2, 1)), ((1, 0), (2, 1))),
    ("FULL", (2, 3), (1, 2), "FULL", ((1, 1), (2, 2))),
):
    for name, sample in (("max_pool2d", spread), ("avg_pool2d", numbers)):
        case(
            label,
            {
                f"F.{name}": partial(
                    getattr(F, name), kernel_size=kernel_size, stride=stride, padding=padding
                )
            },
            partial(
                getattr(oracles, name),
                kernel_size=kernel_size,
                stride=stride or kernel_size,
                pads=pads,
            ),
            sample(*IMAGES),
        )

# --- the matrix of a convolution ------------------------------------------------------------------

TIES = np.array(
    [[0, 1, -1, 3], [-1, 0, 1, 5], [2, -1, 0, 1]]
)  # cell -> parameter; none is tied to 4


def laid_out(kernel: Array) -> Array:
    """Cell by cell, 0 where no parameter is named."""
    flat = kernel.reshape(-1)
    return np.array([[flat[p] if p >= 0 else 0.0 for p in row] for row in TIES])


def summed_over_ties(cells: Array) -> Array:
    """Cell by cell, into a kernel of shape (2, 3)."""
    out = np.zeros(6)
    for index in np.ndindex(TIES.shape):
        if TIES[index] >= 0:
            out[TIES[index]] += cells[index]
    return out.reshape(2, 3)


moves_cells(
    "", {"matrix.lay_out": partial(matrix.lay_out, index_map=TIES)}, laid_out, numbers(2, 3)
)
moves_cells(
    "",
    {"matrix.tied_sum": partial(matrix.tied_sum, index_map=TIES, kernel_shape=(2, 3))},
    summed_over_ties,
    numbers(3, 4),
)

# A matrix of 3 rows and 5 columns by its entries: one cell twice, one row and one column empty.
ROWS, COLUMNS = np.array([2, 0, 2, 2, 0, 2]), np.array([4, 1, 0, 4, 3, 1])


def product_with_entries(x: Array, values: Array) -> Array:
    """x @ the dense matrix."""
    dense = np.zeros((3, 5))
    for row, column, value in zip(ROWS, COLUMNS, values, strict=True):
        dense[row, column] += value
    return x @ dense


case(
    "",
    {
        "matrix.sparse_product": partial(
            matrix.sparse_product, rows=ROWS, columns=COLUMNS, column_count=5
        )
    },
    product_with_entries,
    numbers(4, 3),
    numbers(6),
    order=3,
)
case(
    "",
    {"matrix.outer_at": partial(matrix.outer_at, rows=ROWS, columns=COLUMNS)},
    lambda x, y: (x.T @ y)[ROWS, COLUMNS],
    numbers(4, 3),
    numbers(4, 5),
    order=3,
)

# --- activations ----------------------------------------------------------------------------------


def gelu(v: float) -> float:
    """The tanh form."""
    return 0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))


for name, arguments, formula, sample in (
    ("leaky_relu", {}, lambda v: v if v > 0 else 0.01 * v, off_zero),
    ("leaky_relu", {"negative_slope": 0.2}, lambda v: v if v > 0 else 0.2 * v, off_zero),
    ("elu", {}, lambda v: v if v > 0 else math.exp(v) - 1, off_zero),
    ("elu", {"alpha": 0.5}, lambda v: v if v > 0 else 0.5 * (math.exp(v) - 1), off_zero),
    ("gelu", {}, gelu, numbers),
    ("silu", {}, lambda v: v / (1 + math.exp(-v)), numbers),
    ("softplus", {}, lambda v: math.log(1 + math.exp(v)), numbers),
):
    functions = {f"F.{name}": partial(getattr(F, name), **arguments)}
    if name == "softplus":
        functions["losses.softplus"] = losses.softplus
    for shape in ((2, 3, 5), ()):
        case(f"{shape} {arguments}", functions, each(formula), sample(*shape), order=3)

for axis in (-1, 0, 1):
    case(
        f"axis={axis}",
        {"F.softmax": partial(F.softmax, axis=axis)},
        partial(oracles.softmax, axis=axis),
        numbers(2, 3, 5),
        order=3,
    )
    case(
        f"axis={axis}",
        {"F.log_softmax": partial(F.log_softmax, axis=axis)},
        lambda x, axis=axis: np.log(oracles.softmax(x, axis)),
        numbers(2, 3, 5),
        order=3,
    )

# --- normalisation and noise ----------------------------------------------------------------------


def batch_norm(x: Array, mean: Array, var: Array, weight: Any = 1.0, bias: Any = 0.0) -> Array:
    """By the formula, with eps 0.01."""
    return weight * (x - mean) / np.sqrt(var + 0.01) + bias


for label, weight_and_bias in (("", ()), ("weight and bias", (numbers(5), numbers(5)))):
    case(
        label,
        {"F.batch_norm": partial(F.batch_norm, eps=0.01)},
        batch_norm,
        numbers(2, 4, 3, 5),
        numbers(5),
        positive(5),
        *weight_and_bias,
    )
case(
    "the batch's own statistics",
    {
        "F.batch_norm": lambda x, weight, bias: F.batch_norm(
            x, x.mean((0, 1, 2)), x.var((0, 1, 2)), weight, bias
        )
    },
    oracles.batch_norm,
    numbers(2, 4, 3, 5),
    numbers(5),
    numbers(5),
    order=3,
)
case(
    "weight and bias",
    {"F.layer_norm": F.layer_norm},
    oracles.layer_norm,
    numbers(2, 3, 5),
    numbers(5),
    numbers(5),
    order=3,
)
case(
    "plain",
    {"F.layer_norm": partial(F.layer_norm, eps=0.1)},
    partial(oracles.layer_norm, scale=np.ones(5), shift=np.zeros(5), eps=0.1),
    numbers(2, 3, 5),
)
case(
    "two axes",
    {"F.layer_norm": partial(F.layer_norm, axes=2)},
    lambda x, weight, bias: oracles.layer_norm(
        x.reshape(2, 15), weight.reshape(15), bias.reshape(15)
    ).reshape(2, 3, 5),
    numbers(2, 3, 5),
    numbers(3, 5),
    numbers(3, 5),
)


class FixedNumbers(np.random.Generator):
    """A source of randomness that always returns the same numbers."""

    def __init__(self, values: Array) -> None:
        super().__init__(np.random.PCG64(0))
        self.values = values

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Array:
        """The numbers, which must have been asked for in their shape."""
        assert size == self.values.shape
        return self.values.astype(dtype)


DRAWN = _rng.permutation(np.linspace(0.02, 0.98, 15)).reshape(3, 5)
case(
    "p=0.3",
    {"F.dropout": lambda x: F.dropout(x, 0.3, rng=FixedNumbers(DRAWN))},
    lambda x: np.where(DRAWN < 0.3, 0.0, x / 0.7),
    numbers(3, 5),
)
for label, arguments in (("not training", {"training": False}), ("p=0", {"p": 0.0})):
    moves_cells(label, {"F.dropout": partial(F.dropout, **arguments)}, same, numbers(3, 5))

# In a process on its own; tests/distributed has the sum over several ranks.
case("alone", {"sums.rank_sum": sums.rank_sum}, same, numbers(3, 5), linear=True)

# --- labels and losses ----------------------------------------------------------------------------

LABELS = {
    (3, 5): np.array([4, 0, 2]),
    (2, 3, 4): np.array([[1, 0, 3], [3, 2, 1]]),
    (5,): np.array(3),
}


def one_hot(classes: int, labels: Array) -> Array:
    """Cell by cell."""
    out = np.zeros((*labels.shape, classes), np.float32)
    for index in np.ndindex(labels.shape):
        out[(*index, labels[index])] = 1
    return out


for shape, labels in LABELS.items():
    case(
        f"of shape {labels.shape}",
        {"F.one_hot": partial(F.one_hot, mg.Tensor(labels), shape[-1])},
        partial(one_hot, shape[-1], labels),
        order=0,
        dtype=np.float32,
    )


def reduced(items: Oracle, reduction: str) -> Oracle:
    """The oracle of a loss, from the oracle of its items."""

    def total(*inputs: Array) -> Array:
        losses = items(*inputs)
        return np.array(math.fsum(losses.flat) / (losses.size if reduction == "mean" else 1))

    return items if reduction == "none" else total


def at_labels(item: Callable[[Array, int], float], labels: Array) -> Oracle:
    """The items of a loss that takes one number per row of the last axis."""

    def items(scores: Array) -> Array:
        rows = np.ndindex(labels.shape)
        return np.array([item(scores[row], labels[row]) for row in rows]).reshape(labels.shape)

    return items


def huber(difference: float, delta: float) -> float:
    """A parabola near 0, a straight line beyond delta."""
    size = abs(difference)
    return difference**2 / 2 if size < delta else delta * (size - delta / 2)


def cross_entropy_of_sigmoid(z: float, t: float) -> float:
    """-log of the probability of a target that is 1 with probability t."""
    return -t * math.log(sigmoid(z)) - (1 - t) * math.log(sigmoid(-z))


for shape, labels in LABELS.items():
    for label, g_shape, count in ((f"{shape}", shape[:-1], 1), (f"{shape} reduced", (), 3)):
        case(
            label,
            {
                "losses.cross_entropy_slope": lambda g, x, labels=labels, count=count: (
                    losses.cross_entropy_slope(
                        g,
                        x,
                        probabilities=oracles.softmax(x.data).astype(x.dtype),
                        at_label=(*np.indices(labels.shape, sparse=True), labels),
                        count=count,
                    )
                )
            },
            lambda g, x, labels=labels, count=count: (
                g[..., None] / count * (oracles.softmax(x) - one_hot(x.shape[-1], labels))
            ),
            numbers(*g_shape),
            numbers(*shape),
            order=3,
        )
for reduction in ("mean", "sum", "none"):
    for shape, labels in LABELS.items():
        label = f"{shape} {reduction}"
        case(
            label,
            {
                "F.cross_entropy": lambda x, labels=labels, reduction=reduction: F.cross_entropy(
                    x, labels, reduction
                ),
                "losses.cross_entropy": partial(
                    losses.cross_entropy, labels=labels, reduction=reduction
                ),
            },
            reduced(
                at_labels(lambda row, y: -math.log(oracles.softmax(row)[y]), labels), reduction
            ),
            numbers(*shape),
            order=3,
        )
        case(
            label,
            {
                "F.nll_loss": lambda x, labels=labels, reduction=reduction: F.nll_loss(
                    x, labels, reduction
                )
            },
            reduced(at_labels(lambda row, y: -row[y], labels), reduction),
            numbers(*shape),
            linear=reduction != "mean",
        )
    target = numbers(3, 5)
    case(
        reduction,
        {"F.mse_loss": partial(F.mse_loss, reduction=reduction)},
        reduced(lambda x, y: (x - y) ** 2, reduction),
        numbers(3, 5),
        target,
        order=3,
    )
    case(
        reduction,
        {"F.l1_loss": partial(F.l1_loss, reduction=reduction)},
        reduced(lambda x, y: np.abs(x - y), reduction),
        target + off_zero(3, 5),
        target,
    )
    for delta in (1.0, 0.75):
        case(
            f"{reduction} delta={delta}",
            {"F.huber_loss": partial(F.huber_loss, delta=delta, reduction=reduction)},
            reduced(lambda x, y, delta=delta: each(partial(huber, delta=delta))(x - y), reduction),
            target + np.array([0.03, -0.5, 0.6, -1.4, 2.0]),
            target,
        )
    case(
        reduction,
        {
            "F.binary_cross_entropy_with_logits": partial(
                F.binary_cross_entropy_with_logits, reduction=reduction
            )
        },
        reduced(each(cross_entropy_of_sigmoid), reduction),
        numbers(3, 5),
        _rng.uniform(0.1, 0.9, (3, 5)),
        order=3,
    )
