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

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STATES, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events, Values
from melodylc.rewards.base import Scores
from melodylc.sampling.steering.given import GivenBars, without_hold
from melodylc.sampling.steering.limits import EventTable, everything
from melodylc.sampling.steering.potential import Bars, Potential, RuleCounter, repeat_bars, transpose_rows
from melodylc.sampling.steering.writer import BarWriter, State

LogRealism = Callable[[Events], Values]
"""Log-weights (n,) of canonical melodies (n, 256): how much each is worth for being like real ones."""

CLOSED = -12.0  #: nats below the best at which a transposition is given up
DECIDED = 4  #: bars after which a particle's transposition is drawn by its share
LIKELY = 0.05  #: share from which a transposition counts where events are limited
LAGS = (1, 2, 4, 8, 12)  #: bars ago that a transposed copy is of; others are of any bar
MOVES = (2, -2, 5, -5, 7, -7, 3, -3, 4, -4, 1, -1, 12, -12)  #: semitones that a copy is moved by
LOOKS = 4  #: bars after which realism is asked again
CLOSING = 0.3  #: nats that each semitone from the last note to the first costs, where these follow one another
ASKED = 4  #: particles for which all copies are judged, a bar


@dataclass(frozen=True)
class FilterResult:
    """What a run of the filter leaves: n particles and their transpositions."""

    events: npt.NDArray[np.int64]  #: (n, 256), transposed as each is best
    weights: Values  #: (n,) log-weights, realism included, where the rule is satisfied; of those alone where it isn't
    scores: Scores  #: (n, parts)
    nats: Values  #: (n,) -log p
    ess: Values  #: (bars,) effective sample size after each bar, as a share of the particles
    copies: Values  #: (n,) share of the bars that are copies


@dataclass(frozen=True)
class ParticleFilter(Generic[State]):
    """Runs of particles for one melody or several."""

    writer: BarWriter[State]  #: the model
    potential: Potential  #: the rule's, for unfinished melodies
    allowed: EventTable | None = None  #: which events the rule allows; None for all
    copies: bool = False  #: whether earlier bars are proposed again
    realism: LogRealism | None = None  #: what more is liked; asked after every four bars, repeated until the end
    given: GivenBars | None = None  #: bars that are scored and not written; the rule takes melodies in one key then

    def run(self, judges: Sequence[RuleCounter], count: int, rngs: Sequence[np.random.Generator]) -> list[FilterResult]:
        """Write `count` melodies with each random stream, judged by its own judge.

        The model writes all of them at once. Particles of different streams never meet, but how sums are rounded
        depends on how many rows there are: the same streams give the same melodies in groups of the same size.
        Where melodies have fewer than sixteen bars, these come over and over.
        """
        clouds = [_Cloud(self, judge, count, rng) for judge, rng in zip(judges, rngs, strict=True)]
        state = self.writer.start(count * len(clouds))
        given = self.given
        allowed = everything() if given and self.allowed is None else self.allowed
        length = self.potential.length
        for bar in range(length):
            uniforms = torch.from_numpy(np.concatenate([cloud.uniforms() for cloud in clouds]))
            if given and bar in given.bars:
                written = torch.from_numpy(given.bar(bar, len(uniforms)))
                after, likelihood = self.writer.score_bar(state, written)
                correction = likelihood.double().numpy()  # q is 1
            elif allowed is None:
                after, written, likelihood = self.writer.write_bar(state, uniforms)
                correction = np.zeros(len(written))
            else:
                limits = np.concatenate([cloud.limits(allowed) for cloud in clouds])
                table = torch.from_numpy(given.limit(bar, limits) if given else limits)
                after, written, likelihood, corrected = self.writer.write_bar_within(state, uniforms, table)
                correction = corrected.double().numpy()
            blocks = _blocks(len(clouds), written, likelihood, correction)
            proposed = [_ProposedBars(new, nats, log_ratio) for new, nats, log_ratio in blocks]
            if self.copies and bar and not (given and (bar in given.bars or given.follows(bar))):
                mixed = [cloud.mix(each) for cloud, each in zip(clouds, proposed, strict=True)]
                after, likelihood = self.writer.score_bar(
                    state, torch.from_numpy(np.concatenate([it.bars for it in mixed]))
                )
                scored = _blocks(len(clouds), likelihood)
                proposed = [each.corrected(nats) for each, (nats,) in zip(mixed, scored, strict=True)]
            for cloud, each in zip(clouds, proposed, strict=True):
                cloud.add(each)
            state = after
            if bar < length - 1 and any(cloud.ess[-1] < 0.5 for cloud in clouds):
                rows = [cloud.resample() + at * count for at, cloud in enumerate(clouds)]
                state = state.select(torch.from_numpy(np.concatenate(rows)))
        return [cloud.finish() for cloud in clouds]


