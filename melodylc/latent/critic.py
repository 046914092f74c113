"""The critic D: what a black-box score would say of a latent vector, with a gradient.

A score gives k numbers c_j(z) in [0, 1], one a part of what is asked. The critic has one output for each part j and
each exponent p, D_jp(z) = sigmoid(l_jp), and regresses c_j^p by cross-entropy with soft targets:

    L_D = - mean_z sum_jp [ c_j^p log D_jp + (1 - c_j^p) log(1 - D_jp) ]
    L_1 = - mean_j mean_p log D_jp(z')                  what an actor pays, beside the distance

Why several exponents: where one note in fifty is wrong c is 0.98, and D = c has next to no slope left, while c^16
is 0.72 and c^64 is 0.27; far away c^64 is 0 everywhere, and c itself shows the way. p = inf is "satisfied or not".
A power counts for the actor once some of the vectors scored lately have reached it: before, its slope is noise.
Why one output a part instead of their product: a product is flat as long as one factor is near 0.

Features: it sees not z but rows of features (n, rows, width): of what z decodes to, as probable as the decoder has it.
Of what has been decoded they are exact, and so a critic learns the score itself; that z leads there is the decoder's
business, and that has a gradient. Without a decoder, z is the one row.

Labels: where not all parts of the score count for each vector, labels say which do. The critic doesn't take them, and
learns of every vector what all parts say; an actor pays for those that count.

Actor and critic cooperate: the actor's vectors are the critic's training data, and nobody tries to fool anybody.
"""

from functools import wraps
from inspect import signature
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAIR_HEADS = 4  #: ways in which two rows may be alike
PAIR_KEY = 128  #: numbers that say what a row is like, in all ways together


class ConfigMixin:
    """A network whose `arguments` are what its constructor was called with, defaults included, as a file needs them.

    >>> class Line(ConfigMixin, nn.Module):
    ...     def __init__(self, width: int, slope: float = 2.0) -> None:
    ...         super().__init__()
    >>> Line(3).arguments
    {'width': 3, 'slope': 2.0}
    """

    arguments: dict[str, Any]

    def __init_subclass__(cls, **others: Any) -> None:
        super().__init_subclass__(**others)
        plain = cls.__init__

        @wraps(plain)
        def record(self: ConfigMixin, *args: Any, **named: Any) -> None:
            if "arguments" not in self.__dict__:
                bound = signature(plain).bind(self, *args, **named)
                bound.apply_defaults()
                self.__dict__["arguments"] = dict(list(bound.arguments.items())[1:])
            plain(self, *args, **named)

        cls.__init__ = record  # type: ignore[method-assign, assignment]


