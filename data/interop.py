"""Melodies as objects of other libraries: `pretty_midi.PrettyMIDI` and note_seq's `NoteSequence`.

Both keep time in seconds. Going there, a step is 15 / tempo seconds. Coming back, seconds become ticks
through the object's own tempos and resolution,

    ticks = resolution * (quarters up to the last tempo change + seconds since then * tempo / 60),

and what lies between ticks, or isn't a melody in ticks, is refused with the reason: nothing is moved.

Neither library is imported before it is needed; note_seq is an extra, ``melodylc[note-seq]``.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.errors import InputError
from melodylc.data.formats.midi_file import QUARTERS_PER_BAR
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.midi import (
    END_TICK,
    TICKS_PER_QUARTER,
    TICKS_PER_STEP,
    VELOCITY,
    MeterChange,
    TickNote,
    from_ticks,
)
from melodylc.data.writing import check_tempo

if TYPE_CHECKING:
    import pretty_midi
    from note_seq.protobuf.music_pb2 import NoteSequence

# The part of a tick by which a time in seconds may miss it: rounding, and seconds typed with few digits.
TOLERANCE = 0.1
# What a NoteSequence means where it doesn't say, according to note_seq.constants.
NOTE_SEQUENCE_TICKS = 220
NOTE_SEQUENCE_TEMPO = 120.0


def to_pretty_midi(
    melody: Melody, *, tempo: float = 120.0, scale: Scale | None = None, name: str = "melodylc"
) -> "pretty_midi.PrettyMIDI":
    """A melody as `pretty_midi.PrettyMIDI`: one instrument, 480 ticks a quarter, 4/4.

    PrettyMIDI has no end of its own: rests after the last note aren't kept there, and are back
    after `from_pretty_midi`.

    Args:
        melody: what to convert.
        tempo: quarters a minute, 4 to 1,000.
        scale: gives the key signature, its parent's; None, or a scale that has none, sets none.
        name: the instrument's name.

    Raises:
        InputError: a tempo out of range.
    """
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=TICKS_PER_QUARTER, initial_tempo=check_tempo(tempo))
    midi.time_signature_changes.append(pretty_midi.TimeSignature(4, 4, 0.0))
    if key := scale and scale.parent:
        number = pretty_midi.key_name_to_key_number(f"{key.root} {key.mode}")
        midi.key_signature_changes.append(pretty_midi.KeySignature(number, 0.0))
    instrument = pretty_midi.Instrument(program=0, name=name)
    midi.tick_to_time(END_TICK)  # makes its table of ticks long enough, once
    seconds = [midi.tick_to_time(step * TICKS_PER_STEP) for step in range(STEPS + 1)]
    instrument.notes = [
        pretty_midi.Note(velocity=VELOCITY, pitch=pitch, start=seconds[start], end=seconds[end])
        for pitch, start, end in melody.notes
    ]
    midi.instruments.append(instrument)
    return midi


def from_pretty_midi(midi: "pretty_midi.PrettyMIDI") -> Melody:
    """The melody of a PrettyMIDI; the inverse of `to_pretty_midi`.

    Raises:
        InputError: the reason why it isn't sixteen bars of one voice on sixteenths; see `read_midi`.
    """
    notes = [
        _TimedNote(note.pitch, note.start, note.end, instrument.is_drum)
        for instrument in midi.instruments
        for note in instrument.notes
    ]
    tempos = [(float(time), float(tempo)) for time, tempo in zip(*midi.get_tempo_changes(), strict=True)]
    return _from_seconds(notes, midi.time_signature_changes, tempos, midi.resolution)


def to_note_sequence(
    melody: Melody, *, tempo: float = 120.0, scale: Scale | None = None, name: str = "melodylc"
) -> "NoteSequence":
    """A melody as note_seq's `NoteSequence`: one instrument, 480 ticks a quarter, 4/4.

    Args:
        melody: what to convert.
        tempo: quarters a minute, 4 to 1,000.
        scale: gives the key signature, its parent's; None, or a scale that has none, sets none.
        name: the instrument's name.

    Raises:
        InputError: a tempo out of range, or note_seq isn't installed.
    """
    seconds_per_step = 15 / check_tempo(tempo)
    sequence = _note_seq().NoteSequence(ticks_per_quarter=TICKS_PER_QUARTER)
    sequence.total_time = STEPS * seconds_per_step
    sequence.tempos.add(time=0, qpm=tempo)
    sequence.time_signatures.add(time=0, numerator=4, denominator=4)
    sequence.instrument_infos.add(instrument=0, name=name)
    if key := scale and scale.parent:
        modes = {"major": sequence.KeySignature.MAJOR, "minor": sequence.KeySignature.MINOR}
        sequence.key_signatures.add(time=0, key=key.tonic, mode=modes[key.mode])
    for pitch, start, end in melody.notes:
        sequence.notes.add(
            pitch=pitch,
            velocity=VELOCITY,
            start_time=start * seconds_per_step,
            end_time=end * seconds_per_step,
        )
    return sequence


def from_note_sequence(sequence: "NoteSequence") -> Melody:
    """The melody of a NoteSequence; the inverse of `to_note_sequence`. Needs no note_seq itself.

    Raises:
        InputError: the reason why it isn't sixteen bars of one voice on sixteenths; see `read_midi`.
    """
    notes = [_TimedNote(note.pitch, note.start_time, note.end_time, note.is_drum) for note in sequence.notes]
    tempos = [(tempo.time, tempo.qpm) for tempo in sequence.tempos]
    resolution = sequence.ticks_per_quarter or NOTE_SEQUENCE_TICKS
    return _from_seconds(notes, sequence.time_signatures, tempos, resolution)


class _TimedNote(NamedTuple):
    """A note in seconds."""

    pitch: int
    start: float
    end: float
    drum: bool


class _TimedMeter(Protocol):
    """A time signature in seconds, as both libraries have it."""

    numerator: int
    denominator: int
    time: float


def _from_seconds(
    notes: list[_TimedNote],
    meters: Iterable[_TimedMeter],
    tempos: list[tuple[float, float]],
    resolution: int,
) -> Melody:
    if any(note.drum for note in notes):
        raise InputError("it has drums; a melody is one voice without them")
    quarters = _tempo_map(tempos)

    def tick(seconds: float) -> int:
        exact = quarters(_checked_seconds(seconds)) * resolution
        nearest = round(exact)
        # Past the end, from_ticks has the better reason.
        if abs(exact - nearest) > TOLERANCE and exact < BARS * QUARTERS_PER_BAR * resolution:
            raise InputError(
                f"the time of {seconds:g} seconds lies between ticks ({resolution} a quarter); quantise it first"
            )
        return nearest

    return from_ticks(
        [TickNote(note.pitch, tick(note.start), tick(note.end)) for note in notes],
        [MeterChange(meter.numerator, meter.denominator, tick(meter.time)) for meter in meters],
        resolution,
    )


def _tempo_map(tempos: list[tuple[float, float]]) -> Callable[[float], float]:
    """From seconds to quarters, where each tempo (seconds, quarters a minute) holds up to the next.

    >>> quarters = _tempo_map([(0.0, 60.0), (2.0, 120.0)])
    >>> quarters(1.0), quarters(3.0)
    (1.0, 4.0)
    """
    starts, tempo, counted = [0.0], [NOTE_SEQUENCE_TEMPO], [0.0]
    for time, qpm in sorted(tempos):
        if not (math.isfinite(qpm) and qpm > 0):
            raise InputError(f"a tempo of {qpm:g} quarters a minute; it must be above 0")
        counted.append(counted[-1] + (_checked_seconds(time) - starts[-1]) * tempo[-1] / 60)
        starts.append(time)
        tempo.append(qpm)

    def quarters(seconds: float) -> float:
        index = bisect_right(starts, seconds) - 1
        return counted[index] + (seconds - starts[index]) * tempo[index] / 60

    return quarters


def _checked_seconds(seconds: float) -> float:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError(f"a time of {seconds:g} seconds; times are finite and not negative")
    return seconds


def _note_seq() -> ModuleType:
    try:
        return import_module("note_seq.protobuf.music_pb2")
    except ImportError as error:
        raise InputError("a NoteSequence needs the note-seq package: pip install -e '.[note-seq]'") from error
