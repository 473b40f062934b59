"""What the machine can do at most, measured: the rate of a matrix product, the bandwidth of copies.

The roofline of a computation is the least time it could take: the larger of its FLOPs over that
rate and of the bytes it must move over that bandwidth (Williams et al., 2009).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from .turns import compete

MIB = 2**20
PRODUCT_SIDE = 1024
COPIED = (0.25, 1, 4, 16, 64, 256)  # MiB, read and written together


class Roof(NamedTuple):
    """FLOPs per second; and bytes per second, by the number of bytes that a copy touches."""

    flops: float
    bandwidths: dict[float, float]

    def seconds(self, flops: float, moved: float) -> tuple[float, str]:
        """The least time for so many FLOPs and bytes, and which of them takes it."""
        # The bandwidth at as many bytes, since small arrays stay in caches.
        bandwidth = np.interp(moved, list(self.bandwidths), list(self.bandwidths.values()))
        return max((flops / self.flops, "FLOPs"), (float(moved / bandwidth), "bytes"))

    def __str__(self) -> str:
        copies = (f"{size / MIB:g} MiB {r / 1e9:.0f}" for size, r in self.bandwidths.items())
        return f"product {self.flops / 1e9:.0f} GFLOP/s; copy in GB/s, of {', '.join(copies)}"


def measure_roof(rounds: int, threads: int | None) -> Roof:
    """On so many threads, or on one per core: copies where that is faster than on one."""
    counts = sorted({1, threads or os.cpu_count() or 1})
    jobs = {f"{mib} MiB by {count}": (copy, mib, count) for mib in COPIED for count in counts}
    results = compete({"product": (product, PRODUCT_SIDE), **jobs}, rounds, threads)
    bandwidths = {
        mib * MIB: mib * MIB / min(results[f"{mib} MiB by {count}"].median for count in counts)
        for mib in COPIED
    }
    return Roof(2 * PRODUCT_SIDE**3 / results["product"].median, bandwidths)


def product(side: int) -> Callable[[], Any]:
    """A product of two square matrices, float32."""
    a, b = np.random.default_rng(0).random((2, side, side), dtype=np.float32)
    out = np.empty_like(a)
    return lambda: np.matmul(a, b, out=out)


def copy(mib: float, threads: int) -> Callable[[], Any]:
    """A copy that touches so much memory, cut into as many parts as there are threads."""
    source = np.ones((threads, int(mib * MIB / 8 / threads)), np.float32)
    target = np.empty_like(source)
    if threads == 1:
        return lambda: np.copyto(target, source)
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(np.copyto, target, source))
