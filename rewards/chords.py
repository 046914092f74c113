"""Chords: whether a melody fits a progression.

At each sixteenth where the melody sounds (a note begins or is held), its pitch class is a chord tone or isn't, of the
chord that the progression has there (`melodylc.data.chords`). Beats 1 and 3 are the strong ones of a bar of 4/4.

    c_chords(x) = S * min(1, T / least)
    S = (strong beats on which a chord tone sounds) / (strong beats on which anything sounds);  1 where nothing does
    T = (sixteenths on which a chord tone sounds) / (sixteenths on which anything sounds)

It is 1 exactly where every note that sounds on beats 1 and 3 is a chord tone, and at least a share `least` of the
sounding time is chord tones. What is left of the time is for passing and neighbour notes between them. A note held
into another chord is judged there by that. Where there is no chord (N.C.) every note fits. No notes score 0.

That consonance stands on the strong beats and passing notes between them is second species counterpoint (Fux, Gradus
ad Parnassum, 1725). T is near to CTnCTR of Yeh et al., "Automatic melody harmonization with triad chords" (2021), which
counts notes, and among chord tones those that a step leads on from; here `least` leaves room for these.
"""

from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import REST, STEPS
from melodylc.data.arrays import Events
from melodylc.data.chords import Progression, parse_progression
from melodylc.data.errors import InputError
from melodylc.data.keys import parse_scale
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.features import EventsReward, begins, note_counts, partial_credit, percent, share
from melodylc.rewards.parameters import Parameters
from melodylc.rewards.pitch import PitchClasses

LEAST = 0.7
STRONG = np.arange(STEPS) % 8 == 0  #: beats 1 and 3


@dataclass(frozen=True)
class Chords(EventsReward):
    """How far a melody fits a progression; see `chords`."""

    progression: Progression
    least: float = LEAST

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise InputError(f"least is a share of the sounding time, 0 to 1, not {self.least:g}")

    @property
    def name(self) -> str:
        """Such as "chords(C | Am | F | G7)"."""
        return f"chords({self.progression.name}{'' if self.least == LEAST else f', least={self.least}'})"

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        what = f"notes on beats 1 and 3 are of the chords {self.progression.name.rstrip(' |')}"
        return f"{what}, as is {percent(self.least)} of the time that sounds" if self.least else what

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return "fits the chords"

    def clash(self, other: Reward) -> str | None:
        """A chord none of whose notes is in a scale."""
        if isinstance(other, PitchClasses):
            for chord in self.progression.chords:
                if not chord.allowed & other.classes:
                    return f"no note of the chord {chord.name} is in {other.scale or other.name}"
        return None

    def in_bar(self, bar: int) -> "Chords":
        """The same of one bar of the sixteen, with that bar's chords."""
        return Chords(self.progression.bar(bar), self.least)

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        # Where the note that sounds at each step began; -1 before the first.
        onset = np.maximum.accumulate(np.where(begins(events), np.arange(STEPS), -1), axis=1)
        sounds = (events != REST) & (onset >= 0)
        pitch_classes = np.take_along_axis(events, np.maximum(onset, 0), axis=1) % 12
        fits = sounds & self.progression.allowed[np.arange(STEPS), pitch_classes]
        strong, right = ((it & STRONG).sum(axis=1) for it in (sounds, fits))
        time = share(fits.sum(axis=1), sounds.sum(axis=1))
        satisfied = (note_counts(events) > 0) & (right == strong) & (time >= self.least)
        on_beats = np.where(strong > 0, share(right, strong), sounds.any(axis=1))
        return partial_credit(satisfied, on_beats * (np.minimum(1.0, time / self.least) if self.least else 1.0))


def chords(progression: str, key: str = "", least: float = LEAST) -> Chords:
    """Whether every note that sounds on beats 1 and 3 is a chord tone, and `least` of the time that sounds; in [0, 1].

    The share of such beats times the share of time over `least`, at most 1; 0 for no notes.

    Args:
        progression: bars with | or commas between, over and over: "C | Am | F G7 | C/E", "I, vi, IV, V7"
            (`melodylc.data.chords.parse_progression`).
        key: a scale with a tonic, that numerals count in.
        least: share of the sounding time, 0 to 1.

    Raises:
        InputError: a chord that can't be read, or a share out of range.

    >>> from melodylc.data import Melody
    >>> fits = chords("C | Am")
    >>> fits(Melody.from_notes([(60, 0, 12), (62, 12, 16), (69, 16, 32)]))
    1.0
    >>> round(fits(Melody.from_notes([(60, 0, 8), (62, 8, 16)])), 3)
    0.357
    """
    Parameters.of(chords).fill({"progression": progression, "key": key, "least": least})
    return Chords(parse_progression(progression, parse_scale(key) if key else None), least)
