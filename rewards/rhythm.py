"""Rhythm: where notes begin, and for how long they sound.

    c_grid(x, k) = (notes that begin on a multiple of k sixteenths of their bar) / (notes)
    c_rhythm(x) = 2 h / (n + m)      n notes, m onsets in the pattern over all bars, h of them in both     (Dice)
    c_groove(x, A) = min(1, g / A)   g = 1 - mean Hamming distance of the onsets of neighbouring bars
    c_lengths(x, A, B) = (notes of A..B sixteenths) / (notes)

g is MuSpy's groove_consistency over the sixteen bars (Wu and Yang, "The Jazz Transformer on the Front Line", 2020).
MuSpy counts bars up to the last note's end, and one more where that is a bar line; here there are always sixteen. No
notes score 0.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask
from melodylc.data.errors import InputError
from melodylc.rewards.base import Scores
from melodylc.rewards.features import (
    EventsReward,
    begins,
    check_between,
    check_number,
    durations,
    note_counts,
    partial_credit,
    percent,
    plural,
    share,
)

_ONSET, _NONE = "xX1", ".-_0"


@dataclass(frozen=True)
class Grid(EventsReward):
    """The share of notes that begin on a multiple of `steps`; see `grid`."""

    steps: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("steps", self.steps, 1, STEPS_PER_BAR)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        beats = {1: "a sixteenth", 2: "an eighth", 4: "a beat", 8: "beat 1 or 3", 16: "the first beat of its bar"}
        return f"every note begins on {beats.get(self.steps, f'a multiple of {self.steps} sixteenths of its bar')}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        notes = note_counts(events)
        allowed = np.arange(STEPS) % STEPS_PER_BAR % self.steps == 0
        inside = (begins(events) & allowed).sum(axis=1)
        return partial_credit((inside == notes) & (notes > 0), share(inside, notes))


@dataclass(frozen=True)
class Rhythm(EventsReward):
    """How near the onsets come to a pattern, written as its shortest unit of a bar or more; see `rhythm`."""

    pattern: str

    def __post_init__(self) -> None:
        super().__post_init__()
        signs = "".join(self.pattern.split()).replace("|", "")
        if not set(signs) <= set(_ONSET + _NONE) or not signs or STEPS % len(signs) or not set(signs) & set(_ONSET):
            shown = self.pattern if len(self.pattern) <= 40 else self.pattern[:37] + "..."
            raise InputError(
                f"a rhythm is a sign a sixteenth, x where a note begins and . where none does; 16 of them, or another "
                f"power of two up to {STEPS}; not {shown!r}"
            )
        whole = "".join("x" if sign in _ONSET else "." for sign in signs) * (STEPS // len(signs))
        units = (STEPS_PER_BAR << doubled for doubled in range(5))
        unit = next(size for size in units if whole == whole[:size] * (STEPS // size))
        object.__setattr__(self, "pattern", whole[:unit])

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"notes begin where {self.pattern} has an x, over and over, and nowhere else"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"rhythm {self.pattern}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        onsets = np.tile(np.array([sign == "x" for sign in self.pattern]), STEPS // len(self.pattern))
        notes = begins(events)
        hits = (notes & onsets).sum(axis=1)
        return partial_credit((notes == onsets).all(axis=1), 2 * hits / (notes.sum(axis=1) + onsets.sum()))


@dataclass(frozen=True)
class Groove(EventsReward):
    """How near the likeness of neighbouring bars' onsets comes to `least`; see `groove`."""

    least: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("least", self.least, 0, 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"neighbouring bars have nearly one rhythm ({percent(self.least)} alike or more)"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        bars = begins(events).reshape(len(events), BARS, STEPS_PER_BAR)
        apart = (bars[:, 1:] != bars[:, :-1]).mean(axis=(1, 2))
        some = note_counts(events) > 0
        return partial_credit((1 - apart >= self.least) & some, (1 - apart) / max(self.least, 1e-9) * some)


@dataclass(frozen=True)
class Lengths(EventsReward):
    """The share of notes of `least`..`most` sixteenths; see `lengths`."""

    least: int
    most: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self.least, self.most, 1, STEPS)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"every note sounds for {self.least} to {plural(self.most, 'sixteenth')}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"notes of {self.least} to {plural(self.most, 'sixteenth')}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        lengths = durations(events)
        within: Mask = (lengths >= self.least) & (lengths <= self.most)
        inside, notes = within.sum(axis=1), note_counts(events)
        return partial_credit((inside == notes) & (notes > 0), share(inside, notes))


def grid(steps: int = 4) -> Grid:
    """The share of notes that begin on a multiple of `steps` sixteenths, counted from each bar line, in [0, 1].

    0 for no notes.

    Args:
        steps: 1..16. 2 allows eighths, 4 quarters; 3 allows 0, 3, 6, 9, 12, 15 in each bar.

    Raises:
        InputError: `steps` out of range.

    >>> from melodylc.data import Melody
    >>> grid(4)(Melody.from_notes([(60, 0, 4), (62, 4, 6), (64, 6, 8), (65, 16, 20)]))
    0.75
    """
    return Grid(steps)


def rhythm(pattern: str = "x..x..x...x.x...") -> Rhythm:
    """2 h / (n + m), in [0, 1]: how far the onsets are those of a pattern, over and over; 0 for no notes.

    Args:
        pattern: a sign a sixteenth: x (or 1) where a note begins, . (or - or 0) where none does; spaces and bar lines
            (|) don't count. The default is the son clave (Toussaint, "The Geometry of Musical Rhythm", 2013).

    Raises:
        InputError: other signs, no onset, or a length that doesn't divide the 256 sixteenths.

    >>> from melodylc.data import Melody
    >>> quarters = Melody.from_notes((60, 4 * i, 4 * i + 4) for i in range(64))
    >>> rhythm("x...")(quarters), rhythm("x.......")(quarters)
    (1.0, 0.6666666666666666)
    """
    return Rhythm(pattern)


def groove(least: float = 0.95) -> Groove:
    """min(1, g / least), in [0, 1], for MuSpy's groove consistency g of the sixteen bars; 0 for no notes.

    Args:
        least: smallest consistency that satisfies, 0..1; 1 asks for one rhythm in every bar.

    Raises:
        InputError: `least` out of range.

    >>> from melodylc.data import Melody
    >>> quarters = Melody.from_notes((60, 4 * i, 4 * i + 4) for i in range(64))
    >>> groove(1)(quarters), groove()(Melody.from_notes([(60, 0, 16)])) == 1
    (1.0, True)
    """
    return Groove(least)


def lengths(least: int = 2, most: int = 16) -> Lengths:
    """The share of notes that sound for least..most sixteenths, in [0, 1]; 0 for no notes.

    Args:
        least: sixteenths of the shortest note that satisfies, 1..256.
        most: sixteenths of the longest note that satisfies, least..256.

    Raises:
        InputError: a length out of range, or `least` above `most`.

    >>> from melodylc.data import Melody
    >>> lengths(2, 8)(Melody.from_notes([(60, 0, 1), (62, 1, 3), (64, 3, 11), (65, 11, 20)]))
    0.5
    """
    return Lengths(least, most)
