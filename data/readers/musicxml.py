"""MusicXML, plain (.musicxml, .xml) and compressed (.mxl): scores as notation programs exchange them.

- read: parts, a staff each; chords, ties, several voices, `backup` and `forward`; meters, tempo, names; sounding
  pitch of transposing instruments; repeats and endings; upbeats and other short measures
- left out: grace and cue notes, unpitched ones and parts on channel 10; D.C., D.S., codas; score-timewise

A file from outside is read by expat with handlers of our own: one that declares entities is refused, nothing outside
of it is looked up, and only a measure at a time becomes a tree. Of a compressed file the score alone is unpacked, up
to `MAX_UNPACKED` bytes.
"""

import io
import zipfile
import zlib
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from melodylc.data.bars import Meter
from melodylc.data.errors import ScoreError
from melodylc.data.readers.measures import (
    MAX_NOTES,
    MOST_TIMES,
    Length,
    Measure,
    MeasureNote,
    assemble,
    ticks,
)
from melodylc.data.scores import MAX_BARS, Score
from melodylc.data.texts import printable

MAX_UNPACKED = 64 << 20  #: bytes of the score in a compressed file
_MAX_DEPTH = 64
_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_CAPTURED = frozenset(("part-list", "measure"))
_BEATS = {"whole": Fraction(4), "half": Fraction(2), "quarter": Fraction(1), "eighth": Fraction(1, 2)}
_ZIP_DAMAGES = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


def read_compressed(content: bytes) -> Score:
    """The score of an .mxl file.

    Raises:
        ScoreError: why it can't be used, without the file's name.
    """
    return read_musicxml(_unpacked(content))


def read_musicxml(content: bytes) -> Score:
    """The score of a MusicXML document.

    Raises:
        ScoreError: why it can't be used, without the file's name.

    >>> read_musicxml(b"<letter/>")
    Traceback (most recent call last):
    melodylc.data.errors.ScoreError: not MusicXML: its root is <letter>, not <score-partwise>
    """
    document = _Document()
    document.read(content)
    return document.score()


