"""Grids of coloured cells with numbers in them, on a board that is measured in inches.

- `Board`: an empty figure on which grids, texts and arrows are put; it grows with them.
- `Grid`: cells in rows and columns; it can be framed and labelled.
- `parameter_colours`: a colour for each of so many things, told apart with any colour vision.
- `number_text`: a number in a sentence; `factor`, `products_of`: in products.
- `number_texts`: numbers short enough for cells; `font_size`: how large they can be written there.
- `ZERO`, `BLANK`: the colours of cells that hold no parameter.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array
from .figures import BLUE, GREEN, ORANGE, PURPLE, RED, SKY, YELLOW, Path, finish, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ZERO = (0.92, 0.92, 0.92)
BLANK = (1.0, 1.0, 1.0)
INK = "#222222"
FAINT_INK = "#8a8a8a"

POINTS_PER_INCH = 72
SMALLEST_FONT = 5.5  # in points: the smallest that is read without effort on paper
CHARACTER_WIDTH = 0.6  # of a digit, as a share of the font size
LABEL_GAP = 0.06  # inches between a grid and its labels
MARGIN = 0.15  # inches around everything


def parameter_colours(positions: int, filters: int = 1) -> Array:
    """A colour for every weight of a kernel, (positions, filters, 3), numbers from 0 to 1.

    Up to seven weights get Okabe and Ito's colours, far apart. More of them run from dark to light,
    so that their order can be seen: in a colour of its own for each of two to four filters, else
    through viridis.

    >>> parameter_colours(9, filters=2).shape
    (9, 2, 3)
    """
    import matplotlib
    from matplotlib.colors import to_rgb

    few = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW)
    count = positions * filters
    if count <= len(few):
        return np.array([to_rgb(colour) for colour in few[:count]]).reshape(positions, filters, 3)
    if 2 <= filters <= 4:
        families = [_from_dark_to_light(to_rgb(colour), positions) for colour in few[:filters]]
        return np.stack(families, axis=1)
    viridis = matplotlib.colormaps["viridis"](np.linspace(0, 1, count))[:, :3]
    return np.asarray(viridis).reshape(positions, filters, 3)


def _from_dark_to_light(colour: tuple[float, float, float], count: int) -> Array:
    """Shades of one colour, which is in the middle, (count, 3)."""
    middle = np.array(colour)
    dark, light = 0.3 * middle, 1 - 0.4 * (1 - middle)
    position = np.linspace(-1, 1, count)[:, None]
    return np.where(
        position < 0, middle + (middle - dark) * position, middle + (light - middle) * position
    )


def number_texts(values: Array) -> Array:
    """Numbers as short strings of one format: whole ones as they are, others to two digits.

    The two digits are those of the largest; smaller numbers have as many decimals as it has. From
    100,000 on, and where all are below 0.001, there is one digit and a power of ten. Only what is
    exactly zero is "0".

    >>> number_texts(np.array([4.0, -12.0])).tolist()
    ['4', '-12']
    >>> number_texts(np.array([0.0, 0.001, -0.5])).tolist()
    ['0', '0.00', '-0.50']
    >>> number_texts(np.array([123456.0, -7.0])).tolist()
    ['1e+05', '-7e+00']
    """
    values = np.asarray(values, np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    if largest < 1e5 and bool((values == np.round(values)).all()):
        texts = [f"{value:.0f}" for value in values.flat]
    elif 1e-3 <= largest < 1e5:
        decimals = max(0, 1 - int(np.floor(np.log10(largest))))
        # + 0.0 turns the -0.0 that rounding leaves into 0.0
        texts = [f"{np.round(value, decimals) + 0.0:.{decimals}f}" for value in values.flat]
    else:
        texts = [f"{value:.0e}" for value in values.flat]
    return np.where(values == 0, "0", np.array(texts, dtype=str).reshape(values.shape))


def number_text(value: float) -> str:
    """One number in a sentence: whole ones as they are, others to four digits.

    >>> number_text(134400.0), number_text(-0.123456)
    ('134400', '-0.1235')
    """
    whole = value == np.round(value) and abs(value) < 1e7
    return f"{value + 0.0:.0f}" if whole else f"{value:.4g}"  # + 0.0: no -0


def exact_texts(values: Array) -> Array:
    """Numbers as they are where four digits are enough for all of them, else as `number_texts`.

    >>> exact_texts(np.array([0.0625, 0.5, -2.0])).tolist()
    ['0.0625', '0.5', '-2']
    >>> exact_texts(np.array([1 / 3, 0.5])).tolist()
    ['0.33', '0.50']
    """
    values = np.asarray(values, np.float64)
    texts = np.array([number_text(value) for value in values.flat], dtype=str)
    if np.allclose(texts.astype(np.float64), values.reshape(-1), rtol=1e-9, atol=0):
        return texts.reshape(values.shape)
    return number_texts(values)


def products_of(inputs: Array, weights: Array) -> list[str]:
    """Products as they are written in a sum, such as 3·(-4)."""
    return [f"{factor(a)}·{factor(b)}" for a, b in zip(inputs.flat, weights.flat, strict=True)]


def factor(number: float) -> str:
    """A number, in brackets where it is negative."""
    return f"({number_text(number)})" if number < 0 else number_text(number)


def font_size(cell: float, texts: Array) -> float:
    """In points, so that the longest of the texts fits into a cell of so many inches."""
    room = cell * POINTS_PER_INCH
    longest = max(len(text) for text in texts.flat)
    return min(10.0, 0.55 * room, 0.85 * room / (CHARACTER_WIDTH * longest))


@dataclass
class Grid:
    """Cells in rows and columns on a board, made by `Board.grid`. All lengths are in inches.

    Attributes:
        name: of the grid; its matplotlib artists carry it as `gid`.
        left, top: where it begins.
        cell: the side of one cell.
        rows, columns: how many cells.
    """

    board: Board
    name: str
    left: float
    top: float
    cell: float
    rows: int
    columns: int

    @property
    def right(self) -> float:
        """Where it ends."""
        return self.left + self.columns * self.cell

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.rows * self.cell

    @property
    def middle(self) -> tuple[float, float]:
        """x and y of the centre."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def frame(
        self, row: int, column: int, rows: int = 1, columns: int = 1, width: float = 2.0
    ) -> None:
        """A black frame around a block of cells, `width` points, or less where cells are small."""
        from matplotlib.patches import Rectangle

        self.board.axes.add_patch(
            Rectangle(
                (self.left + column * self.cell, self.top + row * self.cell),
                columns * self.cell,
                rows * self.cell,
                fill=False,
                edgecolor="black",
                linewidth=min(width, self.cell * POINTS_PER_INCH / 6),
                gid=f"{self.name} frame",
                zorder=4,
            )
        )

    def cross_out(self, row: int, column: int) -> None:
        """A line through a cell, from corner to corner."""
        x, y = self.left + column * self.cell, self.top + row * self.cell
        self.board.axes.plot(
            [x, x + self.cell],
            [y + self.cell, y],
            color=FAINT_INK,
            linewidth=1.0,
            gid=f"{self.name} crossed out",
            zorder=3,
        )

    def lines(self, every_rows: int, every_columns: int) -> None:
        """Thin lines that cut the grid into blocks of so many rows and columns."""
        style: dict[str, Any] = {"color": "#666666", "linewidth": 0.7, "zorder": 3}
        xs = self.left + self.cell * np.arange(every_columns, self.columns, every_columns)
        ys = self.top + self.cell * np.arange(every_rows, self.rows, every_rows)
        self.board.axes.vlines(xs, self.top, self.bottom, **style)
        self.board.axes.hlines(ys, self.left, self.right, **style)

    def label_rows(self, labels: Sequence[str], every: int = 1) -> float:
        """Labels at the left, each for a block of `every` rows; returns where they begin."""
        size, step = self._label_size(every)
        begin = self.left
        for block, label in list(enumerate(labels))[::step]:
            y = self.top + (block + 0.5) * every * self.cell
            width, _ = self.board.text(
                self.left - LABEL_GAP, y, label, size, align="right", vertical="center"
            )
            begin = min(begin, self.left - LABEL_GAP - width)
        return begin

    def label_columns(self, labels: Sequence[str], every: int = 1) -> float:
        """Labels above, each for a block of `every` columns; returns where they begin.

        They stand upright where they are too long to lie.
        """
        size, step = self._label_size(every)
        longest = max(len(label) for label in labels)
        fits = longest * CHARACTER_WIDTH * size <= every * self.cell * POINTS_PER_INCH
        begin = self.top
        for block, label in list(enumerate(labels))[::step]:
            _, height = self.board.text(
                self.left + (block + 0.5) * every * self.cell,
                self.top - LABEL_GAP,
                label,
                size,
                align="center",
                vertical="bottom",
                rotation=0 if fits else 90,
            )
            begin = min(begin, self.top - LABEL_GAP - height)
        return begin

    def _label_size(self, every: int) -> tuple[float, int]:
        """The font size of labels, and that only every so-manieth finds room."""
        room = every * self.cell * POINTS_PER_INCH
        size = min(8.0, max(SMALLEST_FONT, room * 0.6))
        return size, max(1, int(np.ceil(1.1 * size / room)))


