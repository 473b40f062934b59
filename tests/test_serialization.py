"""Weight files: what comes back is what was saved, and no accident leaves half a file."""

from __future__ import annotations

import json
import os
import stat
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor, nn, serialization
from minigrad.files import whole_file
from minigrad.serialization import load_with_metadata

Array = np.ndarray[Any, Any]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.safetensors"


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape)


# --- round trips ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.array(3.5),
        np.array(-7, np.int8),
        numbers(3, 5).astype(np.float32),
        numbers(3, 5).astype(np.float16),
        numbers(3, 5),
        numbers(3, 5).T,  # column-major memory
        np.asfortranarray(numbers(2, 3, 4)),
        numbers(4, 6)[::2, 1::3],  # gaps in memory
        numbers(5)[::-1],
        numbers(2, 3, 4, 5).transpose(0, 3, 1, 2),
        np.broadcast_to(numbers(3), (4, 3)),
        np.zeros((0, 3), np.float32),
        np.zeros((2, 0, 3)),
        np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324]),
        np.array([-(2**63), 2**63 - 1]),
        np.array([2**64 - 1], np.uint64),
        np.array([True, False, True]),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}{'' if a.flags.c_contiguous else ' strided'}",
)
def test_an_array_comes_back_bit_for_bit(path: Path, array: Array) -> None:
    mg.save({"array": array}, path)
    (name, back), *rest = mg.load(path).items()
    assert (name, rest) == ("array", [])
    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    assert back.tobytes() == array.tobytes()
    back[...] = 0  # it is an array of its own, and can be written to


def test_big_endian_numbers_keep_their_values(path: Path) -> None:
    mg.save({"array": np.array([1.5, -2.0], ">f8")}, path)
    assert mg.load(path)["array"].tolist() == [1.5, -2.0]


def test_many_arrays_of_different_dtypes(path: Path) -> None:
    arrays = {
        "b.long": np.arange(3),
        "a": numbers(2, 3).astype(np.float32),
        "mask": np.array([True]),
        "ü 名": np.array(2.0),
        "": np.zeros(0),
    }
    mg.save(arrays, path)
    back = mg.load(path)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array)


def test_tensors_lists_and_nothing_at_all(path: Path) -> None:
    mg.save({"tensor": Tensor([1.0, 2.0], requires_grad=True), "list": [1, 2]}, path)
    back = mg.load(path)
    assert back["tensor"].dtype == np.float32 and back["tensor"].tolist() == [1.0, 2.0]
    assert back["list"].dtype == np.int64
    mg.save({}, path)
    assert mg.load(path) == {}


def test_a_module_comes_back_with_its_running_statistics(path: Path) -> None:
    def network() -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2D(2, 3, (3, 5)), nn.BatchNorm(3), nn.Flatten(), nn.Dense(60, 4)
        )

    source, target = network(), network()
    x = numbers(6, 4, 5, 2).astype(np.float32)
    source(x)
    mg.save(source, path)
    target.load_state_dict(mg.load(path))
    np.testing.assert_array_equal(target.eval()(x).data, source.eval()(x).data)


def test_metadata(path: Path) -> None:
    mg.save({"a": np.zeros(2)}, path, metadata={"model": "lenet5", "notes": "ü\n{}"})
    arrays, metadata = load_with_metadata(path)
    assert list(arrays) == ["a"]
    assert metadata == {"model": "lenet5", "notes": "ü\n{}"}
    mg.save({"a": np.zeros(2)}, path)
    assert load_with_metadata(path)[1] == {}


def test_equal_weights_make_equal_files(path: Path) -> None:
    """Whatever the order: two runs can be compared by their files' checksums."""
    arrays = {name: numbers(3, index + 1) for index, name in enumerate("hgfedcba")}
    words = {name: "ü\n\x7f" + name for name in "stuvwxyz"}
    contents = set()
    for _ in range(5):
        mg.save(arrays, path, words)
        contents.add(path.read_bytes())
    mg.save(dict(reversed(arrays.items())), path, dict(reversed(words.items())))
    contents.add(path.read_bytes())
    assert len(contents) == 1
    assert load_with_metadata(path)[1] == words


def test_the_format_is_safetensors_as_published(path: Path) -> None:
    """Read without the package: 8 bytes of length, a JSON header, then the arrays' bytes."""
    mg.save({"a": np.arange(6, dtype=np.float32).reshape(2, 3).T}, path, metadata={"k": "v"})
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    assert header["__metadata__"] == {"k": "v"}
    assert header["a"] == {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]}
    assert length % 8 == 0
    assert struct.unpack("<6f", raw[8 + length :]) == (0.0, 3.0, 1.0, 4.0, 2.0, 5.0)


