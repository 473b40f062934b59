"""A noisy signal, smoothed by a weighted mean of its neighbours: the smallest convolution of use.

    python -m examples.smooth_signal
    python -m examples.smooth_signal --reach 12 --noise 0.5

    h(t) = sum over t' of g(t - t') f(t')

The weights g are heavier near t and sum to 1. Prints what follows from that: a constant signal
stays what it is, and the variance of white noise is multiplied by the sum of their squares. Writes
into --out: signal.png, and flip_and_slide.gif, in which a few values are smoothed one by one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import functional as F
from minigrad import viz
from minigrad.viz.signals import SIGNAL_LIMIT, WEIGHTS_LIMIT

from .options import at_least

Array = np.ndarray[Any, Any]

NOISE_SAMPLES = 200_000  # the variance of so many is right to half a percent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parse(arguments)
    rng = np.random.default_rng(options.seed)
    weights = triangle(options.reach)
    clean = wave(options.length)
    noisy = clean + options.noise * rng.standard_normal(options.length)
    out = Path(options.out)
    try:
        viz.signal_figure(noisy, weights, out / "signal.png", clean=clean)
        viz.flip_and_slide_film(noisy[:12].round(1), triangle(1), out / "flip_and_slide.gif")
    except (ValueError, OSError) as error:
        print(f"smooth_signal: {error}", file=sys.stderr)
        return 1
    print(f"weights: {' '.join(f'{weight:.3f}' for weight in weights)}\n")
    print_constants(weights)
    print_noise(weights, rng)
    print(f"\npictures in {out}/: signal.png, flip_and_slide.gif")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.smooth_signal", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument(
        "--length", type=at_least(1), default=240, help="of the signal; default 240"
    )
    parser.add_argument(
        "--reach", type=at_least(0), default=6, help="neighbours on each side that count; default 6"
    )
    parser.add_argument("--noise", type=float, default=0.3, help="its deviation; default 0.3")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the noise; default 0")
    parser.add_argument("--out", default="runs/smooth_signal", help="folder for the pictures")
    options = parser.parse_args(arguments)
    if not 0 <= options.noise < np.inf:
        parser.error(f"argument --noise: {options.noise} must be at least 0, and finite")
    # No longer than what can be drawn: refused here, before so many numbers are made.
    for name, most in (("length", SIGNAL_LIMIT), ("reach", (WEIGHTS_LIMIT - 1) // 2)):
        if getattr(options, name) > most:
            parser.error(
                f"argument --{name}: {getattr(options, name)} must be at most {most}, to be drawn"
            )
    return options


def triangle(reach: int) -> Array:
    """Weights that fall evenly from the middle to both sides and sum to 1, (2 * reach + 1,).

    >>> triangle(1)
    array([0.25, 0.5 , 0.25])
    """
    distance = np.abs(np.arange(-reach, reach + 1))
    weights = reach + 1.0 - distance
    return weights / weights.sum()


def wave(length: int) -> Array:
    """A smooth signal with a step in it, (length,)."""
    time = np.arange(length)
    return np.sin(time / 18) + 0.8 * (time > 0.6 * length)


def smooth(signal: Array, weights: Array, padding: str = "VALID") -> Array:
    """True convolution, (n,) with (k,) -> (outputs,): conv1d with the weights turned around."""
    x = signal.reshape(1, -1, 1)  # (N, L, C)
    kernel = weights[::-1].reshape(-1, 1, 1)  # (k, C, F)
    return F.conv1d(x, kernel, padding=padding).data[0, :, 0]


def print_constants(weights: Array) -> None:
    """What becomes of a constant signal: itself, times the sum of the weights."""
    constant = np.full(len(weights) + 10, 3.0)
    for factor in (1.0, 1.1):
        scaled = factor * weights
        result = smooth(constant, scaled)  # VALID: where no weight reaches over the ends
        print(f"weights that sum to {scaled.sum():.1f} turn a constant 3 into {result.mean():.4f}")
    first = smooth(constant, weights, "SAME")[0]
    print(f"(at the ends, where there are zeros beyond the signal, into {first:.4f})")


def print_noise(weights: Array, rng: np.random.Generator) -> None:
    """The variance of white noise before and after, and what the weights predict."""
    noise = rng.standard_normal(NOISE_SAMPLES)
    smoothed = smooth(noise, weights)
    print(
        f"white noise of variance {noise.var():.4f} has {smoothed.var():.4f} afterwards: "
        f"{smoothed.var() / noise.var():.4f} of it\n"
        f"predicted, the sum of the squares of the weights: {np.sum(weights**2):.4f}"
    )


if __name__ == "__main__":
    sys.exit(main())
