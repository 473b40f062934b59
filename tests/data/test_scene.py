"""The picture that the library draws: what is where, and that filters find something in it."""

import numpy as np
import pytest

from minigrad.data import scene

PICTURE = scene()
PLACES = {  # x and y as parts of the width and height, and what colour is expected there
    "sun": (0.17, 0.16, (1.0, 0.88, 0.35)),
    "cloud": (0.50, 0.14, (0.97, 0.97, 0.98)),
    "door": (0.38, 0.65, (0.16, 0.33, 0.30)),
    "chimney": (0.52, 0.30, (0.45, 0.25, 0.22)),
    "window bar": (0.255, 0.615, (0.98, 0.97, 0.92)),
    "picket": (0.525, 0.90, (0.97, 0.96, 0.92)),
}


# article: B18
def test_a_house_a_tree_and_a_fence_and_no_ones_photograph():
    assert PICTURE.shape == (220, 220, 3)
    assert PICTURE.dtype == np.float32
    assert PICTURE.min() >= 0
    assert PICTURE.max() <= 1
    for what, (x, y, colour) in PLACES.items():
        assert np.allclose(PICTURE[int(y * 220), int(x * 220)], colour, atol=0.02), what
    crown, sky = PICTURE[int(0.42 * 220), int(0.8 * 220)], PICTURE[10, 110]
    assert crown.argmax() == 1
    assert sky.argmax() == 2


def test_the_same_in_every_call_and_no_state_shared():
    again = scene()
    assert np.array_equal(again, PICTURE)
    again[:] = 0
    assert np.array_equal(scene(), PICTURE)


def test_edges_in_all_directions_smooth_parts_and_fine_texture():
    grey = PICTURE.mean(axis=2)
    down, right = (axis[1:-1, 1:-1] for axis in np.gradient(grey))
    steep = np.hypot(down, right) > 0.1
    angles = np.degrees(np.arctan2(down, right)[steep]) % 180
    counts, _ = np.histogram((angles + 22.5) % 180, bins=4)  # around 0, 45, 90 and 135 degrees
    assert counts.min() > 100
    sky, grass = grey[2:25, 150:], grey[150:170, 135:160]
    assert np.abs(np.diff(sky, axis=1)).max() < 1e-6
    assert np.abs(np.diff(grass, axis=1)).mean() > 0.005


def test_edges_are_smooth_as_in_a_picture_drawn_larger_and_scaled_down():
    larger = scene(660, 660).reshape(220, 3, 220, 3, 3).mean(axis=(1, 3))
    # Without smoothing, the mean difference is 0.01.
    assert np.abs(PICTURE - larger).mean() < 0.005


@pytest.mark.parametrize(("height", "width"), [(150, 330), (260, 110), (24, 25)])
def test_any_shape_is_the_same_picture_stretched(height, width):
    picture = scene(height, width)
    assert picture.shape == (height, width, 3)
    x, y, colour = PLACES["door"]
    assert np.allclose(picture[int(y * height), int(x * width)], colour, atol=0.02)


@pytest.mark.parametrize(("height", "width"), [(150, 330), (260, 110)])
def test_the_sun_stays_round(height, width):
    red, _, blue = np.moveaxis(scene(height, width)[: int(0.26 * height)], 2, 0)
    rows, columns = np.nonzero((red > 0.95) & (blue < 0.5))
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1
    assert np.ptp(rows) + 1 == pytest.approx(2 * 0.085 * min(height, width), abs=2)


@pytest.mark.parametrize(
    ("sizes", "error", "said"),
    [
        ((23, 40), ValueError, "scene: height=23 must be from 24 to 2048 pixels; cut a part"),
        ((40, 2049), ValueError, "scene: width=2049 must be from 24 to 2048 pixels"),
        ((0, 40), ValueError, "scene: height=0 must be at least 1"),
        ((40, 40.0), TypeError, r"scene: width=40\.0 must be an int"),
    ],
)
def test_sizes_that_are_refused(sizes, error, said):
    with pytest.raises(error, match=said):
        scene(*sizes)
