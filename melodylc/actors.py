"""Where the actor for a rule comes from: the package, the user's cache, or a fit on the spot.

An actor belongs to one model and one rule; both stand in its header and are checked. `MELODYLC_CACHE` moves the
cache from where the system keeps such things.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import check_writable, fingerprint_bytes, reason
from melodylc.latent.fit import FitSettings, Progress, Scores, fit
from melodylc.latent.scores import View
from melodylc.latent.store import StoredActor, load_actor, read_header, save_actor
from melodylc.models.checkpoint import LoadedModel, load_model
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

SETTINGS = FitSettings()
THREADS = 1  #: fixed, because it decides how sums are rounded, and so which actor a rule gets
DECODE = 128  #: melodies decoded at a time while fitting


@dataclass(frozen=True)
class FoundActor:
    """An actor with its origin."""

    stored: StoredActor
    origin: Literal["shipped", "cached", "fitted", "given"]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {
            "fingerprint": self.stored.fingerprint,
            "origin": self.origin,
            "measured": self.stored.measured.to_dict(),
        }


def shipped_model() -> LoadedModel:
    """The model that comes with the package."""
    return load_model(_pretrained() / "base.safetensors")


def find_actor(model: LoadedModel, rule: Rule, say: Callable[[str], None] = lambda _: None) -> FoundActor | None:
    """The shipped or cached actor for this model and rule, or None; a damaged cached one is named and forgotten."""
    for path in sorted(_pretrained().glob("*.safetensors")):
        header = read_header(path)
        if header and (header.model, header.rule) == (model.fingerprint, rule.identity):
            return FoundActor(load_actor(path), "shipped")
    path = cache_path(model, rule)
    try:
        if not path.exists():
            return None
        return FoundActor(load_actor(path, model=model.fingerprint, rule=rule.identity), "cached")
    except (CheckpointError, OSError) as error:
        say(f"the cached actor can't be used ({error}): fitting it anew")
        return None


def fit_actor(
    model: LoadedModel,
    rule: Rule,
    path: Path,
    report: Progress,
    settings: FitSettings = SETTINGS,
    request: Mapping[str, Any] | None = None,
) -> FoundActor:
    """Fit an actor and write it to `path`, with the request that the rule comes from, where that is given.

    Raises:
        InputError: `path` can't be written; found out before the work, not after.
    """
    probe(path)
    with fixed_threads(THREADS):
        fitted = fit(
            _scorer(model, rule),
            dim=model.vae.config.z,
            sigma_bar=model.sigma_bar,
            view=_viewer(model),
            settings=settings,
            report=report,
        )
    save_actor(path, fitted, model=model.fingerprint, rule=rule.identity, parts=rule.names, request=request)
    return FoundActor(load_actor(path), "fitted")


def cache_path(model: LoadedModel, rule: Rule) -> Path:
    """Where the fitted actor of a model and a rule is kept; the settings of the fit are part of the name."""
    key = fingerprint_bytes(repr((model.fingerprint, rule.identity, SETTINGS)).encode())
    return cache_folder() / "actors" / f"{key}.safetensors"


def cache_folder() -> Path:
    """The user's cache folder of this package."""
    if folder := os.environ.get("MELODYLC_CACHE"):
        return Path(folder)
    from platformdirs import user_cache_path

    return user_cache_path("melodylc", appauthor=False)


def probe(path: Path) -> None:
    """Make sure that `path` can be written.

    Raises:
        InputError: it can't.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"can't write {str(path)!r}: {reason(error)} (MELODYLC_CACHE moves the cache)") from error
    check_writable(path)


def _scorer(model: LoadedModel, rule: Rule) -> Callable[[Tensor], Scores]:
    """The black box that is fitted: latents (n, z) to each part's reward of the decoded melodies."""

    def score(z: Tensor) -> Scores:
        return np.concatenate([rule.graded(model.vae.decode(part)) for part in torch.split(z, DECODE)])

    return score


def _viewer(model: LoadedModel) -> View:
    """What a critic sees of latents: their sixteen bar embeddings, which are all that the bar decoder is told."""

    def view(z: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return torch.cat([model.vae.embeddings(part) for part in torch.split(z, DECODE)]).float()

    return view


def _pretrained() -> Path:
    return Path(str(files("melodylc.pretrained")))
