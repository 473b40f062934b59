"""The pages that people read: README, CONTRIBUTING and docs/, and what is in them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]

_FENCE = re.compile(r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    text: str
    line: int  # of the page, where the text begins
    follows: bool  # nothing but blank lines lies between the block before and this one


def blocks_of(page_text):
    """The fenced blocks of a page, in order."""
    blocks, end = [], 0
    for found in _FENCE.finditer(page_text):
        line = page_text[: found.start("text")].count("\n") + 1
        follows = bool(blocks) and not page_text[end : found.start()].strip()
        blocks.append(Block(found["language"].strip(), found["text"], line, follows))
        end = found.end()
    return blocks


def without_blocks(page_text):
    """The page's text, blank lines in place of fenced blocks, so that lines keep their numbers."""
    return _FENCE.sub(lambda found: "\n" * found[0].count("\n"), page_text)
