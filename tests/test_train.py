"""Training loops: what they report, what they leave alone, how they stop, and how they go on."""

from __future__ import annotations

import functools
import io
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, optim, train
from minigrad import functional as F
from minigrad.data import DataLoader
from tests import oracles

Array = np.ndarray[Any, Any]

FEATURES, CLASSES = 4, 3


def examples(count: int, seed: int = 0) -> tuple[Array, Array]:
    """Rows of four numbers; the largest of the first three says the class."""
    rows = np.random.default_rng(seed).standard_normal((count, FEATURES)).astype(np.float32)
    return rows, rows[:, :CLASSES].argmax(axis=1)


def linear_model(seed: int = 0) -> nn.Dense:
    return nn.Dense(FEATURES, CLASSES, rng=np.random.default_rng(seed))


def fit(model: nn.Module, loader: DataLoader, optimizer: Any, **options: Any) -> train.History:
    """Without lines on the screen."""
    return train.fit(model, loader, optimizer, **{"epochs": 1, "progress": False, **options})


def interrupting(step: int, error: BaseException | None = None) -> Callable[[Any, Any], Tensor]:
    """Cross-entropy that is interrupted in its `step`-th call."""
    calls = iter(range(1, 10**9))

    def loss_fn(outputs: Any, targets: Any) -> Tensor:
        if next(calls) == step:
            raise error or KeyboardInterrupt
        return F.cross_entropy(outputs, targets)

    return loss_fn


# --- fit ------------------------------------------------------------------------------------------


def test_fit_learns() -> None:
    model = linear_model()
    loader = DataLoader(examples(200), 16, shuffle=True, seed=1)
    held_out = DataLoader(examples(100, seed=1), 30)
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    history = fit(model, loader, optimizer, epochs=20, validation=held_out)
    assert history.epochs[0]["test_accuracy"] < 0.9 < history.epochs[-1]["test_accuracy"]
    assert history.epochs[-1]["loss"] < 0.5 * history.epochs[0]["loss"]


def test_one_epoch_of_plain_descent_is_what_it_says_it_is() -> None:
    """Every number of a run, worked out again with the formulas of softmax regression."""
    rows, labels = examples(7)
    held_rows, held_labels = examples(5, seed=1)
    model = linear_model().astype(np.float64)
    weight, bias = model.weight.data.copy(), model.bias.data.copy()
    history = fit(
        model,
        DataLoader((rows.astype(np.float64), labels), 3),
        optim.SGD(model.parameters(), lr=0.5),
        validation=DataLoader((held_rows.astype(np.float64), held_labels), 2),
    )
    losses, hits = [], 0
    for start, stop in ((0, 3), (3, 6), (6, 7)):
        x, y = rows[start:stop].astype(np.float64), labels[start:stop]
        scores = x @ weight + bias
        losses.append(oracles.cross_entropy(scores, y) * len(y))
        hits += int((scores.argmax(axis=1) == y).sum())
        slope = (oracles.softmax(scores) - np.eye(CLASSES)[y]) / len(y)
        weight -= 0.5 * (x.T @ slope)
        bias -= 0.5 * slope.sum(axis=0)
    np.testing.assert_allclose(model.weight.data, weight, rtol=0, atol=1e-14)
    np.testing.assert_allclose(model.bias.data, bias, rtol=0, atol=1e-14)
    scores = held_rows.astype(np.float64) @ weight + bias
    (record,) = history.epochs
    assert record.pop("seconds") >= 0
    assert record == {
        "epoch": 1,
        "loss": pytest.approx(sum(losses) / 7, rel=1e-13),
        "accuracy": pytest.approx(hits / 7),
        "test_loss": pytest.approx(oracles.cross_entropy(scores, held_labels), rel=1e-13),
        "test_accuracy": pytest.approx((scores.argmax(axis=1) == held_labels).mean()),
        "lr": 0.5,
    }


# article: B12
@pytest.mark.parametrize("batch_size", [1, 2, 8, 64])
def test_mean_loss_and_gradient_agree_at_any_batch_size(batch_size: int) -> None:
    """B12: there the loss was a mean and the gradient a sum, batch size times too large."""
    rows, labels = examples(batch_size)
    model = linear_model().astype(np.float64)
    x = Tensor(rows.astype(np.float64))
    F.cross_entropy(model(x), labels).backward()
    direction = np.random.default_rng(1).standard_normal((FEATURES, CLASSES))

    def loss_at(distance: float) -> float:
        return oracles.cross_entropy(
            x.data @ (model.weight.data + distance * direction) + model.bias.data, labels
        )

    numerical = (loss_at(1e-6) - loss_at(-1e-6)) / 2e-6
    assert (model.weight.grad.data * direction).sum() == pytest.approx(numerical, rel=1e-7)


