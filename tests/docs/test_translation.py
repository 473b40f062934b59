"""The walk-through in docs/zh says what the one in docs/walkthrough says, page by page."""

import ast
import re

import pytest

from .pages import ROOT, blocks_of

ENGLISH, CHINESE = ROOT / "docs" / "walkthrough", ROOT / "docs" / "zh"
NAMES = sorted(page.name for page in ENGLISH.glob("*.md"))


def said_by(text):
    """What does not depend on the language: code, outputs, pictures, tags, links, formulas."""
    blocks = blocks_of(text)
    return {
        "code": [code_of(block.text) for block in blocks if block.language == "python"],
        "promised": re.findall(r"^print\(.*\)  # (.*)$", text, re.MULTILINE),
        "printed": [block.text for block in blocks if block.language == "text"],
        "pictures": re.findall(r"!\[[^]]+\]\(([^)]+)\)", text),
        "tags": re.findall(r"<!-- article: (.*) -->", text),
        "links": re.findall(r"(?<!!)\[[^]]+\]\((\w+\.md|\.\./\w+\.md)\)", text),
        "sections": len(re.findall(r"^#+ ", text, re.MULTILINE)),
        "formulas": re.findall(r"\$\$.*\$\$", text),
    }


def code_of(block):
    """Code without comments and docstrings."""
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.unparse(tree)


def test_every_page_has_its_counterpart():
    assert [page.name for page in sorted(CHINESE.glob("*.md"))] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_both_pages_say_the_same(name):
    english, chinese = ((folder / name).read_text("utf-8") for folder in (ENGLISH, CHINESE))
    assert said_by(chinese) == said_by(english)


@pytest.mark.parametrize("name", NAMES)
def test_each_page_links_to_the_other(name):
    assert f"[中文](../zh/{name})" in (ENGLISH / name).read_text("utf-8")
    assert f"[English](../walkthrough/{name})" in (CHINESE / name).read_text("utf-8")


def test_differences_are_seen():
    page = "# A\n\n![b](c.png)\n\n```python\ndef f():\n    'doc'\n    return 1  # one\n```\n"
    assert said_by(page) == said_by(page.replace("one", "一").replace("doc", "说明"))
    for old, new in (("return 1", "return 2"), ("c.png", "d.png"), ("# A", "A")):
        assert said_by(page) != said_by(page.replace(old, new))
