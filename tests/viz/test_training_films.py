"""Films of training: what stands in every frame, against weights kept by hand."""

import re

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from minigrad import functional as F
from minigrad import nn, optim
from minigrad.viz import TrainingRecord, decision_film, training_film
from minigrad.viz.figures import BLUE, GREEN, GREY, ORANGE

STEPS = [0, 2, 3, 7]
IMAGES = np.random.default_rng(1).random((3, 4, 5, 1), dtype=np.float32)
LABELS = np.array([2, 0, 3])
POINTS = np.random.default_rng(2).normal(size=(11, 2)).astype(np.float32)
SIDES = (POINTS[:, 0] > POINTS[:, 1]).astype(int)


def convolution():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Conv2D(1, 6, (3, 2), padding="VALID", rng=rng),
        nn.Flatten(),
        nn.Dense(2 * 4 * 6, 4, rng=rng),
    )


def dense(units=18):
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Flatten(), nn.Dense(20, units, rng=rng), nn.ReLU(), nn.Dense(units, 4, rng=rng)
    )


def flat(classes=2):
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Dense(2, 5, rng=rng), nn.Tanh(), nn.Dense(5, classes, rng=rng))


def trained(model, inputs, labels):
    """A record of a few steps, and copies of the weights kept apart from it."""
    record, kept, losses = TrainingRecord(model), [], []
    optimizer = optim.SGD(model.parameters(), lr=0.3)
    for step in range(8):
        loss = F.cross_entropy(model(inputs), labels)
        if step in STEPS:
            record.snapshot(step, loss)
            kept.append([parameter.data.copy() for parameter in model.parameters()])
            losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return record, kept, losses


def softmax(scores):
    exponentials = np.exp(scores.astype(float))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def with_weights(model, weights):
    for parameter, array in zip(model.parameters(), weights, strict=True):
        parameter.data[...] = array
    return model


def find(figure, gid):
    (artist,) = figure.findobj(lambda artist: artist.get_gid() == gid)
    return artist


def bar_axes(figure):
    return [axes for axes in figure.axes if axes.patches and axes.get_xlabel().startswith("says")]


# --- the record -----------------------------------------------------------------------------------


def test_a_record_keeps_the_weights_of_each_moment_and_the_network_as_it_is():
    model = convolution()
    record, kept, losses = trained(model, IMAGES, LABELS)
    assert (len(record), record.steps) == (4, STEPS)
    assert record.losses == losses
    assert not np.array_equal(kept[0][0], kept[-1][0])
    for number, weights in enumerate(kept):
        for parameter, array in zip(record.model_at(number).parameters(), weights, strict=True):
            np.testing.assert_array_equal(parameter.data, array)
    record.model_at(0).layers[0].kernel.data[...] = 0  # a copy, of its own
    np.testing.assert_array_equal(record.model_at(0).layers[0].kernel.data, kept[0][0])
    with pytest.raises(IndexError):
        record.model_at(4)


def test_films_leave_the_network_as_it_is():
    model = convolution()
    record, _, _ = trained(model, IMAGES, LABELS)
    model.layers[0].eval()
    modes = [module.training for _, module in model.named_modules()]
    before, gradient = model.state_dict(), model.layers[0].kernel.grad
    list(training_film(record, IMAGES, LABELS))
    assert [module.training for _, module in model.named_modules()] == modes
    assert all(not list(module._hooks or ()) for _, module in model.named_modules())
    assert model.layers[0].kernel.grad is gradient
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


@pytest.mark.parametrize(
    ("step", "loss", "quoted"),
    [
        (5, 0.3, "step=5 must be above the last one, 5"),
        (-1, 0.3, "step=-1 must be at least 0"),
        (6, float("nan"), "loss must be one finite number, got nan"),
        (6, [0.1, 0.2], r"loss must be one finite number, got \[.*\] of shape \(2,\)"),
    ],
)
def test_snapshots_of_something_else(step, loss, quoted):
    record = TrainingRecord(flat())
    record.snapshot(5, 0.4)
    with pytest.raises(ValueError, match=f"TrainingRecord.snapshot: {quoted}"):
        record.snapshot(step, loss)
    assert record.steps == [5]


