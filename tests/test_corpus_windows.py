"""From scores to windows: golden files legible here, and laws against a plain reference."""

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from corpus_midi import BAR, DIVISION, SIXTEENTH, Note, midi
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc.data.alphabet import HOLD, REST, STEPS, canonical
from melodylc.data.bars import Section, layout
from melodylc.data.scores import Part
from melodylc.data.smf import read_score
from melodylc.data.windows import FILTERS, PRESETS, Filters, melody_line, windows

Events = npt.NDArray[np.uint8]


def lines(content: bytes) -> list[Events]:
    piece = layout(read_score(content))
    long = [section for section in piece.sections if section.bars >= 16]
    return [melody_line(part, section, piece.score.division) for section in long for part in piece.score.parts]


def first_steps(*notes: Note, steps: int = 8) -> list[int]:
    """The first events of a track that has these notes, and one at the end of bar 16."""
    (line,) = lines(midi([*notes, (100, 16 * BAR - SIXTEENTH, 16 * BAR)]))
    assert line[-1] == 100
    return [int(event) for event in line[:steps]]


def test_notes_holds_and_rests() -> None:
    found = first_steps((60, 0, 2 * SIXTEENTH), (62, 2 * SIXTEENTH, 3 * SIXTEENTH), (64, 5 * SIXTEENTH, 7 * SIXTEENTH))
    assert found == [60, HOLD, 62, REST, REST, 64, HOLD, REST]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, SIXTEENTH, [60, REST, REST]),
        (SIXTEENTH // 2 - 1, SIXTEENTH, [60, REST, REST]),
        (SIXTEENTH // 2, 2 * SIXTEENTH, [REST, 60, REST]),  # halves go up
        (0, 5, [60, REST, REST]),  # a sixteenth at least
        (0, SIXTEENTH + SIXTEENTH // 2, [60, HOLD, REST]),
    ],
)
def test_ticks_go_to_the_nearest_sixteenth(start: int, end: int, expected: list[int]) -> None:
    assert first_steps((60, start, end), steps=3) == expected


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        # the highest of a chord
        ([(60, 0, 4), (67, 0, 4), (64, 0, 4)], [67, HOLD, HOLD, HOLD, REST]),
        # a higher note cuts a lower one off, which stays off
        ([(60, 0, 5), (72, 1, 3)], [60, 72, HOLD, REST, REST]),
        # a lower note under a higher one isn't heard, not even when that ends
        ([(72, 0, 2), (60, 1, 5)], [72, HOLD, REST, REST, REST]),
        ([(72, 0, 2), (60, 2, 4)], [72, HOLD, 60, HOLD, REST]),
    ],
    ids=["chord", "cut", "hidden", "after"],
)
def test_one_voice_a_track(notes: list[Note], expected: list[int]) -> None:
    ticks = [(pitch, start * SIXTEENTH, end * SIXTEENTH) for pitch, start, end in notes]
    assert first_steps(*ticks, steps=5) == expected


def test_equal_pitches_that_overlap_begin_again() -> None:
    # MIDI itself can't say this on one channel, so no file: the note-off would end both.
    starts, ends = (np.array(column, np.int64) * SIXTEENTH for column in ([0, 2], [6, 4]))
    part = Part(0, starts, ends, np.array([60, 60]))
    line = melody_line(part, Section(0, 16, 0), DIVISION)
    assert line[:7].tolist() == [60, HOLD, 60, HOLD, REST, REST, REST]


def test_a_note_held_over_the_start_is_a_rest() -> None:
    content = midi([(60, 0, BAR + 2 * SIXTEENTH), (62, BAR + 2 * SIXTEENTH, 17 * BAR)])
    (line,) = lines(content)
    first, second = windows(line)
    assert first[:16].tolist() == [60] + [HOLD] * 15
    assert second[:4].tolist() == [REST, REST, 62, HOLD]
    late = midi([(60, 0, 4 * BAR)], signatures=[(0, 3, 4), (3 * DIVISION, 4, 4)])
    assert lines(late) == []
    held = midi([(60, 0, 4 * BAR), (62, 18 * BAR, 19 * BAR)], signatures=[(0, 3, 4), (3 * DIVISION, 4, 4)])
    assert (lines(held)[0][: 3 * 16] == REST).all()


def test_drums_are_left_out() -> None:
    assert lines(midi([(60, 0, 16 * BAR)], channel=9)) == []


# -- laws --------------------------------------------------------------------------------------

EVENTS = st.sampled_from([REST, REST, HOLD, HOLD, HOLD, 60, 60, 61, 62, 64, 0, 127])


@st.composite
def made_lines(draw: st.DrawFn) -> Events:
    """Canonical lines of 16 to 20 bars, half of their bars equal."""
    bars = draw(st.integers(16, 20))
    pool = [draw(st.lists(EVENTS, min_size=16, max_size=16)) for _ in range(draw(st.integers(1, 8)))]
    events = np.array(list(itertools.chain(*(draw(st.sampled_from(pool)) for _ in range(bars)))), np.uint8)
    last = np.maximum.accumulate(np.where(events != HOLD, np.arange(len(events)), 0))
    return np.where((events == HOLD) & (events[last] >= HOLD), np.uint8(REST), events)


@settings(max_examples=40)
@given(made_lines())
def test_windows_are_what_canonical_makes_of_every_bar(line: Events) -> None:
    plain = np.stack([line[start : start + STEPS] for start in range(0, len(line) - STEPS + 1, 16)])
    assert np.array_equal(windows(line), canonical(plain)[0])


def plainly_failed(melody: list[int], filters: Filters) -> int:
    """Each filter in words, one window at a time."""
    rests = [len(list(run)) for resting, run in itertools.groupby(melody, lambda event: event == REST) if resting]
    pitches = [event for event in melody if event < HOLD]
    broken = [
        sum(event != REST for event in melody) / STEPS < filters.sounding,
        max(rests, default=0) > filters.rest,
        len(pitches) < filters.notes,
        len(set(pitches)) < filters.pitches,
        len({tuple(melody[i : i + 16]) for i in range(0, STEPS, 16)}) < filters.bars,
    ]
    return broken.index(True) if any(broken) else -1


@settings(max_examples=60)
@given(
    made_lines(),
    st.builds(
        Filters,
        sounding=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
        rest=st.sampled_from([0, 1, 2, 5, 16, 256]),
        notes=st.sampled_from([0, 16, 60]),
        pitches=st.integers(0, 6),
        bars=st.integers(0, 5),
    ),
)
def test_filters_do_what_they_say(line: Events, filters: Filters) -> None:
    failed, kept = filters.select(line)
    expected = [plainly_failed(window.tolist(), filters) for window in windows(line)]
    assert failed.tolist() == expected
    assert np.array_equal(kept, windows(line)[failed < 0])


def test_presets() -> None:
    assert len(FILTERS) == 5
    assert PRESETS["magenta"] == Filters(0.3, 16, 16, 5, 4)
    assert PRESETS["reference-strict"] == Filters(0.3, 16, 16, 5, 4, "every-bar")
    only_sounding = PRESETS["reference"]
    line = np.full(STEPS, HOLD, np.uint8)
    line[0] = 60
    assert only_sounding.select(line)[0].tolist() == [-1]
    line[76:] = REST
    assert only_sounding.select(line)[0].tolist() == [0]
