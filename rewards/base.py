"""What a reward is, how rewards combine, and the rule that several make.

A reward c maps a melody x to c(x) in [0, 1] and needs no gradient; x *satisfies* it when c(x) is exactly 1
(Engel, Hoffman and Roberts, "Latent Constraints", 2018, section 6). Rewards make rewards:

    (a & b)(x) = a(x) * b(x)        (a | b)(x) = max(a(x), b(x))        (~a)(x) = 1 - a(x)
    (w * a)(x) = a(x) ** w          w > 0, a weight: it steers fitting and changes neither 0 nor 1
    at_least(a, s)(x) = min(1, a(x) / s)        0 < s <= 1, a share that is enough

so a & b is satisfied where both are, a | b where one is, ~a where a is 0. Floating point would blur that: 1 - 1e-300
is 1, and so is (1 - 1e-16) ** 0.5. Each result is therefore kept off 0 and 1 where it isn't truly there.

A reward has three texts: `name`, which identifies it with all its parameters; `label`, short words for a table ("in C
minor"); and `sentence`, what it asks in plain English ("every note is in C minor").
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import permutations
from math import inf
from typing import Any

import numpy as np
import numpy.typing as npt

from melodylc.data.arrays import Events
from melodylc.data.errors import InputError
from melodylc.data.melody import Melody
from melodylc.rewards.domains import MELODIES, domain

Scores = npt.NDArray[np.float64]
"""Rewards in [0, 1]."""

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
    def cacheable(self) -> bool:
        """Whether `name` means the same in every process, so that what was learnt may be kept in a file."""
        return True

    @property
    def sentence(self) -> str:
        """What it asks, in plain English, without a capital or a full stop."""
        return self.name.partition("@")[0]

    @property
    def label(self) -> str:
        """A few words for a table's head."""
        return self.name.partition("@")[0]

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

    def in_bar(self, bar: int) -> "Reward":
        """What it asks of one bar, 0..15, as a reward of that bar sixteen times over: mostly itself."""
        return self

    def __and__(self, other: "Reward") -> "Reward":
        """The product; of equal rewards, one."""
        return _join(Product, (*self.factors, *other.factors)) if isinstance(other, Reward) else NotImplemented

    def __or__(self, other: "Reward") -> "Reward":
        """The maximum."""
        return _join(Maximum, (*_choices(self), *_choices(other))) if isinstance(other, Reward) else NotImplemented

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
        return _weigh(check_weight(float(weight)), self)

    __rmul__ = __mul__

    def __bool__(self) -> bool:
        """Refused: `a and b` would drop `a` in silence.

        Raises:
            InputError: always.
        """
        raise InputError(_NO_TRUTH)


_NO_TRUTH = "a reward is neither true nor false: join rewards with &, | and ~, not with and, or and not"


@dataclass(frozen=True)
class _Combination(Reward):
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

    @property
    def cacheable(self) -> bool:
        """Whether all parts are."""
        return all(reward.cacheable for reward in self.rewards)

    def in_bar(self, bar: int) -> Reward:
        """The same combination of what each asks of the bar."""
        return _join(type(self), tuple(reward.in_bar(bar) for reward in self.rewards))

    @abstractmethod
    def _combine(self, values: Scores) -> Scores:
        """The result from the parts' values, shape (parts, n) to (n,)."""


@dataclass(frozen=True)
class Product(_Combination):
    """a & b: the product, satisfied where all are."""

    @property
    def name(self) -> str:
        """Such as "(density(64..) & tonic(0))"."""
        return f"({' & '.join(reward.name for reward in self.rewards)})"

    @property
    def sentence(self) -> str:
        """Such as "at least 64 notes, and it ends on C"."""
        return ", and ".join(_bracket(reward.sentence, isinstance(reward, Maximum)) for reward in self.rewards)

    @property
    def label(self) -> str:
        """Such as "64 notes or more and ends on C"."""
        return " and ".join(_bracket(reward.label, isinstance(reward, Maximum)) for reward in self.rewards)

    @property
    def raw(self) -> Reward:
        """The product of the raw rewards."""
        return _join(Product, tuple(reward.raw for reward in self.rewards))

    @property
    def factors(self) -> tuple[Reward, ...]:
        """The rewards multiplied."""
        return self.rewards

    def _combine(self, values: Scores) -> Scores:
        return _clamp(values.prod(axis=0), none=(values == 0).any(axis=0), full=(values == 1).all(axis=0))


