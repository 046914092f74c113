"""What rewards look at: arrays over the steps of many melodies at once, and how a measure becomes a reward.

Every function takes canonical events, shape (n, 256), and treats each row by itself.
"""

from abc import abstractmethod
from dataclasses import fields

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, PITCHES, REST, STEPS
from melodylc.data.arrays import Events, Mask
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.parameters import Parameters

Counts = npt.NDArray[np.int64]

_BELOW_ONE = float(np.nextafter(1.0, 0.0))


class EventsReward(Reward):
    """A reward computed for many melodies at once. A subclass is a dataclass, whose fields are its parameters.

    They are checked as those are that somebody typed: a number of another type, say, is refused in the same words.
    """

    def __post_init__(self) -> None:
        for name, value in Parameters.of(type(self)).fill(vars(self)).items():
            object.__setattr__(self, name, value)

    @property
    def name(self) -> str:
        """The function that makes it, with all parameters, such as "leaps(largest=4)"."""
        snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__)
        values = ", ".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))  # type: ignore[arg-type]
        return f"{snake.lstrip('_')}({values})"

    def __call__(self, melody: Melody) -> float:
        """The reward of one melody; its formula stands with the function that makes it."""
        return float(self.batch(melody.events[None])[0])

    @property
    def label(self) -> str:
        """A few words for a table's head; the sentence, unless there are fewer."""
        return self.sentence

    @abstractmethod
    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""


def partial_credit(satisfied: Mask, credit: npt.ArrayLike) -> Scores:
    """1 where `satisfied`; elsewhere `credit`, kept in [0, 1).

    What satisfies is thus decided by a comparison of numbers that are exact, not by a quotient that may round to 1.
    """
    return np.where(satisfied, 1.0, np.clip(credit, 0.0, _BELOW_ONE))


def share(part: Counts, whole: Counts) -> Scores:
    """part / whole, and 0 where both are 0."""
    shares: Scores = part / np.maximum(whole, 1)
    return shares


def between(value: Scores, least: float, most: float) -> Scores:
    """Credit for a share in [0, 1] that should lie in least..most: min(1, v / least) * min(1, (1 - v) / (1 - most))."""
    enough = np.minimum(1.0, value / least) if least > 0 else np.ones_like(value)
    return enough * np.minimum(1.0, (1 - value) / (1 - most)) if most < 1 else enough


def percent(share: float) -> str:
    """A share in words.

    >>> percent(0.125)
    '12.5 %'
    """
    return f"{100 * share:g} %"


def percents(least: float, most: float) -> str:
    """A range of shares in words.

    >>> percents(0.25, 1), percents(0, 0.5), percents(0.25, 0.5), percents(0, 0)
    ('at least 25 %', 'at most 50 %', '25 % to 50 %', 'none')
    """
    if most == 0:
        return "none"
    if most == 1:
        return f"at least {percent(least)}"
    return f"{percent(least)} to {percent(most)}" if least else f"at most {percent(most)}"


def plural(count: float, noun: str) -> str:
    """A count with its noun.

    >>> plural(1, "note"), plural(4, "note")
    ('1 note', '4 notes')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raise InputError unless low <= value <= high."""
    if not low <= value <= high:
        raise InputError(f"{name} is in {low:g}..{high:g}, not {value:g}")


def check_between(least: float, most: float, low: float, high: float) -> None:
    """Raise InputError unless low <= least <= most <= high."""
    check_number("least", least, low, high)
    check_number("most", most, low, high)
    if least > most:
        raise InputError(f"nothing is at least {least:g} and at most {most:g}: swap the two")


def begins(events: Events) -> Mask:
    """Where a note begins."""
    notes: Mask = events < PITCHES
    return notes


def silent(events: Events) -> Mask:
    """Where nothing sounds."""
    rests: Mask = events == REST
    return rests


def note_counts(events: Events) -> Counts:
    """Notes of each melody, shape (n,)."""
    counts: Counts = begins(events).sum(axis=1)
    return counts


def previous(mask: Mask) -> Counts:
    """At each step, the last one before it where `mask` is true, or -1; shape (n, 256).

    >>> previous(np.array([[True, False, False, True, False]])).tolist()
    [[-1, 0, 0, 0, 3]]
    """
    seen = np.maximum.accumulate(np.where(mask, np.arange(mask.shape[1]), -1), axis=1)
    return np.pad(seen[:, :-1], ((0, 0), (1, 0)), constant_values=-1)


def intervals(events: Events) -> tuple[Counts, Mask]:
    """At each step where a note begins, semitones from the note before it; and where there is one. Shapes (n, 256).

    Rests between the two don't matter, as in jSymbolic's melodic intervals.
    """
    notes = begins(events)
    before = previous(notes)
    pitches = events.astype(np.int64)
    moved = pitches - np.take_along_axis(pitches, np.maximum(before, 0), axis=1)
    return moved, notes & (before >= 0)


def durations(events: Events) -> Counts:
    """At each step where a note begins, its length in sixteenths; 0 elsewhere. Shape (n, 256)."""
    # Backwards, the last step that isn't a hold is where the note will have ended.
    ends = STEPS - 1 - previous((events != HOLD)[:, ::-1])[:, ::-1]
    return np.where(begins(events), ends - np.arange(STEPS), 0)
