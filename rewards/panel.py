"""The melodies that `melodylc rewards test` tries a rule on: odd ones that rules stumble over, and real ones.

The real ones are 64 windows of 16 bars from held-out works of two collections under CC0, OpenScore Lieder and OpenScore
String Quartets. `panel.npz` holds them with the source of each; `make panel` makes it.
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, STEPS
from melodylc.data.melody import Melody

FILE = "panel.npz"


def odd_melodies() -> dict[str, Melody]:
    """Melodies at the edge of what is possible, by name.

    >>> odd_melodies()["256 notes"].note_count
    256
    """
    notes = {
        "empty (all rests)": [],
        "one note": [(60, 0, 4)],
        "one note, all sixteen bars": [(60, 0, STEPS)],
        "one note, the last sixteenth": [(60, STEPS - 1, STEPS)],
        "two notes an eleventh apart": [(48, 0, 4), (65, 128, 132)],
        "256 notes": [(60 + step % 12, step, step + 1) for step in range(STEPS)],
        "256 times one note": [(60, step, step + 1) for step in range(STEPS)],
        "lowest and highest pitch in turn": [(127 * (step % 2), step, step + 1) for step in range(STEPS)],
        "one bar sixteen times": [
            (60 + step, 16 * bar + 4 * step, 16 * bar + 4 * step + 4) for bar in range(BARS) for step in range(4)
        ],
    }
    return {name: Melody.from_notes(rows) for name, rows in notes.items()}


def real_melodies() -> npt.NDArray[np.uint8]:
    """64 melodies that people wrote, shape (64, 256), uint8."""
    return _panel()[0].copy()


def sources() -> list[dict[str, Any]]:
    """For each real melody: its collection, file, track and bar, counted from 0."""
    rows: list[dict[str, Any]] = _panel()[1]["melodies"]
    return rows


@cache
def _panel() -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
    with (files("melodylc.rewards") / FILE).open("rb") as file, np.load(file) as panel:
        return panel["events"], json.loads(panel["sources"].tobytes())