def test_more_snapshots_than_a_film_has_frames():
    record = TrainingRecord(nn.Dense(1, 2))
    for step in range(400):
        record.snapshot(step, 1.0)
    with pytest.raises(ValueError, match=r"there are 400 snapshots already.*every few steps"):
        record.snapshot(400, 1.0)


def test_moments_that_are_none():
    record = TrainingRecord(flat())
    record.snapshot(4, 1.0)
    for number in (1, -2):
        with pytest.raises(IndexError, match=f"model_at: number={number} of a record of 1 snaps"):
            record.model_at(number)


def test_a_record_of_no_module():
    with pytest.raises(TypeError, match="TrainingRecord: model must be a Module, not function"):
        TrainingRecord(softmax)


# --- filters and a decision -----------------------------------------------------------------------


def test_every_frame_has_its_step_its_loss_and_the_curve_so_far():
    record, _, losses = trained(convolution(), IMAGES, LABELS)
    film = training_film(record, IMAGES, LABELS)
    assert len(film) == 4
    limits = set()
    for number, figure in enumerate(film):
        title = f"step {STEPS[number]}: loss {losses[number]:.3f}"
        assert title in [text.get_text() for text in figure.texts]
        curve = find(figure, "loss")
        assert list(curve.get_xdata()) == STEPS[: number + 1]
        assert list(curve.get_ydata()) == losses[: number + 1]
        limits.add((curve.axes.get_xlim(), curve.axes.get_ylim()))
    ((left, right), (low, high)) = limits.pop()
    assert not limits  # the same axes in all frames, with room for all of the curve
    assert left < 0 and right > 7 and low < 0 and high > max(losses)


def test_filters_are_those_of_the_moment_on_one_scale():
    record, kept, _ = trained(convolution(), IMAGES, LABELS)
    limit = max(np.abs(weights[0]).max() for weights in kept)
    for weights, figure in zip(kept, training_film(record, IMAGES, LABELS), strict=True):
        picture = find(figure, "filters")
        assert picture.get_clim() == (-limit, limit)
        mosaic = picture.get_array().filled(np.nan)
        for index in range(6):  # four in a row, one cell apart
            row, column = divmod(index, 4)
            part = mosaic[4 * row : 4 * row + 3, 3 * column : 3 * column + 2]
            np.testing.assert_array_equal(part, weights[0][:, :, 0, index])
        assert picture.axes.get_title() == "filters of layers.0 Conv2D"


@pytest.mark.parametrize("units", [18, 7])
def test_the_weights_of_a_dense_layer_are_filters_as_large_as_the_image(units):
    record, kept, _ = trained(dense(units), IMAGES, LABELS)
    figure = training_film(record, IMAGES, LABELS).frame(-1)
    picture = find(figure, "filters")
    mosaic = picture.get_array().filled(np.nan)
    in_a_row = 8 if units == 18 else 4
    for index in range(min(units, 16)):
        row, column = divmod(index, in_a_row)
        part = mosaic[5 * row : 5 * row + 4, 6 * column : 6 * column + 5]
        np.testing.assert_array_equal(part, kept[-1][0][:, index].reshape(4, 5))
    part = ", the first 16 of 18" if units == 18 else ""
    assert picture.axes.get_title() == f"filters of layers.1 Dense{part}"
    assert mosaic.shape == (9, 47 if units == 18 else 23)


def test_a_network_without_filters_is_shown_without():
    model = nn.Sequential(nn.AvgPool2D(2), nn.Flatten(), nn.Dense(4, 4))
    record, _, _ = trained(model, IMAGES, LABELS)
    figure = training_film(record, IMAGES, LABELS).frame(1)
    assert figure.findobj(lambda artist: artist.get_gid() == "filters") == []
    assert not any("Filters" in text.get_text() for text in figure.texts)


def test_bars_are_the_probabilities_of_the_moment():
    record, kept, _ = trained(convolution(), IMAGES, LABELS)
    for weights, figure in zip(kept, training_film(record, IMAGES, LABELS), strict=True):
        expected = softmax(with_weights(convolution(), weights)(IMAGES).data)
        parts = bar_axes(figure)
        assert len(parts) == 3
        for axes, row, label in zip(parts, expected, LABELS, strict=True):
            np.testing.assert_allclose([bar.get_height() for bar in axes.patches], row, rtol=1e-5)
            assert axes.get_ylim() == (0, 1)
            decision = row.argmax()
            colours = [GREY] * 4
            colours[decision] = ORANGE
            colours[label] = GREEN
            drawn = [bar.get_facecolor()[:3] for bar in axes.patches]
            assert drawn == [to_rgb(colour) for colour in colours]
            verdict = "right" if decision == label else f"it is {label}"
            assert axes.get_xlabel() == f"says {decision} ({row.max():.0%}): {verdict}"


