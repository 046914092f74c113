import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data import Melody
from melodylc.data.alphabet import HOLD, PITCHES, REST, canonical
from melodylc.data.errors import InputError
from melodylc.data.musical_features import musical_features, names, select_columns
from melodylc.data.rows import transpose
from melodylc.evaluation.random_convolutions import heard_before, random_convolutions, ridge_scores
from melodylc.evaluation.two_sample import FORM, clustered_area, deal, frechet_distance, two_sample

NAMES = names()


def melodies(count: int, seed: int) -> np.ndarray:
    """Random walks of notes of random lengths, with rests, (count, 256)."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        step, pitch, notes = int(rng.integers(0, 4)), 64, []
        while step < 256:
            end = min(step + int(rng.choice((1, 2, 2, 4, 4, 6, 8))), 256)
            pitch = int(np.clip(pitch + rng.choice((-7, -2, -2, -1, 0, 1, 2, 2, 4)), 40, 90))
            notes.append((pitch, step, end))
            step = end + int(rng.choice((0, 0, 0, 2)))
        found.append(Melody.from_notes(notes).events)
    return np.stack(found)


def feature(name: str, events: np.ndarray) -> float:
    return float(musical_features(events[None])[0, NAMES.index(name)])


def bars(*some: list[int]) -> np.ndarray:
    """A melody of quarters, four pitches a bar, the bars repeated to sixteen."""
    pitches = [pitch for bar in some for pitch in bar] * (16 // len(some))
    return Melody.from_notes((pitch, 4 * at, 4 * at + 4) for at, pitch in enumerate(pitches)).events


def test_names_are_different_and_belong_to_groups_that_can_be_left_out() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert set(FORM) <= set(NAMES)
    kept = select_columns("key", "register")
    assert {name.split(".")[0] for name, stays in zip(NAMES, kept, strict=True) if not stays} == {"key", "register"}


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(-20, 20))
def test_only_the_register_is_changed_by_a_transposition(seed: int, semitones: int) -> None:
    events = melodies(3, seed)
    moved = transpose(events, np.full(3, semitones))
    changed = np.abs(musical_features(moved) - musical_features(events)).max(axis=0) > 1e-8
    assert {name for name, one in zip(NAMES, changed, strict=True) if one} <= {"register.mean", "register.lowest"}


def test_features_of_rhythm_know_no_pitch() -> None:
    events = melodies(6, 1)
    other = np.where(events < PITCHES, 40 + events * 7 % 50, events).astype(np.uint8)
    same = np.abs(musical_features(other) - musical_features(events)).max(axis=0) < 1e-9
    rhythm = [
        at
        for at, name in enumerate(NAMES)
        if name.split(".")[0] in ("length", "onset", "rest") or ".rhythm_" in name or ".onsets_" in name
    ]
    assert len(rhythm) > 80
    assert same[rhythm].all()


def test_a_melody_s_row_depends_on_it_alone() -> None:
    events = melodies(300, 2)
    np.testing.assert_allclose(musical_features(events)[[7, 299]], musical_features(events[[7, 299]]), atol=1e-9)


@pytest.mark.parametrize(
    "events",
    [
        np.full(256, REST),
        np.r_[60, np.full(255, HOLD)],
        np.full(256, 60),
        np.r_[60, 62, np.full(254, REST)],
        np.r_[np.full(255, REST), 127],
        np.tile([0, 127], 128),
    ],
)
def test_features_are_finite_of_any_melody(events: np.ndarray) -> None:
    melody = canonical(events.astype(np.uint8))[0]
    assert np.isfinite(musical_features(melody[None])).all()
    assert np.isfinite(random_convolutions(np.stack([melody, melodies(1, 0)[0]]))).all()


def test_form_is_heard() -> None:
    period, new = bars([60, 62, 64, 65], [67, 65, 64, 62]), melodies(1, 3)[0]
    assert feature("block.exact_2", period) == feature("lag.exact_2", period) * 13 / 15 + 0  # bars 3 to 15 begin one
    assert feature("block.exact_1", period) == 14 / 16
    assert feature("lag.exact_1", period) == 0
    assert feature("block.exact_4_any", period) == 1
    assert feature("recur.both_4", period) == 1
    assert feature("recur.longest_both", period) == 63 - 8
    assert feature("recur.longest_both_apart", period) == 24 + 7  # of 63 pairs; two such runs stand 32 apart
    assert feature("block.exact_2_any", new) == 0
    assert feature("recur.intervals_8", new) < 0.1


def test_a_sequence_returns_transposed_and_not_exactly() -> None:
    rising = bars(*([60 + bar, 67 + bar, 62 + bar, 71 + bar] for bar in range(16)))
    assert feature("block.exact_1", rising) == 0
    assert feature("block.transposed_1", rising) == 15 / 16
    assert feature("block.transposed_4_any", rising) == 1
    assert feature("lag.transposed_8", rising) == 1


def test_motion_is_heard() -> None:
    scale = Melody.from_notes((40 + at, 4 * at, 4 * at + 4) for at in range(64)).events
    turns = bars([60, 62, 60, 62])
    assert (feature("motion.step_inertia", scale), feature("motion.turns", scale)) == (1, 0)
    assert (feature("motion.step_inertia", turns), feature("motion.turns", turns)) == (0, 1)
    assert feature("motion.longest_rise", scale) == 63
    assert feature("motion.repeated", bars([60, 60, 60, 60])) == 1


def test_what_recurs_agrees_with_counting() -> None:
    for events in melodies(5, 4):
        pitches = events[events < PITCHES].astype(int)
        steps = np.diff(pitches).tolist()
        grams = [tuple(steps[at : at + 3]) for at in range(len(steps) - 2)]
        assert feature("recur.intervals_3", events) == pytest.approx(np.mean([grams.count(one) > 1 for one in grams]))
        longest = next(
            size
            for size in range(len(steps), -1, -1)
            if len({tuple(steps[at : at + size]) for at in range(len(steps) - size + 1)}) < len(steps) - size + 1
            or size == 0
        )
        assert feature("recur.longest_intervals", events) == longest


def test_heard_before_agrees_with_counting() -> None:
    symbols = np.random.default_rng(0).integers(0, 3, (1, 30))
    text = symbols[0].tolist()
    for at, found in enumerate(heard_before(symbols, np.ones((1, 30), np.bool_))[0]):
        runs = [0]
        for other in range(at):
            size = 0
            while size <= other and text[other - size] == text[at - size]:
                size += 1
            runs.append(size)
        assert found == max(runs)


def test_convolutions_hear_no_transposition_and_tell_form() -> None:
    events = melodies(40, 5)
    moved = transpose(events, np.full(40, 5))
    np.testing.assert_allclose(random_convolutions(events), random_convolutions(moved), atol=1e-4)


def test_folds_keep_groups_together_and_are_of_one_size() -> None:
    groups = np.random.default_rng(1).integers(0, 40, 400)
    of = deal(groups, 5, 0)
    assert all(len(set(of[groups == group])) == 1 for group in range(40))
    assert np.ptp(np.bincount(of)) <= 3
    with pytest.raises(InputError, match="3 groups for 5 folds"):
        deal(np.array([0, 1, 2]), 5, 0)


def test_the_area_and_its_error_are_what_many_draws_give() -> None:
    rng, found = np.random.default_rng(2), []
    groups = np.repeat(np.arange(30), 5)
    for _ in range(300):
        real = np.repeat(rng.normal(0.8, 1, 30), 5) + rng.normal(0, 0.3, 150)
        found.append(clustered_area(real, rng.normal(0, 1, 200), groups, np.arange(200)))
    areas, errors = np.array([one.auc for one in found]), np.array([one.error for one in found])
    assert areas.mean() == pytest.approx(0.705, abs=0.02)
    assert np.sqrt((errors**2).mean()) == pytest.approx(areas.std(), rel=0.15)


def test_areas_are_taken_within_folds() -> None:
    real, generated, fold = np.array([1.0, 101.0]), np.array([0.0, 100.0]), np.array([0, 1])
    assert clustered_area(real, generated, np.arange(2), np.arange(2), fold, fold).auc == 1


def test_a_ridge_learns_what_is_linear() -> None:
    rng = np.random.default_rng(3)
    table = rng.standard_normal((300, 500))
    labels = table[:, :3].sum(axis=1) > 0
    scores = ridge_scores(table[:200], labels[:200], table[200:])
    assert (
        clustered_area(
            scores[labels[200:]], scores[~labels[200:]], np.arange(labels[200:].sum()), np.arange((~labels[200:]).sum())
        ).auc
        > 0.65
    )


def test_the_distance_of_two_normal_sets() -> None:
    rng = np.random.default_rng(4)
    one, other = rng.standard_normal((20_000, 2)), 2 * rng.standard_normal((20_000, 2)) + [3, 0]
    assert frechet_distance(one, other) == pytest.approx(9 + 2, rel=0.05)


def test_judges_tell_what_is_different_and_nothing_else() -> None:
    pytest.importorskip("sklearn")
    one, other = melodies(120, 6), melodies(120, 7)
    held = np.repeat(other.reshape(120, 16, 16)[:, :4].reshape(120, 1, 64), 4, axis=1).reshape(120, 256)
    formed = canonical(held)[0]
    groups = np.arange(120) // 3
    same, different = (two_sample(one, groups, events, folds=3) for events in (other, formed))
    for judge in ("trees", "events"):
        assert abs(same.areas[judge].auc - 0.5) < 0.12
        assert different.areas[judge].auc > 0.95
    assert different.strongest.auc > 0.95
    assert different.works == 40
    assert different.form["block.exact_4_any"][1] > 0.9
    assert different.telling[0].auc in (0, 1)
    assert different.frechet > same.frechet
    with pytest.raises(InputError, match="no judge 'me'"):
        two_sample(one, groups, other, judges=("me",))
