"""Rewards bar by bar: where in a melody a rule holds, and where it doesn't.

The value of a bar is that of a melody which is this bar sixteen times over, so that a rule on notes, intervals, rests
or density means in a bar what it means in the whole. It takes the notes that begin in the bar, up to its end. A bar
without any has no value, nor has a rule on what the whole alone has: its ends, its form, what goes on between bars.
"""

import re
from collections.abc import Sequence

import numpy as np

from melodylc.data.alphabet import BARS, HOLD, REST, STEPS_PER_BAR
from melodylc.data.arrays import Events
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores

WHOLE = frozenset(
    ("tonic", "first_note", "last_note", "last_length", "contour", "form", "motif", "groove", "breaths", "variety")
)
"""Names of built-in rewards that a bar by itself says nothing of."""


def judges_bars(reward: Reward) -> bool:
    """Whether a reward has a value for a bar: no part of it is one of `WHOLE`.

    >>> from melodylc.rewards import density, tonic
    >>> judges_bars(density(64)), judges_bars(density(64) & tonic(0))
    (True, False)
    """
    return not WHOLE & set(re.findall(r"\w+(?=\()", reward.name))


def bar_melodies(melody: Melody) -> Events:
    """For each bar the melody that repeats it: canonical events, shape (16, 256)."""
    bars = melody.events.reshape(BARS, STEPS_PER_BAR).copy()
    bars[np.logical_and.accumulate(bars == HOLD, axis=1)] = REST  # what began before
    return np.tile(bars, BARS)


def by_bar(parts: Sequence[Reward], melody: Melody) -> tuple[Scores, Scores]:
    """Rewards of a melody and of its bars, without weights.

    Returns:
        For the whole, shape (parts,); for the bars, shape (16, parts), NaN where there is no value.

    >>> from melodylc.rewards import pitch_classes
    >>> whole, bars = by_bar([pitch_classes({0})], Melody.from_notes([(60, 0, 4), (60, 16, 20), (61, 20, 24)]))
    >>> round(float(whole[0]), 3), bars[:3, 0].tolist()
    (0.667, [1.0, 0.5, nan])
    """
    rows = np.concatenate((melody.events[None], bar_melodies(melody)))
    scores = np.stack([part.raw.batch(rows) for part in parts], axis=1)
    silent = ~(rows[1:] < HOLD).any(axis=1)
    bars = scores[1:]
    for column, part in enumerate(parts):
        for bar in range(BARS):
            if (own := part.raw.in_bar(bar)) != part.raw:  # such as chords: each bar has its own
                bars[bar, column] = own.batch(rows[bar + 1 : bar + 2])[0]
    bars[silent] = np.nan
    bars[:, [not judges_bars(part) for part in parts]] = np.nan
    return scores[0], bars
