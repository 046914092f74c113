"""Leads lie where leads lie, unless the rule or the range says otherwise."""

import numpy as np
import pytest

import melodylc
from melodylc.constraints.request import Request
from melodylc.data import Melody
from melodylc.data.ranges import LEAD_RANGE
from melodylc.rewards import Rule, density, register
from melodylc.sampling.methods.base import Task
from melodylc.sampling.octaves import move_to_range
from melodylc.service.order import Order

LOW = Melody.from_notes([(40 + step % 5, 16 * step, 16 * step + 8) for step in range(16)])
WIDE = Melody.from_notes([(30, 0, 4), (70, 4, 8)])


def octaves_moved(melody: Melody, rule: Rule | None = None) -> int:
    after = Melody(move_to_range(melody.events[None], rule)[0])
    (shift,) = {int(shift) for shift in after.pitches - melody.pitches}
    return shift


def test_by_octaves_as_a_whole_and_no_farther_than_it_takes() -> None:
    assert octaves_moved(LOW) == 24
    assert octaves_moved(LOW.transposed(24)) == 0
    assert octaves_moved(WIDE) == 24
    assert octaves_moved(LOW, Rule((density(16),))) == 24


def test_a_rule_on_register_takes_its_place() -> None:
    assert octaves_moved(LOW, Rule((register(40, 50),))) == 0


def test_silence_and_many_at_once() -> None:
    events = Melody.stack([Melody.from_notes([]), LOW, LOW.transposed(24)])
    after = move_to_range(events)
    assert (after[0] == events[0]).all()
    assert (after[1] == after[2]).all()


@pytest.mark.parametrize(
    ("task", "moves"),
    [
        ({}, True),
        ({"octaves": False}, False),
        ({"lane": "inner"}, False),
        ({"request": Request.read(pitch_range="alto")}, False),
        ({"request": Request.read(pitch_range="any")}, True),  # what waives it stands in the order
    ],
)
def test_only_leads_of_no_range(task: dict[str, object], moves: bool) -> None:
    assert Task(None, **task).finds_octaves == moves  # type: ignore[arg-type]


def test_what_is_written_differs_by_octaves_alone() -> None:
    usual, anywhere = (melodylc.generate("f# minor", n=8, seed=9, pitch_range=asked) for asked in (None, "any"))
    shifts = [set((a.melody.pitches - b.melody.pitches).tolist()) for a, b in zip(usual, anywhere, strict=True)]
    assert all(len(shift) == 1 and shift <= {-24, -12, 0, 12, 24} for shift in shifts)
    assert any(shift != {0} for shift in shifts)
    pitches = [np.concatenate([one.melody.pitches for one in done]) for done in (usual, anywhere)]
    here, there = (np.mean((some < LEAD_RANGE[0]) | (some > LEAD_RANGE[1])) for some in pitches)
    assert here < there


def test_the_command_says_that_it_is_waived() -> None:
    assert "--range any" in str(Order(Request.read(["c"]), octaves=False).command)
    assert "--range" not in str(Order(Request.read(["c"])).command)
    assert Order(octaves=False).to_dict()["octaves"] is False
    assert "octaves" not in Order().to_dict()
