"""What can be done in the studio, without a word of HTTP: generate, vary, repair, upload, score; and its history."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from melodylc.constraints.fitting import SETTINGS
from melodylc.constraints.request import Request
from melodylc.data.errors import InputError, MidiError
from melodylc.data.smf import MAX_FILE
from melodylc.data.source import Choice, extract_melody
from melodylc.data.texts import printable
from melodylc.latent.fit import FitSettings
from melodylc.models.checkpoint import LoadedModel
from melodylc.rewards import Density
from melodylc.rewards.density import LEVELS
from melodylc.sampling.sampler import Result
from melodylc.studio.archive import RunCodec, open_history
from melodylc.studio.backend import Backend, Plan
from melodylc.studio.export import safe_name
from melodylc.studio.fitting import Fitting
from melodylc.studio.forms import RequestCache, RequestForm
from melodylc.studio.history import History, Run, RunKind
from melodylc.studio.rules import RuleTable
from melodylc.studio.variation import ALL_BARS

MAX_SEED = 2**63 - 1
HISTORY = "history"  #: the folder of runs, in the studio's
OnMelody = Callable[[Run, int], None]
"""Called with a run and the number of a melody of it, as soon as that is there."""
_LONGEST_NAME = 80
_LONGEST_TITLE = 80


@dataclass(frozen=True)
class VariationSettings:
    """How `Studio.vary` and `Studio.repair` change a melody."""

    bars: tuple[int, ...] = ALL_BARS  #: that may change, each in 0..15
    distance: float = 0.3  #: share of noise in the latent, in (0, 1]
    strength: float = 1.0  #: how far the rule's actor moves the latent, in (0, 1]
    count: int = 4
    seed: int | None = None  #: None: a new one


@dataclass
class Studio:
    """A model that is loaded, its history, and the rules that may be asked for."""

    model: LoadedModel
    rules: RuleTable
    folder: Path  #: that files are written to
    model_path: Path | None = None
    fit_settings: FitSettings = SETTINGS
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self.backend = Backend(self.model, self.model_path)
        self.fitting = Fitting(self.model, self.model_path, self.fit_settings)
        self._requests = RequestCache(self.rules.seconds)

    def request(self, form: RequestForm) -> Request:
        """The request of a form."""
        return self._requests.request(form)

    def plan(self, form: RequestForm) -> Plan:
        """How it can be served."""
        return self.backend.plan(self.request(form))

    def open_history(self) -> str:
        """Take up the history of the folder, and save new runs there; what of it can't be read, in words, or ""."""
        codec = RunCodec(self.rules, self._requests, self.model_path, self.backend.origin())
        self.history, remark = open_history(self.folder / HISTORY, codec)
        return remark

    def fit(self, form: RequestForm) -> None:
        """Begin to fit an actor for a request."""
        request = self.request(form)
        self.fitting.start(request, _title(request))

    def generate(
        self,
        form: RequestForm,
        values: dict[str, Any],
        count: int,
        seed: int | None,
        on_run: Callable[[Run], None] = lambda run: None,
        on_melody: OnMelody = lambda run, number: None,
        on_progress: Callable[[int, int], None] = lambda passed, draws: None,
    ) -> Run:
        """The melodies that `melodylc generate` makes, one by one.

        Args:
            form: the request.
            values: the same as it came, for the history.
            count: how many melodies.
            seed: None: a new one.
            on_run: called with the run, before its first melody.
            on_melody: called for each melody.
            on_progress: called with how many passed and how many were drawn; what it raises ends the run.

        Raises:
            InputError: nothing serves the request without a fit.
        """
        plan = self.plan(form)
        if not plan.ready:
            raise InputError("nothing has learnt this rule yet: fit it first")
        order = self.backend.order(plan.request, count, _seed(seed))
        run = self.history.add(
            "generate",
            title=_title(plan.request),
            slug=_slug(plan.request, order.seed),
            request=plan.request,
            form=values,
            seed=order.seed,
            provenance=(provenance := self.backend.provenance(plan, order)),
        )
        on_run(run)

        def take(draw: Result) -> None:
            provenance.draws[draw.number] = draw
            run.melodies[draw.number] = draw.melody
            on_melody(run, draw.number)

        try:
            draws = self.backend.generate(plan, order, take, on_progress)
            provenance.draws.update({draw.number: draw for draw in draws})
        finally:
            self.history.save(run)
        return run

    def vary(
        self,
        source: Run,
        number: int,
        form: RequestForm,
        values: dict[str, Any],
        settings: VariationSettings,
        on_melody: OnMelody,
    ) -> Run:
        """Variations of a melody that satisfy the request.

        Raises:
            InputError: no such melody, or no variation satisfies it.
        """
        plan, melody = self.plan(form), source.melody(number)
        run = self._derive("vary", source, number, plan.request, values, settings)
        variations = self.backend.variator(plan).vary(
            melody,
            plan.request.rule,
            settings.count,
            bars=settings.bars,
            distance=settings.distance,
            strength=settings.strength,
            seed=run.seed,
        )
        try:
            for count, variation in enumerate(variations, 1):
                run.melodies[count] = variation
                on_melody(run, count)
        finally:
            self.history.save(run)
        if not run.melodies:
            raise InputError(_no_variation(plan))
        return run

    def repair(
        self,
        source: Run,
        number: int,
        form: RequestForm,
        values: dict[str, Any],
        settings: VariationSettings,
        on_melody: OnMelody,
    ) -> Run:
        """A melody with chosen bars in the key that is asked for.

        Raises:
            InputError: no key is asked for, the bars are in it, or nothing near them is.
        """
        request, melody = self.request(form), source.melody(number)
        # The key's own actor will do, of which there are more than of whole rules.
        plan = self.backend.plan(Request(scales=request.scales, end_on_tonic=False if request.scales else None))
        scale = request.scale
        if scale is None:
            raise InputError("choose a key first: these bars have none to be brought into")
        settings = replace(settings, seed=_seed(settings.seed))
        result = self.backend.variator(plan).repair(
            melody, scale.pitch_classes, settings.bars, strength=settings.strength, seed=_seed(settings.seed)
        )
        if result == melody:
            raise InputError(f"nothing to change: these bars are in {scale.name}, or nothing near them is")
        run = self._derive("repair", source, number, request, values, settings)
        run.melodies[1] = result
        on_melody(run, 1)
        self.history.save(run)
        return run

    def upload(self, name: str, content: bytes, choice: Choice, form: RequestForm, values: dict[str, Any]) -> Run:
        """A MIDI file's melody; of the file's name only the last part counts.

        Raises:
            MidiError: the file is too large, isn't MIDI, or holds no melody.
        """
        label = upload_name(name)
        if len(content) > MAX_FILE:
            raise MidiError(too_large(label))
        source = extract_melody(content, choice, name=label)
        run = self.history.add(
            "upload",
            title=source.file,
            slug=safe_name(source.file),
            request=self.request(form),
            form=values,
            settings={"tempo": round(source.tempo, 3)},
            remarks=source.remarks,
        )
        run.melodies[1] = source.melody
        self.history.save(run)
        return run

    def score(self, run: Run, form: RequestForm, values: dict[str, Any]) -> None:
        """Score an uploaded melody by another request from now on."""
        same = run.form == values
        run.request, run.form = self.request(form), values
        if not same or run.original is not None:
            run.warnings, run.original = (), None
            self.history.save(run)

    def _derive(
        self,
        kind: RunKind,
        source: Run,
        number: int,
        request: Request,
        values: dict[str, Any],
        settings: VariationSettings,
    ) -> Run:
        """A new run of melodies that are made from one that is there."""
        about: dict[str, Any] = {"bars": [bar + 1 for bar in settings.bars], "strength": settings.strength}
        if kind == "vary":
            about["distance"] = settings.distance
        run = self.history.add(
            kind,
            title=_derived_title(kind, source, number),
            slug="",
            request=request,
            form=values,
            seed=_seed(settings.seed),
            source=(source.number, number),
            settings=about,
        )
        run.slug = f"{_SUFFIX.sub('', source.slug)}-{kind}{run.number}"
        return run


