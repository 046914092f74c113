"""How a request can be served: by which actor, shipped or fitted before, perhaps one of another key.

The actor of C major makes D major too, two semitones higher, where no other rule hears the difference: nothing needs
to be fitted for it, and the command line says the same with `--transpose`.
"""

from dataclasses import dataclass, replace

from melodylc.actors import FoundActor, find_actor
from melodylc.data.errors import InputError
from melodylc.data.formats.render import transposed
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Request
from melodylc.rewards import Rule
from melodylc.transposing import check_transposable

# The nearest first; up before down.
_MOVES = (1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6)


@dataclass(frozen=True)
class Plan:
    """A request and what serves it."""

    asked: Request  #: in the key that is heard
    made: Request  #: in the key of the actor
    transpose: int  #: semitones from the second up to the first
    actor: FoundActor | None  #: None where nothing is asked, or nothing is there to serve it

    @property
    def ready(self) -> bool:
        """Whether melodies can be made without fitting anything."""
        return self.actor is not None or self.asked.rule is None

    @property
    def how(self) -> str:
        """What will be done, in words."""
        if self.asked.rule is None:
            return "ready; without a rule, melodies are as the model makes them"
        if self.actor is None:
            return "no actor has learnt this yet"
        origin = "comes with the package" if self.actor.origin == "shipped" else "was fitted before"
        if self.transpose and self.made.scale:
            return f"ready: made in {self.made.scale.name}, moved by {self.transpose:+d} semitones; that actor {origin}"
        return f"ready: its actor {origin}"


class Planner:
    """Finds actors, and keeps those that it found."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._found: dict[str, FoundActor] = {}
        self._missing: set[str] = set()

    def plan(self, request: Request) -> Plan:
        """How a request can be served; `Plan.ready` says whether at all."""
        rule = request.rule
        if rule is None:
            return Plan(request, request, 0, None)
        if actor := self._find(rule):
            return Plan(request, request, 0, actor)
        return self._elsewhere(request) or Plan(request, request, 0, None)

    def forget(self) -> None:
        """Look again for what wasn't there: something was fitted."""
        self._missing.clear()

    def _elsewhere(self, request: Request) -> Plan | None:
        if not request.scales:
            return None
        for semitones in _MOVES:
            made = replace(request, scales=tuple(transposed(scale, -semitones) for scale in request.scales))
            rule = made.rule
            if rule is None or rule.identity in self._missing:
                continue
            if actor := self._find(rule):
                return Plan(request, made, semitones, actor) if _movable(request, semitones) else None
            self._missing.add(rule.identity)
        return None

    def _find(self, rule: Rule) -> FoundActor | None:
        if rule.identity not in self._found and (found := find_actor(self._model, rule)):
            self._found[rule.identity] = found
        return self._found.get(rule.identity)


def _movable(request: Request, semitones: int) -> bool:
    try:
        check_transposable(request.rewards, semitones)
    except InputError:
        return False
    return True
