"""Convolution in one dimension: `signal_figure`, and `flip_and_slide_film`.

Both show true convolution, h(t) = sum over t' of g(t - t') f(t'): the weights g are turned around
and slid along the signal f. `functional.conv1d`, which does not turn a kernel around, computes it
from the weights turned around beforehand.

Time counts from 0 at the first value of f. g has its time 0 in the middle, at `weights[k // 2]`, so
that h(t) stands under the middle of the turned weights, whatever the padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import functional as F
from ..conv_arithmetic import AxisPadding, Pair, mode_padding, output_size, resolve_axis_padding
from ..engine import Array
from ..text import counted
from .arguments import numbers_of, refuse_above
from .cells import INK, SMALLEST_FONT, exact_texts, font_size, number_text, products_of
from .figures import BLUE, GREEN, PURPLE, RED, Path, finish, new_figure
from .film import Film, check_gif, finish_film

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY = "#b5b5b5"  # of the signal
WINDOW = "#f3ece0"  # behind what the weights cover

WIDTH, HEIGHT = 7.5, 5.6  # inches of a frame
PLOT_WIDTH = 6.9  # of its plots
MOMENTS_LIMIT = 80  # in a film: a bar is then six pixels wide
WEIGHTS_LIMIT = 60  # in a figure
SIGNAL_LIMIT = 2000  # in a figure: a value is then half a pixel wide
FORMULA_LENGTH = 6  # the most products that are written out


# --- a signal, smoothed ---------------------------------------------------------------------------


def signal_figure(signal: Any, weights: Any, path: Path | None = None, clean: Any = None) -> Figure:
    """A noisy signal, the weights, and what the true convolution of the two (SAME) makes of it.

    The caption says what the weights do to a constant signal, which is multiplied by their sum, and
    to white noise, whose variance is multiplied by the sum of their squares. Both hold away from
    the ends, where the weights reach over the signal and meet zeros; these parts are shaded.

    Args:
        signal: (n,), with noise.
        weights: (k,), at most as many as the signal has values.
        path: of a picture file to write.
        clean: (n,), the signal without noise, if it is known. It is drawn too, and the variance of
            the noise before and after goes into the caption.

    Raises:
        ValueError: arrays of other shapes, weights longer than the signal, or more than 2000 values
            or 60 weights, which could not be told apart.
    """
    where = "signal_figure"
    f, g = _line(where, "signal", signal), _line(where, "weights", weights)
    for name, line, limit in (("signal", f, SIGNAL_LIMIT), ("weights", g, WEIGHTS_LIMIT)):
        refuse_above(
            where,
            f"{name} of shape {line.shape} is too long to draw legibly",
            len(line),
            limit,
            "numbers can be told apart",
            f"give a part of it, such as {name}[:{limit}]",
        )
    if len(g) > len(f):
        raise ValueError(
            f"{where}: weights of shape {g.shape} are longer than signal of shape {f.shape}; "
            "give fewer weights, or a longer signal"
        )
    known = None if clean is None else _line(where, "clean", clean)
    if known is not None and known.shape != f.shape:
        raise ValueError(
            f"{where}: clean of shape {known.shape} must have the signal's shape {f.shape}"
        )
    h = _convolved(f, g, "SAME")
    before, after = mode_padding("SAME", len(g))
    inner = slice(before, len(f) - after)  # where no window reaches over an end

    figure = new_figure(9.5, 3.9)
    left, right = figure.subplots(1, 2, width_ratios=(1, 3.2))
    _draw_weights(left, g)
    _draw_signals(right, f, h, known, inner)
    figure.suptitle("A signal f, smoothed by weights g: h(t) = Σ g(t − t′) f(t′)", weight="bold")
    figure.supxlabel(_signal_caption(f, g, known, inner), fontsize=9, gid="caption")
    return finish(figure, path)


def _draw_weights(axes: Axes, g: Array) -> None:
    """The weights as bars, over their times."""
    axes.bar(np.arange(len(g)) - len(g) // 2, g, color=RED, gid="weights", width=0.7)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.locator_params(axis="x", integer=True)
    axes.set_title("weights g", fontsize=10)
    axes.set_xlabel("time")


def _draw_signals(axes: Axes, f: Array, h: Array, known: Array | None, inner: slice) -> None:
    """Signal and result over time, the ends shaded."""
    times = np.arange(len(f))
    axes.plot(times, f, ".", color="#8a8a8a", markersize=4, label="noisy signal f", gid="signal")
    if known is not None:
        axes.plot(times, known, "--", color=INK, linewidth=1.2, label="without noise", gid="clean")
    axes.plot(times, h, "-", color=BLUE, linewidth=2, label="smoothed h", gid="result")
    for begin, end, name in (
        (0, inner.start, "g reaches over an end"),
        (inner.stop, len(f), None),
    ):
        if begin < end:
            axes.axvspan(begin - 0.5, end - 0.5, color="#eeeeee", zorder=0, label=name, gid="end")
    axes.set_title("signal and result", fontsize=10)
    axes.set_xlabel("time")
    axes.margins(x=0)
    # Over the points there is room for the names.
    low, high = min(f.min(), h.min()), max(f.max(), h.max())
    height = (high - low) or 1.0
    axes.set_ylim(low - 0.05 * height, high + 0.28 * height)
    axes.legend(fontsize=8, ncols=2, loc="upper center")


def _signal_caption(f: Array, g: Array, known: Array | None, inner: slice) -> str:
    """What the weights do to constants and to noise."""
    total, squares = float(g.sum()), float((g * g).sum())
    constants = "stay" if np.isclose(total, 1) else f"are multiplied by {total:.4g}"
    text = (
        f"The weights sum to {total:.4g}, so constants {constants}; their squares sum to "
        f"{squares:.3f}, the share of the variance that is left of white noise."
    )
    if known is not None:
        # Smoothing is linear: what it makes of the noise is the smoothed noise.
        noise = f - known
        smoothed = _convolved(noise, g, "SAME")
        before, after = noise[inner].var(), smoothed[inner].var()
        text += (
            f"\nAway from the ends the noise has variance {before:.4f} before, {after:.4f} after"
        )
        text += f": {after / before:.3f} of it." if before else "."
    return text


# --- flip and slide -------------------------------------------------------------------------------


def flip_and_slide_film(
    signal: Any,
    weights: Any,
    path: Path | None = None,
    padding: AxisPadding = "FULL",
    seconds: float = 0.8,
) -> Film:
    """True convolution in one dimension as it is computed: flip the weights, slide, multiply, add.

    The first frame shows the weights as they are; then comes a frame for each value of the result:
    the signal f, the weights turned around to where they are now, the products, and the result h as
    far as it is known. The numbers are those of the arithmetic.

    Args:
        signal: (n,).
        weights: (k,), of any length.
        path: of a GIF to write.
        padding: how far the weights slide over the ends: "FULL", as in textbooks, "SAME", "VALID",
            or what else `functional.conv1d` takes.
        seconds: that a frame is shown.

    Raises:
        ValueError: arrays of other shapes, an unknown padding, weights that are longer than the
            padded signal, which may have 80 values at most, or a path that does not end in .gif.
    """
    where = "flip_and_slide_film"
    f, g = _line(where, "signal", signal), _line(where, "weights", weights)
    pads = resolve_axis_padding(padding, len(g), where=where)
    moments = len(f) + sum(pads)
    refuse_above(
        where,
        f"{counted(len(f), 'value')} and, for {counted(len(g), 'weight')}, {sum(pads)} of padding "
        f"make {moments} moments in time",
        moments,
        MOMENTS_LIMIT,
        "bars can be told apart",
        "give a part of the signal, or fewer weights",
    )
    outputs = output_size(len(f), len(g), 1, 1, *pads, where=where, axis="length")
    if path is not None:
        check_gif(path, where)
    film = Film(_Slide(f, g, pads, str(padding).upper()).frame, outputs + 1, seconds)
    return finish_film(film, path)


@dataclass(frozen=True)
class _Bars:
    """Numbers over time as bars with the numbers above them; one plot of a frame.

    Attributes:
        name: of the numbers; each bar has the `gid` name[time], and so has the number at it.
        label: what stands beside the plot.
        values: all that are ever shown, which settles the scale and how many digits are written.
        style: of the bars. Outlines and hatches tell them apart where colours do not.
    """

    name: str
    label: str
    values: Array
    style: dict[str, Any]

    def draw(
        self, axes: Axes, times: Array, which: Any, room: float, label: str | None = None
    ) -> None:
        """Draw `values[which]` at these times; `room` is what a bar has, in inches."""
        values, texts = self.values[which], exact_texts(self.values)[which]
        size = font_size(room, exact_texts(self.values))
        low, high = min(0.0, float(self.values.min())), max(0.0, float(self.values.max()))
        height = high - low or 1.0
        # Above the bars, and below those that hang down, there is room for their numbers.
        axes.set_ylim(low - 0.3 * height * (low < 0), high + 0.3 * height)
        axes.axhline(0, color=INK, linewidth=0.8)
        bars = axes.bar(times, values, 0.8, zorder=2, **self.style)
        for bar, time, value, text in zip(bars, times, values, texts):
            bar.set_gid(f"{self.name}[{time}]")
            if size >= SMALLEST_FONT:
                axes.annotate(
                    text,
                    (time, value),
                    (0, 1.5 if value >= 0 else -1.5),
                    textcoords="offset points",
                    ha="center",
                    va="bottom" if value >= 0 else "top",
                    fontsize=size,
                    gid=f"{self.name}[{time}]",
                )
        axes.set_title(self.label if label is None else label, loc="left", fontsize=9, pad=3)
        axes.locator_params(axis="y", nbins=3)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)


class _Slide:
    """The weights on their way along the signal; `frame` draws where they are.

    Args:
        f: (n,), the signal.
        g: (k,), the weights.
        pads: how many zeros stand before and after the signal.
        padding: how the user said it.
    """

    def __init__(self, f: Array, g: Array, pads: Pair, padding: str) -> None:
        before, after = pads
        self.padding = padding
        self.h = _convolved(f, g, pads)
        # The signal under the turned weights, for every value of the result: (outputs, k)
        self.covered = np.lib.stride_tricks.sliding_window_view(np.pad(f, (before, after)), len(g))
        # Where the turned weights begin under the first value of the result, and where g's time 0
        # is then, which is the time of that value.
        self.first_window = -before
        self.first_time = (len(g) - 1) // 2 - before
        # All of the padded signal, and the weights before they are turned.
        self.given = np.arange(len(g)) - len(g) // 2
        self.times = np.arange(min(-before, self.given[0]), max(len(f) + after, self.given[-1] + 1))

        self.signal = _Bars("f", "signal f(t′)", f, {"color": GREY})
        outlined = {"facecolor": "white", "edgecolor": RED, "hatch": "////"}
        self.weights = _Bars("g", "", g, outlined)
        dotted = {"facecolor": PURPLE, "edgecolor": "white", "hatch": "...", "linewidth": 0}
        self.products = _Bars("product", "products of the two", self.covered * g[::-1], dotted)
        self.result = _Bars("h", "result h(t), the sum of the products", self.h, {"color": GREEN})

    def frame(self, number: int) -> Figure:
        """Frame 0 shows the weights as they are, frame i + 1 how value i of the result is made."""
        figure = new_figure(WIDTH, HEIGHT)
        figure.set_layout_engine("none")  # the same places in every frame
        places = {"top": 0.83, "bottom": 0.09, "right": 0.98, "left": 0.98 - PLOT_WIDTH / WIDTH}
        plots = figure.subplots(4, 1, sharex=True, gridspec_kw={**places, "hspace": 0.42})
        title = f"h(t) = Σ g(t − t′) f(t′), {self.padding}: flip the weights, slide, multiply, add"
        figure.text(0.02, 0.975, title, fontsize=11, weight="bold", va="top")

        known = number  # values of the result
        if number == 0:
            sentence = "The weights g as they are; next they are turned around."
            self._draw(plots, "weights g(t′)", self.given, slice(None), known)
        else:
            output = number - 1
            time = self.first_time + output
            sentence = self._sum(output, time)
            window = np.arange(self.covered.shape[1]) + self.first_window + output
            turned = slice(None, None, -1)
            self._draw(plots, f"weights, turned around: g({time} − t′)", window, turned, known)
            for axes in plots:
                axes.axvspan(window[0] - 0.5, window[-1] + 0.5, color=WINDOW, zorder=0)
        figure.text(0.02, 0.915, sentence, fontsize=10, va="top", gid="sentence")
        return figure

    def _draw(self, plots: Any, label: str, window: Array, order: slice, known: int) -> None:
        """Signal, weights, products and result in the four plots from above."""
        room = PLOT_WIDTH / len(self.times)
        signal, weights, multiplied, result = plots
        self.signal.draw(signal, np.arange(len(self.signal.values)), slice(None), room)
        self.weights.draw(weights, window, order, room, label)
        factors = window if known else window[:0]
        self.products.draw(multiplied, factors, np.s_[known - 1, : len(factors)], room)
        self.result.draw(result, self.first_time + np.arange(known), slice(known), room)
        for bar in result.patches[-1:]:  # the newest value
            bar.set(edgecolor="black", linewidth=1.8)
        result.set_xlim(self.times[0] - 0.6, self.times[-1] + 0.6)
        result.locator_params(axis="x", integer=True)
        result.set_xlabel("time; beyond its ends the signal is 0", fontsize=9)

    def _sum(self, output: int, time: int) -> str:
        """What the frame computes; the products are written out where they are few."""
        covered, turned = self.covered[output], self.weights.values[::-1]
        if len(turned) > FORMULA_LENGTH:
            products = f"the sum of {len(turned)} products"
        else:
            products = " + ".join(products_of(covered, turned))
        return f"h({time}) = {products} = {number_text(self.h[output])}"


# --- numbers --------------------------------------------------------------------------------------


def _convolved(f: Array, g: Array, padding: AxisPadding) -> Array:
    """True convolution, (n,) with (k,) -> (outputs,): `conv1d` with the weights turned around."""
    out = F.conv1d(f.reshape(1, -1, 1), g[::-1].reshape(-1, 1, 1), padding=padding)
    return out.data.reshape(-1)


def _line(where: str, name: str, values: Any) -> Array:
    """Numbers in a row, as float64.

    Raises:
        ValueError: not one axis, nothing on it, or a number that is not finite.
    """
    array = numbers_of(f"{where}: {name}", values)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{where}: {name} of shape {array.shape} must have one axis with something on it"
        )
    return array
