"""Films of a convolution, forward and backward, with the numbers in the cells.

    python -m examples.animate_convolution
    python -m examples.animate_convolution --size 6x5 --kernel 3x2 --stride 2x1 --padding 1,0,2,1
    python -m examples.animate_convolution --what kernel-gradient --channels 2 --filters 3

Writes a GIF for each --what into --out: the window that slides over the image and fills the output
(forward), the gradient of the output going back through the windows (input-gradient), the same as a
convolution with the kernel turned by 180 degrees (flip), and the gradient of the kernel
(kernel-gradient). Image, kernel and gradient are small whole numbers.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from minigrad import nn, viz
from minigrad.text import counted, readable_bytes

from .options import at_least, padding, sizes

FILMS: dict[str, Callable[..., viz.Film]] = {
    "forward": viz.sliding_window_film,
    "input-gradient": viz.input_gradient_film,
    "flip": viz.full_flip_film,
    "kernel-gradient": viz.kernel_gradient_film,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    wanted = list(FILMS) if options.what == "all" else [options.what]
    try:
        conv = layer(options)
        shape = (*options.size, conv.in_channels)
        # All of them before any is written: what cannot be drawn is said at once.
        films = {what: FILMS[what](conv, shape) for what in wanted}
    except ValueError as error:
        print(f"animate_convolution: {error}", file=sys.stderr)
        return 2
    out = Path(options.out)
    print(f"{conv} on {'x'.join(map(str, shape))} images, films in {out}/")
    for what, film in films.items():
        path = out / f"{what.replace('-', '_')}.gif"
        try:
            film.save(path)
        except OSError as error:
            print(f"animate_convolution: {error}", file=sys.stderr)
            return 1
        print(
            f"  {path.name}: {counted(len(film), 'frame')}, {readable_bytes(path.stat().st_size)}"
        )
    return 0


def layer(options: argparse.Namespace) -> nn.Conv2D:
    """The layer that was asked for; its weights are whole numbers, so that they are read easily."""
    conv = nn.Conv2D(
        options.channels,
        options.filters,
        options.kernel,
        stride=options.stride,
        padding=options.padding,
        dilation=options.dilation,
        bias=False,
    )
    rng = np.random.default_rng(options.seed)
    conv.kernel.data[...] = rng.integers(-3, 4, conv.kernel.shape)
    return conv


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.animate_convolution", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--what", choices=[*FILMS, "all"], default="all", help="default all")
    pair = {"type": sizes(1, 2), "metavar": "HxW"}
    parser.add_argument("--size", default=(5, 5), help="of the image; default 5x5", **pair)
    parser.add_argument("--kernel", default=(3, 3), help="default 3x3", **pair)
    parser.add_argument("--stride", default=(1, 1), help="default 1x1", **pair)
    parser.add_argument("--dilation", default=(1, 1), help="default 1x1", **pair)
    parser.add_argument(
        "--padding",
        type=padding,
        default="VALID",
        help="SAME, VALID, FULL, or cells as 1, 1x2 or top,bottom,left,right; default VALID",
    )
    parser.add_argument("--channels", type=int, default=1, metavar="C", help="default 1")
    parser.add_argument("--filters", type=int, default=1, metavar="F", help="default 1")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the weights; default 0")
    parser.add_argument("--out", default="runs/animate_convolution", help="folder for the films")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
