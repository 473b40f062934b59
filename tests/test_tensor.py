"""`Tensor` itself: making one, getting numbers out, NumPy's conventions, and what is refused."""

import numpy as np
import pytest

import minigrad as mg
from minigrad import Tensor


def ones(*shape):
    return Tensor(np.ones(shape))


# --- making tensors -------------------------------------------------------------------------------


def test_arrays_are_shared():
    array = np.arange(6.0).reshape(2, 3)
    tensor = Tensor(array)
    assert tensor.data is array
    array[0, 0] = 9
    assert tensor[0, 0].item() == 9
    again = Tensor(tensor, requires_grad=True)
    assert again.data is array
    assert again.is_leaf
    assert not tensor.requires_grad


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1.5, 2], np.float32),
        ([[1.5], [2.5]], np.float32),
        ((1.5, np.float64(2.5)), np.float32),
        (3, np.int64),
        ([1, 2], np.int64),
        (True, np.bool_),
        (np.float64(1.5), np.float64),
        (np.int8(3), np.int8),
        (np.ones(2), np.float64),
        (np.ones(2, np.float16), np.float16),
        (np.ones((2, 3), np.uint8), np.uint8),
        (range(3), np.int64),
        ([Tensor([1.0, 2.0]), Tensor([3.0, 4.0])], np.float32),
    ],
    ids=repr,
)
def test_dtypes(data, dtype):
    tensor = mg.tensor(data)
    assert type(tensor) is Tensor
    assert tensor.dtype == dtype
    np.testing.assert_array_equal(tensor.numpy(), np.asarray(data).astype(dtype))


def test_dtype_given():
    assert Tensor([1, 2], dtype=np.float64).dtype == np.float64
    assert Tensor(1.5, dtype=np.float64).item() == 1.5
    assert Tensor(0.1, dtype=np.float64).item() == 0.1  # not by way of float32
    array = np.ones(3, np.float32)
    assert Tensor(array, dtype=np.float32).data is array
    assert Tensor(array, dtype="float64").dtype == np.float64
    leaf = Tensor([1, 2], requires_grad=True, dtype=np.float32)
    assert leaf.requires_grad


@pytest.mark.parametrize("swapped", [">", "<"])
def test_any_byte_order_can_be_differentiated(swapped):
    array = np.arange(6.0).reshape(2, 3).astype(f"{swapped}f4")
    for x in (
        Tensor(array, requires_grad=True),
        Tensor(array.astype(np.float64), requires_grad=True, dtype=f"{swapped}f4"),
    ):
        assert x.dtype is np.dtype(np.float32)  # as operators ask it of tensors that are alike
        (x * x).sum().backward()
        np.testing.assert_array_equal(x.grad.data, 2 * np.arange(6).reshape(2, 3))
    leaf = Tensor(np.ones((2, 3), np.float32), requires_grad=True)
    (leaf.astype(f"{swapped}f8") * array).sum().backward()
    np.testing.assert_array_equal(leaf.grad.data, array)


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (
            TypeError,
            "Tensor: expected real numbers, got NoneType of dtype object: None",
            lambda: Tensor(None),
        ),
        (
            TypeError,
            "Tensor: expected real numbers, got str of dtype <U1: '3'",
            lambda: Tensor("3"),
        ),
        (
            TypeError,
            "Tensor: expected real numbers, got list of dtype complex128: [1j]",
            lambda: Tensor([1j]),
        ),
        (
            TypeError,
            "Tensor: cannot hold dtype complex64; tensors hold real numbers",
            lambda: Tensor(1.0, dtype=np.complex64),
        ),
        (
            TypeError,
            "Tensor: cannot hold dtype complex128; tensors hold real numbers",
            lambda: Tensor(np.complex128(1j)),
        ),
        (
            TypeError,
            "astype: cannot hold dtype object; tensors hold real numbers",
            lambda: Tensor(1.0).astype(object),
        ),
        (
            TypeError,
            "Tensor: dtype='foo' is none that NumPy knows",
            lambda: Tensor([1.0, 2.0], dtype="foo"),
        ),
        (
            TypeError,
            "astype: dtype='foo' is none that NumPy knows",
            lambda: Tensor([1.0, 2.0]).astype("foo"),
        ),
        (
            ValueError,
            "Tensor: only floating-point tensors can require grad, and this one is int64; convert "
            "it with dtype=np.float32",
            lambda: Tensor([1, 2], requires_grad=True),
        ),
    ],
)
def test_what_no_tensor_can_be_made_of(error, message, make):
    with pytest.raises(error) as caught:
        make()
    assert str(caught.value) == message


