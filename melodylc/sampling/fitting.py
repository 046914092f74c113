"""Actors for sampling: looked up, or fitted now and measured as the combined method samples.

    actor_for    what a method asks for: shipped, cached, or fitted now and cached
    fit_actor    an actor for one rule, as a file
    fit_common_actor   the one actor that serves the common requests (`melodylc.constraints.common_requests`)

The actor for the common requests learns where it is needed: on what start as samples for one of the requests, snapped
to the scale and divided where many notes are asked, and don't follow it by then.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from melodylc.cache import cache_entry
from melodylc.constraints import fitting
from melodylc.constraints.actors import FoundActor, cache_path, find_actor, load_given_actor
from melodylc.constraints.bank import Bank, BankReport, find_bank
from melodylc.constraints.common_requests import IDENTITY, IN_C, PARTS, CommonRequest
from melodylc.constraints.critic_cache import keep_critic
from melodylc.constraints.fitting import THREADS, RealismTerm, find_critic, fit_on_bank, probe
from melodylc.constraints.objective import CommonBox, MelodyBox
from melodylc.constraints.realism import find_realism
from melodylc.data.arrays import Events
from melodylc.edits.operators import EditSequence
from melodylc.edits.search import EditSearch
from melodylc.edits.transposition import best_transposition, reconstruct_events
from melodylc.latent.actor import Actor, condition
from melodylc.latent.critic import Critic
from melodylc.latent.fit import FitSettings, Progress, Round
from melodylc.latent.precision import autocast
from melodylc.latent.samples import Measurement, Samples, score_samples, summarise
from melodylc.latent.store import load_actor, save_actor
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule
from melodylc.sampling.mixture import Decoding, Mixture
from melodylc.threads import fixed_threads

if TYPE_CHECKING:
    from melodylc.sampling.methods.base import Task


def actor_for(task: "Task", *, other_keys: bool) -> FoundActor | None:
    """The actor for a task's rule: the file that it names, shipped, cached, or fitted now and cached.

    None where nothing is asked. With `other_keys`, one that ships for the same in another key will do.
    """
    model, rule, reporter = task.model, task.rule, task.reporter
    if task.actor is not None:
        return load_given_actor(task.actor, model, task.request, task.prior)
    if rule is None:
        return None
    realism = RealismTerm(find_realism(model), task.realism) if task.realism else None
    found = find_actor(model, rule, task.prior, reporter.note, realism, other_keys)
    if found is None:
        with cache_entry(cache_path(model, rule, task.prior, realism), reporter.note) as path:
            # Another process may have learnt it while this one waited for the entry.
            found = find_actor(model, rule, task.prior, reporter.note, realism, other_keys)
            if found is None:
                reporter.note(f"nothing has been learnt for {rule.identity} yet: learning it now")
                found = fit_for(task, path, fitting.SETTINGS, realism)
    return found


def fit_for(task: "Task", path: Path, settings: FitSettings, realism: RealismTerm | None = None) -> FoundActor:
    """Fit an actor for a task's rule, which it must have, into a file, and report how far that is."""
    if task.rule is None:
        raise ValueError("an actor is fitted to a rule, and the task has none")
    reporter, rounds = task.reporter, settings.rounds
    reporter.progress("scoring samples of the model", 0, rounds)
    finished = 0

    def report(done: Round) -> None:
        best = "" if done.best is None else f", best {done.best:.1%}"
        nonlocal finished
        finished += 1
        reporter.progress(f"learning: {done.measurement.rate:.1%} follow the rule{best}", finished, rounds)

    def decoding(done: int, of: int) -> None:
        reporter.progress("writing samples of the model, kept for the next rule", done, of)

    request = task.request.to_dict()
    return fit_actor(
        task.model, task.rule, path, report, settings, request, task.prior, decoding=decoding, realism=realism
    )


def critic_for(task: "Task", actor: FoundActor, rule: Rule | None = None) -> Critic:
    """The critic for a rule, the task's unless another is given: cached, or trained now and cached."""
    rule = task.rule if rule is None else rule
    if rule is None:
        raise ValueError("a critic judges a rule, and the task has none")
    finished = 0

    def report(done: Round) -> None:
        nonlocal finished
        finished += 1
        task.reporter.progress("training a critic, kept for the next time", finished, fitting.CRITIC_ROUNDS)

    task.reporter.progress("looking for the critic", 0, fitting.CRITIC_ROUNDS)
    return find_critic(task.model, rule, actor.move, task.prior, report)


