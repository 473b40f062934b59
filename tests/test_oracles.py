"""The oracles themselves: against closed forms, NumPy, worked examples, SciPy if installed."""

import math

import numpy as np
import pytest

from tests import oracles

# One convolution in which no two sizes are equal: N=2, H=9, W=7, C=6, F=4 in 2 groups, kernel 3x5.
X_SHAPE = (2, 9, 7, 6)
KERNEL_SHAPE = (3, 5, 6, 4)
PADS = ((4, 1), (0, 3))


def random(seed, *shapes):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape) for shape in shapes]


# --- convolution ----------------------------------------------------------------------------------


def article_example():
    """Row E6 of the article: the input as NHWC, the kernel as HWIO, and the answer."""
    x = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]]).reshape(1, 3, 3, 1)
    kernel = np.array([[4, 6], [7, 9]]).reshape(2, 2, 1, 1)
    return x, kernel, [1190, 1919, 909, 1344]


def test_e6_worked_example():
    x, kernel, answer = article_example()
    np.testing.assert_array_equal(oracles.conv2d(x, kernel).ravel(), answer)
    columns = oracles.im2col(x, (2, 2))
    np.testing.assert_array_equal((columns @ kernel.ravel()).ravel(), answer)


def test_e7_matrix_of_the_worked_example():
    x, kernel, answer = article_example()
    matrix = oracles.conv_matrix(kernel, (3, 3, 1))
    expected = [
        [4, 6, 0, 7, 9, 0, 0, 0, 0],
        [0, 4, 6, 0, 7, 9, 0, 0, 0],
        [0, 0, 0, 4, 6, 0, 7, 9, 0],
        [0, 0, 0, 0, 4, 6, 0, 7, 9],
    ]
    np.testing.assert_array_equal(matrix.T, expected)
    np.testing.assert_array_equal(x.ravel() @ matrix, answer)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize(("mode", "pads"), [("valid", (0, 0)), ("full", (3, 3)), ("same", (2, 1))])
def test_conv2d_along_one_axis_is_numpy_convolve_with_the_kernel_flipped(axis, mode, pads):
    signal, weights = random(1, 11, 4)
    x_shape, kernel_shape, all_pads = [1, 1, 1, 1], [1, 1, 1, 1], [(0, 0), (0, 0)]
    x_shape[axis], kernel_shape[axis - 1], all_pads[axis - 1] = 11, 4, pads
    out = oracles.conv2d(
        signal.reshape(x_shape), weights.reshape(kernel_shape), pads=tuple(all_pads)
    )
    np.testing.assert_allclose(out.ravel(), np.convolve(signal, weights[::-1], mode), rtol=1e-13)


def test_conv2d_in_two_dimensions_is_polynomial_multiplication():
    # p(s, t) * q(s, t) at a point: the product's coefficients are a FULL convolution.
    p, q = random(2, (4, 7), (3, 5))
    product = oracles.conv2d(
        p.reshape(1, 4, 7, 1), q[::-1, ::-1].reshape(3, 5, 1, 1), pads=((2, 2), (4, 4))
    )[0, :, :, 0]
    polyval2d = np.polynomial.polynomial.polyval2d
    s, t = 0.7, -1.3
    assert product.shape == (6, 11)
    np.testing.assert_allclose(
        polyval2d(s, t, product), polyval2d(s, t, p) * polyval2d(s, t, q), rtol=1e-12
    )


def test_conv2d_sums_over_channels_and_keeps_images_and_filters_apart():
    x, kernel = random(3, X_SHAPE, KERNEL_SHAPE)
    together = oracles.conv2d(x, kernel, (2, 1), PADS)
    assert together.shape == (2, 6, 6, 4)
    for n in range(2):
        for f in range(4):
            one_by_one = sum(
                oracles.conv2d(
                    x[n : n + 1, ..., c : c + 1], kernel[:, :, c : c + 1, f : f + 1], (2, 1), PADS
                )
                for c in range(6)
            )
            np.testing.assert_allclose(together[n, ..., f], one_by_one[0, ..., 0], rtol=1e-12)


