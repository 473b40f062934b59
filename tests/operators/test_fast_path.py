"""The short way through `Elementwise.__call__` does what the long way does.

An observer, even one that does nothing, sends every call the long way.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import engine
from minigrad.operators import elementwise

OPERATORS = [value for value in vars(elementwise).values() if isinstance(value, engine.Elementwise)]
BINARY = [operator for operator in OPERATORS if len(operator.arguments) == 2]


class Nobody:
    """An observer that looks away."""

    def operator_ran(self, primitive, args, parameters, output):
        pass

    def run_rule(self, node, position, rule, inputs):
        return rule(*inputs)


def the_long_way(operator, *operands):
    outside = engine.observe(Nobody())
    try:
        return operator(*operands)
    finally:
        assert isinstance(engine.observe(outside), Nobody)


def recorded(tensor):
    """What is known of a tensor and its node, but for the node's place in the order of all."""
    node = tensor.node
    if node is None:
        return (tensor.requires_grad, tensor.grad, tensor.hooks, None)
    saved = None if node.saved is None else {name: id(value) for name, value in node.saved.items()}
    if saved and "out" in saved:
        assert node.saved["out"] is tensor.data
        del saved["out"]
    return (
        *(tensor.requires_grad, tensor.grad, tensor.hooks, node.primitive, list(node.parents)),
        *(saved, node.shape, node.dtype, node.hooks),
    )


def leaf(values, flag):
    return mg.Tensor(np.asarray(values), requires_grad=flag)


VECTORS = [1.5, 2.0, 0.25], [1.5, 0.5, 3.0]


@pytest.mark.parametrize("operator", BINARY, ids=lambda operator: operator.name)
@pytest.mark.parametrize("flags", [(False, False), (False, True), (True, False), (True, True)])
@pytest.mark.parametrize("values", [VECTORS, (2.0, 3.0)], ids=["vectors", "0-d"])
def test_two_tensors(operator, flags, values):
    operands = [leaf(value, flag) for value, flag in zip(values, flags, strict=True)]
    short, long = operator(*operands), the_long_way(operator, *operands)
    np.testing.assert_array_equal(short.data, long.data)
    assert type(short.data) is np.ndarray
    assert short.dtype == long.dtype
    assert recorded(short) == recorded(long)


@pytest.mark.parametrize("operator", BINARY, ids=lambda operator: operator.name)
@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("number", [2, 0.5, True, np.float64(0.5), np.int64(2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_tensor_and_a_number(operator, flag, number, dtype):
    x = leaf(np.array([1.5, 2.0, 0.25], dtype), flag)
    short, long = operator(x, number), the_long_way(operator, x, number)
    np.testing.assert_array_equal(short.data, long.data)
    assert short.dtype == long.dtype == (dtype if operator.rules[0] else np.bool_)
    assert recorded(short)[0] == recorded(long)[0] == bool(flag and operator.rules[0])


@pytest.mark.parametrize("operator", BINARY, ids=lambda operator: operator.name)
def test_results_of_recorded_operators_as_operands(operator):
    x = leaf([1.5, 2.0, 0.25], True)
    y = x.exp()
    short, long = operator(y, x), the_long_way(operator, y, x)
    assert recorded(short) == recorded(long)
    if short.node is not None:
        assert short.node.parents[0] is y.node
        assert short.node.parents[1] is x
        assert y.node.position < short.node.position < long.node.position


@pytest.mark.parametrize("operator", BINARY, ids=lambda operator: operator.name)
def test_without_recording(operator):
    x = leaf([1.5, 2.0, 0.25], True)
    with mg.no_grad():
        short, long = operator(x, x), the_long_way(operator, x, x)
    assert recorded(short) == recorded(long) == (False, None, None, None)


def test_integers_keep_numpys_rules():
    x = mg.Tensor([1, 2, 3])
    for operator, other in [
        (elementwise.add, x),
        (elementwise.add, 2),
        (elementwise.add, 0.5),
        (elementwise.divide, x),
    ]:
        short, long = operator(x, other), the_long_way(operator, x, other)
        np.testing.assert_array_equal(short.data, long.data)
        assert short.dtype == long.dtype


def test_gradients_that_are_added_up_take_either_way():
    """`backward` adds arrays where nothing is recorded or watched, and tensors elsewhere."""

    def gradient(**options):
        x = leaf([1.5, 2.0, 0.25], True)
        return mg.grad((x * x + x.exp() + x * 3.0).sum(), x, **options).data

    plain = gradient()
    np.testing.assert_array_equal(gradient(create_graph=True), plain)
    outside = engine.observe(Nobody())
    np.testing.assert_array_equal(gradient(), plain)
    engine.observe(outside)
    single = leaf(3.0, True)
    total = mg.grad(single * single, single)
    assert type(total.data) is np.ndarray
    assert total.item() == 6.0
