"""What picture models minimise, for the training loop.

- pictures: -ELBO of a VAE with a fixed output deviation, or an autoencoder's squared error, perhaps with half of the
  pictures mirrored.
- labels: cross-entropy of a classifier, on pictures moved by a few pixels and perhaps mirrored.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from melodylc.image.classifier import PictureClassifier
from melodylc.image.table import Table
from melodylc.image.vae import PictureVAE
from melodylc.models.noise import Noise
from melodylc.training.settings import StageSettings
from melodylc.training.stages import ALONE, Metrics, charge
from melodylc.training.team import Team


class PictureStage:
    """A VAE's negative ELBO in nats a picture, without its constants, divided by the picture's numbers."""

    def __init__(
        self, vae: PictureVAE, table: Table, settings: StageSettings, team: Team = ALONE, flip: bool = False
    ) -> None:
        self.vae, self.table, self.settings, self.team, self.flip = vae, table, settings, team, flip

    def parameters(self) -> Iterator[nn.Parameter]:
        """All of the VAE's."""
        return self.vae.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Loss of pictures by number (n,)."""
        config, pictures = self.vae.config, self.table.pictures(events)
        if self.vae.training and self.flip:
            pictures = mirrored(pictures, noise.uniform(len(pictures), 1)[:, 0])
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

    def __init__(self, classifier: PictureClassifier, table: Table) -> None:
        self.classifier, self.table = classifier, table

    def parameters(self) -> Iterator[nn.Parameter]:
        """All of the classifier's."""
        return self.classifier.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        """Loss of pictures by number (n,)."""
        pictures, labels = self.table.pictures(events), self.table.answers(events)
        if self.classifier.training:
            pictures = jittered(pictures, noise, self.classifier.config.shift, self.classifier.config.flip)
        logits = self.classifier(pictures).float()
        if self.classifier.config.exclusive:
            right = (logits.argmax(1) == labels.argmax(1)).float().mean()
            return F.cross_entropy(logits, labels), {"accuracy": right.item()}
        right = ((logits > 0).float() == labels).float().mean()
        return F.binary_cross_entropy_with_logits(logits, labels), {"accuracy": right.item()}


def jittered(pictures: Tensor, noise: Noise, shift: int, flip: bool) -> Tensor:
    """Pictures (n, channels, side, side), all moved by the same few pixels, and half of them mirrored if `flip`."""
    chance = noise.uniform(len(pictures), 3).to(pictures.device)
    down, right = ((2 * shift + 1) * chance[0, :2]).long().tolist()
    side = pictures.shape[-1]
    moved = F.pad(pictures, (shift,) * 4)[..., down : down + side, right : right + side]
    return mirrored(moved, chance[:, 2]) if flip else moved


def mirrored(pictures: Tensor, chance: Tensor) -> Tensor:
    """Pictures (n, channels, side, side), mirrored where numbers (n,) in [0, 1) are below a half."""
    return torch.where((chance < 0.5).to(pictures.device).view(-1, 1, 1, 1), pictures.flip(-1), pictures)
