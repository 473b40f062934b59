"""Parts of batches: whose they are, that they make up the batch, and what is refused."""

import itertools

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributed
from minigrad.data import DataLoader
from minigrad.distributed import DistributedSampler

from .launch import needs_mpi, on_ranks


def batches(items, **options):
    """The items of every batch of two epochs."""
    loader = DataLoader((np.arange(items),), **options)
    return [batch.data.tolist() for _ in range(2) for (batch,) in loader]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("options", [{}, {"shuffle": True, "seed": 3}, {"drop_last": True}])
def test_parts_make_up_the_batches_in_order(size, options):
    options = {"batch_size": 7, **options}
    whole = batches(23, **options)
    parts = [batches(23, sampler=DistributedSampler(r, size), **options) for r in range(size)]
    together = [list(itertools.chain(*of_ranks)) for of_ranks in zip(*parts, strict=True)]
    assert together == whole
    for of_ranks in zip(*parts, strict=True):
        sizes = [len(part) for part in of_ranks]
        assert sizes == sorted(sizes, reverse=True) and sizes[0] - sizes[-1] <= 1


def test_a_last_batch_of_fewer_items_than_ranks_leaves_empty_parts():
    parts = [batches(8, batch_size=7, sampler=DistributedSampler(rank, 3))[1] for rank in range(3)]
    assert parts == [[7], [], []]


def test_the_number_of_batches_is_that_of_whole_ones():
    loader = DataLoader((np.arange(23),), batch_size=7, sampler=DistributedSampler(1, 3))
    assert len(loader) == 4 and loader.batch_size == 7


def test_alone_the_part_is_the_batch():
    sampler = DistributedSampler()
    assert (sampler.rank, sampler.size) == (0, 1)
    assert sampler.part(5) == slice(0, 5)


def test_empty_parts_keep_their_shape():
    images = np.zeros((8, 5, 3, 2), np.float32)
    loader = DataLoader((images, np.arange(8)), 7, sampler=DistributedSampler(2, 3))
    assert [(x.shape, y.shape) for x, y in loader] == [((2, 5, 3, 2), (2,)), ((0, 5, 3, 2), (0,))]


@pytest.mark.parametrize(
    ("arguments", "error", "quoted"),
    [
        ({"rank": 1}, ValueError, r"DistributedSampler: got rank=1 and size=None; give both"),
        ({"size": 2}, ValueError, r"DistributedSampler: got rank=None and size=2; give both"),
        ({"rank": 2, "size": 2}, ValueError, r"DistributedSampler: rank=2 must be below size=2"),
        ({"rank": -1, "size": 2}, ValueError, r"DistributedSampler: rank=-1"),
        ({"rank": 0, "size": 0}, ValueError, r"DistributedSampler: size=0"),
        ({"rank": 0.5, "size": 2}, TypeError, r"DistributedSampler: rank=0\.5"),
    ],
)
def test_ranks_that_cannot_be(arguments, error, quoted):
    with pytest.raises(error, match=quoted):
        DistributedSampler(**arguments)


@pytest.mark.parametrize(
    ("items", "batch_size", "quoted"),
    [
        (9, 2, r"a batch has 2 items, which cannot be shared by 3 ranks; use a larger batch_size"),
        (9, 1, r"a batch has 1 item, .* 3 ranks"),
        (2, 5, r"the dataset has 2 items, which cannot be shared by 3 ranks; bring more data, or"),
    ],
)
def test_fewer_items_than_ranks(items, batch_size, quoted):
    with pytest.raises(ValueError, match=quoted):
        DataLoader((np.arange(items),), batch_size, sampler=DistributedSampler(1, 3))


def shares():
    """Of even, uneven and partly empty batches, and the error where there is nothing at all."""
    rank = distributed.rank()
    results = {
        str(count): distributed.batch_share(len(range(count)[DistributedSampler().part(count)]))
        for count in (6, 7, 8, 1)
    }
    try:
        distributed.batch_share(0)
    except ValueError as error:
        results["error"] = str(error)
    # The mean of squares over the batch, and its gradient, from the means over parts.
    x, batch = mg.Tensor(np.array(0.3), requires_grad=True), mg.Tensor(np.linspace(-1.0, 2.0, 7))
    part = batch[DistributedSampler().part(7)]
    (x - part).square().mean().backward(distributed.batch_share(len(part)))
    distributed.all_reduce_gradients([x])
    return {**results, "rank": rank, "gradient": x.grad.data}


@needs_mpi
def test_shares_weigh_parts_by_their_items():
    results = on_ranks(3, shares)
    assert [result["6"] for result in results] == [1.0, 1.0, 1.0]
    assert [result["7"] for result in results] == [3 * 3 / 7, 2 * 3 / 7, 2 * 3 / 7]
    assert [result["8"] for result in results] == [3 * 3 / 8, 3 * 3 / 8, 2 * 3 / 8]
    assert [result["1"] for result in results] == [3.0, 0.0, 0.0]
    expected = 2 * np.mean(0.3 - np.linspace(-1.0, 2.0, 7))
    for result in results:
        assert "batch_share: the batch has no items on any rank" in str(result["error"])
        assert result["gradient"] == pytest.approx(expected, rel=1e-13)


def test_alone_the_share_is_the_whole():
    assert distributed.batch_share(7) == 1.0
    with pytest.raises(ValueError, match="batch_share: the batch has no items"):
        distributed.batch_share(0)
