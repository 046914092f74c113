"""The built-in rewards: laws of all of them, and for each what satisfies it, said again in plain Python."""

import inspect
import math
import random
import re
import statistics
import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Literal, NamedTuple, get_origin, get_type_hints

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from melodylc import rewards
from melodylc.data import STEPS, InputError, Melody, Note
from melodylc.data.alphabet import HOLD, REST, canonical
from melodylc.rewards import (
    Reward,
    ambitus,
    at_least,
    breaths,
    contour,
    density,
    first_note,
    form,
    grid,
    groove,
    in_scale,
    last_length,
    last_note,
    leaps,
    lengths,
    longest_rest,
    motif,
    pitch_classes,
    register,
    repeats,
    rests,
    rhythm,
    stepwise,
    syncopation,
    tonic,
    variety,
)

Notes = tuple[Note, ...]
EMPTY = Melody.from_notes([])
CLAVE = (0, 3, 6, 10, 12)


def repeated(pitch: int, notes: int, length: int = 1) -> Melody:
    return Melody.from_notes((pitch, length * i, length * (i + 1)) for i in range(notes))


# ----------------------------------------------------------- what satisfies, in plain Python


def moves(notes: Notes) -> list[int]:
    return [abs(after.pitch - before.pitch) for before, after in pairwise(notes)]


def spans(notes: Notes, least: int, most: int) -> bool:
    return least <= max(note.pitch for note in notes) - min(note.pitch for note in notes) <= most


def steps_enough(notes: Notes, least: float) -> bool:
    found = moves(notes)
    return bool(found) and sum(move in (1, 2) for move in found) / len(found) >= least


def repeats_little(notes: Notes, most: float) -> bool:
    found = moves(notes)
    return bool(found) and found.count(0) / len(found) <= most


def weight(step: int) -> int:
    return next(level for level, size in enumerate((2, 4, 8, 16, 257)) if step % size or size > 16)


def syncopated_share(notes: Notes) -> float:
    """A note is syncopated where a heavier step passes before the next onset."""
    nexts = [note.start for note in notes[1:]] + [STEPS]
    passed = [
        any(weight(step) > weight(note.start) for step in range(note.start + 1, after))
        for note, after in zip(notes, nexts, strict=True)
    ]
    return sum(passed) / len(notes)


def sounding(notes: Notes) -> list[bool]:
    steps = {step for note in notes for step in range(note.start, note.end)}
    return [step in steps for step in range(STEPS)]


def silent_runs(notes: Notes) -> list[int]:
    text = "".join("x" if sounds else "." for sounds in sounding(notes))
    return [len(run) for run in text.split("x") if run]


def breathes(notes: Notes, bars: int, length: int) -> bool:
    sounds = sounding(notes)
    phrase = 16 * bars
    return not any(sounds[step] for step in range(STEPS) if step % phrase >= phrase - length)


def spelled(notes: Notes, rhythm_only: bool) -> list[str]:
    """What happens at each step: a note begins (which, or that), goes on, or nothing sounds."""
    steps = ["rest"] * STEPS
    for note in notes:
        steps[note.start : note.end] = ["on"] * (note.end - note.start)
        steps[note.start] = "begins" if rhythm_only else f"begins {note.pitch}"
    return steps


def has_form(notes: Notes, pattern: str, likeness: float, contrast: float, rhythm_only: bool) -> bool:
    steps = spelled(notes, rhythm_only)
    size = STEPS // len(pattern)
    parts = [steps[start : start + size] for start in range(0, STEPS, size)]
    for i in range(len(parts)):
        for j in range(i):
            same = sum(a == b for a, b in zip(parts[i], parts[j], strict=True))
            alike = pattern[i] == pattern[j]
            if (same / size < likeness) if alike else ((size - same) / size < contrast):
                return False
    return True


