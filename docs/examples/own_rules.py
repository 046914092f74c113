"""Twelve rules of one's own, of every kind: pitch, rhythm, form, contour, ending, absence.

melodylc rewards test docs/examples/own_rules.py:zigzag
melodylc generate --reward docs/examples/own_rules.py:black_keys -n 8

`benchmarks/own_rules.py` fits each of them. All are graded: what a melody lacks must show before it is there.
"""

import numpy as np
import numpy.typing as npt

from melodylc import Melody, reward

Events = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]
HOLD, REST = 128, 129


# -- pitch -------------------------------------------------------------------------------------


@reward
def black_keys(melody: Melody) -> float:
    """Share of the notes on a piano's black keys."""
    return float(np.isin(melody.pitches % 12, (1, 3, 6, 8, 10)).mean()) if melody.note_count else 0.0


@reward
def whole_tones(melody: Melody) -> float:
    """Share of the notes in the fuller one of the two whole-tone scales."""
    even = (melody.pitches % 2 == 0).mean() if melody.note_count else 0.0
    return float(max(even, 1 - even)) if melody.note_count else 0.0


@reward
def one_octave(melody: Melody, lowest: int = 60) -> float:
    """Share of the notes from `lowest` to an octave above it."""
    if not melody.note_count:
        return 0.0
    return float(((melody.pitches >= lowest) & (melody.pitches <= lowest + 12)).mean())


# -- rhythm ------------------------------------------------------------------------------------


@reward(batch=True)
def off_beats(events: Events) -> Scores:
    """Share of the 64 quarters that have a note begin on their second eighth."""
    return (events[:, 2::4] < HOLD).mean(axis=1)


@reward(batch=True)
def one_rhythm(events: Events) -> Scores:
    """Of the places in bars 2..16 where a note begins there or in bar 1, the share where both do; silence scores 0."""
    begins = (events < HOLD).reshape(-1, 16, 16)
    both = (begins[:, 1:] & begins[:, :1]).sum(axis=(1, 2))
    return both / np.maximum((begins[:, 1:] | begins[:, :1]).sum(axis=(1, 2)), 1)


# -- form --------------------------------------------------------------------------------------


@reward(batch=True)
def aaba(events: Events) -> Scores:
    """Share of the steps of bars 5..8 and 13..16 that are those of bars 1..4, and of bars 9..12 no more than half."""
    first, second, third, last = (events[:, at : at + 64] for at in range(0, 256, 64))
    again = ((second == first).mean(axis=1) + (last == first).mean(axis=1)) / 2
    return again * np.minimum(1.0, 2 * (third != first).mean(axis=1))


@reward(batch=True)
def echo(events: Events) -> Scores:
    """Share of the steps of every second bar that are those of the bar before; silence scores 0."""
    bars = events.reshape(-1, 8, 2, 16)
    return (bars[:, :, 1] == bars[:, :, 0]).mean(axis=(1, 2)) * (events < HOLD).any(axis=1)


# -- contour -----------------------------------------------------------------------------------


@reward
def climbs(melody: Melody, step: int = 3) -> float:
    """How far each four bars lie above those before, on average, `step` semitones being enough; 0 without notes."""
    if not melody.note_count:
        return 0.0
    phrases = [melody.pitches[melody.onsets // 64 == phrase] for phrase in range(4)]
    if not all(map(len, phrases)):
        return 0.0
    rises = np.diff([phrase.mean() for phrase in phrases])
    return float(np.clip((rises + 12) / (step + 12), 0, 1).mean())


@reward
def zigzag(melody: Melody) -> float:
    """Share of the notes, but for the first and the last, that are higher or lower than both of their neighbours."""
    steps = np.sign(melody.intervals)
    return float((steps[1:] * steps[:-1] < 0).mean()) if len(steps) > 1 else 0.0


# -- endings -----------------------------------------------------------------------------------


@reward
def comes_to_rest(melody: Melody) -> float:
    """The last note begins with bar 16, lasts to its end, and no note is lower: a third for each, by degrees."""
    if not melody.note_count:
        return 0.0
    onset, length, pitch = int(melody.onsets[-1]), int(melody.durations[-1]), int(melody.pitches[-1])
    above = max(0, pitch - int(melody.pitches.min()))
    return ((1 - abs(onset - 240) / 240) + min(length / 16, 1.0) + max(0.0, 1 - above / 24)) / 3


# -- absence -----------------------------------------------------------------------------------


@reward(batch=True)
def breathes(events: Events) -> Scores:
    """Share of the last quarters of bars 4, 8, 12 and 16 that are silent; 0 where a bar has no note at all."""
    quiet = (events.reshape(-1, 4, 64)[:, :, 60:] == REST).mean(axis=(1, 2))
    played = (events.reshape(-1, 16, 16) < HOLD).any(axis=2).mean(axis=1)
    return quiet * played


@reward
def no_steps(melody: Melody) -> float:
    """Share of the intervals that are neither a semitone nor a whole tone."""
    steps = abs(melody.intervals)
    return float(((steps == 0) | (steps > 2)).mean()) if len(steps) else 0.0
