"""The convolution lab: one HTML file in which a convolution is moved, changed and looked into.

- `page`: `conv_lab`, which puts the file together from the sources beside it.
- `lab.html`, `lab.css`: the page and its looks.
- `arithmetic.js`: padding, sizes, im2col, the matrix, the output and the gradients. No page in it.
- `state.js`: settings, numbers, and what follows from them.
- `cells.js`: grids, maps and formulas.
- `panes.js`: what is shown, forward and backward.
- `controls.js`: what the user sets.

The page uses no library and loads nothing; there is no build step but putting these into one file.
"""

from .page import conv_lab

__all__ = ["conv_lab"]
