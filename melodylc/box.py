"""Melodies as a black box: latents to melodies to what a rule says of them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.latent.actor import Chain
from melodylc.latent.box import Move, Scores
from melodylc.latent.precision import brief
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule

TOGETHER = 256  #: melodies decoded at a time


@dataclass(frozen=True)
class MelodyBox:
    """A model's decoder and a rule. What was decoded are raw events (n, 256), uint8; critics see bar embeddings.

    Arithmetic is bfloat16 where the processor has it, which changes one event in a thousand and halves the time.
    """

    vae: MelodyVAE
    rule: Rule

    @property
    def chain(self) -> Chain:
        """The model's parts of z."""
        return Chain(*self.vae.chain)

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Latents (n, z) as they were moved, and raw events (n, 256), uint8."""
        with torch.no_grad(), brief():
            written = [self.vae.write(part, move) for part in torch.split(z, TOGETHER)]
        moved, events = (torch.cat(parts) for parts in zip(*written, strict=True))
        return moved.float(), events.to(torch.uint8)

    def score(self, decoded: Tensor) -> Scores:
        """What the rule, with its weights, says of canonical melodies: (n, parts)."""
        return self.rule.graded(canonical(decoded.numpy())[0])

    @torch.no_grad()
    def context(self, decoded: Tensor) -> Tensor:
        """What precedes each part: (n, parts of z, context)."""
        with brief():
            return self.vae.contexts(decoded.long())

    def view(self, z: Tensor, context: Tensor) -> Tensor:
        """Sixteen bar embeddings (n, 16, embedding): nothing of z reaches a bar but through them."""
        with brief():
            return self.vae.after(z, context).float()
