"""What a reward is, and how several make a rule.

A reward c maps a melody x to c(x) in [0, 1] and needs no gradient; x *satisfies* it when c(x) is exactly 1.
A rule is several rewards, its parts, and is satisfied when each of them is (Engel, Hoffman and Roberts,
"Latent Constraints", 2018, section 6).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from melodylc.data.alphabet import checked
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody

Events = npt.NDArray[np.uint8]
"""Canonical events, one melody a row, shape (n, 256)."""

Scores = npt.NDArray[np.float64]
"""Rewards in [0, 1]."""


class Reward(ABC):
    """A pure function of a melody with values in [0, 1].

    Equal rewards have equal names, so a name with its parameters identifies what was learnt from it.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """A stable spelling with all parameters, such as "density(64..128)"."""

    @abstractmethod
    def __call__(self, melody: Melody) -> float:
        """The reward of one melody, in [0, 1]."""

    def batch(self, events: Events) -> Scores:
        """The rewards of many melodies at once: `events` has shape (n, 256), the result (n,)."""
        return np.array([self(melody) for melody in Melody.unstack(events)], dtype=np.float64)


@dataclass(frozen=True)
class Rule:
    """Rewards that must all be exactly 1, in order, each once.

    Args:
        parts: one reward or more; one given twice counts once.

    Raises:
        InputError: no reward at all.

    >>> Rule(())
    Traceback (most recent call last):
    melodylc.data.errors.InputError: a rule needs at least one reward
    """

    parts: tuple[Reward, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError("a rule needs at least one reward")
        object.__setattr__(self, "parts", tuple({part.name: part for part in self.parts}.values()))

    @property
    def names(self) -> tuple[str, ...]:
        """The parts' names, in the order of the columns of `scores`."""
        return tuple(part.name for part in self.parts)

    @property
    def identity(self) -> str:
        """One string for what the rule asks, whatever the order of its parts.

        >>> from melodylc.rewards import density, tonic
        >>> Rule((tonic(0), density(16, 64))).identity
        'density(16..64) & tonic(0)'
        """
        return " & ".join(sorted(self.names))

    def __call__(self, melody: Melody) -> tuple[float, ...]:
        """Each part's reward of one melody."""
        return tuple(part(melody) for part in self.parts)

    def scores(self, events: Events) -> Scores:
        """Each part's reward of each melody: shape (n, 256) to (n, parts).

        Raises:
            InputError: rows that aren't 256 events.
        """
        events = checked(events)
        return np.stack([part.batch(events) for part in self.parts], axis=1)

    def satisfied(self, events: Events) -> npt.NDArray[np.bool_]:
        """Where all parts are exactly 1: shape (n, 256) to (n,)."""
        satisfied: npt.NDArray[np.bool_] = (self.scores(events) == 1).all(axis=1)
        return satisfied
