"""Equal parameters: broadcast, averaged gradients, and the optimiser that averages."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributed, nn, optim
from minigrad.distributed import DistributedOptimizer, all_reduce_gradients, broadcast_parameters

from .launch import needs_mpi, on_ranks


def network(seed):
    """With parameters of two dtypes, and running statistics."""
    mg.manual_seed(seed)
    model = nn.Sequential(nn.Dense(3, 5), nn.BatchNorm(5), nn.Dense(5, 2))
    model.layers[2] = model.layers[2].astype(np.float64)
    model.layers[1].running_mean.data[...] = seed + np.arange(5)
    return model


def broadcast():
    """The state after rank 0's was given to all; its arrays must be the ones from before."""
    model = network(seed=distributed.rank())
    arrays = [tensor.data for _, tensor in model.named_tensors()]
    broadcast_parameters(model)
    same = all(a is t.data for a, (_, t) in zip(arrays, model.named_tensors(), strict=True))
    return {**model.state_dict(), "in place": same}


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_all_ranks_get_the_state_of_rank_0(size):
    expected = network(seed=0).state_dict()
    assert {array.dtype.name for array in expected.values()} == {"float32", "float64"}
    for result in on_ranks(size, broadcast):
        assert result.pop("in place")
        assert result.keys() == expected.keys()
        for name, array in expected.items():
            assert result[name].dtype == array.dtype
            np.testing.assert_array_equal(result[name], array)


def broadcast_of_different_models():
    """What every rank says of it."""
    wide = distributed.rank() == 1
    model = nn.Sequential(nn.Dense(3, 7 if wide else 5), nn.ReLU())
    try:
        broadcast_parameters(model)
    except ValueError as error:
        return {"error": str(error)}


@needs_mpi
def test_different_models_are_refused_by_every_rank():
    for result in on_ranks(3, broadcast_of_different_models):
        assert str(result["error"]) == (
            "broadcast_parameters: ranks disagree on layers.0.weight: 'float32 (3, 5)' on ranks 0 "
            "and 2, 'float32 (3, 7)' on rank 1"
        )


# --- gradients ------------------------------------------------------------------------------------

SHAPES = [((3, 5), "float32"), ((2,), "float64"), ((), "float32"), ((5, 1, 2), "float32")]


def gradient_of(rank, position):
    """A rank's gradient of a parameter. Parameter 2 has none on rank 1, and 3 on any."""
    shape, dtype = SHAPES[position]
    numbers = np.random.default_rng([rank, position]).standard_normal(shape).astype(dtype)
    return None if position == 3 or (position == 2 and rank == 1) else numbers


def averaged():
    """Gradients of a list of parameters and of a module, and a flat array."""
    rank, results = distributed.rank(), {}
    parameters = [mg.Tensor(np.ones(s, d), requires_grad=True) for s, d in SHAPES]
    module = nn.Module()
    module.parameters_ = [mg.Tensor(np.ones(s, d), requires_grad=True) for s, d in SHAPES]
    for kind, target, tensors in (
        ("list", parameters, parameters),
        ("module", module, module.parameters_),
    ):
        for position, tensor in enumerate(tensors):
            gradient = gradient_of(rank, position)
            tensor.grad = None if gradient is None else mg.Tensor(gradient)
        all_reduce_gradients(target)
        for position, tensor in enumerate(tensors):
            results[f"{kind} {position}"] = "None" if tensor.grad is None else tensor.grad.data
    flat = gradient_of(rank, 0)[::2, ::-1]
    all_reduce_gradients(flat)
    return {**results, "flat": flat}


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_gradients_are_averaged_in_the_order_of_the_ranks(size):
    def average(position):
        dtype = SHAPES[position][1]
        zero = np.zeros(SHAPES[position][0], dtype)
        total = zero
        for rank in range(size):
            gradient = gradient_of(rank, position)
            total = total + (zero if gradient is None else gradient)
        return (total / np.dtype(dtype).type(size)).astype(dtype)

    for result in on_ranks(size, averaged):
        for kind in ("list", "module"):
            for position in (0, 1, 2):
                gradient = result[f"{kind} {position}"]
                assert gradient.dtype == SHAPES[position][1]
                np.testing.assert_array_equal(gradient, average(position))
            assert result[f"{kind} 3"] == "None"
        np.testing.assert_array_equal(result["flat"], average(0)[::2, ::-1])


