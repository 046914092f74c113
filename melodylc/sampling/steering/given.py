"""Bars of a melody that are somebody's own: a model reads them, and writes the others."""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import BARS, HOLD, REST, STATES, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.sampling.steering.limits import EventTable
from melodylc.sampling.steering.potential import Bars, MelodyRows


@dataclass(frozen=True)
class GivenBars:
    """Some bars of a melody, each note of which begins and ends in them.

    Args:
        melody: (256,), canonical; only the given bars are used.
        bars: which, 0..15.
    """

    melody: Events
    bars: frozenset[int]

    @property
    def events(self) -> Events:
        """(256,): the given bars, and rests elsewhere. A note that began before them isn't theirs, so it is a rest."""
        kept = np.full((BARS, STEPS_PER_BAR), REST, np.uint8)
        rows = sorted(self.bars)
        kept[rows] = self.melody.reshape(BARS, STEPS_PER_BAR)[rows]
        return canonical(kept.reshape(-1))[0]

    def bar(self, bar: int, count: int) -> Bars:
        """A given bar for `count` melodies, (count, 16)."""
        own = self.events.reshape(BARS, STEPS_PER_BAR)[bar].astype(np.int64)
        return np.broadcast_to(own, (count, STEPS_PER_BAR)).copy()

    def follows(self, bar: int) -> bool:
        """Whether a bar is to be written and comes after one that is given, whose last note it must not lengthen."""
        return bar not in self.bars and bar - 1 in self.bars

    def limit(self, bar: int, limits: EventTable) -> EventTable:
        """Events (n, 16, 130) that bar may have, of those that it might have without given bars."""
        if not self.follows(bar):
            return limits
        free = np.arange(STATES) != HOLD
        limits = limits.copy()
        limits[:, 0] &= free
        limits[:, 0] |= ~limits[:, 0].any(1, keepdims=True) & free
        return limits

    def paste(self, melodies: MelodyRows) -> MelodyRows:
        """Melodies (n, 256) with the given bars in their places, and no note held from these into others."""
        bars = melodies.reshape(-1, BARS, STEPS_PER_BAR).copy()
        rows = sorted(self.bars)
        bars[:, rows] = self.events.reshape(BARS, STEPS_PER_BAR)[rows]
        for bar in filter(self.follows, range(BARS)):
            bars[:, bar] = without_hold(bars[:, bar])
        return bars.reshape(len(melodies), -1)


def without_hold(bars: Bars) -> Bars:
    """Bars (..., 16) that begin with no hold.

    >>> without_hold(np.array([[HOLD, HOLD, 60, *[HOLD] * 13]]))[0, :3].tolist()
    [129, 129, 60]
    """
    held = np.logical_and.accumulate(bars == HOLD, axis=-1)
    return np.where(held, REST, bars)
