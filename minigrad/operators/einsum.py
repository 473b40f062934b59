"""`einsum`: sums of products of any number of tensors, their axes named by letters.

`einsum` first brings what the letters say to a simpler form: no operand repeats a letter, a letter
has one size, and every letter stands in at least two places, of which the output may be one. For
that it takes the diagonal where an operand repeats a letter, and sums over letters that nobody else
has. `_contract` does the rest, and its rule is `_contract` again: an argument and the output trade
places. Every letter stays in as many places, so derivatives of any order have this form too.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..engine import Array, Differentiable, as_operand, primitive
from .linear import common_dtype, getitem, to_dtype, transpose
from .reductions import sum_over

if TYPE_CHECKING:
    from ..tensor import Tensor


@primitive
def _contract(*arrays: Array, terms: Sequence[str], output: str) -> Array:
    """np.einsum, of the form that this module's docstring describes."""
    return np.einsum(f"{','.join(terms)}->{output}", *arrays, optimize=True)


def _contract_rule(
    g: Tensor, arrays: Sequence[Any], position: int, terms: Sequence[str], output: str
) -> Tensor:
    other_arrays = [array for index, array in enumerate(arrays) if index != position]
    other_terms = [term for index, term in enumerate(terms) if index != position]
    return _contract(g, *other_arrays, terms=[output, *other_terms], output=terms[position])


