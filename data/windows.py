"""From a score to windows of 16 bars, as the paper takes them.

1. **Sections**: stretches of bars of four quarters, counted from the first full one (`melodylc.data.bars`).
2. **Sixteenths**: a note starts and ends at the nearest sixteenth of its section's grid (halves go
   up), and lasts one at least.
3. **One voice a track**: at each sixteenth the highest note that sounds; of equal ones the latest.
   A note cut off by a higher one stays off when that ends. What began before the window rests.
4. **Windows**: 16 bars in a row, 256 canonical events each. They begin with *phrases*: with the first full bar of a
   section, with the first after a repeat or double bar, and every four bars from there; or with every bar.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, REST, STATES, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events
from melodylc.data.bars import Section
from melodylc.data.scores import Part, Ticks


def melody_line(part: Part, section: Section, division: int) -> Events:
    """One voice of a whole section, canonical: shape (16 * bars,), events 0..129."""
    steps = section.bars * STEPS_PER_BAR
    starts = sixteenths(part.starts - section.start, division)
    ends = np.maximum(sixteenths(part.ends - section.start, division), starts + 1)
    inside = (ends > 0) & (starts < steps)
    starts, ends, pitches = starts[inside], np.minimum(ends[inside], steps), part.pitches[inside]
    # Painted in this order, the highest and latest comes last.
    if ((pitches[1:] < pitches[:-1]) | ((pitches[1:] == pitches[:-1]) & (starts[1:] < starts[:-1]))).any():
        order = np.lexsort((starts, pitches))
        starts, ends, pitches = starts[order], ends[order], pitches[order]
    lengths = ends - np.maximum(starts, 0)
    notes = np.repeat(np.arange(len(starts)), lengths)
    within = np.arange(len(notes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    painted = np.full(steps, -1)
    painted[np.maximum(starts, 0)[notes] + within] = notes
    return _as_events(painted, starts, pitches)


def _as_events(painted: Ticks, starts: Ticks, pitches: Ticks) -> Events:
    """From the note that is seen at each step (-1: none) to events: a note, seen from its start on."""
    steps = np.arange(len(painted))
    changes = np.ones(len(painted), np.bool_)
    changes[1:] = painted[1:] != painted[:-1]
    since = np.maximum.accumulate(np.where(changes, steps, 0))  # where the note seen now came into sight
    seen = np.flatnonzero(painted >= 0)
    seen = seen[starts[painted[seen]] == since[seen]]
    events = np.full(len(painted), REST, np.uint8)
    events[seen] = np.where(changes[seen], pitches[painted[seen]], HOLD)
    return events


def sixteenths(ticks: Ticks, division: int) -> Ticks:
    """The nearest sixteenth of each tick; halves go up."""
    return (8 * ticks + division) // (2 * division)


def windows(line: Events, numbers: Ticks | None = None) -> Events:
    """The windows of a canonical line of n bars that begin with the bars `numbers`, or all n - 15.

    Returns:
        Shape (n - 15, 256), or as many rows as numbers; canonical.

    >>> windows(np.array([REST] * 8 + [60] + [HOLD] * 263, np.uint8))[:, [0, 8, 9, 255]].tolist()
    [[129, 60, 128, 128], [129, 129, 129, 129]]
    """
    numbers = np.arange(_count(line)) if numbers is None else numbers
    bars = line.reshape(-1, STEPS_PER_BAR)
    found: Events = bars[numbers[:, None] + np.arange(BARS)].reshape(-1, STEPS)
    held = (_next(line != HOLD)[::STEPS_PER_BAR] - np.arange(0, len(line), STEPS_PER_BAR))[numbers]
    rows = np.flatnonzero(held)
    found[rows] = np.where(np.arange(STEPS) < held[rows, None], REST, found[rows])
    return found


Beginnings = Literal["phrases", "every-bar"]
PHRASE = 4  #: bars


def offsets(section: Section) -> Ticks:
    """How far each window of a section lies from where its part begins, in bars: (bars - 15,), none where it is short.

    A part begins with the section, and after a repeat or double bar. Phrases begin with every fourth bar.

    >>> offsets(Section(start=0, bars=20, first=0, repeats=(3,))).tolist()
    [0, 1, 2, 0, 1]
    """
    starts = np.array((0, *section.repeats))
    numbers = np.arange(max(0, section.bars - BARS + 1))
    distance: Ticks = numbers - starts[np.searchsorted(starts, numbers, side="right") - 1]
    return distance


def _count(line: Events) -> int:
    return max(0, len(line) // STEPS_PER_BAR - BARS + 1)


def _next(marks: npt.NDArray[np.bool_]) -> Ticks:
    """From each step on, itself included, where the next mark is; the length where none is."""
    places = np.where(marks, np.arange(len(marks)), len(marks))
    following: Ticks = np.minimum.accumulate(places[::-1])[::-1]
    return following


# -- filters -----------------------------------------------------------------------------------

FILTERS = ("sounding", "rest", "notes", "pitches", "bars")
_BAR_WEIGHTS = np.random.default_rng(16).integers(1, 1 << 63, STEPS_PER_BAR, dtype=np.uint64)


@dataclass(frozen=True)
class Filters:
    """What a window must have; the defaults are Magenta-like.

    Magenta's pipelines end a melody at one bar's rest (`gap_bars=1`) and ask for 5 pitches
    (`min_unique_pitches=5` in Melody RNN). The bounds on notes and bars are ours: they drop held
    notes, and one or two bars repeated all through.
    """

    sounding: float = 0.3  # least share of the steps that sound
    rest: int = 16  # longest rest, in sixteenths
    notes: int = 16  # least notes
    pitches: int = 5  # least different pitches
    bars: int = 4  # least different bars
    windows: Beginnings = "phrases"  # with which bars windows begin

    def numbers(self, section: Section) -> Ticks:
        """The bars of a section with which windows begin."""
        found = offsets(section)
        return np.flatnonzero(found % PHRASE == 0) if self.windows == "phrases" else np.arange(len(found))

    def select(self, line: Events, numbers: Ticks | None = None) -> tuple[npt.NDArray[np.int8], Events]:
        """Choose among the windows of a canonical line of n bars that begin with the bars `numbers`, or all n - 15.

        The first three filters are read off the whole line; only what they leave is made into windows.

        Returns:
            For each of these windows, the index in `FILTERS` of the first it fails, -1 for none;
            and those with -1, shape (m, 256).

        >>> Filters().select(np.full(16 * 17, REST, np.uint8))[0].tolist()
        [0, 0]
        """
        numbers = np.arange(_count(line)) if numbers is None else numbers
        failed = np.full(len(numbers), -1, np.int8)
        starts = numbers * STEPS_PER_BAR
        first = np.minimum(_next(line < HOLD)[starts], starts + STEPS)  # before its first note a window rests
        held = np.minimum(_next(line != HOLD)[starts], first) - starts
        too_long = _marks_between(_run_lengths(line == REST) > self.rest, first, starts + STEPS) > 0
        broken = (
            _marks_between(line != REST, starts, starts + STEPS) - held < self.sounding * STEPS,
            (first - starts > self.rest) | too_long,
            _marks_between(line < HOLD, starts, starts + STEPS) < self.notes,
        )
        for index, mask in reversed(list(enumerate(broken))):
            failed[mask] = index
        left = np.flatnonzero(failed < 0)
        melodies = windows(line, numbers[left])
        few_pitches, few_bars = different_pitches(melodies) < self.pitches, different_bars(melodies) < self.bars
        failed[left] = np.where(few_pitches, 3, np.where(few_bars, 4, -1))
        return failed, melodies[failed[left] < 0]


def _marks_between(marks: npt.NDArray[np.bool_], starts: Ticks, ends: Ticks) -> Ticks:
    total = np.concatenate(([0], np.cumsum(marks)))
    between: Ticks = total[ends] - total[starts]
    return between


def _run_lengths(marks: npt.NDArray[np.bool_]) -> Ticks:
    """At each step, how many marks in a row end there.

    >>> _run_lengths(np.array([True, True, False, True])).tolist()
    [1, 2, 0, 1]
    """
    steps = np.arange(1, len(marks) + 1)
    lengths: Ticks = steps - np.maximum.accumulate(np.where(marks, 0, steps))
    return lengths


DEFAULT_FILTERS = Filters()
PRESETS = {
    "magenta": DEFAULT_FILTERS,
    "reference": Filters(rest=STEPS, notes=0, pitches=0, bars=0, windows="every-bar"),
    "reference-strict": Filters(windows="every-bar"),
}


def different_pitches(melodies: Events) -> Ticks:
    """How many pitches each of (n, 256) windows uses."""
    used = np.zeros((len(melodies), STATES), np.bool_)
    used[np.arange(len(melodies))[:, None], melodies] = True
    count: Ticks = used[:, :HOLD].sum(axis=1)
    return count


def different_bars(melodies: Events) -> Ticks:
    """How many of the 16 bars of each (n, 256) window differ, empty ones included.

    Bars are told apart by 64-bit hashes: two different ones pass for equal once in 10**19.
    """
    bars = melodies.reshape(-1, BARS, STEPS_PER_BAR).astype(np.uint64) @ _BAR_WEIGHTS
    ordered = np.sort(bars, axis=1)
    count: Ticks = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
    return count
