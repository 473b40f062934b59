"""The site builds without a warning, needs no network, and documents every public name."""

import inspect
import re
import subprocess
import sys
import zlib

import pytest

import minigrad as mg
from minigrad import checks

from .pages import ROOT

pytest.importorskip("furo", reason='the site is built where the extra "docs" is installed')

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def public_names():
    """Every name that users import, as "minigrad.nn.Dense"."""
    modules = [getattr(mg, name) for name in mg.__all__ if inspect.ismodule(getattr(mg, name))]
    yield from (f"minigrad.{name}" for name in mg.__all__)
    for module in [*modules, checks]:
        yield from (f"{module.__name__}.{name}" for name in names_of(module))


def names_of(module):
    """What a module says it offers, or else the functions and classes it defines."""
    if hasattr(module, "__all__"):
        return module.__all__
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def test_every_public_name_is_in_the_reference(site):
    # Four lines of header, then, compressed, a line per object that begins with its name.
    inventory = zlib.decompress((site / "objects.inv").read_bytes().split(b"\n", 4)[4]).decode()
    documented = {line.split()[0] for line in inventory.splitlines()}
    # The two functions are minigrad's own, re-exported.
    elsewhere = {"minigrad.checks.gradcheck", "minigrad.checks.gradgradcheck"}
    assert set(public_names()) - documented == elsewhere


def test_reading_needs_no_network(site):
    loading = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*(?:src|href)=["']?(?:https?:)?//""")
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    assert not [page.name for page in pages if loading.search(page.read_text())]


def test_backticks_in_docstrings_are_code_or_links(site):
    page = (site / "api" / "functional.html").read_text()
    assert '<a class="reference internal" href="#minigrad.functional.im2col"' in page
    assert re.search(r"<code[^>]*>\s*(<span[^>]*>)?cols", page)


def test_formulas_in_docstrings_keep_their_lines(site):
    """An indented paragraph without `::` before it is a quotation, in which lines run together."""
    pages = {page.name: page.read_text() for page in (site / "api").glob("*.html")}
    assert "optim.html" in pages
    assert not [name for name, text in pages.items() if "<blockquote" in text]
    assert not [name for name, text in pages.items() if re.search(r"\\[*|]", text)]


def test_the_lab_is_on_the_site(site):
    assert 'href="convolution_lab.html"' in (site / "index.html").read_text()
    assert (site / "convolution_lab.html").read_text().startswith("<!DOCTYPE html>")


def test_pages_say_their_language(site):
    for page, language in (("zh/4_modes", "zh"), ("walkthrough/4_modes", "en"), ("index", "en")):
        text = (site / f"{page}.html").read_text("utf-8")
        assert re.search(r'<html\b[^>]* lang="(\w+)"', text)[1] == language, page


def test_formulas_are_mathml(site):
    page = (site / "how_it_works.html").read_text()
    assert "<math" in page and "$" not in re.sub(
        r"(?s)<(script|style).*?</\1>|<pre>.*?</pre>", "", page
    )


def test_tags_are_not_text(site):
    """What `article_ids.py` reads is for it, in pages and in docstrings."""
    texts = [re.sub("<[^>]*>", "", page.read_text()) for page in site.rglob("*.html")]
    assert not [text for text in texts if re.search(r"(?m)^article: [A-Z]\d", text)]
