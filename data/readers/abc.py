"""ABC notation 2.1 (abcnotation.com), as far as it says what sounds.

- read: notes, chords, rests, `Z`; accidentals up to the bar line, in every octave; `L: M: K: Q: V:` before and within
  the tune; broken rhythm; tuplets; ties; repeats and endings; overlays (`&`); `octave=`, `transpose=`, clefs `+8`,
  `-8`
- left out: grace notes, decorations, slurs, chord symbols, words, macros, `P:` orders, `%%` directives

A book holds several tunes, each from its `X:` to the next; what stands before the first is the head of all. Files
that are not UTF-8 are read as Latin-1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from melodylc.data.bars import Meter
from melodylc.data.errors import ScoreError
from melodylc.data.readers.measures import (
    DIVISION,
    MOST_TIMES,
    Length,
    Measure,
    MeasureNote,
    assemble,
    measure_length,
    ticks,
)
from melodylc.data.scores import MAX_BARS, Score
from melodylc.data.texts import printable

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MIDDLE_C = 60
_SHARPS = "FCGDAEB"
_MAJOR = {"C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5, "F": -1}
_MODES = {
    "": 0,
    "maj": 0,
    "ion": 0,
    "m": -3,
    "min": -3,
    "aeo": -3,
    "dor": -2,
    "phr": -4,
    "lyd": 1,
    "mix": -1,
    "loc": -5,
}
_SIGNS = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}
_KEY = re.compile(
    r"\s*([A-Ga-g])([#b]?)\s*((?i:maj|min|ion|dor|phr|lyd|mix|aeo|loc)[A-Za-z]*|m(?![A-Za-z])|)(?![A-Za-z])"
)
_HEAD = 1 << 14  # characters before the first tune that hold for all
_NOTE = r"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)(\d*/*\d*)(-?)"
_TOKEN = re.compile(
    rf"""
    (?P<text>"[^"]*")
    |(?P<decoration>![^!|\s]*!|\+[A-Za-z0-9]+\+)
    |(?P<grace>\{{[^}}]*\}})
    |(?P<inline>\[[A-Za-z]:[^\]]*\])
    |(?P<bar>\.?(?::*\[?\|+\]?:*|::+))
    |(?P<ending>\[\s*["']?\d[\d,.\-]*|(?<=[|:\]])\s*\d+(?:[,.\-]\d+)*)
    |(?P<tuplet>\((\d)(?::(\d*))?(?::(\d*))?)
    |(?P<chord>\[[^\]|:"]*\])(?P<chord_length>\d*/*\d*)
    |(?P<note>{_NOTE})
    |(?P<rest>[zx](\d*/*\d*))
    |(?P<rests>[ZX](\d*))
    |(?P<broken>[<>]+)
    |(?P<tie>-)
    |(?P<overlay>&)
    |(?P<space>[\s()`\\$*;!yH-WYh-w~.]\d*)
    |(?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Tune(NamedTuple):
    """A tune of a book: its number and title, and its text with the book's head before it."""

    number: str
    title: str
    text: str


def tunes(content: bytes) -> list[Tune]:
    r"""The tunes of a book; a text without `X:` is one.

    >>> [tune[:2] for tune in tunes(b"X:1\nT:Air\nK:C\nC|\n\nX:7\nK:G\nG|")]
    [('1', 'Air'), ('7', '')]
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    begins = [found.start() for found in re.finditer(r"^X:", text.replace("\r", "\n"), re.MULTILINE)]
    if not begins:
        return [Tune("", _field(text, "T"), text)]
    head = text[: begins[0]][-_HEAD:]
    fields = "".join(f"{line}\n" for line in head.splitlines() if re.match(r"[LMQU]:", line))
    bodies = [text[begin:end] for begin, end in zip(begins, [*begins[1:], len(text)], strict=True)]
    return [Tune(_field(body, "X"), _field(body, "T"), fields + body) for body in bodies]


def _field(text: str, letter: str) -> str:
    found = re.search(rf"^{letter}:([^\r\n%]*)", text, re.MULTILINE)
    return printable(found[1].strip(), 80) if found else ""


def read_abc(content: bytes) -> Score:
    r"""The score of a tune; of a book, of its first.

    Raises:
        ScoreError: why it can't be used, without the file's name.

    >>> read_abc(b"X:1\nM:4/4\nL:1/4\nK:D\nF>G A2|").parts[0].pitches.tolist()
    [66, 67, 69]
    """
    found = tunes(content)
    score = _Reader(found[0].text).score()
    if len(found) == 1:
        return score
    return score._replace(remarks=(*score.remarks, f"the first of {len(found)} tunes in it"))


@dataclass
class _Voice:
    """Where a voice is: its measures so far, the one that goes on, and what holds in it."""

    name: str
    key: dict[str, int]
    unit: Fraction
    meter: Meter | None
    shift: int = 0  # semitones
    measures: list[Measure] = field(default_factory=list)
    notes: list[MeasureNote] = field(default_factory=list)  # of the measure that goes on
    now: Length = 0
    length: Length = 0
    forward: bool = False
    ending: frozenset[int] = frozenset()
    signs: dict[str, int] = field(default_factory=dict)
    tuplet: tuple[Fraction, int] = (Fraction(1), 0)  # the factor, and for how many notes
    broken: int = 0  # signs > (positive) or < since the last note
    last: int = 0  # how many notes the last chord has, 0 after a rest
    last_length: Length = 0
    tied: dict[tuple[str, int], int] = field(default_factory=dict)  # pitches that a tie leads from
    pending: bool = False  # whether one leads to what comes next

    def end_measure(self) -> None:
        if len(self.measures) >= MAX_BARS:
            raise ScoreError(f"has more than {MAX_BARS:,} bars")
        notes = {self.name: self.notes} if self.notes else {}
        length = max(self.length, self.now)
        self.measures.append(Measure(self.meter, notes, length, self.forward, ending=self.ending))
        self.notes, self.now, self.length, self.forward, self.signs = [], 0, 0, False, {}
        self.last = 0


class _Reader:
    """A tune, read line by line."""

    def __init__(self, text: str) -> None:
        self.voices: dict[str, _Voice] = {}
        self.titles: dict[str, str] = {}
        self.shifts: dict[str, int] = {}
        self.unknown = 0
        self.tempo = ""
        if "\0" in text:
            raise ScoreError("not ABC: it holds bytes that no text has")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        body = self._head(lines)
        self.voice = self._switch(next(iter(self.titles), "1"))
        for line in lines[body:]:
            if not line.strip() and any(voice.measures for voice in self.voices.values()):
                break  # an empty line ends a tune
            self._line(line)
        for voice in self.voices.values():
            if voice.now or voice.notes:
                voice.end_measure()

    def score(self) -> Score:
        """All voices together."""
        named = {name: printable(self.titles.get(name, ""), 80) for name in self.voices}
        voices = list(self.voices.values())
        measures: list[Measure] = []
        for index in range(max(len(voice.measures) for voice in voices)):
            together = [voice.measures[index] for voice in voices if index < len(voice.measures)]
            notes = {name: notes for one in together for name, notes in one.notes.items()}
            first = together[0]
            length = max(one.length for one in together)
            double = any(one.double for one in together)
            measures.append(Measure(first.meter, notes, length, first.forward, first.times, first.ending, double))
        if not any(measure.notes for measure in measures):
            raise ScoreError("it holds no notes")
        left = f"{self.unknown:,} character{'s' * (self.unknown > 1)} that mean nothing left out"
        return assemble(measures, named, self._tempo(), (left,) if self.unknown else ())

    # -- fields --------------------------------------------------------------------------------

    def _head(self, lines: list[str]) -> int:
        """Read the fields before the notes: where the notes begin."""
        fields: dict[str, str] = {}
        for index, line in enumerate(lines):
            found = re.match(r"\s*([A-Za-z]):([^%]*)", line)
            if not found:
                continue
            letter, value = found[1], found[2].strip()
            if letter == "V":
                self._define(value)
            elif letter == "Q":
                self.tempo = value
            fields[letter] = value
            if letter == "K":
                meter = parse_meter(fields.get("M", "C"))
                unit = _fraction(fields.get("L", "")) or _usual_unit(meter)
                key, shift = parse_key(value, {})
                self.start = _Voice("", key, unit, meter, shift)
                return index + 1
        raise ScoreError("not an ABC tune: no K: line ends its head")

    def _define(self, value: str) -> str:
        """A voice's name as in `V:T1 name="Tenor" octave=-1`."""
        name = value.split()[0] if value.split() else "1"
        title = re.search(r"""\b(?:name|nm)=(?:"([^"]*)"|(\S+))""", value)
        self.titles[name] = (title[1] or title[2] or "") if title else self.titles.get(name, "")
        if shift := _shift(value):
            self.shifts[name] = shift
        return name

    def _switch(self, value: str) -> _Voice:
        name = self._define(value)
        if name not in self.voices:
            start = self.start
            self.voices[name] = _Voice(name, start.key, start.unit, start.meter, start.shift)
        voice = self.voices[name]
        voice.shift = self.shifts.get(name, voice.shift)
        return voice

    def _field(self, letter: str, value: str) -> None:
        voice = self.voice
        if letter == "V":
            self.voice = self._switch(value)
        elif letter == "K":
            voice.key, voice.shift = parse_key(value, voice.key, voice.shift)
            self.shifts.pop(voice.name, None)
        elif letter == "M":
            voice.meter = parse_meter(value)
        elif letter == "L":
            voice.unit = _fraction(value) or voice.unit
        elif letter == "Q":
            self.tempo = self.tempo or value

    def _tempo(self) -> float:
        """Quarters a minute, of `1/4=120`, `"Allegro" 3/8=100`, or `120` units."""
        text = re.sub(r'"[^"]*"', "", self.tempo)
        found = re.search(r"((?:\d+/\d+\s*)+)=\s*(\d+(?:\.\d+)?)", text)
        beats = (
            sum((_fraction(beat) or Fraction(0) for beat in found[1].split()), Fraction(0)) if found else Fraction(0)
        )
        number = re.search(r"(?:^|=)\s*(\d+(?:\.\d+)?)\s*$", text)
        pace = float(found[2]) * 4 * float(beats) if found else float(number[1]) if number else 0.0
        if number and not found:
            pace *= 4 * float(self.start.unit)
        return pace if 1 <= pace <= 2000 else 120.0

    # -- music ---------------------------------------------------------------------------------

    def _line(self, line: str) -> None:
        if field_line := re.match(r"\s*([A-Za-z+]):(?![|:\]])([^%]*)", line):
            self._field(field_line[1], field_line[2].strip())
            return
        line = re.sub(r"(?<!\\)%.*", "", line)
        for token in _TOKEN.finditer(line):
            self._token(token)

    def _token(self, token: re.Match[str]) -> None:
        voice, kind = self.voice, token.lastgroup or ""
        if token["note"]:
            self._sound([token.groups()[token.re.groupindex["note"] :][:5]], Fraction(1))
        elif token["bar"]:
            self._bar_line(token["bar"].lstrip("."))
        elif token["rest"]:
            self._advance([], _multiple(token["rest"][1:]))
        elif token["chord"]:
            notes = re.findall(_NOTE, token["chord"])
            if notes:
                self._sound(notes, _multiple(token["chord_length"]) * _multiple(notes[0][3]), chord=True)
        elif token["inline"]:
            self._field(token["inline"][1], token["inline"][3:-1].strip())
        elif token["ending"]:
            if voice.now:
                voice.end_measure()
            voice.ending = _numbers(token["ending"])
        elif token["tuplet"]:
            number, into, count = token.groups()[token.re.groupindex["tuplet"] :][:3]
            voice.tuplet = _tuplet(int(number), into, count, voice.meter)
        elif kind == "broken":
            voice.broken = len(token["broken"]) * (1 if token["broken"][0] == ">" else -1)
        elif kind == "tie":
            self._tie()
        elif kind == "overlay":
            voice.length, voice.now, voice.last = max(voice.length, voice.now), 0, 0
        elif kind == "rests" or token["rests"]:
            for _ in range(min(int(token["rests"][1:] or 1), MAX_BARS)):
                voice.now = measure_length(voice.meter) or 4 * DIVISION
                voice.end_measure()
        elif kind == "other":
            self.unknown += 1

    def _bar_line(self, bar: str) -> None:
        voice = self.voice
        colons = len(bar.strip(":")) == 0
        before = 1 if colons else len(bar) - len(bar.lstrip(":"))
        after = 1 if colons else len(bar) - len(bar.rstrip(":"))
        if voice.now or voice.notes:
            voice.end_measure()
        if voice.measures and before:
            voice.measures[-1].times = min(before + 1, MOST_TIMES)
        double = bool(before or after) or bar.strip(":") != "|"
        if voice.measures and double:
            voice.measures[-1].double = True
        if double:
            voice.ending = frozenset()
        voice.forward = voice.forward or after > 0

    def _sound(self, notes: list[tuple[str, ...]], length: Fraction, chord: bool = False) -> None:
        """A note or a chord; a chord's length is its first note's."""
        voice = self.voice
        pitches: list[tuple[int, bool]] = []
        tied = voice.tied
        voice.tied = {}
        for sign, letter, marks, _, tie in notes:
            name, octave = letter.upper(), letter.islower() + marks.count("'") - marks.count(",")
            if sign:
                voice.signs[name] = _SIGNS[sign]
            alter = voice.signs.get(name, voice.key.get(name, 0))
            pitch = _MIDDLE_C + _LETTERS[name] + 12 * octave + alter + voice.shift
            if not sign and voice.pending:
                pitch = tied.get((name, octave), pitch)  # a tie carries its sign over the bar line
            voice.tied[name, octave] = pitch
            pitches.append((pitch, bool(tie)))
        self._advance(pitches, length if chord else _multiple(notes[0][3]))
        voice.pending = any(tie for _, tie in pitches)

    def _advance(self, pitches: list[tuple[int, bool]], units: Fraction) -> None:
        """Notes that begin now, or a rest: as long as units, tuplets and broken rhythm say."""
        voice = self.voice
        factor, left = voice.tuplet
        length = ticks(units * voice.unit * 4 * (factor if left else 1))
        voice.tuplet = factor, max(left - 1, 0)
        if voice.broken:
            short = Fraction(1, 2 ** min(abs(voice.broken), 4))
            mine, other = (short, 2 - short) if voice.broken > 0 else (2 - short, short)
            longer = voice.last_length * other - voice.last_length
            for index in range(len(voice.notes) - voice.last, len(voice.notes)):
                voice.notes[index] = voice.notes[index]._replace(length=voice.notes[index].length + longer)
            voice.now += longer if voice.now else 0
            length *= mine
            voice.broken = 0
        voice.notes += [MeasureNote(voice.now, length, pitch, voice.pending, tie) for pitch, tie in pitches]
        voice.last, voice.last_length = len(pitches), length
        voice.now += length
        if not pitches:
            voice.pending = False

    def _tie(self) -> None:
        voice = self.voice
        for index in range(len(voice.notes) - voice.last, len(voice.notes)):
            voice.notes[index] = voice.notes[index]._replace(tied_after=True)
        voice.pending = True


# -- what fields and lengths mean --------------------------------------------------------------


def parse_meter(text: str) -> Meter | None:
    """The meter of an `M:` field, None for a free one.

    >>> [parse_meter(text) for text in ("C", "C|", "6/8", "(2+3)/8", "none")]
    [(4, 4), (2, 2), (6, 8), (5, 8), None]
    """
    text = text.strip()
    if text.startswith("C"):
        return (2, 2) if text[1:2] == "|" else (4, 4)
    found = re.match(r"\(?\s*(\d+(?:\s*\+\s*\d+)*)\s*\)?\s*/\s*(\d+)", text)
    over, under = (sum(map(int, found[1].split("+"))), int(found[2])) if found else (0, 0)
    return (over, under) if 0 < over < 256 and 0 < under < 256 else None


def parse_key(text: str, before: dict[str, int], shift: int = 0) -> tuple[dict[str, int], int]:
    """The signs of a `K:` field by letter, and the semitones by which its clef moves all notes.

    A field that names no key, such as `K:clef=bass`, leaves the signs `before`.

    >>> parse_key("Dmix", {}), parse_key("Ddor ^c", {})
    (({'F': 1}, 0), ({'C': 1}, 0))
    """
    found = _KEY.match(text)
    rest = text[found.end() :] if found else text
    signs = dict(before)
    if text.strip()[:2] in ("HP", "Hp"):
        signs = {"F": 1, "C": 1}
    elif found:
        mode = found[3] if found[3] == "m" else found[3].lower()[:3]
        sharps = _MAJOR[found[1].upper()] + 7 * {"": 0, "#": 1, "b": -1}[found[2]] + _MODES[mode]
        sharps = max(-7, min(7, sharps))
        signs = dict.fromkeys(_SHARPS[:sharps], 1) if sharps > 0 else dict.fromkeys(_SHARPS[::-1][:-sharps], -1)
        if re.match(r"\s*exp\b", rest):
            signs = {}
    elif re.match(r"\s*(none)?\s*$", text):
        signs = {}
    for sign, letter in re.findall(r"(\^\^|\^|__|_|=)([A-Ga-g])(?![A-Za-z])", rest):
        signs[letter.upper()] = _SIGNS[sign]
    return signs, _shift(rest) or shift


def _shift(text: str) -> int:
    octave = re.search(r"\boctave=(-?\d)\b", text)
    semitones = re.search(r"\btranspose=(-?\d{1,2})\b", text)
    clef = re.search(r"\b(?:treble|bass|alto|tenor)\d?([+-]8)", text)
    return (
        12 * int(octave[1] if octave else 0)
        + int(semitones[1] if semitones else 0)
        + ((12 if clef[1] == "+8" else -12) if clef else 0)
    )


def _fraction(text: str) -> Fraction | None:
    found = re.match(r"\s*(\d{1,4})(?:\s*/\s*(\d{1,4}))?", text)
    return Fraction(int(found[1]), int(found[2] or 1)) if found and int(found[1]) and int(found[2] or 1) else None


def _usual_unit(meter: Meter | None) -> Fraction:
    return Fraction(1, 16) if meter and Fraction(*meter) < Fraction(3, 4) else Fraction(1, 8)


def _multiple(text: str) -> Fraction:
    """How many units a length is: nothing, `3`, `/`, `//`, `3/2`."""
    found = re.fullmatch(r"(\d*)(/*)(\d*)", text)
    if not found:
        return Fraction(1)
    over, strokes, under = found.groups()
    by = int(under[:4] or 0) or (2 ** min(len(strokes), 8) if strokes else 1)
    return Fraction(int(over[:4] or 1), by if strokes else 1)


def _numbers(text: str) -> frozenset[int]:
    """The passes of an ending: `1`, `1,3`, `1-3`."""

    def spans() -> Iterator[int]:
        for one in re.findall(r"(\d{1,2})(?:-(\d{1,2}))?", text):
            yield from range(int(one[0]), int(one[1] or one[0]) + 1)

    return frozenset(spans())


def _tuplet(number: int, into: str | None, count: str | None, meter: Meter | None) -> tuple[Fraction, int]:
    """`(p:q:r`: p notes in the time of q, for the next r notes."""
    compound = bool(meter) and meter is not None and meter[1] == 8 and meter[0] % 3 == 0
    usual = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(number, 3 if compound else 2)
    return Fraction(int(into) if into else usual, max(number, 1)), int(count) if count else number
