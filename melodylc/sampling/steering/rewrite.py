"""Bars of whole melodies that break a rule, written anew between their neighbours.

Gibbs sampling over bars, each step by iterated importance resampling (Tjelmeland 2004): for a bar of a melody x the
model writes candidates from p(bar | bars before); other bars of the melody, also transposed or backwards, are
candidates too; x's own bar stays one. One of them is drawn with weights

    p(bar | before) / q(bar) * p(next bar | before, bar) * exp(-sharpness * sum_j (1 - c_j(x'))),

where of what follows only the next bar's likelihood is reckoned. Which bars break the rule is asked: those where
silence, a neighbour or the bar four before instead would score more; where no such bar is known, all.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import BARS, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Values
from melodylc.rewards.base import Scores
from melodylc.sampling.steering.filter import MOVES, backwards
from melodylc.sampling.steering.given import GivenBars, without_hold
from melodylc.sampling.steering.limits import EventTable
from melodylc.sampling.steering.potential import MelodyRows, RuleCounter, transpose_rows
from melodylc.sampling.steering.writer import BarWriter, State


@dataclass(frozen=True)
class Rewritten:
    """MelodyRows after a sweep."""

    events: MelodyRows  #: (n, 256)
    scores: Scores  #: (n, parts)
    nats: Values  #: (n,) -log p


def rewrite(
    writer: BarWriter[State],
    judge: RuleCounter,
    melodies: MelodyRows,
    candidates: int,
    sharpness: float,
    rng: np.random.Generator,
    allowed: EventTable | None = None,
    copies: int = 4,
    given: GivenBars | None = None,
    length: int = BARS,
) -> Rewritten:
    """One sweep through the bars of melodies (n, 256).

    Args:
        writer: the model.
        judge: the rule.
        melodies: in the key in which they are judged.
        candidates: bars that the model writes for one that breaks the rule.
        sharpness: nats that a part costs where it is 0.
        rng: random numbers.
        allowed: events that the rule allows, (256, 130), where that is known.
        copies: other bars of the melody that are candidates, of all those the ones that the rule likes best.
        given: bars that stay as they are.
        length: bars that the rule hears; no more are written anew.
    """
    melodies = melodies.copy()
    count, scores = len(melodies), judge(melodies)
    state, nats = writer.start(count), np.zeros(count)
    suspects = _suspects(judge, melodies, scores)
    if given:
        suspects[:, sorted(given.bars)] = False
    for bar in range(length):
        if not suspects[:, bar].any() or (scores == 1).all(1).any():
            state, likelihood = writer.score_bar(state, _bar(melodies, bar))
            nats -= likelihood.double().numpy()
            continue
        each = candidates + copies + 1
        rows = np.repeat(np.arange(count), candidates)
        uniforms = torch.from_numpy(rng.random((len(rows), STEPS_PER_BAR), np.float32))
        many = state.select(torch.from_numpy(rows))
        if allowed is None:
            _, written, _ = writer.write_bar(many, uniforms)
            correction = np.zeros(len(rows))
        else:
            here = torch.from_numpy(allowed[bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR])
            _, written, _, corrected = writer.write_bar_within(many, uniforms, here.expand(len(rows), -1, -1))
            correction = corrected.double().numpy()
        borrow_bars = _borrow_bars(judge, melodies, bar, copies, rng)
        own = _bar(melodies, bar).numpy()[:, None]
        options = np.concatenate((written.numpy().reshape(count, candidates, -1), borrow_bars, own), 1)
        if given and given.follows(bar):
            options = without_hold(options)
        wholes = np.repeat(melodies[:, None], each, 1)
        wholes[:, :, bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR] = options
        told = judge(wholes.reshape(-1, STEPS)).reshape(count, each, -1)
        rows = np.repeat(np.arange(count), each)
        after, likelihood = writer.score_bar(
            state.select(torch.from_numpy(rows)), torch.from_numpy(options).flatten(0, 1)
        )
        likely = likelihood.double().numpy().reshape(count, each)
        weight = likely - sharpness * (1 - told).sum(2)
        weight[:, :candidates] += correction.reshape(count, candidates) - likely[:, :candidates]
        weight[:, candidates:-1] += np.log(max(copies, 1))  # 1/q of a bar that is as probable as any other here
        weight[:, -1] -= likely[:, -1]
        if bar + 1 < BARS:
            _, following = writer.score_bar(after, _bar(melodies, bar + 1).repeat_interleave(each, 0))
            weight += following.double().numpy().reshape(count, each)
        share = np.exp(weight - weight.max(1, keepdims=True)).cumsum(1)
        choice = (share <= (rng.random(count) * share[:, -1])[:, None]).sum(1).clip(max=each - 1)
        here_rows = np.arange(count)
        melodies, scores = wholes[here_rows, choice], told[here_rows, choice]
        state = after.select(torch.from_numpy(here_rows * each + choice))
        nats -= likely[here_rows, choice]
    return Rewritten(melodies, scores, nats)


def _bar(melodies: MelodyRows, bar: int) -> torch.Tensor:
    return torch.from_numpy(melodies[:, bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR].copy())


def _suspects(judge: RuleCounter, melodies: MelodyRows, scores: Scores) -> npt.NDArray[np.bool_]:
    """Which bars of melodies (n, 256) break the rule, (n, 16); at least one of each that doesn't obey."""
    bars = melodies.reshape(-1, BARS, STEPS_PER_BAR)
    others = [np.full_like(bars, REST), *(np.roll(bars, by, 1) for by in (1, -1, 4))]
    tried = np.repeat(melodies[:, None], BARS * len(others), 1).reshape(-1, len(others), BARS, BARS, STEPS_PER_BAR)
    at = np.arange(BARS)
    for which, other in enumerate(others):
        tried[:, which, at, at] = other
    told = judge(tried.reshape(-1, STEPS)).reshape(len(melodies), len(others), BARS, -1)
    better: npt.NDArray[np.bool_] = (told.sum(3).max(1) > scores.sum(1)[:, None] + 1e-9) & ~(scores == 1).all(1)[
        :, None
    ]
    none = ~better.any(1) & ~(scores == 1).all(1)
    better[none] = True
    return better


def _borrow_bars(
    judge: RuleCounter, melodies: MelodyRows, bar: int, count: int, rng: np.random.Generator
) -> MelodyRows:
    """Bars (n, count, 16) from elsewhere in melodies, also moved or backwards: those that the rule likes best here."""
    bars = melodies.reshape(-1, BARS, STEPS_PER_BAR)
    elsewhere = [other for other in range(BARS) if other != bar]
    others = bars[:, elsewhere]
    forms = [others, backwards(others), *(transpose_rows(others, move) for move in MOVES[:6])]
    sources = np.concatenate(forms, 1)
    tried = np.repeat(melodies[:, None], sources.shape[1], 1)
    tried[:, :, bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR] = sources
    told = judge(tried.reshape(-1, STEPS)).reshape(len(melodies), sources.shape[1], -1).sum(2)
    told = told + 1e-6 * rng.random(told.shape)  # ties are broken by chance
    best = np.argsort(-told, axis=1, kind="stable")[:, :count]
    chosen: MelodyRows = np.take_along_axis(sources, best[:, :, None], 1)
    return chosen