def test_uneven_lists_are_refused():
    with pytest.raises(
        ValueError, match=r"Tensor: cannot make an array of \[\[1.0\], \[1.0, 2.0\]\]"
    ):
        Tensor([[1.0], [1.0, 2.0]])


# --- getting numbers out --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1.0, 2.5]), "tensor([1. , 2.5], dtype=float32)"),
        (
            Tensor(np.array([[1.0, 2.0], [3.0, 4.0]])),
            "tensor([[1., 2.],\n        [3., 4.]], dtype=float64)",
        ),
        (Tensor([1, 2]), "tensor([1, 2])"),
        (Tensor(3), "tensor(3)"),
        (Tensor([True]), "tensor([ True])"),
        (Tensor(2.0, requires_grad=True), "tensor(2., dtype=float32, requires_grad=True)"),
        (Tensor(np.zeros((0, 3))), "tensor([], dtype=float64)"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_single_numbers():
    x = Tensor([[2.5]], requires_grad=True)
    assert (x.item(), float(x), int(x), bool(x)) == (2.5, 2.5, 2, True)
    assert type(x.item()) is float
    assert not Tensor(0)
    assert [10, 20, 30][Tensor(2)] == 30
    with pytest.raises(ValueError, match=r"Tensor.item: holds 3 numbers, shape \(3,\), not one"):
        ones(3).item()
    with pytest.raises(ValueError, match=r"holds 0 numbers, shape \(0, 2\)"):
        bool(ones(0, 2))
    with pytest.raises(TypeError):
        [10, 20, 30][Tensor(2.0)]


def test_sizes():
    x = ones(2, 3, 5)
    assert (x.shape, x.ndim, x.size, len(x)) == ((2, 3, 5), 3, 30, 2)
    with pytest.raises(TypeError, match=r"len\(\) of a 0-d tensor"):
        len(Tensor(1.0))
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(Tensor(1.0))


def test_arrays_out():
    array = np.arange(3.0)
    x = Tensor(array, requires_grad=True)
    assert x.detach().numpy() is array
    assert x.detach().is_leaf
    assert not x.detach().requires_grad
    with pytest.raises(ValueError) as error:
        x.numpy()
    assert str(error.value) == (
        "Tensor.numpy: this tensor requires grad, and what NumPy does is not recorded; use "
        ".detach().numpy()"
    )
    constant = Tensor(array)
    assert np.asarray(constant) is array
    assert np.array(constant) is not array
    assert np.asarray(constant, np.float32).dtype == np.float32


def test_detach_stops_the_gradient():
    x = Tensor([2.0, 3.0], requires_grad=True)
    (x * x.detach()).sum().backward()
    assert x.grad.data.tolist() == [2, 3]


def test_equality_is_of_cells_and_hashing_of_objects():
    x, y = Tensor([1.0, 2.0]), Tensor([1.0, 3.0])
    assert (x == y).data.tolist() == [True, False]
    assert (x != y).data.tolist() == [False, True]
    assert {x: "x", y: "y"}[x] == "x"
    assert len({x, y, x}) == 2


def test_there_is_no_writing_in_place():
    x = Tensor([1.0, 2.0])
    before, array = x, x.data
    x += 1
    assert x is not before
    assert array.tolist() == [1, 2]
    with pytest.raises(TypeError, match="does not support item assignment"):
        x[0] = 3.0


# --- integers and booleans count as in NumPy ------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64, np.bool_])
@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "mean", "var", "max", "min"])
def test_reductions_of_integers(name, dtype):
    """A sum of bytes that stayed in bytes would wrap: the mean of a white image was 20.8."""
    array = np.array([[100, 120, 7], [90, 1, 125]]).astype(dtype)
    for axis in (None, 0, 1):
        out = getattr(Tensor(array), name)(axis)
        expected = np.asarray(getattr(np, name)(array, axis))
        assert out.dtype == expected.dtype
        np.testing.assert_allclose(out.data, expected, rtol=1e-14)


