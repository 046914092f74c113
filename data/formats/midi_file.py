"""MIDI files for DAWs: one melody or many, in any setting of `melodylc.data.writing.Writing`.

Type 1 has a conductor (tempo, 4/4, key signature; markers where melodies follow one another), melody tracks and, where
chords are written, a track of plain voicings on the next channel, each chord with a marker; type 0 has all of it in one
track. Every track ends where the last bar does, exactly, so that the file loops. The loop marker
is controller 119, which means nothing to any synthesiser, at that very tick.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import mido

from melodylc.data.chords import Progression
from melodylc.data.errors import InputError
from melodylc.data.formats.performance import perform
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.writing import DRUMS, Writing

LOOP_MARKER = 119  #: an undefined controller
QUARTERS_PER_BAR = 4
CHORD_TRACK = "chords"
_SOFTER = 2 / 3  # a chord's velocity for the melody's


class Voice(NamedTuple):
    """A melody in a file, its name, and the seed of its human touch."""

    name: str
    melody: Melody
    seed: tuple[int, ...] = (0,)


_Timed = tuple[int, mido.Message | mido.MetaMessage]


def midi_file(
    voices: Sequence[Voice],
    writing: Writing,
    scale: Scale | None = None,
    name: str | None = None,
    chords: Progression | None = None,
) -> bytes:
    """The MIDI file of melodies: of several, as `writing.join` says, one after another or one a track.

    Args:
        voices: one or more.
        writing: everything but notes and names.
        scale: gives the key signature; None, or a scale that has none, writes none.
        name: of the track in which melodies follow one another; None: that of the first.
        chords: that are written as a track of their own and as markers.

    Raises:
        InputError: no melody, more ticks than a file may have, or a name that isn't text.
    """
    if not voices:
        raise InputError("a MIDI file of no melody: give one or more")
    writing.check_count(len(voices))
    loop = writing.bars * QUARTERS_PER_BAR * writing.ppq * writing.repeat
    tracks = _tracks(voices, writing, loop, name or voices[0].name)
    end = loop * (1 if writing.join == "tracks" else len(voices))
    conductor = list(_conductor(voices, writing, scale, loop))
    if chords is not None:
        starts = range(0, end, loop // writing.repeat)
        markers = [it for start in starts for it in _markers(chords, writing, start)]
        conductor = sorted([*conductor, *markers], key=lambda row: row[0])
        tracks.append(_chord_track(chords, writing, starts))
    if writing.type == 0:
        (title, *rest), *others = tracks
        rest += [it for track in others for it in track[1:]]
        conductor, tracks = [title, *sorted([*conductor, *rest], key=lambda row: row[0])], []
    midi = mido.MidiFile(type=writing.type, ticks_per_beat=writing.ppq, charset="utf-8")
    midi.tracks += [_track(track, end) for track in (conductor, *tracks)]
    file = io.BytesIO()
    try:
        midi.save(file=file)
    except UnicodeEncodeError as error:
        raise InputError(f"the name {name or voices[0].name!r} can't be written in UTF-8; choose another") from error
    return file.getvalue()


def _conductor(voices: Sequence[Voice], writing: Writing, scale: Scale | None, loop: int) -> Iterator[_Timed]:
    if not writing.no_tempo:
        yield 0, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(writing.tempo))
    yield 0, mido.MetaMessage("time_signature", numerator=4, denominator=4)
    if scale is not None and scale.key_signature is not None:
        yield 0, mido.MetaMessage("key_signature", key=scale.key_signature)
    if writing.join == "after":
        for index, voice in enumerate(voices):
            yield index * loop, mido.MetaMessage("marker", text=voice.name)


def _tracks(voices: Sequence[Voice], writing: Writing, loop: int, name: str) -> list[list[_Timed]]:
    """The melody tracks: each its name, its program, its notes and the loop marker."""
    if writing.join == "tracks":
        return [_melody_track(voice.name, [voice], writing, loop) for voice in voices]
    return [_melody_track(name, voices, writing, loop)]


def _melody_track(name: str, voices: Sequence[Voice], writing: Writing, loop: int) -> list[_Timed]:
    channel = writing.channel - 1
    track: list[_Timed] = [(0, mido.MetaMessage("track_name", name=name))]
    if writing.program is not None:
        track.append((0, mido.Message("program_change", program=writing.program - 1, channel=channel)))
    for index, voice in enumerate(voices):
        track += _notes(voice, writing, channel, index * loop)
    if writing.loop_marker:
        end = loop * len(voices)
        track.append((end, mido.Message("control_change", control=LOOP_MARKER, value=0, channel=channel)))
    return track


def _notes(voice: Voice, writing: Writing, channel: int, begin: int) -> Iterator[_Timed]:
    once = writing.bars * QUARTERS_PER_BAR * writing.ppq
    played = perform(voice.melody, writing, voice.seed)
    for start in range(begin, begin + once * writing.repeat, once):
        for note in played:
            on = mido.Message("note_on", note=note.pitch, velocity=note.velocity, channel=channel)
            yield start + note.start, on
            yield start + note.end, mido.Message("note_off", note=note.pitch, velocity=0, channel=channel)


def _markers(chords: Progression, writing: Writing, begin: int) -> Iterator[_Timed]:
    for chord, start, _ in chords.first_spans(writing.bars):
        yield begin + start * writing.ppq // 4, mido.MetaMessage("marker", text=chord.name)


def _chord_track(chords: Progression, writing: Writing, starts: Iterable[int]) -> list[_Timed]:
    """The voicings, each for as long as its chord is; on the next channel that isn't the drums'."""
    channel = writing.channel % 16 + 1
    channel = (channel + (channel == DRUMS)) - 1
    velocity = max(1, round(writing.velocity * _SOFTER))
    track: list[_Timed] = [(0, mido.MetaMessage("track_name", name=CHORD_TRACK))]
    for begin in starts:
        for chord, *times in chords.first_spans(writing.bars):
            start, end = (begin + step * writing.ppq // 4 for step in times)
            pitches = chord.voicing()
            track += [(start, mido.Message("note_on", note=it, velocity=velocity, channel=channel)) for it in pitches]
            track += [(end, mido.Message("note_off", note=it, velocity=0, channel=channel)) for it in pitches]
    return track


def _track(messages: list[_Timed], end: int) -> mido.MidiTrack:
    """Messages at their ticks as a track, whose times are waits."""
    track, now = mido.MidiTrack(), 0
    for tick, message in (*messages, (end, mido.MetaMessage("end_of_track"))):
        track.append(message.copy(time=tick - now))
        now = tick
    return track
