"""The search for the least change: laws that hold for any rule and any proposals, without a model."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import BARS, HOLD, PITCHES, REST, STEPS_PER_BAR, canonical
from melodylc.data.melody import Melody
from melodylc.editing import change
from melodylc.editing.change import Change, bar_classes, first_alike, similarity
from melodylc.editing.search import Aim, descend
from melodylc.rewards import Rule, density, pitch_classes, tonic
from melodylc.rewards.panel import real_melodies

Events = npt.NDArray[np.uint8]
C_MAJOR = (0, 2, 4, 5, 7, 9, 11)
REAL = real_melodies()
NONE = REAL[:0]


def in_key(events: Events) -> Events:
    """Every wrong note a semitone down, which is a right one in C major: a proposal that obeys."""
    wrong = (events < PITCHES) & ~np.isin(events % 12, C_MAJOR)
    return (events - wrong).astype(np.uint8)


def tune(*wrong: int) -> Melody:
    """Bars of four quarters up the scale; the sixteenth bar other than all before; notes at `wrong` a semitone up."""
    pitches = [60 + C_MAJOR[(bar % 3 + beat) % 7] for bar in range(BARS) for beat in range(4)]
    pitches[-1] = 72
    for note in wrong:
        pitches[note] += 6
    return Melody.from_notes((pitch, 4 * step, 4 * step + 4) for step, pitch in enumerate(pitches))


@pytest.fixture
def rule() -> Rule:
    return Rule((pitch_classes(C_MAJOR),))


# -- change ------------------------------------------------------------------------------------


@given(st.integers(0, len(REAL) - 1))
def test_nothing_is_as_near_as_the_melody_itself(row: int) -> None:
    costs = Change(REAL[row])(REAL)
    assert costs[row] == 0
    assert bool((costs[[not np.array_equal(one, REAL[row]) for one in REAL]] > 0).all())


def test_the_change_by_hand() -> None:
    before = Melody.from_notes([(60, 0, 4), (64, 4, 8), (67, 8, 12)])
    measure = Change(before.events)

    def cost(*notes: tuple[int, int, int]) -> float:
        return float(measure(Melody.from_notes(notes).events[None])[0]) * (3 + 8)

    # The last note a semitone up: its pitch, and the one interval that leads to it, a semitone wider.
    assert cost((60, 0, 4), (64, 4, 8), (68, 8, 12)) == pytest.approx(0.2 + 0.01 + 0.3 + 0.7 / 6 + 0.02)
    # The last note gone: the note, its interval, and three sixteenths that no longer sound. Bars 2..16 are as before.
    assert cost((60, 0, 4), (64, 4, 8)) == pytest.approx(1 + 0.5 + 0.3)
    # All of it a tone up: three pitches, no interval.
    assert cost((62, 0, 4), (66, 4, 8), (69, 8, 12)) == pytest.approx(3 * (0.2 + 0.02))
    # A note more in bar 3, and a bar that is no longer like bar 2.
    assert cost((60, 0, 4), (64, 4, 8), (67, 8, 12), (60, 32, 33)) == pytest.approx(1 + 1)


@given(st.integers(0, len(REAL) - 1), st.integers(0, 2**32))
def test_notes_of_one_pitch_that_move_apart_are_counted(row: int, seed: int) -> None:
    before, rng = Melody(REAL[row]), np.random.default_rng(seed)
    moves = rng.integers(-1, 2, before.note_count)
    events = before.events.copy()
    events[events < PITCHES] = np.clip(before.pitches + moves, 0, PITCHES - 1)
    gone = rng.random(before.note_count) < 0.2
    events[np.flatnonzero(before.events < PITCHES)[gone]] = REST
    after = [int(event) for event in events[before.events < PITCHES]]
    became: dict[int, list[int]] = {}
    for pitch, now in zip(before.pitches.tolist(), after, strict=True):
        became.setdefault(pitch, []).extend([now] * (now < PITCHES))
    by_hand = sum(len(found) - max(map(found.count, found)) for found in became.values() if found)
    there, moved = change._pitch_moves(before.events, events[None])
    assert change._off_majority(before.pitches.astype(np.uint8), there, moved).tolist() == [by_hand]


def test_bars_that_are_the_same_are_found_by_comparing_them() -> None:
    for events in REAL:
        bars = events.reshape(BARS, STEPS_PER_BAR).tolist()
        assert first_alike(events[None])[0].tolist() == [bars.index(bar) for bar in bars]
        assert sorted(bar for group in bar_classes(events) for bar in group) == list(range(BARS))


def test_what_is_kept_is_counted_by_hand() -> None:
    before = Melody.from_notes([(60, 0, 4), (64, 4, 8), (67, 8, 12), (72, 12, 16)])
    after = Melody.from_notes([(60, 0, 4), (65, 4, 8), (68, 8, 12)])
    found = similarity(before, after)
    assert (found.onsets, found.pitches, found.intervals) == (0.75, 0.25, 1 / 3)
    empty = Melody.from_notes([])
    assert similarity(empty, before).onsets == 1.0
    assert [similarity(before, other).shift for other in (before, before.transposed(-4), after, empty)] == [0, -4, 1, 0]


# -- search ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, len(REAL) - 1))
def test_what_it_finds_obeys_is_canonical_and_is_never_farther_than_where_it_began(row: int) -> None:
    rule = Rule((pitch_classes(C_MAJOR),))
    start = REAL[row]
    proposed = canonical(in_key(start)[None])[0]
    aim = Aim(Change(start), rule.scores, NONE)
    found = descend(aim, start, proposed)
    assert found.follows
    assert rule(Melody(found.events)) == (1.0,)
    assert found.cost <= aim.look(proposed)[0][0] + 1e-9


def test_what_obeys_stays_as_it_is(rule: Rule) -> None:
    melody = tune()
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, REAL)
    assert Melody(found.events) == melody


def test_one_wrong_note_is_all_that_changes(rule: Rule) -> None:
    """A proposal rewrites everything; of it, one note is taken."""
    melody = tune(10)
    proposed = np.where(melody.events < PITCHES, 71, melody.events).astype(np.uint8)[None]
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, proposed)
    assert found.follows
    assert np.flatnonzero(found.events != melody.events).tolist() == [40]


def test_bars_that_are_the_same_stay_the_same(rule: Rule) -> None:
    """The wrong note stands in bars 1, 4, 7, 10 and 13, and is mended alike in all."""
    melody = tune(0, 12, 24, 36, 48)
    pool = np.stack([np.where(melody.events == 66, pitch, melody.events) for pitch in (64, 65, 67)]).astype(np.uint8)
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, pool)
    assert found.follows
    assert bar_classes(found.events) == bar_classes(melody.events)


def test_it_differs_from_the_others(rule: Rule) -> None:
    melody = tune(3)
    pool = in_key(np.stack([melody.transposed(step).events for step in (0, 2, 5, 7)]))
    first = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, pool)
    second = descend(Aim(Change(melody.events), rule.scores, first.events[None]), melody.events, pool)
    assert second.follows
    assert not np.array_equal(first.events, second.events)


def test_it_gets_by_where_nothing_was_proposed(rule: Rule) -> None:
    melody = tune(1, 2, 3)
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, melody.events[None])
    assert found.follows
    assert np.array_equal(found.events < PITCHES, melody.events < PITCHES)
    assert int(np.abs(found.events.astype(int) - melody.events).max()) <= 2


def test_a_pitch_that_is_wrong_everywhere_is_mended_alike_everywhere(rule: Rule) -> None:
    melody = Melody.from_notes((66 if step % 4 == 1 else 60 + step % 5, 4 * step, 4 * step + 4) for step in range(64))
    mended = tune().transposed(0)  # nothing of it fits
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, mended.events[None])
    assert found.follows
    assert len(np.unique(found.events[melody.events == 66])) == 1


def test_rests_and_notes_are_proposals_too() -> None:
    """A rule on how many notes there are takes bars with fewer, and no more of them than it needs."""
    rule = Rule((density(0 + 1, 40),))
    melody = tune()
    sparse = melody.events.copy()
    sparse[np.arange(256) % 16 >= 4] = HOLD
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, sparse[None])
    assert found.follows
    assert 34 <= Melody(found.events).note_count <= 40


def test_without_any_proposal_notes_go_and_come() -> None:
    melody = tune()
    for asked in ((40, 50), (70, 80)):
        rule = Rule((density(*asked),))
        found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, melody.events[None])
        assert found.follows
        assert Melody(found.events).note_count == min(asked, key=lambda count: abs(count - melody.note_count))


def test_an_ending_far_away_is_found() -> None:
    """A rule that says yes or no of the last note, four semitones off, gives no hint where to go."""
    melody, rule = tune(), Rule((tonic(8),))
    found = descend(Aim(Change(melody.events), rule.scores, NONE), melody.events, melody.events[None])
    assert found.follows
    assert np.flatnonzero(found.events != melody.events).tolist() == [252]
