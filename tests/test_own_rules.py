"""The rules of docs/examples: sound on any melody, each with one that satisfies it and one that nearly does."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from melodylc.data import Melody
from melodylc.data.alphabet import HOLD, REST, canonical
from melodylc.rewards.base import Reward

Notes = list[tuple[int, int, int]]


def rules_of(file: str) -> dict[str, Reward]:
    """The rules that an example defines, by name, in its order."""
    path = Path(__file__).parent.parent / "docs" / "examples" / f"{file}.py"
    spec = importlib.util.spec_from_file_location(file, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: it for name, it in vars(module).items() if isinstance(it, Reward)}


def bars(pitches: Iterable[int], every: int = 16, start: int = 0) -> Notes:
    """A quarter of each pitch in turn, the first at step `start`, then one `every` so many steps: once a bar."""
    return [(pitch, start + every * at, start + every * at + 4) for at, pitch in enumerate(pitches)]


def aaba(end: int) -> Notes:
    """Sixteenths all through, higher from bar 9 to step `end`."""
    return [(62 if 128 <= step < end else 60, step, step + 1) for step in range(256)]


def phrases(*notes: tuple[int, int, int], up: int = 0, every: int = 64, last: Notes | None = None) -> Notes:
    """The same notes again `every` so many steps, each time `up` higher; `last` stands in place of the last time."""
    times = 128 // every if up else 256 // every
    parts = [list(notes)] * (times - 1) + [list(notes) if last is None else last]
    return [(p + up * at, s + every * at, e + every * at) for at, part in enumerate(parts) for p, s, e in part]


CALL, UNIT = [(67, 0, 8), (62, 8, 16), (67, 32, 40)], [(60 + i, 5 * i, 5 * i + 5) for i in range(6)]
CLAVE = [(60, at, at + 1) for at in (0, 3, 6, 8, 12)]
UP, DOWN = [57, 59, 60, 62, 64, 66, 68, 69], [69, 67, 65, 64, 62, 60, 59, 57]
THEME = [60, 62, 64, 65, 67, 69, 71, 72]

# By file and rule: a melody that satisfies the rule, one that misses it nearly, and what that one scores.
EXAMPLES: dict[str, dict[str, tuple[Notes, Notes, float]]] = {
    "own_rules": {
        "black_keys": (bars([61, 63, 66, 68] * 4), bars([61, 63, 66, 67] * 4), 3 / 4),
        "whole_tones": (bars([61, 63, 65, 67] * 4), bars([61, 63, 65, 66] * 4), 3 / 4),
        "one_octave": (bars([60, 72, 65, 71] * 4), bars([60, 72, 65, 73] * 4), 3 / 4),
        "off_beats": (
            [(60, step, step + 1) for step in range(2, 256, 4)],
            [(60, step, step + 1) for step in range(2, 128, 4)],
            1 / 2,
        ),
        "one_rhythm": (bars(range(60, 76)), bars(range(60, 75)), 14 / 15),
        "aaba": (aaba(192), aaba(144), 1 / 2),
        "echo": (bars(60 + bar // 2 for bar in range(16)), bars([60] * 15 + [62]), 127 / 128),
        "climbs": (bars(60 + 3 * (bar // 4) for bar in range(16)), bars([60] * 16), 12 / 15),
        "zigzag": (bars([60, 64] * 8), bars([60, 64] * 7 + [60, 60]), 13 / 14),
        "comes_to_rest": (
            [*bars(range(62, 77)), (60, 240, 256)],
            [*bars(range(62, 77)), (60, 240, 248)],
            5 / 6,
        ),
        "breathes": (bars(range(60, 76)), [*bars(range(60, 75)), (75, 240, 256)], 3 / 4),
        "no_steps": (bars([60, 64, 60, 67] * 4), bars([60, 64, 60, 62] * 4), 8 / 15),
    },
    "unseen_rules": {
        "over_chords": (bars([60, 57, 65, 67] * 4), bars([60, 57, 65, 67] * 3 + [60, 57, 65, 66]), 15 / 16),
        # An F# on the way down is wrong itself, and one F too few.
        "melodic_minor": (
            bars((UP + DOWN) * 2, every=8),
            bars([*UP, *DOWN, *UP, *DOWN[:2], 66, *DOWN[3:]], every=8),
            31 / 32 * 7 / 8,
        ),
        # Longest means longer than any other: a second note as long does not count.
        "long_on_one": (
            [it for at in range(0, 256, 16) for it in ((60, at, at + 8), (62, at + 8, at + 12))],
            bars([60] * 32, every=8),
            1 / 2,
        ),
        "dotted_march": (
            [it for at in range(0, 256, 8) for it in ((60, at, at + 3), (62, at + 3, at + 4))],
            bars([60] * 32, every=8),
            3 / 4,
        ),
        "motif_returns": (
            bars(pitch + up for up in (0, 3, -2, 5) for pitch in THEME[:4]),
            bars(THEME[:4] * 3 + [60, 62, 64, 67]),
            17 / 18,
        ),
        "variation": (
            [*bars(THEME), *bars([it for pitch in THEME for it in (pitch, 60)], every=8, start=128)],
            bars(THEME * 2),
            2 / 3,
        ),
        "one_peak": (bars([69] * 10 + [72] + [60] * 5), bars([70] + [60] * 9 + [72] + [60] * 5), 1 / 2),
        "leaps_come_back": (bars([60, 65, 64, 62] * 8, every=8), bars([60, 65, 62, 61] * 8, every=8), 1 / 2),
        "half_and_full": (
            bars([64, 64, 64, 67, 64, 64, 64, 60] * 2),
            bars([64, 64, 64, 67, 64, 64, 64, 60, 64, 64, 64, 67, 64, 64, 64, 62]),
            11 / 12,
        ),
        "loops": ([*bars([60] * 15), (62, 254, 256)], [*bars([60] * 15), (60, 254, 256)], 1 / 2),
        "no_downbeats": (bars(range(60, 76), start=2), [(60, 0, 4), *bars(range(61, 76), start=18)], 15 / 16),
        "not_again_so_soon": (bars(range(60, 76)), bars([60, 62, 60, *range(61, 74)]), 15 / 16),
    },
    "hard_rules": {
        "over_progression": (
            [(pitch, 16 * bar, 16 * bar + 16) for bar, pitch in enumerate([60, 57, 65, 67] * 4)],
            [(pitch, 16 * bar, 16 * bar + 16) for bar, pitch in enumerate([60, 57, 65, 67] * 3 + [60, 57, 65, 66])],
            30 / 32,
        ),
        "sung_as_a_round": ([(60, 0, 256)], [(60, 0, 252)], 47 / 48),
        "exact_repeat": (
            phrases((60, 0, 32), (64, 32, 64)),
            phrases((60, 0, 32), (64, 32, 64), last=[(60, 0, 32), (65, 32, 64)]),
            191 / 192,
        ),
        "sequence": (
            phrases(*UNIT, up=2, every=32),
            phrases(*UNIT, up=2, every=32, last=[(pitch - 2, start, end) for pitch, start, end in UNIT]),
            90 / 96,
        ),
        "palindrome": (
            [(60, 0, 16), (64, 100, 156), (60, 240, 256)],
            [(60, 0, 16), (64, 100, 156), (62, 240, 256)],
            1 / 3,
        ),
        "call_and_response": (
            phrases(*CALL, (60, 40, 48)),
            phrases(*CALL, (60, 40, 48), last=[*CALL, (62, 40, 48)]),
            11 / 12,
        ),
        "rhythm_in_each_bar": (
            phrases(*CLAVE, every=16),
            phrases(*CLAVE, every=16, last=CLAVE[:4]),
            (15 + 8 / 9) / 16,
        ),
        "counts_up": (
            [(60, 16 * bar + at, 16 * bar + at + 1) for bar in range(16) for at in range(bar + 1)],
            [(60, 16 * bar + at, 16 * bar + at + 1) for bar in range(16) for at in range(min(bar + 1, 15))],
            (15 + 15 / 16) / 16,
        ),
        "exactly": ([(60, 2 * i, 2 * i + 1) for i in range(100)], [(60, 2 * i, 2 * i + 1) for i in range(99)], 0.99),
        "motif": (bars([70, 69, 60, 71] * 4), bars([70, 69, 60, 71, 70, 69, 60, 72]), 7 / 8),
        "row": (bars(range(60, 72)), bars([*range(60, 71), 60]), 0),  # yes or no
        "in_good_order": (bars(range(60, 76)), bars([60, 65, 62, 67] * 4), 8.226642e-4),
        "mostly_in_key": (bars([69] * 19 + [70], every=12), bars([69] * 18 + [70] * 2, every=12), 18 / 19),
        "three_at_once": (
            [(60 + min(bar, 15 - bar), 16 * bar, 16 * bar + 8) for bar in range(16)],
            [(60 + min(bar, 15 - bar), 16 * bar, 16 * bar + (16 if bar == 15 else 8)) for bar in range(16)],
            15 / 16,
        ),
    },
}
RULES = {file: rules_of(file) for file in EXAMPLES}
CASES = [(file, name) for file, examples in EXAMPLES.items() for name in examples]


@pytest.mark.parametrize("file", EXAMPLES)
def test_there_are_twelve(file: str) -> None:
    assert list(RULES[file]) == list(EXAMPLES[file])
    assert len(RULES[file]) >= 12
    assert all(len(rule.sentence) > 20 for rule in RULES[file].values())


@pytest.mark.parametrize(("file", "name"), CASES)
def test_one_melody_satisfies_each_one_misses_it_nearly_and_silence_wholly(file: str, name: str) -> None:
    rule = RULES[file][name]
    satisfying, near_miss, score = EXAMPLES[file][name]
    assert rule(Melody.from_notes(satisfying)) == 1.0
    assert 0 < score < 1 or name == "row"
    assert rule(Melody.from_notes(near_miss)) == pytest.approx(score)
    assert rule(Melody(np.full(256, REST, np.uint8))) == 0.0


@pytest.mark.parametrize("file", EXAMPLES)
@given(events=st.lists(st.sampled_from([60, 61, 64, 72, 90, HOLD, REST]), min_size=256, max_size=256))
def test_any_melody_has_a_score(file: str, events: list[int]) -> None:
    leap = [60, 72, *[HOLD] * 254]
    melodies = canonical(np.array([events, [60, *[HOLD] * 255], leap, [60] * 256], np.uint8))[0]
    for name, rule in RULES[file].items():
        scores = rule.batch(melodies)
        assert ((scores >= 0) & (scores <= 1)).all(), name
        assert scores[0] == pytest.approx(rule(Melody(melodies[0]))), name
