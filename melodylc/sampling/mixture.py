"""Drawing for a rule: begun where it nearly holds, moved where that isn't enough, and mended where that isn't.

1. What a prior wrote is transposed and arranged as the rule likes best (`melodylc.edits.transposition`) and encoded;
   bars that come out otherwise, and break the rule, are mended (`melodylc.models.mending`).
2. What obeys by now stays. The actor moves the rest.
3. What doesn't obey then is mended, in several passes, each trying harder, from what obeys best by then.

An actor goes far, and leaves a wrong note here and there, since slopes of single steps don't find the last; mending
finds those, and doesn't go far. One melody of the prior is one melody in the end: none is thrown away for another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.edits.operators import Arrangement, arranged
from melodylc.edits.transposition import nearest, transposed
from melodylc.models.bars import Move
from melodylc.models.mending import Mending
from melodylc.models.prior import Numbers, Prior
from melodylc.models.vae import MelodyVAE
from melodylc.rewards import Rule

Events = npt.NDArray[np.uint8]
GENTLE = Mending(scales=(1.0, 1.0, 1.0), candidates=16)
FIRM = (
    Mending(scales=(1.0, 1.0, 2.0), candidates=16, seed=1),
    Mending(scales=(1.0, 2.0, 2.0), candidates=32, seed=2),
    Mending(scales=(1.0, 2.0, 2.0), candidates=64, seed=3),
)
PATIENCE = 2  #: passes that brought nothing, after which no longer one is tried


@dataclass(frozen=True)
class Draft:
    """Latents on their way to melodies."""

    z: Tensor  #: (n, z)
    events: Tensor  #: (n, 256), int64, raw: what they become
    cost: Tensor  #: (n,), float64: melodies that were decoded for each so far

    @classmethod
    def of(cls, vae: MelodyVAE, z: Tensor, move: Move | None = None) -> "Draft":
        """Latents (n, z), moved or not, decoded once."""
        moved, events = vae.write(z, move)
        return cls(moved.float(), events, torch.ones(len(z), dtype=torch.float64))


@dataclass(frozen=True)
class Drawing:
    """How a rule's melodies are drawn.

    >>> from melodylc.constraints.actors import shipped_model
    >>> from melodylc.rewards import pitch_classes
    >>> model, rule = shipped_model(), Rule((pitch_classes([0, 2, 4, 7, 9]),))
    >>> drawing = Drawing(rule, model.vae, (("snap", 0, 2, 4, 7, 9),))
    >>> numbers = np.stack([model.prior().numbers(np.random.default_rng(seed)) for seed in range(8)])
    >>> int((drawing.content(drawing.begin(model.prior(), numbers).events) == 1).sum()) > 4
    True
    """

    rule: Rule
    vae: MelodyVAE
    arrangement: Arrangement = ()
    shift: int = 0  #: semitones that melodies will be moved by once they are made
    gentle: Mending | None = field(default_factory=lambda: GENTLE)  #: as draws begin, where something is arranged
    firm: Sequence[Mending] = field(default_factory=lambda: FIRM)  #: pass by pass, in the end

    @torch.no_grad()
    def begin(self, prior: Prior, numbers: Numbers) -> Draft:
        """Where the draws of random numbers (n, k) begin; at the latents as they are where nothing was written."""
        written = prior.written(numbers)
        return Draft.of(self.vae, prior.latents(numbers)) if written is None else self.begin_at(written)

    @torch.no_grad()
    def begin_at(self, written: Tensor) -> Draft:
        """Where the draws begin that melodies (n, 256) were written for."""
        meant = torch.from_numpy(nearest(self.rule, _plain(written), self.shift, self.arrangement)).long()
        if not self.arrangement:
            return Draft.of(self.vae, self.vae.forced(meant, None)[0].z.float())
        if self.gentle is None:
            return Draft.of(self.vae, self.vae.encode(meant).z.float())
        z, events, cost = self.vae.mended(meant, self.content, self.gentle)
        return Draft(z.float(), events, cost)

    @torch.no_grad()
    def finish(self, draft: Draft, move: Move) -> Draft:
        """What draws become: those that don't obey are moved, and what doesn't obey then is mended."""
        content = self.content(draft.events)
        draft, content = self._changed(draft, content, content < 1, lambda some: Draft.of(self.vae, some.z, move))
        idle = torch.zeros(len(draft.z))
        for how in self.firm:
            before = content
            draft, content = self._changed(draft, before, (before < 1) & (idle < PATIENCE), partial(self._mended, how))
            idle = torch.where(content > before, 0, idle + 1)
        return draft

    def content(self, events: Tensor) -> Tensor:
        """How content the rule is with raw events (n, 256), int64: (n,), float64, 1 where they obey.

        The mean of the product of what its parts say and of their mean, which tells more where a part says 0.
        """
        parts = self.rule.graded(transposed(canonical(_plain(events))[0], self.shift))
        return torch.from_numpy((parts.prod(axis=1) + parts.mean(axis=1)) / 2)

    def _changed(
        self, draft: Draft, content: Tensor, which: Tensor, change: Callable[[Draft], Draft]
    ) -> tuple[Draft, Tensor]:
        """Drafts of which some are changed, where that makes them no worse, and how content the rule is with each."""
        rows = which.nonzero().flatten()
        if not len(rows):
            return draft, content
        other = change(Draft(draft.z[rows], draft.events[rows], draft.cost[rows]))
        after = self.content(other.events)
        better = after >= content[rows]
        z, events, cost, content = draft.z.clone(), draft.events.clone(), draft.cost.clone(), content.clone()
        z[rows[better]], events[rows[better]] = other.z[better], other.events[better]
        content[rows[better]] = after[better]
        cost[rows] += other.cost
        return Draft(z, events, cost), content

    def _mended(self, how: Mending, draft: Draft) -> Draft:
        """Mended once, towards what they would be if they were arranged anew where that is better."""
        now = torch.from_numpy(canonical(_plain(draft.events))[0]).long()
        anew = torch.from_numpy(arranged(_plain(now), self.arrangement)).long()
        rather = (self.content(anew) > self.content(now))[:, None]
        meant = torch.where(rather, anew, now)
        start = torch.where(rather, self.vae.forced(anew, None)[0].z.float(), draft.z)
        z, events, cost = self.vae.mended(meant, self.content, how, start)
        return Draft(z.float(), events, cost)


def _plain(events: Tensor) -> Events:
    return events.to(torch.uint8).numpy()