# article: B12
def test_the_same_batch_over_and_over_is_the_same_step_at_any_batch_size() -> None:
    """B12 again, through fit: repeating every row changes no mean, so it changes no weight."""
    rows, labels = examples(5)
    weights = []
    for copies in (1, 8):
        model = linear_model().astype(np.float64)
        data = np.repeat(rows, copies, axis=0).astype(np.float64), np.repeat(labels, copies)
        fit(model, DataLoader(data, 5 * copies), optim.SGD(model.parameters(), lr=0.3), epochs=4)
        weights.append(model.weight.data)
    np.testing.assert_allclose(weights[0], weights[1], rtol=1e-12)


def test_fit_trains_in_training_mode_and_leaves_float32() -> None:
    model = nn.Sequential(linear_model(), nn.BatchNorm(CLASSES)).eval()
    optimizer = optim.Adam(model.parameters())
    modes = []

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        modes.append(model[1].training)
        return F.cross_entropy(outputs, targets)

    held_out = DataLoader(examples(4, seed=1), 4)
    fit(
        model, DataLoader(examples(9), 3), optimizer, epochs=2, validation=held_out, loss_fn=loss_fn
    )
    assert modes == [True, True, True, False] * 2
    assert {tensor.dtype for _, tensor in model.named_tensors()} == {np.dtype(np.float32)}


def test_without_metric_or_validation_the_record_is_short() -> None:
    model = linear_model()
    history = fit(
        model, DataLoader(examples(6), 3), optim.SGD(model.parameters(), lr=0.1), metric=None
    )
    assert list(history.epochs[0]) == ["epoch", "loss", "lr", "seconds"]


def test_a_metric_of_ones_own_goes_by_its_name() -> None:
    def worst(outputs: Tensor, targets: Tensor) -> float:
        return float(outputs.data.max())

    model = linear_model()
    loader = DataLoader(examples(6), 3)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    record = fit(model, loader, optimizer, metric=worst, validation=loader).epochs[0]
    assert {"worst", "test_worst"} <= record.keys()
    record = fit(model, loader, optimizer, metric=functools.partial(worst)).epochs[0]
    assert "partial" in record


def test_regression() -> None:
    rows, _ = examples(50)
    model = nn.Dense(FEATURES, 1)
    targets = rows @ np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32)
    history = fit(
        model,
        DataLoader((rows, targets), 10),
        optim.Adam(model.parameters(), lr=0.1),
        epochs=40,
        loss_fn=F.mse_loss,
        metric=None,
    )
    assert history.epochs[-1]["loss"] < 1e-3
    np.testing.assert_allclose(model.weight.data.ravel(), [1, -2, 0.5, 3], atol=0.05)


# --- schedules ------------------------------------------------------------------------------------


def rates_in(
    make: Callable[[optim.Optimizer], Any], epochs: int = 3, **options: Any
) -> tuple[list[float], list[float]]:
    """The learning rate of every step (two per epoch), and those in the history."""
    model = linear_model()
    optimizer = optim.SGD(model.parameters(), lr=0.8)
    rates = []

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        if model.training:
            rates.append(optimizer.lr)
        return F.cross_entropy(outputs, targets)

    loader = DataLoader(examples(6), 3)
    history = fit(
        model,
        loader,
        optimizer,
        epochs=epochs,
        loss_fn=loss_fn,
        scheduler=make(optimizer),
        **options,
    )
    return rates, history.column("lr")


def test_epoch_schedules_step_once_per_epoch() -> None:
    rates, recorded = rates_in(lambda optimizer: optim.StepLR(optimizer, 1, 0.5))
    assert rates == [0.8, 0.8, 0.4, 0.4, 0.2, 0.2]
    assert recorded == [0.8, 0.4, 0.2]  # what the epoch was trained with


def test_one_cycle_steps_once_per_batch() -> None:
    expected = optim.OneCycleLR(optim.SGD(linear_model().parameters(), lr=0.1), 0.9, 6)
    rates, recorded = rates_in(lambda optimizer: optim.OneCycleLR(optimizer, 0.9, 6))
    assert rates == [expected.lr_at(step) for step in range(6)]
    assert len(set(rates)) == 6
    assert recorded[-1] == expected.lr_at(6)


@pytest.mark.parametrize("held_out", [True, False])
def test_plateau_looks_at_the_held_out_loss_or_else_at_the_training_loss(held_out: bool) -> None:
    validation = DataLoader(examples(4, seed=1), 4) if held_out else None
    seen: list[float] = []

    class Watching(optim.ReduceLROnPlateau):
        def step(self, metric: float) -> None:
            seen.append(metric)
            super().step(metric)

    model = linear_model()
    optimizer = optim.SGD(model.parameters(), lr=0.8)
    history = fit(
        model,
        DataLoader(examples(6), 3),
        optimizer,
        epochs=3,
        scheduler=Watching(optimizer),
        validation=validation,
    )
    assert seen == history.column("test_loss" if held_out else "loss")
    rates, _ = rates_in(
        lambda optimizer: optim.ReduceLROnPlateau(optimizer, "max", 0.5, patience=0)
    )
    assert rates == [0.8, 0.8, 0.8, 0.8, 0.4, 0.4]  # a falling loss never gets larger


