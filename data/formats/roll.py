"""Piano rolls, as in figure 4 of "Latent Constraints": bars on a grid, notes outside the scale in red.
With chords, their names stand above the bars, and notes that aren't of the chord where they begin are red, too.

`drawing` lays out one picture for any number of melodies, one below the other over the same pitches, in pixels; `svg`
writes it, and `melodylc.data.formats.png` paints it. `text_lines` is a roll for a terminal.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

import numpy as np

from melodylc.data.alphabet import BARS, PITCHES, STEPS_PER_BAR
from melodylc.data.chords import Progression, Span
from melodylc.data.errors import InputError
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody, Note, pitch_name
from melodylc.data.texts import printable

Role = Literal["paper", "shade", "beat", "bar", "note", "outside", "label"]
COLOURS: dict[Role, str] = {
    "paper": "#ffffff",
    "shade": "#f1f1f1",
    "beat": "#dddddd",
    "bar": "#8c8c8c",
    "note": "#2b5f8f",
    "outside": "#d62728",
    "label": "#404040",
}
STEP_WIDTH, ROW_HEIGHT, MARGIN, TITLE, CHORD_LINE = 4, 7, 34, 18, 14
FONT_SIZE = 11
_BLACK_KEYS = frozenset((1, 3, 6, 8, 10))
_LEAST_ROWS = 13


class Panel(NamedTuple):
    """A melody in a picture, and what stands above it."""

    title: str
    melody: Melody


class Box(NamedTuple):
    """A rectangle, in pixels from the upper left, and what it stands for."""

    role: Role
    x: float
    y: float
    width: float
    height: float
    title: str = ""  #: shown where a pointer rests on it


class Label(NamedTuple):
    """A text that begins at x, with its baseline at y."""

    text: str
    x: float
    y: float


@dataclass(frozen=True)
class Drawing:
    """A picture of `width` x `height` pixels; boxes lie over those before them."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    labels: tuple[Label, ...]


def is_outside(note: Note, scale: Scale | None, chords: Progression | None = None) -> bool:
    """Whether a note's pitch class isn't in the scale, nor of the chord where it begins; without both, none is outside.

    >>> is_outside(Note(61, 0, 4), Scale(0, "major")), is_outside(Note(61, 0, 4), None)
    (True, False)
    """
    if chords is not None and not chords.allowed[note.start, note.pitch % 12]:
        return True
    return scale is not None and note.pitch % 12 not in scale.pitch_classes


def drawing(
    panels: Sequence[Panel], scale: Scale | None = None, chords: Progression | None = None, bars: int = BARS
) -> Drawing:
    """The picture of the first so many bars of melodies, one below the other, over the same chords.

    Raises:
        InputError: there are none.

    >>> picture = drawing([Panel("a", Melody.from_notes([(60, 0, 4), (61, 4, 8)]))], Scale(0, "major"))
    >>> [box.role for box in picture.boxes if box.role in ("note", "outside")]
    ['note', 'outside']
    """
    if not panels:
        raise InputError("a piano roll shows one melody or more, not none")
    lowest, highest = _range([panel.melody for panel in panels])
    head = TITLE if chords is None else TITLE + CHORD_LINE
    height = head + (highest - lowest + 1) * ROW_HEIGHT
    steps = bars * STEPS_PER_BAR
    width = MARGIN + steps * STEP_WIDTH + MARGIN // 2
    boxes = [Box("paper", 0, 0, width, height * len(panels) + TITLE)]
    labels: list[Label] = []
    for index, panel in enumerate(panels):
        top = index * height + head
        boxes += _grid(top, lowest, highest, scale, steps)
        notes = [it._replace(end=min(it.end, steps)) for it in panel.melody.notes if it.start < steps]
        boxes += [_box(note, top, highest, is_outside(note, scale, chords)) for note in notes]
        labels += _labels(panel, top, lowest, highest, head)
        labels += [
            Label(it.chord.name, MARGIN + it.start * STEP_WIDTH + 2, top - 4)
            for it in _symbols(chords)
            if it.start < steps
        ]
    return Drawing(width, height * len(panels) + TITLE, tuple(boxes), tuple(labels))


def svg(
    panels: Sequence[Panel], scale: Scale | None = None, chords: Progression | None = None, bars: int = BARS
) -> str:
    """The picture as SVG, which any browser shows.

    >>> svg([Panel("a & b", Melody.from_notes([(60, 0, 4)]))]).count("<title>C4, bar 1</title>")
    1
    """
    picture = drawing(panels, scale, chords, bars)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {picture.width} {picture.height}" '
    head += f'width="{picture.width}" height="{picture.height}" font-family="sans-serif" font-size="{FONT_SIZE}">'
    rows = [head, f"<title>{escape(printable(', '.join(panel.title for panel in panels)))}</title>"]
    rows += [_rectangle(box) for box in picture.boxes]
    rows += [
        f'<text x="{it.x:g}" y="{it.y:g}" fill="{COLOURS["label"]}">{escape(it.text)}</text>' for it in picture.labels
    ]
    return "\n".join([*rows, "</svg>", ""])


