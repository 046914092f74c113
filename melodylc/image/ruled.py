"""Pictures that obey a rule written in Python: an actor fitted to it, by the engine that fits melodies' actors.

An actor belongs to one VAE and one rule; both stand in its header and are checked. Its vectors come from N(0, I).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from melodylc.cache import cache_folder
from melodylc.data.errors import InputError
from melodylc.data.files import check_writable, fingerprint_bytes, reason
from melodylc.data.pictures.picture import as_rgb
from melodylc.image.box import PictureBox
from melodylc.image.chain import GROUP, draw_prior
from melodylc.image.store import LoadedVAE
from melodylc.latent.box import Scores
from melodylc.latent.fit import fit
from melodylc.latent.fitted import Progress
from melodylc.latent.settings import FitSettings
from melodylc.latent.store import StoredActor, load_actor, save_actor
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

PRIOR = "normal"  #: what such an actor's vectors are drawn from
SETTINGS = FitSettings(bank=2048, rounds=30, fresh=256, actor_steps=20, rate=1e-3, fall=0.1, hard=0.0)


@dataclass(frozen=True)
class Ruled:
    """Pictures of single draws, no retry, and what the rule says of them."""

    pixels: Tensor  #: (n, channels, side, side), uint8
    scores: Scores  #: (n, parts)

    @property
    def obeying(self) -> int:
        """How many satisfy every part."""
        return int((self.scores == 1).all(axis=1).sum())


def fit_rule(
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
    box = PictureBox(model.vae, rule)
    _probe(path)
    with fixed_threads(1):  # the number of threads decides how sums are rounded
        fitted = fit(box, model.sigma_bar, settings=settings or SETTINGS, report=report)
    about = {"model": model.fingerprint, "prior": PRIOR, "rule": rule.identity}
    save_actor(path, fitted, **about, parts=rule.names, request=request)
    return load_actor(path)


def open_rule(model: LoadedVAE, rule: Rule | None, path: Path) -> StoredActor:
    """An actor that `fit_rule` wrote.

    Raises:
        CheckpointError: it is no such file, or one for another VAE or another rule than the one given.
    """
    return load_actor(path, model=model.fingerprint, prior=PRIOR, rule=rule.identity if rule is not None else None)


def kept_path(model: LoadedVAE, rule: Rule) -> Path:
    """Where the actor that was fitted on the spot for a VAE and a rule is kept."""
    key = fingerprint_bytes(repr((model.fingerprint, PRIOR, rule.identity, SETTINGS)).encode())
    return cache_folder() / "picture-actors" / f"{key}.safetensors"


def make_ruled(model: LoadedVAE, stored: StoredActor, rule: Rule, count: int, seed: int) -> Ruled:
    """`count` pictures of an actor; picture k depends on the seed and k alone."""
    box = PictureBox(model.vae, rule)
    with fixed_threads(1):
        groups = [draw_prior(model.vae.config.z, seed, first) for first in range(0, count, GROUP)]
        pixels = torch.cat([box.decode(z, stored.actor)[1] for z in groups])[:count]
    return Ruled(pixels, rule.scores(as_rgb(pixels.numpy())))


def _probe(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"can't write {str(path)!r}: {reason(error)}") from error
    check_writable(path)
