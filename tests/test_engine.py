"""The engine: what is recorded, how gradients travel, what is kept alive and for how long."""

import concurrent.futures
import copy
import gc
import operator
import pickle
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import nn, optim
from minigrad.engine import Node, Primitive
from minigrad.operators import convolution, elementwise, linear
from tests.derivatives import check_derivatives


def leaf(*values, dtype=np.float64):
    return mg.Tensor(np.array(values, dtype), requires_grad=True)


def numbers(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)


# --- size of graphs -------------------------------------------------------------------------------


def test_a_chain_of_200000_operators():
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = -y
        y = y + 0.5
    y.backward()
    assert x.grad.data.tolist() == [1.0]


def test_a_chain_is_also_dropped_without_recursion():
    x = leaf(1.0)
    y = x
    for _ in range(200_000):
        y = y * 1.0
    seen = weakref.ref(y.node)
    del y
    assert seen() is None


# article: L9
def test_60_doublings():
    """One visit per node: tinynn-autograd made 2^60 calls of it."""
    x = leaf(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_second_derivative_of_a_long_chain():
    x = leaf(1.5)
    y = x
    for _ in range(3_000):
        y = y * 1.0
    slope = mg.grad(y * y, x, np.ones(1), create_graph=True)
    assert mg.grad(slope, x, np.ones(1)).item() == 2.0


# --- where gradients go ---------------------------------------------------------------------------


def test_backward_adds_to_the_leaves():
    x, y = leaf(2.0, 3.0), leaf(5.0, 7.0)
    (x * y).sum().backward()
    assert x.grad.data.tolist() == [5, 7]
    assert y.grad.data.tolist() == [2, 3]
    (x * 10).sum().backward()
    assert x.grad.data.tolist() == [15, 17]
    assert y.grad.data.tolist() == [2, 3]
    assert isinstance(x.grad, mg.Tensor)
    assert not x.grad.requires_grad


def test_leaves_that_want_none_and_computed_tensors_get_no_grad():
    x, constant = leaf(2.0), mg.Tensor(np.array([3.0]))
    middle = x * constant
    (middle * middle).sum().backward()
    assert x.grad.item() == 36
    assert constant.grad is None
    assert middle.grad is None


def test_gradients_of_leaves_share_no_memory():
    """x + y hands one gradient to both, and it may be the user's own array, or a view."""
    gradient = np.array([1.0, 2.0])
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    (x + y).backward(gradient)
    x.grad.data[...] = 99
    assert y.grad.data.tolist() == [1, 2]
    assert gradient.tolist() == [1, 2]
    z = leaf(1.0, 2.0)
    z.sum().backward()
    z.grad.data += 1  # no broadcast view, but an array of its own
    assert z.grad.data.tolist() == [2, 2]


def test_grad_leaves_grad_alone():
    x, y = leaf(2.0, 3.0), leaf(5.0, 7.0)
    x.grad = before = mg.Tensor(np.array([1.0, 1.0]))
    by_x, by_y = mg.grad((x * y).sum(), [x, y])
    assert by_x.data.tolist() == [5, 7]
    assert by_y.data.tolist() == [2, 3]
    assert x.grad is before
    assert before.data.tolist() == [1, 1]
    assert y.grad is None


def test_grad_of_inputs_that_are_computed():
    x = leaf(2.0)
    middle = x * x
    out = middle * middle * x
    by_middle, by_x = mg.grad(out, (middle, x), np.ones(1))
    assert by_middle.item() == 2 * 4 * 2  # x as it is
    assert by_x.item() == 5 * 2.0**4  # all ways
    assert isinstance(mg.grad(x * 3, x, np.ones(1)), mg.Tensor)
    out = x * 3
    assert mg.grad(out, out, np.full(1, 7.0)).item() == 7


def test_grad_of_an_input_twice_and_of_one_without_influence():
    x, other = leaf(2.0), leaf(1.0, 2.0)
    first, nothing, second = mg.grad(x * x, [x, other, x], np.ones(1))
    assert first.item() == second.item() == 4
    assert nothing.data.tolist() == [0, 0]
    assert nothing.dtype == other.dtype


def test_grad_of_several_outputs():
    x = leaf(2.0, 3.0)
    square, total, constant = x * x, x.sum(), mg.Tensor(np.ones(3))
    gradient = mg.grad([square, total, constant], x, [np.array([1.0, 10.0]), None, None])
    assert gradient.data.tolist() == [5, 61]
    gradient = mg.grad((x.sum(), (x * x).sum()), x)
    assert gradient.data.tolist() == [5, 7]


@pytest.mark.parametrize(
    "gradient", [2, 2.0, np.float32(2), np.array(2.0), mg.tensor(2.0, dtype=float)]
)
def test_cotangents_may_be_numbers_arrays_and_tensors(gradient):
    x = leaf(3.0)[0]
    assert mg.grad(x * x, x, gradient).item() == 12
    assert mg.grad(x * x, x, [gradient]).item() == 12
    y = leaf(3.0)
    (y[0] * y[0]).backward(gradient)
    assert y.grad.item() == 12


def test_a_leaf_is_its_own_output():
    x = leaf(2.0)
    x.backward()
    assert x.grad.item() == 1
    assert mg.grad(x, x, np.full(1, 3.0)).item() == 3


def test_the_same_tensor_in_both_arguments():
    x = leaf(3.0)
    assert mg.grad(x * x + x / x + x.maximum(x) + x**x, x, np.ones(1)).item() == pytest.approx(
        6 + 0 + 1 + 27 * (1 + np.log(3))
    )


# --- create_graph ---------------------------------------------------------------------------------


def test_create_graph():
    x = leaf(2.0)
    slope = mg.grad(x**4, x, np.ones(1), create_graph=True)
    curvature = mg.grad(slope, x, np.ones(1), create_graph=True)
    third = mg.grad(curvature, x, np.ones(1))
    assert [slope.item(), curvature.item(), third.item()] == [32, 48, 48]
    assert slope.requires_grad
    assert not third.requires_grad


def test_backward_with_create_graph_fills_grads_that_can_be_differentiated():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    assert x.grad.requires_grad
    penalty = x.grad * x.grad  # 9 x^4
    x.grad = None
    penalty.backward()
    assert x.grad.item() == 36 * 8


def test_without_create_graph_nothing_is_recorded_in_a_rule():
    recording = []

    @mg.primitive
    def spy(x):
        return x.copy()

    def rule(g):
        recording.append(mg.is_recording())
        return g * 1.0

    spy.defvjps(rule)
    x = leaf(1.0)
    mg.grad(spy(x), x, np.ones(1))
    mg.grad(spy(x), x, np.ones(1), create_graph=True)
    with mg.no_grad():
        y = x * 1  # nothing recorded here
    assert not y.requires_grad
    assert recording == [False, True]


def test_the_gradient_may_depend_on_the_cotangent():
    """Rules are differentiable in the gradient they are handed."""
    x, weight = leaf(2.0, 3.0), leaf(5.0, 7.0)
    gradient = mg.grad(x.exp(), x, weight, create_graph=True)
    by_weight = mg.grad(gradient.sum(), weight)
    np.testing.assert_allclose(by_weight.data, np.exp(x.data))


# --- freed graphs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("again", [lambda out, x: out.backward(), mg.grad])
@pytest.mark.parametrize("first", [lambda out, x: out.backward(), mg.grad])
def test_a_graph_is_freed_by_its_first_use(first, again):
    x = leaf(2.0)
    out = (x * x).exp().sum()
    first(out, x)
    with pytest.raises(ValueError) as error:
        again(out, x)
    assert str(error.value) == (
        "the graph behind this tensor has been freed (at sum): an earlier backward or grad ran "
        "through it; give that one retain_graph=True"
    )


def test_what_is_computed_from_a_freed_graph_says_so_too():
    x = leaf(2.0)
    middle = x * x
    middle.sum().backward()
    with pytest.raises(ValueError, match=r"freed \(at multiply\)"):
        (middle * 3).sum().backward()


def test_retain_graph():
    x = leaf(2.0)
    out = (x * x).exp().sum()
    out.backward(retain_graph=True)
    expected = x.grad.item()
    assert mg.grad(out, x, retain_graph=True).item() == expected
    out.backward()
    assert x.grad.item() == 2 * expected
    with pytest.raises(ValueError, match="freed"):
        out.backward()


def test_create_graph_retains_unless_told_otherwise():
    x = leaf(2.0)
    out = (x**3).sum()
    mg.grad(out, x, create_graph=True)
    mg.grad(out, x, create_graph=True, retain_graph=False)
    with pytest.raises(ValueError, match="freed"):
        mg.grad(out, x)


def test_grad_frees_only_what_it_walked():
    """Two losses of one network: the part that the first gradient did not need is still there."""
    x, y = leaf(2.0), leaf(3.0)
    shared = y * y
    mg.grad((x * shared).sum(), x)
    shared.sum().backward()
    assert y.grad.item() == 6


def test_freed_memory_is_free():
    """Saved arrays go while the output is still held."""
    x = leaf(*numbers(1000))
    hidden = x.exp()
    array = weakref.ref(hidden.data)
    out = hidden.sum()
    del hidden
    assert array() is not None
    out.backward()
    assert array() is None


# --- errors of backward and grad ------------------------------------------------------------------


def test_backward_of_a_constant():
    with pytest.raises(ValueError, match=r"backward: the tensor of shape \(3,\) does not require"):
        mg.Tensor(np.ones(3)).backward()
    with pytest.raises(ValueError, match=r"grad: no output requires grad: nothing was recorded"):
        mg.grad(mg.Tensor(np.ones(3)), leaf(1.0))


def test_missing_and_misshapen_gradients():
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(ValueError) as error:
        (x * 2).backward()
    assert str(error.value) == (
        "backward: the gradient can be left out for a single number only, and the tensor has shape "
        "(3,); reduce it (.sum(), .mean()) or give a gradient of that shape"
    )
    with pytest.raises(ValueError, match=r"gradient has shape \(2,\) and the tensor \(3,\); they"):
        (x * 2).backward(np.ones(2))
    with pytest.raises(ValueError, match=r"gradient has shape \(\) and the tensor \(3,\)"):
        mg.grad(x * 2, x, 1.0)
    with pytest.raises(
        ValueError, match=r"dtype float32 and the tensor float64; .*astype\('float6"
    ):
        mg.grad(x * 2, x, mg.Tensor(np.ones(3, np.float32)))


def test_gradients_that_are_no_numbers():
    x = leaf(1.0, 2.0, 3.0)
    with pytest.raises(TypeError, match=r"^backward: expected real numbers, got str .*: 'a'$"):
        (x * 2).backward("a")
    with pytest.raises(TypeError, match=r"^grad: expected real numbers, got str .*: 'a'$"):
        mg.grad(x * 2, x, "a")
    with pytest.raises(ValueError, match=r"^backward: cannot make an array of \[\[1\], \[1, 2\]\]"):
        (x * 2).backward([[1], [1, 2]])


def test_gradients_in_lists_keep_their_digits():
    x = leaf(1.0, 2.0, 3.0)
    (x * 1).backward([0.1, 0.2, 0.7])  # float64, not by way of float32
    assert x.grad.data.tolist() == [0.1, 0.2, 0.7]


def test_inputs_and_outputs_of_grad():
    x = leaf(1.0)
    for wrong_value, shown in ((3.0, r"3.0 \(float\)"), (np.array(7), r"array\(7\) \(ndarray\)")):
        message = f"must be a Tensor or a sequence of Tensors, got {shown}"
        with pytest.raises(TypeError, match=f"^grad: outputs {message}"):
            mg.grad(wrong_value, x)
        with pytest.raises(TypeError, match=f"^grad: inputs {message}"):
            mg.grad(x * 2, wrong_value)
    with pytest.raises(ValueError, match=r"grad: inputs\[1\] does not require grad; make it with"):
        mg.grad(x * 2, [x, mg.Tensor(np.ones(1))])
    with pytest.raises(ValueError, match=r"grad: inputs\[0\] does not require grad"):
        mg.grad(x * 2, [np.ones(1)])
    with pytest.raises(TypeError, match=r"grad: outputs\[1\] is ndarray, not a Tensor"):
        mg.grad([x * 2, np.ones(1)], x)
    with pytest.raises(ValueError, match=r"grad: got 2 grad_outputs for 1 outputs; give one per"):
        mg.grad(x * 2, x, [1.0, 2.0])


def test_requires_grad_of_computed_tensors_and_integers():
    x = leaf(1.0)
    with pytest.raises(
        ValueError, match=r"computed \(by multiply\); only leaves can be set. detach"
    ):
        (x * 2).requires_grad = False
    with pytest.raises(
        ValueError, match=r"and this one is int64; convert it with dtype=np.float32"
    ):
        mg.Tensor([1, 2], requires_grad=True)
    frozen = leaf(1.0)
    frozen.requires_grad = False
    assert not (frozen * 2).requires_grad


# --- only what is needed --------------------------------------------------------------------------


@pytest.fixture
def rule_calls(monkeypatch):
    """(operator, argument) of every rule that runs, in order."""
    calls = []

    def counted(primitive, argument, rule, names):
        def run(*args):
            calls.append((primitive.name, argument))
            return rule(*args)

        return run, names

    for module in (convolution, elementwise, linear):
        for primitive in vars(module).values():
            if isinstance(primitive, Primitive) and not primitive.variadic:
                rules = tuple(
                    None if rule is None else counted(primitive, argument, *rule)
                    for argument, rule in zip(primitive.arguments, primitive.rules, strict=True)
                )
                monkeypatch.setattr(primitive, "rules", rules)
    return calls


@pytest.mark.parametrize("fast", [False, True])
def test_the_first_layers_input_costs_nothing(rule_calls, fast):
    model = nn.Sequential(nn.Conv2D(1, 2, (3, 2)), nn.ReLU(), nn.Flatten(), nn.Dense(70, 4))
    with mg.fast_paths(fast):
        loss = F.cross_entropy(model(numbers(3, 5, 7, 1)), [0, 3, 1])
        loss.backward()
    # Dense passes a gradient on, the convolution does not: its images are a constant.
    assert not {("im2col", "x"), ("windows_affine", "x")} & set(rule_calls)
    dense, convolution = (
        ("affine", ("windows_affine", "kernel")) if fast else ("rows_matmul", ("rows_matmul", "b"))
    )
    assert rule_calls.count((dense, "a")) == 1
    assert rule_calls.count((dense, "b")) == (1 if fast else 2)
    assert convolution in rule_calls


def test_no_rule_runs_for_constants(rule_calls):
    x = leaf(1.0, 2.0)
    (x * np.array([3.0, 4.0])).sum().backward()
    (mg.Tensor(np.array([3.0, 4.0])) / x).sum().backward()
    assert [call for call in rule_calls if call[0] in ("multiply", "divide")] == [
        ("multiply", "x"),
        ("divide", "y"),
    ]


def test_grad_prunes(rule_calls):
    """What leads to no input that was asked for is not walked."""
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    out = x.exp() * y.sin().cos()
    del rule_calls[:]
    mg.grad(out, y, np.ones(2), retain_graph=True)
    assert rule_calls == [("multiply", "y"), ("cos", "x"), ("sin", "x")]
    del rule_calls[:]
    middle = out * 2
    mg.grad(middle.tanh(), middle, np.ones(2))
    assert rule_calls == [("tanh", "x")]


def test_every_node_is_visited_once(rule_calls):
    x = leaf(1.0)
    shared = x.exp()
    (shared.sin() + shared.cos() * shared).sum().backward()
    assert rule_calls.count(("exp", "x")) == 1


# --- what a graph keeps alive ---------------------------------------------------------------------


def survivors(build):
    """Which of the named arrays that `build` returns are alive once only its output is held."""
    out, arrays = build()
    references = {name: weakref.ref(array) for name, array in arrays.items()}
    del arrays
    assert out.requires_grad
    return {name for name, reference in references.items() if reference() is not None}


def test_relu_lets_go_of_its_input():
    def build():
        hidden = mg.Tensor(numbers(3, 5), requires_grad=True) * 2.0
        out = hidden.relu()
        return out, {"input": hidden.data, "output": out.data}

    assert survivors(build) == {"output"}


def test_im2col_lets_go_of_its_input():
    def build():
        images = mg.Tensor(numbers(2, 5, 7, 3), requires_grad=True) * 2.0
        columns = F.im2col(images, (3, 2))
        return columns, {"images": images.data}

    assert survivors(build) == set()


def test_max_pool_lets_go_of_its_input():
    def build():
        images = mg.Tensor(numbers(2, 6, 8, 3), requires_grad=True) * 2.0
        return F.max_pool2d(images, (3, 2)), {"images": images.data}

    assert survivors(build) == set()


@pytest.mark.parametrize("fast", [False, True])
def test_convolution_bias_relu_and_pool_keep_what_their_rules_need_only(fast):
    """Columns (or images) for the kernel's gradient and relu's output for its mask."""
    kernel = mg.Tensor(numbers(3, 2, 3, 4), requires_grad=True)
    bias = mg.Tensor(numbers(4), requires_grad=True)

    def build():
        images = mg.Tensor(numbers(2, 6, 8, 3), requires_grad=True) * 2.0
        product = F.conv2d(images, kernel)
        hidden = product + bias
        active = hidden.relu()
        out = F.max_pool2d(active, (3, 2))
        return out, {
            "images": images.data,
            "product": product.data,
            "hidden": hidden.data,
            "active": active.data,
        }

    with mg.fast_paths(fast):
        assert survivors(build) <= ({"active", "images"} if fast else {"active"})


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("add", lambda x: x + 1.0),
        ("subtract", lambda x: 1.0 - x),
        ("negative", lambda x: -x),
        ("multiply by a constant", lambda x: x * 3.0),
        ("exp", lambda x: x.exp()),
        ("tanh", lambda x: x.tanh()),
        ("sigmoid", lambda x: x.sigmoid()),
        ("sqrt", lambda x: x.sqrt()),
        ("sum", lambda x: x.sum(0)),
        ("mean", lambda x: x.mean(0)),
        ("pad", lambda x: x.pad(1)),
        ("indexed by an array", lambda x: x[[0, 2]]),
        ("where", lambda x: mg.where(np.ones((3, 5), bool), x, 0.0)),
        ("concatenate", lambda x: mg.concatenate([x, x])),
        ("astype", lambda x: x.astype(np.float32)),
        ("cumsum", lambda x: x.cumsum(0)),
        ("matmul with a constant", lambda x: x @ np.ones((5, 4))),
        ("average pool", lambda x: F.avg_pool2d(x.reshape(1, 3, 5, 1) + 0.0, (2, 3))),
        ("dropout", lambda x: F.dropout(x, 0.5)),
    ],
)
def test_operators_that_need_no_input(name, function):
    def build():
        x = mg.Tensor(np.abs(numbers(3, 5, dtype=np.float64)), requires_grad=True) * 2.0
        return function(x), {"x": x.data}

    assert survivors(build) == set()


