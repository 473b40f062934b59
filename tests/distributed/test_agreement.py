"""`check_agreement`: silent where ranks agree, and the same clear error on all where not."""

import numpy as np
import pytest

from minigrad import distributed
from minigrad.distributed import agreement

from .launch import needs_mpi, on_ranks

IMAGES = np.arange(4 * 5 * 3, dtype=np.float32).reshape(4, 5, 3)


def disagreements():
    """What is said of facts that differ in one thing each, by rank."""
    rank = distributed.rank()
    other = IMAGES.copy()
    other[3, 4, 2] += rank == 2
    cases = {
        "nothing": {"the seed": 7, "the data": IMAGES, "lr": 0.1, "the name": "a", "none": None},
        "a number": {"the epochs": 3, "the seed": [0, 7, 0][rank]},
        "a string": {"the optimiser": f"kind {rank}"},
        "a cell": {"the data": other},
        "a shape": {"the data": IMAGES[rank // 2 :]},
        "a dtype": {"the data": IMAGES.astype("float64" if rank else "float32")},
        "an order of axes": {"the data": IMAGES if rank else IMAGES.transpose(1, 0, 2).copy("C")},
        "memory": {"the data": IMAGES if rank else np.asfortranarray(IMAGES)},
        "a missing name": {"the seed": 0} if rank else {},
    }
    results = {}
    for name, facts in cases.items():
        try:
            distributed.check_agreement("fit", facts)
            results[name] = "agreed"
        except ValueError as error:
            results[name] = str(error)
    return results


def disagreements_in_large_data():
    """Of arrays in which items 1 and 3 differ by rank, or items 0 and 2."""
    agreement.ALL_OF_IT = 100  # of 240 bytes, every second item is compared
    odd = np.arange(4) % 2
    results = {}
    for name, items in (("odd", odd), ("even", 1 - odd)):
        try:
            data = IMAGES + (items * distributed.rank()).reshape(4, 1, 1)
            distributed.check_agreement("fit", {"the data": data})
            results[name] = "agreed"
        except ValueError as error:
            results[name] = str(error)
    return results


@needs_mpi
def test_of_large_data_items_at_even_distances_are_compared():
    for result in on_ranks(2, disagreements_in_large_data):
        assert result["odd"] == "agreed"
        assert str(result["even"]).startswith("fit: ranks disagree on the data: float64 of shape")


@needs_mpi
def test_ranks_that_disagree_say_on_what():
    results = on_ranks(3, disagreements)
    said = {name: str(text) for name, text in results[0].items()}
    for result in results[1:]:
        assert {name: str(text) for name, text in result.items()} == said
    assert said["nothing"] == said["memory"] == "agreed"
    seed = "fit: ranks disagree on the seed: "
    assert said["a number"] == seed + "0 on ranks 0 and 2, 7 on rank 1"
    assert said["a missing name"] == seed + "nothing on rank 0, 0 on ranks 1 and 2"
    assert said["a string"] == (
        "fit: ranks disagree on the optimiser: 'kind 0' on rank 0, 'kind 1' on rank 1, 'kind 2' "
        "on rank 2"
    )
    data = "fit: ranks disagree on the data: "
    first = "float32 of shape (4, 5, 3) with checksum "
    assert said["a cell"].startswith(data + first)
    assert "on ranks 0 and 1, " + first in said["a cell"] and said["a cell"].endswith(" on rank 2")
    assert "on ranks 0 and 1, float32 of shape (3, 5, 3) with" in said["a shape"]
    assert "on rank 0, float64 of shape (4, 5, 3) with" in said["a dtype"]
    assert said["an order of axes"].startswith(data + "float32 of shape (5, 4, 3) with")


def test_alone_there_is_nobody_to_disagree_with():
    distributed.check_agreement("fit", {"the seed": 0})


@pytest.mark.parametrize("array", [np.array(3.0), np.zeros((0, 5)), np.arange(6)[::-2]])
def test_arrays_of_any_kind_have_a_checksum(array):
    described = agreement._describe_array(array)
    assert described == agreement._describe_array(array.copy())
    assert described.startswith(f"{array.dtype} of shape {array.shape} with checksum ")