def test_conv2d_pads_with_zeros():
    x, kernel = random(4, X_SHAPE, KERNEL_SHAPE)
    padded = np.pad(x, ((0, 0), *PADS, (0, 0)))
    np.testing.assert_array_equal(
        oracles.conv2d(x, kernel, pads=PADS), oracles.conv2d(padded, kernel)
    )


def test_conv2d_stride_takes_every_second_and_third_position():
    x, kernel = random(5, X_SHAPE, KERNEL_SHAPE)
    np.testing.assert_array_equal(
        oracles.conv2d(x, kernel, (2, 3), PADS),
        oracles.conv2d(x, kernel, (1, 1), PADS)[:, ::2, ::3],
    )


def test_conv2d_dilation_puts_zeros_between_the_weights():
    x, kernel = random(6, X_SHAPE, (3, 2, 6, 4))
    spread = np.zeros((5, 4, 6, 4))
    spread[::2, ::3] = kernel
    np.testing.assert_allclose(
        oracles.conv2d(x, kernel, (1, 2), PADS, dilation=(2, 3)),
        oracles.conv2d(x, spread, (1, 2), PADS),
        rtol=1e-12,
    )


def test_conv2d_groups_are_separate_convolutions_side_by_side():
    x, kernel = random(7, X_SHAPE, (3, 5, 3, 4))
    first = oracles.conv2d(x[..., :3], kernel[..., :2], pads=PADS)
    second = oracles.conv2d(x[..., 3:], kernel[..., 2:], pads=PADS)
    np.testing.assert_array_equal(
        oracles.conv2d(x, kernel, pads=PADS, groups=2), np.concatenate([first, second], axis=-1)
    )


def test_conv2d_agrees_with_scipy():
    signal = pytest.importorskip("scipy.signal")
    x, kernel = random(8, (1, 9, 7, 1), (3, 5, 1, 1))
    for mode, pads in [("valid", oracles.NO_PADS), ("full", ((2, 2), (4, 4)))]:
        np.testing.assert_allclose(
            oracles.conv2d(x, kernel, pads=pads)[0, :, :, 0],
            signal.correlate2d(x[0, :, :, 0], kernel[:, :, 0, 0], mode),
            rtol=1e-12,
        )


def test_conv2d_computes_in_float64_whatever_comes_in():
    x = np.full((1, 1, 1, 1), 0.1, np.float32)
    product = oracles.conv2d(x, x)
    assert product.dtype == np.float64
    assert product.item() == float(np.float32(0.1)) ** 2


# --- columns and matrix ---------------------------------------------------------------------------

WINDOWS = {"kernel_size": (3, 2), "stride": (2, 1), "pads": PADS, "dilation": (1, 3)}


def test_im2col_orders_a_window_by_row_column_channel():
    x = np.arange(1.0, 25.0).reshape(1, 3, 4, 2)
    columns = oracles.im2col(x, (2, 3), pads=((0, 1), (1, 0)))
    assert columns.shape == (1, 3, 3, 12)
    # The second window of the first row: cells (0, 0) (0, 1) (0, 2), then (1, 0) (1, 1) (1, 2).
    np.testing.assert_array_equal(columns[0, 0, 1], [1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14])
    # The last row's first window: a padded column on the left, a padded row below.
    np.testing.assert_array_equal(columns[0, 2, 0], [0, 0, 17, 18, 19, 20] + [0] * 6)


def test_im2col_times_the_kernel_is_conv2d():
    x, kernel = random(9, X_SHAPE, (3, 2, 6, 4))
    np.testing.assert_allclose(
        oracles.im2col(x, **WINDOWS) @ kernel.reshape(-1, 4),
        oracles.conv2d(x, kernel, WINDOWS["stride"], WINDOWS["pads"], WINDOWS["dilation"]),
        rtol=1e-11,
    )