def test_functions_of_integers():
    x = Tensor([1, 2, 4])
    for name in ("exp", "log", "sqrt", "sigmoid", "tanh", "sin"):
        out = getattr(x, name)()
        assert out.dtype == np.float64
        np.testing.assert_array_equal(out.data, getattr(x.astype(float), name)().data)
    assert x.reciprocal().data.tolist() == [1, 0.5, 0.25]
    assert x.logsumexp().item() == pytest.approx(np.log(np.exp([1, 2, 4]).sum()))
    assert x.clip(1.5, 3.5).data.tolist() == [1.5, 2, 3.5]
    assert (x**2).data.tolist() == [1, 4, 16]
    assert x.square().dtype == np.int64


# --- reductions: exactness and edges --------------------------------------------------------------


def test_averages_of_equal_numbers_are_exact():
    """49 * (1/49) is not 1: the mean divides, so that equal numbers have no variance."""
    for count in (3, 49, 107):
        x = ones(2, count)
        assert x.mean(1).data.tolist() == [1, 1]
        assert not x.var(1).data.any()


def test_reductions_of_nothing():
    x = ones(0, 3)
    assert x.sum().item() == 0
    assert x.sum(0).data.tolist() == [0, 0, 0]
    assert x.prod(0, keepdims=True).data.tolist() == [[1, 1, 1]]
    assert x.logsumexp(0).data.tolist() == [-np.inf] * 3
    for name in ("mean", "var", "std", "max", "min", "argmax"):
        pattern = r"there is nothing to reduce in axes \(0,\) of shape \(0, 3\)"
        with pytest.raises(ValueError, match=pattern):
            getattr(x, name)(0)
        assert getattr(x, name)(1).shape == (0,)


def test_gradients_of_empty_reductions():
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    for name in ("sum", "prod"):
        out = getattr(x, name)(0)
        assert mg.grad(out, x, np.ones(3)).shape == (0, 3)
    assert mg.grad(x.max(1), x, np.ones(0)).shape == (0, 3)


def test_logsumexp_and_softplus_do_not_overflow():
    for big in (1e4, 1e30):
        x = Tensor(
            np.array([[big, big], [-big, -big], [big, -big]], np.float32), requires_grad=True
        )
        out = x.logsumexp(1)
        np.testing.assert_allclose(out.data, [big + np.log(2), -big + np.log(2), big], rtol=1e-6)
        gradient = mg.grad(out, x, np.ones(3, np.float32))
        assert gradient.data.tolist() == [[0.5, 0.5], [0.5, 0.5], [1, 0]]
    masked = Tensor(np.array([-np.inf, 0.0, -np.inf]), requires_grad=True)
    out = masked.logsumexp()
    assert out.item() == 0
    assert mg.grad(out, masked).data.tolist() == [0, 1, 0]
    assert Tensor(np.array([-np.inf, -np.inf])).logsumexp().item() == -np.inf
    assert Tensor(np.array([np.inf, 0.0])).logsumexp().item() == np.inf