def has_motif(notes: Notes, own: list[tuple[int, int]], times: int, moves: bool, bars: tuple[int, ...] = ()) -> bool:
    """Whether (pitch, start) come so often, one after another, or in each of the bars."""
    found = []
    for first in range(len(notes) - len(own) + 1):
        some = notes[first : first + len(own)]
        shift = some[0].pitch - own[0][0] if moves else 0
        if [(note.pitch - shift, note.start - some[0].start) for note in some] == own:
            found.append(some[0].start)
    if bars:
        return all(any(start // 16 == bar - 1 for start in found) for bar in bars)
    count, free = 0, 0
    for start in found:
        if start >= free:
            count, free = count + 1, start + own[-1][1] + 1
    return count >= times


def correlates(notes: Notes, shape: str, least: float) -> bool | None:
    """None where rounding decides."""
    starts = [float(note.start) for note in notes]
    bent = [abs(start - 127.5) for start in starts]
    template = {"rising": starts, "falling": [-t for t in starts], "arch": [-t for t in bent], "valley": bent}
    pitches, times = [float(note.pitch) for note in notes], template[shape]
    if len(set(pitches)) < 2 or len(set(times)) < 2:
        return False
    r = statistics.correlation(pitches, times)
    return None if math.isclose(r, least, abs_tol=1e-9) else r >= least


def onsets_of_bars(notes: Notes) -> list[set[int]]:
    return [{note.start - 16 * bar for note in notes if note.start // 16 == bar} for bar in range(16)]


def grooves(notes: Notes, least: float) -> bool:
    bars = onsets_of_bars(notes)
    apart = sum(len(one ^ other) for one, other in pairwise(bars))
    return 1 - apart / 240 >= least


class Case(NamedTuple):
    """A reward, its name, what satisfies it (of melodies with notes), and a melody that it gives 0, beside EMPTY."""

    reward: Reward
    name: str
    satisfied: Callable[[Notes], bool | None]
    worst: Melody = EMPTY
    transposable: bool = True


TRITONES = Melody.from_notes([(60, 0, 4), (66, 4, 8)])
CASES = [
    Case(
        register(),
        "register(lowest=60, highest=72)",
        lambda x: all(60 <= n.pitch <= 72 for n in x),
        repeated(73, 3),
        False,
    ),
    Case(
        register(0, 61),
        "register(lowest=0, highest=61)",
        lambda x: all(n.pitch <= 61 for n in x),
        repeated(62, 1),
        False,
    ),
    Case(ambitus(), "ambitus(least=7, most=12)", lambda x: spans(x, 7, 12), repeated(60, 9)),
    Case(ambitus(0, 3), "ambitus(least=0, most=3)", lambda x: spans(x, 0, 3)),
    Case(leaps(), "leaps(largest=4)", lambda x: len(x) > 1 and max(moves(x)) <= 4, TRITONES),
    Case(leaps(0), "leaps(largest=0)", lambda x: len(x) > 1 and max(moves(x)) == 0, TRITONES),
    Case(stepwise(), "stepwise(least=0.75)", lambda x: steps_enough(x, 0.75), TRITONES),
    Case(stepwise(0.1), "stepwise(least=0.1)", lambda x: steps_enough(x, 0.1), TRITONES),
    Case(repeats(), "repeats(most=0.0)", lambda x: repeats_little(x, 0.0), repeated(60, 2)),
    Case(repeats(0.2), "repeats(most=0.2)", lambda x: repeats_little(x, 0.2), repeated(60, 2)),
    Case(
        syncopation(), "syncopation(least=0.25, most=1.0)", lambda x: syncopated_share(x) >= 0.25, repeated(60, 64, 4)
    ),
    Case(
        syncopation(0, 0),
        "syncopation(least=0.0, most=0.0)",
        lambda x: syncopated_share(x) == 0,
        Melody.from_notes([(60, 1, 9)]),
    ),
    Case(syncopation(0.1, 0.4), "syncopation(least=0.1, most=0.4)", lambda x: 0.1 <= syncopated_share(x) <= 0.4),
    Case(
        rests(),
        "rests(least=0.25, most=0.5)",
        lambda x: 0.25 <= 1 - sum(sounding(x)) / 256 <= 0.5,
        repeated(60, 1, 256),
    ),
    Case(rests(0, 0.2), "rests(least=0.0, most=0.2)", lambda x: 1 - sum(sounding(x)) / 256 <= 0.2),
    Case(longest_rest(), "longest_rest(most=0)", lambda x: not silent_runs(x)),
    Case(longest_rest(8), "longest_rest(most=8)", lambda x: max([0, *silent_runs(x)]) <= 8),
    Case(breaths(), "breaths(bars=4, length=2)", lambda x: breathes(x, 4, 2), repeated(60, 1, 256)),
    Case(breaths(1, 5), "breaths(bars=1, length=5)", lambda x: breathes(x, 1, 5), repeated(60, 1, 256)),
    Case(
        form(),
        "form(pattern=AABA, likeness=1.0, contrast=0.25, rhythm=False)",
        lambda x: has_form(x, "AABA", 1.0, 0.25, False),
        repeated(60, 16, 16),
    ),
    Case(
        form("xyxyzyxx", 0.8, 0.05),
        "form(pattern=ABABCBAA, likeness=0.8, contrast=0.05, rhythm=False)",
        lambda x: has_form(x, "ABABCBAA", 0.8, 0.05, False),
    ),
    Case(
        form("AB", contrast=0.125, rhythm=True),
        "form(pattern=AB, likeness=1.0, contrast=0.125, rhythm=True)",
        lambda x: has_form(x, "AB", 1.0, 0.125, True),
    ),
    Case(
        form("AAAA"),
        "form(pattern=AAAA, likeness=1.0, contrast=0.25, rhythm=False)",
        lambda x: has_form(x, "AAAA", 1, 1, False),
    ),
    Case(
        motif("C4:1 c4:1", times=3),
        "motif(notes=C4:1 C4:1, times=3, transposed=True, bars=())",
        lambda x: has_motif(x, [(60, 0), (60, 1)], 3, True),
    ),
    Case(
        motif("C#4:1 C#4:1", 1, False, (1, 16)),
        "motif(notes=C#4:1 C#4:1, times=1, transposed=False, bars=(1, 16))",
        lambda x: has_motif(x, [(61, 0), (61, 1)], 1, False, (1, 16)),
        repeated(0, 1, 256),
        transposable=False,
    ),
    Case(contour(), "contour(shape=arch, least=0.7)", lambda x: correlates(x, "arch", 0.7), repeated(60, 9)),
    Case(contour("rising", 0.2), "contour(shape=rising, least=0.2)", lambda x: correlates(x, "rising", 0.2)),
    Case(contour("falling", 0.4), "contour(shape=falling, least=0.4)", lambda x: correlates(x, "falling", 0.4)),
    Case(contour("valley", 0.1), "contour(shape=valley, least=0.1)", lambda x: correlates(x, "valley", 0.1)),
    Case(first_note(), "first_note(pitch=C)", lambda x: x[0].pitch in range(0, 128, 12), TRITONES.transposed(6), False),
    Case(last_note("eb"), "last_note(pitch=D#)", lambda x: x[-1].pitch in range(3, 128, 12), repeated(69, 5), False),
    Case(last_note("C4"), "last_note(pitch=C4)", lambda x: x[-1].pitch == 60, transposable=False),
    Case(last_length(), "last_length(least=12)", lambda x: x[-1].end - x[-1].start >= 12),
    Case(last_length(3), "last_length(least=3)", lambda x: x[-1].end - x[-1].start >= 3),
    Case(grid(), "grid(steps=4)", lambda x: all(n.start % 4 == 0 for n in x), Melody.from_notes([(60, 2, 3)])),
    Case(grid(3), "grid(steps=3)", lambda x: all(n.start % 16 % 3 == 0 for n in x), Melody.from_notes([(60, 1, 3)])),
    Case(
        rhythm(),
        "rhythm(pattern=x..x..x...x.x...)",
        lambda x: all(onsets == set(CLAVE) for onsets in onsets_of_bars(x)),
        Melody.from_notes([(60, 1, 3)]),
    ),
    Case(
        rhythm("X-"),
        "rhythm(pattern=x.x.x.x.x.x.x.x.)",
        lambda x: {n.start for n in x} == set(range(0, 256, 2)),
    ),
    Case(groove(), "groove(least=0.95)", lambda x: grooves(x, 0.95)),
    Case(groove(0.8), "groove(least=0.8)", lambda x: grooves(x, 0.8)),
    Case(lengths(), "lengths(least=2, most=16)", lambda x: all(2 <= n.end - n.start <= 16 for n in x), repeated(60, 9)),
    Case(
        in_scale("a harmonic minor"),
        "pitch_classes(0,2,4,5,8,9,11)",
        lambda x: all(n.pitch % 12 in (9, 11, 0, 2, 4, 5, 8) for n in x),
        repeated(61, 2),
        False,
    ),
]
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


# --------------------------------------------------------------------------------- melodies


def tune(seed: int) -> Melody:
    """A melody of a few bars in some order, some of which are the clave or eighths, with few pitches and lengths."""
    chance = random.Random(seed)
    pitches = chance.choice([(60,), (60, 61, 62), (55, 60, 66, 72), (48, 50, 51, 53, 63, 67)])
    shorter = chance.choice([0, 0, 1, 3])
    templates = [_bar(chance, pitches, shorter) for _ in range(chance.randint(1, 3))]
    order = chance.choices(range(len(templates)), k=chance.choice([1, 2, 4, 8, 16]))
    if seed % 8 == 0:
        verse, bridge = (chance.choices(range(len(templates)), k=4) for _ in range(2))
        order = [*verse, *verse, *bridge, *verse]
    slope = chance.choice([0, 0, -1, 1, 2])
    notes = []
    for bar in range(16):
        higher = slope * (bar if slope < 2 else min(bar, 15 - bar) - 4)
        notes += [(pitch + higher, 16 * bar + a, 16 * bar + b) for pitch, a, b in templates[order[bar % len(order)]]]
    return Melody.from_notes(notes)


def _bar(chance: random.Random, pitches: tuple[int, ...], shorter: int) -> list[tuple[int, int, int]]:
    some = sorted(chance.sample(range(16), chance.randint(0, 5)))
    onsets = chance.choice([[*CLAVE], [*range(0, 16, 2)], [0, 4, 8, 12], [0], [], some, some, some])
    ends = [*onsets[1:], chance.choice([16, 16, 14, 11])]
    spans = zip(onsets, ends[: len(onsets)], strict=True)
    return [(chance.choice(pitches), start, max(start + 1, end - shorter)) for start, end in spans]


@cache
def tunes() -> list[Melody]:
    """Among them, every rule of CASES holds and fails."""
    return [tune(seed) for seed in range(300)]


MELODIES = st.integers(300, 2**32).map(tune)


def anything(count: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    kinds = random.integers(0, 3, (count, STEPS))
    return canonical(np.choose(kinds, [random.integers(0, 128, (count, STEPS)), HOLD, REST]))[0]


PANEL = [
    EMPTY,
    repeated(60, 1),
    repeated(61, 256),
    repeated(0, 1, 256),
    repeated(127, 40),
    Melody.from_notes([(0, 255, 256)]),
    Melody.from_notes((127 * (i % 2), i, i + 1) for i in range(256)),
    Melody.from_notes((16 * bar // 3 + 3, 16 * bar + at, 16 * bar + at + 1) for bar in range(16) for at in CLAVE),
]


# ------------------------------------------------------------------------------------- laws


@each
def test_exactly_one_where_the_plain_definition_holds(case: Case) -> None:
    melodies = [*tunes(), *Melody.unstack(anything(20)), *PANEL]
    scores = case.reward.batch(Melody.stack(melodies)).tolist()
    for melody, score in zip(melodies, scores, strict=True):
        expected = bool(melody.note_count) and case.satisfied(melody.notes)
        assert expected is None or (score == 1) == expected, melody.notes
    assert {score == 1 for score in scores} == {True, False}  # or the loop above said nothing


@settings(max_examples=80)
@given(MELODIES)
def test_exactly_one_where_the_plain_definitions_hold_of_any_melody(melody: Melody) -> None:
    for case in CASES:
        expected = bool(melody.note_count) and case.satisfied(melody.notes)
        assert expected is None or (case.reward(melody) == 1) == expected, case.name


SENTENCES = {
    density(64, 96): ("it has 64 to 96 notes", "64 to 96 notes"),
    density(64): ("it has at least 64 notes", "64 notes or more"),
    density(100, 100): ("it has 100 notes", "100 notes"),
    in_scale("c minor"): ("every note is in C minor", "in C minor"),
    pitch_classes([0, 7]): ("every note is one of C, G", "only C, G"),
    tonic(9): ("the last note is A", "ends on A"),
    rests(0.25, 1.0): ("at least 25 % of the melody is silence", "at least 25 % of the melody is silence"),
    rests(0, 0): ("no silence", "no silence"),
    syncopation(0, 0): ("none of the notes is syncopated", "none of the notes is syncopated"),
    repeats(0.1): ("at most 10 % of the notes repeat the one before", "at most 10 % repeats"),
    longest_rest(1): ("no rest is longer than 1 sixteenth", "no rest is longer than 1 sixteenth"),
    breaths(1, 1): ("the last sixteenth of every bar is silent", "the last sixteenth of every bar is silent"),
    variety(1, 9): ("it has at least 1 different pitch and 9 different bars", "varied"),
    grid(3): ("every note begins on a multiple of 3 sixteenths of its bar",) * 2,
    density(64) & ~tonic(0): (
        "it has at least 64 notes, and not at all: the last note is C",
        "64 notes or more and not (ends on C)",
    ),
    (density(64) | tonic(0)) & grid(4): (
        "(it has at least 64 notes, or the last note is C), and every note begins on a beat",
        "(64 notes or more or ends on C) and every note begins on a beat",
    ),
    0.5 * at_least(in_scale("c minor"), 0.95): ("to at least 95 %: every note is in C minor", "95 % in C minor"),
}


@pytest.mark.parametrize("reward", SENTENCES, ids=lambda reward: reward.name)
def test_a_reward_says_what_it_asks(reward: Reward) -> None:
    assert (reward.sentence, reward.label) == SENTENCES[reward]


@each
def test_the_name_says_the_function_and_its_parameters(case: Case) -> None:
    assert case.reward.name == case.name
    assert len({other.name for other in CASES}) == len(CASES)


@each
def test_between_zero_and_one_and_silence_scores_nothing(case: Case) -> None:
    scores = [case.reward(melody) for melody in PANEL]
    assert all(isinstance(score, float) and 0 <= score <= 1 for score in scores)
    assert case.reward(EMPTY) == case.reward(case.worst) == 0.0


@each
def test_a_batch_scores_as_its_melodies_do(case: Case) -> None:
    events = np.concatenate([anything(60), Melody.stack(PANEL)])
    before = events.copy()
    batch = case.reward.batch(events)
    assert batch.dtype == np.float64
    assert batch.tolist() == [case.reward(melody) for melody in Melody.unstack(events)]
    assert (events == before).all()
    assert case.reward.batch(events[:0]).shape == (0,)
    assert case.reward.batch(np.asfortranarray(events)).tolist() == batch.tolist()


@settings(max_examples=40)
@given(MELODIES, st.integers(-30, 30))
def test_transposition_changes_nothing_but_where_pitch_is_asked(melody: Melody, semitones: int) -> None:
    moved = melody.transposed(semitones)
    for case in CASES:
        assert not case.transposable or case.reward(moved) == case.reward(melody), case.name


@settings(max_examples=40)
@given(MELODIES, st.sampled_from([-24, -12, 12, 24]))
def test_octaves_change_nothing_where_pitch_classes_are_asked(melody: Melody, semitones: int) -> None:
    for reward in (first_note("E"), last_note("Ab"), in_scale("d dorian")):
        assert reward(melody.transposed(semitones)) == reward(melody)


@each
def test_credit_is_partial(case: Case) -> None:
    """Near misses score more than far ones: different melodies get different scores between 0 and 1."""
    scores = case.reward.batch(np.concatenate([Melody.stack(tunes()), anything(100)]))
    assert len({score for score in scores.tolist() if 0 < score < 1}) >= 2


@pytest.mark.parametrize(
    ("reward", "melodies"),
    [
        (leaps(4), [[60, 70, 60, 70], [60, 64, 54, 64], [60, 64, 60, 70], [60, 64, 60, 63]]),
        (stepwise(1), [[60, 60, 64, 60], [60, 62, 66, 60], [60, 62, 60, 65], [60, 62, 60, 61]]),
        (repeats(), [[60, 60, 60, 60], [60, 61, 61, 61], [60, 61, 60, 60], [60, 61, 60, 61]]),
        (register(60, 63), [[1, 2, 3, 4], [60, 2, 3, 4], [60, 61, 62, 4], [60, 61, 62, 63]]),
        (ambitus(7, 12), [[60, 60, 60, 60], [60, 61, 61, 60], [60, 62, 65, 60], [60, 62, 67, 60]]),
        (ambitus(0, 5), [[1, 30, 60, 90], [60, 61, 90, 127], [60, 61, 62, 127], [60, 61, 62, 65]]),
        (contour("rising"), [[64, 63, 62, 61], [64, 62, 63, 61], [61, 64, 63, 62], [61, 62, 63, 64]]),
        (first_note("C"), [[66], [65], [62], [72]]),
        (last_note("C4"), [[127], [0], [72], [60]]),
    ],
    ids=lambda value: value.name if isinstance(value, Reward) else "",
)
def test_repairs_are_rewarded_one_by_one(reward: Reward, melodies: list[list[int]]) -> None:
    scores = [reward(Melody.from_notes((pitch, 64 * i, 64 * i + 4) for i, pitch in enumerate(row))) for row in melodies]
    assert scores == sorted(set(scores))
    assert scores[-1] == 1


# --------------------------------------------------------------- golden cases, legible


@pytest.mark.parametrize(
    ("bar", "share"),
    [
        ("x...x...x...x...", 0),
        ("x-------x-------", 0),
        ("x-----x---------", 1 / 2),  # Charleston: the "and" of 2 is held over beat 3
        ("x-----x-........", 1 / 2),  # and with a rest there instead
        (
            "x..x..x...x.x...",
            2 / 5,
        ),  # son clave: over beats 2 and 3; the "and" of 3 stops at beat 4, which has an onset
        ("....x...........", 1),  # a beat 2 before an empty beat 3
        (".x.x.x.x.x.x.x.x", 127 / 128),  # the last note ends with the melody
        ("xx.xx.xx.xx.xx.x", 3 / 11),  # over the "and" of 1, beat 3, and the "and" of 4
    ],
)
def test_syncopations_as_counted_by_hand(bar: str, share: float) -> None:
    melody = _of_bars(bar)
    assert syncopated_share(melody.notes) == pytest.approx(share)
    assert syncopation(share, share)(melody) == 1
    assert syncopation(1, 1)(melody) == pytest.approx(share)
    assert (syncopation(0, 0)(melody) == 1) == (share == 0)


def _of_bars(bar: str) -> Melody:
    """x begins a note, - and . after it hold or rest."""
    notes = []
    for start in range(0, STEPS, 16):
        for at in [index for index, sign in enumerate(bar) if sign == "x"]:
            held = re.match("-*", bar[at + 1 :])
            notes.append((60, start + at, start + at + 1 + (len(held[0]) if held else 0)))
    return Melody.from_notes(notes)


@pytest.mark.parametrize(
    ("typed", "pattern"),
    [
        ("x..x..x...x.x...", "x..x..x...x.x..."),
        ("X--X --X- | --X- X---", "x..x..x...x.x..."),
        ("1001001000101000", "x..x..x...x.x..."),
        ("x", "x" * 16),
        ("x.", "x." * 8),
        ("x..............." * 4, "x" + "." * 15),
        ("x..............." + "." * 16, "x" + "." * 31),
    ],
)
def test_rhythms_as_people_type_them(typed: str, pattern: str) -> None:
    assert rhythm(typed).name == f"rhythm(pattern={pattern})"


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *(("c", "C"), ("B", "B"), ("bb", "A#"), ("Cb", "B"), (" f# ", "F#"), ("c4", "C4"), ("Cb4", "B3")),
        *(("C-1", "C-1"), ("G9", "G9"), ("0", "C-1"), ("60", "C4"), ("127", "G9")),
    ],
)
def test_notes_as_people_type_them(typed: str, name: str) -> None:
    assert first_note(typed).name == f"first_note(pitch={name})"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: register(-1, 60), "lowest is in 0..127, not -1"),
        (lambda: register(60, 128), "highest is in 0..127, not 128"),
        (lambda: register(61, 60), "at least 61 and at most 60: swap"),
        (lambda: ambitus(13, 12), "swap the two"),
        (lambda: ambitus(0, 128), "most is in 0..127"),
        (lambda: leaps(-1), "largest is in 0..127, not -1"),
        (lambda: stepwise(1.1), "least is in 0..1, not 1.1"),
        (lambda: stepwise(float("nan")), "least is a number, not 'nan'"),
        (lambda: repeats(-0.1), "most is in 0..1"),
        (lambda: syncopation(0.5, 0.2), "swap the two"),
        (lambda: rests(0.1, 1.5), "most is in 0..1"),
        (lambda: longest_rest(256), "most is in 0..255"),
        (lambda: breaths(3), "phrases of 3 bars don't fill 16"),
        (lambda: breaths(0), "phrases of 0 bars"),
        (lambda: breaths(1, 16), "length is in 1..15"),
        (lambda: form("ABA"), "2, 4, 8 or 16 letters"),
        (lambda: form("A"), "2, 4, 8 or 16 letters"),
        (lambda: form("AAB1"), "'AAB1'"),
        (lambda: form("AÄBA"), "letters"),
        (lambda: form("x" * 500), r"\.\.\."),
        (lambda: form("AABA", likeness=0), "likeness is above 0"),
        (lambda: form("AABA", contrast=1.5), "contrast is above 0 and at most 1, not 1.5"),
        (lambda: contour("flat"), "rising or falling or arch or valley, not 'flat'"),  # type: ignore[arg-type]
        (lambda: contour("arch", 2), "least is in 0..1"),
        (lambda: first_note("H"), "not 'H'"),
        (lambda: last_note("128"), "not '128'"),
        (lambda: last_note("A9"), "the MIDI pitch of A9 is in 0..127, not 129"),
        (lambda: last_note("Cb-1"), "not -1"),
        (lambda: last_note(""), "a note is a name"),
        (lambda: last_length(0), "least is in 1..256"),
        (lambda: grid(0), "steps is in 1..16"),
        (lambda: grid(17), "steps is in 1..16"),
        (lambda: rhythm("x.x"), "'x.x'"),
        (lambda: rhythm("...."), "x where a note begins"),
        (lambda: rhythm("xox."), "'xox.'"),
        (lambda: rhythm(""), "not ''"),
        (lambda: rhythm("x" * 300), r"\.\.\."),
        (lambda: groove(2), "least is in 0..1"),
        (lambda: lengths(0, 4), "least is in 1..256"),
        (lambda: lengths(5, 4), "swap the two"),
        (lambda: in_scale("cmajr"), "nearest: cmaj"),
    ],
)
def test_parameters_that_make_no_sense(make: Callable[[], Reward], reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


# ------------------------------------------------------------------- MuSpy and jSymbolic


@pytest.fixture(scope="module")
def muspy() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip("muspy")
        return module


@pytest.fixture(scope="module")
def music21(muspy: ModuleType) -> ModuleType:
    module: ModuleType = pytest.importorskip("music21")
    return module


def real_enough(count: int) -> list[Melody]:
    """Melodies at random that end within bar 16, since MuSpy counts bars by the end of the last note."""
    return [melody for melody in Melody.unstack(anything(count, seed=3)) if 240 <= melody.notes[-1].end < 256]


def test_muspy_measures_the_same(muspy: ModuleType) -> None:
    melodies = real_enough(60)
    assert len(melodies) > 20
    for melody in melodies:
        notes = [muspy.Note(time=start, pitch=pitch, duration=end - start) for pitch, start, end in melody.notes]
        music = muspy.Music(resolution=4, tracks=[muspy.Track(notes=notes)])
        span = muspy.pitch_range(music)
        assert ambitus(span, span)(melody) == 1
        assert span == 127 or ambitus(span + 1, 127)(melody) == pytest.approx(span / (span + 1))
        assert variety(128, 1)(melody) == muspy.n_pitches_used(music) / 128
        consistency = muspy.groove_consistency(music, 16)
        assert groove(1)(melody) == pytest.approx(consistency)
        for mode in ("major", "minor"):
            assert in_scale(f"eb {mode}")(melody) == muspy.pitch_in_scale_rate(music, 3, mode)


def test_music21_s_jsymbolic_measures_the_same(music21: ModuleType) -> None:
    jsymbolic = import_module("music21.features.jSymbolic")
    for melody in real_enough(12):
        part = music21.stream.Part()
        for pitch, start, end in melody.notes:
            note = music21.note.Note(quarterLength=(end - start) / 4)
            note.pitch.ps = pitch
            part.insert(start / 4, note)
        steps = jsymbolic.StepwiseMotionFeature(part).extract().vector[0]
        same = jsymbolic.RepeatedNotesFeature(part).extract().vector[0]
        assert stepwise(1)(melody) == pytest.approx(steps)
        assert repeats(0)(melody) == pytest.approx(1 - same)
        assert jsymbolic.RangeFeature(part).extract().vector == [int(np.ptp(melody.pitches))]


# ---------------------------------------------------------------------------------- the list

DOCUMENT = Path(__file__).parent.parent / "docs" / "reference" / "rewards.md"
FUNCTIONS = sorted({re.split(r"\W", case.name)[0] for case in CASES} - {"pitch_classes"} | {"in_scale"})


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_has_a_type_a_default_and_a_row_in_the_documents(name: str) -> None:
    function = getattr(rewards, name)
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    for parameter in signature.parameters.values():
        assert parameter.default is not inspect.Parameter.empty
        kind = hints[parameter.name]
        assert kind in (int, float, str, bool) or get_origin(kind) in (Literal, tuple)
    arguments = ", ".join(f"{parameter.name}={parameter.default!r}" for parameter in signature.parameters.values())
    assert f"`{name}({arguments})`".replace("'", '"') in DOCUMENT.read_text("utf-8")
    assert isinstance(function(), Reward)
