"""Parts of a run, each in a folder of its own, to one folder: that of the whole run, byte for byte.

Everything is checked before anything is written: that the parts were asked for in the same words, come from the same
model, and are all there, once. Of all parts one is in memory at a time.
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melodylc.data.errors import InputError
from melodylc.data.files import reason
from melodylc.service.origin import Origin, check_same, merge_origins
from melodylc.service.output_folder import MANIFEST, OutputFolder, load_manifest
from melodylc.service.production import number_width

_OWN = ("first", "count", "of")  # what parts of a run may differ in
_ORIGIN = ("versions", "model", "prior", "method", "copies_of")
_COUNTS = ("attempts", "acceptance", "rates", "copies_refused", "copies_written", "missing", "nearest")
_HEAD = (*_COUNTS, "files", "command", "request")


@dataclass(frozen=True)
class RunPart:
    """What a part's manifest says, but for its melodies."""

    folder: Path
    head: dict[str, Any]  #: without "files"
    written: int  #: melodies

    @property
    def request(self) -> dict[str, Any]:
        """What was asked."""
        request: dict[str, Any] = self.head["request"]
        return request

    @property
    def numbers(self) -> range:
        """Of the melodies that it was to write."""
        first: int = self.request.get("first", 1)
        return range(first, first + self.request["count"])

    @property
    def total(self) -> int:
        """Melodies of the whole run, as far as the part knows."""
        return int(self.request.get("of") or self.numbers[-1])

    @property
    def origin(self) -> Origin:
        """What its melodies came from."""
        return {name: self.head[name] for name in _ORIGIN}

    @property
    def common(self) -> dict[str, Any]:
        """What is the same in all parts of a run, beside the origin."""
        others = {name: value for name, value in self.head.items() if name not in (*_HEAD, *_ORIGIN)}
        asked = {name: value for name, value in self.request.items() if name not in _OWN}
        return {**others, "request": asked}

    def count(self, share: float) -> int:
        """How many of the candidates a share of them is; exact for a million of them, as shares have six digits."""
        return round(share * float(self.head["attempts"]))


@dataclass(frozen=True)
class JoinedRun:
    """A run whose parts were joined."""

    folder: Path
    parts: int
    written: int  #: melodies
    missing: tuple[int, ...]  #: numbers of those that no attempt at which followed the rule


def join_parts(folders: Sequence[str | Path], output: str | Path) -> JoinedRun:
    """Join the parts of a run of `generate`.

    Args:
        folders: of all parts, in any order.
        output: a folder for the whole run; the parts stay.

    Raises:
        InputError: a folder that holds no part, parts that don't belong together, a part that is missing or there
            twice, a file that has changed, an output that holds anything else. Nothing is written then.
    """
    parts = sorted((_read(Path(folder)) for folder in folders), key=lambda part: part.numbers.start)
    origin = _check(parts)
    head = _joined_head(parts, origin)
    target = OutputFolder.claim(Path(output), head["request"])
    if twice := {part.folder.resolve() for part in parts} & {target.path.resolve()}:
        raise InputError(f"{twice.pop()} is one of the parts: name another folder with -o")
    with target.fill() as staged:
        for part in parts:
            for entry in load_manifest(part.folder)["files"]:
                files = _files(part.folder, entry)
                staged.copy(files, [entry])
        staged.finish(head)
    return JoinedRun(target.path, len(parts), sum(part.written for part in parts), tuple(head["missing"]))


