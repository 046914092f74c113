"""What a reward is, and how rewards combine.

A reward c maps a melody x to c(x) in [0, 1] and needs no gradient; x *satisfies* it when c(x) is exactly 1
(Engel, Hoffman and Roberts, "Latent Constraints", 2018, section 6). Rewards make rewards:

    (a & b)(x) = a(x) * b(x)        (a | b)(x) = max(a(x), b(x))        (~a)(x) = 1 - a(x)
    (w * a)(x) = a(x) ** w          w > 0, a weight: it steers fitting and changes neither 0 nor 1

so a & b is satisfied where both are, a | b where one is, ~a where a is 0. Floating point would blur that: 1 - 1e-300
is 1, and so is (1 - 1e-16) ** 0.5. Each result is therefore kept off 0 and 1 where it isn't truly there.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.errors import InputError
from melodylc.data.melody import Melody

Events = npt.NDArray[np.uint8]
"""Canonical events, one melody a row, shape (n, 256)."""

Scores = npt.NDArray[np.float64]
"""Rewards in [0, 1]."""

MELODIES = "melodies"  #: the domain of rewards that say nothing else
PICTURES = "pictures"  #: that of rewards that are given a `melodylc.data.pictures.picture.Picture`

_LEAST = float(np.finfo(np.float64).tiny)
_MOST = float(np.nextafter(1.0, 0.0))


class Reward(ABC):
    """A pure function of a melody with values in [0, 1].

    Equal rewards have equal names, so a name with its parameters identifies what was learnt from it.

    >>> from melodylc.rewards import density, tonic
    >>> (0.5 * density(64) & ~tonic(0)).name
    '(0.5*density(64..) & ~tonic(0))'
    """

    __array_ufunc__ = None  # a weight of numpy's makes a reward, not an array of rewards

    @property
    @abstractmethod
    def name(self) -> str:
        """A stable spelling with all parameters, such as "density(64..128)"."""

    @abstractmethod
    def __call__(self, melody: Melody, /) -> float:
        """The reward of one melody, in [0, 1]."""

    def batch(self, events: Events) -> Scores:
        """The rewards of many melodies at once: `events` has shape (n, 256), the result (n,)."""
        return np.array([self(melody) for melody in Melody.unstack(events)], dtype=np.float64)

    @property
    def domain(self) -> str:
        """What it judges; see `melodylc.rewards.domains`."""
        return MELODIES

    @property
    def raw(self) -> "Reward":
        """The same without its weights: 1 where this is 1, 0 where this is 0."""
        return self

    @property
    def factors(self) -> tuple["Reward", ...]:
        """The rewards whose product it is: itself alone, unless it was made with `&`."""
        return (self,)

    def clash(self, other: "Reward") -> str | None:
        """Why nothing satisfies this and another reward at once, where that can be known beforehand."""
        return None

    def __and__(self, other: "Reward") -> "Reward":
        """The product; of equal rewards, one."""
        return _joined(Product, (*self.factors, *other.factors)) if isinstance(other, Reward) else NotImplemented

    def __or__(self, other: "Reward") -> "Reward":
        """The maximum."""
        return _joined(Maximum, (*_choices(self), *_choices(other))) if isinstance(other, Reward) else NotImplemented

    def __invert__(self) -> "Reward":
        """1 - a."""
        return Complement(self)

    def __mul__(self, weight: "float | np.integer[Any] | np.floating[Any]") -> "Reward":
        """a to the power of a weight.

        Raises:
            InputError: a weight that isn't a positive number.
        """
        if not isinstance(weight, int | float | np.integer | np.floating) or isinstance(weight, bool):
            return NotImplemented
        return _weighted(checked_weight(float(weight)), self)

    __rmul__ = __mul__


@dataclass(frozen=True)
class _Combined(Reward):
    """Rewards of one domain, two or more, each once, in the order of their names."""

    rewards: tuple[Reward, ...]

    def __post_init__(self) -> None:
        common_domain(self.rewards)

    def __call__(self, melody: Melody) -> float:
        return float(self._combine(np.array([[reward(melody)] for reward in self.rewards]))[0])

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        return self._combine(np.stack([reward.batch(events) for reward in self.rewards]))

    @property
    def domain(self) -> str:
        return self.rewards[0].domain

    @abstractmethod
    def _combine(self, values: Scores) -> Scores:
        """The result from the parts' values, shape (parts, n) to (n,)."""


@dataclass(frozen=True)
class Product(_Combined):
    """a & b: the product, satisfied where all are."""

    @property
    def name(self) -> str:
        """Such as "(density(64..) & tonic(0))"."""
        return f"({' & '.join(reward.name for reward in self.rewards)})"

    @property
    def raw(self) -> Reward:
        """The product of the raw rewards."""
        return _joined(Product, tuple(reward.raw for reward in self.rewards))

    @property
    def factors(self) -> tuple[Reward, ...]:
        """The rewards multiplied."""
        return self.rewards

    def _combine(self, values: Scores) -> Scores:
        return _kept(values.prod(axis=0), none=(values == 0).any(axis=0), full=(values == 1).all(axis=0))


