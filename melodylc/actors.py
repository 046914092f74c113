"""Where the actor for a rule comes from: the package, the user's cache, or a fit on the spot.

An actor belongs to one model, one of its priors and one rule; all three stand in its header and are checked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from melodylc.bank import Report as BankReport
from melodylc.bank import find_bank
from melodylc.box import MelodyBox
from melodylc.cache import cache_folder, pretrained
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import check_writable, fingerprint_bytes, reason
from melodylc.latent.fit import Progress, fit
from melodylc.latent.scores import resampled
from melodylc.latent.settings import FitSettings
from melodylc.latent.store import StoredActor, load_actor, read_header, save_actor
from melodylc.models.checkpoint import LoadedModel, load_model
from melodylc.models.config import PriorName
from melodylc.realism import RealismCritic
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

SETTINGS = FitSettings(bank=7168)
THREADS = 2  #: the same for all, because it decides how sums are rounded, and so which actor a rule gets
JUDGES = 1024  #: samples of the bank that an actor is measured on, and that it never met; the others teach


@dataclass(frozen=True)
class Weighted:
    """A realism critic, and how much its cost weighs in a fit."""

    critic: RealismCritic
    weight: float  #: positive


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
    return load_model(pretrained() / "base.safetensors")


def find_actor(
    model: LoadedModel,
    rule: Rule,
    prior: PriorName | None = None,
    say: Callable[[str], None] = lambda _: None,
    realism: Weighted | None = None,
) -> FoundActor | None:
    """The shipped or cached actor for this model, its prior and this rule, or None.

    Those that ship were fitted without a realism critic. A damaged cached one is named and forgotten.
    """
    start = model.prior(prior).identity
    for path in sorted(pretrained().glob("*.safetensors")) if realism is None else ():
        header = read_header(path)
        if header and (header.model, header.prior, header.rule) == (model.fingerprint, start, rule.identity):
            return FoundActor(load_actor(path), "shipped")
    path = cache_path(model, rule, prior, realism)
    try:
        if not path.exists():
            return None
        return FoundActor(load_actor(path, model=model.fingerprint, prior=start, rule=rule.identity), "cached")
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
    prior: PriorName | None = None,
    threads: int = THREADS,
    decoding: BankReport = lambda done, of: None,
    realism: Weighted | None = None,
) -> FoundActor:
    """Fit an actor and write it to `path`, with the request that the rule comes from, where that is given.

    `decoding` is told how much of the bank is there, where it must be made first. With `realism`, the actor also pays
    for what that critic takes for unreal.

    Raises:
        InputError: `path` can't be written; found out before the work, not after.
    """
    probe(path)
    start = model.prior(prior)
    bank = find_bank(model, start, decoding)
    lessons = slice(JUDGES, JUDGES + settings.bank)
    with fixed_threads(threads):
        fitted = fit(
            MelodyBox(model.vae, rule),
            model.sigma_bar,
            prior=resampled(bank.z[lessons]),
            bank=(bank.z[lessons], bank.events[lessons]),
            judge=resampled(bank.z[:JUDGES]),
            settings=replace(settings, also=realism.weight if realism else 0.0),
            report=report,
            also=realism.critic.cost if realism else None,
        )
    about = {"model": model.fingerprint, "prior": start.identity, "rule": rule.identity}
    save_actor(path, fitted, **about, parts=rule.names, request=request)
    return FoundActor(load_actor(path), "fitted")


def cache_path(model: LoadedModel, rule: Rule, prior: PriorName | None = None, realism: Weighted | None = None) -> Path:
    """Where the fitted actor of a model, a prior and a rule is kept; how it is fitted is part of the name."""
    also = (realism.weight, realism.critic.fingerprint) if realism else None
    of = (model.fingerprint, model.prior(prior).identity, rule.identity, SETTINGS, also)
    return cache_folder() / "actors" / f"{fingerprint_bytes(repr(of).encode())}.safetensors"


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
