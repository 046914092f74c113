"""Statistics of melodies, each against a plain one from notes; overlapping areas against sums of kernels."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import HOLD, REST, STEPS, canonical
from melodylc.data.melody import Melody
from melodylc.evaluation.statistics import (
    HISTOGRAMS,
    Features,
    common_area,
    features,
    overlapping_area,
    overlapping_areas,
)

Events = npt.NDArray[np.uint8]
Values = npt.NDArray[np.float64]

SCALES = [{(root + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)} for root in range(12)]
SILENCE = Melody.from_notes([])
ONE_LONG = Melody.from_notes([(60, 0, STEPS)])
LAST_STEP = Melody.from_notes([(127, STEPS - 1, STEPS)])
FULL = Melody.from_notes([(step % 128, step, step + 1) for step in range(STEPS)])


def melody_of(content: bytes) -> Melody:
    """A melody from 256 bytes, many of them holds and rests, and few different pitches."""
    drawn = np.frombuffer(content, dtype=np.uint8)
    events = np.where(drawn < 100, 50 + drawn % 25, np.where(drawn < 190, HOLD, REST)).astype(np.uint8)
    return Melody(canonical(events)[0])


MELODIES = st.lists(st.binary(min_size=STEPS, max_size=STEPS).map(melody_of), min_size=1, max_size=4)


def random_melodies(seed: int, count: int) -> Events:
    drawn = np.random.default_rng(seed).integers(0, 256, (count, STEPS), dtype=np.uint8)
    return Melody.stack(melody_of(row.tobytes()) for row in drawn)


def share(found: Counter[int], width: int) -> list[float]:
    return [found[kind] / max(found.total(), 1) for kind in range(width)]


def plain_features(melody: Melody) -> dict[str, float | list[float]]:
    """Every feature from the list of notes."""
    notes, events = melody.notes, melody.events.tolist()
    pitches, classes = [note.pitch for note in notes], [note.pitch % 12 for note in notes]
    lengths = [min(note.end - note.start, 16) - 1 for note in notes]
    pairs = list(pairwise(pitches))
    bars = [tuple(events[at : at + 16]) for at in range(0, STEPS, 16)]
    rests = "".join("r" if event == REST else " " for event in events).split()
    return {
        "pitch_count": len(set(pitches)),
        "pitch_range": max(pitches) - min(pitches) if pitches else 0,
        "pitch_classes": share(Counter(classes), 12),
        "pitch_transitions": share(Counter(12 * a + b for a, b in pairwise(classes)), 144),
        "interval": sum(abs(b - a) for a, b in pairs) / len(pairs) if pairs else 0,
        "note_lengths": share(Counter(lengths), 16),
        "length_transitions": share(Counter(16 * a + b for a, b in pairwise(lengths)), 256),
        "notes_per_bar": [sum(16 * bar <= note.start < 16 * bar + 16 for note in notes) for bar in range(16)],
        "best_key": max(sum(c in scale for c in classes) for scale in SCALES) / len(notes) if notes else 0,
        "repetition": sum(bar in bars[:at] for at, bar in enumerate(bars)) / 15,
        "longest_rest": max(map(len, rests), default=0),
    }


# -- features ----------------------------------------------------------------------------------


@settings(max_examples=40)
@given(MELODIES)
def test_features_are_those_of_the_notes(melodies: list[Melody]) -> None:
    melodies = [SILENCE, *melodies, ONE_LONG, LAST_STEP, FULL]
    found = features(Melody.stack(melodies)).by_name()
    for row, melody in enumerate(melodies):
        expected = plain_features(melody)
        assert set(found) == set(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name][row], values, atol=1e-12, err_msg=name)


def test_a_tune_by_hand() -> None:
    # Bars 1 and 2: C4 and G4, half notes; bar 3: C5 for a whole bar; then silence, but for an F sharp in the last bar.
    notes = [(60, 0, 8), (67, 8, 16), (60, 16, 24), (67, 24, 32), (72, 32, 48), (66, 240, 244)]
    found = features(Melody.from_notes(notes).events[None])
    assert (found.pitch_count[0], found.pitch_range[0], found.longest_rest[0]) == (4, 12, 192)
    assert found.interval[0] == pytest.approx((7 + 7 + 7 + 5 + 6) / 5)
    assert found.best_key[0] == pytest.approx(1.0)  # G major has C, G and F sharp
    assert found.pitch_classes[0].nonzero()[0].tolist() == [0, 6, 7]
    assert found.pitch_classes[0, [0, 6, 7]] == pytest.approx([3 / 6, 1 / 6, 2 / 6])
    assert found.pitch_transitions[0].reshape(12, 12)[0, 7] == pytest.approx(2 / 5)
    assert found.note_lengths[0, [3, 7, 15]] == pytest.approx([1 / 6, 4 / 6, 1 / 6])
    assert found.length_transitions[0].reshape(16, 16)[7, 7] == pytest.approx(3 / 5)
    assert found.notes_per_bar[0].tolist() == [2, 2, 1, *[0] * 12, 1]
    assert found.repetition[0] == pytest.approx(12 / 15)  # bar 2, and the rests of bars 5 to 15


@settings(max_examples=40)
@given(MELODIES, st.integers(-12, 12))
def test_in_another_key_only_pitch_classes_move(melodies: list[Melody], by: int) -> None:
    moved = features(Melody.stack(melody.transposed(by) for melody in melodies)).by_name()
    for name, values in features(Melody.stack(melodies)).by_name().items():
        expected = values
        if name == "pitch_classes":
            expected = np.roll(values, by, axis=1)
        elif name == "pitch_transitions":
            expected = np.roll(values.reshape(-1, 12, 12), (by, by), axis=(1, 2)).reshape(-1, 144)
        np.testing.assert_allclose(moved[name], expected, atol=1e-12, err_msg=name)


@settings(max_examples=40)
@given(MELODIES)
def test_histograms_are_shares_and_levels_one_number_a_melody(melodies: list[Melody]) -> None:
    found = features(Melody.stack([*melodies, ONE_LONG]))
    for name in HISTOGRAMS:
        total = found.by_name()[name].sum(axis=1)
        assert np.all(np.isclose(total, 1) | (total == 0)), name
    levels = found.levels()
    assert set(levels) == set(found.by_name()) - HISTOGRAMS
    assert all(values.shape == (len(melodies) + 1,) for values in levels.values())
    assert levels["notes_per_bar"][0] == pytest.approx(melodies[0].note_count / 16)


# -- overlapping areas -------------------------------------------------------------------------


def kernel_density(sample: Values, at: Values) -> Values:
    """The sum of Gaussians of Scott's width, point by point."""
    width = sample.std(ddof=1) * len(sample) ** -0.2
    kernels = np.exp(-0.5 * ((at[:, None] - sample) / width) ** 2)
    return np.asarray(kernels.sum(axis=1) / (len(sample) * width * math.sqrt(2 * math.pi)))


