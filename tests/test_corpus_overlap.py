"""Shared runs of four bars, against a plain search."""

import numpy as np
import numpy.typing as npt
import pytest

from melodylc.data.alphabet import HOLD, REST, STEPS
from melodylc.data.overlap import LEAST_ONSETS, RUN_BARS, run_hashes, shared_with

Events = npt.NDArray[np.uint8]


def runs(melody: Events) -> set[tuple[tuple[int, int], ...]]:
    """Every run as its onsets' places and intervals from the first."""
    found = set()
    for bar in range(16 - RUN_BARS + 1):
        run = melody[16 * bar : 16 * (bar + RUN_BARS)].astype(int)
        onsets = np.flatnonzero(run < HOLD)
        if all(sum(16 * i <= at < 16 * (i + 1) for at in onsets) >= LEAST_ONSETS for i in range(RUN_BARS)):
            found.add(tuple((int(at), int(run[at] - run[onsets[0]])) for at in onsets))
    return found


def random_melodies(seed: int, count: int) -> Events:
    """Melodies of few bars, so that they share some; notes of two lengths; transposed at random."""
    chance = np.random.default_rng(seed)
    pool = np.full((6, 16), HOLD, np.uint8)
    pool[:, ::4] = chance.integers(60, 63, (6, 4))
    pool[:2, 4:] = REST
    melodies = pool[chance.integers(0, 6, (count, 16))].reshape(count, STEPS)
    shift = chance.integers(-12, 12, (count, 1))
    return np.where(melodies < HOLD, melodies + shift, melodies).astype(np.uint8)


@pytest.mark.parametrize("seed", range(3))
def test_finds_what_a_plain_search_finds(seed: int) -> None:
    training, heldout = random_melodies(seed, 12), random_melodies(seed + 100, 40)
    training[6:] = random_melodies(seed + 100, 40)[34:]
    known = set().union(*map(runs, training))
    expected = [bool(runs(melody) & known) for melody in heldout]
    assert shared_with(training, heldout).tolist() == expected
    assert any(expected)
    assert not all(expected)


def test_equal_runs_have_equal_hashes_and_others_don_t() -> None:
    melodies = random_melodies(7, 60)
    hashes, enough = run_hashes(melodies)
    assert hashes.shape == enough.shape == (60, 13)
    assert len(np.unique(hashes[enough])) == len(set().union(*map(runs, melodies)))


def test_lengths_of_notes_don_t_matter_but_onsets_and_intervals_do() -> None:
    melody = np.full((1, STEPS), HOLD, np.uint8)
    melody[0, ::8] = 40 + np.arange(32) * 7 % 30
    short, later, other = melody.copy(), melody.copy(), melody.copy()
    short[short == HOLD] = REST
    later[0, 1::8], later[0, ::8] = melody[0, ::8], HOLD
    other[0, ::8] = 40 + np.arange(32) * 11 % 29
    assert [shared_with(melody, x).tolist() for x in (melody, short, later, other)] == [
        [True],
        [True],
        [False],
        [False],
    ]


def test_sides_may_be_empty() -> None:
    melodies, none = random_melodies(1, 3), np.empty((0, STEPS), np.uint8)
    assert shared_with(none, melodies).tolist() == [False] * 3
    assert shared_with(melodies, none).tolist() == []