def test_sigmoid_and_tanh_at_the_ends():
    for dtype in (np.float32, np.float64):
        x = Tensor(np.array([-1e4, -30.0, 0.0, 30.0, 1e4], dtype), requires_grad=True)
        out = x.sigmoid()
        np.testing.assert_allclose(out.data, [0, np.exp(-30), 0.5, 1, 1], rtol=1e-6)
        assert np.isfinite(mg.grad(out, x, np.ones(5, dtype)).data).all()
        assert np.isfinite(mg.grad(x.tanh(), x, np.ones(5, dtype)).data).all()


def test_variance_needs_more_numbers_than_ddof():
    with pytest.raises(ValueError, match="var: ddof=3 must be below the number of values, 3"):
        ones(2, 3).var(1, ddof=3)


# --- what is refused ------------------------------------------------------------------------------

X = ones(2, 3, 5)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ValueError,
            "sum: axis=3 does not exist in a tensor of 3 axes",
            lambda: X.sum(3),
        ),
        (ValueError, "max: axis=(0, -3) names an axis twice", lambda: X.max((0, -3))),
        (
            TypeError,
            "mean: axis=1.0: expected None, an int or a tuple of ints",
            lambda: X.mean(1.0),
        ),
        (TypeError, "argmax: axis=(0, 1): expected one int", lambda: X.argmax((0, 1))),
        (
            ValueError,
            "argmax: axis=-4 does not exist in a tensor of 3 axes",
            lambda: X.argmax(-4),
        ),
        (TypeError, "cumsum: axis=(0, 1): expected one int", lambda: X.cumsum((0, 1))),
        (
            ValueError,
            "reshape: (2, 3, 5) cannot be read as (7, -1): the numbers of cells must be equal, and "
            "one size at most may be -1",
            lambda: X.reshape(7, -1),
        ),
        *(
            (
                ValueError,
                f"reshape: {shape} cannot be read as {wanted}: the numbers of cells must be equal, "
                "and one size at most may be -1",
                lambda shape=shape, wanted=wanted: Tensor(np.ones(shape)).reshape(wanted),
            )
            for shape, wanted in [
                ((1,), (-1, -1, -1)),
                ((6,), (-1, -2)),
                ((6,), (-1, -2, -3)),
                ((0,), (-1, 0)),
            ]
        ),
        (TypeError, "reshape: shape (2.0, 15) must hold integers", lambda: X.reshape(2.0, 15)),
        (
            ValueError,
            "transpose: axes=(0, 1) must name each of 3 axes once",
            lambda: X.transpose(0, 1),
        ),
        (
            ValueError,
            "transpose: axis=(0, 1, 1) names an axis twice",
            lambda: X.transpose((0, 1, 1)),
        ),
        (
            ValueError,
            "squeeze: axis 1 of shape (2, 3, 5) has size 3, not 1",
            lambda: X.squeeze(-2),
        ),
        (
            ValueError,
            "expand_dims: axis=4 does not exist in a tensor of 4 axes",
            lambda: X.expand_dims(4),
        ),
        (
            ValueError,
            "broadcast_to: shape (2, 3, 5) does not broadcast to (3, 5)",
            lambda: X.broadcast_to((3, 5)),
        ),
        (
            ValueError,
            "broadcast_to: shape (2, 3, 5) does not broadcast to (2, 4, 5)",
            lambda: X.broadcast_to((2, 4, 5)),
        ),
        (
            ValueError,
            "broadcast_to: shape (1,) does not broadcast to (-1,)",
            lambda: ones(1).broadcast_to((-1,)),
        ),
        (
            ValueError,
            "broadcast_to: shape (3,) does not broadcast to (-1, 3)",
            lambda: ones(3).broadcast_to((-1, 3)),
        ),
        (
            ValueError,
            "pad: pad_width=((1, 2), (3, 4)) must hold (before, after), not negative, for each of "
            "the 3 axes of shape (2, 3, 5), or once for all of them",
            lambda: X.pad(((1, 2), (3, 4))),
        ),
        (
            ValueError,
            "pad: pad_width=-1 must hold (before, after), not negative, for each of the 3 axes of "
            "shape (2, 3, 5), or once for all of them",
            lambda: X.pad(-1),
        ),
        (
            TypeError,
            "pad: expected real numbers, got str of dtype <U1: 'a'",
            lambda: X.pad(1, value="a"),
        ),
        (
            ValueError,
            "clip: min and max are both None; give at least one bound",
            lambda: X.clip(),
        ),
        (
            ValueError,
            "clip: max of shape (3,) does not fit into x of shape (2, 3, 5)",
            lambda: X.clip(0, np.zeros(3)),
        ),
        (
            ValueError,
            "clip: min of shape (1, 2, 3, 5) does not fit into x of shape (2, 3, 5)",
            lambda: X.clip(np.zeros((1, 2, 3, 5))),
        ),
        (
            ValueError,
            "clip: min of shape () requires grad, and bounds get no gradient; use maximum and "
            "minimum, or detach it",
            lambda: X.clip(Tensor(0.0, requires_grad=True)),
        ),
        (
            ValueError,
            "flip: axis=5 does not exist in a tensor of 3 axes",
            lambda: X.flip(5),
        ),
        (ValueError, "concatenate: got no tensors", lambda: mg.concatenate([])),
        (
            ValueError,
            "concatenate: shapes (2, 3, 5), (2, 4, 5) must be equal but for axis 2",
            lambda: mg.concatenate([X, ones(2, 4, 5)], -1),
        ),
        (
            ValueError,
            "concatenate: axis=0 does not exist in a tensor of 0 axes",
            lambda: mg.concatenate([Tensor(1.0), Tensor(2.0)]),
        ),
        (
            TypeError,
            "concatenate: tensors=3 must be a sequence of Tensors, such as [x, y]",
            lambda: mg.concatenate(3),
        ),
        (ValueError, "stack: got no tensors", lambda: mg.stack([])),
        (
            TypeError,
            "stack: tensors=3 must be a sequence of Tensors, such as [x, y]",
            lambda: mg.stack(3),
        ),
        (
            ValueError,
            "stack: shapes (2, 3, 5), (3, 5) must be equal",
            lambda: mg.stack([X, ones(3, 5)]),
        ),
        (
            ValueError,
            "stack: axis=4 does not exist in a tensor of 4 axes",
            lambda: mg.stack([X, X], 4),
        ),
        (
            ValueError,
            "where: shapes (4,) and (2, 3, 5) do not broadcast together; aligned at the last axis, "
            "sizes must be equal or 1",
            lambda: mg.where([True] * 4, X, 0.0),
        ),
        (
            TypeError,
            "where: expected real numbers, got str of dtype <U1: 'a'",
            lambda: mg.where("a", X, X),
        ),
        (
            ValueError,
            "power: integers have no negative integer powers; the base has dtype int64: make it "
            "floating point",
            lambda: Tensor([2, 3]) ** -1,
        ),
        (
            ValueError,
            "power: integers have no negative integer powers; the base has dtype int16: make it "
            "floating point",
            lambda: Tensor(np.array([2, 3], np.int16)) ** np.array([1, -1], np.int16),
        ),
        (TypeError, "var: ddof must be a number, got 'a' (str)", lambda: X.var(ddof="a")),
        (TypeError, "var: ddof must be a number, got 'a' (str)", lambda: X.std(ddof="a")),
        (
            ValueError,
            "matmul: shapes (2, 3, 5) @ (3, 5): the inner sizes 5 and 3 differ",
            lambda: X @ ones(3, 5),
        ),
        (
            ValueError,
            "matmul: shapes (2, 3, 5) @ (4, 5, 3): the leading axes (2,) and (4,) do not broadcast "
            "together",
            lambda: X @ ones(4, 5, 3),
        ),
        (
            ValueError,
            "matmul: shapes (2, 3, 5) @ (): use * to multiply by a number",
            lambda: X @ 2,
        ),
        (
            ValueError,
            "matmul: shapes () @ (5,): use * to multiply by a number",
            lambda: mg.matmul(2.0, ones(5)),
        ),
    ],
)
def test_refused(error, message, call):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_indices_out_of_range():
    with pytest.raises(IndexError, match="index 7 is out of bounds for axis 1 with size 3"):
        X[:, 7]
    with pytest.raises(IndexError):
        X[0, 0, 0, 0]
    with pytest.raises(IndexError, match="must be of integer"):
        X[Tensor([1.0])]


