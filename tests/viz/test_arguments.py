"""Numbers that users give to be drawn, in whichever picture."""

import numpy as np
import pytest

from minigrad import nn, viz
from minigrad.tensor import Tensor
from minigrad.viz.arguments import numbers_of

CONV = nn.Conv2D(1, 1, (2, 3), bias=False)
SHAPE = (4, 5, 1)
PICTURE = np.linspace(0, 1, 20).reshape(4, 5)

# The argument as errors name it, and a function of what is given for it.
ARGUMENTS = {
    "sliding_window_film: image": lambda x: viz.sliding_window_film(CONV, SHAPE, image=x),
    "input_gradient_film: gradient": lambda x: viz.input_gradient_film(CONV, SHAPE, gradient=x),
    "full_flip_film: gradient": lambda x: viz.full_flip_film(CONV, SHAPE, gradient=x),
    "kernel_gradient_film: image": lambda x: viz.kernel_gradient_film(CONV, SHAPE, image=x),
    "trace_figure: image": lambda x: viz.trace_figure(CONV, SHAPE, image=x),
    "matrix_product_figure: image": lambda x: viz.matrix_product_figure(CONV, SHAPE, image=x),
    "dense_product_figure: inputs": lambda x: viz.dense_product_figure(nn.Dense(4, 3), inputs=x),
    "conv_lab: image": lambda x: viz.conv_lab("unwritten.html", (4, 5), image=x),
    "conv_lab: kernel": lambda x: viz.conv_lab("unwritten.html", kernel_size=(2, 3), kernel=x),
    "signal_figure: signal": lambda x: viz.signal_figure(x, [1, 2]),
    "flip_and_slide_film: weights": lambda x: viz.flip_and_slide_film([1, 2, 3], x),
    "filter_figure: image": lambda x: viz.filter_figure(x, {"one": [[1]]}),
    "filter_figure: kernel 'odd'": lambda x: viz.filter_figure(PICTURE, {"odd": x}),
    "feature_maps_figure: image": lambda x: viz.feature_maps_figure(nn.ReLU(), x),
    "adjoint_figure: x of reshape": lambda x: viz.adjoint_figure(
        [("reshape", "reshape", lambda t: t.reshape(-1), x)]
    ),
}


@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("abc", TypeError, "expected real numbers, got str"),
        (np.array([[1j, 2]]), TypeError, "expected real numbers, got ndarray of dtype complex128"),
        ([[1], [2, 3]], ValueError, "cannot make an array of"),
        ([[1.0, np.nan]], ValueError, "of shape (1, 2) holds nan or infinity; give finite numbers"),
        ([[-np.inf]], ValueError, "of shape (1, 1) holds nan or infinity; give finite numbers"),
    ],
    ids=["text", "complex", "uneven", "nan", "infinity"],
)
def test_what_is_no_number_to_draw(argument, value, error, message):
    with pytest.raises(error) as raised:
        ARGUMENTS[argument](value)
    assert str(raised.value).startswith(argument)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "value",
    [[[1, 0]], np.array([[True, False]]), Tensor(np.array([[1.0, 0.0]]), requires_grad=True)],
    ids=["list", "booleans", "tensor"],
)
def test_what_is_drawn_is_float64(value):
    numbers = numbers_of("here", value)
    assert numbers.dtype == np.float64
    np.testing.assert_array_equal(numbers, [[1.0, 0.0]])