def _unpacked(content: bytes) -> bytes:
    """The score in a compressed file: what its container names, or the first that may be one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [
                name
                for name in archive.namelist()
                if PurePosixPath(name).suffix.lower() in (".xml", ".musicxml") and not name.startswith("META-INF")
            ]
            if not names:
                raise ScoreError("no score is in it")
            with archive.open(names[0]) as file:
                score = file.read(MAX_UNPACKED + 1)
    except _ZIP_DAMAGES as error:
        if isinstance(error, ScoreError):
            raise
        raise ScoreError(f"damaged, or not compressed MusicXML ({error})") from error
    if len(score) > MAX_UNPACKED:
        raise ScoreError(f"unpacks to more than {MAX_UNPACKED >> 20} MiB: refused as an archive bomb")
    return score


@dataclass
class _Part:
    """A part while its measures are read."""

    number: int
    name: str = ""
    drums: bool = False
    divisions: Fraction = Fraction(1)
    meter: Meter | None = (4, 4)
    transpose: dict[str, int] = field(default_factory=dict)  # semitones by staff; "": all
    ending: frozenset[int] = frozenset()
    measures: list[Measure] = field(default_factory=list)
    staves: set[str] = field(default_factory=set)


class _Document:
    """A document as expat reports it."""

    def __init__(self) -> None:
        self.parts: dict[str, _Part] = {}
        self.part = _Part(0)
        self.tempo = 0.0
        self.count = 0
        self.unpitched = 0
        self._stack: list[str] = []
        self._builder: TreeBuilder | None = None
        self._root = ""

    def read(self, content: bytes) -> None:
        """Parse the document.

        Raises:
            ScoreError: it isn't well-formed, declares entities, or isn't MusicXML.
        """
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = _refuse_entity
        try:
            parser.Parse(content, True)
        except expat.ExpatError as error:
            if not content.strip():
                raise ScoreError("empty") from error
            problem = expat.errors.messages.get(error.code, "not XML")
            raise ScoreError(f"damaged at line {error.lineno:,}: {problem}") from error
        except (LookupError, ValueError, ZeroDivisionError, ArithmeticError) as error:
            if isinstance(error, ScoreError):
                raise
            line = parser.CurrentLineNumber
            raise ScoreError(f"damaged at line {line:,}: a number or name that can't be there ({error})") from error

    def score(self) -> Score:
        """All parts together, measure by measure."""
        parts = [part for part in self.parts.values() if part.measures]
        if not parts:
            raise ScoreError("it has no measures")
        if not self.count:
            raise ScoreError("it has drums alone, and no melody" if self.unpitched else "it holds no notes")
        voices = {
            f"{part.number}.{staff}": part.name if len(part.staves) == 1 else f"{part.name} (staff {staff})".strip()
            for part in self.parts.values()
            for staff in sorted(part.staves)
        }
        measures = []
        for index in range(max(len(part.measures) for part in parts)):
            together = [part.measures[index] for part in parts if index < len(part.measures)]
            first = together[0]
            first.length = max(one.length for one in together)
            for one in together[1:]:
                first.notes.update(one.notes)
                first.forward, first.double = first.forward or one.forward, first.double or one.double
                first.times, first.ending = max(first.times, one.times), first.ending or one.ending
            measures.append(first)
        for one, following in pairwise(measures):
            one.double = one.double or following.forward
        return assemble(measures, voices, self.tempo or 120.0)

    # -- what expat calls ----------------------------------------------------------------------

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if not self._stack:
            self._root = name
            if name != "score-partwise":
                raise ScoreError(f"not MusicXML: its root is <{printable(name, 40)}>, not <score-partwise>")
        self._stack.append(name)
        if len(self._stack) > _MAX_DEPTH:
            raise ScoreError(f"elements within elements, more than {_MAX_DEPTH} deep")
        if self._builder is None and name in _CAPTURED:
            self._builder = TreeBuilder()
            self._depth = len(self._stack)
        if self._builder is not None:
            self._builder.start(name, attributes)
        elif name == "part":
            self.part = self.parts.setdefault(attributes.get("id", ""), _Part(len(self.parts)))

    def _text(self, text: str) -> None:
        if self._builder is not None:
            self._builder.data(text)

    def _end(self, name: str) -> None:
        if self._builder is not None:
            self._builder.end(name)
            if len(self._stack) == self._depth:
                element, self._builder = self._builder.close(), None
                if name == "measure":
                    self._measure(element)
                else:
                    self._list(element)
        self._stack.pop()

    def _list(self, element: Element) -> None:
        for one in element.iter("score-part"):
            name = printable(" ".join((one.findtext("part-name") or "").split()), 80)
            channels = {channel.text for channel in one.iter("midi-channel")}
            self.parts[one.get("id", "")] = _Part(len(self.parts), name, channels == {"10"})

    # -- a measure -----------------------------------------------------------------------------

    def _measure(self, element: Element) -> None:
        part = self.part
        if len(part.measures) >= MAX_BARS:
            raise ScoreError(f"has more than {MAX_BARS:,} measures")
        measure = Measure(part.meter)
        now: Length = 0
        last: Length = 0
        ended = False
        for one in element:
            if one.tag == "note":
                if one.find("grace") is not None or one.find("cue") is not None:
                    continue
                length = self._length(one)
                if one.find("chord") is None:
                    last, now = now, now + length
                self._note(one, measure, last, length)
                measure.length = max(measure.length, now)
            elif one.tag == "backup":
                now = max(now - self._length(one), 0)
            elif one.tag == "forward":
                now += self._length(one)
                measure.length = max(measure.length, now)
            elif one.tag == "attributes":
                self._attributes(one)
                measure.meter = part.meter if not measure.notes else measure.meter
            elif one.tag == "barline":
                ended = self._barline(one, measure) or ended
            if not self.tempo and one.tag in ("direction", "sound"):
                self.tempo = _tempo(one)
        measure.ending = measure.ending or part.ending
        if ended:
            part.ending = frozenset()
        part.measures.append(measure)

    def _length(self, element: Element) -> Length:
        length = Fraction(element.findtext("duration") or 0)
        if length < 0 or length.denominator > 1000:
            raise ScoreError(f"damaged: a duration of {printable(element.findtext('duration') or '', 20)}")
        return ticks(length / self.part.divisions)

    def _note(self, element: Element, measure: Measure, start: Length, length: Length) -> None:
        part, pitch = self.part, element.find("pitch")
        if element.find("unpitched") is not None or (pitch is not None and part.drums):
            self.unpitched += 1
        elif pitch is not None and length > 0:
            staff = (element.findtext("staff") or "1").strip()
            step, octave = (pitch.findtext("step") or "").strip(), int(pitch.findtext("octave") or "")
            alter = round(Fraction((pitch.findtext("alter") or "0").strip()))
            moved = part.transpose.get(staff, part.transpose.get("", 0))
            ties = {tie.get("type") for tie in element.findall("tie")}
            number = 12 * (octave + 1) + _LETTERS[step] + alter + moved
            note = MeasureNote(start, length, number, "stop" in ties, "start" in ties)
            part.staves.add(staff)
            measure.notes.setdefault(f"{part.number}.{staff}", []).append(note)
            self.count += 1
            if self.count > MAX_NOTES:
                raise ScoreError(f"has more than {MAX_NOTES:,} notes")

    def _attributes(self, element: Element) -> None:
        part = self.part
        if divisions := element.findtext("divisions"):
            part.divisions = Fraction(divisions.strip())
            if part.divisions <= 0:
                raise ScoreError(f"damaged: {printable(divisions, 20)} divisions a quarter")
        if (time := element.find("time")) is not None:
            part.meter = _meter(time)
        for transpose in element.findall("transpose"):
            octaves = int(transpose.findtext("octave-change") or 0)
            semitones = round(Fraction(transpose.findtext("chromatic") or 0))
            part.transpose[transpose.get("number", "")] = semitones + 12 * octaves

    def _barline(self, element: Element, measure: Measure) -> bool:
        """Take in a bar line; whether an ending stops with it."""
        if (element.findtext("bar-style") or "") in ("light-light", "light-heavy", "heavy-heavy"):
            measure.double = measure.double or element.get("location", "right") == "right"
        if (repeat := element.find("repeat")) is not None:
            if repeat.get("direction") == "forward":
                measure.forward = True
            else:
                measure.times = max(2, min(int(repeat.get("times", "2")), MOST_TIMES))
                measure.double = True
        ending = element.find("ending")
        if ending is None:
            return False
        if ending.get("type") == "start":
            digits = "".join(c if c.isdigit() else " " for c in ending.get("number", "1"))
            self.part.ending = frozenset(int(number) for number in digits.split() if len(number) < 3)
            measure.ending = self.part.ending
            return False
        return True


def _refuse_entity(*_: object) -> None:
    raise ScoreError("declares entities, which no score needs: refused")


def _meter(time: Element) -> Meter | None:
    """The meter of a <time>; None for one without numbers (senza misura)."""
    beats, kinds = time.findall("beats"), time.findall("beat-type")
    if not beats or len(beats) != len(kinds):
        return None
    whole = sum(
        (
            Fraction(sum(int(n) for n in (over.text or "").split("+")), int(under.text or ""))
            for over, under in zip(beats, kinds, strict=True)
        ),
        Fraction(0),
    )
    under = max(int(kind.text or "") for kind in kinds)
    over = whole * under
    return (int(over), under) if over.denominator == 1 and 0 < over < 256 and 0 < under < 256 else None


def _tempo(element: Element) -> float:
    """Quarters a minute of a direction or sound; 0 where it says none."""
    for sound in element.iter("sound"):
        if sound.get("tempo"):
            return _pace(Fraction(sound.get("tempo", "0")))
    for mark in element.iter("metronome"):
        unit, pace = (mark.findtext("beat-unit") or "").strip(), mark.findtext("per-minute") or ""
        if unit in _BEATS and pace.strip().replace(".", "", 1).isdigit():
            dots = Fraction(3, 2) if mark.find("beat-unit-dot") is not None else Fraction(1)
            return _pace(Fraction(pace.strip()) * _BEATS[unit] * dots)
    return 0.0


def _pace(tempo: Fraction) -> float:
    return float(tempo) if 1 <= tempo <= 2000 else 0.0
