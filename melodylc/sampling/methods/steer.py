"""Steering: the language model writes, bar by bar, and a rule that is only called says which beginnings are worth
going on with.

Sequential Monte Carlo over the bars of p_LM (`melodylc.sampling.steering`): nothing is fitted to a rule beyond a
handful of regression weights, and what comes out is what the model wrote. The target is

    p(x) * 1[c(x) = 1] * exp(realism * D(x)),

p the language model in any of twelve transpositions, c the rule, D the log odds of a discriminator that a melody is
real (`melodylc.sampling.discriminator`; where it is right, exp D is the density of real melodies over p). A melody is
tried with few particles first and with more where none obeys; then with the rule asked about limits to single events
and earlier bars proposed again; in the end the bars that still break the rule are written anew between their
neighbours. Where nothing is asked, D chooses one of a few that p wrote.

Lew et al. 2023 ("Sequential Monte Carlo Steering of Large Language Models using Probabilistic Programs"), Zhao et al.
2024 ("Probabilistic Inference in Language Models via Twisted Sequential Monte Carlo"), Engel, Hoffman and Roberts
2018 ("Latent Constraints": value and realism critics).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, Self

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import BARS, PITCHES, STEPS_PER_BAR, canonical, loop_bars
from melodylc.data.arrays import Events, Values
from melodylc.data.errors import InputError
from melodylc.data.roles import ROLES
from melodylc.rewards import Rule
from melodylc.rewards.base import Scores
from melodylc.sampling.discriminator import find_discriminator
from melodylc.sampling.methods.base import Candidates, Method, Task
from melodylc.sampling.octaves import move_to_range
from melodylc.sampling.steering.filter import FilterResult, LogRealism, ParticleFilter, draw_columns
from melodylc.sampling.steering.given import GivenBars
from melodylc.sampling.steering.limits import EventTable, events_allowed, keeps_within, pitches_allowed, with_notes
from melodylc.sampling.steering.potential import MelodyRows, Potential, RuleCounter, fit_potential
from melodylc.sampling.steering.rewrite import rewrite
from melodylc.sampling.steering.writer import BarWriter, FoundWriter, RecallWriter, State, find_writer

GROUP = 8  #: melodies whose first particles go through the model together; part of what a seed means


@dataclass(frozen=True, kw_only=True)
class SteerSettings:
    """What steering spends, and how."""

    particles: tuple[int, ...] = (36, 96)  #: of one run of the filter after another, until one particle obeys
    sharpness: float = 240.0  #: nats that a part of the rule costs where it is 0, at most: less where a rule is easy
    harder: float = 8.0  #: what the sharpness is multiplied by from run to run
    probes: int = 32  #: melodies of the model that the rule is asked about first
    sweeps: int = 6  #: times that the bars that break the rule are written anew
    chains: int = 4  #: melodies for which that is done side by side
    candidates: int = 16  #: bars that are written for one that breaks the rule
    realism: float = 1.0  #: power of the discriminator, where there is one
    free: int = 8  #: melodies of which the discriminator chooses one, where nothing is asked


@dataclass(frozen=True)
class Candidate:
    """A melody, and how it came about."""

    number: int
    events: npt.NDArray[np.uint8]  #: (256,), canonical
    scores: tuple[float, ...]  #: one a part of the rule
    particles: int  #: of the last run of the filter
    written: int  #: melodies that were written for it, in whole
    calls: int  #: melodies that the rule judged for it
    ess: tuple[float, ...]  #: effective sample size after each bar of the last run of the filter, in particles
    sweeps: int  #: times that bars were written anew
    edited: float  #: share of steps in bars that sweeps changed, which p/q doesn't correct; 0 without sweeps
    bits: float  #: -log2 p(x) under the language model over the number of notes

    @property
    def obeys(self) -> bool:
        """Whether every part is exactly 1."""
        return all(score == 1 for score in self.scores)


@dataclass(frozen=True)
class SteerPlan(Generic[State]):
    """What is known of a rule before the first melody: a function of rule, model and settings alone."""

    writer: BarWriter[State]
    scores: Callable[[Events], Scores]
    settings: SteerSettings
    probes: MelodyRows  #: (n, 256)
    potential: Potential
    pitches: EventTable | None  #: events that the rule allows by their pitch
    calls: int  #: melodies that the rule judged

    @cached_property
    def event_limits(self) -> EventTable | None:
        """Events that the rule allows, by their places too; it is asked about those when a melody is hard to find."""
        if self.pitches is not None:
            return self.pitches
        return events_allowed(RuleCounter(self.scores), self.probes)


class Steer(Generic[State]):
    """Samples melodies under a rule by sequential Monte Carlo.

    Args:
        writer: the model.
        settings: what is spent.
        realism: a discriminator of real melodies; None for none.
        given: bars that every melody has, and that aren't written; None for none.
    """

    def __init__(
        self,
        writer: BarWriter[State],
        settings: SteerSettings | None = None,
        realism: LogRealism | None = None,
        given: GivenBars | None = None,
    ) -> None:
        self.given = given
        self.writer = writer
        self.settings = settings or SteerSettings()
        self.realism = realism

    def prepare(
        self, scores: Callable[[Events], Scores], length: int = BARS, within: EventTable | None = None
    ) -> SteerPlan[State]:
        """Ask a rule about some of the model's melodies: which of its parts depend on the key, which single notes it
        allows.

        Args:
            scores: each part's reward, (n, parts), of canonical melodies (n, 256).
            length: bars of a melody; of fewer than sixteen the rule hears them over and over.
            within: events that melodies may have, in the key in which they are judged; None: all.
        """
        rng = np.random.default_rng(0)
        if length < BARS:
            scores = _looped(scores, length)
        probes = write(self.writer, self.settings.probes, rng)
        probes = probes if within is None else keeps_within(probes, within)
        judge = RuleCounter(scores)
        potential = fit_potential(judge, probes, self.settings.sharpness, rng, length=length)
        pitches = pitches_allowed(judge, probes) if len(potential.shifts) > 1 else None
        if within is not None:  # in its own key, so nothing is left to transpose
            potential = replace(potential, shifts=(0,))
            both = within if pitches is None else within & pitches
            pitches = np.where(both.any(1, keepdims=True), both, within)
        if self.given:  # which are in a key, so nothing is left to transpose
            references = self.given.paste(potential.references)
            potential = replace(potential, shifts=(0,), references=references)
        return SteerPlan(self.writer, scores, self.settings, probes, potential, pitches, judge.calls)

    def free(self, rng: np.random.Generator, length: int = BARS) -> npt.NDArray[np.int64]:
        """A melody (256,) where nothing is asked: one of several, by the discriminator (importance resampling).

        Of fewer than sixteen bars, these come over and over.
        """
        realism, row = self._realism, 0
        rows = write(self.writer, self.settings.free if realism else 1, rng, length)
        if realism is not None:
            row = draw_columns(realism(canonical(rows)[0])[None], rng)[0]
        chosen: npt.NDArray[np.int64] = rows[row]
        return chosen

    def sample(self, plan: SteerPlan[State], seed: int, numbers: Iterable[int], attempt: int = 1) -> list[Candidate]:
        """One melody for each number. Each depends on the plan, the seed, its own number and the attempt alone.

        First attempts go through the model in fixed groups of `GROUP`, since the shape decides how sums are rounded; so
        numbers from 1 up are best asked for together.
        """
        numbers = list(numbers)
        size = GROUP if attempt == 1 else 1
        firsts = sorted({number - (number - 1) % size for number in numbers})
        groups = [self._group(plan, seed, range(first, first + size), attempt, numbers) for first in firsts]
        every = {candidate.number: candidate for group in groups for candidate in group}
        return [every[number] for number in numbers]

    def _group(
        self, plan: SteerPlan[State], seed: int, group: range, attempt: int, numbers: Sequence[int]
    ) -> list[Candidate]:
        """The melodies of a group that are among `numbers`."""
        rngs = [np.random.default_rng((seed, number, attempt)) for number in group]
        judges = [RuleCounter(plan.scores) for _ in group]
        filtering = ParticleFilter(self.writer, plan.potential, plan.pitches, realism=self._realism, given=self.given)
        ends = filtering.run(judges, self.settings.particles[0], rngs)
        each = zip(group, judges, ends, rngs, strict=True)
        return [self._go_on(plan, number, judge, end, rng) for number, judge, end, rng in each if number in numbers]

    def _go_on(
        self, plan: SteerPlan[State], number: int, judge: RuleCounter, end: FilterResult, rng: np.random.Generator
    ) -> Candidate:
        """The melody of a first run of the filter, or of others where no particle of that obeys."""
        settings = self.settings
        ends, written = [end], len(end.events)
        potential = plan.potential
        for count in (0, *settings.particles[1:]):
            if count:
                sharpness = max(potential.sharpness * settings.harder, settings.sharpness)
                potential = replace(potential, sharpness=sharpness)
                filtering = ParticleFilter(self.writer, potential, plan.event_limits, True, self._realism, self.given)
                ends += filtering.run([judge], count, [rng])
                written += count
            if (row := self._chosen(ends[-1], rng)) is not None:
                end = ends[-1]
                return self._candidate(number, end.events[row], end.scores[row], end.nats[row], written, judge, end)
        return self._rewritten(plan, number, judge, ends, written, rng)

    @property
    def _realism(self) -> LogRealism | None:
        judge, power = self.realism, self.settings.realism
        return None if judge is None or not power else lambda events: power * judge(events)

    def _chosen(self, end: FilterResult, rng: np.random.Generator) -> int | None:
        """One of the particles that obey, by their weights; None where none does."""
        rows = np.flatnonzero((end.scores == 1).all(1))
        if not rows.size:
            return None
        return int(rows[draw_columns(end.weights[None, rows], rng)[0]])

    def _rewritten(
        self,
        plan: SteerPlan[State],
        number: int,
        judge: RuleCounter,
        ends: Sequence[FilterResult],
        written: int,
        rng: np.random.Generator,
    ) -> Candidate:
        """The best melodies so far, with the bars that break the rule written anew."""
        settings = self.settings
        events, scores = np.concatenate([end.events for end in ends]), np.concatenate([end.scores for end in ends])
        _, first = np.unique(events, axis=0, return_index=True)
        best = first[np.argsort(-scores[first].sum(1), kind="stable")][: settings.chains]
        events, nats = events[best], np.concatenate([end.nats for end in ends])[best]
        scores, start, sweeps = scores[best], events, 0
        for sweep in range(settings.sweeps):
            sharpness = settings.sharpness * 2.0**sweep
            result = rewrite(
                self.writer,
                judge,
                events,
                settings.candidates,
                sharpness,
                rng,
                plan.event_limits,
                given=self.given,
                length=plan.potential.length,
            )
            events, scores, nats, sweeps = result.events, result.scores, result.nats, sweep + 1
            written += settings.chains * settings.candidates
            if (scores == 1).all(1).any():
                break
        row = int(scores.sum(1).argmax()) if not (scores == 1).all(1).any() else int((scores == 1).all(1).argmax())
        length = plan.potential.length
        changed = (events[row] != start[row]).reshape(BARS, STEPS_PER_BAR)[:length].any(1)
        edited = float(changed.mean())
        whole = events[row] if length == BARS else loop_bars(events[row], length).astype(np.int64)
        return self._candidate(number, whole, scores[row], nats[row], written, judge, ends[-1], sweeps, edited)

    def _candidate(
        self,
        number: int,
        events: npt.NDArray[np.int64],
        scores: Values,
        nats: float,
        written: int,
        judge: RuleCounter,
        end: FilterResult,
        sweeps: int = 0,
        edited: float = 0.0,
    ) -> Candidate:
        notes = max(int((events[: len(end.ess) * STEPS_PER_BAR] < PITCHES).sum()), 1)
        return Candidate(
            number=number,
            events=canonical(events)[0],
            scores=tuple(scores.tolist()),
            particles=len(end.events),
            written=written,
            calls=judge.calls,
            ess=tuple((end.ess * len(end.events)).tolist()),
            sweeps=sweeps,
            edited=edited,
            bits=float(nats) / float(np.log(2)) / notes,
        )


def write(writer: BarWriter[State], count: int, rng: np.random.Generator, length: int = BARS) -> MelodyRows:
    """MelodyRows (count, 256) of a model, written together; of fewer than sixteen bars, these over and over."""
    state, bars = writer.start(count), []
    for _ in range(length):
        state, bar, _ = writer.write_bar(state, torch.from_numpy(rng.random((count, STEPS_PER_BAR), np.float32)))
        bars.append(bar.numpy())
    rows = np.concatenate(bars, 1)
    return rows if length == BARS else loop_bars(rows, length).astype(np.int64)


def _looped(scores: Callable[[Events], Scores], length: int) -> Callable[[Events], Scores]:
    """The same of the first `length` bars, over and over."""
    return lambda events: scores(loop_bars(events, length))


def rule_scores(rule: Rule) -> Callable[[Events], Scores]:
    """What `Steer.prepare` wants of a rule: the parts' rewards with their weights."""
    return rule.graded


