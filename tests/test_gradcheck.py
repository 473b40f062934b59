"""`gradcheck` and `gradgradcheck`: verdicts, reports, reasons, errors, and what they cost.

What the diagnosis makes of mistakes is mostly in `test_kill_score.py`, on a catalogue of them.
"""

import re

import numpy as np
import pytest

import minigrad as mg
from minigrad import functional as F
from minigrad import nn
from minigrad.checks import GradcheckError, gradcheck, gradgradcheck
from minigrad.checks import judging as judging_module

RNG = np.random.default_rng(11)


def operator(forward, *rules):
    """An operator of a function on arrays and rules on tensors."""
    made = mg.primitive(forward)
    made.defvjps(*rules)
    return made


def by_hand(rule):
    """A rule on arrays, of the gradient alone, as one on tensors."""
    return lambda g: mg.Tensor(rule(g.data))


def sums_of_windows(x):
    """Windows of 2, weighted 2 and 3, along axis 1."""
    return 2 * x[:, :-1] + 3 * x[:, 1:]


@by_hand
def last_window_only(g):
    gradient = np.zeros((2, 5, 3))
    gradient[:, 1:] = 3 * g
    gradient[:, :-1] = 2 * g
    return gradient


def check(fn, *inputs, **settings):
    return gradcheck(fn, inputs, raise_exception=False, **settings)


class Counted:
    """A function that counts how often it is called."""

    def __init__(self, fn):
        self.fn, self.calls = fn, 0

    def __call__(self, *arguments):
        self.calls += 1
        return self.fn(*arguments)


# --- right ----------------------------------------------------------------------------------------


def test_a_right_gradient():
    x, weight = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 2))
    report = gradcheck(lambda x, weight: (x @ weight).tanh(), (x, weight))
    assert report and report.verdict == "right" and report.diagnosis is None
    assert [entry.name for entry in report.inputs] == ["x", "weight"]
    assert report["weight"].shape == (4, 2) and report["weight"].checked_cells == 8
    assert report["x"].wrong_cells == 0 and report["x"].relative_error < 1e-6
    assert str(report).startswith("gradcheck of <lambda>: right\n  x, shape (3, 4): right (all 12")


@pytest.mark.parametrize("shape", [(), (0, 3), (1, 1, 1)])
def test_shapes_at_the_edge(shape):
    assert gradcheck(lambda x: x * x, np.full(shape, 0.7))
    assert gradgradcheck(lambda x: x * x, np.full(shape, 0.7))


def test_the_identity():
    assert gradcheck(lambda x: x, RNG.normal(size=3))


def test_a_function_that_takes_a_gradient_inside():
    def slope(x):
        return mg.grad((x**3).sum(), x, create_graph=True)

    assert gradcheck(slope, RNG.normal(size=4))


def test_the_same_array_twice_is_two_inputs():
    x = RNG.normal(size=(2, 3))
    assert gradcheck(lambda x, y: x * y, (x, x))


def test_a_tiny_gradient_is_right_only_if_it_is():
    """atol is for gradients of about 1: it does not excuse whatever is smaller."""
    x = RNG.normal(size=(3, 4))
    right = operator(lambda x: 1e-7 * (x * x).sum(), lambda g, x: g * 2e-7 * x)
    wrong = operator(lambda x: 1e-7 * (x * x).sum(), lambda g, x: g * -2e-7 * x)
    assert gradcheck(right, x)
    assert check(wrong, x).diagnosis.name == "sign"


def test_rounding_errors_around_a_gradient_of_zero_are_none():
    """The bias before a batch norm changes nothing, but for the last digits."""
    network = nn.Sequential(nn.Dense(4, 3), nn.BatchNorm(3)).astype(np.float64)
    report = gradcheck(network, 10 * RNG.normal(size=(50, 4)))
    entry = report["layers.0.bias"]
    assert abs(entry.numeric) < 1e-6 and entry.wrong_cells == 0


def test_rounding_errors_in_a_second_derivative_of_zero_are_none():
    """The standard deviation of two numbers is half their distance."""
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=(2, 3, 5))
        assert gradgradcheck(lambda x: x.std(0), x, seed=seed)


def test_a_gradient_of_zero_is_noted():
    report = gradcheck(lambda x: x.floor(), RNG.normal(size=5))
    assert report.notes == ("the gradient of x is 0 wherever it was compared, by differences too",)
    assert not gradcheck(lambda x: x * x, RNG.normal(size=5)).notes


