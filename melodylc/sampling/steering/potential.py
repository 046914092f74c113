"""What a rule says of melodies that aren't finished yet.

A rule judges sixteen bars. Of bars 1 .. b it is asked about guesses of the whole: the bars so far, over and over;
their last one, two or four bars until the end; and the bars so far, then the rest of other melodies (references), the
best that the rule finds among a few of the model's own. What part j still lacks is then one of

    again_j = b / 16 * (1 - c_j(bars 1 .. b, repeated))          were the rest as good as it can be, and the bars equal
    rest_j = mean over references of 1 - c_j(bars 1 .. b, rest)
    least_j = the smallest 1 - c_j over all guesses.

Which of these tells how it will end depends on the rule: for a scale, the repetition; for the last note, none before
the last bar. So the twist of sequential Monte Carlo is fitted: weights in [0, 1] of the regression of 1 - c_j(x) on
the three, over whole melodies of the model. Their scores are the only lesson, as for the value critic of "Latent
Constraints" (Engel, Hoffman and Roberts 2018) and for the learnt twists of Zhao et al. 2024 ("Probabilistic Inference
in Language Models via Twisted Sequential Monte Carlo"). The potential of a melody so far, and of a whole one, is

    log psi(bars 1 .. b) = -sharpness * sum_j (w_bj0 * again_j + w_bj1 * rest_j + w_bj2 * least_j)
    log psi(x) = -sharpness * sum_j (1 - c_j(x)).

Of a melody of fewer bars, k, the rule hears them over and over, and so it does of all guesses: 16 is k above.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, PITCHES, STEPS, STEPS_PER_BAR, canonical
from melodylc.data.arrays import Events, Values
from melodylc.rewards.base import Scores

Bars = npt.NDArray[np.int64]
"""Bars of melodies so far, (n, b, 16), as the model wrote them."""
MelodyRows = npt.NDArray[np.int64]
"""Events of whole melodies, (n, 256), canonical or not."""

SHIFTS = tuple(range(-6, 6))  #: transpositions that melodies are tried in, semitones
LOOPS = (1, 2, 4)  #: how many of the last bars are repeated until the end
COSTS = np.array([1, 2, 6])  #: calls of the rule for again, rest and least
WORTH = 0.01  #: share of the variance that a call must explain
STEPS_OF_SHARPNESS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7)  #: tried one after another, in shares of the most
ENOUGH = 0.5  #: share that must obey for one of these to do
KNOWN = 48  #: melodies that weights are fitted on, at least
REFERENCES = 2


@dataclass
class RuleCounter:
    """A rule that counts its calls, and judges equal melodies once.

    Args:
        scores: each part's reward, (n, parts), of canonical melodies (n, 256).
    """

    scores: Callable[[Events], Scores]
    calls: int = 0  #: melodies judged

    def __call__(self, events: npt.NDArray[np.integer]) -> Scores:
        """Each part's reward, (n, parts), of melodies (n, 256), canonical or not."""
        whole = np.ascontiguousarray(canonical(events)[0])
        _, first, where = np.unique(whole.view(f"V{STEPS}")[:, 0], return_index=True, return_inverse=True)
        self.calls += len(first)
        scores: Scores = self.scores(whole[first])[where.reshape(-1)]
        return scores


def transpose_rows(events: npt.NDArray[np.integer], shifts: npt.NDArray[np.integer] | int) -> npt.NDArray[np.int64]:
    """Events (n, ...) moved by `shifts`, (n,) semitones or as many for all; notes that would leave 0..127 stop there.

    >>> transpose_rows(np.array([[60, 128, 126]]), np.array([3])).tolist()
    [[63, 128, 127]]
    """
    by = np.asarray(shifts).reshape(-1, *[1] * (events.ndim - 1))
    return np.where(events < PITCHES, np.clip(events + by, 0, PITCHES - 1), events).astype(np.int64)


def repeat_bars(bars: Bars, loop: int) -> MelodyRows:
    """Bars (n, b, 16) and then their last `loop` over and over until there are sixteen, (n, 256)."""
    so_far = bars.shape[1]
    rest = so_far - loop + np.arange(BARS - so_far) % loop
    return bars[:, np.concatenate((np.arange(so_far), rest))].reshape(len(bars), STEPS)


def continue_bars(bars: Bars, reference: MelodyRows) -> MelodyRows:
    """Bars (n, b, 16) and then those of a reference (256,): (n, 256)."""
    whole = np.broadcast_to(reference, (len(bars), STEPS)).copy()
    whole[:, : bars.shape[1] * STEPS_PER_BAR] = bars.reshape(len(bars), -1)
    return whole


