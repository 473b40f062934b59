"""Networks to read, to import from a clone, and to copy. Definitions only.

| name       | input    | parameters |
|------------|----------|------------|
| `mlp`      | 28x28x1  | 101,770    |
| `lenet5`   | 28x28x1  | 61,706     |
| `tiny_cnn` | 28x28x1  | 9,098      |
| `vgg_small`| 32x32x3  | 106,538    |
"""

from .lenet5 import lenet5
from .mlp import mlp
from .tiny_cnn import tiny_cnn
from .vgg_small import vgg_small

__all__ = ["lenet5", "mlp", "tiny_cnn", "vgg_small"]
