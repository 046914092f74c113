"""MIDI files for the tests of the corpus, made by mido or byte by byte."""

import io
import os
from collections.abc import Iterable
from pathlib import Path

import mido

from melodylc.data.archives import MusicFile
from melodylc.data.extract import Extraction, extract, save_shard
from melodylc.data.windows import Filters

DIVISION = 480
SIXTEENTH = DIVISION // 4
BAR = 16 * SIXTEENTH
DEADLY = b"MThd: kill the reader"

Note = tuple[int, int, int]  # pitch, start and end in ticks


def midi(*tracks: Iterable[Note], signatures: Iterable[tuple[int, int, int]] = ((0, 4, 4),), channel: int = 0) -> bytes:
    """A type 1 file: the signatures (tick, over, under) on the first track, notes on those after."""
    file = mido.MidiFile(type=1, ticks_per_beat=DIVISION)
    marks = [
        (tick, mido.MetaMessage("time_signature", numerator=over, denominator=under))
        for tick, over, under in signatures
    ]
    file.tracks.append(_track(marks))
    for notes in tracks:
        events = []
        for pitch, start, end in notes:
            events.append((start, mido.Message("note_on", note=pitch, velocity=64, channel=channel)))
            events.append((end, mido.Message("note_off", note=pitch, channel=channel)))
        file.tracks.append(_track(events))
    buffer = io.BytesIO()
    file.save(file=buffer)
    return buffer.getvalue()


def _track(events: list[tuple[int, mido.Message]]) -> mido.MidiTrack:
    track, now = mido.MidiTrack(), 0
    for tick, message in sorted(events, key=lambda event: (event[0], event[1].type != "note_off")):
        track.append(message.copy(time=tick - now))
        now = tick
    return track


def tune(seed: int, bars: int = 16) -> list[Note]:
    """Eighth notes that never repeat a bar: a run that grows with the bar, from a pitch of the seed's."""
    return [
        (36 + seed % 12 + (step * (seed + 3) + step // 8) % 37, 2 * step * SIXTEENTH, 2 * (step + 1) * SIXTEENTH)
        for step in range(8 * bars)
    ]


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder with these files."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def small_collection(folder: Path, count: int = 12) -> Path:
    """A folder of different tunes of 16 to 19 bars, with a broken file among them."""
    tunes = {f"tune {seed:02d}.mid": midi(tune(seed, 16 + seed % 4)) for seed in range(count)}
    return write_folder(folder, {**tunes, "broken.mid": b"MThd" + b"\0" * 10})


# Spawned processes import these by name.


def extract_or_crash(files: Iterable[MusicFile], filters: Filters) -> Extraction:
    """As `extract`, but a certain content kills the process, as a bug in a C++ reader would."""
    files = list(files)
    if any(file.content == DEADLY for file in files):
        os._exit(9)
    return extract(files, filters)


def work_or_crash(chunk: list[MusicFile], filters: Filters, path: Path) -> None:
    """What the processes of a build do, with the same weakness."""
    save_shard(path, extract_or_crash(chunk, filters))
