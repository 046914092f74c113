"""From files of music to shards: what one worker does, and how the work is dealt out.

Files are read in a fixed order and dealt in chunks of a fixed size; each chunk becomes one shard, a
file whose name is a hash of everything it depends on: the chunk's names and bytes, the filters,
and `VERSION`. So a build that was stopped goes on where it was, and one of other files or options
can't take up a shard by mistake. What a worker does depends on its chunk alone.
"""

import hashlib
import io
import json
import sys
import zipfile
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.archives import MusicFile
from melodylc.data.arrays import Events
from melodylc.data.bars import Layout, layout
from melodylc.data.errors import InputError, ScoreError
from melodylc.data.files import atomic_write
from melodylc.data.readers import read_music
from melodylc.data.roles import roles
from melodylc.data.windows import FILTERS, Filters, melody_line, offsets
from melodylc.data.workers import Workers, process_pool, quiet_start

VERSION = 3  # of everything that decides what a shard holds
CHUNK_FILES = 128
CHUNK_BYTES = 8 << 20
DIGEST_SIZE = 16  # bytes; two of a billion different windows would meet once in 10**20 corpora

MAX_CELLS = 1 << 22  # bars of all tracks together that are looked at side by side

ROW = np.dtype([("piece", np.int32), ("track", np.int16), ("bar", np.int32), ("offset", np.int16), ("role", np.uint8)])


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file.

    `problem`: why it couldn't be read; `unused`: why it was read and has no window; `remarks`: what was assumed, moved
    or left out in reading it; `dropped`: windows that each of `FILTERS` dropped.
    """

    collection: str
    file: str
    problem: str = ""
    tracks: int = 0
    windows: int = 0
    dropped: tuple[int, ...] = field(default=(0,) * len(FILTERS))
    unused: str = ""
    remarks: tuple[str, ...] = ()


class Extraction(NamedTuple):
    """The windows of some files that passed: rows of `events` and `rows` (piece: which file)."""

    events: Events
    rows: npt.NDArray[Any]
    reports: list[FileReport]

    def digests(self) -> npt.NDArray[np.uint64]:
        """Shape (n, 2): a 128-bit hash of each melody."""
        hashed = b"".join(hashlib.blake2b(row, digest_size=DIGEST_SIZE).digest() for row in self.events)
        return np.frombuffer(hashed, np.uint64).reshape(-1, 2)


def extract(files: Iterable[MusicFile], filters: Filters) -> Extraction:
    """The windows of files that pass the filters. A file that can't be read is reported, not fatal."""
    events, rows, reports = [np.empty((0, STEPS), np.uint8)], [np.empty(0, ROW)], []
    for index, file in enumerate(files):
        found, where, report = extract_file(file, filters)
        where["piece"] = index
        events.append(found)
        rows.append(where)
        reports.append(report)
    return Extraction(np.concatenate(events), np.concatenate(rows), reports)


def extract_file(file: MusicFile, filters: Filters) -> tuple[Events, npt.NDArray[Any], FileReport]:
    """One file's windows (n, 256), where each begins, and the report."""
    report = FileReport(file.collection, file.file, file.problem)
    events, rows = [np.empty((0, STEPS), np.uint8)], [np.empty(0, ROW)]
    try:
        piece = None if file.problem else _layout(file)
    except ScoreError as error:
        piece, report = None, replace(report, problem=str(error))
    if piece is None:
        return events[0], rows[0], report
    score = piece.score
    counts = np.zeros(len(FILTERS) + 1, np.int64)  # the last: kept, which `select` calls -1
    for section in piece.sections:
        if section.bars < BARS or not score.parts:
            continue
        numbers, distances = filters.numbers(section), offsets(section)
        lines = [melody_line(part, section, score.division) for part in score.parts]
        each_role = roles([part.name for part in score.parts], lines)
        for part, line, role in zip(score.parts, lines, each_role, strict=True):
            failed, kept = filters.select(line, numbers)
            counts += np.bincount(failed % len(counts), minlength=len(counts))
            events.append(kept)
            bars = numbers[failed < 0]
            found = np.zeros(len(bars), ROW)
            found["track"], found["bar"] = part.track, section.first + bars
            found["offset"], found["role"] = distances[bars], role[bars]
            rows.append(found)
    dropped = tuple(counts[:-1].tolist())
    report = replace(
        report,
        tracks=len(score.parts),
        windows=int(counts.sum()),
        dropped=dropped,
        unused="" if counts.sum() else _why_unused(piece),
        remarks=(*score.remarks, *score.repairs, *piece.remarks),
    )
    return np.concatenate(events), np.concatenate(rows), report


def _layout(file: MusicFile) -> Layout:
    """The bars of a file's piece.

    Raises:
        ScoreError: it can't be read, or is larger than any piece.
    """
    piece = layout(read_music(file.content, file.file))
    cells = sum(section.bars for section in piece.sections) * len(piece.score.parts)
    if cells > MAX_CELLS:
        raise ScoreError(f"claims {cells:,} bars in its tracks together, more than {MAX_CELLS:,}")
    return piece


def _why_unused(piece: Layout) -> str:
    if not any(len(part.starts) for part in piece.score.parts):
        return "no notes but drums" if piece.score.note_ons else "no notes"
    over, under = piece.meter
    longest = max((section.bars for section in piece.sections), default=0)
    if longest:
        return f"{longest} bar{'s' * (longest > 1)} of 4/4 in a row at most"
    return f"in {over}/{under}"


def _joined(one: Extraction, other: Extraction) -> Extraction:
    other.rows["piece"] += len(one.reports)
    events, rows = np.concatenate([one.events, other.events]), np.concatenate([one.rows, other.rows])
    return Extraction(events, rows, one.reports + other.reports)


