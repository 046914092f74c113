"""Change an attribute of a picture and keep everything else: optimisation from its encoding, beside two actors.

    z* = argmin_z  1.0 * L_wanted(z, y') [until D > 0.9]  +  0.1 * L_real(z) [until D > 0.3]
                 + 1.0 * L_others(z, y)  [until D > 0.5],                               from the encoding z_0

with a critic that reads labels and one that knows what is real, apart from each other. The last two terms hold what is
there: they are met, too, where they cost no more than they did at z_0. Many a face has a D of what is real below 0.3 to
begin with, and would be moved until it is another one's. A vector stops as soon as all are met, so it goes no farther
than it must; steps have no momentum that would carry it on. An actor has learnt where vectors with labels y' lie, and
without a distance penalty nothing holds it to where it came from.

What is measured, on pictures that the classifier has not been trained on: how often it sees what was asked for, how
many of all labels it finds right, and how far its features are from those of the picture, and of its reconstruction
by the VAE (which leaves out the decoder's blur, the same for all three).
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Bytes, Pictures
from melodylc.image.models import PictureClassifier
from melodylc.image.pipeline import as_bytes
from melodylc.image.sheet import PictureGrid
from melodylc.image.store import LoadedActor, LoadedVAE
from melodylc.image.table import as_inputs
from melodylc.latent.actor import move_vectors
from melodylc.latent.distance import z_mse
from melodylc.latent.gan import AttributeCritic, label_loss, real_loss
from melodylc.latent.optimise import Goal, OptimiseSettings, optimise
from melodylc.threads import fixed_threads

REALISM_ENOUGH = 0.3  #: D of realism that is enough: the authors' notebook stops there
LABELS_ENOUGH = 0.9  #: D of labels that is enough
TRANSFORM_SETTINGS = OptimiseSettings(
    steps=300, rate=0.03, betas=(0.0, 0.999)
)  # the notebook: 300 steps of 0.005 to 0.03
OTHERS_ENOUGH = 0.5  #: D of the labels that nobody targets to change, together, that is enough
SLACK = 1e-3  #: nats that a cost may rise by and still be what it was
_CHUNK = 256


@dataclass(frozen=True)
class MethodResult:
    """What a method to change pictures came to."""

    name: str
    pixels: Bytes  #: (n, channels, side, side)
    success: float  #: share of the wanted labels that the classifier sees
    labels: float  #: share of all labels that are as they should be
    from_picture: float  #: mean distance of features from those of the picture
    from_encoding: float  #: the same from those of its reconstruction
    z_mse: float


@dataclass(frozen=True)
class Transformation:
    """Pictures, their reconstructions, and what each method made of them."""

    pictures: Bytes
    reconstructions: Bytes
    methods: tuple[MethodResult, ...]

    def grid(self, most: int) -> PictureGrid:
        """The first pictures, a row each for themselves, their reconstructions, and each method."""
        rows = {"given": self.pictures, "encoded": self.reconstructions}
        rows |= {method.name: method.pixels for method in self.methods}
        columns = min(most, len(self.pictures))
        captions = tuple(name for name in rows for _ in range(columns))
        return PictureGrid(np.concatenate([pixels[:columns] for pixels in rows.values()]), captions, columns)


@dataclass(frozen=True)
class TransformModels:
    """What it takes to change pictures."""

    model: LoadedVAE
    classifier: PictureClassifier
    realism: LoadedActor | None  #: without this or the next nothing is optimised
    attributes: AttributeCritic | None
    actors: Mapping[str, LoadedActor]  #: by name


def pictures_without(pictures: Pictures, wanted: Mapping[int, bool], count: int) -> Pictures:
    """The first `count` pictures that don't have all that is wanted.

    Raises:
        InputError: nothing wanted, or no such picture.
    """
    if not wanted:
        raise InputError("nothing to change: give --attr, e.g. --attr smiling (or --digit, or --class)")
    columns = list(wanted)
    has = (pictures.labels[:, columns] == np.array([wanted[at] for at in columns])).all(axis=1)
    rows = np.flatnonzero(~has)[:count]
    if not len(rows):
        raise InputError(f"all pictures of {pictures.dataset} have what was asked: ask for something else")
    return pictures.only(rows)


def target_labels(labels: Tensor, wanted: Mapping[int, bool], exclusive: bool) -> Tensor:
    """Labels (n, labels) with what is wanted.

    >>> target_labels(torch.tensor([[1.0, 0.0, 0.0]]), {2: True}, exclusive=True).tolist()
    [[0.0, 0.0, 1.0]]
    """
    changed = torch.zeros_like(labels) if exclusive else labels.clone()
    for label, value in wanted.items():
        changed[:, label] = float(value)
    return changed


@torch.no_grad()
def transform_pictures(
    models: TransformModels,
    pictures: Pictures,
    wanted: Mapping[int, bool],
    settings: OptimiseSettings = TRANSFORM_SETTINGS,
    sure: float = LABELS_ENOUGH,
) -> Transformation:
    """Change pictures by each of the methods.

    Args:
        models: models, all of one VAE.
        pictures: to be changed.
        wanted: label number to whether it should be there.
        settings: of the optimisation.
        sure: D of labels at which it stops.
    """
    model, vae = models.model, models.model.vae
    pixels = torch.from_numpy(np.array(pictures.pixels))
    targets = target_labels(torch.from_numpy(np.array(pictures.labels)).float(), wanted, pictures.exclusive)
    with fixed_threads(1):
        start = torch.cat([vae.encode(as_inputs(part, vae.config.side)).mean for part in torch.split(pixels, _CHUNK)])
        columns = range(targets.shape[1]) if pictures.exclusive else wanted
        ends: dict[str, Tensor] = {}
        if models.attributes is not None and models.realism is not None:
            goals = [label_goal(models.attributes, targets, list(columns), sure)]
            goals += holding_goals(models.realism, models.attributes, start, targets, columns)
            ends["optimised"] = optimise(start, goals, settings, sigma_bar=model.sigma_bar).z
        ends |= {name: move_vectors(actor.actor, start, targets) for name, actor in models.actors.items()}
        reconstructions = _decode_bytes(model, start)
        measurer = _Measurer(models.classifier, pixels, reconstructions, targets, wanted)
        methods = [
            measurer.measure(name, _decode_bytes(model, z), z_mse(z, start, model.sigma_bar))
            for name, z in ends.items()
        ]
    resized = torch.round(as_inputs(pixels, vae.config.side) * 255).to(torch.uint8)
    return Transformation(resized.numpy(), reconstructions.numpy(), tuple(methods))


def holding_goals(
    realism: LoadedActor, attributes: AttributeCritic, start: Tensor, targets: Tensor, changed: Collection[int]
) -> Iterator[Goal]:
    """To stay as real as vectors (n, dim) begin, and to keep the labels (n, labels) that are not to be changed."""
    yield no_worse(realism_goal(realism, 0.1, REALISM_ENOUGH), start)
    if others := [label for label in range(targets.shape[1]) if label not in changed]:
        yield no_worse(label_goal(attributes, targets, others, OTHERS_ENOUGH), start)


def no_worse(goal: Goal, start: Tensor) -> Goal:
    """A goal that is met, too, where it costs no more than at the start (n, dim), for vectors that begin there.

    >>> near = no_worse(Goal(lambda z: z.square().sum(dim=-1), threshold=0.1), torch.tensor([[0.0], [2.0]]))
    >>> (near.cost(torch.tensor([[0.4], [1.9]])) <= near.threshold).tolist()
    [False, True]
    """
    allowed = goal.cost(start).clamp(min=goal.threshold) + SLACK
    return Goal(lambda z: goal.cost(z) - allowed, goal.weight, 0.0)


def _decode_bytes(model: LoadedVAE, z: Tensor) -> Tensor:
    return torch.cat([as_bytes(model.vae.decode(part)) for part in torch.split(z, _CHUNK)])


class _Measurer:
    """A classifier's answers and features."""

    def __init__(
        self,
        classifier: PictureClassifier,
        pixels: Tensor,
        reconstructions: Tensor,
        targets: Tensor,
        wanted: Mapping[int, bool],
    ) -> None:
        self.classifier, self.targets, self.columns = classifier, targets, list(wanted)
        self.pixels, self.reconstructions = self._features(pixels), self._features(reconstructions)

    def measure(self, name: str, pixels: Tensor, distances: Tensor) -> MethodResult:
        right = self.classifier.labels(as_inputs(pixels, self.classifier.config.side)) == self.targets
        features = self._features(pixels)
        return MethodResult(
            name=name,
            pixels=pixels.numpy(),
            success=float(right[:, self.columns].float().mean()),
            labels=float(right.float().mean()),
            from_picture=float((features - self.pixels).norm(dim=1).mean()),
            from_encoding=float((features - self.reconstructions).norm(dim=1).mean()),
            z_mse=float(distances.mean()),
        )

    def _features(self, pixels: Tensor) -> Tensor:
        parts = torch.split(pixels, _CHUNK)
        return torch.cat([self.classifier.features(as_inputs(part, self.classifier.config.side)) for part in parts])


def realism_goal(realism: LoadedActor, weight: float = 0.1, belief: float = REALISM_ENOUGH) -> Goal:
    """To be taken for an encoding of a real picture by a realism critic."""
    return Goal(lambda z: real_loss(realism.critic(z)), weight, cost_threshold(belief))


def label_goal(critic: AttributeCritic, labels: Tensor, columns: Sequence[int], belief: float = LABELS_ENOUGH) -> Goal:
    """To show labels (n, labels) in some columns, all of them, by a critic that reads them."""
    chosen = list(columns)
    return Goal(lambda z: label_loss(critic(z)[:, chosen], labels[:, chosen]), 1.0, cost_threshold(belief))


def cost_threshold(belief: float) -> float:
    """The cost -log D of a critic that believes so much."""
    return -math.log(belief)
