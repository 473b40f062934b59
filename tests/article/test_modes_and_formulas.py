"""What the article says of modes and flips, of every way to convolve."""

import numpy as np
import pytest

import minigrad as mg
from minigrad.article import WAYS, conv1, convolve
from minigrad.equivalence import conv_matrix

each_way = pytest.mark.parametrize("way", WAYS)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def in_one_row(line, weights, mode, way, **options):
    """Along the columns of an image of one row, and along the rows of one of one column."""
    line, weights = np.array(line), np.array(weights)
    row = convolve(line[None], weights[None], mode=mode, way=way, **options)[0]
    column = convolve(line[:, None], weights[:, None], mode=mode, way=way, **options)[:, 0]
    np.testing.assert_allclose(row, column, atol=1e-12)
    return row


# --- modes ----------------------------------------------------------------------------------------


# article: M1, M2, M3
@each_way
def test_sizes_of_the_articles_pictures(way):
    image, kernel = numbers(5, 5), numbers(3, 3, seed=1)
    shapes = [
        convolve(image, kernel, mode=mode, way=way).shape for mode in ("FULL", "VALID", "SAME")
    ]
    assert shapes == [(7, 7), (3, 3), (5, 5)]


# article: M1
@each_way
def test_full_starts_where_one_point_overlaps(way):
    image, kernel = numbers(5, 6), numbers(2, 3, seed=1)
    full = convolve(image, kernel, mode="FULL", way=way)
    corners = [full[0, 0], full[0, -1], full[-1, 0], full[-1, -1]]
    expected = [
        image[0, 0] * kernel[-1, -1],
        image[0, -1] * kernel[-1, 0],
        image[-1, 0] * kernel[0, -1],
        image[-1, -1] * kernel[0, 0],
    ]
    np.testing.assert_allclose(corners, expected, atol=1e-12)


# article: M1, M2
@each_way
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_full_and_valid_are_those_of_numpy(way, k):
    """`np.correlate` does not flip, `np.convolve` does."""
    line, weights = numbers(7), numbers(k, seed=1)
    for mode in ("FULL", "VALID"):
        straight = in_one_row(line, weights, mode, way)
        np.testing.assert_allclose(straight, np.correlate(line, weights, mode.lower()), atol=1e-12)
        flipped = in_one_row(line, weights, mode, way, flip=True)
        np.testing.assert_allclose(flipped, np.convolve(line, weights, mode.lower()), atol=1e-12)
    sizes = [len(in_one_row(line, weights, mode, way)) for mode in ("VALID", "SAME", "FULL")]
    assert sizes == [7 - k + 1, 7, 7 + k - 1]


