"""What can be done in the studio, without a word of HTTP.

Everything that decodes runs in one thread, one thing after another: a seed gives the same notes whatever else goes on.
"""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from melodylc.actors import SETTINGS
from melodylc.copies import find_guard
from melodylc.data.errors import InputError
from melodylc.data.keys import parse_scale
from melodylc.data.source import Choice, Source
from melodylc.draws import Draw, Sampler
from melodylc.generate import produce
from melodylc.latent.fit import FitSettings
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Order, Request
from melodylc.studio.asked import Asked, Requests
from melodylc.studio.change import ALL, Changer
from melodylc.studio.fitting import Fitting
from melodylc.studio.history import History, Made, Run
from melodylc.studio.kept import open_history
from melodylc.studio.plan import Plan, Planner
from melodylc.studio.records import Records
from melodylc.studio.rules import Rules
from melodylc.studio.uploads import read_upload
from melodylc.versions import versions

MOST_SEED = 2**63 - 1
HISTORY = "history"  #: the folder of runs, in the studio's
Found = Callable[[Run, int], None]
"""Told of each melody of a run as it is made, by its number."""


@dataclass(frozen=True)
class Wanted:
    """What `Studio.vary` and `Studio.mend` are asked."""

    bars: tuple[int, ...] = ALL
    distance: float = 0.3
    strength: float = 1.0
    count: int = 4
    seed: int | None = None


@dataclass
class Studio:
    """A model that is loaded, what was made with it, and what may be asked."""

    model: LoadedModel
    rules: Rules
    folder: Path  #: that single files are written to
    model_path: Path | None = None
    settings: FitSettings = SETTINGS
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.planner = Planner(self.model)
        self.fitting = Fitting(self.model, self.model_path, self.settings)
        self._requests = Requests(self.rules.seconds)

    def request(self, asked: Asked) -> Request:
        """The request that the page's words make."""
        return self._requests.of(asked)

    def plan(self, asked: Asked) -> Plan:
        """How it can be served."""
        return self.planner.plan(self.request(asked))

    def remember(self) -> str:
        """Take up the history that lies in the folder, and keep it there from now on; what didn't go well, in words."""
        records = Records(self.rules, self._requests, self.model_path, self._origin(Plan(Request(), None)))
        self.history, remark = open_history(self.folder / HISTORY, records)
        return remark

    def warm(self) -> None:
        """Load the shipped actor of C major and decode once: what comes first takes longest."""
        plan = self.planner.plan(Request(scales=(parse_scale("cmaj"),)))
        actor = plan.actor
        Sampler(self.model, actor.move if actor else None, plan.request.rule, shift=actor.shift if actor else 0).draw(
            0, 1, 1
        )

    def fit(self, asked: Asked) -> None:
        """Begin to fit an actor for what is asked."""
        request = self.request(asked)
        self.fitting.start(request, _title(request))

    def generate(
        self,
        asked: Asked,
        words: dict[str, Any],
        count: int,
        seed: int | None,
        begun: Callable[[Run], None] = lambda run: None,
        found: Found = lambda run, number: None,
        report: Callable[[int, int], None] = lambda passed, draws: None,
    ) -> Run:
        """What `melodylc generate` makes, melody by melody.

        Args:
            asked: the rule.
            words: the page's own, for the history.
            count: how many melodies.
            seed: None: a new one.
            begun: given the run, before its first melody.
            found: told of each melody.
            report: told how many there are and how many were drawn; whatever it raises ends the run.

        Raises:
            InputError: nothing serves the request without a fit.
        """
        plan = self.plan(asked)
        if not plan.ready:
            raise InputError("no actor has learnt this yet: fit one first")
        order = Order(plan.request, count, secrets.randbits(31) if seed is None else seed, model=self.model_path)
        run = self.history.add(
            "generate",
            title=_title(plan.request),
            slug=_slug(plan.request, order.seed),
            request=plan.request,
            asked=words,
            seed=order.seed,
            made=(made := Made(order, self._origin(plan))),
        )
        begun(run)

        def take(draw: Draw) -> None:
            made.draws[draw.number] = draw
            run.melodies[draw.number] = draw.melody
            found(run, draw.number)

        try:
            production = produce(order, self.model, plan.actor, report, found=take)
            made.draws.update({draw.number: draw for draw in production.draws})
        finally:
            self.history.record(run)
        return run

    def vary(self, run: Run, number: int, asked: Asked, words: dict[str, Any], wanted: Wanted, found: Found) -> Run:
        """Variations of a melody that keep to what is asked.

        Raises:
            InputError: no such melody, or none was found that obeys.
        """
        plan, source = self.plan(asked), run.melody(number)
        made = self._child("vary", run, number, plan.request, words, wanted)
        varied = Changer(self.model.vae, plan.actor).vary(
            source,
            plan.request.rule,
            wanted.count,
            bars=wanted.bars,
            distance=wanted.distance,
            strength=wanted.strength,
            seed=made.seed,
        )
        try:
            for count, melody in enumerate(varied, 1):
                made.melodies[count] = melody
                found(made, count)
        finally:
            self.history.record(made)
        if not made.melodies:
            raise InputError(_no_variation(plan))
        return made

    def mend(self, run: Run, number: int, asked: Asked, words: dict[str, Any], wanted: Wanted, found: Found) -> Run:
        """A melody with chosen bars in the key that is asked for.

        Raises:
            InputError: no key is asked for, the bars are in it, or nothing near them is.
        """
        request, source = self.request(asked), run.melody(number)
        # The key's own actor will do, of which there are more than of whole rules.
        plan = self.planner.plan(Request(scales=request.scales, end_on_tonic=False if request.scales else None))
        scale = request.scale
        if scale is None:
            raise InputError("choose a key first: these bars have none to be brought into")
        seed = secrets.randbits(31) if wanted.seed is None else wanted.seed
        changer = Changer(self.model.vae, plan.actor)
        mended = changer.mend(source, scale.pitch_classes, wanted.bars, strength=wanted.strength, seed=seed)
        if mended == source:
            raise InputError(f"nothing to change: these bars are in {scale.name}, or nothing near them is")
        made = self._child("mend", run, number, request, words, replace(wanted, seed=seed))
        made.melodies[1] = mended
        found(made, 1)
        self.history.record(made)
        return made

    def drop(self, name: str, content: bytes, choice: Choice, asked: Asked, words: dict[str, Any]) -> Run:
        """A MIDI file's melody.

        Raises:
            MidiError: there is none in it, or it isn't MIDI.
        """
        source: Source = read_upload(name, content, choice)
        run = self.history.add(
            "drop",
            title=source.file,
            slug=_plain(source.file),
            request=self.request(asked),
            asked=words,
            settings={"tempo": round(source.tempo, 3)},
            remarks=source.remarks,
        )
        run.melodies[1] = source.melody
        self.history.record(run)
        return run

    def judge(self, run: Run, asked: Asked, words: dict[str, Any]) -> None:
        """Judge a file's melody by what is asked now."""
        same = run.asked == words
        run.request, run.asked = self.request(asked), words
        if not same or run.record is not None:
            run.lost, run.record = (), None
            self.history.record(run)

    def _origin(self, plan: Plan) -> dict[str, Any]:
        """What makes melodies here, as a manifest has it."""
        guard = find_guard(self.model)
        return {
            "versions": versions(),
            "model": self.model.fingerprint,
            "prior": self.model.prior().identity,
            "actor": plan.actor.to_dict() if plan.actor else None,
            "copies_of": guard.corpus if guard else None,
        }

    def _child(self, kind: Any, run: Run, number: int, request: Request, words: dict[str, Any], wanted: Wanted) -> Run:
        settings: dict[str, Any] = {"bars": [bar + 1 for bar in wanted.bars], "strength": wanted.strength}
        if kind == "vary":
            settings["distance"] = wanted.distance
        made = self.history.add(
            kind,
            title=_child_title(kind, run, number),
            slug="",
            request=request,
            asked=words,
            seed=secrets.randbits(31) if wanted.seed is None else wanted.seed,
            of=(run.number, number),
            settings=settings,
        )
        made.slug = f"{_CHILD.sub('', run.slug)}-{kind}{made.number}"
        return made


