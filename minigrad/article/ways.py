"""Ways to compute a convolution that give the same: `convolve`, and `WAYS`, one function each.

What they differ in is how they walk over memory, and how much of it they need; the example program
`ways_to_convolve` measures both. Each takes `(inputs, kernel, stride, mode)` as `conv` does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..conv_arithmetic import IntOrPair
from ..engine import Array
from .functions import conv, conv1, conv_matmul
from .preparation import prepare


def strided(inputs: Any, kernel: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """All windows as one view of the image, without a copy; `tensordot` adds the products up.

    It copies the windows on its way into the matrix product, in one go rather than one by one.
    """
    given = prepare("strided", inputs, kernel, stride, mode)
    down, right = given.stride
    windows = sliding_window_view(given.padded, given.kernel.shape[:2], axis=(0, 1))
    windows = windows[::down, ::right]  # (H', W', C, kh, kw)
    return np.tensordot(windows, given.kernel, axes=((3, 4, 2), (0, 1, 2)))


def matrix(inputs: Any, kernel: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """The flattened image times the matrix of the layer, of which only non-zeros are kept."""
    return conv1(kernel, inputs, stride, mode)


def fft(inputs: Any, kernel: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """A product of spectra, which is a convolution; with one of them conjugated, a correlation.

    It takes the image for periodic. Windows that would reach around its edges are left out at the
    end, those that a stride passes over likewise. Rounding errors are relative to the largest
    product anywhere, and not to the result.

    Raises:
        ValueError: nan or infinity, which would be everywhere in the spectrum.
    """
    given = prepare("fft", inputs, kernel, stride, mode)
    if not (np.isfinite(given.inputs).all() and np.isfinite(given.kernel).all()):
        raise ValueError('fft: inputs and kernel must be finite; use way="im2col"')
    padded, (kh, kw, _), (down, right) = given.padded, given.kernel.shape, given.stride
    height, width, _ = padded.shape
    spectrum = np.fft.rfft2(padded, axes=(0, 1))
    spectrum *= np.fft.rfft2(given.kernel, s=(height, width), axes=(0, 1)).conj()
    outputs = np.fft.irfft2(spectrum.sum(axis=2), s=(height, width))
    return outputs[: height - kh + 1 : down, : width - kw + 1 : right]


def shifts(inputs: Any, kernel: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """For every weight, the whole image shifted to it and multiplied by it; their sum."""
    given = prepare("shifts", inputs, kernel, stride, mode)
    padded, (down, right) = given.padded, given.stride
    height, width = given.out_shape
    outputs = np.zeros(given.out_shape)
    for a, b in np.ndindex(given.kernel.shape[:2]):
        # The cell under weight (a, b) in every window: (H', W', C).
        shifted = padded[a::down, b::right][:height, :width]
        outputs += shifted @ given.kernel[a, b]
    return outputs


WAYS: dict[str, Callable[..., Array]] = {
    "loops": conv,
    "im2col": conv_matmul,
    "strided": strided,
    "matrix": matrix,
    "fft": fft,
    "shifts": shifts,
}


def convolve(
    inputs: Any,
    kernel: Any,
    stride: IntOrPair = 1,
    mode: str = "SAME",
    way: str = "im2col",
    flip: bool = False,
) -> Array:
    """Convolve an image with a kernel in one of six ways, which agree up to rounding.

    Args:
        inputs: one image, (H, W) grey or (H, W, C).
        kernel: (kh, kw) for a grey image, (kh, kw, C) otherwise.
        stride: of the window; an int, or (down, right).
        mode: "FULL", "VALID" or "SAME", in upper or lower case.
        way: "loops", "im2col", "strided", "matrix", "fft" or "shifts"; see `WAYS`.
        flip: turn the kernel upside down and back to front first. That makes it a convolution in
            the mathematical sense; without, it is a cross-correlation, which deep learning calls
            a convolution. The padding is that of the mode either way.

    Returns:
        (H', W') float64.

    Raises:
        ValueError: an unknown way; and what `conv` refuses.
        TypeError: arrays of no real numbers, or a stride that is no integer.

    In one dimension, beside NumPy's function, which flips:

    >>> convolve([[1, 2, 3, 4]], [[1, 10]], mode="FULL", flip=True)
    array([[ 1., 12., 23., 34., 40.]])
    >>> np.convolve([1, 2, 3, 4], [1, 10])
    array([ 1, 12, 23, 34, 40])
    """
    if not isinstance(way, str) or way not in WAYS:
        raise ValueError(f"convolve: way={way!r} is unknown; use one of {', '.join(WAYS)}")
    given = prepare("convolve", inputs, kernel, stride, mode)
    weights = given.kernel[::-1, ::-1] if flip else given.kernel
    return WAYS[way](given.inputs, weights, given.stride, mode)
