"""A labelled contact sheet as a PNG: pictures in rows, what was asked under each, how they were made in its metadata.

A sheet belongs to the request in its metadata: the same request writes it anew, any other file is somebody's work.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, reason
from melodylc.data.pictures.base import Bytes

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

METADATA_KEY = "melodylc"  #: of the metadata
CELL = 112  #: pixels that a picture is enlarged to, at least
GAP, CAPTION, COLUMNS = 8, 13, 8
PAPER, INK = (255, 255, 255), (30, 30, 30)


@dataclass(frozen=True)
class PictureGrid:
    """Pictures with a caption each, in rows of `columns`."""

    pixels: Bytes  #: (rows * columns, channels, side, side)
    captions: tuple[str, ...]
    columns: int


def write_sheet(
    path: Path,
    pixels: Bytes,
    captions: Sequence[str],
    title: str,
    manifest: Mapping[str, Any],
    columns: int = COLUMNS,
) -> None:
    """Write pictures (n, channels, side, side) with a caption each, in rows of `columns`, whole or not at all.

    Raises:
        InputError: the file can't be written.
    """
    content = png_bytes(draw_sheet(pixels, captions, title, columns), {METADATA_KEY: manifest})
    with atomic_write(path) as file:
        file.write(content)


def png_bytes(picture: Any, texts: Mapping[str, Any] | None = None) -> bytes:
    """A `PIL.Image.Image`, or pixels (channels, side, side), as a PNG, with values as JSON in its metadata."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture[0] if len(picture) == 1 else _rgb(picture))
    info = PngInfo()
    for key, value in (texts or {}).items():
        info.add_text(key, json.dumps(value, sort_keys=True))
    content = io.BytesIO()
    picture.save(content, "PNG", pnginfo=info)
    return content.getvalue()


def draw_sheet(
    pixels: Bytes, captions: Sequence[str], title: str, columns: int = COLUMNS, group: int | None = None
) -> Any:
    """The sheet as a `PIL.Image.Image`; each `group` pictures begin a row of their own."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(CAPTION)
    side = pixels.shape[-1] * max(1, ceil(CELL / pixels.shape[-1]))
    lines = [_wrap(caption, font, side) for caption in captions]
    group = min(group or len(pixels), len(pixels))
    columns, under = min(columns, group), GAP + (CAPTION + 3) * max(len(line) for line in lines)
    rows, over = ceil(group / columns), 2 * GAP + CAPTION
    heading = _wrap(title, font, columns * (side + GAP) - GAP)
    over += (len(heading) - 1) * (CAPTION + 3)
    size = (columns * (side + GAP) + GAP, over + ceil(len(pixels) / group) * rows * (side + under) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.multiline_text((GAP, GAP), "\n".join(heading), INK, font)
    for at, (picture, text) in enumerate(zip(pixels, lines, strict=True)):
        row, column = at // group * rows + at % group // columns, at % group % columns
        left, top = GAP + column * (side + GAP), over + row * (side + under)
        sheet.paste(Image.fromarray(_rgb(picture)).resize((side, side), Image.Resampling.NEAREST), (left, top))
        pen.multiline_text((left, top + side + 2), "\n".join(text), INK, font)
    return sheet


def check_sheet_path(path: Path, request: Mapping[str, Any]) -> None:
    """Check, before any work, that a sheet may be written at `path`.

    Raises:
        InputError: its folder isn't there, or it is a file that this request didn't write.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder: name a file such as {path / 'sheet.png'} with -o")
    if path.suffix.lower() != ".png":
        raise InputError(f"{path}: a sheet is a PNG; name one such as {path.with_suffix('.png').name} with -o")
    if not path.parent.is_dir():
        raise InputError(f"{path.parent} is no folder: make it first, or name another file with -o")
    if path.exists() and read_manifest(path).get("request") != json.loads(json.dumps(request)):
        raise InputError(f"{path} wasn't written by this command: name another file with -o")


def read_manifest(path: Path) -> dict[str, Any]:
    """What a sheet of ours says about itself; empty for any other file.

    Raises:
        InputError: it can't be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            found = json.loads(getattr(picture, "text", {}).get(METADATA_KEY, "{}"))
    except (UnidentifiedImageError, ValueError, SyntaxError):
        return {}
    except OSError as error:
        raise InputError(f"can't read {str(path)!r}: {reason(error)}") from error
    return found if isinstance(found, dict) else {}


def caption(label: Sequence[float], names: Sequence[str], exclusive: bool) -> str:
    """Labels in words: the class, or the attributes that are there.

    >>> caption([0, 1], ["cat", "dog"], True), caption([1, 0, 1], ["Bald", "Male", "Young"], False)
    ('dog', 'Bald, Young')
    """
    there = [name.replace("_", " ") for name, value in zip(names, label, strict=True) if value > 0.5]
    return there[0] if exclusive and there else ", ".join(there) or "none"


def _rgb(picture: Bytes) -> Bytes:
    return np.ascontiguousarray(np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0))


def _wrap(text: str, font: "FreeTypeFont | ImageFont", width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