def test_constants_leave_no_graph():
    with mg.no_grad():
        out = leaf(1.0) * 2
    assert out.node is None
    assert (mg.Tensor(np.ones(2)) * 2).node is None
    assert (leaf(1.0) > 0).node is None
    assert leaf(1.0).argmax().node is None
    assert leaf(1.0).astype(int).node is None


# --- nothing outlives its step --------------------------------------------------------------------


@pytest.fixture
def without_gc():
    """Reference counts alone: a cycle would keep what is in it alive."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def live(*classes):
    return sum(isinstance(thing, classes) for thing in gc.get_objects())


class SmallNetwork(nn.Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.convolution = nn.Conv2D(1, 3, (3, 2), rng=rng)
        self.norm = nn.BatchNorm(3)
        self.grouped = nn.Conv2D(3, 6, (2, 3), groups=3, padding="VALID", rng=rng)
        self.dropout = nn.Dropout(0.25, rng=rng)
        self.dense = nn.Dense(36, 5, rng=rng)

    def forward(self, x):
        hidden = F.max_pool2d(self.norm(self.convolution(x)).relu(), (2, 1))
        hidden = F.avg_pool2d(self.grouped(hidden), (1, 2), padding="SAME")
        return self.dense(self.dropout(hidden.reshape(len(x), -1)))


def training_step(model, optimizer, seed):
    x, labels = numbers(4, 8, 6, 1, seed=seed), np.arange(4) % 5
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), labels)
    loss.backward()
    optimizer.step()
    return loss.item()


def penalised_step(model, optimizer, seed):
    """A step with a second derivative in it: the penalty on the gradient of the input."""
    x = mg.Tensor(numbers(4, 8, 6, 1, seed=seed), requires_grad=True)
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), np.arange(4) % 5)
    slope = mg.grad(loss, x, create_graph=True)
    (loss + slope.square().sum()).backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("step", [training_step, penalised_step])
def test_no_tensor_outlives_its_step(step, without_gc):
    model = SmallNetwork()
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    step(model, optimizer, 0)
    optimizer.zero_grad()
    before = live(mg.Tensor, Node, np.ndarray)
    for seed in range(1, 4):
        step(model, optimizer, seed)
        optimizer.zero_grad()
        assert live(mg.Tensor, Node, np.ndarray) == before


@pytest.mark.parametrize("step", [training_step, penalised_step])
def test_no_array_outlives_its_step(step, without_gc):
    numpy_only = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        model = SmallNetwork()
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        held = []
        for seed in range(4):
            step(model, optimizer, seed)
            optimizer.zero_grad()
            snapshot = tracemalloc.take_snapshot().filter_traces([numpy_only])
            held.append(sum(trace.size for trace in snapshot.traces))
    finally:
        tracemalloc.stop()
    # The parameters and Adam's two averages, at least, and not a byte more with every step.
    assert held[0] >= 3 * sum(parameter.data.nbytes for parameter in model.parameters())
    assert held == held[:1] * 4


def test_a_leak_would_be_seen(without_gc):
    """A kept loss keeps its node, and unless backward has run, all that is behind it."""
    model, kept = SmallNetwork(), []
    before = live(Node)
    for backward in (True, False):
        kept.append(F.cross_entropy(model(numbers(4, 8, 6, 1)), np.arange(4) % 5))
        recorded = live(Node)
        if backward:
            kept[-1].backward()
            assert live(Node) == before + 1
        else:
            assert recorded > before + 10


def test_gradients_are_let_go_as_soon_as_they_are_passed_on():
    """Along a chain no more than two gradients exist at once, however long it is."""
    alive, most = [], 0

    @mg.primitive
    def step(x):
        return x + 1

    def rule(g):
        nonlocal most
        passed_on = g * 1.0
        alive[:] = [reference for reference in alive if reference() is not None]
        alive.append(weakref.ref(passed_on.data))
        most = max(most, len(alive))
        return passed_on

    step.defvjps(rule)
    y = leaf(1.0, 2.0)
    for _ in range(20):
        y = step(y)
    y.sum().backward()
    assert most <= 2


def test_evaluation_leaves_nothing(without_gc):
    model = SmallNetwork().eval()
    before = live(mg.Tensor, Node)
    with mg.no_grad():
        model(numbers(4, 8, 6, 1))
    assert live(mg.Tensor, Node) == before
    model(numbers(4, 8, 6, 1))  # recorded, and dropped
    assert live(mg.Tensor, Node) == before


def test_the_cycle_of_backward_with_create_graph_is_broken_by_hand(without_gc):
    """leaf -> grad -> its graph -> leaf: as documented, setting grad to None frees it all."""
    x = leaf(2.0)
    seen = weakref.ref(x)
    (x**3).backward(create_graph=True)
    x.grad = None
    del x
    assert seen() is None


# --- dtypes ---------------------------------------------------------------------------------------


def all_results(tensor):
    """The tensors that reach `backward`, by their nodes: (operator, dtype)."""
    pending, found = [tensor.node], []
    while pending:
        node = pending.pop()
        found.append((node.primitive.name, node.dtype))
        pending.extend(parent for parent in node.parents if isinstance(parent, Node))
    return found


def test_a_float32_network_stays_float32():
    model = SmallNetwork()
    optimizer = optim.Adam(model.parameters(), lr=np.float64(0.01), weight_decay=0.1)
    x = mg.Tensor(numbers(4, 8, 6, 1), requires_grad=True)
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x * np.float64(0.5) / 2), np.arange(4) % 5)
        loss = loss + sum(parameter.square().sum() for parameter in model.parameters()) * 1e-4
        slope = mg.grad(loss, x, create_graph=True)
        loss = loss + slope.square().mean() * 2
        assert {dtype for _, dtype in all_results(loss)} == {np.dtype(np.float32)}
        loss.backward()
        optimizer.step()
    for name, parameter in model.named_parameters():
        assert parameter.dtype == np.float32, name
        assert parameter.grad.dtype == np.float32, name
    for name, array in model.state_dict().items():
        assert array.dtype == np.float32, name


NUMBERS = [
    2,
    2.5,
    True,
    np.float64(2.5),
    np.float32(2.5),
    np.float16(2.5),
    np.longdouble(2.5),
    np.int64(2),
    np.bool_(True),
]
OPERATIONS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.pow,
    lambda x, y: mg.maximum(x, y),
    lambda x, y: mg.minimum(x, y),
    lambda x, y: mg.where([[True], [False]], x, y),
]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
@pytest.mark.parametrize("shape", [(2, 3), ()])
def test_numbers_take_the_tensors_dtype(number, shape):
    for dtype in (np.float32, np.float64, np.float16):
        x = mg.Tensor(np.full(shape, 1.5, dtype), requires_grad=True)
        for operation in OPERATIONS:
            for left, right in ((x, number), (number, x)):
                out = operation(left, right)
                assert type(out) is mg.Tensor
                assert out.dtype == dtype
                assert mg.grad(out, x, np.ones(out.shape)).dtype == dtype
        for comparison in (operator.lt, operator.ge, operator.eq):
            assert comparison(number, x).dtype == bool
        assert x.clip(number, 3).dtype == dtype
        assert x.pad(1, number).dtype == dtype


def test_0d_arrays_are_arrays():
    """NumPy 2 promotes with them; their gradients come back in their own dtype."""
    x = mg.Tensor(np.ones(3, np.float32), requires_grad=True)
    y = mg.Tensor(np.array(2.0), requires_grad=True)
    out = x * y
    assert out.dtype == np.float64
    by_x, by_y = mg.grad(out, [x, y], np.ones(3))
    assert (by_x.dtype, by_y.dtype) == (np.float32, np.float64)
    total = mg.Tensor(np.float32(2), requires_grad=True) * mg.Tensor(np.ones((), np.float32))
    assert total.dtype == np.float32


@pytest.mark.parametrize(
    "function",
    [
        lambda x, y: x + y,
        lambda x, y: y - x,
        lambda x, y: x * y,
        lambda x, y: x / (y.square() + 1.0),
        lambda x, y: x.abs() ** y,
        lambda x, y: x.maximum(y),
        lambda x, y: mg.where(np.array([True, False, True]), x, y),
        lambda x, y: mg.concatenate([x, y]),
        lambda x, y: mg.stack([x, y]),
        lambda x, y: x @ y,
        lambda x, y: y.expand_dims(1) @ x.expand_dims(0),
        lambda x, y: F.mse_loss(x, y),
        lambda x, y: F.linear(x, y.reshape(3, 1)),
        lambda x, y: F.conv2d(x.reshape(1, 1, 3, 1), y.reshape(1, 3, 1, 1)),
        lambda x, y: F.batch_norm(x.reshape(1, 3), y, y.square()),
    ],
)
def test_float32_with_float64(function):
    """The result is float64, as in NumPy, and exact; each gradient has the dtype of its tensor."""
    x32, y64 = numbers(3), numbers(3, seed=1, dtype=np.float64)
    x, y = mg.Tensor(x32, requires_grad=True), mg.Tensor(y64, requires_grad=True)
    x64 = mg.Tensor(x32.astype(np.float64), requires_grad=True)
    out, exact = function(x, y), function(x64, y)
    assert out.dtype == np.float64
    np.testing.assert_array_equal(out.data, exact.data)
    gradients = mg.grad(out, [x, y], np.ones(out.shape))
    expected = mg.grad(exact, [x64, y], np.ones(out.shape))
    assert [gradient.dtype for gradient in gradients] == [np.float32, np.float64]
    np.testing.assert_allclose(gradients[0].data, expected[0].data, rtol=1e-6)
    np.testing.assert_array_equal(gradients[1].data, expected[1].data)


@pytest.mark.parametrize("power", [lambda x, y: x**y, lambda x, y: y**x])
def test_constants_of_a_coarser_dtype_do_not_make_rules_coarse(power):
    """log x and y - 1 in the rules of x ** y have the precision of the result."""
    constant = np.array([1.1, 0.3, 2.7], np.float32)
    x = mg.Tensor(np.array([0.7, 1.9, 0.4]), requires_grad=True)
    gradients = [
        mg.grad(power(x, c), x, np.ones(3)).data for c in (constant, constant.astype(np.float64))
    ]
    np.testing.assert_array_equal(*gradients)


def test_integers():
    x = mg.Tensor([1, 2, 3])
    assert x.dtype == np.int64
    assert (x + 1).dtype == np.int64
    assert (x / 2).dtype == np.float64
    assert (x * np.ones(3, np.float32)).dtype == np.float64  # NumPy's promotion of two arrays
    assert (mg.Tensor([1.0, 2.0, 3.0]) * x).dtype == np.float64


# --- arrays and tensors in one expression ---------------------------------------------------------


@pytest.mark.parametrize(
    "operation",
    [
        operator.add,
        operator.sub,
        operator.mul,
        operator.truediv,
        operator.pow,
        operator.matmul,
        operator.eq,
        operator.ne,
        operator.lt,
        operator.le,
        operator.gt,
        operator.ge,
    ],
)
def test_arrays_and_tensors_mix_on_either_side(operation):
    a, b = np.abs(numbers(3, 3, dtype=float)), np.abs(numbers(3, 3, seed=1, dtype=float))
    expected = operation(a, b)
    tensor = mg.Tensor(a, requires_grad=True), mg.Tensor(b, requires_grad=True)
    for left, right in ((a, tensor[1]), (tensor[0], b), tensor):
        out = operation(left, right)
        assert type(out) is mg.Tensor
        assert out.requires_grad == (expected.dtype.kind == "f")
        np.testing.assert_array_equal(out.data, expected)


def test_numpy_functions_refuse_tensors_that_require_grad():
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match="does not support ufuncs"):
        np.exp(x)
    with pytest.raises(ValueError, match=r"use .detach\(\).numpy\(\)"):
        np.asarray(x)
    np.testing.assert_array_equal(np.asarray(x.detach()), [1, 2])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "add: expected real numbers, got NoneType of dtype object: None"),
        ("a", "add: expected real numbers, got str of dtype <U1: 'a'"),
        (1j, "add: expected real numbers, got complex of dtype complex128: 1j"),
        (np.complex64(1j), "add: expected real numbers, got complex64 of dtype complex64"),
        (np.array([1j, 2]), "add: expected real numbers, got ndarray of dtype complex128"),
        (np.array(["a", "b"]), "add: expected real numbers, got ndarray of dtype <U1"),
        (np.array([None, 1]), "add: expected real numbers, got ndarray of dtype object"),
    ],
)
def test_operands_that_are_no_numbers(value, message):
    for call in (lambda: leaf(1.0, 2.0) + value, lambda: mg.Tensor([1.0, 2.0]) + value):
        with pytest.raises(TypeError) as error:
            call()
        assert str(error.value).startswith(message)


def test_operands_of_uneven_length():
    with pytest.raises(ValueError, match=r"multiply: cannot make an array of \[\[1.0\], \[1.0, 2"):
        leaf(1.0, 2.0) * [[1.0], [1.0, 2.0]]


def test_shapes_that_do_not_broadcast():
    with pytest.raises(ValueError) as error:
        mg.Tensor(np.ones((3, 5))) * np.ones((2, 4))
    assert str(error.value) == (
        "multiply: shapes (3, 5) and (2, 4) do not broadcast together; aligned at the last axis, "
        "sizes must be equal or 1"
    )


# --- no_grad --------------------------------------------------------------------------------------


def test_no_grad_nests_and_ends_on_errors():
    assert mg.is_recording()
    with mg.no_grad():
        with mg.no_grad():
            assert not mg.is_recording()
        assert not mg.is_recording()
        with pytest.raises(RuntimeError), mg.no_grad():
            raise RuntimeError
        assert not mg.is_recording()
    assert mg.is_recording()
    with pytest.raises(RuntimeError), mg.no_grad():
        raise RuntimeError
    assert mg.is_recording()


def test_one_no_grad_can_be_entered_again():
    guard = mg.no_grad()
    for _ in range(2):
        with guard:
            with guard:
                assert not mg.is_recording()
            assert not mg.is_recording()
        assert mg.is_recording()


def test_no_grad_as_a_decorator():
    @mg.no_grad()
    def double(x):
        return x * 2

    assert not double(leaf(1.0)).requires_grad
    assert (leaf(1.0) * 2).requires_grad


def test_no_grad_is_of_one_thread():
    with mg.no_grad(), concurrent.futures.ThreadPoolExecutor() as pool:
        assert pool.submit(mg.is_recording).result()
        assert not mg.is_recording()


def test_a_decorated_function_in_two_threads_at_once():
    """The state outside is each thread's own, though they share the decorator."""
    inside, leave = threading.Event(), threading.Event()

    @mg.no_grad()
    def work(wait):
        if wait:
            inside.set()
            leave.wait(5)

    def outside_no_grad():
        work(True)
        return mg.is_recording()

    def within_no_grad():
        with mg.no_grad():
            inside.wait(5)
            work(False)  # enters after the other thread, and leaves before it
            still_off = not mg.is_recording()
        leave.set()
        return still_off

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(outside_no_grad), pool.submit(within_no_grad)
        assert first.result()
        assert second.result()


