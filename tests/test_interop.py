"""Melodies as objects of pretty_midi and note_seq, and note_seq as an oracle for our files."""

import io
import warnings
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data import interop
from melodylc.data.alphabet import HOLD, REST, STEPS, canonical
from melodylc.data.errors import InputError
from melodylc.data.interop import from_note_sequence, from_pretty_midi, to_note_sequence, to_pretty_midi
from melodylc.data.keys import parse_scale
from melodylc.data.melody import Melody, Note
from melodylc.data.midi import midi_bytes, read_midi, write_midi


def melody_of(content: bytes) -> Melody:
    """A melody from 256 bytes: bytes that are no event become holds or rests, in canonical form."""
    events = np.frombuffer(content, dtype=np.uint8)
    return Melody(canonical(np.where(events < 130, events, HOLD + events % 2))[0])


MELODIES = st.binary(min_size=STEPS, max_size=STEPS).map(melody_of)
TUNE = Melody.from_notes([(60, 0, 4), (64, 4, 8), (67, 16, 17), (72, 200, 250)])
EDGES = {
    "silence": Melody.from_notes([]),
    "tune": TUNE,
    "one long note": Melody.from_notes([(60, 0, STEPS)]),
    "256 notes": Melody.from_notes([(step % 128, step, step + 1) for step in range(STEPS)]),
}
TEMPOS = [4, 61.7, 120, 133.33333333, 999]


@pytest.fixture(scope="module")
def note_seq() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip("note_seq")
        return module


def written(midi: pretty_midi.PrettyMIDI) -> bytes:
    file = io.BytesIO()
    midi.write(file)
    return file.getvalue()


# ----------------------------------------------------------------------------------- pretty_midi


@pytest.mark.parametrize("tempo", TEMPOS)
@pytest.mark.parametrize("melody", EDGES.values(), ids=EDGES)
def test_pretty_midi_there_and_back(melody: Melody, tempo: float) -> None:
    assert from_pretty_midi(to_pretty_midi(melody, tempo=tempo)) == melody


@settings(deadline=None, max_examples=15)
@given(MELODIES)
def test_pretty_midi_keeps_every_melody(melody: Melody) -> None:
    midi = to_pretty_midi(melody, tempo=97.3)
    assert from_pretty_midi(midi) == melody


def test_pretty_midi_holds_what_was_asked_for() -> None:
    midi = to_pretty_midi(TUNE, tempo=60, scale=parse_scale("f#m"), name="lead")
    assert midi.resolution == 480
    assert midi.get_tempo_changes()[1].tolist() == [60.0]
    assert [str(change) for change in midi.time_signature_changes] == ["4/4 at 0.00 seconds"]
    assert [change.key_number for change in midi.key_signature_changes] == [18]  # 12 + 6: F# minor
    (instrument,) = midi.instruments
    assert (instrument.name, instrument.is_drum) == ("lead", False)
    assert [(note.pitch, note.start, note.end) for note in instrument.notes[:2]] == [(60, 0, 1), (64, 1, 2)]


def test_pretty_midi_and_our_files_agree(tmp_path: Path) -> None:
    for index, melody in enumerate(EDGES.values()):
        path = tmp_path / f"{index}.mid"
        write_midi(path, melody, tempo=87.5, scale=parse_scale("bbmaj"))
        assert from_pretty_midi(pretty_midi.PrettyMIDI(str(path))) == melody
    assert read_midi(written(to_pretty_midi(TUNE))) == TUNE


def test_tempo_changes_move_seconds_and_not_ticks() -> None:
    midi = pretty_midi.PrettyMIDI(io.BytesIO(midi_bytes(TUNE)))
    midi._tick_scales = [(0, 60 / (120 * 480)), (500, 60 / (77 * 480)), (3001, 60 / (311 * 480))]
    midi._update_tick_to_time(30720)
    instrument = pretty_midi.Instrument(0)
    for pitch, start, end in TUNE.notes:
        seconds = midi.tick_to_time(start * 120), midi.tick_to_time(end * 120)
        instrument.notes.append(pretty_midi.Note(100, pitch, *seconds))
    midi.instruments = [instrument]
    assert from_pretty_midi(midi) == TUNE


