"""Samples of a model against held-out melodies, between real melodies as the ceiling.

For each seed, held-out melodies are parted in two by chance. As many melodies are drawn from the one part (the
reference), from the other (the ceiling) and from the model's prior. A model is judged by the mean of its features'
overlapping areas with the reference, over the ceiling's. The same between parts that share no work stands beside it:
what other people's melodies reach, when only a few works stand for all.

A model that knows ten melodies by heart can pass that, for each of them is about as far from real melodies as those are
from one another. The area the other way round, with the samples as the reference, tells it; so does the share of
melodies that are different, in any transposition.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD
from melodylc.data.arrays import Events
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.real import Held
from melodylc.evaluation.statistics import Features, features, overlapping_areas
from melodylc.evaluation.subject import PriorSubject, Subject, batch_slices

Areas = Mapping[str, float]
Refuse = Callable[[Events], npt.NDArray[np.bool_]]
"""Which of melodies (n, 256) are copies, (n,)."""

TRIES = 100  #: at most, that a copy is drawn again


@dataclass(frozen=True)
class PriorSamples:
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
    back: dict[str, Spread]  #: the same with this set as the reference
    mean_back: Spread
    distinct: Spread  #: share of different melodies, transposed ones being the same


@dataclass(frozen=True)
class Against:
    """Melodies that aren't of the reference's works against it, and over the ceiling."""

    comparison: Comparison
    ratio: Spread  #: mean area over the ceiling's, seed by seed
    back_ratio: Spread  #: the other way round


@dataclass(frozen=True)
class SampleFigures:
    """How like real melodies samples are."""

    melodies: int  #: in each set
    reference: dict[str, Spread]  #: levels
    ceiling: Comparison
    other_works: Against  #: of one part with works of its own to the other
    priors: dict[str, Against]


def draw_real(held: Held, count: int, seed: int) -> PriorSamples:
    """The real melodies that one seed compares with."""
    rng = np.random.default_rng((seed, 0))
    reference, other = (held.draw(rows, count, rng) for rows in held.halves(rng))
    one, two = (held.draw(rows, count, rng) for rows in held.halves_by_work(rng))
    return PriorSamples(reference, other, (one, two))


def draw_samples(
    subject: Subject, prior: PriorSubject, count: int, seed: int, report: Callable[[int], None] = lambda count: None
) -> Events:
    """Melodies of a prior, (count, 256); `report` is told of each that was written."""
    z, parts = prior.sample(count, seed), []
    for part in batch_slices(count):
        parts.append(subject.melodies(z[part])[0])
        report(part.stop - part.start)
    return np.concatenate(parts)


def redraw_copies(subject: Subject, prior: PriorSubject, samples: Events, seed: int, refuse: Refuse) -> Events:
    """Samples (n, 256) as `melodylc generate` gives them: those that copy training melodies are drawn again."""
    samples = samples.copy()
    for attempt in range(TRIES):
        copies = np.flatnonzero(refuse(samples))
        if not len(copies):
            break
        other = int(np.random.SeedSequence((seed, attempt)).generate_state(1, np.uint64)[0] >> 1)
        samples[copies] = draw_samples(subject, prior, len(copies), other)
    return samples


def compare_samples(drawn: Sequence[PriorSamples], samples: Mapping[str, Sequence[Events]]) -> SampleFigures:
    """Hold the samples of each prior, one array a seed, against the real melodies of the same seeds."""
    references = [draws.reference for draws in drawn]
    ceiling = _comparison(references, [draws.other for draws in drawn])
    by_work = _comparison(*zip(*(draws.parted_by_work for draws in drawn), strict=True))
    priors = {name: _against(_comparison(references, given), ceiling) for name, given in samples.items()}
    return SampleFigures(
        melodies=len(drawn[0].reference),
        reference=_levels([features(events) for events in references]),
        ceiling=ceiling,
        other_works=_against(by_work, ceiling),
        priors=priors,
    )


def distinct(events: Events) -> float:
    """The share of different melodies among (n, 256), those that a transposition makes equal being the same.

    >>> distinct(np.array([[60, HOLD, 62], [65, HOLD, 67], [60, HOLD, 63], [60, HOLD, HOLD]], np.uint8))
    0.75
    """
    onset = events < HOLD
    lowest = np.where(onset, events, HOLD - 1).min(axis=1, keepdims=True)
    return len(np.unique(np.where(onset, events - lowest, events), axis=0)) / len(events)


def _against(comparison: Comparison, ceiling: Comparison) -> Against:
    return Against(
        comparison,
        _ratio(comparison.mean_area, ceiling.mean_area),
        _ratio(comparison.mean_back, ceiling.mean_back),
    )


def _ratio(one: Spread, other: Spread) -> Spread:
    return Spread.of(area / most for area, most in zip(one.values, other.values, strict=True))


def _comparison(references: Sequence[Events], others: Sequence[Events]) -> Comparison:
    found = [features(events) for events in others]
    pairs = list(zip([features(events) for events in references], found, strict=True))
    areas = [overlapping_areas(reference, other) for reference, other in pairs]
    back = [overlapping_areas(other, reference) for reference, other in pairs]
    return Comparison(
        levels=_levels(found),
        areas=_by_name(areas),
        mean_area=_mean(areas),
        back=_by_name(back),
        mean_back=_mean(back),
        distinct=Spread.of(distinct(events) for events in others),
    )


def _mean(areas: Sequence[Areas]) -> Spread:
    return Spread.of(float(np.mean(list(found.values()))) for found in areas)


def _levels(found: Sequence[Features]) -> dict[str, Spread]:
    return _by_name([{name: values.mean() for name, values in one.levels().items()} for one in found])


def _by_name(found: Sequence[Areas]) -> dict[str, Spread]:
    return {name: Spread.of(one[name] for one in found) for name in found[0]}