def test_images_are_shown_over_their_bars():
    record, _, _ = trained(convolution(), IMAGES, LABELS)
    figure = training_film(record, IMAGES[:2], LABELS[:2]).frame(0)
    images = [axes.images[0] for axes in figure.axes if axes.images and not axes.axison]
    for image, picture, bars in zip(IMAGES, images, bar_axes(figure), strict=False):
        grey = (image - image.min()) / (image.max() - image.min())
        np.testing.assert_allclose(picture.get_array(), np.repeat(grey, 3, axis=2), atol=1e-6)
        above, below = picture.axes.get_position(), bars.get_position()
        assert above.y0 > below.y1 and above.x0 >= below.x0 and above.x1 <= below.x1 + 1e-9


def test_a_gif_has_frames_of_one_size(tmp_path):
    record, _, _ = trained(convolution(), IMAGES, LABELS)
    film = training_film(record, IMAGES, LABELS, tmp_path / "film.gif", seconds=0.2)
    assert len({tuple(figure.get_size_inches()) for figure in film}) == 1
    with Image.open(tmp_path / "film.gif") as file:
        assert file.n_frames == 4
        assert file.info["duration"] == 200
    assert film.seconds == 0.2


def test_a_record_of_one_moment_is_a_film_of_one_frame():
    record = TrainingRecord(convolution())
    record.snapshot(0, 0.0)
    (figure,) = training_film(record, IMAGES, LABELS)
    assert list(find(figure, "loss").get_ydata()) == [0.0]


@pytest.mark.parametrize(
    ("images", "labels", "quoted"),
    [
        (IMAGES[0], LABELS, r"images of shape \(4, 5, 1\) must be \(N, H, W, 1 or 3\)"),
        (np.zeros((7, 4, 5, 1)), np.zeros(7, int), ".*N from 1 to 6; show fewer"),
        (IMAGES[:0], LABELS[:0], r"images of shape \(0, 4, 5, 1\)"),
        (IMAGES[:, :3], LABELS, r"Sequential fails on an input of shape \(3, 3, 5, 1\)"),
        (IMAGES, LABELS[:2], r"labels of shape \(2,\) and dtype int64 must be 3 integers"),
        (IMAGES, LABELS / 2, r"labels of shape \(3,\) and dtype float64 must be 3 integers"),
        (IMAGES, LABELS + 1, "labels from 1 to 4 must be classes from 0 to 3"),
        (IMAGES * np.nan, LABELS, r"images of shape \(3, 4, 5, 1\) holds nan or infinity"),
    ],
)
def test_images_and_labels_of_something_else(images, labels, quoted):
    record, _, _ = trained(convolution(), IMAGES, LABELS)
    with pytest.raises(ValueError, match=f"training_film: {quoted}"):
        training_film(record, images, labels)


@pytest.mark.parametrize(
    ("last", "quoted"),
    [
        (nn.Reshape(2, 2), r"Sequential returns \(3, 2, 2\).*must return a score for each"),
        (nn.Dense(4, 1), r"Sequential returns \(3, 1\) for an input of shape \(3, 4, 5, 1\)"),
        (nn.Dense(4, 21), "the network knows 21 classes; at most 20 can be told apart"),
    ],
)
def test_networks_without_a_decision(last, quoted):
    record = TrainingRecord(nn.Sequential(*convolution(), last))
    record.snapshot(0, 1.0)
    with pytest.raises(ValueError, match=f"training_film: .*{quoted}"):
        training_film(record, IMAGES, LABELS)


@pytest.mark.parametrize("film", [training_film, decision_film])
def test_a_network_that_broke(film):
    """Training may break after the last loss that was seen; then there are no probabilities."""
    model, inputs, labels = {
        training_film: (dense(), IMAGES, LABELS),
        decision_film: (flat(), POINTS, SIDES),
    }[film]
    next(iter(model.parameters())).data[0, 0] = np.nan
    record = TrainingRecord(model)
    record.snapshot(0, 1.0)
    with pytest.raises(ValueError, match=rf"{film.__name__}: Sequential makes numbers that"):
        film(record, inputs, labels)