# --- evaluate -------------------------------------------------------------------------------------


def test_evaluate_averages_over_items_and_not_over_batches() -> None:
    rows, labels = examples(7)
    model = linear_model().astype(np.float64)
    scores = rows.astype(np.float64) @ model.weight.data + model.bias.data
    results = train.evaluate(model, DataLoader((rows.astype(np.float64), labels), 3))
    assert results == {
        "loss": pytest.approx(oracles.cross_entropy(scores, labels), rel=1e-13),
        "accuracy": pytest.approx((scores.argmax(axis=1) == labels).mean(), rel=1e-13),
    }


def test_evaluate_leaves_everything_alone() -> None:
    frozen = nn.BatchNorm(CLASSES).eval()
    model = nn.Sequential(linear_model(), nn.BatchNorm(CLASSES), frozen, nn.Dropout(0.5))
    model(Tensor(examples(8)[0])).sum().backward()
    state, gradient = model.state_dict(), model[0].weight.grad
    random_state = mg.random.get_state()
    loader = DataLoader(examples(8), 3)
    first = train.evaluate(model, loader)
    assert train.evaluate(model, loader) == first
    modes = [module.training for _, module in model.named_modules()]
    assert modes == [True, True, True, False, True]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    assert model[0].weight.grad is gradient
    assert mg.random.get_state() == random_state


def test_evaluate_records_nothing() -> None:
    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        assert not outputs.requires_grad
        return F.cross_entropy(outputs, targets)

    train.evaluate(linear_model(), DataLoader(examples(4), 2), loss_fn)


def test_evaluate_puts_modes_back_after_an_error() -> None:
    model = nn.Sequential(linear_model(), nn.Dropout(0.5))
    with pytest.raises(KeyboardInterrupt):
        train.evaluate(model, DataLoader(examples(4), 2), interrupting(2))
    assert all(module.training for _, module in model.named_modules())
    assert mg.is_recording()


def test_evaluate_takes_any_iterable_of_batches() -> None:
    rows, labels = examples(7)
    batches = [(Tensor(rows[:3]), Tensor(labels[:3])), (Tensor(rows[3:]), Tensor(labels[3:]))]
    model = linear_model()
    results = train.evaluate(model, iter(batches))
    assert results["accuracy"] == pytest.approx(
        train.evaluate(model, DataLoader((rows, labels), 7))["accuracy"]
    )
    with pytest.raises(ValueError, match="evaluate: the loader gives no batches"):
        train.evaluate(model, [])


def test_accuracy() -> None:
    scores = Tensor([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])
    assert train.accuracy(scores, Tensor([1, 1, 2, 1])) == 0.75
    assert train.accuracy(scores.reshape(2, 2, 3), Tensor([[1, 1], [2, 1]])) == 0.75


@pytest.mark.parametrize(("scores", "labels"), [((4, 3), (4, 1)), ((4, 1), (4, 1)), ((4, 3), (3,))])
def test_accuracy_of_shapes_that_would_only_broadcast(scores: Any, labels: Any) -> None:
    with pytest.raises(
        ValueError, match=r"accuracy: labels of shape .* do not fit scores of shape"
    ):
        train.accuracy(Tensor(np.zeros(scores)), Tensor(np.zeros(labels, np.int64)))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_accuracy_of_nothing(shape: tuple[int, int]) -> None:
    labels = Tensor(np.zeros(shape[:1], np.int64))
    with pytest.raises(ValueError, match=f"accuracy: .*scores of shape {re.escape(str(shape))}"):
        train.accuracy(Tensor(np.zeros(shape)), labels)


# --- a run that diverges --------------------------------------------------------------------------


