"""`melodylc data build`: from folders and archives to a corpus on the disk.

Beside the output a work folder (`CORPUS.work`) keeps the shards, so a build that was stopped goes on
where it was; it goes when the corpus stands. The corpus is written there as well, and takes the
output's place at once, as a whole. A second build of the same corpus at the same time is refused.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from melodylc.data.archives import check_paths, read_music_files
from melodylc.data.corpus import MANIFEST, Corpus
from melodylc.data.errors import InputError
from melodylc.data.extract import VERSION, CorpusParts, shards
from melodylc.data.files import reason, sweep
from melodylc.data.locks import lock
from melodylc.data.merge import pool_shards, split, write_corpus
from melodylc.data.windows import DEFAULT_FILTERS, Filters
from melodylc.data.workers import all_cores

STAGING, FORMER = "corpus", "former"  # in the work folder: the corpus to be, and the one it replaces
HELDOUT_SHARE = 0.05
MAX_HELDOUT_SHARE = 0.5
BuildProgress = Callable[[int, int], None]  # files done, of them taken from an earlier run


def build(
    paths: Sequence[str | Path],
    output: str | Path,
    *,
    filters: Filters = DEFAULT_FILTERS,
    heldout: float = HELDOUT_SHARE,
    workers: int | None = None,
    progress: BuildProgress = lambda done, reused: None,
) -> Corpus:
    """Extract all melodies of folders and archives into a corpus.

    Args:
        paths: folders, archives and files of music; see `melodylc.data.archives`.
        output: a folder that isn't there, is empty, or holds an earlier corpus, which is replaced.
        filters: what a window must have.
        heldout: share of works to hold out, 0..0.5.
        workers: processes; all cores by default. The corpus is the same for any number.
        progress: called after each chunk with the files done and those taken from an earlier run.

    Raises:
        InputError: a path, archive or output that can't be used, or that another process writes; one line. The output
            is as it was.
    """
    if not 0 <= heldout <= MAX_HELDOUT_SHARE:
        raise InputError(f"a held-out share of {heldout} isn't within 0..{MAX_HELDOUT_SHARE}")
    check_paths(paths)
    target = Path(output).resolve()
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r} to put {target.name!r} in; make it first")
    work = target.with_name(f"{target.name}.work")
    with lock(target):
        try:
            _recover(target, work)
            check_output(target)
            work.mkdir(exist_ok=True)
            sweep(work)
            _build(paths, work, filters, heldout, workers or all_cores(), progress)
            _replace(target, work)
            _clear(work)
        except OSError as error:
            raise InputError(f"can't write {str(error.filename or work)!r}: {reason(error)}") from error
        finally:
            with suppress(OSError):
                work.rmdir()  # when nothing is left in it
        return Corpus.open(target)


def _build(
    paths: Sequence[str | Path], work: Path, filters: Filters, heldout: float, workers: int, progress: BuildProgress
) -> None:
    made: list[CorpusParts] = []
    for shard in shards(read_music_files(paths), filters, work, workers):
        made.append(shard)
        progress(sum(m.files for m in made), sum(m.files for m in made if m.reused))
    staging = work / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    pool = pool_shards((shard.path for shard in made), work)
    about = {"version": VERSION, "filters": asdict(filters), "heldout_share": heldout}
    write_corpus(staging, pool, split(pool, heldout), about)


def check_output(target: Path) -> None:
    """Refuse an output that holds anything but an earlier corpus.

    Raises:
        InputError: what stands in the way.
    """
    if target.is_dir():
        foreign = sorted({entry.name for entry in target.iterdir()} - _corpus_files(target))
        if foreign:
            raise InputError(f"{str(target)!r} holds other files ({foreign[0]!r}); choose a new folder for the corpus")
    elif target.exists():
        raise InputError(f"{str(target)!r} is a file; the corpus is a folder")


def _corpus_files(target: Path) -> set[str]:
    """What the corpus that is already there lists as its own."""
    try:
        return {str(name) for name in json.loads((target / MANIFEST).read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()  # whatever its format: an old corpus is replaced as well


def _replace(target: Path, work: Path) -> None:
    former = work / FORMER
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        target.replace(former)
    (work / STAGING).replace(target)


def _recover(target: Path, work: Path) -> None:
    """Put back a corpus that a run was about to replace when it was killed."""
    if (work / FORMER).is_dir() and not target.exists():
        (work / FORMER).replace(target)


def _clear(work: Path) -> None:
    sweep(work)
    for entry in (*work.glob("shard-*.npz"), *work.glob("pool-*.bin")):
        entry.unlink(missing_ok=True)
    for folder in (STAGING, FORMER):
        shutil.rmtree(work / folder, ignore_errors=True)
