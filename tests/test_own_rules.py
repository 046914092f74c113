"""The twelve rules of docs/examples: sound on any melody, and each with one that satisfies it."""

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

PATH = Path(__file__).parent.parent / "docs" / "examples" / "own_rules.py"
_spec = importlib.util.spec_from_file_location("own_rules", PATH)
assert _spec is not None
assert _spec.loader is not None
own = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(own)
RULES: dict[str, Reward] = {name: it for name, it in vars(own).items() if isinstance(it, Reward)}


def bars(pitches: Iterable[int]) -> list[tuple[int, int, int]]:
    """A quarter of each pitch at the start of each of sixteen bars."""
    return [(pitch, 16 * bar, 16 * bar + 4) for bar, pitch in enumerate(pitches)]


SATISFYING = {
    "black_keys": bars([61, 63, 66, 68] * 4),
    "whole_tones": bars([61, 63, 65, 67] * 4),
    "one_octave": bars([60, 72, 65, 71] * 4),
    "off_beats": [(60, step, step + 1) for step in range(2, 256, 4)],
    "one_rhythm": bars(range(60, 76)),
    "aaba": [(62 if 128 <= step < 192 else 60, step, step + 1) for step in range(256)],
    "echo": bars(60 + bar // 2 for bar in range(16)),
    "climbs": bars(60 + 3 * (bar // 4) for bar in range(16)),
    "zigzag": bars([60, 64] * 8),
    "comes_to_rest": [*bars(range(62, 77)), (60, 240, 256)],
    "breathes": bars(range(60, 76)),
    "no_steps": bars([60, 64, 60, 67] * 4),
}


def test_there_are_twelve() -> None:
    assert list(RULES) == list(SATISFYING)
    assert len(RULES) == 12


@pytest.mark.parametrize("name", SATISFYING)
def test_one_melody_satisfies_each_and_silence_none(name: str) -> None:
    rule = RULES[name]
    assert rule(Melody.from_notes(SATISFYING[name])) == 1.0
    assert rule(Melody(np.full(256, REST, np.uint8))) == 0.0


@given(st.lists(st.sampled_from([60, 61, 64, 72, 90, HOLD, REST]), min_size=256, max_size=256))
def test_any_melody_has_a_score(events: list[int]) -> None:
    melodies = canonical(np.array([events, [60, *[HOLD] * 255], [60] * 256], np.uint8))[0]
    for name, rule in RULES.items():
        scores = rule.batch(melodies)
        assert ((scores >= 0) & (scores <= 1)).all(), name
        assert scores[0] == pytest.approx(rule(Melody(melodies[0]))), name
