"""Transposition, edits, the VAE, the actor and local search, one after the other; `melodylc.sampling.mixture`.

What the language model wrote is transposed and edited as the rule likes best and encoded; what doesn't follow the rule
by then is moved by the actor; what doesn't after that is searched bar by bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from melodylc.constraints.actors import FoundActor
from melodylc.data.alphabet import canonical
from melodylc.edits.transposition import transpose_events
from melodylc.latent.distance import z_mse
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior, stream_numbers
from melodylc.rewards import Rule
from melodylc.sampling.fitting import actor_for
from melodylc.sampling.methods.base import Candidates, Method, Task
from melodylc.sampling.mixture import Decoding, Mixture


@dataclass(frozen=True)
class Combined(Method):
    """All that this package knows, in turn, until the rule is followed."""

    name = "combined"
    summary = "transposition and edits first, then the actor, then local search"

    model: LoadedModel
    prior: Prior
    rule: Rule | None
    actor: FoundActor | None

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """The actor for the rule: shipped, cached, or fitted now; none where nothing is asked."""
        return cls(task.model, task.model.prior(task.prior), task.rule, actor_for(task, other_keys=True))

    @torch.no_grad()
    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """One sample of the prior each, changed as far as it takes."""
        start, found = self._decode(stream_numbers(self.prior, seed, numbers, attempt))
        events, rests = canonical(found.events.to(torch.uint8).numpy())
        distance = z_mse(found.z, start, self.model.sigma_bar).tolist()
        return Candidates(transpose_events(events, self._shift), distance, rests.sum(axis=1).tolist())

    def to_dict(self) -> dict[str, Any]:
        """The actor, if there is one."""
        return {"actor": self.actor.to_dict()} if self.actor else {}

    @property
    def _shift(self) -> int:
        return self.actor.shift if self.actor else 0

    def _decode(self, numbers: Any) -> tuple[torch.Tensor, Decoding]:
        """Latents (n, z) that sampling starts from, and what becomes of them."""
        vae = self.model.vae
        if self.rule is None:
            z = self.prior.latents(numbers)
            return z, Decoding.of(vae, z, self.actor.move if self.actor else None)
        mixture = Mixture(self.rule, vae, self.actor.edits if self.actor else (), self._shift)
        start = mixture.start(self.prior, numbers)
        return start.z, mixture.finish(start, self.actor.move) if self.actor and self.actor.move else start