class Board:
    """An empty figure in inches, x to the right and y down, as large as what is put on it.

    >>> board = Board()
    >>> grid = board.grid("kernel", 0, 0, 0.5, np.zeros((2, 3, 3)))
    >>> grid.right, grid.bottom
    (1.5, 1.0)
    """

    def __init__(self) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        self.figure = new_figure(1, 1)
        canvas: Any = FigureCanvasAgg(self.figure)
        self._renderer = canvas.get_renderer()  # to measure texts with
        self.figure.set_layout_engine("none")  # everything is placed by hand
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_axis_off()
        self.axes.set_autoscale_on(False)
        self.left = self.top = np.inf
        self.right = self.bottom = -np.inf

    def grid(
        self,
        name: str,
        left: float,
        top: float,
        cell: float,
        colours: Array,
        texts: Array | None = None,
        faint: Array | None = None,
        size: float | None = None,
    ) -> Grid:
        """Put a grid of cells on the board.

        Args:
            name: of the grid.
            left, top: inches.
            cell: inches.
            colours: (rows, columns, 3), from 0 to 1.
            texts: (rows, columns) strings to write into the cells; left out where they would be too
                small to read.
            faint: (rows, columns) booleans; the texts of these cells are grey.
            size: of the texts in points; by default as the longest of them fits.
        """
        rows, columns = colours.shape[:2]
        grid = Grid(self, name, left, top, cell, rows, columns)
        self.axes.imshow(
            colours,
            extent=(left, grid.right, grid.bottom, top),
            interpolation="nearest",
            aspect="auto",
            gid=name,
        )
        if cell > 0.05:
            style: dict[str, Any] = {
                "color": "white" if cell < 0.12 else "#bbbbbb",
                "linewidth": 0.4,
            }
            self.axes.vlines(left + cell * np.arange(columns + 1), top, grid.bottom, **style)
            self.axes.hlines(top + cell * np.arange(rows + 1), left, grid.right, **style)
        self._outline(grid)
        if texts is not None:
            self._write(
                grid, colours, texts, faint, font_size(cell, texts) if size is None else size
            )
        self._include(left, top, grid.right, grid.bottom)
        return grid

    def text(
        self,
        x: float,
        y: float,
        string: str,
        size: float = 9.0,
        align: str = "left",
        vertical: str = "top",
        wrap: float | None = None,
        **style: Any,
    ) -> tuple[float, float]:
        """Write on the board; returns width and height. `wrap` breaks lines at so many inches."""
        if wrap is not None:
            # A letter is narrower than a digit, on average half the font size.
            letters = max(20, int(wrap * POINTS_PER_INCH / (size * 0.5)))
            string = "\n".join(textwrap.fill(line, letters) for line in string.splitlines())
        text = self.axes.text(
            x, y, string, fontsize=size, ha=align, va=vertical, **{"color": INK, **style}
        )
        box = text.get_window_extent(self._renderer)
        width, height = box.width / self.figure.dpi, box.height / self.figure.dpi
        left = x - {"left": 0.0, "center": width / 2, "right": width}[align]
        top = y - {"top": 0.0, "center": height / 2, "bottom": height}[vertical]
        self._include(left, top, left + width, top + height)
        return width, height

    def arrow(self, x: float, y: float, to_x: float, to_y: float) -> None:
        """An arrow from one point to another."""
        self.axes.annotate(
            "",
            (to_x, to_y),
            (x, y),
            arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.2, "shrinkA": 0},
        )
        self._include(min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y))

    def polygons(self, name: str, corners: Array, **style: Any) -> None:
        """Shapes of one number of corners, (shapes, corners, 2), in matplotlib's `style`."""
        from matplotlib.collections import PolyCollection

        self.axes.add_collection(PolyCollection(list(corners), gid=name, **style), autolim=False)
        self._include(*corners.min(axis=(0, 1)), *corners.max(axis=(0, 1)))

    def room(self, left: float, top: float, width: float, height: float) -> None:
        """Keep a place free: in a film, for texts whose length differs from frame to frame."""
        self._include(left, top, left + width, top + height)

    def heading(self, x: float, y: float, string: str) -> float:
        """What stands over a part of the picture that begins at y; returns its width."""
        width, _ = self.text(x, y - 0.1, string, 10, vertical="bottom", weight="bold")
        return width

    def headline(self, title: str, subtitle: str) -> None:
        """A title over everything that is there so far."""
        width, left = max(5.0, self.right - self.left), self.left
        self.text(left, self.top - 0.15, subtitle, 9, vertical="bottom", wrap=width)
        self.text(
            left, self.top - 0.06, title, 11, vertical="bottom", wrap=width * 0.8, weight="bold"
        )

    def caption(self, string: str) -> None:
        """Explanations under everything that is there so far."""
        width = max(5.0, self.right - self.left)
        self.text(self.left, self.bottom + 0.12, string, 8.5, wrap=width, linespacing=1.35)

    def finish(self, path: Path | None) -> Figure:
        """Cut the figure to what is on the board, and write it if there is a path."""
        left, right = self.left - MARGIN, self.right + MARGIN
        top, bottom = self.top - MARGIN, self.bottom + MARGIN
        self.figure.set_size_inches(right - left, bottom - top)
        self.axes.set_xlim(left, right)
        self.axes.set_ylim(bottom, top)
        return finish(self.figure, path)

    def _include(self, left: float, top: float, right: float, bottom: float) -> None:
        self.left, self.top = min(self.left, left), min(self.top, top)
        self.right, self.bottom = max(self.right, right), max(self.bottom, bottom)

    def _outline(self, grid: Grid) -> None:
        from matplotlib.patches import Rectangle

        self.axes.add_patch(
            Rectangle(
                (grid.left, grid.top),
                grid.right - grid.left,
                grid.bottom - grid.top,
                fill=False,
                edgecolor="#666666",
                linewidth=0.8,
            )
        )

    def _write(
        self, grid: Grid, colours: Array, texts: Array, faint: Array | None, size: float
    ) -> None:
        if size < SMALLEST_FONT:
            return
        # Brightness as the eye weighs it (ITU-R BT.601).
        bright = colours @ np.array([0.299, 0.587, 0.114])
        for (row, column), text in np.ndenumerate(texts):
            ink = INK if bright[row, column] > 0.5 else "white"
            self.axes.text(
                grid.left + (column + 0.5) * grid.cell,
                grid.top + (row + 0.5) * grid.cell,
                text,
                fontsize=size,
                ha="center",
                va="center_baseline",
                color=FAINT_INK if faint is not None and faint[row, column] else ink,
                gid=grid.name,
                zorder=5,
            )
