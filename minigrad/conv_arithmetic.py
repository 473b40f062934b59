"""The arithmetic of convolution windows: how far they reach, how often they fit. Integers only.

Along one axis, which is all that a 1-D convolution needs:

- `integer`               checks one int: a stride, a dilation, a number of channels
- `dilated_size`          how many cells a kernel spans
- `mode_padding`          what the words "SAME", "VALID", "FULL" and "CAUSAL" mean
- `resolve_axis_padding`  a word, an int or a pair -> `(before, after)`
- `output_size`           how many positions the window has
- `transposed_size`       the other way: the size of an input in which it has that many

Along both axes of an image, always height before width:

- `pair`                  one int or two -> `(height, width)`
- `resolve_padding`       everything a user may write -> `((top, bottom), (left, right))`
- `output_shape`          how many positions the window has, `(height, width)`
- `Window`                all that there is to say of a window, resolved

`integer`, `pair` and the two `resolve_...` take what users write and refuse what makes no sense;
the others take their results. `where` is the function or layer that an error speaks of.

A network asks the same of the same sizes at every step: `mode_padding` and `output_shape` remember
what they answered last.
"""

import functools
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple, SupportsIndex, TypeAlias

Pair: TypeAlias = tuple[int, int]
Pads: TypeAlias = tuple[Pair, Pair]


class Window(NamedTuple):
    """A window that slides over images: `(height, width)` each, as from `pair`; pads resolved."""

    kernel_size: Pair
    stride: Pair
    pads: Pads
    dilation: Pair


# What users write: an int may be any NumPy integer, a pair a tuple or a list.
IntOrPair: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
AxisPadding: TypeAlias = str | SupportsIndex | Sequence[SupportsIndex]
Padding: TypeAlias = AxisPadding | Sequence[Sequence[SupportsIndex]]


def _is_integer(value: object) -> bool:
    """Whether `value` is one of Python's or NumPy's integers; a bool, though an int, is not."""
    # Nearly all are Python's own, and a look at the type is ten times quicker than at Integral.
    return type(value) is int or (isinstance(value, Integral) and not isinstance(value, bool))


def integer(value: SupportsIndex, name: str, *, minimum: int = 1, where: str) -> int:
    """`value` as a Python int, once it is known to be an integer of at least `minimum`.

    Raises:
        TypeError: a bool, a float, or anything else that is no integer.
        ValueError: below `minimum`.

    >>> integer(3, "stride", where="conv1d")
    3
    >>> integer(0, "stride", where="conv1d")
    Traceback (most recent call last):
    ...
    ValueError: conv1d: stride=0 must be at least 1
    """
    if not _is_integer(value):
        raise TypeError(f"{where}: {name}={value!r} must be an int, not {type(value).__name__}")
    number = int(value)
    if number < minimum:
        raise ValueError(f"{where}: {name}={number} must be at least {minimum}")
    return number


def pair(value: IntOrPair, name: str, *, minimum: int = 1, where: str) -> Pair:
    """One int for both axes, or a tuple or list of two, as `(height, width)`.

    Raises:
        TypeError: a bool, a float, or anything else that is no integer.
        ValueError: not one or two numbers, or one of them below `minimum`.

    >>> pair(3, "stride", where="conv2d")
    (3, 3)
    >>> pair([2, 1], "stride", where="conv2d")
    (2, 1)
    >>> pair((2, 0), "stride", where="conv2d")
    Traceback (most recent call last):
    ...
    ValueError: conv2d: stride=(2, 0) must be at least 1 in height and in width
    """
    if type(value) is tuple and len(value) == 2:  # most often what this returned before
        height, width = value
        if type(height) is int and type(width) is int and height >= minimum <= width:
            return height, width
    numbers = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if not all(map(_is_integer, numbers)):
        raise TypeError(f"{where}: {name}={value!r} must be an int, or two: (height, width)")
    if len(numbers) != 2:
        raise ValueError(
            f"{where}: {name}={value!r} has length {len(numbers)}; "
            "give one int, or two: (height, width)"
        )
    height, width = map(int, numbers)
    if height < minimum or width < minimum:
        raise ValueError(
            f"{where}: {name}={value!r} must be at least {minimum} in height and in width"
        )
    return height, width


def dilated_size(kernel: int, dilation: int = 1) -> int:
    """How many cells a kernel spans when neighbouring weights lie `dilation` cells apart.

    >>> dilated_size(3), dilated_size(3, dilation=2)
    (3, 5)
    """
    return (kernel - 1) * dilation + 1


# The words that errors list; along one axis, before and after may be past and future.
_WORDS = '"SAME", "VALID" or "FULL"'
_AXIS_WORDS = '"SAME", "VALID", "FULL" or "CAUSAL"'


