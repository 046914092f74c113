"""What a user asks for: of a melody (a request), and of a whole run (an order). No torch in here."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from melodylc.data.errors import InputError
from melodylc.data.keys import Scale, parse_scale
from melodylc.data.writing import Writing
from melodylc.models.config import PriorName
from melodylc.rewards import (
    Density,
    Reward,
    Rule,
    Variety,
    parse_density,
    parse_reward,
    pitch_classes,
    tonic,
    variety,
)
from melodylc.rewards.domains import MELODIES
from melodylc.rewards.isolation import SECONDS
from melodylc.rewards.specs import Find, existing
from melodylc.transposing import check_transposable

Method = Literal["actor", "optimize"]
"""What moves latents: an actor, or optimisation along the slope of a critic."""


class Asked(NamedTuple):
    """A reward, and how it was typed."""

    text: str
    reward: Reward


@dataclass(frozen=True)
class Request:
    """Scales, densities and rewards, as many as one likes; and with any of them variety, unless it is waived.

    A variety of one's own among the rewards takes the place of that.

    Raises:
        InputError: two that exclude each other, a reward that doesn't judge melodies, or an end on the tonic of a set
            of notes that has none.

    >>> Request.read(scale=["am"]).rule.identity
    'pitch_classes(0,2,4,5,7,9,11) & tonic(9) & variety(7 pitches, 9 bars)'
    """

    scales: tuple[Scale, ...] = ()  #: notes must be in all of them; the first is the key that files are written in
    densities: tuple[Density, ...] = ()
    rewards: tuple[Asked, ...] = ()
    end_on_tonic: bool | None = None  #: None: where only the tonic tells a scale from others (`Scale.told_by_tonic`)
    varied: bool = True  #: whether a melody must not obey by monotony
    seconds: float = SECONDS  #: that a call of a user's reward may take

    def __post_init__(self) -> None:
        homeless = next((scale for scale in self.scales if scale.tonic is None), None)
        if self.end_on_tonic and homeless:
            raise InputError(
                f"{homeless.name} has no tonic to end on: name one, as in --scale '{homeless.name} tonic "
                f"{homeless.name.split(',')[0]}'"
            )
        if self.rule is not None and self.rule.domain != MELODIES:
            raise InputError(f"{self.rule.names[0]} judges {self.rule.domain}, and what is written here are melodies")

    @classmethod
    def read(
        cls,
        scale: Sequence[str] = (),
        density: Sequence[str] = (),
        reward: Sequence[str] = (),
        tonic: bool | None = None,
        variety: bool = True,
        seconds: float = SECONDS,
        find: Find = existing,
    ) -> Self:
        """The request that someone typed; the inverse of `to_dict`. `find` says where a reward's file is.

        Raises:
            InputError: an unknown scale, a density out of range, a reward that can't be loaded, an ending of no scale.
        """
        if tonic is not None and not scale:
            raise InputError(f"--{'' if tonic else 'no-'}tonic asks about the tonic of a scale: give --scale too")
        return cls(
            scales=tuple(parse_scale(text) for text in scale),
            densities=tuple(parse_density(text) for text in density),
            rewards=tuple(Asked(text, parse_reward(text, seconds=seconds, find=find)) for text in reward),
            end_on_tonic=tonic,
            varied=variety,
            seconds=seconds,
        )

    @property
    def scale(self) -> Scale | None:
        """The scale that files are written in."""
        return self.scales[0] if self.scales else None

    @property
    def rule(self) -> Rule | None:
        """The rule, or None where nothing is asked."""
        parts: list[Reward] = [pitch_classes(scale.pitch_classes) for scale in self.scales]
        parts += [tonic(scale.tonic) for scale in self.scales if scale.tonic is not None and self._ends(scale)]
        parts += [*self.densities, *(asked.reward for asked in self.rewards)]
        if parts and self.varied and not any(isinstance(part.raw, Variety) for part in parts):
            parts.append(variety())
        return Rule(tuple(parts)) if parts else None

    @property
    def words(self) -> list[str]:
        """The options that ask for this, as the command line takes them."""
        words = [word for scale in self.scales for word in ("--scale", scale.slug)]
        if self.end_on_tonic is not None:
            words += ["--tonic" if self.end_on_tonic else "--no-tonic"]
        words += [word for density in self.densities for word in ("--density", _typed(density))]
        words += [word for asked in self.rewards for word in ("--reward", asked.text)]
        return words if self.varied else [*words, "--no-variety"]

    @property
    def slugs(self) -> list[str]:
        """Parts of a folder's name, such as "cmaj" and "64-96"."""
        densities = [_typed(density).replace("..", "-") for density in self.densities]
        names = [name for asked in self.rewards for name in re.findall(r"([A-Za-z_]\w*)\(", asked.reward.name)]
        return [scale.slug for scale in self.scales] + [re.sub("-$", "+", it) for it in densities] + names

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest or an actor's file."""
        return {
            "scale": [scale.name for scale in self.scales],
            "density": [_typed(density) for density in self.densities],
            "reward": [asked.text for asked in self.rewards],
            "tonic": self.end_on_tonic,
            "variety": self.varied,
        }

    def _ends(self, scale: Scale) -> bool:
        return scale.told_by_tonic if self.end_on_tonic is None else self.end_on_tonic


