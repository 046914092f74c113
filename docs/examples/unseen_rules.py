"""Twelve rules written by somebody who had not seen how melodies are made, to find out about rules nobody had in view.

Two each of pitch, rhythm, form, contour, ending and absence, as a musician, a teacher or a composer for games might
ask for them. All are graded: exactly 1 where the rule is obeyed, less the further a melody is from it, 0 for silence.
"""

import numpy as np
import numpy.typing as npt

from melodylc import Melody, reward

Events = npt.NDArray[np.uint8]
Scores = npt.NDArray[np.float64]
HOLD, REST = 128, 129


# -- pitch -------------------------------------------------------------------------------------


@reward
def over_chords(melody: Melody) -> float:
    """Notes on a beat belong to the chord of their bar, C, Am, F, G over and over: mean of the bars' shares.

    A bar with no note on any of its four beats scores 0. A tune over a loop of pop chords obeys.
    """
    chords = np.zeros((4, 12))
    for chord, members in enumerate(((0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2))):
        chords[chord, list(members)] = 1
    beat = melody.onsets % 4 == 0
    bars, pitches = melody.onsets[beat] // 16, melody.pitches[beat]
    fits = np.bincount(bars, weights=chords[bars % 4, pitches % 12], minlength=16)
    return float((fits / np.maximum(np.bincount(bars, minlength=16), 1)).mean())


@reward
def melodic_minor(melody: Melody, least: int = 4) -> float:
    """Share of the notes in A melodic minor: F# and G# where the next note is higher, F and G where it isn't.

    Less where fewer than `least` notes are an F# or G# on the way up, or an F or G on the way down.
    """
    if not melody.note_count:
        return 0.0
    classes = melody.pitches % 12
    rises = np.append(melody.intervals > 0, False)
    up, down = np.isin(classes, (6, 8)) & rises, np.isin(classes, (5, 7)) & ~rises
    share = (np.isin(classes, (9, 11, 0, 2, 4)) | up | down).mean()
    return float(share * (min(1.0, up.sum() / least) + min(1.0, down.sum() / least)) / 2)


# -- rhythm ------------------------------------------------------------------------------------


@reward
def long_on_one(melody: Melody) -> float:
    """Every bar begins with its longest note: mean share of a bar's notes that are that note or shorter than it.

    A bar without a note on its first step scores 0.
    """
    if not melody.note_count:
        return 0.0
    bars, lengths, heads = melody.onsets // 16, melody.durations, melody.onsets % 16 == 0
    longest = np.zeros(16, dtype=np.int64)
    longest[bars[heads]] = lengths[heads]
    fits = np.bincount(bars, weights=heads | (lengths < longest[bars]), minlength=16)
    return float((fits / np.maximum(np.bincount(bars, minlength=16), 1)).mean())


@reward(batch=True)
def dotted_march(events: Events) -> Scores:
    """On the first and third beat of each bar, notes begin with the beat and on its last sixteenth: share of steps.

    Only the steps of these beats count; the second and fourth beats are free. Silence scores 0.
    """
    begins = (events < HOLD).reshape(-1, 32, 8)[:, :, :4]
    share: Scores = (begins == np.array((True, False, False, True))).mean(axis=(1, 2))
    return share * (events < HOLD).any(axis=1)


# -- form --------------------------------------------------------------------------------------


@reward
def motif_returns(melody: Melody) -> float:
    """The first four notes begin again in bars 5..8, 9..12 and 13..16, at any place and pitch, in the same rhythm.

    The mean, over these three, of the largest share of the three intervals and three onset distances that agree.
    """
    if melody.note_count < 4:
        return 0.0
    gaps = np.stack((melody.intervals, np.diff(melody.onsets)))
    windows = np.lib.stride_tricks.sliding_window_view(gaps, 3, axis=1)
    alike = (windows == windows[:, :1]).mean(axis=(0, 2))
    phrases = melody.onsets[: len(alike)] // 64
    return float(np.mean([alike[phrases == phrase].max(initial=0.0) for phrase in (1, 2, 3)]))