# article: M3
@each_way
@pytest.mark.parametrize("kernel_size", [(3, 5), (2, 3), (4, 1)])
def test_same_has_the_kernels_centre_on_the_first_cell(way, kernel_size):
    """An image that is 1 in its first cell only reads the weight that lies on it."""
    image, kernel = np.zeros((6, 7)), numbers(*kernel_size)
    image[0, 0] = 1
    same = convolve(image, kernel, mode="SAME", way=way)
    assert same.shape == image.shape
    centre = kernel[(kernel_size[0] - 1) // 2, (kernel_size[1] - 1) // 2]
    assert same[0, 0] == pytest.approx(centre, abs=1e-13)


# article: M4
@each_way
def test_same_pads_the_odd_cell_of_an_even_kernel_at_the_end(way):
    """SciPy and NumPy, in their "same", pad it in front: 0, 10, 21, 32, 43."""
    ours = in_one_row([0, 1, 2, 3, 4], [1, 10], "SAME", way)
    np.testing.assert_allclose(ours, [10, 21, 32, 43, 4], atol=1e-12)
    assert np.correlate([0, 1, 2, 3, 4], [1, 10], "same").tolist() == [0, 10, 21, 32, 43]


# --- formulas -------------------------------------------------------------------------------------


# article: E3
@each_way
def test_flipped_it_is_the_convolution_of_the_formula(way):
    """H(i, j) = sum of F(m, n) G(i - m, j - n), term by term, over the whole of H."""
    image, kernel = numbers(4, 5), numbers(3, 2, seed=1)
    expected = np.zeros((6, 6))
    for (m, n), value in np.ndenumerate(image):
        for (a, b), weight in np.ndenumerate(kernel):
            expected[m + a, n + b] += value * weight  # i - m = a, j - n = b
    flipped = convolve(image, kernel, mode="FULL", way=way, flip=True)
    np.testing.assert_allclose(flipped, expected, atol=1e-12)
    straight = convolve(image, kernel, mode="FULL", way=way)
    assert np.abs(straight - expected).max() > 0.1


# article: E3
@each_way
def test_channels_are_not_flipped(way):
    image, kernel = numbers(5, 6, 2), numbers(2, 3, 2, seed=1)
    apart = [
        convolve(image[..., c], kernel[..., c], stride=(2, 1), way=way, flip=True) for c in (0, 1)
    ]
    both = convolve(image, kernel, stride=(2, 1), way=way, flip=True)
    np.testing.assert_allclose(both, sum(apart), atol=1e-12)


# article: E5
def test_flipped_or_not_learns_the_same():
    """Two kernels, one flipped in every use and begun as the mirror image of the other."""
    x, target = numbers(3, 6, 7, 2), numbers(3, 5, 5, 4, seed=1)
    start = numbers(2, 3, 2, 4, seed=2)

    def train(kernel, flip):
        kernel = mg.Tensor(kernel.copy(), requires_grad=True)
        optimizer = mg.optim.Adam([kernel], lr=0.05)
        losses = []
        for _ in range(60):
            used = kernel.flip((0, 1)) if flip else kernel
            out = mg.functional.conv2d(x, used, padding="VALID").tanh()
            loss = mg.functional.mse_loss(out, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses, kernel.data

    straight_losses, straight = train(start, flip=False)
    flipped_losses, flipped = train(start[::-1, ::-1], flip=True)
    assert straight_losses[-1] < 0.9 * straight_losses[0]
    np.testing.assert_allclose(flipped_losses, straight_losses, rtol=1e-10)
    np.testing.assert_allclose(flipped[::-1, ::-1], straight, rtol=1e-8, atol=1e-10)
    assert np.abs(flipped - straight).max() > 0.1


IMAGE = np.array([[43, 16, 78], [34, 76, 95], [35, 8, 46]])
KERNEL = np.array([[4, 6], [7, 9]])


# article: E6
@each_way
def test_the_worked_example(way):
    out = convolve(IMAGE, KERNEL, mode="VALID", way=way)
    np.testing.assert_allclose(out, [[1190, 1919], [909, 1344]], rtol=1e-13)


# article: E7
def test_the_worked_example_as_a_matrix():
    kernel_matrix = conv_matrix(KERNEL[..., None, None], (3, 3, 1), padding="VALID").numpy().T
    assert kernel_matrix.tolist() == [
        [4, 6, 0, 7, 9, 0, 0, 0, 0],
        [0, 4, 6, 0, 7, 9, 0, 0, 0],
        [0, 0, 0, 4, 6, 0, 7, 9, 0],
        [0, 0, 0, 0, 4, 6, 0, 7, 9],
    ]
    by_matrix = conv1(KERNEL, IMAGE, 1, "VALID")
    assert by_matrix.ravel().tolist() == (kernel_matrix @ IMAGE.ravel()).tolist()


# article: C1
@each_way
def test_every_way_is_linear_in_image_and_kernel(way):
    image, kernel = numbers(6, 5), numbers(3, 2)
    other, weights = numbers(6, 5, seed=1), numbers(3, 2, seed=2)

    def of(x, k):
        return convolve(x, k, (1, 2), "FULL", way)

    of_images = 2.5 * of(image, kernel) - 0.75 * of(other, kernel)
    np.testing.assert_allclose(of(2.5 * image - 0.75 * other, kernel), of_images, atol=1e-12)
    of_kernels = 2.5 * of(image, kernel) - 0.75 * of(image, weights)
    np.testing.assert_allclose(of(image, 2.5 * kernel - 0.75 * weights), of_kernels, atol=1e-12)
