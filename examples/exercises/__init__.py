"""Exercises: write an operator and its gradient with NumPy, and have both checked.

    python -m examples.exercises
    python -m examples.exercises check relu

- `tasks`: what you edit, a file per exercise; each stands alone
- `solutions`: how it can be done
- `catalogue`: the exercises, and what each is checked with
- `checker`, `values`, `student`: checking a file, comparing values, running a student's code
"""