def test_col2im_is_the_adjoint_of_im2col():
    (x,) = random(10, X_SHAPE)
    columns = oracles.im2col(x, **WINDOWS)
    (cotangent,) = random(11, columns.shape)
    np.testing.assert_allclose(
        np.vdot(columns, cotangent),
        np.vdot(x, oracles.col2im(cotangent, X_SHAPE, **WINDOWS)),
        rtol=1e-12,
    )


def test_col2im_adds_up_where_windows_overlap():
    # A window of 2 at stride 1 on 4 cells: the inner cells are seen twice, the ends once.
    counts = oracles.col2im(np.ones((1, 1, 3, 2)), (1, 1, 4, 1), (1, 2))
    np.testing.assert_array_equal(counts.ravel(), [1, 2, 2, 1])


def test_conv_matrix_maps_a_flat_image_to_a_flat_output():
    x, kernel = random(12, X_SHAPE, (3, 2, 3, 4))
    settings = {"stride": (2, 1), "pads": PADS, "dilation": (1, 3), "groups": 2}
    matrix = oracles.conv_matrix(kernel, X_SHAPE[1:], **settings)
    out = oracles.conv2d(x, kernel, **settings)
    assert matrix.shape == (9 * 7 * 6, out[0].size)
    np.testing.assert_allclose(x.reshape(2, -1) @ matrix, out.reshape(2, -1), rtol=1e-11)


# --- pooling --------------------------------------------------------------------------------------


def test_pools_on_a_ramp():
    # x[h, w] = 10 h + w rises along both axes, so the largest cell is a window's last, and the mean
    # its centre.
    x = (10.0 * np.arange(7)[:, None] + np.arange(5)).reshape(1, 7, 5, 1)
    first_rows, first_columns = np.array([0, 2, 4])[:, None], np.array([0, 3])
    first_cells = 10 * first_rows + first_columns
    np.testing.assert_array_equal(
        oracles.max_pool2d(x, (3, 2), (2, 3))[0, :, :, 0], first_cells + 21
    )
    np.testing.assert_allclose(
        oracles.avg_pool2d(x, (3, 2), (2, 3))[0, :, :, 0], first_cells + 10.5, rtol=1e-14
    )


@pytest.mark.parametrize("pool", [oracles.max_pool2d, oracles.avg_pool2d])
def test_pools_ignore_padding(pool):
    """A row of section 6: pooling -1 everywhere must not give a frame of 0."""
    out = pool(np.full((2, 5, 6, 3), -1.0), (3, 4), (2, 1), ((1, 2), (3, 0)))
    assert out.shape == (2, 3, 6, 3)
    np.testing.assert_array_equal(out, -1.0)


def test_pools_keep_images_and_channels_apart():
    (x,) = random(13, (2, 5, 6, 3))
    for n in range(2):
        for c in range(3):
            window = x[n, 2:5, 1:3, c]
            assert oracles.max_pool2d(x, (3, 2), (2, 1))[n, 1, 1, c] == window.max()
            assert oracles.avg_pool2d(x, (3, 2), (2, 1))[n, 1, 1, c] == pytest.approx(
                window.mean(), rel=1e-13
            )


# --- losses ---------------------------------------------------------------------------------------


def test_logsumexp_closed_forms():
    assert oracles.logsumexp(np.log([1.0, 2.0, 5.0])) == pytest.approx(math.log(8), rel=1e-14)
    assert oracles.logsumexp(np.full(7, 1e4)) == pytest.approx(1e4 + math.log(7), rel=1e-14)
    assert oracles.logsumexp(np.array([-1e4, 0.0])) == 0.0
    table = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(oracles.logsumexp(table, axis=0), np.log([4, 5, 8]), rtol=1e-14)