def upload_name(name: str) -> str:
    """What an uploaded file is called in messages and titles: no folders, one line, not too long."""
    return printable(name.replace("\\", "/").rpartition("/")[2], _LONGEST_NAME) or "upload.mid"


def too_large(name: str) -> str:
    """The message on a file over the limit."""
    return f"{name}: larger than {MAX_FILE >> 20} MiB, which no MIDI file of a piece of music is"


_SUFFIX = re.compile(r"-(vary|mend|repair)\d+$")
_TITLES = {"vary": "Variations of ", "repair": "In key: "}


def _derived_title(kind: str, run: Run, number: int) -> str:
    """Such as "Variations of C major, 3.2": of the second variation of the third melody; of many, the end."""
    name = run.title.removeprefix(_TITLES.get(run.kind, ""))
    name = f"{name}{'.' if run.source else ', '}{number}"
    return _TITLES[kind] + (name if len(name) <= _LONGEST_TITLE else f"…{name[1 - _LONGEST_TITLE :]}")


def _seed(seed: int | None) -> int:
    return secrets.randbits(31) if seed is None else seed


def _title(request: Request) -> str:
    names = [scale.name for scale in request.scales]
    names += [density_words(density) for density in request.densities]
    names += [reward.text for reward in request.rewards]
    return ", ".join(names) or "No rule"


def density_words(density: Density) -> str:
    """A density as people ask for it, such as "high density" or "64 to 96 notes"."""
    level = next((name for name, ends in LEVELS.items() if ends == (density.least, density.most)), None)
    if level:
        return f"{level} density"
    return f"{density.least} notes or more" if density.most is None else f"{density.least} to {density.most} notes"


def _slug(request: Request, seed: int) -> str:
    return "-".join([*(request.slugs or ["free"]), f"seed{seed}"])


def _no_variation(plan: Plan) -> str:
    if plan.ready:
        return "no variation follows the rule: try another distance, or more bars"
    return "no variation follows the rule, and nothing has learnt it yet: fit it first, or ask for less"
