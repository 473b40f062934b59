"""`jacobian` and `hvp` against closed forms."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.derivatives import hvp, jacobian

RNG = np.random.default_rng(5)


def test_jacobian_of_a_matrix_product():
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))
    by_a, by_b = jacobian(lambda a, b: a @ b, (a, b))
    # d (a b)_ij / d a_kl = delta_ik b_lj, and d / d b_lm = a_il delta_jm
    expected_a = np.einsum("ik,lj->ijkl", np.eye(2), b)
    expected_b = np.einsum("il,jm->ijlm", a, np.eye(4))
    assert by_a.shape == (2, 4, 2, 3) and by_b.shape == (2, 4, 3, 4)
    np.testing.assert_allclose(by_a.numpy(), expected_a, atol=1e-14)
    np.testing.assert_allclose(by_b.numpy(), expected_b, atol=1e-14)


def test_jacobian_of_softmax():
    x = RNG.normal(size=5)
    s = np.exp(x) / np.exp(x).sum()
    jac = jacobian(mg.functional.softmax, x)
    np.testing.assert_allclose(jac.numpy(), np.diag(s) - np.outer(s, s), atol=1e-14)


def test_forms_follow_the_arguments():
    x, y = RNG.normal(size=3), RNG.normal(size=2)

    def two(x, y):
        return (x * x).sum(), y * x[0]

    one_in_one_out = jacobian(lambda x: x * 2, x)
    assert isinstance(one_in_one_out, mg.Tensor)
    tuple_in = jacobian(lambda x: x * 2, (x,))
    assert isinstance(tuple_in, tuple) and len(tuple_in) == 1
    (sum_by_x, sum_by_y), (product_by_x, product_by_y) = jacobian(two, [x, y])
    np.testing.assert_allclose(sum_by_x.numpy(), 2 * x)
    np.testing.assert_array_equal(sum_by_y.numpy(), np.zeros(2))
    np.testing.assert_allclose(product_by_x.numpy(), np.stack([y, 0 * y, 0 * y], axis=1))
    np.testing.assert_allclose(product_by_y.numpy(), np.eye(2) * x[0])


def test_jacobian_of_what_depends_on_nothing_is_zero():
    jac = jacobian(lambda x: mg.tensor([[1.0, 2.0]]), np.ones(3))
    assert jac.shape == (1, 2, 3) and jac.dtype == np.float64
    assert not jac.numpy().any()


def test_jacobian_of_no_cells():
    assert jacobian(lambda x: x[:0] * 2, np.ones((3, 2))).shape == (0, 2, 3, 2)
    assert jacobian(lambda x: x * 2, np.ones((0, 2))).shape == (0, 2, 0, 2)


def test_jacobian_has_the_inputs_dtype():
    x = np.ones(3, np.float32)
    assert jacobian(lambda x: x * 2, x).dtype == np.float32


def test_jacobian_can_be_differentiated():
    x = mg.tensor(RNG.normal(size=3), requires_grad=True)
    jac = jacobian(lambda x: x**3, x, create_graph=True)  # 3 x^2 on the diagonal
    weights = RNG.normal(size=(3, 3))
    (jac * weights).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * x.data * np.diag(weights))


def test_jacobian_leaves_gradients_and_graphs_alone():
    x = mg.tensor(RNG.normal(size=3), requires_grad=True)
    result = jacobian(lambda x: x * x, x)
    assert not result.requires_grad and x.grad is None


def quartic(x, y):
    return (x**4).sum() + (x[0] * y * y).sum()


def test_hvp_is_the_hessian_times_the_vector():
    x, y = RNG.normal(size=3), RNG.normal(size=2)
    v, w = RNG.normal(size=3), RNG.normal(size=2)
    value, (by_x, by_y) = hvp(quartic, (x, y), (v, w))
    # Second derivatives: 12 x^2 on x's diagonal, 2 y between x_0 and y, 2 x_0 on y's diagonal.
    expected_x = 12 * x**2 * v + np.array([(2 * y * w).sum(), 0, 0])
    expected_y = 2 * y * v[0] + 2 * x[0] * w
    assert value.item() == pytest.approx((x**4).sum() + (x[0] * y * y).sum())
    np.testing.assert_allclose(by_x.numpy(), expected_x)
    np.testing.assert_allclose(by_y.numpy(), expected_y)
    assert not value.requires_grad and not by_x.requires_grad


def test_hvp_agrees_with_the_jacobian_of_the_gradient():
    kernel = RNG.normal(size=(2, 3, 1, 2))

    def loss(x):
        return mg.functional.conv2d(x, kernel).tanh().square().sum()

    def gradient(x):
        return mg.grad(loss(x), x, create_graph=True)

    x, v = RNG.normal(size=(1, 4, 5, 1)), RNG.normal(size=(1, 4, 5, 1))
    hessian = jacobian(gradient, x).numpy()
    np.testing.assert_allclose(hvp(loss, x, v)[1].numpy(), np.tensordot(hessian, v, 4), rtol=1e-10)


def test_hvp_of_linear_and_constant_functions_is_zero():
    x, y = RNG.normal(size=3), RNG.normal(size=2)
    _, (by_x, by_y) = hvp(lambda x, y: x.sum() + (y * y).sum(), (x, y), (x, y))
    np.testing.assert_array_equal(by_x.numpy(), np.zeros(3))
    np.testing.assert_allclose(by_y.numpy(), 2 * y)
    assert not hvp(lambda x: x.sum(), x, x)[1].numpy().any()
    assert not hvp(lambda x: mg.tensor(1.0), x, x)[1].numpy().any()


def test_hvp_can_be_differentiated():
    x = mg.tensor(RNG.normal(size=3), requires_grad=True)
    v, weights = RNG.normal(size=3), RNG.normal(size=3)
    value, product = hvp(lambda x: (x**4).sum(), x, v, create_graph=True)
    gradient = mg.grad((product * weights).sum(), x, retain_graph=True)
    np.testing.assert_allclose(gradient.numpy(), 24 * x.data * v * weights)
    np.testing.assert_allclose(mg.grad(value, x).numpy(), 4 * x.data**3)


def test_hvp_of_a_single_number_needs_no_vector():
    assert hvp(lambda x: x**3, np.array(2.0))[1].item() == 12.0


@pytest.mark.parametrize(
    ("call", "error", "parts"),
    [
        (
            lambda: jacobian(lambda x: x * 1.0, np.arange(3)),
            TypeError,
            ["jacobian", "inputs[0]", "int64"],
        ),
        (lambda: jacobian(lambda x: x.data, np.ones(3)), TypeError, ["jacobian", "ndarray"]),
        (lambda: jacobian(lambda x: x > 0, np.ones(3)), TypeError, ["jacobian", "bool"]),
        (
            lambda: hvp(lambda x: x * x, np.ones(3), np.ones(3)),
            ValueError,
            ["must return one number, and returned one of shape (3,)"],
        ),
        (
            lambda: hvp(lambda x: (x.sum(), x.sum()), np.ones(3), np.ones(3)),
            ValueError,
            ["one number, and returned 2 of shape () and ()"],
        ),
        (
            lambda: hvp(lambda x: x.sum(), np.ones((2, 3)), np.ones((3, 2))),
            ValueError,
            ["v is of shape (3, 2)", "(2, 3)"],
        ),
        (
            lambda: hvp(lambda x, y: x.sum(), (np.ones(2), np.ones(3)), (np.ones(2),)),
            ValueError,
            ["(2,) and (3,)"],
        ),
        (lambda: hvp(lambda x: x.sum(), np.ones((2, 3))), ValueError, ["v can be", "(2, 3)"]),
        (lambda: hvp(lambda x: x.sum(), [True], [1.0]), TypeError, ["hvp", "bool"]),
    ],
)
def test_errors_say_what_is_wrong(call, error, parts):
    with pytest.raises(error) as caught:
        call()
    for part in parts:
        assert part in str(caught.value)
