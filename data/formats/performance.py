"""A melody in time: from steps to ticks and velocities, with swing and a human touch.

    tick(s) = s * T + (s odd) * round(T * (2 * swing / 100 - 1))        T = ticks a sixteenth

A human touch moves starts and ends from there by a quarter of T at most, velocities by 24. All of it stays nearer to
the note's own sixteenth than to any other, so whoever rounds to sixteenths reads the melody as it was; notes stay in
order, none begins before its loop or ends after it, and one that ended where the next begins still does.
"""

from typing import NamedTuple

import numpy as np

from melodylc.data.alphabet import STEPS, STEPS_PER_BAR
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

_MOST_MOVED = 0.25  # of a sixteenth
_MOST_LOUDER = 24
_TOUCH = 0x68756D616E  # tells these random numbers from the draws of the same seed


class Played(NamedTuple):
    """A note as it is played: MIDI pitch, ticks from the start of its loop, velocity 1..127."""

    pitch: int
    start: int
    end: int
    velocity: int


def perform(melody: Melody, writing: Writing, seed: tuple[int, ...] = (0,)) -> list[Played]:
    """The notes of a melody as they are played, in order.

    Args:
        melody: what to play.
        writing: its ppq, swing, humanize, velocity and bars; a note stops where they end.
        seed: of the human touch; the same seed, the same touch at each step.

    >>> perform(Melody.from_notes([(60, 0, 1), (62, 1, 2)]), Writing(swing=60))
    [Played(pitch=60, start=0, end=144, velocity=96), Played(pitch=62, start=144, end=240, velocity=96)]
    """
    step = writing.ppq // 4
    late = round(step * (2 * writing.swing / 100 - 1))
    grid = np.arange(STEPS + 1) * step
    ticks = grid + late * (np.arange(STEPS + 1) % 2)
    touch = np.zeros((3, STEPS + 1))
    if writing.humanize:
        drawn = np.random.default_rng((*seed, _TOUCH)).standard_normal(touch.shape)
        touch = np.clip(drawn / 2, -1, 1) * writing.humanize / 100
    nearest = (step - 1) // 2  # further away, another sixteenth would be as near
    starts, ends = (
        np.clip(np.rint(ticks + move * _MOST_MOVED * step), grid - nearest, grid + nearest).astype(int)
        for move in touch[:2]
    )
    last = writing.bars * STEPS_PER_BAR
    starts[0], ends[last] = max(0, int(starts[0])), grid[last]
    loud = np.clip(np.rint(writing.velocity + touch[2] * _MOST_LOUDER), 1, 127).astype(int)
    begun = frozenset(melody.onsets.tolist())
    return [
        Played(
            pitch,
            int(starts[start]),
            int((starts if end in begun and end < last else ends)[min(end, last)]),
            int(loud[start]),
        )
        for pitch, start, end in melody.notes
        if start < last
    ]