_contract.defvjps(_contract_rule)


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Products of the operands' cells, summed over every letter that the output does not have.

    As `np.einsum`. Letters name the axes of each operand. A letter that an operand repeats walks
    along its diagonal, and one that several operands have goes through them together. `...` stands
    for any number of axes, which broadcast. Without `->`, the output has the axes of the ellipsis
    and the letters that occur once, in alphabetical order. Axes of size 1 broadcast.

    Args:
        subscripts: such as "ij,jk->ik".
        operands: a tensor or array per term; their dtypes are promoted as NumPy does.

    Returns:
        A tensor with an axis per letter of the output.

    Raises:
        TypeError: subscripts that are not a string.
        ValueError: subscripts that cannot be read, or do not fit the operands.

    >>> import minigrad as mg
    >>> x = mg.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> mg.einsum("ij,jk->ik", x, x)  # the matrix product
    tensor([[ 7., 10.],
            [15., 22.]], dtype=float32)
    >>> mg.einsum("ii", x)  # the trace
    tensor(5., dtype=float32)
    """
    if not isinstance(subscripts, str):
        raise TypeError(
            f'einsum: subscripts={subscripts!r} must be a string, such as "ij,jk->ik", and come '
            "before the operands"
        )
    values = [
        operand if isinstance(operand, Differentiable) else as_operand("einsum", operand)
        for operand in operands
    ]
    shapes = [np.shape(value) for value in values]
    terms, output = _read(subscripts, shapes)
    sizes = _sizes(subscripts, terms, shapes)
    dtype = common_dtype(*values)
    if dtype.kind == "b":
        dtype = np.dtype(np.int64)  # as in `sum`, booleans are counted
    tensors = [to_dtype(value, dtype) for value in values]
    for index, term in enumerate(terms):
        tensors[index], term = _diagonals(tensors[index], term)
        shape = tensors[index].shape
        repeated = {
            letter for letter, size in zip(term, shape, strict=True) if size != sizes[letter]
        }
        tensors[index], terms[index] = _sum_over(tensors[index], term, repeated)
    places = Counter("".join(terms) + output)
    for index, term in enumerate(terms):
        alone = {letter for letter in term if places[letter] == 1}
        tensors[index], terms[index] = _sum_over(tensors[index], term, alone)
    return _contract(*tensors, terms=terms, output=output)


# --- towards the simpler form ---------------------------------------------------------------------


def _diagonals(x: Any, term: str) -> tuple[Any, str]:
    """x with a single axis for each letter: the diagonal, where the term repeats one."""
    for letter, count in Counter(term).items():
        if count == 1:
            continue
        diagonal = [axis for axis in range(len(term)) if term[axis] == letter]
        others = [axis for axis in range(len(term)) if term[axis] != letter]
        # (n, n, ...) -> (n, ...): an index with the same numbers on all axes of the diagonal
        step = np.arange(x.shape[diagonal[0]])
        x = getitem(transpose(x, axes=(*diagonal, *others)), index=(step,) * count)
        term = letter + "".join(term[axis] for axis in others)
    return x, term


def _sum_over(x: Any, term: str, letters: set[str]) -> tuple[Any, str]:
    """x without the axes of these letters."""
    if not letters:
        return x, term
    axes = tuple(axis for axis, letter in enumerate(term) if letter in letters)
    return sum_over(x, axes), "".join(letter for letter in term if letter not in letters)


# --- reading subscripts ---------------------------------------------------------------------------


def _read(subscripts: str, shapes: Sequence[tuple[int, ...]]) -> tuple[list[str], str]:
    """The letters of each operand and of the output, the ellipsis spelled out in unused ones."""

    def error(problem: str) -> ValueError:
        return ValueError(f"einsum: subscripts={subscripts!r}: {problem}")

    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise error(f"{len(terms)} terms for {len(shapes)} operands; give one per operand")
    for term in (*terms, output):
        if not all(letter in string.ascii_letters for letter in term.replace("...", "", 1)):
            raise error(f"{term!r} must consist of letters, and at most one ellipsis '...'")
    # How many axes the ellipsis of each operand stands for.
    left_over = []
    for index, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        named = len(term.replace("...", ""))
        if named > len(shape) or (named < len(shape) and "..." not in term):
            raise error(
                f"{term!r} names {named} axes, and operand {index} of shape {shape} has "
                f"{len(shape)}"
                + ("" if "..." in term else "; '...' stands for axes without a name")
            )
        left_over.append(len(shape) - named)
    unused = [letter for letter in string.ascii_letters if letter not in text]
    if max(left_over) > len(unused):
        raise error(f"the ellipsis stands for {max(left_over)} axes: more than 52 letters in all")
    ellipsis = "".join(unused[: max(left_over)])
    spelled = [
        term.replace("...", ellipsis[len(ellipsis) - count :])
        for term, count in zip(terms, left_over, strict=True)
    ]
    if not arrow:
        once = [letter for letter, count in Counter("".join(terms)).items() if count == 1]
        return spelled, ellipsis + "".join(sorted(once))
    if ellipsis and "..." not in output:
        raise error(
            "the output must have the ellipsis '...' of the operands; sum over it afterwards"
        )
    for letter, count in Counter(output.replace("...", "")).items():
        if count > 1 or letter not in inputs:
            reason = (
                f"has {letter!r} twice" if count > 1 else f"has {letter!r}, which no operand has"
            )
            raise error(f"the output {output!r} {reason}")
    return spelled, output.replace("...", ellipsis)


def _sizes(
    subscripts: str, terms: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> dict[str, int]:
    """The size of every letter: that of its axes, of which those of size 1 broadcast."""
    sizes: dict[str, int] = {}
    for index, (term, shape) in enumerate(zip(terms, shapes, strict=True)):
        own: dict[str, int] = {}
        for letter, size in zip(term, shape, strict=True):
            before = own.setdefault(letter, size)
            elsewhere = sizes.get(letter, 1)
            if before == size and 1 not in (size, elsewhere):
                before = elsewhere
            if before != size:
                name = repr(letter) if letter in subscripts else "an axis of the ellipsis"
                raise ValueError(
                    f"einsum: subscripts={subscripts!r}: {name} has size {size} in operand {index} "
                    f"and {before} before; the shapes are {', '.join(map(str, shapes))}"
                )
            if elsewhere == 1:
                sizes[letter] = size
    return sizes
