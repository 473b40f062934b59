"""Picture files: what comes back is what went in, and nothing wraps around (F7, B7, B9)."""

import numpy as np
import pytest
from PIL import Image

from minigrad import Tensor
from minigrad.data import load_image, save_image

RNG = np.random.default_rng(0)


def bytes_of(image):
    return np.round(image.astype(np.float64) * 255).astype(int)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_f7_round_trip_of_bytes_is_lossless(tmp_path, shape):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    save_image(tmp_path / "picture.png", picture)
    loaded = load_image(tmp_path / "picture.png")
    assert loaded.dtype == np.float32
    assert loaded.shape == (5, 7, shape[2] if len(shape) == 3 else 1)
    assert np.array_equal(bytes_of(loaded), picture.reshape(loaded.shape))


def test_b9_what_lies_outside_is_clipped_and_does_not_wrap(tmp_path):
    values = np.array([[-244.8, -1 / 255, 0.0, 0.5, 1.0, 300 / 255, np.inf]])
    save_image(tmp_path / "clipped.png", Tensor(values))
    assert bytes_of(load_image(tmp_path / "clipped.png")).ravel().tolist() == [
        *(0, 0, 0),
        128,
        *(255, 255, 255),
    ]


def test_grey_and_size(tmp_path):
    picture = np.zeros((6, 4, 3), np.uint8)
    picture[..., 0] = 255  # red, a luminance of 76
    save_image(tmp_path / "red.png", picture)
    grey = load_image(tmp_path / "red.png", size=(3, 2), grey=True)
    assert grey.shape == (3, 2, 1)
    assert set(bytes_of(grey).ravel().tolist()) == {76}


def test_b7_sixteen_bits_palette_and_animation(tmp_path):
    wide = np.array([[0, 256, 65535, 30000]], np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert bytes_of(load_image(tmp_path / "wide.png")).ravel().tolist() == [0, 1, 255, 117]

    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png")
    assert bytes_of(load_image(tmp_path / "palette.png")).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    frames = [Image.new("RGB", (2, 3), colour) for colour in ("black", "white")]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "film.gif").max() == 0


def test_a_photo_is_turned_upright(tmp_path):
    picture = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    held = Image.Exif()
    held[0x0112] = 6  # the camera was turned: the first row of the file is the right-hand column
    Image.fromarray(picture).save(tmp_path / "photo.png", exif=held)
    upright = load_image(tmp_path / "photo.png")
    assert np.array_equal(bytes_of(upright), np.rot90(picture, k=-1))


def test_numbers_that_do_not_say_how_bright_white_is(tmp_path):
    Image.fromarray(np.ones((2, 3), np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(ValueError, match=r"float\.tif .*floating-point numbers; convert it"):
        load_image(tmp_path / "float.tif")


def test_a_size_that_is_none_is_refused_before_the_file_is_looked_for(tmp_path):
    with pytest.raises(ValueError, match="load_image: size=0 must be at least 1"):
        load_image(tmp_path / "nothing.png", size=0)


def test_what_is_transparent_is_laid_over_white(tmp_path):
    picture = np.zeros((1, 3, 4), np.uint8)
    picture[0, :, 3] = [0, 255, 51]  # black ink: absent, full, a fifth
    save_image(tmp_path / "ink.png", picture)
    assert bytes_of(load_image(tmp_path / "ink.png"))[0, :, 0].tolist() == [255, 0, 204]
    Image.fromarray(np.array([[[0, 0], [0, 255]]], np.uint8), "LA").save(tmp_path / "grey.png")
    assert bytes_of(load_image(tmp_path / "grey.png")).tolist() == [[[255], [0]]]


def test_a_file_that_is_missing_or_no_picture(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"load_image: no file .*nothing\.png"):
        load_image(tmp_path / "nothing.png")
    (tmp_path / "text.png").write_text("not a picture")
    with pytest.raises(ValueError, match=r"text\.png is no picture that Pillow can read"):
        load_image(tmp_path / "text.png")
    save_image(tmp_path / "half.png", RNG.random((40, 30)))
    whole = (tmp_path / "half.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.png is no picture"):
        load_image(tmp_path / "half.png")


@pytest.mark.parametrize(
    ("array", "error", "said"),
    [
        (np.zeros((2, 3, 2)), ValueError, r"shape \(2, 3, 2\) must be"),
        (np.zeros((0, 3)), ValueError, r"shape \(0, 3\) .* not empty"),
        (np.zeros(4), ValueError, r"shape \(4,\)"),
        (np.array([[np.nan]]), ValueError, "nan"),
        (np.array([[300]]), TypeError, "dtype int64"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path, array, error, said):
    with pytest.raises(error, match=said):
        save_image(tmp_path / "bad.png", array)
    assert not list(tmp_path.iterdir())


def test_an_unknown_ending_and_a_failing_write_leave_the_old_file(tmp_path, monkeypatch):
    for ending in ("xyz", "psd"):  # Pillow reads .psd and does not write it
        with pytest.raises(ValueError, match=rf"picture\.{ending} names no format"):
            save_image(tmp_path / f"picture.{ending}", np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"JPEG files hold no transparency, .* \(2, 3, 4\)"):
        save_image(tmp_path / "picture.jpg", np.zeros((2, 3, 4)))
    save_image(tmp_path / "old.png", np.zeros((2, 3)))
    before = (tmp_path / "old.png").read_bytes()

    def fail(self, *arguments, **keywords):
        raise OSError("disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_image(tmp_path / "old.png", np.ones((2, 3)))
    assert (tmp_path / "old.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["old.png"]