# --- defaults, and sizes of 0 ---------------------------------------------------------------------


def test_defaults_are_those_of_numpy():
    x = np.random.default_rng(0).standard_normal((2, 3, 5))
    for name in ("sum", "mean", "var", "std", "max", "min", "prod", "argmax", "cumsum", "squeeze"):
        expected = getattr(np, name)(x)
        np.testing.assert_allclose(getattr(Tensor(x), name)().data, expected, rtol=1e-12)
    np.testing.assert_array_equal(Tensor(x).flip().data, np.flip(x))
    np.testing.assert_array_equal(Tensor(x).pad(1).data, np.pad(x, 1))
    np.testing.assert_array_equal(mg.stack([x, x]).data, np.stack([x, x]))
    np.testing.assert_array_equal(mg.concatenate([x, x]).data, np.concatenate([x, x]))


def test_broadcasting_to_nothing():
    x = Tensor(np.ones((1, 3)), requires_grad=True)
    out = x.broadcast_to((0, 3))
    assert out.shape == (0, 3)
    assert mg.grad(out, x, np.ones((0, 3))).data.tolist() == [[0, 0, 0]]


# --- choices --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "y", "dtype"),
    [
        (1.0, 0.0, np.float32),
        (1, 0.0, np.float32),
        (1, 0, np.int64),
        (np.float64(1), 0.0, np.float32),
        (np.float32(1), np.float64(0), np.float32),
        (True, False, np.bool_),
    ],
)
def test_where_of_numbers_makes_what_the_library_makes(x, y, dtype):
    out = mg.where([True, False, True], x, y)
    assert out.dtype == dtype
    assert out.data.tolist() == [x, y, x]


