"""Ways from a prior's samples to melodies that may obey: what `melodylc evaluate rules` holds against one another.

    single       one draw of the prior; or one begun as is best for a rule, and moved and mended, or not all of that
                 (`melodylc.sampling.mixture`); all of it is what `melodylc generate --no-verify` writes
    snapped      a single draw of the prior, every note at the nearest pitch of the scale, of two equally near the lower
    rejected     of so many draws of the prior the first that obeys, or the last
    by a method  what a method of `generate` writes at its first attempt (`melodylc.sampling.methods`)
    optimised    each latent along the slope of a critic until its melody obeys, or the steps are spent

Their cost is counted in melodies through the decoder, a gradient through it as three; drawing latents is for free. What
a fit costs is counted so, too: its rounds' melodies, the actor's steps, the checks and the last measurement.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import ceil, nan
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from melodylc.constraints.actors import FoundActor
from melodylc.constraints.objective import MelodyBox
from melodylc.constraints.request import Request
from melodylc.data.alphabet import PITCHES, STATES, canonical
from melodylc.data.arrays import Events
from melodylc.edits.transposition import transpose_events
from melodylc.evaluation.drawn import MethodSamples
from melodylc.evaluation.subject import CHUNK, batch_slices
from melodylc.latent.critic import Critic
from melodylc.latent.distance import distance, z_mse
from melodylc.latent.fit import FitSettings
from melodylc.latent.optimise import SATISFY_SETTINGS, satisfy
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.models.prior import Numbers, Prior, stream_numbers
from melodylc.rewards import Rule
from melodylc.rewards.pitch import PitchClasses
from melodylc.sampling.methods import find_method
from melodylc.sampling.methods.base import Task
from melodylc.sampling.mixture import Decoding, Mixture

_Report = Callable[[int], None]
GRADIENT = 3  #: what a gradient costs, in melodies decoded: the way back is twice the way there
_TOGETHER = 32  # latents that are optimised together


@dataclass(frozen=True)
class CandidateSource:
    """What latents are drawn from, and decoded by."""

    model: LoadedModel
    prior: Prior
    made: dict[tuple[int, int], MethodSamples] = field(
        default_factory=dict
    )  #: the prior's own melodies, which several ways need

    def numbers(self, seed: int, first: int, count: int) -> Numbers:
        """The random numbers (count, k) of draws `first`, `first` + 1, ... of a seed, from 0."""
        return stream_numbers(self.prior, seed, range(first + 1, first + 1 + count))

    def melodies(self, seed: int, first: int) -> MethodSamples:
        """The prior's own of `CHUNK` draws from `first` on."""
        if (seed, first) not in self.made:
            self.made[seed, first] = _chunk(self, seed, first)
        return self.made[seed, first]


class Way(Protocol):
    """Draws melodies."""

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from other ways."""
        ...

    def draw(self, source: CandidateSource, seed: int, count: int, report: _Report) -> MethodSamples:
        """`count` melodies of a seed, the same whatever follows them; `report` hears of each."""
        ...


SamplingStage = Literal["begun", "moved", "mended"]
"""How far draws go for a rule: arranged, encoded and decoded; then moved by an actor; or all of it, mended too."""


@dataclass(frozen=True)
class Single:
    """One draw each: the prior's own; or, for a rule, begun and taken as far as a stage."""

    rule: Rule | None = None
    actor: FoundActor | None = None
    stage: SamplingStage = "mended"

    @property
    def key(self) -> tuple[object, ...]:
        """The rule, the actor's file, how far its melodies are moved, and the stage."""
        if self.rule is None:
            return ("prior",)
        if self.actor is None:
            return ("nearest", self.rule.identity)
        return ("single", self.rule.identity, self.actor.stored.fingerprint, self.actor.shift, self.stage)

    def draw(self, source: CandidateSource, seed: int, count: int, report: _Report) -> MethodSamples:
        """One after the other, `CHUNK` at a time."""
        parts = []
        for part in batch_slices(count):
            at = seed, part.start
            some = (
                _chunk(source, *at, self.rule, self.actor, self.stage)
                if self.rule is not None
                else source.melodies(*at)
            )
            parts.append(some[: part.stop - part.start])
            report(part.stop - part.start)
        return MethodSamples.joined(parts)