_CHILD = re.compile(r"-(vary|mend)\d+$")
_TITLES = {"vary": "Variations of ", "mend": "In key: "}
_LONGEST_TITLE = 80


def _child_title(kind: str, run: Run, number: int) -> str:
    """Such as "Variations of C major, 3.2": of the second variation of the third melody; of many, the end."""
    name = run.title.removeprefix(_TITLES.get(run.kind, ""))
    name = f"{name}{'.' if run.of else ', '}{number}"
    return _TITLES[kind] + (name if len(name) <= _LONGEST_TITLE else f"…{name[1 - _LONGEST_TITLE :]}")


def _title(request: Request) -> str:
    names = [scale.name for scale in request.scales]
    names += [density.name.removeprefix("density(").removesuffix(")") + " notes" for density in request.densities]
    names += [asked.text for asked in request.rewards]
    return ", ".join(names) or "No rule"


def _slug(request: Request, seed: int) -> str:
    return "-".join([*(request.slugs or ["free"]), f"seed{seed}"])


def _plain(name: str) -> str:
    """A name that any system takes for a file: ASCII letters, digits, dashes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name.rpartition(".")[0] or name).strip("-")[:40] or "melody"


def _no_variation(plan: Plan) -> str:
    if plan.ready:
        return "no variation obeyed: try another distance, or more bars"
    return "no variation obeyed, and no actor has learnt this rule yet: fit one first, or ask for less"