def test_alone_gradients_stay():
    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    x.square().sum().backward()
    gradient = x.grad
    all_reduce_gradients([x])
    assert x.grad is gradient
    flat = np.arange(3.0)
    all_reduce_gradients(flat)
    assert flat.tolist() == [0.0, 1.0, 2.0]


def with_gradient(gradient):
    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    x.grad = mg.Tensor(gradient)
    return [x]


@pytest.mark.parametrize(
    ("call", "error", "quoted"),
    [
        (
            lambda: all_reduce_gradients(np.arange(3)),
            TypeError,
            r"all_reduce_gradients: an average needs floats, got an array of int64, shape \(3,\)",
        ),
        (lambda: all_reduce_gradients(7), TypeError, "all_reduce_gradients: params must be"),
        (lambda: all_reduce_gradients([]), ValueError, "all_reduce_gradients: params is empty"),
        (
            lambda: all_reduce_gradients(with_gradient(np.ones(2))),
            ValueError,
            r"params\[0\] is \(2,\) float32, but its grad is \(2,\) float64",
        ),
        (
            lambda: all_reduce_gradients(with_gradient(np.ones(3, np.float32))),
            ValueError,
            r"params\[0\] is \(2,\) float32, but its grad is \(3,\) float32",
        ),
        (
            lambda: broadcast_parameters([1]),
            TypeError,
            "broadcast_parameters: module must be a Module, got a list",
        ),
        (
            lambda: DistributedOptimizer(nn.Dense(3, 5)),
            TypeError,
            "DistributedOptimizer: optimizer must be a minigrad.optim.Optimizer, got a Dense",
        ),
    ],
)
def test_what_is_refused(call, error, quoted):
    with pytest.raises(error, match=quoted):
        call()


# --- DistributedOptimizer -------------------------------------------------------------------------


def inputs_of(rank):
    return np.random.default_rng(rank).standard_normal((4, 3))


def trained(kind, ranks, optimizer_of):
    """The state after five steps on the mean of some ranks' losses."""
    mg.manual_seed(11)
    model = nn.Dense(3, 2).astype(np.float64)
    optimizer = optimizer_of(getattr(optim, kind)(model.parameters(), lr=0.05))
    schedule = optim.OneCycleLR(optimizer, max_lr=0.1, total_steps=5)
    for _ in range(5):
        optimizer.zero_grad()
        losses = [model(mg.Tensor(inputs_of(rank))).tanh().mean() for rank in ranks]
        (sum(losses[1:], start=losses[0]) / len(losses)).backward()
        optimizer.step()
        schedule.step()
    return {**model.state_dict(), **optimizer.state_dict()}


def train_a_rank(kind):
    """Each rank steps by its own loss."""
    return trained(kind, [distributed.rank()], DistributedOptimizer)


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_ranks_step_by_the_mean_of_their_losses(size):
    expected = trained("Adam", range(size), lambda optimizer: optimizer)
    results = on_ranks(size, train_a_rank, "Adam")
    for result in results:
        assert result.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_allclose(result[name], array, rtol=0, atol=1e-13, err_msg=name)
            np.testing.assert_array_equal(result[name], results[0][name])


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_alone_it_is_the_optimiser_within(kind):
    plain = trained(kind, [0], lambda optimizer: optimizer)
    wrapped = trained(kind, [0], DistributedOptimizer)
    assert plain.keys() == wrapped.keys()
    for name, array in plain.items():
        np.testing.assert_array_equal(wrapped[name], array)


def test_its_attributes_are_those_of_the_optimiser_within():
    x = mg.Tensor([1.0, 2.0], requires_grad=True)
    within = optim.SGD([x], lr=0.5, momentum=0.9, weight_decay=0.25)
    optimizer = DistributedOptimizer(within)
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (0.5, 0.9, 0.25)
    optimizer.lr, optimizer.momentum = 0.125, 0.75
    assert (within.lr, within.momentum) == (0.125, 0.75)
    assert optimizer.params is within.params and optimizer.optimizer is within
    with pytest.raises(ValueError, match="SGD: lr must be at least 0"):
        optimizer.lr = -1
    with pytest.raises(ValueError, match="SGD: momentum must be at least 0 and less than 1"):
        optimizer.momentum = 1.5
    optimizer.load_state_dict(optim.SGD([x], lr=0.375, momentum=0.25).state_dict())
    assert (within.lr, within.momentum) == (0.375, 0.25)
    x.grad = x
    optimizer.zero_grad()
    assert x.grad is None
    with pytest.raises(AttributeError, match="'SGD' object has no attribute 'betas'"):
        optimizer.betas  # noqa: B018
