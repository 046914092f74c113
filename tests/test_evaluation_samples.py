"""Samples against real melodies: how the real ones are drawn and parted, and what sets of known likeness score."""

from collections import Counter
from types import SimpleNamespace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest
import torch
from small_corpus import build_small
from test_evaluation_statistics import random_melodies

from melodylc.data.alphabet import HOLD, STEPS
from melodylc.data.corpus import Corpus, Piece
from melodylc.data.errors import CorpusError
from melodylc.data.melody import Melody
from melodylc.data.rows import evaluation_rows
from melodylc.evaluation.copies import find_copies
from melodylc.evaluation.figures import Spread
from melodylc.evaluation.real import Held
from melodylc.evaluation.samples import PriorSamples, SampleFigures, compare_samples, draw_real, draw_samples
from melodylc.evaluation.statistics import features, overlapping_areas
from melodylc.evaluation.subject import CHUNK, StandardNormal, Subject
from melodylc.models.config import named_config
from melodylc.models.vae import MelodyVAE

Events = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return build_small(tmp_path_factory)


def held_of(works: list[tuple[int, str]], weights: tuple[float, ...], train: tuple[int, ...] = ()) -> Held:
    """A held-out melody for each (collection, work), telling its row by its rhythm; train: melodies a collection."""
    events = np.full((len(works), STEPS), HOLD, np.uint8)
    events[:, 0] = 60
    events[np.arange(len(works)), 1 + np.arange(len(works))] = 62
    numbers = np.unique([work for _, work in works], return_inverse=True)[1]
    return Held(events, np.array([of for of, _ in works], np.int16), numbers, np.array(weights))


def row_of(melody: Events) -> int:
    return int(np.flatnonzero(melody < HOLD)[1]) - 1


# -- real melodies -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_halves_are_all_there_is_once(seed: int) -> None:
    works = [(of, f"{of}/{work}") for of in range(3) for work in range(2 + of) for _ in range(5)]
    held = held_of(works, (1.0, 2.0, 3.0))
    rng = np.random.default_rng(seed)
    for (one, other), unit in ((held.halves(rng), 1), (held.halves_by_work(rng), 5)):
        assert sorted([*one, *other]) == list(range(len(works)))
        for of in range(3):  # each collection's melodies, or works of five, as evenly as can be
            sides = [int((held.collection[rows] == of).sum()) for rows in (one, other)]
            assert abs(sides[0] - sides[1]) <= unit
        assert bool(set(held.work[one]) & set(held.work[other])) == (unit == 1)


def test_halves_differ_from_seed_to_seed() -> None:
    held = held_of([(0, str(work)) for work in range(40)], (1.0,))
    halves = [held.halves_by_work(np.random.default_rng(seed))[0].tolist() for seed in (1, 1, 2)]
    assert halves[0] == halves[1] != halves[2]
    assert len(halves[0]) == 20


def test_a_collection_of_one_work_stands_on_one_side_and_unweighed_ones_on_none() -> None:
    held = held_of([(0, "a"), (0, "b"), (1, "c"), (1, "c"), (2, "d"), (2, "e")], (1.0, 1.0, 0.0))
    for seed in range(6):
        one, other = held.halves_by_work(np.random.default_rng(seed))
        assert sorted([*one, *other]) == [0, 1, 2, 3]
        assert {2, 3} <= set(one) or {2, 3} <= set(other)
        assert len(one)
        assert len(other)


def test_draws_weigh_collections_and_transpose() -> None:
    held = held_of([(0, "a"), (0, "b"), (1, "c"), (1, "d")], (1.0, 3.0))
    drawn = held.draw(np.array([0, 1, 2]), 4000, np.random.default_rng(0))
    counts = Counter(map(row_of, drawn))
    assert set(counts) == {0, 1, 2}
    assert counts[2] / 4000 == pytest.approx(0.75, abs=0.03)
    assert counts[0] / 4000 == pytest.approx(0.125, abs=0.02)
    assert set(drawn[:, 0].tolist()) == set(range(54, 66))


def test_held_out_melodies_of_a_corpus_weigh_as_training_draws_them(corpus: Corpus) -> None:
    rows = evaluation_rows(corpus)
    held = Held.of(corpus, rows, 0.5, np.arange(len(corpus.train)))
    np.testing.assert_array_equal(held.events, corpus.heldout[rows])
    counts = np.bincount(corpus.train_collection, minlength=len(corpus.collections))
    np.testing.assert_allclose(held.weights, counts**0.5)
    works = [corpus.pieces[piece].work for piece in corpus.heldout_piece[rows]]
    pairs = set(zip(works, held.work.tolist(), strict=True))
    assert len(pairs) == len(set(works)) == len(set(held.work.tolist()))


@pytest.mark.parametrize("works", [("a", "a"), ("a", "b")])
def test_too_few_works_to_compare_are_refused(works: tuple[str, str]) -> None:
    made = SimpleNamespace(
        heldout=np.full((2, STEPS), HOLD, np.uint8),
        heldout_piece=np.array([0, 1], np.int32),
        heldout_collection=np.array([0, 1], np.int16),
        train_collection=np.zeros(5, np.int16),  # collection 1 has nothing to train on
        pieces=[Piece("c", f"{at}.mid", work) for at, work in enumerate(works)],
        collections=["c", "d"],
    )
    with pytest.raises(CorpusError, match="fewer than two held-out works of its training collections"):
        Held.of(cast(Corpus, made), np.arange(2), 0.5, np.arange(5))


