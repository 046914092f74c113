"""AC-GAN's losses in latent space: a critic that says what is real and, apart from that, which labels it sees.

Odena, Olah and Shlens (2017). S is "real", C the labels, one output each, with one network below:

    L_S = - E_q log S(z)    - E_f log(1 - S(f))                       f = G(z, y), z ~ p
    L_C = - E_q log C(y|z)  - E_f log C(y|f)                          a sum over the labels
    L_D = L_S + L_C + GP            L_G = E_z [ -log S(f) - log C(y|f) + lambda * L_dist(f, z) ]

Labels are told to G alone, and C reads them off a vector. One sigmoid a label, so that classes and attributes are the
same to it; the authors have classes, and one softmax. GP is `labelled`'s, on the logit of S. All else is `gan`'s game.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from melodylc.latent.actor import mlp
from melodylc.latent.gan import Game, minimise
from melodylc.latent.labelled import cost_of, doubt_of, move


class AttributeCritic(nn.Module):
    """Logits of each label, read off a vector: D(y_j | z).

    >>> AttributeCritic(8, 3, hidden=16, layers=2)(torch.randn(5, 8)).shape
    torch.Size([5, 3])
    """

    def __init__(self, dim: int, labels: int, hidden: int = 256, layers: int = 3) -> None:
        super().__init__()
        self.network = mlp(dim, labels, hidden, layers)

    def forward(self, z: Tensor) -> Tensor:
        """Logits (n, labels) of z (n, dim)."""
        logits: Tensor = self.network(z)
        return logits

    def cost(self, z: Tensor, labels: Tensor) -> Tensor:
        """-log D of labels (n, labels), all of them together, (n,): near 0 where a vector shows them all."""
        return missing(self(z), labels)


class AuxiliaryCritic(nn.Module):
    """Logits of S, and of each label of C.

    >>> real, labels = AuxiliaryCritic(8, 3, hidden=16, layers=2).both(torch.randn(5, 8))
    >>> real.shape, labels.shape
    (torch.Size([5]), torch.Size([5, 3]))
    """

    def __init__(self, dim: int, labels: int, hidden: int = 256, layers: int = 3, scale: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("scale", torch.ones(dim) if scale is None else scale.clone())
        self.network = mlp(dim, 1 + labels, hidden, layers)

    scale: Tensor

    def both(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (n,) of S and (n, labels) of C."""
        logits = self.network(z * self.scale)
        return logits[:, 0], logits[:, 1:]

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits (n,) of S; labels are told to other critics, and say nothing here."""
        return self.both(z)[0]

    def cost(self, z: Tensor, labels: Tensor) -> Tensor:
        """-log S - log C of labels (n, labels), (n,)."""
        real, told = self.both(z)
        return cost_of(real) + missing(told, labels)


def missing(logits: Tensor, labels: Tensor) -> Tensor:
    """-log of the probability of labels (n, labels) under logits of the same shape, all of them together, (n,).

    >>> missing(torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]))
    tensor([1.3863])
    """
    return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").sum(dim=1)


class AuxiliaryGame(Game):
    """The game of an actor that is told labels and a critic that reads them."""

    def _make_critic(self, dim: int, labels: int) -> AuxiliaryCritic:
        return AuxiliaryCritic(dim, labels, self.settings.hidden, self.settings.layers, self.scale)

    def _teach(self) -> float:
        real, labels = self.encodings.draw(self.settings.batch, self.generator)
        prior = self._prior(self.settings.batch)
        with torch.no_grad():
            made = move(self.live, prior, labels)
        logits, told = self.critic.both(torch.cat([real, made]))
        (first, second), asked = logits.chunk(2), torch.cat([labels, labels])
        loss = cost_of(first).mean() + doubt_of(second).mean() + 2 * missing(told, asked).mean()
        penalty = self._steepness(lambda z: self.critic(z, labels), real, made)
        minimise(self.optimisers["critic"], loss + penalty)
        return float(loss.item())
