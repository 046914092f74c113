"""Steering against a toy model whose exact conditional distribution can be reckoned."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from melodylc.constraints.request import Request
from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STATES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.language import LanguageConfig, MelodyLM
from melodylc.rewards import Rule, density, pitch_classes, tonic
from melodylc.rewards.base import Scores
from melodylc.sampling.methods.auto import STEERED, Auto
from melodylc.sampling.methods.base import Task
from melodylc.sampling.methods.steer import Candidate, Steer, SteerPlan, SteerSettings
from melodylc.sampling.steering.filter import ParticleFilter, backwards, copies, effective, resample
from melodylc.sampling.steering.limits import events_allowed, keeps_within, pitches_allowed
from melodylc.sampling.steering.potential import RuleCounter, continue_bars, fit_potential, repeat_bars, transpose_rows
from melodylc.sampling.steering.rewrite import rewrite
from melodylc.sampling.steering.writer import LanguageWriter

STAY = 0.7


def bar_of(pitch: int, notes: int) -> list[int]:
    """A bar of so many equal notes."""
    return [pitch if step % (STEPS_PER_BAR // notes) == 0 else HOLD for step in range(STEPS_PER_BAR)]


@dataclass(frozen=True)
class ToyState:
    """Which bar came last."""

    last: npt.NDArray[np.int64]

    def select(self, rows: Tensor) -> "ToyState":
        return ToyState(self.last[rows.numpy()])


class Toy:
    """A Markov chain over a few bars: each stays with `STAY`, and begins and changes to any of the others alike."""

    def __init__(self, *bars: list[int]) -> None:
        self.bars = np.array(bars)
        count = len(bars)
        self.chances = np.full((count + 1, count), (1 - STAY) / (count - 1))
        self.chances[np.arange(count), np.arange(count)] = STAY
        self.chances[count] = 1 / count  # what comes first

    def start(self, count: int) -> ToyState:
        return ToyState(np.full(count, len(self.bars)))

    def write_bar(self, state: ToyState, uniforms: Tensor) -> tuple[ToyState, Tensor, Tensor]:
        after, bar, likelihood, _ = self.write_bar_within(state, uniforms, torch.ones(1, 1, STATES, dtype=torch.bool))
        return after, bar, likelihood

    def write_bar_within(
        self, state: ToyState, uniforms: Tensor, allowed: Tensor
    ) -> tuple[ToyState, Tensor, Tensor, Tensor]:
        table = allowed.expand(len(uniforms), STEPS_PER_BAR, -1).numpy()
        fits = table[:, np.arange(STEPS_PER_BAR), self.bars].all(2)
        some = self.chances[state.last] * fits
        mass = some.sum(1)
        chosen = (some.cumsum(1) <= uniforms[:, 0].double().numpy()[:, None] * mass[:, None]).sum(1)
        chance = self.chances[state.last, chosen]
        return (
            ToyState(chosen),
            torch.from_numpy(self.bars[chosen]),
            torch.from_numpy(np.log(chance)),
            torch.from_numpy(np.log(mass)),
        )

    def score_bar(self, state: ToyState, bar: Tensor) -> tuple[ToyState, Tensor]:
        same = (bar.numpy()[:, None] == self.bars).all(2)
        which = np.where(same.any(1), same.argmax(1), 0)
        chance = np.where(same.any(1), self.chances[state.last, which], 0.0)
        with np.errstate(divide="ignore"):
            return ToyState(which), torch.from_numpy(np.log(chance))


TWO = Toy(bar_of(60, 1), bar_of(60, 4))


def every_path() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """All 65,536 sequences of two bars (n, 16), and their probabilities."""
    paths = (np.arange(2**BARS)[:, None] >> np.arange(BARS)) & 1
    moves = paths[:, 1:] == paths[:, :-1]
    return paths, 0.5 * np.where(moves, STAY, 1 - STAY).prod(1)


def paths_of(events: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Which of the two bars of `TWO` stands where, (n, 16)."""
    return (events.reshape(len(events), BARS, STEPS_PER_BAR)[:, :, 4] < PITCHES).astype(np.int64)