@dataclass(frozen=True)
class _ProposedBars:
    """Bars (n, 16) for each particle, their log p and log p/q, (n,); and of a mixture with copies what q takes."""

    bars: Bars
    likelihood: Values
    correction: Values
    again: Values = field(default_factory=lambda: np.zeros(1))  # (n,), 1 for copies; or (1,), where there are none
    share: float = 0.0  # of copies
    chance: Values = field(default_factory=lambda: np.zeros(1))  # (n,), that this bar is the copy that is proposed

    def corrected(self, likelihood: Values) -> "_ProposedBars":
        """The same with log p of the bars that are mixed, and so with log p/q.

        q = (1 - share) q_model + share q_copies, with log q_model = log p - correction.
        """
        model = np.log1p(-self.share) + likelihood - np.where(self.again == 1, 0.0, self.correction)
        with np.errstate(divide="ignore"):
            correction = likelihood - np.logaddexp(model, np.log(self.share * self.chance))
        return replace(self, likelihood=likelihood, correction=correction)


class _Cloud:
    """The particles of one melody."""

    def __init__(
        self, filtering: "ParticleFilter[Any]", judge: RuleCounter, count: int, rng: np.random.Generator
    ) -> None:
        self.potential, self.realism = filtering.potential, filtering.realism
        self.judge, self.rng = judge, rng
        self.shifts = np.array(self.potential.shifts)
        self.bars = np.empty((count, 0, STEPS_PER_BAR), np.int64)
        self.psi = np.zeros((count, len(self.shifts)))  # of each transposition
        self.scores = np.zeros((count, len(self.shifts), 1))
        self.weight, self.nats, self.copied, self.real = (np.zeros(count) for _ in range(4))
        self.ess: list[float] = []

    def uniforms(self) -> npt.NDArray[np.float32]:
        return self.rng.random((len(self.bars), STEPS_PER_BAR), np.float32)

    def limits(self, allowed: EventTable) -> EventTable:
        """Events (n, 16, 130), as the model writes them, that one of the likely transpositions allows."""
        bar = self.bars.shape[1]
        here = allowed[bar * STEPS_PER_BAR : (bar + 1) * STEPS_PER_BAR]
        shares = np.exp(self.psi - self.psi.max(1, keepdims=True))
        likely = shares >= LIKELY * shares.sum(1, keepdims=True)
        moved = np.stack([here[:, transpose_rows(np.arange(STATES)[None], shift)[0]] for shift in self.shifts])
        table: EventTable = likely.astype(np.float32) @ moved.reshape(len(moved), -1).astype(np.float32) > 0
        return table.reshape(len(self.psi), STEPS_PER_BAR, STATES)

    def mix(self, proposed: _ProposedBars) -> _ProposedBars:
        """Copies of earlier bars in place of some of the bars that the model wrote."""
        count = len(self.bars)
        share, chances, sources = self._copies(proposed.bars)
        again = self.rng.random(count) < share
        choice = self.rng.choice(len(chances), count, p=chances)
        every = copies(self.bars, sources)
        bars = np.where(again[:, None], every[np.arange(count), choice], proposed.bars)
        chance = ((every == bars[:, None]).all(2) * chances).sum(1)
        return replace(proposed, bars=bars, again=again.astype(np.float64), share=share, chance=chance)

    def _copies(self, written: Bars) -> tuple[float, Values, npt.NDArray[np.int64]]:
        """How often to copy, and with which chances what: rows as `copies` takes them.

        The rule is asked about every copy for a few particles; what it likes best is proposed most.
        """
        so_many = self.bars.shape[1]
        plain = [(lag, 0, back) for lag in range(1, so_many + 1) for back in (0, 1)]
        moved = [(lag, move, 0) for lag in LAGS if lag <= so_many for move in MOVES]
        sources = np.array(plain + moved)
        few = np.linspace(0, len(self.bars) - 1, ASKED).astype(np.int64)
        bars, shift = self.bars[few], self.shifts[self.psi[few].argmax(1)]
        tried = np.concatenate((copies(bars, sources), written[few][:, None]), 1)
        so_far = np.broadcast_to(bars[:, None], (ASKED, tried.shape[1], *bars.shape[1:]))
        whole = np.concatenate((so_far, tried[:, :, None]), 2)
        values, _ = self.potential(self.judge, transpose_rows(whole, shift).reshape(-1, *whole.shape[2:]))
        values = values.reshape(ASKED, -1)
        gain = (values[:, :-1] - values[:, -1:]).mean(0)
        chances = np.exp(gain - gain.max()) * np.where(sources[:, 1:].any(1), 1.0, 3.0)
        chances = 0.9 * chances / chances.sum() + 0.1 / len(chances)
        return (0.5 if gain.max() > 3 else 0.1), chances / chances.sum(), sources

    def add(self, proposed: _ProposedBars) -> None:
        """Take the next bars, and weigh them."""
        again = self.potential.length < BARS and not self.bars.shape[1]  # nothing is held into the first bar
        bars = without_hold(proposed.bars) if again else proposed.bars
        self.bars = np.concatenate((self.bars, bars[:, None]), 1)
        so_far = self.bars.shape[1]
        self.nats = self.nats - proposed.likelihood
        self.copied = self.copied + proposed.again / self.potential.length
        before = _mean(self.psi)
        self._judge()
        self.weight = self.weight + proposed.correction + _mean(self.psi) - before
        if self.realism is not None and so_far % LOOKS == 0:
            real = self.realism(canonical(repeat_bars(self.bars, so_far))[0]) * so_far / BARS
            self.weight, self.real = self.weight + real - self.real, real
        if so_far == DECIDED:
            chosen = draw_columns(self.psi, self.rng)
            self.psi = np.where(np.arange(len(self.shifts)) == chosen[:, None], self.psi, -np.inf)
        self.ess.append(effective(self.weight) / len(self.bars))

    def _judge(self) -> None:
        """log psi (n, shifts) of the bars, and where they are whole their scores (n, shifts, parts)."""
        rows, which = np.nonzero(self.psi > self.psi.max(1, keepdims=True) + CLOSED)
        values, parts = self.potential(self.judge, transpose_rows(self.bars[rows], self.shifts[which]))
        self.psi = np.full(self.psi.shape, -np.inf)
        self.psi[rows, which] = values
        if parts is not None:
            self.scores = np.zeros((*self.psi.shape, parts.shape[1]))
            self.scores[rows, which] = parts

    def resample(self) -> npt.NDArray[np.int64]:
        """Which particles go on, (n,); all of them where they are different enough."""
        count = len(self.bars)
        if self.ess[-1] >= 0.5:
            return np.arange(count)
        rows = resample(self.weight, self.rng)
        self.bars, self.psi = self.bars[rows], self.psi[rows]
        self.nats, self.copied, self.real = self.nats[rows], self.copied[rows], self.real[rows]
        self.weight = np.zeros(count)
        return rows

    def finish(self) -> FilterResult:
        """The melodies, each in one of its transpositions; those that come over and over by how near their ends are."""
        count = len(self.bars)
        if self.potential.length < BARS:
            self.weight = self.weight - CLOSING * loop_steps(self.bars)
        obeys = (self.scores == 1).all(2) & np.isfinite(self.psi)
        left = np.where(obeys, 0.0, np.where(obeys.any(1, keepdims=True), -np.inf, self.psi))
        best = draw_columns(left, self.rng)
        return FilterResult(
            transpose_rows(repeat_bars(self.bars, self.potential.length), self.shifts[best]),
            self.weight - _mean(self.psi) + np.where(obeys.any(1), _mean(left), 0.0),
            self.scores[np.arange(count), best],
            self.nats,
            np.array(self.ess),
            self.copied,
        )


