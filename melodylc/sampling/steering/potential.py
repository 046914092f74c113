"""What a rule says of melodies that aren't finished yet.

A rule judges sixteen bars. Of bars 1 .. b it is asked about guesses of the whole: the bars so far, over and over; and the
bars so far, then the rest of other melodies (references), which are as good as the rule finds among some of the model's own.
What part j still lacks, were the rest as it should be, is then about

    again_j = b / 16 * (1 - c_j(bars 1 .. b, repeated)),     rest_j = mean over references of 1 - c_j(bars 1 .. b, rest).

Which of the two tells how it will end depends on the rule: for a scale, the repetition; for the last note, neither, before the
last bar. So the twist of sequential Monte Carlo is fitted: nonnegative weights, at most 1, of the regression of 1 - c_j(x) on
both, over finished melodies of the model. Their scores are the only lesson, as for the value critic of "Latent Constraints"
(Engel, Hoffman and Roberts 2018) and the learnt twists of Zhao et al. 2024 ("Probabilistic Inference in Language Models via
Twisted Sequential Monte Carlo"). The potential of a melody so far is

    log psi(bars 1 .. b) = -sharpness * sum_j (w_bj0 * again_j + w_bj1 * rest_j),   of a whole one  -sharpness * sum_j (1 - c_j(x)).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, PITCHES, STEPS, STEPS_PER_BAR, canonical
from melodylc.rewards.base import Events, Scores

Bars = npt.NDArray[np.int64]
"""Bars of melodies so far, (n, b, 16), as the model wrote them."""
Melodies = npt.NDArray[np.int64]
"""Events of whole melodies, (n, 256), canonical or not."""
Values = npt.NDArray[np.float64]

SHIFTS = tuple(range(-6, 6))  #: transpositions that melodies are tried in, semitones
FITTED = (1, 2, 4, 8, 12)  #: numbers of bars at which weights are fitted; those between take the nearest before
REFERENCES = 2


@dataclass
class Judge:
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


def transposed(events: npt.NDArray[np.integer], shifts: npt.NDArray[np.integer] | int) -> npt.NDArray[np.int64]:
    """Events (n, ...) moved by `shifts`, (n,) semitones or as many for all; notes that would leave 0..127 stop there.

    >>> transposed(np.array([[60, 128, 126]]), np.array([3])).tolist()
    [[63, 128, 127]]
    """
    by = np.asarray(shifts).reshape(-1, *[1] * (events.ndim - 1))
    return np.where(events < PITCHES, np.clip(events + by, 0, PITCHES - 1), events).astype(np.int64)


def repeated(bars: Bars) -> Melodies:
    """Bars (n, b, 16) over and over until there are sixteen, (n, 256)."""
    return bars[:, np.arange(BARS) % bars.shape[1]].reshape(len(bars), STEPS)


def continued(bars: Bars, reference: Melodies) -> Melodies:
    """Bars (n, b, 16) and then those of a reference (256,): (n, 256)."""
    whole = np.broadcast_to(reference, (len(bars), STEPS)).copy()
    whole[:, : bars.shape[1] * STEPS_PER_BAR] = bars.reshape(len(bars), -1)
    return whole


@dataclass(frozen=True)
class Potential:
    """log psi of melodies so far; see above."""

    sharpness: float  #: nats that a part costs where it is 0
    shifts: tuple[int, ...]  #: transpositions to try; one where none matters to the rule
    references: Melodies  #: (k, 256)
    weights: Values  #: (16, parts, 2); row b - 1 is for b bars

    def __call__(self, judge: Judge, bars: Bars) -> tuple[Values, Scores | None]:
        """log psi (n,) of bars (n, b, 16), transposed already; of whole melodies their scores (n, parts), too."""
        so_far = bars.shape[1]
        if so_far == BARS:
            scores = judge(bars.reshape(len(bars), STEPS))
            return -self.sharpness * (1 - scores).sum(1), scores
        again, rest = self.weights[so_far - 1].T
        lack = np.zeros(len(bars))
        if again.any():
            lack += (so_far / BARS * (1 - judge(repeated(bars)))) @ again
        if rest.any():
            lack += _rest(judge, bars, self.references) @ rest
        return -self.sharpness * lack, None


def _rest(judge: Judge, bars: Bars, references: Melodies) -> Scores:
    wholes = np.concatenate([continued(bars, reference) for reference in references])
    lacks: Scores = 1 - judge(wholes).reshape(len(references), len(bars), -1).mean(0)
    return lacks


def fit_potential(
    judge: Judge, melodies: Melodies, sharpness: float, rng: np.random.Generator, references: Melodies | None = None
) -> Potential:
    """The potential for a rule, from whole melodies (n, 256) of the model.

    Args:
        judge: the rule.
        melodies: 16 or more.
        sharpness: see `Potential`.
        rng: chooses the transpositions that the rule is asked about.
        references: melodies to use as such; the best of `melodies` if None.
    """
    some = melodies[:8]
    plain = judge(some)
    shifts = SHIFTS if any((judge(transposed(some, by)) != plain).any() for by in (1, -5)) else (0,)
    copies = 1 if shifts == (0,) else 3
    by = rng.permuted(np.tile(shifts, (len(melodies), 1)), axis=1)[:, :copies].T.reshape(-1)
    known = transposed(np.tile(melodies, (copies, 1)), by)
    scores = judge(known)
    if references is None:
        references = known[np.argsort(-scores.sum(1), kind="stable")[:REFERENCES]]
    weights = np.zeros((BARS, scores.shape[1], 2))
    for at, so_far in enumerate(FITTED):
        bars = known.reshape(-1, BARS, STEPS_PER_BAR)[:, :so_far]
        again = so_far / BARS * (1 - judge(repeated(bars)))
        rest = _rest(judge, bars, references)
        until = FITTED[at + 1] - 1 if at + 1 < len(FITTED) else BARS - 1
        for part in range(scores.shape[1]):
            told = np.stack((again[:, part], rest[:, part]), 1)
            weights[so_far - 1 : until, part] = _nonnegative(told, 1 - scores[:, part])
    return Potential(sharpness, shifts, references, weights)


def _nonnegative(features: Values, target: Values) -> Values:
    """Least squares with a constant and two weights in [0, 1]; 0 for features that don't vary."""
    features, target = features - features.mean(0), target - target.mean()
    square, cross = features.T @ features + 1e-6 * len(target) * np.eye(2), features.T @ target
    best, least = np.zeros(2), 0.0
    for use in ((True, True), (True, False), (False, True)):
        at = np.flatnonzero(use)
        found = np.zeros(2)
        found[at] = np.linalg.solve(square[np.ix_(at, at)], cross[at])
        gain = found @ cross * 2 - found @ square @ found
        if (found >= 0).all() and gain > least:
            best, least = found, gain
    return np.minimum(best, 1.0)
