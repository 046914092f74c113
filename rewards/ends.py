"""The first note and the last.

    c_note(x) = 1 - d / 6          d = semitones to the nearest note of the pitch class, 0..6
    c_note(x) = 12 / (12 + d)      d = semitones to the pitch, where an octave is named
    c_last_length(x, A) = min(1, l / A)      l = sixteenths for which the last note sounds

No notes score 0; one note is the first and the last. `tonic` is the last note without credit for coming near.
"""

import re
from dataclasses import dataclass

import numpy as np

from melodylc.data.alphabet import PITCHES, STEPS
from melodylc.data.arrays import Events, Mask
from melodylc.data.errors import InputError
from melodylc.data.keys import pitch_class
from melodylc.data.melody import pitch_name
from melodylc.rewards.ambitus import Register
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.features import (
    Counts,
    EventsReward,
    begins,
    check_number,
    durations,
    note_counts,
    partial_credit,
    plural,
)
from melodylc.rewards.pitch import PitchClasses, Tonic

_NAME = re.compile(r"([A-Ga-g])([#b]?)(-1|[0-9])?")
_NUMBER = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class _Note(EventsReward):
    """How near a note comes to `pitch`, a name such as "Eb" (any octave), "Eb4", or a MIDI number."""

    pitch: str

    def __post_init__(self) -> None:
        super().__post_init__()
        target, any_octave = _parse(self.pitch)
        name = pitch_name(target)
        object.__setattr__(self, "pitch", re.sub("-?[0-9]+$", "", name) if any_octave else name)

    @property
    def pitches(self) -> frozenset[int]:
        """The MIDI pitches that satisfy."""
        target, any_octave = _parse(self.pitch)
        return frozenset(range(target % 12, PITCHES, 12)) if any_octave else frozenset((target,))

    def clash(self, other: Reward) -> str | None:
        """Two first notes, two last ones, or one that no note of the melody may be."""
        if isinstance(other, type(self)) and not self.pitches & other.pitches:
            return f"no melody has {self.name} and {other.name} at once"
        held = _allowed_of_all(other)
        return None if held is None or self.pitches & held else f"no note is in {self.name} and {other.name} at once"

    def _nearness(self, pitches: Counts, there: Mask) -> Scores:
        target, any_octave = _parse(self.pitch)
        away = np.abs(pitches - target)
        if any_octave:
            away = np.minimum(away % 12, -away % 12)
        credit = 1 - away / 6 if any_octave else 12 / (12 + away)
        return partial_credit((away == 0) & there, credit * there)


@dataclass(frozen=True)
class FirstNote(_Note):
    """How near the first note comes to `pitch`; see `first_note`."""

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"the first note is {self.pitch}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"begins on {self.pitch}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        return self._nearness(*_first(events))


@dataclass(frozen=True)
class LastNote(_Note):
    """How near the last note comes to `pitch`; see `last_note`."""

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"the last note is {self.pitch}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"ends on {self.pitch}"

    def clash(self, other: Reward) -> str | None:
        """Another last note, too, where that is a tonic."""
        apart = isinstance(other, Tonic) and not any(pitch % 12 == other.pitch_class for pitch in self.pitches)
        return f"no melody ends on {self.name} and on {other.name}" if apart else super().clash(other)

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        return self._nearness(*_first(events[:, ::-1]))


@dataclass(frozen=True)
class LastLength(EventsReward):
    """How near the length of the last note comes to `least`; see `last_length`."""

    least: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("least", self.least, 1, STEPS)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"the last note sounds for at least {plural(self.least, 'sixteenth')}"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        last = STEPS - 1 - begins(events)[:, ::-1].argmax(axis=1)
        lengths = np.take_along_axis(durations(events), last[:, None], axis=1)[:, 0]  # 0 where there is no note
        return partial_credit(lengths >= self.least, lengths / self.least)


def _first(events: Events) -> tuple[Counts, Mask]:
    """The pitch of the first note, and whether there is one; shapes (n,)."""
    notes = begins(events)
    pitches = np.take_along_axis(events, notes.argmax(axis=1)[:, None], axis=1)[:, 0]
    return pitches.astype(np.int64), note_counts(events) > 0


def _allowed_of_all(reward: Reward) -> frozenset[int] | None:
    """The MIDI pitches that a reward allows for every note, or None where it asks something else."""
    match reward:
        case PitchClasses():
            return frozenset(pitch for pitch in range(PITCHES) if pitch % 12 in reward.classes)
        case Register():
            return frozenset(range(reward.lowest, reward.highest + 1))
    return None


def _parse(text: str) -> tuple[int, bool]:
    """A pitch, 0..127, and whether any octave of it will do."""
    if _NUMBER.fullmatch(text.strip()) and int(text) < PITCHES:
        return int(text), False
    match = _NAME.fullmatch(text.strip())
    if match is None:
        raise InputError(f"a note is a name (C, F#, Eb), a name with its octave (C4) or 0..127, not {text[:40]!r}")
    letter, sign, octave = match[1].upper(), match[2], match[3]
    if octave is None:
        return pitch_class(letter + sign), True
    # From the letter, not the class: Cb4 lies below C4.
    pitch = 12 * (int(octave) + 1) + pitch_class(letter) + {"": 0, "#": 1, "b": -1}[sign]
    check_number(f"the MIDI pitch of {text.strip()}", pitch, 0, PITCHES - 1)
    return pitch, False


def first_note(pitch: str = "C") -> FirstNote:
    """How near the first note comes to a pitch, in [0, 1]; 0 for no notes.

    1 - d / 6 for a name, 12 / (12 + d) for a name with its octave, where it is d semitones away.

    Args:
        pitch: a name such as C, F# or Eb, which any octave satisfies; with its octave, C4; or a MIDI number, 60.

    Raises:
        InputError: no such note.

    >>> from melodylc.data import Melody
    >>> tune = Melody.from_notes([(64, 0, 4), (60, 4, 8)])
    >>> first_note("E")(tune), first_note("G")(tune), first_note("E5")(tune)
    (1.0, 0.5, 0.5)
    """
    return FirstNote(pitch)


def last_note(pitch: str = "C") -> LastNote:
    """How near the last note that begins comes to a pitch, in [0, 1]; as `first_note`.

    Args:
        pitch: a name such as C, F# or Eb, which any octave satisfies; with its octave, C4; or a MIDI number, 60.

    Raises:
        InputError: no such note.

    >>> from melodylc.data import Melody
    >>> tune = Melody.from_notes([(64, 0, 4), (60, 4, 8)])
    >>> last_note("C")(tune), last_note("60").name
    (1.0, 'last_note(pitch=C4)')
    """
    return LastNote(pitch)


def last_length(least: int = 12) -> LastLength:
    """min(1, l / least), in [0, 1], for a last note of l sixteenths; 0 for no notes.

    Args:
        least: sixteenths of the shortest last note that satisfies, 1..256.

    Raises:
        InputError: `least` out of range.

    >>> from melodylc.data import Melody
    >>> last_length(8)(Melody.from_notes([(64, 0, 32), (60, 32, 36)]))
    0.5
    """
    return LastLength(least)
