"""Draws the pictures that README and docs show, into docs/images.

From the clone's root:

    python docs/pictures.py                  # all but the experiments
    python docs/pictures.py three_ways       # some, by name
    python docs/pictures.py --out FOLDER     # elsewhere

A picture is a function here, named like its file; drawn again, it has the same bytes. To add one,
write a function that draws into the path it is given, with `@picture("png")` or `@picture("gif")`
above it, in the order of names. Prints the size of every file and how long it took to draw.
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# Before NumPy loads. One thread adds up in one order: the same picture, whatever the machine.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# The clone's own packages, not a minigrad that is installed beside it.
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
from PIL import Image

from examples import cut_the_ties as ties
from examples import learn_a_filter as learner
from examples import smooth_signal as smoother
from examples import watch_training as watch
from minigrad import article, data, nn, viz
from minigrad import functional as F
from minigrad.files import whole_file
from minigrad.text import readable_bytes, table
from models import tiny_cnn
from tests.benchmarks import conv_op, data_parallel

IMAGES = Path(__file__).parent / "images"

Draw = Callable[[Path], object]

# File name -> the function that draws it.
PICTURES: dict[str, Draw] = {}
# The same for those that take a minute of training each, or need a browser: drawn only when they
# are named.
EXPERIMENTS: dict[str, Draw] = {}


def picture(ending: str, among: dict[str, Draw] = PICTURES) -> Callable[[Draw], Draw]:
    """Enter the function below into the table, as a file of its name and this ending."""

    def enter(draw: Draw) -> Draw:
        among[f"{draw.__name__}.{ending}"] = draw
        return draw

    return enter


# --- the pictures, by name ------------------------------------------------------------------------


@picture("png")
def adjoint_pairs(path: Path) -> None:
    """Linear operators that move, repeat or drop cells, and the way back of each."""
    pairs = [
        ("transpose", "transpose", lambda x: x.T, [[5, 2, 7], [4, 1, 3]]),
        ("broadcast_to", "sum_to", lambda x: x.broadcast_to((3, 2)), [5, 2]),
        ("pad", "crop", lambda x: x.pad(((1, 2),)), [5, 2, 7]),
        ("x[[0, 0, 2]]", "scatter_add", lambda x: x[np.array([0, 0, 2])], [5, 2, 7]),
        ("im2col", "col2im", lambda x: F.im2col(x, (1, 2)), np.reshape([5, 2, 7, 4], (1, 1, 4, 1))),
    ]
    viz.adjoint_figure(pairs, path)


# article: I2
@picture("gif")
def backward_col2im(path: Path) -> None:
    """The gradient of the input: every window's part is added to what is there."""
    viz.input_gradient_film(small_layer("VALID"), (5, 5, 1), path)


# article: I4
@picture("gif")
def backward_full_flip(path: Path) -> None:
    """The same gradient as a FULL convolution with the kernel turned by 180 degrees."""
    viz.full_flip_film(small_layer("VALID"), (5, 5, 1), path)


# article: G2
@picture("gif")
def conv_3x3_valid(path: Path) -> None:
    """The 3x3 window on a 5x5 image, in nine frames, with the arithmetic of each."""
    viz.sliding_window_film(small_layer("VALID"), (5, 5, 1), path)


# article: G5
@picture("png")
def conv_and_dense(path: Path) -> None:
    """The article's kernel as a matrix, and a fully connected layer of the same size."""
    viz.conv_and_dense_figure(article_layer(), (3, 3, 1), path, ARTICLE_IMAGE)


@picture("png", among=EXPERIMENTS)
def conv_lab(path: Path) -> None:
    """The convolution lab as it opens, the window moved."""
    photograph_lab(path, "cell=7", 1360)


@picture("png", among=EXPERIMENTS)
def conv_lab_backward(path: Path) -> None:
    """The same convolution backward."""
    photograph_lab(path, "cell=7&weight=5&backward", 1650)


# article: G3
@picture("png")
def convolution(path: Path) -> None:
    """The article's image and kernel, and what comes out."""
    viz.convolution_figure(article_layer(), (3, 3, 1), path, ARTICLE_IMAGE, (0, 0, 0))


@picture("png", among=EXPERIMENTS)
def cut_the_ties(path: Path) -> None:
    """What `examples.cut_the_ties` finds out with its own settings."""
    ties.main(["--out", str(path.parent)])


