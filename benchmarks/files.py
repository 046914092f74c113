"""Do four readers that aren't ours hear what was written? Files in settings drawn at random, all options crossed.

    python benchmarks/files.py [COUNT]

The melodies are the 64 of `melodylc rewards test`, the settings a pure function of the file's number. Each reader must
find the same notes on the same sixteenths, the tempo, 4/4 and the key signature; mido also the length, to the tick. It
needs music21. Signatures are compared as sharps modulo 12, for pretty_midi takes C flat and B for the same key.
"""

import io
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any

import mido
import music21
import numpy as np
import pretty_midi
import symusic

from melodylc.data.formats.midi_file import Voice, midi_file
from melodylc.data.formats.notation import fifths
from melodylc.data.formats.render import transposed
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.scales import MODES
from melodylc.data.writing import Writing
from melodylc.rewards.panel import real_melodies

Heard = tuple[list[tuple[int, int, int]], float, list[tuple[int, int]], list[int]]  # notes, tempo, meters, sharps


def setting(number: int) -> tuple[Writing, Scale]:
    """The setting and the key of a file."""
    draw = np.random.default_rng((2018, number))

    def one(*choices: Any) -> Any:
        return choices[int(draw.integers(len(choices)))]

    writing = Writing(
        tempo=one(60.0, 92.5, 120.0, 174.0),
        type=one(0, 1),
        ppq=one(24, 96, 480, 960, 1920),
        program=one(None, 1, 41, 74, 128),
        velocity=one(1, 64, 127),
        swing=float(draw.uniform(50, 70)),
        humanize=float(draw.uniform(0, 100)),
        channel=one(1, 2, 9, 11, 16),
        transpose=one(-12, -5, 0, 3, 12),
        repeat=one(1, 2, 3),
        loop_marker=one(False, True),
    )
    return writing, Scale(int(draw.integers(12)), one(*MODES))


def sixteenths(ticks: float, ppq: int) -> int:
    """The nearest sixteenth."""
    return round(4 * ticks / ppq)


def by_mido(content: bytes) -> Heard:
    """What mido hears; a track that ends elsewhere than the others, or not on a bar, is no tempo at all."""
    file = mido.MidiFile(file=io.BytesIO(content))
    notes, sounding, tempo, meters, keys = [], {}, 0.0, [], []
    for track in file.tracks:
        now = 0
        for message in track:
            now += message.time
            if message.type == "note_on":
                sounding[message.note] = now
            elif message.type == "note_off":
                start = sixteenths(sounding.pop(message.note), file.ticks_per_beat)
                notes.append((message.note, start, sixteenths(now, file.ticks_per_beat)))
            elif message.type == "set_tempo":
                tempo = mido.tempo2bpm(message.tempo)
            elif message.type == "time_signature":
                meters.append((message.numerator, message.denominator))
            elif message.type == "key_signature":
                keys.append(music21.key.Key(message.key.replace("b", "-").replace("m", "").strip()).sharps)
                keys[-1] -= 3 * message.key.endswith("m")
        tempo = tempo if now % (64 * file.ticks_per_beat) == 0 else 0.0
    return notes, tempo, meters, keys


def by_pretty_midi(content: bytes) -> Heard:
    """What pretty_midi hears."""
    file = pretty_midi.PrettyMIDI(io.BytesIO(content))
    notes = sorted((note for part in file.instruments for note in part.notes), key=lambda note: note.start)
    steps = [[sixteenths(file.time_to_tick(time), file.resolution) for time in (it.start, it.end)] for it in notes]
    meters = [(it.numerator, it.denominator) for it in file.time_signature_changes]
    names = [pretty_midi.key_number_to_key_name(it.key_number) for it in file.key_signature_changes]
    sharps = [music21.key.Key(*name.replace("b ", "- ").split()).sharps for name in names]
    played = [(note.pitch, start, end) for note, (start, end) in zip(notes, steps, strict=True)]
    return played, float(file.get_tempo_changes()[1][0]), meters, sharps


def by_symusic(content: bytes) -> Heard:
    """What symusic hears."""
    score: Any = symusic.Score.from_midi(content)
    ppq = score.ticks_per_quarter
    notes = sorted((note for track in score.tracks for note in track.notes), key=lambda note: note.start)
    meters = [(it.numerator, it.denominator) for it in score.time_signatures]
    played = [(note.pitch, sixteenths(note.start, ppq), sixteenths(note.end, ppq)) for note in notes]
    return played, score.tempos[0].qpm, meters, [it.key for it in score.key_signatures]


def by_music21(content: bytes) -> Heard:
    """What music21 hears."""
    file = music21.midi.MidiFile()
    file.readstr(content)
    flat = music21.midi.translate.midiFileToStream(file, quantizePost=False).stripTies().flatten()
    edges = [(note, 4 * float(note.offset), 4 * float(note.offset + note.quarterLength)) for note in flat.notes]
    notes = sorted(((note.pitch.midi, round(start), round(end)) for note, start, end in edges), key=lambda it: it[1])
    meters = {(it.numerator, it.denominator) for it in flat.getElementsByClass("TimeSignature")}
    keys = {it.sharps for it in flat.getElementsByClass("KeySignature")}
    return notes, float(flat.getElementsByClass("MetronomeMark")[0].number), list(meters), list(keys)


READERS: dict[str, Callable[[bytes], Heard]] = {
    "mido": by_mido,
    "pretty_midi": by_pretty_midi,
    "symusic": by_symusic,
    "music21": by_music21,
}


def main(count: int) -> None:
    """Write, read and count who disagrees with what was meant."""
    melodies = Melody.unstack(real_melodies())
    wrong: Counter[str] = Counter()
    for number in range(count):
        writing, key = setting(number)
        melody, scale = (
            melodies[number % len(melodies)].transposed(writing.transpose),
            transposed(key, writing.transpose),
        )
        content = midi_file([Voice(f"file {number}", melody, (number,))], writing, scale)
        notes = [(p, 256 * n + a, 256 * n + b) for n in range(writing.repeat) for p, a, b in melody.notes]
        sharps = fifths(scale)
        for name, read in READERS.items():
            found, tempo, meters, keys = read(content)
            keys, meant = [key % 12 for key in keys], [] if sharps is None else [sharps % 12]
            same = (found, meters, keys) == (notes, [(4, 4)], meant)
            if not same or abs(tempo - writing.tempo) > 0.01:
                wrong[name] += 1
                print(number, name, writing, scale.name, tempo, meters, keys, found == notes)
    print({"files": count, **{name: wrong[name] for name in READERS}})


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
