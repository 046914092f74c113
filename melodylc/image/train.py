"""Train the parts of a picture chain: VAE, classifier, actor and critic, each in a folder of the run, resumable.

RUN/vae/model.safetensors
RUN/classifier/model.safetensors        only judges: nothing that makes pictures has seen it
RUN/actor-0.1/model.safetensors         one for each weight of the distance penalty

What else there can be: `melodylc.image.constraints`.
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from melodylc import __version__
from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Pictures
from melodylc.image.classifier import PictureClassifier, classifier_config, flips
from melodylc.image.completed import completed
from melodylc.image.config import PictureConfig
from melodylc.image.settings import PENALTY
from melodylc.image.stages import LabelStage, PictureStage
from melodylc.image.store import LabelRows, LoadedVAE, load_vae, save_actor, save_classifier, save_vae
from melodylc.image.table import Table
from melodylc.image.vae import PictureVAE
from melodylc.latent.gan import GANSettings, GANStep, LatentGAN
from melodylc.latent.samples import Encodings
from melodylc.training.game import play
from melodylc.training.loop import Report, Trainer
from melodylc.training.run import MODEL, commit, prepare
from melodylc.training.settings import TrainSettings
from melodylc.training.stages import ALONE
from melodylc.training.team import Team


def vae_path(run: Path) -> Path:
    """Where a run keeps its VAE."""
    return run / "vae" / MODEL


def classifier_path(run: Path) -> Path:
    """Where a run keeps its classifier."""
    return run / "classifier" / MODEL


def actor_path(run: Path, distance: float = PENALTY) -> Path:
    """Where a run keeps the actor that was trained with this weight of the distance penalty."""
    return run / f"actor-{distance:g}" / MODEL


def part_path(run: Path, part: str) -> Path:
    """Where a run keeps another part: "realism", "attributes", or "auxiliary-0.1"."""
    return run / part / MODEL


def train_vae(
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
    _check_pictures(train, config.dataset)
    path, table = vae_path(run), Table(train, valid, config.side, settings.seed)
    if team.leads:
        prepare(path.parent)
    torch.manual_seed(settings.seed)
    vae = PictureVAE(replace(config, z=config.learnt, rest=0, restored=0))
    flip = config.rest > 0 and flips(config.dataset)  # others were measured without
    identity = {**about(train), "configuration": config.to_dict(), "settings": settings.to_dict()}
    trainer = Trainer(
        vae,
        lambda stage: PictureStage(vae, table, stage, team, flip),
        settings,
        table,
        table.validation,
        path.parent,
        identity,
        commit(),
        report,
        team,
    )
    spent = trainer.run().spent
    if team.leads:
        vae = completed(vae.cpu().eval(), config, table, report)
        mean, sigma = encode_all(vae, table)
        if config.autoencoder:
            vae.standardise(mean)
        sigma_bar = torch.ones(config.z) if config.autoencoder else sigma.mean(dim=0)
        figures = reconstruction(vae, table)
        save_vae(path, vae, sigma_bar, {**identity, **origin(spent), "validation": figures})
    return path


def train_classifier(
    train: Pictures,
    valid: Pictures,
    settings: TrainSettings,
    run: Path,
    report: Callable[[Report], None] = lambda _: None,
    team: Team = ALONE,
) -> Path:
    """Train a classifier, or go on training it, in RUN/classifier; its path. Raises as `train_vae` does."""
    config = classifier_config(train.dataset)
    path, table = classifier_path(run), Table(train, valid, config.side, settings.seed)
    if team.leads:
        prepare(path.parent)
    torch.manual_seed(settings.seed)
    classifier = PictureClassifier(config)
    identity = {**about(train), "configuration": config.to_dict(), "settings": settings.to_dict()}
    stage = LabelStage(classifier, table)
    trainer = Trainer(
        classifier,
        lambda _: stage,
        settings,
        table,
        table.validation,
        path.parent,
        identity,
        commit(),
        report,
        team,
    )
    spent = trainer.run().spent
    if team.leads:
        save_classifier(path, classifier.cpu(), {**identity, **origin(spent)})
    return path


def train_actor(
    train: Pictures,
    settings: GANSettings,
    run: Path,
    seed: int = 0,
    report: Callable[[GANStep], None] = lambda _: None,
) -> Path:
    """Play the game of a conditional actor and critic on the encodings of RUN's VAE; the actor's path.

    Raises InputError if there is no VAE, it is of another data set, or the folder holds another game.
    """
    model = load_vae(vae_path(run), train.dataset)
    path = actor_path(run, settings.distance)
    prepare(path.parent)
    encodings = encoded(model, train)
    identity = {**about(train), "vae": model.fingerprint, "settings": {**asdict(settings), "seed": seed}}
    game = LatentGAN(encodings, model.sigma_bar, settings, seed)
    play(game, path.parent, identity, report)
    rows = LabelRows.of(encodings.labels)
    save_actor(path, game.final_actor(), game.critic, train.names, rows, {**identity, **origin([])})
    return path


def encoded(model: LoadedVAE, pictures: Pictures) -> Encodings:
    """The encodings of pictures, with their labels; where a mirror leaves labels as they are, each with its image's.

    A picture and its mirror image are neighbours, so that what is held out from the end is of other pictures.
    """
    table = Table(pictures, pictures.only(slice(0, 1)), model.vae.config.side)
    labels = table.labels[: len(pictures)]
    both = [encode_all(model.vae, table, mirrored) for mirrored in (False, True)[: 1 + flips(pictures.dataset)]]
    mean, sigma = (torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*both, strict=True))
    return Encodings(mean, sigma, labels.repeat_interleave(len(both), dim=0))


@torch.no_grad()
def encode_all(vae: PictureVAE, table: Table, mirrored: bool = False) -> tuple[Tensor, Tensor]:
    """Means and deviations (n, z) of q(z|x) of all training pictures of a table, or of their mirror images."""
    found = [vae.encode(pictures.flip(-1) if mirrored else pictures) for pictures in table.batches()]
    return torch.cat([one.mean for one in found]), torch.cat([one.sigma for one in found])


@torch.no_grad()
def reconstruction(vae: PictureVAE, table: Table) -> dict[str, float]:
    """Mean squared error of validation pictures from their posterior's mean, and KL in nats a picture."""
    pictures = table.pictures(torch.from_numpy(table.validation))
    found = vae.encode(pictures)
    figures = {"mse": (vae.decode(found.z) - pictures).square().mean().item()}
    if not vae.config.autoencoder:
        figures["kl"] = found.kl.sum(1).mean().item()
    return {name: round(figure, 5) for name, figure in figures.items()}


def about(pictures: Pictures) -> dict[str, Any]:
    """What a header says of the pictures a model was trained on."""
    return {"dataset": pictures.dataset, "pictures": pictures.fingerprint, "parts": list(pictures.parts)}


def origin(spent: list[float]) -> dict[str, Any]:
    """What a header says of how a model was made: commit, version, and the minutes of each stage from its seconds."""
    return {"commit": commit(), "version": __version__, "minutes": [round(seconds / 60, 1) for seconds in spent]}


def _check_pictures(pictures: Pictures, wanted: str) -> None:
    if pictures.dataset != wanted:
        raise InputError(f"pictures of {pictures.dataset} for a model of {wanted}")


def distances(run: Path, part: str = "actor") -> list[float]:
    """The weights of the distance penalty that a run has finished actors for, rising; `part` may be "auxiliary"."""
    found = [path.parent.name.removeprefix(f"{part}-") for path in run.glob(f"{part}-*/{MODEL}")]
    return sorted(float(name) for name in found if name.replace(".", "", 1).replace("e-", "", 1).isdigit())
