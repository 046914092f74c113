"""The melody VAE: q(z|x), p(x|z), and the one exit through which decoded melodies leave.

ELBO(x) = E_{z ~ q(z|x)} log p(x|z) - KL(q(z|x) || N(0, I))
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.distributions import Normal

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR, canonical
from melodylc.models.bars import BarDecoder
from melodylc.models.config import ModelConfig
from melodylc.models.song import BarsEncoder, Conductor, FlatEncoder

Events = npt.NDArray[np.uint8]


class MelodyVAE(nn.Module):
    """A hierarchical LSTM VAE on 16-bar melodies (Roberts et al. 2018; Engel et al. 2018).

    >>> from melodylc.models.config import named_config
    >>> model = MelodyVAE(named_config("tiny"))
    >>> model.decode(torch.zeros(3, 16)).shape
    (3, 256)
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = FlatEncoder(config) if config.encoder == "flat" else BarsEncoder(config)
        self.conductor = Conductor(config)
        self.decoder = BarDecoder(config.event, config.decoder_hidden, config.embedding, slices=config.bar_mix > 0)

    def encode(self, events: Tensor) -> Normal:
        """q(z|x): a Normal of shape (n, z) for events (n, 256), int64."""
        posterior: Normal = self.encoder(events)
        return posterior

    def logits(self, z: Tensor, events: Tensor) -> Tensor:
        """log p(x_t | x_<t, z) up to a constant: (n, 256, 130), for latents (n, z) and events (n, 256)."""
        embeddings = self.conductor(z).flatten(0, 1)
        logits: Tensor = self.decoder(embeddings, events.reshape(-1, STEPS_PER_BAR))
        return logits.reshape(len(z), STEPS, -1)

    def raw_events(self, z: Tensor) -> Tensor:
        """What the bar decoder writes, (n, 256) int64, before it is made canonical."""
        with torch.no_grad():
            bars = self.decoder.greedy(self.conductor(z).flatten(0, 1))
        return bars.reshape(len(z), BARS * STEPS_PER_BAR)

    def decode(self, z: Tensor) -> Events:
        """Canonical melodies (n, 256), uint8: the most probable events, each given those before it.

        Bars are written independently, so a bar may hold a note that the bar before has ended; such
        steps become rests here and nowhere else.
        """
        return canonical(self.raw_events(z).to(torch.uint8).cpu().numpy())[0]


def kl_to_prior(posterior: Normal) -> Tensor:
    """KL(q || N(0, I)) in nats per dimension, (n, z): (mean^2 + sigma^2 - 1) / 2 - log sigma.

    >>> kl_to_prior(Normal(torch.tensor([1.0]), torch.tensor([1.0])))
    tensor([0.5000])
    """
    mean, sigma = posterior.mean, posterior.stddev
    return (mean.square() + sigma.square() - 1) / 2 - sigma.log()
