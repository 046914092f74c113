"""The critic D: what a black-box score would say of a latent vector, with a gradient.

A score gives k numbers c_j(z) in [0, 1], one a part of what is asked. The critic has one output for each part j and
each exponent p, D_jp(z) = sigmoid(l_jp), and regresses c_j^p by cross-entropy with soft targets:

    L_D = - mean_z sum_jp [ c_j^p log D_jp + (1 - c_j^p) log(1 - D_jp) ]
    L_1 = - mean_jp log D_jp(z')                        what an actor pays, beside the distance

Why several exponents: where one note in fifty is wrong c is 0.98, and D = c has next to no slope left, while c^16
is 0.72 and c^64 is 0.27; far away c^64 is 0 everywhere, and c itself shows the way. p = inf is "satisfied or not".
Why one output a part instead of their product: a product is flat as long as one factor is near 0.

Actor and critic cooperate: the actor's vectors are the critic's training data, and nobody tries to fool anybody.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Critic(nn.Module):
    """Logits l of D, one for each part and exponent, parts first.

    Args:
        dim: size of z.
        parts: k, how many numbers the score gives.
        exponents: the powers p of each, at least 1; `math.inf` for "exactly 1 or not".
        hidden: width of the hidden layers.
        layers: how many of them.

    >>> critic = Critic(8, parts=2, exponents=(1.0, 4.0), hidden=16)
    >>> critic(torch.randn(5, 8)).shape
    torch.Size([5, 2, 2])
    """

    def __init__(
        self, dim: int, parts: int, exponents: tuple[float, ...] = (1.0,), hidden: int = 512, layers: int = 4
    ) -> None:
        super().__init__()
        self.parts = parts
        self.register_buffer("exponents", torch.tensor(exponents), persistent=False)
        self.network = _normalised_mlp(dim, parts * len(exponents), hidden, layers)

    exponents: Tensor

    def forward(self, z: Tensor) -> Tensor:
        """Logits of shape (n, parts, exponents) for z of shape (n, dim)."""
        logits: Tensor = self.network(z)
        return logits.view(*logits.shape[:-1], self.parts, len(self.exponents))

    def targets(self, scores: Tensor) -> Tensor:
        """c^p, shape (n, parts, exponents), of scores c in [0, 1], shape (n, parts).

        >>> Critic(8, parts=1, exponents=(1.0, 2.0, torch.inf)).targets(torch.tensor([[0.5], [1.0]])).tolist()
        [[[0.5, 0.25, 0.0]], [[1.0, 1.0, 1.0]]]
        """
        return torch.pow(scores.unsqueeze(-1), self.exponents)

    def loss(self, z: Tensor, scores: Tensor) -> Tensor:
        """L_D of z, shape (n, dim), against its scores, shape (n, parts): a scalar."""
        losses = F.binary_cross_entropy_with_logits(self(z), self.targets(scores), reduction="none")
        return losses.sum(dim=(-2, -1)).mean()

    def cost(self, z: Tensor) -> Tensor:
        """L_1 of each row of z, shape (n, dim) to (n,): 0 where the critic is sure of all parts."""
        return -F.logsigmoid(self(z)).mean(dim=(-2, -1))


def _normalised_mlp(inputs: int, outputs: int, hidden: int, layers: int) -> nn.Sequential:
    # Smooth and normalised, unlike the actor's: it is the critic's slope that is used, far from its first data.
    stack: list[nn.Module] = []
    for width in [inputs] + [hidden] * (layers - 1):
        stack += [nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.SiLU()]
    return nn.Sequential(*stack, nn.Linear(hidden, outputs))
