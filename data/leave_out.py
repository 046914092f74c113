"""A corpus without one of its collections and its kin, for testing a model on a source that it never met.

Tunes go from book to book, so leaving a collection out isn't enough. Its kin are melodies of other collections that
share four bars with it in any transposition (`melodylc.data.overlap`), and those of works that it has as well
(`melodylc.data.works`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.arrays import Events, Rows
from melodylc.data.corpus import SIDES, Corpus
from melodylc.data.errors import CorpusError
from melodylc.data.overlap import NoteRows, sharing

LEFT_OUT = "collection left out"  #: what a checkpoint's header calls it


@dataclass(frozen=True)
class Remaining:
    """The rows of a corpus that may be used, ascending, and what was left out, if anything."""

    train: Rows
    heldout: Rows
    collection: str | None = None
    melodies: int = 0  #: training melodies of that collection
    kin: int = 0  #: training melodies of others that went with it

    def to_dict(self) -> dict[str, Any] | None:
        """What was left out, for a checkpoint's header; None where nothing was."""
        if self.collection is None:
            return None
        return {"collection": self.collection, "melodies": self.melodies, "kin": self.kin}


def leave_out(corpus: Corpus, collection: str | None) -> Remaining:
    """What remains of both sides without a collection and its kin; everything where it is None.

    Memory holds 104 bytes a melody of the collection, for a few seconds.

    Raises:
        CorpusError: the corpus has no such collection, nothing of it, or nothing else to train on.
    """
    if collection is None:
        return Remaining(np.arange(len(corpus.train)), np.arange(len(corpus.heldout)))
    number = collection_number(corpus, collection)
    if not any(map(len, all_of(corpus, number))):
        raise CorpusError(f"the corpus has no melodies of {collection!r}: there is nothing to leave out")
    kept = {side: _rows_without(corpus, side, number) for side in SIDES}
    if not len(kept["train"]):
        raise CorpusError(f"nothing is left to train on without {collection!r} and its kin: build a corpus of more")
    own = int((corpus.train_collection == number).sum())
    return Remaining(kept["train"], kept["heldout"], collection, own, len(corpus.train) - own - len(kept["train"]))


def collection_number(corpus: Corpus, collection: str) -> int:
    """What `train_collection` and `heldout_collection` call a collection.

    Raises:
        CorpusError: the corpus has none of that name.
    """
    if collection not in corpus.collections:
        known = ", ".join(corpus.collections)
        raise CorpusError(f"the corpus has no collection {collection!r}: choose one of {known}")
    return corpus.collections.index(collection)


def all_of(corpus: Corpus, number: int) -> tuple[Rows, Rows]:
    """The training and the held-out rows of a collection."""
    return np.flatnonzero(corpus.train_collection == number), np.flatnonzero(corpus.heldout_collection == number)


def _rows_without(corpus: Corpus, side: str, number: int) -> Rows:
    events: Events = getattr(corpus, side)
    others = np.flatnonzero(getattr(corpus, f"{side}_collection") != number)
    others = others[~np.isin(_works(corpus)[getattr(corpus, f"{side}_piece")[others]], _works_of(corpus, number))]
    kin = np.zeros(len(others), np.bool_)
    for name, rows in zip(SIDES, all_of(corpus, number), strict=True):
        kin |= sharing(NoteRows(events, others), NoteRows(getattr(corpus, name), rows))
    return others[~kin]


def _works(corpus: Corpus) -> npt.NDArray[np.str_]:
    return np.array([piece.work for piece in corpus.pieces], np.str_)


def _works_of(corpus: Corpus, number: int) -> npt.NDArray[np.str_]:
    name = corpus.collections[number]
    return np.array(sorted({piece.work for piece in corpus.pieces if piece.collection == name}), np.str_)
