"""`python -m examples.image_filters`: what it prints and writes, and the files it takes."""

import numpy as np
import pytest
from PIL import Image

from examples import image_filters
from minigrad.article import FILTERS
from tests import oracles


def rows(text):
    """{filter: cells} of the printed table."""
    lines = [line.split() for line in text.splitlines()]
    return {line[0]: line[1:] for line in lines if line and line[0] in FILTERS}


def test_every_filter_on_the_scene(tmp_path, capsys):
    assert image_filters.main(["--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "220x220 pixels" in text
    table = rows(text)
    assert list(table) == list(FILTERS)
    assert [row[0] for row in table.values()] == ["1", "1", "1", "0", "1", "0", "0"]
    assert table["identity"][3] == table["blur"][3] == "0.0"
    assert {path.name for path in tmp_path.iterdir()} == {
        "filters.png",
        *(f"{name}.png" for name in FILTERS),
    }


# article: B9
def test_results_are_the_arithmetic_and_do_not_wrap_around(tmp_path, capsys):
    picture = np.random.default_rng(0).integers(0, 256, (30, 40), dtype=np.uint8)
    path = tmp_path / "noise.png"
    Image.fromarray(picture).save(path)
    assert image_filters.main(["--image", str(path), "--out", str(tmp_path / "out")]) == 0
    table = rows(capsys.readouterr().out)
    for name, kernel in FILTERS.items():
        expected = oracles.conv2d(picture[None, :, :, None] / 255, kernel[:, :, None, None])[
            0, ..., 0
        ]
        total, low, high, negative, _ = table[name]
        assert float(total) == pytest.approx(kernel.sum())
        assert (float(low), float(high)) == pytest.approx(
            (expected.min(), expected.max()), abs=6e-3
        )
        assert float(negative) == pytest.approx(100 * (expected < -0.005).mean(), abs=0.06)
        if total == "0":
            shown = 0.5 + expected / np.abs(expected).max() / 2
        else:
            shown = expected.clip(0, 1)
        with Image.open(tmp_path / "out" / f"{name}.png") as file:
            assert file.mode == "L"
            np.testing.assert_allclose(np.asarray(file), 255 * shown, atol=0.51)


def test_a_large_picture_is_scaled_down_and_colours_turn_grey(tmp_path, capsys):
    path = tmp_path / "large.png"
    Image.new("RGB", (1300, 650), (255, 0, 0)).save(path)
    assert image_filters.main(["--image", str(path), "--out", str(tmp_path / "out")]) == 0
    captured = capsys.readouterr()
    assert "large.png: scaled down to 300x600 pixels" in captured.err
    assert "300x600 pixels" in captured.out
    assert rows(captured.out)["identity"][1:3] == ["0.30", "0.30"]  # what the eye sees of red


def test_converted_files_are_filtered_and_it_is_said(tmp_path, capsys):
    path = tmp_path / "palette.png"
    Image.new("RGBA", (20, 30), (0, 0, 0, 128)).save(path)
    assert image_filters.main(["--image", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "palette.png" in capsys.readouterr().err


def test_files_that_are_no_pictures(tmp_path, capsys):
    text = tmp_path / "text.png"
    text.write_text("no picture")
    small = tmp_path / "small.png"
    Image.new("L", (2, 5)).save(small)
    for path, message in (
        (tmp_path / "missing.png", "no file"),
        (text, "is no picture that Pillow can read"),
        (small, "larger than the picture, 5×2"),
    ):
        assert image_filters.main(["--image", str(path), "--out", str(tmp_path / "out")]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
