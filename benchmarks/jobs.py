"""What many melodies and many files cost: peak memory and seconds of one, for several numbers; and several workers.

    python benchmarks/jobs.py generate --sizes 200,2000
    python benchmarks/jobs.py workers -n 64
    python benchmarks/jobs.py build --sizes 2000,20000
    python benchmarks/jobs.py shards --files 2000 --shards 16

`generate` and `build` run a process for each size, the smallest first, and print its peak memory (`ru_maxrss`, children
apart), seconds of the processor for one, and the ratios to the first. `generate` takes a small model that was never
trained, so that files and manifest are most of the work; `--method` and `--model` take others. `workers` times one
worker and several, in turn, on the model that ships. `build` and `shards` read files that a seeded generator writes
while they are read, one at a time, and that nobody keeps: notes in a random walk on one of the scales of `data`, with
some rests; every fiftieth is a copy of an earlier one, as corpora have them.
"""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from melodylc.data.archives import MusicFile

COPY_EVERY = 50
SCALE = (0, 2, 4, 5, 7, 9, 11)
_PEAK = "import resource, sys; {work}; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10, file=sys.stderr)"


def music_file(number: int) -> MusicFile:
    """File `number` of a corpus that is made up: it depends on the number alone."""
    source = number - COPY_EVERY // 2 if number % COPY_EVERY == COPY_EVERY - 1 else number
    draw = np.random.default_rng((20, source))
    notes, start, degree = [], 0, int(draw.integers(20, 40))
    while start < 256:
        length = int(draw.choice([1, 2, 2, 4, 4, 8]))
        degree = int(np.clip(degree + draw.integers(-3, 4), 14, 48))
        if draw.random() > 0.1:
            octave, step = divmod(degree, len(SCALE))
            notes.append((12 * octave + SCALE[step], start, min(start + length, 256)))
        start += length
    return MusicFile(f"part{number % 4}", f"{number:07}.mid", _midi(notes))


def _midi(notes: list[tuple[int, int, int]]) -> bytes:
    """A plain MIDI file of notes (pitch, start, end in sixteenths): tens of times as fast as a library makes it."""
    track, now = [], 0
    for pitch, start, end in notes:
        for status, at in ((0x90, start), (0x80, end)):
            track.append(_length(120 * (at - now)) + bytes((status, pitch, 80)))
            now = at
    content = b"".join(track) + b"\0\xff\x2f\0"
    return b"MThd\0\0\0\6\0\0\0\1\1\xe0" + b"MTrk" + len(content).to_bytes(4, "big") + content


def _length(ticks: int) -> bytes:
    return bytes((ticks,)) if ticks < 128 else bytes((0x80 | ticks >> 7, ticks & 127))


def music_files(count: int) -> Iterator[MusicFile]:
    """So many of them, one at a time."""
    return (music_file(number) for number in range(count))


def untrained_model(folder: Path) -> Path:
    """The file of a small model that was never trained."""
    import torch

    from melodylc.models.checkpoint import save_model
    from melodylc.models.config import named_config
    from melodylc.models.vae import MelodyVAE

    torch.manual_seed(0)
    path = folder / "untrained.safetensors"
    save_model(path, MelodyVAE(named_config("tiny")), torch.full((32,), 0.5), {})
    return path


