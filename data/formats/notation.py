"""A melody as musicians write it: in bars, with ties, in note values there are, and with the letters its key asks for.

Spelling goes along the line of fifths (... Eb Bb F C G D A E B F# ...), where a key of f sharps (flats: f < 0) has its
seven notes at f - 1 .. f + 5, C being 0. The five others are taken from both sides of it, f - 3 .. f + 8: in C major
and A minor Eb, Bb, F#, C# and G#, so that leading notes are sharp, and thirds of the other mode are flat.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from melodylc.data.alphabet import BARS, STEPS_PER_BAR
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody

# A value that is longer than what it is listed with would hide a beat, unless it begins on a multiple of that.
_ALIGNED = {16: 16, 12: 4, 8: 4, 6: 2, 4: 2, 3: 1, 2: 1, 1: 1}
_MAJOR_FIFTHS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
_LETTERS = "FCGDAEB"
_MINOR_TO_MAJOR = -3  # fifths


class Written(NamedTuple):
    """What stands in a bar: a note (or a rest: pitch None) of a value, and whether ties lead to and from it."""

    pitch: int | None
    length: int  #: in sixteenths: 1, 2, 3, 4, 6, 8, 12 or 16
    tied_before: bool = False
    tied_after: bool = False


class Spelling(NamedTuple):
    """A letter, its sharps (flats: negative) and its octave, that of middle C being 4."""

    letter: str
    alter: int
    octave: int


def bars(melody: Melody, cuts: Iterable[int] = (), count: int = BARS) -> list[list[Written]]:
    """The first `count` bars, each sixteen sixteenths long; nothing goes on over the steps in `cuts` without a tie.

    >>> bars(Melody.from_notes([(60, 12, 21)]))[1]
    [Written(pitch=60, length=4, tied_before=True, tied_after=True), \
Written(pitch=60, length=1, tied_before=True, tied_after=False), \
Written(pitch=None, length=3, tied_before=False, tied_after=False), \
Written(pitch=None, length=8, tied_before=False, tied_after=False)]
    """
    found: list[list[Written]] = [[] for _ in range(BARS)]
    ends = sorted({*cuts, *range(0, BARS * STEPS_PER_BAR + 1, STEPS_PER_BAR)})
    now = 0
    for pitch, start, end in (*melody.notes, (None, BARS * STEPS_PER_BAR, BARS * STEPS_PER_BAR)):
        for step, length in _values(now, start, ends):
            found[step // STEPS_PER_BAR].append(Written(None, length))
        for step, length in _values(start, end, ends):
            found[step // STEPS_PER_BAR].append(Written(pitch, length, step > start, step + length < end))
        now = end
    return found[:count]


def _values(start: int, end: int, ends: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The note values that fill the steps from start to end, none over one of `ends`: (step, length)."""
    while start < end:
        within = start % STEPS_PER_BAR
        room = min(end, ends[bisect_right(ends, start)]) - start
        length = next(it for it, grid in _ALIGNED.items() if it <= room and within % grid == 0)
        yield start, length
        start += length


def fifths(scale: Scale | None) -> int | None:
    """The sharps of a scale's key signature, flats negative, -7..7; None where it has none.

    >>> from melodylc.data.keys import parse_scale
    >>> [fifths(parse_scale(text)) for text in ("c", "am", "d dorian", "ebm", "c# major", "c whole tone")]
    [0, 0, 0, -6, 7, None]
    """
    parent = scale and scale.parent
    if not parent:
        return None
    place = _MAJOR_FIFTHS[parent.root[0]] + 7 * (parent.root[1:].count("#") - parent.root[1:].count("b"))
    return place + (_MINOR_TO_MAJOR if parent.mode == "minor" else 0)


def spell(pitch: int, key: int) -> Spelling:
    """How a MIDI pitch is written in a key of so many sharps.

    >>> spell(60, 0), spell(60, 7), spell(68, 0).letter, spell(63, 0).letter
    (Spelling(letter='C', alter=0, octave=4), Spelling(letter='B', alter=1, octave=3), 'G', 'E')
    """
    place = next(place for place in range(key - 3, key + 9) if (7 * place - pitch) % 12 == 0)
    alter, index = divmod(place + 1, 7)
    return Spelling(_LETTERS[index], alter, (pitch - alter) // 12 - 1)
