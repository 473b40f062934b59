"""Losses and other functions: values known by heart, extreme numbers, and what is refused.

Values against oracles and derivatives are in `tests/operators`; here are the numbers that a wrong
function with a right derivative would miss, and inputs at which formulas overflow.
"""

import math

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import Tensor


def value_and_gradient(function, *arrays, dtype=np.float32):
    """A loss of some arrays, and its gradient for the first."""
    first = Tensor(np.asarray(arrays[0], dtype), requires_grad=True)
    out = function(first, *arrays[1:])
    assert out.dtype == dtype
    return out.data, mg.grad(out, first, np.ones(out.shape, dtype)).data


# --- cross entropy --------------------------------------------------------------------------------


def test_cross_entropy_of_known_numbers():
    equal = F.cross_entropy(np.zeros((2, 10)), [3, 7])
    assert equal.item() == pytest.approx(math.log(10), rel=1e-15)
    one = F.cross_entropy(np.array([[1.0, 2.0, 3.0]]), [2])
    assert one.item() == pytest.approx(0.4076059644443804, rel=1e-15)
    rows = F.cross_entropy(np.array([[1.0, 2, 3], [1.0, 2, 3]]), [2, 0], reduction="none")
    np.testing.assert_allclose(rows.data, [0.40760596444438, 2.40760596444438], rtol=1e-13)
    assert F.cross_entropy(np.array([[1.0, 2, 3], [1.0, 2, 3]]), [2, 0]).item() == pytest.approx(
        1.4076059644443804
    )
    total = F.cross_entropy(np.array([[1.0, 2, 3], [1.0, 2, 3]]), [2, 0], "sum")
    assert total.item() == pytest.approx(2.8152119288887608)


# article: L8
def test_softmax_is_of_every_row_by_itself():
    """tinynn-autograd summed over the whole batch, which no gradient check can see."""
    x = np.random.default_rng(0).standard_normal((7, 5))
    np.testing.assert_allclose(F.softmax(x).data.sum(1), np.ones(7))
    np.testing.assert_allclose(np.exp(F.log_softmax(x).data).sum(1), np.ones(7))
    labels = np.array([0, 4, 2, 2, 1, 3, 0])
    together = F.cross_entropy(x, labels, "none").data
    alone = [F.cross_entropy(x[i : i + 1], labels[i : i + 1]).item() for i in range(7)]
    np.testing.assert_allclose(together, alone, rtol=1e-14)
    # Another row changes nothing.
    x[3] = 50
    np.testing.assert_allclose(
        F.cross_entropy(x, labels, "none").data[:3], together[:3], rtol=1e-14
    )


def test_cross_entropy_is_nll_of_log_softmax():
    x = np.random.default_rng(0).standard_normal((3, 4, 5))
    labels = np.random.default_rng(1).integers(0, 5, (3, 4))
    for reduction in ("mean", "sum", "none"):
        fused = F.cross_entropy(x, labels, reduction).data
        np.testing.assert_allclose(F.nll_loss(F.log_softmax(x), labels, reduction).data, fused)


def test_the_gradient_of_cross_entropy_is_softmax_minus_one_hot():
    x = np.random.default_rng(0).standard_normal((3, 5))
    labels = [4, 0, 2]
    _, gradient = value_and_gradient(F.cross_entropy, x, labels, dtype=np.float64)
    expected = (F.softmax(x).data - F.one_hot(labels, 5).data) / 3
    np.testing.assert_allclose(gradient, expected, rtol=1e-13, atol=1e-16)
    assert abs(gradient.sum(1)).max() < 1e-16


# article: B13
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_of_logits_of_10000(dtype):
    logits = [[1e4, -1e4, 0.0], [1e4, -1e4, 0.0], [-1e4, -1e4, -1e4], [0.0, 1e4, 1e4]]
    items, gradient = value_and_gradient(
        lambda x, labels: F.cross_entropy(x, labels, "none"), logits, [0, 1, 2, 2], dtype=dtype
    )
    np.testing.assert_allclose(items, [0, 2e4, math.log(3), math.log(2)], rtol=1e-6)
    third = 1 / 3
    expected = [[0, 0, 0], [1, -1, 0], [third, third, third - 1], [0, 0.5, -0.5]]
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)
    for function in (F.softmax, F.log_softmax):
        out, slope = value_and_gradient(function, logits, dtype=dtype)
        assert np.isfinite(out).all()
        assert np.isfinite(slope).all()


