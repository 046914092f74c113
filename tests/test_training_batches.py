"""Batches: pure in seed, stage and step; sources balanced; transposition that changes nothing else."""

import shutil
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_corpus import build_small, pretend

from melodylc.data.alphabet import HOLD, PITCHES, REST, STATES, STEPS, canonical
from melodylc.data.corpus import Corpus
from melodylc.data.errors import CorpusError
from melodylc.data.melody import Melody
from melodylc.data.rows import HIGHEST, LOWEST, evaluation_rows, source_weights, transpose, validation_rows
from melodylc.training.augment import vary_rhythm
from melodylc.training.batches import ROLE_SHARES, Batches, RoleBatches

Events = npt.NDArray[np.uint8]
SIZES = (90, 0, 360, 810)  #: square roots 9 : 18 : 27


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


def uneven() -> Corpus:
    """Melodies that tell who they are whatever their key: a note at step 0, a second at step 1 + row % 255."""
    collection = np.repeat(np.arange(len(SIZES)), SIZES)
    train = np.full((len(collection), STEPS), HOLD, np.uint8)
    train[:, 0] = 60
    for row, of in enumerate(collection):
        train[row, 1 + of] = 61
        train[row, 10 + row % 90] = 62
    shuffled = np.random.default_rng(0).permutation(len(train))  # a corpus need not be sorted
    return pretend(train[shuffled], collection[shuffled].astype(np.int16), len(SIZES))


def sources(events: Events) -> Counter[int]:
    """How many of the drawn melodies are from each collection of `uneven`."""
    return Counter(int((melody[1:5] < HOLD).argmax()) for melody in events)


def chi_square(found: list[int], expected: list[float]) -> float:
    return sum((got - wanted) ** 2 / wanted for got, wanted in zip(found, expected, strict=True))


# -- which melodies ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("balance", "weights"),
    [(0.5, {0: 9, 2: 18, 3: 27}), (1.0, {0: 90, 2: 360, 3: 810}), (0.0, {0: 1, 2: 1, 3: 1})],
)
def test_a_collection_is_drawn_by_a_power_of_its_size(balance: float, weights: dict[int, int]) -> None:
    count = 4000
    drawn = sources(Batches(uneven(), balance, seed=1).draw(0, 0, count))
    assert set(drawn) == set(weights)  # never from the empty one
    expected = [count * weight / sum(weights.values()) for weight in weights.values()]
    assert chi_square([drawn[of] for of in weights], expected) < 13.8  # exceeded once in 1,000 by a fair sampler


def test_within_a_collection_all_melodies_are_alike() -> None:
    events = Batches(uneven(), 0.5, seed=2).draw(0, 0, 9000)
    marks = Counter(int((melody[10:100] < HOLD).argmax()) for melody in events)
    assert len(marks) == 90
    assert chi_square([marks[at] for at in range(90)], [100.0] * 90) < 135  # 89 degrees of freedom: once in 1,000


def test_only_rows_that_may_be_drawn_are_and_weigh() -> None:
    whole = uneven()
    rows = np.flatnonzero((whole.train_collection != 3) & (np.arange(len(whole.train)) % 4 == 0))
    kept = Counter(np.asarray(whole.train_collection)[rows].tolist())
    drawn = Batches(whole, 0.5, seed=1, rows=rows).draw(0, 0, 4000)
    assert set(sources(drawn)) == {0, 2}
    total = sum(number**0.5 for number in kept.values())
    expected = [4000 * kept[of] ** 0.5 / total for of in (0, 2)]
    assert chi_square([sources(drawn)[of] for of in (0, 2)], expected) < 10.9  # once in 1,000
    np.testing.assert_allclose(source_weights(whole, 0.5, rows), [kept[of] ** 0.5 for of in range(4)])
    onsets = {row.tobytes() for row in np.asarray(whole.train)[rows] < HOLD}
    assert {row.tobytes() for row in drawn < HOLD} <= onsets
    again = Batches(whole, 0.5, seed=1, rows=np.arange(len(whole.train))).draw(2, 3, 50)
    np.testing.assert_array_equal(again, Batches(whole, 0.5, seed=1).draw(2, 3, 50))


def test_a_batch_depends_on_seed_stage_and_step_alone(corpus: Corpus) -> None:
    one, other = Batches(corpus, 0.5, seed=3), Batches(corpus, 0.5, seed=3)
    for step in (5, 0, 2):
        one.draw(1, step, 8)
    np.testing.assert_array_equal(one.draw(1, 7, 8), other.draw(1, 7, 8))
    batches = [one.draw(1, 7, 8), one.draw(1, 8, 8), one.draw(2, 7, 8), Batches(corpus, 0.5, seed=4).draw(1, 7, 8)]
    assert len({batch.tobytes() for batch in batches}) == 4