def everything(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_with_the_step_and_the_last_good_weights(
    tmp_path: Path, loss: float
) -> None:
    model = nn.Sequential(linear_model(), nn.BatchNorm(CLASSES))
    loader = DataLoader(examples(9), 3)
    optimizer = optim.SGD(model.parameters(), lr=0.25)
    checkpoint, history = tmp_path / "run.safetensors", train.History()
    calls: Iterator[int] = iter(range(1, 100))
    after_first_epoch: dict[str, Array] = {}
    files: dict[str, bytes] = {}

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        call = next(calls)
        if call == 4:  # the first step of epoch 2
            after_first_epoch.update(state_before_forward)
            files.update(everything(tmp_path))
        state_before_forward.update(model.state_dict())
        value = F.cross_entropy(outputs, targets)
        return value * loss if call == 5 else value

    state_before_forward: dict[str, Array] = {}
    original = model.forward

    def forward(x: Any) -> Any:
        state_before_forward.update(model.state_dict())
        return original(x)

    model.forward = forward
    with pytest.raises(train.Diverged) as caught:
        fit(
            model,
            loader,
            optimizer,
            epochs=3,
            loss_fn=loss_fn,
            checkpoint=checkpoint,
            history=history,
        )
    message = str(caught.value)
    assert f"the loss is {loss} in step 2 of epoch 2 (learning rate 0.25)" in message
    assert "smaller learning rate" in message
    assert len(history.epochs) == 1
    assert files and everything(tmp_path) == files
    assert model.state_dict().keys() == after_first_epoch.keys()
    for name, array in model.state_dict().items():  # running statistics, too
        np.testing.assert_array_equal(array, after_first_epoch[name])


def test_weights_spoilt_by_the_last_step_of_an_epoch_are_not_kept(tmp_path: Path) -> None:
    """The loss of that step was still a number; the next one would come too late."""
    model = linear_model()
    before = model.state_dict()
    rows, labels = examples(3)
    optimizer = optim.SGD(model.parameters(), lr=1.0)

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs * 0.0).sqrt().sum()  # 0, with a gradient of inf * 0

    expected = pytest.raises(train.Diverged, match="weight is not finite after step 1 of epoch 1")
    with expected, np.errstate(all="ignore"):
        fit(
            model,
            DataLoader((rows, labels), 3),
            optimizer,
            loss_fn=loss_fn,
            checkpoint=tmp_path / "run.safetensors",
        )
    assert everything(tmp_path) == {}
    np.testing.assert_array_equal(model.weight.data, before["weight"])


def test_a_held_out_loss_that_is_no_number_stops_too(tmp_path: Path) -> None:
    model = linear_model()
    before = model.state_dict()
    rows, labels = examples(3)
    bad = DataLoader((np.full_like(rows, np.inf), labels), 3)
    expected = pytest.raises(train.Diverged, match="the held-out loss is nan at the end of epoch 1")
    with expected, np.errstate(all="ignore"):
        fit(
            model,
            DataLoader((rows, labels), 3),
            optim.SGD(model.parameters(), lr=0.1),
            validation=bad,
            checkpoint=tmp_path / "run.safetensors",
        )
    assert everything(tmp_path) == {}
    np.testing.assert_array_equal(model.weight.data, before["weight"])


# --- going on after an interruption ---------------------------------------------------------------

ROWS, BATCH, EPOCHS = 23, 5, 4
STEPS = 5  # per epoch, the last one of three rows

SCHEDULES: dict[str, Callable[[optim.Optimizer], Any]] = {
    "none": lambda optimizer: None,
    "one cycle": lambda optimizer: optim.OneCycleLR(optimizer, 0.05, EPOCHS * STEPS),
    "step": lambda optimizer: optim.StepLR(optimizer, 1, 0.7),
    "cosine": lambda optimizer: optim.CosineAnnealingLR(optimizer, EPOCHS),
    "plateau": lambda optimizer: optim.ReduceLROnPlateau(optimizer, patience=0, threshold=0.5),
}


class Parts:
    """A run with everything that has a state, made anew as in a new process."""

    def __init__(
        self, seed: int, schedule: str = "one cycle", bit_generator: Any = np.random.PCG64
    ) -> None:
        mg.manual_seed(seed)
        self.model = nn.Sequential(
            nn.Dense(FEATURES, 8),
            nn.BatchNorm(8),
            nn.ReLU(),
            nn.Dropout(0.3),  # draws from the library's generator
            nn.Dropout(0.2, np.random.Generator(bit_generator(seed))),  # and this one from its own
            nn.Dense(8, CLASSES),
        )
        self.loader = DataLoader(examples(ROWS), BATCH, shuffle=True, seed=seed)
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.02, weight_decay=0.01)
        self.scheduler = SCHEDULES[schedule](self.optimizer)

    def fit(self, path: Path, **options: Any) -> train.History:
        return fit(
            self.model,
            self.loader,
            self.optimizer,
            scheduler=self.scheduler,
            validation=DataLoader(examples(8, seed=1), 3),
            checkpoint=path,
            **{"epochs": EPOCHS, **options},
        )

    def state(self) -> dict[str, Array]:
        return {**self.model.state_dict(), **self.optimizer.state_dict()}


def without_seconds(history: train.History) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history.epochs]


