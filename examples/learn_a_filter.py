"""A filter, found by looking: a kernel learned from a picture and its filtered copy.

    python -m examples.learn_a_filter                     # Sobel's kernel, from a drawn scene
    python -m examples.learn_a_filter --filter emboss
    python -m examples.learn_a_filter --input constant    # from which it cannot be found

Nobody tells the convolution what the kernel is. It begins with random weights, sees the picture and
what should come out, and moves its weights against the gradient of the mean squared error. Prints
the learned kernel beside the true one. Writes into --out: kernels.png, the kernel before and after
learning, and learning.gif.

The picture must show enough for that. What comes out is a sum of nine copies of the picture, each
moved by some cells and times a weight: the columns of im2col. If one of them is a mixture of the
others, its weight can be shared out among theirs, and nothing changes. So a kernel can be
found if and only if the columns are independent: if the rank of im2col is the number of weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import data, nn, optim, viz
from minigrad import functional as F
from minigrad.article import FILTERS
from minigrad.text import table
from minigrad.viz.filters import sums_to_zero

from .options import at_least

Array = np.ndarray[Any, Any]

HEIGHT, WIDTH = 120, 160  # of the picture
INPUTS = ("scene", "noise", "ramp", "constant")
FOUND = 1e-3  # the largest error of a weight at which a kernel counts as found

# Neighbours in a picture are alike, so most changes of the kernel show little in the result, and
# their gradients are small. A long momentum adds them up.
RATE, MOMENTUM = 0.2, 0.98

FRAMES = 36  # of the film, about
TABLE_ROWS = 8  # of the progress that is printed, about


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code.

    1 if a kernel that can be found was not, or if nothing can be written.
    """
    options = parse(arguments)
    rng = np.random.default_rng(options.seed)
    picture = draw(options.input, rng)
    true = FILTERS[options.filter]
    x = picture[None, :, :, None]  # (H, W) -> (N, H, W, C)
    # VALID: zeros beyond the border would be a picture, too, and one that shows a lot.
    target = F.conv2d(x, true[:, :, None, None], padding="VALID")
    conv = nn.Conv2D(1, 1, 3, padding="VALID", bias=False, rng=rng).astype(np.float64)

    kernels, losses = learn(conv, x, target, options.steps)

    learned, error = kernels[-1], largest_error(kernels[-1], true)
    print(f"{options.filter}, learned from {HEIGHT}x{WIDTH} pixels that show: {options.input}\n")
    print_progress(kernels, losses, true)
    print_kernels(learned, true)
    print(f"\nlargest error of a weight: {error:.1e}")
    seen = rank(x)
    if seen < true.size:
        print(
            f"The kernel cannot be found: im2col of the picture has rank {seen}, and there are "
            f"{true.size} weights. Only {seen} combination{'s' if seen > 1 else ''} of them can be "
            "seen in the result; the rest of the kernel is as random as it began."
        )
    elif error > FOUND:
        print(f"Not yet within {FOUND}: it needs more than --steps {options.steps}.")

    out = Path(options.out)
    shown = {"before": kernels[0], "after": learned, f"true {options.filter}": true}
    try:
        viz.filter_figure(picture, shown, out / "kernels.png", signed=sums_to_zero(true))
        film(picture, kernels, losses, true, out / "learning.gif")
    except OSError as error:
        print(f"learn_a_filter: {error}", file=sys.stderr)
        return 1
    print(f"\npictures in {out}/: kernels.png, learning.gif")
    return 1 if error > FOUND and seen == true.size else 0


def learn(conv: nn.Conv2D, x: Array, target: Any, steps: int) -> tuple[list[Array], list[float]]:
    """Move the kernel of a layer until it does to a picture what should be done to it.

    Args:
        conv: the layer, one channel to one, without bias.
        x: the picture, (1, H, W, 1).
        target: what should come out, (1, OH, OW, 1).
        steps: of gradient descent.

    Returns:
        The kernel (kh, kw) and the mean squared error before every step and after the last.
    """
    optimizer = optim.SGD(conv.parameters(), lr=RATE, momentum=MOMENTUM)
    kernels, losses = [], []
    for _ in range(steps + 1):
        loss = F.mse_loss(conv(x), target)
        kernels.append(conv.kernel.data[:, :, 0, 0].copy())
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return kernels, losses


def rank(x: Array) -> int:
    """How many of the nine columns of im2col are independent, (1, H, W, 1) -> a number."""
    return int(np.linalg.matrix_rank(F.im2col(x, 3).data.reshape(-1, 9)))


def draw(name: str, rng: np.random.Generator) -> Array:
    """A grey picture, (HEIGHT, WIDTH) float64 from 0 to 1; `name` is one of INPUTS."""
    if name == "scene":
        return data.scene(HEIGHT, WIDTH).mean(axis=2, dtype=np.float64)
    if name == "noise":
        return rng.random((HEIGHT, WIDTH))
    if name == "ramp":  # brighter and brighter to the right: copies of it differ by a constant
        return np.tile(np.linspace(0, 1, WIDTH), (HEIGHT, 1))
    return np.full((HEIGHT, WIDTH), 0.5)


def film(
    picture: Array, kernels: list[Array], losses: list[float], true: Array, path: Path
) -> viz.Film:
    """The kernel at some of the steps, and what it made of the picture (H, W)."""
    steps = early_steps(len(kernels) - 1, FRAMES)
    titles = [f"step {step}: mean squared error {losses[step]:.1e}" for step in steps]
    return viz.filter_film(picture, [kernels[step] for step in steps], true, path, titles)


# --- what is printed ------------------------------------------------------------------------------


def print_progress(kernels: list[Array], losses: list[float], true: Array) -> None:
    """Loss and error at some of the steps."""
    rows = [
        [f"{step:,}", f"{losses[step]:.1e}", f"{largest_error(kernels[step], true):.1e}"]
        for step in early_steps(len(kernels) - 1, TABLE_ROWS)
    ]
    print(table(["step", "mean squared error", "largest error of a weight"], rows))


def print_kernels(learned: Array, true: Array) -> None:
    """Both, side by side."""
    print(f"\n{'learned':<30}true")
    for row, true_row in zip(learned.round(4) + 0.0, true):  # + 0.0: no -0
        print("".join(f"{w:9.4f}" for w in row) + "   " + "".join(f"{w:9.4f}" for w in true_row))


def largest_error(kernel: Array, true: Array) -> float:
    """Of any weight."""
    return float(np.abs(kernel - true).max())


def early_steps(last: int, count: int) -> list[int]:
    """About so many steps from 0 to the last, most of them early, when the most happens."""
    return sorted({0, *np.geomspace(1, last, count).round().astype(int).tolist()})


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.learn_a_filter", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--filter",
        choices=FILTERS,
        default="sobel_x",
        metavar="NAME",
        help=f"{', '.join(FILTERS)}; default sobel_x",
    )
    parser.add_argument(
        "--input",
        choices=INPUTS,
        default="scene",
        metavar="NAME",
        help=f"{', '.join(INPUTS)}; from the last two a kernel cannot be found; default scene",
    )
    parser.add_argument(
        "--steps", type=at_least(1), default=1200, help="of gradient descent; default 1200"
    )
    parser.add_argument(
        "--seed", type=at_least(0), default=0, help="of the first weights; default 0"
    )
    parser.add_argument("--out", default="runs/learn_a_filter", help="folder for the pictures")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
