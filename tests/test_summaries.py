"""mg.summary on any network: right numbers, never a question mark, and nothing disturbed."""

import contextlib

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.nn.calls import record_calls
from minigrad.operators import linear
from minigrad.summaries import summary
from minigrad.tensor import as_tensor
from models import lenet5, mlp, tiny_cnn, vgg_small


class Branches(nn.Module):
    """Functions between the layers, a layer used twice, weights of its own, one that is unused."""

    def __init__(self):
        self.stem = nn.Conv2D(3, 4, (2, 5))
        self.norm = nn.BatchNorm(4)
        self.block = nn.Sequential(nn.Conv2D(4, 4, 3, groups=2), nn.ReLU())
        self.scale = mg.Tensor(np.ones((4, 6), np.float32), requires_grad=True)
        self.spare = nn.Dense(3, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = x + self.block(self.block(x))
        return self.drop(x.mean((1, 2))) @ self.scale, {"maps": [x, "not an array"]}


def test_a_network_with_everything(capsys):
    counted = summary(Branches(), (9, 7, 3), compare="dense")
    maps = (1, 9, 7, 4)
    stem_twin = 9 * 7 * 3 * 9 * 7 * 4 + 9 * 7 * 4
    block_twin = 9 * 7 * 4 * 9 * 7 * 4 + 9 * 7 * 4
    stem_work, block_work = 63 * 2 * 5 * 3 * 4, 63 * 9 * 2 * 4
    expected = [
        # label, shapes, parameters, shared, multiply-adds, dense twin
        ("stem (Conv2D)", (maps,), 124, False, stem_work, stem_twin),
        ("norm (BatchNorm)", (maps,), 16, False, 0, 16),
        ("block.layers.0 (Conv2D)", (maps,), 76, False, block_work, block_twin),
        ("block.layers.1 (ReLU)", (maps,), 0, False, 0, 0),
        ("block.layers.0 (Conv2D)", (maps,), 0, True, block_work, 0),
        ("block.layers.1 (ReLU)", (maps,), 0, False, 0, 0),
        ("drop (Dropout)", ((1, 4),), 0, False, 0, 0),
        ("Branches", ((1, 6), maps), 24, False, 24, 24),
        ("spare (Dense)", None, 8, False, 0, 8),
    ]
    assert [
        (
            row.label,
            row.output_shapes,
            row.parameters,
            row.shared,
            row.multiply_adds,
            row.dense_parameters,
        )
        for row in counted.rows
    ] == expected
    assert counted.parameters == sum(row.parameters for row in counted.rows) == 248
    assert counted.trainable == 240
    assert counted.non_trainable == 8  # running mean and variance
    assert counted.weight_bytes == 248 * 4
    assert counted.multiply_adds == stem_work + 2 * block_work + 24
    assert counted.dense_parameters == stem_twin + block_twin + 48
    assert [row.output_bytes for row in counted.rows] == [1008] * 6 + [16, 24 + 1008, 0]

    text = str(counted)
    assert capsys.readouterr().out == f"{text}\n"
    assert "?" not in text
    for part in (
        "(N, 6), (N, 9, 7, 4)",
        "0 shared",
        "not called",
        f"{stem_twin:,}",
        f"{stem_twin / 124:,.0f}",
        "trainable 240, not trainable 8",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("model", "input_shape", "parameters"),
    [
        (lenet5, (28, 28, 1), 61_706),
        (mlp, (28, 28, 1), None),
        (tiny_cnn, (28, 28, 1), None),
        (vgg_small, (32, 32, 3), None),
    ],
)
def test_the_models(model, input_shape, parameters):
    network = model()
    counted = summary(network, input_shape, compare="dense", show=False)
    total = sum(tensor.size for tensor in network.parameters())
    assert counted.trainable == total == (parameters or total)
    assert counted.parameters == sum(row.parameters for row in counted.rows)
    assert "?" not in str(counted)


def test_lenet5_multiply_adds():
    """From the sizes: positions times kernel numbers, and the dense weights."""
    counted = summary(lenet5(), (28, 28, 1), show=False)
    assert counted.multiply_adds == (
        28 * 28 * 25 * 6 + 10 * 10 * 25 * 6 * 16 + 400 * 120 + 120 * 84 + 84 * 10
    )


@pytest.mark.parametrize(
    ("layer", "input_shape", "multiply_adds"),
    [
        (nn.Conv2D(6, 4, (2, 3), stride=(1, 2), groups=2), (5, 7, 6), 5 * 4 * 6 * 3 * 4),
        (nn.Conv1D(6, 4, 3, stride=2, groups=2), (7, 6), 4 * 9 * 4),
        (nn.ConvTranspose2D(6, 4, (2, 3), stride=2), (5, 7, 6), 5 * 7 * 6 * 4 * 6),
        (nn.LocallyConnected2D((5, 7, 6), 4, (2, 3)), (5, 7, 6), 5 * 7 * 6 * 6 * 4),
        (nn.Dense(6, 4), (5, 7, 6), 5 * 7 * 6 * 4),
        (nn.Dense(6, 4), (6,), 6 * 4),
        (nn.MaxPool2D((2, 3)), (5, 7, 6), 0),
        (nn.LayerNorm(6), (5, 7, 6), 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_a_single_layer(layer, input_shape, multiply_adds):
    counted = summary(layer, input_shape, show=False)
    (row,) = counted.rows
    assert row.label == type(layer).__name__
    assert row.multiply_adds == multiply_adds
    assert row.output_shapes == (layer(np.zeros((1, *input_shape), np.float32)).shape,)


class Attention(nn.Module):
    """Products of matrices in the forward itself, of batches of them too, and two inputs."""

    def __init__(self):
        self.weight = mg.Tensor(np.ones((3, 5), np.float32), requires_grad=True)

    def forward(self, x, y):
        queries, keys = x @ self.weight, y @ self.weight
        return queries @ keys.transpose(0, 2, 1)


class AttentionByLetters(Attention):
    """The same in einsum."""

    def forward(self, x, y):
        queries = mg.einsum("nic,cd->nid", x, self.weight)
        keys = mg.einsum("njc,cd->njd", y, self.weight)
        return mg.einsum("nid,njd->nij", queries, keys)


@pytest.mark.parametrize("model", [Attention, AttentionByLetters])
def test_several_inputs_and_products_in_the_forward(model):
    counted = summary(model(), [(4, 3), (7, 3)], show=False)
    (row,) = counted.rows
    assert row.output_shapes == ((1, 4, 7),)
    assert row.multiply_adds == 4 * 3 * 5 + 7 * 3 * 5 + 4 * 5 * 7
    (call,) = record_calls("a test", Attention(), [(4, 3), (7, 3)])
    assert call.input_shapes == ((1, 4, 3), (1, 7, 3))


class Tied(nn.Module):
    """The way back through a matrix, as an autoencoder with tied weights has it."""

    def __init__(self):
        self.weight = mg.Tensor(np.ones((5, 3), np.float32), requires_grad=True)

    def forward(self, x):
        return linear.rows_matmul(as_tensor(x), self.weight, transposed=True)


def test_a_product_with_a_transposed_matrix():
    (row,) = summary(Tied(), (4, 3), show=False).rows
    assert row.output_shapes == ((1, 4, 5),)
    assert row.multiply_adds == 4 * 3 * 5


def test_shared_tensors_are_counted_once():
    """Weight tying: one tensor in two layers, and a layer inside two containers."""
    first, second = nn.Dense(5, 5), nn.Dense(5, 5)
    second.weight = first.weight
    block = nn.Sequential(first, nn.ReLU())
    counted = summary(nn.Sequential(block, second, block), (5,), show=False)
    assert [(row.label, row.parameters, row.shared) for row in counted.rows] == [
        ("layers.0.layers.0 (Dense)", 30, False),
        ("layers.0.layers.1 (ReLU)", 0, False),
        ("layers.1 (Dense)", 5, True),
        ("layers.0.layers.0 (Dense)", 0, True),
        ("layers.0.layers.1 (ReLU)", 0, False),
    ]
    assert counted.parameters == counted.dense_parameters == 35
    assert "5 shared" in str(counted)


def test_frozen_tensors_are_not_trainable():
    network = nn.Sequential(nn.Dense(3, 5), nn.Dense(5, 2))
    network[0].weight.requires_grad = False
    counted = summary(network, (3,), show=False)
    assert (counted.trainable, counted.non_trainable) == (17, 15)


def test_nothing_is_disturbed():
    """Modes of every module, running statistics, gradients, random numbers, hooks and operators."""
    network = Branches()
    network.train()
    network.block.eval()
    network.scale.grad = mg.Tensor(np.ones((4, 6), np.float32))
    calls = []
    network.stem.register_forward_hook(lambda *call: calls.append("the user's own"))
    modes = [module.training for _, module in network.named_modules()]
    state, random_state = network.state_dict(), mg.random.get_state()
    x = np.random.default_rng(0).standard_normal((2, 9, 7, 3)).astype(np.float32)
    names = [name for name, _ in network.named_tensors()]

    summary(network, (9, 7, 3), show=False)
    summary(network, (9, 7, 3), show=False)
    assert [module.training for _, module in network.named_modules()] == modes
    assert [name for name, _ in network.named_tensors()] == names
    for name, array in network.state_dict().items():
        assert (array == state[name]).all()
    assert (network.scale.grad.data == 1).all()
    assert network.stem.kernel.grad is None
    assert mg.random.get_state() == random_state
    assert mg.is_recording()
    assert calls == ["the user's own"] * 2
    network(x)
    assert len(calls) == 3
    assert summary(network, (9, 7, 3), show=False).multiply_adds > 0


def test_the_random_numbers_are_not_disturbed():
    """Not even by a forward that draws in evaluation too."""

    class Noisy(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5, training=True)

    state = mg.random.get_state()
    summary(Noisy(), (5,), show=False)
    assert mg.random.get_state() == state


@pytest.mark.parametrize("input_shape", [(9, 7, 3), (9, 7, 4)])
def test_the_operators_are_as_they_were(input_shape):
    """Counting wraps them, whether the network takes the input or not."""
    forwards = [operator.forward for operator in (linear.rows_matmul, linear.batched_matmul)]
    with contextlib.suppress(ValueError):
        summary(Branches(), input_shape, show=False)
    assert linear.rows_matmul.forward is forwards[0]
    assert linear.batched_matmul.forward is forwards[1]


def test_nothing_is_disturbed_by_a_failure():
    network = Branches()
    with pytest.raises(ValueError):
        summary(network, (9, 7, 4), show=False)
    assert all(module.training for _, module in network.named_modules())
    assert mg.is_recording()
    seen = []
    network.block.register_forward_hook(lambda *call: seen.append(call))
    network(np.zeros((2, 9, 7, 3), np.float32))
    assert len(seen) == 2


def test_a_float64_network_gets_float64():
    counted = summary(nn.Dense(3, 5).astype(np.float64), (3,), show=False)
    assert counted.weight_bytes == 20 * 8
    assert counted.output_bytes == 5 * 8


def test_repr_counts_in_the_singular_too():
    dense = nn.Dense(3, 2)
    assert repr(summary(dense, (3,), show=False)) == "<Summary of 1 row: 8 parameters>"
    several = summary(nn.Sequential(dense, nn.ReLU()), (3,), show=False)
    assert repr(several) == "<Summary of 2 rows: 8 parameters>"


def test_refusals():
    with pytest.raises(TypeError, match=r"summary: expected a Module, got function"):
        summary(F.relu, (3,))
    with pytest.raises(TypeError, match=r"summary: input_shape=28 must be a tuple"):
        summary(lenet5(), 28)
    with pytest.raises(ValueError, match=r"summary: input_shape=0 must be at least 1"):
        summary(lenet5(), (28, 0, 1))
    with pytest.raises(ValueError, match=r"summary: compare='conv' must be \"dense\" or None"):
        summary(lenet5(), (28, 28, 1), compare="conv")
    with pytest.raises(ValueError) as error:
        summary(lenet5(), (64, 28, 28, 1))
    for part in ("summary", "(1, 64, 28, 28, 1)", "batch axis of 1", "images are (N, H, W, C)"):
        assert part in str(error.value)
    with pytest.raises(ValueError, match=r"Attention fails .*missing 1 required positional"):
        summary(Attention(), (4, 3))