@dataclass(frozen=True)
class SnapRival:
    """Single draws of the prior, every note at the nearest pitch of some pitch classes."""

    classes: frozenset[int]

    @property
    def key(self) -> tuple[object, ...]:
        """The pitch classes."""
        return ("snapped", *sorted(self.classes))

    def draw(self, source: CandidateSource, seed: int, count: int, report: _Report) -> MethodSamples:
        """The prior's, snapped; there is no latent whose distance could be told."""
        drawn = Single().draw(source, seed, count, report)
        none = np.full(count, nan)
        return MethodSamples(snapped(drawn.events, self.classes), drawn.touched, none, none, drawn.decodes)


@dataclass(frozen=True)
class RejectionRival:
    """The first of at most `tries` draws of the prior that obeys a rule, or the last of them."""

    rule: Rule
    tries: int

    @property
    def key(self) -> tuple[object, ...]:
        """The rule and the tries."""
        return ("rejected", self.rule.identity, self.tries)

    def draw(self, source: CandidateSource, seed: int, count: int, report: _Report) -> MethodSamples:
        """One melody's draws after the other's; the prior's single draws are the first of them."""
        found: list[MethodSamples] = []
        spent, first = 0, 0
        while len(found) < count:
            drawn = source.melodies(seed, first)
            obeyed = self.rule.satisfied(drawn.events)
            for row in range(CHUNK):
                spent += 1
                if (obeyed[row] or spent == self.tries) and len(found) < count:
                    found.append(drawn[row : row + 1].costing(spent))
                    spent = 0
                    report(1)
            first += CHUNK
        return MethodSamples.joined(found)


@dataclass(frozen=True)
class OptimiseRival:
    """Latents optimised along a critic's slope until the rule holds."""

    rule: Rule
    critic: Critic
    shift: int = 0  #: semitones that melodies are moved by in the end: the rule is that of another key

    @property
    def key(self) -> tuple[object, ...]:
        """The rule, the settings, and the critic's weights."""
        weights = tuple(float(it.double().abs().sum()) for it in self.critic.state_dict().values())
        return ("optimised", self.rule.identity, SATISFY_SETTINGS, weights, self.shift)

    def draw(self, source: CandidateSource, seed: int, count: int, report: _Report) -> MethodSamples:
        """Some at a time."""
        parts = []
        for first in range(0, count, _TOGETHER):
            parts.append(self._some(source, seed, first)[: min(_TOGETHER, count - first)])
            report(len(parts[-1].events))
        return MethodSamples.joined(parts)

    def _some(self, source: CandidateSource, seed: int, first: int) -> MethodSamples:
        vae = source.model.vae
        z = Mixture(self.rule, vae).start(source.prior, source.numbers(seed, first, _TOGETHER)).z
        found = satisfy(z, MelodyBox(vae, self.rule), self.critic, source.model.sigma_bar)
        with torch.no_grad():
            drawn = _decode_rows(source, z, Decoding.of(vae, found.z), self.shift)
        taken = found.steps.numpy()
        return drawn.costing(1 + GRADIENT * taken + np.ceil(taken / SATISFY_SETTINGS.renew))


