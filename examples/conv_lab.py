"""The convolution lab: a page for your browser in which a convolution is moved and changed.

    python -m examples.conv_lab
    python -m examples.conv_lab --out lab.html --input 6x8 --kernel 3x2 --stride 2x1 --padding FULL

Writes one HTML file that needs no network, and says how to open it. The sizes are those that it
opens with; all of them can be changed in the page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from minigrad import viz

from .options import padding, sizes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    try:
        viz.conv_lab(
            options.out,
            options.input,
            options.kernel,
            stride=options.stride,
            padding=options.padding,
            dilation=options.dilation,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"conv_lab: {error}", file=sys.stderr)
        return 1
    print(f"wrote {options.out}")
    print(f"open it in a browser: {Path(options.out).resolve().as_uri()}")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.conv_lab", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--out", default="runs/conv_lab/lab.html", help="the file to write")
    pair = {"type": sizes(1, 2), "metavar": "HxW"}
    parser.add_argument("--input", default=(5, 5), help="size of the image; default 5x5", **pair)
    parser.add_argument("--kernel", default=(3, 3), help="default 3x3", **pair)
    parser.add_argument("--stride", default=(1, 1), help="default 1x1", **pair)
    parser.add_argument("--dilation", default=(1, 1), help="default 1x1", **pair)
    parser.add_argument(
        "--padding",
        type=padding,
        default="SAME",
        help="SAME, VALID, FULL, or cells as 1, 1x2 or top,bottom,left,right",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
