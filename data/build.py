"""`melodylc data build`: from folders and archives to a corpus on the disk.

Beside the output a work folder (`CORPUS.work`) keeps the shards, so a build that was stopped goes on
where it was; it goes when the corpus stands. The corpus is written there as well, and takes the
output's place at once, as a whole.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from melodylc.data.archives import read_midi_files
from melodylc.data.corpus import MANIFEST, Corpus
from melodylc.data.errors import CorpusError, InputError
from melodylc.data.extract import VERSION, all_cores, shards
from melodylc.data.files import reason
from melodylc.data.merge import pool_shards, split, write_corpus
from melodylc.data.windows import Filters

HELDOUT_SHARE = 0.05
Progress = Callable[[int, int], None]  # files done, of them taken from an earlier run


def build(
    paths: Sequence[str | Path],
    output: str | Path,
    *,
    filters: Filters = Filters(),
    heldout: float = HELDOUT_SHARE,
    workers: int | None = None,
    progress: Progress = lambda done, reused: None,
) -> Corpus:
    """Extract all melodies of folders and archives into a corpus.

    Args:
        paths: folders, archives and MIDI files; see `melodylc.data.archives`.
        output: a folder that isn't there, is empty, or holds an earlier corpus, which is replaced.
        filters: what a window must have.
        heldout: share of works to hold out, 0..0.5.
        workers: processes; all cores by default. The corpus is the same for any number.
        progress: called after each chunk with the files done and those taken from an earlier run.

    Raises:
        InputError: a path, archive or output that can't be used; one line. The output is as it was.
    """
    if not 0 <= heldout <= 0.5:
        raise InputError(f"a held-out share of {heldout} isn't within 0..0.5")
    target = Path(os.path.abspath(output))
    check_output(target)
    work = target.with_name(f"{target.name}.work")
    try:
        work.mkdir(exist_ok=True)
        made = _all_shards(paths, filters, work, workers or all_cores(), progress)
        staging = _staging(work)
        pool = pool_shards(made, work)
        about = {"version": VERSION, "filters": asdict(filters), "heldout_share": heldout}
        write_corpus(staging, pool, split(pool, heldout), about)
        del pool  # unmaps the files, which Windows wouldn't delete otherwise
        _replace(target, staging, work)
    except OSError as error:
        raise InputError(f"can't write {str(error.filename or work)!r}: {reason(error)}") from error
    _clear(work)
    return Corpus.open(target)


def _all_shards(
    paths: Sequence[str | Path], filters: Filters, work: Path, workers: int, progress: Progress
) -> list[Path]:
    made, done, reused = [], 0, 0
    for path, files, was_there in shards(read_midi_files(paths), filters, work, workers):
        made.append(path)
        done += files
        reused += files if was_there else 0
        progress(done, reused)
    return made


def check_output(target: Path) -> None:
    """Refuse an output that holds anything but an earlier corpus."""
    if target.is_dir():
        foreign = sorted(set(os.listdir(target)) - _corpus_files(target))
        if foreign:
            raise InputError(f"{str(target)!r} holds other files ({foreign[0]!r}); choose a new folder for the corpus")
    elif target.exists():
        raise InputError(f"{str(target)!r} is a file; the corpus is a folder")
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r} to put {target.name!r} in; make it first")


def _corpus_files(target: Path) -> set[str]:
    """What the corpus that is already there lists as its own."""
    if not (target / MANIFEST).exists():
        return set()
    try:
        return {str(name) for name in Corpus.open(target).manifest["files"]}
    except (CorpusError, KeyError, TypeError):
        return set()


def _staging(work: Path) -> Path:
    staging = work / "corpus"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    return staging


def _replace(target: Path, staging: Path, work: Path) -> None:
    former = work / "former"
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        os.replace(target, former)
    os.replace(staging, target)
    shutil.rmtree(former, ignore_errors=True)


def _clear(work: Path) -> None:
    for entry in (*work.glob("shard-*.npz"), *work.glob("pool-*.bin")):
        entry.unlink(missing_ok=True)
    with suppress(OSError):
        work.rmdir()
