"""The actor G: from a latent vector to one near it that obeys.

    (d, a) = MLP(z)        dz = b * tanh(d / b)        g = sigmoid(a)        z' = (1 - g) * z + g * dz

Where a gate g is 0 its dimension stays as it was. Unlike the paper's, dz is bounded by b in every dimension: the
distance penalty is logarithmic, so it flattens out far away, and an unbounded actor runs off to vectors that no
decoder has ever seen. One draw of N(0, I) in twenty leaves b = 2 in a given dimension.

A conditional actor is told labels y as well: (d, a) = MLP(z, W y).
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError


@dataclass(frozen=True)
class ActorConfig:
    """The shape of an actor.

    Raises:
        InputError: a size below 1 or a bound that isn't positive.
    """

    dim: int  #: size of z
    hidden: int = 512  #: width of each hidden layer
    layers: int = 3  #: hidden layers
    bound: float = 2.0  #: largest |dz| in a dimension
    labels: int = 0  #: size of y; 0 for an actor that obeys one thing only

    def __post_init__(self) -> None:
        if self.labels < 0:
            raise InputError(f"an actor's labels are 0 or more, not {self.labels}")
        for name in ("dim", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise InputError(f"an actor's {name} is at least 1, not {getattr(self, name)}")
        if not 0 < self.bound < float("inf"):
            raise InputError(f"an actor's bound is a positive number, not {self.bound}")


class Actor(nn.Module):
    """The gated, bounded actor; see the module.

    >>> actor = Actor(ActorConfig(dim=8, hidden=16))
    >>> actor(torch.randn(5, 8)).shape
    torch.Size([5, 8])
    >>> actor = Actor(ActorConfig(dim=8, hidden=16, labels=3))
    >>> actor(torch.randn(5, 8), torch.eye(3)[[0, 1, 2, 0, 1]]).shape
    torch.Size([5, 8])
    """

    def __init__(self, config: ActorConfig) -> None:
        super().__init__()
        self.config = config
        told = config.hidden if config.labels else 0
        self.told = nn.Linear(config.labels, told) if told else None
        self.network = mlp(config.dim + told, 2 * config.dim, config.hidden, config.layers)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """z' for z, both of shape (n, dim), and `labels` (n, labels), where the actor was made for any.

        Each |z'| is at most the larger of |z| and the bound.
        """
        proposal, gate = self.network(beside(z, labels, self.told)).chunk(2, dim=-1)
        bound = self.config.bound
        return torch.lerp(z, bound * torch.tanh(proposal / bound), torch.sigmoid(gate))


def beside(z: Tensor, labels: Tensor | None, told: nn.Linear | None) -> Tensor:
    """z (n, dim), with what a layer makes of the labels (n, labels) beside it, if there is one.

    Raises:
        InputError: labels for a network that takes none, or none for one that does.
    """
    if (labels is None) != (told is None):
        raise InputError(f"this network takes {told.in_features if told else 'no'} labels, and was given {labels}")
    return z if labels is None or told is None else torch.cat([z, told(labels)], dim=-1)


def mlp(inputs: int, outputs: int, hidden: int, layers: int) -> nn.Sequential:
    """`layers` hidden ReLU layers of `hidden` units between (n, inputs) and (n, outputs).

    >>> mlp(3, 2, hidden=16, layers=4)(torch.zeros(5, 3)).shape
    torch.Size([5, 2])
    """
    widths = [inputs] + [hidden] * layers
    stack: list[nn.Module] = []
    for width, following in pairwise(widths):
        stack += [nn.Linear(width, following), nn.ReLU()]
    return nn.Sequential(*stack, nn.Linear(widths[-1], outputs))
