"""Transposition and edits, the VAE, the actor and local search, in this order.

1. What a prior wrote is transposed and edited as the rule likes best (`melodylc.edits.transposition`) and encoded; bars
   that come out otherwise, and break the rule, are repaired by local search (`melodylc.models.local_search`).
2. What follows the rule by now stays. The actor moves the rest.
3. What doesn't follow it then is repaired, in several passes, each trying harder, from the best so far.

An actor goes far, and leaves a wrong note here and there, since slopes of single steps don't find the last; local
search finds those, and doesn't go far. One melody of the prior is one melody in the end: none is thrown away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.data.arrays import Events
from melodylc.edits.operators import EditSequence, apply_edits
from melodylc.edits.transposition import best_transposition, transpose_events
from melodylc.latent.actor import Move
from melodylc.models.local_search import LocalSearch
from melodylc.models.prior import Numbers, Prior
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule

FIRST_REPAIR = LocalSearch(scales=(1.0, 1.0, 1.0), candidates=16)
REPAIRS = (
    LocalSearch(scales=(1.0, 1.0, 2.0), candidates=16, seed=1),
    LocalSearch(scales=(1.0, 2.0, 2.0), candidates=32, seed=2),
    LocalSearch(scales=(1.0, 2.0, 2.0), candidates=64, seed=3),
)
PATIENCE = 2  #: passes that brought nothing, after which no longer one is tried


@dataclass(frozen=True)
class Decoding:
    """Latents on their way to melodies."""

    z: Tensor  #: (n, z)
    events: Tensor  #: (n, 256), int64, raw: what they become
    cost: Tensor  #: (n,), float64: melodies that were decoded for each so far

    @classmethod
    def of(cls, vae: MelodyVAE, z: Tensor, move: Move | None = None) -> "Decoding":
        """Latents (n, z), moved or not, decoded once."""
        moved, events = vae.decode_moved(z, move)
        return cls(moved.float(), events, torch.ones(len(z), dtype=torch.float64))


@dataclass(frozen=True)
class Mixture:
    """How melodies are made to follow a rule.

    >>> from melodylc.models.checkpoint import shipped_model
    >>> from melodylc.models.prior import stream_numbers
    >>> from melodylc.rewards import pitch_classes
    >>> model, rule = shipped_model(), Rule((pitch_classes([0, 2, 4, 7, 9]),))
    >>> mixture = Mixture(rule, model.vae, (("snap", 0, 2, 4, 7, 9),))
    >>> numbers = stream_numbers(model.prior(), 1, range(1, 9))
    >>> int((mixture.satisfaction(mixture.start(model.prior(), numbers).events) == 1).sum()) > 4
    True
    """

    rule: Rule
    vae: MelodyVAE
    edits: EditSequence = ()
    shift: int = 0  #: semitones that melodies are transposed by in the end
    #: of what was edited and came out of the VAE otherwise
    first_repair: LocalSearch | None = field(default_factory=lambda: FIRST_REPAIR)
    repairs: Sequence[LocalSearch] = field(default_factory=lambda: REPAIRS)  #: pass by pass, in the end

    @torch.no_grad()
    def start(self, prior: Prior, numbers: Numbers) -> Decoding:
        """What random numbers (n, k) start as; the latents as they are where the prior writes no melodies."""
        melodies = prior.melodies(numbers)
        return Decoding.of(self.vae, prior.latents(numbers)) if melodies is None else self.start_from(melodies)

    @torch.no_grad()
    def start_from(self, melodies: Tensor) -> Decoding:
        """What melodies (n, 256) of the prior start as."""
        target = torch.from_numpy(best_transposition(self.rule, _plain(melodies), self.shift, self.edits)).long()
        if not self.edits:
            return Decoding.of(self.vae, self.vae.teacher_forced(target, None)[0].z.float())
        if self.first_repair is None:
            return Decoding.of(self.vae, self.vae.encode(target).z.float())
        z, events, cost = self.vae.local_search(target, self.satisfaction, self.first_repair)
        return Decoding(z.float(), events, cost)

    @torch.no_grad()
    def finish(self, decoding: Decoding, move: Move) -> Decoding:
        """The rest of the way: what doesn't follow the rule is moved, and repaired where it doesn't then."""
        satisfaction = self.satisfaction(decoding.events)
        decoding, satisfaction = self._change_some(
            decoding, satisfaction, satisfaction < 1, lambda some: Decoding.of(self.vae, some.z, move)
        )
        idle = torch.zeros(len(decoding.z))
        for how in self.repairs:
            before = satisfaction
            decoding, satisfaction = self._change_some(
                decoding, before, (before < 1) & (idle < PATIENCE), partial(self._repair, how)
            )
            idle = torch.where(satisfaction > before, 0, idle + 1)
        return decoding

    def satisfaction(self, events: Tensor) -> Tensor:
        """The rule's satisfaction with raw events (n, 256), int64: (n,), float64, 1 where they follow it.

        The mean of the product of what its parts say and of their mean, which tells more where a part says 0.
        """
        parts = self.rule.graded(transpose_events(canonical(_plain(events))[0], self.shift))
        return torch.from_numpy((parts.prod(axis=1) + parts.mean(axis=1)) / 2)

    def _change_some(
        self, decoding: Decoding, satisfaction: Tensor, which: Tensor, change: Callable[[Decoding], Decoding]
    ) -> tuple[Decoding, Tensor]:
        """Some changed, where that makes them no worse, and the rule's satisfaction with each."""
        rows = which.nonzero().flatten()
        if not len(rows):
            return decoding, satisfaction
        other = change(Decoding(decoding.z[rows], decoding.events[rows], decoding.cost[rows]))
        after = self.satisfaction(other.events)
        better = after >= satisfaction[rows]
        z, events, cost, satisfaction = (
            decoding.z.clone(),
            decoding.events.clone(),
            decoding.cost.clone(),
            satisfaction.clone(),
        )
        z[rows[better]], events[rows[better]] = other.z[better], other.events[better]
        satisfaction[rows[better]] = after[better]
        cost[rows] += other.cost
        return Decoding(z, events, cost), satisfaction

    def _repair(self, how: LocalSearch, decoding: Decoding) -> Decoding:
        """Searched once, towards what they would be if they were edited anew where that is better."""
        now = torch.from_numpy(canonical(_plain(decoding.events))[0]).long()
        anew = torch.from_numpy(apply_edits(_plain(now), self.edits)).long()
        rather = (self.satisfaction(anew) > self.satisfaction(now))[:, None]
        target = torch.where(rather, anew, now)
        start = torch.where(rather, self.vae.teacher_forced(anew, None)[0].z.float(), decoding.z)
        z, events, cost = self.vae.local_search(target, self.satisfaction, how, start)
        return Decoding(z.float(), events, cost)


def _plain(events: Tensor) -> Events:
    return events.to(torch.uint8).numpy()
