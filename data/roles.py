"""What a voice is in its piece, bar by bar: the lead, an inner voice, or the bass.

Quartets and piano pieces are mostly accompaniment: a model that takes every voice for a melody writes like a viola.
Three things tell them apart, in the sixteen bars of a window and among the voices that sound in a quarter of them or
more:

1. **Name.** Where voices are named like a melody ("Voice", "Lead", "Soprano", ...), the highest of these leads.
2. **Share of notes.** Else the highest voice leads that has at least half an even share of the notes that begin.
3. **Register.** Of the others the lowest is the bass where it lies below middle C on average, and those named like one
   ("Bass", "Cello", "Left hand", ...); the rest are inner voices.

A voice that is alone leads, unless it is named like a bass or lies below C3. These are rules of thumb: no source says
what a voice is.
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import BARS, HOLD, REST, STEPS, STEPS_PER_BAR
from melodylc.data.arrays import Events, Mask
from melodylc.data.texts import fold_text

ROLES = ("lead", "inner", "bass")
LEAD, INNER, BASS = range(3)
# What voices with the melody are called, or a part of it; compared without case and accents.
_MELODIC_NAMES = """
    melod lead voc voice vox solo solist sing song voix chant voz canto cantus cantant voce gesang stimme sopran vokal
    sang röst zang śpiew laulu ének dallam мелод вокал голос соло μελωδ φωνη メロディ 旋律 歌 ボーカル ヴォーカル 人声
    멜로디 보컬
"""
_BASS_NAMES = """
    bass basso contrab kontrab cello violonc fagot tuba pedal linke lewa gauche sinistra бас виолонч басс ベース 베이스
"""  # noqa: RUF001 (Cyrillic on purpose)
_MELODIC = re.compile("|".join(fold_text(name, accents=False) for name in _MELODIC_NAMES.split()))
_BASS = re.compile("|".join([*(fold_text(name, accents=False) for name in _BASS_NAMES.split()), "left hand"]))
_PRESENT = STEPS // 4  # steps of a window in which a voice must sound to count
_MIDDLE_C, _C3 = 60, 48


def is_melodic(name: str) -> bool:
    """Whether a voice is named like a melody.

    >>> is_melodic("Lead Vocals"), is_melodic("Viola")
    (True, False)
    """
    return bool(_MELODIC.search(fold_text(name, accents=False)))


def is_bass(name: str) -> bool:
    """Whether a voice is named like a bass.

    >>> is_bass("Violoncello"), is_bass("Viola")
    (True, False)
    """
    return bool(_BASS.search(fold_text(name, accents=False)))


def roles(names: Sequence[str], lines: Sequence[Events]) -> npt.NDArray[np.uint8]:
    """The role of each voice in each window of a section of n bars.

    Args:
        names: the voices' names.
        lines: their events, (16 * n,) each, all as long.

    Returns:
        Shape (voices, n - 15), indices into `ROLES`.

    >>> high, low = (np.array(([pitch] + [HOLD] * 15) * 16, np.uint8) for pitch in (72, 40))
    >>> roles(["", ""], [high, low]).tolist(), roles(["", "Voice"], [high, low]).tolist()
    ([[0], [2]], [[1], [0]])
    """
    steps, totals, notes = (np.stack(columns) for columns in zip(*map(_sums, lines), strict=True))
    mean = totals / np.maximum(steps, 1)
    present = steps >= _PRESENT
    several = present.sum(0) > 1
    melodic = np.array([is_melodic(name) for name in names])[:, None]
    bass = np.array([is_bass(name) for name in names])[:, None] & ~melodic
    even = notes.sum(0, where=present) / np.maximum(present.sum(0), 1)
    named = melodic & present
    able = np.where(named.any(0), named, present & (2 * notes >= even))
    lead = _first(np.where(able, -mean, np.inf)) & able
    lowest = _first(np.where(present, mean, np.inf)) & present
    low = np.where(several, bass | (lowest & (mean < _MIDDLE_C)), ~melodic & (bass | (mean < _C3)))
    found = np.where(lead, LEAD, INNER)
    return np.where(present & low & ~(lead & several), BASS, found).astype(np.uint8)


def _first(values: npt.NDArray[np.float64]) -> Mask:
    """In each column, the first row that is least."""
    first: Mask = np.arange(len(values))[:, None] == values.argmin(axis=0)
    return first


def _sums(line: Events) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of each window of a line: steps that sound, the sum of their pitches, notes that begin."""
    onset = line < HOLD
    places = np.maximum.accumulate(np.where(onset, np.arange(len(line)), 0))
    sounding = (line != REST) & (onset.cumsum() > 0)
    pitch = np.where(sounding, line[places].astype(np.int64), 0)
    steps, totals, notes = (
        np.concatenate(([0], np.cumsum(values.reshape(-1, STEPS_PER_BAR).sum(axis=1, dtype=np.int64))))
        for values in (sounding, pitch, onset)
    )
    return steps[BARS:] - steps[:-BARS], totals[BARS:] - totals[:-BARS], notes[BARS:] - notes[:-BARS]