@picture("gif")
def decision(path: Path) -> None:
    """Which points of a plane a network takes for which of two spirals, step by step."""
    points, labels = two_spirals()
    rng = np.random.default_rng(3)
    model = nn.Sequential(
        nn.Dense(2, 24, rng=rng),
        nn.Tanh(),
        nn.Dense(24, 24, rng=rng),
        nn.Tanh(),
        nn.Dense(24, 2, rng=rng),
    )
    record = watch.watched(model, (points, labels), steps=400, frames=30, lr=1e-2)
    viz.decision_film(record, points, labels, path)


@picture("png")
def feature_maps(path: Path) -> None:
    """A held-out digit on its way through a trained network."""
    record, images, labels = watched_network()
    viz.feature_maps_figure(record.model_at(-1), images[0], path, label=int(labels[0]))


@picture("png")
def filters(path: Path) -> None:
    """All filters on the drawn scene."""
    viz.filter_figure(data.scene(), article.FILTERS, path)


# article: G1
@picture("gif")
def flip_and_slide(path: Path) -> None:
    """Chapter 2's signal and kernel: the answers to a 1 and to a 2."""
    viz.flip_and_slide_film([0, 0, 1, 0, 0, 2, 0], [1, 2, 3], path)


# article: I5
@picture("gif")
def kernel_gradient(path: Path) -> None:
    """The gradient of the kernel: the gradient of the output slides over the image."""
    viz.kernel_gradient_film(small_layer("VALID"), (5, 5, 1), path)


@picture("gif")
def learned_filter(path: Path) -> None:
    """Sobel's kernel, found by gradient descent from the scene and its edges alone."""
    rng = np.random.default_rng(0)
    scene, true = learner.draw("scene", rng), article.FILTERS["sobel_x"]
    x = scene[None, :, :, None]
    target = F.conv2d(x, true[:, :, None, None], padding="VALID")
    conv = nn.Conv2D(1, 1, 3, padding="VALID", bias=False, rng=rng).astype(np.float64)
    kernels, losses = learner.learn(conv, x, target, steps=800)
    learner.film(scene, kernels, losses, true, path)


# article: G4
@picture("png")
def matrix_product(path: Path) -> None:
    """The article's kernel matrix times the flattened image."""
    viz.matrix_product_figure(article_layer(), (3, 3, 1), path, ARTICLE_IMAGE)


# article: G6
@picture("png")
def mode_full(path: Path) -> None:
    """The first window of FULL: one cell of it is on the image."""
    viz.planes_figure(plain_layer(3, "FULL"), (5, 5, 1), path)


# article: G8
@picture("png")
def mode_same(path: Path) -> None:
    """The first window of SAME: its middle is on the first cell of the image."""
    viz.planes_figure(plain_layer(3, "SAME"), (5, 5, 1), path)


# article: G9
@picture("png")
def mode_same_even(path: Path) -> None:
    """SAME with a 2x2 kernel: padding at the bottom and at the right only."""
    viz.planes_figure(plain_layer(2, "SAME"), (5, 5, 1), path)


# article: G7
@picture("png")
def mode_valid(path: Path) -> None:
    """The first window of VALID: all of it is on the image."""
    viz.planes_figure(plain_layer(3, "VALID"), (5, 5, 1), path)


@picture("png")
def modes(path: Path) -> None:
    """The three modes side by side."""
    viz.modes_figure(5, 3, path)


@picture("gif")
def planes(path: Path) -> None:
    """A kernel of uneven size, stride, padding and dilation on its way over the image."""
    conv = nn.Conv2D(
        1, 1, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), bias=False
    )
    viz.planes_film(conv, (6, 5, 1), path)


@picture("png", among=EXPERIMENTS)
def ranks(path: Path) -> None:
    """What several processes gain, on this machine; needs PyTorch and MPI, and takes minutes."""
    data_parallel.main(["--plot", str(path)])


@picture("gif")
def same_stride2(path: Path) -> None:
    """SAME with stride 2, whose last row of padding no window reaches."""
    viz.sliding_window_film(small_layer("SAME", stride=2), (6, 5, 1), path)


@picture("png", among=EXPERIMENTS)
def scaling(path: Path) -> None:
    """What a convolution costs as batches and images grow, on this machine; takes a minute."""
    conv_op.main(["--parts", "scaling", "--plot", str(path)])


@picture("png")
def smooth_signal(path: Path) -> None:
    """What `examples.smooth_signal` draws: a noisy wave, and a triangle of weights."""
    clean = smoother.wave(240)
    noisy = clean + 0.3 * np.random.default_rng(0).standard_normal(240)
    viz.signal_figure(noisy, smoother.triangle(6), path, clean=clean)


