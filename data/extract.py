"""From MIDI files to shards: what one worker does, and how the work is dealt out.

Files are read in a fixed order and dealt in chunks of a fixed size; each chunk becomes one shard, a
file whose name is a hash of everything it depends on: the chunk's names and bytes, the filters and
`VERSION`. So a build that was stopped goes on where it was, and one of other files or options
can't take up a shard by mistake. What a worker does depends on its chunk alone.
"""

import hashlib
import io
import json
import multiprocessing
import os
import signal
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STEPS
from melodylc.data.archives import MidiFile
from melodylc.data.errors import MidiError
from melodylc.data.files import atomic_write
from melodylc.data.scores import read_score
from melodylc.data.windows import FILTERS, Events, Filters, melody_line, sections, windows

VERSION = 1  # of everything that decides what a shard holds
CHUNK_FILES = 128
CHUNK_BYTES = 8 << 20
DIGEST_SIZE = 16  # bytes; two of a billion different windows would meet once in 10**20 corpora

ROW = np.dtype([("piece", np.int32), ("track", np.int16), ("bar", np.int32)])


@dataclass(frozen=True)
class FileReport:
    """What became of one file. `dropped`: windows that each of `FILTERS` dropped."""

    collection: str
    file: str
    problem: str = ""
    tracks: int = 0
    windows: int = 0
    dropped: tuple[int, ...] = field(default=(0,) * len(FILTERS))


class Extracted(NamedTuple):
    """The windows of some files that passed: rows of `events` and `rows` (piece: which file)."""

    events: Events
    rows: npt.NDArray[Any]
    reports: list[FileReport]

    def digests(self) -> npt.NDArray[np.uint64]:
        """Shape (n, 2): a 128-bit hash of each melody."""
        hashed = b"".join(hashlib.blake2b(row, digest_size=DIGEST_SIZE).digest() for row in self.events)
        return np.frombuffer(hashed, np.uint64).reshape(-1, 2)


def extract(files: Iterable[MidiFile], filters: Filters) -> Extracted:
    """The windows of files that pass the filters. A file that can't be read is reported, not fatal."""
    events, rows, reports = [np.empty((0, STEPS), np.uint8)], [np.empty(0, ROW)], []
    for index, file in enumerate(files):
        found, where, report = extract_file(file, filters)
        where["piece"] = index
        events.append(found)
        rows.append(where)
        reports.append(report)
    return Extracted(np.concatenate(events), np.concatenate(rows), reports)


def extract_file(file: MidiFile, filters: Filters) -> tuple[Events, npt.NDArray[Any], FileReport]:
    """One file's windows (n, 256), where each begins, and the report."""
    report = FileReport(file.collection, file.file, file.problem)
    events, rows = [np.empty((0, STEPS), np.uint8)], [np.empty(0, ROW)]
    try:
        score = None if file.problem else read_score(file.content)
    except MidiError as error:
        score, report = None, replace(report, problem=str(error))
    if score is None:
        return events[0], rows[0], report
    counts = np.zeros(len(FILTERS) + 1, np.int64)  # the last: kept, which `first_failed` calls -1
    for section in sections(score):
        for part in score.parts:
            found = windows(melody_line(part, section, score.division))
            failed = filters.first_failed(found)
            counts += np.bincount(failed % len(counts), minlength=len(counts))
            kept = np.flatnonzero(failed < 0)
            events.append(found[kept])
            rows.append(_rows(part.track, section.first + kept))
    dropped = tuple(counts[:-1].tolist())
    report = replace(report, tracks=len(score.parts), windows=int(counts.sum()), dropped=dropped)
    return np.concatenate(events), np.concatenate(rows), report


