"""Ranges of pitch as people type them, and requests that ask for one."""

import pytest

from melodylc.constraints.request import Request
from melodylc.data import Melody
from melodylc.data.errors import InputError
from melodylc.data.ranges import NAMES, parse_pitch, parse_range, range_name
from melodylc.data.writing import Writing
from melodylc.service.api import make_request
from melodylc.service.order import Order


@pytest.mark.parametrize("pitches", [(0, 127), (60, 81), (21, 22), (127, 127), *NAMES.values()])
def test_a_range_is_read_as_it_is_written(pitches: tuple[int, int]) -> None:
    assert parse_range(range_name(pitches)) == pitches == parse_range("{}..{}".format(*pitches))


@pytest.mark.parametrize(
    ("text", "middle_c", "pitch"),
    [("C4", "C4", 60), ("C3", "C3", 60), ("h3", "C4", 59), ("Bb-1", "C4", 10), ("c-2", "C3", 0), ("G♯8", "C4", 116)],
)
def test_notes(text: str, middle_c: str, pitch: int) -> None:
    assert parse_pitch(text, middle_c) == pitch  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_range_that_a_tune_fits(name: str) -> None:
    lowest, highest = parse_range(name.upper())
    assert 0 <= lowest < lowest + 20 < highest <= 127


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("flut", "nearest: flute"),
        ("bass gitar", "nearest: bass guitar"),
        ("C4..", "a note has a name and an octave"),
        ("C4..Z5", "not 'Z5'"),
        ("A5..C4", "swap the two"),
        ("C4..G10", "MIDI has the notes 0 to 127"),
        ("", "no range is called ''"),
        ("x" * 1000, "no range is called"),
    ],
)
def test_what_is_no_range_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_range(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_request_with_a_range_is_a_rule_words_and_a_folder() -> None:
    request = Request.read(scale=["g"], pitch_range="alto")
    assert request.rule is not None
    assert request.rule.identity == (
        "pitch_classes(0,2,4,6,7,9,11) & register(lowest=53, highest=77) & variety(7 pitches, 9 bars)"
    )
    assert request.words == ["--scale", "gmaj", "--range", "F3..F5"]
    assert request.slugs == ["gmaj", "f3-f5"]
    assert Request.read(**request.to_dict()) == request
    assert "pitch_range" not in Request.read(scale=["g"]).to_dict(), "what was learnt before is read still"


def test_any_range_is_none_and_python_takes_numbers_too() -> None:
    assert make_request("g", pitch_range="any") == make_request("g")
    assert make_request("g", pitch_range=(60, 81)) == make_request("g", pitch_range="C4..A5")


def test_variety_asks_for_no_more_pitches_than_there_are() -> None:
    rule = Request.read(scale=["c"], pitch_range="c4..g4").rule
    assert rule is not None
    assert rule.parts[-1].name == "variety(5 pitches, 9 bars)"
    steps = Melody.from_notes((60 + (0, 2, 4, 5, 7)[i % 5], 16 * i, 16 * i + 1 + i) for i in range(16))
    assert all(score == 1 for score in rule(steps))


@pytest.mark.parametrize(
    ("scale", "text", "message"),
    [
        (["c"], "c4..d4", "C4..D4 holds 2 pitches of C major"),
        (["c", "gb"], "c4..c5", "pitches of C major and Gb major"),
        ([], "c4..c4", "C4..C4 holds 1 pitches: a range has 3 at least"),
    ],
)
def test_a_range_without_three_notes_is_refused(scale: list[str], text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Request.read(scale=scale, pitch_range=text)


def test_a_range_and_a_transposition_exclude_each_other() -> None:
    with pytest.raises(InputError, match="would move the melodies out of --range"):
        Order(request=Request.read(pitch_range="alto"), writing=Writing(transpose=2))
