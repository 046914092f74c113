"""Rewards: what a melody can be asked for, as pure functions of the melody with values in [0, 1].

A reward of exactly 1 is *satisfied*; anything less says how near the melody comes.

>>> from melodylc.data import Melody
>>> rule = Rule((pitch_classes({0, 2, 4, 5, 7, 9, 11}), density(2)))
>>> rule(Melody.from_notes([(60, 0, 4), (61, 4, 8)]))
(0.5, 1.0)
"""

from melodylc.data.arrays import Events
from melodylc.rewards.ambitus import ambitus, register
from melodylc.rewards.base import Reward, Rule, Scores, at_least
from melodylc.rewards.chords import Chords, chords
from melodylc.rewards.contour import contour
from melodylc.rewards.density import Density, density, parse_density
from melodylc.rewards.ends import first_note, last_length, last_note
from melodylc.rewards.form import Form, form
from melodylc.rewards.function import FunctionReward, reward
from melodylc.rewards.intervals import leaps, repeats, stepwise
from melodylc.rewards.motif import Motif, motif
from melodylc.rewards.pitch import PitchClasses, Tonic, in_scale, pitch_classes, tonic
from melodylc.rewards.rests import breaths, longest_rest, rests
from melodylc.rewards.rhythm import grid, groove, lengths, rhythm
from melodylc.rewards.specs import parse_reward
from melodylc.rewards.syncopation import syncopation
from melodylc.rewards.variety import Variety, variety

__all__ = [
    "Chords",
    "Density",
    "Events",
    "Form",
    "FunctionReward",
    "Motif",
    "PitchClasses",
    "Reward",
    "Rule",
    "Scores",
    "Tonic",
    "Variety",
    "ambitus",
    "at_least",
    "breaths",
    "chords",
    "contour",
    "density",
    "first_note",
    "form",
    "grid",
    "groove",
    "in_scale",
    "last_length",
    "last_note",
    "leaps",
    "lengths",
    "longest_rest",
    "motif",
    "parse_density",
    "parse_reward",
    "pitch_classes",
    "register",
    "repeats",
    "rests",
    "reward",
    "rhythm",
    "stepwise",
    "syncopation",
    "tonic",
    "variety",
]
