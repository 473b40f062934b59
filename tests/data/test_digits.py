"""Drawn digits: repeatable, framed as MNIST's are, kept in the cache, and worth learning from."""

from pathlib import Path

import numpy as np
import pytest

from minigrad.data import digits, mnist

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
    images, _ = digits(500)
    inked = images[..., 0] > 0.5
    heights = inked.any(axis=2).sum(axis=1)
    widths = inked.any(axis=1).sum(axis=1)
    longer = np.maximum(heights, widths)
    assert longer.max() <= 20
    assert longer.min() >= 18
    place = np.arange(28)
    mass = images.sum(axis=(1, 2, 3))
    for axis in (1, 2):
        centre = (images.sum(axis=(3 - axis, 3)) @ place) / mass
        # At 14, where it is in MNIST; off by half a pixel of rounding, and one at random.
        assert abs(centre - 14).max() <= 1.55
        assert abs(centre.mean() - 14) < 0.15


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


def ridge_accuracy(train, test):
    """The share of test images that a least-squares fit to one-hot labels reads."""
    (x, labels), (x_test, labels_test) = train, test
    x, x_test = (np.c_[a.reshape(len(a), -1), np.ones(len(a))] for a in (x, x_test))
    x = x.astype(np.float64)
    weights = np.linalg.solve(x.T @ x + 10 * np.eye(x.shape[1]), x.T @ np.eye(10)[labels])
    return float(np.mean((x_test @ weights).argmax(axis=1) == labels_test))


def test_a_linear_model_learns_them():
    """Chance is 0.1; shuffled labels, or digits of another frame, would be near it."""
    assert ridge_accuracy(digits(3000), digits(1000, split="test")) > 0.6


@pytest.mark.skipif(not SHARED.is_dir(), reason="MNIST's files are not beside the clone")
def test_a_linear_model_that_saw_only_drawn_digits_reads_mnist():
    assert ridge_accuracy(digits(3000), mnist("test", data_dir=SHARED)) > 0.6