@dataclass(frozen=True)
class Maximum(_Combined):
    """a | b: the maximum, satisfied where one is."""

    @property
    def name(self) -> str:
        """Such as "(density(64..) | tonic(0))"."""
        return f"({' | '.join(reward.name for reward in self.rewards)})"

    @property
    def raw(self) -> Reward:
        """The maximum of the raw rewards."""
        return _joined(Maximum, tuple(reward.raw for reward in self.rewards))

    def _combine(self, values: Scores) -> Scores:
        best: Scores = values.max(axis=0)
        return best


@dataclass(frozen=True)
class Complement(Reward):
    """~a: 1 - a, satisfied where a is 0."""

    reward: Reward

    @property
    def name(self) -> str:
        """Such as "~tonic(0)"."""
        inner = self.reward.name
        return f"~({inner})" if isinstance(self.reward, Power) else f"~{inner}"

    def __call__(self, melody: Melody) -> float:
        return float(self._flip(np.array([self.reward(melody)]))[0])

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        return self._flip(self.reward.batch(events))

    @property
    def domain(self) -> str:
        return self.reward.domain

    @property
    def raw(self) -> Reward:
        """The complement of the raw reward."""
        return ~self.reward.raw

    def clash(self, other: Reward) -> str | None:
        """What it is the complement of."""
        return f"nothing satisfies {other.name} and {self.name} at once" if other == self.reward else None

    def __invert__(self) -> Reward:
        return self.reward

    def _flip(self, values: Scores) -> Scores:
        return _kept(1 - values, none=values == 1, full=values == 0)


@dataclass(frozen=True)
class Power(Reward):
    """w * a: a to the power w, satisfied where a is."""

    weight: float
    reward: Reward

    @property
    def name(self) -> str:
        """Such as "0.5*tonic(0)"."""
        return f"{str(self.weight).removesuffix('.0')}*{self.reward.name}"

    def __call__(self, melody: Melody) -> float:
        return float(self._raise(np.array([self.reward(melody)]))[0])

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        return self._raise(self.reward.batch(events))

    @property
    def domain(self) -> str:
        return self.reward.domain

    @property
    def raw(self) -> Reward:
        """The reward without this weight or others."""
        return self.reward.raw

    def _raise(self, values: Scores) -> Scores:
        with np.errstate(under="ignore"):
            return _kept(values**self.weight, none=values == 0, full=values == 1)


def checked_weight(weight: float) -> float:
    """A weight, if it is one.

    Raises:
        InputError: it is zero, negative, infinite or not a number.

    >>> checked_weight(-0.5)
    Traceback (most recent call last):
    melodylc.data.errors.InputError: a weight is a positive number, not -0.5
    """
    if not 0 < weight < inf:
        raise InputError(f"a weight is a positive number, not {weight:g}")
    return weight


def common_domain(rewards: Iterable[Reward]) -> str:
    """The one domain of some rewards.

    Raises:
        InputError: they judge different things.
    """
    domains = {reward.domain: reward.name for reward in rewards}
    if len(domains) > 1:
        (one, first), (other, second) = list(domains.items())[:2]
        raise InputError(f"{first} judges {one} and {second} judges {other}: rewards of one domain go together")
    return next(iter(domains))


def _weighted(weight: float, reward: Reward) -> Reward:
    """Weights multiply, and the weight of a product is that of each factor: as powers do."""
    if isinstance(reward, Product):
        return _joined(Product, tuple(_weighted(weight, factor) for factor in reward.rewards))
    if isinstance(reward, Power):
        return _weighted(checked_weight(weight * reward.weight), reward.reward)
    return reward if weight == 1 else Power(weight, reward)


def _choices(reward: Reward) -> tuple[Reward, ...]:
    return reward.rewards if isinstance(reward, Maximum) else (reward,)


def _joined(kind: type[_Combined], rewards: tuple[Reward, ...]) -> Reward:
    """Rewards joined, whatever their order, each once: so that equal combinations have equal names."""
    names = {reward.name: reward for reward in rewards}
    ordered = tuple(names[name] for name in sorted(names))
    return kind(ordered) if len(ordered) > 1 else ordered[0]


def _kept(values: Scores, *, none: npt.NDArray[np.bool_], full: npt.NDArray[np.bool_]) -> Scores:
    """Values with 0 where `none` and 1 where `full`, and there only."""
    kept: Scores = np.where(none, 0.0, np.where(full, 1.0, np.clip(values, _LEAST, _MOST)))
    return kept
