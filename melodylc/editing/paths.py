"""Other ways from melodies to melodies: given back, varied, in between, and from one rule to another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from melodylc.data.alphabet import canonical
from melodylc.data.arrays import Events
from melodylc.data.melody import Melody
from melodylc.editing.proposals import Proposer
from melodylc.editing.transformer import EditResult, Transformer, edit_result
from melodylc.latent.distance import arc
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.noise import Noise
from melodylc.models.refinement import Refinement
from melodylc.threads import fixed_threads

_Report = Callable[[int], None]
_FARTHER = 1.25  # times the distance, where a variation is no other melody
_TRIES = 8


@dataclass(frozen=True)
class LatentPaths:
    """A model, and what makes melodies obey, if anything is asked of them."""

    model: LoadedModel
    transformer: Transformer | None = None
    prior: PriorName | None = None

    def reconstruct(self, melody: Melody, count: int, seed: int, refine: int = 0) -> list[EditResult]:
        """What the model gives back: of the posterior's mean first, then of draws from it.

        With `refine`, of a posterior that was fitted to the melody in so many steps.
        """
        events = torch.from_numpy(melody.events[None].astype(np.int64))
        how = Refinement(steps=refine) if refine else None
        chances = [None, *(Noise(seed + number) for number in range(2, count + 1))]
        with fixed_threads(1), torch.no_grad():
            z = torch.cat([self.model.vae.encode(events, chance, how).z for chance in chances])
        return [edit_result(number, melody, one) for number, one in enumerate(self._decode_melodies(z), start=1)]

    def vary(
        self, melody: Melody, count: int, seed: int, distance: float, report: _Report = lambda done: None
    ) -> list[EditResult]:
        """Melodies near one, all of them different.

        z' = sqrt(1 - distance^2) * z + distance * p, with p of the prior: 0 is the melody itself, 1 a stranger. Events
        that don't change with the latent stay as they are. Where nothing changes at all, it goes a little farther.
        """
        made: list[EditResult] = []
        for number in range(1, count + 1):
            others = Melody.stack([melody, *(one.melody for one in made)])
            toward = self._variation(melody, others, np.random.default_rng((seed, number)), distance)
            made.append(self._toward_rule(melody, toward, others, number, seed))
            report(number)
        return made

    def interpolate(
        self, one: Melody, other: Melody, count: int, seed: int, report: _Report = lambda done: None
    ) -> list[EditResult]:
        """Melodies from one to another, on an arc between their latents; of three or more, the ends are they."""
        ends = Melody.stack((one, other))
        z = self._proposer.encode(ends)
        places = torch.linspace(0, 1, count).tolist() if count > 1 else [0.5]
        way = torch.cat([arc(z[:1], z[1:], place) for place in places])
        given = Melody.stack(self._decode_melodies(torch.cat((z, way))))
        back, between = given[:2], given[2:]
        # Where a melody on the way is what an end is given back as, it is that end.
        between = np.where(between == back[1], ends[1], np.where(between == back[0], ends[0], between))
        melodies = [Melody(events) for events in canonical(between)[0]]
        if count > 1:
            melodies[0], melodies[-1] = one, other
        made: list[EditResult] = []
        for number, toward in enumerate(melodies, start=1):
            made.append(self._toward_rule(one, toward, _NONE, number, seed))
            report(number)
        return made

    def _toward_rule(self, before: Melody, toward: Melody, others: Events, number: int, seed: int) -> EditResult:
        if self.transformer is None:
            return edit_result(number, before, toward, new=not (others == toward.events).all(axis=1).any())
        found = self.transformer.nearest(toward, toward, others, number, seed)
        return edit_result(number, before, found.melody, found.rewards, found.rounds, new=found.new)

    def _variation(self, melody: Melody, others: Events, rng: np.random.Generator, distance: float) -> Melody:
        prior = self.model.prior(self.prior)
        with fixed_threads(1):
            z, stranger = self._proposer.encode(melody.events[None]), prior.latents(prior.numbers(rng)[None])
            for attempt in range(_TRIES):
                far = min(1.0, distance * _FARTHER**attempt)
                events = self._proposer.near(melody.events[None], (1 - far**2) ** 0.5 * z + far * stranger)[0]
                if not (others == events).all(axis=1).any():
                    break
        return Melody(events)

    def _decode_melodies(self, z: Tensor) -> list[Melody]:
        with fixed_threads(1):
            return Melody.unstack(self.model.vae.decode(z))

    @property
    def _proposer(self) -> Proposer:
        return Proposer(self.model.vae)


_NONE = Melody.stack([])


def morph(
    melody: Melody, steps: Sequence[Transformer], seed: int, report: _Report = lambda done: None
) -> list[EditResult]:
    """One melody under one rule after another: each step is as near to the one before as its own rule lets it be."""
    made: list[EditResult] = []
    here = melody
    for number, transformer in enumerate(steps, start=1):
        found = transformer.nearest(here, here, _NONE, number, seed)
        made.append(edit_result(number, melody, found.melody, found.rewards, found.rounds))
        here = found.melody
        report(number)
    return made
