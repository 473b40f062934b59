"""What the article's notebook trains, and what it announces and leaves out."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from tests import oracles


def network(rng):
    """400-100-4: one hidden layer with ReLU, Glorot's weights, biases of 0."""
    return nn.Sequential(nn.Dense(400, 100, rng=rng), nn.ReLU(), nn.Dense(100, 4, rng=rng))


class Loss(nn.Module):
    """The mean negative log-likelihood of some labels under softmax."""

    def __init__(self, model, labels):
        self.model, self.labels = model, labels

    def forward(self, x):
        return F.cross_entropy(self.model(x), self.labels)


def some_digits(n, seed, split):
    """Digits 0 to 3 in 20x20 pixels, flattened: (about 0.4 n, 400), and their labels."""
    images, labels = mg.data.digits(n, seed=seed, split=split)
    few = labels < 4
    return images[few, 4:24, 4:24, 0].reshape(-1, 400), labels[few]


# article: F10
def test_400_100_4_has_40504_parameters_and_a_gradient_that_is_right():
    model = network(np.random.default_rng(0))
    assert sum(parameter.size for parameter in model.parameters()) == 40_504
    first, _, second = model
    bound = np.sqrt(6 / (400 + 100))
    assert 0.99 * bound < np.abs(first.weight.data).max() <= bound
    assert not first.bias.data.any()
    assert not second.bias.data.any()
    x = np.random.default_rng(1).standard_normal((3, 400))
    report = mg.gradcheck(Loss(model, [2, 0, 3]).astype(np.float64), x)
    assert [entry.name for entry in report.inputs] == [
        "x",
        *(f"model.{name}" for name, _ in model.named_parameters()),
    ]
    assert {entry.verdict for entry in report.inputs} == {"right"}


# article: F10, B12
@pytest.mark.parametrize("batch_size", [1, 8, 32])
def test_the_gradient_of_a_mean_does_not_grow_with_the_batch(batch_size):
    """The notebook's was the sum over the batch, batch size times too large."""
    model = network(np.random.default_rng(0)).astype(np.float64)
    x, labels = some_digits(200, 3, "train")
    x, labels = x[:batch_size].astype(np.float64), labels[:batch_size]
    F.cross_entropy(model(x), labels).backward()
    direction = np.random.default_rng(1).standard_normal((100, 4))
    hidden = np.maximum(x @ model[0].weight.data + model[0].bias.data, 0)

    def loss_at(weight):
        return oracles.cross_entropy(hidden @ weight + model[2].bias.data, labels)

    slope = oracles.directional_derivative(loss_at, [model[2].weight.data], [direction])
    assert (model[2].weight.grad.data * direction).sum() == pytest.approx(float(slope), rel=1e-6)


# article: B13
def test_logits_of_1000_are_finite():
    """exp(1000) is more than a float can hold; log(0) is less."""
    logits = mg.Tensor(np.array([[1000.0, 0.0, -1000.0, 3.0]]), requires_grad=True)
    assert F.softmax(logits).data.tolist() == [[1, 0, 0, 0]]
    loss = F.cross_entropy(logits, [2])
    assert loss.item() == 2000
    assert mg.grad(loss, logits).data.tolist() == [[1, 0, -1, 0]]


# article: F11, B14
def test_descent_lowers_the_loss_and_is_judged_on_digits_it_has_not_seen():
    """Batches of 32 as in the notebook, and a rate for gradients that are means."""
    x, labels = some_digits(3000, 0, "train")
    held_x, held_labels = some_digits(500, 0, "test")
    seen = {row.tobytes() for row in x}
    assert not any(row.tobytes() in seen for row in held_x)
    model = network(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    optimizer = mg.optim.SGD(model.parameters(), lr=0.1)
    running = []
    for _ in range(300):
        batch = rng.choice(len(x), 32, replace=False)
        loss = F.cross_entropy(model(x[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running.append(0.9 * running[-1] + 0.1 * loss.item() if running else loss.item())
    assert running[0] == pytest.approx(np.log(4), rel=0.3)
    assert running[-1] < 0.3 * running[0]
    accuracy = (model(held_x).data.argmax(axis=1) == held_labels).mean()
    assert accuracy > 0.9


# article: F12
def test_one_convolution_layer_finds_the_kernel_that_made_the_data():
    """The notebook's last cell: one layer of convolution, to be done."""
    rng = np.random.default_rng(2)
    images, kernel = rng.standard_normal((6, 7, 8, 2)), rng.standard_normal((2, 3, 2, 1))
    wanted = oracles.conv2d(images, kernel, (2, 1), ((0, 1), (1, 1)))
    layer = nn.Conv2D(2, 1, (2, 3), stride=(2, 1), rng=rng).astype(np.float64)
    optimizer = mg.optim.SGD(layer.parameters(), lr=0.3)
    for _ in range(200):
        loss = F.mse_loss(layer(images), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_allclose(layer.kernel.data, kernel, atol=1e-6)
    np.testing.assert_allclose(layer.bias.data, 0, atol=1e-6)
