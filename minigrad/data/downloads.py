"""`mnist` and `fashion_mnist`: from a folder the user has, or downloaded once and checked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ._cache import cache_dir
from .idx import load_idx

Array = np.ndarray[Any, Any]

# The files of a split: images, labels.
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}

IMAGE_SHAPE = (28, 28)

# Where the files are downloaded from (with the ending .gz), and the MD5 of each as it is there.
MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST_HASHES = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_HASHES = {
    "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
}


def mnist(
    split: str = "train", data_dir: str | os.PathLike[str] | None = None
) -> tuple[Array, Array]:
    """MNIST's handwritten digits: 60,000 to train on, 10,000 to test on.

    Args:
        split: "train" or "test".
        data_dir: a folder with the IDX files, plain or .gz. Without one they are downloaded once,
            checked by their hash, and kept in the user's cache (the environment variable
            MINIGRAD_CACHE names another folder).

    Returns:
        images: (n, 28, 28, 1), float32 from 0.0 (black) to 1.0 (white).
        labels: (n,), int64 from 0 to 9.

    Raises:
        FileNotFoundError: the folder does not hold the files.
        ValueError: another split, or files that are damaged, empty, or do not belong together.
        OSError: the download failed.
    """
    return _load("mnist", split, data_dir, MNIST_URL, MNIST_HASHES)


def fashion_mnist(
    split: str = "train", data_dir: str | os.PathLike[str] | None = None
) -> tuple[Array, Array]:
    """Fashion-MNIST (Xiao et al., 2017): pieces of clothing, of MNIST's form. As `mnist`.

    Labels: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot.
    """
    return _load("fashion_mnist", split, data_dir, FASHION_URL, FASHION_HASHES)


def _load(
    name: str,
    split: str,
    data_dir: str | os.PathLike[str] | None,
    url: str,
    hashes: dict[str, str],
) -> tuple[Array, Array]:
    if split not in FILES:
        raise ValueError(f"{name}: split={split!r} must be 'train' or 'test'")
    if data_dir is None:
        paths = [_download(name, file, url, hashes[file]) for file in FILES[split]]
    else:
        paths = [_find(name, file, Path(data_dir)) for file in FILES[split]]
    images, labels = (load_idx(path) for path in paths)
    for path, array, axes, content in zip(
        paths, (images, labels), (3, 1), ("images", "labels"), strict=True
    ):
        if array.ndim != axes or array.dtype != np.uint8:
            raise ValueError(
                f"{name}: {path} should hold {content}, {axes} axes of bytes; it holds "
                f"{array.ndim} axes of {array.dtype}"
            )
        if not len(array):
            raise ValueError(f"{name}: {path} holds no {content}")
    if images.shape[1:] != IMAGE_SHAPE:
        raise ValueError(
            f"{name}: the images in {paths[0]} have shape {images.shape[1:]}, and must have "
            f"{IMAGE_SHAPE}"
        )
    if len(images) != len(labels):
        raise ValueError(
            f"{name}: {len(images)} images in {paths[0]} and {len(labels)} labels in {paths[1]}: "
            "the files do not belong together"
        )
    if labels.max() > 9:
        raise ValueError(f"{name}: a label in {paths[1]} is {labels.max()}; they go from 0 to 9")
    return images[..., None].astype(np.float32) / np.float32(255), labels.astype(np.int64)


def _find(name: str, file: str, folder: Path) -> Path:
    """The file in a folder, by any of the names it goes by."""
    other_spelling = file.replace("-idx", ".idx")  # train-images.idx3-ubyte
    names = [f"{file}.gz", file, f"{other_spelling}.gz", other_spelling]
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    raise FileNotFoundError(f"{name}: the folder {folder} holds none of {', '.join(names)}")


def _download(name: str, file: str, url: str, md5: str) -> Path:
    """The file in the cache, downloaded if it is not there or not whole."""
    import pooch

    folder = cache_dir() / name
    try:
        path = pooch.retrieve(
            url=f"{url}{file}.gz", known_hash=f"md5:{md5}", fname=f"{file}.gz", path=folder
        )
    except OSError as error:
        raise OSError(
            f"{name}: cannot download {url}{file}.gz into {folder} ({error}); with files from "
            "elsewhere, name their folder as data_dir"
        ) from error
    return Path(path)