def check_same(a: Parts, b: Parts) -> None:
    assert a.state().keys() == b.state().keys()
    for name, array in a.state().items():
        assert array.tobytes() == b.state()[name].tobytes(), name
    if a.scheduler is not None:
        assert a.scheduler.state_dict() == b.scheduler.state_dict()
    assert (a.loader.epoch, a.loader.seed) == (b.loader.epoch, b.loader.seed)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    "killed_in", [STEPS * 1 + 3 + 1, STEPS * 2 + 3 * 2 + 3], ids=["between epochs", "in an epoch"]
)
def test_resuming_is_bit_for_bit_the_uninterrupted_run(
    tmp_path: Path, schedule: str, killed_in: int
) -> None:
    """The loss is called STEPS times in training and 3 times in evaluation, every epoch."""
    whole = Parts(1, schedule)
    expected = whole.fit(tmp_path / "whole.safetensors")
    random_state = mg.random.get_state()

    path = tmp_path / "killed.safetensors"
    with pytest.raises(KeyboardInterrupt):
        Parts(1, schedule).fit(path, loss_fn=interrupting(killed_in))
    resumed = Parts(2, schedule)  # other weights, other shuffling, another random state
    history = resumed.fit(path, resume=True)

    assert without_seconds(history) == without_seconds(expected)
    check_same(resumed, whole)
    assert mg.random.get_state() == random_state


def test_resuming_twice_and_after_the_end(tmp_path: Path) -> None:
    whole = Parts(1)
    expected = whole.fit(tmp_path / "whole.safetensors")
    path = tmp_path / "killed.safetensors"
    for killed_in in (STEPS + 3 + 1, STEPS + 3 + 4):
        with pytest.raises(KeyboardInterrupt):
            Parts(1).fit(path, loss_fn=interrupting(killed_in), resume=True)
    last = Parts(1)
    assert without_seconds(last.fit(path, resume=True)) == without_seconds(expected)
    check_same(last, whole)

    again = Parts(3)
    before = path.read_bytes()
    assert without_seconds(again.fit(path, resume=True)) == without_seconds(expected)
    check_same(again, whole)
    assert path.read_bytes() == before


def test_resuming_after_an_interruption_before_the_first_checkpoint_starts_anew(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        Parts(1).fit(path, loss_fn=interrupting(3))
    assert not path.exists()
    resumed = Parts(1)
    history = resumed.fit(path, resume=True)
    whole = Parts(1)
    assert without_seconds(history) == without_seconds(whole.fit(tmp_path / "whole.safetensors"))
    check_same(resumed, whole)


@pytest.mark.parametrize("kind", ["MT19937", "Philox", "SFC64", "PCG64DXSM"])
def test_a_dropout_may_draw_from_any_of_numpys_generators(tmp_path: Path, kind: str) -> None:
    bit_generator = getattr(np.random, kind)
    whole = Parts(1, bit_generator=bit_generator)
    whole.fit(tmp_path / "whole.safetensors")
    path = tmp_path / "killed.safetensors"
    with pytest.raises(KeyboardInterrupt):
        Parts(1, bit_generator=bit_generator).fit(path, loss_fn=interrupting(STEPS + 3 + 2))
    resumed = Parts(2, bit_generator=bit_generator)
    resumed.fit(path, resume=True)
    check_same(resumed, whole)


def test_an_interruption_while_the_checkpoint_is_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.safetensors"
    write, writes = Path.write_bytes, iter(range(1, 100))

    def write_bytes(self: Path, content: bytes) -> int:
        if next(writes) == 2:
            write(self, content[:1000])
            raise KeyboardInterrupt
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    kept = train.History()
    with pytest.raises(KeyboardInterrupt):
        Parts(1).fit(path, history=kept)
    monkeypatch.undo()
    assert kept.column("epoch") == [1]  # as in the file, so that a caller may rely on it
    assert [file.name for file in tmp_path.iterdir()] == ["run.safetensors"]
    whole = Parts(1)
    expected = whole.fit(tmp_path / "whole.safetensors")
    resumed = Parts(2)
    assert without_seconds(resumed.fit(path, resume=True)) == without_seconds(expected)
    check_same(resumed, whole)


def test_the_history_is_there_after_an_interruption() -> None:
    parts, history = Parts(1), train.History()
    with pytest.raises(KeyboardInterrupt):
        fit(
            parts.model,
            parts.loader,
            parts.optimizer,
            epochs=3,
            loss_fn=interrupting(2 * STEPS + 2),
            history=history,
        )
    assert history.column("epoch") == [1, 2]
    assert math.isfinite(history.epochs[1]["loss"])


def test_an_interrupted_epoch_keeps_its_steps() -> None:
    model, twin = linear_model(), linear_model()
    rows, labels = examples(9)
    with pytest.raises(KeyboardInterrupt):
        fit(
            model,
            DataLoader((rows, labels), 3),
            optim.SGD(model.parameters(), lr=0.5),
            loss_fn=interrupting(3),
        )
    fit(twin, DataLoader((rows[:6], labels[:6]), 3), optim.SGD(twin.parameters(), lr=0.5))
    np.testing.assert_array_equal(model.weight.data, twin.weight.data)


# --- checkpoints that do not fit ------------------------------------------------------------------


def other_model(parts: Parts) -> None:
    parts.model = nn.Sequential(nn.Dense(FEATURES, 9), nn.Dense(9, CLASSES))
    parts.optimizer = optim.Adam(parts.model.parameters())
    parts.scheduler = SCHEDULES["one cycle"](parts.optimizer)


def other_optimizer(parts: Parts) -> None:
    parts.optimizer = optim.SGD(parts.model.parameters(), lr=0.1)
    parts.scheduler = SCHEDULES["one cycle"](parts.optimizer)


def other_schedule(parts: Parts) -> None:
    parts.scheduler = SCHEDULES["step"](parts.optimizer)


def no_schedule(parts: Parts) -> None:
    parts.scheduler = None


def no_generator(parts: Parts) -> None:
    parts.model[4].rng = None


def another_generator(parts: Parts) -> None:
    parts.model[4].rng = np.random.Generator(np.random.SFC64(3))


def other_batch_size(parts: Parts) -> None:
    parts.scheduler, parts.loader = None, DataLoader(examples(ROWS), 7, shuffle=True, seed=1)


def no_shuffling(parts: Parts) -> None:
    parts.loader = DataLoader(examples(ROWS), BATCH)


def only_full_batches(parts: Parts) -> None:
    parts.loader = DataLoader(examples(ROWS), BATCH, shuffle=True, drop_last=True)


def fewer_items(parts: Parts) -> None:
    parts.loader = DataLoader(examples(ROWS - 1), BATCH, shuffle=True)


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        (other_model, r"Sequential.load_state_dict: missing .*not known .*layers\.5\.weight"),
        (other_optimizer, "SGD.load_state_dict"),
        (other_schedule, "StepLR.load_state_dict"),
        (no_schedule, "it was made with a scheduler"),
        (no_generator, r"random generators \{'layers\.4\.rng': 'PCG64'\}, and these \{\}"),
        (another_generator, r"'PCG64'\}, and these \{'layers\.4\.rng': 'SFC64'\}"),
        (other_batch_size, "its loader had batch_size=5, not 7"),
        (no_shuffling, "its loader had shuffle=True, not False"),
        (only_full_batches, "its loader had drop_last=False, not True"),
        (fewer_items, "its loader had items=23, not 22"),
    ],
)
def test_a_checkpoint_that_does_not_fit_changes_nothing(
    tmp_path: Path, change: Callable[[Parts], None], quoted: str
) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        schedule = "none" if change is other_batch_size else "one cycle"  # a cycle counts batches
        Parts(1, schedule).fit(path, loss_fn=interrupting(STEPS + 3 + 2))
    files, parts = everything(tmp_path), Parts(2)
    change(parts)
    check_refused(parts, path, quoted)
    assert everything(tmp_path) == files


