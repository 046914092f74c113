"""Melodies that are written in another key than the one they were made and checked in.

`--transpose` moves a melody, and with it the scales and chords that were asked for: C major up two semitones is D
major. Densities and variety don't hear the difference. A reward of the user's might, which is tried out on melodies
that people wrote.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from melodylc.data.alphabet import HOLD, PITCHES
from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.rewards import Chords, Density, Reward, Rule, pitch_classes, tonic
from melodylc.rewards.panel import real_melodies
from melodylc.rewards.pitch import PitchClasses, Tonic
from melodylc.rewards.variety import Variety

if TYPE_CHECKING:
    from melodylc.constraints.request import Request

_FURTHEST = 24  # semitones that most of the panel can be moved by


def check_transposable(request: "Request", semitones: int) -> None:
    """Make sure that what is asked says the same of a melody and of its transposition, but for the scales.

    Raises:
        InputError: a reward doesn't, of one of 64 melodies at least; or a range is asked.
    """
    if request.pitch_range and semitones:
        raise InputError(f"--transpose {semitones} would move the melodies out of --range: leave one of them out")
    rewards = request.rewards
    if not rewards or not semitones:
        return
    before, after = _panel(semitones)
    for one in rewards:
        if not np.array_equal(one.reward.raw.batch(before), one.reward.raw.batch(after)):
            raise InputError(
                f"{one.text} judges pitches, and --transpose {semitones} would move the melodies away from it: "
                "leave one of them out"
            )


def check_transposed(request: "Request", melodies: Sequence[Melody], semitones: int) -> None:
    """Make sure that what a request's rule says of melodies, the transposed rule says of them transposed.

    Raises:
        InputError: it doesn't, or a note leaves 0..127.
    """
    if not semitones or not melodies or request.rule is None:
        return
    chords = None if request.chords is None else request.chords.transposed(semitones)
    scales = tuple(scale.transposed(semitones) for scale in request.scales)
    moved = replace(request, scales=scales, chords=chords).rule
    after = Melody.stack(melody.transposed(semitones) for melody in melodies)
    if moved is not None and not np.array_equal(request.rule.scores(Melody.stack(melodies)), moved.scores(after)):
        raise InputError(f"--transpose {semitones} changes what {request.rule.identity} says: leave it out")


def transposed_rule(rule: Rule, semitones: int) -> Rule | None:
    """The rule that says of transposed melodies what this one says of melodies; None where a part is of unknown kind.

    >>> from melodylc.rewards import density, pitch_classes, tonic
    >>> transposed_rule(Rule((pitch_classes([0, 4, 7]), tonic(0), density(64))), 2).identity
    'density(64..) & pitch_classes(2,6,9) & tonic(2)'
    """
    parts = [_transposed_reward(part, semitones) for part in rule.parts]
    known = tuple(part for part in parts if part is not None)
    return Rule(known) if len(known) == len(parts) else None


def _transposed_reward(reward: Reward, semitones: int) -> Reward | None:
    match reward:
        case PitchClasses():
            return pitch_classes((it + semitones) % 12 for it in reward.classes)
        case Tonic():
            return tonic((reward.pitch_class + semitones) % 12)
        case Chords():
            return replace(reward, progression=reward.progression.transposed(semitones))
        case Density() | Variety():
            return reward
    return None


def _panel(semitones: int) -> tuple[Events, Events]:
    """Melodies that people wrote and the same, transposed: so far, or by octaves less."""
    while abs(semitones) > _FURTHEST:
        semitones -= 12 if semitones > 0 else -12
    melodies = real_melodies().astype(np.int64)
    notes = melodies < HOLD
    moved = np.where(notes, melodies + semitones, melodies)
    fits = ~(notes & ((moved < 0) | (moved >= PITCHES))).any(axis=1)
    return melodies[fits].astype(np.uint8), moved[fits].astype(np.uint8)
