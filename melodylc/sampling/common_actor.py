"""Fitting the one actor for the common requests (`melodylc.constraints.common_requests`).

It learns where it is needed: on draws as they begin for one of the requests, snapped to the scale and divided where
many notes are asked, which don't obey by then.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from melodylc.constraints.actors import JUDGES, FoundActor, fit_on_bank
from melodylc.constraints.bank import Bank, find_bank
from melodylc.constraints.common_requests import IDENTITY, IN_C, PARTS, CommonRequest
from melodylc.constraints.objective import CommonBox
from melodylc.latent.actor import Actor, informed
from melodylc.latent.beginning import Known
from melodylc.latent.fitted import Progress
from melodylc.latent.precision import brief
from melodylc.latent.scores import Measured, answered, summarise
from melodylc.latent.settings import FitSettings
from melodylc.latent.store import load_actor, save_actor
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.vae import MelodyVAE
from melodylc.sampling.mixture import Drawing


def fit_common_actor(
    model: LoadedModel, path: Path, report: Progress, settings: FitSettings, threads: int, start: Actor | None = None
) -> FoundActor:
    """Fit the actor for all common requests, from the model's best prior, and write it to `path`; it begins as `start`.

    `settings.bank` is how many samples it learns on, and `settings.measure` how many judge it in the end.
    """
    prior, box = model.prior(), CommonBox(model.vae)
    bank = find_bank(model, prior, lambda done, of: None)
    starts = missing(model.vae, bank[JUDGES : JUDGES + settings.bank])

    def judge(actor: Actor) -> Measured:
        return measured(box, bank[: min(JUDGES, settings.measure)], actor, model.sigma_bar)

    fitted = fit_on_bank(box, bank, model, report, settings, threads, start, starts=starts, judge=judge)
    parts = tuple(part.name for part in PARTS)
    save_actor(path, fitted, model=model.fingerprint, prior=prior.identity, rule=IDENTITY, parts=parts)
    return FoundActor(load_actor(path), "fitted")


def missing(vae: MelodyVAE, bank: Bank) -> Known:
    """Where draws begin that don't obey yet, a twelfth of a bank's samples for each request."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    with brief():
        for request, part in _shared(bank):
            drawing = Drawing(request.rule, vae, request.arrangement, gentle=None)  # mending would hide what is missing
            begun = drawing.begin_at(part.events)
            rows = drawing.content(begun.events) < 1
            told = request.label.expand(int(rows.sum()), -1)
            found.append((begun.z[rows], begun.events[rows].to(torch.uint8), told))
    return Known(*map(torch.cat, zip(*found, strict=True)))


def measured(box: CommonBox, bank: Bank, actor: Actor, sigma_bar: Tensor) -> Measured:
    """What draws do that begin as a bank's samples, a twelfth of them for each request."""
    begun, done, events, told = (
        torch.cat(fields)
        for fields in zip(*(_drawn(request, box.vae, part, actor) for request, part in _shared(bank)), strict=True)
    )
    return summarise(answered(box, done, events, told), begun, sigma_bar)


def _drawn(request: CommonRequest, vae: MelodyVAE, bank: Bank, actor: Actor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Latents as draws begin and end, what they become, and what is asked of them."""
    drawing = Drawing(request.rule, vae, request.arrangement)
    with brief():
        begun = drawing.begin_at(bank.events)
        done = drawing.finish(begun, informed(actor, request.label[None]))
    return begun.z, done.z, done.events.to(torch.uint8), request.label.expand(len(bank.z), -1)


def _shared(bank: Bank) -> Iterator[tuple[CommonRequest, Bank]]:
    """The requests in C, each with every twelfth of a bank's samples; of fewer than twelve, some without."""
    for number, request in enumerate(IN_C[: len(bank.z)]):
        yield request, bank[number :: len(IN_C)]
