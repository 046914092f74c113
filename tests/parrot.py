"""Models whose answers are known: one that gives back what it heard, to build others on."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from melodylc.data.alphabet import HOLD, REST, STATES, STEPS
from melodylc.models.config import named_config
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding
from melodylc.models.refinement import Refinement
from melodylc.models.vae import MelodyVAE

Events = npt.NDArray[np.uint8]
CERTAINTY = 20.0  #: logit of what it is sure of, beside 0


class Parrot(MelodyVAE):
    """Its latent is the melody itself: (x - 64) / 64, so that decoding gives back what was encoded."""

    def __init__(self, sigma: float = 1e-4) -> None:
        super().__init__(named_config("tiny"))
        self.sigma = sigma

    def encode(self, events: Tensor, noise: Noise | None = None, refine: Refinement | None = None) -> Encoding:
        mean = (events.float() - 64) / 64
        sigma = torch.full_like(mean, self.sigma)
        return Encoding(mean if noise is None else mean + sigma * noise.normal(*mean.shape), mean, sigma)

    def teacher_forced_logits(
        self, events: Tensor, noise: Noise | None, refine: Refinement | None = None
    ) -> tuple[Encoding, Tensor]:
        encoding = self.encode(events, noise)
        return encoding, self.logits(encoding.z, events)

    def raw_events(self, z: Tensor) -> Tensor:
        return (z * 64 + 64).round().clamp(0, STATES - 1).long()

    def logits(self, z: Tensor, events: Tensor) -> Tensor:
        return CERTAINTY * one_hot(Parrot.raw_events(self, z), STATES).float()


def melodies(count: int) -> Events:
    """Four notes a bar, each held for two steps and rested for two, ascending with the row's number."""
    events = np.tile(np.array([60, HOLD, REST, REST], np.uint8), (count, STEPS // 4))
    events[:, ::4] += np.arange(count, dtype=np.uint8)[:, None] % 12
    return events