def _rows(track: int, bars: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    rows = np.zeros(len(bars), ROW)
    rows["track"], rows["bar"] = track, bars
    return rows


# -- shards ------------------------------------------------------------------------------------


def save_shard(path: Path, extracted: Extracted) -> None:
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


def load_shard(path: Path) -> tuple[Extracted, npt.NDArray[np.uint64]]:
    """A shard and its digests."""
    with np.load(path) as shard:
        reports = [FileReport(**row) for row in json.loads(shard["reports"].tobytes())]
        return Extracted(shard["events"], shard["rows"], reports), shard["digests"]


def chunks(files: Iterable[MidiFile]) -> Iterator[list[MidiFile]]:
    """Files in lists of at most `CHUNK_FILES`, about `CHUNK_BYTES`."""
    chunk: list[MidiFile] = []
    for file in files:
        chunk.append(file)
        if len(chunk) == CHUNK_FILES or sum(len(f.content) for f in chunk) >= CHUNK_BYTES:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def shard_name(chunk: list[MidiFile], filters: Filters) -> str:
    """The name that says what a shard holds."""
    digest = hashlib.blake2b(f"{VERSION} {filters}".encode(), digest_size=16)
    for file in chunk:
        for piece in (file.collection.encode(), file.file.encode(), file.content, file.problem.encode()):
            digest.update(len(piece).to_bytes(8, "big") + piece)
    return f"shard-{digest.hexdigest()}.npz"


def shards(files: Iterable[MidiFile], filters: Filters, folder: Path, workers: int) -> Iterator[tuple[Path, int, bool]]:
    """Each chunk's shard in order, made by `workers` processes: path, files in it, was it there?

    No more than three chunks a worker are in memory at once.
    """
    waiting: deque[tuple[Path, list[MidiFile], Future[None] | None]] = deque()
    crew = _Crew(workers)
    try:
        for chunk in chunks(files):
            path = folder / shard_name(chunk, filters)
            there = zipfile.is_zipfile(path)
            waiting.append((path, chunk, None if there else crew.submit(chunk, filters, path)))
            if len(waiting) >= 3 * workers:
                yield _finished(*waiting.popleft(), filters, crew)
        while waiting:
            yield _finished(*waiting.popleft(), filters, crew)
    finally:
        crew.dismiss()


def _finished(
    path: Path, chunk: list[MidiFile], future: Future[None] | None, filters: Filters, crew: "_Crew"
) -> tuple[Path, int, bool]:
    if future is not None:
        try:
            future.result()
        except BrokenProcessPool:
            save_shard(path, _one_by_one(chunk, filters, crew))
    return path, len(chunk), future is None


def _one_by_one(chunk: list[MidiFile], filters: Filters, crew: "_Crew") -> Extracted:
    """A worker died on one of these files: find it, each in a process of its own, and go on."""
    found = []
    for file in chunk:
        try:
            found.append(crew.alone(file, filters))
        except BrokenProcessPool:
            found.append(extract([file._replace(content=b"", problem="the MIDI reader crashed on it")], filters))
    rows = [part.rows for part in found]
    for index, part in enumerate(rows):
        part["piece"] = index
    return Extracted(
        np.concatenate([part.events for part in found]), np.concatenate(rows), [part.reports[0] for part in found]
    )


def _work(chunk: list[MidiFile], filters: Filters, path: Path) -> None:
    save_shard(path, extract(chunk, filters))


class _Crew:
    """Processes that extract; a crew whose member crashed is replaced."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def submit(self, chunk: list[MidiFile], filters: Filters, path: Path) -> Future[None]:
        """Have a shard written."""
        self._pool = self._pool or _pool(self._workers)
        try:
            return self._pool.submit(_work, chunk, filters, path)
        except BrokenProcessPool:
            self._pool.shutdown(wait=False)
            self._pool = _pool(self._workers)
            return self._pool.submit(_work, chunk, filters, path)

    @staticmethod
    def alone(file: MidiFile, filters: Filters) -> Extracted:
        """Extract one file in a process of its own."""
        with _pool(1) as pool:
            return pool.submit(extract, [file], filters).result()

    def dismiss(self) -> None:
        """End the processes; what they have not begun is dropped."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def _pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: the same on every system, and safe beside threads.
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_enlist)


def _enlist() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which dismisses its crew


def all_cores() -> int:
    """How many processes may run at once here."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
