"""A motif: a few notes that a melody takes up again.

A motif of m notes begins at step s of a melody, moved by t semitones, where each of its notes begins at its own
distance from s with its own pitch plus t, and no other note begins in between. How long the last one sounds is free.

    a(s) = max over t of (notes of the motif that begin there so) / (m + other notes that begin in between)
    c_motif(x) = mean of a over the best n places that don't overlap, the best first
    c_motif(x) = mean over the bars that are named of the best a(s), s in the bar        where bars are named

t is 0 unless the motif may be transposed; then it is that of the first note. So it is 1 exactly where the motif occurs
n times, or in each of these bars. No notes score 0. Exact occurrences of pitch and onset, up to transposition, are what
pattern discovery calls translational equivalence (Meredith, Lemstroem and Wiggins 2002, "Algorithms for discovering
repeated patterns in multidimensional representations of polyphonic music").
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from melodylc.data.alphabet import BARS, PITCHES, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.melody import pitch_name
from melodylc.data.ranges import parse_pitch
from melodylc.rewards.base import Scores
from melodylc.rewards.features import EventsReward, begins, check_number, note_counts, partial_credit

USUAL_LENGTH = 4  #: sixteenths of a note whose length isn't typed
_NOTE = re.compile(r"(?P<pitch>[^:\s]+?)(?::(?P<length>[0-9]{1,3}))?")


class MotifNote(NamedTuple):
    """A MIDI pitch, the step of the motif at which it begins, and its length, in sixteenths."""

    pitch: int
    start: int
    length: int


@dataclass(frozen=True)
class Motif(EventsReward):
    """How often a motif occurs; see `motif`."""

    notes: str
    times: int
    transposed: bool
    bars: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        found = parse_motif(self.notes)
        object.__setattr__(self, "notes", motif_text(found))
        check_number("times", self.times, 1, STEPS)
        if strange := [bar for bar in self.bars if not 1 <= bar <= BARS]:
            raise InputError(f"bars are 1 to {BARS}, not {strange[0]}")
        last = STEPS - found[-1].start
        if last < 1 or self.times * (found[-1].start + 1) > STEPS:
            raise InputError(
                f"a melody of {BARS} bars doesn't hold {self.times} times a motif of {found[-1].start + 1} sixteenths: "
                "ask for a shorter one, or fewer times"
            )

    @property
    def motif_notes(self) -> tuple[MotifNote, ...]:
        """Its notes."""
        return parse_motif(self.notes)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English."""
        where = f"in bars {', '.join(map(str, self.bars))}" if self.bars else f"{self.times} times or more"
        return f"the motif {self.notes} begins {where}" + (", in any transposition" if self.transposed else "")

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return "motif"

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        found = self._agreement(events)
        if self.bars:
            best = found.reshape(-1, BARS, STEPS_PER_BAR).max(axis=2)[:, [bar - 1 for bar in self.bars]]
            return partial_credit((note_counts(events) > 0) & (best == 1).all(axis=1), best.mean(axis=1))
        picks, rows = np.empty((len(events), self.times)), np.arange(len(events))
        size, steps = self.motif_notes[-1].start + 1, np.arange(STEPS)
        for pick in range(self.times):
            at = found.argmax(axis=1)
            picks[:, pick] = found[rows, at]
            found = np.where(abs(steps - at[:, None]) < size, 0.0, found)
        return partial_credit((note_counts(events) > 0) & (picks == 1).all(axis=1), picks.mean(axis=1))

    def _agreement(self, events: Events) -> Scores:
        """a(s) of each step, shape (n, 256)."""
        own = self.motif_notes
        pitches = np.where(begins(events), events.astype(np.int64), -PITCHES)
        padded = np.pad(pitches, ((0, 0), (0, own[-1].start)), constant_values=-PITCHES)
        at = np.arange(STEPS)[:, None] + [note.start for note in own]
        there = padded[:, at]
        wanted = np.array([note.pitch for note in own])
        if self.transposed:
            wanted = wanted - wanted[0] + pitches[..., None]
        right = ((there == wanted) & (there >= 0) & (pitches[..., None] >= 0 if self.transposed else True)).sum(axis=2)
        notes = np.pad(np.cumsum(padded >= 0, axis=1), ((0, 0), (1, 0)))
        others = notes[:, own[-1].start + 1 :] - notes[:, :STEPS] - (there >= 0).sum(axis=2)
        agreement: Scores = right / (len(own) + others)
        return agreement


def parse_motif(text: str) -> tuple[MotifNote, ...]:
    """The motif that someone typed: notes with spaces between, each with its length in sixteenths, or r for a rest.

    Raises:
        InputError: anything else, fewer than two notes, or a rest before the first.

    >>> parse_motif("G4:2 r:2 Eb4")
    (MotifNote(pitch=67, start=0, length=2), MotifNote(pitch=63, start=4, length=4))
    """
    notes: list[MotifNote] = []
    step = 0
    for word in text.split():
        match = _NOTE.fullmatch(word)
        length = int(match["length"] or USUAL_LENGTH) if match else 0
        if not match or not 1 <= length <= STEPS:
            raise InputError(
                f"a motif is notes with their lengths in sixteenths, as in 'G4:2 G4:2 Eb4:8', not {word[:40]!r}"
            )
        if match["pitch"].lower() != "r":
            notes.append(MotifNote(parse_pitch(match["pitch"]), step, length))
        elif not notes:
            raise InputError("a motif begins with a note: leave out the rest before it")
        step += length
    if len(notes) < 2:
        raise InputError(f"a motif has two notes or more, as in 'G4:2 G4:2 Eb4:8', not {text[:40]!r}")
    return tuple(notes)


def motif_text(notes: tuple[MotifNote, ...]) -> str:
    """A motif as one types it; `parse_motif` reads it.

    >>> motif_text(parse_motif("g4:2 r:2 67"))
    'G4:2 r:2 G4:4'
    """
    words: list[str] = []
    step = notes[0].start
    for note in notes:
        words += [f"r:{note.start - step}"] if note.start > step else []
        words.append(f"{pitch_name(note.pitch)}:{note.length}")
        step = note.start + note.length
    return " ".join(words)


def motif(
    notes: str = "G4:2 G4:2 G4:2 Eb4:8", times: int = 2, transposed: bool = True, bars: tuple[int, ...] = ()
) -> Motif:
    """How nearly a motif occurs so many times, or in each of some bars, in [0, 1]; 0 for no notes.

    Args:
        notes: with spaces between, each with its length in sixteenths (4 without), r for a rest: "G4:2 r:2 Eb4:8".
        times: occurrences that satisfy, which don't overlap.
        transposed: whether the motif may be moved by any number of semitones.
        bars: in which it must begin, from 1; none: anywhere, so many times.

    Raises:
        InputError: notes that can't be read, fewer than two, or more than a melody holds.

    >>> from melodylc.data import Melody
    >>> tune = Melody.from_notes([(60, 0, 2), (64, 2, 4), (62, 32, 34), (66, 34, 40)])
    >>> motif("C4:2 E4")(tune), motif("C4:2 E4", transposed=False)(tune), motif("C4:2 E4", bars=(1, 3))(tune)
    (1.0, 0.5, 1.0)
    """
    return Motif(notes, times, transposed, bars)
