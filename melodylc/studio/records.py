"""Runs as plain values and back, for the folder that they are kept in.

What is read from there is checked like what comes from the page. A rule is named as in the studio's table, and asked
for only where that table has it: no file of a history brings code with it. Where a rule is gone, or isn't any more what
it was, its melodies stay and are judged by the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.sampling.sampler import Result
from melodylc.service.order import Order
from melodylc.studio.asked import MOST_RULES, Asked, Requests
from melodylc.studio.history import Kind, Made, Mark, Run
from melodylc.studio.reading import Fields
from melodylc.studio.rules import Rules

FORMAT = "melodylc-run/1"
MOST = 1 << 31
LONGEST = 10_000


@dataclass(frozen=True)
class Records:
    """What runs are read against: the rules of this studio, its model, and the versions that compute here."""

    rules: Rules
    requests: Requests
    model: Path | None
    origin: Mapping[str, Any]  #: the model's fingerprint and the versions, as `Made.origin`

    def write(self, run: Run) -> dict[str, Any]:
        """A run as plain values; the inverse of `read`."""
        marks = {str(number): mark for number, mark in list(run.marks.items())}
        if run.record is not None:
            return {**run.record, "marks": marks}
        rule = run.request.rule
        return {
            "format": FORMAT,
            "run": run.number,
            "kind": run.kind,
            "title": run.title,
            "slug": run.slug,
            "seed": run.seed,
            "of": list(run.of) if run.of else [],
            "settings": run.settings,
            "remarks": list(run.remarks),
            "asked": self._named(run.asked),
            "rule": rule.identity if rule else "",
            "command": run.made.order.command if run.made else "",
            "made": _made(run) if run.made else None,
            "melodies": {str(number): _notes(melody) for number, melody in list(run.melodies.items())},
            "marks": marks,
        }

    def read(self, values: Any) -> Run:
        """The run of plain values.

        Raises:
            InputError: they aren't those of a run.
        """
        fields = Fields(values)
        if fields.text("format") != FORMAT:
            raise InputError("this is no run of a studio")
        number, kind = fields.whole("run", 1, MOST), _one_of(fields.text("kind"), get_args(Kind))
        melodies = {_number(it): _melody(notes) for it, notes in fields.object("melodies", 64).items()}
        marks = {_number(it): _one_of(mark, get_args(Mark)) for it, mark in fields.object("marks", 64).items()}
        asked, missing = self._numbered(fields.object("asked", 16))
        command, rule = fields.text("command", LONGEST) or "", fields.text("rule", LONGEST) or ""
        request, lost = self._request(asked, missing, rule, command)
        made = fields.object("made", 8)
        run = Run(
            number,
            kind,
            title=fields.text("title", LONGEST) or "",
            slug=_plain(fields.text("slug", LONGEST)),
            request=request,
            asked=asked,
            seed=fields.whole("seed", 0, (1 << 63) - 1),
            of=_pair(fields.listed("of", 2)),
            settings=fields.object("settings", 16),
            remarks=tuple(str(it) for it in fields.listed("remarks", 64)),
            lost=lost,
            record=values if lost else None,
            melodies=dict(sorted(melodies.items())),
            marks={it: mark for it, mark in marks.items() if it in melodies},
        )
        fields.done()
        if made and not lost:
            run.made = self._made(made, run)
            run.lost = self._other(run.made.origin)
        return run

    def _named(self, words: Mapping[str, Any]) -> dict[str, Any]:
        """The page's words, with rules by name, since another studio has them under other numbers."""
        named = [{**it, "rule": self.rules.row(it["rule"]).spec} for it in words.get("rules") or ()]
        return {**words, "rules": named}

    def _numbered(self, words: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """The words with rules by number, and the names of those that aren't there."""
        numbers = {row.spec: number for number, row in enumerate(self.rules.rows)}
        named = Fields(words).listed("rules", MOST_RULES)
        if not all(isinstance(it, Mapping) for it in named):
            raise InputError("a rule is a JSON object")
        known = [{**it, "rule": numbers[it["rule"]]} for it in named if it.get("rule") in numbers]
        return {**words, "rules": known}, [str(it.get("rule")) for it in named if it.get("rule") not in numbers]

    def _request(
        self, asked: Mapping[str, Any], missing: list[str], rule: str, command: str
    ) -> tuple[Request, tuple[str, ...]]:
        """What melodies are judged by, and a remark where that isn't what they were made for."""
        how = f"; it was made by {command}" if command else ""
        if missing:
            why = f"{', '.join(missing)} is no rule of this studio: name it with --reward{how}"
            return self._without(asked), (why,)
        try:
            request = self.requests.of(Asked.read(asked, self.rules))
        except InputError as error:
            return self._without(asked), (f"{error}{how}",)
        if (request.rule.identity if request.rule else "") != rule:
            return self._without(asked), (f"the rule has changed since{how}",)
        return request, ()

    def _without(self, asked: Mapping[str, Any]) -> Request:
        try:
            return self.requests.of(Asked.read({**asked, "rules": []}, self.rules))
        except InputError:
            return Request()

    def _made(self, values: dict[str, Any], run: Run) -> Made:
        fields = Fields(values)
        count, origin = fields.whole("count", 1, 64), fields.object("origin", 8)
        draws = [_draw(it, run.melodies, run.seed) for it in fields.listed("draws", 64)]
        fields.done()
        return Made(
            Order(run.request, count, run.seed, model=self.model), origin, {draw.number: draw for draw in draws}
        )

    def _other(self, origin: Mapping[str, Any]) -> tuple[str, ...]:
        """A remark where the command line may make other melodies here."""
        if origin.get("model") != self.origin["model"]:
            return (f"made by another model, {origin.get('model')}: here the command line makes other melodies",)
        if origin.get("versions") != self.origin["versions"]:
            return ("made with other versions: here the command line may make other melodies",)
        if origin.get("copies_of") != self.origin["copies_of"]:
            return ("made where other copies were refused: here the command line may make other melodies",)
        return ()


def _made(run: Run) -> dict[str, Any]:
    if run.made is None:
        raise ValueError("a run that the command line doesn't make")
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
            **({} if draw.number in run.melodies else {"notes": _notes(draw.melody)}),
        }
        for draw in list(run.made.draws.values())
    ]
    return {"count": run.made.order.count, "origin": run.made.origin, "draws": draws}


