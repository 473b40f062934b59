"""Lists where each statement of the article is shown: `python docs/article_ids.py [--write]`.

minigrad follows an article, "卷积 Convolution 原理及可视化". What it says is numbered here:
functions (F), modes (M), formulas (E), claims (C), figures (G), mistakes in its code and text (B),
mistakes in the same author's later code (L), identities that it implies (I). A test, a picture or a
page that shows one says so on a line of its own, "article:" and the numbers with ", " between them:
in a comment above the test, at the end of the picture's docstring, in an HTML comment on the page.

The command prints every number with its places, and fails if one has none or a tag names no number.
With --write it puts the same, without lines, into docs/article_index.md.
"""

import argparse
import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
INDEX = ROOT / "docs" / "article_index.md"
FOLDERS = ("docs", "examples", "minigrad", "tests")

GROUPS = {
    "F": "Functions",
    "M": "Modes",
    "E": "Formulas",
    "C": "Claims",
    "G": "Figures",
    "B": "Mistakes in the article, not repeated here",
    "L": "Mistakes in the author's later code, not repeated here",
    "I": "Identities that the article implies",
}

STATEMENTS = {
    "F1": "`get_padding`: cells added on each side of an image, by mode and kernel size",
    "F2": "the output size is floor((size + padding - kernel) / stride) + 1",
    "F3": "`conv`: a window slides over an image of several channels, and sums into one map",
    "F4": "`conv_matmul`: the windows as columns, then one matrix product; the same result",
    "F5": "`conv1`: the kernel as a sparse matrix, times the flattened image",
    "F6": "`conv2`: `conv_matmul` with its arguments the other way round",
    "F7": "`from_image`, `to_image`: from a picture file to an array and back",
    "F8": "`plot_conv`: input, padding, window and output as planes in space",
    "F9": "the ways to convolve, timed after they were shown to be equal",
    "F10": "a fully connected network with one hidden layer, 400-100-4, 40,504 parameters",
    "F11": "training by stochastic gradient descent, judged on data it has not seen",
    "F12": "the gradient of convolution and back-propagation: headings the article left empty",
    "M1": "FULL begins where one cell overlaps: n + k - 1 outputs, the most",
    "M2": "VALID stays inside the input: n - k + 1 outputs, the fewest",
    "M3": "SAME has the kernel's centre on the first cell: n outputs at stride 1",
    "M4": "SAME with an even kernel pads the odd cell at the end; NumPy at the start, SciPy either",
    "E1": "a noisy signal smoothed by weights: a constant is kept if they sum to 1, noise shrinks",
    "E2": "convolution as an integral: the integrand is g(t - t') f(t'), not f(t)",
    "E3": "convolution in two dimensions: flip the kernel, then correlate",
    "E4": "cross-correlation, with its indices put right",
    "E5": "flipped or not makes no difference to what can be learned",
    "E6": "the worked example: [1190, 1919, 909, 1344]",
    "E7": "the worked example as a matrix with 36 cells, 16 not zero, 4 of them distinct",
    "C1": "convolution and dense layer are both linear: a matrix times a vector",
    "C2": "the matrix of a convolution is sparse",
    "C3": "its non-zero cells are shared",
    "C4": "it has far fewer parameters: 80 where the dense layer has 4,923,520",
    "C5": "the structure is a prior: it costs ability to fit and is worth it on images",
    "C6": "expanding the kernel and expanding the input give the same result",
    "C7": "im2col is faster than loops; 79 % less time is 4.8 times the speed",
    "C8": "what it costs: im2col holds k * k times the input, the matrix is nearly all zeros",
    "G1": "one-dimensional convolution, animated",
    "G2": "two-dimensional convolution, animated",
    "G3": "input and kernel side by side",
    "G4": "the kernel's matrix times the flattened input",
    "G5": "the weights of a dense layer times its input",
    "G6": "FULL in space",
    "G7": "VALID in space",
    "G8": "SAME with a 3×3 kernel in space",
    "G9": "SAME with a 2×2 kernel in space",
    "G10": "a picture before it is filtered",
    "G11": "the picture filtered with loops",
    "G12": "the picture filtered with a matrix product",
    "G13": "the flattened kernel times the unfolded input",
    "B1": "`conv` computes SAME whatever the mode",
    "B2": "height and width are mixed up, so that kernels that are not square come out wrong",
    "B2a": "... an error in `conv`",
    "B2b": "... wrong numbers without an error in `conv_matmul`, VALID",
    "B2c": "... in `conv_matmul`, SAME, an error, or wrong numbers in the right shape",
    "B3": "an unknown mode is printed and passed over; lower case is unknown",
    "B4": "`get_padding` does not look at the input it is given",
    "B5": "SAME at strides above 1: TensorFlow's size, but other windows",
    "B6": "a kernel with too few channels: `conv` stretches it silently, `conv_matmul` refuses",
    "B7": "grey pictures and pictures with transparency fail obscurely",
    "B8": "a kernel larger than the image is not refused",
    "B9": "`to_image` wraps numbers round at 256: most of the published picture is that",
    "B10": "the embossing filter is not one, it draws outlines",
    "B11": "the fast way was never compared with the slow one",
    "B12": "the loss is a mean, its gradients are sums: wrong by the size of the batch",
    "B13": "softmax overflows",
    "B14": "examples are drawn with replacement before the split, so that training sees test data",
    "B15": "`plot_conv` is wrong for strides and for kernels that are not square",
    "B16": "`conv1` makes the matrix of the padded input, which is not the layer's",
    "B17": "headings, formulas and the speed-up are misprinted",
    "B18": "the picture is one that should not be shipped",
    "L1": "fan-in and fan-out of a kernel read its axes in another library's order",
    "L2": "the derivative of ELU is 0 on the negative side, by a missing bracket",
    "L3": "the derivative of GELU fails unless the function was called before",
    "L4": "max-pooling with SAME pads with 0, which wins over negative numbers",
    "L5": "a weighted cross-entropy whose gradient weighs something else than its loss",
    "L6": "the padding of a layer is that of the first image it saw",
    "L7": "tests of backward passes that look at shapes only",
    "L8": "softmax summed over the whole batch; its gradient is right for the wrong function",
    "L9": "backward visits a node once per path, so that time doubles with every step",
    "L10": "the gradient of indexing loses what repeated indices should add up",
    "L11": "the gradient of a maximum along an axis: shapes and ties",
    "L12": "the Sigmoid layer cannot be applied to a tensor",
    "L13": "matrix products of two axes only",
    "I1": "the matrix of a convolution, built from a map of cells to kernel parameters",
    "I2": "the gradient of the input is the transposed matrix, which is col2im",
    "I3": "the gradient of the kernel is the dense layer's, added up over tied cells",
    "I4": "the transpose of a VALID correlation is a FULL convolution: why FULL exists",
    "I5": "the kernel's gradient under VALID is a VALID correlation of input and gradient",
    "I6": "under FULL every cell is used equally often, under VALID the corners once",
    "I7": "cells at the end that no window reaches have gradient zero",
}

