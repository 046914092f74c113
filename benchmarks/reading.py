"""What is read of MIDI files: every note, and whole pieces.

    python benchmarks/reading.py notes ../shared/data/midi/*.tar.xz --mutated 10000
    python benchmarks/reading.py whole ../shared/data/midi/*.tar.xz

`notes` counts the note-ons of every file by a plain scan of its own, byte by byte, by the chunks' lengths, and compares
with what `melodylc.data.smf` read; then the same of files damaged at random (bytes changed, left out, put in, doubled;
cut off; other lengths of chunks and other headers). A file passes where both agree, where it is refused with a reason,
or where it says what it left out or assumed. Anything else is printed, and is a fault.

`whole` says of each collection how many files are read whole: one stretch of bars has every note of the file but those
of its upbeat, which are named. Counted are files in 4/4, 2/2 or 2/4 with at least 16 bars of these; the others are
given with the reason. `before`: as bars were counted up to version 6830c76, by time signatures alone.
"""

import argparse
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from melodylc.data.archives import MusicFile, read_music_files
from melodylc.data.bars import BAR_SIGNATURES, bar_runs, layout
from melodylc.data.errors import MidiError
from melodylc.data.scores import Score
from melodylc.data.smf import read_score

DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
LEAST_BARS = 16


# -- notes -------------------------------------------------------------------------------------


def plain_count(content: bytes) -> int:
    """Note-ons with a velocity and a pitch below 128, by the specification and nothing else.

    Raises:
        ValueError, IndexError: it isn't a file by the specification.
    """
    if content[:4] == b"RIFF":
        content = content[content.index(b"MThd") :]
    if content[:4] != b"MThd":
        raise ValueError("no header")
    position = 8 + int.from_bytes(content[4:8], "big")
    count = 0
    while position < len(content):
        end = position + 8 + int.from_bytes(content[position + 4 : position + 8], "big")
        if content[position : position + 4] == b"MTrk":
            count += _track_count(content[:end], position + 8)
        position = end
    return count


def _track_count(content: bytes, position: int) -> int:
    count, status = 0, 0
    while position < len(content):
        _, position = _number(content, position)
        if content[position] >= 0x80 and content[position] < 0xF0:
            status = content[position]
            position += 1
        elif content[position] >= 0xF0:
            message = content[position]
            position += 2 if message == 0xFF else 1
            if message not in (0xFF, 0xF0, 0xF7):
                raise ValueError("no message of a file")
            size, start = _number(content, position)
            if message == 0xFF and content[position - 1] == 0x2F:
                return count
            position = start + size
            continue
        size = DATA_BYTES[status & 0xF0]
        if size == 2:
            pitch, value = content[position], content[position + 1]
            count += status & 0xF0 == 0x90 and value > 0 and pitch < 0x80
        position += size
    return count


def _number(content: bytes, position: int) -> tuple[int, int]:
    value = 0
    while True:
        value = value << 7 | content[position] & 0x7F
        position += 1
        if content[position - 1] < 0x80:
            return value, position


def verdict(content: bytes) -> str:
    """How a file was read, beside the plain count."""
    try:
        score = read_score(content)
    except MidiError:
        return "refused, with a reason"
    try:
        expected = plain_count(content)
    except (ValueError, IndexError, KeyError):
        expected = -1
    if score.note_ons == expected:
        return "the same count"
    if score.remarks or score.repairs:
        return "another count, and says why"
    return f"FAULT: {score.note_ons} notes, {expected} counted"