@functools.lru_cache(typed=True)
def mode_padding(
    mode: str, kernel: int, dilation: int = 1, *, causal: bool = False, where: str = "conv2d"
) -> Pair:
    """The cells `(before, after)` that a padding word adds along one axis, whatever the stride.

    With k the dilated size of the kernel (`dilated_size`):

    - "VALID" adds none: every window lies inside the input.
    - "SAME" adds k-1 in all, the odd one after: at stride 1 the output is as large as the input.
    - "FULL" adds k-1 on each side: the first window and the last see a single cell of the input.
    - "CAUSAL" adds k-1 before, so that no window sees what comes after its position: as large as
      the input at stride 1, like "SAME". Only where `causal` allows it, for a single axis.

    TensorFlow's "SAME" depends on input size and stride. Its output size is always this one's; at
    stride > 1 its windows may begin elsewhere, which explicit numbers of cells can reproduce.

    Raises:
        ValueError: another word. Upper and lower case are the same.

    >>> mode_padding("SAME", 3), mode_padding("SAME", 4), mode_padding("full", 3, dilation=2)
    ((1, 1), (1, 2), (4, 4))
    >>> mode_padding("CAUSAL", 3, causal=True)
    (2, 0)
    """
    reach = dilated_size(kernel, dilation) - 1  # from the window's first cell to its last
    paddings = {
        "SAME": (reach // 2, reach - reach // 2),
        "VALID": (0, 0),
        "FULL": (reach, reach),
    }
    if causal:
        paddings["CAUSAL"] = (reach, 0)
    if mode.upper() not in paddings:
        raise ValueError(
            f"{where}: padding={mode!r} is unknown; use {_AXIS_WORDS if causal else _WORDS} "
            "(upper or lower case), or give numbers of cells"
        )
    return paddings[mode.upper()]


def resolve_axis_padding(
    padding: AxisPadding, kernel: int, dilation: int = 1, *, where: str = "conv1d"
) -> Pair:
    """Whatever a user may write for the padding of one axis, as cells `(before, after)`.

    Args:
        padding: "SAME", "VALID", "FULL" or "CAUSAL" in any case (see `mode_padding`); an int for
            both sides; or `(before, after)`.
        kernel: how many weights the kernel has along the axis.
        dilation: how many cells lie from one weight to the next.
        where: the function or layer, for the error.

    Raises:
        ValueError: an unknown word, a negative number, a tuple of another form.
        TypeError: anything else, such as None or a float.

    >>> resolve_axis_padding("SAME", 4), resolve_axis_padding(2, 4), resolve_axis_padding((3, 0), 4)
    ((1, 2), (2, 2), (3, 0))
    """
    numbers: Sequence[SupportsIndex] = ()
    match padding:
        case str():
            return mode_padding(padding, kernel, dilation, causal=True, where=where)
        case Integral():
            numbers = (padding, padding)
        case (Integral(), Integral()):
            numbers = padding
    if not _are_cell_counts(numbers):
        raise _padding_error(padding, _AXIS_WORDS, "an int, or (before, after)", where)
    before, after = (int(number) for number in numbers)
    return before, after


def resolve_padding(
    padding: Padding, kernel_size: Pair, dilation: Pair = (1, 1), *, where: str = "conv2d"
) -> Pads:
    """Whatever a user may write for the padding of an image, as `((top, bottom), (left, right))`.

    Args:
        padding: "SAME", "VALID" or "FULL" in any case (see `mode_padding`); an int for all four
            sides; `(height, width)`, each for both of its sides; or
            `((top, bottom), (left, right))`, so that a result passes through unchanged.
        kernel_size: how many weights the kernel has, `(height, width)`.
        dilation: how many cells lie from one weight to the next, `(height, width)`.
        where: the function or layer, for the error.

    Raises:
        ValueError: an unknown word, a negative number, a tuple of another form.
        TypeError: anything else, such as None or a float.

    >>> resolve_padding("SAME", kernel_size=(2, 5))
    ((0, 1), (2, 2))
    >>> resolve_padding((1, 2), kernel_size=(2, 5))
    ((1, 1), (2, 2))
    >>> resolve_padding(((0, 1), (2, 3)), kernel_size=(2, 5))
    ((0, 1), (2, 3))
    """
    numbers: Sequence[SupportsIndex] = ()
    match padding:
        case str():
            return (
                mode_padding(padding, kernel_size[0], dilation[0], where=where),
                mode_padding(padding, kernel_size[1], dilation[1], where=where),
            )
        case Integral():
            numbers = (padding,) * 4
        case (Integral() as height, Integral() as width):
            numbers = (height, height, width, width)
        case ((Integral(), Integral()) as vertical, (Integral(), Integral()) as horizontal):
            numbers = (*vertical, *horizontal)
    if not _are_cell_counts(numbers):
        forms = "an int, (height, width), or ((top, bottom), (left, right))"
        raise _padding_error(padding, _WORDS, forms, where)
    top, bottom, left, right = (int(number) for number in numbers)
    return (top, bottom), (left, right)


def _are_cell_counts(numbers: Sequence[SupportsIndex]) -> bool:
    """Whether there are any numbers, and each is an integer of at least 0."""
    return bool(numbers) and all(_is_integer(number) and int(number) >= 0 for number in numbers)


def _padding_error(padding: object, words: str, forms: str, where: str) -> Exception:
    """The error for a padding that is none of `words` and none of `forms`."""
    message = (
        f"{where}: padding={padding!r} is not allowed; give {words}, or numbers of cells, at least "
        f"0: {forms}. To crop instead, slice the input"
    )
    if _is_integer(padding) or isinstance(padding, (tuple, list)):
        return ValueError(message)
    return TypeError(message)


def output_size(
    size: int,
    kernel: int,
    stride: int,
    dilation: int,
    before: int,
    after: int,
    *,
    where: str = "conv2d",
    axis: str = "height",
) -> int:
    """How many positions a window has along one axis.

    The window starts on the first cell of the padded input and moves on by `stride` as long as
    all of it stays inside:

        floor((size + before + after - k) / stride) + 1,   k the dilated size of the kernel

    The floor leaves out up to `stride - 1` cells at the end, which no window reaches.

    Args:
        size: cells of the input, without padding.
        kernel, stride, dilation: of the window, along this axis.
        before, after: padding cells on the two sides.
        where: the function or layer, for the error.
        axis: the axis's name, for the error.

    Raises:
        ValueError: an empty input, or one that even padded is smaller than the window.

    >>> output_size(28, kernel=5, stride=2, dilation=1, before=0, after=0)
    12
    >>> output_size(3, kernel=4, stride=2, dilation=2, before=1, after=0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: conv2d: the window does not fit: height 3 padded by 1 before and 0 after ...
    """
    if size < 1:
        raise ValueError(f"{where}: the input has {axis} {size}; it must be at least 1")
    padded = size + before + after
    span = dilated_size(kernel, dilation)
    positions = (padded - span) // stride + 1
    if positions < 1:
        raise ValueError(
            f"{where}: the window does not fit: {axis} {size} padded by {before} before and "
            f"{after} after makes {padded} cells, and kernel {kernel} with dilation {dilation} "
            f"spans {span} (stride {stride}, output {axis} {positions}); give a larger input, "
            "more padding, or a smaller kernel or dilation"
        )
    return positions


def transposed_size(
    positions: int,
    kernel: int,
    stride: int,
    dilation: int,
    before: int,
    after: int,
    wanted: int | None = None,
    *,
    where: str = "conv_transpose2d",
    axis: str = "height",
) -> int:
    """How large an input is, along one axis, in which a window has so many positions.

    The smallest is

        (positions - 1) * stride + k - before - after,   k the dilated size of the kernel

    and up to `stride - 1` more cells make no difference to `output_size`, which rounds down.

    Args:
        positions: of the window; at least 1.
        kernel, stride, dilation, before, after: as for `output_size`.
        wanted: one of the possible sizes; by default the smallest.
        where: the function or layer, for the error.
        axis: the axis's name, for the error.

    Raises:
        ValueError: no positions, nothing left between the padding, or a wanted size that has
            another number of positions.

    >>> transposed_size(14, kernel=3, stride=2, dilation=1, before=1, after=1)
    27
    >>> transposed_size(14, kernel=3, stride=2, dilation=1, before=1, after=1, wanted=28)
    28
    """
    if positions < 1:
        raise ValueError(f"{where}: the input has {axis} {positions}; it must be at least 1")
    span = dilated_size(kernel, dilation)
    smallest = (positions - 1) * stride + span - before - after
    largest = smallest + stride - 1
    given = (
        f"{axis} {positions} with stride {stride}, kernel {kernel}, dilation {dilation} and "
        f"padding {before, after}"
    )
    allowed = f"{axis} {max(1, smallest)}" + (
        f" to {largest}" if largest > max(1, smallest) else ""
    )
    if largest < 1 or (wanted is None and smallest < 1):
        way_out = f"; output_shape can ask for {allowed}" if largest >= 1 else ""
        raise ValueError(
            f"{where}: {given} makes {axis} {smallest}, and an image has at least 1{way_out}"
        )
    if wanted is None:
        return smallest
    if not max(1, smallest) <= wanted <= largest:
        raise ValueError(
            f"{where}: output_shape asks for {axis} {wanted}, and {given} can make {allowed}"
        )
    return wanted


@functools.lru_cache
def output_shape(
    input_hw: Pair,
    kernel_size: Pair,
    stride: Pair,
    padding: Pads,
    dilation: Pair = (1, 1),
    *,
    where: str = "conv2d",
) -> Pair:
    """How many positions a window has on an image, `(height, width)`; see `output_size`.

    Args:
        input_hw: `(height, width)` of the image, without padding.
        kernel_size, stride, dilation: `(height, width)` each, as from `pair`.
        padding: `((top, bottom), (left, right))`, as from `resolve_padding`.
        where: the function or layer, for the error.

    Raises:
        ValueError: the window does not fit along one of the axes.

    >>> output_shape((5, 7), kernel_size=(3, 2), stride=(1, 2), padding=((1, 1), (0, 1)))
    (5, 4)
    """
    height, width = (
        output_size(size, kernel, step, spread, before, after, where=where, axis=axis)
        for axis, size, kernel, step, spread, (before, after) in zip(
            ("height", "width"), input_hw, kernel_size, stride, dilation, padding, strict=True
        )
    )
    return int(height), int(width)  # NumPy's integers, remembered, would also answer Python's
