"""`examples.exercises`, on copies of its files: stubs, solutions, mistakes, what students see."""

import ast
import doctest
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from examples import exercises
from examples.exercises import __main__ as program
from examples.exercises import student, values
from examples.exercises.catalogue import EXERCISES
from examples.exercises.checker import Gradients, Values, check
from tests.examples.exercise_mistakes import MISTAKES

HERE = Path(exercises.__file__).parent
CLONE = HERE.parent.parent
BY_NAME = {exercise.name: exercise for exercise in EXERCISES}
every_exercise = pytest.mark.parametrize("name", BY_NAME)


def checked(name, text, folder):
    """The outcome for a file with this text."""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return check(BY_NAME[name], folder)


def solution(name):
    return (HERE / "solutions" / f"{name}.py").read_text(encoding="utf-8")


def stub(name):
    return (HERE / "tasks" / f"{name}.py").read_text(encoding="utf-8")


def names(outcome):
    """What was found to be wrong."""
    return [part.diagnosis.name for part in outcome.wrong]


@pytest.fixture
def folder(tmp_path):
    """A folder with a copy of every stub."""
    for name in BY_NAME:
        shutil.copy(HERE / "tasks" / f"{name}.py", tmp_path)
    return tmp_path


# --- every exercise -------------------------------------------------------------------------------


def test_there_are_enough_and_each_has_its_files():
    assert len(EXERCISES) >= 12
    for part in ("tasks", "solutions"):
        assert {path.stem for path in (HERE / part).glob("*.py")} == set(BY_NAME)


@every_exercise
def test_a_stub_is_not_started(name, folder):
    outcome = check(BY_NAME[name], folder)
    assert (outcome.state, outcome.wrong) == ("not started", ())
    assert outcome.to_write == BY_NAME[name].first
    # What is given in the file is right.
    assert all(BY_NAME[name].first not in step.split(":")[0] for step in outcome.right)


@every_exercise
def test_a_solution_is_right_and_every_case_was_tried(name, tmp_path):
    outcome = checked(name, solution(name), tmp_path)
    assert (outcome.state, outcome.wrong) == ("solved", ())
    assert len(outcome.right) == sum(len(step.cases) for step in BY_NAME[name].steps)


@every_exercise
def test_stub_and_solution_agree(name):
    """The same functions take the same arguments, and what is given is the same code."""

    def functions(text):
        return {
            node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)
        }

    solved = functions(solution(name))
    for function, node in functions(stub(name)).items():
        arguments = [argument.arg for argument in node.args.args + node.args.kwonlyargs]
        other = solved[function]
        assert arguments == [argument.arg for argument in other.args.args + other.args.kwonlyargs]
        if "(Given.)" in ast.get_docstring(node):
            assert list(map(ast.unparse, node.body[1:])) == list(map(ast.unparse, other.body[1:]))
        else:
            assert ast.unparse(node.body[-1]) == "raise NotImplementedError"


@every_exercise
def test_a_stub_says_where_to_read_and_how_to_check(name):
    text = stub(name)
    assert f"Check:    python -m examples.exercises check {name}\n" in text
    (reading,) = re.findall(r"To read:(.*?)\nCheck", text, re.DOTALL)
    paths = re.findall(r"[\w/]+\.(?:py|md)", reading)
    assert paths
    for path in paths:
        assert (CLONE / path).is_file()
    for operator in re.findall(r"`(\w+)`", reading):
        assert any(operator in (CLONE / path).read_text(encoding="utf-8") for path in paths)


@every_exercise
def test_gradients_are_checked_on_unequal_sizes(name):
    for step in BY_NAME[name].steps:
        if isinstance(step, Gradients):
            for case in step.cases:
                for array in case.arrays.values():
                    sizes = [size for size in array.shape if size > 1]
                    assert len(set(sizes)) == len(sizes), (case.title, array.shape)


@pytest.mark.parametrize(
    "mistake", MISTAKES, ids=[f"{entry.exercise}-{entry.title}" for entry in MISTAKES]
)
def test_a_typical_mistake_is_named(mistake, tmp_path):
    outcome = checked(mistake.exercise, mistake.planted(), tmp_path)
    assert outcome.state == "wrong"
    assert names(outcome)[0] in mistake.named, [part.diagnosis for part in outcome.wrong]


@every_exercise
def test_the_mistakes_use_all_that_an_exercise_can_say(name):
    mistakes = [entry for entry in MISTAKES if entry.exercise == name]
    assert len(mistakes) >= 5
    named = {found for entry in mistakes for found in entry.named}
    assert set(BY_NAME[name].hints) <= named
    for step in BY_NAME[name].steps:
        if isinstance(step, Values):
            assert {case.trouble.name for case in step.cases if case.trouble} <= named


