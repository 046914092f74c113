"""The actor G: from a latent vector to one near it that obeys.

    (d, a) = MLP(z_k, h_k, k)      dz = b * tanh(d / b)      g = sigmoid(a)      z'_k = (1 - g) * z_k + g * dz

A latent vector may be a sequence of parts z_1 .. z_m, each decoded after those before it, and h_k is what a decoder
knows of what they became: the actor moves a part when its turn comes. A vector that is decoded at once is one part
with nothing before it; G(z) is then the actor of Engel, Hoffman and Roberts (2018), "Latent Constraints".

Where a gate g is 0 its dimension stays as it was. Unlike the paper's, dz is bounded by b in every dimension: the
distance penalty is logarithmic, so it flattens out far away, and an unbounded actor runs off to vectors that no
decoder has ever seen. One sample of N(0, I) in twenty leaves b = 2 in a given dimension.

Labels y, where an actor takes any, are the last numbers of a context, times a factor: they are few beside hundreds.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError

LABEL_SCALE = 8.0  #: what labels beside a context are multiplied by
_LARGEST, _MOST_LAYERS = 8192, 64  # of what a header may claim
GATE_BIAS = -1.0  #: where gates start: nearer to leaving z as it is than to replacing it

Move = Callable[[Tensor, Tensor, int], Tensor]
"""What moves parts of latent vectors: parts (n, q, size), their contexts (n, q, context) and the first one's number, to
parts of the same shape. An `Actor` is one."""


class LatentLayout(NamedTuple):
    """The shape of latent vectors: how many parts, how large, and how many numbers are known before each of them."""

    parts: int
    size: int
    context: int = 0

    @property
    def dim(self) -> int:
        """Size of a vector.

        >>> LatentLayout(16, 8).dim
        128
        """
        return self.parts * self.size


@dataclass(frozen=True)
class ActorConfig:
    """The shape of an actor.

    Raises:
        InputError: a size below 1 or beyond what any actor has, or a bound that isn't positive.
    """

    parts: int  #: parts of z
    size: int  #: dimensions of a part
    context: int = 0  #: numbers that say what the parts before became, and labels
    hidden: int = 384  #: width of each hidden layer
    layers: int = 2  #: hidden layers
    bound: float = 2.0  #: largest |dz| in a dimension

    def __post_init__(self) -> None:
        for name in ("parts", "size", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise InputError(f"an actor's {name} is at least 1, not {getattr(self, name)}")
        if self.context < 0:
            raise InputError(f"an actor's context is at least 0, not {self.context}")
        for name, most in (("parts", _LARGEST), ("size", _LARGEST), ("hidden", _LARGEST), ("layers", _MOST_LAYERS)):
            if getattr(self, name) > most:
                raise InputError(f"an actor's {name} is at most {most}, not {str(getattr(self, name))[:40]}")
        if not 0 < self.bound < float("inf"):
            raise InputError(f"an actor's bound is a positive number, not {self.bound}")

    @classmethod
    def of_vectors(cls, dim: int, labels: int, hidden: int, layers: int, bound: float) -> "ActorConfig":
        """The shape of an actor of whole vectors (n, dim) that takes `labels` labels, perhaps 0.

        >>> ActorConfig.of_vectors(8, 3, hidden=16, layers=2, bound=4.0).layout
        LatentLayout(parts=1, size=8, context=3)
        """
        return cls(1, dim, labels, hidden, layers, bound)

    @property
    def layout(self) -> LatentLayout:
        """The shape of the vectors that it moves."""
        return LatentLayout(self.parts, self.size, self.context)


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
            nn.init.constant_(last.bias[config.size :], GATE_BIAS)

    def forward(self, z: Tensor, context: Tensor, first: int = 0) -> Tensor:
        """Moved parts (n, q, size), of parts (n, q, size) from number `first` on with contexts (n, q, context).

        Each |z'| is at most the larger of |z| and the bound.
        """
        hidden = self.enter(torch.cat((z, context.to(z.dtype)), dim=-1)) + self.place[first : first + z.shape[1]]
        proposal, gate = self.network(torch.relu(hidden)).float().chunk(2, dim=-1)
        bound = self.config.bound
        return torch.lerp(z, bound * torch.tanh(proposal / bound), torch.sigmoid(gate))


def condition(actor: Actor, labels: Tensor) -> Move:
    """The actor for vectors with labels (n, labels), the last of a context's numbers.

    >>> actor = Actor(ActorConfig(parts=4, size=8, context=2, hidden=16))
    >>> condition(actor, torch.ones(5, 2))(torch.randn(5, 4, 8), torch.zeros(5, 4, 0), 0).shape
    torch.Size([5, 4, 8])
    """

    def move(parts: Tensor, context: Tensor, first: int) -> Tensor:
        numbers = LABEL_SCALE * labels[:, None].expand(len(parts), parts.shape[1], -1)
        result: Tensor = actor(parts, torch.cat((context, numbers.to(context.dtype)), dim=-1), first)
        return result

    return move


def bind_labels(actor: Actor, labels: Tensor) -> Actor:
    """The actor with labels (labels,) folded into its first bias: one that takes none.

    >>> actor, z = Actor(ActorConfig(parts=4, size=8, context=3, hidden=16)), torch.randn(5, 4, 8)
    >>> one = condition(actor, torch.ones(1, 2))(z, torch.zeros(5, 4, 1), 0)
    >>> torch.allclose(one, bind_labels(actor, torch.ones(2))(z, torch.zeros(5, 4, 1)), atol=1e-5)
    True
    """
    config = replace(actor.config, context=actor.config.context - len(labels))
    weights = dict(actor.state_dict())
    rest, columns = weights["enter.weight"].split([config.size + config.context, len(labels)], dim=1)
    weights |= {"enter.weight": rest, "enter.bias": weights["enter.bias"] + columns @ (LABEL_SCALE * labels)}
    with torch.device("meta"):  # no time or memory spent on random weights
        bound = Actor(config)
    bound.load_state_dict(weights, assign=True)
    return bound.requires_grad_(False).eval()


class VectorActor(Protocol):
    """An actor of whole vectors: `Actor`, or one with its spread restored (`melodylc.latent.spread`)."""

    @property
    def config(self) -> ActorConfig:
        """Its shape."""
        ...

    def __call__(self, z: Tensor, context: Tensor) -> Tensor:
        """Moved parts (n, 1, dim)."""
        ...


def label_scale(dim: int) -> float:
    """What labels beside vectors of `dim` dimensions are multiplied by: 8, and less beside a few.

    >>> [label_scale(dim) for dim in (4, 32, 64, 512)]
    [1.0, 4.0, 8.0, 8.0]
    """
    return min(8.0, max(1.0, dim / 8))


def move_vectors(actor: VectorActor, z: Tensor, labels: Tensor | None = None) -> Tensor:
    """Vectors (n, dim) moved by an actor of whole vectors, with labels (n, labels) where it takes any.

    Raises:
        InputError: labels of another size than the actor takes.

    >>> actor = Actor(ActorConfig.of_vectors(8, 3, hidden=16, layers=2, bound=4.0))
    >>> move_vectors(actor, torch.randn(5, 8), torch.zeros(5, 3)).shape
    torch.Size([5, 8])
    """
    numbers = z.new_zeros(len(z), 0) if labels is None else label_scale(z.shape[1]) * labels
    check_labels(actor.config.context, numbers.shape[1])
    return actor(z[:, None], numbers[:, None])[:, 0]


def check_labels(size: int, given: int) -> None:
    """Refuse labels where a network takes none, none where it takes some, and others of another size.

    Raises:
        InputError: in those cases.
    """
    if size != given:
        raise InputError(f"this network takes {size or 'no'} labels, and was given {given or 'none'}")


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
