"""A convolution as a sparse, shared dense layer, in pictures.

- `matrix_figure`: its matrix, a colour per kernel parameter, structural zeros grey.
- `im2col_figure`: the windows as rows, times the flattened kernel.
- `convolution_figure`: image, kernel and output, and one window.
- `trace_figure`: one output cell through window, row of im2col and column of the matrix.
- `tied_gradient_figure`: the gradient of a parameter, as dense gradients added up over tied cells.
- `matrix_product_figure`, `unfolded_product_figure`: one matrix product, as the article writes it;
  `dense_product_figure`: a dense layer in the same form; `conv_and_dense_figure`: both.
- `planes_figure`, `planes_film`: input and output as planes in space, a window and its cell.
- `modes_figure`: FULL, SAME and VALID as planes, side by side.
- `sliding_window_film`: the window moves over the image and fills the output.
- `input_gradient_film`, `full_flip_film`: the gradient of the image, by windows and by cells.
- `kernel_gradient_film`: the gradient of the kernel, weight by weight.
- `parameter_growth_figure`: what it costs beside its dense twin, as the image grows.

All but `modes_figure` and `dense_product_figure` take a Conv2D and the shape of one image,
(H, W, C). All refuse what would be too large to read.
`subject` holds what they are of, `parts` what they are drawn with.

>>> from minigrad import nn, viz
>>> figure = viz.matrix_figure(nn.Conv2D(1, 1, (2, 3)), input_shape=(4, 5, 1))
"""

from .backward import full_flip_film, input_gradient_film, kernel_gradient_film
from .growth import parameter_growth_figure
from .matrix import matrix_figure, tied_gradient_figure
from .planes import modes_figure, planes_figure, planes_film
from .products import (
    conv_and_dense_figure,
    dense_product_figure,
    matrix_product_figure,
    unfolded_product_figure,
)
from .sliding import sliding_window_film
from .windows import convolution_figure, im2col_figure, trace_figure

__all__ = [
    "conv_and_dense_figure",
    "convolution_figure",
    "dense_product_figure",
    "full_flip_film",
    "im2col_figure",
    "input_gradient_film",
    "kernel_gradient_film",
    "matrix_figure",
    "matrix_product_figure",
    "modes_figure",
    "parameter_growth_figure",
    "planes_figure",
    "planes_film",
    "sliding_window_film",
    "tied_gradient_figure",
    "trace_figure",
    "unfolded_product_figure",
]
