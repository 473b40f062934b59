"""The convolution lab as a file: that it is whole, needs nothing else, and refuses what it must."""

import importlib.metadata
import json
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad import viz
from minigrad.viz import cells, lab
from minigrad.viz.lab import page


def written(tmp_path, **options):
    path = tmp_path / "lab.html"
    viz.conv_lab(path, **options)
    return path.read_text(encoding="utf-8")


def given_in(text):
    """What the page is told, as the browser reads it."""
    return json.loads(re.search(r'<script [^>]*id="given">(.*?)</script>', text, re.DOTALL)[1])


def test_it_is_one_file_that_asks_for_nothing(tmp_path):
    text = written(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lab.html"]
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(|\bfetch\(|XMLHttpRequest", text)
    assert re.findall(r'\b(?:src|href)="([^"]*)"', text) == ["data:,"]
    assert "default-src 'none'" in text
    assert not re.search(r"\{\{[a-z.]+\}\}", text)


def test_every_source_is_in_it(tmp_path):
    text = written(tmp_path)
    sources = [
        path for path in resources.files(lab).iterdir() if path.name.endswith((".js", ".css"))
    ]
    assert len(sources) >= 3
    for source in sources:
        assert source.read_text("utf-8").rstrip() in text, source.name


def test_it_opens_with_what_it_was_told(tmp_path):
    image, kernel = np.arange(24.0).reshape(4, 6), np.array([[0.5, -1, 2], [3, 4, 5]])
    text = written(
        tmp_path,
        input_size=(4, 6),
        kernel_size=(2, 3),
        stride=[2, 1],
        padding=((1, 0), (3, 2)),
        dilation=(1, 2),
        image=mg.Tensor(image),
        kernel=kernel,
    )
    assert given_in(text)["opening"] == {
        "image": [4, 6],
        "kernel": [2, 3],
        "stride": [2, 1],
        "dilation": [1, 2],
        "padding": [[1, 0], [3, 2]],
        "seed": 0,
        "numbers": {"image": image.tolist(), "kernel": kernel.tolist()},
    }
    opening = given_in(written(tmp_path, padding="full"))["opening"]
    assert (opening["padding"], opening["numbers"]) == ("FULL", {})


def test_colours_are_those_of_the_other_pictures(tmp_path):
    """For every kernel up to 5x5, whatever its sides."""
    colours = given_in(written(tmp_path))["colours"]
    for height in range(1, 6):
        for width in range(1, 6):
            expected = np.round(255 * cells.parameter_colours(height * width)[:, 0])
            hexes = colours[str(height * width)]
            found = [[int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in hexes]
            assert np.abs(np.array(found) - expected).max() <= 1  # rounding


def test_a_file_that_is_there_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "lab.html"
    path.write_text("before")

    def fail(given):
        raise OSError("no such source")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(page, "_page", fail)
        viz.conv_lab(path)
    assert path.read_text() == "before"
    viz.conv_lab(str(path))
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert [each.name for each in tmp_path.iterdir()] == ["lab.html"]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"input_size": (10, 5)}, ValueError, r"input_size=\(10, 5\); at most 9 can be read; give"),
        ({"kernel_size": (2, 6)}, ValueError, r"kernel_size=\(2, 6\); at most 5 can be read; give"),
        ({"stride": 5}, ValueError, "stride=5; at most 4 can be read; give"),
        ({"dilation": (3, 1)}, ValueError, r"dilation=\(3, 1\); at most 2 can be read; give"),
        ({"padding": 9}, ValueError, "padding=9; at most 8 can be read; give"),
        ({"padding": "HALF"}, ValueError, "padding='HALF' is unknown; use \"SAME\""),
        ({"stride": 1.5}, TypeError, "stride=1.5 must be an int"),
        ({"input_size": (0, 5)}, ValueError, r"input_size=\(0, 5\) must be at least 1"),
        (
            {"input_size": (3, 7), "kernel_size": (4, 2), "padding": "VALID"},
            ValueError,
            "the window does not fit: height 3 padded by 0 before .* kernel 4 .* give a larger",
        ),
        (
            {"image": np.ones((5, 5, 1))},
            ValueError,
            r"image of shape \(5, 5, 1\) must have the shape of input_size=\(5, 5\)",
        ),
        ({"kernel": [[1, 2]]}, ValueError, r"kernel of shape \(1, 2\) .* kernel_size=\(3, 3\)"),
        (
            {"kernel": [[1, 2, np.nan]] * 3},
            ValueError,
            r"kernel of shape \(3, 3\) holds nan or infinity; give",
        ),
    ],
)
def test_what_it_refuses(tmp_path, options, error, message):
    with pytest.raises(error, match=f"^conv_lab: {message}"):
        viz.conv_lab(tmp_path / "lab.html", **options)
    assert not list(tmp_path.iterdir())


def test_the_largest_of_everything_is_within_the_limits(tmp_path):
    """FULL of the largest kernel and dilation needs exactly the padding that is allowed."""
    written(tmp_path, input_size=9, kernel_size=5, stride=4, dilation=2, padding="FULL")


def test_the_wheel_holds_every_source():
    try:
        distribution = importlib.metadata.distribution("minigrad")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minigrad is not installed here")
    packaged = {file.name for file in distribution.files if file.parent.name == "lab"}
    sources = {path.name for path in Path(page.__file__).parent.iterdir() if path.is_file()}
    assert {"lab.html", "lab.css", "arithmetic.js"} <= sources <= packaged
