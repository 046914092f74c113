"""Where the actor for a rule comes from: the package, the user's cache, or a fit on the spot.

An actor belongs to one model, one of its priors and one rule; all three stand in its header and are checked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from melodylc.arranging.search import Search
from melodylc.arranging.ways import Arrangement, Events, read_arrangement
from melodylc.bank import Bank as SampleBank
from melodylc.bank import Report as BankReport
from melodylc.bank import find_bank
from melodylc.box import MelodyBox
from melodylc.cache import cache_folder, pretrained
from melodylc.common import IDENTITY, IN_C, CommonRequest, common_request
from melodylc.critics import keep_critic, kept_critic
from melodylc.data.errors import CheckpointError, InputError
from melodylc.data.files import check_writable, fingerprint_bytes, reason
from melodylc.drawing import Draft, Drawing
from melodylc.latent.actor import Actor, Move, bind_labels
from melodylc.latent.critic import Critic
from melodylc.latent.fit import DistanceWeight, FitResult, FitSettings, Measure, Progress, fit
from melodylc.latent.objective import Objective
from melodylc.latent.precision import autocast
from melodylc.latent.samples import Measurement, Samples, score_samples, summarise
from melodylc.latent.store import StoredActor, load_actor, read_header, save_actor
from melodylc.models.checkpoint import LoadedModel, load_model
from melodylc.models.config import PriorName
from melodylc.models.noise import Noise
from melodylc.nearest import given_back, nearest
from melodylc.pretext.augmentation import augment_melodies, canonical_events
from melodylc.pretext.store import load_pretrained_critic, pretrained_critic_fingerprint, pretrained_critic_path
from melodylc.realism import RealismCritic
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

SETTINGS = FitSettings(
    bank=7168,
    rounds=8,
    warmup=80,
    critic_steps=32,
    augmentations=2048,
    readout_rate=5e-3,
    full_rate_share=0.5,
    distance=DistanceWeight(initial=0.03, least=0.001),
    change_weight=120.0,
    measure=48,
)
LESSONS = 8  #: rounds in which a critic is taught that an actor lacks, from what that actor makes
THREADS = 2  #: the same for all, because it decides how sums are rounded, and so which actor a rule gets
HIGHEST = 6  #: of the twelve keys, as semitones above C; the others are below
ASKED = 48  #: samples of the bank, on which a rule is asked which arrangement it likes
JUDGES = 1024  #: samples of the bank that teach nothing: on so many of them as it takes an actor is measured


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
    shift: int = 0  #: semitones that its melodies must be moved by: it was fitted to this rule in another key
    request: CommonRequest | None = None  #: which of those that it serves is asked, where it serves several

    @cached_property
    def move(self) -> Actor:
        """What moves parts of latents as its rule asks, and is told nothing any more."""
        return bind_labels(self.stored.actor, self.request.label) if self.request else self.stored.actor

    @property
    def arrangement(self) -> Arrangement:
        """What its rule asks to be done to melodies before they are encoded; what obeys then it doesn't move."""
        return self.request.arrangement if self.request else read_arrangement(self.stored.header.preparation)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest."""
        return {
            "fingerprint": self.stored.fingerprint,
            "origin": self.origin,
            "arrangement": [list(step) for step in self.arrangement],
            "rule": self.stored.header.rule,
            "semitones": self.shift,
            "measured": self.stored.rates.to_dict(),
        }


def shipped_model() -> LoadedModel:
    """The model that comes with the package."""
    return load_model(pretrained() / "base.safetensors")


def shipped_moves(model: LoadedModel) -> dict[str, Move]:
    """What the actor that ships does for each common request in C, if it is this model's; under names of their own."""
    stored = _common(model, model.prior().identity)
    return {f"{stored.fingerprint}: {it.rule.identity}": bind_labels(stored.actor, it.label) for it in IN_C if stored}


def moves_of(model: LoadedModel, paths: Sequence[Path]) -> dict[str, Move]:
    """What actors of single rules do, by their files.

    Raises:
        CheckpointError: no such actor, or one for another model.
        InputError: one that serves several rules.
    """
    found = {str(path): load_actor(path, model=model.fingerprint) for path in paths}
    for path, stored in found.items():
        if stored.header.rule == IDENTITY:
            raise InputError(f"{path}: this actor serves many rules: name those of single ones, of `melodylc fit -o`")
    return {path: stored.actor for path, stored in found.items()}