def mutated(files: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Damaged copies of files."""
    draw = random.Random(seed)
    small = [content for content in files if len(content) < 20_000] or files
    for _ in range(count):
        content = bytearray(draw.choice(small))
        for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
            _damage(content, draw)
        yield bytes(content)


def _damage(content: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(content)) if draw.random() < 0.8 else draw.randrange(min(60, len(content)))
    some = draw.choice((1, 1, 2, 3, 4, 9, 200))
    kind = draw.randrange(8)
    if kind == 0:
        content[at] = draw.randrange(256)
    elif kind == 1:
        content[at] ^= 1 << draw.randrange(8)
    elif kind == 2 and len(content) > some + 20:
        del content[at : at + some]
    elif kind == 3:
        content[at:at] = bytes(draw.randrange(256) for _ in range(some))
    elif kind == 4:
        content[at:at] = content[at : at + some]
    elif kind == 5 and at > 20:
        del content[at:]
    elif kind == 6 and (track := content.find(b"MTrk", at)) >= 0:
        size = int.from_bytes(content[track + 4 : track + 8], "big") + draw.choice((-9, -3, -1, 1, 3, 9, 1 << 20))
        content[track + 4 : track + 8] = max(size, 0).to_bytes(4, "big")
    elif kind == 7:
        content[draw.randrange(min(14, len(content)))] = draw.randrange(256)


def notes(files: Iterator[MusicFile], count: int, seed: int) -> int:
    """Print how files and damaged ones were read; how many faults there were."""
    contents: list[bytes] = []
    faults = 0
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        said = verdict(file.content)
        if said.startswith("FAULT"):
            print(f"{file.collection}/{file.file}: {said}")
            faults += 1
        found[file.collection][said.partition(":")[0]] += 1
        if len(file.content) < 20_000 and len(contents) < 4_000:
            contents.append(file.content)
    for index, content in enumerate(mutated(contents, count, seed)):
        said = verdict(content)
        if said.startswith("FAULT"):
            print(f"damaged file {index} (seed {seed}): {said}")
            faults += 1
        found["damaged"][said.partition(":")[0]] += 1
    for collection, counts in found.items():
        print(f"{collection}: " + ", ".join(f"{count:,} {said}" for said, count in counts.most_common()))
    return faults


# -- whole pieces ------------------------------------------------------------------------------


def whole_before(score: Score) -> bool:
    """Whether one stretch of 4/4 or 2/2 has the whole file, by its time signatures alone."""
    signatures = {0: (4, 4)} | {tick: (over, under) for tick, over, under in score.signatures}
    bar = 4 * score.division
    first = min(signatures)
    return all(meter in BAR_SIGNATURES and (tick - first) % bar == 0 for tick, meter in signatures.items())


def kind(score: Score) -> str:
    """Whether a file counts: empty, or why it doesn't."""
    runs = bar_runs(score)
    meter = layout(score).meter
    plain = {(4, 4), (2, 2), (2, 4)}
    if meter not in plain:
        return "in other meters"
    full = (2 if meter == (2, 4) else 4) * score.division
    same = BAR_SIGNATURES if meter != (2, 4) else {meter}
    if any(run.meter not in same and (run.bars > 2 or run.length >= 1.25 * full) for run in runs):
        return "with changes of meter"
    total = sum(run.length * run.bars for run in runs)
    return "" if round(total / full + 0.49) >= LEAST_BARS else f"shorter than {LEAST_BARS} bars"


def is_whole(score: Score) -> bool:
    """Whether one stretch has every note but an upbeat's."""
    piece = layout(score)
    if len(piece.sections) != 1:
        return False
    (section,) = piece.sections
    begin, end = section.start - section.upbeat, section.start + section.bars * 4 * score.division
    return all(bool(((part.starts >= begin) & (part.starts < end)).all()) for part in piece.score.parts)


def whole(files: Iterator[MusicFile]) -> None:
    """Print a table of collections."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for file in files:
        row = rows[file.collection]
        row["files"] += 1
        try:
            score = read_score(file.content)
        except MidiError:
            row["unreadable"] += 1
            continue
        row[kind(score) or "counted"] += 1
        if not kind(score):
            row["before"] += whole_before(score)
            row["whole"] += is_whole(score)
    columns = ("files", "counted", "before", "whole")
    print("| collection | files | counted | whole before | whole | share | left out |\n|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        left = ", ".join(f"{count:,} {why}" for why, count in row.most_common() if why not in columns)
        share = row["whole"] / row["counted"] if row["counted"] else float("nan")
        print(f"| {name} | " + " | ".join(f"{row[column]:,}" for column in columns) + f" | {share:.3f} | {left} |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("notes", "whole"))
    parser.add_argument("paths", nargs="+", type=Path, help="folders or archives of MIDI files")
    parser.add_argument("--mutated", type=int, default=10_000, help="damaged files to read")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    files = read_music_files(chosen.paths)
    if chosen.what == "whole":
        whole(files)
    elif faults := notes(files, chosen.mutated, chosen.seed):
        raise SystemExit(f"{faults} faults")


if __name__ == "__main__":
    main()
