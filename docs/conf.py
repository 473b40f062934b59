"""The documentation as a site: `python -m sphinx -W --keep-going docs site`, from the clone's root.

Pages are plain Markdown, to be read on GitHub as well. What is made here and not there: the
reference in api/, from the docstrings. Nothing is loaded from the network, neither while building
nor while reading: formulas are MathML, which browsers draw by themselves.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError, latex2mathml
from sphinx.application import Sphinx
from sphinx.domains.python import PyXRefRole
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxRole

# The clone's own packages, not a minigrad that is installed beside it.
sys.path.insert(0, str(Path(__file__).parent.parent))

from minigrad import viz

project = "minigrad"
html_title = "minigrad"
author = "The minigrad authors"
copyright = author
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
smartquotes_action = "D"  # -- becomes a dash, and quotation marks stay as they are typed
html_math_renderer = "mathml"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

# Markdown: $formulas$, and links to headings by the names that GitHub gives them.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4

# Docstrings: sections Args, Returns, Raises; `code` between single backticks.
default_role = "code-or-reference"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {
    name: name for name in ("Array", "AxisPadding", "IntOrPair", "Padding", "Pads", "Pair")
}
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Attributes", "params_style")]  # several names may share a line
python_display_short_literal_types = True
python_maximum_signature_line_length = 110
add_module_names = False
toc_object_entries_show_parents = "hide"


class CodeOrReference(SphinxRole):
    """What single backticks mean in a docstring: code, and a link if it is a documented name."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """A reference, which without a target stays code; or code at once."""
        if re.fullmatch(r"[A-Za-z]\w*(\.\w+)*", self.text):
            return PyXRefRole()("py:obj", self.rawtext, self.text, self.lineno, self.inliner)
        return [nodes.literal(self.rawtext, self.text)], []


def escape_markup(app: Sphinx, what: str, name: str, obj: object, options, lines: list[str]):
    """Have * and | mean themselves in docstrings (x * y, |x|), but for code and examples."""
    if what == "data":
        lines.clear()  # they are those of its class, dict or tuple
    if lines and lines[-1].startswith("article: "):
        lines.pop()  # a tag for article_ids.py
    text = re.sub(
        r"(`[^`]*`|>>>(?:.+\n?)*|::\n(?:\n| .*\n)*)|([*|])",
        lambda found: found[1] or "\\" + found[2],
        "\n".join(lines),
    )
    lines[:] = text.split("\n")


def shorten_types(app: Sphinx, what: str, name: str, obj: object, options, *parts: str | None):
    """Have `IntOrPair | None` read like that; Sphinx writes TypeAliasForwardRef('IntOrPair')."""
    # The parts are the arguments and what is returned.
    return [part and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", part) for part in parts]


def formula(translator, node: nodes.math | nodes.math_block) -> None:
    """Write the MathML of a LaTeX formula, in the line or as a paragraph of its own."""
    block = isinstance(node, nodes.math_block)
    try:
        mathml = latex2mathml.tex2mathml(node.astext(), as_block=block)
    except MathError as error:
        raise ExtensionError(f"formula {node.astext()!r}: {error}") from error
    translator.body.append(mathml)
    raise nodes.SkipNode


def say_language(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Tell browsers that the pages of zh/ are Chinese; they choose fonts and voices by it."""
    if page.startswith("zh/"):
        context["language"] = "zh"


def write_lab(app: Sphinx, error: Exception | None) -> None:
    """Put the convolution lab beside the pages; index.md links to it."""
    if error is None:
        viz.conv_lab(app.outdir / "convolution_lab.html")


def setup(app: Sphinx) -> None:
    """Called by Sphinx: makes the above known."""
    app.add_role("code-or-reference", CodeOrReference())
    app.connect("autodoc-process-docstring", escape_markup, priority=400)  # before napoleon's
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("build-finished", write_lab)
    app.connect("html-page-context", say_language)
    app.add_html_math_renderer("mathml", (formula, None), (formula, None))
