"""One evaluation of a model on a corpus: what it gives back, dreams up and copies, and what lies between melodies.

Judged on held-out works that never chose a checkpoint (`melodylc.training.batches.evaluation_rows`), in the mean over
several seeds wherever something is drawn. A model that was trained without a collection is judged on that collection
by itself, on both of its sides, for it met neither.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from melodylc.data.arrays import Events
from melodylc.data.corpus import SIDES, Corpus
from melodylc.data.errors import InputError
from melodylc.data.leave_out import LEFT_OUT, all_of, collection_number
from melodylc.data.overlap import NoteRows
from melodylc.data.rows import HIGHEST, LOWEST, evenly
from melodylc.evaluation.copies import CopyFigures, find_copies
from melodylc.evaluation.figures import check_seeds, plain
from melodylc.evaluation.interpolation import STEPS, InterpolationFigures, compare_walks, walk
from melodylc.evaluation.judging import LikenessReport, judge_sets
from melodylc.evaluation.real import Ground, before_dropping
from melodylc.evaluation.reconstruction import Answers, Reconstruction, answers
from melodylc.evaluation.samples import SampleFigures, compare_samples, draw_real, draw_samples, redraw_copies
from melodylc.evaluation.subject import Subject, subject_of
from melodylc.models.checkpoint import LoadedModel
from melodylc.models.refinement import Refinement
from melodylc.sampling.memorisation import MemorisationFilter, find_memorisation_filter
from melodylc.versions import versions

FORMAT = "melodylc-evaluation/1"
HELD_OUT = "held-out works"
GUARDED = ", copies refused"  #: a prior's samples as `generate` gives them
_Report = Callable[[int, str], None]  #: melodies that went through the model since the last call, and what for


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """How much is measured."""

    melodies: int = 2048  #: held-out melodies to give back, evenly spread; as many of a collection left out
    samples: int = 1000  #: melodies in each set that is compared, a seed
    pairs: int = 64  #: pairs of melodies to walk between, a seed
    seeds: tuple[int, ...] = (1, 2, 3)
    refine: Refinement | None = None  #: give melodies back once more, with posteriors fitted to each
    refined: int = 256  #: held-out melodies to give back so


@dataclass(frozen=True)
class ModelEvaluation:
    """All figures, with their conditions."""

    conditions: dict[str, Any]
    reconstruction: Reconstruction
    refined: dict[str, Reconstruction]  #: the same from posteriors fitted to each melody, if that was asked for
    by_collection: dict[str, Reconstruction]
    unseen: dict[str, Reconstruction]  #: the collection that the model was trained without, if any
    samples: SampleFigures
    likeness: (
        LikenessReport | None
    )  #: whether samples can be told from real melodies; None where there are too few to say
    copies: CopyFigures
    interpolation: InterpolationFigures

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a file."""
        return {"format": FORMAT, **plain(self)}