# --- calling the library --------------------------------------------------------------------------

# For every exercise, functions that let the library do the work.
WITH_THE_LIBRARY = {
    "relu": ["def relu(x): return mg.Tensor(x).relu().data"],
    "broadcast_add": ["def sum_to(g, shape): return linear.sum_to(mg.Tensor(g), shape=shape).data"],
    "matmul": [
        "def matmul_backward(g, x, w):\n"
        "    g, x, w = map(mg.Tensor, (g, x, w))\n"
        "    return (g @ w.T).data, (x.T @ g).data",
        "def matmul(x, w): return mg.einsum('nk,km->nm', mg.Tensor(x), mg.Tensor(w)).data",
        "def matmul(x, w): return F.linear(x, w, np.zeros(w.shape[1])).data",
    ],
    "max_over_axis": ["def max_over_axis(x, *, axis): return mg.Tensor(x).max(axis).data"],
    "embedding": [
        "def embedding_backward(g, table, *, indices):\n"
        "    return linear.scatter_add(mg.Tensor(g), index=indices, shape=table.shape).data"
    ],
    "dropout": ["def dropout(x, *, p, uniform): return F.dropout(x, p).data"],
    "softmax": [
        "def softmax(x): return F.softmax(x).data",
        "def softmax(x): return F.log_softmax(x).exp().data",
        "def softmax(x): return mg.nn.Softmax()(mg.Tensor(x)).data",
    ],
    "cross_entropy": [
        "def cross_entropy(logits, *, labels): return F.cross_entropy(logits, labels).data",
        "def cross_entropy(logits, *, labels):\n"
        "    z = mg.Tensor(logits)\n"
        "    return (z.logsumexp(1).data - logits[np.arange(len(labels)), labels]).mean()",
    ],
    "batch_norm": [
        "def batch_norm(x, weight, bias, *, eps):\n"
        "    return F.batch_norm(x, x.mean((0, 1, 2)), x.var((0, 1, 2)), weight, bias, eps).data",
        "def batch_norm(x, weight, bias, *, eps):\n"
        "    return mg.nn.BatchNorm(x.shape[-1], eps=eps)(mg.Tensor(x, dtype=np.float32)).data",
    ],
    "im2col": [
        "def im2col(x, *, kernel_size, stride, pads):\n"
        "    return F.im2col(x, kernel_size, stride, pads).data"
    ],
    "col2im": [
        "def col2im(g, x, *, kernel_size, stride, pads):\n"
        "    return F.col2im(g, x.shape, kernel_size, stride, pads).data"
    ],
    "conv_backward": [
        "def conv(x, kernel, *, stride, pads):\n"
        "    return F.conv2d(x, kernel, None, stride, pads).data",
        "def conv_backward(g, x, kernel, *, stride, pads):\n"
        "    to_x = F.conv_transpose2d(g, kernel, None, stride, pads, output_shape=x.shape[1:3])\n"
        "    return to_x.data, kernel",
    ],
    "max_pool": [
        "def max_pool(x, *, kernel_size, stride): return F.max_pool2d(x, kernel_size, stride).data"
    ],
    "avg_pool": [
        "def avg_pool(x, *, kernel_size, stride, pads):\n"
        "    return F.avg_pool2d(x, kernel_size, stride, pads).data"
    ],
    "double_backward": [
        "def tanh_backward(g, x): return g * (1 - mg.Tensor(x).tanh().square()).data"
    ],
    "second_derivative": [
        "def logsumexp_rule(g, out, x): return g.expand_dims(-1) * F.softmax(x)",
        "def logsumexp_rule(g, out, x):\n"
        "    return g.expand_dims(-1) * (x - x.logsumexp(-1, keepdims=True)).exp()",
    ],
}
IMPORTS = """
import numpy as np
import minigrad as mg
import minigrad.functional as F
from minigrad.operators import linear
"""


@pytest.mark.parametrize(
    ("name", "function"),
    [(name, function) for name in BY_NAME for function in WITH_THE_LIBRARY[name]],
)
def test_calling_the_library_is_noticed(name, function, tmp_path):
    outcome = checked(name, f"{solution(name)}\n{IMPORTS}\n{function}\n", tmp_path)
    assert (outcome.state, names(outcome)) == ("wrong", ["library"])
    assert "NumPy may be used" in outcome.wrong[0].diagnosis.text
    # The last line is the student's that calls it, or near it.
    (line,) = outcome.wrong[0].facts
    assert line.split(": ", 1)[1] in f"{function}\n"


