"""How rules are kept: single draws of a prior and of the actors that were fitted to it, and what these are like.

    mean, = 1        of each part of a rule: mean score, and share of draws where it is exactly 1
    all              share of draws that satisfy every part
    z_MSE, L_dist    how far an actor moved the prior's samples (`melodylc.latent.distance`)
    distinct         share of different melodies, in any transposition
    differ           share of steps in which two melodies differ, on average
    apart            mean edit distance of two melodies, each first moved to one key (`melodylc.evaluation.diversity`)

Means over seeds with their deviation; the interval of `all` is Wilson's, at 95 %, over the draws of all seeds. All
actors move the same samples of the prior. On a corpus the draws are held against real melodies too, as
`melodylc evaluate model` holds samples of priors, and searched for copies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from melodylc.data.alphabet import STEPS
from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.data.overlap import Gathered
from melodylc.evaluation.copies import CopyFigures, find_copies
from melodylc.evaluation.diversity import apart, differ
from melodylc.evaluation.drawn import Drawer, Drawn
from melodylc.evaluation.figures import Spread, check_seeds, plain
from melodylc.evaluation.real import Ground, before_dropping
from melodylc.evaluation.samples import SampleFigures, compare_samples, distinct, draw_real
from melodylc.evaluation.statistics import features
from melodylc.latent.store import StoredActor
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.rewards import Rule
from melodylc.versions import versions

FORMAT = "melodylc-rules/1"
PRIOR = "prior"  #: what the rows of no actor are called
Events = npt.NDArray[np.uint8]
Report = Callable[[int, str], None]  #: draws since the last call, and what of


@dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """How much is drawn.

    Raises:
        InputError: fewer than 2 draws, no seed, one given twice, or one below 0.
    """

    samples: int = 1000  #: draws a seed
    seeds: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        if self.samples < 2:
            raise InputError(f"{self.samples} samples to evaluate on: take 2 or more")
        check_seeds(self.seeds)


@dataclass(frozen=True)
class Case:
    """A rule, and the actor that was fitted to it, if there is one."""

    name: str
    rule: Rule
    actor: StoredActor | None = None


@dataclass(frozen=True)
class Part:
    """How one part of a rule is kept."""

    mean: Spread
    rate: Spread  #: share of draws where it is exactly 1


@dataclass(frozen=True)
class Draws:
    """What single draws are like under a rule; see the module."""

    parts: dict[str, Part]
    all: Spread
    interval: tuple[float, float]
    z_mse: Spread
    distance: Spread
    distinct: Spread
    differ: Spread
    apart: Spread
    pitches: Spread  #: different ones in a melody
    notes: Spread
    touched: Spread  #: share of steps that the canonical form made rests

    @classmethod
    def of(cls, rule: Rule, drawn: Sequence[Drawn]) -> Self:
        """The figures of one set of draws a seed."""
        scores = [rule.scores(one.events) for one in drawn]
        kept = [(one == 1).all(axis=1) for one in scores]
        found = [features(one.events) for one in drawn]
        return cls(
            parts={
                name: Part(
                    Spread.of(one[:, at].mean() for one in scores),
                    Spread.of((one[:, at] == 1).mean() for one in scores),
                )
                for at, name in enumerate(rule.names)
            },
            all=Spread.of(one.mean() for one in kept),
            interval=wilson(sum(int(one.sum()) for one in kept), sum(map(len, kept))),
            z_mse=Spread.of(one.z_mse.mean() for one in drawn),
            distance=Spread.of(one.distance.mean() for one in drawn),
            distinct=Spread.of(distinct(one.events) for one in drawn),
            differ=Spread.of(differ(one.events) for one in drawn),
            apart=Spread.of(apart(one.events) for one in drawn),
            pitches=Spread.of(one.pitch_count.mean() for one in found),
            notes=Spread.of(one.notes_per_bar.sum(axis=1).mean() for one in found),
            touched=Spread.of(one.touched.sum() / one.events.size for one in drawn),
        )


@dataclass(frozen=True)
class CaseFigures:
    """How a rule is kept by the prior and by its actor."""

    rule: str
    prior: Draws
    actor: Draws | None
    apart: Spread | None  #: how far the actor's are apart, over the same of the prior's
    rounds: int | None  #: of the actor's fit
    fingerprint: str | None  #: of the actor


@dataclass(frozen=True)
class RulesEvaluation:
    """All figures, with their conditions."""

    conditions: dict[str, Any]
    cases: dict[str, CaseFigures]
    samples: SampleFigures | None  #: prior and actors against real melodies, on a corpus
    copies: CopyFigures | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"format": FORMAT, **plain(self)}


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, `count` at least 1.

    >>> [round(bound, 4) for bound in wilson(0, 100)]
    [0.0, 0.037]
    """
    share, spread = hits / count, z * z / count
    middle, width = share + spread / 2, z * (share * (1 - share) / count + spread / count / 4) ** 0.5
    return max((middle - width) / (1 + spread), 0.0), min((middle + width) / (1 + spread), 1.0)


