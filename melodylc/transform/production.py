"""From an order to melodies that were made of others, their files and the manifest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from melodylc.actors import FoundActor
from melodylc.copies import find_guard
from melodylc.data.formats.render import Piece, Rendered, render
from melodylc.data.melody import Melody
from melodylc.data.texts import printable
from melodylc.draws import Sampler
from melodylc.generate import optimiser
from melodylc.latent.critic import Critic
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Request
from melodylc.transform.order import Rework
from melodylc.transform.propose import Proposer
from melodylc.transform.roads import Roads, morph
from melodylc.transform.transformer import Moved, Transformer
from melodylc.transposing import check_transposed
from melodylc.versions import versions

_FIRST_DRAWS = 100  # for the melody that a morph without a file begins with


@dataclass(frozen=True)
class Means:
    """What moves latents towards one request: its actor, and its critic if that is what was asked for."""

    actor: FoundActor | None
    critic: Critic | None = None


@dataclass(frozen=True)
class Reworked:
    """What came of an order."""

    order: Rework
    model: LoadedModel
    means: tuple[Means, ...]  #: one for each request that differs
    moved: tuple[Moved, ...]  #: one for each melody asked, in order

    @property
    def kept(self) -> tuple[Moved, ...]:
        """The melodies that are written: those that obey and are new."""
        return tuple(one for one in self.moved if one.passed and one.new)

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the melodies that weren't found."""
        kept = {one.number for one in self.kept}
        return tuple(one.number for one in self.moved if one.number not in kept)

    def rendered(self) -> Rendered:
        """The files: the melodies as they came, then those made of them.

        Raises:
            InputError: a note that `Writing.transpose` moves out of 0..127, or away from the rule.
        """
        order = self.order
        check_transposed(order.request, [one.melody for one in self.kept], order.writing.transpose)
        before, after = self._before(), self._after()
        if order.to is None or order.writing.join:
            return render([*before, *after], order.writing, order.request.scale)
        scales = [order.requests[one.number - 1].scale for one in self.kept]
        alone = [render([piece], order.writing, scale) for piece, scale in zip(after, scales, strict=True)]
        return _together([render(before, order.writing, order.request.scale), *alone])

    def _before(self) -> list[Piece]:
        sources = self.order.sources
        stems = ["before"] if len(sources) == 1 else ["before-a", "before-b"]
        return [Piece(stem, _title(one.file), one.melody) for stem, one in zip(stems, sources, strict=False)]

    def _after(self) -> list[Piece]:
        order, digits = self.order, max(2, len(str(self.order.count)))
        before = order.sources[0].melody if len(order.sources) == 1 else None
        return [
            Piece(f"{one.number:0{digits}}", self._named(one), one.melody, (order.seed, one.number), before)
            for one in self.kept
        ]

    def _named(self, one: Moved) -> str:
        return f"melodylc {self.order.what} {self.order.seed}-{one.number}"

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
            "actor": [one.actor.to_dict() for one in self.means if one.actor],
            "rule": list(rule.names if rule is not None else ()),
            "missing": list(self.missing),
            **rendered.about,
            "files": [
                *(_entry(files, {"source": one.file}) for one, files in zip(order.sources, rendered.of, strict=False)),
                *(_entry(files, self._about(one)) for one, files in zip(self.kept, rendered.of[sources:], strict=True)),
            ],
        }

    def _about(self, one: Moved) -> dict[str, Any]:
        request = self.order.requests[one.number - 1]
        names = request.rule.names if request.rule is not None else ()
        scale = {"scale": request.scale.name} if self.order.to and request.scale else {}
        return {
            **scale,
            "passed": one.passed,
            "rewards": dict(zip(names, one.rewards, strict=True)),
            "notes": one.melody.note_count,
            "kept": one.kept.to_dict(),
            "change": round(one.change, 6),
            "rounds": one.rounds,
        }