# -- shards ------------------------------------------------------------------------------------


def save_shard(path: Path, extracted: Extraction) -> None:
    """Write a shard, whole or not at all."""
    reports = json.dumps([asdict(report) for report in extracted.reports]).encode()
    buffer = io.BytesIO()
    np.savez(
        buffer,
        events=extracted.events,
        rows=extracted.rows,
        digests=extracted.digests(),
        reports=np.frombuffer(reports, np.uint8),
    )
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def load_shard(path: Path) -> tuple[Extraction, npt.NDArray[np.uint64]]:
    """A shard and its digests.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with np.load(path) as shard:
            reports = [_compact(FileReport(**row)) for row in json.loads(shard["reports"].tobytes())]
            return Extraction(shard["events"], shard["rows"], reports), shard["digests"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{str(path)!r} is damaged: remove it, and build again") from error


_ZEROS = (0,) * len(FILTERS)


def _compact(report: FileReport) -> FileReport:
    """The same in less memory, of which a corpus of a million files takes most: what many have in common, once."""
    dropped = tuple(report.dropped)
    return replace(
        report,
        collection=sys.intern(report.collection),
        problem=sys.intern(report.problem),
        unused=sys.intern(report.unused),
        dropped=dropped if any(dropped) else _ZEROS,
        remarks=tuple(map(sys.intern, report.remarks)),
    )


def chunks(files: Iterable[MusicFile]) -> Iterator[list[MusicFile]]:
    """Files in lists of at most `CHUNK_FILES`, about `CHUNK_BYTES`."""
    chunk: list[MusicFile] = []
    size = 0
    for file in files:
        chunk.append(file)
        size += len(file.content)
        if len(chunk) == CHUNK_FILES or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def shard_name(chunk: list[MusicFile], filters: Filters) -> str:
    """The name that says what a shard holds."""
    digest = hashlib.blake2b(f"{VERSION} {filters}".encode(), digest_size=16)
    for file in chunk:
        for piece in (file.collection.encode(), file.file.encode(), file.content, file.problem.encode()):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return f"shard-{digest.hexdigest()}.npz"


class CorpusParts(NamedTuple):
    """A shard that is there now: how many files it holds, and whether an earlier run made it."""

    path: Path
    files: int
    reused: bool


def shards(files: Iterable[MusicFile], filters: Filters, folder: Path, workers: int) -> Iterator[CorpusParts]:
    """Each chunk's shard in order, made by `workers` processes; three chunks a worker are in memory."""
    crew = _Crew(workers, filters)
    waiting: deque[_Order] = deque()
    try:
        for chunk in chunks(files):
            waiting.append(crew.order(chunk, folder / shard_name(chunk, filters)))
            if len(waiting) >= 3 * workers:
                yield crew.deliver(waiting.popleft())
        while waiting:
            yield crew.deliver(waiting.popleft())
    finally:
        crew.dismiss()


def shards_by(files: Iterable[MusicFile], filters: Filters, folder: Path, workers: Workers) -> Iterator[CorpusParts]:
    """As `shards`, made by any workers: files go to them, and what they found comes back and is written here.

    Raises:
        WorkersLost: the workers went away; the shards of before are there.
    """
    expected: deque[CorpusParts] = deque()

    def jobs() -> Iterator[tuple[list[MusicFile], Filters]]:
        for chunk in chunks(files):
            path = folder / shard_name(chunk, filters)
            reused = zipfile.is_zipfile(path)
            expected.append(CorpusParts(path, len(chunk), reused))
            yield [] if reused else chunk, filters

    for found in workers.map(_extract_job, jobs()):
        part = expected.popleft()
        if not part.reused:
            save_shard(part.path, found)
        yield part


def _extract_job(job: tuple[list[MusicFile], Filters]) -> Extraction:
    return extract(*job)


class _Order(NamedTuple):
    chunk: list[MusicFile]
    path: Path
    future: "Future[None] | None"  # None: an earlier run made it


class _Crew:
    """Processes that extract. One that dies takes the pool with it, and a new pool goes on."""

    def __init__(self, workers: int, filters: Filters) -> None:
        self._workers = workers
        self._filters = filters
        self._pool: ProcessPoolExecutor | None = None

    def order(self, chunk: list[MusicFile], path: Path) -> _Order:
        """Have a shard made, if it isn't there."""
        if zipfile.is_zipfile(path):
            return _Order(chunk, path, None)
        try:
            with quiet_start():
                self._pool = self._pool or process_pool(self._workers)
                future = self._pool.submit(_work, chunk, self._filters, path)
            return _Order(chunk, path, future)
        except BrokenProcessPool:
            self.dismiss()
            return self.order(chunk, path)

    def deliver(self, order: _Order) -> CorpusParts:
        """Wait for a shard."""
        try:
            if order.future is not None:
                order.future.result()
        except BrokenProcessPool:
            save_shard(order.path, self._carefully(order.chunk))
        return CorpusParts(order.path, len(order.chunk), order.future is None)

    def _carefully(self, files: list[MusicFile]) -> Extraction:
        """Extract in a process of its own; where that dies, find by halves the file it dies of."""
        with process_pool(1) as pool:
            try:
                with quiet_start():
                    future = pool.submit(extract, files, self._filters)
                return future.result()
            except BrokenProcessPool:
                pass
        if len(files) == 1:
            return extract([files[0]._replace(content=b"", problem="the reader crashed on it")], self._filters)
        half = len(files) // 2
        return _joined(self._carefully(files[:half]), self._carefully(files[half:]))

    def dismiss(self) -> None:
        """End the processes; what they have not begun is dropped."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None


def _work(chunk: list[MusicFile], filters: Filters, path: Path) -> None:
    save_shard(path, extract(chunk, filters))
