"""Data: images and labels as arrays, and loaders that serve them in batches of Tensors.

- `digits`: handwritten-looking digits that the library draws itself, no download.
- `mnist`, `fashion_mnist`: from a folder or downloaded once; `load_idx` reads one file.
- `scene`: a picture that the library draws itself, for filters to work on.
- `load_image`, `save_image`: picture files as arrays.
- `TensorDataset`, `DataLoader`, `train_test_split`: from arrays to batches.
"""

from .digits import digits
from .downloads import fashion_mnist, mnist
from .idx import load_idx
from .images import load_image, save_image
from .loader import DataLoader, TensorDataset, train_test_split
from .scene import scene

__all__ = [
    "DataLoader",
    "TensorDataset",
    "digits",
    "fashion_mnist",
    "load_idx",
    "load_image",
    "mnist",
    "save_image",
    "scene",
    "train_test_split",
]
