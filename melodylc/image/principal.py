"""A VAE without training: the best linear one, from principal components. Here they are of what another VAE leaves.

Among linear VAEs the best is known (Tipping and Bishop 1999). For components u_i of variance l_i and output deviation s

    q(z_i|x) = N( sqrt(l_i - s^2) / l_i * <u_i, x - m>,  s^2 / l_i )
    p(x|z)   = N( m + sum_i sqrt(l_i - s^2) * z_i * u_i,  s^2 )

A trained decoder leaves what it has no dimensions for: fine and rare things, and what a blur hides. That is x here, so
a picture is the sum of both means, and each z_i has the prior's mean and variance. A component whose l_i is at most s^2
isn't worth its nats: there z_i is the prior's.

Components are found by subspace iteration (Halko, Martinsson and Tropp 2011).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ITERATIONS = 3
PASSES = 1 + ITERATIONS  #: over the pictures, to find components
SPARE = 48  #: components that are found beside those that are kept


@dataclass(frozen=True)
class Components:
    """The principal components of pictures with v numbers each."""

    mean: Tensor  #: (v,)
    basis: Tensor  #: (v, n), orthonormal columns
    variance: Tensor  #: (n,), falling


class Principal(nn.Module):
    """The linear VAE of pictures (n, *shape) with z components; `begin` says which.

    Nothing in it is trained.
    """

    def __init__(self, shape: tuple[int, ...], z: int) -> None:
        super().__init__()
        values = torch.Size(shape).numel()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.zeros(values, z))
        self.register_buffer("reading", torch.zeros(z))
        self.register_buffer("writing", torch.zeros(z))
        self.register_buffer("sigma", torch.ones(z))

    mean: Tensor
    basis: Tensor
    reading: Tensor
    writing: Tensor
    sigma: Tensor

    @torch.no_grad()
    def begin(self, found: Components, deviation: float) -> None:
        """Take these components, with an output deviation."""
        variance = found.variance.clamp(min=deviation**2)
        kept = (variance - deviation**2).sqrt()
        self.mean.copy_(found.mean)
        self.basis.copy_(found.basis)
        self.reading.copy_(kept / variance)
        self.writing.copy_(kept)
        self.sigma.copy_(deviation / variance.sqrt())

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Means and deviations (n, z) of q(z|x)."""
        with in_full(pictures):
            mean = (pictures.flatten(1) - self.mean) @ self.basis * self.reading
        return mean, self.sigma.expand_as(mean)

    def forward(self, z: Tensor) -> Tensor:
        """Means of p(x|z), (n, *shape)."""
        with in_full(z):
            pictures: Tensor = (z * self.writing) @ self.basis.T + self.mean
        return pictures.view(-1, *self.shape)


def in_full(tensor: Tensor) -> torch.autocast:
    """No half precision for what is computed from a tensor.

    Sharp posteriors need all digits. The meta device, which has shapes alone, knows no autocast.
    """
    return torch.autocast("cpu" if tensor.is_meta else tensor.device.type, enabled=False)


@torch.no_grad()
def components(batches: Callable[[], Iterable[Tensor]], count: int, seed: int = 0) -> Components:
    """The first `count` principal components.

    Args:
        batches: makes the pictures, (n, ...) at a time, anew for each of the passes over them.
        count: how many; more than there are pictures have no variance.
        seed: of the directions that the search starts from.

    >>> points = torch.tensor([[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    >>> found = components(lambda: [points], 2)
    >>> found.variance.round(decimals=3).tolist(), found.basis.abs().round(decimals=3).T.tolist()
    ([4.5, 0.5], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    """
    total, rows = torch.zeros(1), 0
    for pictures in batches():
        total, rows = total + pictures.flatten(1).sum(dim=0), rows + len(pictures)
    mean = total / rows
    wide = min(len(mean), count + SPARE)
    basis = torch.randn(len(mean), wide, generator=torch.Generator().manual_seed(seed))
    for _ in range(ITERATIONS):
        basis = torch.linalg.qr(basis)[0]
        product = torch.zeros_like(basis)
        for pictures in batches():
            centred = pictures.flatten(1) - mean
            product += centred.T @ (centred @ basis)
        found, basis = basis, product
    variance, turned = torch.linalg.eigh(found.T @ basis / rows)
    return Components(mean, (found @ turned).flip(1)[:, :count], variance.flip(0)[:count])
