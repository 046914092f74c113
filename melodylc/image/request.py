"""What is asked of pictures: labels or a rule, how many, of which model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from melodylc.data.errors import InputError
from melodylc.data.pictures.attributes import parse_label, parse_wanted
from melodylc.data.pictures.loading import Dataset, dataset
from melodylc.rewards import Rule, parse_reward
from melodylc.rewards.domains import PICTURES
from melodylc.rewards.isolation import SECONDS

DRAWS = 16  #: pictures that are made for one at most, until a classifier sees in it what was asked
MOST_PICTURES = 1000  #: of each label


@dataclass(frozen=True)
class PictureRequest:
    """A request for pictures, in the caller's own words."""

    data: str
    classes: tuple[str, ...]  #: digits, or classes of CIFAR-10
    attributes: tuple[str, ...]  #: of faces, such as "smiling" or "no-eyeglasses"
    count: int  #: pictures, of each class where several are named
    seed: int | None  #: None: a new one each time
    run: Path | None = None
    distance: float | None = None  #: None: the data set's default
    rewards: tuple[str, ...] = ()  #: rules on the picture, as typed
    actor: Path | None = None  #: fitted to a rule before; None: kept or fitted on the spot
    seconds: float = SECONDS  #: that a call of a user's rule may take
    verify: bool = True  #: whether pictures that the classifier takes for something else are made again
    draws: int = DRAWS  #: pictures that are made for one at most

    @classmethod
    def of(
        cls, data: str, labels: Sequence[str], count: int, seed: int | None, *, run: Path | None = None, **more: Any
    ) -> "PictureRequest":
        """The same of labels as they come, be they classes or attributes; raises as `dataset` does."""
        words, none = tuple(labels), ()
        classes, attributes = (words, none) if dataset(data, run).exclusive else (none, words)
        return cls(data, classes, attributes, count, seed, run, **more)

    @property
    def known(self) -> Dataset:
        """The data set; of somebody's own pictures, as the run knows it."""
        return dataset(self.data, self.run)

    @property
    def has_rule(self) -> bool:
        """Whether a rule is asked for, instead of labels."""
        return bool(self.rewards or self.actor)

    @property
    def label_values(self) -> list[Mapping[int, bool]]:
        """What each row of pictures should have, label number to whether it is there.

        Raises:
            InputError: an unknown label, one of another kind, or two that contradict each other.
        """
        known = self.known
        if known.exclusive and self.attributes:
            raise InputError(f"{self.data} has classes, not attributes: {', '.join(known.names)}")
        if not known.exclusive and self.classes:
            raise InputError(f"{self.data} has attributes, not classes: use --attr with {', '.join(known.names)}")
        if known.exclusive and self.classes:
            return [self._one_class(class_number(known, text)) for text in self.classes]
        return [parse_wanted(self.attributes, known.names)]

    @property
    def words(self) -> tuple[str, ...]:
        """What is asked, in the caller's words."""
        return (*self.classes, *self.attributes, *self.rewards, *((self.actor.stem,) if self.actor else ()))

    def check(self) -> None:
        """Refuse what can't be done before any work.

        Raises:
            InputError: an unknown label, a number that makes no sense, or labels and rules at once.
        """
        if not 1 <= self.count <= MOST_PICTURES:
            raise InputError(f"1 to {MOST_PICTURES} pictures of a label can be asked for, not {self.count}")
        if self.draws < 1:
            raise InputError(f"a picture takes 1 draw or more, not {self.draws}")
        if self.has_rule and (self.classes or self.attributes):
            raise InputError("a picture obeys a rule or has labels, not both: leave out one or the other")
        if self.rewards and self.actor:
            raise InputError("--actor brings its own rule: leave out --reward")
        _ = self.label_values

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a sheet's metadata."""
        return {
            "dataset": self.data,
            "classes": list(self.classes),
            "attributes": list(self.attributes),
            "count": self.count,
            "seed": self.seed,
            "run": None if self.run is None else self.run.name,
            "distance": self.distance,
            "reward": list(self.rewards),
            "actor": None if self.actor is None else self.actor.name,
            "verify": self.verify,
            "draws": self.draws,
        }

    def _one_class(self, number: int) -> Mapping[int, bool]:
        return {label: label == number for label in range(len(self.known.names))}


def class_number(data: Dataset, text: str) -> int:
    """The number of the class that somebody typed.

    Raises:
        InputError: the data set has no such class.

    >>> class_number(dataset("cifar10"), "dog")
    5
    """
    try:
        label, value = parse_label(text, data.names)
    except InputError:
        raise InputError(f"{data.name} has no class {text!r}: choose from {', '.join(data.names)}") from None
    if not value:
        raise InputError(f"a picture of {data.name} has one class: name it, instead of {text!r}")
    return label


def picture_rule(texts: Sequence[str], seconds: float = SECONDS) -> Rule:
    """The rule that somebody typed.

    Raises:
        InputError: one that can't be loaded, or that judges something else.
    """
    rule = Rule(tuple(parse_reward(text, seconds=seconds) for text in texts))
    if rule.domain != PICTURES:
        raise InputError(f'{rule.names[0]} judges {rule.domain}; a rule on pictures says @reward(domain="{PICTURES}")')
    return rule