@dataclass(frozen=True)
class MethodRival:
    """First attempts of a method, as `melodylc generate --method NAME --no-verify` writes them."""

    method: str
    request: Request
    writer: str | None = None  #: fingerprint of the language model that writes, where it is one

    @property
    def key(self) -> tuple[object, ...]:
        """The method, the rule and the language model."""
        rule = self.request.rule
        return ("method", self.method, None if rule is None else rule.identity, self.writer)

    def draw(self, source: CandidateSource, seed: int, count: int, report: _Report) -> MethodSamples:
        """In the method's own groups; a draw costs the melodies that were written for it. No latent is moved."""
        prior: PriorName = "normal" if source.prior.identity == "N(0, I)" else "learnt"
        method = find_method(self.method).prepare(Task(source.model, self.request, prior))
        parts = []
        for first in range(0, count, method.together):
            found = method.sample(seed, range(first + 1, first + 1 + method.together), 1)
            size = len(found.events)
            cost = [found.detail(row).get("melodies_written", 1) for row in range(size)]
            none, rests = np.full(size, nan), np.asarray(found.rests_added, np.int64)
            some = MethodSamples(found.events, rests, none, none, np.asarray(cost, np.float64))
            parts.append(some[: min(method.together, count - first)])
            report(len(parts[-1].events))
        return MethodSamples.joined(parts)


def common_classes(rule: Rule) -> frozenset[int] | None:
    """The pitch classes that every scale of a rule has, or None where there are none or it names no scale.

    >>> from melodylc.rewards import density, pitch_classes
    >>> sorted(common_classes(Rule((pitch_classes([0, 4, 7]), pitch_classes([0, 7, 9]), density(9)))) or [])
    [0, 7]
    """
    sets = [part.raw.classes for part in rule.parts if isinstance(part.raw, PitchClasses)]
    return (frozenset.intersection(*sets) or None) if sets else None


def snapped(events: Events, classes: frozenset[int]) -> Events:
    """Melodies (n, 256) with every note at the nearest pitch of these classes, of two equally near the lower.

    >>> snapped(np.array([[61, 128, 66, 129]], np.uint8), frozenset((0, 2, 4, 5, 7, 9, 11)))
    array([[ 60, 128,  65, 129]], dtype=uint8)
    """
    pitches = np.array([pitch for pitch in range(PITCHES) if pitch % 12 in classes])
    table = np.arange(STATES)
    table[:PITCHES] = pitches[np.abs(pitches - np.arange(PITCHES)[:, None]).argmin(axis=1)]
    return table[events].astype(np.uint8)


def fit_cost(settings: Mapping[str, Any]) -> int:
    """What a fit with these settings costs, as an actor's file tells them, in melodies decoded.

    >>> fit_cost({"rounds": 10, "fresh": 100, "actor_steps": 2, "batch": 50, "check": 30, "measure": 70})
    4100
    """
    known = {**vars(FitSettings()), **settings}
    rounds = known["rounds"]
    a_round = known["fresh"] + GRADIENT * known["actor_steps"] * known["batch"]
    return int(rounds * a_round + ceil(rounds / known["check_every"]) * known["check"] + known["measure"])


@torch.no_grad()
def _chunk(
    source: CandidateSource,
    seed: int,
    first: int,
    rule: Rule | None = None,
    actor: FoundActor | None = None,
    stage: SamplingStage = "mended",
) -> MethodSamples:
    # Always as many together: the shape decides how sums are rounded, and so what a seed's melody is.
    numbers, vae = source.numbers(seed, first, CHUNK), source.model.vae
    if rule is None:
        z = source.prior.latents(numbers)
        return _decode_rows(source, z, Decoding.of(vae, z))
    mixture = Mixture(rule, vae, actor.edits if actor else (), actor.shift if actor else 0)
    if stage != "mended":
        mixture = replace(mixture, first_repair=None, repairs=())
    begun = mixture.start(source.prior, numbers)
    done = mixture.finish(begun, actor.move) if actor and stage != "begun" else begun
    return _decode_rows(source, begun.z, done, actor.shift if actor else 0)


def _decode_rows(source: CandidateSource, start: Tensor, done: Decoding, shift: int = 0) -> MethodSamples:
    events, touched = canonical(done.events.to(torch.uint8).numpy())
    far, squared = (of(done.z, start, source.model.sigma_bar).double().numpy() for of in (distance, z_mse))
    return MethodSamples(
        transpose_events(events, shift), touched.sum(axis=1).astype(np.int64), far, squared, done.cost.numpy()
    )
