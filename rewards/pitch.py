"""Rewards on pitch. A pitch class is a MIDI pitch modulo 12, C = 0.

    c_pitch(x, P) = (notes of x whose pitch class is in P) / (notes of x)      (Latent Constraints, section 6)
    c_tonic(x, t) = 1 if the last note's pitch class is t, else 0

A melody without notes scores 0 on both.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from melodylc.data.alphabet import PITCHES, STATES
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.keys import parse_scale
from melodylc.data.melody import Melody, pitch_name
from melodylc.rewards.base import Reward, Scores
from melodylc.rewards.features import EventsReward
from melodylc.rewards.parameters import Parameters


@dataclass(frozen=True)
class PitchClasses(Reward):
    """The share of notes whose pitch class is among `classes`; see `pitch_classes`."""

    classes: frozenset[int]
    scale: str = field(default="", compare=False)  #: the name of a scale that has them, for people's eyes alone

    def __post_init__(self) -> None:
        if not self.classes or not self.classes <= set(range(12)):
            got = ", ".join(map(str, sorted(self.classes))) or "none"
            raise InputError(f"pitch classes are one or more of 0..11 (C = 0), not {got}")

    @property
    def name(self) -> str:
        """Such as "pitch_classes(0,2,4,5,7,9,11)"."""
        return f"pitch_classes({','.join(map(str, sorted(self.classes)))})"

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        if self.scale:
            return f"every note is in {self.scale}"
        return f"every note is one of {self._names}" if len(self.classes) > 1 else f"every note is {self._names}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"in {self.scale}" if self.scale else f"only {self._names}"

    @property
    def _names(self) -> str:
        return ", ".join(class_name(pitch_class) for pitch_class in sorted(self.classes))

    def clash(self, other: Reward) -> str | None:
        """Two sets without a common pitch class, or a last note outside the set."""
        apart = isinstance(other, PitchClasses) and not self.classes & other.classes
        outside = isinstance(other, Tonic) and other.pitch_class not in self.classes
        return f"no note is in {self.name} and {other.name} at once" if apart or outside else None

    def __call__(self, melody: Melody) -> float:
        """Notes inside over notes; 0 for a melody without notes."""
        inside = sum(int(pitch) % 12 in self.classes for pitch in melody.pitches)
        return inside / max(melody.note_count, 1)

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        notes = events < PITCHES
        allowed = np.isin(np.arange(STATES) % 12, sorted(self.classes))
        inside = notes & allowed[events]
        share: Scores = inside.sum(axis=1) / np.maximum(notes.sum(axis=1), 1)
        return share


@dataclass(frozen=True)
class Tonic(EventsReward):
    """Whether the last note is of `pitch_class`; see `tonic`."""

    pitch_class: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pitch_class not in range(12):
            raise InputError(f"a tonic is a pitch class in 0..11 (C = 0), not {self.pitch_class}")

    @property
    def name(self) -> str:
        """Such as "tonic(9)"."""
        return f"tonic({self.pitch_class})"

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        return f"the last note is {class_name(self.pitch_class)}"

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return f"ends on {class_name(self.pitch_class)}"

    def clash(self, other: Reward) -> str | None:
        """Two last notes."""
        apart = isinstance(other, Tonic) and other != self
        return f"no melody ends on {self.name} and on {other.name}" if apart else None

    def __call__(self, melody: Melody) -> float:
        """1 or 0; 0 for a melody without notes."""
        pitches = melody.pitches
        return float(pitches.size > 0 and pitches[-1] % 12 == self.pitch_class)

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        backwards = events[:, ::-1]
        notes = backwards < PITCHES
        last = np.take_along_axis(backwards, notes.argmax(axis=1)[:, None], axis=1)[:, 0]
        home: Scores = (notes.any(axis=1) & (last % 12 == self.pitch_class)).astype(np.float64)
        return home


def class_name(pitch_class: int) -> str:
    """A pitch class in words: C for 0."""
    return pitch_name(60 + pitch_class)[:-1]


def pitch_classes(classes: Iterable[int]) -> PitchClasses:
    """The share of a melody's notes whose pitch class is in `classes`, in [0, 1]; 0 for no notes.

    By chance about len(classes) / 12.

    Raises:
        InputError: no class, or one outside 0..11.

    >>> in_c = pitch_classes([0, 2, 4, 5, 7, 9, 11])
    >>> in_c(Melody.from_notes([(60, 0, 4), (61, 4, 8), (62, 8, 12), (64, 12, 16)]))
    0.75
    """
    return PitchClasses(frozenset(Parameters.of(pitch_classes).fill({"classes": classes})["classes"]))


def in_scale(scale: str = "cmaj") -> PitchClasses:
    """The share of a melody's notes that are in a scale, as `pitch_classes`.

    MuSpy's pitch_in_scale_rate, for more than major and minor.

    Args:
        scale: as `parse_scale` takes it: cmaj, "d dorian", 0+2+4+7+9.

    Raises:
        InputError: no such scale.

    >>> in_scale("a harmonic minor").name
    'pitch_classes(0,2,4,5,8,9,11)'
    """
    found = parse_scale(Parameters.of(in_scale).fill({"scale": scale})["scale"])
    return PitchClasses(found.pitch_classes, found.name)


def tonic(pitch_class: int) -> Tonic:
    """1 if the last note that begins is of `pitch_class` (0..11), else 0; 0 for no notes.

    Raises:
        InputError: a pitch class outside 0..11.

    >>> tonic(0)(Melody.from_notes([(60, 0, 4), (67, 4, 8)]))
    0.0
    """
    return Tonic(pitch_class)
