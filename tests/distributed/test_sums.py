"""Sums over ranks: in the order of the ranks, to the last bit; and their derivatives."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributed
from minigrad.distributed import sums

from .launch import needs_mpi, on_ranks

SIZES = [0, 1, 2, 3, 7, 100, 20_011, 50_000]


def of_rank(rank, size, dtype):
    """Numbers of very different magnitude, whose sum depends on the order of addition."""
    rng = np.random.default_rng([rank, size])
    return (rng.standard_normal(size) * 10.0 ** rng.integers(-3, 4, size)).astype(dtype)


def sum_everything():
    """Arrays of all sizes and kinds, as each rank sees their sums."""
    rank = distributed.rank()
    results = {
        f"{dtype} {size}": distributed.sum_over_ranks(of_rank(rank, size, dtype))
        for dtype in ("float32", "float64")
        for size in SIZES
    }
    results["float16"] = distributed.sum_over_ranks(of_rank(rank, 11, "float16"))
    results["int64"] = distributed.sum_over_ranks(np.array([[2**53 + rank, rank]]))
    results["0-d"] = distributed.sum_over_ranks(np.array(rank + 0.5))
    image = of_rank(rank, 30, "float32").reshape(5, 3, 2)
    before = image.copy()
    results["turned"] = distributed.sum_over_ranks(image.transpose(2, 0, 1)[:, ::-1])
    results["input is as before"] = np.array_equal(image, before)
    sums.LARGEST_MESSAGE = 1 << 10
    results["in several messages"] = distributed.sum_over_ranks(of_rank(rank, 20_011, "float32"))
    results["size"] = distributed.size()
    return results


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_sums_are_added_in_the_order_of_the_ranks(size):
    results = on_ranks(size, sum_everything)

    def expected(count, dtype):
        total = of_rank(0, count, dtype)
        for rank in range(1, size):
            total = total + of_rank(rank, count, dtype)
        return total

    for result in results:
        assert result["size"] == size
        for dtype in ("float32", "float64"):
            for count in SIZES:
                total = result[f"{dtype} {count}"]
                assert total.dtype == dtype
                np.testing.assert_array_equal(total, expected(count, dtype))
        np.testing.assert_array_equal(result["float16"], expected(11, "float16"))
        ranks = sum(range(size))
        assert result["int64"].tolist() == [[size * 2**53 + ranks, ranks]]
        assert result["0-d"].shape == () and result["0-d"] == ranks + size / 2
        image = expected(30, "float32").reshape(5, 3, 2)
        np.testing.assert_array_equal(result["turned"], image.transpose(2, 0, 1)[:, ::-1])
        assert result["input is as before"]
        np.testing.assert_array_equal(result["in several messages"], expected(20_011, "float32"))


def test_three_summands_tell_orders_apart():
    """Or the test above would pass with any order."""
    first, second, third = (of_rank(rank, 20_011, "float32") for rank in range(3))
    assert ((first + second) + third != first + (second + third)).mean() > 0.1


def test_alone_the_sum_is_a_copy():
    array = np.arange(6.0).reshape(2, 3).T
    total = distributed.sum_over_ranks(array)
    np.testing.assert_array_equal(total, array)
    assert not np.shares_memory(total, array)


# --- all_reduce -----------------------------------------------------------------------------------
#
# Each rank has its own x, weights and directions. What one process makes of all of them at once is
# the oracle, in which the sum over ranks is plain addition.


def numbers(rank, kind):
    return np.random.default_rng([rank, len(kind)]).standard_normal((3, 5))


def local(x, total, weight):
    """A part of the loss that depends on the sum, not linearly."""
    return (x * total.tanh() * weight).sum()


def derivatives_on_ranks():
    """The loss, its gradient, and the gradient of its slope in a direction, for this rank's x."""
    rank = distributed.rank()
    x = mg.Tensor(numbers(rank, "x"), requires_grad=True)
    weight, direction = numbers(rank, "weight"), numbers(rank, "direction")
    loss = local(x, distributed.all_reduce(x * x), weight)
    gradient = mg.grad(loss, x, create_graph=True)
    slope = (gradient * direction).sum()
    second = mg.grad(slope, x, create_graph=True)
    third = mg.grad((second * direction).sum(), x)
    return {"loss": loss.data, "first": gradient.data, "second": second.data, "third": third.data}


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_all_reduce_has_derivatives_of_every_order(size):
    results = on_ranks(size, derivatives_on_ranks)
    xs = [mg.Tensor(numbers(rank, "x"), requires_grad=True) for rank in range(size)]
    total = xs[0] * xs[0]
    for x in xs[1:]:
        total = total + x * x
    losses = [local(x, total, numbers(rank, "weight")) for rank, x in enumerate(xs)]
    for rank, loss in enumerate(losses):
        np.testing.assert_allclose(results[rank]["loss"], loss.data, rtol=1e-13)

    def along(gradients):
        terms = [(g * numbers(rank, "direction")).sum() for rank, g in enumerate(gradients)]
        return sum(terms[1:], start=terms[0])

    firsts = mg.grad(sum(losses[1:], start=losses[0]), xs, create_graph=True)
    seconds = mg.grad(along(firsts), xs, create_graph=True)
    thirds = mg.grad(along(seconds), xs)
    for order, gradients in (("first", firsts), ("second", seconds), ("third", thirds)):
        for rank, gradient in enumerate(gradients):
            np.testing.assert_allclose(results[rank][order], gradient.data, rtol=0, atol=1e-12)


def slopes_by_differences():
    """The gradient of the sum of all ranks' losses by rank 0's x, beside finite differences."""
    rank = distributed.rank()
    weight, direction = numbers(rank, "weight"), numbers(rank, "direction")

    def loss_at(x):
        return local(x, distributed.all_reduce(x * x), weight)

    x = mg.Tensor(numbers(rank, "x"), requires_grad=True)
    gradient = mg.grad(loss_at(x), x)
    step = 1e-5 if rank == 0 else 0.0
    ends = [loss_at(mg.Tensor(x.data + sign * step * direction)).data for sign in (1, -1)]
    losses = distributed.sum_over_ranks(np.array([ends[0] - ends[1]]))
    return {"slope": (gradient.data * direction).sum(), "differences": losses / 2e-5}


@needs_mpi
def test_the_gradient_of_all_reduce_is_what_differences_say():
    result = on_ranks(3, slopes_by_differences)[0]
    assert result["slope"] == pytest.approx(float(result["differences"][0]), rel=1e-7)