def test_softmax_closed_forms():
    logits = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 3.0]])
    np.testing.assert_allclose(
        oracles.softmax(logits), [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-14
    )
    np.testing.assert_allclose(oracles.softmax(logits, axis=0)[0], [1 / 4, 2 / 5, 5 / 8])
    np.testing.assert_array_equal(oracles.softmax(np.array([1e4, -1e4])), [1.0, 0.0])


def test_cross_entropy_closed_forms():
    logits = np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 3.0]])
    expected = (math.log(8 / 5) + math.log(3)) / 2
    assert oracles.cross_entropy(logits, np.array([2, 0])) == pytest.approx(expected, rel=1e-14)
    assert oracles.cross_entropy(np.array([[1e4, -1e4]]), np.array([1])) == 2e4


def test_mse_closed_form():
    prediction = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    target = np.array([[0.0, 2.0, 5.0], [4.0, 8.0, 5.0]])
    assert oracles.mse(prediction, target) == pytest.approx((1 + 4 + 9 + 1) / 6, rel=1e-15)


# --- norms ----------------------------------------------------------------------------------------


def test_batch_norm_standardises_each_channel_over_the_batch():
    # Two channels of three values: 1, 2, 3 and 10, 10, 40, with variances 2/3 and 200.
    x = np.array([[1.0, 10.0], [2.0, 10.0], [3.0, 40.0]]).reshape(3, 1, 1, 2)
    out = oracles.batch_norm(x, scale=np.array([2.0, 3.0]), shift=np.array([5.0, -1.0]), eps=0.25)
    deviations = [math.sqrt(2 / 3 + 0.25), math.sqrt(200.25)]
    np.testing.assert_allclose(
        out[:, 0, 0, 0], 5 + 2 * np.array([-1, 0, 1]) / deviations[0], rtol=1e-14
    )
    np.testing.assert_allclose(
        out[:, 0, 0, 1], -1 + 3 * np.array([-10, -10, 20]) / deviations[1], rtol=1e-14
    )


def test_batch_norm_output_has_the_mean_and_variance_asked_for():
    (x,) = random(14, (4, 5, 3, 2))
    out = oracles.batch_norm(x, np.array([2.0, 3.0]), np.array([5.0, -1.0]), eps=0.0)
    np.testing.assert_allclose(out.mean((0, 1, 2)), [5, -1], rtol=1e-13)
    np.testing.assert_allclose(out.std((0, 1, 2)), [2, 3], rtol=1e-13)


def test_layer_norm_standardises_each_position():
    x = np.array([[1.0, 2.0, 3.0], [10.0, 10.0, 40.0]])
    scale, shift = np.array([2.0, 3.0, 4.0]), np.array([5.0, 6.0, 7.0])
    out = oracles.layer_norm(x, scale, shift, eps=0.25)
    np.testing.assert_allclose(
        out[0], shift + scale * np.array([-1, 0, 1]) / math.sqrt(2 / 3 + 0.25), rtol=1e-14
    )
    np.testing.assert_allclose(
        out[1], shift + scale * np.array([-10, -10, 20]) / math.sqrt(200.25), rtol=1e-14
    )


# --- derivatives ----------------------------------------------------------------------------------


def test_directional_derivative_of_a_product():
    a, b, along_a, along_b = random(15, (3, 2), (2, 4), (3, 2), (2, 4))
    np.testing.assert_allclose(
        oracles.directional_derivative(np.matmul, [a, b], [along_a, along_b]),
        along_a @ b + a @ along_b,
        rtol=1e-7,
        atol=1e-9,
    )


def test_directional_derivative_error_falls_with_the_square_of_eps():
    # The third derivative of exp leaves an error of eps^2 / 6, relative to the derivative itself.
    x, direction = np.array(0.5), np.array(1.0)
    for eps in (1e-2, 1e-3):
        slope = oracles.directional_derivative(np.exp, [x], [direction], eps)
        assert slope / math.exp(0.5) - 1 == pytest.approx(eps**2 / 6, rel=1e-3)


def test_directional_derivative_computes_in_float64():
    x = np.array([0.1], np.float32)
    slope = oracles.directional_derivative(lambda v: v**2, [x], [np.ones(1, np.float32)])
    assert slope.dtype == np.float64
    np.testing.assert_allclose(slope, 2 * float(np.float32(0.1)), rtol=1e-8)
