"""Intervals: how far a melody steps from each note to the next, in semitones, rests between them or not.

    c_leaps(x, k) = (intervals of at most k semitones) / (intervals)
    c_stepwise(x, A) = min(1, s / A)                s = share of intervals of 1 or 2 semitones
    c_repeats(x, B) = min(1, (1 - u) / (1 - B))     u = share of intervals of 0 semitones

Both shares are jSymbolic's, "Stepwise Motion" and "Repeated Notes" (McKay, "Automatic Music Classification with
jMIR", 2010). A melody of fewer than two notes has no intervals and scores 0.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import PITCHES
from melodylc.data.arrays import Events
from melodylc.rewards.base import Scores
from melodylc.rewards.features import (
    Counts,
    EventsReward,
    between,
    check_number,
    intervals,
    partial_credit,
    percent,
    plural,
    share,
)

STEP = (1, 2)  #: semitones of a step


@dataclass(frozen=True)
class Leaps(EventsReward):
    """The share of intervals of at most `largest` semitones; see `leaps`."""

    largest: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("largest", self.largest, 0, PITCHES - 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"no interval is wider than {plural(self.largest, 'semitone')}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"leaps of at most {plural(self.largest, 'semitone')}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        small, all_ = _count(events, 0, self.largest)
        return partial_credit((small == all_) & (all_ > 0), share(small, all_))


@dataclass(frozen=True)
class Stepwise(EventsReward):
    """How near the share of steps comes to `least`; see `stepwise`."""

    least: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("least", self.least, 0, 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"at least {percent(self.least)} of the intervals are steps of one or two semitones"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"{percent(self.least)} steps"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        steps, all_ = _count(events, *STEP)
        part = share(steps, all_)
        return partial_credit((part >= self.least) & (all_ > 0), between(part, self.least, 1) * (all_ > 0))


@dataclass(frozen=True)
class Repeats(EventsReward):
    """How near the share of repeated notes comes to `most`; see `repeats`."""

    most: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("most", self.most, 0, 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return (
            f"at most {percent(self.most)} of the notes repeat the one before" if self.most else "no note is repeated"
        )

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"at most {percent(self.most)} repeats" if self.most else "no repeats"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        same, all_ = _count(events, 0, 0)
        part = share(same, all_)
        return partial_credit((part <= self.most) & (all_ > 0), between(part, 0, self.most) * (all_ > 0))


def _count(events: Events, smallest: int, largest: int) -> tuple[Counts, Counts]:
    """Intervals of smallest..largest semitones, up or down, and all intervals; shapes (n,)."""
    moved, there = intervals(events)
    within = there & (np.abs(moved) >= smallest) & (np.abs(moved) <= largest)
    return within.sum(axis=1), there.sum(axis=1)


def leaps(largest: int = 4) -> Leaps:
    """The share of intervals of at most `largest` semitones, in [0, 1]; 0 for fewer than two notes.

    Args:
        largest: semitones of the widest interval that satisfies, 0..127. 2 allows steps, 4 thirds, 7 fifths.

    Raises:
        InputError: `largest` out of range.

    >>> from melodylc.data import Melody
    >>> leaps(4)(Melody.from_notes([(60, 0, 4), (64, 4, 8), (71, 8, 12), (69, 12, 16), (69, 16, 20)]))
    0.75
    """
    return Leaps(largest)


def stepwise(least: float = 0.75) -> Stepwise:
    """min(1, s / least), in [0, 1], for a share s of intervals that are steps, of 1 or 2 semitones.

    0 for fewer than two notes. A repeated note is no step.

    Args:
        least: smallest share that satisfies, 0..1.

    Raises:
        InputError: `least` out of range.

    >>> from melodylc.data import Melody
    >>> stepwise(0.75)(Melody.from_notes([(60, 0, 4), (62, 4, 8), (62, 8, 12), (67, 12, 16), (66, 16, 20)]))
    0.6666666666666666
    """
    return Stepwise(least)


def repeats(most: float = 0.0) -> Repeats:
    """min(1, (1 - u) / (1 - most)), in [0, 1], for a share u of intervals that repeat the note before.

    0 for fewer than two notes.

    Args:
        most: largest share that satisfies, 0..1; 0 allows no repeated note.

    Raises:
        InputError: `most` out of range.

    >>> from melodylc.data import Melody
    >>> repeats()(Melody.from_notes([(60, 0, 4), (60, 4, 8), (62, 8, 12), (60, 12, 16), (60, 20, 24)]))
    0.5
    """
    return Repeats(most)