# --- a plane --------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_the_plane_has_the_colour_of_the_decision_as_strong_as_it_is_sure(classes):
    labels = np.arange(11) % classes
    record, kept, _ = trained(flat(classes), POINTS, labels)
    colours = np.array([to_rgb(colour) for colour in (BLUE, ORANGE, GREEN)])
    for weights, figure in zip(kept, decision_film(record, POINTS, labels), strict=True):
        model = with_weights(flat(classes), weights)
        picture = find(figure, "plane")
        left, right, bottom, top = picture.get_extent()
        drawn = picture.get_array()
        rows, columns, _ = drawn.shape
        assert left < POINTS[:, 0].min() and right > POINTS[:, 0].max()
        assert bottom < POINTS[:, 1].min() and top > POINTS[:, 1].max()
        for row, column in [(0, 0), (3, columns - 1), (rows - 1, 5), (rows // 2, columns // 3)]:
            x = left + (right - left) * column / (columns - 1)
            y = bottom + (top - bottom) * row / (rows - 1)
            shares = softmax(model(np.array([[x, y]], np.float32)).data)[0]
            sure = (shares.max() - 1 / classes) / (1 - 1 / classes)
            expected = 1 - 0.5 * sure * (1 - colours[shares.argmax()])
            np.testing.assert_allclose(drawn[row, column], expected, atol=1e-3)
        assert picture.origin == "lower"


def test_points_are_drawn_by_class_and_counted():
    sides = 1 - SIDES  # which the network takes for the others to begin with
    record, kept, _ = trained(flat(), POINTS, sides)
    counts = []
    for number, figure in enumerate(decision_film(record, POINTS, sides)):
        for index in (0, 1):
            points = find(figure, f"class {index}")
            np.testing.assert_array_equal(points.get_xydata(), POINTS[sides == index])
        read = with_weights(flat(), kept[number])(POINTS).data.argmax(axis=1)
        counts.append(int((read == sides).sum()))
        texts = " ".join(text.get_text() for text in figure.texts)
        assert f"{counts[-1]} of 11 points are on the right side" in texts
        assert f"step {STEPS[number]}: " in texts
        assert list(find(figure, "loss").get_xdata()) == STEPS[: number + 1]
    assert counts[-1] > counts[0]


@pytest.mark.parametrize(
    ("points", "labels", "quoted"),
    [
        (POINTS[0], SIDES, r"points of shape \(2,\) must be \(N, 2\)"),
        (np.zeros((11, 3)), SIDES, r"points of shape \(11, 3\)"),
        (POINTS[:0], SIDES[:0], r"points of shape \(0, 2\)"),
        (POINTS, SIDES[:5], r"labels of shape \(5,\)"),
        (POINTS, SIDES + 1, "labels from 1 to 2 must be classes from 0 to 1"),
        (POINTS * np.inf, SIDES, r"points of shape \(11, 2\) holds nan or infinity"),
    ],
)
def test_points_and_labels_of_something_else(points, labels, quoted):
    record, _, _ = trained(flat(), POINTS, SIDES)
    with pytest.raises(ValueError, match=f"decision_film: {quoted}"):
        decision_film(record, points, labels)


def test_more_classes_than_colours():
    record = TrainingRecord(flat(8))
    record.snapshot(0, 2.0)
    with pytest.raises(ValueError, match="decision_film: the network knows 8 classes; at most 7"):
        decision_film(record, POINTS, SIDES)


@pytest.mark.parametrize("film", [training_film, decision_film])
def test_records_and_files_of_something_else(film, tmp_path):
    with pytest.raises(TypeError, match=f"{film.__name__}: record must be a TrainingRecord, not S"):
        film(flat(), POINTS, SIDES)
    empty = TrainingRecord(flat())
    with pytest.raises(ValueError, match=f"{film.__name__}: the record has no snapshot; call"):
        film(empty, POINTS, SIDES)
    empty.snapshot(0, 1.0)
    path = tmp_path / "film.mp4"
    with pytest.raises(ValueError, match=re.escape(f"{film.__name__}: a film is written as .gif")):
        film(empty, POINTS, SIDES, path)
    assert not list(tmp_path.iterdir())
