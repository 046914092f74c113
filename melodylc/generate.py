"""The main job: an order in, melodies and their manifest out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from melodylc.actors import FoundActor
from melodylc.box import MelodyBox
from melodylc.copies import find_guard
from melodylc.data.formats.render import Piece, Rendered, render
from melodylc.discriminator import find_discriminator
from melodylc.draws import Draw, Sampler
from melodylc.latent.critic import Critic
from melodylc.latent.obeying import obey
from melodylc.models.checkpoint import LoadedModel
from melodylc.request import Order
from melodylc.rewards import Rule
from melodylc.transposing import check_transposed
from melodylc.versions import versions


@dataclass(frozen=True)
class Production:
    """What came of an order."""

    order: Order
    model: LoadedModel
    actor: FoundActor | None
    draws: tuple[Draw, ...]  #: one for each melody asked, in order
    guard: str | None = None  #: fingerprint of the corpus whose copies were refused, if any were looked for

    @property
    def kept(self) -> tuple[Draw, ...]:
        """The melodies that are written: those that obey and copy nothing, or all where nothing is verified."""
        return tuple(draw for draw in self.draws if draw.passed or not self.order.verify)

    @property
    def missing(self) -> tuple[int, ...]:
        """Numbers of the melodies whose draws were spent before one passed."""
        kept = {draw.number for draw in self.kept}
        return tuple(draw.number for draw in self.draws if draw.number not in kept)

    @property
    def spent(self) -> int:
        """Latents decoded for all melodies asked."""
        return sum(draw.draws for draw in self.draws)

    @property
    def accepted(self) -> float:
        """Share of the draws that obeyed, copies included."""
        return (sum(draw.found for draw in self.draws) + self.refused) / self.spent

    @property
    def refused(self) -> int:
        """Draws that obeyed and shared four bars with a training melody."""
        return sum(draw.refused for draw in self.draws)

    @property
    def rates(self) -> dict[str, float]:
        """Share of the draws that satisfied each part of the rule, by its name."""
        rule = self.order.request.rule
        counts = zip(*(draw.held for draw in self.draws), strict=True)
        return {name: sum(held) / self.spent for name, held in zip(rule.names if rule else (), counts, strict=True)}

    def name(self, draw: Draw) -> str:
        """What a melody's files are called: 01, with more digits from a hundred melodies on."""
        return f"{draw.number:0{max(2, len(str(self.order.count)))}}"

    def rendered(self) -> Rendered:
        """The files of the melodies.

        Raises:
            InputError: a note that `Writing.transpose` moves out of 0..127, or away from the rule.
        """
        seed, moved = self.order.seed, self.order.writing.transpose
        pieces = [
            Piece(self.name(draw), f"melodylc {seed}-{draw.number}", draw.melody, (seed, draw.number))
            for draw in self.kept
        ]
        rendered = render(pieces, self.order.writing, self.order.request.scale)
        check_transposed(self.order.request, [draw.melody for draw in self.kept], moved)
        return rendered

    def manifest(self, rendered: Rendered) -> dict[str, Any]:
        """What the melodies are, how they came about and what they score; no time of day, so it reproduces too.

        The rewards are those of a melody as it was made, before `Writing.transpose`.
        """
        rule = self.order.request.rule
        parts = rule.names if rule else ()
        return {
            "command": self.order.command,
            "request": self.order.to_dict(),
            "versions": versions(),
            "model": self.model.fingerprint,
            "prior": self.model.prior(self.order.prior).identity,
            "actor": self.actor.to_dict() if self.actor else None,
            "rule": list(parts),
            "draws": self.spent,
            "acceptance": round(self.accepted, 6),
            "rates": {name: round(rate, 6) for name, rate in self.rates.items()},
            "copies_of": self.guard,
            "copies_refused": self.refused,
            "missing": list(self.missing),
            **rendered.about,
            "files": [
                {
                    "file": files[0],
                    **({"beside": files[1:]} if files[1:] else {}),
                    "passed": draw.passed,
                    "rewards": dict(zip(parts, draw.rewards, strict=True)),
                    "notes": draw.melody.note_count,
                    "draws": draw.draws,
                    "distance": round(draw.distance, 6),
                    "steps_made_rests": draw.touched,
                    **({} if draw.realism is None else {"realism": round(draw.realism, 4), "best_of": draw.found}),
                }
                for draw, files in zip(self.kept, rendered.of, strict=True)
            ],
        }


def optimiser(model: LoadedModel, rule: Rule, critic: Critic) -> Callable[[Tensor], Tensor]:
    """What moves latents (n, z) to where their melodies obey, by optimisation along a critic's slope."""
    return lambda z: obey(z, MelodyBox(model.vae, rule), critic, model.sigma_bar).z


def produce(
    order: Order,
    model: LoadedModel,
    actor: FoundActor | None,
    report: Callable[[int, int], None] = lambda passed, draws: None,
    critic: Critic | None = None,
    found: Callable[[Draw], None] = lambda draw: None,
) -> Production:
    """Draw the melodies of an order. `report` and `found` are told of them as in `Sampler.draw`.

    Where `Order.method` is "optimize", the critic for its rule is needed too.

    Raises:
        CheckpointError: the discriminator or the runs by which copies are known are damaged.
        InputError: no runs to know copies by.
    """
    rule = order.request.rule
    optimise = optimiser(model, rule, critic) if rule and critic else None
    judge = find_discriminator() if order.best_of > 1 else None
    guard = find_guard(model) if order.guarded else None
    sampler = Sampler(
        model,
        actor.move if actor else None,
        rule,
        order.prior,
        optimise,
        judge,
        actor.shift if actor else 0,
        guard,
        actor.arrangement if actor and not optimise else (),
    )
    drawn = sampler.draw(order.seed, order.count, order.budget, report, order.best_of, found)
    return Production(order, model, actor, tuple(drawn), guard.corpus if guard else None)