def test_second_derivatives_at_large_logits_are_finite():
    x = Tensor(np.array([[1e4, 1e4, -1e4]], np.float32), requires_grad=True)
    slope = mg.grad(F.cross_entropy(x, [0]), x, create_graph=True)
    curvature = mg.grad(slope, x, np.array([[1.0, 0, 0]], np.float32))
    np.testing.assert_allclose(curvature.data, [[0.25, -0.25, 0]])


def test_masked_logits():
    """-inf excludes a class; its gradient is 0."""
    items, gradient = value_and_gradient(F.cross_entropy, [[0.0, -np.inf, 0.0]], [2])
    assert items == pytest.approx(math.log(2))
    assert gradient.tolist() == [[0.5, 0, -0.5]]
    out, gradient = value_and_gradient(F.softmax, [[0.0, -np.inf, 0.0]])
    assert out.tolist() == [[0.5, 0, 0.5]]
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32, np.uint64])
def test_labels_of_any_integer_dtype(dtype):
    labels = np.array([2, 0, 1]).astype(dtype)
    x = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    for given in (labels, Tensor(labels), labels.tolist()):
        for loss in (F.cross_entropy, F.nll_loss):
            assert loss(x, given).item() == loss(x, [2, 0, 1]).item()
        assert F.one_hot(given, 4).data.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0]]


# --- other losses ---------------------------------------------------------------------------------


def test_losses_of_known_numbers():
    prediction, target = np.array([1.0, 2.0, 5.0]), np.array([1.5, 2.0, 2.0])
    assert F.mse_loss(prediction, target).item() == pytest.approx((0.25 + 0 + 9) / 3)
    assert F.l1_loss(prediction, target).item() == pytest.approx((0.5 + 0 + 3) / 3)
    assert F.huber_loss(prediction, target).item() == pytest.approx((0.125 + 0 + 2.5) / 3)
    assert F.huber_loss(prediction, target, 0.25).item() == pytest.approx(
        (0.25 * 0.375 + 0 + 0.25 * 2.875) / 3
    )
    bce = F.binary_cross_entropy_with_logits(np.zeros(3), np.array([0.0, 1.0, 0.3]))
    assert bce.item() == pytest.approx(math.log(2))
    one = F.binary_cross_entropy_with_logits(np.array([1.0]), np.array([1.0]))
    assert one.item() == pytest.approx(0.31326168751822286)


def test_huber_of_a_large_difference_does_not_overflow():
    items, gradient = value_and_gradient(F.huber_loss, [1e30, -1e30], [0.0, 0.0], 2.0, "none")
    np.testing.assert_allclose(items, [2e30, 2e30], rtol=1e-6)
    assert gradient.tolist() == [2, -2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_cross_entropy_of_logits_of_10000(dtype):
    items, gradient = value_and_gradient(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, "none"),
        [1e4, 1e4, -1e4, -1e4],
        [1.0, 0.0, 0.0, 1.0],
        dtype=dtype,
    )
    assert items.tolist() == [0, 1e4, 0, 1e4]
    assert gradient.tolist() == [0, 1, 0, -1]


def test_small_binary_cross_entropies_keep_their_digits():
    """softplus(z) - t z in float32 is off by 1 % at z = 10: two large numbers that cancel."""
    logits, targets = [10.0, -10.0, 20.0], [1.0, 0.0, 1.0]
    items, _ = value_and_gradient(
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, "none"), logits, targets
    )
    expected = [math.log1p(math.exp(-10)), math.log1p(math.exp(-10)), math.log1p(math.exp(-20))]
    np.testing.assert_allclose(items, expected, rtol=1e-6)


# --- activations at the ends ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [F.relu, F.leaky_relu, F.elu, F.gelu, F.silu, F.softplus, F.sigmoid, F.tanh],
)
def test_activations_of_large_numbers(function):
    """No overflow on the way, which NumPy would report, and none in the gradient."""
    x = [-1e9, -1e4, -100.0, 0.0, 100.0, 1e4, 1e9]
    out, gradient = value_and_gradient(function, x)
    assert np.isfinite(out).all()
    assert np.isfinite(gradient).all()
    assert abs(out[0]) <= 1 or function is F.leaky_relu
    assert gradient[-1] in (0, 1)


