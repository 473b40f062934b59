"""Six ways to convolve an image, the library and others beside them: proved equal, then timed.

    python -m examples.ways_to_convolve
    python -m examples.ways_to_convolve --image photo.jpg --size 300x400 --kernel 5x3 --stride 2x1

The image is a picture that the library draws, as large as the article's, and the kernel is the
article's, or the like of it in another size: 0.1 everywhere, and in the middle what makes the sum
0. Nothing is timed unless all results are equal. Then everybody has a turn in every round, each
time another one first, and the medians are printed, beside the article's own figures.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.article import WAYS
from minigrad.article.preparation import Prepared, prepare
from minigrad.equivalence import sparse_conv_matrix
from minigrad.operators.convolution import BLOCK_CELLS
from minigrad.text import readable_bytes, table

from .options import at_least, sizes
from .picture_files import load_picture

Array = np.ndarray[Any, Any]
Competitors = dict[str, Callable[[], Array]]

# Results of float64 arithmetic in another order may differ by this much, relative to the largest
# that could have come out.
TOLERANCE = 1e-12

LARGEST = 10_000_000  # products in one convolution: more would take minutes in loops

ARTICLE_SECONDS = {"loops": 0.7281, "im2col": 0.1511}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 1 for bad input, and if a result is wrong."""
    options = parse(arguments)
    try:
        image = picture(options.image, options.size)
        kernel = like_the_articles(*options.kernel, image.shape[2])
        given = prepare("convolve", image, kernel, options.stride, options.mode)
        check_size(given)
    except (ValueError, OSError) as error:
        print(f"ways_to_convolve: {error}", file=sys.stderr)
        return 1
    shape = "x".join(map(str, image.shape))
    print(f"{shape} image, {kernel.shape[0]}x{kernel.shape[1]} kernel, {options.mode.upper()}")
    describe_matrix(given)
    competitors = {**the_ways(given, options.mode), **the_others(given)}
    if not all_equal(competitors, given):
        return 1
    seconds = take_turns(competitors, options.rounds)
    report(seconds, {name: peak_memory(run) for name, run in competitors.items()}, given)
    beside_the_article(seconds)
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.ways_to_convolve", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--image", metavar="FILE", help="a picture; by default a drawn scene")
    parser.add_argument(
        "--size", type=sizes(1, 2), metavar="HxW", help="of the image; default 220x220, or its own"
    )
    parser.add_argument(
        "--kernel", type=sizes(1, 2), default=(3, 3), metavar="HxW", help="default 3x3"
    )
    parser.add_argument(
        "--stride", type=sizes(1, 2), default=(1, 1), metavar="HxW", help="default 1x1"
    )
    parser.add_argument("--mode", default="SAME", help="SAME, VALID or FULL; default SAME")
    parser.add_argument(
        "--rounds", type=at_least(1), default=5, metavar="N", help="turns of everybody; default 5"
    )
    return parser.parse_args(arguments)


# --- what is convolved ----------------------------------------------------------------------------


def picture(path: str | None, size: tuple[int, int] | None) -> Array:
    """The image in whole numbers from 0 to 255, (H, W, C)."""
    if path is None:
        image = mg.data.scene(*(size or (220, 220)))
    else:
        image = load_picture(path, size=size)
    return np.round(image * 255)


