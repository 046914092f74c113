"""Variety: whether a melody is as varied as nineteen in twenty that people wrote.

    c_variety(x, P, B) = min(1, p / P) * min(1, b / B)         p = different pitches, b = different bars

Without it the cheapest way to keep every note in a scale is to write hardly any: a few long notes obey, and bore.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import BARS, PITCHES, STATES, STEPS_PER_BAR
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.rewards.base import Scores
from melodylc.rewards.features import EventsReward, plural


@dataclass(frozen=True)
class Variety(EventsReward):
    """How near a melody comes to `pitches` different pitches and `bars` different bars; see `variety`."""

    pitches: int
    bars: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.pitches <= PITCHES:
            raise InputError(f"a melody has 1..{PITCHES} different pitches, not {self.pitches}")
        if not 1 <= self.bars <= BARS:
            raise InputError(f"a melody has 1..{BARS} different bars, not {self.bars}")

    @property
    def name(self) -> str:
        """Such as "variety(7 pitches, 9 bars)"."""
        return f"variety({self.pitches} pitches, {self.bars} bars)"

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        pitches, bars = plural(self.pitches, "different pitch").replace("pitchs", "pitches"), plural(self.bars, "bar")
        return f"it has at least {pitches} and {bars.replace(' ', ' different ')}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return "varied"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        there = np.zeros((len(events), STATES), bool)
        np.put_along_axis(there, events.astype(np.intp), True, axis=1)
        pitches = there[:, :PITCHES].sum(axis=1)
        bars = np.ascontiguousarray(events).reshape(-1, BARS, STEPS_PER_BAR).view(f"V{STEPS_PER_BAR}")[..., 0]
        again = np.tril(bars[:, :, None] == bars[:, None], -1).any(axis=2)  # a bar that was there before
        rewards: Scores = np.minimum(1.0, pitches / self.pitches) * np.minimum(1.0, (~again).sum(axis=1) / self.bars)
        return rewards


def variety(pitches: int = 7, bars: int = 9) -> Variety:
    """min(1, p / pitches) * min(1, b / bars) for p different pitches and b different bars, in [0, 1].

    Args:
        pitches: different pitches that satisfy, 1..128. Nineteen in twenty of the training melodies have 7.
        bars: different bars that satisfy, 1..16. Nineteen in twenty of the training melodies have 9.

    Raises:
        InputError: a number out of its range.

    >>> from melodylc.data import Melody
    >>> scale = Melody.from_notes((60 + i, 16 * i, 16 * i + 4) for i in range(16))
    >>> variety()(scale), variety(pitches=32)(scale)
    (1.0, 0.5)
    """
    return Variety(pitches, bars)