class Evaluator:
    """Evaluates one model on one corpus. Everything that can be refused is refused when it is made.

    Raises:
        InputError: a count below 1 (samples: 2), no seed, one given twice, or one below 0.
        CorpusError: a corpus that isn't of this alphabet, or is too small, or lacks what the model left out.
        CheckpointError: the runs by which copies are refused, which come with the package, are damaged.
    """

    def __init__(
        self, model: LoadedModel, corpus: Corpus, settings: EvaluationSettings, subject: Subject | None = None
    ) -> None:
        _check_settings(settings)
        self.model, self.corpus, self.settings = model, corpus, settings
        self.subject = subject_of(model) if subject is None else subject
        self.guard = find_memorisation_filter(model)
        ground = Ground.of(model.provenance, corpus)
        self.ground = ground
        self.left_out, self.remaining, self.balance = ground.left_out, ground.remaining, ground.balance
        self.held = ground.held
        self.rows = evenly(ground.rows, settings.melodies)
        self._refined_rows = evenly(ground.rows, settings.refined)
        self.unseen, self._refined_unseen = self._unseen(settings.melodies), self._unseen(settings.refined)

    @property
    def work(self) -> int:
        """How many melodies go through the model in all."""
        settings = self.settings
        given_back = (len(self.rows) + len(self.unseen)) * (1 + len(settings.seeds))
        given_back += self._refined * (1 + len(settings.seeds))
        drawn = settings.samples * len(self.subject.priors) + settings.pairs * (STEPS + 2)
        return given_back + drawn * len(settings.seeds)

    def run(self, report: _Report = lambda count, what: None) -> ModelEvaluation:
        """Measure everything. `report` hears of `work` melodies in all."""
        settings, seeds = self.settings, self.settings.seeds
        given = self._give_back(np.asarray(self.corpus.heldout[self.rows]), "giving melodies back", report)
        refined = self._give_back_refined(report)
        unseen = self._give_unseen_back(report)
        drawn = [draw_real(self.held, settings.samples, seed) for seed in seeds]
        samples = {
            prior.name: [
                draw_samples(self.subject, prior, settings.samples, seed, lambda count: report(count, "sampling"))
                for seed in seeds
            ]
            for prior in self.subject.priors
        }
        if self.guard:
            samples |= self._guarded(samples, self.guard)
        walks = [
            walk(self.subject, self._ends(seed), lambda count: report(count, "walking between melodies"))
            for seed in seeds
        ]
        report(0, "looking for copies")
        training = NoteRows(self.corpus.train, self.remaining.train)
        copies = find_copies(training, given.events, samples, before_dropping(self.corpus))
        report(0, "judging likeness")
        return ModelEvaluation(
            conditions=self.conditions(),
            reconstruction=given.figures(),
            refined=refined,
            by_collection=self._by_collection(given),
            unseen=unseen,
            samples=compare_samples(drawn, samples),
            likeness=judge_sets(self.corpus, self.ground, samples, seeds),
            copies=copies,
            interpolation=compare_walks(
                walks, [draws.reference for draws in drawn], [draws.other for draws in drawn], samples
            ),
        )

    def conditions(self) -> dict[str, Any]:
        """On what, with what and how it is measured."""
        told = self.model.provenance
        return {
            "model": self.model.fingerprint,
            "configuration": self.model.vae.config.name,
            "trained": {name: told.get(name) for name in ("corpus", "commit", "version", "minutes", LEFT_OUT)},
            "corpus": self.corpus.fingerprint,
            "corpus_is_the_trained_one": told.get("corpus") == self.corpus.fingerprint,
            "settings": plain(self.settings),
            "melodies": len(self.rows),
            "held_out": len(self.held.events),
            "works": len(np.unique(self.held.work)),
            "balance": self.balance,
            "transposed": [LOWEST, HIGHEST],
            "threads": torch.get_num_threads(),
            "versions": versions(),
        }

    def _give_back(self, events: Events, what: str, report: _Report) -> Answers:
        return answers(self.subject, events, self.settings.seeds, lambda count: report(count, what))

    @property
    def _refined(self) -> int:
        """How many melodies are given back from fitted posteriors."""
        if self.settings.refine is None:
            return 0
        return len(self._refined_rows) + len(self._refined_unseen)

    def _give_back_refined(self, report: _Report) -> dict[str, Reconstruction]:
        how, settings, what = self.settings.refine, self.settings, "giving back what posteriors are fitted to"
        if how is None:
            return {}
        subject, sets = self.subject.refined(how), {HELD_OUT: np.asarray(self.corpus.heldout[self._refined_rows])}
        if self.left_out:
            sets[self.left_out] = self._refined_unseen
        return {
            name: answers(subject, events, settings.seeds, lambda count: report(count, what)).figures()
            for name, events in sets.items()
        }

    def _guarded(self, samples: Mapping[str, Sequence[Events]], guard: MemorisationFilter) -> dict[str, list[Events]]:
        """The samples of the best prior as `generate` gives them."""
        prior, seeds = self.subject.priors[-1], self.settings.seeds
        drawn = zip(samples[prior.name], seeds, strict=True)
        return {f"{prior.name}{GUARDED}": [redraw_copies(self.subject, prior, one, at, guard) for one, at in drawn]}

    def _by_collection(self, given: Answers) -> dict[str, Reconstruction]:
        of = np.asarray(self.corpus.heldout_collection[self.rows])
        return {self.corpus.collections[number]: given.select(of == number).figures() for number in np.unique(of)}

    def _unseen(self, count: int) -> Events:
        """So many melodies of the collection that was left out, of both sides; (0, 256) if none was."""
        if self.left_out is None:
            return np.zeros((0, self.corpus.train.shape[1]), np.uint8)
        sides = zip(SIDES, all_of(self.corpus, collection_number(self.corpus, self.left_out)), strict=True)
        found = np.concatenate([getattr(self.corpus, side)[rows] for side, rows in sides])
        return np.asarray(found[evenly(np.arange(len(found)), count)])

    def _give_unseen_back(self, report: _Report) -> dict[str, Reconstruction]:
        if self.left_out is None:
            return {}
        return {self.left_out: self._give_back(self.unseen, f"giving {self.left_out} back", report).figures()}

    def _ends(self, seed: int) -> Events:
        everyone = np.arange(len(self.held.events))
        return self.held.draw(everyone, 2 * self.settings.pairs, np.random.default_rng((seed, 1)))


def _check_settings(settings: EvaluationSettings) -> None:
    for name, value, least in (
        ("melodies", settings.melodies, 1),
        ("samples", settings.samples, 2),
        ("pairs", settings.pairs, 1),
        ("refined melodies", settings.refined, 1),
    ):
        if value < least:
            raise InputError(f"{value} {name} to evaluate on: take {least} or more")
    check_seeds(settings.seeds)
