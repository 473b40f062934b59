"""Optimisers and clipping: every step against plain-Python arithmetic on single numbers.

The references below know nothing of arrays: they follow one number through all its steps, in double
precision, exactly as the formulas are printed.
"""

from __future__ import annotations

import gc
import math
import pickle
import weakref
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from minigrad import Tensor, optim

Array = np.ndarray[Any, Any]
Gradients = Sequence[float | None]  # one number's gradient at every step; None: it has none

SHAPES = [(3, 5), (7,), (2, 1, 4, 6), (), (11, 2)]
STEPS = 6


# --- the references: the value of one number after all steps --------------------------------------


def sgd_by_hand(
    p: float, gradients: Gradients, lr: float, momentum: float, nesterov: bool, decay: float
) -> float:
    buffer = None
    for g in gradients:
        if g is None:
            continue
        g = g + decay * p
        buffer = g if buffer is None else momentum * buffer + g
        p = p - lr * (g + momentum * buffer if nesterov else buffer)
    return p


def adam_by_hand(
    p: float,
    gradients: Gradients,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    decay: float,
    decoupled: bool,
) -> float:
    t, m, v = 0, 0.0, 0.0
    for g in gradients:
        if g is None:
            continue
        t += 1
        if decoupled:
            p = p - lr * decay * p
        else:
            g = g + decay * p
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        m_hat = m / (1 - beta1**t)
        v_hat = v / (1 - beta2**t)
        p = p - lr * m_hat / (math.sqrt(v_hat) + eps)
    return p


def rmsprop_by_hand(
    p: float,
    gradients: Gradients,
    lr: float,
    alpha: float,
    eps: float,
    decay: float,
    momentum: float,
) -> float:
    square, buffer = 0.0, 0.0
    for g in gradients:
        if g is None:
            continue
        g = g + decay * p
        square = alpha * square + (1 - alpha) * g * g
        buffer = momentum * buffer + g / (math.sqrt(square) + eps)
        p = p - lr * buffer
    return p


# name -> (class, its arguments, the same for the reference)
CASES: dict[str, tuple[type[optim.Optimizer], dict[str, Any], Callable[..., float], tuple]] = {
    "sgd": (optim.SGD, {"lr": 0.3}, sgd_by_hand, (0.3, 0.0, False, 0.0)),
    "sgd-decay": (
        optim.SGD,
        {"lr": 0.3, "weight_decay": 0.2},
        sgd_by_hand,
        (0.3, 0.0, False, 0.2),
    ),
    "sgd-momentum": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.8, "weight_decay": 0.05},
        sgd_by_hand,
        (0.1, 0.8, False, 0.05),
    ),
    "sgd-nesterov": (
        optim.SGD,
        {"lr": 0.1, "momentum": 0.7, "nesterov": True, "weight_decay": 0.03},
        sgd_by_hand,
        (0.1, 0.7, True, 0.03),
    ),
    "adam-defaults": (optim.Adam, {}, adam_by_hand, (1e-3, 0.9, 0.999, 1e-8, 0.0, False)),
    "adam": (
        optim.Adam,
        {"lr": 0.05, "betas": (0.7, 0.95), "eps": 0.01, "weight_decay": 0.1},
        adam_by_hand,
        (0.05, 0.7, 0.95, 0.01, 0.1, False),
    ),
    "adamw-defaults": (optim.AdamW, {}, adam_by_hand, (1e-3, 0.9, 0.999, 1e-8, 1e-2, True)),
    "adamw": (
        optim.AdamW,
        {"lr": 0.05, "betas": (0.6, 0.97), "eps": 0.02, "weight_decay": 0.3},
        adam_by_hand,
        (0.05, 0.6, 0.97, 0.02, 0.3, True),
    ),
    "rmsprop-defaults": (optim.RMSprop, {}, rmsprop_by_hand, (1e-2, 0.99, 1e-8, 0.0, 0.0)),
    "rmsprop": (
        optim.RMSprop,
        {"lr": 0.02, "alpha": 0.9, "eps": 0.03, "weight_decay": 0.1, "momentum": 0.6},
        rmsprop_by_hand,
        (0.02, 0.9, 0.03, 0.1, 0.6),
    ),
}
each_case = pytest.mark.parametrize("case", CASES)


