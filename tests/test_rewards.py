"""Laws of every reward, then each by itself."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data import HOLD, REST, STEPS, InputError, Melody, canonical
from melodylc.rewards import Reward, Rule, density, parse_density, pitch_classes, tonic, variety

C_MAJOR = (0, 2, 4, 5, 7, 9, 11)


def repeated(pitch: int, notes: int) -> Melody:
    return Melody.from_notes((pitch, step, step + 1) for step in range(notes))


EMPTY = Melody.from_notes([])
REWARDS: dict[str, tuple[Reward, Melody, Melody]] = {  # with a melody that scores 1, and one that scores 0
    "pitch_classes(0,2,4,5,7,9,11)": (pitch_classes(C_MAJOR), repeated(60, 256), repeated(61, 256)),
    "pitch_classes(1)": (pitch_classes([1]), repeated(13, 1), repeated(60, 9)),
    "tonic(9)": (tonic(9), Melody.from_notes([(60, 0, 4), (69, 8, 16)]), Melody.from_notes([(69, 0, 4), (60, 8, 9)])),
    "density(192..)": (density(192), repeated(0, 192), EMPTY),
    "density(16..64)": (density(16, 64), repeated(127, 64), EMPTY),
    "variety(7 pitches, 9 bars)": (variety(), Melody.from_notes((i, 16 * i, 16 * i + 3) for i in range(9)), EMPTY),
}
each_reward = pytest.mark.parametrize("name", list(REWARDS))
PANEL = [EMPTY, repeated(60, 1), repeated(61, 256), repeated(127, 40), Melody.from_notes([(0, 255, 256)])]


def random_events(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, (count, STEPS))
    pitches = random.integers(0, 128, (count, STEPS))
    return canonical(np.choose(kinds, [pitches, HOLD, REST]))[0]


@each_reward
def test_its_name_is_its_identity(name: str) -> None:
    assert REWARDS[name][0].name == name


@each_reward
def test_in_bounds_on_any_melody(name: str) -> None:
    scores = [REWARDS[name][0](melody) for melody in PANEL]
    assert all(isinstance(score, float) and 0 <= score <= 1 for score in scores)


@each_reward
def test_one_and_zero_are_reached_exactly(name: str) -> None:
    reward, best, worst = REWARDS[name]
    assert reward(best) == 1.0
    assert reward(worst) == 0.0
    assert reward(EMPTY) == 0.0


@each_reward
def test_a_batch_scores_as_its_melodies_do(name: str) -> None:
    reward = REWARDS[name][0]
    events = np.concatenate([random_events(200), Melody.stack(PANEL)])
    batch = reward.batch(events)
    assert batch.dtype == np.float64
    assert batch.tolist() == [reward(melody) for melody in Melody.unstack(events)]
    assert Reward.batch(reward, events).tolist() == batch.tolist()


@each_reward
def test_an_empty_batch_is_no_error(name: str) -> None:
    assert REWARDS[name][0].batch(np.empty((0, STEPS), dtype=np.uint8)).shape == (0,)


@each_reward
def test_a_batch_leaves_its_events_alone(name: str) -> None:
    events = random_events(3)
    before = events.copy()
    REWARDS[name][0].batch(events)
    assert (events == before).all()


@given(st.lists(st.sampled_from([59, 60, 61, 62, HOLD, REST]), min_size=STEPS, max_size=STEPS))
@settings(max_examples=30, deadline=None)
def test_pitch_classes_against_counting_by_hand(raw: list[int]) -> None:
    melody = Melody(canonical(raw)[0])
    pitches = [event for event in melody.events.tolist() if event < 128]
    expected = sum(pitch % 12 in (0, 11) for pitch in pitches) / len(pitches) if pitches else 0.0
    assert pitch_classes([0, 11])(melody) == expected


@pytest.mark.parametrize(("notes", "expected"), [(0, 0.0), (96, 0.5), (191, 191 / 192), (192, 1.0), (256, 1.0)])
def test_the_paper_s_density(notes: int, expected: float) -> None:
    assert density(192)(repeated(60, notes)) == expected


@pytest.mark.parametrize(("notes", "expected"), [(15, 15 / 16), (16, 1.0), (64, 1.0), (65, 64 / 65), (256, 0.25)])
def test_density_with_both_ends(notes: int, expected: float) -> None:
    assert density(16, 64)(repeated(60, notes)) == expected


@pytest.mark.parametrize(
    ("pitch", "length", "expected"),
    [
        (lambda bar: 60, lambda bar: bar + 1, 1 / 7),  # sixteen lengths of one note
        (lambda bar: 60 + bar % 2, lambda bar: 4, 2 / 7 * 2 / 9),  # two bars in turn
        (lambda bar: 60 + bar % 3, lambda bar: 1 + bar % 6, 3 / 7 * 6 / 9),
        (lambda bar: 60 + bar % 6, lambda bar: bar + 1, 6 / 7),
        (lambda bar: 60 + bar % 8, lambda bar: 4, 8 / 9),
        (lambda bar: 60 + bar, lambda bar: 4, 1.0),
    ],
)
def test_variety_counts_pitches_and_bars(
    pitch: Callable[[int], int], length: Callable[[int], int], expected: float
) -> None:
    melody = Melody.from_notes((pitch(bar), 16 * bar, 16 * bar + length(bar)) for bar in range(16))
    assert variety()(melody) == pytest.approx(expected)


@pytest.mark.parametrize("numbers", [(0, 9), (129, 9), (7, 0), (7, 17)])
def test_a_variety_out_of_range_is_refused(numbers: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"1\.\.(128|16) different"):
        variety(*numbers)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("low", "density(16..64)"),
        ("medium", "density(64..128)"),
        (" High ", "density(192..)"),
        ("1", "density(1..)"),
        ("192..", "density(192..)"),
        ("7..7", "density(7..7)"),
        ("1 .. 256", "density(1..256)"),
    ],
)
def test_densities_as_typed(text: str, name: str) -> None:
    assert parse_density(text).name == name


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "low, medium, high"),
        ("dense", "'dense'"),
        ("-3", "'-3'"),
        ("1.5", "'1.5'"),
        ("..64", "A..B"),
        ("6 4", "'6 4'"),
        ("0", "1..256"),
        ("257", "257"),
        ("9..300", "300"),
        ("64..16", "swap"),
        ("nan", "'nan'"),
        ("x" * 500, "..."),
        ("٣", "A..B"),
    ],
)
def test_what_is_no_density_is_named_in_one_line(text: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_density(text)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 160


@pytest.mark.parametrize(
    "make",
    [lambda: pitch_classes([]), lambda: pitch_classes([12]), lambda: pitch_classes([-1]), lambda: tonic(12)],
)
def test_what_is_no_pitch_class_is_refused(make: Callable[[], Reward]) -> None:
    with pytest.raises(InputError, match=r"0\.\.11"):
        make()


def test_equal_parameters_make_equal_rewards() -> None:
    assert pitch_classes([2, 0, 2]) == pitch_classes((0, 2))
    assert len({density(1), density(1), density(1, 256), tonic(0)}) == 3


def test_a_rule_has_a_column_for_each_part() -> None:
    rule = Rule((pitch_classes(C_MAJOR), density(192), tonic(0)))
    events = np.concatenate([random_events(20), Melody.stack(PANEL)])
    scores = rule.scores(events)
    assert scores.shape == (25, len(rule.names))
    assert scores.tolist() == [list(rule(melody)) for melody in Melody.unstack(events)]


def test_a_rule_is_satisfied_when_every_part_is_exactly_one() -> None:
    rule = Rule((pitch_classes(C_MAJOR), density(192)))
    nearly = Melody.from_notes((60 + (step == 7), step, step + 1) for step in range(256))
    events = Melody.stack([repeated(60, 192), repeated(60, 191), repeated(61, 256), nearly, EMPTY])
    assert rule.satisfied(events).tolist() == [True, False, False, False, False]


def test_a_rule_s_identity_doesn_t_hang_on_order_or_repetition() -> None:
    one = Rule((density(192), pitch_classes(C_MAJOR), density(192)))
    other = Rule((pitch_classes(C_MAJOR), density(192)))
    assert one.identity == other.identity == "density(192..) & pitch_classes(0,2,4,5,7,9,11)"
    assert len(one.parts) == 2
    assert one.identity != Rule((pitch_classes(C_MAJOR), density(191))).identity


def test_a_rule_refuses_what_isn_t_events() -> None:
    rule = Rule((density(1),))
    with pytest.raises(InputError, match="256 events"):
        rule.scores(np.zeros((2, 255), dtype=np.uint8))
    with pytest.raises(InputError, match=r"0\.\.129"):
        rule.scores(np.full((2, STEPS), 130))
    with pytest.raises(InputError, match="at least one reward"):
        Rule(())


def test_a_reward_of_one_melody_only_still_scores_batches() -> None:
    class Ends(Reward):
        @property
        def name(self) -> str:
            return "ends"

        def __call__(self, melody: Melody) -> float:
            return float(melody.note_count > 0 and melody.notes[-1].end == STEPS)

    scores = Rule((Ends(), density(1))).scores(Melody.stack(PANEL))
    assert scores[:, 0].tolist() == [0.0, 0.0, 1.0, 0.0, 1.0]
    assert math.isclose(scores[:, 1].sum(), 4)
