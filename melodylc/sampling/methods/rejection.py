"""Rejection: samples of the prior as they are; the sampler keeps those that follow the rule.

    x ~ p(x | c(x) = 1)

exactly, at a cost of one over the prior's rate: the distribution that every other method is held against.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch

from melodylc.data.alphabet import canonical
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior, stream_numbers
from melodylc.sampling.methods.base import Candidates, Method, Task


@dataclass(frozen=True)
class Rejection(Method):
    """Samples of the prior, decoded once."""

    name = "rejection"
    summary = "samples of the model, as they come, until one follows the rule"

    model: LoadedModel
    prior: Prior

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """Nothing is prepared."""
        return cls(task.model, task.model.prior(task.prior))

    @torch.no_grad()
    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """One sample of the prior each."""
        z = self.prior.latents(stream_numbers(self.prior, seed, numbers, attempt))
        events, rests = canonical(self.model.vae.raw_events(z).to(torch.uint8).numpy())
        return Candidates(events, [0.0] * len(events), rests.sum(axis=1).tolist())
