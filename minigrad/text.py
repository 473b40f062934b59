"""Numbers for people to read: `counted`, `by`, `readable_bytes`, and `table` of them in columns."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, noun: str) -> str:
    """A number of things, with the noun's plural where it belongs.

    >>> counted(1, "cell"), counted(1000, "cell")
    ('1 cell', '1,000 cells')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def by(shape: Sequence[int]) -> str:
    """The sizes of a shape with crosses between them.

    >>> by((28, 28, 1))
    '28×28×1'
    """
    return "×".join(map(str, shape))


def readable_bytes(count: int) -> str:
    """A number of bytes with the largest unit that leaves at least 1 in front of it.

    >>> readable_bytes(320), readable_bytes(25_088), readable_bytes(19_668_992)
    ('320 B', '24.5 KiB', '18.8 MiB')
    """
    if count < 1024:
        return f"{count} B"
    units = ("KiB", "MiB", "GiB", "TiB", "PiB")
    power = min((count.bit_length() - 1) // 10, len(units))
    return f"{count / 1024**power:,.1f} {units[power - 1]}"


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], footer: Sequence[Sequence[str]] = ()
) -> str:
    """Text in columns: the first one left-aligned, the others, which hold numbers, right-aligned.

    A line under the header sets it off, and one above the footer where there is one.

    >>> rows = [["first", "9"], ["second", "1,024"]]
    >>> print(table(["layer", "cells"], rows, [["total", "1,033"]]))
    layer   cells
    -------------
    first       9
    second  1,024
    -------------
    total   1,033
    """
    lines = [header, *rows, *footer]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def joined(line: Sequence[str]) -> str:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join([first, *others]).rstrip()

    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    text = [joined(header), rule, *map(joined, rows)]
    if footer:
        text += [rule, *map(joined, footer)]
    return "\n".join(text)
