"""What the films of convolutions share: `Sweep`, cells times weights, step by step.

Every film is one of two movements, and each is the other run backwards:

- gathering: the window's cells are read, multiplied with the weights and summed into one cell;
- scattering: one cell is read, multiplied with the weights and added to the window's cells.

`Planes` are cells in rows and columns, plane below plane; a `Step` says which of them one frame
reads and writes. `refuse_large_film` comes before all.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from ...engine import Array
from ...text import counted
from ..arguments import refuse_above
from ..cells import (
    BLANK,
    CHARACTER_WIDTH,
    POINTS_PER_INCH,
    ZERO,
    Board,
    Grid,
    factor,
    font_size,
    number_text,
    number_texts,
    products_of,
)
from ..figures import Path
from ..film import Film, check_gif, finish_film
from .parts import PART_SIZE, draw_planes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIT = (1.0, 0.91, 0.56)  # the cell that a window is summed into, or that is read for a window
CELL = 0.42  # inches; so large that numbers can be read on a screen
ROWS_AT_MOST, COLUMNS_AT_MOST = 24, 40
FRAMES_LIMIT = 200  # of the largest frames these are almost 2 MB
TERMS_AT_MOST = 25  # so many products are written out
FORMULA_SIZE = 9.0
MONOSPACE_WIDTH = 0.66  # of a letter, as a share of the font size; 0.6, rounded to whole pixels
GAP = 0.3  # inches beside the signs between the parts
NO_BREAK = "\N{NO-BREAK SPACE}"  # in sums that are not to be cut at the end of a line

# Rows (h, 1, 1), columns (w, 1) and planes (p,), as `np.ix_` makes them: an index of (h, w, p).
Cells = tuple[Array, ...]
Shape = tuple[int, int, int]  # (H, W, planes)


def refuse_large_film(
    where: str, source: Shape, weights: Shape, target: Shape, frames: int
) -> None:
    """The error for a film that could not be read, before anything is computed for it.

    Args:
        where: the function that errors speak of.
        source, weights, target: the (H, W, planes) of the parts of a frame.
        frames: how many there would be.

    Raises:
        ValueError: more rows or columns than find room, or more frames than a film can have.
    """
    shapes = (source, weights, weights, target)  # the third are the products
    rows = max(height * planes for height, _, planes in shapes)
    columns = sum(width for _, width, _ in shapes)
    for what, count, limit, purpose in (
        (f"a frame has {counted(rows, 'row')}", rows, ROWS_AT_MOST, "can be drawn with numbers"),
        (
            f"a frame has {counted(columns, 'column')} side by side",
            columns,
            COLUMNS_AT_MOST,
            "can be drawn with numbers",
        ),
        (f"it takes {counted(frames, 'frame')}", frames, FRAMES_LIMIT, "make a film"),
    ):
        refuse_above(
            where,
            what,
            count,
            limit,
            purpose,
            "give a smaller input_shape, fewer channels or filters: the pattern repeats",
        )


@dataclass(frozen=True)
class Planes:
    """Cells in rows and columns, plane below plane: one part of a frame.

    Attributes:
        name: of the grids, which add the plane in brackets; cells are named after it.
        heading: what stands over them.
        colours: (H, W, P, 3).
        faint: (H, W, P) booleans, cells whose number is written in grey.
        parts: what stands over each plane, where there are several.
    """

    name: str
    heading: str
    colours: Array
    faint: Array
    parts: Sequence[str] = ()

    @classmethod
    def plain(cls, name: str, heading: str, padding: Array, parts: Sequence[str] = ()) -> Planes:
        """White cells, and grey ones where there is padding, (H, W, P) booleans."""
        return cls(name, heading, np.where(padding[..., None], ZERO, BLANK), padding, parts)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, P)"""
        return self.faint.shape

    def marked(self, cells: Cells, colours: Array) -> Planes:
        """The same with some cells in these colours, (h, w, p, 3) or one for all."""
        all_colours, faint = self.colours.copy(), self.faint.copy()
        all_colours[cells] = colours
        faint[cells] = False
        return replace(self, colours=all_colours, faint=faint)

    def label(self, cells: Cells) -> str:
        """The name of the first of these cells."""
        row, column, plane = (int(index.flat[0]) for index in cells)
        of_part = f" of {self.parts[plane]}" if self.parts else ""
        return f"{self.name}[{row},{column}]{of_part}"


