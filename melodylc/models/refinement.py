"""Posteriors fitted to each melody: where the encoder's guess ends, the ELBO's own gradient goes on.

    min over mu, sigma   E_{z ~ N(mu, sigma)} [ -log p(x|z) ] + beta KL(N(mu, sigma) || N(0, I))

An encoder answers for all melodies at once, and on melodies that it never saw its answer is not the best one (Cremer,
Li and Duvenaud 2018, "Inference Suboptimality in Variational Autoencoders"). A few steps of gradient descent from that
answer, the model as it is, make it good (Kim et al. 2018, "Semi-Amortized Variational Autoencoders"). With beta 1 the
bound itself rises; below 1 the nats that it saves go into saying the melody more exactly (Higgins et al. 2017).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.latent.precision import brief
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, kl_to_prior

Misfit = Callable[[Tensor], Tensor]
"""-log p(x|z) in nats of latents (n, ..., size), each of their rows (n, ...), with a gradient."""

BETAS = (0.9, 0.99)  #: Adam's: a hundred steps are too few for a longer memory


@dataclass(frozen=True)
class Refinement:
    """How far posteriors are fitted.

    Raises:
        InputError: a number that makes no sense, by name.
    """

    steps: int = 60  #: of Adam, one draw of z each
    rate: float = 0.1  #: of a step, in the encoder's deviations, falling to 0
    beta: float = 0.3  #: what a nat of KL costs beside a nat of the melody
    seed: int = 0  #: of the draws

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"refining takes 1 step or more, not {self.steps}")
        for name in ("rate", "beta"):
            if not 0 < getattr(self, name) < inf:
                raise InputError(f"refining needs a positive {name}, not {getattr(self, name)}")


def refined(encoding: Encoding, misfit: Misfit, how: Refinement, normal: Tensor | None) -> Encoding:
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
            drawn = noise.normal(1, *mean.shape[1:]).expand_as(mean)
            with brief():
                loss = misfit(mean + sigma * drawn).sum() + how.beta * kl_to_prior(mean, sigma).sum()
            shift.grad, log.grad = torch.autograd.grad(loss, (shift, log))
            optimiser.step()
    mean, sigma = (start + scale * shift).detach(), (scale * log.exp()).detach()
    return Encoding(mean if normal is None else mean + sigma * normal.to(mean), mean, sigma)
