"""From shards to a corpus: order, split by work, duplicates, overlap, files.

Of equal melodies the one stays that comes first, training before held-out: so a melody that both
sides have stays with training. Everything as large as the corpus lives on the disk; memory holds some
forty bytes a melody.
"""

import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STEPS
from melodylc.data.arrays import Events, Mask
from melodylc.data.corpus import COLUMNS, FILES, FORMAT, MANIFEST, PIECES, SIDES
from melodylc.data.extract import ROW, FileReport, load_shard
from melodylc.data.files import FINGERPRINT_LENGTH, atomic_write
from melodylc.data.overlap import NoteRows, shared_with
from melodylc.data.windows import FILTERS
from melodylc.data.works import assign, held_out

_BLOCK = 8192
Indices = npt.NDArray[np.int64]


@dataclass
class Pool:
    """All windows that passed the filters, on the disk, as they were read."""

    events: Events
    rows: npt.NDArray[Any]
    digests: npt.NDArray[np.uint64]
    reports: list[FileReport]


def pool_shards(paths: Iterable[Path], folder: Path) -> Pool:
    """Shards one after the other, in three files in `folder` that are then mapped."""
    reports: list[FileReport] = []
    names = [folder / f"pool-{name}.bin" for name in ("events", "rows", "digests")]
    with open(names[0], "wb") as events, open(names[1], "wb") as rows, open(names[2], "wb") as digests:
        for path in paths:
            shard, hashed = load_shard(path)
            shard.rows["piece"] += len(reports)
            reports += shard.reports
            _append(events, shard.events)
            _append(rows, shard.rows)
            _append(digests, hashed)
    melodies, hashes = _map(names[0], np.uint8).reshape(-1, STEPS), _map(names[2], np.uint64).reshape(-1, 2)
    return Pool(melodies, _map(names[1], ROW), hashes, reports)


def _append(file: IO[bytes], array: npt.NDArray[Any]) -> None:
    file.write(np.ascontiguousarray(array).tobytes())


def _map(path: Path, dtype: Any) -> npt.NDArray[Any]:
    # An empty file can't be mapped.
    return np.memmap(path, dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)


def first_ones(digests: npt.NDArray[np.uint64], order: Indices) -> Mask:
    """Which of `order`, indices of (n, 2) digests, are the first with their digest.

    >>> first_ones(np.array([[1, 1], [2, 2], [1, 1]], np.uint64), np.array([2, 1, 0])).tolist()
    [True, True, False]
    """
    high, low = digests[order, 0], digests[order, 1]
    by_digest = np.lexsort((low, high))  # stable: of equal ones the first stays first
    high, low = high[by_digest], low[by_digest]
    first = np.ones(len(order), np.bool_)
    first[by_digest[1:]] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return first


@dataclass
class Split:
    """Indices of the pool's windows for each side, in the corpus's order, and the counts."""

    sides: dict[str, Indices]
    works: list[str]
    heldout_works: set[str]
    counts: dict[str, int]
    unique: Counter[str]


def split(pool: Pool, share: float) -> Split:
    """Order, split by work, and drop duplicates and what the held-out side shares with training."""
    works = assign([(report.collection, report.file) for report in pool.reports])
    heldout_works = {work for work in works if held_out(work, share)}
    pieces = np.asarray(pool.rows["piece"])
    order = np.argsort(_ranks(pool.reports)[pieces], kind="stable")
    away = np.array([work in heldout_works for work in works], np.bool_)[pieces[order]]
    order = np.concatenate([order[~away], order[away]])
    kept = order[first_ones(pool.digests, order)]
    training = int((~away).sum())
    in_training = np.isin(kept, order[:training], assume_unique=True)
    train, heldout = kept[in_training], kept[~in_training]
    shared = shared_with(NoteRows(pool.events, train), NoteRows(pool.events, heldout))
    counts = {"duplicates": len(order) - len(kept), "heldout_shared": int(shared.sum())}
    sides = {"train": train, "heldout": heldout[~shared]}
    return Split(sides, works, heldout_works, counts, _unique_alone(pool, order))


def _ranks(reports: list[FileReport]) -> Indices:
    """Each file's place in the corpus: by collection and name; equal ones as they were read."""
    ranks = np.empty(len(reports), np.int64)
    ranks[sorted(range(len(reports)), key=lambda i: (reports[i].collection, reports[i].file))] = np.arange(len(reports))
    return ranks


def _unique_alone(pool: Pool, order: Indices) -> Counter[str]:
    """Different windows of each collection, were it alone."""
    names = sorted({report.collection for report in pool.reports})
    number = {name: i for i, name in enumerate(names)}
    of_piece = np.array([number[report.collection] for report in pool.reports], np.int64)
    of_row = of_piece[pool.rows["piece"][order]]
    return Counter({name: int(first_ones(pool.digests, order[of_row == i]).sum()) for name, i in number.items()})


# -- files -------------------------------------------------------------------------------------


