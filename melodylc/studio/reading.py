"""JSON that came from outside, read field by field: what isn't known or isn't of its type is refused."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

from melodylc.data.errors import InputError

LONGEST_TEXT = 200


class Fields:
    """The fields of a JSON object, each taken once.

    >>> fields = Fields({"count": 8, "scale": None})
    >>> fields.whole("count", 1, 64, 4), fields.text("scale"), fields.flag("variety", True)
    (8, None, True)
    >>> fields.done()
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
            raise InputError(f"{name} is a whole number from {least} to {most}, not {_shown(value)}")
        return value

    def number(self, name: str, least: float, most: float, default: float) -> float:
        """A number in a range; `default` where it is missing or null."""
        value = self._values.pop(name, None)
        value = default if value is None else value
        if type(value) not in (int, float) or not isfinite(value) or not least <= value <= most:
            raise InputError(f"{name} is a number from {least:g} to {most:g}, not {_shown(value)}")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """True or false; `default` where it is missing or null."""
        value = self.maybe(name)
        return default if value is None else value

    def maybe(self, name: str) -> bool | None:
        """True, false or null."""
        value = self._values.pop(name, None)
        if value is not None and not isinstance(value, bool):
            raise InputError(f"{name} is true or false, not {_shown(value)}")
        return value

    def listed(self, name: str, most: int) -> list[Any]:
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

    def rest(self) -> dict[str, Any]:
        """What hasn't been taken yet, as it came."""
        values, self._values = self._values, {}
        return values

    def done(self) -> None:
        """Make sure that nothing is left.

        Raises:
            InputError: there are fields that nobody asked for.
        """
        if self._values:
            raise InputError(f"unknown: {', '.join(sorted(self._values))[:80]}")


def _shown(value: Any) -> str:
    return repr(value)[:40]