def _draw(values: Any, melodies: Mapping[int, Melody], seed: int) -> Result:
    fields = Fields(values)
    number, notes = fields.whole("number", 1, 64), fields.listed("notes", 256)
    draw = Result(
        number=number,
        seed=seed,
        melody=melodies[number] if number in melodies else _melody(notes),
        rewards=tuple(_share(it) for it in fields.listed("rewards", 64)),
        attempts=fields.whole("draws", 1, MOST),
        satisfied=tuple(int(it) for it in fields.listed("held", 64)),
        distance=fields.number("distance", 0, 1e12, 0),
        rests_added=fields.whole("touched", 0, 256),
        passes=fields.whole("found", 0, MOST),
        is_copy=fields.flag("copied", False),
        copies=fields.whole("refused", 0, MOST, 0),
    )
    fields.done()
    return draw


def _notes(melody: Melody) -> list[list[int]]:
    return [list(note) for note in melody.notes]


def _melody(notes: Any) -> Melody:
    if not isinstance(notes, list) or len(notes) > 256 or not all(isinstance(it, list) for it in notes):
        raise InputError("a melody is a list of notes")
    return Melody.from_notes(notes)


def _number(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 64):
        raise InputError(f"a melody's number is 1 to 64, not {text[:20]!r}")
    return int(text)


def _share(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise InputError("a reward is a number from 0 to 1")
    return float(value)


def _pair(values: list[Any]) -> tuple[int, int] | None:
    if values and not (len(values) == 2 and all(type(it) is int for it in values)):
        raise InputError("a melody is a run and a number")
    return (values[0], values[1]) if values else None


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise InputError(f"one of {', '.join(allowed)} was expected")
    return value


def _plain(slug: str | None) -> str:
    """A file's name without folders."""
    if not slug or not all(it.isalnum() or it in "-+_#" for it in slug):
        raise InputError("a slug is letters, digits, dashes and a few signs")
    return slug
