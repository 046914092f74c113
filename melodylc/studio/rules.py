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
_ON_CONTROLS = frozenset(("in_scale", "pitch_classes", "tonic", "density", "variety"))


@dataclass(frozen=True)
class RuleEntry:
    """A rule that can be asked for."""

    spec: str  #: as one types it, perhaps with parameters
    label: str
    origin: str
    summary: str


@dataclass(frozen=True)
class RuleTable:
    """The table; a rule's number is its place in it."""

    entries: tuple[RuleEntry, ...]
    seconds: float = SECONDS  #: that one call of a user's rule may take

    @classmethod
    def load(cls, named: Sequence[str] = (), seconds: float = SECONDS) -> "RuleTable":
        """Those that are installed, after those that somebody named, such as "leaps.py:stepwise,largest=2".

        Raises:
            InputError: a named one can't be loaded, or doesn't judge melodies.
        """
        own = [_load_named(spec, seconds) for spec in named]
        others = [
            RuleEntry(it.name, it.name, it.origin, it.summary) for it in catalogue() if it.name not in _ON_CONTROLS
        ]
        return cls((*own, *others), seconds)

    def entry(self, number: int) -> RuleEntry:
        """The rule of a number.

        Raises:
            InputError: there is none.
        """
        if not 0 <= number < len(self.entries):
            raise InputError(f"there is no rule {number}: load the page again")
        return self.entries[number]

    def details(self, number: int) -> dict[str, Any]:
        """What a rule says of itself, and its parameters: name, kind in words, value, and whether it must be given."""
        entry = self.entry(number)
        description = describe(entry.spec, self.seconds)
        parameters = [
            {
                "name": name,
                "kind": kind,
                "value": "" if value == _REQUIRED else _as_typed(value),
                "required": value == _REQUIRED,
            }
            for name, kind, value in description.parameters
        ]
        return {"rule": number, "text": description.text, "parameters": parameters}

    def text(self, number: int, parameters: Mapping[str, str], weight: float = 1.0) -> str:
        """The rule as one types it on the command line.

        Raises:
            InputError: no such rule, or a parameter that is more than a name and a value.

        >>> RuleTable((RuleEntry("stepwise", "stepwise", "melodylc", ""),)).text(0, {"largest": "3"}, 0.5)
        '0.5*stepwise,largest=3'
        """
        spec = self.entry(number).spec
        for name, value in parameters.items():
            if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                raise InputError(f"{name[:40]} can't be {value[:40]!r}: letters, digits and . , # + - are allowed")
        label, *_ = _NEXT.split(spec)
        values = dict(parse_name(spec).texts) | dict(parameters)
        spec = ",".join([label, *(f"{name}={value}" for name, value in values.items())])
        return spec if weight == 1 else f"{weight:g}*{spec}"


_REQUIRED = "must be given"


def _load_named(spec: str, seconds: float) -> RuleEntry:
    description = describe(spec, seconds)
    if description.domain != MELODIES:
        raise InputError(f"{spec} judges {description.domain}, and the studio's are melodies")
    return RuleEntry(
        spec, parse_name(spec).name, description.origin, description.text.split("\n\n")[0].replace("\n", " ")
    )


def _as_typed(value: str) -> str:
    """A value as one types it, from how Python shows it: "up", not "'up'"; 0,2,4, not (0, 2, 4)."""
    if value[:1] == value[-1:] and value[:1] in ("'", '"'):
        return value[1:-1]
    return re.sub(r"\s", "", value[1:-1]).rstrip(",") if value[:1] == "(" else value
