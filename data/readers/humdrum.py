"""Humdrum `**kern` (humdrum.org/rep/kern): scores as columns of text.

A line is one moment; its fields, separated by tabs, belong to *spines* side by side, which split (`*^`), join (`*v`),
change places (`*x`), begin (`*+`) and end (`*-`). A field is a note, a chord, a rest, or `.`: what began before goes
on. So the time of a line is where the spines end that have something new in it.

- read: notes, chords, rests, ties; bar lines; `*M` meters, `*MM` tempo, `*I"` names; all that comes of a spine is one
  part
- left out: grace notes, other spines than `**kern`; repeats are read as they are written, once
- :
"""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from melodylc.data.bars import Meter
from melodylc.data.errors import ScoreError
from melodylc.data.readers.measures import MAX_NOTES, Length, Measure, MeasureNote, assemble, ticks
from melodylc.data.scores import MAX_BARS, Score
from melodylc.data.texts import printable

_LETTERS = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_DURATION = re.compile(r"(\d{1,4})(?:%(\d{1,4}))?(\.{0,4})")
_PITCH = re.compile(r"(([a-g])\2{0,5}|([A-G])\3{0,5})([#\-n]*)")
_METER = re.compile(r"\*M(\d{1,3}(?:\+\d{1,3})*)/(\d{1,3})$")
_MOVING = frozenset(("*^", "*v", "*-", "*+", "*x"))
_MAX_SPINES = 1 << 10


class _Sign(NamedTuple):
    """What one note of a field says; `pitch` None: it is silent."""

    length: Length
    pitch: int | None
    tied_before: bool
    tied_after: bool


@dataclass
class _Spine:
    """One column: the part it belongs to (-1: no notes), and where it ends so far."""

    part: int
    end: Length


@dataclass
class _Bar:
    start: Length
    meter: Meter | None
    notes: dict[str, list[MeasureNote]] = field(default_factory=dict)
    double: bool = False


