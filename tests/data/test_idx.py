"""IDX files: written here byte by byte, read back by `load_idx`; damage of every kind is named."""

import gzip
import struct

import numpy as np
import pytest

from minigrad.data import load_idx

CODES = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}
DTYPES = {"B": "uint8", "b": "int8", "h": "int16", "i": "int32", "f": "float32", "d": "float64"}


def idx_bytes(code, shape, numbers):
    """An IDX file, by `struct` and not by NumPy."""
    header = bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + struct.pack(f">{len(numbers)}{CODES[code]}", *numbers)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_kind_of_number_comes_back(tmp_path, code, compressed):
    numbers = [1, 2, 3, 100, 5, 6] if code == 0x08 else [1, -2, 3, 100, -5, 6]
    content = idx_bytes(code, (3, 1, 2), numbers)
    file = tmp_path / "numbers.idx"  # the name does not say whether it is compressed
    file.write_bytes(gzip.compress(content) if compressed else content)
    array = load_idx(file)
    assert array.tolist() == np.reshape(numbers, (3, 1, 2)).tolist()
    assert array.dtype == DTYPES[CODES[code]]
    assert array.dtype.isnative


def test_an_empty_array_comes_back(tmp_path):
    file = tmp_path / "empty"
    file.write_bytes(idx_bytes(0x08, (0, 28, 27), []))
    assert load_idx(file).shape == (0, 28, 27)


GOOD = idx_bytes(0x08, (2, 3), [1, 2, 3, 4, 5, 6])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD[:-1], ["truncated", "(2, 3)", "18 bytes", "has 17"]),
        (GOOD[:7], ["truncated", "7 bytes", "12"]),
        (GOOD + b"x", ["too long", "18 bytes", "has 19"]),
        (b"\0\0\x07\x02" + GOOD[4:], ["not an IDX file", "00 00 07 02"]),
        (b"\x01\0\x08\x02" + GOOD[4:], ["not an IDX file", "01 00 08 02"]),
        (b"\0\0\x08\0", ["not an IDX file"]),
        (b"", ["not an IDX file"]),
        (b"<html>no such page</html>", ["not an IDX file"]),
        (gzip.compress(GOOD, mtime=0)[:-9], ["damaged"]),
        # the sizes of a header are checked before anything of that size is made
        (b"\0\0\x08\x03" + b"\xff" * 12, ["truncated", "4294967295"]),
        # more axes, or larger ones, than NumPy has
        (idx_bytes(0x08, (1,) * 255, [7]), ["states shape (1, 1, ", "255 axes", "no array"]),
        (
            idx_bytes(0x08, (0, 2**32 - 1, 2**32 - 1), []),
            ["states shape (0, 4294967295, 4294967295)", "which no array can have"],
        ),
        (idx_bytes(0x08, (2,) * 255, []), ["truncated", "255 axes"]),
    ],
)
def test_damage_is_named(tmp_path, content, said):
    file = tmp_path / "damaged.gz"
    file.write_bytes(content)
    with pytest.raises(ValueError) as error:
        load_idx(file)
    for words in ["load_idx: ", *said, str(file)]:
        assert words in str(error.value)
    assert len(str(error.value)) < 300 + len(str(file))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"load_idx: no file .*nothing\.gz"):
        load_idx(tmp_path / "nothing.gz")