@pytest.mark.parametrize(
    "function",
    [
        # However the operator was come by,
        "from minigrad.functional import relu as r\ndef relu(x): return r(x).data",
        "from minigrad.operators.elementwise import relu as r\ndef relu(x): return r(x).data",
        "def relu(x): return mg.nn.ReLU()(mg.Tensor(x)).data",
        # even if the error is caught,
        "def relu(x):\n    try:\n        return F.relu(x).data\n    except Exception:\n"
        "        return np.maximum(x, 0)",
        # when the file is loaded,
        "print(F.relu(np.zeros(3)))",
        # and by way of the engine.
        "def relu_backward(g, x):\n    t = mg.Tensor(x, requires_grad=True)\n"
        "    return mg.grad((t * (t > 0)), t, g).data",
        "def relu_backward(g, x):\n    t = mg.Tensor(x, requires_grad=True)\n"
        "    (t * (t > 0)).backward(g)\n    return t.grad.data",
        "from minigrad import grad\ndef relu_backward(g, x):\n"
        "    t = mg.Tensor(x, requires_grad=True)\n    return grad((t * (t > 0)), t, g).data",
    ],
)
def test_every_way_to_the_library_is_noticed(function, tmp_path):
    outcome = checked("relu", f"{solution('relu')}\n{IMPORTS}\n{function}\n", tmp_path)
    assert names(outcome) == ["library"]


def test_the_library_works_again_afterwards(tmp_path):
    checked("relu", f"{IMPORTS}\ndef relu(x): return F.relu(x).data\n", tmp_path)
    x = mg.Tensor([-1.0, 2.0], requires_grad=True)
    assert mg.grad(F.relu(x).sum(), x).data.tolist() == [0.0, 1.0]


def test_what_is_for_the_students_eyes_is_not_run(tmp_path):
    """Comparing with the library is fine where the checker does not run it."""
    text = f'{solution("relu")}\n{IMPORTS}\nif __name__ == "__main__":\n    print(F.relu(3.0))\n'
    assert checked("relu", text, tmp_path).state == "solved"


def test_other_ways_are_fine(tmp_path):
    """NumPy, and the rest of the library."""
    text = "import minigrad as mg\nimport numpy as np\n" + solution("softmax").replace(
        "np.exp(x - x.max(axis=-1, keepdims=True))",
        "mg.Tensor(x - x.max(axis=-1, keepdims=True)).exp().data",
    )
    assert ".exp().data" in text
    assert checked("softmax", text, tmp_path).state == "solved"


# --- a student's errors ---------------------------------------------------------------------------

BACKWARD = "    return g * (x > 0)"


@pytest.mark.parametrize(
    ("right", "wrong", "name", "text", "fact"),
    [
        (BACKWARD, "    return g * (y > 0)", "error", "NameError: name 'y'", "return g * (y > 0)"),
        (BACKWARD, "    return g * (x > 0", "error", "SyntaxError: '('", "return g * (x > 0"),
        (BACKWARD, "    exit(0)", "error", "SystemExit: 0", "exit(0)"),
        (BACKWARD, "    return list(g)", "not an array", "returned a list", None),
        (BACKWARD, "    return g, x", "wrong number of results", "returned 2", None),
        (BACKWARD, "    g[x < 0] = 0\n    return g", "written in place", "argument g", None),
        ("relu_backward(g, x)", "relu_backward(g)", "error", "takes 1 positional", None),
        ("def relu_backward", "def backward", "missing function", "no function relu_back", None),
        ("import numpy", "import nunpy", "error", "ModuleNotFoundError", "import nunpy as np"),
    ],
)
def test_an_error_is_shown_as_the_students(right, wrong, name, text, fact, tmp_path, capsys):
    planted = solution("relu").replace(right, wrong)
    assert planted != solution("relu")
    outcome = checked("relu", planted, tmp_path)
    assert names(outcome) == [name]
    assert text in outcome.wrong[0].diagnosis.text
    if fact is None:
        assert outcome.wrong[0].facts == ()
    else:
        line = next(i for i, code in enumerate(planted.splitlines(), 1) if code.strip() == fact)
        assert outcome.wrong[0].facts == (f"line {line}: {fact}",)
    assert program.main(["check", "relu", "--folder", str(tmp_path)]) == 1
    shown = capsys.readouterr()
    assert "Traceback" not in shown.out + shown.err
    assert "checker.py" not in shown.out + shown.err
    assert "student.py" not in shown.out + shown.err


