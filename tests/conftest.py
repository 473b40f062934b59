"""Settings of the whole test run."""

import atexit
import os
import shutil
import tempfile

import hypothesis

# Before NumPy loads: two test processes on two cores, one BLAS thread each. It also keeps sums in
# one order, so that a test that passes once passes again.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Figures are drawn into files only, so that the tests need no screen.
os.environ.setdefault("MPLBACKEND", "Agg")

# Drawn digits go into a cache of this run, not into the user's.
if "MINIGRAD_CACHE" not in os.environ:
    os.environ["MINIGRAD_CACHE"] = tempfile.mkdtemp(prefix="minigrad-tests-")
    atexit.register(shutil.rmtree, os.environ["MINIGRAD_CACHE"], ignore_errors=True)

# No deadlines: a slow machine is no failure. The same examples in every run: a failure can be
# repeated, and passing is no matter of luck.
hypothesis.settings.register_profile("minigrad", deadline=None, derandomize=True)
hypothesis.settings.load_profile("minigrad")
