"""What programs that take picture files share: `load_picture`."""

from __future__ import annotations

import sys
import warnings
from typing import Any

import numpy as np

from minigrad import data


def load_picture(path: str, **options: Any) -> np.ndarray[Any, Any]:
    """`mg.data.load_image`; what it warns of is a line on stderr, without the code around it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        picture = data.load_image(path, **options)
    for warning in caught:
        print(warning.message, file=sys.stderr)
    return picture
