"""`load_idx`: arrays from files in the IDX format, which MNIST comes in.

A file begins with two zero bytes, one for the kind of number, one for how many axes there are; then
the size of every axis as a big-endian 32-bit integer; then the numbers, big-endian, in row-major
order.
(Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits".)
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np

# The third byte of a file, and what it stands for.
DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}

GZIP_MAGIC = b"\x1f\x8b"


def load_idx(path: str | os.PathLike[str]) -> np.ndarray[Any, Any]:
    """The array in an IDX file, plain or compressed with gzip.

    Args:
        path: of the file; whether it is compressed is seen from its content.

    Returns:
        An array of the shape and kind of number the file states, in the machine's byte order.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not in this format, damaged, or longer or shorter than it says.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_idx: no file {name}")
    content = Path(path).read_bytes()
    if content.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"load_idx: {name} is damaged: {error}") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in DTYPES or not content[3]:
        raise ValueError(
            f"load_idx: {name} is not an IDX file: it begins with bytes {content[:4].hex(' ')!r}, "
            f"where 00 00, one of {', '.join(f'{code:02x}' for code in DTYPES)}, and a number of "
            "axes belong"
        )
    dtype, axes = np.dtype(DTYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise ValueError(
            f"load_idx: {name} is truncated: {len(content)} bytes, and {start} of header"
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, offset=4))
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise ValueError(
            f"load_idx: {name} is {'truncated' if len(content) < expected else 'too long'}: it "
            f"states shape {_described(shape)} of {dtype.name}, {expected} bytes in all, "
            f"and has {len(content)}"
        )
    numbers = np.frombuffer(content, dtype, offset=start).astype(dtype.newbyteorder("="))
    try:
        return numbers.reshape(shape)
    except ValueError:  # more axes than NumPy has, or, though it is empty, too large ones
        raise ValueError(
            f"load_idx: {name} states shape {_described(shape)}, which no array can have"
        ) from None


def _described(shape: tuple[int, ...]) -> str:
    """A shape, for errors; of many axes, which only a damaged file states, the first."""
    if len(shape) <= 8:
        return str(shape)
    return f"({', '.join(map(str, shape[:8]))}, ...) of {len(shape)} axes"