def _read(folder: Path) -> RunPart:
    """A part, all of whose files are as its manifest says.

    Raises:
        InputError: it isn't one.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{folder} holds no {MANIFEST}: name folders that `melodylc generate` wrote")
    head = load_manifest(folder)
    try:
        part = RunPart(folder, head, sum(not entry.get("miss") for entry in head.pop("files")))
        known = part.numbers, part.total, part.common, part.origin, [head[name] for name in ("attempts", "missing")]
        if head["request"]["join"]:
            raise InputError(f"{folder} holds all its melodies in one file (--join), which can't be joined with others")
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{folder / MANIFEST} is of no run of `melodylc generate`, or of an older version") from None
    if len(known[0]) != part.written + len(head["missing"]):
        raise InputError(f"{folder} says that it has {len(known[0])} melodies and lists {part.written}: write it again")
    return part


def _files(folder: Path, entry: dict[str, Any]) -> dict[str, bytes]:
    names = [entry["file"], *(beside["file"] for beside in entry.get("beside", ()))]
    try:
        return {name: (folder / name).read_bytes() for name in names}
    except OSError as error:
        raise InputError(f"can't read {str(error.filename)!r}: {reason(error)}") from error


def _check(parts: Sequence[RunPart]) -> Origin:
    """Make sure that parts, sorted by their numbers, are a whole run; what it came from."""
    first = parts[0]
    origin = first.origin
    for part in parts[1:]:
        check_same(first.common, part.common, str(part.folder), str(first.folder))
        origin = merge_origins(origin, part.origin, str(part.folder), str(first.folder))
    told = {part.request["of"]: part.folder for part in parts if "of" in part.request}
    if len(told) > 1:
        (one, here), (other, there) = sorted(told.items())[:2]
        raise InputError(f"{here} is a part of {one} melodies, and {there} of {other}: they are of two runs")
    total = next(iter(told), parts[-1].numbers[-1])
    expected, former = 1, None
    for part in parts:
        if part.numbers.start < expected:
            raise InputError(f"melody {part.numbers.start} is in {former} and in {part.folder}: leave one of them out")
        if part.numbers.start > expected:
            raise _missing(expected, part.numbers.start - 1, total)
        expected, former = part.numbers.stop, part.folder
    if expected <= total:
        raise _missing(expected, total, total)
    if wrong := next((part for part in parts if number_width(part.total) != number_width(total)), None):
        raise InputError(
            f"{wrong.folder} has {number_width(wrong.total)} digits in its names, and {total} melodies take "
            f"{number_width(total)}: write it with --of {total}"
        )
    return origin


def _missing(first: int, last: int, total: int) -> InputError:
    which = f"melody {first} of {total} is" if first == last else f"melodies {first} to {last} of {total} are"
    return InputError(f"{which} in no part: write them with --first {first} -n {last - first + 1} --of {total}")


def _joined_head(parts: Sequence[RunPart], origin: Origin) -> dict[str, Any]:
    """The whole run's manifest, but for its files."""
    first = parts[0]
    attempts = sum(part.head["attempts"] for part in parts)
    total = sum(len(part.numbers) for part in parts)

    def share(counts: Iterable[int]) -> float:
        return round(float(sum(counts) / attempts), 6)

    head = {
        **first.head,
        **origin,
        "command": _whole_command(first, total),
        "request": {name: total if name == "count" else value for name, value in first.request.items() if name != "of"},
        "attempts": attempts,
        "acceptance": share(part.count(part.head["acceptance"]) for part in parts),
        "rates": {name: share(part.count(part.head["rates"][name]) for part in parts) for name in first.head["rates"]},
        "copies_refused": sum(part.head["copies_refused"] for part in parts),
        "missing": [number for part in parts for number in part.head["missing"]],
    }
    if any("copies_written" in part.head for part in parts):
        head["copies_written"] = sum(part.head["copies_written"] for part in parts)
    if any("nearest" in part.head for part in parts):
        head["nearest"] = {number: of for part in parts for number, of in part.head.get("nearest", {}).items()}
    head.pop("format", None)
    return head


def _whole_command(first: RunPart, total: int) -> str | None:
    """The command of a run, out of its first part's."""
    if first.head["command"] is None:
        return None
    words = shlex.split(first.head["command"])
    where = max(
        place for place, word in enumerate(words) if word == "-n" and words[place + 1] == str(first.request["count"])
    )
    rest = words[where + 2 :]
    return shlex.join([*words[: where + 1], str(total), *(rest[2:] if rest[:1] == ["--of"] else rest)])