def test_activations_of_known_numbers():
    assert F.elu(np.array([-1.0, 2.0]), 1.5).data.tolist() == [1.5 * math.expm1(-1), 2]
    assert F.leaky_relu(np.array([-2.0, 3.0]), 0.25).data.tolist() == [-0.5, 3]
    assert F.softplus(np.zeros(1)).item() == pytest.approx(math.log(2))
    assert F.silu(np.ones(1)).item() == pytest.approx(0.7310585786300049)
    assert F.gelu(np.ones(1)).item() == pytest.approx(0.8411919906082768)  # erf: 0.8413447


# --- dropout --------------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps():
    x = Tensor(np.full((200, 300), 3.0, np.float32), requires_grad=True)
    out = F.dropout(x, 0.3, rng=np.random.default_rng(0))
    kept = out.data != 0
    assert abs(kept.mean() - 0.7) < 0.01
    np.testing.assert_allclose(out.data[kept], 3 / 0.7, rtol=1e-6)
    gradient = mg.grad(out, x, np.full((200, 300), 2.0, np.float32)).data
    np.testing.assert_allclose(gradient, np.where(kept, 2 / 0.7, 0), rtol=1e-6)


def test_dropout_is_repeatable_and_off_in_evaluation():
    x = Tensor(np.ones((20, 30), np.float32))
    first = F.dropout(x, 0.5, rng=np.random.default_rng(3)).data
    np.testing.assert_array_equal(F.dropout(x, 0.5, rng=np.random.default_rng(3)).data, first)
    mg.manual_seed(3)
    first = F.dropout(x, 0.5).data
    assert (F.dropout(x, 0.5).data != first).any()
    mg.manual_seed(3)
    np.testing.assert_array_equal(F.dropout(x, 0.5).data, first)
    assert F.dropout(x, 0.5, training=False) is x
    assert F.dropout(x, 0.0) is x


def test_dropout_does_not_depend_on_memory_order():
    x = np.ones((4, 5, 6), np.float32)
    plain = F.dropout(x, 0.5, rng=np.random.default_rng(3)).data
    turned = F.dropout(np.asfortranarray(x), 0.5, rng=np.random.default_rng(3)).data
    np.testing.assert_array_equal(plain, turned)


# --- what is refused ------------------------------------------------------------------------------

SCORES = np.zeros((3, 5))


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (ValueError, "label 5 is not in [0, 5): there are 5 classes", (SCORES, [0, 5, 1])),
        (ValueError, "label -1 is not in [0, 5): there are 5 classes", (SCORES, [0, -1, 7])),
        (
            ValueError,
            "labels of shape (2,) do not fit scores of shape (3, 5): one label per row of the last "
            "axis, shape (3,)",
            (SCORES, [0, 1]),
        ),
        (
            ValueError,
            "labels of shape (3, 1) do not fit scores of shape (3, 5): one label per row of the "
            "last axis, shape (3,)",
            (SCORES, [[0], [1], [2]]),
        ),
        (
            ValueError,
            "scores of shape (2, 0) have no classes: the last axis must hold at least one",
            (SCORES[:2, :0], [0, 0]),
        ),
        (
            TypeError,
            "expected real numbers, got list of dtype <U1: ['0', '1', '2']",
            (SCORES, ["0", "1", "2"]),
        ),
        (
            ValueError,
            "labels of shape () do not fit scores of shape (): one label per row of the last axis, "
            "shape ()",
            (np.array(1.0), 0),
        ),
        (TypeError, "labels of dtype float64 must be integers", (SCORES, [0.0, 1.0, 2.0])),
        (TypeError, "labels of dtype bool must be integers", (SCORES, [True, False, True])),
        (ValueError, "the batch is empty, shape (0, 5): it has no loss", (SCORES[:0], [])),
        (
            ValueError,
            "the batch is empty, shape (0, 5): it has no loss",
            (SCORES[:0], np.zeros(0, int), "none"),
        ),
        (
            ValueError,
            'reduction=\'avg\' must be "mean", "sum" or "none"',
            (SCORES, [0, 1, 2], "avg"),
        ),
    ],
)
def test_refused_by_losses_with_labels(name, error, message, arguments):
    with pytest.raises(error) as caught:
        getattr(F, name)(*arguments)
    assert str(caught.value) == f"{name}: {message}"


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_labels_of_uneven_length(name):
    with pytest.raises(ValueError, match=rf"^{name}: cannot make an array of \[\[0\], \[1, 2\]\]"):
        getattr(F, name)(SCORES, [[0], [1, 2]])


