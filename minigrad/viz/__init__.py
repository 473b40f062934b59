"""Pictures, with matplotlib and Pillow. Every function returns a Figure, or writes the file it is told to.

matplotlib is loaded by the first picture, not by importing minigrad.

- `training`: `training_curves`, `filter_grid`, `image_grid`.
"""

from .training import filter_grid, image_grid, training_curves

__all__ = ["filter_grid", "image_grid", "training_curves"]
