"""Posteriors fitted to each melody: where the encoder's guess ends, gradient descent goes on.

    min over mu, sigma   E_{z ~ N(mu, sigma)} [ misfit(x, z) ] + beta KL(N(mu, sigma) || N(0, I))

An encoder answers for all melodies at once, and on melodies that it never saw its answer is not the best one (Cremer,
Li and Duvenaud 2018, "Inference Suboptimality in Variational Autoencoders"). A few steps of gradient descent from that
answer, the model as it is, make it good (Kim et al. 2018, "Semi-Amortized Variational Autoencoders"). The misfit:

    bound    -log p(x|z): with beta 1 the ELBO itself; below 1 the nats that it saves say the melody more exactly
             (Higgins et al. 2017)
    events   sum over events of (1 - p^q) / q, p of the logits times `SHARP`: what argmax gets wrong. Probability beyond
             what wins is worth no nats, and an event that can't be had isn't worth many. (Zhang and Sabuncu 2018,
             "Generalized Cross Entropy Loss": between the cross entropy, q = 0, and the expected error, q = 1.)

Draws of z come in opposite pairs, whose errors cancel to the first order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from melodylc.data.errors import InputError
from melodylc.latent.precision import autocast
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, kl_to_prior

FitTo = Literal["events", "bound"]  #: what a posterior is fitted to; see the module
Misfit = Callable[[Tensor], Tensor]
"""What latents (draws * n, ..., size) of n melodies, one draw after another, get wrong: (draws * n, ...)."""

BETAS = (0.9, 0.99)  #: Adam's: a hundred steps are too few for a longer memory
SHARP = 3.0  #: by how much logits are multiplied
POWER = 0.5  #: q


@dataclass(frozen=True)
class Refinement:
    """How far posteriors are fitted, and to what.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    steps: int = 60  #: of Adam
    rate: float = 0.1  #: of a step, in the encoder's deviations, falling to 0
    beta: float = 0.215  #: what a nat of KL costs beside the misfit
    to: FitTo = "events"
    pairs: int = 1  #: of opposite draws of z a step
    seed: int = 0  #: of the draws

    def __post_init__(self) -> None:
        for name, value in (("step", self.steps), ("pair", self.pairs)):
            if value < 1:
                raise InputError(f"refining takes 1 {name} or more, not {value}")
        for name in ("rate", "beta"):
            if not 0 < getattr(self, name) < inf:
                raise InputError(f"refining needs a positive {name}, not {getattr(self, name)}")

    @property
    def draws(self) -> int:
        """Of z, a step."""
        return 2 * self.pairs

    def misfit(self, logits: Tensor, events: Tensor) -> Tensor:
        """What logits (n, m, states) get wrong of events (n, m): (n,)."""
        if self.to == "bound":
            return cross_entropy(logits.float().transpose(1, 2), events, reduction="none").sum(1)
        nats = cross_entropy(SHARP * logits.float().transpose(1, 2), events, reduction="none")
        return ((1 - torch.exp(-POWER * nats)) / POWER).sum(1)


def refine_posterior(encoding: Encoding, misfit: Misfit, how: Refinement, normal: Tensor | None) -> Encoding:
    """Gaussians (n, ..., size) that suit their melodies better, and their means or draws with `normal`, of that shape.

    Each row is fitted by itself: what else is in the batch doesn't matter.
    """
    noise = Noise(how.seed)
    with torch.enable_grad():
        start, scale = encoding.mean.detach(), encoding.sigma.detach()
        shift, log = torch.zeros_like(start, requires_grad=True), torch.zeros_like(scale, requires_grad=True)
        optimiser = torch.optim.Adam((shift, log), how.rate, BETAS)
        for step in range(how.steps):
            optimiser.param_groups[0]["lr"] = how.rate * (1 - step / how.steps)
            mean, sigma = start + scale * shift, scale * log.exp()
            drawn = noise.normal(how.pairs, *mean.shape[1:])[:, None]
            z = mean + sigma * torch.cat((drawn, -drawn))
            with autocast():
                wrong = misfit(z.flatten(0, 1)).sum() / how.draws
                loss = wrong + how.beta * kl_to_prior(mean, sigma).sum()
            shift.grad, log.grad = torch.autograd.grad(loss, (shift, log))
            optimiser.step()
    mean, sigma = (start + scale * shift).detach(), (scale * log.exp()).detach()
    return Encoding(mean if normal is None else mean + sigma * normal.to(mean), mean, sigma)
