"""`load_image`, `save_image`: picture files as arrays, and back. Pillow reads and writes them."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..conv_arithmetic import IntOrPair, pair
from ..engine import as_array
from ..files import whole_file
from ..tensor import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

Array = np.ndarray[Any, Any]


def load_image(
    path: str | os.PathLike[str], size: IntOrPair | None = None, grey: bool = False
) -> Array:
    """A picture file as an array.

    Everything Pillow reads becomes 8-bit grey or RGB: of an animation the first frame, of 16-bit
    numbers the upper 8 bits, colours of a palette themselves, and white where it is transparent.
    A warning says so. A photo is turned upright if the camera noted how it was held.

    Args:
        path: of the file.
        size: scale the picture to this (height, width); an int for a square.
        grey: one channel even if the picture has colours.

    Returns:
        (H, W, 3), or (H, W, 1) for a grey picture; float32 from 0.0 (black) to 1.0.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no picture, or damaged, or holds floating-point numbers, which do
            not say how bright white is.

    Warns:
        UserWarning: the file held something else than one picture of 8-bit grey or RGB.
    """
    from PIL import Image, ImageOps

    shape = None if size is None else pair(size, "size", where="load_image")
    if not Path(path).is_file():
        raise FileNotFoundError(f"load_image: no file {os.fspath(path)}")
    try:
        with Image.open(path) as file:
            if file.mode == "F":
                raise ValueError("it holds floating-point numbers; convert it to 8 or 16 bits")
            converted = _conversions(file)
            file.load()
            picture = _eight_bit(ImageOps.exif_transpose(file))
    except (OSError, TypeError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"load_image: {os.fspath(path)} is no picture that Pillow can read ({error})"
        ) from None
    if converted:
        message = f"load_image: {os.fspath(path)} was converted: {'; '.join(converted)}"
        warnings.warn(message, stacklevel=2)
    if grey:
        picture = picture.convert("L")
    if shape is not None:
        height, width = shape
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    array = np.asarray(picture, dtype=np.float32) / np.float32(255)
    return array[..., None] if array.ndim == 2 else array


def _conversions(file: ImageFile) -> list[str]:
    """What has to be done to a file to make it one picture of 8-bit grey or RGB, in words."""
    done = []
    frames = getattr(file, "n_frames", 1)
    if frames > 1:
        done.append(f"the first of its {frames} frames was taken")
    # Pillow itself cuts 16-bit colours; what it does is known from the layout it unpacks.
    if _is_wide(file) or re.search(r"(LA|RGB[AX]?);16", str(file.tile)):
        done.append("of 16 bits per number the upper 8 were kept")
    if file.has_transparency_data:
        done.append("what is transparent was laid over white")
    elif file.mode not in ("1", "L", "RGB") and not _is_wide(file):
        kind = "the colours of its palette" if file.mode == "P" else f"its {file.mode} colours"
        done.append(f"{kind} became RGB")
    return done


def _is_wide(picture: Image) -> bool:
    """Whether it holds 16-bit greys, which Pillow may give as 32-bit integers."""
    return picture.mode.startswith("I")


def _eight_bit(picture: Image) -> Image:
    """Mode L or RGB, whatever the file had."""
    from PIL import Image

    if _is_wide(picture):
        wide = np.asarray(picture).astype(np.int64)
        return Image.fromarray((np.clip(wide, 0, 65535) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        colours = picture.convert("RGBA")
        opaque = Image.new("RGBA", colours.size, "white")
        opaque.alpha_composite(colours)
        was_grey = picture.mode in ("L", "LA", "1")
        return opaque.convert("RGB").convert("L") if was_grey else opaque.convert("RGB")
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def save_image(path: str | os.PathLike[str], array: Any) -> None:
    """Write an array as a picture file; the ending of the path chooses the format.

    Floats go from 0.0 to 1.0; what lies outside is black or white, and never wraps around, which is
    what a cast to bytes would do. Arrays of uint8 are written as they are.

    Args:
        path: of the file; an existing one is replaced once the new one is complete.
        array: (H, W), (H, W, 1) grey, (H, W, 3) RGB or (H, W, 4) RGBA; an array or a Tensor.

    Raises:
        TypeError: integers other than uint8, or no real numbers.
        ValueError: another shape, an empty array, nan, an ending Pillow does not know, or an array
            that such files cannot hold, such as RGBA for a JPEG file.
    """
    from PIL import Image

    values = as_array("save_image: array", array.data if isinstance(array, Tensor) else array)
    shape = values.shape
    if not (values.ndim == 2 or (values.ndim == 3 and shape[2] in (1, 3, 4))) or 0 in shape:
        raise ValueError(
            f"save_image: array of shape {shape} must be (H, W) or (H, W, 1, 3 or 4), and not empty"
        )
    if values.dtype.kind == "f":
        if np.isnan(values).any():
            raise ValueError("save_image: the array holds nan, which is no brightness")
        values = np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)
    if values.dtype != np.uint8:
        raise TypeError(
            f"save_image: array of dtype {values.dtype} must hold floats from 0 to 1, or uint8"
        )
    if values.ndim == 3 and shape[2] == 1:
        values = values[..., 0]
    kind = Image.registered_extensions().get(Path(path).suffix.lower())
    if kind not in Image.SAVE:
        raise ValueError(f"save_image: the ending of {os.fspath(path)} names no format; use .png")
    with whole_file(path) as temporary:
        try:
            Image.fromarray(np.ascontiguousarray(values)).save(temporary)
        except (OSError, ValueError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # of the system, such as a full disk
            raise ValueError(
                f"save_image: {kind} files cannot hold an array of shape {shape} ({error}); use "
                ".png"
            ) from None