@dataclass(frozen=True)
class SteerMethod(Method):
    """The language model's melodies, steered by the rule; what comes out is what the model wrote."""

    name = "steer"
    summary = "the model writes bar by bar, and the rule says which beginnings go on; nothing is learnt or edited"
    together = GROUP
    skips = True

    found: FoundWriter
    steer: Steer[Any]
    plan: SteerPlan[Any] | None  #: None where nothing is asked
    task: Task = field(repr=False)

    @classmethod
    def prepare(cls, task: Task) -> Self:
        """Ask the rule about a few of the model's melodies.

        Raises:
            InputError: the model has no language model, or N(0, I) is asked for, which writes no melodies; or another
                lane than the lead is asked, and the language model knows no roles.
        """
        found = None if task.prior == "normal" else find_writer(task.model, role=ROLES.index(task.lane))
        if found is None:
            raise InputError(
                "--method steer needs a model that has learnt to write (melodylc train prior) and --prior learnt: "
                "take another --method, such as combined"
            )
        if task.lane != "lead" and not isinstance(found.writer, RecallWriter):
            raise InputError(
                f"--lane {task.lane} needs a language model that knows roles, as the one that ships does: "
                "leave out --model"
            )
        # The discriminator has learnt from leads of the language model that ships, and knows no other's.
        known = found.fingerprint is not None and task.lane == "lead"
        steer = Steer(found.writer, realism=find_discriminator().scores if known else None)
        rule = task.rule
        motif = task.request.motif
        within = None if motif is None else with_notes(motif.motif_notes, motif.bars)
        plan = None if rule is None else steer.prepare(rule.graded, task.request.length, within)
        return cls(found, steer, plan, task)

    def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> Candidates:
        """One melody each, by particles of its own."""
        if self.plan is None:
            rngs = [np.random.default_rng((seed, number, attempt)) for number in numbers]
            events, rests = canonical(
                np.stack([self.steer.free(rng, self.task.request.length) for rng in rngs]).astype(np.uint8)
            )
            return Candidates(self._at_octaves(events), [0.0] * len(events), rests.sum(axis=1).tolist())
        found = self.steer.sample(self.plan, seed, numbers, attempt)
        details = [
            {
                "particles": one.particles,
                "melodies_written": one.written,
                "rule_calls": one.calls,
                "effective_sample_size": [round(size, 2) for size in one.ess],
                "rewritten": one.sweeps,
                "edited": round(one.edited, 4),
                "bits_per_note": round(one.bits, 3),
            }
            for one in found
        ]
        events = self._at_octaves(np.stack([one.events for one in found]))
        return Candidates(events, [0.0] * len(found), [0] * len(found), details)

    def _at_octaves(self, events: Events) -> Events:
        return move_to_range(events, self.task.rule) if self.task.finds_octaves else events

    def to_dict(self) -> dict[str, Any]:
        """What took part."""
        return {
            "parts": ["language model", *(["discriminator"] if self.steer.realism else [])],
            "writer": self.found.fingerprint,
            "temperature": self.found.temperature,
            "particles": list(self.steer.settings.particles),
        }
