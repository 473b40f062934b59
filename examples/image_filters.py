"""Filters on a picture: blur, sharpen, outline, emboss, Sobel.

    python -m examples.image_filters                     # a scene that the library draws
    python -m examples.image_filters --image photo.jpg   # a picture of yours

The picture is turned to grey. A filter is a kernel of nine numbers; each cell of the result is a
window of the picture times these numbers. Prints what range each result has and how much of it is
negative, which a plain cast to bytes would turn into noise. Writes into --out: filters.png, all of
them beside each other, and a file for each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import article, data, viz
from minigrad.text import table
from minigrad.viz.filters import as_greys, grey_picture, negative_share, sums_to_zero

from .picture_files import load_picture

Array = np.ndarray[Any, Any]

LARGEST = 600  # rows or columns of a picture; a larger one is scaled down


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.image_filters", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--image", metavar="FILE", help="a picture; by default one is drawn")
    parser.add_argument("--out", default="runs/image_filters", help="folder for the results")
    options = parser.parse_args(arguments)
    out = Path(options.out)
    try:
        picture = load(options.image)
        viz.filter_figure(picture, article.FILTERS, out / "filters.png")
        rows = []
        for name, kernel in article.FILTERS.items():
            result = article.convolve(picture, kernel, mode="VALID", way="shifts")
            data.save_image(out / f"{name}.png", as_greys(result, signed=sums_to_zero(kernel)))
            rows.append([name, *described(result, kernel)])
    except (ValueError, OSError) as error:
        print(f"image_filters: {error}", file=sys.stderr)
        return 1
    print(f"{picture.shape[0]}x{picture.shape[1]} pixels, from 0 (black) to 1 (white)\n")
    print(table(["filter", "sum of weights", "smallest", "largest", "negative"], rows))
    print(
        f"\npictures in {out}/: filters.png, and one of each filter; where the weights sum to 0, "
        "grey is 0"
    )
    return 0


def load(path: str | None) -> Array:
    """The picture as greys from 0 to 1, (H, W); scaled down where it is too large to be drawn."""
    from PIL import Image

    if path is None:
        return grey_picture("image_filters", data.scene())
    picture = Image.fromarray(load_picture(path, grey=True)[..., 0])
    if max(picture.size) > LARGEST:
        picture.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
        print(f"{path}: scaled down to {picture.height}x{picture.width} pixels", file=sys.stderr)
    return np.asarray(picture)


def described(result: Array, kernel: Array) -> list[str]:
    """A row of the table."""
    low, high = result.min(), result.max()
    return [f"{kernel.sum():g}", f"{low:.2f}", f"{high:.2f}", negative_share(result)]


if __name__ == "__main__":
    sys.exit(main())
