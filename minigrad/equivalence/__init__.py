"""A convolution is a dense layer with a sparse and shared matrix: shown, counted, differentiated.

- The matrix: `conv_index_map` and `conv_index_triplets` say which kernel parameter sits where;
  `conv_matrix` and `sparse_conv_matrix` lay a kernel out, differentiably; `tie_gradient` adds the
  gradient of a matrix up into that of its kernel.
- The layers: `conv_to_dense`, `untie` (the same function with its ties cut), `nearest_conv` (how
  much of a dense layer is a convolution).
- The numbers: `compare_conv_dense` counts a network beside its dense twin.
- The borders: `explain_padding` draws what "SAME" means here, in TensorFlow and in PyTorch.

Images are (H, W, C), kernels (kh, kw, C / groups, F). The matrix is (H*W*C, OH*OW*F) and multiplies
flattened images from the right, as the weight of `nn.Dense` does; the article draws its transpose.

>>> import numpy as np
>>> import minigrad as mg
>>> x = mg.Tensor(np.arange(24.0).reshape(1, 4, 6, 1))
>>> kernel = mg.Tensor(np.array([[1.0, -1.0, 0.5]]).reshape(1, 3, 1, 1))
>>> as_dense = x.reshape(1, 24) @ conv_matrix(kernel, (4, 6, 1))
>>> bool(np.allclose(as_dense.data, mg.functional.conv2d(x, kernel).data.reshape(1, 24)))
True
"""

from .counting import ConvDenseComparison, LayerCounts, compare_conv_dense
from .explain import PaddingExplanation, explain_padding
from .index_map import IndexTriplets, conv_index_map, conv_index_triplets
from .matrix import SparseConvMatrix, conv_matrix, sparse_conv_matrix, tie_gradient
from .projection import conv_to_dense, nearest_conv, untie

__all__ = [
    "ConvDenseComparison",
    "IndexTriplets",
    "LayerCounts",
    "PaddingExplanation",
    "SparseConvMatrix",
    "compare_conv_dense",
    "conv_index_map",
    "conv_index_triplets",
    "conv_matrix",
    "conv_to_dense",
    "explain_padding",
    "nearest_conv",
    "sparse_conv_matrix",
    "tie_gradient",
    "untie",
]
