"""Drawn digits: repeatable, framed as MNIST's are, kept in the cache, and worth learning from."""

import importlib
import math
from pathlib import Path

import numpy as np
import pytest

from minigrad.data import digits, mnist
from minigrad.data._skeletons import STYLES

# The function hides the module of its name.
drawing = importlib.import_module("minigrad.data.digits")

SHARED = Path(__file__).parents[2].parent / "shared" / "datasets" / "mnist"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_shapes_and_ranges():
    images, labels = digits(530)
    assert images.shape == (530, 28, 28, 1)
    assert images.dtype == np.float32
    assert labels.shape == (530,)
    assert labels.dtype == np.int64
    assert images.min() == 0
    assert images.max() == 1
    assert np.bincount(labels[:500]).tolist() == [50] * 10


def test_the_same_arguments_give_the_same_images_and_fewer_give_the_first_of_them(own_cache):
    images, labels = digits(320, seed=4)
    for file in own_cache.iterdir():
        file.unlink()
    again, labels_again = digits(320, seed=4)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, labels_again)
    fewer, fewer_labels = digits(270, seed=4)
    assert np.array_equal(images[:270], fewer)
    assert np.array_equal(labels[:270], fewer_labels)


def test_no_image_is_in_two_splits_or_seeds():
    sets = [digits(500), digits(500, split="test"), digits(500, seed=1)]
    pictures = [image.tobytes() for images, _ in sets for image in images]
    assert len(set(pictures)) == len(pictures)


def test_framed_as_mnist_frames_its_digits():
    images, _ = digits(1000)
    inked = images[..., 0] > 0
    heights = extent(inked.any(axis=2))
    widths = extent(inked.any(axis=1))
    longer = np.maximum(heights, widths)
    # Nothing is cut off, and nothing that was moved out on one side came back on the other.
    assert longer.max() <= 20
    assert longer.min() >= 18
    assert heights.mean() > 19
    place = np.arange(28)
    mass = images.sum(axis=(1, 2, 3))
    for axis in (1, 2):
        # The middle of 28 pixels lies between numbers 13 and 14. MNIST's digits have their centre
        # on 14, give or take half a pixel of rounding; these are up to a pixel off on top of that.
        centre = (images.sum(axis=(3 - axis, 3)) @ place) / mass
        assert abs(centre - 14).max() <= 2.5
        assert np.mean(abs(centre - 14) <= 1.51) > 0.99
        assert abs(centre.mean() - 14) < 0.1


def extent(rows):
    """From the first to the last row with ink: (n, 28) -> (n,)."""
    return 28 - rows.argmax(axis=1) - rows[:, ::-1].argmax(axis=1)


def test_white_ink_on_black_paper():
    images, _ = digits(1000)
    assert np.median(images) == 0
    assert images.max(axis=(1, 2, 3)).min() > 0.8
    # MNIST's images have a mean of 0.131, and hardly one is outside these bounds.
    means = images.mean(axis=(1, 2, 3))
    assert 0.11 < means.mean() < 0.15
    assert means.min() > 0.02
    assert means.max() < 0.4


def test_kept_in_the_cache_and_drawn_again_when_damaged(own_cache):
    images, labels = digits(40, seed=2)
    (file,) = own_cache.iterdir()
    np.savez_compressed(file, images=np.full((40, 28, 28), 9, np.uint8), labels=np.zeros(40, "u1"))
    assert (digits(40, seed=2)[0] == np.float32(9 / 255)).all()  # it is read
    for damage in (b"", b"no archive", b"PK\x03\x04 cut off"):
        file.write_bytes(damage)
        again, labels_again = digits(40, seed=2)
        assert np.array_equal(images, again)
        assert np.array_equal(labels, labels_again)
    np.savez_compressed(file, images=np.zeros((39, 28, 28), np.uint8), labels=np.zeros(39, "u1"))
    assert np.array_equal(images, digits(40, seed=2)[0])
    assert [kept.name for kept in own_cache.iterdir()] == [file.name]


def test_what_is_in_the_cache_is_not_drawn_again(monkeypatch):
    images, labels = digits(30, seed=3)

    def fail(*arguments):
        raise AssertionError("drawn")

    monkeypatch.setattr(drawing, "_draw", fail)
    again, labels_again = digits(30, seed=3)
    assert np.array_equal(images, again)
    assert np.array_equal(labels, labels_again)
    for other in ({"n": 31}, {"seed": 4}, {"split": "test"}):
        with pytest.raises(AssertionError, match="drawn"):
            digits(**{"n": 30, "seed": 3, **other})
    monkeypatch.setattr(drawing, "VERSION", drawing.VERSION + 1)
    with pytest.raises(AssertionError, match="drawn"):
        digits(30, seed=3)


@pytest.mark.parametrize("kept", [0, 1, 30, 500, -300, -25, -1])
def test_a_file_cut_off_anywhere_is_drawn_again(own_cache, kept):
    images, _ = digits(20, seed=5)
    (file,) = own_cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    assert np.array_equal(images, digits(20, seed=5)[0])
    assert len(file.read_bytes()) == len(whole)


