"""Melodies as a black box: latents to melodies to what a rule says of them."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.constraints import common_requests as common
from melodylc.constraints.features import exact, expected
from melodylc.data.alphabet import STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.latent.actor import LatentLayout, Move
from melodylc.latent.objective import PartScores
from melodylc.latent.precision import autocast
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule


@dataclass(frozen=True)
class _Melodies:
    """A model's decoder. What was decoded are raw events (n, 256), uint8, and critics see these events.

    Arithmetic is bfloat16 where the processor has it, which changes one event in a thousand and halves the time.
    """

    vae: MelodyVAE

    @property
    def layout(self) -> LatentLayout:
        """The model's parts of z."""
        return LatentLayout(*self.vae.chain)

    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Latents (n, z) as they were moved, and raw events (n, 256), uint8."""
        with torch.no_grad(), autocast():
            moved, events = self.vae.decode_moved(z, move)
        return moved.float(), events.to(torch.uint8)

    @torch.no_grad()
    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """What precedes each part of latents (n, z), and the bar that it would be: (n, parts of z, context)."""
        with autocast():
            return self.vae.contexts(decoded.long(), z)

    def move_at_once(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Latents (n, z) with every bar's part moved."""
        with autocast():
            return self.vae.move_parts(z, context, move)

    def features(self, decoded: Tensor) -> Tensor:
        """The features of every bar's sixteen events, (n, 16, 16 * 41)."""
        return exact(decoded.long())

    def expected_features(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """The same of the events that latents lead to, each feature as probable as the decoder has it."""
        with autocast():
            embeddings = self.vae.embed(z, context)
            logits = self.vae.decoder(embeddings.flatten(0, 1), decoded.long().view(-1, STEPS_PER_BAR))
        return expected(torch.softmax(logits.float().view(len(z), STEPS, STATES), -1))


@dataclass(frozen=True)
class MelodyBox(_Melodies):
    """Melodies, and one rule for all of them."""

    rule: Rule

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing, (n, 0): all of the rule is asked of all."""
        return torch.zeros(count, 0)

    def score(self, decoded: Tensor) -> PartScores:
        """What the rule, with its weights, says of canonical melodies: (n, parts)."""
        return self.rule.graded(canonical(decoded.numpy())[0])


@dataclass(frozen=True)
class CommonBox(_Melodies):
    """Melodies, and a common request in C for each."""

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Labels (n, 7)."""
        return common.draw(count, generator)

    def score(self, decoded: Tensor) -> PartScores:
        """What all that may be asked in C says of canonical melodies: (n, 7)."""
        melodies = canonical(decoded.numpy())[0]
        return np.stack([part.batch(melodies) for part in common.PARTS], axis=1)
