"""Laws of combination, on expressions of any shape and values at the very ends of what a float can hold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from melodylc.data import STEPS, InputError, Melody
from melodylc.data.arrays import Events
from melodylc.rewards import Reward, Rule, at_least, density, first_note, last_note, pitch_classes, register, tonic
from melodylc.rewards.base import Scores
from melodylc.rewards.isolation import IsolatedReward

COUNT = 12  # values of each leaf, one for each of as many melodies
EVENTS = np.full((COUNT, STEPS), 129, np.uint8)
EVENTS[:, 0] = np.arange(COUNT)
MELODIES = Melody.unstack(EVENTS)
NEARLY = float(np.nextafter(1, 0))


@dataclass(frozen=True)
class Table(Reward):
    """A reward with a value for each melody of `EVENTS`."""

    letter: str
    values: tuple[float, ...]
    judges: str = "melodies"

    @property
    def name(self) -> str:
        return self.letter

    @property
    def domain(self) -> str:
        return self.judges

    def __call__(self, melody: Melody) -> float:
        return self.values[int(melody.events[0])]

    def batch(self, events: Events) -> Scores:
        return np.array(self.values)[events[:, 0]]


def table(letter: str) -> st.SearchStrategy[Reward]:
    value = st.one_of(st.sampled_from([0.0, 1.0, NEARLY, 1e-300, 1e-17, 0.5]), st.floats(1e-12, 1))
    return st.lists(value, min_size=COUNT, max_size=COUNT).map(lambda values: Table(letter, tuple(values)))


few = settings(max_examples=40)
weights = st.one_of(st.sampled_from([1e-9, 0.5, 1.0, 2, 1e6]), st.floats(1e-3, 1e3))
leaves = st.tuples(*map(table, "abc"))


def combined(parts: tuple[Reward, ...]) -> st.SearchStrategy[Reward]:
    """Any expression of these rewards."""
    return st.recursive(
        st.sampled_from(parts),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda pair: pair[0] & pair[1]),
            st.tuples(inner, inner).map(lambda pair: pair[0] | pair[1]),
            inner.map(lambda reward: ~reward),
            st.tuples(weights, inner).map(lambda pair: pair[0] * pair[1]),
        ),
        max_leaves=8,
    )


expressions = leaves.flatmap(combined)
pairs = leaves.flatmap(lambda parts: st.tuples(combined(parts), combined(parts)))


def satisfied(reward: Reward) -> list[bool]:
    return [bool(it) for it in reward.batch(EVENTS) == 1]


@few
@given(expressions)
def test_every_combination_stays_in_bounds_and_batches_as_it_calls(reward: Reward) -> None:
    scores = reward.batch(EVENTS)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert scores.tolist() == [reward(melody) for melody in MELODIES]


@few
@given(expressions)
def test_weights_change_neither_0_nor_1(reward: Reward) -> None:
    scores, raw = reward.batch(EVENTS), reward.raw.batch(EVENTS)
    assert ((scores == 1) == (raw == 1)).all()
    assert ((scores == 0) == (raw == 0)).all()
    assert "*" not in reward.raw.name
    assert reward.raw.raw == reward.raw


@few
@given(pairs)
def test_what_satisfies_a_combination(pair: tuple[Reward, Reward]) -> None:
    a, b = pair
    ones, others = np.array(satisfied(a)), np.array(satisfied(b))
    assert satisfied(a & b) == (ones & others).tolist()
    assert satisfied(a | b) == (ones | others).tolist()
    assert satisfied(~a) == (a.batch(EVENTS) == 0).tolist()
    assert satisfied(0.25 * a) == ones.tolist()


@few
@given(leaves)
def test_values_are_those_of_the_formulas(parts: tuple[Reward, ...]) -> None:
    a, b, _ = parts
    x, y = a.batch(EVENTS), b.batch(EVENTS)
    np.testing.assert_allclose((a & b).batch(EVENTS), x * y, rtol=1e-15, atol=1e-300)
    assert ((a | b).batch(EVENTS) == np.maximum(x, y)).all()
    np.testing.assert_allclose((~a).batch(EVENTS), 1 - x, atol=2e-16)
    np.testing.assert_allclose((3 * a).batch(EVENTS), x**3, rtol=1e-15, atol=1e-300)


@few
@given(pairs)
def test_order_and_repetition_do_not_matter(pair: tuple[Reward, Reward]) -> None:
    a, b = pair
    for one, other in [(a & b, b & a), (a | b, b | a), (a & a, a), (a | a, a), (~~a, a), (1 * a, a)]:
        assert one.name == other.name
        assert one == other


@few
@given(leaves)
def test_brackets_do_not_matter(parts: tuple[Reward, ...]) -> None:
    a, b, c = parts
    assert (a & b) & c == a & (b & c)
    assert (a | b) | c == a | (b | c)
    assert 2 * (0.25 * a) == 0.5 * a
    assert 0.5 * (a & b) == 0.5 * a & 0.5 * b


@few
@given(pairs)
def test_de_morgan_holds_for_what_is_satisfied(pair: tuple[Reward, Reward]) -> None:
    a, b = pair
    assert satisfied(~(a | b)) == satisfied(~a & ~b)
    assert satisfied(~(a & b)) == satisfied(~a | ~b)
    # Of the values only the bound holds: a product is never more than a minimum.
    assert ((~a & ~b).batch(EVENTS) <= (~(a | b)).batch(EVENTS) + 1e-15).all()


@few
@given(pairs)
def test_a_rule_of_a_product_has_its_factors_as_parts(pair: tuple[Reward, Reward]) -> None:
    a, b = pair
    factors = [factor.raw for factor in (a & b).factors]
    assume(not any(one.clash(other) for one in factors for other in factors))
    rule = Rule((a & b,))
    assert rule.identity == Rule((b, a)).identity
    assert rule.satisfied(EVENTS).tolist() == satisfied(a & b)
    assert rule.scores(EVENTS).tolist() == [list(rule(melody)) for melody in MELODIES]
    assert ((rule.scores(EVENTS) == 1) == (rule.graded(EVENTS) == 1)).all()


def test_a_rule_lists_raw_values_and_is_fitted_with_weights() -> None:
    half = Table("half", (0.25,) * COUNT)
    rule = Rule((0.5 * half & density(1),))
    assert rule.names == ("0.5*half", "density(1..)")
    assert rule.scores(EVENTS)[0, 0] == 0.25
    assert rule.graded(EVENTS)[0, 0] == 0.5


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (lambda: tonic(1) & density(4), "(density(4..) & tonic(1))"),
        (lambda: ~(tonic(1) | density(4)), "~(density(4..) | tonic(1))"),
        (lambda: ~(2 * tonic(1)), "~(2*tonic(1))"),
        (lambda: np.float64(0.1) * ~tonic(1), "0.1*~tonic(1)"),
        (lambda: tonic(1) * 1e-7, "1e-07*tonic(1)"),
        (lambda: (tonic(1) | density(4)) * np.int64(3), "3*(density(4..) | tonic(1))"),
    ],
)
def test_names(made: object, name: str) -> None:
    assert callable(made)
    assert made().name == name


@pytest.mark.parametrize("weight", [0, -1, -0.5, float("nan"), float("inf"), 1e-400])
def test_a_weight_that_is_not_positive_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="positive number"):
        _ = weight * tonic(0)


@pytest.mark.parametrize("wrong", [True, "0.5", None, tonic(1)])
def test_what_is_no_weight_is_a_type_error(wrong: object) -> None:
    with pytest.raises(TypeError):
        _ = wrong * tonic(0)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [1, "tonic", None])
def test_rewards_join_with_rewards_alone(wrong: object) -> None:
    with pytest.raises(TypeError):
        _ = tonic(0) & wrong  # type: ignore[operator]
    with pytest.raises(TypeError):
        _ = tonic(0) | wrong  # type: ignore[operator]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (density(16, 64), density(128), "no melody has density"),
        (density(16, 64), 0.5 * density(65, 70), "no melody has density"),
        (tonic(0), tonic(9), "ends on"),
        (pitch_classes([0, 4, 7]), pitch_classes([1, 3]), "no note is in"),
        (pitch_classes([0, 4, 7]), tonic(2), "no note is in"),
        (last_note("Eb4"), last_note("Eb5"), "no melody has last_note"),
        (first_note("C"), first_note("D4"), "no melody has first_note"),
        (last_note("D"), tonic(0), "ends on"),
        (pitch_classes([0, 4, 7]), last_note("C#4"), "no note is in"),
        (register(60, 71), first_note("C5"), "no note is in"),
        (register(61, 71), last_note("C"), "no note is in"),
        (0.5 * tonic(0), ~tonic(0), "nothing satisfies"),
        (density(64) | tonic(2), ~(tonic(2) | density(64)), "nothing satisfies"),
    ],
)
def test_parts_that_exclude_each_other_are_refused(one: Reward, other: Reward, expected: str) -> None:
    for parts in [(one, other), (other, one), (one & other,)]:
        with pytest.raises(InputError, match=expected):
            Rule(parts)


@pytest.mark.parametrize(
    "parts",
    [
        (density(16, 64), density(64)),
        (density(16), tonic(0)),
        (tonic(0), pitch_classes([0]), ~tonic(9)),
        (last_note("C"), last_note("C4"), tonic(0), register(60, 72), pitch_classes([0])),
        (first_note("C4"), last_note("D4")),
    ],
)
def test_parts_that_go_together_do(parts: tuple[Reward, ...]) -> None:
    assert Rule(parts).parts == parts


def test_rewards_of_two_domains_do_not_mix() -> None:
    picture = Table("bright", (1.0,), "pictures")
    for mixed in (lambda: picture & tonic(0), lambda: picture | tonic(0), lambda: Rule((picture, tonic(0)))):
        with pytest.raises(InputError, match="judges"):
            mixed()
    assert (0.5 * ~picture).domain == "pictures"


def test_isolated_rewards_are_equal_by_name() -> None:
    one, other = (IsolatedReward("f()@0", "melodies", worker=object()) for _ in range(2))  # type: ignore[arg-type]
    assert one == other
    assert (one & other) == one


def test_at_least_is_satisfied_from_its_share_on_and_nowhere_else() -> None:
    key = pitch_classes([0, 2, 4, 5, 7, 9, 11])
    mostly = at_least(key, 0.95)
    for right in range(21):
        melody = Melody.from_notes((60 if at < right else 61, at, at + 1) for at in range(20))
        assert (mostly(melody) == 1) == (right >= 19)
        assert mostly(melody) == pytest.approx(min(1, right / 20 / 0.95))
        assert (mostly(melody) == 0) == (right == 0)
        assert mostly.batch(melody.events[None]).tolist() == [mostly(melody)]


def test_at_least_and_weights() -> None:
    key = pitch_classes([0])
    assert at_least(key, 1) == key
    assert at_least(2 * key, 0.5) == 2 * at_least(key, 0.5)
    assert at_least(2 * key & density(4), 0.5).name == "at_least(0.5, (density(4..) & pitch_classes(0)))"
    assert (0.5 * at_least(key, 0.5)).raw == at_least(key, 0.5)
    assert Rule((at_least(key, 0.5), tonic(1))).names == ("at_least(0.5, pitch_classes(0))", "tonic(1)")  # no clash
    assert (~at_least(key, 0.5))(Melody.from_notes([(61, 0, 4)])) == 1


@pytest.mark.parametrize("share", [0, -1, 1.1, float("nan"), True, "0.5", None])
def test_at_least_of_what(share: Any) -> None:
    with pytest.raises(InputError, match="a share above 0 and at most 1"):
        at_least(density(4), share)
    with pytest.raises(InputError, match="takes a reward and a share"):
        at_least(share, 0.5)
