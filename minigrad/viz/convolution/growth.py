"""What a convolution saves, the more the larger the image: `parameter_growth_figure`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...equivalence.geometry import ConvGeometry, conv_layer
from ...nn import Conv2D
from ...text import by
from ..figures import BLUE, GREEN, ORANGE, Path, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The image sizes that are drawn, as multiples of the one that is asked for.
FACTORS = (1 / 4, 1 / 2, 1, 2, 4, 8)


def parameter_growth_figure(
    conv: Conv2D, input_shape: Sequence[int], path: Path | None = None
) -> Figure:
    """Parameters and multiply-adds of a convolution and of its dense twin as the image grows.

    Between them is the layer with local windows and no sharing (`nn.LocallyConnected2D`). Both
    scales are logarithmic; the numbers for `input_shape` are written out.

    Args:
        conv: the layer.
        input_shape: of one image, (H, W, C); drawn from a quarter to eight times this size.
        path: of a picture file to write.

    Raises:
        TypeError: `conv` is no Conv2D.
        ValueError: the layer does not take such images.
    """
    where = "parameter_growth_figure"
    conv_layer(where, conv)
    marked = ConvGeometry.of_layer(where, conv, input_shape)
    geometries = _scaled(conv, marked)
    figure = new_figure(9.5, 4.2)
    parameters, work = figure.subplots(1, 2)
    has_bias = conv.bias is not None
    _draw_curves(
        parameters,
        "parameters",
        marked,
        geometries,
        {
            "dense": [_dense_parameters(geometry, has_bias) for geometry in geometries],
            "locally connected": [_local_parameters(geometry, has_bias) for geometry in geometries],
            "convolution": [_conv_parameters(geometry, has_bias) for geometry in geometries],
        },
    )
    _draw_curves(
        work,
        "multiply-adds per image",
        marked,
        geometries,
        {
            "dense": [geometry.matrix_cells for geometry in geometries],
            "convolution, locally connected": [geometry.multiply_adds for geometry in geometries],
        },
    )
    figure.suptitle(
        f"{conv} and the dense layer that computes the same", fontsize=11, weight="bold"
    )
    return finish(figure, path)


def _scaled(conv: Conv2D, marked: ConvGeometry) -> list[ConvGeometry]:
    """The geometry on images of growing size; sizes on which no window fits are left out."""
    height, width, channels = marked.input_shape
    geometries = []
    for factor in FACTORS:
        shape = (max(1, round(height * factor)), max(1, round(width * factor)), channels)
        try:
            geometries.append(ConvGeometry.of_layer("parameter_growth_figure", conv, shape))
        except ValueError:
            continue
    return geometries


def _conv_parameters(geometry: ConvGeometry, has_bias: bool) -> int:
    return geometry.kernel_cells + has_bias * geometry.output_shape[2]


def _local_parameters(geometry: ConvGeometry, has_bias: bool) -> int:
    return geometry.positions * _conv_parameters(geometry, has_bias)


def _dense_parameters(geometry: ConvGeometry, has_bias: bool) -> int:
    return geometry.matrix_cells + has_bias * geometry.matrix_shape[1]


def _draw_curves(
    axes: Axes,
    title: str,
    marked: ConvGeometry,
    geometries: list[ConvGeometry],
    curves: dict[str, list[int]],
) -> None:
    """One curve per layer over the number of pixels, and the numbers at the marked size."""
    pixels = [geometry.input_shape[0] * geometry.input_shape[1] for geometry in geometries]
    place = [geometry.input_shape for geometry in geometries].index(marked.input_shape)
    looks = {"dense": (ORANGE, "s--"), "locally connected": (GREEN, "^:")}
    for name, numbers in curves.items():
        colour, line = looks.get(name, (BLUE, "o-"))
        axes.plot(pixels, numbers, line, color=colour, label=name, markersize=5)
        axes.annotate(
            f"{numbers[place]:,}",
            (pixels[place], numbers[place]),
            (6, -4),
            textcoords="offset points",
            va="top",
            fontsize=9,
            weight="bold",
        )
    dense, conv = curves["dense"][place], list(curves.values())[-1][place]
    axes.axvline(pixels[place], color="#999999", linewidth=0.8, zorder=0)
    axes.set_title(
        f"{title}: dense has {dense / conv:,.0f} times as many at {by(marked.input_shape)}",
        fontsize=9,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(pixels, [by(geometry.input_shape[:2]) for geometry in geometries], fontsize=8)
    axes.minorticks_off()
    axes.margins(y=0.12)  # room for the number under the lowest curve
    axes.set_xlabel("image")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