def pretty(*notes: tuple[int, float, float], drums: bool = False, **options: Any) -> pretty_midi.PrettyMIDI:
    midi = pretty_midi.PrettyMIDI(**options)
    instrument = pretty_midi.Instrument(0, is_drum=drums)
    instrument.notes = [pretty_midi.Note(100, pitch, start, end) for pitch, start, end in notes]
    midi.instruments.append(instrument)
    return midi


def test_defaults_of_pretty_midi_are_read() -> None:
    # 220 ticks a quarter, 120 quarters a minute: a sixteenth is an eighth of a second.
    assert from_pretty_midi(pretty((60, 0.0, 0.125), (62, 0.125, 0.5))).notes == (Note(60, 0, 1), Note(62, 1, 4))


@pytest.mark.parametrize(
    ("midi", "why"),
    [
        (pretty((60, 0, 1), (64, 0, 1)), "two notes at once"),
        (pretty((60, 0.01, 1)), "0.01 seconds lies between ticks"),
        (pretty((60, 0, 0.125), resolution=2), "0.125 seconds lies between ticks"),
        (pretty((60, 0.1, 1)), r"bar 1, tick 44, isn't on a sixteenth \(55 ticks\)"),
        (pretty((60, 31.5, 32.5)), "outside the first 16 bars"),
        (pretty((60, 1e9, 1e12)), "outside the first 16 bars"),
        (pretty((60, float("nan"), 1)), "nan seconds"),
        (pretty((60, 0, float("inf"))), "inf seconds"),
        (pretty((60, -1, 1)), "-1 seconds"),
        (pretty((200, 0, 1)), "pitch 200"),
        (pretty((36, 0, 1), drums=True), "drums"),
    ],
)
def test_what_pretty_midi_holds_beyond_melodies_is_refused(midi: pretty_midi.PrettyMIDI, why: str) -> None:
    with pytest.raises(InputError, match=why):
        from_pretty_midi(midi)


def test_another_meter_in_pretty_midi_is_refused() -> None:
    midi = to_pretty_midi(TUNE)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(3, 4, 4.0))
    with pytest.raises(InputError, match="3/4 at bar 3"):
        from_pretty_midi(midi)


# ----------------------------------------------------------------- NoteSequence, without note_seq


def sequence(*notes: tuple[int, float, float], **fields: Any) -> Any:
    """What `from_note_sequence` reads of a NoteSequence."""
    defaults = {"ticks_per_quarter": 0, "tempos": [], "time_signatures": []}
    built = [SimpleNamespace(pitch=p, start_time=s, end_time=e, is_drum=False) for p, s, e in notes]
    return SimpleNamespace(notes=built, **{**defaults, **fields})


def tempos(*changes: tuple[float, float]) -> list[Any]:
    return [SimpleNamespace(time=time, qpm=qpm) for time, qpm in changes]


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ([], 0.5),  # a quarter at the default of 120
        ([(0, 60)], 1.0),
        ([(0, 60), (0.5, 120)], 0.75),  # half of it at 60, half at 120
        ([(0.5, 120), (0, 60)], 0.75),  # in any order
        ([(0.25, 60)], 0.75),  # 120 before the first change
        ([(10, 60)], 0.5),
    ],
)
def test_seconds_through_the_tempo_map(changes: list[tuple[float, float]], end: float) -> None:
    melody = from_note_sequence(sequence((60, 0.0, end), tempos=tempos(*changes)))
    assert melody.notes == (Note(60, 0, 4),)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"tempos": tempos((0, 0))}, "a tempo of 0 quarters a minute"),
        ({"tempos": tempos((0, float("nan")))}, "a tempo of nan"),
        ({"tempos": tempos((-1, 60))}, "-1 seconds"),
        ({"time_signatures": [SimpleNamespace(time=0, numerator=6, denominator=8)]}, "6/8 at bar 1"),
        ({"tempos": tempos((0, 119))}, "between ticks"),
    ],
)
def test_what_a_note_sequence_holds_beyond_melodies_is_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        from_note_sequence(sequence((60, 0.0, 0.5), **fields))


