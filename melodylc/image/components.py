"""Principal components of pictures, and what a VAE gains from them after its training: dimensions and variance.

**Residual components.** Among linear VAEs the best is known (Tipping and Bishop 1999). For components u_i of variance
l_i and output deviation s

    q(z_i|x) = N( sqrt(l_i - s^2) / l_i * <u_i, x - m>,  s^2 / l_i )
    p(x|z)   = N( m + sum_i sqrt(l_i - s^2) * z_i * u_i,  s^2 )

A trained decoder leaves what it has no dimensions for: fine and rare things, and what a blur hides. That is x here, so
a picture is the sum of both means, and each z_i has the prior's mean and variance. A component whose l_i is at most s^2
isn't worth its nats: there z_i is the prior's.

**Variance matching.** A decoder gives the mean of p(x|z), which leaves out what z doesn't say: fine things, most of
all. So the pictures of a trained VAE vary less than pictures do, the less the finer a component is. For a principal
component u_i of pictures, with the variance l_i among pictures and k_i among what the VAE decodes from q(z|x),

    <u_i, x'>  =  <u_i, m>  +  sqrt(l_i / k_i) * <u_i, x - m'>              m, m' the means of both

has the variance it should have. Among Gaussians whose covariances share their directions this is the map of optimal
transport from what the VAE decodes to pictures, which is what takes an estimate of least squared error to the best one
that looks real (Freirich, Michaeli and Meir 2021). It adds nothing that z doesn't say; it makes plain what it does.

Components are found by subspace iteration (Halko, Martinsson and Tropp 2011), in passes over batches: a matrix of
33,000 pictures of 12,288 numbers, which `torch.pca_lowrank` would want whole and centres in a copy, is three gigabytes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

ITERATIONS = 3
PASSES = 1 + ITERATIONS  #: over the pictures, to find components
SPARE = 48  #: components that are searched for beside those that are returned


@dataclass(frozen=True)
class Components:
    """The principal components of pictures with v numbers each."""

    mean: Tensor  #: (v,)
    basis: Tensor  #: (v, n), orthonormal columns
    variance: Tensor  #: (n,), falling


class PrincipalVAE(nn.Module):
    """The linear VAE of pictures (n, *shape) with z components; `set_components` says which.

    Nothing in it is trained.
    """

    def __init__(self, shape: tuple[int, ...], z: int) -> None:
        super().__init__()
        values = torch.Size(shape).numel()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("basis", torch.zeros(values, z))
        self.register_buffer("encode_scale", torch.zeros(z))
        self.register_buffer("decode_scale", torch.zeros(z))
        self.register_buffer("sigma", torch.ones(z))

    mean: Tensor
    basis: Tensor
    encode_scale: Tensor
    decode_scale: Tensor
    sigma: Tensor

    @torch.no_grad()
    def set_components(self, components: Components, deviation: float) -> None:
        """Take these components, with an output deviation."""
        variance = components.variance.clamp(min=deviation**2)
        scale = (variance - deviation**2).sqrt()
        self.mean.copy_(components.mean)
        self.basis.copy_(components.basis)
        self.encode_scale.copy_(scale / variance)
        self.decode_scale.copy_(scale)
        self.sigma.copy_(deviation / variance.sqrt())

    def encode(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Means and deviations (n, z) of q(z|x)."""
        with full_precision(pictures):
            mean = (pictures.flatten(1) - self.mean) @ self.basis * self.encode_scale
        return mean, self.sigma.expand_as(mean)

    def forward(self, z: Tensor) -> Tensor:
        """Means of p(x|z), (n, *shape)."""
        with full_precision(z):
            pictures: Tensor = (z * self.decode_scale) @ self.basis.T + self.mean
        return pictures.view(-1, *self.shape)


def full_precision(tensor: Tensor) -> torch.autocast:
    """No half precision for what is computed from a tensor.

    Sharp posteriors need all digits. The meta device, which has shapes alone, knows no autocast.
    """
    return torch.autocast("cpu" if tensor.is_meta else tensor.device.type, enabled=False)


@torch.no_grad()
def principal_components(batches: Callable[[], Iterable[Tensor]], count: int, seed: int = 0) -> Components:
    """The first `count` principal components.

    Args:
        batches: makes the pictures, (n, ...) at a time, anew for each of the passes over them.
        count: how many; more than there are pictures have no variance.
        seed: of the directions that the search starts from.

    >>> points = torch.tensor([[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    >>> result = principal_components(lambda: [points], 2)
    >>> result.variance.round(decimals=3).tolist(), result.basis.abs().round(decimals=3).T.tolist()
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
        previous, basis = basis, product
    variance, rotation = torch.linalg.eigh(previous.T @ basis / rows)
    return Components(mean, (previous @ rotation).flip(1)[:, :count], variance.flip(0)[:count])


MAX_GAIN = 4.0  #: times that a component is made larger by at most: what a VAE has next to nothing of would be noise


class VarianceMatching(nn.Module):
    """Pictures (n, *shape) with the variance of their first components matched; `fit` says how.

    >>> matching = VarianceMatching((1, 2, 2), 3)
    >>> matching(torch.full((1, 1, 2, 2), 0.5)).flatten().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        super().__init__()
        values = torch.Size(shape).numel()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("output_mean", torch.zeros(values))
        self.register_buffer("basis", torch.zeros(values, count))
        self.register_buffer("gain", torch.ones(count))

    mean: Tensor  #: of pictures
    output_mean: Tensor  #: of what the VAE decodes
    basis: Tensor
    gain: Tensor

    @torch.no_grad()
    def fit(
        self, pictures: Callable[[], Iterable[Tensor]], outputs: Callable[[], Iterable[Tensor]], seed: int = 0
    ) -> None:
        """Learn what is missing.

        Args:
            pictures: makes the pictures, (n, *shape) at a time, anew for each of the passes over them.
            outputs: the same of what the VAE decodes; one pass.
            seed: of the directions that the search for components starts from.
        """
        components = principal_components(pictures, self.basis.shape[1], seed)
        total, squares, whole, rows = torch.zeros(1), torch.zeros(1), torch.zeros(1), 0
        for part in outputs():
            scores = (part.flatten(1) - components.mean) @ components.basis
            total, squares = total + scores.sum(dim=0), squares + scores.square().sum(dim=0)
            whole, rows = whole + part.flatten(1).sum(dim=0), rows + len(part)
        variance = squares / rows - (total / rows).square()
        self.mean.copy_(components.mean)
        self.output_mean.copy_(whole / rows)
        self.basis.copy_(components.basis)
        self.gain.copy_((components.variance.clamp(min=0) / variance.clamp(min=1e-12)).sqrt().clamp(max=MAX_GAIN))

    def forward(self, outputs: Tensor) -> Tensor:
        """What the VAE decoded, (n, *shape), with more variance; in [0, 1]."""
        with full_precision(outputs):
            centred = outputs.flatten(1) - self.output_mean
            more = ((centred @ self.basis) * (self.gain - 1)) @ self.basis.T
            pictures: Tensor = (self.mean + centred + more).clamp(0, 1)
        return pictures.view(-1, *self.shape)
