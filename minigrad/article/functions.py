"""The article's functions, to hold beside the article's code.

- `conv`: slides the window over the image.
- `conv_matmul`, `conv2`: unfolds the image, so that one matrix product does the same.
- `conv1`: expands the kernel instead, to the matrix of a dense layer.
- `from_image`, `to_image`: picture files.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..conv_arithmetic import IntOrPair
from ..data import load_image, save_image
from ..engine import Array, as_array
from ..equivalence import sparse_conv_matrix
from .preparation import prepare


def conv(inputs: Any, kernel: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """Slide a window over an image: multiply, add up, move on.

    The kernel is not flipped, as everywhere in deep learning; `convolve` can flip it.

    Args:
        inputs: one image, (H, W) grey or (H, W, C).
        kernel: (kh, kw) for a grey image, (kh, kw, C) otherwise; the channels are added up.
        stride: of the window; an int, or (down, right).
        mode: "FULL", "VALID" or "SAME", in upper or lower case; see `get_padding`.

    Returns:
        (H', W') float64, with H' = floor((H + top + bottom - kh) / stride) + 1, W' likewise.

    Raises:
        ValueError: no image or no kernel, channels that differ, an unknown mode, a stride below 1,
            or a kernel larger than the padded image.
        TypeError: arrays of no real numbers, or a stride that is no integer.

    >>> conv(np.arange(20).reshape(4, 5), np.array([[1, 0, -1]]), stride=(3, 1), mode="valid")
    array([[-2., -2., -2.],
           [-2., -2., -2.]])
    """
    given = prepare("conv", inputs, kernel, stride, mode)
    padded, (kh, kw, _), (down, right) = given.padded, given.kernel.shape, given.stride
    outputs = np.empty(given.out_shape)
    for r, c in np.ndindex(given.out_shape):
        y, x = r * down, c * right
        outputs[r, c] = np.sum(padded[y : y + kh, x : x + kw] * given.kernel)
    return outputs


def conv_matmul(inputs: Any, kernel: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """`conv` as one matrix product: the flattened kernel times the unfolded image ("im2col").

    Every window becomes a column: (1, kh*kw*C) times (kh*kw*C, H'*W'). The unfolded image holds
    every cell once for each window that sees it, at stride 1 about kh*kw times.

    Arguments, result and errors as of `conv`.

    >>> conv_matmul(np.arange(20).reshape(4, 5), np.array([[1, 0, -1]]), (3, 1), mode="VALID")
    array([[-2., -2., -2.],
           [-2., -2., -2.]])
    """
    given = prepare("conv_matmul", inputs, kernel, stride, mode)
    padded, (kh, kw, _), (down, right) = given.padded, given.kernel.shape, given.stride
    windows = []
    for r, c in np.ndindex(given.out_shape):
        y, x = r * down, c * right
        windows.append(padded[y : y + kh, x : x + kw].ravel())
    unfolded = np.array(windows).T  # (kh*kw*C, H'*W'): a window per column
    return (given.kernel.reshape(1, -1) @ unfolded).reshape(given.out_shape)


def conv1(kernel: Any, inputs: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """`conv` as a dense layer: the kernel expanded to a matrix, times the flattened image.

    The matrix maps the image itself, without its padding: a weight that meets padding has no place
    in it. Almost all of it is zero, so only the other cells are kept, 32 bytes each, at most
    kh*kw*C for every cell of the output; `mg.equivalence.conv_matrix` makes the whole of it.

    Arguments, in another order, result and errors as of `conv`.

    Raises:
        ValueError: also if the non-zeros take more than a GiB.

    >>> conv1(np.array([[1, 0, -1]]), np.arange(20).reshape(4, 5), stride=(3, 1), mode="VALID")
    array([[-2., -2., -2.],
           [-2., -2., -2.]])
    """
    given = prepare("conv1", inputs, kernel, stride, mode)
    # (H*W*C, H'*W'); the article draws its transpose, and multiplies from the left.
    matrix = sparse_conv_matrix(
        given.kernel[..., None], given.inputs.shape, given.stride, given.pads
    )
    return (given.inputs.reshape(1, -1) @ matrix).numpy().reshape(given.out_shape)


def conv2(kernel: Any, inputs: Any, stride: IntOrPair, mode: str = "SAME") -> Array:
    """`conv_matmul` with the arguments in the order of `conv1`.

    >>> conv2(np.array([[1, 0, -1]]), np.arange(20).reshape(4, 5), stride=(3, 1), mode="VALID")
    array([[-2., -2., -2.],
           [-2., -2., -2.]])
    """
    return conv_matmul(inputs, kernel, stride, mode)


def from_image(path: str | os.PathLike[str]) -> Array:
    """A picture file as whole numbers.

    Args:
        path: of the file; everything that `load_image` reads, and converted as there.

    Returns:
        (H, W, 3), or (H, W, 1) for a grey picture; int32 from 0 (black) to 255.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no picture, or damaged.
    """
    return np.round(load_image(path) * 255).astype(np.int32)


def to_image(
    array: Any, grey: bool = False, save_path: str | os.PathLike[str] | None = None
) -> Array:
    """Numbers as a picture; those below 0 or above 255 never wrap around.

    Of a picture they are clipped, to black or to full brightness. A map of one channel, what a
    convolution returns, is rescaled where it holds such numbers, so that all of it can be seen:
    the smallest number, or 0 if that is smaller, becomes black, the largest, or 255, white.

    Args:
        array: (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA; 0 is black, 255 full brightness.
        grey: the array is a map, (H, W) or (H, W, 1); rescale it rather than clip.
        save_path: write a file, too; its ending chooses the format, and an existing file is
            replaced once the new one is complete.

    Returns:
        The picture, uint8 of the array's shape.

    Raises:
        ValueError: another shape, an empty array, nan or infinity, or an ending that names no
            format.
        TypeError: an array of no real numbers.

    >>> to_image([[-1.0, 100.0, 300.0]]), to_image([[-245.0, 0.0, 255.0]], grey=True)
    (array([[  0, 100, 255]], dtype=uint8), array([[  0, 125, 255]], dtype=uint8))
    """
    values = as_array("to_image: array", array)
    shape = values.shape
    channels = (1,) if grey else (1, 3, 4)
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in channels)) or 0 in shape:
        raise ValueError(
            f"to_image: array of shape {shape} must be (H, W) or (H, W, "
            f"{'1) with grey=True' if grey else '1, 3 or 4)'}, and not empty"
        )
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("to_image: the array holds nan or infinity, which is no brightness")
    if grey:
        black, white = min(0.0, values.min()), max(255.0, values.max())
        # Halved before they are subtracted: the whole range may be more than the largest number.
        values = (values / 2 - black / 2) / (white / 2 - black / 2) * 255
    picture: Array = np.round(np.clip(values, 0, 255)).astype(np.uint8)
    if save_path is not None:
        save_image(save_path, picture)
    return picture
