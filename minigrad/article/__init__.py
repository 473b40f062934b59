"""The functions of the article, under its names and signatures, and put right.

- `get_padding`, `conv`, `conv_matmul`: padding, the window that slides, the window unfolded.
- `conv1`, `conv2`: the kernel as a matrix, and `conv_matmul` with its arguments swapped.
- `from_image`, `to_image`: picture files as whole numbers from 0 to 255, and back.
- `convolve`, `WAYS`: one switch between six ways to compute the same.
- `FILTERS`: kernels that people have thought up for images.

They work on plain NumPy arrays: one image (H, W) or (H, W, C), one kernel (kh, kw) or (kh, kw, C),
one map (H', W') out. There is no batch, no bias and no gradient: `F.conv2d` has those.

>>> import numpy as np
>>> image = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]])
>>> kernel = np.array([[4, 6], [7, 9]])
>>> conv(image, kernel, stride=1, mode="VALID")
array([[1190., 1919.],
       [ 909., 1344.]])
>>> all(np.allclose(convolve(image, kernel, way=way), conv(image, kernel, 1)) for way in WAYS)
True
"""

from .filters import FILTERS
from .functions import conv, conv1, conv2, conv_matmul, from_image, to_image
from .preparation import get_padding
from .ways import WAYS, convolve

__all__ = [
    "FILTERS",
    "WAYS",
    "conv",
    "conv1",
    "conv2",
    "conv_matmul",
    "convolve",
    "from_image",
    "get_padding",
    "to_image",
]
