"""How far an actor moved a latent vector, relative to what the encoder knows about it, and what that changed.

    L_dist(z', z)   = mean_i  log(1 + (z'_i - z_i)^2) / sigma_bar_i^2        what fitting pays for
    z_MSE(z', z)    = mean_i  ((z'_i - z_i) / sigma_bar_i)^2                 what the authors' notebook reports
    L_change(z', z) = mean_ki (x'_ki - x_ki)^2,  x a critic's features       what fitting may pay for too

sigma_bar_i is the encoder's standard deviation of dimension i, averaged over the training set: a sharp dimension
(small sigma_bar) is expensive to move, a collapsed one (near 1) is cheap. Both are means over the dimensions, not
sums, and divide by the variance: either mistake changes the weight of the penalty a hundredfold.
"""

import torch
from torch import Tensor


def distance(end: Tensor, start: Tensor, sigma_bar: Tensor) -> Tensor:
    """L_dist of each row, at least 0: `end` and `start` of shape (n, dim), `sigma_bar` (dim,), the result (n,).

    >>> import torch
    >>> distance(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2), torch.tensor([0.5, 1.0]))  # ln(2) / 0.25 / 2
    tensor([1.3863])
    """
    return ((end - start).square().log1p() / sigma_bar.square()).mean(dim=-1)


def z_mse(end: Tensor, start: Tensor, sigma_bar: Tensor) -> Tensor:
    """z_MSE of each row, at least 0: `end` and `start` of shape (n, dim), `sigma_bar` (dim,), the result (n,).

    >>> import torch
    >>> z_mse(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2), torch.tensor([0.5, 1.0]))
    tensor([2.])
    """
    return ((end - start) / sigma_bar).square().mean(dim=-1)


def feature_change(features: Tensor, original: Tensor) -> Tensor:
    """L_change of each row, at least 0: both of shape (n, rows, width), the result (n,).

    >>> import torch
    >>> feature_change(torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]), torch.zeros(1, 2, 2))
    tensor([0.2500])
    """
    return (features - original).square().mean(dim=(-2, -1))


def arc(one: Tensor, other: Tensor, place: float) -> Tensor:
    """Spherical interpolation of vectors (n, z), `place` in 0..1 of the way; straight where they point one way.

    >>> arc(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 0.5)
    tensor([[0.7071, 0.7071]])
    """
    angle = torch.arccos(torch.cosine_similarity(one, other, dim=1).clamp(-1, 1))[:, None]
    sine = angle.sin()
    curved = ((1 - place) * angle).sin() / sine * one + (place * angle).sin() / sine * other
    return torch.where(sine > 1e-2, curved, (1 - place) * one + place * other)
