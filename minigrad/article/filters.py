"""`FILTERS`: kernels that people have thought up for images, by name, (3, 3) each.

They are meant for cross-correlation, as `functional.conv2d` computes it: a window of the image
times the kernel as it is written here. Rows go down, columns to the right, 0 is black, 1 is white.

- identity: the image itself.
- blur: a mean of the neighbours, the heavier the nearer; its weights sum to 1.
- sharpen: the image and how far it stands out from its neighbours; sums to 1.
- outline: how far a cell stands out from its eight neighbours. It looks the same from every side
  and sums to 0: an even area becomes 0, an edge bright on one side and dark on the other.
- emboss: as if lit from the upper left. Turning it over its rising diagonal changes the sign of
  every weight but the centre's, which keeps the image: areas stay, and an edge that becomes
  brighter towards the lower right is raised, the opposite one sunk. Sums to 1.
- sobel_x: positive where brightness grows to the right, negative where it falls; sums to 0.
- sobel_y: the same downwards; the transpose.

True convolution turns a kernel around first: it gives sobel_x and sobel_y the other sign, lights
emboss from the other side, and leaves the rest, which are symmetric, as they are.

The arrays cannot be written to; `FILTERS["blur"].copy()` can.

>>> FILTERS["sobel_x"]
array([[-1.,  0.,  1.],
       [-2.,  0.,  2.],
       [-1.,  0.,  1.]])
"""

from __future__ import annotations

import numpy as np

from ..engine import Array

FILTERS: dict[str, Array] = {
    "identity": np.array([[0.0, 0, 0], [0, 1, 0], [0, 0, 0]]),
    "blur": np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "outline": np.array([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    "emboss": np.array([[-2.0, -1, 0], [-1, 1, 1], [0, 1, 2]]),
    "sobel_x": np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "sobel_y": np.array([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
}
for _kernel in FILTERS.values():
    _kernel.setflags(write=False)
