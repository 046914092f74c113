"""Pictures' models: a VAE with a fixed output deviation s (or a classical autoencoder), and a classifier that judges.

    q(z|x) = N(mean(x), diag(sigma(x)^2))        p(x|z) = N(decoder(z), s^2)
    -ELBO  = |x - decoder(z)|^2 / (2 s^2) + KL(q || N(0, I)) + constants

Where a configuration says so, the last dimensions of z are principal components of what the decoder leaves of a
picture: they are found once the others are trained, and are added to its output. And where it says so, the output is
given the variance that pictures have. Both: `melodylc.image.components`.

A classical autoencoder has neither noise nor KL. Its codes have no scale of their own, so they are standardised
afterwards by their mean and deviation over the training set: N(0, I) means something for it too.

The classifier is trained apart from everything that generates.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from melodylc.data.errors import InputError
from melodylc.image.components import PrincipalVAE, VarianceMatching
from melodylc.image.datasets import ClassifierConfig, PictureConfig
from melodylc.models.noise import Noise
from melodylc.models.posterior import Encoding, Posterior, normal_or_none

SLOPE = 0.2  #: of the leaky ReLU beside a normalisation


class ChannelsLast(nn.Module):
    """The same numbers (n, channels, height, width) in the order that convolutions on a CPU are fastest with."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Values stay as they are."""
        return pictures.contiguous(memory_format=torch.channels_last)


