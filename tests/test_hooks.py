"""Hooks on tensors: when they are called, with what, what they can change, and what they hold."""

import copy
import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from tests.derivatives import check_derivatives


@pytest.fixture
def x():
    return mg.Tensor([1.0, 2.0, 4.0], requires_grad=True, dtype=np.float64)


def record(into):
    """A hook that keeps what it sees, and changes nothing."""
    return lambda gradient: into.append(gradient.data.tolist())


# --- when, and with what --------------------------------------------------------------------------


def test_of_a_computed_tensor(x):
    seen = []
    y = x * x
    y.register_hook(record(seen))
    (y * [3.0, 5.0, 7.0]).backward([1.0, -1.0, 2.0])
    assert seen == [[3, -5, 14]]
    assert x.grad.data.tolist() == [6, -20, 112]


def test_of_a_leaf(x):
    seen = []
    x.register_hook(record(seen))
    (x * x).backward([1.0, -1.0, 2.0])
    assert seen == [[2, -4, 16]]


def test_of_the_tensor_that_backward_starts_from(x):
    seen = []
    total = (x * x).sum()
    total.register_hook(record(seen))
    total.backward()
    assert seen == [1.0]


def test_the_gradient_is_complete_whenever_the_tensor_was_used(x):
    """One call, with the sum over uses before and after the registration."""
    seen = []
    y = x * 1.0
    before = y * 3.0
    y.register_hook(record(seen))
    after = y * y
    (before + after + y).sum().backward()
    assert seen == [[3 + 2 + 1, 3 + 4 + 1, 3 + 8 + 1]]


def test_a_leaf_sees_this_passes_gradient_and_not_what_grad_has_collected(x):
    seen = []
    x.register_hook(record(seen))
    (x * 2.0).sum().backward()
    (x * 5.0).sum().backward()
    assert seen == [[2, 2, 2], [5, 5, 5]]
    assert x.grad.data.tolist() == [7, 7, 7]


def test_hooks_stay_for_every_pass_through_a_retained_graph(x):
    seen = []
    y = x * x
    y.register_hook(record(seen))
    total = y.sum()
    total.backward(retain_graph=True)
    total.backward()
    assert seen == [[1, 1, 1]] * 2


def test_grad_calls_the_hooks_on_its_way_and_of_its_inputs(x):
    seen, of_x = [], []
    y = x * 3.0
    z = y * y
    y.register_hook(record(seen))
    x.register_hook(record(of_x))
    gradient = mg.grad(z.sum(), y, retain_graph=True)
    assert (seen, of_x) == ([[6, 12, 24]], [])
    assert gradient.data.tolist() == [6, 12, 24]
    mg.grad(z.sum(), x)
    assert (seen, of_x) == ([[6, 12, 24]] * 2, [[18, 36, 72]])


def test_no_gradient_no_call(x):
    seen = []
    unused = x * 2.0
    unused.register_hook(record(seen))
    (x * 3.0).sum().backward()
    assert seen == []


def test_gradients_are_recorded_exactly_where_the_graph_of_the_gradient_is(x):
    recorded = []
    y = x * x
    y.register_hook(lambda gradient: recorded.append(gradient.requires_grad))
    total = (y * y).sum()
    mg.grad(total, x, create_graph=True)
    mg.grad(total, x)
    assert recorded == [True, False]


# --- what they change -----------------------------------------------------------------------------


def test_a_replacement_takes_the_gradients_place_everywhere_further_back(x):
    y = x * 3.0
    y.register_hook(lambda gradient: gradient * [1.0, 0.0, -2.0])
    z = y * y
    z.sum().backward()
    assert x.grad.data.tolist() == [18, 0, -144]


def test_a_replacement_of_a_leafs_gradient_goes_into_grad(x):
    x.register_hook(lambda gradient: gradient.clip(-3, 3))
    (x * x).sum().backward()
    assert x.grad.data.tolist() == [2, 3, 3]
    assert mg.grad((x * x).sum(), x).data.tolist() == [2, 3, 3]


def test_hooks_run_in_the_order_of_registration_each_on_the_last_ones_result(x):
    seen = []
    y = x * 1.0
    y.register_hook(lambda gradient: gradient + 1.0)
    y.register_hook(record(seen))
    y.register_hook(lambda gradient: gradient * 10.0)
    y.sum().backward()
    assert seen == [[2, 2, 2]]
    assert x.grad.data.tolist() == [20, 20, 20]