def text_lines(
    melody: Melody, scale: Scale | None = None, *, bars: int = 4, chords: Progression | None = None
) -> Iterator[list[tuple[str, Literal["", "note", "outside"]]]]:
    """The roll in characters, `bars` bars in a row: lines of (text, what it is).

    In the scale a note begins with a full block and goes on in lighter ones; outside, with X and x.

    >>> lines = list(text_lines(Melody.from_notes([(60, 0, 4), (61, 4, 6)]), Scale(0, "major"), bars=1))
    >>> for line in lines[:3]:
    ...     print("".join(text for text, _ in line).rstrip())
         1
     C#4│·   Xx  ·   ·   │
      C4│█▒▒▒·   ·   ·   │
    """
    for first in range(0, BARS, bars):
        start, end = first * STEPS_PER_BAR, min(first + bars, BARS) * STEPS_PER_BAR
        notes = [note for note in melody.notes if note.start < end and note.end > start]
        numbers = range(first + 1, min(first + bars, BARS) + 1)
        yield [("     " + "".join(f"{number:<{STEPS_PER_BAR + 1}}" for number in numbers), "")]
        if chords is not None:
            yield [("     " + _names(chords, start, end), "")]
        pitches = [note.pitch for note in notes]
        for pitch in range(max(pitches, default=60), min(pitches, default=60) - 1, -1):
            row = [note for note in notes if note.pitch == pitch]
            yield [(f"{pitch_name(pitch):>4}│", ""), *_cells(row, start, end, scale, chords)]
        yield [("", "")]


def _cells(
    notes: list[Note], start: int, end: int, scale: Scale | None, chords: Progression | None
) -> Iterator[tuple[str, Literal["", "note", "outside"]]]:
    at = {step: note for note in notes for step in range(note.start, note.end)}
    for step in range(start, end):
        note = at.get(step)
        if note is None:
            yield ("·" if step % 4 == 0 else " "), ""
        elif is_outside(note, scale, chords):
            yield ("X" if step == note.start else "x"), "outside"
        else:
            yield ("█" if step == note.start else "▒"), "note"
        if step % STEPS_PER_BAR == STEPS_PER_BAR - 1:
            yield "│", ""


def _range(melodies: list[Melody]) -> tuple[int, int]:
    """The lowest and the highest pitch to show: an octave or more."""
    pitches = np.concatenate([melody.pitches for melody in melodies])
    lowest, highest = (int(pitches.min()), int(pitches.max())) if len(pitches) else (60, 60)
    more = max(0, _LEAST_ROWS - (highest - lowest + 1))
    lowest = max(0, lowest - more // 2)
    return min(lowest, PITCHES - _LEAST_ROWS), min(PITCHES - 1, max(highest, lowest + _LEAST_ROWS - 1))


def _grid(top: int, lowest: int, highest: int, scale: Scale | None, steps: int) -> Iterator[Box]:
    """Shaded rows, those that the scale hasn't (without one, the black keys), beats and bars."""
    inside = frozenset(range(12)) - _BLACK_KEYS if scale is None else scale.pitch_classes
    for pitch in range(lowest, highest + 1):
        if pitch % 12 not in inside:
            yield Box("shade", MARGIN, top + (highest - pitch) * ROW_HEIGHT, steps * STEP_WIDTH, ROW_HEIGHT)
    height = (highest - lowest + 1) * ROW_HEIGHT
    for step in range(0, steps + 1, 4):
        yield Box("beat" if step % STEPS_PER_BAR else "bar", MARGIN + step * STEP_WIDTH, top, 1, height)


def _box(note: Note, top: int, highest: int, outside: bool) -> Box:
    x, y = MARGIN + note.start * STEP_WIDTH, top + (highest - note.pitch) * ROW_HEIGHT
    title = f"{pitch_name(note.pitch)}, bar {note.start // STEPS_PER_BAR + 1}"
    width = (note.end - note.start) * STEP_WIDTH - 1  # a pixel tells a note from the next of its pitch
    return Box("outside" if outside else "note", x + 1, y + 1, width, ROW_HEIGHT - 1, title)


def _symbols(chords: Progression | None) -> list[Span]:
    """The chords, each where it is another than before, or after four bars."""
    spans = () if chords is None else chords.spans
    every = 4 * STEPS_PER_BAR
    return [
        it
        for before, it in zip((None, *spans), spans, strict=False)
        if not before or before.chord != it.chord or it.start % every == 0
    ]


def _names(chords: Progression, start: int, end: int) -> str:
    """The chords' names above the columns of a row, whose bars have a line behind; a long name hides what it covers."""
    line = ""
    for chord, step, _ in chords.spans:
        column = step - start + (step - start) // STEPS_PER_BAR
        if start <= step < end and len(line) <= column:
            line = f"{line:<{column}}{chord.name} "
    return line.rstrip()


def _labels(panel: Panel, top: int, lowest: int, highest: int, head: int) -> Iterator[Label]:
    yield Label(printable(panel.title), MARGIN, top - head + TITLE - 5)
    for pitch in range(lowest, highest + 1):
        if pitch % 12 == 0:
            yield Label(pitch_name(pitch), 4, top + (highest - pitch + 1) * ROW_HEIGHT)


def _rectangle(box: Box) -> str:
    attributes = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}"'
    start = f'<rect class="{box.role}" {attributes} fill="{COLOURS[box.role]}"'
    return f"{start}><title>{escape(box.title)}</title></rect>" if box.title else f"{start}/>"
