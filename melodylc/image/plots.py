"""Two kinds of plot as PNGs, by Pillow alone: a contour map with points on it, and curves over ranks."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.files import atomic_write

Plane = npt.NDArray[np.float64]
SIZE, EDGE, TEXT = 480, 48, 13
PAPER, INK, FAINT = (255, 255, 255), (30, 30, 30), (205, 205, 205)
COLOURS = (
    *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207)),
)
LOW, HIGH = np.array([40, 60, 120]), np.array([250, 235, 160])
BANDS = 10


def contour_map(
    path: Path,
    maps: Mapping[str, Plane],
    extent: float,
    points: Plane,
    kinds: Sequence[int],
    axes: tuple[str, str],
) -> None:
    """Write maps of numbers in [0, 1], each (h, w) over [-extent, extent]^2 with the second axis upwards, side by side.

    Args:
        path: the PNG.
        maps: by title.
        extent: half the side of what is shown.
        points: (n, 2), drawn on each.
        kinds: of each point, which is its colour.
        axes: their names.
    """
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    sheet = Image.new("RGB", (len(maps) * (SIZE + EDGE) + EDGE, SIZE + 2 * EDGE), PAPER)
    pen = ImageDraw.Draw(sheet)
    for at, (title, values) in enumerate(maps.items()):
        left, top = EDGE + at * (SIZE + EDGE), EDGE
        picture = Image.fromarray(banded(values)[::-1].astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.NEAREST)
        sheet.paste(picture, (left, top))
        for (x, y), kind in zip(points, kinds, strict=True):
            if max(abs(x), abs(y)) < extent:
                right, down = left + (x / extent + 1) * SIZE / 2, top + (1 - y / extent) * SIZE / 2
                pen.ellipse((right - 2, down - 2, right + 2, down + 2), fill=COLOURS[kind % len(COLOURS)])
        pen.text((left, top - 20), f"{title}; upwards {axes[1]}", INK, font)
        pen.text((left, top + SIZE + 6), f"{-extent:g}", INK, font)
        pen.text((left + SIZE - 12, top + SIZE + 6), f"{extent:g}", INK, font)
        pen.text((left + SIZE / 2 - 30, top + SIZE + 6), axes[0], INK, font)
    _write(path, sheet)


def curves(path: Path, lines: Mapping[str, Sequence[float]], title: str, most: float) -> None:
    """Write curves of numbers in [0, most] over their ranks 1, 2, ..., by name."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(TEXT)
    sheet = Image.new("RGB", (SIZE + 2 * EDGE + 60, SIZE + 2 * EDGE), PAPER)
    pen = ImageDraw.Draw(sheet)
    longest = max(len(line) for line in lines.values())
    for part in range(5):
        down = EDGE + SIZE * part / 4
        pen.line((EDGE, down, EDGE + SIZE, down), FAINT)
        pen.text((8, down - 7), f"{most * (1 - part / 4):.2g}", INK, font)
    for at, (name, line) in enumerate(lines.items()):
        places = np.arange(len(line)) / max(1, longest - 1)
        dots = [(EDGE + x * SIZE, EDGE + (1 - min(y / most, 1)) * SIZE) for x, y in zip(places, line, strict=True)]
        pen.line(dots, COLOURS[at % len(COLOURS)], 2)
        pen.text((EDGE + SIZE - 60, EDGE + SIZE - 20 * (len(lines) - at)), name, COLOURS[at % len(COLOURS)], font)
    pen.text((EDGE, 16), title, INK, font)
    pen.text((EDGE + SIZE - 24, EDGE + SIZE + 6), str(longest), INK, font)
    pen.text((EDGE, EDGE + SIZE + 6), "1", INK, font)
    _write(path, sheet)


def banded(values: Plane) -> Plane:
    """Colours (h, w, 3) of numbers in [0, 1], in ten bands with a dark line between two.

    >>> banded(np.array([[0.0, 0.04, 1.0]]))[0, :, 0].tolist()
    [40.0, 40.0, 250.0]
    """
    band = np.minimum((values.clip(0, 1) * BANDS).astype(int), BANDS - 1)
    colours = LOW + (HIGH - LOW) * (band / (BANDS - 1))[..., None]
    edge = np.zeros(band.shape, bool)
    edge[:, 1:] |= band[:, 1:] != band[:, :-1]
    edge[1:] |= band[1:] != band[:-1]
    if min(band.shape) > BANDS:  # lines would hide a map of a few cells
        colours = np.where(edge[..., None], 0.6 * colours, colours)
    found: Plane = colours.astype(np.float64)
    return found


def _write(path: Path, sheet: Any) -> None:
    content = io.BytesIO()
    sheet.save(content, "PNG")
    with atomic_write(path) as file:
        file.write(content.getvalue())