def find_actor(
    model: LoadedModel,
    rule: Rule,
    prior: PriorName | None = None,
    say: Callable[[str], None] = lambda _: None,
    realism: Weighted | None = None,
    elsewhere: bool = False,
) -> FoundActor | None:
    """The shipped or cached actor for this model, its prior and this rule, or None.

    Those that ship were fitted without a realism critic. A damaged cached one is named and forgotten.
    Where `elsewhere`, one that ships for the same in another key will do, too (`FoundActor.shift`).
    """
    start, request = model.prior(prior).identity, common_request(rule)
    if request and not realism and (elsewhere or not request.root) and (stored := _common(model, start)):
        return FoundActor(stored, "shipped", request.root - 12 * (request.root > HIGHEST), request)
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
    seed: int = 0,
) -> FoundActor:
    """Fit an actor and write it to `path`, with the request that the rule comes from, where that is given.

    `decoding` is told how much of the bank is there, where it must be made first. With `realism`, the actor also pays
    for what that critic takes for unreal. The arrangement that the rule asks for is looked for first; draws will begin
    in it. `seed` is of everything random in the fit.

    Raises:
        InputError: `path` can't be written; found out before the work, not after.
    """
    probe(path)
    box = MelodyBox(model.vae, rule)
    bank = find_bank(model, model.prior(prior), decoding)
    written = model.prior(prior).name == "learnt"  # otherwise nothing was, that could be transposed or arranged
    with fixed_threads(threads):
        arrangement = asked_for(box, bank) if written else ()

        def measure(actor: Actor) -> Measurement:
            drawing = Drawing(rule, model.vae, arrangement)
            return measured_draws(box, drawing, bank[: min(JUDGES, settings.measure)], actor, model.sigma_bar, written)

        fitted = fit_on_bank(box, bank, model, report, settings, threads, realism=realism, measure=measure, seed=seed)
    about = {"model": model.fingerprint, "prior": model.prior(prior).identity, "rule": rule.identity}
    save_actor(path, fitted, **about, parts=rule.names, request=request, preparation=arrangement)
    if not fitted.interrupted:
        keep_critic(fitted.critic, model, rule, prior)
    return FoundActor(load_actor(path), "fitted")


def find_critic(
    model: LoadedModel,
    rule: Rule,
    actor: Actor,
    prior: PriorName | None = None,
    report: Progress = lambda _: None,
    threads: int = THREADS,
    decoding: BankReport = lambda done, of: None,
) -> Critic:
    """The critic for a model, its prior and a rule: cached, or taught now and cached.

    It learns from the bank and from what the `actor` for the rule makes, which stays as it is. `report` hears of
    `LESSONS` rounds where that takes time.
    """
    if found := kept_critic(model, rule, prior):
        return found
    settings = replace(SETTINGS, rounds=LESSONS, actor_steps=0, check_every=LESSONS, check=1, measure=1)
    box = MelodyBox(model.vae, rule)
    bank = find_bank(model, model.prior(prior), decoding)
    taught = fit_on_bank(box, bank, model, report, settings, threads, actor).critic
    keep_critic(taught, model, rule, prior)
    return kept_critic(model, rule, prior) or taught


def asked_for(box: MelodyBox, bank: SampleBank) -> Arrangement:
    """The arrangement that a rule asks for, found on a few samples of a bank."""

    def decode(events: Events) -> Events:
        with autocast():
            return given_back(box.vae, events)[1]

    return Search(box.rule, decode).run(nearest(box.rule, bank[JUDGES : JUDGES + ASKED].events.numpy()))


def measured_draws(
    box: MelodyBox, drawing: Drawing, bank: SampleBank, actor: Actor, sigma_bar: Tensor, written: bool = True
) -> Measurement:
    """What a bank's samples give as draws for a rule do, and where they begin if they were written."""
    with autocast():
        begun = drawing.begin_at(bank.events) if written else Draft.of(box.vae, bank.z)
        done = drawing.finish(begun, actor)
    labels = box.draw_labels(len(bank.z), torch.Generator())
    return summarise(score_samples(box, done.z, done.events.to(torch.uint8), labels), begun.z, sigma_bar)


def fit_on_bank(
    box: Objective,
    bank: SampleBank,
    model: LoadedModel,
    report: Progress,
    settings: FitSettings,
    threads: int,
    actor: Actor | None = None,
    realism: Weighted | None = None,
    starts: Samples | None = None,
    measure: Measure | None = None,
    seed: int = 0,
) -> FitResult:
    """A fit whose first lessons are a bank's samples, but for those that judge actors; see `melodylc.latent.fit`."""
    lessons = slice(JUDGES, JUDGES + settings.bank)
    with fixed_threads(threads):
        return fit(
            box,
            model.sigma_bar,
            bank=Samples.without_scores(bank.z[lessons], bank.events[lessons]),
            measure=measure,
            starts=starts,
            settings=replace(settings, extra_cost_weight=realism.weight if realism else 0.0),
            seed=seed,
            report=report,
            initial_actor=actor,
            initial_critic=load_pretrained_critic(pretrained_critic_path()),
            extra_cost=realism.critic.cost if realism else None,
            augment=_distort,
        )


def _distort(events: Tensor, generator: torch.Generator) -> Tensor:
    """Other melodies, (n, 256), uint8, made of those."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return augment_melodies(canonical_events(events.long()), Noise(seed)).to(torch.uint8)


def _common(model: LoadedModel, prior: str) -> StoredActor | None:
    """The actor for the common requests that comes with the package, if it is of this model and prior."""
    path = pretrained() / "common.safetensors"
    header = read_header(path) if path.exists() else None
    return load_actor(path) if header and (header.model, header.prior) == (model.fingerprint, prior) else None


def cache_path(model: LoadedModel, rule: Rule, prior: PriorName | None = None, realism: Weighted | None = None) -> Path:
    """Where the fitted actor of a model, a prior and a rule is kept; how it is fitted is part of the name."""
    also = (realism.weight, realism.critic.fingerprint) if realism else None
    of = (
        model.fingerprint,
        model.prior(prior).identity,
        rule.identity,
        SETTINGS,
        ASKED,
        pretrained_critic_fingerprint(),
        also,
    )
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
