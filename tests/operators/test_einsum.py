"""`mg.einsum` against `np.einsum`, against plain loops, and its derivatives to third order."""

import itertools
import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

import minigrad as mg
from tests.derivatives import check_derivatives

# Per line the subscripts, and the shapes of the operands.
SUBSCRIPTS = [
    ("ij,jk->ik", (2, 3), (3, 5)),  # the matrix product
    ("ij,jk", (2, 3), (3, 5)),
    ("ba,cb", (2, 3), (5, 2)),  # implicit output in alphabetical order: ac
    ("bij,bjk->bik", (2, 3, 5), (2, 5, 4)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 6), (2, 3, 5, 6)),
    ("i,j->ij", (3,), (5,)),
    ("i,i", (5,), (5,)),
    ("i,i->i", (5,), (5,)),
    ("ij->ji", (2, 3)),
    ("ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ijk->j", (2, 3, 5)),
    ("ij->ij", (2, 3)),
    # repeated letters
    ("ii", (4, 4)),
    ("ii->i", (4, 4)),
    ("iji->j", (4, 3, 4)),
    ("iji->ij", (4, 3, 4)),
    ("ijiki->kj", (3, 2, 3, 5, 3)),
    ("ijij->ij", (2, 3, 2, 3)),
    ("ii,i->i", (4, 4), (4,)),
    ("ijj,jk->ik", (2, 3, 3), (3, 5)),
    # letters that one operand alone has, and the output not
    ("ij,k->i", (2, 3), (5,)),
    ("ijk,jl->jl", (2, 3, 5), (3, 4)),
    ("iij,k->", (4, 4, 3), (5,)),
    # three operands and more
    ("ij,jk,kl->il", (2, 3), (3, 5), (5, 4)),
    ("i,j,k->kji", (2,), (3,), (5,)),
    ("i,i,i->", (5,), (5,), (5,)),
    ("ij,j,i,jk->k", (2, 3), (3,), (2,), (3, 5)),
    # the ellipsis
    ("...ij,...jk->...ik", (2, 3, 5), (2, 5, 4)),
    ("...ij,jk->...ik", (6, 2, 3, 5), (5, 4)),
    ("...,...", (2, 3), (2, 3)),
    ("i...->...i", (2, 3, 5)),
    ("i...->...", (2, 3, 5)),
    ("...i", (2, 3, 5)),
    ("ii...->i...", (4, 4, 3)),
    ("i...j,j...->i...", (2, 3, 5), (5, 3)),
    ("i,j->ij...", (2,), (3,)),
    # axes of size 1 and missing ones broadcast
    ("...i,...i->...", (2, 1, 5), (3, 5)),
    ("...i,...->i...", (2, 5), ()),
    ("...ij,...jk->...ik", (7, 1, 2, 3), (4, 3, 5)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,ij->i", (2, 1), (2, 3)),
    ("ij,ij->ij", (2, 1), (1, 3)),
    ("ij,jk->k", (2, 1), (3, 5)),
    ("ii,ij->j", (1, 1), (3, 5)),
    # nothing to name
    ("->", ()),
    ("", ()),
    (",->", (), ()),
    (",ij->ji", (), (2, 3)),
    (" i j , j k -> i k ", (2, 3), (3, 5)),
    ("aB,Bc", (2, 3), (3, 5)),  # capitals come first: ac
    ("zA", (2, 3)),
]


def arrays_of(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape)) for shape in shapes]


def names(cases):
    return [pytest.param(*case, id=f"{case[0]} {case[1]}") for case in cases]


CASES = names([(subscripts, shapes) for subscripts, *shapes in SUBSCRIPTS])


@pytest.mark.parametrize(("subscripts", "shapes"), CASES)
def test_values_are_those_of_numpy(subscripts, shapes):
    arrays = arrays_of(shapes)
    out = mg.einsum(subscripts, *map(mg.Tensor, arrays))
    expected = np.einsum(subscripts, *arrays)
    assert out.shape == np.shape(expected)
    assert type(out.data) is np.ndarray
    np.testing.assert_allclose(out.data, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("subscripts", "shapes"), CASES)
def test_derivatives(subscripts, shapes):
    check_derivatives(lambda *tensors: mg.einsum(subscripts, *tensors), arrays_of(shapes), order=2)


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    names(
        [
            ("iji,jk,k->ki", [(4, 3, 4), (3, 5), (5,)]),
            ("...ij,...jk,l->...ik", [(2, 1, 2, 3), (4, 3, 5), (6,)]),
        ]
    ),
)
def test_third_derivatives(subscripts, shapes):
    check_derivatives(lambda *tensors: mg.einsum(subscripts, *tensors), arrays_of(shapes), order=3)


def test_one_tensor_as_several_operands():
    check_derivatives(lambda x: mg.einsum("ij,jk,ki->j", x, x, x), arrays_of([(4, 4)]), order=3)


def loops(terms, output, sizes, arrays):
    """The definition: for every value of every letter, one product, added where the output says."""
    letters = sorted(sizes)
    out = np.zeros([sizes[letter] for letter in output])
    for values in itertools.product(*(range(sizes[letter]) for letter in letters)):
        at = dict(zip(letters, values, strict=True))
        out[tuple(at[letter] for letter in output)] += math.prod(
            array[tuple(at[letter] for letter in term)]
            for term, array in zip(terms, arrays, strict=True)
        )
    return out