def test_missing_folders_are_made(tmp_path: Path) -> None:
    mg.save({"a": np.zeros(2)}, tmp_path / "new" / "folder" / "w.safetensors")
    assert list(mg.load(str(tmp_path / "new" / "folder" / "w.safetensors"))) == ["a"]


# --- what cannot be saved -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "metadata", "quoted"),
    [
        ([np.zeros(2)], None, "save: expected a Module or a dict of arrays, got list"),
        (np.zeros(2), None, "got ndarray"),
        ({"a": np.array(["x"])}, None, "save: a .*dtype <U1.*real numbers"),
        ({"a": np.zeros(1), "b": None}, None, "save: b .*dtype object"),
        ({"a": np.zeros(1, complex)}, None, "save: a .*dtype complex128"),
        pytest.param(
            {"a": np.zeros(1, np.longdouble)},
            None,
            "save: a has dtype (float128|float96)",
            marks=pytest.mark.skipif(
                np.dtype(np.longdouble).itemsize == 8, reason="a long double is a double here"
            ),
        ),
        ({1: np.zeros(2)}, None, "save: .*names must be strings.*1"),
        ({"__metadata__": np.zeros(2)}, None, "save: .*__metadata__"),
        ({"a": np.zeros(2)}, {"epoch": 3}, "save: metadata .*strings.*'epoch': 3"),
    ],
)
def test_refusals_leave_the_old_file(path: Path, state: Any, metadata: Any, quoted: str) -> None:
    mg.save({"old": np.arange(3)}, path)
    with pytest.raises(TypeError, match=quoted):
        mg.save(state, path, metadata)
    assert list(mg.load(path)) == ["old"]
    assert os.listdir(path.parent) == [path.name]


# --- what cannot be loaded ------------------------------------------------------------------------


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"load: no file {path}"):
        mg.load(path)
    with pytest.raises(FileNotFoundError, match="load: no file"):
        mg.load(path.parent)


def test_a_file_cut_off_anywhere(path: Path) -> None:
    mg.save({"a": numbers(2, 3), "b": np.ones(3, bool)}, path, metadata={"k": "v"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="is damaged or no safetensors file"):
            mg.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match=f"load: {path} is damaged"):
        mg.load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a weight file at all, but text",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"PK\x03\x04" + bytes(100),
        b"\xff" * 100,
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2**40) + b"{}",
    ],
)
def test_a_file_of_something_else(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"load: {path} is damaged or no safetensors file"):
        mg.load(path)


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3"])
def test_a_dtype_that_numpy_does_not_have(path: Path, dtype: str) -> None:
    size = 2 if dtype == "BF16" else 1
    header = json.dumps({"a": {"dtype": dtype, "shape": [3], "data_offsets": [0, 3 * size]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode() + bytes(3 * size))
    with pytest.raises(ValueError, match=f"load: {path} holds a dtype that NumPy does not have"):
        mg.load(path)


# --- interruptions --------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["writing", "moving"])
@pytest.mark.parametrize("existing", [True, False])
def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, where: str, existing: bool
) -> None:
    if existing:
        mg.save({"old": np.arange(3)}, path)

    def write_half(self: Path, content: bytes) -> int:
        with open(self, "wb") as file:
            file.write(content[: len(content) // 2])
        raise error

    def fail(*arguments: Any) -> None:
        raise error

    if where == "writing":
        monkeypatch.setattr(Path, "write_bytes", write_half)
    else:
        monkeypatch.setattr(serialization.os, "replace", fail)
    with pytest.raises(type(error)):
        mg.save({"new": np.zeros(1000)}, path)
    monkeypatch.undo()
    assert os.listdir(path.parent) == ([path.name] if existing else [])
    if existing:
        assert mg.load(path)["old"].tolist() == [0, 1, 2]


def test_while_it_is_written_the_old_file_is_there(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("old")
    with whole_file(path) as temporary:
        Path(temporary).write_text("new")
        assert path.read_text() == "old"
        assert Path(temporary).suffix == ".txt"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["notes.txt"]


def test_saving_onto_a_folder_fails_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        mg.save({"a": np.zeros(2)}, tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_the_file_gets_the_mode_that_any_new_file_gets(path: Path) -> None:
    """A temporary file is private; weights should be as readable as what `open` makes."""
    (path.parent / "other").write_text("")
    mg.save({"a": np.zeros(2)}, path)
    modes = {stat.S_IMODE(os.stat(file).st_mode) for file in (path, path.parent / "other")}
    assert len(modes) == 1