@dataclass(frozen=True)
class Step:
    """What one frame shows.

    Attributes:
        read: the cells of the source that are multiplied.
        weights: (kh, kw, P) what they are multiplied with.
        colours: (kh, kw, P, 3) of the weights, and of the cells of the window that they fall on.
        write: the cells of the target that the products are added to.
        parts: what stands over each plane of the weights, where anything does.
        bias: added to the sum of a window.
        lit: the colour of the one cell on the other side of the window.
    """

    read: Cells
    weights: Array
    colours: Array
    write: Cells
    parts: Sequence[str] = ()
    bias: float | None = None
    lit: Sequence[float] | Array = LIT


@dataclass(frozen=True)
class Sweep:
    """A film of cells times weights, step by step.

    Attributes:
        where: the function that errors speak of.
        title, subtitle, caption: the same in all frames.
        about_grey: what grey cells are, said where there are any.
        source: what is read.
        values: (H, W, P) the numbers in it.
        weights_heading: what stands over the weights.
        target: what is written.
        gathers: whether the window is in the source; else it is in the target.
        steps: one for each frame.
    """

    where: str
    title: str
    subtitle: str
    caption: str
    about_grey: str
    source: Planes
    values: Array
    weights_heading: str
    target: Planes
    gathers: bool
    steps: Sequence[Step]

    def film(self, path: Path | None) -> Film:
        """The film, written if there is a path.

        Raises:
            ValueError: the path does not end in .gif.
        """
        if path is not None:
            check_gif(path, self.where)
        return finish_film(Film(self._draw, len(self.steps)), path)

    # --- numbers ----------------------------------------------------------------------------------

    @cached_property
    def products(self) -> Array:
        """Of every step, (steps, kh, kw, P)."""
        return np.array([self.values[step.read] * step.weights for step in self.steps])

    @cached_property
    def written(self) -> Array:
        """The target before the first step and after each, (1 + steps, H, W, P)."""
        added = np.zeros((1 + len(self.steps), *self.target.shape))
        for after, step, products in zip(added[1:], self.steps, self.products, strict=True):
            after[step.write] = products.sum() + (step.bias or 0.0) if self.gathers else products
        return np.cumsum(added, axis=0)

    @cached_property
    def _texts(self) -> tuple[Array, Array, Array, Array]:
        """What is written into the cells: source; and of every step weights, products, target."""
        products = number_texts(self.products)
        signed = np.where(self.products > 0, np.char.add("+", products), products)
        return (
            number_texts(self.values),
            number_texts(np.array([step.weights for step in self.steps])),
            signed,
            number_texts(self.written)[1:],
        )

    @cached_property
    def _size(self) -> float:
        """Of the numbers in all cells of all frames, in points."""
        return min(font_size(CELL, texts) for texts in self._texts)

    @cached_property
    def _names_width(self) -> float:
        """Room for the longest name over a plane, in whichever frame it stands, in inches."""
        longest = max(len(part) for step in self.steps for part in [*step.parts, ""])
        return longest * CHARACTER_WIDTH * PART_SIZE / POINTS_PER_INCH

    @cached_property
    def _untouched(self) -> Array:
        """Cells on the window's side that it never reaches, in the shape of that side."""
        side = self.source if self.gathers else self.target
        untouched = np.ones(side.shape, bool)
        for step in self.steps:
            untouched[step.read if self.gathers else step.write] = False
        return untouched

    @property
    def _explanation(self) -> str:
        """The caption, with a word about grey cells and crossed-out ones where there are any."""
        explanation = self.caption
        if self.source.faint.any() or self.target.faint.any():
            explanation += f" {self.about_grey}"
        if self._untouched.any():
            result = "" if self.gathers else ": their gradient stays 0"
            explanation += f" No window reaches the cells that are crossed out{result}."
        return explanation

    @cached_property
    def _formulas(self) -> list[str]:
        """Of every step, its arithmetic."""
        write = self._sum if self.gathers else self._additions
        return [write(number) for number in range(len(self.steps))]

    def _sum(self, number: int) -> str:
        step = self.steps[number]
        terms = products_of(_in_order(self.values[step.read]), _in_order(step.weights))
        if len(terms) > TERMS_AT_MOST:
            terms = [counted(len(terms), "product")]
        if step.bias is not None:
            terms.append(f"bias {factor(step.bias)}")
        total = number_text(self.written[number + 1][step.write].item())
        return f"{self.target.label(step.write)} = {' + '.join(terms)} = {total}"

    def _additions(self, number: int) -> str:
        step = self.steps[number]
        before, after = (
            _in_order(self.written[moment][step.write]) for moment in (number, number + 1)
        )
        read = self.values[step.read].reshape(1)
        start = (
            f"{self.source.label(step.read)} = {number_text(read.item())} into {self.target.name}"
        )
        terms = products_of(np.broadcast_to(read, after.shape), _in_order(step.weights))
        if len(terms) > TERMS_AT_MOST:
            return f"{start}: {counted(len(terms), 'product')} are added"
        sums = [
            f"{number_text(old)} + {term} = {number_text(new)}"
            for old, term, new in zip(before.flat, terms, after.flat, strict=True)
        ]
        return f"{start}: " + ", ".join(sum_.replace(" ", NO_BREAK) for sum_ in sums)

    # --- pictures ---------------------------------------------------------------------------------

    def _draw(self, number: int) -> Figure:
        step = self.steps[number]
        lit = np.array(step.lit)
        read, written = (step.colours, lit) if self.gathers else (lit, step.colours)
        source_texts, weight_texts, product_texts, _ = self._texts
        target, target_texts = self._target_after(number)
        weights = Planes(
            "weights",
            self.weights_heading,
            step.colours,
            np.zeros(step.weights.shape, bool),
            step.parts,
        )

        board = Board()
        source, right = self._put(board, 0, self.source.marked(step.read, read), source_texts)
        right = self._sign(board, right, "×")
        _, right = self._put(board, right, weights, weight_texts[number])
        right = self._sign(board, right, "=")
        products = replace(weights, name="products", heading="products")
        _, right = self._put(board, right, products, product_texts[number])
        right = self._sign(board, right, "→", "sum" if self.gathers else "add")
        filled, _ = self._put(board, right, target.marked(step.write, written), target_texts)
        _frame(source, step.read)
        _frame(filled, step.write)
        for row, column, plane in np.argwhere(self._untouched):
            (source if self.gathers else filled)[plane].cross_out(row, column)
        self._write_formula(board, number)
        board.headline(self.title, self.subtitle)
        board.caption(self._explanation)
        return board.finish(None)

    def _target_after(self, number: int) -> tuple[Planes, Array]:
        """The target after a step, and what stands in it: sums that are yet to be made do not."""
        touched = np.zeros(self.target.shape, bool)
        for step in self.steps[: number + 1]:
            touched[step.write] = True
        texts = self._texts[-1][number]
        if not self.gathers:
            return replace(self.target, faint=self.target.faint | ~touched), texts
        colours = np.where(touched[..., None], self.target.colours, BLANK)
        return replace(self.target, colours=colours), np.where(touched, texts, "")

    def _put(
        self, board: Board, left: float, planes: Planes, texts: Array
    ) -> tuple[list[Grid], float]:
        """One part on the board; returns its grids and where it ends."""
        heading = board.heading(left, 0, planes.heading)
        grids = draw_planes(
            board,
            planes.name,
            left,
            0,
            CELL,
            texts,
            planes.colours,
            planes.faint,
            planes.parts,
            self._size,
        )
        named = left + self._names_width if planes.parts else left
        return grids, max(grids[0].right, left + heading, named)

    def _sign(self, board: Board, right: float, sign: str, word: str = "") -> float:
        """What stands between two parts; returns where the next one begins."""
        height = min(self.source.shape[0], self.target.shape[0], len(self.steps[0].weights))
        x, y = right + GAP, height * CELL / 2
        board.text(x, y, sign, 15, "center", "center")
        board.text(x, y - 0.14, word, 8, "center", "bottom")
        return x + GAP

    def _write_formula(self, board: Board, number: int) -> None:
        """The arithmetic of the frame, in a place that is large enough for that of any frame."""
        letter = MONOSPACE_WIDTH * FORMULA_SIZE / POINTS_PER_INCH
        left, top, width = board.left, board.bottom + 0.25, max(5.0, board.right - board.left)
        lines = [textwrap.wrap(formula, int(width / letter)) for formula in self._formulas]
        board.room(left, top, width, 1.6 * FORMULA_SIZE / POINTS_PER_INCH * max(map(len, lines)))
        text = "\n".join(lines[number]).replace(NO_BREAK, " ")
        board.text(left, top, text, FORMULA_SIZE, family="monospace", gid="formula")


def _in_order(numbers: Array) -> Array:
    """As they are read in a picture, plane after plane: (h, w, p) -> (p * h * w,)"""
    return np.moveaxis(numbers, -1, 0).reshape(-1)


def _frame(grids: list[Grid], cells: Cells) -> None:
    """A frame around the block in which these cells are, in each of their planes."""
    rows, columns, planes = (index.reshape(-1) for index in cells)
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    for plane in planes:
        grids[plane].frame(rows[0], columns[0], height, width, 2.5)
