"""Batches of melodies: sources balanced, transposed at random, a pure function of seed and step.

Nothing here has a state, so a resumed run sees exactly the batches it would have seen.
"""

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, STEPS_PER_BAR
from melodylc.data.arrays import Events, Rows
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError
from melodylc.models.recall import UNKNOWN, begins

LOWEST, HIGHEST = -6, 5  #: semitones of random transposition: every key once
PITCHES = 128
ROLE_SHARES = (
    0.7,
    0.18,
    0.12,
    1.0,
)  #: how often a language model meets a lead, an inner voice, a bass, or one of no role


class Sources:
    """Melodies by collection, and how often each collection is drawn.

    Args:
        events: (n, 256), mapped or not.
        collection: (n,) which collection each is of.
        weights: (collections,) at least 0; a collection without melodies is never drawn.
        rows: those of the n that may be drawn; all by default.
    """

    def __init__(
        self,
        events: Events,
        collection: npt.NDArray[np.int16],
        weights: npt.NDArray[np.float64],
        rows: Rows | None = None,
    ) -> None:
        self.events = events
        rows = np.arange(len(events)) if rows is None else rows
        of = np.asarray(collection)[rows]
        counts = np.bincount(of, minlength=len(weights))
        self.rows = np.split(rows[np.argsort(of, kind="stable")], np.cumsum(counts)[:-1])
        drawn = np.where(counts > 0, weights, 0.0)
        self.weights = drawn / drawn.sum()

    def draw(self, rng: np.random.Generator, count: int) -> Events:
        """`count` melodies (count, 256): a collection, a melody of it, a transposition, each at random."""
        collections = rng.choice(len(self.weights), size=count, p=self.weights)
        rows = [self.rows[collection][rng.integers(len(self.rows[collection]))] for collection in collections]
        return transpose(self.events[rows], rng.integers(LOWEST, HIGHEST + 1, size=count))


class Batches:
    """Draws training batches from a corpus, or from those of its training melodies that `rows` names."""

    def __init__(self, corpus: Corpus, balance: float, seed: int, rows: Rows | None = None) -> None:
        if not len(corpus.train):
            raise CorpusError("the corpus has no training melodies: build it from more files")
        self.seed = seed
        weights = source_weights(corpus, balance, rows)
        self.sources = Sources(np.ascontiguousarray(corpus.train), corpus.train_collection, weights, rows)

    def draw(self, stage: int, step: int, count: int) -> Events:
        """`count` melodies (count, 256) for one step of one stage."""
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
        self.role = roles_of(corpus, "train")
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
        order = np.argsort(begins(events.reshape(len(rows), -1, STEPS_PER_BAR)).sum((1, 2)), kind="stable")
        dealt = np.c_[events, self.role[rows]][order].reshape(self.TOGETHER, count, -1)
        return np.asarray(rng.permutation(dealt), np.uint8)


def roles_of(corpus: Corpus, side: str) -> npt.NDArray[np.uint8]:
    """The role (n,) of each melody of a side, an index into `melodylc.models.recall.ROLES`.

    Of a corpus that doesn't say, all are `UNKNOWN`.
    """
    path = corpus.folder / f"{side}_role.npy"
    count = int(corpus.manifest[side])
    return np.load(path).astype(np.uint8) if path.exists() else np.full(count, UNKNOWN, np.uint8)


def source_weights(corpus: Corpus, balance: float, rows: Rows | None = None) -> npt.NDArray[np.float64]:
    """How often training draws each collection: (its training melodies) ** balance, up to a factor; 0 without any."""
    of = corpus.train_collection if rows is None else corpus.train_collection[rows]
    counts = np.bincount(of, minlength=len(corpus.collections))
    return np.where(counts > 0, counts.astype(float) ** balance, 0.0)


def transpose(events: Events, semitones: npt.NDArray[np.int64]) -> Events:
    """Each melody of (n, 256) moved by its semitones (n,), or by fewer where a pitch would leave 0..127.

    >>> transpose(np.array([[60, 128, 127]], np.uint8), np.array([2]))
    array([[ 60, 128, 127]], dtype=uint8)
    """
    pitched = events < HOLD
    highest = np.where(pitched, events, 0).max(axis=1).astype(np.int64)
    lowest = np.where(pitched, events, PITCHES - 1).min(axis=1).astype(np.int64)
    moved = np.clip(semitones, -lowest, PITCHES - 1 - highest)
    return np.where(pitched, events + moved[:, None], events).astype(np.uint8)


def validation_rows(corpus: Corpus, count: int | None = None, among: Rows | None = None) -> Rows:
    """Numbers of up to `count` held-out melodies for watching a run: those of every second held-out work.

    The other works are left to `evaluation_rows`, so that what picks a checkpoint isn't what judges it. `among`
    narrows the held-out melodies down, and moves no work from one half to the other.
    """
    return _spread(corpus, 0, count, among)


def evaluation_rows(corpus: Corpus, count: int | None = None, among: Rows | None = None) -> Rows:
    """Numbers of up to `count` held-out melodies for judging a model, evenly spread; all if None."""
    return _spread(corpus, 1, count, among)


def evenly(rows: Rows, count: int | None) -> Rows:
    """Up to `count` of some rows, evenly spread; all if None.

    >>> evenly(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    return rows if count is None else rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def _spread(corpus: Corpus, half: int, count: int | None, among: Rows | None) -> Rows:
    works = [corpus.pieces[piece].work for piece in corpus.heldout_piece]
    number = {work: at for at, work in enumerate(sorted(set(works)))}
    rows = np.array([row for row, work in enumerate(works) if number[work] % 2 == half], np.int64)
    rows = rows if among is None else rows[np.isin(rows, among)]
    if not len(rows):
        raise CorpusError("the corpus has too few held-out works to validate on: build it from more works")
    return evenly(rows, count)
