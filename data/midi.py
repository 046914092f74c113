"""Melodies as MIDI files, and back.

`midi_bytes` writes a loop that starts and ends on the bar in any DAW: type 1, 480 ticks a quarter, so
120 a sixteenth and 1,920 a bar, in two tracks that both end at tick 30,720 exactly:

| track     | what it holds                                            |
|-----------|----------------------------------------------------------|
| conductor | tempo, 4/4, and the key signature where a scale gives one |
| melody    | its name, and the notes, on channel 1                    |

Other settings are those of `melodylc.data.formats.midi_file`. The same melody and options give the same bytes, always.
`read_midi` gives the melody back, event for event, and takes any other file of sixteen bars, one voice, on sixteenths.
"""

import io
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mido
from mido.midifiles.meta import KeySignatureError

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.errors import InputError, MidiError
from melodylc.data.files import atomic_write, reason
from melodylc.data.formats.midi_file import QUARTERS_PER_BAR, Voice, midi_file
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import Writing

TICKS_PER_QUARTER = Writing().ppq
TICKS_PER_STEP = TICKS_PER_QUARTER // 4
END_TICK = STEPS * TICKS_PER_STEP
VELOCITY = Writing().velocity
DRUM_CHANNEL = 9
# Sixteen bars take a few kB. mido needs seconds, and hundreds of bytes of memory a byte, for far larger ones.
MOST_BYTES = 1 << 17

# What mido raises on broken files: whatever its parsing runs into.
_MIDO_FAILURES = (
    EOFError,
    OSError,
    ValueError,
    LookupError,
    ArithmeticError,
    TypeError,
    AttributeError,
    struct.error,
    KeySignatureError,
)


class TickNote(NamedTuple):
    """A note as files have it: MIDI pitch, and the ticks at which it begins and ends."""

    pitch: int
    start: int
    end: int


class Meter(NamedTuple):
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
    """The melody of a MIDI file: sixteen bars in 4/4 (or 2/2), one voice, on sixteenths.

    Bars are counted in ticks from the start of the file; tempo, velocity, program and the end of the
    tracks don't matter. What is silent at the end, or missing there, is rests.

    Args:
        source: a path, or the content of a file.

    Raises:
        MidiError: the file can't be read, isn't MIDI, is broken, or isn't such a melody, with the
            reason: another meter, drums, two notes at once, a note between sixteenths, before its
            end or after bar 16, no notes in a file of another length, or more than 128 kB.

    >>> read_midi(b"MThd")
    Traceback (most recent call last):
    melodylc.data.errors.MidiError: the given bytes: not a MIDI file that can be read: it breaks off
    """
    label = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
    try:
        return _melody(_parsed(source if isinstance(source, bytes) else _content(Path(source))))
    except InputError as error:
        raise MidiError(f"{label}: {error}") from error


def length(content: bytes) -> int | None:
    """Ticks up to the last end of track, which may lie after the last note; None where mido can't or shouldn't tell.

    >>> length(midi_bytes(Melody.from_notes([(60, 0, 4)])))
    30720
    """
    try:
        tracks = _parsed(content).tracks
    except InputError:
        return None
    return max((sum(message.time for message in track) for track in tracks), default=0)


def from_ticks(notes: Iterable[TickNote], meters: Iterable[Meter], ticks_per_quarter: int) -> Melody:
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


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"can't be read: {reason(error)}") from error


def _parsed(content: bytes) -> mido.MidiFile:
    """The one place that calls mido's parser, and where its failures become ours."""
    if len(content) > MOST_BYTES:
        raise InputError(f"larger than {MOST_BYTES // 1024} kB, far more than sixteen bars need")
    try:
        return mido.MidiFile(file=io.BytesIO(content))
    except _MIDO_FAILURES as error:
        raise InputError(f"not a MIDI file that can be read: {_detail(error)}") from error


def _detail(failure: Exception) -> str:
    """What mido says, in one line, where it says something about the file."""
    if isinstance(failure, EOFError):
        return "it breaks off"
    if isinstance(failure, OSError | ValueError | KeySignatureError):
        return " ".join(str(failure).split())[:200]
    return "a message in it is malformed"


def _melody(midi: mido.MidiFile) -> Melody:
    if midi.type not in (0, 1):
        raise InputError(f"a MIDI file of type {midi.type}; types 0 and 1 hold one piece of music")
    notes = [note for track in midi.tracks for note in _notes(track)]
    meters = [
        Meter(message.numerator, message.denominator, tick)
        for track in midi.tracks
        for tick, message in _timed(track)
        if message.type == "time_signature"
    ]
    length = max((sum(message.time for message in track) for track in midi.tracks), default=0)
    if not notes and length != BARS * QUARTERS_PER_BAR * midi.ticks_per_beat:
        raise InputError("it holds no notes")
    return from_ticks(notes, meters, midi.ticks_per_beat)


def _timed(track: mido.MidiTrack) -> Iterator[tuple[int, Any]]:
    """Each message, and its tick."""
    tick = 0
    for message in track:
        tick += message.time
        yield tick, message


def _notes(track: mido.MidiTrack) -> Iterator[TickNote]:
    sounding: dict[tuple[int, int], int] = {}
    for tick, message in _timed(track):
        if message.type not in ("note_on", "note_off"):
            continue
        voice = message.channel, message.note
        if message.type == "note_off" or message.velocity == 0:
            if voice in sounding:
                yield TickNote(message.note, sounding.pop(voice), tick)
        elif message.channel == DRUM_CHANNEL:
            raise InputError("it has drums (notes on channel 10); a melody is one voice without them")
        elif voice in sounding:
            raise InputError(f"two notes at once: pitch {message.note} begins again while it sounds")
        else:
            sounding[voice] = tick
    for _, pitch in sounding:
        raise InputError(f"the note of pitch {pitch} never ends")


def _check_meter(meter: Meter, ticks_per_quarter: int) -> None:
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
    # Ticks may be numbers of thousands of digits, which Python refuses to print: say no more than this.
    if not 0 <= tick <= BARS * QUARTERS_PER_BAR * ticks_per_quarter:
        raise InputError(f"the note of pitch {note.pitch} lies outside the first {BARS} bars")
    if rest:
        bar, within = divmod(tick, QUARTERS_PER_BAR * ticks_per_quarter)
        raise InputError(
            f"the note of pitch {note.pitch} at bar {bar + 1}, tick {within}, isn't on a sixteenth "
            f"({ticks_per_quarter / 4:g} ticks); quantise it first"
        )
    return step
