"""One convolution: its cost beside the least it could be, how it scales, and what memory it takes.

    python -m tests.benchmarks.conv_op
    python -m tests.benchmarks.conv_op --parts scaling --rounds 9 --plot scaling.png --json FILE

- cost: over sizes, kernels, strides and channels, forward alone, and forward recorded with backward
  to images, kernel and bias; on one thread, and with as many as the libraries take by themselves.
  Beside it the roofline: the larger of FLOPs over the rate of a matrix product and of bytes over
  the bandwidth of a copy, both measured in the same run. FLOPs are those of the sums of products;
  bytes are those of images, kernel and result, each once, which no way to convolve can do without.
  The bandwidth is that of a copy that touches as many bytes, since small arrays stay in caches.
- scaling: the time per image over batches, the time over areas.
- memory: what one large image needs beyond input and output, in inference and in a training step.

Images lie in memory as the layer before would have left them, in every library its own way. The
peer is PyTorch, the better of its two memory formats.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .nets import torch_images
from .peers import better
from .report import (
    Table,
    digits,
    installed,
    milliseconds,
    parser,
    print_machine,
    write_json,
)
from .roof import measure_roof
from .turns import Result, compete, paired_ratio


class Case(NamedTuple):
    """A convolution of square images, padded by half a kernel all around."""

    batch: int
    side: int
    kernel: int
    stride: int
    channels: int
    filters: int

    def __str__(self) -> str:
        images = f"{self.batch}x{self.side}x{self.side}x{self.channels}"
        return f"{images}, {self.kernel}x{self.kernel}x{self.filters} / {self.stride}"

    @property
    def output_side(self) -> int:
        """Height and width of the result."""
        return (self.side + 2 * (self.kernel // 2) - self.kernel) // self.stride + 1

    @property
    def output_bytes(self) -> int:
        """Of the result, in float32."""
        return 4 * self.batch * self.output_side**2 * self.filters

    def flops(self, backward: bool) -> int:
        """Every product and its addition; backward, those of two more convolutions."""
        products = self.batch * self.output_side**2 * self.kernel**2 * self.channels * self.filters
        return 2 * products * (3 if backward else 1)

    def bytes(self, backward: bool) -> int:
        """Of what must be read and written; backward the same once more for the gradients.

        That is: read the result's gradient, the images and the kernel, write the gradients of both.
        """
        images = 4 * self.batch * self.side**2 * self.channels
        kernel = 4 * self.kernel**2 * self.channels * self.filters
        forward = images + kernel + self.output_bytes
        return forward + (2 * images + 2 * kernel + self.output_bytes if backward else 0)


# One thing at a time is changed of the first case; the last ones are layers of small networks.
CASES = [
    Case(32, 28, 3, 1, 16, 32),
    Case(32, 14, 3, 1, 16, 32),
    Case(32, 56, 3, 1, 16, 32),
    Case(32, 28, 1, 1, 16, 32),
    Case(32, 28, 5, 1, 16, 32),
    Case(32, 28, 7, 1, 16, 32),
    Case(32, 28, 3, 2, 16, 32),
    Case(32, 28, 3, 1, 1, 8),
    Case(32, 28, 3, 1, 64, 64),
    Case(32, 14, 3, 1, 8, 16),
    Case(32, 14, 3, 1, 128, 128),
    Case(1, 28, 3, 1, 16, 32),
]
BATCHES = [CASES[0]._replace(batch=batch) for batch in (32, 64, 128, 256, 512)]
AREAS = [CASES[0]._replace(batch=4, side=side) for side in (16, 32, 64, 128, 256)]
LARGE = Case(1, 1024, 5, 1, 3, 32)

# --- who convolves --------------------------------------------------------------------------------


def drawn(case: Case) -> tuple[Any, Any, Any]:
    """Images (N, H, W, C), kernel (kh, kw, C, F) and bias (F,), random."""
    rng = np.random.default_rng(0)
    images = rng.random((case.batch, case.side, case.side, case.channels), dtype=np.float32)
    kernel = rng.random((case.kernel, case.kernel, case.channels, case.filters), dtype=np.float32)
    return images, kernel, rng.random(case.filters, dtype=np.float32)


def minigrad_conv(case: Case, backward: bool) -> Callable[[], Any]:
    """The convolution, and where asked for its gradients, in minigrad."""
    import minigrad as mg

    images, kernel, bias = drawn(case)
    # A convolution with 1 x 1 weights that copy the channels leaves images as any layer does.
    same = np.eye(case.channels, dtype=np.float32)[None, None]
    laid_out = mg.functional.conv2d(images, same).data
    leaves = [mg.Tensor(array, requires_grad=backward) for array in (laid_out, kernel, bias)]
    x, weights, offsets = leaves
    stride, padding = case.stride, case.kernel // 2

    def forward() -> Any:
        return mg.functional.conv2d(x, weights, offsets, stride=stride, padding=padding)

    if not backward:
        return forward
    gradient = mg.Tensor(np.ones_like(forward().data))
    return lambda: mg.grad(forward(), leaves, gradient)


def torch_conv(case: Case, backward: bool, channels_last: bool) -> Callable[[], Any]:
    """The same in PyTorch."""
    import torch

    images, kernel, bias = drawn(case)
    order = torch.channels_last if channels_last else torch.contiguous_format
    weights = torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(memory_format=order)
    leaves = [torch_images(images, channels_last), weights, torch.from_numpy(bias)]
    for leaf in leaves:
        leaf.requires_grad_(backward)

    def forward() -> Any:
        return torch.nn.functional.conv2d(*leaves, stride=case.stride, padding=case.kernel // 2)

    if not backward:
        return forward
    gradient = torch.ones_like(forward())
    return lambda: torch.autograd.grad(forward(), leaves, gradient)


JOBS = {
    "minigrad": (minigrad_conv,),
    "PyTorch": (torch_conv, False),
    "PyTorch, channels last": (torch_conv, True),
}


def measure(case: Case, backward: bool, rounds: int, threads: int | None) -> dict[str, Result]:
    """Everybody installed, in turns."""
    jobs = {name: (make, case, backward, *more) for name, (make, *more) in installed(JOBS).items()}
    return compete(jobs, rounds, threads)


def minigrad_large(case: Case, training: bool) -> Callable[[], Any]:
    """A layer on one image: its output, or a training step that makes its mean smaller."""
    import minigrad as mg

    images, *_ = map(mg.Tensor, drawn(case))
    size, padding = (case.channels, case.filters, case.kernel), case.kernel // 2
    layer = mg.nn.Conv2D(*size, stride=case.stride, padding=padding)
    optimizer = mg.optim.SGD(layer.parameters(), lr=1e-3)

    def answer() -> None:
        with mg.no_grad():
            layer(images)

    def step() -> None:
        optimizer.zero_grad()
        layer(images).mean().backward()
        optimizer.step()

    return step if training else answer


def torch_large(case: Case, training: bool, channels_last: bool) -> Callable[[], Any]:
    """The same in PyTorch."""
    import torch

    images = torch_images(drawn(case)[0], channels_last)
    size, padding = (case.channels, case.filters, case.kernel), case.kernel // 2
    layer = torch.nn.Conv2d(*size, stride=case.stride, padding=padding)
    if channels_last:
        layer = layer.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3)

    def answer() -> None:
        with torch.inference_mode():
            layer(images)

    def step() -> None:
        optimizer.zero_grad()
        layer(images).mean().backward()
        optimizer.step()

    return step if training else answer


LARGE_JOBS = {
    "minigrad": (minigrad_large,),
    "PyTorch": (torch_large, False),
    "PyTorch, channels last": (torch_large, True),
}


# --- the three parts ------------------------------------------------------------------------------


def cost(rounds: int) -> list[dict[str, Any]]:
    """Time beside the roofline: a table for one thread, one for as many as the libraries take."""
    rows = []
    for threads in (1, None):
        roof = measure_roof(rounds, threads)
        print(f"{'On one thread' if threads else 'As is'}: {roof}")
        table = Table(
            *("images, kernel / stride     ", "     way", "MFLOP", "   MB", "roof ms", "is in"),
            *("minigrad ms", "roof / minigrad", "PyTorch ms", "PyTorch / minigrad"),
        )
        for case in CASES:
            for backward in (False, True):
                flops, moved = case.flops(backward), case.bytes(backward)
                least, bound = roof.seconds(flops, moved)
                results = measure(case, backward, rounds, threads)
                ours = results.pop("minigrad")
                table.row(
                    *(str(case), "and back" if backward else "forward"),
                    *(digits(flops / 1e6), digits(moved / 1e6), milliseconds(least), bound),
                    *(milliseconds(ours.median), f"{100 * least / ours.median:.0f} %"),
                    *_beside(results, ours),
                )
                given = {**case._asdict(), "backward": backward, "threads": threads}
                times = {"minigrad": ours.seconds} | {k: v.seconds for k, v in results.items()}
                rows.append({**given, "roof_seconds": least, "bound": bound, "seconds": times})
        print()
    return rows


def _beside(results: dict[str, Result], ours: Result) -> tuple[str, str]:
    """The better of PyTorch's times and its ratio to ours, if there are any."""
    if not results:
        return "", ""
    theirs = results[better(results, "PyTorch")]
    return milliseconds(theirs.median), str(paired_ratio(theirs.seconds, ours.seconds))