@dataclass(frozen=True)
class Order:
    """How many melodies of what kind, from which seed.

    Raises:
        InputError: a count below 1, a negative seed, more melodies than one file holds, a reward on pitch beside
            `Writing.transpose`, a choice among melodies that are not verified, or realism where nothing is fitted.
    """

    request: Request = field(default_factory=Request)
    count: int = 8
    seed: int = 0
    writing: Writing = field(default_factory=Writing)  #: how the melodies become files
    draws: int = 40  #: most latents decoded for one melody
    verify: bool = True  #: whether only melodies that obey are written
    model: Path | None = None  #: None: the shipped one
    prior: PriorName | None = None  #: None: the best that the model has
    actor: Path | None = None  #: the file that the request comes from; None: the request was typed
    method: Method = "actor"  #: what moves latents to where melodies obey
    best_of: int = 1  #: melodies that obey, of which the one most like real melodies is written
    realism: float = 0.0  #: weight of the realism critic in the actor's fit
    allow_copies: bool = False  #: whether melodies that share four bars with a training melody are written too

    def __post_init__(self) -> None:
        for name, least in (("count", 1), ("draws", 1), ("seed", 0), ("best_of", 1)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is a whole number from {least} up, not {getattr(self, name)}")
        if self.best_of > 1 and not self.verify:
            raise InputError(f"--best-of {self.best_of} chooses among melodies that obey: leave out --no-verify")
        if self.realism and self.actor:
            raise InputError("--realism is about fitting, and --actor is fitted: give it to `melodylc fit` instead")
        if self.realism and self.request.rule is None:
            raise InputError("--realism is about fitting, and nothing is asked: give --scale, --density or --reward")
        self.writing.check_count(self.count)
        check_transposable(self.request.rewards, self.writing.transpose)

    @property
    def budget(self) -> int:
        """Draws that one melody may take: a single one where nothing is verified, and more where several must obey."""
        return self.draws * self.best_of if self.verify else 1

    @property
    def guarded(self) -> bool:
        """Whether copies of training melodies are drawn again."""
        return self.verify and not self.allow_copies

    @property
    def folder_name(self) -> str:
        """A folder for this order where the user names none, such as "melodylc-cmaj-192+-seed7".

        >>> Order(seed=7).folder_name
        'melodylc-free-seed7'
        """
        parts = [self.actor.stem] if self.actor else self.request.slugs
        return "-".join(["melodylc", *(parts or ["free"]), f"seed{self.seed}"])

    @property
    def command(self) -> str:
        """The command line that makes these melodies again.

        >>> Order(count=2).command
        'melodylc generate -n 2 --seed 0'
        """
        asked = ["--actor", str(self.actor)] if self.actor else self.request.words
        words = ["melodylc", "generate", *asked, "-n", str(self.count), "--seed", str(self.seed)]
        defaults = Order()
        if self.request.seconds != SECONDS:
            words += ["--reward-seconds", f"{self.request.seconds:g}"]
        words += self.writing.words
        if self.draws != defaults.draws:
            words += ["--draws", str(self.draws)]
        if not self.verify:
            words += ["--no-verify"]
        if self.allow_copies:
            words += ["--allow-copies"]
        if self.best_of > 1:
            words += ["--best-of", str(self.best_of)]
        if self.realism:
            words += ["--realism", f"{self.realism:g}"]
        if self.model is not None:
            words += ["--model", str(self.model)]
        if self.prior is not None:
            words += ["--prior", self.prior]
        if self.method != "actor":
            words += ["--method", self.method]
        return shlex.join(words)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a manifest; two orders with equal ones make the same files."""
        rule = self.request.rule
        return {
            **self.request.to_dict(),
            "rule": rule.identity if rule is not None else None,  # covers a reward's source, which its text doesn't
            "count": self.count,
            "seed": self.seed,
            **self.writing.to_dict(),
            "draws": self.draws,
            "verify": self.verify,
            "model": str(self.model) if self.model else None,
            "prior": self.prior,
            "actor": str(self.actor) if self.actor else None,
            "method": self.method,
            "best_of": self.best_of,
            "realism": self.realism,
            "allow_copies": self.allow_copies,
        }


def _typed(density: Density) -> str:
    """A density as one types it, such as "64..96"."""
    return density.name.removeprefix("density(").removesuffix(")")
