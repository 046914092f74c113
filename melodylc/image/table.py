"""Pictures in memory, handed to the training loop by row: batches are numbers of pictures, stages look them up.

The losses of the training loop's stages:

- pictures: -ELBO of a VAE with a fixed output deviation, or an autoencoder's squared error, perhaps with half of the
  pictures mirrored.
- labels: cross-entropy of a classifier, on pictures moved by a few pixels and perhaps mirrored.
"""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import interpolate

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.models import PictureClassifier, PictureVAE
from melodylc.models.noise import Noise
from melodylc.training.loop import BatchRows
from melodylc.training.settings import StageSettings
from melodylc.training.stages import ALONE, Metrics, charge
from melodylc.training.team import Team

CHUNK = 512  #: pictures that are looked up together where all are
VALIDATION = 1024  #: pictures that a checkpoint is judged on


class PictureTable:
    """Training pictures, then validation pictures, as bytes; batches are a pure function of seed, stage and step.

    Args:
        train: what batches are drawn from.
        valid: what checkpoints are compared on.
        side: pictures are handed out as side x side.
        seed: of the batches.
    """

    def __init__(self, train: Pictures, valid: Pictures, side: int, seed: int = 0) -> None:
        if train.names != valid.names or train.shape != valid.shape:
            raise InputError(f"training pictures {train.shape} and validation pictures {valid.shape} don't match")
        self.count, self.side, self.seed = len(train), side, seed
        self.pixels = torch.cat([torch.from_numpy(np.array(part.pixels)) for part in (train, valid)])
        self.labels = torch.cat([torch.from_numpy(np.array(part.labels)) for part in (train, valid)]).float()

    def draw(self, stage: int, step: int, count: int) -> BatchRows:
        """Numbers (count,) of training pictures, for one step of one stage."""
        return np.random.default_rng((self.seed, stage, step)).integers(0, self.count, count)

    @property
    def training(self) -> BatchRows:
        """Numbers of all training pictures."""
        return np.arange(self.count)

    @property
    def validation(self) -> BatchRows:
        """Numbers of up to `VALIDATION` validation pictures."""
        return np.arange(self.count, min(len(self.pixels), self.count + VALIDATION))

    def pictures(self, rows: Tensor) -> Tensor:
        """(n, channels, side, side) in [0, 1] of numbers (n,)."""
        return as_inputs(self.pixels[rows.cpu()], self.side).to(rows.device)

    def batches(self, most: int | None = None) -> Iterator[Tensor]:
        """All training pictures, or the first of them, (n, channels, side, side) at a time."""
        return (self.pictures(rows) for rows in torch.split(torch.from_numpy(self.training[:most]), CHUNK))

    def answers(self, rows: Tensor) -> Tensor:
        """Labels (n, labels), 0 or 1, of numbers (n,)."""
        return self.labels[rows.cpu()].to(rows.device)


def as_inputs(pixels: Tensor, side: int) -> Tensor:
    """Bytes (n, channels, height, width) as numbers in [0, 1], resized to side x side where they aren't that.

    >>> as_inputs(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8), 64).amin().item()
    1.0
    """
    pictures = pixels.float() / 255
    if pictures.shape[-2:] == (side, side):
        return pictures
    return interpolate(pictures, size=(side, side), mode="bilinear", antialias=True).clamp(0, 1)


class PictureStage:
    """A VAE's negative ELBO in nats a picture, without its constants, divided by the picture's numbers."""

    def __init__(
        self, vae: PictureVAE, table: PictureTable, settings: StageSettings, team: Team = ALONE, flip: bool = False
    ) -> None:
        self.vae, self.table, self.settings, self.team, self.flip = vae, table, settings, team, flip

    def parameters(self) -> Iterator[nn.Parameter]:
        """All of the VAE's."""
        return self.vae.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Loss of pictures by number (n,)."""
        config, pictures = self.vae.config, self.table.pictures(events)
        if self.vae.training and self.flip:
            pictures = mirror(pictures, noise.uniform(len(pictures), 1)[:, 0])
        encoding = self.vae.encode(pictures, noise)
        squared = (self.vae.decode(encoding.z) - pictures).square().flatten(1).sum(1).mean()
        nll = squared / (2 * config.deviation**2)
        metrics = {"mse": squared.item() / config.values}
        if config.autoencoder:
            return nll / config.values, metrics
        kl = encoding.kl.sum(1).mean()
        cost = charge(kl, self.settings, progress, self.team)
        return (nll + cost) / config.values, {**metrics, "nll": nll.item(), "kl": kl.item()}


class LabelStage:
    """A classifier's cross-entropy."""

    def __init__(self, classifier: PictureClassifier, table: PictureTable) -> None:
        self.classifier, self.table = classifier, table

    def parameters(self) -> Iterator[nn.Parameter]:
        """All of the classifier's."""
        return self.classifier.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Loss of pictures by number (n,)."""
        pictures, labels = self.table.pictures(events), self.table.answers(events)
        if self.classifier.training:
            pictures = jitter(pictures, noise, self.classifier.config.shift, self.classifier.config.flip)
        logits = self.classifier(pictures).float()
        if self.classifier.config.exclusive:
            right = (logits.argmax(1) == labels.argmax(1)).float().mean()
            return F.cross_entropy(logits, labels), {"accuracy": right.item()}
        right = ((logits > 0).float() == labels).float().mean()
        return F.binary_cross_entropy_with_logits(logits, labels), {"accuracy": right.item()}


def jitter(pictures: Tensor, noise: Noise, shift: int, flip: bool) -> Tensor:
    """Pictures (n, channels, side, side), all moved by the same few pixels, and half of them mirrored if `flip`."""
    chance = noise.uniform(len(pictures), 3).to(pictures.device)
    down, right = ((2 * shift + 1) * chance[0, :2]).long().tolist()
    side = pictures.shape[-1]
    moved = F.pad(pictures, (shift,) * 4)[..., down : down + side, right : right + side]
    return mirror(moved, chance[:, 2]) if flip else moved


def mirror(pictures: Tensor, chance: Tensor) -> Tensor:
    """Pictures (n, channels, side, side), mirrored where numbers (n,) in [0, 1) are below a half."""
    return torch.where((chance < 0.5).to(pictures.device).view(-1, 1, 1, 1), pictures.flip(-1), pictures)
