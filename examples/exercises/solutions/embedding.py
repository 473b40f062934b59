"""Rows picked from a table, and their gradients added up."""

import numpy as np


def embedding(table, *, indices):
    """(V, D), (...) -> (..., D)"""
    return table[indices]


def embedding_backward(g, table, *, indices):
    """(..., D), (V, D), (...) -> (V, D)"""
    to_table = np.zeros_like(table)  # (V, D)
    # Unlike `to_table[indices] += g`, this adds once for every time that an index occurs.
    np.add.at(to_table, indices, g)
    return to_table
