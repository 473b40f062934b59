"""The derivative of every operator, method and function, against finite differences.

In float64, with random cotangents and random directions, to third order. The last tests show what
the checker would catch.
"""

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad.operators.elementwise import exp, multiply, negative
from tests.derivatives import check_derivatives, numerical_slope
from tests.operator_cases import entries


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 0))
def test_gradient(function, case):
    check_derivatives(function, case.inputs, order=1)


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 1))
def test_second_derivative(function, case):
    check_derivatives(function, case.inputs, order=2)


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 2))
def test_third_derivative(function, case):
    check_derivatives(function, case.inputs, order=3)


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 0))
def test_each_argument_alone(function, case):
    """Rules must not lean on the other arguments requiring grad: constants come as bare tensors."""
    leaves = [mg.Tensor(array, requires_grad=True) for array in case.inputs]
    out = function(*leaves)
    cotangent = np.random.default_rng(3).standard_normal(out.shape)
    together = mg.grad(out, leaves, cotangent)
    for position, expected in enumerate(together):
        alone = [mg.Tensor(array) for array in case.inputs]
        alone[position] = leaves[position]
        gradient = mg.grad(function(*alone), leaves[position], cotangent)
        np.testing.assert_allclose(gradient.data, expected.data, rtol=1e-12, atol=1e-12)


def test_of_a_composition_to_fourth_order():
    """Orders above those of the catalogue, through rules of rules of rules."""

    def network(x, kernel, weight):
        hidden = F.conv2d(x, kernel, stride=(1, 2)).tanh()
        return F.log_softmax(hidden.reshape(2, -1) @ weight).square().sum(0)

    rng = np.random.default_rng(5)
    arrays = [rng.standard_normal(shape) for shape in ((2, 3, 5, 1), (2, 3, 1, 2), (18, 4))]
    check_derivatives(network, arrays, order=4, tolerance=1e-7)


# --- points without a derivative, where a convention decides --------------------------------------


def gradient_at(function, *points):
    leaves = [mg.Tensor(np.asarray(point, np.float64), requires_grad=True) for point in points]
    out = function(*leaves)
    gradients = mg.grad(out, leaves, np.ones(out.shape))
    return [gradient.data.tolist() for gradient in gradients]


def test_conventions_at_corners():
    assert gradient_at(lambda x: x.relu(), [0.0, -0.0]) == [[0, 0]]
    assert gradient_at(lambda x: x.abs(), [0.0]) == [[0]]
    assert gradient_at(lambda x: F.leaky_relu(x, 0.25), [0.0]) == [[0.25]]
    assert gradient_at(lambda x: x.clip(-1, 2), [-1.0, 2.0, -1.1, 2.1]) == [[1, 1, 0, 0]]
    assert gradient_at(lambda x: x.sign() + x.floor(), [0.0, 1.0]) == [[0, 0]]


# article: L11
def test_ties_share_evenly():
    assert gradient_at(lambda x, y: x.maximum(y), [1.0, 2.0], [1.0, 0.0]) == [[0.5, 1], [0.5, 0]]
    assert gradient_at(lambda x, y: x.minimum(y), [1.0, 2.0], [1.0, 0.0]) == [[0.5, 0], [0.5, 1]]
    assert gradient_at(lambda x: x.max(1), [[3.0, 1.0, 3.0], [2.0, 5.0, 4.0]]) == [
        [[0.5, 0, 0.5], [0, 1, 0]]
    ]
    # The gradient is spread over the axis that was reduced, ties or not.
    assert gradient_at(lambda x: x.min(0), [[1.0, 2.0], [1.0, 5.0], [1.0, 3.0], [1.0, 9.0]]) == [
        [[0.25, 1], [0.25, 0], [0.25, 0], [0.25, 0]]
    ]
    assert gradient_at(lambda x: x.max(), [[2.0, 2.0], [2.0, 2.0]]) == [[[0.25] * 2] * 2]


def test_elu_is_smooth_at_zero():
    """Its two branches meet with the same slope when alpha is 1."""
    assert gradient_at(F.elu, [0.0, -0.0]) == [[1, 1]]
    assert gradient_at(lambda x: F.elu(x, 0.5), [0.0]) == [[0.5]]


