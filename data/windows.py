"""From a score to windows of 16 bars, as the paper takes them.

1. **Sections**: stretches in 4/4 or 2/2 (the same bar of four quarters), from one time signature to
   the next, in exact ticks. A signature that repeats the bar at a bar line starts nothing new. A
   bar that another signature cuts short doesn't count; the last one, which the music only ends in,
   does.
2. **Sixteenths**: a note starts and ends at the nearest sixteenth of its section's grid (halves go
   up), and lasts one at least.
3. **One voice a track**: at each sixteenth the highest note that sounds; of equal ones the latest.
   A note cut off by a higher one stays off when that ends. What began before the window rests.
4. **Windows**: every 16 bars in a row, one bar apart, 256 canonical events each.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, REST, STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.scores import Part, Score, Ticks

Events = npt.NDArray[np.uint8]
BAR_SIGNATURES = frozenset(((4, 4), (2, 2)))


class Section(NamedTuple):
    """`bars` bars of four quarters from tick `start`; `first`: the file's bars before it."""

    start: int
    bars: int
    first: int


def sections(score: Score) -> list[Section]:
    """The sections of at least 16 bars.

    >>> sections(Score(480, 480 * (15 + 4 * 19) + 1, ((0, 3, 4), (480 * 15, 4, 4)), ()))
    [Section(start=7200, bars=20, first=5)]
    """
    bar = 4 * score.division
    found: list[Section] = []
    before = 0
    for start, end, counts, last in _spans(score):
        if (length := counts * score.division) == bar:
            bars = -(-(end - start) // bar) if last else (end - start) // bar
            joined = found and _reaches(found[-1], start, bar)
            found.append(_longer(found.pop(), bars) if joined else Section(start, bars, before))
        before += int(-(-(end - start) // length)) if length > 0 else 0
    return [section for section in found if section.bars >= BARS]


def _reaches(section: Section, tick: int, bar: int) -> bool:
    return section.start + section.bars * bar == tick


def _longer(section: Section, bars: int) -> Section:
    return section._replace(bars=section.bars + bars)


def _spans(score: Score) -> Iterator[tuple[int, int, float, bool]]:
    """From each time signature to the next: start, end, quarters a bar (0: neither), the last one?

    A file without a signature at its beginning begins in 4/4, as the MIDI standard has it.
    """
    at = {0: (4, 4)} | {tick: (over, under) for tick, over, under in score.signatures}
    starts = sorted(at)
    ends = [*starts[1:], max(score.end, starts[-1])]
    for start, end in zip(starts, ends, strict=True):
        over, under = at[start]
        quarters = 4 * over / under if under else 0.0
        plain = quarters != 4 or (over, under) in BAR_SIGNATURES
        yield start, end, quarters if plain else 0.0, end == ends[-1] and start == starts[-1]


def melody_line(part: Part, section: Section, division: int) -> Events:
    """One voice of a section, not yet canonical: shape (16 * bars,), events 0..129."""
    steps = section.bars * STEPS_PER_BAR
    starts = _sixteenths(part.starts - section.start, division)
    ends = np.maximum(_sixteenths(part.ends - section.start, division), starts + 1)
    inside = (ends > 0) & (starts < steps)
    starts, ends, pitches = starts[inside], np.minimum(ends[inside], steps), part.pitches[inside]
    order = np.lexsort((starts, pitches))  # painted in this order, the highest and latest comes last
    starts, ends, pitches = starts[order], ends[order], pitches[order]
    lengths = ends - np.maximum(starts, 0)
    notes = np.repeat(np.arange(len(starts)), lengths)
    within = np.arange(len(notes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    painted = np.full(steps + 1, -1)  # one more in front: nothing sounds before the section
    painted[np.maximum(starts, 0)[notes] + within + 1] = notes
    return _as_events(painted, starts, pitches)


def _as_events(painted: Ticks, starts: Ticks, pitches: Ticks) -> Events:
    """From the note that sounds at each step (-1: none), one step ahead, to events."""
    note = painted[1:]
    events = np.full(len(note), REST, np.uint8)
    events[(note >= 0) & (note == painted[:-1])] = HOLD
    begins = np.flatnonzero(note >= 0)
    begins = begins[starts[note[begins]] == begins]
    events[begins] = pitches[note[begins]]
    return events


def _sixteenths(ticks: Ticks, division: int) -> Ticks:
    return (8 * ticks + division) // (2 * division)


def windows(line: Events) -> Events:
    """All windows of a line of n bars, canonical: shape (n - 15, 256)."""
    every = np.lib.stride_tricks.sliding_window_view(line, STEPS)[::STEPS_PER_BAR]
    return canonical(every)[0]


# -- filters -----------------------------------------------------------------------------------

FILTERS = ("sounding", "rest", "notes", "pitches", "bars")
_BAR_WEIGHTS = np.random.default_rng(16).integers(1, 1 << 63, STEPS_PER_BAR, dtype=np.uint64)


@dataclass(frozen=True)
class Filters:
    """What a window must have; the defaults are Magenta-like.

    Magenta's own bounds are 5 pitches and no rest over a bar in 16 of them; it has none for notes
    and bars, so four repeated bars and long held chords would pass.
    """

    sounding: float = 0.3  # least share of the steps that sound
    rest: int = 16  # longest rest, in sixteenths
    notes: int = 16  # least notes
    pitches: int = 5  # least different pitches
    bars: int = 4  # least different bars

    def first_failed(self, melodies: Events) -> npt.NDArray[np.int8]:
        """The index in `FILTERS` of the first bound each (n, 256) window breaks; -1: none.

        >>> Filters().first_failed(np.full((1, 256), REST, np.uint8)).tolist()
        [0]
        """
        broken = (
            (melodies != REST).mean(axis=1) < self.sounding,
            longest_rests(melodies) > self.rest,
            (melodies < HOLD).sum(axis=1) < self.notes,
            different_pitches(melodies) < self.pitches,
            different_bars(melodies) < self.bars,
        )
        table = np.stack(broken, axis=1)
        return np.where(table.any(axis=1), table.argmax(axis=1), -1).astype(np.int8)


PRESETS = {
    "magenta": Filters(),
    "reference": Filters(rest=STEPS, notes=0, pitches=0, bars=0),
    "reference-strict": Filters(),
}


def longest_rests(melodies: Events) -> Ticks:
    """The longest run of rests in each of (n, 256) windows, in steps.

    >>> longest_rests(np.array([[60] * 100 + [REST] * 20 + [60] * 136], np.uint8)).tolist()
    [20]
    """
    steps = np.arange(STEPS)
    resting = melodies == REST
    sounded = np.maximum.accumulate(np.where(resting, -1, steps), axis=1)
    return np.where(resting, steps - sounded, 0).max(axis=1)


def different_pitches(melodies: Events) -> Ticks:
    """How many pitches each of (n, 256) windows uses."""
    used = np.zeros((len(melodies), STATES), np.bool_)
    np.put_along_axis(used, melodies.astype(np.intp), True, axis=1)
    return used[:, :HOLD].sum(axis=1)


def different_bars(melodies: Events) -> Ticks:
    """How many of the 16 bars of each (n, 256) window differ, empty ones included.

    Bars are told apart by 64-bit hashes: two different ones pass for equal once in 10**19.
    """
    bars = melodies.reshape(-1, BARS, STEPS_PER_BAR).astype(np.uint64) @ _BAR_WEIGHTS
    ordered = np.sort(bars, axis=1)
    return 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
