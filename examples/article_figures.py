"""The article's thirteen figures, drawn from the arithmetic itself, for its sizes or any other.

    python -m examples.article_figures
    python -m examples.article_figures 4 13
    python -m examples.article_figures --size 4x7 --kernel 3x2 --stride 2x1 --dilation 1x2

Without options every figure has the sizes it has in the article. --size and --kernel are then the
image's and the kernel's in all of them but 10 to 12, which are of a picture that the library draws.
Prints what each shows, and its file in --out; one that would be too large to be read says so.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import article, data, nn, viz
from minigrad.conv_arithmetic import output_shape
from minigrad.viz.cells import Board
from minigrad.viz.filters import draw_filtered, negative_share

from .options import padding, sizes

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]

# The example that the article computes with.
ARTICLE_IMAGE = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]])
ARTICLE_KERNEL = np.array([[4, 6], [7, 9]])

# The picture is drawn with so many inches to a pixel: two pixels of the file.
PIXEL = 2 / 150


@dataclass(frozen=True)
class Settings:
    """What figures are drawn of.

    Attributes:
        size, kernel_size: of the image and the kernel, or None for the article's.
        stride, dilation: (height, width).
        padding: of the figures that are not about a mode.
    """

    size: Pair | None
    kernel_size: Pair | None
    stride: Pair
    dilation: Pair
    padding: Any

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the image over which windows slide, (H, W, 1)."""
        return (*(self.size or (5, 5)), 1)

    def layer(self, mode: Any, kernel_size: Pair | None = None) -> nn.Conv2D:
        """For the figures in which windows slide: a kernel of whole numbers."""
        size = kernel_size or self.kernel_size or (3, 3)
        return self._layer(np.random.default_rng(1).integers(1, 10, size), mode)

    @cached_property
    def example(self) -> tuple[nn.Conv2D, Array]:
        """For the figures with matrices: a layer and an image, the article's or whole numbers."""
        if self.size is None and self.kernel_size is None:
            return self._layer(ARTICLE_KERNEL, self.padding), ARTICLE_IMAGE[..., None]
        image = np.random.default_rng(0).integers(1, 10, self.shape)
        return self.layer(self.padding), image

    def _layer(self, kernel: Array, mode: Any) -> nn.Conv2D:
        conv = nn.Conv2D(1, 1, kernel.shape, self.stride, mode, self.dilation, bias=False)
        conv.kernel.data[..., 0, 0] = kernel
        return conv

    @cached_property
    def picture(self) -> Array:
        """Colours from 0 to 255, (220, 220, 3)."""
        return np.round(255 * data.scene())

    @cached_property
    def filtered(self) -> dict[str, Array]:
        """The picture under the article's filter, by loops and by matmul, once they are equal.

        The article calls it an embossing filter; it is the outline filter, times -0.1, in each of
        the channels.
        """
        kernel = np.stack([-0.1 * article.FILTERS["outline"]] * 3, axis=2)
        loops = article.conv(self.picture, kernel, self.stride)
        matmul = article.conv_matmul(self.picture, kernel, self.stride)
        difference = float(np.abs(loops - matmul).max())
        if difference > 1e-9:
            raise AssertionError(f"loops and matmul differ by {difference:.1e}; nothing is drawn")
        return {"conv": loops, "conv_matmul": matmul}


# --- the figures, in the article's order; each returns what it shows ------------------------------


# article: G1
def flip_and_slide(settings: Settings, path: Path) -> str:
    """Convolution in one dimension, along a row of the image."""
    values = 8 if settings.size is None else settings.size[1]
    weights = 3 if settings.kernel_size is None else settings.kernel_size[1]
    signal = np.random.default_rng(0).integers(0, 10, values)
    film = viz.flip_and_slide_film(signal, np.arange(weights, 0, -1), path)
    return f"{weights} weights, turned around, slide over {values} values: {len(film)} frames"


# article: G2
def sliding_window(settings: Settings, path: Path) -> str:
    """Convolution in two dimensions."""
    conv = settings.layer(settings.padding)
    image = np.random.default_rng(0).integers(1, 10, settings.shape)
    film = viz.sliding_window_film(conv, settings.shape, path, image)
    return f"{conv} over an image of {by(settings.shape[:2])}: {len(film)} frames"


# article: G3
def image_and_kernel(settings: Settings, path: Path) -> str:
    """The example in numbers."""
    conv, image = settings.example
    viz.convolution_figure(conv, image.shape, path, image, (0, 0, 0))
    out = conv(image[None].astype(np.float32)).data[0, :, :, 0]
    return f"image {by(image.shape[:2])}, kernel {by(conv.kernel_size)}, output {by(out.shape)}"


# article: G4
def kernel_matrix(settings: Settings, path: Path) -> str:
    """The kernel expanded to a matrix."""
    conv, image = settings.example
    viz.matrix_product_figure(conv, image.shape, path, image)
    return "kernel matrix times flattened image"


# article: G5
def fully_connected(settings: Settings, path: Path) -> str:
    """A fully connected layer, under the convolution for comparison."""
    conv, image = settings.example
    viz.conv_and_dense_figure(conv, image.shape, path, image)
    return "weights of a fully connected layer times input, under the same of the convolution"


# article: G6
def full(settings: Settings, path: Path) -> str:
    """FULL."""
    return mode(settings, settings.layer("FULL"), path)


