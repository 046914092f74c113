"""Syncopation, after Longuet-Higgins and Lee ("The rhythmic interpretation of monophonic music", 1984).

Each step of a bar of 4/4 has a metrical weight: 0 on beat 1, -1 on beat 3, -2 on beats 2 and 4, -3 on the eighths
between them, -4 on the other sixteenths. A note is *syncopated* when a heavier step than its own passes before the next
note begins: the heavier step has no onset, and was expected to. Whether the note is held over that step or a rest
stands there makes no difference, as in their paper; after the last note the melody's end counts as an onset.

    c_syncopation(x, A, B) = min(1, s / A) * min(1, (1 - s) / (1 - B))      s = (syncopated notes) / (notes)

Their strength of a syncopation, the difference of the two weights, isn't used: a share can be asked for in words. MuSpy
has no measure of it. No notes score 0.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.arrays import Events, Mask
from melodylc.rewards.base import Scores
from melodylc.rewards.features import (
    EventsReward,
    begins,
    between,
    check_between,
    note_counts,
    partial_credit,
    percents,
    share,
)

WEIGHTS = (0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4)
"""Metrical weight of each sixteenth of a bar."""


@dataclass(frozen=True)
class Syncopation(EventsReward):
    """How near the share of syncopated notes comes to `least`..`most`; see `syncopation`."""

    least: float
    most: float

    def __post_init__(self) -> None:
        super().__post_init__()
        check_between(self.least, self.most, 0, 1)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"{percents(self.least, self.most)} of the notes {'is' if self.most == 0 else 'are'} syncopated"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        notes = note_counts(events)
        part = share(_syncopated_onsets(events).sum(axis=1), notes)
        satisfied = (notes > 0) & (part >= self.least) & (part <= self.most)
        return partial_credit(satisfied, between(part, self.least, self.most) * (notes > 0))


def _syncopated_onsets(events: Events) -> Mask:
    """Where a syncopated note begins: shape (n, 256) to (n, 256)."""
    weights = np.tile(np.array(WEIGHTS), BARS)
    steps = np.arange(STEPS)
    heavier = weights[None, :] > weights[:, None]
    # From each step, how far the next heavier one is; the melody's end is an onset, so beyond it is none.
    after = np.where(heavier & (steps[None, :] > steps[:, None]), steps[None, :], STEPS).min(axis=1)
    notes = begins(events)
    following = np.where(notes, steps, STEPS)[:, ::-1]
    following = np.pad(np.minimum.accumulate(following, axis=1)[:, ::-1], ((0, 0), (0, 1)), constant_values=STEPS)
    found: Mask = notes & (after < following[:, 1:])
    return found


def syncopation(least: float = 0.25, most: float = 1.0) -> Syncopation:
    """min(1, s / least) * min(1, (1 - s) / (1 - most)), in [0, 1], for a share s of syncopated notes; 0 for no notes.

    ``most=0`` with ``least=0`` asks for none at all.

    Args:
        least: smallest share that satisfies, 0..1.
        most: largest share that satisfies, least..1.

    Raises:
        InputError: a share out of range, or `least` above `most`.

    >>> from melodylc.data import Melody
    >>> charleston = Melody.from_notes([(60, 0, 6), (60, 6, 16)])  # beat 1, and the "and" of 2 over beat 3
    >>> syncopation(0.5)(charleston), syncopation(1.0)(charleston), syncopation(0, 0)(charleston)
    (1.0, 0.5, 0.5)
    """
    return Syncopation(least, most)
