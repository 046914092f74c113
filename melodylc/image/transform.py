"""Change an attribute of a picture and keep everything else: optimisation from its encoding, beside two actors.

    z* = argmin_z  1.0 * L_wanted(z, y') [until D > 0.9]  +  0.1 * L_real(z) [until D > 0.3]
                 + 1.0 * L_others(z, y)  [until D > 0.5],                               from the encoding z_0

with a critic that reads labels and one that knows what is real, apart from each other. The last two terms hold what is
there: they are met, too, where they cost no more than they did at z_0. Many a face has a D of what is real below 0.3 to
begin with, and would be moved until it is another one's. A vector stops as soon as all are met, so it goes no farther
than it must; steps have no momentum that would carry it on. An actor has learnt where vectors with labels y' lie, and
without a distance penalty nothing holds it to where it came from.

What is measured, on pictures that the classifier has not been trained on: how often it sees what was asked, how many of
all labels it finds right, and how far its features are from those of the picture, and of what the VAE gives back of the
picture (which leaves out the decoder's blur, the same for all three).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Bytes, Pictures
from melodylc.image.chain import as_bytes
from melodylc.image.classifier import PictureClassifier
from melodylc.image.figures import LOOSE, SURE, Shown, labelled, realistic
from melodylc.image.store import LoadedActor, LoadedVAE
from melodylc.image.table import as_inputs
from melodylc.latent.actor import move_vectors
from melodylc.latent.distance import z_mse
from melodylc.latent.gan import AttributeCritic
from melodylc.latent.optimise import Goal, OptimiseSettings, optimise
from melodylc.threads import fixed_threads

SETTINGS = OptimiseSettings(steps=300, rate=0.03, betas=(0.0, 0.999))  # the notebook: 300 steps of 0.005 to 0.03
HELD = 0.5  #: D of the labels that nobody asked to change, together, that is enough
SLACK = 1e-3  #: nats that a cost may rise by and still be what it was
CHUNK = 256


@dataclass(frozen=True)
class Way:
    """One way to change pictures, and what came of it."""

    name: str
    pixels: Bytes  #: (n, channels, side, side)
    success: float  #: share of asked labels that the classifier sees
    labels: float  #: share of all labels that are as they should be
    from_picture: float  #: mean distance of features from those of the picture
    from_encoding: float  #: the same from those of what the VAE gives back of it
    z_mse: float


@dataclass(frozen=True)
class Transformed:
    """Pictures, what the VAE gives back of them, and the ways."""

    given: Bytes
    encoded: Bytes
    ways: tuple[Way, ...]

    def shown(self, most: int) -> Shown:
        """The first pictures, a row each for themselves, what the VAE gives back of them, and each way."""
        rows = {"given": self.given, "encoded": self.encoded, **{way.name: way.pixels for way in self.ways}}
        columns = min(most, len(self.given))
        captions = tuple(name for name in rows for _ in range(columns))
        return Shown(np.concatenate([pixels[:columns] for pixels in rows.values()]), captions, columns)


@dataclass(frozen=True)
class Tools:
    """What it takes to change pictures."""

    model: LoadedVAE
    classifier: PictureClassifier
    realism: LoadedActor
    attributes: AttributeCritic
    actors: Mapping[str, LoadedActor]  #: by name


def lacking(pictures: Pictures, wanted: Mapping[int, bool], count: int) -> Pictures:
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


def goal_labels(labels: Tensor, wanted: Mapping[int, bool], exclusive: bool) -> Tensor:
    """Labels (n, labels) with what is wanted.

    >>> goal_labels(torch.tensor([[1.0, 0.0, 0.0]]), {2: True}, exclusive=True).tolist()
    [[0.0, 0.0, 1.0]]
    """
    changed = torch.zeros_like(labels) if exclusive else labels.clone()
    for label, value in wanted.items():
        changed[:, label] = float(value)
    return changed


@torch.no_grad()
def transform(
    tools: Tools,
    pictures: Pictures,
    wanted: Mapping[int, bool],
    settings: OptimiseSettings = SETTINGS,
    sure: float = SURE,
) -> Transformed:
    """Change pictures in each of the ways.

    Args:
        tools: models, all of one VAE.
        pictures: to be changed.
        wanted: label number to whether it should be there.
        settings: of the optimisation.
        sure: D of labels at which it stops.
    """
    vae = tools.model.vae
    given = torch.from_numpy(np.array(pictures.pixels))
    asked = goal_labels(torch.from_numpy(np.array(pictures.labels)).float(), wanted, pictures.exclusive)
    with fixed_threads(1):
        start = torch.cat([vae.encode(as_inputs(part, vae.config.side)).mean for part in torch.split(given, CHUNK)])
        columns = range(asked.shape[1]) if pictures.exclusive else wanted
        goals = [labelled(tools.attributes, asked, list(columns), sure), *holding(tools, start, asked, columns)]
        ends = {"optimised": optimise(start, goals, settings, sigma_bar=tools.model.sigma_bar).z}
        ends |= {name: move_vectors(actor.actor, start, asked) for name, actor in tools.actors.items()}
        encoded = _decoded(tools.model, start)
        judge = _Judge(tools.classifier, given, encoded, asked, wanted)
        ways = [
            judge.way(name, _decoded(tools.model, z), z_mse(z, start, tools.model.sigma_bar))
            for name, z in ends.items()
        ]
    shown = torch.round(as_inputs(given, vae.config.side) * 255).to(torch.uint8)
    return Transformed(shown.numpy(), encoded.numpy(), tuple(ways))


def holding(tools: Tools, start: Tensor, asked: Tensor, changed: Collection[int]) -> Iterator[Goal]:
    """To stay as real as vectors (n, dim) begin, and to keep the labels (n, labels) that are not to be changed."""
    yield no_worse(realistic(tools.realism, 0.1, LOOSE), start)
    if others := [label for label in range(asked.shape[1]) if label not in changed]:
        yield no_worse(labelled(tools.attributes, asked, others, HELD), start)


def no_worse(goal: Goal, start: Tensor) -> Goal:
    """A goal that is met, too, where it costs no more than at the start (n, dim), for vectors that begin there.

    >>> near = no_worse(Goal(lambda z: z.square().sum(dim=-1), threshold=0.1), torch.tensor([[0.0], [2.0]]))
    >>> (near.cost(torch.tensor([[0.4], [1.9]])) <= near.threshold).tolist()
    [False, True]
    """
    enough = goal.cost(start).clamp(min=goal.threshold) + SLACK
    return Goal(lambda z: goal.cost(z) - enough, goal.weight, 0.0)


class _Judge:
    """A classifier's answers and features."""

    def __init__(
        self, classifier: PictureClassifier, given: Tensor, encoded: Tensor, asked: Tensor, wanted: Mapping[int, bool]
    ) -> None:
        self.classifier, self.asked, self.columns = classifier, asked, list(wanted)
        self.given, self.encoded = self._features(given), self._features(encoded)

    def way(self, name: str, pixels: Tensor, far: Tensor) -> Way:
        right = self.classifier.labels(as_inputs(pixels, self.classifier.config.side)) == self.asked
        found = self._features(pixels)
        return Way(
            name=name,
            pixels=pixels.numpy(),
            success=float(right[:, self.columns].float().mean()),
            labels=float(right.float().mean()),
            from_picture=float((found - self.given).norm(dim=1).mean()),
            from_encoding=float((found - self.encoded).norm(dim=1).mean()),
            z_mse=float(far.mean()),
        )

    def _features(self, pixels: Tensor) -> Tensor:
        parts = torch.split(pixels, CHUNK)
        return torch.cat([self.classifier.features(as_inputs(part, self.classifier.config.side)) for part in parts])


def _decoded(model: LoadedVAE, z: Tensor) -> Tensor:
    return torch.cat([as_bytes(model.vae.decode(part)) for part in torch.split(z, CHUNK)])