def test_conditions_are_truth_values():
    x = Tensor([1.0, 2.0, 3.0])
    for condition in ([1, 0, 2], Tensor([0.5, 0.0, -1.0]), np.array([True, False, True])):
        assert mg.where(condition, x, -x).data.tolist() == [1, -2, 3]


def test_membership_and_loops():
    x = Tensor([1.0, 2.0])
    assert 2.0 in x
    assert 3.0 not in x
    assert [part.item() for part in x] == [1, 2]


# --- empty batches pass through operators ---------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * 2 + 1,
        lambda x: x.exp().relu(),
        lambda x: x.sum(1),
        lambda x: x.max(1),
        lambda x: x.logsumexp(1),
        lambda x: x @ np.ones((3, 5)),
        lambda x: np.ones((2, 3)) @ x.expand_dims(2),
        lambda x: x.reshape(-1, 3, 1).transpose(0, 2, 1),
        lambda x: x.reshape(0, 1, 3),
        lambda x: x.pad(((0, 0), (1, 2))),
        lambda x: x[:, [0, 0]],
        lambda x: x[[]],
        lambda x: mg.concatenate([x, x]),
        lambda x: mg.stack([x, x], 2),
        lambda x: x.cumsum(1).flip(),
        lambda x: mg.where(x > 0, x, 0.0),
    ],
)
def test_empty_batches(function):
    x = Tensor(np.ones((0, 3)), requires_grad=True)
    out = function(x)
    assert out.size == 0
    assert mg.grad(out, x, np.ones(out.shape)).shape == (0, 3)
