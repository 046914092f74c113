"""What the page asks of a melody, from JSON to a request."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melodylc.constraints.request import Request
from melodylc.data.files import fingerprint_file
from melodylc.rewards.specs import parse_name
from melodylc.studio.reading import Fields
from melodylc.studio.rules import HEAVIEST, LIGHTEST, Rules

MOST_RULES = 8
MOST_PARAMETERS = 16
_REMEMBERED = 64


@dataclass(frozen=True)
class Asked:
    """A key, a density and rules, as one types them on the command line."""

    scale: str | None = None
    tonic: bool | None = None  #: None: as the scale has it
    density: str | None = None
    rewards: tuple[str, ...] = ()
    varied: bool = True

    @classmethod
    def read(cls, values: Any, rules: Rules) -> "Asked":
        """From the page's JSON.

        Raises:
            InputError: a field of another type, or a rule that isn't in the table.
        """
        fields = values if isinstance(values, Fields) else Fields(values)
        asked = cls(
            scale=fields.text("scale"),
            tonic=fields.maybe("tonic"),
            density=fields.text("density"),
            rewards=tuple(_rule(it, rules) for it in fields.listed("rules", MOST_RULES)),
            varied=fields.flag("variety", True),
        )
        fields.done()
        return asked


class Requests:
    """Requests by what was asked, kept, because a rule in a file has a process of its own that takes time to start."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[tuple[Asked, tuple[str, ...]], Request] = {}

    def of(self, asked: Asked) -> Request:
        """The request.

        Raises:
            InputError: as `Request.read`.
        """
        key = asked, tuple(_version(text) for text in asked.rewards)
        if key not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._read(asked)
        return self._known[key]

    def _read(self, asked: Asked) -> Request:
        return Request.read(
            scale=[asked.scale] if asked.scale else [],
            density=[asked.density] if asked.density else [],
            reward=asked.rewards,
            tonic=asked.tonic if asked.scale else None,
            variety=asked.varied,
            seconds=self._seconds,
        )


def _rule(values: Any, rules: Rules) -> str:
    fields = Fields(values)
    number = fields.whole("rule", 0, 10_000)
    parameters = fields.texts("parameters", MOST_PARAMETERS)
    weight = fields.number("weight", LIGHTEST, HEAVIEST, 1.0)
    fields.done()
    return rules.text(number, parameters, weight)


def _version(text: str, fingerprint: Callable[[Path], str] = fingerprint_file) -> str:
    """What a rule's file holds now: who edits it wants the new one."""
    path = parse_name(text.rpartition("*")[2]).path
    return fingerprint(path) if path and path.is_file() else ""