@dataclass(frozen=True)
class Maximum(_Combination):
    """a | b: the maximum, satisfied where one is."""

    @property
    def name(self) -> str:
        """Such as "(density(64..) | tonic(0))"."""
        return f"({' | '.join(reward.name for reward in self.rewards)})"

    @property
    def sentence(self) -> str:
        """Such as "at least 64 notes, or it ends on C"."""
        return ", or ".join(_bracket(reward.sentence, isinstance(reward, Product)) for reward in self.rewards)

    @property
    def label(self) -> str:
        """Such as "64 notes or more or ends on C"."""
        return " or ".join(_bracket(reward.label, isinstance(reward, Product)) for reward in self.rewards)

    @property
    def raw(self) -> Reward:
        """The maximum of the raw rewards."""
        return _join(Maximum, tuple(reward.raw for reward in self.rewards))

    def _combine(self, values: Scores) -> Scores:
        best: Scores = values.max(axis=0)
        return best


@dataclass(frozen=True)
class _Modification(Reward):
    """A function of one reward's value."""

    reward: Reward

    def __call__(self, melody: Melody) -> float:
        return float(self._modify(np.array([self.reward(melody)]))[0])

    def batch(self, events: Events) -> Scores:
        """As the call, for each row: shape (n, 256) to (n,)."""
        return self._modify(self.reward.batch(events))

    @property
    def domain(self) -> str:
        return self.reward.domain

    @property
    def cacheable(self) -> bool:
        """Whether the reward is."""
        return self.reward.cacheable

    def in_bar(self, bar: int) -> Reward:
        """The same function of what the reward asks of the bar."""
        return replace(self, reward=self.reward.in_bar(bar))

    @abstractmethod
    def _modify(self, values: Scores) -> Scores:
        """The result from the reward's values, shape (n,) to (n,)."""


@dataclass(frozen=True)
class Complement(_Modification):
    """~a: 1 - a, satisfied where a is 0."""

    @property
    def name(self) -> str:
        """Such as "~tonic(0)"."""
        inner = self.reward.name
        return f"~({inner})" if isinstance(self.reward, Power) else f"~{inner}"

    @property
    def sentence(self) -> str:
        """Such as "not at all: it ends on C"; what a score of 0 of the reward means."""
        return f"not at all: {self.reward.sentence}"

    @property
    def label(self) -> str:
        """Such as "not (ends on C)"."""
        return f"not ({self.reward.label})"

    @property
    def raw(self) -> Reward:
        """The complement of the raw reward."""
        return ~self.reward.raw

    def clash(self, other: Reward) -> str | None:
        """What it is the complement of."""
        return f"nothing satisfies {other.name} and {self.name} at once" if other == self.reward else None

    def __invert__(self) -> Reward:
        return self.reward

    def _modify(self, values: Scores) -> Scores:
        return _clamp(1 - values, none=values == 1, full=values == 0)


@dataclass(frozen=True)
class Power(_Modification):
    """w * a: a to the power w, satisfied where a is."""

    weight: float

    @property
    def name(self) -> str:
        """Such as "0.5*tonic(0)"."""
        return f"{str(self.weight).removesuffix('.0')}*{self.reward.name}"

    @property
    def sentence(self) -> str:
        """The reward's: a weight changes nothing of what is asked."""
        return self.reward.sentence

    @property
    def label(self) -> str:
        """The reward's."""
        return self.reward.label

    @property
    def raw(self) -> Reward:
        """The reward without this weight or others."""
        return self.reward.raw

    def _modify(self, values: Scores) -> Scores:
        with np.errstate(under="ignore"):
            return _clamp(values**self.weight, none=values == 0, full=values == 1)


@dataclass(frozen=True)
class AtLeast(_Modification):
    """A reward that is satisfied from a share on; see `at_least`."""

    share: float

    @property
    def name(self) -> str:
        """Such as "at_least(0.95, pitch_classes(0,2,4,5,7,9,11))"."""
        return f"at_least({self.share}, {self.reward.name})"

    @property
    def sentence(self) -> str:
        """Such as "to at least 95 %: every note is in C major"."""
        return f"to at least {100 * self.share:g} %: {self.reward.sentence}"

    @property
    def label(self) -> str:
        """Such as "95 % in C major"."""
        return f"{100 * self.share:g} % {_bracket(self.reward.label, isinstance(self.reward, _Combination))}"

    def _modify(self, values: Scores) -> Scores:
        return _clamp(values / self.share, none=values == 0, full=values >= self.share)


