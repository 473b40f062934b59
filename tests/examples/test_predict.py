"""`python -m examples.predict`: pictures of digits as users have them, and of no such thing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import minigrad as mg
from examples import predict
from minigrad import data, optim, train
from models import lenet5, mlp

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module", autouse=True)
def drawn_digits_in_a_cache_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGRAD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LeNet-5 that has seen three thousand drawn digits: it reads nineteen of twenty."""
    mg.manual_seed(0)
    model = lenet5()
    loader = data.DataLoader(data.digits(3000, seed=0), 32, shuffle=True, seed=0)
    optimizer = optim.Adam(model.parameters(), lr=4e-3)
    schedule = optim.OneCycleLR(optimizer, 4e-3, 3 * len(loader))
    train.fit(model, loader, optimizer, epochs=3, scheduler=schedule, progress=False)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    mg.save(model, path, {"model": "lenet5", "dataset": "digits"})
    return path


def printed(digit: int, size: int = 60, ink: str = "black", paper: str = "white") -> Image.Image:
    """A digit in Pillow's own font, off the middle of a picture twice as large."""
    picture = Image.new("RGB", (2 * size, 2 * size + 11), paper)
    font = ImageFont.load_default(size)
    ImageDraw.Draw(picture).text((0.9 * size, 0.3 * size), str(digit), fill=ink, font=font)
    return picture


def grey(picture: Image.Image) -> Array:
    return np.asarray(picture.convert("L"), np.float32) / np.float32(255)


def lines_of(text: str) -> list[tuple[str, int, float]]:
    """path: digit (probability), taken apart."""
    parsed = []
    for line in text.splitlines():
        path, _, rest = line.rpartition(": ")
        digit, bracket = rest.split(" ")
        assert bracket == f"({float(bracket[1:-1]):.3f})"
        parsed.append((path, int(digit), float(bracket[1:-1])))
    return parsed


# --- reading --------------------------------------------------------------------------------------


