"""What is told of draws under a rule.

    mean, = 1        of each part of a rule: mean score, and share of draws where it is exactly 1
    all              share of draws that satisfy every part
    z_MSE, L_dist    how far the prior's samples were moved (`melodylc.latent.distance`)
    distinct         share of different melodies, in any transposition
    differ           share of steps in which two melodies differ, on average
    apart            mean edit distance of two melodies, each first moved to one key (`melodylc.evaluation.diversity`)
    decodes          what a draw cost, in melodies through the decoder (`melodylc.evaluation.ways`)

Means over seeds with their deviation. Intervals are at 95 %, over the draws of all seeds: Wilson's of a share, the
normal one of a mean.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Self

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STEPS
from melodylc.evaluation.diversity import apart, differ
from melodylc.evaluation.drawn import MethodSamples
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.samples import distinct
from melodylc.evaluation.statistics import features
from melodylc.rewards import Rule

Interval = tuple[float, float]


@dataclass(frozen=True)
class RulePart:
    """How one part of a rule is kept."""

    mean: Spread
    rate: Spread  #: share of draws where it is exactly 1
    mean_interval: Interval
    rate_interval: Interval

    @classmethod
    def of(cls, scores: Sequence[npt.NDArray[np.float64]]) -> Self:
        """The figures of scores (n,), an array a seed."""
        every = np.concatenate(scores)
        width = 1.96 * float(every.std(ddof=1)) / len(every) ** 0.5
        return cls(
            mean=Spread.of(one.mean() for one in scores),
            rate=Spread.of((one == 1).mean() for one in scores),
            mean_interval=(max(0.0, float(every.mean()) - width), min(1.0, float(every.mean()) + width)),
            rate_interval=wilson(int((every == 1).sum()), len(every)),
        )


@dataclass(frozen=True)
class RuleSamples:
    """What draws are like under a rule; see the module."""

    count: int  #: a seed
    parts: dict[str, RulePart]
    all: Spread
    interval: Interval
    z_mse: Spread | None  #: None where no latent was moved
    distance: Spread | None
    distinct: Spread
    differ: Spread
    apart: Spread
    over_prior: Spread | None  #: how far they are apart, over the same of the prior's; None for the prior
    pitches: Spread  #: different ones in a melody
    notes: Spread
    touched: Spread  #: share of steps that the canonical form made rests
    decodes: Spread  #: without a fit's share

    @classmethod
    def of(cls, rule: Rule, drawn: Sequence[MethodSamples], prior: Self | None = None) -> Self:
        """The figures of one set of draws a seed, beside those of the prior."""
        scores = [rule.scores(one.events) for one in drawn]
        kept = [(one == 1).all(axis=1) for one in scores]
        found = [features(one.events) for one in drawn]
        how_far = Spread.of(apart(one.events) for one in drawn)
        return cls(
            count=len(kept[0]),
            parts={name: RulePart.of([one[:, at] for one in scores]) for at, name in enumerate(rule.names)},
            all=Spread.of(one.mean() for one in kept),
            interval=wilson(sum(int(one.sum()) for one in kept), sum(map(len, kept))),
            z_mse=_known(one.z_mse.mean() for one in drawn),
            distance=_known(one.distance.mean() for one in drawn),
            distinct=Spread.of(distinct(one.events) for one in drawn),
            differ=Spread.of(differ(one.events) for one in drawn),
            apart=how_far,
            over_prior=_over(how_far, prior.apart) if prior else None,
            pitches=Spread.of(one.pitch_count.mean() for one in found),
            notes=Spread.of(one.notes_per_bar.sum(axis=1).mean() for one in found),
            touched=Spread.of(one.touched.sum() / one.events.size for one in drawn),
            decodes=Spread.of(one.decodes.mean() for one in drawn),
        )


def wilson(hits: int, count: int, z: float = 1.96) -> Interval:
    """Wilson's interval of a share, `count` at least 1.

    >>> [round(bound, 4) for bound in wilson(0, 100)]
    [0.0, 0.037]
    """
    share, spread = hits / count, z * z / count
    middle, width = share + spread / 2, z * (share * (1 - share) / count + spread / count / 4) ** 0.5
    return max((middle - width) / (1 + spread), 0.0), min((middle + width) / (1 + spread), 1.0)


def _known(values: Iterable[float]) -> Spread | None:
    found = Spread.of(values)
    return None if isnan(found.mean) else found


def _over(one: Spread, other: Spread) -> Spread:
    return Spread.of(a / max(b, 1 / STEPS) for a, b in zip(one.values, other.values, strict=True))
