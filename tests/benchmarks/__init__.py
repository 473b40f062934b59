"""Programs that time things, `python -m tests.benchmarks.NAME`. They print; tests check results."""
