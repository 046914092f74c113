"""Piano rolls: every note where it belongs, the outsiders marked, in SVG, PNG and characters."""

import io
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image
from test_midi import MELODIES, SILENCE, TUNE

from melodylc.data.errors import InputError
from melodylc.data.formats.png import SHARPNESS, png
from melodylc.data.formats.roll import COLOURS, MARGIN, ROW_HEIGHT, STEP_WIDTH, TITLE, Panel, drawing, svg, text_lines
from melodylc.data.keys import Scale, parse_scale
from melodylc.data.melody import Melody

C_MAJOR = parse_scale("cmaj")
WRONG = Melody.from_notes([(60, 0, 4), (61, 4, 8), (72, 250, 256)])
SVG = "{http://www.w3.org/2000/svg}"


def notes_of(picture: str) -> list[tuple[str, float, float, float]]:
    """(class, step, length, y) of each note in an SVG, read with another library's eyes."""
    root = ElementTree.fromstring(picture)
    rectangles = [it for it in root.iter(f"{SVG}rect") if it.get("class") in ("note", "outside")]
    numbers = [[float(it.get(name, "nan")) for name in ("x", "width", "y")] for it in rectangles]
    return [
        (str(it.get("class")), (x - MARGIN - 1) / STEP_WIDTH, (width + 1) / STEP_WIDTH, y)
        for it, (x, width, y) in zip(rectangles, numbers, strict=True)
    ]


@settings(max_examples=20)
@given(MELODIES)
def test_svg_has_every_note_in_its_place(melody: Melody) -> None:
    found = notes_of(svg([Panel("any", melody)], C_MAJOR))
    expected = [(note.start, note.end - note.start) for note in melody.notes]
    assert [(start, length) for _, start, length, _ in found] == expected
    outside = [kind == "outside" for kind, *_ in found]
    assert outside == [pitch % 12 not in (0, 2, 4, 5, 7, 9, 11) for pitch in melody.pitches.tolist()]
    heights = [y for *_, y in found]
    assert heights == [heights[0] - ROW_HEIGHT * (p - melody.pitches[0]) for p in melody.pitches] if heights else True


def test_bars_stand_on_a_grid() -> None:
    boxes = drawing([Panel("", TUNE)]).boxes
    assert [box.x for box in boxes if box.role == "bar"] == [MARGIN + 16 * bar * STEP_WIDTH for bar in range(17)]
    assert len([box for box in boxes if box.role == "beat"]) == 48


def test_before_stands_above_after_over_the_same_pitches() -> None:
    low, high = Melody.from_notes([(40, 0, 4)]), Melody.from_notes([(80, 0, 4)])
    picture = drawing([Panel("before", low), Panel("after", high)])
    titles = [label for label in picture.labels if label.text in ("before", "after")]
    assert [label.text for label in sorted(titles, key=lambda label: label.y)] == ["before", "after"]
    below, above = [box for box in picture.boxes if box.role == "note"]
    assert above.y - below.y == TITLE + 41 * ROW_HEIGHT - 40 * ROW_HEIGHT


def test_titles_are_escaped_and_on_one_line() -> None:
    picture = svg([Panel('<script>"\n\0&', TUNE)])
    assert "<script>" not in picture
    labels = [it.text for it in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert '<script>"  &' in labels
    assert png([Panel("a\nb", TUNE)])


def test_png_shows_the_same_picture() -> None:
    image = Image.open(io.BytesIO(png([Panel("x", WRONG)], C_MAJOR))).convert("RGB")
    picture = drawing([Panel("x", WRONG)], C_MAJOR)
    assert image.size == (picture.width * SHARPNESS, picture.height * SHARPNESS)
    for box in picture.boxes:
        if box.role in ("note", "outside"):
            corners = [(box.x, box.y), (box.x + box.width - 0.5, box.y + box.height - 0.5)]
            for x, y in corners:
                colour = image.getpixel((int(x * SHARPNESS), int(y * SHARPNESS)))
                assert isinstance(colour, tuple)
                assert "#{:02x}{:02x}{:02x}".format(*colour) == COLOURS[box.role]


@settings(max_examples=8)
@given(MELODIES)
def test_characters_give_the_melody_back(melody: Melody) -> None:
    for bars in (4, 16):
        found: list[tuple[int, int]] = []
        first = -bars
        for line in text_lines(melody, C_MAJOR, bars=bars):
            text = "".join(cell for cell, _ in line)
            if not text.strip() or "│" not in text:
                first += bars if text.strip() else 0
                continue
            cells = text[5:].replace("│", "")
            found += [(16 * first + step, step) for step, cell in enumerate(cells) if cell in "█X"]
        assert sorted(step for step, _ in found) == melody.onsets.tolist()


def test_marks_tell_the_scale_apart_without_colour() -> None:
    (line,) = [line for line in text_lines(WRONG, C_MAJOR, bars=16) if line[0][0].startswith(" C#4")]
    assert [kind for _, kind in line if kind] == ["outside"] * 4
    assert "".join(text for text, _ in line)[5:13] == "·   Xxxx"


def test_nothing_to_show() -> None:
    with pytest.raises(InputError, match="one melody or more"):
        drawing([])
    assert notes_of(svg([Panel("", SILENCE)])) == []
    assert np.all([len(line) for line in text_lines(SILENCE)])


@pytest.mark.parametrize("pitch", [0, 127])
def test_the_ends_of_the_keyboard(pitch: int) -> None:
    picture = drawing([Panel("", Melody.from_notes([(pitch, 0, 4)]))], Scale(0, "major"))
    assert all(box.y >= 0 and box.y + box.height <= picture.height for box in picture.boxes)