def test_gradients_in_several_threads():
    weight = mg.Tensor(numbers(5, 4), requires_grad=True)

    def work(seed):
        x = numbers(50, 5, seed=seed)
        return mg.grad((x @ weight).tanh().sum(), weight).data, x

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for gradient, x in pool.map(work, range(20)):
            slope = 1 - np.tanh(x @ weight.data) ** 2
            np.testing.assert_allclose(gradient, x.T @ slope, rtol=1e-4, atol=1e-4)


def test_backward_inside_no_grad_still_works():
    x = leaf(3.0)
    out = x * x
    with mg.no_grad():
        slope = mg.grad(out, x, np.ones(1), create_graph=True)
        assert slope.requires_grad  # asked for, so recorded
        assert not mg.is_recording()
    assert mg.grad(slope, x, np.ones(1)).item() == 2


# --- making operators -----------------------------------------------------------------------------


def test_an_operator_of_the_users():
    @mg.primitive
    def cube(x):
        """x^3"""
        return x**3

    cube.defvjps(lambda g, out, x: g * (3 * x * x))
    assert (cube.name, cube.__doc__) == ("cube", "x^3")
    assert repr(cube) == "<operator cube(x)>"
    check_derivatives(cube, [numbers(3, 5, dtype=float)], order=3)
    assert cube(2).item() == 8
    assert type(cube(np.ones(3))) is mg.Tensor


