"""Rewards: what a melody can be asked for, as pure functions of the melody with values in [0, 1].

A reward of exactly 1 is *satisfied*; anything less says how near the melody comes.

>>> from melodylc.data import Melody
>>> rule = Rule((pitch_classes({0, 2, 4, 5, 7, 9, 11}), density(2)))
>>> rule(Melody.from_notes([(60, 0, 4), (61, 4, 8)]))
(0.5, 1.0)
"""

from melodylc.rewards.base import Events, Reward, Scores
from melodylc.rewards.density import Density, density, parse_density
from melodylc.rewards.function import FunctionReward, reward
from melodylc.rewards.pitch import PitchClasses, Tonic, pitch_classes, tonic
from melodylc.rewards.rule import Rule
from melodylc.rewards.specs import parse_reward
from melodylc.rewards.variety import Variety, variety

__all__ = [
    "Density",
    "Events",
    "FunctionReward",
    "PitchClasses",
    "Reward",
    "Rule",
    "Scores",
    "Tonic",
    "Variety",
    "density",
    "parse_density",
    "parse_reward",
    "pitch_classes",
    "reward",
    "tonic",
    "variety",
]