def plain_area(one: Values, other: Values) -> float:
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    at = np.linspace(low - (high - low), high + (high - low), 3000)
    return float(np.trapezoid(np.minimum(kernel_density(one, at), kernel_density(other, at)), at))


SAMPLES = [
    ("normal", lambda rng: (rng.normal(0, 1, 200), rng.normal(0.7, 1.3, 300))),
    ("integers", lambda rng: (rng.integers(0, 9, 150).astype(float), rng.integers(2, 14, 80).astype(float))),
    ("at an edge", lambda rng: (rng.exponential(1, 250), rng.exponential(2, 250))),
    ("far apart", lambda rng: (rng.normal(0, 1, 90), rng.normal(30, 5, 90))),
    ("two values", lambda rng: (np.array([0.0, 1.0]), np.array([0.5, 3.0]))),
]


@pytest.mark.parametrize(("name", "make"), SAMPLES, ids=[name for name, _ in SAMPLES])
def test_area_is_that_of_the_kernels_summed(name: str, make: object) -> None:
    assert callable(make)
    one, other = make(np.random.default_rng(len(name)))
    assert common_area(one, other) == pytest.approx(plain_area(one, other), abs=2e-3)
    assert common_area(one, other) == pytest.approx(common_area(other, one), abs=1e-9)


