"""Melody: a value with two views, events and notes."""

import copy
import pickle

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import HOLD, REST, STEPS, canonical
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody, Note, pitch_name


def melody_of(content: bytes) -> Melody:
    """A melody from 256 bytes: bytes that are no event become holds or rests, in canonical form."""
    events = np.frombuffer(content, dtype=np.uint8)
    return Melody(canonical(np.where(events < 130, events, HOLD + events % 2))[0])


MELODIES = st.binary(min_size=STEPS, max_size=STEPS).map(melody_of)

SILENCE = Melody.from_notes([])
FULL = Melody.from_notes([(step % 128, step, step + 1) for step in range(STEPS)])
ONE_LONG = Melody.from_notes([(60, 0, STEPS)])
TUNE = Melody.from_notes([(60, 0, 4), (64, 4, 6), (67, 8, 16), (67, 16, 17), (55, 255, 256)])


def test_a_tune_step_by_step() -> None:
    head = [60, HOLD, HOLD, HOLD, 64, HOLD, REST, REST, 67, *[HOLD] * 7, 67]
    assert TUNE.events.tolist() == [*head, *[REST] * 238, 55]
    assert TUNE.pitches.tolist() == [60, 64, 67, 67, 55]
    assert TUNE.onsets.tolist() == [0, 4, 8, 16, 255]
    assert TUNE.durations.tolist() == [4, 2, 8, 1, 1]
    assert TUNE.intervals.tolist() == [4, 3, 0, -12]
    assert TUNE.note_count == 5
    assert TUNE.notes[1] == Note(pitch=64, start=4, end=6)


def test_the_edges() -> None:
    assert SILENCE.notes == ()
    assert SILENCE.intervals.tolist() == []
    assert SILENCE.events.tolist() == [REST] * STEPS
    assert FULL.note_count == STEPS
    assert FULL.durations.tolist() == [1] * STEPS
    assert ONE_LONG.notes == (Note(60, 0, STEPS),)
    assert ONE_LONG.intervals.tolist() == []


@settings(deadline=None, max_examples=60)
@given(MELODIES)
def test_events_and_notes_are_the_same_thing(melody: Melody) -> None:
    assert Melody.from_notes(melody.notes) == melody
    assert Melody.from_notes(reversed(melody.notes)) == melody
    assert melody.note_count == len(melody.notes) == len(melody.pitches)
    for note, following in zip(melody.notes, melody.notes[1:], strict=False):
        assert note.start < note.end <= following.start


@settings(deadline=None, max_examples=20)
@given(st.lists(MELODIES, max_size=4))
def test_stack_and_unstack_are_inverse(melodies: list[Melody]) -> None:
    events = Melody.stack(melodies)
    assert events.shape == (len(melodies), STEPS)
    assert events.dtype == np.uint8
    assert Melody.unstack(events) == melodies
    events[...] = 0  # a copy of its own: the melodies don't change
    assert melodies == Melody.unstack(Melody.stack(melodies))


def test_equal_by_content_and_hashable() -> None:
    same = Melody(TUNE.events.astype(np.int64))
    assert same == TUNE
    assert hash(same) == hash(TUNE)
    assert len({same, TUNE, SILENCE}) == 2
    assert TUNE != SILENCE
    assert TUNE != "TUNE"


def test_frozen() -> None:
    with pytest.raises(AttributeError, match="frozen"):
        TUNE.events = SILENCE.events  # type: ignore[misc]
    with pytest.raises(AttributeError, match="frozen"):
        del TUNE._content
    with pytest.raises(ValueError, match="read-only"):
        TUNE.events[0] = 61
    with pytest.raises(ValueError, match="WRITEABLE"):
        TUNE.events.flags.writeable = True


def test_what_it_was_made_from_can_change() -> None:
    events = TUNE.events.copy()
    melody = Melody(events)
    events[:] = REST
    assert melody == TUNE


def test_copies_and_pickles() -> None:
    assert copy.deepcopy(TUNE) == TUNE
    assert pickle.loads(pickle.dumps(TUNE)) == TUNE


def test_repr_is_short() -> None:
    assert repr(TUNE) == "<Melody: 5 notes, G3 to G4>"
    assert repr(ONE_LONG) == "<Melody: 1 note, C4 to C4>"
    assert repr(SILENCE) == "<Melody: no notes>"
    assert [pitch_name(pitch) for pitch in (0, 21, 61, 127)] == ["C-1", "A0", "C#4", "G9"]


def test_transposed() -> None:
    assert TUNE.transposed(5).pitches.tolist() == [65, 69, 72, 72, 60]
    assert TUNE.transposed(5).transposed(-5) == TUNE
    assert TUNE.transposed(0) == TUNE
    assert SILENCE.transposed(1000) == SILENCE
    assert Melody.from_notes([(127, 0, 4)]).transposed(-127).pitches.tolist() == [0]


@pytest.mark.parametrize(("semitones", "pitch"), [(61, 67), (-56, 55)])
def test_transposed_out_of_range_is_refused(semitones: int, pitch: int) -> None:
    with pytest.raises(InputError, match=rf"pitch {pitch} moved by \{semitones:+d} semitones leaves 0..127"):
        TUNE.transposed(semitones)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([HOLD] + [REST] * 255, "the hold at step 0 holds nothing"),
        ([60, REST, HOLD] + [REST] * 253, "the hold at step 2, after a rest, holds nothing"),
        ([60] * 255, "256 events"),
        ([130] * 256, "outside 0..129"),
        ([60.5] * 256, "integers"),
        ([[REST] * 256], "a row of 256 events"),
        (b"x" * 256, "a single value"),
    ],
)
def test_events_that_are_no_melody_are_refused(events: npt.ArrayLike, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Melody(events)


@pytest.mark.parametrize(
    ("notes", "reason"),
    [
        ([(60, 0, 4), (62, 3, 8)], "two notes at once: pitch 62 begins at step 3, pitch 60 ends at step 4"),
        ([(62, 3, 8), (60, 3, 8)], "two notes at once"),
        ([(128, 0, 4)], "pitch 128 is outside 0..127"),
        ([(-1, 0, 4)], "pitch -1 is outside 0..127"),
        ([(60, 4, 4)], "from step 4 to 4 doesn't fit"),
        ([(60, -1, 4)], "from step -1 to 4 doesn't fit"),
        ([(60, 250, 257)], "from step 250 to 257 doesn't fit"),
        ([(60, 0.5, 4)], "three integers"),
        ([(60, 0)], "three integers"),
        ([60], "three integers"),
    ],
)
def test_notes_that_are_no_melody_are_refused(notes: list[tuple[int, int, int]], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        Melody.from_notes(notes)


def test_numpy_integers_are_integers() -> None:
    assert Melody.from_notes([np.array([60, 0, 4])]).notes == (Note(60, 0, 4),)  # type: ignore[list-item]


def test_unstack_names_the_row() -> None:
    events = Melody.stack([TUNE, TUNE])
    events[1, 0] = HOLD
    with pytest.raises(InputError, match="melody 1: the hold at step 0"):
        Melody.unstack(events)
    with pytest.raises(InputError, match="shape"):
        Melody.unstack(events[0])


def test_a_melody_shows_itself_in_a_notebook() -> None:
    shown = Melody.from_notes([(60, 0, 4), (64, 4, 8)])._repr_mimebundle_()
    assert shown["text/plain"] == "<Melody: 2 notes, C4 to E4>"
    assert "<svg" in shown["text/html"]
    assert "<audio controls" in shown["text/html"]