def test_a_gradient_that_is_zero_only_where_the_report_looks_is_not_noted():
    """All errors are exactly 0, so that the first cell is reported as the worst."""
    tied = np.array([[0.0, 1.0, 1.0], [2.0, -1.0, 2.0]])
    report = gradcheck(lambda x: x.max(axis=1), [tied])
    assert (report["x"].index, report["x"].analytic) == ((0, 0), 0.0)
    assert not report.notes


def test_a_single_cell_is_spoken_of_in_the_singular():
    assert gradcheck(lambda x: x * x, 0.7).inputs[0].checked == "its only cell"
    leaky = operator(lambda x: np.maximum(x, 0), lambda g: g)
    text = check(leaky, np.array([0.8, 0.6, -1.2])).diagnosis.text
    assert "passes in 1 cell in which the function is flat" in text
    other = operator(
        lambda x: x * np.array([0.0, 2.0, 3.0, 5.0, 7.0]),
        lambda g: g * np.array([2.0, 2.0, 0.0, 5.0, 7.0]),
    )
    text = check(other, np.array([0.8, 0.6, -0.3, -1.2, 0.4])).diagnosis.text
    assert "passes in 1 cell in which the function is flat and is blocked in 1 in which" in text


# --- wrong ----------------------------------------------------------------------------------------


def test_a_wrong_gradient_raises_an_assertion_error_with_the_report():
    wrong = operator(lambda x: x * x, lambda g, x: g * -2 * x)
    with pytest.raises(GradcheckError) as caught:
        gradcheck(wrong, RNG.normal(size=3))
    assert isinstance(caught.value, AssertionError)
    assert caught.value.report.verdict == "wrong" and not caught.value.report
    assert str(caught.value) == str(caught.value.report)


def test_the_worst_cell_and_its_numbers():
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    factors = np.ones((2, 3))
    factors[1, 0], factors[0, 2] = 1.5, 1.1
    wrong = operator(lambda x: x * x, lambda g, x: g * 2 * x * factors)
    cotangent = np.full((2, 3), 0.5)
    entry = check(wrong, x, cotangent=cotangent)["x"]
    assert (entry.index, entry.wrong_cells, entry.checked_cells) == ((1, 0), 2, 6)
    assert entry.analytic == pytest.approx(0.5 * 2 * 4 * 1.5)
    assert entry.numeric == pytest.approx(0.5 * 2 * 4)
    assert entry.relative_error == pytest.approx(1 / 3)
    text = str(entry)
    assert "2 of 6 cells are off; worst at (1, 0): analytic 6, numeric 4" in text


def test_wrong_inputs_come_first_and_the_right_ones_are_told_apart():
    wrong = operator(lambda x, y: x - y, lambda g: g, lambda g: g)
    report = check(wrong, RNG.normal(size=3), RNG.normal(size=3))
    assert (report["x"].verdict, report["y"].verdict) == ("right", "wrong")
    assert report.diagnosis is report["y"].diagnosis
    assert re.findall(r"^  (\w), ", str(report), re.MULTILINE) == ["y", "x"]
    with pytest.raises(KeyError, match=r"'z' is none of \['x', 'y'\]"):
        report["z"]


