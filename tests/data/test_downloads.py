"""MNIST and Fashion-MNIST: from a folder, or downloaded once (here from another) and checked."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from minigrad.data import downloads, fashion_mnist, mnist

SHARED = Path(__file__).parents[2].parent / "shared" / "datasets" / "mnist"


def images_file(count, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return b"\0\0\x08\x03" + struct.pack(">3I", count, 28, 28) + pixels.tobytes(), pixels


def labels_file(labels):
    return b"\0\0\x08\x01" + struct.pack(">I", len(labels)) + bytes(labels)


def write_split(folder, images="train-images-idx3-ubyte.gz", labels="train-labels-idx1-ubyte.gz"):
    content, pixels = images_file(3)
    for name, data in ((images, content), (labels, labels_file([7, 0, 9]))):
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return pixels


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte.gz"),
    ],
)
@pytest.mark.parametrize("read", [mnist, fashion_mnist])
def test_files_in_a_folder(tmp_path, names, read):
    pixels = write_split(tmp_path, *names)
    images, labels = read("train", data_dir=tmp_path)
    assert images.shape == (3, 28, 28, 1)
    assert images.dtype == np.float32
    assert np.array_equal(np.round(images[..., 0].astype(np.float64) * 255), pixels)
    assert labels.tolist() == [7, 0, 9]
    assert labels.dtype == np.int64


def test_a_folder_without_the_files_is_named(tmp_path):
    write_split(tmp_path)
    with pytest.raises(FileNotFoundError) as error:
        mnist("test", data_dir=tmp_path)
    assert str(tmp_path) in str(error.value)
    assert "t10k-images-idx3-ubyte.gz" in str(error.value)


def test_an_unknown_split():
    with pytest.raises(ValueError, match=r"mnist: split='validation' must be 'train' or 'test'"):
        mnist("validation")


def test_files_that_do_not_belong_together(tmp_path):
    write_split(tmp_path)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels_file([1, 2]))
    with pytest.raises(ValueError, match=r"3 images in .* and 2 labels in .* do not belong"):
        mnist(data_dir=tmp_path)
    labels.write_bytes(labels_file([1, 2, 10]))
    with pytest.raises(ValueError, match=r"a label in .* is 10; they go from 0 to 9"):
        mnist(data_dir=tmp_path)


def test_files_without_items(tmp_path):
    write_split(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(labels_file([]))
    with pytest.raises(ValueError, match=r"mnist: .*train-labels-idx1-ubyte\.gz holds no labels"):
        mnist(data_dir=tmp_path)
    content = b"\0\0\x08\x03" + struct.pack(">3I", 0, 28, 28)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"mnist: .*train-images-idx3-ubyte\.gz holds no images"):
        mnist(data_dir=tmp_path)


def test_images_and_labels_exchanged(tmp_path):
    write_split(tmp_path, "train-labels-idx1-ubyte", "train-images-idx3-ubyte")
    with pytest.raises(ValueError, match=r"should hold images, 3 axes of bytes; it holds 1 axes"):
        mnist(data_dir=tmp_path)


def test_images_of_another_size(tmp_path):
    write_split(tmp_path)
    content = b"\0\0\x08\x03" + struct.pack(">3I", 3, 28, 27) + bytes(3 * 28 * 27)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(content)
    with pytest.raises(ValueError, match=r"train-images.* have shape \(28, 27\), and must have"):
        mnist(data_dir=tmp_path)


def downloads_from(monkeypatch, tmp_path, hashes):
    """Let MNIST be downloaded from a folder: `pooch` reads what requests would."""
    source, cache = tmp_path / "source", tmp_path / "cache"
    source.mkdir()
    write_split(source)
    asked = []

    def copy(url, output_file, pooch):
        asked.append(url)
        Path(output_file).write_bytes((source / url.rsplit("/", 1)[1]).read_bytes())

    monkeypatch.setattr("pooch.core.choose_downloader", lambda url, progressbar=False: copy)
    monkeypatch.setenv("MINIGRAD_CACHE", str(cache))
    monkeypatch.setattr(downloads, "MNIST_HASHES", hashes(source))
    return asked


def md5_of(source):
    return {
        name: hashlib.md5((source / f"{name}.gz").read_bytes()).hexdigest()
        for name in downloads.FILES["train"]
    }


def test_downloaded_once_and_kept(tmp_path, monkeypatch):
    asked = downloads_from(monkeypatch, tmp_path, md5_of)
    first = mnist("train")
    again = mnist("train")
    assert [url.rsplit("/", 1)[1] for url in asked] == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[1].tolist() == [7, 0, 9]


def test_a_download_with_another_hash_is_refused(tmp_path, monkeypatch):
    downloads_from(
        monkeypatch, tmp_path, lambda source: dict.fromkeys(downloads.FILES["train"], "0" * 32)
    )
    with pytest.raises(ValueError, match="hash"):
        mnist("train")
    assert not list((tmp_path / "cache").rglob("*.gz"))


def test_a_download_that_fails_names_the_way_out(tmp_path, monkeypatch):
    downloads_from(monkeypatch, tmp_path, md5_of)
    (tmp_path / "source" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(OSError, match=r"mnist: cannot download https://.*train-labels.*data_dir"):
        mnist("train")


def test_a_damaged_file_in_the_cache_is_downloaded_again(tmp_path, monkeypatch):
    asked = downloads_from(monkeypatch, tmp_path, md5_of)
    mnist("train")
    (labels,) = (tmp_path / "cache").rglob("train-labels*")
    labels.write_bytes(labels.read_bytes()[:-1])
    assert mnist("train")[1].tolist() == [7, 0, 9]
    assert len(asked) == 3


def test_hashes_are_stated_for_every_file():
    names = {name for split in downloads.FILES.values() for name in split}
    for hashes in (downloads.MNIST_HASHES, downloads.FASHION_HASHES):
        assert set(hashes) == names
        assert all(len(md5) == 32 and int(md5, 16) for md5 in hashes.values())
        assert len(set(hashes.values())) == 4


@pytest.mark.skipif(not SHARED.is_dir(), reason="MNIST's files are not beside the clone")
def test_the_real_thing():
    images, labels = mnist("test", data_dir=SHARED)
    assert images.shape == (10_000, 28, 28, 1)
    assert labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert 0.13 < images.mean() < 0.134
