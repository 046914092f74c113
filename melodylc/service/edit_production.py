"""From an order to melodies that were made of others, their files and the manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from melodylc.constraints.actors import FoundActor, find_actor
from melodylc.constraints.request import Request
from melodylc.constraints.transposable import check_transposed
from melodylc.data.formats.render import Piece, Rendered, render
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.texts import printable
from melodylc.data.tonality import estimate_key
from melodylc.editing.infill import infill
from melodylc.editing.paths import LatentPaths, morph
from melodylc.editing.proposals import Proposer
from melodylc.editing.transformer import EditResult, Transformer, edit_result
from melodylc.latent.critic import Critic
from melodylc.models.checkpoint import LoadedModel, open_model
from melodylc.reporting import SILENT, Reporter
from melodylc.sampling.fitting import actor_for, critic_for
from melodylc.sampling.memorisation import find_memorisation_filter
from melodylc.sampling.methods.base import Method, Task
from melodylc.sampling.methods.combined import Combined
from melodylc.sampling.methods.optimize import Optimize, optimiser
from melodylc.sampling.sampler import Sampler
from melodylc.service.edit_order import ADDS, EditOrder
from melodylc.service.production import Production
from melodylc.versions import versions

_FIRST_ATTEMPTS = 100  # for the melody that a morph without a file begins with


@dataclass(frozen=True)
class Guide:
    """What moves latents towards one request: its actor, and its critic if that is what was asked for."""

    actor: FoundActor | None
    critic: Critic | None = None


@dataclass(frozen=True, repr=False)
class EditProduction(Production[EditResult]):
    """What came of an order."""

    order: EditOrder
    model: LoadedModel
    guides: tuple[Guide, ...]  #: one for each request that differs
    results: tuple[EditResult, ...]  #: one for each melody asked, in order

    @property
    def accepted(self) -> tuple[EditResult, ...]:
        """The melodies that are written: those that follow the rule and are new."""
        return tuple(one for one in self.results if one.passed and one.new)

    def rendered(self) -> Rendered:
        """The files: the melodies as they came, then those made of them.

        Raises:
            InputError: a note that `Writing.transpose` moves out of 0..127, or away from the rule.
        """
        order, chords = self.order, self.order.request.chords
        check_transposed(order.request, [one.melody for one in self.accepted], order.writing.transpose)
        before, after, scale = self._before(), self._after(), self._scale()
        if order.writing.join:
            return render([*before, *after], order.writing, scale, chords, self.joined_name)
        keys = [estimate_key(piece.melody) for piece in before]  # what they were made of keeps its own
        scales = [order.requests[one.number - 1].scale if order.to else scale for one in self.accepted]
        pieces = zip([*before, *after], [*keys, *scales], strict=True)
        rendered = [render([piece], order.writing, its, chords) for piece, its in pieces]
        for one in rendered[: len(before)]:
            one.about.pop("written_in", None)
        return _together(rendered)

    def _before(self) -> list[Piece]:
        sources = self.order.sources
        stems = ["before"] if len(sources) == 1 else ["before-a", "before-b"]
        return [Piece(stem, _title(one.file), one.melody) for stem, one in zip(stems, sources, strict=False)]

    def _after(self) -> list[Piece]:
        order = self.order
        before = order.sources[0].melody if len(order.sources) == 1 else None
        return [
            Piece(self.name(one), self.track_name(one), one.melody, (order.seed, one.number), before)
            for one in self.accepted
        ]

    def _scale(self) -> Scale | None:
        return self.order.request.scale or self.order.to_key

    def manifest(self, rendered: Rendered) -> dict[str, Any]:
        """What the melodies are, how they came about and what they score; no time of day, so it reproduces too."""
        order, sources = self.order, len(self.order.sources)
        rule = order.request.rule
        return {
            "command": order.command,
            "request": order.to_dict(),
            "versions": versions(),
            "model": self.model.fingerprint,
            "prior": self.model.prior(order.prior).identity,
            "actor": [one.actor.to_dict() for one in self.guides if one.actor],
            "rule": list(rule.names if rule is not None else ()),
            "missing": list(self.missing),
            **rendered.about,
            "files": [
                *(_entry(files, {"source": one.file}) for one, files in zip(order.sources, rendered.of, strict=False)),
                *(
                    _entry(files, self._about(one))
                    for one, files in zip(self.accepted, rendered.of[sources:], strict=True)
                ),
            ],
        }

    def _about(self, one: EditResult) -> dict[str, Any]:
        request = self.order.requests[one.number - 1]
        names = request.rule.names if request.rule is not None else ()
        scale = {"scale": request.scale.name} if self.order.to and request.scale else {}
        return {
            **scale,
            "passed": one.passed,
            "rewards": dict(zip(names, one.rewards, strict=True)),
            "notes": one.melody.note_count,
            "similarity": one.similarity.to_dict(),
            "change": round(one.change, 6),
            "rounds": one.rounds,
        }


def run_edit_order(order: EditOrder, reporter: Reporter = SILENT, model: LoadedModel | None = None) -> EditProduction:
    """Make the melodies of an order.

    Args:
        order: what is asked.
        reporter: hears how far the work is.
        model: the model of the order, where it is loaded already.
    """
    loaded = model or (open_model(order.model))
    found: dict[str, Guide] = {}

    def guide(request: Request) -> Guide:
        task = Task(loaded, request, order.prior, reporter=reporter)
        actor = actor_for(task, other_keys=False)
        return Guide(actor, critic_for(task, actor) if actor and order.method == "optimize" else None)

    def shipped_guide(request: Request) -> Guide | None:
        actor = find_actor(loaded, request.rule, order.prior) if request.rule is not None else None
        return Guide(actor) if actor and actor.origin == "shipped" else None

    def guide_for(learnt: Request) -> Guide:
        key = learnt.rule.identity if learnt.rule is not None else ""
        if key not in found:
            found[key] = guide(learnt)
        return found[key]

    def own(request: Request) -> Melody:
        """A melody of the model's own that follows a request, and copies nothing."""
        there, prior = guide_for(replace(request, varied=True)), loaded.prior(order.prior)
        method: Method = Combined(loaded, prior, request.rule, there.actor)
        if there.critic is not None and there.actor is not None and request.rule is not None:
            method = Optimize(loaded, prior, request.rule, there.actor, there.critic)
        sampler = Sampler(method, request.rule, is_copy=find_memorisation_filter(loaded))
        return sampler.sample(order.seed, 1, _FIRST_ATTEMPTS)[0].melody

    def toward(request: Request) -> Transformer | None:
        rule = request.rule
        if rule is None:
            return None
        # What proposes learns with variety in mind, as every actor; what is asked of it may be less.
        learnt = replace(request, varied=True)
        key = learnt.rule.identity if learnt.rule is not None else ""

        def later() -> Proposer:
            return _proposer(loaded, learnt, guide_for(learnt))

        if key not in found and order.method == "actor" and (ready := shipped_guide(learnt)):
            found[key] = ready
        # Not what the cache happens to hold: the same command makes the same melodies everywhere.
        wanted = key in found or order.method != "actor" or order.strength is not None
        proposer = later() if wanted else Proposer(loaded.vae)
        return Transformer(
            loaded,
            rule,
            proposer,
            order.prior,
            order.keys,
            request.scale,
            request.pitch_range,
            order.octave,
            None if wanted else later,
        )

    def report(done: int) -> None:
        reporter.progress("making melodies", done, order.count)

    report(0)
    results = _results(order, loaded, toward, own, report)
    return EditProduction(order, loaded, tuple(found.values()), tuple(results))


