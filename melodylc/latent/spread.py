"""Spread restoration: the spread around a label, given back to an actor that lost some of it.

A training of actor and critic ends with the actor's vectors of a label lying closer together than real ones do. Once
it is over that can be measured and set right: with m(y) the actor's mean vector of labels y, linear in y, and for each
dimension r and g, how far real vectors and the actor's are from the means of their labels (root mean square),

    G'(z, y)  =  m(y) + (1 + share * (r / g - 1)) * (G(z, y) - m(y))

Means stay where the training put them, which is farther out than real ones lie: there a label is plain. A share of 1
gives every dimension the spread that it has in the data. Labels are followed less well for it, pictures of a label
differ more.
"""

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.latent.actor import Actor, ActorConfig
from melodylc.latent.samples import Encodings

SAMPLES = 16_384  #: vectors that means and spreads are measured on
LEAST = 1e-3  #: a spread below this is none


class SpreadRestoration(nn.Module):
    """An actor of whole vectors, and what its vectors' distance from the mean of their labels is multiplied by.

    It is called as the actor is.

    >>> from melodylc.latent.actor import move_vectors
    >>> actor = Actor(ActorConfig.of_vectors(8, 3, hidden=16, layers=2, bound=4.0))
    >>> z, labels = torch.randn(5, 8), torch.zeros(5, 3)
    >>> wide = SpreadRestoration(actor)
    >>> torch.allclose(move_vectors(wide, z, labels), move_vectors(actor, z, labels), atol=1e-6)
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
        result: Tensor = mean + self.gain * (self.actor(z, context, first) - mean)
        return result


@torch.no_grad()
def restore_spread(
    actor: Actor, encodings: Encodings, share: float, label_scale: float = 1.0, seed: int = 0
) -> SpreadRestoration:
    """An actor with a share of the spread that its vectors lack, beside encodings with the same labels.

    Args:
        actor: of whole vectors, with labels.
        encodings: what is real.
        share: of what is missing, in [0, 1].
        label_scale: what the actor's labels are multiplied by.
        seed: of the samples.

    Raises:
        InputError: another share, or an actor of vectors of several parts.
    """
    if not 0 <= share <= 1:
        raise InputError(f"a share of the spread is in [0, 1], not {share}")
    if actor.config.parts != 1:
        raise InputError(f"spread is restored to actors of whole vectors, not one of {actor.config.parts} parts")
    generator = torch.Generator().manual_seed(seed)
    real, labels = encodings.sample(SAMPLES, generator)
    context = label_scale * encodings.sample_labels(SAMPLES, generator)
    generated = actor(torch.randn(SAMPLES, 1, encodings.dim, generator=generator), context[:, None])[:, 0]
    means, spread = _regress(context, generated)
    ratio = _regress(labels, real)[1] / spread.clamp(min=LEAST)
    wide = SpreadRestoration(actor)
    wide.slope.copy_(means[:-1])
    wide.middle.copy_(means[-1])
    wide.gain.copy_(1 + share * (ratio - 1))
    return wide.requires_grad_(False).eval()


def _regress(labels: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Means of vectors (n, dim), linear in labels (n, labels): (labels + 1, dim); how far they lie from it, (dim,)."""
    inputs = torch.cat([labels, torch.ones(len(labels), 1)], dim=1)
    # Labels of which exactly one is right add up to 1, and so does the last column.
    means = torch.linalg.lstsq(inputs, vectors, driver="gelsd").solution
    return means, (vectors - inputs @ means).square().mean(dim=0).sqrt()
