"""What comes from outside as JSON: decoded, read field by field, and turned into a request.

A field that isn't known or isn't of its type is refused. A rule is named by its number in the table of rules, never by
a name or a path, so that nobody can bring code.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from melodylc.constraints.request import Request
from melodylc.data.errors import InputError
from melodylc.data.files import fingerprint_file
from melodylc.data.texts import printable
from melodylc.rewards.specs import parse_name
from melodylc.studio.rules import HEAVIEST, LIGHTEST, RuleTable

LONGEST_TEXT = 200
MOST_RULES = 8
MOST_PARAMETERS = 16
CACHE_SIZE = 64


def decode_json(content: bytes) -> Any:
    """JSON in UTF-8 as plain values.

    Raises:
        InputError: it isn't, is nested too deeply, has a number of thousands of digits, or half of a surrogate pair,
            which no file's name and no answer could hold.

    >>> decode_json(b'{"count": 8}')
    {'count': 8}
    """
    try:
        values = json.loads(content.decode())
        json.dumps(values, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InputError("JSON in UTF-8 was expected") from None
    return values


class Fields:
    """The fields of a JSON object, each read once.

    >>> fields = Fields({"count": 8, "scale": None})
    >>> fields.whole("count", 1, 64, 4), fields.text("scale"), fields.flag("variety", True)
    (8, None, True)
    >>> fields.end()
    """

    def __init__(self, values: Any) -> None:
        if not isinstance(values, Mapping):
            raise InputError("a JSON object was expected")
        self._values = dict(values)

    def text(self, name: str, longest: int = LONGEST_TEXT) -> str | None:
        """A text of at most so many characters, or None."""
        value = self._values.pop(name, None)
        if value is not None and not (isinstance(value, str) and len(value) <= longest):
            raise InputError(f"{name} is a text of at most {longest} characters")
        return value or None

    def whole(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number in a range; `default` where it is missing or null."""
        value = self._values.pop(name, None)
        value = default if value is None else value
        if type(value) is not int or not least <= value <= most:
            raise InputError(f"{name} is a whole number from {least} to {most}, not {_excerpt(value)}")
        return value

    def number(self, name: str, least: float, most: float, default: float) -> float:
        """A number in a range; `default` where it is missing or null."""
        value = self._values.pop(name, None)
        value = default if value is None else value
        if type(value) not in (int, float) or not least <= value <= most:
            raise InputError(f"{name} is a number from {least:g} to {most:g}, not {_excerpt(value)}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false; `default` where it is missing or null."""
        value = self.flag_or_none(name)
        return default if value is None else value

    def flag_or_none(self, name: str) -> bool | None:
        """True, false or null."""
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise InputError(f"{name} is true or false, not {_excerpt(value)}")
        return value

    def items(self, name: str, most: int) -> list[Any]:
        """A list of at most `most` values; empty where it is missing or null."""
        value = self._values.pop(name, None)
        value = [] if value is None else value
        if not isinstance(value, list) or len(value) > most:
            raise InputError(f"{name} is a list of at most {most}")
        return value

    def texts(self, name: str, most: int) -> dict[str, str]:
        """An object of at most `most` texts by name; empty where it is missing or null."""
        inner = Fields(self._values.pop(name, None) or {})
        if len(inner._values) > most:
            raise InputError(f"{name} has at most {most} fields")
        read = {key: inner.text(key) for key in list(inner._values)}
        return {key: value for key, value in read.items() if value is not None}

    def object(self, name: str, most: int) -> dict[str, Any]:
        """An object of at most `most` values by name; empty where it is missing or null."""
        value = self._values.pop(name, None)
        value = {} if value is None else value
        if not isinstance(value, dict) or len(value) > most:
            raise InputError(f"{name} is a JSON object of at most {most} fields")
        return value

    def remainder(self) -> dict[str, Any]:
        """The fields that weren't read yet, as they came."""
        values, self._values = self._values, {}
        return values

    def end(self) -> None:
        """Make sure that nothing is left.

        Raises:
            InputError: there are fields that nobody asked for.
        """
        if self._values:
            raise InputError(f"unknown: {printable(', '.join(sorted(self._values)))}")


def _excerpt(value: Any) -> str:
    return repr(value)[:40]


@dataclass(frozen=True)
class RequestForm:
    """A key, a density and rules, as one types them on the command line."""

    scale: str | None = None
    tonic: bool | None = None  #: None: as the scale has it
    density: str | None = None
    rewards: tuple[str, ...] = ()
    variety: bool = True

    @classmethod
    def read(cls, values: Any, rules: RuleTable) -> "RequestForm":
        """From JSON: scale, tonic, density, rules and variety.

        Raises:
            InputError: a field of another type, or a rule that isn't in the table.
        """
        fields = Fields(values)
        form = cls(
            scale=fields.text("scale"),
            tonic=fields.flag_or_none("tonic"),
            density=fields.text("density"),
            rewards=tuple(_rule(it, rules) for it in fields.items("rules", MOST_RULES)),
            variety=fields.flag("variety", True),
        )
        fields.end()
        return form


class RequestCache:
    """Requests by their forms; they are reused: a rule in a file has a process of its own that takes time to start."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._requests: dict[tuple[RequestForm, tuple[str, ...]], Request] = {}

    def request(self, form: RequestForm) -> Request:
        """The request of a form.

        Raises:
            InputError: as `Request.read`.
        """
        key = form, tuple(_file_version(text) for text in form.rewards)
        if key not in self._requests:
            if len(self._requests) >= CACHE_SIZE:
                self._requests.pop(next(iter(self._requests)))
            self._requests[key] = Request.read(
                scale=[form.scale] if form.scale else [],
                density=[form.density] if form.density else [],
                reward=form.rewards,
                tonic=form.tonic if form.scale else None,
                variety=form.variety,
                seconds=self._seconds,
            )
        return self._requests[key]


def _rule(values: Any, rules: RuleTable) -> str:
    fields = Fields(values)
    number = fields.whole("rule", 0, 10_000)
    parameters = fields.texts("parameters", MOST_PARAMETERS)
    weight = fields.number("weight", LIGHTEST, HEAVIEST, 1.0)
    fields.end()
    return rules.text(number, parameters, weight)


def _file_version(text: str) -> str:
    """A fingerprint of a rule's file as it is now: who edits it wants the new one."""
    path = parse_name(text.rpartition("*")[2]).path
    return fingerprint_file(path) if path and path.is_file() else ""
