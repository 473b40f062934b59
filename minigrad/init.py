"""Initialisers: the numbers a layer's weights start from.

- `fans(shape)`: how many cells feed one output, and how many outputs one cell feeds.
- `zeros`, `ones`, `constant`: no randomness.
- `uniform`, `normal`, `truncated_normal`: a distribution as given.
- `glorot_uniform`, `glorot_normal`: variance 2 / (fan_in + fan_out), for tanh, sigmoid and linear
  layers (Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural
  networks").
- `he_uniform`, `he_normal`: variance 2 / fan_in, for relu (He et al. 2015, "Delving deep into
  rectifiers").
- `lecun_uniform`, `lecun_normal`: variance 1 / fan_in (LeCun et al. 1998, "Efficient BackProp").
- `orthogonal`: orthonormal columns or rows (Saxe et al. 2014, "Exact solutions to the nonlinear
  dynamics of learning in deep linear neural networks").

Every one is called as `initialiser(shape, *, rng=None, dtype=numpy.float32, ...)` and returns a new
NumPy array of exactly that shape and floating dtype. `rng` is a `numpy.random.Generator`; without
one the library's is used (`minigrad.manual_seed`). Numbers are drawn in float64 and then cut to
`dtype`, so one seed means the same network in every dtype. The random ones use plain normal
distributions as PyTorch does; Keras cuts its normal ones at two standard deviations, which
`truncated_normal` does.

Example:
    >>> import numpy as np
    >>> from minigrad import init
    >>> init.fans((3, 3, 16, 32))                       # a 3x3 kernel from 16 to 32 channels, HWIO
    (144, 288)
    >>> kernel = init.he_normal((3, 3, 16, 32), rng=np.random.default_rng(0))
    >>> kernel.shape, str(kernel.dtype)
    ((3, 3, 16, 32), 'float32')
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .engine import Array
from .random import resolve


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out) of weights whose last two axes are (in, out), the others being the window.

    A Dense weight (in, out) has the fans (in, out); a kernel (kh, kw, in, out) has (kh * kw * in,
    kh * kw * out); likewise (k, in, out) in one dimension. In a grouped convolution `in` is the
    number of channels of one group, as in the kernel's shape. Raises ValueError for fewer than two
    axes: a bias has no fans.
    """
    return _fans("fans", shape)


# --- no randomness --------------------------------------------------------------------------------


