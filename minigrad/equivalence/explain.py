"""`explain_padding`: where the windows of "SAME" lie here, in TensorFlow and in PyTorch, as text.

`PaddingExplanation` is what it returns: the pads of each, ready to be given to a layer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..conv_arithmetic import (
    IntOrPair,
    Pads,
    Pair,
    dilated_size,
    mode_padding,
    pair,
)

_CELLS_AT_EACH_END = 8  # of an axis that is too long to be drawn whole


@dataclass(frozen=True)
class PaddingExplanation:
    """The padding that "SAME" stands for in three libraries, as `((top, bottom), (left, right))`.

    Attributes:
        input_size, kernel_size, stride, dilation: `(height, width)` each.
        minigrad: k-1 cells in all, the odd one after, whatever the stride. As the article has it.
        tensorflow: as many as the windows need to cover the input, the odd one after.
        pytorch: at stride 1, padding="same". At other strides PyTorch refuses that word, and its
            users write a number for both sides, (k-1)//2 with k the dilated size of the kernel.

    `str()` gives the picture.
    """

    input_size: Pair
    kernel_size: Pair
    stride: Pair
    dilation: Pair
    minigrad: Pads
    tensorflow: Pads
    pytorch: Pads

    def __str__(self) -> str:
        axes = [
            self._draw_axis(axis)
            for axis in (0, 1)
            if axis == 0 or self._along(1) != self._along(0)
        ]
        names = ["height", "width"] if len(axes) == 2 else ["height and width"]
        return "\n\n".join(
            f"{name}: {drawing}" for name, drawing in zip(names, axes, strict=True)
        ) + ("\n\nx a cell that a window sees, o padding that it sees, . a cell it passes over")

    def _along(self, axis: int) -> tuple[int, int, int, int]:
        return (
            self.input_size[axis],
            self.kernel_size[axis],
            self.stride[axis],
            self.dilation[axis],
        )

    def _draw_axis(self, axis: int) -> str:
        size, kernel, stride, dilation = self._along(axis)
        lines = [f"input {size}, kernel {kernel}, stride {stride}, dilation {dilation}"]
        in_pytorch = '"same"' if self.stride == (1, 1) else str(self.pytorch[axis][0])
        titles: dict[Pair, list[str]] = {}  # by padding, so that equal ones share a picture
        for title, both in (
            ('minigrad and the article "SAME"', self.minigrad),
            ('TensorFlow "same"', self.tensorflow),
            (f"PyTorch {in_pytorch}", self.pytorch),
        ):
            titles.setdefault(both[axis], []).append(title)
        for pads, who in titles.items():
            windows = (size + sum(pads) - dilated_size(kernel, dilation)) // stride + 1
            lines.append(f"  {', '.join(who)}: pads {pads}, output {windows}")
            lines += [
                f"    {line}"
                for line in _draw_windows(size, kernel, stride, dilation, pads, windows)
            ]
        return "\n".join(lines)


def explain_padding(
    input_size: IntOrPair,
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    dilation: IntOrPair = 1,
    *,
    show: bool = True,
) -> PaddingExplanation:
    """Draw where the windows of "SAME" lie in this library, in TensorFlow and in PyTorch.

    The three agree at stride 1. At other strides TensorFlow's output has the same size, but its
    windows may lie elsewhere, so weights trained there need its pads given explicitly. (An output
    of 0 means that no window fits, as PyTorch's number can have it with even kernels.)

    Args:
        input_size: cells of the input, an int or (height, width).
        kernel_size, stride, dilation: likewise.
        show: print the picture.

    Returns:
        A PaddingExplanation. Its `minigrad`, `tensorflow` and `pytorch` are what to give a layer as
        `padding` to have that library's windows.

    Raises:
        ValueError: a size below 1.
        TypeError: something that is no integer.

    >>> pads = explain_padding(6, 3, stride=2)
    height and width: input 6, kernel 3, stride 2, dilation 1
      minigrad and the article "SAME", PyTorch 1: pads (1, 1), output 3
        cell      0 1 2 3 4 5
        window  o x x
                    x x x
                        x x x
      TensorFlow "same": pads (0, 1), output 3
        cell    0 1 2 3 4 5
        window  x x x
                    x x x
                        x x o
    <BLANKLINE>
    x a cell that a window sees, o padding that it sees, . a cell it passes over
    >>> pads.tensorflow
    ((0, 1), (0, 1))
    """
    where = "explain_padding"
    sizes = pair(input_size, "input_size", where=where)
    kernels = pair(kernel_size, "kernel_size", where=where)
    strides = pair(stride, "stride", where=where)
    dilations = pair(dilation, "dilation", where=where)
    axes = list(zip(sizes, kernels, strides, dilations, strict=True))
    ours = [mode_padding("SAME", kernel, spread) for _, kernel, _, spread in axes]
    tensorflow = [_tensorflow_same(*axis) for axis in axes]
    if strides == (1, 1):
        pytorch = ours  # total = k-1, left = total // 2, the rest on the right
    else:
        reaches = [dilated_size(kernel, spread) - 1 for _, kernel, _, spread in axes]
        pytorch = [(reach // 2, reach // 2) for reach in reaches]
    explanation = PaddingExplanation(
        sizes,
        kernels,
        strides,
        dilations,
        minigrad=(ours[0], ours[1]),
        tensorflow=(tensorflow[0], tensorflow[1]),
        pytorch=(pytorch[0], pytorch[1]),
    )
    if show:
        print(explanation)
    return explanation


def _tensorflow_same(size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """TensorFlow's pads along one axis.

    From its documentation of `tf.nn`, "Notes on padding": ceil(n / stride) windows, and
    max((windows - 1) * stride + k - n, 0) cells of padding in all, the odd one after.
    """
    windows = -(-size // stride)
    total = max((windows - 1) * stride + dilated_size(kernel, dilation) - size, 0)
    return total // 2, total - total // 2


def _draw_windows(
    size: int, kernel: int, stride: int, dilation: int, pads: Pair, windows: int
) -> Iterator[str]:
    """A line of cell numbers, and under it a line for each of the windows that are drawn."""
    before, after = pads
    cells = list(range(-before, size + after))
    if len(cells) > 2 * _CELLS_AT_EACH_END:
        shown = cells[:_CELLS_AT_EACH_END] + cells[-_CELLS_AT_EACH_END:]
        gap_before = cells[-_CELLS_AT_EACH_END]
    else:
        shown, gap_before = cells, None
    width = len(str(size - 1))

    def line(label: str, mark_of: dict[int, str]) -> str:
        marks = []
        for cell in shown:
            if cell == gap_before:
                marks.append("..." if label == "cell" else "   ")
            marks.append(mark_of.get(cell, "").rjust(width))
        return f"{label:<6}  {' '.join(marks)}".rstrip()

    yield line("cell", {cell: str(cell) for cell in range(size)})
    for index in range(windows):
        start = index * stride - before
        taps = range(start, start + (kernel - 1) * dilation + 1, dilation)
        passed_over = range(start, taps[-1])
        marks = dict.fromkeys(passed_over, ".")
        marks |= {tap: "x" if 0 <= tap < size else "o" for tap in taps}
        if any(cell in marks for cell in shown):
            yield line("window" if index == 0 else "", marks)