def test_one_hot_needs_the_memory_of_its_result_only():
    rows = F.one_hot([999_999], 1_000_000).data  # a square matrix would take 3.64 TiB
    assert rows.shape == (1, 1_000_000)
    assert np.flatnonzero(rows).tolist() == [999_999]


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_refused_by_losses_of_two_tensors(name):
    loss = getattr(F, name)
    for target, shape in ((np.ones(5), "(5,)"), (np.ones((3, 1)), "(3, 1)"), (1.0, "()")):
        with pytest.raises(ValueError) as error:
            loss(SCORES, target)
        assert str(error.value) == (
            f"{name}: prediction of shape (3, 5) and target of shape {shape} must be equal in "
            "shape; they are not broadcast"
        )
    with pytest.raises(ValueError, match=rf"{name}: the batch is empty, shape \(0, 5\): it has no"):
        loss(SCORES[:0], SCORES[:0])
    with pytest.raises(
        ValueError, match=rf'{name}: reduction=None must be "mean", "sum" or "none"'
    ):
        loss(SCORES, SCORES, reduction=None)


def test_refused_by_binary_cross_entropy():
    loss = F.binary_cross_entropy_with_logits
    with pytest.raises(
        ValueError, match=r"logits of shape \(3, 5\) and target of shape \(5,\) must"
    ):
        loss(SCORES, np.zeros(5))
    with pytest.raises(ValueError, match=r"target has values from -0.5 to 2.0; they are probabil"):
        loss(SCORES, np.linspace(-0.5, 2, 15).reshape(3, 5))
    with pytest.raises(ValueError, match="target has values from nan to nan"):
        loss(SCORES, np.full((3, 5), np.nan))
    with pytest.raises(ValueError, match=r"with_logits: the batch is empty, shape \(0, 5\)"):
        loss(SCORES[:0], SCORES[:0])


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ValueError,
            "linear: x of shape (3, 5) does not fit weight of shape (4, 2): weight must be "
            "(in_features, out_features), and the last axis of x have in_features cells",
            lambda: F.linear(SCORES, np.ones((4, 2))),
        ),
        (
            ValueError,
            "linear: bias of shape (1,) must have shape (2,)",
            lambda: F.linear(SCORES, np.ones((5, 2)), np.ones(1)),
        ),
        (
            ValueError,
            "one_hot: label 5 is not in [0, 5): there are 5 classes",
            lambda: F.one_hot([0, 5], 5),
        ),
        (
            TypeError,
            "one_hot: labels of dtype float64 must be integers",
            lambda: F.one_hot([0.0, 1.0], 5),
        ),
        (
            ValueError,
            "one_hot: classes=-1 must be at least 1",
            lambda: F.one_hot([0, 1], -1),
        ),
        (
            TypeError,
            "one_hot: classes=2.5 must be an int, not float",
            lambda: F.one_hot([0, 1], 2.5),
        ),
        (
            ValueError,
            "col2im: input_shape=5 must be (N, H, W, C)",
            lambda: F.col2im(np.ones((2, 4, 6, 12)), 5, 2),
        ),
        (
            TypeError,
            "col2im: input_shape=5.0 must be an int, not float",
            lambda: F.col2im(np.ones((2, 4, 6, 12)), (2, 5.0, 7, 3), 2),
        ),
        (
            ValueError,
            "col2im: input_shape=-2 must be at least 0",
            lambda: F.col2im(np.ones((2, 4, 6, 12)), (-2, 5, 7, 3), 2),
        ),
        (
            TypeError,
            "dropout: p must be a number, got 'a' (str)",
            lambda: F.dropout(SCORES, "a"),
        ),
        (
            TypeError,
            "huber_loss: delta must be a number, got 'a' (str)",
            lambda: F.huber_loss(SCORES, SCORES, "a"),
        ),
        (
            ValueError,
            "dropout: p=1.0 must be at least 0 and below 1",
            lambda: F.dropout(SCORES, 1.0),
        ),
        (
            ValueError,
            "dropout: p=nan must be at least 0 and below 1",
            lambda: F.dropout(SCORES, math.nan),
        ),
        (
            ValueError,
            "huber_loss: delta=0.0 must be above 0",
            lambda: F.huber_loss(SCORES, SCORES, 0.0),
        ),
        (
            ValueError,
            "batch_norm: var of shape (3,) must have shape (5,), the channels of x of shape (3, 5)",
            lambda: F.batch_norm(SCORES, np.ones(5), np.ones(3)),
        ),
        (
            ValueError,
            "batch_norm: bias of shape () must have shape (5,), the channels of x of shape (3, 5)",
            lambda: F.batch_norm(SCORES, np.ones(5), np.ones(5), None, 1.0),
        ),
        (
            ValueError,
            "layer_norm: weight of shape (3,) must have shape (5,), the last axes of x of shape "
            "(3, 5)",
            lambda: F.layer_norm(SCORES, np.ones(3)),
        ),
        (
            ValueError,
            "layer_norm: axes=3, and x of shape (3, 5) has 2",
            lambda: F.layer_norm(SCORES, axes=3),
        ),
        (
            ValueError,
            "layer_norm: axes=0 must be at least 1",
            lambda: F.layer_norm(SCORES, axes=0),
        ),
        (
            ValueError,
            "softmax: axis=2 does not exist in a tensor of 2 axes",
            lambda: F.softmax(SCORES, 2),
        ),
        (
            ValueError,
            "log_softmax: axis=-3 does not exist in a tensor of 2 axes",
            lambda: F.log_softmax(SCORES, -3),
        ),
    ],
)
def test_refused(error, message, call):
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == message


