"""The alphabet and its canonical form."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import BARS, HOLD, REST, STATES, STEPS, STEPS_PER_BAR, canonical, check_events
from melodylc.data.errors import InputError

# Any events, with holds and rests in half of all places.
ANY_EVENTS = st.binary(min_size=STEPS, max_size=STEPS).map(
    lambda content: [byte if byte < STATES else HOLD + byte % 2 for byte in content]
)


def by_hand(events: list[int]) -> list[int]:
    """The rule as the issue words it, step by step."""
    fixed: list[int] = []
    for step, event in enumerate(events):
        stray = event == HOLD and (step == 0 or fixed[-1] == REST)
        fixed.append(REST if stray else event)
    return fixed


def padded(*events: int) -> npt.NDArray[np.int64]:
    return np.array([*events, *[REST] * (STEPS - len(events))])


def test_sizes_agree() -> None:
    assert (BARS, STEPS_PER_BAR, STEPS, HOLD, REST, STATES) == (16, 16, 256, 128, 129, 130)


def test_a_hold_at_the_start_and_what_follows_it_become_rests() -> None:
    fixed, touched = canonical(padded(HOLD, HOLD, 60, HOLD))
    assert fixed[:5].tolist() == [REST, REST, 60, HOLD, REST]
    assert touched[:5].tolist() == [True, True, False, False, False]


def test_a_chain_of_holds_after_a_rest_becomes_rests_across_bar_lines() -> None:
    events = padded(60, *[HOLD] * 10, REST, *[HOLD] * 30, 62, HOLD)
    fixed, touched = canonical(events)
    assert fixed[11:42].tolist() == [REST] * 31
    assert fixed[42:44].tolist() == [62, HOLD]
    assert np.flatnonzero(touched).tolist() == list(range(12, 42))


def test_canonical_copies() -> None:
    events = np.full(STEPS, HOLD, dtype=np.uint8)
    fixed, _ = canonical(events)
    assert (events == HOLD).all()
    fixed[0] = 60  # and the copy may be written to


@settings(deadline=None, max_examples=60)
@given(ANY_EVENTS)
def test_canonical_is_the_rule_and_idempotent(events: list[int]) -> None:
    fixed, touched = canonical(events)
    assert fixed.dtype == np.uint8
    assert fixed.tolist() == by_hand(events)
    assert (touched == (fixed != np.array(events))).all()
    again, still_touched = canonical(fixed)
    assert (again == fixed).all()
    assert not still_touched.any()


@pytest.mark.parametrize("shape", [(0,), (1,), (7,), (2, 3)])
def test_many_melodies_at_once_are_each_alone(shape: tuple[int, ...]) -> None:
    events = np.random.default_rng(0).choice([HOLD, REST, 60], size=(*shape, STEPS))
    fixed, touched = canonical(events)
    assert fixed.shape == touched.shape == events.shape
    for index in np.ndindex(shape):
        assert (fixed[index] == canonical(events[index])[0]).all()


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([REST] * 255, "256 events"),
        ([REST] * 257, "not 257"),
        ([], "256 events"),
        (60, "a single value"),
        (np.full((256, 2), REST), "not 2"),
        ([130] + [REST] * 255, "event 130 at step 0 is outside 0..129"),
        ([REST] * 255 + [-1], "event -1 at step 255 is outside 0..129"),
        (np.full(256, 2**40), "outside 0..129"),
        ([60.0] * 256, "integers in 0..129, not float64"),
        ([True] * 256, "integers in 0..129, not bool"),
        (["C4"] * 256, "integers in 0..129"),
        ([[60], [60, 60]], "rows differ"),
        (None, "a single value"),
    ],
)
def test_anything_else_is_refused_with_the_reason(events: npt.ArrayLike, reason: str) -> None:
    for function in (canonical, check_events):
        with pytest.raises(InputError, match=reason) as caught:
            function(events)
        assert "\n" not in str(caught.value)