@pytest.mark.parametrize(
    ("epochs", "quoted"),
    [
        (1, "it holds 2 epochs, more than epochs=1"),
        (5, "OneCycleLR: 3 epochs of 5 batches are 15 steps, but 10 of total_steps=20"),
    ],
)
def test_a_number_of_epochs_that_does_not_fit_the_checkpoint(
    tmp_path: Path, epochs: int, quoted: str
) -> None:
    path = tmp_path / "run.safetensors"
    with pytest.raises(KeyboardInterrupt):
        Parts(1).fit(path, loss_fn=interrupting(2 * (STEPS + 3) + 2))
    check_refused(Parts(2), path, quoted, epochs=epochs)


def check_refused(parts: Parts, path: Path, quoted: str, **options: Any) -> None:
    """Resuming is, and nothing has changed."""
    before, random_state = parts.state(), mg.random.get_state()
    schedule = parts.scheduler and parts.scheduler.state_dict()
    loader = parts.loader.epoch, parts.loader.seed
    with pytest.raises(ValueError, match=f"fit: the checkpoint {path} does not fit: .*{quoted}"):
        parts.fit(path, resume=True, **options)
    for name, array in parts.state().items():
        assert array.tobytes() == before[name].tobytes(), name
    assert (parts.scheduler and parts.scheduler.state_dict()) == schedule
    assert mg.random.get_state() == random_state
    assert (parts.loader.epoch, parts.loader.seed) == loader


def test_a_file_that_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    parts = Parts(1)
    mg.save(parts.model, path)
    with pytest.raises(ValueError, match=f"{path} holds arrays but is no checkpoint of fit"):
        parts.fit(path, resume=True)
    mg.save(parts.model, path, {"minigrad": json.dumps({"epochs": []})})
    with pytest.raises(ValueError, match="is no checkpoint of fit"):
        train.read_settings(path)
    for text in ("not JSON", "[]"):
        mg.save(parts.model, path, {"minigrad": text})
        with pytest.raises(ValueError, match="is no checkpoint of fit"):
            train.read_settings(path)
    path.write_bytes(b"cut off")
    with pytest.raises(ValueError, match="is damaged"):
        parts.fit(path, resume=True)
    with pytest.raises(FileNotFoundError, match="no file"):
        train.read_settings(tmp_path / "none")


