"""The rules that the page may ask for: built-in ones, those of installed packages, and those named at the start.

The page says a rule's number in this table, never its name or a path; what it sends as parameters is only ever letters,
digits and a few signs, none of which could end a parameter and begin another rule.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from melodylc.data.errors import InputError
from melodylc.rewards.domains import MELODIES
from melodylc.rewards.isolation import SECONDS
from melodylc.rewards.specs import catalogue, describe, parse_name

LIGHTEST, HEAVIEST = 0.05, 20.0
_NAME = re.compile(r"[A-Za-z_]\w{0,63}")
_VALUE = re.compile(r"[\w .,#+-]{1,120}")
_NEXT = re.compile(r",(?=\s*[A-Za-z_]\w*\s*=)")
# What the page has controls of its own for.
_OWN = frozenset(("in_scale", "pitch_classes", "tonic", "density", "variety"))


@dataclass(frozen=True)
class Row:
    """A rule that can be asked for."""

    spec: str  #: as one types it, perhaps with parameters
    label: str
    origin: str
    summary: str


@dataclass(frozen=True)
class Rules:
    """The table; a rule's number is its place in it."""

    rows: tuple[Row, ...]
    seconds: float = SECONDS  #: that one call of a user's rule may take

    @classmethod
    def gather(cls, named: Sequence[str] = (), seconds: float = SECONDS) -> "Rules":
        """Those that are installed, after those that somebody named, such as "leaps.py:stepwise,largest=2".

        Raises:
            InputError: a named one can't be loaded, or doesn't judge melodies.
        """
        own = [_named(spec, seconds) for spec in named]
        others = [Row(it.name, it.name, it.origin, it.summary) for it in catalogue() if it.name not in _OWN]
        return cls((*own, *others), seconds)

    def row(self, number: int) -> Row:
        """The rule of a number.

        Raises:
            InputError: there is none.
        """
        if not 0 <= number < len(self.rows):
            raise InputError(f"there is no rule {number}: load the page again")
        return self.rows[number]

    def details(self, number: int) -> dict[str, Any]:
        """What a rule says of itself, and its parameters: name, kind in words, value, and whether it must be given."""
        row = self.row(number)
        found = describe(row.spec, self.seconds)
        parameters = [
            {"name": name, "kind": kind, "value": "" if value == _MUST else _typed(value), "required": value == _MUST}
            for name, kind, value in found.parameters
        ]
        return {"rule": number, "text": found.text, "parameters": parameters}

    def text(self, number: int, parameters: Mapping[str, str], weight: float = 1.0) -> str:
        """The rule as one types it on the command line.

        Raises:
            InputError: no such rule, or a parameter that is more than a name and a value.

        >>> Rules((Row("stepwise", "stepwise", "melodylc", ""),)).text(0, {"largest": "3"}, 0.5)
        '0.5*stepwise,largest=3'
        """
        spec = self.row(number).spec
        for name, value in parameters.items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise InputError(f"{name[:40]} can't be {value[:40]!r}: letters, digits and . , # + - are allowed")
        label, *_ = _NEXT.split(spec)
        given = dict(parse_name(spec).texts) | dict(parameters)
        spec = ",".join([label, *(f"{name}={value}" for name, value in given.items())])
        return spec if weight == 1 else f"{weight:g}*{spec}"


_MUST = "must be given"


def _named(spec: str, seconds: float) -> Row:
    found = describe(spec, seconds)
    if found.domain != MELODIES:
        raise InputError(f"{spec} judges {found.domain}, and the studio's are melodies")
    return Row(spec, parse_name(spec).name, found.origin, found.text.split("\n\n")[0].replace("\n", " "))


def _typed(value: str) -> str:
    """A value as one types it, from how Python shows it: "up", not "'up'"; 0,2,4, not (0, 2, 4)."""
    if value[:1] == value[-1:] and value[:1] in ("'", '"'):
        return value[1:-1]
    return re.sub(r"\s", "", value[1:-1]).rstrip(",") if value[:1] == "(" else value
