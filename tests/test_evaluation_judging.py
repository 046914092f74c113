"""Sets before the judges: with and without a rule, and where there is too little to judge by."""

from dataclasses import replace

import numpy as np
import pytest
from small_corpus import build_small
from test_evaluation_two_sample import melodies

from melodylc.data.corpus import Corpus
from melodylc.evaluation.judging import judge_sets
from melodylc.evaluation.real import Ground, Held
from melodylc.evaluation.report import likeness_tables, markdown
from melodylc.evaluation.two_sample import FORM
from melodylc.rewards import Rule, pitch_classes

MAJOR = Rule((pitch_classes([0, 2, 4, 5, 7, 9, 11]),))


class Sets:
    """Held-out and training melodies in place of a corpus's."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, heldout: np.ndarray, training: np.ndarray) -> None:
        sides = [
            Held(events, np.zeros(len(events), np.int16), np.arange(len(events)) // 2, np.ones(1))
            for events in (heldout, training)
        ]
        monkeypatch.setattr(Held, "of", lambda *_: sides[0])
        monkeypatch.setattr(Held, "training", lambda *_: sides[1])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


@pytest.fixture(scope="module")
def ground(corpus: Corpus) -> Ground:
    return Ground.of({}, corpus)


def test_sets_are_judged_beside_a_floor(corpus: Corpus, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    Sets(monkeypatch, melodies(60, 1), melodies(60, 2))
    found = judge_sets(corpus, ground, {"alike": [melodies(40, 3)], "few": [melodies(3, 4)]}, (1,))
    assert found is not None
    assert set(found.sets) == {"alike"}
    assert (found.melodies, found.trained.mean) == (40, 0)
    assert found.floor is not None
    assert abs(found.floor.areas["events"].mean - 0.5) < 0.25
    told, form = likeness_tables(found)
    assert [row[0] for row in told.rows] == ["real: training works", "alike"]
    assert [row[0] for row in form.rows] == list(FORM)
    assert markdown([told, form]).count("\n") > len(FORM)


def test_real_melodies_obey_the_rule_and_are_borrowed_from_training_where_few_do(
    corpus: Corpus, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    white = np.array([0, 2, 4, 5, 7, 9, 11])
    table = np.r_[[12 * (pitch // 12) + white[pitch % 7] for pitch in range(126)], 127, 127, 128, 129]
    obeying = table[melodies(60, 5)].astype(np.uint8)
    chromatic = np.where(melodies(60, 6) < 128, 60 + np.arange(256) % 12, melodies(60, 6)).astype(np.uint8)
    Sets(monkeypatch, np.concatenate([obeying[:10], chromatic]), obeying[10:])
    found = judge_sets(corpus, ground, {"set": [obeying[:40]]}, (1,), MAJOR, ("register", "key"))
    assert found is not None
    assert found.trained.mean == 30
    assert found.floor is None
    assert "30 of the real ones are of training works" in likeness_tables(found)[0].note


def test_too_few_are_not_judged(corpus: Corpus, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge_sets(corpus, ground, {"few": [melodies(6, 1)]}, (1,)) is None
    Sets(monkeypatch, melodies(8, 1), melodies(8, 2))
    assert judge_sets(corpus, ground, {"many": [melodies(40, 1)]}, (1,)) is None


def test_draws_repeat_no_melody_while_there_are_others() -> None:
    events = melodies(30, 7)
    held = Held(events, np.repeat([0, 1], 15).astype(np.int16), np.arange(30) // 3, np.array([1.0, 3.0]))
    some, works = held.draw_with_works(np.arange(30), 16, np.random.default_rng(0))
    assert len({tuple(np.diff(one[one < 128].astype(int))) for one in some}) == 16
    assert set(works) <= set(range(10))
    only = replace(held, weights=np.array([0.0, 1.0]))
    assert (only.draw_with_works(np.arange(30), 40, np.random.default_rng(0))[1] >= 5).all()
