"""Do four readers that aren't ours hear what was written? Files in settings drawn at random, all options crossed.

    python benchmarks/files.py [COUNT]

Melodies are draws of the shipped model without a rule, so that any note and rhythm occurs. The settings are a pure
function of the file's number: every root and mode within 420 files, the other options drawn from the ends of their
ranges and between, one or three melodies a file. The files are those of `render`, which all commands write with.

Each reader must find the same notes on the same sixteenths, the tracks' names, the program, the velocities (or nearly,
where they are humanised), the tempo, 4/4 and the key signature; mido also the channel, the markers and the ends of all
tracks, to the tick; all but music21 the loop marker. music21 also reads the same melodies as MusicXML and ABC. It must
be installed. Signatures are compared as sharps modulo 12, for pretty_midi takes C flat and B for the same key.
"""

import io
import sys
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import mido
import music21
import numpy as np
import pretty_midi
import symusic

from melodylc.data.formats.notation import fifths
from melodylc.data.formats.render import Piece, render
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.scales import MODES
from melodylc.data.writing import Writing
from melodylc.models.checkpoint import shipped_model
from melodylc.sampling.methods.base import Task
from melodylc.sampling.methods.rejection import Rejection
from melodylc.sampling.sampler import Sampler

LOOP_MARKER = 119
LOOP = 256  # sixteenths
CHOICES: dict[str, tuple[Any, ...]] = {
    "tempo": (4.0, 60.0, 92.5, 133.33, 174.0, 1000.0),
    "type": (0, 1),
    "ppq": (24, 96, 480, 960, 1920),
    "program": (None, 1, 41, 74, 128),
    "velocity": (1, 64, 127),
    "swing": (50.0, 54.5, 58.0, 66.7, 70.0),
    "humanize": (0.0, 12.5, 50.0, 100.0),
    "channel": (1, 2, 9, 11, 16),
    "transpose": (-12, -5, 0, 3, 12),
    "repeat": (1, 2, 3),
    "loop_marker": (False, True),
    "join": (None, "after", "tracks"),
}


class Voice(NamedTuple):
    """A track: its name, its program or None, and (pitch, first sixteenth, last, velocity) of each note."""

    name: str
    program: int | None
    notes: list[tuple[int, int, int, int]]


class Heard(NamedTuple):
    """What a reader finds; None where it has no word for it."""

    voices: list[Voice]
    tempo: float
    meters: set[tuple[int, int]]
    sharps: set[int]
    loop_marker: bool | None = None
    channels: set[int] | None = None
    ends: set[int] | None = None
    markers: list[tuple[int, str]] | None = None


class File(NamedTuple):
    """A file's settings, the key that it is in, and its melodies as they are written."""

    writing: Writing
    scale: Scale
    melodies: list[Melody]
    pieces: list[Piece]

    @property
    def end(self) -> int:
        """Its length in sixteenths."""
        return LOOP * self.writing.repeat * (len(self.melodies) if self.writing.join == "after" else 1)

    @property
    def meant(self) -> Heard:
        """What it must say."""
        voices, loop, sharps = list[Voice](), LOOP * self.writing.repeat, fifths(self.scale)
        for index, (piece, melody) in enumerate(zip(self.pieces, self.melodies, strict=True)):
            begins = [LOOP * n + index * loop * (self.writing.join == "after") for n in range(self.writing.repeat)]
            notes = [(p, at + a, at + b, self.writing.velocity) for at in begins for p, a, b in melody.notes]
            voices.append(Voice(piece.title, self.writing.program, notes))
        markers = [(index * loop, voice.name) for index, voice in enumerate(voices)]
        if self.writing.join == "after":
            voices = [Voice("drawn", self.writing.program, [note for voice in voices for note in voice.notes])]
        return Heard(
            [voice for voice in voices if voice.notes],
            self.writing.tempo,
            {(4, 4)},
            set() if sharps is None else {sharps % 12},
            self.writing.loop_marker,
            {self.writing.channel - 1},
            {self.end},
            markers if self.writing.join == "after" else [],
        )


def setting(number: int) -> tuple[Writing, Scale]:
    """The settings and the key of a file."""
    draw = np.random.default_rng((2018, number))
    values = {name: them[int(draw.integers(len(them)))] for name, them in CHOICES.items()}
    if values["join"] == "tracks":
        values["type"] = 1  # type 0 has one track
    return Writing(**values), Scale(number % 12, list(MODES)[number % len(MODES)])