@pytest.mark.parametrize(
    ("forward", "rule", "shape", "name", "words"),
    [
        # Off by the batch size, 2, 1/2, and another size.
        (
            lambda x: (x * x).sum() / 5,
            lambda g, x: g * 2 * x,
            (5, 3),
            "factor",
            ["too large by a factor of 5", "5 is the batch size (axis 0 of x)"],
        ),
        (lambda x: x * x, lambda g, x: g * x, (5, 3), "factor", ["small by a factor of 2", "1/2"]),
        (lambda x: x * x / 2, lambda g, x: g * x * 2, (5, 3), "factor", ["of 2", "; 2: a 1/2 is"]),
        (lambda x: x * x, lambda g, x: g * x, (2, 3), "factor", ["1/2", "2 is the batch size"]),
        (
            lambda x: x.mean((1, 2)),
            by_hand(lambda g: np.broadcast_to(g[:, None, None], (2, 5, 3)) / 3),
            (2, 5, 3),
            "factor",
            ["too large by a factor of 5", "5 is the size of axis 1 of x"],
        ),
        (lambda x: x * 3, lambda g: g * -6, (2, 3), "factor", ["of 2 and of the wrong sign"]),
        # Where, and what is there.
        (
            lambda x: np.where(x > 0.5, x, 2 * x),
            lambda g, x: g * (x > 0.5),
            (5, 3),
            "branch",
            ["the input is below a bound near", "where it is zero"],
        ),
        (
            lambda x: x * 2,
            lambda g: g * np.pad(np.full((7, 5), 2.0), 1, constant_values=3.0)[None, :, :, None],
            (1, 9, 7, 1),
            "borders",
            ["within 1 of the ends of axis 1 and 2", "too large by a factor of 1.5"],
        ),
        (
            lambda x: x[:, ::-1],
            lambda g: g,
            (5, 3),
            "flipped",
            ["flipped along axis 1"],
        ),
        (
            lambda x: x.transpose(0, 2, 1),
            lambda g: g.reshape(2, 5, 3),
            (2, 5, 3),
            "transposed",
            ["order (0, 2, 1)", "reshaped to (2, 5, 3)"],
        ),
        (
            lambda x: x.swapaxes(1, 2),
            lambda g: g,
            (2, 3, 3),
            "transposed",
            ["transposed: its axes stand in the order (0, 2, 1)"],
        ),
        (
            lambda x: np.roll(x, 1, axis=0),
            by_hand(lambda g: np.roll(g, -3, axis=0)),
            (7, 3),
            "shifted",
            ["shifted by 2 along axis 0"],
        ),
        (
            lambda x: x + np.ones((4, 1, 1)),
            lambda g: g[3],
            (5, 3),
            "wrong axis",
            ["only the last item along axis 0"],
        ),
        (
            lambda x: np.arange(1, 10).reshape(3, 3) * x[:, None],
            by_hand(lambda g: (g.T * np.arange(1, 10).reshape(3, 3)).sum(1)),
            (3,),
            "wrong axis",
            ["right but for axes 0 and 1 of the incoming gradient, which are taken"],
        ),
        (
            sums_of_windows,
            last_window_only,
            (2, 5, 3),
            "overlap",
            [
                "wrong only in the 18 cells that lie in several windows: they get the contribution "
                "of one window and not the sum: `=` where `+=` is needed"
            ],
        ),
        # Shapes and dtypes.
        (
            lambda x: x + np.ones((4, 5, 3)),
            lambda g: g,
            (5, 3),
            "wrong shape",
            ["(4, 5, 3)", "not summed over axis 0"],
        ),
        (lambda x: x.T, lambda g: g, (5, 3), "wrong shape", ["transposed"]),
        (
            lambda x: x.reshape(-1),
            lambda g: g,
            (5, 3),
            "wrong shape",
            ["(15,)", "a reshape is missing"],
        ),
        (lambda x: x.sum(0), lambda g: g, (5, 3), "wrong shape", ["not spread again"]),
        (lambda x: x * 2, lambda g: (g * 2).astype("f4"), (5, 3), "wrong dtype", ["float32"]),
        (lambda x: x * 2, lambda g: None, (5, 3), "missing", ["`return`"]),
        (
            lambda x: x * 2,
            lambda g: 1 / 0,
            (5, 3),
            "backward fails",
            ["ZeroDivisionError: division by zero"],
        ),
    ],
)
def test_diagnoses_in_words(forward, rule, shape, name, words):
    report = check(operator(forward, rule), RNG.normal(size=shape))
    assert report.verdict == "wrong"
    assert report.diagnosis.name == name
    for part in words:
        assert part in report.diagnosis.text


def test_a_lone_number_is_off_by_a_factor_only_if_that_has_a_name():
    """One number is always off by some factor."""
    x = np.array([1.3])
    assert check(operator(lambda x: x * x, lambda g, x: g * x), x).diagnosis.name == "factor"
    assert check(operator(lambda x: x * x, lambda g, x: g * 3.3), x).diagnosis.name == "slope"


def test_an_unknown_mistake_is_called_so():
    table = RNG.normal(size=(4, 6))
    scrambled = operator(lambda x: x[:4] * 2, by_hand(lambda g: g @ table))
    report = check(scrambled, RNG.normal(size=6))
    assert report.verdict == "wrong" and report.diagnosis.name == "unknown"
    assert "6 of 6 cells" in report.diagnosis.text and "smaller input" in report.diagnosis.text


def test_a_forward_that_writes_into_its_input():
    def forward(x):
        x *= 2
        return x * 1.0

    report = check(operator(forward, lambda g: g * 2), np.ones(3))
    assert report.verdict == "wrong" and report.diagnosis.name == "written in place"
    assert "its input x" in report.diagnosis.text


# --- inconclusive ---------------------------------------------------------------------------------


