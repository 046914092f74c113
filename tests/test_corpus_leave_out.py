"""A corpus without a collection and its kin, against a plain search."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
from test_corpus_overlap import quoting, random_melodies, runs

from melodylc.data.alphabet import STEPS
from melodylc.data.corpus import Corpus, Piece
from melodylc.data.errors import CorpusError
from melodylc.data.leave_out import all_of, collection_number, leave_out

Events = npt.NDArray[np.uint8]
NAMES = ("airs", "hymns", "reels")


def corpus_of(seed: int) -> Corpus:
    """Three collections; some melodies of the others quote reels, and the work "shared" is in reels and in hymns."""
    reels = random_melodies(seed, 8)
    others = [quoting(seed + side, reels, 30) for side in range(2)]
    pieces = [Piece(name, f"{work}.mid", f"{name}/{work}") for name in NAMES for work in "ab"]
    pieces += [Piece("reels", "x.mid", "shared"), Piece("hymns", "y.mid", "shared")]
    chance = np.random.default_rng(seed)
    collection, piece = [], []
    for _ in others:
        of = np.append(chance.integers(0, 2, 30), [2] * 4).astype(np.int16)
        where = [7 if number == 1 and chance.random() < 0.2 else 2 * number + chance.integers(2) for number in of]
        collection.append(of)
        piece.append(np.array(where, np.int32))
    made = SimpleNamespace(
        train=np.concatenate([others[0], reels[:4]]),
        heldout=np.concatenate([others[1], reels[4:]]),
        train_collection=collection[0],
        heldout_collection=collection[1],
        train_piece=piece[0],
        heldout_piece=piece[1],
        pieces=pieces,
        collections=list(NAMES),
    )
    return cast(Corpus, made)


@pytest.mark.parametrize("seed", range(3))
def test_what_remains_is_all_that_is_not_akin(seed: int) -> None:
    corpus = corpus_of(seed)
    known = set[tuple[tuple[int, int], ...]]()
    for side in ("train", "heldout"):
        for of, melody in zip(getattr(corpus, f"{side}_collection"), getattr(corpus, side), strict=True):
            known |= runs(melody) if of == 2 else set()
    remaining = leave_out(corpus, "reels")
    for side in ("train", "heldout"):
        columns = [getattr(corpus, f"{side}{name}") for name in ("", "_collection", "_piece")]
        expected = [
            row
            for row, (melody, of, piece) in enumerate(zip(*columns, strict=True))
            if of != 2 and piece != 7 and not runs(melody) & known
        ]
        assert getattr(remaining, side).tolist() == expected
        by_work = [row for row, piece in enumerate(columns[2]) if piece == 7 and not runs(columns[0][row]) & known]
        assert by_work or side == "heldout"  # the work alone drops some
    assert 0 < len(remaining.train) < 30
    assert remaining.to_dict() == {"collection": "reels", "melodies": 4, "kin": 30 - len(remaining.train)}


def test_nothing_to_leave_out_leaves_everything() -> None:
    corpus = corpus_of(0)
    remaining = leave_out(corpus, None)
    assert remaining.train.tolist() == list(range(len(corpus.train)))
    assert remaining.heldout.tolist() == list(range(len(corpus.heldout)))
    assert remaining.to_dict() is None


def test_rows_of_a_collection_are_those_of_both_sides() -> None:
    corpus = corpus_of(1)
    train, heldout = all_of(corpus, collection_number(corpus, "hymns"))
    assert (corpus.train_collection[train] == 1).all()
    assert (corpus.heldout_collection[heldout] == 1).all()
    assert len(train) == (corpus.train_collection == 1).sum()
    assert len(heldout) == (corpus.heldout_collection == 1).sum()


def test_an_unknown_collection_is_refused() -> None:
    with pytest.raises(CorpusError, match="no collection 'jigs': choose one of airs, hymns, reels"):
        leave_out(corpus_of(0), "jigs")


def test_a_collection_without_melodies_is_refused() -> None:
    corpus = corpus_of(0)
    corpus.collections.append("jigs")
    with pytest.raises(CorpusError, match="no melodies of 'jigs': there is nothing to leave out"):
        leave_out(corpus, "jigs")


def test_where_nothing_is_left_there_is_nothing_to_train() -> None:
    melodies = random_melodies(3, 2)
    made = SimpleNamespace(
        train=melodies,
        heldout=np.empty((0, STEPS), np.uint8),
        train_collection=np.zeros(2, np.int16),
        heldout_collection=np.zeros(0, np.int16),
        train_piece=np.zeros(2, np.int32),
        heldout_piece=np.zeros(0, np.int32),
        pieces=[Piece("reels", "a.mid", "a")],
        collections=["reels"],
    )
    with pytest.raises(CorpusError, match="nothing is left to train on without 'reels' and its kin"):
        leave_out(cast(Corpus, made), "reels")
