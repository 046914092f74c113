"""Real melodies to hold samples against: held-out ones, drawn as training draws its own.

Samples of a model are judged as draws of what it was trained on: collections by their training weights, every
melody in a random transposition. So the melodies they are held against are drawn in the same way, from held-out works.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import STATES
from melodylc.data.arrays import Events, Rows
from melodylc.data.corpus import SIDES, Corpus
from melodylc.data.errors import CorpusError
from melodylc.data.leave_out import LEFT_OUT, Remaining, leave_out
from melodylc.data.rows import BALANCE, HIGHEST, LOWEST, Sources, evaluation_rows, source_weights, transpose

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Held:
    """Held-out melodies with their sources."""

    events: Events  #: (n, 256)
    collection: npt.NDArray[np.int16]  #: (n,)
    work: Rows  #: (n,) a number a work
    weights: npt.NDArray[np.float64]  #: (collections,) how often training draws each

    @classmethod
    def of(cls, corpus: Corpus, rows: Rows, balance: float, train: Rows) -> Self:
        """The held-out rows of a corpus; `train`: the rows that were trained on, by which collections weigh.

        Raises:
            CorpusError: fewer than two works, or none of a collection that was trained on.
        """
        works = np.array([corpus.pieces[piece].work for piece in corpus.heldout_piece[rows]])
        collection = np.asarray(corpus.heldout_collection[rows])
        weights = source_weights(corpus, balance, train)
        if len(np.unique(works[weights[collection] > 0])) < 2:
            raise CorpusError(
                "the corpus has fewer than two held-out works of its training collections to compare: "
                "build it from more files"
            )
        return cls(np.asarray(corpus.heldout[rows]), collection, np.unique(works, return_inverse=True)[1], weights)

    @classmethod
    def training(cls, corpus: Corpus, balance: float, rows: Rows | None = None) -> Self:
        """The training melodies of a corpus, or some of them: real melodies of many works, which a model has met."""
        rows = np.arange(len(corpus.train)) if rows is None else rows
        works = np.array([corpus.pieces[piece].work for piece in corpus.train_piece[rows]])
        weights = source_weights(corpus, balance, rows)
        work = np.unique(works, return_inverse=True)[1]
        return cls(np.asarray(corpus.train[rows]), np.asarray(corpus.train_collection[rows]), work, weights)

    def draw(self, rows: Rows, count: int, rng: np.random.Generator) -> Events:
        """`count` of some of the melodies, with replacement, as training would draw them: (count, 256)."""
        return Sources(self.events, self.collection, self.weights, rows).draw(rng, count)

    def draw_with_works(self, rows: Rows, count: int, rng: np.random.Generator) -> tuple[Events, Rows]:
        """Like `draw`, but no melody twice before all of its collection were drawn: (count, 256), and their works."""
        rows = rows[self.weights[self.collection[rows]] > 0]
        present = np.unique(self.collection[rows])
        share = self.weights[present] / self.weights[present].sum()
        taken: list[Rows] = [rows[:0]]
        for collection, wanted in zip(present, rng.multinomial(count, share), strict=True):
            own = rows[self.collection[rows] == collection]
            rounds = [rng.permutation(own) for _ in range(-(-int(wanted) // len(own)))]
            taken += [np.concatenate(rounds)[:wanted]] if rounds else []
        chosen = rng.permutation(np.concatenate(taken))
        return transpose(self.events[chosen], rng.integers(LOWEST, HIGHEST + 1, size=count)), self.work[chosen]

    def halves(self, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """The melodies in two parts by chance, each collection's alike."""
        return self._halves(np.arange(len(self.events)), rng)

    def halves_by_work(self, rng: np.random.Generator) -> tuple[Rows, Rows]:
        """In two parts that share no work, each collection's works alike."""
        return self._halves(self.work, rng)

    def _halves(self, unit: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
        # Units of one collection after the other, shuffled within it, dealt out in turn: a collection of one unit
        # goes to one side alone. A work that several collections share counts for the first.
        rows = np.flatnonzero(self.weights[self.collection] > 0)
        units, first, of = np.unique(unit[rows], return_index=True, return_inverse=True)
        place = np.empty(len(units), np.int64)
        place[np.lexsort((rng.permutation(len(units)), self.collection[rows][first]))] = np.arange(len(units))
        even = place[of] % 2 == 0
        return rows[even], rows[~even]


@dataclass(frozen=True)
class Ground:
    """What of a corpus a model may be judged on: what neither trained it nor chose its checkpoint."""

    left_out: str | None  #: the collection that it was trained without
    remaining: Remaining  #: the rows of both sides that are neither of it nor of its kin
    balance: float  #: how collections weigh in training
    rows: Rows  #: of the held-out melodies that never chose a checkpoint
    held: Held  #: these

    @classmethod
    def of(cls, provenance: Mapping[str, Any], corpus: Corpus, role: int | None = None) -> Self:
        """What a model's file says of its training, and a corpus; of one role alone where one is given.

        Raises:
            CorpusError: a corpus that isn't of this alphabet, or is too small, or lacks what the model left out.
        """
        check_alphabet(corpus)
        left_out: str | None = (provenance.get(LEFT_OUT) or {}).get("collection")
        remaining = leave_out(corpus, left_out)
        if role is not None:
            train, heldout = remaining.train, remaining.heldout
            train, heldout = train[corpus.train_role[train] == role], heldout[corpus.heldout_role[heldout] == role]
            remaining = replace(remaining, train=train, heldout=heldout)
        balance = float((provenance.get("settings") or {}).get("balance", BALANCE))
        rows = evaluation_rows(corpus, among=remaining.heldout)
        return cls(left_out, remaining, balance, rows, Held.of(corpus, rows, balance, remaining.train))


def before_dropping(corpus: Corpus) -> float | None:
    """Share of held-out melodies that shared four bars with training when the corpus was built, if it tells."""
    shared = (corpus.manifest.get("counts") or {}).get("heldout_shared")
    return None if shared is None else shared / max(shared + len(corpus.heldout), 1)


def check_alphabet(corpus: Corpus) -> None:
    """Refuse a corpus of another alphabet.

    Raises:
        CorpusError: it has an event that is none.
    """
    for side in SIDES:
        events = getattr(corpus, side)
        for start in range(0, len(events), _BLOCK):
            highest = int(events[start : start + _BLOCK].max())
            if highest >= STATES:
                raise CorpusError(
                    f"{str(corpus.folder / side)!r} has an event {highest}, and this alphabet ends at {STATES - 1}: "
                    "build the corpus again"
                )
