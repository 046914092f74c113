"""Which voices lead: by name, share of notes, and register."""

import numpy as np
import pytest

from melodylc.data.alphabet import HOLD, REST
from melodylc.data.arrays import Events
from melodylc.data.roles import ROLES, roles

BARS = 16


def line(pitch: int, notes: int = 8, bars: int = BARS, silent: int = 0) -> Events:
    """So many equal notes a bar; the first bars are silent."""
    bar = ([pitch] + [HOLD] * (16 // notes - 1)) * notes
    return np.array([REST] * 16 * silent + bar * (bars - silent), np.uint8)


@pytest.mark.parametrize(
    ("voices", "expected"),
    [
        ({"a": line(60)}, ["lead"]),
        ({"a": line(40)}, ["bass"]),
        ({"Bass": line(55)}, ["bass"]),
        ({"Solo": line(40)}, ["lead"]),
        ({"1": line(76), "2": line(69), "3": line(62), "4": line(45)}, ["lead", "inner", "inner", "bass"]),
        ({"4": line(45), "1": line(76)}, ["bass", "lead"]),
        ({"1": line(76), "2": line(67)}, ["lead", "inner"]),  # two high voices have no bass
        ({"Voice": line(64), "Piano (staff 1)": line(79), "Piano (staff 2)": line(43)}, ["lead", "inner", "bass"]),
        ({"Pad": line(84, 1), "Flute": line(72, 16), "Low": line(40, 4)}, ["inner", "lead", "bass"]),
        ({"Cello": line(55), "Contrabass": line(40), "Violin": line(70)}, ["bass", "bass", "lead"]),
        ({"Voice": line(72, silent=15), "Horn": line(60)}, ["inner", "lead"]),  # what hardly sounds doesn't count
    ],
)
def test_roles(voices: dict[str, Events], expected: list[str]) -> None:
    found = roles(list(voices), list(voices.values()))
    assert [ROLES[role] for role in found[:, 0]] == expected


def test_roles_are_of_a_window() -> None:
    first = line(76, bars=40)
    second = np.concatenate((line(64, bars=20), line(84, bars=20)))
    found = roles(["1", "2"], [first, second])
    assert found.shape == (2, 25)
    assert [ROLES[role] for role in found[:, 0]] == ["lead", "inner"]
    assert [ROLES[role] for role in found[:, -1]] == ["inner", "lead"]
