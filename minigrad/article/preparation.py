"""What comes before every convolution: `get_padding`, and `prepare`, which checks and pads."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..conv_arithmetic import IntOrPair, Pads, Pair, output_shape, pair, resolve_padding
from ..engine import Array, as_array

MODES = ("FULL", "VALID", "SAME")


class Prepared(NamedTuple):
    """What one convolution works with, checked.

    Attributes:
        inputs: (H, W, C) float64; a grey image has one channel.
        kernel: (kh, kw, C) float64.
        stride: of the window, (down, right).
        pads: ((top, bottom), (left, right)).
        out_shape: of the map, (H', W').
    """

    inputs: Array
    kernel: Array
    stride: Pair
    pads: Pads
    out_shape: Pair

    @property
    def padded(self) -> Array:
        """The inputs with zeros around them: (H + top + bottom, W + left + right, C)."""
        return np.pad(self.inputs, (*self.pads, (0, 0)))


def get_padding(inputs: Any, ks: IntOrPair, mode: str = "SAME") -> list[int]:
    """How many cells of padding a mode adds on each side of an image.

    FULL adds k-1 on each side, VALID none, and SAME k-1 in all, the odd one after. None of them
    depends on the size of the image or on the stride; the image only says whether the kernel fits.

    Args:
        inputs: the image, (H, W) or (H, W, C).
        ks: the kernel's size, (kh, kw), or an int for both.
        mode: "FULL", "VALID" or "SAME", in upper or lower case.

    Returns:
        [top, left, bottom, right]: before the first axis, before the second, after the first, after
        the second.

    Raises:
        ValueError: an unknown mode, no image, or VALID and a kernel larger than the image.
        TypeError: a size that is no integer, or an array of no real numbers.

    >>> image = np.zeros((5, 6))
    >>> [get_padding(image, (3, 4), mode) for mode in ("FULL", "VALID", "SAME")]
    [[2, 3, 2, 3], [0, 0, 0, 0], [1, 1, 1, 2]]
    """
    image = _three_axes("get_padding", "inputs", "image (H, W) or (H, W, C)", inputs)
    kernel_size = pair(ks, "ks", where="get_padding")
    (top, bottom), (left, right) = pads = _pads("get_padding", kernel_size, mode)
    output_shape(image.shape[:2], kernel_size, (1, 1), pads, where="get_padding")
    return [top, left, bottom, right]


def prepare(where: str, inputs: Any, kernel: Any, stride: IntOrPair, mode: str) -> Prepared:
    """Check the arguments of a convolution; `where` is the function that errors speak of.

    Raises:
        ValueError: no image or no kernel, channels that differ, an unknown mode, a stride below 1,
            or a kernel that does not fit the padded image.
        TypeError: arrays of no real numbers, or a stride that is no integer.
    """
    image = _three_axes(where, "inputs", "image (H, W) or (H, W, C)", inputs)
    weights = _three_axes(where, "kernel", "kernel (kh, kw) or (kh, kw, C)", kernel)
    if weights.shape[2] != image.shape[2]:
        raise ValueError(
            f"{where}: kernel of shape {np.shape(kernel)} and inputs of shape {np.shape(inputs)} "
            f"differ in channels, {weights.shape[2]} and {image.shape[2]}; np.stack([kernel] * "
            "channels, axis=2) gives every channel the same weights, inputs.mean(axis=2) makes the "
            "image grey"
        )
    strides = pair(stride, "stride", where=where)
    pads = _pads(where, weights.shape[:2], mode)
    out_shape = output_shape(image.shape[:2], weights.shape[:2], strides, pads, where=where)
    return Prepared(image, weights, strides, pads, out_shape)


def _pads(where: str, kernel_size: Pair, mode: str) -> Pads:
    """((top, bottom), (left, right)) of a mode."""
    if not isinstance(mode, str) or mode.upper() not in MODES:
        raise ValueError(
            f'{where}: mode={mode!r} is unknown; use "FULL", "VALID" or "SAME" (upper or lower '
            "case)"
        )
    return resolve_padding(mode, kernel_size, where=where)


def _three_axes(where: str, name: str, expected: str, values: Any) -> Array:
    """The array in float64 and with a channel axis; (H, W) -> (H, W, 1)."""
    array = as_array(f"{where}: {name}", values)
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(
            f"{where}: {name} of shape {array.shape} must be one {expected}, and not empty"
            + ("; F.conv2d takes batches and several kernels" if array.ndim == 4 else "")
        )
    return np.atleast_3d(array).astype(np.float64, copy=False)
