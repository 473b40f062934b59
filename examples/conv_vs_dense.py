"""A convolution and the dense layer that it is: counted, checked three ways, pictured.

    python -m examples.conv_vs_dense
    python -m examples.conv_vs_dense --input 12x10x3 --filters 4 --kernel 3x5 --stride 2x1

Prints what the convolution and its dense twin hold and cost; computes outputs and gradients in
plain loops, by im2col, and with the matrix, and says how far apart they are; and writes pictures
into --out. A layer too large to be drawn legibly is drawn on a smaller image, with fewer filters:
the pattern repeats.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import minigrad as mg
from minigrad import nn, viz
from minigrad.conv_arithmetic import resolve_padding
from minigrad.equivalence import (
    SparseConvMatrix,
    compare_conv_dense,
    conv_matrix,
    sparse_conv_matrix,
)
from minigrad.text import table

from .options import at_least, padding, sizes

Array = np.ndarray
Results = dict[str, Array]

# Results of float64 arithmetic in another order may differ by this much, relative to the largest.
TOLERANCE = 1e-12

# A picture of the matrix is legible up to about so many rows and columns.
LEGIBLE_CELLS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    rng = np.random.default_rng(options.seed)
    height, width, channels = options.input
    try:
        conv = nn.Conv2D(
            channels,
            options.filters,
            options.kernel,
            stride=options.stride,
            padding=options.padding,
            rng=rng,
        )
        print(f"{conv} on {height}x{width}x{channels} images\n")
        compare_conv_dense(conv, options.input)
    except ValueError as error:
        print(f"conv_vs_dense: {error}", file=sys.stderr)
        return 1
    agree = check_three_ways(conv, options.input, rng)
    write_pictures(conv, options.input, Path(options.out))
    return 0 if agree else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.conv_vs_dense", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--input", type=sizes(3), default=(28, 28, 1), metavar="HxWxC", help="default 28x28x1"
    )
    parser.add_argument("--filters", type=int, default=8, metavar="F", help="default 8")
    parser.add_argument(
        "--kernel", type=sizes(1, 2), default=(3, 3), metavar="HxW", help="default 3x3"
    )
    parser.add_argument(
        "--stride", type=sizes(1, 2), default=(1, 1), metavar="HxW", help="default 1x1"
    )
    parser.add_argument(
        "--padding",
        type=padding,
        default="SAME",
        help="SAME, VALID, FULL, or cells as 1, 1x2 or top,bottom,left,right",
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="of weights and images; default 0"
    )
    parser.add_argument("--out", default="runs/conv_vs_dense", help="folder for the pictures")
    return parser.parse_args(arguments)


# --- one convolution, three ways ------------------------------------------------------------------


def check_three_ways(
    conv: nn.Conv2D, input_shape: tuple[int, int, int], rng: np.random.Generator
) -> bool:
    """Compute outputs and gradients in three ways; print how far apart they are. Do they agree?

    In two ways, if the matrix would be too large.
    In float64, of two random images, with a random gradient of the output.
    """
    conv = conv.astype(np.float64)  # type: ignore[assignment]
    images = rng.standard_normal((2, *input_shape))
    gradient = rng.standard_normal(conv(images).shape)
    expected = with_loops(conv, images, gradient)
    ways = {"im2col": with_im2col(conv, images, gradient)}
    matrix_results = with_matrix(conv, images, gradient)
    if matrix_results is not None:
        ways["matrix"] = matrix_results
    errors = {
        way: [
            float(np.abs(results[what] - expected[what]).max() / np.abs(expected[what]).max())
            for what in expected
        ]
        for way, results in ways.items()
    }
    print()
    rows = [[way, *(f"{error:.1e}" for error in of_way)] for way, of_way in errors.items()]
    print(table(["distance from loops", *expected], rows))
    agree = max(map(max, errors.values())) < TOLERANCE
    count = "two" if matrix_results is None else "three"
    print(f"the {count} ways agree" if agree else f"they differ by more than {TOLERANCE}")
    return agree


def with_loops(conv: nn.Conv2D, images: Array, gradient: Array) -> Results:
    """Window by window, weight by weight; the gradients go the same way back."""
    kernel = conv.kernel.data
    kh, kw, _, _ = kernel.shape
    (top, bottom), (left, right) = resolve_padding(conv.padding, conv.kernel_size)
    padded = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)))
    output = np.zeros(gradient.shape)
    to_padded, to_kernel = np.zeros(padded.shape), np.zeros(kernel.shape)
    for i in range(output.shape[1]):
        for j in range(output.shape[2]):
            for a in range(kh):
                for b in range(kw):
                    cell = (slice(None), i * conv.stride[0] + a, j * conv.stride[1] + b)
                    # (N, C) @ (C, F) -> (N, F), and back
                    output[:, i, j] += padded[cell] @ kernel[a, b]
                    to_padded[cell] += gradient[:, i, j] @ kernel[a, b].T
                    to_kernel[a, b] += padded[cell].T @ gradient[:, i, j]
    height, width = images.shape[1:3]
    return {
        "output": output,
        "input gradient": to_padded[:, top : top + height, left : left + width],
        "kernel gradient": to_kernel,
    }


def with_im2col(conv: nn.Conv2D, images: Array, gradient: Array) -> Results:
    """As the library does it: windows as rows, times the kernel, and its gradients."""
    x = mg.Tensor(images, requires_grad=True)
    output = mg.functional.conv2d(x, conv.kernel, stride=conv.stride, padding=conv.padding)
    return with_gradients(output, x, conv.kernel, gradient)


def with_matrix(conv: nn.Conv2D, images: Array, gradient: Array) -> Results | None:
    """As a dense layer: the flattened images times the matrix; if it is large, its non-zeros.

    None, with a line that says why, if even these are more than the library's memory limit.
    """
    x = mg.Tensor(images, requires_grad=True)
    flat = x.reshape(len(images), -1)
    arguments = (conv.kernel, images.shape[1:], conv.stride, conv.padding)
    matrix: mg.Tensor | SparseConvMatrix
    try:
        matrix = conv_matrix(*arguments)
    except ValueError:  # more than its memory limit
        try:
            matrix = sparse_conv_matrix(*arguments)
        except ValueError as error:
            print(f"\nthe matrix way is left out: {error}")
            return None
        print("\nthe whole matrix would be too large; its non-zeros are used")
    output = flat @ matrix
    return with_gradients(output.reshape(*gradient.shape), x, conv.kernel, gradient)


def with_gradients(output: mg.Tensor, x: mg.Tensor, kernel: mg.Tensor, gradient: Array) -> Results:
    """The output and what the engine derives from it."""
    to_input, to_kernel = mg.grad(output, [x, kernel], gradient)
    return {
        "output": output.data,
        "input gradient": to_input.data,
        "kernel gradient": to_kernel.data,
    }


# --- pictures -------------------------------------------------------------------------------------


def write_pictures(conv: nn.Conv2D, input_shape: tuple[int, int, int], out: Path) -> None:
    """Draw the layer in five ways; one that cannot be drawn legibly says why instead."""
    out.mkdir(parents=True, exist_ok=True)
    small_conv, small_shape = legible(conv, input_shape)
    print(f"\npictures in {out}/")
    if small_shape != input_shape or small_conv is not conv:
        size = "x".join(map(str, small_shape))
        print(f"  drawn smaller, as the pattern repeats: {small_conv} on {size} images")
    for name, draw, layer, shape in (
        ("matrix", viz.matrix_figure, small_conv, small_shape),
        ("im2col", viz.im2col_figure, small_conv, small_shape),
        ("one_output_cell", viz.trace_figure, small_conv, small_shape),
        ("tied_gradient", viz.tied_gradient_figure, small_conv, small_shape),
        ("growth", viz.parameter_growth_figure, conv, input_shape),
    ):
        path = out / f"{name}.png"
        try:
            draw(layer, shape, path)
        except ValueError as error:
            print(f"  no {path.name}: {error}")
        else:
            print(f"  {path.name}")


def legible(
    conv: nn.Conv2D, input_shape: tuple[int, int, int]
) -> tuple[nn.Conv2D, tuple[int, int, int]]:
    """The layer, or as much of it as can be drawn: some filters and channels, a smaller image."""
    pads = resolve_padding(conv.padding, conv.kernel_size)
    sizes = dict(zip(("height", "width", "channels"), input_shape), filters=conv.out_channels)
    # Below these the picture would no longer show what the layer does.
    least = {
        "height": conv.kernel_size[0] + conv.stride[0],
        "width": conv.kernel_size[1] + conv.stride[1],
        "channels": 2,
        "filters": 2,
    }

    def matrix_side() -> int:
        rows, columns = (
            (sizes[axis] + sum(pad) - kernel) // stride + 1
            for axis, pad, kernel, stride in zip(
                ("height", "width"), pads, conv.kernel_size, conv.stride
            )
        )
        image = sizes["height"] * sizes["width"] * sizes["channels"]
        return max(image, rows * columns * sizes["filters"])

    while matrix_side() > LEGIBLE_CELLS:
        largest = max(sizes, key=lambda name: sizes[name] / least[name])
        if sizes[largest] <= least[largest]:
            break
        sizes[largest] -= 1
    shape = (sizes["height"], sizes["width"], sizes["channels"])
    if shape == input_shape and sizes["filters"] == conv.out_channels:
        return conv, input_shape
    part = nn.Conv2D(
        sizes["channels"],
        sizes["filters"],
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
    )
    part.kernel.data[...] = conv.kernel.data[:, :, : sizes["channels"], : sizes["filters"]]
    return part, shape


if __name__ == "__main__":
    sys.exit(main())