@dataclass(frozen=True)
class Potential:
    """log psi of melodies so far; see above."""

    sharpness: float  #: nats that a part costs where it is 0
    shifts: tuple[int, ...]  #: transpositions to try; one where none matters to the rule
    references: MelodyRows  #: (k, 256)
    weights: Values  #: (16, parts, 3); row b - 1 is for b bars
    length: int = BARS  #: bars of a whole melody; of more the rule hears none

    def __call__(self, judge: RuleCounter, bars: Bars) -> tuple[Values, Scores | None]:
        """log psi (n,) of bars (n, b, 16), transposed already; of whole melodies their scores (n, parts), too."""
        so_far = bars.shape[1]
        if so_far == self.length:
            scores = judge(repeat_bars(bars, so_far))
            return -self.sharpness * (1 - scores).sum(1), scores
        weights = self.weights[so_far - 1]
        lacks = _lacks(judge, bars, self.references, weights.any(0), self.length)
        return -self.sharpness * (lacks * weights).sum((1, 2)), None


def _lacks(judge: RuleCounter, bars: Bars, references: MelodyRows, use: npt.NDArray[np.bool_], length: int) -> Values:
    """again, rest and least of each part, (n, parts, 3), of bars (n, b, 16); what isn't to be used is 0."""
    count, so_far = bars.shape[:2]
    guesses = [repeat_bars(bars, so_far)] if use[0] or use[2] else []
    if use[1] or use[2]:
        guesses += [continue_bars(bars, reference) for reference in references]
    if use[2]:
        guesses += [repeat_bars(bars, loop) for loop in LOOPS if loop < so_far]
    if not guesses:
        return np.zeros((count, 1, 3))
    lacks = 1 - judge(np.concatenate(guesses)).reshape(len(guesses), count, -1)
    first = int(use[0] or use[2])
    parts = np.zeros((count, lacks.shape[2], 3))
    if use[0]:
        parts[..., 0] = so_far / length * lacks[0]
    if use[1]:
        parts[..., 1] = lacks[first : first + len(references)].mean(0)
    if use[2]:
        parts[..., 2] = lacks.min(0)
    return parts


def fit_potential(
    judge: RuleCounter,
    melodies: MelodyRows,
    sharpness: float,
    rng: np.random.Generator,
    references: MelodyRows | None = None,
    length: int = BARS,
) -> Potential:
    """The potential for a rule, from whole melodies (n, 256) of the model.

    Args:
        judge: the rule.
        melodies: 16 or more.
        sharpness: at most; less where the rule is easy. See `Potential`.
        rng: chooses the transpositions that the rule is asked about.
        references: melodies to use as such; the best of `melodies` if None.
        length: bars of a melody; the rule hears no more.
    """
    some = melodies[:8]
    plain = judge(some)
    shifts = SHIFTS if any((judge(transpose_rows(some, by)) != plain).any() for by in SHIFTS if by) else (0,)
    copies = 1 if shifts == (0,) else 1 + KNOWN // len(melodies)
    by = rng.permuted(np.tile(shifts, (len(melodies), 1)), axis=1)[:, :copies].T.reshape(-1)
    known = transpose_rows(np.tile(melodies, (copies, 1)), by)
    scores = judge(known)
    if references is None:
        references = known[np.argsort(-scores.sum(1), kind="stable")[:REFERENCES]]
    weights = np.zeros((BARS, scores.shape[1], 3))
    for so_far in range(1, length):
        bars = known.reshape(-1, BARS, STEPS_PER_BAR)[:, :so_far]
        lacks = _lacks(judge, bars, references, np.ones(3, bool), length)
        for part in range(scores.shape[1]):
            weights[so_far - 1, part] = _nonnegative(lacks[:, part], 1 - scores[:, part])
    return Potential(_needed(sharpness, (1 - scores).sum(1)), shifts, references, weights, length)


def _needed(most: float, lacks: Values) -> float:
    """The least sharpness, at most `most`, at which half of melodies obey once weighed by exp(-sharpness * lack).

    More would only make particles more alike.
    """
    for sharpness in most * np.array(STEPS_OF_SHARPNESS):
        if (lacks == 0).mean() >= ENOUGH * np.exp(-sharpness * lacks).mean():
            return float(sharpness)
    return most


def _nonnegative(features: Values, target: Values) -> Values:
    """Least squares with a constant and weights in [0, 1] of features (n, 3); each call must explain `WORTH`."""
    features, target = features - features.mean(0), target - target.mean()
    square = features.T @ features + 1e-4 * len(target) * np.eye(3)
    cross = features.T @ target
    best, most = np.zeros(3), 0.0
    for use in product((False, True), repeat=3):
        at = np.flatnonzero(use)
        weights = np.zeros(3)
        weights[at] = np.linalg.solve(square[np.ix_(at, at)], cross[at])
        gain = weights @ cross * 2 - weights @ square @ weights - WORTH * COSTS[at].sum() * (target @ target)
        if (weights >= 0).all() and gain > most:
            best, most = weights, gain
    return np.minimum(best, 1.0)
