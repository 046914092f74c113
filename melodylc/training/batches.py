"""Batches of melodies: sources balanced, transposed at random, a pure function of seed and step.

Nothing here has a state, so a resumed run sees exactly the batches it would have seen.
"""

import numpy as np

from melodylc.data.alphabet import STEPS_PER_BAR
from melodylc.data.arrays import Events, Rows
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError
from melodylc.data.rows import HIGHEST, LOWEST, Sources, source_weights, transpose
from melodylc.models.segments import segment_starts
from melodylc.training.augment import vary_rhythm

#: how often a language model meets a lead, an inner voice, a bass, or one of no role
ROLE_SHARES = (0.7, 0.18, 0.12, 1.0)


class Batches:
    """Draws training batches from a corpus, or from those of its training melodies that `rows` names.

    A share `augmented` of the melodies has other rhythms (`melodylc.training.augment`).
    """

    def __init__(
        self, corpus: Corpus, balance: float, seed: int, rows: Rows | None = None, augmented: float = 0.0
    ) -> None:
        if not len(corpus.train):
            raise CorpusError("the corpus has no training melodies: build it from more files")
        self.seed, self.augmented = seed, augmented
        weights = source_weights(corpus, balance, rows)
        self.sources = Sources(np.ascontiguousarray(corpus.train), corpus.train_collection, weights, rows)

    def draw(self, stage: int, step: int, count: int) -> Events:
        """`count` melodies (count, 256) for one step of one stage."""
        rng = np.random.default_rng((self.seed, stage, step))
        events = self.sources.draw(rng, count)
        return vary_rhythm(events, self.augmented, rng) if self.augmented else events

    def draw_plain(self, stage: int, step: int, count: int) -> Events:
        """The same melodies in their own rhythms."""
        return self.sources.draw(np.random.default_rng((self.seed, stage, step)), count)


class RoleBatches:
    """Draws batches of melodies with their roles for a language model.

    Melodies of several batches are drawn together and dealt out by their numbers of segments, so that a batch's are
    about as long as each other. Roles are drawn by `ROLE_SHARES`, collections within a role by their weights.
    """

    TOGETHER = 8  #: batches

    def __init__(self, corpus: Corpus, balance: float, seed: int, rows: Rows | None = None) -> None:
        if not len(corpus.train):
            raise CorpusError("the corpus has no training melodies: build it from more files")
        self.seed, self.events = seed, np.ascontiguousarray(corpus.train)
        self.role = corpus.train_role
        kind = self.role.astype(np.int64) * len(corpus.collections) + corpus.train_collection
        among = np.arange(len(self.events)) if rows is None else rows
        counts = np.bincount(kind[among], minlength=len(ROLE_SHARES) * len(corpus.collections))
        weights = np.where(counts > 0, counts.astype(float) ** balance, 0.0).reshape(len(ROLE_SHARES), -1)
        shares = weights / np.maximum(weights.sum(1, keepdims=True), 1e-9) * np.array(ROLE_SHARES)[:, None]
        each = np.zeros(len(self.events))
        each[among] = (shares.reshape(-1) / np.maximum(counts, 1))[kind[among]]
        self.cumulative = np.cumsum(each) / each.sum()
        self._latest: tuple[tuple[int, int, int], Events] | None = None

    def draw(self, stage: int, step: int, count: int) -> Events:
        """`count` melodies with their roles behind them, (count, 257), for one step of one stage."""
        key = stage, step // self.TOGETHER, count
        if not self._latest or self._latest[0] != key:
            self._latest = key, self._deal(*key)
        batch: Events = self._latest[1][step % self.TOGETHER]
        return batch

    def _deal(self, stage: int, group: int, count: int) -> Events:
        rng = np.random.default_rng((self.seed, stage, group))
        rows = np.searchsorted(self.cumulative, rng.random(self.TOGETHER * count), "right").clip(max=len(self.role) - 1)
        events = transpose(self.events[rows], rng.integers(LOWEST, HIGHEST + 1, size=len(rows)))
        order = np.argsort(segment_starts(events.reshape(len(rows), -1, STEPS_PER_BAR)).sum((1, 2)), kind="stable")
        dealt = np.c_[events, self.role[rows]][order].reshape(self.TOGETHER, count, -1)
        return np.asarray(rng.permutation(dealt), np.uint8)