@st.composite
def explicit_subscripts(draw):
    """Terms of up to four letters, of sizes 0 to 3 in no order, and some of them as the output."""
    sizes = dict(
        zip("qcxa", draw(st.permutations([2, 3, 1, draw(st.integers(0, 3))])), strict=True)
    )
    terms = draw(st.lists(st.text("qcxa", max_size=4), min_size=1, max_size=3))
    used = sorted(set("".join(terms)))
    output = "".join(draw(st.permutations(used)))[: draw(st.integers(0, len(used)))]
    return terms, output, sizes


@hypothesis.given(explicit_subscripts(), st.integers(0, 100))
def test_any_explicit_subscripts_are_the_loops(drawn, seed):
    terms, output, sizes = drawn
    arrays = arrays_of([[sizes[letter] for letter in term] for term in terms], seed)
    used = {letter: size for letter, size in sizes.items() if letter in "".join(terms)}
    out = mg.einsum(f"{','.join(terms)}->{output}", *map(mg.Tensor, arrays))
    expected = loops(terms, output, used, arrays)
    assert out.shape == expected.shape
    np.testing.assert_allclose(out.data, expected, rtol=1e-12, atol=1e-12)


@hypothesis.settings(max_examples=40)
@hypothesis.given(explicit_subscripts(), st.integers(0, 100))
def test_any_explicit_subscripts_have_derivatives(drawn, seed):
    terms, output, sizes = drawn
    arrays = arrays_of([[sizes[letter] for letter in term] for term in terms], seed)
    subscripts = f"{','.join(terms)}->{output}"
    check_derivatives(lambda *tensors: mg.einsum(subscripts, *tensors), arrays, order=2)


# --- dtypes and other operands --------------------------------------------------------------------


def test_dtypes_are_promoted_and_gradients_come_back_in_their_own():
    x = mg.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    y = mg.Tensor(np.ones((3, 5)), requires_grad=True)
    out = mg.einsum("ij,jk->ik", x, y)
    assert out.dtype == np.float64
    out.backward(np.random.default_rng(0).standard_normal((2, 5)))
    assert (x.grad.dtype, y.grad.dtype) == (np.float32, np.float64)


def test_float32_stays_float32():
    x = mg.Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    out = mg.einsum("ij,jk,k,,->i", x, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1.0, 2.0], 2, 0.5)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out.data, [33, 33])


def test_integers_stay_integers_and_booleans_are_counted():
    numbers = mg.Tensor([[1, 2, 3], [4, 5, 6]])
    out = mg.einsum("ij->j", numbers)
    assert out.dtype == np.int64
    assert out.data.tolist() == [5, 7, 9]
    flags = mg.Tensor(np.array([True, True, False]))
    assert mg.einsum("i,i", flags, flags).item() == 2
    assert mg.einsum("i->", flags).item() == 2


def test_constants_are_not_recorded():
    assert not mg.einsum("ij->i", np.ones((2, 3))).requires_grad
    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.no_grad():
        assert not mg.einsum("ij->i", x).requires_grad


def test_empty_axes():
    out = mg.einsum("ij,jk->ik", np.ones((2, 0)), np.ones((0, 3)))
    np.testing.assert_array_equal(out.data, np.zeros((2, 3)))
    check_derivatives(lambda x: mg.einsum("ij->i", x), [np.ones((2, 0))], order=1)


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subscripts", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3)], r"'ij,jk->ik': 2 terms for 1 operands; give one per operand"),
        ("ij", [], r"'ij': 1 terms for 0 operands"),
        (
            "ij->i",
            [(2, 3, 5)],
            r"'ij' names 2 axes, and operand 0 of shape \(2, 3, 5\) has 3; '...'",
        ),
        (
            "i,jkl...->",
            [(2,), (3, 5)],
            r"'jkl...' names 3 axes, and operand 1 of shape \(3, 5\) has 2",
        ),
        ("i1->i", [(2, 3)], r"'i1' must consist of letters, and at most one ellipsis"),
        ("..i->i", [(2, 3)], r"'..i' must consist of letters"),
        ("...i...->i", [(2, 3)], r"'...i...' must consist of letters"),
        ("ij->i->j", [(2, 3)], r"'i->j' must consist of letters"),
        ("ij->ii", [(2, 3)], r"the output 'ii' has 'i' twice"),
        ("ij->ik", [(2, 3)], r"the output 'ik' has 'k', which no operand has"),
        ("...i->i", [(2, 3)], r"the output must have the ellipsis"),
        (
            "ij,jk->ik",
            [(2, 3), (4, 5)],
            r"'j' has size 4 in operand 1 and 3 before; the shapes are \(2, 3\), \(4, 5\)",
        ),
        ("ii->i", [(2, 3)], r"'i' has size 3 in operand 0 and 2 before; the shapes are \(2, 3\)"),
        ("ii->i", [(1, 3)], r"'i' has size 3 in operand 0 and 1 before"),
        (
            "...,...->...",
            [(2, 3), (4, 3)],
            r"an axis of the ellipsis has size 4 in operand 1 and 2",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(subscripts, shapes, message):
    with pytest.raises(ValueError, match=f"einsum: subscripts=.*{message}"):
        mg.einsum(subscripts, *(mg.Tensor(np.ones(shape)) for shape in shapes))


def test_subscripts_must_be_a_string():
    with pytest.raises(TypeError, match=r"einsum: subscripts=tensor.* must be a string, such as"):
        mg.einsum(mg.Tensor([1.0]), "i->i")


def test_operands_must_be_numbers():
    with pytest.raises(TypeError, match="einsum: expected real numbers"):
        mg.einsum("i->i", "text")
