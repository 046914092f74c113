"""Train the parts of a picture pipeline, each in a folder of the run, resumable.

RUN/vae/model.safetensors
RUN/classifier/model.safetensors        only judges: nothing that makes pictures has seen it
RUN/actor-0.1/model.safetensors         one for each weight of the distance penalty
RUN/realism/model.safetensors           a critic that tells encodings from the prior, and the actor that satisfies it
RUN/attributes/model.safetensors        a critic that reads labels off latent vectors
RUN/auxiliary-0.1/model.safetensors     actor and critic of AC-GAN's losses, for each weight of the distance penalty

Calibration: once a VAE is trained, it is given principal components of what it leaves of pictures, and its output the
variance that they have (`melodylc.image.components`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from melodylc import __version__
from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.components import PASSES, principal_components
from melodylc.image.datasets import DISTANCE, PICTURE_DATASETS, PictureConfig, dataset_of
from melodylc.image.models import PictureClassifier, PictureVAE
from melodylc.image.store import (
    LabelCombinations,
    LoadedVAE,
    load_vae,
    save_attributes,
    save_classifier,
    save_picture_actor,
    save_vae,
)
from melodylc.image.table import CHUNK, LabelStage, PictureStage, PictureTable
from melodylc.latent.gan import AttributeCritic, AuxiliaryGAN, GANSettings, GANStep, LatentGAN, label_loss
from melodylc.latent.realism import measure_realism, realism_gan
from melodylc.latent.samples import Encodings
from melodylc.models.noise import Noise
from melodylc.training.game import train_gan
from melodylc.training.loop import BatchRows, Report, Trainer
from melodylc.training.run import MODEL, commit, prepare
from melodylc.training.settings import StageSettings, TrainSettings
from melodylc.training.stages import ALONE, Metrics
from melodylc.training.team import CPU, Team


def vae_path(run: Path) -> Path:
    """Where a run keeps its VAE."""
    return run / "vae" / MODEL


def classifier_path(run: Path) -> Path:
    """Where a run keeps its classifier."""
    return run / "classifier" / MODEL


def actor_path(run: Path, distance: float = DISTANCE) -> Path:
    """Where a run keeps the actor that was trained with this weight of the distance penalty."""
    return run / f"actor-{distance:g}" / MODEL


def part_path(run: Path, part: str) -> Path:
    """Where a run keeps another part: "realism", "attributes", or "auxiliary-0.1"."""
    return run / part / MODEL


def train_picture_vae(
    train: Pictures,
    valid: Pictures,
    config: PictureConfig,
    settings: TrainSettings,
    run: Path,
    report: Callable[[Report], None] = lambda _: None,
    team: Team = ALONE,
) -> Path:
    """Train a VAE, or go on training it, in RUN/vae; its path.

    Raises InputError if the folder holds a run of other pictures, another configuration or other settings, and
    TrainingStopped if the loss stops being a number.
    """
    path = vae_path(run)
    trainer, vae, table = vae_trainer(train, valid, config, settings, path.parent, report, team)
    spent, identity = trainer.run().spent, trainer.identity
    if team.leads:
        vae = calibrate(vae.cpu().eval(), config, table, report)
        mean, sigma = encode_table(vae, table)
        if config.autoencoder:
            vae.standardise(mean)
        sigma_bar = torch.ones(config.z) if config.autoencoder else sigma.mean(dim=0)
        figures = reconstruction_figures(vae, table)
        save_vae(path, vae, sigma_bar, {**identity, **training_header(spent), "validation": figures})
    return path


def vae_trainer(
    train: Pictures,
    valid: Pictures,
    config: PictureConfig,
    settings: TrainSettings,
    folder: Path,
    report: Callable[[Report], None],
    team: Team,
) -> tuple[Trainer, PictureVAE, PictureTable]:
    """What trains a VAE in a folder, without what is added once it is trained; that VAE, and the pictures."""
    _check_pictures(train, config.dataset)
    table = PictureTable(train, valid, config.side, settings.seed)
    if team.leads:
        prepare(folder)
    torch.manual_seed(settings.seed)
    vae = PictureVAE(replace(config, z=config.decoder_z, residual_components=0, matched_components=0))
    flip = config.residual_components > 0 and mirrors(config.dataset)  # others were measured without
    identity = {**dataset_header(train), "configuration": config.to_dict(), "settings": settings.to_dict()}

    def stage(settings: StageSettings) -> PictureStage:
        return PictureStage(vae, table, settings, team, flip)

    trainer = Trainer(vae, stage, settings, table, table.validation, folder, identity, commit(), report, team)
    return trainer, vae, table


def train_classifier(
    train: Pictures,
    valid: Pictures,
    settings: TrainSettings,
    run: Path,
    report: Callable[[Report], None] = lambda _: None,
    team: Team = ALONE,
) -> Path:
    """Train a classifier, or go on training it, in RUN/classifier; its path. Raises as `train_picture_vae` does."""
    path = classifier_path(run)
    trainer, classifier = classifier_trainer(train, valid, settings, path.parent, report, team)
    spent, identity = trainer.run().spent, trainer.identity
    if team.leads:
        save_classifier(path, classifier.cpu(), {**identity, **training_header(spent)})
    return path


def classifier_trainer(
    train: Pictures,
    valid: Pictures,
    settings: TrainSettings,
    folder: Path,
    report: Callable[[Report], None],
    team: Team,
) -> tuple[Trainer, PictureClassifier]:
    """What trains a classifier in a folder, and that classifier."""
    config = dataset_of(train).classifier
    table = PictureTable(train, valid, config.side, settings.seed)
    if team.leads:
        prepare(folder)
    torch.manual_seed(settings.seed)
    classifier = PictureClassifier(config)
    identity = {**dataset_header(train), "configuration": config.to_dict(), "settings": settings.to_dict()}
    stage = LabelStage(classifier, table)
    trainer = Trainer(
        classifier, lambda _: stage, settings, table, table.validation, folder, identity, commit(), report, team
    )
    return trainer, classifier


def train_actor(
    train: Pictures,
    settings: GANSettings,
    run: Path,
    seed: int = 0,
    report: Callable[[GANStep], None] = lambda _: None,
    device: torch.device = CPU,
) -> Path:
    """Train a conditional actor and its critic on the encodings of RUN's VAE; the actor's path.

    Raises InputError if there is no VAE, it is of another data set, or the folder holds another training.
    """
    model = load_vae(vae_path(run), train.dataset)
    path = actor_path(run, settings.distance)
    prepare(path.parent)
    encodings = encode_pictures(model, train)
    identity = {**dataset_header(train), "vae": model.fingerprint, "settings": {**asdict(settings), "seed": seed}}
    gan = latent_game("actor", encodings, model.sigma_bar, settings, seed, device)
    train_gan(gan, path.parent, identity, report)
    gan.to_cpu()
    rows = LabelCombinations.of(encodings.labels)
    save_picture_actor(path, gan.final_actor(), gan.critic, train.names, rows, {**identity, **training_header([])})
    return path


def latent_game(
    part: str, encodings: Encodings, sigma_bar: Tensor, settings: GANSettings, seed: int, device: torch.device
) -> LatentGAN:
    """The training of a part that is an actor against a critic: "actor", "auxiliary" or "realism"."""
    make = {"actor": LatentGAN, "auxiliary": AuxiliaryGAN, "realism": realism_gan}[part]
    return make(encodings, sigma_bar, settings, seed, device)


def encode_pictures(model: LoadedVAE, pictures: Pictures) -> Encodings:
    """The encodings of pictures, with their labels; where a mirror leaves labels as they are, each with its image's.

    A picture and its mirror image are neighbours, so that what is held out from the end is of other pictures.
    """
    table = PictureTable(pictures, pictures.only(slice(0, 1)), model.vae.config.side)
    labels = table.labels[: len(pictures)]
    both = [encode_table(model.vae, table, mirrored) for mirrored in (False, True)[: 1 + mirrors(pictures.dataset)]]
    mean, sigma = (torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*both, strict=True))
    return Encodings(mean, sigma, labels.repeat_interleave(len(both), dim=0))


@torch.no_grad()
def encode_table(vae: PictureVAE, table: PictureTable, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """Means and deviations (n, z) of q(z|x) of all training pictures of a table, or of their mirror images."""
    encodings = [vae.encode(pictures.flip(-1) if mirrored else pictures) for pictures in table.batches()]
    return torch.cat([one.mean for one in encodings]), torch.cat([one.sigma for one in encodings])


@torch.no_grad()
def reconstruction_figures(vae: PictureVAE, table: PictureTable) -> dict[str, float]:
    """Mean squared error of validation pictures from their posterior's mean, and KL in nats a picture."""
    pictures = table.pictures(torch.from_numpy(table.validation))
    encoding = vae.encode(pictures)
    figures = {"mse": (vae.decode(encoding.z) - pictures).square().mean().item()}
    if not vae.config.autoencoder:
        figures["kl"] = encoding.kl.sum(1).mean().item()
    return {name: round(figure, 5) for name, figure in figures.items()}


