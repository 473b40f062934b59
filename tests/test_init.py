"""Initialisers: exact fans, and distributions within what chance allows.

The statistical tests draw n numbers with a fixed seed and allow five standard errors: an estimate
that is right lies outside with a probability of 6e-7, and never with this seed.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from minigrad import init
from minigrad import random as library_random

Array = np.ndarray[Any, Any]
Initialiser = Callable[..., Array]

CONSTANT: dict[str, Initialiser] = {
    "zeros": init.zeros,
    "ones": init.ones,
    "constant": functools.partial(init.constant, value=0.3),
}
RANDOM: dict[str, Initialiser] = {
    "uniform": init.uniform,
    "normal": init.normal,
    "truncated_normal": init.truncated_normal,
    "glorot_uniform": init.glorot_uniform,
    "glorot_normal": init.glorot_normal,
    "he_uniform": init.he_uniform,
    "he_normal": init.he_normal,
    "lecun_uniform": init.lecun_uniform,
    "lecun_normal": init.lecun_normal,
    "orthogonal": init.orthogonal,
}
EVERY = CONSTANT | RANDOM
WITH_FANS = [name for name in RANDOM if name.startswith(("glorot", "he", "lecun", "orthogonal"))]

KERNEL = (3, 5, 16, 32)  # fans: 3 * 5 * 16 = 240 and 3 * 5 * 32 = 480; 7,680 numbers
STANDARD_ERRORS = 5


# --- fans -----------------------------------------------------------------------------------------


# article: L1
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((784, 128), (784, 128)),
        ((7, 3, 5), (21, 35)),
        ((3, 3, 16, 32), (144, 288)),
        ((5, 2, 3, 7), (30, 70)),
        ((1, 1, 6, 4), (6, 4)),
        ((3, 3, 1, 8), (9, 72)),  # 8 channels in 8 groups: one of them feeds an output
        ((2, 3, 4, 5, 6), (120, 144)),
        ([4, 9], (4, 9)),
        ((np.int64(4), np.int64(9)), (4, 9)),
    ],
)
def test_fans(shape: Any, expected: tuple[int, int]) -> None:
    assert init.fans(shape) == expected


@pytest.mark.parametrize("shape", [(), (5,)])
@pytest.mark.parametrize("name", ["fans", *WITH_FANS])
def test_fewer_than_two_axes_have_no_fans(name: str, shape: tuple[int, ...]) -> None:
    function = init.fans if name == "fans" else RANDOM[name]
    with pytest.raises(
        ValueError, match=rf"^{name}: shape .*two axes.*got \({'5,' * len(shape)}\)"
    ):
        function(shape)


# --- what all of them promise ---------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, "float64"])
def test_shape_and_dtype(name: str, dtype: Any) -> None:
    array = EVERY[name]((2, 3, 5, 4), rng=np.random.default_rng(0), dtype=dtype)
    assert type(array) is np.ndarray
    assert array.shape == (2, 3, 5, 4)
    assert array.dtype == np.dtype(dtype)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert EVERY[name]([4, 7], rng=np.random.default_rng(0)).dtype == np.float32


@pytest.mark.parametrize("name", RANDOM)
def test_one_seed_means_the_same_numbers_in_every_dtype(name: str) -> None:
    double, single = (
        RANDOM[name](KERNEL, rng=np.random.default_rng(1), dtype=dtype)
        for dtype in (np.float64, np.float32)
    )
    np.testing.assert_array_equal(single, double.astype(np.float32))
    assert (double != single).any(), "float64 numbers must not be cut to float32"


@pytest.mark.parametrize("name", RANDOM)
def test_draws_move_on(name: str) -> None:
    rng = np.random.default_rng(2)
    first, second = (RANDOM[name]((6, 5), rng=rng) for _ in range(2))
    assert (first != second).all()


@pytest.mark.parametrize("name", RANDOM)
def test_without_rng_the_librarys_generator_is_used(name: str) -> None:
    before = library_random.get_state()
    try:
        library_random.manual_seed(3)
        drawn = RANDOM[name]((6, 5))
    finally:
        library_random.set_state(before)
    np.testing.assert_array_equal(drawn, RANDOM[name]((6, 5), rng=np.random.default_rng(3)))


@pytest.mark.parametrize("name", [name for name in EVERY if name not in WITH_FANS])
@pytest.mark.parametrize("shape", [(), (5,), (0, 3)])
def test_shapes_without_fans_are_fine_where_none_are_needed(
    name: str, shape: tuple[int, ...]
) -> None:
    array = EVERY[name](shape, rng=np.random.default_rng(4))
    assert type(array) is np.ndarray
    assert array.shape == shape
    assert array.dtype == np.float32


@pytest.mark.parametrize(("name", "value"), [("zeros", 0.0), ("ones", 1.0), ("constant", 0.3)])
def test_constants(name: str, value: float) -> None:
    rng = np.random.default_rng(5)
    state = rng.bit_generator.state
    assert (EVERY[name]((3, 4), rng=rng, dtype=np.float64) == value).all()
    assert rng.bit_generator.state == state, "nothing is drawn"


# --- distributions --------------------------------------------------------------------------------


def check_moments(values: Array, mean: float, variance: float, kurtosis: float) -> None:
    """Mean and variance within five standard errors of theirs.

    The variance of n numbers' mean is variance / n, that of their mean squared deviation
    (kurtosis - 1) * variance**2 / n.
    """
    n = values.size
    deviation = values.astype(float) - mean
    assert abs(deviation.mean()) < STANDARD_ERRORS * math.sqrt(variance / n)
    error = variance * math.sqrt((kurtosis - 1) / n)
    assert abs((deviation**2).mean() - variance) < STANDARD_ERRORS * error


UNIFORM_KURTOSIS = 1.8
NORMAL_KURTOSIS = 3.0


@pytest.mark.parametrize(
    ("initialise", "bound"),
    [
        (init.glorot_uniform, math.sqrt(6 / 720)),
        (functools.partial(init.glorot_uniform, gain=1.5), 1.5 * math.sqrt(6 / 720)),
        (init.he_uniform, math.sqrt(6 / 240)),
        (init.lecun_uniform, math.sqrt(3 / 240)),
        (functools.partial(init.uniform, low=-0.25, high=0.25), 0.25),
    ],
    ids=["glorot", "glorot gain", "he", "lecun", "uniform"],
)
def test_even_spreads(initialise: Initialiser, bound: float) -> None:
    values = initialise(KERNEL, rng=np.random.default_rng(6))
    check_moments(values, 0.0, bound**2 / 3, UNIFORM_KURTOSIS)
    # Float32 may round up to the bound itself. All n numbers miss the outermost 5/n of either side
    # with a probability of about exp(-5).
    outermost = bound * (1 - 2 * 5 / values.size)
    assert outermost < values.max() <= np.float32(bound)
    assert -outermost > values.min() >= -np.float32(bound)


@pytest.mark.parametrize(
    ("initialise", "std"),
    [
        (init.glorot_normal, math.sqrt(2 / 720)),
        (functools.partial(init.glorot_normal, gain=0.5), 0.5 * math.sqrt(2 / 720)),
        (init.he_normal, math.sqrt(2 / 240)),
        (init.lecun_normal, math.sqrt(1 / 240)),
        (functools.partial(init.normal, std=0.02), 0.02),
    ],
    ids=["glorot", "glorot gain", "he", "lecun", "normal"],
)
def test_normal_spreads(initialise: Initialiser, std: float) -> None:
    values = initialise(KERNEL, rng=np.random.default_rng(7))
    check_moments(values, 0.0, std**2, NORMAL_KURTOSIS)
    # 4.55 % of a normal distribution lie beyond two standard deviations; of an even one, none.
    share, expected = (np.abs(values) > 2 * std).mean(), math.erfc(math.sqrt(2))
    assert abs(share - expected) < STANDARD_ERRORS * math.sqrt(expected / values.size)


def test_given_mean_and_limits() -> None:
    values = init.normal(KERNEL, mean=3.0, std=0.5, rng=np.random.default_rng(8))
    check_moments(values, 3.0, 0.25, NORMAL_KURTOSIS)
    values = init.uniform(KERNEL, low=2.0, high=5.0, rng=np.random.default_rng(8))
    check_moments(values, 3.5, 9 / 12, UNIFORM_KURTOSIS)
    assert (init.uniform((3, 4), low=2.0, high=2.0) == 2.0).all()
    assert (init.normal((3, 4), mean=2.0, std=0.0) == 2.0).all()


def test_truncated_normal() -> None:
    mean, std = 1.5, 0.3
    values = init.truncated_normal(KERNEL, mean, std, rng=np.random.default_rng(9))
    deviation = values.astype(float) - mean
    assert np.abs(deviation).max() <= 2 * std * (1 + 1e-6)
    # Cut at c = 2: E[z**2] = 1 - 2 c phi(c) / P and E[z**4] = 3 - 2 (c**3 + 3 c) phi(c) / P, with
    # phi the normal density and P the probability of what is left (integration by parts).
    density, left = math.exp(-2.0) / math.sqrt(2 * math.pi), math.erf(math.sqrt(2))
    second = 1 - 4 * density / left
    fourth = 3 - 28 * density / left
    assert math.isclose(math.sqrt(second), 0.8796, abs_tol=5e-5)  # as the docstring says
    check_moments(values, mean, std**2 * second, fourth / second**2)


@pytest.mark.parametrize("shape", [(12, 5), (5, 12), (3, 2, 4, 7), (2, 1, 3, 11), (6, 6)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    gain = 1.25
    array = init.orthogonal(shape, gain, rng=np.random.default_rng(10), dtype=np.float64)
    matrix = array.reshape(-1, shape[-1])
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    expected = gain**2 * np.eye(matrix.shape[1])
    np.testing.assert_allclose(matrix.T @ matrix, expected, rtol=0, atol=1e-14)


def test_orthogonal_signs_are_random() -> None:
    """QR alone returns R with a diagonal of one sign, so that Q's trace is biased."""
    rng = np.random.default_rng(11)
    draws = 2000
    positive = sum(init.orthogonal((1, 1), rng=rng).item() > 0 for _ in range(draws))
    assert abs(positive - draws / 2) < STANDARD_ERRORS * math.sqrt(draws) / 2
    # Of a random orthogonal matrix every entry has mean 0 and variance 1/n.
    corners = np.array([init.orthogonal((3, 3), rng=rng)[0, 0] for _ in range(draws)])
    assert abs(corners.mean()) < STANDARD_ERRORS * math.sqrt(1 / 3 / draws)


