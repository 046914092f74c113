"""Where bars are: meters that change, upbeats, short bars at ends and repeats, two bars of 2/4."""

import numpy as np
import pytest
from corpus_midi import BAR, DIVISION

from melodylc.data.bars import Layout, Section, counted_in_four, layout
from melodylc.data.scores import Part, Score

Q = DIVISION
E = DIVISION // 2


def score(*signatures: tuple[int, int, int], end: float, notes: list[tuple[int, int]] | None = None) -> Score:
    """A score that ends at a tick, with notes (start, end) of one part."""
    rows = np.array(notes or [(0, int(end))], np.int64)
    part = Part(0, rows[:, 0], rows[:, 1], np.full(len(rows), 60), length=int(end))
    return Score(DIVISION, int(end), signatures, (part,), length=int(end))


def in_order(*bars: tuple[int, int, int], notes: list[tuple[int, int]] | None = None) -> Score:
    """A score of bars (numerator, denominator, how many), one after another."""
    signatures, tick = [], 0
    for over, under, count in bars:
        signatures.append((tick, over, under))
        tick += count * 4 * DIVISION * over // under
    return score(*signatures, end=tick, notes=notes)


def places(piece: Layout) -> list[tuple[int, int, int, int]]:
    """Start, bars, bars before and upbeat of each section."""
    return [(one.start, one.bars, one.first, one.upbeat) for one in piece.sections]


@pytest.mark.parametrize(
    ("piece", "expected"),
    [
        (score((0, 4, 4), end=16 * BAR), [(0, 16, 0, 0)]),
        (score((0, 2, 2), end=16 * BAR), [(0, 16, 0, 0)]),
        (score((0, 4, 4), end=15.1 * BAR), [(0, 16, 0, 0)]),  # the music ends in bar 16
        (score(end=17 * BAR), [(0, 17, 0, 0)]),  # no signature is 4/4
        (score((0, 4, 4), end=0.1 * BAR), [(0, 1, 0, 0)]),  # less than one bar
        (score((0, 1, 4), (Q, 4, 4), end=1.1 * BAR), [(Q, 1, 0, Q)]),
        (score((0, 8, 8), end=17 * BAR), []),
        (score((0, 3, 4), end=32 * BAR), []),
        # a change starts anew, and doesn't count the bar that it cuts short
        (in_order((4, 4, 16), (3, 4, 8)), [(0, 16, 0, 0)]),
        (score((0, 4, 4), (int(16.5 * BAR), 3, 4), end=20 * BAR), [(0, 16, 0, 0)]),
        (in_order((3, 4, 5), (4, 4, 17)), [(5 * 3 * Q, 17, 5, 0)]),
        # the same bar again, at a bar line: one section
        (score((0, 4, 4), (8 * BAR, 2, 2), end=16 * BAR), [(0, 16, 0, 0)]),
        # a signature ten ticks late moves no bar line for good
        (score((0, 4, 4), (8 * BAR + 10, 4, 4), end=25 * BAR), [(0, 25, 0, 0)]),
        # of two at one tick the later holds
        (score((0, 3, 4), (0, 4, 4), end=16 * BAR), [(0, 16, 0, 0)]),
        # nonsense is no bar
        (score((0, 0, 4), end=20 * BAR), []),
        (score((0, 4, 0), end=20 * BAR), []),
        (score((0, 0, 4), (4 * BAR, 4, 4), end=20 * BAR), [(4 * BAR, 16, 1, 0)]),
    ],
)
def test_meters(piece: Score, expected: list[tuple[int, int, int, int]]) -> None:
    assert places(layout(piece)) == expected


@pytest.mark.parametrize(("past", "bars"), [(0, 4), (1, 4), (59, 4), (60, 5), (-1, 4), (-59, 4)])
def test_the_end_is_rounded_before_bars_are_counted(past: int, bars: int) -> None:
    (section,) = layout(score((0, 4, 4), end=4 * BAR + past)).sections
    assert section.bars == bars


@pytest.mark.parametrize(
    ("over", "under", "ticks"), [(1, 8, E), (1, 4, Q), (3, 8, 3 * E), (2, 4, 2 * Q), (3, 4, 3 * Q)]
)
def test_an_upbeat_is_no_bar(over: int, under: int, ticks: int) -> None:
    piece = in_order((over, under, 1), (4, 4, 16))
    assert places(layout(piece)) == [(ticks, 16, 0, ticks)]
    assert layout(piece).meter == (4, 4)


@pytest.mark.parametrize("upbeat", [1, 2, 3, 4, 6])
def test_the_last_bar_that_the_upbeat_completes_is_one(upbeat: int) -> None:
    piece = in_order((upbeat, 8, 1), (4, 4, 15), (8 - upbeat, 8, 1))
    assert places(layout(piece)) == [(upbeat * E, 16, 0, upbeat * E)]


