"""A trained pipeline, VAE and actor: where it lies, and pictures out of it.

Picture k of a seed depends on the seed and k alone: its latent vector and labels come from a random stream of its own,
and pictures go through the model in fixed groups on one thread, since the shape of a product decides how it is rounded.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.pictures.base import Bytes
from melodylc.data.pictures.loading import DATASETS
from melodylc.image.datasets import default_distance
from melodylc.image.models import PictureClassifier
from melodylc.image.store import (
    LoadedActor,
    LoadedClassifier,
    LoadedVAE,
    load_attributes,
    load_classifier,
    load_picture_actor,
    load_vae,
)
from melodylc.image.table import as_inputs
from melodylc.image.training import actor_distances, actor_path, classifier_path, part_path, vae_path
from melodylc.latent.actor import move_vectors
from melodylc.latent.gan import AttributeCritic
from melodylc.threads import fixed_threads

PICTURE_GROUP = 8  #: pictures that are computed together


@dataclass(frozen=True)
class Pipeline:
    """A VAE and an actor that belongs to it."""

    model: LoadedVAE
    constraint: LoadedActor

    @property
    def dataset(self) -> str:
        """What both were trained on."""
        return self.model.vae.config.dataset

    def to(self, device: torch.device) -> "Pipeline":
        """The same, with its networks on a device."""
        self.model.vae.to(device)
        self.constraint.actor.to(device)
        return self


@dataclass(frozen=True)
class GeneratedPictures:
    """Pictures, and the vectors and labels that they were decoded from."""

    pixels: Bytes  #: (n, channels, side, side)
    labels: Tensor  #: (n, labels), the actor's
    prior_z: Tensor  #: (n, z) prior samples
    z: Tensor  #: (n, z) after the actor
    attempts: Tensor  #: (n,) pictures that were made for each
    verdicts: Tensor | None = None  #: (n, labels) of a classifier, where there was one
    passed: Tensor | None = None  #: (n,) whether it sees what was wanted


def load_pipeline(data: str, run: Path | None = None, distance: float | None = None) -> Pipeline:
    """The pipeline of a run's folder; the one that comes with the package where none is named.

    Args:
        data: the data set.
        run: folder of a run.
        distance: weight of the actor's distance penalty. None: the data set's default; or whatever the run's only
            actor has.

    Raises:
        InputError: none comes with the package for this data set; how to train one.
        CheckpointError: a part is missing, damaged, of another data set or another VAE.
    """
    if distance is None:
        there = actor_distances(run) if run else []
        distance = there[0] if len(there) == 1 else default_distance(data)
    vae, actor = _paths(data, run, distance)
    if not vae.is_file() or not actor.is_file():
        raise _missing_model(data, run, distance, vae.is_file())
    model = load_vae(vae, data)
    return Pipeline(model, load_picture_actor(actor, data, model.fingerprint))


def load_auxiliary_pipeline(data: str, run: Path, distance: float) -> Pipeline:
    """The pipeline of a run's VAE and the actor of AC-GAN's losses; raises as `load_pipeline` does."""
    model = load_vae(vae_path(run), data)
    return Pipeline(model, load_picture_actor(part_path(run, f"auxiliary-{distance:g}"), data, model.fingerprint))


def load_pipelines(data: str, run: Path) -> dict[tuple[str, float], Pipeline]:
    """The chains of all a run's actors, by losses ("generated" or "AC-GAN") and weight of the distance penalty.

    Raises:
        InputError: it has none yet; how to train one. And as `load_pipeline` does.
    """
    plain = {("generated", far): load_pipeline(data, run, far) for far in actor_distances(run)}
    others = {("AC-GAN", far): load_auxiliary_pipeline(data, run, far) for far in actor_distances(run, "auxiliary")}
    if not plain and not others:
        raise InputError(f"{run} has no actor yet: {train_command(data, run, 'actor')}")
    return plain | others


def load_picture_model(data: str, run: Path | None = None) -> LoadedVAE:
    """The VAE of a run's folder; the one that comes with the package where none is named.

    Raises:
        InputError: none comes with the package for this data set; how to train one.
        CheckpointError: it is damaged, or of another data set.
    """
    path, _ = _paths(data, run, default_distance(data))
    if not path.is_file():
        raise _missing_model(data, run, default_distance(data), False, actor=False)
    return load_vae(path, data)


def generate_pictures(pipeline: Pipeline, wanted: Mapping[int, bool], count: int, seed: int) -> GeneratedPictures:
    """`count` pictures with the labels that are `wanted`, others as the training set has them; single draws."""
    return generate_verified(pipeline, wanted, count, seed, None, 1)


def generate_verified(
    pipeline: Pipeline,
    wanted: Mapping[int, bool],
    count: int,
    seed: int,
    classifier: PictureClassifier | None,
    draws: int,
) -> GeneratedPictures:
    """The same; where a classifier doesn't see what is wanted in a picture it is made again, up to so many draws.

    Where nothing is wanted of classes that exclude each other, each picture has to be of its actor's class.
    """
    with fixed_threads(1), torch.no_grad():
        groups = [
            _verified_group(pipeline, wanted, seed, first, classifier, draws)
            for first in range(0, count, PICTURE_GROUP)
        ]
    pixels, labels, prior_z, z, attempts, *judged = (torch.cat(parts)[:count] for parts in zip(*groups, strict=True))
    verdicts, passed = judged or (None, None)
    return GeneratedPictures(pixels.numpy(), labels, prior_z, z, attempts, verdicts, passed)


def _verified_group(
    pipeline: Pipeline,
    wanted: Mapping[int, bool],
    seed: int,
    first: int,
    classifier: PictureClassifier | None,
    draws: int,
) -> tuple[Tensor, ...]:
    """Pictures, labels, prior samples, vectors and attempts; verdicts, and whether they passed, with a classifier.

    A picture keeps its place in the group, so that others that are made again change nothing in it.
    """
    result = [*_group(pipeline, wanted, seed, first, 0), torch.ones(PICTURE_GROUP, dtype=torch.long)]
    if classifier is None:
        return tuple(result)
    result += _judge(classifier, wanted, result[0], result[1])
    for attempt in range(1, draws):
        failed = ~result[6]
        if not failed.any():
            break
        again = [*_group(pipeline, wanted, seed, first, attempt), torch.full((PICTURE_GROUP,), attempt + 1)]
        again += _judge(classifier, wanted, again[0], again[1])
        for old, new in zip(result, again, strict=True):
            old[failed] = new[failed]
    return tuple(result)


def _judge(
    classifier: PictureClassifier, wanted: Mapping[int, bool], pixels: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """The classifier's labels (n, labels), and whether they are what is wanted, (n,)."""
    verdicts = classifier.labels(as_inputs(pixels, classifier.config.side))
    columns = [*range(labels.shape[1])] if classifier.config.exclusive else [*wanted]
    return verdicts, (verdicts[:, columns] == labels[:, columns]).all(dim=1)


