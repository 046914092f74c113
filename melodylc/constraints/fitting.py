"""Fitting on the bank: how an actor and its critic are trained for a rule, and a critic alone.

The bank's samples are the first lessons; from then on actor and critic take turns on melodies that the actor makes
(`melodylc.latent.fit`). What measures an actor is given from outside: it depends on the method that will sample.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from melodylc.constraints.bank import Bank as SampleBank
from melodylc.constraints.bank import BankReport, find_bank
from melodylc.constraints.critic_cache import keep_critic, kept_critic
from melodylc.constraints.objective import MelodyBox
from melodylc.constraints.pretraining.augmentation import augment_melodies, canonical_events
from melodylc.constraints.pretraining.store import load_pretrained_critic, pretrained_critic_path
from melodylc.constraints.realism import RealismCritic
from melodylc.data.errors import InputError
from melodylc.data.files import check_writable, reason
from melodylc.latent.actor import Actor
from melodylc.latent.critic import Critic
from melodylc.latent.fit import DistanceWeight, FitResult, FitSettings, MeasureActor, Progress, fit
from melodylc.latent.objective import Objective
from melodylc.latent.samples import Samples
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.noise import Noise
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
CRITIC_ROUNDS = 8  #: rounds in which a critic is trained that an actor lacks, on what that actor writes
THREADS = 2  #: the same for all, because it decides how sums are rounded, and so which actor a rule gets
EDIT_SAMPLES = 48  #: samples of the bank, on which the edits that a rule likes are found
HELD_BACK = 1024  #: samples of the bank that nothing is trained on: an actor is measured on as many as it takes


@dataclass(frozen=True)
class RealismTerm:
    """A realism critic, and how much its cost weighs in a fit."""

    critic: RealismCritic
    weight: float  #: positive


def fit_on_bank(
    box: Objective,
    bank: SampleBank,
    model: LoadedModel,
    report: Progress,
    settings: FitSettings,
    threads: int,
    actor: Actor | None = None,
    realism: RealismTerm | None = None,
    starts: Samples | None = None,
    judge: MeasureActor | None = None,
    seed: int = 0,
) -> FitResult:
    """A fit whose first lessons are a bank's samples, but for those that judge actors; see `melodylc.latent.fit`."""
    lessons = slice(HELD_BACK, HELD_BACK + settings.bank)
    with fixed_threads(threads):
        return fit(
            box,
            model.sigma_bar,
            bank=Samples.without_scores(bank.z[lessons], bank.events[lessons]),
            measure=judge,
            starts=starts,
            settings=replace(settings, extra_cost_weight=realism.weight if realism else 0.0),
            seed=seed,
            report=report,
            initial_actor=actor,
            extra_cost=realism.critic.cost if realism else None,
            initial_critic=load_pretrained_critic(pretrained_critic_path()),
            augment=_augment,
        )


def find_critic(
    model: LoadedModel,
    rule: Rule,
    actor: Actor,
    prior: PriorName | None = None,
    report: Progress = lambda _: None,
    threads: int = THREADS,
    decoding: BankReport = lambda done, of: None,
) -> Critic:
    """The critic for a model, its prior and a rule: cached, or trained now and cached.

    It learns from the bank and from what the `actor` for the rule makes, which stays as it is. `report` hears of
    `CRITIC_ROUNDS` rounds where that takes time.
    """
    if found := kept_critic(model, rule, prior):
        return found
    settings = replace(SETTINGS, rounds=CRITIC_ROUNDS, actor_steps=0, check_every=CRITIC_ROUNDS, check=1, measure=1)
    box = MelodyBox(model.vae, rule)
    bank = find_bank(model, model.prior(prior), decoding)
    trained = fit_on_bank(box, bank, model, report, settings, threads, actor).critic
    keep_critic(trained, model, rule, prior)
    return kept_critic(model, rule, prior) or trained


def _augment(events: Tensor, generator: torch.Generator) -> Tensor:
    """Other melodies, (n, 256), uint8, made of those."""
    seed = int(torch.randint(2**62, (1,), generator=generator))
    return augment_melodies(canonical_events(events.long()), Noise(seed)).to(torch.uint8)


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