def test_parameters_reach_the_rule_under_their_names():
    seen = []

    @mg.primitive
    def scaled(x, y, factor=2.0, *, shift=0.0):
        return (x + y) * factor + shift

    def rule(g, factor, shift):
        seen.append((factor, shift))
        return g * factor

    scaled.defvjps(rule, lambda g, factor: g * factor)
    x, y = leaf(1.0), leaf(10.0)
    calls = (
        scaled(x, y),
        scaled(x, y, 3.0),
        scaled(x, y, shift=1.0, factor=4.0),
        scaled(y=y, x=x),
        scaled(x, y=y, factor=3.0),
    )
    assert [out.item() for out in calls] == [22, 33, 45, 22, 33]
    assert [mg.grad(out, [x, y], np.ones(1))[1].item() for out in calls] == [2, 3, 4, 2, 3]
    assert seen == [(2.0, 0.0), (3.0, 0.0), (4.0, 1.0), (2.0, 0.0), (3.0, 0.0)]


def test_arguments_that_do_not_fit():
    @mg.primitive
    def scaled(x, y, factor=2.0):
        return (x + y) * factor

    for call in (
        lambda: scaled(1.0),
        lambda: scaled(1.0, 2.0, 3.0, 4.0),
        lambda: scaled(1.0, x=2.0),
        lambda: scaled(factor=2.0),
    ):
        with pytest.raises(
            TypeError, match=r"scaled: takes the tensors \('x', 'y'\) and the param"
        ):
            call()


