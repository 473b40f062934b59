"""The code in README, CONTRIBUTING and docs/ runs, and prints what the pages say.

The ```python blocks of a page run in order, in one namespace and an empty folder. What a block
prints is on the page, in one of two ways:

- behind the `print(...)` that prints it, as `# the output`, one line each;
- in a ```text block right after it, all that the block prints.

`...` stands for anything, where numbers differ from one machine to the next. Code that is to be
read only, or fails on purpose, is not python's: it is ```text.
"""

import ast
import contextlib
import doctest
import importlib.util
import io
import re
import shlex
import tokenize

import numpy as np
import pytest

from .pages import NAMES, ROOT, blocks_of

# Blocks in other languages would be snippets that nobody runs.
LANGUAGES = {"python", "bash", "text", ""}


def promised_by_comments(code):
    """What comments behind calls of print say, in the order of the lines."""
    ends = {
        node.end_lineno
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    tokens = tokenize.generate_tokens(io.StringIO(code).readline)
    comments = (token for token in tokens if token.type == tokenize.COMMENT)
    return [comment.string.removeprefix("# ") for comment in comments if comment.start[0] in ends]


def run_page(text, name):
    """Run the python blocks of a page; the first that prints something else is an error."""
    blocks = blocks_of(text)
    namespace = {"__name__": "__main__"}
    for block, after in zip(blocks, [*blocks[1:], None]):
        if block.language != "python":
            continue
        # Blank lines in front, so that tracebacks have the page's line numbers.
        code = compile("\n" * (block.line - 1) + block.text, name, "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, namespace)
        promised = "".join(f"{line}\n" for line in promised_by_comments(block.text))
        if after is not None and after.language == "text" and after.follows:
            assert not promised, f"{name}:{block.line}: output in comments and in a block as well"
            promised = after.text
        equal = doctest.OutputChecker().check_output(promised, printed.getvalue(), doctest.ELLIPSIS)
        assert equal, (
            f"{name}:{block.line}: the page says\n{promised}\nand it prints\n{printed.getvalue()}"
        )


@pytest.mark.parametrize("name", NAMES)
def test_python_blocks_run_and_print_what_the_page_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with np.printoptions():  # a page may set its own
        run_page((ROOT / name).read_text(), name)


@pytest.mark.parametrize("name", NAMES)
def test_blocks_are_in_languages_that_are_checked(name):
    languages = {block.language for block in blocks_of((ROOT / name).read_text())}
    sphinx_only = {"{toctree}"} if name == "docs/index.md" else set()
    if name.startswith("docs/api/"):
        sphinx_only = {"{eval-rst}"}
    assert languages <= LANGUAGES | sphinx_only


@pytest.mark.parametrize("name", NAMES)
def test_commands_name_programs_and_options_that_exist(name):
    for block in blocks_of((ROOT / name).read_text()):
        if block.language == "bash":
            for command in re.split(r"\n|&&", block.text.replace("\\\n", " ")):
                assert not unknown_in(command), f"{name}: {command}"


def unknown_in(command):
    """What a shell command names that does not exist: a program of ours, or an option of it."""
    words = shlex.split(command, comments=True)
    if [word.rpartition("/")[2] for word in words[:1]] == ["mpiexec"]:
        words = words[3:]  # mpiexec -n 2 python ...
    if "python" not in [word.rpartition("/")[2] for word in words[:1]]:
        return []
    match words[1:]:
        case ["-m", module, *rest] if module.split(".")[0] in ("examples", "tests"):
            spec = importlib.util.find_spec(module)
            if spec is None:
                return [module]
            folders = spec.submodule_search_locations
            sources = [spec.origin]
            if folders:
                sources = [str(path) for path in ROOT.joinpath(*module.split(".")).glob("*.py")]
        case [script, *rest] if script.endswith(".py"):
            if not (ROOT / script).is_file():
                return [script]
            sources = [ROOT / script]
        case _:
            return []
    text = "".join(ROOT.joinpath(source).read_text() for source in sources)
    return [
        word for word in rest if word.startswith("--") and f'"{word.split("=")[0]}"' not in text
    ]


# --- the checks above can fail --------------------------------------------------------------------


def page(*blocks):
    return "\n".join(f"```{language}\n{text}\n```\n" for language, text in blocks)


def test_later_blocks_see_earlier_ones():
    run_page(page(("python", "a = 2"), ("bash", "ls"), ("python", "print(a + 1)  # 3")), "page")


@pytest.mark.parametrize(
    "blocks",
    [
        [("python", "print(1 + 1)  # 3")],
        [("python", "print(1 + 1)")],
        [("python", "x = 1  # 1\nprint(\n    x\n)")],
        [("python", "for i in range(2):\n    print(i)  # 0")],
        [("python", "print(1)\nprint(2)"), ("text", "1")],
        [("python", "print(1)  # 1"), ("text", "1")],
    ],
)
def test_output_that_the_page_does_not_say(blocks):
    with pytest.raises(AssertionError):
        run_page(page(*blocks), "page")


def test_output_in_a_block_of_its_own():
    run_page(page(("python", "print(1)\nprint(22.5)"), ("text", "1\n22...")), "page")


def test_text_further_down_is_not_output():
    run_page(page(("python", "a = 1")) + "\nprose\n\n" + page(("text", "whatever")), "page")


def test_errors_have_the_line_of_the_page():
    with pytest.raises(ZeroDivisionError) as caught:
        run_page("one\ntwo\n" + page(("python", "a = 1\na / 0")), "page")
    assert caught.traceback[-1].lineno + 1 == 5


@pytest.mark.parametrize(
    "command, unknown",
    [
        ("python -m examples.conv_vs_dense --help-me", ["--help-me"]),
        ("python -m examples.no_such_program", ["examples.no_such_program"]),
        ("python docs/no_such.py", ["docs/no_such.py"]),
        (".venv/bin/mpiexec -n 2 python -m examples.train_mnist --no-such", ["--no-such"]),
        (".venv/bin/python -m examples.train_mnist --resume  # --not-this", []),
        ("python -m examples.exercises", []),
        ("pip install --quiet .", []),
    ],
)
def test_commands_are_looked_up(command, unknown):
    assert unknown_in(command) == unknown