def fit_actor(
    model: LoadedModel,
    rule: Rule,
    path: Path,
    report: Progress,
    settings: FitSettings | None = None,
    request: Mapping[str, Any] | None = None,
    prior: PriorName | None = None,
    threads: int = THREADS,
    decoding: BankReport = lambda done, of: None,
    realism: RealismTerm | None = None,
    seed: int = 0,
) -> FoundActor:
    """Fit an actor and write it to `path`, with the request that the rule comes from, where that is given.

    `decoding` is told how much of the bank is there, where it must be made first. With `realism`, the actor also pays
    for what that critic takes for unreal. The edits that the rule asks for is looked for first; draws will begin
    in it. `seed` is of everything random in the fit.

    Raises:
        InputError: `path` can't be written; found out before the work, not after.
    """
    settings = settings or fitting.SETTINGS
    probe(path)
    box = MelodyBox(model.vae, rule)
    bank = find_bank(model, model.prior(prior), decoding)
    written = model.prior(prior).name == "learnt"  # otherwise nothing was, that could be transposed or arranged
    with fixed_threads(threads):
        edits = find_edits(box, bank) if written else ()

        def judge(actor: Actor) -> Measurement:
            mixture = Mixture(rule, model.vae, edits)
            return measure_actor(
                box, mixture, bank[: min(fitting.HELD_BACK, settings.measure)], actor, model.sigma_bar, written
            )

        fitted = fit_on_bank(box, bank, model, report, settings, threads, realism=realism, judge=judge, seed=seed)
    about = {"model": model.fingerprint, "prior": model.prior(prior).identity, "rule": rule.identity}
    save_actor(path, fitted, **about, parts=rule.names, request=request, preparation=edits)
    if not fitted.interrupted:
        keep_critic(fitted.critic, model, rule, prior)
    return FoundActor(load_actor(path), "fitted")


def find_edits(box: MelodyBox, bank: Bank) -> EditSequence:
    """The edits that a rule asks for, found on a few samples of a bank."""

    def decode(events: Events) -> Events:
        with autocast():
            return reconstruct_events(box.vae, events)[1]

    return EditSearch(box.rule, decode).run(
        best_transposition(box.rule, bank[fitting.HELD_BACK : fitting.HELD_BACK + fitting.EDIT_SAMPLES].events.numpy())
    )


def measure_actor(
    box: MelodyBox, mixture: Mixture, bank: Bank, actor: Actor, sigma_bar: Tensor, written: bool = True
) -> Measurement:
    """How a bank's samples follow a rule once the actor and its mixture are done with them, and as they start."""
    with autocast():
        start = mixture.start_from(bank.events) if written else Decoding.of(box.vae, bank.z)
        done = mixture.finish(start, actor)
    labels = box.draw_labels(len(bank.z), torch.Generator())
    return summarise(score_samples(box, done.z, done.events.to(torch.uint8), labels), start.z, sigma_bar)


def fit_common_actor(
    model: LoadedModel, path: Path, report: Progress, settings: FitSettings, threads: int, start: Actor | None = None
) -> FoundActor:
    """Fit the actor for all common requests, from the model's best prior, and write it to `path`; it begins as `start`.

    `settings.bank` is how many samples it learns on, and `settings.measure` how many judge it in the end.
    """
    prior, box = model.prior(), CommonBox(model.vae)
    bank = find_bank(model, prior, lambda done, of: None)
    starts = failing_starts(model.vae, bank[fitting.HELD_BACK : fitting.HELD_BACK + settings.bank])

    def judge(actor: Actor) -> Measurement:
        return measure_common_actor(box, bank[: min(fitting.HELD_BACK, settings.measure)], actor, model.sigma_bar)

    fitted = fit_on_bank(box, bank, model, report, settings, threads, start, starts=starts, judge=judge)
    parts = tuple(part.name for part in PARTS)
    save_actor(path, fitted, model=model.fingerprint, prior=prior.identity, rule=IDENTITY, parts=parts)
    return FoundActor(load_actor(path), "fitted")


def failing_starts(vae: MelodyVAE, bank: Bank) -> Samples:
    """Where draws begin that don't obey yet, a twelfth of a bank's samples for each request."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    with autocast():
        for request, part in _by_request(bank):
            mixture = Mixture(request.rule, vae, request.edits, first_repair=None)  # mending would hide what is missing
            start = mixture.start_from(part.events)
            rows = mixture.satisfaction(start.events) < 1
            labels = request.label.expand(int(rows.sum()), -1)
            found.append((start.z[rows], start.events[rows].to(torch.uint8), labels))
    return Samples.without_scores(*map(torch.cat, zip(*found, strict=True)))


def measure_common_actor(box: CommonBox, bank: Bank, actor: Actor, sigma_bar: Tensor) -> Measurement:
    """What draws do that begin as a bank's samples, a twelfth of them for each request."""
    start, done, events, labels = (
        torch.cat(fields)
        for fields in zip(
            *(_sample_request(request, box.vae, part, actor) for request, part in _by_request(bank)), strict=True
        )
    )
    return summarise(score_samples(box, done, events, labels), start, sigma_bar)


def _sample_request(
    request: CommonRequest, vae: MelodyVAE, bank: Bank, actor: Actor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents as draws begin and end, what they become, and what is asked of them."""
    mixture = Mixture(request.rule, vae, request.edits)
    with autocast():
        start = mixture.start_from(bank.events)
        done = mixture.finish(start, condition(actor, request.label[None]))
    return start.z, done.z, done.events.to(torch.uint8), request.label.expand(len(bank.z), -1)


def _by_request(bank: Bank) -> Iterator[tuple[CommonRequest, Bank]]:
    """The requests in C, each with every twelfth of a bank's samples; of fewer than twelve, some without."""
    for number, request in enumerate(IN_C[: len(bank.z)]):
        yield request, bank[number :: len(IN_C)]
