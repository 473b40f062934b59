"""`conv_lab`: the convolution lab as one HTML file, put together from the sources beside it."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

from ...conv_arithmetic import (
    IntOrPair,
    Padding,
    Pair,
    output_shape,
    pair,
    resolve_padding,
)
from ...files import whole_file
from ..arguments import numbers_of, refuse_above
from ..cells import parameter_colours
from ..figures import Path

# The most cells along one side that the page still shows legibly. The padding is that of FULL with
# the largest kernel and dilation.
LIMITS = {"image": 9, "kernel": 5, "stride": 4, "dilation": 2, "padding": 8}


def conv_lab(
    path: Path,
    input_size: IntOrPair = (5, 5),
    kernel_size: IntOrPair = (3, 3),
    stride: IntOrPair = 1,
    padding: Padding = "SAME",
    dilation: IntOrPair = 1,
    image: Any = None,
    kernel: Any = None,
) -> None:
    """Write the convolution lab: one HTML file that needs no network and nothing beside it.

    A convolution of one grey image by one filter, to be moved and changed in any browser, by mouse,
    touch or keyboard: the window, the row of im2col and the row of the matrix under each output
    cell, and backward, where gradients go. Other pictures are of a layer; here the layer is what is
    being tried out, so the arguments are only what the page opens with.

    Args:
        path: of the file to write, `lab.html`. One that is there is replaced.
        input_size: of the image, `(height, width)` or one int for both; at most 9.
        kernel_size: likewise; at most 5.
        stride: likewise; at most 4.
        padding: "SAME", "VALID", "FULL", or cells as for `functional.conv2d`; at most 8 a side.
        dilation: likewise; at most 2.
        image: the image's numbers, of shape `input_size`; by default small whole ones.
        kernel: the kernel's numbers, of shape `kernel_size`; likewise.

    Raises:
        ValueError: a window that does not fit, numbers of another shape or not finite, or sizes too
            large to draw legibly.
        TypeError: something that is no integer where one is needed.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lab.html")
    ...     conv_lab(path, input_size=(4, 6), kernel_size=(2, 3), stride=(1, 2))
    ...     path.read_text(encoding="utf-8").splitlines()[0]
    '<!DOCTYPE html>'
    """
    where = "conv_lab"
    image_hw = _size(where, "input_size", input_size, LIMITS["image"])
    kernel_hw = _size(where, "kernel_size", kernel_size, LIMITS["kernel"])
    strides = _size(where, "stride", stride, LIMITS["stride"])
    dilations = _size(where, "dilation", dilation, LIMITS["dilation"])
    pads = resolve_padding(padding, kernel_hw, dilations, where=where)
    _refuse_above_limit(where, f"padding={padding!r}", max(map(max, pads)), LIMITS["padding"])
    output_shape(image_hw, kernel_hw, strides, pads, dilations, where=where)
    numbers = {
        "image": _numbers(where, "image", image, "input_size", image_hw),
        "kernel": _numbers(where, "kernel", kernel, "kernel_size", kernel_hw),
    }
    opening = {
        "image": image_hw,
        "kernel": kernel_hw,
        "stride": strides,
        "dilation": dilations,
        "padding": padding.upper() if isinstance(padding, str) else pads,
        "seed": 0,
        "numbers": {name: rows for name, rows in numbers.items() if rows is not None},
    }
    given = {"limits": LIMITS, "colours": _colours(), "opening": opening}
    page = _page(json.dumps(given, ensure_ascii=True).replace("</", "<\\/"))
    with whole_file(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        file.write(page)


def _size(where: str, name: str, value: IntOrPair, limit: int) -> Pair:
    """A pair of sizes within a limit."""
    sizes = pair(value, name, where=where)
    _refuse_above_limit(where, f"{name}={value!r}", max(sizes), limit)
    return sizes


def _refuse_above_limit(where: str, what: str, count: int, limit: int) -> None:
    refuse_above(
        where, what, count, limit, "can be read", "give a smaller one: the pattern is the same"
    )


def _numbers(
    where: str, name: str, value: Any, size_name: str, size: Pair
) -> list[list[float]] | None:
    """A table of numbers as rows, checked; None where there is none."""
    if value is None:
        return None
    array = numbers_of(f"{where}: {name}", value)
    if array.shape != size:
        raise ValueError(
            f"{where}: {name} of shape {array.shape} must have the shape of {size_name}={size}; "
            "the lab shows one channel and one filter"
        )
    rows: list[list[float]] = array.tolist()
    return rows


def _colours() -> dict[int, list[str]]:
    """The colours of the weights of every kernel that the page can have, by their number."""
    from matplotlib.colors import to_hex

    sides = range(1, LIMITS["kernel"] + 1)
    counts = sorted({height * width for height in sides for width in sides})
    return {
        count: [to_hex(colour) for colour in parameter_colours(count)[:, 0]] for count in counts
    }


def _page(given: str) -> str:
    """The page, with its sources and what it is given put into their places."""
    sources = resources.files(__package__ or "")

    def part(place: re.Match[str]) -> str:
        name = place[1]
        return given if name == "given" else sources.joinpath(name).read_text("utf-8").rstrip()

    return re.sub(r"\{\{([a-z.]+)\}\}", part, sources.joinpath("lab.html").read_text("utf-8"))