def rework(
    order: Rework,
    model: LoadedModel,
    means: Callable[[Request], Means],
    report: Callable[[int], None] = lambda done: None,
    shipped: Callable[[Request], Means | None] = lambda request: None,
) -> Reworked:
    """Make the melodies of an order.

    Args:
        order: what is asked.
        model: what encodes and decodes.
        means: finds or makes what moves latents towards a request; asked only where that is needed.
        shipped: finds it, where it is at hand on every machine; None where it isn't.
        report: told how many melodies there are.
    """
    found: dict[str, Means] = {}

    def toward(request: Request) -> Transformer | None:
        rule = request.rule
        if rule is None:
            return None
        # What proposes is taught with variety in mind, as every actor; what is asked of it may be less.
        taught = replace(request, varied=True)
        key = taught.rule.identity if taught.rule is not None else ""

        def later() -> Proposer:
            if key not in found:
                found[key] = means(taught)
            return _proposer(model, taught, found[key])

        if key not in found and order.method == "actor" and (ready := shipped(taught)):
            found[key] = ready
        # Not what the cache happens to hold: the same command makes the same melodies everywhere.
        wanted = key in found or order.method != "actor" or order.strength is not None
        proposer = later() if wanted else Proposer(model.vae)
        return Transformer(model, rule, proposer, order.prior, order.keys, None if wanted else later)

    moved = _made(order, model, toward, report)
    return Reworked(order, model, tuple(found.values()), tuple(moved))


def _proposer(model: LoadedModel, request: Request, means: Means) -> Proposer:
    actor = means.actor.move if means.actor else None
    if means.critic is None or request.rule is None:
        return Proposer(model.vae, actor, arrangement=means.actor.arrangement if means.actor else ())
    return Proposer(model.vae, None, optimiser(model, request.rule, means.critic))


def _made(
    order: Rework,
    model: LoadedModel,
    toward: Callable[[Request], Transformer | None],
    report: Callable[[int], None],
) -> list[Moved]:
    melodies = [source.melody for source in order.sources]
    if order.what == "reconstruct":
        return Roads(model).reconstruct(melodies[0], order.count, order.seed, order.refine)
    if order.what == "morph":
        steps = _steps(order.requests, toward)
        start = melodies[0] if melodies else _own(order, model, steps[0])
        return morph(start, steps, order.seed, report)
    transformer = toward(order.request)
    if transformer and order.what == "transform":
        return transformer.transform(melodies[0], order.count, order.seed, order.strength, report)
    roads = Roads(model, transformer, order.prior)
    if order.what == "vary":
        return roads.vary(melodies[0], order.count, order.seed, order.distance, report)
    return roads.interpolate(melodies[0], melodies[1], order.count, order.seed, report)


def _steps(requests: Sequence[Request], toward: Callable[[Request], Transformer | None]) -> list[Transformer]:
    """The first scale's way in, and the last one's for all others: what lies between is found on the way there."""
    first, last = ((toward(request)) for request in (requests[0], requests[-1]))
    steps = []
    for number, request in enumerate(requests):
        step = last if number or len(requests) == 1 else first
        if step and request.rule is not None:
            steps.append(replace(step, rule=request.rule, keys=False))
    return steps


def _own(order: Rework, model: LoadedModel, first: Transformer) -> Melody:
    """A melody of the model's own that obeys the first rule of a morph, and copies nothing."""
    guard = find_guard(model)
    moving = first.moving
    sampler = Sampler(
        model, moving.actor, first.rule, order.prior, moving.optimise, refuse=guard, arrangement=moving.arrangement
    )
    return sampler.draw(order.seed, 1, _FIRST_DRAWS)[0].melody


def _together(rendered: Sequence[Rendered]) -> Rendered:
    files = {name: content for one in rendered for name, content in one.files.items()}
    about = {name: text for one in rendered for name, text in one.about.items()}
    return Rendered(files, [names for one in rendered for names in one.of], about)


def _entry(files: list[str], about: dict[str, Any]) -> dict[str, Any]:
    return {"file": files[0], **({"beside": files[1:]} if files[1:] else {}), **about}


def _title(file: str) -> str:
    return f"before: {printable(Path(file).name, 60)}"
