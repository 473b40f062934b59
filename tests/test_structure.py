"""The map in docs/design.md lists every module, and each imports only from lines above its own."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "minigrad"


def lines_of_the_map():
    """Module name -> the line of the map it stands in."""
    text = (ROOT / "docs" / "design.md").read_text()
    listing = re.search(r"```\nminigrad/\n(.*?)```", text, re.DOTALL).group(1)
    lines = {}
    for number, line in enumerate(listing.splitlines()):
        for name in re.match(r"  ((?:[a-z_]+(?:\.py|/)(?:, )?)+)", line).group(1).split(", "):
            lines[name.removesuffix("/").removesuffix(".py")] = number
    return lines


def modules():
    """Every module and package directly in minigrad/, but for __init__."""
    names = {path.stem for path in LIBRARY.glob("*.py")} - {"__init__"}
    return names | {path.parent.name for path in LIBRARY.glob("*/__init__.py")}


def imports_of(path):
    """The modules directly in minigrad/ that a file imports when it runs."""
    package = path.relative_to(ROOT).parent.parts
    found = set()

    class Visitor(ast.NodeVisitor):
        def visit_If(self, node):
            if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
                self.generic_visit(node)

        def visit_ImportFrom(self, node):
            if not node.level:
                return
            target = package[: len(package) - node.level + 1]
            target += tuple(node.module.split(".")) if node.module else ()
            if len(target) > 1:
                found.add(target[1])
            else:
                found.update(alias.name for alias in node.names)

    Visitor().visit(ast.parse(path.read_text()))
    return found


def test_the_map_lists_every_module():
    assert set(lines_of_the_map()) == modules()


def test_each_imports_only_from_lines_above_its_own():
    lines = lines_of_the_map()
    upwards = []
    for path in LIBRARY.rglob("*.py"):
        module = path.relative_to(LIBRARY).parts[0].removesuffix(".py")
        if module == "__init__":
            continue
        upwards += [
            f"{module} imports {other}"
            for other in imports_of(path) - {module}
            if lines[other] >= lines[module]
        ]
    assert not upwards


def test_an_import_is_seen(tmp_path):
    assert imports_of(LIBRARY / "functional.py") >= {"engine", "tensor", "operators"}
    assert "viz" not in imports_of(LIBRARY / "engine.py")
