"""Training loops: `fit`, `evaluate`, and the `History` they leave.

- `fit` runs epochs of forward, loss, backward and optimiser step, shows how it goes, evaluates on
  held-out data after every epoch, and can keep a checkpoint from which it goes on bit for bit.
- `evaluate` is one pass over a loader without training.
- `History` is what happened, a record per epoch, in a form that goes into JSON.
- `accuracy` is the share of rows whose largest score is at the label.
- `Diverged` is raised when the loss or the weights are no longer finite numbers.
- `read_settings` reads what the caller of `fit` had kept in a checkpoint.
"""

from .checkpoints import read_settings
from .evaluation import evaluate
from .history import History
from .loop import Diverged, fit
from .measuring import accuracy

__all__ = ["Diverged", "History", "accuracy", "evaluate", "fit", "read_settings"]