def dataset_header(pictures: Pictures) -> dict[str, Any]:
    """What a header says of the pictures a model was trained on."""
    return {"dataset": pictures.dataset, "pictures": pictures.fingerprint, "parts": list(pictures.parts)}


def training_header(spent: list[float]) -> dict[str, Any]:
    """What a header says of how a model was made: commit, version, and the minutes of each stage from its seconds."""
    return {"commit": commit(), "version": __version__, "minutes": [round(seconds / 60, 1) for seconds in spent]}


def mirrors(data: str) -> bool:
    """Whether pictures of a data set have the same labels in a mirror; of somebody's own, who knows."""
    return data in PICTURE_DATASETS and PICTURE_DATASETS[data].classifier.flip


def _check_pictures(pictures: Pictures, wanted: str) -> None:
    if pictures.dataset != wanted:
        raise InputError(f"pictures of {pictures.dataset} for a model of {wanted}")


def actor_distances(run: Path, part: str = "actor") -> list[float]:
    """The weights of the distance penalty that a run has finished actors for, rising; `part` may be "auxiliary"."""
    found = [path.parent.name.removeprefix(f"{part}-") for path in run.glob(f"{part}-*/{MODEL}")]
    return sorted(float(name) for name in found if name.replace(".", "", 1).replace("e-", "", 1).isdigit())