def write_corpus(folder: Path, pool: Pool, parts: Split, about: dict[str, Any]) -> None:
    """Write all of a corpus's files into `folder`, the manifest last."""
    collections = sorted({report.collection for report in pool.reports})
    ranks = _ranks(pool.reports)
    fingerprint = hashlib.sha256()
    for side in SIDES:
        order = parts.sides[side]
        fingerprint.update(f"{side} {len(order)}\n".encode())
        _write_events(folder / f"{side}.npy", pool.events, order, fingerprint)
        for name, values in _columns(pool, order, collections, ranks).items():
            _write_array(folder / f"{side}_{name}.npy", values.astype(COLUMNS[name]))
    in_order = sorted(zip(ranks.tolist(), pool.reports, parts.works, strict=True), key=lambda row: row[0])
    pieces = [(report.collection, report.file, work) for _, report, work in in_order]
    _write_json(folder / PIECES, pieces, indent=0)
    melodies = {side: np.bincount(pool.rows["piece"][parts.sides[side]], minlength=len(ranks)) for side in SIDES}
    places = np.argsort(ranks, kind="stable")
    outcomes = [
        _outcome(report, int(sum(melodies[side][place] for side in SIDES)))
        for place, (_, report, _) in zip(places, in_order, strict=True)
    ]
    _write_files(folder / FILES, [report for _, report, _ in in_order], outcomes, [melodies[s][places] for s in SIDES])
    manifest = {
        "format": FORMAT,
        "fingerprint": fingerprint.hexdigest()[:FINGERPRINT_LENGTH],
        **{side: len(parts.sides[side]) for side in SIDES},
        "works": len(set(parts.works)),
        "heldout_works": len(parts.heldout_works),
        **about,
        "counts": {**totals(pool.reports), **parts.counts},
        "outcomes": dict(Counter(outcome.kind for outcome in outcomes).most_common()),
        "collections": _by_collection(pool, parts, collections),
        "unreadable": [[report.collection, report.file, report.problem] for _, report, _ in in_order if report.problem],
        "unused": [[report.collection, report.file, report.unused] for _, report, _ in in_order if report.unused],
        "remarks": [[report.collection, report.file, *report.remarks] for _, report, _ in in_order if report.remarks],
        "files": [
            MANIFEST,
            PIECES,
            FILES,
            *(f"{side}{name}.npy" for side in SIDES for name in ("", *map("_{}".format, COLUMNS))),
        ],
    }
    _write_json(folder / MANIFEST, manifest, indent=1)


class _Outcome(NamedTuple):
    """What became of a file: in few words, as the table counts them, and in its own."""

    kind: str
    why: str = ""


def _outcome(report: FileReport, melodies: int) -> _Outcome:
    if report.problem:
        return _Outcome("unreadable", report.problem)
    if melodies:
        return _Outcome("gave melodies")
    if report.unused:
        short = report.unused.endswith("in a row at most")
        return _Outcome("fewer than 16 bars of 4/4 in a row" if short else report.unused, report.unused)
    if report.windows > sum(report.dropped):
        return _Outcome("all its melodies are in other files")
    return _Outcome("no window passed the filters")


def _write_files(path: Path, reports: list[FileReport], outcomes: list[_Outcome], melodies: list[Indices]) -> None:
    """A line for each file, with tabs: what became of it, and how many melodies it gave."""
    with atomic_write(path, "w") as file:
        columns = ("collection", "file", "outcome", "reason", "tracks", "windows", *SIDES, "remarks")
        file.write("\t".join(columns) + "\n")
        for place, (report, outcome) in enumerate(zip(reports, outcomes, strict=True)):
            numbers = (report.tracks, report.windows, *(int(of[place]) for of in melodies))
            cells = (report.collection, report.file, *outcome, *map(str, numbers), "; ".join(report.remarks))
            file.write("\t".join(" ".join(cell.split()) for cell in cells) + "\n")


def _columns(pool: Pool, order: Indices, collections: list[str], ranks: Indices) -> dict[str, npt.NDArray[Any]]:
    rows = pool.rows[order]
    number = np.array([collections.index(report.collection) for report in pool.reports], np.int64)
    return {
        "piece": ranks[rows["piece"]],
        "collection": number[rows["piece"]],
        **{name: rows[name] for name in ("track", "bar", "offset", "role")},
    }


def _write_json(path: Path, content: object, indent: int) -> None:
    with atomic_write(path, "w") as file:
        json.dump(content, file, ensure_ascii=False, indent=indent)


def _write_array(path: Path, values: npt.NDArray[Any]) -> None:
    buffer = io.BytesIO()  # numpy writes to a real file by itself, and turns a Ctrl-C there into a TypeError
    np.save(buffer, values)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def _write_events(path: Path, events: Events, order: Indices, fingerprint: Any) -> None:
    with atomic_write(path) as file:
        about = {"descr": "|u1", "fortran_order": False, "shape": (len(order), STEPS)}
        np.lib.format.write_array_header_1_0(file, about)
        for start in range(0, len(order), _BLOCK):
            block = events[order[start : start + _BLOCK]].tobytes()
            fingerprint.update(block)
            file.write(block)


def totals(reports: Iterable[FileReport]) -> dict[str, int]:
    """Files, unreadable ones, those without a window, tracks, windows, and what each filter dropped."""
    names = ("files", "unreadable", "unused", "tracks", "windows", *FILTERS)
    sums: Counter[str] = Counter(dict.fromkeys(names, 0))
    for report in reports:
        sums.update({"files": 1, "unreadable": int(bool(report.problem)), "unused": int(bool(report.unused))})
        sums.update({"tracks": report.tracks, "windows": report.windows})
        sums.update(dict(zip(FILTERS, report.dropped, strict=True)))
    return dict(sums)


def _by_collection(pool: Pool, parts: Split, collections: list[str]) -> dict[str, dict[str, int]]:
    """For each collection the totals, its different windows alone, and its share of both sides."""
    found = {}
    for name in collections:
        mine = np.array([report.collection == name for report in pool.reports], np.bool_)
        sides = {side: int(mine[pool.rows["piece"][order]].sum()) for side, order in parts.sides.items()}
        found[name] = {**totals(r for r in pool.reports if r.collection == name), "unique": parts.unique[name], **sides}
    return found
