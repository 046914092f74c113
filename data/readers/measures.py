"""Measures as notation has them, and from them a score in ticks: what the readers of notation share.

Notation says more than MIDI does and also less: a tie is two notes, a repeat is written once, an upbeat is a measure
that is too short, and notes lie in measures, not on a line of time. `assemble` plays the measures: repeats are gone
through as often as they say, with their endings; ties become one note; a measure that isn't as long as its meter gets
a time signature of its own, as files of MIDI have it that are made from notation, so `melodylc.data.bars` finds
upbeats in both alike. D.C., D.S. and codas aren't followed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import NamedTuple

import numpy as np

from melodylc.data.bars import Meter
from melodylc.data.errors import ScoreError
from melodylc.data.scores import MAX_BARS, MAX_TRACKS, Part, Score, check_size

DIVISION = 10_080  #: ticks a quarter: 32nds and their triplets, quintuplets and septuplets are whole numbers
MAX_NOTES = 1 << 20
MOST_TIMES = 16  #: that anything is repeated
Length = int | Fraction  # in ticks


class MeasureNote(NamedTuple):
    """A note of a measure: where it begins in it, its length, its MIDI pitch, and whether ties lead to and from it."""

    start: Length
    length: Length
    pitch: int
    tied_before: bool = False
    tied_after: bool = False


@dataclass
class Measure:
    """What stands between two bar lines.

    `meter`: the one that is in force, None for free; `notes`: by voice; `length`: how long it is, 0 where it says
    nothing of that; `forward`: a repeat begins with it; `times`: how often what ends with it is played, 0 where nothing
    is repeated; `ending`: the passes that play it, none of them named: all; `double`: a double bar ends it.
    """

    meter: Meter | None
    notes: dict[str, list[MeasureNote]] = field(default_factory=dict)
    length: Length = 0
    forward: bool = False
    times: int = 0
    ending: frozenset[int] = frozenset()
    double: bool = False


def ticks(quarters: Fraction) -> Length:
    """A length in quarters as ticks, exact."""
    exact = quarters * DIVISION
    return exact.numerator if exact.denominator == 1 else exact


def measure_length(meter: Meter | None) -> Length:
    """The ticks of a measure of a meter; 0 of a free one."""
    return ticks(Fraction(4 * meter[0], meter[1])) if meter and meter[1] else 0


def play_order(measures: Sequence[Measure]) -> list[int]:
    """The measures in the order in which they are played.

    Raises:
        ScoreError: they are more than any piece has.

    >>> play_order([Measure((4, 4), forward=True), Measure((4, 4), ending=frozenset((1,)), times=2),
    ...         Measure((4, 4), ending=frozenset((2,))), Measure((4, 4), times=2)])
    [0, 1, 0, 2, 3, 3]
    """
    order: list[int] = []
    start = index = 0
    number = 1  # of the pass
    while index < len(measures):
        measure = measures[index]
        after_ending = index > 0 and bool(measures[index - 1].ending) and not measure.ending
        if (measure.forward or after_ending) and index != start:
            start, number = index, 1
        if measure.ending and number not in measure.ending:
            index += 1
            continue
        order.append(index)
        if len(order) > MAX_BARS:
            raise ScoreError(f"has more than {MAX_BARS:,} bars with its repeats")
        if measure.times and number < _times(measures, index, number):
            index, number = start, number + 1
        elif measure.times and not measure.ending:
            index += 1
            start, number = index, 1
        else:
            index += 1
    return order


def _times(measures: Sequence[Measure], index: int, number: int) -> int:
    """How often what ends with a measure is played; one more pass than this where an ending is for that."""
    measure = measures[index]
    if not measure.ending:
        return min(measure.times, MOST_TIMES)
    first, last = index, index
    while first and measures[first - 1].ending:
        first -= 1
    while last + 1 < len(measures) and measures[last + 1].ending:
        last += 1
    named = frozenset[int]().union(*(one.ending for one in measures[first : last + 1]))
    more = number + 1 in named or (number == 1 and named == {1})
    return number + 1 if more and number < MOST_TIMES else number


def mend_endings(measures: Sequence[Measure]) -> None:
    """Let an ending last up to its repeat where its bracket is too short, and number endings without gaps.

    Lead sheets often have a bracket over the first bar of an ending alone. Bars between it and a repeat with another
    ending behind it belong to it. Endings 1 and 3 of a strain without a second are its first and second.
    """
    for index, measure in enumerate(measures):
        last = index
        if not measure.ending or measure.times:
            continue
        while last + 1 < len(measures) and not (measures[last].times or measures[last + 1].forward):
            if measures[last + 1].ending:
                break
            last += 1
        another = last + 1 < len(measures) and bool(measures[last + 1].ending)
        if last > index and measures[last].times and another:
            for between in measures[index + 1 : last + 1]:
                between.ending = measure.ending
    for has_ending, group in groupby(measures, key=lambda one: bool(one.ending)):
        strain = list(group)
        named = sorted(frozenset[int]().union(*(one.ending for one in strain)))
        if has_ending and named[0] == 1:
            for one in strain:
                one.ending = frozenset(named.index(number) + 1 for number in one.ending)


@dataclass
class _Line:
    """A voice as it is played: notes, and where those are that a tie leads from, by pitch."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    pitches: list[int] = field(default_factory=list)
    tied: dict[int, int] = field(default_factory=dict)

    def add(self, note: MeasureNote, at: int) -> None:
        start, end = at + round(note.start), at + round(note.start + note.length)
        place = self.tied.pop(note.pitch, None) if note.tied_before else None
        if place is not None and self.ends[place] == start:
            self.ends[place] = end
        else:
            place = len(self.starts)
            self.starts.append(start)
            self.ends.append(end)
            self.pitches.append(note.pitch)
        if note.tied_after:
            self.tied[note.pitch] = place


