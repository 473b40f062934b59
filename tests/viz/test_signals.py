"""Pictures of convolution in one dimension: bars and numbers read back, against plain loops."""

import re

import numpy as np
import pytest
from PIL import Image

from minigrad import Tensor, viz

SIGNAL = [1.0, 3.0, 4.0, -2.0, 0.0, 2.0, 5.0]
# Not symmetric, so that weights that were not turned around would show.
WEIGHTS = {3: [0.5, 0.25, -1.0], 4: [3.0, 1.0, -2.0, 5.0], 1: [2.0]}


def by_loops(signal, weights):
    """h(t) = sum over t' of g(t - t') f(t'), {t: h(t)}; g's time 0 is at weights[k // 2]."""
    middle = len(weights) // 2
    h = {}
    for t in range(-middle, len(signal) + len(weights) - 1 - middle):
        h[t] = 0.0
        for moment, value in enumerate(signal):
            if 0 <= t - moment + middle < len(weights):
                h[t] += weights[t - moment + middle] * value
    return h


def times(mode, n, k):
    """The times at which there is a result."""
    everything = sorted(by_loops([0.0] * n, [0.0] * k))
    if mode == "FULL":
        return everything
    return list(range(n)) if mode == "SAME" else everything[k - 1 : n]


def read(figure):
    """{name: {time: height}} of the bars, and the numbers written at them likewise."""
    bars, texts = {}, {}
    for axes in figure.axes:
        for found, artists in ((bars, axes.patches), (texts, axes.texts)):
            for artist in artists:
                match = re.fullmatch(r"(\w+)\[(-?\d+)\]", artist.get_gid() or "")
                if match is None:
                    continue
                name, time = match[1], int(match[2])
                if artist in axes.patches:
                    assert artist.get_x() + artist.get_width() / 2 == pytest.approx(time)
                    found.setdefault(name, {})[time] = artist.get_height()
                else:
                    found.setdefault(name, {})[time] = artist.get_text()
    return bars, texts


def sentence(figure):
    (text,) = [text.get_text() for text in figure.texts if text.get_gid() == "sentence"]
    return text


# --- flip and slide -------------------------------------------------------------------------------


# article: E1, E3, M1, G1
@pytest.mark.parametrize("size", [1, 3, 4])
@pytest.mark.parametrize("mode", ["FULL", "SAME", "VALID"])
def test_every_frame_shows_what_the_sum_says(mode, size):
    weights = WEIGHTS[size]
    film = viz.flip_and_slide_film(SIGNAL, weights, padding=mode.lower())
    result = by_loops(SIGNAL, weights)
    moments = times(mode, len(SIGNAL), size)
    assert len(film) == 1 + len(moments)
    for number, time in enumerate(moments):
        bars, texts = read(film.frame(1 + number))
        assert bars["f"] == dict(enumerate(SIGNAL))
        # g(t - t') at every t' where g has a value, and f is 0 beyond its ends.
        middle = size // 2
        turned = {time - j + middle: weight for j, weight in enumerate(weights)}
        assert bars["g"] == turned
        assert bars["product"] == {
            moment: weight * (SIGNAL[moment] if 0 <= moment < len(SIGNAL) else 0.0)
            for moment, weight in turned.items()
        }
        assert bars["h"] == pytest.approx({t: result[t] for t in moments[: number + 1]})
        assert float(texts["h"][time]) == pytest.approx(result[time], abs=0.0501)
        assert sentence(film.frame(1 + number)).startswith(f"h({time}) = ")


def test_the_first_frame_shows_the_weights_as_they_are():
    figure = viz.flip_and_slide_film(SIGNAL, WEIGHTS[4]).frame(0)
    bars, texts = read(figure)
    assert bars["g"] == {-2: 3.0, -1: 1.0, 0: -2.0, 1: 5.0}
    assert texts["g"] == {-2: "3", -1: "1", 0: "-2", 1: "5"}
    assert set(bars) == {"f", "g"}
    assert "turned around" in sentence(figure)


def test_the_sum_is_written_out_where_it_is_short():
    film = viz.flip_and_slide_film(SIGNAL, WEIGHTS[3], padding="VALID")
    # g(2 - t') at t' = 1, 2, 3 is -1, 0.25, 0.5
    assert sentence(film.frame(2)) == "h(2) = 3·(-1) + 4·0.25 + (-2)·0.5 = -3"
    long = viz.flip_and_slide_film(SIGNAL, np.ones(7))
    assert sentence(long.frame(7)) == "h(3) = the sum of 7 products = 13"


def test_only_the_newest_value_is_outlined_in_black():
    figure = viz.flip_and_slide_film(SIGNAL, WEIGHTS[3]).frame(4)
    outlined = [
        bar.get_gid()
        for bar in figure.axes[3].patches
        if bar.get_gid() and bar.get_edgecolor()[:3] == (0, 0, 0) and bar.get_linewidth() > 1
    ]
    assert outlined == ["h[2]"]


def test_scales_stay_the_same_in_all_frames():
    film = viz.flip_and_slide_film(SIGNAL, WEIGHTS[4])
    limits = {tuple(axes.get_ylim() for axes in figure.axes) for figure in film}
    assert len(limits) == 1
    assert len({axes.get_xlim() for figure in film for axes in figure.axes}) == 1


