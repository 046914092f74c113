"""How a request can be served: by an actor that ships, in its own key or moved, or by one that was fitted before."""

from dataclasses import dataclass

from melodylc.constraints.actors import FoundActor, find_actor
from melodylc.constraints.request import Request
from melodylc.models.checkpoint import LoadedModel


@dataclass(frozen=True)
class Plan:
    """A request and what serves it."""

    request: Request
    actor: FoundActor | None  #: None where nothing is asked, or nothing is there to serve it

    @property
    def ready(self) -> bool:
        """Whether melodies can be made without fitting anything."""
        return self.actor is not None or self.request.rule is None

    @property
    def how(self) -> str:
        """What will be done, in words."""
        actor, scale = self.actor, self.request.scale
        if self.request.rule is None:
            return "ready; without a rule, melodies are as the model makes them"
        if actor is None:
            return "no actor has learnt this yet"
        origin = "comes with the package" if actor.origin == "shipped" else "was fitted before"
        if actor.shift and scale:
            made = scale.transposed(-actor.shift).name
            return f"ready: made in {made}, moved by {actor.shift:+d} semitones; that actor {origin}"
        return f"ready: its actor {origin}"


class Planner:
    """Finds the actors that `melodylc generate` finds, and keeps those that it found."""

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._found: dict[str, FoundActor] = {}

    def plan(self, request: Request) -> Plan:
        """How a request can be served; `Plan.ready` says whether at all."""
        rule = request.rule
        if rule is None:
            return Plan(request, None)
        if rule.identity not in self._found and (found := find_actor(self._model, rule, other_keys=True)):
            self._found[rule.identity] = found
        return Plan(request, self._found.get(rule.identity))