@picture("png")
def three_ways(path: Path) -> None:
    """The README's example: one output cell as a window, as a row of im2col, as a matrix column."""
    viz.trace_figure(article_layer(), (3, 3, 1), path, image=ARTICLE_IMAGE, output_cell=(1, 0, 0))


@picture("gif")
def training(path: Path) -> None:
    """The network of `feature_maps` while it learns."""
    viz.training_film(*watched_network(), path)


# article: G13
@picture("png")
def unfolded_product(path: Path) -> None:
    """The article's flattened kernel times the unfolded image."""
    viz.unfolded_product_figure(article_layer(), (3, 3, 1), path, ARTICLE_IMAGE)


# --- what they share ------------------------------------------------------------------------------

ARTICLE_IMAGE = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]])[..., None]


def article_layer() -> nn.Conv2D:
    """The 2x2 kernel that the article computes with."""
    conv = nn.Conv2D(1, 1, 2, padding="VALID", bias=False)
    conv.kernel.data[..., 0, 0] = [[4, 6], [7, 9]]
    return conv


def plain_layer(kernel_size: int, padding: str) -> nn.Conv2D:
    """One channel, one filter, no bias; its weights are not shown."""
    return nn.Conv2D(1, 1, kernel_size, padding=padding, bias=False)


@functools.cache
def watched_network() -> tuple[viz.TrainingRecord, np.ndarray, np.ndarray]:
    """What `examples.watch_training` does with its own settings, and the digits that it shows."""
    options = watch.parse([])
    digits, held_out = watch.load(options)
    model = tiny_cnn(np.random.default_rng(options.seed))
    record = watch.watched(model, digits, options.steps, options.frames, options.lr)
    return record, *watch.different(held_out, watch.DIGITS_SHOWN)


def two_spirals() -> tuple[np.ndarray, np.ndarray]:
    """Points of two spirals that turn about each other, (120, 2) float32, and their labels."""
    turn = np.linspace(0.3, 1.0, 60)[:, None] * 2 * np.pi
    arm = turn / 6 * np.hstack([np.cos(turn), np.sin(turn)])
    noise = np.random.default_rng(1).normal(0, 0.03, (120, 2))
    points = np.concatenate([arm, -arm]) + noise  # half a turn further is the other side
    return points.astype(np.float32), np.repeat([0, 1], 60)


def small_layer(padding: str, stride: int = 1) -> nn.Conv2D:
    """A 3x3 kernel of small whole numbers, which is another one when it is turned."""
    conv = nn.Conv2D(1, 1, 3, stride=stride, padding=padding, bias=False)
    conv.kernel.data[..., 0, 0] = [[1, 2, 0], [3, 1, -1], [2, 0, -2]]
    return conv


def photograph_lab(path: Path, settings: str, height: int) -> None:
    """The convolution lab in Chromium, `settings` being the part of its address behind the #."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise FileNotFoundError("no Chromium here; on Debian `apt install chromium` brings it")
    with tempfile.TemporaryDirectory() as folder:
        page, photograph = Path(folder, "lab.html"), Path(folder, "lab.png")
        viz.conv_lab(page)
        command = [
            chromium,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--hide-scrollbars",
            "--disable-background-networking",
            f"--user-data-dir={folder}/profile",
            f"--window-size=1400,{height}",
            f"--screenshot={photograph}",
            f"{page.as_uri()}#{settings}",
        ]
        subprocess.run(command, check=True, capture_output=True)
        with whole_file(path) as temporary, Image.open(photograph) as image:
            image.convert("RGB").quantize(128).save(temporary)


# --- the command line -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw what is asked for; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python docs/pictures.py", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="a file, without its ending; by default all but "
        + ", ".join(Path(file).stem for file in EXPERIMENTS),
    )
    parser.add_argument(
        "--out", type=Path, default=IMAGES, metavar="FOLDER", help="default docs/images"
    )
    options = parser.parse_args(arguments)
    by_name = {Path(file).stem: (file, draw) for file, draw in {**PICTURES, **EXPERIMENTS}.items()}
    unknown = [name for name in options.names if name not in by_name]
    if unknown:
        parser.error(f"no such picture: {', '.join(unknown)}; there are {', '.join(by_name)}")
    rows = []
    for name in options.names or [Path(file).stem for file in PICTURES]:
        file, draw = by_name[name]
        begin = time.perf_counter()
        try:
            draw(options.out / file)
        except OSError as error:
            print(f"pictures: {error}", file=sys.stderr)
            return 1
        seconds = time.perf_counter() - begin
        rows.append([file, readable_bytes((options.out / file).stat().st_size), f"{seconds:.1f}"])
    print(table(["picture", "size", "seconds"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
