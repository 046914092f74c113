"""Pictures that obey a rule written in Python: an actor fitted to it, by the engine that fits melodies' actors.

An actor belongs to one VAE and one rule; both stand in its header and are checked. Its vectors come from N(0, I).

Pictures are decoded at once, so a vector is a chain of one part before which nothing is known, and the actor is the
paper's. A critic sees a thumbnail of what becomes of a vector: `THUMB` x `THUMB` means over the picture, which are
differentiable where the rule is not.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from melodylc.cache import cache_folder
from melodylc.data.errors import InputError
from melodylc.data.files import check_writable, fingerprint_bytes, reason
from melodylc.data.pictures.picture import as_rgb
from melodylc.image.models import PictureVAE
from melodylc.image.pipeline import PICTURE_GROUP, as_bytes, sample_prior
from melodylc.image.store import LoadedVAE
from melodylc.latent.actor import LatentLayout, Move
from melodylc.latent.fit import DistanceWeight, FitSettings, Progress, fit
from melodylc.latent.objective import PartScores
from melodylc.latent.store import StoredActor, load_actor, save_actor
from melodylc.rewards import Rule
from melodylc.rewards.domains import PICTURES
from melodylc.threads import fixed_threads

_TOGETHER = 256  #: pictures decoded at a time
THUMB = 14


@dataclass(frozen=True)
class PictureObjective:
    """A VAE's decoder and a rule on pictures. What was decoded are bytes (n, channels, side, side).

    Raises:
        InputError: a rule on something else.
    """

    vae: PictureVAE
    rule: Rule

    def __post_init__(self) -> None:
        if self.rule.domain != PICTURES:
            raise InputError(f"{self.rule.names[0]} judges {self.rule.domain}, and what is made here are pictures")

    @property
    def layout(self) -> LatentLayout:
        """One part, before which nothing is known."""
        return LatentLayout(1, self.vae.config.z)

    def draw_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """Nothing, (n, 0): the rule says it all."""
        return torch.zeros(count, 0)

    @torch.no_grad()
    def decode(self, z: Tensor, move: Move | None = None) -> tuple[Tensor, Tensor]:
        """Vectors (n, z) as they were moved, and their pictures, uint8."""
        end = z if move is None else self.move_at_once(z, self.context(z, z), move)
        return end, torch.cat([as_bytes(self.vae.decode(part)) for part in torch.split(end, _TOGETHER)])

    def score(self, decoded: Tensor) -> PartScores:
        """What the rule, with its weights, says of pictures: (n, parts)."""
        return self.rule.graded(as_rgb(decoded.numpy()))

    def context(self, decoded: Tensor, z: Tensor) -> Tensor:
        """Nothing, (n, 1, 0)."""
        return torch.zeros(len(decoded), 1, 0)

    def move_at_once(self, z: Tensor, context: Tensor, move: Move) -> Tensor:
        """Vectors (n, z), moved."""
        return move(z.unsqueeze(1), context, 0).squeeze(1)

    def features(self, decoded: Tensor) -> Tensor:
        """Thumbnails of pictures, (n, 1, channels * 14 * 14), from -1 to 1."""
        return thumbnail(decoded / 255)

    def expected_features(self, z: Tensor, context: Tensor, decoded: Tensor) -> Tensor:
        """Thumbnails of the pictures that vectors become."""
        return thumbnail(self.vae.decode(z))


def thumbnail(pictures: Tensor) -> Tensor:
    """Means over parts of pictures (n, channels, side, side) in [0, 1], as a critic sees them.

    >>> thumbnail(torch.ones(2, 1, 28, 28)).shape, float(thumbnail(torch.zeros(1, 1, 28, 28)).max())
    (torch.Size([2, 1, 196]), -1.0)
    """
    return 2 * adaptive_avg_pool2d(pictures, THUMB).flatten(1).unsqueeze(1) - 1


PRIOR = "normal"  #: what such an actor's vectors are drawn from
RULE_SETTINGS = FitSettings(
    bank=2048,
    rounds=30,
    fresh=256,
    actor_steps=20,
    actor_rate=1e-3,
    distance=DistanceWeight(decay=0.1),
    hard_share=0.0,
)


@dataclass(frozen=True)
class RulePictures:
    """Pictures of single draws, no retry, and what the rule says of them."""

    pixels: Tensor  #: (n, channels, side, side), uint8
    scores: PartScores  #: (n, parts)
    z: Tensor  #: (n, z) after the actor

    @property
    def satisfaction(self) -> int:
        """How many satisfy every part."""
        return int((self.scores == 1).all(axis=1).sum())


def fit_picture_rule(
    model: LoadedVAE,
    rule: Rule,
    path: Path,
    settings: FitSettings | None = None,
    report: Progress = lambda _: None,
    request: dict[str, Any] | None = None,
) -> StoredActor:
    """Fit an actor of a VAE's latent vectors to a rule on pictures, and write it.

    Raises:
        InputError: a rule on something else, or `path` can't be written; found out before the work.
    """
    objective = PictureObjective(model.vae, rule)
    _probe(path)
    with fixed_threads(1):  # the number of threads decides how sums are rounded
        result = fit(objective, model.sigma_bar, settings=settings or RULE_SETTINGS, report=report)
    about = {"model": model.fingerprint, "prior": PRIOR, "rule": rule.identity}
    save_actor(path, result, **about, parts=rule.names, request=request)
    return load_actor(path)


def load_rule_actor(model: LoadedVAE, rule: Rule | None, path: Path) -> StoredActor:
    """An actor that `fit_picture_rule` wrote.

    Raises:
        CheckpointError: it is no such file, or one for another VAE or another rule than the one given.
    """
    return load_actor(path, model=model.fingerprint, prior=PRIOR, rule=None if rule is None else rule.identity)


def rule_actor_path(model: LoadedVAE, rule: Rule) -> Path:
    """Where the actor that was fitted on the spot for a VAE and a rule is kept."""
    key = fingerprint_bytes(repr((model.fingerprint, PRIOR, rule.identity, RULE_SETTINGS)).encode())
    return cache_folder() / "picture-actors" / f"{key}.safetensors"


def generate_for_rule(model: LoadedVAE, stored: StoredActor, rule: Rule, count: int, seed: int) -> RulePictures:
    """`count` pictures of an actor; picture k depends on the seed and k alone."""
    objective = PictureObjective(model.vae, rule)
    with fixed_threads(1):
        groups = [sample_prior(model.vae.config.z, seed, first) for first in range(0, count, PICTURE_GROUP)]
        ends, parts = zip(*(objective.decode(z, stored.actor) for z in groups), strict=True)
    pixels = torch.cat(parts)[:count]
    return RulePictures(pixels, rule.scores(as_rgb(pixels.numpy())), torch.cat(ends)[:count])


def _probe(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"can't write {str(path)!r}: {reason(error)}") from error
    check_writable(path)
