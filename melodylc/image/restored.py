"""The variance that a blur takes from pictures, given back to them.

A decoder gives the mean of p(x|z), which leaves out what z doesn't say: fine things, most of all. So the pictures of a
trained VAE vary less than pictures do, the less the finer a component is. For a principal component u_i of pictures,
with the variance l_i among pictures and k_i among what the VAE makes of draws of q(z|x),

    <u_i, x'>  =  <u_i, m>  +  sqrt(l_i / k_i) * <u_i, x - m'>              m, m' the means of both

has the variance it should have. Among Gaussians whose covariances share their directions this is the map of optimal
transport from what the VAE makes to pictures, which is what takes an estimate of least squared error to the best one
that looks real (Freirich, Michaeli and Meir 2021). It adds nothing that z doesn't say; it makes plain what it does.

Nothing here is trained, and latent vectors are as they were.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from melodylc.image.principal import components, in_full

MOST = 4.0  #: times that a component is made larger by at most: what a VAE has next to nothing of would be noise


class Restored(nn.Module):
    """Pictures (n, *shape) with the variance of their first components given back; `begin` says how.

    >>> restored = Restored((1, 2, 2), 3)
    >>> restored(torch.full((1, 1, 2, 2), 0.5)).flatten().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        super().__init__()
        values = torch.Size(shape).numel()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(values))
        self.register_buffer("made", torch.zeros(values))
        self.register_buffer("basis", torch.zeros(values, count))
        self.register_buffer("gain", torch.ones(count))

    mean: Tensor  #: of pictures
    made: Tensor  #: the mean of what the VAE makes
    basis: Tensor
    gain: Tensor

    @torch.no_grad()
    def begin(
        self, pictures: Callable[[], Iterable[Tensor]], made: Callable[[], Iterable[Tensor]], seed: int = 0
    ) -> None:
        """Learn what is missing.

        Args:
            pictures: makes the pictures, (n, *shape) at a time, anew for each of the passes over them.
            made: the same of what the VAE makes; one pass.
            seed: of the directions that the search for components starts from.
        """
        found = components(pictures, self.basis.shape[1], seed)
        total, squares, whole, rows = torch.zeros(1), torch.zeros(1), torch.zeros(1), 0
        for part in made():
            told = (part.flatten(1) - found.mean) @ found.basis
            total, squares = total + told.sum(dim=0), squares + told.square().sum(dim=0)
            whole, rows = whole + part.flatten(1).sum(dim=0), rows + len(part)
        variance = squares / rows - (total / rows).square()
        self.mean.copy_(found.mean)
        self.made.copy_(whole / rows)
        self.basis.copy_(found.basis)
        self.gain.copy_((found.variance.clamp(min=0) / variance.clamp(min=1e-12)).sqrt().clamp(max=MOST))

    def forward(self, made: Tensor) -> Tensor:
        """What the VAE made, (n, *shape), restored; in [0, 1]."""
        with in_full(made):
            apart = made.flatten(1) - self.made
            more = ((apart @ self.basis) * (self.gain - 1)) @ self.basis.T
            pictures: Tensor = (self.mean + apart + more).clamp(0, 1)
        return pictures.view(-1, *self.shape)