def at_least(reward: Reward, share: float) -> Reward:
    """min(1, c / share), in [0, 1], for a reward c: satisfied where c is `share` or more.

    A weight of the whole stays outside, `at_least(2 * a, s)` being `2 * at_least(a, s)`; weights within are dropped,
    since they would change what is satisfied.

    Args:
        reward: any reward; one that is a share of notes or bars makes the plainest sentence.
        share: what is enough, above 0 and at most 1; 1 is the reward itself.

    Raises:
        InputError: something else than a reward, or a share out of range.

    >>> from melodylc.rewards import pitch_classes
    >>> mostly = at_least(pitch_classes([0, 2, 4, 5, 7, 9, 11]), 0.5)
    >>> mostly(Melody.from_notes([(60, 0, 4), (61, 4, 8)])), mostly(Melody.from_notes([(61, 0, 4)]))
    (1.0, 0.0)
    """
    if not isinstance(reward, Reward):
        raise InputError(f"at_least takes a reward and a share, such as at_least(tonic(0), 0.5), not {reward!r:.40}")
    if not isinstance(share, int | float | np.integer | np.floating) or isinstance(share, bool) or not 0 < share <= 1:
        raise InputError(f"at_least is a share above 0 and at most 1, not {share!r:.40}")
    if isinstance(reward, Power):
        return _weigh(reward.weight, at_least(reward.reward, share))
    return reward if share == 1 else AtLeast(reward.raw, float(share))


@dataclass(frozen=True)
class Rule:
    """Rewards that must all be exactly 1, in order, each once.

    `scores` and `graded` take many melodies, whole or unfinished, in one call: each part sees them as one batch.

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

    @property
    def cacheable(self) -> bool:
        """Whether `identity` means the same in every process; see `Reward.cacheable`."""
        return all(part.cacheable for part in self.parts)

    @property
    def sentence(self) -> str:
        """What it asks, in plain English.

        >>> from melodylc.rewards import density, tonic
        >>> Rule((tonic(0), density(16, 64))).sentence
        'the last note is C, and it has 16 to 64 notes'
        """
        return ", and ".join(_bracket(part.sentence, isinstance(part.raw, Maximum)) for part in self.parts)

    @property
    def labels(self) -> tuple[str, ...]:
        """The parts' labels, in the order of the columns of `scores`."""
        return tuple(part.label for part in self.parts)

    def __bool__(self) -> bool:
        """Refused, as of a reward.

        Raises:
            InputError: always.
        """
        raise InputError(_NO_TRUTH)

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


def check_weight(weight: float) -> float:
    """A weight, if it is one.

    Raises:
        InputError: it is zero, negative, infinite or not a number.

    >>> check_weight(-0.5)
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


def _weigh(weight: float, reward: Reward) -> Reward:
    """Weights multiply, and the weight of a product is that of each factor: as powers do."""
    if isinstance(reward, Product):
        return _join(Product, tuple(_weigh(weight, factor) for factor in reward.rewards))
    if isinstance(reward, Power):
        return _weigh(check_weight(weight * reward.weight), reward.reward)
    return reward if weight == 1 else Power(reward, weight)


def _choices(reward: Reward) -> tuple[Reward, ...]:
    return reward.rewards if isinstance(reward, Maximum) else (reward,)


def _join(kind: type[_Combination], rewards: tuple[Reward, ...]) -> Reward:
    """Rewards joined, whatever their order, each once: so that equal combinations have equal names."""
    names = {reward.name: reward for reward in rewards}
    ordered = tuple(names[name] for name in sorted(names))
    return kind(ordered) if len(ordered) > 1 else ordered[0]


def _bracket(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def _clamp(values: Scores, *, none: npt.NDArray[np.bool_], full: npt.NDArray[np.bool_]) -> Scores:
    """Values with 0 where `none` and 1 where `full`, and there only."""
    clamped: Scores = np.where(none, 0.0, np.where(full, 1.0, np.clip(values, _LEAST, _MOST)))
    return clamped
