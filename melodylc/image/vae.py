"""A VAE of pictures with a fixed output deviation s, or a classical autoencoder.

    q(z|x) = N(mean(x), diag(sigma(x)^2))        p(x|z) = N(decoder(z), s^2)
    -ELBO  = |x - decoder(z)|^2 / (2 s^2) + KL(q || N(0, I)) + constants

Where a configuration says so, the encoder is linear and isn't trained: `melodylc.image.principal`.

A classical autoencoder has neither noise nor KL. Its codes have no scale of their own, so they are standardised
afterwards by their mean and deviation over the training set: N(0, I) means something for it too.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from melodylc.image.bodies import Refiner, decoder_body, encoder_body
from melodylc.image.config import PictureConfig
from melodylc.image.principal import Principal
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, Posterior, normal_or_none

FIRST_SIGMA = 0.2  #: what posterior deviations start from


class PictureVAE(nn.Module):
    """Encoder and decoder; see the module.

    >>> from melodylc.image.config import named_config
    >>> vae = PictureVAE(named_config("mnist", "small")).eval()
    >>> vae.decode(torch.zeros(2, 64)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        self.config = config
        if config.body == "principal":
            self.principal = Principal(config.shape, config.z)
            self.decoder: nn.Module = Refiner(config.channels, config.widths)
        else:
            self.body, features = encoder_body(config)
            self.posterior = Posterior(features, config.z, FIRST_SIGMA)
            self.decoder = decoder_body(config)
        self.register_buffer("shift", torch.zeros(config.z))
        self.register_buffer("scale", torch.ones(config.z))

    shift: Tensor
    scale: Tensor

    def encode(self, pictures: Tensor, noise: Noise | None = None) -> Encoding:
        """q(z|x) of pictures (n, channels, side, side) in [0, 1]; z is its mean where there is no noise.

        A classical autoencoder's sigma is 0.
        """
        if self.config.autoencoder:
            noise = None
        drawn = normal_or_none(noise, len(pictures), self.config.z)
        encoding = self._encoded(pictures, drawn)
        if not self.config.autoencoder:
            return encoding
        code = (encoding.mean - self.shift) / self.scale
        return replace(encoding, z=code, mean=code, sigma=torch.zeros_like(code))

    def decode(self, z: Tensor) -> Tensor:
        """The means of p(x|z), (n, channels, side, side) in [0, 1], for z (n, z)."""
        z = z * self.scale + self.shift
        if self.config.body == "principal":
            z = self.principal(z)
        pictures: Tensor = self.decoder(z)
        return pictures.float() if self.training else pictures.float().clamp(0, 1)

    def _encoded(self, pictures: Tensor, noise: Tensor | None) -> Encoding:
        if self.config.body == "principal":
            mean, sigma = self.principal.encode(pictures)
            return Encoding(mean if noise is None else mean + sigma * noise, mean, sigma)
        encoding: Encoding = self.posterior(self.body(pictures), noise)
        return encoding

    @torch.no_grad()
    def standardise(self, means: Tensor) -> None:
        """Make codes with these means (n, z), encoded before, have mean 0 and deviation 1 in every dimension."""
        spread = means.std(dim=0).clamp(min=1e-3)
        self.shift.copy_(self.shift + self.scale * means.mean(dim=0))
        self.scale.copy_(self.scale * spread)