def test_saved_values_reach_the_rule():
    @mg.primitive(saves=["mask"])
    def positive_part(x):
        mask = x > 0
        return x * mask, mask

    positive_part.defvjps(lambda g, mask: g * mask)
    check_derivatives(positive_part, [np.array([1.5, -0.5, 0.25])], order=2)


def test_an_operator_of_any_number_of_tensors():
    @mg.primitive
    def product(*factors):
        return np.prod(factors, axis=0)

    def rule(g, position, factors):
        for other, factor in enumerate(factors):
            if other != position:
                g = g * factor
        return g

    product.defvjps(rule)
    assert repr(product) == "<operator product(*factors)>"
    check_derivatives(product, [numbers(3, seed=s, dtype=float) for s in range(4)], order=3)


def test_constants_to_the_engine():
    @mg.primitive
    def rounded(x):
        return np.round(x)

    rounded.defvjps(None)
    assert not rounded(leaf(1.2)).requires_grad

    @mg.primitive
    def chosen(x, which):
        return np.where(which > 0, x, 0.0)

    chosen.defvjps(lambda g, which: mg.where(which > 0, g, 0.0), None)
    x, which = leaf(1.0, 2.0), leaf(1.0, -1.0)
    by_x, by_which = mg.grad(chosen(x, which), [x, which], np.ones(2))
    assert by_x.data.tolist() == [1, 0]
    assert by_which.data.tolist() == [0, 0]


