"""Read handwritten digits from picture files.

    python -m examples.predict three.png scan.jpg
    python -m examples.predict --weights runs/train_mnist/weights.safetensors three.png

A picture holds one digit, dark on light or light on dark, of any size and anywhere in it. It is
framed as MNIST frames its digits, which is what the network has seen: see `frame`. A line per file:

    three.png: 3 (0.998)

The number in brackets is what softmax gives to that digit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.serialization import load_with_metadata

from .picture_files import load_picture
from .train_mnist import MODELS

Array = np.ndarray[Any, Any]

SIZE = 28  # of MNIST's images, height and width
BOX = 20  # of the box within that a digit just fits into
LARGEST = 400  # of a picture: a larger one is scaled down first, which also evens out noise

FAINTEST = 0.15  # how far ink must stand out from the paper, on a scale from black to white
PAPER = 0.25  # what stands out by less than this share of the strongest ink is paper still


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 1 if a picture could not be read."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.predict", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--weights",
        default="runs/train_mnist/weights.safetensors",
        metavar="FILE",
        help="as examples.train_mnist writes them; default %(default)s",
    )
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture of one digit")
    options = parser.parse_args(arguments)
    try:
        model = load_model(options.weights)
    except (ValueError, OSError) as error:
        print(f"predict: {error}", file=sys.stderr)
        return 1
    exit_code = 0
    for path in options.images:
        try:
            digit, probability = read(model, frame(load_picture(path, grey=True)[..., 0]))
        except (ValueError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            exit_code = 1
        else:
            print(f"{path}: {digit} ({probability:.3f})")
    return exit_code


def load_model(path: str) -> nn.Module:
    """The network that the weights in a file belong to, ready to predict.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it holds something else than weights of a network that reads digits.
    """
    arrays, metadata = load_with_metadata(path)
    name = metadata.get("model")
    if name not in MODELS:
        raise ValueError(
            f"{path} does not say of which network its weights are; give the weights.safetensors "
            "that examples.train_mnist writes"
        )
    if metadata.get("dataset") == "fashion-mnist":
        raise ValueError(
            f"{path} holds a network that has learned clothes (fashion-mnist), no digits"
        )
    model = MODELS[name]()
    model.load_state_dict(arrays)
    return model.eval()


def read(model: nn.Module, image: Array) -> tuple[int, float]:
    """The digit on a framed image (28, 28), and its probability."""
    with mg.no_grad():
        probabilities = F.softmax(model(image.reshape(1, SIZE, SIZE, 1))).data[0]
    digit = int(probabilities.argmax())
    return digit, float(probabilities[digit])


def frame(picture: Array) -> Array:
    """Bring a picture of a digit into MNIST's form: light on black, centred, 20 pixels large.

    Args:
        picture: (H, W), from 0 (black) to 1 (white).

    Returns:
        (28, 28), float32 from 0 to 1: the ink's bounding box scaled to fit 20 by 20 pixels, with
        its centre of mass in the middle.

    Raises:
        ValueError: nothing stands out from the background.
    """
    from PIL import Image

    height, width = picture.shape
    if max(height, width) > LARGEST:
        shrunk = Image.fromarray(picture)
        shrunk.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
        picture = np.asarray(shrunk)
    ink = strip_paper(picture)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    scale = BOX / max(digit.shape)
    height, width = (max(1, round(size * scale)) for size in digit.shape)
    resized = Image.fromarray(digit).resize((width, height), Image.Resampling.BICUBIC)
    digit = np.asarray(resized).clip(0, None)
    digit = (digit / digit.max()).astype(np.float32)  # thin lines have become faint
    # Where its upper left corner goes, for its centre of mass to be at SIZE / 2 (or next to it).
    top, left = (
        int(np.clip(round(SIZE / 2 - centre), 0, SIZE - size))
        for centre, size in zip(centre_of_mass(digit), digit.shape, strict=True)
    )
    framed = np.zeros((SIZE, SIZE), np.float32)
    framed[top : top + height, left : left + width] = digit
    return framed


def strip_paper(picture: Array) -> Array:
    """How much ink there is in every pixel: (H, W) -> (H, W), from 0 (paper) to 1.

    Paper is as light as the edge of the picture is; ink is darker or lighter, whichever stands out
    more.
    """
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    difference = picture - np.median(edge)
    ink = max((-difference).clip(0, None), difference.clip(0, None), key=strength)
    if strength(ink) < FAINTEST:
        raise ValueError(
            "nothing stands out from the background: the strongest difference is "
            f"{strength(ink):.2f} of that from black to white, and a digit's must be {FAINTEST}"
        )
    return ((ink / strength(ink) - PAPER) / (1 - PAPER)).clip(0, 1).astype(np.float32)


def strength(ink: Array) -> float:
    """Of the strongest ink; not just of a speck, unless there is nothing else."""
    usual = float(np.quantile(ink, 0.999))
    return usual if usual >= FAINTEST else float(ink.max())


def centre_of_mass(image: Array) -> tuple[float, float]:
    """The row and the column that the cells balance on."""
    total = image.sum()
    row = image.sum(axis=1) @ np.arange(image.shape[0]) / total
    column = image.sum(axis=0) @ np.arange(image.shape[1]) / total
    return float(row), float(column)


if __name__ == "__main__":
    sys.exit(main())