HIDDEN = {"hidden": 256, "layers": 2}  #: of the attribute critic
HELDOUT_ENCODINGS = 2048
SILENT = 0.3  #: share of the attribute critic's hidden units that is left out of each step


def train_picture_realism(
    train: Pictures,
    settings: GANSettings,
    run: Path,
    seed: int = 0,
    report: Callable[[GANStep], None] = lambda _: None,
    device: torch.device = CPU,
) -> Path:
    """Train the realism actor and critic on the encodings of RUN's VAE; raises as `train_actor` does."""
    model, path = load_vae(vae_path(run), train.dataset), part_path(run, "realism")
    prepare(path.parent)
    gan = latent_game("realism", encode_pictures(model, train), model.sigma_bar, settings, seed, device)
    identity = {**dataset_header(train), "vae": model.fingerprint, "settings": {**asdict(settings), "seed": seed}}
    train_gan(gan, path.parent, identity, report)
    gan.to_cpu()
    result = measure_realism(gan)
    no_labels, figures = LabelCombinations(torch.zeros(1, 0), torch.ones(1)), {"belief": asdict(result.figures)}
    save_picture_actor(path, result.actor, result.critic, (), no_labels, {**identity, **training_header([]), **figures})
    return path


def train_auxiliary(
    train: Pictures,
    settings: GANSettings,
    run: Path,
    seed: int = 0,
    report: Callable[[GANStep], None] = lambda _: None,
    device: torch.device = CPU,
) -> Path:
    """Train an actor and a critic with AC-GAN's losses on the encodings of RUN's VAE; raises as `train_actor` does."""
    model, path = load_vae(vae_path(run), train.dataset), part_path(run, f"auxiliary-{settings.distance:g}")
    prepare(path.parent)
    encodings = encode_pictures(model, train)
    gan = latent_game("auxiliary", encodings, model.sigma_bar, settings, seed, device)
    identity = {**dataset_header(train), "vae": model.fingerprint, "settings": {**asdict(settings), "seed": seed}}
    train_gan(gan, path.parent, identity, report)
    gan.to_cpu()
    rows = LabelCombinations.of(encodings.labels)
    save_picture_actor(path, gan.final_actor(), gan.critic, train.names, rows, {**identity, **training_header([])})
    return path


def train_attributes(
    train: Pictures,
    settings: TrainSettings,
    run: Path,
    report: Callable[[Report], None] = lambda _: None,
    team: Team = ALONE,
) -> Path:
    """Train a critic to read labels off the encodings of RUN's VAE; raises as `train_picture_vae` does."""
    model, path = load_vae(vae_path(run), train.dataset), part_path(run, "attributes")
    identity = {**dataset_header(train), "vae": model.fingerprint, "settings": settings.to_dict()}
    encodings = encode_pictures(model, train)
    trainer, critic, shape = attribute_trainer(encodings, settings, path.parent, identity, report, team)
    spent = trainer.run().spent
    save_attributes(path, critic.cpu(), shape, train.names, {**trainer.identity, **training_header(spent)})
    return path


def attribute_trainer(
    encodings: Encodings,
    settings: TrainSettings,
    folder: Path,
    identity: dict[str, Any],
    report: Callable[[Report], None],
    team: Team,
) -> tuple[Trainer, AttributeCritic, dict[str, int]]:
    """What trains an attribute critic in a folder; that critic, and its shape."""
    prepare(folder)
    rows = _EncodingRows(encodings, settings.seed)
    torch.manual_seed(settings.seed)
    shape = {"dim": encodings.dim, "labels": encodings.labels.shape[1], **HIDDEN}
    critic = AttributeCritic(**shape)
    identity = {**identity, "shape": shape}
    stage, held = _AttributeStage(critic, rows), rows.held
    trainer = Trainer(critic, lambda _: stage, settings, rows, held, folder, identity, commit(), report, team)
    return trainer, critic, shape


