"""A rule: rewards that must all be exactly 1, the parts of what is asked."""

from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.rewards.base import Events, Reward, Scores, common_domain
from melodylc.rewards.domains import domain


@dataclass(frozen=True)
class Rule:
    """Rewards that must all be exactly 1, in order, each once.

    Args:
        parts: one reward or more of one domain; a product counts as its factors, and one given twice counts once.

    Raises:
        InputError: no reward at all, rewards of several domains, or two that exclude each other.

    >>> Rule(())
    Traceback (most recent call last):
    melodylc.data.errors.InputError: a rule needs at least one reward
    >>> from melodylc.rewards import density, tonic
    >>> Rule((density(16) & 0.5 * tonic(0),)).names
    ('0.5*tonic(0)', 'density(16..)')
    """

    parts: tuple[Reward, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise InputError("a rule needs at least one reward")
        common_domain(self.parts)
        factors = {factor.name: factor for part in self.parts for factor in part.factors}
        object.__setattr__(self, "parts", tuple(factors.values()))
        for one, other in permutations(self.parts, 2):
            if clash := one.raw.clash(other.raw):
                raise InputError(f"{clash}: leave one of them out")

    @property
    def domain(self) -> str:
        """What it judges."""
        return self.parts[0].domain

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
        """Each part's raw reward of one melody: without weights, which steer fitting alone."""
        return tuple(part.raw(melody) for part in self.parts)

    def scores(self, events: Events) -> Scores:
        """Each part's raw reward of each melody: shape (n, 256) to (n, parts).

        Raises:
            InputError: rows that aren't 256 events.
        """
        return self._columns([part.raw for part in self.parts], events)

    def graded(self, events: Events) -> Scores:
        """As `scores`, but with the weights: what fitting is given. Both are 1, or 0, at the same places."""
        return self._columns(list(self.parts), events)

    def satisfied(self, events: Events) -> npt.NDArray[np.bool_]:
        """Where all parts are exactly 1: shape (n, 256) to (n,)."""
        satisfied: npt.NDArray[np.bool_] = (self.scores(events) == 1).all(axis=1)
        return satisfied

    def _columns(self, parts: list[Reward], events: Events) -> Scores:
        events = domain(self.domain).checked(events)
        return np.stack([part.batch(events) for part in parts], axis=1)