@pytest.mark.parametrize("apart", [0.0, 0.5, 1.0, 2.5])
def test_area_of_two_normal_densities_is_the_closed_form(apart: float) -> None:
    sample = np.array([NormalDist().inv_cdf((at + 0.5) / 4000) for at in range(4000)])
    wide = math.hypot(1, 4000**-0.2)  # kernels widen a density
    expected = 2 * NormalDist().cdf(-apart / 2 / wide)
    assert common_area(sample, sample + apart) == pytest.approx(expected, abs=3e-3)


@settings(max_examples=40)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
    st.lists(st.integers(-50, 50), min_size=1, max_size=30),
    st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_areas_are_shares_that_know_their_own(one: list[int], other: list[int], unit: float) -> None:
    first, second = np.array(one) * unit, np.array(other) * unit
    area = common_area(first, second)
    assert 0 <= area <= 1 + 1e-9
    assert common_area(first, first) == pytest.approx(1)
    # Where all of a sample is alike its kernel is as wide as the grid lets it, so shifting changes a little.
    assert common_area(first + 3 * unit, second + 3 * unit) == pytest.approx(area, abs=0.02)


def test_sets_that_are_all_alike() -> None:
    assert common_area(np.zeros(4), np.zeros(9)) == 1
    assert common_area(np.zeros(4), np.full(9, 0.01)) == pytest.approx(0, abs=1e-9)
    assert common_area(np.zeros(4), np.linspace(0, 1, 1000)) < 0.05


def distances(one: Values, other: Values) -> list[float]:
    return [math.dist(np.atleast_1d(a), np.atleast_1d(b)) for a in one for b in other]


@pytest.mark.parametrize("width", [0, 5])
def test_overlapping_area_compares_distances_within_and_between(width: int) -> None:
    rng = np.random.default_rng(5)
    shape = (width,) if width else ()
    reference, other = rng.normal(0, 1, (20, *shape)), rng.normal(0.8, 1.5, (15, *shape))
    within = [math.dist(np.atleast_1d(reference[i]), np.atleast_1d(reference[j])) for i, j in ordered_pairs(20)]
    expected = plain_area(np.array(within), np.array(distances(reference, other)))
    assert overlapping_area(reference, other) == pytest.approx(expected, abs=2e-3)


def ordered_pairs(count: int) -> Sequence[tuple[int, int]]:
    return [(i, j) for i in range(count) for j in range(count) if i != j]


def shortened(found: Features, count: int) -> dict[str, Values]:
    return {name: values[:count] for name, values in found.by_name().items()}


def test_like_melodies_overlap_more_than_unlike_ones() -> None:
    one, like, unlike = random_melodies(1, 120), random_melodies(2, 120), random_melodies(3, 120)
    unlike = np.where(unlike < HOLD, unlike // 12 * 12, unlike).astype(np.uint8)  # C alone, with leaps
    near, far = (overlapping_areas(features(one), features(other)) for other in (like, unlike))
    assert set(near) == set(features(one).by_name())
    assert min(near.values()) > 0.9
    for name in ("pitch_count", "pitch_classes", "pitch_transitions", "best_key"):
        assert far[name] < 0.5 < near[name], name
    for name in ("note_lengths", "notes_per_bar", "longest_rest"):
        assert far[name] > 0.9, name


def test_one_row_alone_or_among_others_is_the_same() -> None:
    events = random_melodies(4, 9)
    whole, first = shortened(features(events), 1), features(events[:1]).by_name()
    for name, values in first.items():
        np.testing.assert_array_equal(whole[name], values)
