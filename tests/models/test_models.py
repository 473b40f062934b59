"""The networks in `models`: their sizes, and that each of them computes and learns."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
import models
from minigrad import functional as F
from minigrad import nn, optim

# The image each network is made for, and its parameters layer by layer, counted by hand.
NETWORKS: list[tuple[Callable[..., nn.Sequential], tuple[int, int, int], list[int]]] = [
    (models.mlp, (28, 28, 1), [784 * 128 + 128, 128 * 10 + 10]),
    (
        models.lenet5,
        (28, 28, 1),
        [25 * 6 + 6, 25 * 6 * 16 + 16, 400 * 120 + 120, 120 * 84 + 84, 84 * 10 + 10],
    ),
    (models.tiny_cnn, (28, 28, 1), [9 * 8 + 8, 9 * 8 * 16 + 16, 784 * 10 + 10]),
    (
        models.vgg_small,
        (32, 32, 3),
        [
            9 * 3 * 32 + 32,
            9 * 32 * 32 + 32,
            9 * 32 * 64 + 64,
            9 * 64 * 64 + 64,
            8 * 8 * 64 * 10 + 10,
        ],
    ),
]
each_network = pytest.mark.parametrize(
    ("make", "image", "counts"), NETWORKS, ids=[make.__name__ for make, _, _ in NETWORKS]
)


@each_network
def test_parameter_counts(make: Any, image: Any, counts: list[int]) -> None:
    layers = [sum(p.size for p in layer.parameters()) for layer in make()]
    assert [count for count in layers if count] == counts
    total = f"{sum(counts):,}"
    assert f"{total} parameters" in make.__doc__
    size = "x".join(map(str, image))
    rows = [line for line in (models.__doc__ or "").splitlines() if f"`{make.__name__}`" in line]
    assert len(rows) == 1 and size in rows[0] and total in rows[0]


def test_the_tiny_one_has_fewer_than_ten_thousand() -> None:
    assert sum(p.size for p in models.tiny_cnn().parameters()) < 10_000


def test_all_networks_are_tested() -> None:
    assert sorted(models.__all__) == sorted(make.__name__ for make, _, _ in NETWORKS)


@each_network
def test_one_step_lowers_the_loss_in_float32(make: Any, image: Any, counts: Any) -> None:
    rng = np.random.default_rng(0)
    model = make(rng)
    x = rng.random((5, *image), dtype=np.float32)
    labels = np.array([3, 1, 4, 1, 5])
    logits = model(x)
    assert logits.shape == (5, 10)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.data.any(), name
    optim.SGD(model.parameters(), lr=0.01).step()
    with mg.no_grad():
        assert F.cross_entropy(model(x), labels).item() < loss.item()
    arrays = [logits, loss, *model.parameters(), *(p.grad for p in model.parameters())]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@each_network
def test_a_generator_makes_the_same_network_again(make: Any, image: Any, counts: Any) -> None:
    first, second, other = (make(np.random.default_rng(seed)).state_dict() for seed in (7, 7, 8))
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name])
    assert any((array != other[name]).any() for name, array in first.items())


@each_network
def test_comments_about_shapes_are_true(make: Any, image: Any, counts: Any) -> None:
    """The shapes that comments in the source give: "(N, 28, 28, 1) -> (N, 28, 28, 6)" per layer."""
    module = importlib.import_module(f"models.{make.__name__}")
    with open(module.__file__ or "", encoding="utf-8") as file:
        lines = [line for line in file if line.strip().startswith("nn.")]
    x = mg.Tensor(np.zeros((3, *image), np.float32))
    model = make()
    assert len(lines) == len(model)
    commented = 0
    for layer, line in zip(model, lines, strict=True):
        x = layer(x)
        if "->" in line:
            claimed = line.rsplit("->", 1)[1].strip().replace("N", "3")
            assert str(x.shape) == claimed, line
            commented += 1
    assert commented >= 2 or make is models.mlp
