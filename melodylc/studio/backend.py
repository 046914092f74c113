"""What the studio asks of the toolkit: how a request can be served, melodies for it, and where they come from.

Everything that decodes is called from here and from `variation`, in one thread, one thing after another: a seed gives
the same notes whatever else goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melodylc.constraints.actors import FoundActor, find_actor
from melodylc.constraints.request import Request
from melodylc.data.keys import parse_scale
from melodylc.models.checkpoint import LoadedModel
from melodylc.reporting import SILENT
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.sampling.methods.auto import Auto
from melodylc.sampling.methods.base import Method, Task
from melodylc.sampling.methods.combined import Combined
from melodylc.sampling.methods.steer import SteerMethod
from melodylc.sampling.sampler import Result, Sampler
from melodylc.sampling.steering.writer import find_writer
from melodylc.service.generation import Generation, origin_of, run_order
from melodylc.service.order import Order
from melodylc.studio.history import Provenance
from melodylc.studio.variation import Variator
from melodylc.versions import versions

_MOST_METHODS = 64  # rules that stay prepared


@dataclass(frozen=True)
class Plan:
    """How a request can be served: by an actor that ships, in its own key or transposed, or by an earlier fit's."""

    request: Request
    actor: FoundActor | None  #: None where nothing is asked, or nothing is there to serve it
    steered: bool = False  #: whether the model writes under any rule at once

    @property
    def ready(self) -> bool:
        """Whether melodies can be made without fitting anything."""
        return self.steered or self.actor is not None or self.request.rule is None

    @property
    def summary(self) -> str:
        """How it will be served, in words."""
        actor, scale = self.actor, self.request.scale
        if self.request.rule is None:
            return "Ready: any melody"
        if self.steered:
            return "Ready"
        if actor is None:
            return "Needs a fit: nothing has learnt this rule yet"
        if actor.shift and scale:
            home = scale.transposed(-actor.shift).name
            return f"Ready: made in {home}, then transposed by {actor.shift:+d} semitones"
        return "Ready" if actor.origin == "shipped" else "Ready: learnt before"


class Backend:
    """A model, and what is learnt for it.

    Args:
        model: that makes the melodies.
        path: its file; None: the one that ships.
    """

    def __init__(self, model: LoadedModel, path: Path | None = None) -> None:
        self.model, self.path = model, path
        self._actors: dict[str, FoundActor] = {}
        self._methods: dict[str, Method] = {}
        self._writes = find_writer(model) is not None

    def plan(self, request: Request) -> Plan:
        """How a request can be served; `Plan.ready` says whether at all."""
        rule = request.rule
        if rule is None:
            return Plan(request, None)
        if rule.identity not in self._actors and (actor := find_actor(self.model, rule, other_keys=True)):
            self._actors[rule.identity] = actor
        return Plan(request, self._actors.get(rule.identity), self._writes)

    def order(self, request: Request, count: int, seed: int) -> Order:
        """The command line's words for `count` melodies of a request."""
        return Order(request, count, seed, model=self.path)

    def generate(
        self, plan: Plan, order: Order, on_draw: Callable[[Result], None], on_progress: Callable[[int, int], None]
    ) -> tuple[Result, ...]:
        """The draws of an order, as `melodylc generate` makes them.

        Args:
            plan: of the order's request.
            order: what is made.
            on_draw: called with each draw that passes, as it is made.
            on_progress: called with how many passed and how many were drawn; what it raises ends the work.
        """
        method = self._method(plan.request, plan.actor)
        return run_order(order, SILENT, self.model, on_draw, method, on_progress).results

    def production(self, order: Order, draws: tuple[Result, ...]) -> Generation:
        """Draws of before, for the files and the manifest that the command line writes of them."""
        return Generation(order, origin_of(self.model, order, self._method(order.request, None), ()), draws)

    def _method(self, request: Request, actor: FoundActor | None) -> Method:
        """What `melodylc generate` takes, prepared once for each rule; with an actor that is at hand already."""
        key = request.rule.identity if request.rule is not None else ""
        if key not in self._methods:
            if len(self._methods) >= _MOST_METHODS:
                self._methods.clear()
            steered = SteerMethod.prepare(Task(self.model, request)) if self._writes else None
            self._methods[key] = Auto(Task(self.model, request), steered)
        method = self._methods[key]
        if actor is not None and isinstance(method, Auto) and "fallback" not in method.__dict__ and not self._writes:
            method.__dict__["fallback"] = Combined(self.model, self.model.prior(), request.rule, actor)
        return method

    def variator(self, plan: Plan) -> Variator:
        """What varies and repairs melodies with the plan's actor."""
        return Variator(self.model.vae, plan.actor)

    def provenance(self, plan: Plan, order: Order) -> Provenance:
        """An order with what serves it here, and no draws yet."""
        return Provenance(order, self.origin(plan))

    def origin(self, plan: Plan | None = None) -> dict[str, Any]:
        """What makes melodies here, as a manifest has it."""
        guard = find_memorisation_filter(self.model)
        return {
            "versions": versions(),
            "model": self.model.fingerprint,
            "prior": self.model.prior().identity,
            "method": self._about_method(plan),
            "copies_of": list(guard.corpora) if guard else [],
        }

    def _about_method(self, plan: Plan | None) -> dict[str, Any]:
        if plan is None or not plan.ready:
            return {"name": Auto.name}
        return {"name": Auto.name, **self._method(plan.request, plan.actor).to_dict()}

    def warm_up(self) -> None:
        """Load the shipped actor of C major and decode once: what comes first takes longest."""
        plan = self.plan(Request(scales=(parse_scale("cmaj"),)))
        Sampler(self._method(plan.request, plan.actor), plan.request.rule).sample(0, 1, 1)