def test_what_is_drawn_is_training_melodies_in_every_key(corpus: Corpus) -> None:
    batches = Batches(corpus, 0.5, seed=5)
    known = {Melody(melody).transposed(by).events.tobytes() for melody in corpus.train for by in range(-6, 6)}
    drawn = batches.draw(0, 0, 200)
    assert drawn.dtype == np.uint8
    assert {melody.tobytes() for melody in drawn} <= known
    np.testing.assert_array_equal(canonical(drawn)[0], drawn)


def test_each_key_comes_as_often_as_any_other() -> None:
    one = pretend(np.full((1, STEPS), 60, np.uint8), np.zeros(1, np.int16))
    pitches = Counter(Batches(one, 0.5, seed=6).draw(0, 0, 6000)[:, 0].tolist())
    assert sorted(pitches) == list(range(60 + LOWEST, 60 + HIGHEST + 1))
    assert chi_square(list(pitches.values()), [500.0] * 12) < 31.3  # 11 degrees of freedom: once in 1,000


def test_a_corpus_without_training_melodies_is_refused() -> None:
    empty = pretend(np.empty((0, STEPS), np.uint8), np.empty(0, np.int16))
    with pytest.raises(CorpusError, match="no training melodies: build it from more files"):
        Batches(empty, 0.5, seed=0)


# -- transposition -----------------------------------------------------------------------------

melodies = arrays(np.uint8, (3, STEPS), elements=st.integers(0, STATES - 1)).map(lambda events: canonical(events)[0])


@given(melodies, st.lists(st.integers(-200, 200), min_size=3, max_size=3))
def test_intervals_rhythm_and_range_are_kept(events: Events, semitones: list[int]) -> None:
    moved = transpose(events, np.array(semitones))
    pitched = events < HOLD
    np.testing.assert_array_equal(moved < HOLD, pitched)
    np.testing.assert_array_equal(moved[~pitched], events[~pitched])
    for before, after, asked in zip(events, moved, semitones, strict=True):
        pitches = before[before < HOLD].astype(int)
        shifts = set((after[after < HOLD].astype(int) - pitches).tolist())
        room = range(-pitches.min(initial=PITCHES - 1), PITCHES - pitches.max(initial=0))
        assert shifts <= {min(max(asked, room[0]), room[-1])}


def test_a_melody_at_the_edge_moves_as_far_as_it_can() -> None:
    events = np.full((3, STEPS), REST, np.uint8)
    events[:, :2] = [[0, 64], [64, 127], [0, 127]]
    np.testing.assert_array_equal(transpose(events, np.array([-5, 5, 5]))[:, :2], [[0, 64], [64, 127], [0, 127]])
    np.testing.assert_array_equal(transpose(events, np.array([5, -5, -5]))[:, :2], [[5, 69], [59, 122], [0, 127]])


def test_silence_stays_silence() -> None:
    silence = np.full((2, STEPS), REST, np.uint8)
    np.testing.assert_array_equal(transpose(silence, np.array([-6, 5])), silence)


# -- held-out rows -----------------------------------------------------------------------------


def test_what_picks_a_checkpoint_is_not_what_judges_it(corpus: Corpus) -> None:
    watched, judged = validation_rows(corpus), evaluation_rows(corpus)
    assert sorted([*watched, *judged]) == list(range(len(corpus.heldout)))
    works = [{corpus.pieces[corpus.heldout_piece[row]].work for row in rows} for rows in (watched, judged)]
    assert not works[0] & works[1]
    assert abs(len(works[0]) - len(works[1])) <= 1


@pytest.mark.parametrize("rows_of", [validation_rows, evaluation_rows])
def test_fewer_rows_are_spread_over_all(rows_of: object, corpus: Corpus) -> None:
    assert callable(rows_of)
    every, some = rows_of(corpus), rows_of(corpus, 5)
    assert len(some) == 5
    assert set(some) <= set(every)
    assert (some[0], some[-1]) == (every[0], every[-1])
    assert len(set(np.diff(np.searchsorted(every, some)))) <= 2
    np.testing.assert_array_equal(rows_of(corpus, 10**6), every)


@pytest.mark.parametrize("rows_of", [validation_rows, evaluation_rows])
def test_among_some_no_work_changes_its_half(rows_of: object, corpus: Corpus) -> None:
    assert callable(rows_of)
    every = rows_of(corpus)
    among = np.concatenate([every[1::2], np.setdiff1d(np.arange(len(corpus.heldout)), every)])
    np.testing.assert_array_equal(rows_of(corpus, among=among), every[1::2])
    np.testing.assert_array_equal(rows_of(corpus, 2, among), every[1::2][[0, -1]])
    with pytest.raises(CorpusError, match="too few held-out works"):
        rows_of(corpus, among=np.setdiff1d(np.arange(len(corpus.heldout)), every))