def test_settings_are_kept_for_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    Parts(1).fit(path, settings={"lr": 0.1, "layers": [1, 2], "name": None})
    assert train.read_settings(path) == {"lr": 0.1, "layers": [1, 2], "name": None}
    Parts(1).fit(path)
    assert train.read_settings(path) == {}


# --- refusals -------------------------------------------------------------------------------------


def never(outputs: Any, targets: Any) -> Tensor:
    raise AssertionError("training has begun")


@pytest.mark.parametrize(
    ("options", "error", "quoted"),
    [
        ({"epochs": 0}, ValueError, "fit: epochs=0 must be at least 1"),
        ({"epochs": 2.5}, TypeError, "fit: epochs=2.5"),
        ({"resume": True}, ValueError, "fit: resume=True needs the checkpoint"),
        (
            {"loader": [(np.zeros((2, FEATURES)), np.zeros(2, int))]},
            TypeError,
            "fit: loader must be a DataLoader, got a list",
        ),
        ({"model": 3}, TypeError, "fit: model must be a Module, not int"),
        ({"optimizer": 3}, TypeError, "fit: optimizer must be an Optimizer, not int"),
        ({"scheduler": 3}, TypeError, "fit: scheduler must be a Scheduler, not int"),
        (
            {"optimizer": optim.SGD(linear_model().parameters(), lr=0.1)},
            ValueError,
            "fit: the SGD has no parameter of this model",
        ),
        (
            {"scheduler": optim.StepLR(optim.SGD(linear_model().parameters(), lr=0.1), 1)},
            ValueError,
            "fit: the StepLR was made for another optimizer than the SGD",
        ),
        (
            {"checkpoint": "{folder}/x", "settings": {"rng": object()}},
            TypeError,
            "fit: settings=.* cannot be kept as JSON",
        ),
        ({"history": train.History([{"epoch": 1}])}, ValueError, "fit: history has 1 epochs"),
    ],
)
def test_fit_refuses_before_any_work(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], quoted: str
) -> None:
    model = linear_model()
    arguments = {
        "model": model,
        "loader": DataLoader(examples(6), 3),
        "optimizer": optim.SGD(model.parameters(), lr=0.1),
        "loss_fn": never,
        **options,
    }
    if "checkpoint" in options:
        arguments["checkpoint"] = options["checkpoint"].format(folder=tmp_path)
    with pytest.raises(error, match=quoted):
        fit(**arguments)


def test_evaluate_refuses_what_is_no_model() -> None:
    with pytest.raises(TypeError, match="evaluate: model must be a Module, not int"):
        train.evaluate(3, DataLoader(examples(6), 3), never)  # type: ignore[arg-type]


@pytest.mark.parametrize(("arrays", "quoted"), [(1, "1 array"), (3, "3 arrays")])
def test_batches_that_are_no_pairs(arrays: int, quoted: str) -> None:
    rows, labels = examples(6)
    model = linear_model()
    loader = DataLoader((rows, labels, labels)[:arrays], 3)
    quoted = rf"batches must be \(inputs, targets\), got {quoted}$"
    with pytest.raises(ValueError, match=f"fit: {quoted}"):
        fit(model, loader, optim.SGD(model.parameters(), lr=0.1), loss_fn=never)
    with pytest.raises(ValueError, match=f"evaluate: {quoted}"):
        train.evaluate(model, loader, never)


def test_a_batch_that_is_one_tensor_is_not_cut_into_inputs_and_targets() -> None:
    rows, _ = examples(2)
    with pytest.raises(ValueError, match=r"batches must be \(inputs, targets\), got 1 array$"):
        train.evaluate(linear_model(), [Tensor(rows)], never)  # type: ignore[list-item]


def test_a_metric_with_a_name_that_is_taken() -> None:
    def loss(outputs: Tensor, targets: Tensor) -> float:
        return 0.0

    model = linear_model()
    loader = DataLoader(examples(6), 3)
    with pytest.raises(ValueError, match="metric: the name 'loss' is taken"):
        fit(model, loader, optim.SGD(model.parameters(), lr=0.1), metric=loss, loss_fn=never)
    with pytest.raises(ValueError, match="metric: the name 'loss' is taken"):
        train.evaluate(model, loader, never, loss)


def test_a_schedule_that_is_too_short_is_refused_at_the_start() -> None:
    model = linear_model()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"OneCycleLR: 3 epochs of 2 batches are 6 steps.*=5 "):
        fit(
            model,
            DataLoader(examples(6), 3),
            optimizer,
            epochs=3,
            scheduler=optim.OneCycleLR(optimizer, 0.1, 5),
            loss_fn=never,
        )


