"""`mg.detect_anomaly`: the operator, the line, and nothing where nothing is wrong."""

import threading
import warnings

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import engine, nn


def line_with(marker):
    """The line of this file that ends with the comment, as messages give it."""
    with open(__file__, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.rstrip().endswith(f"# {marker}"):
                return f"{__file__}:{number}: {line.strip()}"
    raise AssertionError(f"no line is marked {marker}")


def leaf(*numbers, dtype=np.float32):
    return mg.Tensor(np.array(numbers, dtype), requires_grad=True)


def anomaly_in(function, *arguments):
    """The message of the error that the function meets when it is watched."""
    with pytest.raises(FloatingPointError) as error, mg.detect_anomaly():
        function(*arguments)
    return str(error.value)


# --- forward --------------------------------------------------------------------------------------


def test_names_the_operator_its_operands_and_the_line():
    def logarithms(x):
        good = (x + 1.0).log()
        bad = x.log()  # first logarithm of 0
        return (good + bad).sum()

    x = mg.Tensor([[3.0, 2.0, 5.0], [4.0, 0.0, 1.0]], requires_grad=True)
    assert anomaly_in(logarithms, x) == (
        "detect_anomaly: log made the first inf:\n"
        "  output of shape (2, 3): inf in 1 of 6 cells, first at [1, 1]\n"
        "  x of shape (2, 3): from 0 to 5\n"
        f"  log was called at {line_with('first logarithm of 0')}"
    )


def test_numbers_and_parameters_are_operands_too():
    message = anomaly_in(lambda: leaf(4.0, 0.0) / 0.0)
    assert "divide made the first nan:\n  output of shape (2,): nan in 1 of 2 cells" in message
    assert "\n  x of shape (2,): from 0 to 4\n  y = 0\n" in message
    message = anomaly_in(lambda: leaf(0.0, 2.0) ** -1)
    assert "power_scalar made the first inf" in message
    assert "\n  exponent = -1\n" in message


def test_of_a_single_number():
    message = anomaly_in(lambda: mg.Tensor(3e38) * 10.0)
    assert (
        "multiply made the first inf:\n  output of shape (): inf\n  x = 3e+38\n  y = 10" in message
    )


def test_names_the_users_line_and_not_the_librarys():
    def loss(x):
        hidden = nn.Sequential(nn.Dense(2, 3), nn.ReLU())(x)
        return F.mse_loss(  # the call of the loss
            hidden * 1e30, hidden * 0.0
        )

    message = anomaly_in(loss, mg.Tensor([[1.0, 2.0], [3.0, 4.0], [-5.0, -1.0]]))
    assert "square made the first inf" in message
    assert message.endswith(line_with("the call of the loss"))


def test_names_the_line_of_a_users_module():
    class Reciprocals(nn.Module):
        def forward(self, x):
            return 1.0 / x  # in a module of the user's

    message = anomaly_in(nn.Sequential(nn.Flatten(), Reciprocals()), np.zeros((2, 3), np.float32))
    assert message.endswith(line_with("in a module of the user's"))


@mg.primitive
def broken_square(x):
    return x * x * np.nan


broken_square.defvjps(lambda g, x: g * 2.0 * x)


def test_users_operators_are_watched():
    message = anomaly_in(lambda: broken_square(leaf(1.0, 2.0)))  # the call of the operator
    assert "broken_square made the first nan" in message
    assert message.endswith(line_with("the call of the operator"))


def test_unrecorded_operators_are_watched():
    def unrecorded():
        with mg.no_grad():
            leaf(-1.0).sqrt()

    assert "sqrt made the first nan" in anomaly_in(unrecorded)


def test_nans_that_were_there_before_are_said_to_have_been():
    data = mg.Tensor([[1.0, np.nan], [np.inf, np.nan]])
    message = anomaly_in(lambda: data.sum())
    assert "sum met the first nan" in message
    assert "\n  x of shape (2, 2): from 1 to inf, nan in 2 of 4 cells already\n" in message


# --- backward -------------------------------------------------------------------------------------


def test_backward_names_the_operator_whose_rule_it_was_and_where_that_was_called():
    def root(x):
        shifted = x * 1.0
        y = shifted.sqrt()  # the root of 0
        z = y * 3.0
        z.sum().backward()

    message = anomaly_in(root, leaf(4.0, 1.0, 0.0))
    assert message == (
        "detect_anomaly: the rule of sqrt for x made the first inf, in divide:\n"
        "  output of shape (3,): inf in 1 of 3 cells, first at [2]\n"
        "  divide's x of shape (3,): all 1.5\n"
        "  divide's y of shape (3,): from 0 to 2\n"
        f"  sqrt was called at {line_with('the root of 0')}"
    )


def test_a_gradient_that_is_handed_in():
    def scaled(x):
        y = x * 2.0  # scaled
        y.backward([1.0, np.nan])

    message = anomaly_in(scaled, leaf(4.0, 1.0))
    assert "the rule of multiply for x met the first nan, in multiply" in message
    assert message.endswith(line_with("scaled"))


def test_one_of_many_arguments():
    def joined(x, y):
        both = mg.concatenate([x, y * 1e30])  # joined
        return mg.grad((both * 1.0).sum(), [x, y], mg.Tensor(3e38), create_graph=True)

    message = anomaly_in(joined, leaf(4.0), leaf(1.0))
    assert "the rule of multiply for x made the first inf" in message
    assert message.endswith(line_with("joined"))


@mg.primitive
def cube_of_broken_rule(x):
    return x**3


# Makes its tensor of an array, past all operators.
cube_of_broken_rule.defvjps(lambda g, x: mg.Tensor(g.data * x.data / 0))


def test_a_rule_that_goes_past_the_operators():
    def cubed(x):
        y = cube_of_broken_rule(x)  # cubed
        y.sum().backward()

    message = anomaly_in(cubed, leaf(4.0, 1.0))
    assert message == (
        "detect_anomaly: the rule of cube_of_broken_rule for x returned the first inf:\n"
        "  output of shape (2,): inf in 2 of 2 cells, first at [0]\n"
        f"  cube_of_broken_rule was called at {line_with('cubed')}"
    )


def test_adding_up_gradients():
    def used_twice(x):
        y = x * 1.0
        (y * 0.5 + y * 0.75).backward([1.0, 3e38])  # too much together

    message = anomaly_in(used_twice, leaf(0.0, 0.0))
    assert "adding up gradients of a tensor used several times made the first inf" in message
    assert message.endswith("the backward pass was started at " + line_with("too much together"))


def test_second_order_tells_the_whole_story():
    def curvature(x):
        y = x.log()  # the logarithm
        slope = mg.grad(y.sum(), x, create_graph=True)  # its slope
        slope.sum().backward()

    message = anomaly_in(curvature, leaf(2.0, 1e-25))
    assert "the rule of divide for y made the first inf, in divide" in message
    assert message.endswith(
        f"  divide was called at {line_with('its slope')}\n"
        f"  by the rule of log for x; log was called at {line_with('the logarithm')}"
    )


def test_a_graph_from_outside_has_no_lines():
    y = leaf(0.0, 1.0).sqrt()
    message = anomaly_in(y.sum().backward)
    assert "the rule of sqrt for x made the first inf" in message
    assert message.endswith(
        "sqrt was called at a line that is not known: it ran outside detect_anomaly"
    )


# --- nothing wrong --------------------------------------------------------------------------------


def test_what_is_finite_passes_and_comes_out_the_same():
    def step():
        rng = np.random.default_rng(0)
        net = nn.Sequential(
            nn.Conv2D(1, 3, (3, 2), rng=rng),
            nn.BatchNorm(3),
            nn.ReLU(),
            nn.MaxPool2D(2),
            nn.Flatten(),
            nn.Dense(18, 4, rng=rng),
        )
        images = rng.standard_normal((5, 6, 4, 1)).astype(np.float32)
        loss = F.cross_entropy(net(images), [0, 1, 2, 3, 0])
        loss.backward()
        return [loss.data, *(parameter.grad.data for parameter in net.parameters())]

    plain = step()
    with mg.detect_anomaly():
        watched = step()
    for expected, got in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_infinities_put_in_on_purpose_pass():
    """A mask of -inf, by three operators, and its softmax and gradient."""
    mask = np.array([0.0, -np.inf, 0.0], np.float32)
    keep = np.isfinite(mask)
    for masked in (
        lambda x: x + mask,
        lambda x: mg.where(keep, x, -np.inf),
        lambda x: x[keep].pad((0, 1), value=-np.inf),
    ):
        x = leaf(1.0, 2.0, 3.0)
        with mg.detect_anomaly():
            probabilities = F.softmax(masked(x))
            (probabilities * [1.0, 2.0, 4.0]).sum().backward()
        assert np.isfinite(x.grad.data).all()


def test_integers_and_empty_tensors_pass():
    with mg.detect_anomaly():
        assert (mg.Tensor([1, 2]) + 3).sum().item() == 9
        assert mg.Tensor(np.ones((0, 3))).exp().shape == (0, 3)


# --- on and off -----------------------------------------------------------------------------------


def test_nothing_is_watched_or_kept_outside():
    y = leaf(4.0) * 2.0
    assert not hasattr(y.node, "call_site")
    with mg.detect_anomaly():
        watched = y * 2.0
    assert str(watched.node.call_site).startswith(f"{__file__}:")
    with np.errstate(divide="ignore"):
        assert (leaf(4.0) / 0.0).item() == np.inf


def test_ends_with_an_error_and_nests():
    with mg.detect_anomaly():
        outer = engine.observe(None)
        engine.observe(outer)
        with pytest.raises(FloatingPointError), mg.detect_anomaly():
            leaf(0.0).log()
        with pytest.raises(FloatingPointError):
            leaf(0.0).log()
    assert engine.observe(None) is None


def test_is_a_decorator_too():
    @mg.detect_anomaly()
    def logarithm(x):
        return x.log()

    for _ in range(2):
        with pytest.raises(FloatingPointError, match="log made the first inf"):
            logarithm(leaf(0.0))
    assert logarithm(leaf(1.0)).item() == 0


def test_numpys_warnings_are_silent_inside_only():
    x = mg.Tensor([0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "log made the first inf" in anomaly_in(x.log)
        with pytest.raises(RuntimeWarning):
            x.log()


def test_threads_keep_their_rules_apart():
    """While one thread is inside a rule, what another one does is not taken for part of it."""
    inside, done = threading.Event(), threading.Event()

    @mg.primitive
    def identity(x):
        return x + 0

    def slow_rule(g):
        inside.set()
        assert done.wait(10)
        return g

    identity.defvjps(slow_rule)
    with mg.detect_anomaly():
        y = identity(leaf(1.0)).sum()
        thread = threading.Thread(target=y.backward)
        thread.start()
        assert inside.wait(10)
        with pytest.raises(FloatingPointError, match="detect_anomaly: log made the first inf"):
            leaf(0.0).log()
        done.set()
        thread.join()
