"""n ranks take the steps of one process: 50 of a CNN in float64, with uneven and empty parts."""

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import distributed, nn, optim
from minigrad.data import DataLoader
from minigrad.distributed import DistributedOptimizer, DistributedSampler

from .launch import needs_mpi, on_ranks

ITEMS, BATCH, EPOCHS = 36, 7, 9  # batches of 7 and one of 1: three ranks get parts of 1, 0 and 0


def steps(epochs):
    """The weights and statistics after training, as every rank has them."""
    rng = np.random.default_rng(5)
    images, labels = rng.standard_normal((ITEMS, 6, 5, 2)), rng.integers(0, 3, ITEMS)
    mg.manual_seed(distributed.rank())  # different weights, until they are broadcast
    model = nn.Sequential(
        nn.Conv2D(2, 4, (3, 2)),
        nn.BatchNorm(4),
        nn.ReLU(),
        nn.MaxPool2D(2),
        nn.Flatten(),
        nn.Dense(24, 3),
    ).astype(np.float64)
    distributed.convert_sync_batchnorm(model)
    distributed.broadcast_parameters(model)
    loader = DataLoader((images, labels), BATCH, shuffle=True, seed=1, sampler=DistributedSampler())
    optimizer = DistributedOptimizer(optim.SGD(model.parameters(), lr=0.05, momentum=0.9))
    for _ in range(epochs):
        for inputs, targets in loader:
            outputs = model(inputs)
            loss = F.cross_entropy(outputs, targets) if len(targets) else outputs.sum()
            optimizer.zero_grad()
            loss.backward(distributed.batch_share(len(targets)))
            optimizer.step()
    return {**model.state_dict(), **optimizer.state_dict()}


@pytest.fixture(scope="module")
def alone():
    assert EPOCHS * -(-ITEMS // BATCH) >= 50
    return steps(EPOCHS)


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_ranks_take_the_steps_of_one_process(alone, size):
    results = on_ranks(size, steps, EPOCHS)
    for name, array in alone.items():
        np.testing.assert_allclose(results[0][name], array, rtol=0, atol=1e-9, err_msg=name)
        for result in results[1:]:
            np.testing.assert_array_equal(result[name], results[0][name])


@needs_mpi
def test_two_runs_are_equal_bit_by_bit():
    first, second = on_ranks(3, steps, 2), on_ranks(3, steps, 2)
    for name, array in first[0].items():
        np.testing.assert_array_equal(second[0][name], array)
