"""What pyproject.toml promises: tested lower bounds, a light import, a wheel of one package."""

import importlib.metadata
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def project_table():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_lower_bounds_are_the_versions_that_ci_installs():
    project = project_table()
    promised = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    lines = (ROOT / "tests" / "lower-bounds.txt").read_text(encoding="utf-8").splitlines()
    tested = [line for line in lines if line and not line.startswith("#")]
    assert tested == [requirement.replace(">=", "==") for requirement in promised]
    assert all(requirement.count(">=") == 1 for requirement in promised)


def test_import_loads_numpy_and_the_library_only():
    """Pillow, matplotlib, pooch, tqdm and safetensors load inside the functions that need them."""
    program = (
        "import sys; before = set(sys.modules); import minigrad; "
        "new = [name for name in sys.modules if name not in before]; "
        "print(*[name for name in new if getattr(sys.modules[name], '__file__', None)])"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert loaded - sys.stdlib_module_names == {"minigrad", "numpy"}


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
