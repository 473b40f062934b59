"""What a gradient check answers: `GradcheckReport`, and the `GradcheckError` that carries one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["right", "wrong", "inconclusive"]


@dataclass(frozen=True)
class Diagnosis:
    """What is most likely the matter.

    Attributes:
        name: a few words that tests and programs can rely on, such as "sign" or "kink". All of them
            are in `minigrad.checks.NAMES`.
        text: a sentence or two for people.
    """

    name: str
    text: str


@dataclass(frozen=True)
class InputReport:
    """How one input fared.

    Attributes:
        name: the parameter's name in the function's signature, or in the module.
        shape: of the input.
        verdict: "right", "wrong" or "inconclusive".
        checked: in words, what was compared.
        checked_cells, wrong_cells: how many cells were compared one by one, how many of them are
            off, for whatever reason.
        index: the cell with the largest error; None where no cell was compared.
        analytic, numeric: the two derivatives there.
        relative_error: their distance, as a fraction of the larger of the two (of atol, where both
            are smaller).
        diagnosis: what is the matter; None for an input that is right.
    """

    name: str
    shape: tuple[int, ...]
    verdict: Verdict
    checked: str
    checked_cells: int = 0
    wrong_cells: int = 0
    index: tuple[int, ...] | None = None
    analytic: float = 0.0
    numeric: float = 0.0
    relative_error: float = 0.0
    diagnosis: Diagnosis | None = None

    def __str__(self) -> str:
        lines = [f"{self.name}, shape {self.shape}: {self.verdict} ({self.checked})"]
        if self.index is not None:
            count = f"{self.wrong_cells} of {self.checked_cells} cells are off; " * bool(
                self.wrong_cells
            )
            lines.append(
                f"{count}worst at {self.index}: analytic {self.analytic:.9g}, numeric "
                f"{self.numeric:.9g}, relative error {self.relative_error:.1e}"
            )
        if self.diagnosis is not None:
            lines.append(f"{self.diagnosis.name}: {self.diagnosis.text}")
        return "\n    ".join(lines)


@dataclass(frozen=True)
class GradcheckReport:
    """The answer of `gradcheck`: true where the gradients are right, with all numbers in `str`.

    Attributes:
        title: what was checked.
        inputs: one report per input that was compared, parameters of a module included.
        reason: why nothing could be compared, where the function itself is the reason.
        notes: what else is worth knowing.
    """

    title: str
    inputs: tuple[InputReport, ...] = ()
    reason: Diagnosis | None = None
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Wrong where one input is wrong, right where all are right, else inconclusive."""
        verdicts = {report.verdict for report in self.inputs}
        if "wrong" in verdicts:
            return "wrong"
        return "inconclusive" if self.reason or "inconclusive" in verdicts else "right"

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is the matter with the first input that is wrong, or why there is no verdict."""
        for verdict in ("wrong", "inconclusive"):
            for report in self.inputs:
                if report.verdict == verdict:
                    return report.diagnosis
        return self.reason

    def __bool__(self) -> bool:
        return self.verdict == "right"

    def __getitem__(self, name: str) -> InputReport:
        """The report of one input, by its name."""
        for report in self.inputs:
            if report.name == name:
                return report
        raise KeyError(f"{name!r} is none of {[report.name for report in self.inputs]}")

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.verdict}"]
        if self.reason is not None:
            lines.append(f"{self.reason.name}: {self.reason.text}")
        # What is wrong comes first: a network has many parameters.
        order = ("wrong", "inconclusive", "right")
        lines += map(str, sorted(self.inputs, key=lambda report: order.index(report.verdict)))
        lines += [f"note: {note}" for note in self.notes]
        return "\n  ".join(lines)


class GradcheckError(AssertionError):
    """A gradient is wrong, or could not be judged. `report` holds the GradcheckReport.

    An AssertionError, because that is what a failed check is in a test.
    """

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(str(report))
        self.report = report
