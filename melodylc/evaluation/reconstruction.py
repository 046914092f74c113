"""How well a model gives melodies back: from the posterior's mean and from one sample of it.

Teacher-forced, every event is predicted from the true ones before it. Free-running, from those predicted so far, and
the melody is judged in its canonical form, as it would leave the model. Per prior p, with z one sample of q(z|x):

    kl    KL(q(z|x) || p), nats a melody, of the z that is decoded free-running
    bits  negative ELBO, (KL - log p(x|z)) / (256 log 2), bits a step, of the z that is teacher-forced

The two z are one unless the model's posterior depends on what was written before (`melodylc.models.autoregressive`).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask, Values
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.subject import LatentEncoding, Subject, batch_slices

ACTIVE_NATS = 0.01


@dataclass(frozen=True)
class Accuracy:
    """Shares that are right, in [0, 1]."""

    steps: Spread  #: of all steps
    notes: Spread  #: of the steps where a note begins
    bars: Spread  #: of the bars, every step of them
    melodies: Spread  #: of the melodies, every step of them

    @classmethod
    def of(cls, given: Sequence[Events], truth: Events) -> Self:
        """The accuracy of one answer a seed, each (n, 256), the shape of the truth."""
        right = [answer == truth for answer in given]
        return cls(
            steps=Spread.of(hit.mean() for hit in right),
            notes=Spread.of(hit[truth < HOLD].mean() for hit in right),
            bars=Spread.of(hit.reshape(-1, BARS, STEPS_PER_BAR).all(axis=2).mean() for hit in right),
            melodies=Spread.of(hit.all(axis=1).mean() for hit in right),
        )


@dataclass(frozen=True)
class Rate:
    """What melodies cost under a prior; see the module."""

    kl: Spread
    bits: Spread


@dataclass(frozen=True)
class Reconstruction:
    """How melodies came back."""

    melodies: int
    mean_forced: Accuracy
    mean_free: Accuracy
    sample_forced: Accuracy
    sample_free: Accuracy
    touched: Spread  #: share of the steps that the canonical form made rests, free-running from the mean
    rates: dict[str, Rate]  #: by the prior's name
    active: int  #: dimensions whose KL to N(0, I) is above 0.01 nats on average


@dataclass(frozen=True)
class Answer:
    """What a model made of n melodies, from one z each."""

    forced: Events  #: (n, 256)
    free: Events  #: (n, 256)
    touched: Mask  #: (n, 256)
    kl: Values  #: (n, priors) nats
    cost: Values  #: (n, priors) nats, the negative ELBO
    dimensions: Values  #: (n, z) nats, to N(0, I)

    def select(self, rows: npt.NDArray[np.generic]) -> "Answer":
        """Some of the melodies."""
        return Answer(*(getattr(self, field.name)[rows] for field in fields(self)))


@dataclass(frozen=True)
class Answers:
    """What a model made of melodies, from the mean and from one sample a seed."""

    events: Events  #: (n, 256)
    priors: tuple[str, ...]
    mean: Answer
    samples: tuple[Answer, ...]

    def select(self, rows: npt.NDArray[np.generic]) -> "Answers":
        """Some of the melodies."""
        samples = tuple(answer.select(rows) for answer in self.samples)
        return Answers(self.events[rows], self.priors, self.mean.select(rows), samples)

    def figures(self) -> Reconstruction:
        """The figures of all of them."""
        truth, mean, samples = self.events, self.mean, self.samples
        return Reconstruction(
            melodies=len(truth),
            mean_forced=Accuracy.of([mean.forced], truth),
            mean_free=Accuracy.of([mean.free], truth),
            sample_forced=Accuracy.of([answer.forced for answer in samples], truth),
            sample_free=Accuracy.of([answer.free for answer in samples], truth),
            touched=Spread.of([mean.touched.mean()]),
            rates={prior: self._rate(at) for at, prior in enumerate(self.priors)},
            active=int((mean.dimensions.mean(axis=0) > ACTIVE_NATS).sum()),
        )

    def _rate(self, prior: int) -> Rate:
        return Rate(
            kl=Spread.of(answer.kl[:, prior].mean() for answer in self.samples),
            bits=Spread.of(answer.cost[:, prior].mean() / (STEPS * math.log(2)) for answer in self.samples),
        )


def answers(
    subject: Subject, events: Events, seeds: Sequence[int], report: Callable[[int], None] = lambda count: None
) -> Answers:
    """Give melodies (n, 256), n at least 1, back from the mean and from one sample a seed.

    `report` is told of every melody that was given back, 1 + len(seeds) times n in all.
    """
    names = tuple(prior.name for prior in subject.priors)
    mean, *samples = (_answer(subject, events, seed, report) for seed in (None, *seeds))
    return Answers(events, names, mean, tuple(samples))


def _answer(subject: Subject, events: Events, seed: int | None, report: Callable[[int], None]) -> Answer:
    parts = []
    for number, part in enumerate(batch_slices(len(events))):
        parts.append(_chunk(subject, events[part], None if seed is None else _seed(seed, number)))
        report(part.stop - part.start)
    return Answer(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Answer)))


def _chunk(subject: Subject, events: Events, seed: int | None) -> Answer:
    encoded, forced = subject.encode(events, seed), subject.teacher_forced(events, seed)
    free, touched = subject.melodies(encoded.z)
    kl, forced_kl = _kl(subject, encoded, events), _kl(subject, forced.encoded, events)
    dimensions = encoded.kl_by_dimension.double().numpy()
    return Answer(forced.events, free, touched, kl, forced_kl + forced.nll[:, None], dimensions)


def _kl(subject: Subject, encoded: LatentEncoding, events: Events) -> Values:
    return np.stack([prior.kl(encoded, events).double().numpy() for prior in subject.priors], axis=1)


def _seed(seed: int, chunk: int) -> int:
    return int(np.random.SeedSequence((seed, chunk)).generate_state(1, np.uint64)[0] >> 1)
