"""docs/pictures.py draws every picture of the docs, and each of them is shown somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
LARGEST_GIF = 2_000_000  # bytes


def load():
    spec = importlib.util.spec_from_file_location("docs_pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pictures = load()
ALL = {**pictures.PICTURES, **pictures.EXPERIMENTS}


def shown():
    """Names of the files in docs/images that README.md and the pages of docs/ point to."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    texts = [page.read_text("utf-8") for page in pages]
    return {name for text in texts for name in re.findall(r"images/([\w.-]+\w)", text)}


def test_every_file_is_drawn_and_every_picture_is_there():
    assert {path.name for path in IMAGES.iterdir()} == set(ALL)


def test_names_are_unambiguous_and_sorted():
    stems = [Path(name).stem for name in pictures.PICTURES]
    assert stems == sorted(stems)
    assert len({Path(name).stem for name in ALL}) == len(ALL)


def test_every_picture_is_shown_and_every_shown_one_is_there():
    assert shown() <= set(ALL)
    if not (DOCS / "walkthrough").exists():
        pytest.skip("docs/walkthrough, which shows most of the pictures, is missing")
    assert set(ALL) <= shown()


def test_films_are_small():
    sizes = {path.name: path.stat().st_size for path in IMAGES.glob("*.gif")}
    assert {name: size for name, size in sizes.items() if size > LARGEST_GIF} == {}


def test_one_picture_by_name_and_what_is_printed(tmp_path, capsys):
    assert pictures.main(["three_ways", "--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["three_ways.png"]
    header, _, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["picture", "size", "seconds"]
    kib = (tmp_path / "three_ways.png").stat().st_size / 1024
    assert line.split()[:3] == ["three_ways.png", f"{kib:.1f}", "KiB"]


def test_an_unknown_name_is_refused_before_anything_is_drawn(tmp_path, capsys):
    with pytest.raises(SystemExit):
        pictures.main(["three_ways", "four_ways", "--out", str(tmp_path)])
    assert "no such picture: four_ways; there are" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_drawn_twice_all_have_the_same_bytes(tmp_path):
    for folder in ("first", "second"):
        pictures.main(["--out", str(tmp_path / folder)])
    for name in pictures.PICTURES:
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
        assert first == second, name