def test_an_operator_without_rules():
    @mg.primitive
    def mystery(x):
        return x * 1.0

    out = mystery(leaf(1.0))
    with pytest.raises(NotImplementedError) as error:
        out.backward()
    assert str(error.value) == (
        "mystery has no derivative: state one rule per tensor argument with mystery.defvjps(...)"
    )


def test_rules_that_do_not_fit():
    @mg.primitive(saves=["mask"])
    def op(x, y, *, axis=0):
        return x + y, x > y

    with pytest.raises(ValueError) as error:
        op.defvjps(lambda g: g)
    assert str(error.value) == (
        "op.defvjps: got 1 rules for the 2 tensor arguments ('x', 'y'); state one rule per "
        "argument, None where there is no derivative"
    )
    with pytest.raises(ValueError) as error:
        op.defvjps(lambda g, z: g, None)
    assert str(error.value) == (
        "op.defvjps: a rule asks for 'z'; after the gradient, rules can ask by name for ['axis', "
        "'mask', 'out', 'x', 'y']"
    )


def test_forwards_that_do_not_fit():
    with pytest.raises(TypeError, match=r"op: a forward cannot take \*\*options; give every"):

        @mg.primitive
        def op(x, **options):
            return x

    with pytest.raises(TypeError, match="nothing: a forward needs a tensor argument, without a"):

        @mg.primitive
        def nothing(axis=0):
            return np.zeros(3)


