"""What stands between pictures and features: linear layers or convolutions, and their mirror images."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from melodylc.image.config import PictureConfig

SLOPE = 0.2  #: of the leaky ReLU beside a normalisation


class ChannelsLast(nn.Module):
    """The same numbers (n, channels, height, width) in the order that convolutions on a CPU are fastest with."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Values stay as they are."""
        return pictures.contiguous(memory_format=torch.channels_last)


def encoder_body(config: PictureConfig) -> tuple[nn.Module, int]:
    """From pictures (n, channels, side, side) to features (n, f), and f."""
    if config.body == "linear":
        return nn.Sequential(nn.Flatten(), *linear((config.values, *config.widths), config.norm)), config.widths[-1]
    convolutions = strided((config.channels, *config.widths), config.kernels, config.norm)
    body = nn.Sequential(ChannelsLast(), *convolutions, nn.Flatten())
    return body, config.widths[-1] * (config.side // 2 ** len(config.widths)) ** 2


def decoder_body(config: PictureConfig) -> nn.Module:
    """From z (n, z) to pictures (n, channels, side, side) in [0, 1]."""
    if config.body == "linear":
        widths = (config.learnt, *reversed(config.widths))
        last = nn.Linear(widths[-1], config.values)
        return nn.Sequential(*linear(widths, config.norm), last, nn.Unflatten(1, config.shape), nn.Sigmoid())
    return nn.Sequential(*_grown(config), nn.Sigmoid())


def linear(widths: Sequence[int], norm: bool) -> Iterator[nn.Module]:
    """Linear layers of these widths, each followed by what `norm` says."""
    for width, following in pairwise(widths):
        yield nn.Linear(width, following)
        yield from [nn.BatchNorm1d(following), nn.LeakyReLU(SLOPE)] if norm else [nn.ReLU()]


def strided(widths: Sequence[int], kernels: Sequence[int], norm: bool) -> Iterator[nn.Module]:
    """Convolutions of these widths that halve the side each."""
    for (width, following), kernel in zip(pairwise(widths), kernels, strict=True):
        yield nn.Conv2d(width, following, kernel, stride=2, padding=kernel // 2)
        yield from _after(following, norm)


def _grown(config: PictureConfig) -> Iterator[nn.Module]:
    ups = len(config.widths) - config.norm
    side, widths = config.side // 2 ** len(config.widths) * (1 + _plain(config)), [*reversed(config.widths)]
    widths = widths if config.norm else [*widths, config.channels]
    yield nn.Linear(config.learnt, widths[0] * side**2)
    yield nn.Unflatten(1, (widths[0], side, side))
    yield ChannelsLast()
    yield from _after(widths[0], config.norm)
    for at, ((width, following), kernel) in enumerate(zip(pairwise(widths), reversed(config.kernels), strict=False)):
        yield nn.ConvTranspose2d(width, following, kernel, stride=2, padding=kernel // 2, output_padding=1)
        yield from _after(following, config.norm) if config.norm or at + 1 < ups else ()
    if _plain(config):
        yield nn.Conv2d(widths[-1], config.channels, 3, padding=1)
    elif config.norm:
        yield nn.Conv2d(widths[-1], 4 * config.channels, 3, padding=1)
        yield nn.PixelShuffle(2)


def _plain(config: PictureConfig) -> bool:
    """Whether the last step is a plain convolution, as in the CIFAR-10 replication; else it makes four pixels each."""
    return config.norm and config.side == 2 ** len(config.widths)


def _after(width: int, norm: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.LeakyReLU(SLOPE)] if norm else [nn.ReLU()]
