"""Which melodies of a corpus are met how often: collections balanced, transpositions, the halves of held-out works."""

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD, PITCHES
from melodylc.data.arrays import Events, Rows
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError

BALANCE = 0.5  #: collections are drawn in proportion to (their training melodies) ** BALANCE
LOWEST, HIGHEST = -6, 5  #: semitones of random transposition: every key once


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
