"""The gradients of a matrix product."""


def matmul(x, w):
    """(N, K) @ (K, M) -> (N, M)"""
    return x @ w


def matmul_backward(g, x, w):
    """(N, M), (N, K), (K, M) -> (N, K) and (K, M)"""
    # x[n, k] occurs in y[n, m] for every m, times w[k, m]: (N, M) @ (M, K) -> (N, K)
    to_x = g @ w.T
    # w[k, m] occurs in y[n, m] for every n, times x[n, k]: (K, N) @ (N, M) -> (K, M)
    to_w = x.T @ g
    return to_x, to_w