def test_float32_is_refused_before_anything_is_computed():
    fn = Counted(lambda x, y: x * y)
    report = check(fn, np.ones(3), np.ones(3, np.float32))
    assert report.verdict == "inconclusive" and report.diagnosis.name == "float32"
    assert fn.calls == 0 and not report.inputs
    assert "inputs[1] (float32)" in report.diagnosis.text and "float64" in report.diagnosis.text
    with pytest.raises(GradcheckError, match=r"too coarse for .* x \(float32\).*astype"):
        gradcheck(lambda x: x, mg.tensor([1.0, 2.0]))


def test_float32_parameters_and_outputs():
    report = check(nn.Dense(3, 2), np.ones((2, 3)))
    assert "weight (float32), bias (float32)" in report.diagnosis.text
    report = check(lambda x: x.astype(np.float32), np.ones(3))
    assert report.diagnosis.name == "float32" and "output[0]" in report.diagnosis.text


@pytest.mark.parametrize("place", [0.0, 3e-7, -6e-7])
def test_a_kink_within_eps(place):
    x = np.array([0.8, place, -1.2])
    report = check(lambda x: x.relu(), x)
    assert report.verdict == "inconclusive" and report.diagnosis.name == "kink"
    assert report["x"].index == (1,) and "at (1,) the slope is" in report.diagnosis.text
    assert check(lambda x: x.relu(), x, eps=1e-8).verdict == ("right" if place else "inconclusive")


@pytest.mark.parametrize(
    ("curved", "place", "smaller_eps"),
    [(lambda x: (1e5 * x).sin(), 0.3, 1e-8), (lambda x: x.sqrt(), 1e-6, 1e-9)],
    ids=["fast waves", "a root near 0"],
)
def test_a_strongly_curved_function_is_not_said_to_have_a_kink(curved, place, smaller_eps):
    with np.errstate(invalid="ignore"):  # longer steps lead below 0
        report = check(curved, np.array([place]))
    assert report.verdict == "inconclusive" and report.diagnosis.name == "kink"
    text = report.diagnosis.text
    assert "a kink or a jump within eps=1e-06" in text
    assert "or it curves very strongly there" in text
    assert "Use a smaller eps, or move the input" in text
    assert check(curved, np.array([place]), eps=smaller_eps).verdict == "right"


def test_a_jump_and_a_tie_are_kinks():
    assert check(lambda x: x.floor(), np.array([2.0, 0.5])).diagnosis.name == "kink"
    tied = np.array([[1.0, 3.0, 3.0, 3.0]])
    assert check(lambda x: x.max(1), tied).diagnosis.name == "kink"
    assert check(lambda x: F.max_pool2d(x.reshape(1, 2, 2, 1), 2), tied).diagnosis.name == "kink"


def test_a_kink_does_not_hide_a_wrong_gradient():
    x = np.array([0.8, 0.0, -1.2])
    leaky = operator(lambda x: np.maximum(x, 0), lambda g: g)
    report = check(leaky, x)
    assert report.verdict == "wrong" and report.diagnosis.name == "mask"
    outside = operator(lambda x: np.abs(x), lambda g: g * np.array([1.0, 1.5, -1.0]))
    assert check(outside, x).verdict == "wrong"  # at 0 only, but not between -1 and 1


def test_a_function_that_is_not_repeatable():
    dropout = nn.Dropout(0.5, rng=np.random.default_rng(1))
    report = check(dropout, np.ones((4, 3)))
    assert report.verdict == "inconclusive" and report.diagnosis.name == "not repeatable"
    assert "eval()" in report.diagnosis.text
    assert check(dropout.eval(), np.ones((4, 3))).verdict == "right"


def test_a_state_that_changes_is_not_repeatable():
    counted = Counted(lambda x: x * 2)
    assert check(lambda x: counted(x) * counted.calls, np.ones(2)).diagnosis.name == (
        "not repeatable"
    )


def test_a_backward_pass_that_is_not_repeatable_is_wrong():
    rng = np.random.default_rng(2)
    noisy = operator(lambda x: x * 2, by_hand(lambda g: g * rng.normal(size=g.shape)))
    report = check(noisy, np.ones(4))
    assert report.verdict == "wrong" and report.diagnosis.name == "not repeatable"


