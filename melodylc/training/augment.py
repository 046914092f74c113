"""Rhythmic augmentation: melodies whose notes come early, late or short, as popular music has them.

The corpus is folk tunes, hymns and songs, with few notes off the eighths. A VAE that has met no others gives syncopes
back wrongly; so a share of what it is trained on gets its onsets moved (anticipation, delay, swing) or its notes
parted by rests. Which notes is drawn by their places in the bar, once a melody, so that a rhythm that comes back in a
melody goes on coming back. Language models are trained on melodies as they are.
"""

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events

Marks = npt.NDArray[np.bool_]
"""Which of the events of melodies (n, 256) are meant."""


def anticipate_onsets(events: Events, marked: Marks, by: int) -> Events:
    """Marked notes begin `by` steps early, where no other note begins in these; what sounded before ends sooner.

    >>> start = np.array([[60, 128, 128, 128, 62, 128, 129, 129]], np.uint8)
    >>> anticipate_onsets(start, start == 62, 1).tolist()
    [[60, 128, 128, 62, 128, 128, 129, 129]]
    """
    notes = events < HOLD
    movable = marked & notes
    movable[:, :by] = False
    for back in range(1, by + 1):
        movable[:, back:] &= ~notes[:, :-back]
    moved = events.copy()
    rows, steps = np.nonzero(movable)
    for back in range(by):
        moved[rows, steps - back] = HOLD
    moved[rows, steps - by] = events[rows, steps]
    return moved


def delay_onsets(events: Events, marked: Marks, by: int) -> Events:
    """Marked notes begin `by` steps late, where they last longer than that; what came before goes on until then.

    >>> start = np.array([[60, 128, 62, 128, 64, 129]], np.uint8)
    >>> delay_onsets(start, start < 128, 1).tolist()
    [[129, 60, 128, 62, 64, 129]]
    """
    movable = marked & (events < HOLD)
    movable[:, -by:] = False
    for ahead in range(1, by + 1):
        movable[:, :-ahead] &= events[:, ahead:] == HOLD
    before = np.concatenate((np.full((len(events), 1), REST, events.dtype), events[:, :-1]), 1)
    moved = events.copy()
    rows, steps = np.nonzero(movable)
    fill = np.where(before == REST, REST, HOLD)[rows, steps]
    for ahead in range(by):
        moved[rows, steps + ahead] = fill
    moved[rows, steps + by] = events[rows, steps]
    return moved


def detach_notes(events: Events, marked: Marks) -> Events:
    """A sixteenth of rest before marked notes, where the note before lasts longer than that.

    >>> start = np.array([[60, 128, 62, 64, 128, 128]], np.uint8)
    >>> detach_notes(start, start < 128).tolist()
    [[60, 129, 62, 64, 128, 128]]
    """
    cut = np.zeros(events.shape, bool)
    cut[:, :-1] = (marked & (events < HOLD))[:, 1:] & (events[:, :-1] == HOLD)
    return np.where(cut, REST, events).astype(events.dtype)


def vary_rhythm(events: Events, share: float, rng: np.random.Generator) -> Events:
    """Melodies (n, 256), a share of which has other rhythms; the pitches stay, and so does their order.

    Args:
        events: melodies in the canonical form.
        share: of those that are varied, in [0, 1].
        rng: random numbers.
    """
    count = len(events)
    chosen = rng.random(count) < share
    kind = rng.integers(0, 5, count)  # anticipated by a sixteenth, by an eighth, delayed, swung, detached alone
    period = np.arange(STEPS) % np.where(rng.random(count) < 0.5, STEPS_PER_BAR, 2 * STEPS_PER_BAR)[:, None]
    places = rng.random((count, 2 * STEPS_PER_BAR)) < rng.uniform(0.2, 0.9, (count, 1))
    where = np.take_along_axis(places, period, 1) & (rng.random(events.shape) < rng.uniform(0.4, 1.0, (count, 1)))
    where &= chosen[:, None]
    off_eighths = np.arange(STEPS) % 4 == 2
    for number, by in ((0, 1), (1, 2)):
        events = anticipate_onsets(events, where & (kind == number)[:, None], by)
    events = delay_onsets(events, where & (kind == 2)[:, None], 1)
    events = delay_onsets(events, chosen[:, None] & (kind == 3)[:, None] & off_eighths, 1)
    apart = (kind == 4) | (rng.random(count) < 0.25)
    detached = rng.random(events.shape) < rng.uniform(0.2, 1.0, (count, 1))
    return detach_notes(events, detached & (chosen & apart)[:, None])
