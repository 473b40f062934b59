"""SyncBatchNorm: what BatchNorm makes of the whole batch, when every rank has a part of it.

The oracle is nn.BatchNorm in one process, whose derivatives tests/nn checks by finite differences.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad import distributed, nn
from minigrad.distributed import DistributedSampler, SyncBatchNorm, convert_sync_batchnorm

from .launch import needs_mpi, on_ranks

SHAPES = {"images": (5, 4, 3, 2), "rows": (7, 2), "fewer rows than ranks": (2, 2)}


def inputs(shape):
    return np.random.default_rng(len(shape)).standard_normal(shape) * 1.7 + 0.4


def weights_of_cells(shape):
    """What the cells of the output count in the loss."""
    return np.random.default_rng([len(shape), 1]).standard_normal(shape)


def layer_of(kind):
    layer = kind(2, eps=0.2, momentum=0.35).astype(np.float64)
    layer.weight.data[...], layer.bias.data[...] = [1.5, 0.75], [-0.25, 0.5]
    return layer


def derivatives(layer, x, cells):
    """Output, gradients, and gradients of their squares' sum; of two batches in a row.

    The loss is a sum over items, so that it is the sum of the losses of the parts.
    """
    x = mg.Tensor(x, requires_grad=True)
    layer(x * 3 - 1)
    out = layer(x)
    leaves = [x, layer.weight, layer.bias]
    gradients = mg.grad((out.tanh() * cells).sum(), leaves, create_graph=True)
    seconds = mg.grad(gradients[0].square().sum(), [x, layer.weight])
    names = ["x", "weight", "bias", "x, second", "weight, second"]
    results = dict(zip(names, [t.data for t in (*gradients, *seconds)], strict=True))
    return {"out": out.data, **results}


def derivatives_of_parts():
    """This rank's part of the batch; of the weights, whose gradients add up, the sum."""
    results = {}
    for name, shape in SHAPES.items():
        part = DistributedSampler().part(shape[0])
        layer = layer_of(SyncBatchNorm)
        found = derivatives(layer, inputs(shape)[part], weights_of_cells(shape)[part])
        for key, array in found.items():
            summed = key.startswith(("weight", "bias"))
            results[f"{name}: {key}"] = distributed.sum_over_ranks(array) if summed else array
        results[f"{name}: mean"] = layer.running_mean.data
        results[f"{name}: var"] = layer.running_var.data
    try:
        layer(inputs((1, 2))[: distributed.rank() == 0])
    except ValueError as error:
        results["error"] = str(error)
    return results


@needs_mpi
@pytest.mark.parametrize("size", [2, 3])
def test_parts_are_normalised_as_the_whole(size):
    results = on_ranks(size, derivatives_of_parts)
    for name, shape in SHAPES.items():
        layer = layer_of(nn.BatchNorm)
        expected = derivatives(layer, inputs(shape), weights_of_cells(shape))
        expected |= {"mean": layer.running_mean.data, "var": layer.running_var.data}
        for key, array in expected.items():
            of_ranks = [result[f"{name}: {key}"] for result in results]
            if key in ("out", "x", "x, second"):
                of_ranks = [np.concatenate(of_ranks)]
            for found in of_ranks:
                np.testing.assert_allclose(found, array, rtol=0, atol=1e-12, err_msg=key)
                np.testing.assert_array_equal(found, of_ranks[0])
    for result in results:
        assert "SyncBatchNorm: in training an input of shape" in str(result["error"])
        assert "has 1 value per channel" in str(result["error"])


@pytest.mark.parametrize("shape", [(5, 4, 3, 2), (7, 2)])
def test_alone_it_is_a_batch_norm(shape):
    x, cells = inputs(shape), weights_of_cells(shape)
    expected = derivatives(layer_of(nn.BatchNorm), x, cells)
    for key, array in derivatives(layer_of(SyncBatchNorm), x, cells).items():
        np.testing.assert_allclose(array, expected[key], rtol=0, atol=1e-13, err_msg=key)


def test_states_are_interchangeable():
    plain, synchronised = nn.BatchNorm(3), SyncBatchNorm(3)
    plain(np.random.default_rng(0).standard_normal((7, 3)).astype(np.float32))
    synchronised.load_state_dict(plain.state_dict())
    nn.BatchNorm(3).load_state_dict(synchronised.state_dict())
    np.testing.assert_array_equal(synchronised.running_var.data, plain.running_var.data)


# --- conversion -----------------------------------------------------------------------------------


class Branches(nn.Module):
    """BatchNorms in every kind of place, one of them in two."""

    def __init__(self):
        shared = nn.BatchNorm(3)
        self.direct = shared
        self.named = {"a": shared, "b": nn.Sequential(nn.Dense(3, 5), nn.BatchNorm(5))}
        self.several = [nn.BatchNorm(2), (nn.BatchNorm(7), nn.LayerNorm(7))]


class OwnNorm(nn.BatchNorm):
    """A subclass, which may mean something else."""


def test_every_batch_norm_is_converted_where_it_is():
    model = Branches()
    tensors = [(name, id(tensor)) for name, tensor in model.named_tensors()]
    before = dict(model.named_modules())
    assert convert_sync_batchnorm(model) is model
    assert [(name, id(tensor)) for name, tensor in model.named_tensors()] == tensors
    kinds = {name: type(module).__name__ for name, module in model.named_modules()}
    assert kinds == {
        "": "Branches",
        "direct": "SyncBatchNorm",
        "named.b": "Sequential",
        "named.b.layers.0": "Dense",
        "named.b.layers.1": "SyncBatchNorm",
        "several.0": "SyncBatchNorm",
        "several.1.0": "SyncBatchNorm",
        "several.1.1": "LayerNorm",
    }
    assert all(module is before[name] for name, module in model.named_modules())


def test_a_batch_norm_itself_is_converted_and_subclasses_are_not():
    norm = nn.BatchNorm(3).eval()
    assert convert_sync_batchnorm(norm) is norm and type(norm) is SyncBatchNorm
    assert not norm.training
    assert type(convert_sync_batchnorm(OwnNorm(3))) is OwnNorm
    with pytest.raises(TypeError, match=r"convert_sync_batchnorm: module must be .* got a list"):
        convert_sync_batchnorm([norm])