class Critic(ConfigMixin, nn.Module):
    """Logits l of D, one for each part and exponent, parts first.

    Half of the layers look at each row by itself, the same weights for all (and a learnt position embedding). Their
    output is averaged over the rows; their output at the first and the last row, which a mean would drown, and how
    alike every two rows are is added: the other layers look at that.

    Args:
        rows: how many rows of features a vector has.
        width: features in a row.
        parts: k, how many numbers the score gives.
        exponents: the powers p of each, at least 1; `math.inf` for "exactly 1 or not".
        hidden: width of the hidden layers.
        layers: how many of them, at least 2.

    >>> critic = Critic(16, 8, parts=2, exponents=(1.0, 4.0), hidden=32)
    >>> critic(torch.randn(5, 16, 8)).shape
    torch.Size([5, 2, 2])
    """

    def __init__(
        self,
        rows: int,
        width: int,
        parts: int,
        exponents: tuple[float, ...] = (1.0,),
        hidden: int = 512,
        layers: int = 4,
    ) -> None:
        super().__init__()
        self.parts = parts
        self.register_buffer("exponents", torch.tensor(exponents), persistent=False)
        first = layers // 2
        self.enter = nn.Linear(width, hidden)
        self.place = nn.Parameter(torch.zeros(rows, hidden))
        self.each = nn.Sequential(nn.LayerNorm(hidden), nn.SiLU(), *_layers(hidden, first - 1))
        self.pairs = Pairs(rows, hidden) if rows > 1 else None
        self.ends = _zero_linear(2 * hidden, hidden) if rows > 1 else None
        self.all = nn.Sequential(*_layers(hidden, layers - first), nn.Linear(hidden, parts * len(exponents)))

    exponents: Tensor

    @property
    def readout(self) -> nn.Linear:
        """The last layer, which alone knows which score it is."""
        return cast(nn.Linear, self.all[-1])

    def with_new_readout(self, parts: int, exponents: tuple[float, ...]) -> "Critic":
        """A critic for other scores with this one's weights but for the last layer, whose answers are undecided."""
        other = Critic(**{**self.arguments, "parts": parts, "exponents": exponents})
        shared = {name: it for name, it in self.state_dict().items() if it.shape == other.state_dict()[name].shape}
        other.load_state_dict(shared, strict=False)
        nn.init.zeros_(other.readout.weight)
        nn.init.zeros_(other.readout.bias)
        return other

    def forward(self, features: Tensor) -> Tensor:
        """Logits (n, parts, exponents) for features (n, rows, width)."""
        each = self.each(self.enter(features) + self.place)
        pooled = each.mean(dim=-2)
        if self.pairs is not None and self.ends is not None:
            pooled = pooled + self.pairs(each) + self.ends(each[..., [0, -1], :].flatten(-2))
        logits: Tensor = self.all(pooled)
        return logits.view(*logits.shape[:-1], self.parts, len(self.exponents))

    def targets(self, scores: Tensor) -> Tensor:
        """c^p, shape (n, parts, exponents), of scores c in [0, 1], shape (n, parts).

        >>> Critic(1, 8, parts=1, exponents=(1.0, 2.0, torch.inf)).targets(torch.tensor([[0.5], [1.0]])).tolist()
        [[[0.5, 0.25, 0.0]], [[1.0, 1.0, 1.0]]]
        """
        return torch.pow(scores.unsqueeze(-1), self.exponents)

    def loss(self, features: Tensor, scores: Tensor) -> Tensor:
        """L_D of features, shape (n, rows, width), against their scores, shape (n, parts): a scalar."""
        losses = F.binary_cross_entropy_with_logits(self(features).float(), self.targets(scores), reduction="none")
        return losses.sum(dim=(-2, -1)).mean()

    def active_powers(self, scores: Tensor, share: float) -> Tensor:
        """Which powers of each part have a mean of at least `share` in scores (n, parts): (parts, exponents), bool.

        What is 0 wherever anybody has looked has no slope to follow. The lowest power is always active.
        """
        active = self.targets(scores).mean(dim=0) >= share
        active[:, self.exponents.argmin()] = True
        return active

    def cost(self, features: Tensor, label_mask: Tensor | None = None, active: Tensor | None = None) -> Tensor:
        """L_1 of features, shape (n, rows, width) to (n,): 0 where the critic is sure of all parts that count.

        A mean over the parts that count, all or those of (n, parts), bool, of the mean over the powers: all, or the
        active ones, (parts, exponents), bool.
        """
        costs = -F.logsigmoid(self(features).float())
        if active is None:
            active = torch.ones_like(costs[0], dtype=torch.bool)
        each = (costs * active).sum(dim=-1) / active.sum(dim=-1)
        if label_mask is None:
            return each.mean(dim=-1)
        return (each * label_mask).sum(dim=-1) / label_mask.sum(dim=-1).clamp(min=1)


class Pairs(nn.Module):
    """How alike every two of some rows are: (n, rows, hidden) to (n, hidden); nothing at first.

    A mean over the rows can't tell whether the ninth is the first again.
    """

    def __init__(self, rows: int, hidden: int) -> None:
        super().__init__()
        self.key = nn.Linear(hidden, PAIR_KEY)
        self.head = _zero_linear(PAIR_HEADS * rows * (rows - 1) // 2, hidden)
        one, other = torch.triu_indices(rows, rows, 1)
        self.register_buffer("places", one * rows + other, persistent=False)

    places: Tensor

    def forward(self, rows: Tensor) -> Tensor:
        """A reading of the cosines between the rows' keys, (n, hidden)."""
        keys = self.key(rows).view(*rows.shape[:2], PAIR_HEADS, -1).transpose(1, 2)
        keys = F.normalize(keys.float(), dim=-1)
        cosines = (keys @ keys.transpose(2, 3)).flatten(2)[:, :, self.places]
        reading: Tensor = self.head(cosines.flatten(1))
        return reading


def _zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map that starts at 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _layers(hidden: int, count: int) -> list[nn.Module]:
    # Smooth and normalised, unlike the actor's: it is the critic's slope that is used, far from its first data.
    return [module for _ in range(count) for module in (nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.SiLU())]
