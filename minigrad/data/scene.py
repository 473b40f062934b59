"""`scene`: a little picture that the library draws itself, for filters to work on.

A house and a tree by a fence, in front of hills. There are edges in every direction, smooth parts
(the sky) and fine texture (bricks, grass, leaves). Every shape is an inequality in x and y.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..conv_arithmetic import integer

Floats = NDArray[np.float32]

SMALLEST, LARGEST = 24, 2048  # pixels along a side: below, nothing can be recognised
FINE = 3  # the picture is drawn so many times larger and averaged, which smooths its edges


def scene(height: int = 220, width: int = 220) -> Floats:
    """A picture of a house and a tree, the same in every call.

    Args:
        height, width: in pixels, from 24 to 2048; the picture is stretched to them, the sun and the
            tree stay round.

    Returns:
        (H, W, 3) RGB, float32 from 0.0 (black) to 1.0.

    Raises:
        ValueError: a size out of this range.
        TypeError: a size that is no integer.

    >>> picture = scene(48, 64)
    >>> picture.shape, picture.dtype
    ((48, 64, 3), dtype('float32'))
    """
    rows = integer(height, "height", where="scene")
    columns = integer(width, "width", where="scene")
    for name, size in (("height", rows), ("width", columns)):
        if not SMALLEST <= size <= LARGEST:
            raise ValueError(
                f"scene: {name}={size} must be from {SMALLEST} to {LARGEST} pixels; cut a part "
                "out of the array, or repeat it, for another size"
            )
    fine = _draw(rows * FINE, columns * FINE)
    # (3H, 3W, 3) -> (H, 3, W, 3, 3) -> (H, W, 3): the mean of each 3 x 3 block
    return fine.reshape(rows, FINE, columns, FINE, 3).mean(axis=(1, 3), dtype=np.float32)


def _draw(height: int, width: int) -> Floats:
    """The picture with hard edges. x runs to the right and y down, both from 0 to 1."""
    y = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]
    x = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None, :]
    side = min(height, width)

    def disc(at_x: float, at_y: float, radius: float, right: float = 0, down: float = 0) -> Any:
        """A round shape around a place, or so far from it; lengths count in the shorter side."""
        across, along = (x - at_x) * width / side - right, (y - at_y) * height / side - down
        return across**2 + along**2 < radius**2

    def box(left: float, right: float, top: float, bottom: float) -> Any:
        return (left < x) & (x < right) & (top < y) & (y < bottom)

    def waves(per_width: float, per_height: float) -> Any:
        """A fine texture around 0, from -1 to 1, so many waves to the picture."""
        return np.sin(2 * np.pi * per_width * x) * np.sin(2 * np.pi * per_height * y)

    picture = np.empty((height, width, 3), np.float32)

    def paint(where: Any, red: float, green: float, blue: float, light: Any = 1.0) -> None:
        """Cover a part of the picture with a colour, brighter or darker by a factor `light`."""
        where = np.broadcast_to(where, picture.shape[:2])
        brightness = np.broadcast_to(light, where.shape)[where].astype(np.float32)
        picture[where] = brightness[:, None] * np.array([red, green, blue], np.float32)

    # The sky is paler towards the ground.
    picture[...] = [0.33, 0.58, 0.90] + (y / 0.6)[..., None] * np.array([0.45, 0.28, 0.06])
    paint(disc(0.17, 0.16, 0.085), 1.0, 0.88, 0.35)
    for right, down, radius in ((-0.06, 0.03, 0.045), (0, 0, 0.06), (0.07, 0.03, 0.05)):
        paint(disc(0.50, 0.14, radius, right, down), 0.97, 0.97, 0.98)

    far = 0.50 + 0.09 * np.sin(7.0 * x + 0.4)
    near = 0.60 + 0.05 * np.sin(5.0 * x + 2.6)
    paint(y > far, 0.45, 0.60, 0.62)
    paint(y > near, 0.42, 0.64, 0.30, 1 + 0.10 * waves(37, 31))
    below = y - 0.80  # the door, where the path begins
    path = (below > 0) & (x > 0.355 - 0.22 * below) & (x < 0.435 + 0.10 * below)
    paint(path, 0.82, 0.74, 0.58, 1 + 0.05 * waves(53, 47))

    # The house: a wall of bricks, every second course moved by half a brick, under a steep roof.
    course = np.floor(y / 0.022)
    in_brick = (x / 0.044 + 0.5 * (course % 2)) % 1
    mortar = (y / 0.022 % 1 < 0.18) | (in_brick < 0.10)
    wall = box(0.20, 0.60, 0.48, 0.80)
    paint(box(0.49, 0.54, 0.27, 0.46), 0.45, 0.25, 0.22)
    paint(wall, 0.78, 0.44, 0.34)
    paint(wall & mortar, 0.88, 0.78, 0.70)
    slope = (y - 0.26) / 0.24  # 0 at the ridge, 1 at the eaves
    roof = (slope > 0) & (slope < 1) & (abs(x - 0.40) < 0.25 * slope)
    paint(roof, 0.36, 0.17, 0.20, 1 + 0.45 * (slope * 7 % 1))
    for left in (0.24, 0.49):
        paint(box(left, left + 0.075, 0.56, 0.67), 0.98, 0.97, 0.92)
        paint(box(left + 0.008, left + 0.067, 0.568, 0.662), 0.20, 0.27, 0.38, 1.5 - (y - 0.56) * 7)
        paint(box(left + 0.034, left + 0.041, 0.56, 0.67), 0.98, 0.97, 0.92)
        paint(box(left, left + 0.075, 0.611, 0.619), 0.98, 0.97, 0.92)
    paint(box(0.355, 0.435, 0.60, 0.80), 0.16, 0.33, 0.30)
    paint(disc(0.42, 0.71, 0.009), 0.95, 0.80, 0.35)

    # The tree, lit from the upper left.
    trunk = (abs(x - 0.80) < 0.022 + 0.10 * (y - 0.62) ** 2) & (y > 0.42) & (y < 0.84)
    paint(trunk, 0.40, 0.27, 0.18, 1 + 0.25 * np.sin(400 * x))
    leaves = 1.15 + (0.42 - y) * 1.6 + (0.80 - x) * 1.2 + 0.22 * waves(41, 43)
    for right, down, radius in ((-0.06, 0.04, 0.095), (0.07, 0.05, 0.09), (0, -0.06, 0.115)):
        paint(disc(0.80, 0.42, radius, right, down), 0.20, 0.45, 0.20, leaves)

    # The fence: two rails, and pickets with points.
    for top in (0.865, 0.925):
        paint(box(0.0, 1.0, top, top + 0.014), 0.93, 0.91, 0.86)
    across = abs(x / 0.05 % 1 - 0.5) * 0.05  # from the middle of the nearest picket
    paint((across < 0.012) & (0.83 + across < y) & (y < 0.965), 0.97, 0.96, 0.92)
    return np.clip(picture, 0, 1)
