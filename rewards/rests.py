"""Rests: how much of a melody is silent, for how long at a time, and where.

    q(x) = (silent steps) / 256                          (jSymbolic's "Complete Rests Fraction", R-41)

    c_rests(x, A, B) = min(1, q / A) * min(1, (1 - q) / (1 - B))
    c_longest_rest(x, B) = 1 - e / (256 - B)             e = silent steps beyond the first B of each rest
    c_breaths(x, p, k) = (those steps that are silent) / (the last k steps of every p bars)

The longest rest is jSymbolic's R-44, in sixteenths instead of quarters; it is at most B exactly where e is 0. No notes
score 0 on all three.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.rewards.base import Scores
from melodylc.rewards.features import (
    EventsReward,
    between,
    check_between,
    check_number,
    note_counts,
    partial_credit,
    percents,
    plural,
    previous,
    silent,
)


@dataclass(frozen=True)
class Rests(EventsReward):
    """How near the silent share comes to `least`..`most`; see `rests`."""

    least: float
    most: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self.least, self.most, 0, 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return "no silence" if self.most == 0 else f"{percents(self.least, self.most)} of the melody is silence"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        part = silent(events).mean(axis=1)
        some = note_counts(events) > 0
        satisfied = some & (part >= self.least) & (part <= self.most)
        return partial_credit(satisfied, between(part, self.least, self.most) * some)


@dataclass(frozen=True)
class LongestRest(EventsReward):
    """How few silent steps go beyond `most` at a time; see `longest_rest`."""

    most: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("most", self.most, 0, STEPS - 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"no rest is longer than {plural(self.most, 'sixteenth')}" if self.most else "no rests"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        rests = silent(events)
        so_far = np.arange(STEPS) - previous(~rests)  # silent steps up to and with this one, where it is silent
        beyond = (rests & (so_far > self.most)).sum(axis=1)
        some = note_counts(events) > 0
        return partial_credit((beyond == 0) & some, (1 - beyond / (STEPS - self.most)) * some)


@dataclass(frozen=True)
class Breaths(EventsReward):
    """How much of the end of every `bars` bars is silent; see `breaths`."""

    bars: int
    length: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bars < 1 or BARS % self.bars:
            raise InputError(f"phrases of {self.bars} bars don't fill {BARS}: take 1, 2, 4, 8 or 16")
        check_number("length", self.length, 1, self.bars * STEPS_PER_BAR - 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        phrase = "every bar" if self.bars == 1 else f"every {self.bars} bars"
        end = "sixteenth" if self.length == 1 else f"{self.length} sixteenths"
        return f"the last {end} of {phrase} {'is' if self.length == 1 else 'are'} silent"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        phrases = silent(events).reshape(len(events), BARS // self.bars, self.bars * STEPS_PER_BAR)
        ends = phrases[:, :, -self.length :]
        some = note_counts(events) > 0
        return partial_credit(ends.all(axis=(1, 2)) & some, ends.mean(axis=(1, 2)) * some)


def rests(least: float = 0.25, most: float = 0.5) -> Rests:
    """min(1, q / least) * min(1, (1 - q) / (1 - most)), in [0, 1], for a silent share q; 0 for no notes.

    Args:
        least: smallest share of silent steps that satisfies, 0..1.
        most: largest share that satisfies, least..1.

    Raises:
        InputError: a share out of range, or `least` above `most`.

    >>> from melodylc.data import Melody
    >>> held = Melody.from_notes([(60, 0, 224)])
    >>> rests(0.25, 0.5)(held), rests(0.0, 0.125)(held)
    (0.5, 1.0)
    """
    return Rests(least, most)


def longest_rest(most: int = 0) -> LongestRest:
    """1 - e / (256 - most), in [0, 1], for e silent steps beyond the first `most` of each rest; 0 for no notes.

    Args:
        most: sixteenths of the longest rest that satisfies, 0..255; 0 allows no rest at all.

    Raises:
        InputError: `most` out of range.

    >>> from melodylc.data import Melody
    >>> longest_rest(0)(Melody.from_notes([(60, 0, 192)]))
    0.75
    """
    return LongestRest(most)


def breaths(bars: int = 4, length: int = 2) -> Breaths:
    """The silent share of the last `length` sixteenths of every `bars` bars, in [0, 1]; 0 for no notes.

    A melody that breathes between its phrases.

    Args:
        bars: bars of a phrase: 1, 2, 4, 8 or 16.
        length: sixteenths of the breath that ends it, 1 to one less than the phrase has.

    Raises:
        InputError: bars that don't divide 16, or a length out of range.

    >>> from melodylc.data import Melody
    >>> breaths(8, 4)(Melody.from_notes([(60, 0, 124), (62, 128, 255)]))
    0.625
    """
    return Breaths(bars, length)
