"""Rules about leaps."""

import numpy as np
import numpy.typing as npt

from melodylc import Melody, reward


@reward
def smooth(melody: Melody, largest: int = 2) -> float:
    """Share of intervals of at most `largest` semitones."""
    steps = abs(melody.intervals)
    return float((steps <= largest).mean()) if len(steps) else 0.0


@reward(batch=True)
def narrow(events: npt.NDArray[np.uint8], semitones: int = 12) -> npt.NDArray[np.float64]:
    """min(1, semitones / r) for a range of r from the lowest note to the highest; 0 without notes."""
    notes = events < 128
    highest = np.where(notes, events, 0).max(axis=1).astype(int)
    lowest = np.where(notes, events, 127).min(axis=1).astype(int)
    return np.where(notes.any(axis=1), np.minimum(1.0, semitones / np.maximum(highest - lowest, 1)), 0.0)
