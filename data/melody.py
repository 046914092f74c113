"""A melody: sixteen bars, one voice, as a value.

Two views of the same thing, and a bijection between them:

- `Melody.events`: 256 events of the alphabet of `melodylc.data.alphabet`, in canonical form;
- `Melody.notes`: notes that don't overlap, in order, each (pitch, start, end) in sixteenths.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, PITCHES, REST, STEPS, canonical, check_events
from melodylc.data.errors import InputError


class Note(NamedTuple):
    """MIDI pitch, 0..127, and the sixteenths at which a note begins and ends, 0 <= start < end <= 256."""

    pitch: int
    start: int
    end: int


class Melody:
    """Sixteen bars of one voice: 256 events, frozen, equal and hashed by their content.

    Args:
        events: 256 integers in 0..129 in canonical form: no hold at step 0 or right after a rest.

    Raises:
        InputError: anything else, with the reason. `canonical` repairs stray holds.

    >>> melody = Melody.from_notes([Note(60, 0, 4), Note(64, 4, 6), Note(67, 8, 16)])
    >>> melody
    <Melody: 3 notes, C4 to G4>
    >>> melody.events[:9].tolist()
    [60, 128, 128, 128, 64, 128, 129, 129, 67]
    >>> melody == Melody(melody.events)
    True
    """

    __slots__ = ("_content",)

    _content: bytes

    def __init__(self, events: npt.ArrayLike) -> None:
        array = check_events(events)
        if array.ndim != 1:
            raise InputError(f"one melody is a row of {STEPS} events, not an array of shape {array.shape}")
        _, touched = canonical(array)
        if touched.any():
            step = int(touched.argmax())
            where = "at step 0" if step == 0 else f"at step {step}, after a rest,"
            raise InputError(f"the hold {where} holds nothing: a rest ({REST}) belongs there")
        object.__setattr__(self, "_content", array.tobytes())

    @classmethod
    def from_notes(cls, notes: Iterable[Note | tuple[int, int, int]]) -> Self:
        """The melody that these notes make, in any order, with rests where none sounds.

        Raises:
            InputError: a pitch outside 0..127, a note outside the 256 sixteenths or of no
                length, or two notes that overlap.

        >>> Melody.from_notes([(60, 0, 4), (62, 3, 8)])
        Traceback (most recent call last):
        melodylc.data.errors.InputError: two notes at once: pitch 62 begins at step 3, pitch 60 ends at step 4
        """
        events = np.full(STEPS, REST, dtype=np.uint8)
        previous = Note(0, 0, 0)
        for note in sorted((_note(note) for note in notes), key=lambda note: (note.start, note.end)):
            if note.start < previous.end:
                raise InputError(
                    f"two notes at once: pitch {note.pitch} begins at step {note.start}, "
                    f"pitch {previous.pitch} ends at step {previous.end}"
                )
            events[note.start : note.end] = HOLD
            events[note.start] = note.pitch
            previous = note
        return cls(events)

    @staticmethod
    def stack(melodies: "Iterable[Melody]") -> npt.NDArray[np.uint8]:
        """Many melodies as one array of events, shape (n, 256), uint8, that may be written to.

        >>> Melody.stack([Melody.from_notes([])] * 3).shape
        (3, 256)
        """
        return np.array([melody.events for melody in melodies], dtype=np.uint8).reshape(-1, STEPS)

    @classmethod
    def unstack(cls, events: npt.ArrayLike) -> list[Self]:
        """The melodies of an array of events, shape (n, 256); the inverse of `stack`.

        Raises:
            InputError: as `Melody`, naming the row.
        """
        array = check_events(events)
        if array.ndim != 2:
            raise InputError(f"many melodies are an array of shape (n, {STEPS}), not {array.shape}")
        _, touched = canonical(array)  # of all at once: one by one it takes most of a rule's time
        if touched.any():
            index = int(touched.any(axis=1).argmax())
            try:
                cls(array[index])
            except InputError as error:
                raise InputError(f"melody {index}: {error}") from error
        melodies = [cls.__new__(cls) for _ in array]
        for melody, row in zip(melodies, array, strict=True):
            object.__setattr__(melody, "_content", row.tobytes())
        return melodies

    @property
    def events(self) -> npt.NDArray[np.uint8]:
        """The 256 events, shape (256,), uint8, read-only."""
        return np.frombuffer(self._content, dtype=np.uint8)

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes in order of time."""
        rows = zip(self.pitches.tolist(), self.onsets.tolist(), self._ends.tolist(), strict=True)
        return tuple(Note(*row) for row in rows)

    @property
    def onsets(self) -> npt.NDArray[np.int64]:
        """The step at which each note begins, 0..255, shape (notes,)."""
        return np.flatnonzero(self.events < PITCHES).astype(np.int64)

    @property
    def pitches(self) -> npt.NDArray[np.int64]:
        """The MIDI pitch of each note, 0..127, shape (notes,)."""
        events = self.events
        return events[events < PITCHES].astype(np.int64)

    @property
    def durations(self) -> npt.NDArray[np.int64]:
        """The length of each note in sixteenths, 1..256, shape (notes,)."""
        return self._ends - self.onsets

    @property
    def intervals(self) -> npt.NDArray[np.int64]:
        """The step in semitones from each note to the next, -127..127, shape (max(notes - 1, 0),)."""
        return np.diff(self.pitches)

    @property
    def note_count(self) -> int:
        """How many notes begin, 0..256."""
        return int((self.events < PITCHES).sum())

    @property
    def _ends(self) -> npt.NDArray[np.int64]:
        # A note ends at the first step from the next one on that isn't a hold, or with the melody.
        breaks = np.append(np.flatnonzero(self.events != HOLD), STEPS)
        return breaks[np.searchsorted(breaks, self.onsets) + 1].astype(np.int64)

    def transposed(self, semitones: int) -> Self:
        """The same melody, every pitch higher by `semitones` (lower, where negative).

        Raises:
            InputError: a note would leave 0..127.

        >>> Melody.from_notes([(60, 0, 4)]).transposed(-12).notes
        (Note(pitch=48, start=0, end=4),)
        """
        events = self.events.astype(np.int64)
        moved = np.where(events < PITCHES, events + semitones, events)
        outside = (events < PITCHES) & ((moved < 0) | (moved >= PITCHES))
        if outside.any():
            pitch = int(events[outside.argmax()])
            raise InputError(f"pitch {pitch} moved by {semitones:+d} semitones leaves 0..{PITCHES - 1}")
        return type(self)(moved)

    def __eq__(self, other: object) -> bool:
        return self._content == other._content if isinstance(other, Melody) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._content)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a melody is frozen: {name!r} can't be set; make a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a melody is frozen: {name!r} can't be deleted")

    def __reduce__(self) -> tuple[type[Self], tuple[npt.NDArray[np.uint8]]]:
        return type(self), (self.events,)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """A piano roll and a player, for a notebook."""
        from melodylc.data.formats.notebook import melodies_html

        return {"text/plain": repr(self), "text/html": melodies_html([("", self)])}

    def __repr__(self) -> str:
        pitches = self.pitches
        if not pitches.size:
            return "<Melody: no notes>"
        lowest, highest = pitch_name(int(pitches.min())), pitch_name(int(pitches.max()))
        return f"<Melody: {pitches.size} note{'s' * (pitches.size > 1)}, {lowest} to {highest}>"


def pitch_name(pitch: int) -> str:
    """A MIDI pitch in words, where 60 is C4.

    >>> pitch_name(60), pitch_name(70), pitch_name(0)
    ('C4', 'A#4', 'C-1')
    """
    names = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
    return f"{names[pitch % 12]}{pitch // 12 - 1}"


def _note(values: Sequence[int]) -> Note:
    """`values` as a note that lies within the melody, else InputError."""
    try:
        note = Note(*(value.__index__() for value in values))
    except (TypeError, AttributeError) as error:
        raise InputError(f"a note is three integers (pitch, start, end), not {values!r}") from error
    if not 0 <= note.pitch < PITCHES:
        raise InputError(f"pitch {note.pitch} is outside 0..{PITCHES - 1}")
    if not 0 <= note.start < note.end <= STEPS:
        raise InputError(
            f"the note of pitch {note.pitch} from step {note.start} to {note.end} doesn't fit: "
            f"a note begins before it ends, within 0..{STEPS}"
        )
    return note
