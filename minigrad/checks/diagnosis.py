"""From a wrong gradient to the mistake behind it.

- `diagnose(evidence)`: the first hypothesis that fits
- `diagnose_exception(error)`: what it means that the backward pass failed
- `HYPOTHESES`: all hypotheses, in order of precedence
- `NAMES`: every name a diagnosis or a reason can have, with what it means

What explains every cell stands before what explains some, and the simple before the intricate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np

from . import dependencies, parts_of_gradient, whole_gradient
from .evidence import Evidence
from .patterns import listed
from .report import Diagnosis

HYPOTHESES: tuple[tuple[str, Callable[[Evidence], str | None]], ...] = (
    ("not finite", whole_gradient.not_finite),
    ("incoming gradient", whole_gradient.incoming_gradient),
    ("sign", whole_gradient.sign),
    ("factor", whole_gradient.factor),
    ("mask", whole_gradient.mask),
    ("zero", whole_gradient.zero),
    ("flipped", whole_gradient.flipped),
    ("transposed", whole_gradient.transposed),
    ("shifted", whole_gradient.shifted),
    ("wrong axis", whole_gradient.summed_too_far),
    ("wrong axis", parts_of_gradient.part_of_the_sum),
    ("wrong axis", parts_of_gradient.exchanged_axes_of_the_output),
    ("repeats", parts_of_gradient.repeats),
    ("wrong axis", parts_of_gradient.one_copy),
    ("overlap", parts_of_gradient.overlap),
    ("branch", parts_of_gradient.branch),
    ("missing term", parts_of_gradient.one_cell_per_line),
    ("borders", parts_of_gradient.borders),
    ("borders", dependencies.borders_of_the_output),
    ("flipped", dependencies.flipped_windows),
    ("transposed", dependencies.transposed_windows),
    ("missing term", dependencies.missing_dependencies),
    ("misplaced", dependencies.moved_along),
    ("misplaced", dependencies.other_items),
    ("wrong axis", dependencies.mixed_items),
    ("misplaced", whole_gradient.misplaced),
    ("misplaced", dependencies.misplaced_dependencies),
    ("mask", whole_gradient.other_mask),
    ("factor along an axis", whole_gradient.factor_along_an_axis),
    ("missing term", whole_gradient.missing_sum),
    ("slope", dependencies.slope),
)

# Of wrong gradients; the last four of what cannot be judged.
NAMES = {
    "backward fails": "the function runs, and its backward pass raises an error",
    "wrong shape": "a rule returns a gradient of another shape than its argument's",
    "wrong dtype": "a rule returns a gradient of another dtype than its argument's",
    "missing": "nothing is returned, or the graph is cut on the way to the input",
    "written in place": "a function or a rule overwrites what it was given",
    "not repeatable": "a function or its backward pass gives something else the second time",
    "not finite": "a gradient that is nan or infinite; or a function that is, near the input",
    "incoming gradient": "a rule does not multiply by the gradient that comes in, or not just once",
    "sign": "the sign is flipped",
    "factor": "off by a constant factor: the batch size, 2, another size",
    "factor along an axis": "off by a factor that differs along an axis: a weight, a scale",
    "mask": "the gradient passes where the function is flat: relu, dropout, max",
    "zero": "the gradient is 0",
    "flipped": "read backwards along an axis; a kernel flipped in one direction only",
    "transposed": "axes exchanged, or reshaped where it should be transposed",
    "shifted": "beside its place: padding cropped at the wrong end",
    "wrong axis": "a sum or mean over the wrong axis, over one too many, or not taken",
    "repeats": "wrong where an input is used repeatedly: = for +=",
    "overlap": "wrong where windows overlap: = for +=",
    "borders": "wrong near the borders: padding",
    "branch": "wrong above or below some value of the input",
    "misplaced": "the right numbers in the wrong cells: indices, strides, offsets",
    "missing term": "one of several terms is forgotten: the sum in softmax, the variance's path",
    "ties": "cells that tie for a maximum get too much together",
    "slope": "the right cells, multiplied by the wrong derivative",
    "unknown": "wrong in no pattern that is known",
    "float32": "too few digits: inputs, parameters or outputs are not float64",
    "kink": "the slopes to the left and to the right differ",
    "rounding": "too few digits somewhere inside the function",
    "independent": "the function does not depend on the input",
}


def diagnose(evidence: Evidence) -> Diagnosis:
    """The first hypothesis that fits, or "unknown"."""
    for name, hypothesis in HYPOTHESES:
        text = hypothesis(evidence)
        if text is not None:
            return Diagnosis(name, text)
    return Diagnosis(
        "unknown",
        f"{evidence.wrong.sum()} of {evidence.wrong.size} cells are wrong, in no pattern that is "
        "known here. Check parts of the function by themselves, or a smaller input, of which more "
        "is seen",
    )


# --- the backward pass fails ----------------------------------------------------------------------

# What the engine says of a rule that returns something that cannot be the gradient.
_WRONG_FORM = re.compile(
    r"a gradient of shape (\(.*?\)) and dtype \w+; the argument has shape (\(.*?\)) and dtype"
)
_NO_TENSOR = re.compile(r"the rule of .* returned (\w+); rules")


def diagnose_exception(error: BaseException | None) -> Diagnosis:
    """What it means that the backward pass raised an error."""
    message = str(error)
    form = _WRONG_FORM.search(message)
    if form is not None:
        got, wanted = form.groups()
        if got != wanted:
            how = _how_shapes_differ(_parse_shape(got), _parse_shape(wanted))
            return Diagnosis("wrong shape", f"{message}: {how}")
        return Diagnosis(
            "wrong dtype",
            f"{message}: something inside the rule does not follow the dtype of what it is given",
        )
    no_tensor = _NO_TENSOR.search(message)
    if no_tensor is not None and no_tensor.group(1) == "NoneType":
        return Diagnosis("missing", f"{message}: is `return` missing?")
    return Diagnosis(
        "backward fails",
        f"the function runs, and its backward pass raises {type(error).__name__}: {message}",
    )


def _parse_shape(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _how_shapes_differ(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    if sorted(got) == sorted(wanted):
        return "the same sizes in another order, so it is transposed"
    try:
        together = np.broadcast_shapes(got, wanted)
    except ValueError:
        together = None
    if together == got:
        lead = len(got) - len(wanted)
        axes = [axis for axis, size in enumerate(got) if axis < lead or size != wanted[axis - lead]]
        return (
            f"it was not summed over axis {listed(axes)}, along which the argument was broadcast: "
            "every copy contributes"
        )
    if together == wanted:
        return "it was summed over too many axes, or not spread again over those that were reduced"
    if math.prod(got) == math.prod(wanted):
        return "the numbers of cells are equal, so a reshape is missing"
    return "a sum over the wrong axis, a slice of the wrong length, or a missing one of these"