def like_the_articles(kh: int, kw: int, channels: int) -> Array:
    """(kh, kw, channels): 0.1 everywhere, and in the middle what makes every channel's sum 0."""
    weights = np.full((kh, kw), 0.1)
    weights[(kh - 1) // 2, (kw - 1) // 2] -= weights.sum()
    return np.stack([weights] * channels, axis=2)


def products(given: Prepared) -> int:
    """How many there are to add up: every weight once for every window."""
    return int(np.prod(given.out_shape)) * given.kernel.size


def check_size(given: Prepared) -> None:
    """Refuse what would take minutes and gigabytes.

    Raises:
        ValueError: more products than `LARGEST`.
    """
    if products(given) > LARGEST:
        raise ValueError(
            f"an image of shape {given.inputs.shape} and a kernel of shape {given.kernel.shape} "
            f"make {products(given):,} products, more than {LARGEST:,}; give a smaller --size or "
            "--kernel, or a larger --stride"
        )


def layer_matrix(given: Prepared) -> mg.equivalence.SparseConvMatrix:
    """The kernel expanded to the matrix that maps the flattened image."""
    kernel = given.kernel[..., None]
    return sparse_conv_matrix(kernel, given.inputs.shape, given.stride, given.pads)


def describe_matrix(given: Prepared) -> None:
    """Say how large the matrix of this convolution is, and how much of it is zero."""
    matrix = layer_matrix(given)
    inputs, outputs = matrix.shape
    zeros = 1 - len(matrix.triplets) / (inputs * outputs)
    print(
        f"as a dense layer: {outputs:,} x {inputs:,} cells, {len(matrix.triplets):,} of them not "
        f"zero: {100 * zeros:.4g} % zeros, and {given.kernel.size:,} different weights\n"
    )


# --- who convolves --------------------------------------------------------------------------------


def the_ways(given: Prepared, mode: str) -> Competitors:
    """Those of `mg.article`."""
    return {
        name: partial(way, given.inputs, given.kernel, given.stride, mode)
        for name, way in WAYS.items()
    }


def the_others(given: Prepared) -> Competitors:
    """The library's own layer; SciPy and PyTorch, where they are installed. All in float64."""
    others: Competitors = {"minigrad": with_minigrad(given)}
    if importlib.util.find_spec("scipy"):
        others["scipy.signal"] = with_scipy(given)
    if importlib.util.find_spec("torch"):
        others["PyTorch"] = with_torch(given)
    return others


def with_minigrad(given: Prepared) -> Callable[[], Array]:
    """The library's convolution."""
    x, kernel = mg.Tensor(given.inputs[None]), mg.Tensor(given.kernel[..., None])

    def run() -> Array:
        out = mg.functional.conv2d(x, kernel, stride=given.stride, padding=given.pads)
        return out.numpy()[0, ..., 0]

    return run


def with_scipy(given: Prepared) -> Callable[[], Array]:
    """`scipy.signal.correlate`, which chooses between direct sums and FFT. It knows no stride."""
    from scipy import signal

    down, right = given.stride
    padded = given.padded
    return lambda: signal.correlate(padded, given.kernel, mode="valid")[::down, ::right, 0]


def with_torch(given: Prepared) -> Callable[[], Array]:
    """PyTorch's convolution, in its own layout: channels first."""
    import torch

    x = torch.from_numpy(np.ascontiguousarray(given.padded.transpose(2, 0, 1)[None]))
    kernel = torch.from_numpy(np.ascontiguousarray(given.kernel.transpose(2, 0, 1)[None]))

    def run() -> Array:
        with torch.no_grad():
            out: Array = torch.nn.functional.conv2d(x, kernel, stride=given.stride)[0, 0].numpy()
        return out

    return run


# --- are they equal, and how long do they take ----------------------------------------------------


def all_equal(competitors: Competitors, given: Prepared) -> bool:
    """Whether everybody finds what the loops find. It also is everybody's warm-up."""
    expected = competitors["loops"]()
    scale = np.abs(given.inputs).max() * np.abs(given.kernel).sum() or 1.0
    wrong = []
    for name, run in competitors.items():
        result = run()
        if result.shape != expected.shape:
            wrong.append(f"{name} gives a map of {result.shape}, loops one of {expected.shape}")
        elif not np.abs(result - expected).max() <= TOLERANCE * scale:
            error = np.abs(result - expected).max() / scale
            wrong.append(f"{name} differs from loops by {error:.1e} of the largest possible result")
    for line in wrong:
        print(f"ways_to_convolve: {line}; nothing is timed", file=sys.stderr)
    if not wrong:
        print(f"all {len(competitors)} give the same map of {expected.shape}\n")
    return not wrong


def take_turns(competitors: Competitors, rounds: int) -> dict[str, float]:
    """Seconds that each takes, the median of its turns."""
    seconds: dict[str, list[float]] = {name: [] for name in competitors}
    order = list(competitors)
    for turn in range(rounds):
        # Another one begins each time, so that no one always follows the same other.
        first = turn % len(order)
        for name in order[first:] + order[:first]:
            start = perf_counter()
            competitors[name]()
            seconds[name].append(perf_counter() - start)
    return {name: statistics.median(turns) for name, turns in seconds.items()}


def peak_memory(run: Callable[[], Array]) -> int:
    """Bytes that Python and NumPy hold at most during a call, beyond what they held before."""
    tracemalloc.start()
    run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


# --- what is printed ------------------------------------------------------------------------------


def report(seconds: dict[str, float], memory: dict[str, int], given: Prepared) -> None:
    """A row for everybody."""
    numbers = numbers_held(given)
    slowest = seconds["loops"]
    rows = [
        [
            name,
            f"{1000 * time_taken:.2f}",
            f"{slowest / time_taken:.1f}",
            f"{100 * (1 - time_taken / slowest):.1f} %",
            readable_bytes(memory[name]) if name in numbers else "",
            f"{numbers[name]:,}" if name in numbers else "",
        ]
        for name, time_taken in seconds.items()
    ]
    header = ["way", "ms", "times as fast", "less time", "peak memory", "numbers held"]
    print(table(header, rows))
    print(
        f"\nNumbers held: in the largest array that is made; the image has {given.inputs.size:,}. "
        "Of the matrix only non-zeros are kept, each with three indices beside it. minigrad makes "
        f"the rows of im2col in blocks of at most {BLOCK_CELLS:,}."
    )


def numbers_held(given: Prepared) -> dict[str, int]:
    """Of what each makes on its way, the size of the largest array. Of others it is not known."""
    height, width, channels = padded = given.padded.shape
    unfolded = products(given)  # every window in full: (H'*W', kh*kw*C)
    return {
        "loops": int(np.prod(padded)),
        "im2col": unfolded,
        "strided": unfolded,
        "matrix": len(layer_matrix(given).triplets),
        "fft": 2 * height * (width // 2 + 1) * channels,  # a complex number is two
        "shifts": int(np.prod(padded)),
        "minigrad": min(unfolded, BLOCK_CELLS),  # it makes the rows block by block
    }


def beside_the_article(seconds: dict[str, float]) -> None:
    """The article's figures and these, each as a percentage and as a ratio: easily mixed up."""
    print()
    for who, loops, faster in (
        ("im2col in the article", ARTICLE_SECONDS["loops"], ARTICLE_SECONDS["im2col"]),
        ("im2col here", seconds["loops"], seconds["im2col"]),
        ("minigrad's layer here", seconds["loops"], seconds["minigrad"]),
    ):
        print(
            f"{who}: {loops:.4f} s in loops, then {faster:.4f} s, "
            f"{100 * (1 - faster / loops):.0f} % less time, {loops / faster:.1f} times as fast"
        )
    print('80 % less time is 5 times as fast; "80 % faster" would be 1.8 times')


if __name__ == "__main__":
    sys.exit(main())