@reward
def variation(melody: Melody, more: float = 1.5) -> float:
    """Bars 9..16 vary bars 1..8: each begins with the same note as its model, and they have `more` times the notes.

    The mean closeness of the eight pairs of first notes (0 from an octave on, or where one is missing), times the
    share of the notes asked for.
    """
    first, second = melody.events[:128].astype(np.int64), melody.events[128:].astype(np.int64)
    theme, again = first[::16], second[::16]
    near = np.maximum(0.0, 1 - abs(theme - again) / 12) * ((theme < HOLD) & (again < HOLD))
    count = max(1, int((first < HOLD).sum()))
    return float(near.mean() * min(1.0, (second < HOLD).sum() / (more * count)))


# -- contour -----------------------------------------------------------------------------------


@reward
def one_peak(melody: Melody, gap: int = 3) -> float:
    """The highest note comes once, in bar 10, 11 or 12, and the others are at least `gap` semitones lower.

    1 over the number of notes closer to the top than that, less a tenth for each bar too early or late.
    """
    if not melody.note_count:
        return 0.0
    pitches = melody.pitches
    top = int(pitches.argmax())
    rivals = int((pitches > pitches[top] - gap).sum())
    bar = int(melody.onsets[top]) // 16 + 1
    return max(0, 10 - max(10 - bar, bar - 12, 0)) / 10 / rivals


@reward
def leaps_come_back(melody: Melody, least: int = 8) -> float:
    """After a leap of a fourth or more the melody turns and goes back by a step: share of leaps, half for turning.

    Less where there are fewer than `least` leaps.
    """
    steps = melody.intervals
    leaps = np.flatnonzero(abs(steps) >= 5)
    if not len(leaps):
        return 0.0
    after = np.append(steps, 0)[leaps + 1]
    turns = np.sign(after) == -np.sign(steps[leaps])
    good = (turns.mean() + (turns & (abs(after) <= 2)).mean()) / 2
    return float(good * min(1.0, len(leaps) / least))


# -- endings -----------------------------------------------------------------------------------


@reward
def half_and_full(melody: Melody) -> float:
    """Of each four bars, the last note is in turn a G, a C, a G, a C: mean closeness, 0 from a tritone away.

    A phrase without notes scores 0.
    """
    pitches, phrases = melody.pitches, melody.onsets // 64
    near = 0.0
    for phrase, goal in enumerate((7, 0, 7, 0)):
        inside = pitches[phrases == phrase]
        if len(inside):
            away = (int(inside[-1]) - goal) % 12
            near += 1 - min(away, 12 - away) / 6
    return near / 4


@reward
def loops(melody: Melody) -> float:
    """Fit to be played over and over: it begins at once, sounds to the end, and leads from the last note to the first.

    That is by one or two semitones, from a last note of at most an eighth; and bar 16 has no fewer notes than bar 1.
    The five are graded and multiplied.
    """
    if not melody.note_count:
        return 0.0
    onsets, pitches = melody.onsets, melody.pitches
    length = int(melody.durations[-1])
    late, early = int(onsets[0]), 256 - int(onsets[-1]) - length
    away = abs(int(pitches[0] - pitches[-1]))
    step = max(0.0, 1 - (away - 2) / 12) if away > 2 else 1.0 if away else 0.5
    busy = min(1.0, int((onsets >= 240).sum()) / max(1, int((onsets < 16).sum())))
    return max(0.0, 1 - late / 16) * max(0.0, 1 - early / 16) * min(1.0, 2 / length) * step * busy


# -- absence -----------------------------------------------------------------------------------


@reward(batch=True)
def no_downbeats(events: Events) -> Scores:
    """Share of the bars with no note on their first step, times the share of bars where a note begins at all.

    As where each bar is entered early, or after a short rest.
    """
    begins = (events < HOLD).reshape(-1, 16, 16)
    free: Scores = (~begins[:, :, 0]).mean(axis=1)
    played: Scores = begins.any(axis=2).mean(axis=1)
    return free * played


@reward
def not_again_so_soon(melody: Melody) -> float:
    """Share of the notes that differ from both of the two before: no repeats, no to and fro; 0 for under three notes.

    As in scales and broken chords.
    """
    pitches = melody.pitches
    if len(pitches) < 3:
        return 0.0
    again = np.zeros(len(pitches), dtype=np.bool_)
    for back in (1, 2):
        again[back:] |= pitches[back:] == pitches[:-back]
    return float((~again).mean())
