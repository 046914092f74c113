"""Fitting the one actor for the common requests (`melodylc.common`).

It learns where it is needed: on draws as they begin for one of the requests, snapped to the scale and divided where
many notes are asked, which don't obey by then.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from melodylc.actors import JUDGES, FoundActor, fit_on_bank
from melodylc.bank import Bank, find_bank
from melodylc.box import CommonBox
from melodylc.common import IDENTITY, IN_C, PARTS, CommonRequest
from melodylc.drawing import Drawing
from melodylc.latent.actor import Actor, condition
from melodylc.latent.fit import FitSettings, Progress
from melodylc.latent.precision import autocast
from melodylc.latent.samples import Measurement, Samples, score_samples, summarise
from melodylc.latent.store import load_actor, save_actor
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.vae import MelodyVAE


def fit_common_actor(
    model: LoadedModel, path: Path, report: Progress, settings: FitSettings, threads: int, start: Actor | None = None
) -> FoundActor:
    """Fit the actor for all common requests, from the model's best prior, and write it to `path`; it begins as `start`.

    `settings.bank` is how many samples it learns on, and `settings.measure` how many judge it in the end.
    """
    prior, box = model.prior(), CommonBox(model.vae)
    bank = find_bank(model, prior, lambda done, of: None)
    starts = missing(model.vae, bank[JUDGES : JUDGES + settings.bank])

    def measure(actor: Actor) -> Measurement:
        return measured(box, bank[: min(JUDGES, settings.measure)], actor, model.sigma_bar)

    fitted = fit_on_bank(box, bank, model, report, settings, threads, start, starts=starts, measure=measure)
    parts = tuple(part.name for part in PARTS)
    save_actor(path, fitted, model=model.fingerprint, prior=prior.identity, rule=IDENTITY, parts=parts)
    return FoundActor(load_actor(path), "fitted")


def missing(vae: MelodyVAE, bank: Bank) -> Samples:
    """Where draws begin that don't obey yet, a twelfth of a bank's samples for each request."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    with autocast():
        for request, part in _shared(bank):
            drawing = Drawing(request.rule, vae, request.arrangement, gentle=None)  # mending would hide what is missing
            begun = drawing.begin_at(part.events)
            rows = drawing.content(begun.events) < 1
            told = request.label.expand(int(rows.sum()), -1)
            found.append((begun.z[rows], begun.events[rows].to(torch.uint8), told))
    return Samples.without_scores(*map(torch.cat, zip(*found, strict=True)))


def measured(box: CommonBox, bank: Bank, actor: Actor, sigma_bar: Tensor) -> Measurement:
    """What draws do that begin as a bank's samples, a twelfth of them for each request."""
    begun, done, events, told = (
        torch.cat(fields)
        for fields in zip(*(_drawn(request, box.vae, part, actor) for request, part in _shared(bank)), strict=True)
    )
    return summarise(score_samples(box, done, events, told), begun, sigma_bar)


def _drawn(request: CommonRequest, vae: MelodyVAE, bank: Bank, actor: Actor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents as draws begin and end, what they become, and what is asked of them."""
    drawing = Drawing(request.rule, vae, request.arrangement)
    with autocast():
        begun = drawing.begin_at(bank.events)
        done = drawing.finish(begun, condition(actor, request.label[None]))
    return begun.z, done.z, done.events.to(torch.uint8), request.label.expand(len(bank.z), -1)


def _shared(bank: Bank) -> Iterator[tuple[CommonRequest, Bank]]:
    """The requests in C, each with every twelfth of a bank's samples; of fewer than twelve, some without."""
    for number, request in enumerate(IN_C[: len(bank.z)]):
        yield request, bank[number :: len(IN_C)]