@pytest.mark.parametrize(
    ("coarse", "larger_eps"),
    [
        (lambda x: x.astype(np.float32).sin().astype(np.float64), 1e-2),
        (lambda x: x.sin() + 1e9, 1e-2),
        (lambda x: (x + 1000).astype(np.float32).astype(np.float64), 1.0),
    ],
    ids=["float32 inside", "large numbers cancel", "steps vanish"],
)
def test_too_few_digits_inside(coarse, larger_eps):
    report = check(coarse, RNG.normal(size=(3, 5)))
    assert report.verdict == "inconclusive" and report.diagnosis.name == "rounding"
    assert check(coarse, RNG.normal(size=(3, 5)), eps=larger_eps).verdict == "right"


def test_values_that_are_not_finite():
    with np.errstate(all="ignore"):
        report = check(lambda x: x.log(), np.array([1.0, 0.0]))
        assert report.reason.name == "not finite" and "already" in report.reason.text
        report = check(lambda x: x.sqrt(), np.array([1.0, 0.0]))
        assert report.verdict == "inconclusive" and report.diagnosis.name == "not finite"
    report = check(lambda x: x * 2, np.array([1e12]))
    assert report.verdict == "inconclusive" and "beside the input" in report.diagnosis.text


def test_an_input_that_does_not_matter():
    report = check(lambda x, y: x * 2, np.ones(3), np.ones(2))
    assert report["x"].verdict == "right" and report["y"].verdict == "inconclusive"
    assert report.diagnosis.name == "independent"
    assert "does not depend on y" in report.diagnosis.text
    assert check(lambda x: mg.tensor(np.ones(3)), np.ones(3)).diagnosis.name == "independent"


def test_a_graph_that_is_cut_is_no_independence():
    report = check(lambda x, y: x.detach() * y, np.ones(3), np.ones(3))
    assert report["x"].verdict == "wrong" and report["x"].diagnosis.name == "missing"


def test_wrong_outweighs_inconclusive():
    wrong = operator(lambda x, y: np.abs(x) - y, lambda g: g * 0.5, lambda g: g)
    report = check(wrong, np.array([0.0, 0.0]), np.ones(2))
    assert report["x"].verdict == "inconclusive" and report.verdict == "wrong"
    assert report.diagnosis.name == "sign"


# --- what is checked ------------------------------------------------------------------------------


def test_inputs_that_require_grad_are_checked_and_the_others_passed_on():
    x = mg.tensor(RNG.normal(size=3), requires_grad=True)
    factor = mg.tensor(RNG.normal(size=3))
    report = gradcheck(lambda x, factor: x * factor, (x, factor))
    assert [entry.name for entry in report.inputs] == ["x"]
    assert x.grad is None


def test_whole_numbers_are_passed_on_as_they_are():
    labels = [2, 0, 1]

    def loss(logits, labels, reduction):
        assert labels is given and reduction == "sum"
        return F.cross_entropy(logits, labels, reduction)

    given = np.array(labels)
    report = gradcheck(loss, (RNG.normal(size=(3, 4)), given, "sum"))
    assert [entry.name for entry in report.inputs] == ["logits"]


def test_names_of_inputs():
    product = operator(lambda left, right: left * right, lambda g, right: g * right, None)
    assert [entry.name for entry in check(product, 0.5, 1.5).inputs] == ["left", "right"]
    assert [entry.name for entry in check(lambda *x: x[0] * x[1], 0.5, 1.5).inputs] == [
        "inputs[0]",
        "inputs[1]",
    ]


def test_several_outputs_are_all_checked():
    half_wrong = operator(lambda x: x * 3, lambda g: g * 2)
    assert gradcheck(lambda x: (x * 2, x[:1] * x), RNG.normal(size=4))
    for fn in (lambda x: (x * 2, half_wrong(x)), lambda x: [half_wrong(x), x * 2]):
        assert check(fn, RNG.normal(size=4)).verdict == "wrong"


def test_several_outputs_are_noted():
    report = gradcheck(lambda x: (x * 2, x[:1] * x), RNG.normal(size=4))
    assert report.notes == (
        "the function returns 2 outputs; all were checked, each with an incoming gradient of its "
        "own",
    )
    report = gradcheck(lambda x: (x * 2, x.sin(), x.argmax()), RNG.normal(size=4))
    assert report.notes[0].startswith("the function returns 2 floating-point outputs; all")
    # The gradient of a function of two inputs is two outputs, but not of the function.
    assert not gradgradcheck(lambda x, y: x * y, (RNG.normal(size=4), RNG.normal(size=4))).notes


def test_outputs_that_are_no_numbers_with_a_derivative_are_left_out():
    report = gradcheck(lambda x: (x * 2, x.argmax()), RNG.normal(size=4))
    assert report.notes == ("1 of the outputs are not floating point and were left out",)