def test_what_a_seed_draws_hangs_on_it_alone(corpus: Corpus) -> None:
    held = Held.of(corpus, evaluation_rows(corpus), 0.5, np.arange(len(corpus.train)))
    one, again, other = (draw_real(held, 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.reference, again.reference)
    np.testing.assert_array_equal(one.parted_by_work[1], again.parted_by_work[1])
    assert (one.reference != other.reference).any()
    assert one.reference.shape == one.other.shape == one.parted_by_work[0].shape == (20, STEPS)
    known = {Melody(melody).transposed(by).events.tobytes() for melody in held.events for by in range(-6, 6)}
    assert {melody.tobytes() for melody in one.other} <= known


# -- samples -----------------------------------------------------------------------------------


def test_samples_are_those_of_the_prior_however_they_are_cut() -> None:
    torch.manual_seed(3)
    vae, told = MelodyVAE(named_config("tiny")).eval(), list[int]()
    subject, prior = Subject(vae), StandardNormal(32)
    events = draw_samples(subject, prior, CHUNK + 4, 7, told.append)
    np.testing.assert_array_equal(events[-4:], vae.decode(prior.sample(CHUNK + 4, 7)[-4:]))
    assert told == [CHUNK, 4]


def compared(samples: dict[str, list[Events]]) -> tuple[list[PriorSamples], SampleFigures]:
    """Two seeds of a hundred melodies each."""
    drawn = [
        PriorSamples(
            random_melodies(10 * seed, 100), random_melodies(10 * seed + 1, 100), (random_melodies(3, 60),) * 2
        )
        for seed in range(2)
    ]
    return drawn, compare_samples(drawn, samples)


def test_figures_are_those_of_each_seeds_own_reference() -> None:
    given = [random_melodies(70 + seed, 100) for seed in range(2)]
    drawn, found = compared({"p": given, "real": [random_melodies(1, 100), random_melodies(11, 100)]})
    by_hand = [
        overlapping_areas(features(one.reference), features(events)) for one, events in zip(drawn, given, strict=True)
    ]
    against = found.priors["p"]
    for name, area in against.comparison.areas.items():
        assert area == Spread.of([areas[name] for areas in by_hand])
    means = [np.mean(list(areas.values())) for areas in by_hand]
    assert against.comparison.mean_area.values == pytest.approx(means)
    ceilings = found.ceiling.mean_area.values
    assert against.ratio.values == pytest.approx([mean / most for mean, most in zip(means, ceilings, strict=True)])
    assert found.priors["real"].ratio.values == pytest.approx((1.0, 1.0))  # the ceiling itself
    levels = [features(events).levels()["interval"].mean() for events in given]
    assert against.comparison.levels["interval"].values == pytest.approx(levels)
    assert found.reference["interval"].mean == pytest.approx(found.ceiling.levels["interval"].mean, rel=0.1)
    assert found.melodies == 100


def test_what_is_unlike_scores_lower_than_what_is_alike() -> None:
    alike = [random_melodies(80 + seed, 100) for seed in range(2)]
    unlike = [np.where(events < HOLD, events // 12 * 12, events).astype(np.uint8) for events in alike]
    _, found = compared({"alike": alike, "unlike": unlike})
    assert found.priors["alike"].ratio.mean > 0.95
    assert found.priors["unlike"].ratio.mean < 0.85
    assert found.ceiling.mean_area.mean > 0.9


def test_a_few_melodies_over_and_over_are_told_the_other_way_round() -> None:
    few = [np.tile(random_melodies(90 + seed, 2), (50, 1)) for seed in range(2)]
    transposed = [events.copy() for events in few]
    for events in transposed:
        events[::2] = np.where(events[::2] < HOLD, events[::2] + 1, events[::2])
    drawn, found = compared(
        {"few": few, "transposed": transposed, "many": [random_melodies(80 + s, 100) for s in (0, 1)]}
    )
    for name in ("few", "transposed"):
        against = found.priors[name]
        assert against.back_ratio.mean < 0.6 < against.ratio.mean
        assert against.comparison.distinct.values == (0.02, 0.02)
    assert found.priors["many"].back_ratio.mean > 0.95
    assert found.priors["many"].comparison.distinct.mean == 1.0
    by_hand = overlapping_areas(features(few[0]), features(drawn[0].reference))
    back = found.priors["few"].comparison.back
    assert {name: area.values[0] for name, area in back.items()} == by_hand
    assert found.priors["few"].comparison.mean_back.values[0] == pytest.approx(np.mean(list(by_hand.values())))


# -- copies ------------------------------------------------------------------------------------


def test_copies_are_found_in_any_key_and_set_apart_by_seed() -> None:
    training, fresh = random_melodies(1, 40), random_melodies(2, 10)
    copied, half = fresh.copy(), fresh.copy()
    copied[:5] = [Melody(melody).transposed(3).events for melody in training[:5]]
    half[0, :96] = training[7, :96]
    found = find_copies(training, fresh, {"p": [copied, half], "q": [fresh, fresh]}, 0.08)
    assert found.priors["p"].share.values == (0.5, 0.1)
    assert found.priors["q"].share.mean == found.heldout.share.mean == 0.0
    assert found.before_dropping == 0.08
    assert sum(found.heldout.by_length) == 10
    assert sum(found.priors["p"].by_length) == 20
    assert found.priors["p"].by_length[6] == 1
    assert sum(found.priors["p"].by_length[7:]) == 5
    assert found.priors["p"].bars.mean > found.heldout.bars.mean
