"""Do melodies between two real ones stay like real ones?

Pairs of real melodies are encoded (the posterior's mean) and walked between in equal steps on an arc, as MusicVAE
does. A melody on the way is *inside* a statistic's range if it lies between the 1st and the 99th percentile of real
melodies. A decoder that jumps from one end to the other would pass that. So `jump` tells the largest share of the
events by which two neighbours on the way differ, over the share by which the two ends do, all as the model gives them
back: 1 / 9 where every event changes once and the changes are spread evenly, 1 where all come at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from melodylc.data.arrays import Events, Values
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.statistics import features
from melodylc.evaluation.subject import Subject, batch_slices
from melodylc.latent.distance import arc

STEPS = 8  #: melodies between the two ends
RANGE = (1.0, 99.0)  #: percentiles of real melodies
ALL = "all"  #: every statistic at once


@dataclass(frozen=True)
class Walks:
    """Melodies on the way between pairs of real ones, both ends as the model gives them back among them."""

    events: Events  #: (pairs, STEPS + 2, 256)

    @property
    def between(self) -> Events:
        """Those between the ends, (pairs * STEPS, 256)."""
        return self.events[:, 1:-1].reshape(-1, self.events.shape[2])

    def jump(self) -> float:
        """See the module; the mean over the pairs whose ends differ, 0 if none do."""
        gaps = (self.events[:, 1:] != self.events[:, :-1]).mean(axis=2)
        ends = (self.events[:, 0] != self.events[:, -1]).mean(axis=1)
        return float((gaps.max(axis=1)[ends > 0] / ends[ends > 0]).mean()) if (ends > 0).any() else 0.0


@dataclass(frozen=True)
class Inside:
    """Share of melodies inside the range of each statistic, and of all at once."""

    shares: dict[str, Spread]


@dataclass(frozen=True)
class InterpolationFigures:
    """How melodies between real ones compare."""

    pairs: int
    between: Inside
    real: Inside  #: other real melodies, the ceiling
    samples: dict[str, Inside]  #: by prior
    jump: Spread


def walk(subject: Subject, events: Events, report: Callable[[int], None] = lambda count: None) -> Walks:
    """Walk between melodies (2 * pairs, 256): from each of the first half to its partner in the second.

    `report` is told of every melody that was written, STEPS + 2 times the pairs.
    """
    pairs = len(events) // 2
    means = torch.cat([subject.encode(events[part]).z for part in batch_slices(len(events))])
    places = torch.linspace(0, 1, STEPS + 2)
    z = torch.stack([arc(means[:pairs], means[pairs:], float(place)) for place in places], dim=1).flatten(0, 1)
    parts = []
    for part in batch_slices(len(z)):
        parts.append(subject.melodies(z[part])[0])
        report(part.stop - part.start)
    return Walks(np.concatenate(parts).reshape(pairs, STEPS + 2, -1))


def ranges(real: Events) -> dict[str, tuple[float, float]]:
    """The range of each statistic in real melodies (n, 256)."""
    found = features(real).levels()
    return {name: (float(low), float(high)) for name, (low, high) in _percentiles(found).items()}


def _percentiles(found: Mapping[str, Values]) -> dict[str, Values]:
    return {name: np.percentile(values, RANGE) for name, values in found.items()}


def within_ranges(events: Events, limits: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """The share of melodies (n, 256) inside each range, and inside all."""
    found = features(events).levels()
    hits = {name: (found[name] >= low) & (found[name] <= high) for name, (low, high) in limits.items()}
    hits[ALL] = np.logical_and.reduce(list(hits.values()))
    return {name: float(hit.mean()) for name, hit in hits.items()}


def compare_walks(
    walks: Sequence[Walks],
    reference: Sequence[Events],
    other: Sequence[Events],
    samples: Mapping[str, Sequence[Events]],
) -> InterpolationFigures:
    """One of each a seed: walks, real melodies that set the ranges, others, and samples of each prior."""
    limits = [ranges(events) for events in reference]

    def share(melodies: Sequence[Events]) -> Inside:
        found = [within_ranges(events, limit) for events, limit in zip(melodies, limits, strict=True)]
        return Inside({name: Spread.of(one[name] for one in found) for name in found[0]})

    return InterpolationFigures(
        pairs=len(walks[0].events),
        between=share([one.between for one in walks]),
        real=share(other),
        samples={name: share(given) for name, given in samples.items()},
        jump=Spread.of(one.jump() for one in walks),
    )
