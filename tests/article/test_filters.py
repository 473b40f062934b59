"""`FILTERS`: what each of them does to pictures of which one knows what should come out."""

import numpy as np
import pytest

from minigrad.article import FILTERS
from tests import oracles

# Brightness grows by 2 from column to column, and by 5 from row to row.
SLOPE = 2.0 * np.arange(7)[None, :] + 5.0 * np.arange(6)[:, None]


def filtered(picture, name, turned=False):
    kernel = FILTERS[name][::-1, ::-1] if turned else FILTERS[name]
    return oracles.conv2d(picture[None, :, :, None], kernel[:, :, None, None])[0, :, :, 0]


def over_the_rising_diagonal(kernel):
    """What is at the upper left goes to the lower right, and the other way round."""
    return kernel[::-1, ::-1].T


def test_names_shapes_and_sums():
    assert {name: kernel.sum() for name, kernel in FILTERS.items()} == {
        "identity": 1,
        "blur": 1,
        "sharpen": 1,
        "outline": 0,
        "emboss": 1,
        "sobel_x": 0,
        "sobel_y": 0,
    }
    assert {(kernel.shape, kernel.dtype.name) for kernel in FILTERS.values()} == {
        ((3, 3), "float64")
    }


def test_even_areas_stay_or_become_zero():
    for name, kernel in FILTERS.items():
        np.testing.assert_allclose(filtered(np.full((4, 5), 7.0), name), 7.0 * kernel.sum())


@pytest.mark.parametrize("name", ["identity", "blur", "sharpen"])
def test_a_slope_stays_under_filters_that_look_the_same_from_every_side(name):
    np.testing.assert_allclose(filtered(SLOPE, name), SLOPE[1:-1, 1:-1], rtol=1e-12)


def test_sobel_measures_slopes_right_and_down_and_changes_sign_in_true_convolution():
    # Eight times the slope: (1 + 2 + 1) lines, over a distance of two cells.
    for name, slope in (("sobel_x", 2.0), ("sobel_y", 5.0)):
        np.testing.assert_allclose(filtered(SLOPE, name), 8 * slope)
        np.testing.assert_allclose(filtered(SLOPE, name, turned=True), -8 * slope)


def test_blur_is_the_mean_of_neighbours_and_sharpen_adds_what_it_takes_away():
    picture = np.random.default_rng(0).random((5, 6))
    blurred, sharp = filtered(picture, "blur"), filtered(picture, "sharpen")
    assert blurred.var() < picture[1:-1, 1:-1].var() < sharp.var()


# article: B10
def test_emboss_is_one_and_the_filter_of_the_article_is_an_outline():
    """Embossing tells the lit side of an edge from the other; the article's filter can not."""
    emboss = FILTERS["emboss"].copy()
    emboss[1, 1] = 0
    np.testing.assert_array_equal(over_the_rising_diagonal(emboss), -emboss)

    of_the_article = np.array([[0.1, 0.1, 0.1], [0.1, -0.8, 0.1], [0.1, 0.1, 0.1]])
    np.testing.assert_allclose(of_the_article, -0.1 * FILTERS["outline"])
    for kernel in (of_the_article, FILTERS["outline"]):
        assert abs(kernel.sum()) < 1e-12
        for turned in (kernel.T, kernel[::-1], over_the_rising_diagonal(kernel)):
            np.testing.assert_array_equal(turned, kernel)


def test_emboss_raises_what_the_light_from_the_upper_left_falls_on():
    step = np.zeros((5, 7))
    step[:, 3:] = 1.0  # an edge that faces left
    assert filtered(step, "emboss")[0].tolist() == [0, 3, 4, 1, 1]
    # Facing right it is in the shade: as far below the area as it was above.
    assert filtered(1 - step, "emboss")[0].tolist() == [1, -2, -3, 0, 0]


def test_the_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        FILTERS["blur"][0, 0] = 1.0
