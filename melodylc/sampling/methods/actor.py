"""The paper's method and nothing else: a sample of the prior, moved by the actor, decoded once.

    z ~ p(z),   z' = G(z) = (1 - g) * z + g * dz,   x ~ p(x | z')

Engel, Hoffman and Roberts 2018, "Latent Constraints: Learning to Generate Conditionally from Unconditional Generative
Models" (ICLR, arXiv 1711.05772). No transposition, no edits, no repair: what fails is sampled again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from melodylc.constraints.actors import FoundActor
from melodylc.data.alphabet import canonical
from melodylc.data.errors import InputError
from melodylc.edits.transposition import transpose_events
from melodylc.latent.distance import z_mse
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior, stream_numbers
from melodylc.sampling.fitting import actor_for
from melodylc.sampling.methods.base import Candidates, Method, Task


@dataclass(frozen=True)
class PureActor(Method):
    """Samples of the prior, moved by an actor, decoded once."""

    name = "actor"
    summary = "the paper's actor by itself: a sample of the prior, moved, decoded once"

    model: LoadedModel
    prior: Prior
    actor: FoundActor

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """The actor for the rule: shipped, cached, or fitted now.

        Raises:
            InputError: nothing is asked, so nothing can be learnt.
        """
        actor = actor_for(task, other_keys=True)
        if actor is None:
            raise InputError("--method actor follows a rule, and none is given: give --scale, --density or --reward")
        return cls(task.model, task.model.prior(task.prior), actor)

    @torch.no_grad()
    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """One sample of the prior each, moved once."""
        z = self.prior.latents(stream_numbers(self.prior, seed, numbers, attempt))
        moved, raw = self.model.vae.decode_moved(z, self.actor.move)
        events, rests = canonical(raw.to(torch.uint8).numpy())
        distance = z_mse(moved.float(), z, self.model.sigma_bar).tolist()
        return Candidates(transpose_events(events, self.actor.shift), distance, rests.sum(axis=1).tolist())

    def to_dict(self) -> dict[str, Any]:
        """The actor."""
        return {"actor": self.actor.to_dict()}
