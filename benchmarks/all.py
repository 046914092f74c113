"""Every comparison of speed, each beside its rival, in one command: a Markdown table.

    python benchmarks/all.py
    python benchmarks/all.py --only reading --midi ../shared/data/midi/*.tar.xz --repeats 5 -o build/speed.md

Two of a pair take turns in one process (whole commands: in processes of their own, in turn), on one thread; seconds
are of the processor, so that what else the machine does falls on neither, and medians of `--repeats` turns. Ratios are
the rival's over ours: above 1 we are quicker. Rivals that aren't installed are left out and named. Without `--midi`
the files are made up (`jobs.music_files`).

- reading: all notes of MIDI files. pretty_midi, miditoolkit, note_seq and symusic, which is written in C++.
- extraction: files to distinct windows of 16 bars, by note_seq's pipeline (`extraction.py`).
- writing: a melody as a MIDI file, by pretty_midi.
- decoding: a latent to events, by a decoder of the paper's kind (`decoding.py`), 64 together.
- rules: a verified melody in C major (with variety), by a Markov chain of order 6 (learnt from made-up melodies) whose
  melodies are snapped to the scale, written until one obeys. It is quicker by far and writes worse: `judges.py` says
  how much.
- start: `generate -n 8` as a whole, beside a process that only imports torch (`start.py`).
"""

import io
import os
import platform
import resource
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import decoding
import extraction
import jobs
import numpy as np
import start
import torch
from judges import MarkovChain

from melodylc.constraints.request import Request
from melodylc.data.archives import MusicFile, read_music_files
from melodylc.data.errors import ScoreError
from melodylc.data.extract import extract
from melodylc.data.files import atomic_write
from melodylc.data.melody import Melody
from melodylc.data.midi import midi_bytes
from melodylc.data.smf import read_score
from melodylc.data.windows import DEFAULT_FILTERS
from melodylc.edits.operators import snap
from melodylc.models.bars import LstmBarDecoder
from melodylc.models.checkpoint import shipped_model
from melodylc.models.prior import pool
from melodylc.service.generation import PreparedOrder
from melodylc.service.order import Order
from melodylc.versions import versions

SCALE = "cmaj"
TOGETHER = 64  # latents that are decoded together, and melodies that the chain writes together
LEARNT = 1000  # melodies that the chain learns from


class Measured(NamedTuple):
    """A row: seconds of the processor for one of what `unit` says."""

    what: str
    unit: str
    ours: float
    rival: str
    theirs: float


class Pair(NamedTuple):
    """Two ways to do the same; each returns how many it did."""

    what: str
    unit: str
    ours: Callable[[], int]
    rival: str
    theirs: Callable[[], int]


