"""Every statement of the article has a place: a test, a picture or a page that names it."""

import runpy
from pathlib import Path

import pytest

IDS = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "article_ids.py"))
TAG = "article" + ": "  # in two parts, so that the lines below are not tags of this file


def test_every_statement_has_a_place():
    assert set(IDS["STATEMENTS"]) <= set(IDS["read_tags"]())


def test_tags_name_statements():
    found = IDS["read_tags"]()
    assert not [found[identifier] for identifier in found if identifier not in IDS["STATEMENTS"]]


@pytest.fixture
def clone(tmp_path):
    """A clone in which a test, a picture and two headings of a page have tags."""
    for folder in IDS["FOLDERS"]:
        (tmp_path / folder).mkdir()
    (tmp_path / "tests" / "test_it.py").write_text(
        f"import os\n\n\n# {TAG}B1, F3\n@os.mark\ndef test_one():\n    pass\n\n\n"
        f"def test_two():\n    # {TAG}B1\n    pass\n\n\nx = 'see article: F9'\n"
    )
    (tmp_path / "docs" / "pictures.py").write_text(
        f'def planes():\n    """Planes.\n\n    {TAG}G6, M1.\n    """\n'
    )
    (tmp_path / "docs" / "page.md").write_text(
        f"# One\n\n```bash\n# two\n```\n\n<!-- {TAG}E2 -->\n\n## Three\n\n<!-- {TAG}Z9 -->\n"
    )
    return tmp_path


def test_places_are_found(clone):
    places = {
        identifier: [tuple(place) for place in places]
        for identifier, places in IDS["read_tags"](clone).items()
    }
    assert places == {
        "B1": [("tests/test_it.py", "test_one", 4), ("tests/test_it.py", "test_two", 11)],
        "F3": [("tests/test_it.py", "test_one", 4)],
        "G6": [("docs/pictures.py", "planes", 4)],
        "M1": [("docs/pictures.py", "planes", 4)],
        "E2": [("docs/page.md", "One", 7)],
        "Z9": [("docs/page.md", "Three", 11)],
    }


def test_what_is_missing_or_unknown_is_a_failure(clone, monkeypatch, capsys):
    main = IDS["main"]
    monkeypatch.setitem(main.__globals__, "read_tags", lambda: IDS["read_tags"](clone))
    every = dict.fromkeys(("B1", "F3", "G6", "M1", "E2", "Z9"), "")

    monkeypatch.setitem(main.__globals__, "STATEMENTS", every)
    assert main([]) == 0
    monkeypatch.setitem(main.__globals__, "STATEMENTS", {**every, "F1": ""})
    assert main([]) == 1
    assert "without a place: F1" in capsys.readouterr().out
    del every["Z9"]
    monkeypatch.setitem(main.__globals__, "STATEMENTS", every)
    assert main([]) == 1
    assert "docs/page.md:11 names 'Z9'" in capsys.readouterr().out


def test_the_page_links_to_the_places(clone):
    page = IDS["index_page"](IDS["read_tags"](clone))
    assert "\n- [test_it.py](../tests/test_it.py): `test_one`, `test_two`\n" in page
    assert "\n- [pictures.py](pictures.py): `planes`\n" in page
    assert "\n- [One](page.md#one)\n" in page


def test_the_page_is_fresh():
    """If not: `python docs/article_ids.py --write`."""
    assert IDS["INDEX"].read_text() == IDS["index_page"](IDS["read_tags"]())