def assemble(
    measures: Sequence[Measure], voices: Mapping[str, str], tempo: float = 120.0, repairs: tuple[str, ...] = ()
) -> Score:
    """The score of a piece's measures, played.

    Args:
        measures: as they are written.
        voices: the names of all voices, by what `Measure.notes` calls them, in the order of the parts.
        tempo: quarters a minute.
        repairs: what was assumed or left out.

    Raises:
        ScoreError: it claims more than any piece has.
    """
    lines = {voice: _Line() for voice in voices}
    signatures: list[tuple[int, int, int]] = []
    double_bars: list[int] = []
    now = count = high = 0
    before: int | None = None
    mend_endings(measures)
    for index in play_order(measures):
        measure = measures[index]
        length = round(measure.length or measure_length(measure.meter))
        if before is not None and (measure.forward or measures[before].double or index != before + 1):
            double_bars.append(now)
        signature = _signature(length, measure.meter)
        if length and (not signatures or signatures[-1][1:] != signature or signature == (0, 0)):
            signatures.append((now, *signature))
        for voice, notes in measure.notes.items():
            count += len(notes)
            for note in notes:
                if 0 <= note.pitch < 128 and note.length > 0:
                    lines[voice].add(note, now)
                else:
                    high += 1
        if count > MAX_NOTES:
            raise ScoreError(f"has more than {MAX_NOTES:,} notes with its repeats")
        now += length
        before = index
    sounding = [(voice, line) for voice, line in lines.items() if line.starts]
    if len(sounding) > MAX_TRACKS:
        raise ScoreError(f"more than {MAX_TRACKS:,} voices")
    parts = tuple(
        Part(track, np.array(line.starts), np.array(line.ends), np.array(line.pitches), voices[voice], now)
        for track, (voice, line) in enumerate(sounding)
    )
    said = (*repairs, f"{high:,} note{'s' * (high > 1)} of a pitch outside 0..127 left out") if high else repairs
    score = Score(
        DIVISION,
        max((max(line.ends) for _, line in sounding), default=0),
        tuple(signatures),
        parts,
        len(parts),
        tempo,
        repairs=said,
        length=now,
        note_ons=sum(len(part.starts) for part in parts),
        double_bars=tuple(dict.fromkeys(double_bars)),
    )
    return check_size(score)


def _signature(length: int, meter: Meter | None) -> Meter:
    """The meter of a measure that is so long; (0, 0) where none is."""
    if meter and length == measure_length(meter) and max(meter) < 256:
        return meter
    for under in (4, 8, 16, 32, 64):
        over, rest = divmod(length * under, 4 * DIVISION)
        if not rest and 0 < over < 256:
            return over, under
    return 0, 0