class Affine(nn.Module):
    """One parameter with a wrong gradient, one with a right one, and a state that follows."""

    def __init__(self):
        self.scale = mg.Tensor(np.array([0.5, 2.0, 3.0]), requires_grad=True)
        self.shift = mg.Tensor(np.array([1.0, -1.0, 0.3]), requires_grad=True)
        self.seen = mg.Tensor(np.zeros(3))
        self.multiply = operator(lambda x, s: x * s, lambda g, s: g * s, lambda g, x: (g * x)[0])

    def forward(self, images):
        self.seen.data += images.data.sum(0)
        return self.multiply(images, self.scale) + self.shift


def test_a_module_with_a_wrong_parameter():
    report = check(Affine(), RNG.normal(size=(5, 3)))
    assert [(entry.name, entry.verdict) for entry in report.inputs] == [
        ("images", "right"),
        ("scale", "wrong"),
        ("shift", "right"),
    ]
    assert "only the first item along axis 0" in report["scale"].diagnosis.text
    assert report.title == "gradcheck of Affine"


def test_a_rule_that_reads_the_parameter():
    """It runs again for the diagnosis, when the parameter has been moved."""

    class Squares(nn.Module):
        def __init__(self):
            self.weight = mg.Tensor(np.array([0.5, 2.0, 3.0]), requires_grad=True)
            self.multiply = operator(
                lambda x, w: x * w * w, lambda g, w: g * w * w, lambda g, x, w: (g * x * w).sum(0)
            )

        def forward(self, x):
            return self.multiply(x, self.weight)

    report = check(Squares(), RNG.normal(size=(5, 3)))
    assert report["x"].verdict == "right"
    assert "too small by a factor of 2" in report["weight"].diagnosis.text


def test_a_module_is_left_as_it_was():
    network = nn.Sequential(nn.Dense(4, 3), nn.BatchNorm(3), nn.Tanh()).astype(np.float64)
    arrays = {name: tensor.data for name, tensor in network.named_tensors()}
    values = network.state_dict()
    x = RNG.normal(size=(6, 4))
    report = gradcheck(network, x)
    assert [entry.name for entry in report.inputs] == [
        "x",
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
    ]
    gradgradcheck(network, x)
    failing = Affine()
    before = failing.state_dict()
    failing.multiply = lambda x, scale: None
    with pytest.raises(TypeError):
        gradcheck(failing, RNG.normal(size=(5, 3)))
    np.testing.assert_array_equal(failing.seen.data, before["seen"])
    for name, tensor in network.named_tensors():
        assert tensor.data is arrays[name] and tensor.grad is None
        np.testing.assert_array_equal(tensor.data, values[name])


def test_a_module_without_inputs():
    class Constant(nn.Module):
        def __init__(self):
            self.value = mg.Tensor(np.array([0.5, 2.0]), requires_grad=True)

        def forward(self):
            return self.value.exp()

    assert [entry.name for entry in gradcheck(Constant(), ()).inputs] == ["value"]


# --- cotangents and seeds -------------------------------------------------------------------------


def test_ones_are_blind_where_a_sum_is_constant():
    blind = operator(
        lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True), by_hand(lambda g: g * 0)
    )
    x = RNG.normal(size=(3, 4))
    assert gradcheck(blind, x, cotangent="ones")
    assert check(blind, x).diagnosis.name == "zero"


def test_ones_are_blind_to_second_derivatives_too():
    def softmax(x):
        return np.exp(x) / np.exp(x).sum()

    dead_end = operator(softmax, by_hand(np.zeros_like))
    logsumexp = operator(lambda x: np.log(np.exp(x).sum()), lambda g, x: g * dead_end(x))
    x = RNG.normal(size=4)
    assert gradgradcheck(logsumexp, x, cotangent="ones")
    report = gradgradcheck(logsumexp, x, raise_exception=False)
    assert (report["x"].verdict, report.diagnosis.name) == ("wrong", "zero")


def test_a_given_cotangent_is_what_comes_in():
    seen = []

    def rule(g):
        seen.append(g.data.copy())
        return g * 2

    cotangent = RNG.normal(size=(3, 2))
    gradcheck(operator(lambda x: x * 2, rule), np.ones((3, 2)), cotangent=cotangent)
    np.testing.assert_array_equal(seen[0], cotangent)
    fn = lambda x: (x * 2, x.sum())  # noqa: E731
    assert gradcheck(fn, np.ones(3), cotangent=(np.ones(3), mg.tensor(2.0)))


