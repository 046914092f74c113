"""Walking between melodies, with a model whose latent is the melody itself."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parrot import Parrot, melodies
from test_evaluation_statistics import random_melodies
from torch import Tensor

from melodylc.data.alphabet import STEPS as EVENTS
from melodylc.evaluation.interpolation import ALL, STEPS, Walks, compare_walks, ranges, walk, within_ranges
from melodylc.evaluation.statistics import features
from melodylc.evaluation.subject import Subject
from melodylc.latent.distance import arc

Events = npt.NDArray[np.uint8]


@given(st.floats(0.05, 3.0), st.floats(0, 1), st.floats(0.1, 5))
def test_an_arc_turns_evenly_and_keeps_the_length(angle: float, place: float, length: float) -> None:
    one = length * torch.tensor([[1.0, 0.0]])
    other = length * torch.tensor([[math.cos(angle), math.sin(angle)]])
    expected = length * torch.tensor([[math.cos(place * angle), math.sin(place * angle)]])
    torch.testing.assert_close(arc(one, other, place), expected, rtol=1e-3, atol=1e-3 * length)


@pytest.mark.parametrize("place", [0.0, 0.25, 1.0])
def test_an_arc_between_parallel_vectors_is_straight(place: float) -> None:
    one = torch.tensor([[1.0, 2.0], [0.0, 0.0], [1.0, -1.0]])
    other = torch.tensor([[2.0, 4.0], [0.0, 0.0], [-1.0, 1.0]])
    torch.testing.assert_close(arc(one, other, place), (1 - place) * one + place * other, atol=1e-3, rtol=1e-3)


def test_walks_begin_and_end_at_their_melodies() -> None:
    events, told = melodies(10), list[int]()
    found = walk(Subject(Parrot()), events, told.append)
    assert found.events.shape == (5, STEPS + 2, EVENTS)
    np.testing.assert_array_equal(found.events[:, 0], events[:5])
    np.testing.assert_array_equal(found.events[:, -1], events[5:])
    assert found.between.shape == (5 * STEPS, EVENTS)
    np.testing.assert_array_equal(found.between[:STEPS], found.events[0, 1:-1])
    assert sum(told) == 5 * (STEPS + 2)
    assert set(found.events[0, :, 0].tolist()) == set(range(60, 66))  # from 60 to 65, no pitch missed


def test_a_jump_is_told_from_a_walk() -> None:
    class Snapping(Parrot):
        """Knows two melodies, and writes the one that is nearer."""

        def raw_events(self, z: Tensor) -> Tensor:
            raw = super().raw_events(z)
            return torch.where(raw < 128, torch.where(raw > 62, 65, 60), raw)

    pair = melodies(6)[[0, 5]]
    assert walk(Subject(Snapping()), pair).jump() == 1.0
    even = np.repeat(np.arange(STEPS + 2, dtype=np.uint8)[None, :, None], 9, axis=2)
    even = (np.arange(9) < even).astype(np.uint8)  # one event more at every step
    assert Walks(even).jump() == pytest.approx(1 / 9)
    assert Walks(np.zeros((2, STEPS + 2, 4), np.uint8)).jump() == 0.0


def test_ranges_hold_what_percentiles_say() -> None:
    real, others = random_melodies(1, 200), random_melodies(2, 50)
    limits, levels = ranges(real), features(real).levels()
    for name, (low, high) in limits.items():
        assert (low, high) == pytest.approx(np.percentile(levels[name], [1, 99]))
    found = within_ranges(others, limits)
    hits = []
    for name, (low, high) in limits.items():
        hits.append([low <= value <= high for value in features(others).levels()[name]])
        assert found[name] == pytest.approx(np.mean(hits[-1])), name
    assert found[ALL] == pytest.approx(np.mean(np.all(hits, axis=0)))
    silence = np.full((4, EVENTS), 129, np.uint8)
    assert within_ranges(silence, limits)["longest_rest"] == 0
    assert within_ranges(silence, limits)[ALL] == 0


def test_each_seed_is_judged_by_its_own_range() -> None:
    real = [random_melodies(seed, 100) for seed in (1, 2)]
    other = [random_melodies(seed, 100) for seed in (3, 4)]
    silent = [np.full((10, EVENTS), 129, np.uint8)] * 2
    walks = [walk(Subject(Parrot()), events[:20]) for events in other]
    found = compare_walks(walks, real, other, {"p": other, "silence": silent})
    assert found.pairs == 10
    assert found.real == found.samples["p"]
    assert found.samples["silence"].shares[ALL].mean == 0.0
    by_hand = [within_ranges(one.between, ranges(events))[ALL] for one, events in zip(walks, real, strict=True)]
    assert found.between.shares[ALL].values == pytest.approx(tuple(by_hand))
    assert found.jump.values == (walks[0].jump(), walks[1].jump())
