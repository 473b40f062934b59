"""Settings of the whole test run."""

import os

import hypothesis

# Before NumPy loads: two test processes on two cores, one BLAS thread each. It also keeps sums in
# one order, so that a test that passes once passes again.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Figures are drawn into files only, so that the tests need no screen.
os.environ.setdefault("MPLBACKEND", "Agg")

# No deadlines: a slow machine is no failure. The same examples in every run: a failure can be
# repeated, and passing is no matter of luck.
hypothesis.settings.register_profile("minigrad", deadline=None, derandomize=True)
hypothesis.settings.load_profile("minigrad")