def measured(work: str) -> tuple[int, float]:
    """Peak memory in MiB and seconds of the processor of a fresh process that does some work."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", _PEAK.format(work=work)], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise click.ClickException(done.stderr.strip().splitlines()[-1])
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return int(done.stderr.split()[-1]), seconds


def report(what: str, sizes: list[int], works: Iterator[str]) -> None:
    """Print a table, a row for each size."""
    click.echo(f"| {what} | peak memory, MiB | ratio | ms of the processor for one more | \n|---|---|---|---|")
    first: tuple[int, int, float] | None = None
    for size, work in zip(sizes, works, strict=True):
        peak, seconds = measured(work)
        told = "" if first is None else f"{1000 * (seconds - first[2]) / (size - first[0]):.2f}"
        first = first or (size, peak, seconds)
        click.echo(f"| {size:,} | {peak} | {peak / first[1]:.3f} | {told} |")


@click.group()
def main() -> None:
    """Measure and print."""


def _sizes(_: click.Context, __: click.Parameter, value: str) -> list[int]:
    return sorted(int(word) for word in value.split(","))


@main.command()
@click.option("--sizes", default="200,2000", callback=_sizes)
@click.option("--method", default="rejection", show_default=True)
@click.option("--model", type=click.Path(path_type=Path), help="[default: a small one that was never trained]")
def generate(sizes: list[int], method: str, model: Path | None) -> None:
    """`melodylc generate` of several sizes."""
    with TemporaryDirectory() as name:
        model = model or untrained_model(Path(name))
        words = ["generate", "--model", str(model), "--method", method, "--no-verify", "--seed", "1"]
        runs = (
            f"from melodylc.cli.main import run; run({[*words, '-n', str(size), '-o', f'{name}/{size}']!r})"
            for size in sizes
        )
        report("melodies", sizes, runs)


@main.command()
@click.option("-n", "--count", default=64, show_default=True)
@click.option("--workers", "numbers", default="1,2", callback=_sizes)
@click.option("--repeats", default=3, show_default=True)
def workers(count: int, numbers: list[int], repeats: int) -> None:
    """Verified melodies in C major a second, with several numbers of workers, in turn; the start apart."""
    from melodylc.constraints.request import Request
    from melodylc.data.workers import local_workers
    from melodylc.service.generation import run_order
    from melodylc.service.order import Order

    order = Order(Request.read(scale=["cmaj"]), count=count, seed=1)
    rates: dict[int, list[float]] = {number: [] for number in numbers}
    for _ in range(repeats):
        for number in numbers:
            with local_workers(number) as found:
                warm = Order(order.request, count=8 * number, seed=2)
                run_order(warm, workers=found)  # processes start, and the rule is prepared
                begun = time.perf_counter()
                run_order(order, workers=found)
                rates[number].append(count / (time.perf_counter() - begun))
    click.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; medians of {repeats}")
    middle = {number: float(np.median(values)) for number, values in rates.items()}
    for number, rate in middle.items():
        click.echo(f"{number} workers: {rate:.2f} melodies a second, {rate / middle[numbers[0]]:.2f} times")


def build_simulated(count: int, folder: Path, workers: int = 1) -> None:
    """What `melodylc data build` does with so many files, but for the reading of a disk."""
    from dataclasses import asdict

    from melodylc.data.build import HELDOUT_SHARE, replacing
    from melodylc.data.extract import VERSION, shards
    from melodylc.data.merge import pool_shards, split, write_corpus
    from melodylc.data.windows import DEFAULT_FILTERS

    with replacing(folder) as staged:
        made = [part.path for part in shards(music_files(count), DEFAULT_FILTERS, staged.work, workers)]
        pool = pool_shards(made, staged.work)
        about = {"version": VERSION, "filters": asdict(DEFAULT_FILTERS), "heldout_share": HELDOUT_SHARE}
        write_corpus(staged.folder, pool, split(pool, HELDOUT_SHARE), about)
        staged.finish()


@main.command()
@click.option("--sizes", default="2000,20000", callback=_sizes)
def build(sizes: list[int]) -> None:
    """`melodylc data build` of several sizes; the worker's memory and seconds stand with the parent's."""
    here = str(Path(__file__).resolve().parent)
    with TemporaryDirectory() as name:
        works = (
            f"sys.path.insert(0, {here!r}); import jobs; from pathlib import Path; "
            f"jobs.build_simulated({size}, Path({name!r}) / '{size}')"
            for size in sizes
        )
        report("files", sizes, works)


@main.command()
@click.option("--files", default=2000, show_default=True)
@click.option("--shards", "count", default=16, show_default=True)
def shards(files: int, count: int) -> None:
    """One build split in shards and merged, against the whole: the fingerprints, and duplicates found."""
    from melodylc.data.archives import Share
    from melodylc.data.build import build as build_corpus
    from melodylc.data.build import build_shard, merge_shards

    with TemporaryDirectory() as name:
        root = Path(name)
        for file in music_files(files):
            path = root / "midi" / file.collection / file.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.content)
        paths = sorted((root / "midi").iterdir())
        whole = build_corpus(paths, root / "whole", workers=1)
        parts = [build_shard(paths, root / f"{k}", Share(k, count), workers=1).folder for k in range(1, count + 1)]
        merged = merge_shards(parts, root / "merged")
        click.echo(f"whole {whole.fingerprint}, {count} shards merged {merged.fingerprint}")
        click.echo(
            f"duplicates found: {whole.manifest['counts']['duplicates']}, {merged.manifest['counts']['duplicates']}"
        )


if __name__ == "__main__":
    main()
