"""embedding: rows picked from a table, some of them again and again.

A word's vector is a row of a table: table[indices]. A word that occurs three times in a batch has
used its row three times, and all three send a gradient back to it.

A warning: NumPy's `a[indices] += b` adds only once to a cell that `indices` names repeatedly: it
reads all cells, adds, and writes them back.

To read:  `getitem` and `scatter_add` in minigrad/operators/linear.py
Check:    python -m examples.exercises check embedding
"""

import numpy as np


def embedding(table: np.ndarray, *, indices: np.ndarray) -> np.ndarray:
    """(V, D), with indices of any shape (...) -> (..., D). (Given.)"""
    return table[indices]


def embedding_backward(g: np.ndarray, table: np.ndarray, *, indices: np.ndarray) -> np.ndarray:
    """The gradient with respect to the table.

    g: (..., D), the gradient with respect to the rows that were picked
    table: (V, D), of which only the shape matters here
    indices: (...), integers in [0, V)
    returns: (V, D), zero in rows that were not picked
    """
    raise NotImplementedError
