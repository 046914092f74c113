"""Actors that are told labels, a critic of latent vectors and labels, and what keeps its slope in bounds.

    D(z, y) = sigmoid(l(z, y)),  l = MLP(z, W y)
    L_1 = -log D        L_0 = -log(1 - D)
    GP  = w_s * mean_n (|| dl/dz (e_n) / s || - 1)^2,   e = a * real + (1 - a) * other,  a ~ U(0, 1) in each dimension

s is 1, or what the critic sees each dimension multiplied by. The penalty acts on the logit l, not on D: where D is near
0 or 1 a sigmoid has no slope, whatever the network does. One a in each dimension, as in the authors' notebook;
Gulrajani et al. (2017) draw one for a whole vector. Their w_s is 10, which holds the slope near 1. A logit of how much
likelier a vector is among real ones needs more where these lie close together: with less weight it is had sooner.

Labels y are what an actor knows before it moves: its vector is a chain of one part, and y is the part's context.
Actor and critic are told them louder (`loudness`): ten numbers of 0 or 1 are lost beside hundreds of a vector.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig, mlp
from melodylc.latent.widened import Widened

PENALTY = 10.0  #: w_s of Gulrajani et al., and of the authors' notebook


def labelled_actor(dim: int, labels: int, hidden: int, layers: int, bound: float) -> ActorConfig:
    """The shape of an actor of whole vectors (n, dim) that is told `labels` numbers; 0 for one that is told nothing.

    >>> labelled_actor(8, 3, hidden=16, layers=2, bound=4.0).chain
    Chain(parts=1, size=8, context=3)
    """
    return ActorConfig(1, dim, labels, hidden, layers, bound)


def loudness(dim: int) -> float:
    """What labels beside vectors of `dim` dimensions are multiplied by: 8, and less beside a few.

    >>> [loudness(dim) for dim in (4, 32, 64, 512)]
    [1.0, 4.0, 8.0, 8.0]
    """
    return min(8.0, max(1.0, dim / 8))


def move(actor: Actor | Widened, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """Vectors (n, dim) moved by an actor of whole vectors, and labels (n, labels), where it was made for any.

    Raises:
        InputError: labels of another size than the actor takes.

    >>> actor = Actor(labelled_actor(8, 3, hidden=16, layers=2, bound=4.0))
    >>> move(actor, torch.randn(5, 8), torch.zeros(5, 3)).shape
    torch.Size([5, 8])
    """
    told = z.new_zeros(len(z), 0) if labels is None else loudness(z.shape[1]) * labels
    _check(actor.config.context, told.shape[1])
    moved: Tensor = actor(z[:, None], told[:, None])
    return moved[:, 0]


class LabelledCritic(nn.Module):
    """Logits l of D(z, y).

    Args:
        dim: size of z.
        labels: size of y; 0 for a critic of z alone.
        hidden: width of the hidden layers.
        layers: how many of them.
        scale: (dim,), what each dimension is multiplied by first; 1 if None.

    >>> LabelledCritic(8, 3, hidden=16, layers=2)(torch.randn(5, 8), torch.zeros(5, 3)).shape
    torch.Size([5])
    """

    def __init__(
        self, dim: int, labels: int = 0, hidden: int = 256, layers: int = 3, scale: Tensor | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(dim) if scale is None else scale.clone())
        told = hidden if labels else 0
        self.told = nn.Linear(labels, told) if told else None
        self.network = mlp(dim + told, 1, hidden, layers)

    scale: Tensor

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n,) of z (n, dim) and labels (n, labels), where the critic was made for any."""
        _check(self.told.in_features if self.told else 0, 0 if labels is None else labels.shape[1])
        z = z * self.scale
        if self.told is not None and labels is not None:
            z = torch.cat([z, self.told(loudness(z.shape[1]) * labels)], dim=-1)
        logits: Tensor = self.network(z)
        return logits.squeeze(-1)

    def cost(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """L_1 of each vector, (n,): near 0 where the critic takes it for a real one with these labels."""
        return cost_of(self(z, labels))


def cost_of(logits: Tensor) -> Tensor:
    """L_1 = -log D, elementwise."""
    return F.softplus(-logits)


def doubt_of(logits: Tensor) -> Tensor:
    """L_0 = -log(1 - D), elementwise: near 0 where the critic takes a vector for a false one."""
    return F.softplus(logits)


def gradient_penalty(
    logit: Callable[[Tensor], Tensor],
    real: Tensor,
    other: Tensor,
    generator: torch.Generator,
    scale: Tensor | None = None,
    weight: float = PENALTY,
    level: bool = False,
) -> Tensor:
    """GP between two batches of vectors or rows of features, (n, ...): a scalar that can be differentiated.

    `scale` is s, of one such vector's shape; 1 if None. `weight` is w_s. Where a critic may be `level`, slopes below 1
    cost nothing (Petzka et al. 2018).
    """
    share = torch.rand(real.shape, generator=generator).to(real)
    between = torch.lerp(other, real, share).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(logit(between).sum(), between, create_graph=True)
    slope = slope if scale is None else slope / scale
    excess = slope.flatten(1).norm(dim=-1) - 1
    penalty: Tensor = weight * (excess.relu() if level else excess).square().mean()
    return penalty


def _check(taken: int, given: int) -> None:
    if taken != given:
        raise InputError(f"this network takes {taken or 'no'} labels, and was given {given or 'none'}")