@pytest.mark.parametrize(("works", "rows_of"), [((), validation_rows), (("a", "a"), evaluation_rows)])
def test_too_few_held_out_works_are_refused(works: tuple[str, ...], rows_of: object) -> None:
    assert callable(rows_of)
    made = pretend(np.full((1, STEPS), 60, np.uint8), np.zeros(1, np.int16), works=works)
    with pytest.raises(CorpusError, match="too few held-out works to validate on: build it from more works"):
        rows_of(made)


# -- roles -------------------------------------------------------------------------------------


@pytest.fixture
def roles(corpus: Corpus, tmp_path: Path) -> Corpus:
    """The small corpus with a role for each melody: every third one's in turn."""
    shutil.copytree(corpus.folder, tmp_path / "corpus")
    np.save(tmp_path / "corpus" / "train_role.npy", np.arange(len(corpus.train), dtype=np.uint8) % 3)
    return Corpus.open(tmp_path / "corpus")


def test_roles_are_drawn_by_their_shares_and_go_with_their_melodies(roles: Corpus) -> None:
    batches, known = RoleBatches(roles, 0.5, seed=1), np.asarray(roles.train)
    assert roles.train_role[:4].tolist() == [0, 1, 2, 0]
    drawn = np.concatenate([batches.draw(0, step, 256) for step in range(8)])
    counts = np.bincount(drawn[:, -1], minlength=3)
    total = sum(ROLE_SHARES[:3])
    assert chi_square(counts.tolist(), [len(drawn) * share / total for share in ROLE_SHARES[:3]]) < 13.8
    shapes: dict[bytes, set[int]] = {}  # without its key a melody may stand in the corpus twice
    for role, melody in zip(roles.train_role, known, strict=True):
        shapes.setdefault(in_no_key(melody), set()).add(int(role))
    assert all(row[-1] in shapes[in_no_key(row[:-1])] for row in drawn[:64])


def in_no_key(melody: Events) -> bytes:
    pitches: npt.NDArray[np.int64] = np.where(melody < HOLD, melody.astype(int) - melody[melody < HOLD].min(), melody)
    return pitches.tobytes()


def test_batches_with_roles_are_pure_and_of_melodies_about_as_long(roles: Corpus) -> None:
    batches = RoleBatches(roles, 0.5, seed=1)
    at_once = [batches.draw(0, step, 16) for step in range(10)]
    assert np.array_equal(RoleBatches(roles, 0.5, seed=1).draw(0, 9, 16), at_once[9])
    assert not np.array_equal(at_once[0], RoleBatches(roles, 0.5, seed=2).draw(0, 0, 16))
    assert {batch.shape for batch in at_once} == {(16, STEPS + 1)}
    notes = sorted(((batch[:, :-1] < HOLD).sum(1).tolist() for batch in at_once[:8]), key=min)
    assert all(max(some) <= max(more) for some, more in pairwise(notes))


# -- other rhythms -----------------------------------------------------------------------------


def pitches(melody: npt.NDArray[np.integer]) -> list[int]:
    return [int(event) for event in melody[melody < HOLD]]


@given(arrays(np.uint8, (4, STEPS), elements=st.integers(0, STATES - 1)), st.integers(0, 99))
def test_another_rhythm_keeps_every_note_and_the_canonical_form(events: Events, seed: int) -> None:
    melodies = canonical(events)[0]
    varied = vary_rhythm(melodies, 1.0, np.random.default_rng(seed))
    assert [pitches(melody) for melody in varied] == [pitches(melody) for melody in melodies]
    assert (canonical(varied)[0] == varied).all()


def test_a_share_of_the_melodies_has_another_rhythm(corpus: Corpus) -> None:
    plain, some = Batches(corpus, 0.5, 3), Batches(corpus, 0.5, 3, augmented=0.5)
    before, after = plain.draw(0, 0, 400), some.draw(0, 0, 400)
    assert (some.draw_plain(0, 0, 400) == before).all()
    assert 0.3 < (before != after).any(1).mean() <= 0.6
    odd = np.arange(STEPS) % 2 == 1
    assert (after < HOLD)[:, odd].sum() > (before < HOLD)[:, odd].sum() + 400


def test_a_rhythm_that_comes_back_goes_on_coming_back() -> None:
    bar = [60, 128, 128, 128, 62, 128, 128, 128, 64, 128, 128, 128, 65, 128, 128, 128]
    melodies = np.tile(np.array(bar, np.uint8), (200, 16))
    varied = vary_rhythm(melodies, 1.0, np.random.default_rng(0)).reshape(200, 8, 32)
    onsets = varied < HOLD
    assert (onsets[:, 2:] == onsets[:, 1:-1]).mean() > 0.9
