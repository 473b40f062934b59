"""Datasets, batches and splits: what is in which batch, in which order, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor
from minigrad.data import DataLoader, TensorDataset, train_test_split

Array = np.ndarray[Any, Any]


def numbered(count: int) -> TensorDataset:
    """Item i holds i in an image of one cell, and is labelled 100 + i."""
    items = np.arange(count)
    return TensorDataset(items.reshape(count, 1, 1, 1).astype(np.float32), items + 100)


def epoch_of(loader: DataLoader) -> list[list[int]]:
    """The items in each batch of one epoch, once images and labels are known to belong together."""
    batches = []
    for images, labels in loader:
        assert images.shape == (len(labels), 1, 1, 1)
        items = images.data.ravel().astype(int).tolist()
        assert labels.data.tolist() == [100 + item for item in items]
        batches.append(items)
    return batches


def flat(batches: list[list[int]]) -> list[int]:
    return [item for batch in batches for item in batch]


# --- TensorDataset --------------------------------------------------------------------------------


def test_dataset_items_slices_and_index_arrays() -> None:
    images, labels = np.arange(30.0).reshape(5, 2, 3), np.arange(5)
    dataset = TensorDataset(images, labels, Tensor(labels * 2))
    assert len(dataset) == 5
    image, label, double = dataset[3]
    assert isinstance(image, Tensor) and image.shape == (2, 3)
    assert (label.item(), double.item()) == (3, 6)
    np.testing.assert_array_equal(dataset[1:4][0].data, images[1:4])
    np.testing.assert_array_equal(dataset[np.array([4, 0, 4])][1].data, [4, 0, 4])
    assert dataset[-1][1].item() == 4


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "uint8", "int64", "bool"])
def test_dtypes_are_kept_and_arrays_are_not_copied(dtype: str) -> None:
    array = np.zeros((4, 3), dtype)
    dataset = TensorDataset(array)
    assert np.shares_memory(dataset.arrays[0], array)
    for index in (2, slice(1, 3), np.array([0, 2])):
        assert dataset[index][0].dtype == dtype
    for shuffle in (False, True):
        assert {x.dtype for (x,) in DataLoader(dataset, 3, shuffle=shuffle)} == {np.dtype(dtype)}


def test_lists_of_floats_become_float32_as_in_a_tensor() -> None:
    x, y = TensorDataset([[1.5, 2.5], [3.5, 4.5]], [0, 1])[:]
    assert x.dtype == np.float32 and y.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "error", "quoted"),
    [
        ((), ValueError, "TensorDataset: needs .*at least one"),
        ((np.array(3.0),), ValueError, "TensorDataset: .*at least one axis"),
        ((np.zeros((5, 2)), np.zeros(4)), ValueError, r"TensorDataset: .*\[5, 4\].*equal"),
        ((np.array(["a", "b"]),), TypeError, "dtype <U1"),
    ],
)
def test_dataset_refusals(arrays: Any, error: type[Exception], quoted: str) -> None:
    with pytest.raises(error, match=quoted):
        TensorDataset(*arrays)


# --- DataLoader -----------------------------------------------------------------------------------


def test_batches_in_order() -> None:
    loader = DataLoader(numbered(7), batch_size=3)
    assert len(loader) == 3
    assert epoch_of(loader) == [[0, 1, 2], [3, 4, 5], [6]]
    assert epoch_of(loader) == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(
    ("count", "batch_size", "drop_last", "sizes"),
    [
        (7, 3, True, [3, 3]),
        (6, 3, True, [3, 3]),
        (6, 3, False, [3, 3]),
        (2, 5, False, [2]),
        (5, 5, True, [5]),
        (3, 1, False, [1, 1, 1]),
    ],
)
@pytest.mark.parametrize("shuffle", [False, True])
def test_sizes_of_batches(
    count: int, batch_size: int, drop_last: bool, sizes: list[int], shuffle: bool
) -> None:
    loader = DataLoader(numbered(count), batch_size, shuffle, seed=1, drop_last=drop_last)
    batches = epoch_of(loader)
    assert [len(batch) for batch in batches] == sizes
    assert len(loader) == len(sizes)
    assert len(set(flat(batches))) == sum(sizes)  # none twice


def test_shuffling_shows_every_item_once_in_another_order_every_epoch() -> None:
    loader = DataLoader(numbered(50), 8, shuffle=True, seed=3)
    epochs = [flat(epoch_of(loader)) for _ in range(4)]
    for epoch in epochs:
        assert sorted(epoch) == list(range(50))
    assert len({tuple(epoch) for epoch in epochs}) == 4
    assert list(range(50)) not in epochs


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    first = DataLoader(numbered(50), 8, shuffle=True, seed=3)
    orders = [flat(epoch_of(first)) for _ in range(3)]
    mg.manual_seed(99)
    second = DataLoader(numbered(50), 11, shuffle=True, seed=3)
    assert [flat(epoch_of(second)) for _ in range(3)] == orders
    assert flat(epoch_of(DataLoader(numbered(50), 8, shuffle=True, seed=4))) != orders[0]


def test_an_epoch_can_be_chosen_to_go_on_from() -> None:
    first = DataLoader(numbered(50), 8, shuffle=True, seed=3)
    orders = [epoch_of(first) for _ in range(3)]
    assert first.epoch == 3
    resumed = DataLoader(numbered(50), 8, shuffle=True, seed=3)
    resumed.epoch = 2
    assert epoch_of(resumed) == orders[2]


def test_an_epoch_that_is_broken_off_counts_as_started() -> None:
    loader = DataLoader(numbered(50), 8, shuffle=True, seed=3)
    for _ in loader:
        break
    assert loader.epoch == 1
    iter(loader)  # nothing was asked for yet
    assert loader.epoch == 1


def test_seed_0_is_a_seed_like_any_other() -> None:
    orders = [flat(epoch_of(DataLoader(numbered(50), 8, True, seed=seed))) for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]


def test_without_a_seed_the_manual_seed_decides_and_only_when_shuffling() -> None:
    orders = []
    for seed in (5, 5, 6):
        mg.manual_seed(seed)
        orders.append(flat(epoch_of(DataLoader(numbered(50), 8, shuffle=True))))
    assert orders[0] == orders[1] != orders[2]

    state = mg.random.get_state()
    list(DataLoader(numbered(50), 8))
    list(DataLoader(numbered(50), 8, shuffle=True, seed=1))
    assert mg.random.get_state() == state


def test_two_loaders_without_a_seed_shuffle_differently() -> None:
    mg.manual_seed(5)
    one, two = (DataLoader(numbered(50), 8, shuffle=True) for _ in range(2))
    assert epoch_of(one) != epoch_of(two)


def test_two_iterations_at_once_do_not_disturb_each_other() -> None:
    loader = DataLoader(numbered(9), 2, shuffle=True, seed=3)
    alone = [epoch_of(loader), epoch_of(loader)]
    loader.epoch = 0
    first, second = iter(loader), iter(loader)
    mixed: list[list[list[int]]] = [[], []]
    for (a, _), (b, _) in zip(first, second, strict=True):
        mixed[0].append(a.data.ravel().astype(int).tolist())
        mixed[1].append(b.data.ravel().astype(int).tolist())
    assert mixed == alone


def test_a_tuple_or_list_of_arrays_makes_a_dataset() -> None:
    for arrays in ((np.arange(3.0), np.arange(3)), [np.arange(3.0), np.arange(3)]):
        (batch,) = DataLoader(arrays, batch_size=4)
        assert [part.data.tolist() for part in batch] == [[0, 1, 2], [0, 1, 2]]


def test_a_dataset_may_compute_its_items() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
            return tuple(part * 2 for part in super().__getitem__(index))

    assert [b.data.tolist() for (b,) in DataLoader(Doubled(np.arange(3)), 2)] == [[0, 2], [4]]


@pytest.mark.parametrize(
    ("make", "error", "quoted"),
    [
        (lambda: DataLoader(numbered(0)), ValueError, "DataLoader: the dataset is empty"),
        (lambda: DataLoader(numbered(5), 0), ValueError, "DataLoader: batch_size=0"),
        (lambda: DataLoader(numbered(5), -2), ValueError, "DataLoader: batch_size=-2"),
        (lambda: DataLoader(numbered(5), 2.0), TypeError, "DataLoader: batch_size=2.0"),
        (lambda: DataLoader(numbered(5), 2, True, seed=-1), ValueError, "DataLoader: seed=-1"),
        (lambda: DataLoader(numbered(5), 2, True, seed=0.5), TypeError, "DataLoader: seed=0.5"),
        (
            lambda: DataLoader(numbered(5), 8, drop_last=True),
            ValueError,
            "DataLoader: drop_last leaves nothing of 5 items in batches of 8",
        ),
        # Its rows would pass for arrays that belong together.
        (
            lambda: DataLoader(np.zeros((5, 3))),
            TypeError,
            r"DataLoader: dataset .*ndarray.*TensorDataset\(array\)",
        ),
        (lambda: DataLoader(Tensor(np.zeros((5, 3)))), TypeError, "DataLoader: dataset .*Tensor"),
    ],
)
def test_loader_refusals(make: Callable[[], Any], error: type[Exception], quoted: str) -> None:
    with pytest.raises(error, match=quoted):
        make()


class LastTwo:
    """A sampler: the last two items of every batch, which must have five."""

    def check(self, batch_size: int, items: int) -> None:
        if batch_size != 5:
            raise ValueError(f"LastTwo: batches of {batch_size} of {items} items")

    def part(self, items: int) -> slice:
        return slice(items - 2, items)


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_sampler_says_which_part_of_every_batch_is_served(shuffle: bool) -> None:
    whole = DataLoader(numbered(13), 5, shuffle, seed=3)
    parts = DataLoader(numbered(13), 5, shuffle, seed=3, sampler=LastTwo())
    assert len(parts) == len(whole) == 3
    for _ in range(2):
        assert epoch_of(parts) == [batch[-2:] for batch in epoch_of(whole)]


def test_a_sampler_may_refuse_the_batches() -> None:
    with pytest.raises(ValueError, match="LastTwo: batches of 4 of 13 items"):
        DataLoader(numbered(13), 4, sampler=LastTwo())


# --- train_test_split -----------------------------------------------------------------------------


# article: B14
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("test_size", "held_out"), [(0.25, 10), (0.3, 12), (7, 7), (np.float32(0.25), 10), (1, 1)]
)
def test_split_draws_without_replacement(shuffle: bool, test_size: Any, held_out: int) -> None:
    """B14: with replacement, the same picture can be in both parts."""
    items = np.arange(40)
    train, test = train_test_split(items, test_size=test_size, shuffle=shuffle, seed=1)
    assert len(test) == held_out
    assert sorted([*train, *test]) == list(range(40))
    if not shuffle:
        assert test.tolist() == list(range(40 - held_out, 40))


def test_split_cuts_all_arrays_in_the_same_places_and_keeps_dtypes() -> None:
    images = np.arange(40, dtype=np.float32).reshape(20, 2)
    parts = train_test_split(images, Tensor(np.arange(20)), np.array(list("abcdefghijklmnopqrst")))
    train_images, test_images, train_labels, test_labels, train_letters, test_letters = parts
    for x, y, z in (
        (train_images, train_labels, train_letters),
        (test_images, test_labels, test_letters),
    ):
        np.testing.assert_array_equal(x[:, 0], 2 * y)
        assert [ord(letter) - ord("a") for letter in z] == y.tolist()
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
    assert len(test_labels) == 5


def test_split_is_repeatable_by_seed_or_by_manual_seed() -> None:
    items = np.arange(40)
    assert (train_test_split(items, seed=1)[1] == train_test_split(items, seed=1)[1]).all()
    assert (train_test_split(items, seed=1)[1] != train_test_split(items, seed=2)[1]).any()
    drawn = []
    for seed in (4, 4, 5):
        mg.manual_seed(seed)
        drawn.append(train_test_split(items)[1].tolist())
    assert drawn[0] == drawn[1] != drawn[2]


def test_split_copies() -> None:
    items = np.arange(8)
    train, test = train_test_split(items, test_size=2, shuffle=False)
    train[...] = test[...] = -1
    assert items.tolist() == list(range(8))


@pytest.mark.parametrize("test_size", [0, 5, -1, 6, 0.0, 1.0, 0.01, 1.5, -0.5, float("nan")])
def test_split_that_would_leave_a_part_empty(test_size: float) -> None:
    with pytest.raises(ValueError, match=f"train_test_split: test_size={test_size} "):
        train_test_split(np.arange(5), test_size=test_size)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "quoted"),
    [
        ((), {}, ValueError, "train_test_split: needs"),
        ((np.arange(5), np.arange(4)), {}, ValueError, r"train_test_split: .*\[5, 4\]"),
        ((np.arange(5),), {"test_size": "2"}, TypeError, "train_test_split: test_size='2'"),
        ((np.arange(5),), {"test_size": True}, TypeError, "train_test_split: test_size=True"),
        ((np.arange(5),), {"seed": -3}, ValueError, "train_test_split: seed=-3"),
        ((np.arange(5),), {"seed": 0.5}, TypeError, "train_test_split: seed=0.5"),
    ],
)
def test_split_refusals(arguments: Any, options: Any, error: Any, quoted: str) -> None:
    with pytest.raises(error, match=quoted):
        train_test_split(*arguments, **options)