def parameters(
    rng: np.random.Generator, dtypes: Sequence[Any], shapes: Sequence[tuple[int, ...]] = SHAPES
) -> list[Tensor]:
    """One trainable tensor per shape; the dtypes take turns."""
    return [
        Tensor(
            np.asarray(rng.standard_normal(shape), dtype=dtypes[index % len(dtypes)]),
            requires_grad=True,
        )
        for index, shape in enumerate(shapes)
    ]


def random_gradients(
    rng: np.random.Generator, params: Sequence[Tensor], missing: float = 0.0
) -> list[list[Array | None]]:
    """Gradients for every step and parameter; a share of them is missing."""
    return [
        [
            None if rng.random() < missing else np.asarray(rng.standard_normal(p.shape), p.dtype)
            for p in params
        ]
        for _ in range(STEPS)
    ]


def set_gradients(params: Sequence[Tensor], gradients: Sequence[Array | None]) -> None:
    for parameter, gradient in zip(params, gradients, strict=True):
        parameter.grad = None if gradient is None else Tensor(gradient)


def train(
    optimizer: optim.Optimizer, params: Sequence[Tensor], gradients: list[list[Array | None]]
) -> None:
    for of_this_step in gradients:
        set_gradients(params, of_this_step)
        optimizer.step()


def by_hand(case: str, start: Array, gradients: Sequence[Array | None]) -> Array:
    """The reference, cell by cell, in double precision."""
    _, _, reference, arguments = CASES[case]
    result = np.empty(start.shape)
    for cell in np.ndindex(start.shape):
        of_cell = [None if g is None else float(g[cell]) for g in gradients]
        result[cell] = reference(float(start[cell]), of_cell, *arguments)
    return result


# --- the steps ------------------------------------------------------------------------------------


@each_case
@pytest.mark.parametrize("missing", [0.0, 0.4])
@pytest.mark.parametrize(
    "dtypes", [(np.float64,), (np.float32,), (np.float32, np.float64)], ids=["64", "32", "mixed"]
)
def test_steps_follow_the_formulas(case: str, missing: float, dtypes: tuple[Any, ...]) -> None:
    rng = np.random.default_rng(1)
    kind, arguments, _, _ = CASES[case]
    params = parameters(rng, dtypes)
    starts = [p.data.copy() for p in params]
    gradients = random_gradients(rng, params, missing)
    if missing:  # what the case is about: counts that differ between neighbours, and a late start
        gradients[0][2] = None
        gradients[1][0] = None

    train(kind(params, **arguments), params, gradients)

    for index, (parameter, start) in enumerate(zip(params, starts, strict=True)):
        expected = by_hand(case, start, [step[index] for step in gradients])
        assert parameter.dtype == start.dtype == dtypes[index % len(dtypes)]
        # Every step rounds a dozen times: in the value (below 4) and in the update.
        tolerance = STEPS * 12 * np.finfo(start.dtype).eps * 4
        np.testing.assert_allclose(parameter.data, expected, rtol=0, atol=tolerance)
        assert not np.allclose(expected, start, rtol=0, atol=10 * tolerance)