def test_equal_seeds_give_equal_reports():
    def fn(x):
        return (x * x * x).sum(1)

    x = RNG.normal(size=(40, 7))  # too large to be checked cell by cell
    assert str(gradcheck(fn, x, seed=3)) == str(gradcheck(fn, x, seed=3))
    assert str(gradcheck(fn, x, seed=3)) != str(gradcheck(fn, x, seed=4))


def test_the_librarys_random_numbers_are_not_touched():
    before = mg.random.get_state()
    gradcheck(lambda x: x * 2, np.ones(3))
    assert mg.random.get_state() == before


# --- large inputs ---------------------------------------------------------------------------------


def test_a_large_right_input_costs_few_evaluations():
    fn = Counted(lambda x: x.tanh() * x)
    report = gradcheck(fn, RNG.normal(size=(70, 11, 13)))
    assert fn.calls < 30
    assert report.inputs[0].checked == "3 random directions and 8 of 10,010 cells"
    assert report.inputs[0].index is not None and report.inputs[0].relative_error < 1e-6


def test_a_convolution_of_a_batch_of_64():
    layer = nn.Conv2D(1, 8, (3, 5)).astype(np.float64)
    x = RNG.normal(size=(64, 28, 28, 1))
    report = gradcheck(layer, x)
    assert [entry.name for entry in report.inputs] == ["x", "kernel", "bias"]


def test_kinks_along_a_direction_do_not_stop_it():
    """Among 6,000 units some come within eps of 0 as all cells move."""
    x = RNG.normal(size=(20, 300))
    x[3, ::40] = 4e-7
    report = check(lambda x: x.relu(), x)
    assert report.verdict == "right"


def test_one_wrong_cell_among_many_is_found():
    factors = np.ones((40, 23, 29))
    factors[31, 17, 5] = 1.02
    wrong = operator(lambda x: x * x, lambda g, x: g * 2 * x * factors)
    fn = Counted(wrong)
    entry = check(fn, 1 + RNG.random(size=(40, 23, 29))).inputs[0]
    assert entry.verdict == "wrong" and entry.index == (31, 17, 5)
    assert (entry.wrong_cells, entry.checked_cells < 400) == (1, True)
    assert fn.calls < 2000


def test_large_wrong_inputs_are_diagnosed_on_a_block():
    x = RNG.normal(size=(30, 19, 17, 2))
    mirrored = operator(lambda x: x[:, :, ::-1] * 1.0, lambda g: g)
    padded = operator(
        lambda x: np.pad(x, ((0, 0), (1, 0), (2, 0), (0, 0))), lambda g: g[:, :-1, 1:-1]
    )
    assert check(operator(lambda x: x * x, lambda g, x: g * -2 * x), x).diagnosis.name == "sign"
    shifted = check(padded, x).diagnosis
    assert (shifted.name, "1 along axis 1 and 1 along axis 2" in shifted.text) == ("shifted", True)
    assert check(mirrored, x).verdict == "wrong"


def test_a_wrong_block_among_right_ones():
    """Only the last image is wrong, far from the block that is looked at first."""
    wrong = operator(
        lambda x: x * 3, by_hand(lambda g: g * np.where(np.arange(50) == 49, -3, 3)[:, None, None])
    )
    entry = check(wrong, RNG.normal(size=(50, 9, 11))).inputs[0]
    assert entry.verdict == "wrong" and entry.index[0] == 49


def test_blocks_are_contiguous_and_hold_the_cell():
    for shape, limit, around in (((7,), 100, (3,)), ((64, 28, 28, 3), 300, (63, 0, 27, 1))):
        places = judging_module.block(shape, limit, around)
        assert np.prod([len(axis) for axis in places]) <= limit
        for axis, center, size in zip(places, around, shape, strict=True):
            assert center in axis and axis.min() >= 0 and axis.max() < size
            np.testing.assert_array_equal(np.diff(axis), 1)


# --- second derivatives ---------------------------------------------------------------------------


def test_second_derivatives_of_functions_and_modules():
    kernel = RNG.normal(size=(2, 3, 2, 2))
    report = gradgradcheck(F.conv2d, (RNG.normal(size=(1, 4, 5, 2)), kernel))
    assert [entry.name for entry in report.inputs] == ["x", "kernel", "gradient of the output"]
    report = gradgradcheck(lambda x: (x * x, x**3), RNG.normal(size=3))
    assert [entry.name for entry in report.inputs][1:] == [
        "gradient of output[0]",
        "gradient of output[1]",
    ]
    layer = nn.Sequential(nn.Dense(3, 2), nn.Sigmoid()).astype(np.float64)
    assert gradgradcheck(layer, RNG.normal(size=(4, 3)))


