"""Leads where leads lie: melodies moved by octaves, as a whole, where no range is asked and the rule doesn't mind."""

import numpy as np

from melodylc.data.arrays import Events
from melodylc.data.melody import Melody
from melodylc.data.ranges import LEAD_RANGE, PitchRange
from melodylc.data.tonality import octaves_into
from melodylc.rewards import Rule


def move_to_range(events: Events, rule: Rule | None = None, pitch_range: PitchRange = LEAD_RANGE) -> Events:
    """Melodies (n, 256), each moved by as few octaves as bring it nearest to a range.

    Where the rule scores one otherwise there, as a rule on register does, it stays where it is.

    >>> low = Melody.from_notes([(40, 0, 4), (47, 4, 8)])
    >>> Melody(move_to_range(low.events[None])[0]).pitches.tolist()
    [64, 71]
    """
    tunes = Melody.unstack(events)
    moved = Melody.stack(tune.transposed(12 * octaves_into(tune, *pitch_range)) for tune in tunes)
    rows = np.flatnonzero((moved != events).any(1))
    if rule is not None and rows.size:
        same = (rule.scores(moved[rows]) == rule.scores(events[rows])).all(1)
        moved[rows[~same]] = events[rows[~same]]
    return moved