@each_case
def test_steps_equal_torch(case: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    kind, arguments, _, _ = CASES[case]
    params = parameters(rng, (np.float64,))
    theirs = [torch.tensor(p.data.copy(), requires_grad=True) for p in params]
    gradients = random_gradients(rng, params, missing=0.2)
    optimizer = kind(params, **arguments)
    their_optimizer = getattr(torch.optim, kind.__name__)(theirs, **arguments)

    for of_this_step in gradients:
        set_gradients(params, of_this_step)
        for tensor, gradient in zip(theirs, of_this_step, strict=True):
            tensor.grad = None if gradient is None else torch.tensor(gradient)
        optimizer.step()
        their_optimizer.step()
        for parameter, tensor in zip(params, theirs, strict=True):
            np.testing.assert_allclose(parameter.data, tensor.detach().numpy(), rtol=0, atol=1e-13)


def test_sgd_momentum_can_be_set_between_steps() -> None:
    """A schedule may give momentum to an SGD made without: the buffer starts at 0."""
    x = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = optim.SGD([x], lr=1.0)
    x.grad = Tensor(np.array([0.25]))
    optimizer.step()
    assert x.data.item() == 0.75
    optimizer.momentum = 0.5
    optimizer.step()
    optimizer.step()
    assert x.data.item() == 0.75 - 0.25 - (0.125 + 0.25)


def test_learning_rate_can_be_set_between_steps() -> None:
    x = Tensor(np.array([1.0]), requires_grad=True)
    optimizer = optim.SGD([x], lr=1.0)
    x.grad = Tensor(np.array([0.25]))
    optimizer.lr = 2.0
    optimizer.step()
    assert x.data.item() == 0.5


def test_numpy_scalars_do_not_raise_the_precision() -> None:
    """The result is the same bit for bit as with Python floats."""
    rng = np.random.default_rng(3)
    start, gradient = (rng.standard_normal((3, 5)).astype(np.float32) for _ in range(2))
    results = []
    for lr in (0.1, np.float64(0.1)):
        x = Tensor(start.copy(), requires_grad=True)
        optimizer = optim.Adam([x], lr=lr, betas=(type(lr)(0.8), type(lr)(0.9)))
        optimizer.lr = lr
        x.grad = Tensor(gradient)
        optimizer.step()
        assert x.dtype == np.float32
        results.append(x.data)
    assert (results[0] == results[1]).all()


# --- what a step may and may not touch ------------------------------------------------------------


@each_case
def test_step_writes_in_place_and_leaves_gradients_alone(case: str) -> None:
    rng = np.random.default_rng(4)
    kind, arguments, _, _ = CASES[case]
    params = parameters(rng, (np.float32,))
    gradients = random_gradients(rng, params)[0]
    arrays = [p.data for p in params]
    before = [a.copy() for a in arrays]
    set_gradients(params, gradients)
    kept = [p.grad for p in params]
    copies = [g.copy() for g in gradients if g is not None]

    kind(params, **arguments).step()

    for p, array, start, gradient, copy in zip(params, arrays, before, kept, copies, strict=True):
        assert p.data is array
        assert (array != start).all()
        assert p.grad is gradient
        assert (p.grad.data == copy).all()


def test_views_of_a_parameter_and_replaced_data_are_followed() -> None:
    rng = np.random.default_rng(5)
    x = Tensor(rng.standard_normal((3, 5)), requires_grad=True)
    row = x.data[1]
    expected = row - 0.5
    optimizer = optim.SGD([x], lr=0.5)
    x.grad = Tensor(np.ones((3, 5)))
    optimizer.step()
    np.testing.assert_array_equal(row, expected)

    x.data = rng.standard_normal((3, 5))
    replaced = x.data - 0.5
    optimizer.step()
    np.testing.assert_array_equal(x.data, replaced)
    np.testing.assert_array_equal(row, expected)


@each_case
def test_memory_layout_does_not_matter(case: str) -> None:
    """Parameters and gradients may be transposed, strided or broadcast."""
    rng = np.random.default_rng(6)
    kind, arguments, _, _ = CASES[case]
    start = rng.standard_normal((4, 3, 5))
    row = rng.standard_normal((3, 1))
    gradient = np.broadcast_to(row, (4, 3, 5))
    results = []
    for layout in ("C", "transposed", "strided"):
        data = start.copy()
        if layout == "transposed":
            data = np.ascontiguousarray(data.transpose(2, 0, 1)).transpose(1, 2, 0)
        elif layout == "strided":
            data = np.repeat(data, 2, axis=1)[:, ::2]
        x = Tensor(data, requires_grad=True)
        optimizer = kind([x], **arguments)
        x.grad = Tensor(gradient.copy() if layout == "C" else gradient)
        optimizer.step()
        optimizer.step()
        results.append(x.data)
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@pytest.mark.parametrize("copied", [deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize("kind", [optim.Adam, optim.SGD])
def test_a_copy_goes_on_like_the_original(
    copied: Callable[[Any], Any], kind: type[optim.Optimizer]
) -> None:
    """Its flat arrays are of its own, and so are the views of them that a step works on."""
    optimizer = kind([Tensor([1.0, 2.0], requires_grad=True)], lr=0.1)  # type: ignore[call-arg]
    set_gradients(optimizer.params, [np.array([1.0, -3.0], np.float32)])
    optimizer.step()
    twin = copied(optimizer)
    assert twin.params[0] is not optimizer.params[0]
    for each in (optimizer, twin):
        set_gradients(each.params, [np.array([-5.0, 2.0], np.float32)])
        each.step()
    np.testing.assert_array_equal(twin.params[0].data, optimizer.params[0].data)
    for name, array in optimizer.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)


def test_step_without_any_gradient_does_nothing() -> None:
    rng = np.random.default_rng(7)
    params = parameters(rng, (np.float32, np.float64))
    before = [p.data.copy() for p in params]
    optimizer = optim.AdamW(params)
    optimizer.step()
    for parameter, start in zip(params, before, strict=True):
        np.testing.assert_array_equal(parameter.data, start)
    assert optimizer.state_dict()["AdamW.step"].tolist() == [0] * len(params)


def test_zero_grad_forgets_gradients() -> None:
    x, y = (Tensor([1.0], requires_grad=True) for _ in range(2))
    x.grad = Tensor([2.0])
    optim.SGD([x, y], lr=0.1).zero_grad()
    assert x.grad is None
    assert y.grad is None


def test_gradients_are_not_kept_alive() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    optimizer = optim.Adam([x])
    x.grad = Tensor(np.ones(3))
    watched = weakref.ref(x.grad.data)
    optimizer.step()
    gc.disable()  # reference counting alone must do it
    try:
        optimizer.zero_grad()
        assert watched() is None
    finally:
        gc.enable()


def test_parameters_of_no_cells_are_allowed() -> None:
    empty, full = Tensor(np.ones((0, 3)), requires_grad=True), Tensor([1.0], requires_grad=True)
    optimizer = optim.Adam([empty, full], lr=0.5)
    empty.grad, full.grad = Tensor(np.ones((0, 3))), Tensor([2.0])
    optimizer.step()
    assert empty.shape == (0, 3)
    np.testing.assert_allclose(full.data, [0.5], rtol=1e-6)


# --- learning -------------------------------------------------------------------------------------


def test_sgd_on_a_parabola_follows_the_closed_form() -> None:
    """For the loss sum(a * x**2) / 2 every step multiplies x by 1 - lr * a."""
    curvature = np.array([0.5, 1.0, 3.0])
    start = np.array([2.0, -1.0, 0.5])
    x = Tensor(start.copy(), requires_grad=True)
    optimizer = optim.SGD([x], lr=0.2)
    for _ in range(20):
        optimizer.zero_grad()
        (x * x * curvature / 2).sum().backward()
        optimizer.step()
    np.testing.assert_allclose(x.data, start * (1 - 0.2 * curvature) ** 20, rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (optim.SGD, {"lr": 0.05, "momentum": 0.8}),
        (optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
        (optim.Adam, {"lr": 0.05}),
        (optim.AdamW, {"lr": 0.05, "weight_decay": 0.0}),
        (optim.RMSprop, {"lr": 0.002}),
    ],
    ids=["momentum", "nesterov", "adam", "adamw", "rmsprop"],
)
def test_every_optimiser_finds_the_bottom_of_a_tilted_bowl(
    kind: type[optim.Optimizer], arguments: dict[str, Any]
) -> None:
    rng = np.random.default_rng(8)
    target = rng.standard_normal(4)
    half = rng.standard_normal((4, 4))
    bowl = half.T @ half / 4 + np.eye(4)
    x = Tensor(np.zeros(4), requires_grad=True)
    optimizer = kind([x], **arguments)
    for _ in range(1500):
        optimizer.zero_grad()
        away = (x - target).reshape(1, 4)
        (away @ bowl @ away.T / 2).sum().backward()
        optimizer.step()
    # RMSprop ends in steps of about lr to and fro; the others come to rest.
    np.testing.assert_allclose(x.data, target, rtol=0, atol=2 * arguments["lr"] / 10)


# --- saving and going on --------------------------------------------------------------------------


@each_case
def test_going_on_from_a_saved_state_is_bit_for_bit(case: str) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(9)
    kind, arguments, _, _ = CASES[case]
    whole = parameters(rng, (np.float32, np.float64))
    gradients = random_gradients(rng, whole, missing=0.3)
    halfway = STEPS // 2
    for of_this_step in gradients[:halfway]:
        of_this_step[2] = None  # its first step comes after the interruption

    copies = [Tensor(p.data.copy(), requires_grad=True) for p in whole]
    train(kind(whole, **arguments), whole, gradients)

    first = kind(copies, **arguments)
    train(first, copies, gradients[:halfway])
    saved = safetensors.save(first.state_dict())
    resumed = [Tensor(p.data.copy(), requires_grad=True) for p in copies]
    second = kind(resumed, lr=0.123)  # everything else is the default, and is overwritten
    second.load_state_dict(safetensors.load(saved))
    train(second, resumed, gradients[halfway:])

    for uninterrupted, parameter in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(parameter.data, uninterrupted.data)
    for name, value in second.state_dict().items():
        assert value.dtype == first.state_dict()[name].dtype


def test_state_holds_what_its_docstring_says() -> None:
    x = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = Tensor(np.ones(5), requires_grad=True)
    optimizer = optim.Adam([x, y], lr=0.25, betas=(0.5, 0.75), eps=0.125, weight_decay=0.0625)
    y.grad = Tensor(np.full(5, 2.0 - 0.0625))  # 2 together with the decay of y = 1
    optimizer.step()
    state = optimizer.state_dict()
    assert {name: (value.shape, str(value.dtype)) for name, value in state.items()} == {
        "Adam.lr": ((), "float64"),
        "Adam.weight_decay": ((), "float64"),
        "Adam.beta1": ((), "float64"),
        "Adam.beta2": ((), "float64"),
        "Adam.eps": ((), "float64"),
        "Adam.step": ((2,), "int64"),
        "Adam.exp_avg.0": ((2, 3), "float32"),
        "Adam.exp_avg_sq.0": ((2, 3), "float32"),
        "Adam.exp_avg.1": ((5,), "float64"),
        "Adam.exp_avg_sq.1": ((5,), "float64"),
    }
    numbers = {name: value.item() for name, value in state.items() if value.shape == ()}
    assert list(numbers.values()) == [0.25, 0.0625, 0.5, 0.75, 0.125]
    assert state["Adam.step"].tolist() == [0, 1]
    assert (state["Adam.exp_avg.1"] == 0.5 * 2.0).all()
    assert (state["Adam.exp_avg_sq.1"] == 0.25 * 4.0).all()
    optimizer.step()
    assert (state["Adam.exp_avg.1"] == 0.5 * 2.0).all(), "a saved state must not move on"


def without(state: dict[str, Array], name: str) -> dict[str, Array]:
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("spoil", "quoted"),
    [
        (lambda s: without(s, "SGD.lr"), ["missing", "SGD.lr"]),
        (lambda s: without(s, "SGD.momentum_buffer.1"), ["SGD.momentum_buffer.1"]),
        (lambda s: s | {"SGD.more": np.zeros(1)}, ["unexpected", "SGD.more"]),
        (
            lambda s: s | {"SGD.momentum_buffer.1": np.zeros((7, 1), np.float32)},
            ["SGD.momentum_buffer.1", "(7,)", "(7, 1)"],
        ),
        (
            lambda s: s | {"SGD.momentum_buffer.1": np.zeros(7)},
            ["SGD.momentum_buffer.1", "float32", "float64"],
        ),
        (lambda s: s | {"SGD.step": np.array([1, 2])}, ["SGD.step", "(5,)", "(2,)"]),
        (lambda s: s | {"SGD.step": np.array([1, 2, -3, 4, 5])}, ["SGD.step", "-3"]),
        (lambda s: s | {"SGD.lr": np.array(-1.0)}, ["lr", "-1", "at least 0"]),
        (lambda s: s | {"SGD.momentum": np.array(np.nan)}, ["momentum", "nan"]),
        (lambda s: s | {"SGD.nesterov": np.array(1.0)}, ["SGD.nesterov", "bool", "float64"]),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(
    spoil: Callable[[dict[str, Array]], dict[str, Array]], quoted: list[str]
) -> None:
    rng = np.random.default_rng(10)
    params = parameters(rng, (np.float32,))
    optimizer = optim.SGD(params, lr=0.1, momentum=0.9)
    train(optimizer, params, random_gradients(rng, params))
    before = optimizer.state_dict()
    other = optim.SGD(params, lr=0.7, momentum=0.2, nesterov=True, weight_decay=0.3)

    with pytest.raises(ValueError, match=r"SGD\.load_state_dict") as error:
        optimizer.load_state_dict(spoil(other.state_dict()))

    assert all(word in str(error.value) for word in quoted)
    after = optimizer.state_dict()
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_what_is_no_state_is_refused() -> None:
    optimizer = optim.Adam([Tensor([1.0], requires_grad=True)])
    with pytest.raises(TypeError, match=r"Adam\.load_state_dict: state must be a dict .*got a str"):
        optimizer.load_state_dict("run/optimizer.safetensors")  # type: ignore[arg-type]


def test_the_state_of_another_kind_of_optimiser_is_refused() -> None:
    """Adam and AdamW keep the same arrays, and do different things with them."""
    x = Tensor([1.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"AdamW\.load_state_dict.*another kind.*Adam\.exp_avg"):
        optim.AdamW([x]).load_state_dict(optim.Adam([x]).state_dict())


# --- bad arguments --------------------------------------------------------------------------------


def one() -> Tensor:
    return Tensor(np.ones((3, 5)), requires_grad=True)


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop])
def test_bad_parameters_are_refused(kind: type[optim.Optimizer]) -> None:
    name = kind.__name__
    twice = one()
    computed = one() * 2
    frozen = Tensor(np.ones((3, 5)))
    used_up = iter([one()])
    list(used_up)
    for params, error, message in [
        ([], ValueError, "params is empty"),
        (used_up, ValueError, r"params is empty.*model\.parameters\(\)"),
        (one(), TypeError, r"params must be a sequence of Tensors, got a Tensor.*\[tensor\]"),
        (7, TypeError, "params must be a sequence of Tensors, got a int"),
        ({"kernel": one()}, TypeError, r"params must be .*, got a dict.*values\(\)"),
        ([one(), np.ones(3)], TypeError, r"params\[1\] must be a Tensor, got a ndarray"),
        ([one(), frozen], ValueError, r"params\[1\], shape \(3, 5\), does not require grad"),
        ([computed], ValueError, r"params\[0\], shape \(3, 5\), was computed"),
        ([one(), twice, one(), twice], ValueError, r"params\[3\] and params\[1\] are the same"),
    ]:
        with pytest.raises(error, match=f"^{name}: {message}"):
            kind(params, lr=0.1)


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        (optim.SGD, {"lr": -0.1}, ValueError, "SGD: lr must be at least 0 and finite, got -0.1"),
        (optim.SGD, {"lr": math.inf}, ValueError, "SGD: lr must be .*finite, got inf"),
        (optim.SGD, {"lr": math.nan}, ValueError, "SGD: lr must be .*got nan"),
        (optim.SGD, {"lr": "0.1"}, TypeError, "SGD: lr must be a number, got '0.1'"),
        (optim.SGD, {"lr": True}, TypeError, "SGD: lr must be a number, got True"),
        (optim.SGD, {"lr": None}, TypeError, "SGD: lr must be a number, got None"),
        (
            optim.SGD,
            {"lr": 0.1, "momentum": 9},
            ValueError,
            "SGD: momentum must be at least 0 and less than 1, got 9",
        ),
        (optim.SGD, {"lr": 0.1, "momentum": -0.5}, ValueError, "SGD: momentum .*got -0.5"),
        (optim.SGD, {"lr": 0.1, "nesterov": True}, ValueError, "SGD: nesterov=True .*momentum"),
        (
            optim.SGD,
            {"lr": 0.1, "momentum": 0.9, "nesterov": 0.5},
            TypeError,
            "SGD: nesterov must be True or False, got 0.5",
        ),
        (optim.SGD, {"lr": 0.1, "weight_decay": -1}, ValueError, "SGD: weight_decay .*got -1"),
        (optim.Adam, {"betas": (0.9, 1.0)}, ValueError, "Adam: beta2 must be .*less than 1"),
        (optim.Adam, {"betas": (1.0, 0.9)}, ValueError, "Adam: beta1 must be .*less than 1"),
        (optim.Adam, {"betas": (-0.1, 0.9)}, ValueError, "Adam: beta1 .*got -0.1"),
        (optim.Adam, {"betas": 0.9}, TypeError, r"Adam: betas must be two numbers.*got 0\.9"),
        (optim.AdamW, {"betas": (0.9,)}, TypeError, r"AdamW: betas must be two .*got \(0\.9,\)"),
        (optim.AdamW, {"eps": -1e-8}, ValueError, "AdamW: eps .*got -1e-08"),
        (optim.RMSprop, {"alpha": 1.0}, ValueError, "RMSprop: alpha .*got 1"),
        (optim.RMSprop, {"momentum": 1}, ValueError, "RMSprop: momentum .*got 1"),
    ],
)
def test_bad_hyperparameters_are_refused(
    kind: type[optim.Optimizer], arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind([one()], **arguments)


def test_bad_learning_rate_is_refused_later_too() -> None:
    optimizer = optim.Adam([one()], lr=0.5)
    with pytest.raises(ValueError, match=r"Adam: lr .*got -1"):
        optimizer.lr = -1
    assert optimizer.lr == 0.5


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda p: setattr(p, "grad", Tensor(np.ones((5, 3)))),
            ValueError,
            r"the grad of params\[1\] must be \(3, 5\) float64 .*got \(5, 3\) float64",
        ),
        (
            lambda p: setattr(p, "grad", Tensor(np.ones((3, 5), np.float32))),
            ValueError,
            r"the grad of params\[1\] must be \(3, 5\) float64 .*got \(3, 5\) float32",
        ),
        (
            lambda p: setattr(p, "grad", np.ones((3, 5))),
            TypeError,
            r"the grad of params\[1\] must be a Tensor or None, got a ndarray",
        ),
        (
            lambda p: setattr(p, "data", np.ones((3, 5), np.float32)),
            ValueError,
            r"params\[1\] was \(3, 5\) float64 .*now \(3, 5\) float32",
        ),
        (
            lambda p: setattr(p, "data", np.ones((3, 1))),
            ValueError,
            r"params\[1\] was \(3, 5\) float64 .*now \(3, 1\) float64",
        ),
        (
            lambda p: p.data.setflags(write=False),
            ValueError,
            r"the data of params\[1\], shape \(3, 5\), is a read-only array",
        ),
    ],
    ids=["grad shape", "grad dtype", "grad type", "data dtype", "data shape", "read-only"],
)
def test_a_step_that_cannot_be_done_moves_nothing(
    spoil: Callable[[Tensor], None], error: type[Exception], message: str
) -> None:
    first, second = one(), one()
    optimizer = optim.Adam([first, second])
    set_gradients([first, second], [np.ones((3, 5)), np.ones((3, 5))])
    spoil(second)
    with pytest.raises(error, match=rf"Adam\.step: {message}"):
        optimizer.step()
    assert (first.data == 1.0).all()
    state = optimizer.state_dict()
    assert state["Adam.step"].tolist() == [0, 0]
    assert not state["Adam.exp_avg.0"].any()