class RuleEvaluator:
    """Evaluates rules on one model. Everything that can be refused is refused when it is made.

    Args:
        model: the model.
        cases: rules with their actors; different names.
        settings: how much is drawn.
        prior: which of the model's; its best if None.
        corpus: what to hold the draws against, if anything.
        folder: where draws are kept while the evaluation runs, so that it can be gone on with.

    Raises:
        InputError: no cases, two of one name, or a prior that the model lacks.
        CorpusError: a corpus that isn't of this alphabet, or is too small, or lacks what the model left out.
    """

    def __init__(
        self,
        model: LoadedModel,
        cases: Sequence[Case],
        settings: RuleSettings,
        prior: PriorName | None = None,
        corpus: Corpus | None = None,
        folder: Path | None = None,
    ) -> None:
        names = [case.name for case in cases]
        twice = next((name for name in names if names.count(name) > 1 or name == PRIOR), None)
        if twice or not names:
            raise InputError(f"{twice!r} twice: name each rule once" if twice else "no rule to evaluate: give one")
        self.model, self.cases, self.settings, self.corpus = model, cases, settings, corpus
        self.drawer = Drawer(model, model.prior(prior), settings.samples, folder)
        self.ground = Ground.of(model.provenance, corpus) if corpus else None

    @property
    def actors(self) -> dict[str, StoredActor | None]:
        """The prior, which is no actor, and those of the cases."""
        return {PRIOR: None, **{case.name: case.actor for case in self.cases if case.actor}}

    @property
    def work(self) -> int:
        """How many melodies are drawn in all."""
        return self.settings.samples * len(self.settings.seeds) * len(self.actors)

    def run(self, report: Report = lambda count, what: None) -> RulesEvaluation:
        """Measure everything. `report` hears of `work` draws in all."""
        drawn = {
            name: [
                self.drawer.draw(seed, actor, lambda count, what=name: report(count, f"drawing: {what}"))  # type: ignore[misc]
                for seed in self.settings.seeds
            ]
            for name, actor in self.actors.items()
        }
        report(0, "asking the rules")
        cases = {case.name: _figures(case, drawn) for case in self.cases}
        samples, copies = self._against_real({name: [one.events for one in given] for name, given in drawn.items()})
        self.drawer.forget(self.settings.seeds, list(self.actors.values()))
        return RulesEvaluation(self.conditions(), cases, samples, copies)

    def conditions(self) -> dict[str, Any]:
        """On what, with what and how it is measured."""
        return {
            "model": self.model.fingerprint,
            "configuration": self.model.vae.config.name,
            "prior": self.drawer.prior.identity,
            "corpus": self.corpus.fingerprint if self.corpus else None,
            "settings": plain(self.settings),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }

    def _against_real(self, samples: Mapping[str, Sequence[Events]]) -> tuple[SampleFigures | None, CopyFigures | None]:
        if self.corpus is None or self.ground is None:
            return None, None
        real = [draw_real(self.ground.held, self.settings.samples, seed) for seed in self.settings.seeds]
        training = Gathered(self.corpus.train, self.ground.remaining.train)
        copies = find_copies(training, self.ground.held.events, samples, before_dropping(self.corpus))
        return compare_samples(real, samples), copies


def _figures(case: Case, drawn: Mapping[str, Sequence[Drawn]]) -> CaseFigures:
    prior, actor = Draws.of(case.rule, drawn[PRIOR]), case.actor
    if actor is None:
        return CaseFigures(case.rule.identity, prior, None, None, None, None)
    moved = Draws.of(case.rule, drawn[case.name])
    pairs = zip(moved.apart.values, prior.apart.values, strict=True)
    ratio = Spread.of(one / max(other, 1 / STEPS) for one, other in pairs)
    return CaseFigures(case.rule.identity, prior, moved, ratio, actor.header.settings.get("rounds"), actor.fingerprint)
