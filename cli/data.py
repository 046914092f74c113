"""`melodylc data build PATH... -o CORPUS`: extract melodies from MIDI, ABC, MusicXML and Humdrum files."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from melodylc.data.errors import InputError

if TYPE_CHECKING:
    from melodylc.data.archives import Share
    from melodylc.data.corpus import Corpus
    from melodylc.data.corpus_shard import CorpusShard

_SHOWN_PROBLEMS = 20
_SHOWN_REASONS = 12


@click.group()
def data() -> None:
    """Build corpora of melodies."""


@data.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="CORPUS", required=True, type=click.Path(path_type=Path), help="Its folder.")
@click.option(
    "--preset",
    type=click.Choice(["magenta", "reference", "reference-strict"]),
    default="magenta",
    show_default=True,
    help="Filters to start from; those named reference are the conditions of the shared archives' counts.",
)
@click.option("--least-sounding", type=click.FloatRange(0, 1), help="Least share of the steps that sound.  [0.3]")
@click.option("--longest-rest", type=click.IntRange(0, 256), help="Longest rest, in sixteenths.  [16]")
@click.option("--least-notes", type=click.IntRange(0, 256), help="Least notes in 16 bars.  [16]")
@click.option("--least-pitches", type=click.IntRange(0, 128), help="Least different pitches.  [5]")
@click.option("--least-bars", type=click.IntRange(0, 16), help="Least different bars.  [4]")
@click.option(
    "--windows",
    type=click.Choice(["phrases", "every-bar"]),
    help="Where melodies begin: with the first full bar, with parts after repeats, and every four bars from there; "
    "or with every bar.  [phrases; every-bar with the presets named reference]",
)
@click.option("--heldout", type=click.FloatRange(0, 0.5), default=0.05, show_default=True, help="Share of works.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--workers", type=click.IntRange(1), help="Processes; all cores by default. The corpus is the same.")
@click.option("--cluster", metavar="ADDRESS", help="The scheduler of a Dask cluster that reads the files.")
@click.option(
    "--shard", metavar="K/N", help="Read one of N shares of the files, for `melodylc data merge`; each on its machine."
)
def build(
    paths: tuple[Path, ...],
    output: Path,
    preset: str,
    windows: str | None,
    heldout: float,
    as_json: bool,
    workers: int | None,
    cluster: str | None,
    shard: str | None,
    **bounds: float | None,
) -> None:
    """Extract the melodies of 16 bars from files of music in folders and archives (zip, tar.*) into CORPUS.

    They are MIDI (.mid), ABC (.abc), MusicXML (.musicxml, .xml, .mxl) or Humdrum (.krn). Run again after it was
    stopped, it goes on where it was. CORPUS/files.tsv says of every file what became of it.
    """
    from dataclasses import replace

    from melodylc.cli import ui
    from melodylc.data.build import build as build_corpus
    from melodylc.data.build import build_shard
    from melodylc.data.windows import PRESETS
    from melodylc.data.workers import choose_workers

    chosen: dict[str, object] = {name.split("_")[1]: value for name, value in bounds.items() if value is not None}
    chosen |= {"windows": windows} if windows else {}
    filters = replace(PRESETS[preset], **chosen)  # type: ignore[arg-type]
    share = None if shard is None else _share(shard)
    with choose_workers(workers if cluster else None, cluster) as found, ui.progress("reading files") as step:
        seen = 0

        def progress(done: int, reused: int) -> None:
            nonlocal seen
            step(done - seen, label=f"reading files ({reused} from an earlier run)" if reused else None)
            seen = done

        options: dict[str, Any] = {"filters": filters, "heldout": heldout, "workers": workers, "progress": progress}
        if share is not None:
            part = build_shard(paths, output, share, executor=found, **options)
        else:
            corpus = build_corpus(paths, output, executor=found, **options)
    if share is not None:
        ui.print_json({"folder": str(part.folder), **part.manifest}) if as_json else _show_shard(part)
    else:
        ui.print_json({"folder": str(corpus.folder), **corpus.manifest}) if as_json else _show(corpus)


@data.command()
@click.argument("shards", metavar="SHARD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--output", metavar="CORPUS", required=True, type=click.Path(path_type=Path), help="Its folder.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def merge(shards: tuple[Path, ...], output: Path, as_json: bool) -> None:
    """Merge all shards of `data build --shard` into CORPUS, which is that of one build of all files, byte for byte.

    
    melodylc data build midi/* --shard 1/2 -o shards/1
    melodylc data build midi/* --shard 2/2 -o shards/2
    melodylc data merge shards/* -o corpus
    """
    from melodylc.cli import ui
    from melodylc.data.build import merge_shards

    corpus = merge_shards(shards, output)
    ui.print_json({"folder": str(corpus.folder), **corpus.manifest}) if as_json else _show(corpus)


def _share(text: str) -> "Share":
    from melodylc.data.archives import Share

    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal()):
        raise InputError(f"{text!r} is no share: --shard takes K/N, such as 1/16")
    return Share(int(number), int(of))


def _show_shard(shard: "CorpusShard") -> None:
    click.echo(f"wrote shard {shard.number}/{shard.of} of {shard.files:,} files to {shard.folder}")


def _show(corpus: "Corpus") -> None:
    from melodylc.cli import ui

    manifest = corpus.manifest
    ui.table(["what became of the files", "files"], list(_outcomes(manifest)))
    ui.table(["what became of their windows", "windows"], list(_summary(manifest)))
    ui.table(
        ["collection", "files", "unreadable", "tracks", "windows", "different alone", "train", "held out"],
        [
            [name, *(of[k] for k in ("files", "unreadable", "tracks", "windows", "unique", "train", "heldout"))]
            for name, of in manifest["collections"].items()
        ],
    )
    for line in _problems(manifest["unreadable"]):
        ui.say(line)
    click.echo(f"wrote {corpus.folder}  fingerprint {corpus.fingerprint}")


def _outcomes(manifest: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """A row for each reason; they add up to all files."""
    outcomes = dict(manifest["outcomes"])
    first = {kind: outcomes.pop(kind) for kind in ("gave melodies", "unreadable") if kind in outcomes}
    yield from first.items()
    rare = sum(count for kind, count in list(outcomes.items())[_SHOWN_REASONS:])
    yield from list(outcomes.items())[:_SHOWN_REASONS]
    if rare:
        yield "other reasons, in files.tsv", rare
    yield "all", manifest["counts"]["files"]


def _summary(manifest: dict[str, Any]) -> Iterator[tuple[str, int]]:
    counts, bounds = manifest["counts"], manifest["filters"]
    begin = "at phrases" if bounds["windows"] == "phrases" else "at every bar"
    yield f"16 bars of 4/4 or 2/2 from {counts['tracks']:,} tracks, {begin}", counts["windows"]
    yield f"dropped: less than {bounds['sounding']:.0%} sounding", counts["sounding"]
    yield f"dropped: a rest of more than {bounds['rest']} sixteenths", counts["rest"]
    yield f"dropped: fewer than {bounds['notes']} notes", counts["notes"]
    yield f"dropped: fewer than {bounds['pitches']} pitches", counts["pitches"]
    yield f"dropped: fewer than {bounds['bars']} different bars", counts["bars"]
    yield "dropped: exact duplicates", counts["duplicates"]
    yield "dropped: held out, but four bars shared with training", counts["heldout_shared"]
    yield "melodies for training", manifest["train"]
    yield f"melodies held out ({manifest['heldout_works']} of {manifest['works']} works)", manifest["heldout"]


def _problems(unreadable: list[list[str]]) -> Iterator[str]:
    """The files that couldn't be read, by name; the reasons' counts where they are many."""
    for collection, file, problem in unreadable[:_SHOWN_PROBLEMS]:
        yield f"unreadable: {collection}/{file}: {problem}"
    rest = Counter(problem for _, _, problem in unreadable[_SHOWN_PROBLEMS:])
    for problem, count in rest.most_common(_SHOWN_PROBLEMS):
        yield f"unreadable: {count} more: {problem}"
    if rest:
        yield "all unreadable files are named in files.tsv"
