"""Piano rolls as PNG, painted by Pillow."""

import io
from collections.abc import Sequence

from melodylc.data.alphabet import BARS
from melodylc.data.chords import Progression
from melodylc.data.formats.roll import COLOURS, FONT_SIZE, Panel, drawing
from melodylc.data.keys import Scale

SHARPNESS = 2  #: pixels of the file for one of the drawing


def png(
    panels: Sequence[Panel], scale: Scale | None = None, chords: Progression | None = None, bars: int = BARS
) -> bytes:
    """The picture of `melodylc.data.formats.roll.drawing` as PNG, twice its size.

    Raises:
        InputError: there are no melodies.
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = drawing(panels, scale, chords, bars)
    image = Image.new("RGB", (picture.width * SHARPNESS, picture.height * SHARPNESS))
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(FONT_SIZE * SHARPNESS)
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
