"""A VAE of pictures with a fixed output deviation s, or a classical autoencoder.

    q(z|x) = N(mean(x), diag(sigma(x)^2))        p(x|z) = N(decoder(z), s^2)
    -ELBO  = |x - decoder(z)|^2 / (2 s^2) + KL(q || N(0, I)) + constants

Where a configuration says so, the last dimensions of z are principal components of what the decoder leaves of a
picture (`melodylc.image.principal`): they are found once the others are trained, and are added to what it makes.
And where it says so, what both make is given back the variance that pictures have (`melodylc.image.restored`).

A classical autoencoder has neither noise nor KL. Its codes have no scale of their own, so they are standardised
afterwards by their mean and deviation over the training set: N(0, I) means something for it too.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from melodylc.image.bodies import decoder_body, encoder_body
from melodylc.image.config import PictureConfig
from melodylc.image.principal import Principal
from melodylc.image.restored import Restored
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
        self.body, features = encoder_body(config)
        self.posterior = Posterior(features, config.learnt, FIRST_SIGMA)
        self.decoder = decoder_body(config)
        self.rest = Principal(config.shape, config.rest) if config.rest else None
        self.restored = Restored(config.shape, config.restored) if config.restored else None
        self.register_buffer("shift", torch.zeros(config.learnt))
        self.register_buffer("scale", torch.ones(config.learnt))

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
        """Pictures (n, channels, side, side) in [0, 1] for z (n, z): the means of p(x|z), restored where they are."""
        made = self.blurred(z)
        return made if self.restored is None else self.restored(made)

    def blurred(self, z: Tensor) -> Tensor:
        """The means of p(x|z), (n, channels, side, side) in [0, 1], for z (n, z)."""
        learnt, rest = z[:, : self.config.learnt], z[:, self.config.learnt :]
        pictures: Tensor = self.decoder(learnt * self.scale + self.shift).float()
        return pictures if self.rest is None else (pictures + self.rest(rest)).clamp(0, 1)

    def left(self, pictures: Tensor) -> Tensor:
        """What the learnt dimensions leave of pictures (n, channels, side, side), of the same shape."""
        return self._left(pictures, self.posterior(self.body(pictures), None).mean)

    def _left(self, pictures: Tensor, mean: Tensor) -> Tensor:
        left: Tensor = pictures - self.decoder(mean).float()
        return left

    def _encoded(self, pictures: Tensor, noise: Tensor | None) -> Encoding:
        learnt: Encoding = self.posterior(self.body(pictures), None)
        mean, sigma = learnt.mean, learnt.sigma
        if self.rest is not None:
            found = self.rest.encode(self._left(pictures, mean))
            mean, sigma = (torch.cat(parts, dim=1) for parts in zip((mean, sigma), found, strict=True))
        return Encoding(mean if noise is None else mean + sigma * noise.to(mean), mean, sigma)

    @torch.no_grad()
    def standardise(self, means: Tensor) -> None:
        """Make codes with these means (n, z), encoded before, have mean 0 and deviation 1 in every dimension."""
        spread = means.std(dim=0).clamp(min=1e-3)
        self.shift.copy_(self.shift + self.scale * means.mean(dim=0))
        self.scale.copy_(self.scale * spread)
