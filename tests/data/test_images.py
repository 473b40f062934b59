"""Picture files: what comes back is what went in, and nothing wraps around."""

import errno
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from minigrad import Tensor
from minigrad.data import load_image, save_image

RNG = np.random.default_rng(0)


def bytes_of(image):
    return np.round(image.astype(np.float64) * 255).astype(int)


# article: F7
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3)])
def test_round_trip_of_bytes_is_lossless(tmp_path, shape):
    picture = RNG.integers(0, 256, shape, dtype=np.uint8)
    save_image(tmp_path / "picture.png", picture)
    loaded = load_image(tmp_path / "picture.png")
    assert loaded.dtype == np.float32
    assert loaded.shape == (5, 7, shape[2] if len(shape) == 3 else 1)
    assert np.array_equal(bytes_of(loaded), picture.reshape(loaded.shape))


# article: B9
def test_what_lies_outside_is_clipped_and_does_not_wrap(tmp_path):
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


def converted(path, said):
    """The picture of a file that cannot be taken as it is: a warning names it and says what."""
    with pytest.warns(UserWarning) as caught:
        picture = load_image(path)
    (warning,) = caught
    assert str(warning.message) == f"load_image: {path} was converted: {said}"
    assert warning.filename == __file__
    return picture


# article: B7
def test_sixteen_bits_palette_and_animation(tmp_path):
    upper = "of 16 bits per number the upper 8 were kept"
    wide = np.array([[0, 256, 65535, 30000]], np.uint16)
    for name in ("wide.png", "wide.tif"):
        Image.fromarray(wide).save(tmp_path / name)
        assert bytes_of(converted(tmp_path / name, upper)).ravel().tolist() == [0, 1, 255, 117]

    became = "the colours of its palette became RGB"
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png")
    colours = converted(tmp_path / "palette.png", became)
    assert bytes_of(colours).tolist() == [[[10, 20, 30], [40, 50, 60]]]

    frames = [Image.new("RGB", (2, 3), colour) for colour in ("black", "white", "black")]
    for name, palette in (("film.gif", f"; {became}"), ("film.tif", "")):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        first = converted(tmp_path / name, f"the first of its 3 frames was taken{palette}")
        assert first.max() == 0

    Image.new("CMYK", (2, 3)).save(tmp_path / "print.jpg")
    white = converted(tmp_path / "print.jpg", "its CMYK colours became RGB")
    assert white.shape == (3, 2, 3)
    assert white.min() > 0.95


def test_colours_of_sixteen_bits(tmp_path):
    """Pillow writes none, so the file is put together from the chunks of a PNG."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    row = struct.pack(">B3H", 0, 65535, 256, 30000)  # no filter; red, green, blue
    header = struct.pack(">2I5B", 1, 1, 16, 2, 0, 0, 0)  # 1 x 1, 16 bits, RGB
    (tmp_path / "deep.png").write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(row))
        + chunk(b"IEND", b"")
    )
    deep = converted(tmp_path / "deep.png", "of 16 bits per number the upper 8 were kept")
    assert bytes_of(deep).tolist() == [[[255, 1, 117]]]


def test_what_needs_no_conversion_is_passed_over_in_silence(tmp_path):
    """Warnings are errors in these tests."""
    for mode in ("1", "L", "RGB"):
        for ending in ("png", "tif", "bmp"):
            Image.new(mode, (3, 2)).save(tmp_path / f"{mode}.{ending}")
            assert load_image(tmp_path / f"{mode}.{ending}").max() == 0


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
    laid = "what is transparent was laid over white"
    assert bytes_of(converted(tmp_path / "ink.png", laid))[0, :, 0].tolist() == [255, 0, 204]
    Image.fromarray(np.array([[[0, 0], [0, 255]]], np.uint8), "LA").save(tmp_path / "grey.png")
    assert bytes_of(converted(tmp_path / "grey.png", laid)).tolist() == [[[255], [0]]]


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
    # A TIFF whose strips are said to begin at a text; Pillow has a TypeError for it.
    Image.new("L", (30, 20)).save(tmp_path / "offset.tif")
    whole = (tmp_path / "offset.tif").read_bytes()
    assert whole.count(b"\x11\x01\x04\x00") == 1  # tag 273, of type 4: a number
    damaged = whole.replace(b"\x11\x01\x04\x00", b"\x11\x01\x02\x00")
    (tmp_path / "offset.tif").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"offset\.tif is no picture"):
        load_image(tmp_path / "offset.tif")


@pytest.mark.parametrize(
    ("array", "error", "said"),
    [
        (np.zeros((2, 3, 2)), ValueError, r"shape \(2, 3, 2\) must be"),
        (np.zeros((0, 3)), ValueError, r"shape \(0, 3\) .* not empty"),
        (np.zeros(4), ValueError, r"shape \(4,\)"),
        (np.array([[np.nan]]), ValueError, "nan"),
        (np.array([[300]]), TypeError, "dtype int64"),
        ([[0.5], [0.5, 1.0]], ValueError, "save_image: array: cannot make an array"),
        (np.zeros((2, 3)) * 1j, TypeError, "save_image: array: expected real numbers"),
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
    for ending, kind in (("jpg", "JPEG"), ("eps", "EPS"), ("pcx", "PCX")):
        with pytest.raises(ValueError, match=rf"{kind} files cannot hold an array .*\(2, 3, 4\)"):
            save_image(tmp_path / f"picture.{ending}", np.zeros((2, 3, 4)))
    save_image(tmp_path / "old.png", np.zeros((2, 3)))
    before = (tmp_path / "old.png").read_bytes()

    def fail(self, *arguments, **keywords):
        raise OSError(errno.ENOSPC, "disk full")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        save_image(tmp_path / "old.png", np.ones((2, 3)))
    assert (tmp_path / "old.png").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["old.png"]