def test_refusals_come_before_the_work(monkeypatch):
    """Nothing is computed on the way to an error: here every operator would raise another one."""

    def no_work(*args, **parameters):
        raise AssertionError("computed something")

    x = Tensor(np.ones((2, 5, 7, 3)))
    monkeypatch.setattr("minigrad.engine.Primitive.__call__", no_work)
    for call in (
        lambda: F.conv2d(x, np.ones((3, 2, 3, 4)), np.ones(5)),
        lambda: F.conv2d(x, np.ones((3, 2, 4, 4))),
        lambda: F.max_pool2d(x, 8),
        lambda: F.cross_entropy(Tensor(SCORES), [0, 1, 9]),
        lambda: F.cross_entropy(Tensor(SCORES[:0]), []),
        lambda: F.cross_entropy(Tensor(SCORES), [0, 1, 2], "avg"),
        lambda: F.mse_loss(Tensor(SCORES), Tensor(SCORES), "avg"),
        lambda: F.huber_loss(Tensor(SCORES[:0]), Tensor(SCORES[:0])),
        lambda: F.nll_loss(Tensor(SCORES), [0, 1, 2], "avg"),
        lambda: F.linear(Tensor(SCORES), np.ones((5, 2)), np.ones(3)),
        lambda: F.binary_cross_entropy_with_logits(Tensor(SCORES), Tensor(SCORES), "avg"),
    ):
        with pytest.raises(ValueError):
            call()


@pytest.mark.parametrize("dtypes", [("f4", "f4", "f4"), ("f8", "f4", "f4"), ("f4", "f4", "f8")])
@pytest.mark.parametrize("shape", [(3, 5), (1, 5), (2, 3, 4, 5)])
def test_linear_is_the_same_to_the_bit_with_the_bias_added_in_place(shape, dtypes):
    rng = np.random.default_rng(4)
    numbers = [
        rng.normal(size=size).astype(dtype)
        for size, dtype in zip((shape, (5, 2), (2,)), dtypes, strict=True)
    ]
    results = []
    for fast in (True, False):
        x, weight, bias = (Tensor(array, requires_grad=True) for array in numbers)
        # as images lie in memory, the first axis innermost
        x.data = np.moveaxis(np.ascontiguousarray(np.moveaxis(x.data, 0, -1)), -1, 0)
        with mg.fast_paths(fast):
            out = F.linear(x, weight, bias)
            out.sum().backward()
        results.append([out.data, x.grad.data, weight.grad.data, bias.grad.data])
        np.testing.assert_array_equal(bias.data, numbers[2])
    for quick, plain in zip(*results, strict=True):
        np.testing.assert_array_equal(quick, plain)
        assert quick.dtype == plain.dtype


def test_windows_of_another_kernel_are_refused():
    windows = F.Windows("conv2d", (2, 3), 1, "SAME")
    kernel = np.ones((3, 2, 1, 1))
    with pytest.raises(ValueError) as caught:
        F.conv2d(np.ones((1, 5, 6, 1)), kernel, windows=windows)
    message = "windows are of kernel_size=(2, 3), and the kernel of shape (3, 2, 1, 1) needs (3, 2)"
    assert str(caught.value) == f"conv2d: {message}"
    same = F.conv2d(np.ones((1, 5, 6, 1)), kernel, windows=F.Windows("conv2d", (3, 2), 1, "VALID"))
    assert same.shape == (1, 3, 5, 1)
