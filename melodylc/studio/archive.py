"""The history on disk: a folder with a JSON file for each run, whole or untouched at any moment.

One studio at a time keeps its runs in a folder. A file that can't be read is left as it is, and its number is not used
again. What is read is checked like what comes from the page. A rule is named as in the studio's table, and asked for
only where that table has it: no file of a history brings code with it. Where a rule is gone, or isn't any more what it
was, its melodies stay and are scored by the rest.
"""

import errno
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, get_args

from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.data.files import atomic_write, reason
from melodylc.data.melody import Melody
from melodylc.sampling.sampler import Result
from melodylc.service.order import Order
from melodylc.studio.forms import MOST_RULES, Fields, RequestCache, RequestForm, decode_json
from melodylc.studio.history import History, Mark, Provenance, Run, RunKind
from melodylc.studio.rules import RuleTable

RUN_FORMAT = "melodylc-run/2"
MAX_FILE_SIZE = 2 << 20  #: bytes of one run
_FIRST_FORMAT = "melodylc-run/1"
_MOST = 1 << 31
_LONGEST = 10_000
_FILE = re.compile(r"run-([0-9]{1,9})\.json")
_LOCK_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)  # as POSIX and Windows say it


def open_history(folder: Path, codec: "RunCodec") -> tuple[History, str]:
    """The history of a folder, and a remark on what of it can't be read, or why nothing is saved; "" if all is well."""
    try:
        files = RunFolder(folder)
    except InputError as error:
        return History(), f"{error}: what is made here is gone when the studio is closed"
    runs, damaged = list[Run](), list[str]()
    for number, values in files.read():
        try:
            run = codec.from_dict(values)
            if run.number != number:
                raise InputError("it has the number of another")
            runs.append(run)
        except InputError as error:
            damaged.append(f"run {number} ({error})" if values is not None else f"run {number}")
    history = History(runs, _FolderStore(files, codec), files.last + 1)
    more = f" and {len(damaged) - 3} more" if len(damaged) > 3 else ""
    return history, f"can't be read, and stays as it is in {folder}: {', '.join(damaged[:3])}{more}" if damaged else ""


class RunFile(NamedTuple):
    """A file: the run's number, and its values; None where they can't be read."""

    number: int
    values: Any


class RunFolder:
    """A folder of runs; it is made when the first is put into it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = RunFolder(Path(folder) / "history")
    ...     files.write(3, {"title": "C major"})
    ...     files.close()
    ...     list(files.read())
    [RunFile(number=3, values={'title': 'C major'})]
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: IO[bytes] | None = None
        if folder.exists():
            self._claim()

    def read(self) -> Iterator[RunFile]:
        """The runs, oldest first."""
        for number in self._numbers():
            yield RunFile(number, self._values(self._path(number)))

    @property
    def last(self) -> int:
        """The highest number that was ever used here, or 0."""
        return max(self._numbers(), default=0)

    def write(self, number: int, values: Any) -> None:
        """Write a run.

        Raises:
            InputError: it can't be written, its file is a link, or another studio has the folder.
        """
        if self._lock is None:
            self._claim()
        path = self._path(number)
        if path.is_symlink():
            raise InputError(f"{path} is a link, which could lead out of the studio's folder")
        with atomic_write(path, "w") as file:
            json.dump(values, file, separators=(",", ":"))

    def remove(self, number: int) -> None:
        """Remove a run, where it is there."""
        with suppress(OSError):
            self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Let another studio have the folder."""
        if self._lock:
            self._lock.close()
        self._lock = None

    def _path(self, number: int) -> Path:
        return self.folder / f"run-{number:06}.json"

    def _numbers(self) -> list[int]:
        try:
            matches = [_FILE.fullmatch(entry.name) for entry in self.folder.iterdir()]
        except OSError:
            return []
        return sorted({int(match[1]) for match in matches if match})

    def _values(self, path: Path) -> Any:
        try:
            return decode_json(path.read_bytes()) if path.stat().st_size <= MAX_FILE_SIZE else None
        except (OSError, InputError):
            return None

    def _claim(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / ".lock").open("ab")
        except OSError as error:
            raise InputError(f"the history can't be kept in {self.folder} ({reason(error)})") from error
        if not _lock(self._lock):
            self.close()
            raise InputError(f"another studio keeps its history in {self.folder}")