@pytest.mark.parametrize("fn", [lambda x: x * 2, lambda x: x.relu(), lambda x: x.floor()])
def test_second_derivatives_that_are_zero(fn):
    assert gradgradcheck(fn, np.array([0.7, -0.6, 2.5]))


def test_a_wrong_second_derivative():
    cosine = operator(lambda x: np.cos(x), lambda g, x: g * x.sin())
    sine = operator(lambda x: np.sin(x), lambda g, x: g * cosine(x))
    x = RNG.normal(size=(3, 4))
    assert gradcheck(sine, x)
    report = gradgradcheck(sine, x, raise_exception=False)
    assert (report["x"].verdict, report["gradient of the output"].verdict) == ("wrong", "right")
    assert report["x"].diagnosis.name == "sign"
    with pytest.raises(GradcheckError, match="gradgradcheck of <lambda>: wrong"):
        gradgradcheck(sine, x)


def test_a_first_gradient_that_fails_has_no_derivative():
    report = gradgradcheck(
        operator(lambda x: x * 2, lambda g: g[0]), np.ones(3), raise_exception=False
    )
    assert report.verdict == "wrong" and report.diagnosis.name == "wrong shape"


def test_reasons_hold_for_second_derivatives_too():
    report = gradgradcheck(lambda x: x * x, np.ones(3, np.float32), raise_exception=False)
    assert report.verdict == "inconclusive" and report.diagnosis.name == "float32"


# --- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fn", "inputs", "settings", "error", "parts"),
    [
        (3, np.ones(2), {}, TypeError, ["fn must be a function", "int"]),
        (lambda x: None, np.ones(2), {}, TypeError, ["<lambda> returned NoneType, not a Tensor"]),
        (lambda x: x.data, np.ones(2), {}, TypeError, ["ndarray", "mg.primitive"]),
        (lambda x: (x, 1.0), np.ones(2), {}, TypeError, ["returned float"]),
        (lambda x: (), np.ones(2), {}, TypeError, ["empty tuple"]),
        (lambda x: x > 0, np.ones(2), {}, TypeError, ["Tensor of bool", "floating-point"]),
        (lambda x: x.argmax(), np.ones(2), {}, TypeError, ["Tensor of int64"]),
        (
            lambda x: x,
            np.arange(3),
            {},
            ValueError,
            ["nothing to check: inputs[0] is an array of int64; give", "a Tensor of float64"],
        ),
        (
            lambda x: x,
            [[1.0, 2.0]],
            {},
            ValueError,
            ["nothing to check: inputs[0] is a list; give an array or a Tensor"],
        ),
        (
            lambda x, y: x,
            (mg.tensor([1, 2]), 3),
            {},
            ValueError,
            ["inputs[0] is a Tensor of int64, inputs[1] is an int; give"],
        ),
        (lambda: mg.tensor(1.0), (), {}, ValueError, ["nothing to check: there are no inputs"]),
        (
            lambda x: x,
            np.ones((2, 3)),
            {"cotangent": np.ones((3, 2))},
            ValueError,
            ["cotangent has shape (3, 2)", "output (2, 3)"],
        ),
        (lambda x: x, np.ones(2), {"cotangent": "zeros"}, ValueError, ["'zeros'", '"ones"']),
        (lambda x: x, np.ones(2), {"eps": 0}, ValueError, ["eps=0 must be above 0"]),
        (lambda x: x, np.ones(2), {"eps": "1"}, TypeError, ["eps='1' must be a number"]),
        (lambda x: x, np.ones(2), {"atol": -1.0}, ValueError, ["atol=-1.0 must be 0 or more"]),
        (lambda x: x, np.ones(2), {"rtol": np.nan}, ValueError, ["rtol=nan must be 0 or more"]),
        (lambda x: x, np.ones(2), {"seed": 1.5}, TypeError, ["seed=1.5 must be an int"]),
        (lambda x: x, np.ones(2), {"seed": -1}, ValueError, ["seed=-1 must be 0 or more"]),
    ],
)
@pytest.mark.parametrize("checker", [gradcheck, gradgradcheck])
def test_errors_say_what_is_wrong(checker, fn, inputs, settings, error, parts):
    with pytest.raises(error) as caught:
        checker(fn, inputs, **settings)
    assert str(caught.value).startswith(checker.__name__)
    for part in parts:
        assert part in str(caught.value)
