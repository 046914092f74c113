"""A melody in, melodies out that obey and are as near to it as could be found."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from melodylc.data.alphabet import PITCHES
from melodylc.data.arrays import Events
from melodylc.data.keys import Scale
from melodylc.data.melody import Melody
from melodylc.data.tonality import bend, octaves_into, transposition
from melodylc.editing.change import Change, Similarity, similarity
from melodylc.editing.proposals import Proposer
from melodylc.editing.search import Aim, SearchEnd, descend
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.prior import pool as prior_pool
from melodylc.rewards import Rule
from melodylc.threads import fixed_threads

STRENGTHS = (0.3, 0.6, 1.0)
DRAWS = 3  #: of the posterior, beside its mean
FURTHEST = 6  #: semitones by which a melody may be moved as a whole, for a rule without a scale
KEYS = 4  #: such moves that are looked at
ROUNDS = 6  #: of proposals; all but the first only where those before didn't do
_ASKED = 2  # of the melody and its moves, those that the model is asked about
_WAYS = 3  # proposals that a search begins with where nothing obeys yet; else one
_STRANGERS = 16  # melodies of the prior, moved, in the last round


@dataclass(frozen=True)
class EditResult:
    """A melody made of another."""

    number: int  #: from 1
    melody: Melody
    rewards: tuple[float, ...]  #: one a part of the rule, in [0, 1]
    similarity: Similarity  #: what is left of the melody that it was made of
    change: float  #: see `melodylc.editing.change`
    rounds: int = 0  #: of proposals that it took; 0 where none were needed
    new: bool = True  #: whether it differs from those before it

    @property
    def passed(self) -> bool:
        """Whether every reward is exactly 1."""
        return all(reward == 1 for reward in self.rewards)


@dataclass(frozen=True)
class Transformer:
    """What makes melodies obey a rule."""

    model: LoadedModel
    rule: Rule
    proposer: Proposer
    prior: PriorName | None = None
    keys: bool = True  #: whether a melody may be moved to another key as a whole
    scale: Scale | None = None  #: the rule's, to which a melody is moved as a whole before it is bent
    pitch_range: tuple[int, int] | None = None  #: the rule's, into which it is moved by octaves
    octave: int = 0  #: octaves by which it is moved, in any case
    later: Callable[[], Proposer] | None = None  #: fetches one that moves, where `proposer` doesn't; may take minutes

    @cached_property
    def moving(self) -> Proposer:
        """What proposes, fetched if it must be."""
        return self.later() if self.later else self.proposer

    def transform(
        self,
        melody: Melody,
        count: int,
        seed: int,
        strength: float | None = None,
        report: Callable[[int], None] = lambda done: None,
    ) -> list[EditResult]:
        """Melodies 1..count made of one, each the nearest that was found, and all of them different.

        The first of a melody that obeys is the melody itself. Melody k depends on the seed and on those before it.

        Args:
            melody: what they are made of.
            count: how many.
            seed: of what is drawn.
            strength: how far to go, in [0, 1], before the rest is searched; None: no farther than the rule needs.
            report: told how many there are.
        """
        made: list[EditResult] = []
        start = self.transposed(melody)
        for number in range(1, count + 1):
            toward = start if strength is None else self.push(start, strength, number, seed)
            made.append(self.nearest(melody, toward, Melody.stack(one.melody for one in made), number, seed))
            report(number)
        return made

    def transposed(self, melody: Melody) -> Melody:
        """The melody as a whole in the rule's key, by the nearest way, and in its range; what is in there stays."""
        start = melody.transposed(12 * self.octave)
        if not self.keys:
            return start
        if self.scale and not self.scale.pitch_classes.issuperset((start.pitches % 12).tolist()):
            start = start.transposed(transposition(start, self.scale))
        if self.pitch_range and not self.octave:
            start = start.transposed(12 * octaves_into(start, *self.pitch_range))
        return start

    def push(self, melody: Melody, strength: float, number: int, seed: int) -> Melody:
        """A melody moved so far, obedient or not: from the posterior's mean, and from a draw for all but the first."""
        draws = int(number > 1)
        with fixed_threads(1):
            rows = self.moving.propose(melody.events[None], (strength,), draws, _mix_seeds(seed, number, 0))
        return Melody(rows[-1])

    def nearest(self, before: Melody, toward: Melody, others: Events, number: int, seed: int) -> EditResult:
        """The melody nearest to `toward` that obeys and differs from `others` (m, 256), measured against `before`."""
        aim = Aim(Change(toward.events), self.rule.scores, others)
        found, rounds = aim.end(toward.events), 0
        if not found.follows or aim.is_taken(found.events):
            with fixed_threads(1):
                found, rounds = self._search(aim, number, seed)
        melody = Melody(found.events)
        return edit_result(number, before, melody, self.rule(melody), rounds, new=not aim.is_taken(found.events))

    def _search(self, aim: Aim, number: int, seed: int) -> tuple[SearchEnd, int]:
        """First notes are bent; then the model is asked, where that came out best; then both are joined.

        A melody is bent in the rule's scale, where it has one; else in each key that pleases the rule better.

        Where what moves latents is yet to be fetched, the model is asked only if bending doesn't do.
        """
        bent = sorted((self._bend(aim, start) for start in self._keys(aim)), key=lambda way: way[1].cost)
        if self.later and bent[0][1].follows and not aim.is_taken(bent[0][1].events):
            return bent[0][1], 1
        starts = np.stack([start for start, _ in bent])
        proposed = self.moving.propose(starts[:_ASKED], STRENGTHS, DRAWS, _mix_seeds(seed, number, 1))
        pool = np.concatenate((starts, np.stack([found.events for _, found in bent]), proposed))
        ways = 1 if bent[0][1].follows and not len(aim.others) else _WAYS
        heads = [*(found.events for _, found in bent), *_first(aim, proposed, ways)]
        best = min((descend(aim, head, pool) for head in heads), key=lambda way: way.cost)
        rounds = 1
        while rounds < ROUNDS and not (best.follows and not aim.is_taken(best.events)):
            rounds += 1
            fresh = self._more(best.events, rounds, _mix_seeds(seed, number, rounds))
            pool = np.concatenate((pool, fresh))
            heads = [best.events, *_first(aim, fresh, 1)]
            best = min((best, *(descend(aim, head, pool) for head in heads)), key=lambda way: way.cost)
        return best, rounds

    def _bend(self, aim: Aim, start: Events) -> tuple[Events, SearchEnd]:
        heads = [start] if self.scale is None else [start, bend(Melody(start), self.scale).events]
        return start, min((descend(aim, head, start[None]) for head in heads), key=lambda end: end.cost)

    def _keys(self, aim: Aim) -> Events:
        """The melody, and where the rule is better pleased with it in another key, the best of those: (n, 256)."""
        here = aim.change.before
        notes = here < PITCHES
        rows = []
        for semitones in (step for step in range(-FURTHEST, FURTHEST + 1) if step and self.keys and not self.scale):
            there = here.astype(np.int64) + semitones * notes
            if not notes.any() or (there[notes].min() >= 0 and there[notes].max() < PITCHES):
                rows.append(there.astype(np.uint8))
        if not rows:
            return here[None]
        shifted = np.stack(rows)
        broken = aim.violation(np.concatenate((here[None], shifted)))
        order = [index for index in np.argsort(broken[1:], kind="stable")[:KEYS] if broken[1 + index] < broken[0]]
        return np.concatenate((here[None], shifted[order]))

    def _more(self, events: Events, rounds: int, seed: int) -> Events:
        """What is proposed in round 2 and later, from the best so far."""
        if rounds == ROUNDS:
            return self._strangers(seed)
        if rounds % 2 == 0 and self.moving.actor:
            return self.moving.in_place(events[None], (0.5, 1.0), 7, seed)
        return self.moving.propose(events[None], (0.5, 1.0), 5, seed)

    def _strangers(self, seed: int) -> Events:
        """Melodies of the prior, moved."""
        prior = self.model.prior(self.prior)
        z = prior_pool(prior, _STRANGERS, np.random.default_rng(seed))
        with torch.no_grad():
            return self.moving.decode(z)


def edit_result(
    number: int, before: Melody, melody: Melody, rewards: tuple[float, ...] = (), rounds: int = 0, *, new: bool = True
) -> EditResult:
    """A melody made of another, with what is left of that."""
    change = float(Change(before.events)(melody.events[None])[0])
    return EditResult(number, melody, rewards, similarity(before, melody), change, rounds, new)


def _first(aim: Aim, proposed: Events, count: int) -> list[Events]:
    """The best of what was proposed."""
    if not len(proposed):
        return []
    rows = np.unique(proposed, axis=0)
    costs, _ = aim.look(rows)
    return list(rows[np.argsort(costs, kind="stable")[:count]])


def _mix_seeds(*numbers: int) -> int:
    """One seed of several."""
    return int(np.random.default_rng(numbers).integers(2**62))
