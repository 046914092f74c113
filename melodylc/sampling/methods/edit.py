"""Edits without any model of latents: what the prior wrote, transposed, and changed as an arranger would.

Each melody is moved to the transposition that the rule likes best; where that isn't enough, edit operators (snap to a
scale, divide, repeat bars, ...; `melodylc.edits.operators`) are applied. Which ones, a greedy search finds by asking
the rule about a few samples. The share of steps that edits changed stands with every melody: edited notes are no longer
the model's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from melodylc.constraints.bank import find_bank
from melodylc.constraints.common_requests import common_request
from melodylc.constraints.fitting import EDIT_SAMPLES, HELD_BACK
from melodylc.data.alphabet import canonical
from melodylc.data.errors import InputError
from melodylc.edits.operators import EditSequence
from melodylc.edits.search import EditSearch
from melodylc.edits.transposition import best_transposition
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.prior import Prior, stream_numbers
from melodylc.rewards import Rule
from melodylc.sampling.methods.base import Candidates, Method, Task


@dataclass(frozen=True)
class Edit(Method):
    """What the prior wrote, transposed and edited."""

    name = "edit"
    summary = "transposition and edits alone, no critic and no actor: obedient, and heard as edited"

    model: LoadedModel
    prior: Prior
    rule: Rule
    edits: EditSequence

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """The edits that the rule asks for, found on a few samples of the bank.

        Raises:
            InputError: nothing is asked, so nothing needs editing.
        """
        if (rule := task.rule) is None:
            raise InputError("--method edit follows a rule, and none is given: give --scale, --density or --reward")
        prior = task.model.prior(task.prior)
        return cls(task.model, prior, rule, _edits_for(task.model, prior, rule))

    @torch.no_grad()
    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """One sample of the prior each, edited where that makes the rule happier."""
        random = stream_numbers(self.prior, seed, numbers, attempt)
        written = self.prior.melodies(random)
        raw = self.model.vae.raw_events(self.prior.latents(random)) if written is None else written
        before, rests = canonical(raw.to(torch.uint8).numpy())
        plain = best_transposition(self.rule, before)
        events = best_transposition(self.rule, before, 0, self.edits)
        share = (events != plain).mean(axis=1)
        details = [{"edited": round(float(one), 4)} for one in share]
        return Candidates(events, [0.0] * len(events), rests.sum(axis=1).tolist(), details)

    def to_dict(self) -> dict[str, Any]:
        """The edits."""
        return {"edits": [list(step) for step in self.edits]}


def _edits_for(model: LoadedModel, prior: Prior, rule: Rule) -> EditSequence:
    if (request := common_request(rule)) and not request.root:
        return request.edits
    bank = find_bank(model, prior)[HELD_BACK : HELD_BACK + EDIT_SAMPLES]
    return EditSearch(rule, lambda events: events).run(best_transposition(rule, bank.events.numpy()))