def _proposer(model: LoadedModel, request: Request, guide: Guide) -> Proposer:
    actor = guide.actor.move if guide.actor else None
    if guide.critic is None or request.rule is None:
        return Proposer(model.vae, actor, edits=guide.actor.edits if guide.actor else ())
    return Proposer(model.vae, None, optimiser(model, request.rule, guide.critic))


def _results(
    order: EditOrder,
    model: LoadedModel,
    toward: Callable[[Request], Transformer | None],
    own: Callable[[Request], Melody],
    report: Callable[[int], None],
) -> list[EditResult]:
    melodies = [source.melody for source in order.sources]
    if order.what == "reconstruct":
        return LatentPaths(model).reconstruct(melodies[0], order.count, order.seed, order.refine)
    if order.what in ADDS:
        return infill(
            model,
            melodies[0],
            order.given,
            order.request,
            order.count,
            order.seed,
            new_only=order.new_bars_only,
            alike=order.alike,
            report=report,
        )
    if order.what == "morph":
        steps = _steps(order.requests, toward)
        start = melodies[0] if melodies else own(order.requests[0])
        return morph(start, steps, order.seed, report)
    transformer = toward(order.request)
    if transformer is None and order.what == "transform":
        return [edit_result(1, melodies[0], order.transposed(melodies[0]))]
    if transformer and order.what == "transform":
        return transformer.transform(melodies[0], order.count, order.seed, order.strength, report)
    melodies = [transformer.transposed(melody) if transformer else melody for melody in melodies]
    paths = LatentPaths(model, transformer, order.prior)
    if order.what == "vary":
        return paths.vary(melodies[0], order.count, order.seed, order.distance, report, order.given)
    return paths.interpolate(melodies[0], melodies[1], order.count, order.seed, report)


def _steps(requests: Sequence[Request], toward: Callable[[Request], Transformer | None]) -> list[Transformer]:
    """The first scale's way in, and the last one's for all others: what lies between is found on the way there."""
    first, last = ((toward(request)) for request in (requests[0], requests[-1]))
    steps = []
    for number, request in enumerate(requests):
        step = last if number or len(requests) == 1 else first
        if step and request.rule is not None:
            steps.append(replace(step, rule=request.rule, keys=False))
    return steps


def _together(rendered: Sequence[Rendered]) -> Rendered:
    files = {name: content for one in rendered for name, content in one.files.items()}
    about = {name: text for one in rendered for name, text in one.about.items()}
    return Rendered(files, [names for one in rendered for names in one.of], about)


def _entry(files: list[str], about: dict[str, Any]) -> dict[str, Any]:
    return {"file": files[0], **({"beside": files[1:]} if files[1:] else {}), **about}


def _title(file: str) -> str:
    return f"before: {printable(Path(file).name, 60)}"