def test_a_checkpoint_in_a_place_that_cannot_be_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place, quoted in (
        ("", "is a folder"),
        ("file/run.safetensors", "cannot be written"),
        ("file/below/run.safetensors", "cannot be written"),
    ):
        parts, path = Parts(1), tmp_path / place
        before = parts.state()
        with pytest.raises(ValueError, match=f"fit: checkpoint={path} {quoted}"):
            parts.fit(path, loss_fn=never)
        for name, array in parts.state().items():
            np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_checkpoint_in_a_folder_that_cannot_be_written_to_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what the system says of the folder, because the superuser may write everywhere."""
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    path = tmp_path / "run.safetensors"
    with pytest.raises(ValueError, match=f"fit: checkpoint={path} cannot be written"):
        Parts(1).fit(path, loss_fn=never)


@pytest.mark.parametrize(
    ("loss_fn", "error", "quoted"),
    [
        (
            lambda outputs, targets: F.cross_entropy(outputs, targets, reduction="none"),
            ValueError,
            r"loss_fn returned a Tensor of shape \(3,\)",
        ),
        (lambda outputs, targets: 0.5, TypeError, "loss_fn must return a Tensor, got a float"),
    ],
)
def test_a_loss_that_is_not_one_number(loss_fn: Any, error: type[Exception], quoted: str) -> None:
    model = linear_model()
    before = model.state_dict()
    loader = DataLoader(examples(6), 3)
    with pytest.raises(error, match=f"fit: {quoted}"):
        fit(model, loader, optim.SGD(model.parameters(), lr=0.1), loss_fn=loss_fn)
    with pytest.raises(error, match=f"evaluate: {quoted}"):
        train.evaluate(model, loader, loss_fn)
    np.testing.assert_array_equal(model.weight.data, before["weight"])


def test_a_metric_that_fails_fails_before_the_first_step() -> None:
    rows, _ = examples(6)
    model = nn.Dense(FEATURES, 1)
    before = model.state_dict()
    with pytest.raises(ValueError, match=r"accuracy: .*metric=None"):
        fit(
            model,
            DataLoader((rows, rows[:, :1]), 3),
            optim.SGD(model.parameters(), lr=0.1),
            loss_fn=F.mse_loss,
        )
    np.testing.assert_array_equal(model.weight.data, before["weight"])


# --- history --------------------------------------------------------------------------------------


def test_history_round_trip_and_columns(tmp_path: Path) -> None:
    history = train.History([{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 0.1, "x": 3}])
    history.save(tmp_path / "history.json")
    assert train.History.load(tmp_path / "history.json") == history
    assert json.loads((tmp_path / "history.json").read_text()) == {"epochs": history.epochs}
    assert history.column("loss") == [0.1 + 0.2, 0.1]
    assert history.column("x") == [None, 3]
    assert [file.name for file in tmp_path.iterdir()] == ["history.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"epoch": 1}', "3"])
def test_history_of_something_else(tmp_path: Path, content: str) -> None:
    (tmp_path / "history.json").write_text(content)
    with pytest.raises(ValueError, match=r"History.load: .*history.json is no history"):
        train.History.load(tmp_path / "history.json")


# --- what is shown --------------------------------------------------------------------------------


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    model = linear_model()
    loader = DataLoader(examples(6), 3)
    history = train.fit(
        model, loader, optim.SGD(model.parameters(), lr=0.1), epochs=2, validation=loader
    )
    shown = capsys.readouterr()
    assert shown.err == ""
    lines = shown.out.splitlines()
    assert len(lines) == 2
    record = history.epochs[1]
    assert lines[1] == (
        f"epoch 2/2: loss {record['loss']:.4f}, accuracy {record['accuracy']:.4f}, test loss "
        f"{record['test_loss']:.4f}, test accuracy {record['test_accuracy']:.4f} "
        f"({record['seconds']:.1f} s)"
    )


def test_nothing_is_shown_if_nothing_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    model = linear_model()
    fit(model, DataLoader(examples(6), 3), optim.SGD(model.parameters(), lr=0.1))
    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_on_a_terminal_with_loss_and_accuracy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    model = linear_model()
    loader = DataLoader(examples(6), 3)
    train.fit(model, loader, optim.SGD(model.parameters(), lr=0.1), epochs=1)
    assert "epoch 1/1" in screen.getvalue()
    assert capsys.readouterr().out.startswith("epoch 1/1: loss ")


def test_the_bar_is_taken_away_when_training_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before the error arrives, so that what is printed about it has a line of its own."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    model = linear_model()
    try:
        train.fit(
            model,
            DataLoader(examples(6), 3),
            optim.SGD(model.parameters(), lr=0.1),
            epochs=1,
            loss_fn=interrupting(2),
        )
    except KeyboardInterrupt:
        assert screen.getvalue().endswith("\r")