def test_numpys_functions_on_tensors_are_explained(tmp_path):
    right = solution("second_derivative")
    planted = right.replace("(x - out.expand_dims(-1)).exp()", "np.exp(x - out.expand_dims(-1))")
    assert planted != right
    outcome = checked("second_derivative", planted, tmp_path)
    assert names(outcome) == ["error"]
    assert "use the tensor's method, x.exp()" in outcome.wrong[0].diagnosis.text


def test_an_error_that_arises_late_is_shown_too(tmp_path):
    """When gradcheck has already called the function many times."""
    text = solution("relu").replace(
        "    return np.where(x > 0, x, 0.0)",
        "    CALLS.append(x)\n    return 1 / 0 if len(CALLS) == 9 else np.where(x > 0, x, 0.0)",
    )
    outcome = checked("relu", f"{text}\n\nCALLS = []\n", tmp_path)
    assert names(outcome) == ["error"]
    assert outcome.wrong[0].diagnosis.text == "ZeroDivisionError: division by zero"
    assert "return 1 / 0 if len(CALLS) == 9" in outcome.wrong[0].facts[0]


def test_begun(tmp_path):
    """A stub deeper in, and one that is reached through another function."""
    outcome = checked(
        "relu", solution("relu").replace(BACKWARD, "    raise NotImplementedError"), tmp_path
    )
    assert (outcome.state, outcome.to_write) == ("begun", "relu_backward")
    assert outcome.right == ("relu: values, three cells", "relu: values, a matrix")


def test_an_unusual_but_right_solution(tmp_path):
    """Lists for tuples, NumPy's scalars for arrays, settings with other names."""
    text = solution("cross_entropy").replace("return losses.mean()", "return float(losses.mean())")
    assert checked("cross_entropy", text, tmp_path).state == "solved"
    text = solution("matmul").replace("return to_x, to_w", "return [to_x, to_w]")
    assert checked("matmul", text, tmp_path).state == "solved"
    text = solution("dropout").replace(
        "return g * mask(p, uniform)", "return (g * mask(p, uniform),)"
    )
    assert checked("dropout", text, tmp_path).state == "solved"


# --- the program ----------------------------------------------------------------------------------


def test_the_list_shows_how_far_one_is(folder, capsys):
    (folder / "softmax.py").unlink()
    (folder / "matmul.py").write_text(solution("matmul"), encoding="utf-8")
    (folder / "relu.py").write_text(
        stub("relu").replace("raise NotImplementedError", "return np.maximum(x, 0)", 1)
    )
    wrong = solution("col2im").replace("+=", "=")
    (folder / "col2im.py").write_text(wrong + '\nprint("noise")\n')
    assert program.main(["--folder", str(folder)]) == 0
    text = capsys.readouterr().out
    states = {line.split()[0]: line for line in text.splitlines() if line.startswith("  ")}
    for name, state in (
        ("softmax", "no file"),
        ("matmul", "solved"),
        ("relu", "begun"),
        ("col2im", "wrong"),
        ("max_pool", "not started"),
    ):
        assert states[name].endswith(f"  {state}")
        assert BY_NAME[name].title in states[name]
    assert "1 of 16 are solved. Next is col2im" in text
    assert f"check col2im --folder {folder}\n" in text
    assert "noise" not in text
    assert max(len(states[name]) for name in BY_NAME) < 80


def test_one_exercise_from_stub_to_solution(folder, capsys):
    command = ["check", "relu", "--folder", str(folder)]
    assert program.main(command) == 1
    assert "relu is still to be written" in capsys.readouterr().out
    (folder / "relu.py").write_text(solution("relu").replace("x > 0)", "x < 0)"))
    assert program.main(command) == 1
    text = capsys.readouterr().out
    assert "  right  relu: values, three cells\n" in text
    assert "mask is inverted" in " ".join(text.split())
    (folder / "relu.py").write_text(solution("relu"))
    assert program.main(command) == 0
    text = capsys.readouterr().out
    assert "solved" in text
    assert "Next is broadcast_add" in text


def test_hints_of_the_exercise_are_printed(folder, capsys):
    (folder / "col2im.py").write_text(
        solution("col2im").replace("[:, top : top + height, left : left + width]", "")
    )
    assert program.main(["check", "col2im", "--folder", str(folder)]) == 1
    text = capsys.readouterr().out
    assert "(2, 6, 13, 3), and should have (2, 5, 8, 3)" in " ".join(text.split())
    assert "The padding has to come off again." in text


def test_what_a_student_prints_is_printed_but_not_hundreds_of_times(folder, capsys):
    forward = "    return np.where(x > 0, x, 0.0)"
    text = solution("relu").replace(forward, f"    print('here')\n{forward}")
    (folder / "relu.py").write_text(text)
    assert program.main(["check", "relu", "--folder", str(folder)]) == 0
    assert capsys.readouterr().out.count("here") == 3  # two values, and one for a gradient


