"""Other ways from melodies to melodies: given back, varied, in between, and from one rule to another."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from melodylc.data.alphabet import BARS, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.data.melody import Melody
from melodylc.editing.change import Change
from melodylc.editing.proposals import Proposer
from melodylc.editing.transformer import EditResult, Transformer, edit_result
from melodylc.latent.distance import arc
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.noise import Noise
from melodylc.models.refinement import Refinement
from melodylc.sampling.steering.given import GivenBars
from melodylc.threads import fixed_threads

_Report = Callable[[int], None]
_STRANGERS = 3  # melodies of the prior, towards which a variation may go
_PLACES = (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # how far
_TRIES = 4  # variations that a rule may move away from where they should be
_TOLERANCE = 0.1


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
        self,
        melody: Melody,
        count: int,
        seed: int,
        distance: float,
        report: _Report = lambda done: None,
        keep: Collection[int] = (),
    ) -> list[EditResult]:
        """Melodies near one, all of them different, by their distance.

        z' = sqrt(1 - r^2) * z + r * p, with p of the prior: of r = 0 comes the melody itself, of 1 a stranger. Events
        that don't change with the latent stay as they are. Of many such melodies, for several p and r, and of those
        that go too far with some bars as they were, the one is taken whose change (`melodylc.editing.change`) is
        nearest to `distance`. Bars in `keep`, 0..15, stay as they are: no note of others goes on into them, nor one of
        theirs into others.
        """
        made: list[EditResult] = []
        kept = GivenBars(melody.events, frozenset(keep)) if keep else None
        first = (
            Melody.stack([melody])
            if kept is None
            else np.concatenate((melody.events[None], _paste(kept, melody.events[None])))
        )
        for number in range(1, count + 1):
            others = np.concatenate((first, Melody.stack(one.melody for one in made)))
            made.append(self._variation(melody, others, number, seed, distance, kept))
            report(number)
        ranked = sorted(made, key=lambda one: one.change)
        return [replace(one, number=number) for number, one in enumerate(ranked, start=1)]

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

    def _variation(
        self, melody: Melody, others: Events, number: int, seed: int, distance: float, kept: GivenBars | None
    ) -> EditResult:
        """One whose change is near `distance`; where a rule moves it from there, the next is aimed as far off."""
        events, aim = self._variations(melody, np.random.default_rng((seed, number))), distance
        if kept:
            events = _paste(kept, events)
        change = Change(melody.events)(events)
        found: list[EditResult] = []
        taken = (events[:, None] == others).all(axis=2).any(axis=1)
        for _ in range(1 if self.transformer is None else _TRIES):
            misses = np.where(taken, np.inf, np.abs(change - aim))
            at = int(misses.argmin())
            taken[at] = True
            found.append(self._toward_rule(melody, Melody(events[at]), others, number, seed))
            if abs(found[-1].change - distance) <= _TOLERANCE * distance:
                break
            aim = max(0.0, aim + distance - found[-1].change)
        return min(found, key=lambda one: (not (one.passed and one.new), abs(one.change - distance)))

    def _variations(self, melody: Melody, rng: np.random.Generator) -> Events:
        """Melodies at many distances (n, 256): whole ones first, then those with some bars as they were."""
        prior = self.model.prior(self.prior)
        with fixed_threads(1):
            numbers = np.stack([prior.numbers(rng) for _ in range(_STRANGERS)])
            z, strangers = self._proposer.encode(melody.events[None]), prior.latents(numbers)
            places = torch.tensor(_PLACES)[:, None, None]
            way = (1 - places**2).sqrt() * z + places * strangers
            whole = self._proposer.near(melody.events, way.flatten(0, 1))
        bars = np.arange(STEPS) // STEPS_PER_BAR
        order = np.stack([rng.permutation(BARS) for _ in whole])
        mixed = [np.where(order[:, bars] < count, whole, melody.events) for count in range(1, BARS)]
        return canonical(np.concatenate((whole, *mixed)))[0]

    def _decode_melodies(self, z: Tensor) -> list[Melody]:
        with fixed_threads(1):
            return Melody.unstack(self.model.vae.decode(z))

    @property
    def _proposer(self) -> Proposer:
        return Proposer(self.model.vae)


_NONE = Melody.stack([])


def _paste(kept: GivenBars, events: Events) -> Events:
    """Melodies (n, 256) with the kept bars in their places."""
    return canonical(kept.paste(events.astype(np.int64)))[0]


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
