"""What every operator, method and function computes, against oracles that share nothing with it."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.operators import elementwise
from tests.operator_cases import entries


def arrangements(array):
    """The same numbers, lying in memory in other ways."""
    yield "F-ordered", np.array(array, order="F")
    yield "backwards", np.flip(np.flip(array).copy())
    apart = np.zeros([2 * size for size in array.shape], array.dtype)
    apart[(slice(None, None, 2),) * array.ndim] = array
    yield "with gaps", apart[(slice(None, None, 2),) * array.ndim]
    if array.ndim == 4:
        yield "channels first, batch last", array.transpose(3, 1, 2, 0).copy().transpose(3, 1, 2, 0)
        yield "NCHW", array.transpose(0, 3, 1, 2).copy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize(("function", "case"), entries())
def test_value(function, case):
    expected = np.asarray(case.expected(*case.inputs))
    before = [array.copy() for array in case.inputs]

    out = function(*map(mg.Tensor, case.inputs))

    assert type(out) is mg.Tensor
    assert type(out.data) is np.ndarray
    assert out.shape == expected.shape
    assert out.dtype == (case.dtype or np.float64)
    np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)
    for array, unchanged in zip(case.inputs, before, strict=True):
        np.testing.assert_array_equal(array, unchanged)


@pytest.mark.parametrize(("function", "case"), entries())
def test_value_in_float32_stays_there(function, case):
    inputs = [array.astype(np.float32) for array in case.inputs]
    expected = np.asarray(case.expected(*(array.astype(np.float64) for array in inputs)))

    out = function(*map(mg.Tensor, inputs))

    assert out.dtype == (case.dtype or np.float32)
    np.testing.assert_allclose(out.data, expected, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 0))
def test_float32_gradients_are_float32(function, case):
    leaves = [mg.Tensor(array.astype(np.float32), requires_grad=True) for array in case.inputs]
    out = function(*leaves)
    cotangent = np.random.default_rng(1).standard_normal(out.shape).astype(out.dtype)

    gradients = mg.grad(out, leaves, cotangent)

    for leaf, gradient in zip(leaves, gradients, strict=True):
        assert gradient.dtype == np.float32
        assert gradient.shape == leaf.shape


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 0))
def test_memory_order_changes_nothing(function, case):
    """Values and gradients of inputs and cotangents that lie in memory in every possible way."""

    def run(inputs, arrange):
        leaves = [mg.Tensor(array, requires_grad=True) for array in inputs]
        out = function(*leaves)
        cotangent = np.random.default_rng(2).standard_normal(out.shape)
        return [out, *mg.grad(out, leaves, mg.Tensor(arrange(np.asarray(cotangent))))]

    expected = run(case.inputs, lambda array: array)
    ways = zip(*map(arrangements, case.inputs), strict=False) if case.inputs else ()
    for way in ways:
        name = way[0][0]
        results = run(
            [array for _, array in way],
            lambda array, n=name: dict(arrangements(array)).get(n, array),
        )
        for result, reference in zip(results, expected, strict=True):
            np.testing.assert_allclose(
                result.data, reference.data, rtol=1e-11, atol=1e-11, err_msg=name
            )


@pytest.mark.parametrize(("function", "case"), entries(lambda case: case.order > 0))
def test_stride_0_views_as_inputs_and_cotangents(function, case):
    """Broadcast views: all cells are one in memory, and NumPy refuses to write to them."""
    samples = [
        np.broadcast_to(array.flat[0] if array.size else 0.0, array.shape) for array in case.inputs
    ]

    def run(arrange):
        leaves = [mg.Tensor(arrange(array), requires_grad=True) for array in samples]
        out = function(*leaves)
        cotangent = np.broadcast_to(1.25, out.shape)
        return [out, *mg.grad(out, leaves, mg.Tensor(arrange(cotangent)))]

    with np.errstate(all="ignore"):  # samples of cases need not be valid when all cells are equal
        views, copies = run(lambda array: array), run(np.array)
    for view, copy in zip(views, copies, strict=True):
        np.testing.assert_allclose(view.data, copy.data, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int32, np.float16, np.float32])
def test_relu_of_many_cells_and_of_few(dtype):
    """Two ways inside: the results are alike, and so are their dtypes."""
    x = np.random.default_rng(0).integers(-3, 4, (2, 5_001)).astype(dtype)
    many = elementwise.relu(mg.Tensor(x)).data
    few = np.stack([elementwise.relu(mg.Tensor(cells)).data for cells in x])
    assert many.dtype == few.dtype
    np.testing.assert_array_equal(many, few)
    assert np.isnan(elementwise.relu(mg.Tensor(np.full(20_000, np.nan))).data).all()
