"""What pyproject.toml promises: tested lower bounds, a light import, a wheel of one package."""

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import minigrad

ROOT = Path(__file__).parents[1]


def project_table():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_lower_bounds_are_the_versions_that_ci_installs():
    project = project_table()
    extras = project["optional-dependencies"]
    promised = [
        requirement.partition(";")[0]  # without where it applies
        for requirement in (*project["dependencies"], *extras["test"], *extras["mpi"])
    ]
    lines = (ROOT / "tests" / "lower-bounds.txt").read_text(encoding="utf-8").splitlines()
    tested = [line for line in lines if line and not line.startswith("#")]
    assert tested == [requirement.replace(">=", "==") for requirement in promised]
    assert all(requirement.count(">=") == 1 for requirement in promised)


def run_python(program):
    """What a fresh interpreter prints, running this program."""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout.split()


def modules_loaded_by_import(after):
    """The modules with a file that `import minigrad` loads after this one."""
    return run_python(
        f"import {after}, sys; before = set(sys.modules); import minigrad; "
        "new = [name for name in sys.modules if name not in before]; "
        "print(*[name for name in new if getattr(sys.modules[name], '__file__', None)])"
    )


def test_import_loads_numpy_and_the_library_only():
    """Pillow, matplotlib, pooch, tqdm and safetensors load inside the functions that need them."""
    loaded = {name.partition(".")[0] for name in modules_loaded_by_import(after="sys")}
    assert loaded - sys.stdlib_module_names == {"minigrad", "numpy"}


def test_import_leaves_out_what_a_training_step_does_without():
    loaded = set(modules_loaded_by_import(after="numpy"))
    assert {"minigrad.tensor", "minigrad.nn.convolution", "minigrad.optim.optimizers"} <= loaded
    apart = [
        "article",
        "checks",
        "data",
        "distributed",
        "equivalence",
        "serialization",
        "summaries",
        "viz",
    ]
    assert not {f"minigrad.{name}" for name in apart} & loaded
    # slow to import, and needed for files, downloads and random numbers only
    assert not {"json", "pathlib", "tempfile", "urllib.parse", "secrets"} & loaded


@pytest.mark.parametrize(
    "imports",
    [
        "import minigrad as mg",
        "import minigrad.summaries, minigrad as mg",
        "from minigrad import *; import minigrad as mg; viz.Film, hvp",
        "from minigrad import data, gradcheck, viz; import minigrad as mg",
    ],
)
def test_what_is_imported_on_demand_is_there_however_one_asks_for_it(imports):
    names = "mg.summary.__name__, mg.data.digits.__name__, mg.checks.gradcheck is mg.gradcheck"
    complete = "set(mg.__all__) <= set(dir(mg)), all(hasattr(mg, name) for name in dir(mg))"
    printed = run_python(f"{imports}; print({names}, {complete})")
    assert printed == ["summary", "digits", "True", "True", "True"]


def test_what_is_not_there_is_said_to_be_missing():
    with pytest.raises(AttributeError, match="module 'minigrad' has no attribute 'tensr'"):
        minigrad.tensr  # noqa: B018


def test_wheel_holds_minigrad_alone():
    try:
        distribution = importlib.metadata.distribution("minigrad")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("minigrad is not installed here")
    files = [file for file in distribution.files if "__pycache__" not in file.parts]
    assert {file.parts[0] for file in files} == {
        "minigrad",
        f"minigrad-{distribution.version}.dist-info",
    }
    assert distribution.version == project_table()["version"]
    assert "minigrad/py.typed" in [file.as_posix() for file in files]