def test_smooth_losses_at_zero():
    assert gradient_at(lambda x: F.huber_loss(x, np.zeros(3), 2.0, "none"), [0.0, 2.0, -2.0]) == [
        [0, 2, -2]
    ]
    logits = gradient_at(
        lambda x: F.binary_cross_entropy_with_logits(x, np.array([0.0, 1.0, 0.25]), "none"),
        [0.0, 0.0, 0.0],
    )
    np.testing.assert_allclose(logits, [[0.5, -0.5, 0.25]], rtol=1e-15)


def test_powers_at_zero():
    """x ** y is 1 for y = 0 and all x, so its gradient for x is 0 there, and nothing is nan."""
    assert gradient_at(lambda x, y: x**y, [0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 2.0, 0.0]) == [
        [0, 1, 0, 0],
        [0, 0, 0, pytest.approx(np.log(2))],
    ]
    assert gradient_at(lambda x: x**0, [0.0, 2.0]) == [[0, 0]]
    assert gradient_at(lambda x: x**1, [0.0, 2.0]) == [[1, 1]]


# article: L10
def test_repeated_indices_add_up():
    """tinynn's index lost all but one."""
    assert gradient_at(lambda x: x[[0, 0, 1]], [5.0, 6.0, 7.0]) == [[2, 1, 0]]
    assert gradient_at(lambda x: x[((0, 0, 1),)], [5.0, 6.0, 7.0]) == [[2, 1, 0]]


# --- the checker can fail -------------------------------------------------------------------------


def operator_with(forward, *rules):
    operator = mg.primitive(forward)
    operator.defvjps(*rules)
    return operator


X = np.array([[0.7, -1.2, 0.4], [1.6, 0.3, -0.8]])


def test_the_checker_passes_a_right_rule():
    cube = operator_with(lambda x: x**3, lambda g, x: g * (3 * x * x))
    check_derivatives(cube, [X], order=3)


def test_the_checker_catches_what_ones_cannot_see():
    """With softmax's gradient replaced by zero, a cotangent of ones finds nothing: 0 is right."""

    def softmax(x):
        e = np.exp(x)
        return e / e.sum(-1, keepdims=True)

    zero = operator_with(softmax, lambda g, x: g * 0.0)
    with pytest.raises(
        AssertionError, match="0 orders to go: the gradient gives the slope 0, diff"
    ):
        check_derivatives(zero, [X])


@pytest.mark.parametrize(
    "rule",
    [
        lambda g, x: g * 3 * x,  # wrong
        lambda g, x: g * (3 * x * x) * 1.000001,  # slightly wrong
        lambda g, x: g * (3 * x * x) + 1e-6,  # not linear in g
        lambda g, x: mg.Tensor(g.data[::-1].copy()) * (3 * x * x),  # rows exchanged
    ],
)
def test_the_checker_catches_wrong_rules(rule):
    with pytest.raises(AssertionError, match="argument 0"):
        check_derivatives(operator_with(lambda x: x**3, rule), [X])


def test_the_checker_catches_rules_that_are_not_differentiable():
    """The gradient is right, and its own gradient is lost in `.data`: only order 2 can tell."""
    by_x = operator_with(lambda x: x**3, lambda g, x: g * (3 * x.data * x.data))
    check_derivatives(by_x, [X], order=1)
    with pytest.raises(AssertionError, match="argument 0"):
        check_derivatives(by_x, [X], order=2)

    by_g = operator_with(lambda x: x**3, lambda g, x: mg.Tensor(g.data) * (3 * x * x))
    check_derivatives(by_g, [X], order=1)
    with pytest.raises(AssertionError, match="argument 1"):
        check_derivatives(by_g, [X], order=2)


def test_the_checker_catches_the_wrong_argument():
    swapped = operator_with(lambda x, y: x * y, lambda g, x, y: g * x, lambda g, x, y: g * y)
    with pytest.raises(AssertionError, match="argument 0"):
        check_derivatives(swapped, [X, X + 0.5])


def test_numerical_slope_is_that_of_the_closed_form():
    for slope, function in ((1.0, np.exp), (-4.0, lambda t: (1 - t) ** 4), (0.0, np.cos)):
        assert abs(numerical_slope(function) - slope) < 1e-11


def test_library_rules_can_be_broken(monkeypatch):
    """The rules that the tests above exercise are the ones in `rules`, not a second copy."""
    monkeypatch.setattr(exp, "rules", ((lambda g, out: negative(multiply(g, out)), ("out",)),))
    with pytest.raises(AssertionError, match="argument 0"):
        check_derivatives(lambda x: x.exp(), [X])
