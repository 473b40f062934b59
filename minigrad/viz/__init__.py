"""Pictures, with matplotlib and Pillow: `..._figure` and `..._film`, and a page, the lab.

A figure is matplotlib's Figure, a film a `Film`; given a path, the functions also write a file.
matplotlib is loaded by the first picture, not by importing minigrad.

Convolution:

- `convolution`: `matrix_figure`, `im2col_figure`, `trace_figure`, `tied_gradient_figure`,
  `parameter_growth_figure`, a convolution as a sparse, shared dense layer;
  `convolution_figure`, `matrix_product_figure`, `unfolded_product_figure`, its products;
  `dense_product_figure`, `conv_and_dense_figure`, a dense layer in the same form;
  `planes_figure`, `planes_film`, `modes_figure`, a convolution in space;
  `sliding_window_film`, `input_gradient_film`, `full_flip_film`, `kernel_gradient_film`, window by
  window, forward and backward.
- `signals`: `signal_figure`, `flip_and_slide_film`, convolution in one dimension.
- `filters`: `filter_figure`, `filter_film`, kernels at work on a picture.
- `lab`: `conv_lab`, a page for the browser in which a convolution is moved and changed.

Networks and their training:

- `networks`: `feature_maps_figure`, what a network makes of an image, layer by layer.
- `training`: `training_curves`, `filter_grid`, `image_grid`.
- `training_films`: `TrainingRecord`, `training_film`, `decision_film`, training as a film.

Automatic differentiation:

- `graph`: `draw_graph`, what was recorded behind a tensor.
- `adjoints`: `adjoint_figure`, linear operators and their gradients as arrows between cells.

What all are made of: `figures`, `cells`, grids with numbers in them, `film`, `Film`, and
`arguments`, checks.
"""

from .adjoints import adjoint_figure
from .convolution import (
    conv_and_dense_figure,
    convolution_figure,
    dense_product_figure,
    full_flip_film,
    im2col_figure,
    input_gradient_film,
    kernel_gradient_film,
    matrix_figure,
    matrix_product_figure,
    modes_figure,
    parameter_growth_figure,
    planes_figure,
    planes_film,
    sliding_window_film,
    tied_gradient_figure,
    trace_figure,
    unfolded_product_figure,
)
from .film import Film
from .filters import filter_figure, filter_film
from .graph import draw_graph
from .lab import conv_lab
from .networks import feature_maps_figure
from .signals import flip_and_slide_film, signal_figure
from .training import filter_grid, image_grid, training_curves
from .training_films import TrainingRecord, decision_film, training_film

__all__ = [
    "Film",
    "TrainingRecord",
    "adjoint_figure",
    "conv_and_dense_figure",
    "conv_lab",
    "convolution_figure",
    "decision_film",
    "dense_product_figure",
    "draw_graph",
    "feature_maps_figure",
    "filter_figure",
    "filter_film",
    "filter_grid",
    "flip_and_slide_film",
    "full_flip_film",
    "im2col_figure",
    "image_grid",
    "input_gradient_film",
    "kernel_gradient_film",
    "matrix_figure",
    "matrix_product_figure",
    "modes_figure",
    "parameter_growth_figure",
    "planes_figure",
    "planes_film",
    "signal_figure",
    "sliding_window_film",
    "tied_gradient_figure",
    "trace_figure",
    "training_curves",
    "training_film",
    "unfolded_product_figure",
]
