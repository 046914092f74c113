"""q(z|x): Gaussians, one a latent dimension, each perhaps given the dimensions before it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from melodylc.models.noise import Noise

SIGMA_FLOOR = 1e-3  #: keeps log sigma finite in bf16


@dataclass(frozen=True)
class Encoding:
    """A latent z of q(z|x), with the Gaussians it was drawn from; all of shape (n, z).

    Where a dimension's Gaussian depends on the dimensions before it, `mean` and `sigma` are those along z.
    """

    z: Tensor
    mean: Tensor
    sigma: Tensor

    @property
    def kl(self) -> Tensor:
        """KL(q || N(0, I)) in nats per dimension, (n, z); its sum is unbiased where z was drawn."""
        return kl_to_prior(self.mean, self.sigma)


def kl_to_prior(mean: Tensor, sigma: Tensor) -> Tensor:
    """KL(N(mean, sigma) || N(0, 1)) in nats, elementwise: (mean^2 + sigma^2 - 1) / 2 - log sigma.

    >>> kl_to_prior(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([0.5000])
    """
    return (mean.square() + sigma.square() - 1) / 2 - sigma.log()


class Posterior(nn.Module):
    """The head that turns features (..., d) into Gaussians over (..., z), and draws from them."""

    def __init__(self, features: int, z: int, sigma: float = 0.693) -> None:
        """`sigma` is what deviations start from."""
        super().__init__()
        self.head = nn.Linear(features, 2 * z)
        with torch.no_grad():
            self.head.bias[z:] = torch.tensor(sigma).expm1().log()

    def forward(self, features: Tensor, noise: Tensor | None) -> Encoding:
        """The Gaussians' means where `noise` is None, else a draw with that standard normal noise."""
        mean, raw = self.head(features).float().chunk(2, dim=-1)
        sigma = softplus(raw) + SIGMA_FLOOR
        return Encoding(mean if noise is None else mean + sigma * noise.to(mean), mean, sigma)


def normal_or_none(noise: Noise | None, rows: int, *shape: int) -> Tensor | None:
    """Standard normal numbers (rows, *shape), or None for no noise."""
    return None if noise is None else noise.normal(rows, *shape)
