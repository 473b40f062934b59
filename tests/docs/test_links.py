"""Links and pictures in README, CONTRIBUTING and docs/ lead somewhere: to a file, to a heading."""

import re
from urllib.parse import unquote

import pytest

from .pages import NAMES, ROOT, without_blocks

# [text](target), ![text](target) and [![a](b)](target); no spaces in targets.
_LINK = re.compile(r"\]\((?P<target>[^()\s]+)\)")
_OUTSIDE = re.compile(r"[a-z]+:")  # https:, mailto:


def anchors_of(page_text):
    """The names that GitHub (and the site) gives to the headings of a page."""
    anchors = set()
    for title in re.findall(r"^#+ +(.*)$", without_blocks(page_text), re.MULTILINE):
        title = re.sub(r"\]\([^)]*\)", "", title)
        name = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{name}-{number}" if number else name) in anchors:
            number += 1
        anchors.add(numbered)
    return anchors


def _has_anchor(file, anchor):
    return file.suffix == ".md" and anchor in anchors_of(file.read_text())


def broken_links(page):
    """The targets on a page that are not in the clone."""
    text = re.sub(r"`[^`\n]*`", "", without_blocks(page.read_text()))
    broken = []
    for target in _LINK.findall(text):
        if _OUTSIDE.match(target):
            continue
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and not _has_anchor(file, anchor)):
            broken.append(target)
    return broken


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    assert not broken_links(ROOT / name)


def test_broken_links_are_seen(tmp_path):
    (tmp_path / "other.md").write_text("# A title, `coded` & (odd)\n\n# Twice\n\n# Twice\n")
    (tmp_path / "page.md").write_text(
        "[a](other.md) [b](other.md#a-title-coded--odd) [c](other.md#twice-1) [d](#here)\n"
        "[e](https://example.org/nothing) ![f](missing.png) [g](other.md#thrice) [h](#there)\n"
        "`[i](code.md)`\n\n```text\n[j](block.md)\n```\n\n## Here\n"
    )
    assert broken_links(tmp_path / "page.md") == ["missing.png", "other.md#thrice", "#there"]