def encoder_backbone(config: PictureConfig) -> tuple[nn.Module, int]:
    """From pictures (n, channels, side, side) to features (n, f), and f."""
    if config.body == "linear":
        return nn.Sequential(nn.Flatten(), *linear_layers((config.values, *config.widths), config.norm)), config.widths[
            -1
        ]
    convolutions = strided_convolutions((config.channels, *config.widths), config.kernels, config.norm)
    body = nn.Sequential(ChannelsLast(), *convolutions, nn.Flatten())
    return body, config.widths[-1] * (config.side // 2 ** len(config.widths)) ** 2


def decoder_backbone(config: PictureConfig) -> nn.Module:
    """From z (n, z) to pictures (n, channels, side, side) in [0, 1]."""
    if config.body == "linear":
        widths = (config.decoder_z, *reversed(config.widths))
        last = nn.Linear(widths[-1], config.values)
        return nn.Sequential(*linear_layers(widths, config.norm), last, nn.Unflatten(1, config.shape), nn.Sigmoid())
    return nn.Sequential(*_growing_convolutions(config), nn.Sigmoid())


def linear_layers(widths: Sequence[int], norm: bool) -> Iterator[nn.Module]:
    """Linear layers of these widths, each followed by what `norm` says."""
    for width, following in pairwise(widths):
        yield nn.Linear(width, following)
        yield from [nn.BatchNorm1d(following), nn.LeakyReLU(SLOPE)] if norm else [nn.ReLU()]


def strided_convolutions(widths: Sequence[int], kernels: Sequence[int], norm: bool) -> Iterator[nn.Module]:
    """Convolutions of these widths that halve the side each."""
    for (width, following), kernel in zip(pairwise(widths), kernels, strict=True):
        yield nn.Conv2d(width, following, kernel, stride=2, padding=kernel // 2)
        yield from _normalisation(following, norm)


def _growing_convolutions(config: PictureConfig) -> Iterator[nn.Module]:
    ups = len(config.widths) - config.norm
    side, widths = config.side // 2 ** len(config.widths) * (1 + _ends_plainly(config)), [*reversed(config.widths)]
    widths = widths if config.norm else [*widths, config.channels]
    yield nn.Linear(config.decoder_z, widths[0] * side**2)
    yield nn.Unflatten(1, (widths[0], side, side))
    yield ChannelsLast()
    yield from _normalisation(widths[0], config.norm)
    for at, ((width, following), kernel) in enumerate(zip(pairwise(widths), reversed(config.kernels), strict=False)):
        yield nn.ConvTranspose2d(width, following, kernel, stride=2, padding=kernel // 2, output_padding=1)
        yield from _normalisation(following, config.norm) if config.norm or at + 1 < ups else ()
    if _ends_plainly(config):
        yield nn.Conv2d(widths[-1], config.channels, 3, padding=1)
    elif config.norm:
        yield nn.Conv2d(widths[-1], 4 * config.channels, 3, padding=1)
        yield nn.PixelShuffle(2)


def _ends_plainly(config: PictureConfig) -> bool:
    """Whether the last step is a plain convolution, as in the CIFAR-10 replication; else it makes four pixels each."""
    return config.norm and config.side == 2 ** len(config.widths)


def _normalisation(width: int, norm: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)] if norm else [nn.ReLU()]


FIRST_SIGMA = 0.2  #: what posterior deviations start from


class PictureVAE(nn.Module):
    """Encoder and decoder; see the module.

    >>> from melodylc.image.datasets import picture_config
    >>> vae = PictureVAE(picture_config("mnist", "small")).eval()
    >>> vae.decode(torch.zeros(2, 64)).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(self, config: PictureConfig) -> None:
        super().__init__()
        self.config = config
        self.body, features = encoder_backbone(config)
        self.posterior = Posterior(features, config.decoder_z, FIRST_SIGMA)
        self.decoder = decoder_backbone(config)
        self.residual = PrincipalVAE(config.shape, config.residual_components) if config.residual_components else None
        self.matching = VarianceMatching(config.shape, config.matched_components) if config.matched_components else None
        self.register_buffer("shift", torch.zeros(config.decoder_z))
        self.register_buffer("scale", torch.ones(config.decoder_z))
        self.register_load_state_dict_pre_hook(_rename_components)  # type: ignore[no-untyped-call]

    shift: Tensor
    scale: Tensor

    def encode(self, pictures: Tensor, noise: Noise | None = None) -> Encoding:
        """q(z|x) of pictures (n, channels, side, side) in [0, 1]; z is its mean where there is no noise.

        A classical autoencoder's sigma is 0.
        """
        if self.config.autoencoder:
            noise = None
        numbers = normal_or_none(noise, len(pictures), self.config.z)
        encoding = self._encode(pictures, numbers)
        if not self.config.autoencoder:
            return encoding
        code = (encoding.mean - self.shift) / self.scale
        return replace(encoding, z=code, mean=code, sigma=torch.zeros_like(code))

    def decode(self, z: Tensor) -> Tensor:
        """Pictures (n, channels, side, side) in [0, 1] for z (n, z): means of p(x|z), perhaps with matched variance."""
        means = self.decode_means(z)
        return means if self.matching is None else self.matching(means)

    def decode_means(self, z: Tensor) -> Tensor:
        """The means of p(x|z), (n, channels, side, side) in [0, 1], for z (n, z)."""
        trained, residual = z[:, : self.config.decoder_z], z[:, self.config.decoder_z :]
        pictures: Tensor = self.decoder(trained * self.scale + self.shift).float()
        return pictures if self.residual is None else (pictures + self.residual(residual)).clamp(0, 1)

    def residual_of(self, pictures: Tensor) -> Tensor:
        """What the decoder leaves of pictures (n, channels, side, side), of the same shape."""
        return self._residual_of(pictures, self.posterior(self.body(pictures), None).mean)

    def _residual_of(self, pictures: Tensor, mean: Tensor) -> Tensor:
        residual: Tensor = pictures - self.decoder(mean).float()
        return residual

    def _encode(self, pictures: Tensor, noise: Tensor | None) -> Encoding:
        trained: Encoding = self.posterior(self.body(pictures), None)
        mean, sigma = trained.mean, trained.sigma
        if self.residual is not None:
            others = self.residual.encode(self._residual_of(pictures, mean))
            mean, sigma = (torch.cat(parts, dim=1) for parts in zip((mean, sigma), others, strict=True))
        return Encoding(mean if noise is None else mean + sigma * noise.to(mean), mean, sigma)

    @torch.no_grad()
    def standardise(self, means: Tensor) -> None:
        """Make codes with these means (n, z), encoded before, have mean 0 and deviation 1 in every dimension."""
        spread = means.std(dim=0).clamp(min=1e-3)
        self.shift.copy_(self.shift + self.scale * means.mean(dim=0))
        self.scale.copy_(self.scale * spread)


_FORMER = {"rest.": "residual.", "restored.": "matching."}
_FORMER_BUFFERS = {"reading": "encode_scale", "writing": "decode_scale", "made": "output_mean"}


def _rename_components(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: object) -> None:
    # Files of before have them under other names.
    for name in list(state):
        for old, new in _FORMER.items():
            if name.startswith(f"{prefix}{old}"):
                buffer = name.removeprefix(f"{prefix}{old}")
                state[f"{prefix}{new}{_FORMER_BUFFERS.get(buffer, buffer)}"] = state.pop(name)


class PictureClassifier(nn.Module):
    """Convolutions, a layer of features, and a logit for each label.

    >>> from melodylc.image.datasets import picture_dataset
    >>> PictureClassifier(picture_dataset("mnist").classifier)(torch.zeros(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    """

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        widths, steps = (config.channels, *config.widths), len(config.widths)
        if config.side % 2**steps:
            raise InputError(f"{steps} convolutions halve a side of {config.side}")
        size = config.widths[-1] * (config.side // 2**steps) ** 2
        self.body = nn.Sequential(*strided_convolutions(widths, (config.kernel,) * steps, config.norm), nn.Flatten())
        self.hidden = nn.Sequential(nn.Linear(size, config.hidden), nn.ReLU())
        self.head = nn.Linear(config.hidden, len(config.names))

    def features(self, pictures: Tensor) -> Tensor:
        """(n, hidden) of pictures (n, channels, side, side) in [0, 1]."""
        features: Tensor = self.hidden(self.body(pictures.contiguous(memory_format=torch.channels_last)))
        return features

    def forward(self, pictures: Tensor) -> Tensor:
        """Logits (n, labels) of pictures (n, channels, side, side) in [0, 1]."""
        logits: Tensor = self.head(self.features(pictures))
        return logits

    @torch.no_grad()
    def labels(self, pictures: Tensor) -> Tensor:
        """What it says: 0 or 1, (n, labels); exactly one 1 in a row where labels exclude each other."""
        logits = torch.cat([self(part).float() for part in torch.split(pictures, 256)])
        if self.config.exclusive:
            return nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).float()
        return (logits > 0).float()