def made(number: int, melodies: list[Melody]) -> tuple[File, dict[str, bytes]]:
    """A file's meaning, and what was written: the MIDI file, and each melody as scores."""
    writing, key = setting(number)
    count = 3 if writing.join else 1
    chosen = [melodies[(number + 7 * index) % len(melodies)] for index in range(count)]
    reach = range(-writing.transpose, 128 - writing.transpose)
    chosen = [it for it in chosen if all(note.pitch in reach for note in it.notes)] or [Melody.from_notes([(60, 0, 4)])]
    pieces = [Piece(f"{index}", f"drawn-{number} {index}", it, (number, index)) for index, it in enumerate(chosen)]
    pieces[0] = pieces[0]._replace(title=f"drawn-{number}") if len(pieces) > 1 else pieces[0]
    rendered = render(pieces, writing_with_scores(writing), key)
    moved = [melody.transposed(writing.transpose) for melody in chosen]
    return File(writing, key.transposed(writing.transpose), moved, pieces), rendered.files


def writing_with_scores(writing: Writing) -> Writing:
    """The same settings with three formats."""
    return Writing(**{**vars(writing), "formats": ("midi", "musicxml", "abc")})


def sixteenths(ticks: float, ppq: int) -> int:
    """The nearest sixteenth."""
    return round(4 * ticks / ppq)


def by_mido(content: bytes) -> Heard:
    """What mido hears. A tick that is no multiple of a sixteenth where tracks end is no end at all."""
    file = mido.MidiFile(file=io.BytesIO(content), charset="utf-8")
    voices, tempo, marker = list[Voice](), 0.0, False
    meters, sharps, channels, ends, markers = set(), set(), set(), set(), []
    for track in file.tracks:
        now, name, program, notes, sounding = 0, "", None, [], {}
        for message in track:
            now += message.time
            step = sixteenths(now, file.ticks_per_beat)
            channels |= {message.channel} if hasattr(message, "channel") else set()
            if message.type == "note_on":
                sounding[message.note] = step, message.velocity
            elif message.type == "note_off":
                start, velocity = sounding.pop(message.note)
                notes.append((message.note, start, step, velocity))
            elif message.type == "set_tempo":
                tempo = mido.tempo2bpm(message.tempo)
            elif message.type == "time_signature":
                meters.add((message.numerator, message.denominator))
            elif message.type == "key_signature":
                key = music21.key.Key(message.key.replace("b", "-").replace("m", "").strip())
                sharps.add((key.sharps - 3 * message.key.endswith("m")) % 12)
            elif message.type == "track_name":
                name = message.name
            elif message.type == "program_change":
                program = message.program + 1
            elif message.type == "marker":
                markers.append((step, message.text))
            elif message.type == "control_change":
                marker = message.control == LOOP_MARKER and 4 * now == step * file.ticks_per_beat
        ends.add(step if 4 * now == step * file.ticks_per_beat else -1)
        voices += [Voice(name, program, notes)] if notes else []
    return Heard(voices, tempo, meters, sharps, marker, channels, ends, markers)


def by_pretty_midi(content: bytes) -> Heard:
    """What pretty_midi hears. It takes no program for the first one."""
    file = pretty_midi.PrettyMIDI(io.BytesIO(content))
    voices, marker = [], False
    for part in file.instruments:
        notes = [
            (it.pitch, *(sixteenths(file.time_to_tick(at), file.resolution) for at in (it.start, it.end)), it.velocity)
            for it in sorted(part.notes, key=lambda note: note.start)
        ]
        marker |= any(it.number == LOOP_MARKER for it in part.control_changes)
        voices += [Voice(part.name, part.program + 1, notes)] if notes else []
    meters = {(it.numerator, it.denominator) for it in file.time_signature_changes}
    names = [pretty_midi.key_number_to_key_name(it.key_number) for it in file.key_signature_changes]
    sharps = {music21.key.Key(*name.replace("b ", "- ").split()).sharps % 12 for name in names}
    return Heard(voices, float(file.get_tempo_changes()[1][0]), meters, sharps, marker)


def by_symusic(content: bytes) -> Heard:
    """What symusic hears. It takes no program for the first one."""
    score: Any = symusic.Score.from_midi(content)
    ppq, voices, marker = score.ticks_per_quarter, [], False
    for track in score.tracks:
        ordered = sorted(track.notes, key=lambda note: note.start)
        notes = [(it.pitch, sixteenths(it.start, ppq), sixteenths(it.end, ppq), it.velocity) for it in ordered]
        marker |= any(it.number == LOOP_MARKER for it in track.controls)
        voices += [Voice(track.name, track.program + 1, notes)] if notes else []
    meters = {(it.numerator, it.denominator) for it in score.time_signatures}
    sharps = {it.key % 12 for it in score.key_signatures}
    return Heard(voices, score.tempos[0].qpm, meters, sharps, marker)


def by_music21(content: bytes) -> Heard:
    """What music21 hears in MIDI."""
    file = music21.midi.MidiFile()
    file.readstr(content)
    score = music21.midi.translate.midiFileToStream(file, quantizePost=False)
    return _of_stream(score)


