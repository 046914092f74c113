"""Melodies as MusicXML 4.0, for notation programs: one part, its bars, tempo, key, names, ties."""

from xml.etree import ElementTree as Xml

from melodylc.data.chords import Chord, Progression
from melodylc.data.formats.notation import Written, bars, fifths, spell
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.texts import printable
from melodylc.data.writing import Writing

_DOCTYPE = (
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">'
)
# Sixteenths to the kind of note and its dots.
_TYPES = {1: ("16th", 0), 2: ("eighth", 0), 3: ("eighth", 1), 4: ("quarter", 0), 6: ("quarter", 1)}
_TYPES |= {8: ("half", 0), 12: ("half", 1), 16: ("whole", 0)}
_MIDDLE_C = 60
# Kinds of chords in MusicXML, with the degrees that they imply; other chords are one of these with degrees changed.
_KINDS = {
    kind: frozenset(Chord("C", quality).degrees)
    for kind, quality in {
        "major": "",
        "minor": "m",
        "augmented": "aug",
        "diminished": "dim",
        "dominant": "7",
        "major-seventh": "maj7",
        "minor-seventh": "m7",
        "diminished-seventh": "dim7",
        "augmented-seventh": "aug7",
        "half-diminished": "m7b5",
        "major-minor": "mMaj7",
        "major-sixth": "6",
        "minor-sixth": "m6",
        "dominant-ninth": "9",
        "major-ninth": "maj9",
        "minor-ninth": "m9",
        "dominant-11th": "11",
        "major-11th": "maj11",
        "minor-11th": "m11",
        "dominant-13th": "13add11",
        "major-13th": "maj13add11",
        "minor-13th": "m13add11",
        "suspended-second": "sus2",
        "suspended-fourth": "sus4",
        "power": "5",
    }.items()
}


def musicxml(
    melody: Melody,
    writing: Writing,
    scale: Scale | None = None,
    title: str = "melodylc",
    chords: Progression | None = None,
) -> str:
    """The score of a melody, and of chords the symbols.

    Swing, a human touch, velocity, repeats and what concerns MIDI files alone are left out: it says what is played,
    not how.

    >>> musicxml(Melody.from_notes([(60, 0, 4)]), Writing()).count("<measure")
    16
    """
    name = printable(title) or "melodylc"
    score = Xml.Element("score-partwise", version="4.0")
    _add(_add(score, "work"), "work-title", name)
    _add(_add(_add(score, "identification"), "encoding"), "software", "melodylc")
    part = _add(_add(score, "part-list"), "score-part", id="P1")
    _add(part, "part-name", name)
    if writing.program is not None:
        _add(_add(part, "score-instrument", id="P1-I1"), "instrument-name", writing.to_dict()["program"])
        midi = _add(part, "midi-instrument", id="P1-I1")
        _add(midi, "midi-channel", writing.channel)
        _add(midi, "midi-program", writing.program)
    music = _add(score, "part", id="P1")
    symbols = {start: chord for chord, start, _ in chords.spans} if chords else {}
    step = 0
    for number, bar in enumerate(bars(melody, symbols, writing.bars), 1):
        measure = _add(music, "measure", number=str(number))
        if number == 1:
            _begin(measure, melody, writing, scale)
        for written in bar:
            if step in symbols:
                _harmony(measure, symbols[step])
            step += written.length
            _note(measure, written, fifths(scale) or 0)
    barline = _add(measure, "barline", location="right")
    _add(barline, "bar-style", "light-heavy")
    Xml.indent(score)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_DOCTYPE}\n{Xml.tostring(score, encoding="unicode")}\n'


def _add(parent: Xml.Element, name: str, text: object = None, /, **attributes: str) -> Xml.Element:
    child = Xml.SubElement(parent, name, attributes)
    child.text = None if text is None else str(text)
    return child


def _begin(measure: Xml.Element, melody: Melody, writing: Writing, scale: Scale | None) -> None:
    """What stands before the first note."""
    attributes = _add(measure, "attributes")
    _add(attributes, "divisions", 4)
    if (sharps := fifths(scale)) is not None and scale is not None and scale.parent is not None:
        key = _add(attributes, "key")
        _add(key, "fifths", sharps)
        _add(key, "mode", scale.parent.mode)
    time = _add(attributes, "time")
    _add(time, "beats", 4)
    _add(time, "beat-type", 4)
    clef = _add(attributes, "clef")
    low = melody.note_count > 0 and float(melody.pitches.mean()) < _MIDDLE_C
    _add(clef, "sign", "F" if low else "G")
    _add(clef, "line", 4 if low else 2)
    direction = _add(measure, "direction", placement="above")
    metronome = _add(_add(direction, "direction-type"), "metronome")
    _add(metronome, "beat-unit", "quarter")
    _add(metronome, "per-minute", _number(writing.tempo))
    _add(direction, "sound", tempo=_number(writing.tempo))


def _note(measure: Xml.Element, written: Written, key: int) -> None:
    note = _add(measure, "note")
    if written.pitch is None:
        _add(note, "rest")
    else:
        letter, alter, octave = spell(written.pitch, key)
        pitch = _add(note, "pitch")
        _add(pitch, "step", letter)
        if alter:
            _add(pitch, "alter", alter)
        _add(pitch, "octave", octave)
    ends = [kind for kind, tied in (("stop", written.tied_before), ("start", written.tied_after)) if tied]
    _add(note, "duration", written.length)
    for kind in ends:
        _add(note, "tie", type=kind)
    _add(note, "voice", 1)
    name, dots = _TYPES[written.length]
    _add(note, "type", name)
    for _ in range(dots):
        _add(note, "dot")
    if ends:
        notations = _add(note, "notations")
        for kind in ends:
            _add(notations, "tied", type=kind)


def _harmony(measure: Xml.Element, chord: Chord) -> None:
    harmony = _add(measure, "harmony")
    root = _add(harmony, "root")
    if not chord.root:
        _add(root, "root-step", "C", text="")  # one has to stand there
        _add(harmony, "kind", "none", text=chord.name)
        return
    _pitch(root, "root", chord.root)
    own = frozenset(chord.degrees)
    kind = min(_KINDS, key=lambda name: len(_KINDS[name] ^ own))
    _add(harmony, "kind", kind, text=chord.quality)
    if chord.bass:
        _pitch(_add(harmony, "bass"), "bass", chord.bass)
    less, more = sorted(_KINDS[kind] - own), sorted(own - _KINDS[kind])
    for degree in less:
        other = next((it for it in more if it.number == degree.number), None)
        if other is not None:
            more.remove(other)
            _change(harmony, degree.number, other.alter - degree.alter, "alter")
        else:
            _change(harmony, degree.number, 0, "subtract")
    for degree in more:
        _change(harmony, degree.number, degree.alter, "add")


def _pitch(parent: Xml.Element, prefix: str, note: str) -> None:
    _add(parent, f"{prefix}-step", note[0])
    if note[1:]:
        _add(parent, f"{prefix}-alter", 1 if note[1:] == "#" else -1)


def _change(harmony: Xml.Element, number: int, alter: int, kind: str) -> None:
    degree = _add(harmony, "degree", **{"print-object": "no"})  # the kind's text says it already
    _add(degree, "degree-value", number)
    _add(degree, "degree-alter", alter)
    _add(degree, "degree-type", kind)


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")