def test_forwards_that_return_something_else_than_they_say():
    @mg.primitive(saves=["mask", "size"])
    def forgetful(x):
        return x * 1.0

    message = (
        r"forgetful: the forward must return a tuple \(output, mask, size\), as it saves "
        r"\('mask', 'size'\); it returned ndarray"
    )
    with pytest.raises(TypeError, match=message):
        forgetful(np.ones((3, 5)))

    @mg.primitive(saves=["mask", "size"])
    def short(x):
        return x * 1.0, x > 0

    with pytest.raises(TypeError, match="it returned 2 values"):
        short(np.ones((3, 5)))

    @mg.primitive
    def nameless(x):
        return x * 1.0, x > 0

    with pytest.raises(
        TypeError, match=r"nameless: the forward returned a tuple; .*@primitive\(sav"
    ):
        nameless(np.ones((3, 5)))


def wrong(rule):
    @mg.primitive
    def doubled(x):
        return x * 2

    doubled.defvjps(rule)
    return doubled(mg.Tensor(np.ones((3, 5)), requires_grad=True)).sum()


def test_wrong_rules_are_named():
    with pytest.raises(ValueError) as error:
        wrong(lambda g: (g * 2).sum(0)).backward()
    assert str(error.value) == (
        "the rule of doubled for x returned a gradient of shape (5,) and dtype float64; the "
        "argument has shape (3, 5) and dtype float64"
    )
    with pytest.raises(ValueError, match=r"doubled for x .* \(3, 5\) and dtype float32; the argum"):
        wrong(lambda g: g.astype(np.float32)).backward()
    for rule, name in (
        (lambda g: g.data, "ndarray"),
        (lambda g: None, "NoneType"),
        (lambda g: 2.0, "float"),
    ):
        with pytest.raises(TypeError) as caught:
            wrong(rule).backward()
        assert str(caught.value) == (
            f"the rule of doubled for x returned {name}; rules are written with Tensor operators "
            "and return a Tensor"
        )


def test_a_wrong_rule_of_many_tensors_is_named_by_position():
    @mg.primitive
    def total(*parts):
        return sum(parts)

    total.defvjps(lambda g, position: g if position != 1 else g.sum())
    with pytest.raises(
        ValueError, match=r"the rule of total for parts\[1\] returned a gradient of"
    ):
        total(leaf(1.0, 2.0), leaf(3.0, 4.0), leaf(5.0, 6.0)).sum().backward()


# --- copies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_leaves_can_be_copied_and_pickled(duplicate):
    x = leaf(1.0, 2.0)
    x.grad = mg.Tensor(np.array([3.0, 4.0]))
    again = duplicate(x)
    assert again.requires_grad
    assert again.is_leaf
    assert again.grad.data.tolist() == [3, 4]
    again.data[0] = 9
    assert x.data.tolist() == [1, 2]
    (again * again).sum().backward()
    assert x.grad.data.tolist() == [3, 4]
