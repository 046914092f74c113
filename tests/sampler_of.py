"""Samplers of the combined method from its parts, without an actor's file."""

from dataclasses import dataclass
from typing import Any, cast

from melodylc.constraints.actors import FoundActor
from melodylc.edits.operators import EditSequence
from melodylc.latent.actor import Move
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.rewards import Rule
from melodylc.sampling.methods.combined import Combined
from melodylc.sampling.sampler import IsCopy, Likeness, Sampler


@dataclass(frozen=True)
class Parts:
    """What the method takes from an actor."""

    move: Move | None
    edits: EditSequence
    shift: int

    def to_dict(self) -> dict[str, Any]:
        return {}


def sampler_of(
    model: LoadedModel,
    move: Move | None = None,
    rule: Rule | None = None,
    prior: PriorName | None = None,
    *,
    likeness: Likeness | None = None,
    shift: int = 0,
    is_copy: IsCopy | None = None,
    edits: EditSequence = (),
) -> Sampler:
    actor = cast(FoundActor, Parts(move, edits, shift))
    return Sampler(Combined(model, model.prior(prior), rule, actor), rule, likeness, is_copy)
