"""A convolution as a sparse, shared dense layer, in pictures.

- `matrix_figure`: its matrix, a colour per kernel parameter, structural zeros grey.
- `im2col_figure`: the windows as rows, times the flattened kernel.
- `trace_figure`: one output cell through window, row of im2col and column of the matrix.
- `tied_gradient_figure`: the gradient of a parameter, as dense gradients added up over tied cells.
- `planes_figure`, `planes_film`: input and output as planes in space, a window and its cell.
- `modes_figure`: FULL, SAME and VALID as planes, side by side.
- `sliding_window_film`: the window moves over the image and fills the output.
- `input_gradient_film`, `full_flip_film`: the gradient of the image, by windows and by cells.
- `kernel_gradient_film`: the gradient of the kernel, weight by weight.
- `parameter_growth_figure`: what it costs beside its dense twin, as the image grows.

All but `modes_figure` take a Conv2D and the shape of one image, (H, W, C). All refuse what would be
too large to read.
`parts` holds what they share.

>>> from minigrad import nn, viz
>>> figure = viz.matrix_figure(nn.Conv2D(1, 1, (2, 3)), input_shape=(4, 5, 1))
"""

from .backward import full_flip_film, input_gradient_film, kernel_gradient_film
from .growth import parameter_growth_figure
from .matrix import matrix_figure, tied_gradient_figure
from .planes import modes_figure, planes_figure, planes_film
from .sliding import sliding_window_film
from .windows import im2col_figure, trace_figure

__all__ = [
    "full_flip_film",
    "im2col_figure",
    "input_gradient_film",
    "kernel_gradient_film",
    "matrix_figure",
    "modes_figure",
    "parameter_growth_figure",
    "planes_figure",
    "planes_film",
    "sliding_window_film",
    "tied_gradient_figure",
    "trace_figure",
]
