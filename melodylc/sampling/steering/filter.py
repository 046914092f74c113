"""A particle filter over bars: sequential Monte Carlo with twisted potentials, adaptive resampling and several
proposals.

A particle is a melody so far. Bar b comes from a proposal q and is weighted by

    w_b = w_(b-1) * p(bar_b | bars before) / q(bar_b | bars before) * psi(bars 1 .. b) / psi(bars 1 .. b-1)

(Del Moral, Doucet and Jasra 2006; for language models Lew et al. 2023, "Sequential Monte Carlo Steering of Large
Language Models using Probabilistic Programs"). Where the effective sample size 1 / sum w^2 falls below half of the
particles, they are drawn anew by systematic resampling. The proposals are the model itself (q = p), the model limited
to events that the rule allows, and earlier bars again, also transposed or backwards; all but the first are corrected
by p / q, so that none of them changes what is sampled from, only how soon it is found.

**Transposition.** The rule may want another key than the model writes in. A particle keeps all transpositions s open
that explain its first bars: psi is the mean over s of psi(bars moved by s), so that it does the work of twelve. After
four bars s is drawn from its share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STATES, STEPS_PER_BAR, canonical
from melodylc.rewards.base import Events, Scores
from melodylc.sampling.steering.limits import Table
from melodylc.sampling.steering.potential import Bars, Judge, Potential, Values, repeated, transposed
from melodylc.sampling.steering.writer import BarWriter, State

Realism = Callable[[Events], Values]
"""log D (n,) of canonical melodies (n, 256): how probably each is real."""

CLOSED = -12.0  #: nats below the best at which a transposition is given up
DECIDED = 4  #: bars after which a particle's transposition is drawn by its share
LIKELY = 0.05  #: share from which a transposition counts where events are limited
LAGS = (1, 2, 4, 8, 12)  #: bars ago that a transposed copy is of; others are of any bar
MOVES = (2, -2, 5, -5, 7, -7, 3, -3, 4, -4, 1, -1, 12, -12)  #: semitones that a copy is moved by
LOOKS = 4  #: bars after which realism is asked again
ASKED = 4  #: particles for which all copies are judged, a bar


@dataclass(frozen=True)
class Finished:
    """What a run of the filter leaves: n particles and their transpositions."""

    events: npt.NDArray[np.int64]  #: (n, 256), transposed as each is best
    weights: Values  #: (n,) log-weights for p(x) D(x) where the rule is satisfied; for p(x) D(x) alone where it isn't
    scores: Scores  #: (n, parts)
    nats: Values  #: (n,) -log p
    ess: Values  #: (16,) effective sample size after each bar, as a share of the particles
    copies: Values  #: (n,) share of the bars that are copies


class ParticleFilter(Generic[State]):
    """Runs of `count` particles.

    Args:
        writer: the model.
        potential: the rule's, for unfinished melodies.
        allowed: which events the rule allows; None for all.
        copies: whether earlier bars are proposed again.
        realism: what more is liked: log D (n,) of canonical melodies (n, 256). It is asked after bars 4, 8 and 12, too,
            about the bars so far over and over, and is part of the weights in the end.
    """

    def __init__(
        self,
        writer: BarWriter[State],
        potential: Potential,
        allowed: Table | None = None,
        copies: bool = False,
        realism: Realism | None = None,
    ) -> None:
        self.writer = writer
        self.potential = potential
        self.allowed = allowed
        self.copies = copies
        self.realism = realism

    def run(self, judge: Judge, count: int, rng: np.random.Generator) -> Finished:
        """Write `count` melodies together."""
        shifts = np.array(self.potential.shifts)
        state = self.writer.start(count)
        bars = np.empty((count, 0, STEPS_PER_BAR), np.int64)
        psi = np.zeros((count, len(shifts)))  # of each transposition
        weight, nats, copied, ess = np.zeros(count), np.zeros(count), np.zeros(count), np.ones(BARS)
        real = np.zeros(count)
        scores = np.zeros((count, len(shifts), 1))
        for bar in range(BARS):
            before = _mean(psi)
            state, new, likelihood, correction, again = self._propose(judge, state, bars, psi, rng)
            bars = np.concatenate((bars, new[:, None]), 1)
            nats -= likelihood
            copied += again / BARS
            psi, scores = self._judge(judge, bars, psi)
            weight += correction + _mean(psi) - before
            if self.realism is not None and bar % LOOKS == LOOKS - 1:
                now = self.realism(canonical(repeated(bars, bar + 1))[0]) * (bar + 1) / BARS
                weight, real = weight + now - real, now
            if bar == DECIDED - 1:
                chosen = _drawn(psi, rng)
                psi = np.where(np.arange(len(shifts)) == chosen[:, None], psi, -np.inf)
            ess[bar] = effective(weight) / count
            if ess[bar] < 0.5 and bar < BARS - 1:
                rows = resample(weight, rng)
                state = state.select(torch.from_numpy(rows))
                bars, psi, nats, copied, real = bars[rows], psi[rows], nats[rows], copied[rows], real[rows]
                weight = np.zeros(count)
        obeys = (scores == 1).all(2) & np.isfinite(psi)
        left = np.where(obeys, 0.0, np.where(obeys.any(1, keepdims=True), -np.inf, psi))
        best = _drawn(left, rng)
        rows = np.arange(count)
        return Finished(
            transposed(bars.reshape(count, -1), shifts[best]),
            weight - _mean(psi) + np.where(obeys.any(1), _mean(left), 0.0),
            scores[rows, best],
            nats,
            ess,
            copied,
        )

    def _judge(self, judge: Judge, bars: Bars, psi: Values) -> tuple[Values, Scores]:
        """log psi (n, shifts) of bars, and where they are whole their scores (n, shifts, parts)."""
        shifts = np.array(self.potential.shifts)
        rows, which = np.nonzero(psi > psi.max(1, keepdims=True) + CLOSED)
        values, parts = self.potential(judge, transposed(bars[rows], shifts[which]))
        now = np.full(psi.shape, -np.inf)
        now[rows, which] = values
        scores = np.zeros((*psi.shape, 1 if parts is None else parts.shape[1]))
        if parts is not None:
            scores[rows, which] = parts
        return now, scores

    def _propose(
        self, judge: Judge, state: State, bars: Bars, psi: Values, rng: np.random.Generator
    ) -> tuple[State, Bars, Values, Values, Values]:
        """The next memory, bars (n, 16), their log p, log p/q, and which are copies (1 or 0)."""
        count = len(bars)
        uniforms = torch.from_numpy(rng.random((count, STEPS_PER_BAR), np.float32))
        if self.allowed is None:
            after, bar, likelihood = self.writer.write_bar(state, uniforms)
            correction = np.zeros(count)
        else:
            limits = torch.from_numpy(self._limits(bars.shape[1], psi))
            after, bar, likelihood, corrected = self.writer.write_bar_within(state, uniforms, limits)
            correction = corrected.double().numpy()
        new, nats = bar.numpy(), likelihood.double().numpy()
        if not self.copies or not bars.shape[1]:
            return after, new, nats, correction, np.zeros(count)
        share, chances, sources = self._copies(judge, bars, new, psi)
        again = rng.random(count) < share
        choice = rng.choice(len(chances), count, p=chances)
        every = copies(bars, sources)
        new = np.where(again[:, None], every[np.arange(count), choice], new)
        after, scored = self.writer.score_bar(state, torch.from_numpy(new))
        nats = scored.double().numpy()
        chance = ((every == new[:, None]).all(2) * chances).sum(1)
        # q = (1 - share) * q_model + share * q_copies, where log q_model = log p - correction
        model = np.log1p(-share) + nats - np.where(again, 0.0, correction)
        with np.errstate(divide="ignore"):
            correction = nats - np.logaddexp(model, np.log(share * chance))
        return after, new, nats, correction, again.astype(np.float64)

    def _limits(self, bar: int, psi: Values) -> Table:
        """Events (n, 16, 130), as the model writes them, that one of the likely transpositions allows."""
        assert self.allowed is not None
        here = self.allowed[bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR]
        shares = np.exp(psi - psi.max(1, keepdims=True))
        likely = shares >= LIKELY * shares.sum(1, keepdims=True)
        events = np.arange(STATES)
        moved = np.stack([here[:, transposed(events[None], shift)[0]] for shift in self.potential.shifts])
        allowed: Table = likely.astype(np.float32) @ moved.reshape(len(moved), -1).astype(np.float32) > 0
        return allowed.reshape(len(psi), STEPS_PER_BAR, STATES)

    def _copies(self, judge: Judge, bars: Bars, new: Bars, psi: Values) -> tuple[float, Values, npt.NDArray[np.int64]]:
        """How often to copy, and with which chances what: rows as `copies` takes them.

        The rule is asked about every copy for a few particles; what it likes best is proposed most.
        """
        so_many = bars.shape[1]
        plain = [(lag, 0, back) for lag in range(1, so_many + 1) for back in (0, 1)]
        moved = [(lag, move, 0) for lag in LAGS if lag <= so_many for move in MOVES]
        sources = np.array(plain + moved)
        few = np.linspace(0, len(bars) - 1, ASKED).astype(np.int64)
        shift = np.array(self.potential.shifts)[psi[few].argmax(1)]
        tried = np.concatenate((copies(bars[few], sources), new[few][:, None]), 1)
        so_far = np.broadcast_to(bars[few][:, None], (ASKED, tried.shape[1], *bars.shape[1:]))
        whole = np.concatenate((so_far, tried[:, :, None]), 2)
        values, _ = self.potential(judge, transposed(whole, shift).reshape(-1, *whole.shape[2:]))
        values = values.reshape(ASKED, -1)
        gain = (values[:, :-1] - values[:, -1:]).mean(0)
        chances = np.exp(gain - gain.max()) * np.where(sources[:, 1:].any(1), 1.0, 3.0)
        chances = 0.9 * chances / chances.sum() + 0.1 / len(chances)
        return (0.5 if gain.max() > 3 else 0.1), chances / chances.sum(), sources


def copies(bars: Bars, sources: npt.NDArray[np.int64]) -> Bars:
    """Copies (n, k, 16) of bars (n, b, 16) by rows of `sources`: bars ago, semitones to move by, 1 for backwards."""
    found = bars[:, -sources[:, 0]]
    found = np.where(sources[:, 2, None] == 1, backwards(found), found)
    moved = np.clip(found + sources[:, 1, None], 0, PITCHES - 1)
    return np.where(found < PITCHES, moved, found)


def backwards(bars: Bars) -> Bars:
    """Bars (..., 16) with their notes in the opposite order; what goes on from the bar before is left out.

    >>> backwards(np.array([60, 128, 128, 129, 62, 128, *[129] * 10]))[-8:].tolist()
    [129, 129, 62, 128, 129, 60, 128, 128]
    """
    steps = np.arange(STEPS_PER_BAR)
    origin = np.maximum.accumulate(np.where(bars != HOLD, steps, 0), axis=-1)
    pitch = np.take_along_axis(bars, origin, -1)[..., ::-1]
    origin = origin[..., ::-1]
    begins = np.ones(bars.shape, bool)
    begins[..., 1:] = origin[..., 1:] != origin[..., :-1]
    return np.where(pitch >= PITCHES, REST, np.where(begins, pitch, HOLD)).astype(np.int64)


def effective(weights: Values) -> float:
    """Effective sample size of log-weights."""
    share = np.exp(weights - weights.max())
    return float(share.sum() ** 2 / (share**2).sum())


def resample(weights: Values, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Rows by systematic resampling of log-weights (n,)."""
    share = np.exp(weights - weights.max()).cumsum()
    at = (np.arange(len(weights)) + rng.random()) / len(weights) * share[-1]
    rows: npt.NDArray[np.int64] = np.minimum(np.searchsorted(share, at, side="right"), len(weights) - 1)
    return rows


def _mean(psi: Values) -> Values:
    """log of the mean of exp over the columns."""
    top = psi.max(1)
    mean: Values = top + np.log(np.exp(psi - top[:, None]).mean(1))
    return mean


def _drawn(psi: Values, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A column of each row, drawn by its share."""
    share = np.exp(psi - psi.max(1, keepdims=True)).cumsum(1)
    at = rng.random(len(psi)) * share[:, -1]
    columns: npt.NDArray[np.int64] = np.minimum((share <= at[:, None]).sum(1), psi.shape[1] - 1)
    return columns