def test_printed_digits_are_read_from_files_of_many_kinds(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    endings = ["png", "jpg", "bmp", "gif", "webp", "tiff", "pgm", "png", "jpg", "png"]
    paths = []
    for digit, ending in enumerate(endings):
        ink, paper = ("black", "white") if digit % 2 else ("#ffeecc", "#103050")
        paths.append(str(tmp_path / f"{digit}.{ending}"))
        printed(digit, 40 + 9 * digit, ink, paper).save(paths[-1])
    assert predict.main(["--weights", str(weights), *paths]) == 0
    shown = capsys.readouterr()
    read = lines_of(shown.out)
    # A GIF has a palette; what is done about it is said, and the digit read all the same.
    assert shown.err == (
        f"load_image: {paths[3]} was converted: the colours of its palette became RGB\n"
    )
    assert [path for path, _, _ in read] == paths
    assert sum(digit == expected for expected, (_, digit, _) in enumerate(read)) >= 8
    assert all(0.1 < probability <= 1 for _, _, probability in read)


def test_a_picture_is_read_as_the_image_that_was_saved_in_it(tmp_path: Path, weights: Path) -> None:
    """Drawn digits, five times larger, dark on light, somewhere on a page: hardly one is reread."""
    model = predict.load_model(str(weights))
    images, labels = data.digits(100, seed=5, split="test")
    rng = np.random.default_rng(0)
    same = right = 0
    for image, label in zip(images, labels, strict=True):
        large = np.kron(image[:, :, 0], np.ones((5, 5)))
        page = np.pad(large, rng.integers(0, 90, (2, 2)))
        data.save_image(tmp_path / "page.png", 0.95 - 0.8 * page)
        again = predict.frame(data.load_image(tmp_path / "page.png", grey=True)[..., 0])
        digit, _ = predict.read(model, again)
        same += digit == predict.read(model, image[:, :, 0])[0]
        right += digit == label
    assert same >= 93
    assert right >= 85


def test_as_a_program(tmp_path: Path, weights: Path) -> None:
    printed(3).save(tmp_path / "three.png")
    run = subprocess.run(
        [sys.executable, "-m", "examples.predict", "--weights", weights, tmp_path / "three.png"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    ((path, digit, _),) = lines_of(run.stdout)
    assert (path, digit) == (str(tmp_path / "three.png"), 3)


def test_the_network_is_the_one_in_the_metadata(tmp_path: Path) -> None:
    model = mlp(np.random.default_rng(0))
    mg.save(model, tmp_path / "w.safetensors", {"model": "mlp", "dataset": "mnist"})
    loaded = predict.load_model(str(tmp_path / "w.safetensors"))
    assert repr(loaded) == repr(model)
    assert not loaded.training
    image = np.random.default_rng(1).random((28, 28), dtype=np.float32)
    logits = model(image.reshape(1, 28, 28, 1)).data[0].astype(np.float64)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    digit, probability = predict.read(loaded, image)
    assert digit == probabilities.argmax()
    assert probability == pytest.approx(probabilities.max(), rel=1e-5)


# --- what cannot be read --------------------------------------------------------------------------


def test_bad_pictures_are_named_and_the_others_read(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["3.png", "missing.png", "notes.txt", "empty.png", "cut.png", "7.png"]
    paths = [str(tmp_path / name) for name in names]
    printed(3).save(paths[0])
    Path(paths[2]).write_text("a shopping list")
    Image.new("L", (50, 40), 200).save(paths[3])
    Path(paths[4]).write_bytes(Path(paths[0]).read_bytes()[:200])
    printed(7).save(paths[5])
    assert predict.main(["--weights", str(weights), *paths]) == 1
    shown = capsys.readouterr()
    assert [path for path, _, _ in lines_of(shown.out)] == [paths[0], paths[5]]
    errors = shown.err.splitlines()
    assert len(errors) == 4
    for error, path, quoted in zip(
        errors,
        paths[1:5],
        ["no file", "no picture", "nothing stands out from the background", "no picture"],
        strict=True,
    ):
        assert error.startswith(f"{path}: ") and quoted in error


@pytest.mark.parametrize(
    ("make", "quoted"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.write_text("no weights"), "is damaged or no safetensors file"),
        (lambda path: mg.save(mlp(), path), "does not say of which network"),
        (lambda path: mg.save(mlp(), path, {"model": "resnet"}), "does not say of which network"),
        (lambda path: mg.save(mlp(), path, {"model": "lenet5"}), "load_state_dict: missing"),
        (
            lambda path: mg.save(mlp(), path, {"model": "mlp", "dataset": "fashion-mnist"}),
            "has learned clothes",
        ),
    ],
)
def test_weights_of_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any, quoted: str
) -> None:
    path = tmp_path / "w.safetensors"
    make(path)
    printed(3).save(tmp_path / "3.png")
    assert predict.main(["--weights", str(path), str(tmp_path / "3.png")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("predict: ") and quoted in shown.err


def test_no_pictures_at_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        predict.main([])
    assert caught.value.code == 2
    assert "IMAGE" in capsys.readouterr().err


# --- framing --------------------------------------------------------------------------------------


def extent(image: Array) -> tuple[int, int]:
    """Height and width of what is not black."""
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


def difference(image: Array, other: Array) -> float:
    """The mean difference of two images, one of them moved by a pixel if that fits better."""
    moves = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    return min(float(np.abs(np.roll(image, move, (0, 1)) - other).mean()) for move in moves)


@pytest.mark.parametrize("digit", range(10))
@pytest.mark.parametrize("size", [9, 60, 300])
def test_a_framed_digit_is_framed_as_mnist_does(digit: int, size: int) -> None:
    """20 pixels along its longer side, its centre of mass within half a pixel of pixel 14."""
    picture = grey(printed(digit, size))
    image = predict.frame(picture)
    assert image.shape == (28, 28) and image.dtype == np.float32
    assert image.min() == 0 and image.max() == 1
    assert 19 <= max(extent(image)) <= 20
    cells = np.arange(28)
    for axis in (0, 1):
        mass = image.sum(axis=1 - axis)
        assert abs((mass * cells).sum() / mass.sum() - 14) <= 0.5 + 1e-5
    height, width = extent(1 - picture > 0.25)
    assert extent(image)[1] / extent(image)[0] == pytest.approx(width / height, abs=0.06)


def test_where_on_the_page_and_how_large_makes_little_difference() -> None:
    expected = predict.frame(grey(printed(4, 60)))
    digit = grey(printed(4, 60))
    moved = np.pad(digit, ((0, 41), (83, 0)), constant_values=1.0)
    np.testing.assert_allclose(predict.frame(moved), expected, atol=1e-6)
    for size in (30, 240):
        assert difference(predict.frame(grey(printed(4, size))), expected) < 0.03


def test_dark_on_light_and_light_on_dark_are_the_same() -> None:
    digit = grey(printed(5))
    expected = predict.frame(digit)
    np.testing.assert_allclose(predict.frame(1 - digit), expected, atol=1e-5)
    faint = (0.6 + 0.3 * digit).astype(np.float32)
    np.testing.assert_allclose(predict.frame(faint), expected, atol=1e-5)


def test_a_digit_that_covers_most_of_the_picture_is_ink_all_the_same() -> None:
    """The edge is paper, however little of it there is."""
    picture = np.ones((40, 30), np.float32)
    picture[1:-1, 1:-1] = 0.0
    assert predict.frame(picture)[14, 14] == 1.0


def test_uneven_light_and_grain_are_paper() -> None:
    rng = np.random.default_rng(0)
    digit = grey(printed(2, 200))
    light = np.linspace(0.8, 1.0, digit.shape[1], dtype=np.float32)
    photo = digit * light + 0.03 * rng.standard_normal(digit.shape).astype(np.float32)
    assert difference(predict.frame(photo), predict.frame(digit)) < 0.03


def test_the_grain_of_a_large_photo_is_evened_out() -> None:
    rng = np.random.default_rng(0)
    digit = grey(printed(2, 800))
    photo = 0.15 + 0.7 * digit + 0.1 * rng.standard_normal(digit.shape).astype(np.float32)
    assert difference(predict.frame(photo), predict.frame(digit)) < 0.03


def test_a_speck_is_not_what_ink_is_measured_by() -> None:
    digit = (0.7 + 0.2 * grey(printed(2))).astype(np.float32)
    expected = predict.frame(digit)
    row, column = np.argwhere(digit < 0.75)[40]
    digit[row, column] = 0.0
    np.testing.assert_allclose(predict.frame(digit), expected, atol=0.02)


def test_a_thin_pen_on_a_large_page() -> None:
    picture = Image.new("L", (3000, 2000), 255)
    ImageDraw.Draw(picture).line([(700, 300), (900, 300), (780, 620)], fill=0, width=3)
    image = predict.frame(grey(picture))
    assert extent(image)[0] in (19, 20)
    assert image.max() == 1
    assert (image > 0.3).sum() > 20  # the line is there


def test_framing_a_framed_image_changes_little() -> None:
    images, _ = data.digits(50, seed=7, split="test")
    for image in images[..., 0]:
        # Some of the drawn digits are a pixel off the middle.
        assert difference(predict.frame(image), image) < 0.05


@pytest.mark.parametrize("picture", [np.zeros((9, 7)), np.ones((1, 1)), np.full((5, 400), 0.5)])
def test_an_empty_picture(picture: Array) -> None:
    with pytest.raises(ValueError, match="nothing stands out from the background"):
        predict.frame(picture.astype(np.float32))


def test_faint_ink_is_named_with_how_faint_it_is() -> None:
    picture = np.full((40, 40), 0.9, np.float32)
    picture[10:30, 15:25] = 0.8
    with pytest.raises(ValueError, match=r"0\.10 of that from black to white.*0\.15"):
        predict.frame(picture)


@pytest.mark.parametrize("shape", [(1, 60), (60, 1), (2, 900)])
def test_a_single_line_of_ink_is_framed_too(shape: tuple[int, int]) -> None:
    picture = np.pad(np.zeros(shape, np.float32), 20, constant_values=1.0)
    image = predict.frame(picture)
    assert max(extent(image)) == 20
    assert min(extent(image)) == 1
