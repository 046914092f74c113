"""Optimisation in the place of an actor: each latent takes steps along the slope of the rule's critic.

    z' = argmin_z  L1(z) + lambda * L_dist(z, z_0)

by Adam, until the melody follows the rule or the steps are spent (the paper's section 4.2; `melodylc.latent.optimise`).
Sampling starts from what the prior wrote, in the transposition that the rule likes best.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from melodylc.constraints.actors import FoundActor
from melodylc.constraints.objective import MelodyBox
from melodylc.data.alphabet import canonical
from melodylc.data.errors import InputError
from melodylc.edits.transposition import transpose_events
from melodylc.latent.critic import Critic
from melodylc.latent.distance import z_mse
from melodylc.latent.optimise import satisfy
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior, stream_numbers
from melodylc.rewards import Rule
from melodylc.sampling.fitting import actor_for, critic_for
from melodylc.sampling.methods.base import Candidates, Method, Task
from melodylc.sampling.mixture import Decoding, Mixture


def optimiser(model: LoadedModel, rule: Rule, critic: Critic) -> Callable[[Tensor], Tensor]:
    """A function that moves latents (n, z) to where their melodies follow a rule, along a critic's slope."""
    return lambda z: satisfy(z, MelodyBox(model.vae, rule), critic, model.sigma_bar).z


@dataclass(frozen=True)
class Optimize(Method):
    """Samples of the prior, moved along a critic's slope."""

    name = "optimize"
    summary = "the paper's optimisation: each latent takes steps along the slope of a critic; slow"

    model: LoadedModel
    prior: Prior
    rule: Rule
    actor: FoundActor
    critic: Critic

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """The rule's critic: cached, or trained now on the bank and on what the rule's actor writes.

        Raises:
            InputError: nothing is asked, so there is nothing to optimise.
        """
        actor = actor_for(task, other_keys=False)
        if actor is None or task.rule is None:
            raise InputError("--method optimize follows a rule, and none is given: give --scale, --density or --reward")
        critic = critic_for(task, actor)
        return cls(task.model, task.model.prior(task.prior), task.rule, actor, critic)

    @torch.no_grad()
    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """One sample of the prior each, transposed, encoded and optimised."""
        random = stream_numbers(self.prior, seed, numbers, attempt)
        start = Mixture(self.rule, self.model.vae, (), self.actor.shift).start(self.prior, random).z
        found = Decoding.of(self.model.vae, optimiser(self.model, self.rule, self.critic)(start))
        events, rests = canonical(found.events.to(torch.uint8).numpy())
        distance = z_mse(found.z, start, self.model.sigma_bar).tolist()
        return Candidates(transpose_events(events, self.actor.shift), distance, rests.sum(axis=1).tolist())

    def to_dict(self) -> dict[str, Any]:
        """The actor that taught the critic."""
        return {"actor": self.actor.to_dict()}