@pytest.mark.parametrize("upbeat", [1, 2, 3, 4, 6])
def test_a_short_bar_and_an_upbeat_are_one_at_repeats(upbeat: int) -> None:
    again = ((upbeat, 8, 1), (4, 4, 7), (8 - upbeat, 8, 1))
    piece = layout(in_order(*again * 4))
    (section,) = piece.sections
    assert (section.start, section.bars, section.first) == (upbeat * E, 32, 0)
    assert section.repeats == (8, 16, 24)
    assert piece.remarks == ()


def test_a_section_within_a_piece_has_its_own_upbeat_and_end() -> None:
    piece = in_order((3, 4, 8), (1, 4, 1), (4, 4, 7), (3, 4, 1), (3, 4, 8))
    # The section's short last bar and the waltz after it are of one signature, so nobody can tell: it isn't counted.
    assert places(layout(piece)) == [(25 * Q, 7, 8, Q)]
    piece = in_order((6, 8, 8), (1, 4, 1), (4, 4, 7), (3, 4, 1), (6, 8, 8))
    assert places(layout(piece)) == [(25 * Q, 8, 8, Q)]


@pytest.mark.parametrize(
    ("lone", "shift", "remark"),
    [
        # a short end without an upbeat: rest after it
        ((7, 8), E, "1 short bar filled up with rest"),
        ((5, 8), 3 * E, "1 short bar filled up with rest"),
        # an upbeat without a short end: into the end of the bar before, which is free there
        ((1, 8), -E, "1 upbeat put into the end of the bar before"),
        ((1, 4), -Q, "1 upbeat put into the end of the bar before"),
        # written as one with the bar before
        ((9, 8), -E, "1 upbeat put into the end of the bar before"),
    ],
)
def test_a_lone_short_bar_does_not_split_a_piece(lone: tuple[int, int], shift: int, remark: str) -> None:
    after = 8 * BAR + lone[0] * 4 * DIVISION // lone[1]
    notes = [
        (0, 2 * Q),
        (8 * BAR - 2 * Q, 8 * BAR),
        (after - E, after),
        (after, after + BAR),
        (after + 7 * BAR, after + 8 * BAR),
    ]
    piece = layout(in_order((4, 4, 8), (*lone, 1), (4, 4, 8), notes=notes))
    (section,) = piece.sections
    assert (section.start, section.bars % 8) == (0, 0 if shift < 0 and lone[0] < 8 else 1)
    assert piece.remarks == (remark,)
    (part,) = piece.score.parts
    assert part.starts.tolist()[3:] == [after + shift, after + shift + 7 * BAR]
    assert (part.starts[3] % BAR, part.ends.tolist()[-1]) == (0, after + shift + 8 * BAR)
    assert (part.ends > part.starts).all()
    assert section.repeats == ((after + shift) // BAR,)


def test_an_upbeat_waits_where_something_begins_before_it() -> None:
    notes = [(step * E, (step + 1) * E) for step in range(2 * 64 + 1)]
    piece = layout(in_order((4, 4, 8), (1, 8, 1), (4, 4, 8), notes=notes))
    assert piece.remarks == ("1 short bar filled up with rest",)
    (section,), (part,) = piece.sections, piece.score.parts
    assert section.bars == 17
    assert part.starts.tolist()[63:66] == [63 * E, 9 * BAR - E, 9 * BAR]


@pytest.mark.parametrize("lone", [(2, 4, 1), (3, 4, 1), (5, 4, 1), (6, 4, 1), (3, 4, 2), (6, 8, 4)])
def test_a_change_of_meter_is_one(lone: tuple[int, int, int]) -> None:
    piece = layout(in_order((4, 4, 16), lone, (4, 4, 16)))
    assert [section.bars for section in piece.sections] == [16, 16]
    assert (piece.remarks, piece.meter) == ((), (4, 4))


def test_two_bars_of_two_quarters_count_as_one() -> None:
    piece = layout(in_order((2, 4, 32)))
    assert (places(piece), piece.paired, piece.meter) == ([(0, 16, 0, 0)], True, (2, 4))
    assert places(layout(in_order((2, 4, 31)))) == [(0, 16, 0, 0)]  # the last is half a bar
    reel = ((1, 8, 1), (2, 4, 15), (3, 8, 1))
    (section,) = layout(in_order(*reel, *reel)).sections
    assert section == Section(E, 16, 0, E, (8,))
    mixed = layout(in_order((2, 4, 32), (3, 4, 4)))
    assert (mixed.sections, mixed.paired, mixed.meter) == ((), False, (2, 4))


def test_any_meter_can_be_counted_in_four_from_its_first_full_bar() -> None:
    assert places(counted_in_four(in_order((3, 4, 16)))) == [(0, 12, 0, 0)]
    assert places(counted_in_four(in_order((1, 4, 1), (3, 4, 16)))) == [(Q, 12, 0, Q)]
    assert places(counted_in_four(in_order((1, 4, 1), (4, 4, 16)))) == [(Q, 16, 0, Q)]
    assert places(counted_in_four(in_order((2, 4, 8), (3, 4, 8)))) == [(0, 10, 0, 0)]
    assert places(counted_in_four(score((0, 0, 4), end=4 * BAR))) == [(0, 4, 0, 0)]