def zeros(
    shape: Sequence[int],
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """All 0. Takes `rng` so that every initialiser is called alike, and draws nothing from it."""
    return np.zeros(_checked_shape("zeros", shape), _checked_dtype("zeros", dtype))


def ones(
    shape: Sequence[int],
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """All 1. Takes `rng` so that every initialiser is called alike, and draws nothing from it."""
    return np.ones(_checked_shape("ones", shape), _checked_dtype("ones", dtype))


def constant(
    shape: Sequence[int],
    value: float,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """All `value`. Where a layer takes an initialiser: `functools.partial(constant, value=0.1)`."""
    return np.full(_checked_shape("constant", shape), value, _checked_dtype("constant", dtype))


# --- a distribution as given ----------------------------------------------------------------------


def uniform(
    shape: Sequence[int],
    low: float = 0.0,
    high: float = 1.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Evenly between `low` and `high`; ValueError unless both are finite and low <= high."""
    return _uniform("uniform", shape, low, high, rng, dtype)


def normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Normal with this mean and standard deviation; ValueError unless both are finite, std >= 0."""
    return _normal("normal", shape, mean, std, rng, dtype)


def truncated_normal(
    shape: Sequence[int],
    mean: float = 0.0,
    std: float = 1.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Normal, with what lies more than two standard deviations from the mean drawn again.

    This is Keras's rule: the cut moves with `std` (PyTorch's `trunc_normal_` cuts at -2 and 2
    whatever `std` is). `std` is that of the uncut distribution; the result's is 0.8796 times it.
    """
    sizes = _checked_shape("truncated_normal", shape)
    wanted = _checked_dtype("truncated_normal", dtype)
    _check_spread("truncated_normal", mean, std)
    generator = resolve(rng, "truncated_normal")
    values = np.asarray(generator.standard_normal(sizes))
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = generator.standard_normal(np.count_nonzero(outside))
    return np.asarray(mean + std * values, dtype=wanted)


# --- a spread that follows from the fans ----------------------------------------------------------
# The variance of an even spread within +-b is b**2 / 3: that is where 6 and 3 come from below.


def glorot_uniform(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Even within +-gain * sqrt(6 / (fan_in + fan_out)); PyTorch's `xavier_uniform_`."""
    fan_in, fan_out = _positive_fans("glorot_uniform", shape)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return _uniform("glorot_uniform", shape, -bound, bound, rng, dtype)


def glorot_normal(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Standard deviation gain * sqrt(2 / (fan_in + fan_out)); PyTorch's `xavier_normal_`."""
    fan_in, fan_out = _positive_fans("glorot_normal", shape)
    std = gain * math.sqrt(2.0 / (fan_in + fan_out))
    return _normal("glorot_normal", shape, 0.0, std, rng, dtype)


def he_uniform(
    shape: Sequence[int],
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Even within +-sqrt(6 / fan_in); PyTorch's `kaiming_uniform_` for relu."""
    fan_in, _ = _positive_fans("he_uniform", shape)
    bound = math.sqrt(6.0 / fan_in)
    return _uniform("he_uniform", shape, -bound, bound, rng, dtype)


def he_normal(
    shape: Sequence[int],
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Standard deviation sqrt(2 / fan_in); PyTorch's `kaiming_normal_` for relu."""
    fan_in, _ = _positive_fans("he_normal", shape)
    return _normal("he_normal", shape, 0.0, math.sqrt(2.0 / fan_in), rng, dtype)


def lecun_uniform(
    shape: Sequence[int],
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Even within +-sqrt(3 / fan_in)."""
    fan_in, _ = _positive_fans("lecun_uniform", shape)
    bound = math.sqrt(3.0 / fan_in)
    return _uniform("lecun_uniform", shape, -bound, bound, rng, dtype)


def lecun_normal(
    shape: Sequence[int],
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """Standard deviation sqrt(1 / fan_in)."""
    fan_in, _ = _positive_fans("lecun_normal", shape)
    return _normal("lecun_normal", shape, 0.0, math.sqrt(1.0 / fan_in), rng, dtype)


def orthogonal(
    shape: Sequence[int],
    gain: float = 1.0,
    *,
    rng: np.random.Generator | None = None,
    dtype: DTypeLike = np.float32,
) -> Array:
    """`gain` times a random matrix with orthonormal columns, or rows where it is wider than tall.

    A kernel is taken as the matrix it multiplies with, (kh * kw * in, out). The distribution is
    uniform over such matrices (Mezzadri 2007, "How to generate random matrices from the classical
    compact groups").
    """
    _positive_fans("orthogonal", shape)
    sizes, wanted = _checked_shape("orthogonal", shape), _checked_dtype("orthogonal", dtype)
    rows, columns = math.prod(sizes[:-1]), sizes[-1]
    generator = resolve(rng, "orthogonal")
    tall = generator.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    # QR is unique up to the signs of R's diagonal, and LAPACK's choice of them is not random.
    q *= np.copysign(1.0, np.diagonal(r))
    matrix = q if rows >= columns else q.T
    return np.array(gain * matrix.reshape(sizes), dtype=wanted, order="C")


# --- what they share ------------------------------------------------------------------------------


def _checked_shape(caller: str, shape: Sequence[int]) -> tuple[int, ...]:
    if not isinstance(shape, Sequence) or not all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) for size in shape
    ):
        raise TypeError(f"{caller}: shape must be a tuple of integers, got {shape!r}")
    if any(size < 0 for size in shape):
        raise ValueError(f"{caller}: shape must have no negative size, got {tuple(shape)}")
    return tuple(int(size) for size in shape)


def _checked_dtype(caller: str, dtype: DTypeLike) -> np.dtype[Any]:
    wanted: np.dtype[Any] = np.dtype(dtype)
    if not np.issubdtype(wanted, np.floating):
        raise TypeError(f"{caller}: dtype must be a floating one such as float32, got {wanted}")
    return wanted


def _check_spread(caller: str, mean: float, std: float) -> None:
    if not (math.isfinite(mean) and math.isfinite(std) and std >= 0.0):
        raise ValueError(f"{caller}: mean and std must be finite and std >= 0, got {mean}, {std}")


def _uniform(
    caller: str,
    shape: Sequence[int],
    low: float,
    high: float,
    rng: np.random.Generator | None,
    dtype: DTypeLike,
) -> Array:
    sizes, wanted = _checked_shape(caller, shape), _checked_dtype(caller, dtype)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            f"{caller}: low and high must be finite and low <= high, got {low}, {high}"
        )
    return np.asarray(resolve(rng, caller).uniform(low, high, sizes), dtype=wanted)


def _normal(
    caller: str,
    shape: Sequence[int],
    mean: float,
    std: float,
    rng: np.random.Generator | None,
    dtype: DTypeLike,
) -> Array:
    sizes, wanted = _checked_shape(caller, shape), _checked_dtype(caller, dtype)
    _check_spread(caller, mean, std)
    return np.asarray(resolve(rng, caller).normal(mean, std, sizes), dtype=wanted)


def _fans(caller: str, shape: Sequence[int]) -> tuple[int, int]:
    sizes = _checked_shape(caller, shape)
    if len(sizes) < 2:
        raise ValueError(
            f"{caller}: shape must have at least two axes (..., in, out), got {sizes}; "
            "give a bias or a scale `zeros`, `ones`, `constant`, `uniform` or `normal`"
        )
    window = math.prod(sizes[:-2])
    return window * sizes[-2], window * sizes[-1]


def _positive_fans(caller: str, shape: Sequence[int]) -> tuple[int, int]:
    fan_in, fan_out = _fans(caller, shape)
    if fan_in == 0 or fan_out == 0:
        raise ValueError(f"{caller}: every axis must be at least 1, got shape {tuple(shape)}")
    return fan_in, fan_out