def scaling(rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Forward and backward: the time per image over batches, per pixel over areas."""
    return {
        "batches": _scaling(BATCHES, "us per image", lambda case: case.batch / 1e6, rounds),
        "areas": _scaling(
            AREAS, "ns per pixel", lambda case: case.batch * case.side**2 / 1e9, rounds
        ),
    }


def _scaling(
    cases: list[Case], unit: str, size: Callable[[Case], float], rounds: int
) -> list[dict[str, Any]]:
    """A table of the time in a unit, and of its ratio to the first case's, round by round."""
    results = compete({str(case): (minigrad_conv, case, True) for case in cases}, rounds)
    costs = {
        case: [seconds / size(case) for seconds in results[str(case)].seconds] for case in cases
    }
    table = Table("images, kernel / stride      ", "     ms", unit, "relative to the first")
    rows = []
    for case in cases:
        seconds, cost = results[str(case)].median, statistics.median(costs[case])
        relative = paired_ratio(costs[case], costs[cases[0]])
        table.row(str(case), milliseconds(seconds), digits(cost), str(relative))
        rows.append(
            {**case._asdict(), "seconds": seconds, unit: cost, "relative": relative._asdict()}
        )
    print()
    return rows


def memory() -> list[dict[str, Any]]:
    """The peak beyond input and output, of one large image."""
    print(f"{LARGE}: peak memory beyond input and output, MiB")
    table = Table("library               ", "inference", "training step")
    rows = []
    for name, (prepare, *more) in installed(LARGE_JOBS).items():
        # The input is there before the first call; the output is part of the peak.
        inference, training = (
            compete({name: (prepare, LARGE, training, *more)}, 1)[name].peak
            - LARGE.output_bytes / 2**20
            for training in (False, True)
        )
        table.row(name, f"{inference:.0f}", f"{training:.0f}")
        rows.append({"library": name, "inference_mib": inference, "training_mib": training})
    print()
    return rows


def plot(path: Path, found: dict[str, list[dict[str, Any]]]) -> None:
    """The scaling as a picture: time per image over batches, time over areas."""
    from minigrad.viz.figures import BLUE, GREY, finish, new_figure

    figure = new_figure(9, 3.8)
    left, right = figure.subplots(1, 2)
    batches = [row["batch"] for row in found["batches"]]
    costs = [row["us per image"] for row in found["batches"]]
    left.plot(batches, costs, "o-", color=BLUE)
    left.set_xscale("log", base=2)
    left.set_xticks(batches, [str(batch) for batch in batches])
    left.set_ylim(0, 1.2 * max(costs))
    left.set(xlabel="images in a batch", ylabel="µs per image", title="Time per image")

    areas = [row["side"] ** 2 for row in found["areas"]]
    times = [1e3 * row["seconds"] / row["batch"] for row in found["areas"]]
    right.loglog(areas, times, "o-", color=BLUE, label="measured", zorder=2)
    line = [times[-1] * area / areas[-1] for area in areas]
    right.loglog(areas, line, "--", color=GREY, label="proportional to the area", zorder=1)
    right.set_xticks(areas, [f"{row['side']}²" for row in found["areas"]])
    right.minorticks_off()
    right.set(xlabel="pixels of an image", ylabel="ms per image", title="Time over area")
    right.legend(frameon=False)
    case = CASES[0]
    figure.suptitle(
        f"{case.kernel}x{case.kernel} convolution, {case.channels} to {case.filters} channels, "
        "forward and backward"
    )
    finish(figure, path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print the parts asked for."""
    options = parser("conv_op", __doc__, rounds=5)
    parts = ("cost", "scaling", "memory")
    options.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    options.add_argument(
        "--plot", type=Path, metavar="FILE", help="also draw the scaling, which must be a part"
    )
    given = options.parse_args(arguments)
    if given.plot and "scaling" not in given.parts:
        options.error("argument --plot: there is nothing to draw without --parts scaling")

    print_machine()
    results: dict[str, Any] = {}
    if "cost" in given.parts:
        results["cost"] = cost(given.rounds)
    if "scaling" in given.parts:
        results["scaling"] = scaling(given.rounds)
        if given.plot:
            plot(given.plot, results["scaling"])
    if "memory" in given.parts:
        results["memory"] = memory()
    write_json(given.json, results)


if __name__ == "__main__":
    main()
