"""The article's convolution, a 3x3 kernel over an image of 220 x 220 x 3, computed by everybody.

    python -m tests.benchmarks.article
    python -m tests.benchmarks.article --rounds 15 --json FILE

The image is the one the library draws, in whole numbers from 0 to 255, the arithmetic float64. All
maps are found equal before anything is timed. `python -m examples.ways_to_convolve` compares more
ways, on your own image and in less time; here each has a process of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from examples.ways_to_convolve import (
    all_equal,
    like_the_articles,
    picture,
    the_ways,
    with_minigrad,
    with_scipy,
    with_torch,
)
from minigrad.article.preparation import Prepared, prepare

from .report import Table, installed, milliseconds, parser, print_machine, write_json
from .turns import Job, compete, paired_ratio

MODE = "SAME"


def the_articles(size: tuple[int, int]) -> Prepared:
    """Its kernel and an image of (height, width)."""
    image = picture(None, size)
    return prepare("article", image, like_the_articles(3, 3, image.shape[2]), 1, MODE)


def way_of_the_article(name: str, size: tuple[int, int]) -> Callable[[], Any]:
    """One of its two."""
    return the_ways(the_articles(size), MODE)[name]


def other(make: Callable[[Prepared], Any], size: tuple[int, int]) -> Callable[[], Any]:
    """What one of the example's functions makes of it."""
    return make(the_articles(size))


def jobs(size: tuple[int, int]) -> dict[str, Job]:
    """The article's ways, the library, and of SciPy and PyTorch those that are installed."""
    return installed(
        {
            "loops": (way_of_the_article, "loops", size),
            "im2col": (way_of_the_article, "im2col", size),
            "minigrad": (other, with_minigrad, size),
            "scipy.signal": (other, with_scipy, size),
            "PyTorch": (other, with_torch, size),
        }
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 if a map is wrong."""
    options = parser("article", __doc__, rounds=7)
    options.add_argument(
        "--size", nargs=2, type=int, default=(220, 220), metavar=("H", "W"), help="of the image"
    )
    given = options.parse_args(arguments)

    print_machine()
    size = tuple(given.size)
    everybody = jobs(size)
    ready = {name: prepared(*arguments) for name, (prepared, *arguments) in everybody.items()}
    if not all_equal(ready, the_articles(size)):
        return 1
    results = compete(everybody, given.rounds)
    table = Table("way         ", "    ms", "times as fast as loops", "minigrad is faster by")
    numbers = {}
    for name, result in results.items():
        loops = paired_ratio(results["loops"].seconds, result.seconds)
        ours = paired_ratio(result.seconds, results["minigrad"].seconds)
        table.row(name, milliseconds(result.median), str(loops), str(ours))
        numbers[name] = {
            "seconds": result.seconds,
            "loops_over_this": loops._asdict(),
            "this_over_minigrad": ours._asdict(),
        }
    write_json(given.json, numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
