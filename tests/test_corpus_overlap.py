"""Shared runs of four bars, against a plain search."""

import numpy as np
import numpy.typing as npt
import pytest

from melodylc.data.alphabet import HOLD, REST, STEPS
from melodylc.data.overlap import (
    LEAST_ONSETS,
    RUN_BARS,
    NoteRows,
    longest_shared,
    run_hashes,
    shared_with,
    sharing,
)

Events = npt.NDArray[np.uint8]


def runs(melody: Events, bars: int = RUN_BARS) -> set[tuple[tuple[int, int], ...]]:
    """Every run as its onsets' places and intervals from the first."""
    found = set()
    for bar in range(16 - bars + 1):
        run = melody[16 * bar : 16 * (bar + bars)].astype(int)
        onsets = np.flatnonzero(run < HOLD)
        if all(sum(16 * i <= at < 16 * (i + 1) for at in onsets) >= LEAST_ONSETS for i in range(bars)):
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


@pytest.mark.parametrize("bars", [1, 2, RUN_BARS, 16])
def test_equal_runs_have_equal_hashes_and_others_don_t(bars: int) -> None:
    melodies = random_melodies(7, 60)
    hashes, enough = run_hashes(melodies, bars)
    assert hashes.shape == enough.shape == (60, 17 - bars)
    assert len(np.unique(hashes[enough])) == len(set().union(*(runs(melody, bars) for melody in melodies)))
    assert enough.sum() == sum(len(runs_with_places(melody, bars)) for melody in melodies)


def runs_with_places(melody: Events, bars: int) -> list[int]:
    """The bars at which a run of bars with onsets enough begins."""
    full = [(bar < HOLD).sum() >= LEAST_ONSETS for bar in melody.reshape(16, 16)]
    return [start for start in range(17 - bars) if all(full[start : start + bars])]


def quoting(seed: int, training: Events, count: int) -> Events:
    """Melodies of bars of their own but for one stretch, of any length, from a training melody, transposed."""
    chance = np.random.default_rng(seed)
    melodies = np.full((count, 16, 16), HOLD, np.uint8)
    melodies[..., ::2] = chance.integers(40, 80, (count, 16, 8))
    for melody in melodies:
        start, length = int(chance.integers(0, 16)), int(chance.integers(0, 17))
        taken = training[chance.integers(len(training))].reshape(16, 16)[start : start + length].astype(int)
        place = int(chance.integers(0, 17 - len(taken)))
        melody[place : place + len(taken)] = np.where(taken < HOLD, taken + chance.integers(-9, 9), taken)
    return melodies.reshape(count, STEPS)


@pytest.mark.parametrize("seed", range(3))
def test_the_longest_run_is_what_a_plain_search_finds(seed: int) -> None:
    training = random_melodies(seed, 30)
    melodies = np.concatenate([quoting(seed, training, 40), random_melodies(seed + 50, 10)])
    known = [set().union(*(runs(melody, bars) for melody in training)) for bars in range(17)]
    expected = [max(b for b in range(17) if b == 0 or runs(melody, b) & known[b]) for melody in melodies]
    assert longest_shared(training, melodies).tolist() == expected
    assert {0, 1, 2, 3} < set(expected)
    assert max(expected) > 6
    between = [longest if longest >= 2 else 0 for longest in np.minimum(expected, 5)]
    assert longest_shared(training, melodies, 2, 5).tolist() == between


def test_a_melody_shares_all_of_itself_and_nothing_of_sparse_bars() -> None:
    melody = np.full((1, STEPS), HOLD, np.uint8)
    melody[0, ::8] = 40 + np.arange(32) ** 2 % 37
    sparse = melody.copy()
    sparse[0, 16 * 5 + 8] = HOLD  # one onset left in the sixth bar
    assert longest_shared(melody, melody).tolist() == [16]
    assert longest_shared(sparse, melody).tolist() == [10]
    assert longest_shared(melody, sparse).tolist() == [10]
    assert longest_shared(np.full_like(melody, REST), np.full_like(melody, REST)).tolist() == [0]


@pytest.mark.parametrize("block", [1, 7, 4096])
def test_blocks_change_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    training = random_melodies(1, 20)
    melodies = quoting(1, training, 20)
    expected = longest_shared(training, melodies)
    monkeypatch.setattr("melodylc.data.overlap._BLOCK", block)
    np.testing.assert_array_equal(longest_shared(training, melodies), expected)
    order = np.arange(20)[::-1]
    np.testing.assert_array_equal(longest_shared(NoteRows(training, order), NoteRows(melodies, order)), expected[::-1])


@pytest.mark.parametrize("seed", range(3))
def test_sharing_is_shared_with_the_other_way_round(seed: int) -> None:
    others = random_melodies(seed, 5)
    melodies = np.concatenate([quoting(seed, others, 40), random_melodies(seed + 9, 4)])
    expected = shared_with(others, melodies)
    assert sharing(melodies, others).tolist() == expected.tolist()
    assert 0 < expected.sum() < len(expected)


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
    assert longest_shared(none, melodies).tolist() == [0] * 3
    assert longest_shared(melodies, none).tolist() == []
    assert sharing(none, melodies).tolist() == []
    assert sharing(melodies, none).tolist() == [False] * 3