def in_turn(pair: Pair, repeats: int) -> Measured:
    """Time both, one after the other; the first turn, which loads and compiles, doesn't count."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        for work, seconds in zip((pair.ours, pair.theirs), taken, strict=True):
            begun = time.process_time()
            done = work()
            if turn:
                seconds.append((time.process_time() - begun) / done)
    return Measured(pair.what, pair.unit, median(taken[0]), pair.rival, median(taken[1]))


# -- what is compared --------------------------------------------------------------------------


def reading(files: list[MusicFile]) -> Iterator[Pair]:
    """All notes of files."""

    def reader(read: Callable[[bytes], object], *refusals: type[Exception]) -> Callable[[], int]:
        def run() -> int:
            for file in files:
                with suppress(*refusals):  # damaged files cost what they cost
                    read(file.content)
            return len(files)

        return run

    ours = reader(read_score, ScoreError)
    for name, rival in rivals().items():
        yield Pair("reading", "ms a file", ours, name, reader(rival, Exception))


def rivals() -> dict[str, Callable[[bytes], object]]:
    """Readers that are installed, by name."""
    found: dict[str, Callable[[bytes], object]] = {}
    with suppress(ImportError):
        import pretty_midi

        found["pretty_midi"] = lambda content: pretty_midi.PrettyMIDI(io.BytesIO(content))
    with suppress(ImportError):
        import miditoolkit

        found["miditoolkit"] = lambda content: miditoolkit.MidiFile(file=io.BytesIO(content))
    with suppress(ImportError):
        import note_seq

        found["note_seq"] = note_seq.midi_to_note_sequence
    with suppress(ImportError):
        import symusic

        found["symusic"] = symusic.Score.from_midi
    return found


def extracting(files: list[MusicFile]) -> Iterator[Pair]:
    """Windows of files."""
    if "note_seq" in rivals():
        yield Pair(
            "extraction",
            "ms a file",
            lambda: extraction.ours(files) and len(files),
            "note_seq",
            lambda: extraction.note_seqs(files) and len(files),
        )


def writing() -> Iterator[Pair]:
    """A melody as a file."""
    import pretty_midi

    events = extract(jobs.music_files(100), DEFAULT_FILTERS).events
    melodies = [Melody(row) for row in events]

    def theirs() -> int:
        for melody in melodies:
            midi = pretty_midi.PrettyMIDI(initial_tempo=120)
            track = pretty_midi.Instrument(0)
            track.notes = [pretty_midi.Note(80, note.pitch, note.start / 8, note.end / 8) for note in melody.notes]
            midi.instruments.append(track)
            midi.write(io.BytesIO())
        return len(melodies)

    def ours() -> int:
        for melody in melodies:
            midi_bytes(melody)
        return len(melodies)

    yield Pair("writing", "ms a file", ours, "pretty_midi", theirs)


def decoders() -> Iterator[Pair]:
    """Latents to events."""
    model = shipped_model()
    z = pool(model.prior(), TOGETHER, np.random.default_rng(0))
    stepwise = LstmBarDecoder(event=128, hidden=512, embedding=model.vae.config.z).requires_grad_(False).eval()
    yield Pair(
        "decoding",
        "ms a melody",
        lambda: len(model.vae.raw_events(z)),
        "LSTM, event by event",
        lambda: len(decoding.one_by_one(stepwise, z)),
    )


def rules() -> Iterator[Pair]:
    """Verified melodies under a rule."""
    request = Request.read(scale=[SCALE])
    rule, scale = request.rule, request.scale
    if rule is None or scale is None:
        raise click.ClickException(f"{SCALE} makes no rule")
    prepared = PreparedOrder.of(Order(request, 8, 1))
    chain = MarkovChain(extract(jobs.music_files(LEARNT), DEFAULT_FILTERS).events)
    rng = np.random.default_rng(0)
    turn = iter(range(1, 1 << 30, 8))

    def ours() -> int:
        first = next(turn)
        return sum(one.passed for batch in prepared.batches(range(first, first + 8)) for one in batch.results)

    def theirs() -> int:
        found = 0
        while not found:
            found = int(rule.satisfied(snap(chain.write(TOGETHER, rng), *scale.pitch_classes)).sum())
        return found

    yield Pair("rules", f"ms a verified melody in {SCALE}", ours, "Markov chain, snapped", theirs)


def starting(repeats: int) -> Measured:
    """Whole processes."""

    def seconds(*words: str) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start.clock(*words)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    taken: tuple[list[float], list[float]] = ([], [])
    with TemporaryDirectory() as folder:
        for number in range(repeats + 1):
            one = seconds(*start.GENERATE, str(Path(folder) / str(number))), seconds("-c", "import torch")
            if number:
                for values, value in zip(taken, one, strict=True):
                    values.append(value)
    return Measured("start", "ms, `generate -n 8`", median(taken[0]), "import torch", median(taken[1]))


# -- the table ---------------------------------------------------------------------------------


def conditions(files: Sequence[MusicFile], repeats: int) -> str:
    """Machine, commit and versions, in a line or two."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    packages = []
    for name in ("pretty_midi", "miditoolkit", "note-seq", "symusic"):
        try:
            packages.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            packages.append(f"{name} isn't installed")
    models = {line.partition(":")[2].strip() for line in _cpu_lines() if line.startswith("model name")}
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    return (
        f"commit {commit.stdout.strip() or 'unknown'}; {', '.join(sorted(models)) or platform.processor()}, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {used}; {', '.join(packages)}\n"
        f"{len(files)} files of {sum(len(file.content) for file in files):,} bytes; one thread; "
        f"medians of {repeats} turns, seconds of the processor"
    )


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def table(rows: Sequence[Measured]) -> str:
    """The rows in Markdown.

    >>> print(table([Measured("reading", "ms a file", 0.001, "slow", 0.05)]))
    | what | unit | melodylc | rival | rival's | ratio |
    |---|---|---|---|---|---|
    | reading | ms a file | 1.000 | slow | 50.000 | 50 |
    """
    lines = ["| what | unit | melodylc | rival | rival's | ratio |", "|---|---|---|---|---|---|"]
    for row in rows:
        figures = f"{1e3 * row.ours:.3f} | {row.rival} | {1e3 * row.theirs:.3f} | {row.theirs / row.ours:.3g}"
        lines.append(f"| {row.what} | {row.unit} | {figures} |")
    return "\n".join(lines)


KINDS = ("reading", "extraction", "writing", "decoding", "rules", "start")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(KINDS), help="[default: all]")
@click.option("--midi", multiple=True, type=click.Path(path_type=Path, exists=True), help="Folders or archives.")
@click.option("--files", "count", default=200, show_default=True, help="At most so many files.")
@click.option("--repeats", default=5, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the table there, too.")
def main(only: tuple[str, ...], midi: tuple[Path, ...], count: int, repeats: int, output: Path | None) -> None:
    """Print the table."""
    warnings.simplefilter("ignore")  # rivals have some to say of odd files
    torch.set_num_threads(1)
    source = read_music_files(midi) if midi else jobs.music_files(count)
    files = [file for file in source if file.content[:4] == b"MThd"]
    files = files[:: max(1, len(files) // count)][:count]
    makers: dict[str, Callable[[], Iterator[Pair]]] = {
        "reading": lambda: reading(files),
        "extraction": lambda: extracting(files),
        "writing": writing,
        "decoding": decoders,
        "rules": rules,
    }
    rows = []
    for kind in only or KINDS:
        measured = [starting(repeats)] if kind == "start" else (in_turn(pair, repeats) for pair in makers[kind]())
        for row in measured:
            rows.append(row)
            click.echo(table([row]).splitlines()[-1], err=True)
    text = f"{conditions(files, repeats)}\n\n{table(rows)}\n"
    click.echo(text)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(output, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
