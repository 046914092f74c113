"""Anybody's picture file as pixels: upright, 8 bits, grey or colour, whatever it is saved as.

| file | becomes |
|---|---|
| turned by its EXIF orientation | upright |
| grey of 16 bits | 8 bits, by the range of 16 |
| transparent | laid on white |
| palette, CMYK, YCbCr, black and white | RGB, or grey |
| an animation | its first frame |

Numbers without a known range (32 bits, floating point) and pictures of more than Pillow's limit of pixels are refused.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from melodylc.data.files import reason
from melodylc.data.pictures.base import Bytes, PicturesError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")  #: of pictures' files
LEAST = 8  #: pixels that a side needs at least
GREY_MODES = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N", "I")


def is_grey(path: Path) -> bool:
    """Whether a picture file has brightness alone, by its header; raises as `open_picture` does."""
    with _open_picture(path) as picture:
        return picture.mode in GREY_MODES


def open_picture(path: Path, enough: int | None = None) -> "PILImage":
    """The picture of a file, upright, in mode "L" (grey) or "RGB".

    Args:
        path: of the file.
        enough: pixels a side that will do: JPEGs are decoded at a half, a quarter or an eighth where that leaves them.

    Raises:
        PicturesError: it isn't a picture, is damaged, too large, or has numbers whose range isn't known.
    """
    from PIL import ImageOps

    with _open_picture(path) as picture:
        if enough:
            picture.draft(None, (enough, enough))
        upright = ImageOps.exif_transpose(picture)
        return _eight_bits(upright, picture.format == "PNG", path)


def read_pixels(path: Path, side: int, channels: int, crop: int | None = None) -> Bytes:
    """The central square of a picture file, reduced or enlarged: (channels, side, side).

    Args:
        path: of the file.
        side: of the result.
        channels: 1, grey, or 3, RGB.
        crop: side of the square in the file's pixels; as large as fits where it is None.

    Raises:
        PicturesError: as `open_picture`; or the picture is smaller than the square.
    """
    from PIL import Image

    picture = open_picture(path, None if crop else 2 * side)
    width, height = picture.size
    if crop and crop > min(width, height):
        raise PicturesError(f"{path}: {width} x {height} pixels, from which no square of {crop} can be cut")
    if min(width, height) < LEAST:
        raise PicturesError(f"{path}: {width} x {height} pixels; a side needs {LEAST} or more")
    square = crop or min(width, height)
    left, top = (width - square) // 2, (height - square) // 2
    picture = picture.crop((left, top, left + square, top + square)).convert("L" if channels == 1 else "RGB")
    array: Bytes = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))
    return array[None].copy() if channels == 1 else array.transpose(2, 0, 1).copy()


def _eight_bits(picture: "PILImage", is_png: bool, path: Path) -> "PILImage":
    from PIL import Image

    if picture.mode.startswith("I;16") or (picture.mode == "I" and is_png):
        numbers = np.asarray(picture).astype(np.float64)
        if numbers.min() < 0 or numbers.max() > 0xFFFF:
            raise PicturesError(f"{path}: numbers beyond 16 bits; save it with 8 or 16 bits")
        return Image.fromarray((numbers / 257).round().astype(np.uint8))
    if picture.mode in ("I", "F"):
        raise PicturesError(f"{path}: numbers of 32 bits, whose range isn't known; save it with 8 or 16 bits")
    grey = picture.mode in GREY_MODES
    if picture.has_transparency_data:
        whole = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", whole.size, "white"), whole)
    return picture.convert("L" if grey else "RGB")


@contextmanager
def _open_picture(path: Path) -> "Iterator[PILImage]":
    """A picture file, open; errors of decoding, in the block too, as ours: one sentence that names the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(path)
        with picture:
            yield picture
    except PicturesError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PicturesError(f"{path}: more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels; reduce it first") from None
    except UnidentifiedImageError:
        raise PicturesError(
            f"{path}: doesn't decode (not a picture, or of an unknown kind); save it as PNG or JPEG"
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError, struct.error) as error:
        why = reason(error) if isinstance(error, OSError) and error.errno else " ".join(str(error).split())
        raise PicturesError(f"{path}: doesn't decode ({why}); get it again") from None