def test_an_archive_of_an_unknown_kind_is_drawn_again(own_cache):
    images, _ = digits(20, seed=5)
    (file,) = own_cache.iterdir()
    content = bytearray(file.read_bytes())
    content[content.rindex(b"PK\x01\x02") + 10] = 99  # the directory's compression method
    file.write_bytes(content)
    assert np.array_equal(images, digits(20, seed=5)[0])


@pytest.mark.parametrize(
    "held",
    [
        {"images": np.zeros((20, 28, 28), np.uint8)},
        {"images": np.zeros((20, 28, 28)), "labels": np.zeros(20)},
        {"images": np.zeros((20, 28, 27), np.uint8), "labels": np.zeros(20, np.uint8)},
    ],
)
def test_a_file_that_holds_something_else_is_drawn_again(own_cache, held):
    images, _ = digits(20, seed=6)
    (file,) = own_cache.iterdir()
    np.savez(file, **held)
    assert np.array_equal(images, digits(20, seed=6)[0])


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "a_file").write_text("not a folder")
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path / "a_file"))
    assert digits(3)[0].shape == (3, 28, 28, 1)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"n": 0}, ValueError, "digits: n=0 must be at least 1"),
        ({"n": 2.5}, TypeError, r"digits: n=2\.5"),
        ({"n": 10**7}, ValueError, "n=10000000 is more than 1000000"),
        ({"seed": -1}, ValueError, "digits: seed=-1 must be at least 0"),
        ({"split": "valid"}, ValueError, "split='valid' must be 'train' or 'test'"),
    ],
)
def test_bad_arguments(arguments, error, said):
    with pytest.raises(error, match=said):
        digits(**{"n": 3, **arguments})


def test_skeletons_of_a_style_can_be_mixed():
    assert sorted(STYLES) == list(range(10))
    for digit, styles in STYLES.items():
        for share, *skeletons in styles:
            assert share > 0
            forms = {tuple(len(stroke.split()) for stroke in s.split("|")) for s in skeletons}
            assert len(forms) == 1, (digit, skeletons[0])
            numbers = [
                float(number)
                for skeleton in skeletons
                for point in skeleton.replace("|", " ").split()
                for number in point.split(",")
            ]
            assert min(numbers) >= -6
            assert max(numbers) <= 22


def test_the_spline_runs_through_the_middles_of_the_lines_between_its_points():
    points = np.random.default_rng(0).normal(size=(5, 2))
    # 5 pieces of 4 steps each: from the first point, by the middles, to the last point
    curve = drawing._spline(5, 21) @ points
    middles = (points[1:] + points[:-1]) / 2
    np.testing.assert_allclose(curve[::4], [points[0], *middles, points[-1]], atol=1e-14)
    # within a piece a quadratic: its third differences vanish
    for piece in range(5):
        steps = np.diff(curve[4 * piece : 4 * piece + 5], n=3, axis=0)
        np.testing.assert_allclose(steps, 0, atol=1e-13)


def test_paths_have_even_steps_on_the_average_skeleton():
    strokes = [np.array([[0.0, 0], [0, 7], [0, 7], [9, 7]]), np.array([[4.0, 3], [5, 9]])]
    basis = drawing._basis(strokes)
    path = basis @ np.concatenate(strokes)
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-12)
    steps = np.hypot(*np.diff(path, axis=0).T)
    lift = steps.argmax()  # between the strokes
    assert np.hypot(*(path[lift] - [9, 7])) < 1e-9
    assert np.hypot(*(path[lift + 1] - [4, 3])) < 1e-9
    on_paper = np.delete(steps, lift)
    assert on_paper.max() < 1.3 * on_paper.mean()


def test_ink_is_white_within_the_reach_of_the_path():
    rng = np.random.default_rng(1)
    paths = rng.uniform(5, 23, (3, drawing.POINTS, 2))
    paths[:, 4:] = paths[:, 3:4]  # four different points are enough
    radii = np.array([0.7, 1.4, 2.1])
    images = drawing._ink(paths, np.repeat(radii[:, None], drawing.POINTS, axis=1))
    assert images.shape == (3, 28, 28)
    for number in range(3):
        for row in range(28):
            for column in range(28):
                distance = min(
                    math.hypot(column + 0.5 - x, row + 0.5 - y) for x, y in paths[number, :4]
                )
                expected = min(max(radii[number] + 0.5 - distance, 0), 1)
                assert abs(images[number, row, column] - expected) < 1e-4


def ridge_accuracy(train, test):
    """The share of test images that a least-squares fit to one-hot labels reads."""
    (x, labels), (x_test, labels_test) = train, test
    x, x_test = (np.c_[a.reshape(len(a), -1), np.ones(len(a))] for a in (x, x_test))
    x = x.astype(np.float64)
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ np.eye(10)[labels])
    return float(np.mean((x_test @ weights).argmax(axis=1) == labels_test))


def test_a_linear_model_learns_them():
    """It reads 0.74. Chance is 0.1."""
    assert ridge_accuracy(digits(3000), digits(1000, split="test")) > 0.68


@pytest.mark.skipif(not SHARED.is_dir(), reason="MNIST's files are not beside the clone")
def test_a_linear_model_that_saw_only_drawn_digits_reads_mnist():
    """It reads 0.79; digits that lay two pixels lower, or were mirrored, would give it 0.5."""
    assert ridge_accuracy(digits(3000), mnist("test", data_dir=SHARED)) > 0.72