def as_bytes(pictures: Tensor) -> Tensor:
    """Numbers in [0, 1] as bytes.

    >>> as_bytes(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [0, 128, 255]
    """
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8)


def sample_prior(dim: int, seed: int, first: int) -> Tensor:
    """Samples (GROUP, dim) of the prior, of pictures number `first` on."""
    return torch.stack([torch.randn(dim, generator=_stream(seed, first + at)) for at in range(PICTURE_GROUP)])


def _group(pipeline: Pipeline, wanted: Mapping[int, bool], seed: int, first: int, attempt: int) -> tuple[Tensor, ...]:
    streams = [_stream(seed, number, attempt) for number in range(first, first + PICTURE_GROUP)]
    labels = torch.stack([pipeline.constraint.rows.sample(wanted, stream) for stream in streams])
    z = torch.stack([torch.randn(pipeline.model.vae.config.z, generator=stream) for stream in streams])
    end = move_vectors(pipeline.constraint.actor, z, labels)
    return as_bytes(pipeline.model.vae.decode(end)), labels, z, end


def _stream(seed: int, number: int, attempt: int = 0) -> torch.Generator:
    key = (seed, number, attempt) if attempt else (seed, number)
    (state,) = np.random.SeedSequence(key).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))


def find_classifier(data: str, run: Path | None) -> LoadedClassifier | None:
    """The classifier that judges a run's pictures, or those of the model that comes with the package, if there is one.

    Raises:
        CheckpointError: it is damaged, or of another data set.
    """
    path = classifier_path(run) if run else Path(str(files("melodylc.pretrained"))) / f"{data}-classifier.safetensors"
    return load_classifier(path, data) if path.is_file() else None


def _paths(data: str, run: Path | None, distance: float) -> tuple[Path, Path]:
    if run is not None:
        return vae_path(run), actor_path(run, distance)
    folder = Path(str(files("melodylc.pretrained")))
    return folder / f"{data}-vae.safetensors", folder / f"{data}-actor-{distance:g}.safetensors"


def _missing_model(data: str, run: Path | None, distance: float, has_vae: bool, actor: bool = True) -> InputError:
    folder = run or Path(data)
    commands = [train_command(data, folder, "vae")] * (not has_vae or run is None)
    penalty = f" --distance {distance:g}" if distance != default_distance(data) else ""
    commands += [f"{train_command(data, folder, 'actor')}{penalty}"] * actor
    what = f"no trained model of {data} comes with the package" if run is None else f"{run} has no trained model of it"
    then = "" if run else f", then --run {folder}"
    kind = InputError if run is None else CheckpointError
    return kind(f"{what}; train one: {' && '.join(commands)}{then}")


def train_command(data: str, run: Path, part: str) -> str:
    """The command that trains a part of a run.

    >>> train_command("mnist", Path("runs/mnist"), "vae")
    'melodylc image train --dataset mnist --data FOLDER -o runs/mnist --part vae'
    """
    drawn = data in DATASETS and DATASETS[data].drawn
    return f"melodylc image train --dataset {data}{'' if drawn else ' --data FOLDER'} -o {run} --part {part}"


def pipeline_fingerprints(pipeline: Pipeline) -> dict[str, Any]:
    """What a picture's file says of the models that made it."""
    return {"vae": pipeline.model.fingerprint, "actor": pipeline.constraint.fingerprint}


def require_part(run: Path, part: str, data: str) -> Path:
    """Where a part of a run lies.

    Raises:
        InputError: it hasn't been trained; the command that trains it.
    """
    path = part_path(run, part)
    if not path.is_file():
        name = part.split("-")[0]
        raise InputError(f"{run} has no {name} critic: {train_command(data, run, name)}")
    return path


def load_realism(run: Path, model: LoadedVAE) -> LoadedActor:
    """A run's realism critic and actor; raises as `require_part` does, and CheckpointError for those of another VAE."""
    data = model.vae.config.dataset
    return load_picture_actor(require_part(run, "realism", data), data, model.fingerprint)


def load_attribute_critic(run: Path, model: LoadedVAE) -> AttributeCritic:
    """A run's critic that reads labels; raises as `load_realism` does."""
    data = model.vae.config.dataset
    return load_attributes(require_part(run, "attributes", data), data, model.fingerprint).critic