# --- clipping -------------------------------------------------------------------------------------


def norm_by_hand(gradients: Sequence[Array | None]) -> float:
    return math.sqrt(sum(float(x) ** 2 for g in gradients if g is not None for x in g.ravel()))


def test_clipping_scales_all_gradients_alike() -> None:
    rng = np.random.default_rng(11)
    params = parameters(rng, (np.float32, np.float64))
    gradients = random_gradients(rng, params)[0]
    gradients[1] = None
    set_gradients(params, gradients)
    norm = norm_by_hand(gradients)

    returned = optim.clip_grad_norm(params, norm / 3)

    assert isinstance(returned, float)
    np.testing.assert_allclose(returned, norm, rtol=1e-12)
    for parameter, gradient in zip(params, gradients, strict=True):
        if gradient is None:
            assert parameter.grad is None
        else:
            assert parameter.grad is not None
            assert parameter.grad.dtype == gradient.dtype
            expected = gradient.astype(float) * (norm / 3) / (norm + 1e-6)
            np.testing.assert_allclose(
                parameter.grad.data, expected, rtol=4 * np.finfo(gradient.dtype).eps
            )


def test_clipping_leaves_small_gradients_as_they_are() -> None:
    rng = np.random.default_rng(12)
    params = parameters(rng, (np.float32,))
    set_gradients(params, random_gradients(rng, params)[0])
    before = [p.grad for p in params]
    values = [g.data.copy() for g in before if g is not None]
    optim.clip_grad_norm(params, 1.1 * norm_by_hand(values))
    for parameter, gradient, value in zip(params, before, values, strict=True):
        assert parameter.grad is gradient
        np.testing.assert_array_equal(parameter.grad.data, value)