def read_humdrum(content: bytes) -> Score:
    r"""The score of a file with `**kern` spines.

    Raises:
        ScoreError: why it can't be used, without the file's name.

    >>> read_humdrum(b"**kern\n*M4/4\n2c\n2g#\n=2\n1cc\n*-\n").parts[0].pitches.tolist()
    [60, 68, 72]
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    reader = _Reader()
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        if line and not line.startswith("!"):
            try:
                reader.read(line)
            except ScoreError as error:
                raise ScoreError(f"damaged at line {number:,}: {error}") from error
    return reader.score()


class _Reader:
    def __init__(self) -> None:
        self.spines: list[_Spine] = []
        self.begun = False
        self.names: dict[str, str] = {}
        self.bars = [_Bar(0, (4, 4))]
        self.now: Length = 0
        self.tempo = 120.0
        self.count = 0
        self.signs: dict[str, tuple[_Sign, ...]] = {}

    def read(self, line: str) -> None:
        """A line that is no comment."""
        fields = line.split("\t")
        if line.startswith("**") and not self.begun:
            self._begin(fields)
            return
        if not self.begun:
            raise ScoreError("not Humdrum: no line of ** interpretations begins it")
        if len(fields) != len(self.spines):
            raise ScoreError(f"{_plural(len(fields), 'field')} where there are {_plural(len(self.spines), 'spine')}")
        if line.startswith("*"):
            self._interpret(fields)
        elif line.startswith("="):
            self._bar_line(fields)
        else:
            self._moment(fields)

    def score(self) -> Score:
        """What was read."""
        if not self.begun:
            raise ScoreError("not Humdrum: no line of ** interpretations begins it")
        if not self.names:
            raise ScoreError("it has no **kern spine")
        if not self.count:
            raise ScoreError("it holds no notes")
        if self.spines:
            raise ScoreError("it breaks off: its spines don't end (no *-); get it again")
        end = max(
            self.now, *(note.start + note.length for bar in self.bars for notes in bar.notes.values() for note in notes)
        )
        measures = []
        for bar, after in zip(self.bars, [*(bar.start for bar in self.bars[1:]), end], strict=True):
            notes = {
                part: [note._replace(start=note.start - bar.start) for note in notes]
                for part, notes in bar.notes.items()
            }
            if after > bar.start:
                measures.append(Measure(bar.meter, notes, after - bar.start, double=bar.double))
        # Printed scores have their lowest part first in the file; melodies have the highest first.
        return assemble(measures, dict(reversed(self.names.items())), self.tempo)

    def _begin(self, fields: list[str]) -> None:
        self.begun = True
        for kind in fields:
            part = len(self.names) if kind.startswith("**kern") else -1
            if part >= 0:
                self.names[str(part)] = ""
            self.spines.append(_Spine(part, 0))

    def _interpret(self, fields: list[str]) -> None:
        """Meters, names, tempo; splits and joins."""
        for spine, text in zip(self.spines, fields, strict=True):
            if spine.part < 0:
                continue
            if text.startswith('*I"'):
                self.names[str(spine.part)] = self.names[str(spine.part)] or printable(text[3:], 80)
            elif text.startswith("*MM"):
                found = re.match(r"\*MM(\d{1,4}(?:\.\d+)?)", text)
                if found and float(found[1]) and not self.count:
                    self.tempo = float(found[1])
            elif text.startswith("*M") and (text[2:3].isdigit() or text in ("*MX", "*MZ")):
                self._meter(_parse_meter(text))
        if not _MOVING.isdisjoint(fields):
            self._rearrange(fields)

    def _meter(self, meter: Meter | None) -> None:
        at = max((spine.end for spine in self.spines if spine.part >= 0), default=self.now)
        if self.bars[-1].start == at or not self.count:
            self.bars[-1].meter = meter
        elif self.bars[-1].start < at:
            self._open(_Bar(at, meter))

    def _rearrange(self, fields: list[str]) -> None:
        spines: list[_Spine] = []
        index = 0
        while index < len(fields):
            spine, text = self.spines[index], fields[index]
            after = index + 1
            if text == "*^":
                spines += [spine, _Spine(spine.part, spine.end)]
            elif text == "*v":
                while after < len(fields) and fields[after] == "*v" and self.spines[after].part == spine.part:
                    after += 1
                if after == index + 1 and after < len(fields) and fields[after] == "*v":
                    after += 1  # spines of two parts, crossed before
                spines.append(_Spine(spine.part, max(one.end for one in self.spines[index:after])))
            elif text == "*x" and after < len(fields) and fields[after] == "*x":
                spines += [self.spines[after], spine]
                after += 1
            elif text == "*+":
                spines += [spine, _Spine(-1, spine.end)]
            elif text != "*-":
                spines.append(spine)
            index = after
        if len(spines) > _MAX_SPINES:
            raise ScoreError(f"more than {_MAX_SPINES:,} spines")
        self.spines = spines

    def _bar_line(self, fields: list[str]) -> None:
        at = max((spine.end for spine in self.spines if spine.part >= 0), default=self.now)
        self.now = max(self.now, at)
        line = fields[0]
        double = ":" in line or "||" in line or "|!" in line or "==" in line
        bar = self.bars[-1]
        if at > bar.start:
            bar.double = bar.double or double
            self._open(_Bar(at, bar.meter))
        elif double and len(self.bars) > 1:
            self.bars[-2].double = True

    def _open(self, bar: _Bar) -> None:
        if len(self.bars) >= MAX_BARS:
            raise ScoreError(f"more than {MAX_BARS:,} bars")
        self.bars.append(bar)

    def _moment(self, fields: list[str]) -> None:
        new = [
            (spine, text)
            for spine, text in zip(self.spines, fields, strict=True)
            if spine.part >= 0 and text not in (".", "")
        ]
        if not new:
            return
        now = self.now = max(self.now, min(spine.end for spine, _ in new))
        bar = self.bars[-1]
        for spine, text in new:
            signs = self.signs.get(text)
            if signs is None:
                signs = self.signs[text] = _signs(text)
            longest: Length = 0
            for sign in signs:
                longest = max(longest, sign.length)
                if sign.pitch is not None and sign.length:
                    self.count += 1
                    note = MeasureNote(now, sign.length, sign.pitch, sign.tied_before, sign.tied_after)
                    bar.notes.setdefault(str(spine.part), []).append(note)
            spine.end = now + longest if longest else max(spine.end, now)
        if self.count > MAX_NOTES:
            raise ScoreError(f"more than {MAX_NOTES:,} notes")


def _signs(text: str) -> tuple[_Sign, ...]:
    """What the notes of a field say; grace notes last nothing."""
    found = []
    for one in text.split(" "):
        length = 0 if "q" in one or "Q" in one else _length(one)
        pitch = None if "r" in one else _pitch(one)
        if length is not None:
            found.append(_Sign(length, pitch, "]" in one or "_" in one, "[" in one or "_" in one))
    return tuple(found)


def _length(text: str) -> Length | None:
    """The ticks of a note: 4 is a quarter, 0 two whole ones, 3%2 two thirds of one, each dot half as much again."""
    found = _DURATION.search(text)
    if not found:
        return None
    number, over, dots = found.groups()
    quarters = Fraction(4, int(number)) if number.strip("0") else Fraction(4 * 2 ** len(number))
    if over:
        quarters *= int(over)
    return ticks(quarters * (2 - Fraction(1, 2 ** len(dots))))


def _pitch(text: str) -> int | None:
    """Middle C is c, the octave above cc, the one below C."""
    found = _PITCH.search(text)
    if not found:
        return None
    letters, signs = found[1], found[4]
    octave = len(letters) - 1 if letters.islower() else -len(letters)
    return 60 + 12 * octave + _LETTERS[letters[0].lower()] + signs.count("#") - signs.count("-")


def _parse_meter(text: str) -> Meter | None:
    found = _METER.match(text)
    over, under = (sum(map(int, found[1].split("+"))), int(found[2])) if found else (0, 0)
    return (over, under) if 0 < over < 256 and 0 < under < 256 else None


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