# --- bad arguments --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_bad_shapes_are_refused(name: str) -> None:
    for shape in (3, 2.5, "ab", (3.0, 4), (True, 4), None):
        with pytest.raises(TypeError, match=f"^{name}: shape must be a tuple of integers, got"):
            EVERY[name](shape)
    with pytest.raises(ValueError, match=rf"^{name}: .*no negative size, got \(3, -1\)"):
        EVERY[name]((3, -1))


@pytest.mark.parametrize("name", WITH_FANS)
def test_zero_fans_are_refused(name: str) -> None:
    for shape in ((0, 3), (3, 0), (0, 3, 4, 5)):
        with pytest.raises(ValueError, match=rf"^{name}: every axis .*at least 1, got shape \("):
            RANDOM[name](shape)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("dtype", [np.int64, bool, np.complex64])
def test_other_than_floating_dtypes_are_refused(name: str, dtype: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: dtype .*floating.*got {np.dtype(dtype)}"):
        EVERY[name]((3, 4), dtype=dtype)


@pytest.mark.parametrize("name", RANDOM)
def test_what_is_no_generator_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}: rng must be a .*Generator or None, got 3"):
        RANDOM[name]((3, 4), rng=3)


@pytest.mark.parametrize(
    ("initialise", "message"),
    [
        (
            functools.partial(init.uniform, low=2.0, high=1.0),
            r"uniform: .*low <= high, got 2\.0, 1",
        ),
        (functools.partial(init.uniform, high=math.inf), "uniform: .*finite.*inf"),
        (functools.partial(init.normal, std=-1.0), r"normal: .*std >= 0, got 0\.0, -1\.0"),
        (functools.partial(init.normal, mean=math.nan), "normal: .*finite.*nan"),
        (functools.partial(init.truncated_normal, std=math.inf), "truncated_normal: .*finite.*inf"),
    ],
)
def test_impossible_distributions_are_refused(initialise: Initialiser, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        initialise((3, 4))
