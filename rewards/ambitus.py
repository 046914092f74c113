"""Pitch range: where a melody lies, and how far it goes.

    r(x) = highest pitch - lowest pitch, in semitones         (MuSpy's pitch_range; jSymbolic's Range, P-8)

    c_register(x, A, B) = (notes of x with a pitch in A..B) / (notes of x)
    c_ambitus(x, A, B) = w * min(1, r / A)                    w = largest share of notes that any B semitones hold

Both are 1 exactly where every note lies within A..B, and where A <= r <= B. One note has r = 0; no notes score 0.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import PITCHES
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.melody import pitch_name
from melodylc.rewards.base import Scores
from melodylc.rewards.features import (
    Counts,
    EventsReward,
    begins,
    check_between,
    check_number,
    note_counts,
    partial_credit,
    share,
)

WIDEST = PITCHES - 1  #: semitones from the lowest MIDI pitch to the highest


@dataclass(frozen=True)
class Register(EventsReward):
    """The share of notes in `lowest`..`highest`; see `register`."""

    lowest: int
    highest: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("lowest", self.lowest, 0, WIDEST)
        check_number("highest", self.highest, 0, WIDEST)
        if self.lowest > self.highest:
            raise InputError(f"no pitch is at least {self.lowest} and at most {self.highest}: swap the two")

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"every note is between {pitch_name(self.lowest)} and {pitch_name(self.highest)}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"{pitch_name(self.lowest)} to {pitch_name(self.highest)}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        notes = note_counts(events)
        inside = ((events >= self.lowest) & (events <= self.highest)).sum(axis=1)
        return partial_credit((inside == notes) & (notes > 0), share(inside, notes))


@dataclass(frozen=True)
class Ambitus(EventsReward):
    """How near the pitch range comes to `least`..`most` semitones; see `ambitus`."""

    least: int
    most: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self.least, self.most, 0, WIDEST)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"its highest note is {self.least} to {self.most} semitones above its lowest"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"a range of {self.least} to {self.most} semitones"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        counts = _histogram(events)
        notes = counts.sum(axis=1)
        spans = _span(counts)
        far = np.minimum(1.0, spans / self.least) if self.least else 1.0
        satisfied = (notes > 0) & (spans >= self.least) & (spans <= self.most)
        return partial_credit(satisfied, _fullest(counts, self.most + 1) / np.maximum(notes, 1) * far)


def _histogram(events: Events) -> Counts:
    """Notes of each pitch, shape (n, 128)."""
    rows, _ = np.nonzero(notes := begins(events))
    cells = rows * PITCHES + events[notes]
    return np.bincount(cells, minlength=len(events) * PITCHES).reshape(len(events), PITCHES)


def _span(counts: Counts) -> Counts:
    """Semitones from the lowest to the highest pitch that occurs, shape (n,); 0 for no notes."""
    used = counts > 0
    return np.where(used.any(axis=1), PITCHES - 1 - used[:, ::-1].argmax(axis=1) - used.argmax(axis=1), 0)


def _fullest(counts: Counts, width: int) -> Counts:
    """Most notes that any `width` neighbouring pitches hold, shape (n,)."""
    below = np.pad(counts.cumsum(axis=1), ((0, 0), (1, 0)))
    most: Counts = (below[:, width:] - below[:, :-width]).max(axis=1)
    return most


def register(lowest: int = 60, highest: int = 72) -> Register:
    """The share of notes whose MIDI pitch is in lowest..highest, in [0, 1]; 0 for no notes.

    Args:
        lowest: lowest pitch that satisfies, 0..127 (60 is C4).
        highest: highest pitch that satisfies, lowest..127.

    Raises:
        InputError: a pitch out of range, or `lowest` above `highest`.

    >>> from melodylc.data import Melody
    >>> register(60, 72)(Melody.from_notes([(60, 0, 4), (72, 4, 8), (74, 8, 12), (59, 12, 16)]))
    0.5
    """
    return Register(lowest, highest)


def ambitus(least: int = 7, most: int = 12) -> Ambitus:
    """w * min(1, r / least), in [0, 1], for a pitch range r; w is the largest share of notes within `most` semitones.

    So 1 where least <= r <= most; 0 for no notes; for one note 1 if `least` is 0, else 0.

    Args:
        least: smallest range that satisfies, in semitones, 0..127.
        most: largest range that satisfies, least..127.

    Raises:
        InputError: a number out of range, or `least` above `most`.

    >>> from melodylc.data import Melody
    >>> octave = Melody.from_notes([(60, 0, 4), (64, 4, 8), (67, 8, 12), (72, 12, 16)])
    >>> ambitus(7, 12)(octave), ambitus(7, 11)(octave), ambitus(24, 24)(octave)
    (1.0, 0.75, 0.5)
    """
    return Ambitus(least, most)
