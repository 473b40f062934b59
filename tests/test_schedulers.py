"""Schedulers: against numbers that PyTorch 2.13 printed, and PyTorch itself where installed."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import Tensor, optim

MakeScheduler = Callable[[Any], Any]

# The printed rates come from different, equivalent arithmetic in doubles (PyTorch multiplies its
# way from step to step); rates are at most 1.
ROUNDING = 1e-14


def optimizer(kind: str = "SGD", **arguments: Any) -> Any:
    return getattr(optim, kind)([Tensor([1.0], requires_grad=True)], **arguments)


def rates_of(scheduler: optim.ScheduleByStep, count: int) -> list[float]:
    """The learning rates of `count` steps of training."""
    rates = [scheduler.optimizer.lr]
    for _ in range(count - 1):
        scheduler.step()
        rates.append(scheduler.optimizer.lr)
    return rates


# --- the rates that PyTorch gives -----------------------------------------------------------------


def test_step_lr() -> None:
    scheduler = optim.StepLR(optimizer(lr=0.7), step_size=3, gamma=0.4)
    expected = [0.7, 0.7, 0.7, 0.28, 0.28, 0.28, 0.112, 0.112]
    np.testing.assert_allclose(rates_of(scheduler, 8), expected, rtol=0, atol=ROUNDING)


def test_cosine_annealing_lr_and_how_it_rises_again() -> None:
    scheduler = optim.CosineAnnealingLR(optimizer(lr=0.9), T_max=7, eta_min=0.05)
    falling = [
        0.9,
        0.8579117688585282,
        0.7399831657899618,
        0.5695713969314337,
        0.3804286030685664,
        0.21001683421003825,
        0.09208823114147191,
        0.05,
    ]
    expected = falling + falling[-2::-1] + falling[1:3]
    np.testing.assert_allclose(rates_of(scheduler, 17), expected, rtol=0, atol=ROUNDING)


def test_one_cycle_lr_with_momentum() -> None:
    """The peak, at step 0.3 * 11 - 1 = 2.3, lies between two steps."""
    sgd = optimizer(lr=1.0, momentum=0.5)
    scheduler = optim.OneCycleLR(sgd, max_lr=0.6, total_steps=11)
    expected = [
        (0.02400000000000002, 0.95),
        (0.2534046682408415, 0.9101728006526316),
        (0.5761568548335705, 0.8541394349247273),
        (0.5878479406927809, 0.8520253513192751),
        (0.5306854348611781, 0.8615524737330319),
        (0.435652229578517, 0.8773914046358657),
        (0.3183496248525599, 0.8969419169589078),
        (0.19803481739237697, 0.9169944650791307),
        (0.09445950767970472, 0.9342570857483922),
        (0.024627325923774514, 0.9458958292626879),
        (2.4e-06, 0.95),
    ]
    for step, (lr, momentum) in enumerate(expected):
        assert math.isclose(sgd.lr, lr, rel_tol=0, abs_tol=ROUNDING), step
        assert math.isclose(sgd.momentum, momentum, rel_tol=0, abs_tol=ROUNDING), step
        scheduler.step()


def test_one_cycle_lr_in_straight_lines_with_beta1() -> None:
    adam = optimizer("Adam", lr=1.0, betas=(0.3, 0.8))
    scheduler = optim.OneCycleLR(
        adam,
        max_lr=0.6,
        total_steps=9,
        pct_start=0.4,
        anneal_strategy="linear",
        base_momentum=0.7,
        max_momentum=0.9,
        div_factor=10.0,
        final_div_factor=50.0,
    )
    expected = [
        (0.06, 0.9),
        (0.2676923076923077, 0.823076923076923),
        (0.47538461538461535, 0.7461538461538462),
        (0.5556444444444444, 0.7148148148148148),
        (0.44475555555555557, 0.7518518518518518),
        (0.33386666666666664, 0.7888888888888889),
        (0.22297777777777783, 0.825925925925926),
        (0.11208888888888885, 0.8629629629629629),
        (0.0011999999999999789, 0.9),
    ]
    for step, (lr, beta1) in enumerate(expected):
        assert math.isclose(adam.lr, lr, rel_tol=0, abs_tol=ROUNDING), step
        assert math.isclose(adam.beta1, beta1, rel_tol=0, abs_tol=ROUNDING), step
        assert adam.beta2 == 0.8
        scheduler.step()


def test_one_cycle_lr_can_leave_the_momentum_alone() -> None:
    sgd = optimizer(lr=1.0, momentum=0.5)
    scheduler = optim.OneCycleLR(sgd, max_lr=0.6, total_steps=4, cycle_momentum=False)
    expected = [0.024, 0.48704739236985783, 0.16983659892521955, 2.4e-06]
    np.testing.assert_allclose(rates_of(scheduler, 4), expected, rtol=0, atol=ROUNDING)
    assert sgd.momentum == 0.5


METRICS = [5.0, 4.0, 4.5, 3.99, 4.2, 4.1, 3.9995, 3.0, 3.5, 3.6]
METRICS += [3.7, 3.8, 3.9, 4.0, math.nan, 2.9, 3.3, 3.3, 3.3, 3.3]


@pytest.mark.parametrize(
    ("scale", "arguments", "expected"),
    [
        (
            1.0,
            {"factor": 0.5, "patience": 1},
            [0.8] * 5 + [0.4] * 4 + [0.2] * 2 + [0.1] * 2 + [0.05] * 4 + [0.025] * 2 + [0.0125],
        ),
        (
            1.0,
            {
                "factor": 0.3,
                "patience": 0,
                "cooldown": 2,
                "min_lr": 0.01,
                "threshold": 0.5,
                "threshold_mode": "abs",
            },
            [0.8] * 2 + [0.24] * 3 + [0.072] * 3 + [0.0216] * 3 + [0.01] * 9,
        ),
        (
            -1.0,
            {"mode": "max", "factor": 0.6, "patience": 2, "threshold": 0.1},
            [0.8] * 10 + [0.48] * 3 + [0.288] * 5 + [0.1728] * 2,
        ),
        (
            0.2,
            {
                "mode": "max",
                "factor": 0.25,
                "patience": 1,
                "threshold": 0.05,
                "threshold_mode": "abs",
                "eps": 0.1,  # a change from 0.05 to 0.0125 is too small to be made
            },
            [0.8] * 2 + [0.2] * 2 + [0.05] * 16,
        ),
    ],
    ids=["min", "cooldown", "max", "eps"],
)
def test_reduce_lr_on_plateau(
    scale: float, arguments: dict[str, Any], expected: list[float]
) -> None:
    sgd = optimizer(lr=0.8)
    scheduler = optim.ReduceLROnPlateau(sgd, **arguments)
    rates = []
    for metric in METRICS:
        scheduler.step(scale * metric)
        rates.append(sgd.lr)
    np.testing.assert_allclose(rates, expected, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["StepLR", "CosineAnnealingLR", "OneCycleLR"])
def test_schedules_equal_torch(kind: str, seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    count = int(rng.integers(12, 40))
    arguments: dict[str, Any] = {
        "StepLR": {"step_size": int(rng.integers(1, 9)), "gamma": rng.uniform(0.2, 1.1)},
        "CosineAnnealingLR": {"T_max": int(rng.integers(1, 50)), "eta_min": rng.uniform(0, 0.2)},
        "OneCycleLR": {
            "max_lr": rng.uniform(0.1, 1),
            "total_steps": count,
            "pct_start": rng.uniform(0.2, 0.9),
            "anneal_strategy": ["cos", "linear"][seed % 2],
            "div_factor": rng.uniform(2, 50),
            "final_div_factor": rng.uniform(2, 1e4),
        },
    }[kind]
    ours = optimizer("RMSprop", lr=0.5)
    theirs = torch.optim.RMSprop([torch.zeros(1, requires_grad=True)], lr=0.5)
    scheduler = getattr(optim, kind)(ours, **arguments)
    with warnings.catch_warnings():  # PyTorch's, on a scheduler that steps before its optimizer
        warnings.simplefilter("ignore")
        their_scheduler = getattr(torch.optim.lr_scheduler, kind)(theirs, **arguments)
        for step in range(count - 1):
            scheduler.step()
            their_scheduler.step()
            group = theirs.param_groups[0]
            # PyTorch's products from step to step lose a little more at every step.
            assert math.isclose(ours.lr, group["lr"], rel_tol=0, abs_tol=1e-12), step
            assert math.isclose(ours.momentum, group["momentum"], rel_tol=0, abs_tol=1e-12), step


# --- at the ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize(
    ("total", "pct_start"), [(1, 0.3), (2, 0.5), (2, 0.3), (10, 0.1), (10, 0.0), (7, 0.99)]
)
def test_one_cycle_lr_reaches_its_ends(strategy: str, total: int, pct_start: float) -> None:
    """Also where the rise takes one step or none, which is a division by zero if done naively."""
    sgd = optimizer(lr=1.0)
    scheduler = optim.OneCycleLR(
        sgd, max_lr=0.5, total_steps=total, pct_start=pct_start, anneal_strategy=strategy
    )
    rates = rates_of(scheduler, total)
    assert all(0.0 < rate <= 0.5 * (1 + 1e-15) for rate in rates)
    first = 0.5 / 25 if pct_start * total > 1 else None
    if first is not None:
        assert math.isclose(rates[0], first, rel_tol=1e-12)
    elif pct_start * total == 1:
        assert rates[0] == 0.5
    if total > 1:
        assert math.isclose(rates[-1], 0.5 / 25 / 1e4, rel_tol=1e-9)
    else:
        assert math.isclose(rates[0], 0.5 / 25 / 1e4, rel_tol=1e-9)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
def test_one_cycle_lr_allows_a_step_after_the_last_batch_and_no_more(strategy: str) -> None:
    sgd = optimizer(lr=1.0)
    scheduler = optim.OneCycleLR(sgd, max_lr=0.5, total_steps=2, anneal_strategy=strategy)
    scheduler.step()
    last, momentum = sgd.lr, sgd.momentum
    scheduler.step()
    assert (sgd.lr, sgd.momentum) == (last, momentum)
    with pytest.raises(ValueError, match=r"OneCycleLR: step was called 3 times, but total_steps=2"):
        scheduler.step()
    assert (sgd.lr, sgd.momentum, scheduler.steps) == (last, momentum, 2)


def test_the_first_metric_is_never_bad_and_infinities_never_good() -> None:
    sgd = optimizer(lr=1.0)
    scheduler = optim.ReduceLROnPlateau(sgd, mode="max", patience=0, factor=0.5)
    scheduler.step(-1e300)
    assert sgd.lr == 1.0
    scheduler.step(math.inf)
    assert sgd.lr == 0.5
    assert scheduler.best == -1e300


@pytest.mark.parametrize(
    ("mode", "threshold_mode", "better", "no_better"),
    [
        ("min", "rel", 5.9, 6.0),  # 8 * (1 - 0.25) = 6
        ("min", "abs", 7.7, 7.75),  # 8 - 0.25
        ("max", "rel", 10.1, 10.0),  # 8 * (1 + 0.25)
        ("max", "abs", 8.3, 8.25),  # 8 + 0.25
    ],
)
def test_what_counts_as_better(
    mode: str, threshold_mode: str, better: float, no_better: float
) -> None:
    for metric, expected in [(better, 1.0), (no_better, 0.5)]:
        sgd = optimizer(lr=1.0)
        scheduler = optim.ReduceLROnPlateau(
            sgd, mode, factor=0.5, patience=0, threshold=0.25, threshold_mode=threshold_mode
        )
        scheduler.step(8.0)
        scheduler.step(metric)
        assert sgd.lr == expected


def test_a_metric_that_starts_as_nan_counts_as_bad() -> None:
    for patience, expected in [(0, 0.5), (1, 1.0)]:
        sgd = optimizer(lr=1.0)
        optim.ReduceLROnPlateau(sgd, factor=0.5, patience=patience).step(math.nan)
        assert sgd.lr == expected


@pytest.mark.parametrize(("eps", "expected"), [(0.24, 0.75), (0.25, 1.0), (0.9, 1.0)])
def test_changes_of_eps_or_less_are_not_made(eps: float, expected: float) -> None:
    sgd = optimizer(lr=1.0)
    optim.ReduceLROnPlateau(sgd, factor=0.75, patience=0, eps=eps).step(math.nan)
    assert sgd.lr == expected


def test_plateau_takes_what_item_and_numpy_return() -> None:
    scheduler = optim.ReduceLROnPlateau(optimizer(lr=1.0))
    for metric in (3, np.float32(2.5), np.float64(2.0)):
        scheduler.step(metric)
        assert scheduler.best == metric
        assert type(scheduler.best) is float


# --- saving and going on --------------------------------------------------------------------------

EVERY: dict[str, tuple[MakeScheduler, MakeScheduler]] = {  # name -> (as wanted, set otherwise)
    "StepLR": (lambda o: optim.StepLR(o, 3, 0.3), lambda o: optim.StepLR(o, 5, 0.9)),
    "CosineAnnealingLR": (
        lambda o: optim.CosineAnnealingLR(o, 6, 0.02),
        lambda o: optim.CosineAnnealingLR(o, 9),
    ),
    "OneCycleLR": (
        lambda o: optim.OneCycleLR(o, 0.7, 12, anneal_strategy="linear"),
        lambda o: optim.OneCycleLR(o, 0.1, 3, cycle_momentum=False),
    ),
    "ReduceLROnPlateau": (
        lambda o: optim.ReduceLROnPlateau(o, patience=1, cooldown=1, threshold_mode="abs"),
        lambda o: optim.ReduceLROnPlateau(o, mode="max"),
    ),
}
each_scheduler = pytest.mark.parametrize("name", EVERY)


def advance(scheduler: Any, step: int) -> tuple[float, float]:
    if isinstance(scheduler, optim.ReduceLROnPlateau):
        scheduler.step([5.0, 4.0, 6.0, 7.0, 4.5, 4.2, 4.1, 3.0, 3.1, 3.2][step])
    else:
        scheduler.step()
    return scheduler.optimizer.lr, scheduler.optimizer.momentum


@each_scheduler
@pytest.mark.parametrize("halfway", [0, 4, 7])
@pytest.mark.parametrize("optimizer_first", [True, False])
def test_going_on_from_a_saved_state_is_bit_for_bit(
    name: str, halfway: int, optimizer_first: bool
) -> None:
    make, make_otherwise = EVERY[name]
    scheduler = make(optimizer(lr=0.4, momentum=0.6))
    for step in range(halfway):
        advance(scheduler, step)
    saved = json.dumps(scheduler.state_dict(), allow_nan=False)
    saved_optimizer = scheduler.optimizer.state_dict()
    expected = [advance(scheduler, step) for step in range(halfway, 10)]

    resumed = optimizer(lr=0.9, momentum=0.1)
    if optimizer_first:
        resumed.load_state_dict(saved_optimizer)
    other = make_otherwise(resumed)
    other.load_state_dict(json.loads(saved))
    if not optimizer_first:
        resumed.load_state_dict(saved_optimizer)
    assert [advance(other, step) for step in range(halfway, 10)] == expected


@pytest.mark.parametrize("name", [name for name in EVERY if name != "ReduceLROnPlateau"])
def test_loading_a_schedule_sets_the_rate(name: str) -> None:
    make, make_otherwise = EVERY[name]
    scheduler = make(optimizer(lr=0.4))
    for step in range(5):
        advance(scheduler, step)
    other = make_otherwise(optimizer(lr=0.9))
    other.load_state_dict(scheduler.state_dict())
    assert other.optimizer.lr == scheduler.optimizer.lr
    assert other.optimizer.momentum == scheduler.optimizer.momentum


@each_scheduler
def test_a_state_that_does_not_fit_changes_nothing(name: str) -> None:
    make, make_otherwise = EVERY[name]
    scheduler = make(optimizer(lr=0.4))
    advance(scheduler, 0)
    before = scheduler.state_dict(), scheduler.optimizer.lr, scheduler.optimizer.momentum
    good = make_otherwise(optimizer(lr=0.4)).state_dict()
    some = next(key for key in good if isinstance(good[key], float))
    count = next(key for key in good if type(good[key]) is int)
    for state, error, message in [
        ({key: good[key] for key in good if key != some}, ValueError, f"missing .*'{some}'"),
        (good | {"more": 1}, ValueError, r"another kind of scheduler.*unexpected \['more'\]"),
        (good | {some: "fast"}, TypeError, f"{some} must be a number, got 'fast'"),
        (good | {some: math.nan}, ValueError, f"{some} must be .*got nan"),
        (good | {count: -1}, ValueError, f"{count} must be at least [01], got -1"),
        (good | {count: 2.5}, TypeError, f"{count} must be an integer, got 2.5"),
    ]:
        with pytest.raises(error, match=rf"^{name}\.load_state_dict: .*{message}"):
            scheduler.load_state_dict(state)
        after = scheduler.state_dict(), scheduler.optimizer.lr, scheduler.optimizer.momentum
        assert after == before


@each_scheduler
def test_what_is_no_state_is_refused(name: str) -> None:
    scheduler = EVERY[name][0](optimizer(lr=0.4))
    with pytest.raises(TypeError, match=rf"^{name}\.load_state_dict: state must be .*got a list"):
        scheduler.load_state_dict([1])


def test_the_state_of_another_scheduler_is_refused() -> None:
    state = EVERY["StepLR"][0](optimizer(lr=0.4)).state_dict()
    with pytest.raises(ValueError, match=r"CosineAnnealingLR\.load_state_dict: .*another kind"):
        EVERY["CosineAnnealingLR"][0](optimizer(lr=0.4)).load_state_dict(state)


# --- bad arguments --------------------------------------------------------------------------------


@each_scheduler
def test_what_is_no_optimizer_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: optimizer must be .*Optimizer, got a float"):
        EVERY[name][0](0.1)


class Plain(optim.Optimizer):
    """An optimiser without momentum of any kind."""


@pytest.mark.parametrize(
    ("kind", "arguments", "error", "message"),
    [
        ("StepLR", {"step_size": 0}, ValueError, "step_size must be at least 1, got 0"),
        ("StepLR", {"step_size": 2.0}, TypeError, r"step_size must be an integer, got 2\.0"),
        ("StepLR", {"step_size": True}, TypeError, "step_size must be an integer, got True"),
        ("StepLR", {"step_size": 3, "gamma": -0.5}, ValueError, "gamma must be .*got -0.5"),
        ("CosineAnnealingLR", {"T_max": -3}, ValueError, "T_max must be at least 1, got -3"),
        ("CosineAnnealingLR", {"T_max": 3, "eta_min": -1}, ValueError, "eta_min .*got -1"),
        ("OneCycleLR", {"max_lr": -1, "total_steps": 9}, ValueError, "max_lr .*got -1"),
        ("OneCycleLR", {"max_lr": 1, "total_steps": 0}, ValueError, "total_steps .*1, got 0"),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "pct_start": 1.0},
            ValueError,
            "pct_start must be at least 0 and less than 1, got 1",
        ),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "anneal_strategy": "cosine"},
            ValueError,
            "anneal_strategy must be 'cos' or 'linear', got 'cosine'",
        ),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "div_factor": 0},
            ValueError,
            "div_factor must be above 0 and finite, got 0",
        ),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "cycle_momentum": 1},
            TypeError,
            "cycle_momentum must be True or False, got 1",
        ),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "final_div_factor": 0},
            ValueError,
            "final_div_factor must be above 0 and finite, got 0",
        ),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "base_momentum": 1},
            ValueError,
            "base_momentum must be at least 0 and less than 1, got 1",
        ),
        (
            "OneCycleLR",
            {"max_lr": 1, "total_steps": 9, "max_momentum": 1},
            ValueError,
            "max_momentum must be at least 0 and less than 1, got 1",
        ),
        (
            "ReduceLROnPlateau",
            {"mode": "low"},
            ValueError,
            "mode must be 'min' or 'max', got 'low'",
        ),
        ("ReduceLROnPlateau", {"factor": 1.0}, ValueError, "factor must be .*less than 1, got 1"),
        ("ReduceLROnPlateau", {"patience": -1}, ValueError, "patience must be at least 0, got -1"),
        (
            "ReduceLROnPlateau",
            {"threshold_mode": "relative"},
            ValueError,
            "threshold_mode must be 'rel' or 'abs', got 'relative'",
        ),
    ],
)
def test_bad_settings_are_refused(
    kind: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    sgd = optimizer(lr=0.4, momentum=0.6)
    with pytest.raises(error, match=rf"^{kind}: {message}"):
        getattr(optim, kind)(sgd, **arguments)
    assert (sgd.lr, sgd.momentum) == (0.4, 0.6)


def test_momentum_cannot_be_cycled_where_there_is_none() -> None:
    plain = Plain([Tensor([1.0], requires_grad=True)], lr=0.4, weight_decay=0.0)
    with pytest.raises(ValueError, match=r"OneCycleLR: Plain has neither .*cycle_momentum=False"):
        optim.OneCycleLR(plain, max_lr=0.5, total_steps=4)
    assert plain.lr == 0.4
    optim.OneCycleLR(plain, max_lr=0.5, total_steps=4, cycle_momentum=False)
    assert math.isclose(plain.lr, 0.02, rel_tol=1e-12)


def test_plateau_refuses_what_is_no_number() -> None:
    scheduler = optim.ReduceLROnPlateau(optimizer(lr=0.4))
    with pytest.raises(
        TypeError, match=r"ReduceLROnPlateau\.step: metric must be a number, got None"
    ):
        scheduler.step(None)  # type: ignore[arg-type]
    assert scheduler.best is None


def test_a_scheduler_of_ones_own() -> None:
    """`ScheduleByStep` is meant to be extended: a formula in `lr_at` is enough."""

    class Harmonic(optim.ScheduleByStep):
        def lr_at(self, step: int) -> float:
            return self.base_lr / (step + 2)

    scheduler = Harmonic(optimizer(lr=6.0))
    assert rates_of(scheduler, 4) == [3.0, 2.0, 1.5, 1.2]
    assert scheduler.state_dict() == {"base_lr": 6.0, "steps": 3}
