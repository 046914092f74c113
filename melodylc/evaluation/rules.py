"""How rules are kept: draws of a prior, of the actors that were fitted to it, and of an actor's simple rivals.

What is told of each stands in `melodylc.evaluation.rule_figures`, what they are in `melodylc.evaluation.ways`. All rows
begin at the same samples of the prior. Rejection has as many tries for a melody as the actor's cost, its fit's share
included, would pay for. On a corpus the draws are held against real melodies too, as `melodylc evaluate model` holds
samples of priors, and searched for copies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch

from melodylc.constraints.actors import FoundActor
from melodylc.constraints.request import Request
from melodylc.constraints.transposable import transposed_rule
from melodylc.data.arrays import Events
from melodylc.data.corpus import Corpus
from melodylc.data.errors import InputError
from melodylc.data.overlap import NoteRows
from melodylc.evaluation.copies import CopyFigures, find_copies
from melodylc.evaluation.drawn import MethodSamples, SampleCache
from melodylc.evaluation.figures import check_seeds, plain
from melodylc.evaluation.judging import LikenessReport, judge_sets
from melodylc.evaluation.real import Ground, before_dropping
from melodylc.evaluation.rule_figures import RuleSamples
from melodylc.evaluation.samples import SampleFigures, compare_samples, draw_real
from melodylc.evaluation.ways import (
    CandidateSource,
    MethodRival,
    OptimiseRival,
    RejectionRival,
    Single,
    SnapRival,
    Way,
    common_classes,
    fit_cost,
)
from melodylc.latent.critic import Critic
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.config import PriorName
from melodylc.rewards import Rule
from melodylc.sampling.steering.writer import find_writer
from melodylc.versions import versions

FORMAT = "melodylc-rules/2"
RivalName = Literal[
    "prior", "nearest", "arranged", "moved", "rejection", "snapping", "optimize", "edit", "steer", "actor"
]
ROWS: tuple[RivalName, ...] = get_args(RivalName)
TRIES = 100  #: of rejection, where there is no actor whose cost could be spent
_Report = Callable[[int, str], None]  #: draws since the last call, and what of


def read_rows(text: str) -> tuple[RivalName, ...]:
    """Rows as one types them, with commas between.

    Raises:
        InputError: an unknown one.

    >>> read_rows("prior, actor")
    ('prior', 'actor')
    """
    words = [word.strip() for word in text.split(",")]
    unknown = next((word for word in words if word not in ROWS), None)
    if unknown is not None:
        raise InputError(f"{unknown!r} is no row of the table: take some of {', '.join(ROWS)}")
    return tuple(row for row in ROWS if row in words)


@dataclass(frozen=True, kw_only=True)
class RuleSettings:
    """How much is drawn.

    Raises:
        InputError: fewer than 2 draws, no tries, no seed, one given twice, or one below 0.
    """

    samples: int = 1000  #: draws a seed
    few: int = 100  #: the same of rejection, optimisation, edits and steering, which cost more
    tries: int | None = None  #: draws of the prior for a melody of rejection; None: what an actor's draw costs
    rows: tuple[RivalName, ...] = ROWS  #: the prior is always among them
    seeds: tuple[int, ...] = (1, 2, 3)

    def __post_init__(self) -> None:
        for name, least in (("samples", 2), ("few", 2), ("tries", 1)):
            count = getattr(self, name)
            if count is not None and count < least:
                raise InputError(f"{count} {name} to evaluate on: take {least} or more")
        check_seeds(self.seeds)

    def count(self, row: RivalName) -> int:
        """RuleSamples a seed of a row."""
        return min(self.few, self.samples) if row in ("rejection", "optimize", "edit", "steer") else self.samples


@dataclass(frozen=True)
class Case:
    """A rule, and what was fitted to it, if there is anything."""

    name: str
    rule: Rule
    actor: FoundActor | None = None
    critic: Critic | None = None  #: of the rule in the actor's own key
    request: Request | None = None  #: whose rule it is; without it there are no rows of methods

    @property
    def own_rule(self) -> Rule:
        """The rule in the key that the actor was fitted in."""
        shift = self.actor.shift if self.actor else 0
        transposed = transposed_rule(self.rule, -shift) if shift else None
        return self.rule if transposed is None else transposed

    def ways(self, settings: RuleSettings) -> dict[RivalName, Way]:
        """What can be drawn of the rows that are asked for."""
        classes = common_classes(self.rule)
        shift = self.actor.shift if self.actor else 0
        made: dict[RivalName, Way | None] = {
            "prior": Single(),
            "nearest": Single(self.rule),
            "arranged": Single(self.rule, self.actor, "begun") if self._arranged else None,
            "moved": Single(self.rule, self.actor, "moved") if self.actor else None,
            "rejection": RejectionRival(self.rule, self.tries(settings)),
            "snapping": SnapRival(classes) if classes else None,
            "optimize": OptimiseRival(self.own_rule, self.critic, shift) if self.critic else None,
            "edit": MethodRival("edit", self.request) if self.request is not None else None,
            "steer": MethodRival("steer", self.request) if self.request is not None else None,
            "actor": Single(self.rule, self.actor) if self.actor else None,
        }
        return {row: way for row, way in made.items() if way and (row in settings.rows or row == "prior")}

    @property
    def _arranged(self) -> bool:
        return self.actor is not None and bool(self.actor.edits)

    def tries(self, settings: RuleSettings, decodes: float = 1.0) -> int:
        """RuleSamples of the prior that one of the actor's pays for, its fit's share included.

        `decodes` is what an actor's draw costs by itself.
        """
        if settings.tries or not self.actor:
            return settings.tries or TRIES
        return ceil(decodes + self.fitted() / (settings.samples * len(settings.seeds)))

    def fitted(self) -> int:
        """What the actor's fit cost, in melodies decoded; 0 without an actor."""
        return fit_cost(self.actor.stored.header.settings) if self.actor else 0


