"""Spread around a label, given back to an actor that lost some of it.

A game of actor and critic ends with the actor's vectors of a label lying closer together than real ones do. Once it
is over that can be seen and set right: with m(y) the actor's mean vector of labels y, linear in y, and for each
dimension r and g, how far real vectors and the actor's are from the means of their labels (root mean square),

    G'(z, y)  =  m(y) + (1 + share * (r / g - 1)) * (G(z, y) - m(y))

Means stay where the game put them, which is farther out than real ones lie: there a label is plain. A share of 1 gives
every dimension the spread that it has in the data. Labels are told less well for it, pictures of a label differ more.
"""

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.encodings import Encodings

SAMPLES = 16_384  #: vectors that means and spreads are measured on
LEAST = 1e-3  #: a spread below this is none


class Widened(nn.Module):
    """An actor of whole vectors, and what its vectors' distance from the mean of their labels is multiplied by.

    It is called as the actor is.

    >>> from melodylc.latent.labelled import labelled_actor, move
    >>> actor = Actor(labelled_actor(8, 3, hidden=16, layers=2, bound=4.0))
    >>> z, labels = torch.randn(5, 8), torch.zeros(5, 3)
    >>> torch.allclose(move(Widened(actor), z, labels), move(actor, z, labels), atol=1e-6)
    True
    """

    def __init__(self, actor: Actor) -> None:
        super().__init__()
        self.actor = actor
        self.register_buffer("slope", torch.zeros(actor.config.context, actor.config.size))
        self.register_buffer("middle", torch.zeros(actor.config.size))
        self.register_buffer("gain", torch.ones(actor.config.size))

    slope: Tensor  #: m(y) = y @ slope + middle, of a context that says y
    middle: Tensor
    gain: Tensor

    @property
    def config(self) -> ActorConfig:
        """The actor's."""
        return self.actor.config

    def forward(self, z: Tensor, context: Tensor, first: int = 0) -> Tensor:
        """Moved parts (n, q, size), as `Actor`'s."""
        mean = context @ self.slope + self.middle
        moved: Tensor = mean + self.gain * (self.actor(z, context, first) - mean)
        return moved


@torch.no_grad()
def widened(actor: Actor, encodings: Encodings, share: float, loudness: float = 1.0, seed: int = 0) -> Widened:
    """An actor with a share of the spread that its vectors lack, beside encodings with the same labels.

    Args:
        actor: of whole vectors; it is told labels.
        encodings: what is real.
        share: of what is missing, in [0, 1].
        loudness: what labels are multiplied by to be told.
        seed: of the samples.

    Raises:
        InputError: another share, or an actor of vectors of several parts.
    """
    if not 0 <= share <= 1:
        raise InputError(f"a share of the spread is in [0, 1], not {share}")
    if actor.config.parts != 1:
        raise InputError(f"an actor of whole vectors can be widened, not one of {actor.config.parts} parts")
    generator = torch.Generator().manual_seed(seed)
    real, labels = encodings.draw(SAMPLES, generator)
    asked = loudness * encodings.draw_labels(SAMPLES, generator)
    made = actor(torch.randn(SAMPLES, 1, encodings.dim, generator=generator), asked[:, None])[:, 0]
    means, apart = _regressed(asked, made)
    ratio = _regressed(labels, real)[1] / apart.clamp(min=LEAST)
    wide = Widened(actor)
    wide.slope.copy_(means[:-1])
    wide.middle.copy_(means[-1])
    wide.gain.copy_(1 + share * (ratio - 1))
    return wide.requires_grad_(False).eval()


def _regressed(labels: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Means of vectors (n, dim), linear in labels (n, labels): (labels + 1, dim); how far they lie from it, (dim,)."""
    known = torch.cat([labels, torch.ones(len(labels), 1)], dim=1)
    # Labels of which exactly one is right add up to 1, and so does the last column.
    means = torch.linalg.lstsq(known, vectors, driver="gelsd").solution
    return means, (vectors - known @ means).square().mean(dim=0).sqrt()