def test_check_without_a_name(folder, capsys):
    command = ["check", "--folder", str(folder)]
    assert program.main(command) == 1
    assert "0 of 16 are solved: none yet" in capsys.readouterr().out
    (folder / "relu.py").write_text(solution("relu"))
    assert program.main(command) == 0
    assert "1 of 16 are solved: relu" in capsys.readouterr().out
    (folder / "matmul.py").write_text(solution("matmul").replace("g @ w.T", "-g @ w.T"))
    assert program.main(command) == 1
    text = capsys.readouterr().out
    assert "the sign is flipped everywhere" in text
    assert "softmax" not in text


def test_all_solved(capsys):
    folder = str(HERE / "solutions")
    assert program.main(["--folder", folder]) == 0
    assert "16 of 16 are solved. Compare" in capsys.readouterr().out
    assert program.main(["check", "second_derivative", "--folder", folder]) == 0
    assert "All are solved." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["check", "conv_backwards"], "'conv_backwards'; did you mean 'conv_backward'?"),
        (["check", "zzz"], "'zzz'; python -m examples.exercises lists them"),
        (["--folder", "no/such"], "there is no folder no/such"),
    ],
)
def test_bad_arguments(arguments, part, capsys):
    assert program.main(arguments) == 2
    assert part in capsys.readouterr().err


def test_a_missing_file_and_names_for_list(tmp_path, capsys):
    assert program.main(["check", "relu", "--folder", str(tmp_path)]) == 1
    assert "no such file: copy it from" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        program.main(["list", "relu"])


def test_stopped_by_the_user(folder, capsys, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "check", interrupted)
    assert program.main(["check", "relu", "--folder", str(folder)]) == 2
    assert "stopped" in capsys.readouterr().err


def test_as_a_program(folder):
    """From the clone, as the list says, in a terminal of 60 columns."""
    (folder / "relu.py").write_text(solution("relu").replace(BACKWARD, "    return g.copy()"))
    result = subprocess.run(
        [sys.executable, "-m", "examples.exercises", "check", "relu", "--folder", str(folder)],
        cwd=CLONE,
        env={**os.environ, "COLUMNS": "60"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, "")
    assert "a mask is ignored" in " ".join(result.stdout.split())
    lines = [line for line in result.stdout.splitlines() if str(folder) not in line]
    assert max(map(len, lines)) <= 60


# --- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "name", "part"),
    [
        ([[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]], "wrong shape", "in another order"),
        ([1.0, 2, 3, 4, 5, 6], "wrong shape", "as many cells"),
        ([[[1.0, 2, 3], [4, 5, 6]]] * 4, "wrong shape", "nothing was summed over axis 0"),
        ([[1, 2, 3], [4, 5, 6]], "wrong dtype", "int64"),
        ([[1.0, 2, 3], [4, np.nan, np.inf]], "not finite", "2 of 6"),
        (np.zeros((2, 3)), "zero", "everywhere"),
        ([[-1.0, -2, -3], [-4, -5, -6]], "sign", "flipped"),
        ([[0.5, 1, 1.5], [2, 2.5, 3]], "factor", "0.5 times"),
        ([[3.0, 1, 2], [4, 5, 6]], "misplaced", "belongs to (0, 0) is at (0, 1)"),
        ([[1.0, 2, 3], [4, 5, 7]], "values", "by hand"),
    ],
)
def test_what_is_wrong_with_a_value(value, name, part):
    difference = values.compare(np.array(value), np.array([[1.0, 2, 3], [4, 5, 6]]))
    assert difference.diagnosis.name == name
    assert part in difference.diagnosis.text


def test_single_numbers():
    def found(value, expected):
        return values.compare(np.asarray(value), np.asarray(expected)).diagnosis.name

    assert found(12.0, 3.0) == "factor"
    assert found(3.0, 12.0) == "factor"
    assert found(3.1, 12.0) == "values"
    assert found(3.0, 0.0) == "values"
    assert values.compare(np.asarray(3.0), np.asarray(3.0)) is None


def test_the_first_wrong_cell_of_a_large_array_is_shown():
    expected = np.arange(20.0).reshape(4, 5)
    value = expected.copy()
    value[2, 1] = 11.00000002
    (fact,) = values.compare(value, expected).facts
    assert fact == ("1 of 20 cells are wrong, the first at (2, 1): yours 11.00000002, should be 11")


def test_docstrings():
    for module in (values, student):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed
