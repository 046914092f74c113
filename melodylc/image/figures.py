"""The paper's figures of pictures: traversals, samples before and after realism, what critics think of two dimensions.

Each function makes pictures or numbers; `sheet` and `plots` draw them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import InputError
from melodylc.data.pictures.base import Bytes, Pictures
from melodylc.image.chain import GROUP, Chain, as_bytes, draw_prior
from melodylc.image.plots import Plane
from melodylc.image.store import LabelRows, LoadedActor, LoadedVAE, load_actor, load_attributes
from melodylc.image.table import as_inputs
from melodylc.image.train import part_path
from melodylc.latent.actor import move_vectors
from melodylc.latent.gan import AttributeCritic, label_loss, real_loss
from melodylc.latent.optimise import Goal, OptimiseSettings, optimise
from melodylc.threads import fixed_threads

GRID = 160  #: places of a contour map in each direction
EXTENT = 3.0
LOOSE = 0.3  #: D of realism that is enough: the authors' notebook stops there
SURE = 0.9  #: D of labels that is enough


@dataclass(frozen=True)
class Shown:
    """Pictures with a caption each, in rows of `columns`."""

    pixels: Bytes  #: (rows * columns, channels, side, side)
    captions: tuple[str, ...]
    columns: int


def need(run: Path, part: str, data: str) -> Path:
    """Where a part of a run lies.

    Raises:
        InputError: it hasn't been trained; the command that trains it.
    """
    path = part_path(run, part)
    if not path.is_file():
        name = part.split("-")[0]
        raise InputError(f"{run} has no {name} critic: melodylc image train --dataset {data} -o {run} --part {name}")
    return path


def realism_of(run: Path, model: LoadedVAE) -> LoadedActor:
    """A run's realism critic and actor; raises as `need` does, and CheckpointError for those of another VAE."""
    data = model.vae.config.dataset
    return load_actor(need(run, "realism", data), data, model.fingerprint)


def attributes_of(run: Path, model: LoadedVAE) -> AttributeCritic:
    """A run's critic that reads labels; raises as `realism_of` does."""
    data = model.vae.config.dataset
    return load_attributes(need(run, "attributes", data), data, model.fingerprint).critic


@torch.no_grad()
def traversal(
    chain: Chain, begin: Mapping[int, bool], steps: Sequence[tuple[int, bool]], rows: int, seed: int
) -> Shown:
    """One z a row; it has the labels that begin in the first column, and one more is changed in each after it.

    Args:
        chain: VAE and actor.
        begin: label number to whether it is there; others aren't.
        steps: label number and what it becomes; where labels exclude each other the former one goes.
        rows: how many z.
        seed: of z.
    """
    names, exclusive = chain.constraint.names, _exclusive(chain.constraint.rows)
    columns = [_labels(begin, len(names))]
    captions = [", ".join(names[label].replace("_", " ") for label, value in begin.items() if value) or "none"]
    for label, value in steps:
        following = torch.zeros(len(names)) if exclusive else columns[-1].clone()
        following[label] = float(value)
        columns.append(following)
        captions.append(f"{'+' if value else '-'} {names[label].replace('_', ' ')}")
    z = _prior(chain.model.vae.config.z, rows, seed).repeat_interleave(len(columns), dim=0)
    with fixed_threads(1):
        moved = move_vectors(chain.constraint.actor, z, torch.stack(columns).repeat(rows, 1))
        pixels = _decoded(chain.model, moved)
    return Shown(pixels, tuple(captions * rows), len(columns))


@torch.no_grad()
def before_and_after(model: LoadedVAE, realism: LoadedActor, count: int, seed: int) -> Shown:
    """Samples of the prior in the first row, and the same moved by the realism actor in the second."""
    z = _prior(model.vae.config.z, count, seed)
    with fixed_threads(1):
        moved = move_vectors(realism.actor, z)
        pixels = _decoded(model, torch.cat([z, moved]))
        believed = torch.cat([realism.critic(z), realism.critic(moved)]).sigmoid().tolist()
    return Shown(pixels, tuple(f"D {value:.2f}" for value in believed), count)


def optimised(
    model: LoadedVAE,
    realism: LoadedActor,
    attributes: AttributeCritic | None,
    wanted: Mapping[int, bool],
    count: int,
    seed: int,
    settings: OptimiseSettings,
) -> Shown:
    """Samples of the prior on their way to realism, and to what is wanted: a row each, frames as columns."""
    z, goals = _prior(model.vae.config.z, count, seed), [realistic(realism)]
    if attributes is not None:
        labels = _labels(wanted, attributes(z).shape[1]).expand(count, -1)
        goals.append(labelled(attributes, labels, list(wanted)))
    with fixed_threads(1), torch.no_grad():
        found = optimise(z, goals, settings, sigma_bar=model.sigma_bar)
        frames = found.frames.transpose(0, 1).flatten(0, 1)
        pixels = _decoded(model, frames)
        believed = realism.critic(frames).sigmoid().tolist()
    columns = len(found.frames)
    steps = [*(f"step {at * settings.frames}" for at in range(columns - 1)), "end"] * count
    captions = tuple(f"{step}, D {value:.2f}" for step, value in zip(steps, believed, strict=True))
    return Shown(pixels, captions, columns)


@torch.no_grad()
def belief_map(model: LoadedVAE, critic: torch.nn.Module, pictures: Pictures) -> tuple[Plane, tuple[int, int], Plane]:
    """D over the two most used dimensions, others 0: the map (h, w), which two, and encodings there (n, 2)."""
    first, second = model.sigma_bar.argsort()[:2].tolist()
    places = torch.linspace(-EXTENT, EXTENT, GRID)
    z = torch.zeros(GRID, GRID, model.vae.config.z)
    z[..., first], z[..., second] = places[None, :], places[:, None]
    values = critic(z.flatten(0, 1)).sigmoid().view(GRID, GRID)
    mean = model.vae.encode(as_inputs(torch.from_numpy(np.array(pictures.pixels)), model.vae.config.side)).mean
    return values.double().numpy(), (first, second), mean[:, [first, second]].double().numpy()


def realistic(realism: LoadedActor, weight: float = 0.1, belief: float = LOOSE) -> Goal:
    """To be taken for an encoding of a real picture by a realism critic."""
    return Goal(lambda z: real_loss(realism.critic(z)), weight, enough(belief))


def labelled(critic: AttributeCritic, labels: Tensor, columns: Sequence[int], belief: float = SURE) -> Goal:
    """To show labels (n, labels) in some columns, all of them, by a critic that reads them."""
    asked = list(columns)
    return Goal(lambda z: label_loss(critic(z)[:, asked], labels[:, asked]), 1.0, enough(belief))


def enough(belief: float) -> float:
    """The cost -log D of a critic that believes so much."""
    return -math.log(belief)


def _prior(dim: int, count: int, seed: int) -> Tensor:
    return torch.cat([draw_prior(dim, seed, first) for first in range(0, count, GROUP)])[:count]


def _decoded(model: LoadedVAE, z: Tensor) -> Bytes:
    found: Bytes = torch.cat([as_bytes(model.vae.decode(part)) for part in torch.split(z, GROUP)]).numpy()
    return found


def _labels(wanted: Mapping[int, bool], count: int) -> Tensor:
    return torch.tensor([float(wanted.get(label, False)) for label in range(count)])


def _exclusive(rows: LabelRows) -> bool:
    return bool((rows.rows.sum(dim=1) == 1).all())
