"""Arrays that lie in different orders in memory: the same numbers, in the order of one of them."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.operators import elementwise
from minigrad.operators.linear import axes_in_memory, in_order_of


@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (6, 11, 13, 7)], ids=["few cells", "many cells"])
def test_a_gradient_in_the_order_of_dense_layers_meets_images(shape):
    """(N, H, W, C) beside memory of (C, H, W, N), on both sides of the size that is looked at."""
    rng = np.random.default_rng(0)
    gradient = rng.standard_normal(shape)
    images = rng.standard_normal(shape[::-1]).transpose(3, 2, 1, 0)
    out = elementwise.where_positive(mg.Tensor(gradient), mg.Tensor(images))
    np.testing.assert_array_equal(out.data, np.where(images > 0, gradient, 0))
    assert axes_in_memory(out.data) == axes_in_memory(images) == [3, 2, 1, 0]


def test_only_what_lies_in_another_order_is_copied():
    x = np.arange(24.0).reshape(2, 1, 3, 4)
    assert in_order_of(np.ones((2, 1, 3, 4)), x) is x
    reference = np.ones((4, 3, 2)).transpose(2, 1, 0)[:, None]  # (2, 1, 3, 4), the other way round
    copy = in_order_of(reference, x)
    np.testing.assert_array_equal(copy, x)
    assert axes_in_memory(copy) == axes_in_memory(reference) == [3, 2, 0]
