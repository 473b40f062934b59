"""Draws the pictures that the README shows: `python docs/pictures.py`, from the clone's root."""

from pathlib import Path

import numpy as np

from minigrad import nn, viz

IMAGES = Path(__file__).parent / "images"


def three_ways() -> None:
    """The README's example: one output cell as a window, as a row of im2col, as a matrix column."""
    conv = nn.Conv2D(1, 1, 2, padding="VALID", bias=False)
    conv.kernel.data[..., 0, 0] = [[4, 6], [7, 9]]
    image = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]])[..., None]
    viz.trace_figure(conv, (3, 3, 1), IMAGES / "three_ways.png", image=image, output_cell=(1, 0, 0))


if __name__ == "__main__":
    three_ways()