def by_music21_score(text: bytes, kind: str) -> Heard:
    """What music21 reads in a score."""
    return _of_stream(music21.converter.parse(text.decode(), format=kind))


def _of_stream(score: Any) -> Heard:
    voices = []
    for part in score.parts if score.hasPartLikeStreams() else [score]:
        flat = part.stripTies().flatten()
        edges = [(note, 4 * float(note.offset), 4 * float(note.offset + note.quarterLength)) for note in flat.notes]
        notes = [(note.pitch.midi, round(a), round(b), note.volume.velocity) for note, a, b in edges]
        player = next(iter(part.getInstruments(recurse=True)), None)
        program = None if player is None or player.midiProgram is None else player.midiProgram + 1
        voices += [Voice(part.partName or "", program, sorted(notes, key=lambda it: it[1]))] if notes else []
    whole = score.flatten()
    meters = {(it.numerator, it.denominator) for it in whole.getElementsByClass("TimeSignature")}
    sharps = {it.sharps % 12 for it in whole.getElementsByClass("KeySignature")}
    return Heard(voices, float(whole.getElementsByClass("MetronomeMark")[0].number), meters, sharps)


READERS: dict[str, Callable[[bytes], Heard]] = {
    "mido": by_mido,
    "pretty_midi": by_pretty_midi,
    "symusic": by_symusic,
    "music21": by_music21,
}


def disagreements(heard: Heard, meant: Heard, humanize: float, scores: bool = False) -> list[str]:
    """The names of what is otherwise than it should be."""
    wrong = [name for name in Heard._fields[2:] if getattr(heard, name) not in (None, getattr(meant, name))]
    if abs(heard.tempo - meant.tempo) > 0.01:
        wrong.append("tempo")
    if [[note[:3] for note in it.notes] for it in heard.voices] != [[n[:3] for n in it.notes] for it in meant.voices]:
        return [*wrong, "notes"]
    if scores:
        return wrong
    if [voice.name for voice in heard.voices] != [voice.name for voice in meant.voices]:
        wrong.append("names")
    if any(
        one.program not in (two.program, two.program or 1) for one, two in zip(heard.voices, meant.voices, strict=True)
    ):
        wrong.append("programs")
    loudness = [
        (one[3], two[3])
        for a, b in zip(heard.voices, meant.voices, strict=True)
        for one, two in zip(a.notes, b.notes, strict=True)
    ]
    if any(abs(one - two) > 0.24 * humanize + 0.5 or not 1 <= one <= 127 for one, two in loudness):
        wrong.append("velocities")
    return wrong


def check(number: int, melodies: list[Melody], wrong: Counter[str]) -> None:
    """Write a file, have it read, and count who disagrees with what was meant."""
    file, files = made(number, melodies)
    (content,) = (it for name, it in files.items() if name.endswith(".mid"))
    meant, touch = file.meant, file.writing.humanize
    found = {name: disagreements(read(content), meant, touch) for name, read in READERS.items()}
    piece = file.pieces[0]
    alone = File(Writing(tempo=file.writing.tempo), file.scale, file.melodies[:1], file.pieces[:1]).meant
    for kind in ("musicxml", "abc"):
        # ABC must name a key; music21 takes "none" for one without sharps.
        key = alone.sharps or ({0} if kind == "abc" else set())
        heard = by_music21_score(files[f"{piece.stem}.{kind}"], kind)
        found[f"music21 ({kind})"] = disagreements(heard, alone._replace(sharps=key), 0, scores=True)
    for name, them in found.items():
        wrong[name] += bool(them)
        if them:
            print(number, name, them, file.writing, file.scale.name, flush=True)


def crossed(count: int) -> tuple[int, int]:
    """How many pairs of two options' values occur in so many files, and how many there are."""
    settings = [vars(setting(number)[0]) for number in range(count)]
    pairs = list(combinations(CHOICES, 2))
    met = {(a, b, it[a], it[b]) for it in settings for a, b in pairs}
    return len(met), sum(len(CHOICES[a]) * len(CHOICES[b]) for a, b in pairs) - 1  # type 0 has no tracks


def main(count: int) -> None:
    """Draw, write, read and count."""
    drawn = Sampler(Rejection.prepare(Task(shipped_model()))).sample(2018, min(count, 1000), 1)
    melodies, wrong = [draw.melody for draw in drawn], Counter[str]()
    for number in range(count):
        check(number, melodies, wrong)
        if number % 100 == 99:
            print(f"{number + 1} files, {wrong.total()} disagreements", file=sys.stderr, flush=True)
    met, of = crossed(count)
    print(f"{count} files, {met} of {of} pairs of settings, {len({setting(it)[1] for it in range(count)})} keys")
    print("disagreements:", ", ".join(f"{name} {wrong[name]}" for name in wrong))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
