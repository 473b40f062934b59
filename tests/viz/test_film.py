"""`Film`: what its GIF holds, frame by frame."""

import tracemalloc

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from minigrad.viz import Film

COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)]


def plain_frames(number):
    """A figure of one colour; the second is smaller than the others."""
    size = (1, 0.5) if number == 1 else (2, 1)
    return Figure(figsize=size, facecolor=np.array(COLOURS[number]) / 255)


def read(path):
    with Image.open(path) as file:
        frames, durations = [], []
        for number in range(file.n_frames):
            file.seek(number)
            frames.append(np.asarray(file.convert("RGB")))
            durations.append(file.info["duration"])
        return frames, durations, file.info.get("loop")


def test_gif_holds_every_frame_at_its_size_and_pace(tmp_path):
    path = tmp_path / "plain.gif"
    Film(plain_frames, length=4, seconds=0.25).save(path, dpi=40)
    frames, durations, loop = read(path)
    assert [frame.shape for frame in frames] == [(40, 80, 3)] * 4
    for frame, colour in zip(frames, COLOURS, strict=True):
        np.testing.assert_allclose(frame[:20, :40], np.broadcast_to(colour, (20, 40, 3)), atol=3)
    np.testing.assert_array_equal(frames[1][20:], 255)
    np.testing.assert_array_equal(frames[1][:, 40:], 255)
    np.testing.assert_allclose(frames[3][30, 70], COLOURS[3], atol=3)
    assert durations == [250, 250, 250, 750]
    assert loop == 0


def test_colours_that_come_late_are_in_the_palette(tmp_path):
    """A palette of the first frame alone would turn the last one grey."""

    def late(number):
        return Figure(figsize=(1, 1), facecolor="white" if number < 30 else "#009E73")

    Film(late, length=31).save(tmp_path / "late.gif", dpi=30)
    frames, _, _ = read(tmp_path / "late.gif")
    np.testing.assert_allclose(frames[-1][15, 15], (0x00, 0x9E, 0x73), atol=3)


def test_common_colours_are_exact_among_many(tmp_path):
    """White is most of a picture, and a palette of averages would make it a little grey."""

    def shaded(number):
        figure = Figure(figsize=(2, 2))
        axes = figure.add_axes((0.5, 0, 0.5, 1))
        axes.imshow(np.random.default_rng(number).random((60, 30, 3)), aspect="auto")
        figure.add_axes((0, 0, 0.2, 0.2), facecolor="#0072B2")
        return figure

    Film(shaded, length=3).save(tmp_path / "shaded.gif", dpi=50)
    frames, _, _ = read(tmp_path / "shaded.gif")
    for frame in frames:
        np.testing.assert_array_equal(frame[10:40, 5:25], 255)
        np.testing.assert_array_equal(frame[90, 10], (0x00, 0x72, 0xB2))


def test_same_film_same_bytes(tmp_path):
    for name in ("a.gif", "b.gif"):
        Film(plain_frames, length=4).save(tmp_path / name)
    assert (tmp_path / "a.gif").read_bytes() == (tmp_path / "b.gif").read_bytes()


def test_frames_by_number():
    film = Film(plain_frames, length=4)
    assert len(film) == len(list(film)) == 4
    assert film.frame(-1).get_facecolor()[:3] == (1, 1, 0)
    for number in (4, -5):
        with pytest.raises(IndexError, match=f"Film: frame {number} of a film of 4 frames"):
            film.frame(number)


def test_a_failing_frame_leaves_an_existing_file_alone(tmp_path):
    path = tmp_path / "film.gif"
    path.write_bytes(b"as it was")

    def failing(number):
        if number == 2:
            raise RuntimeError("no picture")
        return plain_frames(number)

    with pytest.raises(RuntimeError, match="no picture"):
        Film(failing, length=4).save(path)
    assert path.read_bytes() == b"as it was"
    assert [file.name for file in tmp_path.iterdir()] == ["film.gif"]


@pytest.mark.parametrize("length", [0, 401])
def test_too_short_or_too_long(length):
    with pytest.raises(ValueError, match=f"Film: length={length} frames; there must be 1 to 400"):
        Film(plain_frames, length=length)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), 61])
def test_too_fast_or_too_slow(seconds):
    with pytest.raises(ValueError, match=rf"Film: seconds={seconds} must be from 0\.01 to 60"):
        Film(plain_frames, length=4, seconds=seconds)


def test_what_is_no_number(tmp_path):
    with pytest.raises(TypeError, match=r"Film: length=2\.5 must be an int"):
        Film(plain_frames, length=2.5)
    with pytest.raises(TypeError, match=r"Film: seconds must be a number, got '1'"):
        Film(plain_frames, length=4, seconds="1")
    film = Film(plain_frames, length=4)
    with pytest.raises(TypeError, match="integer"):
        film.frame(1.5)
    with pytest.raises(ValueError, match=r"Film\.save: dpi=0 must be at least 1"):
        film.save(tmp_path / "x.gif", dpi=0)
    assert not list(tmp_path.iterdir())


def test_frames_are_held_in_memory_once(tmp_path, monkeypatch):
    """A long film takes a gigabyte; with copies of all frames it would take several."""
    monkeypatch.setattr("minigrad.viz.film.PALETTE_SAMPLE", 10_000)
    frames, side = 100, 300
    film = Film(lambda number: Figure(figsize=(3, 3), facecolor=f"C{number % 9}"), frames)
    film.save(tmp_path / "first.gif", dpi=30)  # what is loaded for the first time
    tracemalloc.start()
    film.save(tmp_path / "film.gif", dpi=side // 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As numbers of three bytes, and in the colours of the palette, of one byte.
    assert peak < 1.7 * frames * side * side * 3


def test_only_gif(tmp_path):
    with pytest.raises(ValueError, match=r"Film.save: a film is written as .gif, not as .*x.png"):
        Film(plain_frames, length=4).save(tmp_path / "x.png")