def test_clipping_scales_a_shared_gradient_once() -> None:
    """Parameters that are added get one and the same gradient; scaling it in place would do it
    for each of them, and spoil it for whoever else holds it."""
    x, y = (Tensor(np.zeros(2), requires_grad=True) for _ in range(2))
    shared = Tensor(np.array([3.0, 4.0]))
    x.grad = y.grad = shared
    norm = optim.clip_grad_norm([x, y], 1.0)
    np.testing.assert_allclose(norm, math.sqrt(50.0), rtol=1e-15)
    for parameter in (x, y):
        expected = np.array([3.0, 4.0]) / (math.sqrt(50.0) + 1e-6)
        np.testing.assert_allclose(parameter.grad.data, expected, rtol=1e-14)
    assert shared.data.tolist() == [3.0, 4.0]


def test_clipping_huge_float32_gradients_does_not_overflow() -> None:
    x = Tensor(np.zeros(4, np.float32), requires_grad=True)
    x.grad = Tensor(np.full(4, 1e30, np.float32))
    np.testing.assert_allclose(optim.clip_grad_norm([x], 1.0), 2e30, rtol=1e-6)
    np.testing.assert_allclose(x.grad.data, 0.5, rtol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_clipping_returns_a_norm_that_is_not_finite(bad: float) -> None:
    x = Tensor(np.zeros(2), requires_grad=True)
    x.grad = gradient = Tensor(np.array([bad, 1.0]))
    norm = optim.clip_grad_norm([x], 1.0)
    assert not math.isfinite(norm)
    assert x.grad is gradient
    assert x.grad.data[1] == 1.0


def test_clipping_without_gradients_returns_zero() -> None:
    assert optim.clip_grad_norm([one()], 1.0) == 0.0


def test_clipping_equals_torch() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(13)
    params = parameters(rng, (np.float64,))
    gradients = random_gradients(rng, params)[0]
    set_gradients(params, gradients)
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in params]
    for tensor, gradient in zip(theirs, gradients, strict=True):
        tensor.grad = torch.tensor(gradient)
    norm = optim.clip_grad_norm(params, 0.3)
    their_norm = torch.nn.utils.clip_grad_norm_(theirs, 0.3)
    np.testing.assert_allclose(norm, their_norm.item(), rtol=1e-14)
    for parameter, tensor in zip(params, theirs, strict=True):
        np.testing.assert_allclose(parameter.grad.data, tensor.grad.numpy(), rtol=1e-14)


@pytest.mark.parametrize(
    ("params", "max_norm", "error", "message"),
    [
        ([], 1.0, ValueError, "clip_grad_norm: params is empty"),
        ([1.0], 1.0, TypeError, r"clip_grad_norm: params\[0\] must be a Tensor, got a float"),
        ([Tensor([1.0])], 0.0, ValueError, "clip_grad_norm: max_norm must be above 0, got 0"),
        ([Tensor([1.0])], -2, ValueError, "clip_grad_norm: max_norm must be above 0, got -2"),
        ([Tensor([1.0])], math.nan, ValueError, "max_norm must be above 0, got nan"),
        ([Tensor([1.0])], "1", TypeError, "clip_grad_norm: max_norm must be a number, got '1'"),
    ],
)
def test_bad_arguments_of_clipping_are_refused(
    params: list[Any], max_norm: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        optim.clip_grad_norm(params, max_norm)
