"""Piano rolls as PNG, painted by Pillow, an extra: ``melodylc[png]``."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from melodylc.data.errors import InputError
from melodylc.data.formats.roll import COLOURS, FONT_SIZE, Panel, drawing
from melodylc.data.keys import Scale

if TYPE_CHECKING:
    from PIL import Image

SHARPNESS = 2  #: pixels of the file for one of the drawing


def check_png() -> None:
    """Make sure that PNG can be written, before time is spent.

    Raises:
        InputError: Pillow isn't installed.
    """
    _pillow()


def png(panels: Sequence[Panel], scale: Scale | None = None) -> bytes:
    """The picture of `melodylc.data.formats.roll.drawing` as PNG, twice its size.

    Raises:
        InputError: Pillow isn't installed, or there are no melodies.
    """
    image_module, draw_module, font_module = _pillow()
    picture = drawing(panels, scale)
    image: Image.Image = image_module.new("RGB", (picture.width * SHARPNESS, picture.height * SHARPNESS))
    pen, font = draw_module.Draw(image), font_module.load_default(FONT_SIZE * SHARPNESS)
    for box in picture.boxes:
        # Pillow counts the last pixel in.
        far = ((box.x + box.width) * SHARPNESS - 1, (box.y + box.height) * SHARPNESS - 1)
        pen.rectangle(((box.x * SHARPNESS, box.y * SHARPNESS), far), fill=COLOURS[box.role])
    for label in picture.labels:
        place = (label.x * SHARPNESS, label.y * SHARPNESS)
        pen.text(place, label.text, fill=COLOURS["label"], font=font, anchor="ls")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _pillow() -> tuple[Any, Any, Any]:
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise InputError("a PNG needs Pillow: pip install 'melodylc[png]', or take svg") from error
    return Image, ImageDraw, ImageFont
