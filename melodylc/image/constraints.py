"""Train what else can constrain pictures, each on the encodings of a run's VAE and in a folder of the run, resumable.

RUN/realism/model.safetensors           a critic that tells encodings from the prior, and the actor that satisfies it
RUN/attributes/model.safetensors        a critic that reads labels off latent vectors
RUN/auxiliary-0.1/model.safetensors     actor and critic of AC-GAN's losses, for each weight of the distance penalty
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from melodylc.data.pictures.base import Pictures
from melodylc.image.store import LabelRows, load_vae, save_actor, save_attributes
from melodylc.image.train import about, encoded, origin, part_path, vae_path
from melodylc.latent.gan import AttributeCritic, AuxiliaryGAN, GANSettings, GANStep, label_loss
from melodylc.latent.realism import measure_realism, realism_gan
from melodylc.latent.samples import Encodings
from melodylc.models.noise import Noise
from melodylc.training.game import play
from melodylc.training.loop import Report, Rows, Trainer
from melodylc.training.run import commit, prepare
from melodylc.training.settings import TrainSettings
from melodylc.training.stages import Metrics

HIDDEN = {"hidden": 256, "layers": 2}  #: of the attribute critic
VALIDATION = 2048
SILENT = 0.3  #: share of the attribute critic's hidden units that is left out of each lesson


def train_realism(
    train: Pictures, settings: GANSettings, run: Path, seed: int = 0, report: Callable[[GANStep], None] = lambda _: None
) -> Path:
    """Play the game without labels on the encodings of RUN's VAE; raises as `train_actor` does."""
    model, path = load_vae(vae_path(run), train.dataset), part_path(run, "realism")
    prepare(path.parent)
    game = realism_gan(encoded(model, train), model.sigma_bar, settings, seed)
    identity = {**about(train), "vae": model.fingerprint, "settings": {**asdict(settings), "seed": seed}}
    play(game, path.parent, identity, report)
    found = measure_realism(game)
    nothing = LabelRows(torch.zeros(1, 0), torch.ones(1))
    save_actor(
        path, found.actor, found.critic, (), nothing, {**identity, **origin([]), "belief": asdict(found.figures)}
    )
    return path


def train_auxiliary(
    train: Pictures, settings: GANSettings, run: Path, seed: int = 0, report: Callable[[GANStep], None] = lambda _: None
) -> Path:
    """Play the game of AC-GAN's losses on the encodings of RUN's VAE; raises as `train_actor` does."""
    model, path = load_vae(vae_path(run), train.dataset), part_path(run, f"auxiliary-{settings.distance:g}")
    prepare(path.parent)
    encodings = encoded(model, train)
    game = AuxiliaryGAN(encodings, model.sigma_bar, settings, seed)
    identity = {**about(train), "vae": model.fingerprint, "settings": {**asdict(settings), "seed": seed}}
    play(game, path.parent, identity, report)
    rows = LabelRows.of(encodings.labels)
    save_actor(path, game.final_actor(), game.critic, train.names, rows, {**identity, **origin([])})
    return path


def train_attributes(
    train: Pictures,
    settings: TrainSettings,
    run: Path,
    report: Callable[[Report], None] = lambda _: None,
) -> Path:
    """Train a critic to read labels off the encodings of RUN's VAE; raises as `train_vae` does."""
    model, path = load_vae(vae_path(run), train.dataset), part_path(run, "attributes")
    prepare(path.parent)
    lessons = _Lessons(encoded(model, train), settings.seed)
    torch.manual_seed(settings.seed)
    shape = {"dim": model.vae.config.z, "labels": len(train.names), **HIDDEN}
    critic = AttributeCritic(**shape)
    identity = {**about(train), "vae": model.fingerprint, "settings": settings.to_dict(), "shape": shape}
    stage, held = _ReadingStage(critic, lessons), lessons.held
    trainer = Trainer(critic, lambda _: stage, settings, lessons, held, path.parent, identity, commit(), report)
    spent = trainer.run().spent
    save_attributes(path, critic, shape, train.names, {**identity, **origin(spent)})
    return path


class _Lessons:
    """Encodings by number, the last of them held out."""

    def __init__(self, encodings: Encodings, seed: int) -> None:
        self.encodings, self.seed = encodings, seed
        self.count = len(encodings) - min(VALIDATION, len(encodings) // 5)

    @property
    def held(self) -> Rows:
        return np.arange(self.count, len(self.encodings))

    def draw(self, stage: int, step: int, count: int) -> Rows:
        return np.random.default_rng((self.seed, stage, step)).integers(0, self.count, count)


class _ReadingStage:
    """Cross-entropy of an attribute critic on draws of q(z|x)."""

    def __init__(self, critic: AttributeCritic, lessons: _Lessons) -> None:
        self.critic, self.encodings = critic, lessons.encodings

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.critic.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        mean, sigma = self.encodings.mean[events], self.encodings.sigma[events]
        labels = self.encodings.labels[events]
        logits = self._read(mean + sigma * noise.normal(*mean.shape), noise).float()
        right = ((logits > 0).float() == labels).float().mean()
        return label_loss(logits, labels).mean(), {"accuracy": right.item()}

    def _read(self, z: Tensor, noise: Noise) -> Tensor:
        """The critic's logits; while it learns some of its hidden units are silent, or it learns faces by heart."""
        for layer in self.critic.network:
            z = layer(z)
            if self.critic.training and isinstance(layer, nn.ReLU):
                z = z * (noise.uniform(*z.shape) >= SILENT) / (1 - SILENT)
        return z
