"""Pictures of a training run: which numbers are drawn where, and what is written to files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import Tensor, nn, viz
from minigrad.train import History

Array = np.ndarray[Any, Any]


def history(**extra: list[float]) -> History:
    columns = {"epoch": [1, 2, 3], "loss": [0.9, 0.5, 0.3], **extra}
    return History([dict(zip(columns, row, strict=True)) for row in zip(*columns.values())])


def shown(figure: Any) -> Array:
    """The image in the figure's first plot."""
    (image,) = figure.axes[0].images
    return np.asarray(image.get_array().filled(np.nan))


def find(mosaic: Array, picture: Array) -> tuple[int, int]:
    """The row and column where a picture lies in a mosaic; it must be there exactly once."""
    height, width = picture.shape[:2]
    places = [
        (row, column)
        for row in range(mosaic.shape[0] - height + 1)
        for column in range(mosaic.shape[1] - width + 1)
        if np.array_equal(mosaic[row : row + height, column : column + width], picture)
    ]
    assert len(places) == 1, places
    return places[0]


# --- curves ---------------------------------------------------------------------------------------


def test_curves_show_the_history() -> None:
    record = history(
        accuracy=[0.5, 0.7, 0.8],
        test_loss=[1.0, 0.6, 0.7],
        test_accuracy=[0.4, 0.6, 0.65],
        lr=[0.1, 0.1, 0.1],
        seconds=[1.0, 1.0, 1.0],
    )
    left, right = viz.training_curves(record).axes
    for axes, name in ((left, "loss"), (right, "accuracy")):
        assert axes.get_title() == name
        assert axes.get_xlabel() == "epoch"
        training, held_out = axes.get_lines()
        assert training.get_xdata().tolist() == held_out.get_xdata().tolist() == [1, 2, 3]
        assert training.get_ydata().tolist() == record.column(name)
        assert held_out.get_ydata().tolist() == record.column(f"test_{name}")
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [
            "training",
            "held out",
        ]


def test_curves_without_held_out_data_or_metric() -> None:
    (axes,) = viz.training_curves(history()).axes
    (line,) = axes.get_lines()
    assert line.get_ydata().tolist() == [0.9, 0.5, 0.3]


def test_curves_of_a_metric_of_ones_own() -> None:
    figure = viz.training_curves(history(worst=[3.0, 2.0, 1.0]))
    assert [axes.get_title() for axes in figure.axes] == ["loss", "worst"]


def test_curves_with_gaps_and_of_one_epoch() -> None:
    record = history(test_loss=[1.0, 0.6, 0.7])
    del record.epochs[1]["test_loss"]
    (axes,) = viz.training_curves(record).axes
    held_out = np.array(axes.get_lines()[1].get_ydata(), float)
    np.testing.assert_array_equal(held_out, [1.0, np.nan, 0.7])
    record.epochs = record.epochs[:1]
    (axes,) = viz.training_curves(record).axes
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_curves_of_nothing() -> None:
    with pytest.raises(ValueError, match="training_curves: the history has no finished epoch"):
        viz.training_curves(History())


# --- filters --------------------------------------------------------------------------------------


def test_filters_of_one_channel_are_in_rows_of_eight() -> None:
    kernel = np.random.default_rng(0).standard_normal((3, 5, 1, 11))
    figure = viz.filter_grid(kernel, title="first layer")
    mosaic = shown(figure)
    assert mosaic.shape == (2 * 3 + 1, 8 * 5 + 7)
    for index in range(11):
        row, column = divmod(index, 8)
        assert find(mosaic, kernel[:, :, 0, index]) == (row * 4, column * 6)
    assert np.isnan(mosaic).sum() == mosaic.size - 11 * 15
    assert figure.get_suptitle() == "first layer"
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0 to 7", "8 to 10"]
    assert axes.get_xlabel() == "filters"
    assert axes.get_xticks().size == 0  # a column holds filters of several numbers


def test_filters_of_several_channels_have_a_row_per_channel() -> None:
    layer = nn.Conv2D(2, 7, (3, 5))
    figure = viz.filter_grid(layer.kernel)
    mosaic = shown(figure)
    assert mosaic.shape == (2 * 3 + 1, 7 * 5 + 6)
    for channel in range(2):
        for index in range(7):
            place = find(mosaic, layer.kernel.data[:, :, channel, index])
            assert place == (channel * 4, index * 6)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0", "1"]
    assert [text.get_text() for text in axes.get_xticklabels()] == [*"0123456"]


def test_zero_is_in_the_middle_of_the_colours() -> None:
    kernel = np.array([-0.5, 2.0]).reshape(1, 2, 1, 1)
    (image,) = viz.filter_grid(kernel).axes[0].images
    assert image.get_clim() == (-2.0, 2.0)
    (image,) = viz.filter_grid(np.zeros((2, 3, 1, 1))).axes[0].images
    assert image.get_clim() == (-1.0, 1.0)