_TAG = re.compile(r'^\s*(?:# |<!-- )?article: (?P<ids>.+?)\.?(?: -->|""")?\s*$')


class Place(NamedTuple):
    """Where a tag stands: the file, in it the function or heading ("" for none), the line."""

    path: str
    name: str
    line: int


def read_tags(root: Path = ROOT) -> dict[str, list[Place]]:
    """Every number that a tag names, known or not, with its places in the order of files."""
    found: dict[str, list[Place]] = {}
    for path in sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.*")):
        if path.suffix not in (".py", ".md") or path == INDEX:
            continue
        text = path.read_text("utf-8")
        lines = text.splitlines()
        tags = [
            (number, match["ids"])
            for number, line in enumerate(lines, 1)
            if (match := _TAG.match(line))
        ]
        if not tags:
            continue
        names = dict(_headings(lines) if path.suffix == ".md" else _definitions(text))
        for number, ids in tags:
            place = Place(path.relative_to(root).as_posix(), names.get(number, ""), number)
            for identifier in ids.split(", "):
                found.setdefault(identifier, []).append(place)
    return found


def _definitions(text: str) -> Iterator[tuple[int, str]]:
    """Line number -> the function or class it is in, or that begins below it."""
    tree = ast.parse(text)
    begin = 1
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            for line in range(begin, node.end_lineno + 1):
                yield line, node.name
        begin = node.end_lineno + 1


def _headings(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Line number -> the heading above it."""
    heading, fenced = "", False
    for number, line in enumerate(lines, 1):
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("#"):
            heading = line.lstrip("#").strip()
        yield number, heading


def index_page(found: dict[str, list[Place]]) -> str:
    """The list as a page, without line numbers, which would change with every edit."""
    parts = [
        "# The article, point by point",
        "What the article says, does and gets wrong, in our words, and where each point is shown\n"
        "or put right. `python docs/article_ids.py --write` makes this page.",
    ]
    for letter, title in GROUPS.items():
        parts.append(f"## {title}")
        for identifier, statement in STATEMENTS.items():
            if identifier.startswith(letter):
                parts += [
                    f"**{identifier}** {statement}",
                    "\n".join(_links(found.get(identifier, []))),
                ]
    return "\n\n".join(parts) + "\n"


def _links(places: list[Place]) -> Iterator[str]:
    """A link per heading of a page, and per file of code, with the names of its functions."""
    names: dict[str, list[str]] = {}
    for place in places:
        if place.name not in names.setdefault(place.path, []):
            names[place.path].append(place.name)
    for path, titles in names.items():
        target = path.removeprefix("docs/") if path.startswith("docs/") else f"../{path}"
        if path.endswith(".md"):
            for title in titles:
                # The name that GitHub and the site give to the heading.
                anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
                yield f"- [{title}]({target}#{anchor})"
        else:
            functions = ", ".join(f"`{title}`" for title in titles if title)
            link = f"[{path.rpartition('/')[2]}]({target})"
            yield f"- {link}: {functions}" if functions else f"- {link}"


def main(arguments: list[str] | None = None) -> int:
    """Print the list; 1 if anything is missing or unknown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="write docs/article_index.md as well")
    write = parser.parse_args(arguments).write
    found = read_tags()
    for identifier, statement in STATEMENTS.items():
        print(f"{identifier:<4} {statement}")
        for place in found.get(identifier, []):
            print(f"       {place.path}:{place.line}  {place.name}")
    if write:
        INDEX.write_text(index_page(found), "utf-8")
    missing = [identifier for identifier in STATEMENTS if identifier not in found]
    unknown = [identifier for identifier in found if identifier not in STATEMENTS]
    print(f"\n{len(STATEMENTS) - len(missing)} of {len(STATEMENTS)} have a place")
    if missing:
        print(f"without a place: {', '.join(missing)}")
    for identifier in unknown:
        for place in found[identifier]:
            print(f"{place.path}:{place.line} names {identifier!r}, which is not in the list")
    return 1 if missing or unknown else 0


if __name__ == "__main__":
    sys.exit(main())
