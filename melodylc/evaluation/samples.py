"""Samples of a model against held-out melodies, between real melodies as the ceiling.

For each seed, held-out melodies are parted in two by chance. As many melodies are drawn from the one part (the
reference), from the other (the ceiling) and from the model's prior. A model is judged by the mean of its features'
overlapping areas with the reference, over the ceiling's. The same between parts that share no work stands beside it:
what other people's melodies reach, when only a few works stand for all.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melodylc.evaluation.figures import Spread
from melodylc.evaluation.real import Held
from melodylc.evaluation.statistics import Features, features, overlapping_areas
from melodylc.evaluation.subject import Prior, Subject, chunks

Events = npt.NDArray[np.uint8]
Areas = Mapping[str, float]


@dataclass(frozen=True)
class Draws:
    """What one seed drew of real melodies."""

    reference: Events  #: (n, 256)
    other: Events  #: (n, 256) of the other part
    parted_by_work: tuple[Events, Events]


@dataclass(frozen=True)
class Comparison:
    """One set of melodies against the reference."""

    levels: dict[str, Spread]  #: mean of each feature that is a number
    areas: dict[str, Spread]  #: overlapping area of each feature
    mean_area: Spread


@dataclass(frozen=True)
class Against:
    """Melodies that aren't of the reference's works against it, and over the ceiling."""

    comparison: Comparison
    ratio: Spread  #: mean area over the ceiling's, seed by seed


@dataclass(frozen=True)
class SampleFigures:
    """How like real melodies samples are."""

    melodies: int  #: in each set
    reference: dict[str, Spread]  #: levels
    ceiling: Comparison
    other_works: Against  #: of one part with works of its own to the other
    priors: dict[str, Against]


def draw_real(held: Held, count: int, seed: int) -> Draws:
    """The real melodies that one seed compares with."""
    rng = np.random.default_rng((seed, 0))
    reference, other = (held.draw(rows, count, rng) for rows in held.halves(rng))
    one, two = (held.draw(rows, count, rng) for rows in held.halves_by_work(rng))
    return Draws(reference, other, (one, two))


def draw_samples(
    subject: Subject, prior: Prior, count: int, seed: int, report: Callable[[int], None] = lambda count: None
) -> Events:
    """Melodies of a prior, (count, 256); `report` is told of each that was written."""
    z, parts = prior.sample(count, seed), []
    for part in chunks(count):
        parts.append(subject.written(z[part])[0])
        report(part.stop - part.start)
    return np.concatenate(parts)


def compare_samples(drawn: Sequence[Draws], samples: Mapping[str, Sequence[Events]]) -> SampleFigures:
    """Hold the samples of each prior, one array a seed, against the real melodies of the same seeds."""
    references = [features(draws.reference) for draws in drawn]
    ceiling = _comparison(references, [features(draws.other) for draws in drawn])
    by_work = [tuple(map(features, draws.parted_by_work)) for draws in drawn]
    priors = {
        name: _against(_comparison(references, [features(events) for events in given]), ceiling)
        for name, given in samples.items()
    }
    return SampleFigures(
        melodies=len(drawn[0].reference),
        reference=_levels(references),
        ceiling=ceiling,
        other_works=_against(_comparison([one for one, _ in by_work], [two for _, two in by_work]), ceiling),
        priors=priors,
    )


def _against(comparison: Comparison, ceiling: Comparison) -> Against:
    pairs = zip(comparison.mean_area.values, ceiling.mean_area.values, strict=True)
    return Against(comparison, Spread.of(area / most for area, most in pairs))


def _comparison(references: Sequence[Features], others: Sequence[Features]) -> Comparison:
    areas = [overlapping_areas(reference, other) for reference, other in zip(references, others, strict=True)]
    means = Spread.of(float(np.mean(list(found.values()))) for found in areas)
    return Comparison(_levels(others), _by_name(areas), means)


def _levels(found: Sequence[Features]) -> dict[str, Spread]:
    return _by_name([{name: values.mean() for name, values in one.levels().items()} for one in found])


def _by_name(found: Sequence[Areas]) -> dict[str, Spread]:
    return {name: Spread.of(one[name] for one in found) for name in found[0]}
