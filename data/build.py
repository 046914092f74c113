"""`melodylc data build`: from folders and archives to a corpus on the disk.

Beside the output a work folder (`CORPUS.work`) keeps the shards, so a build that was stopped goes on
where it was; it goes when the corpus stands. The corpus is written there as well, and takes the
output's place at once, as a whole. A second build of the same corpus at the same time is refused.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from melodylc.data.archives import MusicFile, Share, check_paths, read_music_files
from melodylc.data.corpus import MANIFEST, Corpus
from melodylc.data.corpus_shard import SHARD, SHARD_FORMAT, CorpusShard, check_shards
from melodylc.data.errors import InputError
from melodylc.data.extract import VERSION, CorpusParts, shards, shards_by
from melodylc.data.files import atomic_write, reason, sweep
from melodylc.data.locks import lock
from melodylc.data.merge import pool_shards, split, write_corpus
from melodylc.data.windows import DEFAULT_FILTERS, Filters
from melodylc.data.workers import Workers, all_cores

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
    executor: Executor | Workers | None = None,
    progress: BuildProgress = lambda done, reused: None,
) -> Corpus:
    """Extract all melodies of folders and archives into a corpus.

    Args:
        paths: folders, archives and files of music; see `melodylc.data.archives`.
        output: a folder that isn't there, is empty, or holds an earlier corpus, which is replaced.
        filters: what a window must have.
        heldout: share of works to hold out, 0..0.5.
        workers: processes; all cores by default. The corpus is the same for any number.
        executor: where files are read, in the place of processes: a Dask client's `get_executor()`, or another one.
        progress: called after each chunk with the files done and those taken from an earlier run.

    Raises:
        InputError: a path, archive or output that can't be used, or that another process writes; one line. The output
            is as it was.
        WorkersLost: the executor's workers went away; what was read is there for the next run.
    """
    about = _about(filters, heldout)
    check_paths(paths)
    with replacing(output) as staged:
        made = _extract_pieces(read_music_files(paths), staged.work, filters, workers, executor, progress)
        pool = pool_shards((part.path for part in made), staged.work)
        write_corpus(staged.folder, pool, split(pool, heldout), about)
        staged.finish()
        return Corpus.open(staged.target)


def build_shard(
    paths: Sequence[str | Path],
    output: str | Path,
    share: Share,
    *,
    filters: Filters = DEFAULT_FILTERS,
    heldout: float = HELDOUT_SHARE,
    workers: int | None = None,
    executor: Executor | Workers | None = None,
    progress: BuildProgress = lambda done, reused: None,
) -> CorpusShard:
    """Extract the melodies of a share of the files; `merge_shards` makes a corpus of all shards.

    Args:
        paths: of all files, the same for every shard.
        output: a folder, as `build` takes it.
        share: which of the files.
        filters: what a window must have.
        heldout: share of works that will be held out, 0..0.5.
        workers: processes; all cores by default.
        executor: where files are read, in the place of processes.
        progress: called after each chunk with the files done and those taken from an earlier run.

    Raises:
        InputError, WorkersLost: as `build`.
    """
    about = _about(filters, heldout)
    check_paths(paths)
    with replacing(output) as staged:
        made = _extract_pieces(read_music_files(paths, share), staged.work, filters, workers, executor, progress)
        names = []
        for number, part in enumerate(made):
            names.append(f"part-{number:05}.npz")
            part.path.replace(staged.folder / names[-1])
        told = {
            "shard": share.number,
            "of": share.of,
            "listing": share.listing,
            "files": sum(part.files for part in made),
        }
        manifest = {"format": SHARD_FORMAT, **told, **about, "parts": names}
        with atomic_write(staged.folder / SHARD, "w") as file:
            json.dump(manifest, file, indent=1)
        staged.finish()
        return CorpusShard(staged.target, manifest)


def merge_shards(folders: Sequence[str | Path], output: str | Path) -> Corpus:
    """A corpus of all shards: that of one `build` of all files, byte for byte. Duplicates between shards are found.

    Args:
        folders: of the shards, in any order; they stay.
        output: a folder, as `build` takes it.

    Raises:
        InputError: a folder that holds no shard, shards that don't belong together, one that is missing or there
            twice. The output is as it was.
    """
    parts = sorted((CorpusShard.open(folder) for folder in folders), key=lambda shard: shard.number)
    about = check_shards(parts)
    if about["version"] != VERSION:
        raise InputError(f"{parts[0].folder} was built by another version of melodylc: build the shards again")
    with replacing(output) as staged:
        pool = pool_shards((path for shard in parts for path in shard.parts), staged.work)
        write_corpus(staged.folder, pool, split(pool, about["heldout_share"]), about)
        staged.finish()
        return Corpus.open(staged.target)


def _about(filters: Filters, heldout: float) -> dict[str, Any]:
    if not 0 <= heldout <= MAX_HELDOUT_SHARE:
        raise InputError(f"a held-out share of {heldout} isn't within 0..{MAX_HELDOUT_SHARE}")
    return {"version": VERSION, "filters": asdict(filters), "heldout_share": heldout}


def _extract_pieces(
    files: Iterator[MusicFile],
    work: Path,
    filters: Filters,
    workers: int | None,
    executor: Executor | Workers | None,
    progress: BuildProgress,
) -> list[CorpusParts]:
    """What was found in files, in `work`."""
    made: list[CorpusParts] = []
    done = reused = 0
    if executor is not None:
        parts = shards_by(files, filters, work, executor if isinstance(executor, Workers) else Workers(executor))
    else:
        parts = shards(files, filters, work, workers or all_cores())
    for part in parts:
        made.append(part)
        done, reused = done + part.files, reused + part.files * part.reused
        progress(done, reused)
    return made


@dataclass(frozen=True)
class Replacement:
    """A folder to be, which takes the place of another as a whole."""

    target: Path
    work: Path  #: beside it: what the next run goes on from

    @property
    def folder(self) -> Path:
        """Where its files are written."""
        return self.work / STAGING

    def finish(self) -> None:
        """Put it in its place."""
        _replace(self.target, self.work)
        _clear(self.work)


@contextmanager
def replacing(output: str | Path) -> Iterator[Replacement]:
    """A folder to write a corpus in, which replaces that of `output` when it is finished; no other process writes it.

    Raises:
        InputError: the output can't be used, or another process writes it.
    """
    target = Path(output).resolve()
    if not target.parent.is_dir():
        raise InputError(f"there is no folder {str(target.parent)!r} to put {target.name!r} in; make it first")
    staged = Replacement(target, target.with_name(f"{target.name}.work"))
    with lock(target):
        try:
            _recover(target, staged.work)
            check_output(target)
            staged.work.mkdir(exist_ok=True)
            sweep(staged.work)
            shutil.rmtree(staged.folder, ignore_errors=True)
            staged.folder.mkdir()
            yield staged
        except OSError as error:
            raise InputError(f"can't write {str(error.filename or staged.work)!r}: {reason(error)}") from error
        finally:
            with suppress(OSError):
                staged.folder.rmdir()
            with suppress(OSError):
                staged.work.rmdir()  # when nothing is left in it


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
    """What the corpus that is already there, or the shard of one, lists as its own."""
    try:
        if (target / SHARD).exists():
            return {SHARD, *map(str, json.loads((target / SHARD).read_text(encoding="utf-8"))["parts"])}
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
