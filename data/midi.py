"""Melodies as MIDI files, and back.

`midi_bytes` writes a loop that starts and ends on the bar in any DAW: type 1, 480 ticks a quarter, so
120 a sixteenth and 1,920 a bar, in two tracks that both end at tick 30,720 exactly:

| track     | what it holds                                            |
|-----------|----------------------------------------------------------|
| conductor | tempo, 4/4, and the key signature where a scale gives one |
| melody    | its name, and the notes, on channel 1                    |

Other settings are those of `melodylc.data.formats.midi_file`. The same melody and options give the same bytes, always.
`read_midi` gives the melody back, event for event, and takes any other file of sixteen bars, one voice, on sixteenths.
It changes nothing; `melodylc.data.source.extract_melody` takes any file, and makes such a melody of a part of it.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.errors import InputError, MidiError
from melodylc.data.files import atomic_write
from melodylc.data.formats.midi_file import QUARTERS_PER_BAR, Voice, midi_file
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.scores import Score
from melodylc.data.smf import read_content, read_score
from melodylc.data.writing import Writing

TICKS_PER_QUARTER = Writing().ppq
TICKS_PER_STEP = TICKS_PER_QUARTER // 4
END_TICK = STEPS * TICKS_PER_STEP
VELOCITY = Writing().velocity


class TickNote(NamedTuple):
    """A note as files have it: MIDI pitch, and the ticks at which it begins and ends."""

    pitch: int
    start: int
    end: int


class MeterChange(NamedTuple):
    """A time signature, and the tick from which it holds."""

    numerator: int
    denominator: int
    tick: int


def midi_bytes(melody: Melody, *, tempo: float = 120.0, scale: Scale | None = None, name: str = "melodylc") -> bytes:
    """The MIDI file of a melody.

    Args:
        melody: what to write.
        tempo: quarters a minute, 4 to 1,000.
        scale: gives the key signature; None, or a scale that has none (`Scale.key_signature`), writes none.
        name: the melody track's name, in UTF-8.

    Raises:
        InputError: a tempo out of range, or a name that isn't text.

    >>> melody = Melody.from_notes([(60, 0, 4), (64, 4, 8)])
    >>> read_midi(midi_bytes(melody)) == melody
    True
    """
    return midi_file([Voice(name, melody)], Writing(tempo=tempo), scale)


def write_midi(
    path: str | os.PathLike[str],
    melody: Melody,
    *,
    tempo: float = 120.0,
    scale: Scale | None = None,
    name: str = "melodylc",
) -> None:
    """Write `midi_bytes` to `path`: as a whole or not at all.

    Raises:
        InputError: as `midi_bytes` and `atomic_write`.
    """
    content = midi_bytes(melody, tempo=tempo, scale=scale, name=name)
    with atomic_write(path) as file:
        file.write(content)


def read_midi(source: str | os.PathLike[str] | bytes) -> Melody:
    """The melody of a MIDI file that is one: sixteen bars in 4/4 (or 2/2), one voice, on sixteenths.

    Files are read as `extract_melody` reads them, and nothing is chosen, moved or left out. Bars are counted in ticks
    from the start of the file; tempo, velocity, program and the end of the tracks don't matter. What is silent at the
    end, or missing there, is rests.

    Args:
        source: a path, or the content of a file.

    Raises:
        MidiError: the file can't be read, isn't MIDI, is broken, or isn't such a melody, with the
            reason: another meter, an upbeat, drums, two notes at once, a note between sixteenths, without an
            end or after bar 16, or no notes in a file of another length. Where `extract_melody` would
            read it, the message says so.

    >>> read_midi(b"MThd")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: the given bytes: not a MIDI file: its header breaks off
    """
    label = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    try:
        score = read_score(source if isinstance(source, bytes) else read_content(Path(source)))
    except InputError as error:
        raise MidiError(f"{label}: {error}") from error
    try:
        return _melody(score)
    except InputError as error:
        more = (
            "; extract_melody takes a melody out of such a file"
            if any(len(part.starts) for part in score.parts)
            else ""
        )
        raise MidiError(f"{label}: {error}{more}") from error


def from_ticks(notes: Iterable[TickNote], meters: Iterable[MeterChange], ticks_per_quarter: int) -> Melody:
    """The melody of notes that stand in ticks, if they are one.

    Args:
        notes: in any order.
        meters: the time signatures; none means 4/4. Those after bar 16 don't matter.
        ticks_per_quarter: the file's resolution.

    Raises:
        InputError: the reason why these notes aren't sixteen bars of one voice on sixteenths.

    >>> from_ticks([TickNote(60, 0, 96), TickNote(62, 96, 120)], [], 96).notes
    (Note(pitch=60, start=0, end=4), Note(pitch=62, start=4, end=5))
    """
    if ticks_per_quarter <= 0:
        raise InputError("its time isn't counted in ticks a quarter, so it has no bars")
    for meter in meters:
        _check_meter(meter, ticks_per_quarter)
    return Melody.from_notes(
        (note.pitch, _step(note, note.start, ticks_per_quarter), _step(note, note.end, ticks_per_quarter))
        for note in notes
    )


def _melody(score: Score) -> Melody:
    if score.repairs:
        raise InputError(f"not a melody as it is: {score.repairs[0]}")
    if score.tracks > len(score.parts):
        raise InputError("it has drums (notes on channel 10); a melody is one voice without them")
    if not score.note_ons and score.length != BARS * QUARTERS_PER_BAR * score.division:
        raise InputError("it holds no notes")
    columns = ((part.pitches.tolist(), part.starts.tolist(), part.ends.tolist()) for part in score.parts)
    notes = [TickNote(*row) for rows in columns for row in zip(*rows, strict=True)]
    meters = [MeterChange(over, under, tick) for tick, over, under in score.signatures]
    return from_ticks(notes, meters, score.division)


def _check_meter(meter: MeterChange, ticks_per_quarter: int) -> None:
    bar = QUARTERS_PER_BAR * ticks_per_quarter
    if meter.tick >= BARS * bar:
        return
    where = f"at bar {meter.tick // bar + 1}"
    if (meter.numerator, meter.denominator) not in ((4, 4), (2, 2)):
        raise InputError(f"{meter.numerator}/{meter.denominator} {where}; a melody is in 4/4 or 2/2")
    if meter.tick % bar:
        raise InputError(f"a time signature within a bar, {where}; bars then no longer count from the start")


def _step(note: TickNote, tick: int, ticks_per_quarter: int) -> int:
    """The sixteenth on which `tick` falls exactly, 0..256."""
    step, rest = divmod(4 * tick, ticks_per_quarter)
    if not 0 <= tick <= BARS * QUARTERS_PER_BAR * ticks_per_quarter:
        raise InputError(f"the note of pitch {note.pitch} lies outside the first {BARS} bars")
    if rest:
        bar, within = divmod(tick, QUARTERS_PER_BAR * ticks_per_quarter)
        raise InputError(
            f"the note of pitch {note.pitch} at bar {bar + 1}, tick {within}, isn't on a sixteenth "
            f"({ticks_per_quarter / 4:g} ticks); quantise it first"
        )
    return step
