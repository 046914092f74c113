"""How fast melodies are extracted, against note_seq's own pipeline, in one process on one core.

    python benchmarks/extraction.py ../shared/data/midi/freedoom.tar.xz

Both sides get the files' bytes and give the distinct windows of 16 bars of all tracks that aren't
drums. note_seq's side is what Magenta's models do with it: `midi_to_note_sequence`,
`split_note_sequence_on_time_changes`, `quantize_note_sequence` at 4 steps a quarter, then per
instrument `Melody.from_quantized_sequence` until it is exhausted, the highest note kept, a bar's rest
ending a melody, windows one bar apart. The rules differ in detail, so the numbers of windows do too: note_seq
also splits at tempo changes and counts bars in seconds. Needs `melodylc[note-seq]`.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import numpy as np

from melodylc.data.archives import MusicFile, read_music_files
from melodylc.data.extract import extract
from melodylc.data.windows import DEFAULT_FILTERS

BARS = 16
STEPS_PER_QUARTER = 4
STEPS_PER_BAR = 16
BAR = 30  # the least ratio that the project asks for


def ours(files: list[MusicFile]) -> int:
    """Distinct windows that pass the default filters."""
    found = extract(files, DEFAULT_FILTERS)
    return len(np.unique(found.digests(), axis=0))


def note_seqs(files: list[MusicFile]) -> int:
    """Distinct windows of note_seq's melodies."""
    return len({window for file in files for window in _note_seq_windows(file.content)})


def _note_seq_windows(content: bytes) -> Iterator[tuple[int, ...]]:
    import note_seq
    from note_seq import sequences_lib

    try:
        sequence = note_seq.midi_to_note_sequence(content)
    except note_seq.MIDIConversionError:
        return
    for part in sequences_lib.split_note_sequence_on_time_changes(sequence):
        try:
            quantized = sequences_lib.quantize_note_sequence(part, STEPS_PER_QUARTER)
        except (
            sequences_lib.BadTimeSignatureError,
            sequences_lib.NonIntegerStepsPerBarError,
            sequences_lib.NegativeTimeError,
        ):
            continue
        if sequences_lib.steps_per_bar_in_quantized_sequence(quantized) == STEPS_PER_BAR:
            for instrument in sorted({note.instrument for note in quantized.notes if not note.is_drum}):
                yield from _windows(_melodies(quantized, instrument))


def _melodies(quantized: object, instrument: int) -> Iterator[list[int]]:
    import note_seq

    start = 0
    while True:
        melody = note_seq.Melody(steps_per_bar=STEPS_PER_BAR, steps_per_quarter=STEPS_PER_QUARTER)
        try:
            melody.from_quantized_sequence(
                quantized,
                search_start_step=start,
                instrument=instrument,
                gap_bars=1,
                ignore_polyphonic_notes=True,
                pad_end=True,
                filter_drums=True,
            )
        except note_seq.NonIntegerStepsPerBarError:
            return
        if not len(melody):
            return
        start = melody.end_step + (-(melody.end_step - melody.start_step) % STEPS_PER_BAR)
        yield list(melody)


def _windows(melodies: Iterable[list[int]]) -> Iterator[tuple[int, ...]]:
    for events in melodies:
        for end in range(BARS * STEPS_PER_BAR, len(events) + 1, STEPS_PER_BAR):
            yield tuple(events[end - BARS * STEPS_PER_BAR : end])


class Cost(NamedTuple):
    """Seconds on the clock, seconds of the processor, and how much was found."""

    wall: float
    processor: float
    found: int


def _timed(work: Callable[[list[MusicFile]], int], files: list[MusicFile]) -> Cost:
    wall, processor = time.perf_counter(), time.process_time()
    found = work(files)
    return Cost(time.perf_counter() - wall, time.process_time() - processor, found)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(statistics.median(c.wall for c in costs), statistics.median(c.processor for c in costs), costs[0].found)


def _one_core() -> str:
    if not hasattr(os, "sched_setaffinity"):
        return "not pinned (this system can't)"
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return f"pinned to core {core}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path, help="folders or archives of MIDI files")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each side; the median counts")
    chosen = parser.parse_args()
    import note_seq  # noqa: F401  (imported before anything is timed)

    files = list(read_music_files(chosen.paths))
    size = sum(len(file.content) for file in files)
    print(f"{len(files)} files, {size:,} bytes; {_one_core()}; load {os.getloadavg()[0]:.1f}; {platform.platform()}")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "symusic", "note-seq"))
    print(f"Python {platform.python_version()}, {packages}; median of {chosen.repeats}")
    runs = [(_timed(ours, files), _timed(note_seqs, files)) for _ in range(chosen.repeats)]
    mine, theirs = (_median(costs) for costs in zip(*runs, strict=True))
    for name, cost in (("melodylc", mine), ("note_seq", theirs)):
        speed = f"{len(files) / cost.wall:9.1f} files/s"
        print(
            f"{name:9} {cost.wall:8.3f} s {cost.processor:8.3f} s of processor {speed} {cost.found:8,} distinct windows"
        )
    ratios = theirs.wall / mine.wall, theirs.processor / mine.processor
    print(f"{ratios[0]:.1f} times faster by the clock, {ratios[1]:.1f} by the processor; asked for: at least {BAR}")


if __name__ == "__main__":
    main()
