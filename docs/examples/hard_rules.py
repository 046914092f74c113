"""Fourteen hard rules of the kind that people really write: chords, canons, exact repeats, a row, a trained model.

melodylc rewards test docs/examples/hard_rules.py:call_and_response
melodylc generate --reward docs/examples/hard_rules.py:exactly,notes=100 --scale dmin -n 4 -o hundred

Each is exactly 1 where the rule is obeyed and 0 for silence. All but one are shares, of notes, beats or bars, so that a
search knows which of two melodies is nearer; `row` says yes or no, because some rules do.
"""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from melodylc import Melody, reward
from melodylc.rewards import at_least, contour, grid, in_scale, lengths

Events = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]
HOLD, REST = 128, 129
NAMES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ORDER = json.loads(Path(__file__).with_name("note_order.json").read_text("utf-8"))


def sounding(events: Events) -> npt.NDArray[np.int64]:
    """The pitch that sounds at each step, -1 in a rest; shape (256,)."""
    begun = np.maximum.accumulate(np.where(events != HOLD, np.arange(len(events)), 0))
    pitches = events[begun].astype(np.int64)
    return np.where(pitches < HOLD, pitches, -1)


# -- harmony -----------------------------------------------------------------------------------


@reward
def over_progression(melody: Melody, chords: str = "C Am F G") -> float:
    """Share of the strong beats (1 and 3 of each bar) on which a note of the bar's chord sounds.

    Chords are names, a bar each, over and over: C is C major, Am A minor, F# and Bb are fine too.
    """
    at_beats = sounding(melody.events)[::8]
    fits = 0
    names = chords.split()
    for beat, pitch in enumerate(at_beats):
        name = names[beat // 2 % len(names)]
        root = NAMES[name[0]] + name.count("#") - name.count("b")
        third = 3 if name.endswith("m") else 4
        fits += pitch >= 0 and (pitch - root) % 12 in (0, third, 7)
    return fits / len(at_beats)


@reward
def sung_as_a_round(melody: Melody, bars: int = 4) -> float:
    """Share of the beats on which the melody is consonant with itself, begun `bars` bars later.

    Consonant are unisons, thirds, fifths, sixths and octaves; both voices must sound.
    """
    first = sounding(melody.events)[16 * bars :: 4]
    second = sounding(melody.events)[: 256 - 16 * bars : 4]
    both = (first >= 0) & (second >= 0)
    return float((both & np.isin(abs(first - second) % 12, (0, 3, 4, 7, 8, 9))).mean())


# -- form --------------------------------------------------------------------------------------


@reward(batch=True)
def exact_repeat(events: Events, bars: int = 4) -> Scores:
    """The first `bars` bars come again and again, note for note: share of the later steps that are those of the first.

    Silence scores 0.
    """
    parts = events.reshape(len(events), -1, 16 * bars)
    same: Scores = (parts[:, 1:] == parts[:, :1]).mean(axis=(1, 2))
    return same * (events < HOLD).any(axis=1)


@reward
def sequence(melody: Melody, up: int = 2, least: int = 6) -> float:
    """Bars 1 and 2 come again in bars 3 and 4, 5 and 6, 7 and 8, each time `up` semitones higher than before.

    The share of the steps that are as they should be, times the share of `least` notes that bars 1 and 2 have.
    """
    parts = melody.events[:128].astype(np.int64).reshape(4, 32)
    expected = np.where(parts[:-1] < HOLD, parts[:-1] + up, parts[:-1])
    notes = int((parts[0] < HOLD).sum())
    return float((parts[1:] == expected).mean()) * min(1.0, notes / least)


@reward
def palindrome(melody: Melody) -> float:
    """The melody is the same backwards, pitches and lengths: share of the notes whose mirror image is there too."""
    notes = set(melody.notes)
    mirror = {(pitch, 256 - end, 256 - start) for pitch, start, end in notes}
    return len(notes & mirror) / len(notes) if notes else 0.0


@reward
def call_and_response(melody: Melody, tonic: int = 0) -> float:
    """In every four bars, two call and two respond: in the same rhythm, from the call's first note on, ending at home.

    The mean over the four phrases of three things: the share of the steps with the call's rhythm; whether the response
    begins as the call does; and whether it ends on the tonic and the call doesn't. A phrase without notes scores 0.
    """
    total = 0.0
    for phrase in melody.events.reshape(4, 64):
        call, response = phrase[:32], phrase[32:]
        asks, answers = call[call < HOLD], response[response < HOLD]
        if len(asks) and len(answers):
            rhythm = (call < HOLD) == (response < HOLD)
            ends = (answers[-1] % 12 == tonic) and (asks[-1] % 12 != tonic)
            total += (float(rhythm.mean()) + float(asks[0] == answers[0]) + float(ends)) / 3
    return total / 4


# -- rhythm ------------------------------------------------------------------------------------


@reward(batch=True)
def rhythm_in_each_bar(events: Events, pattern: str = "x..x..x.x...x...") -> Scores:
    """Notes begin in every bar where the pattern has an x and nowhere else: mean of the bars' agreement (Dice)."""
    begins = (events < HOLD).reshape(len(events), 16, 16)
    wanted = np.array([sign == "x" for sign in pattern])
    agreement: Scores = 2 * (begins & wanted).sum(axis=2) / (begins.sum(axis=2) + wanted.sum())
    return agreement.mean(axis=1)


@reward
def counts_up(melody: Melody) -> float:
    """Bar 1 has one note, bar 2 two, and so on to sixteen in bar 16: mean closeness of the bars' counts."""
    counts = np.bincount(melody.onsets // 16, minlength=16)
    wanted = np.arange(1, 17)
    return float(np.maximum(0, 1 - abs(counts - wanted) / wanted).mean())


# -- notes -------------------------------------------------------------------------------------


@reward
def exactly(melody: Melody, notes: int = 100) -> float:
    """Exactly so many notes: 1 less the difference over the number, and never below 0."""
    return max(0.0, 1 - abs(melody.note_count - notes) / notes)


@reward
def motif(melody: Melody, classes: tuple[int, ...] = (10, 9, 0, 11), times: int = 2) -> float:
    """The motif (B flat, A, C, B natural) occurs, as pitch classes in a row, at least `times` times.

    The mean, over the `times` places that come nearest and don't overlap, of the share of its notes that are right.
    """
    pitches = melody.pitches % 12
    if len(pitches) < len(classes):
        return 0.0
    shares = (np.lib.stride_tricks.sliding_window_view(pitches, len(classes)) == classes).mean(axis=1)
    total = 0.0
    for _ in range(times):
        best = int(shares.argmax())
        total += max(0.0, float(shares[best]))
        shares[max(0, best - len(classes) + 1) : best + len(classes)] = -1
    return total / times


@reward
def row(melody: Melody) -> bool:
    """The first twelve notes are the twelve pitch classes, each once: yes or no."""
    return len(set((melody.pitches[:12] % 12).tolist())) == 12


@reward(depends=["note_order.json"])
def in_good_order(melody: Melody, least: float = 0.9) -> float:
    """A trained model takes the melody for one in the order in which it was written, not for its notes shuffled.

    min(1, p / least), with the probability p of a logistic regression on five shares; `train_order.py` trains it.
    Fewer than two notes score 0. What the model learnt is in a file, so the rule depends on that file.
    """
    if melody.note_count < 2:
        return 0.0
    z = (order_features(melody) - ORDER["mean"]) / ORDER["scale"] @ np.array(ORDER["weights"]) + ORDER["bias"]
    return float(min(1.0, 1 / (1 + np.exp(-z)) / least))


def order_features(melody: Melody) -> npt.NDArray[np.float64]:
    """What the model looks at, for two notes or more: five shares of the intervals, shape (5,)."""
    steps = melody.intervals
    size = abs(steps)
    turns = np.sign(steps[1:]) * np.sign(steps[:-1]) < 0
    return np.array(
        [
            (size == 0).mean(),
            np.isin(size, (1, 2)).mean(),
            (size > 7).mean(),
            (size > 12).mean(),
            turns.mean() if len(turns) else 0.0,
        ]
    )


# -- of several --------------------------------------------------------------------------------

mostly_in_key = at_least(in_scale("a harmonic minor"), 0.95)
"""At least 95 % of the notes are in A harmonic minor: passing notes are welcome."""

three_at_once = contour("arch", 0.7) & grid(2) & lengths(2, 8)
"""It rises and falls as a whole, every note begins on an eighth, and none is longer than a half note."""