def busy(events: Events) -> Scores:
    """min(1, notes / 43): at least nine of sixteen bars are the fuller one."""
    scores: Scores = np.minimum(1.0, (events < PITCHES).sum(1, keepdims=True) / (16 + 3 * 9))
    return scores


@pytest.fixture(scope="module")
def conditional() -> npt.NDArray[np.float64]:
    """Of each bar, the exact chance to be the fuller one where `busy` is satisfied; and that of any change, last."""
    paths, chances = every_path()
    good = paths.sum(1) >= 9
    share = chances[good] / chances[good].sum()
    changes = (paths[good, 1:] != paths[good, :-1]).mean(1)
    return np.append(share @ paths[good], share @ changes)


def observed(paths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return np.append(paths.mean(0), (paths[:, 1:] != paths[:, :-1]).mean())


def same(one: Candidate, other: Candidate) -> bool:
    """Whether two candidates are equal in everything."""
    return repr(replace(one, events=one.events.tobytes())) == repr(replace(other, events=other.events.tobytes()))  # type: ignore[arg-type]


def plan_of(
    scores: Callable[[Events], Scores], toy: Toy = TWO, **settings: object
) -> tuple[Steer[ToyState], SteerPlan[ToyState]]:
    steer = Steer(toy, SteerSettings(**settings))  # type: ignore[arg-type]
    return steer, steer.prepare(scores)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("sharpness", [0.0, 5.0, 10.0])
def test_the_filter_samples_from_the_exact_conditional_whatever_potential_and_proposal(
    conditional: npt.NDArray[np.float64], sharpness: float, again: bool
) -> None:
    _, plan = plan_of(busy)
    potential = replace(plan.potential, sharpness=sharpness)
    end = ParticleFilter(TWO, potential, copies=again).run([RuleCounter(busy)], 3000, [np.random.default_rng(0)])[0]
    good = (end.scores == 1).all(1) & np.isfinite(end.weights)
    share = np.exp(end.weights[good] - end.weights[good].max())
    paths = paths_of(end.events[good])
    changes = (paths[:, 1:] != paths[:, :-1]).mean(1)
    found = np.append(share @ paths, share @ changes) / share.sum()
    assert np.abs(found - conditional).mean() < 0.03
    assert found[-1] == pytest.approx(conditional[-1], abs=0.03)


def test_limits_are_corrected_by_p_over_q(conditional: npt.NDArray[np.float64]) -> None:
    """A proposal that may write the fuller bar alone in the first half samples from p given that it does."""
    table = np.ones((STEPS, STATES), bool)
    table[: STEPS // 2 : STEPS_PER_BAR, 60] = True
    table[4 : STEPS // 2 : STEPS_PER_BAR, HOLD] = False
    _, plan = plan_of(busy)
    potential = replace(plan.potential, sharpness=0.0)
    end = ParticleFilter(TWO, potential, table).run([RuleCounter(busy)], 4000, [np.random.default_rng(0)])[0]
    paths, chances = every_path()
    here = paths[:, :8].all(1)
    share = np.exp(end.weights) / np.exp(end.weights).sum()
    assert paths_of(end.events)[:, :8].all()
    assert share @ paths_of(end.events) == pytest.approx(chances[here] @ paths[here] / chances[here].sum(), abs=0.05)


def test_draws_are_near_the_exact_conditional(conditional: npt.NDArray[np.float64]) -> None:
    steer, plan = plan_of(busy)
    drawn = steer.sample(plan, 0, range(1, 201))
    assert all(candidate.obeys for candidate in drawn)
    found = observed(paths_of(np.stack([candidate.events for candidate in drawn])))
    assert np.abs(found - conditional).max() < 0.1


def test_a_particle_keeps_every_transposition_and_ends_in_one_by_its_share() -> None:
    toy = Toy(bar_of(60, 2), bar_of(61, 2))
    scores = Rule((pitch_classes({0}),)).graded
    steer, plan = plan_of(scores, toy)
    assert len(plan.potential.shifts) == 12
    drawn = steer.sample(plan, 0, range(1, 41))
    assert all(candidate.obeys for candidate in drawn)
    # All 60, or all 61 and a semitone down: both are as probable, and the file can't tell them apart.
    assert {tuple(candidate.events[candidate.events < PITCHES]) for candidate in drawn} == {(60,) * 32}


def test_melody_k_depends_on_seed_number_and_attempt_alone() -> None:
    steer, plan = plan_of(busy)
    together = steer.sample(plan, 3, [1, 2, 3])
    assert all(map(same, together[1:], steer.sample(plan, 3, [2, 3])))
    assert all(map(same, together, steer.sample(steer.prepare(busy), 3, [1, 2, 3])))
    other = [steer.sample(plan, 3, [1], attempt=2), steer.sample(plan, 4, [1])]
    assert all((each[0].events != together[0].events).any() for each in other)


def test_what_a_candidate_says_of_itself() -> None:
    steer, plan = plan_of(busy, particles=(16, 32))
    candidate = steer.sample(plan, 0, [7])[0]
    path = paths_of(candidate.events[None])[0]
    changes = int((path[1:] != path[:-1]).sum())
    nats = -np.log(0.5) - (15 - changes) * np.log(STAY) - changes * np.log(1 - STAY)
    assert candidate.number == 7
    assert candidate.bits == pytest.approx(nats / np.log(2) / (16 + 3 * path.sum()))
    assert (candidate.particles, candidate.written) in ((16, 16), (32, 48))
    assert len(candidate.ess) == BARS
    assert 0 < min(candidate.ess) <= max(candidate.ess) <= candidate.particles
    assert candidate.calls > 0
    assert candidate.edited == 0
    assert candidate.scores == tuple(busy(candidate.events[None])[0])
    assert not canonical(candidate.events)[1].any()


def test_realism_weighs_melodies() -> None:
    def likes_few(events: Events) -> npt.NDArray[np.float64]:
        liking: npt.NDArray[np.float64] = -1.0 * (events < PITCHES).sum(1)
        return liking

    plain, plan = plan_of(busy)
    liked = Steer(TWO, realism=likes_few)
    counts = [
        np.mean([(candidate.events < PITCHES).sum() for candidate in steer.sample(plan, 0, range(1, 17))])
        for steer in (plain, liked)
    ]
    assert counts[1] < counts[0] - 2


def test_an_impossible_rule_ends_with_the_best_that_was_found() -> None:
    steer, plan = plan_of(lambda events: busy(events) * 0.5, particles=(8,), sweeps=1)
    candidate = steer.sample(plan, 0, [1])[0]
    assert not candidate.obeys
    assert candidate.sweeps == 1
    assert candidate.scores[0] == 0.5


def test_bars_that_break_a_rule_are_written_anew() -> None:
    melodies = np.array([bar_of(60, 4) * 3 + bar_of(60, 1) + bar_of(60, 4) * 12])

    def full(events: Events) -> Scores:
        scores: Scores = (events < PITCHES).sum(1, keepdims=True) / 64
        return scores

    result = rewrite(TWO, RuleCounter(full), melodies, 4, 1000.0, np.random.default_rng(0))
    assert result.scores.tolist() == [[1.0]]
    assert result.nats[0] == pytest.approx(-np.log(0.5) - 15 * np.log(STAY))


def test_a_scale_is_found_by_asking() -> None:
    """Six melodies of random pitches: the rule is known by its answers alone."""
    rng = np.random.default_rng(0)
    melodies = np.where(rng.random((8, STEPS)) < 0.4, rng.integers(50, 80, (8, STEPS)), HOLD)
    table = pitches_allowed(RuleCounter(Rule((pitch_classes({0, 4, 7}), density(4))).graded), melodies)
    assert table is not None
    assert np.flatnonzero(table[9, 48:60]).tolist() == [0, 4, 7]
    assert table[:, HOLD:].all()
    assert pitches_allowed(RuleCounter(Rule((tonic(0),)).graded), melodies) is None
    assert pitches_allowed(RuleCounter(busy), melodies) is None


def test_places_are_found_by_asking() -> None:
    def on_beats(events: Events) -> Scores:
        scores: Scores = (events[:, ::4] < PITCHES).mean(1, keepdims=True)
        return scores

    rng = np.random.default_rng(0)
    melodies = np.where(rng.random((8, STEPS)) < 0.4, rng.integers(50, 80, (8, STEPS)), HOLD)
    table = events_allowed(RuleCounter(on_beats), melodies)
    assert table is not None
    assert not table[::4, HOLD:].any()
    assert table[1::4].all()
    assert on_beats(canonical(keeps_within(melodies, table))[0]).min() == 1


def test_a_table_that_spells_a_melody_is_not_believed() -> None:
    melody = np.array(bar_of(60, 4) * BARS)

    def this(events: Events) -> Scores:
        scores: Scores = (events == melody).mean(1, keepdims=True)
        return scores

    rng = np.random.default_rng(0)
    melodies = np.where(rng.random((8, STEPS)) < 0.4, rng.integers(50, 80, (8, STEPS)), HOLD)
    assert events_allowed(RuleCounter(this), melodies) is None


def test_guesses_of_the_whole() -> None:
    bars = np.arange(3 * STEPS_PER_BAR).reshape(1, 3, STEPS_PER_BAR)
    assert repeat_bars(bars, 3).reshape(BARS, STEPS_PER_BAR)[:, 0].tolist() == [0, 16, 32] * 5 + [0]
    assert repeat_bars(bars, 1).reshape(BARS, STEPS_PER_BAR)[:, 0].tolist() == [0, 16] + [32] * 14
    assert continue_bars(bars, np.full(STEPS, REST)).tolist() == [[*range(48), *[REST] * (STEPS - 48)]]


def test_the_twist_is_what_tells_the_end() -> None:
    """Of a share of notes the repetition; of the last note, nothing until the last bar."""
    rng = np.random.default_rng(0)
    melodies = np.where(rng.random((32, STEPS)) < 0.4, rng.integers(50, 80, (32, STEPS)), HOLD)
    share = fit_potential(RuleCounter(Rule((pitch_classes({0, 2, 4, 5, 7, 9, 11}),)).graded), melodies, 1.0, rng)
    last = fit_potential(RuleCounter(Rule((tonic(0),)).graded), melodies, 1.0, rng)
    assert share.weights[11, 0].sum() > 0.5
    assert last.weights[:14].sum(2).mean() < 0.25
    assert share.shifts == last.shifts == tuple(range(-6, 6))


def test_an_easy_rule_steers_gently() -> None:
    """Where half of the model's melodies obey by themselves nothing is steered."""
    _, easy = plan_of(lambda events: np.minimum(1.0, (events < PITCHES).sum(1, keepdims=True) / 28))
    _, hard = plan_of(lambda events: (events < PITCHES).sum(1, keepdims=True) / 256)
    assert easy.potential.sharpness == 0
    assert hard.potential.sharpness == SteerSettings().sharpness


def test_a_judge_asks_once_about_what_is_equal() -> None:
    judge = RuleCounter(busy)
    same = np.array([bar_of(60, 1) * BARS] * 5)
    assert judge(same).shape == (5, 1)
    assert judge.calls == 1


def test_notes_stop_at_the_ends_of_the_alphabet() -> None:
    assert transpose_rows(np.array([[1, HOLD, REST, 126]]), -3).tolist() == [[0, HOLD, REST, 123]]


def test_copies_of_earlier_bars() -> None:
    bars = np.array([[bar_of(60, 2), [62, HOLD, REST, 64, *[HOLD] * 12]]])
    sources = np.array([(1, 0, 0), (2, 3, 0), (1, 0, 1)])
    assert copies(bars, sources)[0].tolist() == [
        [62, HOLD, REST, 64, *[HOLD] * 12],
        bar_of(63, 2),
        [64, *[HOLD] * 12, REST, 62, HOLD],
    ]
    assert (backwards(backwards(bars)) == bars).all()


def test_resampling_keeps_shares() -> None:
    weights = np.log(np.array([0.5, 0.25, 0.125, 0.125]))
    rows = np.concatenate([resample(weights, np.random.default_rng(seed)) for seed in range(500)])
    assert np.bincount(rows) / len(rows) == pytest.approx(np.exp(weights), abs=0.03)
    assert effective(np.zeros(7)) == pytest.approx(7)
    assert effective(np.array([0.0, -np.inf])) == pytest.approx(1)


def test_the_language_model_writes_and_scores_alike() -> None:
    torch.manual_seed(0)
    config = LanguageConfig(event=8, bar_event=4, bar_hidden=8, embedding=8, context=8, hidden=16)
    language = MelodyLM(config).eval()
    writer = LanguageWriter(language, 0.9)
    uniforms = torch.rand(6, STEPS)
    state, bars, likelihood = writer.start(6), [], torch.zeros(6)
    again, scored = writer.start(6), torch.zeros(6)
    for at in range(BARS):
        state, bar, log_p = writer.write_bar(state, uniforms[:, at * STEPS_PER_BAR : (at + 1) * STEPS_PER_BAR])
        again, log_q = writer.score_bar(again, bar)
        likelihood, scored = likelihood + log_p, scored + log_q
        bars.append(bar)
        if at == 7:
            rows = torch.tensor([1, 1, 0, 5, 4, 3])
            state, again = state.select(rows), again.select(rows)
            bars, uniforms = [bar[rows] for bar in bars], uniforms[rows]
            likelihood, scored = likelihood[rows], scored[rows]
    events = torch.cat(bars, 1)
    assert likelihood.numpy() == pytest.approx(-language.nll(events, 0.9).numpy(), rel=1e-5)
    assert scored.numpy() == pytest.approx(likelihood.numpy(), rel=1e-5)


def test_the_language_model_writes_within_limits() -> None:
    torch.manual_seed(0)
    config = LanguageConfig(event=8, bar_event=4, bar_hidden=8, embedding=8, context=8, hidden=16)
    writer = LanguageWriter(MelodyLM(config).eval())
    allowed = torch.zeros(1, 1, STATES, dtype=torch.bool)
    allowed[..., [60, 64, HOLD]] = True
    _, bar, likelihood, correction = writer.write_bar_within(writer.start(50), torch.rand(50, 16), allowed)
    _, scored = writer.score_bar(writer.start(50), bar)
    assert set(bar.flatten().tolist()) <= {60, 64, HOLD}
    assert likelihood.numpy() == pytest.approx(scored.numpy(), rel=1e-4)
    assert (correction < 0).all()
    everything = torch.ones(1, 1, STATES, dtype=torch.bool)
    assert writer.write_bar_within(writer.start(3), torch.rand(3, 16), everything)[3].abs().max() < 1e-4


def test_with_best_of_more_attempts_are_steered() -> None:
    class Steered:
        def sample(self, seed: int, numbers: Sequence[int], attempt: int) -> str:
            return f"steered {attempt}"

    for best_of, steered in ((1, STEERED), (4, 4 * STEERED)):
        task = Task(cast(LoadedModel, None), Request.read(("cmaj",), (), ()), best_of=best_of)
        auto = Auto(task, Steered())  # type: ignore[arg-type]
        assert auto.sample(1, [1], steered) == f"steered {steered}"  # type: ignore[comparison-overlap]
        auto.__dict__["fallback"] = None
        with pytest.raises(AttributeError):
            auto.sample(1, [1], steered + 1)