def _blocks(count: int, *parts: Any) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Rows of arrays, in `count` parts of equal size."""
    return zip(*(np.split(np.asarray(part), count) for part in parts), strict=True)


def copies(bars: Bars, sources: npt.NDArray[np.int64]) -> Bars:
    """Copies (n, k, 16) of bars (n, b, 16) by rows of `sources`: bars ago, semitones to move by, 1 for backwards."""
    found = bars[:, -sources[:, 0]]
    found = np.where(sources[:, 2, None] == 1, backwards(found), found)
    moved = np.clip(found + sources[:, 1, None], 0, PITCHES - 1)
    return np.where(found < PITCHES, moved, found)


def loop_steps(bars: Bars) -> npt.NDArray[np.int64]:
    """Semitones from the last note of bars (n, b, 16) to the first, (n,); 0 without notes.

    >>> loop_steps(np.array([[[60, *[128] * 14, 67]], [[129] * 16]])).tolist()
    [7, 0]
    """
    events = bars.reshape(len(bars), -1)
    notes, rows = events < PITCHES, np.arange(len(events))
    ends = events[rows, notes.argmax(1)] - events[rows, notes.shape[1] - 1 - notes[:, ::-1].argmax(1)]
    return np.where(notes.any(1), abs(ends), 0)


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


def draw_columns(psi: Values, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A column of each row (n, k) of log-weights, drawn by its share: (n,)."""
    share = np.exp(psi - psi.max(1, keepdims=True)).cumsum(1)
    at = rng.random(len(psi)) * share[:, -1]
    columns: npt.NDArray[np.int64] = np.minimum((share <= at[:, None]).sum(1), psi.shape[1] - 1)
    return columns
