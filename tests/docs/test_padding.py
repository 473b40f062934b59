"""What docs/padding.md says of NumPy and SciPy."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F

SIZES = [(5, 2), (5, 3), (7, 4), (6, 5), (9, 6), (4, 1)]


def correlate(x, kernel, before):
    """The window slides over k - 1 zeros in all, so many of them before the input; by loops."""
    k = len(kernel)
    padded = [0.0] * before + list(x) + [0.0] * (k - 1 - before)
    return [sum(padded[i + j] * kernel[j] for j in range(k)) for i in range(len(x))]


def example(n, k):
    rng = np.random.default_rng(n)
    return rng.normal(size=n), rng.normal(size=k)


# article: M4
@pytest.mark.parametrize("n, k", SIZES)
def test_numpy_has_the_odd_cell_at_the_start(n, k):
    x, kernel = example(n, k)
    expected = correlate(x, kernel, before=len(kernel) // 2)
    np.testing.assert_allclose(np.correlate(x, kernel, "same"), expected)
    np.testing.assert_allclose(np.convolve(x, kernel[::-1], "same"), expected)
    ours = F.conv1d(x.reshape(1, n, 1), kernel.reshape(k, 1, 1), padding=(k // 2, (k - 1) // 2))
    np.testing.assert_allclose(ours.data.ravel(), expected)


# article: M4
@pytest.mark.parametrize("n, k", SIZES)
def test_most_of_scipy_has_it_at_the_start(n, k):
    signal = pytest.importorskip("scipy.signal")
    x, kernel = example(n, k)
    expected = correlate(x, kernel, before=len(kernel) // 2)
    np.testing.assert_allclose(signal.correlate(x, kernel, "same"), expected)
    np.testing.assert_allclose(signal.convolve(x, kernel[::-1], "same"), expected)
    in_two = signal.convolve2d(x[None], kernel[None, ::-1], "same")
    np.testing.assert_allclose(in_two, [expected])
    ndimage = pytest.importorskip("scipy.ndimage")
    np.testing.assert_allclose(ndimage.correlate1d(x, kernel, mode="constant"), expected)


@pytest.mark.parametrize("n, k", SIZES)
def test_two_of_scipy_have_it_at_the_end(n, k):
    signal = pytest.importorskip("scipy.signal")
    ndimage = pytest.importorskip("scipy.ndimage")
    x, kernel = example(n, k)
    expected = correlate(x, kernel, before=(k - 1) // 2)
    np.testing.assert_allclose(signal.correlate2d(x[None], kernel[None], "same"), [expected])
    flipped = ndimage.convolve1d(x, kernel[::-1], mode="constant")
    np.testing.assert_allclose(flipped, expected)


# article: M4
def test_the_numbers_of_the_article():
    x, kernel = np.arange(5.0), np.array([1.0, 10.0])
    assert correlate(x, kernel, before=len(kernel) // 2) == [0, 10, 21, 32, 43]
    assert mg.article.conv(x[None], kernel[None], 1).tolist() == [[10, 21, 32, 43, 4]]


def test_kernels_longer_than_the_input():
    signal = pytest.importorskip("scipy.signal")
    x, kernel = example(3, 5)
    assert np.correlate(x, kernel, "same").shape == (5,)
    assert signal.correlate(x, kernel, "same").shape == (3,)
