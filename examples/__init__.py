"""Programs to run from a clone: `python -m examples.NAME --help`."""