@dataclass(frozen=True)
class CaseFigures:
    """How a rule is kept in each way."""

    rule: str
    rows: dict[str, RuleSamples]
    tries: int  #: of rejection, for a melody
    fit: int  #: what the actor's fit cost, in melodies decoded
    rounds: int | None  #: of that fit
    fingerprint: str | None  #: of the actor
    semitones: int  #: that the actor's melodies are moved by


@dataclass(frozen=True)
class RulesEvaluation:
    """All figures, with their conditions."""

    conditions: dict[str, Any]
    cases: dict[str, CaseFigures]
    samples: SampleFigures | None  #: every row against real melodies, on a corpus
    likeness: dict[str, LikenessReport]  #: of each case, against real melodies that obey; of those with enough of them
    copies: CopyFigures | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"format": FORMAT, **plain(self)}

    def sample_name(self, case: str, row: str) -> str:
        """What a row of a case is called among `samples` and `copies`."""
        return _sample_name(case, row, alone=len(self.cases) == 1)


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
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice or not names:
            raise InputError(f"{twice!r} twice: name each rule once" if twice else "no rule to evaluate: give one")
        self.model, self.cases, self.settings, self.corpus = model, cases, settings, corpus
        self.source, self.kept = CandidateSource(model, model.prior(prior)), SampleCache(folder)
        self.ground = Ground.of(model.provenance, corpus) if corpus else None
        self.ways = {case.name: case.ways(settings) for case in cases}
        self._find_language_model()

    def _find_language_model(self) -> None:
        """Steering is a row where a language model writes; what it wrote is found again by that model's fingerprint."""
        if not any("steer" in ways for ways in self.ways.values()):
            return
        found = None if self.source.prior.identity == "N(0, I)" else find_writer(self.model)
        for ways in self.ways.values():
            way = ways.get("steer")
            if found is not None and isinstance(way, MethodRival):
                ways["steer"] = replace(way, writer=found.fingerprint)
            else:
                ways.pop("steer", None)

    @property
    def work(self) -> int:
        """How many melodies are drawn in all; those of the prior once for each case."""
        counts = [self.settings.count(row) for ways in self.ways.values() for row in ways]
        return sum(counts) * len(self.settings.seeds)

    def run(self, report: _Report = lambda count, what: None) -> RulesEvaluation:
        """Measure everything. `report` hears of `work` draws in all."""
        drawn = {case.name: self._draw_all(case, report) for case in self.cases}
        report(0, "asking the rules")
        cases = {case.name: self._figures(case, drawn[case.name]) for case in self.cases}
        samples, copies = self._against_real(self._sets(drawn))
        report(0, "judging likeness")
        likeness = self._likeness(drawn)
        self.kept.forget(
            self._key(seed, row, way)
            for ways in self.ways.values()
            for row, way in ways.items()
            for seed in self.settings.seeds
        )
        return RulesEvaluation(self.conditions(), cases, samples, likeness, copies)

    def conditions(self) -> dict[str, Any]:
        """On what, with what and how it is measured."""
        return {
            "model": self.model.fingerprint,
            "configuration": self.model.vae.config.name,
            "prior": self.source.prior.identity,
            "corpus": self.corpus.fingerprint if self.corpus else None,
            "settings": plain(self.settings),
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }

    def _draw_all(self, case: Case, report: _Report) -> dict[RivalName, list[MethodSamples]]:
        ways, drawn = self.ways[case.name], dict[RivalName, list[MethodSamples]]()
        for row in sorted(ways, key=lambda row: row == "rejection"):  # last: the actor's draws say what it may cost
            if row == "rejection" and "actor" in drawn:
                decodes = float(np.mean([one.decodes.mean() for one in drawn["actor"]]))
                ways[row] = RejectionRival(case.rule, case.tries(self.settings, decodes))
            drawn[row] = [self._seed(case.name, row, ways[row], seed, report) for seed in self.settings.seeds]
        return {row: drawn[row] for row in ways}

    def _seed(self, name: str, row: RivalName, way: Way, seed: int, report: _Report) -> MethodSamples:
        count, told = self.settings.count(row), f"drawing: {name}, {row}"
        report(0, told)

        def make() -> MethodSamples:
            return way.draw(self.source, seed, count, lambda some: report(some, told))

        drawn, there = self.kept.get(self._key(seed, row, way), count, make)
        if there:
            report(count, told)
        return drawn

    def _key(self, seed: int, row: RivalName, way: Way) -> tuple[object, ...]:
        return (self.model.fingerprint, self.source.prior.identity, way.key, seed, self.settings.count(row))

    def _figures(self, case: Case, drawn: Mapping[RivalName, Sequence[MethodSamples]]) -> CaseFigures:
        prior, actor = RuleSamples.of(case.rule, drawn["prior"]), case.actor
        rejected = self.ways[case.name].get("rejection")
        return CaseFigures(
            rule=case.rule.identity,
            rows={
                row: prior if row == "prior" else RuleSamples.of(case.rule, one, prior) for row, one in drawn.items()
            },
            tries=rejected.tries if isinstance(rejected, RejectionRival) else case.tries(self.settings),
            fit=case.fitted(),
            rounds=actor.stored.header.settings.get("rounds") if actor else None,
            fingerprint=actor.stored.fingerprint if actor else None,
            semitones=actor.shift if actor else 0,
        )

    def _sets(self, drawn: Mapping[str, Mapping[RivalName, Sequence[MethodSamples]]]) -> dict[str, list[Events]]:
        """Melodies of every row under a name of its own, those of the prior once."""
        return {
            _sample_name(name, row, alone=len(drawn) == 1): [one.events for one in given]
            for name, rows in drawn.items()
            for row, given in rows.items()
        }

    def _likeness(self, drawn: Mapping[str, Mapping[RivalName, Sequence[MethodSamples]]]) -> dict[str, LikenessReport]:
        """What obeys of each row, before the judges; without the features of keys where a rule names a scale."""
        found: dict[str, LikenessReport] = {}
        if self.corpus is None or self.ground is None:
            return {}
        for case in self.cases:
            obeying: dict[str, list[Events]] = {
                row: [one.events[case.rule.satisfied(one.events)] for one in given]
                for row, given in drawn[case.name].items()
            }
            without = ("register", "key") if common_classes(case.rule) else ("register",)
            judged = judge_sets(self.corpus, self.ground, obeying, self.settings.seeds, case.rule, without)
            found |= {case.name: judged} if judged else {}
        return found

    def _against_real(self, samples: Mapping[str, Sequence[Events]]) -> tuple[SampleFigures | None, CopyFigures | None]:
        if self.corpus is None or self.ground is None:
            return None, None
        real = [draw_real(self.ground.held, self.settings.samples, seed) for seed in self.settings.seeds]
        training = NoteRows(self.corpus.train, self.ground.remaining.train)
        copies = find_copies(training, self.ground.held.events, samples, before_dropping(self.corpus))
        return compare_samples(real, samples), copies


def _sample_name(case: str, row: str, *, alone: bool) -> str:
    # The prior's melodies are the same whatever the rule.
    return row if alone or row == "prior" else f"{case}: {row}"
