"""Ranges of pitch, in the words people use: two notes, or the name of a voice or an instrument.

Ranges sound as named here (a guitar is written an octave higher). Voices are those of a choir, two octaves each, as the
Harvard Dictionary of Music gives them. Instruments go as far as a trained amateur does, from Adler, The Study of
Orchestration; of several saxophones "sax" is the alto.
"""

import difflib
import re
from typing import Literal

from melodylc.data.alphabet import PITCHES
from melodylc.data.errors import InputError
from melodylc.data.keys import ACCIDENTALS, GERMAN, LETTERS
from melodylc.data.melody import pitch_name

PitchRange = tuple[int, int]
"""The lowest and the highest MIDI pitch, both included."""
MiddleC = Literal["C4", "C3"]
"""What MIDI pitch 60 is called: C4 by most, C3 by Yamaha and the DAWs that follow it."""

NAMES: dict[str, PitchRange] = {
    "soprano": (60, 84),
    "mezzo-soprano": (57, 81),
    "alto": (53, 77),
    "tenor": (48, 72),
    "baritone": (45, 69),
    "bass": (40, 64),
    "violin": (55, 93),
    "viola": (48, 81),
    "cello": (36, 76),
    "double bass": (28, 55),
    "guitar": (40, 76),
    "bass guitar": (28, 60),
    "ukulele": (60, 81),
    "mandolin": (55, 88),
    "harp": (36, 96),
    "piano": (21, 108),
    "piccolo": (74, 105),
    "flute": (60, 93),
    "recorder": (72, 98),
    "oboe": (58, 86),
    "english horn": (52, 80),
    "clarinet": (50, 86),
    "bassoon": (34, 67),
    "soprano sax": (56, 87),
    "alto sax": (49, 80),
    "sax": (49, 80),
    "tenor sax": (44, 75),
    "baritone sax": (37, 68),
    "trumpet": (54, 82),
    "horn": (41, 77),
    "trombone": (40, 70),
    "tuba": (28, 58),
    "harmonica": (60, 96),
    "marimba": (48, 96),
    "vibraphone": (53, 89),
    "xylophone": (65, 108),
    "glockenspiel": (79, 108),
}
Lane = Literal["lead", "inner", "bass"]
"""What part of a piece a melody is: the lead, an inner voice, or the bass; `melodylc.data.roles` names the same."""
LEAD_RANGE: PitchRange = (55, 88)
"""Where leads lie: 99 in 100 notes of the leads of the training melodies are G3 or higher, 96 are E6 or lower."""
LANE_RANGES: dict[Lane, str] = {"bass": "bass guitar"}  #: of lanes that have a range where none is asked
_NOTE = re.compile(r"\s*([A-Ha-h])\s*(#|b|♯|♭)?\s*(-?[0-9]{1,2})\s*")
_SIGNS = {"♯": "#", "♭": "b"}


def parse_range(text: str, middle_c: MiddleC = "C4") -> PitchRange:
    """The range that someone typed: A..B, notes with octaves or MIDI pitches, or a voice or an instrument.

    Args:
        text: such as "C4..A5", "60..81", "alto", "bass guitar".
        middle_c: what the notes that are typed call pitch 60.

    Raises:
        InputError: anything else, with the nearest names; a note that MIDI doesn't have; the higher one first.

    >>> [parse_range(text) for text in ("C4..A5", "f#3 .. 72", "Alto", "bass_guitar")]
    [(60, 81), (54, 72), (53, 77), (28, 60)]
    >>> parse_range("C3..A4", "C3")
    (60, 81)
    >>> parse_range("altoo")
    Traceback (most recent call last):
    melodylc.data.errors.InputError: no range is called 'altoo'; nearest: alto, alto sax. A range is two notes \
(C4..A5, 60..81) or a voice or an instrument
    """
    ends = re.split(r"\.\.|\bto\b|\u2013", text)
    if len(ends) == 2:
        lowest, highest = (parse_pitch(end, middle_c) for end in ends)
        if lowest > highest:
            raise InputError(f"no pitch is at least {ends[0].strip()} and at most {ends[1].strip()}: swap the two")
        return lowest, highest
    name = " ".join(re.findall("[a-z]+", text.lower())).replace("mezzo soprano", "mezzo-soprano")
    if name not in NAMES:
        near = difflib.get_close_matches(name[:40], NAMES, 3) or ["alto", "violin", "bass guitar"]
        raise InputError(
            f"no range is called {text[:40]!r}; nearest: {', '.join(near)}. "
            "A range is two notes (C4..A5, 60..81) or a voice or an instrument"
        )
    return NAMES[name]


def lane_range(lane: str, asked: str | None) -> str | None:
    """The range of a lane: the one that is asked, "any" too, or else its own; None where it has none.

    >>> lane_range("bass", None), lane_range("bass", "any"), lane_range("bass", "C2..C3"), lane_range("lead", None)
    ('bass guitar', 'any', 'C2..C3', None)
    """
    return asked if asked is not None or lane != "bass" else LANE_RANGES["bass"]


def parse_pitch(text: str, middle_c: MiddleC = "C4") -> int:
    """The MIDI pitch of a note that someone typed, by name and octave or by number.

    Raises:
        InputError: anything else, or one outside 0..127.

    >>> parse_pitch("C4"), parse_pitch("bb3"), parse_pitch("c3", "C3"), parse_pitch("60")
    (60, 58, 60, 60)
    """
    number = re.fullmatch(r"\s*([0-9]{1,3})\s*", text)
    note = _NOTE.fullmatch(text)
    if not number and not note:
        raise InputError(f"a note has a name and an octave (C4, F#3, Bb5) or is 0 to 127, not {text[:40].strip()!r}")
    if number:
        pitch = int(number[1])
    elif note:
        letter, sign = LETTERS[note[1].upper().replace(GERMAN, "B")], ACCIDENTALS[_SIGNS.get(note[2], note[2] or "")]
        pitch = 12 * (int(note[3]) + (1 if middle_c == "C4" else 2)) + letter + sign
    if not 0 <= pitch < PITCHES:
        lowest, highest = (pitch_name(edge) for edge in (0, PITCHES - 1))
        raise InputError(f"MIDI has the notes 0 to {PITCHES - 1}, {lowest} to {highest}, and not {text.strip()!r}")
    return pitch


def range_name(pitches: PitchRange) -> str:
    """A range as one types it; `parse_range` reads it.

    >>> range_name((60, 81))
    'C4..A5'
    """
    return "..".join(map(pitch_name, pitches))
