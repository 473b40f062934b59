"""`gradcheck` and `gradgradcheck`: gradients held against differences of function values.

The number that is differentiated is <cotangent, output>: every output cell counts with a random
weight. Its derivative with respect to one cell of an input is known twice, from the backward pass
("analytic") and from evaluations of the function, eps to either side ("numeric").

Here the function is run and differentiated; how an input is judged is in `judging`, what a mistake
is called in `diagnosis`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine import Array, Node, grad
from ..tensor import Tensor
from .diagnosis import diagnose, diagnose_exception
from .differences import Differences
from .evidence import Evidence, Outputs
from .judging import InputJudge, Judgement, Settings, random_weights
from .report import Diagnosis, GradcheckError, GradcheckReport, InputReport, Verdict
from .subject import FirstGradientFailed, GradientOf, Subject


def gradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    cotangent: Any = "random",
    seed: int = 0,
) -> GradcheckReport:
    """Check the gradients of a function, or of a Module, against finite differences.

    Args:
        fn: a function of tensors that returns a Tensor or several (all are checked), or a Module,
            whose named parameters are checked along with its inputs.
        inputs: a Tensor or array, or a tuple or list of them (`()` for a Module without inputs).
            Checked are the tensors that require grad; where none does, all that are floating point.
            The others are passed on as they are. float64 is needed: differences of float32 numbers
            are too coarse. `Module.astype(np.float64)` makes a copy that fits.
        eps: how far a cell is moved to either side.
        atol, rtol: a cell is right where |analytic - numeric| <= atol * min(1, largest) + rtol *
            |numeric|. The largest number of the input's gradient stands there because a gradient of
            tiny numbers is not right for being tiny; what is lost in rounding is allowed for.
        raise_exception: raise unless the gradients are right.
        cotangent: the gradient that comes in from above: "random", an array of the output's shape
            (a tuple for several outputs), or "ones", which is blind to every mistake whose sum is
            constant and is here to show it.
        seed: of the random cotangent and directions; equal seeds give equal reports.

    Returns:
        A report with one of three verdicts: "right" (then it is true), "wrong", or "inconclusive"
        with the reason: float32, a kink within eps, a function that is not repeatable, numbers that
        are not finite or too coarse, an input that the function does not depend on. For every input
        it has the worst cell and, where it is wrong, a diagnosis in words. The module is left as it
        was found.

    Raises:
        GradcheckError: the verdict is "wrong" or "inconclusive"; an AssertionError with the report
            as its `report`. Not if `raise_exception` is false.
        TypeError: fn returns no Tensor, or none of floating point; fn or seed is of the wrong type.
        ValueError: there is no floating-point input, a cotangent has the wrong shape, or eps, atol
            or rtol is out of range.

    >>> import numpy as np
    >>> import minigrad as mg
    >>> bool(gradcheck(lambda x: x.tanh(), np.array([0.5, 1.0, 2.0])))
    True
    >>> @mg.primitive
    ... def average(x):
    ...     return x.mean(axis=1)
    >>> average.defvjps(lambda g, x: g.reshape(2, 1) * np.ones((2, 5)))
    >>> report = gradcheck(average, np.eye(2, 5), raise_exception=False)
    >>> report.verdict, report.diagnosis.name
    ('wrong', 'factor')
    >>> report.diagnosis.text  # doctest: +ELLIPSIS
    'too large by a factor of 5 everywhere (...); 5 is the size of axis 1 of x: a mean in place...'
    """
    settings = Settings("gradcheck", eps, atol, rtol, cotangent, seed)
    subject = Subject("gradcheck", fn, inputs)
    with subject.left_as_found():
        report = _Check(subject, settings).run()
    if raise_exception and not report:
        raise GradcheckError(report)
    return report


def gradgradcheck(
    fn: Callable[..., Any],
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    cotangent: Any = "random",
    seed: int = 0,
) -> GradcheckReport:
    """Check second derivatives: `gradcheck` of the gradient of a function.

    The gradient is a function of the inputs and of the gradient that comes in; it is checked with
    respect to both. It is taken as it is: whether it is itself right is `gradcheck`'s business.

    Args, results and errors are those of `gradcheck`; `cotangent` is the gradient that comes into
    fn, and what comes into the gradient is random (or ones, for "ones").

    >>> import numpy as np
    >>> bool(gradgradcheck(lambda x: x**3, np.array([0.5, 1.0, 2.0])))
    True
    """
    settings = Settings("gradgradcheck", eps, atol, rtol, cotangent, seed)
    subject = Subject("gradgradcheck", fn, inputs)
    with subject.left_as_found():
        outer = _Check(subject, settings)
        report = outer.find_reason()
        if report is None:
            gradient = GradientOf(subject, outer.cotangents)
            report = _Check(
                gradient,
                replace(settings, cotangent="ones" if settings.wants_ones else "random"),
                must_depend=False,
            ).run()
    if raise_exception and not report:
        raise GradcheckError(report)
    return report


class _Check:
    """One run of the checker over one subject."""

    def __init__(
        self, subject: Subject | GradientOf, settings: Settings, must_depend: bool = True
    ) -> None:
        self.subject = subject
        self.settings = settings
        self.must_depend = must_depend
        self.rng = np.random.default_rng(settings.seed)
        self.gradients: list[Array | Diagnosis] = []
        self.backward_trouble: Diagnosis | None = None
        self.is_broken = False  # wrong whatever the numbers
        self.notes: list[str] = []

    # --- the whole run ----------------------------------------------------------------------------

    def run(self) -> GradcheckReport:
        """Everything, in order."""
        report = self.find_reason()
        if report is not None:
            return report
        self._differentiate()
        reports = tuple(self._check_input(position) for position in range(len(self.leaves)))
        ignored = self.subject.ignored_outputs
        if isinstance(self.subject, Subject) and len(self.values) > 1:
            kind = "floating-point outputs" if ignored else "outputs"
            self.notes.append(
                f"the function returns {len(self.values)} {kind}; all were checked, each with an "
                "incoming gradient of its own"
            )
        if ignored:
            self.notes.append(f"{ignored} of the outputs are not floating point and were left out")
        return GradcheckReport(self.subject.title, reports, notes=tuple(self.notes))

    def find_reason(self) -> GradcheckReport | None:
        """A report where the function cannot be checked at all; else evaluate it at the inputs."""
        reason = self._coarse(self.subject.names, self.subject.arrays, "the inputs are")
        if reason is None:
            reason = self._evaluate()
        if reason is None:
            self.cotangents = self._make_cotangents()
            return None
        if self.is_broken:
            broken = [
                InputReport(name, array.shape, "wrong", "not compared", diagnosis=reason)
                for name, array in zip(self.subject.names, self.subject.arrays, strict=True)
            ]
            return GradcheckReport(self.subject.title, tuple(broken))
        return GradcheckReport(self.subject.title, reason=reason)

    def _coarse(self, names: Sequence[str], arrays: Sequence[Array], what: str) -> Diagnosis | None:
        """Why nothing is compared, where some numbers have fewer digits than float64."""
        coarse = [
            f"{name} ({array.dtype})"
            for name, array in zip(names, arrays, strict=True)
            if array.dtype.itemsize < np.dtype(np.float64).itemsize
        ]
        if not coarse:
            return None
        return Diagnosis(
            "float32",
            f"{what} too coarse for differences over eps={self.settings.eps:g}: "
            f"{', '.join(coarse)}. Give float64: .astype(np.float64) on arrays, tensors and "
            "modules alike; what a function makes inside must follow its inputs' dtype",
        )

    def _evaluate(self) -> Diagnosis | None:
        """Evaluate the function at the inputs, twice."""
        given = [array.copy(order="K") for array in self.subject.arrays]
        try:
            self.leaves, self.outputs = self.subject.evaluate(given)
        except FirstGradientFailed as failure:
            self.is_broken = True
            return diagnose_exception(failure.__cause__)
        for name, before, after in zip(self.subject.names, self.subject.arrays, given, strict=True):
            if not np.array_equal(before, after, equal_nan=True):
                self.is_broken = True
                return Diagnosis(
                    "written in place",
                    f"the function writes into its input {name}; whoever uses {name} next gets "
                    "other numbers. Work on a copy",
                )
        self.values = [output.data.copy() for output in self.outputs]
        again = [output.data for output in self.subject.evaluate(self.subject.arrays)[1]]
        if not _all_equal(self.values, again):
            return Diagnosis(
                "not repeatable",
                "the function gives other values when it is called again with the same inputs, so "
                "differences mean nothing: random numbers (dropout: use eval(), or fix the seed "
                "inside fn), or a state that changes from call to call",
            )
        names = [f"output[{position}]" for position in range(len(self.values))]
        coarse = self._coarse(names, self.values, "the outputs are")
        if coarse is not None:
            return coarse
        if not all(np.isfinite(value).all() for value in self.values):
            return Diagnosis(
                "not finite",
                "the function's value is already nan or infinite at these inputs, so there is "
                "nothing to differentiate",
            )
        return None

    def _make_cotangents(self) -> list[Array]:
        wanted = self.settings.cotangent
        shapes = [value.shape for value in self.values]
        if self.settings.wants_ones:
            return [np.ones_like(value) for value in self.values]
        if isinstance(wanted, str):
            return [random_weights(self.rng, shape) for shape in shapes]
        given = list(wanted) if isinstance(wanted, (tuple, list)) else [wanted]
        arrays = [
            np.array(part.data if isinstance(part, Tensor) else part, np.float64) for part in given
        ]
        if [array.shape for array in arrays] != shapes:
            raise ValueError(
                f"{self.settings.caller}: cotangent has shape "
                f"{' and '.join(str(array.shape) for array in arrays)}, and the output "
                f"{' and '.join(map(str, shapes))}; they must be equal"
            )
        return arrays

    # --- the backward pass ------------------------------------------------------------------------

    def _differentiate(self) -> None:
        """The gradient of every input, or a Diagnosis where the backward pass fails."""
        self.differences = Differences(self.subject, self.values, self.cotangents)
        self.connected = _leaves_behind(self.outputs)
        try:
            self.gradients += self._gradients(self.leaves, self.cotangents)
        except Exception:
            # One by one, to learn whose rule it was.
            for leaf in self.leaves:
                try:
                    self.gradients += self._gradients([leaf], self.cotangents)
                except Exception as error:
                    self.gradients.append(diagnose_exception(error))

    def _gradients(self, leaves: Sequence[Tensor], cotangents: Sequence[Array]) -> list[Array]:
        """The gradients for some cotangents; zero where nothing was recorded."""
        recorded = [
            position for position, output in enumerate(self.outputs) if output.requires_grad
        ]
        if not recorded:
            return [np.zeros_like(leaf.data) for leaf in leaves]
        self.subject.put_back()
        given = [cotangents[position].copy() for position in recorded]
        gradients = grad(
            [self.outputs[position] for position in recorded], leaves, given, retain_graph=True
        )
        if not _all_equal(given, [cotangents[position] for position in recorded]):
            self.backward_trouble = Diagnosis(
                "written in place",
                "a rule writes into the gradient it was given, which others use too (in x + f(x), "
                "f's rule spoils x's). Work on a copy",
            )
        return [np.array(gradient.data) for gradient in gradients]

    # --- one input --------------------------------------------------------------------------------

    def _check_input(self, position: int) -> InputReport:
        gradient = self.gradients[position]
        name, shape = self.subject.names[position], self.subject.arrays[position].shape
        trouble = gradient if isinstance(gradient, Diagnosis) else self.backward_trouble
        if trouble is not None or isinstance(gradient, Diagnosis):
            return InputReport(name, shape, "wrong", "not compared", diagnosis=trouble)
        if gradient.size == 0:
            return InputReport(name, shape, "right", "it has no cells")
        judgement = InputJudge(
            self.differences, position, gradient, self.settings, self.rng
        ).judge()
        verdict, diagnosis = judgement.verdict, judgement.reason
        if verdict == "wrong":
            diagnosis = diagnosis or self._diagnose(position, judgement, gradient)
        elif verdict == "right" and self.must_depend and not self._is_connected(position):
            verdict = "inconclusive"
            diagnosis = Diagnosis(
                "independent",
                f"the function does not depend on {name}: its value stays as {name} moves, and "
                "nothing recorded leads to it. Leave it out, or look for where it got lost",
            )
        return self._report(position, judgement, verdict, diagnosis)

    def _is_connected(self, position: int) -> bool:
        return id(self.leaves[position]) in self.connected

    def _report(
        self,
        position: int,
        judgement: Judgement,
        verdict: Verdict,
        diagnosis: Diagnosis | None,
    ) -> InputReport:
        name, shape = self.subject.names[position], self.subject.arrays[position].shape
        analytic = np.asarray(self.gradients[position]).reshape(-1)[judgement.cells]
        numeric = judgement.slopes.central
        if verdict == "right" and not analytic.any() and not numeric.any():
            self.notes.append(
                f"the gradient of {name} is 0 wherever it was compared, by differences too"
            )
        # Nothing is allowed where both tolerances are 0, and something may be not a number.
        with np.errstate(divide="ignore", invalid="ignore"):
            error, allowed = np.abs(analytic - numeric), judgement.allowed
            severity = np.where(error == 0, 0.0, error / allowed)
            worst = int(np.nan_to_num(severity, nan=np.inf).argmax())
            size = max(abs(analytic[worst]), abs(numeric[worst]), self.settings.atol)
            relative = error[worst] / size if error[worst] else 0.0
        index = np.unravel_index(judgement.cells[worst], shape)
        return InputReport(
            name,
            shape,
            verdict,
            judgement.checked,
            checked_cells=len(judgement.cells),
            wrong_cells=0 if verdict == "right" else int((~(error <= allowed)).sum()),
            index=tuple(int(i) for i in index),
            analytic=float(analytic[worst]),
            numeric=float(numeric[worst]),
            relative_error=float(relative),
            diagnosis=diagnosis,
        )

    # --- what is the matter -----------------------------------------------------------------------

    def _diagnose(self, position: int, judgement: Judgement, gradient: Array) -> Diagnosis:
        """What the mistake in the gradient of an input most likely is."""
        if not self._is_connected(position):
            return Diagnosis(
                "missing",
                "the function's value depends on this input, and nothing that was recorded does: "
                "somewhere on the way the graph is cut (detach, .data, numpy(), no_grad, or a rule "
                "written with NumPy, where second derivatives are wanted)",
            )
        leaf = self.leaves[position]
        if not _all_equal(self._gradients([leaf], self.cotangents), [gradient]):
            return Diagnosis(
                "not repeatable",
                "the backward pass gives another gradient the second time: a mask is drawn again "
                "where the forward's should be kept, or a rule changes what it was given",
            )
        assert judgement.places is not None  # cells that were sampled are right
        block_shape = tuple(map(len, judgement.places))

        def of_block(array: Array) -> Array:
            return array.reshape(-1)[judgement.cells].reshape(block_shape)

        def backward_from(cell: int) -> Array:
            """The gradient of the block, for an incoming gradient of 1 at one output cell."""
            cotangents = [np.zeros_like(value) for value in self.values]
            for cotangent in cotangents:
                if 0 <= cell < cotangent.size:
                    cotangent.flat[cell] = 1.0
                cell -= cotangent.size
            return of_block(self._gradients([leaf], cotangents)[0])

        error = np.abs(gradient.reshape(-1)[judgement.cells] - judgement.slopes.central)
        wrong = judgement.trusted & ~(error <= judgement.allowed)
        outputs = None
        if judgement.dependencies is not None:
            single = len(self.values) == 1
            cells = judgement.dependencies.outputs
            shape = self.values[0].shape if single else (sum(value.size for value in self.values),)
            outputs = Outputs(
                shape,
                cells,
                np.concatenate([cotangent.reshape(-1) for cotangent in self.cotangents])[cells],
                judgement.dependencies.jacobian,
            )
        same_shape = self.values[0].shape == gradient.shape and len(self.values) == 1
        return diagnose(
            Evidence(
                places=judgement.places,
                full_shape=gradient.shape,
                x=of_block(self.subject.arrays[position]),
                analytic=of_block(gradient),
                numeric=judgement.slopes.central.reshape(block_shape),
                trusted=judgement.trusted.reshape(block_shape),
                wrong=wrong.reshape(block_shape),
                for_minus_two=of_block(
                    self._gradients([leaf], [-2 * cotangent for cotangent in self.cotangents])[0]
                ),
                value=of_block(self.values[0]) if same_shape else None,
                outputs=outputs,
                backward_from=backward_from,
                sizes=self._sizes(position),
            )
        )

    def _sizes(self, position: int) -> list[tuple[int, str]]:
        """Numbers that a forgotten or superfluous division may leave, and what they count."""
        inputs = list(zip(self.subject.names, self.subject.arrays, strict=True))
        named = [inputs[position], ("the output", self.values[0]), *inputs]
        sizes = [
            (array.shape[0], f"the batch size (axis 0 of {name})")
            for name, array in (inputs[0], named[1])
            if array.ndim > 1
        ]
        for name, array in named:
            sizes += [
                (size, f"the size of axis {axis} of {name}")
                for axis, size in enumerate(array.shape)
            ]
            sizes.append((array.size, f"the number of cells of {name}"))
            if array.ndim > 2:
                per = array.shape[:-1], array.shape[1:-1], array.shape[1:]
                words = "per channel", "per channel and item", "per item"
                sizes += [
                    (math.prod(part), f"the number of cells of {name} {word}")
                    for part, word in zip(per, words, strict=True)
                ]
        return sizes


def _all_equal(first: Sequence[Array], second: Sequence[Array]) -> bool:
    """Whether two lists hold the same numbers, up to the last digits.

    They may differ by the order in which a parallel sum was added up.
    """
    return all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-12, atol=1e-14, equal_nan=True)
        for a, b in zip(first, second, strict=True)
    )


def _leaves_behind(outputs: Sequence[Tensor]) -> set[int]:
    """The ids of all leaves that were recorded on the way to the outputs."""
    leaves: set[int] = set()
    seen: set[int] = set()
    pending: list[Any] = [output.node or output for output in outputs if output.requires_grad]
    while pending:
        source = pending.pop()
        if id(source) in seen:
            continue
        seen.add(id(source))
        if isinstance(source, Node):
            pending.extend(parent for parent in source.parents or () if parent is not None)
        else:
            leaves.add(id(source))
    return leaves
