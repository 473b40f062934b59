"""The README's snippet runs and prints what its comments say."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_snippet_prints_what_the_readme_says():
    snippet = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    promised = re.findall(r"^print\(.*\)  # (.*)$", snippet, re.MULTILINE)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(snippet, "README.md", "exec"), {})
    assert printed.getvalue().splitlines() == promised
    assert len(promised) == snippet.count("print(")
