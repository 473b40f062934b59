"""conv_backward: the two gradients of a convolution, with stride and padding.

    out[n, i, j, f] = sum over a, b, c of
                      padded[n, i * stride[0] + a, j * stride[1] + b, c] * kernel[a, b, c, f]

The function is given below, as plain as it gets: two loops over the positions of the window, and a
dense layer in each. Both gradients can be written with the same two loops. At every position,

- the window sent its cells through the kernel to out[:, i, j]: what comes back to the window?
  Windows overlap.
- the kernel was used, as it is at all other positions, with all images: what comes back to it?

And the padding has to come off again at the end.

(Textbooks write the gradient of x as a convolution with the flipped kernel. It is the same sum,
sorted by cells of x. With a stride, that way needs zeros between the cells of g.)

To read:  `conv2d` in minigrad/functional.py; it is im2col and a matrix product, so it needs no rule
Check:    python -m examples.exercises check conv_backward
"""

import numpy as np


def conv(
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    stride: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> np.ndarray:
    """(N, H, W, C), (KH, KW, C, F) -> (N, OH, OW, F). (Given.)

    pads: ((top, bottom), (left, right))
    """
    padded = np.pad(x, ((0, 0), *pads, (0, 0)))
    kh, kw, _, filters = kernel.shape
    oh = (padded.shape[1] - kh) // stride[0] + 1
    ow = (padded.shape[2] - kw) // stride[1] + 1
    out = np.zeros((len(x), oh, ow, filters))
    for i in range(oh):
        for j in range(ow):
            top, left = i * stride[0], j * stride[1]
            window = padded[:, top : top + kh, left : left + kw]  # (N, KH, KW, C)
            # (N, KH, KW, C) and (KH, KW, C, F), summed over the three axes they share -> (N, F)
            out[:, i, j] = np.tensordot(window, kernel, axes=3)
    return out


def conv_backward(
    g: np.ndarray,
    x: np.ndarray,
    kernel: np.ndarray,
    *,
    stride: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[np.ndarray, np.ndarray]:
    """The gradients with respect to x and kernel.

    g: (N, OH, OW, F), the gradient with respect to conv(x, kernel, ...)
    returns: (N, H, W, C) and (KH, KW, C, F)
    """
    raise NotImplementedError
