"""Arranging: every way makes canonical melodies of any, and a search finds what a rule asks for."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melodylc.data.alphabet import HOLD, REST, canonical
from melodylc.data.errors import InputError
from melodylc.edits.operators import OPERATORS, EditStep, apply_edits, describe_edits, edit_steps, parse_edits
from melodylc.edits.search import EditSearch
from melodylc.rewards import Rule, form, pitch_classes
from melodylc.rewards.panel import real_melodies

Events = npt.NDArray[np.uint8]
REAL = canonical(real_melodies()[:16])[0]
ALL: tuple[EditStep, ...] = (*edit_steps(), ("snap", 0, 3, 6, 9), ("snap", 5))
EMPTY = np.full((1, 256), REST, np.uint8)


def notes(pitches: dict[int, int]) -> Events:
    """A melody of quarters at some edit_steps."""
    events = EMPTY.copy()
    for at, pitch in pitches.items():
        events[0, at : at + 4] = pitch, HOLD, HOLD, HOLD
    return events


@pytest.mark.parametrize("step", ALL, ids=lambda step: describe_edits((step,)))
def test_a_way_makes_canonical_melodies_of_any(step: EditStep) -> None:
    edges = np.concatenate((EMPTY, np.full((1, 256), 0, np.uint8), np.full((1, 256), 127, np.uint8), REAL))
    before = edges.copy()
    after = apply_edits(edges, (step,))
    assert np.array_equal(edges, before)
    assert after.shape == edges.shape
    assert after.dtype == np.uint8
    assert np.array_equal(canonical(after)[0], after)
    assert np.array_equal(after[4:], apply_edits(edges[4:], (step,)))  # each by itself
    if step[0] != "close":
        assert np.array_equal(after[0], EMPTY[0])


@given(st.sampled_from([step for step in ALL if step[0] in ("sequence", "alternate", "fold", "snap")]))
def test_pitches_change_and_rhythm_doesn_t(step: EditStep) -> None:
    after = apply_edits(REAL, (step,))
    assert np.array_equal(np.where(after < HOLD, 0, after), np.where(REAL < HOLD, 0, REAL))


def test_each_way_does_what_it_says() -> None:
    tune = notes({0: 60, 4: 62, 64: 64, 128: 65, 192: 67})
    assert np.flatnonzero(apply_edits(tune, (("delay", 3),))[0] < HOLD).tolist() == [3, 7, 67, 131, 195]
    assert np.flatnonzero(apply_edits(tune, (("thin", 8, 0),))[0] < HOLD).tolist() == [0, 64, 128, 192]
    assert (apply_edits(tune, (("divide", 2, 0),))[0] < HOLD).sum() == 10
    for neighbour, pitches in ((0, [60, 60, 60, 60]), (1, [60, 62, 60, 62]), (-1, [60, 62, 60, 62])):
        assert apply_edits(tune, (("divide", 1, neighbour),))[0, :4].tolist() == pitches
    assert apply_edits(tune, (("divide", 1, -1),))[0, 4:8].tolist() == [62, 60, 62, 60]
    assert (
        apply_edits(tune, (("silence", 0, 4),))[0] == apply_edits(tune, ())[0]
    ).all()  # nothing in bars 4, 8, 12, 16
    assert np.flatnonzero(apply_edits(tune, (("silence", 0, 1),))[0] < HOLD).tolist() == [4]
    assert np.flatnonzero(apply_edits(tune, (("isorhythm",),))[0] < HOLD).tolist() == sorted(
        bar + at for bar in range(0, 256, 16) for at in (0, 4)
    )
    pitched = {
        ("sequence", 4): [54, 56, 62, 67, 73],
        ("alternate", 12): [60, 74, 64, 77, 67],
        ("fold", 62, 1): [72, 62, 64, 65, 67],
        ("fold", 40, 2): [60, 62, 64, 53, 55],
        ("snap", 0, 1): [60, 61, 61, 61, 72],
    }
    for step, expected in pitched.items():
        after = apply_edits(tune, (step,))
        assert after[after < HOLD].tolist() == expected
    for on, pitch in enumerate((67, 60, 60)):
        assert apply_edits(tune, (("close", on),))[0, 240:].tolist() == [pitch, *[HOLD] * 15]
    doubled = apply_edits(REAL, (("form", *(bar - bar % 2 for bar in range(16))),)).reshape(-1, 8, 2, 16)
    struck = np.where(doubled < HOLD, doubled, 0)  # a hold may have become a rest
    assert np.array_equal(struck[:, :, 0], struck[:, :, 1])
    assert np.array_equal(struck[:, :, 0], np.where(REAL < HOLD, REAL, 0).reshape(-1, 8, 2, 16)[:, :, 0])


def test_an_arrangement_is_read_back_from_plain_values() -> None:
    edits = (("form", *range(16)), ("snap", 0, 4, 7), ("isorhythm",))
    assert parse_edits([list(step) for step in edits]) == edits
    assert describe_edits(edits[1:]) == "snap 0 4 7, isorhythm"


@pytest.mark.parametrize(
    "values",
    [[["turn", 1]], [["snap"]], [["form", 1, 2]], [["form", *range(1, 17)]], [["thin", 0, 0]], [["delay", "x"]], [[]]],
    ids=str,
)
def test_what_is_no_edit_sequence_is_refused(values: list[list[object]]) -> None:
    with pytest.raises(InputError, match="no sequence of edits"):
        parse_edits(values)


# -- the search --------------------------------------------------------------------------------


def exact(events: Events) -> Events:
    return events


def test_the_notes_of_a_scale_are_found() -> None:
    pentatonic = (1, 3, 6, 8, 10)
    ((name, *classes),) = EditSearch(Rule((pitch_classes(pentatonic),)), exact).run(REAL)
    assert (name, set(classes)) == ("snap", set(pentatonic))


def test_a_form_is_found() -> None:
    rule = Rule((form("AABA", contrast=0.3),))
    found = EditSearch(rule, exact).run(REAL)
    assert rule.satisfied(apply_edits(REAL, found)).mean() > rule.satisfied(REAL).mean() + 0.5


def test_nothing_is_done_where_nothing_helps_or_nothing_is_missing() -> None:
    everything = Rule((pitch_classes(range(12)),))
    assert EditSearch(everything, exact).run(REAL) == ()
    assert EditSearch(Rule((pitch_classes([0, 4, 7]),)), lambda events: REAL[: len(events)]).run(REAL) == ()


def test_what_mending_can_do_isn_t_done_to_all() -> None:
    pentatonic = (1, 3, 6, 8, 10)
    for every, found in ((8, False), (1, True)):
        begun = apply_edits(REAL, (("snap", *pentatonic),))
        begun[::every] = REAL[::every]
        assert bool(EditSearch(Rule((pitch_classes(pentatonic),)), exact).run(begun)) == found


def test_what_a_model_can_t_say_isn_t_taken() -> None:
    rule = Rule((pitch_classes([0, 4, 7]),))
    silent = EditSearch(rule, lambda events: np.full_like(events, REST))
    assert silent.run(REAL) == ()


def test_every_way_has_an_extent_that_is_tried() -> None:
    assert {str(step[0]) for step in edit_steps()} | {"snap"} == set(OPERATORS)
