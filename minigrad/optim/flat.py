"""Parameters laid end to end, so that one ufunc call works on all of them.

- `FlatGroup`: the parameters of one dtype, and flat arrays for what a step needs of them.
- `Run`: the part of a group that one step can treat as one: what an update rule works on.
- `by_dtype`, `parts_of`: what can lie in one array, and what lies in it.

A network's parameters are many and small: with NumPy, a dozen calls for each of them cost more
than the arithmetic. Copying the gradients into one flat array and the updates back is cheap
against that. The parameters' own arrays stay where they are, so that views of them stay valid and
`data` may be replaced between steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NoReturn, TypeVar

import numpy as np

from ..engine import Array
from ..tensor import Tensor

Key = TypeVar("Key")


def by_dtype(dtypes: Mapping[Key, np.dtype[Any]]) -> list[list[Key]]:
    """Keys with the same dtype together, in the order of the first of each."""
    groups: dict[np.dtype[Any], list[Key]] = {}
    for key, dtype in dtypes.items():
        groups.setdefault(dtype, []).append(key)
    return list(groups.values())


def parts_of(flat: Array, shapes: Iterable[tuple[int, ...]]) -> list[Array]:
    """The arrays of these shapes that lie end to end in a flat one, as views."""
    parts, start = [], 0
    for shape in shapes:
        stop = start + math.prod(shape)
        parts.append(flat[start:stop].reshape(shape))
        start = stop
    return parts


@dataclass(slots=True)
class Run:
    """Neighbours in a group that all have a gradient and have made equally many steps before.

    `gradient`, `values`, `update` and each of `averages` are flat views of one size. `gradient` and
    `values` (the parameters; only filled in where they were asked for) are copies, so a rule may
    work in them. The rule changes `averages` in place and leaves in `update` what is to be
    subtracted from the parameters.
    """

    members: range
    steps: int
    gradient: Array
    values: Array
    update: Array
    averages: dict[str, Array]


class FlatGroup:
    """The parameters of one dtype, end to end, with one flat array per name in `averages`.

    `labels` say in errors which parameter is meant.
    """

    def __init__(
        self, parameters: Sequence[Tensor], labels: Sequence[str], averages: Iterable[str]
    ) -> None:
        self.parameters = parameters
        self.labels = labels
        self.dtype: np.dtype[Any] = parameters[0].dtype
        self.steps = [0] * len(parameters)  # how many each parameter has made
        sizes = [parameter.data.size for parameter in parameters]
        self._ends = list(accumulate(sizes, initial=0))  # parameter i: ends[i] to ends[i + 1]
        self._shapes = [parameter.shape for parameter in parameters]
        total = self._ends[-1]
        self._gradient, self._values, self._update = (np.empty(total, self.dtype) for _ in range(3))
        self._averages = {name: np.zeros(total, self.dtype) for name in averages}
        self._runs: dict[range, Run] = {}  # made so far: nearly always the same ones come again
        self._gradient_of = parts_of(self._gradient, self._shapes)
        self._values_of = parts_of(self._values, self._shapes)
        self._update_of = parts_of(self._update, self._shapes)
        self.averages_of = {
            name: parts_of(flat, self._shapes) for name, flat in self._averages.items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of. Views would come out of it as arrays of their own."""
        return {
            "parameters": self.parameters,
            "labels": self.labels,
            "averages": self._averages,
            "steps": self.steps,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        FlatGroup.__init__(self, state["parameters"], state["labels"], state["averages"])
        self.steps = state["steps"]
        for name, flat in state["averages"].items():
            self._averages[name][...] = flat

    def gather(self, caller: str, with_values: bool) -> list[Run]:
        """Copy in the gradients that there are, and the parameters' values if asked.

        Raises ValueError or TypeError for a gradient or a parameter that does not fit, before
        anything but scratch has been written.
        """
        runs: list[range] = []
        for member, parameter in enumerate(self.parameters):
            gradient = parameter.grad
            if gradient is None:
                continue
            if not self._fits(member, parameter.data, gradient):
                self._refuse(member, parameter.data, gradient, caller)
            self._gradient_of[member][...] = gradient.data
            if with_values:
                self._values_of[member][...] = parameter.data
            if runs and self._continues(runs[-1], member):
                runs[-1] = range(runs[-1].start, member + 1)
            else:
                runs.append(range(member, member + 1))
        return [self._run(members) for members in runs]

    def _continues(self, run: range, member: int) -> bool:
        return run.stop == member and self.steps[run.start] == self.steps[member]

    def _fits(self, member: int, data: Array, gradient: Tensor) -> bool:
        return (
            isinstance(gradient, Tensor)
            and gradient.data.shape == data.shape == self._shapes[member]
            and gradient.data.dtype == data.dtype == self.dtype
            and data.flags.writeable
        )

    def _run(self, members: range) -> Run:
        if members not in self._runs:
            place = slice(self._ends[members.start], self._ends[members.stop])
            self._runs[members] = Run(
                members,
                0,
                self._gradient[place],
                self._values[place],
                self._update[place],
                {name: flat[place] for name, flat in self._averages.items()},
            )
        run = self._runs[members]
        run.steps = self.steps[members.start]
        return run

    def apply(self, run: Run) -> None:
        """Subtract what the rule left in `run.update`, and count the step."""
        for member in run.members:
            data = self.parameters[member].data
            np.subtract(data, self._update_of[member], out=data)
            self.steps[member] += 1

    def _refuse(self, member: int, data: Array, gradient: Tensor, caller: str) -> NoReturn:
        label, shape = self.labels[member], self._shapes[member]
        if data.shape != shape or data.dtype != self.dtype:
            raise ValueError(
                f"{caller}: {label} was {shape} {self.dtype} when the optimiser was made, and is "
                f"now {data.shape} {data.dtype}; make a new optimiser for it"
            )
        if not data.flags.writeable:
            raise ValueError(
                f"{caller}: the data of {label}, shape {shape}, is a read-only array; make the "
                "Tensor from a copy of it"
            )
        if not isinstance(gradient, Tensor):
            raise TypeError(
                f"{caller}: the grad of {label} must be a Tensor or None, got a "
                f"{type(gradient).__name__}"
            )
        raise ValueError(
            f"{caller}: the grad of {label} must be {shape} {self.dtype} like the parameter, got "
            f"{gradient.shape} {gradient.dtype}"
        )