def _lock(file: IO[bytes]) -> bool:
    """Whether the file is this process's now; the system lets go of it when the process ends, however it ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # A file system without locks has no second studio that could be told from the first.
        return error.errno not in _LOCK_TAKEN
    return True


class _FolderStore:
    """Runs as files of a folder."""

    def __init__(self, files: RunFolder, codec: "RunCodec") -> None:
        self._files, self._codec = files, codec

    def save(self, run: Run) -> None:
        self._files.write(run.number, self._codec.to_dict(run))

    def remove(self, number: int) -> None:
        self._files.remove(number)

    def close(self) -> None:
        self._files.close()


@dataclass(frozen=True)
class RunCodec:
    """Runs as plain values and back, with the rules of this studio, its model, and the versions that compute here."""

    rules: RuleTable
    requests: RequestCache
    model: Path | None
    origin: Mapping[str, Any]  #: the model's fingerprint and the versions, as `Provenance.origin`

    def to_dict(self, run: Run) -> dict[str, Any]:
        """A run as plain values; the inverse of `from_dict`."""
        marks = {str(number): mark for number, mark in list(run.marks.items())}
        if run.original is not None:
            return {**run.original, "marks": marks}
        rule = run.request.rule
        return {
            "format": RUN_FORMAT,
            "run": run.number,
            "kind": run.kind,
            "title": run.title,
            "slug": run.slug,
            "seed": run.seed,
            "source": list(run.source) if run.source else [],
            "settings": run.settings,
            "remarks": list(run.remarks),
            "request": self._rules_by_name(run.form),
            "rule": rule.identity if rule is not None else "",
            "command": run.provenance.order.command if run.provenance else "",
            "provenance": _provenance_values(run.provenance, run) if run.provenance else None,
            "melodies": {str(number): _note_values(melody) for number, melody in list(run.melodies.items())},
            "marks": marks,
        }

    def from_dict(self, values: Any) -> Run:
        """The run of plain values, of this format or the first one.

        Raises:
            InputError: they aren't those of a run.
        """
        if isinstance(values, Mapping) and values.get("format") == _FIRST_FORMAT:
            values = _from_first_format(values)
        fields = Fields(values)
        if fields.text("format") != RUN_FORMAT:
            raise InputError("this is no run of a studio")
        number, kind = fields.whole("run", 1, _MOST), _one_of(fields.text("kind"), get_args(RunKind))
        melodies = {_melody_number(it): _melody(notes) for it, notes in fields.object("melodies", 64).items()}
        marks = {_melody_number(it): _one_of(mark, get_args(Mark)) for it, mark in fields.object("marks", 64).items()}
        form, missing = self._rules_by_number(fields.object("request", 16))
        command, rule = fields.text("command", _LONGEST) or "", fields.text("rule", _LONGEST) or ""
        request, warnings = self._request(form, missing, rule, command)
        provenance = fields.object("provenance", 8)
        run = Run(
            number,
            kind,
            title=fields.text("title", _LONGEST) or "",
            slug=_checked_slug(fields.text("slug", _LONGEST)),
            request=request,
            form=form,
            seed=fields.whole("seed", 0, (1 << 63) - 1),
            source=_pair(fields.items("source", 2)),
            settings=fields.object("settings", 16),
            remarks=tuple(str(it) for it in fields.items("remarks", 64)),
            warnings=warnings,
            original=values if warnings else None,
            melodies=dict(sorted(melodies.items())),
            marks={it: mark for it, mark in marks.items() if it in melodies},
        )
        fields.end()
        if provenance and not warnings:
            run.provenance = self._provenance(provenance, run)
            run.warnings = self._differences(run.provenance.origin)
        return run

    def _rules_by_name(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """A form's values with rules by name, since another studio has them under other numbers."""
        return {**form, "rules": [{**it, "rule": self.rules.entry(it["rule"]).spec} for it in form.get("rules") or ()]}

    def _rules_by_number(self, form: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """A form's values with rules by number, and the names of those that aren't there."""
        numbers = {entry.spec: number for number, entry in enumerate(self.rules.entries)}
        rules = Fields(form).items("rules", MOST_RULES)
        if not all(isinstance(it, Mapping) and isinstance(it.get("rule"), str) for it in rules):
            raise InputError("a rule is a JSON object with a name")
        present = [{**it, "rule": numbers[it["rule"]]} for it in rules if it["rule"] in numbers]
        return {**form, "rules": present}, [it["rule"] for it in rules if it["rule"] not in numbers]

    def _request(
        self, form: Mapping[str, Any], missing: list[str], rule: str, command: str
    ) -> tuple[Request, tuple[str, ...]]:
        """What melodies are scored by, and a warning where that isn't what they were made for."""
        how = f"; it was made by {command}" if command else ""
        if missing:
            why = f"{', '.join(missing)} is no rule of this studio: name it with --reward{how}"
            return self._without_rules(form), (why,)
        try:
            request = self.requests.request(RequestForm.read(form, self.rules))
        except InputError as error:
            return self._without_rules(form), (f"{error}{how}",)
        if (request.rule.identity if request.rule is not None else "") != rule:
            return self._without_rules(form), (f"the rule has changed since{how}",)
        return request, ()

    def _without_rules(self, form: Mapping[str, Any]) -> Request:
        try:
            return self.requests.request(RequestForm.read({**form, "rules": []}, self.rules))
        except InputError:
            return Request()

    def _provenance(self, values: dict[str, Any], run: Run) -> Provenance:
        fields = Fields(values)
        count, origin = fields.whole("count", 1, 64), fields.object("origin", 8)
        draws = [_draw(it, run.melodies, run.seed) for it in fields.items("draws", 64)]
        fields.end()
        order = Order(run.request, count, run.seed, model=self.model)
        return Provenance(order, origin, {draw.number: draw for draw in draws})

    def _differences(self, origin: Mapping[str, Any]) -> tuple[str, ...]:
        """A warning where the command line may make other melodies here."""
        if origin.get("model") != self.origin["model"]:
            return (f"made by another model, {origin.get('model')}: here the command line makes other melodies",)
        if origin.get("versions") != self.origin["versions"]:
            return ("made with other versions: here the command line may make other melodies",)
        if origin.get("copies_of") != self.origin["copies_of"]:
            return ("made where other copies were refused: here the command line may make other melodies",)
        return ()


def _from_first_format(values: Mapping[str, Any]) -> dict[str, Any]:
    """A run of the first format in this one: other names for the same."""
    fields = {"of": "source", "asked": "request", "made": "provenance"}
    kinds = {"mend": "repair", "drop": "upload"}
    marks = {"kept": "keep", "discarded": "discard"}
    run = {fields.get(name, name): value for name, value in values.items()}
    run["format"] = RUN_FORMAT
    if isinstance(run.get("kind"), str):
        run["kind"] = kinds.get(run["kind"], run["kind"])
    if isinstance(run.get("marks"), dict):
        run["marks"] = {it: marks.get(mark, mark) for it, mark in run["marks"].items() if isinstance(mark, str)}
    return run


def _provenance_values(provenance: Provenance, run: Run) -> dict[str, Any]:
    draws = [
        {
            "number": draw.number,
            "rewards": list(draw.rewards),
            "draws": draw.attempts,
            "held": list(draw.satisfied),
            "distance": draw.distance,
            "touched": draw.rests_added,
            "found": draw.passes,
            "copied": draw.is_copy,
            "refused": draw.copies,
            "details": draw.details,
            **({} if draw.number in run.melodies else {"notes": _note_values(draw.melody)}),
        }
        for draw in list(provenance.draws.values())
    ]
    return {"count": provenance.order.count, "origin": provenance.origin, "draws": draws}


def _draw(values: Any, melodies: Mapping[int, Melody], seed: int) -> Result:
    fields = Fields(values)
    number, notes = fields.whole("number", 1, 64), fields.items("notes", 256)
    draw = Result(
        number=number,
        seed=seed,
        melody=melodies[number] if number in melodies else _melody(notes),
        rewards=tuple(_share(it) for it in fields.items("rewards", 64)),
        attempts=fields.whole("draws", 1, _MOST),
        satisfied=tuple(_count(it) for it in fields.items("held", 64)),
        distance=fields.number("distance", 0, 1e12, 0),
        rests_added=fields.whole("touched", 0, 256),
        passes=fields.whole("found", 0, _MOST),
        is_copy=fields.flag("copied", False),
        copies=fields.whole("refused", 0, _MOST, 0),
        details=fields.object("details", 16),
    )
    fields.end()
    return draw


def _note_values(melody: Melody) -> list[list[int]]:
    return [list(note) for note in melody.notes]


def _melody(notes: Any) -> Melody:
    if not isinstance(notes, list) or len(notes) > 256 or not all(isinstance(it, list) for it in notes):
        raise InputError("a melody is a list of notes")
    return Melody.from_notes(notes)


def _melody_number(text: str) -> int:
    if not (re.fullmatch("[0-9]{1,2}", text) and 1 <= int(text) <= 64):
        raise InputError(f"a melody's number is 1 to 64, not {text[:20]!r}")
    return int(text)


def _share(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise InputError("a reward is a number from 0 to 1")
    return float(value)


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise InputError("a count of draws is a whole number")
    return value


def _pair(values: list[Any]) -> tuple[int, int] | None:
    if values and not (len(values) == 2 and all(type(it) is int for it in values)):
        raise InputError("a melody is a run and a number")
    return (values[0], values[1]) if values else None


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise InputError(f"one of {', '.join(allowed)} was expected")
    return value


def _checked_slug(slug: str | None) -> str:
    """A file's name without folders."""
    if not slug or not all(it.isalnum() or it in "-+_#" for it in slug):
        raise InputError("a slug is letters, digits, dashes and a few signs")
    return slug