# article: G7
def valid(settings: Settings, path: Path) -> str:
    """VALID."""
    return mode(settings, settings.layer("VALID"), path)


# article: G8
def same(settings: Settings, path: Path) -> str:
    """SAME."""
    return mode(settings, settings.layer("SAME"), path)


# article: G9
def same_even(settings: Settings, path: Path) -> str:
    """SAME with even sizes: 3 becomes 2, and 1 becomes 2."""
    height, width = (max(2, size - size % 2) for size in settings.kernel_size or (3, 3))
    return mode(settings, settings.layer("SAME", (height, width)), path)


def mode(settings: Settings, conv: nn.Conv2D, path: Path) -> str:
    """The planes of a mode."""
    viz.planes_figure(conv, settings.shape, path)
    size, out = settings.shape[:2], conv(np.zeros((1, *settings.shape), np.float32)).shape[1:3]
    return f"{conv.padding}: image {by(size)}, kernel {by(conv.kernel_size)}, output {by(out)}"


# article: G10
def picture(settings: Settings, path: Path) -> str:
    """The picture before: one of the library's own, with which anything may be done."""
    data.save_image(path, settings.picture / 255)
    return f"a picture of {by(settings.picture.shape[:2])}, drawn by the library"


# article: G11
def filtered_by_loops(settings: Settings, path: Path) -> str:
    """After, window by window."""
    return filtered(settings, "conv", path)


# article: G12
def filtered_by_matmul(settings: Settings, path: Path) -> str:
    """After, in one matrix product."""
    return filtered(settings, "conv_matmul", path)


def filtered(settings: Settings, way: str, path: Path) -> str:
    """The picture after the filter, on a scale that shows all of it: grey is 0."""
    values = settings.filtered[way]
    board = Board()
    draw_filtered(board, "after", 0, 0, PIXEL, values, signed=True)
    board.headline(f"After the filter, by article.{way}", "outline, times -0.1, in each channel")
    board.caption("Cast to bytes, what is negative would wrap around, -1 to 255.")
    board.finish(path)
    negative = negative_share(values)
    return f"after the filter, by article.{way}: {by(values.shape)}, {negative} negative"


# article: G13
def unfolded_image(settings: Settings, path: Path) -> str:
    """The image expanded rather than the kernel."""
    conv, image = settings.example
    viz.unfolded_product_figure(conv, image.shape, path, image)
    return "flattened kernel times unfolded image, a column per window"


def by(size: Sequence[int]) -> str:
    """4x7"""
    return "x".join(map(str, size))


Draw = Callable[[Settings, Path], str]
FIGURES: tuple[tuple[Draw, str], ...] = (
    (flip_and_slide, "gif"),
    (sliding_window, "gif"),
    (image_and_kernel, "png"),
    (kernel_matrix, "png"),
    (fully_connected, "png"),
    (full, "png"),
    (valid, "png"),
    (same, "png"),
    (same_even, "png"),
    (picture, "png"),
    (filtered_by_loops, "png"),
    (filtered_by_matmul, "png"),
    (unfolded_image, "png"),
)


# --- the command line -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 1 if a figure could not be drawn."""
    options = parse(arguments)
    settings = Settings(
        options.size, options.kernel, options.stride, options.dilation, options.padding
    )
    try:
        # VALID is among the figures: the kernel must fit without padding.
        no_padding = ((0, 0), (0, 0))
        output_shape(
            settings.shape[:2],
            settings.kernel_size or (3, 3),
            settings.stride,
            no_padding,
            settings.dilation,
            where="article_figures",
        )
        settings.example[0]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    out = Path(options.out)
    print(f"figures in {out}/")
    complete = True
    for number, (draw, ending) in enumerate(FIGURES, start=1):
        if options.only and number not in options.only:
            continue
        name = f"{number:02}_{draw.__name__}.{ending}"
        try:
            print(f"  {name}: {draw(settings, out / name)}", flush=True)
        except ValueError as error:
            print(f"  no {name}: {error}", file=sys.stderr)
            complete = False
        except OSError as error:  # the next one could not be written either
            print(f"article_figures: {error}", file=sys.stderr)
            return 1
    return 0 if complete else 1


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.article_figures", description=(__doc__ or "").split("\n")[0]
    )
    add = parser.add_argument
    add("only", type=figure_number, nargs="*", metavar="NUMBER", help="of figures; default all")
    add("--size", type=sizes(1, 2), metavar="HxW", help="of the image")
    add("--kernel", type=sizes(1, 2), metavar="HxW", help="size of the kernel")
    add("--stride", type=sizes(1, 2), default=(1, 1), metavar="HxW", help="default 1x1")
    add("--dilation", type=sizes(1, 2), default=(1, 1), metavar="HxW", help="default 1x1")
    add(
        "--padding",
        type=padding,
        default="VALID",
        help="of the figures that are not about a mode: SAME, VALID, FULL, or cells as 1, 1x2 or "
        "top,bottom,left,right",
    )
    add("--out", default="runs/article_figures", help="folder for the figures")
    return parser.parse_args(arguments)


def figure_number(text: str) -> int:
    """For argparse: the number of a figure."""
    if not text.isdecimal() or not 1 <= int(text) <= len(FIGURES):
        raise argparse.ArgumentTypeError(f"{text!r} must be the number of a figure, 1 to 13")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
