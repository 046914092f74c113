"""Pictures as a black box: latent vectors to pictures to what a rule says of them.

Pictures are decoded at once, so a vector is a chain of one part before which nothing is known, and the actor is the
paper's. A critic sees a thumbnail of what becomes of a vector: `THUMB` x `THUMB` means over the picture, which are
differentiable where the rule is not.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from melodylc.data.errors import InputError
from melodylc.data.pictures.picture import as_rgb
from melodylc.image.chain import as_bytes
from melodylc.image.vae import PictureVAE
from melodylc.latent.actor import Chain
from melodylc.latent.box import Move, Scores
from melodylc.rewards import Rule
from melodylc.rewards.domains import PICTURES

TOGETHER = 256  #: pictures decoded at a time
THUMB = 14


@dataclass(frozen=True)
class PictureBox:
    """A VAE's decoder and a rule on pictures. What was decoded are bytes (n, channels, side, side).

    Raises:
        InputError: a rule on something else.
    """

    vae: PictureVAE
    rule: Rule

    def __post_init__(self) -> None:
        if self.rule.domain != PICTURES:
            raise InputError(f"{self.rule.names[0]} judges {self.rule.domain}, and what is made here are pictures")

    @property
    def chain(self) -> Chain:
        """One part, before which nothing is known."""
        return Chain(1, self.vae.config.z)

    def ask(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing, (n, 0): the rule says it all."""
        return torch.zeros(count, 0)

    @torch.no_grad()
    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Vectors (n, z) as they were moved, and their pictures, uint8."""
        moved = z if move is None else self.moved(z, self.context(z, z), move)
        return moved, torch.cat([as_bytes(self.vae.decode(part)) for part in torch.split(moved, TOGETHER)])

    def score(self, decoded: Tensor) -> Scores:
        """What the rule, with its weights, says of pictures: (n, parts)."""
        return self.rule.graded(as_rgb(decoded.numpy()))

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """Nothing, (n, 1, 0)."""
        return torch.zeros(len(decoded), 1, 0)

    def moved(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Vectors (n, z), moved."""
        return move(z.unsqueeze(1), context, 0).squeeze(1)

    def seen(self, decoded: Tensor) -> Tensor:
        """Thumbnails of pictures, (n, 1, channels * 14 * 14), from -1 to 1."""
        return thumbnail(decoded / 255)

    def view(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """Thumbnails of the pictures that vectors become."""
        return thumbnail(self.vae.decode(z))


def thumbnail(pictures: Tensor) -> Tensor:
    """Means over parts of pictures (n, channels, side, side) in [0, 1], as a critic sees them.

    >>> thumbnail(torch.ones(2, 1, 28, 28)).shape, float(thumbnail(torch.zeros(1, 1, 28, 28)).max())
    (torch.Size([2, 1, 196]), -1.0)
    """
    return 2 * adaptive_avg_pool2d(pictures, THUMB).flatten(1).unsqueeze(1) - 1