class _EncodingRows:
    """Encodings by number, the last of them held out."""

    def __init__(self, encodings: Encodings, seed: int) -> None:
        self.encodings, self.seed = encodings, seed
        self.count = len(encodings) - min(HELDOUT_ENCODINGS, len(encodings) // 5)

    @property
    def held(self) -> BatchRows:
        return np.arange(self.count, len(self.encodings))

    def draw(self, stage: int, step: int, count: int) -> BatchRows:
        return np.random.default_rng((self.seed, stage, step)).integers(0, self.count, count)


class _AttributeStage:
    """Cross-entropy of an attribute critic on draws of q(z|x)."""

    def __init__(self, critic: AttributeCritic, rows: _EncodingRows) -> None:
        self.critic, self.encodings = critic, rows.encodings

    def parameters(self) -> Iterator[nn.Parameter]:
        return self.critic.parameters()

    def loss(self, events: Tensor, progress: float, noise: Noise) -> tuple[Tensor, Metrics]:
        rows = events.cpu()
        mean, sigma = self.encodings.mean[rows], self.encodings.sigma[rows]
        labels = self.encodings.labels[rows].to(events.device)
        z = (mean + sigma * noise.normal(*mean.shape)).to(events.device)
        logits = self._read(z, noise).float()
        right = ((logits > 0).float() == labels).float().mean()
        return label_loss(logits, labels).mean(), {"accuracy": right.item()}

    def _read(self, z: Tensor, noise: Noise) -> Tensor:
        """The critic's logits; while it learns some of its hidden units are silent, or it learns faces by heart."""
        for layer in self.critic.network:
            z = layer(z)
            if self.critic.training and isinstance(layer, nn.ReLU):
                z = z * (noise.uniform(*z.shape).to(z.device) >= SILENT) / (1 - SILENT)
        return z


PictureBatches = Callable[[], Iterable[Tensor]]
CALIBRATION_PICTURES = 16_384  #: the first training pictures: time and memory end there, however many there are


@torch.no_grad()
def calibrate(
    vae: PictureVAE, config: PictureConfig, table: PictureTable, report: Callable[[Report], None] = lambda _: None
) -> PictureVAE:
    """A trained VAE with all that its configuration asks for, from training pictures and their mirror images.

    Args:
        vae: the trained one, without what isn't trained.
        config: what it should be.
        table: the pictures.
        report: hears of every batch.
    """
    whole = PictureVAE(config).eval()
    whole.load_state_dict({**whole.state_dict(), **vae.state_dict()})
    sides = 1 + mirrors(config.dataset)
    reporting = _Reporting(sides * -(-min(CALIBRATION_PICTURES, table.count) // CHUNK), report)
    if whole.residual is not None:
        # In half precision: a pass through the VAE takes longer than all else here.
        batches = reporting("residuals", lambda: _calibration_pictures(table, sides))()
        residuals = [vae.residual_of(pictures).half() for pictures in batches]
        passes = reporting("their components", lambda: (it.float() for it in residuals), PASSES)
        found = principal_components(passes, config.residual_components, table.seed)
        whole.residual.set_components(found, config.deviation)
    if whole.matching is not None:
        whole.matching.fit(
            reporting("variance of pictures", lambda: _calibration_pictures(table, sides), PASSES),
            reporting("variance of outputs", lambda: _outputs(whole, table, sides)),
            table.seed,
        )
    return whole


def _outputs(vae: PictureVAE, table: PictureTable, sides: int) -> Iterator[Tensor]:
    """What a VAE decodes from samples of q(z|x), before their variance is matched."""
    noise = Noise(table.seed)
    return (vae.decode_means(vae.encode(pictures, noise).z) for pictures in _calibration_pictures(table, sides))


def _calibration_pictures(table: PictureTable, sides: int) -> Iterator[Tensor]:
    """Training pictures, (n, channels, side, side) at a time, and their mirror images where there are two sides."""
    yield from table.batches(CALIBRATION_PICTURES)
    if sides == 2:
        yield from (pictures.flip(-1) for pictures in table.batches(CALIBRATION_PICTURES))


class _Reporting:
    """Batches that report how many there were, of so many a pass."""

    def __init__(self, count: int, report: Callable[[Report], None]) -> None:
        self.count, self.report = count, report

    def __call__(self, name: str, batches: PictureBatches, passes: int = 1) -> PictureBatches:
        done = 0

        def report_each() -> Iterator[Tensor]:
            nonlocal done
            for batch in batches():
                yield batch
                done += 1
                self.report(Report(name, done, min(1.0, done / (passes * self.count)), {}))

        return report_each