def test_numbers_too_small_to_read_are_left_out():
    _, texts = read(viz.flip_and_slide_film(np.full(40, 0.25), [1.0, 2.0]).frame(3))
    assert "f" not in texts
    assert texts["g"] == {1: "2", 2: "1"}


def test_the_gif_has_every_frame(tmp_path):
    path = tmp_path / "slide.gif"
    film = viz.flip_and_slide_film(SIGNAL[:3], WEIGHTS[3], path, seconds=0.25)
    with Image.open(path) as file:
        assert file.n_frames == len(film) == 6
        assert file.info["duration"] == 250


@pytest.mark.parametrize(
    ("signal", "weights", "options", "message"),
    [
        (np.ones(75), np.ones(4), {}, "75 values and, for 4 weights, 6 of padding make 81 .* 80 "),
        (np.ones((2, 3)), [1.0], {}, r"signal of shape \(2, 3\) must have one axis"),
        (SIGNAL, [], {}, r"weights of shape \(0,\) must have one axis with something on it"),
        (SIGNAL, [1.0, np.nan], {}, r"weights of shape \(2,\) holds nan or infinity"),
        ([1.0, 2.0], [1.0] * 3, {"padding": "VALID"}, "length 2 .* kernel 3"),
        (SIGNAL, [1.0], {"padding": "EQUAL"}, "padding='EQUAL' is unknown"),
        (SIGNAL, [1.0], {"path": "slide.png"}, "written as .gif, not as 'slide.png'"),
    ],
)
def test_film_refuses(signal, weights, options, message):
    with pytest.raises(ValueError, match=f"flip_and_slide_film: .*{message}"):
        viz.flip_and_slide_film(signal, weights, **options)


def test_film_refuses_what_is_no_numbers():
    with pytest.raises(TypeError, match="flip_and_slide_film: signal: expected real numbers"):
        viz.flip_and_slide_film("abc", [1.0])
    with pytest.raises(TypeError, match="flip_and_slide_film: padding=None is not allowed"):
        viz.flip_and_slide_film(SIGNAL, [1.0], padding=None)


# --- the figure -----------------------------------------------------------------------------------


def line(figure, name):
    (found,) = [line for line in figure.axes[1].get_lines() if line.get_gid() == name]
    return np.asarray(found.get_ydata())


def caption(figure):
    return figure.get_supxlabel()


# article: E1
def test_figure_shows_signal_weights_and_result(tmp_path):
    rng = np.random.default_rng(0)
    clean = np.linspace(0, 2, 30)
    signal = clean + 0.5 * rng.standard_normal(30)
    weights = np.array([0.1, 0.2, 0.4, 0.3])
    figure = viz.signal_figure(
        Tensor(signal, requires_grad=True), weights, tmp_path / "signal.png", clean=clean
    )
    bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in figure.axes[0].patches]
    np.testing.assert_allclose(bars, list(zip([-2, -1, 0, 1], weights)))
    np.testing.assert_allclose(line(figure, "signal"), signal)
    np.testing.assert_allclose(line(figure, "clean"), clean)
    expected = by_loops(signal, weights)
    np.testing.assert_allclose(line(figure, "result"), [expected[t] for t in range(30)])
    # Where the turned weights reach over an end: t + 1 - 1 .. t + 2 lies in 0..29 for t = 1..27.
    ends = [
        (patch.get_x(), patch.get_x() + patch.get_width())
        for patch in figure.axes[1].patches
        if patch.get_gid() == "end"
    ]
    assert ends == [(-0.5, 0.5), (27.5, 29.5)]

    noise = by_loops(signal - clean, weights)
    before, after = (signal - clean)[1:28].var(), np.var([noise[t] for t in range(1, 28)])
    assert "sum to 1, so constants stay; their squares sum to 0.300" in caption(figure)
    assert f"variance {before:.4f} before, {after:.4f} after: {after / before:.3f}" in caption(
        figure
    )
    with Image.open(tmp_path / "signal.png") as file:
        assert file.width > 1000


def test_without_the_clean_signal_nothing_is_said_of_its_noise():
    figure = viz.signal_figure(SIGNAL, [1.0, 1.0, 0.5])
    assert "so constants are multiplied by 2.5; their squares sum to 2.250" in caption(figure)
    assert "before" not in caption(figure)
    assert [line.get_gid() for line in figure.axes[1].get_lines()] == ["signal", "result"]


def test_a_constant_signal_without_noise():
    figure = viz.signal_figure(np.ones(5), [1.0], clean=np.ones(5))
    assert "0.0000 before, 0.0000 after." in caption(figure)


@pytest.mark.parametrize(
    ("signal", "weights", "clean", "message"),
    [
        (np.ones(2001), [1.0], None, r"signal of shape \(2001,\) is too long .* at most 2000 .*"),
        (np.ones(99), np.ones(61), None, r"weights of shape \(61,\) .* such as weights\[:60\]"),
        ([1.0, 2.0], np.ones(3), None, r"weights of shape \(3,\) are longer than signal of shape"),
        (SIGNAL, [1.0], np.ones(6), r"clean of shape \(6,\) must have the signal's shape \(7,\)"),
    ],
)
def test_figure_refuses(signal, weights, clean, message):
    with pytest.raises(ValueError, match=f"signal_figure: {message}"):
        viz.signal_figure(signal, weights, clean=clean)