def test_drums_in_a_note_sequence_are_refused() -> None:
    drum = sequence((36, 0.0, 0.5))
    drum.notes[0].is_drum = True
    with pytest.raises(InputError, match="drums"):
        from_note_sequence(drum)


def test_without_note_seq_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> ModuleType:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(interop, "import_module", missing)
    with pytest.raises(InputError, match=r"pip install -e '\.\[note-seq\]'"):
        to_note_sequence(TUNE)


# ------------------------------------------------------------------------ note_seq as the oracle


@pytest.mark.parametrize("tempo", TEMPOS)
@pytest.mark.parametrize("melody", EDGES.values(), ids=EDGES)
def test_note_sequence_there_and_back(note_seq: ModuleType, melody: Melody, tempo: float) -> None:
    built = to_note_sequence(melody, tempo=tempo, scale=parse_scale("c#m"), name="lead")
    assert from_note_sequence(built) == melody
    assert built.total_time == pytest.approx(STEPS * 15 / tempo)
    assert (built.key_signatures[0].key, built.key_signatures[0].mode) == (1, built.KeySignature.MINOR)
    assert built.instrument_infos[0].name == "lead"


@pytest.mark.parametrize("scale", ["d dorian", "f# phrygian", "c harmonic minor", "c whole tone", "0,2,4"])
def test_note_seq_finds_the_key_of_every_mode_as_we_say_it(note_seq: ModuleType, scale: str) -> None:
    theirs = note_seq.midi_to_note_sequence(midi_bytes(TUNE, scale=parse_scale(scale))).key_signatures
    ours = to_note_sequence(TUNE, scale=parse_scale(scale)).key_signatures
    assert [(key.key, key.mode) for key in ours] == [(key.key, key.mode) for key in theirs]


@pytest.mark.parametrize("melody", EDGES.values(), ids=EDGES)
def test_note_seq_reads_our_files_as_we_do(note_seq: ModuleType, melody: Melody) -> None:
    ours = midi_bytes(melody, tempo=101.3, scale=parse_scale("eb"))
    theirs = note_seq.midi_to_note_sequence(ours)
    assert from_note_sequence(theirs) == melody
    assert theirs.ticks_per_quarter == 480
    assert [(meter.numerator, meter.denominator) for meter in theirs.time_signatures] == [(4, 4)]
    assert [key.key for key in theirs.key_signatures] == [3]


@pytest.mark.parametrize("name", ["tune", "one long note", "256 notes"])  # it keeps no length: none of silence
def test_we_read_note_seqs_files_as_it_does(note_seq: ModuleType, name: str) -> None:
    theirs = note_seq.note_sequence_to_pretty_midi(to_note_sequence(EDGES[name]))
    assert read_midi(written(theirs)) == EDGES[name]


def magenta_events(note_seq: ModuleType, melody: Melody) -> list[int]:
    """The melody's events as note_seq's own `Melody` extracts them: -2 holds, -1 ends a note."""
    quantized = note_seq.quantize_note_sequence(to_note_sequence(melody), steps_per_quarter=4)
    theirs = note_seq.Melody()
    theirs.from_quantized_sequence(quantized, gap_bars=100, pad_end=True)
    return list(theirs)


@pytest.mark.parametrize("name", ["tune", "256 notes"])
def test_events_are_those_of_note_seqs_own_melody(note_seq: ModuleType, name: str) -> None:
    melody = EDGES[name]
    # There -2 stands for "nothing new", in a note as in silence, and -1 for the note's end alone.
    state, expected = REST, []
    for event in magenta_events(note_seq, melody):
        state = event if event >= 0 else REST if event == -1 else state if state == REST else HOLD
        expected.append(state)
    assert np.array_equal(melody.events[: len(expected)], expected)
    assert (melody.events[len(expected) :] == REST).all()
