"""matmul: the gradients of a matrix product.

y = x @ w is what a dense layer computes: a row of x per item, a column of w per output.

    y[n, m] = sum over k of x[n, k] * w[k, m]

How fast does y[n, m] grow with x[n, k]? With w[k, m]? Follow every cell of x to the cells of y in
which it occurs; write the sum down, and it is a matrix product again. The shapes leave hardly any
choice, which is why the check uses no square matrices.

To read:  `rows_matmul` and `outer_sum` in minigrad/operators/linear.py
Check:    python -m examples.exercises check matmul
"""

import numpy as np


def matmul(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(N, K) @ (K, M) -> (N, M). (Given.)"""
    return x @ w


def matmul_backward(g: np.ndarray, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The gradients with respect to x and w.

    g: (N, M), the gradient with respect to x @ w
    returns: (N, K) and (K, M)
    """
    raise NotImplementedError
