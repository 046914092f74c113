"""Batches of melodies: sources balanced, transposed at random, a pure function of seed and step.

Nothing here has a state, so a resumed run sees exactly the batches it would have seen.
"""

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import HOLD
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError

Events = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]

LOWEST, HIGHEST = -6, 5  #: semitones of random transposition: every key once
PITCHES = 128


class Batches:
    """Draws training batches from a corpus."""

    def __init__(self, corpus: Corpus, balance: float, seed: int) -> None:
        if not len(corpus.train):
            raise CorpusError("the corpus has no training melodies: build it from more files")
        self.seed = seed
        self.events = np.ascontiguousarray(corpus.train)
        order = np.argsort(corpus.train_collection, kind="stable")
        counts = np.bincount(corpus.train_collection, minlength=len(corpus.collections))
        self.rows = np.split(order, np.cumsum(counts)[:-1])
        weights = np.where(counts > 0, counts.astype(float) ** balance, 0.0)
        self.weights = weights / weights.sum()

    def draw(self, stage: int, step: int, count: int) -> Events:
        """`count` melodies (count, 256) for one step of one stage."""
        rng = np.random.default_rng((self.seed, stage, step))
        collections = rng.choice(len(self.weights), size=count, p=self.weights)
        rows = [self.rows[collection][rng.integers(len(self.rows[collection]))] for collection in collections]
        return transpose(self.events[rows], rng.integers(LOWEST, HIGHEST + 1, size=count))


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


def validation_rows(corpus: Corpus, count: int | None = None) -> Rows:
    """Numbers of up to `count` held-out melodies for watching a run: those of every second held-out work.

    The other works are left to `evaluation_rows`, so that what picks a checkpoint isn't what judges it.
    """
    return _spread(corpus, 0, count)


def evaluation_rows(corpus: Corpus, count: int | None = None) -> Rows:
    """Numbers of up to `count` held-out melodies for judging a model, evenly spread; all if None."""
    return _spread(corpus, 1, count)


def _spread(corpus: Corpus, half: int, count: int | None) -> Rows:
    works = [corpus.pieces[piece].work for piece in corpus.heldout_piece]
    number = {work: at for at, work in enumerate(sorted(set(works)))}
    rows = np.array([row for row, work in enumerate(works) if number[work] % 2 == half], np.int64)
    if not len(rows):
        raise CorpusError("the corpus has too few held-out works to validate on: build it from more works")
    return rows if count is None else rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
