"""The actor G: from a latent vector to one near it that obeys.

    (d, a) = MLP(z_k, h_k, k)      dz = b * tanh(d / b)      g = sigmoid(a)      z'_k = (1 - g) * z_k + g * dz

A latent vector is a chain of parts z_1 .. z_m, each decoded after those before it, and h_k is what a decoder knows of
what they became: the actor moves a part when its turn comes. A vector that is decoded at once is a chain of one part
with nothing before it; G(z) is then the paper's actor.

Where a gate g is 0 its dimension stays as it was. Unlike the paper's, dz is bounded by b in every dimension: the
distance penalty is logarithmic, so it flattens out far away, and an unbounded actor runs off to vectors that no
decoder has ever seen. One draw of N(0, I) in twenty leaves b = 2 in a given dimension.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError

LOUD = 8.0  #: what labels are multiplied by: they are few beside a thousand numbers of a context
SHUT = -1.0  #: where gates start: nearer to leaving z as it is than to replacing it


class Chain(NamedTuple):
    """The shape of latent vectors: how many parts, how large, and how much is known before each of them."""

    parts: int
    size: int
    context: int = 0

    @property
    def dim(self) -> int:
        """Size of a vector.

        >>> Chain(16, 8).dim
        128
        """
        return self.parts * self.size


@dataclass(frozen=True)
class ActorConfig:
    """The shape of an actor.

    Raises:
        InputError: a size below 1 or a bound that isn't positive.
    """

    parts: int  #: parts of z
    size: int  #: dimensions of a part
    context: int = 0  #: numbers that say what the parts before became
    hidden: int = 384  #: width of each hidden layer
    layers: int = 2  #: hidden layers
    bound: float = 2.0  #: largest |dz| in a dimension

    def __post_init__(self) -> None:
        for name in ("parts", "size", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise InputError(f"an actor's {name} is at least 1, not {getattr(self, name)}")
        if self.context < 0:
            raise InputError(f"an actor's context is at least 0, not {self.context}")
        if not 0 < self.bound < float("inf"):
            raise InputError(f"an actor's bound is a positive number, not {self.bound}")

    @property
    def chain(self) -> Chain:
        """The shape of the vectors that it moves."""
        return Chain(self.parts, self.size, self.context)


class Actor(nn.Module):
    """The gated, bounded actor; see the module.

    >>> actor = Actor(ActorConfig(parts=4, size=8, hidden=16))
    >>> actor(torch.randn(5, 4, 8), torch.zeros(5, 4, 0)).shape
    torch.Size([5, 4, 8])
    """

    def __init__(self, config: ActorConfig) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(config.size + config.context, config.hidden)
        self.place = nn.Parameter(torch.zeros(config.parts, config.hidden))
        self.network = mlp(config.hidden, 2 * config.size, config.hidden, config.layers - 1)
        last = self.network[-1]
        if isinstance(last, nn.Linear) and not last.weight.is_meta:
            nn.init.constant_(last.bias[config.size :], SHUT)

    def forward(self, z: Tensor, context: Tensor, first: int = 0) -> Tensor:
        """Moved parts (n, q, size), of parts (n, q, size) from number `first` on with contexts (n, q, context).

        Each |z'| is at most the larger of |z| and the bound.
        """
        entered = self.enter(torch.cat((z, context.to(z.dtype)), dim=-1)) + self.place[first : first + z.shape[1]]
        proposal, gate = self.network(torch.relu(entered)).float().chunk(2, dim=-1)
        bound = self.config.bound
        return torch.lerp(z, bound * torch.tanh(proposal / bound), torch.sigmoid(gate))


def informed(actor: Actor, told: Tensor) -> Callable[[Tensor, Tensor, int], Tensor]:
    """The actor as it moves vectors of which `told` (n, labels) is asked: labels are the last of a context's numbers.

    >>> actor = Actor(ActorConfig(parts=4, size=8, context=2, hidden=16))
    >>> informed(actor, torch.ones(5, 2))(torch.randn(5, 4, 8), torch.zeros(5, 4, 0), 0).shape
    torch.Size([5, 4, 8])
    """

    def move(parts: Tensor, context: Tensor, first: int) -> Tensor:
        labels = LOUD * told[:, None].expand(len(parts), parts.shape[1], -1)
        moved: Tensor = actor(parts, torch.cat((context, labels.to(context.dtype)), dim=-1), first)
        return moved

    return move


def settled(actor: Actor, told: Tensor) -> Actor:
    """The actor that is told labels (labels,) once and for all: one that isn't told anything.

    >>> actor, z = Actor(ActorConfig(parts=4, size=8, context=3, hidden=16)), torch.randn(5, 4, 8)
    >>> one = informed(actor, torch.ones(1, 2))(z, torch.zeros(5, 4, 1), 0)
    >>> torch.allclose(one, settled(actor, torch.ones(2))(z, torch.zeros(5, 4, 1)), atol=1e-5)
    True
    """
    config = replace(actor.config, context=actor.config.context - len(told))
    weights = dict(actor.state_dict())
    known, labels = weights["enter.weight"].split([config.size + config.context, len(told)], dim=1)
    weights |= {"enter.weight": known, "enter.bias": weights["enter.bias"] + labels @ (LOUD * told)}
    with torch.device("meta"):  # no time or memory spent on random weights
        same = Actor(config)
    same.load_state_dict(weights, assign=True)
    return same.requires_grad_(False).eval()


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
