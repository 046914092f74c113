"""How far a melody is from the one that it was made of, as a musician hears it.

For a melody x with k notes, and y that was made of it, in notes of x:

    lost and added notes            1 each
    a kept note's pitch             0.2 where it changed, and 0.01 for each semitone up to 12
                                    and 0.1 where it moved otherwise than most notes of its pitch did
    an interval between neighbours  where both are kept, 0.3 where it changed and 0.7 * min(1, semitones / 6); else 0.5
    the leaps on the whole          0.02 for each semitone by which those intervals together are wider, or narrower
    a bar                           1 where it no longer repeats the bar that it repeated, or repeats one anew
    lengths                         0.1 for each sixteenth that sounds where it didn't, or is silent where it wasn't

and `change` is the sum over k + 8, so that it is about 1 where nothing is left. A note is kept where one begins at the
same sixteenth. Moving a melody to another key as a whole costs 0.2 to 0.25, as bending a third of its notes does.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, PITCHES, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask, Values
from melodylc.data.melody import Melody

_WIDE, _NOWHERE = 256, 256 * PITCHES  # for what a pitch became as one number, and a note that is gone
_FEW = 8  # notes that are added to k: in a melody of three, one note is not everything


@dataclass(frozen=True)
class Similarity:
    """What is left of a melody, as shares of its notes in [0, 1]; 1 of one without notes."""

    onsets: float  #: notes that begin where one begins in the other
    pitches: float  #: those of them that have their pitch
    intervals: float  #: steps between neighbours that are both kept and as far apart as they were
    shift: int = 0  #: semitones by which most of the kept notes moved, all the same way; 0 where there is no such most

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        shares = {name: round(getattr(self, name), 6) for name in ("onsets", "pitches", "intervals")}
        return {**shares, "shift": self.shift}


def similarity(before: Melody, after: Melody) -> Similarity:
    """What of `before` is left in `after`.

    >>> before, after = (Melody.from_notes([(60, 0, 4), (62, 4, 8), (third, 8, 12)]) for third in (64, 65))
    >>> similarity(before, after)
    Similarity(onsets=1.0, pitches=0.6666666666666666, intervals=0.5, shift=0)
    """
    there, moved = _pitch_moves(before.events, after.events[None])
    steps = there[0, 1:] & there[0, :-1] & (moved[0, 1:] == moved[0, :-1])
    return Similarity(_share(there[0]), _share(there[0] & (moved[0] == 0)), _share(steps), _most(moved[0][there[0]]))


class Change:
    """Measures melodies against one that they were made of.

    >>> melody = Melody.from_notes([(60, 0, 4), (64, 4, 8)])
    >>> measure = Change(melody.events)
    >>> measure(melody.events[None]).tolist(), bool(measure(melody.transposed(2).events[None]) > 0)
    ([0.0], True)
    """

    def __init__(self, before: Events) -> None:
        self.before = before
        self.onsets = before < PITCHES
        self.repeats = first_alike(before[None])
        self.classes = bar_classes(before)
        self.steps = np.diff(before[self.onsets].astype(np.int64))

    def __call__(self, after: Events) -> Values:
        """The change of each of melodies (n, 256): (n,)."""
        there, moved = _pitch_moves(self.before, after)
        notes = there.shape[1]
        count = (after < PITCHES).sum(axis=1)
        exchanged = notes + count - 2 * there.sum(axis=1)
        pitches = np.where(moved != 0, 0.2 + 0.01 * np.minimum(np.abs(moved), 12), 0.0).sum(axis=1)
        both, bend = there[:, 1:] & there[:, :-1], np.diff(moved, axis=1)
        bent = np.where(bend != 0, 0.3 + 0.7 * np.minimum(np.abs(bend) / 6, 1.0), 0.0)
        intervals = np.where(both, bent, 0.5).sum(axis=1)
        wider = np.where(both, np.abs(self.steps + bend) - np.abs(self.steps), 0).sum(axis=1)
        form = (first_alike(after) != self.repeats).sum(axis=1)
        sound = ((after == HOLD) != (self.before == HOLD)) & ~self.onsets & (after >= PITCHES)
        astray = 0.1 * _off_majority(self.before[self.onsets], there, moved)
        total = exchanged + pitches + astray + intervals + 0.02 * np.abs(wider) + form + 0.1 * sound.sum(axis=1)
        return np.asarray(total / (notes + _FEW), np.float64)


def first_alike(events: Events) -> npt.NDArray[np.intp]:
    """For each bar of melodies (n, 256) the first bar that is the same, event by event: (n, 16)."""
    words = np.ascontiguousarray(events).view(np.uint64).reshape(-1, BARS, STEPS_PER_BAR // 8)
    first, second = words[..., 0], words[..., 1]
    alike = (first[:, :, None] == first[:, None]) & (second[:, :, None] == second[:, None])
    return np.asarray(alike.argmax(axis=2))


def bar_classes(events: Events) -> list[list[int]]:
    """The bars of a melody (256,), those together that are the same."""
    first = first_alike(events[None])[0]
    return [np.flatnonzero(first == bar).tolist() for bar in np.unique(first)]


def _pitch_moves(before: Events, after: Events) -> tuple[Mask, npt.NDArray[np.int64]]:
    """Which notes of `before` (256,) are in `after` (n, 256), and by how many semitones they moved: (n, notes)."""
    where = np.flatnonzero(before < PITCHES)
    found = after[:, where].astype(np.int64)
    there = found < PITCHES
    return there, np.where(there, found - before[where].astype(np.int64), 0)


def _off_majority(pitches: Events, there: Mask, moved: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """How many kept notes of `pitches` (notes,) moved otherwise than most of their pitch did: (n,)."""
    if not moved.shape[1]:
        return np.zeros(len(moved), np.int64)
    kinds = np.where(there, _WIDE * pitches.astype(np.int64) + moved + PITCHES, _NOWHERE)
    kinds = np.sort(kinds.astype(np.uint16), axis=1, kind="stable")
    place = np.arange(kinds.shape[1])
    first = np.diff(kinds, axis=1, prepend=np.uint16(0)) != 0  # no kind is 0
    run = place - np.maximum.accumulate(np.where(first, place, 0), axis=1)  # how many like it come before
    most = np.sort((kinds // _WIDE * _WIDE + run).astype(np.uint16), axis=1, kind="stable")
    last = np.diff(most // _WIDE, axis=1, append=_NOWHERE // _WIDE + 1) != 0  # the largest of its pitch
    kept = np.where(last & (most < _NOWHERE), most % _WIDE + 1, 0).sum(axis=1)
    return np.asarray(there.sum(axis=1) - kept, np.int64)


def _most(moved: npt.NDArray[np.int64]) -> int:
    """What more than half of some numbers are; 0 where nothing is."""
    kinds, counts = np.unique(moved, return_counts=True)
    return int(kinds[counts.argmax()]) if counts.size and 2 * counts.max() > counts.sum() else 0


def _share(flags: Mask) -> float:
    return float(flags.mean()) if flags.size else 1.0