def test_a_replacement_can_be_differentiated():
    """f = tanh(x)^2, with the gradient of the tanh doubled: 2 f', and once more 2 f''."""
    x = mg.Tensor([0.3, -0.8], requires_grad=True, dtype=np.float64)
    y = x.tanh()
    handle = y.register_hook(lambda gradient: gradient * 2.0)
    slope = mg.grad((y * y).sum(), x, create_graph=True)
    handle.remove()
    t = np.tanh(x.data)
    np.testing.assert_allclose(slope.data, 2 * 2 * t * (1 - t**2), rtol=1e-14)
    second = mg.grad(slope.sum(), x)
    np.testing.assert_allclose(second.data, 2 * 2 * (1 - t**2) * (1 - 3 * t**2), rtol=1e-14)


def test_hooks_that_only_look_leave_derivatives_alone():
    def function(x, kernel):
        out = F.conv2d(x, kernel)
        out.register_hook(lambda gradient: None)
        return out.square()

    rng = np.random.default_rng(0)
    check_derivatives(function, [rng.standard_normal(s) for s in ((2, 3, 5, 1), (2, 4, 1, 6))], 2)


# --- taking them off ------------------------------------------------------------------------------


def test_removed_hooks_are_not_called(x):
    seen = []
    y = x * 1.0
    first, second = y.register_hook(record(seen)), y.register_hook(lambda gradient: gradient * 2.0)
    first.remove()
    first.remove()
    y.sum().backward()
    assert seen == []
    assert x.grad.data.tolist() == [2, 2, 2]
    second.remove()  # the graph is gone


def test_a_hook_may_remove_itself(x):
    seen = []

    def once(gradient):
        seen.append(gradient)
        handle.remove()

    handle = x.register_hook(once)
    for _ in range(3):
        x.sum().backward()
    assert len(seen) == 1


# --- what they hold -------------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    """Without the garbage collector: what is freed is freed by reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_tensors_without_hooks_have_none(x):
    y = x * x
    assert x.hooks is None
    assert y.hooks is None
    assert y.node.hooks is None


def test_no_reference_cycles(no_collector):
    x = mg.Tensor([1.0], requires_grad=True)
    y = x * x
    handles = [x.register_hook(lambda gradient: None), y.register_hook(lambda gradient: None)]
    alive = [weakref.ref(x), weakref.ref(y), weakref.ref(y.node)]
    del x, y
    assert [reference() for reference in alive] == [None] * 3
    for handle in handles:
        handle.remove()


def test_backward_lets_go_of_hooks_with_the_graph(no_collector):
    """So a hook may speak of its own tensor, and is yet no cycle for longer than the graph."""

    def run():
        x = mg.Tensor([1.0], requires_grad=True)
        y = x * x
        y.register_hook(lambda gradient: gradient * y.detach())
        y.sum().backward()
        return weakref.ref(y)

    assert run()() is None


def test_copies_are_without_hooks(x):
    seen = []
    x.register_hook(record(seen))
    clone = copy.deepcopy(x)
    (clone * 2.0).sum().backward()
    assert seen == []
    layer = mg.nn.Dense(2, 3)
    layer.weight.register_hook(record(seen))
    layer.astype(np.float64)(np.ones((4, 2))).sum().backward()
    assert seen == []


# --- bad input ------------------------------------------------------------------------------------


def test_without_a_gradient_there_is_nothing_to_call_a_hook_with():
    with pytest.raises(
        ValueError, match=r"register_hook: the tensor of shape \(2, 3\) does not req"
    ):
        mg.Tensor(np.ones((2, 3))).register_hook(print)


def test_a_hook_must_be_callable(x):
    with pytest.raises(TypeError, match=r"Tensor.register_hook: hook='print' of type str is not "):
        x.register_hook("print")


@pytest.mark.parametrize("make", [lambda x: x, lambda x: x * 1.0], ids=["leaf", "computed"])
@pytest.mark.parametrize(
    ("replacement", "error", "message"),
    [
        (np.ones(3), TypeError, "ndarray; it must return a Tensor .* or None"),
        (
            mg.Tensor([1.0, 2.0], dtype=np.float64),
            ValueError,
            r"a gradient of shape \(2,\) and dtype float64; the tensor has shape \(3,\)",
        ),
        (
            mg.Tensor([1.0, 2.0, 3.0]),
            ValueError,
            r"a gradient of shape \(3,\) and dtype float32; the tensor has .* dtype float64",
        ),
    ],
    ids=["array", "shape", "dtype"],
)
def test_a_replacement_must_fit(x, make, replacement, error, message):
    def clumsy(gradient):
        return replacement

    tensor = make(x)
    tensor.register_hook(clumsy)
    with pytest.raises(error, match=f"register_hook: the hook .*clumsy.* returned {message}"):
        (tensor * 2.0).sum().backward()