def test_thousands_of_filters_are_one_image_with_few_labels() -> None:
    figure = viz.filter_grid(np.zeros((3, 3, 65, 40), np.float32))
    grid, colourbar = figure.axes
    assert len(grid.get_yticks()) <= 32 and len(grid.get_xticks()) <= 32
    assert grid.get_yticklabels()[1].get_text() == "3"
    assert colourbar.get_ylabel() == "weight"
    assert max(figure.get_size_inches()) < 40


@pytest.mark.parametrize("shape", [(3, 5), (3, 3, 1), (3, 3, 0, 4), (3, 3, 4, 0)])
def test_filters_of_something_else(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ValueError, match=r"filter_grid: kernel of shape \(.*\) must have four axes"
    ):
        viz.filter_grid(np.zeros(shape))


# --- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_in_reading_order_under_their_captions(channels: int) -> None:
    pictures = np.random.default_rng(0).random((5, 9, 16, channels))
    captions = [f"{index} read as 7" for index in range(5)]
    figure = viz.image_grid(Tensor(pictures), captions, title="mistakes", columns=3)
    (axes,) = figure.axes
    mosaic = np.asarray(axes.images[0].get_array())
    assert figure.get_suptitle() == "mistakes"
    assert [text.get_text() for text in axes.texts] == captions
    for index, text in enumerate(axes.texts):
        picture = pictures[index] if channels == 3 else pictures[index, :, :, 0]
        row, column = find(mosaic, picture)
        assert (row // (mosaic.shape[0] // 2), column // (mosaic.shape[1] // 3)) == divmod(index, 3)
        x, y = text.get_position()
        assert x == column + 7.5  # centred
        assert y == row - 0.5  # on the picture's upper edge


def test_images_narrower_than_a_row_and_without_captions() -> None:
    pictures = np.random.default_rng(0).random((2, 9, 1, 1))
    figure = viz.image_grid(pictures)
    assert figure.axes[0].texts == [] or len(figure.axes[0].texts) == 0
    find(np.asarray(figure.axes[0].images[0].get_array()), pictures[1, :, :, 0])


def test_no_images_make_an_empty_picture(tmp_path: Path) -> None:
    viz.image_grid(np.zeros((0, 28, 28, 1)), [], tmp_path / "none.png", title="0 misread")
    assert (tmp_path / "none.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("images", "options", "quoted"),
    [
        (np.zeros((3, 9, 7)), {}, r"images of shape \(3, 9, 7\) must be \(N, H, W, 1 or 3\)"),
        (np.zeros((3, 9, 7, 2)), {}, r"images of shape \(3, 9, 7, 2\)"),
        (np.zeros((3, 0, 7, 1)), {}, r"images of shape \(3, 0, 7, 1\)"),
        (
            np.full((3, 9, 7, 1), 255),
            {},
            "images hold numbers from 255 to 255.*divide bytes by 255",
        ),
        (np.full((3, 9, 7, 1), -0.5), {}, "images hold numbers from -0.5 to -0.5"),
        (np.full((3, 9, 7, 1), np.nan), {}, "images hold numbers from nan to nan"),
        (np.zeros((3, 9, 7, 1)), {"captions": ["a", "b"]}, "2 captions for 3 images"),
        (np.zeros((3, 9, 7, 1)), {"columns": 0}, "columns=0 must be at least 1"),
    ],
)
def test_images_of_something_else(images: Array, options: dict[str, Any], quoted: str) -> None:
    with pytest.raises(ValueError, match=f"image_grid: {quoted}"):
        viz.image_grid(images, **options)


# --- files ----------------------------------------------------------------------------------------

SIGNATURES = {
    "curves.png": b"\x89PNG",
    "curves.pdf": b"%PDF",
    "curves.svg": b"<?xml",
    "curves": b"\x89PNG",  # no ending: PNG, under exactly this name
    "v1.2/curves": b"\x89PNG",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_ending_chooses_the_format_and_nothing_else_is_left(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    viz.training_curves(history(), path)
    assert path.read_bytes().startswith(SIGNATURES[name])
    assert os.listdir(path.parent) == [path.name]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    path = tmp_path / "curves.png"
    path.write_bytes(b"old")

    def savefig(self: Figure, name: str, **options: Any) -> None:
        Path(name).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", savefig)
    with pytest.raises(OSError, match="disk full"):
        viz.training_curves(history(), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["curves.png"]


def test_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="xyz"):
        viz.training_curves(history(), tmp_path / "curves.xyz")
    assert os.listdir(tmp_path) == []


def test_figures_belong_to_no_window() -> None:
    """pyplot would keep every figure alive, and warn of the twenty-first."""
    import matplotlib.pyplot

    for _ in range(3):
        viz.training_curves(history())
    assert matplotlib.pyplot.get_fignums() == []
